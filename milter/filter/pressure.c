/* pressure.c - is there room for new mail?; see pressure.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/filter/pressure.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define LOOK_EVERY_MS 200

struct HfPressure
{
  gint refs; /* the owner's and the thread's */
  gchar *spool;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  gboolean stop;
  HfShare space_stop;
  HfShare inodes_stop;
  GError *refusal; /* why MAIL is refused; NULL when it is not */
};

static void
unref (HfPressure *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  g_clear_error (&self->refusal);
  g_free (self->spool);
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->changed);
  g_free (self);
}

static guint64
mark_of (HfShare share, guint64 total)
{
  return share.percent > 0 ? total / 100 * share.percent + total % 100 * share.percent / 100 : share.bytes;
}

/* TRUE when there is room; else @error tells what is short. */
static gboolean
enough (const struct statvfs *st, HfShare space_stop, HfShare inodes_stop, GError **error)
{
  const guint64 free_space = (guint64) st->f_bavail * st->f_frsize;
  const guint64 space_mark = mark_of (space_stop, (guint64) st->f_blocks * st->f_frsize);
  const guint64 inodes_mark = mark_of (inodes_stop, (guint64) st->f_files);

  if (free_space < space_mark)
    return hf_error_set (error, HF_ERROR_FULL, "space-mark",
                         "%" G_GUINT64_FORMAT " KiB free on spool, space_stop is at %" G_GUINT64_FORMAT " KiB",
                         free_space / 1024, space_mark / 1024);
  /* btrfs and some others count no inodes at all */
  if (st->f_files > 0 && (guint64) st->f_favail < inodes_mark)
    return hf_error_set (error, HF_ERROR_FULL, "inodes-mark",
                         "%" G_GUINT64_FORMAT " inodes free on spool, inodes_stop is at %" G_GUINT64_FORMAT,
                         (guint64) st->f_favail, inodes_mark);
  return TRUE;
}

/* With the mutex held; given up while the file system is asked. */
static void
look (HfPressure *self)
{
  const HfShare space_stop = self->space_stop, inodes_stop = self->inodes_stop;
  GError *refusal = NULL;
  struct statvfs st;
  gint failed;

  pthread_mutex_unlock (&self->mutex);
  failed = hf_sys.statvfs (self->spool, &st) < 0 ? errno : 0;
  pthread_mutex_lock (&self->mutex);
  /* A spool that can't be asked is the journal's and the stage's to report. */
  if (failed == 0)
    enough (&st, space_stop, inodes_stop, &refusal);
  if ((refusal != NULL) != (self->refusal != NULL))
    hf_event (refusal != NULL ? HF_EVENT_PRESSURE_STOP : HF_EVENT_PRESSURE_OVER, refusal, "spool", self->spool, NULL);
  g_clear_error (&self->refusal);
  self->refusal = refusal;
}

static gpointer
run (gpointer data)
{
  HfPressure *self = data;

  pthread_mutex_lock (&self->mutex);
  while (!self->stop)
    {
      struct timespec until;

      clock_gettime (CLOCK_MONOTONIC, &until);
      until.tv_nsec += LOOK_EVERY_MS * 1000000L;
      until.tv_sec += until.tv_nsec / 1000000000L;
      until.tv_nsec %= 1000000000L;
      pthread_cond_timedwait (&self->changed, &self->mutex, &until);
      if (!self->stop)
        look (self);
    }
  pthread_mutex_unlock (&self->mutex);
  unref (self);
  return NULL;
}

HfPressure *
hf_pressure_start (const gchar *spool, HfShare space_stop, HfShare inodes_stop, GError **error)
{
  HfPressure *self = g_new0 (HfPressure, 1);
  pthread_condattr_t attr;
  pthread_t thread;
  gint failed;

  self->refs = 2;
  self->spool = g_strdup (spool);
  self->space_stop = space_stop;
  self->inodes_stop = inodes_stop;
  pthread_mutex_init (&self->mutex, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&self->changed, &attr);
  pthread_condattr_destroy (&attr);
  pthread_mutex_lock (&self->mutex);
  look (self);
  pthread_mutex_unlock (&self->mutex);
  failed = pthread_create (&thread, NULL, run, self);
  if (failed == 0)
    {
      pthread_detach (thread);
      return self;
    }
  hf_error_set_errno (error, failed, "pressure-start", "cannot start a thread");
  unref (self);
  unref (self);
  return NULL;
}

void
hf_pressure_set_marks (HfPressure *self, HfShare space_stop, HfShare inodes_stop)
{
  pthread_mutex_lock (&self->mutex);
  self->space_stop = space_stop;
  self->inodes_stop = inodes_stop;
  pthread_mutex_unlock (&self->mutex);
}

gboolean
hf_pressure_check (HfPressure *self, GError **error)
{
  gboolean ok = TRUE;

  pthread_mutex_lock (&self->mutex);
  if (self->refusal != NULL)
    {
      ok = FALSE;
      g_propagate_error (error, g_error_copy (self->refusal));
    }
  pthread_mutex_unlock (&self->mutex);
  return ok;
}

void
hf_pressure_stop (HfPressure *self)
{
  if (self == NULL)
    return;
  pthread_mutex_lock (&self->mutex);
  self->stop = TRUE;
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  unref (self);
}
