/* ledger.c - spool/ledger.db: opening, transactions, rebuilding; see ledger.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/ledger/ledger-private.h"
#include "milter/ledger/schema-sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 10000

/* Pages that change often are copied from the log to the file once in 64 MiB of
 * it; as much is kept in memory. */
#define PRAGMAS                                                                                     \
  "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"             \
  " PRAGMA wal_autocheckpoint = 16384"

gboolean
hf_ledger_error (HfLedger *self, GError **error)
{
  const int code = sqlite3_errcode (self->db) & 0xff;
  const gboolean damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;

  return hf_error_set (error,
                       code == SQLITE_FULL                                ? HF_ERROR_FULL
                       : code == SQLITE_BUSY || code == SQLITE_LOCKED     ? HF_ERROR_BUSY
                       : damaged                                          ? HF_ERROR_CORRUPT
                       : code == SQLITE_CANTOPEN || code == SQLITE_PERM   ? HF_ERROR_DENIED
                                                                          : HF_ERROR_IO,
                       "ledger", "ledger '%s': %s%s", self->path, sqlite3_errmsg (self->db),
                       damaged ? "; holdfast-auditor --rebuild makes it anew from books and journal" : "");
}

static gboolean
run (HfLedger *self, const gchar *sql, GError **error)
{
  return sqlite3_exec (self->db, sql, NULL, NULL, NULL) == SQLITE_OK || hf_ledger_error (self, error);
}

sqlite3_stmt *
hf_ledger_prepare (HfLedger *self, const gchar *sql, GError **error)
{
  sqlite3_stmt *statement = NULL;

  if (sqlite3_prepare_v3 (self->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
    hf_ledger_error (self, error);
  return statement;
}

sqlite3 *
hf_ledger_db (HfLedger *self)
{
  return self->db;
}

const HfDaybookMark *
hf_ledger_mark (const HfLedger *self)
{
  return &self->mark;
}

/* ---- opening ---- */

static void
close_db (HfLedger *self)
{
  for (guint i = 0; i < HF_FOLD_STATEMENTS; i++)
    g_clear_pointer (&self->prepared[i], sqlite3_finalize);
  g_clear_pointer (&self->db, sqlite3_close_v2);
  self->in_transaction = FALSE;
}

void
hf_ledger_free (HfLedger *self)
{
  if (self == NULL)
    return;
  close_db (self);
  if (self->final_path != NULL && strcmp (self->path, self->final_path) != 0)
    unlink (self->path);
  g_free (self->spool);
  g_free (self->path);
  g_free (self->final_path);
  g_free (self);
}

static gboolean
open_db (HfLedger *self, int flags, GError **error)
{
  if (sqlite3_open_v2 (self->path, &self->db, flags | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK)
    return hf_ledger_error (self, error);
  sqlite3_busy_timeout (self->db, BUSY_MS);
  return TRUE;
}

static gboolean
get_version (HfLedger *self, gint64 *out_version, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = hf_ledger_prepare (self, "PRAGMA user_version", error);

  if (statement == NULL)
    return FALSE;
  if (sqlite3_step (statement) != SQLITE_ROW)
    return hf_ledger_error (self, error);
  *out_version = sqlite3_column_int64 (statement, 0);
  return TRUE;
}

static gboolean
load_mark (HfLedger *self, GError **error)
{
  g_autoptr (sqlite3_stmt) statement
      = hf_ledger_prepare (self, "SELECT key, value FROM meta WHERE key LIKE 'books.%'", error);
  int step;

  if (statement == NULL)
    return FALSE;
  while ((step = sqlite3_step (statement)) == SQLITE_ROW)
    {
      const gchar *key = (const gchar *) sqlite3_column_text (statement, 0);

      if (strcmp (key, "books.seq") == 0)
        self->mark.seq = (guint64) sqlite3_column_int64 (statement, 1);
      else if (strcmp (key, "books.offset") == 0)
        self->mark.offset = (guint64) sqlite3_column_int64 (statement, 1);
      else if (strcmp (key, "books.group") == 0)
        self->mark.group = (guint64) sqlite3_column_int64 (statement, 1);
      else if (strcmp (key, "books.chain") == 0)
        hf_hex_decode ((const gchar *) sqlite3_column_text (statement, 1), HF_DIGEST_SIZE, &self->mark.chain);
    }
  return step == SQLITE_DONE || hf_ledger_error (self, error);
}

static void
remove_with_companions (const gchar *path)
{
  g_autofree gchar *wal = g_strconcat (path, "-wal", NULL);
  g_autofree gchar *shm = g_strconcat (path, "-shm", NULL);

  unlink (wal);
  unlink (shm);
  unlink (path);
}

/* Root makes it for the spool's owner, whose programs have to get at it later;
 * SQLite gives its companions to the same. */
static gboolean
adopt (HfLedger *self, GError **error)
{
  struct stat st;

  if (chmod (self->path, 0600) < 0 || stat (self->spool, &st) < 0
      || (geteuid () == 0 && chown (self->path, st.st_uid, st.st_gid) < 0))
    return hf_error_set_errno (error, errno, "ledger", "cannot give ledger '%s' to the spool's owner", self->path);
  return TRUE;
}

static gboolean
create (HfLedger *self, GError **error)
{
  gchar version[64];

  remove_with_companions (self->path);
  if (!open_db (self, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error))
    return FALSE;
  if (!adopt (self, error))
    return FALSE;
  g_snprintf (version, sizeof version, "PRAGMA user_version = %d", HF_LEDGER_VERSION);
  return run (self, PRAGMAS, error) && run (self, "BEGIN IMMEDIATE", error)
         && run (self, hf_schema_sql, error) && run (self, version, error) && run (self, "COMMIT", error);
}

/* FALSE: what is there can't be used, and a new one is due. */
static gboolean
open_existing (HfLedger *self, GError **error)
{
  gint64 version = 0;

  return open_db (self, SQLITE_OPEN_READWRITE, error) && get_version (self, &version, error)
         && (version == HF_LEDGER_VERSION
             || hf_error_set (error, HF_ERROR_BUSY, "ledger", "ledger '%s' is of version %" G_GINT64_FORMAT, self->path,
                              version))
         && run (self, PRAGMAS, error) && load_mark (self, error);
}

/* A new ledger is made beside the old one, which readers go on using. */
static gboolean
open_new (HfLedger *self, GError **error)
{
  g_free (self->path);
  self->path = g_strconcat (self->final_path, ".new", NULL);
  memset (&self->mark, 0, sizeof self->mark);
  return create (self, error);
}

static gboolean
open_for_reading (HfLedger *self, GError **error)
{
  gint64 version = 0;

  if (access (self->path, F_OK) < 0)
    return hf_error_set_errno (error, errno, "ledger", "no ledger '%s'", self->path);
  if (!open_db (self, SQLITE_OPEN_READWRITE, NULL) || !get_version (self, &version, NULL))
    {
      /* a spool on read-only storage, or another user's */
      close_db (self);
      if (!open_db (self, SQLITE_OPEN_READONLY, error) || !get_version (self, &version, error))
        return FALSE;
    }
  if (version != HF_LEDGER_VERSION)
    return hf_error_set (error, HF_ERROR_BUSY, "ledger",
                         "ledger '%s' is of version %" G_GINT64_FORMAT "; holdfast-auditor of this version makes it anew",
                         self->path, version);
  return run (self, "PRAGMA query_only = ON; BEGIN", error) && load_mark (self, error);
}

static gboolean
begin (HfLedger *self, GError **error)
{
  if (!self->in_transaction && !run (self, "BEGIN IMMEDIATE", error))
    return FALSE;
  self->in_transaction = TRUE;
  return TRUE;
}

static gboolean
take_statement (const gchar *kind, const HfStatement *statement, gpointer data, GError **error)
{
  HfLedger *self = data;

  return begin (self, error) && hf_fold (self, kind, statement, error);
}

static gboolean
take_mark (const HfDaybookMark *mark, gpointer data, GError **error)
{
  HfLedger *self = data;

  self->mark = *mark;
  return TRUE;
}

HfLedger *
hf_ledger_open (const gchar *spool, HfLedgerMode mode, GError **error)
{
  g_autoptr (HfLedger) self = g_new0 (HfLedger, 1);

  self->spool = g_strdup (spool);
  self->final_path = g_build_filename (spool, HF_LEDGER_FILE, NULL);
  self->path = g_strdup (self->final_path);
  self->sink = (HfDaybookSink){ take_statement, take_mark, self };
  if (mode == HF_LEDGER_READ)
    return open_for_reading (self, error) ? g_steal_pointer (&self) : NULL;
  if (mode == HF_LEDGER_WRITE && open_existing (self, NULL))
    return g_steal_pointer (&self);
  close_db (self);
  return open_new (self, error) ? g_steal_pointer (&self) : NULL;
}

const HfDaybookSink *
hf_ledger_sink (HfLedger *self)
{
  return &self->sink;
}

/* ---- transactions ---- */

static gboolean
save_mark (HfLedger *self, GError **error)
{
  gchar chain[HF_DIGEST_HEX + 1];
  g_autofree gchar *sql = NULL;

  hf_hex_encode (self->mark.chain.octets, sizeof self->mark.chain.octets, chain);
  sql = g_strdup_printf ("INSERT OR REPLACE INTO meta VALUES ('books.seq', %" G_GUINT64_FORMAT "), ('books.offset', %" G_GUINT64_FORMAT
                         "), ('books.group', %" G_GUINT64_FORMAT "), ('books.chain', '%s')",
                         self->mark.seq, self->mark.offset, self->mark.group, chain);
  return run (self, sql, error);
}

gboolean
hf_ledger_commit (HfLedger *self, GError **error)
{
  if (!self->in_transaction)
    return TRUE;
  if (!save_mark (self, error) || !run (self, "COMMIT", error))
    return FALSE;
  self->in_transaction = FALSE;
  return TRUE;
}

/* Puts the new ledger in the place of the old one.  Should this end between two
 * steps, the next start finds an old ledger behind which it catches up, or none. */
static gboolean
replace (HfLedger *self, GError **error)
{
  if (strcmp (self->path, self->final_path) == 0)
    return TRUE;
  if (!run (self, "PRAGMA wal_checkpoint (TRUNCATE); PRAGMA journal_mode = DELETE", error))
    return FALSE;
  close_db (self);
  remove_with_companions (self->final_path);
  if (rename (self->path, self->final_path) < 0)
    return hf_error_set_errno (error, errno, "ledger", "cannot rename '%s' to '%s'", self->path, self->final_path);
  g_free (self->path);
  self->path = g_strdup (self->final_path);
  return open_existing (self, error);
}

gboolean
hf_ledger_catch_up (HfLedger *self, HfDaybookReport *out_report, GError **error)
{
  const HfDaybookMark from = self->mark;

  return hf_daybook_read (self->spool, from.group > 0 ? &from : NULL, &self->sink, out_report, error)
         && (out_report->damaged == 0
             || run (self, "INSERT OR REPLACE INTO meta VALUES ('" HF_LEDGER_DAMAGED "', 1)", error))
         && hf_ledger_commit (self, error) && replace (self, error);
}

gboolean
hf_ledger_lacks_groups (HfLedger *self)
{
  g_autoptr (sqlite3_stmt) statement
      = hf_ledger_prepare (self, "SELECT 1 FROM meta WHERE key = '" HF_LEDGER_DAMAGED "'", NULL);

  return statement != NULL && sqlite3_step (statement) == SQLITE_ROW;
}

/* ---- copies ---- */

static gboolean
contains (const GArray *sorted, guint64 wanted)
{
  guint low = 0, high = sorted != NULL ? sorted->len : 0;

  while (low < high)
    {
      const guint middle = low + (high - low) / 2;
      const guint64 found = g_array_index (sorted, guint64, middle);

      if (found == wanted)
        return TRUE;
      if (found < wanted)
        low = middle + 1;
      else
        high = middle;
    }
  return FALSE;
}

typedef enum
{
  SEGMENT_PRESENT,
  SEGMENT_TRIMMED,
  SEGMENT_GONE,
} SegmentFate;

/* What the fate of its segment makes of a copy; each changes only what it has to. */
static const gchar *const copy_texts[] = {
  [SEGMENT_PRESENT] = "UPDATE envelope SET copy = CASE WHEN fault IS NULL THEN 'whole' ELSE 'torn' END, copy_fault = NULL"
                      " WHERE segment = ?1 AND (copy = 'trimmed' OR copy_fault = '" HF_LEDGER_GONE "')",
  [SEGMENT_TRIMMED] = "UPDATE envelope SET copy = 'trimmed', copy_fault = NULL, copy_since = NULL"
                      " WHERE segment = ?1 AND copy <> 'trimmed'",
  [SEGMENT_GONE] = "UPDATE envelope SET copy = 'damaged', copy_fault = '" HF_LEDGER_GONE "', copy_since = NULL"
                   " WHERE segment = ?1 AND copy_fault IS NOT '" HF_LEDGER_GONE "'",
};

static gboolean
run_for (HfLedger *self, const gchar *sql, guint64 segment, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = hf_ledger_prepare (self, sql, error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, (gint64) segment);
  return sqlite3_step (statement) == SQLITE_DONE || hf_ledger_error (self, error);
}

static gboolean
set_copies (HfLedger *self, guint64 segment, SegmentFate fate, guint64 *missing, GError **error)
{
  if (!run_for (self, copy_texts[fate], segment, error))
    return FALSE;
  if (fate == SEGMENT_GONE)
    *missing += (guint64) sqlite3_changes (self->db);
  return fate == SEGMENT_PRESENT || run_for (self, "DELETE FROM breach WHERE segment = ?1", segment, error);
}

gboolean
hf_ledger_check_segments (HfLedger *self, const GArray *present, const GArray *trimmed, guint64 *out_missing,
                          GError **error)
{
  g_autoptr (sqlite3_stmt) statement
      = hf_ledger_prepare (self, "SELECT segment FROM envelope UNION SELECT segment FROM breach", error);
  int step;

  *out_missing = 0;
  if (statement == NULL || !begin (self, error))
    return FALSE;
  while ((step = sqlite3_step (statement)) == SQLITE_ROW)
    {
      const guint64 segment = (guint64) sqlite3_column_int64 (statement, 0);
      const SegmentFate fate = contains (present, segment)   ? SEGMENT_PRESENT
                               : contains (trimmed, segment) ? SEGMENT_TRIMMED
                                                             : SEGMENT_GONE;

      if (!set_copies (self, segment, fate, out_missing, error))
        return FALSE;
    }
  return step == SQLITE_DONE || hf_ledger_error (self, error);
}

gboolean
hf_ledger_check_left (HfLedger *self, const GArray *left, const GArray *trimmed, guint64 *out_missing, GError **error)
{
  *out_missing = 0;
  if (!begin (self, error))
    return FALSE;
  for (guint i = 0; i < left->len; i++)
    {
      const guint64 segment = g_array_index (left, guint64, i);

      if (!set_copies (self, segment, contains (trimmed, segment) ? SEGMENT_TRIMMED : SEGMENT_GONE, out_missing, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
hf_ledger_position (HfLedger *self, const gchar *source, gchar **out_value, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = hf_ledger_prepare (self, "SELECT value FROM position WHERE source = ?1", error);
  int step;

  *out_value = NULL;
  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, source, -1, SQLITE_STATIC);
  step = sqlite3_step (statement);
  if (step == SQLITE_ROW)
    *out_value = g_strdup ((const gchar *) sqlite3_column_text (statement, 0));
  return step == SQLITE_ROW || step == SQLITE_DONE || hf_ledger_error (self, error);
}

gboolean
hf_ledger_knows (HfLedger *self, const gchar *id, gboolean voided)
{
  g_autoptr (sqlite3_stmt) statement
      = hf_ledger_prepare (self, "SELECT 1 FROM envelope WHERE id = ?1 AND (?2 = 0 OR void_reason IS NOT NULL)", NULL);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, id, -1, SQLITE_STATIC);
  sqlite3_bind_int (statement, 2, voided);
  return sqlite3_step (statement) == SQLITE_ROW;
}

gboolean
hf_ledger_segment_of (HfLedger *self, const gchar *id, guint64 *out_seq, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = hf_ledger_prepare (self, "SELECT segment FROM envelope WHERE id = ?1", error);
  int step;

  *out_seq = 0;
  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, id, -1, SQLITE_STATIC);
  step = sqlite3_step (statement);
  if (step == SQLITE_ROW)
    *out_seq = (guint64) sqlite3_column_int64 (statement, 0);
  return step == SQLITE_ROW || step == SQLITE_DONE || hf_ledger_error (self, error);
}

gboolean
hf_ledger_last_place (HfLedger *self, guint64 *out_segment, guint64 *out_offset, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = hf_ledger_prepare (
      self, "SELECT segment, max(offset) FROM envelope WHERE segment = (SELECT max(segment) FROM envelope)", error);

  *out_segment = *out_offset = 0;
  if (statement == NULL)
    return FALSE;
  if (sqlite3_step (statement) != SQLITE_ROW)
    return hf_ledger_error (self, error);
  *out_segment = (guint64) sqlite3_column_int64 (statement, 0);
  *out_offset = (guint64) sqlite3_column_int64 (statement, 1);
  return TRUE;
}
