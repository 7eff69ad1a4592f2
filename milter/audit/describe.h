/* describe.h - findings and evidence in words
 *
 * The one place that makes `detail` and the sentences for people, so that
 * audit, explain and the ledger say the same.
 */
#pragma once

#include "milter/audit/message.h"

G_BEGIN_DECLS

/**
 * hf_describe_detail:
 * @leg: (nullable): NULL for the recipients that no line names
 * @finding: what it came to
 *
 * Why, by what, or where to: the remote reply, the child's queue id, the kind
 * of discard, the reason.  Returns: (transfer full) (nullable).
 */
gchar *hf_describe_detail (const HfMessage *message, const HfLeg *leg, HfFinding finding);

/* "accepted", "deferred", … : what the line of this evidence said. */
const gchar *hf_describe_evidence (const HfEvidence *evidence);

/* "forwarded", "filtered", "requeued", "notification", "cloned"; NULL for none. */
const gchar *hf_describe_link (HfLink link);

/* "postfix", "sendmail"; NULL when not known. */
const gchar *hf_describe_mta (HfMta mta);

G_END_DECLS
