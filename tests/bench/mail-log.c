/* mail-log.c - a log as a busy mail server writes it, and the journal that goes with it
 *
 *   mail-log -f LOG [-t postfix|sendmail] [-n MESSAGES] [-o OPEN] [-r RATE] [-d SPOOL] [-q QUEUE]
 *
 * RATE messages a second, the last of them now; lines of many messages stand
 * between each other.  OPEN of them are still deferred at the end.  SPOOL, an
 * empty directory, gets the filter's journal with a record for each, and QUEUE
 * what `postqueue -j` would print.  The same arguments give the same mail.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/filter/transaction.h"
#include "tests/bench/feed.h"
#include "tests/bench/wording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 32       /* messages whose lines stand between each other */
#define LINES_A_MESSAGE 8 /* for the clock; about */
#define COMMITS 500
#define ADDRESSES 50000
#define SEED 20261126

typedef struct
{
  const gchar *log, *mta, *spool, *queue;
  guint64 messages, open, rate;
} Options;

/* A message whose lines are being written. */
typedef struct
{
  GPtrArray *lines;
  guint next;
} Current;

typedef struct
{
  const Options *options;
  const Wording *wording;
  GRand *random;
  FILE *log, *queue;
  Feed feed;
  HfTransaction txn;
  Current current[AT_ONCE];
  guint64 begun, opened;
  guint64 lines;
  gint64 now_us, step_us;
} Run;

/* ---- one message ---- */

static void
make_mail (Run *self, Mail *mail)
{
  const Options *o = self->options;
  const guint who = (guint) g_rand_int_range (self->random, 0, ADDRESSES);

  *mail = (Mail){ .at_ms = self->now_us / 1000 };
  /* evenly spread */
  mail->open = self->opened * o->messages < o->open * (self->begun + 1);
  self->opened += mail->open;
  mail->n_recipients = g_rand_int_range (self->random, 0, 100) < 90 ? 1 : (guint) g_rand_int_range (self->random, 2, WORDING_RECIPIENTS + 1);
  self->wording->queue_id (self->begun, mail->at_ms, mail->queue);
  g_snprintf (mail->client, sizeof mail->client, "mail%u.example.net[192.0.2.%u]", who % 200, who % 200 + 1);
  g_snprintf (mail->sender, sizeof mail->sender, "sender%u@example.net", who);
  for (guint i = 0; i < mail->n_recipients; i++)
    g_snprintf (mail->recipients[i], sizeof mail->recipients[i], "recipient%d@example.org",
                g_rand_int_range (self->random, 0, ADDRESSES));
}

/* As the filter would have journaled it. */
static gboolean
journal (Run *self, const Mail *mail, GError **error)
{
  static const gchar body[] = "A short text, as the auditor does not look at it.\r\n";
  HfTransaction *txn = &self->txn;
  HfCommit *commit;
  gchar path[80];
  const gchar *const argv[] = { path, NULL };

  hf_transaction_begin (txn);
  txn->lead_space = TRUE;
  g_snprintf (path, sizeof path, "<%s>", mail->sender);
  hf_transaction_mail (txn, argv);
  for (guint i = 0; i < mail->n_recipients; i++)
    {
      g_snprintf (path, sizeof path, "<%s>", mail->recipients[i]);
      hf_transaction_rcpt (txn, argv);
    }
  hf_transaction_header (txn, "Subject", " A message");
  hf_transaction_body (txn, body, sizeof body - 1);
  hf_transaction_set_queue (txn, mail->queue);
  txn->facts.at_ms = mail->at_ms;
  txn->facts.client = g_strdup (mail->client);
  commit = hf_transaction_finish (txn, error);
  return commit != NULL && feed_put (&self->feed, commit, error);
}

static void
write_queued (Run *self, const Mail *mail)
{
  fprintf (self->queue,
           "{\"queue_name\": \"deferred\", \"queue_id\": \"%s\", \"arrival_time\": %" G_GINT64_FORMAT
           ", \"message_size\": 10734, \"forced_expire\": false, \"sender\": \"%s\", \"recipients\": [",
           mail->queue, mail->at_ms / 1000, mail->sender);
  for (guint i = 0; i < mail->n_recipients; i++)
    fprintf (self->queue, "%s{\"address\": \"%s\", \"delay_reason\": \"connect to mx.example.org[192.0.2.25]:25: Connection timed out\"}",
             i > 0 ? ", " : "", mail->recipients[i]);
  fputs ("]}\n", self->queue);
}

static gboolean
begin_mail (Run *self, Current *current, GError **error)
{
  Mail mail;

  make_mail (self, &mail);
  g_ptr_array_set_size (current->lines, 0);
  current->next = 0;
  self->wording->tell (&mail, self->begun++, self->random, current->lines);
  if (mail.open && self->queue != NULL)
    write_queued (self, &mail);
  return self->options->spool == NULL || journal (self, &mail, error);
}

/* ---- the log ---- */

/* Debian's rsyslog has written times so since it has had a journal beside it. */
static void
write_line (Run *self, const gchar *line)
{
  static gint64 second = -1;
  static gchar text[32];
  const gint64 now_s = self->now_us / G_USEC_PER_SEC;

  if (now_s != second)
    {
      g_autoptr (GDateTime) at = g_date_time_new_from_unix_utc (now_s);
      g_autofree gchar *formatted = g_date_time_format (at, "%Y-%m-%dT%H:%M:%S");

      g_strlcpy (text, formatted, sizeof text);
      second = now_s;
    }
  fprintf (self->log, "%s.%06u+00:00 mx %s\n", text, (guint) (self->now_us % G_USEC_PER_SEC), line);
  self->lines++;
  self->now_us += self->step_us;
}

static gboolean
write_all (Run *self, GError **error)
{
  guint busy = AT_ONCE;

  while (busy > 0)
    {
      const guint which = (guint) g_rand_int_range (self->random, 0, (gint32) busy);
      Current *current = &self->current[which];

      if (current->next < current->lines->len)
        write_line (self, g_ptr_array_index (current->lines, current->next++));
      else if (self->begun < self->options->messages)
        {
          if (!begin_mail (self, current, error))
            return FALSE;
        }
      else
        {
          const Current ended = *current;

          *current = self->current[--busy];
          self->current[busy] = ended;
        }
    }
  return self->options->spool == NULL || feed_drain (&self->feed, error);
}

static gboolean
open_files (Run *self, GError **error)
{
  const Options *o = self->options;

  self->log = fopen (o->log, "we");
  if (self->log == NULL)
    return hf_error_set_errno (error, errno, "log", "cannot write '%s'", o->log);
  if (o->queue != NULL && (self->queue = fopen (o->queue, "we")) == NULL)
    return hf_error_set_errno (error, errno, "queue", "cannot write '%s'", o->queue);
  if (o->spool == NULL)
    return TRUE;
  if (!feed_open (&self->feed, o->spool, COMMITS, 1, error))
    return FALSE;
  hf_transaction_init (&self->txn, &self->feed.area);
  return TRUE;
}

static gboolean
close_file (FILE *file)
{
  return file == NULL || fclose (file) == 0;
}

static gboolean
run (const Options *o, const Wording *wording, GError **error)
{
  Run self = { .options = o, .wording = wording };
  gboolean ok;

  self.random = g_rand_new_with_seed (SEED);
  self.step_us = MAX (1, G_USEC_PER_SEC / (gint64) (o->rate * LINES_A_MESSAGE));
  self.now_us = g_get_real_time () - (gint64) (o->messages * LINES_A_MESSAGE) * self.step_us;
  for (guint i = 0; i < AT_ONCE; i++)
    self.current[i].lines = g_ptr_array_new_with_free_func (g_free);
  ok = open_files (&self, error) && write_all (&self, error);
  if (self.feed.writer != NULL)
    {
      hf_transaction_clear (&self.txn);
      feed_close (&self.feed);
    }
  for (guint i = 0; i < AT_ONCE; i++)
    g_ptr_array_unref (self.current[i].lines);
  g_rand_free (self.random);
  if ((!close_file (self.log) || !close_file (self.queue)) && ok)
    ok = hf_error_set_errno (error, errno, "log", "cannot write all of '%s'", o->log);
  if (ok)
    printf ("{\"messages\": %" G_GUINT64_FORMAT ", \"lines\": %" G_GUINT64_FORMAT ", \"open\": %" G_GUINT64_FORMAT "}\n",
            self.begun, self.lines, self.opened);
  return ok;
}

static int
usage (void)
{
  fputs ("usage: mail-log -f LOG [-t postfix|sendmail] [-n MESSAGES] [-o OPEN] [-r RATE] [-d SPOOL] [-q QUEUE]\n", stderr);
  return 2;
}

static gboolean
parse_options (int argc, char **argv, Options *o)
{
  int option;

  while ((option = getopt (argc, argv, "f:t:n:o:r:d:q:")) != -1)
    switch (option)
      {
      case 'f':
        o->log = optarg;
        break;
      case 't':
        o->mta = optarg;
        break;
      case 'n':
        o->messages = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'o':
        o->open = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'r':
        o->rate = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'd':
        o->spool = optarg;
        break;
      case 'q':
        o->queue = optarg;
        break;
      default:
        return FALSE;
      }
  return o->log != NULL && o->messages > 0 && o->open <= o->messages && o->rate > 0 && optind == argc;
}

int
main (int argc, char **argv)
{
  Options options = { .mta = "postfix", .messages = 10000, .rate = 50 };
  g_autoptr (GError) error = NULL;
  const Wording *wording;

  if (!parse_options (argc, argv, &options) || (wording = wording_find (options.mta)) == NULL)
    return usage ();
  if (run (&options, wording, &error))
    return 0;
  fprintf (stderr, "mail-log: %s\n", error->message);
  return 1;
}
