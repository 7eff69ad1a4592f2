/* trimming.h - the auditor's pass over the journal: what may go, goes (P3)
 *
 * The ledger knows which segments hold nothing but void and settled mail for
 * long enough.  Only these are read, every record and digest of them, and each
 * record has to be what the ledger says before its segment is removed
 * (journal/trim.h).  Mail that is not settled and keeps a segment by itself is
 * carried forward first (journal/carried.h).  When the spool's room is below the
 * warning mark, settled copies go before their retention is over.
 *
 * A pass never removes anything when it can't be sure what time it is
 * (clockwatch.h), and waits for nobody: where readers hold the journal it is
 * tried again.  A crash anywhere in it is harmless.
 */
#pragma once

#include "milter/base/values.h"
#include "milter/journal/carried.h"
#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

typedef struct
{
  const gchar *spool;     /* borrowed, like instance */
  const gchar *instance;  /* of the MTA; "" for none */
  gint64 retention_ms;
  gint64 carry_after_ms;
  guint64 segment_size;   /* what the filter may be writing ahead */
  gboolean write_ahead;
  HfShare space_warn;
  HfShare inodes_warn;
} HfTrimmingSettings;

typedef struct HfTrimming HfTrimming;

/* Books and ledger are borrowed.  NULL with hf_ledger_error()'s error. */
HfTrimming *hf_trimming_new (const HfTrimmingSettings *settings, HfDaybook *daybook, HfLedger *ledger, GError **error);
void hf_trimming_free (HfTrimming *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfTrimming, hf_trimming_free)

/* Enters into @daybook where a message's copy stands from now on. */
void hf_trimming_tell_carried (HfDaybook *daybook, guint64 seq, const HfCarriedRecord *record);

/* It is time for a pass: once a minute, more often where the retention is short
 * or the spool runs full. */
gboolean hf_trimming_is_due (HfTrimming *self);

/**
 * hf_trimming_pass:
 * @read_before: the books have all of the journal's segments before this one,
 *   and the log has been read to its end; nothing waits for the books' next group
 *
 * What goes wrong with the journal is told by an event and tried again in the
 * next pass.  FALSE with hf_daybook_commit()'s error, or the ledger's: both have
 * to be opened anew.
 */
gboolean hf_trimming_pass (HfTrimming *self, guint64 read_before, GError **error);

G_END_DECLS
