/* scrub.h - the journal's closed segments, read again and again, slowly
 *
 * A copy that nobody looks at rots unseen.  Pass after pass, oldest segment
 * first and those of carried/ at the end, every record is read from the device
 * and verified; a pass is begun at most once a day.  The journal's newest
 * segment is left out: the filter writes it, or
 * reads it at its next start.  The position is in the books, so a restart goes
 * on where the last run was.
 *
 * | found                                | then                                         |
 * | a record that does not verify, twice | damaged: in the books, alarmed once          |
 * | an unfinished write, as noted        | torn: in the books; the filter told it       |
 * | a read error                         | the records of that segment one by one       |
 * | … and of a record, a minute apart, twice | damaged: it can't be had                 |
 * | a record that was damaged, whole     | whole: in the books, told                    |
 * | octets that are no message's, wrong  | in the books, alarmed once                   |
 *
 * A read error is no proof: a device may be away and come back.  A digest that
 * is wrong is read once more before it counts, since memory errs, too.
 * Nothing is ever changed or removed.
 */
#pragma once

#include "milter/ledger/ledger.h"
#include "milter/ledger/scrub-position.h"

G_BEGIN_DECLS

typedef struct HfScrub HfScrub;

/**
 * hf_scrub_new:
 * @spool: borrowed
 * @rate: octets a second; 0: off
 * @ledger, @daybook: borrowed
 *
 * Takes up the position of an earlier run.  NULL with the ledger's error.
 */
HfScrub *hf_scrub_new (const gchar *spool, guint64 rate, HfLedger *ledger, HfDaybook *daybook, GError **error);
void hf_scrub_free (HfScrub *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfScrub, hf_scrub_free)

/**
 * hf_scrub_work:
 * @below_seq: the books know all of the segments before this one
 *
 * Reads what the time since the last call allows, a second's worth at most, and
 * for no longer than a twentieth of a second, but for the record that is being
 * read then.  Adds what it finds to the group in the making.  FALSE with the
 * ledger's error alone; what can't be read is told by an event.
 */
gboolean hf_scrub_work (HfScrub *self, guint64 below_seq, GError **error);

const HfScrubPosition *hf_scrub_position (const HfScrub *self);

G_END_DECLS
