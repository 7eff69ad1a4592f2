/* window.c - a sliding window over a file that only grows; see window.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/window.h"

#include <errno.h>
#include <string.h>

void
hf_window_init (HfWindow *self, int fd, guint64 limit)
{
  memset (self, 0, sizeof *self);
  hf_window_reset (self, fd, 0, limit);
}

void
hf_window_reset (HfWindow *self, int fd, guint64 position, guint64 limit)
{
  self->fd = fd;
  self->limit = limit;
  self->position = position;
  self->base = position;
  self->fill = 0;
}

void
hf_window_clear (HfWindow *self)
{
  g_clear_pointer (&self->buffer, g_free);
  self->capacity = 0;
  self->fill = 0;
}

/* Octets of the window from the position on. */
static gsize
available (const HfWindow *self)
{
  if (self->position < self->base || self->position > self->base + self->fill)
    return 0;
  return (gsize) (self->base + self->fill - self->position);
}

/* Moves what is still wanted to the front, and makes the buffer large enough. */
static void
make_room (HfWindow *self, gsize size)
{
  const gsize keep = available (self);

  if (keep > 0)
    memmove (self->buffer, self->buffer + (self->position - self->base), keep);
  self->base = self->position;
  self->fill = keep;
  if (self->capacity < size)
    {
      self->capacity = MAX (size, HF_WINDOW_SIZE);
      self->buffer = g_realloc (self->buffer, self->capacity);
    }
}

gboolean
hf_window_need (HfWindow *self, gsize size, const guint8 **out_data, gsize *out_size, GError **error)
{
  const guint64 left = self->position < self->limit ? self->limit - self->position : 0;

  if (size > HF_LINE_LIMIT)
    return hf_error_set (error, HF_ERROR_FULL, "journal-read", "line too long");
  size = (gsize) MIN (size, left);
  if (available (self) < size)
    {
      make_room (self, size);
      while (self->fill < size)
        {
          const guint64 at = self->base + self->fill;
          ssize_t n = hf_sys_pread_all (self->fd, self->buffer + self->fill,
                                        (gsize) MIN (self->capacity - self->fill, self->limit - at), (off_t) at);

          if (n < 0)
            return hf_error_set_errno (error, errno, "journal-read", "cannot read segment at offset %" G_GUINT64_FORMAT, at);
          if (n == 0)
            break;
          self->fill += (gsize) n;
        }
    }
  *out_size = MIN (size, available (self));
  /* behind the end there is no place in the buffer to point at */
  *out_data = *out_size == 0 ? (const guint8 *) "" : self->buffer + (self->position - self->base);
  return TRUE;
}

gboolean
hf_window_line (HfWindow *self, const gchar **out_line, gsize *out_size, GError **error)
{
  const guint8 *data;
  gsize want = 1024, seen = 0, have;

  *out_line = NULL;
  for (;;)
    {
      if (!hf_window_need (self, want, &data, &have, error))
        return FALSE;
      for (const guint8 *p = data + seen; p < data + have; p++)
        {
          p = memchr (p, '\n', (gsize) (data + have - p));
          if (p == NULL)
            break;
          if (p > data && p[-1] == '\r')
            {
              *out_line = (const gchar *) data;
              *out_size = (gsize) (p - 1 - data);
              return TRUE;
            }
        }
      if (have < want || want == HF_LINE_LIMIT)
        return TRUE;
      seen = have;
      want = MIN (want * 4, HF_LINE_LIMIT);
    }
}
