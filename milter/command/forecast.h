/* forecast.h - in how many days the spool is full, if all goes on as it did
 *
 * The journal takes what comes a day, and gives back what has been settled for
 * the retention; books and ledger only grow.  Both are followed hour by hour
 * from what is there now.  Where there is too little history it says so, and
 * nothing else.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* As far as it looks. */
#define HF_FORECAST_DAYS 365

/* Less history than this is none. */
#define HF_FORECAST_LEAST_MS (24 * 3600 * 1000)

/* How far back it goes for what comes a day. */
#define HF_FORECAST_WINDOW_MS (7 * 24 * 3600 * 1000)

/* A segment that is there, or was. */
typedef struct
{
  gint64 at_ms;    /* when its first record came */
  guint64 octets;
  gboolean is_there;
} HfForecastSegment;

typedef struct
{
  gint64 now_ms;
  const GArray *segments; /* of HfForecastSegment */
  gint64 kept_ms;         /* how long a segment is kept; -1: nothing goes by itself */
  guint64 books_octets;   /* of books and ledger */
  gint64 books_since_ms;  /* when their first message came; -1: there are none */
  guint64 room;           /* octets above the stop mark */
} HfForecastFacts;

typedef struct
{
  gboolean is_known;      /* there is history enough; what is below counts */
  gint64 history_ms;      /* of the days that it goes by; set in any case */
  guint64 octets_per_day; /* of the journal: of the last day, or of the last days on average if that is more */
  guint64 books_per_day;
  gint days_to_full;      /* -1: not within HF_FORECAST_DAYS */
} HfForecast;

void hf_forecast_make (const HfForecastFacts *facts, HfForecast *out_forecast);

G_END_DECLS
