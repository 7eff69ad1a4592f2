/* test-forecast.c - in how many days a spool is full, by what came and what goes */
#include <config.h>

#include "milter/command/forecast.h"
#include "tests/unit/tap.h"

#define HOUR_MS (3600 * (gint64) 1000)
#define DAY_MS (24 * HOUR_MS)
#define NOW_MS (1000 * DAY_MS)
#define DAY_OCTETS 2400 /* 100 an hour */

/* A segment an hour since @days days; what is older than @there days is gone. */
static GArray *
hourly (guint days, guint there)
{
  GArray *segments = g_array_new (FALSE, FALSE, sizeof (HfForecastSegment));

  for (gint hour = (gint) days * 24; hour > 0; hour--)
    {
      const HfForecastSegment segment
          = { .at_ms = NOW_MS - hour * HOUR_MS, .octets = DAY_OCTETS / 24, .is_there = hour <= (gint) there * 24 };

      g_array_append_val (segments, segment);
    }
  return segments;
}

static void
test_days (void)
{
  static const struct
  {
    const gchar *name;
    guint days, there;
    gint64 kept_ms;
    guint64 books;
    guint64 room;
    gboolean want_known;
    gint want_days;
  } rows[] = {
    { "no mail at all", 0, 0, 2 * DAY_MS, 0, 100, FALSE, -1 },
    { "a day is enough", 1, 1, -1, 0, 10 * DAY_OCTETS, TRUE, 10 },
    { "nothing goes: full when the room is used", 3, 3, -1, 0, 5 * DAY_OCTETS, TRUE, 5 },
    { "full now", 3, 3, -1, 0, 0, TRUE, 0 },
    { "what comes takes what goes", 5, 2, 2 * DAY_MS, 0, DAY_OCTETS, TRUE, -1 },
    { "the first days of a retention fill", 2, 2, 10 * DAY_MS, 0, 5 * DAY_OCTETS, TRUE, 5 },
    { "the first days of a retention fit", 2, 2, 10 * DAY_MS, 0, 9 * DAY_OCTETS, TRUE, -1 },
    { "what is kept longer than it should stays", 6, 6, 2 * DAY_MS, 0, DAY_OCTETS / 2, TRUE, -1 },
    { "the books alone fill it", 5, 2, 2 * DAY_MS, 5 * DAY_OCTETS, 20 * DAY_OCTETS + DAY_OCTETS / 24, TRUE, 20 },
    { "further than it looks", 3, 3, -1, 0, (guint64) DAY_OCTETS * 366, TRUE, -1 },
    { "its last day", 3, 3, -1, 0, (guint64) DAY_OCTETS * 365, TRUE, 365 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GArray) segments = hourly (rows[i].days, rows[i].there);
      const HfForecastFacts facts = { .now_ms = NOW_MS,
                                      .segments = segments,
                                      .kept_ms = rows[i].kept_ms,
                                      .books_octets = rows[i].books,
                                      .books_since_ms = rows[i].books > 0 ? NOW_MS - rows[i].days * DAY_MS : -1,
                                      .room = rows[i].room };
      HfForecast forecast;

      hf_forecast_make (&facts, &forecast);
      tap_check_int (rows[i].name, forecast.is_known, rows[i].want_known);
      tap_check_int (rows[i].name, forecast.days_to_full, rows[i].want_days);
      if (rows[i].want_known)
        tap_check_int (rows[i].name, (gint64) forecast.octets_per_day, DAY_OCTETS);
    }
}

/* The last day counts where it brought more than the days before it on average. */
static void
test_a_day_that_grew (void)
{
  g_autoptr (GArray) segments = hourly (6, 6);
  HfForecastFacts facts = { .now_ms = NOW_MS, .segments = segments, .kept_ms = -1, .books_since_ms = -1, .room = 8 * DAY_OCTETS };
  HfForecast forecast;

  for (guint i = segments->len - 24; i < segments->len; i++)
    g_array_index (segments, HfForecastSegment, i).octets *= 4;
  hf_forecast_make (&facts, &forecast);
  tap_check_int ("octets a day", (gint64) forecast.octets_per_day, 4 * DAY_OCTETS);
  tap_check_int ("days", forecast.days_to_full, 2);
  for (guint i = segments->len - 24; i < segments->len; i++)
    g_array_index (segments, HfForecastSegment, i).octets = 0;
  hf_forecast_make (&facts, &forecast);
  tap_check_int ("a quiet day is not the rule", (gint64) forecast.octets_per_day, 5 * DAY_OCTETS / 6);
}

/* Older than the window does not count. */
static void
test_window (void)
{
  g_autoptr (GArray) segments = hourly (30, 2);
  const HfForecastFacts facts = { .now_ms = NOW_MS, .segments = segments, .kept_ms = 2 * DAY_MS, .books_since_ms = -1,
                                  .room = DAY_OCTETS };
  HfForecast forecast;

  for (guint i = 0; i < 20 * 24; i++)
    g_array_index (segments, HfForecastSegment, i).octets *= 100;
  hf_forecast_make (&facts, &forecast);
  tap_check_int ("history", forecast.history_ms, HF_FORECAST_WINDOW_MS);
  tap_check_int ("octets a day", (gint64) forecast.octets_per_day, DAY_OCTETS);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "days", test_days },
    { "a-day-that-grew", test_a_day_that_grew },
    { "window", test_window },
    { NULL, NULL },
  };

  return tap_run ("forecast", tests, argc, argv);
}
