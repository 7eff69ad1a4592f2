/* reader.h - all items of one segment, in order, past any damage
 *
 * What is no item is not skipped in silence: it comes as HF_ITEM_JUNK, with
 * where it begins and how long it is, and the reader goes on at the next
 * statement that carries the segment's nonce.
 */
#pragma once

#include "milter/journal/record.h"

G_BEGIN_DECLS

typedef struct
{
  HfWindow window;
  HfReadFlags flags;
  HfHash hash;
  /* from the header, or from elsewhere where it does not verify */
  gboolean has_header;
  gboolean has_nonce;
  HfNonce nonce;
  guint64 seq;
  HfDigest previous;      /* chain digest before the first record; zero when none is named */
  gboolean has_previous;
  HfStatement header;     /* all keys of the header, when has_header */
  guint64 newer_version;  /* not 0: made by a newer Holdfast; nothing is read */
  /* for the caller to set: octets that are known to have been written; where the
   * file ends before, or only NULs are left, the rest comes as junk */
  guint64 written;
} HfReader;

/**
 * hf_reader_init:
 * @fd: borrowed, open for reading
 * @limit: octets that may be read
 * @fallback: (nullable): the nonce to use where the header does not verify
 *
 * Reads the header.  FALSE with HF_ERROR_IO when the file can't be read; a
 * header that does not verify is no error here: has_header is FALSE, and
 * without a nonce all that follows is one item of junk.
 */
gboolean hf_reader_init (HfReader *self, int fd, guint64 limit, HfReadFlags flags, const HfNonce *fallback,
                         GError **error);
void hf_reader_clear (HfReader *self);

/**
 * hf_reader_next:
 * @item: init'ed by the caller; overwritten
 * @out_end: (out): TRUE when there is nothing more; @item is not set then
 *
 * FALSE only with HF_ERROR_IO.
 */
gboolean hf_reader_next (HfReader *self, HfItem *item, gboolean *out_end, GError **error);

/* Octets up to the last that is not NUL, read so far. */
guint64 hf_reader_position (const HfReader *self);

G_END_DECLS
