/* state.h - what is known of a recipient
 *
 * From the journal alone: void where a mark says so, else provisional; and
 * settled where an operator declared it.  The books know more.
 */
#pragma once

#include "milter/base/config.h"
#include "milter/journal/acts.h"
#include "milter/journal/view.h"

G_BEGIN_DECLS

/* All borrowed from the entry and the acts. */
typedef struct
{
  const gchar *state;   /* as in JSON: provisional, void, settled */
  const gchar *outcome; /* "declared", or NULL */
  const gchar *detail;  /* why, or NULL */
  gint64 settled_ms;    /* G_MININT64 when not settled */
} HfState;

/* The acts of the spool; what can't be taken is told on standard error.  NULL:
 * the reason stands there too, and *@out_exit is the exit code. */
HfActs *hf_state_load (const HfConfig *config, const gchar *verb, int *out_exit);

/* The state of the recipient @address of a message. */
void hf_state_of (const HfActs *acts, const HfViewEntry *entry, const gchar *address, HfState *out_state);

/* What stands there and is not whole was settled, be it by its id or by its place. */
const HfAct *hf_state_place (const HfActs *acts, const HfViewEntry *entry);

/* One word for a message: its recipients' state, or "partly" where some are
 * settled and some are not. */
const gchar *hf_state_word (const HfActs *acts, const HfViewEntry *entry);

G_END_DECLS
