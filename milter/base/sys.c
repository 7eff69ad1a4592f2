/* sys.c - the table of system calls, and small loops over it
 *
 * See sys.h.  This is the one file of the tree that calls what only
 * GNU/Linux has: O_TMPFILE's openat, renameat2, OFD locks, getrandom, the
 * kinds, flags and extents of files, the default size of a stack, /proc and /sys.
 */
#include <config.h>

#include "milter/base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static int
real_open (const char *path, int flags, mode_t mode)
{
  return open (path, flags, mode);
}

static int
real_openat (int dir_fd, const char *path, int flags, mode_t mode)
{
  return openat (dir_fd, path, flags, mode);
}

static int
real_rename_new (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path)
{
  if (renameat2 (old_dir_fd, old_path, new_dir_fd, new_path, RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL)
    return -1;
  /* The file system has no such flag: a link never overwrites either. */
  if (linkat (old_dir_fd, old_path, new_dir_fd, new_path, 0) < 0)
    return -1;
  return unlinkat (old_dir_fd, old_path, 0);
}

static int
real_fstat (int fd, struct stat *out_st)
{
  return fstat (fd, out_st);
}

static int
real_stat (const char *path, struct stat *out_st)
{
  return stat (path, out_st);
}

static int
real_look (int fd, const char *path, struct stat *out_st)
{
  struct statx found;

  if (statx (path != NULL ? AT_FDCWD : fd, path != NULL ? path : "", path != NULL ? 0 : AT_EMPTY_PATH,
             STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_INO | STATX_SIZE, &found) < 0)
    {
      /* a filter of system calls that does not know this one */
      if (errno == EPERM || errno == ENOSYS)
        return path != NULL ? stat (path, out_st) : fstat (fd, out_st);
      return -1;
    }
  *out_st = (struct stat){ .st_dev = makedev (found.stx_dev_major, found.stx_dev_minor), .st_ino = found.stx_ino,
                           .st_mode = found.stx_mode, .st_nlink = found.stx_nlink, .st_uid = found.stx_uid,
                           .st_gid = found.stx_gid, .st_size = (off_t) found.stx_size };
  return 0;
}

static int
real_lock (int fd, int exclusive)
{
  struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

  return fcntl (fd, F_OFD_SETLK, &lock);
}

static int
real_lock_is_held (int fd)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  if (fcntl (fd, F_OFD_GETLK, &lock) < 0)
    return -1;
  return lock.l_type == F_UNLCK ? 0 : 1;
}

static int
real_fs_type (int fd, guint64 *out_type)
{
  struct statfs st;

  if (fstatfs (fd, &st) < 0)
    return -1;
  *out_type = (guint64) st.f_type & G_MAXUINT32; /* the field is signed and as wide as it likes */
  return 0;
}

static int
real_no_copy_on_write (int fd)
{
  int flags = 0;

  if (ioctl (fd, FS_IOC_GETFLAGS, &flags) < 0)
    return -1;
  flags |= FS_NOCOW_FL;
  if (ioctl (fd, FS_IOC_SETFLAGS, &flags) < 0 || ioctl (fd, FS_IOC_GETFLAGS, &flags) < 0)
    return -1;
  if ((flags & FS_NOCOW_FL) != 0)
    return 0;
  errno = EOPNOTSUPP;
  return -1;
}

static int
real_is_shared (int fd)
{
  enum { AT_ONCE = 64 };
  union
  {
    struct fiemap map;
    char room[sizeof (struct fiemap) + AT_ONCE * sizeof (struct fiemap_extent)];
  } ask;
  const struct fiemap_extent *last = NULL;

  memset (&ask, 0, sizeof ask);
  do
    {
      ask.map.fm_start = last != NULL ? last->fe_logical + last->fe_length : 0;
      ask.map.fm_length = FIEMAP_MAX_OFFSET - ask.map.fm_start;
      ask.map.fm_extent_count = AT_ONCE;
      if (ioctl (fd, FS_IOC_FIEMAP, &ask.map) < 0)
        return -1;
      for (guint i = 0; i < ask.map.fm_mapped_extents; i++)
        if ((ask.map.fm_extents[i].fe_flags & FIEMAP_EXTENT_SHARED) != 0)
          return 1;
      last = ask.map.fm_mapped_extents > 0 ? &ask.map.fm_extents[ask.map.fm_mapped_extents - 1] : NULL;
    }
  while (last != NULL && (last->fe_flags & FIEMAP_EXTENT_LAST) == 0);
  return 0;
}

/* A number of the kernel's for the data of the btrfs @info. */
static gboolean
read_allocation (const struct btrfs_ioctl_fs_info_args *info, const char *name, guint64 *out_octets)
{
  g_autoptr (GString) path = g_string_new ("/sys/fs/btrfs/");
  g_autofree gchar *text = NULL;

  for (guint i = 0; i < BTRFS_FSID_SIZE; i++)
    g_string_append_printf (path, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", info->fsid[i]);
  g_string_append_printf (path, "/allocation/data/%s", name);
  return g_file_get_contents (path->str, &text, NULL, NULL)
         && g_ascii_string_to_unsigned (g_strchomp (text), 10, 0, G_MAXUINT64, out_octets, NULL);
}

static int
real_unseen (const char *path, guint64 *out_octets)
{
  struct btrfs_ioctl_fs_info_args info = { 0 };
  guint64 dirty, unreferenced;
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int asked = fd < 0 ? -1 : ioctl (fd, BTRFS_IOC_FS_INFO, &info);

  if (fd >= 0)
    close (fd);
  if (asked < 0)
    return -1;
  if (!read_allocation (&info, "bytes_may_use", &dirty) || !read_allocation (&info, "bytes_reserved", &unreferenced))
    {
      errno = EOPNOTSUPP;
      return -1;
    }
  *out_octets = dirty + unreferenced;
  return 0;
}

/* Kernels before 6.2 do not tell how many there are: they have to be counted. */
static int
count_descriptors (const char *path, guint64 *out_used)
{
  DIR *dir = opendir (path);
  const struct dirent *entry;
  guint64 used = 0;

  if (dir == NULL)
    return -1;
  while ((entry = readdir (dir)) != NULL)
    if (entry->d_name[0] != '.')
      used++;
  closedir (dir);
  *out_used = used - 1; /* without the one it is counted by */
  return 0;
}

static int
real_descriptors (guint64 *out_used, guint64 *out_limit)
{
  static const char path[] = "/proc/self/fd";
  struct rlimit limit;
  struct stat st;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0 || stat (path, &st) < 0)
    return -1;
  *out_limit = limit.rlim_cur;
  *out_used = (guint64) st.st_size;
  if (st.st_size > 0 || count_descriptors (path, out_used) == 0)
    return 0;
  if (errno != EMFILE)
    return -1;
  *out_used = *out_limit; /* not one is left to look by */
  return 0;
}

static int
real_forget (int fd, off_t offset, off_t length)
{
  const int failed = posix_fadvise (fd, offset, length, POSIX_FADV_DONTNEED);

  if (failed == 0)
    return 0;
  errno = failed;
  return -1;
}

static int
real_write_out (int fd, off_t offset, off_t length)
{
  return sync_file_range (fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

#define REAL_CALLS                                                                             \
  {                                                                                            \
    .open = real_open, .openat = real_openat, .close = close, .read = read, .write = write,    \
    .pread = pread, .pwrite = pwrite, .fsync = fsync, .fdatasync = fdatasync,                  \
    .write_out = real_write_out,                                                               \
    .ftruncate = ftruncate, .fstat = real_fstat, .stat = real_stat, .look = real_look,         \
    .fstatat = fstatat,                                                                        \
    .statvfs = statvfs, .mkdirat = mkdirat, .rename_new = real_rename_new, .linkat = linkat, \
    .unlinkat = unlinkat, .lock = real_lock, .lock_is_held = real_lock_is_held,                \
    .fs_type = real_fs_type, .no_copy_on_write = real_no_copy_on_write,                        \
    .is_shared = real_is_shared, .unseen = real_unseen, .descriptors = real_descriptors,       \
    .forget = real_forget, .clock_gettime = clock_gettime                                      \
  }

HfSys hf_sys = REAL_CALLS;
const HfSys hf_sys_real = REAL_CALLS;

int
hf_sys_write_all (int fd, const void *data, size_t size)
{
  const char *p = data;

  while (size > 0)
    {
      ssize_t n = hf_sys.write (fd, p, size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n == 0)
        errno = ENOSPC;
      if (n <= 0)
        return -1;
      p += n;
      size -= (size_t) n;
    }
  return 0;
}

int
hf_sys_pwrite_all (int fd, const void *data, size_t size, off_t offset)
{
  const char *p = data;

  while (size > 0)
    {
      ssize_t n = hf_sys.pwrite (fd, p, size, offset);

      if (n < 0 && errno == EINTR)
        continue;
      if (n == 0)
        errno = ENOSPC;
      if (n <= 0)
        return -1;
      p += n;
      offset += n;
      size -= (size_t) n;
    }
  return 0;
}

ssize_t
hf_sys_pread_all (int fd, void *data, size_t size, off_t offset)
{
  char *p = data;
  size_t done = 0;

  while (done < size)
    {
      ssize_t n = hf_sys.pread (fd, p + done, size - done, offset + (off_t) done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -1;
      if (n == 0)
        break;
      done += (size_t) n;
    }
  return (ssize_t) done;
}

void
hf_sys_close (int *fd)
{
  if (*fd >= 0)
    hf_sys.close (*fd);
  *fd = -1;
}

static gint64
clock_ms (clockid_t clock)
{
  struct timespec ts;

  hf_sys.clock_gettime (clock, &ts);
  return (gint64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

gint64
hf_sys_monotonic_ms (void)
{
  return clock_ms (CLOCK_MONOTONIC);
}

gint64
hf_sys_wall_ms (void)
{
  return clock_ms (CLOCK_REALTIME);
}

static void *
do_nothing (void *data)
{
  return data;
}

/* What the C library keeps for a thread lies on its stack as well, and with a
 * sanitizer that alone may be more. */
static int
try_thread (void)
{
  pthread_t thread;
  const int failed = pthread_create (&thread, NULL, do_nothing, NULL);

  return failed != 0 ? failed : pthread_join (thread, NULL);
}

int
hf_sys_set_thread_stack (size_t size)
{
  pthread_attr_t attr;
  size_t usual;
  int failed = pthread_getattr_default_np (&attr);

  if (failed != 0)
    return failed;
  failed = pthread_attr_getstacksize (&attr, &usual);
  if (failed == 0)
    failed = pthread_attr_setstacksize (&attr, size);
  if (failed == 0)
    failed = pthread_setattr_default_np (&attr);
  if (failed == 0 && (failed = try_thread ()) != 0)
    {
      pthread_attr_setstacksize (&attr, usual);
      pthread_setattr_default_np (&attr);
    }
  pthread_attr_destroy (&attr);
  return failed;
}

void
hf_sys_cond_init (pthread_cond_t *out_cond)
{
  pthread_condattr_t attr;

  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (out_cond, &attr);
  pthread_condattr_destroy (&attr);
}

struct timespec
hf_sys_timespec (gint64 ms)
{
  return (struct timespec){ (time_t) (ms / 1000), (long) (ms % 1000) * 1000000 };
}

void
hf_sys_random (void *data, size_t size)
{
  char *p = data;

  while (size > 0)
    {
      ssize_t n = getrandom (p, size, 0);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        g_error ("the kernel gives no random octets: %s", g_strerror (errno));
      p += n;
      size -= (size_t) n;
    }
}

int
hf_sys_same_file (int fd, const char *path)
{
  struct stat by_fd, by_path;

  if (hf_sys.look (fd, NULL, &by_fd) < 0 || hf_sys.look (-1, path, &by_path) < 0)
    return -1;
  return by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
}
