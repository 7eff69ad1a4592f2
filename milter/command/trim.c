/* trim.c - holdfast trim: removes the segments in which all is void or settled
 *
 * Shows every segment and why it stays or goes, asks, and removes what goes
 * (milter/journal/trim.h).  Without books every message stays provisional until
 * holdfast settle says otherwise, so this never removes by itself what an MTA
 * may still have.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/command/json.h"
#include "milter/command/select.h"
#include "milter/command/state.h"
#include "milter/command/status-look.h"
#include "milter/command/terminal.h"
#include "milter/command/text.h"
#include "milter/command/verbs.h"
#include "milter/journal/trim.h"

#include <stdio.h>
#include <string.h>

#define READERS_WAIT_MS (30 * 1000)
#define DEFAULT_REASON "every recipient is void or settled and the retention is over"

typedef struct
{
  gboolean yes;
  gboolean dry_run;
  gboolean json;
  gchar *reason;
  gint64 retention_ms;
  const HfConfig *config;
  HfStates *states;    /* while a plan is made */
  gboolean lag;        /* lines of the log are not in the books yet */
  guint64 claimed;     /* recipients that are void till then by a mark's claim alone */
  guint goes;          /* segments */
  guint64 octets;      /* in them */
  guint64 records;
} Trim;

/* ---- states ---- */

/* An unread line may open what seems void.  Of the systemd journal it is not known
 * how much is unread: an auditor that runs reads it as it comes. */
static gboolean
look_for_lag (const HfConfig *config)
{
  g_auto (HfStatus) status = { 0 };

  if (!hf_status_look (config, &status, NULL))
    return TRUE;
  if (!status.has_ledger)
    return FALSE;
  return g_str_has_prefix (config->mta_log, "journald") ? !status.auditor_runs : status.log_behind != 0;
}

static void
state_of (const HfViewEntry *entry, HfTrimState *out_state, gpointer user_data)
{
  Trim *self = user_data;
  const HfStates *states = self->states;
  const GArray *recipients = entry->item->recipients;

  if (entry->copy != HF_COPY_WHOLE)
    {
      const HfAct *act = hf_state_place (states, entry);

      out_state->is_settled = act != NULL;
      out_state->settled = entry->item->has_facts ? recipients->len : 0;
      out_state->settled_ms = act != NULL ? act->at_ms : G_MININT64;
      return;
    }
  /* A message without recipients has nobody who could be settled. */
  if (recipients->len == 0 && entry->mark == NULL)
    out_state->provisional = 1;
  for (guint i = 0; i < recipients->len; i++)
    {
      HfState state;

      hf_state_of (states, entry, g_array_index (recipients, HfPath, i).address, &state);
      if (strcmp (state.state, "void") == 0 && self->lag)
        {
          self->claimed++;
          out_state->provisional++;
        }
      else if (strcmp (state.state, "void") == 0)
        out_state->voids++; /* no retention: nothing is owed for it */
      else if (strcmp (state.state, "settled") == 0)
        {
          out_state->settled++;
          out_state->settled_ms = MAX (out_state->settled_ms, state.settled_ms);
        }
      else
        out_state->provisional++;
    }
}

/* ---- the table ---- */

static const gchar *
verdict_word (HfTrimVerdict verdict)
{
  static const gchar *const words[] = { "goes", "open", "newest", "unreadable", "damaged", "unsettled", "retention", "needed", "unasked" };

  return words[verdict];
}

static gchar *
verdict_text (const Trim *self, const HfTrimSegment *segment)
{
  const gchar *id = segment->keeper.text[0] != '\0' ? segment->keeper.text : "without an id";
  g_autofree gchar *provisional = hf_text_count (segment->provisional, "recipient", "recipients");
  gchar until[25];

  switch (segment->verdict)
    {
    case HF_TRIM_GOES:
      return g_strdup ("goes");
    case HF_TRIM_OPEN:
      return g_strdup ("stays: the filter writes to it");
    case HF_TRIM_NEWEST:
      return g_strdup ("stays: the newest closed one");
    case HF_TRIM_UNREADABLE:
      return g_strdup ("stays: it can't be read");
    case HF_TRIM_DAMAGED:
      return g_strdup_printf ("stays: %" G_GUINT64_FORMAT " torn or damaged and not settled, the first at offset %" G_GUINT64_FORMAT
                              ", %s", segment->unsettled_breaches, segment->keeper_offset, id);
    case HF_TRIM_UNSETTLED:
      return g_strdup_printf ("stays: %s provisional, the first in %s", provisional, id);
    case HF_TRIM_RETENTION:
      hf_time_format (segment->settled_ms + self->retention_ms, until);
      return g_strdup_printf ("stays: kept until %s", until);
    case HF_TRIM_UNASKED:
      return g_strdup ("stays: not asked for");
    case HF_TRIM_NEEDED:
      return g_strdup_printf ("stays: it explains what is in segment %" G_GUINT64_FORMAT ", which stays", segment->needed_by);
    }
  g_assert_not_reached ();
}

static gboolean
print_json (const HfTrimSegment *segment, GError **error)
{
  const HfTrimNote *note = &segment->note;
  const gboolean kept = segment->settled_ms != G_MININT64;
  HfSegmentName name;
  g_auto (HfJson) json = { NULL };

  hf_segment_name (note->seq, &name);
  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_string (&json, "segment", name.text);
  hf_json_string (&json, "verdict", verdict_word (segment->verdict));
  hf_json_time (&json, "first", note->first_ms);
  hf_json_time (&json, "last", note->last_ms);
  hf_json_uint (&json, "records", note->records);
  hf_json_uint (&json, "recipients", note->recipients);
  hf_json_uint (&json, "void", note->voids);
  hf_json_uint (&json, "settled", note->settled);
  hf_json_uint (&json, "provisional", segment->provisional);
  hf_json_uint (&json, "breaches", note->breaches);
  hf_json_uint (&json, "octets", note->octets);
  hf_json_time (&json, "settled_at", kept ? segment->settled_ms : -1);
  hf_json_string (&json, "kept_for", segment->keeper.text[0] != '\0' ? segment->keeper.text : NULL);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static void
print_row (const Trim *self, const HfTrimSegment *segment)
{
  const HfTrimNote *note = &segment->note;
  g_autofree gchar *verdict = verdict_text (self, segment);
  gchar first[25] = "-", last[25] = "-";
  HfSegmentName name;

  hf_segment_name (note->seq, &name);
  if (note->first_ms >= 0)
    {
      hf_time_format (note->first_ms, first);
      hf_time_format (note->last_ms, last);
    }
  printf ("%-16s  %-24s  %-24s  %8" G_GUINT64_FORMAT "  %12" G_GUINT64_FORMAT "  %s\n", name.text, first, last, note->records,
          note->octets, verdict);
}

static gboolean
print_plan (Trim *self, const GArray *plan, GError **error)
{
  if (!self->json)
    printf ("%-16s  %-24s  %-24s  %8s  %12s  %s\n", "SEGMENT", "FIRST MESSAGE", "LAST MESSAGE", "MESSAGES", "OCTETS", "VERDICT");
  for (guint i = 0; i < plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);

      if (segment->verdict == HF_TRIM_GOES)
        {
          self->goes++;
          self->octets += segment->note.octets;
          self->records += segment->note.records;
        }
      if (!self->json)
        print_row (self, segment);
      else if (!print_json (segment, error))
        return FALSE;
    }
  if (self->claimed > 0)
    fprintf (stderr, "%" G_GUINT64_FORMAT " void recipients count as provisional: the books have not read the log to its end\n",
             self->claimed);
  return fflush (stdout) == 0 || hf_error_set (error, HF_ERROR_IO, "trim", "cannot write to standard output");
}

/* ---- the plan ---- */

/* NULL with an error. */
static GArray *
make_plan (Trim *self, HfReadFlags flags, GError **error)
{
  g_autoptr (HfView) view = hf_view_open (self->config->spool_directory, HF_READ_RECIPIENTS | flags, error);
  int code;
  HfTrimRules rules = { .now_ms = hf_sys_wall_ms (), .retention_ms = self->retention_ms, .state_of = state_of,
                        .user_data = self, .progress = hf_terminal_progress };
  GArray *plan;

  if (view == NULL)
    return NULL;
  /* after the journal's list, so that what is known is no older than what is judged */
  self->lag = look_for_lag (self->config);
  self->claimed = 0;
  self->states = hf_state_load (self->config, "trim", &code);
  if (self->states == NULL)
    {
      hf_error_set (error, HF_ERROR_IO, "trim", "the books can't be read");
      return NULL;
    }
  plan = hf_trim_plan (view, &rules, error);
  hf_terminal_progress_end ();
  g_clear_pointer (&self->states, hf_states_free);
  return plan;
}

/* ---- the removal ---- */

static const HfTrimSegment *
find_segment (const GArray *plan, guint64 seq)
{
  for (guint i = 0; i < plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);

      if (segment->note.seq == seq)
        return segment;
    }
  return NULL;
}

/* Late evidence may have opened what was settled or void.
 * Returns: how many segments stay after all. */
static guint
keep_changed (GArray *plan, const GArray *now)
{
  guint kept = 0;

  for (guint i = 0; i < plan->len; i++)
    {
      HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);
      const HfTrimSegment *same = find_segment (now, segment->note.seq);

      if (segment->verdict != HF_TRIM_GOES || (same != NULL && same->verdict == HF_TRIM_GOES))
        continue;
      segment->verdict = same != NULL ? same->verdict : HF_TRIM_UNREADABLE;
      kept++;
    }
  return kept;
}

/* While the question stood, or readers were waited for. */
static gboolean
look_again (GArray *plan, gpointer data, GError **error)
{
  Trim *self = data;
  g_autoptr (GArray) now = make_plan (self, HF_READ_ALONE, error);
  guint kept;

  if (now == NULL)
    return FALSE;
  kept = keep_changed (plan, now);
  if (kept > 0)
    fprintf (stderr, "%u of them stay: what was known of them has changed meanwhile\n", kept);
  return TRUE;
}

static int
remove_segments (Trim *self, GArray *plan)
{
  g_autoptr (GError) error = NULL;
  guint removed = 0;
  gboolean ok;
  HfWho who;

  hf_who_init (&who);
  ok = hf_trim_run (self->config->spool_directory, plan, look_again, self, &who,
                    self->reason != NULL ? self->reason : DEFAULT_REASON, READERS_WAIT_MS, &removed, &error);
  hf_who_clear (&who);
  fprintf (stderr, "removed %u of %u segments\n", removed, self->goes);
  if (ok)
    return HF_EXIT_FINE;
  fprintf (stderr, "holdfast trim: %s\n", error->message);
  return HF_EXIT_BLIND;
}

static int
act (Trim *self, GArray *plan)
{
  g_autofree gchar *messages = hf_text_count (self->records, "message", "messages");
  g_autofree gchar *octets = hf_text_number (self->octets);
  g_autofree gchar *what = g_strdup_printf ("%u of %u segments with %s, %s octets", self->goes, plan->len, messages, octets);
  g_autofree gchar *question = g_strdup_printf ("Remove %s, for good?", what);

  if (self->goes == 0 || self->dry_run)
    {
      fprintf (stderr, "%s %s\n", self->goes == 0 ? "nothing goes:" : "would remove", what);
      return HF_EXIT_FINE;
    }
  switch (self->yes ? HF_ANSWER_YES : hf_terminal_ask (question))
    {
    case HF_ANSWER_YES:
      return remove_segments (self, plan);
    case HF_ANSWER_NO:
      fprintf (stderr, "nothing was removed\n");
      return HF_EXIT_FINE;
    default:
      fprintf (stderr, "holdfast trim: there is no terminal to ask on; give --yes, or --dry-run to look only\n");
      return HF_EXIT_USAGE;
    }
}

static int
run (Trim *self, const gchar *config_path)
{
  int code = HF_EXIT_FINE;
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "trim", &code);
  g_autoptr (GArray) plan = NULL;

  if (config == NULL)
    return code;
  self->config = config;
  self->retention_ms = config->retention_settled;
  plan = make_plan (self, 0, &error);
  if (plan != NULL && print_plan (self, plan, &error))
    return act (self, plan);
  fprintf (stderr, "holdfast trim: nothing was removed: %s\n", error->message);
  return HF_EXIT_BLIND;
}

int
hf_verb_trim (int argc, char **argv, const gchar *config_path)
{
  Trim self = { FALSE };
  const GOptionEntry entries[] = {
    { "reason", 0, 0, G_OPTION_ARG_FILENAME, &self.reason, "Why; kept with the note of each segment", "TEXT" },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &self.yes, "Do not ask", NULL },
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &self.dry_run, "Only show what would be removed", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "One JSON object a line", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- remove the segments in which all is void or settled");
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_USAGE;

  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, &argc, &argv, &error) && argc == 1)
    code = run (&self, config_path);
  else
    fprintf (stderr, "holdfast trim: %s\n", error != NULL ? error->message : "unexpected argument");
  g_free (self.reason);
  return code;
}
