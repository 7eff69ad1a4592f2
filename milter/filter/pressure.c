/* pressure.c - is there room for new mail?; see pressure.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/filter/gauge.h"
#include "milter/filter/pressure.h"
#include "milter/filter/stage.h"
#include "milter/journal/directory.h"
#include "milter/journal/space.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define LOOK_EVERY_MS 100

/* Descriptors kept: for the journal, which needs a few to open itself anew, and
 * for connections to come in by, so that their MAIL can be answered. */
#define DESCRIPTORS_SHARE 20
#define DESCRIPTORS_LEAST 16
#define DESCRIPTORS_MOST 512

/* A kept stage that nobody used for so long is not worth its room, and the mail in
 * it should not outlive the journal's copy by much. */
#define GIVE_UP_EVERY_MS (60 * 1000)

typedef enum
{
  GAUGE_SPACE,
  GAUGE_INODES,
  GAUGE_DESCRIPTORS,
  GAUGE_LATENCY,
  N_GAUGES
} GaugeKind;

static const struct
{
  const gchar *resource;
  const gchar *text[3]; /* before, between and after the value and the stop mark */
  HfErrorCode code;
  const gchar *step;
  guint64 unit;
  HfEventCode events[3]; /* by the level that was reached */
} kinds[N_GAUGES] = {
  { "space", { "", " KiB free on spool beside the next segment, space_stop is at ", " KiB" }, HF_ERROR_FULL, "space-mark", 1024,
    { HF_EVENT_PRESSURE_OVER, HF_EVENT_PRESSURE_WARN, HF_EVENT_PRESSURE_STOP } },
  { "inodes", { "", " inodes free on spool, inodes_stop is at ", "" }, HF_ERROR_FULL, "inodes-mark", 1,
    { HF_EVENT_PRESSURE_OVER, HF_EVENT_PRESSURE_WARN, HF_EVENT_PRESSURE_STOP } },
  { "descriptors", { "", " descriptors left, ", " are kept" }, HF_ERROR_FULL, "descriptors-mark", 1,
    { HF_EVENT_DESCRIPTORS_OVER, HF_EVENT_DESCRIPTORS_WARN, HF_EVENT_DESCRIPTORS_STOP } },
  { "latency", { "journal takes ", " ms, the limit is ", " ms" }, HF_ERROR_LATE, "journal-latency", 1,
    { HF_EVENT_LATENCY_OVER, HF_EVENT_LATENCY_WARN, HF_EVENT_JOURNAL_SLOW } },
};

/* What a look found of one gauge. */
typedef struct
{
  gboolean known;
  guint64 value;
  guint64 warn;  /* 0: off */
  guint64 stop;  /* likewise */
  guint64 least; /* what one message needs above the stop mark; 0: more is worse */
} Reading;

typedef struct
{
  Reading readings[N_GAUGES];
} Look;

struct HfPressure
{
  gint refs; /* the owner's and the thread's */
  gchar *spool;
  gchar *parts[2]; /* what may be a mount of its own in it */
  gint refusing; /* atomic: refusal is set */
  pthread_mutex_t mutex;
  pthread_cond_t changed;

  /* under mutex */
  gboolean stop;
  HfMarks marks;
  HfRoom *room;     /* not touched after stop */
  HfWriter *writer; /* likewise */
  HfGauge gauges[N_GAUGES];
  GError *refusal;  /* why MAIL is refused; NULL when it is not */
  gint64 give_up_ms; /* when what is held for speed is given up again */
};

static void
unref (HfPressure *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  g_clear_error (&self->refusal);
  g_free (self->spool);
  for (guint i = 0; i < G_N_ELEMENTS (self->parts); i++)
    g_free (self->parts[i]);
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->changed);
  g_free (self);
}

/* ---- a look ---- */

static guint64
coming_to (const HfRoom *room)
{
  return room->usage != NULL ? atomic_load (&room->usage->coming) : 0;
}

static gint64
margin (guint64 room, HfShare mark, guint64 total, HfGroundKind ground)
{
  return (gint64) room - (gint64) hf_space_mark (mark, total, ground);
}

/* Of two file systems the one that is nearer to its mark counts. */
static void
tighten (HfSpace *self, const HfSpace *other, const HfMarks *marks, HfGroundKind ground)
{
  if (margin (other->free, marks->space_stop, other->total, ground)
      < margin (self->free, marks->space_stop, self->total, ground))
    {
      self->total = other->total;
      self->free = other->free;
      self->is_late = other->is_late;
    }
  if (other->files != 0
      && (self->files == 0
          || margin (other->free_files, marks->inodes_stop, other->files, HF_GROUND_IN_PLACE)
               < margin (self->free_files, marks->inodes_stop, self->files, HF_GROUND_IN_PLACE)))
    {
      self->files = other->files;
      self->free_files = other->free_files;
    }
}

/* Stages or the journal may have a file system of their own. */
static gboolean
ask (const HfPressure *self, const HfMarks *marks, HfGroundKind ground, HfSpace *out_space)
{
  struct stat spool, st;
  HfSpace part;

  if (!hf_space_look (self->spool, ground, out_space))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (self->parts) && hf_sys.stat (self->spool, &spool) == 0; i++)
    if (hf_sys.stat (self->parts[i], &st) == 0 && st.st_dev != spool.st_dev
        && hf_space_look (self->parts[i], ground, &part))
      tighten (out_space, &part, marks, ground);
  return TRUE;
}

/* What the spool said, and what it was asked with. */
typedef struct
{
  HfRoomBefore space;
  HfRoomBefore inodes;
  HfGroundKind ground;
  HfSpace found;
} Answer;

/* A spool that can't be asked is the journal's and the stage's to report; till
 * then the last look holds. */
static void
look_at_spool (HfPressure *self, const Answer *answer, Look *look)
{
  const HfSpace *found = &answer->found;
  Reading *space = &look->readings[GAUGE_SPACE], *inodes = &look->readings[GAUGE_INODES];

  *space = (Reading){ .known = TRUE,
                      .value = found->free - MIN (found->free, coming_to (self->room)),
                      .warn = hf_space_mark (self->marks.space_warn, found->total, answer->ground),
                      .stop = hf_space_mark (self->marks.space_stop, found->total, answer->ground),
                      .least = HF_RESERVATION_LEAST };
  if (self->room->usage != NULL)
    atomic_store (&self->room->usage->mark, space->stop);
  hf_room_looked (self->room, HF_ROOM_SPACE, answer->space, found->free, space->stop, found->total, found->is_late);
  if (found->files == 0)
    return; /* btrfs and some others count none at all */
  *inodes = (Reading){ .known = TRUE,
                       .value = found->free_files,
                       .warn = hf_space_mark (self->marks.inodes_warn, found->files, HF_GROUND_IN_PLACE),
                       .stop = hf_space_mark (self->marks.inodes_stop, found->files, HF_GROUND_IN_PLACE),
                       .least = 1 };
  hf_room_looked (self->room, HF_ROOM_INODES, answer->inodes, inodes->value, inodes->stop, found->files, FALSE);
}

static void
look_at_descriptors (HfPressure *self, Look *look)
{
  const HfRoomBefore before = hf_room_before_look (self->room, HF_ROOM_DESCRIPTORS);
  guint64 used, limit, free, stop;

  if (hf_sys.descriptors (&used, &limit) < 0)
    return;
  free = limit > used ? limit - used : 0;
  stop = CLAMP (limit / DESCRIPTORS_SHARE, DESCRIPTORS_LEAST, DESCRIPTORS_MOST);
  look->readings[GAUGE_DESCRIPTORS] = (Reading){
    .known = TRUE, .value = free, .warn = 2 * stop, .stop = stop, .least = HF_RESERVATION_DESCRIPTORS
  };
  hf_room_looked (self->room, HF_ROOM_DESCRIPTORS, before, free, stop, limit, FALSE);
}

static void
look_at_journal (HfPressure *self, Look *look)
{
  const gint64 stop_ms = self->marks.latency_stop_ms;

  if (self->writer == NULL)
    return;
  look->readings[GAUGE_LATENCY] = (Reading){ .known = TRUE,
                                             .value = (guint64) hf_writer_latency_ms (self->writer),
                                             .warn = (guint64) stop_ms / 4,
                                             .stop = (guint64) stop_ms };
}

/* With the mutex held; given up while the file system is asked.  FALSE: stopped
 * meanwhile. */
static gboolean
take_look (HfPressure *self, Look *look)
{
  Answer answer = { .space = hf_room_before_look (self->room, HF_ROOM_SPACE),
                    .inodes = hf_room_before_look (self->room, HF_ROOM_INODES),
                    .ground = hf_usage_ground (self->room->usage) };
  const HfMarks marks = self->marks;
  gboolean asked;

  pthread_mutex_unlock (&self->mutex);
  asked = ask (self, &marks, answer.ground, &answer.found);
  pthread_mutex_lock (&self->mutex);
  if (self->stop)
    return FALSE;
  if (asked)
    look_at_spool (self, &answer, look);
  look_at_descriptors (self, look);
  look_at_journal (self, look);
  return TRUE;
}

/* ---- what follows from it ---- */

static gboolean
is_beyond (const Reading *reading, guint64 mark, guint64 least)
{
  if (mark == 0)
    return FALSE;
  return reading->least > 0 ? reading->value < mark + least : reading->value > mark;
}

static GError *
explain (GaugeKind kind, const Reading *reading)
{
  const gchar *const *text = kinds[kind].text;
  GError *error = NULL;

  hf_error_set (&error, kinds[kind].code, kinds[kind].step, "%s%" G_GUINT64_FORMAT "%s%" G_GUINT64_FORMAT "%s", text[0],
                reading->value / kinds[kind].unit, text[1], reading->stop / kinds[kind].unit, text[2]);
  return error;
}

/* An event that is to be told once the mutex is free again: telling may take
 * as long as the reader of our standard error likes. */
typedef struct
{
  GaugeKind kind;
  HfGaugeLevel level;
  Reading reading;
} News;

static void
tell (const HfPressure *self, const News *news)
{
  const Reading *r = &news->reading;
  g_autoptr (GError) cause = explain (news->kind, r);
  g_autofree gchar *value = g_strdup_printf ("%" G_GUINT64_FORMAT, r->value);
  g_autofree gchar *warn = g_strdup_printf ("%" G_GUINT64_FORMAT, r->warn);
  g_autofree gchar *stop = g_strdup_printf ("%" G_GUINT64_FORMAT, r->stop);
  const gboolean of_spool = news->kind == GAUGE_SPACE || news->kind == GAUGE_INODES;

  hf_event (kinds[news->kind].events[news->level], cause, "resource", kinds[news->kind].resource,
            r->least > 0 ? "free" : "took_ms", value, "warn", warn, "stop", stop, "spool",
            of_spool ? self->spool : NULL, NULL);
}

static guint
judge (HfPressure *self, const Look *look, News *news)
{
  GError *refusal = NULL;
  guint n = 0;

  for (guint i = 0; i < N_GAUGES; i++)
    {
      const Reading *reading = &look->readings[i];
      HfGauge *gauge = &self->gauges[i];

      if (reading->known
          && hf_gauge_look (gauge, is_beyond (reading, reading->warn, 0),
                            is_beyond (reading, reading->stop, reading->least)))
        news[n++] = (News){ i, gauge->level, *reading };
      if (gauge->level != HF_GAUGE_STOP || refusal != NULL)
        continue;
      /* Where a reading can't be had, what was said last holds. */
      refusal = reading->known || self->refusal == NULL ? explain (i, reading) : g_error_copy (self->refusal);
    }
  g_clear_error (&self->refusal);
  self->refusal = refusal;
  g_atomic_int_set (&self->refusing, refusal != NULL);
  return n;
}

/* Near a mark of room, or after so long. */
static gboolean
is_to_give_up (HfPressure *self)
{
  const gint64 now_ms = hf_sys_monotonic_ms ();
  gboolean is_short = FALSE;

  for (guint i = 0; i < N_GAUGES; i++)
    is_short = is_short || (kinds[i].code == HF_ERROR_FULL && self->gauges[i].level != HF_GAUGE_FINE);
  if (!is_short && now_ms < self->give_up_ms)
    return FALSE;
  self->give_up_ms = now_ms + GIVE_UP_EVERY_MS;
  return TRUE;
}

/* With the mutex held, which is given up for what may take long. */
static void
look (HfPressure *self)
{
  void (*give_up) (gpointer data) = NULL;
  gpointer give_up_data;
  Look found = { 0 };
  News news[N_GAUGES];
  guint n;

  if (!take_look (self, &found))
    return;
  n = judge (self, &found, news);
  if (is_to_give_up (self))
    give_up = self->room->give_up;
  give_up_data = self->room->give_up_data;
  pthread_mutex_unlock (&self->mutex);
  for (guint i = 0; i < n; i++)
    tell (self, &news[i]);
  if (give_up != NULL)
    give_up (give_up_data);
  pthread_mutex_lock (&self->mutex);
}

static gpointer
run (gpointer data)
{
  HfPressure *self = data;

  pthread_mutex_lock (&self->mutex);
  while (!self->stop)
    {
      const struct timespec until = hf_sys_timespec (hf_sys_monotonic_ms () + LOOK_EVERY_MS);

      pthread_cond_timedwait (&self->changed, &self->mutex, &until);
      if (!self->stop)
        look (self);
    }
  pthread_mutex_unlock (&self->mutex);
  unref (self);
  return NULL;
}

/* ---- the interface ---- */

static HfPressure *
new_pressure (const gchar *spool, const HfMarks *marks, HfRoom *room, HfWriter *writer)
{
  HfPressure *self = g_new0 (HfPressure, 1);

  self->refs = 2;
  self->spool = g_strdup (spool);
  self->parts[0] = g_build_filename (spool, HF_STAGE_DIRECTORY, NULL);
  self->parts[1] = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  self->marks = *marks;
  self->room = room;
  self->writer = writer;
  pthread_mutex_init (&self->mutex, NULL);
  hf_sys_cond_init (&self->changed);
  return self;
}

HfPressure *
hf_pressure_start (const gchar *spool, const HfMarks *marks, HfRoom *room, HfWriter *writer, GError **error)
{
  HfPressure *self = new_pressure (spool, marks, room, writer);
  pthread_t thread;
  gint failed;

  pthread_mutex_lock (&self->mutex);
  look (self);
  pthread_mutex_unlock (&self->mutex);
  failed = pthread_create (&thread, NULL, run, self);
  if (failed == 0)
    {
      pthread_detach (thread);
      return self;
    }
  hf_error_set_errno (error, failed, "pressure-start", "cannot start a thread");
  unref (self);
  unref (self);
  return NULL;
}

void
hf_pressure_set_marks (HfPressure *self, const HfMarks *marks)
{
  pthread_mutex_lock (&self->mutex);
  self->marks = *marks;
  pthread_mutex_unlock (&self->mutex);
}

gboolean
hf_pressure_check (HfPressure *self, GError **error)
{
  gboolean ok = TRUE;

  if (!g_atomic_int_get (&self->refusing))
    return TRUE;
  pthread_mutex_lock (&self->mutex);
  if (self->refusal != NULL)
    {
      ok = FALSE;
      g_propagate_error (error, g_error_copy (self->refusal));
    }
  pthread_mutex_unlock (&self->mutex);
  return ok;
}

HfPressure *
hf_pressure_ref (HfPressure *self)
{
  g_atomic_int_inc (&self->refs);
  return self;
}

void
hf_pressure_stop (HfPressure *self)
{
  if (self == NULL)
    return;
  pthread_mutex_lock (&self->mutex);
  self->stop = TRUE;
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->mutex);
  unref (self);
}
