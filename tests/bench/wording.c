/* wording.c - the lines that an MTA logs for one message; see wording.h */
#include <config.h>

#include "tests/bench/wording.h"

#include <string.h>

/* Processes live on and serve many. */
#define PROCESSES 400

#define PERCENT_TLS 60
#define PERCENT_STRANGER 5
#define PERCENT_BOUNCED 2
#define PERCENT_DEFERRED 5

G_GNUC_PRINTF (2, 3)
static void
say (GPtrArray *lines, const gchar *format, ...)
{
  va_list words;

  va_start (words, format);
  g_ptr_array_add (lines, g_strdup_vprintf (format, words));
  va_end (words);
}

static gboolean
happens (GRand *random, gint percent)
{
  return g_rand_int_range (random, 0, 100) < percent;
}

/* ---- Postfix ---- */

/* Microseconds in five digits, then the file's inode: the short form. */
static void
postfix_queue_id (guint64 number, gint64 at_ms, gchar out_id[20])
{
  const guint usec = (guint) ((number * 7919) % 1000000);

  g_snprintf (out_id, 20, "%05X%06X", usec, (guint) (0x200000 + number) & 0xffffff);
}

static void
postfix_result (const Mail *mail, guint index, guint pid, const gchar *status, const gchar *dsn, const gchar *why,
                GPtrArray *lines)
{
  say (lines,
       "postfix/smtp[%u]: %s: to=<%s>, relay=mx.example.org[192.0.2.25]:25, delay=0.84, delays=0.05/0.01/0.32/0.46, dsn=%s, "
       "status=%s (%s)",
       pid, mail->queue, mail->recipients[index], dsn, status, why);
}

static void
postfix_bounce (const Mail *mail, guint64 number, guint pid, GPtrArray *lines)
{
  gchar child[20];

  postfix_queue_id (number + 0x400000, mail->at_ms, child);
  say (lines, "postfix/cleanup[%u]: %s: message-id=<20261126.%s@mx.example.net>", pid + 1, child, child);
  say (lines, "postfix/qmgr[900]: %s: from=<>, size=3304, nrcpt=1 (queue active)", child);
  say (lines, "postfix/bounce[%u]: %s: sender non-delivery notification: %s", pid + 2, mail->queue, child);
  say (lines,
       "postfix/smtp[%u]: %s: to=<%s>, relay=mail.example.net[192.0.2.26]:25, delay=0.31, delays=0.01/0/0.12/0.18, dsn=2.0.0, "
       "status=sent (250 2.0.0 Ok: queued as 4XyZ12abcd)",
       pid + 3, child, mail->sender);
  say (lines, "postfix/qmgr[900]: %s: removed", child);
}

static void
postfix_deliver (const Mail *mail, guint64 number, GRand *random, guint pid, GPtrArray *lines)
{
  static const gchar slow[] = "connect to mx.example.org[192.0.2.25]:25: Connection timed out";
  const gboolean bounced = !mail->open && happens (random, PERCENT_BOUNCED);

  if (mail->open || happens (random, PERCENT_DEFERRED))
    for (guint i = 0; i < mail->n_recipients; i++)
      postfix_result (mail, i, pid + 3, "deferred", "4.4.1", slow, lines);
  if (mail->open)
    return;
  for (guint i = 0; i < mail->n_recipients; i++)
    if (bounced)
      postfix_result (mail, i, pid + 3, "bounced", "5.1.1",
                      "host mx.example.org[192.0.2.25] said: 550 5.1.1 No such user (in reply to RCPT TO command)", lines);
    else
      postfix_result (mail, i, pid + 3, "sent", "2.0.0", "250 2.0.0 Ok: queued as 4XyZ12abcd", lines);
  if (bounced)
    postfix_bounce (mail, number, pid, lines);
  say (lines, "postfix/qmgr[900]: %s: removed", mail->queue);
}

static void
postfix_tell (const Mail *mail, guint64 number, GRand *random, GPtrArray *lines)
{
  const guint pid = 1000 + 10 * (guint) (number % PROCESSES);

  if (happens (random, PERCENT_STRANGER))
    say (lines,
         "postfix/smtpd[%u]: NOQUEUE: reject: RCPT from unknown[192.0.2.99]: 554 5.7.1 <x@example.com>: Relay access denied; "
         "from=<y@example.com> to=<x@example.com> proto=ESMTP helo=<stranger>",
         pid + 5);
  say (lines, "postfix/smtpd[%u]: connect from %s", pid, mail->client);
  if (happens (random, PERCENT_TLS))
    say (lines,
         "postfix/smtpd[%u]: Anonymous TLS connection established from %s: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
         "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256",
         pid, mail->client);
  say (lines, "postfix/smtpd[%u]: %s: client=%s", pid, mail->queue, mail->client);
  say (lines, "postfix/cleanup[%u]: %s: message-id=<%" G_GUINT64_FORMAT ".%s@example.net>", pid + 1, mail->queue, number, mail->queue);
  say (lines, "postfix/qmgr[900]: %s: from=<%s>, size=10734, nrcpt=%u (queue active)", mail->queue, mail->sender, mail->n_recipients);
  say (lines, "postfix/smtpd[%u]: disconnect from %s ehlo=1 mail=1 rcpt=%u data=1 quit=1 commands=%u", pid, mail->client,
       mail->n_recipients, 4 + mail->n_recipients);
  postfix_deliver (mail, number, random, pid, lines);
}

/* ---- Sendmail ---- */

/* Time in base 60, two digits that count, and the process in six. */
static void
sendmail_queue_id (guint64 number, gint64 at_ms, gchar out_id[20])
{
  static const gchar digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx";
  g_autoptr (GDateTime) at = g_date_time_new_from_unix_local (at_ms / 1000);

  g_snprintf (out_id, 20, "%c%c%c%c%c%c%c%c%06u", digits[(g_date_time_get_year (at) - 1900) % 60], digits[g_date_time_get_month (at) - 1],
              digits[g_date_time_get_day_of_month (at)], digits[g_date_time_get_hour (at)], digits[g_date_time_get_minute (at)],
              digits[g_date_time_get_second (at) % 60], digits[number / 60 % 60], digits[number % 60],
              (guint) (10000 + number % 980000));
}

static void
sendmail_result (const Mail *mail, guint index, guint pid, const gchar *dsn, const gchar *stat, GPtrArray *lines)
{
  say (lines,
       "sendmail[%u]: %s: to=<%s>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=130734, relay=mx.example.org. [192.0.2.25], "
       "dsn=%s, stat=%s",
       pid, mail->queue, mail->recipients[index], dsn, stat);
}

/* As at LogLevel 11, which the books need, with a milter attached. */
static void
sendmail_tell (const Mail *mail, guint64 number, GRand *random, GPtrArray *lines)
{
  const guint pid = (guint) (10000 + number % 980000);

  if (happens (random, PERCENT_STRANGER))
    say (lines, "sendmail[%u]: ruleset=check_rcpt, arg1=<x@example.com>, relay=stranger [192.0.2.99], reject=550 5.7.1 "
                "<x@example.com>... Relaying denied",
         pid);
  say (lines, "sendmail[%u]: NOQUEUE: connect from %s", pid, mail->client);
  say (lines, "sendmail[%u]: %s: Milter (holdfast): init success to negotiate", pid, mail->queue);
  say (lines, "sendmail[%u]: %s: Milter: connect to filters", pid, mail->queue);
  if (happens (random, PERCENT_TLS))
    say (lines, "sendmail[%u]: STARTTLS=server, relay=%s, version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256", pid,
         mail->client);
  say (lines,
       "sendmail[%u]: %s: from=<%s>, size=10734, class=0, nrcpts=%u, msgid=<%" G_GUINT64_FORMAT ".%s@example.net>, proto=ESMTP, daemon=MTA, "
       "relay=%s",
       pid, mail->queue, mail->sender, mail->n_recipients, number, mail->queue, mail->client);
  say (lines, "sendmail[%u]: %s: Milter accept: message", pid, mail->queue);
  if (mail->open || happens (random, PERCENT_DEFERRED))
    for (guint i = 0; i < mail->n_recipients; i++)
      sendmail_result (mail, i, pid + 1, "4.0.0", "Deferred: Connection timed out with mx.example.org.", lines);
  if (mail->open)
    return;
  for (guint i = 0; i < mail->n_recipients; i++)
    sendmail_result (mail, i, pid + 1, "2.0.0", "Sent (Ok: queued as 4XyZ12abcd)", lines);
  say (lines, "sendmail[%u]: %s: done; delay=00:00:01, ntries=1", pid + 1, mail->queue);
}

const Wording *
wording_find (const gchar *name)
{
  static const Wording all[] = {
    { "postfix", postfix_queue_id, postfix_tell },
    { "sendmail", sendmail_queue_id, sendmail_tell },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (strcmp (all[i].name, name) == 0)
      return &all[i];
  return NULL;
}
