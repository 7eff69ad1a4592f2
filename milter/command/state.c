/* state.c - what is known of a recipient; see state.h */
#include <config.h>

#include "milter/command/state.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <string.h>

HfActs *
hf_state_load (const HfConfig *config, const gchar *verb, int *out_exit)
{
  g_autoptr (GError) error = NULL;
  HfActs *acts = hf_acts_load (config->spool_directory, &error);
  const gchar *fault;

  if (acts == NULL)
    {
      fprintf (stderr, "holdfast %s: %s\n", verb, error->message);
      *out_exit = HF_EXIT_BLIND;
      return NULL;
    }
  for (guint i = 0; (fault = hf_acts_fault (acts, i)) != NULL; i++)
    fprintf (stderr, "holdfast %s: act %s\n", verb, fault);
  return acts;
}

const HfAct *
hf_state_place (const HfActs *acts, const HfViewEntry *entry)
{
  return entry->copy == HF_COPY_WHOLE ? NULL : hf_acts_settled_place (acts, entry->seq, entry->item->offset);
}

void
hf_state_of (const HfActs *acts, const HfViewEntry *entry, const gchar *address, HfState *out_state)
{
  const HfAct *act;

  *out_state = (HfState) { "provisional", NULL, NULL, G_MININT64 };
  if (entry->mark != NULL)
    {
      out_state->state = "void";
      out_state->detail = entry->mark->reason;
      return;
    }
  act = hf_acts_settled (acts, entry->item->facts.id.text, address);
  if (act == NULL)
    act = hf_state_place (acts, entry);
  if (act == NULL)
    return;
  *out_state = (HfState) { "settled", act->outcome, act->reason, act->at_ms };
}

const gchar *
hf_state_word (const HfActs *acts, const HfViewEntry *entry)
{
  const GArray *recipients = entry->item->recipients;
  const gchar *word = NULL;
  HfState state;

  for (guint i = 0; i < recipients->len; i++)
    {
      hf_state_of (acts, entry, g_array_index (recipients, HfPath, i).address, &state);
      if (word != NULL && strcmp (word, state.state) != 0)
        return "partly";
      word = state.state;
    }
  if (word != NULL)
    return word;
  hf_state_of (acts, entry, "", &state);
  return state.state;
}
