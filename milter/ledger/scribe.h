/* scribe.h - a thread that enters the books' groups into the ledger
 *
 * Reading the log and writing the index over it cost about the same, and
 * neither needs the other: what is read goes by what the books on disk say.
 * So they share two processors.  The books are ahead of the ledger by a few
 * groups at most; at a crash the next start makes up for them.
 *
 * Of the ledger's functions, others than its queries are the scribe's alone
 * between hf_scribe_give() and the hf_scribe_finish() behind it.
 */
#pragma once

#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

typedef struct HfScribe HfScribe;

/* @ledger: borrowed; open for writing.  NULL with HF_ERROR_IO: no thread. */
HfScribe *hf_scribe_new (HfLedger *ledger, GError **error);

/* Enters what it was given, as far as that is possible. */
void hf_scribe_free (HfScribe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfScribe, hf_scribe_free)

/**
 * hf_scribe_give:
 * @group: (transfer full): the group's statements, on stable storage
 * @mark: behind the group
 *
 * Waits while enough groups wait.  FALSE: an earlier one failed, with the
 * ledger's error; none is entered any more.
 */
gboolean hf_scribe_give (HfScribe *self, GString *group, const HfDaybookMark *mark, GError **error);

/* TRUE: all that was given is in the ledger, and committed. */
gboolean hf_scribe_finish (HfScribe *self, GError **error);

G_END_DECLS
