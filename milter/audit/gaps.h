/* gaps.h - where the log has holes, when each line was, and how much it tells
 *
 * "No gap since acceptance" is a condition of every verdict of lost.  Lines are
 * counted (seq); a gap is a stretch of that count.
 */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

/* A gap in the logs of all hosts. */
#define HF_ANY_HOST G_MAXUINT16

typedef struct
{
  guint64 begin_seq, end_seq;
  guint64 count;     /* of missing lines, 0 when nobody knows */
  const gchar *why;  /* static */
  HfPosition at;     /* of the line that told it, or where it was noticed */
  gint64 wall_ms;
  guint16 host;
  gboolean silent;   /* nobody reported it */
} HfGap;

typedef struct HfGaps HfGaps;

HfGaps *hf_gaps_new (void);
void hf_gaps_free (HfGaps *self);

/* Tells the time of line @seq; times that go back are passed over. */
void hf_gaps_tick (HfGaps *self, guint64 seq, gint64 wall_ms);

/* The first line not older than @wall_ms, as far as that is remembered. */
guint64 hf_gaps_seq_at (const HfGaps *self, gint64 wall_ms);

/* When the newest line was; -1 before the first. */
gint64 hf_gaps_newest_ms (const HfGaps *self);

/* Tells that @host has a line at @wall_ms; the first one is remembered. */
void hf_gaps_hear (HfGaps *self, guint16 host, gint64 wall_ms);

/* When the first line of @host was; -1 when there was none. */
gint64 hf_gaps_first_ms (const HfGaps *self, guint16 host);

/* Tells that the log of @host has lines which only Sendmail's LogLevel 11 or more
 * writes, so that nothing the books need is left out on purpose. */
void hf_gaps_set_detailed (HfGaps *self, guint16 host);
gboolean hf_gaps_is_detailed (const HfGaps *self, guint16 host);

/**
 * hf_gaps_add:
 * @gap: copied; a silent one that overlaps the newest silent one is one with it
 *
 * Returns: TRUE when there is one gap more than before.
 */
gboolean hf_gaps_add (HfGaps *self, const HfGap *gap);

/* TRUE when lines of @host are missing between two lines, both included. */
gboolean hf_gaps_overlap (const HfGaps *self, guint16 host, guint64 from_seq, guint64 to_seq);

guint hf_gaps_count (const HfGaps *self);
const HfGap *hf_gaps_get (const HfGaps *self, guint index);

G_END_DECLS
