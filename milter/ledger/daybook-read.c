/* daybook-read.c - the groups of spool/books, in order, past any damage
 *
 * A commit line carries the digest of its group, so a line of mail text or of
 * a log that imitates one ends no group: values are xtext, and only the digest
 * decides.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/ledger/daybook-private.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

static const gchar suffix[] = ".books";

void
hf_daybook_name (guint64 seq, HfDaybookName *out_name)
{
  g_snprintf (out_name->text, sizeof out_name->text, "%010" G_GUINT64_FORMAT "%s", seq, suffix);
}

static gint
compare_seq (gconstpointer a, gconstpointer b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x < y ? -1 : x > y;
}

GArray *
hf_daybook_list (const gchar *dir_path, GError **error)
{
  g_autoptr (GArray) seqs = g_array_new (FALSE, FALSE, sizeof (guint64));
  DIR *dir = opendir (dir_path);
  struct dirent *entry;
  gint failed;

  if (dir == NULL && errno == ENOENT)
    return g_steal_pointer (&seqs);
  if (dir == NULL)
    {
      hf_error_set_errno (error, errno, "books-list", "cannot read directory '%s'", dir_path);
      return NULL;
    }
  while (errno = 0, (entry = readdir (dir)) != NULL)
    {
      const gsize digits = strspn (entry->d_name, "0123456789");
      g_autofree gchar *number = g_strndup (entry->d_name, digits);
      guint64 seq;

      if (digits >= 10 && strcmp (entry->d_name + digits, suffix) == 0
          && g_ascii_string_to_unsigned (number, 10, 1, G_MAXUINT64, &seq, NULL))
        g_array_append_val (seqs, seq);
    }
  failed = errno;
  closedir (dir);
  if (failed != 0)
    {
      hf_error_set_errno (error, failed, "books-list", "cannot read directory '%s'", dir_path);
      return NULL;
    }
  g_array_sort (seqs, compare_seq);
  return g_steal_pointer (&seqs);
}

gboolean
hf_daybook_chain (HfHash *hash, const HfDigest *before, const HfDigest *group, HfDigest *out_chain)
{
  return hf_hash_begin (hash) && hf_hash_add (hash, before->octets, sizeof before->octets)
         && hf_hash_add (hash, group->octets, sizeof group->octets) && hf_hash_end (hash, NULL, out_chain);
}

/* The line at @at without its CRLF; NULL when none ends before @end. */
static const gchar *
next_line (const gchar *at, const gchar *end, gsize *out_size)
{
  const gchar *newline = memchr (at, '\n', (gsize) (end - at));

  if (newline == NULL || newline == at || newline[-1] != '\r')
    return NULL;
  *out_size = (gsize) (newline - 1 - at);
  return newline + 1;
}

static gboolean
starts (const gchar *line, gsize size, const gchar *prefix)
{
  return size >= strlen (prefix) && memcmp (line, prefix, strlen (prefix)) == 0;
}

/* The word behind "NOOP holdfast-", cut where it is longer than any that is known. */
static void
kind_of (const gchar *line, gsize size, gchar *out_kind, gsize room)
{
  const gchar *word = line + strlen (HF_STATEMENT_PREFIX);
  const gsize left = size - strlen (HF_STATEMENT_PREFIX);
  const gchar *blank = memchr (word, ' ', left);
  const gsize length = MIN (room - 1, blank != NULL ? (gsize) (blank - word) : left);

  /* not g_strlcpy, which looks for the end of the whole text */
  memcpy (out_kind, word, length);
  out_kind[length] = '\0';
}

gboolean
hf_daybook_give (const gchar *text, gsize size, HfStatement *scratch, const HfDaybookSink *sink, GError **error)
{
  const gchar *end = text + size;
  gchar kind[32] = "";
  gsize line_size = 0;

  for (const gchar *line = text, *next; line < end; line = next)
    {
      const gboolean first = line == text;
      gboolean more;

      next = next_line (line, end, &line_size);
      if (next == NULL || !starts (line, line_size, HF_STATEMENT_PREFIX))
        return hf_error_set (error, HF_ERROR_CORRUPT, "books-read", "a sealed group of the books breaks their grammar");
      more = starts (line, line_size, HF_STATEMENT_MORE);
      if (!more && !first && !sink->statement (kind, scratch, sink->data, error))
        return FALSE;
      if (!more)
        kind_of (line, line_size, kind, sizeof kind);
      if ((more && first) || !hf_statement_read_line (scratch, line, line_size, more))
        return hf_error_set (error, HF_ERROR_CORRUPT, "books-read", "a sealed group of the books breaks their grammar");
    }
  return size == 0 || sink->statement (kind, scratch, sink->data, error);
}

/* ---- one file ---- */

typedef struct
{
  const gchar *text;
  const gchar *end;
  HfStatement statement;
  HfHash hash;
  const HfDaybookSink *sink;
  HfDaybookReport *report;
  HfDaybookMark *mark;
} Reading;

/* The commit line at or behind @at, or NULL. */
static const gchar *
find_commit (const gchar *at, const gchar *end)
{
  static const gchar inner[] = "\r\n" HF_COMMIT_PREFIX;
  const gchar *found;

  if (starts (at, (gsize) (end - at), HF_COMMIT_PREFIX))
    return at;
  found = memmem (at, (gsize) (end - at), inner, strlen (inner));
  return found != NULL ? found + 2 : NULL;
}

/* What a commit line says. */
typedef struct
{
  const gchar *next; /* behind it; NULL: it is not whole */
  guint64 number;
  HfDigest digest;
  HfDigest chain;
} Commit;

/* Reads the commit at @line, of the group that begins at @group.  FALSE when
 * it does not seal that group. */
static gboolean
verify (Reading *self, const gchar *group, const gchar *line, Commit *out)
{
  HfStatement *statement = &self->statement;
  const gchar *chain, *digest;
  HfDigest found;
  gsize size = 0;

  memset (out, 0, sizeof *out);
  out->next = next_line (line, self->end, &size);
  if (out->next == NULL || !hf_statement_read_line (statement, line, size, FALSE))
    return FALSE;
  chain = hf_statement_get (statement, "chain");
  digest = hf_statement_get (statement, "digest");
  return chain != NULL && digest != NULL && hf_statement_get_number (statement, "group", &out->number)
         && hf_hex_decode (digest, sizeof out->digest.octets, &out->digest)
         && hf_hex_decode (chain, sizeof out->chain.octets, &out->chain) && hf_hash_begin (&self->hash)
         && hf_hash_add (&self->hash, group, (gsize) (line - group)) && hf_hash_end (&self->hash, NULL, &found)
         && hf_digest_equal (&found, &out->digest);
}

static gboolean
take_group (Reading *self, const gchar *group, const gchar *line, const Commit *commit, GError **error)
{
  HfDigest expected;

  if (!hf_daybook_chain (&self->hash, &self->mark->chain, &commit->digest, &expected))
    return hf_error_set (error, HF_ERROR_IO, "books-read", "cannot make a digest");
  if (!hf_digest_equal (&expected, &commit->chain))
    self->report->breaks++;
  if (!hf_daybook_give (group, (gsize) (line - group), &self->statement, self->sink, error))
    return FALSE;
  self->report->groups++;
  self->mark->offset = (guint64) (commit->next - self->text);
  self->mark->group = commit->number;
  self->mark->chain = commit->chain;
  return self->sink->committed == NULL || self->sink->committed (self->mark, self->sink->data, error);
}

static gboolean
read_groups (Reading *self, gboolean *out_clean, GError **error)
{
  const gchar *group = self->text + MIN (self->mark->offset, (guint64) (self->end - self->text));

  while (group < self->end)
    {
      const gchar *line = find_commit (group, self->end);
      Commit commit = { NULL };
      const gboolean valid = line != NULL && verify (self, group, line, &commit);

      if (commit.next == NULL)
        break;
      if (!valid)
        self->report->damaged++;
      else if (!take_group (self, group, line, &commit, error))
        return FALSE;
      group = commit.next;
    }
  if (group != self->end)
    self->report->torn++;
  /* behind a damaged group at the end nothing is written either: it is evidence */
  *out_clean = self->mark->offset == (guint64) (self->end - self->text);
  return TRUE;
}

/* The header is the first group of a file. */
static gboolean
check_version (Reading *self, const gchar *path, GError **error)
{
  guint64 version = HF_BOOKS_VERSION;
  gsize size = 0;

  if (self->mark->offset > 0 || next_line (self->text, self->end, &size) == NULL
      || !starts (self->text, size, HF_HEADER_PREFIX) || !hf_statement_read_line (&self->statement, self->text, size, FALSE))
    return TRUE; /* not a header: its group does not verify either */
  hf_statement_get_number (&self->statement, "v", &version);
  return version <= HF_BOOKS_VERSION
         || hf_error_set (error, HF_ERROR_CORRUPT, "books-read",
                          "'%s' has format version %" G_GUINT64_FORMAT ", this program reads up to %d", path, version,
                          HF_BOOKS_VERSION);
}

gboolean
hf_daybook_read_file (const gchar *path, HfDaybookMark *mark, const HfDaybookSink *sink, HfDaybookReport *report,
                      gboolean *out_clean, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (GMappedFile) map = g_mapped_file_new (path, FALSE, &failed);
  Reading self = { .sink = sink, .report = report, .mark = mark };
  gboolean ok;

  if (map == NULL)
    return hf_error_set (error, HF_ERROR_IO, "books-open", "%s", failed->message);
  *out_clean = TRUE;
  if (g_mapped_file_get_length (map) == 0)
    return TRUE;
  self.text = g_mapped_file_get_contents (map);
  self.end = self.text + g_mapped_file_get_length (map);
  hf_statement_init (&self.statement);
  ok = check_version (&self, path, error) && read_groups (&self, out_clean, error);
  hf_statement_clear (&self.statement);
  hf_hash_clear (&self.hash);
  return ok;
}

gboolean
hf_daybook_read (const gchar *spool, const HfDaybookMark *after, const HfDaybookSink *sink,
                 HfDaybookReport *out_report, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (spool, HF_BOOKS_DIRECTORY, NULL);
  g_autoptr (GArray) seqs = hf_daybook_list (dir_path, error);
  HfDaybookMark mark = { 0 };

  memset (out_report, 0, sizeof *out_report);
  if (seqs == NULL)
    return FALSE;
  if (after != NULL)
    mark = *after;
  for (guint i = 0; i < seqs->len; i++)
    {
      const guint64 seq = g_array_index (seqs, guint64, i);
      g_autofree gchar *path = NULL;
      HfDaybookName name;
      gboolean clean;

      if (seq < mark.seq)
        continue;
      if (seq > mark.seq)
        mark.offset = 0;
      mark.seq = seq;
      hf_daybook_name (seq, &name);
      path = g_build_filename (dir_path, name.text, NULL);
      if (!hf_daybook_read_file (path, &mark, sink, out_report, &clean, error))
        return FALSE;
    }
  return TRUE;
}
