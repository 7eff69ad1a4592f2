/* test-accounts.c - journal and log brought together: each RCPT of the envelope
 * has the fate that lines and queue prove, and no better one
 *
 * A row is an envelope and what happens, line by line.  Each row runs twice:
 * the second time with a stop and a start of the auditor after every line, which
 * must make no difference.
 */
#include <config.h>

#include "milter/audit/accounts.h"
#include "milter/base/id.h"
#include "tests/unit/tap.h"

#include <string.h>
#include <unistd.h>

#define ENVELOPE "01ARYZ6S41TSV4RRFFQ69G5FAV"
#define OTHER_ENVELOPE "01ARYZ6S41TSV4RRFFQ69G5FAW"

#define TAKEN(n) \
  "postfix/smtpd[7]: connect from c[192.0.2.1]\npostfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n" \
  "postfix/cleanup[8]: AAAA01: message-id=<1@example.org>\n" \
  "postfix/qmgr[9]: AAAA01: from=<a@example.org>, size=400, nrcpt=" n " (queue active)\n" \
  "postfix/smtpd[7]: disconnect from c[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n"
/* As chunks, and with nothing of the queue manager. */
#define CHUNKED(counts) \
  "postfix/smtpd[7]: connect from c[192.0.2.1]\npostfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n" \
  "postfix/cleanup[8]: AAAA01: message-id=<1@example.org>\n" \
  "postfix/smtpd[7]: disconnect from c[192.0.2.1] ehlo=1 mail=1 rcpt=1 " counts "\n"
/* Mail to one, of an MTA that rewrites and does not tell. */
#define PLAIN_REWRITING \
  "@mail AAAB01 info@example.org\npostfix/smtpd[17]: connect from c[192.0.2.1]\npostfix/smtpd[17]: AAAB01: client=c[192.0.2.1]\n" \
  "postfix/cleanup[8]: AAAB01: message-id=<2@example.org>\n" \
  "postfix/qmgr[9]: AAAB01: from=<a@example.org>, size=400, nrcpt=1 (queue active)\n" \
  "postfix/local[10]: AAAB01: to=<joe@here.example>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered)\n" \
  "postfix/qmgr[9]: AAAB01: removed\n"
#define TO(agent, to, status) \
  "postfix/" agent "[10]: AAAA01: to=<" to ">, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=" status "\n"
#define SENT(to) TO ("smtp", to, "sent (250 Ok)")
#define DEFERRED(to) TO ("smtp", to, "deferred (later)")
#define REMOVED "postfix/qmgr[9]: AAAA01: removed\n"
#define RELAYED "settled relayed (250 Ok)"
#define RELAYED_S "settled relayed (Ok)"

/* What became of mail that was passed on, under the new id. */
#define FORWARDED TO ("local", "b@example.net", "sent (forwarded as BBBB01)")
#define HEIR(n) \
  "postfix/cleanup[8]: BBBB01: message-id=<1@example.org>\n" \
  "postfix/qmgr[9]: BBBB01: from=<a@example.org>, size=400, nrcpt=" n " (queue active)\n"
#define FILTERED \
  "postfix/smtpd[11]: connect from localhost[127.0.0.1]\npostfix/smtpd[11]: BBBB01: client=localhost[127.0.0.1]\n"
#define THROUGH(to) \
  "postfix/smtp[10]: AAAA01: to=<" to ">, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, " \
  "status=sent (250 2.0.0 from MTA: 250 2.0.0 Ok: queued as BBBB01)\n"
#define B_TO(to, status) \
  "postfix/smtp[12]: BBBB01: to=<" to ">, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=" status "\n"
#define B_SENT(to) B_TO (to, "sent (250 Ok)")
#define B_DEFERRED(to) B_TO (to, "deferred (later)")
#define B_REMOVED "postfix/qmgr[9]: BBBB01: removed\n"
/* One of several that a filter made of it. */
#define SPLIT_OFF(id) \
  "postfix/smtpd[11]: " id ": client=localhost[127.0.0.1], orig_queue_id=AAAA01, orig_client=c[192.0.2.1]\n" \
  "postfix/cleanup[8]: " id ": message-id=<1@example.org>\n" \
  "postfix/qmgr[9]: " id ": from=<a@example.org>, size=400, nrcpt=1 (queue active)\n"
#define B2_TO(to, status) \
  "postfix/smtp[12]: BBBB02: to=<" to ">, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=" status "\n"
#define B2_REMOVED "postfix/qmgr[9]: BBBB02: removed\n"
#define VIA(to) TO ("pipe", to, "sent (delivered via dovecot service)")
#define REQUEUED "postfix/postsuper[50]: AAAA01: requeued\npostfix/postsuper[50]: Requeued: 1 message\n"
#define ANEW "postfix/pickup[13]: BBBB01: uid=0 from=<a@example.org> orig_id=AAAA01\n" HEIR ("1")

#define S "sm-mta[5]: 6AMKei5o002163: "
#define COLLECTED(n) \
  S "from=<a@example.org>, size=14, class=0, nrcpts=" n ", msgid=<1@x>, proto=ESMTP, relay=c [192.0.2.1]\n" \
  S "Milter accept: message\n"
#define S_SENT(to) S "to=" to ", delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
#define S_DEFERRED(to) S "to=" to ", delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, dsn=4.4.1, stat=Deferred: later\n"
#define S_DONE S "done; delay=00:00:01, ntries=1\n"

/* Two clones of it. */
#define P "sm-mta[6]: 6AMKei5p002163: "
#define Q "sm-mta[6]: 6AMKei5q002163: "
#define OF(clone, to, stat) \
  clone "to=" to ", delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx [192.0.2.9], " stat "\n"
#define CLONE(owner) S "6AMKei5p002163: clone: owner=" owner "\n"
#define SPLIT S "split: maxrcpts=1, rcpts=2, count=2, ids=6AMKei5p002163; 6AMKei5q002163\n"
#define OK "dsn=2.0.0, stat=Sent (Ok)"
#define LATER "dsn=4.4.1, stat=Deferred: later"

typedef struct
{
  const gchar *name;
  const gchar *recipients; /* with blanks between */
  /* lines of the log, without time and host, and
   *     @queue ID …      a look at the queue: what is in it
   *     @corrupt ID      the same: put aside
   *     @void REASON     the filter's mark
   *     @gap             lines are missing here
   *     @mail AAAB01 …   another envelope, of which nothing is wanted
   *     @wait SECONDS    nothing happens */
  const gchar *happens;
  const gchar *want; /* of each recipient, joined by "; " */
} Row;

static const Row log_rows[] = {
  { "each by its name", "b@example.net c@example.net", TAKEN ("2") SENT ("b@example.net") DEFERRED ("c@example.net"),
    RELAYED "; open (deferred: later)" },
  { "the same address twice is one delivery", "b@example.net b@example.net", TAKEN ("1") SENT ("b@example.net") REMOVED,
    RELAYED "; " RELAYED },
  { "case does not count", "B@Example.NET", TAKEN ("1") SENT ("b@example.net") REMOVED, RELAYED },
  { "an alias of two is settled when both are", "pair@example.org",
    TAKEN ("2") TO ("smtp", "one@example.net>, orig_to=<pair@example.org", "sent (250 Ok)")
    TO ("smtp", "two@example.net>, orig_to=<pair@example.org", "deferred (later)"),
    "open (deferred: later)" },
  { "an alias of two is not settled while one is not named", "pair@example.org",
    TAKEN ("2") TO ("smtp", "one@example.net>, orig_to=<pair@example.org", "sent (250 Ok)"), "open (queued)" },
  { "an alias of two, of whom one is gone without a record", "pair@example.org",
    TAKEN ("2") TO ("smtp", "one@example.net>, orig_to=<pair@example.org", "sent (250 Ok)") REMOVED, "lost (removed without a record)" },
  { "an alias of two, and one that is no alias: who is not named is the alias's", "pair@example.org b@example.net",
    TAKEN ("3") TO ("smtp", "one@example.net>, orig_to=<pair@example.org", "sent (250 Ok)") SENT ("b@example.net") REMOVED,
    "lost (removed without a record); " RELAYED },
  { "an alias of one: who is not named is the other recipient", "pair@example.org b@example.net",
    TAKEN ("2") TO ("smtp", "one@example.net>, orig_to=<pair@example.org", "sent (250 Ok)"), RELAYED "; open (queued)" },
  { "an alias of itself and another, who is gone without a record", "b@example.net", TAKEN ("2") SENT ("b@example.net") REMOVED,
    "lost (removed without a record)" },
  { "an added recipient is not named yet", "b@example.net", TAKEN ("2") SENT ("b@example.net"), RELAYED },
  { "an added recipient, and lines are missing", "b@example.net", TAKEN ("2") "@gap\n" SENT ("b@example.net") REMOVED, RELAYED },
  { "an added recipient with an end of its own", "b@example.net", TAKEN ("2") SENT ("b@example.net") SENT ("archive@example.org") REMOVED,
    RELAYED },
  { "removed without a record of one, no filter follows", "b@example.net c@example.net",
    TAKEN ("2") SENT ("b@example.net") REMOVED, RELAYED "; lost (removed without a record)" },
  { "two local users of an alias do not stand for another recipient", "team@example.org c@example.net",
    TAKEN ("2") TO ("local", "x@example.org>, orig_to=<team@example.org", "sent (delivered to mailbox)")
    TO ("local", "y@example.org>, orig_to=<team@example.org", "sent (delivered to mailbox)") REMOVED,
    "settled delivered (delivered to mailbox); unaccounted (the message is gone, and no line names this recipient)" },
  { "two of the envelope that the MTA counts as one", "u@example.org u@mx.example.org",
    TAKEN ("1") TO ("local", "u@example.org", "sent (delivered to mailbox)") REMOVED,
    "settled delivered (delivered to mailbox); settled delivered (delivered to mailbox)" },
  { "rewritten without a trace: what is left over stands for it", "b@example.net old@example.org",
    TAKEN ("2") SENT ("b@example.net") TO ("local", "new@example.org", "sent (delivered to mailbox)") REMOVED,
    RELAYED "; settled delivered (delivered to mailbox)" },
  { "the same, and it does not look like it: it was added", "b@example.net old@example.org",
    TAKEN ("2") SENT ("b@example.net") TO ("local", "archive@here.example", "sent (delivered to mailbox)") REMOVED,
    RELAYED "; unaccounted (the message is gone, and no line names this recipient)" },
  { "the only one rewritten without a trace", "old@example.org", TAKEN ("1") TO ("local", "new@here.example", "sent (delivered to mailbox)"),
    "settled delivered (delivered to mailbox)" },
  { "rewritten with a trace: what is left over was added", "b@example.net old@example.org",
    TAKEN ("2") TO ("smtp", "x@example.net>, orig_to=<b@example.net", "sent (250 Ok)")
    TO ("local", "archive@example.org", "sent (delivered to mailbox)") REMOVED,
    RELAYED "; unaccounted (the message is gone, and no line names this recipient)" },
  { "counted as one, and the other is not like it", "b@example.net c@example.net", TAKEN ("1") SENT ("b@example.net") REMOVED,
    RELAYED "; unaccounted (the message is gone, and no line names this recipient)" },
  { "rewritten without a trace, by an MTA that never leaves one", "b@example.net old@example.org", PLAIN_REWRITING
    TAKEN ("2") SENT ("b@example.net") TO ("local", "new@here.example", "sent (delivered to mailbox)") REMOVED,
    RELAYED "; settled delivered (delivered to mailbox)" },
  { "an id that a cron job has later is not this message", "b@example.net",
    "@wait 1800\npostfix/pickup[3]: AAAA01: uid=0 from=<root>\npostfix/cleanup[8]: AAAA01: message-id=<cron@mx>\n"
    "postfix/qmgr[9]: AAAA01: from=<root@mx>, size=400, nrcpt=1 (queue active)\n" TO ("local", "root@mx", "sent (delivered to mailbox)")
    REMOVED, "provisional (acceptance not seen)" },
  { "a slow client, and a sender that is rewritten", "b@example.net",
    "@wait 1800\npostfix/smtpd[7]: connect from c[192.0.2.1]\npostfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
    "postfix/cleanup[8]: AAAA01: message-id=<1@example.org>\n"
    "postfix/qmgr[9]: AAAA01: from=<other@example.com>, size=400, nrcpt=1 (queue active)\n" SENT ("b@example.net") REMOVED, RELAYED },
  { "bounced: the sender is told", "b@example.net", TAKEN ("1") TO ("smtp", "b@example.net", "bounced (no)") REMOVED, "settled bounced (no)" },
  { "bounced, and it was a report itself", "b@example.net",
    "postfix/smtpd[7]: connect from c[192.0.2.1]\npostfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
    "postfix/qmgr[9]: AAAA01: from=<>, size=400, nrcpt=1 (queue active)\n" TO ("smtp", "b@example.net", "bounced (no)") REMOVED,
    "settled bounced silently (no)" },
  { "held: only the end of its session says that it was taken", "b@example.net",
    "postfix/smtpd[7]: connect from c[192.0.2.1]\npostfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
    "postfix/cleanup[8]: AAAA01: hold: header X: 1 from c[192.0.2.1]; from=<a@example.org> to=<b@example.net>: rule\n"
    "postfix/cleanup[8]: AAAA01: message-id=<1@example.org>\n"
    "postfix/smtpd[7]: disconnect from c[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n",
    "open (held)" },
  { "taken in chunks, and gone before the queue manager saw it", "b@example.net", CHUNKED ("bdat=2 quit=1 commands=6") "@queue\n@queue\n",
    "lost (not in the queue any more, and no line of the log says why)" },
  { "a chunk was refused", "b@example.net", CHUNKED ("bdat=1/2 quit=1 commands=5/6"), "provisional (acceptance not seen)" },
  { "a client that may have given it up", "b@example.net", CHUNKED ("bdat=1 rset=1 quit=1 commands=6"), "provisional (acceptance not seen)" },
  { "a client that went away between chunks", "b@example.net",
    "postfix/smtpd[7]: connect from c[192.0.2.1]\npostfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
    "postfix/cleanup[8]: AAAA01: message-id=<1@example.org>\npostfix/smtpd[7]: lost connection after BDAT (20 bytes) from c[192.0.2.1]\n"
    "postfix/smtpd[7]: disconnect from c[192.0.2.1] ehlo=1 mail=1 rcpt=1 bdat=1 commands=4\n", "void (not finished by the client)" },
  { "held before it has an id, by the session that opens it", "b@example.net",
    "postfix/smtpd[7]: connect from c[192.0.2.1]\n"
    "postfix/smtpd[7]: NOQUEUE: hold: RCPT from c[192.0.2.1]: <b@example.net>: Recipient address; from=<a@example.org> "
    "to=<b@example.net> proto=ESMTP helo=<c>\n"
    "postfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\npostfix/cleanup[8]: AAAA01: message-id=<1@example.org>\n"
    "postfix/smtpd[7]: disconnect from c[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n",
    "open (held)" },
  { "the filter's mark, and the MTA's word against it", "b@example.net", "@void too slow\n" TAKEN ("1") SENT ("b@example.net"),
    RELAYED },
  { "the filter's mark, and silence", "b@example.net", "@void too slow\n", "void (too slow)" },
  { "the log does not know it yet", "b@example.net", "postfix/anvil[1]: statistics: max cache size 1\n",
    "provisional (acceptance not seen)" },
  { "an id of a week ago is not this message", "b@example.net",
    "!2026-11-15T20:00:00Z mx postfix/pickup[3]: AAAA01: uid=0 from=<a@example.org>\n"
    "!2026-11-15T20:00:00Z mx postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, "
    "delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)\n!2026-11-15T20:00:00Z mx postfix/qmgr[9]: AAAA01: removed\n",
    "provisional (acceptance not seen)" },
};

static const Row queue_rows[] = {
  { "missed once is not gone", "b@example.net", TAKEN ("1") DEFERRED ("b@example.net") "@queue\n", "open (deferred: later)" },
  { "missed once, then found", "b@example.net", TAKEN ("1") DEFERRED ("b@example.net") "@queue\n@queue AAAA01\n@queue\n",
    "open (deferred: later)" },
  { "missed twice", "b@example.net", TAKEN ("1") DEFERRED ("b@example.net") "@queue\n@queue\n",
    "lost (not in the queue any more, and no line of the log says why)" },
  { "missed twice, and a late line tells", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net") "@queue\n@queue\n" SENT ("b@example.net") REMOVED, RELAYED },
  { "missed twice, and lines are missing", "b@example.net", TAKEN ("1") DEFERRED ("b@example.net") "@gap\n@queue\n@queue\n",
    "unaccounted (not in the queue any more; lines of the log are missing)" },
  { "missed twice after a bulk deletion", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net") "postfix/postsuper[50]: Deleted: 1 message\n@queue\n@queue\n",
    "unaccounted (bulk deletion)" },
  { "missed twice after files were renamed", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net")
    "postfix/postsuper[50]: warning: QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS\n@queue\n@queue\n",
    "unaccounted (queue files renamed)" },
  { "requeued, and lost before it had its new id", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net") "postfix/postsuper[50]: AAAA01: requeued\npostfix/postsuper[50]: Requeued: 1 message\n"
    "@queue\n@queue\n",
    "lost (not in the queue any more, and no line of the log says why)" },
  { "requeued, and still where it was put", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net") "postfix/postsuper[50]: AAAA01: requeued\npostfix/postsuper[50]: Requeued: 1 message\n"
    "@queue AAAA01\n@queue AAAA01\n",
    "open (requeued: later)" },
  { "put aside as corrupt", "b@example.net", TAKEN ("1") DEFERRED ("b@example.net") "@corrupt AAAA01\n",
    "lost (corrupt queue file)" },
  { "held is open, whatever happens", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net") "postfix/postsuper[50]: AAAA01: placed on hold\n@queue AAAA01\n@queue AAAA01\n",
    "open (held: later)" },
  { "what the log says is done is not looked for", "b@example.net", TAKEN ("1") SENT ("b@example.net") REMOVED "@queue\n@queue\n",
    RELAYED },
};

/* Other mail. */
#define TALK "postfix/smtpd[20]: connect from d[192.0.2.2]\n"
#define CLIENT_ONLY \
  "postfix/smtpd[7]: connect from c[192.0.2.1]\npostfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n" \
  "postfix/cleanup[8]: AAAA01: message-id=<1@example.org>\n"
#define UNCONFIRMED "unaccounted (acceptance not seen; the log is past it, and it is in no queue)"

/* Two minutes, in which the log talks on, or does not. */
#define LATER_ON "@wait 120\n" TALK
#define WAIT "@wait 120\n"

static const Row unconfirmed_rows[] = {
  { "no line names it, and the log talks on", "b@example.net", TALK LATER_ON "@queue\n@queue\n", UNCONFIRMED },
  { "missed once is not enough", "b@example.net", TALK LATER_ON "@queue\n",
    "provisional (acceptance not seen; not in the queue at 2026-11-22T20:03:04.000Z)" },
  { "missed once, then found", "b@example.net", TALK LATER_ON "@queue\n@queue AAAA01\n", "provisional (acceptance not seen)" },
  { "looked for too early", "b@example.net", TALK "@queue\n" TALK, "provisional (acceptance not seen)" },
  { "the log does not talk on", "b@example.net", TALK WAIT "@queue\n@queue\n", "provisional (acceptance not seen)" },
  { "there is no log", "b@example.net", WAIT "@queue\n@queue\n", "provisional (acceptance not seen)" },
  { "the log begins long after it", "b@example.net", WAIT WAIT TALK LATER_ON "@queue\n@queue\n", "provisional (acceptance not seen)" },
  { "the queue has it", "b@example.net", TALK LATER_ON "@queue AAAA01\n@queue AAAA01\n", "provisional (acceptance not seen)" },
  { "lines are missing", "b@example.net", TALK "@gap\n" LATER_ON "@queue\n@queue\n", "provisional (acceptance not seen)" },
  { "the filter's mark", "b@example.net", "@void too slow\n" TALK LATER_ON "@queue\n@queue\n", "void (too slow)" },
  { "the filter's mark comes late", "b@example.net", TALK LATER_ON "@queue\n@queue\n@void too slow\n", "void (too slow)" },
  { "named late", "b@example.net", TALK LATER_ON "@queue\n@queue\n" TAKEN ("1") SENT ("b@example.net") REMOVED, RELAYED },
  { "its session never ended", "b@example.net", CLIENT_ONLY LATER_ON "@queue\n@queue\n", UNCONFIRMED },
  { "its session goes on, and the queue has it", "b@example.net", CLIENT_ONLY LATER_ON "@queue AAAA01\n@queue AAAA01\n",
    "provisional (acceptance not seen)" },
  { "its session ended without it", "b@example.net",
    CLIENT_ONLY LATER_ON "@queue\n@queue\n"
    "postfix/smtpd[7]: disconnect from c[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=0/1 quit=1 commands=4/5\n",
    "void (not finished by the client)" },
};

static const Row passed_rows[] = {
  { "forwarded, and delivered from there", "b@example.net", TAKEN ("1") HEIR ("1") FORWARDED REMOVED B_SENT ("x@far.example") B_REMOVED,
    "settled passed (BBBB01)" },
  { "forwarded, and not delivered yet", "b@example.net", TAKEN ("1") HEIR ("1") FORWARDED REMOVED "@queue BBBB01\n",
    "open (BBBB01: queued)" },
  { "forwarded, and deferred there", "b@example.net", TAKEN ("1") HEIR ("1") FORWARDED REMOVED B_DEFERRED ("x@far.example") "@queue BBBB01\n",
    "open (BBBB01: deferred: later)" },
  { "forwarded to two, of whom one waits", "b@example.net",
    TAKEN ("1") HEIR ("2") FORWARDED REMOVED B_SENT ("x@far.example") B_DEFERRED ("y@far.example"), "open (BBBB01: deferred: later)" },
  { "forwarded to two, of whom one is gone without a record", "b@example.net",
    TAKEN ("1") HEIR ("2") FORWARDED REMOVED B_SENT ("x@far.example") B_REMOVED, "lost (BBBB01: removed without a record)" },
  { "forwarded, and the new file is gone", "b@example.net",
    TAKEN ("1") HEIR ("1") FORWARDED REMOVED B_DEFERRED ("x@far.example") "@queue\n@queue\n",
    "lost (BBBB01: not in the queue any more, and no line of the log says why)" },
  { "forwarded, and the new file is put aside", "b@example.net",
    TAKEN ("1") HEIR ("1") FORWARDED REMOVED B_DEFERRED ("x@far.example") "@corrupt BBBB01\n", "lost (BBBB01: corrupt queue file)" },
  { "forwarded, and bounced there: the sender is told", "b@example.net",
    TAKEN ("1") HEIR ("1") FORWARDED REMOVED B_TO ("x@far.example", "bounced (no)") B_REMOVED, "settled passed (BBBB01)" },
  { "forwarded, and again from there", "b@example.net",
    TAKEN ("1") HEIR ("1") FORWARDED REMOVED "postfix/cleanup[8]: CCCC01: message-id=<1@example.org>\n"
    "postfix/qmgr[9]: CCCC01: from=<a@example.org>, size=400, nrcpt=1 (queue active)\n"
    "postfix/local[14]: BBBB01: to=<x@example.net>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (forwarded as CCCC01)\n"
    B_REMOVED "postfix/qmgr[9]: CCCC01: removed\n", "lost (BBBB01: CCCC01: removed without a record)" },
  { "forwarded to an alias of two, of whom one is gone without a record", "b@example.net",
    TAKEN ("1") FILTERED HEIR ("2") THROUGH ("b@example.net") REMOVED B_SENT ("x@example.net>, orig_to=<b@example.net") B_REMOVED,
    "lost (BBBB01: removed without a record)" },
  { "through a filter that makes two of it, and tells of one", "b@example.net c@example.net",
    TAKEN ("2") SPLIT_OFF ("BBBB01") SPLIT_OFF ("BBBB02") THROUGH ("b@example.net") THROUGH ("c@example.net") REMOVED
    B_SENT ("b@example.net") B_REMOVED B2_TO ("c@example.net", "sent (250 Ok)") B2_REMOVED,
    "settled passed (BBBB01); settled passed (BBBB01)" },
  { "the same, and the other waits", "b@example.net c@example.net",
    TAKEN ("2") SPLIT_OFF ("BBBB01") SPLIT_OFF ("BBBB02") THROUGH ("b@example.net") THROUGH ("c@example.net") REMOVED
    B_SENT ("b@example.net") B_REMOVED B2_TO ("c@example.net", "deferred (later)") "@queue BBBB02\n",
    "settled passed (BBBB01); open (BBBB02: deferred: later)" },
  { "through a filter, and two of its recipients made one there", "b@example.net c@example.net",
    PLAIN_REWRITING TAKEN ("2") FILTERED HEIR ("1") THROUGH ("b@example.net") THROUGH ("c@example.net") REMOVED
    B_SENT ("c@example.net") B_REMOVED, "settled passed (BBBB01); settled passed (BBBB01)" },
  { "delivered by an agent that sends a copy to the other recipient", "b@example.net c@example.net",
    TAKEN ("2") "postfix/pickup[13]: BBBB01: uid=99 from=<a@example.org>\n" HEIR ("1") VIA ("c@example.net") VIA ("b@example.net")
    REMOVED B_SENT ("b@example.net") B_REMOVED, "settled delivered (delivered via dovecot service); settled passed (BBBB01)" },
  { "forwarded in a ring is no delivery", "b@example.net",
    TAKEN ("1") HEIR ("1") FORWARDED
    "postfix/local[14]: BBBB01: to=<x@example.net>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (forwarded as AAAA01)\n"
    B_REMOVED REMOVED, "unaccounted (BBBB01: AAAA01: passed on, and not seen again)" },
  { "forwarded under an id that no line names", "b@example.net", TAKEN ("1") FORWARDED REMOVED, "open (BBBB01: not named by the log yet)" },
  { "the same, and the queue does not have it", "b@example.net", TAKEN ("1") FORWARDED REMOVED "@queue\n@queue\n",
    "unaccounted (BBBB01: passed on, and not seen again)" },
  { "the same, and lines are missing", "b@example.net", TAKEN ("1") FORWARDED "@gap\n" REMOVED "@queue\n@queue\n",
    "unaccounted (BBBB01: gap in the log)" },
  { "the same, and the queue has it", "b@example.net", TAKEN ("1") FORWARDED REMOVED "@queue\n@queue BBBB01\n@queue\n",
    "open (BBBB01: not named by the log yet)" },
  { "the same, and it is named late", "b@example.net",
    TAKEN ("1") FORWARDED REMOVED "@queue\n@queue\n" HEIR ("1") B_SENT ("x@far.example") B_REMOVED, "settled passed (BBBB01)" },
  { "through a content filter, and removed behind it without a record", "b@example.net",
    TAKEN ("1") FILTERED HEIR ("1") THROUGH ("b@example.net") REMOVED B_REMOVED, "lost (BBBB01: removed without a record)" },
  { "two through a content filter: each has its own end", "b@example.net c@example.net",
    TAKEN ("2") FILTERED HEIR ("2") THROUGH ("b@example.net") THROUGH ("c@example.net") REMOVED B_SENT ("b@example.net")
    B_DEFERRED ("c@example.net"), "settled passed (BBBB01); open (BBBB01: deferred: later)" },
  { "two through a content filter that drops one of them", "b@example.net c@example.net",
    TAKEN ("2") FILTERED HEIR ("1") THROUGH ("b@example.net") THROUGH ("c@example.net") REMOVED B_SENT ("b@example.net") B_REMOVED,
    "settled passed (BBBB01); unaccounted (BBBB01: the message is gone, and no line names this recipient)" },
  { "through a content filter that gives it another address", "b@example.net c@example.net",
    TAKEN ("2") FILTERED HEIR ("2") THROUGH ("b@example.net") THROUGH ("c@example.net") REMOVED B_SENT ("b@example.net")
    B_DEFERRED ("quarantine@example.net"), "settled passed (BBBB01); open (BBBB01: deferred: later)" },
  { "discarded behind a content filter: nobody was told", "b@example.net",
    TAKEN ("1") FILTERED HEIR ("1") THROUGH ("b@example.net") REMOVED
    "postfix/discard[12]: BBBB01: to=<b@example.net>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (black hole)\n" B_REMOVED,
    "settled passed silently (BBBB01)" },
  { "what another host queued it as is that host's word", "b@example.net",
    TAKEN ("1") TO ("smtp", "b@example.net", "sent (250 2.0.0 Ok: queued as BBBB01)") REMOVED "@queue\n@queue\n",
    "settled relayed (250 2.0.0 Ok: queued as BBBB01)" },
  { "passed to another instance, whose queue is not asked", "b@example.net",
    TAKEN ("1") "postfix-out/smtpd[11]: BBBB01: client=localhost[127.0.0.1]\n"
    "postfix-out/cleanup[8]: BBBB01: message-id=<1@example.org>\n"
    "postfix-out/qmgr[9]: BBBB01: from=<a@example.org>, size=400, nrcpt=1 (queue active)\n" THROUGH ("b@example.net") REMOVED
    "postfix-out/smtp[12]: BBBB01: to=<b@example.net>, relay=none, delay=1, delays=0/0/0/1, dsn=4.3.0, status=deferred (later)\n"
    "@queue\n@queue\n", "open (BBBB01: deferred: later)" },
  { "requeued, and deferred under the new id", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net") REQUEUED ANEW B_DEFERRED ("b@example.net") "@queue BBBB01\n", "open (BBBB01: deferred: later)" },
  { "requeued, and the new file is gone", "b@example.net",
    TAKEN ("1") DEFERRED ("b@example.net") REQUEUED ANEW "@queue\n@queue\n",
    "lost (BBBB01: not in the queue any more, and no line of the log says why)" },
  { "requeued, and removed without a record", "b@example.net", TAKEN ("1") DEFERRED ("b@example.net") REQUEUED ANEW B_REMOVED,
    "lost (BBBB01: removed without a record)" },
  { "requeued before a line named it, and delivered", "b@example.net", TAKEN ("1") REQUEUED ANEW B_SENT ("b@example.net") B_REMOVED,
    "settled passed (BBBB01)" },
};

static const Row sendmail_rows[] = {
  { "a forward of a local user has two ends", "joe@example.org",
    COLLECTED ("1") S "forward joe => \\\\joe, away@example.net\n" S_SENT ("away@example.net") S_DEFERRED ("\\\\joe"),
    "open (the log names it otherwise, and its recipients came to different ends)" },
  { "a list in a file: its members' ends are its own, and no other recipient's", "staff@example.org c@example.net",
    COLLECTED ("2") S "alias <staff@example.org> => :include:/etc/mail/staff\n"
    S "to=one@example.net,two@example.net, ctladdr=<staff@example.org> (8/0), delay=00:00:01, xdelay=00:00:00, mailer=esmtp, "
    "pri=1, relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    S "to=three@example.net, ctladdr=<staff@example.org> (8/0), delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=5.1.1, stat=User unknown\n" S_DONE,
    "settled bounced (User unknown); unaccounted (the message is gone, and no line names this recipient)" },
  { "two lists in files, told apart by who controls them", "staff@example.org club@example.org",
    COLLECTED ("2") S "alias <staff@example.org> => :include:/etc/mail/staff\n"
    S "alias <club@example.org> => :include:/etc/mail/club\n"
    S "to=one@example.net, ctladdr=<staff@example.org> (8/0), delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    S "to=two@example.net, ctladdr=<club@example.org> (8/0), delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, "
    "dsn=4.4.1, stat=Deferred: later\n",
    "settled relayed (Ok); open (deferred: later)" },
  { "a list too long for a line of the log", "list@example.org c@example.net",
    COLLECTED ("2") S "alias <list@example.org> => a1@example.net, a2@example.net, ...a99@example.net\n"
    S_SENT ("a1@example.net,a50@example.net") S_DEFERRED ("a60@example.net") S_SENT ("<c@example.net>"),
    "open (deferred: later); settled relayed (Ok)" },
  { "an alias of two, of whom one is never named", "list@example.org",
    COLLECTED ("1") S "alias <list@example.org> => x@far.example, y@far.example\n" S_SENT ("x@far.example") S_DONE,
    "unaccounted (no line names one of those that it became)" },
  { "an alias of two, of whom one is not named yet", "list@example.org",
    COLLECTED ("1") S "alias <list@example.org> => x@far.example, y@far.example\n" S_SENT ("x@far.example"), "open (queued)" },
  { "an alias of an alias, of a local user, of a file and of a command", "list@example.org",
    COLLECTED ("1") S "alias <list@example.org> => joe, sub, /var/mail/list, \"|/usr/bin/filter -x\", A@example.org\n"
    S "alias sub => x@far.example\n" S "forward joe => \\\\joe, away@example.net\n"
    S_SENT ("\\\\joe") S_SENT ("away@example.net,x@far.example") S_SENT ("/var/mail/list") S_SENT ("\"|/usr/bin/filter -x\"") S_DONE,
    RELAYED_S },
  { "an alias of names that are told with a domain, or without", "list@example.org",
    COLLECTED ("1") S "alias <list@example.org> => joe@example.org, ann\n" S "forward joe => away@example.net\n"
    S_SENT ("away@example.net,ann@example.org") S_DONE, RELAYED_S },
  { "a forward of which one is never named", "joe@example.org",
    COLLECTED ("1") S "forward joe => \\\\joe, away@example.net\n" S_SENT ("away@example.net") S_DONE,
    "unaccounted (no line names one of those that it became)" },
  { "a clone for a list takes the list, and nobody else", "list@example.org bob@example.org",
    COLLECTED ("2") S "alias <list@example.org> => x@far.example, y@far.example\n" CLONE ("owner-list")
    OF (P, "x@far.example,y@far.example", OK) P "done; delay=00:00:01, ntries=1\n" S_DONE,
    "settled passed (6AMKei5p002163); lost (removed without a record)" },
  { "a clone for a list, and another recipient with an end of its own", "list@example.org bob@example.org",
    COLLECTED ("2") S "alias <list@example.org> => x@far.example, y@far.example\n" CLONE ("owner-list")
    OF (P, "x@far.example,y@far.example", OK) P "done; delay=00:00:01, ntries=1\n" S_SENT ("<bob@example.org>") S_DONE,
    "settled passed (6AMKei5p002163); " RELAYED_S },
  { "a clone that waits", "list@example.org",
    COLLECTED ("1") S "alias <list@example.org> => x@far.example, y@far.example\n" CLONE ("owner-list")
    OF (P, "x@far.example,y@far.example", LATER) "@queue 6AMKei5p002163\n", "open (6AMKei5p002163: deferred: later)" },
  { "a clone that names one of two", "list@example.org",
    COLLECTED ("1") S "alias <list@example.org> => x@far.example, y@far.example\n" CLONE ("owner-list")
    OF (P, "x@far.example", OK) P "done; delay=00:00:01, ntries=1\n", "unaccounted (no line names one of those that it became)" },
  { "a clone for two lists of one owner", "list@example.org club@example.org",
    COLLECTED ("2") S "alias <list@example.org> => x@far.example\n" S "alias <club@example.org> => y@far.example\n" CLONE ("owner")
    OF (P, "x@far.example", OK) OF (P, "y@far.example", LATER), "settled passed (6AMKei5p002163); open (6AMKei5p002163: deferred: later)" },
  { "a clone, and the level is too low to say whom it took", "list@example.org bob@example.org",
    COLLECTED ("2") CLONE ("owner-list") OF (P, "x@far.example,y@far.example", OK) S_DONE,
    "unaccounted (Sendmail's LogLevel too low); unaccounted (Sendmail's LogLevel too low)" },
  { "a clone that can only have taken all, at a low level", "list@example.org",
    COLLECTED ("1") CLONE ("owner-list") OF (P, "x@far.example,y@far.example", OK), "settled passed (6AMKei5p002163)" },
  { "split in two", "b@example.net c@example.net",
    COLLECTED ("2") SPLIT OF (P, "<b@example.net>", OK) P "done; delay=00:00:01, ntries=1\n" OF (Q, "<c@example.net>", LATER),
    "settled passed (6AMKei5p002163); open (6AMKei5q002163: deferred: later)" },
  { "split in two, of which one is done without a word", "b@example.net c@example.net",
    COLLECTED ("2") SPLIT S "SMTP outgoing connect on mx\n" OF (P, "<b@example.net>", OK) P "done; delay=00:00:01, ntries=1\n"
    Q "done; delay=00:00:01, ntries=1\n",
    "settled passed (6AMKei5p002163); lost (6AMKei5q002163: removed without a record)" },
  { "the same, and the level is too low", "b@example.net c@example.net",
    COLLECTED ("2") SPLIT OF (P, "<b@example.net>", OK) P "done; delay=00:00:01, ntries=1\n" Q "done; delay=00:00:01, ntries=1\n",
    "settled passed (6AMKei5p002163); unaccounted (6AMKei5q002163: Sendmail's LogLevel too low)" },
  { "split in two, and the second is gone from the queue", "b@example.net c@example.net",
    COLLECTED ("2") SPLIT OF (P, "<b@example.net>", OK) P "done; delay=00:00:01, ntries=1\n" S "SMTP outgoing connect on mx\n"
    "@queue\n@queue\n",
    "settled passed (6AMKei5p002163); lost (6AMKei5q002163: not in the queue any more, and no line of the log says why)" },
  { "deleted by a milter, which Sendmail logs", "b@example.net c@example.net",
    COLLECTED ("2") S "Milter (x) delete: rcpt <c@example.net>, naddrs=1\n" S_SENT ("<b@example.net>") S_DONE,
    "settled relayed (Ok); settled removed_by_filter (filter: milter)" },
  { "one with a recipient out of an alias", "list@example.org one@example.net",
    COLLECTED ("2") S "alias <list@example.org> => one@example.net\n" S_SENT ("<one@example.net>") S_DONE,
    "settled relayed (Ok); settled relayed (Ok)" },
  { "no line names it, and the level is too low to say more", "b@example.net c@example.net",
    COLLECTED ("2") S_SENT ("<b@example.net>") "@queue\n@queue\n",
    "settled relayed (Ok); unaccounted (Sendmail's LogLevel too low)" },
  { "no line names it, and all would have been told", "b@example.net c@example.net",
    COLLECTED ("2") S "SMTP outgoing connect on mx.example.org\n" S_SENT ("<b@example.net>") "@queue\n@queue\n",
    "settled relayed (Ok); lost (not in the queue any more, and no line of the log says why)" },
  { "given up as Qf", "b@example.net", COLLECTED ("1") S_DEFERRED ("<b@example.net>") "@corrupt 6AMKei5o002163\n",
    "lost (lost queue file (Qf))" },
};

/* ---- running a row ---- */

typedef struct
{
  const Row *row;
  gchar *spool;
  HfDaybook *daybook;
  HfLedger *ledger;
  HfAccounts *accounts;
  HfClock clock;
  gint64 now_ms;
  guint32 line;
  gboolean begun; /* the source was told */
} Site;

static gint64
start_ms (void)
{
  gint64 at_ms = 0;

  tap_check ("time", hf_time_parse ("2026-11-22T20:00:00.000Z", &at_ms));
  return at_ms;
}

static gboolean
is_sendmail (const Row *row)
{
  return strstr (row->happens, "sm-mta") != NULL;
}

static void
open_accounts (Site *self)
{
  const HfAccountsSettings settings = { .last = TRUE,
                                        .instance = "",
                                        .settle_after_ms = G_GINT64_CONSTANT (7) * 24 * 3600 * 1000,
                                        .twice_ms = 1000,
                                        .unconfirmed_ms = 90 * 1000,
                                        .mta = is_sendmail (self->row) ? HF_MTA_SENDMAIL : HF_MTA_POSTFIX };
  g_autoptr (GError) error = NULL;

  self->accounts = hf_accounts_new (self->daybook, &settings);
  tap_check (self->row->name, hf_accounts_restore (self->accounts, self->ledger, self->now_ms, &error));
  self->begun = FALSE;
}

static void
commit (Site *self)
{
  g_autoptr (GError) error = NULL;

  hf_accounts_settle (self->accounts, self->now_ms);
  tap_check (self->row->name, hf_daybook_commit (self->daybook, hf_ledger_sink (self->ledger), &error)
                                  && hf_ledger_commit (self->ledger, &error));
}

static void
site_init (Site *self, const Row *row)
{
  HfDaybookReport report;

  memset (self, 0, sizeof *self);
  self->row = row;
  self->spool = g_dir_make_tmp ("hf-accounts-XXXXXX", NULL);
  self->daybook = hf_daybook_open (self->spool, NULL);
  self->ledger = hf_ledger_open (self->spool, HF_LEDGER_WRITE, NULL);
  self->now_ms = start_ms ();
  hf_clock_init (&self->clock, 2026, self->now_ms / 1000);
  tap_check (row->name, hf_ledger_catch_up (self->ledger, &report, NULL));
  open_accounts (self);
}

static void
remove_below (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *below = g_build_filename (path, name, NULL);

      if (unlink (below) < 0)
        remove_below (below);
    }
  rmdir (path);
}

static void
site_clear (Site *self)
{
  hf_accounts_free (self->accounts);
  hf_ledger_free (self->ledger);
  hf_daybook_free (self->daybook);
  remove_below (self->spool);
  g_free (self->spool);
}

static void
add_envelope (Site *self, const gchar *id, const gchar *queue, const gchar *names)
{
  g_auto (GStrv) recipients = g_strsplit (names, " ", -1);
  HfItem item;

  hf_item_init (&item);
  item.kind = HF_ITEM_MESSAGE;
  item.whole = item.has_facts = TRUE;
  item.offset = 4096;
  item.length = 500;
  g_strlcpy (item.facts.id.text, id, sizeof item.facts.id.text);
  item.facts.at_ms = self->now_ms;
  item.facts.queue = g_strdup (queue);
  item.sender.address = g_strdup ("a@example.org");
  for (guint i = 0; recipients[i] != NULL; i++)
    {
      HfPath path = { .address = g_strdup (recipients[i]) };

      g_array_append_val (item.recipients, path);
    }
  hf_accounts_envelope (self->accounts, 1, "postfix", &item);
  hf_item_clear (&item);
}

static void
look_at_queue (Site *self, const gchar *ids, HfQueuePlace place)
{
  g_autoptr (HfQueue) queue = hf_queue_new ();
  g_auto (GStrv) each = g_strsplit (ids, " ", -1);

  for (guint i = 0; each[i] != NULL; i++)
    if (each[i][0] != '\0')
      hf_queue_add (queue, each[i], place);
  self->now_ms += 60000;
  hf_accounts_queue (self->accounts, queue, self->now_ms);
}

static void
log_line (Site *self, const gchar *line)
{
  g_autofree gchar *text = NULL;
  gchar at[25];
  HfFollowItem item = { .kind = HF_FOLLOW_LINE, .clock = &self->clock, .path = "mail.log", .device = 1, .inode = 1 };

  hf_time_format (self->now_ms, at);
  text = line[0] == '!' ? g_strdup (line + 1) : g_strdup_printf ("%s mx %s", at, line);
  item.raw = hf_slice (text);
  item.at = (HfPosition){ .offset = self->line * 100, .line = self->line + 1 };
  item.new_file = !self->begun;
  self->begun = TRUE;
  self->line++;
  hf_accounts_log (self->accounts, &item);
}

static void
happen (Site *self, const gchar *line)
{
  const HfFollowItem gap = { .kind = HF_FOLLOW_GAP, .why = "lines were withheld" };

  self->now_ms += 1000;
  if (g_str_has_prefix (line, "@queue"))
    look_at_queue (self, line + strlen ("@queue"), HF_QUEUE_QUEUED);
  else if (g_str_has_prefix (line, "@corrupt"))
    look_at_queue (self, line + strlen ("@corrupt"), HF_QUEUE_GIVEN_UP);
  else if (g_str_has_prefix (line, "@void "))
    hf_accounts_void (self->accounts, ENVELOPE, line + strlen ("@void "));
  else if (g_str_has_prefix (line, "@mail AAAB01 "))
    add_envelope (self, OTHER_ENVELOPE, "AAAB01", line + strlen ("@mail AAAB01 "));
  else if (g_str_has_prefix (line, "@wait "))
    self->now_ms += 1000 * g_ascii_strtoll (line + strlen ("@wait "), NULL, 10);
  else if (strcmp (line, "@gap") == 0)
    hf_accounts_log (self->accounts, &gap);
  else
    log_line (self, line);
}

static gchar *
tell (Site *self)
{
  g_autoptr (sqlite3_stmt) row
      = hf_ledger_prepare (self->ledger, "SELECT state, outcome, detail, outcome IN ('passed', 'bounced', 'expired') AND silent FROM recipient"
                                            " WHERE envelope = (SELECT n FROM envelope WHERE id = '" ENVELOPE "') ORDER BY position", NULL);
  GString *told = g_string_new (NULL);

  while (row != NULL && sqlite3_step (row) == SQLITE_ROW)
    {
      const gchar *outcome = (const gchar *) sqlite3_column_text (row, 1);
      const gchar *detail = (const gchar *) sqlite3_column_text (row, 2);

      g_string_append_printf (told, "%s%s%s%s%s (%s)", told->len > 0 ? "; " : "", (const gchar *) sqlite3_column_text (row, 0),
                              outcome != NULL ? " " : "", outcome != NULL ? outcome : "",
                              sqlite3_column_int (row, 3) != 0 ? " silently" : "", detail != NULL ? detail : "");
    }
  return g_string_free (told, FALSE);
}

static void
run_row (const Row *row, gboolean restarting)
{
  g_autofree gchar *name = g_strdup_printf ("%s%s", row->name, restarting ? ", with restarts" : "");
  g_auto (GStrv) lines = g_strsplit (row->happens, "\n", -1);
  g_autofree gchar *told = NULL;
  Site site;

  site_init (&site, row);
  add_envelope (&site, ENVELOPE, is_sendmail (row) ? "6AMKei5o002163" : "AAAA01", row->recipients);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (lines[i][0] == '\0')
        continue;
      happen (&site, lines[i]);
      commit (&site);
      if (!restarting)
        continue;
      hf_accounts_free (site.accounts);
      open_accounts (&site);
    }
  told = tell (&site);
  tap_check_str (name, told, row->want);
  site_clear (&site);
}

static void
run_rows (const Row *rows, gsize n_rows)
{
  for (gsize i = 0; i < n_rows; i++)
    {
      run_row (&rows[i], FALSE);
      run_row (&rows[i], TRUE);
    }
}

static void
test_log (void)
{
  run_rows (log_rows, G_N_ELEMENTS (log_rows));
}

static void
test_queue (void)
{
  run_rows (queue_rows, G_N_ELEMENTS (queue_rows));
}

static void
test_unconfirmed (void)
{
  run_rows (unconfirmed_rows, G_N_ELEMENTS (unconfirmed_rows));
}

static void
test_passed (void)
{
  run_rows (passed_rows, G_N_ELEMENTS (passed_rows));
}

/* Ten messages of each generation are passed on to all of the next. */
static void
test_forged (void)
{
  static const Row row = { "generations of ten", "b@example.net", TAKEN ("1"), "" };
  g_autofree gchar *told = NULL;
  Site site;

  site_init (&site, &row);
  add_envelope (&site, ENVELOPE, "AAAA01", row.recipients);
  happen (&site, "postfix/qmgr[9]: AAAA01: from=<a@example.org>, size=400, nrcpt=1 (queue active)");
  for (guint generation = 0; generation < 12; generation++)
    for (guint from = 0; from < (generation == 0 ? 1 : 10); from++)
      for (guint to = 0; to < 10; to++)
        {
          g_autofree gchar *parent = generation == 0 ? g_strdup ("AAAA01") : g_strdup_printf ("AAA%03X%u", generation, from);
          g_autofree gchar *child = g_strdup_printf ("AAA%03X%u", generation + 1, to);
          g_autofree gchar *begin = g_strdup_printf ("postfix/qmgr[9]: %s: from=<a@example.org>, size=400, nrcpt=1 (queue active)", child);
          g_autofree gchar *passed = g_strdup_printf ("postfix/local[10]: %s: to=<b@example.net>, relay=local, delay=1, delays=0/0/0/1, "
                                                      "dsn=2.0.0, status=sent (forwarded as %s)", parent, child);

          happen (&site, begin);
          happen (&site, passed);
        }
  commit (&site);
  told = tell (&site);
  tap_check (row.name, g_str_has_suffix (told, "passed on, and not seen again)"));
  site_clear (&site);
}

static void
test_sendmail (void)
{
  run_rows (sendmail_rows, G_N_ELEMENTS (sendmail_rows));
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "envelope and log", test_log },
    { "envelope, log and queue", test_queue },
    { "not confirmed", test_unconfirmed },
    { "passed on", test_passed },
    { "forged", test_forged },
    { "sendmail", test_sendmail },
    { NULL, NULL },
  };

  return tap_run ("accounts", tests, argc, argv);
}
