/* stage-pool.c - unnamed files whose message is committed; see stage-pool.h */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/filter/stage-pool.h"

#include <string.h>

void
hf_stage_pool_init (HfStagePool *self)
{
  memset (self, 0, sizeof *self);
  pthread_mutex_init (&self->mutex, NULL);
}

int
hf_stage_pool_take (HfStagePool *self)
{
  int fd = -1;

  pthread_mutex_lock (&self->mutex);
  if (self->count > 0)
    fd = self->fds[--self->count];
  self->unused = MIN (self->unused, self->count);
  pthread_mutex_unlock (&self->mutex);
  return fd;
}

void
hf_stage_pool_give (HfStagePool *self, int *fd)
{
  pthread_mutex_lock (&self->mutex);
  if (self->count < HF_STAGE_POOL_MOST)
    {
      self->fds[self->count++] = *fd;
      *fd = -1;
    }
  pthread_mutex_unlock (&self->mutex);
  hf_sys_close (fd);
}

guint
hf_stage_pool_take_unused (HfStagePool *self, int out_fds[HF_STAGE_POOL_MOST])
{
  guint unused;

  pthread_mutex_lock (&self->mutex);
  unused = self->unused;
  memcpy (out_fds, self->fds, unused * sizeof *out_fds);
  self->count -= unused;
  memmove (self->fds, self->fds + unused, self->count * sizeof *self->fds);
  self->unused = self->count;
  pthread_mutex_unlock (&self->mutex);
  return unused;
}
