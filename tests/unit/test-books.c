/* test-books.c - how the books work: changes are told, settled messages leave,
 * order hardly matters, sums balance
 *
 * What is made of which evidence is in test-guards-….
 */
#include <config.h>

#include "milter/audit/describe.h"
#include "milter/audit/slot.h"
#include "tests/unit/books-rows.h"
#include "tests/unit/tap.h"

#define CONNECT "postfix/smtpd[7]: connect from c.example.org[192.0.2.1]\n"
#define CLIENT "postfix/smtpd[7]: AAAA01: client=c.example.org[192.0.2.1]\n"
#define HEADERS "postfix/cleanup[8]: AAAA01: message-id=<1@example.org>\n"
#define ACTIVE "postfix/qmgr[9]: AAAA01: from=<a@example.org>, size=400, nrcpt=1 (queue active)\n"
#define DEFERRED \
  "postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (timeout)\n"
#define SENT \
  "postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, " \
  "status=sent (250 2.0.0 Ok)\n"
#define REMOVED "postfix/qmgr[9]: AAAA01: removed\n"
#define QUIT "postfix/smtpd[7]: disconnect from c.example.org[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n"

static void
tell_change (const HfChange *change, gpointer data)
{
  GString *told = data;
  const gchar *outcome = hf_outcome_name ((HfOutcome) change->after.outcome);

  g_string_append_printf (told, "%u: %s %s x%u %s%s%s\n", change->at.line, change->message->queue_id,
                          change->leg != NULL ? change->leg->address : "?", change->count,
                          hf_state_name ((HfState) change->after.state), outcome != NULL ? " " : "",
                          outcome != NULL ? outcome : "");
}

/* Each change of a recipient comes with the line that made it. */
static void
test_books_changes (void)
{
  g_autoptr (GString) told = g_string_new (NULL);
  HfBooksSettings settings = { .changed = tell_change, .data = told };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (CONNECT CLIENT HEADERS ACTIVE QUIT DEFERRED ACTIVE DEFERRED ACTIVE SENT REMOVED, &intake);
  hf_books_finish (books);
  hf_intake_clear (&intake);
  tap_check_str ("changes", told->str,
                 "2: AAAA01 ? x1 provisional\n"
                 "4: AAAA01 ? x1 open\n"
                 "6: AAAA01 b@example.net x1 open\n"
                 "10: AAAA01 b@example.net x1 settled relayed\n");
}

/* Late evidence takes a verdict back. */
static void
test_books_late (void)
{
  g_autoptr (GString) told = g_string_new (NULL);
  HfBooksSettings settings = { .changed = tell_change, .data = told, .last = TRUE };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (CONNECT CLIENT HEADERS ACTIVE QUIT REMOVED SENT, &intake);
  hf_books_finish (books);
  hf_intake_clear (&intake);
  tap_check_str ("late", told->str,
                 "2: AAAA01 ? x1 provisional\n"
                 "4: AAAA01 ? x1 open\n"
                 "6: AAAA01 ? x1 lost\n"
                 "7: AAAA01 b@example.net x1 settled relayed\n");
}

static void
count_closed (const HfMessage *message, gpointer data)
{
  (*(guint *) data)++;
}

static void
feed_settled (HfIntake *intake, guint from, guint number)
{
  HfClock clock;

  hf_clock_init (&clock, 2026, 0);
  for (guint i = from; i < from + number; i++)
    {
      static const gchar *const parts[]
          = { "postfix/pickup[1]: A%05X: uid=0 from=<a@example.org>",
              "postfix/qmgr[9]: A%05X: from=<a@example.org>, size=4, nrcpt=1 (queue active)",
              "postfix/smtp[10]: A%05X: to=<b@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, "
              "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F%05X)",
              "postfix/qmgr[9]: A%05X: removed" };

      for (guint part = 0; part < G_N_ELEMENTS (parts); part++)
        {
          g_autoptr (GString) line = g_string_new ("Nov 22 20:00:00 mx ");
          g_autofree gchar *id = g_strdup_printf ("%05X", i);

          g_string_append (line, parts[part]);
          g_string_replace (line, "%05X", id, 0);
          hf_intake_line (intake, &clock, (HfSlice){ line->str, line->len }, (HfPosition){ .line = i });
        }
    }
}

/* What is closed and settled leaves after its grace; what is open stays. */
static void
test_books_memory (void)
{
  guint closed = 0;
  HfBooksSettings settings = { .closed = count_closed, .data = &closed, .grace_lines = 100 };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (CONNECT CLIENT HEADERS ACTIVE QUIT DEFERRED, &intake);
  feed_settled (&intake, 0, 5000);
  tap_check ("few are kept", hf_books_n_live (books) < 40);
  tap_check ("the others were handed out", closed > 4960);

  /* a line about one that left tells nothing new */
  closed = 0;
  books_rows_feed ("postfix/qmgr[9]: A00007: removed\n", &intake);
  hf_books_finish (books);
  tap_check_int ("open ones are handed out at the end", hf_books_handed_tally (books)->by_state[HF_STATE_OPEN], 1);
  tap_check_int ("no ghost", hf_books_handed_tally (books)->messages, 5001);
  tap_check ("balance", hf_books_balance (books));
  hf_intake_clear (&intake);
}

/* Whether the parent of the next test left. */
static void
note_parent (const HfMessage *message, gpointer data)
{
  if (g_str_equal (message->queue_id, "AAAA01"))
    *(gboolean *) data = TRUE;
}

/* A message stays for as long as the one that it was passed on to. */
static void
test_books_children (void)
{
  gboolean left = FALSE;
  HfBooksSettings settings = { .closed = note_parent, .data = &left, .grace_lines = 100 };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (CONNECT CLIENT HEADERS ACTIVE QUIT "postfix/cleanup[8]: BBBB01: message-id=<1@example.org>\n"
                   "postfix/qmgr[9]: BBBB01: from=<a@example.org>, size=400, nrcpt=1 (queue active)\n"
                   "postfix/local[10]: AAAA01: to=<b@example.net>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, "
                   "status=sent (forwarded as BBBB01)\n" REMOVED
                   "postfix/smtp[10]: BBBB01: to=<c@example.net>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (later)\n",
                   &intake);
  feed_settled (&intake, 0, 200);
  tap_check ("the parent waits", !left);
  books_rows_feed ("postfix/smtp[10]: BBBB01: to=<c@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
                   "status=sent (250 2.0.0 Ok)\npostfix/qmgr[9]: BBBB01: removed\n",
                   &intake);
  feed_settled (&intake, 200, 200);
  tap_check ("both leave", left && hf_books_n_live (books) < 40);
  hf_books_finish (books);
  tap_check ("balance", hf_books_balance (books));
  hf_intake_clear (&intake);
}

/* The lines of several processes may change places. */
static void
test_books_order (void)
{
  static const gchar *const lines[] = { ACTIVE, SENT, REMOVED, QUIT };
  guint tried = 0;

  for (guint code = 0; code < 256; code++)
    {
      guint order[4] = { code & 3, (code >> 2) & 3, (code >> 4) & 3, code >> 6 };
      guint place[4] = { 9, 9, 9, 9 };
      g_autoptr (GString) text = g_string_new (CONNECT CLIENT HEADERS);
      g_autofree gchar *told = NULL;
      BooksRow row = { .name = "order", .last = TRUE };

      for (guint i = 0; i < 4; i++)
        place[order[i]] = i;
      /* each once, and the queue manager's own lines in their order */
      if (place[0] == 9 || place[1] == 9 || place[2] == 9 || place[3] == 9 || place[0] > place[2])
        continue;
      tried++;
      for (guint i = 0; i < 4; i++)
        g_string_append (text, lines[order[i]]);
      row.lines = text->str;
      told = books_rows_tell (&row);
      tap_check_str (text->str, told, "AAAA01\n b@example.net: settled relayed (250 2.0.0 Ok)\n");
    }
  tap_check_int ("orders", tried, 12);
}

/* The same lines read twice, as overlapping copies of a log have them: nothing is
 * counted twice, whether the message is still there or gone. */
static void
test_books_repeated (void)
{
  static const BooksRow rows[] = {
    { "still there",
      "!Nov 22 20:00:00 mx postfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
      "!Nov 22 20:00:00 mx postfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
      "!Nov 22 20:00:01 mx postfix/qmgr[9]: AAAA01: from=<a@x>, size=4, nrcpt=1 (queue active)\n"
      "!Nov 22 20:00:01 mx postfix/qmgr[9]: AAAA01: from=<a@x>, size=4, nrcpt=1 (queue active)\n",
      "AAAA01\n ?: open (queued)\n", FALSE },
    { "gone", "!Nov 22 20:00:00 mx " CLIENT "!Nov 22 20:00:01 mx " HEADERS "!Nov 22 20:00:02 mx " ACTIVE
      "!Nov 22 20:00:03 mx " SENT "!Nov 22 20:00:04 mx " REMOVED
      "!Nov 22 20:00:00 mx " CLIENT "!Nov 22 20:00:01 mx " HEADERS "!Nov 22 20:00:02 mx " ACTIVE
      "!Nov 22 20:00:03 mx " SENT "!Nov 22 20:00:04 mx " REMOVED,
      "AAAA01\n b@example.net: settled relayed (250 2.0.0 Ok)\n", TRUE },
  };

  books_rows_check (rows, G_N_ELEMENTS (rows));
}

/* Octets that end a string elsewhere do not make two addresses one. */
static void
test_books_nuls (void)
{
  static const gchar line[] = "\0\0Nov 22 20:00:00 mx postfix/smtp[10]: AAAA01: to=<b\0c@example.net>, relay=mx, delay=1, "
                              "delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)";
  g_autoptr (GString) told = g_string_new (NULL);
  HfBooksSettings settings = { .changed = tell_change, .data = told };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;
  HfClock clock;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  hf_clock_init (&clock, 2026, 0);
  hf_intake_line (&intake, &clock, (HfSlice){ line, sizeof line - 1 }, (HfPosition){ .line = 1 });
  hf_books_finish (books);
  hf_intake_clear (&intake);
  tap_check_str ("NUL in an address", told->str, "1: AAAA01 b?c@example.net x1 settled relayed\n");
}

/* A line from the future is not what silence is told by. */
static void
test_books_future (void)
{
  static const gchar *const lines[]
      = { "2036-02-07T06:28:16+00:00 mx postfix/master[1]: daemon started -- version 3.7.11, configuration /etc/postfix",
          "2026-11-22T20:00:00+00:00 mx postfix/pickup[12]: AAAA01: uid=0 from=<a@example.org>",
          "2026-11-22T20:00:01+00:00 mx postfix/qmgr[9]: AAAA01: from=<a@example.org>, size=4, nrcpt=1 (queue active)",
          "2036-02-07T06:28:16+00:00 mx postfix/smtp[10]: AAAA01: to=<b@example.net>, relay=none, delay=1, delays=0/0/0/1, "
          "dsn=4.4.1, status=deferred (timeout)",
          "2026-11-22T20:30:00+00:00 mx postfix/pickup[12]: BBBB02: uid=0 from=<a@example.org>" };
  const gint64 written_s = 1795377600; /* 2026-11-22T20:00:00Z */
  g_autoptr (GString) told = g_string_new (NULL);
  HfBooksSettings settings = { .changed = tell_change, .data = told };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;
  HfClock clock;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  hf_clock_init (&clock, 0, written_s);
  clock.now_s = written_s;
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      hf_intake_line (&intake, &clock, hf_slice (lines[i]), (HfPosition){ .line = i + 1 });
      tap_check_int (lines[i], hf_gaps_newest_ms (hf_books_gaps (books)),
                     i == 0 ? -1 : (written_s + (i == 4 ? 1800 : i > 1)) * 1000);
    }
  g_string_truncate (told, 0);
  hf_books_finish (books);
  hf_intake_clear (&intake);
  tap_check ("nothing is silent for too long", strstr (told->str, "unaccounted") == NULL);
}

/* More recipients than are looked for one by one, some of them twice. */
static void
test_books_many_recipients (void)
{
  g_autoptr (GString) lines = g_string_new (CLIENT HEADERS);
  HfBooksSettings settings = { 0 };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  const HfTally *tally;
  HfIntake intake;

  g_string_append (lines, "postfix/qmgr[9]: AAAA01: from=<a@example.org>, size=4, nrcpt=500 (queue active)\n");
  for (guint round = 0; round < 2; round++)
    for (guint i = 0; i < 400; i++)
      g_string_append_printf (lines, "postfix/smtp[10]: AAAA01: to=<u%u@example.net>, relay=mx, delay=1, delays=0/0/0/1, "
                                     "dsn=2.0.0, status=%s\n", i, round == 0 ? "deferred (later)" : "sent (250 Ok)");
  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (lines->str, &intake);
  hf_books_finish (books);
  tally = hf_books_handed_tally (books);
  tap_check_int ("relayed", tally->by_outcome[HF_OUTCOME_RELAYED], 400);
  tap_check_int ("open", tally->by_state[HF_STATE_OPEN], 100);
  tap_check ("balance", hf_books_balance (books));
  hf_intake_clear (&intake);
}

static void
check_evidence (const HfMessage *message, gpointer data)
{
  guint kept = hf_message_n_evidence (message);

  tap_check_int ("kept", kept, HF_EVIDENCE_MAX);
  tap_check_int ("the first", hf_message_evidence (message, 0)->line, 2);
  tap_check_int ("the fourth", hf_message_evidence (message, 3)->line, 5);
  for (guint i = HF_EVIDENCE_FIRST; i < kept; i++)
    tap_check_int ("the last ones in order", hf_message_evidence (message, i)->line,
                   hf_message_evidence (message, kept - 1)->line - (kept - 1 - i));
  tap_check_str ("the last", hf_describe_evidence (hf_message_evidence (message, kept - 1)), "removed from the queue");
}

/* Of a message that is tried a hundred times, the first and the last lines are kept. */
static void
test_books_evidence (void)
{
  g_autoptr (GString) lines = g_string_new (CONNECT CLIENT HEADERS);
  HfBooksSettings settings = { .closed = check_evidence };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;

  for (guint i = 0; i < 100; i++)
    g_string_append (lines, ACTIVE DEFERRED);
  g_string_append (lines, SENT REMOVED);
  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (lines->str, &intake);
  hf_books_finish (books);
  hf_intake_clear (&intake);
}

typedef struct
{
  const gchar *name;
  const gchar *slot;
  const gchar *want; /* state, outcome, number of legs */
} SlotRow;

/* What the message of test_books_slots came to, by what the client had asked for. */
static const SlotRow slot_rows[] = {
  { "all legs final: the worst of them", "pair@example.org", "settled discarded 2" },
  { "case does not count", "Pair@Example.ORG", "settled discarded 2" },
  { "one leg waits: the slot waits", "team@example.org", "open - 2" },
  { "not rewritten", "b@example.net", "settled relayed 1" },
  { "named only as what an alias became", "one@example.net", "settled relayed 1" },
  { "never named", "nobody@example.org", "open - 0" },
};

static void
check_slots (const HfMessage *message, gpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (slot_rows); i++)
    {
      guint legs;
      HfFinding finding = hf_slot_find (message, hf_slice (slot_rows[i].slot), NULL, &legs);
      const gchar *outcome = hf_outcome_name ((HfOutcome) finding.outcome);
      g_autofree gchar *told = g_strdup_printf ("%s %s %u", hf_state_name ((HfState) finding.state),
                                                outcome != NULL ? outcome : "-", legs);

      tap_check_str (slot_rows[i].name, told, slot_rows[i].want);
    }
}

#define LEG(to, orig, agent, status) \
  "postfix/" agent "[10]: AAAA01: to=<" to ">, orig_to=<" orig ">, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, " \
  "dsn=2.0.0, status=" status "\n"

static void
test_books_slots (void)
{
  HfBooksSettings settings = { .closed = check_slots };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (CLIENT HEADERS
                   "postfix/qmgr[9]: AAAA01: from=<a@example.org>, size=400, nrcpt=6 (queue active)\n" SENT
                   LEG ("one@example.net", "pair@example.org", "smtp", "sent (250 Ok)")
                   LEG ("two@example.net", "pair@example.org", "discard", "sent (silently)")
                   LEG ("x@example.net", "team@example.org", "smtp", "sent (250 Ok)")
                   LEG ("y@example.net", "team@example.org", "smtp", "deferred (later)"),
                   &intake);
  hf_books_finish (books);
  hf_intake_clear (&intake);
}

typedef struct
{
  const gchar *name, *lines, *want;
} SumsRow;

#define OPEN(id) "postfix/pickup[3]: " id ": uid=0 from=<a@example.org>\npostfix/cleanup[8]: " id ": message-id=<1@example.org>\n"
#define QUEUED(id, n) "postfix/qmgr[9]: " id ": from=<a@example.org>, size=4, nrcpt=" n " (queue active)\n"
#define TO(agent, id, to, status) \
  "postfix/" agent "[10]: " id ": to=<" to ">, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=" status "\n"

/* What must be so for a log to be at one with itself. */
static const SumsRow sums_rows[] = {
  { "each end once",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") TO ("smtp", "AAAA01", "b@example.net", "sent (250 Ok)") "postfix/qmgr[9]: AAAA01: removed\n"
    OPEN ("AAAA02") QUEUED ("AAAA02", "1") "postfix/postsuper[50]: AAAA02: removed\npostfix/postsuper[50]: Deleted: 1 message\n"
    OPEN ("AAAA03") QUEUED ("AAAA03", "1")
    "postfix/qmgr[9]: warning: saving corrupt file \"AAAA03\" from queue \"active\" to queue \"corrupt\"\n"
    OPEN ("AAAA04") QUEUED ("AAAA04", "1") "postfix/postsuper[51]: AAAA04: requeued\npostfix/postsuper[51]: Requeued: 1 message\n"
    OPEN ("AAAA05") QUEUED ("AAAA05", "1") OPEN ("AAAA05")
    "postfix/smtpd[7]: AAAA06: client=c[192.0.2.1]\n"
    "postfix/cleanup[8]: AAAA06: reject: header X: y from c[192.0.2.1]; from=<a@example.org> to=<b@example.net>: no\n"
    "postfix/smtpd[7]: AAAA07: client=c[192.0.2.1]\n"
    "postfix/cleanup[8]: AAAA07: discard: header X: y from c[192.0.2.1]; from=<a@example.org> to=<b@example.net>: no\n",
    "accepted 7 (in_queue 1, removed 1, discarded 1, deleted 1, requeued 1, corrupt 1, unknown 1) and 1" },
  { "as many as were deleted in bulk are not seen again",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") OPEN ("AAAA02") QUEUED ("AAAA02", "1") "postfix/postsuper[50]: Deleted: 2 messages\n",
    "accepted 2 (bulk 2) and 0; deleted 2 of 2, gone 2" },
  { "fewer were deleted: something else made one go",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") OPEN ("AAAA02") QUEUED ("AAAA02", "1") "postfix/postsuper[50]: Deleted: 1 message\n",
    "accepted 2 (bulk 2) and 0; deleted 1 of 2, gone 2" },
  { "one was seen later, so it was not among them",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") OPEN ("AAAA02") QUEUED ("AAAA02", "1") "postfix/postsuper[50]: Deleted: 1 message\n"
    QUEUED ("AAAA02", "1"),
    "accepted 2 (in_queue 1, bulk 1) and 0; deleted 1 of 2, gone 1" },
  { "single lines of the same process are no bulk",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") OPEN ("AAAA02") QUEUED ("AAAA02", "1")
    "postfix/postsuper[50]: AAAA01: removed\npostfix/postsuper[50]: Deleted: 2 messages\n",
    "accepted 2 (deleted 1, bulk 1) and 0; deleted 1 of 1, gone 1" },
  { "more recipients than the queue file had",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") TO ("smtp", "AAAA01", "b@example.net", "sent (250 Ok)")
    TO ("smtp", "AAAA01", "c@example.net", "sent (250 Ok)") "postfix/qmgr[9]: AAAA01: removed\n",
    "accepted 1 (removed 1) and 0; beyond nrcpt 1" },
  { "local(8) may make more of one",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") TO ("local", "AAAA01", "x@example.org>, orig_to=<team@example.org", "sent (delivered to mailbox)")
    TO ("local", "AAAA01", "y@example.org>, orig_to=<team@example.org", "sent (delivered to mailbox)")
    "postfix/qmgr[9]: AAAA01: removed\n",
    "accepted 1 (removed 1) and 0" },
  { "two parents claim a child",
    OPEN ("AAAA01") QUEUED ("AAAA01", "1") OPEN ("AAAA02") QUEUED ("AAAA02", "2")
    "postfix/cleanup[8]: BBBB01: message-id=<2@example.org>\n"
    TO ("local", "AAAA01", "x@example.org", "sent (forwarded as BBBB01)") TO ("local", "AAAA02", "y@example.org", "sent (forwarded as BBBB01)")
    TO ("local", "AAAA02", "z@example.org", "sent (forwarded as BBBB01)"),
    "accepted 3 (in_queue 3) and 0; claimed twice 1" },
};

static gchar *
tell_sums (const HfBooks *books)
{
  const HfSums *sums = hf_books_sums (books);
  GString *told = g_string_new (NULL);
  gboolean first = TRUE;

  g_string_append_printf (told, "accepted %" G_GUINT64_FORMAT " (", sums->accepted);
  for (guint end = 0; end < HF_N_ENDS; end++)
    {
      if (sums->ends[end] == 0)
        continue;
      g_string_append_printf (told, "%s%s %" G_GUINT64_FORMAT, first ? "" : ", ", hf_end_name ((HfEnd) end), sums->ends[end]);
      first = FALSE;
    }
  g_string_append_printf (told, ") and %" G_GUINT64_FORMAT, sums->not_accepted);
  for (guint i = 0; i < hf_books_n_bulk_acts (books); i++)
    {
      const HfBulkAct *act = hf_books_bulk_act (books, i);

      if (act->bulk == HF_BULK_DELETED)
        g_string_append_printf (told, "; deleted %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT ", gone %" G_GUINT64_FORMAT,
                                act->count, act->candidates, act->gone);
    }
  if (sums->beyond_nrcpt > 0)
    g_string_append_printf (told, "; beyond nrcpt %" G_GUINT64_FORMAT, sums->beyond_nrcpt);
  if (sums->claimed_twice > 0)
    g_string_append_printf (told, "; claimed twice %" G_GUINT64_FORMAT, sums->claimed_twice);
  return g_string_free (told, FALSE);
}

static void
test_books_sums (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (sums_rows); i++)
    {
      HfBooksSettings settings = { 0 };
      g_autoptr (HfBooks) books = hf_books_new (&settings);
      g_autofree gchar *told = NULL;
      HfIntake intake;

      hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
      books_rows_feed (sums_rows[i].lines, &intake);
      hf_books_finish (books);
      hf_intake_clear (&intake);
      told = tell_sums (books);
      tap_check_str (sums_rows[i].name, told, sums_rows[i].want);
    }
}

static const TapTest tests[] = {
  { "changes", test_books_changes },
  { "late evidence", test_books_late },
  { "memory", test_books_memory },
  { "children", test_books_children },
  { "order", test_books_order },
  { "repeated lines", test_books_repeated },
  { "NUL octets", test_books_nuls },
  { "lines from the future", test_books_future },
  { "many recipients", test_books_many_recipients },
  { "evidence", test_books_evidence },
  { "slots", test_books_slots },
  { "sums", test_books_sums },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("books", tests, argc, argv);
}
