/* wire.h - a message between its own octets and its form behind DATA
 *
 * On the wire, and in the journal, a dot that begins a line is doubled
 * (RFC 5321 4.5.2).  A line begins at the start and after CRLF; a bare LF or
 * CR begins none here, so that what was received comes back octet for octet.
 * Both directions go piece by piece and keep nothing but two octets of state.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Takes octets, borrowed for the call; FALSE stops, with @error set by it. */
typedef gboolean (*HfOctetSink) (gconstpointer data, gsize size, gpointer user_data, GError **error);

typedef struct
{
  gint last;           /* the octets before the next piece, -1 at the start */
  gint before_last;
  guint64 bytes;       /* octets of the message seen so far */
  guint64 wire;        /* octets of the wire form so far */
  gboolean bare;       /* a CR without LF or an LF without CR was seen */
} HfWire;

void hf_wire_init (HfWire *self);

/* Message to wire form; passes @sink's error on. */
gboolean hf_wire_stuff (HfWire *self, gconstpointer data, gsize size, HfOctetSink sink,
                        gpointer user_data, GError **error);

/* Wire form to message, likewise. */
gboolean hf_wire_unstuff (HfWire *self, gconstpointer data, gsize size, HfOctetSink sink,
                          gpointer user_data, GError **error);

/* The message so far is empty or ends in CRLF, so that `.` may follow. */
gboolean hf_wire_ends_line (const HfWire *self);

G_END_DECLS
