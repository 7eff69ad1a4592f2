/* slot.h - what became of a recipient of the envelope
 *
 * The journal has slots: RCPT commands.  The log has legs: deliveries, after
 * rewriting and expansion.  A slot is final only when all its legs are.
 */
#pragma once

#include "milter/audit/message.h"

G_BEGIN_DECLS

/**
 * hf_slot_find:
 * @address: as in the RCPT command, without angle brackets
 * @out_leg: (optional) (nullable): the leg that decided, NULL when none is named so
 * @out_legs: (optional): how many legs the slot has
 *
 * Matches the original address first, then the final one, case folded.  Of
 * several legs the one that needs most attention decides: what is not final
 * before what is, what nobody was told of before what was.  Without a leg, the
 * finding is that of the recipients that no line names.
 */
HfFinding hf_slot_find (const HfMessage *message, HfSlice address, const HfLeg **out_leg, guint *out_legs);

/* TRUE when @kept is @address; case does not count. */
gboolean hf_slot_is (const gchar *kept, HfSlice address);

/* TRUE when a leg of @message says that it was @address before. */
gboolean hf_slot_is_expanded (const HfMessage *message, HfSlice address);

/* TRUE when @leg is one of the slot's; @expanded: as hf_slot_is_expanded() tells. */
gboolean hf_slot_owns (const HfLeg *leg, HfSlice address, gboolean expanded);

/* Of two findings the one that weighs more needs more attention. */
guint hf_finding_weight (HfFinding finding);

G_END_DECLS
