/* test-reserve.c - segments made ready in quiet times, and given back when room is short */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/reserve.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 65536
#define QUIET_MS 5000
#define MIB (1024 * 1024)

/* What the reserve finds: a clock and a file system of this test's own. */
static gint64 now_ms;
static guint64 free_octets;

static int
test_clock (clockid_t clock, struct timespec *out_time)
{
  *out_time = (struct timespec){ now_ms / 1000, now_ms % 1000 * 1000000 };
  return 0;
}

static int
test_statvfs (const char *path, struct statvfs *out_st)
{
  *out_st = (struct statvfs){ .f_frsize = 1, .f_blocks = 100 * MIB, .f_bavail = free_octets };
  return 0;
}

typedef struct
{
  gchar *spool;
  int dir_fd;
  HfUsage *usage;
  HfReserve reserve;
  gboolean stop;
} Place;

static void
place_init (Place *self, guint most)
{
  g_autofree gchar *dir = NULL;

  kit_events_keep ();
  now_ms = 1000000;
  free_octets = 50 * MIB;
  *self = (Place){ .spool = kit_spool_new (), .usage = hf_usage_new () };
  dir = kit_path (self->spool, NULL);
  self->dir_fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  hf_reserve_init (&self->reserve, self->dir_fd, self->spool, SIZE, self->usage, most, QUIET_MS);
}

static void
place_clear (Place *self)
{
  faults_reset ();
  hf_sys_close (&self->dir_fd);
  hf_usage_unref (self->usage);
  kit_spool_free (self->spool);
}

/* Octets of a file in the journal's directory; -1: there is none. */
static gint64
size_of (const Place *self, const gchar *name)
{
  g_autofree gchar *path = kit_path (self->spool, name);

  return kit_size (path);
}

static guint
tend_all (Place *self, HfAhead ahead)
{
  guint done = 0;

  while (hf_reserve_tend (&self->reserve, ahead, &self->stop))
    done++;
  return done;
}

static void
check_there (const gchar *row, const Place *self, guint count)
{
  static const gchar *const names[] = { "spare-2", "spare-3", "spare-4", "spare-5" };

  tap_check_int (row, self->reserve.count, count);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    tap_check_int (names[i], size_of (self, names[i]), i < count ? SIZE : -1);
}

static void
test_made_when_quiet (void)
{
  Place place;

  place_init (&place, 3);
  tap_check_int ("at once", tend_all (&place, HF_AHEAD_YES), 0);
  tap_check_int ("how long", hf_reserve_wait_ms (&place.reserve, HF_AHEAD_YES), QUIET_MS);
  now_ms += QUIET_MS - 1;
  tap_check_int ("a moment before", tend_all (&place, HF_AHEAD_YES), 0);
  now_ms++;
  tap_check_int ("quiet", tend_all (&place, HF_AHEAD_YES), 3);
  check_there ("quiet", &place, 3);
  tap_check_int ("told", atomic_load (&place.usage->grown), 3 * SIZE);
  tap_check_int ("nothing is coming", atomic_load (&place.usage->coming), 0);
  tap_check_int ("no event", kit_events_count (0), 0);

  tap_check ("taken", hf_reserve_take (&place.reserve));
  tap_check_int ("the spare", size_of (&place, HF_JOURNAL_SPARE), SIZE);
  check_there ("taken", &place, 2);
  tap_check_int ("mail comes", tend_all (&place, HF_AHEAD_YES), 0);
  now_ms += QUIET_MS;
  tap_check_int ("quiet again", tend_all (&place, HF_AHEAD_YES), 1);
  check_there ("quiet again", &place, 3);
  place_clear (&place);
}

/* What another life left may be cut short, or of another size. */
static void
test_begun_anew (void)
{
  g_autofree gchar *far = NULL;
  Place place;

  place_init (&place, 2);
  now_ms += QUIET_MS;
  tend_all (&place, HF_AHEAD_YES);
  far = kit_path (place.spool, "spare-64");
  kit_write_file (far, "x", 1);
  hf_reserve_init (&place.reserve, place.dir_fd, place.spool, SIZE, place.usage, 2, QUIET_MS);
  check_there ("gone", &place, 0);
  tap_check_int ("the last", size_of (&place, "spare-64"), -1);
  tap_check ("none", !hf_reserve_take (&place.reserve));
  place_clear (&place);
}

static void
test_room (void)
{
  static const struct
  {
    const gchar *name;
    guint64 free, mark;
    guint made, kept; /* of 2: what is made there, and what is kept of those that are there */
  } rows[] = {
    { "plenty", 50 * MIB, MIB, 2, 2 },
    { "just enough", 2 * 16 * SIZE, 0, 2, 2 },
    { "less than a sixteenth", 2 * 16 * SIZE - 1, 0, 0, 2 },
    { "just kept", 2 * 8 * SIZE, 0, 0, 2 },
    { "more than an eighth", 2 * 8 * SIZE - 1, 0, 0, 0 },
    { "far from the mark", 50 * MIB + SIZE, 25 * MIB - SIZE, 2, 2 },
    { "nearer", 50 * MIB + SIZE, 25 * MIB - SIZE + 1, 0, 2 },
    { "twice the mark and a segment", 50 * MIB + SIZE, 25 * MIB, 0, 2 },
    { "near the mark", 50 * MIB + SIZE, 25 * MIB + 1, 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Place place;

      place_init (&place, 2);
      free_octets = rows[i].free;
      atomic_store (&place.usage->mark, rows[i].mark);
      now_ms += QUIET_MS;
      tend_all (&place, HF_AHEAD_YES);
      check_there (rows[i].name, &place, rows[i].made);

      free_octets = 50 * MIB;
      atomic_store (&place.usage->mark, 0);
      now_ms += 60 * 1000; /* it waits for longer where room was short */
      tend_all (&place, HF_AHEAD_YES);
      check_there (rows[i].name, &place, 2);
      free_octets = rows[i].free;
      atomic_store (&place.usage->mark, rows[i].mark);
      tend_all (&place, HF_AHEAD_YES);
      check_there (rows[i].name, &place, rows[i].kept);
      tap_check_int ("nothing is coming", atomic_load (&place.usage->coming), 0);
      place_clear (&place);
    }
}

/* It is not made and given back in turn where others use the room in turn. */
static void
test_room_that_comes_and_goes (void)
{
  Place place;

  place_init (&place, 2);
  now_ms += QUIET_MS;
  tend_all (&place, HF_AHEAD_YES);
  free_octets = MIB / 2;
  tap_check_int ("given back", tend_all (&place, HF_AHEAD_YES), 1);
  free_octets = 50 * MIB;
  now_ms += 60 * 1000 - 1;
  tap_check_int ("not yet", tend_all (&place, HF_AHEAD_YES), 0);
  now_ms++;
  tap_check_int ("again", tend_all (&place, HF_AHEAD_YES), 2);
  place_clear (&place);
}

/* Where writing ahead reserves nothing there is no reserve, and nothing to wait for. */
static void
test_left_empty (void)
{
  Place place;

  place_init (&place, 2);
  now_ms += QUIET_MS;
  tap_check_int ("none", tend_all (&place, HF_AHEAD_NO), 0);
  tap_check_int ("nothing to wait for", hf_reserve_wait_ms (&place.reserve, HF_AHEAD_NO), -1);
  tend_all (&place, HF_AHEAD_YES);
  tap_check_int ("given back", tend_all (&place, HF_AHEAD_NO), 1);
  check_there ("given back", &place, 0);
  place_clear (&place);
}

static void
test_none_wanted (void)
{
  Place place;

  place_init (&place, 0);
  now_ms += QUIET_MS;
  tap_check_int ("none", tend_all (&place, HF_AHEAD_YES), 0);
  tap_check_int ("nothing to wait for", hf_reserve_wait_ms (&place.reserve, HF_AHEAD_YES), -1);
  place_clear (&place);
}

/* What can't be made is told once, and the others are used. */
static void
test_P2_failure_is_told_once (void)
{
  g_autofree gchar *line = NULL;
  Place place;

  place_init (&place, 3);
  now_ms += QUIET_MS;
  faults_fail_from (FAULT_PWRITE, "/spare-3", 1, EDQUOT);
  tap_check_int ("one", tend_all (&place, HF_AHEAD_YES), 1);
  check_there ("one", &place, 1);
  now_ms += 10 * QUIET_MS;
  tend_all (&place, HF_AHEAD_YES);
  tap_check_int ("told once", kit_events_count (HF_EVENT_RESERVE_FAILED), 1);
  line = kit_events_line (HF_EVENT_RESERVE_FAILED);
  tap_check_has ("errno", line, "errno=EDQUOT");
  tap_check_int ("nothing is coming", atomic_load (&place.usage->coming), 0);
  tap_check ("taken", hf_reserve_take (&place.reserve));
  place_clear (&place);
}

/* One that somebody took away, or that can't be made the spare: the spare is made anew,
 * which is not hindered by what is left of this one. */
static void
test_taking_fails (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    const gchar *part;
    gint number;
  } rows[] = {
    { "gone", FAULT_N_CALLS, NULL, 0 },
    { "cut", FAULT_N_CALLS, NULL, 1 },
    { "too long", FAULT_N_CALLS, NULL, SIZE + 1 },
    { "not renamed", FAULT_RENAME, NULL, EIO },
    { "not synced", FAULT_FSYNC, NULL, EIO },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = NULL;
      Place place;

      place_init (&place, 2);
      now_ms += QUIET_MS;
      tend_all (&place, HF_AHEAD_YES);
      path = kit_path (place.spool, "spare-3");
      if (rows[i].call == FAULT_N_CALLS)
        g_assert_true ((rows[i].number == 0 ? unlink (path) : truncate (path, rows[i].number)) == 0);
      else
        faults_fail (rows[i].call, rows[i].part, 1, rows[i].number);
      tap_check (rows[i].name, !hf_reserve_take (&place.reserve));
      check_there (rows[i].name, &place, 0);
      faults_reset ();
      tap_check (rows[i].name, hf_spare_make (place.dir_fd, HF_JOURNAL_SPARE, SIZE, HF_AHEAD_YES, NULL, &place.stop, NULL));
      place_clear (&place);
    }
}

/* A stop in the middle leaves the name alone: by then it may be another's. */
static void
test_stopped (void)
{
  Place place;

  place_init (&place, 2);
  now_ms += QUIET_MS;
  place.stop = TRUE;
  tap_check ("nothing", !hf_reserve_tend (&place.reserve, HF_AHEAD_YES, &place.stop));
  check_there ("nothing", &place, 0);
  tap_check_int ("no event", kit_events_count (0), 0);
  tap_check_int ("nothing is coming", atomic_load (&place.usage->coming), 0);
  place_clear (&place);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "made-when-quiet", test_made_when_quiet },
    { "begun-anew", test_begun_anew },
    { "room", test_room },
    { "room-that-comes-and-goes", test_room_that_comes_and_goes },
    { "left-empty", test_left_empty },
    { "none-wanted", test_none_wanted },
    { "P2-failure-is-told-once", test_P2_failure_is_told_once },
    { "taking-fails", test_taking_fails },
    { "stopped", test_stopped },
    { NULL, NULL },
  };

  faults_install ();
  hf_sys.clock_gettime = test_clock;
  hf_sys.statvfs = test_statvfs;
  return tap_run ("reserve", tests, argc, argv);
}
