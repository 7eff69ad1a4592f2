/* view.h - the whole journal as a reader sees it, while the filter goes on
 *
 * All segments of SPOOL/journal, and behind them those of SPOOL/carried, to
 * which messages were carried forward (carried.h).  A message may be met
 * twice: two copies of one id are one message.
 *
 * Joins what one segment can't tell by itself: void marks that stand in later
 * segments, notes of torn writes, where the open segment is synced, the nonce
 * of a segment whose header is broken, and the chain from segment to segment.
 * Reads only; nothing it meets stops it, but for a directory it may not read.
 * While it is open no segment is trimmed (readers.h).
 */
#pragma once

#include "milter/journal/directory.h"
#include "milter/journal/reader.h"
#include "milter/journal/trimmed.h"

G_BEGIN_DECLS

typedef enum
{
  HF_COPY_WHOLE,
  HF_COPY_TORN,    /* an unfinished write at a crash */
  HF_COPY_DAMAGED, /* was whole and no longer verifies */
} HfCopy;

/* "whole", "torn", "damaged" */
const gchar *hf_copy_text (HfCopy copy);

typedef struct
{
  gchar *reason;
  gint64 at_ms;
} HfVoidMark;

/* One item of the journal.  Borrowed from the view until its next call. */
typedef struct
{
  const HfItem *item;      /* kind MESSAGE or JUNK */
  guint64 seq;
  const gchar *path;
  const gchar *name;       /* the file's name */
  HfCopy copy;
  const HfVoidMark *mark;  /* NULL when not void */
  gboolean chain_broken;   /* does not follow from the record before it, with no breach in between to explain that */
  const GError *unreadable; /* the segment could not be read from here on; item is junk */
} HfViewEntry;

typedef struct HfView HfView;

/**
 * hf_view_open:
 * @spool: the spool's directory
 * @flags: how to read; HF_READ_SKIM leaves whole untold
 *
 * Goes over all segments once, by their lines alone, for marks and notes.
 * Waits while the journal is trimmed.  NULL with HF_ERROR_NOT_FOUND,
 * HF_ERROR_DENIED, HF_ERROR_IO, or HF_ERROR_BUSY when that takes too long.
 */
HfView *hf_view_open (const gchar *spool, HfReadFlags flags, GError **error);
/**
 * hf_view_open_some:
 * @only: (nullable): of guint64: the segments to look at; NULL: all
 *
 * The others count as being there, but are not read, and nothing that stands in
 * them is known: marks, notes of torn writes, what a header tells of the segment
 * before it.  A segment is told rightly with the one behind it beside it.
 */
HfView *hf_view_open_some (const gchar *spool, HfReadFlags flags, const GArray *only, GError **error);
void hf_view_free (HfView *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfView, hf_view_free)

/* The next message or junk; *@out_end is TRUE behind the last. FALSE never happens
 * for damage, only for what is not a file's fault. */
gboolean hf_view_next (HfView *self, HfViewEntry *out_entry, gboolean *out_end, GError **error);

/* How many segments there are, and how many were gone through. */
guint hf_view_segments (const HfView *self);
guint hf_view_done (const HfView *self);

/* What is known of a segment without its records. */
typedef struct
{
  guint64 seq;
  gboolean is_open;    /* a filter writes to it */
  gboolean has_header; /* the header verifies; else nonce and the rest are not set */
  HfNonce nonce;
  guint64 previous_seq; /* 0: none, or not known */
  gboolean has_previous;
  HfDigest previous;   /* chain digest before it */
  guint64 followed;    /* the next segment follows from the last record in front of this offset */
  const GArray *marks; /* of HfViewMark: the void marks in it; borrowed */
  const GArray *torn;  /* of guint64: segments that a torn note in it speaks of; borrowed */
} HfViewSegment;

typedef struct
{
  HfId id;
  guint64 segment; /* where the record stands; 0: not told */
} HfViewMark;

/* The @index-th segment, oldest first. */
void hf_view_segment (const HfView *self, guint index, HfViewSegment *out_segment);

/* Segment @seq is there, be it looked at or not. */
gboolean hf_view_is_there (const HfView *self, guint64 seq);

/* Segment @seq is not, and a note says that it was trimmed. */
gboolean hf_view_was_trimmed (const HfView *self, guint64 seq);

/* Segments that a later header names as the one before it, that are not there,
 * and that no note of trimming explains: of guint64, borrowed. */
const GArray *hf_view_missing (const HfView *self);

/* The notes of trimming. */
const HfTrimmed *hf_view_trimmed (const HfView *self);

/**
 * hf_view_copy_message:
 * @entry: the one hf_view_next() has just given, of kind MESSAGE
 *
 * Gives @sink the message's octets, of a copy that is not whole those that can
 * be read of it, and never what stands behind it.  FALSE with @sink's error,
 * HF_ERROR_IO or HF_ERROR_CORRUPT.  hf_view_next() goes on behind the entry
 * afterwards.
 */
gboolean hf_view_copy_message (HfView *self, const HfViewEntry *entry, HfOctetSink sink, gpointer user_data,
                               GError **error);

G_END_DECLS
