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

/* The same log read twice: nothing is counted twice. */
static void
test_books_repeated (void)
{
  BooksRow row = { .name = "repeated",
                   .lines = "!Nov 22 20:00:00 mx postfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
                            "!Nov 22 20:00:00 mx postfix/smtpd[7]: AAAA01: client=c[192.0.2.1]\n"
                            "!Nov 22 20:00:01 mx postfix/qmgr[9]: AAAA01: from=<a@x>, size=4, nrcpt=1 (queue active)\n"
                            "!Nov 22 20:00:01 mx postfix/qmgr[9]: AAAA01: from=<a@x>, size=4, nrcpt=1 (queue active)\n" };
  g_autofree gchar *told = books_rows_tell (&row);

  tap_check_str (row.name, told, "AAAA01\n ?: open (queued)\n");
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

static const TapTest tests[] = {
  { "changes", test_books_changes },
  { "late evidence", test_books_late },
  { "memory", test_books_memory },
  { "order", test_books_order },
  { "repeated lines", test_books_repeated },
  { "NUL octets", test_books_nuls },
  { "many recipients", test_books_many_recipients },
  { "evidence", test_books_evidence },
  { "slots", test_books_slots },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("books", tests, argc, argv);
}
