/* trimming.c - the auditor's pass over the journal: what may go, goes (P3); see trimming.h
 *
 * In this order, so that a crash between any two steps loses nothing and
 * deletes nothing that is owed: what is carried is on stable storage, the books
 * say so, the notes are on stable storage, the segments go one after the other,
 * the books say that they went.
 */
#include <config.h>

#include "milter/audit/trimming-private.h"

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/journal/place.h"

#include <errno.h>
#include <string.h>

#define PASS_MOST_MS (60 * 1000)
#define PASS_LEAST_MS 1000
/* A short retention is looked at this often while it lasts. */
#define PASSES_IN_RETENTION 4

/* How often the spool's room is looked at between two passes, and how often
 * where the last look found nothing that could go: mail settles meanwhile. */
#define LOOK_MS 1000
#define LOOK_AGAIN_MS (10 * 1000)

#define REASON "every recipient is void or settled and the retention is over"
#define REASON_EARLY "every recipient is void or settled; released early, for the spool runs full"

HfTrimming *
hf_trimming_new (const HfTrimmingSettings *settings, HfDaybook *daybook, HfLedger *ledger, GError **error)
{
  g_autoptr (HfTrimming) self = g_new0 (HfTrimming, 1);

  self->settings = *settings;
  self->daybook = daybook;
  self->ledger = ledger;
  self->notes_size = -1;
  self->segments = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  self->noted = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  self->standing = hf_standing_new (ledger, error);
  return self->standing != NULL ? g_steal_pointer (&self) : NULL;
}

void
hf_trimming_free (HfTrimming *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->segments);
  g_hash_table_unref (self->noted);
  hf_standing_free (self->standing);
  g_free (self);
}

static gint64
interval_ms (const HfTrimming *self)
{
  return CLAMP (self->settings.retention_ms / PASSES_IN_RETENTION, PASS_LEAST_MS, PASS_MOST_MS);
}

gboolean
hf_trimming_is_due (HfTrimming *self)
{
  const gint64 now_ms = hf_sys_monotonic_ms ();
  HfTrimmingLack lack;

  if (now_ms >= self->next_ms)
    return TRUE;
  if (now_ms < self->next_look_ms)
    return FALSE;
  self->next_look_ms = now_ms + (self->told_full ? LOOK_AGAIN_MS : LOOK_MS);
  return self->clock.has_seen && hf_trimming_lacks (self, &lack);
}

void
hf_trimming_tell_failure (gboolean *failed, HfEventCode code, const GError *error)
{
  if (!*failed)
    hf_event (code, error, NULL);
  *failed = TRUE;
}

/* ---- the notes of trimming, taken into the books ---- */

gboolean
hf_trimming_commit (HfTrimming *self, GError **error)
{
  return hf_daybook_pending (self->daybook) == 0
         || (hf_daybook_commit (self->daybook, hf_ledger_sink (self->ledger), error) && hf_ledger_commit (self->ledger, error));
}

void
hf_trimming_add_time (HfStatementBuilder *builder, const gchar *key, gint64 at_ms)
{
  gchar text[25];

  hf_time_format (at_ms, text);
  hf_statement_add (builder, key, text, -1);
}

static void
write_trimmed (HfTrimming *self, const HfTrimNote *note)
{
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "trimmed");

  hf_statement_add_number (builder, "segment", note->seq);
  hf_trimming_add_time (builder, "at", note->at_ms);
  hf_statement_add_number (builder, "octets", note->octets);
  hf_statement_add_number (builder, "records", note->records);
  hf_statement_add_number (builder, "recipients", note->recipients);
  hf_statement_end (builder);
}

static gboolean
is_there (const HfTrimming *self, guint64 seq)
{
  g_autofree gchar *path = hf_segment_path (self->settings.spool, seq);
  struct stat st;

  return hf_sys.stat (path, &st) == 0 || errno != ENOENT;
}

/* FALSE with the ledger's error.  *@out_waits: its segment is still there. */
static gboolean
take_note (HfTrimming *self, const HfTrimNote *note, gboolean *out_waits, GError **error)
{
  const gint64 *noted_ms = g_hash_table_lookup (self->noted, &note->seq);
  gint64 at_ms;

  if (noted_ms != NULL && *noted_ms == note->at_ms)
    return TRUE;
  if (!hf_standing_trimmed (self->standing, note->seq, &at_ms, error))
    return FALSE;
  if (at_ms != note->at_ms)
    {
      if (is_there (self, note->seq))
        {
          *out_waits = TRUE;
          return TRUE;
        }
      write_trimmed (self, note);
    }
  g_hash_table_replace (self->noted, g_memdup2 (&note->seq, sizeof note->seq), g_memdup2 (&note->at_ms, sizeof note->at_ms));
  return TRUE;
}

/* Whoever removed a segment left a note, this auditor or an operator's command;
 * so the books learn of both from there, and of what went before a crash, too. */
static gboolean
take_notes (HfTrimming *self, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (self->settings.spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autofree gchar *path = g_build_filename (dir_path, HF_JOURNAL_TRIMMED, NULL);
  g_autoptr (GError) failed = NULL;
  gboolean ok = TRUE, waits = FALSE;
  HfTrimmed trimmed;
  struct stat st;

  if (hf_sys.stat (path, &st) < 0 || st.st_size == self->notes_size)
    return TRUE;
  if (!hf_trimmed_load (dir_path, &trimmed, &failed))
    {
      hf_trimmed_clear (&trimmed);
      hf_trimming_tell_failure (&self->trim_failed, HF_EVENT_TRIM_FAILED, failed);
      return TRUE;
    }
  for (guint i = 0; ok && i < trimmed.notes->len; i++)
    ok = take_note (self, &g_array_index (trimmed.notes, HfTrimNote, i), &waits, error);
  hf_trimmed_clear (&trimmed);
  self->notes_size = waits ? -1 : st.st_size;
  return ok;
}

/* ---- what the ledger says of each record that is read ---- */

typedef struct
{
  HfTrimming *trimming;
  const HfTrimmingChoice *choice;
  GHashTable *carry;  /* ids of mail to be carried forward, to the numbers of their segments */
  GError *error;      /* the ledger's; what could not be asked stays */
} Reading;

static gboolean
has_seq (const GArray *seqs, guint64 seq)
{
  for (guint i = 0; i < seqs->len; i++)
    if (g_array_index (seqs, guint64, i) == seq)
      return TRUE;
  return FALSE;
}

/* FALSE: the ledger could not be asked.  @expected: recipients; 0: any. */
static gboolean
count_fates (Reading *self, gint64 n, HfTrimState *state, guint *out_count)
{
  const GArray *fates = hf_standing_fates (self->trimming->standing, n, self->error == NULL ? &self->error : NULL);

  *out_count = 0;
  if (fates == NULL)
    return FALSE;
  *out_count = fates->len;
  for (guint i = 0; i < fates->len; i++)
    {
      const HfStandingFate *fate = &g_array_index (fates, HfStandingFate, i);

      if (fate->is_void)
        state->voids++;
      else if (fate->is_settled)
        state->settled++;
      else
        state->provisional++;
    }
  return TRUE;
}

/* Another place has the message's copy, and it is whole there: looked at now,
 * for this one goes by it. */
static gboolean
is_held_elsewhere (const Reading *self, const HfViewEntry *entry, const HfStandingCopy *copy)
{
  return !copy->is_gone && copy->seq != entry->seq
         && hf_place_look (self->trimming->settings.spool, copy->seq, copy->offset, entry->item->facts.id.text) == HF_PLACE_WHOLE;
}

static void
state_of_breach (Reading *self, const HfViewEntry *entry, const HfStandingCopy *copy, HfTrimState *state)
{
  gint64 at_ms = G_MININT64;
  guint count;

  if (!hf_standing_place (self->trimming->standing, entry->seq, entry->item->offset, &at_ms,
                          self->error == NULL ? &self->error : NULL)
      || at_ms == G_MININT64)
    return;
  state->is_settled = TRUE;
  state->settled_ms = at_ms;
  if (copy->n == 0)
    return;
  if (copy->seq != entry->seq || copy->offset != entry->item->offset)
    state->is_elsewhere = TRUE;
  else if (!count_fates (self, copy->n, state, &count) || state->provisional > 0)
    state->is_settled = FALSE;
}

static void
state_of_whole (Reading *self, const HfViewEntry *entry, const HfStandingCopy *copy, HfTrimState *state)
{
  const guint recipients = entry->item->recipients->len;
  guint count = 0;

  if (copy->n != 0 && is_held_elsewhere (self, entry, copy))
    {
      state->is_elsewhere = TRUE;
      return;
    }
  /* What the ledger has not is not known to be settled; nor is a message that
   * nobody was to get. */
  if (copy->n == 0 || !count_fates (self, copy->n, state, &count) || count != recipients || (count == 0 && !copy->is_void))
    state->provisional = MAX (state->provisional, 1);
  if (state->provisional == 0 || copy->seq != entry->seq || !has_seq (self->choice->sparse, entry->seq))
    return;
  g_hash_table_replace (self->carry, g_strdup (entry->item->facts.id.text), g_memdup2 (&entry->seq, sizeof entry->seq));
  *state = (HfTrimState){ .is_elsewhere = TRUE, .settled_ms = G_MININT64 };
}

static void
state_of (const HfViewEntry *entry, HfTrimState *out_state, gpointer user_data)
{
  Reading *self = user_data;
  HfStandingCopy copy = { 0 };

  if (!has_seq (self->choice->go, entry->seq) && !has_seq (self->choice->sparse, entry->seq))
    return;
  if (entry->item->has_facts
      && !hf_standing_find (self->trimming->standing, entry->item->facts.id.text, &copy, self->error == NULL ? &self->error : NULL))
    {
      out_state->provisional = 1;
      return;
    }
  if (entry->copy == HF_COPY_WHOLE)
    state_of_whole (self, entry, &copy, out_state);
  else
    state_of_breach (self, entry, &copy, out_state);
}

/* Where a message that a void mark names is, or is about to be. */
static guint64
copy_of (const HfId *id, gpointer user_data)
{
  Reading *self = user_data;
  HfStandingCopy copy;

  if (g_hash_table_contains (self->carry, id->text))
    return HF_CARRIED_MAX;
  if (!hf_standing_find (self->trimming->standing, id->text, &copy, self->error == NULL ? &self->error : NULL))
    return HF_CARRIED_MAX; /* not known: stays */
  return copy.is_gone ? 0 : copy.seq;
}

/* NULL: nothing can be done in this pass; *@error is only set where that is the ledger's fault. */
static GArray *
make_plan (HfTrimming *self, Reading *reading, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (GArray) beside = hf_trimming_beside (self, reading->choice, &failed);
  g_autoptr (HfView) view = beside != NULL ? hf_view_open_some (self->settings.spool, HF_READ_RECIPIENTS, beside, &failed) : NULL;
  g_autoptr (GArray) asked_for = g_array_new (FALSE, FALSE, sizeof (guint64));
  const HfTrimRules rules = { .now_ms = G_MAXINT64, /* trimming-choose.c has seen to the retention */
                              .only = asked_for,
                              .state_of = state_of,
                              .copy_of = copy_of,
                              .user_data = reading };
  GArray *plan;

  g_array_append_vals (asked_for, reading->choice->go->data, reading->choice->go->len);
  g_array_append_vals (asked_for, reading->choice->sparse->data, reading->choice->sparse->len);
  plan = view != NULL ? hf_trim_plan (view, &rules, &failed) : NULL;
  if (reading->error != NULL)
    {
      g_clear_pointer (&plan, g_array_unref);
      g_propagate_error (error, g_steal_pointer (&reading->error));
    }
  else if (plan == NULL && !g_error_matches (failed, HF_ERROR, HF_ERROR_BUSY) && !g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND))
    hf_trimming_tell_failure (&self->trim_failed, HF_EVENT_TRIM_FAILED, failed);
  return plan;
}

/* ---- removing ---- */

typedef struct
{
  guint segments;
  guint64 octets;
  guint64 records;
} Sums;

static void
add_up (HfTrimming *self, const GArray *plan, Sums *sums)
{
  *sums = (Sums){ 0 };
  for (guint i = 0; i < plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);

      if (segment->verdict == HF_TRIM_GOES)
        {
          sums->segments++;
          sums->octets += segment->note.octets;
          sums->records += segment->note.records;
        }
      else if (segment->verdict != HF_TRIM_UNASKED && segment->verdict != HF_TRIM_OPEN && segment->verdict != HF_TRIM_NEWEST)
        hf_trimming_stuck (self, segment->note.seq, segment->verdict);
    }
}

static void
tell_trimmed (const Sums *sums, const HfTrimmingLack *lack)
{
  g_autofree gchar *segments = g_strdup_printf ("%u", sums->segments);
  g_autofree gchar *octets = g_strdup_printf ("%" G_GUINT64_FORMAT, sums->octets);
  g_autofree gchar *records = g_strdup_printf ("%" G_GUINT64_FORMAT, sums->records);
  g_autofree gchar *free = lack != NULL ? g_strdup_printf ("%" G_GUINT64_FORMAT, lack->free) : NULL;
  g_autofree gchar *mark = lack != NULL ? g_strdup_printf ("%" G_GUINT64_FORMAT, lack->mark) : NULL;

  hf_event (lack != NULL ? HF_EVENT_RELEASED_EARLY : HF_EVENT_SEGMENTS_TRIMMED, NULL, "segments", segments, "messages", records,
            "octets", octets, "free", free, "warn", mark, NULL);
}

/* FALSE with the books' or the ledger's error. */
static gboolean
remove_planned (HfTrimming *self, GArray *plan, const Sums *sums, const HfTrimmingLack *lack, guint *out_removed,
                GError **error)
{
  g_autoptr (GError) failed = NULL;
  HfWho who;
  gboolean ok;

  hf_who_init (&who);
  ok = hf_trim_run (self->settings.spool, plan, NULL, NULL, &who, lack != NULL ? REASON_EARLY : REASON, 0, out_removed, &failed);
  hf_who_clear (&who);
  self->removals += *out_removed;
  if (ok)
    {
      self->trim_failed = FALSE;
      if (*out_removed > 0)
        tell_trimmed (sums, lack);
    }
  else if (!g_error_matches (failed, HF_ERROR, HF_ERROR_BUSY)) /* readers: in the next pass, then */
    hf_trimming_tell_failure (&self->trim_failed, HF_EVENT_TRIM_FAILED, failed);
  return take_notes (self, error) && hf_trimming_commit (self, error);
}

static gboolean trim (HfTrimming *self, const HfTrimmingChoice *choice, const HfTrimmingLack *lack, guint *out_removed,
                      GError **error);

/* What could not be carried forward keeps its segment; the others go without. */
static gboolean
trim_without_carrying (HfTrimming *self, const HfTrimmingChoice *choice, const HfTrimmingLack *lack, guint *out_removed,
                       GError **error)
{
  g_auto (HfTrimmingChoice) rest = { .go = g_array_copy (choice->go), .sparse = g_array_new (FALSE, FALSE, sizeof (guint64)) };

  return trim (self, &rest, lack, out_removed, error);
}

/* Reads what was chosen, carries forward what has to stay, and removes what may go. */
static gboolean
trim (HfTrimming *self, const HfTrimmingChoice *choice, const HfTrimmingLack *lack, guint *out_removed, GError **error)
{
  g_autoptr (GHashTable) carry = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  Reading reading = { .trimming = self, .choice = choice, .carry = carry };
  g_autoptr (GError) failed = NULL;
  g_autoptr (GArray) plan = NULL;
  gboolean carried = FALSE;
  Sums sums;

  *out_removed = 0;
  if (choice->go->len + choice->sparse->len == 0)
    return TRUE;
  plan = make_plan (self, &reading, &failed);
  if (plan == NULL)
    {
      if (failed == NULL)
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  add_up (self, plan, &sums);
  if (sums.segments == 0)
    return TRUE;
  if (!hf_trimming_carry (self, plan, carry, &carried, error))
    return FALSE;
  if (!carried)
    return trim_without_carrying (self, choice, lack, out_removed, error);
  return remove_planned (self, plan, &sums, lack, out_removed, error);
}

/* ---- the pass ---- */

/* TRUE: go on.  What can't be looked at now is looked at in the next pass. */
static gboolean
choose (HfTrimming *self, guint64 read_before, const HfTrimmingLack *lack, HfTrimmingChoice *out_choice, gboolean *out_fatal,
        GError **error)
{
  g_autoptr (GError) failed = NULL;

  *out_fatal = FALSE;
  if (hf_trimming_choose (self, read_before, lack, out_choice, &failed))
    return TRUE;
  if (strcmp (hf_error_step (failed), "ledger") == 0)
    {
      *out_fatal = TRUE;
      g_propagate_error (error, g_steal_pointer (&failed));
    }
  else if (!g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND)) /* no filter has run yet */
    hf_trimming_tell_failure (&self->trim_failed, HF_EVENT_TRIM_FAILED, failed);
  return FALSE;
}

static gboolean
may_believe_clock (HfTrimming *self)
{
  gint64 moved_ms;
  g_autofree gchar *moved = NULL;

  switch (hf_clockwatch_look (&self->clock, hf_sys_wall_ms (), self->monotonic_ms, &moved_ms))
    {
    case HF_CLOCKWATCH_TRUE:
      return TRUE;
    case HF_CLOCKWATCH_JUMPED:
      moved = g_strdup_printf ("%" G_GINT64_FORMAT, moved_ms / 1000);
      hf_event (HF_EVENT_CLOCK_JUMPED, NULL, "seconds", moved, NULL);
      return FALSE;
    case HF_CLOCKWATCH_FIRST:
    default:
      return FALSE;
    }
}

static void
tell_full (HfTrimming *self, const HfTrimmingLack *lack)
{
  g_autofree gchar *free = g_strdup_printf ("%" G_GUINT64_FORMAT, lack->free);
  g_autofree gchar *mark = g_strdup_printf ("%" G_GUINT64_FORMAT, lack->mark);

  if (!self->told_full)
    hf_event (HF_EVENT_NOTHING_TO_RELEASE, NULL, "free", free, "warn", mark, "spool", self->settings.spool, NULL);
  self->told_full = TRUE;
}

static gboolean
release_early (HfTrimming *self, guint64 read_before, gboolean *out_more, GError **error)
{
  g_auto (HfTrimmingChoice) choice = { NULL };
  HfTrimmingLack lack;
  gboolean fatal;
  guint removed;

  if (!hf_trimming_lacks (self, &lack))
    {
      self->told_full = FALSE;
      return TRUE;
    }
  if (!choose (self, read_before, &lack, &choice, &fatal, error))
    return !fatal;
  if (!trim (self, &choice, &lack, &removed, error))
    return FALSE;
  *out_more = removed > 0;
  if (choice.go->len + choice.sparse->len == 0)
    tell_full (self, &lack);
  else if (removed > 0)
    self->told_full = FALSE;
  return TRUE;
}

gboolean
hf_trimming_pass (HfTrimming *self, guint64 read_before, GError **error)
{
  g_auto (HfTrimmingChoice) choice = { NULL };
  gboolean more = FALSE, more_early = FALSE, fatal;
  guint removed;

  self->pass++;
  self->monotonic_ms = hf_sys_monotonic_ms ();
  self->next_ms = self->monotonic_ms + interval_ms (self);
  if (!take_notes (self, error) || !hf_trimming_commit (self, error))
    return FALSE;
  if (!may_believe_clock (self))
    return TRUE;
  if (!choose (self, read_before, NULL, &choice, &fatal, error))
    return !fatal;
  if (!trim (self, &choice, NULL, &removed, error))
    return FALSE;
  more = choice.more && removed > 0;
  if (!more && !release_early (self, read_before, &more_early, error))
    return FALSE;
  if (more || more_early)
    self->next_ms = self->monotonic_ms;
  return TRUE;
}
