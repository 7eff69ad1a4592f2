/* reader.c - all items of one segment, in order, past any damage; see reader.h
 *
 * After a breach the reader does not trust any length it has read: it goes
 * back to the start of what was broken and looks for the next line that
 * begins a statement with this segment's nonce.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/journal/reader.h"

#include <string.h>

static gboolean
no_digest (GError **error)
{
  return hf_error_set (error, HF_ERROR_IO, "journal-read", "no memory for a digest");
}

static gboolean
header_digest_ok (HfReader *self, GError **error)
{
  static const gchar prefix[] = HF_STATEMENT_MORE "digest=";
  HfDigest wanted, found;
  const gchar *line;
  gsize size;
  gchar text[HF_DIGEST_HEX + 1];
  gboolean more = FALSE;

  if (!hf_hash_begin (&self->hash))
    return no_digest (error);
  for (;; more = TRUE)
    {
      if (!hf_window_line (&self->window, &line, &size, error) || line == NULL)
        return FALSE;
      if (more && size == strlen (prefix) + HF_DIGEST_HEX && memcmp (line, prefix, strlen (prefix)) == 0)
        break;
      if (size < strlen (HF_STATEMENT_MORE)
          || (more && memcmp (line, HF_STATEMENT_MORE, strlen (HF_STATEMENT_MORE)) != 0)
          || !hf_statement_read_line (&self->header, line, size, more))
        return FALSE;
      if (!hf_hash_add (&self->hash, line, size + 2))
        return no_digest (error);
      self->window.position += size + 2;
    }
  memcpy (text, line + strlen (prefix), HF_DIGEST_HEX);
  text[HF_DIGEST_HEX] = '\0';
  self->window.position += size + 2;
  if (!hf_hash_end (&self->hash, NULL, &found))
    return no_digest (error);
  return hf_hex_decode (text, sizeof wanted, &wanted) && hf_digest_equal (&wanted, &found);
}

/* FALSE leaves the header unknown; @error is set when the file can't be read. */
static gboolean
read_header (HfReader *self, GError **error)
{
  static const gchar word[] = HF_STATEMENT_PREFIX "segment ";
  const gchar *line, *nonce, *previous;
  gsize size;
  guint64 version;

  if (!hf_window_line (&self->window, &line, &size, error))
    return FALSE;
  if (line == NULL || size < strlen (word) || memcmp (line, word, strlen (word)) != 0)
    return FALSE;
  if (!header_digest_ok (self, error))
    return FALSE;
  if (!hf_statement_get_number (&self->header, "v", &version))
    return FALSE;
  if (version > HF_FORMAT_VERSION)
    {
      self->newer_version = version;
      return FALSE;
    }
  nonce = hf_statement_get (&self->header, "nonce");
  if (nonce == NULL || strlen (nonce) != sizeof self->nonce.text - 1
      || !hf_statement_get_number (&self->header, "seq", &self->seq))
    return FALSE;
  g_strlcpy (self->nonce.text, nonce, sizeof self->nonce.text);
  previous = hf_statement_get (&self->header, "previous");
  self->has_previous = previous != NULL && hf_hex_decode (previous, HF_DIGEST_SIZE, &self->previous);
  return TRUE;
}

gboolean
hf_reader_init (HfReader *self, int fd, guint64 limit, HfReadFlags flags, const HfNonce *fallback, GError **error)
{
  GError *failed = NULL;

  memset (self, 0, sizeof *self);
  hf_window_init (&self->window, fd, limit);
  hf_statement_init (&self->header);
  self->flags = flags;
  self->has_header = read_header (self, &failed);
  if (failed != NULL)
    {
      g_propagate_error (error, failed);
      hf_reader_clear (self);
      return FALSE;
    }
  if (!self->has_header)
    {
      self->window.position = 0;
      if (fallback != NULL)
        self->nonce = *fallback;
    }
  self->has_nonce = self->has_header || fallback != NULL;
  return TRUE;
}

void
hf_reader_clear (HfReader *self)
{
  hf_window_clear (&self->window);
  hf_hash_clear (&self->hash);
  hf_statement_clear (&self->header);
}

guint64
hf_reader_position (const HfReader *self)
{
  return self->window.position;
}

/* Moves over NULs.  FALSE when the file can't be read. */
static gboolean
skip_nuls (HfWindow *window, GError **error)
{
  for (;;)
    {
      const guint8 *data;
      gsize size, i = 0;

      if (!hf_window_need (window, HF_BLOCK, &data, &size, error))
        return FALSE;
      while (i < size && data[i] == 0)
        i++;
      window->position += i;
      if (i < size || size == 0)
        return TRUE;
    }
}

/* Exactly what doc/FORMAT says.  Another line that begins like it may have lost
 * its end, and what stands behind it in the same line may be a record's start. */
static gboolean
is_padding (const gchar *line, gsize size)
{
  if (size < 4 || memcmp (line, "NOOP", 4) != 0)
    return FALSE;
  for (gsize i = 4; i < size; i++)
    if (line[i] != (i == 4 ? ' ' : '-'))
      return FALSE;
  return TRUE;
}

/* Where in @data a line begins that begins an item; @size when nowhere.  Only
 * what lies before @until is a candidate, so that each can be seen in full. */
static gsize
find_start (const HfReader *self, const guint8 *data, gsize size, gsize until)
{
  const guint8 *end = data + until;
  HfItemKind kind;

  if (!self->has_nonce)
    return size;
  for (const guint8 *p = data; (p = memchr (p, HF_STATEMENT_PREFIX[0], (gsize) (end - p))) != NULL; p++)
    if (hf_record_starts ((const gchar *) p, (gsize) (data + size - p), &self->nonce, &kind))
      return (gsize) (p - data);
  return size;
}

/* The next line that begins an item, from the position on; the limit when there
 * is none.  *@out_written: behind the last octet on the way that is not NUL.
 * A line need not follow on a line end here: that may be what is damaged. */
static gboolean
find_next (HfReader *self, guint64 *out_written, GError **error)
{
  HfWindow *window = &self->window;

  *out_written = window->position;
  for (;;)
    {
      const guint8 *data;
      gsize size, at, filled;
      gboolean last;

      if (!hf_window_need (window, HF_WINDOW_SIZE, &data, &size, error))
        return FALSE;
      last = size < HF_WINDOW_SIZE;
      at = find_start (self, data, size, last ? size : size - HF_RECORD_START_MAX);
      for (filled = at; filled > 0 && data[filled - 1] == 0; filled--)
        ;
      if (filled > 0)
        *out_written = window->position + filled;
      if (at < size || last)
        {
          window->position += at;
          return TRUE;
        }
      window->position += size - HF_RECORD_START_MAX;
    }
}

/* The item at @start broke a rule: it reaches to the next one that begins. */
static gboolean
give_rest (HfReader *self, HfItem *item, guint64 start, GError **error)
{
  guint64 written;

  self->window.position = start + 1;
  if (!find_next (self, &written, error))
    return FALSE;
  if (self->window.position < self->window.limit)
    item->length = self->window.position - start;
  else
    item->length = MAX (written, start + 1) - start;
  return TRUE;
}

static void
set_junk (HfItem *item, const gchar *fault, guint64 offset)
{
  item->kind = HF_ITEM_JUNK;
  item->whole = FALSE;
  item->has_facts = FALSE;
  item->fault = fault;
  item->offset = offset;
}

/* Behind the last octet, at @end: is anything missing that was there? */
static void
give_end (HfReader *self, HfItem *item, guint64 end, gboolean *out_end)
{
  self->window.position = self->window.limit;
  if (end >= self->written)
    {
      *out_end = TRUE;
      return;
    }
  set_junk (item, "what was written here is gone", end);
  item->length = self->written - end;
  self->written = 0;
}

gboolean
hf_reader_next (HfReader *self, HfItem *item, gboolean *out_end, GError **error)
{
  HfWindow *window = &self->window;
  guint64 gap = window->position;

  *out_end = self->newer_version != 0;
  while (!*out_end)
    {
      const gchar *line;
      gsize size;
      HfItemKind kind;

      if (!skip_nuls (window, error) || !hf_window_need (window, 1, (const guint8 **) &line, &size, error))
        return FALSE;
      if (size == 0)
        {
          give_end (self, item, gap, out_end);
          return TRUE;
        }
      if (gap != window->position)
        {
          set_junk (item, "NULs in front of later records", gap); /* a page that was lost */
          item->length = window->position - gap;
          return TRUE;
        }
      if (!hf_window_line (window, &line, &size, error))
        return FALSE;
      if (line != NULL && is_padding (line, size))
        {
          window->position += size + 2;
          gap = window->position;
          continue;
        }
      if (line != NULL && self->has_nonce && hf_record_starts (line, size, &self->nonce, &kind))
        {
          const guint64 start = window->position;

          return hf_record_read (window, &self->nonce, self->flags, kind, &self->hash, item, error)
                 && (item->whole || give_rest (self, item, start, error));
        }
      set_junk (item, self->has_nonce ? "no statement begins here" : "segment header does not verify",
                window->position);
      return give_rest (self, item, window->position, error);
    }
  return TRUE;
}
