/* restore.c - the open accounts of an earlier run
 *
 * The daybook kept every line that told something of a message.  Those of
 * messages that are not closed go through the parsers and the books once
 * more, in their old order; what was written of them stays written.
 */
#include <config.h>

#include "milter/audit/accounts-private.h"

#include "milter/base/error.h"

#include <stdlib.h>
#include <string.h>

/* A line that is to be read again. */
typedef struct
{
  guint64 seq, source, offset, number;
  guint64 mail;      /* 0: it concerns no single one */
  const gchar *text; /* nullable: a gap that no line told of */
  gsize size;
  const gchar *why;
} Line;

typedef struct
{
  HfAccounts *accounts;
  HfLedger *ledger;
  GArray *lines;       /* of Line */
  GPtrArray *blobs;    /* their text */
  GHashTable *by_number; /* mail number to HfMail */
} Restore;

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

static gchar *
keep_text (Restore *self, sqlite3_stmt *statement, int column)
{
  const gpointer octets = (gpointer) sqlite3_column_blob (statement, column);
  const int size = sqlite3_column_bytes (statement, column);
  gchar *copy = g_malloc ((gsize) size + 1);

  if (size > 0)
    memcpy (copy, octets, (gsize) size);
  copy[size] = '\0';
  g_ptr_array_add (self->blobs, copy);
  return copy;
}

/* "SEQ SOURCE OFFSET NUMBER TEXT" and LF, several times. */
static gboolean
take_evidence (Restore *self, sqlite3_stmt *statement)
{
  const guint64 mail = (guint64) sqlite3_column_int64 (statement, 0);

  for (gchar *at = keep_text (self, statement, 1); *at != '\0';)
    {
      gchar *end = strchr (at, '\n');
      Line line = { .mail = mail };

      if (end == NULL)
        return FALSE;
      line.seq = g_ascii_strtoull (at, &at, 10);
      line.source = g_ascii_strtoull (at, &at, 10);
      line.offset = g_ascii_strtoull (at, &at, 10);
      line.number = g_ascii_strtoull (at, &at, 10);
      if (*at != ' ')
        return FALSE;
      line.text = at + 1;
      line.size = (gsize) (end - line.text);
      g_array_append_val (self->lines, line);
      at = end + 1;
    }
  return TRUE;
}

static gboolean
take_sessions (Restore *self, sqlite3_stmt *statement)
{
  g_free (self->accounts->told_sessions);
  self->accounts->told_sessions = g_strdup ((const gchar *) sqlite3_column_text (statement, 1));
  return take_evidence (self, statement);
}

static gboolean
take_incident (Restore *self, sqlite3_stmt *statement)
{
  Line line = { .seq = (guint64) sqlite3_column_int64 (statement, 0) };

  line.why = g_intern_string ((const gchar *) sqlite3_column_text (statement, 1));
  if (sqlite3_column_type (statement, 2) != SQLITE_NULL)
    {
      line.text = keep_text (self, statement, 2);
      line.size = strlen (line.text);
    }
  g_array_append_val (self->lines, line);
  return TRUE;
}

static gint
compare_lines (gconstpointer a, gconstpointer b)
{
  const Line *x = a, *y = b;

  if (x->seq != y->seq)
    return x->seq < y->seq ? -1 : 1;
  return x->mail < y->mail ? -1 : x->mail > y->mail;
}

/* A line that several messages share is read once. */
static void
enter_lines (Restore *self)
{
  HfAccounts *accounts = self->accounts;
  HfClock clock;

  g_array_sort (self->lines, compare_lines);
  hf_clock_init (&clock, 0, accounts->now_ms / 1000);
  for (guint i = 0; i < self->lines->len; i++)
    {
      const Line *line = &g_array_index (self->lines, Line, i);
      const HfPosition at = { .offset = line->offset, .line = (guint32) line->number };

      if (i > 0 && g_array_index (self->lines, Line, i - 1).seq == line->seq)
        continue;
      accounts->seq = line->seq;
      accounts->source = line->source;
      if (line->text == NULL)
        hf_intake_gap (&accounts->intake, line->why != NULL ? line->why : "lines are missing", at);
      else if (line->source != 0 || line->mail == 0)
        hf_accounts_enter (accounts, &clock, (HfSlice){ line->text, line->size }, at);
    }
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
      envelope->void_reason = g_strdup ((const gchar *) sqlite3_column_text (statement, 3));
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
  g_free (slot->detail);
  slot->detail = g_strdup ((const gchar *) sqlite3_column_text (statement, 9));
  slot->finding.silent = (guint8) sqlite3_column_int (statement, 10);
  for (guint i = 0; i < HF_N_STATES; i++)
    if (g_strcmp0 (state, hf_state_name ((HfState) i)) == 0)
      slot->finding.state = (guint8) i;
  for (guint i = 1; i < HF_N_OUTCOMES; i++)
    if (g_strcmp0 (outcome, hf_outcome_name ((HfOutcome) i)) == 0)
      slot->finding.outcome = (guint8) i;
  slot->declared = slot->finding.outcome == HF_OUTCOME_DECLARED;
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

static gboolean
take_counters (Restore *self, sqlite3_stmt *statement)
{
  self->accounts->last_mail = (guint64) sqlite3_column_int64 (statement, 0);
  self->accounts->last_incident = (guint64) sqlite3_column_int64 (statement, 1);
  self->accounts->last_snapshot = (guint64) sqlite3_column_int64 (statement, 2);
  if (sqlite3_column_type (statement, 3) != SQLITE_NULL)
    self->accounts->newest_envelope_ms = sqlite3_column_int64 (statement, 3);
  return TRUE;
}

/* The filter's mark is a claim, which the log may contradict for so long. */
#define VOID_FOR_MS "864000000"

/* Open messages, and the children that they wait for. */
#define LIVE "(m.closed = 0 OR m.parent IN (SELECT queue FROM mail WHERE closed = 0))"

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
  for (guint i = 0; i < self->lines->len; i++)
    {
      const Line *line = &g_array_index (self->lines, Line, i);
      HfMail *mail = line->source == 0 && line->mail != 0 ? g_hash_table_lookup (self->by_number, &line->mail) : NULL;

      if (mail != NULL)
        hf_mail_restore_sighting (mail, (HfSlice){ line->text, line->size });
    }
}

static gboolean
load (Restore *self, GError **error)
{
  if (!each_row (self, "SELECT (SELECT coalesce (max (n), 0) FROM mail), (SELECT coalesce (max (n), 0) FROM incident),"
                       " (SELECT coalesce (max (n), 0) FROM snapshot), (SELECT max (at) FROM envelope)",
                 take_counters, error)
      || !each_row (self, "SELECT n, device, inode FROM source", take_source, error)
      || !each_row (self, "SELECT m.n, m.queue, coalesce (m.host, '') FROM mail m WHERE " LIVE " ORDER BY m.n", take_number, error)
      || !each_row (self, "SELECT e.mail, e.lines FROM mail m JOIN evidence e ON e.mail = m.n WHERE " LIVE, take_evidence,
                    error)
      || !each_row (self, "SELECT 0, value FROM position WHERE source = 'sessions'", take_sessions, error)
      || !each_row (self, "SELECT seq, text, line FROM incident WHERE kind IN ('gap', 'bulk', 'renamed') AND seq >="
                          " (SELECT min (e.seq) FROM mail m JOIN evidence e ON e.mail = m.n WHERE " LIVE ")"
                          " UNION ALL SELECT seq, text, line FROM incident WHERE kind = 'detail'",
                    take_incident, error))
    return FALSE;
  enter_lines (self);
  index_mails (self);
  enter_sightings (self);
  return each_row (self,
                   "SELECT e.id, e.queue, e.at, e.void_reason, e.mail, r.position, r.address, r.state, r.outcome, r.detail,"
                   " r.silent, (SELECT count(*) FROM recipient WHERE envelope = e.n)"
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
  restore.lines = g_array_new (FALSE, FALSE, sizeof (Line));
  restore.blobs = g_ptr_array_new_with_free_func (g_free);
  restore.by_number = g_hash_table_new (g_int64_hash, g_int64_equal);
  self->restoring = TRUE;
  ok = load (&restore, error);
  self->restoring = FALSE;
  self->seq = MAX (self->seq, seq);
  self->known_gaps = hf_gaps_count (hf_books_gaps (self->books));
  g_clear_pointer (&self->numbers, g_hash_table_unref);
  g_hash_table_unref (restore.by_number);
  g_array_unref (restore.lines);
  g_ptr_array_unref (restore.blobs);
  return ok;
}
