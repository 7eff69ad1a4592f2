/* test-recover.c - a start learns what the newest segment holds, and touches nothing
 *
 * The rules T1 to T3 are those of doc/FORMAT.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/recover.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE "Subject: x\r\n\r\ntext\r\n"

static gboolean
recover (const gchar *spool, HfRecovery *out_recovery, GError **error)
{
  g_autofree gchar *dir = kit_path (spool, NULL);
  HfPublished published;
  gboolean live;

  hf_directory_published (dir, &published, &live);
  return hf_recover (dir, &published, out_recovery, error);
}

static void
test_torn_rule (void)
{
  static const struct
  {
    const gchar *name;
    HfTornRule rule;
    guint64 offset;
    gboolean want;
  } rows[] = {
    { "behind all", { 8192, 8192, 0 }, 8192, TRUE },
    { "synced", { 8192, 4096, FALSE }, 8191, FALSE },
    { "in front of the last group", { 4096, 8192, 0 }, 5000, FALSE },
    { "in the last group", { 4096, 8192, 0 }, 8200, TRUE },
    { "closed in order", { 4096, 4096, 8192 }, 4096, FALSE },
    { "the end line itself", { 4096, 4096, 8192 }, 8192, FALSE },
    { "padding behind the end line", { 4096, 4096, 8192 }, 8300, TRUE },
    { "nothing known", { 0, 0, 0 }, 0, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    tap_check_int (rows[i].name, hf_torn_rule_holds (&rows[i].rule, rows[i].offset), rows[i].want);
}

/* The number of a group comes from a record that may be damaged itself. */
static void
test_torn_rule_add (void)
{
  static const struct
  {
    const gchar *name;
    guint64 group;
    guint64 offset;
    guint64 want;
  } rows[] = {
    { "its own block", 2, 8192, 8192 },
    { "a block before", 1, 12000, 4096 },
    { "behind itself", 3, 8192, 0 },
    { "far behind", G_MAXUINT64 / 4096, 8192, 0 },
    { "greatest", G_MAXUINT64, G_MAXUINT64 - 4096, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfTornRule rule = { 0, 0, 0 };
      HfItem item = { .group = rows[i].group, .offset = rows[i].offset };

      hf_torn_rule_add (&rule, &item);
      tap_check_int (rows[i].name, rule.told, rows[i].want);
    }
}

/* Groups: [1, 2] [3] [4, 5], of which the last may be cut or altered. */
static void
make_segment (KitSegment *segment)
{
  kit_segment_init (segment, 7, NULL);
  kit_segment_message (segment, 1, MESSAGE, -1);
  kit_segment_message (segment, 2, MESSAGE, -1);
  kit_segment_pad (segment);
  kit_segment_message (segment, 3, MESSAGE, -1);
  kit_segment_pad (segment);
  kit_segment_message (segment, 4, MESSAGE, -1);
  kit_segment_message (segment, 5, MESSAGE, -1);
  kit_segment_pad (segment);
}

static gsize
start_of (const KitSegment *segment, guint number)
{
  g_autofree gchar *queue = g_strdup_printf (" queue=Q%u ", number);
  const gchar *hit = strstr (segment->text->str, queue);

  if (hit == NULL)
    g_error ("no record %u", number);
  while (hit[-1] != '\n')
    hit--;
  return (gsize) (hit - segment->text->str);
}

static gchar *
torn_text (const HfRecovery *recovery)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < recovery->torn->len; i++)
    {
      const HfTorn *torn = &g_array_index (recovery->torn, HfTorn, i);

      g_string_append_printf (text, "%s%u %s", i > 0 ? ", " : "", torn->id.text[0] != '\0' ? kit_number (&torn->id) : 0,
                              torn->queue != NULL ? torn->queue : "-");
    }
  return g_string_free (text, FALSE);
}

static void
test_torn_or_damaged (void)
{
  enum
  {
    NOTHING,
    FLIP,   /* a bit in the message of the record */
    NULS,   /* from the record's message to the file's end */
    GONE,   /* NULs from the record's start to the file's end */
    CUT,    /* the file ends there */
    CUT_BEFORE, /* the file ends in front of the record */
  };
  static const struct
  {
    const gchar *name;
    gint deed;
    guint number;
    guint64 synced; /* blocks, as published; 0: `open` is absent */
    gboolean end;           /* it has an end line, and `open` tells that it was closed, where it is there */
    guint64 want_records;
    guint64 want_damaged;
    const gchar *want_torn;
    guint64 want_synced;    /* blocks */
    gboolean want_doubtful; /* something stands behind them */
  } rows[] = {
    { "all whole", NOTHING, 0, 4, FALSE, 5, 0, "", 4, FALSE },
    { "closed in order", NOTHING, 0, 0, TRUE, 5, 0, "", 4, TRUE },
    { "T3 in the last group, not synced", FLIP, 5, 3, FALSE, 4, 0, "5 Q5", 3, TRUE },
    { "T3 in the last group, another behind it whole", FLIP, 4, 3, FALSE, 4, 0, "4 Q4", 3, TRUE },
    { "T3 half written", NULS, 4, 3, FALSE, 3, 0, "4 Q4", 3, TRUE },
    { "T3 half written, the last", NULS, 5, 3, FALSE, 4, 0, "5 Q5", 3, TRUE },
    { "T3 cut", CUT, 5, 3, FALSE, 4, 0, "5 Q5", 3, TRUE },
    { "T3 synced", FLIP, 5, 4, FALSE, 4, 1, "", 4, FALSE },
    { "T3 in front of the last group", FLIP, 3, 2, FALSE, 4, 1, "", 3, TRUE },
    { "T3 not known what is synced", FLIP, 5, 0, FALSE, 4, 0, "5 Q5", 3, TRUE },
    { "T3 not known, in front of the last group", FLIP, 1, 0, FALSE, 4, 1, "", 3, TRUE },
    { "T3 ended", FLIP, 5, 0, TRUE, 4, 1, "", 4, TRUE },
    { "not begun", GONE, 4, 3, FALSE, 3, 0, "", 3, FALSE },
    { "synced and gone", GONE, 4, 4, FALSE, 3, 1, "", 4, FALSE },
    { "closed, and told so", NOTHING, 0, 5, TRUE, 5, 0, "", 5, FALSE },
    { "closed, and its end is gone", GONE, 4, 5, TRUE, 3, 1, "", 5, FALSE },
    { "closed, and cut between groups", CUT_BEFORE, 4, 5, TRUE, 3, 1, "", 5, FALSE },
    { "closed, and cut in a record", CUT, 5, 5, TRUE, 4, 2, "", 5, FALSE },
    { "closed, and all of it cut", CUT_BEFORE, 1, 5, TRUE, 0, 1, "", 5, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_autofree gchar *torn = NULL;
      g_auto (KitSegment) segment;
      HfRecovery recovery;
      gsize start, text;

      make_segment (&segment);
      if (rows[i].end)
        kit_segment_end (&segment);
      if (rows[i].deed != NOTHING)
        {
          start = start_of (&segment, rows[i].number);
          text = (gsize) (strstr (segment.text->str + start, "text") - segment.text->str);
          if (rows[i].deed == FLIP)
            segment.text->str[text] ^= 1;
          else if (rows[i].deed == NULS)
            memset (segment.text->str + text, 0, segment.text->len - text);
          else if (rows[i].deed == GONE)
            memset (segment.text->str + start, 0, segment.text->len - start);
          else if (rows[i].deed == CUT_BEFORE)
            g_string_truncate (segment.text, start);
          else
            g_string_truncate (segment.text, text);
        }
      kit_segment_save (&segment, spool, rows[i].deed >= CUT ? 0 : 65536);
      if (rows[i].synced != 0)
        (rows[i].end ? kit_publish_closed : kit_publish) (spool, 7, rows[i].synced * HF_BLOCK);
      kit_events_keep ();
      tap_check (rows[i].name, recover (spool, &recovery, NULL));
      torn = torn_text (&recovery);
      tap_check_int (rows[i].name, recovery.seq, 7);
      tap_check_int (rows[i].name, recovery.records, rows[i].want_records);
      tap_check_int (rows[i].name, recovery.damaged, rows[i].want_damaged);
      tap_check_str (rows[i].name, torn, rows[i].want_torn);
      tap_check_int (rows[i].name, recovery.synced, rows[i].want_synced * HF_BLOCK);
      tap_check_int (rows[i].name, recovery.doubtful > 0, rows[i].want_doubtful);
      tap_check (rows[i].name, recovery.has_nonce && strcmp (recovery.nonce.text, segment.nonce.text) == 0);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_JOURNAL_DAMAGED), rows[i].want_damaged);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_JOURNAL_TORN), recovery.torn->len);
      hf_recovery_clear (&recovery);
    }
}

/* The chain goes on from the last record that is known to have been synced, or
 * from what the header names. */
static void
test_chain (void)
{
  static const struct
  {
    const gchar *name;
    guint64 published; /* blocks; 0: `open` is absent */
    gboolean end;
    gboolean want_last; /* the last record of all, and not the one before its group */
  } rows[] = {
    { "not known", 0, FALSE, FALSE },
    { "the group before", 3, FALSE, FALSE },
    { "all", 4, FALSE, TRUE },
    { "closed in order", 0, TRUE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_auto (KitSegment) first;
      HfDigest before;
      HfRecovery recovery;

      kit_segment_init (&first, 7, NULL);
      kit_segment_message (&first, 1, MESSAGE, -1);
      kit_segment_pad (&first);
      kit_segment_message (&first, 2, MESSAGE, -1);
      kit_segment_pad (&first);
      before = first.chain;
      kit_segment_message (&first, 3, MESSAGE, -1);
      kit_segment_message (&first, 4, MESSAGE, -1);
      kit_segment_pad (&first);
      if (rows[i].end)
        kit_segment_end (&first);
      kit_segment_save (&first, spool, 65536);
      if (rows[i].published != 0)
        kit_publish (spool, 7, rows[i].published * HF_BLOCK);
      tap_check (rows[i].name, recover (spool, &recovery, NULL));
      tap_check (rows[i].name, recovery.has_chain);
      tap_check (rows[i].name, hf_digest_equal (&recovery.chain, rows[i].want_last ? &first.chain : &before));
      hf_recovery_clear (&recovery);
    }
}

static void
test_chain_of_header (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_auto (KitSegment) first;
  g_auto (KitSegment) second;
  HfRecovery recovery;

  make_segment (&first);
  kit_segment_save (&first, spool, 0);
  kit_segment_init (&second, 8, &first);
  kit_segment_save (&second, spool, 0);
  tap_check ("header", recover (spool, &recovery, NULL));
  tap_check ("header", recovery.has_chain && hf_digest_equal (&recovery.chain, &first.chain));
  tap_check_int ("header", recovery.records, 0);
  hf_recovery_clear (&recovery);
}

/* ---- what a start may find instead of a segment ---- */

static void
make_fifo (const gchar *path)
{
  g_assert_true (mkfifo (path, 0600) == 0);
}

static void
make_directory (const gchar *path)
{
  g_assert_true (mkdir (path, 0700) == 0);
}

static void
make_link (const gchar *path)
{
  g_assert_true (symlink ("0000000007.bsmtp", path) == 0);
}

static void
make_empty (const gchar *path)
{
  kit_write_file (path, "", 0);
}

static void
make_other_text (const gchar *path)
{
  static const gchar text[] = "MAIL FROM:<a@example.org>\r\nnot ours\r\n";

  kit_write_file (path, text, strlen (text));
}

static void
make_nuls (const gchar *path)
{
  make_empty (path);
  g_assert_true (truncate (path, 1000000) == 0);
}

static void
test_odd_files (void)
{
  static const struct
  {
    const gchar *name;
    void (*make) (const gchar *path);
    guint want_events; /* of damage */
  } rows[] = {
    { "FIFO", make_fifo, 1 },        { "directory", make_directory, 1 },   { "link", make_link, 1 },
    { "empty file", make_empty, 1 }, { "other text", make_other_text, 2 }, { "NULs", make_nuls, 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_autofree gchar *path = kit_segment_path (spool, 9);
      g_auto (KitSegment) segment;
      HfRecovery recovery;

      make_segment (&segment);
      kit_segment_save (&segment, spool, 0);
      rows[i].make (path);
      kit_events_keep ();
      tap_check (rows[i].name, recover (spool, &recovery, NULL));
      tap_check_int (rows[i].name, recovery.seq, 9);
      tap_check_int (rows[i].name, recovery.records, 0);
      tap_check (rows[i].name, !recovery.has_chain);
      tap_check_int (rows[i].name, kit_events_count (HF_EVENT_JOURNAL_DAMAGED), rows[i].want_events);
      hf_recovery_clear (&recovery);
    }
}

/* `open` may name a segment that is not there, open or closed: told, and its number
 * stays used. */
static void
test_P5_last_segment_gone (void)
{
  for (guint closed = 0; closed < 2; closed++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_autofree gchar *line = NULL;
      g_auto (KitSegment) segment;
      HfRecovery recovery;

      make_segment (&segment);
      kit_segment_save (&segment, spool, 0);
      (closed ? kit_publish_closed : kit_publish) (spool, 8, 4096);
      kit_events_keep ();
      tap_check ("recovered", recover (spool, &recovery, NULL));
      tap_check_int ("newest", recovery.seq, 7);
      tap_check ("gone", recovery.gone);
      tap_check_int ("whole", recovery.records, 5);
      tap_check_int ("damaged", recovery.damaged, 1);
      line = kit_events_line (HF_EVENT_JOURNAL_DAMAGED);
      tap_check_has ("told", line, "0000000008.bsmtp");
      hf_recovery_clear (&recovery);
    }
}

static void
test_newer_version (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree gchar *path = kit_segment_path (spool, 7);
  g_autofree gchar *line = NULL;
  HfStatementBuilder builder;
  HfRecovery recovery;
  HfHash hash = { NULL };

  hf_statement_begin (&builder, text, "segment");
  hf_statement_add (&builder, "v", "2", -1);
  hf_statement_end (&builder);
  tap_check ("digest", hf_record_end_alone (text, 0, &hash));
  hf_hash_clear (&hash);
  kit_write_file (path, text->str, text->len);
  kit_events_keep ();
  tap_check ("recovered", recover (spool, &recovery, NULL));
  line = kit_events_line (HF_EVENT_SEGMENT_NEWER);
  tap_check_has ("told", line, "version=2");
  tap_check_int ("no damage", kit_events_count (HF_EVENT_JOURNAL_DAMAGED), 0);
  tap_check ("said in the next header", recovery.unread);
  tap_check_int ("nothing torn", recovery.torn->len, 0);
  hf_recovery_clear (&recovery);
}

static void
test_empty_and_absent (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *dir = kit_path (spool, NULL);
  g_autoptr (GError) error = NULL;
  HfRecovery recovery;

  tap_check ("empty", recover (spool, &recovery, NULL));
  tap_check_int ("empty", recovery.seq, 0);
  hf_recovery_clear (&recovery);
  tap_check_int ("absent", rmdir (dir), 0);
  tap_check ("absent", !recover (spool, &recovery, &error));
  tap_check ("absent", g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND));
  hf_recovery_clear (&recovery);
}

/* An error while reading is told, and what was read until then counts. */
static void
test_read_errors (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_auto (KitSegment) segment;
  HfRecovery recovery;

  make_segment (&segment);
  kit_segment_save (&segment, spool, 0);
  kit_events_keep ();
  faults_fail_from (FAULT_PREAD, ".bsmtp", 1, EIO);
  tap_check ("read", recover (spool, &recovery, NULL));
  tap_check_int ("read", recovery.seq, 7);
  tap_check_int ("read", kit_events_count (HF_EVENT_JOURNAL_DAMAGED), 1);
  hf_recovery_clear (&recovery);
  faults_reset ();
  kit_events_keep ();
  faults_fail (FAULT_OPEN, ".bsmtp", 1, EMFILE);
  tap_check ("open", recover (spool, &recovery, NULL));
  tap_check_int ("open", kit_events_count (HF_EVENT_JOURNAL_DAMAGED), 1);
  hf_recovery_clear (&recovery);
  faults_reset ();
  tap_check_int ("descriptors", faults_descriptors (".bsmtp"), 0);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "torn-rule", test_torn_rule },
    { "torn-rule-add", test_torn_rule_add },
    { "torn-or-damaged", test_torn_or_damaged },
    { "chain", test_chain },
    { "chain-of-header", test_chain_of_header },
    { "odd-files", test_odd_files },
    { "P5-last-segment-gone", test_P5_last_segment_gone },
    { "newer-version", test_newer_version },
    { "empty-and-absent", test_empty_and_absent },
    { "read-errors", test_read_errors },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("recover", tests, argc, argv);
}
