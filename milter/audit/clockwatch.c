/* clockwatch.c - may the wall clock be believed?; see clockwatch.h */
#include <config.h>

#include "milter/audit/clockwatch.h"

HfClockwatchResult
hf_clockwatch_look (HfClockwatch *self, gint64 wall_ms, gint64 monotonic_ms, gint64 *out_moved_ms)
{
  const gint64 moved_ms = self->has_seen ? (wall_ms - self->wall_ms) - (monotonic_ms - self->monotonic_ms) : 0;
  const gboolean jumped = ABS (moved_ms) > HF_CLOCKWATCH_JUMP_MS;
  const HfClockwatchResult result = !self->has_seen ? HF_CLOCKWATCH_FIRST : jumped ? HF_CLOCKWATCH_JUMPED : HF_CLOCKWATCH_TRUE;

  *out_moved_ms = moved_ms;
  if (jumped)
    self->ahead_ms = MAX (self->ahead_ms + moved_ms, 0);
  self->has_seen = TRUE;
  self->wall_ms = wall_ms;
  self->monotonic_ms = monotonic_ms;
  return result;
}

gint64
hf_clockwatch_now_ms (const HfClockwatch *self)
{
  return self->wall_ms - self->ahead_ms;
}
