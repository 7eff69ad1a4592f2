/* begin.c - how a message comes into the books, and how far it has come in
 *
 * By a client's connection, by sendmail(1), from inside; its headers, its
 * acceptance.  Also: which generation of a queue id a line speaks of.
 */
#include <config.h>

#include "milter/audit/books-private.h"

/* A new generation begins, so the old queue file, if it was open, is gone. */
static void
end_generation (HfBooks *self, HfMessage *older)
{
  if (older == NULL || older->closed != HF_CLOSED_NOT)
    return;
  hf_books_close (self, older, older->accepted ? HF_CLOSED_REUSED : HF_CLOSED_ABORTED);
  hf_books_review (self, older);
}

/* The same line read twice (overlapping copies of a log) opens nothing. */
static gboolean
is_same_opening (const HfMessage *message, const HfLogEvent *event)
{
  return message->opened && !message->anticipated && message->arrived_ms == event->wall_ms;
}

/* Lines that were read before, after the message was gone. */
static gboolean
is_repeated (const HfMessage *message, const HfLogEvent *event)
{
  return event->wall_ms >= 0 && event->wall_ms <= message->seen_ms;
}

static HfMessage *
open_message (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *older = hf_books_find (self, event, event->queue_id);
  HfMessage *message;

  if (older != NULL && older->anticipated)
    {
      older->anticipated = FALSE;
      hf_books_touch (self, older, event);
      return older;
    }
  if (older != NULL && is_same_opening (older, event))
    return NULL;
  end_generation (self, older);
  message = hf_books_begin (self, event, event->queue_id, TRUE);
  if (message != NULL)
    hf_books_touch (self, message, event);
  return message;
}

void
hf_begin_opened (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = open_message (self, event);

  if (message == NULL)
    return;
  hf_session_join (self, message, event);
  hf_links_opened (self, message, event);
  hf_books_review (self, message);
  hf_session_apply_policies (self, message);
}

void
hf_begin_submitted (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = open_message (self, event);
  HfMessage *parent;

  if (message == NULL)
    return;
  message->submitted = TRUE;
  message->sender = hf_message_keep (message, event->sender);
  hf_books_accept (self, message);
  if (event->other_id.length > 0)
    {
      parent = hf_books_find (self, event, event->other_id);
      message->parent = hf_message_keep (message, event->other_id);
      message->parent_link = HF_LINK_REQUEUED;
      if (parent != NULL)
        hf_links_set_parent (self, message, parent, HF_LINK_REQUEUED);
    }
  hf_books_review (self, message);
}

/* Mail from inside (notifications, forwards) begins with this line. */
void
hf_begin_content (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find (self, event, event->queue_id);
  guint32 hash = 5381;

  if (message == NULL && hf_books_is_forgotten (self, event, event->queue_id))
    return;
  for (gsize i = 0; i < event->text.length; i++)
    hash = hash * 33 + (guchar)event->text.at[i];
  if (message != NULL && message->has_content && message->content_hash == hash && is_repeated (message, event))
    return;
  if (message == NULL || hf_books_is_gone (message) || (message->has_content && message->active))
    {
      end_generation (self, message);
      message = hf_books_begin (self, event, event->queue_id, TRUE);
    }
  if (message == NULL)
    return;
  message->anticipated = FALSE;
  message->has_content = TRUE;
  message->content_hash = hash;
  hf_books_touch (self, message, event);
  hf_links_content (self, message);
  hf_books_review (self, message);
}

void
hf_begin_take_sender (HfMessage *message, const HfLogEvent *event)
{
  if (message->sender == NULL)
    message->sender = hf_message_keep (message, event->sender);
}

static void
take_expected (HfMessage *message, const HfLogEvent *event)
{
  if (!event->has_count)
    return;
  message->expected = MAX (message->expected, (guint32)MIN (event->count, HF_EXPECTED_MAX));
  message->has_expected = TRUE;
}

void
hf_begin_accepted (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find_or_begin (self, event);

  if (message == NULL)
    return;
  if (event->mta == HF_MTA_POSTFIX && hf_books_is_gone (message) && is_repeated (message, event))
    return;
  if (event->mta == HF_MTA_POSTFIX && hf_books_is_gone (message))
    message = hf_books_begin (self, event, event->queue_id, FALSE);
  message->anticipated = FALSE;
  hf_begin_take_sender (message, event);
  take_expected (message, event);
  if (event->mta == HF_MTA_POSTFIX)
    {
      /* the queue manager has it: whatever seemed to end it did not */
      message->closed = HF_CLOSED_NOT;
      message->active = TRUE;
      message->expired = FALSE;
      message->held = FALSE;
      message->stuck = FALSE;
    }
  hf_books_prove_alive (self, message);
  hf_books_touch (self, message, event);
  hf_books_accept (self, message);
  hf_books_review (self, message);
}

/* Sendmail's line after DATA; it is written for refused messages too. */
void
hf_begin_collected (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find (self, event, event->queue_id);

  if (message == NULL && hf_books_is_forgotten (self, event, event->queue_id))
    return;
  if (message == NULL)
    message = hf_books_begin (self, event, event->queue_id, TRUE);
  if (message == NULL)
    return;
  message->opened = TRUE;
  message->anticipated = FALSE;
  hf_begin_take_sender (message, event);
  take_expected (message, event);
  hf_books_touch (self, message, event);
  if (event->kind == HF_LOG_ABORTED && message->closed == HF_CLOSED_NOT && !message->accepted)
    hf_books_close (self, message, HF_CLOSED_ABORTED);
  hf_books_review (self, message);
}
