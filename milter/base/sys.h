/* sys.h - every system call that can lose mail, through one replaceable table
 *
 * The filter and the journal make these calls only as hf_sys.write (…), so
 * that a test can fail the nth call for every n and look at what a restart
 * would find.  The table also keeps GNU/Linux calls in one place: nothing
 * else in the tree needs them.
 *
 * Conventions are the kernel's: -1 and errno.  EINTR is handled by the
 * hf_sys_*_all() helpers, not by the table.
 */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <time.h>

G_BEGIN_DECLS

typedef struct
{
  int (*open) (const char *path, int flags, mode_t mode);
  int (*openat) (int dir_fd, const char *path, int flags, mode_t mode);
  int (*close) (int fd);
  ssize_t (*read) (int fd, void *data, size_t size);
  ssize_t (*write) (int fd, const void *data, size_t size);
  ssize_t (*pread) (int fd, void *data, size_t size, off_t offset);
  ssize_t (*pwrite) (int fd, const void *data, size_t size, off_t offset);
  int (*fsync) (int fd);
  int (*fdatasync) (int fd);
  /* begins to write out what memory holds of the file there, and waits for nothing
   * (sync_file_range(2), and only its WRITE: the others take an error away that
   * fdatasync() is to tell).  No sync: fdatasync() is needed all the same */
  int (*write_out) (int fd, off_t offset, off_t length);
  int (*ftruncate) (int fd, off_t length);
  int (*fstat) (int fd, struct stat *out_st);
  int (*stat) (const char *path, struct stat *out_st);
  /* like fstat(2), or like stat(2) where @path is not NULL, but leaves the file's times
   * unasked and of no use: once they were asked for, the kernel (6.13 and newer) tells the next
   * change by the exact time instead of a tick's, and a file system without a journal
   * then writes the inode, too, at each sync.  For what is looked at for each message */
  int (*look) (int fd, const char *path, struct stat *out_st);
  int (*fstatat) (int dir_fd, const char *path, struct stat *out_st, int flags);
  int (*statvfs) (const char *path, struct statvfs *out_st);
  int (*mkdirat) (int dir_fd, const char *path, mode_t mode);
  /* renameat2 with RENAME_NOREPLACE: fails with EEXIST, never overwrites */
  int (*rename_new) (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path);
  int (*linkat) (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path, int flags);
  int (*unlinkat) (int dir_fd, const char *path, int flags);
  /* an open file description lock on the whole file; EAGAIN when held */
  int (*lock) (int fd, int exclusive);
  /* 1 when another open file description holds a lock that excludes a write
   * lock, 0 when nobody does, -1 and errno */
  int (*lock_is_held) (int fd);
  /* the number by which the kernel knows the kind of file system (statfs's f_type) */
  int (*fs_type) (int fd, guint64 *out_type);
  /* tells the file system never to copy what is overwritten in this empty file;
   * EOPNOTSUPP where it can't be told, or did not listen */
  int (*no_copy_on_write) (int fd);
  /* 1 when octets of the file lie where another file has its own too, so that
   * overwriting them takes new room; 0 when not; EOPNOTSUPP where nobody knows */
  int (*is_shared) (int fd);
  /* octets that statvfs() still calls free although they are given away: btrfs
   * counts at its next commit, up to half a minute later; EOPNOTSUPP elsewhere */
  int (*unseen) (const char *path, guint64 *out_octets);
  /* descriptors that this process holds, and may hold */
  int (*descriptors) (guint64 *out_used, guint64 *out_limit);
  /* drops what memory holds of the file from @offset on (to its end where @length
   * is 0), so that the next read asks the device; what is not synced stays */
  int (*forget) (int fd, off_t offset, off_t length);
  /* behind hf_sys_monotonic_ms() and hf_sys_wall_ms() */
  int (*clock_gettime) (clockid_t clock, struct timespec *out_time);
} HfSys;

/* The table in use.  Replaced only by tests, before any thread is started. */
extern HfSys hf_sys;

/* The kernel's own calls, to restore or to forward to. */
extern const HfSys hf_sys_real;

/**
 * hf_sys_write_all:
 * @fd: a descriptor open for writing
 * @data: borrowed
 * @size: octets
 *
 * Writes all octets, going on after short writes and EINTR.  A write of 0
 * octets sets errno to ENOSPC: POSIX gives it no meaning, and going on would
 * never end.  Returns: 0, or -1 and errno; the file may then hold a part.
 * Threads: any.
 */
int hf_sys_write_all (int fd, const void *data, size_t size);
int hf_sys_pwrite_all (int fd, const void *data, size_t size, off_t offset);

/* Reads until @size octets or the end of the file.  Returns: octets read, or -1 and errno. */
ssize_t hf_sys_pread_all (int fd, void *data, size_t size, off_t offset);

/* Closes *@fd when it is not negative, and sets it to -1.  Errors of close are
 * of no use to a reader and come too late for a writer, who has synced. */
void hf_sys_close (int *fd);

/* Milliseconds of the clock that never steps, and of the one people read. */
gint64 hf_sys_monotonic_ms (void);
gint64 hf_sys_wall_ms (void);

/* A condition whose timed waits go by the monotonic clock: a stepped wall clock must
 * neither cut a wait short nor make it endless.  And a time of that clock for them. */
void hf_sys_cond_init (pthread_cond_t *out_cond);
struct timespec hf_sys_timespec (gint64 ms);

/* @size random octets from the kernel; aborts the process where there are none,
 * because ids and nonces that repeat would break what rests on them. */
void hf_sys_random (void *data, size_t size);

/* Octets of stack for each thread that is made from here on and does not say
 * otherwise, as libmilter's do not (pthread_setattr_default_np(3)).  0, or the
 * error's number, and then nothing is changed: a thread is tried first. */
int hf_sys_set_thread_stack (size_t size);

/* The inode numbers of @fd and of @path are the same file: 1, 0, or -1 and
 * errno where @path can't be looked at. */
int hf_sys_same_file (int fd, const char *path);

G_END_DECLS
