/* status-look.h - one look at everything: filter, auditor, journal, room, books
 *
 * Reads headers, sizes and the ledger, never a message, so it takes no longer
 * on a large journal.  Nothing here prints.
 */
#pragma once

#include "milter/base/config.h"
#include "milter/command/forecast.h"
#include "milter/journal/space.h"
#include "milter/ledger/ledger.h"
#include "milter/ledger/scrub-position.h"

G_BEGIN_DECLS

/* Of recipients. */
enum
{
  HF_STATUS_VOID,
  HF_STATUS_PROVISIONAL,
  HF_STATUS_SETTLED,
  HF_STATUS_OPEN,
  HF_STATUS_UNACCOUNTED,
  HF_STATUS_LOST,
  HF_STATUS_STATES,
};

extern const gchar *const hf_status_states[HF_STATUS_STATES];

/* A message that stands for others like it; id NULL: there is none. */
typedef struct
{
  gchar *id;
  gchar *queue;
  gchar *sender;
  gint64 at_ms;    /* when it came */
  gint64 since_ms; /* since when it is as it is; -1: not known */
} HfStatusMessage;

/* Something that a person has to do. */
typedef struct
{
  gchar *what;
  gchar *next;     /* the command to type */
  gint64 since_ms; /* -1: not known */
} HfStatusNeed;

typedef struct
{
  gint64 now_ms;
  /* the filter */
  gboolean has_journal, filter_runs;
  gint64 filter_since_ms; /* -1: not known, as all times here */
  guint64 open_segment;   /* 0: none */
  guint64 open_synced;
  /* the journal */
  guint64 segments, octets;
  guint64 carried, carried_octets;
  /* the file system */
  HfSpace space;
  guint64 warn, stop;     /* octets; 0: off */
  guint64 inodes_warn, inodes_stop;
  HfForecast forecast;
  gint64 kept_ms;         /* as in HfForecastFacts */
  /* the books; nothing below counts where there are none */
  gboolean has_ledger, auditor_runs;
  gint64 auditor_since_ms;
  gint64 log_read_ms;     /* when the newest line was read */
  gint64 log_behind;      /* octets of the log that are not read; -1: not known */
  guint64 journal_behind; /* octets of the journal */
  gint64 oldest_mail_ms, newest_mail_ms; /* when they were journaled */
  gint64 queue_asked_ms;  /* when the MTA's queue was last looked at */
  gint64 queue_late_ms;   /* how long after that it should have been again */
  HfScrubPosition scrub;
  guint64 by_state[HF_STATUS_STATES];
  guint64 damaged, damaged_open; /* copies; of these, not settled by an act */
  guint64 gone, gone_open;       /* copies without a segment; of these, with a recipient that is not settled */
  guint64 torn, breaches;
  gint64 damaged_since_ms;
  HfStatusMessage open, lost, unaccounted;  /* the oldest of each */
  GArray *needs;          /* of HfStatusNeed */
} HfStatus;

void hf_status_clear (HfStatus *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (HfStatus, hf_status_clear)

/**
 * hf_status_look:
 * @out_status: to be cleared in any case
 *
 * FALSE where something is there and can't be looked at: HF_ERROR_DENIED,
 * HF_ERROR_IO, HF_ERROR_BUSY, HF_ERROR_CORRUPT.  A spool in which no filter or
 * auditor has run is no failure.
 */
gboolean hf_status_look (const HfConfig *config, HfStatus *out_status, GError **error);

G_END_DECLS
