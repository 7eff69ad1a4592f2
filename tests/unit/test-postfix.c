/* test-postfix.c - what each wording of Postfix is taken for
 *
 * Rows of daemon and text; what comes of them for a message is in test-guards-….
 */
#include <config.h>

#include "milter/audit/gap.h"
#include "milter/audit/postfix.h"
#include "tests/unit/tap.h"

typedef struct
{
  const gchar *name;
  const gchar *line; /* NAME/DAEMON[PID]: TEXT */
  HfParsed want;
  HfLogKind kind;
  const gchar *tell; /* of what the kind speaks, in the order of tell(); NULL: of nothing that counts */
} Row;

#define EVENT HF_PARSE_EVENT
#define Q "postfix/qmgr[1]: "
#define S "postfix/smtpd[1]: "
#define C "postfix/cleanup[1]: "
#define NOT HF_LOG_NOTHING

static const Row rows[] = {
  { "client", S "09D1CA92058: client=h[192.0.2.1]", EVENT, HF_LOG_OPENED, "09D1CA92058" },
  { "client through XFORWARD", S "AAAA02: client=l[127.0.0.1], orig_queue_id=AAAA01, orig_client=h[192.0.2.1]", EVENT,
    HF_LOG_OPENED, "AAAA02 other=AAAA01" },
  { "client, authenticated", S "AAAA02: client=h[192.0.2.1], sasl_method=PLAIN, sasl_username=u", EVENT, HF_LOG_OPENED, "AAAA02" },
  { "long queue id", S "4jXgWR4KZMz1cXSj: client=h[192.0.2.1]", EVENT, HF_LOG_OPENED, "4jXgWR4KZMz1cXSj" },
  { "proxied, no queue file", S "NOQUEUE: client=h[192.0.2.1]", EVENT, NOT, "" },
  { "refused before a queue file", S "NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 no; from=<a> to=<b> proto=SMTP helo=<h>", EVENT, NOT, "from=a to=b" },
  { "discarded before a queue file", S "NOQUEUE: discard: RCPT from h[192.0.2.1]: <b@y>: Recipient address triggers DISCARD action; from=<a@x> to=<b@y> proto=SMTP helo=<h>", EVENT, HF_LOG_DISCARDED, "from=a@x to=b@y text=policy: access map" },
  { "pickup", "postfix/pickup[1]: AAAA01: uid=0 from=<me@x>", EVENT, HF_LOG_SUBMITTED, "AAAA01 from=me@x" },
  { "pickup after a requeue", "postfix/pickup[1]: AAAA02: uid=102 from=<> orig_id=AAAA01", EVENT, HF_LOG_SUBMITTED, "AAAA02 other=AAAA01 from=" },
  { "message-id", C "AAAA01: message-id=<1@x>", EVENT, HF_LOG_CONTENT, "AAAA01 text=<1@x>" },
  { "active", Q "AAAA01: from=<a@x>, size=450, nrcpt=3 (queue active)", EVENT, HF_LOG_ACCEPTED, "AAAA01 from=a@x count=3" },
  { "active, null sender", Q "AAAA01: from=<>, size=450, nrcpt=1 (queue active)", EVENT, HF_LOG_ACCEPTED, "AAAA01 from= count=1" },
  { "old queue manager", "postfix/nqmgr[1]: AAAA01: from=<>, size=450, nrcpt=1 (queue active)", EVENT, HF_LOG_ACCEPTED, "AAAA01 from= count=1" },
  { "expired", Q "AAAA01: from=<a@x>, status=expired, returned to sender", EVENT, HF_LOG_EXPIRED, "AAAA01" },
  { "made to expire", Q "AAAA01: from=<a@x>, status=force-expired, returned to sender", EVENT, HF_LOG_EXPIRED, "AAAA01" },
  { "removed", Q "AAAA01: removed", EVENT, HF_LOG_REMOVED, "AAAA01" },
  { "removed by an operator", "postfix/postsuper[1]: AAAA01: removed", EVENT, HF_LOG_DELETED, "AAAA01" },
  { "canceled", C "AAAA01: removed (canceled)", EVENT, HF_LOG_CANCELED, "AAAA01" },
  { "discarded, 3.10", C "AAAA01: removed (discarded)", EVENT, HF_LOG_DISCARDED, "AAAA01 text=policy: discarded" },
  { "still being delivered", Q "AAAA01: skipped, still being delivered", EVENT, HF_LOG_ALIVE, "AAAA01" },
  { "hold", C "AAAA01: hold: header Subject: x from h[192.0.2.1]; from=<a@x> to=<b@y> proto=ESMTP helo=<h>: why", EVENT, HF_LOG_HELD, "AAAA01 from=a@x to=b@y" },
  { "discard by body_checks", C "AAAA01: discard: body x from h[192.0.2.1]; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_DISCARDED, "AAAA01 from=a@x to=b@y text=policy: body_checks" },
  { "reject by header_checks", C "AAAA01: reject: header Subject: x from h[192.0.2.1]; from=<a@x> to=<b@y> proto=ESMTP helo=<h>: 5.7.1 no", EVENT, HF_LOG_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "redirect", C "AAAA01: redirect: header Subject: x from h[192.0.2.1]; from=<a@x> to=<b@y> proto=ESMTP helo=<h>: c@z", EVENT, HF_LOG_REDIRECTED, "AAAA01 from=a@x to=b@y new=c@z" },
  { "redirect by an access map", S "AAAA01: redirect: RCPT from h[192.0.2.1]: <b@y>: Recipient address triggers REDIRECT c@z; from=<a@x> to=<b@y> proto=SMTP helo=<h>", EVENT, HF_LOG_REDIRECTED, "AAAA01 from=a@x to=b@y new=c@z" },
  { "filter", C "AAAA01: filter: header Subject: x from h[192.0.2.1]; from=<a@x> to=<b@y> proto=ESMTP helo=<h>: smtp:x", EVENT, HF_LOG_ALIVE, "AAAA01" },
  { "warn", C "AAAA01: warning: header Subject: discard: x from h[192.0.2.1]; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_ALIVE, "AAAA01" },
  { "milter refuses the message", C "AAAA01: milter-reject: END-OF-MESSAGE from h[192.0.2.1]: 4.7.1 later; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "milter refuses at DATA", S "AAAA01: milter-reject: DATA from h[192.0.2.1]: 550 no; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "milter refuses a recipient", S "AAAA01: milter-reject: RCPT from h[192.0.2.1]: 550 no; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_RECIPIENT_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "milter refuses a recipient of sendmail(1): the message", C "AAAA01: milter-reject: RCPT from l[127.0.0.1]: 550 no; from=<a@x> to=<b@y>", EVENT, HF_LOG_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "milter discards at RCPT: the message", S "AAAA01: milter-discard: RCPT from h[192.0.2.1]: milter triggers DISCARD action; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_DISCARDED, "AAAA01 from=a@x to=b@y text=filter: milter" },
  { "milter holds", C "AAAA01: milter-hold: END-OF-MESSAGE from h[192.0.2.1]: milter triggers HOLD action; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_HELD, "AAAA01 from=a@x to=b@y" },
  { "rspamd refuses", C "AAAA01: milter-reject: END-OF-MESSAGE from h[192.0.2.1]: 5.7.1 Spam message rejected; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "rspamd greylists", C "AAAA01: milter-reject: END-OF-MESSAGE from h[192.0.2.1]: 4.7.1 Try again later; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "milter_header_checks discard", C "AAAA01: milter-header-discard: header X: y from h[192.0.2.1]; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_DISCARDED, "AAAA01 from=a@x to=b@y text=policy: milter_header_checks" },
  { "a refused recipient that imitates another's refusal", S "AAAA01: reject: RCPT from h[192.0.2.1]: 554 <\"; from=<a> to=<b@y> \"@z> no; from=<a@x> to=<\"; from=<a> to=<b@y> \"@z> proto=ESMTP helo=<h>", EVENT, HF_LOG_ALIVE, NULL },
  { "a sender that imitates another's refusal", S "AAAA01: reject: RCPT from h[192.0.2.1]: 554 no; from=<\"x> to=<b@y> proto=SMTP \"@x> to=<c@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_ALIVE, NULL },
  { "access map refuses a recipient", S "AAAA01: reject: RCPT from h[192.0.2.1]: 554 no; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_RECIPIENT_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "restriction at the end of data", S "AAAA01: reject: END-OF-MESSAGE from h[192.0.2.1]: 554 no; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_REFUSED, "AAAA01 from=a@x to=b@y" },
  { "access map holds", S "AAAA01: hold: RCPT from h[192.0.2.1]: <b@y>: Recipient address triggers HOLD action; from=<a@x> to=<b@y> proto=SMTP helo=<h>", EVENT, HF_LOG_HELD, "AAAA01 from=a@x to=b@y" },
  { "too large", S "warning: AAAA01: queue file size limit exceeded", EVENT, HF_LOG_REFUSED, "AAAA01" },
  { "disk full", C "warning: AAAA01: write queue file: No space left on device", EVENT, HF_LOG_REFUSED, "AAAA01" },
  { "too many hops", C "warning: AAAA01: message rejected: hopcount exceeded", EVENT, HF_LOG_REFUSED, "AAAA01" },
  { "lost connection", S "lost connection after DATA (14 bytes) from h[192.0.2.1]", EVENT, HF_LOG_ABORTED, "" },
  { "lost connection, 3.12", S "AAAA01: lost connection after BDAT (20 bytes) from h[192.0.2.1]", EVENT, HF_LOG_ABORTED, "AAAA01" },
  { "lost connection at the command", S "lost connection after DATA from h[192.0.2.1]", EVENT, NOT, "" },
  { "lost connection before anything", S "lost connection after RCPT from h[192.0.2.1]", EVENT, NOT, "" },
  { "timeout after the end: nobody knows", S "timeout after END-OF-MESSAGE from h[192.0.2.1]", EVENT, NOT, "" },
  { "proxy accepted", S "proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as AAAA01; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_PROXIED, "AAAA01" },
  { "proxy accepted, newer", S "NOQUEUE: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as AAAA01; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, HF_LOG_PROXIED, "AAAA01" },
  { "proxy refused", S "proxy-reject: END-OF-MESSAGE: 550 no; from=<a@x> to=<b@y> proto=ESMTP helo=<h>", EVENT, NOT, "" },
  { "notification", "postfix/bounce[1]: AAAA01: sender non-delivery notification: AAAA02", EVENT, HF_LOG_CHILD, "AAAA01 other=AAAA02" },
  { "delay notification", "postfix/defer[1]: AAAA01: postmaster delay notification: AAAA02", EVENT, HF_LOG_CHILD, "AAAA01 other=AAAA02" },
  { "success notification", "postfix/trace[1]: AAAA01: sender delivery status notification: AAAA02", EVENT, HF_LOG_CHILD, "AAAA01 other=AAAA02" },
  { "corrupt", Q "warning: saving corrupt file \"AAAA01\" from queue \"active\" to queue \"corrupt\"", EVENT, HF_LOG_CORRUPT, "AAAA01" },
  { "corrupt, an agent says it", "postfix/smtp[1]: warning: saving corrupt file \"AAAA01\" from queue \"active\" to queue \"corrupt\"", EVENT, HF_LOG_CORRUPT, "AAAA01" },
  { "queue manager dies of it", Q "fatal: bad extra offset  file active/AAAA01", EVENT, HF_LOG_STUCK, "AAAA01" },
  { "file gone", Q "warning: qmgr_active_done_3_generic: remove AAAA01 from active: No such file or directory", EVENT, HF_LOG_VANISHED, "AAAA01" },
  { "requeued", "postfix/postsuper[1]: AAAA01: requeued", EVENT, HF_LOG_REQUEUED, "AAAA01" },
  { "placed on hold", "postfix/postsuper[1]: AAAA01: placed on hold", EVENT, HF_LOG_HELD, "AAAA01" },
  { "released", "postfix/postsuper[1]: AAAA01: released from hold", EVENT, HF_LOG_RELEASED, "AAAA01" },
  { "to expire", "postfix/postsuper[1]: AAAA01: expired", EVENT, HF_LOG_FORCE_EXPIRED, "AAAA01" },
  { "bulk", "postfix/postsuper[1]: Deleted: 7 messages", EVENT, HF_LOG_BULK, "count=7" },
  { "bulk of one", "postfix/postsuper[1]: Force-expired: 1 message", EVENT, HF_LOG_BULK, "count=1" },
  { "renamed", "postfix/postsuper[1]: warning: QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS", EVENT, HF_LOG_RENAMED, "" },
  { "sent", "postfix/smtp[1]: AAAA01: to=<b@y>, relay=mx[192.0.2.9]:25, delay=0.09, delays=0/0.06/0.01/0, dsn=2.0.0, status=sent (250 Ok)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=mx[192.0.2.9]:25 delay=90 fate=5 text=250 Ok" },
  { "sent, all keys", "postfix/smtp[1]: AAAA01: to=<b@y>, orig_to=<o@x>, relay=mx[192.0.2.9]:25, conn_use=2, delay=3.1, delays=3/0/0/0, tls=1/0, dsn=2.0.0, status=sent (250 Ok)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y was=o@x relay=mx[192.0.2.9]:25 delay=3100 fate=5 text=250 Ok" },
  { "very old, no brackets", "postfix/smtp[1]: AAAA01: to=b@y, relay=mx[192.0.2.9], delay=3, status=sent (250 Ok)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=mx[192.0.2.9] delay=3000 fate=5 text=250 Ok" },
  { "lmtp", "postfix/lmtp[1]: AAAA01: to=<b@y>, relay=mx[private/dovecot-lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 <b@y> R7Jc Saved)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=mx[private/dovecot-lmtp] delay=1000 fate=4 text=250 2.0.0 <b@y> R7Jc Saved" },
  { "deferred", "postfix/error[1]: AAAA01: to=<b@y>, relay=none, delay=1, delays=0/0/0/1, dsn=4.3.0, status=deferred (mail transport unavailable)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=none delay=1000 fate=2 text=mail transport unavailable" },
  { "soft bounce", "postfix/smtp[1]: AAAA01: to=<b@y>, relay=mx, delay=1, delays=0/0/0/1, dsn=4.3.0, status=SOFTBOUNCE (no)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=mx delay=1000 fate=2 text=no" },
  { "bounced by the queue manager", Q "AAAA01: to=<b@y>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=none delay=1000 fate=7 text=no" },
  { "an agent of the site's own", "postfix/custom[1]: AAAA01: to=<b@y>, relay=x, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=x delay=1000 fate=4 text=ok" },
  { "amavis, DSN sent", "postfix/lmtp[1]: AAAA01: to=<b@y>, relay=a, delay=1, delays=0/0/0/1, dsn=2.5.0, status=sent (250 2.5.0 Ok <b@y>, DSN was sent (554 5.7.0 Bounce, id=1-1 - spam))", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=a delay=1000 fate=7 text=250 2.5.0 Ok <b@y>, DSN was sent (554 5.7.0 Bounce, id=1-1 - spam)" },
  { "amavis, all bounced", "postfix/smtp[1]: AAAA01: to=<b@y>, relay=a, delay=1, delays=0/0/0/1, dsn=2.5.0, status=sent (250 2.5.0 Ok, id=1-1, BOUNCE)", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=a delay=1000 fate=7 text=250 2.5.0 Ok, id=1-1, BOUNCE" },
  { "amavis, nobody told", "postfix/smtp[1]: AAAA01: to=<b@y>, relay=a, delay=1, delays=0/0/0/1, dsn=2.5.0, status=sent (250 2.5.0 Ok, id=1-1, DISCARD(bounce.suppressed))", EVENT, HF_LOG_RESULT, "AAAA01 to=b@y relay=a delay=1000 fate=8 text=amavis: discarded" },
  { "unknown status", "postfix/smtp[1]: AAAA01: to=<b@y>, relay=x, delay=1, delays=0/0/0/1, dsn=2.0.0, status=vanished (ok)", HF_PARSE_UNKNOWN, NOT, "" },
  { "result cut off", "postfix/smtp[1]: AAAA01: to=<b@y>, relay=x, delay=1, del", HF_PARSE_UNKNOWN, NOT, "" },
  { "address cut off", "postfix/smtp[1]: AAAA01: to=<\"b", HF_PARSE_UNKNOWN, NOT, "" },
  { "host said, and the next is tried", "postfix/smtp[1]: AAAA01: host mx[192.0.2.9] said: 450 later (in reply to RCPT TO command)", EVENT, HF_LOG_ALIVE, "AAAA01" },
  { "connect failed", "postfix/smtp[1]: connect to mx[192.0.2.9]:25: Connection refused", EVENT, NOT, "" },
  { "connect", S "connect from h[192.0.2.1]", EVENT, HF_LOG_CONNECTED, "" },
  { "postscreen", "postfix/postscreen[1]: AAAA01: removed", EVENT, NOT, "AAAA01" },
  { "a warning of no fate", S "warning: hostname x does not resolve to address 192.0.2.1", EVENT, NOT, "" },
  { "an unknown text of a known daemon", S "AAAA01: something new", HF_PARSE_UNKNOWN, NOT, "" },
  { "an unknown text of the queue manager", Q "something new", HF_PARSE_UNKNOWN, NOT, "" },
  { "another program", "dovecot[1]: AAAA01: removed", HF_PARSE_OTHER, NOT, "" },
  { "another program with a slash", "foo/bar[1]: AAAA01: removed", HF_PARSE_OTHER, NOT, "" },
  { "another instance", "postfix-out/qmgr[1]: AAAA01: removed", EVENT, HF_LOG_REMOVED, "AAAA01" },
};

static void
add (GString *told, const gchar *key, HfSlice value)
{
  if (value.at != NULL)
    g_string_append_printf (told, "%s%s%.*s", told->len > 0 ? " " : "", key, (gint) value.length, value.at);
}

static gchar *
tell (const HfLogEvent *event)
{
  GString *told = g_string_new (NULL);
  gboolean result = event->kind == HF_LOG_RESULT;

  add (told, "", event->queue_id);
  add (told, "other=", event->kind == HF_LOG_RESULT ? HF_SLICE_NONE : event->other_id);
  add (told, "from=", event->sender);
  add (told, "to=", event->address);
  add (told, "was=", event->orig_address);
  add (told, "new=", event->other_address);
  add (told, "relay=", event->relay);
  if (event->has_count)
    g_string_append_printf (told, "%scount=%" G_GUINT64_FORMAT, told->len > 0 ? " " : "", event->count);
  if (result)
    g_string_append_printf (told, " delay=%" G_GINT64_FORMAT " fate=%d", event->delay_ms, event->fate);
  add (told, "text=", event->text);
  return g_string_free (told, FALSE);
}

static gboolean
parse (const gchar *text, HfLogEvent *event, HfParsed *parsed)
{
  g_autofree gchar *raw = g_strdup_printf ("Nov 22 20:18:05 mx %s", text);
  static gchar kept[4096]; /* slices of the event point here */
  HfClock clock;
  HfLogLine line;

  g_strlcpy (kept, raw, sizeof kept);
  hf_clock_init (&clock, 2026, 0);
  if (!hf_line_parse (&clock, hf_slice (kept), &line))
    return FALSE;
  *parsed = hf_postfix_parse (&line, event);
  return TRUE;
}

static void
test_postfix_rows (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfLogEvent event;
      HfParsed parsed;
      g_autofree gchar *told = NULL;

      if (!tap_check (rows[i].name, parse (rows[i].line, &event, &parsed)))
        continue;
      tap_check_int (rows[i].name, parsed, rows[i].want);
      if (parsed != HF_PARSE_EVENT)
        continue;
      told = tell (&event);
      tap_check_int (rows[i].name, event.kind, rows[i].kind);
      if (rows[i].tell != NULL)
        tap_check_str (rows[i].name, told, rows[i].tell);
    }
}

/* No prefix of a line is read past its end, and none decides more than the whole. */
static void
test_postfix_prefixes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *raw = g_strdup_printf ("Nov 22 20:18:05 mx %s", rows[i].line);

      for (gsize length = 0; length < strlen (raw); length++)
        {
          g_autofree gchar *exact = g_memdup2 (raw, length);
          HfClock clock;
          HfLogLine line;
          HfLogEvent event;

          hf_clock_init (&clock, 2026, 0);
          if (!hf_line_parse (&clock, (HfSlice){ exact, length }, &line)
              || hf_postfix_parse (&line, &event) != HF_PARSE_EVENT || event.kind != HF_LOG_RESULT)
            continue;
          tap_check (rows[i].name, event.text.at + event.text.length <= exact + length);
        }
    }
}

static void
test_postfix_session (void)
{
  HfLogEvent event;
  HfParsed parsed;

  tap_check ("counters",
             parse (S "disconnect from h[192.0.2.1] ehlo=1 xforward=2 mail=3/4 rcpt=5/7 bdat=6/7 data=1/2 rset=3 quit=1 commands=9", &event,
                    &parsed));
  tap_check_int ("kind", event.kind, HF_LOG_SESSION_END);
  tap_check_int ("mail", event.session.mail_all, 4);
  tap_check_int ("rcpt", event.session.rcpt, 5);
  tap_check_int ("data", event.session.data, 1);
  tap_check_int ("data in all", event.session.data_all, 2);
  tap_check_int ("bdat", event.session.bdat, 6);
  tap_check_int ("bdat in all", event.session.bdat_all, 7);
  tap_check_int ("rset", event.session.rset, 3);
  tap_check ("known", event.session.known);
  tap_check ("old", parse (S "disconnect from h[192.0.2.1]", &event, &parsed));
  tap_check_int ("kind", event.kind, HF_LOG_SESSION_END);
  tap_check ("unknown", !event.session.known);
}

static const struct
{
  const gchar *text;
  gboolean want;
} ids[] = {
  { "09D1CA92058", TRUE },       { "AAAA01", TRUE },     { "AAAA1", FALSE },  { "aaaa01", FALSE },
  { "4jXgWR4KZMz1cXSj", TRUE },  { "NOQUEUE", FALSE },   { "DEFACED", TRUE }, { "4jXgWR4KZMz", FALSE },
  { "4jXgAR4KZMz1cXSj", FALSE }, { "proxy-accept", FALSE }, { "", FALSE },
};

static void
test_postfix_ids (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++)
    tap_check_int (ids[i].text, hf_queue_id_is_postfix (hf_slice (ids[i].text)), ids[i].want);
}

static const TapTest tests[] = {
  { "wordings", test_postfix_rows },
  { "prefixes", test_postfix_prefixes },
  { "sessions", test_postfix_session },
  { "queue ids", test_postfix_ids },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("postfix", tests, argc, argv);
}
