/* sums.c - what the log must be at one with itself about
 *
 * Each message that the MTA took ends in one way; its queue file has so many
 * recipients and no more; each child has one parent; a bulk act hits as many
 * messages as it says.  The sums over recipients are in books.c.
 */
#include <config.h>

#include "milter/audit/books-private.h"

static gboolean
is_bulk (const HfMessage *message)
{
  return message->bulk_deleted && message->act_seq > message->alive_seq
         && (message->closed == HF_CLOSED_NOT || message->closed == HF_CLOSED_REQUEUED) && !message->passed;
}

static HfEnd
end_of (const HfMessage *message)
{
  if (is_bulk (message))
    return HF_END_BULK;
  switch (message->closed)
    {
    case HF_CLOSED_REMOVED:
      return HF_END_REMOVED;
    case HF_CLOSED_DISCARDED:
      return HF_END_DISCARDED;
    case HF_CLOSED_DELETED:
      return HF_END_DELETED;
    case HF_CLOSED_REQUEUED:
      return HF_END_REQUEUED;
    case HF_CLOSED_CORRUPT:
      return HF_END_CORRUPT;
    case HF_CLOSED_REUSED:
    case HF_CLOSED_VANISHED:
      return HF_END_UNKNOWN;
    default:
      /* Sendmail says "done" at higher log levels only */
      return message->mta == HF_MTA_SENDMAIL && message->n_unsettled == 0 && message->rest == 0 ? HF_END_REMOVED
                                                                                                 : HF_END_IN_QUEUE;
    }
}

/* A redirection logs one recipient for all, and local(8) makes several of one. */
static gboolean
is_beyond_nrcpt (const HfMessage *message)
{
  guint32 covered = 0;

  if (message->mta != HF_MTA_POSTFIX || !message->opened || !message->has_expected || message->redirected)
    return FALSE;
  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    covered += leg->covers && !(leg->local && leg->orig != NULL);
  return covered > message->expected;
}

void
hf_sums_add (HfBooks *self, const HfMessage *message)
{
  self->sums.beyond_nrcpt += is_beyond_nrcpt (message);
  if (!message->accepted)
    {
      self->sums.not_accepted++;
      return;
    }
  self->sums.accepted++;
  self->sums.ends[end_of (message)]++;
  for (guint i = 0; is_bulk (message) && i < self->bulk_acts->len; i++)
    {
      HfBulkAct *act = &g_array_index (self->bulk_acts, HfBulkAct, i);

      if (act->seq == message->act_seq)
        act->gone++;
    }
}

const HfSums *
hf_books_sums (const HfBooks *self)
{
  return &self->sums;
}

const gchar *
hf_end_name (HfEnd end)
{
  static const gchar *const names[HF_N_ENDS]
      = { "in_queue", "removed", "discarded", "deleted", "bulk", "requeued", "corrupt", "unknown" };

  return names[end];
}
