/* window.h - a sliding window over a file that only grows
 *
 * The readers' one way to the octets of a segment: a buffer of a fixed size
 * that follows the position, and grows only for a line longer than itself.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define HF_WINDOW_SIZE (512 * 1024)
#define HF_LINE_LIMIT (4 * 1024 * 1024) /* longer than any line an MTA can make */

typedef struct
{
  int fd;        /* borrowed */
  guint64 limit; /* octets of the file that may be read */
  guint64 position;
  /* the window */
  guint8 *buffer;
  gsize capacity;
  guint64 base; /* offset in the file of buffer[0] */
  gsize fill;
} HfWindow;

void hf_window_init (HfWindow *self, int fd, guint64 limit);
void hf_window_clear (HfWindow *self);

/* Starts over on another range; the buffer is kept, its octets are not. */
void hf_window_reset (HfWindow *self, int fd, guint64 position, guint64 limit);

/**
 * hf_window_need:
 * @size: octets wanted from the position on
 * @out_data: (out): borrowed until the next call
 * @out_size: (out): what there is: less than @size only before the limit or the file's end
 *
 * FALSE with HF_ERROR_IO when the file can't be read, HF_ERROR_FULL when
 * @size is above HF_LINE_LIMIT.
 */
gboolean hf_window_need (HfWindow *self, gsize size, const guint8 **out_data, gsize *out_size, GError **error);

/**
 * hf_window_line:
 * @out_line: (out): a line without its CRLF, borrowed; NULL when no CRLF comes
 *   before the limit or within HF_LINE_LIMIT
 *
 * Looks at the line at the position and does not move it.
 */
gboolean hf_window_line (HfWindow *self, const gchar **out_line, gsize *out_size, GError **error);

G_END_DECLS
