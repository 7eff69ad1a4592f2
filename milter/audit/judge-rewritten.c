/* judge-rewritten.c - a recipient that no line names: rewritten, merged, or missing; see judge-private.h */
#include <config.h>

#include "milter/audit/judge-private.h"

#include <string.h>

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

/* @address: (nullable): the one recipient that came in. */
static void
learn_from (const HfAccounts *self, const HfMessage *message, const gchar *address)
{
  const HfLeg *leg = message->legs;
  guint known = originals_of (self, message);

  if (message->mta != HF_MTA_POSTFIX || leg == NULL)
    return;
  /* local(8) tells it of its own aliases in any case */
  for (const HfLeg *any = leg; any != NULL; any = any->next)
    if (any->orig != NULL && !any->local)
      known |= ORIGINALS_SHOWN;
  if (address != NULL && message->has_expected && message->expected == 1 && leg->next == NULL && leg->orig == NULL
      && !hf_leg_is_refused (leg) && !hf_slot_is (leg->address, hf_slice (address)))
    known |= ORIGINALS_HIDDEN;
  g_hash_table_insert (self->originals, key_of_mta (message), GUINT_TO_POINTER (known));
}

/* Addresses may be rewritten only behind a content filter. */
void
hf_judge_learn (const HfAccounts *self, const HfEnvelope *envelope)
{
  const gchar *address = envelope->n_slots == 1 ? envelope->slots[0].address : NULL;

  learn_from (self, envelope->mail->message, address);
  for (const HfChild *child = envelope->mail->message->children; child != NULL; child = child->next)
    if (child->message != NULL && child->link == HF_LINK_FILTERED)
      learn_from (self, child->message, address);
}

gboolean
hf_judge_hides_originals (const HfAccounts *self, const HfMessage *message)
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

/* Postfix makes one of two that are the same once they are rewritten, where it does
 * not keep what they were. */
static gboolean
may_be_merged (const HfCase *it, const HfMessage *message, const HfLeg *leg)
{
  return it->naming->were_merged
         && (message->mta == HF_MTA_SENDMAIL || hf_judge_hides_originals (it->self, message)
             || has_same_local_part (it->slot->address, leg->address));
}

/* @leg goes by no name of the envelope: it is one of its recipients, rewritten, or was
 * added (always_bcc, a filter).  With nobody else named it can only be the former; and
 * so it is where the MTA never tells what it rewrote.  Where that is not known, the
 * address has to look like the other. */
static gboolean
may_be_rewritten (const HfCase *it, const HfMessage *message, const HfLeg *leg)
{
  if (message->mta == HF_MTA_SENDMAIL || it->naming->n_named == 0 || hf_judge_hides_originals (it->self, message))
    return TRUE;
  if (leg->orig != NULL || (originals_of (it->self, message) & ORIGINALS_SHOWN) != 0)
    return has_same_local_part (it->slot->address, leg->orig != NULL ? leg->orig : leg->address);
  return resembles (it->slot->address, leg->address);
}

static void
judge_different (const HfCase *it, const HfMail *mail, HfVerdict *verdict)
{
  const gboolean open = mail->message->closed == HF_CLOSED_NOT;

  hf_verdict_set (verdict, open ? HF_STATE_OPEN : HF_STATE_UNACCOUNTED, HF_REASON_NO_RECORD,
                  "the log names it otherwise, and its recipients came to different ends");
  if (open)
    hf_judge_by_queue (it->self, mail, FALSE, TRUE, verdict);
}

void
hf_judge_rewritten (const HfCase *it, const HfMail *mail, HfVerdict *verdict)
{
  g_autoptr (GHashTable) slots = fold_slots (it->envelope);
  gboolean found = FALSE;

  for (const HfLeg *leg = mail->message->legs; leg != NULL; leg = leg->next)
    {
      const gboolean is_others = has_folded (slots, leg->orig) || has_folded (slots, leg->address);
      HfVerdict one;

      if (hf_leg_is_refused (leg)
          || !(is_others ? may_be_merged (it, mail->message, leg) : may_be_rewritten (it, mail->message, leg)))
        continue;
      hf_judge_leg (it, mail, leg, 0, &one);
      if (found && !hf_finding_equal (one.finding, verdict->finding))
        {
          g_free (one.detail);
          judge_different (it, mail, verdict);
          return;
        }
      hf_verdict_take_worse (verdict, &found, &one);
    }
  if (!found)
    hf_judge_missing (it, mail, verdict);
}
