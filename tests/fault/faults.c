/* faults.c - a table of system calls in which the nth call of a kind fails; see faults.h */
#include <config.h>

#include "tests/fault/faults.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DESCRIPTORS 4096

static struct
{
  pthread_mutex_t mutex;
  pthread_cond_t released;
  gboolean armed;
  gboolean has_fault;
  FtFault fault;
  guint met;
  gboolean holding; /* FT_HANG waits */
  guint spoil;      /* syncs that fail besides */
  guint counts[FT_N_CALLS][FT_N_ON];
  guint8 on[MOST_DESCRIPTORS];
} state = { .mutex = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER };

/* ---- which kind ---- */

static FtOn
on_of_path (const gchar *path, int flags)
{
  const gchar *name = strrchr (path, '/');

  name = name != NULL ? name + 1 : path;
  if (strstr (path, "/proc/self/fd/") != NULL || strstr (path, "/stage") != NULL)
    return FT_ON_STAGE;
  if (g_str_has_suffix (name, ".bsmtp"))
    return FT_ON_SEGMENT;
  if (strcmp (name, "spare") == 0 || strcmp (name, "large") == 0)
    return (flags & O_CREAT) != 0 ? FT_ON_SPARE : FT_ON_SEGMENT;
  if (strcmp (name, "lock") == 0)
    return FT_ON_LOCK;
  if (strcmp (name, "open") == 0)
    return FT_ON_OPEN;
  if (strcmp (name, "journal") == 0 || strcmp (name, ".") == 0)
    return FT_ON_JOURNAL;
  return FT_ON_SPOOL;
}

static FtOn
on_of (int fd)
{
  FtOn on = FT_ON_SPOOL;

  pthread_mutex_lock (&state.mutex);
  if (fd >= 0 && fd < MOST_DESCRIPTORS)
    on = (FtOn) state.on[fd];
  pthread_mutex_unlock (&state.mutex);
  return on;
}

static int
remember (int fd, FtOn on)
{
  const gint saved = errno;

  pthread_mutex_lock (&state.mutex);
  if (fd >= 0 && fd < MOST_DESCRIPTORS)
    state.on[fd] = (guint8) on;
  pthread_mutex_unlock (&state.mutex);
  errno = saved;
  return fd;
}

/* ---- meeting the fault ---- */

/* TRUE when this call is the one: @out_mode and errno are set. */
static gboolean
meet (FtCall call, FtOn on, FtMode *out_mode, gint *out_number)
{
  const FtFault *fault = &state.fault;
  gboolean met = FALSE;

  pthread_mutex_lock (&state.mutex);
  if (state.armed)
    {
      const guint n = ++state.counts[call][on];

      met = state.has_fault && fault->call == call && fault->on == on
            && (n == fault->nth || (fault->stays && n > fault->nth));
    }
  if (met)
    {
      state.met++;
      *out_mode = fault->mode;
      *out_number = fault->number;
    }
  while (met && fault->mode == FT_HANG && state.holding)
    pthread_cond_wait (&state.released, &state.mutex);
  pthread_mutex_unlock (&state.mutex);
  return met;
}

/* A call that gives 0 or -1. */
#define SIMPLE(call, on, doing)                    \
  do                                               \
    {                                              \
      FtMode mode;                                 \
      gint number;                                 \
                                                   \
      if (!meet (call, on, &mode, &number))        \
        return doing;                              \
      if (mode != FT_FAIL && (doing) < 0)          \
        return -1;                                 \
      if (mode == FT_HANG)                         \
        return 0;                                  \
      errno = number;                              \
      return -1;                                   \
    }                                              \
  while (0)

static int
fault_open_any (FtCall call, int dir_fd, const char *path, int flags, mode_t create)
{
  const FtOn on = on_of_path (path, flags);
  FtMode mode;
  gint number;
  int fd;

  if (!meet (call, on, &mode, &number) || mode == FT_HANG)
    return remember (hf_sys_real.openat (dir_fd, path, flags, create), on);
  if (mode == FT_DONE)
    {
      fd = hf_sys_real.openat (dir_fd, path, flags, create);
      if (fd >= 0)
        hf_sys_real.close (fd);
    }
  errno = number;
  return -1;
}

static int
fault_open (const char *path, int flags, mode_t create)
{
  return fault_open_any (FT_OPEN, AT_FDCWD, path, flags, create);
}

static int
fault_openat (int dir_fd, const char *path, int flags, mode_t create)
{
  return fault_open_any (FT_OPENAT, dir_fd, path, flags, create);
}

/* A close that fails has closed all the same: that is what Linux does. */
static int
fault_close (int fd)
{
  FtMode mode;
  gint number;

  if (meet (FT_CLOSE, on_of (fd), &mode, &number))
    {
      hf_sys_real.close (fd);
      errno = number;
      return -1;
    }
  return hf_sys_real.close (fd);
}

/* Reading and writing: @fd at @offset, or where it stands when that is -1. */
static ssize_t
do_read (int fd, void *data, size_t size, off_t offset)
{
  return offset < 0 ? hf_sys_real.read (fd, data, size) : hf_sys_real.pread (fd, data, size, offset);
}

static ssize_t
do_write (int fd, const void *data, size_t size, off_t offset)
{
  return offset < 0 ? hf_sys_real.write (fd, data, size) : hf_sys_real.pwrite (fd, data, size, offset);
}

static ssize_t
fault_read_any (FtCall call, int fd, void *data, size_t size, off_t offset)
{
  FtMode mode;
  gint number;
  ssize_t n;

  if (!meet (call, on_of (fd), &mode, &number) || mode == FT_HANG)
    return do_read (fd, data, size, offset);
  switch (mode)
    {
    case FT_SHORT:
      return do_read (fd, data, (size + 1) / 2, offset);
    case FT_ZERO:
      return 0;
    case FT_FLIP:
      n = do_read (fd, data, size, offset);
      if (n > 0)
        ((guint8 *) data)[n / 2] ^= 0x20;
      return n;
    default:
      errno = number;
      return -1;
    }
}

static ssize_t
fault_write_any (FtCall call, int fd, const void *data, size_t size, off_t offset)
{
  g_autofree guint8 *wrong = NULL;
  FtMode mode;
  gint number;

  if (!meet (call, on_of (fd), &mode, &number) || mode == FT_HANG)
    return do_write (fd, data, size, offset);
  switch (mode)
    {
    case FT_SHORT:
      return do_write (fd, data, (size + 1) / 2, offset);
    case FT_ZERO:
      return 0;
    case FT_FLIP:
      wrong = g_memdup2 (data, size);
      if (size > 0)
        wrong[size / 2] ^= 0x20;
      return do_write (fd, wrong, size, offset);
    case FT_DONE:
      do_write (fd, data, size, offset);
      errno = number;
      return -1;
    default:
      errno = number;
      return -1;
    }
}

static ssize_t
fault_read (int fd, void *data, size_t size)
{
  return fault_read_any (FT_READ, fd, data, size, -1);
}

static ssize_t
fault_pread (int fd, void *data, size_t size, off_t offset)
{
  return fault_read_any (FT_PREAD, fd, data, size, offset);
}

static ssize_t
fault_write (int fd, const void *data, size_t size)
{
  return fault_write_any (FT_WRITE, fd, data, size, -1);
}

static ssize_t
fault_pwrite (int fd, const void *data, size_t size, off_t offset)
{
  return fault_write_any (FT_PWRITE, fd, data, size, offset);
}

static int
fault_fsync (int fd)
{
  SIMPLE (FT_FSYNC, on_of (fd), hf_sys_real.fsync (fd));
}

static gboolean
is_spoilt (int fd)
{
  gboolean spoilt;

  pthread_mutex_lock (&state.mutex);
  spoilt = state.spoil > 0 && fd < MOST_DESCRIPTORS && state.on[fd] == FT_ON_SEGMENT;
  state.spoil -= spoilt;
  pthread_mutex_unlock (&state.mutex);
  return spoilt;
}

static int
fault_fdatasync (int fd)
{
  if (is_spoilt (fd))
    {
      errno = EIO;
      return -1;
    }
  SIMPLE (FT_FDATASYNC, on_of (fd), hf_sys_real.fdatasync (fd));
}

static int
fault_ftruncate (int fd, off_t length)
{
  SIMPLE (FT_FTRUNCATE, on_of (fd), hf_sys_real.ftruncate (fd, length));
}

static int
fault_fstat (int fd, struct stat *out_st)
{
  SIMPLE (FT_FSTAT, on_of (fd), hf_sys_real.fstat (fd, out_st));
}

static int
fault_stat (const char *path, struct stat *out_st)
{
  SIMPLE (FT_STAT, on_of_path (path, 0), hf_sys_real.stat (path, out_st));
}

static int
look_at_file (int fd, struct stat *out_st)
{
  SIMPLE (FT_FSTAT, on_of (fd), hf_sys_real.look (fd, NULL, out_st));
}

static int
look_at_path (const char *path, struct stat *out_st)
{
  SIMPLE (FT_STAT, on_of_path (path, 0), hf_sys_real.look (-1, path, out_st));
}

static int
fault_look (int fd, const char *path, struct stat *out_st)
{
  return path != NULL ? look_at_path (path, out_st) : look_at_file (fd, out_st);
}

static int
fault_fstatat (int dir_fd, const char *path, struct stat *out_st, int flags)
{
  SIMPLE (FT_FSTATAT, on_of_path (path, 0), hf_sys_real.fstatat (dir_fd, path, out_st, flags));
}

static int
fault_statvfs (const char *path, struct statvfs *out_st)
{
  SIMPLE (FT_STATVFS, on_of_path (path, 0), hf_sys_real.statvfs (path, out_st));
}

static int
fault_mkdirat (int dir_fd, const char *path, mode_t create)
{
  SIMPLE (FT_MKDIRAT, on_of_path (path, 0), hf_sys_real.mkdirat (dir_fd, path, create));
}

static int
fault_rename_new (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path)
{
  SIMPLE (FT_RENAME, FT_ON_SEGMENT, hf_sys_real.rename_new (old_dir_fd, old_path, new_dir_fd, new_path));
}

static int
fault_linkat (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path, int flags)
{
  SIMPLE (FT_LINKAT, on_of_path (new_path, 0),
          hf_sys_real.linkat (old_dir_fd, old_path, new_dir_fd, new_path, flags));
}

static int
fault_unlinkat (int dir_fd, const char *path, int flags)
{
  SIMPLE (FT_UNLINKAT, on_of_path (path, O_CREAT), hf_sys_real.unlinkat (dir_fd, path, flags));
}

static int
fault_lock (int fd, int exclusive)
{
  SIMPLE (FT_LOCK, FT_ON_LOCK, hf_sys_real.lock (fd, exclusive));
}

static int
fault_fs_type (int fd, guint64 *out_type)
{
  SIMPLE (FT_FS_TYPE, on_of (fd), hf_sys_real.fs_type (fd, out_type));
}

static int
fault_no_copy_on_write (int fd)
{
  SIMPLE (FT_NO_COPY_ON_WRITE, on_of (fd), hf_sys_real.no_copy_on_write (fd));
}

static int
fault_unseen (const char *path, guint64 *out_octets)
{
  SIMPLE (FT_UNSEEN, FT_ON_SPOOL, hf_sys_real.unseen (path, out_octets));
}

static int
fault_descriptors (guint64 *out_used, guint64 *out_limit)
{
  SIMPLE (FT_DESCRIPTORS, FT_ON_SPOOL, hf_sys_real.descriptors (out_used, out_limit));
}

/* The two whose answer may be 1. */
static int
fault_lock_is_held (int fd)
{
  FtMode mode;
  gint number;

  if (!meet (FT_LOCK_IS_HELD, FT_ON_LOCK, &mode, &number))
    return hf_sys_real.lock_is_held (fd);
  errno = number;
  return -1;
}

static int
fault_is_shared (int fd)
{
  FtMode mode;
  gint number;

  if (!meet (FT_IS_SHARED, on_of (fd), &mode, &number))
    return hf_sys_real.is_shared (fd);
  errno = number;
  return -1;
}

/* ---- libcrypto's memory ---- */

static gboolean
has_memory (void)
{
  FtMode mode;
  gint number;

  return !meet (FT_MALLOC, FT_ON_MEMORY, &mode, &number);
}

static void *
crypto_malloc (size_t size, const char *file, int line)
{
  return has_memory () ? malloc (size) : NULL;
}

static void *
crypto_realloc (void *old, size_t size, const char *file, int line)
{
  return has_memory () ? realloc (old, size) : NULL;
}

static void
crypto_free (void *old, const char *file, int line)
{
  free (old);
}

/* ---- the interface ---- */

void
ft_faults_install (gboolean memory)
{
  const HfSys table = {
    .open = fault_open, .openat = fault_openat, .close = fault_close, .read = fault_read, .write = fault_write,
    .pread = fault_pread, .pwrite = fault_pwrite, .fsync = fault_fsync, .fdatasync = fault_fdatasync,
    .ftruncate = fault_ftruncate, .fstat = fault_fstat, .stat = fault_stat, .look = fault_look,
    .fstatat = fault_fstatat,
    .statvfs = fault_statvfs, .mkdirat = fault_mkdirat, .rename_new = fault_rename_new, .linkat = fault_linkat,
    .unlinkat = fault_unlinkat, .lock = fault_lock, .lock_is_held = fault_lock_is_held, .fs_type = fault_fs_type,
    .no_copy_on_write = fault_no_copy_on_write, .is_shared = fault_is_shared, .unseen = fault_unseen,
    .descriptors = fault_descriptors,
    /* a hint is not looked at, the filter never makes it forget, and its clocks do not fail */
    .write_out = hf_sys_real.write_out,
    .forget = hf_sys_real.forget, .clock_gettime = hf_sys_real.clock_gettime,
  };

  if (memory && CRYPTO_set_mem_functions (crypto_malloc, crypto_realloc, crypto_free) != 1)
    g_error ("libcrypto was used before its memory could be watched");
  hf_sys = table;
}

void
ft_faults_arm (const FtFault *fault)
{
  pthread_mutex_lock (&state.mutex);
  memset (state.counts, 0, sizeof state.counts);
  state.met = 0;
  state.has_fault = fault != NULL;
  if (fault != NULL)
    state.fault = *fault;
  state.holding = TRUE;
  state.armed = TRUE;
  pthread_mutex_unlock (&state.mutex);
}

guint
ft_faults_disarm (void)
{
  guint met;

  pthread_mutex_lock (&state.mutex);
  state.armed = FALSE;
  met = state.met;
  pthread_mutex_unlock (&state.mutex);
  ft_faults_release ();
  return met;
}

void
ft_faults_spoil (guint syncs)
{
  pthread_mutex_lock (&state.mutex);
  state.spoil = syncs;
  pthread_mutex_unlock (&state.mutex);
}

void
ft_faults_release (void)
{
  pthread_mutex_lock (&state.mutex);
  state.holding = FALSE;
  pthread_cond_broadcast (&state.released);
  pthread_mutex_unlock (&state.mutex);
}

guint
ft_faults_count (FtCall call, FtOn on)
{
  guint count;

  pthread_mutex_lock (&state.mutex);
  count = state.counts[call][on];
  pthread_mutex_unlock (&state.mutex);
  return count;
}
