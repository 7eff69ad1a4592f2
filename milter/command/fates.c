/* fates.c - what the ledger says of messages of the journal, for the verbs; see fates.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/fates.h"
#include "milter/journal/place.h"

#include <string.h>

struct HfFates
{
  gchar *spool;
  HfLedger *ledger;
  sqlite3_stmt *find;
  GArray *found;
  HfAct place;
};

static void
fate_clear (gpointer data)
{
  HfFateOf *fate = data;

  g_free (fate->state);
  g_free (fate->outcome);
  g_free (fate->detail);
}

HfFates *
hf_fates_open (const gchar *spool, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (HfLedger) ledger = hf_ledger_open (spool, HF_LEDGER_READ, &failed);
  HfFates *self;

  if (ledger == NULL)
    {
      if (!g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND))
        g_propagate_error (error, g_steal_pointer (&failed));
      return NULL;
    }
  self = g_new0 (HfFates, 1);
  self->spool = g_strdup (spool);
  self->find = hf_ledger_prepare (ledger,
                                  "SELECT r.state, r.outcome, r.detail, r.since FROM envelope e JOIN recipient r ON r.envelope = e.n"
                                  " WHERE e.id = ?1 ORDER BY r.position",
                                  error);
  self->ledger = g_steal_pointer (&ledger);
  self->found = g_array_new (FALSE, TRUE, sizeof (HfFateOf));
  g_array_set_clear_func (self->found, fate_clear);
  if (self->find == NULL)
    g_clear_pointer (&self, hf_fates_free);
  return self;
}

void
hf_fates_free (HfFates *self)
{
  if (self == NULL)
    return;
  sqlite3_finalize (self->find);
  hf_ledger_free (self->ledger);
  g_array_unref (self->found);
  g_free (self->spool);
  g_free (self->place.outcome);
  g_free (self->place.reason);
  g_free (self);
}

HfLedger *
hf_fates_ledger (HfFates *self)
{
  return self->ledger;
}

const GArray *
hf_fates_find (HfFates *self, const gchar *id)
{
  g_array_set_size (self->found, 0);
  sqlite3_reset (self->find);
  sqlite3_bind_text (self->find, 1, id, -1, SQLITE_STATIC);
  while (sqlite3_step (self->find) == SQLITE_ROW)
    {
      const HfFateOf fate = { g_strdup ((const gchar *) sqlite3_column_text (self->find, 0)),
                              g_strdup ((const gchar *) sqlite3_column_text (self->find, 1)),
                              g_strdup ((const gchar *) sqlite3_column_text (self->find, 2)),
                              sqlite3_column_type (self->find, 3) == SQLITE_NULL ? G_MININT64
                                                                                 : sqlite3_column_int64 (self->find, 3) };

      g_array_append_val (self->found, fate);
    }
  sqlite3_reset (self->find);
  return self->found->len > 0 ? self->found : NULL;
}

static gchar *
text_of (sqlite3_stmt *row, int column)
{
  return g_strdup ((const gchar *) sqlite3_column_text (row, column));
}

const HfAct *
hf_fates_place (HfFates *self, guint64 seq, guint64 offset)
{
  g_autoptr (sqlite3_stmt) row
      = hf_ledger_prepare (self->ledger,
                           "SELECT a.id, a.at, a.outcome, a.reason FROM place p JOIN act a ON a.id = p.act"
                           " WHERE p.segment = ?1 AND p.offset = ?2",
                           NULL);

  if (row == NULL)
    return NULL;
  sqlite3_bind_int64 (row, 1, (gint64) seq);
  sqlite3_bind_int64 (row, 2, (gint64) offset);
  if (sqlite3_step (row) != SQLITE_ROW)
    return NULL;
  g_strlcpy (self->place.id.text, (const gchar *) sqlite3_column_text (row, 0), sizeof self->place.id.text);
  self->place.at_ms = sqlite3_column_int64 (row, 1);
  g_free (self->place.outcome);
  self->place.outcome = text_of (row, 2);
  g_free (self->place.reason);
  self->place.reason = text_of (row, 3);
  return &self->place;
}

gboolean
hf_fates_is_settled (HfFates *self, const HfActs *acts, guint64 seq)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (self->ledger, "SELECT offset FROM envelope WHERE segment = ?1", NULL);
  gboolean any = FALSE;
  int step = SQLITE_ERROR;

  if (row != NULL)
    sqlite3_bind_int64 (row, 1, (gint64) seq);
  while (row != NULL && (step = sqlite3_step (row)) == SQLITE_ROW)
    {
      const guint64 offset = (guint64) sqlite3_column_int64 (row, 0);

      any = TRUE;
      if (hf_acts_settled_place (acts, seq, offset) == NULL && hf_fates_place (self, seq, offset) == NULL)
        return FALSE;
    }
  return any && step == SQLITE_DONE;
}

/* ---- messages without a copy ---- */

static gboolean
add_recipients (HfFates *self, gint64 envelope, GArray *recipients, GError **error)
{
  g_autoptr (sqlite3_stmt) row
      = hf_ledger_prepare (self->ledger, "SELECT address FROM recipient WHERE envelope = ?1 ORDER BY position", error);

  if (row == NULL)
    return FALSE;
  sqlite3_bind_int64 (row, 1, envelope);
  while (sqlite3_step (row) == SQLITE_ROW)
    {
      const HfPath path = { .address = text_of (row, 0), .params = g_strdup ("") };

      g_array_append_val (recipients, path);
    }
  return TRUE;
}

static void
fill_item (sqlite3_stmt *row, HfItem *item)
{
  HfFacts *facts = &item->facts;

  item->kind = HF_ITEM_MESSAGE;
  item->has_facts = TRUE;
  item->fault = g_intern_string ((const gchar *) sqlite3_column_text (row, 11));
  if (item->fault == NULL)
    item->fault = "not found where it was written";
  g_strlcpy (facts->id.text, (const gchar *) sqlite3_column_text (row, 1), sizeof facts->id.text);
  item->offset = (guint64) sqlite3_column_int64 (row, 3);
  item->length = (guint64) sqlite3_column_int64 (row, 4);
  facts->at_ms = sqlite3_column_int64 (row, 5);
  facts->queue = text_of (row, 6);
  facts->daemon = text_of (row, 7);
  facts->client = text_of (row, 8);
  facts->bytes = (guint64) sqlite3_column_int64 (row, 10);
  item->sender.address = text_of (row, 9);
  item->sender.params = g_strdup ("");
}

static gboolean
give_missing (HfFates *self, sqlite3_stmt *row, gboolean (*give) (const HfViewEntry *, gpointer, GError **), gpointer data,
              GError **error)
{
  HfViewEntry entry = { .copy = HF_COPY_DAMAGED };
  HfSegmentName name;
  HfItem item;
  gboolean ok;

  hf_item_init (&item);
  if (item.recipients == NULL)
    item.recipients = g_array_new (FALSE, FALSE, sizeof (HfPath));
  fill_item (row, &item);
  entry.item = &item;
  entry.seq = (guint64) sqlite3_column_int64 (row, 2);
  hf_segment_name (entry.seq, &name);
  entry.name = entry.path = name.text;
  ok = add_recipients (self, sqlite3_column_int64 (row, 0), item.recipients, error) && give (&entry, data, error);
  hf_item_clear (&item);
  return ok;
}

/* The books may have come to it, or it may have been carried forward, since @view was opened. */
static gboolean
is_missing (const HfFates *self, const HfView *view, GHashTable *seen, sqlite3_stmt *row)
{
  const gchar *id = (const gchar *) sqlite3_column_text (row, 1);
  const guint64 seq = (guint64) sqlite3_column_int64 (row, 2);

  return !g_hash_table_contains (seen, id) && !hf_view_was_trimmed (view, seq)
         && hf_place_look (self->spool, seq, (guint64) sqlite3_column_int64 (row, 3), id) != HF_PLACE_WHOLE;
}

gboolean
hf_fates_each_missing (HfFates *self, const HfView *view, GHashTable *seen,
                       gboolean (*give) (const HfViewEntry *entry, gpointer data, GError **error), gpointer data, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (self->ledger,
                                                    "SELECT n, id, segment, offset, length, at, queue, daemon, client, sender,"
                                                    " bytes, copy_fault FROM envelope WHERE copy <> 'trimmed' ORDER BY segment, offset",
                                                    error);
  int step;

  if (row == NULL)
    return FALSE;
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    if (is_missing (self, view, seen, row) && !give_missing (self, row, give, data, error))
      return FALSE;
  return step == SQLITE_DONE || hf_ledger_error (self->ledger, error);
}
