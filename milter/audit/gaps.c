/* gaps.c - where the log has holes, when each line was, and how much it tells */
#include <config.h>

#include "milter/audit/gaps.h"

#define TICK_MS 15000

/* Four per minute: a month and more. */
#define TICKS_MAX 200000

typedef struct
{
  gint64 wall_ms;
  guint64 seq;
} Tick;

struct HfGaps
{
  GArray *gaps;  /* of HfGap, by end_seq */
  GArray *ticks; /* of Tick, by both */
  GArray *first_ms; /* gint64 by host; 0 when not heard of */
  GArray *detailed; /* gboolean by host */
  gint64 newest_ms;
};

HfGaps *
hf_gaps_new (void)
{
  HfGaps *self = g_new0 (HfGaps, 1);

  self->gaps = g_array_new (FALSE, FALSE, sizeof (HfGap));
  self->ticks = g_array_new (FALSE, FALSE, sizeof (Tick));
  self->first_ms = g_array_new (FALSE, TRUE, sizeof (gint64));
  self->detailed = g_array_new (FALSE, TRUE, sizeof (gboolean));
  self->newest_ms = -1;
  return self;
}

void
hf_gaps_free (HfGaps *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->gaps);
  g_array_unref (self->ticks);
  g_array_unref (self->first_ms);
  g_array_unref (self->detailed);
  g_free (self);
}

void
hf_gaps_tick (HfGaps *self, guint64 seq, gint64 wall_ms)
{
  const Tick *last;
  Tick tick = { wall_ms, seq };

  if (wall_ms <= self->newest_ms)
    return;
  self->newest_ms = wall_ms;
  if (self->ticks->len > 0)
    {
      last = &g_array_index (self->ticks, Tick, self->ticks->len - 1);
      if (wall_ms < last->wall_ms + TICK_MS)
        return;
    }
  if (self->ticks->len >= TICKS_MAX)
    g_array_remove_range (self->ticks, 0, TICKS_MAX / 4);
  g_array_append_val (self->ticks, tick);
}

guint64
hf_gaps_seq_at (const HfGaps *self, gint64 wall_ms)
{
  guint low = 0, high = self->ticks->len;

  /* the last tick that is not younger */
  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (g_array_index (self->ticks, Tick, middle).wall_ms <= wall_ms)
        low = middle + 1;
      else
        high = middle;
    }
  return low > 0 ? g_array_index (self->ticks, Tick, low - 1).seq : 0;
}

void
hf_gaps_hear (HfGaps *self, guint16 host, gint64 wall_ms)
{
  if (wall_ms <= 0)
    return;
  if (host >= self->first_ms->len)
    g_array_set_size (self->first_ms, host + 1U);
  if (g_array_index (self->first_ms, gint64, host) == 0)
    g_array_index (self->first_ms, gint64, host) = wall_ms;
}

gint64
hf_gaps_first_ms (const HfGaps *self, guint16 host)
{
  if (host >= self->first_ms->len || g_array_index (self->first_ms, gint64, host) == 0)
    return -1;
  return g_array_index (self->first_ms, gint64, host);
}

gint64
hf_gaps_newest_ms (const HfGaps *self)
{
  return self->newest_ms;
}

void
hf_gaps_set_detailed (HfGaps *self, guint16 host)
{
  if (host >= self->detailed->len)
    g_array_set_size (self->detailed, host + 1U);
  g_array_index (self->detailed, gboolean, host) = TRUE;
}

gboolean
hf_gaps_is_detailed (const HfGaps *self, guint16 host)
{
  return host < self->detailed->len && g_array_index (self->detailed, gboolean, host);
}

gboolean
hf_gaps_add (HfGaps *self, const HfGap *gap)
{
  if (gap->silent && self->gaps->len > 0)
    {
      HfGap *last = &g_array_index (self->gaps, HfGap, self->gaps->len - 1);

      if (last->silent && last->host == gap->host && last->end_seq >= gap->begin_seq)
        {
          last->begin_seq = MIN (last->begin_seq, gap->begin_seq);
          last->end_seq = MAX (last->end_seq, gap->end_seq);
          return FALSE;
        }
    }
  g_array_append_vals (self->gaps, gap, 1);
  return TRUE;
}

gboolean
hf_gaps_overlap (const HfGaps *self, guint16 host, guint64 from_seq, guint64 to_seq)
{
  guint low = 0, high = self->gaps->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (g_array_index (self->gaps, HfGap, middle).end_seq < from_seq)
        low = middle + 1;
      else
        high = middle;
    }
  for (; low < self->gaps->len; low++)
    {
      const HfGap *gap = &g_array_index (self->gaps, HfGap, low);

      if ((gap->host == host || gap->host == HF_ANY_HOST) && gap->begin_seq <= to_seq)
        return TRUE;
    }
  return FALSE;
}

guint
hf_gaps_count (const HfGaps *self)
{
  return self->gaps->len;
}

const HfGap *
hf_gaps_get (const HfGaps *self, guint index)
{
  return &g_array_index (self->gaps, HfGap, index);
}
