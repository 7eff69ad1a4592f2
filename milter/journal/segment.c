/* segment.c - one append-only journal file, from creation to closing; see segment.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/reader.h"
#include "milter/journal/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define ZEROES_SIZE (256 * 1024)

static gboolean
write_piece (int fd, const guint8 *zeroes, gsize size, guint64 at, const gboolean *stop, GError **error)
{
  if (g_atomic_int_get (stop))
    return hf_error_set (error, HF_ERROR_BUSY, "spare-write", "stopping");
  if (hf_sys_pwrite_all (fd, zeroes, size, (off_t) at) < 0)
    return hf_error_set_errno (error, errno, "spare-write", "cannot write spare segment ahead");
  return TRUE;
}

/* NULs are written, not promised: fallocate leaves extents to be converted at
 * the first sync, and on some file systems room that is not there after all. */
static gboolean
write_nuls (int fd, guint64 size, HfUsage *usage, const gboolean *stop, GError **error)
{
  g_autofree guint8 *zeroes = g_malloc0 (ZEROES_SIZE);
  guint64 left = size;

  while (left > 0 && write_piece (fd, zeroes, (gsize) MIN (ZEROES_SIZE, left), size - left, stop, error))
    {
      hf_usage_settle (usage, MIN (ZEROES_SIZE, left), TRUE);
      left -= MIN (ZEROES_SIZE, left);
    }
  hf_usage_settle (usage, left, FALSE);
  return left == 0;
}

static gboolean
is_nul (const guint8 *data, gsize size)
{
  return size == 0 || (data[0] == 0 && memcmp (data, data + 1, size - 1) == 0);
}

/* Where the NULs begin that the file ends with, on a block's start; FALSE: it can't
 * be read. */
static gboolean
find_nuls (int fd, guint64 from, guint64 size, guint64 *out_begin)
{
  g_autofree guint8 *data = g_malloc (HF_BLOCK);
  guint64 begin = size;

  while (begin > from)
    {
      const guint64 block = (begin - 1) / HF_BLOCK * HF_BLOCK;
      const gsize length = (gsize) (begin - block);

      if (hf_sys_pread_all (fd, data, length, (off_t) block) != (gssize) length)
        return FALSE;
      if (!is_nul (data, length))
        break;
      begin = block;
    }
  *out_begin = MAX (begin, from);
  return TRUE;
}

static gboolean
is_newer (int fd, guint64 size)
{
  HfReader reader;
  gboolean newer;

  if (!hf_reader_init (&reader, fd, size, HF_READ_SKIM, NULL, NULL))
    return TRUE;
  newer = reader.newer_version != 0;
  hf_reader_clear (&reader);
  return newer;
}

void
hf_segment_give_back (const gchar *path, guint64 from)
{
  int fd = hf_sys.open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
  struct stat st;
  guint64 begin;

  if (fd >= 0 && hf_sys.fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && !is_newer (fd, (guint64) st.st_size)
      && find_nuls (fd, from, (guint64) st.st_size, &begin) && begin < (guint64) st.st_size)
    hf_sys.ftruncate (fd, (off_t) begin);
  hf_sys_close (&fd);
}

static gboolean
sync_spare (int dir_fd, int fd, GError **error)
{
  if (hf_sys.fsync (fd) < 0)
    return hf_error_set_errno (error, errno, "spare-sync", "cannot sync spare segment");
  if (hf_sys.fsync (dir_fd) < 0)
    return hf_error_set_errno (error, errno, "spare-sync", "cannot sync journal directory");
  return TRUE;
}

/* Told to stop, the helper's journal is gone, and the name may be another's. */
static gboolean
may_go_on (const gboolean *stop, GError **error)
{
  return !g_atomic_int_get (stop) || hf_error_set (error, HF_ERROR_BUSY, "spare-open", "stopping");
}

static int
create_spare (int dir_fd, const gchar *name, const gboolean *stop, GError **error)
{
  int fd;

  if (!may_go_on (stop, error))
    return -1;
  if (hf_sys.unlinkat (dir_fd, name, 0) < 0 && errno != ENOENT)
    {
      hf_error_set_errno (error, errno, "spare-open", "cannot remove old spare segment");
      return -1;
    }
  /* again: it may have hung, and an empty file must not be found under that name */
  if (!may_go_on (stop, error))
    return -1;
  fd = hf_sys.openat (dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    hf_error_set_errno (error, errno, "spare-open", "cannot create spare segment");
  return fd;
}

gboolean
hf_spare_make (int dir_fd, const gchar *name, guint64 size, HfAhead ahead, HfUsage *usage, const gboolean *stop,
               GError **error)
{
  gboolean ok = TRUE;
  int fd = create_spare (dir_fd, name, stop, error);

  if (fd < 0)
    {
      hf_usage_settle (usage, ahead != HF_AHEAD_NO ? size : 0, FALSE);
      return FALSE;
    }
  /* The flag was tried out when the journal was opened (ground.h).  Should it
   * fail here after all, the NULs are worth less, and mail is taken all the same. */
  if (ahead == HF_AHEAD_NOCOW)
    hf_sys.no_copy_on_write (fd);
  if (ahead != HF_AHEAD_NO)
    ok = write_nuls (fd, size, usage, stop, error);
  ok = ok && sync_spare (dir_fd, fd, error);
  hf_sys_close (&fd);
  if (!ok && !g_atomic_int_get (stop))
    hf_sys.unlinkat (dir_fd, name, 0);
  return ok;
}

static gboolean
open_spare (int dir_fd, const gchar *spare, HfSegment *self, GError **error)
{
  self->write_fd = hf_sys.openat (dir_fd, spare, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
  if (self->write_fd < 0)
    return hf_error_set_errno (error, errno, "segment-open", "cannot open spare segment");
  self->read_fd = hf_sys.openat (dir_fd, spare, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
  if (self->read_fd < 0)
    return hf_error_set_errno (error, errno, "segment-open", "cannot open spare segment for reading");
  return TRUE;
}

/* The helper of a journal that was given up may have replaced the spare meanwhile. */
static gboolean
is_still_named (const HfSegment *self, int dir_fd, const gchar *spare, GError **error)
{
  struct stat ours, found;

  if (hf_sys.fstat (self->write_fd, &ours) < 0 || hf_sys.fstatat (dir_fd, spare, &found, AT_SYMLINK_NOFOLLOW) < 0)
    return hf_error_set_errno (error, errno, "segment-name", "cannot look at spare segment");
  return (ours.st_dev == found.st_dev && ours.st_ino == found.st_ino)
         || hf_error_set (error, HF_ERROR_IO, "segment-name", "spare segment is another file now");
}

HfSegment *
hf_segment_activate (int dir_fd, const gchar *dir_path, const gchar *spare, guint64 seq, const HfNonce *nonce,
                     const GString *head, guint64 size, GError **error)
{
  g_autoptr (HfSegment) self = g_new0 (HfSegment, 1);
  HfSegmentName name;

  hf_segment_name (seq, &name);
  self->path = g_build_filename (dir_path, name.text, NULL);
  self->seq = seq;
  self->nonce = *nonce;
  self->write_fd = self->read_fd = -1;
  self->size = size > 0 ? size : G_MAXUINT64;
  if (!open_spare (dir_fd, spare, self, error) || !hf_segment_write (self, head->str, head->len, 0, error))
    return NULL;
  if (hf_sys.fdatasync (self->write_fd) < 0)
    {
      hf_error_set_errno (error, errno, "segment-sync", "cannot sync header of segment '%s'", self->path);
      return NULL;
    }
  if (!is_still_named (self, dir_fd, spare, error))
    return NULL;
  if (hf_sys.rename_new (dir_fd, spare, dir_fd, name.text) < 0)
    {
      hf_error_set_errno (error, errno, "segment-name", "cannot name segment '%s'", self->path);
      return NULL;
    }
  if (hf_sys.fsync (dir_fd) < 0)
    {
      hf_error_set_errno (error, errno, "segment-sync", "cannot sync directory of segment '%s'", self->path);
      return NULL;
    }
  self->written = head->len;
  self->synced = head->len;
  return g_steal_pointer (&self);
}

gboolean
hf_segment_write (HfSegment *self, gconstpointer data, gsize size, guint64 offset, GError **error)
{
  g_assert (offset >= self->synced);
  if (hf_sys_pwrite_all (self->write_fd, data, size, (off_t) offset) < 0)
    return hf_error_set_errno (error, errno, "segment-write", "cannot write segment '%s'", self->path);
  return TRUE;
}

gboolean
hf_segment_write_out (HfSegment *self, guint64 offset, guint64 size, GError **error)
{
  if (hf_sys.write_out (self->write_fd, (off_t) offset, (off_t) size) == 0 || errno == ENOSYS || errno == EPERM)
    return TRUE;
  return hf_error_set_errno (error, errno, "segment-write", "cannot write segment '%s' out", self->path);
}

gboolean
hf_segment_check_path (const HfSegment *self, GError **error)
{
  const gint same = hf_sys_same_file (self->write_fd, self->path);

  if (same < 0)
    return hf_error_set_errno (error, errno, "path-check", "segment '%s' is gone", self->path);
  if (same == 0)
    return hf_error_set (error, HF_ERROR_IO, "path-check", "segment '%s' is another file now", self->path);
  return TRUE;
}

gboolean
hf_segment_sync (HfSegment *self, guint64 end, GError **error)
{
  if (hf_sys.fdatasync (self->write_fd) < 0)
    return hf_error_set_errno (error, errno, "segment-sync", "cannot sync segment '%s'", self->path);
  if (!hf_segment_check_path (self, error))
    return FALSE;
  self->synced = end;
  return TRUE;
}

void
hf_segment_close_clean (HfSegment *self)
{
  /* Only NULs lie behind what is synced; where the cut fails they just stay. */
  if (self->size != G_MAXUINT64 && hf_sys.ftruncate (self->write_fd, (off_t) self->synced) == 0)
    hf_sys.fsync (self->write_fd);
  hf_segment_free (self);
}

void
hf_segment_free (HfSegment *self)
{
  if (self == NULL)
    return;
  hf_sys_close (&self->write_fd);
  hf_sys_close (&self->read_fd);
  g_free (self->path);
  g_free (self);
}
