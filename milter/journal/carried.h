/* carried.h - records carried forward, so that the segments they kept can go
 *
 * A message that is not settled for days would keep a whole segment.  It is
 * written anew to a segment in SPOOL/carried: same id, same message, same facts;
 * RCPT lines for those recipients only that are not settled, and in the place of
 * the others a line with what they came to.  The segment gets its name when all
 * of it is on stable storage and was read back, so until then the old copy is
 * the only one, and from then on there are two: two copies of one id are one
 * message.  Bytes: doc/FORMAT, section 12.
 */
#pragma once

#include "milter/journal/view.h"

G_BEGIN_DECLS

/* What a recipient came to; state is NULL for one that is not settled. */
typedef struct
{
  const gchar *state; /* "settled" or "void" */
  const gchar *outcome;
  gint64 since_ms;
} HfCarriedFate;

/* Where a message stands now. */
typedef struct
{
  HfId id;
  guint64 offset;
  guint64 length;
} HfCarriedRecord;

typedef struct HfCarried HfCarried;

/**
 * hf_carried_new:
 * @instance: (nullable): of the MTA, for the header
 * @least: the number to use at least; numbers are never used twice
 *
 * Begins a segment; it has no name yet.  Makes SPOOL/carried where it is missing.
 * NULL with HF_ERROR_FULL, HF_ERROR_DENIED or HF_ERROR_IO.
 */
HfCarried *hf_carried_new (const gchar *spool, const gchar *instance, guint64 least, GError **error);

/* What was not finished is removed. */
void hf_carried_free (HfCarried *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfCarried, hf_carried_free)

/**
 * hf_carried_add:
 * @entry: what hf_view_next() has just given: a whole message, with its recipients
 * @fates: of HfCarriedFate, one for each recipient
 *
 * Writes the message.  FALSE with the errors of above, or HF_ERROR_CORRUPT where
 * it can't be read any more: nothing more may be added then.
 */
gboolean hf_carried_add (HfCarried *self, HfView *view, const HfViewEntry *entry, const GArray *fates, GError **error);

/**
 * hf_carried_finish:
 * @out_seq: (out): the segment's number
 *
 * TRUE: all that was added was read back as it was, is on stable storage, and
 * has its name.
 */
gboolean hf_carried_finish (HfCarried *self, guint64 *out_seq, GError **error);

/* Of HfCarriedRecord, in their order; borrowed. */
const GArray *hf_carried_records (const HfCarried *self);

G_END_DECLS
