/* fuzz-log.c - any octets as a log: nothing crashes, and the sums balance
 *
 * An input is the octets of a log, of both MTAs.  Each recipient's rows are
 * handed over once and counted once, and no message stays in memory.
 */
#include <config.h>

#include "milter/audit/intake.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);

static gboolean is_control; /* a row too many is counted: that must be reported */

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  is_control = g_strcmp0 (g_getenv ("HOLDFAST_FUZZ_CONTROL"), "1") == 0;
  return 0;
}

static void
message_closed (const HfMessage *message, gpointer data)
{
  guint64 *rows = data;

  g_assert (message->n_evidence > 0);
  *rows += message->n_legs + message->rest + (is_control ? 1 : 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  guint64 rows = 0;
  HfBooksSettings settings = { .closed = message_closed, .data = &rows, .grace_lines = 8 };
  g_autoptr (HfBooks) books = NULL;
  g_autofree gchar *copy = g_memdup2 (data, size);
  HfSlice rest = { copy, size }, line;
  const HfTally *tally;
  guint64 sum = 0;
  HfIntake intake;
  HfClock clock;
  guint32 number = 0;

  settings.last = size > 0 && data[0] % 2 == 1;
  books = hf_books_new (&settings);
  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  hf_clock_init (&clock, 2026, 0);
  while (copy != NULL && hf_slice_cut (&rest, "\n", &line))
    hf_intake_line (&intake, &clock, line, (HfPosition){ .line = ++number });
  hf_books_finish (books);
  tally = hf_books_handed_tally (books);
  for (guint state = 0; state < HF_N_STATES; state++)
    sum += tally->by_state[state];
  g_assert (hf_books_balance (books));
  g_assert_cmpuint (sum, ==, rows);
  g_assert_cmpuint (hf_books_n_live (books), ==, 0);
  sum = 0;
  for (guint end = 0; end < HF_N_ENDS; end++)
    sum += hf_books_sums (books)->ends[end];
  g_assert_cmpuint (sum, ==, hf_books_sums (books)->accepted);
  g_assert_cmpuint (sum + hf_books_sums (books)->not_accepted, ==, tally->messages);
  hf_intake_clear (&intake);
  return 0;
}
