/* judge-private.h - the parts of a judgement
 *
 *   judge-slot.c      a recipient of the envelope: all that it became, or nothing yet
 *   judge-rewritten.c one that no line names
 *   judge-leg.c       one that a line names, or the rest; the queue, and children
 *
 * Nothing here changes an account; what is written is judge.c's.
 */
#pragma once

#include "milter/audit/accounts-private.h"
#include "milter/audit/verdict.h"

G_BEGIN_DECLS

/* Who writes a log in which messages go on to many, which go on to the same many,
 * wants to see the auditor never come to an end. */
#define HF_LOOKED_INTO_MAX 10000

/* Whose recipient is judged. */
typedef struct
{
  const HfAccounts *self;
  const HfEnvelope *envelope;
  const HfSlot *slot;
  const HfNaming *naming;
  guint *left; /* messages that may still be looked into */
} HfCase;

/* @detail: NULL for the reason's own words. */
void hf_verdict_set (HfVerdict *verdict, HfState state, HfReason reason, const gchar *detail);

/* @other is used up; the one that needs more attention stays.  @found: whether there
 * was one already. */
void hf_verdict_take_worse (HfVerdict *verdict, gboolean *found, HfVerdict *other);

gboolean hf_leg_is_refused (const HfLeg *leg);

/* The MTA of @message never tells what a recipient was before it was rewritten, as far
 * as its log has shown. */
gboolean hf_judge_hides_originals (const HfAccounts *self, const HfMessage *message);

/* What the queue says of a recipient that the log says is open.  @named: by a line;
 * @is_asked: it is in the queue that is looked at. */
void hf_judge_by_queue (const HfAccounts *self, const HfMail *mail, gboolean named, gboolean is_asked, HfVerdict *verdict);

/* Nothing that was logged of @mail can be the recipient under another name. */
void hf_judge_missing (const HfCase *it, const HfMail *mail, HfVerdict *verdict);

/* One that a line names, and those that none does; @depth: 0, or how often it was passed on. */
void hf_judge_leg (const HfCase *it, const HfMail *mail, const HfLeg *leg, guint depth, HfVerdict *out);
void hf_judge_rest (const HfCase *it, const HfMail *mail, guint depth, HfVerdict *out);

/* No line names the envelope's address: the MTA rewrote it, or made it one with
 * another.  Where all that may stand for it came to the same, so did it. */
void hf_judge_rewritten (const HfCase *it, const HfMail *mail, HfVerdict *verdict);

G_END_DECLS
