/* test-record.c - what is written as a record is read as it, and nothing else is
 *
 * The rules R1 to R7 are those of doc/FORMAT.
 */
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

static gboolean
append (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, data, (gssize) size);
  return TRUE;
}

/* A segment with one record, read again and again in parts or altered. */
typedef struct
{
  KitSegment segment;
  gsize start; /* of the record */
  int fd;
  HfWindow window;
  HfHash hash;
  HfItem item;
} Bench;

static void
bench_init (Bench *self)
{
  memset (self, 0, sizeof *self);
  kit_segment_init (&self->segment, 1, NULL);
  self->start = self->segment.text->len;
  self->fd = memfd_create ("record", MFD_CLOEXEC);
  hf_item_init (&self->item);
  hf_window_init (&self->window, self->fd, 0);
}

static void
bench_clear (Bench *self)
{
  kit_segment_clear (&self->segment);
  hf_window_clear (&self->window);
  hf_hash_clear (&self->hash);
  hf_item_clear (&self->item);
  hf_sys_close (&self->fd);
}

/* Puts @text in place of the file and reads the record at @start. */
static gboolean
bench_read (Bench *self, const GString *text, guint64 limit, HfReadFlags flags)
{
  g_assert_true (ftruncate (self->fd, 0) == 0
                 && pwrite (self->fd, text->str, text->len, 0) == (gssize) text->len);
  hf_window_reset (&self->window, self->fd, self->start, limit);
  return hf_record_read (&self->window, &self->segment.nonce, flags, HF_ITEM_MESSAGE, &self->hash, &self->item, NULL);
}

static void
bench_message (Bench *self, const gchar *message, gssize size)
{
  kit_segment_message (&self->segment, 1, message, size);
}

/* ---- addresses ---- */

static void
test_path (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *argument;
    const gchar *want_address;
    const gchar *want_params;
  } rows[] = {
    { "address", "<a@example.org>", "a@example.org", "" },
    { "parameters", "<a@example.org> BODY=8BITMIME RET=HDRS", "a@example.org", "BODY=8BITMIME RET=HDRS" },
    { "null sender", "<>", "", "" },
    { "null sender with parameter", "<> SIZE=5", "", "SIZE=5" },
    { "bare", "a@example.org", "a@example.org", "" },
    { "bare with parameter", "a@example.org SIZE=5", "a@example.org", "SIZE=5" },
    { "quotes alone", "\"\"", "", "" },
    { "nothing", "", "", "" },
    { "quoted >", "<\"a> b\"@example.org> SIZE=1", "\"a> b\"@example.org", "SIZE=1" },
    { "quoted quote", "<\"a\\\"> b\"@example.org> SIZE=1", "\"a\\\"> b\"@example.org", "SIZE=1" },
    { "backslash at the end of quotes", "<\"a\\\\\"@example.org> S=1", "\"a\\\\\"@example.org", "S=1" },
    { "route", "<@example.net:a@example.org>", "@example.net:a@example.org", "" },
    { "literal", "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", "" },
    { "8-bit", "<\xc3\xa4@example.org> SMTPUTF8", "\xc3\xa4@example.org", "SMTPUTF8" },
    { "several blanks", "<a@example.org>   S=1", "a@example.org", "S=1" },
    { "> inside", "<a>b@example.org> S=1", "a>b@example.org", "S=1" },
    { "quote that never ends", "<a\"b@example.org> S=1", "a\"b@example.org", "S=1" },
    { "bracket that never ends", "<a@example.org", "a@example.org", "" },
    { "bracket alone", "<", "", "" },
    { "backslash at the very end", "<\"a\\", "\"a\\", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const gsize size = strlen (rows[i].argument);
      /* not NUL-terminated: nothing may be read behind it */
      g_autofree gchar *argument = g_memdup2 (rows[i].argument, MAX (size, 1));
      HfPath path;

      hf_path_parse (argument, size, &path);
      tap_check_str (rows[i].name, path.address, rows[i].want_address);
      tap_check_str (rows[i].name, path.params, rows[i].want_params);
      hf_path_clear (&path);
    }
}

/* ---- every kind of envelope, written and read ---- */

#define MOST_ARGUMENTS 5

static void
test_envelopes (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *argv[MOST_ARGUMENTS];
    const gchar *want_line;
    const gchar *want_address;
    const gchar *want_params;
    const gchar *want_hidden; /* of MAIL */
  } rows[] = {
    { "address", { "<a@example.org>" }, "<a@example.org>\r\n", "a@example.org", "", NULL },
    { "bare, from sendmail(1)", { "a@example.org" }, "<a@example.org>\r\n", "a@example.org", "", NULL },
    { "null sender", { "<>" }, "<>\r\n", "", "", NULL },
    { "null sender from sendmail(1)", { "\"\"" }, "<>\r\n", "", "", NULL },
    { "empty", { "" }, "<>\r\n", "", "", NULL },
    { "no argument at all", { NULL }, "<>\r\n", "", "", NULL },
    { "parameters", { "<a@example.org>", "BODY=8BITMIME", "RET=HDRS" },
      "<a@example.org> BODY=8BITMIME RET=HDRS\r\n", "a@example.org", "BODY=8BITMIME RET=HDRS", NULL },
    { "hidden ones", { "<a@example.org>", "SIZE=1000", "BODY=8BITMIME", "AUTH=<>" },
      "<a@example.org> BODY=8BITMIME\r\nNOOP holdfast-hidden params=SIZE+3D1000+20AUTH+3D<>\r\n", "a@example.org",
      "BODY=8BITMIME", "SIZE=1000 AUTH=<>" },
    { "hidden in lower case", { "<a@example.org>", "size=1" },
      "<a@example.org>\r\nNOOP holdfast-hidden params=size+3D1\r\n", "a@example.org", "", "size=1" },
    { "not hidden", { "<a@example.org>", "SIZED=1", "XAUTH=2" }, "<a@example.org> SIZED=1 XAUTH=2\r\n",
      "a@example.org", "SIZED=1 XAUTH=2", NULL },
    { "quoted >", { "<\"> \\\" <\"@example.org>" }, "<\"> \\\" <\"@example.org>\r\n", "\"> \\\" <\"@example.org", "", NULL },
    { "blanks, bare", { "\"a b\"@example.org" }, "<\"a b\"@example.org>\r\n", "\"a b\"@example.org", "", NULL },
    { "8-bit", { "<\xc3\xa4\xff@example.org>", "SMTPUTF8" }, "<\xc3\xa4\xff@example.org> SMTPUTF8\r\n",
      "\xc3\xa4\xff@example.org", "SMTPUTF8", NULL },
    { "line end", { "<a@example.org>\r\nDATA\r\n.\r\n" },
      "<<a@example.org>?\?DATA?\?.?\?>\r\nNOOP holdfast-exact "
      "argument=<<a@example.org>+0D+0ADATA+0D+0A.+0D+0A>\r\n",
      "<a@example.org>\r\nDATA\r\n.\r\n", "", NULL },
    { "tab and DEL", { "<a\tb\x7f@example.org>", "X=\x01" },
      "<a?b?@example.org> X=?\r\nNOOP holdfast-exact argument=<a+09b+7F@example.org>+20X+3D+01\r\n",
      "a\tb\x7f@example.org", "X=\x01", NULL },
    { "control and hidden", { "<a\tb@example.org>", "SIZE=7" },
      "<a?b@example.org>\r\nNOOP holdfast-exact argument=<a+09b@example.org>\r\n"
      "NOOP holdfast-hidden params=SIZE+3D7\r\n",
      "a\tb@example.org", "", "SIZE=7" },
    { "statement for an address", { "<NOOP holdfast-end>" }, "<NOOP holdfast-end>\r\n", "NOOP holdfast-end", "", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) lines = g_string_new (NULL);
      g_autofree gchar *want_mail = g_strconcat ("MAIL FROM:", rows[i].want_line, NULL);
      HfFacts facts = { .at_ms = 1 };
      const HfPath *rcpt;
      Bench bench;

      bench_init (&bench);
      kit_id (1, &facts.id);
      hf_record_write_mail (lines, rows[i].argv);
      tap_check_str (rows[i].name, lines->str, want_mail);
      hf_record_write_rcpt (lines, rows[i].argv);
      kit_segment_record (&bench.segment, &facts, lines->str, 1, "x\r\n", -1);
      tap_check (rows[i].name, bench_read (&bench, bench.segment.text, bench.segment.text->len, HF_READ_RECIPIENTS));
      tap_check_str (rows[i].name, bench.item.fault, NULL);
      tap_check (rows[i].name, bench.item.whole);
      tap_check_str (rows[i].name, bench.item.sender.address, rows[i].want_address);
      tap_check_str (rows[i].name, bench.item.sender.params, rows[i].want_params);
      tap_check_str (rows[i].name, bench.item.mail_hidden, rows[i].want_hidden);
      tap_check_int (rows[i].name, bench.item.recipients->len, 1);
      /* nothing of RCPT is hidden: its parameters are all the recipient's */
      rcpt = &g_array_index (bench.item.recipients, HfPath, 0);
      tap_check_str (rows[i].name, rcpt->address, rows[i].want_address);
      bench_clear (&bench);
    }
}

/* 1,000 recipients, each with the longest argument that an MTA could pass on. */
static void
test_many_and_long (void)
{
  static const gsize lengths[] = { 10, 500, 511, 512, 4096, 300000 };
  Bench bench;

  bench_init (&bench);
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autofree gchar *row = g_strdup_printf ("%" G_GSIZE_FORMAT, lengths[i]);
      const guint rcpts = lengths[i] > 5000 ? 3 : 1000;
      g_autoptr (GString) lines = g_string_new (NULL);
      g_autofree gchar *local = g_strnfill (lengths[i], i % 2 == 0 ? 'x' : '\x01');
      HfFacts facts = { .at_ms = 1 };
      gboolean same = TRUE;

      hf_record_write_mail (lines, (const gchar *const[]){ local, local, NULL });
      for (guint r = 0; r < rcpts; r++)
        {
          g_autofree gchar *address = g_strdup_printf ("<%s%u@example.org>", local, r);

          hf_record_write_rcpt (lines, (const gchar *const[]){ address, "NOTIFY=NEVER", NULL });
        }
      kit_id (i + 1, &facts.id);
      bench.start = bench.segment.text->len;
      kit_segment_record (&bench.segment, &facts, lines->str, rcpts, "x\r\n", -1);
      tap_check (row, bench_read (&bench, bench.segment.text, bench.segment.text->len, HF_READ_RECIPIENTS));
      tap_check_str (row, bench.item.fault, NULL);
      tap_check_int (row, bench.item.recipients->len, rcpts);
      tap_check_str (row, bench.item.sender.address, local);
      tap_check_str (row, bench.item.sender.params, local);
      for (guint r = 0; r < bench.item.recipients->len; r++)
        {
          g_autofree gchar *address = g_strdup_printf ("%s%u@example.org", local, r);
          const HfPath *path = &g_array_index (bench.item.recipients, HfPath, r);

          same = same && strcmp (path->address, address) == 0 && strcmp (path->params, "NOTIFY=NEVER") == 0;
        }
      tap_check (row, same);
    }
  bench_clear (&bench);
}

/* ---- facts and messages ---- */

static void
test_facts (void)
{
  g_autofree gchar *long_helo = g_strnfill (3000, '\xe4');
  HfFacts facts = { .at_ms = G_GINT64_CONSTANT (1795378685123), .daemon = (gchar[]){ "smtpd two" },
                    .queue = (gchar[]){ "4Yq1Zr0Bz1z9" }, .client = (gchar[]){ "unknown[192.0.2.1]" },
                    .helo = long_helo, .auth = (gchar[]){ "a=b+c\r\nNOOP" } };
  Bench bench;

  bench_init (&bench);
  kit_id (77, &facts.id);
  kit_segment_record (&bench.segment, &facts, "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n", 1, "a\nb", -1);
  tap_check ("read", bench_read (&bench, bench.segment.text, bench.segment.text->len, HF_READ_VERIFY));
  tap_check_str ("fault", bench.item.fault, NULL);
  tap_check ("has facts", bench.item.has_facts);
  tap_check_int ("id", kit_number (&bench.item.facts.id), 77);
  tap_check_int ("time", bench.item.facts.at_ms, facts.at_ms);
  tap_check_str ("daemon", bench.item.facts.daemon, facts.daemon);
  tap_check_str ("queue", bench.item.facts.queue, facts.queue);
  tap_check_str ("client", bench.item.facts.client, facts.client);
  tap_check_str ("helo", bench.item.facts.helo, facts.helo);
  tap_check_str ("auth", bench.item.facts.auth, facts.auth);
  tap_check_int ("bytes", bench.item.facts.bytes, 3);
  tap_check_int ("wire", bench.item.facts.wire, 5);
  tap_check_int ("rcpts", bench.item.facts.rcpts, 1);
  tap_check_int ("bare", bench.item.facts.bare, TRUE);
  tap_check_int ("group", bench.item.group, 1);
  tap_check_int ("length", bench.item.length, bench.segment.text->len - bench.start);
  bench_clear (&bench);
}

/* Every message comes back octet for octet, whatever its end and its dots. */
static void
test_messages (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *message;
    gssize size;
  } rows[] = {
    { "empty", "", 0 },
    { "line", "x\r\n", -1 },
    { "no line end", "x", -1 },
    { "CR at the end", "x\r", -1 },
    { "LF at the end", "x\n", -1 },
    { "dots", ".\r\n..\r\n...\r\n.", -1 },
    { "end of data", "a\r\n.\r\nMAIL FROM:<>\r\n", -1 },
    { "NULs", "\0\0\r\n\0", 5 },
    { "8-bit", "\xff\xfe\r\n", -1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const gsize size = rows[i].size < 0 ? strlen (rows[i].message) : (gsize) rows[i].size;
      g_autoptr (GString) back = g_string_new (NULL);
      Bench bench;

      bench_init (&bench);
      bench_message (&bench, rows[i].message, (gssize) size);
      tap_check (rows[i].name, bench_read (&bench, bench.segment.text, bench.segment.text->len, HF_READ_VERIFY));
      tap_check_str (rows[i].name, bench.item.fault, NULL);
      tap_check (rows[i].name, hf_record_copy_message (&bench.window, &bench.item, append, back, NULL));
      tap_check (rows[i].name, back->len == size && memcmp (back->str, rows[i].message, size) == 0);
      bench_clear (&bench);
    }
}

/* ---- what breaks a rule ---- */

/* The first @from behind the record's start becomes @to. */
static GString *
altered (const Bench *bench, const gchar *from, const gchar *to)
{
  const GString *text = bench->segment.text;
  const gchar *hit = g_strstr_len (text->str + bench->start, (gssize) (text->len - bench->start), from);
  GString *out = g_string_new_len (text->str, (gssize) text->len);

  g_assert_nonnull (hit);
  g_string_erase (out, hit - text->str, (gssize) strlen (from));
  g_string_insert (out, hit - text->str, to);
  return out;
}

static void
test_rules (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *from;
    const gchar *to;
    const gchar *want_fault;
    gboolean want_facts;
  } rows[] = {
    { "R1 grammar", " id=", "  id=", "statement breaks the grammar", FALSE },
    { "R1 grammar behind the id", " queue=", "  queue=", "statement breaks the grammar", TRUE },
    { "R2 no id", " id=", " ix=", "no valid id", FALSE },
    { "R2 id too short", " at=2", "2", "no valid id", FALSE },
    { "R2 no time", " at=", " ax=", "no valid time", TRUE },
    { "R2 no bytes", " bytes=", " bxtes=", "no valid lengths", TRUE },
    { "R2 no wire", " wire=", " wxre=", "no valid lengths", TRUE },
    { "R2 no recipients", " rcpts=", " rxpts=", "no valid lengths", TRUE },
    { "R2 no group", " group=", " gxoup=", "no valid lengths", TRUE },
    { "R2 wire is no number", " wire=", " wire=x", "no valid lengths", TRUE },
    { "R3 no sender", "MAIL FROM:", "MALL FROM:", "no MAIL FROM line", TRUE },
    { "R3 unknown line", "RCPT TO:", "RSET", "unknown line in the envelope", TRUE },
    { "R3 a recipient more", "RCPT TO:", "RCPT TO:<c@example.org>\r\nRCPT TO:", "recipients are missing or doubled", TRUE },
    { "R3 no recipient", "RCPT TO:<b@example.org>\r\n", "", "recipients are missing or doubled", TRUE },
    { "R3 no data", "DATA\r\n", "", "unknown line in the envelope", TRUE },
    { "R3 statement with a fault", "DATA\r\n", "NOOP holdfast-exact x\r\nDATA\r\n", "statement breaks the grammar", TRUE },
    { "R6 same number, other digits", " wire=", " wire=0", "envelope digest is wrong", TRUE },
    { "R4 wire far too great", " wire=", " wire=99999", "ends in the middle of the message", TRUE },
    { "R4 wire beyond 64 bits", " wire=", " wire=9999999999999999999999", "no valid lengths", TRUE },
    { "R4 wire at 64 bits", " wire=12", " wire=18446744073709551615", "ends in the middle of the message", TRUE },
    { "R4 other length", " bytes=", " bytes=1", "message has another length", TRUE },
    { "R4 no line end", "two\r\n.\r\nNOOP", "two!!.\r\nNOOP", "message does not end its line", TRUE },
    { "R5 no dot", "two\r\n.\r\n", "two\r\n!\r\n", "no dot behind the message", TRUE },
    { "R5 no seal", "holdfast-seal", "holdfast-sale", "no seal", TRUE },
    { "R5 seal of another segment", "seal nonce=0", "seal nonce=1", "seal of another record", TRUE },
    { "R5 seal of another record", " id=01HF7YAT01", " id=01HF7YAT02", "seal of another record", TRUE },
    { "R5 seal without salt", " salt=", " sxlt=", "seal is not readable", TRUE },
    { "R5 seal without chain", " chain=", " chxin=", "seal is not readable", TRUE },
    { "R5 upper case in a digest", " envelope=", " envelope=A", "seal is not readable", TRUE },
    { "R6 another sender", "FROM:<a@", "FROM:<c@", "envelope digest is wrong", TRUE },
    { "R6 another recipient", "TO:<b@", "TO:<c@", "envelope digest is wrong", TRUE },
    { "R6 another queue id", "queue=Q", "queue=P", "envelope digest is wrong", TRUE },
    { "R6 a parameter more", "DATA\r\n", "NOOP holdfast-hidden params=SIZE\r\nDATA\r\n", "envelope digest is wrong", TRUE },
    { "R7 another message", "two\r\n", "TWO\r\n", "message digest is wrong", TRUE },
    { "R7 another salt", " salt=5", " salt=6", "envelope digest is wrong", TRUE },
  };
  Bench bench;

  bench_init (&bench);
  bench_message (&bench, "one\r\n\r\ntwo\r\n", -1);
  tap_check ("as it is", bench_read (&bench, bench.segment.text, bench.segment.text->len, 0) && bench.item.whole);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = altered (&bench, rows[i].from, rows[i].to);

      tap_check (rows[i].name, bench_read (&bench, text, text->len, HF_READ_VERIFY));
      tap_check (rows[i].name, !bench.item.whole);
      tap_check_int (rows[i].name, bench.item.has_facts, rows[i].want_facts);
      tap_check_str (rows[i].name, bench.item.fault, rows[i].want_fault);
    }
  bench_clear (&bench);
}

/* P5, P7: no bit of a record can turn over unseen, but for its chain, which is
 * evidence and no part of what makes it valid. */
static void
test_every_bit (void)
{
  g_autoptr (GString) text = NULL;
  gsize chain;
  Bench bench;

  bench_init (&bench);
  bench_message (&bench, "Subject: x\r\n\r\n.dot\r\nend", -1);
  text = g_string_new_len (bench.segment.text->str, (gssize) bench.segment.text->len);
  chain = text->len - 2 - HF_DIGEST_HEX;
  tap_check ("as it is", bench_read (&bench, text, text->len, HF_READ_VERIFY) && bench.item.whole);
  for (gsize at = bench.start; at < text->len; at++)
    for (guint bit = at % TAP_STRIDE; bit < 8; bit += TAP_STRIDE)
      {
        HfDigest whole_chain = bench.segment.chain;

        text->str[at] ^= (gchar) (1 << bit);
        if (!bench_read (&bench, text, text->len, HF_READ_VERIFY))
          tap_check_int ("cannot be read", at, -1);
        if (bench.item.whole && (at < chain || at >= chain + HF_DIGEST_HEX))
          tap_check_int ("whole with a bit turned over at", (gint64) (at - bench.start), -1);
        if (bench.item.whole && hf_digest_equal (&bench.item.chain, &whole_chain))
          tap_check_int ("the same chain with a bit turned over at", (gint64) (at - bench.start), -1);
        if (!bench.item.whole && bench.item.fault == NULL)
          tap_check_int ("no fault named at", (gint64) (at - bench.start), -1);
        text->str[at] ^= (gchar) (1 << bit);
      }
  bench_clear (&bench);
}

static guint64 asked_limit;
static gboolean asked_too_much;
static ssize_t (*next_pread) (int fd, void *data, size_t size, off_t offset);

static ssize_t
watched_pread (int fd, void *data, size_t size, off_t offset)
{
  if ((guint64) offset + size > asked_limit)
    asked_too_much = TRUE;
  return next_pread (fd, data, size, offset);
}

/* A record cut off anywhere, by the limit or by the file's end, is not whole,
 * and nothing behind the limit is looked at. */
static void
test_every_cut (void)
{
  g_autoptr (GString) text = NULL;
  Bench bench;

  bench_init (&bench);
  bench_message (&bench, "Subject: x\r\n\r\n.dot\r\nend", -1);
  text = g_string_new_len (bench.segment.text->str, (gssize) bench.segment.text->len);
  for (gsize cut = bench.start; cut < text->len; cut += TAP_STRIDE)
    for (guint flags = 0; flags <= HF_READ_SKIM; flags++)
      {
        g_autoptr (GString) part = g_string_new_len (text->str, (gssize) cut);

        asked_limit = cut;
        asked_too_much = FALSE;
        tap_check ("by the limit", bench_read (&bench, text, cut, flags));
        if (bench.item.whole || bench.item.fault == NULL || asked_too_much)
          tap_check_int ("by the limit at", (gint64) cut, -1);
        asked_limit = G_MAXUINT64;
        tap_check ("by the end", bench_read (&bench, part, text->len, flags));
        if (bench.item.whole || bench.item.fault == NULL)
          tap_check_int ("by the file's end at", (gint64) cut, -1);
      }
  asked_limit = G_MAXUINT64;
  bench_clear (&bench);
}

/* SKIM hops over the message and sees no digest, but keeps all other rules. */
static void
test_skim (void)
{
  g_autoptr (GString) other = NULL;
  Bench bench;

  bench_init (&bench);
  bench_message (&bench, "one\r\n\r\ntwo\r\n", -1);
  other = altered (&bench, "two", "TWO");
  tap_check ("hops", bench_read (&bench, other, other->len, HF_READ_SKIM) && bench.item.whole);
  tap_check_int ("length", bench.item.length, other->len - bench.start);
  tap_check_int ("number", kit_number (&bench.item.facts.id), 1);
  tap_check ("verifies", bench_read (&bench, other, other->len, HF_READ_VERIFY) && !bench.item.whole);
  bench_clear (&bench);
}

/* A file that can't be read is an error, and no damage. */
static void
test_errors (void)
{
  Bench bench;
  guint failed = 0;

  bench_init (&bench);
  bench_message (&bench, "x\r\n", -1);
  for (guint nth = 1;; nth++)
    {
      faults_fail (FAULT_PREAD, NULL, nth, EIO);
      if (bench_read (&bench, bench.segment.text, bench.segment.text->len, HF_READ_VERIFY))
        break;
      failed++;
      tap_check ("not shown as whole", !bench.item.whole);
    }
  tap_check ("some failed", failed > 0);
  tap_check_int ("all met", faults_met (FAULT_PREAD), 0);
  tap_check ("whole", bench.item.whole);
  faults_reset ();
  bench_clear (&bench);
}

/* ---- lines that begin items ---- */

static void
test_starts (void)
{
#define NONCE "00000000000000000000000000abc001"
  static const struct
  {
    const gchar *name;
    const gchar *line;
    gint want; /* -1: none */
  } rows[] = {
    { "message", "NOOP holdfast-message nonce=" NONCE " id=x", HF_ITEM_MESSAGE },
    { "void", "NOOP holdfast-void nonce=" NONCE " id=x", HF_ITEM_VOID },
    { "torn", "NOOP holdfast-torn nonce=" NONCE " segment=1", HF_ITEM_TORN },
    { "end", "NOOP holdfast-end nonce=" NONCE " seq=1", HF_ITEM_END },
    { "nonce of another", "NOOP holdfast-message nonce=00000000000000000000000000abc002 id=x", -1 },
    { "nonce cut", "NOOP holdfast-message nonce=00000000000000000000000000abc00", -1 },
    { "no nonce", "NOOP holdfast-message id=x", -1 },
    { "nonce later", "NOOP holdfast-message id=x nonce=" NONCE, -1 },
    { "doubled dot", "..NOOP holdfast-message nonce=" NONCE, -1 },
    { "blank before", " NOOP holdfast-message nonce=" NONCE, -1 },
    { "lower case", "noop holdfast-message nonce=" NONCE, -1 },
    { "a message's end", "NOOP holdfast-seal nonce=" NONCE " id=x", -1 },
    { "the header", "NOOP holdfast-segment v=1 nonce=" NONCE, -1 },
    { "new kind", "NOOP holdfast-messages nonce=" NONCE, HF_ITEM_OTHER },
    { "new kind of two words", "NOOP holdfast-carried-on nonce=" NONCE, HF_ITEM_OTHER },
    { "no kind", "NOOP holdfast- nonce=" NONCE, -1 },
    { "upper-case kind", "NOOP holdfast-Void nonce=" NONCE, -1 },
    { "kind that never ends", "NOOP holdfast-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx nonce=" NONCE, -1 },
    { "padding", "NOOP ----", -1 },
    { "empty", "", -1 },
  };
  HfNonce nonce;

  kit_nonce (1, &nonce);
  tap_check_str ("nonce", nonce.text, NONCE);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const gsize size = strlen (rows[i].line);
      g_autofree gchar *line = g_memdup2 (rows[i].line, MAX (size, 1));
      HfItemKind kind = HF_ITEM_JUNK;
      const gboolean starts = hf_record_starts (line, size, &nonce, &kind);

      tap_check_int (rows[i].name, starts ? (gint) kind : -1, rows[i].want);
    }
#undef NONCE
}

/* ---- padding ---- */

static void
test_padding (void)
{
  for (guint64 offset = 0; offset <= HF_BLOCK; offset++)
    {
      g_autoptr (GString) out = g_string_new (NULL);
      g_autofree gchar *row = g_strdup_printf ("at %" G_GUINT64_FORMAT, offset);
      const gchar *line, *end;

      hf_record_write_padding (out, offset);
      tap_check_int (row, (offset + out->len) % HF_BLOCK, 0);
      tap_check (row, out->len < HF_BLOCK + 6);
      for (line = out->str; *line != '\0'; line = end + 2)
        {
          end = strstr (line, "\r\n");
          if (end == NULL || !g_str_has_prefix (line, "NOOP") || (end > line + 4 && line[4] != ' '))
            {
              tap_check_str (row, line, "a line of padding");
              break;
            }
        }
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "path", test_path },
    { "envelopes", test_envelopes },
    { "many-and-long", test_many_and_long },
    { "facts", test_facts },
    { "messages", test_messages },
    { "rules", test_rules },
    { "every-bit", test_every_bit },
    { "every-cut", test_every_cut },
    { "skim", test_skim },
    { "errors", test_errors },
    { "starts", test_starts },
    { "padding", test_padding },
    { NULL, NULL },
  };

  faults_install ();
  asked_limit = G_MAXUINT64;
  next_pread = hf_sys.pread;
  hf_sys.pread = watched_pread;
  return tap_run ("record", tests, argc, argv);
}
