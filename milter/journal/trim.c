/* trim.c - which segments may go, and their removal; see trim.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/readers.h"
#include "milter/journal/trim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define READERS_WAIT_MS (30 * 1000)

/* A plan in the making. */
typedef struct
{
  HfView *view;
  GArray *segments;    /* of HfTrimSegment */
  GHashTable *marked;  /* ids that void marks name, to the segments that hold their records: GArray of guint64 */
  HfTrimStateOf state_of;
  gpointer user_data;
  /* the chain at the end of the entry before */
  guint index;
  guint64 followed;    /* HfViewSegment's of the present segment */
  gboolean has_chain;
  HfDigest chain;
  gboolean broken;
} Planner;

/* ---- what is in the segments ---- */

static void
add_segment (Planner *self, guint index)
{
  HfTrimSegment segment = { HF_TRIM_GOES };
  HfViewSegment facts;

  hf_view_segment (self->view, index, &facts);
  segment.note.seq = facts.seq;
  segment.note.nonce = facts.nonce;
  segment.note.first_ms = segment.note.last_ms = -1;
  segment.settled_ms = G_MININT64;
  if (facts.is_open)
    segment.verdict = HF_TRIM_OPEN;
  g_array_append_val (self->segments, segment);
  for (guint i = 0; i < facts.marks->len; i++)
    {
      const HfViewMark *mark = &g_array_index (facts.marks, HfViewMark, i);

      if (!g_hash_table_contains (self->marked, mark->id.text))
        g_hash_table_insert (self->marked, g_strdup (mark->id.text), g_array_new (FALSE, FALSE, sizeof (guint64)));
    }
}

/* The newest one that is not being written stays, whatever is in it. */
static void
keep_newest (Planner *self)
{
  for (guint i = self->segments->len; i > 0; i--)
    {
      HfTrimSegment *segment = &g_array_index (self->segments, HfTrimSegment, i - 1);

      if (segment->verdict == HF_TRIM_OPEN)
        continue;
      segment->verdict = HF_TRIM_NEWEST;
      return;
    }
}

/* Earlier verdicts stand: one reason is enough. */
static void
keep (HfTrimSegment *segment, HfTrimVerdict verdict, const HfViewEntry *entry)
{
  if (segment->verdict != HF_TRIM_GOES)
    return;
  segment->verdict = verdict;
  if (entry == NULL)
    return;
  segment->keeper_offset = entry->item->offset;
  if (entry->item->has_facts)
    segment->keeper = entry->item->facts.id;
}

/* The note tells the chain as the next segment follows from it. */
static void
end_segment (Planner *self, HfTrimSegment *segment)
{
  segment->note.has_chain = self->has_chain;
  segment->note.chain = self->chain;
  segment->note.broken_end = self->broken;
}

/* The header of the present segment says where the chain goes on from. */
static void
begin_segment (Planner *self)
{
  HfViewSegment facts;

  hf_view_segment (self->view, self->index, &facts);
  self->followed = facts.followed;
  if (!facts.has_previous)
    return;
  self->has_chain = TRUE;
  self->chain = facts.previous;
  self->broken = FALSE;
}

/* Goes on to the segment of @seq; those without any entry are ended on the way. */
static HfTrimSegment *
go_to (Planner *self, guint64 seq)
{
  HfTrimSegment *segment = &g_array_index (self->segments, HfTrimSegment, self->index);

  while (segment->note.seq != seq)
    {
      end_segment (self, segment);
      self->index++;
      begin_segment (self);
      segment = &g_array_index (self->segments, HfTrimSegment, self->index);
    }
  return segment;
}

static void
take_times (HfTrimNote *note, gint64 at_ms)
{
  if (note->records == 1 || at_ms < note->first_ms)
    note->first_ms = at_ms;
  if (note->records == 1 || at_ms > note->last_ms)
    note->last_ms = at_ms;
}

static void
take_whole (Planner *self, HfTrimSegment *segment, const HfViewEntry *entry, const HfTrimState *state)
{
  const HfItem *item = entry->item;
  HfTrimNote *note = &segment->note;

  note->records++;
  note->recipients += state->voids + state->settled + state->provisional;
  note->voids += state->voids;
  note->settled += state->settled;
  segment->provisional += state->provisional;
  take_times (note, item->facts.at_ms);
  if (item->offset < self->followed)
    {
      self->has_chain = TRUE;
      self->chain = item->chain;
      self->broken = FALSE;
    }
  if (state->provisional > 0)
    keep (segment, HF_TRIM_UNSETTLED, entry);
}

static void
take_breach (Planner *self, HfTrimSegment *segment, const HfViewEntry *entry, const HfTrimState *state)
{
  segment->note.breaches++;
  self->broken = self->broken || entry->item->offset < self->followed;
  if (entry->unreadable != NULL)
    keep (segment, HF_TRIM_UNREADABLE, entry);
  else if (!state->is_settled)
    {
      segment->unsettled_breaches++;
      keep (segment, HF_TRIM_DAMAGED, entry);
    }
}

static void
take_entry (Planner *self, const HfViewEntry *entry)
{
  HfTrimSegment *segment = go_to (self, entry->seq);
  HfTrimState state = { 0, .settled_ms = G_MININT64 };
  GArray *holders;

  if (entry->unreadable == NULL)
    self->state_of (entry, &state, self->user_data);
  segment->settled_ms = MAX (segment->settled_ms, state.settled_ms);
  segment->note.octets = MAX (segment->note.octets, entry->item->offset + entry->item->length);
  if (entry->copy == HF_COPY_WHOLE)
    take_whole (self, segment, entry, &state);
  else
    take_breach (self, segment, entry, &state);
  if (!entry->item->has_facts)
    return;
  holders = g_hash_table_lookup (self->marked, entry->item->facts.id.text);
  if (holders != NULL)
    g_array_append_val (holders, segment->note.seq);
}

static gboolean
read_all (Planner *self, void (*progress) (const HfView *view), GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  if (self->segments->len > 0)
    begin_segment (self);
  while (hf_view_next (self->view, &entry, &end, error) && !end)
    {
      take_entry (self, &entry);
      if (progress != NULL)
        progress (self->view);
    }
  if (!end)
    return FALSE;
  if (self->segments->len > 0)
    {
      HfTrimSegment *last = &g_array_index (self->segments, HfTrimSegment, self->segments->len - 1);

      go_to (self, last->note.seq);
      end_segment (self, last);
    }
  return TRUE;
}

/* ---- who needs whom ---- */

static const HfTrimSegment *
segment_of (const Planner *self, guint64 seq)
{
  for (guint i = 0; i < self->segments->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (self->segments, HfTrimSegment, i);

      if (segment->note.seq == seq)
        return segment;
    }
  return NULL;
}

static gboolean
stays (const Planner *self, guint64 seq)
{
  const HfTrimSegment *segment = segment_of (self, seq);

  return segment != NULL && segment->verdict != HF_TRIM_GOES;
}

/* The segment in which the record that @mark names still stands, but for @own;
 * 0 when it is gone.  What can't be told apart in the segment that the mark
 * names may be it. */
static guint64
marked_in (const Planner *self, const HfViewMark *mark, guint64 own)
{
  const GArray *holders = g_hash_table_lookup (self->marked, mark->id.text);
  const HfTrimSegment *named = segment_of (self, mark->segment);

  for (guint i = 0; i < holders->len; i++)
    {
      const guint64 seq = g_array_index (holders, guint64, i);

      if (seq != own && stays (self, seq))
        return seq;
    }
  return named != NULL && named->note.seq != own && named->verdict != HF_TRIM_GOES && named->note.breaches > 0
             ? named->note.seq
             : 0;
}

/* The segment that stays and needs segment @index; 0 when none does. */
static guint64
needed_by (const Planner *self, guint index)
{
  const HfTrimSegment *before;
  HfViewSegment facts;

  hf_view_segment (self->view, index, &facts);
  for (guint i = 0; i < facts.marks->len; i++)
    {
      const guint64 seq = marked_in (self, &g_array_index (facts.marks, HfViewMark, i), facts.seq);

      if (seq != 0)
        return seq;
    }
  for (guint i = 0; i < facts.torn->len; i++)
    if (stays (self, g_array_index (facts.torn, guint64, i)))
      return g_array_index (facts.torn, guint64, i);
  /* This header tells what the one before it may lack: its nonce, or its end. */
  before = segment_of (self, facts.previous_seq);
  return before != NULL && before->verdict != HF_TRIM_GOES && before->note.breaches > 0 ? before->note.seq : 0;
}

/* Marks and notes speak of what stands before them, so one pass upwards is enough. */
static void
keep_needed (Planner *self)
{
  for (guint i = 0; i < self->segments->len; i++)
    {
      HfTrimSegment *segment = &g_array_index (self->segments, HfTrimSegment, i);
      guint64 seq;

      if (segment->verdict != HF_TRIM_GOES)
        continue;
      seq = needed_by (self, i);
      if (seq == 0)
        continue;
      segment->verdict = HF_TRIM_NEEDED;
      segment->needed_by = seq;
    }
}

static void
keep_recent (Planner *self, gint64 now_ms, gint64 retention_ms)
{
  for (guint i = 0; i < self->segments->len; i++)
    {
      HfTrimSegment *segment = &g_array_index (self->segments, HfTrimSegment, i);

      if (segment->settled_ms != G_MININT64 && segment->settled_ms + retention_ms > now_ms)
        keep (segment, HF_TRIM_RETENTION, NULL);
    }
}

GArray *
hf_trim_plan (HfView *view, gint64 now_ms, gint64 retention_ms, HfTrimStateOf state_of, gpointer user_data,
              void (*progress) (const HfView *view), GError **error)
{
  Planner self = { .view = view, .state_of = state_of, .user_data = user_data };
  gboolean ok;

  self.segments = g_array_new (FALSE, TRUE, sizeof (HfTrimSegment));
  self.marked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_array_unref);
  for (guint i = 0; i < hf_view_segments (view); i++)
    add_segment (&self, i);
  keep_newest (&self);
  ok = read_all (&self, progress, error);
  if (ok)
    {
      keep_recent (&self, now_ms, retention_ms);
      keep_needed (&self);
    }
  g_hash_table_unref (self.marked);
  if (ok)
    return self.segments;
  g_array_unref (self.segments);
  return NULL;
}

/* ---- removal ---- */

/* The notes that are still to be written: a run that was cut short has left some. */
static gboolean
collect_notes (const HfTrimmed *trimmed, int dir_fd, const GArray *plan, GArray *notes, GError **error)
{
  const gint64 now_ms = hf_sys_wall_ms ();

  for (guint i = 0; i < plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);
      HfTrimNote note = segment->note;
      const HfTrimNote *old = hf_trimmed_find (trimmed, note.seq);
      HfSegmentName name;
      struct stat st;

      if (segment->verdict != HF_TRIM_GOES || (old != NULL && strcmp (old->nonce.text, note.nonce.text) == 0))
        continue;
      hf_segment_name (note.seq, &name);
      if (hf_sys.fstatat (dir_fd, name.text, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return hf_error_set_errno (error, errno, "trim-look", "cannot look at segment '%s'", name.text);
      note.octets = (guint64) st.st_size;
      note.at_ms = now_ms;
      g_array_append_val (notes, note);
    }
  return TRUE;
}

static gboolean
remove_all (int dir_fd, const GArray *plan, guint *out_removed, GError **error)
{
  for (guint i = 0; i < plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);
      HfSegmentName name;

      if (segment->verdict != HF_TRIM_GOES)
        continue;
      hf_segment_name (segment->note.seq, &name);
      if (hf_sys.unlinkat (dir_fd, name.text, 0) < 0 && errno != ENOENT)
        return hf_error_set_errno (error, errno, "trim-remove", "cannot remove segment '%s'", name.text);
      (*out_removed)++;
      /* Before the next one goes, which may hold the marks of this one. */
      if (hf_sys.fsync (dir_fd) < 0)
        return hf_error_set_errno (error, errno, "trim-remove", "cannot sync the journal's directory");
    }
  return TRUE;
}

static gboolean
note_and_remove (const gchar *dir_path, int dir_fd, const GArray *plan, const HfWho *who, const gchar *reason,
                 guint *out_removed, GError **error)
{
  g_autoptr (GArray) notes = g_array_new (FALSE, FALSE, sizeof (HfTrimNote));
  HfTrimmed trimmed;
  gboolean ok;

  ok = hf_trimmed_load (dir_path, &trimmed, error) && collect_notes (&trimmed, dir_fd, plan, notes, error)
       && (notes->len == 0 || hf_trimmed_append (&trimmed, dir_fd, notes, who, reason, error))
       && remove_all (dir_fd, plan, out_removed, error);
  hf_trimmed_clear (&trimmed);
  return ok;
}

gboolean
hf_trim_run (const gchar *spool, const GArray *plan, const HfWho *who, const gchar *reason, guint *out_removed,
             GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  int dir_fd = hf_sys.open (dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  int readers_fd = -1;
  gboolean ok;

  *out_removed = 0;
  if (dir_fd < 0)
    return hf_error_set_errno (error, errno, "trim-open", "cannot open journal '%s'", dir_path);
  ok = hf_readers_exclude (dir_fd, READERS_WAIT_MS, &readers_fd, error)
       && note_and_remove (dir_path, dir_fd, plan, who, reason, out_removed, error);
  hf_sys_close (&readers_fd);
  hf_sys_close (&dir_fd);
  return ok;
}
