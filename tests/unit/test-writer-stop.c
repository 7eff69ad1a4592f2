/* test-writer-stop.c - a stop finishes what it can, says what it can't, and leaves nobody waiting */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/writer.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define MESSAGE "Subject: x\r\n\r\ntext\r\n"
#define LONG_MS 20000

static HfWriter *
start (gchar **out_spool)
{
  HfJournalParameters parameters;
  HfWriter *writer;

  kit_events_keep ();
  *out_spool = kit_spool_new ();
  parameters = kit_parameters (*out_spool);
  writer = hf_writer_start (&parameters, LONG_MS, NULL);
  g_assert_nonnull (writer);
  return writer;
}

static void
finish (const gchar *row, gchar *spool)
{
  faults_reset ();
  tap_check (row, kit_wait_let_go (spool));
  kit_spool_free (spool);
}

static HfCommit *
submit (HfWriter *writer, guint number)
{
  HfCommit *commit = kit_commit_new (number, MESSAGE, -1);

  hf_writer_submit (writer, commit);
  return commit;
}

static void
check_view (const gchar *row, const gchar *spool, const gchar *want)
{
  g_autofree gchar *got = kit_view_text (spool, HF_READ_VERIFY);

  tap_check_str (row, got, want);
}

/* What is queued at the stop is stored; the segment is closed in order. */
static void
test_queue_is_finished (void)
{
  HfCommit *commits[5];
  gchar *spool;
  HfWriter *writer = start (&spool);

  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  commits[0] = submit (writer, 1);
  tap_check ("busy", faults_wait_hanging (FAULT_FDATASYNC));
  for (guint i = 1; i < G_N_ELEMENTS (commits); i++)
    commits[i] = submit (writer, i + 1);
  hf_writer_ref (writer);
  tap_check ("not in no time", !hf_writer_stop (writer, 20));
  faults_release ();
  for (guint i = 0; i < G_N_ELEMENTS (commits); i++)
    {
      tap_check_int ("stored", hf_commit_wait (commits[i], LONG_MS), HF_COMMIT_DONE);
      hf_commit_unref (commits[i]);
    }
  tap_check ("in the end", hf_writer_stop (writer, LONG_MS));
  check_view ("all there", spool, "1:1 whole, 1:2 whole, 1:3 whole, 1:4 whole, 1:5 whole");
  tap_check_int ("closed", kit_events_count (HF_EVENT_SEGMENT_CLOSED), 1);
  finish ("queue", spool);
}

/* A callback that comes too late is told so at once, and not left to its limit. */
static void
test_P2_submit_after_the_stop (void)
{
  g_autoptr (HfCommit) commit = NULL;
  gchar *spool;
  HfWriter *writer = start (&spool);

  hf_writer_ref (writer);
  tap_check ("stopped", hf_writer_stop (writer, LONG_MS));
  commit = submit (writer, 1);
  tap_check_int ("decided at once", hf_commit_state (commit), HF_COMMIT_FAILED);
  tap_check ("not ready", g_error_matches (commit->error, HF_ERROR, HF_ERROR_BUSY));
  tap_check_str ("why", hf_error_step (commit->error), "draining");
  hf_writer_unref (writer);
  check_view ("nothing stored", spool, "");
  finish ("late", spool);
}

/* Senders that go on while the writer stops: each is answered, and what was
 * answered with yes is there. */
typedef struct
{
  HfWriter *writer;
  guint first;
  guint stored;
  guint failed;
  guint waiting;
} Sender;

static gpointer
send_until_refused (gpointer data)
{
  Sender *self = data;

  for (guint i = 0; self->failed == 0 && self->waiting == 0; i++)
    {
      g_autoptr (HfCommit) commit = submit (self->writer, self->first + i);

      switch (hf_commit_wait (commit, LONG_MS))
        {
        case HF_COMMIT_DONE:
          self->stored++;
          break;
        case HF_COMMIT_FAILED:
          self->failed++;
          break;
        default:
          self->waiting++;
        }
    }
  return NULL;
}

static void
test_P1_race_with_the_stop (void)
{
  for (guint round = 0; round < 10; round++)
    {
      Sender senders[4];
      pthread_t threads[4];
      g_autoptr (HfView) view = NULL;
      HfViewEntry entry;
      gboolean end = FALSE;
      guint found = 0, stored = 0;
      gchar *spool;
      HfWriter *writer = start (&spool);

      for (guint i = 0; i < 4; i++)
        {
          senders[i] = (Sender){ hf_writer_ref (writer), (i + 1) * 100000, 0, 0, 0 };
          g_assert_true (pthread_create (&threads[i], NULL, send_until_refused, &senders[i]) == 0);
        }
      g_usleep (round * 2000);
      tap_check ("stopped", hf_writer_stop (writer, LONG_MS));
      for (guint i = 0; i < 4; i++)
        {
          pthread_join (threads[i], NULL);
          hf_writer_unref (senders[i].writer);
          stored += senders[i].stored;
          tap_check_int ("nobody is left waiting", senders[i].waiting, 0);
        }
      view = hf_view_open (spool, HF_READ_VERIFY, NULL);
      while (hf_view_next (view, &entry, &end, NULL) && !end)
        found += entry.copy == HF_COPY_WHOLE && entry.mark == NULL;
      tap_check_int ("all that were told yes are there", found, stored);
      g_clear_pointer (&view, hf_view_free);
      finish ("race", spool);
    }
}

/* The stop comes right after a failure: the marks are written all the same. */
static void
test_P6_marks_are_written_at_the_stop (void)
{
  g_autoptr (HfCommit) first = NULL, second = NULL;
  gchar *spool;
  HfWriter *writer = start (&spool);

  first = submit (writer, 1);
  tap_check_int ("stored", hf_commit_wait (first, LONG_MS), HF_COMMIT_DONE);
  faults_fail (FAULT_FDATASYNC, ".bsmtp", 1, EIO);
  second = submit (writer, 2);
  tap_check_int ("failed", hf_commit_wait (second, LONG_MS), HF_COMMIT_FAILED);
  tap_check ("stopped", hf_writer_stop (writer, LONG_MS));
  check_view ("marked", spool, "1:1 whole, 1:2 whole void");
  tap_check_int ("none left", kit_events_count (HF_EVENT_VOID_UNMARKED), 0);
  finish ("marks", spool);
}

/* Where they can't be written, that is told, with the first one's id. */
static void
test_P2_P6_marks_that_cannot_be_written (void)
{
  g_autoptr (HfCommit) first = NULL, second = NULL;
  g_autofree gchar *line = NULL;
  gchar *spool;
  HfWriter *writer = start (&spool);

  first = submit (writer, 1);
  tap_check_int ("stored", hf_commit_wait (first, LONG_MS), HF_COMMIT_DONE);
  faults_fail_from (FAULT_FDATASYNC, NULL, 1, EIO);
  second = submit (writer, 2);
  tap_check_int ("failed", hf_commit_wait (second, LONG_MS), HF_COMMIT_FAILED);
  tap_check ("stopped", hf_writer_stop (writer, LONG_MS));
  line = kit_events_line (HF_EVENT_VOID_UNMARKED);
  tap_check_has ("told", line, "count=1");
  tap_check_has ("told", line, second->facts.id.text);
  faults_reset ();
  check_view ("P7: kept", spool, "1:1 whole, 1:2 whole");
  finish ("no marks", spool);
}

/* The disk never comes back: the stop says so in time, and what still waits is
 * freed when the writer's last call returns. */
static void
test_stop_while_it_hangs (void)
{
  g_autoptr (HfCommit) stuck = NULL, queued = NULL;
  gint64 start_ms;
  gchar *spool;
  HfWriter *writer = start (&spool);

  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  stuck = submit (writer, 1);
  tap_check ("in the sync", faults_wait_hanging (FAULT_FDATASYNC));
  queued = submit (writer, 2);
  start_ms = hf_sys_monotonic_ms ();
  tap_check ("not stopped", !hf_writer_stop (writer, 50));
  tap_check ("in time", hf_sys_monotonic_ms () - start_ms < LONG_MS / 2);
  tap_check_int ("not answered", hf_commit_state (stuck), HF_COMMIT_WAITING);
  tap_check_int ("given up", hf_commit_abandon (queued), HF_COMMIT_ABANDONED);
  faults_release ();
  tap_check_int ("answered", hf_commit_wait (stuck, LONG_MS), HF_COMMIT_DONE);
  finish ("hangs", spool);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "queue-is-finished", test_queue_is_finished },
    { "P2-submit-after-the-stop", test_P2_submit_after_the_stop },
    { "P1-race-with-the-stop", test_P1_race_with_the_stop },
    { "P6-marks-are-written-at-the-stop", test_P6_marks_are_written_at_the_stop },
    { "P2-P6-marks-that-cannot-be-written", test_P2_P6_marks_that_cannot_be_written },
    { "stop-while-it-hangs", test_stop_while_it_hangs },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("writer-stop", tests, argc, argv);
}
