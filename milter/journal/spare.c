/* spare.c - the helper that keeps segments written ahead; see spare.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/reserve.h"
#include "milter/journal/space.h"
#include "milter/journal/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

typedef enum
{
  SPARE_NONE,
  SPARE_WANTED,
  SPARE_READY,
  SPARE_FAILED,
} SpareState;

struct HfSpare
{
  gint refs; /* the journal's and the thread's */
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  SpareState state;
  gboolean awaited; /* somebody waits, and tells the failure himself */
  GError *failure;
  gboolean stop; /* atomic: looked at in the middle of a long write */
  int dir_fd;
  gchar *spool; /* or any path on its file system */
  guint64 size;
  HfReserve reserve; /* the thread's */
  HfAhead ahead;
  HfAhead this_ahead; /* of the one that is wanted or ready */
  HfUsage *usage;
};

static void
unref (HfSpare *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->changed);
  g_clear_error (&self->failure);
  hf_sys_close (&self->dir_fd);
  hf_usage_unref (self->usage);
  g_free (self->spool);
  g_free (self);
}

static guint64
octets_ahead (const HfSpare *self)
{
  return self->this_ahead != HF_AHEAD_NO ? self->size : 0;
}

/* Room below the mark is for the books and for reports: it is not filled with
 * NULs, whatever mail comes or does not come.  A spool that can't be asked is for
 * the write to report. */
static gboolean
has_room (const HfSpare *self)
{
  const guint64 mark = hf_usage_mark (self->usage);
  HfSpace space;

  return mark == 0 || !hf_space_look (self->spool, hf_usage_ground (self->usage), &space)
         || space.free >= mark + self->size;
}

/* With the mutex held.  Told here, and not by the helper when it comes to it:
 * by then others could have been promised the room. */
static void
want (HfSpare *self)
{
  self->state = SPARE_WANTED;
  self->this_ahead = self->ahead != HF_AHEAD_NO && has_room (self) ? self->ahead : HF_AHEAD_NO;
  hf_usage_announce (self->usage, octets_ahead (self));
  pthread_cond_broadcast (&self->changed);
}

/* From the reserve, which takes no new room: it will do, too, where a new spare would
 * have been left empty for want of it. */
static gboolean
take_from_reserve (HfSpare *self)
{
  const HfAhead ahead = self->ahead;
  gboolean taken = FALSE;

  pthread_mutex_unlock (&self->mutex);
  if (ahead == HF_AHEAD_NO)
    hf_reserve_tend (&self->reserve, ahead, &self->stop); /* first, for the room */
  else if (!g_atomic_int_get (&self->stop))
    taken = hf_reserve_take (&self->reserve);
  pthread_mutex_lock (&self->mutex);
  if (!taken)
    return FALSE;
  hf_usage_settle (self->usage, octets_ahead (self), FALSE);
  self->this_ahead = ahead;
  self->state = SPARE_READY;
  pthread_cond_broadcast (&self->changed);
  return TRUE;
}

static void
make_one (HfSpare *self)
{
  const HfAhead ahead = self->this_ahead;
  g_autoptr (GError) told = NULL;
  GError *failure = NULL;
  gboolean made;

  pthread_mutex_unlock (&self->mutex);
  made = hf_spare_make (self->dir_fd, HF_JOURNAL_SPARE, self->size, ahead, self->usage, &self->stop, &failure);
  pthread_mutex_lock (&self->mutex);
  g_clear_error (&self->failure);
  self->failure = failure;
  self->state = made ? SPARE_READY : SPARE_FAILED;
  told = !made && !self->awaited && !g_atomic_int_get (&self->stop) ? g_error_copy (failure) : NULL;
  pthread_cond_broadcast (&self->changed);
  if (told == NULL)
    return;
  /* telling takes as long as the reader of our standard error likes */
  pthread_mutex_unlock (&self->mutex);
  hf_event (HF_EVENT_SPARE_FAILED, told, NULL);
  pthread_mutex_lock (&self->mutex);
}

/* The spare is ready, and there is time to look after the reserve.  TRUE: something was
 * done, or is wanted meanwhile. */
static gboolean
tend_reserve (HfSpare *self)
{
  const HfAhead ahead = self->this_ahead;
  gboolean tended;

  pthread_mutex_unlock (&self->mutex);
  tended = hf_reserve_tend (&self->reserve, ahead, &self->stop);
  pthread_mutex_lock (&self->mutex);
  return tended || self->state != SPARE_READY || g_atomic_int_get (&self->stop);
}

static void
wait_for_change (HfSpare *self)
{
  const gint64 wait_ms = self->state == SPARE_READY ? hf_reserve_wait_ms (&self->reserve, self->this_ahead) : -1;
  const struct timespec until = hf_sys_timespec (hf_sys_monotonic_ms () + wait_ms);

  if (wait_ms < 0)
    pthread_cond_wait (&self->changed, &self->mutex);
  else
    pthread_cond_timedwait (&self->changed, &self->mutex, &until);
}

static gpointer
run (gpointer data)
{
  HfSpare *self = data;

  pthread_mutex_lock (&self->mutex);
  while (!g_atomic_int_get (&self->stop))
    {
      if (self->state == SPARE_WANTED)
        {
          if (!take_from_reserve (self))
            make_one (self);
        }
      else if (self->state != SPARE_READY || !tend_reserve (self))
        wait_for_change (self);
    }
  if (self->state == SPARE_WANTED)
    hf_usage_settle (self->usage, octets_ahead (self), FALSE);
  pthread_mutex_unlock (&self->mutex);
  unref (self);
  return NULL;
}

static gboolean
start_thread (HfSpare *self, GError **error)
{
  pthread_t thread;
  gint failed;

  g_atomic_int_inc (&self->refs);
  failed = pthread_create (&thread, NULL, run, self);
  if (failed == 0)
    {
      pthread_detach (thread);
      return TRUE;
    }
  unref (self);
  return hf_error_set_errno (error, failed, "spare-start", "cannot start a thread");
}

HfSpare *
hf_spare_start (const HfSpareParameters *parameters, GError **error)
{
  HfSpare *self = g_new0 (HfSpare, 1);

  self->refs = 1;
  pthread_mutex_init (&self->mutex, NULL);
  hf_sys_cond_init (&self->changed);
  self->spool = g_strdup (parameters->spool);
  self->size = parameters->size;
  self->ahead = parameters->ahead;
  self->usage = hf_usage_ref (parameters->usage);
  self->dir_fd = hf_sys.openat (parameters->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (self->dir_fd < 0)
    hf_error_set_errno (error, errno, "spare-start", "cannot open journal directory");
  else
    {
      hf_reserve_init (&self->reserve, self->dir_fd, self->spool, self->size, self->usage, MAX (parameters->most, 1) - 1,
                       parameters->quiet_ms);
      want (self);
      if (start_thread (self, error))
        return self;
      hf_usage_settle (self->usage, octets_ahead (self), FALSE);
    }
  unref (self);
  return NULL;
}

gboolean
hf_spare_take (HfSpare *self, guint64 *out_size, GError **error)
{
  gboolean ready;

  pthread_mutex_lock (&self->mutex);
  if (self->state == SPARE_FAILED || self->state == SPARE_NONE)
    want (self);
  self->awaited = TRUE;
  while (self->state == SPARE_WANTED)
    pthread_cond_wait (&self->changed, &self->mutex);
  self->awaited = FALSE;
  ready = self->state == SPARE_READY;
  *out_size = octets_ahead (self);
  if (ready)
    self->state = SPARE_NONE;
  else
    g_propagate_error (error, g_error_copy (self->failure));
  pthread_mutex_unlock (&self->mutex);
  return ready;
}

void
hf_spare_leave_empty (HfSpare *self)
{
  pthread_mutex_lock (&self->mutex);
  self->ahead = HF_AHEAD_NO;
  pthread_mutex_unlock (&self->mutex);
}

void
hf_spare_want (HfSpare *self)
{
  pthread_mutex_lock (&self->mutex);
  if (self->state == SPARE_FAILED || self->state == SPARE_NONE)
    want (self);
  pthread_mutex_unlock (&self->mutex);
}

void
hf_spare_stop (HfSpare *self)
{
  if (self == NULL)
    return;
  pthread_mutex_lock (&self->mutex);
  g_atomic_int_set (&self->stop, TRUE);
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  unref (self);
}
