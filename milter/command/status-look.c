/* status-look.c - one look at everything; see status-look.h */
#include <config.h>

#include "milter/command/status-look.h"

#include "milter/audit/follow.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/command/status-need.h"
#include "milter/journal/directory.h"
#include "milter/journal/reader.h"
#include "milter/journal/trimmed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Settling times are taken from so many of the newest messages. */
#define SAMPLE "50000"

/* A queue that could not be asked for so long, and so many looks, needs a hand. */
#define QUEUE_LATE_MS (15 * 60 * 1000)
#define QUEUE_LOOKS 3

const gchar *const hf_status_states[HF_STATUS_STATES]
    = { "void", "provisional", "settled", "open", "unaccounted", "lost" };

/* A segment of the journal, and how much of it is written for good. */
typedef struct
{
  guint64 seq;
  guint64 end;
} Extent;

static void
message_clear (HfStatusMessage *message)
{
  g_free (message->id);
  g_free (message->queue);
  g_free (message->sender);
}

void
hf_status_clear (HfStatus *self)
{
  message_clear (&self->open);
  message_clear (&self->lost);
  message_clear (&self->unaccounted);
  g_clear_pointer (&self->needs, g_array_unref);
}

/* ---- who runs ---- */

/* A daemon writes its pid into its lock when it starts. */
static gboolean
look_at_lock (const gchar *spool, const gchar *directory, const gchar *name, gint64 *out_since_ms)
{
  g_autofree gchar *path = g_build_filename (spool, directory, name, NULL);
  int fd = hf_sys.open (path, O_RDONLY | O_CLOEXEC, 0);
  gboolean held = FALSE;
  struct stat st;

  *out_since_ms = -1;
  if (fd >= 0 && hf_sys.lock_is_held (fd) == 1)
    {
      held = TRUE;
      if (hf_sys.fstat (fd, &st) == 0)
        *out_since_ms = (gint64) st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    }
  hf_sys_close (&fd);
  return held;
}

/* ---- the journal ---- */

/* When a segment was begun, by its header; -1: it does not say. */
static gint64
begun_ms (int fd, guint64 size)
{
  const gchar *created;
  gint64 at_ms = -1;
  HfReader reader;

  if (!hf_reader_init (&reader, fd, MIN (size, HF_BLOCK), HF_READ_SKIM, NULL, NULL))
    return -1;
  created = reader.has_header ? hf_statement_get (&reader.header, "created") : NULL;
  if (created == NULL || !hf_time_parse (created, &at_ms))
    at_ms = -1;
  hf_reader_clear (&reader);
  return at_ms;
}

static void
take_segment (HfStatus *self, const gchar *spool, guint64 seq, GArray *segments, GArray *extents)
{
  g_autofree gchar *path = hf_segment_path (spool, seq);
  const gboolean is_open = self->filter_runs && seq == self->open_segment;
  HfForecastSegment segment = { .is_there = TRUE };
  Extent extent = { .seq = seq };
  guint64 size;
  int fd = hf_segment_open_file (path, "status", &size, NULL);

  if (fd < 0)
    return; /* trimmed meanwhile */
  segment.at_ms = begun_ms (fd, size);
  segment.octets = extent.end = is_open ? MIN (size, self->open_synced) : size;
  hf_sys_close (&fd);
  if (hf_segment_is_carried (seq))
    {
      self->carried++;
      self->carried_octets += size;
      return;
    }
  g_array_append_val (extents, extent);
  self->segments++;
  self->octets += size;
  if (segment.at_ms >= 0)
    g_array_append_val (segments, segment);
}

static void
take_trimmed (const gchar *dir_path, GArray *segments)
{
  HfTrimmed trimmed;

  if (hf_trimmed_load (dir_path, &trimmed, NULL))
    for (guint i = 0; i < trimmed.notes->len; i++)
      {
        const HfTrimNote *note = &g_array_index (trimmed.notes, HfTrimNote, i);
        const HfForecastSegment segment = { note->first_ms, note->octets, FALSE };

        if (note->first_ms >= 0 && !hf_segment_is_carried (note->seq))
          g_array_append_val (segments, segment);
      }
  hf_trimmed_clear (&trimmed);
}

static gboolean
look_at_journal (HfStatus *self, const gchar *spool, GArray *segments, GArray *extents, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (GError) failed = NULL;
  g_autoptr (GArray) seqs = hf_directory_list (dir_path, &failed);
  g_autoptr (GArray) carried = seqs != NULL ? hf_carried_list (spool, &failed) : NULL;
  HfPublished published;

  if (carried == NULL)
    {
      if (g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  self->has_journal = TRUE;
  self->filter_runs = look_at_lock (spool, HF_JOURNAL_DIRECTORY, HF_JOURNAL_LOCK, &self->filter_since_ms);
  hf_directory_published (dir_path, &published, NULL);
  self->open_segment = self->filter_runs ? published.seq : 0;
  self->open_synced = self->open_segment != 0 ? published.synced : 0;
  g_array_append_vals (seqs, carried->data, carried->len);
  for (guint i = 0; i < seqs->len; i++)
    take_segment (self, spool, g_array_index (seqs, guint64, i), segments, extents);
  take_trimmed (dir_path, segments);
  return TRUE;
}

/* ---- room ---- */

static gboolean
look_at_room (HfStatus *self, const HfConfig *config, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (config->spool_directory, HF_JOURNAL_DIRECTORY, NULL);
  HfGround ground = { HF_GROUND_IN_PLACE, "" };
  int fd = hf_sys.open (dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

  if (fd >= 0)
    hf_ground_look (fd, FALSE, &ground);
  hf_sys_close (&fd);
  if (!hf_space_look (config->spool_directory, ground.kind, &self->space))
    return hf_error_set_errno (error, errno, "status", "cannot look at spool '%s'", config->spool_directory);
  self->warn = hf_space_mark (config->pressure_space_warn, self->space.total, ground.kind);
  self->stop = hf_space_mark (config->pressure_space_stop, self->space.total, ground.kind);
  if (self->space.files > 0)
    {
      self->inodes_warn = hf_space_mark (config->pressure_inodes_warn, self->space.files, HF_GROUND_IN_PLACE);
      self->inodes_stop = hf_space_mark (config->pressure_inodes_stop, self->space.files, HF_GROUND_IN_PLACE);
    }
  return TRUE;
}

static guint64
octets_of_books (const gchar *spool)
{
  g_autofree gchar *books = g_build_filename (spool, HF_BOOKS_DIRECTORY, NULL);
  g_autofree gchar *ledger = g_build_filename (spool, HF_LEDGER_FILE, NULL);
  GDir *dir = g_dir_open (books, 0, NULL);
  guint64 octets = 0;
  const gchar *name;
  struct stat st;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (books, name, NULL);

      if (hf_sys.stat (path, &st) == 0)
        octets += (guint64) st.st_size;
    }
  if (dir != NULL)
    g_dir_close (dir);
  return octets + (hf_sys.stat (ledger, &st) == 0 ? (guint64) st.st_size : 0);
}

/* ---- the ledger ---- */

/* The first column of a query's first row; @if_none where that is NULL, or there is none. */
static gboolean
ask (HfLedger *ledger, const gchar *sql, gint64 if_none, gint64 *out_number, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, sql, error);
  int step;

  *out_number = if_none;
  if (row == NULL)
    return FALSE;
  step = sqlite3_step (row);
  if (step == SQLITE_ROW && sqlite3_column_type (row, 0) != SQLITE_NULL)
    *out_number = sqlite3_column_int64 (row, 0);
  return step == SQLITE_ROW || step == SQLITE_DONE || hf_ledger_error (ledger, error);
}

static gboolean
count_states (HfStatus *self, HfLedger *ledger, GError **error)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, "SELECT state, count (*) FROM recipient GROUP BY state", error);
  int step;

  if (row == NULL)
    return FALSE;
  while ((step = sqlite3_step (row)) == SQLITE_ROW)
    for (guint i = 0; i < HF_STATUS_STATES; i++)
      if (strcmp ((const gchar *) sqlite3_column_text (row, 0), hf_status_states[i]) == 0)
        self->by_state[i] = (guint64) sqlite3_column_int64 (row, 1);
  return step == SQLITE_DONE || hf_ledger_error (ledger, error);
}

static gboolean
find_oldest (HfLedger *ledger, const gchar *state, HfStatusMessage *out_message, GError **error)
{
  g_autofree gchar *sql = g_strdup_printf ("SELECT e.id, e.queue, e.sender, e.at, r.since FROM recipient r JOIN envelope e"
                                           " ON e.n = r.envelope WHERE r.state NOT IN ('void', 'settled') AND r.state = '%s'"
                                           " ORDER BY e.at LIMIT 1",
                                           state);
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, sql, error);
  int step;

  if (row == NULL)
    return FALSE;
  step = sqlite3_step (row);
  if (step != SQLITE_ROW)
    return step == SQLITE_DONE || hf_ledger_error (ledger, error);
  out_message->id = g_strdup ((const gchar *) sqlite3_column_text (row, 0));
  out_message->queue = g_strdup ((const gchar *) sqlite3_column_text (row, 1));
  out_message->sender = g_strdup ((const gchar *) sqlite3_column_text (row, 2));
  out_message->at_ms = sqlite3_column_int64 (row, 3);
  out_message->since_ms = sqlite3_column_type (row, 4) != SQLITE_NULL ? sqlite3_column_int64 (row, 4) : -1;
  return TRUE;
}

static gboolean
count_copies (HfStatus *self, HfLedger *ledger, GError **error)
{
#define GONE "copy_fault IS '" HF_LEDGER_GONE "'"
#define BROKEN "FROM envelope e WHERE copy NOT IN ('whole', 'trimmed') AND copy = 'damaged' AND "
  const struct
  {
    const gchar *sql;
    guint64 *count;
  } counts[] = {
    { "SELECT count (*) " BROKEN "NOT (" GONE ")", &self->damaged },
    { "SELECT count (*) " BROKEN "NOT (" GONE ") AND NOT EXISTS (SELECT 1 FROM place p WHERE p.segment = e.segment AND"
      " p.offset = e.offset)", &self->damaged_open },
    { "SELECT count (*) " BROKEN GONE, &self->gone },
    { "SELECT count (*) " BROKEN GONE " AND EXISTS (SELECT 1 FROM recipient r WHERE r.envelope = e.n AND r.state"
      " NOT IN ('void', 'settled'))", &self->gone_open },
    { "SELECT count (*) FROM envelope WHERE copy NOT IN ('whole', 'trimmed') AND copy = 'torn'", &self->torn },
    { "SELECT count (*) FROM breach b WHERE NOT EXISTS (SELECT 1 FROM place p WHERE p.segment = b.segment AND"
      " p.offset = b.offset)", &self->breaches },
  };

  for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
    if (!ask (ledger, counts[i].sql, 0, (gint64 *) counts[i].count, error))
      return FALSE;
  return ask (ledger, "SELECT min (copy_since) " BROKEN "1", -1, &self->damaged_since_ms, error);
}

/* How far the log is read, where it is a file that is there under its name; of the
 * systemd journal it is only known when its newest line was read. */
static void
measure_log (HfStatus *self, const HfConfig *config, const gchar *value, const gchar *journald_read)
{
  HfFollowPosition position;
  struct stat st;

  self->log_behind = -1;
  if (g_str_has_prefix (config->mta_log, "journald"))
    {
      self->log_read_ms = journald_read != NULL ? g_ascii_strtoll (journald_read, NULL, 10) : -1;
      return;
    }
  if (value == NULL || !hf_follow_position_parse (value, &position))
    return;
  self->log_read_ms = position.read_ms > 0 ? position.read_ms : -1;
  if (g_str_has_prefix (config->mta_log, "file:") && hf_sys.stat (config->mta_log + strlen ("file:"), &st) == 0
      && (guint64) st.st_ino == position.inode && (guint64) st.st_size >= position.offset)
    self->log_behind = (gint64) ((guint64) st.st_size - position.offset);
}

/* Whether log and queue are read: by the mail that they should speak of. */
static gboolean
measure_witnesses (HfStatus *self, HfLedger *ledger, const HfConfig *config, GError **error)
{
  self->queue_late_ms = MAX (QUEUE_LATE_MS, QUEUE_LOOKS * config->audit_snapshot_interval);
  return ask (ledger, "SELECT min (at) FROM envelope", -1, &self->oldest_mail_ms, error)
         && ask (ledger, "SELECT max (at) FROM envelope", -1, &self->newest_mail_ms, error)
         && ask (ledger, "SELECT at FROM snapshot ORDER BY n DESC LIMIT 1", -1, &self->queue_asked_ms, error);
}

/* Octets of the journal that the books have not come to. */
static void
measure_journal (HfStatus *self, const GArray *extents, const gchar *value)
{
  guint64 at_seq = 0, at_offset = 0;

  if (value != NULL)
    sscanf (value, "segment=%" G_GUINT64_FORMAT " offset=%" G_GUINT64_FORMAT, &at_seq, &at_offset);
  for (guint i = 0; i < extents->len; i++)
    {
      const Extent *extent = &g_array_index (extents, Extent, i);

      if (extent->seq > at_seq)
        self->journal_behind += extent->end;
      /* the end of a group is padding, and its last item ends before that */
      else if (extent->seq == at_seq && extent->end > at_offset + HF_BLOCK)
        self->journal_behind += extent->end - at_offset;
    }
}

static gboolean
take_positions (HfStatus *self, HfLedger *ledger, const HfConfig *config, const GArray *extents, GError **error)
{
  g_autofree gchar *file = NULL, *read = NULL, *journal = NULL, *scrub = NULL;

  if (!hf_ledger_position (ledger, "file", &file, error) || !hf_ledger_position (ledger, "journald-read", &read, error)
      || !hf_ledger_position (ledger, "journal", &journal, error)
      || !hf_ledger_position (ledger, HF_SCRUB_SOURCE, &scrub, error))
    return FALSE;
  measure_log (self, config, file, read);
  measure_journal (self, extents, journal);
  if (scrub != NULL)
    hf_scrub_position_parse (scrub, &self->scrub);
  return TRUE;
}

/* How long it takes until a segment goes: until the last in it is settled, which
 * carrying forward ends, and the retention. */
static gboolean
measure_keeping (HfStatus *self, HfLedger *ledger, const HfConfig *config, GError **error)
{
  gint64 settling_ms;

  if (!ask (ledger,
            "SELECT avg (t) FROM (SELECT max (r.since) - min (e.at) AS t FROM (SELECT n, at, segment FROM envelope"
            " ORDER BY at DESC LIMIT " SAMPLE ") e JOIN recipient r ON r.envelope = e.n GROUP BY e.segment"
            " HAVING sum (r.state NOT IN ('void', 'settled')) = 0)",
            0, &settling_ms, error))
    return FALSE;
  if (self->auditor_runs)
    self->kept_ms = config->retention_settled + CLAMP (settling_ms, 0, config->retention_carry_after);
  return TRUE;
}

static gboolean
look_at_books (HfStatus *self, const HfConfig *config, const GArray *extents, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (HfLedger) ledger = hf_ledger_open (config->spool_directory, HF_LEDGER_READ, &failed);

  if (ledger == NULL && g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND))
    return TRUE;
  if (ledger == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  self->has_ledger = TRUE;
  self->auditor_runs = look_at_lock (config->spool_directory, HF_BOOKS_DIRECTORY, HF_BOOKS_LOCK, &self->auditor_since_ms);
  return take_positions (self, ledger, config, extents, error) && measure_witnesses (self, ledger, config, error)
         && count_states (self, ledger, error)
         && count_copies (self, ledger, error) && find_oldest (ledger, "open", &self->open, error)
         && find_oldest (ledger, "lost", &self->lost, error) && find_oldest (ledger, "unaccounted", &self->unaccounted, error)
         && measure_keeping (self, ledger, config, error);
}

/* ---- all of it ---- */

gboolean
hf_status_look (const HfConfig *config, HfStatus *out_status, GError **error)
{
  g_autoptr (GArray) segments = g_array_new (FALSE, FALSE, sizeof (HfForecastSegment));
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (Extent));
  HfForecastFacts facts = { .segments = segments };

  *out_status = (HfStatus){ .now_ms = hf_sys_wall_ms (), .filter_since_ms = -1, .auditor_since_ms = -1, .log_read_ms = -1,
                            .log_behind = -1, .oldest_mail_ms = -1, .newest_mail_ms = -1, .queue_asked_ms = -1,
                            .kept_ms = -1, .damaged_since_ms = -1 };
  out_status->needs = hf_status_needs_new ();
  hf_scrub_position_init (&out_status->scrub);
  if (!look_at_room (out_status, config, error) || !look_at_journal (out_status, config->spool_directory, segments, extents, error)
      || !look_at_books (out_status, config, extents, error))
    return FALSE;
  facts.books_since_ms = out_status->oldest_mail_ms;
  facts.now_ms = out_status->now_ms;
  facts.kept_ms = out_status->kept_ms;
  facts.books_octets = out_status->has_ledger ? octets_of_books (config->spool_directory) : 0;
  facts.room = out_status->space.free > out_status->stop ? out_status->space.free - out_status->stop : 0;
  hf_forecast_make (&facts, &out_status->forecast);
  hf_status_find_needs (out_status);
  return TRUE;
}
