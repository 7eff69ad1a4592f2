/* readers.c - the lock between those who read segments and what removes them; see readers.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/journal/readers.h"

#include <errno.h>
#include <fcntl.h>

#define SHARE_WAIT_MS (60 * 1000)
#define PAUSE_US (20 * 1000)

/* Locks, trying again until @wait_ms have passed.  -1 and errno. */
static int
lock_within (int fd, int exclusive, gint64 wait_ms)
{
  const gint64 until_ms = hf_sys_monotonic_ms () + wait_ms;

  while (hf_sys.lock (fd, exclusive) < 0)
    {
      if (errno != EAGAIN && errno != EACCES && errno != EINTR)
        return -1;
      if (hf_sys_monotonic_ms () >= until_ms)
        {
          errno = EAGAIN;
          return -1;
        }
      g_usleep (PAUSE_US);
    }
  return 0;
}

/* Opens the file, made where it is missing. */
static int
open_file (int dir_fd, int mode, GError **error)
{
  for (;;)
    {
      int fd = hf_sys.openat (dir_fd, HF_JOURNAL_READERS, mode | O_CLOEXEC | O_NOFOLLOW, 0);

      if (fd >= 0 || errno != ENOENT)
        {
          if (fd < 0)
            hf_error_set_errno (error, errno, "readers-open", "cannot open the journal's file '%s'", HF_JOURNAL_READERS);
          return fd;
        }
      fd = hf_sys.openat (dir_fd, HF_JOURNAL_READERS, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
      if (fd < 0 && errno == EEXIST)
        continue; /* somebody else was faster */
      if (fd < 0)
        {
          hf_error_set_errno (error, errno, "readers-open", "cannot make the journal's file '%s'", HF_JOURNAL_READERS);
          return -1;
        }
      if (!hf_directory_adopt (dir_fd, fd, error))
        hf_sys_close (&fd);
      return fd;
    }
}

gboolean
hf_readers_share (const gchar *dir_path, int *out_fd, GError **error)
{
  int dir_fd = hf_sys.open (dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

  *out_fd = dir_fd >= 0 ? open_file (dir_fd, O_RDONLY, NULL) : -1;
  hf_sys_close (&dir_fd);
  if (*out_fd < 0 || lock_within (*out_fd, 0, SHARE_WAIT_MS) == 0)
    return TRUE;
  if (errno == EAGAIN)
    {
      hf_sys_close (out_fd);
      return hf_error_set (error, HF_ERROR_BUSY, "readers-lock", "journal '%s' is being trimmed; try again later", dir_path);
    }
  hf_sys_close (out_fd); /* a file system without locks */
  return TRUE;
}

gboolean
hf_readers_exclude (int dir_fd, gint64 wait_ms, int *out_fd, GError **error)
{
  gint failed;

  *out_fd = open_file (dir_fd, O_RDWR, error);
  if (*out_fd < 0)
    return FALSE;
  if (lock_within (*out_fd, 1, wait_ms) == 0)
    return TRUE;
  failed = errno;
  hf_sys_close (out_fd);
  if (failed == EAGAIN)
    return hf_error_set (error, HF_ERROR_BUSY, "readers-lock",
                         "journal is being read by another program of Holdfast; try again when it has ended");
  return hf_error_set_errno (error, failed, "readers-lock", "cannot lock the journal against readers");
}
