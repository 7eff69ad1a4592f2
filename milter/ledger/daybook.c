/* daybook.c - spool/books: the writer; see daybook.h
 *
 * One write and one sync a group.  After a failed write or sync the file is
 * never written again (a second sync proves nothing): the daybook refuses all
 * further groups, and the next auditor opens a new file.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/ledger/daybook-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Room that a group begins with. */
#define GROUP_SIZE (64 * 1024)

struct HfDaybook
{
  gchar *dir_path;
  int dir_fd;
  int lock_fd;
  int fd;          /* of the file of mark.seq; -1: a new one is due */
  gboolean failed;
  HfDaybookMark mark;
  guint64 last_seq; /* greatest number of any file */
  GString *group;
  HfStatementBuilder builder;
  HfStatement scratch;
  HfHash hash;
};

static gboolean
open_directory (HfDaybook *self, const gchar *spool, GError **error)
{
  int spool_fd = hf_sys.open (spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

  if (spool_fd < 0)
    return hf_error_set_errno (error, errno, "books-open", "cannot open spool '%s'", spool);
  if (hf_sys.mkdirat (spool_fd, HF_BOOKS_DIRECTORY, 0700) == 0)
    hf_sys.fsync (spool_fd); /* found out at the first commit where it failed: the file is synced with its directory */
  self->dir_fd = hf_sys.openat (spool_fd, HF_BOOKS_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (self->dir_fd < 0)
    hf_error_set_errno (error, errno, "books-open", "cannot open '%s'", self->dir_path);
  else if (!hf_directory_adopt (spool_fd, self->dir_fd, error))
    hf_sys_close (&self->dir_fd);
  hf_sys_close (&spool_fd);
  return self->dir_fd >= 0;
}

static gboolean
take_lock (HfDaybook *self, GError **error)
{
  gchar text[32];

  self->lock_fd = hf_sys.openat (self->dir_fd, HF_BOOKS_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->lock_fd < 0)
    return hf_error_set_errno (error, errno, "books-lock", "cannot open lock of '%s'", self->dir_path);
  if (hf_sys.lock (self->lock_fd, 1) < 0)
    return errno == EAGAIN || errno == EACCES
               ? hf_error_set (error, HF_ERROR_BUSY, "books-lock", "another auditor keeps the books in '%s'", self->dir_path)
               : hf_error_set_errno (error, errno, "books-lock", "cannot lock '%s'", self->dir_path);
  if (!hf_directory_adopt (self->dir_fd, self->lock_fd, error))
    return FALSE;
  g_snprintf (text, sizeof text, "%-10d\n", (int) getpid ());
  hf_sys_pwrite_all (self->lock_fd, text, strlen (text), 0);
  return TRUE;
}

static gboolean
pass_over (const gchar *kind, const HfStatement *statement, gpointer data, GError **error)
{
  return TRUE;
}

/* Reads the newest file, and older ones while those before hold no group, for
 * where the chain ends. */
static gboolean
find_end (HfDaybook *self, GError **error)
{
  const HfDaybookSink sink = { .statement = pass_over };
  g_autoptr (GArray) seqs = hf_daybook_list (self->dir_path, error);
  gboolean clean = FALSE;

  if (seqs == NULL)
    return FALSE;
  if (seqs->len > 0)
    self->last_seq = g_array_index (seqs, guint64, seqs->len - 1);
  for (guint i = seqs->len; i > 0 && self->mark.group == 0; i--)
    {
      HfDaybookReport report = { 0 };
      HfDaybookName name;
      g_autofree gchar *path = NULL;

      self->mark.seq = g_array_index (seqs, guint64, i - 1);
      self->mark.offset = 0;
      hf_daybook_name (self->mark.seq, &name);
      path = g_build_filename (self->dir_path, name.text, NULL);
      if (!hf_daybook_read_file (path, &self->mark, &sink, &report, &clean, error))
        return FALSE;
    }
  if (self->mark.group == 0)
    memset (&self->mark, 0, sizeof self->mark);
  if (self->mark.group > 0 && clean && self->mark.seq == self->last_seq)
    {
      HfDaybookName name;

      hf_daybook_name (self->mark.seq, &name);
      self->fd = hf_sys.openat (self->dir_fd, name.text, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    }
  return TRUE;
}

HfDaybook *
hf_daybook_open (const gchar *spool, GError **error)
{
  g_autoptr (HfDaybook) self = g_new0 (HfDaybook, 1);

  self->dir_path = g_build_filename (spool, HF_BOOKS_DIRECTORY, NULL);
  self->dir_fd = self->lock_fd = self->fd = -1;
  self->group = g_string_sized_new (GROUP_SIZE);
  hf_statement_init (&self->scratch);
  if (!open_directory (self, spool, error) || !take_lock (self, error) || !find_end (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
hf_daybook_free (HfDaybook *self)
{
  if (self == NULL)
    return;
  hf_sys_close (&self->fd);
  hf_sys_close (&self->lock_fd);
  hf_sys_close (&self->dir_fd);
  g_string_free (self->group, TRUE);
  hf_statement_clear (&self->scratch);
  hf_hash_clear (&self->hash);
  g_free (self->dir_path);
  g_free (self);
}

HfStatementBuilder *
hf_daybook_begin (HfDaybook *self, const gchar *kind)
{
  hf_statement_begin (&self->builder, self->group, kind);
  return &self->builder;
}

gsize
hf_daybook_pending (const HfDaybook *self)
{
  return self->group->len;
}

const HfDaybookMark *
hf_daybook_mark (const HfDaybook *self)
{
  return &self->mark;
}

/* Seals what stands in @group from @start on. */
static gboolean
seal (HfDaybook *self, gsize start, guint64 number, HfDigest *chain, GError **error)
{
  gchar digest_text[HF_DIGEST_HEX + 1], chain_text[HF_DIGEST_HEX + 1];
  HfStatementBuilder builder;
  HfDigest digest;

  if (!hf_hash_begin (&self->hash) || !hf_hash_add (&self->hash, self->group->str + start, self->group->len - start)
      || !hf_hash_end (&self->hash, NULL, &digest) || !hf_daybook_chain (&self->hash, chain, &digest, chain))
    return hf_error_set (error, HF_ERROR_IO, "books-digest", "cannot make a digest");
  hf_hex_encode (digest.octets, sizeof digest.octets, digest_text);
  hf_hex_encode (chain->octets, sizeof chain->octets, chain_text);
  hf_statement_begin (&builder, self->group, "commit");
  hf_statement_add_number (&builder, "group", number);
  hf_statement_add (&builder, "digest", digest_text, -1);
  hf_statement_add (&builder, "chain", chain_text, -1);
  hf_statement_end (&builder);
  return TRUE;
}

/* A new file begins with a group that holds its header alone. */
static gboolean
start_file (HfDaybook *self, GError **error)
{
  GString *kept = self->group;
  HfStatementBuilder builder;
  HfDaybookName name;
  gchar created[25];
  gboolean ok;

  hf_sys_close (&self->fd);
  hf_daybook_name (self->last_seq + 1, &name);
  self->fd = hf_sys.openat (self->dir_fd, name.text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->fd < 0)
    return hf_error_set_errno (error, errno, "books-create", "cannot create '%s/%s'", self->dir_path, name.text);
  self->last_seq++;
  self->mark.seq = self->last_seq;
  self->mark.offset = 0;
  self->group = g_string_sized_new (1024);
  hf_time_format (hf_sys_wall_ms (), created);
  hf_statement_begin (&builder, self->group, "books");
  hf_statement_add_number (&builder, "v", HF_BOOKS_VERSION);
  hf_statement_add_number (&builder, "seq", self->mark.seq);
  hf_statement_add (&builder, "created", created, -1);
  hf_statement_end (&builder);
  ok = hf_directory_adopt (self->dir_fd, self->fd, error) && seal (self, 0, ++self->mark.group, &self->mark.chain, error);
  if (ok && hf_sys_pwrite_all (self->fd, self->group->str, self->group->len, 0) < 0)
    ok = hf_error_set_errno (error, errno, "books-write", "cannot write '%s/%s'", self->dir_path, name.text);
  self->mark.offset = self->group->len;
  if (ok && (hf_sys.fdatasync (self->fd) < 0 || hf_sys.fsync (self->dir_fd) < 0))
    ok = hf_error_set_errno (error, errno, "books-sync", "cannot sync '%s/%s'", self->dir_path, name.text);
  g_string_free (self->group, TRUE);
  self->group = kept;
  return ok;
}

static gboolean
write_group (HfDaybook *self, GError **error)
{
  HfDigest chain;

  if ((self->fd < 0 || self->mark.offset >= HF_BOOKS_FILE_SIZE) && !start_file (self, error))
    return FALSE;
  chain = self->mark.chain;
  if (!seal (self, 0, self->mark.group + 1, &chain, error))
    return FALSE;
  if (hf_sys_pwrite_all (self->fd, self->group->str, self->group->len, (off_t) self->mark.offset) < 0)
    return hf_error_set_errno (error, errno, "books-write", "cannot write books in '%s'", self->dir_path);
  if (hf_sys.fdatasync (self->fd) < 0)
    return hf_error_set_errno (error, errno, "books-sync", "cannot sync books in '%s'", self->dir_path);
  self->mark.group++;
  self->mark.offset += self->group->len;
  self->mark.chain = chain;
  return TRUE;
}

gboolean
hf_daybook_commit_taking (HfDaybook *self, GString **out_group, GError **error)
{
  const gsize size = self->group->len;

  *out_group = NULL;
  if (self->failed)
    return hf_error_set (error, HF_ERROR_IO, "books-write", "books in '%s' failed before", self->dir_path);
  if (size == 0)
    return TRUE;
  self->failed = !write_group (self, error);
  g_string_truncate (self->group, self->failed ? 0 : size);
  if (self->failed)
    return FALSE;
  *out_group = self->group;
  self->group = g_string_sized_new (GROUP_SIZE);
  return TRUE;
}

gboolean
hf_daybook_commit (HfDaybook *self, const HfDaybookSink *sink, GError **error)
{
  GString *group = NULL;
  gboolean ok = hf_daybook_commit_taking (self, &group, error);

  if (group == NULL)
    return ok;
  if (sink != NULL)
    ok = hf_daybook_give (group->str, group->len, &self->scratch, sink, error)
         && (sink->committed == NULL || sink->committed (&self->mark, sink->data, error));
  g_string_free (group, TRUE);
  return ok;
}
