/* verify.c - holdfast verify: every record, by the rules of doc/FORMAT
 *
 * Exit 0 only when all records are whole and each follows from the one before
 * it, or from where the notes of trimming say that the chain stood.  The torn
 * tail of a segment that was open at a crash is told, and is not wrong; nor is
 * a missing segment of which an operator settled all that the books know.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/json.h"
#include "milter/command/select.h"
#include "milter/command/state.h"
#include "milter/command/terminal.h"
#include "milter/command/verbs.h"

#include <stdio.h>

typedef struct
{
  gboolean json;
  guint64 whole;
  guint64 torn;
  guint64 damaged;
  guint64 breaks;
  guint64 unread; /* segments that could not be read to their end */
  guint64 octets;
  guint64 missing; /* segments */
  guint64 trimmed; /* likewise */
  GArray *settled; /* of guint64: segments that are missing, too, but of which an act says that this is known */
  guint64 seq;     /* of the entry before */
} Verify;

static gboolean
tell_json (const HfViewEntry *entry, const gchar *fault, GError **error)
{
  const HfItem *item = entry->item;
  const gboolean known = item->has_facts;
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_string (&json, "id", known ? item->facts.id.text : NULL);
  hf_json_string (&json, "queue_id", known ? item->facts.queue : NULL);
  hf_json_string (&json, "copy", entry->unreadable == NULL ? hf_copy_text (entry->copy) : NULL);
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
is_settled (const Verify *self, guint64 seq)
{
  for (guint i = 0; i < self->settled->len; i++)
    if (g_array_index (self->settled, guint64, i) == seq)
      return TRUE;
  return FALSE;
}

/* Where a segment is missing, acts and books say whether that is known.  Without them it counts as wrong. */
static void
find_settled (Verify *self, const HfView *view, const HfConfig *config)
{
  const GArray *missing = hf_view_missing (view);
  int code;
  g_autoptr (HfStates) states = missing->len > 0 ? hf_state_load (config, "verify", &code) : NULL;

  for (guint i = 0; states != NULL && states->fates != NULL && i < missing->len; i++)
    if (hf_fates_is_settled (states->fates, states->acts, g_array_index (missing, guint64, i)))
      g_array_append_val (self->settled, g_array_index (missing, guint64, i));
}

/* The first record of a segment can't follow from the one before that, where that is missing. */
static gboolean
is_explained (const Verify *self, const HfView *view, const HfViewEntry *entry)
{
  HfViewSegment segment;

  for (guint i = 0; self->seq != entry->seq && i < hf_view_segments (view); i++)
    {
      hf_view_segment (view, i, &segment);
      if (segment.seq == entry->seq)
        return is_settled (self, segment.previous_seq);
    }
  return FALSE;
}

static gboolean
check (Verify *self, const HfView *view, const HfViewEntry *entry, GError **error)
{
  const gchar *fault = entry->item->fault;

  /* Not being able to look is another thing than having seen that all is well, or not. */
  if (entry->unreadable != NULL)
    {
      self->unread++;
      return tell (self, entry, "not read", entry->unreadable->message, error);
    }
  if (entry->chain_broken && !is_explained (self, view, entry))
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

static gboolean
tell_missing_json (const gchar *name, const gchar *fault, GError **error)
{
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_null (&json, "id");
  hf_json_null (&json, "queue_id");
  hf_json_null (&json, "copy");
  hf_json_string (&json, "segment", name);
  hf_json_null (&json, "offset");
  hf_json_null (&json, "length");
  hf_json_string (&json, "fault", fault);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static gboolean
tell_missing (const Verify *self, guint64 seq, GError **error)
{
  const gchar *fault = is_settled (self, seq) ? "an operator settled all that the books know of it"
                                              : "it was there, and no note says that it was trimmed";
  HfSegmentName name;

  hf_segment_name (seq, &name);
  if (self->json)
    return tell_missing_json (name.text, fault, error);
  printf ("missing: segment %s: %s\n", name.text, fault);
  return TRUE;
}

/* Segments that are not there, and the notes of those that were trimmed. */
static gboolean
check_gone (Verify *self, const HfView *view, GError **error)
{
  const HfTrimmed *trimmed = hf_view_trimmed (view);
  const GArray *missing = hf_view_missing (view);

  self->trimmed = trimmed->notes->len;
  self->missing = missing->len - self->settled->len;
  for (guint i = 0; i < missing->len; i++)
    if (!tell_missing (self, g_array_index (missing, guint64, i), error))
      return FALSE;
  if (trimmed->breaks > 0)
    fprintf (stderr, "holdfast verify: %" G_GUINT64_FORMAT " notes of trimming do not follow from the ones before them\n",
             trimmed->breaks);
  self->breaks += trimmed->breaks;
  return TRUE;
}

static gboolean
check_all (Verify *self, HfView *view, GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, error) && !end)
    {
      if (!check (self, view, &entry, error))
        return FALSE;
      self->seq = entry.seq;
      hf_terminal_progress (view);
    }
  hf_terminal_progress_end ();
  return end;
}

static gboolean
print_summary_json (const Verify *self, const HfView *view, GError **error)
{
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_begin_object (&json, "summary");
  hf_json_uint (&json, "segments", hf_view_segments (view));
  hf_json_uint (&json, "whole", self->whole);
  hf_json_uint (&json, "torn", self->torn);
  hf_json_uint (&json, "damaged", self->damaged);
  hf_json_uint (&json, "chain_breaks", self->breaks);
  hf_json_uint (&json, "unread_segments", self->unread);
  hf_json_uint (&json, "octets", self->octets);
  hf_json_uint (&json, "missing_segments", self->missing);
  hf_json_uint (&json, "missing_settled_segments", self->settled->len);
  hf_json_uint (&json, "trimmed_segments", self->trimmed);
  hf_json_end_object (&json);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

static gboolean
print_summary (const Verify *self, const HfView *view, GError **error)
{
  if (self->json)
    return print_summary_json (self, view, error);
  printf ("%u segments, %" G_GUINT64_FORMAT " records whole (%" G_GUINT64_FORMAT " octets of mail), %" G_GUINT64_FORMAT
          " torn, %" G_GUINT64_FORMAT " damaged, %" G_GUINT64_FORMAT " breaks of the chain, %" G_GUINT64_FORMAT
          " segments not read, %" G_GUINT64_FORMAT " missing, %" G_GUINT64_FORMAT " trimmed\n",
          hf_view_segments (view), self->whole, self->octets, self->torn, self->damaged, self->breaks, self->unread,
          self->missing, self->trimmed);
  return TRUE;
}

static int
run (Verify *self, const gchar *config_path)
{
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_FINE;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "verify", &code);
  g_autoptr (HfView) view = config != NULL ? hf_select_view (config, "verify", HF_READ_VERIFY, &code) : NULL;

  if (view == NULL)
    return code;
  find_settled (self, view, config);
  if (!check_all (self, view, &error) || !check_gone (self, view, &error) || !print_summary (self, view, &error) || fflush (stdout) != 0)
    {
      fprintf (stderr, "holdfast verify: %s\n", error != NULL ? error->message : "cannot write to standard output");
      return HF_EXIT_BLIND;
    }
  if (self->damaged + self->breaks + self->missing > 0)
    return HF_EXIT_WRONG;
  return self->unread > 0 ? HF_EXIT_BLIND : HF_EXIT_FINE;
}

int
hf_verb_verify (int argc, char **argv, const gchar *config_path)
{
  g_autoptr (GArray) settled = g_array_new (FALSE, FALSE, sizeof (guint64));
  Verify self = { .settled = settled };
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
