/* entry.c - one function for each kind of event that the books take
 *
 * Each changes a message and asks for a review; none decides a state.
 */
#include <config.h>

#include "milter/audit/books-private.h"

void
hf_books_touch (HfBooks *self, HfMessage *message, const HfLogEvent *event)
{
  message->seen_seq = self->seq;
  if (event->wall_ms > message->seen_ms)
    message->seen_ms = event->wall_ms;
  if (event->mta != HF_MTA_UNKNOWN && message->mta == HF_MTA_UNKNOWN)
    message->mta = (guint8)event->mta;
  hf_books_add_evidence (self, message, event);
}

/* Kept in the queue, or at work there: what an operator did before is past. */
void
hf_books_prove_alive (HfBooks *self, HfMessage *message)
{
  message->alive_seq = self->seq;
  message->bulk_deleted = FALSE;
  message->bulk_requeued = FALSE;
  message->renamed = FALSE;
  message->maybe_held = FALSE;
}

gboolean
hf_books_is_gone (const HfMessage *message)
{
  return message->closed == HF_CLOSED_REMOVED || message->closed == HF_CLOSED_DELETED
         || message->closed == HF_CLOSED_REQUEUED || message->closed == HF_CLOSED_REUSED
         || message->closed == HF_CLOSED_VANISHED;
}

/* Finds the message, or begins one whose beginning the log does not have. */
HfMessage *
hf_books_find_or_begin (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find (self, event, event->queue_id);

  if (message != NULL)
    return message;
  if (event->instance.at == NULL || hf_books_is_forgotten (self, event, event->queue_id))
    return NULL;
  return hf_books_begin (self, event, event->queue_id, FALSE);
}

/* The message, marked as spoken of; NULL when the books do not have it. */
static HfMessage *
speak_of_known (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find (self, event, event->queue_id);

  if (message != NULL)
    hf_books_touch (self, message, event);
  return message;
}

/* The same, and one that is not known begins; NULL when it was forgotten. */
static HfMessage *
speak_of (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find_or_begin (self, event);

  if (message != NULL)
    hf_books_touch (self, message, event);
  return message;
}

/* A recipient of its own row, without a line of a delivery agent. */
static HfLeg *
mention (HfMessage *message, HfSlice address)
{
  HfLeg *leg = hf_message_find_leg (message, address, HF_SLICE_NONE);

  return leg != NULL ? leg : hf_message_add_leg (message, address, HF_SLICE_NONE);
}

static void
enter_recipient_refused (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find (self, event, event->queue_id);
  HfLeg *leg;

  /* with Sendmail this comes before the line that names the sender */
  if (message == NULL && event->mta == HF_MTA_SENDMAIL
      && !hf_books_is_forgotten (self, event, event->queue_id))
    message = hf_books_begin (self, event, event->queue_id, TRUE);
  if (message == NULL || event->address.at == NULL)
    return;
  hf_books_touch (self, message, event);
  leg = mention (message, event->address);
  if (!leg->covers && leg->outcome == HF_OUTCOME_NONE)
    leg->refused = TRUE;
  hf_books_review (self, message);
}

/* Sendmail logs this after it counted the recipients. */
static void
enter_recipient_removed (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of_known (self, event);
  HfLeg *leg;

  if (message == NULL)
    return;
  leg = mention (message, event->address);
  if (!leg->covers && !leg->added)
    message->covered++;
  leg->covers = !leg->added;
  leg->outcome = HF_OUTCOME_REMOVED_BY_FILTER;
  hf_books_review (self, message);
}

static void
enter_recipient_added (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of_known (self, event);
  HfLeg *leg;

  if (message == NULL)
    return;
  leg = mention (message, event->address);
  leg->added = !leg->covers;
  hf_books_review (self, message);
}

static void
take_hint (HfMessage *message, const HfLogEvent *event)
{
  hf_begin_take_sender (message, event);
  if (message->hint == NULL)
    message->hint = hf_message_keep (message, event->address);
}

/* Refused, aborted, canceled: not taken, unless the MTA later says it was. */
static void
enter_not_taken (HfBooks *self, const HfLogEvent *event)
{
  static const HfClosed closed[] = { [HF_LOG_REFUSED] = HF_CLOSED_REFUSED,
                                     [HF_LOG_ABORTED] = HF_CLOSED_ABORTED,
                                     [HF_LOG_CANCELED] = HF_CLOSED_CANCELED };
  HfMessage *message = speak_of_known (self, event);

  if (message == NULL)
    return;
  take_hint (message, event);
  if (message->closed == HF_CLOSED_NOT
      && (event->kind == HF_LOG_CANCELED || !(message->accepted && (message->active || message->held))))
    {
      message->accepted = FALSE;
      message->held = FALSE;
      hf_books_close (self, message, closed[event->kind]);
    }
  hf_books_review (self, message);
}

static void
enter_aborted (HfBooks *self, const HfLogEvent *event)
{
  if (event->queue_id.length == 0)
    hf_session_aborted (self, event);
  else if (event->has_count)
    hf_begin_collected (self, event);
  else
    enter_not_taken (self, event);
}

static void
enter_discarded (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of_known (self, event);

  if (message == NULL)
    return;
  take_hint (message, event);
  if (message->discarded_by == NULL)
    message->discarded_by = hf_message_keep (message, event->text);
  message->accepted = TRUE;
  if (message->closed != HF_CLOSED_DISCARDED)
    hf_books_close (self, message, HF_CLOSED_DISCARDED);
  hf_books_review (self, message);
}

static void
enter_held (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = event->operator_action ? speak_of (self, event) : speak_of_known (self, event);

  if (message == NULL)
    return;
  take_hint (message, event);
  hf_books_prove_alive (self, message);
  message->held = event->kind == HF_LOG_HELD;
  message->active = FALSE;
  if (event->operator_action)
    {
      hf_operator_single (self, event, message->held ? HF_BULK_HELD : HF_BULK_RELEASED);
      hf_books_accept (self, message);
    }
  hf_books_review (self, message);
}

static void
enter_redirected (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of_known (self, event);

  if (message == NULL)
    return;
  take_hint (message, event);
  message->redirected = TRUE;
  message->redirect_to = hf_message_keep (message, event->other_address);
  hf_books_review (self, message);
}

/* The whole message expired: all that is deferred or held, named or not. */
static void
enter_expired (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of (self, event);

  if (message == NULL)
    return;
  message->expired = TRUE;
  hf_books_accept (self, message);
  hf_books_review (self, message);
}

static void
enter_gone (HfBooks *self, const HfLogEvent *event, HfClosed closed)
{
  HfMessage *message = speak_of (self, event);

  if (message == NULL)
    return;
  hf_books_accept (self, message);
  /* an operator's deletion explains a removal, not the other way round */
  if (message->closed == HF_CLOSED_NOT || (closed == HF_CLOSED_DELETED && !hf_books_is_gone (message))
      || (closed == HF_CLOSED_REMOVED && message->closed == HF_CLOSED_REUSED))
    hf_books_close (self, message, closed);
  hf_books_review (self, message);
}

static void
enter_requeued (HfBooks *self, const HfLogEvent *event)
{
  hf_operator_single (self, event, HF_BULK_REQUEUED);
  enter_gone (self, event, HF_CLOSED_REQUEUED);
}

static void
enter_deleted (HfBooks *self, const HfLogEvent *event)
{
  hf_operator_single (self, event, HF_BULK_DELETED);
  enter_gone (self, event, HF_CLOSED_DELETED);
}

static void
enter_force_expired (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of (self, event);

  hf_operator_single (self, event, HF_BULK_EXPIRED);
  if (message == NULL)
    return;
  hf_books_prove_alive (self, message);
  hf_books_accept (self, message);
  hf_books_review (self, message);
}

static void
enter_corrupt (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of (self, event);

  if (message == NULL)
    return;
  hf_books_prove_alive (self, message);
  hf_books_accept (self, message);
  if (message->closed == HF_CLOSED_NOT)
    hf_books_close (self, message, HF_CLOSED_CORRUPT);
  hf_books_review (self, message);
}

static void
enter_expansion (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = speak_of (self, event);

  if (message == NULL)
    return;
  hf_message_add_expansion (message, event->address, event->other_address, event->direct);
  hf_books_accept (self, message);
  hf_books_review (self, message);
}

/* Kinds that only set a mark on a message that must be known. */
static void
enter_mark (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find (self, event, event->queue_id);

  if (message == NULL)
    return;
  if (event->kind == HF_LOG_ALIVE)
    {
      message->seen_seq = self->seq;
      message->seen_ms = MAX (message->seen_ms, event->wall_ms);
      return;
    }
  hf_books_touch (self, message, event);
  if (event->kind == HF_LOG_STUCK)
    message->stuck = TRUE;
  else if (event->kind == HF_LOG_UNREAD)
    message->unread = TRUE;
  else if (event->kind == HF_LOG_DEAD_LETTER)
    message->dead_letter = TRUE;
  else if (event->kind == HF_LOG_PROXIED)
    hf_books_accept (self, message);
  hf_books_review (self, message);
}

/* How long before its report a gap without a known beginning may reach back. */
#define GAP_REACH_MS 60000

static HfGap *
begun_gap (HfBooks *self, guint16 host)
{
  if (host >= self->gap_begins->len)
    g_array_set_size (self->gap_begins, host + 1U);
  return &g_array_index (self->gap_begins, HfGap, host);
}

static void
enter_gap (HfBooks *self, const HfLogEvent *event)
{
  HfGap gap = { .begin_seq = self->seq,
                .end_seq = self->seq,
                .count = event->has_count ? event->count : 0,
                .why = event->text.at,
                .at = event->at,
                .wall_ms = event->wall_ms,
                .host = event->host.at != NULL ? hf_books_number (self, event->host, 0) : HF_ANY_HOST };
  HfGap *begun;

  if (gap.host == HF_ANY_HOST)
    {
      hf_gaps_add (self->gaps, &gap);
      return;
    }
  begun = begun_gap (self, gap.host);
  if (event->kind == HF_LOG_GAP_BEGINS)
    {
      if (begun->begin_seq == 0)
        *begun = gap;
      return;
    }
  gap.begin_seq = begun->begin_seq != 0 ? begun->begin_seq
                                        : hf_gaps_seq_at (self->gaps, event->wall_ms - GAP_REACH_MS);
  begun->begin_seq = 0;
  hf_gaps_add (self->gaps, &gap);
}

/* A gap whose end was never told reaches to the end of the log, unless it is
 * the end of the log. */
void
hf_books_end_gaps (HfBooks *self)
{
  for (guint host = 0; host < self->gap_begins->len; host++)
    {
      HfGap *begun = &g_array_index (self->gap_begins, HfGap, host);

      if (begun->begin_seq == 0 || begun->begin_seq == self->seq)
        continue;
      begun->end_seq = self->seq;
      hf_gaps_add (self->gaps, begun);
    }
}

void
hf_books_enter (HfBooks *self, const HfLogEvent *event)
{
  if (event->queue_id.length == 0
      && (event->kind == HF_LOG_DISCARDED || event->kind == HF_LOG_HELD || event->kind == HF_LOG_REDIRECTED))
    {
      hf_session_policy (self, event);
      return;
    }
  switch (event->kind)
    {
    case HF_LOG_OPENED:
      hf_begin_opened (self, event);
      return;
    case HF_LOG_SUBMITTED:
      hf_begin_submitted (self, event);
      return;
    case HF_LOG_CONTENT:
      hf_begin_content (self, event);
      return;
    case HF_LOG_COLLECTED:
      hf_begin_collected (self, event);
      return;
    case HF_LOG_ACCEPTED:
      hf_begin_accepted (self, event);
      return;
    case HF_LOG_RESULT:
      hf_result_enter (self, event);
      return;
    case HF_LOG_RECIPIENT_REFUSED:
      enter_recipient_refused (self, event);
      return;
    case HF_LOG_RECIPIENT_REMOVED:
      enter_recipient_removed (self, event);
      return;
    case HF_LOG_RECIPIENT_ADDED:
      enter_recipient_added (self, event);
      return;
    case HF_LOG_ABORTED:
      enter_aborted (self, event);
      return;
    case HF_LOG_REFUSED:
    case HF_LOG_CANCELED:
      enter_not_taken (self, event);
      return;
    case HF_LOG_DISCARDED:
      enter_discarded (self, event);
      return;
    case HF_LOG_HELD:
    case HF_LOG_RELEASED:
      enter_held (self, event);
      return;
    case HF_LOG_REDIRECTED:
      enter_redirected (self, event);
      return;
    case HF_LOG_EXPIRED:
      enter_expired (self, event);
      return;
    case HF_LOG_REMOVED:
    case HF_LOG_DONE:
      enter_gone (self, event, HF_CLOSED_REMOVED);
      return;
    case HF_LOG_VANISHED:
      enter_gone (self, event, HF_CLOSED_VANISHED);
      return;
    case HF_LOG_DELETED:
      enter_deleted (self, event);
      return;
    case HF_LOG_REQUEUED:
      enter_requeued (self, event);
      return;
    case HF_LOG_FORCE_EXPIRED:
      enter_force_expired (self, event);
      return;
    case HF_LOG_CHILD:
      hf_links_child (self, event);
      return;
    case HF_LOG_EXPANSION:
      enter_expansion (self, event);
      return;
    case HF_LOG_CORRUPT:
      enter_corrupt (self, event);
      return;
    case HF_LOG_BULK:
      hf_operator_bulk (self, event);
      return;
    case HF_LOG_RENAMED:
      hf_operator_renamed (self, event);
      return;
    case HF_LOG_CONNECTED:
      hf_session_connected (self, event);
      return;
    case HF_LOG_SESSION_END:
      hf_session_end (self, event);
      return;
    case HF_LOG_GAP:
    case HF_LOG_GAP_BEGINS:
      enter_gap (self, event);
      return;
    case HF_LOG_ALIVE:
    case HF_LOG_STUCK:
    case HF_LOG_UNREAD:
    case HF_LOG_DEAD_LETTER:
    case HF_LOG_PROXIED:
      enter_mark (self, event);
      return;
    case HF_LOG_NOTHING:
    default:
      return;
    }
}
