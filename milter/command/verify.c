/* verify.c - holdfast verify: every record, by the rules of doc/FORMAT
 *
 * Exit 0 only when all records are whole and each follows from the one before
 * it.  The torn tail of a segment that was open at a crash is told, and is not
 * wrong.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/json.h"
#include "milter/command/select.h"
#include "milter/command/verbs.h"

#include <stdio.h>
#include <unistd.h>

typedef struct
{
  gboolean json;
  gboolean progress;
  guint64 whole;
  guint64 torn;
  guint64 damaged;
  guint64 breaks;
  guint64 octets;
} Verify;

static gboolean
tell_json (const HfViewEntry *entry, const gchar *fault, GError **error)
{
  const HfItem *item = entry->item;
  const gboolean known = item->has_facts;
  g_auto (HfJson) json;

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_string (&json, "id", known ? item->facts.id.text : NULL);
  hf_json_string (&json, "queue_id", known ? item->facts.queue : NULL);
  hf_json_string (&json, "copy", hf_copy_text (entry->copy));
  hf_json_string (&json, "segment", entry->name);
  hf_json_uint (&json, "offset", item->offset);
  hf_json_uint (&json, "length", item->length);
  hf_json_string (&json, "fault", fault);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static gboolean
tell (const Verify *self, const HfViewEntry *entry, const gchar *what, const gchar *fault, GError **error)
{
  const HfItem *item = entry->item;

  if (self->json)
    return tell_json (entry, fault, error);
  printf ("%s: %s at offset %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " octets, id %s: %s\n", what, entry->path, item->offset,
          item->length, item->has_facts ? item->facts.id.text : "not readable", fault);
  return TRUE;
}

static gboolean
check (Verify *self, const HfViewEntry *entry, GError **error)
{
  const gchar *fault = entry->unreadable != NULL ? entry->unreadable->message : entry->item->fault;

  if (entry->chain_broken)
    {
      self->breaks++;
      if (!tell (self, entry, "chain broken", "does not follow from the record before it: records are missing", error))
        return FALSE;
    }
  switch (entry->copy)
    {
    case HF_COPY_WHOLE:
      self->whole++;
      self->octets += entry->item->facts.bytes;
      return TRUE;
    case HF_COPY_TORN:
      self->torn++;
      return tell (self, entry, "torn", fault, error);
    default:
      self->damaged++;
      return tell (self, entry, "damaged", fault, error);
    }
}

static void
show_progress (const Verify *self, const HfView *view)
{
  if (self->progress && (self->whole + self->damaged) % 1000 == 0)
    fprintf (stderr, "\rsegment %u of %u, %" G_GUINT64_FORMAT " records\033[K", hf_view_done (view), hf_view_segments (view),
             self->whole);
}

static gboolean
check_all (Verify *self, HfView *view, GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, error) && !end)
    {
      if (!check (self, &entry, error))
        return FALSE;
      show_progress (self, view);
    }
  if (self->progress)
    fputs ("\r\033[K", stderr);
  return end;
}

static gboolean
print_summary (const Verify *self, const HfView *view, GError **error)
{
  g_auto (HfJson) json = { 0 };

  if (!self->json)
    {
      printf ("%u segments, %" G_GUINT64_FORMAT " records whole (%" G_GUINT64_FORMAT " octets of mail), %" G_GUINT64_FORMAT
              " torn, %" G_GUINT64_FORMAT " damaged, %" G_GUINT64_FORMAT " breaks of the chain\n",
              hf_view_segments (view), self->whole, self->octets, self->torn, self->damaged, self->breaks);
      return TRUE;
    }
  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_begin_object (&json, "summary");
  hf_json_uint (&json, "segments", hf_view_segments (view));
  hf_json_uint (&json, "whole", self->whole);
  hf_json_uint (&json, "torn", self->torn);
  hf_json_uint (&json, "damaged", self->damaged);
  hf_json_uint (&json, "chain_breaks", self->breaks);
  hf_json_uint (&json, "octets", self->octets);
  hf_json_end_object (&json);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static int
run (Verify *self, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfView) view = NULL;
  int code = HF_EXIT_FINE;

  view = hf_select_open (config_path, "verify", HF_READ_VERIFY, &code);
  if (view == NULL)
    return code;
  self->progress = isatty (STDERR_FILENO);
  if (!check_all (self, view, &error) || !print_summary (self, view, &error) || fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast verify: %s\n", error != NULL ? error->message : "cannot write to standard output");
      return HF_EXIT_BLIND;
    }
  return self->damaged + self->breaks > 0 ? HF_EXIT_WRONG : HF_EXIT_FINE;
}

int
hf_verb_verify (int argc, char **argv, const gchar *config_path)
{
  Verify self = { FALSE };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "One JSON object a line, and one for the summary", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- check every record of the journal");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, &argc, &argv, &error) && argc == 1)
    return run (&self, config_path);
  fprintf (stderr, "holdfast verify: %s\n", error != NULL ? error->message : "unexpected argument");
  return HF_EXIT_USAGE;
}
