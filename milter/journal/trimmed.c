/* trimmed.c - the notes that removed segments leave behind; see trimmed.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/journal/trimmed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NOTE_VERSION 1

static const gchar beginning[] = HF_STATEMENT_PREFIX "trimmed ";

void
hf_trimmed_clear (HfTrimmed *self)
{
  g_clear_pointer (&self->notes, g_array_unref);
  g_clear_pointer (&self->by_seq, g_hash_table_unref);
}

/* A run that was cut short may have left a note of a segment that stayed, and
 * changed since: what is said last counts. */
static void
put_note (HfTrimmed *self, const HfTrimNote *note)
{
  const guint known = GPOINTER_TO_UINT (g_hash_table_lookup (self->by_seq, &note->seq));

  if (known != 0)
    {
      g_array_index (self->notes, HfTrimNote, known - 1) = *note;
      return;
    }
  g_array_append_vals (self->notes, note, 1);
  g_hash_table_insert (self->by_seq, g_memdup2 (&note->seq, sizeof note->seq), GUINT_TO_POINTER (self->notes->len));
}

const HfTrimNote *
hf_trimmed_find (const HfTrimmed *self, guint64 seq)
{
  const guint known = GPOINTER_TO_UINT (g_hash_table_lookup (self->by_seq, &seq));

  return known != 0 ? &g_array_index (self->notes, HfTrimNote, known - 1) : NULL;
}

/* ---- reading ---- */

static gint64
time_of (const HfStatement *statement, const gchar *key)
{
  const gchar *text = hf_statement_get (statement, key);
  gint64 wall_ms;

  return text != NULL && hf_time_parse (text, &wall_ms) ? wall_ms : -1;
}

static guint64
number_of (const HfStatement *statement, const gchar *key)
{
  guint64 number = 0;

  hf_statement_get_number (statement, key, &number);
  return number;
}

/* FALSE: no note that this program can read. */
static gboolean
parse_note (const HfStatement *statement, HfTrimNote *note)
{
  const gchar *nonce = hf_statement_get (statement, "nonce");
  const gchar *chain = hf_statement_get (statement, "chain");

  memset (note, 0, sizeof *note);
  if (number_of (statement, "v") != NOTE_VERSION || !hf_statement_get_number (statement, "seq", &note->seq))
    return FALSE;
  if (nonce != NULL)
    g_strlcpy (note->nonce.text, nonce, sizeof note->nonce.text);
  note->at_ms = time_of (statement, "at");
  note->octets = number_of (statement, "octets");
  note->records = number_of (statement, "records");
  note->elsewhere = number_of (statement, "elsewhere");
  note->breaches = number_of (statement, "breaches");
  note->recipients = number_of (statement, "recipients");
  note->voids = number_of (statement, "void");
  note->settled = number_of (statement, "settled");
  note->first_ms = time_of (statement, "first");
  note->last_ms = time_of (statement, "last");
  note->has_chain = chain != NULL && hf_hex_decode (chain, sizeof note->chain, &note->chain);
  note->broken_end = number_of (statement, "broken_end") == 1;
  return TRUE;
}

/* The digest line that ends the statement at @start tells the note's digest. */
static gboolean
take_note (HfTrimmed *self, const HfStatement *statement, const HfDigest *digest)
{
  const gchar *previous = hf_statement_get (statement, "previous");
  HfDigest before;
  HfTrimNote note;

  if (!parse_note (statement, &note))
    return FALSE;
  if (previous == NULL || !hf_hex_decode (previous, sizeof before, &before) || !hf_digest_equal (&before, &self->last))
    self->breaks++;
  self->last = *digest;
  put_note (self, &note);
  return TRUE;
}

/* Moves behind the line at the position; FALSE at the end. */
static gboolean
next_line (HfWindow *window, gboolean *out_more, GError **error)
{
  const gchar *line;
  gsize size;

  if (!hf_window_line (window, &line, &size, error))
    return FALSE;
  *out_more = line != NULL;
  if (line != NULL)
    window->position += size + 2;
  return TRUE;
}

static gboolean
load_notes (HfTrimmed *self, HfWindow *window, HfHash *hash, HfItem *item, GError **error)
{
  for (;;)
    {
      const guint64 start = window->position;
      const gchar *line;
      gsize size;
      gboolean more;

      if (!hf_window_line (window, &line, &size, error))
        return FALSE;
      if (line == NULL)
        return TRUE;
      if (size > strlen (beginning) && memcmp (line, beginning, strlen (beginning)) == 0)
        {
          if (!hf_record_read (window, NULL, HF_READ_VERIFY, HF_ITEM_OTHER, hash, item, error))
            return FALSE;
          if (item->whole && take_note (self, &item->statement, &item->message))
            continue;
          window->position = start;
        }
      if (!next_line (window, &more, error))
        return FALSE;
    }
}

gboolean
hf_trimmed_load (const gchar *dir_path, HfTrimmed *out_trimmed, GError **error)
{
  g_autofree gchar *path = g_build_filename (dir_path, HF_JOURNAL_TRIMMED, NULL);
  HfHash hash = { NULL };
  HfWindow window;
  HfItem item;
  gboolean ok;
  int fd;

  memset (out_trimmed, 0, sizeof *out_trimmed);
  out_trimmed->notes = g_array_new (FALSE, FALSE, sizeof (HfTrimNote));
  out_trimmed->by_seq = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  fd = hf_sys.open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
  if (fd < 0)
    return errno == ENOENT || hf_error_set_errno (error, errno, "trimmed-open", "cannot open '%s'", path);
  hf_window_init (&window, fd, G_MAXINT64);
  hf_item_init (&item);
  ok = load_notes (out_trimmed, &window, &hash, &item, error);
  hf_item_clear (&item);
  hf_window_clear (&window);
  hf_hash_clear (&hash);
  hf_sys_close (&fd);
  return ok;
}

/* ---- writing ---- */

static void
add_time (HfStatementBuilder *builder, const gchar *key, gint64 wall_ms)
{
  gchar text[25];

  if (wall_ms < 0)
    return;
  hf_time_format (wall_ms, text);
  hf_statement_add (builder, key, text, -1);
}

static void
add_digest (HfStatementBuilder *builder, const gchar *key, const HfDigest *digest)
{
  gchar text[HF_DIGEST_HEX + 1];

  hf_hex_encode (digest->octets, sizeof digest->octets, text);
  hf_statement_add (builder, key, text, -1);
}

static void
write_note (GString *out, const HfTrimNote *note, const HfDigest *previous, const HfWho *who, const gchar *reason)
{
  HfStatementBuilder builder;

  hf_statement_begin (&builder, out, "trimmed");
  hf_statement_add_number (&builder, "v", NOTE_VERSION);
  hf_statement_add_number (&builder, "seq", note->seq);
  hf_statement_add (&builder, "nonce", note->nonce.text[0] != '\0' ? note->nonce.text : NULL, -1);
  add_time (&builder, "at", note->at_ms);
  hf_statement_add_number (&builder, "octets", note->octets);
  hf_statement_add_number (&builder, "records", note->records);
  if (note->elsewhere > 0)
    hf_statement_add_number (&builder, "elsewhere", note->elsewhere);
  hf_statement_add_number (&builder, "breaches", note->breaches);
  hf_statement_add_number (&builder, "recipients", note->recipients);
  hf_statement_add_number (&builder, "void", note->voids);
  hf_statement_add_number (&builder, "settled", note->settled);
  add_time (&builder, "first", note->first_ms);
  add_time (&builder, "last", note->last_ms);
  hf_statement_new_line (&builder);
  if (note->has_chain)
    add_digest (&builder, "chain", &note->chain);
  if (note->broken_end)
    hf_statement_add_number (&builder, "broken_end", 1);
  add_digest (&builder, "previous", previous);
  hf_statement_new_line (&builder);
  hf_who_write (who, &builder);
  hf_statement_add (&builder, "reason", reason, -1);
  hf_statement_end (&builder);
}

/* Adds the notes' text to @out; @last becomes the digest of the last one. */
static gboolean
write_notes (GString *out, const GArray *notes, HfDigest *last, const HfWho *who, const gchar *reason)
{
  HfHash hash = { NULL };
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < notes->len; i++)
    {
      const gsize start = out->len;

      write_note (out, &g_array_index (notes, HfTrimNote, i), last, who, reason);
      ok = hf_hash_begin (&hash) && hf_hash_add (&hash, out->str + start, out->len - start)
           && hf_hash_end (&hash, NULL, last) && hf_record_end_alone (out, start, &hash);
    }
  hf_hash_clear (&hash);
  return ok;
}

/* A write that a crash cut off must not run into the next note. */
static gboolean
ends_line (int fd, guint64 size)
{
  gchar tail[2];

  return size == 0 || (size >= 2 && hf_sys_pread_all (fd, tail, 2, (off_t) size - 2) == 2 && memcmp (tail, "\r\n", 2) == 0);
}

static gboolean
append (int dir_fd, int fd, GString *text, GError **error)
{
  struct stat st;

  if (!hf_directory_adopt (dir_fd, fd, error))
    return FALSE;
  if (hf_sys.fstat (fd, &st) < 0)
    return hf_error_set_errno (error, errno, "trim-note", "cannot look at the notes of trimming");
  if (!ends_line (fd, (guint64) st.st_size))
    g_string_prepend (text, "\r\n");
  if (hf_sys_write_all (fd, text->str, text->len) < 0)
    return hf_error_set_errno (error, errno, "trim-note", "cannot write the notes of trimming");
  if (hf_sys.fsync (fd) < 0 || hf_sys.fsync (dir_fd) < 0)
    return hf_error_set_errno (error, errno, "trim-note", "cannot sync the notes of trimming");
  return TRUE;
}

gboolean
hf_trimmed_append (HfTrimmed *self, int dir_fd, const GArray *notes, const HfWho *who, const gchar *reason,
                   GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  HfDigest last = self->last;
  gboolean ok;
  int fd;

  if (!write_notes (text, notes, &last, who, reason))
    return hf_error_set (error, HF_ERROR_IO, "trim-note", "no memory for a digest");
  fd = hf_sys.openat (dir_fd, HF_JOURNAL_TRIMMED, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return hf_error_set_errno (error, errno, "trim-note", "cannot open the notes of trimming");
  ok = append (dir_fd, fd, text, error);
  hf_sys_close (&fd);
  if (!ok)
    return FALSE;
  self->last = last;
  for (guint i = 0; i < notes->len; i++)
    put_note (self, &g_array_index (notes, HfTrimNote, i));
  return TRUE;
}
