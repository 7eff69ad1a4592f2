/* standing.c - what the ledger says of segments and of the records in them; see standing.h */
#include <config.h>

#include "milter/audit/standing.h"

#include <string.h>

#define UNSETTLED "state NOT IN ('void', 'settled')"

enum
{
  OPEN,
  SETTLED,
  OCTETS,
  FIND,
  FATES,
  PLACE,
  PLACES,
  TRIMMED,
  NEWEST,
  N_QUERIES
};

static const gchar *const texts[N_QUERIES] = {
  [OPEN] = "SELECT segment, count(*), sum(length), max(at) FROM envelope"
           " WHERE n IN (SELECT envelope FROM recipient WHERE " UNSETTLED ") GROUP BY segment ORDER BY segment",
  [SETTLED] = "SELECT r.state, max(r.since), sum(r.since IS NULL) FROM envelope e JOIN recipient r ON r.envelope = e.n"
              " WHERE e.segment = ?1 AND r.state IN ('void', 'settled') GROUP BY r.state",
  [OCTETS] = "SELECT sum(length) FROM envelope WHERE segment = ?1",
  [FIND] = "SELECT n, segment, offset, copy = 'trimmed', void_reason IS NOT NULL FROM envelope WHERE id = ?1",
  [FATES] = "SELECT state, outcome, since FROM recipient WHERE envelope = ?1 ORDER BY position",
  [PLACE] = "SELECT a.at FROM place p JOIN act a ON a.id = p.act WHERE p.segment = ?1 AND p.offset = ?2",
  [PLACES] = "SELECT count(*) FROM place",
  [NEWEST] = "SELECT max (s) FROM (SELECT max (segment) AS s FROM envelope UNION ALL SELECT max (segment) FROM trimmed)",
  [TRIMMED] = "SELECT at FROM trimmed WHERE segment = ?1",
};

struct HfStanding
{
  HfLedger *ledger;
  sqlite3_stmt *queries[N_QUERIES];
  GArray *fates;
};

HfStanding *
hf_standing_new (HfLedger *ledger, GError **error)
{
  g_autoptr (HfStanding) self = g_new0 (HfStanding, 1);

  self->ledger = ledger;
  self->fates = g_array_new (FALSE, TRUE, sizeof (HfStandingFate));
  for (guint i = 0; i < N_QUERIES; i++)
    {
      self->queries[i] = hf_ledger_prepare (ledger, texts[i], error);
      if (self->queries[i] == NULL)
        return NULL;
    }
  return g_steal_pointer (&self);
}

void
hf_standing_free (HfStanding *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < N_QUERIES; i++)
    sqlite3_finalize (self->queries[i]);
  g_array_unref (self->fates);
  g_free (self);
}

/* The query with its numbers, from its start on. */
static sqlite3_stmt *
ask (HfStanding *self, guint which, guint64 first, guint64 second)
{
  sqlite3_stmt *query = self->queries[which];

  sqlite3_reset (query);
  if (sqlite3_bind_parameter_count (query) > 0)
    sqlite3_bind_int64 (query, 1, (gint64) first);
  if (sqlite3_bind_parameter_count (query) > 1)
    sqlite3_bind_int64 (query, 2, (gint64) second);
  return query;
}

/* @step is what ended the query, which holds no lock on the ledger any more. */
static gboolean
finish (HfStanding *self, sqlite3_stmt *query, int step, GError **error)
{
  const gboolean ok = step == SQLITE_ROW || step == SQLITE_DONE || hf_ledger_error (self->ledger, error);

  sqlite3_reset (query);
  return ok;
}

static gint64
time_of (sqlite3_stmt *row, int column, gint64 absent)
{
  return sqlite3_column_type (row, column) == SQLITE_NULL ? absent : sqlite3_column_int64 (row, column);
}

/* A query for one value; @absent where it gives none. */
static gboolean
ask_one (HfStanding *self, guint which, guint64 first, guint64 second, gint64 absent, gint64 *out_value, GError **error)
{
  sqlite3_stmt *query = ask (self, which, first, second);
  const int step = sqlite3_step (query);

  *out_value = step == SQLITE_ROW ? time_of (query, 0, absent) : absent;
  return finish (self, query, step, error);
}

GArray *
hf_standing_open (HfStanding *self, GError **error)
{
  GArray *open = g_array_new (FALSE, FALSE, sizeof (HfStandingOpen));
  sqlite3_stmt *query = ask (self, OPEN, 0, 0);
  int step;

  while ((step = sqlite3_step (query)) == SQLITE_ROW)
    {
      const HfStandingOpen one = { (guint64) sqlite3_column_int64 (query, 0), (guint64) sqlite3_column_int64 (query, 1),
                                   (guint64) sqlite3_column_int64 (query, 2), sqlite3_column_int64 (query, 3) };

      g_array_append_val (open, one);
    }
  if (!finish (self, query, step, error))
    g_clear_pointer (&open, g_array_unref);
  return open;
}

gboolean
hf_standing_settled (HfStanding *self, guint64 seq, HfStandingSettled *out_settled, GError **error)
{
  sqlite3_stmt *query = ask (self, SETTLED, seq, 0);
  gint64 octets = 0;
  int step;

  *out_settled = (HfStandingSettled){ G_MININT64, G_MININT64, 0 };
  while ((step = sqlite3_step (query)) == SQLITE_ROW)
    {
      const gint64 since_ms = sqlite3_column_int64 (query, 2) > 0 ? G_MAXINT64 : time_of (query, 1, G_MAXINT64);

      if (strcmp ((const gchar *) sqlite3_column_text (query, 0), "void") == 0)
        out_settled->void_ms = since_ms;
      else
        out_settled->settled_ms = since_ms;
    }
  if (!finish (self, query, step, error) || !ask_one (self, OCTETS, seq, 0, 0, &octets, error))
    return FALSE;
  out_settled->octets = (guint64) octets;
  return TRUE;
}

gboolean
hf_standing_find (HfStanding *self, const gchar *id, HfStandingCopy *out_copy, GError **error)
{
  sqlite3_stmt *query = self->queries[FIND];
  int step;

  *out_copy = (HfStandingCopy){ 0 };
  sqlite3_reset (query);
  sqlite3_bind_text (query, 1, id, -1, SQLITE_STATIC);
  step = sqlite3_step (query);
  if (step == SQLITE_ROW)
    *out_copy = (HfStandingCopy){ .n = sqlite3_column_int64 (query, 0),
                                  .seq = (guint64) sqlite3_column_int64 (query, 1),
                                  .offset = (guint64) sqlite3_column_int64 (query, 2),
                                  .is_gone = sqlite3_column_int (query, 3) != 0,
                                  .is_void = sqlite3_column_int (query, 4) != 0 };
  sqlite3_bind_null (query, 1);
  return finish (self, query, step, error);
}

static const gchar *
interned (sqlite3_stmt *row, int column)
{
  return g_intern_string ((const gchar *) sqlite3_column_text (row, column));
}

const GArray *
hf_standing_fates (HfStanding *self, gint64 n, GError **error)
{
  sqlite3_stmt *query = ask (self, FATES, (guint64) n, 0);
  int step;

  g_array_set_size (self->fates, 0);
  while ((step = sqlite3_step (query)) == SQLITE_ROW)
    {
      HfStandingFate fate = { .state = interned (query, 0), .outcome = interned (query, 1),
                              .since_ms = time_of (query, 2, G_MININT64) };

      fate.is_void = strcmp (fate.state, "void") == 0;
      fate.is_settled = strcmp (fate.state, "settled") == 0;
      g_array_append_val (self->fates, fate);
    }
  return finish (self, query, step, error) ? self->fates : NULL;
}

gboolean
hf_standing_place (HfStanding *self, guint64 seq, guint64 offset, gint64 *out_at_ms, GError **error)
{
  return ask_one (self, PLACE, seq, offset, G_MININT64, out_at_ms, error);
}

gboolean
hf_standing_places (HfStanding *self, guint64 *out_count, GError **error)
{
  gint64 count;
  const gboolean ok = ask_one (self, PLACES, 0, 0, 0, &count, error);

  *out_count = (guint64) count;
  return ok;
}

gboolean
hf_standing_unused (HfStanding *self, guint64 *out_seq, GError **error)
{
  gint64 newest;
  const gboolean ok = ask_one (self, NEWEST, 0, 0, 0, &newest, error);

  *out_seq = (guint64) newest + 1;
  return ok;
}

gboolean
hf_standing_trimmed (HfStanding *self, guint64 seq, gint64 *out_at_ms, GError **error)
{
  return ask_one (self, TRIMMED, seq, 0, G_MININT64, out_at_ms, error);
}
