/* presence.c - which segments are there, and which went unasked; see presence.h */
#include <config.h>

#include "milter/audit/presence.h"

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/journal/trimmed.h"

#define LOOK_EVERY_MS 5000

void
hf_presence_init (HfPresence *self, const gchar *spool, HfLedger *ledger)
{
  *self = (HfPresence){ .spool = spool, .ledger = ledger };
}

void
hf_presence_clear (HfPresence *self)
{
  g_clear_pointer (&self->present, g_array_unref);
}

static gint
compare_seq (gconstpointer a, gconstpointer b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x < y ? -1 : x > y;
}

/* Segments that a note of trimming explains. */
static GArray *
list_trimmed (const gchar *dir_path)
{
  GArray *seqs = g_array_new (FALSE, FALSE, sizeof (guint64));
  HfTrimmed trimmed;

  if (hf_trimmed_load (dir_path, &trimmed, NULL))
    for (guint i = 0; i < trimmed.notes->len; i++)
      g_array_append_val (seqs, g_array_index (trimmed.notes, HfTrimNote, i).seq);
  hf_trimmed_clear (&trimmed);
  g_array_sort (seqs, compare_seq);
  return seqs;
}

/* Of the journal and carried/, whose numbers are greater.  NULL: nobody can say. */
static GArray *
list_present (const gchar *spool, const gchar *dir_path)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (GArray) present = hf_directory_list (dir_path, &failed);
  g_autoptr (GArray) carried = hf_carried_list (spool, NULL);

  if (carried == NULL || (present == NULL && !g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND)))
    return NULL;
  if (present == NULL)
    present = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_array_append_vals (present, carried->data, carried->len);
  return g_steal_pointer (&present);
}

static void
tell_gone (guint64 messages)
{
  g_autofree gchar *number = g_strdup_printf ("%" G_GUINT64_FORMAT, messages);

  if (messages > 0)
    hf_event (HF_EVENT_COPY_GONE, NULL, "messages", number, NULL);
}

static void
keep (HfPresence *self, GArray *present)
{
  hf_presence_clear (self);
  self->present = g_array_ref (present);
  self->next_ms = hf_sys_monotonic_ms () + LOOK_EVERY_MS;
}

gboolean
hf_presence_check (HfPresence *self, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (self->spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (GArray) present = list_present (self->spool, dir_path);
  g_autoptr (GArray) trimmed = NULL;
  guint64 missing = 0;

  if (present == NULL)
    return TRUE;
  keep (self, present);
  trimmed = list_trimmed (dir_path);
  if (!hf_ledger_check_segments (self->ledger, present, trimmed, &missing, error) || !hf_ledger_commit (self->ledger, error))
    return FALSE;
  tell_gone (missing);
  return TRUE;
}

/* Those of @before that are not in @now; both ascend. */
static GArray *
list_left (const GArray *before, const GArray *now)
{
  GArray *left = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (guint i = 0, j = 0; i < before->len; i++)
    {
      const guint64 seq = g_array_index (before, guint64, i);

      while (j < now->len && g_array_index (now, guint64, j) < seq)
        j++;
      if (j == now->len || g_array_index (now, guint64, j) != seq)
        g_array_append_val (left, seq);
    }
  return left;
}

gboolean
hf_presence_watch (HfPresence *self, GError **error)
{
  g_autofree gchar *dir_path = NULL;
  g_autoptr (GArray) present = NULL, left = NULL, trimmed = NULL;
  guint64 missing = 0;

  if (hf_sys_monotonic_ms () < self->next_ms)
    return TRUE;
  if (self->present == NULL)
    return hf_presence_check (self, error);
  dir_path = g_build_filename (self->spool, HF_JOURNAL_DIRECTORY, NULL);
  present = list_present (self->spool, dir_path);
  if (present == NULL)
    return TRUE;
  left = list_left (self->present, present);
  keep (self, present);
  if (left->len == 0)
    return TRUE;
  trimmed = list_trimmed (dir_path); /* a note is there before its segment goes */
  if (!hf_ledger_check_left (self->ledger, left, trimmed, &missing, error) || !hf_ledger_commit (self->ledger, error))
    return FALSE;
  tell_gone (missing);
  return TRUE;
}
