/* test-journal.c - the journal opens, goes on from segment to segment, and lets go */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/recover.h"
#include "milter/journal/view.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE "Subject: x\r\n\r\ntext\r\n"

/* The helper lets go as soon as its call returns: that is waited for. */
static void
check_let_go (const gchar *row, const gchar *spool)
{
  tap_check (row, kit_wait_let_go (spool));
}

static HfJournal *
open_journal (const gchar *row, const HfJournalParameters *parameters, guint64 min_seq)
{
  g_autoptr (GError) error = NULL;
  HfJournal *journal = hf_journal_open (parameters, min_seq, &error);

  tap_check_str (row, error != NULL ? error->message : NULL, NULL);
  return journal;
}

static HfPublished
published (const gchar *spool, gboolean *out_live)
{
  g_autofree gchar *dir = kit_path (spool, NULL);
  HfPublished found;
  gboolean live;

  hf_directory_published (dir, &found, out_live != NULL ? out_live : &live);
  return found;
}

static void
strip_nuls (GString *text)
{
  while (text->len > 0 && text->str[text->len - 1] == '\0')
    g_string_truncate (text, text->len - 1);
}

/* What segment @seq holds, header and all; NULs at its end left out. */
static GString *
segment_text (const gchar *spool, guint64 seq)
{
  g_autofree gchar *path = kit_segment_path (spool, seq);
  GString *text = kit_read_file (path);

  strip_nuls (text);
  return text;
}

static void
test_first (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *path = kit_segment_path (spool, 1);
  HfJournalParameters parameters = kit_parameters (spool);
  g_autoptr (GString) text = NULL, closed = NULL;
  HfJournal *journal;
  gboolean live = FALSE;
  struct stat st;

  kit_events_keep ();
  journal = open_journal ("open", &parameters, 1);
  if (journal == NULL)
    return;
  tap_check_int ("number", journal->segment->seq, 1);
  tap_check_int ("told", kit_events_count (HF_EVENT_SEGMENT_OPENED), 1);
  tap_check_int ("no recovery", kit_events_count (HF_EVENT_JOURNAL_RECOVERED), 0);
  tap_check_int ("published", published (spool, &live).synced, journal->segment->synced);
  tap_check ("live", live);
  text = segment_text (spool, 1);
  tap_check_int ("whole blocks", text->len % HF_BLOCK, 0);
  tap_check_int ("synced", journal->segment->synced, text->len);
  tap_check_has ("header", text->str, "NOOP holdfast-segment v=1 host=mx.example.org seq=1 nonce=");
  tap_check_has ("nothing before", text->str, " previous=none\r\n");
  tap_check_int ("mode", stat (path, &st) == 0 ? st.st_mode & 07777 : 0, 0600);
  if (journal->ahead == HF_AHEAD_YES)
    tap_check_int ("written ahead", st.st_size, 65536);
  hf_journal_close (journal);
  check_let_go ("closed", spool);
  closed = segment_text (spool, 1);
  tap_check_has ("ended", closed->str, "NOOP holdfast-end nonce=");
  tap_check_int ("cut", stat (path, &st) == 0 ? st.st_size : 0, closed->len);
  tap_check_int ("none open", published (spool, &live).seq, 0);
  tap_check ("not live", !live);
  tap_check_int ("told", kit_events_count (HF_EVENT_SEGMENT_CLOSED), 1);
}

static void
test_second_filter (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);
  g_autofree gchar *pid = g_strdup_printf ("(pid %ld", (long) getpid ());
  g_autoptr (GError) error = NULL;
  HfJournal *journal;

  kit_events_keep ();
  journal = open_journal ("first", &parameters, 1);
  tap_check ("second", hf_journal_open (&parameters, 1, &error) == NULL);
  tap_check ("busy", g_error_matches (error, HF_ERROR, HF_ERROR_BUSY));
  tap_check_has ("says so", error->message, "is in use by another holdfast-milter");
  tap_check_has ("names it", error->message, pid);
  tap_check_int ("one segment", kit_events_count (HF_EVENT_SEGMENT_OPENED), 1);
  g_clear_pointer (&journal, hf_journal_close);
  journal = open_journal ("after it", &parameters, 1);
  tap_check_int ("the next number", journal->segment->seq, 2);
  hf_journal_close (journal);
}

/* A number never comes twice, whatever is left of what had it. */
static void
test_numbers (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *files[3];
    guint64 published;
    guint64 min_seq;
    guint64 want; /* 0: refused */
  } rows[] = {
    { "empty", { NULL }, 0, 1, 1 },
    { "the next", { "0000000041.bsmtp" }, 0, 1, 42 },
    { "not the number of files", { "0000000005.bsmtp", "0000000007.bsmtp" }, 0, 1, 8 },
    { "least that the process asks for", { "0000000005.bsmtp" }, 0, 9, 9 },
    { "less than there is", { "0000000041.bsmtp" }, 0, 9, 42 },
    { "open one is gone", { "0000000005.bsmtp" }, 8, 1, 9 },
    { "all are gone", { NULL }, 8, 1, 9 },
    { "`open` left behind", { "0000000041.bsmtp" }, 8, 1, 42 },
    { "`open` out of bounds", { "0000000041.bsmtp" }, HF_SEQ_MAX - 1, 1, HF_SEQ_MAX },
    { "ten digits used up", { "9999999999.bsmtp" }, 0, 1, G_GUINT64_CONSTANT (10000000000) },
    { "names that are none", { "0000000041.bsmtp", "18446744073709551615.bsmtp", "00000000099.bsmtp" }, 0, 1, 42 },
    { "all used up", { "999999999999999.bsmtp" }, 0, 1, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      HfJournalParameters parameters = kit_parameters (spool);
      g_autoptr (GError) error = NULL;
      HfJournal *journal;

      kit_events_keep ();
      for (guint f = 0; f < G_N_ELEMENTS (rows[i].files) && rows[i].files[f] != NULL; f++)
        {
          g_autofree gchar *path = kit_path (spool, rows[i].files[f]);

          kit_write_file (path, "", 0);
        }
      if (rows[i].published != 0)
        kit_publish (spool, rows[i].published, 4096);
      journal = hf_journal_open (&parameters, rows[i].min_seq, &error);
      tap_check_int (rows[i].name, journal != NULL ? journal->segment->seq : 0, rows[i].want);
      if (journal != NULL)
        hf_journal_close (journal);
      else
        tap_check_has (rows[i].name, error->message, "has used up all numbers");
      check_let_go (rows[i].name, spool);
    }
}

/* P3: a start and a stop leave every file as it was that they did not make,
 * however odd or broken, but for the NULs that the last segment ends with. */
static void
test_P3_nothing_is_touched (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);
  g_autofree gchar *torn_path = kit_segment_path (spool, 3), *whole_path = kit_segment_path (spool, 2);
  g_autofree gchar *empty_path = kit_segment_path (spool, 1), *odd_path = kit_path (spool, "0000000003.bsmtp.orig");
  g_autofree gchar *fifo_path = kit_path (spool, "fifo"), *stage_path = g_build_filename (spool, "stage", "x", NULL);
  const gchar *const paths[] = { torn_path, whole_path, empty_path, odd_path, stage_path };
  g_autoptr (GPtrArray) before = g_ptr_array_new ();
  g_auto (KitSegment) whole;
  g_auto (KitSegment) torn;
  HfJournal *journal;

  kit_events_keep ();
  kit_write_file (empty_path, "", 0);
  kit_write_file (odd_path, "anything", 8);
  kit_write_file (stage_path, "anything", 8);
  g_assert_true (mkfifo (fifo_path, 0600) == 0);
  kit_segment_init (&whole, 2, NULL);
  kit_segment_message (&whole, 1, MESSAGE, -1);
  kit_segment_pad (&whole);
  kit_segment_save (&whole, spool, 65536);
  kit_segment_init (&torn, 3, &whole);
  kit_segment_message (&torn, 2, MESSAGE, -1);
  g_string_truncate (torn.text, torn.text->len - 20);
  kit_segment_save (&torn, spool, 65536);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    g_ptr_array_add (before, kit_read_file (paths[i]));
  for (guint round = 0; round < 3; round++)
    {
      journal = open_journal ("open", &parameters, 1);
      if (round == 1)
        hf_journal_abandon (journal);
      else
        hf_journal_close (journal);
    }
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (GString) after = kit_read_file (paths[i]);
      GString *was = before->pdata[i];

      if (i == 0)
        {
          tap_check ("NULs are given back", after->len < was->len);
          strip_nuls (was);
          strip_nuls (after);
        }
      tap_check (paths[i], g_string_equal (was, after));
      g_string_free (was, TRUE);
    }
  tap_check ("FIFO", g_file_test (fifo_path, G_FILE_TEST_EXISTS));
}

/* What a start found torn stands in the next segment, and is torn for all readers. */
static void
test_P7_torn_is_kept_and_noted (void)
{
  static const guint counts[] = { 1, 3, 64, 65, 66, 200 };

  for (guint c = 0; c < G_N_ELEMENTS (counts); c++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      HfJournalParameters parameters = kit_parameters (spool);
      g_autofree gchar *row = g_strdup_printf ("%u torn", counts[c]);
      g_autoptr (GString) want = g_string_new ("1:1 whole");
      g_autofree gchar *got = NULL;
      g_auto (KitSegment) segment;

      kit_events_keep ();
      kit_segment_init (&segment, 1, NULL);
      kit_segment_message (&segment, 1, MESSAGE, -1);
      kit_segment_pad (&segment);
      for (guint i = 0; i < counts[c]; i++)
        {
          const gsize start = segment.text->len;

          kit_segment_message (&segment, i + 2, MESSAGE, -1);
          *strstr (segment.text->str + start, "text") = 'T';
          g_string_append_printf (want, ", 1:%u torn", i + 2);
        }
      kit_segment_save (&segment, spool, 0);
      got = kit_view_text (spool, HF_READ_VERIFY);
      tap_check_str (row, got, want->str);
      /* two starts: the second does not look at segment 1 any more */
      for (guint i = 0; i < 2; i++)
        g_clear_pointer (&(HfJournal *){ open_journal (row, &parameters, 1) }, hf_journal_close);
      g_free (got);
      got = kit_view_text (spool, HF_READ_VERIFY);
      tap_check_str (row, got, want->str);
      tap_check_int (row, kit_events_count (HF_EVENT_JOURNAL_TORN), counts[c]);
      tap_check_int (row, kit_events_count (HF_EVENT_JOURNAL_RECOVERED), 2);
    }
}

/* What is lost of the last segment after an orderly stop is told, by each reader
 * and for good: nothing but `open`, and then the next header, knows of it. */
static void
test_P5_lost_after_a_stop (void)
{
  static const struct
  {
    const gchar *name;
    guint64 left; /* octets; G_MAXUINT64: the file goes */
    const gchar *want;
  } rows[] = {
    { "the last group", 2 * HF_BLOCK, "1:1 whole, 1:? damaged" },
    { "all groups", HF_BLOCK, "1:? damaged" },
    { "the end line", 3 * HF_BLOCK, "1:1 whole, 1:2 whole, 1:? damaged" },
    { "the file", G_MAXUINT64, "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      HfJournalParameters parameters = kit_parameters (spool);
      g_autofree gchar *path = kit_segment_path (spool, 1);
      g_auto (KitSegment) segment;

      kit_events_keep ();
      kit_segment_init (&segment, 1, NULL);
      kit_segment_message (&segment, 1, MESSAGE, -1);
      kit_segment_pad (&segment);
      kit_segment_message (&segment, 2, MESSAGE, -1);
      kit_segment_pad (&segment);
      kit_segment_end (&segment);
      kit_segment_save (&segment, spool, 0);
      kit_publish_closed (spool, 1, segment.text->len);
      if (rows[i].left == G_MAXUINT64)
        g_assert_true (unlink (path) == 0);
      else
        g_assert_true (truncate (path, (off_t) rows[i].left) == 0);
      for (guint round = 0; round < 3; round++)
        {
          g_autofree gchar *got = kit_view_text (spool, HF_READ_VERIFY);
          g_autoptr (HfView) view = hf_view_open (spool, HF_READ_SKIM, NULL);

          tap_check_str (rows[i].name, got, rows[i].want);
          tap_check_int (rows[i].name, hf_view_missing (view)->len, rows[i].left == G_MAXUINT64);
          g_clear_pointer (&(HfJournal *){ open_journal (rows[i].name, &parameters, 1) }, hf_journal_close);
        }
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_JOURNAL_DAMAGED), 1);
      tap_check_int ("its number stays used", published (spool, NULL).closed, 4);
    }
}

/* What a start found whole, and could not know to be synced, is missed when it goes. */
static void
test_P5_whole_and_then_lost (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);
  g_autofree gchar *path = kit_segment_path (spool, 1);
  g_autofree gchar *before = NULL, *after = NULL;
  g_auto (KitSegment) segment;
  gsize first;

  kit_events_keep ();
  kit_segment_init (&segment, 1, NULL);
  kit_segment_message (&segment, 1, MESSAGE, -1);
  kit_segment_pad (&segment);
  first = segment.text->len;
  kit_segment_message (&segment, 2, MESSAGE, -1);
  kit_segment_pad (&segment);
  kit_segment_save (&segment, spool, 65536);
  g_clear_pointer (&(HfJournal *){ open_journal ("start", &parameters, 1) }, hf_journal_close);
  before = kit_view_text (spool, HF_READ_VERIFY);
  tap_check_str ("before", before, "1:1 whole, 1:2 whole");
  g_assert_true (truncate (path, (off_t) first) == 0);
  after = kit_view_text (spool, HF_READ_VERIFY);
  tap_check_str ("after", after, "1:1 whole, 1:? torn");
}

/* Starts that are killed do not fill the disk with what they wrote ahead. */
static void
test_P2_killed_again_and_again (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);

  kit_events_keep ();
  for (guint i = 1; i <= 5; i++)
    {
      HfJournal *journal = open_journal ("start", &parameters, 1);

      for (guint seq = 1; seq < i; seq++)
        {
          g_autofree gchar *path = kit_segment_path (spool, seq);
          struct stat st;

          tap_check_int ("the header stays, no more", stat (path, &st) == 0 ? st.st_size : -1, HF_BLOCK);
        }
      hf_journal_abandon (journal);
      check_let_go ("killed", spool);
    }
}

/* ---- from segment to segment ---- */

static void
test_make_room (void)
{
  static const struct
  {
    const gchar *name;
    guint64 written; /* blocks of the open segment, of 16 */
    guint64 octets;
    guint64 want_seq;
    gboolean want_large;
  } rows[] = {
    { "fits", 1, 4096, 1, FALSE },
    { "fits exactly, the end's block kept free", 1, 13 * 4096, 1, FALSE },
    { "an octet too much", 3, 11 * 4096 + 1, 2, FALSE },
    { "full", 16, 100, 2, FALSE },
    { "as large as fits into a new one", 5, 12 * 4096, 2, FALSE },
    { "larger than a segment", 1, 65536, 2, TRUE },
    { "far larger", 1, G_GUINT64_CONSTANT (1) << 40, 2, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      HfJournalParameters parameters = kit_parameters (spool);
      g_autoptr (GError) error = NULL;
      HfJournal *journal;

      kit_events_keep ();
      journal = open_journal (rows[i].name, &parameters, 1);
      journal->segment->written = rows[i].written * HF_BLOCK;
      tap_check (rows[i].name, hf_journal_make_room (journal, rows[i].octets, &error));
      tap_check_int (rows[i].name, journal->segment->seq, rows[i].want_seq);
      tap_check_int (rows[i].name, journal->segment->size == G_MAXUINT64,
                     rows[i].want_large || journal->ahead == HF_AHEAD_NO);
      tap_check_int (rows[i].name, published (spool, NULL).seq, rows[i].want_seq);
      /* the one behind a large segment is of the usual size again */
      if (rows[i].want_large)
        {
          journal->segment->written = 40 * HF_BLOCK;
          tap_check (rows[i].name, hf_journal_make_room (journal, 100, &error));
          tap_check_int (rows[i].name, journal->segment->seq, 3);
        }
      hf_journal_close (journal);
      check_let_go (rows[i].name, spool);
    }
}

/* The segments of one life follow from each other. */
static void
test_headers_name_the_one_before (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);
  g_autoptr (GString) second = NULL, third = NULL;
  g_autofree gchar *nonce = NULL, *want = NULL;
  HfJournal *journal;

  kit_events_keep ();
  journal = open_journal ("open", &parameters, 1);
  nonce = g_strdup (journal->segment->nonce.text);
  journal->segment->written = 16 * HF_BLOCK;
  tap_check ("next", hf_journal_make_room (journal, 100, NULL));
  second = segment_text (spool, 2);
  want = g_strdup_printf ("previous_seq=1 previous_nonce=%s previous_synced=%u", nonce, 17 * HF_BLOCK);
  g_strdelimit (second->str, "\r\n", ' ');
  tap_check_has ("in its life", second->str, "previous_seq=1");
  tap_check_has ("in its life", second->str, nonce);
  tap_check_has ("in its life", second->str, strstr (want, "previous_synced"));
  hf_journal_abandon (journal);
  journal = open_journal ("after a crash", &parameters, 1);
  third = segment_text (spool, 3);
  tap_check_has ("after a crash", third->str, "previous_seq=2");
  tap_check_has ("after a crash", third->str, "previous_synced=4096");
  hf_journal_close (journal);
}

/* ---- failures ---- */

static void
test_publish_failure (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);
  HfJournal *journal;

  kit_events_keep ();
  journal = open_journal ("open", &parameters, 1);
  faults_fail_from (FAULT_PWRITE, "/open", 1, EIO);
  for (guint i = 0; i < 3; i++)
    hf_journal_publish (journal);
  tap_check_int ("told once", kit_events_count (HF_EVENT_PUBLISH_FAILED), 1);
  faults_reset ();
  hf_journal_publish (journal);
  faults_fail_from (FAULT_PWRITE, "/open", 1, EIO);
  hf_journal_publish (journal);
  tap_check_int ("and again after it went well", kit_events_count (HF_EVENT_PUBLISH_FAILED), 2);
  faults_reset ();
  hf_journal_close (journal);
}

/* Every call that opening makes fails in turn: it says why, holds nothing
 * afterwards, and the next try works and finds the mail that was there. */
static void
test_P2_every_call_of_open (void)
{
  static const struct
  {
    FaultCall call;
    const gchar *name;
    gboolean may_go_on; /* a failure that opening can do without */
  } calls[] = {
    { FAULT_OPEN, "open", TRUE },           { FAULT_OPENAT, "openat", FALSE },
    { FAULT_PWRITE, "pwrite", TRUE },       { FAULT_FSYNC, "fsync", FALSE },
    { FAULT_FDATASYNC, "fdatasync", TRUE }, { FAULT_RENAME, "rename", FALSE },
    { FAULT_LOCK, "lock", FALSE },          { FAULT_PREAD, "pread", TRUE },
    { FAULT_STATVFS, "statvfs", TRUE },     { FAULT_FSTAT, "fstat", TRUE },
  };

  for (guint c = 0; c < G_N_ELEMENTS (calls); c++)
    {
      guint failures = 0;

      for (guint nth = 1; nth < 100; nth++)
        {
          g_autoptr (KitSpool) spool = kit_spool_new ();
          HfJournalParameters parameters = kit_parameters (spool);
          g_autofree gchar *row = g_strdup_printf ("%s %u", calls[c].name, nth);
          g_autoptr (GError) error = NULL;
          g_autofree gchar *got = NULL;
          g_auto (KitSegment) segment;
          HfJournal *journal;
          guint met;

          kit_events_keep ();
          kit_segment_init (&segment, 1, NULL);
          kit_segment_message (&segment, 1, MESSAGE, -1);
          kit_segment_pad (&segment);
          kit_segment_save (&segment, spool, 65536);
          faults_fail (calls[c].call, spool, nth, EIO);
          /* names relative to the directory have no spool in them */
          if (calls[c].call == FAULT_OPENAT || calls[c].call == FAULT_RENAME)
            faults_fail (calls[c].call, NULL, nth, EIO);
          journal = hf_journal_open (&parameters, 1, &error);
          met = faults_met (calls[c].call);
          faults_reset ();
          if (journal == NULL)
            {
              failures++;
              tap_check_int (row, hf_error_errno (error), EIO);
              tap_check (row, *hf_error_step (error) != '\0');
              check_let_go (row, spool);
              journal = open_journal (row, &parameters, 1);
            }
          else
            tap_check (row, met == 0 || calls[c].may_go_on || journal->segment != NULL);
          if (journal != NULL)
            hf_journal_close (journal);
          check_let_go (row, spool);
          got = kit_view_text (spool, HF_READ_VERIFY);
          tap_check_str (row, got, "1:1 whole");
          if (met == 0)
            break;
        }
      tap_check (calls[c].name, failures > 0 || calls[c].may_go_on);
    }
}

/* A journal directory that was put back while we run must outlast a crash. */
static void
test_P1_spool_is_synced (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);
  g_autoptr (GError) error = NULL;

  kit_events_keep ();
  faults_fail (FAULT_FSYNC, spool, 1, EIO);
  tap_check ("refused", hf_journal_open (&parameters, 1, &error) == NULL);
  faults_reset ();
  tap_check_has ("why", error != NULL ? error->message : NULL, "cannot sync spool");
  check_let_go ("let go", spool);
}

/* The journal is let go of while its helper hangs in a call: opening it again
 * does not wait for that, and the helper's descriptor goes when it returns. */
static void
test_abandoned_with_a_helper_that_hangs (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  HfJournalParameters parameters = kit_parameters (spool);
  HfJournal *journal;

  kit_events_keep ();
  faults_hang (FAULT_PWRITE, "/spare", 3); /* the first is the spare's one write, the second its header */
  journal = open_journal ("open", &parameters, 1);
  tap_check ("hangs", faults_wait_hanging (FAULT_PWRITE));
  hf_journal_abandon (journal);
  journal = open_journal ("again", &parameters, 1);
  tap_check_int ("again", journal->segment->seq, 2);
  faults_reset ();
  hf_journal_close (journal);
  check_let_go ("let go", spool);
}

/* A journal directory that is a link, or no directory, is refused. */
static void
test_directory_refused (void)
{
  static const struct
  {
    const gchar *name;
    gboolean link;
  } rows[] = { { "link", TRUE }, { "file", FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_autofree gchar *dir = kit_path (spool, NULL);
      HfJournalParameters parameters = kit_parameters (spool);
      g_autoptr (GError) error = NULL;

      g_assert_true (rmdir (dir) == 0);
      if (rows[i].link)
        g_assert_true (symlink ("stage", dir) == 0);
      else
        kit_write_file (dir, "", 0);
      tap_check (rows[i].name, hf_journal_open (&parameters, 1, &error) == NULL);
      tap_check_str (rows[i].name, hf_error_step (error), "journal-open");
      unlink (dir);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "first", test_first },
    { "second-filter", test_second_filter },
    { "numbers", test_numbers },
    { "P3-nothing-is-touched", test_P3_nothing_is_touched },
    { "P7-torn-is-kept-and-noted", test_P7_torn_is_kept_and_noted },
    { "P5-lost-after-a-stop", test_P5_lost_after_a_stop },
    { "P5-whole-and-then-lost", test_P5_whole_and_then_lost },
    { "P2-killed-again-and-again", test_P2_killed_again_and_again },
    { "make-room", test_make_room },
    { "headers-name-the-one-before", test_headers_name_the_one_before },
    { "publish-failure", test_publish_failure },
    { "P2-every-call-of-open", test_P2_every_call_of_open },
    { "P1-spool-is-synced", test_P1_spool_is_synced },
    { "abandoned-with-a-helper-that-hangs", test_abandoned_with_a_helper_that_hangs },
    { "directory-refused", test_directory_refused },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("journal", tests, argc, argv);
}
