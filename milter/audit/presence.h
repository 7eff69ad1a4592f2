/* presence.h - which segments of the journal are there, and which went unasked
 *
 * A copy whose segment is gone without a note of trimming is damaged: its
 * envelope stays in the books, and an event tells.  Asked once when the
 * auditor starts, for all that the books know, and while it runs for what was
 * there a moment ago (KB Q146950: the spool goes while the connector runs).
 */
#pragma once

#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

typedef struct
{
  const gchar *spool; /* borrowed */
  HfLedger *ledger;   /* borrowed */
  GArray *present;    /* of guint64: at the last look */
  gint64 next_ms;     /* monotonic: of the next look */
} HfPresence;

void hf_presence_init (HfPresence *self, const gchar *spool, HfLedger *ledger);
void hf_presence_clear (HfPresence *self);

/* All that the books know.  FALSE with the ledger's error; a directory that can't
 * be read says nothing about its files. */
gboolean hf_presence_check (HfPresence *self, GError **error);

/* What went since the last look; looks every five seconds, whenever it is called.
 * Outside of a group that is being entered. */
gboolean hf_presence_watch (HfPresence *self, GError **error);

G_END_DECLS
