/* test-group.c - a group counts as a whole, when all of it can be read back, or not at all */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/group.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE "Subject: x\r\n\r\n.text\r\n"

typedef struct
{
  gchar *spool;
  HfJournalParameters parameters;
  HfJournal *journal;
  HfGroup group;
} Bench;

static void
bench_init (Bench *self)
{
  kit_events_keep ();
  self->spool = kit_spool_new ();
  self->parameters = kit_parameters (self->spool);
  self->journal = hf_journal_open (&self->parameters, 1, NULL);
  g_assert_nonnull (self->journal);
  hf_group_init (&self->group);
  hf_group_begin (&self->group, self->journal);
}

static void
bench_clear (Bench *self)
{
  faults_reset ();
  hf_group_clear (&self->group);
  hf_journal_abandon (self->journal);
  kit_spool_free (self->spool);
}

static HfGroupResult
add (Bench *self, guint number, const gchar *message, gssize size, GError **error)
{
  g_autoptr (HfCommit) commit = kit_commit_new (number, message, size);

  return hf_group_add (&self->group, self->journal, commit, error);
}

static HfVoid
a_mark (guint number)
{
  HfVoid mark = { { "" }, 1, "commit failed" };

  kit_id (number, &mark.id);
  return mark;
}

static void
test_commit (void)
{
  g_autofree gchar *got = NULL;
  Bench bench;

  bench_init (&bench);
  for (guint i = 1; i <= 3; i++)
    tap_check_int ("added", add (&bench, i, MESSAGE, -1, NULL), HF_GROUP_ADDED);
  got = kit_view_text (bench.spool, HF_READ_VERIFY);
  tap_check_str ("nothing counts yet", got, "");
  tap_check ("committed", hf_group_commit (&bench.group, bench.journal, NULL));
  g_free (got);
  got = kit_view_text (bench.spool, HF_READ_VERIFY);
  tap_check_str ("all count", got, "1:1 whole, 1:2 whole, 1:3 whole");
  tap_check_int ("whole blocks", bench.journal->segment->written % HF_BLOCK, 0);
  tap_check_int ("synced", bench.journal->segment->synced, bench.journal->segment->written);
  hf_group_begin (&bench.group, bench.journal);
  tap_check_int ("next group", add (&bench, 4, "", 0, NULL), HF_GROUP_ADDED);
  tap_check ("next group", hf_group_commit (&bench.group, bench.journal, NULL));
  g_free (got);
  got = kit_view_text (bench.spool, HF_READ_VERIFY);
  tap_check_str ("chained", got, "1:1 whole, 1:2 whole, 1:3 whole, 1:4 whole");
  bench_clear (&bench);
}

/* A block that was acknowledged is never written again. */
static void
test_P1_synced_blocks_stay (void)
{
  g_autoptr (GString) before = NULL, after = NULL;
  g_autofree gchar *path = NULL;
  guint64 synced;
  Bench bench;

  bench_init (&bench);
  path = kit_segment_path (bench.spool, 1);
  add (&bench, 1, MESSAGE, -1, NULL);
  tap_check ("first", hf_group_commit (&bench.group, bench.journal, NULL));
  synced = bench.journal->segment->synced;
  before = kit_read_file (path);
  hf_group_begin (&bench.group, bench.journal);
  add (&bench, 2, MESSAGE, -1, NULL);
  faults_cut (FAULT_PWRITE, ".bsmtp", 1);
  tap_check ("second", hf_group_commit (&bench.group, bench.journal, NULL));
  after = kit_read_file (path);
  tap_check_int ("begins behind it", bench.group.start, synced);
  tap_check ("as it was", memcmp (before->str, after->str, synced) == 0);
  bench_clear (&bench);
}

/* Sizes around those of the buffer and its pieces, alone and behind each other. */
static void
test_sizes (void)
{
  static const gsize sizes[] = { 1, 131071, 131072, 131073, 524287, 524288, 524289, 655359, 655361, 2000000 };
  g_autofree gchar *octets = g_malloc (2000000);
  g_autofree gchar *got = NULL;
  Bench bench;

  for (gsize i = 0; i < 2000000; i++)
    octets[i] = (gchar) (i % 61 == 0 ? '.' : i % 59 == 0 ? '\n' : 'a' + i % 26);
  bench_init (&bench);
  bench.journal->segment->size = G_MAXUINT64;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    tap_check_int ("added", add (&bench, i + 1, octets, (gssize) sizes[i], NULL), HF_GROUP_ADDED);
  tap_check ("committed", hf_group_commit (&bench.group, bench.journal, NULL));
  got = kit_view_text (bench.spool, HF_READ_VERIFY);
  tap_check_str ("all whole", got, "1:1 whole, 1:2 whole, 1:3 whole, 1:4 whole, 1:5 whole, 1:6 whole, 1:7 whole, "
                                   "1:8 whole, 1:9 whole, 1:10 whole");
  bench_clear (&bench);
}

static void
test_voids (void)
{
  g_autofree gchar *got = NULL;
  Bench bench;

  bench_init (&bench);
  add (&bench, 1, MESSAGE, -1, NULL);
  add (&bench, 2, MESSAGE, -1, NULL);
  tap_check ("records", hf_group_commit (&bench.group, bench.journal, NULL));
  hf_group_begin (&bench.group, bench.journal);
  tap_check ("mark", hf_group_add_void (&bench.group, bench.journal, &(HfVoid){ a_mark (2).id, 1, "late" }, NULL));
  tap_check ("marks alone", hf_group_commit (&bench.group, bench.journal, NULL));
  hf_group_begin (&bench.group, bench.journal);
  for (guint i = 0; i < 3000; i++) /* more than the buffer holds */
    if (!hf_group_add_void (&bench.group, bench.journal, &(HfVoid){ a_mark (1000 + i).id, 1, "late" }, NULL))
      tap_check_int ("mark", i, -1);
  add (&bench, 3, MESSAGE, -1, NULL);
  tap_check ("marks and a record", hf_group_commit (&bench.group, bench.journal, NULL));
  got = kit_view_text (bench.spool, HF_READ_VERIFY);
  tap_check_str ("marked", got, "1:1 whole, 1:2 whole void, 1:3 whole");
  bench_clear (&bench);
}

/* ---- what the stage does wrong is its message's loss alone ---- */

static void
cut_stage (HfCommit *commit)
{
  g_assert_true (ftruncate (commit->fd, 20) == 0);
}

static void
cut_message (HfCommit *commit)
{
  g_assert_true (ftruncate (commit->fd, (off_t) (commit->lines_size + commit->facts.wire - 1)) == 0);
}

static void
alter_envelope (HfCommit *commit)
{
  g_assert_true (pwrite (commit->fd, "X", 1, 15) == 1);
}

static void
count_lines_short (HfCommit *commit)
{
  commit->lines_size -= 2;
}

static void
fail_reading (HfCommit *commit)
{
  faults_fail (FAULT_PREAD, "kit-stage", 1, EIO);
}

static void
flip_reading (HfCommit *commit)
{
  faults_flip (FAULT_PREAD, "kit-stage", 1);
}

static void
test_P2_left_out (void)
{
  static const struct
  {
    const gchar *name;
    void (*deed) (HfCommit *commit);
    HfErrorCode want;
    const gchar *want_step;
  } rows[] = {
    { "stage cut in the envelope", cut_stage, HF_ERROR_CORRUPT, "stage-read" },
    { "stage cut in the message", cut_message, HF_ERROR_CORRUPT, "stage-read" },
    { "another envelope", alter_envelope, HF_ERROR_CORRUPT, "stage-verify" },
    { "envelope of another length", count_lines_short, HF_ERROR_CORRUPT, "stage-verify" },
    { "stage not readable", fail_reading, HF_ERROR_IO, "stage-read" },
    { "stage reads wrong", flip_reading, HF_ERROR_CORRUPT, "stage-verify" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = kit_commit_new (2, MESSAGE, -1);
      g_autoptr (GError) error = NULL;
      g_autofree gchar *got = NULL;
      Bench bench;

      bench_init (&bench);
      add (&bench, 1, MESSAGE, -1, NULL);
      rows[i].deed (commit);
      tap_check_int (rows[i].name, hf_group_add (&bench.group, bench.journal, commit, &error), HF_GROUP_LEFT_OUT);
      faults_reset ();
      tap_check_int (rows[i].name, error != NULL ? (gint) error->code : -1, rows[i].want);
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      add (&bench, 3, MESSAGE, -1, NULL);
      tap_check (rows[i].name, hf_group_commit (&bench.group, bench.journal, NULL));
      got = kit_view_text (bench.spool, HF_READ_VERIFY);
      tap_check_str (rows[i].name, got, "1:1 whole, 1:3 whole");
      bench_clear (&bench);
    }
}

/* ---- what the segment does wrong is the loss of all ---- */

static void
alter_message (HfCommit *commit)
{
  g_assert_true (pwrite (commit->fd, "X", 1, (off_t) commit->lines_size) == 1);
}

static void
count_bytes_wrong (HfCommit *commit)
{
  commit->facts.bytes--;
}

static void
count_rcpts_wrong (HfCommit *commit)
{
  commit->facts.rcpts++;
}

static void
count_wire_wrong (HfCommit *commit)
{
  commit->facts.wire--;
}

/* P1: no record is acknowledged that can't be read as what the callbacks counted. */
static void
test_P1_read_back (void)
{
  static const struct
  {
    const gchar *name;
    void (*deed) (HfCommit *commit);
  } rows[] = {
    { "another message", alter_message },
    { "another length", count_bytes_wrong },
    { "another number of recipients", count_rcpts_wrong },
    { "another length of the wire form", count_wire_wrong },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = kit_commit_new (1, MESSAGE, -1);
      g_autoptr (GError) error = NULL;
      Bench bench;

      bench_init (&bench);
      rows[i].deed (commit);
      tap_check_int (rows[i].name, hf_group_add (&bench.group, bench.journal, commit, NULL), HF_GROUP_ADDED);
      tap_check (rows[i].name, !hf_group_commit (&bench.group, bench.journal, &error));
      tap_check (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_CORRUPT));
      tap_check_str (rows[i].name, hf_error_step (error), "read-back");
      tap_check_int (rows[i].name, bench.journal->segment->synced, HF_BLOCK);
      bench_clear (&bench);
    }
}

/* Every octet that comes back wrong from the segment is noticed: marks, facts,
 * envelope, message, seal and chain. */
static ssize_t (*next_pread) (int fd, void *data, size_t size, off_t offset);
static gint64 lie_at = -1; /* offset in the segment */

static ssize_t
lying_pread (int fd, void *data, size_t size, off_t offset)
{
  const ssize_t n = next_pread (fd, data, size, offset);

  if (lie_at >= offset && lie_at < offset + n && faults_descriptors (".bsmtp") > 0)
    ((gchar *) data)[lie_at - offset] ^= 1;
  return n;
}

static void
test_P1_every_octet_is_read_back (void)
{
  const HfVoid mark = a_mark (9);
  Bench bench;
  guint64 end;

  bench_init (&bench);
  for (lie_at = HF_BLOCK, end = HF_BLOCK + 1; (guint64) lie_at < end; lie_at += 3)
    {
      g_autoptr (GError) error = NULL;
      const HfDigest chain = bench.journal->chain;

      hf_group_begin (&bench.group, bench.journal);
      tap_check ("mark", hf_group_add_void (&bench.group, bench.journal, &mark, NULL));
      add (&bench, 1, MESSAGE, -1, NULL);
      end = bench.group.start + bench.group.buffer->len;
      if (hf_group_commit (&bench.group, bench.journal, &error))
        {
          tap_check_int ("not noticed at", lie_at - HF_BLOCK, -1);
          break;
        }
      tap_check_str ("step", hf_error_step (error), "read-back");
      tap_check_int ("synced", bench.journal->segment->synced, HF_BLOCK);
      /* a writer would let the journal go; here it is put back */
      bench.journal->segment->written = bench.group.start;
      bench.journal->chain = chain;
    }
  tap_check ("all of it", end > 800 + HF_BLOCK);
  lie_at = -1;
  bench_clear (&bench);
}

static void
remove_segment (Bench *bench)
{
  g_assert_true (unlink (bench->journal->segment->path) == 0);
}

static void
move_directory (Bench *bench)
{
  g_autofree gchar *away = g_build_filename (bench->spool, "away", NULL);

  g_assert_true (rename (bench->journal->dir_path, away) == 0);
}

static void
test_P2_segment_failures (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
    void (*deed) (Bench *bench);
    const gchar *want_step;
  } rows[] = {
    { "write", FAULT_PWRITE, ENOSPC, NULL, "segment-write" },
    { "read", FAULT_PREAD, EIO, NULL, "journal-read" },
    { "sync", FAULT_FDATASYNC, EIO, NULL, "segment-sync" },
    { "path", FAULT_STAT, EIO, NULL, "path-check" },
    { "removed", FAULT_N_CALLS, 0, remove_segment, "path-check" },
    { "directory moved away", FAULT_N_CALLS, 0, move_directory, "path-check" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      Bench bench;

      bench_init (&bench);
      add (&bench, 1, MESSAGE, -1, NULL);
      if (rows[i].deed != NULL)
        rows[i].deed (&bench);
      else
        faults_fail (rows[i].call, ".bsmtp", 1, rows[i].number);
      tap_check (rows[i].name, !hf_group_commit (&bench.group, bench.journal, &error));
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      if (rows[i].number != 0)
        tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
      tap_check_int (rows[i].name, bench.journal->segment->synced, HF_BLOCK);
      bench_clear (&bench);
    }
}

/* Half a group lies in the segment already when its rest fails. */
static void
test_broken (void)
{
  const gsize size = 700000;
  g_autofree gchar *octets = g_strnfill (size, 'x');
  g_autoptr (HfCommit) commit = kit_commit_new (2, octets, (gssize) size);
  g_autoptr (GError) error = NULL;
  Bench bench;

  bench_init (&bench);
  faults_fail (FAULT_PWRITE, ".bsmtp", 1, ENOSPC);
  tap_check_int ("flush fails", add (&bench, 1, octets, (gssize) size, &error), HF_GROUP_BROKEN);
  tap_check_str ("flush fails", hf_error_step (error), "segment-write");
  bench_clear (&bench);

  g_clear_error (&error);
  bench_init (&bench);
  add (&bench, 1, MESSAGE, -1, NULL);
  g_assert_true (ftruncate (commit->fd, (off_t) size - 1000) == 0);
  tap_check_int ("stage fails behind a flush", hf_group_add (&bench.group, bench.journal, commit, &error), HF_GROUP_BROKEN);
  tap_check_str ("stage fails behind a flush", hf_error_step (error), "stage-read");
  bench_clear (&bench);
}

static void
test_forget (void)
{
  Bench bench;

  bench_init (&bench);
  add (&bench, 1, MESSAGE, -1, NULL);
  tap_check_int ("held", faults_descriptors ("kit-stage"), 1);
  tap_check ("committed", hf_group_commit (&bench.group, bench.journal, NULL));
  hf_group_forget (&bench.group);
  tap_check_int ("let go", faults_descriptors ("kit-stage"), 0);
  bench_clear (&bench);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "commit", test_commit },
    { "P1-synced-blocks-stay", test_P1_synced_blocks_stay },
    { "sizes", test_sizes },
    { "voids", test_voids },
    { "P2-left-out", test_P2_left_out },
    { "P1-read-back", test_P1_read_back },
    { "P1-every-octet-is-read-back", test_P1_every_octet_is_read_back },
    { "P2-segment-failures", test_P2_segment_failures },
    { "broken", test_broken },
    { "forget", test_forget },
    { NULL, NULL },
  };

  faults_install ();
  next_pread = hf_sys.pread;
  hf_sys.pread = lying_pread;
  return tap_run ("group", tests, argc, argv);
}
