/* list-unjournaled.c - holdfast list --unjournaled: mail that went past the filter; see list-unjournaled.h */
#include <config.h>

#include "milter/command/list-unjournaled.h"

#include "milter/command/json.h"
#include "milter/command/text.h"
#include "milter/command/verbs.h"

#include <stdio.h>

static const gchar sql[] = "SELECT n, queue, instance, at, sender FROM mail WHERE envelope IS NULL AND parent IS NULL AND accepted"
                           " AND at >= (SELECT min (at) / 1000 * 1000 FROM envelope) ORDER BY n";
static const gchar legs_sql[] = "SELECT address, nullif (orig, ''), state, outcome, detail FROM leg WHERE mail = ?1 AND number > 0";

static const gchar *
column (sqlite3_stmt *row, int index)
{
  return (const gchar *) sqlite3_column_text (row, index);
}

static gboolean
print_json (sqlite3_stmt *row, sqlite3_stmt *legs, GError **error)
{
  g_auto (HfJson) json;

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_null (&json, "id");
  hf_json_time (&json, "at", sqlite3_column_int64 (row, 3));
  hf_json_string (&json, "queue_id", column (row, 1));
  hf_json_string (&json, "instance", column (row, 2));
  hf_json_string (&json, "sender", column (row, 4));
  hf_json_begin_array (&json, "recipients");
  while (sqlite3_step (legs) == SQLITE_ROW)
    {
      hf_json_begin_object (&json, NULL);
      hf_json_string (&json, "address", column (legs, 0));
      hf_json_string (&json, "orig_address", column (legs, 1));
      hf_json_string (&json, "state", column (legs, 2));
      hf_json_string (&json, "outcome", column (legs, 3));
      hf_json_string (&json, "detail", column (legs, 4));
      hf_json_end_object (&json);
    }
  hf_json_end_array (&json);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static void
print_person (sqlite3_stmt *row, sqlite3_stmt *legs)
{
  g_autofree gchar *queue = hf_text_safe (column (row, 1));
  g_autofree gchar *sender = hf_text_safe (column (row, 4) != NULL ? column (row, 4) : "?");
  gchar at[25];

  hf_time_format (sqlite3_column_int64 (row, 3), at);
  printf ("%s  %-14s  <%s> ->", at, queue, sender);
  while (sqlite3_step (legs) == SQLITE_ROW)
    {
      g_autofree gchar *address = hf_text_safe (column (legs, 0));

      printf (" <%s> %s", address, column (legs, 3) != NULL ? column (legs, 3) : column (legs, 2));
    }
  fputc ('\n', stdout);
}

static gboolean
list (HfLedger *ledger, gboolean json, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, sql, error);
  g_autoptr (sqlite3_stmt) legs = row != NULL ? hf_ledger_prepare (ledger, legs_sql, error) : NULL;
  int step;

  if (legs == NULL)
    return FALSE;
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    {
      sqlite3_reset (legs);
      sqlite3_bind_int64 (legs, 1, sqlite3_column_int64 (row, 0));
      if (!json)
        print_person (row, legs);
      else if (!print_json (row, legs, error))
        return FALSE;
    }
  return step == SQLITE_DONE || hf_ledger_error (ledger, error);
}

int
hf_list_unjournaled (HfFates *fates, gboolean json)
{
  g_autoptr (GError) error = NULL;

  if (fates == NULL)
    {
      fprintf (stderr, "holdfast list: there are no books yet: holdfast-auditor has not run\n");
      return HF_EXIT_BLIND;
    }
  if (list (hf_fates_ledger (fates), json, &error) && fflush (stdout) == 0)
    return HF_EXIT_FINE;
  fprintf (stderr, "holdfast list: %s\n", error != NULL ? error->message : "cannot write to standard output");
  return HF_EXIT_BLIND;
}
