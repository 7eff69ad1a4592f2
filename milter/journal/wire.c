/* wire.c - dot-stuffing; see wire.h
 *
 * Both directions look for the dots, which mail has fewer of than lines, and
 * copy what lies between in one piece.
 */
#include <config.h>

#include "milter/journal/wire.h"

#include <string.h>

void
hf_wire_init (HfWire *self)
{
  memset (self, 0, sizeof *self);
  self->last = -1;
  self->before_last = -1;
}

gboolean
hf_wire_ends_line (const HfWire *self)
{
  return self->last == -1 || (self->last == '\n' && self->before_last == '\r');
}

/* What stands before position @p of the piece that starts at @data. */
static gboolean
begins_line (const HfWire *self, const guint8 *data, const guint8 *p)
{
  switch (p - data)
    {
    case 0:
      return hf_wire_ends_line (self);
    case 1:
      return p[-1] == '\n' && self->last == '\r';
    default:
      return p[-1] == '\n' && p[-2] == '\r';
    }
}

static void
remember (HfWire *self, const guint8 *data, gsize size)
{
  if (size == 0)
    return;
  self->before_last = size > 1 ? data[size - 2] : self->last;
  self->last = data[size - 1];
}

/* A CR is known to be bare only with the octet after it; one that ends the
 * message is found by the caller, who knows that it ends there. */
static void
look_for_bare (HfWire *self, const guint8 *data, gsize size)
{
  const guint8 *end = data + size;

  if (self->bare || size == 0)
    return;
  if (self->last == '\r' && data[0] != '\n')
    self->bare = TRUE;
  for (const guint8 *p = data; !self->bare && (p = memchr (p, '\n', (gsize) (end - p))) != NULL; p++)
    if ((p == data ? self->last : p[-1]) != '\r')
      self->bare = TRUE;
  for (const guint8 *p = data; !self->bare && (p = memchr (p, '\r', (gsize) (end - p))) != NULL; p++)
    if (p + 1 < end && p[1] != '\n')
      self->bare = TRUE;
}

gboolean
hf_wire_stuff (HfWire *self, gconstpointer data, gsize size, HfOctetSink sink, gpointer user_data,
               GError **error)
{
  const guint8 *start = data, *end = start + size, *done = start;

  look_for_bare (self, start, size);
  for (const guint8 *p = start; (p = memchr (p, '.', (gsize) (end - p))) != NULL; p++)
    {
      if (!begins_line (self, start, p))
        continue;
      /* up to and with the dot; the next piece starts with it again */
      if (!sink (done, (gsize) (p + 1 - done), user_data, error))
        return FALSE;
      done = p;
      self->wire++;
    }
  if (done < end && !sink (done, (gsize) (end - done), user_data, error))
    return FALSE;
  remember (self, start, size);
  self->bytes += size;
  self->wire += size;
  return TRUE;
}

gboolean
hf_wire_unstuff (HfWire *self, gconstpointer data, gsize size, HfOctetSink sink, gpointer user_data,
                 GError **error)
{
  const guint8 *start = data, *end = start + size, *done = start;

  for (const guint8 *p = start; (p = memchr (p, '.', (gsize) (end - p))) != NULL; p++)
    {
      if (!begins_line (self, start, p))
        continue;
      if (p > done && !sink (done, (gsize) (p - done), user_data, error))
        return FALSE;
      self->bytes += (gsize) (p - done);
      done = p + 1;
    }
  if (done < end && !sink (done, (gsize) (end - done), user_data, error))
    return FALSE;
  self->bytes += (gsize) (end - done);
  self->wire += size;
  remember (self, start, size);
  return TRUE;
}
