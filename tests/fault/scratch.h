/* scratch.h - directories that a fault test makes and leaves no trace of
 *
 * Trees lie in /dev/shm where there is one, because a fault test makes
 * thousands of them; what a disk does wrong is the test's own doing.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ft_scratch_new:
 * @name: begins the directory's name
 *
 * Returns: (transfer full): a new directory; the process ends with a message
 * where none can be made.  It is removed by ft_scratch_end(), and when SIGINT
 * or SIGTERM ends the process that made it.  One at a time.
 */
gchar *ft_scratch_new (const gchar *name);
void ft_scratch_end (gchar *path);

/* Makes a directory, with a message and an end where that fails. */
void ft_make_directory (const gchar *path);

/* Removes a tree; nothing there is fine. */
void ft_tree_remove (const gchar *path);

/* Copies directories and files, holes and modes aside.  @to must not exist. */
void ft_tree_copy (const gchar *from, const gchar *to);

/* Files and directories in @path itself; 0 where it can't be read. */
guint ft_count_entries (const gchar *path);

/* Descriptors that this process has open. */
guint ft_count_descriptors (void);

/* Waits until no more than @most are; threads that were told to end let go a
 * moment later.  FALSE: not within @limit_ms. */
gboolean ft_wait_descriptors (guint most, gint limit_ms);

/* A number that the build scales: sanitizers make everything slower. */
guint ft_scaled (guint number);

/* Of many cases like each other a sanitizer's build runs one in so many; 1 in a
 * plain build, which runs all of them, and in a long run. */
guint ft_stride (void);

/* TRUE when a longer run was asked for: HOLDFAST_LONG=1. */
gboolean ft_is_long (void);

G_END_DECLS
