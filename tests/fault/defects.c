/* defects.c - the deliberate defects that the fault suites must report; see defects.h */
#include <config.h>

#include "tests/fault/defects.h"

#include "milter/base/event.h"
#include "milter/base/sys.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096

static HfSys below; /* the table that a defect was laid upon */

static void
lay_upon (void)
{
  below = hf_sys;
}

static gboolean
is_unnamed (int fd)
{
  struct stat st;

  return fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_nlink == 0;
}

/* Regular files with a name, behind the block of the header: records. */
static gboolean
is_record (int fd, off_t offset)
{
  struct stat st;

  return offset >= BLOCK && fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_nlink > 0;
}

/* ---- a disk that lies ---- */

static struct
{
  pthread_mutex_t mutex;
  ino_t inode;
  GByteArray *octets; /* written from BLOCK on */
} shadow = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static ssize_t
pwrite_nothing (int fd, const void *data, size_t size, off_t offset)
{
  const guint at = (guint) MAX (offset - BLOCK, 0);
  struct stat st;

  /* the spare is written in large pieces of NULs; they do no harm */
  if (!is_record (fd, offset) || ((const guint8 *) data)[0] == 0)
    return below.pwrite (fd, data, size, offset);
  fstat (fd, &st);
  pthread_mutex_lock (&shadow.mutex);
  if (shadow.octets == NULL || shadow.inode != st.st_ino)
    {
      g_clear_pointer (&shadow.octets, g_byte_array_unref);
      shadow.octets = g_byte_array_new ();
      shadow.inode = st.st_ino;
    }
  if (shadow.octets->len < at + size)
    g_byte_array_set_size (shadow.octets, at + (guint) size);
  memcpy (shadow.octets->data + at, data, size);
  pthread_mutex_unlock (&shadow.mutex);
  return (ssize_t) size;
}

static ssize_t
pread_shadow (int fd, void *data, size_t size, off_t offset)
{
  const ssize_t n = below.pread (fd, data, size, offset);
  const off_t from = MAX (offset, BLOCK);
  struct stat st;

  pthread_mutex_lock (&shadow.mutex);
  if (n > 0 && from < offset + n && shadow.octets != NULL && fstat (fd, &st) == 0 && st.st_ino == shadow.inode
      && from - BLOCK < shadow.octets->len)
    memcpy ((guint8 *) data + (from - offset), shadow.octets->data + (from - BLOCK),
            MIN ((gsize) (offset + n - from), (gsize) (shadow.octets->len - (from - BLOCK))));
  pthread_mutex_unlock (&shadow.mutex);
  return n;
}

void
ft_defect_lost_writes (void)
{
  lay_upon ();
  hf_sys.pwrite = pwrite_nothing;
  hf_sys.pread = pread_shadow;
}

/* ---- digests that do not look ---- */

static gboolean blind;

/* Stands before libcrypto's own. */
int
EVP_DigestUpdate (EVP_MD_CTX *context, const void *data, size_t size)
{
  static int (*real) (EVP_MD_CTX *, const void *, size_t);

  if (real == NULL)
    *(void **) (&real) = dlsym (RTLD_NEXT, "EVP_DigestUpdate");
  return g_atomic_int_get (&blind) ? 1 : real (context, data, size);
}

static ssize_t
pread_wrong_stage (int fd, void *data, size_t size, off_t offset)
{
  const ssize_t n = below.pread (fd, data, size, offset);
  guint8 *octet = n > 0 ? memchr (data, 'm', (size_t) n) : NULL;

  if (octet != NULL && is_unnamed (fd))
    *octet = 'M';
  return n;
}

void
ft_defect_blind_digests (void)
{
  g_atomic_int_set (&blind, TRUE);
}

void
ft_defect_unread_octets (void)
{
  lay_upon ();
  ft_defect_blind_digests ();
  hf_sys.pread = pread_wrong_stage;
}

/* ---- failures ---- */

static gint syncs;

/* The first is the header's, the second that of the scenario's first record. */
static int
fdatasync_fails_third (int fd)
{
  if (g_atomic_int_add (&syncs, 1) != 2)
    return below.fdatasync (fd);
  errno = EIO;
  return -1;
}

static void
tell_nobody (HfEventCode code, const gchar *line, gpointer data)
{
}

void
ft_defect_silent_events (void)
{
  lay_upon ();
  hf_sys.fdatasync = fdatasync_fails_third;
  hf_event_set_hook (tell_nobody, NULL);
}

static int
openat_makes_nothing (int dir_fd, const char *path, int flags, mode_t mode)
{
  if (g_atomic_int_get (&syncs) <= 2 || (flags & O_EXCL) == 0)
    return below.openat (dir_fd, path, flags, mode);
  errno = ENOSPC;
  return -1;
}

void
ft_defect_stuck_journal (void)
{
  lay_upon ();
  hf_sys.fdatasync = fdatasync_fails_third;
  hf_sys.openat = openat_makes_nothing;
}

/* ---- what is not cleaned up ---- */

static int
close_no_stage (int fd)
{
  return is_unnamed (fd) ? 0 : below.close (fd);
}

void
ft_defect_open_descriptors (void)
{
  lay_upon ();
  hf_sys.close = close_no_stage;
}

static int
unlinkat_no_stage (int dir_fd, const char *path, int flags)
{
  return g_str_has_suffix (path, ".stage") ? 0 : below.unlinkat (dir_fd, path, flags);
}

void
ft_defect_left_files (void)
{
  lay_upon ();
  hf_sys.unlinkat = unlinkat_no_stage;
}

/* ---- syncs that are missing ---- */

static int
sync_nothing (int fd)
{
  return 0;
}

static int
fsync_no_directory (int fd)
{
  struct stat st;

  return fstat (fd, &st) == 0 && S_ISDIR (st.st_mode) ? 0 : below.fsync (fd);
}

void
ft_defect_no_data_sync (void)
{
  hf_sys.fdatasync = sync_nothing;
}

void
ft_defect_no_directory_sync (void)
{
  lay_upon ();
  hf_sys.fsync = fsync_no_directory;
}

/* ---- a check that looks at what it remembers ---- */

static struct
{
  pthread_mutex_t mutex;
  gboolean has_st;
  struct stat st;
} remembered = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static int
look_remembers (int fd, const char *path, struct stat *out_st)
{
  int result = below.look (fd, path, out_st);

  if (path == NULL || !g_str_has_suffix (path, ".bsmtp"))
    return result;
  pthread_mutex_lock (&remembered.mutex);
  if (result == 0)
    remembered.st = *out_st;
  else if (remembered.has_st)
    *out_st = remembered.st;
  remembered.has_st |= result == 0;
  result = remembered.has_st ? 0 : result;
  pthread_mutex_unlock (&remembered.mutex);
  return result;
}

void
ft_defect_blind_path_check (void)
{
  lay_upon ();
  hf_sys.look = look_remembers;
}

/* ---- a recovery that cuts ---- */

static int
open_shortens (const char *path, int flags, mode_t mode)
{
  struct stat st;

  if (g_str_has_suffix (path, ".bsmtp") && stat (path, &st) == 0 && st.st_size > BLOCK
      && truncate (path, st.st_size - BLOCK) < 0)
    return -1;
  return below.open (path, flags, mode);
}

void
ft_defect_shortening (void)
{
  lay_upon ();
  hf_sys.open = open_shortens;
}
