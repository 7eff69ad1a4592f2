/* fate.c - the states, outcomes and reasons that a recipient can have */
#include <config.h>

#include "milter/audit/fate.h"

static const gchar *const states[HF_N_STATES] = { "provisional", "void",        "open",
                                                  "settled",     "unaccounted", "lost" };

static const gchar *const outcomes[HF_N_OUTCOMES]
    = { NULL,     "delivered", "relayed", "bounced",           "expired",  "redirected",
        "passed", "discarded", "deleted", "removed_by_filter", "declared" };

const gchar *
hf_state_name (HfState state)
{
  return states[state];
}

const gchar *
hf_outcome_name (HfOutcome outcome)
{
  return outcomes[outcome];
}

/* Its index; 0 for none. */
static guint
find (const gchar *const *names, guint count, const gchar *name)
{
  for (guint i = 0; i < count; i++)
    if (g_strcmp0 (names[i], name) == 0)
      return i;
  return 0;
}

HfState
hf_state_parse (const gchar *name)
{
  return (HfState) find (states, HF_N_STATES, name);
}

HfOutcome
hf_outcome_parse (const gchar *name)
{
  return (HfOutcome) find (outcomes, HF_N_OUTCOMES, name);
}

typedef struct
{
  const gchar *text, *explanation, *proof;
} Reason;

static const Reason reasons[HF_N_REASONS] = {
#define HF_REASON_ROW(name, text, explanation, proof) { text, explanation, proof },
  HF_REASONS (HF_REASON_ROW)
#undef HF_REASON_ROW
};

const gchar *
hf_reason_text (HfReason reason)
{
  return reasons[reason].text;
}

const gchar *
hf_reason_explanation (HfReason reason)
{
  return reasons[reason].explanation;
}

const gchar *
hf_reason_proof (HfReason reason)
{
  return reasons[reason].proof;
}

gboolean
hf_outcome_is_silent (HfOutcome outcome)
{
  return outcome == HF_OUTCOME_DISCARDED || outcome == HF_OUTCOME_DELETED
         || outcome == HF_OUTCOME_REMOVED_BY_FILTER || outcome == HF_OUTCOME_DECLARED;
}
