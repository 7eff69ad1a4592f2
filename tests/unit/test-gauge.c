/* test-gauge.c - a gauge stops at once, comes back within the first mark only, and does not chatter */
#include <config.h>

#include "milter/filter/gauge.h"
#include "tests/unit/tap.h"

#include <string.h>

/* A look is a letter: `.` within both marks, `w` beyond the first, `s` beyond
 * both, `S` beyond the second alone.  So is a level: F, W or S. */
static void
check_looks (const gchar *name, const gchar *looks, const gchar *want)
{
  static const gchar letters[] = "FWS";
  g_autoptr (GString) got = g_string_new (NULL);
  HfGauge gauge = { HF_GAUGE_FINE, 0 };

  for (const gchar *look = looks; *look != '\0'; look++)
    {
      const HfGaugeLevel before = gauge.level;
      const gboolean changed = hf_gauge_look (&gauge, *look == 'w' || *look == 's', *look == 's' || *look == 'S');

      tap_check_int (name, changed, gauge.level != before);
      g_string_append_c (got, letters[gauge.level]);
    }
  tap_check_str (name, got->str, want);
}

static void
test_levels (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *looks;
    const gchar *want;
  } rows[] = {
    { "nothing happens", "....", "FFFF" },
    { "warns once", ".www", "FWWW" },
    { "warns, then stops", "ws", "WS" },
    { "stops at once", ".s", "FS" },
    { "stays stopped between the marks", "swww", "SSSS" },
    { "comes back within the first mark", "sww.", "SSSF" },
    { "stops again", "s.s", "SFS" },
    { "warns anew after it came back", "s.w", "SFW" },
    { "a stop without a warning's mark", "S.S", "SFS" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    check_looks (rows[i].name, rows[i].looks, rows[i].want);
}

/* A figure that hovers at the first mark warns once; the warning ends when it
 * was calm for long enough. */
static void
test_calm (void)
{
  HfGauge gauge = { HF_GAUGE_FINE, 0 };
  guint changes = 0;

  for (guint i = 0; i < 10 * HF_GAUGE_CALM_LOOKS; i++)
    changes += hf_gauge_look (&gauge, i % HF_GAUGE_CALM_LOOKS == 0, FALSE);
  tap_check_int ("hovering", changes, 1);
  tap_check_int ("hovering", gauge.level, HF_GAUGE_WARN);
  hf_gauge_look (&gauge, TRUE, FALSE);
  for (guint i = 1; i < HF_GAUGE_CALM_LOOKS; i++)
    tap_check ("not yet calm", !hf_gauge_look (&gauge, FALSE, FALSE));
  tap_check ("calm", hf_gauge_look (&gauge, FALSE, FALSE));
  tap_check_int ("calm", gauge.level, HF_GAUGE_FINE);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "levels", test_levels },
    { "calm", test_calm },
    { NULL, NULL },
  };

  return tap_run ("gauge", tests, argc, argv);
}
