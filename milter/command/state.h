/* state.h - what is known of a recipient
 *
 * From the ledger, where an auditor keeps one.  Else from the journal alone:
 * void where a mark says so, else provisional.  And settled where an operator
 * declared it, whether the auditor has taken that into the books or not.
 */
#pragma once

#include "milter/base/config.h"
#include "milter/command/fates.h"
#include "milter/journal/acts.h"
#include "milter/journal/view.h"

G_BEGIN_DECLS

/* All borrowed from the entry and the states, until the next call. */
typedef struct
{
  const gchar *state;   /* as in JSON: provisional, void, open, settled, unaccounted, lost */
  const gchar *outcome; /* as in JSON, or NULL */
  const gchar *detail;  /* why, or NULL */
  gint64 settled_ms;    /* G_MININT64 when not settled */
} HfState;

/* What is known of a spool. */
typedef struct
{
  HfActs *acts;
  HfFates *fates; /* NULL: there is no ledger */
} HfStates;

void hf_states_free (HfStates *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfStates, hf_states_free)

/* Ledger and acts of the spool; what can't be taken is told on standard error.  NULL:
 * the reason stands there too, and *@out_exit is the exit code. */
HfStates *hf_state_load (const HfConfig *config, const gchar *verb, int *out_exit);

/* The state of the recipient @address of a message. */
void hf_state_of (const HfStates *states, const HfViewEntry *entry, const gchar *address, HfState *out_state);

/* TRUE for what is settled or void. */
gboolean hf_state_is_final (const HfState *state);

/* What stands there and is not whole was settled, be it by its id or by its place. */
const HfAct *hf_state_place (const HfStates *states, const HfViewEntry *entry);

/* One word for a message: its recipients' state, or "partly" where some are
 * settled and some are not. */
const gchar *hf_state_word (const HfStates *states, const HfViewEntry *entry);

G_END_DECLS
