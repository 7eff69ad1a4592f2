/* test-transaction.c - the MTA's words become the message, octet for octet, and no failure is forgotten */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/filter/transaction.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const gchar *const mail_argv[] = { "<a@example.org>", "SIZE=1000", "BODY=8BITMIME", NULL };
static const gchar *const rcpt_argv[] = { "<b@example.org>", "NOTIFY=NEVER", NULL };

typedef struct
{
  gchar *spool;
  HfStageArea area;
  HfTransaction txn;
} Bench;

static void
bench_init (Bench *self)
{
  kit_events_keep ();
  self->spool = kit_spool_new ();
  g_assert_true (hf_stage_area_open (&self->area, self->spool, NULL));
  hf_transaction_init (&self->txn, &self->area);
}

static void
bench_clear (const gchar *row, Bench *self)
{
  faults_reset ();
  hf_transaction_clear (&self->txn);
  tap_check_int (row, faults_descriptors (self->spool), 0);
  hf_stage_area_clear (&self->area);
  kit_spool_free (self->spool);
}

static gchar *
octets_of (const HfCommit *commit)
{
  struct stat st;
  gchar *octets;

  g_assert_true (fstat (commit->fd, &st) == 0);
  octets = g_malloc0 ((gsize) st.st_size + 1);
  g_assert_true (pread (commit->fd, octets, (gsize) st.st_size, 0) == (gssize) st.st_size);
  return octets;
}

#define ENVELOPE                                                                                                  \
  "MAIL FROM:<a@example.org> BODY=8BITMIME\r\nNOOP holdfast-hidden params=SIZE+3D1000\r\n"                        \
  "RCPT TO:<b@example.org> NOTIFY=NEVER\r\n"

/* Headers: "NAME|VALUE", NULL-terminated; then the body in pieces. */
static void
test_words (void)
{
  static const struct
  {
    const gchar *name;
    gboolean lead_space;
    const gchar *headers[4];
    gboolean end_of_headers; /* told by the MTA */
    const gchar *body[3];
    const gchar *want; /* behind the envelope, in its wire form */
    guint64 want_bytes;
  } rows[] = {
    { "plain", TRUE, { "Subject| x" }, TRUE, { "text\r\n" }, "Subject: x\r\n\r\ntext\r\n", 20 },
    { "no space", TRUE, { "Subject|x" }, TRUE, { "text\r\n" }, "Subject:x\r\n\r\ntext\r\n", 19 },
    { "tab", TRUE, { "Subject|\tx" }, TRUE, { NULL }, "Subject:\tx\r\n\r\n", 14 },
    { "an MTA without leading spaces", FALSE, { "Subject|x" }, TRUE, { NULL }, "Subject: x\r\n\r\n", 14 },
    { "folded", TRUE, { "Subject| x\n\ty\n z" }, TRUE, { NULL }, "Subject: x\r\n\ty\r\n z\r\n\r\n", 22 },
    { "folded with CRLF", TRUE, { "Subject| x\r\n\ty" }, TRUE, { NULL }, "Subject: x\r\n\ty\r\n\r\n", 18 },
    { "LF at the value's start", TRUE, { "Subject|\n x" }, TRUE, { NULL }, "Subject:\r\n x\r\n\r\n", 16 },
    { "two LFs", TRUE, { "Subject|\n\n x" }, TRUE, { NULL }, "Subject:\r\n\r\n x\r\n\r\n", 18 },
    { "LF at its end", TRUE, { "Subject| x\n" }, TRUE, { NULL }, "Subject: x\r\n\r\n\r\n", 16 },
    { "bare CR", TRUE, { "Subject| x\ry" }, TRUE, { NULL }, "Subject: x\ry\r\n\r\n", 16 },
    { "empty value", TRUE, { "Subject|" }, TRUE, { NULL }, "Subject:\r\n\r\n", 12 },
    { "8-bit", TRUE, { "Subject| \xc3\xa4\xff" }, TRUE, { NULL }, "Subject: \xc3\xa4\xff\r\n\r\n", 16 },
    { "several", TRUE, { "A| 1", "B| 2", "A| 3" }, TRUE, { NULL }, "A: 1\r\nB: 2\r\nA: 3\r\n\r\n", 20 },
    { "no header", TRUE, { NULL }, TRUE, { "text\r\n" }, "\r\ntext\r\n", 8 },
    { "nothing at all", TRUE, { NULL }, FALSE, { NULL }, "\r\n", 2 },
    { "end of headers not told", TRUE, { "A| 1" }, FALSE, { "text\r\n" }, "A: 1\r\n\r\ntext\r\n", 14 },
    { "body in pieces", TRUE, { "A| 1" }, TRUE, { "te", "xt\r", "\n.x\r\n" }, "A: 1\r\n\r\ntext\r\n..x\r\n", 18 },
    { "body without line end", TRUE, { "A| 1" }, TRUE, { "text" }, "A: 1\r\n\r\ntext\r\n", 12 },
    { "dot as header", TRUE, { ".A| 1" }, TRUE, { "." }, "..A: 1\r\n\r\n..\r\n", 10 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = NULL;
      g_autofree gchar *got = NULL, *want = g_strconcat (ENVELOPE, rows[i].want, NULL);
      Bench bench;

      bench_init (&bench);
      bench.txn.lead_space = rows[i].lead_space;
      hf_transaction_begin (&bench.txn);
      hf_transaction_mail (&bench.txn, mail_argv);
      hf_transaction_rcpt (&bench.txn, rcpt_argv);
      for (guint h = 0; h < G_N_ELEMENTS (rows[i].headers) && rows[i].headers[h] != NULL; h++)
        {
          g_auto (GStrv) parts = g_strsplit (rows[i].headers[h], "|", 2);

          hf_transaction_header (&bench.txn, parts[0], parts[1]);
        }
      if (rows[i].end_of_headers)
        hf_transaction_end_of_headers (&bench.txn);
      for (guint b = 0; b < G_N_ELEMENTS (rows[i].body) && rows[i].body[b] != NULL; b++)
        hf_transaction_body (&bench.txn, rows[i].body[b], strlen (rows[i].body[b]));
      commit = hf_transaction_finish (&bench.txn, NULL);
      if (tap_check (rows[i].name, commit != NULL))
        {
          got = octets_of (commit);
          tap_check_str (rows[i].name, got, want);
          tap_check_int (rows[i].name, commit->facts.bytes, rows[i].want_bytes);
          tap_check_int (rows[i].name, commit->facts.wire, strlen (rows[i].want));
          tap_check_int (rows[i].name, commit->facts.rcpts, 1);
        }
      g_clear_pointer (&commit, hf_commit_unref);
      bench_clear (rows[i].name, &bench);
    }
}

/* NULs and any octets, through MAX_BODY-sized pieces as libmilter gives them. */
static void
test_any_octets (void)
{
  g_autofree guint8 *body = g_malloc (300000);
  g_autoptr (HfCommit) commit = NULL;
  g_autofree gchar *got = NULL;
  Bench bench;

  for (guint i = 0; i < 300000; i++)
    body[i] = (guint8) (i % 251);
  bench_init (&bench);
  hf_transaction_begin (&bench.txn);
  hf_transaction_mail (&bench.txn, mail_argv);
  hf_transaction_rcpt (&bench.txn, rcpt_argv);
  for (guint at = 0; at < 300000; at += 65535)
    hf_transaction_body (&bench.txn, body + at, MIN (65535, 300000 - at));
  commit = hf_transaction_finish (&bench.txn, NULL);
  if (tap_check ("finished", commit != NULL))
    {
      got = octets_of (commit);
      tap_check_int ("bytes", commit->facts.bytes, 300002);
      tap_check ("octets", memcmp (got + strlen (ENVELOPE) + 2, body, 300000) == 0);
    }
  g_clear_pointer (&commit, hf_commit_unref);
  bench_clear ("octets", &bench);
}

/* ---- P2: latched failures ---- */

static void
say_rcpt (HfTransaction *txn)
{
  hf_transaction_rcpt (txn, rcpt_argv);
}

static void
say_header (HfTransaction *txn)
{
  hf_transaction_header (txn, "Subject", " x");
}

static void
say_body (HfTransaction *txn)
{
  hf_transaction_body (txn, "text\r\n", 6);
}

static void
say_end_of_headers (HfTransaction *txn)
{
  hf_transaction_end_of_headers (txn);
}

static void
say_large (HfTransaction *txn)
{
  g_autofree gchar *body = g_strnfill (50000, 'x');

  hf_transaction_body (txn, body, 50000);
}

typedef void (*Word) (HfTransaction *txn);

static void
test_P2_out_of_order (void)
{
  static const struct
  {
    const gchar *name;
    Word words[6];
    const gchar *want; /* part of the message */
  } rows[] = {
    { "no recipient", { say_header, say_body }, "ended a message without a recipient" },
    { "recipient behind a header", { say_rcpt, say_header, say_rcpt, say_body }, "sent a recipient out of order" },
    { "recipient behind the body", { say_rcpt, say_body, say_rcpt }, "sent a recipient out of order" },
    { "header behind the empty line", { say_rcpt, say_end_of_headers, say_header }, "sent a header out of order" },
    { "header behind the body", { say_rcpt, say_header, say_body, say_header, say_body }, "sent a header out of order" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = NULL;
      g_autoptr (GError) error = NULL;
      Bench bench;

      bench_init (&bench);
      hf_transaction_begin (&bench.txn);
      hf_transaction_mail (&bench.txn, mail_argv);
      for (guint w = 0; w < G_N_ELEMENTS (rows[i].words) && rows[i].words[w] != NULL; w++)
        rows[i].words[w](&bench.txn);
      commit = hf_transaction_finish (&bench.txn, &error);
      tap_check (rows[i].name, commit == NULL);
      tap_check_str (rows[i].name, hf_error_step (error), "out-of-order");
      tap_check_has (rows[i].name, error != NULL ? error->message : NULL, rows[i].want);
      bench_clear (rows[i].name, &bench);
    }
}

/* A failure in a silent stage comes out at the end, whatever is said after it;
 * what was staged is let go at once, and the next message is like any other. */
static void
test_P2_latched (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
    const gchar *want_step;
  } rows[] = {
    { "open", FAULT_OPEN, ENOSPC, "stage-open" },
    { "write", FAULT_WRITE, EIO, "stage-write" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfCommit) commit = NULL;
      g_autoptr (GError) error = NULL;
      Bench bench;

      bench_init (&bench);
      for (guint round = 0; round < 2; round++)
        {
          hf_transaction_begin (&bench.txn);
          hf_transaction_mail (&bench.txn, mail_argv);
          say_rcpt (&bench.txn);
          say_header (&bench.txn);
          if (round == 0)
            faults_fail (rows[i].call, NULL, 1, rows[i].number);
          say_large (&bench.txn);
          faults_reset ();
          if (round == 0)
            tap_check_int (rows[i].name, faults_descriptors (bench.spool), 0);
          say_body (&bench.txn);
          say_large (&bench.txn);
          commit = hf_transaction_finish (&bench.txn, &error);
          tap_check_int (rows[i].name, commit != NULL, round == 1);
          if (round == 0)
            {
              tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
              tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
              g_clear_error (&error);
            }
          g_clear_pointer (&commit, hf_commit_unref);
        }
      bench_clear (rows[i].name, &bench);
    }
}

/* ---- one after the other ---- */

static void
test_facts (void)
{
  g_autoptr (HfCommit) commit = NULL;
  const gint64 before_ms = hf_sys_wall_ms ();
  HfId first;
  Bench bench;

  bench_init (&bench);
  hf_transaction_set_queue (&bench.txn, "TOOEARLY");
  hf_transaction_begin (&bench.txn);
  first = bench.txn.facts.id;
  tap_check_str ("no queue id before the transaction", bench.txn.facts.queue, NULL);
  bench.txn.facts.client = g_strdup ("mx.example.org[192.0.2.1]");
  bench.txn.facts.helo = g_strdup ("mx.example.org");
  bench.txn.facts.daemon = g_strdup ("smtpd");
  bench.txn.facts.auth = g_strdup ("a");
  hf_transaction_mail (&bench.txn, mail_argv);
  for (guint i = 0; i < 3; i++)
    say_rcpt (&bench.txn);
  hf_transaction_set_queue (&bench.txn, NULL);
  hf_transaction_set_queue (&bench.txn, "");
  hf_transaction_set_queue (&bench.txn, "4Yq1");
  hf_transaction_set_queue (&bench.txn, "4Yq2");
  say_body (&bench.txn);
  commit = hf_transaction_finish (&bench.txn, NULL);
  hf_transaction_end (&bench.txn);
  if (tap_check ("finished", commit != NULL))
    {
      tap_check_str ("id", commit->facts.id.text, first.text);
      tap_check ("time", commit->facts.at_ms >= before_ms && commit->facts.at_ms <= hf_sys_wall_ms ());
      tap_check_str ("the first queue id stays", commit->facts.queue, "4Yq1");
      tap_check_str ("client", commit->facts.client, "mx.example.org[192.0.2.1]");
      tap_check_str ("helo", commit->facts.helo, "mx.example.org");
      tap_check_str ("daemon", commit->facts.daemon, "smtpd");
      tap_check_str ("auth", commit->facts.auth, "a");
      tap_check_int ("recipients", commit->facts.rcpts, 3);
    }
  g_clear_pointer (&commit, hf_commit_unref);
  hf_transaction_begin (&bench.txn);
  tap_check ("another id", strcmp (bench.txn.facts.id.text, first.text) != 0);
  tap_check_str ("nothing of the one before", bench.txn.facts.queue, NULL);
  tap_check_int ("nothing of the one before", bench.txn.facts.rcpts, 0);
  bench_clear ("facts", &bench);
}

/* Given up at any word, or begun anew without that: nothing stays behind, and
 * the next message has nothing of it. */
static void
test_given_up_anywhere (void)
{
  static const Word words[] = { say_rcpt, say_rcpt, say_header, say_end_of_headers, say_body, say_large };

  for (guint stop = 0; stop <= G_N_ELEMENTS (words); stop++)
    for (guint how = 0; how < 2; how++)
      {
        g_autofree gchar *row = g_strdup_printf ("after %u words", stop);
        g_autoptr (HfCommit) commit = NULL;
        g_autofree gchar *got = NULL;
        Bench bench;

        bench_init (&bench);
        hf_transaction_begin (&bench.txn);
        hf_transaction_mail (&bench.txn, mail_argv);
        for (guint w = 0; w < stop; w++)
          words[w](&bench.txn);
        if (how == 0)
          {
            hf_transaction_end (&bench.txn);
            tap_check_int (row, faults_descriptors (bench.spool), 0);
            /* words without a transaction are nobody's */
            for (guint w = 0; w < G_N_ELEMENTS (words); w++)
              words[w](&bench.txn);
          }
        hf_transaction_begin (&bench.txn);
        hf_transaction_mail (&bench.txn, mail_argv);
        say_rcpt (&bench.txn);
        say_body (&bench.txn);
        commit = hf_transaction_finish (&bench.txn, NULL);
        if (tap_check (row, commit != NULL))
          {
            got = octets_of (commit);
            tap_check_str (row, got, ENVELOPE "\r\ntext\r\n");
          }
        g_clear_pointer (&commit, hf_commit_unref);
        bench_clear (row, &bench);
      }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "words", test_words },
    { "any-octets", test_any_octets },
    { "P2-out-of-order", test_P2_out_of_order },
    { "P2-latched", test_P2_latched },
    { "facts", test_facts },
    { "given-up-anywhere", test_given_up_anywhere },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("transaction", tests, argc, argv);
}
