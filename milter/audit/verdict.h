/* verdict.h - from evidence to a state
 *
 * Pure functions of a message and of the log's gaps: nothing is remembered
 * here, so late evidence changes a verdict simply by asking again.
 */
#pragma once

#include "milter/audit/gaps.h"
#include "milter/audit/message.h"

G_BEGIN_DECLS

/* A deferred message is tried again within hours (Postfix: 4,000 s by default)
 * and returned within days (5 d): silence for longer than this is none of both. */
#define HF_SILENT_MS (G_GINT64_CONSTANT (5) * 24 * 3600 * 1000)

typedef struct
{
  const HfGaps *gaps;
  guint64 seq;       /* lines so far */
  gboolean last;     /* no filter follows that could remove recipients */
  gboolean finished; /* no more lines are to come */
} HfVerdictContext;

/**
 * hf_verdict_leg:
 *
 * What @leg came to.  Lost only with positive evidence: acceptance, a queue file
 * gone, no gap, nothing unexplained; anything less is unaccounted.
 */
HfFinding hf_verdict_leg (const HfVerdictContext *context, const HfMessage *message, const HfLeg *leg);

/* The same for the recipients that no line names. */
HfFinding hf_verdict_rest (const HfVerdictContext *context, const HfMessage *message);

/* TRUE when a recipient of @message that no line names may have been merged with
 * another: Sendmail tells what an alias became at LogLevel 11 or more only. */
gboolean hf_verdict_may_be_merged (const HfGaps *gaps, const HfMessage *message);

gboolean hf_finding_equal (HfFinding a, HfFinding b);

/* TRUE when no more is expected to happen: settled or void. */
gboolean hf_finding_is_final (HfFinding finding);

G_END_DECLS
