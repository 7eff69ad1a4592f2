/* trimming.c - random histories of a journal, against a model of what is owed (P3, P4)
 *
 * Arrivals, settlements, late evidence, void marks, damage, operators' acts,
 * passes of the auditor, full disks, crashes at any call, clock steps, restarts
 * and rebuildings, in any order.  After each: every message that is owed has a
 * copy, or a damaged one that was not removed; nothing settled went before its
 * retention was over, nor stayed for longer than one more pass; and the sums of
 * journal, notes and ledger come out.  Deliberate defects have to be reported.
 *
 * A failure names the seed: ./tests/fault/test-trimming histories repeats all;
 * HISTORY=SEED runs that one alone.  A longer run: HOLDFAST_LONG=1.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/trimmed.h"
#include "tests/fault/crew.h"
#include "tests/fault/history.h"
#include "tests/fault/scratch.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FEW (2000 / (TAP_STRIDE > 1 ? 6 * TAP_STRIDE : 1)) /* they fork often, which costs a sanitizer most */
#define MANY 30000
#define TRIES_FOR_DEFECT 3000
#define STEPS_MOST 18
#define MAIL_BEFORE 12 /* arrivals and settlements that a history may begin with */
#define WORKERS 2
#define MAIL_SHARE 55 /* of 100 steps */
#define VOID_GRACE_MS 10000
#define DIED 112
#define DISORDER 113

typedef struct
{
  History *world;
  GString *fault;       /* what broke; empty for nothing */
  GHashTable *whole;    /* numbers of messages that have a whole copy */
  GHashTable *there;    /* likewise, of those with any */
  GHashTable *was_there; /* likewise, before this step */
  guint passes;         /* in this life of the auditor */
  gboolean is_good;     /* the step was a pass that could do its work */
  gboolean was_full;
  guint64 carried, trimmed; /* seen so far */
} Run;

static void G_GNUC_PRINTF (2, 3)
broke (Run *self, const gchar *format, ...)
{
  va_list args;

  if (self->fault->len > 0)
    return;
  va_start (args, format);
  g_string_append_vprintf (self->fault, format, args);
  va_end (args);
}

/* ---- what is there ---- */

static gint64
overdue (const Run *self, const HistoryMessage *message)
{
  gint64 left_ms = G_MAXINT64;

  for (guint i = 0; i < message->recipients; i++)
    {
      const gint64 age_ms = self->world->monotonic_ms - message->since_ms[i];

      if (message->states[i] == HISTORY_OPEN)
        return -1;
      left_ms = MIN (left_ms, age_ms - (message->states[i] == HISTORY_SETTLED ? self->world->retention_ms : VOID_GRACE_MS));
    }
  return left_ms;
}

static HistoryMessage *
message_of (Run *self, guint number)
{
  return &g_array_index (self->world->messages, HistoryMessage, number - 1);
}

/* What has to be gone by now from each segment: everything that is in it. */
static gboolean
is_overdue (Run *self, GArray *numbers)
{
  for (guint i = 0; i < numbers->len; i++)
    if (overdue (self, message_of (self, g_array_index (numbers, guint, i))) < 0)
      return FALSE;
  return TRUE;
}

static void
check_kept_too_long (Run *self, HfView *view, GHashTable *contents)
{
  const guint count = hf_view_segments (view);

  for (guint i = 0; i < count; i++)
    {
      GArray *numbers;
      HfViewSegment facts;

      hf_view_segment (view, i, &facts);
      numbers = g_hash_table_lookup (contents, &facts.seq);
      if (facts.seq != self->world->newest && facts.marks->len == 0 && numbers != NULL && is_overdue (self, numbers))
        broke (self, "segment %" G_GUINT64_FORMAT " is there, though all in it was settled for long enough", facts.seq);
    }
}

static guint64
read_view (Run *self, HfView *view)
{
  g_autoptr (GHashTable) contents = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) g_array_unref);
  guint64 recipients = 0;
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, NULL) && !end)
    {
      const guint number = entry.item->has_facts ? kit_number (&entry.item->facts.id) : 0;
      GArray *numbers = g_hash_table_lookup (contents, &entry.seq);

      if (entry.chain_broken && !self->world->has_damage)
        broke (self, "the chain is broken in segment %" G_GUINT64_FORMAT, entry.seq);
      if (number == 0)
        continue;
      if (numbers == NULL)
        {
          numbers = g_array_new (FALSE, FALSE, sizeof (guint));
          g_hash_table_insert (contents, g_memdup2 (&entry.seq, sizeof entry.seq), numbers);
        }
      g_array_append_val (numbers, number);
      if (g_hash_table_add (self->there, GUINT_TO_POINTER (number)))
        recipients += entry.item->recipients->len;
      if (entry.copy == HF_COPY_WHOLE && entry.item->recipients->len == message_of (self, number)->recipients)
        g_hash_table_add (self->whole, GUINT_TO_POINTER (number));
    }
  if (self->is_good && !self->world->has_jumped && !self->world->has_damage)
    check_kept_too_long (self, view, contents);
  for (guint i = 0; i < hf_view_trimmed (view)->notes->len; i++)
    {
      const HfTrimNote *note = &g_array_index (hf_view_trimmed (view)->notes, HfTrimNote, i);

      if (!hf_view_is_there (view, note->seq))
        recipients += note->recipients;
    }
  if (hf_view_missing (view)->len > 0)
    broke (self, "a segment is missing, and no note tells why");
  if (hf_view_trimmed (view)->breaks > 0)
    broke (self, "a note does not follow from the one before it");
  return recipients;
}

/* ---- the invariants ---- */

static guint64
ask (Run *self, const gchar *sql)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (self->world->ledger, sql, NULL);

  return row != NULL && sqlite3_step (row) == SQLITE_ROW ? (guint64) sqlite3_column_int64 (row, 0) : G_MAXUINT64;
}

static void
check_sums (Run *self, guint64 journaled)
{
  static const gchar *const queries[] = { "SELECT count(*) FROM recipient WHERE state NOT IN ('void', 'settled')",
                                          "SELECT count(*) FROM recipient WHERE state = 'settled'",
                                          "SELECT count(*) FROM recipient WHERE state = 'void'" };
  guint64 counts[3] = { 0 }, all = 0, damaged = 0;

  for (guint i = 0; i < self->world->messages->len; i++)
    {
      const HistoryMessage *message = message_of (self, i + 1);

      all += message->recipients;
      damaged += message->was_damaged ? message->recipients : 0;
      for (guint r = 0; r < message->recipients; r++)
        counts[message->states[r]]++;
    }
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
    if (history_defect != DEFECT_OPEN && ask (self, queries[i]) != counts[i])
      broke (self, "the ledger counts %" G_GUINT64_FORMAT ", the model %" G_GUINT64_FORMAT ": %s", ask (self, queries[i]), counts[i],
             queries[i]);
  if (journaled > all || journaled + damaged < all)
    broke (self, "journal and notes have %" G_GUINT64_FORMAT " recipients of %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " in damaged copies",
           journaled, all, damaged);
}

static gboolean
segment_is_there (Run *self, guint number)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (self->world->ledger, "SELECT segment FROM envelope WHERE id = ?1", NULL);
  g_autofree gchar *path = NULL;
  HfId id;

  kit_id (number, &id);
  sqlite3_bind_text (row, 1, id.text, -1, SQLITE_TRANSIENT);
  if (sqlite3_step (row) != SQLITE_ROW)
    return FALSE;
  path = hf_segment_path (self->world->spool, (guint64) sqlite3_column_int64 (row, 0));
  return access (path, F_OK) == 0;
}

static void
check_message (Run *self, guint number)
{
  const HistoryMessage *message = message_of (self, number);
  const gint64 left_ms = overdue (self, message);
  const gboolean vanished = g_hash_table_contains (self->was_there, GUINT_TO_POINTER (number))
                            && !g_hash_table_contains (self->there, GUINT_TO_POINTER (number));
  gboolean is_owed = FALSE, was_here = FALSE;

  for (guint i = 0; i < message->recipients; i++)
    is_owed |= message->states[i] == HISTORY_OPEN;
  was_here = g_hash_table_contains (self->was_there, GUINT_TO_POINTER (number));
  if (is_owed && was_here && !g_hash_table_contains (self->whole, GUINT_TO_POINTER (number))
      && !(message->was_damaged && segment_is_there (self, number)))
    broke (self, "message %u is not settled and has no copy any more", number);
  if (vanished && !message->was_damaged && !is_owed && left_ms < 0 && !self->world->has_jumped && !self->was_full)
    broke (self, "message %u was removed %" G_GINT64_FORMAT " ms before its retention was over", number, -left_ms);
}

static void
check (Run *self)
{
  g_autoptr (HfView) view = NULL;
  g_autoptr (GHashTable) before = g_steal_pointer (&self->was_there);

  self->was_there = g_steal_pointer (&self->there);
  self->there = g_hash_table_new (NULL, NULL);
  g_hash_table_remove_all (self->whole);
  view = hf_view_open (self->world->spool, HF_READ_RECIPIENTS, NULL);
  check_sums (self, read_view (self, view));
  for (guint i = 0; i < self->world->messages->len; i++)
    check_message (self, i + 1);
  if (history_disorder > 0)
    broke (self, "a segment went before its note or its carried copy was on stable storage");
}

/* ---- the steps ---- */

static void
reopen (Run *self, gboolean rebuild)
{
  history_close (self->world);
  history_open (self->world, rebuild);
  self->passes = 0;
}

static gboolean
pass (Run *self)
{
  g_autoptr (GError) error = NULL;
  gboolean ok;

  do
    ok = hf_trimming_pass (self->world->trimming, self->world->newest + 1, &error);
  while (ok && hf_trimming_is_due (self->world->trimming) && self->world->fail_at == 0 && self->passes > 0 && self->world->is_full
         && self->passes++ < 20);
  self->passes++;
  return ok;
}

static void
go_on (Run *self, gint64 ms)
{
  self->world->wall_ms += ms;
  self->world->monotonic_ms += ms;
}

static void
do_pass (Run *self)
{
  go_on (self, g_rand_int_range (self->world->rand, 1000, (gint) self->world->retention_ms));
  self->was_full = self->world->is_full;
  self->is_good = self->passes > 0 && !self->world->is_full;
  if (!pass (self))
    reopen (self, FALSE);
}

static void
do_failing_pass (Run *self)
{
  self->world->fail_at = (guint64) g_rand_int_range (self->world->rand, 1, 25);
  self->world->calls = 0;
  do_pass (self);
  self->is_good = FALSE;
  self->world->fail_at = 0;
}

/* The child begins as a restart does, and ends at a call that changes something. */
static void
do_crash (Run *self)
{
  const guint64 nth = (guint64) g_rand_int_range (self->world->rand, 1, 30);
  const gint64 later_ms = g_rand_int_range (self->world->rand, 1000, (gint) self->world->retention_ms);
  int status = 0;
  pid_t child;

  history_close (self->world);
  child = fork ();
  if (child == 0)
    {
      history_open (self->world, FALSE);
      self->passes = 0;
      pass (self);
      go_on (self, later_ms);
      self->world->calls = 0;
      self->world->die_at = nth;
      pass (self);
      _exit (history_disorder > 0 ? DISORDER : 0);
    }
  waitpid (child, &status, 0);
  go_on (self, later_ms);
  self->was_full = self->world->is_full;
  if (!WIFEXITED (status) || (WEXITSTATUS (status) != DIED && WEXITSTATUS (status) != 0))
    broke (self, "a pass that was to end at call %" G_GUINT64_FORMAT " ended with status %x", nth, (guint) status);
  history_open (self->world, FALSE);
  self->passes = 0;
}

static void
do_clock (Run *self)
{
  const gint64 hours = g_rand_int_range (self->world->rand, -5000, 5000);

  self->world->wall_ms = MAX (self->world->wall_ms + hours * 3600 * 1000, 0);
  self->world->has_jumped = TRUE;
}

static void
do_evidence (Run *self)
{
  HistoryMessage *message;
  const guint count = self->world->messages->len;

  if (count == 0)
    return;
  message = message_of (self, (guint) g_rand_int_range (self->world->rand, 1, (gint) count + 1));
  for (guint i = 0; i < message->recipients; i++)
    if (message->states[i] == HISTORY_OPEN ? g_rand_int_range (self->world->rand, 0, 8) > 0 : g_rand_int_range (self->world->rand, 0, 40) == 0)
      history_set (self->world, message, i, message->states[i] == HISTORY_OPEN ? HISTORY_SETTLED : HISTORY_OPEN);
}

/* Something new of mail; @what: below MAIL_SHARE. */
static void
take_mail (Run *self, gint what)
{
  if (what < 20)
    history_arrive (self->world);
  else
    for (gint i = 0; i < 3; i++)
      do_evidence (self);
}

static void
do_step (Run *self)
{
  const gint what = g_rand_int_range (self->world->rand, 0, 100);

  self->is_good = FALSE;
  if (what < MAIL_SHARE)
    take_mail (self, what);
  else if (what < 75)
    do_pass (self);
  else if (what < 81)
    do_failing_pass (self);
  else if (what < 87)
    do_crash (self);
  else if (what < 89)
    do_clock (self);
  else if (what < 91)
    history_damage (self->world);
  else if (what < 93)
    history_settle_places (self->world);
  else if (what < 95)
    self->world->is_full = !self->world->is_full;
  else if (what < 97)
    reopen (self, TRUE);
  else
    reopen (self, FALSE);
}

/* Returns: what broke, or NULL. */
static gchar *
run_history (guint32 seed, guint64 *carried, guint64 *trimmed)
{
  Run self = { .world = history_new (seed), .fault = g_string_new (NULL) };
  guint steps = 0;

  self.whole = g_hash_table_new (NULL, NULL);
  self.there = g_hash_table_new (NULL, NULL);
  history_disorder = 0;
  for (gint left = g_rand_int_range (self.world->rand, 0, MAIL_BEFORE); left > 0; left--)
    take_mail (&self, g_rand_int_range (self.world->rand, 0, MAIL_SHARE));
  for (; steps < STEPS_MOST && self.fault->len == 0; steps++)
    {
      do_step (&self);
      check (&self);
    }
  *carried += ask (&self, "SELECT count(*) FROM envelope WHERE carried IS NOT NULL");
  *trimmed += ask (&self, "SELECT count(*) FROM trimmed");
  g_hash_table_unref (self.whole);
  g_hash_table_unref (self.there);
  g_clear_pointer (&self.was_there, g_hash_table_unref);
  history_free (self.world);
  if (self.fault->len > 0)
    g_string_append_printf (self.fault, " (seed %u, step %u)", seed, steps);
  return g_string_free (self.fault, self.fault->len == 0);
}

/* What all workers saw. */
typedef struct
{
  guint first, count;
  gint done, carried, trimmed;
} Histories;

static int
work (const FtWorker *worker, gpointer data)
{
  Histories *all = data;

  history_defect = DEFECT_NONE;
  for (guint i = worker->index; i < all->count; i += worker->count)
    {
      guint64 carried = 0, trimmed = 0;
      g_autofree gchar *fault = run_history (all->first + i, &carried, &trimmed);

      if (fault != NULL)
        {
          ft_crew_say ("%s", fault);
          return 1;
        }
      g_atomic_int_inc (&all->done);
      g_atomic_int_add (&all->carried, (gint) carried);
      g_atomic_int_add (&all->trimmed, (gint) trimmed);
    }
  return 0;
}

static void
test_histories (void)
{
  const gchar *only = g_getenv ("HISTORY");
  gchar *scratch = ft_scratch_new ("trimming");
  Histories *all = ft_crew_share (sizeof *all);

  all->first = only != NULL ? (guint) g_ascii_strtoull (only, NULL, 10) : 1;
  all->count = only != NULL ? 1 : ft_is_long () ? MANY : FEW;
  tap_check_int ("workers that found something", ft_crew_run (scratch, WORKERS, work, all), 0);
  tap_check_int ("histories", all->done, all->count);
  printf ("# %d histories, %d messages carried forward, %d segments trimmed\n", all->done, all->carried, all->trimmed);
  if (only == NULL)
    tap_check ("histories have something to tell", all->carried > all->done / 20 && all->trimmed > all->done);
  ft_crew_forget (all, sizeof *all);
  ft_scratch_end (scratch);
}

/* What it must not let pass. */
static void
test_controls (void)
{
  static const gchar *const rows[N_DEFECTS] = { [DEFECT_RETENTION] = "the retention is forgotten",
                                                [DEFECT_OPEN] = "open counts as settled",
                                                [DEFECT_NOTE] = "the note is not synced",
                                                [DEFECT_CARRIED] = "the carried copy has no name" };

  for (gint defect = DEFECT_NONE + 1; defect < N_DEFECTS; defect++)
    {
      guint64 carried = 0, trimmed = 0;
      g_autofree gchar *fault = NULL;

      history_defect = (HistoryDefect) defect;
      for (guint i = 1; i < TRIES_FOR_DEFECT && fault == NULL; i++)
        fault = run_history (i, &carried, &trimmed);
      tap_check (rows[defect], fault != NULL);
      printf ("# %s: %s\n", rows[defect], fault != NULL ? fault : "not seen");
    }
  history_defect = DEFECT_NONE;
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "histories", test_histories },
    { "controls", test_controls },
    { NULL, NULL },
  };

  if (access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", FALSE);
  history_install ();
  return tap_run ("trimming", tests, argc, argv);
}
