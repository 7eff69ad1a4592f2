/* test-writer.c - the promises, where they are kept: between the callbacks and the disk
 *
 * See also test-writer-stop.c.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/writer.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE "Subject: x\r\n\r\n.text\r\n"
#define LONG_MS 20000

typedef struct
{
  gchar *spool;
  HfWriter *writer;
} Bench;

static void
bench_init (Bench *self, gint64 overdue_ms)
{
  HfJournalParameters parameters;

  kit_events_keep ();
  self->spool = kit_spool_new ();
  parameters = kit_parameters (self->spool);
  self->writer = hf_writer_start (&parameters, overdue_ms, NULL);
  g_assert_nonnull (self->writer);
}

static void
bench_stop (const gchar *row, Bench *self)
{
  faults_reset ();
  tap_check (row, hf_writer_stop (self->writer, LONG_MS));
  self->writer = NULL;
}

static void
bench_clear (const gchar *row, Bench *self)
{
  if (self->writer != NULL)
    bench_stop (row, self);
  tap_check (row, kit_wait_let_go (self->spool));
  kit_spool_free (self->spool);
}

static HfCommit *
submit (Bench *self, guint number)
{
  HfCommit *commit = kit_commit_new (number, MESSAGE, -1);

  hf_writer_submit (self->writer, commit);
  return commit;
}

/* Submits message @number and waits for its decision. */
static HfCommitState
store (Bench *self, guint number)
{
  g_autoptr (HfCommit) commit = submit (self, number);

  return hf_commit_wait (commit, LONG_MS);
}

static void
check_view (const gchar *row, const Bench *self, const gchar *want)
{
  g_autofree gchar *got = kit_view_text (self->spool, HF_READ_VERIFY);

  tap_check_str (row, got, want);
}

/* The view shows what is wanted, at the latest after a while: void marks are
 * not waited for by anybody. */
typedef struct
{
  const Bench *bench;
  const gchar *want;
} Wanted;

static gboolean
view_shows (gpointer data)
{
  const Wanted *wanted = data;
  g_autofree gchar *got = kit_view_text (wanted->bench->spool, HF_READ_VERIFY);

  return strcmp (got, wanted->want) == 0;
}

static void
wait_for_view (const gchar *row, const Bench *self, const gchar *want)
{
  Wanted wanted = { self, want };

  if (!kit_wait_until (view_shows, &wanted))
    check_view (row, self, want);
}

/* ---- P1: hold before 250 ---- */

static void
test_P1_done_is_found (void)
{
  g_autoptr (GString) want = g_string_new (NULL);
  Bench bench;

  bench_init (&bench, LONG_MS);
  for (guint i = 1; i <= 5; i++)
    {
      g_string_append_printf (want, "%s1:%u whole", i > 1 ? ", " : "", i);
      tap_check_int ("stored", store (&bench, i), HF_COMMIT_DONE);
      check_view ("found at once", &bench, want->str);
    }
  bench_stop ("stop", &bench);
  check_view ("found after a stop", &bench, want->str);
  bench_clear ("clear", &bench);
}

/* No decision, and nothing shown to readers, before the sync has returned. */
static void
test_P1_nothing_counts_before_the_sync (void)
{
  g_autoptr (HfCommit) commit = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  commit = submit (&bench, 1);
  tap_check ("in the sync", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check_int ("not decided", hf_commit_wait (commit, 20), HF_COMMIT_WAITING);
  check_view ("not shown", &bench, "");
  faults_release ();
  tap_check_int ("decided", hf_commit_wait (commit, LONG_MS), HF_COMMIT_DONE);
  check_view ("shown", &bench, "1:1 whole");
  bench_clear ("clear", &bench);
}

#define CROWD 8
#define EACH 25

typedef struct
{
  Bench *bench;
  guint first;
  guint done;
} Sender;

static gpointer
send_many (gpointer data)
{
  Sender *self = data;

  for (guint i = 0; i < EACH; i++)
    self->done += store (self->bench, self->first + i) == HF_COMMIT_DONE;
  return NULL;
}

/* Many at once, over many segments: each is there, once, and all are chained. */
static void
test_P1_crowd (void)
{
  g_autoptr (HfView) view = NULL;
  gboolean seen[CROWD * EACH + 1] = { FALSE };
  pthread_t threads[CROWD];
  Sender senders[CROWD];
  HfViewEntry entry;
  gboolean end = FALSE;
  guint found = 0, segments = 0, done = 0;
  Bench bench;

  bench_init (&bench, LONG_MS);
  for (guint i = 0; i < CROWD; i++)
    {
      senders[i] = (Sender){ &bench, i * EACH + 1, 0 };
      g_assert_true (pthread_create (&threads[i], NULL, send_many, &senders[i]) == 0);
    }
  for (guint i = 0; i < CROWD; i++)
    {
      pthread_join (threads[i], NULL);
      done += senders[i].done;
    }
  tap_check_int ("all stored", done, CROWD * EACH);
  bench_stop ("stop", &bench);
  view = hf_view_open (bench.spool, HF_READ_VERIFY, NULL);
  while (hf_view_next (view, &entry, &end, NULL) && !end)
    {
      const guint number = kit_number (&entry.item->facts.id);

      if (entry.copy != HF_COPY_WHOLE || entry.chain_broken || entry.mark != NULL || number == 0 || seen[number])
        tap_check_int ("wrong entry", number, -1);
      seen[number] = TRUE;
      found++;
    }
  segments = hf_view_segments (view);
  tap_check_int ("each found once", found, CROWD * EACH);
  tap_check ("over several segments", segments > 1);
  g_clear_pointer (&view, hf_view_free);
  bench_clear ("clear", &bench);
}

/* A large record, one larger than a segment, and small ones beside them. */
static void
test_P1_large_and_small (void)
{
  static const gsize sizes[] = { 100, 70000, 30, 1200000, 5000, 60000, 20 };
  g_autofree gchar *octets = g_strnfill (1200000, 'x');
  HfCommit *commits[G_N_ELEMENTS (sizes)];
  g_autoptr (GHashTable) found = g_hash_table_new (NULL, NULL);
  g_autoptr (HfView) view = NULL;
  HfViewEntry entry;
  gboolean end = FALSE;
  Bench bench;

  bench_init (&bench, LONG_MS);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      commits[i] = kit_commit_new (i + 1, octets, (gssize) sizes[i]);
      hf_writer_submit (bench.writer, commits[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      tap_check_int ("stored", hf_commit_wait (commits[i], LONG_MS), HF_COMMIT_DONE);
      hf_commit_unref (commits[i]);
    }
  view = hf_view_open (bench.spool, HF_READ_VERIFY, NULL);
  while (hf_view_next (view, &entry, &end, NULL) && !end)
    {
      const guint number = kit_number (&entry.item->facts.id);

      tap_check ("whole and chained", entry.copy == HF_COPY_WHOLE && !entry.chain_broken);
      tap_check_int ("octets", entry.item->facts.bytes, number > 0 ? sizes[number - 1] : 0);
      g_hash_table_add (found, GUINT_TO_POINTER (number));
    }
  tap_check_int ("all found", g_hash_table_size (found), G_N_ELEMENTS (sizes));
  g_clear_pointer (&view, hf_view_free);
  bench_clear ("clear", &bench);
}

/* ---- P2, P6, P7: a failure ---- */

static void
move_away (const gchar *spool)
{
  g_autofree gchar *dir = kit_path (spool, NULL), *away = g_build_filename (spool, "away", NULL);

  g_assert_true (rename (dir, away) == 0);
}

static void
move_back (const gchar *spool)
{
  g_autofree gchar *dir = kit_path (spool, NULL), *away = g_build_filename (spool, "away", NULL);

  g_assert_true (rename (away, dir) == 0);
}

/* Each failure tells the callback which step and errno it was; the copy stays
 * and is marked void; and the next message is taken. */
static void
test_P2_P6_P7_failures (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
    HfErrorCode want;
    const gchar *want_step;
    const gchar *want_view; /* with message 2 failed between 1 and 3 */
  } rows[] = {
    { "write", FAULT_PWRITE, EIO, HF_ERROR_IO, "segment-write", "1:1 whole, 2:3 whole" },
    { "no room", FAULT_PWRITE, ENOSPC, HF_ERROR_FULL, "segment-write", "1:1 whole, 2:3 whole" },
    { "read-back", FAULT_PREAD, EIO, HF_ERROR_IO, "journal-read", "1:1 whole, 1:2 whole void, 2:3 whole" },
    { "sync", FAULT_FDATASYNC, EIO, HF_ERROR_IO, "segment-sync", "1:1 whole, 1:2 whole void, 2:3 whole" },
    { "path check", FAULT_STAT, EACCES, HF_ERROR_DENIED, "path-check", "1:1 whole, 1:2 whole void, 2:3 whole" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = NULL;
      g_autofree gchar *line = NULL;
      Bench bench;

      bench_init (&bench, LONG_MS);
      tap_check_int (rows[i].name, store (&bench, 1), HF_COMMIT_DONE);
      faults_fail (rows[i].call, ".bsmtp", 1, rows[i].number);
      commit = submit (&bench, 2);
      tap_check_int (rows[i].name, hf_commit_wait (commit, LONG_MS), HF_COMMIT_FAILED);
      tap_check_int (rows[i].name, commit->error->code, rows[i].want);
      tap_check_str (rows[i].name, hf_error_step (commit->error), rows[i].want_step);
      tap_check_int (rows[i].name, hf_error_errno (commit->error), rows[i].number);
      line = kit_events_line (HF_EVENT_SEGMENT_FAILED);
      tap_check_has (rows[i].name, line, rows[i].want_step);
      tap_check_int (rows[i].name, store (&bench, 3), HF_COMMIT_DONE);
      wait_for_view (rows[i].name, &bench, rows[i].want_view);
      bench_clear (rows[i].name, &bench);
    }
}

static gboolean
mail_is_taken (gpointer data)
{
  return hf_writer_check (data, NULL);
}

/* A journal that opens, and then takes nothing, is tried ever more seldom: each try
 * costs a segment, and only a void mark waits. */
static void
test_P2_tries_grow_rare (void)
{
  g_autoptr (HfCommit) commit = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_fail_from (FAULT_FDATASYNC, ".bsmtp", 1, EIO);
  commit = submit (&bench, 1);
  tap_check_int ("failed", hf_commit_wait (commit, LONG_MS), HF_COMMIT_FAILED);
  g_usleep (5 * G_USEC_PER_SEC);
  tap_check ("three segments at most", kit_events_count (HF_EVENT_SEGMENT_OPENED) <= 3);
  faults_reset ();
  tap_check ("and comes back by itself", kit_wait_until (mail_is_taken, bench.writer));
  tap_check_int ("takes mail", store (&bench, 2), HF_COMMIT_DONE);
  bench_clear ("tries", &bench);
}

/* One message that can't be had from its stage takes no other with it. */
static void
test_P2_bad_stage (void)
{
  g_autoptr (HfCommit) bad = kit_commit_new (2, MESSAGE, -1);
  g_autoptr (HfCommit) first = NULL;
  Bench bench;

  g_assert_true (ftruncate (bad->fd, 10) == 0);
  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  first = submit (&bench, 1);
  tap_check ("busy", faults_wait_hanging (FAULT_FDATASYNC));
  hf_writer_submit (bench.writer, bad);
  {
    g_autoptr (HfCommit) third = submit (&bench, 3);

    faults_release ();
    tap_check_int ("beside it", hf_commit_wait (third, LONG_MS), HF_COMMIT_DONE);
  }
  tap_check_int ("bad", hf_commit_wait (bad, LONG_MS), HF_COMMIT_FAILED);
  tap_check_str ("bad", hf_error_step (bad->error), "stage-read");
  check_view ("two stored, nothing to mark", &bench, "1:1 whole, 1:3 whole");
  bench_clear ("clear", &bench);
}

/* ---- P6: what was tempfailed is void ---- */

static void
test_P6_abandoned_commit_is_marked_void (void)
{
  g_autoptr (HfCommit) commit = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  commit = submit (&bench, 1);
  tap_check ("in the sync", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check_int ("given up", hf_commit_abandon (commit), HF_COMMIT_ABANDONED);
  faults_release ();
  wait_for_view ("marked", &bench, "1:1 whole void");
  tap_check_int ("never decided", hf_commit_state (commit), HF_COMMIT_ABANDONED);
  bench_clear ("clear", &bench);
}

/* The sync that was given up on then fails: still marked, in the next segment. */
static void
test_P6_abandoned_and_failed (void)
{
  g_autoptr (HfCommit) commit = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  commit = submit (&bench, 1);
  tap_check ("in the sync", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check_int ("given up", hf_commit_abandon (commit), HF_COMMIT_ABANDONED);
  faults_fail (FAULT_STAT, ".bsmtp", 1, EIO); /* the path check behind the sync */
  faults_release ();
  wait_for_view ("marked", &bench, "1:1 whole void");
  tap_check_int ("the segment failed", kit_events_count (HF_EVENT_SEGMENT_FAILED), 1);
  bench_clear ("clear", &bench);
}

/* What was given up before the writer began leaves nothing at all. */
static void
test_P6_abandoned_in_the_queue (void)
{
  g_autoptr (HfCommit) first = NULL, small = NULL, large = NULL;
  g_autofree gchar *octets = g_strnfill (1200000, 'x');
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  first = submit (&bench, 1);
  tap_check ("busy", faults_wait_hanging (FAULT_FDATASYNC));
  small = submit (&bench, 2);
  large = kit_commit_new (3, octets, 1200000);
  hf_writer_submit (bench.writer, large);
  tap_check_int ("given up", hf_commit_abandon (small), HF_COMMIT_ABANDONED);
  tap_check_int ("given up", hf_commit_abandon (large), HF_COMMIT_ABANDONED);
  faults_release ();
  tap_check_int ("stored", hf_commit_wait (first, LONG_MS), HF_COMMIT_DONE);
  tap_check_int ("and the next", store (&bench, 4), HF_COMMIT_DONE);
  check_view ("nothing of what was given up", &bench, "1:1 whole, 1:4 whole");
  bench_clear ("clear", &bench);
}

/* The journal goes away before the marks are written: they wait for it. */
static void
test_P6_marks_wait_for_the_journal (void)
{
  g_autoptr (HfCommit) commit = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  commit = submit (&bench, 1);
  tap_check ("in the sync", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check_int ("given up", hf_commit_abandon (commit), HF_COMMIT_ABANDONED);
  move_away (bench.spool);
  faults_release ();
  tap_check_int ("away", store (&bench, 2), HF_COMMIT_FAILED);
  move_back (bench.spool);
  wait_for_view ("marked when it is back", &bench, "1:1 whole void");
  bench_clear ("clear", &bench);
}

/* ---- the journal goes away and comes back: KB Q146950 ---- */

static gboolean
mail_is_refused (gpointer data)
{
  return !hf_writer_check (data, NULL);
}

static void
test_P1_directory_away_and_back (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfCommit) commit = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  tap_check_int ("before", store (&bench, 1), HF_COMMIT_DONE);
  move_away (bench.spool);
  commit = submit (&bench, 2);
  tap_check_int ("no yes while it is away", hf_commit_wait (commit, LONG_MS), HF_COMMIT_FAILED);
  tap_check ("MAIL is refused", kit_wait_until (mail_is_refused, bench.writer));
  hf_writer_check (bench.writer, &error);
  tap_check ("as not ready", g_error_matches (error, HF_ERROR, HF_ERROR_BUSY));
  tap_check_int ("and why", hf_error_errno (error), ENOENT);
  tap_check ("nothing is held", kit_wait_let_go (bench.spool));
  tap_check_int ("still none", store (&bench, 3), HF_COMMIT_FAILED);
  move_back (bench.spool);
  tap_check ("MAIL is taken again", kit_wait_until (mail_is_taken, bench.writer));
  tap_check_int ("after", store (&bench, 4), HF_COMMIT_DONE);
  tap_check_int ("told once", kit_events_count (HF_EVENT_JOURNAL_AWAY), 1);
  tap_check_int ("told once", kit_events_count (HF_EVENT_JOURNAL_BACK), 1);
  bench_clear ("clear", &bench);
}

/* An empty directory in the old one's place: numbers go on, none comes twice. */
static void
test_P1_directory_made_anew (void)
{
  g_autofree gchar *dir = NULL;
  Bench bench;

  bench_init (&bench, LONG_MS);
  dir = kit_path (bench.spool, NULL);
  tap_check_int ("before", store (&bench, 1), HF_COMMIT_DONE);
  move_away (bench.spool);
  g_assert_true (mkdir (dir, 0700) == 0);
  tap_check_int ("noticed", store (&bench, 2), HF_COMMIT_FAILED);
  tap_check_int ("after", store (&bench, 3), HF_COMMIT_DONE);
  check_view ("another number", &bench, "2:3 whole");
  bench_clear ("clear", &bench);
}

/* ---- lateness ---- */

static void
test_P2_overdue (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfCommit) commit = NULL;
  Bench bench;

  bench_init (&bench, 30);
  tap_check ("idle", hf_writer_check (bench.writer, NULL));
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  commit = submit (&bench, 1);
  tap_check ("in the sync", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check ("MAIL is refused", kit_wait_until (mail_is_refused, bench.writer));
  hf_writer_check (bench.writer, &error);
  tap_check ("as late", g_error_matches (error, HF_ERROR, HF_ERROR_LATE));
  tap_check ("latency", hf_writer_latency_ms (bench.writer) >= 30);
  hf_writer_set_overdue (bench.writer, LONG_MS);
  tap_check ("another limit", hf_writer_check (bench.writer, NULL));
  hf_writer_set_overdue (bench.writer, 30);
  faults_release ();
  tap_check_int ("stored", hf_commit_wait (commit, LONG_MS), HF_COMMIT_DONE);
  tap_check ("MAIL is taken again", kit_wait_until (mail_is_taken, bench.writer));
  tap_check ("remembered", hf_writer_latency_ms (bench.writer) >= 30);
  bench_clear ("clear", &bench);
}

/* The stage of a message that was given up is closed by the writer, which may
 * take as long as the disk takes: callbacks must not wait for that. */
static void
test_closing_holds_nobody_up (void)
{
  g_autoptr (HfCommit) first = NULL;
  Bench bench;
  gint64 start_ms;

  bench_init (&bench, LONG_MS);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  first = submit (&bench, 1);
  tap_check ("busy", faults_wait_hanging (FAULT_FDATASYNC));
  {
    g_autoptr (HfCommit) second = submit (&bench, 2);

    tap_check_int ("given up", hf_commit_abandon (second), HF_COMMIT_ABANDONED);
  }
  faults_hang (FAULT_CLOSE, "kit-stage", 2); /* the first is that of message 1 */
  g_clear_pointer (&first, hf_commit_unref);
  /* release lets both go on, and the close hangs anew only for the second */
  faults_release ();
  tap_check ("the writer hangs in close", faults_wait_hanging (FAULT_CLOSE));
  start_ms = hf_sys_monotonic_ms ();
  hf_writer_check (bench.writer, NULL);
  hf_writer_latency_ms (bench.writer);
  first = submit (&bench, 3);
  tap_check ("at once", hf_sys_monotonic_ms () - start_ms < LONG_MS / 2);
  faults_reset ();
  tap_check_int ("stored", hf_commit_wait (first, LONG_MS), HF_COMMIT_DONE);
  bench_clear ("clear", &bench);
}

/* ---- a start that fails ---- */

static void
test_start_refused (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *absent = g_build_filename (spool, "absent", NULL);
  HfJournalParameters parameters = kit_parameters (absent);
  g_autoptr (GError) error = NULL;
  Bench bench;

  kit_events_keep ();
  tap_check ("no directory", hf_writer_start (&parameters, LONG_MS, &error) == NULL);
  tap_check ("no directory", g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND));
  g_clear_error (&error);
  bench_init (&bench, LONG_MS);
  parameters = kit_parameters (bench.spool);
  tap_check ("another filter", hf_writer_start (&parameters, LONG_MS, &error) == NULL);
  tap_check ("another filter", g_error_matches (error, HF_ERROR, HF_ERROR_BUSY));
  bench_clear ("clear", &bench);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "P1-done-is-found", test_P1_done_is_found },
    { "P1-nothing-counts-before-the-sync", test_P1_nothing_counts_before_the_sync },
    { "P1-crowd", test_P1_crowd },
    { "P1-large-and-small", test_P1_large_and_small },
    { "P2-P6-P7-failures", test_P2_P6_P7_failures },
    { "P2-tries-grow-rare", test_P2_tries_grow_rare },
    { "P2-bad-stage", test_P2_bad_stage },
    { "P6-abandoned-commit-is-marked-void", test_P6_abandoned_commit_is_marked_void },
    { "P6-abandoned-and-failed", test_P6_abandoned_and_failed },
    { "P6-abandoned-in-the-queue", test_P6_abandoned_in_the_queue },
    { "P6-marks-wait-for-the-journal", test_P6_marks_wait_for_the_journal },
    { "P1-directory-away-and-back", test_P1_directory_away_and_back },
    { "P1-directory-made-anew", test_P1_directory_made_anew },
    { "P2-overdue", test_P2_overdue },
    { "closing-holds-nobody-up", test_closing_holds_nobody_up },
    { "start-refused", test_start_refused },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("writer", tests, argc, argv);
}
