/* recorder.h - every call of a run that changes what a disk holds
 *
 * Put in place of the table of system calls, it passes all calls on and, while
 * a recording is made, writes down what they did: data to files, sizes, names
 * in directories, and what was synced.  disk.h makes of it the states that a
 * disk may be in when the power goes.  Unnamed files are left out: a crash
 * leaves nothing of them.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  FT_OP_WRITE,
  FT_OP_SIZE,          /* ftruncate */
  FT_OP_SYNC,          /* a file's data and size, up to here */
  FT_OP_SYNC_FAILED,   /* what is not synced yet may now be lost, whatever is synced later */
  FT_OP_ENTRY,         /* a name in a directory: made, changed or removed */
  FT_OP_SYNC_ENTRIES,  /* a directory's names */
} FtOpKind;

#define FT_NO_NODE G_MAXUINT

typedef struct
{
  FtOpKind kind;
  guint node;     /* the file or directory */
  guint64 offset; /* of a write; the size for FT_OP_SIZE */
  gsize size;     /* of a write */
  guint8 *data;   /* of a write */
  gchar *name;    /* of an entry */
  guint target;   /* node that the name leads to; FT_NO_NODE: removed */
} FtOp;

typedef struct
{
  gboolean is_directory;
  GByteArray *base;    /* a file's octets before the recording */
  GHashTable *entries; /* a directory's names before the recording, to node + 1 */
  GHashTable *live;    /* the same, now */
} FtNode;

/* Node 0 is the directory that was recorded. */
typedef struct
{
  GPtrArray *nodes; /* of FtNode * */
  GArray *ops;      /* of FtOp */
} FtRecording;

/* Puts the table in place.  Before any thread is started; once a process. */
void ft_recorder_install (void);

/* Records what happens below @directory, which is read now and counts as synced. */
void ft_recorder_begin (FtRecording *recording, const gchar *directory);
void ft_recorder_end (void);
void ft_recording_clear (FtRecording *self);

/* How many operations are recorded: the time of an answer. */
guint ft_recorder_now (void);

/* The @nth fdatasync from now on fails with EIO: in a journal at rest, that of the
 * @nth group. */
void ft_recorder_fail_sync (guint nth);

/* Each fdatasync waits up to @ms for a write that comes while it lasts. */
void ft_recorder_slow_sync (guint ms);

/* How often a group was written while another was synced, since the recording began. */
guint ft_recorder_overlaps (void);

/* @hook is called once, before the next fdatasync is done. */
void ft_recorder_at_sync (void (*hook) (gpointer data), gpointer data);

G_END_DECLS
