/* scrub-note.c - what the books know of copies, and what is told of them; see scrub-note.h */
#include <config.h>

#include "milter/audit/scrub-note.h"

#include "milter/base/event.h"

#include <string.h>

static void
copy_clear (gpointer data)
{
  g_free (((HfScrubCopy *) data)->queue);
}

GArray *
hf_scrub_copies (HfLedger *ledger, guint64 seq, guint64 from, guint64 until, guint most, GError **error)
{
  g_autoptr (sqlite3_stmt) row
      = hf_ledger_prepare (ledger,
                           "SELECT id, queue, offset, length, copy, fault IS NULL FROM envelope"
                           " WHERE segment = ?1 AND offset >= ?2 AND offset < ?3 ORDER BY offset LIMIT ?4",
                           error);
  g_autoptr (GArray) copies = g_array_new (FALSE, TRUE, sizeof (HfScrubCopy));
  int step;

  if (row == NULL)
    return NULL;
  g_array_set_clear_func (copies, copy_clear);
  sqlite3_bind_int64 (row, 1, (gint64) seq);
  sqlite3_bind_int64 (row, 2, (gint64) MIN (from, G_MAXINT64));
  sqlite3_bind_int64 (row, 3, (gint64) MIN (until, G_MAXINT64));
  sqlite3_bind_int64 (row, 4, most);
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    {
      const gchar *state = (const gchar *) sqlite3_column_text (row, 4);
      HfScrubCopy copy = { .queue = g_strdup ((const gchar *) sqlite3_column_text (row, 1)) };

      g_strlcpy (copy.id.text, (const gchar *) sqlite3_column_text (row, 0), sizeof copy.id.text);
      copy.offset = (guint64) sqlite3_column_int64 (row, 2);
      copy.length = (guint64) sqlite3_column_int64 (row, 3);
      copy.is_whole = strcmp (state, "whole") == 0;
      copy.is_damaged = strcmp (state, "damaged") == 0;
      copy.was_whole = sqlite3_column_int (row, 5) != 0;
      g_array_append_val (copies, copy);
    }
  if (step == SQLITE_DONE)
    return g_steal_pointer (&copies);
  hf_ledger_error (ledger, error);
  return NULL;
}

GArray *
hf_scrub_bad (HfLedger *ledger, guint64 seq, guint64 *out_end, GError **error)
{
  g_autoptr (sqlite3_stmt) row
      = hf_ledger_prepare (ledger,
                           "SELECT offset, 0 FROM envelope WHERE segment = ?1 AND copy IN ('damaged', 'torn')"
                           " UNION ALL SELECT offset, 1 FROM breach WHERE segment = ?1 ORDER BY 1",
                           error);
  g_autoptr (sqlite3_stmt) end
      = row != NULL ? hf_ledger_prepare (ledger,
                                         "SELECT coalesce (max (offset + length), 0) FROM envelope WHERE segment = ?1"
                                         " AND fault IS NULL",
                                         error)
                    : NULL;
  g_autoptr (GArray) bad = g_array_new (FALSE, FALSE, sizeof (HfScrubBad));
  int step = SQLITE_ERROR;

  if (end == NULL)
    return NULL;
  sqlite3_bind_int64 (row, 1, (gint64) seq);
  sqlite3_bind_int64 (end, 1, (gint64) seq);
  if (sqlite3_step (end) == SQLITE_ROW)
    {
      *out_end = (guint64) sqlite3_column_int64 (end, 0);
      while ((step = sqlite3_step (row)) == SQLITE_ROW)
        {
          const HfScrubBad one = { (guint64) sqlite3_column_int64 (row, 0), sqlite3_column_int (row, 1) != 0 };

          g_array_append_val (bad, one);
        }
    }
  if (step == SQLITE_DONE)
    return g_steal_pointer (&bad);
  hf_ledger_error (ledger, error);
  return NULL;
}

/* ---- telling ---- */

static void
write_copy (const HfScrubNote *self, const gchar *id, guint64 offset, guint64 length, const gchar *state, const gchar *fault)
{
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "copy");
  gchar at[25];

  hf_time_format (self->now_ms, at);
  hf_statement_add (builder, "id", id, -1);
  hf_statement_add_number (builder, "segment", self->seq);
  hf_statement_add_number (builder, "offset", offset);
  hf_statement_add_number (builder, "length", length);
  hf_statement_add (builder, "state", state, -1);
  hf_statement_add (builder, "fault", fault, -1);
  hf_statement_add (builder, "at", at, -1);
  hf_statement_end (builder);
}

static void
raise_event (const HfScrubNote *self, HfEventCode code, const gchar *id, const gchar *queue, guint64 offset, const gchar *fault)
{
  g_autofree gchar *place = g_strdup_printf ("%" G_GUINT64_FORMAT, offset);

  hf_event (code, NULL, "queue", queue, "id", id, "segment", self->path, "offset", place, "fault", fault, NULL);
}

void
hf_scrub_tell_damaged (const HfScrubNote *self, const HfScrubCopy *copy, const gchar *fault)
{
  write_copy (self, copy->id.text, copy->offset, copy->length, "damaged", fault);
  raise_event (self, HF_EVENT_COPY_DAMAGED, copy->id.text, copy->queue, copy->offset, fault);
}

/* The filter has told of it at its start. */
void
hf_scrub_tell_torn (const HfScrubNote *self, const HfScrubCopy *copy, const gchar *fault)
{
  write_copy (self, copy->id.text, copy->offset, copy->length, "torn", fault);
}

void
hf_scrub_tell_whole (const HfScrubNote *self, const HfScrubCopy *copy)
{
  write_copy (self, copy->id.text, copy->offset, copy->length, "whole", NULL);
  raise_event (self, HF_EVENT_COPY_SOUND, copy->id.text, copy->queue, copy->offset, NULL);
}

void
hf_scrub_tell_place (const HfScrubNote *self, guint64 offset, guint64 length, const gchar *fault)
{
  write_copy (self, NULL, offset, length, fault != NULL ? "damaged" : "whole", fault);
  raise_event (self, fault != NULL ? HF_EVENT_JOURNAL_BREACH : HF_EVENT_COPY_SOUND, NULL, NULL, offset, fault);
}
