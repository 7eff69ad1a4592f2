/* restore-lines.h - the lines that the ledger keeps of open messages, in the order of the log
 *
 * The ledger has them in chunks, one for each time that a message was judged.
 * A million open messages have more of them than should be in memory at once,
 * so only chunks are that the reading has come to.
 */
#pragma once

#include "milter/audit/slice.h"
#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

typedef struct HfKeptLines HfKeptLines;

typedef struct
{
  guint64 seq;         /* the order of the log */
  guint64 source, offset, number;
  guint64 mail;        /* number of the message; 0: it concerns no single one */
  HfSlice text;        /* absent: a gap that no line told of */
  const gchar *why;    /* nullable: of the gap; interned */
} HfKeptLine;

/**
 * hf_kept_lines_new:
 * @chunks: SQL that gives rowid and seq of the rows of "evidence" that are to be read
 *
 * Holds 16 octets a chunk.  Returns: (nullable): NULL with HF_ERROR_CORRUPT or
 * HF_ERROR_IO when the ledger can't be read.
 */
HfKeptLines *hf_kept_lines_new (HfLedger *ledger, const gchar *chunks, GError **error);
void hf_kept_lines_free (HfKeptLines *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfKeptLines, hf_kept_lines_free)

/* Lines in no chunk, copied; to be added before the first is read.  A @text is
 * as evidence is kept, "SEQ SOURCE OFFSET NUMBER TEXT" and LF, several times;
 * FALSE where it is not. */
void hf_kept_lines_add (HfKeptLines *self, const HfKeptLine *line);
gboolean hf_kept_lines_add_text (HfKeptLines *self, const gchar *text);

/**
 * hf_kept_lines_next:
 * @out_line: the next line, by seq and mail; text lasts until the next call
 *
 * FALSE at the end, and with @error set when the ledger can't be read or holds
 * what is no evidence.
 */
gboolean hf_kept_lines_next (HfKeptLines *self, HfKeptLine *out_line, GError **error);

G_END_DECLS
