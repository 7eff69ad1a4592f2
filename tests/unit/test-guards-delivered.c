/* test-guards-delivered.c - no false comfort: what would wrongly be called
 * delivered, or void
 *
 * One row or more for each row of the second table of guards, and the forgeries.
 */
#include <config.h>

#include "tests/unit/books-rows.h"
#include "tests/unit/tap.h"

#define CONNECT "postfix/smtpd[7]: connect from c.example.org[192.0.2.1]\n"
#define QUIT_1 "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n"
#define CLIENT(id) "postfix/smtpd[7]: " id ": client=c.example.org[192.0.2.1]\n"
#define HEADERS(id) "postfix/cleanup[8]: " id ": message-id=<1@example.org>\n"
#define ACTIVE(id, n) "postfix/qmgr[9]: " id ": from=<a@example.org>, size=400, nrcpt=" n " (queue active)\n"
#define TAKEN(id, n) CONNECT CLIENT (id) HEADERS (id) ACTIVE (id, n) QUIT_1
#define AGENT(agent, id, to, relay, dsn, status) \
  "postfix/" agent "[10]: " id ": to=<" to ">, relay=" relay ", delay=1, delays=0/0/0/1, dsn=" dsn ", status=" status "\n"
#define SENT(id, to) AGENT ("smtp", id, to, "mx.example.net[192.0.2.9]:25", "2.0.0", "sent (250 2.0.0 Ok)")
#define REMOVED(id) "postfix/qmgr[9]: " id ": removed\n"
#define RELAYED " settled relayed (250 2.0.0 Ok)\n"

static const BooksRow passed_rows[] = {
  { "handed to the own content filter, which hands it back",
    TAKEN ("AAAA01", "1")
    "postfix/reinject/smtpd[17]: connect from localhost[127.0.0.1]\n"
    "postfix/reinject/smtpd[17]: BBBB02: client=localhost[127.0.0.1], orig_queue_id=AAAA01, orig_client=c[192.0.2.1]\n"
    HEADERS ("BBBB02")
    AGENT ("smtp", "AAAA01", "b@example.net", "127.0.0.1[127.0.0.1]:10024", "2.0.0", "sent (250 2.0.0 Ok: queued as BBBB02)")
    REMOVED ("AAAA01") ACTIVE ("BBBB02", "1")
    AGENT ("smtp", "BBBB02", "b@example.net", "none", "4.4.1", "deferred (timeout)"),
    "AAAA01\n b@example.net: settled passed (BBBB02)\nBBBB02^AAAA01/filtered\n b@example.net: open (deferred: timeout)\n", FALSE },
  { "the filter tells its id through amavis, without XFORWARD",
    TAKEN ("AAAA01", "1")
    "postfix/smtpd[17]: connect from localhost[127.0.0.1]\npostfix/smtpd[17]: BBBB02: client=localhost[127.0.0.1]\n"
    HEADERS ("BBBB02")
    AGENT ("lmtp", "AAAA01", "b@example.net", "127.0.0.1[127.0.0.1]:10024", "2.0.0",
           "sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as BBBB02)")
    REMOVED ("AAAA01") ACTIVE ("BBBB02", "1") SENT ("BBBB02", "b@example.net") REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: settled passed (BBBB02)\nBBBB02^AAAA01/filtered\n b@example.net:" RELAYED, FALSE },
  { "the filter says nothing but Ok; XFORWARD tells",
    TAKEN ("AAAA01", "1")
    AGENT ("smtp", "AAAA01", "b@example.net", "127.0.0.1[127.0.0.1]:10024", "2.0.0", "sent (250 Ok)") REMOVED ("AAAA01")
    "postfix/smtpd[17]: connect from localhost[127.0.0.1]\n"
    "postfix/smtpd[17]: BBBB02: client=localhost[127.0.0.1], orig_queue_id=AAAA01, orig_client=c[192.0.2.1]\n"
    HEADERS ("BBBB02") ACTIVE ("BBBB02", "1") SENT ("BBBB02", "b@example.net") REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: settled passed (BBBB02)\nBBBB02^AAAA01/filtered\n b@example.net:" RELAYED, FALSE },
  { "a filter behind pipe(8) submits the message again",
    TAKEN ("AAAA01", "1") "postfix/pickup[12]: BBBB02: uid=58 from=<a@example.org>\n" HEADERS ("BBBB02")
    AGENT ("pipe", "AAAA01", "b@example.net", "spam", "2.0.0", "sent (delivered via spam service)")
    ACTIVE ("BBBB02", "1") REMOVED ("AAAA01") SENT ("BBBB02", "b@example.net") REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: settled passed (BBBB02)\nBBBB02^AAAA01/filtered\n b@example.net:" RELAYED, FALSE },
  { "a remote host that names one of our ids is a remote host",
    TAKEN ("AAAA01", "1") TAKEN ("BBBB02", "1")
    AGENT ("smtp", "AAAA01", "b@example.net", "mx.example.net[192.0.2.9]:25", "2.0.0", "sent (250 2.0.0 Ok: queued as BBBB02)")
    REMOVED ("AAAA01") SENT ("BBBB02", "c@example.net") REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: settled relayed (250 2.0.0 Ok: queued as BBBB02)\nBBBB02\n c@example.net:" RELAYED, FALSE },
  { "handed to another host whose log is here",
    TAKEN ("AAAA01", "1")
    "!Nov 22 20:00:10 mx2 postfix/smtpd[5]: BBBB02: client=mx.example.org[192.0.2.2]\n"
    AGENT ("smtp", "AAAA01", "b@example.net", "mx2.example.org[192.0.2.3]:25", "2.0.0", "sent (250 2.0.0 Ok: queued as BBBB02)")
    REMOVED ("AAAA01")
    "!Nov 22 20:00:11 mx2 postfix/qmgr[9]: BBBB02: from=<a@example.org>, size=400, nrcpt=1 (queue active)\n",
    "AAAA01\n b@example.net: settled passed (BBBB02)\nBBBB02^AAAA01/filtered\n ?: open (queued)\n", FALSE },
  { "MailScanner takes it from hold and queues it anew",
    CONNECT CLIENT ("AAAA01")
    "postfix/cleanup[8]: AAAA01: hold: header Received: from x from c.example.org[192.0.2.1]; from=<a@example.org> "
    "to=<b@example.net> proto=ESMTP helo=<c>\n" HEADERS ("AAAA01") QUIT_1
    "MailScanner[30]: Requeue: AAAA01.A5B9C to BBBB02\n" ACTIVE ("BBBB02", "1") SENT ("BBBB02", "b@example.net")
    REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: settled passed (BBBB02)\nBBBB02^AAAA01/requeued\n b@example.net:" RELAYED, FALSE },
};

static const BooksRow leg_rows[] = {
  { "alias of two: one sent, one deferred",
    TAKEN ("AAAA01", "2")
    "postfix/smtp[10]: AAAA01: to=<one@example.net>, orig_to=<pair@example.org>, relay=mx[192.0.2.9]:25, delay=1, "
    "delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
    "postfix/smtp[10]: AAAA01: to=<two@example.net>, orig_to=<pair@example.org>, relay=none, delay=1, delays=0/0/0/1, "
    "dsn=4.4.1, status=deferred (timeout)\n",
    "AAAA01\n one@example.net was pair@example.org:" RELAYED
    " two@example.net was pair@example.org: open (deferred: timeout)\n", FALSE },
  { "local(8): a command took it, another deferred it",
    TAKEN ("AAAA01", "1")
    AGENT ("local", "AAAA01", "team@example.org", "local", "2.0.0", "sent (delivered to command: /bin/one)")
    AGENT ("local", "AAAA01", "team@example.org", "local", "4.3.0", "deferred (temporary failure)"),
    "AAAA01\n team@example.org: open (deferred: temporary failure)\n", FALSE },
  { "local(8): delivered and forwarded are two fates",
    TAKEN ("AAAA01", "1") AGENT ("local", "AAAA01", "u@example.org", "local", "2.0.0", "sent (delivered to mailbox)")
    HEADERS ("BBBB02") AGENT ("local", "AAAA01", "u@example.org", "local", "2.0.0", "sent (forwarded as BBBB02)")
    ACTIVE ("BBBB02", "1") REMOVED ("AAAA01"),
    "AAAA01\n u@example.org: settled delivered (delivered to mailbox)\n u@example.org: settled passed (BBBB02)\n"
    "BBBB02^AAAA01/forwarded\n ?: open (queued)\n", FALSE },
  { "delivered again after a restart: still one recipient",
    TAKEN ("AAAA01", "1") SENT ("AAAA01", "b@example.net") ACTIVE ("AAAA01", "1") SENT ("AAAA01", "b@example.net")
    REMOVED ("AAAA01"),
    "AAAA01\n b@example.net:" RELAYED, FALSE },
  { "removed settles nobody",
    TAKEN ("AAAA01", "1") REMOVED ("AAAA01"),
    "AAAA01\n ?: unaccounted (removed, perhaps by a later filter)\n", FALSE },
  { "sent after an operator's deletion overrides it",
    TAKEN ("AAAA01", "1") "postfix/postsuper[50]: AAAA01: removed\npostfix/postsuper[50]: Deleted: 1 message\n"
    SENT ("AAAA01", "b@example.net")
    "postfix/qmgr[9]: warning: qmgr_active_done_3_generic: remove AAAA01 from active: No such file or directory\n",
    "AAAA01\n b@example.net:" RELAYED, FALSE },
};

static const BooksRow discarded_rows[] = {
  { "discard(8) says sent",
    TAKEN ("AAAA01", "1") AGENT ("discard", "AAAA01", "b@example.net", "none", "2.0.0", "sent (silently)") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: settled discarded without notice (discard transport)\n", FALSE },
  { "delivered to /dev/null",
    TAKEN ("AAAA01", "1")
    AGENT ("local", "AAAA01", "b@example.net", "local", "2.0.0", "sent (delivered to file: /dev/null)") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: settled discarded without notice (black hole: /dev/null)\n", FALSE },
  { "amavis took it and threw it away",
    TAKEN ("AAAA01", "1")
    AGENT ("lmtp", "AAAA01", "b@example.net", "127.0.0.1[127.0.0.1]:10024", "2.7.0",
           "sent (250 2.7.0 Ok, discarded, id=00848-16 - INFECTED: Eicar-Test-Signature)") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: settled discarded without notice (amavis: discarded)\n", FALSE },
  { "the double bounce that nobody wants",
    HEADERS ("AAAA01") ACTIVE ("AAAA01", "1")
    AGENT ("qmgr", "AAAA01", "postmaster@example.org", "none", "2.0.0", "sent (undeliverable postmaster notification discarded)")
    REMOVED ("AAAA01"),
    "AAAA01\n postmaster@example.org: settled discarded without notice (double bounce)\n", FALSE },
  { "Sendmail: discarded by a milter",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[5]: 6AMKei5o002163: Milter: data, discard\n"
    "sm-mta[5]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, pri=30014, stat=discarded\n",
    "6AMKei5o002163\n b@example.net: settled discarded without notice (filter: milter)\n", FALSE },
  { "Sendmail: to /dev/null",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: alias <null@example.org> => /dev/null\n"
    "sm-mta[6]: 6AMKei5o002163: to=/dev/null, delay=00:00:01, xdelay=00:00:00, mailer=*file*, pri=1, dsn=2.0.0, stat=Sent\n",
    "6AMKei5o002163\n /dev/null was null@example.org: settled discarded without notice (black hole: /dev/null)\n", FALSE },
  { "MailScanner deleted it",
    CONNECT CLIENT ("AAAA01")
    "postfix/cleanup[8]: AAAA01: hold: header Received: from x from c.example.org[192.0.2.1]; from=<a@example.org> "
    "to=<b@example.net> proto=ESMTP helo=<c>\n" HEADERS ("AAAA01") QUIT_1
    "MailScanner[30]: Spam Actions: message AAAA01.A5B9C actions are delete\n",
    "AAAA01\n b@example.net: settled discarded without notice (MailScanner: deleted)\n", FALSE },
};

static const BooksRow other_rows[] = {
  { "sendmail -bv tests addresses, and delivers nothing",
    "postfix/pickup[12]: AAAA01: uid=0 from=<a@example.org>\n" HEADERS ("AAAA01") ACTIVE ("AAAA01", "2")
    AGENT ("smtp", "AAAA01", "b@example.net", "mx[192.0.2.9]:25", "2.1.5", "deliverable (250 2.1.5 Ok)")
    AGENT ("local", "AAAA01", "no@example.org", "local", "5.1.1", "undeliverable (unknown user)") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: void (address probe, no mail)\n no@example.org: void (address probe, no mail)\n", FALSE },
  { "a probe for address verification",
    HEADERS ("AAAA01")
    "postfix/qmgr[9]: AAAA01: from=<double-bounce@example.org>, size=253, nrcpt=1 (queue active)\n"
    AGENT ("smtp", "AAAA01", "b@example.net", "mx[192.0.2.9]:25", "2.1.5", "deliverable (250 2.1.5 Ok)") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: void (address probe, no mail)\n", FALSE },
  { "a short id is used again: two messages",
    TAKEN ("AAAA01", "1") SENT ("AAAA01", "b@example.net") REMOVED ("AAAA01") TAKEN ("AAAA01", "1"),
    "AAAA01\n b@example.net:" RELAYED "AAAA01\n ?: open (queued)\n", FALSE },
  { "a short id of an aborted transaction is used again",
    CONNECT CLIENT ("AAAA01") CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "1"),
    "AAAA01\n ?: void (not finished by the client)\nAAAA01\n ?: open (queued)\n", FALSE },
  { "the same id in two instances",
    TAKEN ("AAAA01", "1")
    "postfix-out/smtpd[27]: AAAA01: client=localhost[127.0.0.1]\npostfix-out/cleanup[28]: AAAA01: message-id=<2@example.org>\n"
    "postfix-out/qmgr[29]: AAAA01: from=<x@example.org>, size=1, nrcpt=1 (queue active)\n"
    "postfix-out/smtp[30]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok)\npostfix-out/qmgr[29]: AAAA01: removed\n",
    "AAAA01\n ?: open (queued)\nAAAA01\n b@example.net:" RELAYED, FALSE },
  { "the same id on two hosts",
    TAKEN ("AAAA01", "1")
    "!Nov 22 20:00:10 mx2 postfix/smtp[30]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, "
    "dsn=2.0.0, status=sent (250 2.0.0 Ok)\n",
    "AAAA01\n ?: open (queued)\nAAAA01 began before\n b@example.net:" RELAYED, FALSE },
  { "services of one instance share its ids",
    "postfix/submission/smtpd[7]: connect from c[192.0.2.1]\npostfix/submission/smtpd[7]: AAAA01: client=c[192.0.2.1], "
    "sasl_method=PLAIN, sasl_username=a\n" HEADERS ("AAAA01") ACTIVE ("AAAA01", "1")
    "postfix/relay/smtp[30]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok)\n" REMOVED ("AAAA01"),
    "AAAA01\n b@example.net:" RELAYED, FALSE },
  { "services with names of their own share the ids of the queue they work on",
    "submission/smtpd[7]: connect from c[192.0.2.1]\nsubmission/smtpd[7]: AAAA01: client=c[192.0.2.1]\n" HEADERS ("AAAA01")
    ACTIVE ("AAAA01", "1")
    "slow/smtp[30]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok)\n" REMOVED ("AAAA01"),
    "AAAA01\n b@example.net:" RELAYED, FALSE },
  { "an instance that has a queue of its own is no service of another's",
    TAKEN ("AAAA01", "1")
    "out/smtpd[7]: AAAA02: client=c[192.0.2.1]\nout/cleanup[8]: AAAA02: message-id=<2@example.org>\n"
    "out/smtp[30]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=900, delays=899/0/0/1, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok)\n",
    "AAAA01\n ?: open (queued)\nAAAA02\n ?: provisional (acceptance not seen)\nAAAA01 began before\n b@example.net:" RELAYED,
    FALSE },
  { "a delay notification settles nothing",
    TAKEN ("AAAA01", "1") AGENT ("smtp", "AAAA01", "b@example.net", "none", "4.4.1", "deferred (timeout)") HEADERS ("BBBB02")
    "postfix/bounce[13]: AAAA01: sender delay notification: BBBB02\n" ACTIVE ("BBBB02", "1") SENT ("BBBB02", "a@example.org")
    REMOVED ("BBBB02"),
    "AAAA01\n b@example.net: open (deferred: timeout)\nBBBB02^AAAA01/notification\n a@example.org:" RELAYED, FALSE },
  { "a success notification settles nothing",
    TAKEN ("AAAA01", "2") SENT ("AAAA01", "b@example.net") HEADERS ("BBBB02")
    "postfix/bounce[13]: AAAA01: sender delivery status notification: BBBB02\n",
    "AAAA01\n b@example.net:" RELAYED " ?: open (queued)\nBBBB02^AAAA01/notification\n ?: open (queued)\n", FALSE },
  { "Sendmail: what could be returned to nobody lies in a file",
    "sm-mta[5]: 6AMKei5o002163: from=<>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.org>, delay=00:00:01, xdelay=00:00:00, mailer=local, pri=1, dsn=5.2.2, "
    "stat=Service unavailable\n"
    "sm-mta[6]: 6AMKei5o002163: Saved message in /var/tmp/dead.letter\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=1\n",
    "6AMKei5o002163\n b@example.org: unaccounted (saved as dead letter)\n", FALSE },
  { "Sendmail: from= is not acceptance",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n",
    "6AMKei5o002163\n ?: provisional (acceptance not seen)\n", FALSE },
  { "Sendmail: a notification under any label may be an expiry",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=2, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, "
    "dsn=4.4.1, stat=Deferred: timeout\n"
    "sm-mta[6]: 6AMKei5o002163: 6AMKei5o002239: sender notify: Warning: could not send message for past 4 hours\n"
    "sm-mta[6]: 6AMKei5o002239: to=<a@example.org>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, "
    "dsn=2.0.0, stat=Sent (Ok)\n"
    "sm-mta[6]: 6AMKei5o002163: 6AMKei5o002240: sender notify: Cannot send message for 5 days\n"
    "sm-mta[6]: 6AMKei5o002163: done; delay=00:00:01, ntries=2\n"
    "sm-mta[6]: 6AMKei5o002240: to=<a@example.org>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, "
    "dsn=2.0.0, stat=Sent (Ok)\n",
    "6AMKei5o002163\n b@example.net: settled expired (timeout)\n ?: settled expired\n"
    "6AMKei5o002239^6AMKei5o002163/notification\n a@example.org: settled relayed (Ok)\n"
    "6AMKei5o002240^6AMKei5o002163/notification\n a@example.org: settled relayed (Ok)\n", FALSE },
  { "Sendmail: a delay warning is no expiry",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx, "
    "dsn=4.4.1, stat=Deferred: timeout\n"
    "sm-mta[6]: 6AMKei5o002163: 6AMKei5o002239: return to sender: Warning: could not send message for past 4 hours\n",
    "6AMKei5o002163\n b@example.net: open (deferred: timeout)\n6AMKei5o002239^6AMKei5o002163/notification\n"
    " ?: open (queued)\n", FALSE },
  { "the clock went back an hour: the order of lines counts",
    "!Nov 22 20:59:58 mx postfix/pickup[12]: AAAA01: uid=0 from=<a@example.org>\n"
    "!Nov 22 20:59:59 mx postfix/qmgr[9]: AAAA01: from=<a@example.org>, size=4, nrcpt=1 (queue active)\n"
    "!Nov 22 20:00:00 mx postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, "
    "dsn=2.0.0, status=sent (250 2.0.0 Ok)\n!Nov 22 20:00:00 mx postfix/qmgr[9]: AAAA01: removed\n",
    "AAAA01\n b@example.net:" RELAYED, FALSE },
};

#define REDIRECT_BEFORE \
  "postfix/smtpd[7]: NOQUEUE: redirect: RCPT from c.example.org[192.0.2.1]: <x@example.net>: Recipient address triggers " \
  "REDIRECT other@example.com; from=<a@example.org> to=<x@example.net> proto=ESMTP helo=<c>\n"
#define REDIRECTED(id, to, orig) \
  "postfix/smtp[10]: " id ": to=<" to ">, orig_to=<" orig ">, relay=mx.example.net[192.0.2.9]:25, delay=1, delays=0/0/0/1, " \
  "dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
#define TO_OTHER "settled redirected (to other@example.com)\n"

static const BooksRow redirection_rows[] = {
  { "a redirection of a transaction that was given up is not the next one's",
    CONNECT REDIRECT_BEFORE CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2") SENT ("AAAA01", "b@example.net")
    REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n b@example.net:" RELAYED " ?: lost (removed without a record)\n", TRUE },
  { "nor is it where the next one's recipient is an alias",
    CONNECT REDIRECT_BEFORE CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2")
    REDIRECTED ("AAAA01", "one@example.net", "team@example.org") REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n one@example.net was team@example.org:" RELAYED " ?: lost (removed without a record)\n", TRUE },
  { "its own holds for all",
    CONNECT REDIRECT_BEFORE CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2")
    REDIRECTED ("AAAA01", "other@example.com", "x@example.net") REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n other@example.com was x@example.net: " TO_OTHER " ?: " TO_OTHER, TRUE },
  { "and where the address that it goes to is an alias",
    CONNECT REDIRECT_BEFORE CLIENT ("AAAA01") HEADERS ("AAAA01") ACTIVE ("AAAA01", "2")
    REDIRECTED ("AAAA01", "real@example.com", "x@example.net") REMOVED ("AAAA01") QUIT_1,
    "AAAA01\n real@example.com was x@example.net: " TO_OTHER " ?: " TO_OTHER, TRUE },
};

#define HOLD(id) \
  "postfix/cleanup[8]: " id ": hold: header X-Rule: hold from c.example.org[192.0.2.1]; from=<a@example.org> " \
  "to=<b@example.net> proto=ESMTP helo=<c>: by rule\n"
#define REFUSED_RCPT \
  "postfix/smtpd[7]: NOQUEUE: reject: RCPT from c.example.org[192.0.2.1]: 550 5.1.1 <no@example.net>: unknown; " \
  "from=<a@example.org> to=<no@example.net> proto=ESMTP helo=<c>\n"
#define LOST_AFTER(what) "postfix/smtpd[7]: lost connection after " what " from c.example.org[192.0.2.1]\n"
#define DISCONNECT(counts) "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1] " counts "\n"
#define HELD "AAAA01\n b@example.net: open (held)\n"

static const BooksRow taken_rows[] = {
  { "held, and the next transaction breaks off at the command DATA",
    CONNECT CLIENT ("AAAA01") HOLD ("AAAA01") HEADERS ("AAAA01") REFUSED_RCPT LOST_AFTER ("DATA")
    DISCONNECT ("ehlo=1 mail=2 rcpt=1/2 data=1/2 commands=5/7"),
    HELD, FALSE },
  { "the same at the command BDAT, and nothing is counted",
    CONNECT CLIENT ("AAAA01") HOLD ("AAAA01") HEADERS ("AAAA01") REFUSED_RCPT LOST_AFTER ("BDAT")
    "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1]\n",
    "AAAA01\n b@example.net: provisional (acceptance not seen)\n", FALSE },
  { "held, and the next message's own first line is missing",
    CONNECT CLIENT ("AAAA01") HOLD ("AAAA01") HEADERS ("AAAA01") LOST_AFTER ("DATA (14 bytes)")
    DISCONNECT ("ehlo=1 mail=2 rcpt=2 data=1/2 commands=6/7"),
    HELD, FALSE },
  { "held, and the next message is refused before its body breaks off",
    CONNECT CLIENT ("AAAA01") HOLD ("AAAA01") HEADERS ("AAAA01") CLIENT ("BBBB02")
    "postfix/cleanup[8]: BBBB02: reject: header Subject: x from c.example.org[192.0.2.1]; from=<a@example.org> "
    "to=<c@example.net> proto=ESMTP helo=<c>: 5.7.1 no\n" LOST_AFTER ("DATA (14 bytes)")
    DISCONNECT ("ehlo=1 mail=2 rcpt=2 data=1/2 commands=6/7"),
    HELD "BBBB02\n c@example.net: void (refused)\n", FALSE },
  { "taken, and the next message is refused before its body breaks off",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01") CLIENT ("BBBB02")
    "postfix/cleanup[8]: BBBB02: reject: header Subject: x from c.example.org[192.0.2.1]; from=<a@example.org> "
    "to=<c@example.net> proto=ESMTP helo=<c>: 5.7.1 no\n" LOST_AFTER ("DATA (14 bytes)")
    DISCONNECT ("ehlo=1 mail=2 rcpt=2 data=1/2 commands=6/7"),
    "AAAA01\n ?: open (queued)\nBBBB02\n c@example.net: void (refused)\n", FALSE },
  { "of two the second is not finished",
    CONNECT CLIENT ("AAAA01") HOLD ("AAAA01") HEADERS ("AAAA01") CLIENT ("BBBB02") HEADERS ("BBBB02")
    LOST_AFTER ("DATA (14 bytes)") DISCONNECT ("ehlo=1 mail=2 rcpt=2 data=1/2 commands=6/7"),
    HELD "BBBB02\n ?: void (not finished by the client)\n", FALSE },
  { "held before its body broke off: no message of the session was taken",
    CONNECT CLIENT ("AAAA01") HOLD ("AAAA01") HEADERS ("AAAA01") LOST_AFTER ("DATA (14 bytes)")
    DISCONNECT ("ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4"),
    "AAAA01\n b@example.net: void (not finished by the client)\n", FALSE },
  { "held, and it is not known which of two was taken",
    CONNECT CLIENT ("AAAA01") HOLD ("AAAA01") CLIENT ("BBBB02") HEADERS ("BBBB02")
    DISCONNECT ("ehlo=1 mail=2 rcpt=2 data=1/2 commands=6/7"),
    "AAAA01\n b@example.net: provisional (acceptance not seen)\nBBBB02\n ?: open (queued)\n", FALSE },
  { "held by an operator, and a later line seems to refuse it",
    TAKEN ("AAAA01", "1") "postfix/postsuper[50]: AAAA01: placed on hold\n"
    "postfix/smtpd[7]: warning: AAAA01: queue file size limit exceeded\n",
    "AAAA01\n ?: open (held)\n", FALSE },
};

static const BooksRow forgery_rows[] = {
  { "a header that quotes a result",
    CONNECT CLIENT ("AAAA01")
    "postfix/cleanup[8]: AAAA01: warning: header Subject: AAAA01: to=<b@example.net>, relay=x, delay=1, delays=1/1/1/1, "
    "dsn=2.0.0, status=sent (250 Ok) from c.example.org[192.0.2.1]; from=<a@example.org> to=<b@example.net> proto=ESMTP "
    "helo=<c>\n" HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1,
    "AAAA01\n ?: open (queued)\n", FALSE },
  { "a header that quotes a discard",
    CONNECT CLIENT ("AAAA01")
    "postfix/cleanup[8]: AAAA01: info: header Subject: AAAA01: discard: header x from c.example.org[192.0.2.1]; "
    "from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<c>\n" HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1,
    "AAAA01\n ?: open (queued)\n", FALSE },
  { "a remote reply that says sent",
    TAKEN ("AAAA01", "1")
    AGENT ("smtp", "AAAA01", "b@example.net", "mx[192.0.2.9]:25", "4.0.0",
           "deferred (host mx[192.0.2.9] said: 450 dsn=2.0.0, status=sent (250 Ok) (in reply to RCPT TO command))"),
    "AAAA01\n b@example.net: open (deferred: host mx[192.0.2.9] said: 450 dsn=2.0.0, status=sent (250 Ok) "
    "(in reply to RCPT TO command))\n", FALSE },
  { "a remote reply that claims a black hole",
    TAKEN ("AAAA01", "1")
    AGENT ("smtp", "AAAA01", "b@example.net", "mx[192.0.2.9]:25", "2.0.0", "sent (delivered to file: /dev/null)")
    REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: settled relayed (delivered to file: /dev/null)\n", FALSE },
  { "a remote reply that claims a forward",
    TAKEN ("AAAA01", "1") TAKEN ("BBBB02", "1")
    AGENT ("smtp", "AAAA01", "b@example.net", "mx[192.0.2.9]:25", "2.0.0", "sent (forwarded as BBBB02)") REMOVED ("AAAA01"),
    "AAAA01\n b@example.net: settled relayed (forwarded as BBBB02)\nBBBB02\n ?: open (queued)\n", FALSE },
  { "a recipient in quotes that imitates the rest of the line",
    TAKEN ("AAAA01", "1")
    AGENT ("smtp", "AAAA01", "\"x>, relay=y, delay=1, delays=1/1/1/1, dsn=2.0.0, status=sent (ok)\"@example.net",
           "mx[192.0.2.9]:25", "5.1.1", "bounced (no such user)")
    REMOVED ("AAAA01"),
    "AAAA01\n \"x>, relay=y, delay=1, delays=1/1/1/1, dsn=2.0.0, status=sent (ok)\"@example.net: "
    "settled bounced (no such user)\n", FALSE },
  { "the same without quotes, as old versions log it: not believed",
    TAKEN ("AAAA01", "1")
    AGENT ("smtp", "AAAA01", "x>, relay=y, delay=1, delays=1/1/1/1, dsn=2.0.0, status=sent (ok)@example.net",
           "mx[192.0.2.9]:25", "5.1.1", "bounced (no such user)"),
    "AAAA01\n ?: open (queued)\nunparsed 1\n", FALSE },
  { "a sender that imitates an expiry",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01")
    "postfix/qmgr[9]: AAAA01: from=<\"x>, status=expired, returned to sender\"@example.org>, size=400, nrcpt=1 (queue active)\n"
    QUIT_1,
    "AAAA01\n ?: open (queued)\n", FALSE },
  { "a sender that imitates a count of recipients",
    CONNECT CLIENT ("AAAA01") HEADERS ("AAAA01")
    "postfix/qmgr[9]: AAAA01: from=<\"x>, size=1, nrcpt=0 (queue active)\"@example.org>, size=400, nrcpt=2 (queue active)\n"
    QUIT_1,
    "AAAA01\n ?: open (queued)\n ?: open (queued)\n", FALSE },
  { "another program's line with Postfix's words",
    TAKEN ("AAAA01", "1") "evil[66]: AAAA01: to=<b@example.net>, relay=x, delay=1, delays=1/1/1/1, dsn=2.0.0, status=sent (ok)\n"
    "evil[66]: postfix/qmgr[9]: AAAA01: removed\n",
    "AAAA01\n ?: open (queued)\n", FALSE },
  { "a Message-ID with a fate in it",
    CONNECT CLIENT ("AAAA01") "postfix/cleanup[8]: AAAA01: message-id=<AAAA01: removed (canceled)>\n" ACTIVE ("AAAA01", "1")
    QUIT_1,
    "AAAA01\n ?: open (queued)\n", FALSE },
  { "Sendmail: a filter's refusal that ends like a discard",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[5]: 6AMKei5o002163: milter=x, reject=550 5.7.1 no, discard\n"
    "sm-mta[5]: 6AMKei5o002163: Milter: data, reject=550 5.7.1 no, discard\n",
    "6AMKei5o002163\n ?: void (refused)\n", FALSE },
  { "Sendmail: a remote reply with a stat= in it",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx [192.0.2.9], "
    "dsn=5.1.1, reply=550 no, stat=Sent (ok), stat=User unknown\n",
    "6AMKei5o002163\n b@example.net: settled bounced (User unknown)\n", FALSE },
  { "Sendmail: stat= and dsn= contradict each other: not believed",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[5]: 6AMKei5o002163: Milter accept: message\n"
    "sm-mta[6]: 6AMKei5o002163: to=<b@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx [192.0.2.9], "
    "dsn=5.1.1, stat=Sent (ok)\n",
    "6AMKei5o002163\n ?: open (queued)\nunparsed 1\n", FALSE },
  { "Sendmail: a recipient in quotes that imitates a result",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=1, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<\"x, dsn=2.0.0, stat=Sent\"@example.net>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, "
    "pri=1, relay=mx [192.0.2.9], dsn=4.4.1, stat=Deferred: timeout\n",
    "6AMKei5o002163\n \"x, dsn=2.0.0, stat=Sent\"@example.net: open (deferred: timeout)\n", FALSE },
  { "Sendmail: a recipient that imitates the rest of the line behind an escaped quote",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=3, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[5]: 6AMKei5o002163: Milter accept: message\n"
    "sm-mta[6]: 6AMKei5o002163: to=<other@example.net>,<v\\\\\"\", delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=1, "
    "relay=x. [192.0.2.9], dsn=2.0.0, stat=Sent (ok\"@example.net>,<victim@example.net>, delay=00:00:01, xdelay=00:00:00, "
    "mailer=esmtp, pri=1, relay=mx [192.0.2.9], dsn=4.3.0, stat=Deferred: 451 4.3.0 no\n",
    "6AMKei5o002163\n ?: open (queued)\n ?: open (queued)\n ?: open (queued)\nunparsed 1\n", FALSE },
  { "Sendmail: a recipient that names another behind an escaped quote",
    "sm-mta[5]: 6AMKei5o002163: from=<a@example.org>, size=14, class=0, nrcpts=2, msgid=<1@x>, relay=c [192.0.2.1]\n"
    "sm-mta[6]: 6AMKei5o002163: to=<\\\\\"\">,<victim@example.net>,<\"@example.net>, delay=00:00:01, xdelay=00:00:00, "
    "mailer=esmtp, pri=1, relay=mx [192.0.2.9], dsn=2.0.0, stat=Sent (ok)\n",
    "6AMKei5o002163\n \\\\\"\">,<victim@example.net>,<\"@example.net: settled relayed (ok)\n ?: open (queued)\n", FALSE },
  { "a sender that imitates the refusal of a recipient",
    CONNECT CLIENT ("AAAA01")
    "postfix/smtpd[7]: AAAA01: reject: RCPT from c.example.org[192.0.2.1]: 550 5.1.1 <no@example.net>: unknown; "
    "from=<\"x> to=<b@example.net> proto=ESMTP \"@example.org> to=<no@example.net> proto=ESMTP helo=<c>\n"
    HEADERS ("AAAA01") ACTIVE ("AAAA01", "1") QUIT_1 AGENT ("smtp", "AAAA01", "b@example.net", "none", "4.4.1", "deferred (timeout)"),
    "AAAA01\n b@example.net: open (deferred: timeout)\n", FALSE },
};

static void
test_passed (void)
{
  books_rows_check (passed_rows, G_N_ELEMENTS (passed_rows));
}

static void
test_legs (void)
{
  books_rows_check (leg_rows, G_N_ELEMENTS (leg_rows));
}

static void
test_discarded (void)
{
  books_rows_check (discarded_rows, G_N_ELEMENTS (discarded_rows));
}

static void
test_other (void)
{
  books_rows_check (other_rows, G_N_ELEMENTS (other_rows));
}

static void
test_redirection (void)
{
  books_rows_check (redirection_rows, G_N_ELEMENTS (redirection_rows));
}

static void
test_taken (void)
{
  books_rows_check (taken_rows, G_N_ELEMENTS (taken_rows));
}

static void
test_forgery (void)
{
  books_rows_check (forgery_rows, G_N_ELEMENTS (forgery_rows));
}

static const TapTest tests[] = {
  { "passed on", test_passed },
  { "legs and redelivery", test_legs },
  { "discarded", test_discarded },
  { "probes, ids, notifications, clocks", test_other },
  { "redirections of another transaction", test_redirection },
  { "taken, though the session breaks off", test_taken },
  { "forgeries", test_forgery },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("guards-delivered", tests, argc, argv);
}
