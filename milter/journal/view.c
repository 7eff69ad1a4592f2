/* view.c - the whole journal as a reader sees it, while the filter goes on; see view.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/readers.h"
#include "milter/journal/recover.h"
#include "milter/journal/view.h"

#include <string.h>

/* What the first pass learns of a segment. */
typedef struct
{
  guint64 seq;
  gboolean has_nonce; /* from elsewhere than its own header */
  HfNonce nonce;
  HfTornRule rule;
  guint64 whole;      /* so far a start found it whole, synced or not */
  GArray *torn;       /* of Range: noted by later segments */
  gboolean unread;    /* the start that made the next segment could not read it */
  gboolean previous_unread; /* the same of the segment before this one */
  HfViewSegment facts;
  GArray *marks;      /* what facts.marks and facts.torn lend */
  GArray *torn_in;
  gboolean gone;      /* trimmed since the directory was read */
} SegmentNotes;

typedef struct
{
  guint64 offset;
  guint64 length;
} Range;

/* Where the chain stands. */
typedef struct
{
  gboolean known;
  HfDigest digest;
  gboolean breach; /* something not whole since the last whole record */
} Chain;

struct HfView
{
  gchar *spool;
  gchar *dir_path;
  HfReadFlags flags;
  HfPublished published;
  gboolean live;
  int readers_fd;
  HfTrimmed trimmed;
  GArray *missing;   /* of guint64 */
  GArray *present;   /* of guint64: segments that are there, looked at or not */
  gboolean partial;  /* some are not looked at */
  GArray *segments;  /* of SegmentNotes, ascending; those that were carried come last */
  GHashTable *marks; /* id text to HfVoidMark */
  /* where the view is */
  guint next;        /* index of the segment after the open one */
  int fd;
  gchar *path;
  HfReader reader;
  gboolean reading;
  HfItem item;
  GError *unreadable;
  HfHash hash;
  Chain chain;
  Chain sure;        /* the same, behind what the next segment follows from */
};

const gchar *
hf_copy_text (HfCopy copy)
{
  static const gchar *const texts[] = { "whole", "torn", "damaged" };

  return texts[copy];
}

static void
mark_free (gpointer data)
{
  HfVoidMark *mark = data;

  g_free (mark->reason);
  g_free (mark);
}

static void
notes_clear (gpointer data)
{
  SegmentNotes *notes = data;

  g_array_unref (notes->torn);
  g_array_unref (notes->marks);
  g_array_unref (notes->torn_in);
}

static SegmentNotes *
notes_of (HfView *self, guint64 seq)
{
  for (guint i = self->segments->len; i > 0; i--)
    {
      SegmentNotes *notes = &g_array_index (self->segments, SegmentNotes, i - 1);

      if (notes->seq == seq)
        return notes;
    }
  return NULL;
}

/* A live filter has opened it since we looked. */
static gboolean
is_unpublished (const HfView *self, guint64 seq)
{
  return self->live && self->published.seq != 0 && seq > self->published.seq && !hf_segment_is_carried (seq);
}

/* Octets of segment @seq that may be read: a live filter's open segment ends at
 * what it has published, and one that it has not published yet holds nothing. */
static guint64
limit_of (const HfView *self, guint64 seq, guint64 size)
{
  if (is_unpublished (self, seq))
    return 0;
  return self->live && seq == self->published.seq ? MIN (size, self->published.synced) : size;
}

static gboolean
open_segment (HfView *self, SegmentNotes *notes, HfReadFlags flags, GError **error)
{
  guint64 size;

  g_free (self->path);
  self->path = hf_segment_path (self->spool, notes->seq);
  self->fd = hf_segment_open_file (self->path, "view-open", &size, error);
  if (self->fd < 0
      || !hf_reader_init (&self->reader, self->fd, limit_of (self, notes->seq, size), flags,
                          notes->has_nonce ? &notes->nonce : NULL, error))
    return FALSE;
  self->reading = TRUE;
  if (!is_unpublished (self, notes->seq))
    self->reader.written = MAX (notes->rule.synced, notes->whole);
  if (self->reader.newer_version != 0)
    return hf_error_set (error, HF_ERROR_CORRUPT, "view-open",
                         "segment '%s' has format version %" G_GUINT64_FORMAT ", this program reads up to %d",
                         self->path, self->reader.newer_version, HF_FORMAT_VERSION);
  return TRUE;
}

static void
close_segment (HfView *self)
{
  if (self->reading)
    hf_reader_clear (&self->reader);
  self->reading = FALSE;
  hf_sys_close (&self->fd);
}

/* ---- the first pass ---- */

static void
take_mark (HfView *self, SegmentNotes *notes, const HfItem *item)
{
  const gchar *id = hf_statement_get (&item->statement, "id");
  const gchar *at = hf_statement_get (&item->statement, "at");
  HfViewMark stands = { { "" }, 0 };
  HfVoidMark *mark;

  if (id == NULL)
    return;
  g_strlcpy (stands.id.text, id, sizeof stands.id.text);
  hf_statement_get_number (&item->statement, "segment", &stands.segment);
  g_array_append_val (notes->marks, stands);
  mark = g_new0 (HfVoidMark, 1);
  mark->reason = g_strdup (hf_statement_get (&item->statement, "reason"));
  if (at == NULL || !hf_time_parse (at, &mark->at_ms))
    mark->at_ms = -1;
  g_hash_table_replace (self->marks, g_strdup (id), mark);
}

static void
take_torn_note (HfView *self, SegmentNotes *in, const HfItem *item)
{
  SegmentNotes *notes;
  guint64 seq;
  Range range;

  if (!hf_statement_get_number (&item->statement, "segment", &seq)
      || !hf_statement_get_number (&item->statement, "offset", &range.offset)
      || !hf_statement_get_number (&item->statement, "length", &range.length))
    return;
  g_array_append_val (in->torn_in, seq);
  notes = notes_of (self, seq);
  if (notes != NULL)
    g_array_append_val (notes->torn, range);
}

/* The header of a segment tells the nonce of the one before it, how much was
 * written there, and whether its writer could read it. */
static void
take_header (HfView *self, SegmentNotes *in)
{
  const HfStatement *header = &self->reader.header;
  const gchar *nonce = hf_statement_get (header, "previous_nonce");
  SegmentNotes *notes;
  guint64 seq;

  if (!self->reader.has_header)
    return;
  in->facts.has_header = TRUE;
  in->facts.nonce = self->reader.nonce;
  in->facts.has_previous = self->reader.has_previous;
  in->facts.previous = self->reader.previous;
  if (!hf_statement_get_number (header, "previous_seq", &seq))
    return;
  in->facts.previous_seq = seq;
  in->previous_unread = g_strcmp0 (hf_statement_get (header, "previous_unread"), "1") == 0;
  notes = notes_of (self, seq);
  if (notes == NULL && hf_trimmed_find (&self->trimmed, seq) == NULL)
    g_array_append_val (self->missing, seq);
  if (notes == NULL)
    return;
  if (hf_statement_get_number (header, "previous_synced", &notes->facts.followed))
    notes->rule.synced = MAX (notes->rule.synced, notes->facts.followed);
  hf_statement_get_number (header, "previous_whole", &notes->whole);
  notes->unread = notes->unread || in->previous_unread;
  if (nonce == NULL || strlen (nonce) != sizeof notes->nonce.text - 1)
    return;
  notes->has_nonce = TRUE;
  g_strlcpy (notes->nonce.text, nonce, sizeof notes->nonce.text);
}

static gboolean
learn_items (HfView *self, SegmentNotes *notes, GError **error)
{
  gboolean end = FALSE;

  while (hf_reader_next (&self->reader, &self->item, &end, error))
    {
      if (end)
        return TRUE;
      if (!self->item.whole)
        continue;
      switch (self->item.kind)
        {
        case HF_ITEM_MESSAGE:
          hf_torn_rule_add (&notes->rule, &self->item);
          break;
        case HF_ITEM_VOID:
          take_mark (self, notes, &self->item);
          break;
        case HF_ITEM_TORN:
          take_torn_note (self, notes, &self->item);
          break;
        case HF_ITEM_END:
          notes->rule.end = self->item.offset;
          break;
        case HF_ITEM_SEGMENT:
        case HF_ITEM_OTHER:
        case HF_ITEM_JUNK:
          break;
        }
    }
  return FALSE;
}

/* Newest first: a header tells what the segment before it may need.  What can't
 * be read here is met again, and told, in the second pass. */
static void
learn (HfView *self)
{
  for (guint i = self->segments->len; i > 0; i--)
    {
      SegmentNotes *notes = &g_array_index (self->segments, SegmentNotes, i - 1);

      if (notes->seq == hf_published_seq (&self->published))
        {
          notes->rule.synced = MAX (notes->rule.synced, self->published.synced);
          notes->has_nonce = TRUE;
          notes->nonce = self->published.nonce;
        }
      if (open_segment (self, notes, HF_READ_SKIM, NULL))
        {
          take_header (self, notes);
          learn_items (self, notes, NULL);
        }
      close_segment (self);
    }
}

/* Published first: a segment that is opened after this look is in no list yet, or
 * its number is greater.  A filter that was started meanwhile asks for another. */
static gboolean
look_around (const gchar *dir_path, HfPublished *out_published, gboolean *out_live, GArray **out_seqs, GError **error)
{
  gboolean live_again;

  do
    {
      HfPublished again;

      g_clear_pointer (out_seqs, g_array_unref);
      hf_directory_published (dir_path, out_published, out_live);
      *out_seqs = hf_directory_list (dir_path, error);
      if (*out_seqs == NULL)
        return FALSE;
      hf_directory_published (dir_path, &again, &live_again);
    }
  while (live_again && !*out_live);
  return TRUE;
}

static gboolean
has_seq (const GArray *seqs, guint64 wanted)
{
  for (guint i = 0; i < seqs->len; i++)
    if (g_array_index (seqs, guint64, i) == wanted)
      return TRUE;
  return FALSE;
}

static void
add_segment (HfView *self, guint64 seq)
{
  /* it got its name when its header was synced */
  SegmentNotes notes = { .seq = seq, .rule = { .synced = HF_BLOCK } };

  notes.torn = g_array_new (FALSE, FALSE, sizeof (Range));
  notes.marks = g_array_new (FALSE, FALSE, sizeof (HfViewMark));
  notes.torn_in = g_array_new (FALSE, FALSE, sizeof (guint64));
  notes.facts.seq = seq;
  notes.facts.followed = G_MAXUINT64;
  notes.facts.is_open = self->live && self->published.seq != 0 && seq >= self->published.seq && !hf_segment_is_carried (seq);
  g_array_append_val (self->segments, notes);
}

/* The journal first: what is carried away from it meanwhile is found in both. */
static gboolean
list_present (HfView *self, GError **error)
{
  g_autoptr (GArray) carried = NULL;

  if (!look_around (self->dir_path, &self->published, &self->live, &self->present, error))
    return FALSE;
  carried = hf_carried_list (self->spool, error);
  if (carried == NULL)
    return FALSE;
  g_array_append_vals (self->present, carried->data, carried->len);
  return TRUE;
}

/* No header names the newest segment: only `open` knows of it. */
static void
look_for_newest (HfView *self)
{
  const guint64 newest = hf_published_seq (&self->published);

  if (newest != 0 && !has_seq (self->present, newest) && hf_trimmed_find (&self->trimmed, newest) == NULL)
    g_array_append_val (self->missing, newest);
}

HfView *
hf_view_open_some (const gchar *spool, HfReadFlags flags, const GArray *only, GError **error)
{
  gchar *dir_path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (HfView) self = g_new0 (HfView, 1);

  self->spool = g_strdup (spool);
  self->dir_path = dir_path;
  self->partial = only != NULL;
  self->flags = flags;
  self->fd = self->readers_fd = -1;
  self->missing = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->marks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, mark_free);
  self->segments = g_array_new (FALSE, TRUE, sizeof (SegmentNotes));
  g_array_set_clear_func (self->segments, notes_clear);
  hf_item_init (&self->item);
  if (!(flags & HF_READ_ALONE) && !hf_readers_share (dir_path, &self->readers_fd, error))
    return NULL;
  if (!list_present (self, error))
    return NULL;
  hf_trimmed_load (dir_path, &self->trimmed, NULL); /* what it can't tell is told as missing */
  look_for_newest (self);
  for (guint i = 0; i < self->present->len; i++)
    if (only == NULL || has_seq (only, g_array_index (self->present, guint64, i)))
      add_segment (self, g_array_index (self->present, guint64, i));
  learn (self);
  return g_steal_pointer (&self);
}

HfView *
hf_view_open (const gchar *spool, HfReadFlags flags, GError **error)
{
  return hf_view_open_some (spool, flags, NULL, error);
}

void
hf_view_free (HfView *self)
{
  if (self == NULL)
    return;
  close_segment (self);
  hf_sys_close (&self->readers_fd);
  hf_trimmed_clear (&self->trimmed);
  g_array_unref (self->missing);
  g_clear_pointer (&self->present, g_array_unref);
  hf_item_clear (&self->item);
  hf_hash_clear (&self->hash);
  g_hash_table_unref (self->marks);
  g_array_unref (self->segments);
  g_clear_error (&self->unreadable);
  g_free (self->path);
  g_free (self->dir_path);
  g_free (self->spool);
  g_free (self);
}

/* ---- the second pass ---- */

/* The newest segment of the journal: nobody has looked at it since. */
static gboolean
is_newest (const HfView *self, guint index)
{
  const SegmentNotes *notes = &g_array_index (self->segments, SegmentNotes, index);

  return !hf_segment_is_carried (notes->seq)
         && (index + 1 == self->segments->len || hf_segment_is_carried ((notes + 1)->seq));
}

static HfCopy
judge (const SegmentNotes *notes, gboolean newest, const HfItem *item)
{
  if (item->whole)
    return HF_COPY_WHOLE;
  for (guint i = 0; i < notes->torn->len; i++)
    {
      const Range *range = &g_array_index (notes->torn, Range, i);

      if (item->offset >= range->offset && item->offset < range->offset + range->length)
        return HF_COPY_TORN;
    }
  /* A later start has looked at all others, where it could, and noted what was torn. */
  return (newest || notes->unread) && hf_torn_rule_holds (&notes->rule, item->offset) ? HF_COPY_TORN
                                                                                       : HF_COPY_DAMAGED;
}

static gboolean
follows (HfView *self, const SegmentNotes *notes, const HfItem *item)
{
  const Chain before = self->chain;
  HfDigest expected;

  if (item->whole)
    self->chain = (Chain){ TRUE, item->chain, FALSE };
  else
    self->chain.breach = TRUE;
  if (item->offset < notes->facts.followed)
    self->sure = self->chain;
  if (!item->whole || !before.known || before.breach || (self->flags & HF_READ_SKIM))
    return TRUE;
  return hf_record_chain (&self->hash, &before.digest, &item->envelope, &item->message, &expected)
         && hf_digest_equal (&expected, &item->chain);
}

static void
fill_entry (HfView *self, HfViewEntry *entry)
{
  const SegmentNotes *notes = &g_array_index (self->segments, SegmentNotes, self->next - 1);
  const HfItem *item = &self->item;

  memset (entry, 0, sizeof *entry);
  entry->item = item;
  entry->seq = notes->seq;
  entry->path = self->path;
  entry->name = strrchr (self->path, '/') + 1;
  /* what can't be read is no unfinished write */
  entry->copy = self->unreadable != NULL ? HF_COPY_DAMAGED : judge (notes, is_newest (self, self->next - 1), item);
  entry->unreadable = self->unreadable;
  if (item->has_facts)
    entry->mark = g_hash_table_lookup (self->marks, item->facts.id.text);
  entry->chain_broken = !follows (self, notes, item);
}

/* The segment's octets from the position on can't be had: one item tells so. */
static void
make_unreadable (HfView *self)
{
  HfItem *item = &self->item;

  item->kind = HF_ITEM_JUNK;
  item->whole = FALSE;
  item->has_facts = FALSE;
  item->fault = "segment can't be read";
  item->offset = self->reading ? hf_reader_position (&self->reader) : 0;
  item->length = 0;
}

/* The segment before this one was trimmed: the chain goes on from where its
 * note says that it ended. */
static void
follow_note (HfView *self, const SegmentNotes *notes)
{
  const SegmentNotes *before = notes_of (self, notes->facts.previous_seq);
  const HfTrimNote *note = hf_trimmed_find (&self->trimmed, notes->facts.previous_seq);

  if ((before == NULL || before->gone) && note != NULL)
    self->chain = (Chain){ note->has_chain && !notes->previous_unread, note->chain, note->broken_end };
}

/* A segment follows from what was synced of the one before it; from its header's
 * `previous` where no record stood before, and where its writer could not see
 * all that did. */
static void
start_chain (HfView *self)
{
  const SegmentNotes *notes = &g_array_index (self->segments, SegmentNotes, self->next - 1);

  if (hf_segment_is_carried (notes->seq))
    {
      self->chain = self->sure = (Chain){ TRUE }; /* it follows from nothing: its own chain begins with NULs */
      return;
    }
  self->chain = self->sure;
  if (self->partial && notes_of (self, notes->facts.previous_seq) == NULL)
    self->chain = (Chain){ FALSE };
  if (self->next > 1 && g_array_index (self->segments, SegmentNotes, self->next - 2).unread)
    self->chain = (Chain){ FALSE };
  follow_note (self, notes);
  if (self->reader.has_previous && (!self->chain.known || self->chain.breach))
    self->chain = (Chain){ TRUE, self->reader.previous, FALSE };
  self->sure = self->chain;
}

/* A reader without the lock may find that a segment of its list was trimmed. */
static gboolean
was_trimmed (HfView *self, SegmentNotes *notes)
{
  HfTrimmed now;

  if (!g_error_matches (self->unreadable, HF_ERROR, HF_ERROR_NOT_FOUND))
    return FALSE;
  if (hf_trimmed_load (self->dir_path, &now, NULL) && hf_trimmed_find (&now, notes->seq) != NULL)
    {
      hf_trimmed_clear (&self->trimmed);
      self->trimmed = now;
      notes->gone = TRUE;
      g_clear_error (&self->unreadable);
      close_segment (self);
      return TRUE;
    }
  hf_trimmed_clear (&now);
  return FALSE;
}

gboolean
hf_view_next (HfView *self, HfViewEntry *out_entry, gboolean *out_end, GError **error)
{
  *out_end = FALSE;
  g_clear_error (&self->unreadable);
  for (;;)
    {
      gboolean end = FALSE;
      SegmentNotes *notes;

      if (!self->reading)
        {
          if (self->next == self->segments->len)
            {
              *out_end = TRUE;
              return TRUE;
            }
          notes = &g_array_index (self->segments, SegmentNotes, self->next);
          self->next++;
          if (!open_segment (self, notes, self->flags, &self->unreadable))
            {
              if (was_trimmed (self, notes))
                continue;
              make_unreadable (self);
              fill_entry (self, out_entry);
              close_segment (self);
              return TRUE;
            }
          start_chain (self);
        }
      if (!hf_reader_next (&self->reader, &self->item, &end, &self->unreadable))
        {
          make_unreadable (self);
          fill_entry (self, out_entry);
          close_segment (self);
          return TRUE;
        }
      if (end)
        {
          close_segment (self);
          continue;
        }
      if (self->item.whole && self->item.kind != HF_ITEM_MESSAGE)
        continue;
      if (self->item.kind != HF_ITEM_MESSAGE)
        self->item.kind = HF_ITEM_JUNK;
      fill_entry (self, out_entry);
      return TRUE;
    }
}

guint
hf_view_segments (const HfView *self)
{
  return self->segments->len;
}

guint
hf_view_done (const HfView *self)
{
  return self->reading ? self->next - 1 : self->next;
}

void
hf_view_segment (const HfView *self, guint index, HfViewSegment *out_segment)
{
  const SegmentNotes *notes = &g_array_index (self->segments, SegmentNotes, index);

  *out_segment = notes->facts;
  out_segment->marks = notes->marks;
  out_segment->torn = notes->torn_in;
}

gboolean
hf_view_is_there (const HfView *self, guint64 seq)
{
  return has_seq (self->present, seq);
}

gboolean
hf_view_was_trimmed (const HfView *self, guint64 seq)
{
  return !hf_view_is_there (self, seq) && hf_trimmed_find (&self->trimmed, seq) != NULL;
}

const GArray *
hf_view_missing (const HfView *self)
{
  return self->missing;
}

const HfTrimmed *
hf_view_trimmed (const HfView *self)
{
  return &self->trimmed;
}

gboolean
hf_view_copy_message (HfView *self, const HfViewEntry *entry, HfOctetSink sink, gpointer user_data, GError **error)
{
  HfWindow *window = &self->reader.window;
  const guint64 behind = window->position, limit = window->limit;
  HfItem *item = &self->item;
  gboolean ok;

  g_assert (entry->item == item && item->kind == HF_ITEM_MESSAGE && self->reading);
  if (item->data_offset == 0)
    return hf_error_set (error, HF_ERROR_CORRUPT, "view-copy", "the record ends before its message begins");
  /* Lengths of a record that is not whole may lead into others. */
  window->limit = MIN (limit, item->offset + item->length);
  ok = hf_record_copy_message (window, item, sink, user_data, error);
  window->limit = limit;
  window->position = behind;
  return ok;
}
