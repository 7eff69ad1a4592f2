/* defects.h - the deliberate defects that the fault suites must report
 *
 * Each stands for a mistake that a filter, or the disk below it, could make.
 * They lie in the table of system calls and in a libcrypto that does not look,
 * so that the filter itself holds nothing for tests.  Installed after
 * ft_faults_install(), before the calls they spoil; there is no way back.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Writes to segments are dropped, and given back to who wrote them. */
void ft_defect_lost_writes (void);

/* All digests are of nothing, and stages give back one octet wrong. */
void ft_defect_unread_octets (void);
/* The first half of it. */
void ft_defect_blind_digests (void);

/* The first sync of a segment fails, and nobody tells the operator. */
void ft_defect_silent_events (void);

/* Unnamed stages are never closed. */
void ft_defect_open_descriptors (void);

/* Named stages are never removed. */
void ft_defect_left_files (void);

/* The first sync of a segment fails, and after it no file can be made. */
void ft_defect_stuck_journal (void);

/* fdatasync succeeds and does nothing. */
void ft_defect_no_data_sync (void);
/* fsync of directories does the same. */
void ft_defect_no_directory_sync (void);

/* A path that leads nowhere any more is told to lead where it did. */
void ft_defect_blind_path_check (void);

/* A segment that is opened for reading loses its last written block. */
void ft_defect_shortening (void);

G_END_DECLS
