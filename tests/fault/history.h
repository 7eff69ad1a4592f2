/* history.h - a spool with journal and books, and a model of what is owed of it
 *
 * The model knows of each message what its recipients came to, and since when
 * by a clock that never steps; it knows nothing of segments' states, notes or
 * ledgers.  What happens is told to both: to the spool through the journal's
 * format and the books' statements, to the model by a field.
 */
#pragma once

#include "milter/audit/trimming.h"
#include "milter/journal/view.h"

#include <glib.h>

G_BEGIN_DECLS

#define HISTORY_RECIPIENTS 3

typedef enum
{
  HISTORY_OPEN,
  HISTORY_SETTLED,
  HISTORY_VOID,
} HistoryState;

typedef struct
{
  guint number;              /* kit_id() of it */
  guint64 seq;               /* the segment it was journaled in */
  guint recipients;
  HistoryState states[HISTORY_RECIPIENTS];
  gint64 since_ms[HISTORY_RECIPIENTS]; /* monotonic */
  gboolean was_damaged;      /* a copy of it was */
} HistoryMessage;

typedef struct
{
  gchar *spool;
  GRand *rand;
  gint64 wall_ms, monotonic_ms;
  gint64 retention_ms;
  GArray *messages;          /* of HistoryMessage */
  guint64 newest;            /* segment */
  gpointer last;             /* KitSegment: the newest, for the chain */
  gboolean has_jumped, has_damage, has_failed;
  gint64 opened_ms;          /* monotonic: when the auditor began */
  gint64 calm_ms;            /* since when nothing went wrong with a pass */
  gboolean is_full;          /* the spool's room is below its mark */
  guint64 fail_at;           /* the nth call that changes something fails; 0: none */
  guint64 die_at;            /* likewise: the process ends there */
  guint64 calls;
  /* the auditor's side */
  HfDaybook *daybook;
  HfLedger *ledger;
  HfTrimming *trimming;
} History;

/* A deliberate defect, which the invariants have to report. */
typedef enum
{
  DEFECT_NONE,
  DEFECT_RETENTION, /* the retention is forgotten */
  DEFECT_OPEN,      /* what is open counts as settled */
  DEFECT_NOTE,      /* the note is not synced before its segment goes */
  DEFECT_CARRIED,   /* the carried copy gets no name before the old one goes */
  N_DEFECTS
} HistoryDefect;

extern HistoryDefect history_defect;

/* How often the hooks saw a segment go before what has to be synced was. */
extern guint history_disorder;

/* Puts the table of calls in place; once. */
void history_install (void);

History *history_new (guint32 seed);
void history_free (History *self);

/* Ends the auditor's side, and begins it anew, as a restart does. */
void history_close (History *self);
void history_open (History *self, gboolean rebuild);

/* A segment of up to three messages, and perhaps a void mark of an earlier one. */
void history_arrive (History *self);
void history_set (History *self, HistoryMessage *message, guint recipient, HistoryState state);
/* Turns an octet of some segment over. */
void history_damage (History *self);
/* An operator settles by its place what is not whole. */
void history_settle_places (History *self);

G_END_DECLS
