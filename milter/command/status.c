/* status.c - holdfast status: is all well, since when, and what needs a hand
 *
 * One screen.  Exit codes: 0 all is well, 1 something needs a hand, 2 usage or
 * configuration, 3 could not look.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/json.h"
#include "milter/command/select.h"
#include "milter/command/status-look.h"
#include "milter/command/text.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <string.h>

#define HOUR_MS (3600 * 1000)
#define DAY_MS (24 * HOUR_MS)

/* ---- words ---- */

/* "12.3 GiB" */
static gchar *
size_text (guint64 octets)
{
  static const gchar *const units[] = { "octets", "KiB", "MiB", "GiB", "TiB", "PiB" };
  gdouble size = (gdouble) octets;
  guint unit = 0;

  for (; size >= 1024 && unit + 1 < G_N_ELEMENTS (units); unit++)
    size /= 1024;
  return g_strdup_printf (unit == 0 || size >= 100 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

/* "2026-11-22 20:18" */
static gchar *
time_text (gint64 at_ms)
{
  gchar at[25];

  if (at_ms < 0)
    return g_strdup ("?");
  hf_time_format (at_ms, at);
  at[10] = ' ';
  at[16] = '\0';
  return g_strdup (at);
}

/* "5 hours" */
static gchar *
span_text (gint64 ms)
{
  ms = MAX (ms, 0);
  if (ms >= 2 * DAY_MS)
    return g_strdup_printf ("%" G_GINT64_FORMAT " days", ms / DAY_MS);
  if (ms >= 2 * HOUR_MS)
    return g_strdup_printf ("%" G_GINT64_FORMAT " hours", ms / HOUR_MS);
  if (ms >= 120 * 1000)
    return g_strdup_printf ("%" G_GINT64_FORMAT " minutes", ms / 60000);
  return g_strdup_printf ("%" G_GINT64_FORMAT " seconds", ms / 1000);
}

static void G_GNUC_PRINTF (2, 3)
row (const gchar *name, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  printf ("  %-12s", name);
  vprintf (format, args);
  putchar ('\n');
  va_end (args);
}

/* ---- for a person ---- */

static gint64
first_need_ms (const HfStatus *status)
{
  gint64 first_ms = -1;

  for (guint i = 0; i < status->needs->len; i++)
    {
      const gint64 since_ms = g_array_index (status->needs, HfStatusNeed, i).since_ms;

      if (since_ms >= 0 && (first_ms < 0 || since_ms < first_ms))
        first_ms = since_ms;
    }
  return first_ms;
}

static void
print_verdict (const HfStatus *status)
{
  g_autofree gchar *things = hf_text_count (status->needs->len, "thing needs", "things need");
  g_autofree gchar *since = time_text (first_need_ms (status));

  if (status->needs->len == 0)
    {
      puts (status->has_ledger ? "  All is well." : "  The filter is well. Nobody keeps books: holdfast-auditor has not run.");
      return;
    }
  printf ("  %s a hand%s%s.\n", things, first_need_ms (status) >= 0 ? ", the first since " : "",
          first_need_ms (status) >= 0 ? since : "");
  for (guint i = 0; i < status->needs->len; i++)
    {
      const HfStatusNeed *need = &g_array_index (status->needs, HfStatusNeed, i);

      putchar ('\n');
      hf_text_wrap (stdout, 4, need->what);
      printf ("        %s\n", need->next);
    }
}

static void
print_programs (const HfStatus *status)
{
  g_autofree gchar *filter = time_text (status->filter_since_ms), *auditor = time_text (status->auditor_since_ms);
  g_autofree gchar *read = time_text (status->log_read_ms), *log = size_text ((guint64) MAX (status->log_behind, 0));
  g_autofree gchar *journal = size_text (status->journal_behind);

  if (status->filter_runs)
    row ("filter", "runs since %s", filter);
  else
    row ("filter", "does not run");
  if (!status->has_ledger)
    row ("auditor", "has never run: all that the filter took is provisional, and kept");
  else if (!status->auditor_runs)
    row ("auditor", "does not run; read its last line at %s", read);
  else
    row ("auditor", "runs since %s; last line at %s", auditor, read);
  if (status->has_ledger && (status->log_behind > 0 || status->journal_behind > 0))
    row ("", "has not read %s of the log and %s of the journal", status->log_behind < 0 ? "?" : log, journal);
}

static void
print_forecast (const HfStatus *status)
{
  const HfForecast *forecast = &status->forecast;
  g_autofree gchar *history = span_text (forecast->history_ms), *kept = span_text (status->kept_ms);
  g_autofree gchar *mail = size_text (forecast->octets_per_day), *books = size_text (forecast->books_per_day);

  if (!forecast->is_known)
    {
      row ("forecast", "none yet: it takes a day of mail, and here are %s", history);
      return;
    }
  if (forecast->days_to_full < 0)
    row ("forecast", "not full within a year");
  else
    row ("forecast", "full in %d days, if all goes on as it did", forecast->days_to_full);
  if (status->kept_ms < 0)
    row ("", "%s of mail a day; nothing goes by itself without the auditor", mail);
  else
    row ("", "%s of mail a day, kept for %s; the books grow by %s", mail, kept, books);
}

static void
print_room (const HfStatus *status)
{
  g_autofree gchar *octets = size_text (status->octets), *carried = size_text (status->carried_octets);
  g_autofree gchar *free = size_text (status->space.free), *total = size_text (status->space.total);
  g_autofree gchar *stop = size_text (status->stop);
  g_autofree gchar *segments = hf_text_count (status->segments, "segment", "segments");

  row ("journal", "%s, %s", segments, octets);
  if (status->carried > 0)
    row ("", "and %s carried forward", carried);
  if (status->stop > 0)
    row ("room", "%s of %s are free; below %s mail is turned away", free, total, stop);
  else
    row ("room", "%s of %s are free; no mark is set", free, total);
  print_forecast (status);
}

static void
print_scrub (const HfStatus *status)
{
  const HfScrubPosition *scrub = &status->scrub;
  const guint64 all = status->octets + status->carried_octets;
  g_autofree gchar *ended = time_text (scrub->ended_ms), *began = time_text (scrub->began_ms);
  const guint percent = (guint) MIN (all > 0 ? (gdouble) scrub->octets * 100 / (gdouble) all : 0, 99);

  if (scrub->ended_ms >= 0)
    row ("read again", "all of it by %s", ended);
  else if (scrub->began_ms < 0)
    row ("read again", "nothing yet");
  if (scrub->began_ms >= 0)
    row (scrub->ended_ms >= 0 ? "" : "read again", "%u%% of it since %s, up to segment %" G_GUINT64_FORMAT, percent, began, scrub->seq);
}

static void
print_states (const HfStatus *status)
{
  g_autoptr (GString) words = g_string_new (NULL);
  static const guint order[] = { HF_STATUS_SETTLED, HF_STATUS_OPEN, HF_STATUS_VOID, HF_STATUS_PROVISIONAL,
                                 HF_STATUS_UNACCOUNTED, HF_STATUS_LOST };

  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      g_autofree gchar *number = hf_text_number (status->by_state[order[i]]);

      g_string_append_printf (words, "%s%s %s", i == 0 ? "" : i == 3 ? "\n              " : ", ", number,
                              hf_status_states[order[i]]);
    }
  row ("recipients", "%s", words->str);
}

static void
print_books (const HfStatus *status)
{
  g_autofree gchar *damaged = hf_text_number (status->damaged), *gone = hf_text_number (status->gone);
  g_autofree gchar *torn = hf_text_number (status->torn);

  print_scrub (status);
  print_states (status);
  row ("copies", "%s damaged, %s gone, %s torn", damaged, gone, torn);
  if (status->open.id != NULL)
    {
      g_autofree gchar *age = span_text (status->now_ms - status->open.at_ms);
      g_autofree gchar *sender = hf_text_safe (status->open.sender != NULL ? status->open.sender : "");

      row ("oldest open", "%s, for %s", status->open.id, age);
      row ("", "from <%s>", sender);
    }
}

static void
print_person (const HfStatus *status)
{
  g_autofree gchar *now = time_text (status->now_ms);

  printf ("holdfast on %s, %s UTC\n\n", g_get_host_name (), now);
  print_verdict (status);
  putchar ('\n');
  print_programs (status);
  print_room (status);
  if (status->has_ledger)
    print_books (status);
}

/* ---- for a program ---- */

/* null where nobody can say. */
static void
json_number (HfJson *json, const gchar *key, gboolean is_known, guint64 number)
{
  if (is_known)
    hf_json_uint (json, key, number);
  else
    hf_json_null (json, key);
}

static void
json_programs (HfJson *json, const HfStatus *status)
{
  hf_json_begin_object (json, "filter");
  hf_json_bool (json, "running", status->filter_runs);
  hf_json_time (json, "since", status->filter_since_ms);
  json_number (json, "segment", status->open_segment != 0, status->open_segment);
  json_number (json, "synced", status->open_segment != 0, status->open_synced);
  hf_json_end_object (json);
  hf_json_begin_object (json, "auditor");
  hf_json_bool (json, "running", status->auditor_runs);
  hf_json_time (json, "since", status->auditor_since_ms);
  hf_json_time (json, "log_read_at", status->log_read_ms);
  json_number (json, "log_behind", status->has_ledger && status->log_behind >= 0, (guint64) status->log_behind);
  json_number (json, "journal_behind", status->has_ledger, status->journal_behind);
  hf_json_end_object (json);
}

static void
json_room (HfJson *json, const HfStatus *status)
{
  const HfForecast *forecast = &status->forecast;

  hf_json_begin_object (json, "journal");
  json_number (json, "segments", status->has_journal, status->segments);
  json_number (json, "octets", status->has_journal, status->octets);
  json_number (json, "carried_segments", status->has_journal, status->carried);
  json_number (json, "carried_octets", status->has_journal, status->carried_octets);
  hf_json_end_object (json);
  hf_json_begin_object (json, "space");
  hf_json_uint (json, "free", status->space.free);
  hf_json_uint (json, "total", status->space.total);
  json_number (json, "warn", status->warn > 0, status->warn);
  json_number (json, "stop", status->stop > 0, status->stop);
  json_number (json, "inodes_free", status->space.files > 0, status->space.free_files);
  json_number (json, "inodes_warn", status->inodes_warn > 0, status->inodes_warn);
  json_number (json, "inodes_stop", status->inodes_stop > 0, status->inodes_stop);
  hf_json_end_object (json);
  hf_json_begin_object (json, "forecast");
  hf_json_bool (json, "known", forecast->is_known);
  hf_json_uint (json, "history_ms", (guint64) forecast->history_ms);
  json_number (json, "octets_per_day", forecast->is_known, forecast->octets_per_day);
  json_number (json, "books_octets_per_day", forecast->is_known, forecast->books_per_day);
  json_number (json, "kept_ms", status->kept_ms >= 0, (guint64) status->kept_ms);
  json_number (json, "days_to_full", forecast->days_to_full >= 0, (guint64) forecast->days_to_full);
  hf_json_end_object (json);
}

static void
json_message (HfJson *json, const gchar *key, const HfStatusMessage *message)
{
  if (message->id == NULL)
    {
      hf_json_null (json, key);
      return;
    }
  hf_json_begin_object (json, key);
  hf_json_string (json, "id", message->id);
  hf_json_time (json, "at", message->at_ms);
  hf_json_time (json, "since", message->since_ms);
  hf_json_string (json, "queue_id", message->queue);
  hf_json_string (json, "sender", message->sender);
  hf_json_end_object (json);
}

static void
json_books (HfJson *json, const HfStatus *status)
{
  const gboolean known = status->has_ledger;
  const HfScrubPosition *scrub = &status->scrub;

  hf_json_begin_object (json, "scrub");
  hf_json_time (json, "began", scrub->began_ms);
  json_number (json, "segment", scrub->began_ms >= 0, scrub->seq);
  json_number (json, "offset", scrub->began_ms >= 0, scrub->offset);
  json_number (json, "octets", scrub->began_ms >= 0, scrub->octets);
  hf_json_time (json, "last_ended", scrub->ended_ms);
  json_number (json, "last_octets", scrub->ended_ms >= 0, scrub->ended_octets);
  hf_json_end_object (json);
  hf_json_begin_object (json, "recipients");
  for (guint i = 0; i < HF_STATUS_STATES; i++)
    json_number (json, hf_status_states[i], known, status->by_state[i]);
  hf_json_end_object (json);
  hf_json_begin_object (json, "copies");
  json_number (json, "damaged", known, status->damaged);
  json_number (json, "gone", known, status->gone);
  json_number (json, "torn", known, status->torn);
  json_number (json, "breaches", known, status->breaches);
  hf_json_end_object (json);
  json_message (json, "oldest_open", &status->open);
  json_message (json, "oldest_unaccounted", &status->unaccounted);
  json_message (json, "oldest_lost", &status->lost);
}

static gboolean
print_json (const HfStatus *status, GError **error)
{
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_time (&json, "at", status->now_ms);
  hf_json_string (&json, "host", g_get_host_name ());
  hf_json_bool (&json, "well", status->needs->len == 0);
  hf_json_bool (&json, "books", status->has_ledger);
  hf_json_begin_array (&json, "needs");
  for (guint i = 0; i < status->needs->len; i++)
    {
      const HfStatusNeed *need = &g_array_index (status->needs, HfStatusNeed, i);

      hf_json_begin_object (&json, NULL);
      hf_json_string (&json, "what", need->what);
      hf_json_string (&json, "next", need->next);
      hf_json_time (&json, "since", need->since_ms);
      hf_json_end_object (&json);
    }
  hf_json_end_array (&json);
  json_programs (&json, status);
  json_room (&json, status);
  json_books (&json, status);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

/* ---- the verb ---- */

static int
run (gboolean json, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_FINE;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "status", &code);
  g_auto (HfStatus) status = { 0 };

  if (config == NULL)
    return code;
  if (hf_status_look (config, &status, &error))
    {
      if (!json)
        print_person (&status);
      else
        print_json (&status, &error);
    }
  if (error == NULL && fflush (stdout) == 0)
    return status.needs->len == 0 ? HF_EXIT_FINE : HF_EXIT_WRONG;
  fprintf (stderr, "holdfast status: %s\n", error != NULL ? error->message : "cannot write to standard output");
  return HF_EXIT_BLIND;
}

int
hf_verb_status (int argc, char **argv, const gchar *config_path)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- tell whether all is well, and what needs a hand");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, &argc, &argv, &error) && argc == 1)
    return run (json, config_path);
  fprintf (stderr, "holdfast status: %s\n", error != NULL ? error->message : "unexpected argument");
  return HF_EXIT_USAGE;
}
