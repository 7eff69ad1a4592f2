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
  /* A record says what was synced when it was written.  The end line's group is
   * the last, and what is torn of it is padding. */
  return (rule->end == 0 || offset > rule->end) && offset >= rule->synced && offset >= rule->told;
}

void
hf_torn_rule_add (HfTornRule *rule, const HfItem *item)
{
  /* What a record says of itself or what comes behind it can't be. */
  if (item->group <= item->offset / HF_BLOCK)
    rule->told = MAX (rule->told, item->group * HF_BLOCK);
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

/* The chain behind a record. */
typedef struct
{
  guint64 offset; /* of the record */
  HfDigest digest;
} Link;

static guint64
synced_by (const HfTornRule *rule)
{
  return MAX (MAX (rule->synced, rule->told), rule->end);
}

/* Goes on along the chain as far as it is known to be synced. */
static void
follow_synced (HfRecovery *self, const HfTornRule *rule, GArray *unsure)
{
  const guint64 synced = synced_by (rule);
  guint sure = 0;

  while (sure < unsure->len && g_array_index (unsure, Link, sure).offset < synced)
    sure++;
  if (sure == 0)
    return;
  self->has_chain = TRUE;
  self->chain = g_array_index (unsure, Link, sure - 1).digest;
  g_array_remove_range (unsure, 0, sure);
}

/* Settles what counts as synced: what `open`, the end line or a record says of what
 * is in front of it.  Of a segment that was closed in order `open` says that all of
 * it was, its end line included. */
static void
settle_synced (HfRecovery *self, const HfTornRule *rule, GArray *unsure, guint64 written)
{
  follow_synced (self, rule, unsure);
  self->synced = synced_by (rule);
  self->doubtful = written > self->synced ? written - self->synced : 0;
}

static gboolean
scan (HfReader *reader, HfRecovery *self, HfTornRule *rule, GError **error)
{
  g_autoptr (GArray) unsure = g_array_new (FALSE, FALSE, sizeof (Link)); /* not known to be synced yet */
  guint64 written = 0;
  HfItem item;
  gboolean end = FALSE, ok;

  self->has_chain = reader->has_previous;
  self->chain = reader->previous;
  hf_item_init (&item);
  while ((ok = hf_reader_next (reader, &item, &end, error)) && !end)
    {
      written = item.offset + item.length;
      if (item.whole)
        self->whole = written;
      if (!item.whole)
        note_breach (self, &item);
      else if (item.kind == HF_ITEM_END)
        rule->end = item.offset;
      else if (item.kind == HF_ITEM_MESSAGE)
        {
          const Link link = { item.offset, item.chain };

          self->records++;
          g_array_append_val (unsure, link);
          hf_torn_rule_add (rule, &item);
          follow_synced (self, rule, unsure);
        }
    }
  hf_item_clear (&item);
  settle_synced (self, rule, unsure, written);
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

/* It is left as it is, and what may be torn in it is not known. */
static void
tell_newer (const HfReader *reader, const gchar *path)
{
  g_autofree gchar *version = g_strdup_printf ("%" G_GUINT64_FORMAT, reader->newer_version);

  if (reader->newer_version != 0)
    hf_event (HF_EVENT_SEGMENT_NEWER, NULL, "segment", path, "version", version, NULL);
}

/* The last segment is not there any more. */
static void
tell_gone (const gchar *dir_path, const HfPublished *published)
{
  g_autofree gchar *path = NULL;
  g_autofree gchar *synced = g_strdup_printf ("%" G_GUINT64_FORMAT, published->synced);
  g_autoptr (GError) gone = NULL;
  HfSegmentName name;

  hf_segment_name (hf_published_seq (published), &name);
  path = g_build_filename (dir_path, name.text, NULL);
  hf_error_set (&gone, HF_ERROR_NOT_FOUND, "recover-open", "the segment that was written last is gone");
  hf_event (HF_EVENT_JOURNAL_DAMAGED, gone, "segment", path, "length", synced, NULL);
}

static gboolean
read_newest (const gchar *path, const HfPublished *published, HfRecovery *self, GError **error)
{
  const gboolean known = hf_published_seq (published) == self->seq;
  /* A segment gets its name when its header is synced. */
  HfTornRule rule = { MAX (known ? published->synced : 0, HF_BLOCK), 0, 0 };
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
      tell_newer (&reader, path);
      self->unread = reader.newer_version != 0;
      reader.written = rule.synced;
      ok = scan (&reader, self, &rule, error);
      self->has_nonce = reader.has_nonce;
      self->nonce = reader.nonce;
      /* padding, and what a write behind it may have begun */
      if (self->doubtful > 0)
        self->doubtful = MAX (size, self->synced + self->doubtful) - self->synced;
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
  out_recovery->seq = seqs->len > 0 ? g_array_index (seqs, guint64, seqs->len - 1) : 0;
  if (hf_published_seq (published) > out_recovery->seq)
    {
      tell_gone (dir_path, published);
      out_recovery->gone = TRUE;
      out_recovery->damaged++;
    }
  if (seqs->len == 0)
    return TRUE;
  hf_segment_name (out_recovery->seq, &name);
  path = g_build_filename (dir_path, name.text, NULL);
  if (!read_newest (path, published, out_recovery, &unreadable))
    {
      out_recovery->unread = TRUE;
      hf_event (HF_EVENT_JOURNAL_DAMAGED, unreadable, "segment", path, NULL);
    }
  return TRUE;
}
