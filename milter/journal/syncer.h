/* syncer.h - the thread that syncs one group while the writer writes the next
 *
 * A disk syncs for most of the time that a group takes.  While much mail waits,
 * the writer hands a group over as soon as it is written, reads it back while it
 * is synced, and goes on to the next.  Groups are synced, and their callbacks
 * answered, in the order in which they were written; where one fails, so do all
 * behind it.
 *
 * While a group is held, the syncer alone makes it durable and publishes it
 * (group.h).  All else of the journal is the writer's, who drains the syncer
 * before it leaves the segment, closes the journal or lets it go.
 *
 * Used by the writer's thread, but for what says otherwise.
 */
#pragma once

#include "milter/journal/group.h"

G_BEGIN_DECLS

/* One that is synced, and one that is ready when that is done. */
#define HF_SYNCER_GROUPS 2

typedef struct HfSyncer HfSyncer;

/* Called by the syncer's thread. */
typedef struct
{
  /* @group is on stable storage or, with @error (borrowed), nothing of it counts:
   * answers its callbacks and forgets it. */
  void (*answer) (HfGroup *group, const GError *error, gpointer data);
  /* One group less is held. */
  void (*ended) (gpointer data);
  gpointer data; /* borrowed */
} HfSyncerCalls;

/* Starts the thread.  NULL with @error: there is none to be had. */
HfSyncer *hf_syncer_start (const HfSyncerCalls *calls, GError **error);

/* Groups that are held, and in @out_records (nullable) how many records they have.
 * Threads: any. */
guint hf_syncer_held (HfSyncer *self, guint *out_records);

/* Since when the disk has been busy with the oldest of them, by the monotonic clock:
 * since it was begun or, where that is later, the one before it ended.  0: none is
 * held.  Threads: any. */
gint64 hf_syncer_since_ms (HfSyncer *self);

/* The group to write the next records into, borrowed.  Fewer than
 * HF_SYNCER_GROUPS must be held. */
HfGroup *hf_syncer_next (HfSyncer *self);

/* Hands over the group that hf_syncer_next() gave and hf_group_write() wrote, and
 * reads it back meanwhile.  FALSE: it will fail, which the answer and the drain tell,
 * and nothing may be written behind it. */
gboolean hf_syncer_hand_over (HfSyncer *self, HfJournal *journal);

/* Waits, so long as the disk takes, until none is held.  FALSE with the first
 * failure since the last drain: the journal is to be let go. */
gboolean hf_syncer_drain (HfSyncer *self, GError **error);

/* Ends the thread and waits for it; what is held is synced first. */
void hf_syncer_stop (HfSyncer *self);

/* After the stop, when no thread asks any more. */
void hf_syncer_free (HfSyncer *self);

G_END_DECLS
