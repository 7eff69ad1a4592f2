/* audit.c - holdfast audit: books made from logs alone
 *
 * Needs no configuration, no journal and no ledger, so that it can be tried
 * before anything is installed.
 */
#include <config.h>

#include "milter/command/audit.h"

#include "milter/audit/source.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How often, in lines and in time, progress is told. */
#define PROGRESS_LINES 8192
#define PROGRESS_US 200000

typedef struct
{
  gboolean json, last;
  gchar *type;
  gint year;
} Options;

typedef struct
{
  HfSource *source;
  HfClock clock;
  gchar *first_line; /* nullable: read while the files were put in order */
  HfSourceLine first;
  gint64 first_ms;
  guint given; /* its place on the command line */
} Log;

typedef struct
{
  HfAuditRun run;
  HfAuditReport *report; /* NULL with --json */
  GArray *logs;          /* of Log, oldest first */
  guint64 total_bytes, done_bytes;
  gint64 told_us;
  gboolean tells; /* progress, on a terminal */
  GError *error;  /* of writing */
} Audit;

const gchar *
hf_audit_path (const HfAuditRun *run, guint16 file)
{
  return g_ptr_array_index (run->paths, file);
}

const gchar *
hf_audit_bulk_name (HfBulk bulk)
{
  static const gchar *const names[HF_N_BULKS] = { "deleted", "requeued", "held", "released", "made to expire" };

  return names[bulk];
}

static void
log_clear (gpointer pointer)
{
  Log *log = pointer;

  hf_source_free (log->source);
  g_free (log->first_line);
}

static void
message_closed (const HfMessage *message, gpointer data)
{
  Audit *self = data;

  if (self->report != NULL)
    hf_audit_report_add (self->report, &self->run, message);
  else if (self->error == NULL)
    hf_audit_json_message (&self->run, message, &self->error);
}

static void
tell_progress (Audit *self, const Log *log)
{
  gint64 now_us;
  guint64 done = self->done_bytes + hf_source_read_bytes (log->source);

  if (!self->tells || self->run.intake.lines % PROGRESS_LINES != 0)
    return;
  now_us = g_get_monotonic_time ();
  if (now_us - self->told_us < PROGRESS_US)
    return;
  self->told_us = now_us;
  fprintf (stderr, "\r%" G_GUINT64_FORMAT " lines", self->run.intake.lines);
  if (self->total_bytes > 0)
    fprintf (stderr, ", %" G_GUINT64_FORMAT " %%", MIN (done * 100 / self->total_bytes, 100));
  fprintf (stderr, "  %.40s\033[K", hf_source_path (log->source));
  fflush (stderr);
}

static void
end_progress (const Audit *self)
{
  if (self->told_us > 0)
    fprintf (stderr, "\r\033[K");
}

/* ---- opening the logs ---- */

/* The first line tells how old a log is; it is kept for when its turn comes. */
static gboolean
peek (Log *log, GError **error)
{
  g_autoptr (GError) local = NULL;
  HfClock probe = log->clock;
  HfLogLine line;

  log->first_ms = -1;
  if (!hf_source_next (log->source, &log->first, &local))
    {
      if (local == NULL)
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  log->first_line = g_memdup2 (log->first.raw.at, log->first.raw.length);
  if (log->first_line == NULL) /* an empty line */
    log->first_line = g_strdup ("");
  log->first.raw.at = log->first_line;
  if (hf_line_parse (&probe, log->first.raw, &line))
    log->first_ms = line.wall_ms;
  return TRUE;
}

static gboolean
is_known (const Audit *self, const HfSource *source)
{
  for (guint i = 0; i < self->logs->len; i++)
    if (hf_source_same (g_array_index (self->logs, Log, i).source, source))
      return TRUE;
  return FALSE;
}

static gboolean
open_log (Audit *self, const gchar *path, GError **error)
{
  g_autoptr (HfSource) source = hf_source_open (path, error);
  Log log = { .given = self->logs->len };

  if (source == NULL)
    return FALSE;
  if (is_known (self, source))
    return TRUE;
  hf_clock_init (&log.clock, 0, hf_source_changed_s (source));
  log.clock.now_s = MAX (hf_source_changed_s (source), hf_sys_wall_ms () / 1000);
  self->total_bytes += hf_source_size_bytes (source);
  log.source = g_steal_pointer (&source);
  g_array_append_val (self->logs, log);
  return peek (&g_array_index (self->logs, Log, self->logs->len - 1), error);
}

/* `mail.log*` names the newest log first; the books want the oldest first. */
static gint
compare_logs (gconstpointer a, gconstpointer b)
{
  const Log *left = a, *right = b;

  if (left->first_ms >= 0 && right->first_ms >= 0 && left->first_ms != right->first_ms)
    return left->first_ms < right->first_ms ? -1 : 1;
  return left->given < right->given ? -1 : left->given > right->given;
}

static gint
year_of (const Log *log)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (log->first_ms / 1000);

  return g_date_time_get_year (time);
}

/* Its first line has a time, and no year in it. */
static gboolean
is_dated (const Log *log)
{
  return log->first_ms >= 0 && !g_ascii_isdigit (log->first_line[0]);
}

/* Of several logs the oldest has the year that was given; their own times tell how
 * many years lie between them. */
static void
set_years (Audit *self, gint year)
{
  gint oldest = G_MAXINT;

  for (guint i = 0; i < self->logs->len; i++)
    {
      const Log *log = &g_array_index (self->logs, Log, i);

      if (is_dated (log))
        oldest = MIN (oldest, year_of (log));
    }
  for (guint i = 0; i < self->logs->len; i++)
    {
      Log *log = &g_array_index (self->logs, Log, i);
      const gboolean dated = is_dated (log);
      HfClock probe;
      HfLogLine line;

      hf_clock_init (&log->clock, dated ? year + year_of (log) - oldest : year, hf_source_changed_s (log->source));
      probe = log->clock;
      if (dated && hf_line_parse (&probe, log->first.raw, &line))
        log->first_ms = line.wall_ms;
    }
}

static gboolean
open_logs (Audit *self, gchar **paths, gint year, GError **error)
{
  for (; *paths != NULL; paths++)
    if (!open_log (self, *paths, error))
      return FALSE;
  if (year != 0)
    set_years (self, year);
  if (self->logs->len > G_MAXUINT16)
    return hf_error_set (error, HF_ERROR_CONFIG, "log-open", "too many logs");
  g_array_sort (self->logs, compare_logs);
  for (guint i = 0; i < self->logs->len; i++)
    g_ptr_array_add (self->run.paths,
                     g_strdup (hf_source_path (g_array_index (self->logs, Log, i).source)));
  return TRUE;
}

/* ---- reading them ---- */

static void
take_line (Audit *self, Log *log, guint16 file, const HfSourceLine *line)
{
  HfPosition at = { .offset = line->offset, .line = line->line, .file = file };

  hf_intake_line (&self->run.intake, &log->clock, line->raw, at);
  tell_progress (self, log);
}

/* A log that breaks off is a gap in all that follows. */
static void
read_log (Audit *self, Log *log, guint16 file)
{
  g_autoptr (GError) error = NULL;
  HfSourceLine line = log->first;

  if (log->first_line != NULL)
    take_line (self, log, file, &line);
  while (self->error == NULL && hf_source_next (log->source, &line, &error))
    take_line (self, log, file, &line);
  self->done_bytes += hf_source_read_bytes (log->source);
  if (error == NULL)
    return;
  end_progress (self);
  fprintf (stderr, "holdfast audit: %s\n", error->message);
  self->run.incomplete = TRUE;
  hf_intake_gap (&self->run.intake, "the log could not be read to its end",
                 (HfPosition){ .line = line.line, .file = file });
}

static gboolean
is_wrong (const HfTally *tally)
{
  return tally->by_state[HF_STATE_LOST] > 0 || tally->by_state[HF_STATE_UNACCOUNTED] > 0;
}

static int
finish (Audit *self)
{
  hf_books_finish (self->run.books);
  end_progress (self);
  if (self->report != NULL)
    hf_audit_report_print (self->report, &self->run);
  else if (self->error == NULL)
    hf_audit_json_summary (&self->run, &self->error);
  if (self->error != NULL || fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast audit: %s\n",
               self->error != NULL ? self->error->message : "cannot write to standard output");
      return HF_EXIT_BLIND;
    }
  if (!hf_books_balance (self->run.books))
    fprintf (stderr, "holdfast audit: the sums do not balance\n");
  if (self->run.incomplete || !hf_books_balance (self->run.books))
    return HF_EXIT_BLIND;
  if (self->run.intake.mail_lines == 0)
    {
      fprintf (stderr, "holdfast audit: no line of Postfix or Sendmail in these logs\n");
      return HF_EXIT_BLIND;
    }
  return is_wrong (hf_books_handed_tally (self->run.books)) ? HF_EXIT_WRONG : HF_EXIT_FINE;
}

static int
run (const Options *options, HfMta only, gchar **paths)
{
  g_autoptr (GError) error = NULL;
  Audit self = { .report = options->json ? NULL : hf_audit_report_new () };
  HfBooksSettings settings = { .last = options->last, .closed = message_closed, .data = &self };
  int code = HF_EXIT_BLIND;

  self.logs = g_array_new (FALSE, TRUE, sizeof (Log));
  g_array_set_clear_func (self.logs, log_clear);
  self.run.paths = g_ptr_array_new_with_free_func (g_free);
  self.run.last = options->last;
  self.run.books = hf_books_new (&settings);
  self.tells = isatty (STDERR_FILENO);
  hf_intake_init (&self.run.intake, self.run.books, only);
  if (open_logs (&self, paths, options->year, &error))
    {
      for (guint i = 0; i < self.logs->len; i++)
        read_log (&self, &g_array_index (self.logs, Log, i), (guint16)i);
      code = finish (&self);
    }
  else
    fprintf (stderr, "holdfast audit: %s\n", error->message);

  g_clear_error (&self.error);
  hf_intake_clear (&self.run.intake);
  hf_books_free (self.run.books);
  g_ptr_array_unref (self.run.paths);
  g_array_unref (self.logs);
  hf_audit_report_free (self.report);
  return code;
}

/* ---- the verb ---- */

static gboolean
check_options (const Options *options, HfMta *out_only, GError **error)
{
  *out_only = HF_MTA_UNKNOWN;
  if (options->type != NULL && g_str_equal (options->type, "postfix"))
    *out_only = HF_MTA_POSTFIX;
  else if (options->type != NULL && g_str_equal (options->type, "sendmail"))
    *out_only = HF_MTA_SENDMAIL;
  else if (options->type != NULL)
    return hf_error_set (error, HF_ERROR_CONFIG, "usage", "--type: '%s' must be postfix or sendmail", options->type);
  if (options->year != 0 && (options->year < 1970 || options->year > 9999))
    return hf_error_set (error, HF_ERROR_CONFIG, "usage", "--year: %d is no year of a log", options->year);
  return TRUE;
}

int
hf_verb_audit (int argc, char **argv, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new ("LOG… - make books from the MTA's logs alone");
  g_auto (GStrv) paths = NULL;
  Options options = { 0 };
  const GOptionEntry entries[] = {
    { "type", 0, 0, G_OPTION_ARG_STRING, &options.type,
      "read only this MTA's lines: postfix or sendmail (default: whatever the lines are)", "MTA" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "one JSON object a message, then a summary", NULL },
    { "last", 0, 0, G_OPTION_ARG_NONE, &options.last,
      "no filter follows the acceptance: a recipient removed without a record is lost", NULL },
    { "year", 0, 0, G_OPTION_ARG_INT, &options.year,
      "the year of the oldest log's first line, where timestamps have none (default: from the file's time)", "YEAR" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  HfMta only;
  int code = HF_EXIT_USAGE;

  g_option_context_set_summary (context, "LOG is a log file, plain, gzipped or xz, or - for standard input.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !check_options (&options, &only, &error))
    fprintf (stderr, "holdfast audit: %s\n", error->message);
  else if (paths == NULL)
    fprintf (stderr, "holdfast audit: no log given; see holdfast audit --help\n");
  else
    code = run (&options, only, paths);
  g_free (options.type);
  return code;
}
