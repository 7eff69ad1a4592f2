/* faults.h - system calls that are counted, fail, lie or hang, for unit tests
 *
 * faults_install() puts a table in front of the kernel's calls.  Until
 * something is planned it only counts and passes on.  A plan speaks of a call
 * and of a part of the path that the call is about, because the journal's
 * helper thread makes calls of its own beside those that a test has in mind:
 *
 *     faults_fail (FAULT_FDATASYNC, ".bsmtp", 2, EIO);
 *
 * lets the second fdatasync of a segment from now on fail.  Descriptors are
 * known by what /proc/self/fd says of them.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  FAULT_OPEN,
  FAULT_OPENAT,
  FAULT_CLOSE,
  FAULT_WRITE,
  FAULT_PREAD,
  FAULT_PWRITE,
  FAULT_FSYNC,
  FAULT_FDATASYNC,
  FAULT_WRITE_OUT,
  FAULT_FTRUNCATE,
  FAULT_FSTAT, /* look of a descriptor, too */
  FAULT_STAT,  /* look of a path, too */
  FAULT_STATVFS,
  FAULT_MKDIRAT,
  FAULT_RENAME,
  FAULT_UNLINKAT,
  FAULT_LOCK,
  FAULT_N_CALLS,
} FaultCall;

/* Once a process, before any thread is started. */
void faults_install (void);

/* Forgets plans and counts, and lets calls that hang go on. */
void faults_reset (void);

/* The @nth call from now on (1: the next) fails with errno @number; from call
 * @nth on all do with faults_fail_from().  One plan for each call; a new one
 * replaces the old.  @part: (nullable): any path; copied. */
void faults_fail (FaultCall call, const gchar *part, guint nth, gint number);
void faults_fail_from (FaultCall call, const gchar *part, guint nth, gint number);

/* PREAD, PWRITE and WRITE: the @nth call does only half of what is asked, or
 * turns the lowest bit of the first octet over, and tells of success. */
void faults_cut (FaultCall call, const gchar *part, guint nth);
void faults_flip (FaultCall call, const gchar *part, guint nth);

/* The @nth call waits, before it is made, for faults_release(). */
void faults_hang (FaultCall call, const gchar *part, guint nth);
/* Waits until a call hangs, 20 s at most.  TRUE: it does. */
gboolean faults_wait_hanging (FaultCall call);
void faults_release (void);

/* Calls of the plan's path since it was made; all calls where there is none. */
guint faults_count (FaultCall call);
/* How often the plan came true. */
guint faults_met (FaultCall call);

/* Descriptors that the process has open on paths with @part in them. */
guint faults_descriptors (const gchar *part);

G_END_DECLS
