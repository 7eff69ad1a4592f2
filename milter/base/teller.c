/* teller.c - the thread that tells what others have to say; see teller.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/base/teller.h"

#include <errno.h>
#include <pthread.h>

#define WAIT_MS 1000
#define MOST_NOTES 1000

static struct
{
  HfTell tell;
  GDestroyNotify free_note;
  pthread_mutex_t mutex;
  pthread_cond_t changed;

  /* under mutex */
  gboolean running;
  gboolean stopping;
  gboolean is_behind; /* somebody waited in vain: nobody does again till all is told */
  GQueue notes;
  guint64 given;
  guint64 told;
  guint64 dropped;
} teller = { .mutex = PTHREAD_MUTEX_INITIALIZER, .notes = G_QUEUE_INIT };

/* With the mutex held, which is given up for what may take long. */
static void
tell_next (void)
{
  gpointer note = g_queue_pop_head (&teller.notes);
  const guint64 dropped = teller.dropped;

  teller.dropped = 0;
  pthread_mutex_unlock (&teller.mutex);
  teller.tell (note, dropped);
  teller.free_note (note);
  pthread_mutex_lock (&teller.mutex);
  teller.told++;
  if (teller.notes.length == 0)
    teller.is_behind = FALSE;
  pthread_cond_broadcast (&teller.changed);
}

static gpointer
run (gpointer data)
{
  pthread_mutex_lock (&teller.mutex);
  while (!teller.stopping || teller.notes.length > 0)
    if (teller.notes.length > 0)
      tell_next ();
    else
      pthread_cond_wait (&teller.changed, &teller.mutex);
  teller.running = FALSE;
  pthread_cond_broadcast (&teller.changed);
  pthread_mutex_unlock (&teller.mutex);
  return data;
}

gboolean
hf_teller_start (HfTell tell, GDestroyNotify free_note, GError **error)
{
  pthread_t thread;
  gint failed;

  teller.tell = tell;
  teller.free_note = free_note;
  teller.stopping = FALSE;
  hf_sys_cond_init (&teller.changed);
  teller.running = TRUE;
  failed = pthread_create (&thread, NULL, run, NULL);
  if (failed == 0)
    {
      pthread_detach (thread);
      return TRUE;
    }
  teller.running = FALSE;
  return hf_error_set_errno (error, failed, "teller-start", "cannot start a thread");
}

/* With the mutex held. */
static void
wait_for_note (guint64 number)
{
  const struct timespec until = hf_sys_timespec (hf_sys_monotonic_ms () + WAIT_MS);

  while (teller.told < number && !teller.is_behind)
    if (pthread_cond_timedwait (&teller.changed, &teller.mutex, &until) == ETIMEDOUT)
      teller.is_behind = teller.told < number;
}

gboolean
hf_teller_give (gpointer note)
{
  gboolean running, fits;

  pthread_mutex_lock (&teller.mutex);
  running = teller.running;
  fits = running && teller.notes.length < MOST_NOTES;
  if (fits)
    {
      g_queue_push_tail (&teller.notes, note);
      pthread_cond_broadcast (&teller.changed);
      wait_for_note (++teller.given);
    }
  else if (running)
    teller.dropped++;
  pthread_mutex_unlock (&teller.mutex);
  if (running && !fits)
    teller.free_note (note);
  return running;
}

void
hf_teller_end (gint64 wait_ms)
{
  const struct timespec until = hf_sys_timespec (hf_sys_monotonic_ms () + wait_ms);

  pthread_mutex_lock (&teller.mutex);
  teller.stopping = TRUE;
  if (teller.running)
    pthread_cond_broadcast (&teller.changed);
  while (teller.running)
    if (pthread_cond_timedwait (&teller.changed, &teller.mutex, &until) == ETIMEDOUT)
      break;
  pthread_mutex_unlock (&teller.mutex);
}
