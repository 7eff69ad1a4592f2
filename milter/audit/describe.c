/* describe.c - findings and evidence in words */
#include <config.h>

#include "milter/audit/describe.h"

/* The one delivery that a redirection logs tells of all its recipients. */
static gchar *
describe_redirected (const HfMessage *message, const HfLeg *leg, HfFinding finding)
{
  const gchar *to = message->redirect_to != NULL ? message->redirect_to : "another address";

  for (const HfLeg *other = message->legs; leg == NULL && other != NULL; other = other->next)
    if (!other->refused && other->detail != NULL)
      leg = other;
  if (!finding.silent || leg == NULL || leg->detail == NULL)
    return g_strdup_printf ("to %s", to);
  return g_strdup_printf ("to %s, discarded there: %s", to, leg->detail);
}

static gchar *
describe_settled (const HfMessage *message, const HfLeg *leg, HfFinding finding)
{
  const gchar *told = leg != NULL ? leg->detail : NULL;

  switch (finding.outcome)
    {
    case HF_OUTCOME_PASSED:
      if (leg != NULL && leg->child != NULL)
        return g_strdup (leg->child);
      return message->children != NULL ? g_strdup (message->children->queue_id) : NULL;
    case HF_OUTCOME_REDIRECTED:
      return describe_redirected (message, leg, finding);
    case HF_OUTCOME_DISCARDED:
      return g_strdup (told != NULL && leg->outcome == HF_OUTCOME_DISCARDED ? told : message->discarded_by);
    case HF_OUTCOME_DELETED:
      return g_strdup ("postsuper");
    case HF_OUTCOME_REMOVED_BY_FILTER:
      return g_strdup ("filter: milter");
    default:
      return g_strdup (told);
    }
}

gchar *
hf_describe_detail (const HfMessage *message, const HfLeg *leg, HfFinding finding)
{
  const gchar *reason = hf_reason_text ((HfReason)finding.reason);

  if (finding.state == HF_STATE_SETTLED)
    return describe_settled (message, leg, finding);
  if (finding.reason == HF_REASON_CHILD_UNSEEN && leg != NULL && leg->child != NULL)
    return g_strdup_printf ("%s: %s", reason, leg->child);
  if (finding.state == HF_STATE_OPEN && leg != NULL && leg->detail != NULL)
    return g_strdup_printf ("%s: %s", reason, leg->detail);
  return g_strdup (reason);
}

const gchar *
hf_describe_evidence (const HfEvidence *evidence)
{
  static const gchar *const kinds[HF_N_LOG_KINDS]
      = { [HF_LOG_NOTHING] = "seen",
          [HF_LOG_ALIVE] = "seen",
          [HF_LOG_OPENED] = "opened",
          [HF_LOG_SUBMITTED] = "submitted",
          [HF_LOG_CONTENT] = "headers seen",
          [HF_LOG_COLLECTED] = "collected",
          [HF_LOG_ACCEPTED] = "accepted",
          [HF_LOG_UNREAD] = "could not be read",
          [HF_LOG_RESULT] = "result",
          [HF_LOG_RECIPIENT_REFUSED] = "recipient refused",
          [HF_LOG_RECIPIENT_REMOVED] = "recipient removed by a filter",
          [HF_LOG_RECIPIENT_ADDED] = "recipient added by a filter",
          [HF_LOG_REFUSED] = "refused",
          [HF_LOG_ABORTED] = "not finished by the client",
          [HF_LOG_CANCELED] = "canceled",
          [HF_LOG_DISCARDED] = "discarded",
          [HF_LOG_HELD] = "held",
          [HF_LOG_RELEASED] = "released",
          [HF_LOG_REDIRECTED] = "redirected",
          [HF_LOG_EXPIRED] = "expired",
          [HF_LOG_REMOVED] = "removed from the queue",
          [HF_LOG_DELETED] = "deleted by an operator",
          [HF_LOG_REQUEUED] = "requeued by an operator",
          [HF_LOG_FORCE_EXPIRED] = "made to expire by an operator",
          [HF_LOG_CHILD] = "new message from it",
          [HF_LOG_EXPANSION] = "alias expanded",
          [HF_LOG_DONE] = "done",
          [HF_LOG_BULK] = "bulk act of an operator",
          [HF_LOG_RENAMED] = "queue files renamed",
          [HF_LOG_CORRUPT] = "queue file put aside",
          [HF_LOG_STUCK] = "queue manager died on it",
          [HF_LOG_VANISHED] = "queue file found gone",
          [HF_LOG_DEAD_LETTER] = "saved as dead letter",
          [HF_LOG_CONNECTED] = "session began",
          [HF_LOG_SESSION_END] = "session ended",
          [HF_LOG_PROXIED] = "accepted by a filter in front",
          [HF_LOG_GAP] = "gap in the log",
          [HF_LOG_GAP_BEGINS] = "gap in the log" };
  static const gchar *const fates[]
      = { [HF_FATE_NONE] = "result",          [HF_FATE_QUEUED] = "queued",
          [HF_FATE_DEFERRED] = "deferred",    [HF_FATE_HELD] = "held",
          [HF_FATE_DELIVERED] = "delivered",  [HF_FATE_RELAYED] = "relayed",
          [HF_FATE_PASSED] = "passed on",     [HF_FATE_BOUNCED] = "bounced",
          [HF_FATE_DISCARDED] = "discarded",  [HF_FATE_PROBED] = "address probed",
          [HF_FATE_REFUSED] = "refused" };

  if (evidence->kind == HF_LOG_RESULT && evidence->fate < G_N_ELEMENTS (fates))
    return fates[evidence->fate];
  return evidence->kind < HF_N_LOG_KINDS ? kinds[evidence->kind] : "seen";
}

const gchar *
hf_describe_link (HfLink link)
{
  switch (link)
    {
    case HF_LINK_FORWARDED:
      return "forwarded";
    case HF_LINK_FILTERED:
      return "filtered";
    case HF_LINK_REQUEUED:
      return "requeued";
    case HF_LINK_NOTIFICATION:
      return "notification";
    case HF_LINK_CLONED:
      return "cloned";
    case HF_LINK_NONE:
    default:
      return NULL;
    }
}

const gchar *
hf_describe_mta (HfMta mta)
{
  switch (mta)
    {
    case HF_MTA_POSTFIX:
      return "postfix";
    case HF_MTA_SENDMAIL:
      return "sendmail";
    case HF_MTA_UNKNOWN:
    default:
      return NULL;
    }
}
