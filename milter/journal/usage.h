/* usage.h - what the journal takes of the file system, told to whoever plans
 *
 * The filter promises room to messages before they come (reservation.h).  Its
 * last look at the file system grows old while the journal grows, so the
 * journal counts here what it has taken since, and what it is about to take.
 *
 * Shared by the writer, its helper and the filter; each holds a reference.
 * Counters are atomic and touched a few times a group.
 *
 * A record goes into room that was written ahead, so it takes none when it is
 * written.  But once the segment is full another is made: each octet written
 * is one that is coming, until the next spare is wanted and stands for them.
 * (That is too much where the next comes from the reserve, which has its room.)
 */
#pragma once

#include "milter/journal/ground.h"

#include <glib.h>
#include <stdatomic.h>

G_BEGIN_DECLS

typedef struct
{
  _Atomic guint64 grown;  /* octets taken for good since the start; counted once they are synced */
  /* octets that are sure to be taken: of a spare that is being written ahead,
   * and of the open segment as it fills, because the next spare will take them */
  _Atomic guint64 coming;
  _Atomic guint64 mark;   /* octets that are to stay free: below, nothing is written ahead */
  _Atomic int ground;     /* HfGroundKind, as found when the journal was opened or since */
  gint refs;              /* private */
} HfUsage;

HfUsage *hf_usage_new (void);
HfUsage *hf_usage_ref (HfUsage *self);
void hf_usage_unref (HfUsage *self);

/* @self may be NULL in all of these: then nobody plans. */
void hf_usage_grow (HfUsage *self, guint64 octets);
void hf_usage_announce (HfUsage *self, guint64 octets);
/* Takes an announcement back; @taken: the room was taken meanwhile. */
void hf_usage_settle (HfUsage *self, guint64 octets, gboolean taken);

/* Octets that are to stay free, and how the ground is: in place where nobody plans. */
guint64 hf_usage_mark (HfUsage *self);
HfGroundKind hf_usage_ground (HfUsage *self);

/* What was taken and what is coming, together.  What goes from the one to the
 * other meanwhile may count twice, and never not at all. */
guint64 hf_usage_sum (HfUsage *self);

G_END_DECLS
