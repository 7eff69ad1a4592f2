/* scrub-segment.h - one segment, read again from the device
 *
 * Beside its own octets, what the next segment says of it counts: the nonce,
 * where its own header no longer verifies, how much of it was synced, and what
 * of it is known to be an unfinished write.  So what a reader of the whole
 * journal calls torn or damaged (view.h) is called so here.
 */
#pragma once

#include "milter/journal/reader.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *path;
  guint64 seq;
  gboolean has_nonce; /* from the next segment */
  HfNonce nonce;
  guint64 written;    /* octets that are known to have been written */
  gboolean unread;    /* the start that made the next segment could not read all of this one */
  GArray *torn;       /* offset and length: of guint64, by twos */
  int fd;             /* -1: not open */
  guint64 size;
} HfScrubSegment;

/* What became of one record. */
typedef enum
{
  HF_SCRUB_WHOLE,
  HF_SCRUB_WRONG,      /* was read, and does not verify */
  HF_SCRUB_UNREADABLE, /* could not be read: @error says why */
} HfScrubVerdict;

/* Learns of @seq from @next_seq, the segment behind it (0: there is none); reads
 * nothing of it itself. */
void hf_scrub_segment_init (HfScrubSegment *self, const gchar *spool, guint64 seq, guint64 next_seq);
void hf_scrub_segment_clear (HfScrubSegment *self);

/* FALSE with HF_ERROR_NOT_FOUND, HF_ERROR_DENIED or HF_ERROR_IO. */
gboolean hf_scrub_segment_open (HfScrubSegment *self, GError **error);
void hf_scrub_segment_close (HfScrubSegment *self);

/**
 * hf_scrub_segment_read:
 * @offset: where an item ends or begins; 0 for the segment's start
 * @ahead: octets that are going to be read
 * @reader: to be cleared on TRUE
 *
 * Makes @reader stand there, with what memory holds of the file from there on
 * forgotten.  FALSE with HF_ERROR_IO.
 */
gboolean hf_scrub_segment_read (HfScrubSegment *self, guint64 offset, guint64 ahead, HfReader *reader, GError **error);

/* The item at @offset, forgotten and read once more: TRUE when it is whole after all. */
gboolean hf_scrub_segment_confirm (HfScrubSegment *self, guint64 offset, guint64 length);

/* Message @id alone, without a look at an octet before or behind it. */
HfScrubVerdict hf_scrub_segment_alone (HfScrubSegment *self, const gchar *id, guint64 offset, guint64 length,
                                       const gchar **out_fault, GError **error);

/* What begins at @offset was never finished, as the next segment tells. */
gboolean hf_scrub_segment_is_torn (const HfScrubSegment *self, guint64 offset);

G_END_DECLS
