/* balance.c - holdfast balance: journaled = void + provisional + accepted (P4)
 *
 * The left side is counted from the journal itself, record by record; the
 * right side comes from the books.  They are two ways to the same number, so
 * a difference means that one of them is wrong, and the exit code is 1.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/fates.h"
#include "milter/command/json.h"
#include "milter/command/select.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <string.h>

#define HOUR_MS (3600 * 1000)

enum { VOID, PROVISIONAL, SETTLED, OPEN, UNACCOUNTED, LOST, N_CLASSES };

static const gchar *const class_names[N_CLASSES] = { "void", "provisional", "settled", "open", "unaccounted", "lost" };

typedef struct
{
  guint64 journaled;          /* recipients, counted from the journal */
  guint64 classes[N_CLASSES]; /* from the books */
  guint64 silent;             /* of settled: nobody told the sender */
  guint64 gone;               /* of the books: their copy is gone, and neither a note nor an act explains it */
  guint64 gone_settled;       /* of the books: the journal does not have them, and an act says that this is known */
  guint64 damaged;            /* of the books: their copy is there and no longer verifies */
  guint64 trimmed;            /* of the books: their copy was trimmed */
} Sums;

typedef struct
{
  gboolean json;
  GHashTable *by_hour;  /* hour to Sums */
  Sums all;
  guint64 noted;        /* recipients that the notes of trimming tell of */
  guint64 later;        /* recipients that the books have not come to */
  guint64 behind_seq, behind_offset; /* up to where the books have read the journal */
  guint64 unjournaled;
} Balance;

static Sums *
sums_of (Balance *self, gint64 at_ms)
{
  const gint64 hour = at_ms / HOUR_MS;
  Sums *sums = g_hash_table_lookup (self->by_hour, &hour);

  if (sums != NULL)
    return sums;
  sums = g_new0 (Sums, 1);
  g_hash_table_insert (self->by_hour, g_memdup2 (&hour, sizeof hour), sums);
  return sums;
}

/* ---- the left side ---- */

static void
count_entry (Balance *self, const HfViewEntry *entry)
{
  const guint64 recipients = entry->item->recipients->len;

  /* what was carried forward is in the books since long */
  if (!hf_segment_is_carried (entry->seq)
      && (entry->seq > self->behind_seq || (entry->seq == self->behind_seq && entry->item->offset >= self->behind_offset)))
    {
      self->later += recipients;
      return;
    }
  self->all.journaled += recipients;
  sums_of (self, entry->item->facts.at_ms)->journaled += recipients;
}

typedef struct
{
  Balance *balance;
  HfFates *fates;
} Absence;

static gboolean
count_missing (const HfViewEntry *entry, gpointer data, GError **error)
{
  Absence *absence = data;
  const guint64 recipients = entry->item->recipients->len;

  if (hf_fates_place (absence->fates, entry->seq, entry->item->offset) == NULL)
    return TRUE;
  absence->balance->all.gone_settled += recipients;
  sums_of (absence->balance, entry->item->facts.at_ms)->gone_settled += recipients;
  return TRUE;
}

static gboolean
count_journal (Balance *self, HfView *view, HfFates *fates, GError **error)
{
  Absence absence = { self, fates };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const HfTrimmed *trimmed = hf_view_trimmed (view);
  HfViewEntry entry;
  gboolean end = FALSE;

  for (guint i = 0; i < trimmed->notes->len; i++)
    {
      const HfTrimNote *note = &g_array_index (trimmed->notes, HfTrimNote, i);

      /* a segment that is still there counts, whatever the notes say */
      if (!hf_view_is_there (view, note->seq))
        self->noted += note->recipients;
    }
  while (hf_view_next (view, &entry, &end, error) && !end)
    /* two copies of one id are one message */
    if (entry.item->has_facts && hf_id_is_valid (entry.item->facts.id.text)
        && g_hash_table_add (seen, g_strdup (entry.item->facts.id.text)))
      count_entry (self, &entry);
  return end && hf_fates_each_missing (fates, view, seen, count_missing, &absence, error);
}

/* ---- the right side ---- */

/* The note is there before the books say so. */
static void
add_row (Sums *sums, const HfView *view, sqlite3_stmt *row)
{
  const gchar *state = (const gchar *) sqlite3_column_text (row, 1);
  const gchar *copy = (const gchar *) sqlite3_column_text (row, 3);
  const guint64 number = (guint64) sqlite3_column_int64 (row, 4);
  const gint gone = sqlite3_column_int (row, 5);

  for (guint i = 0; i < N_CLASSES; i++)
    if (strcmp (state, class_names[i]) == 0)
      sums->classes[i] += number;
  if (sqlite3_column_int (row, 2) != 0)
    sums->silent += number;
  if (strcmp (copy, "trimmed") == 0 || hf_view_was_trimmed (view, (guint64) sqlite3_column_int64 (row, 6)))
    sums->trimmed += number;
  else if (gone == 1)
    sums->gone += number;
  else if (gone == 0 && strcmp (copy, "damaged") == 0)
    sums->damaged += number;
}

static gboolean
load_position (Balance *self, HfLedger *ledger, GError **error)
{
  g_autofree gchar *text = NULL;

  if (!hf_ledger_position (ledger, "journal", &text, error))
    return FALSE;
  if (text != NULL)
    sscanf (text, "segment=%" G_GUINT64_FORMAT " offset=%" G_GUINT64_FORMAT, &self->behind_seq, &self->behind_offset);
  return TRUE;
}

/* 0, or 1, and 2 where an act settled it */
#define GONE "(e.copy_fault IS '" HF_LEDGER_GONE "')"

static gboolean
count_books (Balance *self, const HfView *view, HfLedger *ledger, GError **error)
{
  g_autoptr (sqlite3_stmt) row
      = hf_ledger_prepare (ledger,
                           "SELECT e.at / 3600000, r.state, r.silent, e.copy, count (*), " GONE " + (" GONE " AND EXISTS"
                           " (SELECT 1 FROM place p WHERE p.segment = e.segment AND p.offset = e.offset)), e.segment"
                           " FROM envelope e JOIN recipient r ON r.envelope = e.n GROUP BY 1, 2, 3, 4, 6, 7",
                           error);
  g_autoptr (sqlite3_stmt) unjournaled
      = row != NULL ? hf_ledger_prepare (ledger,
                                         "SELECT count (*) FROM mail WHERE envelope IS NULL AND parent IS NULL AND accepted"
                                         " AND at >= (SELECT min (at) / 1000 * 1000 FROM envelope)",
                                         error)
                    : NULL;
  int step;

  if (unjournaled == NULL)
    return FALSE;
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    {
      add_row (sums_of (self, sqlite3_column_int64 (row, 0) * HOUR_MS), view, row);
      add_row (&self->all, view, row);
    }
  if (step != SQLITE_DONE || sqlite3_step (unjournaled) != SQLITE_ROW)
    return hf_ledger_error (ledger, error);
  self->unjournaled = (guint64) sqlite3_column_int64 (unjournaled, 0);
  return TRUE;
}

/* ---- the comparison ---- */

static guint64
accepted (const Sums *sums)
{
  return sums->classes[SETTLED] + sums->classes[OPEN] + sums->classes[UNACCOUNTED] + sums->classes[LOST];
}

static guint64
right (const Sums *sums)
{
  return sums->classes[VOID] + sums->classes[PROVISIONAL] + accepted (sums);
}

/* The notes of trimming have no hours, so an hour compares what is there; all in
 * all the notes count, too.  So does what is not there and was settled as such. */
static gboolean
hour_balances (const Sums *sums)
{
  return sums->journaled + sums->gone_settled == right (sums) - sums->trimmed;
}

static gboolean
all_balances (const Balance *self)
{
  return self->all.journaled + self->noted + self->all.gone_settled == right (&self->all);
}

static gint
compare_hours (gconstpointer a, gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

static GList *
sorted_hours (const Balance *self)
{
  return g_list_sort (g_hash_table_get_keys (self->by_hour), compare_hours);
}

/* ---- output ---- */

static void
json_sums (HfJson *json, const Sums *sums, guint64 journaled, gboolean balanced)
{
  hf_json_uint (json, "journaled", journaled);
  hf_json_uint (json, "accepted", accepted (sums));
  for (guint i = 0; i < N_CLASSES; i++)
    hf_json_uint (json, class_names[i], sums->classes[i]);
  hf_json_uint (json, "settled_without_notice", sums->silent);
  hf_json_uint (json, "trimmed", sums->trimmed);
  hf_json_uint (json, "copy_gone", sums->gone);
  hf_json_uint (json, "copy_gone_settled", sums->gone_settled);
  hf_json_uint (json, "copy_damaged", sums->damaged);
  hf_json_bool (json, "balanced", balanced);
}

static gboolean
print_json (const Balance *self, GError **error)
{
  g_autoptr (GList) hours = sorted_hours (self);
  g_auto (HfJson) json;

  hf_json_init (&json);
  for (GList *it = hours; it != NULL; it = it->next)
    {
      const Sums *sums = g_hash_table_lookup (self->by_hour, it->data);

      hf_json_begin_object (&json, NULL);
      hf_json_time (&json, "hour", *(const gint64 *) it->data * HOUR_MS);
      json_sums (&json, sums, sums->journaled, hour_balances (sums));
      hf_json_end_object (&json);
      if (!hf_json_write_line (&json, stdout, error))
        return FALSE;
    }
  hf_json_begin_object (&json, NULL);
  hf_json_begin_object (&json, "summary");
  json_sums (&json, &self->all, self->all.journaled + self->noted, all_balances (self));
  hf_json_uint (&json, "not_yet_in_books", self->later);
  hf_json_uint (&json, "unjournaled_messages", self->unjournaled);
  hf_json_end_object (&json);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static void
print_row (const gchar *name, const Sums *sums, guint64 journaled, gboolean balanced)
{
  printf ("%-17s %10" G_GUINT64_FORMAT, name, journaled);
  for (guint i = 0; i < N_CLASSES; i++)
    printf (" %11" G_GUINT64_FORMAT, sums->classes[i]);
  printf (" %11" G_GUINT64_FORMAT "  %s\n", sums->silent, balanced ? "" : "DOES NOT BALANCE");
}

static void
print_words (const Balance *self)
{
  printf ("\njournaled %" G_GUINT64_FORMAT " %s void %" G_GUINT64_FORMAT " + provisional %" G_GUINT64_FORMAT
          " + accepted %" G_GUINT64_FORMAT "\n",
          self->all.journaled + self->noted, all_balances (self) ? "=" : "IS NOT", self->all.classes[VOID],
          self->all.classes[PROVISIONAL], accepted (&self->all));
  if (self->all.gone > 0)
    printf ("%" G_GUINT64_FORMAT " recipients are known from the books alone: their copies are gone, and nobody trimmed them.\n"
            "Next: holdfast list --copy damaged\n",
            self->all.gone);
  if (self->all.gone_settled > 0)
    printf ("%" G_GUINT64_FORMAT " recipients are known from the books alone, and an operator settled that.\n",
            self->all.gone_settled);
  if (self->all.damaged > 0)
    printf ("%" G_GUINT64_FORMAT " recipients have copies that no longer verify.  Next: holdfast list --copy damaged\n",
            self->all.damaged);
  if (self->later > 0)
    printf ("%" G_GUINT64_FORMAT " recipients of the journal are not in the books yet.\n", self->later);
  if (self->unjournaled > 0)
    printf ("%" G_GUINT64_FORMAT " messages of the log are not in the journal.  Next: holdfast list --unjournaled\n",
            self->unjournaled);
}

static void
print_table (const Balance *self)
{
  g_autoptr (GList) hours = sorted_hours (self);

  printf ("%-17s %10s", "HOUR (UTC)", "JOURNALED");
  for (guint i = 0; i < N_CLASSES; i++)
    {
      g_autofree gchar *name = g_ascii_strup (class_names[i], -1);

      printf (" %11s", name);
    }
  printf (" %11s\n", "NO NOTICE");
  for (GList *it = hours; it != NULL; it = it->next)
    {
      const Sums *sums = g_hash_table_lookup (self->by_hour, it->data);
      gchar at[25];

      hf_time_format (*(const gint64 *) it->data * HOUR_MS, at);
      at[16] = '\0';
      at[10] = ' ';
      print_row (at, sums, sums->journaled, hour_balances (sums));
    }
  print_row ("all", &self->all, self->all.journaled + self->noted, all_balances (self));
  print_words (self);
}

static gboolean
hours_balance (const Balance *self)
{
  GHashTableIter iter;
  gpointer sums;

  g_hash_table_iter_init (&iter, self->by_hour);
  while (g_hash_table_iter_next (&iter, NULL, &sums))
    if (!hour_balances (sums))
      return FALSE;
  return TRUE;
}

/* ---- the verb ---- */

static gboolean
count_both (Balance *self, HfView *view, const gchar *spool, GError **error)
{
  g_autoptr (HfFates) fates = hf_fates_open (spool, error);

  if (fates == NULL && *error == NULL)
    return hf_error_set (error, HF_ERROR_NOT_FOUND, "balance", "there are no books yet: holdfast-auditor has not run");
  return fates != NULL && load_position (self, hf_fates_ledger (fates), error)
         && count_books (self, view, hf_fates_ledger (fates), error) && count_journal (self, view, fates, error);
}

static int
run (Balance *self, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_FINE;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "balance", &code);
  g_autoptr (HfView) view
      = config != NULL ? hf_select_view (config, "balance", HF_READ_RECIPIENTS | HF_READ_SKIM, &code) : NULL;

  if (view == NULL)
    return code;
  if (!count_both (self, view, config->spool_directory, &error))
    {
      fprintf (stderr, "holdfast balance: %s\n", error->message);
      return HF_EXIT_BLIND;
    }
  if (!self->json)
    print_table (self);
  else if (!print_json (self, &error))
    fprintf (stderr, "holdfast balance: %s\n", error->message);
  if (error != NULL || fflush (stdout) != 0)
    return HF_EXIT_BLIND;
  return all_balances (self) && hours_balance (self) ? HF_EXIT_FINE : HF_EXIT_WRONG;
}

int
hf_verb_balance (int argc, char **argv, const gchar *config_path)
{
  Balance self = { FALSE };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "One JSON object an hour, and one for the summary", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- compare the journal with the books");
  g_autoptr (GError) error = NULL;
  int code;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 1)
    {
      fprintf (stderr, "holdfast balance: %s\n", error != NULL ? error->message : "unexpected argument");
      return HF_EXIT_USAGE;
    }
  self.by_hour = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  code = run (&self, config_path);
  g_hash_table_unref (self.by_hour);
  return code;
}
