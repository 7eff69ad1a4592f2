/* fates.h - what the ledger says of messages of the journal, for the verbs
 *
 * Where no auditor has run there is no ledger, and nothing here says anything:
 * the verbs then tell what the journal alone can.
 */
#pragma once

#include "milter/journal/acts.h"
#include "milter/journal/view.h"
#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

/* Of one recipient; strings are owned by the array. */
typedef struct
{
  gchar *state;
  gchar *outcome; /* NULL: none */
  gchar *detail;  /* NULL: none */
  gint64 since_ms; /* when it came to that; G_MININT64 where it is not settled */
} HfFateOf;

typedef struct HfFates HfFates;

/* NULL without @error: there is no ledger.  NULL with @error: there is one, but
 * it can't be read. */
HfFates *hf_fates_open (const gchar *spool, GError **error);
void hf_fates_free (HfFates *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfFates, hf_fates_free)

HfLedger *hf_fates_ledger (HfFates *self);

/* The recipients of message @id in the envelope's order, of HfFateOf, borrowed
 * until the next call; NULL when the ledger does not know it yet. */
const GArray *hf_fates_find (HfFates *self, const gchar *id);

/* The act in the books that settles what stands at @offset of segment @seq and is
 * no whole record, borrowed until the next call; NULL for none. */
const HfAct *hf_fates_place (HfFates *self, guint64 seq, guint64 offset);

/* An act settled all that the books know of segment @seq, which is gone; @acts may not
 * have come to the books yet. */
gboolean hf_fates_is_settled (HfFates *self, const HfActs *acts, guint64 seq);

/**
 * hf_fates_each_missing:
 * @view: tells which segments were trimmed, of which the books need not know yet
 * @seen: ids of all messages that the journal has
 * @give: called with an entry made from the books, whose copy is damaged
 *
 * Messages whose copy is gone without having been trimmed.  What came while @view
 * was read is none: where the books say that it stands it does.
 */
gboolean hf_fates_each_missing (HfFates *self, const HfView *view, GHashTable *seen,
                                gboolean (*give) (const HfViewEntry *entry, gpointer data, GError **error), gpointer data,
                                GError **error);

G_END_DECLS
