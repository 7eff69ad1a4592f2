/* test-guards-lost.c - no false alarm: what would wrongly be called lost
 *
 * One row or more for each row of the table of guards.  Each is run with
 * --last, which is where a verdict of lost is nearest, unless the row is about
 * what is said without it.
 */
#include <config.h>

#include "tests/unit/books-rows.h"
#include "tests/unit/tap.h"

#define CONNECT "postfix/smtpd[7]: connect from c.example.org[192.0.2.1]\n"
#define QUIT_1 "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n"
#define QUIT_0 "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=0/1 quit=1 commands=4/5\n"
#define CLIENT(id) "postfix/smtpd[7]: " id ": client=c.example.org[192.0.2.1]\n"
#define HEADERS(id) "postfix/cleanup[8]: " id ": message-id=<1@example.org>\n"
#define ACTIVE(id, n) "postfix/qmgr[9]: " id ": from=<a@example.org>, size=400, nrcpt=" n " (queue active)\n"
#define SENT(id, to) \
  "postfix/smtp[10]: " id ": to=<" to ">, relay=mx.example.net[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, " \
  "status=sent (250 2.0.0 Ok)\n"
#define DEFERRED(id, to) \
  "postfix/smtp[10]: " id ": to=<" to ">, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (timeout)\n"
#define REMOVED(id) "postfix/qmgr[9]: " id ": removed\n"
#define RELAYED " settled relayed (250 2.0.0 Ok)\n"

static const BooksRow refused_rows[] = {
  { "refused by another milter at end of message",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01")
    "postfix/cleanup[8]: AAAA01: milter-reject: END-OF-MESSAGE from c.example.org[192.0.2.1]: 5.7.1 no; "
    "from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n" QUIT_0,
    "AAAA01\n b@example.net: void (refused)\n", TRUE },
  { "refused because the queue file could not be written",
    CONNECT CLIENT ("AAAA01") "postfix/smtpd[7]: warning: AAAA01: write queue file: No space left on device\n"
    HEADERS ("AAAA01") QUIT_0,
    "AAAA01\n ?: void (refused)\n", TRUE },
  { "the commit failed, and only data=0/1 tells",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") QUIT_0,
    "AAAA01\n ?: void (not finished by the client)\n", TRUE },
  { "canceled, as 3.10 says it",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") "postfix/cleanup[8]: AAAA01: removed (canceled)\n" QUIT_0,
    "AAAA01\n ?: void (canceled before it was accepted)\n", TRUE },
  { "the MTA crashed before its 250",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01"),
    "AAAA01\n ?: provisional (acceptance not seen)\n", TRUE },
  { "mail from sendmail(1) refused by header_checks is returned",
    "postfix/pickup[12]: AAAA01: uid=0 from=<a@example.org>\n"
    "postfix/cleanup[8]: AAAA01: reject: header Subject: x from local; from=<a@example.org> to=<b@example.net>: 5.7.1 no\n"
    "postfix/cleanup[8]: AAAA01: to=<b@example.net>, relay=none, delay=0, delays=0/0/0/0, dsn=5.7.1, status=bounced (no)\n"
    "postfix/bounce[13]: AAAA01: sender non-delivery notification: BBBB02\n"
    "postfix/cleanup[8]: AAAA01: removed (canceled)\n" HEADERS ("BBBB02") ACTIVE ("BBBB02", "1")
    SENT ("BBBB02", "a@example.org") REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: settled bounced (no)\nBBBB02^AAAA01/notification\n a@example.org:" RELAYED, TRUE },
  { "acceptance seen later overrides what looked like a refusal",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") QUIT_0 ACTIVE ("AAAA01", "1") SENT ("AAAA01", "b@example.net")
    REMOVED ("AAAA01"),
    "AAAA01\n b@example.net:" RELAYED, TRUE },
  { "Sendmail: refused by a milter at end of message, though from= is logged",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[5]: 6AMKei5o002163: Milter: data, reject=550 5.7.1 no\n"
    "sm-mta[5]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, pri=30014, stat=Command rejected\n",
    "6AMKei5o002163\n b@example.net: void (refused)\n", TRUE },
  { "Sendmail: aborted, no msgid",
    "sm-mta[5]: 6AMKei5o002163: collect: premature EOM: unexpected close\n"
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=2, proto=ESMTP, relay=c [192.0.2.1]\n",
    "6AMKei5o002163\n ?: void (not finished by the client)\n ?: void (not finished by the client)\n", TRUE },
};

static const BooksRow recipient_rows[] = {
  { "one recipient refused by a later milter, one taken",
    CONNECT CLIENT ("AAAA01")
    "postfix/smtpd[7]: AAAA01: milter-reject: RCPT from c.example.org[192.0.2.1]: 550 5.7.1 no; from=<a@example.org> "
    "to=<bad@example.net> proto=ESMTP helo=<c>\n" HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") SENT ("AAAA01", "b@example.net")
    REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n bad@example.net: void (refused)\n b@example.net:" RELAYED, TRUE },
  { "Sendmail: one recipient refused by a milter",
    "sm-mta[5]: 6AMKei5o002163: Milter: to=<bad@example.net>, reject=550 5.7.1 no\n"
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[5]: 6AMKei5o002163: Milter accept: message\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=30014, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n bad@example.net: void (refused)\n b@example.net: settled relayed (Ok)\n", TRUE },
};

static const BooksRow policy_rows[] = {
  { "held by cleanup: no line of the queue manager at all",
    CONNECT CLIENT ("AAAA01")
    "postfix/cleanup[8]: AAAA01: hold: header Subject: x from c.example.org[192.0.2.1]; from=<a@example.org> "
    "to=<b@example.net> proto=ESMTP helo=<c>: why\n" HEADERS ("AAAA01") QUIT_1,
    "AAAA01\n b@example.net: open (held)\n", TRUE },
  { "held by a milter, two recipients",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01")
    "postfix/cleanup[8]: AAAA01: milter-hold: END-OF-MESSAGE from c.example.org[192.0.2.1]: milter triggers HOLD action; "
    "from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n"
    "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1] ehlo=1 mail=1 rcpt=2 data=1 quit=1 commands=6\n",
    "AAAA01\n b@example.net: open (held)\n ?: open (held)\n", TRUE },
  { "discarded by header_checks: neither a queue manager's line nor removed",
    CONNECT CLIENT ("AAAA01")
    "postfix/cleanup[8]: AAAA01: discard: header Subject: x from c.example.org[192.0.2.1]; from=<a@example.org> "
    "to=<b@example.net> proto=ESMTP helo=<c>: why\n" QUIT_1,
    "AAAA01\n b@example.net: settled discarded without notice (policy: header_checks)\n", TRUE },
  { "discarded by a milter, and 3.10 says removed",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01")
    "postfix/cleanup[8]: AAAA01: milter-discard: END-OF-MESSAGE from c.example.org[192.0.2.1]: milter triggers DISCARD "
    "action; from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n"
    "postfix/cleanup[8]: AAAA01: removed (discarded)\n" QUIT_1,
    "AAAA01\n b@example.net: settled discarded without notice (filter: milter)\n", TRUE },
  { "discarded by an access map at RCPT, the whole message",
    CONNECT CLIENT ("AAAA01")
    "postfix/smtpd[7]: AAAA01: discard: RCPT from c.example.org[192.0.2.1]: <b@example.net>: Recipient address why; "
    "from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n" QUIT_1,
    "AAAA01\n b@example.net: settled discarded without notice (policy: access map)\n", TRUE },
  { "discarded by an access map before there is a queue file: only the pid tells",
    CONNECT
    "postfix/smtpd[7]: NOQUEUE: discard: RCPT from c.example.org[192.0.2.1]: <b@example.net>: Recipient address triggers "
    "DISCARD action; from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n" CLIENT ("AAAA01") HEADERS ("AAAA01")
    QUIT_1,
    "AAAA01\n b@example.net: settled discarded without notice (policy: access map)\n", TRUE },
  { "held before there is a queue file",
    CONNECT
    "postfix/smtpd[7]: NOQUEUE: hold: RCPT from c.example.org[192.0.2.1]: <b@example.net>: Recipient address triggers "
    "HOLD action; from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n" CLIENT ("AAAA01") HEADERS ("AAAA01")
    QUIT_1,
    "AAAA01\n b@example.net: open (held)\n", TRUE },
  { "a discard of a transaction that was given up is not the next one's",
    CONNECT
    "postfix/smtpd[7]: NOQUEUE: discard: RCPT from c.example.org[192.0.2.1]: <b@example.net>: Recipient address triggers "
    "DISCARD action; from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n" CLIENT ("AAAA01") HEADERS ("AAAA01")
    ACTIVE ("AAAA01", "1") QUIT_1 SENT ("AAAA01", "c@example.net") REMOVED ("AAAA01"),
    "AAAA01\n c@example.net:" RELAYED, TRUE },
  { "a redirection logs the first recipient only",
    CONNECT CLIENT ("AAAA01")
    "postfix/cleanup[8]: AAAA01: redirect: header Subject: x from c.example.org[192.0.2.1]; from=<a@example.org> "
    "to=<u2@example.net> proto=ESMTP helo=<c>: new@example.com\n" HEADERS ("AAAA01") ACTIVE ("AAAA01", "2")
    "postfix/smtp[10]: AAAA01: to=<new@example.com>, orig_to=<u1@example.net>, relay=mx.example.com[192.0.2.9]:25, "
    "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n" REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n new@example.com was u1@example.net: settled redirected (to new@example.com)\n"
    " u2@example.net: settled redirected (to new@example.com)\n", TRUE },
  { "a redirection that waits keeps all of them open",
    CONNECT CLIENT ("AAAA01")
    "postfix/smtpd[7]: AAAA01: redirect: RCPT from c.example.org[192.0.2.1]: <u1@example.net>: Recipient address triggers "
    "REDIRECT new@example.com; from=<a@example.org> to=<u1@example.net> proto=ESMTP helo=<c>\n"
    HEADERS ("AAAA01") ACTIVE ("AAAA01", "2")
    "postfix/smtp[10]: AAAA01: to=<new@example.com>, orig_to=<u1@example.net>, relay=none, delay=1, delays=0/0/0/1, "
    "dsn=4.4.1, status=deferred (timeout)\n" QUIT_1,
    "AAAA01\n new@example.com was u1@example.net: open (deferred: timeout)\n ?: open (deferred)\n", TRUE },
  { "expiry has no line for each recipient",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "3") SENT ("AAAA01", "b@example.net")
    DEFERRED ("AAAA01", "c@example.net")
    "postfix/qmgr[9]: AAAA01: from=<a@example.org>, status=expired, returned to sender\n" REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n b@example.net:" RELAYED " c@example.net: settled expired (timeout)\n ?: settled expired\n", TRUE },
};

static const BooksRow rewriting_rows[] = {
  { "two RCPTs of one address are one recipient",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") SENT ("AAAA01", "b@example.net") REMOVED ("AAAA01")
    "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1] ehlo=1 mail=1 rcpt=2 data=1 quit=1 commands=6\n",
    "AAAA01\n b@example.net:" RELAYED, TRUE },
  { "a virtual alias of two, and one that collapses",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "3")
    "postfix/smtp[10]: AAAA01: to=<one@example.net>, orig_to=<pair@example.org>, relay=mx.example.net[192.0.2.9]:25, "
    "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
    "postfix/smtp[10]: AAAA01: to=<two@example.net>, orig_to=<pair@example.org>, relay=mx.example.net[192.0.2.9]:25, "
    "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n" SENT ("AAAA01", "two@example.net")
    REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n one@example.net was pair@example.org:" RELAYED " two@example.net was pair@example.org:" RELAYED
    " two@example.net:" RELAYED, TRUE },
  { "local(8) fans out: more lines than recipients, and one is missing all the same",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2")
    "postfix/local[11]: AAAA01: to=<x@example.org>, orig_to=<team@example.org>, relay=local, delay=1, delays=0/0/0/1, "
    "dsn=2.0.0, status=sent (delivered to mailbox)\n"
    "postfix/cleanup[8]: BBBB02: message-id=<1@example.org>\n"
    "postfix/local[11]: AAAA01: to=<team@example.org>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent "
    "(forwarded as BBBB02)\n" ACTIVE ("BBBB02", "1") REMOVED ("AAAA01") QUIT_1 SENT ("BBBB02", "away@example.net")
    REMOVED ("BBBB02"),
    "AAAA01\n x@example.org was team@example.org: settled delivered (delivered to mailbox)\n"
    " team@example.org: settled passed (BBBB02)\n ?: lost (removed without a record)\n"
    "BBBB02^AAAA01/forwarded\n away@example.net:" RELAYED, TRUE },
  { "Sendmail: aliases and forwards stand for what they were",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: alias <pair@example.org> => one@example.net, joe\n"
    "sm-mta[6]: 6AMKei5o002163: forward joe => \\\\joe, away@example.net\n"
    "sm-mta[6]: 6AMKei5o002163: to=\\\\joe, delay=00:00:01, xdelay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent\n"
    "sm-mta[6]: 6AMKei5o002163: to=one@example.net,away@example.net, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n joe was pair@example.org: settled delivered (Sent)\n"
    " one@example.net was pair@example.org: settled relayed (Ok)\n"
    " away@example.net was pair@example.org: settled relayed (Ok)\n", TRUE },
  { "Sendmail: a recipient merged with the same address out of an alias",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=2, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: alias <list@example.org> => one@example.net\n"
    "sm-mta[6]: 6AMKei5o002163: to=<one@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n one@example.net was list@example.org: settled relayed (Ok)\n", TRUE },
};

static const BooksRow queue_rows[] = {
  { "queue manager restarted: the result is an hour older than removed",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 SENT ("AAAA01", "b@example.net")
    "!Nov 22 21:30:00 mx postfix/qmgr[99]: AAAA01: from=<a@example.org>, size=400, nrcpt=1 (queue active)\n"
    "!Nov 22 21:30:00 mx postfix/qmgr[99]: AAAA01: removed\n",
    "AAAA01\n b@example.net:" RELAYED, TRUE },
  { "postsuper -d ALL names nobody",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    "postfix/postsuper[50]: Deleted: 1 message\n",
    "AAAA01\n b@example.net: unaccounted (bulk deletion)\n", TRUE },
  { "what is seen after a bulk deletion was not deleted",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    "postfix/postsuper[50]: Deleted: 3 messages\n" ACTIVE ("AAAA01", "1") DEFERRED ("AAAA01", "b@example.net"),
    "AAAA01\n b@example.net: open (deferred: timeout)\n", TRUE },
  { "deletions one by one are no bulk",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    "postfix/pickup[12]: BBBB02: uid=0 from=<a@example.org>\n" HEADERS ("BBBB02") ACTIVE ("BBBB02", "1")
    DEFERRED ("BBBB02", "c@example.net") "postfix/postsuper[50]: BBBB02: removed\npostfix/postsuper[50]: Deleted: 1 message\n",
    "AAAA01\n b@example.net: open (deferred: timeout)\n"
    "BBBB02\n c@example.net: settled deleted without notice (postsuper)\n", TRUE },
  { "requeued under a new id, which settles what was left",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2") QUIT_1 SENT ("AAAA01", "b@example.net")
    DEFERRED ("AAAA01", "c@example.net") "postfix/postsuper[50]: AAAA01: requeued\npostfix/postsuper[50]: Requeued: 1 message\n"
    "postfix/pickup[12]: BBBB02: uid=102 from=<a@example.org> orig_id=AAAA01\n" HEADERS ("BBBB02") ACTIVE ("BBBB02", "1")
    SENT ("BBBB02", "c@example.net") REMOVED ("BBBB02"),
    "AAAA01\n b@example.net:" RELAYED " c@example.net: settled passed (BBBB02)\n"
    "BBBB02^AAAA01/requeued\n c@example.net:" RELAYED, TRUE },
  { "requeued in bulk, and the new id not seen yet",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    "postfix/postsuper[50]: Requeued: 1 message\n",
    "AAAA01\n b@example.net: open (requeued: timeout)\n", TRUE },
  { "postsuper -s gave the files new names",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    "postfix/postsuper[50]: warning: QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS\n",
    "AAAA01\n b@example.net: unaccounted (queue files renamed)\n", TRUE },
  { "a queue file restored from a backup begins anew",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 SENT ("AAAA01", "b@example.net")
    REMOVED ("AAAA01") ACTIVE ("AAAA01", "1") SENT ("AAAA01", "b@example.net") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net:" RELAYED "AAAA01 began before\n b@example.net:" RELAYED, TRUE },
  { "the child's lines come before the line that names its parent",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 HEADERS ("BBBB02") ACTIVE ("BBBB02", "1")
    SENT ("BBBB02", "away@example.net") REMOVED ("BBBB02")
    "postfix/local[11]: AAAA01: to=<u@example.org>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent "
    "(forwarded as BBBB02)\n" REMOVED ("AAAA01"),
    "AAAA01\n u@example.org: settled passed (BBBB02)\nBBBB02^AAAA01/forwarded\n away@example.net:" RELAYED, TRUE },
  { "the notification's line comes first, as in 3.11",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, "
    "status=bounced (no)\n"
    "postfix/bounce[13]: AAAA01: sender non-delivery notification: BBBB02\n" HEADERS ("BBBB02") ACTIVE ("BBBB02", "1")
    REMOVED ("AAAA01") SENT ("BBBB02", "a@example.org") REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: settled bounced (no)\nBBBB02^AAAA01/notification\n a@example.org:" RELAYED, TRUE },
};

static const BooksRow gap_rows[] = {
  { "rsyslog limited the rate while the message was there",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "rsyslogd: imuxsock begins to drop messages from pid 10 due to rate-limiting\n"
    "rsyslogd: imuxsock lost 12 messages from pid 10 due to rate-limiting\n" REMOVED ("AAAA01"),
    "AAAA01\n ?: unaccounted (gap in the log)\ngaps 1\n", TRUE },
  { "journald limited the rate, told just after the removal",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 REMOVED ("AAAA01")
    "systemd-journald[1]: Suppressed 120 messages from postfix@-.service\n",
    "AAAA01\n ?: unaccounted (gap in the log)\ngaps 1\n", TRUE },
  { "both the result and the removal are missing",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "systemd-journald[1]: Suppressed 2 messages from postfix@-.service\n"
    "postfix/anvil[3]: statistics: max cache size 1\n",
    "AAAA01\n ?: unaccounted (gap in the log)\ngaps 1\n", TRUE },
  { "journald could not hand lines on to the syslog daemon",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "systemd-journald[1]: Forwarding to syslog missed 3 messages.\n" REMOVED ("AAAA01"),
    "AAAA01\n ?: unaccounted (gap in the log)\ngaps 1\n", TRUE },
  { "the log daemon was away",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "rsyslogd: [origin software=\"rsyslogd\" x-pid=\"9\"] exiting on signal 15.\n"
    "rsyslogd: [origin software=\"rsyslogd\" x-pid=\"9\"] start\n" REMOVED ("AAAA01"),
    "AAAA01\n ?: unaccounted (gap in the log)\ngaps 1\n", TRUE },
  { "another service's limit is no gap",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "systemd-journald[1]: Suppressed 120 messages from nginx.service\n" SENT ("AAAA01", "b@example.net") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net:" RELAYED, TRUE },
  { "another host's gap is no gap here",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "!Nov 22 20:00:30 other rsyslogd: imuxsock lost 12 messages from pid 10 due to rate-limiting\n" REMOVED ("AAAA01"),
    "AAAA01\n ?: lost (removed without a record)\ngaps 1\n", TRUE },
  { "a limit that never was told to end",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "rsyslogd: imuxsock begins to drop messages from pid 10 due to rate-limiting\n" REMOVED ("AAAA01"),
    "AAAA01\n ?: unaccounted (gap in the log)\ngaps 1\n", TRUE },
  { "the log daemon's stop is where the log ends",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "rsyslogd: [origin software=\"rsyslogd\" x-pid=\"9\"] exiting on signal 15.\n",
    "AAAA01\n ?: open (queued)\n", TRUE },
  { "a gap before the message is none for it",
    "rsyslogd: imuxsock begins to drop messages from pid 10 due to rate-limiting\n"
    "rsyslogd: imuxsock lost 12 messages from pid 10 due to rate-limiting\n"
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 REMOVED ("AAAA01"),
    "AAAA01\n ?: lost (removed without a record)\ngaps 1\n", TRUE },
  { "a silent gap: a message without a beginning, younger than the log",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "!Nov 22 20:10:00 mx postfix/anvil[3]: statistics: max cache size 1\n"
    "!Nov 22 20:10:01 mx postfix/smtp[10]: CCCC03: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=590, "
    "delays=590/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
    "!Nov 22 20:10:01 mx postfix/qmgr[9]: CCCC03: removed\n!Nov 22 20:10:02 mx postfix/qmgr[9]: AAAA01: removed\n",
    "AAAA01\n ?: unaccounted (gap in the log)\nCCCC03 began before\n b@example.net:" RELAYED "gaps 1\n", TRUE },
};

static const BooksRow unread_rows[] = {
  { "the next host's reply has a part of a line in it, which is none of its",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent "
    "(250 2.0.0 Ok <z@z>, relay=z, status=z)\n" REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: settled relayed (250 2.0.0 Ok <z@z>, relay=z, status=z)\n", TRUE },
  { "the next host's reply imitates all of it: not believed, and not lost",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent "
    "(250 2.0.0 Ok <z@z>, relay=z, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (z))\n" REMOVED ("AAAA01"),
    "AAAA01\n ?: unaccounted (a line could not be read)\nunparsed 1\n", TRUE },
  { "a result that breaks off",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    "postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, del\n" REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: unaccounted (a line could not be read)\nunparsed 1\n", TRUE },
  { "another message's is not this one's",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "postfix/smtp[10]: BBBB02: to=<b@example.net>, relay=mx[192.0.2.9]:25, del\n" REMOVED ("AAAA01"),
    "AAAA01\n ?: lost (removed without a record)\nunparsed 1\n", TRUE },
  { "Sendmail: two readings of a list",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<\"b, delay=00:00:00\"@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n ?: unaccounted (a line could not be read)\nunparsed 1\n", TRUE },
};

static const BooksRow sendmail_rows[] = {
  { "a long list of recipients is split over lines",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=3, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>,<c@example.net> [more], delay=00:00:01, xdelay=00:00:00, mailer=esmtp, "
    "pri=1, relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: to=<d@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n b@example.net: settled relayed (Ok)\n c@example.net: settled relayed (Ok)\n"
    " d@example.net: settled relayed (Ok)\n", TRUE },
  { "a clone takes the owner's part",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: alias <list@example.org> => b@example.net, c@example.net\n"
    "sm-mta[6]: 6AMKei5o002163: 6AMKei5o002239: clone: owner=joe\n"
    "sm-mta[6]: 6AMKei5o002239: to=b@example.net,c@example.net, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002239: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n list@example.org: settled passed (6AMKei5o002239)\n"
    "6AMKei5o002239^6AMKei5o002163/cloned\n b@example.net was list@example.org: settled relayed (Ok)\n"
    " c@example.net was list@example.org: settled relayed (Ok)\n", TRUE },
  { "an envelope split by the limit of recipients",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=3, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: split: maxrcpts=1, rcpts=3, count=2, ids=6AMKei5p002163; 6AMKei5q002163\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n"
    "sm-mta[6]: 6AMKei5p002163: to=<c@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5q002163: to=<d@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=4.4.1, stat=Deferred: timeout\n",
    "6AMKei5o002163\n b@example.net: settled relayed (Ok)\n c@example.net: settled passed (6AMKei5p002163)\n"
    " d@example.net: settled passed (6AMKei5q002163)\n"
    "6AMKei5p002163^6AMKei5o002163/cloned\n c@example.net: settled relayed (Ok)\n"
    "6AMKei5q002163^6AMKei5o002163/cloned\n d@example.net: open (deferred: timeout)\n", TRUE },
  { "a clone that took one recipient took no other",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=2, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: alias <list@example.org> => b@example.net\n"
    "sm-mta[6]: 6AMKei5o002163: 6AMKei5p002163: clone: owner=owner-list\n"
    "sm-mta[6]: 6AMKei5p002163: to=b@example.net, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n list@example.org: settled passed (6AMKei5p002163)\n ?: lost (removed without a record)\n"
    "6AMKei5p002163^6AMKei5o002163/cloned\n b@example.net was list@example.org: settled relayed (Ok)\n", TRUE },
  { "at a low log level there is no done, and nothing is wrong",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n",
    "6AMKei5o002163\n b@example.net: settled relayed (Ok)\n", TRUE },
  { "at a low log level nobody tells that a recipient was merged with one out of an alias",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=2, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<one@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n one@example.net: settled relayed (Ok)\n ?: unaccounted (Sendmail's LogLevel too low)\n", TRUE },
  { "a line that only a higher level has, of another message even, shows that all is told",
    "sm-mta[4]: 6AMKei5n000004: SMTP outgoing connect on mx.example.org\n"
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=2, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<one@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n one@example.net: settled relayed (Ok)\n ?: lost (removed without a record)\n", TRUE },
  { "the submission queue is a queue of its own, and passes on",
    "sendmail[4]: 6AMKei5n000004: from=joe, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=joe@localhost\n"
    "sm-mta[5]: 6AMKei5o002163: from=<joe@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=localhost [127.0.0.1]\n"
    "sendmail[4]: 6AMKei5n000004: to=b@example.net, ctladdr=joe (1/1), delay=00:00:01, xdelay=00:00:00, mailer=relay, "
    "pri=1, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent (6AMKei5o002163 Message accepted for delivery)\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (Ok)\n",
    "6AMKei5n000004\n b@example.net: settled passed (6AMKei5o002163)\n"
    "6AMKei5o002163^6AMKei5n000004/filtered\n b@example.net: settled relayed (Ok)\n", TRUE },
};

/* What is lost must be called so, or the guards would be worth nothing. */
static const BooksRow alarm_rows[] = {
  { "removed without a record, no filter follows",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2") SENT ("AAAA01", "b@example.net") REMOVED ("AAAA01")
    QUIT_1,
    "AAAA01\n b@example.net:" RELAYED " ?: lost (removed without a record)\n", TRUE },
  { "the same, and a filter may follow",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2") SENT ("AAAA01", "b@example.net") REMOVED ("AAAA01")
    QUIT_1,
    "AAAA01\n b@example.net:" RELAYED " ?: unaccounted (removed, perhaps by a later filter)\n", FALSE },
  { "deferred, then removed: no filter can have done that",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: unaccounted (removed without a record)\n", FALSE },
  { "a corrupt queue file is lost, whoever follows",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "postfix/qmgr[9]: warning: saving corrupt file \"AAAA01\" from queue \"active\" to queue \"corrupt\"\n",
    "AAAA01\n ?: lost (corrupt queue file)\n", FALSE },
  { "Sendmail gave a queue file up",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: Losing ./qf6AMKei5o002163: savemail panic\n",
    "6AMKei5o002163\n ?: lost (lost queue file (Qf))\n", FALSE },
  { "the file went away by hand",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "postfix/qmgr[9]: warning: qmgr_active_done_3_generic: remove AAAA01 from active: No such file or directory\n",
    "AAAA01\n ?: unaccounted (queue file vanished)\n", TRUE },
  { "its id is used again, and nothing told its end",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01")
    ACTIVE ("AAAA01", "1") SENT ("AAAA01", "c@example.net") REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n ?: unaccounted (queue id used again)\nAAAA01\n c@example.net:" RELAYED, TRUE },
  { "deferred, and silent for days",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 DEFERRED ("AAAA01", "b@example.net")
    "!Nov 28 21:00:00 mx postfix/anvil[3]: statistics: max cache size 1\n",
    "AAAA01\n b@example.net: unaccounted (silent for too long)\n", TRUE },
  { "forwarded to an id that nobody knows",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1
    "postfix/local[11]: AAAA01: to=<u@example.org>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent "
    "(forwarded as BBBB02)\n" REMOVED ("AAAA01"),
    "AAAA01\n u@example.org: unaccounted (passed on, and not seen again: BBBB02)\n", TRUE },
  { "where the log begins in the middle, nothing is judged",
    ACTIVE ("AAAA01", "3") SENT ("AAAA01", "b@example.net") REMOVED ("AAAA01"),
    "AAAA01 began before\n b@example.net:" RELAYED, TRUE },
  { "where the log ends, mail is still queued",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2") QUIT_1 DEFERRED ("AAAA01", "b@example.net"),
    "AAAA01\n b@example.net: open (deferred: timeout)\n ?: open (queued)\n", TRUE },
};

static void
test_refused (void)
{
  books_rows_check (refused_rows, G_N_ELEMENTS (refused_rows));
}

static void
test_recipient (void)
{
  books_rows_check (recipient_rows, G_N_ELEMENTS (recipient_rows));
}

static void
test_policy (void)
{
  books_rows_check (policy_rows, G_N_ELEMENTS (policy_rows));
}

static void
test_rewriting (void)
{
  books_rows_check (rewriting_rows, G_N_ELEMENTS (rewriting_rows));
}

static void
test_queue (void)
{
  books_rows_check (queue_rows, G_N_ELEMENTS (queue_rows));
}

static void
test_gap (void)
{
  books_rows_check (gap_rows, G_N_ELEMENTS (gap_rows));
}

static void
test_unread (void)
{
  books_rows_check (unread_rows, G_N_ELEMENTS (unread_rows));
}

static void
test_sendmail (void)
{
  books_rows_check (sendmail_rows, G_N_ELEMENTS (sendmail_rows));
}

static void
test_alarm (void)
{
  books_rows_check (alarm_rows, G_N_ELEMENTS (alarm_rows));
}

static const TapTest tests[] = {
  { "never accepted", test_refused },
  { "refused recipients", test_recipient },
  { "hold, discard, redirect, expiry", test_policy },
  { "duplicates, aliases, local fan-out", test_rewriting },
  { "restarts, operators, order of lines", test_queue },
  { "gaps", test_gap },
  { "lines that could not be read", test_unread },
  { "sendmail", test_sendmail },
  { "true alarms", test_alarm },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("guards-lost", tests, argc, argv);
}
