/* recover.c - what a start has to know of the newest segment; see recover.h
 *
 * Only the newest segment is read, so a start takes the same time whatever
 * the journal's size.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/reader.h"
#include "milter/journal/recover.h"

#include <string.h>

gboolean
hf_torn_rule_holds (const HfTornRule *rule, guint64 offset)
{
  /* A group is written only after the one before it was synced. */
  return !rule->has_end && offset >= rule->synced && offset >= rule->last_group;
}

static void
torn_clear (gpointer data)
{
  g_free (((HfTorn *) data)->queue);
}

void
hf_recovery_clear (HfRecovery *self)
{
  g_clear_pointer (&self->torn, g_array_unref);
}

static void
note_breach (HfRecovery *self, const HfItem *item)
{
  HfTorn torn = { item->offset, item->length, { "" }, NULL };

  if (item->has_facts)
    {
      torn.id = item->facts.id;
      torn.queue = g_strdup (item->facts.queue);
    }
  g_array_append_val (self->torn, torn);
}

static gboolean
scan (HfReader *reader, HfRecovery *self, HfTornRule *rule, GError **error)
{
  HfItem item;
  gboolean end = FALSE, ok;

  hf_item_init (&item);
  while ((ok = hf_reader_next (reader, &item, &end, error)) && !end)
    {
      if (!item.whole)
        note_breach (self, &item);
      else if (item.kind == HF_ITEM_END)
        rule->has_end = TRUE;
      else if (item.kind == HF_ITEM_MESSAGE)
        {
          self->records++;
          self->has_chain = TRUE;
          self->chain = item.chain;
          rule->last_group = MAX (rule->last_group, item.group * HF_BLOCK);
        }
    }
  hf_item_clear (&item);
  return ok;
}

/* Keeps what is torn, reports the rest as damage. */
static void
judge (HfRecovery *self, const HfTornRule *rule, const gchar *path)
{
  for (guint i = 0; i < self->torn->len;)
    {
      const HfTorn *torn = &g_array_index (self->torn, HfTorn, i);
      const gboolean is_torn = hf_torn_rule_holds (rule, torn->offset);
      g_autofree gchar *offset = g_strdup_printf ("%" G_GUINT64_FORMAT, torn->offset);
      g_autofree gchar *length = g_strdup_printf ("%" G_GUINT64_FORMAT, torn->length);

      hf_event (is_torn ? HF_EVENT_JOURNAL_TORN : HF_EVENT_JOURNAL_DAMAGED, NULL, "segment", path, "offset", offset,
                "length", length, "id", torn->id.text, "queue", torn->queue, NULL);
      if (is_torn)
        {
          i++;
          continue;
        }
      self->damaged++;
      g_array_remove_index (self->torn, i);
    }
}

static gboolean
read_newest (const gchar *path, const HfPublished *published, HfRecovery *self, GError **error)
{
  const gboolean known = published->seq == self->seq;
  HfTornRule rule = { known ? published->synced : 0, 0, FALSE };
  HfReader reader;
  guint64 size;
  gboolean ok;
  int fd = hf_segment_open_file (path, "recover-open", &size, error);

  self->synced = rule.synced;
  self->has_nonce = known;
  if (known)
    self->nonce = published->nonce;
  if (fd < 0)
    return FALSE;
  /* What a killed filter had written, and perhaps not synced, is made to last:
   * from here on it is offered to readers as a record that is there. */
  hf_sys.fdatasync (fd);
  ok = hf_reader_init (&reader, fd, size, HF_READ_VERIFY, known ? &published->nonce : NULL, error);
  if (ok)
    {
      ok = scan (&reader, self, &rule, error);
      self->has_nonce = reader.has_nonce;
      self->nonce = reader.nonce;
      if (!self->has_chain && reader.has_previous)
        {
          self->has_chain = TRUE;
          self->chain = reader.previous;
        }
      hf_reader_clear (&reader);
    }
  hf_sys_close (&fd);
  judge (self, &rule, path);
  return ok;
}

gboolean
hf_recover (const gchar *dir_path, const HfPublished *published, HfRecovery *out_recovery, GError **error)
{
  g_autoptr (GArray) seqs = hf_directory_list (dir_path, error);
  g_autoptr (GError) unreadable = NULL;
  g_autofree gchar *path = NULL;
  HfSegmentName name;

  memset (out_recovery, 0, sizeof *out_recovery);
  if (seqs == NULL)
    return FALSE;
  out_recovery->torn = g_array_new (FALSE, FALSE, sizeof (HfTorn));
  g_array_set_clear_func (out_recovery->torn, torn_clear);
  if (seqs->len == 0)
    return TRUE;
  out_recovery->seq = g_array_index (seqs, guint64, seqs->len - 1);
  hf_segment_name (out_recovery->seq, &name);
  path = g_build_filename (dir_path, name.text, NULL);
  out_recovery->unread = !read_newest (path, published, out_recovery, &unreadable);
  if (out_recovery->unread)
    hf_event (HF_EVENT_JOURNAL_DAMAGED, unreadable, "segment", path, NULL);
  return TRUE;
}
