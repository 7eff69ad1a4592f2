/* judge-slot.c - what one recipient of an envelope came to
 *
 * The books judge from the log alone, and each message by itself.  Here the
 * journal's side is added (void marks, the envelope's own recipients) and the
 * queue's: what the log says is open, but two snapshots of the queue do not have,
 * is lost where no line is missing, and unaccounted where one may be.  And mail
 * that was passed on is no better than what it was passed on to: it takes the
 * finding of that, as long as that is in the books.
 */
#include <config.h>

#include "milter/audit/accounts-private.h"

#include "milter/audit/describe.h"
#include "milter/audit/verdict.h"
#include "milter/base/id.h"

#include <string.h>

/* Longer chains are a loop, or forged. */
#define DEPTH_MAX 16

/* Whose recipient is judged. */
typedef struct
{
  const HfAccounts *self;
  const HfEnvelope *envelope;
  const HfSlot *slot;
} Case;

/* Who, of a child's recipients, may be the one that was passed on. */
typedef struct
{
  const HfMessage *parent;
  const HfLeg *leg;     /* nullable: of parent */
  HfSlice names[2];     /* the second may be absent */
  gboolean all;         /* the child is of this one recipient only */
  gboolean by_name;     /* it is known to be named there */
} Heir;

static gboolean judge_heir (const Case *it, const HfMail *mail, const Heir *heir, guint depth, HfVerdict *out);

static void
set (HfVerdict *verdict, HfState state, HfReason reason, const gchar *detail)
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

  set (verdict, state, reason, text);
}

/* @other is used up; the one that needs more attention stays. */
static void
take_worse (HfVerdict *verdict, gboolean *found, HfVerdict *other)
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

/* The addresses of the envelope, in small letters. */
static GHashTable *
fold_slots (const HfEnvelope *envelope)
{
  GHashTable *set = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < envelope->n_slots; i++)
    g_hash_table_add (set, g_ascii_strdown (envelope->slots[i].address, -1));
  return set;
}

static gboolean
has_folded (GHashTable *set, const gchar *address)
{
  g_autofree gchar *folded = address != NULL ? g_ascii_strdown (address, -1) : NULL;

  return folded != NULL && g_hash_table_contains (set, folded);
}

static HfSlice
slice_or_none (const gchar *text)
{
  return text != NULL ? hf_slice (text) : HF_SLICE_NONE;
}

static gboolean
is_refused (const HfLeg *leg)
{
  return leg->refused || leg->fate == HF_FATE_REFUSED;
}

/* ---- the queue ---- */

/* What the queue says of a recipient that the log says is open.  @named: by a line. */
static void
judge_by_queue (const HfAccounts *self, const HfMail *mail, gboolean named, gboolean is_asked, HfVerdict *verdict)
{
  const HfMessage *message = mail->message;
  const gint64 open_ms = self->now_ms - message->arrived_ms;
  const gboolean is_gone = is_asked && mail->absent > 1;

  if (is_asked && mail->corrupt)
    set (verdict, HF_STATE_LOST, message->mta == HF_MTA_SENDMAIL ? HF_REASON_LOST_FILE : HF_REASON_CORRUPT, NULL);
  else if (is_gone && hf_gaps_overlap (hf_books_gaps (self->books), message->host, message->opened_seq, G_MAXUINT64))
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_GAP, "not in the queue any more; lines of the log are missing");
  else if (is_gone && (message->bulk_deleted || message->bulk_requeued || message->renamed))
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_BULK_DELETED, "not in the queue any more since an operator's bulk act");
  else if (is_gone && !message->opened)
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_GAP, "not in the queue any more; it began before the log did");
  else if (is_gone && !named && hf_verdict_may_be_merged (hf_books_gaps (self->books), message))
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_LOG_LEVEL, NULL);
  else if (is_gone)
    set (verdict, HF_STATE_LOST, HF_REASON_VANISHED, "not in the queue any more, and no line of the log says why");
  else if (!mail->listed && message->arrived_ms >= 0 && self->settings.settle_after_ms > 0
           && open_ms > self->settings.settle_after_ms)
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_SILENT, "open for longer than settle_after, and not seen in the queue");
}

/* What another host or instance took is in a queue that nobody looks at. */
static gboolean
is_in_asked_queue (const Case *it, const HfMessage *message)
{
  const HfMessage *own = it->envelope->mail->message;

  return message->host == own->host && message->instance == own->instance;
}

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
judge_unconfirmed (const Case *it, HfVerdict *verdict)
{
  const HfEnvelope *envelope = it->envelope;
  const guint absent = envelope->mail != NULL ? envelope->mail->absent : envelope->absent;

  /* what was found once stands until a line or the queue tells more */
  if (absent > 1
      && (hf_judge_is_overdue (it->self, envelope, it->self->now_ms) || g_strcmp0 (it->slot->detail, HF_UNCONFIRMED_DETAIL) == 0))
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_UNCONFIRMED, HF_UNCONFIRMED_DETAIL);
  else if (envelope->mail == NULL && envelope->absent > 0)
    {
      g_autofree gchar *text = NULL;
      gchar at[25];

      hf_time_format (envelope->absent_ms, at);
      text = g_strconcat (HF_ABSENT_DETAIL, at, NULL);
      set (verdict, HF_STATE_PROVISIONAL, HF_REASON_UNCONFIRMED, text);
    }
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
judge_unseen (const Case *it, const HfMail *mail, const HfChild *child, HfVerdict *out)
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
keep_last (const Case *it, const HfChild *child, HfVerdict *out)
{
  const HfFinding *last = &it->slot->finding;

  if (child->refused)
    set_of_child (out, HF_STATE_UNACCOUNTED, HF_REASON_CHILD_UNSEEN, child, "not taken");
  else if (last->state == HF_STATE_SETTLED && last->outcome == out->finding.outcome)
    out->finding.silent = last->silent;
}

/* Nothing that was logged can be this recipient under another name. */
static void
judge_missing (const Case *it, const HfMail *mail, HfVerdict *verdict)
{
  const HfMessage *message = mail->message;

  if (message->closed == HF_CLOSED_NOT && !message->accepted)
    set (verdict, HF_STATE_PROVISIONAL, HF_REASON_UNCONFIRMED, NULL);
  else if (message->closed == HF_CLOSED_NOT)
    {
      set (verdict, HF_STATE_OPEN, HF_REASON_QUEUED, NULL);
      judge_by_queue (it->self, mail, FALSE, is_in_asked_queue (it, message), verdict);
    }
  else if (!message->opened)
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_GAP, "no line names it, and the message began before the log did");
  else
    set (verdict, HF_STATE_UNACCOUNTED, HF_REASON_NO_RECORD, "the message is gone, and no line names this recipient");
}

static HfMail *
mail_of_child (const HfAccounts *self, const HfChild *child)
{
  return child->message != NULL ? g_hash_table_lookup (self->mails, &child->message->serial) : NULL;
}

/* @out is settled so far, because it was passed on to @child.  FALSE: to a clone
 * that has no recipient who may be it. */
static gboolean
follow (const Case *it, const HfMail *mail, const HfChild *child, const Heir *heir, guint depth, HfVerdict *out)
{
  const HfMail *next = mail_of_child (it->self, child);
  HfVerdict below = { .since_ms = -1 };

  if (child->message == NULL && !child->ended && (heir->leg == NULL || !heir->leg->child_seen))
    judge_unseen (it, mail, child, out);
  else if (child->message == NULL)
    keep_last (it, child, out);
  else if (next == NULL || next == it->envelope->mail || depth == DEPTH_MAX)
    set_of_child (out, HF_STATE_UNACCOUNTED, HF_REASON_CHILD_UNSEEN, child, NULL);
  else
    {
      if (!judge_heir (it, next, heir, depth + 1, &below))
        {
          if (child->link == HF_LINK_CLONED)
            return FALSE;
          judge_missing (it, next, &below);
        }
      take_over (out, &below, child);
    }
  return TRUE;
}

/* Of a message that lives on under a new id, or was cloned, all that was not settled. */
static void
follow_all (const Case *it, const HfMail *mail, const HfLeg *leg, HfLink link, guint depth, HfVerdict *out)
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
        take_worse (&worst, &found, &one);
      g_free (one.detail);
    }
  if (!found)
    return;
  g_free (out->detail);
  *out = worst;
}

static void
judge_leg (const Case *it, const HfMail *mail, const HfLeg *leg, guint depth, HfVerdict *out)
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
    judge_by_queue (it->self, mail, TRUE, is_in_asked_queue (it, message), out);
  else if (leg->finding.state == HF_STATE_SETTLED && child != NULL && child->link == HF_LINK_CLONED)
    follow_all (it, mail, leg, HF_LINK_CLONED, depth, out);
  else if (leg->finding.state == HF_STATE_SETTLED && child != NULL)
    follow (it, mail, child, &heir, depth, out);
  else if (leg->finding.state == HF_STATE_SETTLED && leg->finding.outcome == HF_OUTCOME_PASSED)
    follow_all (it, mail, leg, HF_LINK_REQUEUED, depth, out);
}

/* The one delivery that a redirection logs stands for all. */
static void
follow_redirected (const Case *it, const HfMail *mail, guint depth, HfVerdict *out)
{
  for (const HfLeg *leg = mail->message->legs; leg != NULL; leg = leg->next)
    {
      HfVerdict one;
      gboolean found = TRUE;

      if (is_refused (leg) || leg->outcome != HF_OUTCOME_PASSED)
        continue;
      judge_leg (it, mail, leg, depth, &one);
      take_worse (out, &found, &one);
    }
}

/* Those that no line names. */
static void
judge_rest (const Case *it, const HfMail *mail, guint depth, HfVerdict *out)
{
  const HfMessage *message = mail->message;

  *out = (HfVerdict){ .finding = message->rest_finding,
                      .detail = hf_describe_detail (message, NULL, message->rest_finding),
                      .since_ms = message->seen_ms };
  if (out->finding.state == HF_STATE_OPEN)
    {
      judge_by_queue (it->self, mail, FALSE, is_in_asked_queue (it, message), out);
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
  for (const HfLeg *other = heir->parent->legs; other != NULL; other = other->next)
    if (other != heir->leg && !is_refused (other)
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
judge_heir (const Case *it, const HfMail *mail, const Heir *heir, guint depth, HfVerdict *out)
{
  const HfMessage *message = mail->message;
  gboolean expanded[] = { hf_slot_is_expanded (message, heir->names[0]), hf_slot_is_expanded (message, heir->names[1]) };
  gboolean found = FALSE, named = FALSE;
  HfVerdict one;

  for (gint pass = heir->all ? 1 : 0; pass < (heir->by_name ? 1 : 2) && !named; pass++)
    {
      for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
        {
          if (pass == 0 ? !is_heirs (heir, leg, expanded) : is_refused (leg) || (!heir->all && is_anothers (heir, leg)))
            continue;
          judge_leg (it, mail, leg, depth, &one);
          take_worse (out, &found, &one);
        }
      named = found;
    }
  if (message->rest > 0 && !heir->by_name
      && (!found || heir->all || (message->mta != HF_MTA_SENDMAIL && (expanded[0] || expanded[1]))))
    {
      judge_rest (it, mail, depth, &one);
      take_worse (out, &found, &one);
    }
  return found;
}

/* ---- the envelope's own recipients ---- */

static gboolean
has_legs (const HfMessage *message, const HfSlot *slot)
{
  guint n_legs;

  hf_slot_find (message, hf_slice (slot->address), NULL, &n_legs);
  return n_legs > 0;
}

/* Whether an MTA tells what a recipient was before it was rewritten
 * (enable_original_recipient of Postfix), as far as its log has shown: by a line that
 * does, or by mail to one, delivered to another address and nobody else. */
typedef enum
{
  ORIGINALS_SHOWN = 1,
  ORIGINALS_HIDDEN = 2,
} Originals;

static gpointer
key_of_mta (const HfMessage *message)
{
  return GUINT_TO_POINTER ((guint) message->host << 16 | message->instance);
}

static guint
originals_of (const HfAccounts *self, const HfMessage *message)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->originals, key_of_mta (message)));
}

void
hf_judge_learn (const HfAccounts *self, const HfEnvelope *envelope)
{
  const HfMessage *message = envelope->mail->message;
  const HfLeg *leg = message->legs;
  guint known = originals_of (self, message);

  if (message->mta != HF_MTA_POSTFIX || leg == NULL)
    return;
  /* local(8) tells it of its own aliases in any case */
  for (const HfLeg *any = leg; any != NULL; any = any->next)
    if (any->orig != NULL && !any->local)
      known |= ORIGINALS_SHOWN;
  if (envelope->n_slots == 1 && message->has_expected && message->expected == 1 && leg->next == NULL && leg->orig == NULL
      && !is_refused (leg) && !hf_slot_is (leg->address, hf_slice (envelope->slots[0].address)))
    known |= ORIGINALS_HIDDEN;
  g_hash_table_insert (self->originals, key_of_mta (message), GUINT_TO_POINTER (known));
}

static gboolean
are_originals_hidden (const HfAccounts *self, const HfMessage *message)
{
  return originals_of (self, message) == ORIGINALS_HIDDEN;
}

static gsize
local_length (const gchar *address)
{
  const gchar *at = strrchr (address, '@');

  return at != NULL ? (gsize) (at - address) : strlen (address);
}

static gboolean
has_same_local_part (const gchar *a, const gchar *b)
{
  return local_length (a) == local_length (b) && g_ascii_strncasecmp (a, b, local_length (a)) == 0;
}

/* An address is rewritten by its domain, or within it; what is added is another's. */
static gboolean
resembles (const gchar *a, const gchar *b)
{
  return has_same_local_part (a, b) || g_ascii_strcasecmp (a + local_length (a), b + local_length (b)) == 0;
}

/* The MTA counted fewer recipients than the envelope has: it made one of two. */
static gboolean
were_merged (const HfEnvelope *envelope, const HfMessage *message)
{
  guint refused = 0;

  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    refused += is_refused (leg);
  return message->has_expected && message->expected + refused < envelope->n_slots;
}

/* Postfix makes one of two that are the same once they are rewritten, where it does
 * not keep what they were. */
static gboolean
may_be_merged (const Case *it, const HfMessage *message, const HfLeg *leg)
{
  return were_merged (it->envelope, message)
         && (message->mta == HF_MTA_SENDMAIL || are_originals_hidden (it->self, message)
             || has_same_local_part (it->slot->address, leg->address));
}

static gboolean
is_other_named (const Case *it, const HfMessage *message)
{
  for (guint i = 0; i < it->envelope->n_slots; i++)
    if (&it->envelope->slots[i] != it->slot && has_legs (message, &it->envelope->slots[i]))
      return TRUE;
  return FALSE;
}

/* @leg goes by no name of the envelope: it is one of its recipients, rewritten, or was
 * added (always_bcc, a filter).  With nobody else named it can only be the former; and
 * so it is where the MTA never tells what it rewrote.  Where that is not known, the
 * address has to look like the other. */
static gboolean
may_be_rewritten (const Case *it, const HfMessage *message, const HfLeg *leg)
{
  if (message->mta == HF_MTA_SENDMAIL || !is_other_named (it, message) || are_originals_hidden (it->self, message))
    return TRUE;
  if (leg->orig != NULL || (originals_of (it->self, message) & ORIGINALS_SHOWN) != 0)
    return has_same_local_part (it->slot->address, leg->orig != NULL ? leg->orig : leg->address);
  return resembles (it->slot->address, leg->address);
}

static void
judge_different (const Case *it, const HfMail *mail, HfVerdict *verdict)
{
  const gboolean open = mail->message->closed == HF_CLOSED_NOT;

  set (verdict, open ? HF_STATE_OPEN : HF_STATE_UNACCOUNTED, HF_REASON_NO_RECORD,
       "the log names it otherwise, and its recipients came to different ends");
  if (open)
    judge_by_queue (it->self, mail, FALSE, TRUE, verdict);
}

/* No line names the envelope's address: the MTA rewrote it, or made it one with
 * another.  Where all that may stand for it came to the same, so did it. */
static void
judge_rewritten (const Case *it, const HfMail *mail, HfVerdict *verdict)
{
  g_autoptr (GHashTable) slots = fold_slots (it->envelope);
  gboolean found = FALSE;

  for (const HfLeg *leg = mail->message->legs; leg != NULL; leg = leg->next)
    {
      const gboolean is_others = has_folded (slots, leg->orig) || has_folded (slots, leg->address);
      HfVerdict one;

      if (is_refused (leg)
          || !(is_others ? may_be_merged (it, mail->message, leg) : may_be_rewritten (it, mail->message, leg)))
        continue;
      judge_leg (it, mail, leg, 0, &one);
      if (found && !hf_finding_equal (one.finding, verdict->finding))
        {
          g_free (one.detail);
          judge_different (it, mail, verdict);
          return;
        }
      take_worse (verdict, &found, &one);
    }
  if (!found)
    judge_missing (it, mail, verdict);
}

/* More that no line names than the envelope has: some are what others became. */
static gboolean
has_surplus (const Case *it, const HfMessage *message)
{
  guint unnamed = 0;

  if (message->mta == HF_MTA_SENDMAIL || message->rest == 0)
    return FALSE;
  for (guint i = 0; i < it->envelope->n_slots; i++)
    unnamed += !has_legs (message, &it->envelope->slots[i]);
  return message->rest > unnamed;
}

static gboolean
any_is_expanded (const Case *it, const HfMessage *message)
{
  for (guint i = 0; i < it->envelope->n_slots; i++)
    if (hf_slot_is_expanded (message, hf_slice (it->envelope->slots[i].address)))
      return TRUE;
  return FALSE;
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
judge_surplus (const Case *it, const HfMail *mail, gboolean expanded, HfVerdict *verdict)
{
  HfVerdict rest;
  gboolean found = TRUE;

  if (!has_surplus (it, mail->message))
    return;
  judge_rest (it, mail, 0, &rest);
  if (expanded || (is_without_record (rest.finding) && !any_is_expanded (it, mail->message)))
    take_worse (verdict, &found, &rest);
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
judge_expansion (const Case *it, const HfMail *mail, HfVerdict *verdict)
{
  const HfMessage *message = mail->message;
  HfVerdict one = { .since_ms = message->seen_ms };
  gboolean found = TRUE;

  if (message->mta != HF_MTA_SENDMAIL || message->expired || !hf_message_lacks_name (message, it->slot->address))
    return;
  if (is_over (message))
    set (&one, HF_STATE_UNACCOUNTED, HF_REASON_NO_RECORD, "no line names one of those that it became");
  else if (message->closed == HF_CLOSED_NOT && message->accepted)
    {
      set (&one, HF_STATE_OPEN, HF_REASON_QUEUED, NULL);
      judge_by_queue (it->self, mail, TRUE, TRUE, &one);
    }
  else
    return;
  take_worse (verdict, &found, &one);
}

static void
judge_by_log (const Case *it, const HfMail *mail, HfVerdict *verdict)
{
  const HfSlice address = hf_slice (it->slot->address);
  const gboolean expanded = hf_slot_is_expanded (mail->message, address);
  gboolean found = FALSE;
  HfVerdict one;

  for (const HfLeg *leg = mail->message->legs; leg != NULL; leg = leg->next)
    {
      if (!hf_slot_owns (leg, address, expanded))
        continue;
      judge_leg (it, mail, leg, 0, &one);
      take_worse (verdict, &found, &one);
    }
  if (found)
    judge_surplus (it, mail, expanded, verdict);
  else if (mail->message->rest == 0)
    judge_rewritten (it, mail, verdict);
  else
    judge_rest (it, mail, 0, verdict);
  judge_expansion (it, mail, verdict);
}

void
hf_judge_slot (const HfAccounts *self, const HfEnvelope *envelope, const HfSlot *slot, HfVerdict *out)
{
  const Case it = { self, envelope, slot };
  const HfMail *mail = envelope->mail;
  const gboolean accepted = mail != NULL && mail->message->accepted;

  *out = (HfVerdict){ .since_ms = -1 };
  if (mail != NULL)
    judge_by_log (&it, mail, out);
  else
    set (out, HF_STATE_PROVISIONAL, HF_REASON_UNCONFIRMED, NULL);
  if (mail != NULL && out->since_ms < 0)
    out->since_ms = mail->message->seen_ms;
  if (out->finding.state == HF_STATE_PROVISIONAL && !accepted && envelope->void_reason != NULL && !envelope->carried)
    set (out, HF_STATE_VOID, HF_REASON_REFUSED, envelope->void_reason);
  else if (out->finding.state == HF_STATE_PROVISIONAL && !accepted)
    judge_unconfirmed (&it, out);
}

static gboolean
is_as_restored (const HfAccounts *self, const HfMail *mail, guint depth)
{
  if (!mail->as_restored)
    return FALSE;
  for (const HfChild *child = mail->message->children; child != NULL && depth < DEPTH_MAX; child = child->next)
    {
      const HfMail *next = mail_of_child (self, child);

      if (next != NULL && !is_as_restored (self, next, depth + 1))
        return FALSE;
    }
  return TRUE;
}

gboolean
hf_judge_is_as_restored (const HfAccounts *self, const HfMail *mail)
{
  return is_as_restored (self, mail, 0);
}
