/* test-filter.c - a spool that can't be trusted stops the start, and a stop loses nobody's mail */
#include <config.h>

#include "milter/base/config.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/filter/filter.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_MS 20000

typedef struct
{
  gchar *spool;
  HfConfig *config;
  HfFilter filter;
} Bench;

static void
bench_init (Bench *self)
{
  kit_events_keep ();
  memset (self, 0, sizeof *self);
  self->spool = kit_spool_new ();
  self->config = hf_config_new_default ();
  g_free (self->config->spool_directory);
  self->config->spool_directory = g_strdup (self->spool);
  self->config->journal_segment_size = 64 * 1024;
}

static void
bench_clear (const gchar *row, Bench *self)
{
  faults_reset ();
  hf_stage_area_clear (&self->filter.area);
  tap_check (row, kit_wait_let_go (self->spool));
  hf_config_free (self->config);
  kit_spool_free (self->spool);
}

/* ---- the spool ---- */

static gchar *
path_of (const Bench *bench, const gchar *name)
{
  return g_build_filename (bench->spool, name, NULL);
}

static void
do_nothing (Bench *bench)
{
}

static void
do_absent (Bench *bench)
{
  g_free (bench->config->spool_directory);
  bench->config->spool_directory = path_of (bench, "absent");
}

static void
do_file (Bench *bench)
{
  g_free (bench->config->spool_directory);
  bench->config->spool_directory = path_of (bench, "file");
  kit_write_file (bench->config->spool_directory, "x", 1);
}

static void
do_everybody (Bench *bench)
{
  g_assert_true (chmod (bench->spool, 0707) == 0);
}

static void
do_other_owner (Bench *bench)
{
  g_assert_true (chown (bench->spool, 65533, (gid_t) -1) == 0);
}

static void
do_new (Bench *bench)
{
  g_autofree gchar *journal = path_of (bench, "journal"), *stage = path_of (bench, "stage");

  g_assert_true (rmdir (journal) == 0 && rmdir (stage) == 0);
}

static void
do_journal_file (Bench *bench)
{
  g_autofree gchar *journal = path_of (bench, "journal");

  g_assert_true (rmdir (journal) == 0);
  kit_write_file (journal, "x", 1);
}

static void
do_stage_everybody (Bench *bench)
{
  g_autofree gchar *stage = path_of (bench, "stage");

  g_assert_true (chmod (stage, 0777) == 0);
}

static void
do_journal_link (Bench *bench)
{
  g_autofree gchar *journal = path_of (bench, "journal");

  g_assert_true (rmdir (journal) == 0 && symlink ("stage", journal) == 0);
}

static void
test_spool (void)
{
  static const struct
  {
    const gchar *name;
    void (*deed) (Bench *bench);
    gboolean as_root; /* the deed needs it */
    const gchar *want; /* part of the message; NULL: opened */
    guint want_made;   /* directories */
  } rows[] = {
    { "as it should be", do_nothing, FALSE, NULL, 0 },
    { "new", do_new, FALSE, NULL, 2 },
    { "absent", do_absent, FALSE, "absent': No such file or directory", 0 },
    { "a file", do_file, FALSE, "is not a directory", 0 },
    { "open to everybody", do_everybody, FALSE, "every user could change or remove mail", 0 },
    { "another's", do_other_owner, TRUE, "belongs to uid 65533, but the filter runs as uid", 0 },
    { "journal is a file", do_journal_file, FALSE, "is not a directory", 0 },
    { "journal is a link", do_journal_link, FALSE, "cannot open journal directory", 0 },
    { "stage open to everybody", do_stage_everybody, FALSE, "every user could change or remove mail", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean opened;
      Bench bench;

      if (rows[i].as_root && geteuid () != 0)
        continue;
      bench_init (&bench);
      rows[i].deed (&bench);
      opened = hf_filter_open (&bench.filter, bench.config, &error);
      tap_check_int (rows[i].name, opened, rows[i].want == NULL);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_SPOOL_CREATED), rows[i].want_made);
      if (opened)
        tap_check (rows[i].name, hf_filter_drain (&bench.filter, LONG_MS));
      else
        {
          tap_check (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG));
          tap_check_has (rows[i].name, error->message, "[spool] directory");
          tap_check_has (rows[i].name, error->message, rows[i].want);
        }
      bench_clear (rows[i].name, &bench);
    }
}

/* The check of -t touches nothing. */
static void
test_check (void)
{
  g_autofree gchar *journal = NULL;
  Bench bench;

  bench_init (&bench);
  do_new (&bench);
  journal = path_of (&bench, "journal");
  tap_check ("fine", hf_filter_check (bench.config, NULL));
  tap_check ("nothing made", !g_file_test (journal, G_FILE_TEST_EXISTS));
  do_absent (&bench);
  tap_check ("absent", !hf_filter_check (bench.config, NULL));
  bench_clear ("check", &bench);
}

static void
test_start_failures (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    const gchar *part;
    gint number;
  } rows[] = {
    { "stage directory not made", FAULT_MKDIRAT, "/stage", EROFS },
    { "journal directory not made", FAULT_MKDIRAT, "/journal", ENOSPC },
    { "spool not synced", FAULT_FSYNC, NULL, EIO },
    { "stage not probed", FAULT_OPEN, "/stage", ENOSPC },
    { "journal not opened", FAULT_OPEN, "/journal", EACCES },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      Bench bench;

      bench_init (&bench);
      do_new (&bench);
      faults_fail (rows[i].call, rows[i].part, 1, rows[i].number);
      tap_check (rows[i].name, !hf_filter_open (&bench.filter, bench.config, &error));
      tap_check_int (rows[i].name, faults_met (rows[i].call), 1);
      tap_check_has (rows[i].name, error != NULL ? error->message : NULL, g_strerror (rows[i].number));
      bench_clear (rows[i].name, &bench);
    }
}

/* A second filter is refused, and takes nothing of the first one's with it. */
static void
test_second_filter (void)
{
  static const gchar text[] = "being written";
  g_autoptr (GError) error = NULL;
  g_autofree gchar *stage = NULL;
  HfFilter second;
  Bench bench;

  bench_init (&bench);
  tap_check ("first", hf_filter_open (&bench.filter, bench.config, NULL));
  stage = path_of (&bench, "stage/01HF7YAT01041061050R3GG28A.stage");
  kit_write_file (stage, text, sizeof text);
  tap_check ("second", !hf_filter_open (&second, bench.config, &error));
  tap_check_has ("why", error != NULL ? error->message : NULL, "in use by another holdfast-milter");
  tap_check ("the first one's stage stays", g_file_test (stage, G_FILE_TEST_EXISTS));
  hf_stage_area_clear (&second.area);
  tap_check ("drain", hf_filter_drain (&bench.filter, LONG_MS));
  hf_stage_area_clear (&bench.filter.area);
  tap_check ("after it", hf_filter_open (&bench.filter, bench.config, NULL));
  tap_check ("what a crash left is gone", !g_file_test (stage, G_FILE_TEST_EXISTS));
  tap_check ("drain", hf_filter_drain (&bench.filter, LONG_MS));
  bench_clear ("second", &bench);
}

/* ---- a stop ---- */

typedef struct
{
  HfFilter *filter;
  gint begun;
  gint end;
} Transaction;

static gpointer
transact (gpointer data)
{
  Transaction *self = data;

  g_atomic_int_inc (&self->filter->open);
  g_atomic_int_set (&self->begun, TRUE);
  while (!g_atomic_int_get (&self->end))
    g_usleep (1000);
  g_atomic_int_add (&self->filter->open, -1);
  return NULL;
}

static gboolean
is_draining (gpointer data)
{
  return g_atomic_int_get (&((HfFilter *) data)->draining);
}

static gpointer
end_when_draining (gpointer data)
{
  Transaction *self = data;

  kit_wait_until (is_draining, self->filter);
  g_usleep (20000);
  g_atomic_int_set (&self->end, TRUE);
  return NULL;
}

static void
test_drain_waits (void)
{
  g_autoptr (GError) error = NULL;
  pthread_t threads[2];
  Transaction txn;
  Bench bench;

  bench_init (&bench);
  tap_check ("open", hf_filter_open (&bench.filter, bench.config, NULL));
  tap_check ("admitted", hf_filter_admit (&bench.filter, NULL));
  txn = (Transaction){ &bench.filter, FALSE, FALSE };
  g_assert_true (pthread_create (&threads[0], NULL, transact, &txn) == 0);
  while (!g_atomic_int_get (&txn.begun))
    g_usleep (100);
  g_assert_true (pthread_create (&threads[1], NULL, end_when_draining, &txn) == 0);
  tap_check ("finished", hf_filter_drain (&bench.filter, LONG_MS));
  tap_check_int ("nobody left", bench.filter.open, 0);
  tap_check ("turned away", !hf_filter_admit (&bench.filter, &error));
  tap_check ("turned away", g_error_matches (error, HF_ERROR, HF_ERROR_BUSY));
  tap_check_str ("turned away", hf_error_step (error), "draining");
  pthread_join (threads[0], NULL);
  pthread_join (threads[1], NULL);
  bench_clear ("drain", &bench);
}

/* The limit passes with a transaction open: said, and whoever comes with his
 * message after that is answered, by what is still there to answer. */
static void
test_P2_drain_limit_passes (void)
{
  g_autoptr (HfCommit) late = kit_commit_new (1, "x\r\n", -1);
  g_autoptr (GError) error = NULL;
  Bench bench;

  bench_init (&bench);
  tap_check ("open", hf_filter_open (&bench.filter, bench.config, NULL));
  g_atomic_int_inc (&bench.filter.open);
  tap_check ("not finished", !hf_filter_drain (&bench.filter, 0));
  /* one that had looked at draining just before, and one at his end-of-message */
  hf_pressure_check (bench.filter.pressure, NULL);
  hf_writer_check (bench.filter.writer, NULL);
  hf_writer_submit (bench.filter.writer, late);
  tap_check_int ("answered", hf_commit_wait (late, LONG_MS), HF_COMMIT_FAILED);
  tap_check ("as not ready", g_error_matches (late->error, HF_ERROR, HF_ERROR_BUSY));
  tap_check ("no new one", !hf_filter_admit (&bench.filter, &error));
  /* the daemon would end here */
  hf_writer_unref (bench.filter.writer);
  hf_pressure_stop (bench.filter.pressure);
  hf_room_clear (&bench.filter.room);
  bench_clear ("limit", &bench);
}

static void
test_drain_while_it_hangs (void)
{
  g_autoptr (HfCommit) stuck = kit_commit_new (1, "x\r\n", -1);
  Bench bench;
  gint64 start_ms;

  bench_init (&bench);
  tap_check ("open", hf_filter_open (&bench.filter, bench.config, NULL));
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  hf_writer_submit (bench.filter.writer, stuck);
  tap_check ("in the sync", faults_wait_hanging (FAULT_FDATASYNC));
  start_ms = hf_sys_monotonic_ms ();
  tap_check ("not finished", !hf_filter_drain (&bench.filter, 10));
  tap_check ("in time", hf_sys_monotonic_ms () - start_ms < LONG_MS / 2);
  faults_release ();
  tap_check_int ("stored all the same", hf_commit_wait (stuck, LONG_MS), HF_COMMIT_DONE);
  bench_clear ("hangs", &bench);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "spool", test_spool },
    { "check", test_check },
    { "start-failures", test_start_failures },
    { "second-filter", test_second_filter },
    { "drain-waits", test_drain_waits },
    { "P2-drain-limit-passes", test_P2_drain_limit_passes },
    { "drain-while-it-hangs", test_drain_while_it_hangs },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("filter", tests, argc, argv);
}
