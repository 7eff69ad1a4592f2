/* books-rows.c - rows of log lines, and what the books should make of them */
#include <config.h>

#include "tests/unit/books-rows.h"

#include "milter/audit/describe.h"
#include "tests/unit/tap.h"

static void
tell_recipient (GString *out, const HfMessage *message, const HfLeg *leg, const gchar *address, HfFinding finding)
{
  g_autofree gchar *detail = hf_describe_detail (message, leg, finding);
  const gchar *outcome = hf_outcome_name ((HfOutcome) finding.outcome);

  g_string_append_printf (out, " %s", address != NULL ? address : "?");
  if (leg != NULL && leg->orig != NULL)
    g_string_append_printf (out, " was %s", leg->orig);
  g_string_append_printf (out, ": %s", hf_state_name ((HfState) finding.state));
  if (outcome != NULL)
    g_string_append_printf (out, " %s", outcome);
  if (finding.silent)
    g_string_append (out, " without notice");
  if (detail != NULL)
    g_string_append_printf (out, " (%s)", detail);
  g_string_append_c (out, '\n');
}

static void
tell_message (const HfMessage *message, gpointer data)
{
  GString *out = data;

  g_string_append (out, message->queue_id);
  if (message->parent != NULL)
    g_string_append_printf (out, "^%s/%s", message->parent, hf_describe_link ((HfLink) message->parent_link));
  g_string_append (out, message->opened ? "\n" : " began before\n");
  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    tell_recipient (out, message, leg, leg->address, leg->finding);
  for (guint32 i = 0; i < message->rest; i++)
    tell_recipient (out, message, NULL, hf_message_rest_name (message, i), message->rest_finding);
}

void
books_rows_feed (const gchar *lines, HfIntake *intake)
{
  g_auto (GStrv) each = g_strsplit (lines, "\n", -1);
  HfClock clock;

  hf_clock_init (&clock, 2026, 0);
  for (guint i = 0; each[i] != NULL; i++)
    {
      HfPosition at = { .offset = i * 100, .line = i + 1 };
      g_autofree gchar *line = NULL;

      if (each[i][0] == '\0')
        continue;
      if (each[i][0] == '!')
        line = g_strdup (each[i] + 1);
      else
        line = g_strdup_printf ("Nov 22 20:%02u:%02u mx %s", i / 60, i % 60, each[i]);
      hf_intake_line (intake, &clock, hf_slice (line), at);
    }
}

gchar *
books_rows_tell (const BooksRow *row)
{
  GString *out = g_string_new (NULL);
  HfBooksSettings settings = { .last = row->last, .closed = tell_message, .data = out };
  g_autoptr (HfBooks) books = hf_books_new (&settings);
  HfIntake intake;

  hf_intake_init (&intake, books, HF_MTA_UNKNOWN);
  books_rows_feed (row->lines, &intake);
  hf_books_finish (books);
  if (hf_gaps_count (hf_books_gaps (books)) > 0)
    g_string_append_printf (out, "gaps %u\n", hf_gaps_count (hf_books_gaps (books)));
  if (intake.unparsed_lines > 0)
    g_string_append_printf (out, "unparsed %" G_GUINT64_FORMAT "\n", intake.unparsed_lines);
  tap_check (row->name, hf_books_balance (books));
  tap_check_int (row->name, hf_books_n_live (books), 0);
  hf_intake_clear (&intake);
  return g_string_free (out, FALSE);
}

void
books_rows_check (const BooksRow *rows, gsize n_rows)
{
  for (gsize i = 0; i < n_rows; i++)
    {
      g_autofree gchar *told = books_rows_tell (&rows[i]);

      tap_check_str (rows[i].name, told, rows[i].want);
    }
}
