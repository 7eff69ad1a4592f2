/* mbox.h - a message as an entry of a file in mboxrd
 *
 * An entry is a line "From SENDER DATE", the message with LF at the end of its
 * lines, and an empty line.  A line of the message that begins with From and a
 * blank, behind any number of >, gets one > more in front; taking one away
 * gives it back, so nothing is lost but which lines ended in a bare LF.
 */
#pragma once

#include "milter/journal/wire.h"

G_BEGIN_DECLS

/* A message on its way into an mbox.  Zeroed by hf_mbox_begin. */
typedef struct
{
  HfOctetSink sink;
  gpointer user_data;
  gboolean in_line;   /* past the place where From could stand */
  guint matched;      /* octets of "From " held back */
  gboolean held_cr;   /* a CR is held back: LF may follow */
  gboolean ends_line; /* the last octet given on was LF */
} HfMbox;

/* Writes the From_ line; @sender "" is the null sender, which is MAILER-DAEMON here. */
gboolean hf_mbox_begin (HfMbox *self, const gchar *sender, gint64 at_ms, HfOctetSink sink, gpointer user_data,
                        GError **error);

/* Takes octets of the message; an HfOctetSink, with the HfMbox as its data. */
gboolean hf_mbox_write (gconstpointer data, gsize size, gpointer mbox, GError **error);

/* Ends the last line where it has no end, and adds the empty line. */
gboolean hf_mbox_end (HfMbox *self, GError **error);

G_END_DECLS
