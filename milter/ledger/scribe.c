/* scribe.c - a thread that enters the books' groups into the ledger; see scribe.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/ledger/daybook-private.h"
#include "milter/ledger/scribe.h"

#include <pthread.h>

/* Groups that wait: enough that neither side waits for the other's syncs. */
#define WAITING_MAX 3

/* How long changes are gathered while there is more: a page of an index by
 * address is written once for many rows then. */
#define GATHER_MS (5 * 1000)

typedef struct
{
  GString *text;
  HfDaybookMark mark;
} Group;

struct HfScribe
{
  HfLedger *ledger;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;

  /* under mutex */
  GQueue groups;       /* of Group */
  gboolean is_behind;  /* something was given since the last hf_scribe_finish() */
  gboolean finishing;  /* commit once they are entered */
  gboolean stopping;
  GError *failed;

  /* the thread's own */
  HfStatement scratch;
  gint64 committed_ms; /* monotonic */
};

static void
group_free (gpointer data)
{
  Group *group = data;

  g_string_free (group->text, TRUE);
  g_free (group);
}

static gboolean
commit (HfScribe *self, GError **error)
{
  self->committed_ms = hf_sys_monotonic_ms ();
  return hf_ledger_commit (self->ledger, error);
}

static gboolean
enter (HfScribe *self, const Group *group, GError **error)
{
  const HfDaybookSink *sink = hf_ledger_sink (self->ledger);

  return hf_daybook_give (group->text->str, group->text->len, &self->scratch, sink, error)
         && sink->committed (&group->mark, sink->data, error)
         && (hf_sys_monotonic_ms () - self->committed_ms < GATHER_MS || commit (self, error));
}

/* One turn of the thread, with the mutex held.  FALSE: stopped. */
static gboolean
turn (HfScribe *self)
{
  GError *failed = NULL;
  Group *group;

  while (self->groups.length == 0 && !self->finishing && !self->stopping)
    pthread_cond_wait (&self->changed, &self->mutex);
  group = g_queue_pop_head (&self->groups);
  if (group == NULL && !self->finishing)
    return FALSE;
  if (self->failed == NULL)
    {
      pthread_mutex_unlock (&self->mutex);
      if (group != NULL)
        enter (self, group, &failed);
      else
        commit (self, &failed);
      pthread_mutex_lock (&self->mutex);
      self->failed = failed;
    }
  if (group == NULL)
    self->finishing = FALSE;
  else
    group_free (group);
  pthread_cond_broadcast (&self->changed);
  return TRUE;
}

static gpointer
run (gpointer data)
{
  HfScribe *self = data;

  pthread_mutex_lock (&self->mutex);
  while (turn (self))
    ;
  pthread_mutex_unlock (&self->mutex);
  return NULL;
}

HfScribe *
hf_scribe_new (HfLedger *ledger, GError **error)
{
  HfScribe *self = g_new0 (HfScribe, 1);
  gint failed;

  self->ledger = ledger;
  self->committed_ms = hf_sys_monotonic_ms ();
  g_queue_init (&self->groups);
  hf_statement_init (&self->scratch);
  pthread_mutex_init (&self->mutex, NULL);
  pthread_cond_init (&self->changed, NULL);
  failed = pthread_create (&self->thread, NULL, run, self);
  if (failed == 0)
    return self;
  hf_error_set_errno (error, failed, "ledger", "cannot start the ledger's thread");
  hf_statement_clear (&self->scratch);
  g_free (self);
  return NULL;
}

void
hf_scribe_free (HfScribe *self)
{
  if (self == NULL)
    return;
  hf_scribe_finish (self, NULL);
  pthread_mutex_lock (&self->mutex);
  self->stopping = TRUE;
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  pthread_join (self->thread, NULL);
  hf_statement_clear (&self->scratch);
  g_clear_error (&self->failed);
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->changed);
  g_free (self);
}

/* With the mutex held. */
static gboolean
tell (const HfScribe *self, GError **error)
{
  if (self->failed != NULL)
    g_propagate_error (error, g_error_copy (self->failed));
  return self->failed == NULL;
}

gboolean
hf_scribe_give (HfScribe *self, GString *group, const HfDaybookMark *mark, GError **error)
{
  Group *given = g_new (Group, 1);
  gboolean ok;

  *given = (Group){ group, *mark };
  pthread_mutex_lock (&self->mutex);
  while (self->groups.length >= WAITING_MAX)
    pthread_cond_wait (&self->changed, &self->mutex);
  g_queue_push_tail (&self->groups, given);
  self->is_behind = TRUE;
  pthread_cond_broadcast (&self->changed);
  ok = tell (self, error);
  pthread_mutex_unlock (&self->mutex);
  return ok;
}

gboolean
hf_scribe_finish (HfScribe *self, GError **error)
{
  gboolean ok;

  pthread_mutex_lock (&self->mutex);
  self->finishing = self->is_behind;
  self->is_behind = FALSE;
  pthread_cond_broadcast (&self->changed);
  while (self->finishing)
    pthread_cond_wait (&self->changed, &self->mutex);
  ok = tell (self, error);
  pthread_mutex_unlock (&self->mutex);
  return ok;
}
