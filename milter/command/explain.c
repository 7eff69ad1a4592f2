/* explain.c - holdfast explain WHAT: what became of a message, and how that is known
 *
 * A timeline, each step with its evidence: the record of the journal, the
 * log's line and where it stands, the looks at the queue.  Then the verdict,
 * what it proves and where that ends, and the next command to type.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/explain.h"
#include "milter/command/json.h"
#include "milter/command/select.h"
#include "milter/command/text.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <string.h>

/* More than this is a list, not an explanation. */
#define MANY 5

typedef struct
{
  gboolean json;
  const gchar *what;
  const HfConfig *config;
  HfLedger *ledger;
} Explain;

/* What a state means for a person: what is known, where that ends, whether more hangs
 * on the copy, and what to type next while that is whole (%s is the message's id). */
static const struct
{
  const gchar *state;
  const gchar *outcome; /* NULL: any */
  const gchar *proves;
  const gchar *next;
  gboolean needs_copy;
} meanings[] = {
  { "provisional", NULL, "Whether the MTA took it is not known: no line of the log accepts or refuses it.", "holdfast show %s", TRUE },
  { "void", NULL, "The MTA did not take it: its sender was told to try again, or was refused, and knows it. Nothing is owed.", NULL,
    FALSE },
  { "open", NULL, "The MTA took it and has it still, as far as log and queue tell. Nothing is lost.", "mailq", FALSE },
  { "settled", "delivered", "The MTA's own agent stored it. What happens in the mailbox is beyond the log.", NULL, FALSE },
  { "settled", "relayed", "The next host took it with a 2xx. From there on its own log tells; this one ends here.", NULL, FALSE },
  { "settled", "bounced", "It was not delivered, and the MTA sent its sender a report.", NULL, FALSE },
  { "settled", "expired", "It was in the queue for too long, and the MTA sent its sender a report.", NULL, FALSE },
  { "settled", "redirected", "A rule sent it to another address than the sender named.", NULL, FALSE },
  { "settled", "passed", "It went on under another queue id of this host, which settles it.", NULL, FALSE },
  { "settled", "discarded", "It was thrown away by policy after it had been accepted. Its sender was not told.", "holdfast show %s", FALSE },
  { "settled", "deleted", "An operator deleted it from the queue. Its sender was not told.", "holdfast show %s", FALSE },
  { "settled", "removed_by_filter", "Another filter removed this recipient. Its sender was not told.", "holdfast show %s", FALSE },
  { "settled", "declared", "An operator declared it settled; the log does not prove it.", NULL, FALSE },
  { "unaccounted", NULL, "It was accepted, and its end is not known. It is not called lost, for the reason given.", "holdfast show %s",
    TRUE },
  { "lost", NULL, "It was accepted, and it is gone: every condition for calling it lost holds.",
    "holdfast export --format eml --output . %s", TRUE },
};

/* What a copy is good for; where it is not whole, what to type next for who needs it. */
static const struct
{
  const gchar *copy;
  const gchar *proves;
  const gchar *next;
} copies[] = {
  { "whole", " Its copy is in the journal.", NULL },
  { "damaged", " Its copy in the journal no longer verifies.", "holdfast show --force %s" },
  { "gone", " Its copy is gone, and nobody trimmed it; the books know the envelope alone.",
    "holdfast settle --reason 'its copy is gone' %s" },
  { "trimmed", " Its copy was trimmed.", NULL },
};

static gint
find_meaning (const gchar *state, const gchar *outcome)
{
  for (gsize i = 0; i < G_N_ELEMENTS (meanings); i++)
    if (strcmp (meanings[i].state, state) == 0 && (meanings[i].outcome == NULL || g_strcmp0 (meanings[i].outcome, outcome) == 0))
      return (gint) i;
  return -1;
}

static gint
find_copy (const HfCase *one)
{
  for (gsize i = 0; one->copy != NULL && i < G_N_ELEMENTS (copies); i++)
    if (strcmp (copies[i].copy, one->copy) == 0)
      return (gint) i;
  return -1;
}

/* NULL where nothing is known of such a state. */
static gchar *
make_proof (const HfCase *one, gint meaning)
{
  const gint copy = find_copy (one);

  if (meaning < 0)
    return NULL;
  return g_strconcat (meanings[meaning].proves, meanings[meaning].needs_copy && copy >= 0 ? copies[copy].proves : NULL, NULL);
}

/* The command to type next; NULL for none. */
static gchar *
make_next (const HfCase *one, gint meaning)
{
  const gint copy = find_copy (one);
  const gboolean whole = g_strcmp0 (one->copy, "whole") == 0;
  const gchar *next = meaning >= 0 ? meanings[meaning].next : NULL;
  g_auto (GStrv) parts = NULL;

  if (one->id == NULL || next == NULL)
    return NULL;
  if (strstr (next, "%s") != NULL && !whole)
    next = meanings[meaning].needs_copy && copy >= 0 ? copies[copy].next : NULL;
  parts = next != NULL ? g_strsplit (next, "%s", 2) : NULL;
  return parts != NULL ? g_strjoinv (one->id, parts) : NULL;
}

static void
put (const gchar *text)
{
  g_autofree gchar *safe = hf_text_safe (text != NULL ? text : "");

  fputs (safe, stdout);
}

/* ---- one message ---- */

static void
print_copy (const HfCase *one)
{
  gchar at[25];

  hf_time_format (one->at_ms, at);
  printf ("%s  journaled in segment %" G_GUINT64_FORMAT, at, one->journaled);
  if (one->carried_ms < 0)
    printf (" at offset %" G_GUINT64_FORMAT, one->offset);
  printf (", %" G_GUINT64_FORMAT " octets; copy %s%s%s\n", one->bytes, one->copy, one->copy_fault != NULL ? ": " : "",
          one->copy_fault != NULL ? one->copy_fault : "");
  if (one->carried_ms >= 0)
    {
      hf_time_format (one->carried_ms, at);
      printf ("%s  carried forward to segment %" G_GUINT64_FORMAT " at offset %" G_GUINT64_FORMAT "\n", at, one->segment, one->offset);
    }
  if (one->trimmed_ms >= 0)
    {
      hf_time_format (one->trimmed_ms, at);
      printf ("%s  copy trimmed: every recipient was settled or void\n", at);
    }
}

static void
print_steps (const HfCase *one)
{
  for (guint i = 0; i < one->steps->len; i++)
    {
      const HfStep *step = &g_array_index (one->steps, HfStep, i);

      printf ("  %*s", (int) (2 * step->depth), "");
      put (step->text);
      if (step->path != NULL)
        {
          fputs ("\n      ", stdout);
          put (step->path);
          printf (", line %" G_GUINT64_FORMAT ", offset %" G_GUINT64_FORMAT, step->line, step->offset);
        }
      fputc ('\n', stdout);
    }
}

static void
print_verdicts (const HfCase *one)
{
  for (guint i = 0; i < one->verdicts->len; i++)
    {
      const HfCaseVerdict *verdict = &g_array_index (one->verdicts, HfCaseVerdict, i);
      const gint meaning = find_meaning (verdict->state, verdict->outcome);
      g_autofree gchar *proves = make_proof (one, meaning);
      g_autofree gchar *next = make_next (one, meaning);

      fputs ("\n<", stdout);
      put (verdict->address);
      printf (">: %s%s%s", verdict->state, verdict->outcome != NULL ? ", " : "", verdict->outcome != NULL ? verdict->outcome : "");
      if (verdict->detail != NULL)
        {
          fputs (": ", stdout);
          put (verdict->detail);
        }
      fputc ('\n', stdout);
      if (proves != NULL)
        hf_text_wrap (stdout, 2, proves);
      if (next != NULL)
        printf ("  Next: %s\n", next);
    }
}

static void
print_person (const HfCase *one)
{
  printf ("%s%s", one->id != NULL ? "message " : "not in the journal", one->id != NULL ? one->id : "");
  if (one->queue != NULL)
    {
      fputs (", queue id ", stdout);
      put (one->queue);
    }
  fputs (", from <", stdout);
  put (one->sender);
  puts (">");
  if (one->id != NULL)
    print_copy (one);
  print_steps (one);
  if (one->steps->len == 0)
    puts ("  No line of the log names it.");
  print_verdicts (one);
}

static void
json_steps (HfJson *json, const HfCase *one)
{
  hf_json_begin_array (json, "evidence");
  for (guint i = 0; i < one->steps->len; i++)
    {
      const HfStep *step = &g_array_index (one->steps, HfStep, i);

      hf_json_begin_object (json, NULL);
      hf_json_string (json, "file", step->path);
      hf_json_uint (json, "line", step->line);
      hf_json_uint (json, "offset", step->offset);
      hf_json_string (json, "queue_id", step->queue);
      hf_json_string (json, "text", step->text);
      hf_json_end_object (json);
    }
  hf_json_end_array (json);
}

static void
json_verdicts (HfJson *json, const HfCase *one)
{
  hf_json_begin_array (json, "recipients");
  for (guint i = 0; i < one->verdicts->len; i++)
    {
      const HfCaseVerdict *verdict = &g_array_index (one->verdicts, HfCaseVerdict, i);
      g_autofree gchar *proves = make_proof (one, find_meaning (verdict->state, verdict->outcome));

      hf_json_begin_object (json, NULL);
      hf_json_string (json, "address", verdict->address);
      hf_json_string (json, "state", verdict->state);
      hf_json_string (json, "outcome", verdict->outcome);
      hf_json_string (json, "detail", verdict->detail);
      hf_json_time (json, "since", verdict->since_ms);
      hf_json_string (json, "proves", proves);
      hf_json_end_object (json);
    }
  hf_json_end_array (json);
}

static gboolean
print_json (const HfCase *one, GError **error)
{
  g_auto (HfJson) json;

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_string (&json, "id", one->id);
  hf_json_time (&json, "at", one->at_ms);
  hf_json_string (&json, "queue_id", one->queue);
  hf_json_string (&json, "client", one->client);
  hf_json_string (&json, "sender", one->sender);
  json_verdicts (&json, one);
  hf_json_string (&json, "copy", one->copy);
  hf_json_string (&json, "copy_fault", one->copy_fault);
  hf_json_string (&json, "segment", one->segment_name);
  hf_json_time (&json, "carried_at", one->id != NULL ? one->carried_ms : -1);
  hf_json_time (&json, "trimmed_at", one->id != NULL ? one->trimmed_ms : -1);
  json_steps (&json, one);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static void
print_short (const HfCase *one)
{
  gchar at[25];

  hf_time_format (one->at_ms, at);
  printf ("%s  %-26s  ", at, one->id != NULL ? one->id : "-");
  put (one->queue);
  for (guint i = 0; i < one->verdicts->len && i < 3; i++)
    {
      const HfCaseVerdict *verdict = &g_array_index (one->verdicts, HfCaseVerdict, i);

      fputs ("  <", stdout);
      put (verdict->address);
      printf ("> %s", verdict->outcome != NULL ? verdict->outcome : verdict->state);
    }
  fputc ('\n', stdout);
}

/* ---- the verb ---- */

static gboolean
explain (Explain *self, guint *out_found, GError **error)
{
  g_autoptr (GArray) keys = hf_case_search (self->ledger, self->what, error);

  if (keys == NULL)
    return FALSE;
  *out_found = keys->len;
  for (guint i = 0; i < keys->len; i++)
    {
      g_autoptr (HfCase) one = hf_case_load (self->ledger, self->config->spool_directory, &g_array_index (keys, HfCaseKey, i), error);

      if (one == NULL || (self->json && !print_json (one, error)))
        return FALSE;
      if (!self->json && keys->len > MANY)
        print_short (one);
      else if (!self->json)
        {
          if (i > 0)
            puts ("");
          print_person (one);
        }
    }
  if (!self->json && keys->len > MANY)
    printf ("\n%u messages.  Next: holdfast explain ID, with an id from above.\n", keys->len);
  return TRUE;
}

static int
run (Explain *self, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_FINE;
  guint found = 0;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "explain", &code);
  g_autoptr (HfLedger) ledger = config != NULL ? hf_ledger_open (config->spool_directory, HF_LEDGER_READ, &error) : NULL;

  if (config == NULL)
    return code;
  self->config = config;
  self->ledger = ledger;
  if (ledger == NULL || !explain (self, &found, &error) || fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast explain: %s\n", error != NULL ? error->message : "cannot write to standard output");
      if (ledger == NULL && g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND))
        fprintf (stderr, "There are no books yet: holdfast-auditor has not run.\n");
      return HF_EXIT_BLIND;
    }
  if (found > 0)
    return HF_EXIT_FINE;
  fprintf (stderr, "holdfast explain: nothing in the books is named '%s'\n", self->what);
  return HF_EXIT_WRONG;
}

int
hf_verb_explain (int argc, char **argv, const gchar *config_path)
{
  Explain self = { FALSE };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "One JSON object a message", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context
      = g_option_context_new ("ID|QUEUE-ID|MESSAGE-ID|ADDRESS|TIME - tell what became of a message, and how that is known");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2)
    {
      fprintf (stderr, "holdfast explain: %s\n", error != NULL ? error->message : "say what: an id, a queue id, a Message-ID, an address or a time");
      return HF_EXIT_USAGE;
    }
  self.what = argv[1];
  return run (&self, config_path);
}
