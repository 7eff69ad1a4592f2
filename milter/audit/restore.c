/* restore.c - the open accounts of an earlier run
 *
 * The daybook kept every line that told something of a message.  Those of
 * messages that are not closed go through the parsers and the books once
 * more, in their old order; what was written of them stays written.
 */
#include <config.h>

#include "milter/audit/accounts-private.h"
#include "milter/audit/restore-lines.h"

#include "milter/base/error.h"
#include "milter/journal/directory.h"

#include <string.h>

/* What a look at the queue told of a message. */
typedef struct
{
  guint64 mail;
  gchar *text;
} Sighting;

typedef struct
{
  HfAccounts *accounts;
  HfLedger *ledger;
  HfKeptLines *lines;
  GArray *sightings;     /* of Sighting, the newest last */
  GHashTable *by_number; /* mail number to HfMail */
} Restore;

static void
clear_sighting (gpointer sighting)
{
  g_free (((Sighting *) sighting)->text);
}

static gboolean
each_row (Restore *self, const gchar *sql, gboolean (*row) (Restore *self, sqlite3_stmt *statement), GError **error)
{
  g_autoptr (sqlite3_stmt) statement = hf_ledger_prepare (self->ledger, sql, error);
  int step;

  if (statement == NULL)
    return FALSE;
  while ((step = sqlite3_step (statement)) == SQLITE_ROW)
    if (!row (self, statement))
      return hf_error_set (error, HF_ERROR_CORRUPT, "restore", "the ledger holds what the books never said");
  return step == SQLITE_DONE || hf_ledger_error (self->ledger, error);
}

static gboolean
take_sessions (Restore *self, sqlite3_stmt *statement)
{
  g_free (self->accounts->told_sessions);
  self->accounts->told_sessions = g_strdup ((const gchar *) sqlite3_column_text (statement, 0));
  return hf_kept_lines_add_text (self->lines, self->accounts->told_sessions);
}

static gboolean
take_incident (Restore *self, sqlite3_stmt *statement)
{
  const gchar *text = (const gchar *) sqlite3_column_text (statement, 2);
  const HfKeptLine line = { .seq = (guint64) sqlite3_column_int64 (statement, 0),
                            .why = g_intern_string ((const gchar *) sqlite3_column_text (statement, 1)),
                            .text = text != NULL ? hf_slice (text) : HF_SLICE_NONE };

  hf_kept_lines_add (self->lines, &line);
  return TRUE;
}

static void
enter_line (Restore *self, HfClock *clock, const HfKeptLine *line)
{
  HfAccounts *accounts = self->accounts;
  const HfPosition at = { .offset = line->offset, .line = (guint32) line->number };

  accounts->seq = line->seq;
  accounts->source = line->source;
  if (line->text.at == NULL)
    hf_intake_gap (&accounts->intake, line->why != NULL ? line->why : "lines are missing", at);
  else if (line->source != 0 || line->mail == 0)
    hf_accounts_enter (accounts, clock, line->text, at);
}

/* A line that several messages share is read once. */
static gboolean
enter_lines (Restore *self, GError **error)
{
  GError *failure = NULL;
  gboolean is_first = TRUE;
  HfKeptLine line;
  HfClock clock;
  guint64 seq = 0;

  hf_clock_init (&clock, 0, self->accounts->now_ms / 1000);
  clock.now_s = self->accounts->now_ms / 1000;
  while (hf_kept_lines_next (self->lines, &line, &failure))
    {
      if (line.source == 0 && line.mail != 0)
        {
          const Sighting sighting = { .mail = line.mail, .text = hf_slice_dup (line.text) };

          g_array_append_val (self->sightings, sighting);
        }
      if (is_first || line.seq != seq)
        enter_line (self, &clock, &line);
      is_first = FALSE;
      seq = line.seq;
    }
  if (failure != NULL)
    g_propagate_error (error, failure);
  return failure == NULL;
}

static gboolean
take_slot (Restore *self, sqlite3_stmt *statement)
{
  const gchar *id = (const gchar *) sqlite3_column_text (statement, 0);
  HfEnvelope *envelope = g_hash_table_lookup (self->accounts->envelopes, id);
  const gint position = sqlite3_column_int (statement, 5);
  const gchar *state = (const gchar *) sqlite3_column_text (statement, 7);
  const gchar *outcome = (const gchar *) sqlite3_column_text (statement, 8);
  HfSlot *slot;

  if (envelope == NULL)
    {
      envelope = hf_envelope_add (self->accounts, id, (const gchar *) sqlite3_column_text (statement, 1),
                                  sqlite3_column_int64 (statement, 2), (guint) sqlite3_column_int (statement, 11));
      envelope->sender = g_strdup ((const gchar *) sqlite3_column_text (statement, 13));
      envelope->void_reason = g_strdup ((const gchar *) sqlite3_column_text (statement, 3));
      envelope->carried = hf_segment_is_carried ((guint64) sqlite3_column_int64 (statement, 12));
      if (sqlite3_column_type (statement, 4) != SQLITE_NULL)
        {
          const guint64 number = (guint64) sqlite3_column_int64 (statement, 4);
          HfMail *mail = g_hash_table_lookup (self->by_number, &number);

          if (mail != NULL)
            hf_envelope_bind (self->accounts, envelope, mail);
        }
    }
  if (position < 0 || (guint) position >= envelope->n_slots)
    return FALSE;
  slot = &envelope->slots[position];
  g_free (slot->address);
  slot->address = g_strdup ((const gchar *) sqlite3_column_text (statement, 6));
  hf_slot_set_detail (slot, (const gchar *) sqlite3_column_text (statement, 9));
  slot->finding.silent = (guint8) sqlite3_column_int (statement, 10);
  slot->finding.state = (guint8) hf_state_parse (state);
  slot->finding.outcome = (guint8) hf_outcome_parse (outcome);
  slot->declared = slot->finding.outcome == HF_OUTCOME_DECLARED;
  slot->carried = g_strcmp0 (slot->detail, HF_CARRIED_DETAIL) == 0;
  hf_envelope_restore_sighting (envelope, slot);
  return TRUE;
}

static gboolean
take_source (Restore *self, sqlite3_stmt *statement)
{
  const guint64 number = (guint64) sqlite3_column_int64 (statement, 0);

  g_hash_table_insert (self->accounts->sources,
                       g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                                        (guint64) sqlite3_column_int64 (statement, 1),
                                        (guint64) sqlite3_column_int64 (statement, 2)),
                       GSIZE_TO_POINTER (number));
  self->accounts->last_source = MAX (self->accounts->last_source, number);
  return TRUE;
}

static gboolean
take_number (Restore *self, sqlite3_stmt *statement)
{
  gchar *key = g_strdup_printf ("%s %s", (const gchar *) sqlite3_column_text (statement, 1),
                                (const gchar *) sqlite3_column_text (statement, 2));
  GQueue *numbers = g_hash_table_lookup (self->accounts->numbers, key);

  if (numbers == NULL)
    {
      numbers = g_queue_new ();
      g_hash_table_insert (self->accounts->numbers, g_strdup (key), numbers);
    }
  g_queue_push_tail (numbers, GSIZE_TO_POINTER ((gsize) sqlite3_column_int64 (statement, 0)));
  g_free (key);
  return TRUE;
}

/* It reaches to the first message behind it. */
static gboolean
take_hole (Restore *self, sqlite3_stmt *statement)
{
  hf_accounts_add_hole (self->accounts, sqlite3_column_int64 (statement, 0),
                        sqlite3_column_type (statement, 1) != SQLITE_NULL ? sqlite3_column_int64 (statement, 1) : G_MAXINT64);
  return TRUE;
}

static gboolean
take_counters (Restore *self, sqlite3_stmt *statement)
{
  self->accounts->last_mail = (guint64) sqlite3_column_int64 (statement, 0);
  self->accounts->last_incident = (guint64) sqlite3_column_int64 (statement, 1);
  self->accounts->last_snapshot = (guint64) sqlite3_column_int64 (statement, 2);
  if (sqlite3_column_type (statement, 3) != SQLITE_NULL)
    self->accounts->newest_envelope_ms = sqlite3_column_int64 (statement, 3);
  if (sqlite3_column_type (statement, 4) != SQLITE_NULL)
    self->accounts->first_line_ms = sqlite3_column_int64 (statement, 4);
  return TRUE;
}

/* The filter's mark is a claim, which the log may contradict for so long. */
#define VOID_FOR_MS "864000000"

/* How many gaps are remembered, for mail that no line names. */
#define HOLES "64"

/* Open messages, and what they were passed on to, however far. */
#define LIVE \
  "m.n IN (WITH RECURSIVE live (n, queue) AS (SELECT n, queue FROM mail WHERE closed = 0" \
  " UNION SELECT c.n, c.queue FROM mail c JOIN live ON c.parent = live.queue) SELECT n FROM live)"

#define CHUNKS "SELECT e.rowid, e.seq FROM mail m JOIN evidence e ON e.mail = m.n WHERE " LIVE

/* What the restored books say is what was written; new evidence is compared
 * with it. */
static void
index_mails (Restore *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->accounts->mails);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      HfMail *mail = value;

      g_hash_table_insert (self->by_number, &mail->n, mail);
      mail->accepted = mail->message->accepted;
      mail->has_sender = mail->message->sender != NULL;
      mail->has_parent = mail->message->parent != NULL;
    }
}

/* What looks at the queue told: whether one more without it is the second. */
static void
enter_sightings (Restore *self)
{
  for (guint i = 0; i < self->sightings->len; i++)
    {
      const Sighting *sighting = &g_array_index (self->sightings, Sighting, i);
      HfMail *mail = g_hash_table_lookup (self->by_number, &sighting->mail);

      if (mail != NULL)
        hf_mail_restore_sighting (mail, hf_slice (sighting->text));
    }
}

static void
learn (Restore *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->accounts->envelopes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((HfEnvelope *) value)->mail != NULL)
      hf_judge_learn (self->accounts, value);
}

static gboolean
load (Restore *self, GError **error)
{
  if (!each_row (self, "SELECT (SELECT coalesce (max (n), 0) FROM mail), (SELECT coalesce (max (n), 0) FROM incident),"
                       " (SELECT coalesce (max (n), 0) FROM snapshot), (SELECT max (at) FROM envelope),"
                       " (SELECT min (at) FROM mail)",
                 take_counters, error)
      || !each_row (self, "SELECT n, device, inode FROM source", take_source, error)
      || !each_row (self, "SELECT m.n, m.queue, coalesce (m.host, '') FROM mail m WHERE " LIVE " ORDER BY m.n", take_number, error)
      || !each_row (self, "SELECT value FROM position WHERE source = 'sessions'", take_sessions, error)
      || !each_row (self, "SELECT seq, text, line FROM incident WHERE kind IN ('gap', 'bulk', 'renamed') AND seq >="
                          " (SELECT min (e.seq) FROM mail m JOIN evidence e ON e.mail = m.n WHERE " LIVE ")"
                          " UNION ALL SELECT seq, text, line FROM incident WHERE kind = 'detail'",
                    take_incident, error)
      || !enter_lines (self, error))
    return FALSE;
  /* the lines that were read again are those of open messages only */
  g_array_set_size (self->accounts->holes, 0);
  if (!each_row (self, "SELECT at, (SELECT min (m.at) FROM mail m WHERE m.at > gap.at) FROM"
                       " (SELECT n, coalesce (at, 0) AS at FROM incident WHERE kind = 'gap' ORDER BY n DESC LIMIT " HOLES ") gap"
                       " WHERE EXISTS (SELECT 1 FROM recipient WHERE state = 'provisional') ORDER BY n",
                 take_hole, error))
    return FALSE;
  g_clear_pointer (&self->lines, hf_kept_lines_free); /* before the envelopes, which need the room */
  index_mails (self);
  enter_sightings (self);
  return each_row (self,
                   "SELECT e.id, e.queue, e.at, e.void_reason, e.mail, r.position, r.address, r.state, r.outcome, r.detail,"
                   " r.silent, (SELECT count(*) FROM recipient WHERE envelope = e.n), e.segment, e.sender"
                   " FROM envelope e JOIN recipient r ON r.envelope = e.n LEFT JOIN mail m ON m.n = e.mail"
                   " WHERE (m.n IS NULL AND e.n IN (SELECT envelope FROM recipient WHERE state NOT IN ('void', 'settled')))"
                   " OR (m.n IS NULL AND e.void_reason IS NOT NULL AND e.at > (SELECT max (at) FROM envelope) - " VOID_FOR_MS ")"
                   " OR m.closed = 0",
                   take_slot, error);
}

gboolean
hf_accounts_restore (HfAccounts *self, HfLedger *ledger, gint64 now_ms, GError **error)
{
  Restore restore = { .accounts = self, .ledger = ledger };
  const guint64 seq = self->seq;
  gboolean ok;

  self->now_ms = now_ms;
  self->numbers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_queue_free);
  restore.sightings = g_array_new (FALSE, FALSE, sizeof (Sighting));
  g_array_set_clear_func (restore.sightings, clear_sighting);
  restore.by_number = g_hash_table_new (g_int64_hash, g_int64_equal);
  self->restoring = TRUE;
  restore.lines = hf_kept_lines_new (ledger, CHUNKS, error);
  ok = restore.lines != NULL && load (&restore, error);
  if (ok)
    learn (&restore);
  self->restoring = FALSE;
  self->seq = MAX (self->seq, seq);
  self->known_gaps = hf_gaps_count (hf_books_gaps (self->books));
  g_clear_pointer (&self->numbers, g_hash_table_unref);
  g_hash_table_unref (restore.by_number);
  g_array_unref (restore.sightings);
  hf_kept_lines_free (restore.lines);
  return ok;
}
