/* state.c - what is known of a recipient; see state.h */
#include <config.h>

#include "milter/command/state.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <string.h>

void
hf_states_free (HfStates *self)
{
  if (self == NULL)
    return;
  hf_acts_free (self->acts);
  hf_fates_free (self->fates);
  g_free (self);
}

HfStates *
hf_state_load (const HfConfig *config, const gchar *verb, int *out_exit)
{
  g_autoptr (HfStates) self = g_new0 (HfStates, 1);
  g_autoptr (GError) error = NULL;
  const gchar *fault;

  /* acts first: one that the auditor takes meanwhile is in the ledger then */
  self->acts = hf_acts_load (config->spool_directory, &error);
  if (self->acts != NULL)
    self->fates = hf_fates_open (config->spool_directory, &error);
  if (error != NULL)
    {
      fprintf (stderr, "holdfast %s: %s\n", verb, error->message);
      *out_exit = HF_EXIT_BLIND;
      return NULL;
    }
  for (guint i = 0; (fault = hf_acts_fault (self->acts, i)) != NULL; i++)
    fprintf (stderr, "holdfast %s: act %s\n", verb, fault);
  return g_steal_pointer (&self);
}

const HfAct *
hf_state_place (const HfStates *states, const HfViewEntry *entry)
{
  const HfAct *act;

  if (entry->copy == HF_COPY_WHOLE)
    return NULL;
  act = hf_acts_settled_place (states->acts, entry->seq, entry->item->offset);
  return act != NULL || states->fates == NULL ? act : hf_fates_place (states->fates, entry->seq, entry->item->offset);
}

/* What the ledger says of @address; FALSE where it says nothing. */
static gboolean
find_fate (const HfStates *states, const HfViewEntry *entry, const gchar *address, HfState *out_state)
{
  const GArray *fates
      = states->fates != NULL && entry->item->has_facts ? hf_fates_find (states->fates, entry->item->facts.id.text) : NULL;
  const GArray *recipients = entry->item->recipients;

  for (guint i = 0; fates != NULL && i < recipients->len && i < fates->len; i++)
    if (strcmp (g_array_index (recipients, HfPath, i).address, address) == 0)
      {
        const HfFateOf *fate = &g_array_index (fates, HfFateOf, i);

        *out_state = (HfState) { fate->state, fate->outcome, fate->detail, fate->since_ms };
        return TRUE;
      }
  return FALSE;
}

/* What the record itself says of @address, since it was carried forward. */
static gboolean
find_carried (const HfViewEntry *entry, const gchar *address, HfState *out_state)
{
  const GArray *recipients = entry->item->recipients;

  for (guint i = 0; i < recipients->len; i++)
    {
      const HfPath *path = &g_array_index (recipients, HfPath, i);

      if (path->state == NULL || strcmp (path->address, address) != 0)
        continue;
      *out_state = (HfState) { path->state, path->outcome, NULL, path->since_ms };
      return TRUE;
    }
  return FALSE;
}

gboolean
hf_state_is_final (const HfState *state)
{
  return strcmp (state->state, "settled") == 0 || strcmp (state->state, "void") == 0;
}

void
hf_state_of (const HfStates *states, const HfViewEntry *entry, const gchar *address, HfState *out_state)
{
  const HfAct *act;

  *out_state = (HfState) { "provisional", NULL, NULL, G_MININT64 };
  if (find_fate (states, entry, address, out_state))
    {
      if (hf_state_is_final (out_state))
        return;
    }
  else if (find_carried (entry, address, out_state))
    return;
  else if (entry->mark != NULL)
    {
      out_state->state = "void";
      out_state->detail = entry->mark->reason;
      return;
    }
  act = hf_acts_settled (states->acts, entry->item->facts.id.text, address);
  if (act == NULL)
    act = hf_state_place (states, entry);
  if (act == NULL)
    return;
  *out_state = (HfState) { "settled", act->outcome, act->reason, act->at_ms };
}

const gchar *
hf_state_word (const HfStates *states, const HfViewEntry *entry)
{
  const GArray *recipients = entry->item->recipients;
  const gchar *word = NULL;
  HfState state;

  for (guint i = 0; i < recipients->len; i++)
    {
      hf_state_of (states, entry, g_array_index (recipients, HfPath, i).address, &state);
      if (word != NULL && strcmp (word, state.state) != 0)
        return "partly";
      /* states have static names but for the ledger's, which end with the next call */
      word = g_intern_string (state.state);
    }
  if (word != NULL)
    return word;
  hf_state_of (states, entry, "", &state);
  return state.state;
}
