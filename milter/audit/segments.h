/* segments.h - the journal's segments, followed as the filter writes them
 *
 * From a saved place on, past damage, up to what the filter has published as
 * synced.  A segment that is gone is passed over: what it held is in the
 * books, or was never read.
 */
#pragma once

#include "milter/journal/record.h"

G_BEGIN_DECLS

/* Zeroed: before the first segment. */
typedef struct
{
  guint64 seq;
  guint64 offset;
} HfSegmentsPosition;

typedef struct
{
  /* a message, of which at least the envelope could be read */
  void (*message) (guint64 seq, const gchar *instance, const HfItem *item, gpointer data);
  /* a void mark */
  void (*marked) (const gchar *id, const gchar *reason, gpointer data);
  gpointer data;
} HfSegmentsSink;

/**
 * hf_segments_read:
 * @position: moved along
 * @most: items to read at most
 * @out_more: (out): TRUE when it ended because of @most
 *
 * FALSE with HF_ERROR_NOT_FOUND, HF_ERROR_DENIED, HF_ERROR_IO or, for a segment
 * of a newer version, HF_ERROR_CORRUPT.
 */
gboolean hf_segments_read (const gchar *spool, HfSegmentsPosition *position, guint most, const HfSegmentsSink *sink,
                           gboolean *out_more, GError **error);

/* The same for SPOOL/carried, where nothing is written that is not whole at once, the
 * newest segment first: of two copies of a message the newer tells more.  Without such
 * a directory there is nothing to read.  Where it is FALSE, the position is that of
 * the segment that could not be read. */
gboolean hf_segments_read_carried (const gchar *spool, HfSegmentsPosition *position, guint most,
                                   const HfSegmentsSink *sink, gboolean *out_more, GError **error);

G_END_DECLS
