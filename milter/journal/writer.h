/* writer.h - the one thread that writes the journal
 *
 * Callbacks hand in commits and wait; a thread stuck in fsync can neither
 * send progress nor answer, so no callback ever does a commit's file work.
 * The writer takes all that waits, writes it as one group, and wakes all.  Where
 * much waits, a second thread syncs one group while the next is written (syncer.h).
 */
#pragma once

#include "milter/journal/commit.h"
#include "milter/journal/journal.h"

G_BEGIN_DECLS

typedef struct HfWriter HfWriter;

/**
 * hf_writer_start:
 * @parameters: copied, strings included; but for usage, which is made here
 * @overdue_ms: a write or sync that takes longer makes hf_writer_check() refuse
 *
 * Opens the journal and starts the thread.  NULL with the error of
 * hf_journal_open(): a filter that can't write has no reason to start.
 */
HfWriter *hf_writer_start (const HfJournalParameters *parameters, gint64 overdue_ms, GError **error);

/* May new mail be taken?  FALSE with HF_ERROR_BUSY while the journal is away,
 * HF_ERROR_LATE while a write is overdue.  Touches no disk.  Threads: any. */
gboolean hf_writer_check (HfWriter *self, GError **error);
void hf_writer_set_overdue (HfWriter *self, gint64 overdue_ms);

/* Queues @commit; the writer takes its own reference.  A writer that has stopped
 * decides it at once, with HF_ERROR_BUSY.  Never blocks on a disk.  Threads: any. */
void hf_writer_submit (HfWriter *self, HfCommit *commit);

/* What the journal takes of the file system, borrowed.  Threads: any. */
HfUsage *hf_writer_usage (HfWriter *self);

/* Something else on the journal's file system failed: the writer looks, as soon
 * as it can, whether the journal still works, and lets go of it if not.
 * Threads: any. */
void hf_writer_doubt (HfWriter *self);

/* Milliseconds: what the last group took, for a few seconds after it, or the age of
 * the oldest in progress where that is greater; without its wait for the one before. */
gint64 hf_writer_latency_ms (HfWriter *self);

/**
 * hf_writer_stop:
 * @wait_ms: at most
 *
 * Lets the writer finish what is queued, write its void marks and close the
 * journal in order, and gives the caller's reference up.  TRUE: done.  FALSE:
 * the writer did not return in time.
 */
gboolean hf_writer_stop (HfWriter *self, gint64 wait_ms);

/* For who may still submit after the stop.  Threads: any. */
HfWriter *hf_writer_ref (HfWriter *self);
void hf_writer_unref (HfWriter *self);

G_END_DECLS
