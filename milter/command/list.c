/* list.c - holdfast list: the messages of the journal, oldest first
 *
 * States are those of state.h.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/json.h"
#include "milter/command/list-unjournaled.h"
#include "milter/command/row.h"
#include "milter/command/select.h"
#include "milter/command/state.h"
#include "milter/command/verbs.h"
#include "milter/journal/statement.h"

#include <stdio.h>
#include <string.h>

typedef struct
{
  HfSelect select;
  gboolean json;
  gboolean unjournaled;
  gchar *copy;
  HfStates *states;
  GHashTable *known;   /* ids of all copies, in whatever form */
  GHashTable *missing; /* ids of messages that only the books know */
  GHashTable *seen;    /* ids of whole copies: two copies of one id are one message */
  guint64 listed;
  gboolean blind;      /* a segment could not be read */
} List;

/* ---- JSON ---- */

/* What the recipient was called before somebody on the message's way wrote it anew, as
 * ORCPT says (RFC 3461, section 4.2); NULL where it does not.  The log has no part in
 * it: its orig_to is the recipient that the journal has. */
static gchar *
original_address (const HfPath *path)
{
  static const gchar xtext[] = "ORCPT=rfc822;", utf8[] = "ORCPT=utf-8;";
  g_auto (GStrv) words = g_strsplit (path->params != NULL ? path->params : "", " ", -1);
  g_autoptr (GString) address = g_string_new (NULL);

  for (gchar **word = words; *word != NULL; word++)
    {
      if (g_ascii_strncasecmp (*word, utf8, strlen (utf8)) == 0)
        return g_strdup (*word + strlen (utf8));
      if (g_ascii_strncasecmp (*word, xtext, strlen (xtext)) == 0
          && hf_xtext_decode (address, *word + strlen (xtext), strlen (*word + strlen (xtext)))
          && strlen (address->str) == address->len)
        return g_strdup (address->str);
    }
  return NULL;
}

static void
print_recipient (HfJson *json, const HfPath *path, const HfViewEntry *entry, const HfStates *states)
{
  g_autofree gchar *original = original_address (path);
  HfState state;

  hf_state_of (states, entry, path->address, &state);
  hf_json_begin_object (json, NULL);
  hf_json_string (json, "address", path->address);
  hf_json_string (json, "orig_address", original);
  hf_json_string (json, "state", state.state);
  hf_json_string (json, "outcome", state.outcome);
  hf_json_string (json, "detail", state.detail);
  hf_json_end_object (json);
}

static gboolean
print_json (const HfViewEntry *entry, const HfStates *states, GError **error)
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
    print_recipient (&json, &g_array_index (item->recipients, HfPath, i), entry, states);
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
print (List *self, const HfViewEntry *entry, GError **error)
{
  if (!self->json && self->listed == 0)
    hf_row_print_head ();
  self->listed++;
  if (self->json)
    return print_json (entry, self->states, error);
  hf_row_print (entry, hf_state_word (self->states, entry));
  return TRUE;
}

/* A message that only the books know: its copy is gone. */
static gboolean
print_missing (const HfViewEntry *entry, gpointer data, GError **error)
{
  List *self = data;

  g_hash_table_add (self->missing, g_strdup (entry->item->facts.id.text));
  if ((self->copy != NULL && strcmp (self->copy, "damaged") != 0) || !hf_select_matches (&self->select, NULL, entry))
    return TRUE;
  return print (self, entry, error);
}

static gboolean
list_all (List *self, HfView *view, GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, error) && !end)
    {
      self->blind |= entry.unreadable != NULL;
      if (entry.item->has_facts)
        g_hash_table_add (self->known, g_strdup (entry.item->facts.id.text));
      if (is_wanted (self, view, &entry) && !print (self, &entry, error))
        return FALSE;
    }
  return end && (self->states->fates == NULL
                 || hf_fates_each_missing (self->states->fates, view, self->known, print_missing, self, error));
}

/* Tells which ids are not there.  FALSE: there is one. */
static gboolean
all_found (const List *self)
{
  gboolean all = TRUE;

  for (gchar **id = self->select.ids; *id != NULL; id++)
    if (!g_hash_table_contains (self->known, *id) && !g_hash_table_contains (self->missing, *id))
      {
        fprintf (stderr, "holdfast list: no message with id '%s' is in %s\n", *id,
                 self->blind ? "what can be read of the journal" : "the journal");
        all = FALSE;
      }
  return all;
}

static int
run (List *self, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_FINE;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "list", &code);
  g_autoptr (HfView) view = config != NULL ? hf_select_view (config, "list", HF_READ_RECIPIENTS, &code) : NULL;
  g_autoptr (HfStates) states = view != NULL ? hf_state_load (config, "list", &code) : NULL;

  if (states == NULL)
    return code;
  self->states = states;
  if (self->unjournaled)
    return hf_list_unjournaled (states->fates, self->json);
  self->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->missing = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!list_all (self, view, &error) || fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast list: %s\n", error != NULL ? error->message : "cannot write to standard output");
      code = HF_EXIT_BLIND;
    }
  else if (!all_found (self))
    code = HF_EXIT_WRONG;
  if (self->blind)
    {
      fputs ("holdfast list: a segment could not be read to its end; there may be more messages\n", stderr);
      code = HF_EXIT_BLIND;
    }
  g_hash_table_unref (self->seen);
  g_hash_table_unref (self->known);
  g_hash_table_unref (self->missing);
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
    { "unjournaled", 0, 0, G_OPTION_ARG_NONE, &self.unjournaled, "Messages of the MTA's log that the journal does not have", NULL },
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
