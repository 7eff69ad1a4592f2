/* faults.c - system calls that are counted, fail, lie or hang; see faults.h */
#include <config.h>

#include "milter/base/sys.h"
#include "tests/unit/faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_LIMIT_S 20

typedef enum
{
  DO_PASS,
  DO_FAIL,
  DO_CUT,
  DO_FLIP,
  DO_HANG,
} Deed;

typedef struct
{
  Deed deed;
  gchar *part;
  guint nth;
  gboolean from;
  gint number;
  guint count;
  guint met;
  guint hanging;
} Plan;

static Plan plans[FAULT_N_CALLS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* ---- plans ---- */

static void
path_of_fd (int fd, gchar *out_path, gsize size)
{
  gchar link[64];
  ssize_t n;

  g_snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, out_path, size - 1);
  out_path[MAX (n, 0)] = '\0';
}

/* What is to be done with this call; a hanging one has hung when this returns.
 * @path NULL: that of @fd, which is looked up only where a plan asks for it. */
static Deed
meet (FaultCall call, const gchar *path, int fd)
{
  Plan *plan = &plans[call];
  const gint saved = errno;
  gchar found[4096];
  Deed deed = DO_PASS;
  gboolean mine;

  pthread_mutex_lock (&mutex);
  mine = plan->part == NULL;
  if (!mine)
    {
      if (path == NULL)
        path_of_fd (fd, found, sizeof found);
      mine = strstr (path != NULL ? path : found, plan->part) != NULL;
    }
  if (mine)
    plan->count++;
  if (mine && plan->deed != DO_PASS && (plan->count == plan->nth || (plan->from && plan->count > plan->nth)))
    {
      deed = plan->deed;
      plan->met++;
    }
  if (deed == DO_HANG)
    {
      plan->hanging++;
      pthread_cond_broadcast (&changed);
      while (plan->hanging > 0)
        pthread_cond_wait (&changed, &mutex);
    }
  errno = deed == DO_FAIL ? plan->number : saved;
  pthread_mutex_unlock (&mutex);
  return deed;
}

static void
make_plan (FaultCall call, Deed deed, const gchar *part, guint nth, gboolean from, gint number)
{
  Plan *plan = &plans[call];

  pthread_mutex_lock (&mutex);
  g_free (plan->part);
  *plan = (Plan){ deed, g_strdup (part), nth, from, number, 0, 0, plan->hanging };
  pthread_mutex_unlock (&mutex);
}

void
faults_fail (FaultCall call, const gchar *part, guint nth, gint number)
{
  make_plan (call, DO_FAIL, part, nth, FALSE, number);
}

void
faults_fail_from (FaultCall call, const gchar *part, guint nth, gint number)
{
  make_plan (call, DO_FAIL, part, nth, TRUE, number);
}

void
faults_cut (FaultCall call, const gchar *part, guint nth)
{
  make_plan (call, DO_CUT, part, nth, FALSE, 0);
}

void
faults_flip (FaultCall call, const gchar *part, guint nth)
{
  make_plan (call, DO_FLIP, part, nth, FALSE, 0);
}

void
faults_hang (FaultCall call, const gchar *part, guint nth)
{
  make_plan (call, DO_HANG, part, nth, FALSE, 0);
}

gboolean
faults_wait_hanging (FaultCall call)
{
  struct timespec until;
  gboolean hanging;

  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += WAIT_LIMIT_S;
  pthread_mutex_lock (&mutex);
  while (plans[call].hanging == 0)
    if (pthread_cond_timedwait (&changed, &mutex, &until) == ETIMEDOUT)
      break;
  hanging = plans[call].hanging > 0;
  pthread_mutex_unlock (&mutex);
  return hanging;
}

void
faults_release (void)
{
  pthread_mutex_lock (&mutex);
  for (guint i = 0; i < FAULT_N_CALLS; i++)
    plans[i].hanging = 0;
  pthread_cond_broadcast (&changed);
  pthread_mutex_unlock (&mutex);
}

void
faults_reset (void)
{
  faults_release ();
  for (guint i = 0; i < FAULT_N_CALLS; i++)
    make_plan (i, DO_PASS, NULL, 0, FALSE, 0);
}

guint
faults_count (FaultCall call)
{
  guint count;

  pthread_mutex_lock (&mutex);
  count = plans[call].count;
  pthread_mutex_unlock (&mutex);
  return count;
}

guint
faults_met (FaultCall call)
{
  guint met;

  pthread_mutex_lock (&mutex);
  met = plans[call].met;
  pthread_mutex_unlock (&mutex);
  return met;
}

guint
faults_descriptors (const gchar *part)
{
  DIR *dir = opendir ("/proc/self/fd");
  const struct dirent *entry;
  gchar path[4096];
  guint found = 0;

  g_assert_nonnull (dir);
  while ((entry = readdir (dir)) != NULL)
    {
      gint fd = atoi (entry->d_name);

      if (entry->d_name[0] == '.')
        continue;
      path_of_fd (fd, path, sizeof path);
      found += strstr (path, part) != NULL;
    }
  closedir (dir);
  return found;
}

/* ---- the table ---- */

static int
fault_open (const char *path, int flags, mode_t mode)
{
  return meet (FAULT_OPEN, path, -1) == DO_FAIL ? -1 : hf_sys_real.open (path, flags, mode);
}

static int
fault_openat (int dir_fd, const char *path, int flags, mode_t mode)
{
  return meet (FAULT_OPENAT, path, -1) == DO_FAIL ? -1 : hf_sys_real.openat (dir_fd, path, flags, mode);
}

/* A close that fails has closed all the same, as on Linux. */
static int
fault_close (int fd)
{
  const Deed deed = meet (FAULT_CLOSE, NULL, fd);
  const gint number = errno;
  const int result = hf_sys_real.close (fd);

  if (deed != DO_FAIL)
    return result;
  errno = number;
  return -1;
}

static ssize_t
fault_write (int fd, const void *data, size_t size)
{
  const Deed deed = meet (FAULT_WRITE, NULL, fd);
  g_autofree guint8 *flipped = NULL;

  if (deed == DO_FAIL)
    return -1;
  if (deed == DO_FLIP && size > 0)
    {
      flipped = g_memdup2 (data, size);
      flipped[0] ^= 1;
    }
  return hf_sys_real.write (fd, flipped != NULL ? flipped : data, deed == DO_CUT ? (size + 1) / 2 : size);
}

static ssize_t
fault_pread (int fd, void *data, size_t size, off_t offset)
{
  const Deed deed = meet (FAULT_PREAD, NULL, fd);
  ssize_t n;

  if (deed == DO_FAIL)
    return -1;
  n = hf_sys_real.pread (fd, data, deed == DO_CUT ? (size + 1) / 2 : size, offset);
  if (deed == DO_FLIP && n > 0)
    *(guint8 *) data ^= 1;
  return n;
}

static ssize_t
fault_pwrite (int fd, const void *data, size_t size, off_t offset)
{
  const Deed deed = meet (FAULT_PWRITE, NULL, fd);
  g_autofree guint8 *flipped = NULL;

  if (deed == DO_FAIL)
    return -1;
  if (deed == DO_FLIP && size > 0)
    {
      flipped = g_memdup2 (data, size);
      flipped[0] ^= 1;
    }
  return hf_sys_real.pwrite (fd, flipped != NULL ? flipped : data, deed == DO_CUT ? (size + 1) / 2 : size, offset);
}

static int
fault_fsync (int fd)
{
  return meet (FAULT_FSYNC, NULL, fd) == DO_FAIL ? -1 : hf_sys_real.fsync (fd);
}

static int
fault_fdatasync (int fd)
{
  return meet (FAULT_FDATASYNC, NULL, fd) == DO_FAIL ? -1 : hf_sys_real.fdatasync (fd);
}

static int
fault_write_out (int fd, off_t offset, off_t length)
{
  return meet (FAULT_WRITE_OUT, NULL, fd) == DO_FAIL ? -1 : hf_sys_real.write_out (fd, offset, length);
}

static int
fault_ftruncate (int fd, off_t length)
{
  return meet (FAULT_FTRUNCATE, NULL, fd) == DO_FAIL ? -1 : hf_sys_real.ftruncate (fd, length);
}

static int
fault_fstat (int fd, struct stat *out_st)
{
  return meet (FAULT_FSTAT, NULL, fd) == DO_FAIL ? -1 : hf_sys_real.fstat (fd, out_st);
}

static int
fault_stat (const char *path, struct stat *out_st)
{
  return meet (FAULT_STAT, path, -1) == DO_FAIL ? -1 : hf_sys_real.stat (path, out_st);
}

static int
fault_look (int fd, const char *path, struct stat *out_st)
{
  return meet (path != NULL ? FAULT_STAT : FAULT_FSTAT, path, fd) == DO_FAIL ? -1 : hf_sys_real.look (fd, path, out_st);
}

static int
fault_statvfs (const char *path, struct statvfs *out_st)
{
  return meet (FAULT_STATVFS, path, -1) == DO_FAIL ? -1 : hf_sys_real.statvfs (path, out_st);
}

static int
fault_mkdirat (int dir_fd, const char *path, mode_t mode)
{
  return meet (FAULT_MKDIRAT, path, -1) == DO_FAIL ? -1 : hf_sys_real.mkdirat (dir_fd, path, mode);
}

static int
fault_rename_new (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path)
{
  return meet (FAULT_RENAME, new_path, -1) == DO_FAIL
           ? -1
           : hf_sys_real.rename_new (old_dir_fd, old_path, new_dir_fd, new_path);
}

static int
fault_unlinkat (int dir_fd, const char *path, int flags)
{
  return meet (FAULT_UNLINKAT, path, -1) == DO_FAIL ? -1 : hf_sys_real.unlinkat (dir_fd, path, flags);
}

static int
fault_lock (int fd, int exclusive)
{
  return meet (FAULT_LOCK, NULL, fd) == DO_FAIL ? -1 : hf_sys_real.lock (fd, exclusive);
}

/* The directory for temporary files is taken for one on ext4, whatever it is
 * on, so that segments are written ahead everywhere. */
static int
ext4_type (int fd, guint64 *out_type)
{
  *out_type = 0xef53;
  return 0;
}

void
faults_install (void)
{
  hf_sys.fs_type = ext4_type;
  hf_sys.open = fault_open;
  hf_sys.openat = fault_openat;
  hf_sys.close = fault_close;
  hf_sys.write = fault_write;
  hf_sys.pread = fault_pread;
  hf_sys.pwrite = fault_pwrite;
  hf_sys.fsync = fault_fsync;
  hf_sys.fdatasync = fault_fdatasync;
  hf_sys.write_out = fault_write_out;
  hf_sys.ftruncate = fault_ftruncate;
  hf_sys.fstat = fault_fstat;
  hf_sys.stat = fault_stat;
  hf_sys.look = fault_look;
  hf_sys.statvfs = fault_statvfs;
  hf_sys.mkdirat = fault_mkdirat;
  hf_sys.rename_new = fault_rename_new;
  hf_sys.unlinkat = fault_unlinkat;
  hf_sys.lock = fault_lock;
}
