/* trimming-private.h - the inside of a pass
 *
 *   trimming-choose.c  which segments are worth reading, by the ledger
 *   trimming-carry.c   mail that is not settled, carried forward
 *   trimming.c         reading and removing them
 */
#pragma once

#include "milter/audit/clockwatch.h"
#include "milter/audit/standing.h"
#include "milter/audit/trimming.h"
#include "milter/base/event.h"
#include "milter/journal/trim.h"

G_BEGIN_DECLS

/* What is remembered of a segment that is there. */
typedef struct
{
  guint64 seq;
  gint64 seen_ms;   /* monotonic: when it was first met closed */
  gboolean is_asked; /* the ledger was asked for what follows */
  HfStandingSettled settled;
  gint64 found_ms;  /* monotonic: when settled was first found to be so */
  guint64 pass;     /* in which it was last there */
  guint64 met_open; /* messages in it that were not settled then */
  /* it was read, and stays for a reason that the ledger does not know */
  gboolean is_stuck;
  HfTrimVerdict verdict;
  guint64 removals, places, open; /* as of then; open: messages that are not settled */
  gint64 stuck_ms;
} HfTrimmingSegment;

struct HfTrimming
{
  HfTrimmingSettings settings;
  HfDaybook *daybook;
  HfLedger *ledger;
  HfStanding *standing;
  HfClockwatch clock;
  gint64 monotonic_ms;  /* of this pass */
  gint64 next_ms;       /* monotonic: the next pass */
  gint64 next_look_ms;  /* the next look at the spool's room */
  guint64 pass;
  GHashTable *segments; /* seq to HfTrimmingSegment */
  guint64 removals;     /* segments removed, and messages carried, so far */
  guint64 places;       /* settled ones, as of this pass */
  GHashTable *noted;    /* seq of a note of trimming to its at_ms: the books have it */
  gint64 notes_size;    /* of the notes' file when it was taken in; -1: look again */
  gboolean trim_failed, carry_failed, told_full;
};

/* What a pass reads. */
typedef struct
{
  GArray *go;     /* of guint64: all in it may go */
  GArray *sparse; /* likewise: but for few messages, which are to be carried forward */
  gboolean more;  /* there are others */
} HfTrimmingChoice;

/* How much room is missing up to the warning mark; zeroed for none. */
typedef struct
{
  guint64 octets;
  guint64 files;
  guint64 free, mark; /* for the event: octets, or inodes where only these are missing */
} HfTrimmingLack;

void hf_trimming_choice_clear (HfTrimmingChoice *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (HfTrimmingChoice, hf_trimming_choice_clear)

/* TRUE: the spool is below its warning mark. */
gboolean hf_trimming_lacks (const HfTrimming *self, HfTrimmingLack *out_lack);

/**
 * hf_trimming_choose:
 * @lack: (nullable): choose the oldest settled ones until this much would be
 *   free, whatever the retention; NULL: those that may go by it
 *
 * FALSE with the ledger's error, or for the directories HF_ERROR_DENIED or
 * HF_ERROR_IO.
 */
gboolean hf_trimming_choose (HfTrimming *self, guint64 read_before, const HfTrimmingLack *lack, HfTrimmingChoice *out_choice,
                             GError **error);

/* Segments before and behind those in @chosen, and these, that are there: of guint64. */
GArray *hf_trimming_beside (const HfTrimming *self, const HfTrimmingChoice *chosen, GError **error);

/**
 * hf_trimming_carry:
 * @plan: what goes
 * @carry: ids of the mail in it that is not settled, to a pointer to the segment's number
 * @out_done: (out): all of it stands in a segment of its own, and the books say
 *   so; else nothing changed, which was told by an event
 *
 * FALSE with the books' or the ledger's error.
 */
gboolean hf_trimming_carry (HfTrimming *self, const GArray *plan, GHashTable *carry, gboolean *out_done, GError **error);

gboolean hf_trimming_commit (HfTrimming *self, GError **error);
void hf_trimming_add_time (HfStatementBuilder *builder, const gchar *key, gint64 at_ms);

/* Tells a failure once, until *@failed is FALSE again. */
void hf_trimming_tell_failure (gboolean *failed, HfEventCode code, const GError *error);

/* Segment @seq was read, and stays. */
void hf_trimming_stuck (HfTrimming *self, guint64 seq, HfTrimVerdict verdict);

G_END_DECLS
