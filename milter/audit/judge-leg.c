/* judge-leg.c - what a line's recipient came to, by queue and children; see judge-private.h
 *
 * What the log says is open, but two snapshots of the queue do not have, is lost
 * where no line is missing, and unaccounted where one may be.  And mail that was
 * passed on is no better than what it was passed on to: it takes the finding of
 * that, as long as that is in the books.
 */
#include <config.h>

#include "milter/audit/judge-private.h"

#include "milter/audit/describe.h"

/* Longer chains are a loop, or forged. */
#define DEPTH_MAX 16

/* Who, of a child's recipients, may be the one that was passed on. */
typedef struct
{
  const HfMessage *parent;
  const HfLeg *leg;     /* nullable: of parent */
  HfSlice names[2];     /* the second may be absent */
  gboolean all;         /* the child is of this one recipient only */
  gboolean by_name;     /* it is known to be named there */
} Heir;

static gboolean judge_heir (const HfCase *it, const HfMail *mail, const Heir *heir, guint depth, HfVerdict *out);

void
hf_verdict_set (HfVerdict *verdict, HfState state, HfReason reason, const gchar *detail)
{
  g_autofree gchar *old = verdict->detail;

  verdict->finding = (HfFinding){ .state = (guint8) state, .reason = (guint8) reason };
  verdict->detail = g_strdup (detail != NULL ? detail : hf_reason_text (reason));
}

/* The same of a message that it was passed on to. */
static void
set_of_child (HfVerdict *verdict, HfState state, HfReason reason, const HfChild *child, const gchar *detail)
{
  g_autofree gchar *text = g_strdup_printf ("%s: %s", child->queue_id, detail != NULL ? detail : hf_reason_text (reason));

  hf_verdict_set (verdict, state, reason, text);
}

void
hf_verdict_take_worse (HfVerdict *verdict, gboolean *found, HfVerdict *other)
{
  verdict->since_ms = MAX (verdict->since_ms, other->since_ms);
  if (!*found || hf_finding_weight (other->finding) > hf_finding_weight (verdict->finding))
    {
      g_free (verdict->detail);
      verdict->finding = other->finding;
      verdict->detail = g_steal_pointer (&other->detail);
    }
  else if (other->finding.silent && verdict->finding.state == HF_STATE_SETTLED)
    verdict->finding.silent = TRUE;
  g_clear_pointer (&other->detail, g_free);
  *found = TRUE;
}

static HfSlice
slice_or_none (const gchar *text)
{
  return text != NULL ? hf_slice (text) : HF_SLICE_NONE;
}

gboolean
hf_leg_is_refused (const HfLeg *leg)
{
  return leg->refused || leg->fate == HF_FATE_REFUSED;
}

/* ---- the queue ---- */

void
hf_judge_by_queue (const HfAccounts *self, const HfMail *mail, gboolean named, gboolean is_asked, HfVerdict *verdict)
{
  const HfMessage *message = mail->message;
  const gint64 open_ms = self->now_ms - message->arrived_ms;
  const gboolean is_gone = is_asked && mail->absent > 1;

  if (is_asked && mail->corrupt)
    hf_verdict_set (verdict, HF_STATE_LOST, message->mta == HF_MTA_SENDMAIL ? HF_REASON_LOST_FILE : HF_REASON_CORRUPT, NULL);
  else if (is_gone && hf_gaps_overlap (hf_books_gaps (self->books), message->host, message->opened_seq, G_MAXUINT64))
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_GAP, "not in the queue any more; lines of the log are missing");
  else if (is_gone && message->unread)
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_UNREAD, "not in the queue any more; a line could not be read");
  else if (is_gone && (message->bulk_deleted || message->bulk_requeued || message->renamed))
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_BULK_DELETED, "not in the queue any more since an operator's bulk act");
  else if (is_gone && !message->opened)
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_GAP, "not in the queue any more; it began before the log did");
  else if (is_gone && !named && hf_verdict_may_be_merged (hf_books_gaps (self->books), message))
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_LOG_LEVEL, NULL);
  else if (is_gone)
    hf_verdict_set (verdict, HF_STATE_LOST, HF_REASON_VANISHED, "not in the queue any more, and no line of the log says why");
  else if (!mail->listed && message->arrived_ms >= 0 && self->settings.settle_after_ms > 0
           && open_ms > self->settings.settle_after_ms)
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_SILENT, "open for longer than settle_after, and not seen in the queue");
}

/* What another host or instance took is in a queue that nobody looks at. */
static gboolean
is_in_asked_queue (const HfCase *it, const HfMessage *message)
{
  const HfMessage *own = it->envelope->mail->message;

  return message->host == own->host && message->instance == own->instance;
}

/* ---- what was passed on ---- */

/* The child's @below is the parent's, under the parent's words. */
static void
take_over (HfVerdict *out, HfVerdict *below, const HfChild *child)
{
  out->since_ms = MAX (out->since_ms, below->since_ms);
  if (below->finding.state == HF_STATE_SETTLED)
    out->finding.silent = out->finding.silent || below->finding.silent;
  else if (below->finding.state == HF_STATE_VOID)
    set_of_child (out, HF_STATE_UNACCOUNTED, HF_REASON_CHILD_UNSEEN, child, below->detail);
  else if (below->finding.state == HF_STATE_PROVISIONAL)
    set_of_child (out, HF_STATE_OPEN, HF_REASON_QUEUED, child, below->detail);
  else
    set_of_child (out, (HfState) below->finding.state, (HfReason) below->finding.reason, child, below->detail);
  g_clear_pointer (&below->detail, g_free);
}

/* No line has named it; the queue was asked for it all the same. */
static void
judge_unseen (const HfCase *it, const HfMail *mail, const HfChild *child, HfVerdict *out)
{
  const HfGaps *gaps = hf_books_gaps (it->self->books);
  const HfMessage *message = mail->message;

  if (mail->unseen < 2)
    set_of_child (out, HF_STATE_OPEN, HF_REASON_QUEUED, child, "not named by the log yet");
  else if (hf_gaps_overlap (gaps, message->host, message->opened_seq, G_MAXUINT64))
    set_of_child (out, HF_STATE_UNACCOUNTED, HF_REASON_GAP, child, NULL);
  else
    set_of_child (out, HF_STATE_UNACCOUNTED, HF_REASON_CHILD_UNSEEN, child, NULL);
}

/* It came to its end and is forgotten: what was found of it before that stands. */
static void
keep_last (const HfCase *it, const HfChild *child, HfVerdict *out)
{
  const HfFinding *last = &it->slot->finding;

  if (child->refused)
    set_of_child (out, HF_STATE_UNACCOUNTED, HF_REASON_CHILD_UNSEEN, child, "not taken");
  else if (last->state == HF_STATE_SETTLED && last->outcome == out->finding.outcome)
    out->finding.silent = last->silent;
}

void
hf_judge_missing (const HfCase *it, const HfMail *mail, HfVerdict *verdict)
{
  const HfMessage *message = mail->message;

  if (message->closed == HF_CLOSED_NOT && !message->accepted)
    hf_verdict_set (verdict, HF_STATE_PROVISIONAL, HF_REASON_UNCONFIRMED, NULL);
  else if (message->closed == HF_CLOSED_NOT)
    {
      hf_verdict_set (verdict, HF_STATE_OPEN, HF_REASON_QUEUED, NULL);
      hf_judge_by_queue (it->self, mail, FALSE, is_in_asked_queue (it, message), verdict);
    }
  else if (!message->opened)
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_GAP, "no line names it, and the message began before the log did");
  else
    hf_verdict_set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_NO_RECORD, "the message is gone, and no line names this recipient");
}

static HfMail *
mail_of_child (const HfAccounts *self, const HfChild *child)
{
  return child->message != NULL ? g_hash_table_lookup (self->mails, &child->message->serial) : NULL;
}

/* A filter that answers for all recipients at once may have made several messages of
 * one and tell of one. */
static const HfChild *
judge_sibling (const HfCase *it, const HfMail *mail, const HfChild *child, const Heir *heir, guint depth, HfVerdict *out)
{
  for (const HfChild *other = mail->message->children; other != NULL && *it->left > 0; other = other->next)
    {
      const HfMail *next = other != child && other->link == child->link ? mail_of_child (it->self, other) : NULL;

      if (next == NULL || next == it->envelope->mail || depth == DEPTH_MAX)
        continue;
      --*it->left;
      if (judge_heir (it, next, heir, depth + 1, out))
        return other;
    }
  return NULL;
}

/* How many of the parent's recipients went to @child. */
static guint
count_passed (const HfMessage *parent, const HfChild *child)
{
  guint n = 0;

  for (const HfLeg *leg = parent->legs; leg != NULL; leg = leg->next)
    n += !hf_leg_is_refused (leg) && (leg->child == NULL || g_strcmp0 (leg->child, child->queue_id) == 0);
  return n;
}

/* Addresses may become one there.  A child that counts fewer than went to it, and has a
 * line for each, is believed to have them all where the MTA never tells what it
 * rewrote; elsewhere the filter dropped one. */
static gboolean
judge_merged (const HfCase *it, const HfMail *mail, const HfChild *child, const Heir *heir, guint depth, HfVerdict *out)
{
  const HfMessage *message = mail->message;
  Heir any = *heir;

  any.all = TRUE;
  return message->rest == 0 && message->has_expected && message->expected < count_passed (heir->parent, child)
         && hf_judge_hides_originals (it->self, message) && judge_heir (it, mail, &any, depth, out);
}

/* @next has no recipient of the heir's name.  FALSE: what is known of it stands. */
static gboolean
judge_nameless (const HfCase *it, const HfMail *mail, const HfMail *next, const HfChild **child, const Heir *heir,
                guint depth, HfVerdict *out)
{
  const HfChild *sibling = judge_sibling (it, mail, *child, heir, depth, out);

  /* a Message-ID that comes again from sendmail(1) may be a copy for somebody else (Sieve) */
  if (sibling == NULL && next->message->submitted)
    return FALSE;
  if (sibling != NULL)
    *child = sibling;
  else if (!judge_merged (it, next, *child, heir, depth + 1, out))
    hf_judge_missing (it, next, out);
  return TRUE;
}

/* @out is settled so far, because it was passed on to @child.  FALSE: to a clone
 * that has no recipient who may be it. */
static gboolean
follow (const HfCase *it, const HfMail *mail, const HfChild *child, const Heir *heir, guint depth, HfVerdict *out)
{
  const HfMail *next = mail_of_child (it->self, child);
  HfVerdict below = { .since_ms = -1 };

  if (child->message == NULL && !child->ended && (heir->leg == NULL || !heir->leg->child_seen))
    judge_unseen (it, mail, child, out);
  else if (child->message == NULL)
    keep_last (it, child, out);
  else if (next == NULL || next == it->envelope->mail || depth == DEPTH_MAX || *it->left == 0)
    set_of_child (out, HF_STATE_UNACCOUNTED, HF_REASON_CHILD_UNSEEN, child, NULL);
  else
    {
      --*it->left;
      if (!judge_heir (it, next, heir, depth + 1, &below))
        {
          if (child->link == HF_LINK_CLONED)
            return FALSE;
          if (!judge_nameless (it, mail, next, &child, heir, depth, &below))
            return TRUE;
        }
      take_over (out, &below, child);
    }
  return TRUE;
}

/* Of a message that lives on under a new id, or was cloned, all that was not settled. */
static void
follow_all (const HfCase *it, const HfMail *mail, const HfLeg *leg, HfLink link, guint depth, HfVerdict *out)
{
  const Heir heir = { .parent = mail->message,
                      .leg = leg,
                      .names = { hf_slice (it->slot->address), leg != NULL ? hf_slice (leg->address) : HF_SLICE_NONE },
                      .by_name = leg != NULL && link == HF_LINK_CLONED };
  HfVerdict worst = { .since_ms = -1 };
  gboolean found = FALSE;

  for (const HfChild *child = mail->message->children; child != NULL; child = child->next)
    {
      HfVerdict one = { .finding = out->finding, .detail = g_strdup (out->detail), .since_ms = out->since_ms };

      if (child->link == link && follow (it, mail, child, &heir, depth, &one))
        hf_verdict_take_worse (&worst, &found, &one);
      g_free (one.detail);
    }
  if (!found)
    return;
  g_free (out->detail);
  *out = worst;
}

void
hf_judge_leg (const HfCase *it, const HfMail *mail, const HfLeg *leg, guint depth, HfVerdict *out)
{
  const HfMessage *message = mail->message;
  const HfChild *child = leg->outcome == HF_OUTCOME_PASSED ? hf_message_find_child (message, leg->child) : NULL;
  const Heir heir = { .parent = message,
                      .leg = leg,
                      .names = { hf_slice (leg->address), slice_or_none (leg->orig) },
                      .all = child != NULL && child->link == HF_LINK_FORWARDED };

  *out = (HfVerdict){ .finding = leg->finding,
                      .detail = hf_describe_detail (message, leg, leg->finding),
                      .since_ms = message->seen_ms };
  if (leg->finding.state == HF_STATE_OPEN)
    hf_judge_by_queue (it->self, mail, TRUE, is_in_asked_queue (it, message), out);
  else if (leg->finding.state == HF_STATE_SETTLED && child != NULL && child->link == HF_LINK_CLONED)
    follow_all (it, mail, leg, HF_LINK_CLONED, depth, out);
  else if (leg->finding.state == HF_STATE_SETTLED && child != NULL)
    follow (it, mail, child, &heir, depth, out);
  else if (leg->finding.state == HF_STATE_SETTLED && leg->finding.outcome == HF_OUTCOME_PASSED)
    follow_all (it, mail, leg, HF_LINK_REQUEUED, depth, out);
}

/* The one delivery that a redirection logs stands for all. */
static void
follow_redirected (const HfCase *it, const HfMail *mail, guint depth, HfVerdict *out)
{
  for (const HfLeg *leg = mail->message->legs; leg != NULL; leg = leg->next)
    {
      HfVerdict one;
      gboolean found = TRUE;

      if (hf_leg_is_refused (leg) || leg->outcome != HF_OUTCOME_PASSED)
        continue;
      hf_judge_leg (it, mail, leg, depth, &one);
      hf_verdict_take_worse (out, &found, &one);
    }
}

void
hf_judge_rest (const HfCase *it, const HfMail *mail, guint depth, HfVerdict *out)
{
  const HfMessage *message = mail->message;

  *out = (HfVerdict){ .finding = message->rest_finding,
                      .detail = hf_describe_detail (message, NULL, message->rest_finding),
                      .since_ms = message->seen_ms };
  if (out->finding.state == HF_STATE_OPEN)
    {
      hf_judge_by_queue (it->self, mail, FALSE, is_in_asked_queue (it, message), out);
      if (message->cloned)
        follow_all (it, mail, NULL, HF_LINK_CLONED, depth, out);
    }
  else if (out->finding.state == HF_STATE_SETTLED && out->finding.outcome == HF_OUTCOME_REDIRECTED)
    follow_redirected (it, mail, depth, out);
  else if (out->finding.state == HF_STATE_SETTLED && out->finding.outcome == HF_OUTCOME_PASSED)
    follow_all (it, mail, NULL, message->cloned ? HF_LINK_CLONED : HF_LINK_REQUEUED, depth, out);
}

/* Another recipient of the parent goes by the name of the child's @leg. */
static gboolean
is_anothers (const Heir *heir, const HfLeg *leg)
{
  const HfLeg *same = hf_message_find_leg (heir->parent, hf_slice (leg->address), HF_SLICE_NONE);

  /* most often, and many have a table for it */
  if (same != NULL && same != heir->leg && !hf_leg_is_refused (same)
      && (heir->leg == NULL || g_ascii_strcasecmp (same->address, heir->leg->address) != 0))
    return TRUE;
  for (const HfLeg *other = heir->parent->legs; other != NULL; other = other->next)
    if (other != heir->leg && !hf_leg_is_refused (other)
        && (heir->leg == NULL || g_ascii_strcasecmp (other->address, heir->leg->address) != 0)
        && (hf_slot_is (leg->orig, hf_slice (other->address)) || hf_slot_is (leg->address, hf_slice (other->address))))
      return TRUE;
  return FALSE;
}

static gboolean
is_heirs (const Heir *heir, const HfLeg *leg, const gboolean *expanded)
{
  for (guint i = 0; i < G_N_ELEMENTS (heir->names); i++)
    if (heir->names[i].at != NULL && hf_slot_owns (leg, heir->names[i], expanded[i]))
      return TRUE;
  return FALSE;
}

/* The worst of @mail's recipients that may be the heir; FALSE when none may. */
static gboolean
judge_heir (const HfCase *it, const HfMail *mail, const Heir *heir, guint depth, HfVerdict *out)
{
  const HfMessage *message = mail->message;
  gboolean expanded[] = { hf_slot_is_expanded (message, heir->names[0]), hf_slot_is_expanded (message, heir->names[1]) };
  gboolean found = FALSE, named = FALSE;
  HfVerdict one;

  for (gint pass = heir->all ? 1 : 0; pass < (heir->by_name ? 1 : 2) && !named; pass++)
    {
      for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
        {
          if (pass == 0 ? !is_heirs (heir, leg, expanded) : hf_leg_is_refused (leg) || (!heir->all && is_anothers (heir, leg)))
            continue;
          hf_judge_leg (it, mail, leg, depth, &one);
          hf_verdict_take_worse (out, &found, &one);
        }
      named = found;
    }
  if (message->rest > 0 && !heir->by_name
      && (!found || heir->all || (message->mta != HF_MTA_SENDMAIL && (expanded[0] || expanded[1]))))
    {
      hf_judge_rest (it, mail, depth, &one);
      hf_verdict_take_worse (out, &found, &one);
    }
  return found;
}

static gboolean
is_as_restored (const HfAccounts *self, const HfMail *mail, guint depth, guint *left)
{
  if (!mail->as_restored || *left == 0)
    return FALSE;
  --*left;
  for (const HfChild *child = mail->message->children; child != NULL && depth < DEPTH_MAX; child = child->next)
    {
      const HfMail *next = mail_of_child (self, child);

      if (next != NULL && !is_as_restored (self, next, depth + 1, left))
        return FALSE;
    }
  return TRUE;
}

gboolean
hf_judge_is_as_restored (const HfAccounts *self, const HfMail *mail)
{
  guint left = HF_LOOKED_INTO_MAX;

  return is_as_restored (self, mail, 0, &left);
}
