/* test-pressure.c - each gauge tells what it passes, once, with figures, and turns mail away in time */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/filter/pressure.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define MIB (1024 * 1024)
#define LATENCY_STOP_MS 400

/* What the file system and the kernel answer; under the mutex, because it is
 * the gauges' thread that asks. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct
{
  guint64 free_mib; /* of 100 */
  guint64 inodes;   /* of 1,000 */
  guint64 counted;  /* 1,000, or 0 for a file system that counts none */
  guint64 used;     /* descriptors, of 1,000 */
  guint64 unseen_mib;
  gboolean fails;
  guint looks;
} world;

static int
world_statvfs (const char *path, struct statvfs *out_st)
{
  gboolean fails;

  pthread_mutex_lock (&mutex);
  *out_st = (struct statvfs){ .f_frsize = 4096,
                              .f_blocks = 100 * MIB / 4096,
                              .f_bavail = world.free_mib * MIB / 4096,
                              .f_files = world.counted,
                              .f_favail = world.inodes };
  fails = world.fails;
  world.looks++;
  pthread_mutex_unlock (&mutex);
  errno = EIO;
  return fails ? -1 : 0;
}

static int
world_descriptors (guint64 *out_used, guint64 *out_limit)
{
  pthread_mutex_lock (&mutex);
  *out_used = world.used;
  *out_limit = 1000;
  pthread_mutex_unlock (&mutex);
  return 0;
}

static int
world_unseen (const char *path, guint64 *out_octets)
{
  pthread_mutex_lock (&mutex);
  *out_octets = world.unseen_mib * MIB;
  pthread_mutex_unlock (&mutex);
  return 0;
}

static void
set_world (guint64 free_mib, guint64 inodes, guint64 used)
{
  pthread_mutex_lock (&mutex);
  world.free_mib = free_mib;
  world.inodes = inodes;
  world.used = used;
  pthread_mutex_unlock (&mutex);
}

static void
set_fails (gboolean fails)
{
  pthread_mutex_lock (&mutex);
  world.fails = fails;
  world.looks = 0;
  pthread_mutex_unlock (&mutex);
}

static gboolean
looked_thrice (gpointer data)
{
  gboolean thrice;

  pthread_mutex_lock (&mutex);
  thrice = world.looks >= 3;
  pthread_mutex_unlock (&mutex);
  return thrice;
}

/* The look that is under way may have asked before: three are enough. */
static void
wait_looks (void)
{
  pthread_mutex_lock (&mutex);
  world.looks = 0;
  pthread_mutex_unlock (&mutex);
  tap_check ("looks", kit_wait_until (looked_thrice, NULL));
}

static const HfMarks marks = {
  .space_warn = { 0, 20 },
  .space_stop = { 10 * MIB, 0 },
  .inodes_warn = { 200, 0 },
  .inodes_stop = { 0, 10 },
  .latency_stop_ms = LATENCY_STOP_MS,
};

typedef struct
{
  HfRoom room;
  HfUsage *usage;
  HfPressure *pressure;
} Site;

static gint given_up;

static void
count_give_up (gpointer data G_GNUC_UNUSED)
{
  g_atomic_int_inc (&given_up);
}

static void
site_start (Site *self, const HfMarks *its_marks, HfWriter *writer)
{
  g_autoptr (GError) error = NULL;

  hf_sys.statvfs = world_statvfs;
  hf_sys.unseen = world_unseen;
  hf_sys.descriptors = world_descriptors;
  set_world (80, 800, 100);
  set_fails (FALSE);
  world.counted = 1000;
  kit_events_keep ();
  self->usage = hf_usage_new ();
  hf_room_init (&self->room, writer != NULL ? hf_writer_usage (writer) : self->usage);
  self->room.give_up = count_give_up;
  self->pressure = hf_pressure_start ("/spool", its_marks, &self->room, writer, &error);
  tap_check_str ("start", error != NULL ? error->message : NULL, NULL);
}

static void
site_end (Site *self)
{
  hf_pressure_stop (self->pressure);
  hf_room_clear (&self->room);
  hf_usage_unref (self->usage);
}

/* "taken", or the step at which mail is turned away. */
static const gchar *
step_at_mail (Site *self)
{
  g_autoptr (GError) error = NULL;

  return hf_pressure_check (self->pressure, &error) ? "taken" : hf_error_step (error);
}

/* What is held for speed alone must not be what mail is turned away for. */
static void
test_gives_up (void)
{
  static const struct
  {
    const gchar *name;
    guint64 free_mib;
    guint64 inodes;
    guint64 used;
    gboolean want;
  } rows[] = {
    { "all is well", 80, 800, 100, FALSE },     { "space runs low", 19, 800, 100, TRUE },
    { "no space", 9, 800, 100, TRUE },          { "no inodes", 80, 99, 100, TRUE },
    { "descriptors run low", 80, 800, 901, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Site site;
      gint before;

      site_start (&site, &marks, NULL);
      set_world (rows[i].free_mib, rows[i].inodes, rows[i].used);
      wait_looks ();
      before = g_atomic_int_get (&given_up);
      wait_looks ();
      tap_check_int (rows[i].name, g_atomic_int_get (&given_up) > before, rows[i].want);
      site_end (&site);
    }
}

static void
test_gauges (void)
{
  static const struct
  {
    const gchar *name;
    guint64 free_mib;
    guint64 inodes;
    guint64 used;
    const gchar *want;
    guint want_event; /* 0: none of them */
    const gchar *want_line;
  } rows[] = {
    { "all is well", 80, 800, 100, "taken", 0, NULL },
    { "space at the warning", 20, 800, 100, "taken", 0, NULL },
    { "space below the warning", 19, 800, 100, "taken", HF_EVENT_PRESSURE_WARN,
      "HF-403 warning: room on spool runs low: 19456 KiB free on spool beside the next segment, space_stop is at 10240 KiB; "
      "resource=space free=19922944 warn=20971520 stop=10485760 spool=/spool step=space-mark" },
    { "space below the stop", 9, 800, 100, "space-mark", HF_EVENT_PRESSURE_STOP,
      "HF-401 error: no room on spool: 9216 KiB free on spool beside the next segment, space_stop is at 10240 KiB; "
      "resource=space free=9437184 warn=20971520 stop=10485760 spool=/spool step=space-mark" },
    { "space between the marks, from below", 19, 800, 100, "space-mark", 0, NULL },
    { "space again", 20, 800, 100, "taken", HF_EVENT_PRESSURE_OVER, NULL },
    { "inodes below the stop", 80, 99, 100, "inodes-mark", HF_EVENT_PRESSURE_STOP,
      "HF-401 error: no room on spool: 99 inodes free on spool, inodes_stop is at 100; "
      "resource=inodes free=99 warn=200 stop=100 spool=/spool step=inodes-mark" },
    { "inodes between the marks", 80, 199, 100, "inodes-mark", 0, NULL },
    { "inodes again", 80, 200, 100, "taken", HF_EVENT_PRESSURE_OVER, NULL },
    { "descriptors below the warning", 80, 800, 901, "taken", HF_EVENT_DESCRIPTORS_WARN, NULL },
    { "descriptors below the stop", 80, 800, 951, "descriptors-mark", HF_EVENT_DESCRIPTORS_STOP,
      "HF-404 error: no descriptors to spare: 49 descriptors left, 50 are kept; "
      "resource=descriptors free=49 warn=100 stop=50 step=descriptors-mark" },
    { "more descriptors than the limit", 80, 800, 1100, "descriptors-mark", 0, NULL },
    { "descriptors again", 80, 800, 900, "taken", HF_EVENT_DESCRIPTORS_OVER, NULL },
    { "two at once: space is named", 9, 99, 100, "space-mark", HF_EVENT_PRESSURE_STOP, NULL },
    { "one is left: inodes are named", 80, 99, 100, "inodes-mark", HF_EVENT_PRESSURE_OVER, NULL },
  };
  Site site;

  site_start (&site, &marks, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *line = NULL;

      kit_events_keep ();
      set_world (rows[i].free_mib, rows[i].inodes, rows[i].used);
      wait_looks ();
      tap_check_str (rows[i].name, step_at_mail (&site), rows[i].want);
      if (rows[i].want_event == 0)
        tap_check_int (rows[i].name, kit_events_count (0), 0);
      else
        tap_check (rows[i].name, kit_events_count (rows[i].want_event) > 0);
      line = kit_events_line (rows[i].want_event);
      if (rows[i].want_line != NULL)
        tap_check_str (rows[i].name, line, rows[i].want_line);
    }
  site_end (&site);
}

/* A spool that can't be asked tells nothing new. */
static void
test_unknown (void)
{
  Site site;

  site_start (&site, &marks, NULL);
  set_fails (TRUE);
  wait_looks ();
  tap_check_str ("was well", step_at_mail (&site), "taken");
  set_world (5, 800, 100);
  set_fails (FALSE);
  wait_looks ();
  tap_check_str ("is full", step_at_mail (&site), "space-mark");
  set_world (80, 800, 100);
  set_fails (TRUE);
  wait_looks ();
  tap_check_str ("was full", step_at_mail (&site), "space-mark");
  tap_check_int ("no other news", kit_events_count (0), 1);
  set_fails (FALSE);
  wait_looks ();
  tap_check_str ("is well", step_at_mail (&site), "taken");
  site_end (&site);
}

static void
test_marks (void)
{
  static const HfMarks none = { .latency_stop_ms = LATENCY_STOP_MS };
  Site site;

  site_start (&site, &none, NULL);
  set_world (0, 0, 100);
  wait_looks ();
  tap_check_str ("marks of 0 are off", step_at_mail (&site), "taken");
  hf_pressure_set_marks (site.pressure, &marks);
  wait_looks ();
  tap_check_str ("new marks", step_at_mail (&site), "space-mark");
  hf_pressure_set_marks (site.pressure, &none);
  wait_looks ();
  tap_check_str ("and off again", step_at_mail (&site), "taken");
  world.counted = 0;
  set_world (80, 0, 100);
  hf_pressure_set_marks (site.pressure, &marks);
  wait_looks ();
  tap_check_str ("no inodes are counted", step_at_mail (&site), "taken");
  site_end (&site);
}

/* Where the file system copies on write, both space marks count twice. */
static void
test_ground (void)
{
  Site site;

  site_start (&site, &marks, NULL);
  atomic_store (&site.usage->ground, HF_GROUND_NOCOW);
  set_world (15, 800, 100);
  wait_looks ();
  tap_check_str ("told not to copy", step_at_mail (&site), "taken");
  pthread_mutex_lock (&mutex);
  world.unseen_mib = 6;
  pthread_mutex_unlock (&mutex);
  wait_looks ();
  tap_check_str ("not all that is called free is", step_at_mail (&site), "space-mark");
  pthread_mutex_lock (&mutex);
  world.unseen_mib = 0;
  pthread_mutex_unlock (&mutex);
  atomic_store (&site.usage->ground, HF_GROUND_COPIES);
  wait_looks ();
  tap_check_str ("copies", step_at_mail (&site), "space-mark");
  set_world (39, 800, 100);
  wait_looks ();
  tap_check_str ("copies, below twice the warning", step_at_mail (&site), "space-mark");
  set_world (40, 800, 100);
  wait_looks ();
  tap_check_str ("copies, room enough", step_at_mail (&site), "taken");
  site_end (&site);
}

/* The looks are what reservations go by. */
static void
test_room (void)
{
  HfReservation reservation;
  Site site;

  site_start (&site, &marks, NULL);
  hf_reservation_init (&reservation, &site.room);
  tap_check ("80 MiB, 10 of them kept", hf_reservation_make (&reservation, 34 * MIB, NULL));
  tap_check ("80 MiB, 10 of them kept", !hf_reservation_make (&reservation, 36 * MIB, NULL));
  set_world (50, 800, 100);
  wait_looks ();
  tap_check ("50 MiB, 10 of them kept", !hf_reservation_make (&reservation, 34 * MIB, NULL));
  set_world (80, 101, 100);
  wait_looks ();
  tap_check ("the last inode", hf_reservation_make (&reservation, 0, NULL));
  hf_reservation_release (&reservation);
  site_end (&site);
}

/* ---- latency ---- */

typedef struct
{
  Site *site;
  const gchar *want;
} Wanted;

static gboolean
is_wanted (gpointer data)
{
  const Wanted *wanted = data;

  return strcmp (step_at_mail (wanted->site), wanted->want) == 0;
}

static gboolean
has_event (gpointer data)
{
  return kit_events_count (GPOINTER_TO_UINT (data)) > 0;
}

static void
test_latency (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  const HfJournalParameters parameters = kit_parameters (spool);
  g_autoptr (HfCommit) commit = kit_commit_new (1, "Subject: a\r\n\r\nb\r\n", -1);
  g_autoptr (GError) error = NULL;
  HfWriter *writer = hf_writer_start (&parameters, 60000, &error);
  Site site;
  Wanted late = { &site, "journal-latency" }, well = { &site, "taken" };

  if (!tap_check ("writer", writer != NULL))
    return;
  site_start (&site, &marks, writer);
  faults_hang (FAULT_FDATASYNC, ".bsmtp", 1);
  hf_writer_submit (writer, commit);
  tap_check ("hangs", faults_wait_hanging (FAULT_FDATASYNC));
  tap_check ("warns", kit_wait_until (has_event, GUINT_TO_POINTER (HF_EVENT_LATENCY_WARN)));
  tap_check ("stops", kit_wait_until (is_wanted, &late));
  tap_check ("stops", kit_wait_until (has_event, GUINT_TO_POINTER (HF_EVENT_JOURNAL_SLOW)));
  tap_check_int ("stops", kit_events_count (HF_EVENT_JOURNAL_SLOW), 1);
  hf_pressure_check (site.pressure, &error);
  tap_check ("451, not 452", g_error_matches (error, HF_ERROR, HF_ERROR_LATE));
  faults_release ();
  tap_check ("is written after all", hf_commit_wait (commit, 20000) == HF_COMMIT_DONE);
  /* Nothing more is written, and yet it comes back: what the last group took is forgotten. */
  tap_check ("comes back", kit_wait_until (is_wanted, &well));
  tap_check ("tells", kit_wait_until (has_event, GUINT_TO_POINTER (HF_EVENT_LATENCY_OVER))); /* a moment later */
  tap_check_int ("comes back", kit_events_count (HF_EVENT_LATENCY_OVER), 1);
  site_end (&site);
  tap_check ("end", hf_writer_stop (writer, 20000));
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "gauges", test_gauges },
    { "gives-up", test_gives_up },
    { "unknown", test_unknown },
    { "marks", test_marks },
    { "ground", test_ground },
    { "room", test_room },
    { "latency", test_latency },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("pressure", tests, argc, argv);
}
