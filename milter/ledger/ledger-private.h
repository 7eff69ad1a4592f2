/* ledger-private.h - what ledger.c and fold.c share */
#pragma once

#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

#define HF_FOLD_STATEMENTS 32

struct HfLedger
{
  gchar *spool;
  gchar *path;       /* where the database is at present */
  gchar *final_path; /* where it belongs */
  sqlite3 *db;
  gboolean in_transaction;
  HfDaybookMark mark;
  HfDaybookSink sink;
  sqlite3_stmt *prepared[HF_FOLD_STATEMENTS]; /* by fold.c */
};

/* Enters one statement of the books. */
gboolean hf_fold (HfLedger *self, const gchar *kind, const HfStatement *statement, GError **error);

/* In meta: books were damaged, and nothing was committed to them since. */
#define HF_LEDGER_DAMAGED "books.damaged"

G_END_DECLS
