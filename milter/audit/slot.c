/* slot.c - what became of a recipient of the envelope */
#include <config.h>

#include "milter/audit/slot.h"

/* Domains are ASCII in the log; local parts are compared without case too,
 * because Postfix and Sendmail fold them where they expand. */
gboolean
hf_slot_is (const gchar *kept, HfSlice address)
{
  return kept != NULL && address.at != NULL && strlen (kept) == address.length
         && g_ascii_strncasecmp (kept, address.at, address.length) == 0;
}

gboolean
hf_slot_is_expanded (const HfMessage *message, HfSlice address)
{
  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    if (hf_slot_is (leg->orig, address))
      return TRUE;
  return FALSE;
}

/* Of an address that became others, too, only its own line counts. */
gboolean
hf_slot_owns (const HfLeg *leg, HfSlice address, gboolean expanded)
{
  return hf_slot_is (leg->orig, address) || (hf_slot_is (leg->address, address) && (leg->orig == NULL || !expanded));
}

guint
hf_finding_weight (HfFinding finding)
{
  static const guint8 states[HF_N_STATES]
      = { [HF_STATE_VOID] = 0,        [HF_STATE_SETTLED] = 1,     [HF_STATE_PROVISIONAL] = 20,
          [HF_STATE_OPEN] = 21,       [HF_STATE_UNACCOUNTED] = 22, [HF_STATE_LOST] = 23 };
  static const guint8 outcomes[HF_N_OUTCOMES]
      = { [HF_OUTCOME_DELIVERED] = 0, [HF_OUTCOME_RELAYED] = 1,  [HF_OUTCOME_PASSED] = 2,
          [HF_OUTCOME_REDIRECTED] = 3, [HF_OUTCOME_DECLARED] = 4, [HF_OUTCOME_EXPIRED] = 5,
          [HF_OUTCOME_BOUNCED] = 6,   [HF_OUTCOME_REMOVED_BY_FILTER] = 7,
          [HF_OUTCOME_DELETED] = 8,   [HF_OUTCOME_DISCARDED] = 9 };

  return states[finding.state] + (finding.state == HF_STATE_SETTLED ? outcomes[finding.outcome] : 0);
}

HfFinding
hf_slot_find (const HfMessage *message, HfSlice address, const HfLeg **out_leg, guint *out_legs)
{
  const gboolean expanded = hf_slot_is_expanded (message, address);
  const HfLeg *worst = NULL;
  guint legs = 0;

  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    {
      if (!hf_slot_owns (leg, address, expanded))
        continue;
      legs++;
      if (worst == NULL || hf_finding_weight (leg->finding) > hf_finding_weight (worst->finding))
        worst = leg;
    }
  if (out_leg != NULL)
    *out_leg = worst;
  if (out_legs != NULL)
    *out_legs = legs;
  return worst != NULL ? worst->finding : message->rest_finding;
}
