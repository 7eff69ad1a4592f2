/* newest.h - the record that was written last, read back from the journal
 *
 * Reads as any reader does: how far the open segment is synced, then the items
 * in it.  Keeps its place, so that each call reads only what is new.
 */
#pragma once

#include "milter/journal/directory.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *directory; /* SPOOL/journal */
  int fd;
  guint64 seq;
  guint64 position; /* up to where the segment was read */
  HfWindow window;
  HfHash hash;
  HfItem item;         /* the record */
  GByteArray *message; /* its octets as received */
} Newest;

void newest_init (Newest *self, const gchar *spool);

/* Reads on to the last message there is.  Ends the process where an item is not
 * whole, or where there is no new message. */
void newest_read (Newest *self);

G_END_DECLS
