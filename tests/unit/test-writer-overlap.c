/* test-writer-overlap.c - the promises while one group is written and another synced
 *
 * Each test holds the writer in a sync until a queue has grown, and so has two
 * groups under way: TOGETHER records that are being synced, and as many that are
 * written behind them.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/view.h"
#include "milter/journal/writer.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>

#define MESSAGE "Subject: x\r\n\r\n.text\r\n"
#define LONG_MS 20000
#define TOGETHER 10
#define QUEUE (2 * TOGETHER)
#define NEVER 1000000 /* a plan for this call only counts */

typedef struct
{
  gchar *spool;
  HfWriter *writer;
  HfCommit *first;
  HfCommit *queue[QUEUE];
} Bench;

static HfCommit *
submit (Bench *self, guint number)
{
  HfCommit *commit = kit_commit_new (number, MESSAGE, -1);

  hf_writer_submit (self->writer, commit);
  return commit;
}

/* Message 1 hangs in its sync, and the others wait: numbers 2 and up. */
static void
bench_init (Bench *self, gint64 overdue_ms)
{
  HfJournalParameters parameters;

  kit_events_keep ();
  self->spool = kit_spool_new ();
  parameters = kit_parameters (self->spool);
  self->writer = hf_writer_start (&parameters, overdue_ms, NULL);
  g_assert_nonnull (self->writer);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  self->first = submit (self, 1);
  tap_check ("a sync hangs", faults_wait_hanging (FAULT_FDATASYNC));
  for (guint i = 0; i < QUEUE; i++)
    self->queue[i] = submit (self, i + 2);
}

static void
bench_clear (const gchar *row, Bench *self)
{
  faults_reset ();
  if (self->writer != NULL)
    tap_check (row, hf_writer_stop (self->writer, LONG_MS));
  hf_commit_unref (self->first);
  for (guint i = 0; i < QUEUE; i++)
    hf_commit_unref (self->queue[i]);
  tap_check (row, kit_wait_let_go (self->spool));
  kit_spool_free (self->spool);
}

static gboolean
both_are_written (gpointer data)
{
  return faults_count (FAULT_PWRITE) >= 2;
}

/* The first group of the queue hangs in its sync; the second is written. */
static void
hold_two (Bench *self)
{
  faults_fail (FAULT_PWRITE, ".bsmtp", NEVER, EIO);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  faults_release ();
  tap_check ("the first group is synced", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check ("the second is written", kit_wait_until (both_are_written, NULL));
}

static guint
count (const Bench *self, guint from, guint to, HfCommitState state)
{
  guint found = 0;

  for (guint i = from; i < to; i++)
    found += hf_commit_state (self->queue[i]) == state;
  return found;
}

static void
wait_for (const Bench *self, guint from, guint to)
{
  for (guint i = from; i < to; i++)
    hf_commit_wait (self->queue[i], LONG_MS);
}

/* "1:1 whole, …" for messages 1 to @last of segment 1. */
static gchar *
whole_up_to (guint last)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 1; i <= last; i++)
    g_string_append_printf (text, "%s1:%u whole", i > 1 ? ", " : "", i);
  return g_strdup (text->str);
}

static void
check_view (const gchar *row, const Bench *self, const gchar *want)
{
  g_autofree gchar *got = kit_view_text (self->spool, HF_READ_VERIFY);

  tap_check_str (row, got, want);
}

static void
check_whole (const gchar *row, const Bench *self, guint last)
{
  g_autofree gchar *want = whole_up_to (last);

  check_view (row, self, want);
}

/* Whole copies of message @number; -1: the chain is broken somewhere. */
static gint
copies (const Bench *self, guint number, gboolean marked)
{
  g_autoptr (HfView) view = hf_view_open (self->spool, HF_READ_VERIFY, NULL);
  HfViewEntry entry;
  gboolean end = FALSE;
  gint found = 0;

  while (hf_view_next (view, &entry, &end, NULL) && !end)
    {
      if (entry.chain_broken)
        return -1;
      found += entry.copy == HF_COPY_WHOLE && kit_number (&entry.item->facts.id) == number && (entry.mark != NULL) == marked;
    }
  return found;
}

/* P1, P6: what was answered is there, once; what was refused is void or not there.
 * The writer must have stopped. */
static void
check_answers (const gchar *row, const Bench *self)
{
  for (guint i = 0; i < QUEUE; i++)
    {
      const gboolean done = hf_commit_state (self->queue[i]) == HF_COMMIT_DONE;

      tap_check_int (row, copies (self, i + 2, FALSE), done ? 1 : 0);
      if (done)
        tap_check_int (row, copies (self, i + 2, TRUE), 0);
    }
}

static void
stop_and_check (const gchar *row, Bench *self)
{
  tap_check (row, hf_writer_stop (self->writer, LONG_MS));
  self->writer = NULL;
  check_answers (row, self);
}

/* ---- P1 ---- */

static void
test_P1_each_group_waits_for_its_sync (void)
{
  Bench bench;

  bench_init (&bench, LONG_MS);
  hold_two (&bench);
  tap_check_int ("before the queue", hf_commit_state (bench.first), HF_COMMIT_DONE);
  tap_check_int ("none of the queue is decided", count (&bench, 0, QUEUE, HF_COMMIT_WAITING), QUEUE);
  check_whole ("none is shown", &bench, 1);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  faults_release ();
  wait_for (&bench, 0, TOGETHER);
  tap_check ("the second is synced next", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check_int ("the first is decided", count (&bench, 0, TOGETHER, HF_COMMIT_DONE), TOGETHER);
  tap_check_int ("the second is not", count (&bench, TOGETHER, QUEUE, HF_COMMIT_WAITING), TOGETHER);
  check_whole ("the first is shown", &bench, 1 + TOGETHER);
  faults_release ();
  wait_for (&bench, TOGETHER, QUEUE);
  tap_check_int ("all are decided", count (&bench, 0, QUEUE, HF_COMMIT_DONE), QUEUE);
  check_whole ("all are shown, in order", &bench, 1 + QUEUE);
  bench_clear ("clear", &bench);
}

#define CROWD 400

/* Over many segments: each is there, once, and all are chained. */
static void
test_P1_crowd (void)
{
  HfCommit *crowd[CROWD];
  guint done = 0, wrong = 0;
  Bench bench;

  bench_init (&bench, LONG_MS);
  for (guint i = 0; i < CROWD; i++)
    crowd[i] = submit (&bench, QUEUE + 2 + i);
  faults_reset ();
  for (guint i = 0; i < CROWD; i++)
    {
      done += hf_commit_wait (crowd[i], LONG_MS) == HF_COMMIT_DONE;
      hf_commit_unref (crowd[i]);
    }
  tap_check_int ("all stored", done, CROWD);
  tap_check ("over several segments", kit_events_count (HF_EVENT_SEGMENT_OPENED) > 3);
  stop_and_check ("crowd", &bench);
  for (guint i = 0; i < CROWD; i += 37)
    wrong += copies (&bench, QUEUE + 2 + i, FALSE) != 1;
  tap_check_int ("each found once", wrong, 0);
  bench_clear ("clear", &bench);
}

static void
test_P1_stop_finishes_both (void)
{
  Bench bench;

  bench_init (&bench, LONG_MS);
  hold_two (&bench);
  tap_check ("not before the disk", !hf_writer_stop (hf_writer_ref (bench.writer), 50));
  faults_reset ();
  stop_and_check ("stop", &bench);
  tap_check_int ("all are decided", count (&bench, 0, QUEUE, HF_COMMIT_DONE), QUEUE);
  check_whole ("all are there", &bench, 1 + QUEUE);
  bench_clear ("clear", &bench);
}

/* ---- P2, P6, P7: a failure ---- */

static gboolean
failure_is_told (gpointer data)
{
  return kit_events_count (HF_EVENT_SEGMENT_FAILED) > 0;
}

static void
check_told_once (const gchar *row)
{
  tap_check (row, kit_wait_until (failure_is_told, NULL));
  tap_check_int (row, kit_events_count (HF_EVENT_SEGMENT_FAILED), 1);
}

/* Nothing behind a group that failed counts, and what comes then is taken. */
static void
test_P2_P6_first_fails (void)
{
  g_autoptr (HfCommit) next = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  hold_two (&bench);
  faults_fail (FAULT_STAT, ".bsmtp", 1, EIO); /* the path check behind the sync */
  faults_release ();
  wait_for (&bench, 0, QUEUE);
  tap_check_int ("both", count (&bench, 0, QUEUE, HF_COMMIT_FAILED), QUEUE);
  tap_check_str ("the first", hf_error_step (bench.queue[0]->error), "path-check");
  tap_check_str ("the second", hf_error_step (bench.queue[QUEUE - 1]->error), "path-check");
  next = submit (&bench, 99);
  tap_check_int ("the next", hf_commit_wait (next, LONG_MS), HF_COMMIT_DONE);
  check_told_once ("told");
  stop_and_check ("stop", &bench);
  tap_check_int ("P7: kept, and marked", copies (&bench, 2, TRUE), 1);
  tap_check_int ("P7: kept, and marked", copies (&bench, QUEUE + 1, TRUE), 1);
  tap_check_int ("the next", copies (&bench, 99, FALSE), 1);
  bench_clear ("clear", &bench);
}

/* A step of either group fails, or a write lies: however far the other is by then,
 * every answer is true. */
static void
test_P1_P6_failures (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    guint nth;
    gboolean lies;
  } rows[] = {
    { "first sync", FAULT_FDATASYNC, 1, FALSE },
    { "second sync", FAULT_FDATASYNC, 2, FALSE },
    { "first write", FAULT_PWRITE, 1, FALSE },
    { "second write", FAULT_PWRITE, 2, FALSE },
    { "first read-back", FAULT_PREAD, 1, FALSE },
    { "second read-back", FAULT_PREAD, 2, FALSE },
    { "first write lies", FAULT_PWRITE, 1, TRUE },
    { "second write lies", FAULT_PWRITE, 2, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) next = NULL;
      Bench bench;

      bench_init (&bench, LONG_MS);
      if (rows[i].lies)
        faults_flip (rows[i].call, ".bsmtp", rows[i].nth);
      else
        faults_fail (rows[i].call, ".bsmtp", rows[i].nth, EIO);
      faults_release ();
      wait_for (&bench, 0, QUEUE);
      tap_check (rows[i].name, count (&bench, 0, QUEUE, HF_COMMIT_FAILED) > 0);
      tap_check_int (rows[i].name, count (&bench, 0, QUEUE, HF_COMMIT_WAITING), 0);
      next = submit (&bench, 99);
      tap_check_int (rows[i].name, hf_commit_wait (next, LONG_MS), HF_COMMIT_DONE);
      check_told_once (rows[i].name);
      stop_and_check (rows[i].name, &bench);
      bench_clear (rows[i].name, &bench);
    }
}

/* The second can't be written while the first is synced: the first is good. */
static void
test_P1_second_fails_alone (void)
{
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_fail (FAULT_PWRITE, ".bsmtp", 2, ENOSPC);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  faults_release ();
  tap_check ("the first is synced", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check ("the second is written", kit_wait_until (both_are_written, NULL));
  tap_check_int ("none is decided", count (&bench, 0, QUEUE, HF_COMMIT_WAITING), QUEUE);
  faults_release ();
  wait_for (&bench, 0, QUEUE);
  tap_check_int ("the first", count (&bench, 0, TOGETHER, HF_COMMIT_DONE), TOGETHER);
  tap_check_int ("the second", count (&bench, TOGETHER, QUEUE, HF_COMMIT_FAILED), TOGETHER);
  tap_check_str ("why", hf_error_step (bench.queue[QUEUE - 1]->error), "segment-write");
  stop_and_check ("stop", &bench);
  bench_clear ("clear", &bench);
}

/* What is read back of the first is wrong, and its sync went well. */
static void
test_P1_read_back_counts_behind_the_sync (void)
{
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_PREAD, ".bsmtp", 1);
  faults_fail (FAULT_FDATASYNC, ".bsmtp", NEVER, EIO); /* counts: the hanging one is past */
  faults_release ();
  tap_check ("it is being read back", faults_wait_hanging (FAULT_PREAD));
  g_usleep (100000); /* time enough for its sync */
  tap_check_int ("synced", faults_count (FAULT_FDATASYNC), 1);
  tap_check_int ("and not answered", count (&bench, 0, QUEUE, HF_COMMIT_WAITING), QUEUE);
  check_whole ("nor shown", &bench, 1);
  faults_release ();
  wait_for (&bench, 0, QUEUE);
  tap_check_int ("all are decided", count (&bench, 0, QUEUE, HF_COMMIT_DONE), QUEUE);
  stop_and_check ("stop", &bench);
  bench_clear ("clear", &bench);
}

/* It was synced, and came back wrong: nothing may be written behind it, because that
 * would tell of it as synced, and what is torn would be taken for damage for ever. */
static void
try_behind_what_comes_back_wrong (void)
{
  g_autofree gchar *view = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_PREAD, ".bsmtp", 1);
  faults_flip (FAULT_PWRITE, ".bsmtp", 1);
  faults_release ();
  tap_check ("it is being read back", faults_wait_hanging (FAULT_PREAD));
  g_usleep (20000); /* time enough for its sync */
  faults_release ();
  wait_for (&bench, 0, QUEUE);
  tap_check_int ("the first", count (&bench, 0, TOGETHER, HF_COMMIT_FAILED), TOGETHER);
  tap_check_int ("the second, in another segment", count (&bench, TOGETHER, QUEUE, HF_COMMIT_DONE), TOGETHER);
  tap_check_int ("nothing is damaged", kit_events_count (HF_EVENT_JOURNAL_DAMAGED), 0);
  stop_and_check ("stop", &bench);
  view = kit_view_text (bench.spool, HF_READ_VERIFY);
  tap_check_has ("torn", view, " torn");
  tap_check ("and not damaged", strstr (view, "damaged") == NULL);
  bench_clear ("clear", &bench);
}

/* Whether the writer could go on is left to chance, so it is tried again. */
static void
test_P1_nothing_behind_what_comes_back_wrong (void)
{
  for (guint i = 0; i < 12; i++)
    try_behind_what_comes_back_wrong ();
}

/* A file system may tell only here that it could not write. */
static void
test_P1_write_out_fails (void)
{
  static const struct
  {
    gint number;
    HfCommitState want;
  } rows[] = {
    { EIO, HF_COMMIT_FAILED },
    { ENOSPC, HF_COMMIT_FAILED },
    { ENOSYS, HF_COMMIT_DONE },
    { EPERM, HF_COMMIT_DONE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Bench bench;

      bench_init (&bench, LONG_MS);
      faults_fail (FAULT_WRITE_OUT, ".bsmtp", 1, rows[i].number);
      hold_two (&bench);
      faults_release ();
      wait_for (&bench, 0, QUEUE);
      tap_check_int (g_strerror (rows[i].number), faults_met (FAULT_WRITE_OUT), 1);
      tap_check_int (g_strerror (rows[i].number), count (&bench, 0, TOGETHER, HF_COMMIT_DONE), TOGETHER);
      tap_check_int (g_strerror (rows[i].number), count (&bench, TOGETHER, QUEUE, rows[i].want), TOGETHER);
      stop_and_check (g_strerror (rows[i].number), &bench);
      bench_clear (g_strerror (rows[i].number), &bench);
    }
}

/* Each sync fails, and mail is always waiting: as with few, tries grow rare. */
static void
test_P2_tries_grow_rare (void)
{
  const gint64 until_ms = hf_sys_monotonic_ms () + 3500;
  guint taken = 0;
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_fail_from (FAULT_FDATASYNC, ".bsmtp", 1, EIO);
  faults_release ();
  while (hf_sys_monotonic_ms () < until_ms)
    {
      HfCommit *crowd[QUEUE];

      for (guint i = 0; i < QUEUE; i++)
        crowd[i] = submit (&bench, 100 + i);
      for (guint i = 0; i < QUEUE; i++)
        {
          taken += hf_commit_wait (crowd[i], LONG_MS) == HF_COMMIT_DONE;
          hf_commit_unref (crowd[i]);
        }
      g_usleep (5000);
    }
  tap_check_int ("none is taken", taken, 0);
  tap_check ("four segments at most", kit_events_count (HF_EVENT_SEGMENT_OPENED) <= 4);
  bench_clear ("tries", &bench);
}

/* All that waited was given up, so writing proves nothing: the doubt stays. */
static gboolean
journal_is_looked_at (gpointer data)
{
  return faults_count (FAULT_FDATASYNC) > 0;
}

static void
test_P2_doubt_is_kept (void)
{
  Bench bench;

  bench_init (&bench, LONG_MS);
  for (guint i = 0; i < QUEUE; i++)
    tap_check_int ("given up", hf_commit_abandon (bench.queue[i]), HF_COMMIT_ABANDONED);
  faults_hang (FAULT_STAT, ".bsmtp", 1); /* the path check of message 1 */
  faults_release ();
  tap_check ("message 1 is being looked for", faults_wait_hanging (FAULT_STAT));
  hf_writer_doubt (bench.writer);
  faults_fail (FAULT_FDATASYNC, "/open", NEVER, EIO);
  faults_release ();
  tap_check ("looked at", kit_wait_until (journal_is_looked_at, NULL));
  bench_clear ("clear", &bench);
}

/* ---- P6: given up ---- */

static gboolean
both_are_marked (gpointer data)
{
  return copies (data, 2, TRUE) == 1 && copies (data, QUEUE + 1, TRUE) == 1;
}

static void
test_P6_given_up_is_marked_void (void)
{
  Bench bench;

  bench_init (&bench, LONG_MS);
  hold_two (&bench);
  tap_check_int ("in the sync", hf_commit_abandon (bench.queue[0]), HF_COMMIT_ABANDONED);
  tap_check_int ("behind it", hf_commit_abandon (bench.queue[QUEUE - 1]), HF_COMMIT_ABANDONED);
  faults_release ();
  wait_for (&bench, 1, QUEUE - 1);
  tap_check ("marked", kit_wait_until (both_are_marked, &bench));
  tap_check_int ("all others", count (&bench, 0, QUEUE, HF_COMMIT_DONE), QUEUE - 2);
  bench_clear ("clear", &bench);
}

/* Two groups are all that is under way: what is given up behind them was never begun. */
static void
test_P6_given_up_in_the_queue (void)
{
  HfCommit *more[QUEUE];
  Bench bench;

  bench_init (&bench, LONG_MS);
  hold_two (&bench);
  for (guint i = 0; i < QUEUE; i++)
    more[i] = submit (&bench, QUEUE + 2 + i);
  g_usleep (1200000); /* longer than the writer waits for work */
  for (guint i = 0; i < QUEUE; i++)
    tap_check_int ("given up", hf_commit_abandon (more[i]), HF_COMMIT_ABANDONED);
  faults_release ();
  wait_for (&bench, 0, QUEUE);
  stop_and_check ("stop", &bench);
  check_whole ("nothing of them", &bench, 1 + QUEUE);
  for (guint i = 0; i < QUEUE; i++)
    hf_commit_unref (more[i]);
  bench_clear ("clear", &bench);
}

#define TWO_SEGMENTS 60

/* The next segment has to wait for the sync of what stands at this one's end; which
 * one that is, is tried out. */
static void
test_P6_given_up_at_the_change_of_segment (void)
{
  for (guint nth = 1, segments = 1; segments == 1; nth++)
    {
      HfCommit *more[TWO_SEGMENTS];
      g_autofree gchar *view = NULL;
      Bench bench;

      bench_init (&bench, LONG_MS);
      for (guint i = 0; i < TWO_SEGMENTS; i++)
        more[i] = submit (&bench, QUEUE + 2 + i);
      faults_hang (FAULT_FDATASYNC, ".bsmtp", nth);
      faults_release ();
      tap_check ("a sync hangs", faults_wait_hanging (FAULT_FDATASYNC));
      g_usleep (100000); /* time enough to write what can be written */
      segments = kit_events_count (HF_EVENT_SEGMENT_OPENED);
      for (guint i = 0; i < QUEUE; i++)
        hf_commit_abandon (bench.queue[i]);
      for (guint i = 0; i < TWO_SEGMENTS; i++)
        hf_commit_abandon (more[i]);
      faults_reset ();
      stop_and_check ("stop", &bench);
      view = kit_view_text (bench.spool, HF_READ_VERIFY);
      if (segments == 1)
        tap_check ("the next segment has none", strstr (view, ", 2:") == NULL);
      else
        tap_check ("the last of the first segment was among them", nth > 2);
      for (guint i = 0; i < TWO_SEGMENTS; i++)
        hf_commit_unref (more[i]);
      bench_clear ("clear", &bench);
    }
}

/* ---- lateness ---- */

static gboolean
mail_is_refused (gpointer data)
{
  return !hf_writer_check (data, NULL);
}

static void
test_P2_overdue (void)
{
  g_autoptr (GError) error = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  hold_two (&bench);
  hf_writer_set_overdue (bench.writer, 30);
  tap_check ("MAIL is refused", kit_wait_until (mail_is_refused, bench.writer));
  hf_writer_check (bench.writer, &error);
  tap_check ("as late", g_error_matches (error, HF_ERROR, HF_ERROR_LATE));
  tap_check ("latency", hf_writer_latency_ms (bench.writer) >= 30);
  hf_writer_set_overdue (bench.writer, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  faults_release ();
  tap_check ("the second is synced", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check ("remembered", hf_writer_latency_ms (bench.writer) >= 30);
  faults_release ();
  wait_for (&bench, 0, QUEUE);
  bench_clear ("clear", &bench);
}

/* A disk that takes some time for each of two is not late for the sum. */
static void
test_two_are_not_late_together (void)
{
  Bench bench;

  bench_init (&bench, LONG_MS);
  hold_two (&bench);
  g_usleep (600000);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  faults_release ();
  tap_check ("the second is synced", faults_wait_hanging (FAULT_FDATASYNC));
  hf_writer_set_overdue (bench.writer, 500);
  tap_check ("MAIL is taken", hf_writer_check (bench.writer, NULL));
  faults_release ();
  wait_for (&bench, 0, QUEUE);
  bench_clear ("clear", &bench);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "P1-each-group-waits-for-its-sync", test_P1_each_group_waits_for_its_sync },
    { "P1-crowd", test_P1_crowd },
    { "P1-stop-finishes-both", test_P1_stop_finishes_both },
    { "P2-P6-first-fails", test_P2_P6_first_fails },
    { "P1-P6-failures", test_P1_P6_failures },
    { "P1-second-fails-alone", test_P1_second_fails_alone },
    { "P1-read-back-counts-behind-the-sync", test_P1_read_back_counts_behind_the_sync },
    { "P1-nothing-behind-what-comes-back-wrong", test_P1_nothing_behind_what_comes_back_wrong },
    { "P1-write-out-fails", test_P1_write_out_fails },
    { "P2-tries-grow-rare", test_P2_tries_grow_rare },
    { "P2-doubt-is-kept", test_P2_doubt_is_kept },
    { "P6-given-up-is-marked-void", test_P6_given_up_is_marked_void },
    { "P6-given-up-in-the-queue", test_P6_given_up_in_the_queue },
    { "P6-given-up-at-the-change-of-segment", test_P6_given_up_at_the_change_of_segment },
    { "P2-overdue", test_P2_overdue },
    { "two-are-not-late-together", test_two_are_not_late_together },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("writer-overlap", tests, argc, argv);
}
