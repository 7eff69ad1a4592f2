/* verdict.c - from evidence to a state
 *
 * Read from top to bottom, the rules are the rows of the two guard tables: what
 * settles comes first, what excuses comes next, and only what is left is lost
 * or unaccounted.
 */
#include <config.h>

#include "milter/audit/verdict.h"

static HfFinding
finding (HfState state, HfReason reason)
{
  return (HfFinding){ .state = (guint8)state, .reason = (guint8)reason };
}

static HfFinding
settled (HfOutcome outcome)
{
  return (HfFinding){ .state = HF_STATE_SETTLED,
                      .outcome = (guint8)outcome,
                      .silent = hf_outcome_is_silent (outcome) };
}

/* What failed is reported to the sender; the null sender gets no report. */
static HfFinding
returned (const HfMessage *message, HfOutcome outcome)
{
  HfFinding it = settled (outcome);

  it.silent = message->sender != NULL && message->sender[0] == '\0';
  return it;
}

gboolean
hf_finding_equal (HfFinding a, HfFinding b)
{
  return a.state == b.state && a.outcome == b.outcome && a.reason == b.reason && a.silent == b.silent;
}

gboolean
hf_finding_is_final (HfFinding it)
{
  return it.state == HF_STATE_SETTLED || it.state == HF_STATE_VOID;
}

static gboolean
has_gap (const HfVerdictContext *context, const HfMessage *message, guint64 from_seq, guint64 to_seq)
{
  return hf_gaps_overlap (context->gaps, message->host, from_seq, to_seq);
}

gboolean
hf_verdict_may_be_merged (const HfGaps *gaps, const HfMessage *message)
{
  return message->mta == HF_MTA_SENDMAIL && !hf_gaps_is_detailed (gaps, message->host);
}

/* The file is gone, and nothing settled the recipient. */
static HfFinding
verdict_gone (const HfVerdictContext *context, const HfMessage *message, gboolean named)
{
  if (has_gap (context, message, message->opened_seq, message->closed_seq))
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_GAP);
  if (message->unread)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_UNREAD);
  if (message->bulk_deleted && message->act_seq > message->alive_seq)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_BULK_DELETED);
  if (message->closed == HF_CLOSED_REUSED)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_ID_REUSED);
  if (message->closed == HF_CLOSED_VANISHED)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_VANISHED);
  if (!named && hf_verdict_may_be_merged (context->gaps, message))
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_LOG_LEVEL);
  if (context->last)
    return finding (HF_STATE_LOST, HF_REASON_NO_RECORD);
  /* filters remove recipients before the queue; a named one was in the queue */
  return finding (HF_STATE_UNACCOUNTED, named ? HF_REASON_NO_RECORD : HF_REASON_LATER_FILTER);
}

/* Still in the queue, as far as the log tells. */
static HfFinding
verdict_queued (const HfVerdictContext *context, const HfMessage *message, HfFate fate)
{
  gboolean acted = message->act_seq > message->alive_seq;

  if (acted && message->renamed)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_RENAMED);
  if (acted && message->bulk_deleted)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_BULK_DELETED);
  if (message->held || fate == HF_FATE_HELD)
    return finding (HF_STATE_OPEN, HF_REASON_HELD);
  if (fate != HF_FATE_DEFERRED && !message->stuck && !message->maybe_held
      && has_gap (context, message, message->seen_seq + 1, context->seq))
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_GAP);
  if (!message->maybe_held && message->seen_ms >= 0 && hf_gaps_newest_ms (context->gaps) - message->seen_ms > HF_SILENT_MS)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_SILENT);
  if (message->stuck)
    return finding (HF_STATE_OPEN, HF_REASON_STUCK);
  if (message->closed == HF_CLOSED_REQUEUED || (acted && message->bulk_requeued))
    return finding (HF_STATE_OPEN, HF_REASON_REQUEUED);
  return finding (HF_STATE_OPEN, fate == HF_FATE_DEFERRED ? HF_REASON_DEFERRED : HF_REASON_QUEUED);
}

/* What the message as a whole says of a recipient that nothing settled. */
static HfFinding
verdict_unsettled (const HfVerdictContext *context, const HfMessage *message, HfFate fate, gboolean named)
{
  if (message->probe)
    return finding (HF_STATE_VOID, HF_REASON_PROBE);
  if (message->closed == HF_CLOSED_REFUSED)
    return finding (HF_STATE_VOID, HF_REASON_REFUSED);
  if (message->closed == HF_CLOSED_ABORTED && !message->held) /* what is held was finished, or it is not known */
    return finding (HF_STATE_VOID, HF_REASON_ABORTED);
  if (message->closed == HF_CLOSED_CANCELED)
    return finding (HF_STATE_VOID, HF_REASON_CANCELED);
  if (message->closed == HF_CLOSED_DISCARDED)
    return settled (HF_OUTCOME_DISCARDED);
  if (message->expired)
    return returned (message, HF_OUTCOME_EXPIRED);
  if (message->passed)
    return settled (HF_OUTCOME_PASSED);
  if (message->closed == HF_CLOSED_DELETED)
    return settled (HF_OUTCOME_DELETED);
  if (message->closed == HF_CLOSED_CORRUPT)
    return finding (HF_STATE_LOST,
                    message->mta == HF_MTA_SENDMAIL ? HF_REASON_LOST_FILE : HF_REASON_CORRUPT);
  if (message->dead_letter)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_DEAD_LETTER);
  if (message->closed == HF_CLOSED_REMOVED || message->closed == HF_CLOSED_REUSED
      || message->closed == HF_CLOSED_VANISHED)
    return verdict_gone (context, message, named);
  if (!message->accepted)
    return finding (HF_STATE_PROVISIONAL, HF_REASON_UNCONFIRMED);
  return verdict_queued (context, message, fate);
}

HfFinding
hf_verdict_leg (const HfVerdictContext *context, const HfMessage *message, const HfLeg *leg)
{
  gboolean waits = leg->pending && message->closed == HF_CLOSED_NOT && !message->expired;

  if (leg->refused || leg->fate == HF_FATE_REFUSED)
    return finding (HF_STATE_VOID, HF_REASON_REFUSED);
  if (leg->fate == HF_FATE_PROBED)
    return finding (HF_STATE_VOID, HF_REASON_PROBE);
  if (leg->outcome == HF_OUTCOME_NONE || waits)
    return verdict_unsettled (context, message, leg->fate, TRUE);
  /* neither the sender nor the postmaster could be told */
  if (leg->outcome == HF_OUTCOME_BOUNCED && message->dead_letter)
    return finding (HF_STATE_UNACCOUNTED, HF_REASON_DEAD_LETTER);
  if (leg->outcome == HF_OUTCOME_PASSED && !leg->child_seen && context->finished)
    return finding (HF_STATE_UNACCOUNTED,
                    has_gap (context, message, message->opened_seq, context->seq)
                        ? HF_REASON_GAP
                        : HF_REASON_CHILD_UNSEEN);
  if (message->redirected
      && (leg->outcome == HF_OUTCOME_DELIVERED || leg->outcome == HF_OUTCOME_RELAYED
          || leg->outcome == HF_OUTCOME_PASSED || leg->outcome == HF_OUTCOME_DISCARDED))
    {
      HfFinding it = settled (HF_OUTCOME_REDIRECTED);

      it.silent = leg->outcome == HF_OUTCOME_DISCARDED;
      return it;
    }
  if (leg->outcome == HF_OUTCOME_BOUNCED || leg->outcome == HF_OUTCOME_EXPIRED)
    return returned (message, (HfOutcome)leg->outcome);
  return settled ((HfOutcome)leg->outcome);
}

/* A redirection logs one delivery for all recipients: they share its fate. */
static gboolean
verdict_redirected (const HfVerdictContext *context, const HfMessage *message, HfFinding *out)
{
  gboolean found = FALSE;

  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    {
      HfFinding it;

      if (leg->refused)
        continue;
      it = hf_verdict_leg (context, message, leg);
      if (!hf_finding_is_final (it))
        {
          *out = it;
          return TRUE;
        }
      if (!found || it.outcome == HF_OUTCOME_REDIRECTED)
        *out = it;
      found = TRUE;
    }
  return found;
}

/* How many of those that no line names the clones may have taken: those that they
 * do not name either, and one where nothing tells whom they took. */
static guint32
count_taken (const HfMessage *message)
{
  guint32 taken = 0;

  for (const HfChild *child = message->children; child != NULL; child = child->next)
    if (child->link == HF_LINK_CLONED)
      taken += MAX (child->message != NULL ? child->message->rest : 0, child->named ? 0U : 1U);
  return taken;
}

/* A clone that waits may name more yet. */
static gboolean
has_open_clone (const HfMessage *message)
{
  for (const HfChild *child = message->children; child != NULL; child = child->next)
    if (child->link == HF_LINK_CLONED && child->message != NULL && child->message->closed == HF_CLOSED_NOT
        && (child->message->legs == NULL || child->message->n_unsettled > 0 || child->message->rest > 0))
      return TRUE;
  return FALSE;
}

HfFinding
hf_verdict_rest (const HfVerdictContext *context, const HfMessage *message)
{
  HfFinding it;

  if (message->redirected && verdict_redirected (context, message, &it))
    return it;
  if (message->cloned && hf_message_count_rest (message) <= count_taken (message))
    return settled (HF_OUTCOME_PASSED);
  it = verdict_unsettled (context, message, HF_FATE_NONE, FALSE);
  if (message->cloned && !hf_finding_is_final (it) && has_open_clone (message))
    return finding (HF_STATE_OPEN, HF_REASON_QUEUED);
  return it;
}
