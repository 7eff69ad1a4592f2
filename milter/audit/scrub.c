/* scrub.c - the journal's closed segments, read again and again, slowly; see scrub.h */
#include <config.h>

#include "milter/audit/scrub.h"

#include "milter/audit/scrub-note.h"
#include "milter/audit/scrub-segment.h"
#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"

#include <string.h>

#define PASS_EVERY_MS (24 * 3600 * 1000)
#define WORK_MS 50
#define SECOND_LOOK_MS (60 * 1000)

/* A record that could not be read. */
typedef struct
{
  guint64 seq;
  HfScrubCopy copy;
  gint64 since_ms; /* monotonic */
} Suspect;

struct HfScrub
{
  const gchar *spool;
  guint64 rate;
  HfLedger *ledger;
  HfDaybook *daybook;
  HfScrubPosition position;
  gint64 looked_ms; /* monotonic */
  gint64 credit;    /* octets that may be read; negative after a large record */
  GArray *seqs;     /* of guint64: the segments there are, those of carried/ at the end */

  HfScrubSegment segment; /* the one of the position, when it has a path */
  GArray *bad;            /* of HfScrubBad, in it */
  gboolean alone;         /* it can't be read as a whole: record by record */
  GHashTable *unreadable; /* seqs of segments that a read error was told of */
  GArray *suspects;       /* of Suspect */
};

static void
suspect_clear (gpointer data)
{
  g_free (((Suspect *) data)->copy.queue);
}

static void
forget_segment (HfScrub *self)
{
  if (self->segment.path != NULL)
    hf_scrub_segment_clear (&self->segment);
  g_clear_pointer (&self->bad, g_array_unref);
}

HfScrub *
hf_scrub_new (const gchar *spool, guint64 rate, HfLedger *ledger, HfDaybook *daybook, GError **error)
{
  g_autoptr (HfScrub) self = g_new0 (HfScrub, 1);
  g_autofree gchar *position = NULL;

  self->spool = spool;
  self->rate = rate;
  self->ledger = ledger;
  self->daybook = daybook;
  self->looked_ms = hf_sys_monotonic_ms ();
  self->unreadable = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->suspects = g_array_new (FALSE, TRUE, sizeof (Suspect));
  g_array_set_clear_func (self->suspects, suspect_clear);
  hf_scrub_position_init (&self->position);
  if (!hf_ledger_position (ledger, HF_SCRUB_SOURCE, &position, error))
    return NULL;
  if (position != NULL)
    hf_scrub_position_parse (position, &self->position);
  return g_steal_pointer (&self);
}

void
hf_scrub_free (HfScrub *self)
{
  if (self == NULL)
    return;
  forget_segment (self);
  g_clear_pointer (&self->seqs, g_array_unref);
  g_hash_table_unref (self->unreadable);
  g_array_unref (self->suspects);
  g_free (self);
}

const HfScrubPosition *
hf_scrub_position (const HfScrub *self)
{
  return &self->position;
}

static HfScrubNote
note_for (const HfScrub *self, const HfScrubSegment *segment)
{
  return (HfScrubNote){ self->daybook, segment->path, segment->seq, hf_sys_wall_ms () };
}

/* The first segment at or behind @seq; 0: there is none. */
static guint64
segment_from (const HfScrub *self, guint64 seq)
{
  for (guint i = 0; i < self->seqs->len; i++)
    if (g_array_index (self->seqs, guint64, i) >= seq)
      return g_array_index (self->seqs, guint64, i);
  return 0;
}

/* ---- what a record turned out to be ---- */

/* What the books call bad between two offsets, and @item (NULL: nothing whole) is
 * there instead. */
static gboolean
clear_bad (HfScrub *self, guint64 from, guint64 until, const HfItem *item, GError **error)
{
  const HfScrubNote note = note_for (self, &self->segment);

  for (guint i = 0; i < self->bad->len; i++)
    {
      const HfScrubBad *bad = &g_array_index (self->bad, HfScrubBad, i);
      g_autoptr (GArray) copies = NULL;

      if (bad->offset < from || bad->offset >= until)
        continue;
      if (bad->is_place)
        {
          hf_scrub_tell_place (&note, bad->offset, 0, NULL);
          continue;
        }
      if (item == NULL || item->kind != HF_ITEM_MESSAGE || item->offset != bad->offset)
        continue;
      copies = hf_scrub_copies (self->ledger, note.seq, bad->offset, bad->offset + 1, 1, error);
      if (copies == NULL)
        return FALSE;
      if (copies->len > 0 && strcmp (g_array_index (copies, HfScrubCopy, 0).id.text, item->facts.id.text) == 0)
        hf_scrub_tell_whole (&note, &g_array_index (copies, HfScrubCopy, 0));
    }
  return TRUE;
}

static gboolean
is_known_place (const HfScrub *self, guint64 offset)
{
  for (guint i = 0; i < self->bad->len; i++)
    if (g_array_index (self->bad, HfScrubBad, i).is_place && g_array_index (self->bad, HfScrubBad, i).offset == offset)
      return TRUE;
  return FALSE;
}

/* A copy does not verify where it stands. */
static void
tell_broken (const HfScrubNote *note, const HfScrubCopy *copy, gboolean torn, const gchar *fault)
{
  if (torn && copy->is_whole)
    hf_scrub_tell_torn (note, copy, fault);
  else if (!torn && !copy->is_damaged)
    hf_scrub_tell_damaged (note, copy, fault);
}

static gboolean
judge_breach (HfScrub *self, const HfItem *item, GError **error)
{
  const HfScrubNote note = note_for (self, &self->segment);
  g_autoptr (GArray) copies
      = hf_scrub_copies (self->ledger, note.seq, item->offset, item->offset + item->length, G_MAXINT32, error);
  gboolean torn = hf_scrub_segment_is_torn (&self->segment, item->offset), any_whole = FALSE;

  if (copies == NULL)
    return FALSE;
  for (guint i = 0; i < copies->len; i++)
    any_whole |= g_array_index (copies, HfScrubCopy, i).was_whole;
  /* the start that should have noted what is torn could not read it */
  torn |= self->segment.unread && !any_whole;
  for (guint i = 0; i < copies->len; i++)
    tell_broken (&note, &g_array_index (copies, HfScrubCopy, i), torn, item->fault);
  if (copies->len == 0 && !torn && !is_known_place (self, item->offset))
    hf_scrub_tell_place (&note, item->offset, item->length, item->fault);
  return TRUE;
}

static gboolean
take_item (HfScrub *self, const HfItem *item, GError **error)
{
  const guint64 from = self->position.offset, end = item->offset + item->length;
  gboolean ok;

  if (item->whole)
    ok = clear_bad (self, from, end, item, error);
  else if (hf_scrub_segment_confirm (&self->segment, item->offset, item->length))
    ok = clear_bad (self, from, item->offset, NULL, error);
  else
    ok = clear_bad (self, from, item->offset, NULL, error) && judge_breach (self, item, error);
  self->credit -= (gint64) (end - from);
  self->position.octets += end - from;
  self->position.offset = end;
  return ok;
}

/* ---- where reading fails ---- */

static void
tell_unreadable (HfScrub *self, const HfScrubSegment *segment, guint64 offset, const GError *failed)
{
  g_autofree gchar *place = g_strdup_printf ("%" G_GUINT64_FORMAT, offset);

  if (g_hash_table_add (self->unreadable, g_memdup2 (&segment->seq, sizeof segment->seq)))
    hf_event (HF_EVENT_COPY_UNREADABLE, failed, "segment", segment->path, "offset", place, NULL);
}

static gboolean
is_suspect (const HfScrub *self, const HfScrubCopy *copy)
{
  for (guint i = 0; i < self->suspects->len; i++)
    if (strcmp (g_array_index (self->suspects, Suspect, i).copy.id.text, copy->id.text) == 0)
      return TRUE;
  return FALSE;
}

static void
suspect (HfScrub *self, const HfScrubSegment *segment, const HfScrubCopy *copy)
{
  Suspect one = { segment->seq, *copy, hf_sys_monotonic_ms () };

  if (copy->is_damaged || is_suspect (self, copy))
    return;
  one.copy.queue = g_strdup (copy->queue);
  g_array_append_val (self->suspects, one);
}

/* One record by itself, twice where it does not verify. */
static HfScrubVerdict
read_alone (HfScrubSegment *segment, const HfScrubCopy *copy, const gchar **out_fault, GError **error)
{
  HfScrubVerdict verdict = hf_scrub_segment_alone (segment, copy->id.text, copy->offset, copy->length, out_fault, error);

  if (verdict == HF_SCRUB_WRONG)
    verdict = hf_scrub_segment_alone (segment, copy->id.text, copy->offset, copy->length, out_fault, error);
  return verdict;
}

/* The next record of a segment in which something can't be read. */
static gboolean
step_alone (HfScrub *self, gboolean *out_end, GError **error)
{
  const HfScrubNote note = note_for (self, &self->segment);
  g_autoptr (GArray) copies = hf_scrub_copies (self->ledger, note.seq, self->position.offset, G_MAXUINT64, 1, error);
  g_autoptr (GError) failed = NULL;
  const HfScrubCopy *copy;
  const gchar *fault;

  if (copies == NULL)
    return FALSE;
  *out_end = copies->len == 0;
  if (*out_end)
    return TRUE;
  copy = &g_array_index (copies, HfScrubCopy, 0);
  switch (read_alone (&self->segment, copy, &fault, &failed))
    {
    case HF_SCRUB_WHOLE:
      if (!copy->is_whole)
        hf_scrub_tell_whole (&note, copy);
      break;
    case HF_SCRUB_WRONG:
      tell_broken (&note, copy, !copy->was_whole || hf_scrub_segment_is_torn (&self->segment, copy->offset), fault);
      break;
    case HF_SCRUB_UNREADABLE:
      suspect (self, &self->segment, copy);
      break;
    }
  self->credit -= (gint64) MAX (copy->length, 1);
  self->position.octets += copy->length;
  self->position.offset = copy->offset + MAX (copy->length, 1);
  return TRUE;
}

/* Whether a suspect can be read by now; if not, nobody can say that there is a copy. */
static void
look_again (HfScrub *self, const Suspect *one)
{
  HfScrubSegment segment;
  g_autoptr (GError) failed = NULL;
  const gchar *fault = NULL;
  HfScrubVerdict verdict = HF_SCRUB_UNREADABLE;

  hf_scrub_segment_init (&segment, self->spool, one->seq, segment_from (self, one->seq + 1));
  if (hf_scrub_segment_open (&segment, &failed))
    verdict = read_alone (&segment, &one->copy, &fault, &failed);
  if (verdict != HF_SCRUB_WHOLE && !g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND))
    {
      const HfScrubNote note = note_for (self, &segment);

      hf_scrub_tell_damaged (&note, &one->copy, failed != NULL ? failed->message : fault);
    }
  hf_scrub_segment_clear (&segment);
}

static void
look_at_suspects (HfScrub *self)
{
  const gint64 due_ms = hf_sys_monotonic_ms () - SECOND_LOOK_MS;

  /* the oldest come first */
  while (self->suspects->len > 0 && self->credit > 0 && g_array_index (self->suspects, Suspect, 0).since_ms <= due_ms)
    {
      look_again (self, &g_array_index (self->suspects, Suspect, 0));
      self->credit -= (gint64) g_array_index (self->suspects, Suspect, 0).copy.length;
      g_array_remove_index (self->suspects, 0);
    }
}

/* ---- a segment ---- */

static void
leave_segment (HfScrub *self)
{
  if (!self->alone)
    g_hash_table_remove (self->unreadable, &self->position.seq);
  self->alone = FALSE;
  self->position.seq++;
  self->position.offset = 0;
  forget_segment (self);
}

static gboolean
learn_segment (HfScrub *self, GError **error)
{
  guint64 end = 0;

  if (self->segment.path != NULL && self->segment.seq == self->position.seq)
    return TRUE;
  forget_segment (self);
  hf_scrub_segment_init (&self->segment, self->spool, self->position.seq, segment_from (self, self->position.seq + 1));
  self->bad = hf_scrub_bad (self->ledger, self->position.seq, &end, error);
  self->segment.written = MAX (self->segment.written, end);
  return self->bad != NULL;
}

/* All that the books have of a segment which can't even be opened. */
static gboolean
suspect_all (HfScrub *self, GError **error)
{
  g_autoptr (GArray) copies = hf_scrub_copies (self->ledger, self->segment.seq, 0, G_MAXUINT64, G_MAXINT32, error);

  for (guint i = 0; copies != NULL && i < copies->len; i++)
    suspect (self, &self->segment, &g_array_index (copies, HfScrubCopy, i));
  return copies != NULL;
}

static gboolean
has_time (const HfScrub *self)
{
  return self->credit > 0 && hf_sys_monotonic_ms () - self->looked_ms <= WORK_MS;
}

/* FALSE with @failed: the device; with @error: the ledger. */
static gboolean
read_items (HfScrub *self, gboolean *out_end, GError **failed, GError **error)
{
  gboolean ok = TRUE;
  HfReader reader;
  HfItem item;

  if (!hf_scrub_segment_read (&self->segment, self->position.offset, (guint64) self->credit, &reader, failed))
    return FALSE;
  *out_end = reader.newer_version != 0;
  hf_item_init (&item);
  while (ok && !*out_end && has_time (self))
    {
      ok = hf_reader_next (&reader, &item, out_end, failed);
      if (ok && *out_end)
        ok = clear_bad (self, self->position.offset, G_MAXUINT64, NULL, error);
      else if (ok)
        ok = take_item (self, &item, error);
    }
  hf_item_clear (&item);
  hf_reader_clear (&reader);
  return ok;
}

static gboolean
read_open_segment (HfScrub *self, gboolean *out_end, GError **error)
{
  g_autoptr (GError) failed = NULL, ledger_failed = NULL;

  while (self->alone && !*out_end && has_time (self))
    if (!step_alone (self, out_end, error))
      return FALSE;
  if (self->alone || read_items (self, out_end, &failed, &ledger_failed))
    return TRUE;
  if (failed == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&ledger_failed));
      return FALSE;
    }
  tell_unreadable (self, &self->segment, self->position.offset, failed);
  self->alone = TRUE;
  return TRUE;
}

static gboolean
read_segment (HfScrub *self, GError **error)
{
  g_autoptr (GError) failed = NULL;
  gboolean end = FALSE, ok;

  if (!learn_segment (self, error))
    return FALSE;
  if (hf_scrub_segment_open (&self->segment, &failed))
    {
      ok = read_open_segment (self, &end, error);
      hf_scrub_segment_close (&self->segment);
      if (end)
        leave_segment (self);
      return ok;
    }
  ok = TRUE;
  if (!g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND)) /* trimmed, or missed by who looks for that */
    {
      tell_unreadable (self, &self->segment, 0, failed);
      self->alone = TRUE;
      ok = suspect_all (self, error);
    }
  leave_segment (self);
  return ok;
}

/* ---- passes ---- */

static void
end_pass (HfScrub *self)
{
  g_autofree gchar *octets = g_strdup_printf ("%" G_GUINT64_FORMAT, self->position.octets);
  const HfScrubPosition ended = { .began_ms = -1, .ended_ms = hf_sys_wall_ms (), .ended_octets = self->position.octets };

  hf_event (HF_EVENT_SCRUB_PASSED, NULL, "octets", octets, NULL);
  self->position = ended;
}

/* Where the pass goes on, or one begins if it is time to.  FALSE: nothing is to be read. */
static gboolean
find_work (HfScrub *self, guint64 below_seq)
{
  const gint64 now_ms = hf_sys_wall_ms ();
  const guint64 next = segment_from (self, self->position.seq);
  const guint64 seq = next < below_seq || hf_segment_is_carried (next) ? next : segment_from (self, HF_CARRIED_FIRST);
  const gboolean any = seq != 0;

  if (self->position.began_ms >= 0 && !any)
    end_pass (self);
  if (!any || (self->position.began_ms < 0 && self->position.ended_ms >= 0 && now_ms >= self->position.ended_ms
               && now_ms - self->position.ended_ms < PASS_EVERY_MS))
    return FALSE;
  if (self->position.began_ms < 0)
    self->position.began_ms = now_ms;
  if (seq != self->position.seq)
    {
      self->position.seq = seq;
      self->position.offset = 0;
      self->alone = FALSE;
    }
  return TRUE;
}

static gboolean
list_segments (HfScrub *self)
{
  g_autofree gchar *dir_path = g_build_filename (self->spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (GArray) carried = hf_carried_list (self->spool, NULL);

  g_clear_pointer (&self->seqs, g_array_unref);
  self->seqs = carried != NULL ? hf_directory_list (dir_path, NULL) : NULL;
  if (self->seqs != NULL)
    g_array_append_vals (self->seqs, carried->data, carried->len);
  return self->seqs != NULL;
}

gboolean
hf_scrub_work (HfScrub *self, guint64 below_seq, GError **error)
{
  const gint64 now_ms = hf_sys_monotonic_ms ();
  const gint64 most = (gint64) MIN (self->rate, G_MAXINT64 / 2);

  if (self->rate == 0)
    return TRUE;
  self->credit = MIN (self->credit + (gint64) ((gdouble) self->rate * (gdouble) (now_ms - self->looked_ms) / 1000), most);
  self->looked_ms = now_ms;
  if (self->credit <= 0)
    return TRUE;
  if (!list_segments (self))
    return TRUE; /* the auditor tells where it can't be read */
  look_at_suspects (self);
  while (has_time (self) && find_work (self, below_seq))
    if (!read_segment (self, error))
      return FALSE;
  return TRUE;
}
