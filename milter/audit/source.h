/* source.h - lines of a log file, a compressed log file or standard input
 *
 * Compression is told by what the file begins with, not by its name; gzip
 * members and xz streams that follow each other are one text.  Positions count
 * in the uncompressed text.
 */
#pragma once

#include "milter/audit/line.h"

G_BEGIN_DECLS

/* Longer lines are cut here, and what was cut off is not read as a line. */
#define HF_SOURCE_LINE_MAX (256 * 1024)

typedef struct HfSource HfSource;

typedef struct
{
  HfSlice raw;           /* without its LF and a CR before it; until the next call */
  guint64 offset;
  guint32 line;
  gboolean cut;          /* longer than HF_SOURCE_LINE_MAX */
  gboolean unterminated; /* the last line, and no LF after it */
} HfSourceLine;

/**
 * hf_source_open:
 * @path: a file, or "-" for standard input
 * @error: set on NULL
 *
 * Errors: HF_ERROR_NOT_FOUND, HF_ERROR_DENIED, HF_ERROR_IO; a directory is
 * HF_ERROR_IO.  Threads: one at a time.
 */
HfSource *hf_source_open (const gchar *path, GError **error);
void hf_source_free (HfSource *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfSource, hf_source_free)

/**
 * hf_source_next:
 * @out: set on TRUE
 * @error: set when reading failed; unset at the end of the text
 *
 * FALSE at the end and on failure.  Errors: HF_ERROR_IO; HF_ERROR_CORRUPT when
 * compressed data is damaged or ends early (all lines before are handed out
 * first).
 */
gboolean hf_source_next (HfSource *self, HfSourceLine *out, GError **error);

const gchar *hf_source_path (const HfSource *self);

/* When the file was last written, in seconds since 1970; now for a pipe. */
gint64 hf_source_changed_s (const HfSource *self);

/* Octets of the file read so far, and its size; 0 when it has none (a pipe). */
guint64 hf_source_read_bytes (const HfSource *self);
guint64 hf_source_size_bytes (const HfSource *self);

/* TRUE when both read the same file. */
gboolean hf_source_same (const HfSource *self, const HfSource *other);

G_END_DECLS
