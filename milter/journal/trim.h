/* trim.h - which segments may go, and their removal
 *
 * A segment goes when every recipient in it is void or settled, the retention
 * of those settled is over, and nothing in it is needed to understand a segment
 * that stays.  What is torn or damaged has to be settled by itself: it may hold
 * more than what can be read of it.  The segment being written and the newest
 * closed one stay.  Nothing here knows how recipients come to be settled, or
 * which messages have a copy elsewhere: the caller tells.
 */
#pragma once

#include "milter/journal/view.h"

G_BEGIN_DECLS

/* What the caller knows of one entry. */
typedef struct
{
  guint64 voids;       /* recipients; of an entry that is not whole those that are known */
  guint64 settled;
  guint64 provisional; /* neither; looked at only in a record that is whole */
  gboolean is_settled; /* of an entry that is not whole: its place was settled */
  gboolean is_elsewhere; /* another copy of the message stays, and is the one that counts */
  gint64 settled_ms;   /* when the last of them was settled; G_MININT64: none was */
} HfTrimState;

typedef void (*HfTrimStateOf) (const HfViewEntry *entry, HfTrimState *out_state, gpointer user_data);

typedef enum
{
  HF_TRIM_GOES,
  HF_TRIM_OPEN,        /* the filter writes to it */
  HF_TRIM_NEWEST,      /* the newest closed segment */
  HF_TRIM_UNREADABLE,
  HF_TRIM_DAMAGED,     /* something torn or damaged in it is not settled */
  HF_TRIM_UNSETTLED,
  HF_TRIM_RETENTION,   /* all is settled, but not for long enough */
  HF_TRIM_NEEDED,      /* explains something in a segment that stays */
  HF_TRIM_UNASKED,     /* not one of those that were asked for */
} HfTrimVerdict;

typedef struct
{
  HfTrimVerdict verdict;
  HfTrimNote note;       /* what is kept of it when it goes; octets are those that were read */
  guint64 provisional;   /* recipients */
  guint64 unsettled_breaches;
  gint64 settled_ms;     /* as in HfTrimState, of all entries */
  HfId keeper;           /* the first record that keeps it; "" when there is none or it has no id */
  guint64 keeper_offset; /* where that stands */
  guint64 needed_by;     /* the segment that needs it */
} HfTrimSegment;

typedef struct
{
  gint64 now_ms;       /* wall clock */
  gint64 retention_ms;
  const GArray *only;  /* (nullable): of guint64: segments that are asked for; the others stay */
  HfTrimStateOf state_of;
  /* (nullable): where a copy of message @id stands beside those that the view
   * meets; 0: nowhere */
  guint64 (*copy_of) (const HfId *id, gpointer user_data);
  gpointer user_data;
  void (*progress) (const HfView *view); /* (nullable): called now and then */
} HfTrimRules;

/**
 * hf_trim_plan:
 * @view: new, with HF_READ_VERIFY and HF_READ_RECIPIENTS; read to its end.  Where
 *   it looks at some segments only, those before and behind each that is asked
 *   for are among them; what it can't tell of the others counts as a need
 *
 * Returns: (transfer full): of HfTrimSegment, one for each segment, oldest
 * first; NULL with hf_view_next()'s error.
 */
GArray *hf_trim_plan (HfView *view, const HfTrimRules *rules, GError **error);

/* Called when readers are locked out and nothing is removed yet: what is known of
 * @plan's segments may have changed since it was made.  May change verdicts from
 * HF_TRIM_GOES to another.  FALSE with an error: nothing is removed. */
typedef gboolean (*HfTrimLook) (GArray *plan, gpointer data, GError **error);

/**
 * hf_trim_run:
 * @plan: from hf_trim_plan(), whose view has been freed
 * @look: (nullable)
 * @wait_ms: for readers to end
 * @out_removed: (out): how many are gone, also on FALSE
 *
 * Locks readers out, writes the notes of the segments that go, syncs them, and
 * only then removes one after the other, oldest first, each removal synced: a
 * crash leaves notes of segments that are still there, never the reverse, and
 * never a segment whose explanation is gone.  FALSE with HF_ERROR_BUSY (readers
 * did not end), HF_ERROR_FULL, HF_ERROR_DENIED or HF_ERROR_IO.
 */
gboolean hf_trim_run (const gchar *spool, GArray *plan, HfTrimLook look, gpointer look_data, const HfWho *who,
                      const gchar *reason, gint64 wait_ms, guint *out_removed, GError **error);

G_END_DECLS
