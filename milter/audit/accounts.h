/* accounts.h - journal and log brought together: one account for each message
 *
 * Debit: the envelopes of the journal.  Credit: what the books of the log
 * (books.h) found out.  The accounts match the two, see each envelope's
 * recipients settled, and write what changes, with the lines that prove it,
 * to the daybook (spool/books).  What is not settled yet is kept in memory;
 * after a restart it is made again from the lines the daybook kept.
 *
 * Nothing here reads a clock or a file: the auditor feeds it.
 * Threads: one at a time.
 */
#pragma once

#include "milter/audit/follow.h"
#include "milter/audit/logevent.h"
#include "milter/audit/queue.h"
#include "milter/journal/record.h"
#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean last;          /* no filter stands after Holdfast */
  const gchar *instance;  /* borrowed; "" or the MTA instance whose ids the journal has */
  gint64 settle_after_ms; /* open for longer, and in no queue: unaccounted */
  gint64 twice_ms;        /* two queue snapshots have to be so far apart */
  gint64 unconfirmed_ms;  /* not known to be accepted for longer, and in no queue: unaccounted; 0: never */
  HfMta mta;
} HfAccountsSettings;

typedef struct HfAccounts HfAccounts;

/* @daybook is borrowed, and so are the settings' strings. */
HfAccounts *hf_accounts_new (HfDaybook *daybook, const HfAccountsSettings *settings);
void hf_accounts_free (HfAccounts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfAccounts, hf_accounts_free)

/**
 * hf_accounts_restore:
 * @ledger: caught up with the books
 * @now_ms: wall clock; no line is newer
 *
 * Takes up what an earlier run left open.  Before anything else.
 */
gboolean hf_accounts_restore (HfAccounts *self, HfLedger *ledger, gint64 now_ms, GError **error);

/* A line of the log.  @item is a line or a gap. */
void hf_accounts_log (HfAccounts *self, const HfFollowItem *item);

/* A message of the journal, or of SPOOL/carried, where the books do not know it any
 * more; @item has facts and recipients.  Those that were settled or void when it was
 * carried stay so until a line of the log names them. */
void hf_accounts_envelope (HfAccounts *self, guint64 seq, const gchar *instance, const HfItem *item);

/* The filter claims that it tempfailed message @id. */
void hf_accounts_void (HfAccounts *self, const gchar *id, const gchar *reason);

/* What is in the queue; the log has been read to its end since it was taken. */
void hf_accounts_queue (HfAccounts *self, const HfQueue *queue, gint64 at_ms);

/* An operator's act: @statement is as the file has it. */
void hf_accounts_act (HfAccounts *self, const HfStatement *statement);

/* A fact that concerns no single message: kind is "gap" or "alarm". */
void hf_accounts_incident (HfAccounts *self, const gchar *kind, const gchar *text, gint64 at_ms);

/**
 * hf_accounts_settle:
 * @now_ms: wall clock
 *
 * Matches, judges, and adds all that changed to the daybook's group.
 */
void hf_accounts_settle (HfAccounts *self, gint64 now_ms);

/* When the newest line was written; -1: the log had none yet. */
gint64 hf_accounts_newest_line_ms (const HfAccounts *self);

/* The same or, where the log had none yet, when the oldest message was journaled
 * that it should know; and when the newest was.  -1: there is none. */
gint64 hf_accounts_silent_since_ms (const HfAccounts *self);
gint64 hf_accounts_newest_envelope_ms (const HfAccounts *self);

/* The newest of this run and of earlier ones, for the saved position; -1: none. */
gint64 hf_accounts_known_line_ms (const HfAccounts *self);
void hf_accounts_set_known_line_ms (HfAccounts *self, gint64 line_ms);

/* Lines read, for the saved position. */
guint64 hf_accounts_seq (const HfAccounts *self);
void hf_accounts_set_seq (HfAccounts *self, guint64 seq);

typedef struct
{
  guint64 envelopes, mails; /* in memory */
  guint64 lines, known, unparsed; /* known: they begin as a line of a log does */
} HfAccountsCounts;

void hf_accounts_count (const HfAccounts *self, HfAccountsCounts *out_counts);

G_END_DECLS
