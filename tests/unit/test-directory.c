/* test-directory.c - names, odd files, and how far the open segment is synced */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_names (void)
{
  static const struct
  {
    const gchar *name;
    guint64 want; /* 0: no segment's */
  } rows[] = {
    { "0000000001.bsmtp", 1 },
    { "0000000042.bsmtp", 42 },
    { "9999999999.bsmtp", G_GUINT64_CONSTANT (9999999999) },
    { "10000000000.bsmtp", G_GUINT64_CONSTANT (10000000000) },
    { "999999999999999.bsmtp", HF_SEQ_MAX },
    { "1000000000000000.bsmtp", 0 },
    { "18446744073709551615.bsmtp", 0 },
    { "18446744073709551616.bsmtp", 0 },
    { "99999999999999999999999999.bsmtp", 0 },
    { "0000000000.bsmtp", 0 },
    { "00000000042.bsmtp", 0 },
    { "00000000000000000042.bsmtp", 0 },
    { "42.bsmtp", 0 },
    { "000000042.bsmtp", 0 },
    { "0000000042.bsmtp~", 0 },
    { "0000000042.bsmtp.gz", 0 },
    { "0000000042.BSMTP", 0 },
    { "0000000042", 0 },
    { "0000000042 .bsmtp", 0 },
    { "+000000042.bsmtp", 0 },
    { "-000000042.bsmtp", 0 },
    { " 0000000042.bsmtp", 0 },
    { ".bsmtp", 0 },
    { "lock", 0 },
    { "open", 0 },
    { "spare", 0 },
    { "", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfSegmentName name;
      guint64 seq = 0;

      tap_check_int (rows[i].name, hf_segment_seq (rows[i].name, &seq), rows[i].want != 0);
      if (rows[i].want == 0)
        continue;
      tap_check_int (rows[i].name, seq, rows[i].want);
      hf_segment_name (seq, &name);
      tap_check_str (rows[i].name, name.text, rows[i].name);
    }
}

static void
test_list (void)
{
  static const gchar *const files[]
    = { "0000000010.bsmtp", "0000000002.bsmtp", "10000000000.bsmtp", "lock", "open", "spare", "large",
        "0000000003.bsmtp.bak", "00000000004.bsmtp", "18446744073709551615.bsmtp", "core" };
  static const guint64 want[] = { 2, 10, G_GUINT64_CONSTANT (10000000000) };
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *dir = kit_path (spool, NULL);
  g_autofree gchar *absent = kit_path (spool, "absent");
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) seqs = hf_directory_list (dir, NULL);

  tap_check ("empty", seqs != NULL && seqs->len == 0);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree gchar *path = kit_path (spool, files[i]);

      kit_write_file (path, "x", 1);
    }
  g_array_unref (seqs);
  seqs = hf_directory_list (dir, NULL);
  tap_check ("listed", seqs != NULL && seqs->len == G_N_ELEMENTS (want)
                         && memcmp (seqs->data, want, sizeof want) == 0);
  tap_check ("absent", hf_directory_list (absent, &error) == NULL);
  tap_check ("absent", g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND));
}

static void
test_open_file (void)
{
  static const struct
  {
    const gchar *name;
    HfErrorCode want;
    const gchar *want_message;
  } rows[] = {
    { "directory", HF_ERROR_CORRUPT, "is no regular file" },
    { "fifo", HF_ERROR_CORRUPT, "is no regular file" },
    { "link", HF_ERROR_IO, "cannot open segment" },
    { "absent", HF_ERROR_NOT_FOUND, "cannot open segment" },
  };
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *file = kit_path (spool, "file"), *directory = kit_path (spool, "directory");
  g_autofree gchar *fifo = kit_path (spool, "fifo"), *link = kit_path (spool, "link");
  guint64 size = 0;
  int fd;

  kit_write_file (file, "12345", 5);
  g_assert_true (mkdir (directory, 0700) == 0 && mkfifo (fifo, 0600) == 0 && symlink ("file", link) == 0);
  fd = hf_segment_open_file (file, "test", &size, NULL);
  tap_check ("file", fd >= 0);
  tap_check_int ("file", size, 5);
  hf_sys_close (&fd);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = kit_path (spool, rows[i].name);
      g_autoptr (GError) error = NULL;

      tap_check_int (rows[i].name, hf_segment_open_file (path, "test", &size, &error), -1);
      if (!tap_check (rows[i].name, error != NULL))
        continue;
      tap_check_int (rows[i].name, error->code, rows[i].want);
      tap_check_has (rows[i].name, error->message, rows[i].want_message);
      tap_check_str (rows[i].name, hf_error_step (error), "test");
    }
}

/* ---- the published offset ---- */

static void
write_open (const gchar *spool, const gchar *octets, gsize size)
{
  g_autofree gchar *path = kit_path (spool, HF_JOURNAL_OPEN);

  kit_write_file (path, octets, size);
}

static HfPublished
read_published (const gchar *spool, gboolean *out_live)
{
  g_autofree gchar *dir = kit_path (spool, NULL);
  gboolean live;
  HfPublished published;

  hf_directory_published (dir, &published, out_live != NULL ? out_live : &live);
  return published;
}

static void
test_published (void)
{
  static const struct
  {
    const gchar *name;
    HfPublished published;
  } rows[] = {
    { "none open", { .seq = 0 } },
    { "open", { .seq = 42, .nonce = { "0123456789abcdef0123456789abcdef" }, .synced = 1048576 } },
    { "greatest", { .seq = G_MAXUINT64, .nonce = { "ffffffffffffffffffffffffffffffff" }, .synced = G_MAXUINT64 } },
    { "closed", { .nonce = { "0123456789abcdef0123456789abcdef" }, .synced = 1048576, .closed = 42 } },
    { "closed, greatest",
      { .nonce = { "ffffffffffffffffffffffffffffffff" }, .synced = G_MAXUINT64, .closed = HF_SEQ_MAX } },
  };
  g_autoptr (KitSpool) spool = kit_spool_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const HfPublished *want = &rows[i].published;
      gchar text[HF_PUBLISHED_SIZE];
      HfPublished got;

      hf_published_format (want, text);
      tap_check_int (rows[i].name, text[HF_PUBLISHED_SIZE - 1], '\n');
      tap_check (rows[i].name, memchr (text, '\0', sizeof text) == NULL);
      write_open (spool, text, sizeof text);
      got = read_published (spool, NULL);
      tap_check_int (rows[i].name, got.seq, want->seq);
      tap_check_int (rows[i].name, got.synced, want->synced);
      tap_check_int (rows[i].name, got.closed, want->closed);
      if (hf_published_seq (want) != 0)
        tap_check_str (rows[i].name, got.nonce.text, want->nonce.text);
    }
}

/* A line with a bit turned over says what it said, or nothing at all. */
static void
test_published_damaged (void)
{
  const HfPublished published = { .seq = 42, .nonce = { "0123456789abcdef0123456789abcdef" }, .synced = 1048576 };
  g_autoptr (KitSpool) spool = kit_spool_new ();
  gchar text[HF_PUBLISHED_SIZE];
  guint refused = 0;

  hf_published_format (&published, text);
  /* one bit of each octet: a damaged line is read again for a tenth of a second */
  for (guint at = 0; at < 110; at += 7)
    {
      HfPublished got;

      text[at] ^= (gchar) (1 << at % 5);
      write_open (spool, text, sizeof text);
      got = read_published (spool, NULL);
      refused += got.seq == 0;
      if (got.seq != 0 && (got.seq != 42 || got.synced != 1048576 || strcmp (got.nonce.text, published.nonce.text) != 0))
        tap_check_int ("another line with a bit turned over at", at, -1);
      text[at] ^= (gchar) (1 << at % 5);
    }
  tap_check ("most are refused", refused >= 14);
}

static void
test_published_unreadable (void)
{
  gchar long_line[HF_PUBLISHED_SIZE + 1];
  g_autoptr (KitSpool) spool = kit_spool_new ();

  tap_check_int ("absent", read_published (spool, NULL).seq, 0);
  write_open (spool, "", 0);
  tap_check_int ("empty", read_published (spool, NULL).seq, 0);
  write_open (spool, "holdfast-open v=1 seq=42", 24);
  tap_check_int ("short", read_published (spool, NULL).seq, 0);
  memset (long_line, 'x', sizeof long_line);
  write_open (spool, long_line, HF_PUBLISHED_SIZE);
  tap_check_int ("other text", read_published (spool, NULL).seq, 0);
  hf_published_format (&(HfPublished){ .seq = 42, .nonce = { "x" }, .synced = 1 }, long_line);
  write_open (spool, long_line, sizeof long_line);
  tap_check_int ("too long", read_published (spool, NULL).seq, 0);
}

/* Writes lines in which synced is a thousand times seq, until told to stop. */
typedef struct
{
  gchar *path;
  gint stop;
  gint written;
} Scribe;

static gpointer
scribble (gpointer data)
{
  Scribe *self = data;
  int fd = hf_sys.open (self->path, O_WRONLY | O_CLOEXEC, 0);

  for (guint64 seq = 1; !g_atomic_int_get (&self->stop); seq = seq % 100000 + 1)
    {
      HfPublished published = { .seq = seq, .synced = seq * 1000 };
      gchar text[HF_PUBLISHED_SIZE];

      kit_nonce (seq, &published.nonce);
      hf_published_format (&published, text);
      if (hf_sys_pwrite_all (fd, text, sizeof text, 0) == 0)
        g_atomic_int_inc (&self->written);
    }
  hf_sys_close (&fd);
  return NULL;
}

/* A reader beside a busy filter never sees half of one line and half of the next. */
static void
test_published_while_written (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *lock_path = kit_path (spool, HF_JOURNAL_LOCK);
  Scribe scribe = { kit_path (spool, HF_JOURNAL_OPEN), 0, 0 };
  int lock = hf_sys.open (lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  pthread_t thread;

  kit_publish (spool, 1, 1000);
  tap_check_int ("a filter writes", hf_sys.lock (lock, 1), 0);
  g_assert_true (pthread_create (&thread, NULL, scribble, &scribe) == 0);
  for (guint i = 0; i < 2000 || g_atomic_int_get (&scribe.written) < 100; i++)
    {
      const HfPublished got = read_published (spool, NULL);
      HfNonce nonce;

      kit_nonce (got.seq, &nonce);
      if (got.seq == 0 || got.synced != got.seq * 1000 || strcmp (got.nonce.text, nonce.text) != 0)
        {
          tap_check_int ("a mixed line", (gint64) got.seq, -1);
          break;
        }
    }
  g_atomic_int_set (&scribe.stop, TRUE);
  pthread_join (thread, NULL);
  hf_sys_close (&lock);
  g_free (scribe.path);
}

static void
test_live (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *path = kit_path (spool, HF_JOURNAL_LOCK);
  gboolean live = TRUE;
  int fd;

  read_published (spool, &live);
  tap_check ("no lock", !live);
  fd = hf_sys.open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  live = TRUE;
  read_published (spool, &live);
  tap_check ("lock not held", !live);
  tap_check_int ("lock", hf_sys.lock (fd, 1), 0);
  read_published (spool, &live);
  tap_check ("held", live);
  hf_sys_close (&fd);
  read_published (spool, &live);
  tap_check ("let go", !live);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "names", test_names },
    { "list", test_list },
    { "open-file", test_open_file },
    { "published", test_published },
    { "published-damaged", test_published_damaged },
    { "published-unreadable", test_published_unreadable },
    { "published-while-written", test_published_while_written },
    { "live", test_live },
    { NULL, NULL },
  };

  return tap_run ("directory", tests, argc, argv);
}
