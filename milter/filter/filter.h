/* filter.h - what all connections of the filter share
 *
 * One writer, one stage area, one pressure gauge, and the state of a stop.
 */
#pragma once

#include "milter/base/config.h"
#include "milter/filter/nudge.h"
#include "milter/filter/pressure.h"
#include "milter/filter/stage.h"
#include "milter/journal/writer.h"

G_BEGIN_DECLS

typedef struct
{
  HfStageArea area;
  HfWriter *writer;
  HfPressure *pressure;
  HfRoom room;          /* what transactions have reserved */
  HfNudge nudge;
  gint draining;        /* atomic */
  gint open;            /* transactions between MAIL and their answer, atomic */
  gint answered_ms;     /* when the last message was, as far as it fits, atomic */
  gint commit_limit_ms; /* atomic */
} HfFilter;

/**
 * hf_filter_open:
 *
 * Makes the spool's directories where they are missing, probes the stage,
 * opens the journal.  FALSE with the error of the first that fails; the
 * message names the configuration's line where that can cure it.
 */
gboolean hf_filter_open (HfFilter *self, const HfConfig *config, GError **error);

/* What hf_filter_open() would say of the spool, touching nothing.  A directory
 * that a start would make may be missing. */
gboolean hf_filter_check (const HfConfig *config, GError **error);

/* May hf_filter_apply() take @config?  As hf_filter_check() for what a reload may
 * change; goes by the last look and touches no disk. */
gboolean hf_filter_check_reload (const HfFilter *self, const HfConfig *config, GError **error);

/* Takes over what a reload may change. */
void hf_filter_apply (HfFilter *self, const HfConfig *config);

/* The callback for the end of a message is about to return. */
void hf_filter_note_answer (HfFilter *self);

/* May a new transaction begin?  FALSE with HF_ERROR_BUSY, _FULL or _LATE.
 * Touches no disk. */
gboolean hf_filter_admit (HfFilter *self, GError **error);

/* From here on no new mail is admitted; hf_filter_drain() does it, too.  For who
 * tells of the stop first: what is told must be so.  Threads: any. */
void hf_filter_turn_away (HfFilter *self);

/**
 * hf_filter_drain:
 * @limit_ms: at most
 *
 * Turns new transactions away and waits for the open ones; then lets the
 * writer finish.  TRUE when all was finished.
 */
gboolean hf_filter_drain (HfFilter *self, gint64 limit_ms);

/* After that, before the process ends: a moment for the last message's answer, a
 * quarter of a second at most. */
void hf_filter_wait_answers (HfFilter *self);

G_END_DECLS
