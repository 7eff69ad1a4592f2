/* trim.c - which segments may go, and their removal; see trim.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/readers.h"
#include "milter/journal/trim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A message that was met, and where: it may be met again. */
typedef struct
{
  HfId id;
  guint index; /* of the segment */
  guint64 voids, settled;
} Copy;

/* A plan in the making. */
typedef struct
{
  HfView *view;
  GArray *segments;    /* of HfTrimSegment */
  GHashTable *marked;  /* ids that void marks name, to the segments that hold their records: GArray of guint64 */
  GArray *copies;      /* of Copy */
  const HfTrimRules *rules;
  /* the chain at the end of the entry before */
  guint index;
  guint64 followed;    /* HfViewSegment's of the present segment */
  gboolean has_chain;
  HfDigest chain;
  gboolean broken;
} Planner;

/* ---- what is in the segments ---- */

static gboolean
is_asked_for (const Planner *self, guint64 seq)
{
  const GArray *only = self->rules->only;

  for (guint i = 0; only != NULL && i < only->len; i++)
    if (g_array_index (only, guint64, i) == seq)
      return TRUE;
  return only == NULL;
}

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
  else if (!is_asked_for (self, facts.seq))
    segment.verdict = HF_TRIM_UNASKED;
  g_array_append_val (self->segments, segment);
  for (guint i = 0; i < facts.marks->len; i++)
    {
      const HfViewMark *mark = &g_array_index (facts.marks, HfViewMark, i);

      if (!g_hash_table_contains (self->marked, mark->id.text))
        g_hash_table_insert (self->marked, g_strdup (mark->id.text), g_array_new (FALSE, FALSE, sizeof (guint64)));
    }
}

/* The newest one of the journal that is not being written stays, whatever is in it. */
static void
keep_newest (Planner *self)
{
  for (guint i = self->segments->len; i > 0; i--)
    {
      HfTrimSegment *segment = &g_array_index (self->segments, HfTrimSegment, i - 1);

      if (segment->verdict == HF_TRIM_OPEN || hf_segment_is_carried (segment->note.seq))
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

/* What counts in the segment's note.  What is met twice is put right at the end. */
static void
count (Planner *self, HfTrimSegment *segment, const HfViewEntry *entry, const HfTrimState *state)
{
  Copy copy = { .index = self->index, .voids = state->voids, .settled = state->settled };

  if (state->is_elsewhere)
    {
      segment->note.elsewhere++;
      return;
    }
  segment->note.recipients += state->voids + state->settled + state->provisional;
  segment->note.voids += state->voids;
  segment->note.settled += state->settled;
  if (!entry->item->has_facts)
    return;
  copy.id = entry->item->facts.id;
  g_array_append_val (self->copies, copy);
}

static void
take_whole (Planner *self, HfTrimSegment *segment, const HfViewEntry *entry, const HfTrimState *state)
{
  const HfItem *item = entry->item;
  HfTrimNote *note = &segment->note;

  note->records++;
  count (self, segment, entry, state);
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
  else
    count (self, segment, entry, state);
}

static void
take_entry (Planner *self, const HfViewEntry *entry)
{
  HfTrimSegment *segment = go_to (self, entry->seq);
  HfTrimState state = { 0, .settled_ms = G_MININT64 };
  GArray *holders;

  if (entry->unreadable == NULL)
    self->rules->state_of (entry, &state, self->rules->user_data);
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
read_all (Planner *self, GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  if (self->segments->len > 0)
    begin_segment (self);
  while (hf_view_next (self->view, &entry, &end, error) && !end)
    {
      take_entry (self, &entry);
      if (self->rules->progress != NULL)
        self->rules->progress (self->view);
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

  return segment != NULL ? segment->verdict != HF_TRIM_GOES : hf_view_is_there (self->view, seq);
}

/* The same, and something in it may be what can't be told. */
static gboolean
stays_in_doubt (const Planner *self, guint64 seq)
{
  const HfTrimSegment *segment = segment_of (self, seq);

  return stays (self, seq) && (segment == NULL || segment->note.breaches > 0);
}

/* Segment @seq, which is not @own, keeps a mark of what is in it.  Carried ones
 * are removed behind all others, so that their marks go in a later run. */
static gboolean
keeps_mark (const Planner *self, guint64 seq, guint64 own)
{
  return seq != 0 && seq != own && (hf_segment_is_carried (seq) || stays (self, seq));
}

/* The segment in which the record that @mark names still stands, but for @own;
 * 0 when it is gone.  What can't be told apart in the segment that the mark
 * names may be it. */
static guint64
marked_in (const Planner *self, const HfViewMark *mark, guint64 own)
{
  const GArray *holders = g_hash_table_lookup (self->marked, mark->id.text);
  const guint64 other = self->rules->copy_of != NULL ? self->rules->copy_of (&mark->id, self->rules->user_data) : 0;

  for (guint i = 0; i < holders->len; i++)
    if (keeps_mark (self, g_array_index (holders, guint64, i), own))
      return g_array_index (holders, guint64, i);
  if (keeps_mark (self, other, own))
    return other;
  return mark->segment != own && stays_in_doubt (self, mark->segment) ? mark->segment : 0;
}

/* The segment that stays and needs segment @index; 0 when none does. */
static guint64
needed_by (const Planner *self, guint index)
{
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
  return stays_in_doubt (self, facts.previous_seq) ? facts.previous_seq : 0;
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
keep_recent (Planner *self)
{
  for (guint i = 0; i < self->segments->len; i++)
    {
      HfTrimSegment *segment = &g_array_index (self->segments, HfTrimSegment, i);

      if (segment->settled_ms != G_MININT64 && segment->settled_ms + self->rules->retention_ms > self->rules->now_ms)
        keep (segment, HF_TRIM_RETENTION, NULL);
    }
}

/* ---- messages that were met twice ---- */

static gint
compare_copies (gconstpointer a, gconstpointer b)
{
  const Copy *x = a, *y = b;
  const gint order = strcmp (x->id.text, y->id.text);

  return order != 0 ? order : x->index < y->index ? -1 : x->index > y->index;
}

/* Of @count copies of one message one counts: one that stays, or the last. */
static void
count_once (Planner *self, const Copy *copies, guint count)
{
  guint counted = count - 1;

  for (guint i = 0; i < count; i++)
    if (g_array_index (self->segments, HfTrimSegment, copies[i].index).verdict != HF_TRIM_GOES)
      counted = i;
  for (guint i = 0; i < count; i++)
    {
      HfTrimNote *note = &g_array_index (self->segments, HfTrimSegment, copies[i].index).note;

      if (i == counted)
        continue;
      note->elsewhere++;
      note->recipients -= copies[i].voids + copies[i].settled;
      note->voids -= copies[i].voids;
      note->settled -= copies[i].settled;
    }
}

static void
count_all_once (Planner *self)
{
  const Copy *copies = (const Copy *) (gpointer) self->copies->data;
  guint first = 0;

  g_array_sort (self->copies, compare_copies);
  for (guint i = 1; i <= self->copies->len; i++)
    if (i == self->copies->len || strcmp (copies[i].id.text, copies[first].id.text) != 0)
      {
        if (i - first > 1)
          count_once (self, copies + first, i - first);
        first = i;
      }
}

GArray *
hf_trim_plan (HfView *view, const HfTrimRules *rules, GError **error)
{
  Planner self = { .view = view, .rules = rules };
  gboolean ok;

  self.segments = g_array_new (FALSE, TRUE, sizeof (HfTrimSegment));
  self.copies = g_array_new (FALSE, FALSE, sizeof (Copy));
  self.marked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_array_unref);
  for (guint i = 0; i < hf_view_segments (view); i++)
    add_segment (&self, i);
  keep_newest (&self);
  ok = read_all (&self, error);
  if (ok)
    {
      keep_recent (&self);
      keep_needed (&self);
      count_all_once (&self);
    }
  g_hash_table_unref (self.marked);
  g_array_unref (self.copies);
  if (ok)
    return self.segments;
  g_array_unref (self.segments);
  return NULL;
}

/* ---- removal ---- */

typedef struct
{
  gchar *dir_path; /* SPOOL/journal */
  int dir_fd;
  int carried_fd;  /* SPOOL/carried; -1 where nothing of it goes */
  const GArray *plan;
} Removal;

static int
directory_of (const Removal *self, guint64 seq)
{
  return hf_segment_is_carried (seq) ? self->carried_fd : self->dir_fd;
}

/* A note that an earlier run left is written again: its sync may have failed, and
 * what reads well now would be gone with the power; a second sync of the same
 * octets proves nothing.  Others may have removed what was to go. */
static gboolean
collect_notes (const Removal *self, GArray *notes, GError **error)
{
  const gint64 now_ms = hf_sys_wall_ms ();

  for (guint i = 0; i < self->plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (self->plan, HfTrimSegment, i);
      HfTrimNote note = segment->note;
      HfSegmentName name;
      struct stat st;

      if (segment->verdict != HF_TRIM_GOES)
        continue;
      hf_segment_name (note.seq, &name);
      if (hf_sys.fstatat (directory_of (self, note.seq), name.text, &st, AT_SYMLINK_NOFOLLOW) < 0)
        {
          if (errno == ENOENT)
            continue;
          return hf_error_set_errno (error, errno, "trim-look", "cannot look at segment '%s'", name.text);
        }
      note.octets = (guint64) st.st_size;
      note.at_ms = now_ms;
      g_array_append_val (notes, note);
    }
  return TRUE;
}

static gboolean
remove_all (const Removal *self, guint *out_removed, GError **error)
{
  for (guint i = 0; i < self->plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (self->plan, HfTrimSegment, i);
      const int dir_fd = directory_of (self, segment->note.seq);
      HfSegmentName name;

      if (segment->verdict != HF_TRIM_GOES)
        continue;
      hf_segment_name (segment->note.seq, &name);
      if (hf_sys.unlinkat (dir_fd, name.text, 0) == 0)
        (*out_removed)++;
      else if (errno != ENOENT)
        return hf_error_set_errno (error, errno, "trim-remove", "cannot remove segment '%s'", name.text);
      /* Before the next one goes, which may hold the marks of this one. */
      if (hf_sys.fsync (dir_fd) < 0)
        return hf_error_set_errno (error, errno, "trim-remove", "cannot sync the directory of segment '%s'", name.text);
    }
  return TRUE;
}

static gboolean
note_and_remove (const Removal *self, const HfWho *who, const gchar *reason, guint *out_removed, GError **error)
{
  g_autoptr (GArray) notes = g_array_new (FALSE, FALSE, sizeof (HfTrimNote));
  HfTrimmed trimmed;
  gboolean ok;

  ok = hf_trimmed_load (self->dir_path, &trimmed, error) && collect_notes (self, notes, error)
       && (notes->len == 0 || hf_trimmed_append (&trimmed, self->dir_fd, notes, who, reason, error))
       && remove_all (self, out_removed, error);
  hf_trimmed_clear (&trimmed);
  return ok;
}

static gboolean
goes_from_carried (const GArray *plan)
{
  for (guint i = 0; i < plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);

      if (segment->verdict == HF_TRIM_GOES && hf_segment_is_carried (segment->note.seq))
        return TRUE;
    }
  return FALSE;
}

static int
open_directory (const gchar *path, GError **error)
{
  int fd = hf_sys.open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

  if (fd < 0)
    hf_error_set_errno (error, errno, "trim-open", "cannot open '%s'", path);
  return fd;
}

gboolean
hf_trim_run (const gchar *spool, GArray *plan, HfTrimLook look, gpointer look_data, const HfWho *who,
             const gchar *reason, gint64 wait_ms, guint *out_removed, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autofree gchar *carried_path = g_build_filename (spool, HF_CARRIED_DIRECTORY, NULL);
  Removal self = { .dir_path = dir_path, .dir_fd = -1, .carried_fd = -1, .plan = plan };
  int readers_fd = -1;
  gboolean ok;

  *out_removed = 0;
  self.dir_fd = open_directory (dir_path, error);
  if (self.dir_fd >= 0 && goes_from_carried (plan))
    self.carried_fd = open_directory (carried_path, error);
  ok = self.dir_fd >= 0 && (self.carried_fd >= 0 || !goes_from_carried (plan))
       && hf_readers_exclude (self.dir_fd, wait_ms, &readers_fd, error)
       && (look == NULL || look (plan, look_data, error))
       && note_and_remove (&self, who, reason, out_removed, error);
  hf_sys_close (&readers_fd);
  hf_sys_close (&self.carried_fd);
  hf_sys_close (&self.dir_fd);
  return ok;
}
