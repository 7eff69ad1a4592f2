/* group.c - records that become durable together, by one sync; see group.h
 *
 * The copy is checked twice on its way: the stage's octets against what the
 * callbacks counted while it is copied, and the segment's octets, through a
 * second descriptor, against the same counts once they are written.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/group.h"

#include <errno.h>
#include <string.h>

#define BUFFER_SIZE (512 * 1024)
#define PIECE (128 * 1024)

void
hf_group_init (HfGroup *self)
{
  memset (self, 0, sizeof *self);
  self->buffer = g_string_sized_new (BUFFER_SIZE + PIECE);
  self->commits = g_ptr_array_new_with_free_func ((GDestroyNotify) hf_commit_unref);
  hf_window_init (&self->window, -1, 0);
  hf_item_init (&self->item);
}

void
hf_group_clear (HfGroup *self)
{
  g_string_free (self->buffer, TRUE);
  g_ptr_array_unref (self->commits);
  hf_hash_clear (&self->hash);
  hf_hash_clear (&self->lines_hash);
  hf_window_clear (&self->window);
  hf_item_clear (&self->item);
}

void
hf_group_begin (HfGroup *self, const HfJournal *journal)
{
  g_string_truncate (self->buffer, 0);
  g_ptr_array_set_size (self->commits, 0);
  self->marks = 0;
  self->start = self->flushed = journal->segment->written;
  self->before = self->chain = journal->chain;
  self->segment = journal->segment->seq;
  self->begun_ms = hf_sys_monotonic_ms ();
}

void
hf_group_forget (HfGroup *self)
{
  g_ptr_array_set_size (self->commits, 0);
}

static gboolean
flush (HfGroup *self, HfJournal *journal, GError **error)
{
  if (!hf_segment_write (journal->segment, self->buffer->str, self->buffer->len, self->flushed, error))
    return FALSE;
  self->flushed += self->buffer->len;
  g_string_truncate (self->buffer, 0);
  return TRUE;
}

/* What goes wrong while a record is added. */
typedef enum
{
  ADD_OK,
  ADD_STAGE,   /* the stage gives not what was put in */
  ADD_SEGMENT,
} AddStep;

/* Copies @size octets from @offset of the stage; @hash (nullable) takes them too. */
static AddStep
copy_stage (HfGroup *self, HfJournal *journal, HfCommit *commit, guint64 offset, guint64 size, HfHash *hash,
            HfHash *hash_too, GError **error)
{
  while (size > 0)
    {
      const gsize piece = (gsize) MIN (size, PIECE);
      const gsize at = self->buffer->len;
      gssize n;

      if (at >= BUFFER_SIZE)
        {
          if (!flush (self, journal, error))
            return ADD_SEGMENT;
          continue;
        }
      g_string_set_size (self->buffer, at + piece);
      n = hf_sys_pread_all (commit->fd, self->buffer->str + at, piece, (off_t) offset);
      if (n < 0)
        {
          hf_error_set_errno (error, errno, "stage-read", "cannot read stage");
          return ADD_STAGE;
        }
      if ((gsize) n < piece)
        {
          hf_error_set (error, HF_ERROR_CORRUPT, "stage-read", "stage is shorter than what was written to it");
          return ADD_STAGE;
        }
      if ((hash != NULL && !hf_hash_add (hash, self->buffer->str + at, piece))
          || (hash_too != NULL && !hf_hash_add (hash_too, self->buffer->str + at, piece)))
        {
          hf_error_set (error, HF_ERROR_IO, "stage-read", "no memory for a digest");
          return ADD_STAGE;
        }
      offset += piece;
      size -= piece;
    }
  return ADD_OK;
}

static AddStep
add_record (HfGroup *self, HfJournal *journal, HfCommit *commit, GError **error)
{
  static const gchar data_line[] = "DATA\r\n";
  const HfNonce *nonce = &journal->segment->nonce;
  const gsize begin = self->buffer->len;
  HfDigest lines, envelope;
  AddStep step;

  if (!hf_hash_begin (&self->hash) || !hf_hash_begin (&self->lines_hash))
    {
      hf_error_set (error, HF_ERROR_IO, "commit-digest", "no memory for a digest");
      return ADD_STAGE;
    }
  hf_record_write_facts (self->buffer, nonce, &commit->facts, journal->segment->synced / HF_BLOCK);
  if (!hf_hash_add (&self->hash, self->buffer->str + begin, self->buffer->len - begin))
    return ADD_STAGE;
  step = copy_stage (self, journal, commit, 0, commit->lines_size, &self->hash, &self->lines_hash, error);
  if (step != ADD_OK)
    return step;
  g_string_append (self->buffer, data_line);
  if (!hf_hash_add (&self->hash, data_line, strlen (data_line)) || !hf_hash_end (&self->hash, &commit->salt, &envelope)
      || !hf_hash_end (&self->lines_hash, NULL, &lines))
    return ADD_STAGE;
  if (!hf_digest_equal (&lines, &commit->lines))
    {
      hf_error_set (error, HF_ERROR_CORRUPT, "stage-verify", "stage gives another envelope than was written to it");
      return ADD_STAGE;
    }
  step = copy_stage (self, journal, commit, commit->lines_size, commit->facts.wire, NULL, NULL, error);
  if (step != ADD_OK)
    return step;
  g_string_append (self->buffer, ".\r\n");
  if (!hf_record_chain (&self->hash, &self->chain, &envelope, &commit->message, &self->chain))
    return ADD_STAGE;
  hf_record_write_seal (self->buffer, nonce, &commit->facts.id, &commit->salt, &commit->message, &envelope,
                        &self->chain);
  return ADD_OK;
}

HfGroupResult
hf_group_add (HfGroup *self, HfJournal *journal, HfCommit *commit, GError **error)
{
  const gsize begin = self->buffer->len;
  const guint64 flushed = self->flushed;
  const HfDigest chain = self->chain;
  AddStep step = add_record (self, journal, commit, error);

  if (step == ADD_OK)
    {
      g_ptr_array_add (self->commits, hf_commit_ref (commit));
      return HF_GROUP_ADDED;
    }
  if (error != NULL && *error == NULL)
    hf_error_set (error, HF_ERROR_IO, "commit-digest", "cannot make a digest");
  /* What lies in the segment already can't be taken back: it was never synced,
   * but leaving half a record in front of others is not worth the code. */
  if (step == ADD_SEGMENT || self->flushed != flushed)
    return HF_GROUP_BROKEN;
  g_string_truncate (self->buffer, begin);
  self->chain = chain;
  return HF_GROUP_LEFT_OUT;
}

gboolean
hf_group_add_void (HfGroup *self, HfJournal *journal, const HfVoid *mark, GError **error)
{
  HfStatementBuilder builder;
  const gsize start = self->buffer->len;
  gchar at[25];

  g_assert (self->commits->len == 0);
  hf_time_format (hf_sys_wall_ms (), at);
  hf_statement_begin (&builder, self->buffer, "void");
  hf_statement_add (&builder, "nonce", journal->segment->nonce.text, -1);
  hf_statement_add (&builder, "id", mark->id.text, -1);
  hf_statement_add_number (&builder, "segment", mark->segment);
  hf_statement_add (&builder, "at", at, -1);
  hf_statement_add (&builder, "reason", mark->reason, -1);
  hf_statement_end (&builder);
  if (!hf_record_end_alone (self->buffer, start, &self->hash))
    return hf_error_set (error, HF_ERROR_IO, "commit-digest", "cannot make a digest");
  self->marks++;
  return self->buffer->len < BUFFER_SIZE || flush (self, journal, error);
}

static gboolean
matches (const HfItem *item, const HfCommit *commit)
{
  return strcmp (item->facts.id.text, commit->facts.id.text) == 0 && item->facts.bytes == commit->facts.bytes
         && item->facts.wire == commit->facts.wire && item->facts.rcpts == commit->facts.rcpts
         && hf_digest_equal (&item->message, &commit->message);
}

/* The next item, which is to be whole and of @kind. */
static gboolean
read_back_item (HfGroup *self, HfSegment *segment, HfItemKind kind, GError **error)
{
  HfWindow *window = &self->window;
  const gchar *line;
  gsize size;
  HfItemKind found;

  if (!hf_window_line (window, &line, &size, error))
    return FALSE;
  if (line == NULL || !hf_record_starts (line, size, &segment->nonce, &found) || found != kind)
    return hf_error_set (error, HF_ERROR_CORRUPT, "read-back", "segment '%s' gives no record back at offset %" G_GUINT64_FORMAT,
                         segment->path, window->position);
  if (!hf_record_read (window, &segment->nonce, HF_READ_VERIFY, kind, &self->hash, &self->item, error))
    return FALSE;
  return self->item.whole
         || hf_error_set (error, HF_ERROR_CORRUPT, "read-back", "segment '%s' gives another record back at offset %" G_GUINT64_FORMAT ": %s",
                          segment->path, self->item.offset, self->item.fault);
}

static gboolean
read_back_message (HfGroup *self, HfSegment *segment, const HfCommit *commit, HfDigest *chain, GError **error)
{
  HfItem *item = &self->item;

  if (!read_back_item (self, segment, HF_ITEM_MESSAGE, error))
    return FALSE;
  if (!hf_record_chain (&self->hash, chain, &item->envelope, &item->message, chain))
    return hf_error_set (error, HF_ERROR_IO, "commit-digest", "cannot make a digest");
  return (matches (item, commit) && hf_digest_equal (chain, &item->chain))
         || hf_error_set (error, HF_ERROR_CORRUPT, "read-back", "segment '%s' gives another message back at offset %" G_GUINT64_FORMAT,
                          segment->path, item->offset);
}

/* Void marks stand in front of the records. */
gboolean
hf_group_read_back (HfGroup *self, const HfJournal *journal, GError **error)
{
  HfSegment *segment = journal->segment;
  HfDigest chain = self->before;
  gboolean ok = TRUE;

  hf_window_reset (&self->window, segment->read_fd, self->start, self->flushed);
  for (guint i = 0; ok && i < self->marks; i++)
    ok = read_back_item (self, segment, HF_ITEM_VOID, error);
  for (guint i = 0; ok && i < self->commits->len; i++)
    ok = read_back_message (self, segment, g_ptr_array_index (self->commits, i), &chain, error);
  if (!ok)
    g_prefix_error (error, "read-back failed: ");
  return ok;
}

gboolean
hf_group_write (HfGroup *self, HfJournal *journal, GError **error)
{
  hf_record_write_padding (self->buffer, self->flushed + self->buffer->len);
  if (!flush (self, journal, error))
    return FALSE;
  journal->segment->written = self->flushed;
  if (self->commits->len > 0)
    {
      journal->chain = self->chain;
      journal->has_chain = TRUE;
    }
  return TRUE;
}

gboolean
hf_group_sync (HfGroup *self, HfJournal *journal, GError **error)
{
  return hf_segment_sync (journal->segment, self->flushed, error);
}

gboolean
hf_group_write_out (const HfGroup *self, const HfJournal *journal, GError **error)
{
  return hf_segment_write_out (journal->segment, self->start, self->flushed - self->start, error);
}

void
hf_group_publish (HfGroup *self, HfJournal *journal)
{
  hf_journal_count (journal, self->flushed - self->start);
  hf_journal_publish (journal);
}

gboolean
hf_group_commit (HfGroup *self, HfJournal *journal, GError **error)
{
  if (!hf_group_write (self, journal, error) || !hf_group_read_back (self, journal, error)
      || !hf_group_sync (self, journal, error))
    return FALSE;
  hf_group_publish (self, journal);
  return TRUE;
}
