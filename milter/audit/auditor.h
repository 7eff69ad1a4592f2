/* auditor.h - one look at the world after the other: journal, acts, log, queue
 *
 * Each round reads some of all, lets the accounts settle, and commits what
 * came of it with the new positions as one group of the books; then the
 * ledger follows.  A crash anywhere in it is a round that never was.
 */
#pragma once

#include "milter/base/config.h"

#include <glib.h>

G_BEGIN_DECLS

typedef struct HfAuditor HfAuditor;

/**
 * hf_auditor_open:
 * @rebuild: make the ledger anew from the books
 *
 * Takes the books' lock and takes up what an earlier run left.  NULL with
 * HF_ERROR_CONFIG, HF_ERROR_BUSY (another auditor), or what reading failed with.
 */
HfAuditor *hf_auditor_open (const HfConfig *config, gboolean rebuild, GError **error);
void hf_auditor_free (HfAuditor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfAuditor, hf_auditor_free)

/**
 * hf_auditor_round:
 * @last: no other round comes once there is nothing more to read
 * @out_idle: (out): TRUE when there was nothing more to read
 *
 * FALSE with HF_ERROR_FULL or HF_ERROR_IO when the books can't be written: the
 * auditor has to be opened anew.  A log, queue or journal that can't be read is
 * told by an event, and tried again in the next round.
 */
gboolean hf_auditor_round (HfAuditor *self, gboolean last, gboolean *out_idle, GError **error);

/* FALSE when the log could not be read in the last round. */
gboolean hf_auditor_reads_log (const HfAuditor *self);

G_END_DECLS
