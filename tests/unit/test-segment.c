/* test-segment.c - a file becomes a segment only with a synced header, and counts only where its path leads */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/segment.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (5 * 1024 * 1024 / 8) /* three writes of NULs, the last one short */
#define HEAD "NOOP holdfast-segment\r\n"

static const gboolean never = FALSE;

typedef struct
{
  gchar *spool;
  gchar *dir;
  int dir_fd;
} Place;

static void
place_init (Place *self)
{
  self->spool = kit_spool_new ();
  self->dir = kit_path (self->spool, NULL);
  self->dir_fd = hf_sys.open (self->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

static void
place_clear (Place *self)
{
  hf_sys_close (&self->dir_fd);
  kit_spool_free (self->spool);
  g_free (self->dir);
}

static gboolean
exists (const Place *place, const gchar *name)
{
  g_autofree gchar *path = kit_path (place->spool, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static gint64
size_of (const Place *place, const gchar *name)
{
  g_autofree gchar *path = kit_path (place->spool, name);

  return kit_size (path);
}

static void
test_spare (void)
{
  g_autoptr (GString) octets = NULL;
  g_autofree gchar *path = NULL;
  Place place;
  struct stat st;

  place_init (&place);
  path = kit_path (place.spool, HF_JOURNAL_SPARE);
  kit_write_file (path, "an old one", 10);
  faults_reset ();
  tap_check ("made", hf_spare_make (place.dir_fd, HF_JOURNAL_SPARE, SIZE, HF_AHEAD_YES, NULL, &never, NULL));
  tap_check_int ("file and directory synced", faults_count (FAULT_FSYNC), 2);
  octets = kit_read_file (path);
  tap_check_int ("size", octets->len, SIZE);
  for (gsize i = 0; i < octets->len; i++)
    if (octets->str[i] != '\0')
      {
        tap_check_int ("not NUL at", (gint64) i, -1);
        break;
      }
  tap_check ("has its room", stat (path, &st) == 0 && st.st_blocks * 512 >= SIZE);
  tap_check_int ("mode", st.st_mode & 07777, 0600);
  tap_check ("empty", hf_spare_make (place.dir_fd, HF_JOURNAL_SPARE, SIZE, HF_AHEAD_NO, NULL, &never, NULL));
  tap_check_int ("empty", size_of (&place, HF_JOURNAL_SPARE), 0);
  place_clear (&place);
}

static void
test_spare_failures (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    const gchar *part;
    guint nth;
    gint number;
    HfErrorCode want;
    const gchar *want_step;
  } rows[] = {
    { "old one stays", FAULT_UNLINKAT, NULL, 1, EACCES, HF_ERROR_DENIED, "spare-open" },
    { "no descriptor", FAULT_OPENAT, NULL, 1, EMFILE, HF_ERROR_IO, "spare-open" },
    { "no inode", FAULT_OPENAT, NULL, 1, ENOSPC, HF_ERROR_FULL, "spare-open" },
    { "no room at once", FAULT_PWRITE, "spare", 1, ENOSPC, HF_ERROR_FULL, "spare-write" },
    { "no room in the end", FAULT_PWRITE, "spare", 3, ENOSPC, HF_ERROR_FULL, "spare-write" },
    { "quota", FAULT_PWRITE, "spare", 2, EDQUOT, HF_ERROR_FULL, "spare-write" },
    { "broken disk", FAULT_PWRITE, "spare", 2, EIO, HF_ERROR_IO, "spare-write" },
    { "file not synced", FAULT_FSYNC, "spare", 1, EIO, HF_ERROR_IO, "spare-sync" },
    { "directory not synced", FAULT_FSYNC, NULL, 2, EIO, HF_ERROR_IO, "spare-sync" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      Place place;

      place_init (&place);
      faults_fail (rows[i].call, rows[i].part, rows[i].nth, rows[i].number);
      tap_check (rows[i].name, !hf_spare_make (place.dir_fd, HF_JOURNAL_SPARE, SIZE, HF_AHEAD_YES, NULL, &never, &error));
      tap_check_int (rows[i].name, faults_met (rows[i].call), 1);
      faults_reset ();
      tap_check_int (rows[i].name, error->code, rows[i].want);
      tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      tap_check (rows[i].name, !exists (&place, HF_JOURNAL_SPARE));
      tap_check_int (rows[i].name, faults_descriptors ("/spare"), 0);
      place_clear (&place);
    }
}

/* A stop in the middle of a long write: what lies there is left to who comes next. */
static void
test_spare_stopped (void)
{
  g_autoptr (GError) error = NULL;
  const gboolean stop = TRUE;
  Place place;

  place_init (&place);
  tap_check ("stopped", !hf_spare_make (place.dir_fd, HF_JOURNAL_SPARE, SIZE, HF_AHEAD_YES, NULL, &stop, &error));
  tap_check ("busy", g_error_matches (error, HF_ERROR, HF_ERROR_BUSY));
  tap_check_int ("descriptors", faults_descriptors ("/spare"), 0);
  place_clear (&place);
}

static HfSegment *
activate (const Place *place, guint64 seq, GError **error)
{
  g_autoptr (GString) head = g_string_new (HEAD);
  HfNonce nonce;

  kit_nonce (seq, &nonce);
  hf_record_write_padding (head, head->len);
  if (!exists (place, HF_JOURNAL_SPARE))
    g_assert_true (hf_spare_make (place->dir_fd, HF_JOURNAL_SPARE, 65536, HF_AHEAD_YES, NULL, &never, NULL));
  return hf_segment_activate (place->dir_fd, place->dir, HF_JOURNAL_SPARE, seq, &nonce, head, 65536, error);
}

static void
test_activate (void)
{
  g_autoptr (HfSegment) segment = NULL;
  Place place;

  place_init (&place);
  segment = activate (&place, 42, NULL);
  if (tap_check ("activated", segment != NULL))
    {
      tap_check_int ("written", segment->written, HF_BLOCK);
      tap_check_int ("synced", segment->synced, HF_BLOCK);
      tap_check_int ("size", segment->size, 65536);
      tap_check ("named", exists (&place, "0000000042.bsmtp"));
      tap_check ("no spare any more", !exists (&place, HF_JOURNAL_SPARE));
      tap_check ("two descriptors", segment->write_fd != segment->read_fd);
    }
  place_clear (&place);
}

/* A file with a segment's name always begins with a synced header. */
static void
test_P1_named_only_when_synced (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    const gchar *part;
    guint nth;
    gboolean want_named;
    const gchar *want_step;
  } rows[] = {
    { "not opened", FAULT_OPENAT, "spare", 1, FALSE, "segment-open" },
    { "not opened for reading", FAULT_OPENAT, "spare", 2, FALSE, "segment-open" },
    { "header not written", FAULT_PWRITE, "spare", 1, FALSE, "segment-write" },
    { "header not synced", FAULT_FDATASYNC, "spare", 1, FALSE, "segment-sync" },
    { "not named", FAULT_RENAME, NULL, 1, FALSE, "segment-name" },
    { "directory not synced", FAULT_FSYNC, NULL, 1, TRUE, "segment-sync" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      Place place;

      place_init (&place);
      g_assert_true (hf_spare_make (place.dir_fd, HF_JOURNAL_SPARE, 65536, HF_AHEAD_YES, NULL, &never, NULL));
      faults_fail (rows[i].call, rows[i].part, rows[i].nth, EIO);
      tap_check (rows[i].name, activate (&place, 42, &error) == NULL);
      tap_check_int (rows[i].name, faults_met (rows[i].call), 1);
      faults_reset ();
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      tap_check_int (rows[i].name, hf_error_errno (error), EIO);
      tap_check_int (rows[i].name, exists (&place, "0000000042.bsmtp"), rows[i].want_named);
      tap_check_int (rows[i].name, faults_descriptors (place.spool), 1); /* the directory */
      place_clear (&place);
    }
}

static void
test_P3_never_overwrites (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) octets = NULL;
  g_autofree gchar *path = NULL;
  Place place;

  place_init (&place);
  path = kit_segment_path (place.spool, 42);
  kit_write_file (path, "mail", 4);
  tap_check ("refused", activate (&place, 42, &error) == NULL);
  tap_check_int ("why", hf_error_errno (error), EEXIST);
  octets = kit_read_file (path);
  tap_check_str ("as it was", octets->str, "mail");
  place_clear (&place);
}

/* ---- the path check: KB Q146950 ---- */

static void
do_nothing (const Place *place)
{
}

static void
do_unlink (const Place *place)
{
  g_autofree gchar *path = kit_segment_path (place->spool, 42);

  g_assert_true (unlink (path) == 0);
}

static void
do_rename (const Place *place)
{
  g_autofree gchar *path = kit_segment_path (place->spool, 42), *other = kit_segment_path (place->spool, 41);

  g_assert_true (rename (path, other) == 0);
}

static void
do_replace (const Place *place)
{
  g_autofree gchar *path = kit_segment_path (place->spool, 42);

  do_unlink (place);
  kit_write_file (path, "another", 7);
}

static void
do_move_directory (const Place *place)
{
  g_autofree gchar *away = g_build_filename (place->spool, "away", NULL);

  g_assert_true (rename (place->dir, away) == 0);
}

static void
do_move_and_make_anew (const Place *place)
{
  do_move_directory (place);
  g_assert_true (mkdir (place->dir, 0700) == 0);
}

/* Another name for the same file leads to it as well. */
static void
do_hard_link (const Place *place)
{
  g_autofree gchar *path = kit_segment_path (place->spool, 42), *other = kit_path (place->spool, "link");

  g_assert_true (link (path, other) == 0 && unlink (path) == 0 && rename (other, path) == 0);
}

static void
test_P1_path_check (void)
{
  static const struct
  {
    const gchar *name;
    void (*deed) (const Place *place);
    const gchar *want; /* part of the message; NULL: all is well */
  } rows[] = {
    { "nothing", do_nothing, NULL },
    { "unlinked", do_unlink, "is gone" },
    { "renamed", do_rename, "is gone" },
    { "another file", do_replace, "is another file now" },
    { "directory renamed", do_move_directory, "is gone" },
    { "directory renamed and made anew", do_move_and_make_anew, "is gone" },
    { "by another name", do_hard_link, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfSegment) segment = NULL;
      g_autoptr (GError) error = NULL;
      Place place;
      gboolean ok;

      place_init (&place);
      segment = activate (&place, 42, NULL);
      tap_check (rows[i].name, hf_segment_write (segment, "x", 1, HF_BLOCK, NULL));
      segment->written = HF_BLOCK + 1;
      rows[i].deed (&place);
      ok = hf_segment_sync (segment, segment->written, &error);
      tap_check_int (rows[i].name, ok, rows[i].want == NULL);
      tap_check_int (rows[i].name, segment->synced, ok ? HF_BLOCK + 1 : HF_BLOCK);
      if (!ok)
        {
          tap_check_has (rows[i].name, error->message, rows[i].want);
          tap_check_str (rows[i].name, hf_error_step (error), "path-check");
        }
      place_clear (&place);
    }
}

static void
test_P2_write_and_sync_failures (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
    HfErrorCode want;
    const gchar *want_step;
  } rows[] = {
    { "no room after all", FAULT_PWRITE, ENOSPC, HF_ERROR_FULL, "segment-write" },
    { "too large", FAULT_PWRITE, EFBIG, HF_ERROR_FULL, "segment-write" },
    { "read-only", FAULT_PWRITE, EROFS, HF_ERROR_IO, "segment-write" },
    { "nothing written", FAULT_PWRITE, 0, HF_ERROR_IO, "segment-write" },
    { "sync", FAULT_FDATASYNC, EIO, HF_ERROR_IO, "segment-sync" },
    { "sync without room", FAULT_FDATASYNC, ENOSPC, HF_ERROR_FULL, "segment-sync" },
    { "path not looked at", FAULT_STAT, EACCES, HF_ERROR_DENIED, "path-check" },
    { "file not looked at", FAULT_FSTAT, EIO, HF_ERROR_IO, "path-check" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfSegment) segment = NULL;
      g_autoptr (GError) error = NULL;
      Place place;

      place_init (&place);
      segment = activate (&place, 42, NULL);
      faults_fail (rows[i].call, ".bsmtp", 1, rows[i].number);
      tap_check (rows[i].name, !hf_segment_write (segment, "x", 1, HF_BLOCK, &error)
                                 || (segment->written++, !hf_segment_sync (segment, segment->written, &error)));
      faults_reset ();
      tap_check_int (rows[i].name, error != NULL ? (gint) error->code : -1, rows[i].want);
      tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      tap_check_int (rows[i].name, segment->synced, HF_BLOCK);
      place_clear (&place);
    }
}

/* A write that the kernel does in parts is done to its end. */
static void
test_short_writes (void)
{
  g_autoptr (HfSegment) segment = NULL;
  gchar octets[300], back[300];
  Place place;

  place_init (&place);
  segment = activate (&place, 42, NULL);
  memset (octets, 'm', sizeof octets);
  faults_cut (FAULT_PWRITE, ".bsmtp", 1);
  tap_check ("written", hf_segment_write (segment, octets, sizeof octets, HF_BLOCK, NULL));
  tap_check_int ("in parts", faults_count (FAULT_PWRITE), 2);
  faults_reset ();
  tap_check_int ("all there", pread (segment->read_fd, back, sizeof back, HF_BLOCK), sizeof back);
  tap_check ("all there", memcmp (octets, back, sizeof back) == 0);
  place_clear (&place);
}

static void
test_close_clean (void)
{
  static const struct
  {
    const gchar *name;
    gboolean fail;
    guint64 want_size;
  } rows[] = { { "cut", FALSE, 2 * HF_BLOCK }, { "cut fails", TRUE, 65536 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfSegment *segment;
      Place place;

      place_init (&place);
      segment = activate (&place, 42, NULL);
      segment->written = 2 * HF_BLOCK;
      tap_check (rows[i].name, hf_segment_sync (segment, segment->written, NULL));
      if (rows[i].fail)
        faults_fail (FAULT_FTRUNCATE, NULL, 1, EIO);
      hf_segment_close_clean (segment);
      faults_reset ();
      tap_check_int (rows[i].name, size_of (&place, "0000000042.bsmtp"), rows[i].want_size);
      tap_check_int (rows[i].name, faults_descriptors (".bsmtp"), 0);
      place_clear (&place);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "spare", test_spare },
    { "spare-failures", test_spare_failures },
    { "spare-stopped", test_spare_stopped },
    { "activate", test_activate },
    { "P1-named-only-when-synced", test_P1_named_only_when_synced },
    { "P3-never-overwrites", test_P3_never_overwrites },
    { "P1-path-check", test_P1_path_check },
    { "P2-write-and-sync-failures", test_P2_write_and_sync_failures },
    { "short-writes", test_short_writes },
    { "close-clean", test_close_clean },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("segment", tests, argc, argv);
}
