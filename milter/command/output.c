/* output.c - a file that is either whole under its name or not there; see output.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/command/output.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BUFFER_SIZE (256 * 1024)

static gboolean
set_exists (const gchar *name, GError **error)
{
  return hf_error_set (error, HF_ERROR_CONFIG, "output-open", "'%s' exists already, and nothing is overwritten", name);
}

gboolean
hf_output_open (HfOutput *self, int dir_fd, const gchar *name, GError **error)
{
  struct stat st;
  guint32 random;

  *self = (HfOutput) { .fd = -1, .dir_fd = dir_fd };
  if (hf_sys.fstatat (dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
    return set_exists (name, error);
  hf_sys_random (&random, sizeof random);
  self->draft = g_strdup_printf (".%s.%08x.part", name, random);
  self->fd = hf_sys.openat (dir_fd, self->draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->fd < 0)
    {
      hf_error_set_errno (error, errno, "output-open", "cannot make '%s'", name);
      g_clear_pointer (&self->draft, g_free);
      return FALSE;
    }
  self->name = g_strdup (name);
  self->buffer = g_string_sized_new (BUFFER_SIZE);
  return TRUE;
}

void
hf_output_open_stdout (HfOutput *self)
{
  *self = (HfOutput) { .fd = STDOUT_FILENO, .dir_fd = -1 };
  self->name = g_strdup ("standard output");
  self->buffer = g_string_sized_new (BUFFER_SIZE);
}

static gboolean
flush (HfOutput *self, GError **error)
{
  if (hf_sys_write_all (self->fd, self->buffer->str, self->buffer->len) < 0)
    return hf_error_set_errno (error, errno, "output-write", "cannot write '%s'", self->name);
  self->flushed += self->buffer->len;
  g_string_truncate (self->buffer, 0);
  return TRUE;
}

gboolean
hf_output_write (gconstpointer data, gsize size, gpointer output, GError **error)
{
  HfOutput *self = output;

  g_string_append_len (self->buffer, data, (gssize) size);
  return self->buffer->len < BUFFER_SIZE || flush (self, error);
}

guint64
hf_output_tell (const HfOutput *self)
{
  return self->flushed + self->buffer->len;
}

gboolean
hf_output_cut (HfOutput *self, guint64 position, GError **error)
{
  if (position >= self->flushed)
    {
      g_string_truncate (self->buffer, (gsize) (position - self->flushed));
      return TRUE;
    }
  if (self->dir_fd < 0)
    return hf_error_set (error, HF_ERROR_IO, "output-cut", "standard output has a part of a message already");
  if (hf_sys.ftruncate (self->fd, (off_t) position) < 0 || lseek (self->fd, (off_t) position, SEEK_SET) < 0)
    return hf_error_set_errno (error, errno, "output-cut", "cannot take back a part of '%s'", self->name);
  g_string_truncate (self->buffer, 0);
  self->flushed = position;
  return TRUE;
}

static void
forget (HfOutput *self)
{
  if (self->dir_fd >= 0)
    hf_sys_close (&self->fd);
  self->fd = -1;
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->draft, g_free);
  if (self->buffer != NULL)
    g_string_free (self->buffer, TRUE);
  self->buffer = NULL;
}

void
hf_output_abandon (HfOutput *self)
{
  if (self->draft != NULL)
    hf_sys.unlinkat (self->dir_fd, self->draft, 0);
  forget (self);
}

static gboolean
name_it (HfOutput *self, GError **error)
{
  if (hf_sys.fsync (self->fd) < 0)
    return hf_error_set_errno (error, errno, "output-sync", "cannot sync '%s'", self->name);
  if (hf_sys.rename_new (self->dir_fd, self->draft, self->dir_fd, self->name) == 0)
    return TRUE;
  if (errno == EEXIST)
    return set_exists (self->name, error);
  return hf_error_set_errno (error, errno, "output-name", "cannot name '%s'", self->name);
}

/* Pipes and terminals can't be synced; that says nothing against them. */
static gboolean
finish_stdout (HfOutput *self, GError **error)
{
  if (hf_sys.fsync (self->fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
    return hf_error_set_errno (error, errno, "output-sync", "cannot sync '%s'", self->name);
  return TRUE;
}

gboolean
hf_output_finish (HfOutput *self, GError **error)
{
  if (flush (self, error) && (self->dir_fd < 0 ? finish_stdout (self, error) : name_it (self, error)))
    {
      forget (self);
      return TRUE;
    }
  hf_output_abandon (self);
  return FALSE;
}
