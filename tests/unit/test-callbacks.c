/* test-callbacks.c - what the MTA is told: yes only with the message held, else a 4xx with its reason
 *
 * The callbacks run without libmilter; tests/fuzz/fake-libmilter.h stands in
 * its place.
 */
#include <config.h>

#include "milter/base/config.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/filter/callbacks.h"
#include "tests/fuzz/fake-libmilter.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>

#define LONG_MS 20000

typedef struct
{
  gchar *spool;
  HfConfig *config;
  HfFilter filter;
  struct smfiDesc calls;
  SMFICTX *ctx;
} Bench;

static void
bench_init (Bench *self)
{
  g_autoptr (GError) error = NULL;

  kit_events_keep ();
  memset (self, 0, sizeof *self);
  self->spool = kit_spool_new ();
  self->config = hf_config_new_default ();
  g_free (self->config->spool_directory);
  self->config->spool_directory = g_strdup (self->spool);
  self->config->journal_segment_size = 1024 * 1024;
  self->config->milter_commit_limit = LONG_MS;
  if (!hf_filter_open (&self->filter, self->config, &error))
    g_error ("%s", error->message);
  self->calls = hf_callbacks_describe (&self->filter);
  self->ctx = fake_context_new ();
  fake_context_set_macro (self->ctx, "i", "4Yq1Zr0Bz1z9");
  kit_events_keep ();
}

static void
bench_clear (const gchar *row, Bench *self)
{
  faults_reset ();
  self->calls.xxfi_close (self->ctx);
  tap_check_int (row, self->filter.open, 0);
  tap_check (row, hf_filter_drain (&self->filter, LONG_MS));
  hf_stage_area_clear (&self->filter.area);
  tap_check (row, fake_context_private (self->ctx) == NULL);
  tap_check (row, kit_wait_let_go (self->spool));
  fake_context_free (self->ctx);
  hf_config_free (self->config);
  kit_spool_free (self->spool);
}

/* ---- words ---- */

typedef enum
{
  MAIL,
  RCPT,
  HEADER,
  BODY,
  EOM,
  ABORT,
  N_WORDS,
} Word;

static sfsistat
say (Bench *self, Word word)
{
  char *mail[] = { (char[]){ "<a@example.org>" }, NULL };
  char *rcpt[] = { (char[]){ "<b@example.org>" }, NULL };
  unsigned char text[] = "text\r\n";

  switch (word)
    {
    case MAIL:
      return self->calls.xxfi_envfrom (self->ctx, mail);
    case RCPT:
      return self->calls.xxfi_envrcpt (self->ctx, rcpt);
    case HEADER:
      return self->calls.xxfi_header (self->ctx, (char[]){ "Subject" }, (char[]){ " x" });
    case BODY:
      return self->calls.xxfi_body (self->ctx, text, 6);
    case EOM:
      return self->calls.xxfi_eom (self->ctx);
    default:
      return self->calls.xxfi_abort (self->ctx);
    }
}

static sfsistat
say_message (Bench *self)
{
  static const Word words[] = { MAIL, RCPT, HEADER, BODY };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (words[i] == MAIL ? say (self, MAIL) != SMFIS_CONTINUE : (say (self, words[i]), FALSE))
      return SMFIS_TEMPFAIL;
  return say (self, EOM);
}

/* Whole records that no mark makes void, whatever their ids. */
static guint
held (const Bench *self)
{
  g_autoptr (HfView) view = hf_view_open (self->spool, HF_READ_VERIFY, NULL);
  HfViewEntry entry;
  gboolean end = FALSE;
  guint count = 0;

  while (view != NULL && hf_view_next (view, &entry, &end, NULL) && !end)
    count += entry.copy == HF_COPY_WHOLE && entry.mark == NULL;
  return count;
}

/* ---- P1 ---- */

static void
test_P1_yes_means_held (void)
{
  Bench bench;

  bench_init (&bench);
  for (guint i = 1; i <= 3; i++)
    {
      tap_check_int ("yes", say_message (&bench), SMFIS_CONTINUE);
      tap_check_int ("held before the answer", held (&bench), i);
      tap_check_str ("no reply of our own", fake_context_take_code (bench.ctx), "");
    }
  tap_check_int ("no event", kit_events_count (0), 0);
  bench_clear ("clear", &bench);
}

static gboolean
collect (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, data, (gssize) size);
  return TRUE;
}

/* The octets of the newest record. */
static GString *
newest (const Bench *self)
{
  g_autoptr (HfView) view = hf_view_open (self->spool, HF_READ_VERIFY, NULL);
  GString *octets = g_string_new (NULL);
  HfViewEntry entry;
  gboolean end = FALSE;

  while (view != NULL && hf_view_next (view, &entry, &end, NULL) && !end)
    {
      g_string_truncate (octets, 0);
      hf_view_copy_message (view, &entry, collect, octets, NULL);
    }
  return octets;
}

/* An MTA may have one connection follow another on what they negotiated once
 * (SMFIC_QUIT_NC): the blank before a value is then shown there, too. */
static void
test_P1_exact_without_negotiation (void)
{
  static const gulong offers[] = { SMFIP_HDR_LEADSPC | SMFIP_NR_HDR, SMFIP_NR_HDR };

  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    {
      const gchar *row = (offers[i] & SMFIP_HDR_LEADSPC) != 0 ? "with the blank" : "without";
      const gchar *want = (offers[i] & SMFIP_HDR_LEADSPC) != 0 ? "Subject: x\r\n\r\ntext\r\n" : "Subject:  x\r\n\r\ntext\r\n";
      gulong actions, steps, f2, f3;
      Bench bench;

      bench_init (&bench);
      bench.calls.xxfi_negotiate (bench.ctx, SMFIF_SETSYMLIST, offers[i], 0, 0, &actions, &steps, &f2, &f3);
      for (guint connection = 0; connection < 2; connection++)
        {
          g_autoptr (GString) octets = NULL;

          bench.calls.xxfi_connect (bench.ctx, (char[]){ "client.example.org" }, NULL);
          tap_check_int (row, say_message (&bench), SMFIS_CONTINUE);
          octets = newest (&bench);
          tap_check_str (row, octets->str, want);
          bench.calls.xxfi_close (bench.ctx);
        }
      bench_clear (row, &bench);
    }
}

/* ---- P2 ---- */

static void
test_P2_no_has_a_reason (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    const gchar *part;
    gint number;
    const gchar *want_code;
    const gchar *want_step;
    const gchar *want_errno;
  } rows[] = {
    { "stage not opened", FAULT_OPEN, "/stage", EMFILE, "451", "stage-open", "EMFILE" },
    { "stage not written", FAULT_WRITE, "/stage", ENOSPC, "452", "stage-write", "ENOSPC" },
    { "stage not reopened", FAULT_OPEN, "/proc/self/fd", EMFILE, "451", "stage-reopen", "EMFILE" },
    { "stage not read", FAULT_PREAD, "/stage", EIO, "451", "stage-read", "EIO" },
    { "segment not written", FAULT_PWRITE, ".bsmtp", ENOSPC, "452", "segment-write", "ENOSPC" },
    { "not read back", FAULT_PREAD, ".bsmtp", EIO, "451", "journal-read", "EIO" },
    { "not synced", FAULT_FDATASYNC, ".bsmtp", EIO, "451", "segment-sync", "EIO" },
    { "path not there", FAULT_STAT, ".bsmtp", ENOENT, "451", "path-check", "ENOENT" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *line = NULL, *step = g_strconcat ("step=", rows[i].want_step, NULL);
      g_autofree gchar *number = g_strconcat ("errno=", rows[i].want_errno, NULL);
      Bench bench;

      bench_init (&bench);
      faults_fail (rows[i].call, rows[i].part, 1, rows[i].number);
      tap_check_int (rows[i].name, say_message (&bench), SMFIS_TEMPFAIL);
      tap_check_int (rows[i].name, faults_met (rows[i].call), 1);
      faults_reset ();
      tap_check_str (rows[i].name, fake_context_take_code (bench.ctx), rows[i].want_code);
      line = kit_events_line (HF_EVENT_MESSAGE_NOT_STORED);
      tap_check_has (rows[i].name, line, "queue=4Yq1Zr0Bz1z9");
      tap_check_has (rows[i].name, line, step);
      tap_check_has (rows[i].name, line, number);
      bench_clear (rows[i].name, &bench);
    }
}

static gboolean
none_held (gpointer data)
{
  return held (data) == 0;
}

/* The limit passes first: a 451, and the copy that is written after all is void. */
static void
test_P2_P6_late (void)
{
  g_autofree gchar *line = NULL;
  Bench bench;

  bench_init (&bench);
  bench.filter.commit_limit_ms = 50;
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  tap_check_int ("late", say_message (&bench), SMFIS_TEMPFAIL);
  tap_check_str ("code", fake_context_take_code (bench.ctx), "451");
  line = kit_events_line (HF_EVENT_COMMIT_LATE);
  tap_check_has ("event", line, "queue=4Yq1Zr0Bz1z9");
  faults_release ();
  bench.filter.commit_limit_ms = LONG_MS;
  tap_check ("void", kit_wait_until (none_held, &bench));
  bench_clear ("late", &bench);
}

static void
test_P2_draining (void)
{
  Bench bench;

  bench_init (&bench);
  tap_check_int ("begun before", say (&bench, MAIL), SMFIS_CONTINUE);
  g_atomic_int_set (&bench.filter.draining, TRUE);
  for (Word word = RCPT; word <= BODY; word++)
    say (&bench, word);
  tap_check_int ("is finished", say (&bench, EOM), SMFIS_CONTINUE);
  tap_check_int ("is held", held (&bench), 1);
  tap_check_int ("no new one", say (&bench, MAIL), SMFIS_TEMPFAIL);
  tap_check_str ("code", fake_context_take_code (bench.ctx), "421");
  tap_check_int ("not counted", bench.filter.open, 0);
  bench_clear ("draining", &bench);
}

/* ---- P3 ---- */

/* What may come of a sequence, kept by hand. */
typedef struct
{
  gboolean open;
  gboolean broken;
  gboolean in_message;
  gboolean headers_ended;
  guint rcpts;
} Model;

static gboolean
model_take (Model *self, Word word)
{
  const gboolean good = self->open && !self->broken && self->rcpts > 0;

  switch (word)
    {
    case MAIL:
      *self = (Model){ .open = TRUE };
      break;
    case RCPT:
      self->broken |= self->in_message;
      self->rcpts++;
      break;
    case HEADER:
      self->broken |= self->headers_ended;
      self->in_message = TRUE;
      break;
    case BODY:
      self->in_message = self->headers_ended = TRUE;
      break;
    default:
      *self = (Model){ FALSE };
    }
  return good;
}

/* All sequences of up to five words: no answer is ever a discard, an early yes or
 * a 5xx; the end is a yes exactly when a message was said, and then it is held. */
static void
test_P3_every_order (void)
{
  guint yes = 0, ends = 0;
  Bench bench;

  bench_init (&bench);
  for (guint number = 0; number < N_WORDS * N_WORDS * N_WORDS * N_WORDS; number++)
    {
      Model model = { FALSE };
      guint rest = number;

      for (guint i = 0; i < 5; i++, rest /= N_WORDS)
        {
          const Word word = i < 4 ? rest % N_WORDS : EOM;
          const gboolean good = model_take (&model, word);
          const sfsistat answer = say (&bench, word);
          const gboolean answered = word == MAIL || word == EOM;

          if (!answered && answer != SMFIS_NOREPLY && answer != SMFIS_CONTINUE)
            tap_check_int ("a silent word is answered", answer, -1);
          if (answered && answer != SMFIS_CONTINUE && answer != SMFIS_TEMPFAIL)
            tap_check_int ("another answer", answer, -1);
          if (answer == SMFIS_TEMPFAIL && fake_context_take_code (bench.ctx)[0] != '4')
            tap_check_int ("a no without a 4xx", number, -1);
          if (word != EOM)
            continue;
          ends++;
          yes += answer == SMFIS_CONTINUE;
          if ((answer == SMFIS_CONTINUE) != good)
            tap_check_int (good ? "no to a message" : "yes to none", number, -1);
        }
      say (&bench, ABORT);
    }
  tap_check ("some of each", yes > 50 && ends > 2 * yes);
  tap_check_int ("as many held as were answered with yes", held (&bench), yes);
  bench_clear ("orders", &bench);
}

/* A connection that ends anywhere leaves nothing behind. */
static void
test_closed_anywhere (void)
{
  for (Word last = MAIL; last <= EOM; last++)
    {
      g_autofree gchar *row = g_strdup_printf ("after word %d", last);
      Bench bench;

      bench_init (&bench);
      for (Word word = MAIL; word <= last; word++)
        say (&bench, word);
      bench_clear (row, &bench);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "P1-yes-means-held", test_P1_yes_means_held },
    { "P1-exact-without-negotiation", test_P1_exact_without_negotiation },
    { "P2-no-has-a-reason", test_P2_no_has_a_reason },
    { "P2-P6-late", test_P2_P6_late },
    { "P2-draining", test_P2_draining },
    { "P3-every-order", test_P3_every_order },
    { "closed-anywhere", test_closed_anywhere },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("callbacks", tests, argc, argv);
}
