/* trimming-choose.c - which segments are worth reading, by the ledger; see trimming-private.h
 *
 * The ledger is asked once for a segment without unsettled mail, and again only
 * when its retention should be over.  The retention is over when the wall clock
 * says so, less what it jumped ahead; or when as much time has passed since it
 * was found to be settled, by the clock that never steps: a time of settling
 * that lies in a future, which a clock that ran ahead has left, keeps nothing
 * for ever.
 */
#include <config.h>

#include "milter/audit/trimming-private.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/journal/space.h"

#include <errno.h>
#include <fcntl.h>

/* A pass reads no more than this, so that the auditor gets on; the next follows
 * at once. */
#define CHOSEN_MOST 16

/* Void has no retention; but an MTA that took the mail all the same says so
 * within this. */
#define VOID_GRACE_MS (10 * 1000)

/* Where mail that is not settled is more than this part of a segment, writing
 * it anew would win little. */
#define SPARSE_PART 4

/* What can't be read, or is not what the ledger says, is looked at again then. */
#define STUCK_MS (10 * 60 * 1000)

void
hf_trimming_choice_clear (HfTrimmingChoice *self)
{
  g_clear_pointer (&self->go, g_array_unref);
  g_clear_pointer (&self->sparse, g_array_unref);
}

/* ---- the spool's room ---- */

static HfGroundKind
ground_of (const gchar *spool)
{
  g_autofree gchar *path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  int fd = hf_sys.open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  HfGround ground = { HF_GROUND_IN_PLACE, "" };

  if (fd >= 0)
    hf_ground_look (fd, FALSE, &ground);
  hf_sys_close (&fd);
  return ground.kind;
}

gboolean
hf_trimming_lacks (const HfTrimming *self, HfTrimmingLack *out_lack)
{
  const HfTrimmingSettings *settings = &self->settings;
  const HfGroundKind ground = ground_of (settings->spool);
  guint64 ahead, mark, inodes_mark;
  HfSpace space;

  *out_lack = (HfTrimmingLack){ 0 };
  if (!hf_space_look (settings->spool, ground, &space))
    return FALSE;
  /* the filter takes off what it is about to write ahead, a segment at most */
  ahead = settings->write_ahead ? MIN (settings->segment_size, space.total / 16) : 0;
  mark = hf_space_mark (settings->space_warn, space.total, ground);
  inodes_mark = space.files > 0 ? hf_space_mark (settings->inodes_warn, space.files, HF_GROUND_IN_PLACE) : 0;
  if (inodes_mark > 0 && space.free_files < inodes_mark)
    *out_lack = (HfTrimmingLack){ .files = inodes_mark - space.free_files, .free = space.free_files, .mark = inodes_mark };
  if (mark > 0 && space.free < mark + ahead)
    {
      out_lack->octets = mark + ahead - space.free;
      out_lack->free = space.free;
      out_lack->mark = mark;
    }
  return out_lack->octets > 0 || out_lack->files > 0;
}

/* ---- what is there ---- */

static guint64
seq_at (const GArray *seqs, guint index)
{
  return g_array_index (seqs, guint64, index);
}

static void
add_seq (GArray *seqs, guint64 seq)
{
  g_array_append_val (seqs, seq);
}

/* Segments of the journal that are closed, but for the newest of them, and that
 * the books have; then those that were carried. */
static GArray *
list_closed (const HfTrimming *self, guint64 read_before, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (self->settings.spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (GArray) journal = NULL, carried = NULL;
  HfPublished published;
  gboolean live;
  guint closed;

  hf_directory_published (dir_path, &published, &live);
  journal = hf_directory_list (dir_path, error);
  carried = journal != NULL ? hf_carried_list (self->settings.spool, error) : NULL;
  if (carried == NULL)
    return NULL;
  closed = journal->len;
  while (live && published.seq != 0 && closed > 0 && seq_at (journal, closed - 1) >= published.seq)
    closed--;
  if (closed > 0)
    closed--;
  while (closed > 0 && seq_at (journal, closed - 1) >= read_before)
    closed--;
  g_array_set_size (journal, closed);
  g_array_append_vals (journal, carried->data, carried->len);
  return g_steal_pointer (&journal);
}

static HfTrimmingSegment *
known (HfTrimming *self, guint64 seq)
{
  HfTrimmingSegment *segment = g_hash_table_lookup (self->segments, &seq);

  if (segment == NULL)
    {
      segment = g_new0 (HfTrimmingSegment, 1);
      segment->seq = seq;
      segment->seen_ms = self->monotonic_ms;
      g_hash_table_insert (self->segments, &segment->seq, segment);
    }
  segment->pass = self->pass;
  return segment;
}

static gboolean
is_past (gpointer key, gpointer value, gpointer data)
{
  return ((const HfTrimmingSegment *) value)->pass != ((const HfTrimming *) data)->pass;
}

/* ---- is it old enough? ---- */

/* @keep_ms have passed since @since_ms, which was found @found_ms. */
static gboolean
has_passed (const HfTrimming *self, gint64 since_ms, gint64 found_ms, gint64 keep_ms)
{
  const gint64 now_ms = hf_clockwatch_now_ms (&self->clock);

  return since_ms == G_MININT64 || (since_ms <= now_ms && now_ms - since_ms >= keep_ms)
         || self->monotonic_ms - found_ms >= keep_ms;
}

static gboolean
is_over (const HfTrimming *self, const HfTrimmingSegment *segment)
{
  return has_passed (self, segment->settled.settled_ms, segment->found_ms, self->settings.retention_ms)
         && has_passed (self, segment->settled.void_ms, segment->found_ms, VOID_GRACE_MS);
}

static gboolean
ask (HfTrimming *self, HfTrimmingSegment *segment, GError **error)
{
  HfStandingSettled settled;

  if (!hf_standing_settled (self->standing, segment->seq, &settled, error))
    return FALSE;
  if (!segment->is_asked || settled.settled_ms != segment->settled.settled_ms || settled.void_ms != segment->settled.void_ms)
    segment->found_ms = self->monotonic_ms;
  segment->settled = settled;
  segment->is_asked = TRUE;
  return TRUE;
}

/* What is settled or void in it has been so for long enough. */
static gboolean
is_due (HfTrimming *self, HfTrimmingSegment *segment, gboolean *out_due, GError **error)
{
  *out_due = FALSE;
  if (!segment->is_asked && !ask (self, segment, error))
    return FALSE;
  if (!is_over (self, segment))
    return TRUE;
  /* what was remembered is old: ask again before it goes */
  if (!ask (self, segment, error))
    return FALSE;
  *out_due = is_over (self, segment);
  return TRUE;
}

/* Mail that is not settled is little of it, and keeps all the rest. */
static gboolean
is_sparse (HfTrimming *self, HfTrimmingSegment *segment, const HfStandingOpen *open, gboolean *out_sparse, GError **error)
{
  *out_sparse = FALSE;
  if (!segment->is_asked && !ask (self, segment, error))
    return FALSE;
  *out_sparse = open->octets <= segment->settled.octets / SPARSE_PART;
  return TRUE;
}

static gboolean
is_stuck (const HfTrimming *self, const HfTrimmingSegment *segment, const HfStandingOpen *open)
{
  if (!segment->is_stuck || self->monotonic_ms - segment->stuck_ms >= STUCK_MS
      || segment->open != (open != NULL ? open->messages : 0))
    return FALSE;
  if (segment->verdict == HF_TRIM_DAMAGED)
    return segment->places == self->places;
  return segment->verdict != HF_TRIM_NEEDED || segment->removals == self->removals;
}

void
hf_trimming_stuck (HfTrimming *self, guint64 seq, HfTrimVerdict verdict)
{
  HfTrimmingSegment *segment = known (self, seq);

  segment->is_stuck = TRUE;
  segment->verdict = verdict;
  segment->removals = self->removals;
  segment->places = self->places;
  segment->open = segment->met_open;
  segment->stuck_ms = self->monotonic_ms;
}

/* ---- choosing ---- */

static const HfStandingOpen *
open_in (const GArray *open, guint64 seq)
{
  guint low = 0, high = open->len;

  while (low < high)
    {
      const guint middle = low + (high - low) / 2;
      const HfStandingOpen *one = &g_array_index (open, HfStandingOpen, middle);

      if (one->seq == seq)
        return one;
      if (one->seq < seq)
        low = middle + 1;
      else
        high = middle;
    }
  return NULL;
}

/* Whether the segment may go, or all of it but what is carried forward. */
static gboolean
judge (HfTrimming *self, HfTrimmingSegment *segment, const HfStandingOpen *open, gboolean early, gboolean *out_goes, GError **error)
{
  *out_goes = FALSE;
  if (is_stuck (self, segment, open))
    return TRUE;
  if (open != NULL)
    {
      if (!is_sparse (self, segment, open, out_goes, error))
        return FALSE;
      *out_goes = *out_goes && (early || has_passed (self, open->newest_ms, segment->seen_ms, self->settings.carry_after_ms));
      if (!*out_goes)
        return TRUE;
    }
  if (!early)
    return is_due (self, segment, out_goes, error);
  if (!segment->is_asked && !ask (self, segment, error))
    return FALSE;
  *out_goes = has_passed (self, segment->settled.void_ms, segment->found_ms, VOID_GRACE_MS);
  return TRUE;
}

/* What its going would free: *@out_lack becomes less. */
static void
take_off (const HfTrimming *self, guint64 seq, const HfStandingOpen *open, HfTrimmingLack *lack)
{
  g_autofree gchar *path = hf_segment_path (self->settings.spool, seq);
  struct stat st;
  guint64 octets = 0;

  if (hf_sys.stat (path, &st) == 0)
    octets = (guint64) st.st_size;
  octets -= MIN (octets, open != NULL ? open->octets : 0);
  lack->octets -= MIN (lack->octets, octets);
  lack->files -= MIN (lack->files, open != NULL ? 0 : 1);
}

static gboolean
choose_from (HfTrimming *self, const GArray *closed, const GArray *open, HfTrimmingLack *lack, HfTrimmingChoice *choice,
             GError **error)
{
  for (guint i = 0; i < closed->len && !(lack != NULL && lack->octets == 0 && lack->files == 0); i++)
    {
      HfTrimmingSegment *segment = known (self, seq_at (closed, i));
      const HfStandingOpen *unsettled = open_in (open, segment->seq);
      gboolean goes;

      segment->met_open = unsettled != NULL ? unsettled->messages : 0;
      if (!judge (self, segment, unsettled, lack != NULL, &goes, error))
        return FALSE;
      if (!goes)
        continue;
      if (choice->go->len + choice->sparse->len == CHOSEN_MOST)
        {
          choice->more = TRUE;
          continue;
        }
      add_seq (unsettled != NULL ? choice->sparse : choice->go, segment->seq);
      if (lack != NULL)
        take_off (self, segment->seq, unsettled, lack);
    }
  return TRUE;
}

static gint
compare_seq (gconstpointer a, gconstpointer b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x < y ? -1 : x > y;
}

/* What was carried is the oldest. */
static void
put_carried_first (GArray *closed)
{
  g_autoptr (GArray) sorted = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (gint carried = 1; carried >= 0; carried--)
    for (guint i = 0; i < closed->len; i++)
      if (hf_segment_is_carried (seq_at (closed, i)) == (carried == 1))
        add_seq (sorted, seq_at (closed, i));
  g_array_set_size (closed, 0);
  g_array_append_vals (closed, sorted->data, sorted->len);
}

gboolean
hf_trimming_choose (HfTrimming *self, guint64 read_before, const HfTrimmingLack *lack, HfTrimmingChoice *out_choice,
                    GError **error)
{
  HfTrimmingLack left = lack != NULL ? *lack : (HfTrimmingLack){ 0 };
  g_autoptr (GArray) closed = NULL, open = NULL;
  gboolean ok;

  *out_choice = (HfTrimmingChoice){ .go = g_array_new (FALSE, FALSE, sizeof (guint64)),
                                    .sparse = g_array_new (FALSE, FALSE, sizeof (guint64)) };
  closed = list_closed (self, read_before, error);
  open = closed != NULL && hf_standing_places (self->standing, &self->places, error) ? hf_standing_open (self->standing, error) : NULL;
  if (open == NULL)
    return FALSE;
  if (lack != NULL)
    put_carried_first (closed);
  ok = choose_from (self, closed, open, lack != NULL ? &left : NULL, out_choice, error);
  g_array_sort (out_choice->go, compare_seq);
  g_array_sort (out_choice->sparse, compare_seq);
  if (ok && lack == NULL)
    g_hash_table_foreach_remove (self->segments, is_past, self);
  return ok;
}

/* ---- what has to be read beside them ---- */

static gboolean
is_chosen (const HfTrimmingChoice *chosen, guint64 seq)
{
  for (guint i = 0; i < chosen->go->len; i++)
    if (seq_at (chosen->go, i) == seq)
      return TRUE;
  for (guint i = 0; i < chosen->sparse->len; i++)
    if (seq_at (chosen->sparse, i) == seq)
      return TRUE;
  return FALSE;
}

GArray *
hf_trimming_beside (const HfTrimming *self, const HfTrimmingChoice *chosen, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (self->settings.spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (GArray) journal = hf_directory_list (dir_path, error);
  g_autoptr (GArray) carried = journal != NULL ? hf_carried_list (self->settings.spool, error) : NULL;
  GArray *beside;

  if (carried == NULL)
    return NULL;
  beside = g_array_new (FALSE, FALSE, sizeof (guint64));
  for (guint i = 0; i < journal->len; i++)
    if (is_chosen (chosen, seq_at (journal, i)) || (i > 0 && is_chosen (chosen, seq_at (journal, i - 1)))
        || (i + 1 < journal->len && is_chosen (chosen, seq_at (journal, i + 1))))
      add_seq (beside, seq_at (journal, i));
  for (guint i = 0; i < carried->len; i++)
    if (is_chosen (chosen, seq_at (carried, i)))
      add_seq (beside, seq_at (carried, i));
  return beside;
}
