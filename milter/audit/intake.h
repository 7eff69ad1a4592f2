/* intake.h - raw lines to the books, through whichever parser knows them
 *
 * One for a run; the auditor and `holdfast audit` both feed through it, so that
 * they count and understand alike.
 */
#pragma once

#include "milter/audit/books.h"

G_BEGIN_DECLS

/* How many lines that nobody understood are kept to be shown. */
#define HF_INTAKE_SAMPLES 10

typedef struct
{
  gchar *text;
  HfPosition at;
} HfSample;

typedef struct
{
  HfBooks *books; /* borrowed */
  HfMta only;     /* HF_MTA_UNKNOWN: every MTA that is recognised */
  guint64 lines;
  guint64 known_lines;    /* that begin as a line of a log does */
  guint64 mail_lines;     /* of a mail program */
  guint64 unparsed_lines; /* of these, the ones that matched nothing or were not believed */
  guint64 doubtful_lines; /* of these, the ones that can be read in two ways */
  gint64 first_ms, last_ms;
  GArray *samples; /* of HfSample */
} HfIntake;

void hf_intake_init (HfIntake *self, HfBooks *books, HfMta only);
void hf_intake_clear (HfIntake *self);

/**
 * hf_intake_line:
 * @clock: of the file
 * @raw: the line without its end; borrowed for the call
 */
void hf_intake_line (HfIntake *self, HfClock *clock, HfSlice raw, HfPosition at);

/* Enters that lines are missing here, for a reason outside the log.  @why is static. */
void hf_intake_gap (HfIntake *self, const gchar *why, HfPosition at);

G_END_DECLS
