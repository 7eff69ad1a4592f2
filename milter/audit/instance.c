/* instance.c - which queue a syslog name speaks of
 *
 * Postfix's instances have names of their own and a queue each, so an id alone
 * names no message.  But a service of master.cf may be given a name, too
 * (-o syslog_name=submission), and works on its instance's queue all the same.
 * What tells them apart: a queue has its own cleanup, pickup and queue manager
 * under its name; such a service never has.
 */
#include <config.h>

#include "milter/audit/books-private.h"

static HfInstance *
get (HfBooks *self, guint16 number)
{
  if (number >= self->instances->len)
    g_array_set_size (self->instances, number + 1U);
  return &g_array_index (self->instances, HfInstance, number);
}

guint16
hf_instance_of (HfBooks *self, const HfLogEvent *event)
{
  const guint16 number = hf_books_number (self, event->instance, 1);

  if (number >= self->instances->len || g_array_index (self->instances, HfInstance, number).queue_of == 0)
    return number;
  return g_array_index (self->instances, HfInstance, number).queue_of;
}

/* The message that cleanup now speaks of was opened by a service that has no
 * cleanup of its own under its name: here is the queue that it writes to. */
static void
adopt_opened (HfBooks *self, const HfLogEvent *event, guint16 queue)
{
  const guint16 host = hf_books_number (self, event->host, 0);
  const HfMessage *own = hf_books_find (self, event, event->queue_id);

  if (own != NULL && !own->has_content && !hf_books_is_gone (own))
    return;
  for (HfMessage *it = hf_books_find_id (self, event->queue_id); it != NULL; it = it->next_same_id)
    if (it->host == host && it->instance != queue && !get (self, it->instance)->has_queue && it->opened
        && !it->has_content && it->closed == HF_CLOSED_NOT)
      {
        get (self, it->instance)->queue_of = queue;
        it->instance = queue;
        it->label = queue;
        return;
      }
}

/* A delivery agent that has no queue manager under its name speaks of a message
 * that another name's queue has. */
static void
adopt_agent (HfBooks *self, const HfLogEvent *event, guint16 number)
{
  const guint16 host = hf_books_number (self, event->host, 0);

  if (hf_books_find (self, event, event->queue_id) != NULL)
    return;
  for (const HfMessage *it = hf_books_find_id (self, event->queue_id); it != NULL; it = it->next_same_id)
    if (it->host == host && get (self, it->instance)->has_queue && it->accepted && !hf_books_is_gone (it))
      {
        get (self, number)->queue_of = it->instance;
        return;
      }
}

static gboolean
is_of_queue (HfLogKind kind)
{
  return kind == HF_LOG_CONTENT || kind == HF_LOG_ACCEPTED || kind == HF_LOG_REMOVED || kind == HF_LOG_SUBMITTED;
}

void
hf_instance_learn (HfBooks *self, const HfLogEvent *event)
{
  guint16 number;
  HfInstance *instance;

  if (event->mta != HF_MTA_POSTFIX || event->queue_id.length == 0 || event->instance.at == NULL)
    return;
  number = hf_books_number (self, event->instance, 1);
  instance = get (self, number);
  if (!instance->known)
    {
      instance->known = TRUE;
      self->n_services++;
    }
  if (is_of_queue (event->kind) && !instance->has_queue)
    {
      instance->has_queue = TRUE;
      instance->queue_of = 0;
      self->n_services--;
    }
  if (self->n_services == 0)
    return;
  if (event->kind == HF_LOG_CONTENT)
    adopt_opened (self, event, number);
  else if (event->kind == HF_LOG_RESULT && !instance->has_queue && instance->queue_of == 0)
    adopt_agent (self, event, number);
}
