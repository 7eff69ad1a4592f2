/* readers.h - the lock between those who read segments and what removes them
 *
 * SPOOL/journal/readers is an empty file.  A reader of copies holds it shared
 * for as long as it reads, trimming holds it alone while it removes; the filter
 * needs neither, because it never reads a segment that may go.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * hf_readers_share:
 * @dir_path: SPOOL/journal
 * @out_fd: (out): to be closed when the reading is over; -1 where there is nothing to hold
 *
 * Waits for a trimming that is on, up to a minute.  The file is made where it
 * is missing, and belongs to the directory's owner.  A reader who may not make
 * or open it, or has no room for it, goes on without: a segment may then go
 * while it reads, which hf_view_next() meets.  FALSE with HF_ERROR_BUSY only.
 */
gboolean hf_readers_share (const gchar *dir_path, int *out_fd, GError **error);

/**
 * hf_readers_exclude:
 * @dir_fd: SPOOL/journal
 * @wait_ms: how long to wait for readers to end
 *
 * TRUE: until *@out_fd is closed nobody reads.  FALSE with HF_ERROR_BUSY,
 * HF_ERROR_DENIED, HF_ERROR_FULL or HF_ERROR_IO.
 */
gboolean hf_readers_exclude (int dir_fd, gint64 wait_ms, int *out_fd, GError **error);

G_END_DECLS
