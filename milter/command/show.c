/* show.c - holdfast show ID: the octets that the filter was shown
 *
 * Prints octets only.  A copy that does not verify is not printed as if it
 * were whole: it takes --force, and the exit code is 1.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/select.h"
#include "milter/command/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static gboolean
print_octets (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  if (fwrite (data, 1, size, stdout) == size)
    return TRUE;
  return hf_error_set_errno (error, errno, "show", "cannot write to standard output");
}

static int
print_copy (HfView *view, const HfViewEntry *entry, gboolean force)
{
  g_autoptr (GError) error = NULL;
  const gboolean whole = entry->copy == HF_COPY_WHOLE;

  if (!whole)
    fprintf (stderr, "holdfast show: the copy in '%s' at offset %" G_GUINT64_FORMAT " is %s: %s%s\n", entry->path,
             entry->item->offset, hf_copy_text (entry->copy), entry->item->fault,
             force ? "" : "; --force prints what can be read of it");
  if (!whole && !force)
    return HF_EXIT_WRONG;
  if (!hf_view_copy_message (view, entry, print_octets, NULL, &error))
    {
      fprintf (stderr, "holdfast show: %s\n", error->message);
      return g_error_matches (error, HF_ERROR, HF_ERROR_CORRUPT) ? HF_EXIT_WRONG : HF_EXIT_BLIND;
    }
  if (fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast show: cannot write to standard output: %s\n", g_strerror (errno));
      return HF_EXIT_BLIND;
    }
  return whole ? HF_EXIT_FINE : HF_EXIT_WRONG;
}

/* A whole copy where there is one; else, in a second pass, whatever there is.
 * *@out_blind counts the segments that could not be read to their end. */
static gboolean
find (HfView *view, const gchar *id, gboolean any, HfViewEntry *out_entry, guint *out_blind)
{
  gboolean end = FALSE;

  *out_blind = 0;
  while (hf_view_next (view, out_entry, &end, NULL) && !end)
    if (out_entry->unreadable != NULL)
      {
        (*out_blind)++;
        if (any)
          fprintf (stderr, "holdfast show: %s\n", out_entry->unreadable->message);
      }
    else if (out_entry->item->has_facts && strcmp (out_entry->item->facts.id.text, id) == 0
        && (any || out_entry->copy == HF_COPY_WHOLE))
      return TRUE;
  return FALSE;
}

static int
show (const gchar *id, gboolean force, const gchar *config_path)
{
  int code = HF_EXIT_FINE;
  HfViewEntry entry;
  guint blind = 0;

  for (gint any = 0; any < 2; any++)
    {
      g_autoptr (HfView) view = hf_select_open (config_path, "show", HF_READ_VERIFY, &code);

      if (view == NULL)
        return code;
      if (find (view, id, any != 0, &entry, &blind))
        return print_copy (view, &entry, force);
    }
  fprintf (stderr, "holdfast show: no message with id '%s' is in %s\n", id,
           blind > 0 ? "what can be read of the journal" : "the journal");
  return blind > 0 ? HF_EXIT_BLIND : HF_EXIT_WRONG;
}

int
hf_verb_show (int argc, char **argv, const gchar *config_path)
{
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "Print what can be read of a copy that is torn or damaged", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("ID - print a message as it was received");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    fprintf (stderr, "holdfast show: %s\n", error->message);
  else if (argc != 2)
    fprintf (stderr, "holdfast show: give one id, as holdfast list prints it\n");
  else if (!hf_id_is_valid (argv[1]))
    fprintf (stderr, "holdfast show: '%s' is no id of a message\n", argv[1]);
  else
    return show (argv[1], force, config_path);
  return HF_EXIT_USAGE;
}
