/* list.c - holdfast list: the messages of the journal, oldest first
 *
 * States are what the journal alone can tell: void where a mark says so, else
 * provisional.  The books know more.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/json.h"
#include "milter/command/select.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <string.h>

typedef struct
{
  HfSelect select;
  gboolean json;
  gchar *copy;
  GHashTable *seen; /* ids of whole copies: two copies of one id are one message */
  guint64 listed;
} List;

static const gchar *
state_text (const HfViewEntry *entry)
{
  return entry->mark != NULL ? "void" : "provisional";
}

/* ---- JSON ---- */

static void
print_recipient (HfJson *json, const HfPath *path, const HfViewEntry *entry)
{
  hf_json_begin_object (json, NULL);
  hf_json_string (json, "address", path->address);
  hf_json_null (json, "orig_address");
  hf_json_string (json, "state", state_text (entry));
  hf_json_null (json, "outcome");
  hf_json_string (json, "detail", entry->mark != NULL ? entry->mark->reason : NULL);
  hf_json_end_object (json);
}

static gboolean
print_json (const HfViewEntry *entry, GError **error)
{
  const HfItem *item = entry->item;
  const HfFacts *facts = &item->facts;
  const gboolean known = item->has_facts;
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_string (&json, "id", known ? facts->id.text : NULL);
  hf_json_time (&json, "at", known ? facts->at_ms : -1);
  hf_json_string (&json, "queue_id", known ? facts->queue : NULL);
  hf_json_string (&json, "client", known ? facts->client : NULL);
  hf_json_string (&json, "sender", known ? item->sender.address : NULL);
  hf_json_begin_array (&json, "recipients");
  for (guint i = 0; known && i < item->recipients->len; i++)
    print_recipient (&json, &g_array_index (item->recipients, HfPath, i), entry);
  hf_json_end_array (&json);
  if (known)
    hf_json_uint (&json, "bytes", facts->bytes);
  else
    hf_json_null (&json, "bytes");
  hf_json_string (&json, "copy", hf_copy_text (entry->copy));
  hf_json_string (&json, "segment", entry->name);
  hf_json_uint (&json, "offset", item->offset);
  hf_json_uint (&json, "length", item->length);
  hf_json_string (&json, "fault", item->fault);
  hf_json_bool (&json, "bare", known && facts->bare);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

/* ---- for people ---- */

/* What came from outside must not steer the terminal. */
static void
print_safe (const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);

  for (const gchar *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      const gunichar c = g_utf8_get_char (p);

      if (g_unichar_iscntrl (c))
        fputc ('?', stdout);
      else
        fwrite (p, 1, (gsize) (g_utf8_next_char (p) - p), stdout);
    }
}

static void
print_head (void)
{
  printf ("%-24s  %-26s  %-14s  %9s  %-11s  %s\n", "RECEIVED", "ID", "QUEUE ID", "OCTETS", "STATE", "ENVELOPE");
}

static void
print_person (const HfViewEntry *entry)
{
  const HfItem *item = entry->item;
  const HfFacts *facts = &item->facts;
  gchar at[25] = "";

  if (!item->has_facts)
    {
      printf ("%-24s  %-26s  %-14s  %9" G_GUINT64_FORMAT "  %-11s  %s at offset %" G_GUINT64_FORMAT ": %s\n", "?", "?", "?",
              item->length, hf_copy_text (entry->copy), entry->path, item->offset,
              entry->unreadable != NULL ? entry->unreadable->message : item->fault);
      return;
    }
  hf_time_format (facts->at_ms, at);
  printf ("%-24s  %-26s  ", at, facts->id.text);
  print_safe (facts->queue != NULL ? facts->queue : "-");
  printf ("%*s  %9" G_GUINT64_FORMAT "  %-11s  <", (int) MAX (0, 14 - (int) strlen (facts->queue != NULL ? facts->queue : "-")),
          "", facts->bytes, entry->copy == HF_COPY_WHOLE ? state_text (entry) : hf_copy_text (entry->copy));
  print_safe (item->sender.address != NULL ? item->sender.address : "?");
  fputs ("> ->", stdout);
  for (guint i = 0; i < item->recipients->len && i < 3; i++)
    {
      fputs (" <", stdout);
      print_safe (g_array_index (item->recipients, HfPath, i).address);
      fputc ('>', stdout);
    }
  if (item->recipients->len > 3)
    printf (" and %u more", item->recipients->len - 3);
  if (entry->copy != HF_COPY_WHOLE)
    printf (" (%s)", item->fault);
  fputc ('\n', stdout);
}

/* ---- the verb ---- */

static gboolean
is_wanted (List *self, HfView *view, const HfViewEntry *entry)
{
  const gchar *id = entry->item->facts.id.text;

  if (self->copy != NULL && strcmp (self->copy, hf_copy_text (entry->copy)) != 0)
    return FALSE;
  if (entry->copy == HF_COPY_WHOLE && !g_hash_table_add (self->seen, g_strdup (id)))
    return FALSE;
  return hf_select_matches (&self->select, view, entry);
}

static gboolean
list_all (List *self, HfView *view, GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, error) && !end)
    {
      if (!is_wanted (self, view, &entry))
        continue;
      if (!self->json && self->listed == 0)
        print_head ();
      self->listed++;
      if (!self->json)
        print_person (&entry);
      else if (!print_json (&entry, error))
        return FALSE;
    }
  return end;
}

static int
run (List *self, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfView) view = NULL;
  int code = HF_EXIT_FINE;

  view = hf_select_open (config_path, "list", HF_READ_RECIPIENTS, &code);
  if (view == NULL)
    return code;
  self->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!list_all (self, view, &error) || fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast list: %s\n", error != NULL ? error->message : "cannot write to standard output");
      code = HF_EXIT_BLIND;
    }
  g_hash_table_unref (self->seen);
  return code;
}

static gboolean
copy_is_known (const gchar *copy, GError **error)
{
  return copy == NULL || strcmp (copy, "whole") == 0 || strcmp (copy, "torn") == 0 || strcmp (copy, "damaged") == 0
         || hf_error_set (error, HF_ERROR_CONFIG, "usage", "--copy: '%s' must be whole, torn or damaged", copy);
}

int
hf_verb_list (int argc, char **argv, const gchar *config_path)
{
  List self = { { NULL } };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "One JSON object a line", NULL },
    { "copy", 0, 0, G_OPTION_ARG_STRING, &self.copy, "Only copies that are whole, torn or damaged", "WHAT" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[ID…] - list the messages of the journal");
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_USAGE;

  g_option_context_add_main_entries (context, entries, NULL);
  hf_select_add_options (&self.select, context);
  if (g_option_context_parse (context, &argc, &argv, &error) && hf_select_prepare (&self.select, argv + 1, &error)
      && copy_is_known (self.copy, &error))
    code = run (&self, config_path);
  else
    fprintf (stderr, "holdfast list: %s\n", error->message);
  hf_select_clear (&self.select);
  g_free (self.copy);
  return code;
}
