/* scrub-position.h - how far the journal has been read again, as the books keep it
 *
 * The value of `position source=scrub`: written by the auditor, shown by the
 * command.
 *
 *     segment=12 offset=8192 octets=70123520 began=… ended=… ended_octets=…
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define HF_SCRUB_SOURCE "scrub"

typedef struct
{
  guint64 seq;          /* the pass goes on in this segment; 0: at the first there is */
  guint64 offset;       /* in it */
  guint64 octets;       /* that the pass has read */
  gint64 began_ms;      /* when the pass began; -1: none is under way */
  gint64 ended_ms;      /* when the last full pass ended; -1: none has */
  guint64 ended_octets; /* that it had read */
} HfScrubPosition;

/* No pass yet. */
void hf_scrub_position_init (HfScrubPosition *self);

gchar *hf_scrub_position_format (const HfScrubPosition *self);

/* What is missing or not understood stays as hf_scrub_position_init() sets it:
 * at worst a pass begins anew. */
void hf_scrub_position_parse (const gchar *text, HfScrubPosition *out_position);

G_END_DECLS
