/* crew.h - a test's cases, dealt out to processes
 *
 * Fault tests wait more than they compute, and the table of system calls is
 * one for a process; so each process takes every nth case.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  guint index; /* of this worker */
  guint count; /* of workers */
  gchar *root; /* a directory of its own, which is there */
} FtWorker;

/* Zeroed memory of @size octets that all workers share; ft_crew_forget() frees it. */
gpointer ft_crew_share (gsize size);
void ft_crew_forget (gpointer shared, gsize size);

/**
 * ft_crew_run:
 * @scratch: where the workers' directories go
 * @count: of workers
 * @work: runs in a process of its own; what it returns is its exit status
 *
 * Returns: how many workers ended otherwise than with 0, each told on standard
 * output as a comment.
 */
guint ft_crew_run (const gchar *scratch, guint count, int (*work) (const FtWorker *worker, gpointer data), gpointer data);

/* Prints one comment line in one piece, whatever other processes print. */
void ft_crew_say (const gchar *format, ...) G_GNUC_PRINTF (1, 2);

G_END_DECLS
