/* writer.c - the one thread that writes the journal; see writer.h
 *
 * Life of a batch: take all small records up to a few MiB, or one large one;
 * drop what was abandoned meanwhile; make room; write, read back, sync; wake.
 * With MANY small ones waiting, or half of twice as many, they are written and handed
 * to the syncer, which syncs and wakes while the next are written (syncer.h): so the
 * disk always has something to sync.  With fewer, one thread is faster than two.
 *
 * After any failure the journal is abandoned and opened anew, at the next
 * batch or a second later, whatever comes first.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/keeper.h"
#include "milter/journal/syncer.h"
#include "milter/journal/writer.h"

#include <errno.h>
#include <string.h>

#define SMALL_RECORD (1024 * 1024)
#define GROUP_LIMIT (4 * 1024 * 1024)
#define MANY 8 /* records that are worth a sync of their own */
/* How long the last group's time tells what the next may take.  When MAIL is
 * turned away for it nothing is written, so it has to be forgotten again. */
#define REMEMBER_MS 5000

struct HfWriter
{
  gint refs; /* the owner's and the thread's */
  HfJournalParameters parameters;
  HfSyncer *syncer;
  HfKeeper keeper; /* the thread's, but for what is anybody's */
  pthread_mutex_t mutex;
  pthread_cond_t work;
  pthread_cond_t ended;

  /* under mutex */
  GQueue small;        /* of HfCommit */
  GQueue large;
  gboolean stopping;
  gboolean closed;     /* the thread takes nothing more */
  gboolean doubted;
  gboolean has_ended;
  gint64 busy_since_ms; /* 0: idle */
  gint64 last_ms;      /* of the last group */
  gint64 ended_ms;     /* when that was */
  gint64 overdue_ms;
  gboolean sync_failed; /* of a group that was handed over: the journal is to be let go */
  GArray *voids;       /* of HfVoid, waiting to be written; the thread may read them without, while none is handed over */

  /* the thread's own */
  GQueue dropped;      /* of HfCommit: abandoned before they were begun */
};

HfWriter *
hf_writer_ref (HfWriter *self)
{
  g_atomic_int_inc (&self->refs);
  return self;
}

static void
drop_all (GQueue *commits)
{
  HfCommit *commit;

  while ((commit = g_queue_pop_head (commits)) != NULL)
    hf_commit_unref (commit);
}

void
hf_writer_unref (HfWriter *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  drop_all (&self->small);
  drop_all (&self->large);
  hf_syncer_free (self->syncer);
  g_array_unref (self->voids);
  hf_keeper_clear (&self->keeper);
  g_free (self->parameters.spool);
  g_free (self->parameters.host);
  g_free (self->parameters.instance);
  hf_usage_unref (self->parameters.usage);
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->work);
  pthread_cond_destroy (&self->ended);
  g_free (self);
}

/* ---- one group ---- */

static void
want_void (HfWriter *self, const HfCommit *commit, guint64 segment, const gchar *reason)
{
  const HfVoid mark = { commit->facts.id, segment, reason };

  pthread_mutex_lock (&self->mutex);
  g_array_append_val (self->voids, mark);
  pthread_mutex_unlock (&self->mutex);
}

/* The group is on stable storage: tell the callbacks, and mark what was
 * abandoned while it was written. */
static void
answer_group (HfWriter *self, HfGroup *group)
{
  for (guint i = 0; i < group->commits->len; i++)
    {
      HfCommit *commit = g_ptr_array_index (group->commits, i);

      if (!hf_commit_decide (commit, NULL))
        want_void (self, commit, group->segment, "commit limit passed");
    }
  hf_group_forget (group);
}

/* Nothing of the group counts, but its records may lie in the segment. */
static void
fail_group (HfWriter *self, HfGroup *group, const GError *error)
{
  for (guint i = 0; i < group->commits->len; i++)
    {
      HfCommit *commit = g_ptr_array_index (group->commits, i);

      want_void (self, commit, group->segment, "commit failed");
      hf_commit_decide (commit, g_error_copy (error));
    }
  hf_group_forget (group);
}

static void
note_time (HfWriter *self, gint64 begun_ms)
{
  self->ended_ms = hf_sys_monotonic_ms ();
  self->last_ms = self->ended_ms - begun_ms;
}

/* The syncer is done with a group. */
static void
answer_held (HfGroup *group, const GError *error, gpointer data)
{
  HfWriter *self = data;

  pthread_mutex_lock (&self->mutex);
  note_time (self, hf_syncer_since_ms (self->syncer));
  self->sync_failed |= error != NULL;
  pthread_mutex_unlock (&self->mutex);
  if (error != NULL)
    {
      fail_group (self, group, error);
      return;
    }
  hf_keeper_prove (&self->keeper);
  answer_group (self, group);
}

static void
wake (gpointer data)
{
  HfWriter *self = data;

  pthread_mutex_lock (&self->mutex);
  pthread_cond_signal (&self->work);
  pthread_mutex_unlock (&self->mutex);
}

static void
fail_all (GQueue *batch, const GError *error)
{
  HfCommit *commit;

  while ((commit = g_queue_pop_head (batch)) != NULL)
    {
      hf_commit_decide (commit, g_error_copy (error));
      hf_commit_unref (commit);
    }
}

static guint64
batch_size (GQueue *batch, guint voids)
{
  guint64 size = (guint64) voids * 512;

  for (GList *link = batch->head; link != NULL; link = link->next)
    size += hf_commit_record_size (link->data);
  return size;
}

static gboolean
add_voids (HfWriter *self, HfGroup *group, guint count, GError **error)
{
  for (guint i = 0; i < count; i++)
    if (!hf_group_add_void (group, self->keeper.journal, &g_array_index (self->voids, HfVoid, i), error))
      return FALSE;
  return TRUE;
}

/* Takes the batch apart into the group; what can't be had from its stage fails
 * by itself.  FALSE: the segment failed. */
static gboolean
add_batch (HfWriter *self, HfGroup *group, GQueue *batch, GError **error)
{
  HfCommit *commit;

  while ((commit = g_queue_pop_head (batch)) != NULL)
    {
      g_autoptr (GError) failed = NULL;
      g_autoptr (HfCommit) owned G_GNUC_UNUSED = commit;

      switch (hf_group_add (group, self->keeper.journal, commit, &failed))
        {
        case HF_GROUP_ADDED:
          break;
        case HF_GROUP_LEFT_OUT:
          hf_commit_decide (commit, g_steal_pointer (&failed));
          break;
        case HF_GROUP_BROKEN:
          want_void (self, commit, self->keeper.journal->segment->seq, "commit failed");
          hf_commit_decide (commit, g_error_copy (failed));
          g_propagate_error (error, g_steal_pointer (&failed));
          return FALSE;
        }
    }
  return TRUE;
}

/* What was abandoned meanwhile is not begun: nothing was written, and there is
 * nothing to mark.  Its stage is closed later, without the mutex: that may take
 * as long as the disk takes, and MAIL asks for the mutex. */
static void
take_if_wanted (HfWriter *self, GQueue *from, GQueue *batch)
{
  HfCommit *commit = g_queue_pop_head (from);

  g_queue_push_tail (hf_commit_state (commit) != HF_COMMIT_ABANDONED ? batch : &self->dropped, commit);
}

/* Waits for what was handed over.  FALSE: it failed, and the journal is let go. */
static gboolean
drain (HfWriter *self, GError **error)
{
  g_autoptr (GError) failed = NULL;

  if (hf_syncer_drain (self->syncer, &failed))
    return TRUE;
  pthread_mutex_lock (&self->mutex);
  self->sync_failed = FALSE;
  pthread_mutex_unlock (&self->mutex);
  hf_keeper_lose (&self->keeper, failed);
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

/* Writes the batch, and void marks, and waits for the disk.  Nothing is handed over. */
static void
write_batch (HfWriter *self, GQueue *batch)
{
  g_autoptr (GError) error = NULL;
  const guint voids = MIN (self->voids->len, 1000);
  HfGroup *group = hf_syncer_next (self->syncer);

  if (!hf_keeper_need (&self->keeper, &error))
    {
      fail_all (batch, error);
      return;
    }
  if (!hf_journal_make_room (self->keeper.journal, batch_size (batch, voids), &error))
    {
      hf_keeper_lose (&self->keeper, error);
      fail_all (batch, error);
      return;
    }
  /* all that may have taken long */
  for (guint left = batch->length; left > 0; left--)
    take_if_wanted (self, batch, batch);
  hf_group_begin (group, self->keeper.journal);
  if (add_voids (self, group, voids, &error) && add_batch (self, group, batch, &error)
      && (group->commits->len + voids == 0 || hf_group_commit (group, self->keeper.journal, &error)))
    {
      if (group->commits->len + voids > 0)
        hf_keeper_prove (&self->keeper);
      pthread_mutex_lock (&self->mutex);
      g_array_remove_range (self->voids, 0, voids);
      pthread_mutex_unlock (&self->mutex);
      answer_group (self, group);
      return;
    }
  hf_keeper_lose (&self->keeper, error);
  fail_group (self, group, error);
  fail_all (batch, error);
}

/* Writes the batch, for which the segment has room, and leaves waiting for the disk
 * and the answers to the syncer. */
static void
hand_over_batch (HfWriter *self, GQueue *batch)
{
  g_autoptr (GError) error = NULL;
  HfGroup *group = hf_syncer_next (self->syncer);

  hf_group_begin (group, self->keeper.journal);
  if (!add_batch (self, group, batch, &error)
      || (group->commits->len > 0 && !hf_group_write (group, self->keeper.journal, &error)))
    {
      /* what stands in front of it may be good */
      if (drain (self, NULL))
        hf_keeper_lose (&self->keeper, error);
      fail_group (self, group, error);
      fail_all (batch, error);
    }
  else if (group->commits->len > 0 && !hf_syncer_hand_over (self->syncer, self->keeper.journal))
    drain (self, NULL);
}

/* ---- the thread ---- */

/* Are there so many small records, and nothing else to do, that a group of them is
 * to be written while another is synced? */
static gboolean
may_hand_over (HfWriter *self)
{
  guint records;

  return hf_keeper_check (&self->keeper, NULL) && !self->sync_failed && !self->stopping && self->large.length + self->voids->len == 0
         && hf_syncer_held (self->syncer, &records) < HF_SYNCER_GROUPS && self->small.length >= MAX (MANY, records);
}

static gboolean
has_work (HfWriter *self)
{
  if (hf_syncer_held (self->syncer, NULL) > 0)
    return may_hand_over (self);
  return self->sync_failed || self->small.length > 0 || self->large.length > 0 || self->keeper.hopeful
         || (self->keeper.journal != NULL && (self->voids->len > 0 || self->doubted));
}

/* Waits for work, a stop, or the time to look after the journal. */
static void
wait_for_work (HfWriter *self)
{
  const struct timespec until = hf_sys_timespec (hf_sys_monotonic_ms () + HF_KEEPER_RETRY_MS);

  while (!self->stopping && !has_work (self))
    if (pthread_cond_timedwait (&self->work, &self->mutex, &until) == ETIMEDOUT)
      return;
}

/* At most @most small records, up to the limit. */
static void
take_small (HfWriter *self, GQueue *batch, guint most)
{
  /* A group larger than a segment would need one of its own. */
  const guint64 limit = self->keeper.journal != NULL ? MIN (GROUP_LIMIT, self->keeper.journal->size / 4) : GROUP_LIMIT;
  guint64 size = 0;

  for (; most > 0 && size < limit; most--)
    {
      HfCommit *commit = self->small.head->data;

      size += hf_commit_record_size (commit);
      take_if_wanted (self, &self->small, batch);
    }
}

/* All small records; a large one by itself when none is small, or when @large_next
 * says that it is its turn. */
static void
take_batch (HfWriter *self, GQueue *batch, gboolean *large_next)
{
  if (self->large.length > 0 && (*large_next || self->small.length == 0))
    {
      *large_next = FALSE;
      take_if_wanted (self, &self->large, batch);
      return;
    }
  *large_next = self->large.length > 0;
  take_small (self, batch, self->small.length);
}

/* With the mutex held: what to write, and whether to hand it over.  Nothing, when it
 * has to wait for what was handed over: it may be abandoned meanwhile. */
static gboolean
choose (HfWriter *self, GQueue *batch, gboolean *large_next)
{
  const gboolean held = hf_syncer_held (self->syncer, NULL) > 0;
  const gboolean hands_over = may_hand_over (self);

  if (hands_over)
    take_small (self, batch, held || self->small.length < 2 * MANY ? self->small.length : self->small.length / 2);
  else if (!held && !self->sync_failed)
    take_batch (self, batch, large_next);
  return hands_over;
}

/* When nothing can be handed over.  TRUE: something was written, or tried. */
static gboolean
write_or_look (HfWriter *self, GQueue *batch, gboolean doubted)
{
  g_autoptr (GError) error = NULL;
  gboolean writes;

  if (!drain (self, &error))
    {
      fail_all (batch, error);
      return FALSE;
    }
  writes = batch->length > 0 || (self->voids->len > 0 && self->keeper.journal != NULL);
  if (writes)
    write_batch (self, batch);
  else
    hf_keeper_look (&self->keeper, doubted);
  return writes;
}

/* One turn of the thread, with the mutex held.  FALSE: stopped and empty. */
static gboolean
turn (HfWriter *self, gboolean *large_next)
{
  GQueue batch = G_QUEUE_INIT;
  gboolean doubted, hands_over, wrote = FALSE;

  wait_for_work (self);
  hands_over = choose (self, &batch, large_next);
  if (self->stopping && batch.length == 0 && self->small.length + self->large.length == 0
      && hf_syncer_held (self->syncer, NULL) == 0 && !self->sync_failed
      && (self->voids->len == 0 || (self->keeper.journal == NULL && !self->keeper.hopeful)))
    {
      self->closed = TRUE;
      return FALSE;
    }
  doubted = self->doubted && !hands_over;
  self->doubted = self->doubted && hands_over;
  self->busy_since_ms = hf_sys_monotonic_ms ();
  pthread_mutex_unlock (&self->mutex);
  if (hands_over && hf_journal_has_room (self->keeper.journal, batch_size (&batch, 0)))
    hand_over_batch (self, &batch);
  else
    wrote = write_or_look (self, &batch, doubted);
  drop_all (&self->dropped);
  pthread_mutex_lock (&self->mutex);
  if (wrote)
    note_time (self, self->busy_since_ms);
  self->busy_since_ms = 0;
  return TRUE;
}

static void
end (HfWriter *self)
{
  drop_all (&self->dropped);
  if (self->voids->len > 0)
    {
      g_autofree gchar *count = g_strdup_printf ("%u", self->voids->len);

      hf_event (HF_EVENT_VOID_UNMARKED, NULL, "count", count, "id", g_array_index (self->voids, HfVoid, 0).id.text,
                NULL);
    }
  hf_syncer_stop (self->syncer);
  hf_keeper_close (&self->keeper);
}

static gpointer
run (gpointer data)
{
  HfWriter *self = data;
  gboolean large_next = FALSE;

  pthread_mutex_lock (&self->mutex);
  while (turn (self, &large_next))
    ;
  pthread_mutex_unlock (&self->mutex);
  end (self);
  pthread_mutex_lock (&self->mutex);
  self->has_ended = TRUE;
  pthread_cond_broadcast (&self->ended);
  pthread_mutex_unlock (&self->mutex);
  hf_writer_unref (self);
  return NULL;
}

/* ---- the interface ---- */

static HfWriter *
new_writer (const HfJournalParameters *parameters, gint64 overdue_ms)
{
  HfWriter *self = g_new0 (HfWriter, 1);

  self->refs = 1;
  self->parameters = *parameters;
  self->parameters.spool = g_strdup (parameters->spool);
  self->parameters.host = g_strdup (parameters->host);
  self->parameters.instance = g_strdup (parameters->instance);
  self->parameters.usage = hf_usage_new ();
  atomic_store (&self->parameters.usage->mark, parameters->keep_free);
  self->overdue_ms = overdue_ms;
  self->voids = g_array_new (FALSE, FALSE, sizeof (HfVoid));
  pthread_mutex_init (&self->mutex, NULL);
  hf_sys_cond_init (&self->work);
  hf_sys_cond_init (&self->ended);
  return self;
}

HfWriter *
hf_writer_start (const HfJournalParameters *parameters, gint64 overdue_ms, GError **error)
{
  HfWriter *self = new_writer (parameters, overdue_ms);
  const HfSyncerCalls calls = { answer_held, wake, self };
  pthread_t thread;
  gint failed;

  if (!hf_keeper_start (&self->keeper, &self->parameters, error)
      || (self->syncer = hf_syncer_start (&calls, error)) == NULL)
    {
      hf_keeper_close (&self->keeper);
      hf_writer_unref (self);
      return NULL;
    }
  hf_writer_ref (self);
  failed = pthread_create (&thread, NULL, run, self);
  if (failed == 0)
    {
      pthread_detach (thread);
      return self;
    }
  hf_error_set_errno (error, failed, "writer-start", "cannot start the writer's thread");
  hf_syncer_stop (self->syncer);
  hf_keeper_close (&self->keeper);
  hf_writer_unref (self);
  hf_writer_unref (self);
  return NULL;
}

/* Of the oldest that is under way. */
static gint64
age_ms (const HfWriter *self)
{
  gint64 since_ms = hf_syncer_since_ms (self->syncer);

  if (since_ms == 0)
    since_ms = self->busy_since_ms;
  return since_ms != 0 ? hf_sys_monotonic_ms () - since_ms : 0;
}

gboolean
hf_writer_check (HfWriter *self, GError **error)
{
  gboolean ok = TRUE;

  pthread_mutex_lock (&self->mutex);
  if (age_ms (self) > self->overdue_ms)
    ok = hf_error_set (error, HF_ERROR_LATE, "journal-latency", "journal has not answered for %" G_GINT64_FORMAT " s",
                       age_ms (self) / 1000);
  else
    ok = hf_keeper_check (&self->keeper, error);
  pthread_mutex_unlock (&self->mutex);
  return ok;
}

void
hf_writer_set_overdue (HfWriter *self, gint64 overdue_ms)
{
  pthread_mutex_lock (&self->mutex);
  self->overdue_ms = overdue_ms;
  pthread_mutex_unlock (&self->mutex);
}

void
hf_writer_submit (HfWriter *self, HfCommit *commit)
{
  GError *error = NULL;
  gboolean closed;

  pthread_mutex_lock (&self->mutex);
  closed = self->closed;
  if (!closed)
    {
      hf_commit_ref (commit);
      g_queue_push_tail (hf_commit_record_size (commit) > SMALL_RECORD ? &self->large : &self->small, commit);
      if (hf_syncer_held (self->syncer, NULL) == 0 || may_hand_over (self))
        pthread_cond_signal (&self->work);
    }
  pthread_mutex_unlock (&self->mutex);
  if (!closed)
    return;
  hf_error_set (&error, HF_ERROR_BUSY, "draining", "the filter is stopping");
  hf_commit_decide (commit, error);
}

void
hf_writer_doubt (HfWriter *self)
{
  pthread_mutex_lock (&self->mutex);
  self->doubted = TRUE;
  pthread_cond_signal (&self->work);
  pthread_mutex_unlock (&self->mutex);
}

HfUsage *
hf_writer_usage (HfWriter *self)
{
  return self->parameters.usage;
}

gint64
hf_writer_latency_ms (HfWriter *self)
{
  gint64 latency_ms;

  pthread_mutex_lock (&self->mutex);
  latency_ms = age_ms (self);
  if (hf_sys_monotonic_ms () - self->ended_ms < REMEMBER_MS)
    latency_ms = MAX (latency_ms, self->last_ms);
  pthread_mutex_unlock (&self->mutex);
  return latency_ms;
}

gboolean
hf_writer_stop (HfWriter *self, gint64 wait_ms)
{
  const gint64 until_ms = hf_sys_monotonic_ms () + wait_ms;
  const struct timespec until = hf_sys_timespec (until_ms);
  gboolean ended;

  pthread_mutex_lock (&self->mutex);
  self->stopping = TRUE;
  pthread_cond_broadcast (&self->work);
  while (!self->has_ended && hf_sys_monotonic_ms () < until_ms)
    pthread_cond_timedwait (&self->ended, &self->mutex, &until);
  ended = self->has_ended;
  pthread_mutex_unlock (&self->mutex);
  hf_writer_unref (self);
  return ended;
}
