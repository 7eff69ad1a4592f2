/* part.h - one file of a log: the live one, or one that was rotated away
 *
 * Reads lines from a place on, and tells the end of what is there from a line
 * that is still being written.  follow.c puts parts in a row.
 */
#pragma once

#include "milter/audit/follow.h"
#include "milter/audit/source.h"

G_BEGIN_DECLS

typedef struct HfPart HfPart;

/**
 * hf_part_open:
 * @path: a file, compressed or not, or "-"
 * @offset, @line: where to begin, in uncompressed text
 *
 * NULL with HF_ERROR_NOT_FOUND, HF_ERROR_DENIED, HF_ERROR_IO, or
 * HF_ERROR_CORRUPT where the text ends before @offset.
 */
HfPart *hf_part_open (const gchar *path, guint64 offset, guint32 line, GError **error);
void hf_part_free (HfPart *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfPart, hf_part_free)

/**
 * hf_part_next:
 * @finish: nothing more will be written: a last line without its end is one
 * @out_raw: set when *@out_found
 *
 * FALSE with HF_ERROR_IO or HF_ERROR_CORRUPT (damaged compression: what comes
 * behind can't be read).
 */
gboolean hf_part_next (HfPart *self, gboolean finish, HfSlice *out_raw, HfPosition *out_at, gboolean *out_found,
                       GError **error);

/* Fills in all but read_ms. */
void hf_part_position (HfPart *self, HfFollowPosition *out_position);

/* TRUE when the file is shorter than what was read of it, or begins otherwise
 * than when it was read. */
gboolean hf_part_was_replaced (HfPart *self);

/* TRUE when @path leads to this file. */
gboolean hf_part_is_at (const HfPart *self, const gchar *path);

/* TRUE when it is compressed, and so is written to no more; or a pipe. */
gboolean hf_part_is_packed (const HfPart *self);

const gchar *hf_part_path (const HfPart *self);
HfClock *hf_part_clock (HfPart *self);

G_END_DECLS
