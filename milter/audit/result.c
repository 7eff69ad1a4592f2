/* result.c - "to=…": what became of a recipient, entered in the books
 *
 * Which lines speak of the same recipient, which of the queue file's recipients
 * it stands for, and what a second line about it means.
 */
#include <config.h>

#include "milter/audit/books-private.h"

/* For Postfix what counts is the pair of addresses; local(8) expands one
 * recipient of the queue file into many, and its expansions count for it. */
static gboolean
covers_postfix (const HfMessage *message, const HfLeg *leg)
{
  const HfLeg *whole;

  if (!leg->local || leg->orig == NULL)
    return TRUE;
  whole = hf_message_find_leg (message, hf_slice (leg->orig), HF_SLICE_NONE);
  return whole == NULL || !whole->local || whole->outcome != HF_OUTCOME_PASSED;
}

static gboolean
covers_sendmail (const HfMessage *message, const HfLeg *leg)
{
  const gchar *root = leg->orig != NULL ? leg->orig : leg->address;

  if (message->expansions == NULL)
    return TRUE;
  for (const HfLeg *other = message->legs; other != NULL; other = other->next)
    if (other != leg && other->covers
        && g_str_equal (other->orig != NULL ? other->orig : other->address, root))
      return FALSE;
  return TRUE;
}

static void
set_covers (HfMessage *message, HfLeg *leg, gboolean covers)
{
  if (covers && !leg->covers)
    message->covered++;
  if (!covers && leg->covers)
    message->covered--;
  leg->covers = covers;
}

static void
decide_covers (HfMessage *message, HfLeg *leg)
{
  gboolean covers = !leg->refused && !leg->added;

  if (covers && message->mta == HF_MTA_SENDMAIL)
    covers = covers_sendmail (message, leg);
  else if (covers)
    covers = covers_postfix (message, leg);
  set_covers (message, leg, covers);
}

/* Once local(8) said that it forwarded the whole, its parts count no more. */
static void
uncover_expansions (HfMessage *message, const HfLeg *whole)
{
  for (HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    if (leg->local && leg->orig != NULL && g_str_equal (leg->orig, whole->address))
      set_covers (message, leg, FALSE);
}

static HfOutcome
outcome_of (HfFate fate)
{
  switch (fate)
    {
    case HF_FATE_DELIVERED:
      return HF_OUTCOME_DELIVERED;
    case HF_FATE_RELAYED:
      return HF_OUTCOME_RELAYED;
    case HF_FATE_PASSED:
      return HF_OUTCOME_PASSED;
    case HF_FATE_BOUNCED:
      return HF_OUTCOME_BOUNCED;
    case HF_FATE_DISCARDED:
      return HF_OUTCOME_DISCARDED;
    default:
      return HF_OUTCOME_NONE;
    }
}

static gboolean
is_same_fate (const HfLeg *leg, const HfLogEvent *event)
{
  if (leg->outcome != outcome_of (event->fate))
    return FALSE;
  return leg->outcome != HF_OUTCOME_PASSED || leg->child == NULL
         || hf_slice_is (event->other_id, leg->child);
}

/* local(8) logs one line for each thing it did with an address; each is a fate
 * of its own.  With other agents a second final line is a redelivery. */
static HfLeg *
leg_for_fate (HfMessage *message, HfLeg *head, const HfLogEvent *event)
{
  HfLeg *leg = head;

  if (outcome_of (event->fate) == HF_OUTCOME_NONE)
    return head;
  head->pending = FALSE;
  if (!event->local || head->outcome == HF_OUTCOME_NONE)
    return head;
  for (; leg != NULL; leg = leg->twin)
    if (is_same_fate (leg, event))
      return leg;
  return hf_message_add_twin (message, head);
}

/* A recipient of the envelope stands in angle brackets, what an alias became does not. */
static gboolean
is_direct (const HfLogEvent *event, HfSlice address)
{
  return address.at > event->address.at && address.at[-1] == '<';
}

/* Sendmail logs an expansion under the message that was expanded, even when a
 * clone takes the result. */
static const gchar *
find_root (HfBooks *self, const HfMessage *message, const HfLogEvent *event, HfSlice address)
{
  g_autofree gchar *text = NULL;
  const HfMessage *parent = NULL;
  const gchar *root;

  if (message->parent_link == HF_LINK_CLONED)
    parent = hf_books_find (self, event, hf_slice (message->parent));
  if (message->expansions == NULL && (parent == NULL || parent->expansions == NULL))
    return NULL;
  if (message->expansions != NULL)
    parent = message;
  text = hf_slice_dup (address);
  root = hf_message_root_of (parent, text);
  return is_direct (event, address) ? root : hf_message_open_root_of (parent, root, event->other_address);
}

static HfLeg *
find_or_add_leg (HfBooks *self, HfMessage *message, const HfLogEvent *event, HfSlice address)
{
  const gchar *root = message->mta == HF_MTA_SENDMAIL ? find_root (self, message, event, address) : NULL;
  HfSlice orig = root != NULL ? hf_slice (root) : event->orig_address;
  HfLeg *leg;

  leg = hf_message_find_leg (message, address, orig);
  if (leg != NULL)
    return leg;
  leg = hf_message_add_leg (message, address, orig);
  if (root != NULL)
    message->expanded++;
  return leg;
}

static void
set_fate (HfBooks *self, HfMessage *message, HfLeg *leg, const HfLogEvent *event)
{
  HfOutcome outcome = outcome_of (event->fate);

  leg->fate = (guint8)event->fate;
  leg->local = event->local;
  leg->refused = FALSE;
  if (outcome != HF_OUTCOME_NONE)
    leg->outcome = (guint8)outcome;
  else if (leg->outcome != HF_OUTCOME_NONE)
    leg->pending = TRUE;
  if (event->fate == HF_FATE_PROBED)
    message->probe = TRUE;
  hf_leg_set_detail (leg, event->text);
  if (outcome == HF_OUTCOME_RELAYED || outcome == HF_OUTCOME_PASSED || outcome == HF_OUTCOME_DELIVERED)
    hf_links_result (self, message, leg, event);
  if (leg->outcome == HF_OUTCOME_PASSED && leg->local && leg->orig == NULL)
    uncover_expansions (message, leg);
}

/* What a clone names was the parent's recipient, or came from one: that is passed
 * on, and so is no other. */
static void
credit_parent (HfBooks *self, HfMessage *parent, HfChild *child, const HfLeg *leg, gboolean direct)
{
  const gchar *name = leg->orig != NULL ? leg->orig : direct ? leg->address : NULL;
  HfLeg *taken;

  hf_message_add_named (parent, leg->address);
  if (name == NULL)
    return;
  child->named = TRUE;
  taken = hf_message_find_leg (parent, hf_slice (name), HF_SLICE_NONE);
  if (taken == NULL)
    taken = hf_message_add_leg (parent, hf_slice (name), HF_SLICE_NONE);
  else if (taken->outcome != HF_OUTCOME_NONE)
    return;
  taken->outcome = HF_OUTCOME_PASSED;
  taken->child = child->queue_id;
  taken->child_seen = TRUE;
  decide_covers (parent, taken);
  hf_books_review_leg (self, parent, taken);
}

static void
credit_parents (HfBooks *self, const HfMessage *clone, const HfLeg *leg, gboolean direct)
{
  for (HfParent *parent = clone->parents; parent != NULL; parent = parent->next)
    if (parent->child->link == HF_LINK_CLONED)
      credit_parent (self, parent->message, parent->child, leg, direct);
}

/* A message whose beginning is not in the log although its arrival falls into
 * the log's time: lines are missing, and nobody said so.  A queue file restored
 * under its old id, or renamed, looks the same and is none. */
static void
notice_silent_gap (HfBooks *self, const HfMessage *message, const HfLogEvent *event)
{
  gint64 arrived_ms = event->wall_ms - event->delay_ms;
  gint64 first_ms = hf_gaps_first_ms (self->gaps, message->host);
  HfGap gap = { .end_seq = self->seq,
                .why = "a message has no beginning in the log",
                .at = event->at,
                .wall_ms = event->wall_ms,
                .host = message->host,
                .silent = TRUE };

  if (message->opened || message->generation > 1 || event->delay_ms < 0 || event->wall_ms < 0 || message->n_legs > 0
      || arrived_ms < first_ms + 5000
      || (message->instance < self->renamed->len
          && g_array_index (self->renamed, guint64, message->instance) > 0))
    return;
  gap.begin_seq = hf_gaps_seq_at (self->gaps, arrived_ms - 2000);
  hf_gaps_add (self->gaps, &gap);
}

/* Postfix names one recipient a line, Sendmail a list. */
static gboolean
next_address (const HfLogEvent *event, HfSlice *list, HfSlice *out)
{
  if (event->mta == HF_MTA_SENDMAIL)
    return hf_log_next_address (list, out);
  *out = *list;
  list->at = NULL;
  return out->at != NULL;
}

static gboolean
is_folded (const gchar *kept, HfSlice address)
{
  return kept != NULL && strlen (kept) == address.length && g_ascii_strncasecmp (kept, address.at, address.length) == 0;
}

/* A redirection goes to its address, or to what that is an alias of, and names the
 * recipient that caused it.  What does neither shows that the redirection was of a
 * transaction before this one. */
static gboolean
undo_redirection (HfMessage *message, const HfLogEvent *event)
{
  if (!message->redirect_guessed || is_folded (message->redirect_to, event->address)
      || is_folded (message->hint, event->orig_address))
    return FALSE;
  message->redirected = FALSE;
  message->redirect_guessed = FALSE;
  message->hint = NULL; /* nor is that a recipient of this one */
  return TRUE;
}

void
hf_result_enter (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *message = hf_books_find_or_begin (self, event);
  HfSlice list = event->address, address;
  gboolean whole;

  if (message == NULL)
    return;
  notice_silent_gap (self, message, event);
  hf_books_touch (self, message, event);
  whole = undo_redirection (message, event) || message->redirected || event->fate == HF_FATE_PROBED;
  if (event->fate != HF_FATE_REFUSED)
    {
      whole = whole || !message->accepted || message->unresolved || message->closed != HF_CLOSED_NOT;
      hf_books_accept (self, message);
    }
  message->active = event->fate != HF_FATE_DEFERRED && event->fate != HF_FATE_HELD;
  while (next_address (event, &list, &address))
    {
      HfLeg *leg = find_or_add_leg (self, message, event, address);

      leg = leg_for_fate (message, leg, event);
      set_fate (self, message, leg, event);
      if (!leg->is_twin)
        decide_covers (message, leg);
      credit_parents (self, message, leg, is_direct (event, address));
      hf_books_review_leg (self, message, leg);
    }
  if (whole)
    hf_books_review (self, message);
}
