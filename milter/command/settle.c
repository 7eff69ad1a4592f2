/* settle.c - holdfast settle: an operator declares the fate of messages known
 *
 * Shows what it is about to declare, asks, and leaves one act (acts.h) that
 * names who and why.  The journal is not touched; but what is settled may be
 * trimmed.  Void messages have nothing to settle and are passed over.  Of
 * messages whose copy is gone only the books know; they are settled like a copy
 * that is damaged, by their place too, or they would be missing for good.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/command/json.h"
#include "milter/command/row.h"
#include "milter/command/select.h"
#include "milter/command/state.h"
#include "milter/command/terminal.h"
#include "milter/command/text.h"
#include "milter/command/verbs.h"
#include "milter/journal/act.h"

#include <stdio.h>
#include <string.h>

/* SEGMENT:OFFSET, for what has no readable id. */
typedef struct
{
  guint64 seq;
  guint64 offset;
  const gchar *text;
  gboolean found;
} Place;

typedef struct
{
  HfSelect select;
  gchar *reason;
  gboolean yes;
  gboolean dry_run;
  gboolean json;
  GPtrArray *ids;    /* of the arguments that are ids, borrowed; ends in NULL */
  GArray *places;    /* of Place: the other arguments */
  GHashTable *found; /* ids that match */
  GHashTable *known; /* ids of all copies, in whatever form */
  GHashTable *taken; /* ids that the act names */
  HfStates *states;
  HfView *view;
  HfActDraft draft;
  guint64 messages;
  guint64 recipients;
  guint64 breaches;  /* places that hold no whole record */
  gboolean blind;    /* a segment could not be read */
} Settle;

/* ---- arguments ---- */

/* "0000000042.bsmtp:4096" */
static gboolean
parse_place (const gchar *text, Place *out_place)
{
  const gchar *colon = strrchr (text, ':');
  g_autofree gchar *name = colon != NULL ? g_strndup (text, (gsize) (colon - text)) : NULL;

  *out_place = (Place) { 0, 0, text, FALSE };
  return name != NULL && (hf_segment_seq (name, &out_place->seq) || hf_carried_seq (name, &out_place->seq))
         && g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT64, &out_place->offset, NULL);
}

static gboolean
take_arguments (Settle *self, gchar **arguments, GError **error)
{
  for (; *arguments != NULL; arguments++)
    {
      Place place;

      if (parse_place (*arguments, &place))
        g_array_append_val (self->places, place);
      else
        g_ptr_array_add (self->ids, *arguments);
    }
  g_ptr_array_add (self->ids, NULL);
  if (!hf_select_prepare (&self->select, (gchar **) self->ids->pdata, error))
    return FALSE;
  if (hf_select_is_empty (&self->select) && self->places->len == 0)
    return hf_error_set (error, HF_ERROR_CONFIG, "usage",
                         "say which messages: ids, or filters; --until TIME alone means all that came before");
  if (self->reason == NULL || *self->reason == '\0')
    return hf_error_set (error, HF_ERROR_CONFIG, "usage", "--reason is missing: the books keep why, and who");
  return TRUE;
}

/* ---- what is to be settled ---- */

static gboolean
print_json (const HfViewEntry *entry, const GPtrArray *addresses, GError **error)
{
  const HfItem *item = entry->item;
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_string (&json, "id", item->has_facts ? item->facts.id.text : NULL);
  hf_json_string (&json, "sender", item->has_facts ? item->sender.address : NULL);
  hf_json_begin_array (&json, "recipients");
  for (guint i = 0; i < addresses->len; i++)
    {
      hf_json_begin_object (&json, NULL);
      hf_json_string (&json, "address", g_ptr_array_index (addresses, i));
      hf_json_end_object (&json);
    }
  hf_json_end_array (&json);
  hf_json_string (&json, "copy", hf_copy_text (entry->copy));
  hf_json_string (&json, "segment", entry->name);
  hf_json_uint (&json, "offset", item->offset);
  hf_json_uint (&json, "length", item->length);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static gboolean
show (Settle *self, const HfViewEntry *entry, const GPtrArray *addresses, GError **error)
{
  if (self->json)
    return print_json (entry, addresses, error);
  if (self->messages + self->breaches == 1)
    hf_row_print_head ();
  hf_row_print (entry, hf_state_word (self->states, entry));
  for (guint i = 0; i < addresses->len && addresses->len < entry->item->recipients->len; i++)
    {
      g_autofree gchar *safe = hf_text_safe (g_ptr_array_index (addresses, i));

      printf ("    of these only <%s>\n", safe);
    }
  return TRUE;
}

/* Recipients that are asked for and have no fate yet; borrowed from the entry. */
static GPtrArray *
unsettled (const Settle *self, const HfViewEntry *entry)
{
  GPtrArray *addresses = g_ptr_array_new ();

  for (guint i = 0; i < entry->item->recipients->len; i++)
    {
      gchar *address = g_array_index (entry->item->recipients, HfPath, i).address;
      HfState state;

      hf_state_of (self->states, entry, address, &state);
      if (!hf_state_is_final (&state) && hf_select_wants_recipient (&self->select, address))
        g_ptr_array_add (addresses, address);
    }
  return addresses;
}

static gboolean
take_message (Settle *self, const HfViewEntry *entry, GError **error)
{
  const HfItem *item = entry->item;
  g_autoptr (GPtrArray) addresses = unsettled (self, entry);
  const gboolean all = addresses->len == item->recipients->len;

  if (addresses->len == 0 || !g_hash_table_add (self->taken, g_strdup (item->facts.id.text)))
    return TRUE;
  hf_act_add_message (&self->draft, item->facts.id.text, entry->seq, all ? NULL : addresses);
  self->messages++;
  self->recipients += addresses->len;
  return show (self, entry, addresses, error);
}

/* What is not whole is settled by its place: more may be in it than its id tells. */
static gboolean
take_breach (Settle *self, const HfViewEntry *entry, gboolean by_place, GError **error)
{
  const HfItem *item = entry->item;
  g_autoptr (GPtrArray) nobody = g_ptr_array_new ();
  const gboolean name_it = !by_place && item->has_facts;

  if (hf_state_place (self->states, entry) != NULL)
    return TRUE;
  if (name_it && g_hash_table_add (self->taken, g_strdup (item->facts.id.text)))
    hf_act_add_message (&self->draft, item->facts.id.text, entry->seq, NULL);
  hf_act_add_place (&self->draft, entry->seq, item->offset, item->length);
  self->breaches++;
  return show (self, entry, nobody, error);
}

static gboolean
is_placed (Settle *self, const HfViewEntry *entry)
{
  for (guint i = 0; i < self->places->len; i++)
    {
      Place *place = &g_array_index (self->places, Place, i);

      if (place->seq != entry->seq || place->offset != entry->item->offset)
        continue;
      place->found = TRUE;
      return TRUE;
    }
  return FALSE;
}

static gboolean
take_entry (Settle *self, const HfViewEntry *entry, GError **error)
{
  const gboolean placed = is_placed (self, entry);
  const gboolean matches = !hf_select_is_empty (&self->select) && hf_select_matches (&self->select, self->view, entry);

  if (entry->unreadable != NULL)
    {
      self->blind = TRUE;
      fprintf (stderr, "holdfast settle: %s\n", entry->unreadable->message);
      return TRUE;
    }
  if (entry->item->has_facts)
    g_hash_table_add (self->known, g_strdup (entry->item->facts.id.text));
  if (matches)
    g_hash_table_add (self->found, g_strdup (entry->item->facts.id.text));
  if (entry->copy == HF_COPY_WHOLE)
    return !(matches || placed) || take_message (self, entry, error);
  /* Not all recipients of such a copy can be known, so none is chosen from it. */
  return !(placed || (matches && self->select.recipient == NULL)) || take_breach (self, entry, placed, error);
}

/* A message that only the books know: its copy is gone, and they tell all its recipients. */
static gboolean
take_missing (const HfViewEntry *entry, gpointer data, GError **error)
{
  Settle *self = data;
  const gboolean placed = is_placed (self, entry);
  const gboolean matches = !hf_select_is_empty (&self->select) && hf_select_matches (&self->select, NULL, entry);

  /* its copy may well be whole, in what could not be read */
  if (self->blind && hf_view_is_there (self->view, entry->seq))
    return TRUE;
  if (matches)
    g_hash_table_add (self->found, g_strdup (entry->item->facts.id.text));
  if (matches && self->select.recipient != NULL)
    return take_message (self, entry, error);
  return !(matches || placed) || take_breach (self, entry, FALSE, error);
}

static gboolean
take_all (Settle *self, GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (self->view, &entry, &end, error) && !end)
    {
      hf_terminal_progress (self->view);
      if (!take_entry (self, &entry, error))
        return FALSE;
    }
  hf_terminal_progress_end ();
  return end && (self->states->fates == NULL
                 || hf_fates_each_missing (self->states->fates, self->view, self->known, take_missing, self, error));
}

/* Tells what was asked for and is not there.  TRUE when all is. */
static gboolean
all_found (const Settle *self)
{
  gboolean all = TRUE;

  for (guint i = 0; self->ids->pdata[i] != NULL; i++)
    if (!g_hash_table_contains (self->found, self->ids->pdata[i]))
      {
        fprintf (stderr, "holdfast settle: no such message: %s\n", (const gchar *) self->ids->pdata[i]);
        all = FALSE;
      }
  for (guint i = 0; i < self->places->len; i++)
    if (!g_array_index (self->places, Place, i).found)
      {
        fprintf (stderr, "holdfast settle: nothing begins at %s\n", g_array_index (self->places, Place, i).text);
        all = FALSE;
      }
  return all;
}

/* ---- the act ---- */

/* "2 recipients of 1 message, and 1 torn, damaged or missing copy" */
static gchar *
describe (const Settle *self)
{
  g_autofree gchar *recipients = hf_text_count (self->recipients, "recipient", "recipients");
  g_autofree gchar *messages = hf_text_count (self->messages, "message", "messages");
  g_autofree gchar *breaches = hf_text_count (self->breaches, "torn, damaged or missing copy", "torn, damaged or missing copies");

  return g_strdup_printf ("%s of %s%s%s", recipients, messages, self->breaches > 0 ? ", and " : "",
                          self->breaches > 0 ? breaches : "");
}

/* *@out_yes: the operator wants it.  FALSE: it can't be asked. */
static gboolean
ask (const Settle *self, const gchar *what, gboolean *out_yes)
{
  g_autofree gchar *question = g_strdup_printf ("Declare %s settled? The copies may then be removed.", what);
  HfAnswer answer = self->yes ? HF_ANSWER_YES : hf_terminal_ask (question);

  *out_yes = answer == HF_ANSWER_YES;
  if (answer == HF_ANSWER_NOBODY)
    fprintf (stderr, "holdfast settle: there is no terminal to ask on; give --yes, or --dry-run to look only\n");
  return answer != HF_ANSWER_NOBODY;
}

static int
write_act (Settle *self, const HfConfig *config, const gchar *what)
{
  g_autoptr (GError) error = NULL;

  if (!hf_act_write (&self->draft, config->spool_directory, &error))
    {
      fprintf (stderr, "holdfast settle: nothing was settled: %s\n", error->message);
      return HF_EXIT_BLIND;
    }
  fprintf (stderr, "settled %s; act %s\n", what, self->draft.id.text);
  return HF_EXIT_FINE;
}

static int
declare (Settle *self, const HfConfig *config)
{
  g_autofree gchar *what = describe (self);
  gboolean yes;

  if (self->messages + self->breaches == 0)
    {
      fprintf (stderr, "nothing is to be settled\n");
      return HF_EXIT_FINE;
    }
  if (self->dry_run)
    {
      fprintf (stderr, "would settle %s\n", what);
      return HF_EXIT_FINE;
    }
  if (!ask (self, what, &yes))
    return HF_EXIT_USAGE;
  if (yes)
    return write_act (self, config, what);
  fprintf (stderr, "nothing was settled\n");
  return HF_EXIT_FINE;
}

static int
run (Settle *self, const gchar *config_path)
{
  int code = HF_EXIT_FINE;
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "settle", &code);
  g_autoptr (HfView) view = config != NULL ? hf_select_view (config, "settle", HF_READ_RECIPIENTS, &code) : NULL;
  g_autoptr (HfStates) states = view != NULL ? hf_state_load (config, "settle", &code) : NULL;
  int declared;
  gboolean ok;

  if (states == NULL)
    return code;
  self->states = states;
  self->view = view;
  ok = take_all (self, &error);
  self->view = NULL;
  g_clear_pointer (&view, hf_view_free); /* asking must not hold up others */
  if (!ok || fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast settle: nothing was settled: %s\n",
               error != NULL ? error->message : "cannot write to standard output");
      return HF_EXIT_BLIND;
    }
  code = all_found (self) ? HF_EXIT_FINE : HF_EXIT_WRONG;
  if (self->blind)
    {
      fputs ("holdfast settle: a segment could not be read to its end; what is in it is not settled\n", stderr);
      code = HF_EXIT_BLIND;
    }
  declared = declare (self, config);
  return MAX (declared, code);
}

static void
begin (Settle *self)
{
  HfWho who;

  hf_who_init (&who);
  hf_act_begin (&self->draft, "declared", &who, self->reason);
  hf_who_clear (&who);
  self->found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
clear (Settle *self)
{
  hf_act_clear (&self->draft);
  g_clear_pointer (&self->found, g_hash_table_unref);
  g_clear_pointer (&self->known, g_hash_table_unref);
  g_clear_pointer (&self->taken, g_hash_table_unref);
  g_ptr_array_unref (self->ids);
  g_array_unref (self->places);
  hf_select_clear (&self->select);
  g_free (self->reason);
}

int
hf_verb_settle (int argc, char **argv, const gchar *config_path)
{
  Settle self = { { NULL } };
  const GOptionEntry entries[] = {
    { "reason", 0, 0, G_OPTION_ARG_FILENAME, &self.reason, "Why; kept with the declaration", "TEXT" },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &self.yes, "Do not ask", NULL },
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &self.dry_run, "Only show what would be settled", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "One JSON object a line", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context
      = g_option_context_new ("[ID…] [SEGMENT:OFFSET…] - declare the fate of messages known");
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_USAGE;

  self.ids = g_ptr_array_new ();
  self.places = g_array_new (FALSE, FALSE, sizeof (Place));
  g_option_context_add_main_entries (context, entries, NULL);
  hf_select_add_options (&self.select, context);
  if (g_option_context_parse (context, &argc, &argv, &error) && take_arguments (&self, argv + 1, &error))
    {
      begin (&self);
      code = run (&self, config_path);
    }
  else
    fprintf (stderr, "holdfast settle: %s\n", error->message);
  clear (&self);
  return code;
}
