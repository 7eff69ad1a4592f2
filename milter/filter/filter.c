/* filter.c - what all connections of the filter share; see filter.h */
#include <config.h>

#include "milter/base/config-check.h"
#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/filter/filter.h"
#include "milter/journal/reserve.h"
#include "milter/journal/space.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* MAIL is turned away when the writer has been at one thing for this long, or
 * for half of what a client would wait, where that is less. */
#define OVERDUE_MS 10000
/* The least a stop leaves the writer to finish in, even when the wait for
 * transactions used the limit up. */
#define LEAST_CLOSE_MS 500
/* libmilter sends an answer after the callback has returned, and tells nobody
 * when it has. */
#define ANSWER_MS 250

static gint64
overdue_ms (const HfConfig *config)
{
  return MIN (OVERDUE_MS, config->milter_commit_limit / 2);
}

static HfMarks
marks_of (const HfConfig *config)
{
  return (HfMarks){
    .space_warn = config->pressure_space_warn,
    .space_stop = config->pressure_space_stop,
    .inodes_warn = config->pressure_inodes_warn,
    .inodes_stop = config->pressure_inodes_stop,
    .latency_stop_ms = overdue_ms (config),
  };
}

/* ---- the spool ---- */

static gboolean
check_owner (const HfConfig *config, const gchar *path, const struct stat *st, GError **error)
{
  if (!S_ISDIR (st->st_mode))
    return hf_config_error (config, "spool", "directory", error, "'%s' is not a directory", path);
  if (st->st_uid != geteuid ())
    return hf_config_error (config, "spool", "directory", error,
                            "'%s' belongs to uid %lu, but the filter runs as uid %lu", path,
                            (unsigned long) st->st_uid, (unsigned long) geteuid ());
  if ((st->st_mode & S_IWOTH) != 0)
    return hf_config_error (config, "spool", "directory", error,
                            "'%s' has mode %04o: every user could change or remove mail", path,
                            (unsigned) (st->st_mode & 07777));
  return TRUE;
}

static gboolean
check_directory (const HfConfig *config, const gchar *path, GError **error)
{
  struct stat st;

  if (hf_sys.stat (path, &st) < 0)
    return hf_config_error (config, "spool", "directory", error, "cannot look at '%s': %s", path, g_strerror (errno));
  return check_owner (config, path, &st, error);
}

static gboolean
make_directory (const HfConfig *config, const gchar *name, GError **error)
{
  g_autofree gchar *path = g_build_filename (config->spool_directory, name, NULL);

  if (hf_sys.mkdirat (AT_FDCWD, path, 0700) == 0)
    hf_event (HF_EVENT_SPOOL_CREATED, NULL, "directory", path, NULL);
  else if (errno != EEXIST)
    return hf_config_error (config, "spool", "directory", error, "cannot make '%s': %s", path, g_strerror (errno));
  return check_directory (config, path, error);
}

/* Marks of which one is a size and the other a share can be compared only here. */
static gboolean
check_marks (const HfConfig *config, GError **error)
{
  struct statvfs st;

  if (hf_sys.statvfs (config->spool_directory, &st) < 0)
    return hf_config_error (config, "spool", "directory", error, "cannot look at the file system of '%s': %s",
                            config->spool_directory, g_strerror (errno));
  return hf_config_check_marks (config, (guint64) st.f_blocks * st.f_frsize, (guint64) st.f_files, error);
}

gboolean
hf_filter_check (const HfConfig *config, GError **error)
{
  struct stat st;

  if (hf_sys.stat (config->spool_directory, &st) < 0)
    return hf_config_error (config, "spool", "directory", error, "cannot look at '%s': %s", config->spool_directory,
                            g_strerror (errno));
  if (!S_ISDIR (st.st_mode))
    return hf_config_error (config, "spool", "directory", error, "'%s' is not a directory", config->spool_directory);
  return check_marks (config, error);
}

/* The journal's own directory must be found after a crash, too. */
static gboolean
sync_directory (const HfConfig *config, GError **error)
{
  int fd = hf_sys.open (config->spool_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  const gboolean ok = fd >= 0 && hf_sys.fsync (fd) == 0;
  const gint failed = errno;

  hf_sys_close (&fd);
  return ok
         || hf_config_error (config, "spool", "directory", error, "cannot sync '%s': %s", config->spool_directory,
                             g_strerror (failed));
}

static gboolean
prepare_spool (const HfConfig *config, GError **error)
{
  return check_directory (config, config->spool_directory, error) && check_marks (config, error)
         && make_directory (config, HF_STAGE_DIRECTORY, error) && make_directory (config, HF_JOURNAL_DIRECTORY, error)
         && sync_directory (config, error);
}

static void
let_go_of_stages (gpointer area)
{
  hf_stage_area_let_go (area);
}

/* Till the gauges say so themselves.  Where the journal copies on write the mark is
 * another, and it writes nothing ahead. */
static guint64
octets_to_keep (const HfConfig *config)
{
  HfSpace space;

  return hf_space_look (config->spool_directory, HF_GROUND_IN_PLACE, &space)
           ? hf_space_mark (config->pressure_space_stop, space.total, HF_GROUND_IN_PLACE)
           : 0;
}

static gboolean
open_writer (HfFilter *self, const HfConfig *config, GError **error)
{
  g_autoptr (GError) failed = NULL;
  gchar host[256] = "localhost";
  const HfJournalParameters parameters = {
    .spool = config->spool_directory,
    .host = host,
    .instance = config->mta_instance != NULL && *config->mta_instance != '\0' ? config->mta_instance : NULL,
    .segment_size = config->journal_segment_size,
    .write_ahead = config->journal_write_ahead,
    .spares = (guint) config->journal_spares,
    .quiet_ms = HF_RESERVE_QUIET_MS,
    .keep_free = octets_to_keep (config),
    .let_go = let_go_of_stages,
    .let_go_data = &self->area,
  };

  gethostname (host, sizeof host - 1);
  self->writer = hf_writer_start (&parameters, overdue_ms (config), &failed);
  if (self->writer != NULL)
    return TRUE;
  return hf_config_error (config, "spool", "directory", error, "%s", failed->message);
}

gboolean
hf_filter_open (HfFilter *self, const HfConfig *config, GError **error)
{
  const HfMarks marks = marks_of (config);

  memset (self, 0, sizeof *self);
  /* GLib registers an error domain at its first use, which two threads must not be at once. */
  hf_error_quark ();
  self->commit_limit_ms = (gint) config->milter_commit_limit;
  hf_nudge_init (&self->nudge, config->milter_socket);
  if (!prepare_spool (config, error) || !hf_stage_area_open (&self->area, config->spool_directory, error)
      || !open_writer (self, config, error))
    return FALSE;
  /* Behind the journal's lock: a second filter on the spool must not take the
   * stages of the first one away. */
  hf_stage_area_tidy (&self->area);
  hf_room_init (&self->room, hf_writer_usage (self->writer));
  self->area.room = &self->room;
  self->room.give_up = let_go_of_stages;
  self->room.give_up_data = &self->area;
  self->pressure = hf_pressure_start (config->spool_directory, &marks, &self->room, self->writer, error);
  return self->pressure != NULL;
}

gboolean
hf_filter_check_reload (const HfFilter *self, const HfConfig *config, GError **error)
{
  return hf_config_check_marks (config, (guint64) atomic_load (&self->room.part[HF_ROOM_SPACE].total),
                                (guint64) atomic_load (&self->room.part[HF_ROOM_INODES].total), error);
}

void
hf_filter_apply (HfFilter *self, const HfConfig *config)
{
  const HfMarks marks = marks_of (config);

  g_atomic_int_set (&self->commit_limit_ms, (gint) config->milter_commit_limit);
  hf_writer_set_overdue (self->writer, overdue_ms (config));
  hf_pressure_set_marks (self->pressure, &marks);
}

gboolean
hf_filter_admit (HfFilter *self, GError **error)
{
  if (g_atomic_int_get (&self->draining))
    return hf_error_set (error, HF_ERROR_BUSY, "draining", "the filter is stopping");
  return hf_pressure_check (self->pressure, error) && hf_writer_check (self->writer, error);
}

void
hf_filter_note_answer (HfFilter *self)
{
  g_atomic_int_set (&self->answered_ms, (gint) hf_sys_monotonic_ms ());
}

void
hf_filter_wait_answers (HfFilter *self)
{
  const guint passed_ms = (guint) hf_sys_monotonic_ms () - (guint) g_atomic_int_get (&self->answered_ms);

  if (passed_ms < ANSWER_MS)
    g_usleep ((ANSWER_MS - passed_ms) * 1000);
}

void
hf_filter_turn_away (HfFilter *self)
{
  g_atomic_int_set (&self->draining, TRUE);
}

gboolean
hf_filter_drain (HfFilter *self, gint64 limit_ms)
{
  const gint64 until_ms = hf_sys_monotonic_ms () + limit_ms;
  gboolean finished;

  hf_filter_turn_away (self);
  while (g_atomic_int_get (&self->open) > 0 && hf_sys_monotonic_ms () < until_ms)
    g_usleep (5000);
  finished = g_atomic_int_get (&self->open) == 0;
  if (!finished)
    {
      /* Who is still at it may yet ask for MAIL, or come with a message. */
      hf_pressure_ref (self->pressure);
      hf_writer_ref (self->writer);
    }
  hf_pressure_stop (self->pressure);
  if (finished)
    hf_room_clear (&self->room); /* nobody reserves any more */
  return hf_writer_stop (self->writer, MAX (until_ms - hf_sys_monotonic_ms (), LEAST_CLOSE_MS)) && finished;
}
