/* act.c - an operator's act in the making, and on its way to stable storage; see act.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/act.h"
#include "milter/journal/acts.h"
#include "milter/journal/directory.h"

#include <errno.h>
#include <fcntl.h>

void
hf_act_begin (HfActDraft *self, const gchar *outcome, const HfWho *who, const gchar *reason)
{
  gchar at[25];

  hf_id_new (&self->id);
  self->text = g_string_new (NULL);
  hf_time_format (hf_id_wall_ms (self->id.text), at);
  hf_statement_begin (&self->builder, self->text, "act");
  hf_statement_add_number (&self->builder, "v", HF_ACT_VERSION);
  hf_statement_add (&self->builder, "id", self->id.text, -1);
  hf_statement_add (&self->builder, "at", at, -1);
  hf_statement_add (&self->builder, "verb", "settle", -1);
  hf_statement_add (&self->builder, "outcome", outcome, -1);
  hf_statement_new_line (&self->builder);
  hf_who_write (who, &self->builder);
  hf_statement_add (&self->builder, "reason", reason, -1);
}

void
hf_act_clear (HfActDraft *self)
{
  if (self->text != NULL)
    g_string_free (self->text, TRUE);
  self->text = NULL;
}

void
hf_act_add_message (HfActDraft *self, const gchar *id, guint64 seq, const GPtrArray *addresses)
{
  hf_statement_new_line (&self->builder);
  hf_statement_add (&self->builder, "message", id, -1);
  hf_statement_add_number (&self->builder, "segment", seq);
  if (addresses == NULL)
    hf_statement_add (&self->builder, "recipients", "all", -1);
  for (guint i = 0; addresses != NULL && i < addresses->len; i++)
    hf_statement_add (&self->builder, "recipient", g_ptr_array_index (addresses, i), -1);
}

void
hf_act_add_place (HfActDraft *self, guint64 seq, guint64 offset, guint64 length)
{
  hf_statement_new_line (&self->builder);
  hf_statement_add_number (&self->builder, "segment", seq);
  hf_statement_add_number (&self->builder, "place", offset);
  hf_statement_add_number (&self->builder, "length", length);
}

/* SPOOL/acts, made where it is missing, and its maker synced. */
static int
open_directory (const gchar *spool, GError **error)
{
  int spool_fd = hf_sys.open (spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  gboolean ok = FALSE;
  int fd = -1;

  if (spool_fd < 0)
    {
      hf_error_set_errno (error, errno, "act-directory", "cannot open spool '%s'", spool);
      return -1;
    }
  if (hf_sys.mkdirat (spool_fd, HF_ACTS_DIRECTORY, 0700) < 0 && errno != EEXIST)
    hf_error_set_errno (error, errno, "act-directory", "cannot make '%s/%s'", spool, HF_ACTS_DIRECTORY);
  else if ((fd = hf_sys.openat (spool_fd, HF_ACTS_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0)) < 0)
    hf_error_set_errno (error, errno, "act-directory", "cannot open '%s/%s'", spool, HF_ACTS_DIRECTORY);
  else if (hf_directory_adopt (spool_fd, fd, error))
    ok = hf_sys.fsync (spool_fd) == 0
         || hf_error_set_errno (error, errno, "act-directory", "cannot sync spool '%s'", spool);
  hf_sys_close (&spool_fd);
  if (!ok)
    hf_sys_close (&fd);
  return fd;
}

static gboolean
write_file (const HfActDraft *self, int dir_fd, const gchar *name, GError **error)
{
  int fd = hf_sys.openat (dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  gboolean ok;

  if (fd < 0)
    return hf_error_set_errno (error, errno, "act-write", "cannot make act '%s'", name);
  ok = hf_directory_adopt (dir_fd, fd, error)
       && (hf_sys_write_all (fd, self->text->str, self->text->len) == 0
           || hf_error_set_errno (error, errno, "act-write", "cannot write act '%s'", name))
       && (hf_sys.fsync (fd) == 0 || hf_error_set_errno (error, errno, "act-write", "cannot sync act '%s'", name));
  hf_sys_close (&fd);
  return ok;
}

/* Under another name first: a crash leaves no half of an act that counts. */
static gboolean
write_and_name (const HfActDraft *self, int dir_fd, GError **error)
{
  g_autofree gchar *draft = g_strconcat (self->id.text, ".new", NULL);
  g_autofree gchar *name = g_strconcat (self->id.text, HF_ACT_SUFFIX, NULL);

  if (!write_file (self, dir_fd, draft, error))
    {
      hf_sys.unlinkat (dir_fd, draft, 0);
      return FALSE;
    }
  if (hf_sys.rename_new (dir_fd, draft, dir_fd, name) < 0)
    {
      hf_error_set_errno (error, errno, "act-write", "cannot name act '%s'", name);
      hf_sys.unlinkat (dir_fd, draft, 0);
      return FALSE;
    }
  if (hf_sys.fsync (dir_fd) == 0)
    return TRUE;
  hf_error_set_errno (error, errno, "act-write", "cannot sync '%s'", HF_ACTS_DIRECTORY);
  hf_sys.unlinkat (dir_fd, name, 0);
  return FALSE;
}

gboolean
hf_act_write (HfActDraft *self, const gchar *spool, GError **error)
{
  HfHash hash = { NULL };
  gboolean ok;
  int dir_fd;

  hf_statement_end (&self->builder);
  ok = hf_record_end_alone (self->text, 0, &hash);
  hf_hash_clear (&hash);
  if (!ok)
    return hf_error_set (error, HF_ERROR_IO, "act-write", "no memory for a digest");
  dir_fd = open_directory (spool, error);
  if (dir_fd < 0)
    return FALSE;
  ok = write_and_name (self, dir_fd, error);
  hf_sys_close (&dir_fd);
  return ok;
}
