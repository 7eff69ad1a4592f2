/* faults.h - a table of system calls in which the nth call of a kind fails
 *
 * A kind is a call and what it is made on: `pwrite segment`, `openat spare`.
 * Counting by kind keeps the nth call the same from run to run, although the
 * writer and its helper run side by side.  Without a fault armed the table
 * only counts and passes on.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a call is made on.  A file written ahead is SPARE until it is opened to
 * become a segment. */
typedef enum
{
  FT_ON_SPOOL,
  FT_ON_STAGE,
  FT_ON_JOURNAL, /* the directory */
  FT_ON_LOCK,
  FT_ON_OPEN,    /* the published offset */
  FT_ON_SPARE,
  FT_ON_SEGMENT,
  FT_ON_MEMORY,  /* libcrypto's allocations */
  FT_N_ON,
} FtOn;

typedef enum
{
  FT_OPEN,
  FT_OPENAT,
  FT_CLOSE,
  FT_READ,
  FT_WRITE,
  FT_PREAD,
  FT_PWRITE,
  FT_FSYNC,
  FT_FDATASYNC,
  FT_FTRUNCATE,
  FT_FSTAT,
  FT_STAT,
  FT_FSTATAT,
  FT_STATVFS,
  FT_MKDIRAT,
  FT_RENAME,
  FT_LINKAT,
  FT_UNLINKAT,
  FT_LOCK,
  FT_LOCK_IS_HELD,
  FT_FS_TYPE,
  FT_NO_COPY_ON_WRITE,
  FT_IS_SHARED,
  FT_UNSEEN,
  FT_DESCRIPTORS,
  FT_MALLOC,
  FT_N_CALLS,
} FtCall;

typedef enum
{
  FT_FAIL,    /* nothing is done; -1 and errno */
  FT_DONE,    /* it is done; -1 and errno all the same */
  FT_SHORT,   /* half of the octets */
  FT_ZERO,    /* 0 octets: a file that ends early, a write that does nothing */
  FT_FLIP,    /* one octet comes or goes wrong, and the call succeeds */
  FT_HANG,    /* not before ft_faults_release() */
} FtMode;

typedef struct
{
  FtCall call;
  FtOn on;
  guint nth;    /* from 1 */
  FtMode mode;
  gint number;  /* errno, for FT_FAIL and FT_DONE */
  gboolean stays; /* all later calls of the kind fail too */
} FtFault;

/* "pwrite segment 3: EIO, done, stays".  Freed by the caller. */
gchar *ft_fault_describe (const FtFault *fault);

/* Puts the table in place, and libcrypto's allocations with @memory.  Before
 * any thread is started and before libcrypto is used; once a process. */
void ft_faults_install (gboolean memory);

/* Counts anew and meets @fault (nullable, copied) from here on. */
void ft_faults_arm (const FtFault *fault);

/* Passes everything on.  Returns: how often the fault was met. */
guint ft_faults_disarm (void);

/* The next @syncs of a segment's records fail with EIO, besides any fault. */
void ft_faults_spoil (guint syncs);

/* Ends the wait of calls that hang. */
void ft_faults_release (void);

/* Calls of a kind since they were armed. */
guint ft_faults_count (FtCall call, FtOn on);

/**
 * ft_faults_list:
 * @call, @on: a kind
 *
 * Appends to @rows every fault that makes sense for the kind's @nth call.
 * Long runs have more of them.
 */
void ft_faults_list (FtCall call, FtOn on, guint nth, gboolean is_long, GArray *rows);

G_END_DECLS
