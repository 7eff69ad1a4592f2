/* scrub-note.h - what the books know of a segment's copies, and what is told of them
 *
 * All that re-reading finds goes through here: a `copy` statement for the
 * books, from which the ledger has it, and an event.  Neither is made for what
 * the books say already, so each damaged copy is told once.
 */
#pragma once

#include "milter/base/id.h"
#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

/* A copy that the books know. */
typedef struct
{
  HfId id;
  gchar *queue;
  guint64 offset, length;
  gboolean is_whole, is_damaged; /* as the books say; neither: torn */
  gboolean was_whole;            /* when the auditor first read it */
} HfScrubCopy;

/**
 * hf_scrub_copies:
 * @from, @until: offsets; @until is not included
 * @most: of them, in the order of their offsets
 *
 * Returns: (transfer full): of HfScrubCopy; NULL with the ledger's error.
 */
GArray *hf_scrub_copies (HfLedger *ledger, guint64 seq, guint64 from, guint64 until, guint most, GError **error);

/* Something that the books call damaged or torn. */
typedef struct
{
  guint64 offset;
  gboolean is_place; /* no message is known of it */
} HfScrubBad;

/* Of HfScrubBad, in order; and behind which octet the books know of nothing. */
GArray *hf_scrub_bad (HfLedger *ledger, guint64 seq, guint64 *out_end, GError **error);

/* Where something stands. */
typedef struct
{
  HfDaybook *daybook;
  const gchar *path;
  guint64 seq;
  gint64 now_ms;
} HfScrubNote;

/* @copy is damaged from now on, or torn, or verifies again (@fault NULL). */
void hf_scrub_tell_damaged (const HfScrubNote *self, const HfScrubCopy *copy, const gchar *fault);
void hf_scrub_tell_torn (const HfScrubNote *self, const HfScrubCopy *copy, const gchar *fault);
void hf_scrub_tell_whole (const HfScrubNote *self, const HfScrubCopy *copy);

/* The same of octets that are no message's; @fault NULL: nothing is wrong there any more. */
void hf_scrub_tell_place (const HfScrubNote *self, guint64 offset, guint64 length, const gchar *fault);

G_END_DECLS
