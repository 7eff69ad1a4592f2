/* follow.h - a log file, line by line, for as long as it is written
 *
 * Follows the file through what log rotation does to it: rename (late lines
 * that a logger still writes to the old file come first), copytruncate, and
 * compression.  Goes on from a saved position without losing or repeating a
 * line; where lines must have been lost, it says so in their place.
 * Standard input is followed likewise, but has no position.
 */
#pragma once

#include "milter/audit/line.h"

#include <sys/types.h>

G_BEGIN_DECLS

/* How much of a file's beginning tells it from another. */
#define HF_FOLLOW_HEAD 1024

/* Where a reading stands.  Zeroed: nowhere yet. */
typedef struct
{
  guint64 device, inode;
  guint64 offset;   /* behind the last line handed out, in uncompressed text */
  guint32 line;     /* lines before it */
  guint32 head_size;
  gchar head[65];   /* SHA-256 of the file's first head_size octets */
  gint64 read_ms;   /* when the line before was read; to tell what was rotated since */
} HfFollowPosition;

/* "device=… inode=…", as the books keep it; FALSE when @text is not such. */
gchar *hf_follow_position_format (const HfFollowPosition *position);
gboolean hf_follow_position_parse (const gchar *text, HfFollowPosition *out_position);

typedef enum
{
  HF_FOLLOW_LINE,
  HF_FOLLOW_GAP,  /* lines are missing here; why says so */
  HF_FOLLOW_IDLE, /* nothing more at present */
  HF_FOLLOW_END,  /* standard input is at its end */
} HfFollowKind;

typedef struct
{
  HfFollowKind kind;
  HfSlice raw;       /* without its end; until the next call */
  HfPosition at;     /* file counts the files read, from 1 */
  HfClock *clock;    /* the file's */
  const gchar *path; /* the file's name at present */
  guint64 device, inode;
  gboolean new_file; /* the first line of another file than the one before */
  const gchar *why;  /* static */
} HfFollowItem;

typedef struct HfFollow HfFollow;

/**
 * hf_follow_new:
 * @path: the log's name, or "-"
 * @from: (nullable): go on there
 * @since_ms: without @from: begin with the oldest rotated file that was written
 *   to since; G_MAXINT64 for the present file alone
 *
 * A file that does not exist yet is waited for; after ten seconds that is told,
 * as it is at once where the look is the last one.
 */
HfFollow *hf_follow_new (const gchar *path, const HfFollowPosition *from, gint64 since_ms);
void hf_follow_free (HfFollow *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfFollow, hf_follow_free)

/**
 * hf_follow_next:
 * @now_ms: wall clock
 * @last_look: no other comes, so a new file is gone over to at once
 *
 * FALSE with HF_ERROR_NOT_FOUND, HF_ERROR_DENIED or HF_ERROR_IO; the call may be
 * tried again.
 */
gboolean hf_follow_next (HfFollow *self, gint64 now_ms, gboolean last_look, HfFollowItem *out, GError **error);

/* Behind the last line handed out. */
void hf_follow_position (const HfFollow *self, HfFollowPosition *out_position);

G_END_DECLS
