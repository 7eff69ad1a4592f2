/* newest.c - the record that was written last; see newest.h */
#include <config.h>

#include "tests/fuzz/newest.h"

#include "milter/base/sys.h"
#include "milter/journal/reader.h"

#include <fcntl.h>
#include <string.h>

void
newest_init (Newest *self, const gchar *spool)
{
  memset (self, 0, sizeof *self);
  self->directory = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  self->fd = -1;
  self->message = g_byte_array_new ();
  hf_item_init (&self->item);
}

static gboolean
keep (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_byte_array_append (user_data, data, (guint) size);
  return TRUE;
}

/* A segment that is done with goes, so that a long run does not fill the disk. */
static void
remove_segment (Newest *self)
{
  g_autofree gchar *path = NULL;
  HfSegmentName name;

  if (self->seq == 0)
    return;
  hf_segment_name (self->seq, &name);
  path = g_build_filename (self->directory, name.text, NULL);
  hf_sys_real.unlinkat (AT_FDCWD, path, 0);
}

/* Behind the header of a segment that was not seen before. */
static void
open_segment (Newest *self, guint64 seq, guint64 synced)
{
  g_autofree gchar *path = NULL;
  HfSegmentName name;
  HfReader reader;

  hf_sys_close (&self->fd);
  remove_segment (self);
  hf_segment_name (seq, &name);
  path = g_build_filename (self->directory, name.text, NULL);
  self->fd = hf_sys_real.open (path, O_RDONLY | O_CLOEXEC, 0);
  g_assert (self->fd >= 0);
  g_assert (hf_reader_init (&reader, self->fd, synced, HF_READ_VERIFY, NULL, NULL));
  g_assert (reader.has_header);
  self->position = hf_reader_position (&reader);
  self->seq = seq;
  hf_reader_clear (&reader);
}

/* The item at the window's position.  Padding and marks are passed over by the caller. */
static gboolean
read_item (Newest *self, const HfNonce *nonce, HfItemKind *out_kind)
{
  const gchar *line;
  gsize size;

  g_assert (hf_window_line (&self->window, &line, &size, NULL));
  if (line == NULL)
    return FALSE;
  if (!hf_record_starts (line, size, nonce, out_kind))
    {
      self->window.position += size + 2;
      *out_kind = HF_ITEM_JUNK;
      return TRUE;
    }
  g_assert (hf_record_read (&self->window, nonce, HF_READ_RECIPIENTS, *out_kind, &self->hash, &self->item, NULL));
  if (!self->item.whole)
    g_error ("the item at %" G_GUINT64_FORMAT " is not whole: %s", self->item.offset, self->item.fault);
  return TRUE;
}

void
newest_read (Newest *self)
{
  gboolean found = FALSE;
  HfPublished published;
  HfItemKind kind;
  gboolean live;

  /* The writer may be at it, though we run in the same process. */
  hf_directory_published (self->directory, &published, &live);
  g_assert (live && published.seq != 0);
  if (published.seq != self->seq)
    open_segment (self, published.seq, published.synced);
  hf_window_reset (&self->window, self->fd, self->position, published.synced);
  while (read_item (self, &published.nonce, &kind))
    if (kind == HF_ITEM_MESSAGE)
      {
        const guint64 behind = self->window.position;

        found = TRUE;
        g_byte_array_set_size (self->message, 0);
        g_assert (hf_record_copy_message (&self->window, &self->item, keep, self->message, NULL));
        self->window.position = behind;
      }
  self->position = published.synced;
  if (!found)
    g_error ("a message was answered, and the journal holds no new one");
}
