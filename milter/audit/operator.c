/* operator.c - what an operator does to the queue with postsuper
 *
 * postsuper names ids that were given one by one; for ALL it logs a count only.
 * The count less the lines of the same process is what happened in bulk.
 */
#include <config.h>

#include "milter/audit/books-private.h"

static HfSuper *
find_super (HfBooks *self, const HfLogEvent *event, gboolean make)
{
  guint64 key = ((guint64)hf_books_number (self, event->host, 0) << 48)
                | ((guint64)hf_instance_of (self, event) << 32) | event->pid;
  HfSuper *super;

  for (guint i = 0; i < HF_SUPERS; i++)
    if (self->supers[i].key == key)
      return &self->supers[i];
  if (!make)
    return NULL;
  super = &self->supers[self->next_super];
  self->next_super = (self->next_super + 1) % HF_SUPERS;
  memset (super, 0, sizeof *super);
  super->key = key;
  return super;
}

void
hf_operator_single (HfBooks *self, const HfLogEvent *event, HfBulk bulk)
{
  find_super (self, event, TRUE)->singles[bulk]++;
}

/* What may have been deleted in bulk before, and was not seen since, can hardly
 * be hit again. */
static gboolean
may_be_hit (const HfMessage *message, guint16 host, guint16 instance)
{
  if (message->bulk_deleted && message->act_seq > message->alive_seq)
    return FALSE;
  return message->host == host && message->instance == instance
         && (message->closed == HF_CLOSED_NOT || message->closed == HF_CLOSED_REQUEUED)
         && !message->passed;
}

/* postsuper -r ALL before -d ALL: what waits to be queued again is hit too. */
static void
mark (HfBooks *self, HfMessage *message, HfBulk bulk)
{
  switch (bulk)
    {
    case HF_BULK_DELETED:
      message->bulk_deleted = TRUE;
      break;
    case HF_BULK_REQUEUED:
      message->bulk_requeued = TRUE;
      break;
    case HF_BULK_HELD:
      message->maybe_held = TRUE;
      return;
    case HF_BULK_RELEASED:
    case HF_BULK_EXPIRED:
    case HF_N_BULKS:
    default:
      return;
    }
  message->act_seq = self->seq;
  hf_books_review (self, message);
}

void
hf_operator_bulk (HfBooks *self, const HfLogEvent *event)
{
  HfSuper *super = find_super (self, event, FALSE);
  guint64 singles = super != NULL ? super->singles[event->bulk] : 0;
  guint16 host = hf_books_number (self, event->host, 0);
  guint16 instance = hf_instance_of (self, event);
  HfBulkAct act = { .at = event->at,
                    .seq = self->seq,
                    .count = event->count > singles ? event->count - singles : 0,
                    .bulk = event->bulk,
                    .wall_ms = event->wall_ms };

  if (super != NULL)
    super->singles[event->bulk] = 0;
  if (act.count == 0)
    return;
  for (HfMessage *message = self->oldest; message != NULL; message = message->newer)
    if (may_be_hit (message, host, instance))
      {
        act.candidates++;
        hf_books_add_evidence (self, message, event);
        mark (self, message, event->bulk);
      }
  g_array_append_val (self->bulk_acts, act);
}

/* Only short ids change, because only they hold the inode's number. */
void
hf_operator_renamed (HfBooks *self, const HfLogEvent *event)
{
  guint16 host = hf_books_number (self, event->host, 0);
  guint16 instance = hf_instance_of (self, event);

  if (instance >= self->renamed->len)
    g_array_set_size (self->renamed, instance + 1);
  g_array_index (self->renamed, guint64, instance) = self->seq;
  for (HfMessage *message = self->oldest; message != NULL; message = message->newer)
    if (may_be_hit (message, host, instance))
      {
        message->renamed = TRUE;
        message->act_seq = self->seq;
        hf_books_add_evidence (self, message, event);
        hf_books_review (self, message);
      }
}
