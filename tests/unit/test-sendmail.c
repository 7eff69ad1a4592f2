/* test-sendmail.c - what each wording of Sendmail is taken for
 *
 * Rows of text; what comes of them for a message is in test-guards-….
 */
#include <config.h>

#include "milter/audit/gap.h"
#include "milter/audit/sendmail.h"
#include "tests/unit/tap.h"

#define ID "6AMKei5o002163: "
#define EVENT HF_PARSE_EVENT
#define NOT HF_LOG_NOTHING

typedef struct
{
  const gchar *name;
  const gchar *text; /* after "sm-mta[1]: " */
  HfParsed want;
  HfLogKind kind;
  HfFate fate;
  const gchar *address; /* NULL: not looked at */
  const gchar *other;   /* other_id, or the reason */
} Row;

static const Row rows[] = {
  { "collected", ID "from=<a@x>, size=14, class=0, nrcpts=2, msgid=<1@x>, proto=ESMTP, daemon=MTA, relay=h [192.0.2.1]", EVENT, HF_LOG_COLLECTED, 0, NULL, "<1@x>" },
  { "collected, negative class", ID "from=<>, size=14, class=-60, nrcpts=1, msgid=<1@x>, relay=h", EVENT, HF_LOG_COLLECTED, 0, NULL, "<1@x>" },
  { "not collected", ID "from=<a@x>, size=14, class=0, nrcpts=1, proto=ESMTP, daemon=MTA, relay=h [192.0.2.1]", EVENT, HF_LOG_ABORTED, 0, NULL, NULL },
  { "accepted by the milters", ID "Milter accept: message", EVENT, HF_LOG_ACCEPTED, 0, NULL, NULL },
  { "sent", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)", EVENT, HF_LOG_RESULT, HF_FATE_RELAYED, "<b@y>", "Ok" },
  { "sent, a list", ID "to=b@y,\"c, d\"@y, ctladdr=joe (1/1), delay=1+00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=2.0.0, stat=Sent (Ok)", EVENT, HF_LOG_RESULT, HF_FATE_RELAYED, "b@y,\"c, d\"@y", "Ok" },
  { "sent, to be continued", ID "to=<b@y>,<c@y> [more], delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=2.0.0, stat=Sent (Ok)", EVENT, HF_LOG_RESULT, HF_FATE_RELAYED, "<b@y>,<c@y>", "Ok" },
  { "delivered", ID "to=joe, delay=00:00:02, xdelay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent", EVENT, HF_LOG_RESULT, HF_FATE_DELIVERED, "joe", "Sent" },
  { "delivered over LMTP", ID "to=joe, delay=00:00:02, xdelay=00:00:00, mailer=local, pri=1, relay=x, dsn=2.0.0, stat=Sent (2.0.0 <joe@y> R7Jc Saved)", EVENT, HF_LOG_RESULT, HF_FATE_DELIVERED, "joe", "2.0.0 <joe@y> R7Jc Saved" },
  { "handed to an own queue", ID "to=b@y, delay=00:00:02, xdelay=00:00:00, mailer=relay, pri=1, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent (6AMKei5o002999 Message accepted for delivery)", EVENT, HF_LOG_RESULT, HF_FATE_RELAYED, "b@y", "6AMKei5o002999" },
  { "deferred", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=4.4.1, stat=Deferred: Connection refused by mx", EVENT, HF_LOG_RESULT, HF_FATE_DEFERRED, "<b@y>", "Connection refused by mx" },
  { "queued", ID "to=<b@y>, delay=00:00:02, mailer=esmtp, pri=1, stat=queued", EVENT, HF_LOG_RESULT, HF_FATE_QUEUED, "<b@y>", "queued" },
  { "bounced", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=5.1.1, reply=550 5.1.1 no, stat=User unknown", EVENT, HF_LOG_RESULT, HF_FATE_BOUNCED, "<b@y>", "User unknown" },
  { "bounced, and the reply lies", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=5.1.1, reply=550 dsn=2.0.0, stat=Sent, stat=User unknown", EVENT, HF_LOG_RESULT, HF_FATE_BOUNCED, "<b@y>", "User unknown" },
  { "refused at the end of the message", ID "to=<b@y>, delay=00:00:02, pri=1, stat=Command rejected", EVENT, HF_LOG_RESULT, HF_FATE_REFUSED, "<b@y>", "Command rejected" },
  { "discarded", ID "to=<b@y>, delay=00:00:02, pri=1, stat=discarded", EVENT, HF_LOG_RESULT, HF_FATE_DISCARDED, "<b@y>", "filter: milter" },
  { "quarantined", ID "to=<b@y>, delay=00:00:02, pri=1, stat=quarantined", EVENT, HF_LOG_RESULT, HF_FATE_HELD, "<b@y>", "quarantined" },
  { "to /dev/null", ID "to=/dev/null, delay=00:00:02, xdelay=00:00:00, mailer=*file*, pri=1, dsn=2.0.0, stat=Sent", EVENT, HF_LOG_RESULT, HF_FATE_DISCARDED, "/dev/null", "black hole: /dev/null" },
  { "sent that failed", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=5.0.0, stat=Sent (Ok)", HF_PARSE_DOUBTFUL, NOT, 0, NULL, NULL },
  { "success that was not sent", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=2.0.0, stat=User unknown", HF_PARSE_DOUBTFUL, NOT, 0, NULL, NULL },
  { "quotes that do not end", ID "to=<\"b@y>, delay=00:00:02, pri=1, stat=discarded", HF_PARSE_DOUBTFUL, NOT, 0, NULL, NULL },
  { "an escaped quote outside of quotes", ID "to=<a@y>,<x\\\\\"b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=2.0.0, stat=Sent (Ok)", EVENT, HF_LOG_RESULT, HF_FATE_RELAYED, "<a@y>,<x\\\\\"b@y>", "Ok" },
  { "the same, its backslash logged once", ID "to=<a@y>,<x\\\"b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=2.0.0, stat=Sent (Ok)", EVENT, HF_LOG_RESULT, HF_FATE_RELAYED, "<a@y>,<x\\\"b@y>", "Ok" },
  { "a remote reply with a delay in it", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=2.0.0, stat=Sent (Ok, delay=1)", EVENT, HF_LOG_RESULT, HF_FATE_RELAYED, "<b@y>", "Ok, delay=1" },
  { "a remote reply that imitates the rest of the line", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=4.0.0, stat=Deferred: x, delay=00:00:02, dsn=2.0.0, stat=Sent (Ok)", HF_PARSE_DOUBTFUL, NOT, 0, NULL, NULL },
  { "two controllers", ID "to=<\"x, ctladdr=y\"@y>, ctladdr=<l@x> (8/0), delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=2.0.0, stat=Sent (Ok)", HF_PARSE_DOUBTFUL, NOT, 0, NULL, NULL },
  { "two dsn", ID "to=<b@y>, delay=00:00:02, xdelay=00:00:00, mailer=esmtp, pri=1, dsn=4.0.0, relay=mx, dsn=2.0.0, stat=Sent (Ok)", HF_PARSE_DOUBTFUL, NOT, 0, NULL, NULL },
  { "a sender that imitates the rest of the line", ID "from=<a\\\\\"\", size=1, class=0, nrcpts=9, proto=x\"@x>, size=14, class=0, nrcpts=2, msgid=<1@x>, relay=h", EVENT, HF_LOG_COLLECTED, 0, NULL, "<1@x>" },
  { "a refused recipient with a refusal in it", ID "Milter: to=<\"b, reject=c\"@y>, reject=550 5.7.1 no", EVENT, HF_LOG_RECIPIENT_REFUSED, 0, "\"b, reject=c\"@y", NULL },
  { "a deleted recipient with a count in it", ID "Milter (x) delete: rcpt <\"b, naddrs=1\"@y>, naddrs=0", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "a refused recipient with a comma in it", ID "ruleset=check_rcpt, arg1=<\"b, c\"@y>, relay=h [192.0.2.1], reject=550 5.7.1 no", EVENT, HF_LOG_RECIPIENT_REFUSED, 0, "\"b, c\"@y", NULL },
  { "an alias with an arrow in it", ID "alias <\"l => x\"@x> => b@y", EVENT, HF_LOG_EXPANSION, 0, "\"l => x\"@x", NULL },
  { "milter refuses", ID "Milter: data, reject=550 5.7.1 no", EVENT, HF_LOG_REFUSED, 0, NULL, NULL },
  { "milter refuses, 8.17", ID "Milter: cmd=data, reject=550 5.7.1 Command rejected", EVENT, HF_LOG_REFUSED, 0, NULL, NULL },
  { "milter refuses a recipient", ID "Milter: to=<b@y>, reject=550 5.7.1 no", EVENT, HF_LOG_RECIPIENT_REFUSED, 0, "b@y", NULL },
  { "milter refuses the sender", ID "Milter: from=<a@x>, reject=550 5.7.1 no", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "milter discards", ID "Milter: data, discard", EVENT, HF_LOG_DISCARDED, 0, NULL, "filter: milter" },
  { "discarded, low log level", ID "discarded", EVENT, HF_LOG_DISCARDED, 0, NULL, "filter: milter" },
  { "one milter's word at RCPT", ID "milter=x, action=rcpt, reject=550 no", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "one milter quarantines", ID "milter=x, quarantine=why", EVENT, HF_LOG_HELD, 0, NULL, NULL },
  { "milter deletes a recipient", ID "Milter (x) delete: rcpt <b@y>, naddrs=1", EVENT, HF_LOG_RECIPIENT_REMOVED, 0, "b@y", NULL },
  { "milter deletes one that is not there", ID "Milter (x) delete: rcpt <b@y>, naddrs=0", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "milter adds a recipient", ID "Milter (x) add: rcpt: <b@y>", EVENT, HF_LOG_RECIPIENT_ADDED, 0, "b@y", NULL },
  { "milter adds a header", ID "Milter (x) add: header: X: Milter: data, discard", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "milter inserts a header", ID "Milter insert (1): header: X-Greylist:  Delayed", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "a filter's text that ends like a discard", ID "Milter: to=<b@y>, reject=550 5.7.1 no, discard", EVENT, HF_LOG_RECIPIENT_REFUSED, 0, "b@y", NULL },
  { "rspamd discards", ID "milter=rspamd, discard", EVENT, HF_LOG_DISCARDED, 0, NULL, "filter: milter" },
  { "rspamd quarantines", ID "milter=rspamd, quarantine=Spam message quarantined", EVENT, HF_LOG_HELD, 0, NULL, NULL },
  { "rspamd refuses", ID "milter=rspamd, reject=554 5.7.1 Spam message rejected", EVENT, HF_LOG_REFUSED, 0, NULL, NULL },
  { "outgoing", ID "SMTP outgoing connect on mx.example.org", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "alias", ID "alias <l@x> => b@y, c@z", EVENT, HF_LOG_EXPANSION, 0, "l@x", NULL },
  { "forward", ID "forward joe => \\\\joe, b@y", EVENT, HF_LOG_EXPANSION, 0, "joe", NULL },
  { "clone", ID "6AMKei5o002239: clone: owner=joe", EVENT, HF_LOG_CHILD, 0, NULL, "6AMKei5o002239" },
  { "split", ID "split: maxrcpts=2, rcpts=5, count=2, ids=6AMKei5p002163; 6AMKei5q002163", EVENT, HF_LOG_CHILD, 0, NULL, "6AMKei5p002163; 6AMKei5q002163" },
  { "split in one", ID "split: count=1, id=6AMKei5p002163", EVENT, HF_LOG_CHILD, 0, NULL, "6AMKei5p002163" },
  { "notification", ID "6AMKei5o002239: DSN: User unknown", EVENT, HF_LOG_CHILD, 0, NULL, "6AMKei5o002239" },
  { "done", ID "done; delay=00:00:26, ntries=8", EVENT, HF_LOG_DONE, 0, NULL, NULL },
  { "premature end", ID "collect: premature EOM: unexpected close", EVENT, HF_LOG_ABORTED, 0, NULL, NULL },
  { "lost input", ID "lost input channel from h [192.0.2.1] to MTA after data", EVENT, HF_LOG_ABORTED, 0, NULL, NULL },
  { "lost input elsewhere", ID "lost input channel from h [192.0.2.1] to MTA after rcpt", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "lost file", ID "Losing ./qf6AMKei5o002163: savemail panic", EVENT, HF_LOG_CORRUPT, 0, NULL, "savemail panic" },
  { "lost file, no id before", "Losing ./qf6AMKei5o002163: savemail panic", EVENT, HF_LOG_CORRUPT, 0, NULL, "savemail panic" },
  { "dead letter", ID "Saved message in /var/tmp/dead.letter", EVENT, HF_LOG_DEAD_LETTER, 0, NULL, "/var/tmp/dead.letter" },
  { "ruleset refuses a recipient", ID "ruleset=check_rcpt, arg1=<b@y>, relay=h [192.0.2.1], reject=550 5.7.1 no", EVENT, HF_LOG_RECIPIENT_REFUSED, 0, "b@y", NULL },
  { "ruleset discards", ID "ruleset=check_rcpt, arg1=<b@y>, relay=h [192.0.2.1], discard", EVENT, HF_LOG_DISCARDED, 0, NULL, "policy: ruleset" },
  { "ruleset quarantines", ID "ruleset=check_rcpt, arg1=<b@y>, relay=h, quarantine=why", EVENT, HF_LOG_HELD, 0, NULL, NULL },
  { "system error", ID "SYSERR(root): putbody: write error: No space left", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "user error", ID "<no@y>... User unknown", EVENT, HF_LOG_ALIVE, 0, NULL, NULL },
  { "connect", "NOQUEUE: connect from h [192.0.2.1]", EVENT, NOT, 0, NULL, NULL },
  { "start", "starting daemon (8.17.1.9): SMTP+queueing@00:00:04", EVENT, NOT, 0, NULL, NULL },
  { "something new", ID "something new", HF_PARSE_UNKNOWN, NOT, 0, NULL, NULL },
  { "something new of no message", "something new", HF_PARSE_UNKNOWN, NOT, 0, NULL, NULL },
};

static HfParsed
parse (const gchar *program, const gchar *text, HfLogEvent *event)
{
  static gchar kept[4096]; /* slices of the event point here */
  HfClock clock;
  HfLogLine line;

  g_snprintf (kept, sizeof kept, "Nov 22 20:18:05 mx %s[1]: %s", program, text);
  hf_clock_init (&clock, 2026, 0);
  if (!tap_check (text, hf_line_parse (&clock, hf_slice (kept), &line)))
    return HF_PARSE_OTHER;
  return hf_sendmail_parse (&line, event);
}

static void
check_slice (const gchar *name, HfSlice got, const gchar *want)
{
  g_autofree gchar *text = hf_slice_dup (got);

  tap_check_str (name, text, want);
}

static void
test_sendmail_rows (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const Row *row = &rows[i];
      HfLogEvent event;
      HfParsed parsed = parse ("sm-mta", row->text, &event);

      tap_check_int (row->name, parsed, row->want);
      if (parsed != HF_PARSE_EVENT)
        continue;
      tap_check_int (row->name, event.kind, row->kind);
      tap_check_int (row->name, event.fate, row->fate);
      if (row->address != NULL)
        check_slice (row->name, event.address, row->address);
      if (row->other != NULL)
        check_slice (row->name, event.other_id.at != NULL ? event.other_id : event.text, row->other);
      if (event.kind != NOT)
        check_slice (row->name, event.queue_id, "6AMKei5o002163");
    }
}

static const struct
{
  const gchar *text;
  gboolean want;
} expiries[] = {
  { ID "6AMKei5o002239: sender notify: Cannot send message for 5 days", TRUE },
  { ID "6AMKei5o002239: DSN: Cannot send message for 25 seconds", TRUE },
  { ID "6AMKei5o002239: return to sender: Cannot send message within 1 hour", TRUE },
  { ID "6AMKei5o002239: postmaster notify: delivery time expired", TRUE },
  { ID "6AMKei5o002239: sender notify: Warning: could not send message for past 4 hours", FALSE },
  { ID "6AMKei5o002239: DSN: User unknown", FALSE },
  { ID "6AMKei5o002239: DSN: Return receipt", FALSE },
};

static void
test_sendmail_expiry (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (expiries); i++)
    {
      HfLogEvent event;

      tap_check_int (expiries[i].text, parse ("sendmail", expiries[i].text, &event), HF_PARSE_EVENT);
      tap_check_int (expiries[i].text, event.expired, expiries[i].want);
    }
}

static const struct
{
  const gchar *name, *list, *want;
} lists[] = {
  { "one", "<b@y>", "b@y" },
  { "two", "<b@y>,<c@y>", "b@y|c@y" },
  { "blanks", "b@y, c@y", "b@y|c@y" },
  { "quoted comma", "\"b,c\"@y,d@y", "\"b,c\"@y|d@y" },
  { "escaped quote", "\"b\\\",c\"@y,d@y", "\"b\\\",c\"@y|d@y" },
  { "not to be forwarded", "\\\\joe,away@y", "joe|away@y" },
  { "null", "<>", "" },
  { "commas only", ",,", "" },
};

static void
test_sendmail_lists (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      HfSlice list = hf_slice (lists[i].list), item;
      g_autoptr (GString) told = g_string_new (NULL);

      while (hf_log_next_address (&list, &item))
        g_string_append_printf (told, "%s%.*s", told->len > 0 ? "|" : "", (gint) item.length, item.at);
      tap_check_str (lists[i].name, told->str, lists[i].want);
    }
}

static void
test_sendmail_names (void)
{
  HfLogEvent event;

  tap_check_int ("sm-msp-queue", parse ("sm-msp-queue", ID "done; delay=00:00:26, ntries=8", &event), HF_PARSE_EVENT);
  check_slice ("instance", event.instance, "sendmail");
  check_slice ("label", event.label, "sm-msp-queue");
  tap_check_int ("named with -L", parse ("out-mta", ID "done; delay=00:00:26, ntries=8", &event), HF_PARSE_EVENT);
  check_slice ("instance", event.instance, "out-mta");
  tap_check_int ("unknown", parse ("cron", "done; delay=1", &event), HF_PARSE_OTHER);
  tap_check_int ("unknown, and not understood", parse ("cron", ID "something new", &event), HF_PARSE_OTHER);
  tap_check_int ("Postfix", parse ("postfix/sendmail", ID "done; delay=00:00:26, ntries=8", &event), HF_PARSE_OTHER);
}

static const TapTest tests[] = {
  { "wordings", test_sendmail_rows },
  { "expiry", test_sendmail_expiry },
  { "lists of addresses", test_sendmail_lists },
  { "names", test_sendmail_names },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("sendmail", tests, argc, argv);
}
