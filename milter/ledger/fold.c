/* fold.c - one function for each kind of statement in the books
 *
 * Entering the same statement twice changes nothing, and none looks at a
 * clock, so the same books always give the same ledger.  Kinds that are not
 * known are passed over (doc/FORMAT-BOOKS).
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/ledger/ledger-private.h"

#include <string.h>

/* One for each SQL text; the index of HfLedger.prepared. */
typedef enum
{
  ADD_ENVELOPE,
  ADD_RECIPIENT,
  VOID_ENVELOPE,
  PUT_MAIL,
  CLOSE_MAIL,
  LINK_MAIL,
  LINK_ENVELOPE,
  DROP_LEGS,
  PUT_FATE,
  PUT_LEG,
  ADD_EVIDENCE,
  ADD_SOURCE,
  ADD_INCIDENT,
  ADD_ACT,
  DECLARE_ALL,
  DECLARE_ONE,
  DECLARE_PLACE,
  PUT_POSITION,
  MADE_GOOD,
  ADD_SNAPSHOT,
  PUT_COPY,
  PUT_BREACH,
  DROP_BREACH,
  DECLARE_AT,
  ADD_TRIMMED,
  TRIM_COPIES,
  CARRY,
  TRIM_BREACHES,
  N_STATEMENTS,
} Sql;

G_STATIC_ASSERT (N_STATEMENTS <= HF_FOLD_STATEMENTS);

static const gchar *const sql_texts[] = {
  [ADD_ENVELOPE] = "INSERT OR IGNORE INTO envelope (id, segment, offset, length, at, queue, instance, daemon, client,"
                   " sender, bytes, fault, copy) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
                   " CASE WHEN ?12 IS NULL THEN 'whole' ELSE 'torn' END)",
  [ADD_RECIPIENT] = "INSERT OR IGNORE INTO recipient (envelope, position, address, state) VALUES (?1, ?2, ?3, 'provisional')",
  [VOID_ENVELOPE] = "UPDATE envelope SET void_reason = ?2 WHERE id = ?1",
  [PUT_MAIL] = "INSERT INTO mail (n, queue, host, instance, at, sender, message_id, parent, link, accepted)"
               " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (n) DO UPDATE SET"
               " sender = coalesce (?6, sender), message_id = coalesce (?7, message_id),"
               " parent = coalesce (?8, parent), link = coalesce (?9, link), accepted = ?10",
  [CLOSE_MAIL] = "UPDATE mail SET closed = 1 WHERE n = ?1",
  [LINK_MAIL] = "UPDATE mail SET envelope = (SELECT n FROM envelope WHERE id = ?2) WHERE n = ?1",
  [LINK_ENVELOPE] = "UPDATE envelope SET mail = ?1 WHERE id = ?2",
  [DROP_LEGS] = "DELETE FROM leg WHERE mail = ?1",
  [PUT_FATE] = "UPDATE recipient SET state = ?3, outcome = ?4, detail = ?5, silent = ?6, since = ?7"
               " WHERE envelope = (SELECT n FROM envelope WHERE id = ?1) AND position = ?2",
  [PUT_LEG] = "INSERT OR REPLACE INTO leg (mail, address, orig, number, state, outcome, detail, silent, since)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
  [ADD_EVIDENCE] = "INSERT OR REPLACE INTO evidence (mail, seq, lines) VALUES (?1, ?2, ?3)",
  [ADD_SOURCE] = "INSERT OR REPLACE INTO source (n, path, device, inode) VALUES (?1, ?2, ?3, ?4)",
  [ADD_INCIDENT] = "INSERT OR REPLACE INTO incident (n, kind, at, seq, text, line) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
  [ADD_ACT] = "INSERT OR REPLACE INTO act (id, at, outcome, reason, who) VALUES (?1, ?2, ?3, ?4, ?5)",
  [DECLARE_ALL] = "UPDATE recipient SET state = 'settled', outcome = ?2, detail = ?3, silent = 1, since = ?4"
                  " WHERE envelope = (SELECT n FROM envelope WHERE id = ?1) AND state NOT IN ('settled', 'void')",
  [DECLARE_ONE] = "UPDATE recipient SET state = 'settled', outcome = ?2, detail = ?3, silent = 1, since = ?4"
                  " WHERE envelope = (SELECT n FROM envelope WHERE id = ?1) AND state NOT IN ('settled', 'void')"
                  " AND address = ?5",
  [DECLARE_PLACE] = "INSERT OR IGNORE INTO place (segment, offset, act) VALUES (?1, ?2, ?3)",
  [PUT_POSITION] = "INSERT OR REPLACE INTO position (source, value) VALUES (?1, ?2)",
  [MADE_GOOD] = "DELETE FROM meta WHERE key = '" HF_LEDGER_DAMAGED "'",
  [ADD_SNAPSHOT] = "INSERT OR REPLACE INTO snapshot (n, at, messages, missing) VALUES (?1, ?2, ?3, ?4)",
  [PUT_COPY] = "UPDATE envelope SET copy = ?4, copy_fault = ?5, copy_since = ?6"
               " WHERE id = ?1 AND segment = ?2 AND offset = ?3",
  [PUT_BREACH] = "INSERT OR REPLACE INTO breach (segment, offset, length, fault, at) VALUES (?1, ?2, ?3, ?4, ?5)",
  [DROP_BREACH] = "DELETE FROM breach WHERE segment = ?1 AND offset = ?2",
  [DECLARE_AT] = "UPDATE recipient SET state = 'settled', outcome = ?2, detail = ?3, silent = 1, since = ?4"
                 " WHERE envelope = (SELECT n FROM envelope WHERE segment = ?1 AND offset = ?5)"
                 " AND state NOT IN ('settled', 'void')",
  [ADD_TRIMMED] = "INSERT OR REPLACE INTO trimmed (segment, at, octets, records, recipients) VALUES (?1, ?2, ?3, ?4, ?5)",
  [TRIM_COPIES] = "UPDATE envelope SET copy = 'trimmed', copy_fault = NULL, copy_since = NULL WHERE segment = ?1",
  [TRIM_BREACHES] = "DELETE FROM breach WHERE segment = ?1",
  [CARRY] = "UPDATE envelope SET journaled = coalesce (journaled, segment), segment = ?2, offset = ?3, length = ?4,"
            " carried = ?5, copy = 'whole', copy_fault = NULL, copy_since = NULL, fault = NULL WHERE id = ?1",
};

/* What is being entered. */
typedef struct
{
  HfLedger *ledger;
  const HfStatement *in;
  sqlite3_stmt *sql;
  GError **error;
} Fold;

static gboolean
use (Fold *self, Sql which)
{
  sqlite3_stmt **slot = &self->ledger->prepared[which];

  if (*slot == NULL)
    *slot = hf_ledger_prepare (self->ledger, sql_texts[which], self->error);
  self->sql = *slot;
  return *slot != NULL;
}

static gboolean
step (Fold *self)
{
  const int code = sqlite3_step (self->sql);

  if (code != SQLITE_DONE)
    hf_ledger_error (self->ledger, self->error);
  sqlite3_reset (self->sql);
  sqlite3_clear_bindings (self->sql);
  return code == SQLITE_DONE;
}

/* Values live as long as the statement, which is longer than the step.  Octets
 * that are not UTF-8 are kept as they are: SQLite does not look at them. */
static void
bind_pair (Fold *self, int index, const HfPair *pair)
{
  sqlite3_bind_text (self->sql, index, self->in->text->str + pair->value, (int) pair->size, SQLITE_STATIC);
}

static void
bind_text (Fold *self, int index, const gchar *key)
{
  gsize size = 0;
  const gchar *value = hf_statement_get_sized (self->in, key, &size);

  if (value != NULL)
    sqlite3_bind_text (self->sql, index, value, (int) size, SQLITE_STATIC);
}

static void
bind_number (Fold *self, int index, const gchar *key)
{
  guint64 number;

  if (hf_statement_get_number (self->in, key, &number))
    sqlite3_bind_int64 (self->sql, index, (gint64) number);
}

static void
bind_time (Fold *self, int index, const gchar *key)
{
  const gchar *text = hf_statement_get (self->in, key);
  gint64 at_ms;

  if (text != NULL && hf_time_parse (text, &at_ms))
    sqlite3_bind_int64 (self->sql, index, at_ms);
}

static const gchar *
key_of (const Fold *self, const HfPair *pair)
{
  return self->in->text->str + pair->key;
}

static gboolean
fold_recipients (Fold *self)
{
  const gint64 envelope = sqlite3_last_insert_rowid (self->ledger->db);
  gint position = 0;

  if (!use (self, ADD_RECIPIENT))
    return FALSE;
  for (guint i = 0; i < self->in->pairs->len; i++)
    {
      const HfPair *pair = &g_array_index (self->in->pairs, HfPair, i);

      if (strcmp (key_of (self, pair), "rcpt") != 0)
        continue;
      sqlite3_bind_int64 (self->sql, 1, envelope);
      sqlite3_bind_int (self->sql, 2, position++);
      bind_pair (self, 3, pair);
      if (!step (self))
        return FALSE;
    }
  return TRUE;
}

static gboolean
fold_envelope (Fold *self)
{
  if (!use (self, ADD_ENVELOPE))
    return FALSE;
  bind_text (self, 1, "id");
  bind_number (self, 2, "segment");
  bind_number (self, 3, "offset");
  bind_number (self, 4, "length");
  bind_time (self, 5, "at");
  bind_text (self, 6, "queue");
  bind_text (self, 7, "instance");
  bind_text (self, 8, "daemon");
  bind_text (self, 9, "client");
  bind_text (self, 10, "sender");
  bind_number (self, 11, "bytes");
  bind_text (self, 12, "fault");
  return step (self) && (sqlite3_changes (self->ledger->db) == 0 || fold_recipients (self));
}

static gboolean
fold_void (Fold *self)
{
  if (!use (self, VOID_ENVELOPE))
    return FALSE;
  bind_text (self, 1, "id");
  bind_text (self, 2, "reason");
  return step (self);
}

static gboolean
fold_mail (Fold *self)
{
  if (!use (self, PUT_MAIL))
    return FALSE;
  bind_number (self, 1, "n");
  bind_text (self, 2, "queue");
  bind_text (self, 3, "host");
  bind_text (self, 4, "instance");
  bind_time (self, 5, "at");
  bind_text (self, 6, "sender");
  bind_text (self, 7, "message_id");
  bind_text (self, 8, "parent");
  bind_text (self, 9, "link");
  sqlite3_bind_int (self->sql, 10, hf_statement_get (self->in, "accepted") != NULL);
  return step (self);
}

static gboolean
fold_closed (Fold *self)
{
  if (!use (self, CLOSE_MAIL))
    return FALSE;
  bind_number (self, 1, "mail");
  return step (self);
}

/* What the log calls @mail is message @id of the journal: its recipients are
 * the envelope's. */
static gboolean
fold_link (Fold *self)
{
  static const Sql both[] = { LINK_MAIL, LINK_ENVELOPE };

  for (gsize i = 0; i < G_N_ELEMENTS (both); i++)
    {
      if (!use (self, both[i]))
        return FALSE;
      bind_number (self, 1, "mail");
      bind_text (self, 2, "id");
      if (!step (self))
        return FALSE;
    }
  if (!use (self, DROP_LEGS))
    return FALSE;
  bind_number (self, 1, "mail");
  return step (self);
}

static gboolean
fold_fate (Fold *self)
{
  if (!use (self, PUT_FATE))
    return FALSE;
  bind_text (self, 1, "id");
  bind_number (self, 2, "rcpt");
  bind_text (self, 3, "state");
  bind_text (self, 4, "outcome");
  bind_text (self, 5, "detail");
  sqlite3_bind_int (self->sql, 6, hf_statement_get (self->in, "silent") != NULL);
  bind_time (self, 7, "at");
  return step (self);
}

static gboolean
fold_leg (Fold *self)
{
  if (!use (self, PUT_LEG))
    return FALSE;
  bind_number (self, 1, "mail");
  bind_text (self, 2, "address");
  bind_text (self, 3, "orig");
  bind_number (self, 4, "number");
  bind_text (self, 5, "state");
  bind_text (self, 6, "outcome");
  bind_text (self, 7, "detail");
  sqlite3_bind_int (self->sql, 8, hf_statement_get (self->in, "silent") != NULL);
  bind_time (self, 9, "at");
  return step (self);
}

static gboolean
fold_evidence (Fold *self)
{
  if (!use (self, ADD_EVIDENCE))
    return FALSE;
  bind_number (self, 1, "mail");
  bind_number (self, 2, "seq");
  bind_text (self, 3, "lines");
  return step (self);
}

static gboolean
fold_source (Fold *self)
{
  if (!use (self, ADD_SOURCE))
    return FALSE;
  bind_number (self, 1, "n");
  bind_text (self, 2, "path");
  bind_number (self, 3, "device");
  bind_number (self, 4, "inode");
  return step (self);
}

static gboolean
fold_incident (Fold *self)
{
  if (!use (self, ADD_INCIDENT))
    return FALSE;
  bind_number (self, 1, "n");
  bind_text (self, 2, "kind");
  bind_time (self, 3, "at");
  bind_number (self, 4, "seq");
  bind_text (self, 5, "text");
  bind_text (self, 6, "line");
  return step (self);
}

static gboolean
declare (Fold *self, const gchar *id, gsize id_size, const HfPair *address)
{
  if (!use (self, address != NULL ? DECLARE_ONE : DECLARE_ALL))
    return FALSE;
  sqlite3_bind_text (self->sql, 1, id, (int) id_size, SQLITE_STATIC);
  bind_text (self, 2, "outcome");
  bind_text (self, 3, "reason");
  bind_time (self, 4, "at");
  if (address != NULL)
    bind_pair (self, 5, address);
  return step (self);
}

static guint64
number_of (const Fold *self, const HfPair *pair)
{
  return pair != NULL ? g_ascii_strtoull (self->in->text->str + pair->value, NULL, 10) : 0;
}

static gboolean
declare_place (Fold *self, const HfPair *segment, const HfPair *offset)
{
  if (!use (self, DECLARE_PLACE))
    return FALSE;
  sqlite3_bind_int64 (self->sql, 1, (gint64) number_of (self, segment));
  sqlite3_bind_int64 (self->sql, 2, (gint64) number_of (self, offset));
  bind_text (self, 3, "id");
  if (!step (self) || !use (self, DECLARE_AT))
    return FALSE;
  /* what could be read of the record that stands there */
  sqlite3_bind_int64 (self->sql, 1, (gint64) number_of (self, segment));
  bind_text (self, 2, "outcome");
  bind_text (self, 3, "reason");
  bind_time (self, 4, "at");
  sqlite3_bind_int64 (self->sql, 5, (gint64) number_of (self, offset));
  return step (self);
}

/* An operator's act: `message` begins, and `recipients=all` or each `recipient`
 * behind it says whom it settles; `segment` and `place` name what is no record. */
static gboolean
fold_act (Fold *self)
{
  const HfPair *message = NULL, *segment = NULL;

  if (!use (self, ADD_ACT))
    return FALSE;
  bind_text (self, 1, "id");
  bind_time (self, 2, "at");
  bind_text (self, 3, "outcome");
  bind_text (self, 4, "reason");
  bind_text (self, 5, "user");
  if (!step (self))
    return FALSE;
  for (guint i = 0; i < self->in->pairs->len; i++)
    {
      const HfPair *pair = &g_array_index (self->in->pairs, HfPair, i);
      const gchar *key = key_of (self, pair);
      const gboolean all = strcmp (key, "recipients") == 0;

      if (strcmp (key, "message") == 0)
        message = pair;
      else if (strcmp (key, "segment") == 0)
        segment = pair;
      else if (strcmp (key, "place") == 0 && !declare_place (self, segment, pair))
        return FALSE;
      else if (message != NULL && (all || strcmp (key, "recipient") == 0)
               && !declare (self, self->in->text->str + message->value, message->size, all ? NULL : pair))
        return FALSE;
    }
  return TRUE;
}

static gboolean
fold_position (Fold *self)
{
  if (!use (self, PUT_POSITION))
    return FALSE;
  bind_text (self, 1, "source");
  bind_text (self, 2, "value");
  /* the group of an auditor that knew of the damage: it goes on from there */
  return step (self)
         && (g_strcmp0 (hf_statement_get (self->in, "source"), "journal") != 0 || (use (self, MADE_GOOD) && step (self)));
}

static gboolean
fold_snapshot (Fold *self)
{
  if (!use (self, ADD_SNAPSHOT))
    return FALSE;
  bind_number (self, 1, "n");
  bind_time (self, 2, "at");
  bind_number (self, 3, "messages");
  bind_number (self, 4, "missing");
  return step (self);
}

static gboolean
fold_breach (Fold *self)
{
  const gboolean over = g_strcmp0 (hf_statement_get (self->in, "state"), "whole") == 0;

  if (!use (self, over ? DROP_BREACH : PUT_BREACH))
    return FALSE;
  bind_number (self, 1, "segment");
  bind_number (self, 2, "offset");
  if (over)
    return step (self);
  bind_number (self, 3, "length");
  bind_text (self, 4, "fault");
  bind_time (self, 5, "at");
  return step (self);
}

/* What a later reading found of a copy, or of a place that no message is known of. */
static gboolean
fold_copy (Fold *self)
{
  if (hf_statement_get (self->in, "id") == NULL)
    return fold_breach (self);
  if (!use (self, PUT_COPY))
    return FALSE;
  bind_text (self, 1, "id");
  bind_number (self, 2, "segment");
  bind_number (self, 3, "offset");
  bind_text (self, 4, "state");
  bind_text (self, 5, "fault");
  bind_time (self, 6, "at");
  return step (self);
}

static gboolean
fold_trimmed (Fold *self)
{
  static const Sql drops[] = { TRIM_COPIES, TRIM_BREACHES };

  if (!use (self, ADD_TRIMMED))
    return FALSE;
  bind_number (self, 1, "segment");
  bind_time (self, 2, "at");
  bind_number (self, 3, "octets");
  bind_number (self, 4, "records");
  bind_number (self, 5, "recipients");
  if (!step (self))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (drops); i++)
    {
      if (!use (self, drops[i]))
        return FALSE;
      bind_number (self, 1, "segment");
      if (!step (self))
        return FALSE;
    }
  return TRUE;
}

/* The message's copy stands elsewhere from now on, and was read back whole there. */
static gboolean
fold_carried (Fold *self)
{
  if (!use (self, CARRY))
    return FALSE;
  bind_text (self, 1, "id");
  bind_number (self, 2, "segment");
  bind_number (self, 3, "offset");
  bind_number (self, 4, "length");
  bind_time (self, 5, "at");
  return step (self);
}

static const struct
{
  const gchar *kind;
  gboolean (*fold) (Fold *self);
} kinds[] = {
  { "evidence", fold_evidence }, { "fate", fold_fate },   { "leg", fold_leg },           { "mail", fold_mail },
  { "envelope", fold_envelope }, { "link", fold_link },   { "closed", fold_closed },     { "void", fold_void },
  { "position", fold_position }, { "source", fold_source }, { "incident", fold_incident }, { "act", fold_act },
  { "snapshot", fold_snapshot }, { "copy", fold_copy },   { "trimmed", fold_trimmed },   { "carried", fold_carried },
};

gboolean
hf_fold (HfLedger *self, const gchar *kind, const HfStatement *statement, GError **error)
{
  Fold fold = { self, statement, NULL, error };

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].kind, kind) == 0)
      return kinds[i].fold (&fold);
  return TRUE;
}
