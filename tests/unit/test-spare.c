/* test-spare.c - the helper has the next segment ready, says why when not, and never holds anybody up */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/spare.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  gchar *spool;
  gchar *path; /* of the spare */
  int dir_fd;
  HfUsage *usage;
  HfSpare *spare;
  guint64 size; /* what the last one that was taken had ahead */
} Place;

static HfSpare *
start_with (const Place *self, HfAhead ahead, guint most)
{
  const HfSpareParameters parameters = { .dir_fd = self->dir_fd, .spool = self->spool, .size = 65536, .ahead = ahead,
                                         .usage = self->usage, .most = most, .quiet_ms = 1 };
  HfSpare *spare = hf_spare_start (&parameters, NULL);

  g_assert_nonnull (spare);
  return spare;
}

static void
place_init_with (Place *self, HfAhead ahead, guint most)
{
  g_autofree gchar *dir = NULL;

  kit_events_keep ();
  self->spool = kit_spool_new ();
  self->path = kit_path (self->spool, HF_JOURNAL_SPARE);
  dir = kit_path (self->spool, NULL);
  self->usage = hf_usage_new ();
  self->dir_fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  self->spare = start_with (self, ahead, most);
}

static void
place_init (Place *self, HfAhead ahead)
{
  place_init_with (self, ahead, 1);
}

static gboolean
is_let_go (gpointer data)
{
  return faults_descriptors (((Place *) data)->spool) == 0;
}

static void
place_clear (const gchar *row, Place *self)
{
  hf_spare_stop (self->spare);
  hf_sys_close (&self->dir_fd);
  hf_usage_unref (self->usage);
  tap_check (row, kit_wait_until (is_let_go, self));
  faults_reset ();
  g_free (self->path);
  kit_spool_free (self->spool);
}

static void
test_take (void)
{
  Place place;

  place_init (&place, HF_AHEAD_YES);
  for (guint i = 0; i < 5; i++)
    {
      tap_check ("taken", hf_spare_take (place.spare, &place.size, NULL));
      tap_check_int ("ready", kit_size (place.path), 65536);
      tap_check_int ("as if renamed", unlink (place.path), 0);
      /* asked for in time, twice, or not at all: take makes up for it */
      for (guint wanted = 0; wanted < i % 3; wanted++)
        hf_spare_want (place.spare);
    }
  place_clear ("take", &place);
}

static void
test_leave_empty (void)
{
  Place place;

  place_init (&place, HF_AHEAD_YES);
  tap_check ("full", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("full", kit_size (place.path), 65536);
  hf_spare_leave_empty (place.spare);
  tap_check ("empty", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("empty", kit_size (place.path), 0);
  place_clear ("leave empty", &place);
}

/* What is to stay free is not filled with NULs, and is again once there is more. */
static void
test_below_the_mark (void)
{
  Place place;
  guint64 free_octets;
  struct statvfs st;

  place_init (&place, HF_AHEAD_YES);
  tap_check ("first", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("first", place.size, 65536);
  g_assert_true (hf_sys.statvfs (place.spool, &st) == 0);
  free_octets = (guint64) st.f_blocks * st.f_frsize;
  for (guint i = 0; i < 2; i++)
    {
      atomic_store (&place.usage->mark, i == 0 ? free_octets : 1);
      tap_check ("taken", hf_spare_take (place.spare, &place.size, NULL));
      tap_check_int ("ahead", place.size, i == 0 ? 0 : 65536);
      tap_check_int ("the file", kit_size (place.path), place.size);
    }
  tap_check_int ("nothing is coming", atomic_load (&place.usage->coming), 0);
  tap_check_int ("nothing grew but by spares", atomic_load (&place.usage->grown), 2 * 65536);
  place_clear ("below the mark", &place);
}

/* Who waits gets the reason, once; the next try works when the disk does. */
static void
test_P2_failure_is_told (void)
{
  g_autoptr (GError) error = NULL;
  Place place;

  faults_fail_from (FAULT_PWRITE, "/spare", 1, ENOSPC);
  place_init (&place, HF_AHEAD_YES);
  for (guint i = 0; i < 2; i++)
    {
      g_clear_error (&error);
      tap_check ("not taken", !hf_spare_take (place.spare, &place.size, &error));
      tap_check ("full", g_error_matches (error, HF_ERROR, HF_ERROR_FULL));
      tap_check_str ("step", hf_error_step (error), "spare-write");
      tap_check_int ("errno", hf_error_errno (error), ENOSPC);
    }
  faults_reset ();
  tap_check ("taken", hf_spare_take (place.spare, &place.size, NULL));
  place_clear ("failure", &place);
}

static gboolean
was_told (gpointer data)
{
  return kit_events_count (HF_EVENT_SPARE_FAILED) > 0;
}

/* Nobody waits: the failure is an event, while there is still a segment to fill. */
static void
test_P2_failure_in_the_background (void)
{
  g_autofree gchar *line = NULL;
  Place place;

  place_init (&place, HF_AHEAD_YES);
  tap_check ("taken", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("no event", kit_events_count (0), 0);
  faults_fail_from (FAULT_PWRITE, "/spare", 1, ENOSPC);
  hf_spare_want (place.spare);
  tap_check ("told", kit_wait_until (was_told, NULL));
  line = kit_events_line (HF_EVENT_SPARE_FAILED);
  tap_check_has ("errno", line, "errno=ENOSPC");
  place_clear ("in the background", &place);
}

/* A stop does not wait for a call that hangs, and its descriptors go with it. */
static void
test_stop_while_it_hangs (void)
{
  Place place;

  faults_hang (FAULT_PWRITE, "/spare", 1);
  place_init (&place, HF_AHEAD_YES);
  tap_check ("hangs", faults_wait_hanging (FAULT_PWRITE));
  hf_spare_stop (place.spare);
  place.spare = NULL;
  tap_check ("still held by the call", faults_descriptors ("/spare") > 0);
  faults_release ();
  place_clear ("hangs", &place);
}

/* ---- with a reserve ---- */

static guint64
inode_of (const Place *self, const gchar *name)
{
  g_autofree gchar *path = kit_path (self->spool, name);
  struct stat st;

  return stat (path, &st) == 0 && st.st_size == 65536 ? (guint64) st.st_ino : 0;
}

/* In this order: the spare itself may be what was spare-3 a moment ago. */
static gboolean
has_two_more (gpointer data)
{
  return inode_of (data, HF_JOURNAL_SPARE) != 0 && inode_of (data, HF_JOURNAL_SPARE "-3") != 0;
}

static gboolean
nothing_is_coming (gpointer data)
{
  return atomic_load (&((Place *) data)->usage->coming) == 0;
}

/* The next spare is one that is there already, and the reserve is filled up again. */
static void
test_from_the_reserve (void)
{
  Place place;

  place_init_with (&place, HF_AHEAD_YES, 3);
  for (guint i = 0; i < 3; i++)
    {
      guint64 last;

      tap_check ("made", kit_wait_until (has_two_more, &place));
      last = inode_of (&place, HF_JOURNAL_SPARE "-3");
      tap_check ("taken", hf_spare_take (place.spare, &place.size, NULL));
      tap_check_int ("as if renamed", unlink (place.path), 0);
      tap_check ("the next", hf_spare_take (place.spare, &place.size, NULL));
      tap_check_int ("ahead", place.size, 65536);
      tap_check_int ("which", inode_of (&place, HF_JOURNAL_SPARE), last);
      tap_check_int ("as if renamed", unlink (place.path), 0);
      hf_spare_want (place.spare);
    }
  tap_check ("made", kit_wait_until (has_two_more, &place));
  tap_check ("nothing is coming in the end", kit_wait_until (nothing_is_coming, &place));
  place_clear ("reserve", &place);
}

/* Below the mark a new spare would be left empty; one in reserve takes no new room. */
static void
test_from_the_reserve_below_the_mark (void)
{
  Place place;

  place_init_with (&place, HF_AHEAD_YES, 3);
  tap_check ("made", kit_wait_until (has_two_more, &place));
  tap_check ("taken", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("as if renamed", unlink (place.path), 0);
  atomic_store (&place.usage->mark, G_MAXUINT64 / 4);
  tap_check ("the next", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("ahead", place.size, 65536);
  tap_check_int ("the file", kit_size (place.path), 65536);
  tap_check_int ("nothing is coming", atomic_load (&place.usage->coming), 0);
  place_clear ("reserve", &place);
}

static gboolean
has_none_more (gpointer data)
{
  return inode_of (data, HF_JOURNAL_SPARE "-2") == 0;
}

static void
test_reserve_is_left_empty (void)
{
  Place place;

  place_init_with (&place, HF_AHEAD_YES, 3);
  tap_check ("made", kit_wait_until (has_two_more, &place));
  hf_spare_leave_empty (place.spare);
  tap_check ("the last full one", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("as if renamed", unlink (place.path), 0);
  tap_check ("an empty one", hf_spare_take (place.spare, &place.size, NULL));
  tap_check_int ("nothing ahead", place.size, 0);
  tap_check_int ("as if renamed", unlink (place.path), 0);
  hf_spare_want (place.spare);
  tap_check ("given back", kit_wait_until (has_none_more, &place));
  place_clear ("left empty", &place);
}

/* The reserve hangs with the disk; a stop does not. */
static void
test_stop_while_the_reserve_hangs (void)
{
  Place place;

  faults_hang (FAULT_PWRITE, "/spare-2", 1);
  place_init_with (&place, HF_AHEAD_YES, 2);
  tap_check ("hangs", faults_wait_hanging (FAULT_PWRITE));
  tap_check ("a spare is there", hf_spare_take (place.spare, &place.size, NULL));
  hf_spare_stop (place.spare);
  place.spare = NULL;
  faults_release ();
  place_clear ("hangs", &place);
}

static gboolean
has_one_more (gpointer data)
{
  return inode_of (data, HF_JOURNAL_SPARE) != 0 && inode_of (data, HF_JOURNAL_SPARE "-2") != 0;
}

/* The helper of a journal that was given up hangs, and goes on when the next one has a
 * reserve: it may take a file of it away, and must not leave an empty one. */
static void
test_an_old_helper (void)
{
  Place place;

  /* the first eleven remove what an earlier life may have left: spare-2, spare-20 ... */
  faults_hang (FAULT_UNLINKAT, HF_JOURNAL_SPARE "-2", 12);
  place_init_with (&place, HF_AHEAD_YES, 2);
  tap_check ("hangs", faults_wait_hanging (FAULT_UNLINKAT));
  hf_spare_stop (place.spare);
  place.spare = start_with (&place, HF_AHEAD_YES, 2);
  tap_check ("made", kit_wait_until (has_one_more, &place));
  faults_release ();
  tap_check ("taken away", kit_wait_until (has_none_more, &place));
  for (guint i = 0; i < 2; i++)
    {
      tap_check ("taken", hf_spare_take (place.spare, &place.size, NULL));
      tap_check_int ("ahead", place.size, 65536);
      tap_check_int ("the file", kit_size (place.path), 65536);
      tap_check_int ("as if renamed", unlink (place.path), 0);
    }
  place_clear ("old helper", &place);
}

static void
test_no_descriptor (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *dir = kit_path (spool, NULL);
  g_autoptr (GError) error = NULL;
  int fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  const HfSpareParameters parameters = { .dir_fd = fd, .spool = spool, .size = 65536, .ahead = HF_AHEAD_YES };

  faults_fail (FAULT_OPENAT, NULL, 1, EMFILE);
  tap_check ("refused", hf_spare_start (&parameters, &error) == NULL);
  tap_check_int ("errno", hf_error_errno (error), EMFILE);
  faults_reset ();
  hf_sys_close (&fd);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "take", test_take },
    { "leave-empty", test_leave_empty },
    { "below-the-mark", test_below_the_mark },
    { "P2-failure-is-told", test_P2_failure_is_told },
    { "P2-failure-in-the-background", test_P2_failure_in_the_background },
    { "stop-while-it-hangs", test_stop_while_it_hangs },
    { "from-the-reserve", test_from_the_reserve },
    { "from-the-reserve-below-the-mark", test_from_the_reserve_below_the_mark },
    { "reserve-is-left-empty", test_reserve_is_left_empty },
    { "stop-while-the-reserve-hangs", test_stop_while_the_reserve_hangs },
    { "an-old-helper", test_an_old_helper },
    { "no-descriptor", test_no_descriptor },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("spare", tests, argc, argv);
}
