/* syncer.c - the thread that syncs one group while the writer writes the next; see syncer.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/syncer.h"

typedef struct
{
  HfGroup group;     /* the writer's until it was read back, then the syncer's until it is answered */
  /* under the syncer's mutex */
  guint records;
  gboolean was_read; /* back */
  GError *fault;     /* what that, or writing out, found */
} Slot;

struct HfSyncer
{
  HfSyncerCalls calls;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;

  /* under mutex */
  Slot slots[HF_SYNCER_GROUPS]; /* a ring: the oldest that is held stands at first */
  guint first;
  guint held;
  gint64 ended_ms;              /* when one was held last */
  HfJournal *journal;           /* of those that are held; borrowed */
  GError *failure;              /* the first since the last drain */
  gboolean stopping;
};

/* With the mutex held, as for the two below.  @index: 0 for the oldest that is held. */
static Slot *
slot_at (HfSyncer *self, guint index)
{
  return &self->slots[(self->first + index) % HF_SYNCER_GROUPS];
}

/* Syncs the group and waits for what reading it back found.  Behind a group that
 * failed nothing counts, though it may be on the disk: the segment is lost. */
static void
settle (HfSyncer *self, Slot *slot)
{
  HfJournal *journal = self->journal;
  const gboolean lost = self->failure != NULL;
  GError *failed = NULL;

  pthread_mutex_unlock (&self->mutex);
  if (!lost)
    hf_group_sync (&slot->group, journal, &failed);
  pthread_mutex_lock (&self->mutex);
  while (!slot->was_read)
    pthread_cond_wait (&self->changed, &self->mutex);
  if (failed == NULL)
    failed = g_steal_pointer (&slot->fault);
  g_clear_error (&slot->fault);
  if (lost)
    g_clear_error (&failed);
  else
    self->failure = failed;
}

static void
sync_oldest (HfSyncer *self)
{
  Slot *slot = slot_at (self, 0);
  HfJournal *journal = self->journal;
  const GError *failure;

  settle (self, slot);
  failure = self->failure; /* changed by nobody while a group is held */
  pthread_mutex_unlock (&self->mutex);
  if (failure == NULL)
    hf_group_publish (&slot->group, journal);
  self->calls.answer (&slot->group, failure, self->calls.data);
  pthread_mutex_lock (&self->mutex);
  self->first = (self->first + 1) % HF_SYNCER_GROUPS;
  self->held--;
  self->ended_ms = hf_sys_monotonic_ms ();
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  self->calls.ended (self->calls.data);
  pthread_mutex_lock (&self->mutex);
}

static gpointer
run (gpointer data)
{
  HfSyncer *self = data;

  pthread_mutex_lock (&self->mutex);
  while (self->held > 0 || !self->stopping)
    {
      if (self->held > 0)
        sync_oldest (self);
      else
        pthread_cond_wait (&self->changed, &self->mutex);
    }
  pthread_mutex_unlock (&self->mutex);
  return NULL;
}

void
hf_syncer_free (HfSyncer *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < HF_SYNCER_GROUPS; i++)
    hf_group_clear (&self->slots[i].group);
  g_clear_error (&self->failure);
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->changed);
  g_free (self);
}

HfSyncer *
hf_syncer_start (const HfSyncerCalls *calls, GError **error)
{
  HfSyncer *self = g_new0 (HfSyncer, 1);
  gint failed;

  self->calls = *calls;
  for (guint i = 0; i < HF_SYNCER_GROUPS; i++)
    hf_group_init (&self->slots[i].group);
  pthread_mutex_init (&self->mutex, NULL);
  pthread_cond_init (&self->changed, NULL);
  failed = pthread_create (&self->thread, NULL, run, self);
  if (failed == 0)
    return self;
  hf_error_set_errno (error, failed, "writer-start", "cannot start the thread that syncs");
  hf_syncer_free (self);
  return NULL;
}

guint
hf_syncer_held (HfSyncer *self, guint *out_records)
{
  guint held, records = 0;

  pthread_mutex_lock (&self->mutex);
  held = self->held;
  for (guint i = 0; i < held; i++)
    records += slot_at (self, i)->records;
  pthread_mutex_unlock (&self->mutex);
  if (out_records != NULL)
    *out_records = records;
  return held;
}

gint64
hf_syncer_since_ms (HfSyncer *self)
{
  gint64 since_ms;

  pthread_mutex_lock (&self->mutex);
  since_ms = self->held > 0 ? MAX (slot_at (self, 0)->group.begun_ms, self->ended_ms) : 0;
  pthread_mutex_unlock (&self->mutex);
  return since_ms;
}

HfGroup *
hf_syncer_next (HfSyncer *self)
{
  HfGroup *group;

  pthread_mutex_lock (&self->mutex);
  g_assert (self->held < HF_SYNCER_GROUPS);
  group = &slot_at (self, self->held)->group;
  pthread_mutex_unlock (&self->mutex);
  return group;
}

gboolean
hf_syncer_hand_over (HfSyncer *self, HfJournal *journal)
{
  Slot *slot;
  GError *fault = NULL;
  gboolean must_wait, good;

  pthread_mutex_lock (&self->mutex);
  slot = slot_at (self, self->held);
  slot->records = slot->group.commits->len;
  slot->was_read = FALSE;
  must_wait = self->held > 0;
  self->journal = journal;
  self->held++;
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  /* its sync has less to do then, when its turn comes */
  good = (!must_wait || hf_group_write_out (&slot->group, journal, &fault))
         && hf_group_read_back (&slot->group, journal, &fault);
  pthread_mutex_lock (&self->mutex);
  slot->was_read = TRUE;
  slot->fault = fault;
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  return good;
}

gboolean
hf_syncer_drain (HfSyncer *self, GError **error)
{
  GError *failure;

  pthread_mutex_lock (&self->mutex);
  while (self->held > 0)
    pthread_cond_wait (&self->changed, &self->mutex);
  failure = g_steal_pointer (&self->failure);
  pthread_mutex_unlock (&self->mutex);
  if (failure == NULL)
    return TRUE;
  g_propagate_error (error, failure);
  return FALSE;
}

void
hf_syncer_stop (HfSyncer *self)
{
  pthread_mutex_lock (&self->mutex);
  self->stopping = TRUE;
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  pthread_join (self->thread, NULL);
}
