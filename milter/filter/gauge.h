/* gauge.h - two marks with hysteresis
 *
 * Beyond the first mark a gauge warns, beyond the second it stops; from there
 * it comes back only when it is within the first again.  So a figure that
 * hovers at the second mark does not let mail in and turn it away in turns.
 *
 * A figure that hovers at the first would fill the log with warnings and their
 * ends: a warning ends when a few looks in a row were within the mark.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define HF_GAUGE_CALM_LOOKS 30

typedef enum
{
  HF_GAUGE_FINE,
  HF_GAUGE_WARN,
  HF_GAUGE_STOP,
} HfGaugeLevel;

typedef struct
{
  HfGaugeLevel level;
  guint calm; /* looks within the first mark, in a row */
} HfGauge;

/* Takes a look's result.  TRUE when the level changed by it. */
gboolean hf_gauge_look (HfGauge *self, gboolean beyond_warn, gboolean beyond_stop);

G_END_DECLS
