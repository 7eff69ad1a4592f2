/* test-scrub.c - a copy that the disk has changed is found, told once, and kept (P5)
 *
 * A real auditor goes its rounds over a journal made by hand, on a clock and a
 * device of the test's own: three segments, of messages 1 to 4, 5 to 6, and 7.
 * Each message begins a block: 1 stands at 4096, 2 at 8192.  The newest
 * segment is never read again.
 */
#include <config.h>

#include "milter/audit/auditor.h"
#include "milter/base/sys.h"
#include "milter/ledger/ledger.h"
#include "milter/ledger/scrub-position.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BODY "Subject: x\r\n\r\nThe text of it.\r\n"
#define HOUR_MS (3600 * 1000)
#define ALL_WHOLE "1 whole, 2 whole, 3 whole, 4 whole, 5 whole, 6 whole, 7 whole"
#define SECOND_DAMAGED "1 whole, 2 damaged, 3 whole, 4 whole, 5 whole, 6 whole, 7 whole"

/* ---- clock and device ---- */

static gint64 now_ms;

static int
test_clock (clockid_t clock, struct timespec *out_time)
{
  *out_time = (struct timespec){ .tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000 };
  return 0;
}

/* What reading segment 1 gives beside what is in the file. */
static struct
{
  ino_t inode;
  guint64 bad_at;     /* 0: none; this block gives EIO */
  guint64 flip_at;    /* 0: none; this octet is read wrong once */
  const gchar *stale; /* what memory still holds of the file, where it was not told to forget */
  gsize stale_size;
  gboolean forgotten[64]; /* by block */
  guint64 read;       /* octets */
} device;

static gboolean
is_device (int fd)
{
  struct stat st;

  return device.inode != 0 && fstat (fd, &st) == 0 && st.st_ino == device.inode;
}

static ssize_t
test_pread (int fd, void *data, size_t size, off_t offset)
{
  const guint64 at = (guint64) offset;
  gchar *octets = data;
  ssize_t n;

  if (!is_device (fd))
    return pread (fd, data, size, offset);
  if (device.bad_at != 0 && at < device.bad_at + HF_BLOCK && at + size > device.bad_at)
    {
      if (at >= device.bad_at)
        {
          errno = EIO;
          return -1;
        }
      size = device.bad_at - at;
    }
  n = pread (fd, data, size, offset);
  device.read += (guint64) MAX (n, 0);
  if (device.flip_at != 0 && at <= device.flip_at && (gint64) at + n > (gint64) device.flip_at)
    {
      octets[device.flip_at - at] ^= 1;
      device.flip_at = 0;
    }
  for (gint64 i = 0; i < n && device.stale != NULL; i++)
    if (!device.forgotten[(at + (guint64) i) / HF_BLOCK] && at + (guint64) i < device.stale_size)
      octets[i] = device.stale[at + (guint64) i];
  return n;
}

static int
test_forget (int fd, off_t offset, off_t length)
{
  for (guint i = 0; is_device (fd) && i < G_N_ELEMENTS (device.forgotten); i++)
    if (i * HF_BLOCK >= (guint64) offset && (length == 0 || i * HF_BLOCK < (guint64) (offset + length)))
      device.forgotten[i] = TRUE;
  return 0;
}

/* ---- the bench ---- */

typedef struct
{
  gchar *spool;
  HfConfig *config;
  HfAuditor *auditor;
  GString *first; /* segment 1 as it was written */
} Bench;

static void
open_auditor (Bench *self, gboolean rebuild)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->auditor, hf_auditor_free);
  self->auditor = hf_auditor_open (self->config, rebuild, &error);
  if (self->auditor == NULL)
    g_error ("no auditor: %s", error->message);
}

static void
pass_rounds (Bench *self, guint count)
{
  g_autoptr (GError) error = NULL;
  gboolean idle;

  for (guint i = 0; i < count; i++)
    {
      now_ms += 1000;
      tap_check ("round", hf_auditor_round (self->auditor, FALSE, &idle, &error));
    }
}

/* Time goes by until the next pass is due, and is through. */
static void
pass_day (Bench *self)
{
  now_ms += 25 * HOUR_MS;
  pass_rounds (self, 3);
}

/* @torn: segment 2 notes that what stands behind message 4 in the first was not finished. */
static void
write_segments (const gchar *spool, gboolean torn)
{
  static const guint last[] = { 4, 6, 7 };
  KitSegment segments[3];
  guint number = 0;

  for (guint i = 0; i < G_N_ELEMENTS (segments); i++)
    {
      kit_segment_init (&segments[i], i + 1, i > 0 ? &segments[i - 1] : NULL);
      if (i == 1 && torn)
        kit_segment_torn (&segments[i], 1, 5 * HF_BLOCK, HF_BLOCK);
      kit_segment_pad (&segments[i]);
      while (number < last[i])
        {
          kit_segment_message (&segments[i], ++number, BODY, -1);
          kit_segment_pad (&segments[i]);
        }
      if (i == 0 && torn)
        g_string_append (segments[i].text, "NOOP holdfast-message nonce=");
      else
        kit_segment_end (&segments[i]);
      kit_segment_save (&segments[i], spool, 0);
    }
  for (guint i = 0; i < G_N_ELEMENTS (segments); i++)
    kit_segment_clear (&segments[i]);
}

static void
bench_init (Bench *self, const gchar *rate, gboolean torn)
{
  g_autofree gchar *path = NULL, *text = NULL, *log = NULL, *first = NULL;
  g_autoptr (GError) error = NULL;
  struct stat st;

  self->auditor = NULL;
  self->spool = kit_spool_new ();
  log = g_build_filename (self->spool, "mail.log", NULL);
  kit_write_file (log, "", 0);
  path = g_build_filename (self->spool, "milter.conf", NULL);
  text = g_strdup_printf ("[spool]\ndirectory = %s\n[mta]\ntype = sendmail\nlog = file:%s\nqueue = %s/none\n"
                          "[audit]\nscrub_rate = %s\nsnapshot_interval = 1d\n",
                          self->spool, log, self->spool, rate);
  kit_write_file (path, text, strlen (text));
  self->config = hf_config_load (path, &error);
  if (self->config == NULL)
    g_error ("%s", error->message);
  write_segments (self->spool, torn);
  first = kit_segment_path (self->spool, 1);
  self->first = kit_read_file (first);
  memset (&device, 0, sizeof device);
  if (stat (first, &st) == 0)
    device.inode = st.st_ino;
  now_ms = G_GINT64_CONSTANT (1800000000000);
  hf_sys.clock_gettime = test_clock;
  hf_sys.pread = test_pread;
  hf_sys.forget = test_forget;
  kit_events_keep ();
  open_auditor (self, FALSE);
}

static void
bench_clear (Bench *self)
{
  hf_sys = hf_sys_real;
  hf_auditor_free (self->auditor);
  hf_config_free (self->config);
  g_string_free (self->first, TRUE);
  kit_spool_free (self->spool);
}

static sqlite3_stmt *
query (HfLedger *ledger, const gchar *sql)
{
  sqlite3_stmt *row = hf_ledger_prepare (ledger, sql, NULL);

  g_assert_nonnull (row);
  return row;
}

/* "1 whole, 2 damaged, breach 20480": what the ledger says of all copies. */
static gchar *
copies (const Bench *self)
{
  g_autoptr (HfLedger) ledger = hf_ledger_open (self->spool, HF_LEDGER_READ, NULL);
  g_autoptr (sqlite3_stmt) row = query (ledger, "SELECT id, copy FROM envelope ORDER BY segment, offset");
  g_autoptr (sqlite3_stmt) breach = query (ledger, "SELECT offset FROM breach ORDER BY 1");
  GString *text = g_string_new (NULL);

  while (sqlite3_step (row) == SQLITE_ROW)
    {
      HfId id;

      g_strlcpy (id.text, (const gchar *) sqlite3_column_text (row, 0), sizeof id.text);
      g_string_append_printf (text, "%s%u %s", text->len > 0 ? ", " : "", kit_number (&id), sqlite3_column_text (row, 1));
    }
  while (sqlite3_step (breach) == SQLITE_ROW)
    g_string_append_printf (text, ", breach %d", sqlite3_column_int (breach, 0));
  return g_string_free (text, FALSE);
}

static void
check_copies (const gchar *name, const Bench *self, const gchar *want)
{
  g_autofree gchar *found = copies (self);

  tap_check_str (name, found, want);
}

static void
position_of (const Bench *self, HfScrubPosition *out_position)
{
  g_autoptr (HfLedger) ledger = hf_ledger_open (self->spool, HF_LEDGER_READ, NULL);
  g_autofree gchar *text = NULL;

  hf_scrub_position_init (out_position);
  if (hf_ledger_position (ledger, HF_SCRUB_SOURCE, &text, NULL) && text != NULL)
    hf_scrub_position_parse (text, out_position);
}

/* Puts @size octets of @data at @offset of segment 1; what was there is in first. */
static void
overwrite (const Bench *self, guint64 offset, const gchar *data, gsize size)
{
  g_autofree gchar *path = kit_segment_path (self->spool, 1);
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0 || hf_sys_pwrite_all (fd, data, size, (off_t) offset) < 0)
    g_error ("cannot write '%s'", path);
  close (fd);
}

static guint64
offset_of (const Bench *self, guint64 from, const gchar *what)
{
  const gchar *found = g_strstr_len (self->first->str + from, (gssize) (self->first->len - from), what);

  g_assert_nonnull (found);
  return (guint64) (found - self->first->str);
}

/* ---- tests ---- */

static void
test_sound (void)
{
  HfScrubPosition position;
  Bench bench;

  bench_init (&bench, "1M", FALSE);
  pass_rounds (&bench, 3);
  check_copies ("all of them", &bench, ALL_WHOLE);
  tap_check_int ("one pass", kit_events_count (HF_EVENT_SCRUB_PASSED), 1);
  pass_rounds (&bench, 40);
  tap_check_int ("and no other on that day", kit_events_count (HF_EVENT_SCRUB_PASSED), 1);
  position_of (&bench, &position);
  tap_check_int ("none is under way", position.began_ms, -1);
  tap_check ("when the last ended is known", position.ended_ms > G_GINT64_CONSTANT (1800000000000) && position.ended_ms <= now_ms);
  tap_check ("and what it read", position.ended_octets >= bench.first->len);
  pass_day (&bench);
  tap_check_int ("a day later there is one", kit_events_count (HF_EVENT_SCRUB_PASSED), 2);
  tap_check_int ("nothing was told", kit_events_count (HF_EVENT_COPY_DAMAGED) + kit_events_count (HF_EVENT_JOURNAL_BREACH), 0);
  bench_clear (&bench);
}

/* One octet changes on the disk; each row says where, and what comes of it. */
static void
test_damage (void)
{
  static const struct
  {
    const gchar *name;
    guint64 from;
    const gchar *at; /* what is changed: the first octet of this text at or behind from */
    const gchar *want;
    guint damaged, breaches; /* events */
  } rows[] = {
    { "the message", 2 * HF_BLOCK, "text of", SECOND_DAMAGED, 1, 0 },
    { "a recipient's address", 2 * HF_BLOCK, "b@example.org", SECOND_DAMAGED, 1, 0 },
    { "the id", 2 * HF_BLOCK, "id=", SECOND_DAMAGED, 1, 0 },
    { "the line that begins the record", 2 * HF_BLOCK, "holdfast-message", SECOND_DAMAGED, 1, 0 },
    { "the seal", 2 * HF_BLOCK, "holdfast-seal", SECOND_DAMAGED, 1, 0 },
    { "padding", 2 * HF_BLOCK, "-----", ALL_WHOLE ", breach 8760", 0, 1 },
    { "the header: the next segment has the nonce", 0, "host=", ALL_WHOLE ", breach 0", 0, 1 },
    { "the line that closes it", 5 * HF_BLOCK, "holdfast-end", ALL_WHOLE ", breach 20480", 0, 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *line = NULL, *id = NULL, *found = NULL;
      guint64 offset;
      gchar octet;
      Bench bench;
      HfId second;

      bench_init (&bench, "1M", FALSE);
      pass_rounds (&bench, 3);
      offset = offset_of (&bench, rows[i].from, rows[i].at);
      octet = bench.first->str[offset] == 'x' ? 'y' : 'x';
      overwrite (&bench, offset, &octet, 1);
      pass_day (&bench);
      found = copies (&bench);
      if (g_str_has_prefix (rows[i].name, "padding"))
        tap_check (rows[i].name, g_str_has_prefix (found, ALL_WHOLE ", breach 8") || g_str_has_prefix (found, ALL_WHOLE ", breach 9"));
      else
        tap_check_str (rows[i].name, found, rows[i].want);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_COPY_DAMAGED), rows[i].damaged);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_JOURNAL_BREACH), rows[i].breaches);
      if (rows[i].damaged > 0)
        {
          kit_id (2, &second);
          id = g_strconcat ("id=", second.text, NULL);
          line = kit_events_line (HF_EVENT_COPY_DAMAGED);
          tap_check_has (rows[i].name, line, id);
          tap_check_has (rows[i].name, line, "queue=Q2");
          tap_check_has (rows[i].name, line, "0000000001.bsmtp");
          tap_check_has (rows[i].name, line, "offset=8192");
        }
      pass_day (&bench);
      open_auditor (&bench, TRUE);
      check_copies ("the same after another pass and a rebuilding", &bench, found);
      pass_day (&bench);
      check_copies ("and a pass after that", &bench, found);
      tap_check_int ("nothing is told twice", kit_events_count (HF_EVENT_COPY_DAMAGED) + kit_events_count (HF_EVENT_JOURNAL_BREACH), 1);

      overwrite (&bench, offset, bench.first->str + offset, 1);
      pass_day (&bench);
      check_copies ("whole again", &bench, ALL_WHOLE);
      tap_check_int ("which is told", kit_events_count (HF_EVENT_COPY_SOUND), 1);
      bench_clear (&bench);
    }
}

/* The envelope is in the books, whatever became of the copy. */
static void
test_envelope_stays (void)
{
  g_autofree gchar *zeros = g_malloc0 (HF_BLOCK);
  Bench bench;

  bench_init (&bench, "1M", FALSE);
  pass_rounds (&bench, 3);
  overwrite (&bench, 2 * HF_BLOCK, zeros, HF_BLOCK);
  pass_day (&bench);
  check_copies ("nothing is left of it", &bench, SECOND_DAMAGED);
  {
    g_autoptr (HfLedger) ledger = hf_ledger_open (bench.spool, HF_LEDGER_READ, NULL);
    g_autoptr (sqlite3_stmt) row = query (ledger, "SELECT e.sender, r.address, e.copy_fault, e.copy_since FROM envelope e"
                                                  " JOIN recipient r ON r.envelope = e.n WHERE e.copy = 'damaged'");

    if (tap_check ("its envelope", sqlite3_step (row) == SQLITE_ROW))
      {
        tap_check_str ("sender", (const gchar *) sqlite3_column_text (row, 0), "a@example.org");
        tap_check_str ("recipient", (const gchar *) sqlite3_column_text (row, 1), "b@example.org");
        tap_check ("why", sqlite3_column_bytes (row, 2) > 0);
        tap_check ("since when", sqlite3_column_int64 (row, 3) > G_GINT64_CONSTANT (1800000000000));
      }
  }
  bench_clear (&bench);
}

static void
test_cut_short (void)
{
  g_autofree gchar *path = NULL;
  Bench bench;

  bench_init (&bench, "1M", FALSE);
  pass_rounds (&bench, 3);
  path = kit_segment_path (bench.spool, 1);
  tap_check_int ("truncate", truncate (path, 3 * HF_BLOCK + 100), 0);
  pass_day (&bench);
  check_copies ("what is missing at the end", &bench, "1 whole, 2 whole, 3 damaged, 4 damaged, 5 whole, 6 whole, 7 whole");
  tap_check_int ("each is told", kit_events_count (HF_EVENT_COPY_DAMAGED), 2);
  bench_clear (&bench);
}

/* What a crash left unfinished, and the next start noted, was never whole. */
static void
test_torn (void)
{
  Bench bench;

  bench_init (&bench, "1M", TRUE);
  pass_rounds (&bench, 3);
  check_copies ("no damage", &bench, ALL_WHOLE);
  tap_check_int ("no alarm", kit_events_count (HF_EVENT_JOURNAL_BREACH) + kit_events_count (HF_EVENT_COPY_DAMAGED), 0);
  tap_check_int ("the pass is through", kit_events_count (HF_EVENT_SCRUB_PASSED), 1);
  bench_clear (&bench);
}

/* A block gives EIO: at first that is told, and nothing else. */
static void
test_read_error (void)
{
  static const struct
  {
    const gchar *name;
    gboolean lasts; /* longer than a minute */
    const gchar *want;
    guint damaged;
  } rows[] = {
    { "over within a minute", FALSE, ALL_WHOLE, 0 },
    { "it lasts", TRUE, SECOND_DAMAGED, 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *line = NULL;
      Bench bench;

      bench_init (&bench, "1M", FALSE);
      pass_rounds (&bench, 3);
      device.bad_at = 2 * HF_BLOCK;
      pass_day (&bench);
      check_copies (rows[i].name, &bench, ALL_WHOLE);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_COPY_UNREADABLE), 1);
      line = kit_events_line (HF_EVENT_COPY_UNREADABLE);
      tap_check_has (rows[i].name, line, "errno=EIO");
      if (!rows[i].lasts)
        device.bad_at = 0;
      pass_rounds (&bench, 70);
      check_copies (rows[i].name, &bench, rows[i].want);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_COPY_DAMAGED), rows[i].damaged);
      pass_day (&bench);
      pass_rounds (&bench, 70);
      tap_check_int ("each is told once", kit_events_count (HF_EVENT_COPY_UNREADABLE) + kit_events_count (HF_EVENT_COPY_DAMAGED),
                     1 + rows[i].damaged);
      device.bad_at = 0;
      pass_day (&bench);
      check_copies ("it can be read again", &bench, ALL_WHOLE);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_COPY_SOUND), rows[i].damaged);
      bench_clear (&bench);
    }
}

/* Read wrong once, and right when read again: memory or a cable, not the copy. */
static void
test_read_wrong_once (void)
{
  Bench bench;

  bench_init (&bench, "1M", FALSE);
  pass_rounds (&bench, 3);
  device.flip_at = offset_of (&bench, 2 * HF_BLOCK, "text of");
  pass_day (&bench);
  tap_check_int ("it was read wrong", device.flip_at, 0);
  check_copies ("all of them", &bench, ALL_WHOLE);
  tap_check_int ("no alarm", kit_events_count (HF_EVENT_COPY_DAMAGED), 0);
  bench_clear (&bench);
}

/* Memory holds what was written; the disk no longer does. */
static void
test_past_the_cache (void)
{
  guint64 offset;
  Bench bench;

  bench_init (&bench, "1M", FALSE);
  pass_rounds (&bench, 3);
  offset = offset_of (&bench, 2 * HF_BLOCK, "text of");
  overwrite (&bench, offset, "T", 1);
  device.stale = bench.first->str;
  device.stale_size = bench.first->len;
  memset (device.forgotten, 0, sizeof device.forgotten);
  pass_day (&bench);
  check_copies ("the device was asked", &bench, SECOND_DAMAGED);
  device.stale = NULL;
  bench_clear (&bench);
}

/* No faster than it may, and on from where it was, over restarts. */
static void
test_rate_and_restart (void)
{
  HfScrubPosition before, after;
  guint rounds = 0;
  Bench bench;

  bench_init (&bench, "500", FALSE);
  pass_rounds (&bench, 1);
  device.read = 0;
  pass_rounds (&bench, 14);
  tap_check_int ("not through", kit_events_count (HF_EVENT_SCRUB_PASSED), 0);
  pass_rounds (&bench, 31);
  open_auditor (&bench, FALSE);
  position_of (&bench, &before);
  tap_check ("a pass is under way", before.began_ms > 0 && (before.seq > 1 || before.offset >= 2 * HF_BLOCK));
  tap_check ("no more than may be read in that time, but for one record", before.octets <= 46 * 500 + HF_BLOCK);
  while (kit_events_count (HF_EVENT_SCRUB_PASSED) == 0 && rounds++ < 120)
    pass_rounds (&bench, 1);
  pass_rounds (&bench, 31);
  position_of (&bench, &after);
  tap_check ("each octet counts once", after.ended_octets > before.octets && after.ended_octets <= 10 * HF_BLOCK);
  tap_check ("it went on where it was, less the half minute that was not kept", rounds < 60);
  bench_clear (&bench);

  bench_init (&bench, "0", FALSE);
  pass_rounds (&bench, 3);
  overwrite (&bench, offset_of (&bench, 2 * HF_BLOCK, "text of"), "T", 1);
  pass_day (&bench);
  check_copies ("0 is off", &bench, ALL_WHOLE);
  bench_clear (&bench);
}

/* A segment that goes while the auditor runs is missed at once, not at its next start. */
static void
test_vanished (void)
{
  g_autofree gchar *path = NULL;
  Bench bench;

  bench_init (&bench, "1M", FALSE);
  pass_rounds (&bench, 3);
  path = kit_segment_path (bench.spool, 1);
  tap_check_int ("unlink", unlink (path), 0);
  pass_rounds (&bench, 6);
  check_copies ("its copies", &bench, "1 damaged, 2 damaged, 3 damaged, 4 damaged, 5 whole, 6 whole, 7 whole");
  tap_check_int ("one alarm for all", kit_events_count (HF_EVENT_COPY_GONE), 1);
  pass_day (&bench);
  open_auditor (&bench, FALSE);
  pass_rounds (&bench, 10);
  tap_check_int ("told once", kit_events_count (HF_EVENT_COPY_GONE), 1);
  kit_write_file (path, bench.first->str, bench.first->len);
  open_auditor (&bench, FALSE);
  check_copies ("put back", &bench, ALL_WHOLE);
  bench_clear (&bench);
}

static void
test_position (void)
{
  static const gchar full[]
      = "segment=12 offset=8192 octets=99 began=2026-11-22T20:18:05.000Z ended=2026-11-21T20:18:05.000Z ended_octets=1234";
  static const gchar *const odd[] = { "", "segment", "segment=x offset=-1 began=yesterday", "more=1 =2 segment=" };
  g_autofree gchar *text = NULL;
  HfScrubPosition position;

  hf_scrub_position_parse (full, &position);
  text = hf_scrub_position_format (&position);
  tap_check_str ("there and back", text, full);
  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      hf_scrub_position_parse (odd[i], &position);
      tap_check (odd[i], position.seq == 0 && position.offset == 0 && position.began_ms == -1 && position.ended_ms == -1);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "sound", test_sound },
    { "damage", test_damage },
    { "envelope-stays", test_envelope_stays },
    { "cut-short", test_cut_short },
    { "torn", test_torn },
    { "read-error", test_read_error },
    { "read-wrong-once", test_read_wrong_once },
    { "past-the-cache", test_past_the_cache },
    { "rate-and-restart", test_rate_and_restart },
    { "vanished", test_vanished },
    { "position", test_position },
    { NULL, NULL },
  };

  return tap_run ("scrub", tests, argc, argv);
}
