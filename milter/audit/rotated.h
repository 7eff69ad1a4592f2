/* rotated.h - what became of a log file: its older parts, beside it
 *
 * Files whose names go on from the log's (mail.log.1, mail.log.2.gz,
 * mail.log-20261122.xz), oldest first.  Which is which is told by what they
 * begin with, so copying and compressing hide nothing.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gchar *path;
  gint64 written_ms; /* its last change */
  gint number;       /* of name.NUMBER, 0 for other forms */
  guint64 device, inode;
} HfRotated;

/* All of them, of HfRotated, oldest first; the log itself is not among them. */
GArray *hf_rotated_list (const gchar *path);

/* SHA-256, hexadecimal, of the first @size octets of the file's (uncompressed)
 * text.  FALSE when it has not so many, or can't be read. */
gboolean hf_rotated_head (const gchar *path, guint32 size, gchar out_head[65]);

G_END_DECLS
