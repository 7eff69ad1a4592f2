/* scrub-segment.c - one segment, read again from the device; see scrub-segment.h */
#include <config.h>

#include "milter/audit/scrub-segment.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"

#include <string.h>

/* Notes stand in front of a segment's first message. */
#define NOTES_MOST 10000

/* ---- what the next segment tells ---- */

static void
take_note (HfScrubSegment *self, const HfItem *item)
{
  guint64 seq, offset, length;

  if (!hf_statement_get_number (&item->statement, "segment", &seq) || seq != self->seq
      || !hf_statement_get_number (&item->statement, "offset", &offset)
      || !hf_statement_get_number (&item->statement, "length", &length))
    return;
  g_array_append_val (self->torn, offset);
  g_array_append_val (self->torn, length);
}

static void
take_header (HfScrubSegment *self, const HfReader *next)
{
  const gchar *nonce = hf_statement_get (&next->header, "previous_nonce");
  guint64 seq;

  if (!next->has_header || !hf_statement_get_number (&next->header, "previous_seq", &seq) || seq != self->seq)
    return;
  hf_statement_get_number (&next->header, "previous_synced", &self->written);
  self->unread = g_strcmp0 (hf_statement_get (&next->header, "previous_unread"), "1") == 0;
  if (nonce == NULL || strlen (nonce) != sizeof self->nonce.text - 1)
    return;
  self->has_nonce = TRUE;
  g_strlcpy (self->nonce.text, nonce, sizeof self->nonce.text);
}

static void
take_notes (HfScrubSegment *self, HfReader *next)
{
  gboolean end = FALSE;
  HfItem item;

  hf_item_init (&item);
  for (guint i = 0; i < NOTES_MOST && hf_reader_next (next, &item, &end, NULL) && !end && item.kind != HF_ITEM_MESSAGE; i++)
    if (item.kind == HF_ITEM_TORN && item.whole)
      take_note (self, &item);
  hf_item_clear (&item);
}

void
hf_scrub_segment_init (HfScrubSegment *self, const gchar *spool, guint64 seq, guint64 next_seq)
{
  g_autofree gchar *next_path = hf_segment_path (spool, next_seq);
  HfReader next;
  guint64 size;
  int fd = hf_segment_open_file (next_path, "scrub", &size, NULL);

  *self = (HfScrubSegment){ .path = hf_segment_path (spool, seq), .seq = seq, .fd = -1 };
  self->torn = g_array_new (FALSE, FALSE, sizeof (guint64));
  if (fd >= 0 && hf_reader_init (&next, fd, size, HF_READ_SKIM, NULL, NULL))
    {
      take_header (self, &next);
      take_notes (self, &next);
      hf_reader_clear (&next);
    }
  hf_sys_close (&fd);
}

void
hf_scrub_segment_clear (HfScrubSegment *self)
{
  hf_scrub_segment_close (self);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->torn, g_array_unref);
}

gboolean
hf_scrub_segment_is_torn (const HfScrubSegment *self, guint64 offset)
{
  for (guint i = 0; i + 1 < self->torn->len; i += 2)
    {
      const guint64 begin = g_array_index (self->torn, guint64, i);

      if (offset >= begin && offset - begin < g_array_index (self->torn, guint64, i + 1))
        return TRUE;
    }
  return FALSE;
}

/* ---- reading ---- */

gboolean
hf_scrub_segment_open (HfScrubSegment *self, GError **error)
{
  self->fd = hf_segment_open_file (self->path, "scrub", &self->size, error);
  return self->fd >= 0;
}

void
hf_scrub_segment_close (HfScrubSegment *self)
{
  hf_sys_close (&self->fd);
}

/* Where the kernel does not listen, what is read may come from memory: worth
 * less, and no harm. */
static void
forget (const HfScrubSegment *self, guint64 offset, guint64 length)
{
  const guint64 begin = offset - offset % HF_BLOCK;

  hf_sys.forget (self->fd, (off_t) begin, (off_t) (offset - begin + length));
}

gboolean
hf_scrub_segment_read (HfScrubSegment *self, guint64 offset, guint64 ahead, HfReader *reader, GError **error)
{
  forget (self, offset, ahead + HF_WINDOW_SIZE);
  if (!hf_reader_init (reader, self->fd, self->size, HF_READ_VERIFY, self->has_nonce ? &self->nonce : NULL, error))
    return FALSE;
  reader->written = self->written;
  if (offset > reader->window.position)
    hf_window_reset (&reader->window, self->fd, offset, reader->window.limit);
  return TRUE;
}

gboolean
hf_scrub_segment_confirm (HfScrubSegment *self, guint64 offset, guint64 length)
{
  gboolean whole = FALSE, end = FALSE;
  HfReader reader;
  HfItem item;

  if (!hf_scrub_segment_read (self, offset, length, &reader, NULL))
    return FALSE;
  hf_item_init (&item);
  whole = hf_reader_next (&reader, &item, &end, NULL) && !end && item.whole && item.offset == offset;
  hf_item_clear (&item);
  hf_reader_clear (&reader);
  return whole;
}

/* The nonce from the segment's first block, or from the next segment. */
static gboolean
find_nonce (HfScrubSegment *self, HfNonce *out_nonce)
{
  HfReader reader;
  gboolean found;

  *out_nonce = self->nonce;
  if (self->has_nonce)
    return TRUE;
  if (!hf_reader_init (&reader, self->fd, MIN (self->size, HF_BLOCK), HF_READ_SKIM, NULL, NULL))
    return FALSE;
  found = reader.has_header;
  *out_nonce = reader.nonce;
  hf_reader_clear (&reader);
  return found;
}

HfScrubVerdict
hf_scrub_segment_alone (HfScrubSegment *self, const gchar *id, guint64 offset, guint64 length, const gchar **out_fault,
                        GError **error)
{
  HfHash hash = { 0 };
  gboolean read, whole;
  HfWindow window;
  HfNonce nonce;
  HfItem item;

  *out_fault = "segment header does not verify";
  forget (self, offset, length);
  if (!find_nonce (self, &nonce))
    return HF_SCRUB_WRONG;
  hf_item_init (&item);
  hf_window_init (&window, self->fd, MIN (self->size, offset + length));
  hf_window_reset (&window, self->fd, offset, window.limit);
  read = hf_record_read (&window, &nonce, HF_READ_VERIFY, HF_ITEM_MESSAGE, &hash, &item, error);
  whole = read && item.whole && item.has_facts && strcmp (item.facts.id.text, id) == 0;
  *out_fault = item.fault != NULL ? item.fault : "another record stands here";
  hf_hash_clear (&hash);
  hf_window_clear (&window);
  hf_item_clear (&item);
  return !read ? HF_SCRUB_UNREADABLE : whole ? HF_SCRUB_WHOLE : HF_SCRUB_WRONG;
}
