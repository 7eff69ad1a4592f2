/* fuzz-log.c - any octets as a log: nothing crashes, and the sums balance
 *
 *     make tests/fuzz/fuzz-log && tests/fuzz/fuzz-log -max_len=20000 DIRECTORY
 *
 * Seeds: the logs of tests/corpus, cut into pieces.  See module.mk.
 */
#include <config.h>

#include "milter/audit/intake.h"
#include "tests/fuzz/fuzz.h"

static void
message_closed (const HfMessage *message, gpointer data)
{
  guint64 *rows = data;

  g_assert (message->n_evidence > 0);
  *rows += message->n_legs + message->rest;
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
  hf_intake_clear (&intake);
  return 0;
}
