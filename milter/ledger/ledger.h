/* ledger.h - spool/ledger.db: an index over journal, carried and books
 *
 * SQLite, written by the auditor alone, read by the command at any time.  It
 * holds nothing that is not in spool/books: each statement of the books is
 * one change to it (fold.c), and it knows behind which group it stands.  So a
 * crash between the books and the ledger costs nothing, and losing the file
 * costs one reading of the books.  Tables: schema.sql.
 */
#pragma once

#include "milter/ledger/daybook.h"

#include <sqlite3.h>

G_BEGIN_DECLS

#define HF_LEDGER_FILE "ledger.db"
#define HF_LEDGER_VERSION 4

/* The copy_fault of a copy whose segment is gone, and nobody trimmed it. */
#define HF_LEDGER_GONE "the segment is missing"

typedef struct HfLedger HfLedger;

typedef enum
{
  HF_LEDGER_READ,
  HF_LEDGER_WRITE,   /* the daybook's lock is held by the caller */
  HF_LEDGER_REBUILD, /* likewise; what was there is replaced once hf_ledger_catch_up() is through */
} HfLedgerMode;

/**
 * hf_ledger_open:
 *
 * For reading: NULL with HF_ERROR_NOT_FOUND where there is none (no auditor
 * has run), HF_ERROR_BUSY where it is of another version.  For writing it is
 * made where it is missing, of another version, or damaged.
 */
HfLedger *hf_ledger_open (const gchar *spool, HfLedgerMode mode, GError **error);
void hf_ledger_free (HfLedger *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfLedger, hf_ledger_free)

/* For queries. */
sqlite3 *hf_ledger_db (HfLedger *self);

/* What takes the books' statements; changes are kept by hf_ledger_commit(). */
const HfDaybookSink *hf_ledger_sink (HfLedger *self);

/* TRUE: all that the sink was given is in the ledger, together. */
gboolean hf_ledger_commit (HfLedger *self, GError **error);

/**
 * hf_ledger_catch_up:
 *
 * Takes the groups of the books that the ledger does not have yet, and ends a
 * rebuilding.
 */
gboolean hf_ledger_catch_up (HfLedger *self, HfDaybookReport *out_report, GError **error);

/**
 * hf_ledger_check_segments:
 * @present: of guint64, ascending: segments that are there
 * @trimmed: (nullable): of guint64, ascending: segments that were removed in order
 * @out_missing: (out): messages whose copy was found to be gone
 *
 * Copies in segments that are gone without a note are damaged, with the fault
 * HF_LEDGER_GONE; their envelopes stay.  What re-reading found of copies in
 * segments that are there is left as it is.  Part of the next commit.
 */
gboolean hf_ledger_check_segments (HfLedger *self, const GArray *present, const GArray *trimmed, guint64 *out_missing,
                                   GError **error);

/* TRUE when groups of the books were found damaged, in this run or one before, and
 * the books have had no position of the journal since. */
gboolean hf_ledger_lacks_groups (HfLedger *self);

/* TRUE when it has message @id, or with @voided a void mark of it. */
gboolean hf_ledger_knows (HfLedger *self, const gchar *id, gboolean voided);

/* The segment that message @id stands in, or stood in before it was trimmed; 0: it is not known. */
gboolean hf_ledger_segment_of (HfLedger *self, const gchar *id, guint64 *out_seq, GError **error);

/* The last place in the journal that it has a message from; 0 and 0 for none. */
gboolean hf_ledger_last_place (HfLedger *self, guint64 *out_segment, guint64 *out_offset, GError **error);

/* The same for segments that were there a moment ago: @left, of guint64. */
gboolean hf_ledger_check_left (HfLedger *self, const GArray *left, const GArray *trimmed, guint64 *out_missing,
                               GError **error);

/* The mark that the ledger stands behind. */
const HfDaybookMark *hf_ledger_mark (const HfLedger *self);

/* Sets @error from the database's last error.  Returns: always FALSE. */
gboolean hf_ledger_error (HfLedger *self, GError **error);

/* A statement for a query, NULL with @error; finalized by the caller. */
sqlite3_stmt *hf_ledger_prepare (HfLedger *self, const gchar *sql, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

/* What @position of the books says of @source: *@out_value is NULL for nothing. */
gboolean hf_ledger_position (HfLedger *self, const gchar *source, gchar **out_value, GError **error);

G_END_DECLS
