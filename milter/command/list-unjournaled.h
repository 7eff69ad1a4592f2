/* list-unjournaled.h - holdfast list --unjournaled: mail that went past the filter
 *
 * Messages that the MTA's log has accepted since the journal began, that are
 * nobody's child (a notification, a forward), and that the journal does not
 * have: the filter was bypassed, or an earlier one discarded them.
 */
#pragma once

#include "milter/command/fates.h"

G_BEGIN_DECLS

/* @fates: (nullable): NULL where there are no books.  Returns: the exit code. */
int hf_list_unjournaled (HfFates *fates, gboolean json);

G_END_DECLS
