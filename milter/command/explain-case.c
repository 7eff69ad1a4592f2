/* explain-case.c - all that the books know of one message, gathered for telling it; see explain.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/id.h"
#include "milter/command/explain.h"
#include "milter/command/select.h"
#include "milter/journal/directory.h"
#include "milter/journal/place.h"
#include "milter/journal/trimmed.h"

#include <stdlib.h>
#include <string.h>

/* Children of children: an alias to a list behind a content filter. */
#define DEPTH_MAX 4

#define MINUTE_MS 60000

static void
step_clear (gpointer data)
{
  HfStep *step = data;

  g_free (step->path);
  g_free (step->queue);
  g_free (step->text);
}

static void
verdict_clear (gpointer data)
{
  HfCaseVerdict *verdict = data;

  g_free (verdict->address);
  g_free (verdict->state);
  g_free (verdict->outcome);
  g_free (verdict->detail);
}

void
hf_case_free (HfCase *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->verdicts);
  g_array_unref (self->steps);
  g_free (self->id);
  g_free (self->queue);
  g_free (self->client);
  g_free (self->sender);
  g_free (self->segment_name);
  g_free (self->copy);
  g_free (self->copy_fault);
  g_free (self);
}

/* ---- searching ---- */

static gboolean
add_keys (HfLedger *ledger, GArray *keys, const gchar *sql, const gchar *text, gint64 number, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, sql, error);
  int step;

  if (row == NULL)
    return FALSE;
  sqlite3_bind_text (row, 1, text, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (row, 2, number);
  sqlite3_bind_int64 (row, 3, number + MINUTE_MS);
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    {
      const HfCaseKey key = { sqlite3_column_int64 (row, 0), sqlite3_column_int64 (row, 1) };

      g_array_append_val (keys, key);
    }
  return step == SQLITE_DONE || hf_ledger_error (ledger, error);
}

#define OF_ENVELOPE "SELECT n, mail FROM envelope WHERE "
#define OF_MAIL "SELECT envelope, n FROM mail WHERE envelope IS NULL AND "

GArray *
hf_case_search (HfLedger *ledger, const gchar *what, GError **error)
{
  g_autoptr (GArray) keys = g_array_new (FALSE, FALSE, sizeof (HfCaseKey));
  g_autofree gchar *bracketed = what[0] == '<' ? g_strdup (what) : g_strdup_printf ("<%s>", what);
  g_autofree gchar *bare = what[0] == '<' ? g_strndup (what + 1, strlen (what + 1) - g_str_has_suffix (what, ">")) : g_strdup (what);
  gint64 at_ms = 0;
  gboolean ok;

  if (hf_id_is_valid (what))
    ok = add_keys (ledger, keys, OF_ENVELOPE "id = ?1", what, 0, error);
  else if (strchr (what, '@') == NULL && hf_select_parse_time (what, &at_ms))
    ok = add_keys (ledger, keys, OF_ENVELOPE "at >= ?2 AND at < ?3 ORDER BY at", what, at_ms, error);
  else if (strchr (what, '@') == NULL)
    ok = add_keys (ledger, keys, OF_ENVELOPE "(queue = ?1 AND mail IS NULL) OR n IN (SELECT envelope FROM mail WHERE queue = ?1) ORDER BY n", what, 0,
                   error)
         && add_keys (ledger, keys, OF_MAIL "queue = ?1 ORDER BY n", what, 0, error);
  else
    {
      ok = add_keys (ledger, keys, "SELECT envelope, n FROM mail WHERE message_id = ?1 ORDER BY n", bracketed, 0, error);
      if (ok && keys->len == 0)
        ok = add_keys (ledger, keys,
                       OF_ENVELOPE "n IN (SELECT envelope FROM recipient WHERE address = ?1 COLLATE NOCASE)"
                                   " OR sender = ?1 COLLATE NOCASE ORDER BY n",
                       bare, 0, error)
             && add_keys (ledger, keys,
                          OF_MAIL "n IN (SELECT mail FROM leg WHERE address = ?1 COLLATE NOCASE) ORDER BY n", bare, 0, error);
    }
  return ok ? g_steal_pointer (&keys) : NULL;
}

/* ---- loading ---- */

static gchar *
text_of (sqlite3_stmt *row, int column)
{
  return g_strdup ((const gchar *) sqlite3_column_text (row, column));
}

/* What stands there now: the record, verified, or something else, or nothing. */
static const gchar *
look_at_copy (const gchar *spool, const HfCase *one)
{
  static const gchar *const words[] = { [HF_PLACE_WHOLE] = "whole", [HF_PLACE_OTHER] = "damaged", [HF_PLACE_GONE] = "gone" };

  return words[hf_place_look (spool, one->segment, one->offset, one->id)];
}

/* When the copy went; the note says so before the books do. */
static gint64
when_trimmed (HfLedger *ledger, const gchar *spool, guint64 segment)
{
  g_autofree gchar *dir_path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, "SELECT at FROM trimmed WHERE segment = ?1", NULL);
  const HfTrimNote *note;
  HfTrimmed trimmed;
  gint64 at_ms = -1;

  if (row != NULL)
    sqlite3_bind_int64 (row, 1, (gint64) segment);
  if (row != NULL && sqlite3_step (row) == SQLITE_ROW)
    return sqlite3_column_int64 (row, 0);
  if (hf_trimmed_load (dir_path, &trimmed, NULL) && (note = hf_trimmed_find (&trimmed, segment)) != NULL)
    at_ms = note->at_ms;
  hf_trimmed_clear (&trimmed);
  return at_ms;
}

static void
load_copy (HfLedger *ledger, const gchar *spool, HfCase *one)
{
  one->trimmed_ms = -1;
  if (strcmp (one->copy, "trimmed") != 0)
    {
      g_free (one->copy);
      one->copy = g_strdup (look_at_copy (spool, one));
    }
  if (strcmp (one->copy, "trimmed") == 0 || strcmp (one->copy, "gone") == 0)
    one->trimmed_ms = when_trimmed (ledger, spool, one->segment);
  if (one->trimmed_ms < 0)
    return;
  g_free (one->copy);
  one->copy = g_strdup ("trimmed");
  g_clear_pointer (&one->copy_fault, g_free);
}

static gboolean
load_envelope (HfLedger *ledger, const gchar *spool, HfCase *one, gint64 envelope, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (
      ledger,
      "SELECT id, at, queue, client, sender, segment, offset, bytes, copy, coalesce (journaled, segment), coalesce (carried, -1),"
      " copy_fault FROM envelope WHERE n = ?1",
      error);
  HfSegmentName name;

  if (row == NULL)
    return FALSE;
  sqlite3_bind_int64 (row, 1, envelope);
  if (sqlite3_step (row) != SQLITE_ROW)
    return hf_ledger_error (ledger, error);
  one->id = text_of (row, 0);
  one->at_ms = sqlite3_column_int64 (row, 1);
  one->queue = text_of (row, 2);
  one->client = text_of (row, 3);
  one->sender = text_of (row, 4);
  one->segment = (guint64) sqlite3_column_int64 (row, 5);
  one->offset = (guint64) sqlite3_column_int64 (row, 6);
  one->bytes = (guint64) sqlite3_column_int64 (row, 7);
  hf_segment_name (one->segment, &name);
  one->segment_name = g_strdup (name.text);
  one->copy = text_of (row, 8);
  one->journaled = (guint64) sqlite3_column_int64 (row, 9);
  one->carried_ms = sqlite3_column_int64 (row, 10);
  one->copy_fault = text_of (row, 11);
  load_copy (ledger, spool, one);
  return TRUE;
}

static gboolean
load_mail (HfLedger *ledger, HfCase *one, gint64 mail, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, "SELECT at, queue, sender FROM mail WHERE n = ?1", error);

  if (row == NULL)
    return FALSE;
  sqlite3_bind_int64 (row, 1, mail);
  if (sqlite3_step (row) != SQLITE_ROW)
    return hf_ledger_error (ledger, error);
  one->at_ms = sqlite3_column_int64 (row, 0);
  one->queue = text_of (row, 1);
  one->sender = text_of (row, 2);
  return TRUE;
}

static gboolean
load_verdicts (HfLedger *ledger, HfCase *one, const gchar *sql, gint64 key, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, sql, error);
  int step;

  if (row == NULL)
    return FALSE;
  sqlite3_bind_int64 (row, 1, key);
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    {
      const HfCaseVerdict verdict = { .address = text_of (row, 0),
                                      .state = text_of (row, 1),
                                      .outcome = text_of (row, 2),
                                      .detail = text_of (row, 3),
                                      .since_ms = sqlite3_column_type (row, 4) == SQLITE_NULL ? -1 : sqlite3_column_int64 (row, 4) };

      g_array_append_val (one->verdicts, verdict);
    }
  return step == SQLITE_DONE || hf_ledger_error (ledger, error);
}

static gchar *
path_of (HfLedger *ledger, guint64 source)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, "SELECT path FROM source WHERE n = ?1", NULL);

  if (row == NULL || source == 0)
    return NULL;
  sqlite3_bind_int64 (row, 1, (gint64) source);
  return sqlite3_step (row) == SQLITE_ROW ? text_of (row, 0) : NULL;
}

/* "SEQ SOURCE OFFSET NUMBER TEXT" and LF, several times. */
static void
add_steps (HfLedger *ledger, HfCase *one, const gchar *lines, const gchar *queue, guint depth)
{
  g_auto (GStrv) all = g_strsplit (lines, "\n", -1);

  for (gchar **line = all; *line != NULL; line++)
    {
      HfStep step = { .depth = depth };
      gchar *at = *line;

      if (*at == '\0')
        continue;
      step.seq = g_ascii_strtoull (at, &at, 10);
      step.path = path_of (ledger, g_ascii_strtoull (at, &at, 10));
      step.offset = g_ascii_strtoull (at, &at, 10);
      step.line = g_ascii_strtoull (at, &at, 10);
      step.text = g_strdup (*at == ' ' ? at + 1 : at);
      step.queue = g_strdup (queue);
      g_array_append_val (one->steps, step);
    }
}

static gboolean
load_steps (HfLedger *ledger, HfCase *one, gint64 mail, guint depth, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (
      ledger, "SELECT e.lines, m.queue FROM evidence e JOIN mail m ON m.n = e.mail WHERE e.mail = ?1 ORDER BY e.seq", error);
  g_autoptr (sqlite3_stmt) children
      = row != NULL ? hf_ledger_prepare (ledger,
                                         "SELECT c.n FROM mail m JOIN mail c ON c.parent = m.queue AND c.n <> m.n AND c.host IS m.host"
                                         " AND c.n > m.n WHERE m.n = ?1 LIMIT 100",
                                         error)
                    : NULL;
  int step;

  if (children == NULL)
    return FALSE;
  sqlite3_bind_int64 (row, 1, mail);
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    {
      g_autofree gchar *lines = g_strndup (sqlite3_column_blob (row, 0), (gsize) sqlite3_column_bytes (row, 0));

      add_steps (ledger, one, lines, (const gchar *) sqlite3_column_text (row, 1), depth);
    }
  if (step != SQLITE_DONE)
    return hf_ledger_error (ledger, error);
  sqlite3_bind_int64 (children, 1, mail);
  while (depth < DEPTH_MAX && sqlite3_step (children) == SQLITE_ROW)
    if (!load_steps (ledger, one, sqlite3_column_int64 (children, 0), depth + 1, error))
      return FALSE;
  return TRUE;
}

static gint
compare_steps (gconstpointer a, gconstpointer b)
{
  const HfStep *x = a, *y = b;

  return x->seq < y->seq ? -1 : x->seq > y->seq ? 1 : (gint) x->depth - (gint) y->depth;
}

/* A line that tells of parent and child stands once. */
static void
sort_steps (HfCase *one)
{
  g_array_sort (one->steps, compare_steps);
  for (guint i = one->steps->len; i > 1; i--)
    if (g_array_index (one->steps, HfStep, i - 1).seq == g_array_index (one->steps, HfStep, i - 2).seq)
      g_array_remove_index (one->steps, i - 1);
}

HfCase *
hf_case_load (HfLedger *ledger, const gchar *spool, const HfCaseKey *key, GError **error)
{
  g_autoptr (HfCase) one = g_new0 (HfCase, 1);
  gboolean ok;

  one->verdicts = g_array_new (FALSE, FALSE, sizeof (HfCaseVerdict));
  g_array_set_clear_func (one->verdicts, verdict_clear);
  one->steps = g_array_new (FALSE, FALSE, sizeof (HfStep));
  g_array_set_clear_func (one->steps, step_clear);
  if (key->envelope != 0)
    ok = load_envelope (ledger, spool, one, key->envelope, error)
         && load_verdicts (ledger, one,
                           "SELECT address, state, outcome, detail, since FROM recipient WHERE envelope = ?1 ORDER BY position",
                           key->envelope, error);
  else
    ok = load_mail (ledger, one, key->mail, error)
         && load_verdicts (ledger, one, "SELECT address, state, outcome, detail, since FROM leg WHERE mail = ?1 AND number > 0",
                           key->mail, error);
  if (ok && key->mail != 0)
    ok = load_steps (ledger, one, key->mail, 0, error);
  if (!ok)
    return NULL;
  sort_steps (one);
  return g_steal_pointer (&one);
}
