/* test-reader.c - a segment's reader goes past any damage, and takes nobody's word for a record */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MESSAGE "Subject: x\r\n\r\ntext\r\n"

static int
file_of (const GString *text)
{
  int fd = memfd_create ("segment", MFD_CLOEXEC);

  g_assert_true (fd >= 0 && pwrite (fd, text->str, text->len, 0) == (gssize) text->len);
  return fd;
}

static void
append_item (GString *out, const HfItem *item)
{
  static const gchar *const kinds[] = { "header", "", "void", "torn", "end", "other", "junk" };

  if (out->len > 0)
    g_string_append (out, ", ");
  g_string_append (out, kinds[item->kind]);
  if (item->kind == HF_ITEM_MESSAGE)
    g_string_append_printf (out, "%u", item->has_facts ? kit_number (&item->facts.id) : 0);
  if (!item->whole)
    g_string_append_printf (out, " (%s)", item->fault);
}

/* All items: "1, 2 (fault), void, end". */
static gchar *
read_limited (const GString *text, guint64 limit, HfReadFlags flags, const HfNonce *fallback, guint64 written)
{
  GString *out = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  int fd = file_of (text);
  gboolean end = FALSE;
  guint64 behind = 0;
  HfReader reader;
  HfItem item;

  hf_item_init (&item);
  tap_check ("init", hf_reader_init (&reader, fd, limit, flags, fallback, &error));
  reader.written = written;
  if (!reader.has_header)
    g_string_append (out, "no header");
  while (hf_reader_next (&reader, &item, &end, &error) && !end)
    {
      append_item (out, &item);
      /* items neither overlap nor go back, and each takes some room */
      if (item.offset < behind || item.length == 0)
        tap_check_int ("out of order at", (gint64) item.offset, -1);
      behind = item.offset + item.length;
    }
  tap_check ("no error", error == NULL);
  hf_reader_clear (&reader);
  hf_item_clear (&item);
  hf_sys_close (&fd);
  return g_string_free (out, FALSE);
}

static gchar *
read_all (const GString *text)
{
  return read_limited (text, text->len, HF_READ_VERIFY, NULL, 0);
}

/* Header; group 1: messages 1 and 2; group 2: message 3. */
static void
make_three (KitSegment *segment)
{
  kit_segment_init (segment, 7, NULL);
  kit_segment_message (segment, 1, MESSAGE, -1);
  kit_segment_message (segment, 2, MESSAGE, -1);
  kit_segment_pad (segment);
  kit_segment_message (segment, 3, MESSAGE, -1);
  kit_segment_pad (segment);
}

/* Where record @number begins. */
static gsize
start_of (const GString *text, guint number)
{
  g_autofree gchar *part = NULL;
  const gchar *hit;
  HfId id;

  kit_id (number, &id);
  part = g_strconcat (" id=", id.text, NULL);
  hit = g_strstr_len (text->str, (gssize) text->len, part);
  g_assert_nonnull (hit);
  while (hit > text->str && hit[-1] != '\n')
    hit--;
  return (gsize) (hit - text->str);
}

static void
test_whole (void)
{
  g_auto (KitSegment) segment;
  g_autofree gchar *three = NULL, *tail = NULL, *skimmed = NULL, *ended = NULL;

  make_three (&segment);
  three = read_all (segment.text);
  tap_check_str ("three", three, "1, 2, 3");
  skimmed = read_limited (segment.text, segment.text->len, HF_READ_SKIM, NULL, 0);
  tap_check_str ("skimmed", skimmed, "1, 2, 3");
  kit_segment_void (&segment, 1, 7);
  kit_segment_torn (&segment, 6, 4096, 100);
  kit_segment_pad (&segment);
  kit_segment_end (&segment);
  ended = read_all (segment.text);
  tap_check_str ("all kinds", ended, "1, 2, 3, void, torn, end");
  g_string_set_size (segment.text, segment.text->len + 100000);
  memset (segment.text->str + segment.text->len - 100000, 0, 100000);
  tail = read_all (segment.text);
  tap_check_str ("NULs at the end", tail, "1, 2, 3, void, torn, end");
}

/* The open segment: nothing behind the published offset is looked at, be it
 * whole, half, or half written while we read. */
static void
test_limit (void)
{
  g_auto (KitSegment) segment;
  static const struct
  {
    const gchar *name;
    guint64 blocks;
    const gchar *want;
  } rows[] = {
    { "header", 1, "" },
    { "first group", 2, "1, 2" },
    { "both", 3, "1, 2, 3" },
  };

  make_three (&segment);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *got = read_limited (segment.text, rows[i].blocks * HF_BLOCK, HF_READ_VERIFY, NULL, 0);

      tap_check_str (rows[i].name, got, rows[i].want);
    }
}

/* ---- damage ---- */

static void
test_damage (void)
{
  static const struct
  {
    const gchar *name;
    guint number;       /* the record that is damaged */
    const gchar *from;  /* from this text of it on; NULL: from its start */
    gssize size;        /* octets; -1: up to the file's end */
    gchar octet;
    const gchar *want;
  } rows[] = {
    { "facts", 1, "Q1", 1, 'x', "1 (envelope digest is wrong), 2, 3" },
    { "grammar of the facts", 1, "Q1", 1, ' ', "1 (statement breaks the grammar), 2, 3" },
    { "message", 2, "text", 1, 'x', "1, 2 (message digest is wrong), 3" },
    { "first octet", 2, NULL, 1, 'X', "1, junk (no statement begins here), 3" },
    { "prefix no more a statement's", 2, "holdfast", 1, 'X', "1, junk (no statement begins here), 3" },
    { "nonce", 2, "abc007", 1, '9', "1, junk (no statement begins here), 3" },
    { "NULs over the start", 2, NULL, 200, '\0',
      "1, junk (NULs in front of later records), junk (no statement begins here), 3" },
    { "NULs over the first block of records", 1, NULL, 4096, '\0', "junk (NULs in front of later records), 3" },
    { "the end, and the next one's start", 1, " chain=", 100, 'x', "1 (no seal), 3" },
    { "NULs from the last record on", 3, NULL, -1, '\0', "1, 2" },
    { "NULs from its middle on", 3, "Subject", -1, '\0', "1, 2, 3 (message does not end its line)" },
    { "NULs from its envelope on", 3, "RCPT", -1, '\0', "1, 2, 3 (ends in the middle of a line)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (KitSegment) segment;
      g_autofree gchar *got = NULL;
      gsize start, size;

      make_three (&segment);
      start = start_of (segment.text, rows[i].number);
      if (rows[i].from != NULL)
        start = (gsize) (strstr (segment.text->str + start, rows[i].from) - segment.text->str);
      size = rows[i].size < 0 ? segment.text->len - start : (gsize) rows[i].size;
      memset (segment.text->str + start, rows[i].octet, size);
      got = read_all (segment.text);
      tap_check_str (rows[i].name, got, rows[i].want);
    }
}

/* Padding that lost its line end must not take the record behind it with it. */
static void
test_padding_without_its_end (void)
{
  g_auto (KitSegment) segment;
  g_autofree gchar *got = NULL;

  make_three (&segment);
  memset (segment.text->str + start_of (segment.text, 3) - 2, '-', 2);
  got = read_all (segment.text);
  tap_check_str ("told, and the record found", got, "1, 2, junk (no statement begins here), 3");
}

/* P5: what was written and is gone is told, though nothing is left of it. */
static void
test_P5_octets_gone_are_told (void)
{
  static const struct
  {
    const gchar *name;
    gsize left;      /* blocks of the file */
    gboolean nuls;   /* NULs instead of the rest */
    guint64 written; /* blocks known to have been written */
    const gchar *want;
  } rows[] = {
    { "nothing gone", 3, FALSE, 3, "1, 2, 3" },
    { "not known", 2, FALSE, 0, "1, 2" },
    { "cut", 2, FALSE, 3, "1, 2, junk (what was written here is gone)" },
    { "NULs", 2, TRUE, 3, "1, 2, junk (what was written here is gone)" },
    { "cut behind what was written", 2, FALSE, 2, "1, 2" },
    { "all cut", 0, FALSE, 3, "no header, junk (what was written here is gone)" },
    { "all NULs", 0, TRUE, 3, "no header, junk (what was written here is gone)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (KitSegment) segment;
      g_autofree gchar *got = NULL;
      const gsize left = rows[i].left * HF_BLOCK;

      make_three (&segment);
      if (rows[i].nuls)
        memset (segment.text->str + left, 0, segment.text->len - left);
      else
        g_string_truncate (segment.text, left);
      got = read_limited (segment.text, 3 * HF_BLOCK, HF_READ_VERIFY, NULL, rows[i].written * HF_BLOCK);
      tap_check_str (rows[i].name, got, rows[i].want);
    }
}

static void
test_damaged_header (void)
{
  static const struct
  {
    const gchar *name;
    guint64 fallback; /* whose nonce; 0: none is known */
    const gchar *want;
  } rows[] = {
    { "nonce known", 7, "no header, junk (no statement begins here), 1, 2, 3" },
    { "another's nonce", 8, "no header, junk (no statement begins here)" },
    { "nonce not known", 0, "no header, junk (segment header does not verify)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (KitSegment) segment;
      g_autofree gchar *got = NULL;
      HfNonce nonce;

      make_three (&segment);
      segment.text->str[30] ^= 1;
      kit_nonce (rows[i].fallback, &nonce);
      got = read_limited (segment.text, segment.text->len, HF_READ_VERIFY, rows[i].fallback != 0 ? &nonce : NULL, 0);
      tap_check_str (rows[i].name, got, rows[i].want);
    }
}

/* What no bit of a header may do: give another nonce, number or chain. */
static void
test_every_bit_of_the_header (void)
{
  g_auto (KitSegment) segment;
  gsize end;
  int fd;

  kit_segment_init (&segment, 7, NULL);
  end = (gsize) (strstr (segment.text->str, "NOOP -") - segment.text->str);
  fd = file_of (segment.text);
  for (gsize at = 0; at < end; at++)
    for (guint bit = 0; bit < 8; bit++)
      {
        const gchar octet = (gchar) (segment.text->str[at] ^ (1 << bit));
        HfReader reader;

        g_assert_true (pwrite (fd, &octet, 1, (off_t) at) == 1);
        g_assert_true (hf_reader_init (&reader, fd, segment.text->len, 0, NULL, NULL));
        if (reader.has_header || reader.newer_version != 0)
          tap_check_int ("header counts with a bit turned over at", (gint64) at, -1);
        hf_reader_clear (&reader);
        g_assert_true (pwrite (fd, segment.text->str + at, 1, (off_t) at) == 1);
      }
  hf_sys_close (&fd);
}

/* ---- imitations ---- */

static void
damage (KitSegment *segment, const gchar *where)
{
  *strstr (segment->text->str, where) ^= 1;
}

/* A message that holds a whole segment of lines, with whatever nonce. */
static GString *
imitation (guint64 nonce_of)
{
  g_auto (KitSegment) inner;
  GString *message = g_string_new ("Subject: forged\r\n\r\n");

  kit_segment_init (&inner, nonce_of, NULL);
  kit_segment_message (&inner, 99, "forged\r\n", -1);
  kit_segment_void (&inner, 1, 7);
  kit_segment_end (&inner);
  g_string_append_len (message, inner.text->str, (gssize) inner.text->len);
  return message;
}

static void
test_imitations (void)
{
  static const struct
  {
    const gchar *name;
    guint64 nonce_of;
    gboolean damaged; /* the record with the imitation in it */
    const gchar *want;
  } rows[] = {
    { "another's nonce", 6, FALSE, "1, 50, 2" },
    { "the true nonce, all whole", 7, FALSE, "1, 50, 2" },
    { "another's nonce, damaged around it", 6, TRUE, "1, 50 (envelope digest is wrong), 2" },
    /* nobody outside knows the nonce; even so the doubled dot gives the record away */
    { "the true nonce, damaged around it", 7, TRUE,
      "1, 50 (envelope digest is wrong), 99 (no dot behind the message), void, end, junk (no statement begins here), 2" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) message = imitation (rows[i].nonce_of);
      g_auto (KitSegment) segment;
      g_autofree gchar *got = NULL;

      kit_segment_init (&segment, 7, NULL);
      kit_segment_message (&segment, 1, MESSAGE, -1);
      kit_segment_message (&segment, 50, message->str, (gssize) message->len);
      kit_segment_message (&segment, 2, MESSAGE, -1);
      kit_segment_pad (&segment);
      if (rows[i].damaged)
        damage (&segment, "Q50");
      got = read_all (segment.text);
      tap_check_str (rows[i].name, got, rows[i].want);
    }
}

/* A record with damage is looked through once, however many lines in it look
 * like statements: a sender must not be able to make a start last for hours. */
static void
test_look_alikes_cost_nothing (void)
{
  g_autoptr (GString) message = g_string_new ("Subject: x\r\n\r\n");
  g_auto (KitSegment) segment;
  g_autofree gchar *got = NULL;
  const gint64 start = g_get_monotonic_time ();

  while (message->len < 8 * 1024 * 1024)
    g_string_append (message, "NOOP holdfast-message nonce=");
  kit_segment_init (&segment, 7, NULL);
  kit_segment_message (&segment, 1, message->str, (gssize) message->len);
  kit_segment_message (&segment, 2, MESSAGE, -1);
  kit_segment_pad (&segment);
  damage (&segment, "Q1");
  got = read_all (segment.text);
  tap_check_str ("found", got, "1 (envelope digest is wrong), 2");
  tap_check ("within seconds", g_get_monotonic_time () - start < 20 * G_USEC_PER_SEC);
}

/* ---- versions ---- */

static void
test_versions (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *version; /* NULL: no v at all */
    guint64 want_newer;
    const gchar *want;
  } rows[] = {
    { "newer", "2", 2, "no header" },
    { "far newer", "18446744073709551615", G_MAXUINT64, "no header" },
    { "absent", NULL, 0, "no header, junk (segment header does not verify)" },
    { "no number", "x", 0, "no header, junk (segment header does not verify)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autofree gchar *got = NULL;
      HfStatementBuilder builder;
      HfHash hash = { NULL };
      HfReader reader;
      HfNonce nonce;
      int fd;

      kit_nonce (7, &nonce);
      hf_statement_begin (&builder, text, "segment");
      hf_statement_add (&builder, "v", rows[i].version, -1);
      hf_statement_add_number (&builder, "seq", 7);
      hf_statement_add (&builder, "nonce", nonce.text, -1);
      hf_statement_end (&builder);
      tap_check (rows[i].name, hf_record_end_alone (text, 0, &hash));
      hf_hash_clear (&hash);
      g_string_append (text, "something new\r\n");
      got = read_all (text);
      tap_check_str (rows[i].name, got, rows[i].want);
      fd = file_of (text);
      tap_check (rows[i].name, hf_reader_init (&reader, fd, text->len, 0, NULL, NULL));
      tap_check (rows[i].name, reader.newer_version == rows[i].want_newer);
      hf_reader_clear (&reader);
      hf_sys_close (&fd);
    }
}

/* Within a version, statements of new kinds and new keys may come: they are
 * passed over, and damaged ones are told. */
static void
test_new_kinds_and_keys (void)
{
  g_auto (KitSegment) segment;
  HfStatementBuilder builder;
  g_autofree gchar *got = NULL, *damaged = NULL;
  gchar *hit;

  kit_segment_init (&segment, 7, NULL);
  kit_segment_begin_alone (&segment, &builder, "carried-on");
  hf_statement_add (&builder, "new", "1", -1);
  kit_segment_end_alone (&segment, &builder);
  kit_segment_message (&segment, 1, MESSAGE, -1);
  kit_segment_begin_alone (&segment, &builder, "void");
  hf_statement_add (&builder, "new", "1", -1);
  kit_segment_end_alone (&segment, &builder);
  kit_segment_pad (&segment);
  got = read_all (segment.text);
  tap_check_str ("passed over", got, "other, 1, void");
  hit = strstr (segment.text->str, "new=1");
  hit[4] = '2';
  damaged = read_all (segment.text);
  tap_check_str ("damaged", damaged, "other (digest is wrong), 1, void");
}

/* ---- errors ---- */

/* Every read fails in turn: an error each time, never a record less. */
static void
test_P2_errors_are_no_damage (void)
{
  g_auto (KitSegment) segment;
  guint failed = 0;
  int fd;

  make_three (&segment);
  fd = file_of (segment.text);
  for (guint nth = 1;; nth++)
    {
      g_autoptr (GError) error = NULL;
      gboolean end = FALSE, ok;
      guint whole = 0;
      HfReader reader;
      HfItem item;

      hf_item_init (&item);
      faults_fail (FAULT_PREAD, "segment", nth, EIO);
      ok = hf_reader_init (&reader, fd, segment.text->len, 0, NULL, &error);
      while (ok && (ok = hf_reader_next (&reader, &item, &end, &error)) && !end)
        whole += item.whole;
      hf_item_clear (&item);
      if (error == NULL || g_error_matches (error, HF_ERROR, HF_ERROR_IO))
        tap_check_int ("errno", hf_error_errno (error), ok ? 0 : EIO);
      hf_reader_clear (&reader);
      if (ok)
        {
          tap_check_int ("whole", whole, 3);
          break;
        }
      failed++;
    }
  tap_check ("some failed", failed > 0);
  faults_reset ();
  hf_sys_close (&fd);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "whole", test_whole },
    { "limit", test_limit },
    { "damage", test_damage },
    { "padding-without-its-end", test_padding_without_its_end },
    { "P5-octets-gone-are-told", test_P5_octets_gone_are_told },
    { "damaged-header", test_damaged_header },
    { "every-bit-of-the-header", test_every_bit_of_the_header },
    { "imitations", test_imitations },
    { "look-alikes-cost-nothing", test_look_alikes_cost_nothing },
    { "versions", test_versions },
    { "new-kinds-and-keys", test_new_kinds_and_keys },
    { "P2-errors-are-no-damage", test_P2_errors_are_no_damage },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("reader", tests, argc, argv);
}
