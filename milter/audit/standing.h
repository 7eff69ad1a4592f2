/* standing.h - what the ledger says of segments and of the records in them
 *
 * For who decides what may go (trimming.h).  All questions are asked of the
 * ledger as it is committed; errors are its own.
 */
#pragma once

#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

typedef struct HfStanding HfStanding;

/* @ledger is borrowed.  NULL with hf_ledger_error()'s error. */
HfStanding *hf_standing_new (HfLedger *ledger, GError **error);
void hf_standing_free (HfStanding *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfStanding, hf_standing_free)

/* Mail in a segment of which some recipient is neither void nor settled. */
typedef struct
{
  guint64 seq;
  guint64 messages;
  guint64 octets;   /* of their records */
  gint64 newest_ms; /* when the youngest came in */
} HfStandingOpen;

/* Of HfStandingOpen, by segment, ascending; only segments that have such mail. */
GArray *hf_standing_open (HfStanding *self, GError **error);

/* What else is in a segment. */
typedef struct
{
  gint64 settled_ms; /* when the last one was settled; G_MININT64: none was; G_MAXINT64: nobody knows */
  gint64 void_ms;    /* likewise, of void ones */
  guint64 octets;    /* of all records, settled or not */
} HfStandingSettled;

gboolean hf_standing_settled (HfStanding *self, guint64 seq, HfStandingSettled *out_settled, GError **error);

/* A message of the journal. */
typedef struct
{
  gint64 n;            /* 0: the ledger does not know it */
  guint64 seq, offset; /* where its copy stands */
  gboolean is_gone;    /* that was trimmed */
  gboolean is_void;    /* the filter claims that it tempfailed it */
} HfStandingCopy;

gboolean hf_standing_find (HfStanding *self, const gchar *id, HfStandingCopy *out_copy, GError **error);

/* One of its recipients, in the envelope's order. */
typedef struct
{
  gboolean is_settled, is_void;
  gint64 since_ms;
  const gchar *state; /* interned, and so is outcome; NULL: none */
  const gchar *outcome;
} HfStandingFate;

/* Of HfStandingFate, borrowed until the next call; NULL with @error. */
const GArray *hf_standing_fates (HfStanding *self, gint64 n, GError **error);

/* When what stands at a place and is no whole record was settled; G_MININT64: it was not. */
gboolean hf_standing_place (HfStanding *self, guint64 seq, guint64 offset, gint64 *out_at_ms, GError **error);

/* How many places were: it only grows. */
gboolean hf_standing_places (HfStanding *self, guint64 *out_count, GError **error);

/* A number that no segment of carried mail has, or had, as far as the ledger knows. */
gboolean hf_standing_unused (HfStanding *self, guint64 *out_seq, GError **error);

/* When segment @seq was trimmed, as the ledger has it; G_MININT64: it was not. */
gboolean hf_standing_trimmed (HfStanding *self, guint64 seq, gint64 *out_at_ms, GError **error);

G_END_DECLS
