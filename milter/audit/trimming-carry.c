/* trimming-carry.c - mail that is not settled, carried forward; see trimming-private.h
 *
 * The segments are read once more, and each message is written as it is read;
 * its digest is checked again when the new segment is read back.  All of it is
 * on stable storage, and the books know where it stands, before anything goes.
 */
#include <config.h>

#include "milter/audit/trimming-private.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/carried.h"

#include <string.h>

typedef struct
{
  HfTrimming *trimming;
  GHashTable *carry;  /* ids to the numbers of their segments */
  HfCarried *carried;
  GArray *fates;      /* of HfCarriedFate */
} Carrying;

/* Segments that go, and of which something is to be carried: of guint64. */
static GArray *
list_sources (const GArray *plan, GHashTable *carry)
{
  GArray *sources = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (guint i = 0; i < plan->len; i++)
    {
      const HfTrimSegment *segment = &g_array_index (plan, HfTrimSegment, i);
      GHashTableIter iter;
      gpointer seq;

      if (segment->verdict != HF_TRIM_GOES)
        continue;
      g_hash_table_iter_init (&iter, carry);
      while (g_hash_table_iter_next (&iter, NULL, &seq))
        if (*(const guint64 *) seq == segment->note.seq)
          {
            g_array_append_val (sources, segment->note.seq);
            break;
          }
    }
  return sources;
}

static guint
count_expected (const GArray *sources, GHashTable *carry)
{
  GHashTableIter iter;
  gpointer seq;
  guint count = 0;

  g_hash_table_iter_init (&iter, carry);
  while (g_hash_table_iter_next (&iter, NULL, &seq))
    for (guint i = 0; i < sources->len; i++)
      count += g_array_index (sources, guint64, i) == *(const guint64 *) seq;
  return count;
}

/* What the recipients came to. */
static gboolean
load_fates (Carrying *self, const HfViewEntry *entry, GError **error)
{
  HfStandingCopy copy;
  const GArray *fates;

  g_array_set_size (self->fates, 0);
  if (!hf_standing_find (self->trimming->standing, entry->item->facts.id.text, &copy, error))
    return FALSE;
  fates = hf_standing_fates (self->trimming->standing, copy.n, error);
  if (fates == NULL)
    return FALSE;
  if (fates->len != entry->item->recipients->len)
    return hf_error_set (error, HF_ERROR_CORRUPT, "carry-read", "message %s has other recipients than the books say",
                         entry->item->facts.id.text);
  for (guint i = 0; i < fates->len; i++)
    {
      const HfStandingFate *fate = &g_array_index (fates, HfStandingFate, i);
      const gboolean is_over = fate->is_settled || fate->is_void;
      const HfCarriedFate one = { is_over ? fate->state : NULL, fate->outcome, fate->since_ms };

      g_array_append_val (self->fates, one);
    }
  return TRUE;
}

static gboolean
is_wanted (const Carrying *self, const HfViewEntry *entry)
{
  const guint64 *seq = entry->copy == HF_COPY_WHOLE ? g_hash_table_lookup (self->carry, entry->item->facts.id.text) : NULL;

  return seq != NULL && *seq == entry->seq;
}

static gboolean
copy_messages (Carrying *self, const GArray *sources, GError **error)
{
  g_autoptr (HfView) view = hf_view_open_some (self->trimming->settings.spool, HF_READ_RECIPIENTS, sources, error);
  gboolean end = FALSE;
  HfViewEntry entry;

  if (view == NULL)
    return FALSE;
  while (hf_view_next (view, &entry, &end, error) && !end)
    if (is_wanted (self, &entry)
        && (!load_fates (self, &entry, error) || !hf_carried_add (self->carried, view, &entry, self->fates, error)))
      return FALSE;
  return end;
}

static gboolean
write_all (Carrying *self, const GArray *sources, guint64 *out_seq, GError **error)
{
  guint64 least;

  if (!hf_standing_unused (self->trimming->standing, &least, error))
    return FALSE;
  self->carried = hf_carried_new (self->trimming->settings.spool, self->trimming->settings.instance, least, error);
  if (self->carried == NULL || !copy_messages (self, sources, error))
    return FALSE;
  if (hf_carried_records (self->carried)->len != count_expected (sources, self->carry))
    return hf_error_set (error, HF_ERROR_CORRUPT, "carry-read", "a message reads differently now than a moment ago");
  return hf_carried_finish (self->carried, out_seq, error);
}

void
hf_trimming_tell_carried (HfDaybook *daybook, guint64 seq, const HfCarriedRecord *record)
{
  HfStatementBuilder *builder = hf_daybook_begin (daybook, "carried");

  hf_statement_add (builder, "id", record->id.text, -1);
  hf_statement_add_number (builder, "segment", seq);
  hf_statement_add_number (builder, "offset", record->offset);
  hf_statement_add_number (builder, "length", record->length);
  hf_trimming_add_time (builder, "at", hf_sys_wall_ms ());
  hf_statement_end (builder);
}

static void
tell_books (Carrying *self, guint64 seq)
{
  const GArray *records = hf_carried_records (self->carried);

  for (guint i = 0; i < records->len; i++)
    hf_trimming_tell_carried (self->trimming->daybook, seq, &g_array_index (records, HfCarriedRecord, i));
}

static void
tell_event (const Carrying *self, const GArray *sources, guint64 seq)
{
  g_autofree gchar *messages = g_strdup_printf ("%u", hf_carried_records (self->carried)->len);
  g_autofree gchar *from = g_strdup_printf ("%u", sources->len);
  HfSegmentName name;

  hf_segment_name (seq, &name);
  hf_event (HF_EVENT_MAIL_CARRIED, NULL, "messages", messages, "segments", from, "to", name.text, NULL);
}

gboolean
hf_trimming_carry (HfTrimming *self, const GArray *plan, GHashTable *carry, gboolean *out_done, GError **error)
{
  g_autoptr (GArray) sources = list_sources (plan, carry);
  g_autoptr (GArray) fates = g_array_new (FALSE, FALSE, sizeof (HfCarriedFate));
  Carrying carrying = { .trimming = self, .carry = carry, .fates = fates };
  g_autoptr (GError) failed = NULL;
  gboolean ok = TRUE;
  guint64 seq = 0;

  *out_done = TRUE;
  if (sources->len == 0)
    return TRUE;
  if (write_all (&carrying, sources, &seq, &failed))
    {
      self->carry_failed = FALSE;
      self->removals++;
      tell_books (&carrying, seq);
      ok = hf_trimming_commit (self, error);
      if (ok)
        tell_event (&carrying, sources, seq);
    }
  else
    {
      *out_done = FALSE;
      if (!g_error_matches (failed, HF_ERROR, HF_ERROR_BUSY))
        hf_trimming_tell_failure (&self->carry_failed, HF_EVENT_CARRY_FAILED, failed);
    }
  hf_carried_free (carrying.carried);
  return ok;
}
