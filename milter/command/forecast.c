/* forecast.c - in how many days the spool is full; see forecast.h */
#include <config.h>

#include "milter/command/forecast.h"

#define HOUR_MS (3600 * 1000)
#define DAY_MS (24 * HOUR_MS)

/* What came since @since_ms. */
static guint64
came_since (const HfForecastFacts *facts, gint64 since_ms)
{
  guint64 octets = 0;

  for (guint i = 0; i < facts->segments->len; i++)
    {
      const HfForecastSegment *segment = &g_array_index (facts->segments, HfForecastSegment, i);

      if (segment->at_ms >= since_ms)
        octets += segment->octets;
    }
  return octets;
}

static guint64
per_day (guint64 octets, gint64 span_ms)
{
  return (guint64) ((gdouble) octets * DAY_MS / (gdouble) MAX (span_ms, 1));
}

static gint64
oldest_ms (const HfForecastFacts *facts)
{
  gint64 oldest = facts->now_ms;

  for (guint i = 0; i < facts->segments->len; i++)
    oldest = MIN (oldest, g_array_index (facts->segments, HfForecastSegment, i).at_ms);
  return oldest;
}

/* What has gone by itself after @ms from now, of what is there.  What should have
 * gone by now is kept by something, and stays. */
static guint64
gone_by (const HfForecastFacts *facts, gint64 ms)
{
  guint64 octets = 0;

  for (guint i = 0; i < facts->segments->len; i++)
    {
      const HfForecastSegment *segment = &g_array_index (facts->segments, HfForecastSegment, i);
      const gint64 goes_ms = segment->at_ms + facts->kept_ms;

      if (segment->is_there && goes_ms > facts->now_ms && goes_ms <= facts->now_ms + ms)
        octets += segment->octets;
    }
  return octets;
}

static gint
find_day (const HfForecastFacts *facts, const HfForecast *forecast)
{
  for (gint hour = 0; hour <= HF_FORECAST_DAYS * 24; hour++)
    {
      const gint64 ms = (gint64) hour * HOUR_MS;
      const gint64 filling_ms = facts->kept_ms < 0 ? ms : MIN (ms, facts->kept_ms);
      const gdouble more = (gdouble) forecast->octets_per_day * (gdouble) filling_ms / DAY_MS
                           + (gdouble) forecast->books_per_day * (gdouble) ms / DAY_MS;
      const gdouble less = facts->kept_ms < 0 ? 0 : (gdouble) gone_by (facts, ms);

      if (more - less >= (gdouble) facts->room)
        return hour / 24;
    }
  return -1;
}

void
hf_forecast_make (const HfForecastFacts *facts, HfForecast *out_forecast)
{
  const gint64 since_ms = MAX (oldest_ms (facts), facts->now_ms - HF_FORECAST_WINDOW_MS);

  *out_forecast = (HfForecast){ .history_ms = facts->now_ms - since_ms, .days_to_full = -1 };
  if (out_forecast->history_ms < HF_FORECAST_LEAST_MS)
    return;
  out_forecast->is_known = TRUE;
  out_forecast->octets_per_day = MAX (per_day (came_since (facts, since_ms), out_forecast->history_ms),
                                      came_since (facts, facts->now_ms - DAY_MS));
  if (facts->books_since_ms >= 0)
    out_forecast->books_per_day = per_day (facts->books_octets, MAX (facts->now_ms - facts->books_since_ms, DAY_MS));
  out_forecast->days_to_full = find_day (facts, out_forecast);
}
