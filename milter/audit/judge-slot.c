/* judge-slot.c - what one recipient of an envelope came to
 *
 * The books judge from the log alone, and each message by itself.  Here the
 * journal's side is added (void marks, the envelope's own recipients), the
 * queue's, and that of what was passed on (judge-leg.c).
 */
#include <config.h>

#include "milter/audit/judge-private.h"

#include "milter/base/id.h"

/* A log that talks on for so long after a message has come past its lines. */
#define LOG_PAST_MS 60000

/* The log follows the time when the message came: it began before, but for as long as it
 * may be silent, and it went on. */
static gboolean
is_covered (const HfAccounts *self, gint64 at_ms)
{
  return self->first_line_ms >= 0 && self->first_line_ms <= at_ms + self->settings.unconfirmed_ms + LOG_PAST_MS
         && hf_accounts_known_line_ms (self) > at_ms + LOG_PAST_MS;
}

/* Its lines may be missing: of whatever host, for nothing says whose it is. */
static gboolean
is_in_hole (const HfAccounts *self, gint64 at_ms)
{
  for (guint i = 0; i < self->holes->len; i++)
    {
      const HfHole *hole = &g_array_index (self->holes, HfHole, i);

      if (hole->begin_ms <= at_ms + self->settings.unconfirmed_ms && hole->end_ms >= at_ms - LOG_PAST_MS)
        return TRUE;
    }
  return FALSE;
}

gboolean
hf_judge_is_overdue (const HfAccounts *self, const HfEnvelope *envelope, gint64 at_ms)
{
  return self->settings.unconfirmed_ms > 0 && at_ms - envelope->at_ms > self->settings.unconfirmed_ms
         && is_covered (self, envelope->at_ms) && !is_in_hole (self, envelope->at_ms);
}

/* The client was answered, one way or the other, and the queue does not have it. */
static void
judge_unconfirmed (const HfCase *it, HfVerdict *verdict)
{
  const HfEnvelope *envelope = it->envelope;
  const guint absent = envelope->mail != NULL ? envelope->mail->absent : envelope->absent;

  /* what was found once stands until a line or the queue tells more */
  if (absent > 1
      && (hf_judge_is_overdue (it->self, envelope, it->self->now_ms) || g_strcmp0 (it->slot->detail, HF_UNCONFIRMED_DETAIL) == 0))
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_UNCONFIRMED, HF_UNCONFIRMED_DETAIL);
  else if (envelope->mail == NULL && envelope->absent > 0)
    {
      g_autofree gchar *text = NULL;
      gchar at[25];

      hf_time_format (envelope->absent_ms, at);
      text = g_strconcat (HF_ABSENT_DETAIL, at, NULL);
      hf_verdict_set (verdict, HF_STATE_PROVISIONAL, HF_REASON_UNCONFIRMED, text);
    }
}

static gboolean
any_is_expanded (const HfEnvelope *envelope)
{
  for (guint i = 0; i < envelope->n_slots; i++)
    if (hf_slot_is_expanded (envelope->mail->message, hf_slice (envelope->slots[i].address)))
      return TRUE;
  return FALSE;
}

/* More that no line names than the envelope has: some are what others became. */
static gboolean
has_surplus (const HfEnvelope *envelope, guint n_named)
{
  const HfMessage *message = envelope->mail->message;

  return message->mta != HF_MTA_SENDMAIL && message->rest > envelope->n_slots - n_named;
}

/* The MTA counted fewer recipients than the envelope has: it made one of two. */
static gboolean
were_merged (const HfEnvelope *envelope)
{
  const HfMessage *message = envelope->mail->message;
  guint refused = 0;

  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    refused += hf_leg_is_refused (leg);
  return message->has_expected && message->expected + refused < envelope->n_slots;
}

void
hf_judge_naming (const HfEnvelope *envelope, HfNaming *out_naming)
{
  guint n_legs;

  *out_naming = (HfNaming){ 0 };
  if (envelope->mail == NULL)
    return;
  for (guint i = 0; i < envelope->n_slots; i++)
    {
      hf_slot_find (envelope->mail->message, hf_slice (envelope->slots[i].address), NULL, &n_legs);
      out_naming->n_named += n_legs > 0;
    }
  out_naming->were_merged = were_merged (envelope);
  out_naming->has_surplus = has_surplus (envelope, out_naming->n_named);
  out_naming->any_expanded = out_naming->has_surplus && any_is_expanded (envelope);
}

/* Gone with no line missing. */
static gboolean
is_without_record (HfFinding finding)
{
  return finding.state == HF_STATE_LOST
         || (finding.state == HF_STATE_UNACCOUNTED
             && (finding.reason == HF_REASON_NO_RECORD || finding.reason == HF_REASON_LATER_FILTER));
}

/* The MTA counted more recipients than lines and envelope have names for.  They may
 * be what an address became that became several; nothing says which address, so
 * all that did wait for them.  Where none is known to have, the queue file had
 * them all the same (of "a: a, b" only b's line would tell): while they may still
 * be named, or lines are missing, that is no concern of the others, but once
 * they are gone it is. */
static void
judge_surplus (const HfCase *it, const HfMail *mail, gboolean expanded, HfVerdict *verdict)
{
  HfVerdict rest;
  gboolean found = TRUE;

  if (!it->naming->has_surplus)
    return;
  hf_judge_rest (it, mail, 0, &rest);
  if (expanded || (is_without_record (rest.finding) && !it->naming->any_expanded))
    hf_verdict_take_worse (verdict, &found, &rest);
  g_free (rest.detail);
}

/* All has been done to it that will be: Sendmail says so, but not where clones took
 * all of it. */
static gboolean
is_over (const HfMessage *message)
{
  gboolean cloned = FALSE;

  if (message->closed != HF_CLOSED_NOT || message->n_unsettled > 0 || message->rest > 0)
    return message->closed == HF_CLOSED_REMOVED || message->closed == HF_CLOSED_VANISHED || message->closed == HF_CLOSED_REUSED;
  for (const HfChild *child = message->children; child != NULL; child = child->next)
    {
      if (child->link != HF_LINK_CLONED)
        continue;
      if (child->message != NULL && child->message->closed == HF_CLOSED_NOT)
        return FALSE;
      cloned = TRUE;
    }
  return cloned;
}

/* Sendmail tells what an address became; it is not settled while one of these has no
 * line.  Such a name may be spelled otherwise there: that is not enough for lost. */
static void
judge_expansion (const HfCase *it, const HfMail *mail, HfVerdict *verdict)
{
  const HfMessage *message = mail->message;
  HfVerdict one = { .since_ms = message->seen_ms };
  gboolean found = TRUE;

  if (message->mta != HF_MTA_SENDMAIL || message->expired || !hf_message_lacks_name (message, it->slot->address))
    return;
  if (is_over (message))
    hf_verdict_set (&one, HF_STATE_UNACCOUNTED, HF_REASON_NO_RECORD, "no line names one of those that it became");
  else if (message->closed == HF_CLOSED_NOT && message->accepted)
    {
      hf_verdict_set (&one, HF_STATE_OPEN, HF_REASON_QUEUED, NULL);
      hf_judge_by_queue (it->self, mail, TRUE, TRUE, &one);
    }
  else
    return;
  hf_verdict_take_worse (verdict, &found, &one);
}

static void
judge_by_log (const HfCase *it, const HfMail *mail, HfVerdict *verdict)
{
  const HfSlice address = hf_slice (it->slot->address);
  const gboolean expanded = hf_slot_is_expanded (mail->message, address);
  gboolean found = FALSE;
  HfVerdict one;

  for (const HfLeg *leg = mail->message->legs; leg != NULL; leg = leg->next)
    {
      if (!hf_slot_owns (leg, address, expanded))
        continue;
      hf_judge_leg (it, mail, leg, 0, &one);
      hf_verdict_take_worse (verdict, &found, &one);
    }
  if (found)
    judge_surplus (it, mail, expanded, verdict);
  else if (mail->message->rest == 0)
    hf_judge_rewritten (it, mail, verdict);
  else
    hf_judge_rest (it, mail, 0, verdict);
  judge_expansion (it, mail, verdict);
}

void
hf_judge_slot (const HfAccounts *self, const HfEnvelope *envelope, const HfSlot *slot, const HfNaming *naming,
               HfVerdict *out)
{
  guint left = HF_LOOKED_INTO_MAX;
  const HfCase it = { self, envelope, slot, naming, &left };
  const HfMail *mail = envelope->mail;
  const gboolean accepted = mail != NULL && mail->message->accepted;

  *out = (HfVerdict){ .since_ms = -1 };
  if (mail != NULL)
    judge_by_log (&it, mail, out);
  else
    hf_verdict_set (out, HF_STATE_PROVISIONAL, HF_REASON_UNCONFIRMED, NULL);
  if (mail != NULL && out->since_ms < 0)
    out->since_ms = mail->message->seen_ms;
  if (out->finding.state == HF_STATE_PROVISIONAL && !accepted && envelope->void_reason != NULL && !envelope->carried)
    hf_verdict_set (out, HF_STATE_VOID, HF_REASON_REFUSED, envelope->void_reason);
  else if (out->finding.state == HF_STATE_PROVISIONAL && !accepted)
    judge_unconfirmed (&it, out);
}
