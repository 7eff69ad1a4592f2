/* recover.h - what a start has to know of the newest segment
 *
 * Recovery reads and never writes: nothing is overwritten or removed, and
 * nothing is shortened but by the NULs at its end (segment.h).  What is not whole
 * is reported, and noted in the next segment as torn, so that later readers can
 * tell an unfinished write from damage.
 */
#pragma once

#include "milter/journal/directory.h"

G_BEGIN_DECLS

/* An item that is not whole, and why it does not count as damage. */
typedef struct
{
  guint64 offset;
  guint64 length;
  HfId id; /* empty when not readable */
  gchar *queue;
} HfTorn;

/* What the shape of a segment says on whether a breach is damage or a torn write. */
typedef struct
{
  guint64 synced;     /* lower bound of what was synced */
  guint64 told;       /* likewise, by what records that can be read say */
  guint64 end;        /* offset of the line that closes it; 0: there is none */
} HfTornRule;

/* TRUE when what begins at @offset may never have been synced. */
gboolean hf_torn_rule_holds (const HfTornRule *rule, guint64 offset);

/* Takes what a message that can be read says of what was synced before it. */
void hf_torn_rule_add (HfTornRule *rule, const HfItem *item);

typedef struct
{
  guint64 seq;             /* 0: there is no segment */
  gboolean gone;           /* `open` tells of a later one, which is not there */
  gboolean unread;         /* it could not be read to its end: what is below may not be all */
  gboolean has_nonce;
  HfNonce nonce;
  gboolean has_chain;
  HfDigest chain;          /* of the last whole record before `synced` */
  guint64 synced;          /* lower bound of what was synced */
  guint64 whole;           /* where the last statement or record ends that is whole */
  guint64 doubtful;        /* octets from there on that may never have been: a sync may have failed, and
                            * what is read now may come from memory alone; 0 where nothing was written */
  guint64 records;         /* whole ones */
  guint64 damaged;         /* items not whole that are damage */
  GArray *torn;            /* of HfTorn */
} HfRecovery;

void hf_recovery_clear (HfRecovery *self);

/**
 * hf_recover:
 * @dir_path: SPOOL/journal
 * @published: what `open` said before it was touched
 *
 * Scans the newest segment to its written end, past damage, and syncs it.
 * Reports torn and damaged items as events.  A newest segment that can't be
 * read is reported too and is no error: its records stay, the chain has a gap.
 * FALSE only when the directory can't be read.
 */
gboolean hf_recover (const gchar *dir_path, const HfPublished *published, HfRecovery *out_recovery, GError **error);

G_END_DECLS
