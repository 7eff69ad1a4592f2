/* test-stage.c - what was put into the stage comes out of it again, or the message is not stored
 *
 * KB Q157684: a stream that could not be opened again was a message lost.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/filter/stage.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n"

typedef struct
{
  gchar *spool;
  gchar *dir; /* SPOOL/stage */
  HfStageArea area;
  HfStage stage;
} Bench;

static void
bench_init (Bench *self, gboolean named)
{
  kit_events_keep ();
  memset (self, 0, sizeof *self);
  self->spool = kit_spool_new ();
  self->dir = g_build_filename (self->spool, HF_STAGE_DIRECTORY, NULL);
  g_assert_true (hf_stage_area_open (&self->area, self->spool, NULL));
  self->area.named = named;
  hf_stage_init (&self->stage, &self->area);
}

static guint
files_in (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint count = 0;

  while (g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

/* Nothing is left: no file, no descriptor. */
static void
bench_clear (const gchar *row, Bench *self)
{
  faults_reset ();
  hf_stage_clear (&self->stage);
  tap_check_int (row, files_in (self->dir), 0);
  tap_check_int (row, faults_descriptors (self->dir), 0);
  hf_stage_area_clear (&self->area);
  g_free (self->dir);
  kit_spool_free (self->spool);
}

/* ---- the area ---- */

static void
test_area (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    const gchar *part;
    gint number; /* 0: no fault */
    gboolean want;
    gboolean want_named;
  } rows[] = {
    { "as it is here", FAULT_OPEN, "/stage", 0, TRUE, FALSE },
    { "unknown to the file system", FAULT_OPEN, "/stage", EOPNOTSUPP, TRUE, TRUE },
    { "unknown to the kernel", FAULT_OPEN, "/stage", EISDIR, TRUE, TRUE },
    { "flags unknown", FAULT_OPEN, "/stage", EINVAL, TRUE, TRUE },
    { "no /proc", FAULT_OPEN, "/proc/self/fd", ENOENT, TRUE, TRUE },
    { "denied", FAULT_OPEN, "/stage", EACCES, FALSE, FALSE },
    { "no room", FAULT_OPEN, "/stage", ENOSPC, FALSE, FALSE },
    { "not written", FAULT_WRITE, NULL, EIO, FALSE, FALSE },
    { "not read", FAULT_PREAD, NULL, EIO, FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_autoptr (GError) error = NULL;
      HfStageArea area;

      kit_events_keep ();
      if (rows[i].number != 0)
        faults_fail (rows[i].call, rows[i].part, 1, rows[i].number);
      tap_check_int (rows[i].name, hf_stage_area_open (&area, spool, &error), rows[i].want);
      faults_reset ();
      tap_check_int (rows[i].name, faults_descriptors (spool), 0);
      if (!rows[i].want)
        {
          tap_check_str (rows[i].name, hf_error_step (error), "stage-probe");
          tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
          continue;
        }
      tap_check_int (rows[i].name, area.named, rows[i].want_named);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_STAGE_NAMED), rows[i].want_named);
      hf_stage_area_clear (&area);
    }
}

static void
test_tidy (void)
{
  static const gchar *const names[] = { "01HF7YAT01041061050R3GG28A.stage", "x.stage", "x.stage.bak", "notes" };
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *dir = g_build_filename (spool, HF_STAGE_DIRECTORY, NULL);
  HfStageArea area;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *path = g_build_filename (dir, names[i], NULL);

      kit_write_file (path, "x", 1);
    }
  tap_check ("open", hf_stage_area_open (&area, spool, NULL));
  tap_check_int ("opening removes nothing", files_in (dir), 4);
  hf_stage_area_tidy (&area);
  tap_check_int ("stages alone go", files_in (dir), 2);
  hf_stage_area_clear (&area);
}

/* ---- in and out ---- */

static gchar *
read_commit (const HfCommit *commit, gsize *out_size)
{
  struct stat st;
  gchar *octets;

  g_assert_true (fstat (commit->fd, &st) == 0);
  *out_size = (gsize) st.st_size;
  octets = g_malloc (*out_size + 1);
  g_assert_true (pread (commit->fd, octets, *out_size, 0) == (gssize) *out_size);
  return octets;
}

/* @message in pieces of @piece octets comes out as the kit would stage it. */
static void
check_round (const gchar *row, HfStage *stage, const gchar *message, gsize size, gsize piece)
{
  g_autoptr (HfCommit) commit = hf_commit_new ();
  g_autoptr (HfCommit) want = kit_commit_new_lines (1, LINES, 1, message, (gssize) size);
  g_autofree gchar *got_octets = NULL, *want_octets = NULL;
  gsize got_size, want_size;

  commit->salt = want->salt;
  hf_stage_begin (stage, NULL);
  tap_check (row, hf_stage_add_lines (stage, LINES, 20, NULL));
  tap_check (row, hf_stage_add_lines (stage, LINES + 20, strlen (LINES) - 20, NULL));
  for (gsize at = 0; at < size; at += piece)
    if (!hf_stage_add_message (stage, message + at, MIN (piece, size - at), NULL))
      tap_check_int (row, (gint64) at, -1);
  if (!tap_check (row, hf_stage_finish (stage, commit, NULL)))
    return;
  got_octets = read_commit (commit, &got_size);
  want_octets = read_commit (want, &want_size);
  tap_check (row, got_size == want_size && memcmp (got_octets, want_octets, want_size) == 0);
  tap_check_int (row, commit->facts.bytes, want->facts.bytes);
  tap_check_int (row, commit->facts.wire, want->facts.wire);
  tap_check_int (row, commit->facts.bare, want->facts.bare);
  tap_check_int (row, commit->lines_size, strlen (LINES));
  tap_check (row, hf_digest_equal (&commit->lines, &want->lines));
  tap_check (row, hf_digest_equal (&commit->message, &want->message));
  tap_check_int (row, stage->fd, -1);
}

static void
test_in_and_out (void)
{
  static const gsize sizes[] = { 0, 1, 16000, 16383, 16384, 16385, 32768, 40000, 70001 };
  static const gsize pieces[] = { 1000000, 65535, 16384, 16383, 77 };
  g_autofree gchar *message = g_malloc (70001);

  for (gsize i = 0; i < 70001; i++)
    message[i] = (gchar) (i % 53 == 0 ? '.' : i % 53 == 51 ? '\r' : i % 53 == 52 ? '\n' : i);
  for (guint named = 0; named < 2; named++)
    {
      Bench bench;

      bench_init (&bench, named != 0);
      for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
        for (guint p = 0; p < G_N_ELEMENTS (pieces); p++)
          {
            g_autofree gchar *row = g_strdup_printf ("%s %" G_GSIZE_FORMAT " in %" G_GSIZE_FORMAT,
                                                     named ? "named" : "unnamed", sizes[s], pieces[p]);

            check_round (row, &bench.stage, message, sizes[s], pieces[p]);
          }
      bench_clear ("in and out", &bench);
    }
}

/* One buffer, whatever the size; and no file for what fits into it. */
static void
test_memory_and_files (void)
{
  Bench bench;
  const guint8 *buffer;

  bench_init (&bench, FALSE);
  tap_check ("begin", hf_stage_begin (&bench.stage, NULL));
  buffer = bench.stage.buffer;
  tap_check ("lines", hf_stage_add_lines (&bench.stage, LINES, strlen (LINES), NULL));
  tap_check_int ("no file yet", bench.stage.fd, -1);
  for (guint i = 0; i < 100; i++)
    tap_check ("message", hf_stage_add_message (&bench.stage, "0123456789012345678901234567890123456789", 40, NULL));
  tap_check_int ("still none", bench.stage.fd, -1);
  for (guint i = 0; i < 1000; i++)
    hf_stage_add_message (&bench.stage, "0123456789012345678901234567890123456789", 40, NULL);
  tap_check ("a file", bench.stage.fd >= 0);
  tap_check ("the same buffer", bench.stage.buffer == buffer);
  hf_stage_drop (&bench.stage);
  tap_check_int ("dropped", faults_descriptors (bench.dir), 0);
  tap_check ("begin again", hf_stage_begin (&bench.stage, NULL));
  tap_check ("the same buffer", bench.stage.buffer == buffer);
  bench_clear ("memory", &bench);
}

/* ---- kept files ---- */

static ino_t
inode_of (const HfCommit *commit)
{
  struct stat st;

  g_assert_true (fstat (commit->fd, &st) == 0);
  return st.st_ino;
}

/* Stages a message of @size octets, each @octet.  Its file's inode stays in use
 * as long as the commit, so no other file can have the same number. */
static HfCommit *
stage_octets (HfStage *stage, gchar octet, gsize size)
{
  g_autofree gchar *body = g_strnfill (size, octet);
  HfCommit *commit = hf_commit_new ();

  g_assert_true (hf_stage_begin (stage, NULL) && hf_stage_add_lines (stage, LINES, strlen (LINES), NULL)
                 && hf_stage_add_message (stage, body, size, NULL) && hf_stage_finish (stage, commit, NULL));
  return commit;
}

/* The whole stream is this message's, with nothing of one before it. */
static void
check_octets (const gchar *row, const HfCommit *commit, gchar octet, gsize size)
{
  g_autofree gchar *body = g_strnfill (size, octet);
  g_autofree gchar *want = g_strconcat (LINES, body, "\r\n", NULL);
  gsize got_size;
  g_autofree gchar *got = read_commit (commit, &got_size);

  tap_check (row, got_size == strlen (want) && memcmp (got, want, got_size) == 0);
}

static void
test_kept_file_serves_again (void)
{
  static const gsize sizes[] = { 100, 60000, 60000, 1, 16384, 40000, 2, 64000, 17 };
  Bench bench;
  g_autoptr (HfCommit) first = NULL;

  bench_init (&bench, FALSE);
  first = stage_octets (&bench.stage, 'a', 50000);
  hf_stage_keep (&bench.stage);
  hf_stage_drop (&bench.stage);
  tap_check_int ("its reader and the kept file", faults_descriptors (bench.dir), 2);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree gchar *row = g_strdup_printf ("%u: %" G_GSIZE_FORMAT " octets", i, sizes[i]);
      g_autoptr (HfCommit) commit = stage_octets (&bench.stage, (gchar) ('b' + i), sizes[i]);

      tap_check (row, inode_of (commit) == inode_of (first));
      check_octets (row, commit, (gchar) ('b' + i), sizes[i]);
      hf_stage_keep (&bench.stage);
      hf_stage_drop (&bench.stage);
    }
  g_clear_pointer (&first, hf_commit_unref);
  tap_check_int ("one is kept", faults_descriptors (bench.dir), 1);
  hf_stage_clear (&bench.stage);
  hf_stage_area_clear (&bench.area);
  tap_check_int ("none behind the area", faults_descriptors (bench.dir), 0);
  g_assert_true (hf_stage_area_open (&bench.area, bench.spool, NULL));
  bench_clear ("kept", &bench);
}

/* An abandoned commit's stream may still be read by the writer: whatever comes
 * after must not touch it. */
static void
test_P6_abandoned_file_is_not_touched (void)
{
  g_autoptr (HfCommit) abandoned = NULL, next = NULL;
  Bench bench;

  bench_init (&bench, FALSE);
  abandoned = stage_octets (&bench.stage, 'a', 30000);
  hf_stage_drop (&bench.stage);
  tap_check_int ("only its reader", faults_descriptors (bench.dir), 1);
  hf_stage_keep (&bench.stage);
  tap_check_int ("too late to keep it", faults_descriptors (bench.dir), 1);
  next = stage_octets (&bench.stage, 'b', 40000);
  tap_check ("another file", inode_of (next) != inode_of (abandoned));
  check_octets ("as it was", abandoned, 'a', 30000);
  check_octets ("the next", next, 'b', 40000);
  g_clear_pointer (&abandoned, hf_commit_unref);
  g_clear_pointer (&next, hf_commit_unref);
  bench_clear ("abandoned", &bench);
}

/* Transactions at the same time have files of their own, kept or new. */
static void
test_kept_files_are_not_shared (void)
{
  enum { COUNT = HF_STAGE_KEPT + 3 };
  HfStage stages[COUNT];
  HfCommit *commits[COUNT];
  Bench bench;

  bench_init (&bench, FALSE);
  for (guint round = 0; round < 3; round++)
    {
      for (guint i = 0; i < COUNT; i++)
        {
          if (round == 0)
            hf_stage_init (&stages[i], &bench.area);
          commits[i] = stage_octets (&stages[i], (gchar) ('A' + (i + round) % 50), 20000 + 100 * i);
        }
      for (guint i = 0; i < COUNT; i++)
        {
          g_autofree gchar *row = g_strdup_printf ("round %u, %u", round, i);

          check_octets (row, commits[i], (gchar) ('A' + (i + round) % 50), 20000 + 100 * i);
        }
      for (guint i = 0; i < COUNT; i++)
        {
          hf_commit_unref (commits[i]);
          hf_stage_keep (&stages[i]);
          hf_stage_drop (&stages[i]);
        }
      tap_check_int ("so many are kept, and no more", faults_descriptors (bench.dir), HF_STAGE_KEPT);
    }
  for (guint i = 0; i < COUNT; i++)
    hf_stage_clear (&stages[i]);
  hf_stage_area_let_go (&bench.area);
  bench_clear ("not shared", &bench);
}

/* What is kept goes when the file system is to be let go of, and what comes after is kept again. */
static void
test_let_go (void)
{
  Bench bench;

  bench_init (&bench, FALSE);
  for (guint round = 0; round < 2; round++)
    {
      hf_commit_unref (stage_octets (&bench.stage, (gchar) ('a' + round), 20000));
      hf_stage_keep (&bench.stage);
      hf_stage_drop (&bench.stage);
      tap_check_int ("kept", faults_descriptors (bench.dir), 1);
      hf_stage_area_let_go (&bench.area);
      tap_check_int ("let go", faults_descriptors (bench.dir), 0);
    }
  bench_clear ("let go", &bench);
}

/* It may be on a file system that was let go of since it was opened. */
static void
test_kept_too_late (void)
{
  Bench bench;

  bench_init (&bench, FALSE);
  hf_commit_unref (stage_octets (&bench.stage, 'a', 20000));
  hf_stage_area_let_go (&bench.area);
  hf_stage_keep (&bench.stage);
  hf_stage_drop (&bench.stage);
  tap_check_int ("not kept", faults_descriptors (bench.dir), 0);
  hf_commit_unref (stage_octets (&bench.stage, 'b', 20000));
  hf_stage_keep (&bench.stage);
  hf_stage_drop (&bench.stage);
  tap_check_int ("the next one is", faults_descriptors (bench.dir), 1);
  hf_stage_area_let_go (&bench.area);
  bench_clear ("kept too late", &bench);
}

static void
test_not_kept (void)
{
  static const struct
  {
    const gchar *name;
    gboolean named;
    gsize size;
    guint kept;
  } rows[] = {
    { "as large as is kept", FALSE, HF_STAGE_KEPT_SIZE - (sizeof LINES - 1) - 2, 1 },
    { "larger", FALSE, HF_STAGE_KEPT_SIZE - (sizeof LINES - 1) - 1, 0 },
    { "named", TRUE, 100, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Bench bench;

      bench_init (&bench, rows[i].named);
      hf_commit_unref (stage_octets (&bench.stage, 'x', rows[i].size));
      hf_stage_keep (&bench.stage);
      hf_stage_drop (&bench.stage);
      tap_check_int (rows[i].name, faults_descriptors (bench.dir), rows[i].kept);
      hf_stage_area_let_go (&bench.area);
      bench_clear (rows[i].name, &bench);
    }
}

/* ---- failures ---- */

/* Stages a message larger than the buffer.  FALSE: @error. */
static gboolean
stage_one (HfStage *stage, HfCommit *commit, GError **error)
{
  g_autofree gchar *body = g_strnfill (40000, 'x');

  return hf_stage_begin (stage, error) && hf_stage_add_lines (stage, LINES, strlen (LINES), error)
         && hf_stage_add_message (stage, body, 40000, error) && hf_stage_add_message (stage, body, 100, error)
         && hf_stage_finish (stage, commit, error);
}

static void
test_P2_failures (void)
{
  static const struct
  {
    const gchar *name;
    gboolean named;
    FaultCall call;
    guint nth;
    gint number;
    HfErrorCode want;
    const gchar *want_step;
  } rows[] = {
    { "no descriptor", FALSE, FAULT_OPEN, 1, EMFILE, HF_ERROR_IO, "stage-open" },
    { "no inode", FALSE, FAULT_OPEN, 1, ENOSPC, HF_ERROR_FULL, "stage-open" },
    { "directory is gone", FALSE, FAULT_OPEN, 1, ENOENT, HF_ERROR_NOT_FOUND, "stage-open" },
    { "no room", FALSE, FAULT_WRITE, 1, ENOSPC, HF_ERROR_FULL, "stage-write" },
    { "no room at the end", FALSE, FAULT_WRITE, 3, EDQUOT, HF_ERROR_FULL, "stage-write" },
    { "broken disk", FALSE, FAULT_WRITE, 2, EIO, HF_ERROR_IO, "stage-write" },
    { "not reopened", FALSE, FAULT_OPEN, 2, EMFILE, HF_ERROR_IO, "stage-reopen" },
    { "reopened and not looked at", FALSE, FAULT_FSTAT, 1, EIO, HF_ERROR_IO, "stage-reopen" },
    { "named: no inode", TRUE, FAULT_OPEN, 1, ENOSPC, HF_ERROR_FULL, "stage-open" },
    { "named: name taken", TRUE, FAULT_OPEN, 1, EEXIST, HF_ERROR_IO, "stage-open" },
    { "named: not reopened", TRUE, FAULT_OPEN, 2, ENOENT, HF_ERROR_NOT_FOUND, "stage-reopen" },
    { "named: no room", TRUE, FAULT_WRITE, 2, ENOSPC, HF_ERROR_FULL, "stage-write" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = hf_commit_new ();
      g_autoptr (HfCommit) next = hf_commit_new ();
      g_autoptr (GError) error = NULL;
      Bench bench;

      bench_init (&bench, rows[i].named);
      faults_fail (rows[i].call, NULL, rows[i].nth, rows[i].number);
      tap_check (rows[i].name, !stage_one (&bench.stage, commit, &error));
      tap_check_int (rows[i].name, faults_met (rows[i].call), 1);
      faults_reset ();
      tap_check_int (rows[i].name, error != NULL ? (gint) error->code : -1, rows[i].want);
      tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      hf_stage_drop (&bench.stage);
      g_clear_pointer (&commit, hf_commit_unref);
      tap_check_int (rows[i].name, faults_descriptors (bench.dir), 0);
      tap_check (rows[i].name, stage_one (&bench.stage, next, NULL));
      g_clear_pointer (&next, hf_commit_unref);
      bench_clear (rows[i].name, &bench);
    }
}

/* A kept file that fails is a failed message, and serves no other. */
static void
test_P2_kept_file_fails (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
    const gchar *want_step;
  } rows[] = {
    { "no room", FAULT_WRITE, ENOSPC, "stage-write" },
    { "not shortened", FAULT_FTRUNCATE, EIO, "stage-truncate" },
    { "not reopened", FAULT_OPEN, EMFILE, "stage-reopen" },
    { "not looked at", FAULT_FSTAT, EIO, "stage-reopen" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = hf_commit_new ();
      g_autoptr (HfCommit) next = NULL;
      g_autoptr (GError) error = NULL;
      Bench bench;

      bench_init (&bench, FALSE);
      hf_commit_unref (stage_octets (&bench.stage, 'x', 60000));
      hf_stage_keep (&bench.stage);
      hf_stage_drop (&bench.stage);
      faults_fail (rows[i].call, NULL, 1, rows[i].number);
      tap_check (rows[i].name, !stage_one (&bench.stage, commit, &error));
      tap_check_int (rows[i].name, faults_met (rows[i].call), 1);
      faults_reset ();
      tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      hf_stage_keep (&bench.stage);
      hf_stage_drop (&bench.stage);
      g_clear_pointer (&commit, hf_commit_unref);
      tap_check_int (rows[i].name, faults_descriptors (bench.dir), 0);
      next = stage_octets (&bench.stage, 'y', 20000);
      check_octets (rows[i].name, next, 'y', 20000);
      g_clear_pointer (&next, hf_commit_unref);
      bench_clear (rows[i].name, &bench);
    }
}

static void
shorten (HfStage *stage)
{
  g_assert_true (ftruncate (stage->fd, 100) == 0);
}

static void
lengthen (HfStage *stage)
{
  g_assert_true (pwrite (stage->fd, "more", 4, 100000) == 4);
}

/* What is reopened is not what was written: another file, or another length. */
static void
test_P2_reopened_is_another (void)
{
  static const struct
  {
    const gchar *name;
    void (*deed) (HfStage *stage);
  } rows[] = { { "shorter", shorten }, { "longer", lengthen } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *body = g_strnfill (40000, 'x');
      g_autoptr (HfCommit) commit = hf_commit_new ();
      g_autoptr (GError) error = NULL;
      Bench bench;

      memcpy (body + 39998, "\r\n", 2); /* all of it is written before the end */
      bench_init (&bench, FALSE);
      tap_check (rows[i].name, hf_stage_begin (&bench.stage, NULL)
                                 && hf_stage_add_message (&bench.stage, body, 40000, NULL));
      rows[i].deed (&bench.stage);
      tap_check (rows[i].name, !hf_stage_finish (&bench.stage, commit, &error));
      tap_check (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_CORRUPT));
      tap_check_str (rows[i].name, hf_error_step (error), "stage-reopen");
      g_clear_pointer (&commit, hf_commit_unref);
      bench_clear (rows[i].name, &bench);
    }
}

static void
test_short_writes (void)
{
  g_autoptr (HfCommit) commit = hf_commit_new ();
  Bench bench;
  struct stat st;

  bench_init (&bench, FALSE);
  faults_cut (FAULT_WRITE, NULL, 1);
  tap_check ("written in parts", stage_one (&bench.stage, commit, NULL));
  tap_check_int ("met", faults_met (FAULT_WRITE), 1);
  tap_check ("all of it", fstat (commit->fd, &st) == 0 && (guint64) st.st_size == commit->lines_size + commit->facts.wire);
  g_clear_pointer (&commit, hf_commit_unref);
  bench_clear ("short writes", &bench);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "area", test_area },
    { "tidy", test_tidy },
    { "in-and-out", test_in_and_out },
    { "memory-and-files", test_memory_and_files },
    { "kept-file-serves-again", test_kept_file_serves_again },
    { "P6-abandoned-file-is-not-touched", test_P6_abandoned_file_is_not_touched },
    { "kept-files-are-not-shared", test_kept_files_are_not_shared },
    { "let-go", test_let_go },
    { "kept-too-late", test_kept_too_late },
    { "not-kept", test_not_kept },
    { "P2-failures", test_P2_failures },
    { "P2-kept-file-fails", test_P2_kept_file_fails },
    { "P2-reopened-is-another", test_P2_reopened_is_another },
    { "short-writes", test_short_writes },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("stage", tests, argc, argv);
}
