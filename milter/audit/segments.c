/* segments.c - the journal's segments, followed as the filter writes them; see segments.h */
#include <config.h>

#include "milter/audit/segments.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/journal/reader.h"

#include <errno.h>
#include <fcntl.h>

typedef struct
{
  const gchar *spool;
  HfPublished published; /* zeroed for SPOOL/carried */
  gboolean live;
  HfSegmentsPosition *position;
  guint left;
  const HfSegmentsSink *sink;
} Reading;

static guint64
limit_of (const Reading *self, guint64 seq, guint64 size)
{
  if (!self->live || self->published.seq == 0 || seq < self->published.seq)
    return size;
  return seq == self->published.seq ? MIN (size, self->published.synced) : 0;
}

static void
take (Reading *self, const HfReader *reader, const HfItem *item)
{
  if (item->kind == HF_ITEM_VOID && item->whole)
    {
      const gchar *id = hf_statement_get (&item->statement, "id");

      if (id != NULL)
        self->sink->marked (id, hf_statement_get (&item->statement, "reason"), self->sink->data);
    }
  else if (item->has_facts && hf_id_is_valid (item->facts.id.text))
    self->sink->message (self->position->seq, reader->has_header ? hf_statement_get (&reader->header, "instance") : NULL,
                         item, self->sink->data);
}

static gboolean
read_items (Reading *self, HfReader *reader, GError **error)
{
  gboolean end = FALSE, ok = TRUE;
  HfItem item;

  hf_item_init (&item);
  while (self->left > 0 && (ok = hf_reader_next (reader, &item, &end, error)) && !end)
    {
      take (self, reader, &item);
      self->position->offset = item.offset + item.length;
      self->left--;
    }
  hf_item_clear (&item);
  return ok;
}

static gboolean
read_segment (Reading *self, int fd, GError **error)
{
  const gboolean is_published = hf_published_seq (&self->published) == self->position->seq;
  HfReader reader;
  struct stat st;
  gboolean ok;

  if (hf_sys.fstat (fd, &st) < 0)
    return hf_error_set_errno (error, errno, "journal-read", "cannot look at segment %" G_GUINT64_FORMAT,
                               self->position->seq);
  if (!hf_reader_init (&reader, fd, limit_of (self, self->position->seq, (guint64) st.st_size), HF_READ_RECIPIENTS,
                       is_published ? &self->published.nonce : NULL, error))
    return FALSE;
  if (reader.newer_version != 0)
    ok = hf_error_set (error, HF_ERROR_CORRUPT, "journal-read", "segment %" G_GUINT64_FORMAT " is of a newer version",
                       self->position->seq);
  else
    {
      if (self->position->offset > reader.window.position)
        hf_window_reset (&reader.window, fd, self->position->offset, reader.window.limit);
      ok = read_items (self, &reader, error);
    }
  hf_reader_clear (&reader);
  return ok;
}

static gboolean
read_seq (Reading *self, guint64 seq, GError **error)
{
  g_autofree gchar *path = hf_segment_path (self->spool, seq);
  gboolean ok;
  int fd;

  if (seq != self->position->seq)
    self->position->offset = 0;
  self->position->seq = seq;
  fd = hf_sys.open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
  if (fd < 0 && errno == ENOENT)
    return TRUE; /* trimmed since the directory was read */
  if (fd < 0)
    return hf_error_set_errno (error, errno, "journal-read", "cannot open segment '%s'", path);
  ok = read_segment (self, fd, error);
  hf_sys_close (&fd);
  return ok;
}

gboolean
hf_segments_read (const gchar *spool, HfSegmentsPosition *position, guint most, const HfSegmentsSink *sink,
                  gboolean *out_more, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (GArray) seqs = NULL;
  Reading self = { .spool = spool, .position = position, .left = most, .sink = sink };

  *out_more = FALSE;
  hf_directory_published (dir_path, &self.published, &self.live);
  seqs = hf_directory_list (dir_path, error);
  if (seqs == NULL)
    return FALSE;
  for (guint i = 0; i < seqs->len && self.left > 0; i++)
    if (g_array_index (seqs, guint64, i) >= position->seq && !read_seq (&self, g_array_index (seqs, guint64, i), error))
      return FALSE;
  *out_more = self.left == 0;
  return TRUE;
}

gboolean
hf_segments_read_carried (const gchar *spool, HfSegmentsPosition *position, guint most, const HfSegmentsSink *sink,
                          gboolean *out_more, GError **error)
{
  g_autoptr (GArray) seqs = hf_carried_list (spool, error);
  Reading self = { .spool = spool, .position = position, .left = most, .sink = sink };

  *out_more = FALSE;
  for (guint i = seqs != NULL ? seqs->len : 0; i > 0 && self.left > 0; i--)
    {
      const guint64 seq = g_array_index (seqs, guint64, i - 1);

      if ((position->seq == 0 || seq <= position->seq) && !read_seq (&self, seq, error))
        return FALSE;
    }
  *out_more = self.left == 0;
  return seqs != NULL;
}
