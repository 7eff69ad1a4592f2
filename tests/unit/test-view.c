/* test-view.c - the whole journal as a reader sees it: what counts, what is void, torn, damaged or missing */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE "Subject: x\r\n\r\ntext\r\n"

static void
check_view (const gchar *row, const gchar *spool, const gchar *want)
{
  g_autofree gchar *got = kit_view_text (spool, HF_READ_VERIFY);

  tap_check_str (row, got, want);
}

/* Three segments: 1: [1, 2] [3], 2: [4], 3: [5]; the first two closed in order. */
typedef struct
{
  gchar *spool;
  KitSegment segments[3];
} Journal;

static gsize
record_at (const KitSegment *segment, guint number)
{
  g_autofree gchar *queue = g_strdup_printf (" queue=Q%u ", number);
  const gchar *hit = strstr (segment->text->str, queue);

  if (hit == NULL)
    g_error ("no record %u", number);
  while (hit[-1] != '\n')
    hit--;
  return (gsize) (hit - segment->text->str);
}

static void
flip_message (KitSegment *segment, guint number)
{
  *strstr (segment->text->str + record_at (segment, number), "text") ^= 1;
}

static void
journal_init (Journal *self)
{
  self->spool = kit_spool_new ();
  for (guint i = 0; i < 3; i++)
    kit_segment_init (&self->segments[i], i + 1, i > 0 ? &self->segments[i - 1] : NULL);
}

/* Fills the segments in order, so that each header names the one before it. */
static void
journal_fill (Journal *self)
{
  KitSegment *s = self->segments;

  self->spool = kit_spool_new ();
  kit_segment_init (&s[0], 1, NULL);
  kit_segment_message (&s[0], 1, MESSAGE, -1);
  kit_segment_message (&s[0], 2, MESSAGE, -1);
  kit_segment_pad (&s[0]);
  kit_segment_message (&s[0], 3, MESSAGE, -1);
  kit_segment_pad (&s[0]);
  kit_segment_end (&s[0]);
  kit_segment_init (&s[1], 2, &s[0]);
  kit_segment_message (&s[1], 4, MESSAGE, -1);
  kit_segment_pad (&s[1]);
  kit_segment_end (&s[1]);
  kit_segment_init (&s[2], 3, &s[1]);
  kit_segment_message (&s[2], 5, MESSAGE, -1);
  kit_segment_pad (&s[2]);
}

static void
journal_save (const Journal *self)
{
  for (guint i = 0; i < 3; i++)
    kit_segment_save (&self->segments[i], self->spool, i == 2 ? 65536 : 0);
}

static void
journal_clear (Journal *self)
{
  for (guint i = 0; i < 3; i++)
    kit_segment_clear (&self->segments[i]);
  kit_spool_free (self->spool);
}

#define ALL "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:5 whole"

static void
test_all (void)
{
  g_autofree gchar *skimmed = NULL;
  Journal journal;

  journal_fill (&journal);
  journal_save (&journal);
  check_view ("all", journal.spool, ALL);
  skimmed = kit_view_text (journal.spool, HF_READ_SKIM);
  tap_check_str ("skimmed", skimmed, ALL);
  journal_clear (&journal);
}

/* ---- void marks ---- */

static void
test_P6_marks (void)
{
  Journal journal;

  journal_init (&journal);
  kit_segment_message (&journal.segments[0], 1, MESSAGE, -1);
  kit_segment_message (&journal.segments[0], 2, MESSAGE, -1);
  kit_segment_pad (&journal.segments[0]);
  kit_segment_void (&journal.segments[0], 1, 1); /* in the same segment */
  kit_segment_pad (&journal.segments[0]);
  kit_segment_message (&journal.segments[1], 3, MESSAGE, -1);
  kit_segment_pad (&journal.segments[1]);
  kit_segment_void (&journal.segments[2], 2, 1);  /* in a later one */
  kit_segment_void (&journal.segments[2], 99, 1); /* of a record that is not there */
  kit_segment_pad (&journal.segments[2]);
  journal_save (&journal);
  /* The headers were made before the records, and so follow from none of them. */
  check_view ("marked", journal.spool, "1:1 whole void, 1:2 whole void, 2:3 whole");
  journal_clear (&journal);
}

/* P7: a mark that does not verify marks nothing, and is told as damage. */
static void
test_P7_damaged_mark (void)
{
  Journal journal;

  journal_fill (&journal);
  kit_segment_void (&journal.segments[2], 4, 2);
  kit_segment_pad (&journal.segments[2]);
  *strstr (journal.segments[2].text->str, "reason=") ^= 1;
  journal_save (&journal);
  kit_publish (journal.spool, 3, journal.segments[2].text->len);
  check_view ("not marked", journal.spool, ALL ", 3:? damaged");
  journal_clear (&journal);
}

/* A copy of a mark in a message marks nothing, even with its segment's own nonce. */
static void
test_P7_mark_in_a_message (void)
{
  g_auto (KitSegment) forger;
  Journal journal;

  kit_segment_init (&forger, 3, NULL);
  kit_segment_void (&forger, 1, 1);
  journal_fill (&journal);
  kit_segment_message (&journal.segments[2], 6, forger.text->str, (gssize) forger.text->len);
  kit_segment_pad (&journal.segments[2]);
  journal_save (&journal);
  check_view ("not marked", journal.spool, ALL ", 3:6 whole");
  journal_clear (&journal);
}

/* ---- torn or damaged: T1 to T3 of doc/FORMAT ---- */

static void
test_torn_or_damaged (void)
{
  static const struct
  {
    const gchar *name;
    guint segment; /* from 0 */
    guint number;  /* the record with damage */
    guint64 note;  /* blocks covered by a note in the last segment, from the record's on; 0: no note */
    guint64 synced; /* blocks of segment 3, as published; 0: not known */
    const gchar *want;
  } rows[] = {
    { "T1 noted", 0, 3, 1, 0, "1:1 whole, 1:2 whole, 1:3 torn, 2:4 whole, 3:5 whole" },
    { "T2 not noted", 0, 3, 0, 0, "1:1 whole, 1:2 whole, 1:3 damaged, 2:4 whole, 3:5 whole" },
    { "T2 in front of others", 0, 1, 0, 0, "1:1 damaged, 1:2 whole, 1:3 whole, 2:4 whole, 3:5 whole" },
    { "T3 newest, not known", 2, 5, 0, 0, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:5 torn" },
    { "T3 newest, not synced", 2, 5, 0, 1, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:5 torn" },
    { "T3 newest, synced", 2, 5, 0, 2, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:5 damaged" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      KitSegment *segment;
      Journal journal;

      journal_fill (&journal);
      segment = &journal.segments[rows[i].segment];
      if (rows[i].note != 0)
        {
          kit_segment_torn (&journal.segments[2], segment->seq, record_at (segment, rows[i].number), 4096);
          kit_segment_pad (&journal.segments[2]);
        }
      flip_message (segment, rows[i].number);
      journal_save (&journal);
      if (rows[i].synced != 0)
        kit_publish (journal.spool, 3, rows[i].synced * HF_BLOCK);
      check_view (rows[i].name, journal.spool, rows[i].want);
      journal_clear (&journal);
    }
}

/* ---- P5: what is gone ---- */

static void
test_P5_gone (void)
{
  static const struct
  {
    const gchar *name;
    guint segment;
    guint64 left; /* blocks of the file; the rest is cut */
    gboolean nuls; /* or becomes NULs */
    guint64 synced;
    gboolean closed;
    const gchar *want;
  } rows[] = {
    { "last group of an older one cut", 0, 2, FALSE, 0, FALSE, "1:1 whole, 1:2 whole, 1:? damaged, 2:4 whole, 3:5 whole" },
    { "an older one emptied", 1, 0, FALSE, 0, FALSE, "1:1 whole, 1:2 whole, 1:3 whole, 2:? damaged, 3:5 whole" },
    { "an older one all NULs", 1, 0, TRUE, 0, FALSE, "1:1 whole, 1:2 whole, 1:3 whole, 2:? damaged, 3:5 whole" },
    { "the newest cut, and `open` knows", 2, 1, FALSE, 2, FALSE,
      "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged" },
    { "the newest NULs, and `open` knows", 2, 1, TRUE, 2, FALSE,
      "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged" },
    { "the newest cut after it was closed", 2, 1, FALSE, 2, TRUE,
      "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged" },
    { "the newest NULs after it was closed", 2, 1, TRUE, 2, TRUE,
      "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged" },
    { "the newest cut, and nobody knows", 2, 1, FALSE, 0, FALSE, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole" },
    { "the newest emptied", 2, 0, FALSE, 0, FALSE, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Journal journal;
      GString *text;

      journal_fill (&journal);
      text = journal.segments[rows[i].segment].text;
      if (rows[i].nuls)
        memset (text->str + rows[i].left * HF_BLOCK, 0, text->len - rows[i].left * HF_BLOCK);
      else
        g_string_truncate (text, rows[i].left * HF_BLOCK);
      journal_save (&journal);
      if (rows[i].segment == 2 && !rows[i].nuls)
        kit_segment_save (&journal.segments[2], journal.spool, 0);
      if (rows[i].synced != 0)
        (rows[i].closed ? kit_publish_closed : kit_publish) (journal.spool, 3, rows[i].synced * HF_BLOCK);
      check_view (rows[i].name, journal.spool, rows[i].want);
      journal_clear (&journal);
    }
}

static void
remove_segment (const Journal *journal, guint64 seq)
{
  g_autofree gchar *path = kit_segment_path (journal->spool, seq);

  g_assert_true (unlink (path) == 0);
}

static void
check_missing (const gchar *row, const Journal *journal, guint64 want)
{
  g_autoptr (HfView) view = hf_view_open (journal->spool, HF_READ_SKIM, NULL);
  const GArray *missing = hf_view_missing (view);

  tap_check (row, missing->len == 1 && g_array_index (missing, guint64, 0) == want);
}

static void
test_P5_segment_missing (void)
{
  Journal journal;

  journal_fill (&journal);
  journal_save (&journal);
  remove_segment (&journal, 2);
  check_view ("the chain is broken", journal.spool, "1:1 whole, 1:2 whole, 1:3 whole, 3:5 whole broken");
  check_missing ("named", &journal, 2);
  journal_clear (&journal);
}

/* Of the newest no other segment knows, but `open` does. */
static void
test_P5_newest_missing (void)
{
  for (guint closed = 0; closed < 2; closed++)
    {
      Journal journal;

      journal_fill (&journal);
      journal_save (&journal);
      (closed ? kit_publish_closed : kit_publish) (journal.spool, 3, 2 * HF_BLOCK);
      remove_segment (&journal, 3);
      check_missing (closed ? "closed" : "open", &journal, 3);
      journal_clear (&journal);
    }
}

/* ---- the nonce of a segment whose header is damaged ---- */

static void
test_damaged_header (void)
{
  static const struct
  {
    const gchar *name;
    guint segment;
    guint64 published;
    const gchar *want;
  } rows[] = {
    { "from the next header", 0, 0, "1:? damaged, 1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:5 whole" },
    { "from `open`", 2, 3, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged, 3:5 whole" },
    { "from nowhere", 2, 0, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged" },
    { "`open` speaks of another", 2, 2, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:? damaged" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Journal journal;

      journal_fill (&journal);
      journal.segments[rows[i].segment].text->str[40] ^= 1;
      journal_save (&journal);
      if (rows[i].published != 0)
        kit_publish (journal.spool, rows[i].published, HF_BLOCK);
      check_view (rows[i].name, journal.spool, rows[i].want);
      journal_clear (&journal);
    }
}

/* ---- a live filter ---- */

static int
hold_lock (const gchar *spool)
{
  g_autofree gchar *path = kit_path (spool, HF_JOURNAL_LOCK);
  int fd = hf_sys.open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  g_assert_true (fd >= 0 && hf_sys.lock (fd, 1) == 0);
  return fd;
}

/* Readers of the open segment stop at the published offset, whatever lies behind
 * it: a whole record that is not synced is none yet, and half of one no damage. */
static void
test_P1_open_segment (void)
{
  static const struct
  {
    const gchar *name;
    gboolean live;
    guint64 seq;
    guint64 synced; /* blocks */
    gboolean half;  /* record 5 is being written */
    const gchar *want;
  } rows[] = {
    { "published", TRUE, 3, 2, FALSE, ALL },
    { "synced but not published", TRUE, 3, 1, FALSE, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole" },
    { "half written", TRUE, 3, 1, TRUE, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole" },
    { "opened since we looked", TRUE, 2, 3, TRUE, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole" },
    { "the one before is cut at what we saw of it", TRUE, 2, 1, FALSE, "1:1 whole, 1:2 whole, 1:3 whole" },
    { "no filter: all counts", FALSE, 3, 1, FALSE, ALL },
    { "no filter: half is torn", FALSE, 3, 1, TRUE, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole, 3:5 torn" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Journal journal;
      GString *text;
      int fd = -1;

      journal_fill (&journal);
      text = journal.segments[2].text;
      if (rows[i].half)
        {
          const gsize from = record_at (&journal.segments[2], 5) + 300;

          memset (text->str + from, 0, text->len - from);
        }
      journal_save (&journal);
      kit_publish (journal.spool, rows[i].seq, rows[i].synced * HF_BLOCK);
      if (rows[i].live)
        fd = hold_lock (journal.spool);
      check_view (rows[i].name, journal.spool, rows[i].want);
      hf_sys_close (&fd);
      journal_clear (&journal);
    }
}

/* A filter starts between our two looks at the directory. */
static guint looks;

static int
not_held_at_first (int fd)
{
  return looks++ == 0 ? 0 : hf_sys_real.lock_is_held (fd);
}

static void
test_P1_filter_started_meanwhile (void)
{
  Journal journal;
  int fd;

  journal_fill (&journal);
  journal_save (&journal);
  kit_publish (journal.spool, 3, HF_BLOCK);
  fd = hold_lock (journal.spool);
  looks = 0;
  hf_sys.lock_is_held = not_held_at_first;
  check_view ("nothing behind what is published", journal.spool, "1:1 whole, 1:2 whole, 1:3 whole, 2:4 whole");
  hf_sys.lock_is_held = hf_sys_real.lock_is_held;
  hf_sys_close (&fd);
  journal_clear (&journal);
}

/* ---- the chain ---- */

/* Cuts the @octets from @at on out of the text, and makes up for them by padding. */
static void
cut_out (KitSegment *segment, gsize at, gsize octets)
{
  g_string_erase (segment->text, (gssize) at, (gssize) octets);
  kit_segment_pad (segment);
}

static void
test_chain (void)
{
  Journal journal;
  gsize first, second;

  journal_fill (&journal);
  first = record_at (&journal.segments[0], 1);
  second = record_at (&journal.segments[0], 2);
  cut_out (&journal.segments[0], first, second - first);
  journal_save (&journal);
  check_view ("record taken out", journal.spool, "1:2 whole, 1:3 whole, 2:4 whole, 3:5 whole");
  journal_clear (&journal);

  journal_fill (&journal);
  second = record_at (&journal.segments[0], 2);
  cut_out (&journal.segments[0], second, (gsize) (strstr (journal.segments[0].text->str + second, "NOOP -")
                                                   - journal.segments[0].text->str) - second);
  journal_save (&journal);
  check_view ("another", journal.spool, "1:1 whole, 1:3 whole broken, 2:4 whole, 3:5 whole");
  journal_clear (&journal);

  journal_fill (&journal);
  flip_message (&journal.segments[0], 2);
  journal_save (&journal);
  check_view ("damage explains it", journal.spool, "1:1 whole, 1:2 damaged, 1:3 whole, 2:4 whole, 3:5 whole");
  journal_clear (&journal);
}

/* ---- files that are no segments, or none of ours ---- */

static void
test_odd_files (void)
{
  g_autofree gchar *fifo = NULL, *other = NULL, *spare = NULL, *bak = NULL;
  Journal journal;

  journal_fill (&journal);
  journal_save (&journal);
  fifo = kit_segment_path (journal.spool, 4);
  other = kit_segment_path (journal.spool, 5);
  spare = kit_path (journal.spool, HF_JOURNAL_SPARE);
  bak = kit_path (journal.spool, "0000000001.bsmtp.bak");
  g_assert_true (mkfifo (fifo, 0600) == 0);
  kit_write_file (other, "anything at all\r\n", 17);
  kit_write_file (spare, "mail is never here", 18);
  kit_write_file (bak, "nor here", 8);
  check_view ("told", journal.spool, ALL ", 4:? damaged unreadable, 5:? damaged, 5:? damaged");
  journal_clear (&journal);
}

static void
test_newer_version (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree gchar *path = NULL;
  g_autoptr (HfView) view = NULL;
  HfStatementBuilder builder;
  HfHash hash = { NULL };
  HfViewEntry entry;
  gboolean end = FALSE;
  Journal journal;

  journal_fill (&journal);
  journal_save (&journal);
  hf_statement_begin (&builder, text, "segment");
  hf_statement_add (&builder, "v", "7", -1);
  hf_statement_end (&builder);
  tap_check ("digest", hf_record_end_alone (text, 0, &hash));
  hf_hash_clear (&hash);
  path = kit_segment_path (journal.spool, 2);
  kit_write_file (path, text->str, text->len);
  view = hf_view_open (journal.spool, HF_READ_VERIFY, NULL);
  while (hf_view_next (view, &entry, &end, NULL) && !end && entry.seq != 2)
    ;
  if (tap_check ("told", !end && entry.unreadable != NULL))
    {
      tap_check_has ("clearly", entry.unreadable->message, "0000000002.bsmtp' has format version 7, this program reads up to 1");
      tap_check ("and goes on", hf_view_next (view, &entry, &end, NULL) && !end && entry.seq == 3);
    }
  g_clear_pointer (&view, hf_view_free);
  journal_clear (&journal);
}

/* ---- errors ---- */

/* A segment that can't be read hides no other. */
static void
test_P2_unreadable (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    const gchar *part;
    const gchar *want;
  } rows[] = {
    { "not opened", FAULT_OPEN, "0000000002.bsmtp",
      "1:1 whole, 1:2 whole, 1:3 whole, 2:? damaged unreadable, 3:5 whole" },
    { "not looked at", FAULT_FSTAT, "0000000001.bsmtp", "1:? damaged unreadable, 2:4 whole, 3:5 whole" },
    { "not read", FAULT_PREAD, "0000000002.bsmtp",
      "1:1 whole, 1:2 whole, 1:3 whole, 2:? damaged unreadable, 3:5 whole" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Journal journal;

      journal_fill (&journal);
      journal_save (&journal);
      faults_fail_from (rows[i].call, rows[i].part, 1, EIO);
      check_view (rows[i].name, journal.spool, rows[i].want);
      faults_reset ();
      journal_clear (&journal);
    }
}

static void
test_open_errors (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *absent = g_build_filename (spool, "absent", NULL);
  g_autoptr (GError) error = NULL;

  tap_check ("absent", hf_view_open (absent, 0, &error) == NULL);
  tap_check ("absent", g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND));
  check_view ("empty", spool, "");
}

/* ---- the message's octets ---- */

static gboolean
append (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, data, (gssize) size);
  return TRUE;
}

static void
test_copy_message (void)
{
  static const gchar octets[] = "Subject: x\r\n\r\n.a\r\n\0\xff no end";
  Journal journal;
  g_autoptr (HfView) view = NULL;
  g_autofree gchar *big = g_strnfill (1500000, '.');
  HfViewEntry entry;
  gboolean end = FALSE;
  guint seen = 0;

  journal_fill (&journal);
  kit_segment_message (&journal.segments[2], 6, octets, sizeof octets - 1);
  kit_segment_message (&journal.segments[2], 7, big, 1500000);
  kit_segment_message (&journal.segments[2], 8, MESSAGE, -1);
  kit_segment_pad (&journal.segments[2]);
  flip_message (&journal.segments[0], 2);
  kit_segment_save (&journal.segments[2], journal.spool, 0);
  journal_save (&journal);
  view = hf_view_open (journal.spool, HF_READ_VERIFY, NULL);
  while (hf_view_next (view, &entry, &end, NULL) && !end)
    {
      g_autoptr (GString) copy = g_string_new (NULL);
      const guint number = kit_number (&entry.item->facts.id);

      seen++;
      tap_check ("copied", hf_view_copy_message (view, &entry, append, copy, NULL));
      if (number == 6)
        tap_check ("octet by octet", copy->len == sizeof octets - 1 && memcmp (copy->str, octets, copy->len) == 0);
      else if (number == 7)
        tap_check ("large", copy->len == 1500000 && memcmp (copy->str, big, copy->len) == 0);
      else if (number == 2)
        tap_check_str ("damaged: as it is", copy->str, "Subject: x\r\n\r\nuext\r\n");
      else
        tap_check_str ("plain", copy->str, MESSAGE);
    }
  tap_check_int ("copying moves nothing", seen, 8);
  g_clear_pointer (&view, hf_view_free);
  journal_clear (&journal);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "all", test_all },
    { "P6-marks", test_P6_marks },
    { "P7-damaged-mark", test_P7_damaged_mark },
    { "P7-mark-in-a-message", test_P7_mark_in_a_message },
    { "torn-or-damaged", test_torn_or_damaged },
    { "P5-gone", test_P5_gone },
    { "P5-segment-missing", test_P5_segment_missing },
    { "P5-newest-missing", test_P5_newest_missing },
    { "damaged-header", test_damaged_header },
    { "P1-open-segment", test_P1_open_segment },
    { "P1-filter-started-meanwhile", test_P1_filter_started_meanwhile },
    { "chain", test_chain },
    { "odd-files", test_odd_files },
    { "newer-version", test_newer_version },
    { "P2-unreadable", test_P2_unreadable },
    { "open-errors", test_open_errors },
    { "copy-message", test_copy_message },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("view", tests, argc, argv);
}
