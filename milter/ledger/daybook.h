/* daybook.h - spool/books: all that the auditor knows, append-only
 *
 *     SPOOL/books/lock              held by the auditor that writes; its pid inside
 *     SPOOL/books/0000000007.books  file 7: statements in groups, each sealed by a commit
 *
 * The ledger is an index over these files and can be made from them at will.
 * Statements that belong together go in one group; a group counts whole or not
 * at all.  Bytes: doc/FORMAT-BOOKS.  What the statements mean: entries.h.
 */
#pragma once

#include "milter/journal/digest.h"
#include "milter/journal/statement.h"

G_BEGIN_DECLS

#define HF_BOOKS_DIRECTORY "books"
#define HF_BOOKS_LOCK "lock"
#define HF_BOOKS_VERSION 1

/* A file is followed by the next once it is larger. */
#define HF_BOOKS_FILE_SIZE (64 * 1024 * 1024)

/* Behind which group something stands.  Zeroed: before the first. */
typedef struct
{
  guint64 seq;    /* the file's number */
  guint64 offset; /* in it, behind the commit */
  guint64 group;  /* the group's number, from 1 over all files */
  HfDigest chain; /* over all groups so far */
} HfDaybookMark;

/* What goes over the groups is given each statement, then the mark behind them.
 * Either returns FALSE with @error to end it. */
typedef struct
{
  gboolean (*statement) (const gchar *kind, const HfStatement *statement, gpointer data, GError **error);
  gboolean (*committed) (const HfDaybookMark *mark, gpointer data, GError **error);
  gpointer data;
} HfDaybookSink;

/* What a reading met. */
typedef struct
{
  guint64 groups;
  guint64 torn;    /* unfinished groups at the end of a file: never were committed */
  guint64 damaged; /* groups that no longer verify; none of their statements was given */
  guint64 breaks;  /* groups that do not follow from the one before them */
} HfDaybookReport;

/**
 * hf_daybook_read:
 * @spool: the spool's directory
 * @after: (nullable): go on behind this mark
 *
 * Gives all groups that verify to @sink.  No directory: no groups.  FALSE with
 * the sink's error, HF_ERROR_DENIED, HF_ERROR_IO, or HF_ERROR_CORRUPT where a
 * file is of a newer version.
 */
gboolean hf_daybook_read (const gchar *spool, const HfDaybookMark *after, const HfDaybookSink *sink,
                          HfDaybookReport *out_report, GError **error);

typedef struct HfDaybook HfDaybook;

/**
 * hf_daybook_open:
 *
 * For writing.  Takes the lock and finds the end; nothing is written before
 * the first commit.  What a crash left unfinished stays, and the next group
 * goes to a new file.  NULL with HF_ERROR_BUSY where another auditor holds
 * the lock, HF_ERROR_DENIED, HF_ERROR_FULL or HF_ERROR_IO.
 */
HfDaybook *hf_daybook_open (const gchar *spool, GError **error);
void hf_daybook_free (HfDaybook *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfDaybook, hf_daybook_free)

/* Begins a statement of the group in the making; ended by hf_statement_end(). */
HfStatementBuilder *hf_daybook_begin (HfDaybook *self, const gchar *kind);

/* Octets of the group in the making. */
gsize hf_daybook_pending (const HfDaybook *self);

/**
 * hf_daybook_commit:
 * @sink: (nullable): is given the group once it is on stable storage
 *
 * TRUE: the group is on stable storage, or there was none.  FALSE with
 * HF_ERROR_FULL or HF_ERROR_IO: it is dropped and may or may not be found
 * later, and this daybook takes no more; with the sink's error: it is on
 * stable storage all the same.
 */
gboolean hf_daybook_commit (HfDaybook *self, const HfDaybookSink *sink, GError **error);

/* The same, without a sink: *@out_group (transfer full) is the group's text, or
 * NULL where there was none. */
gboolean hf_daybook_commit_taking (HfDaybook *self, GString **out_group, GError **error);

/* The mark behind the last group. */
const HfDaybookMark *hf_daybook_mark (const HfDaybook *self);

G_END_DECLS
