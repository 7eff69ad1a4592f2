/* place.h - what stands at one place of a segment, looked at now */
#pragma once

#include "milter/journal/record.h"

G_BEGIN_DECLS

typedef enum
{
  HF_PLACE_WHOLE, /* a whole record with the id, verified */
  HF_PLACE_OTHER, /* something else, or what can't be read */
  HF_PLACE_GONE,  /* there is no such segment */
} HfPlace;

/**
 * hf_place_look:
 * @spool: the spool's directory
 * @seq: a segment of journal or carried
 *
 * Reads the record that begins at @offset, and no more of the segment than its
 * header.
 */
HfPlace hf_place_look (const gchar *spool, guint64 seq, guint64 offset, const gchar *id);

G_END_DECLS
