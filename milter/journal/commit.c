/* commit.c - one message on its way into the journal; see commit.h */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/journal/commit.h"

#include <string.h>
#include <time.h>

HfCommit *
hf_commit_new (void)
{
  HfCommit *self = g_new0 (HfCommit, 1);

  self->refs = 1;
  self->fd = -1;
  pthread_mutex_init (&self->mutex, NULL);
  hf_sys_cond_init (&self->decided);
  return self;
}

HfCommit *
hf_commit_ref (HfCommit *self)
{
  g_atomic_int_inc (&self->refs);
  return self;
}

void
hf_commit_unref (HfCommit *self)
{
  if (self == NULL || !g_atomic_int_dec_and_test (&self->refs))
    return;
  hf_sys_close (&self->fd);
  hf_facts_clear (&self->facts);
  g_clear_error (&self->error);
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->decided);
  g_free (self);
}

HfCommitState
hf_commit_state (HfCommit *self)
{
  return g_atomic_int_get (&self->state);
}

gboolean
hf_commit_decide (HfCommit *self, GError *error)
{
  gboolean mine;

  pthread_mutex_lock (&self->mutex);
  mine = self->state == HF_COMMIT_WAITING;
  if (mine)
    {
      self->error = g_steal_pointer (&error);
      g_atomic_int_set (&self->state, self->error != NULL ? HF_COMMIT_FAILED : HF_COMMIT_DONE);
    }
  pthread_mutex_unlock (&self->mutex);
  /* Behind the lock, so that the woken thread does not run into it.  Our own
   * reference keeps the condition alive. */
  if (mine)
    pthread_cond_signal (&self->decided);
  g_clear_error (&error);
  return mine;
}

HfCommitState
hf_commit_wait (HfCommit *self, gint64 wait_ms)
{
  const gint64 until_ms = hf_sys_monotonic_ms () + wait_ms;
  const struct timespec until = hf_sys_timespec (until_ms);
  HfCommitState state;

  pthread_mutex_lock (&self->mutex);
  while (self->state == HF_COMMIT_WAITING && hf_sys_monotonic_ms () < until_ms)
    pthread_cond_timedwait (&self->decided, &self->mutex, &until);
  state = self->state;
  pthread_mutex_unlock (&self->mutex);
  return state;
}

HfCommitState
hf_commit_abandon (HfCommit *self)
{
  HfCommitState state;

  pthread_mutex_lock (&self->mutex);
  if (self->state == HF_COMMIT_WAITING)
    g_atomic_int_set (&self->state, HF_COMMIT_ABANDONED);
  state = self->state;
  pthread_mutex_unlock (&self->mutex);
  return state;
}

/* A value as xtext in its lines, at worst: each octet three, and a continuation
 * line's start for each line begun. */
static guint64
value_size (const gchar *value)
{
  return value == NULL ? 0 : 64 + 4 * (guint64) strlen (value);
}

guint64
hf_commit_record_size (const HfCommit *self)
{
  const HfFacts *facts = &self->facts;

  /* 1,024 covers the fixed values, DATA and the dot, and the seal */
  return 1024 + value_size (facts->daemon) + value_size (facts->queue) + value_size (facts->client)
         + value_size (facts->helo) + value_size (facts->auth) + self->lines_size + facts->wire;
}
