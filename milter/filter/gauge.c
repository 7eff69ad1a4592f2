/* gauge.c - two marks with hysteresis; see gauge.h */
#include <config.h>

#include "milter/filter/gauge.h"

static HfGaugeLevel
next_level (const HfGauge *self, gboolean beyond_warn, gboolean beyond_stop)
{
  if (beyond_stop)
    return HF_GAUGE_STOP;
  if (beyond_warn)
    return MAX (self->level, HF_GAUGE_WARN);
  if (self->level == HF_GAUGE_WARN && self->calm < HF_GAUGE_CALM_LOOKS)
    return HF_GAUGE_WARN;
  return HF_GAUGE_FINE;
}

gboolean
hf_gauge_look (HfGauge *self, gboolean beyond_warn, gboolean beyond_stop)
{
  const HfGaugeLevel before = self->level;

  self->calm = beyond_warn || beyond_stop ? 0 : self->calm + 1;
  self->level = next_level (self, beyond_warn, beyond_stop);
  return self->level != before;
}
