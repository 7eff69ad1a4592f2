/* auditor.c - one look at the world after the other: journal, acts, log, queue; see auditor.h */
#include <config.h>

#include "milter/audit/auditor.h"

#include "milter/audit/accounts.h"
#include "milter/audit/acts-intake.h"
#include "milter/audit/follow-journald.h"
#include "milter/audit/presence.h"
#include "milter/audit/scrub.h"
#include "milter/audit/segments.h"
#include "milter/audit/trimming.h"
#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/ledger/scribe.h"

#include <stdio.h>
#include <string.h>

/* What a round takes in at most.  Lines wait in memory for their group, and
 * mail of the journal is to be known before its lines are. */
#define ROUND_LINES 10000
#define ROUND_RECORDS 10000
#define PART_RECORDS 2000

/* How far the journal is read ahead of the log: what is known and has no lines
 * yet waits in memory too. */
#define AHEAD_MS (10 * 1000)

/* A log without a line is no wonder in a spool without mail that young. */
#define LOG_SINCE_MS (60 * 1000)

/* So many lines that all begin otherwise than a line of a log are no accident. */
#define STRANGE_LINES 3

/* postqueue begins to print at once and says something of each message.  A Postfix that does not answer it
 * keeps it waiting for ever. */
#define QUEUE_SILENT_MS (60 * 1000)

/* How far the journal was read again is not worth a group of its own more often. */
#define SCRUB_KEPT_EVERY_MS (30 * 1000)

struct HfAuditor
{
  const HfConfig *config;
  const gchar *spool;
  HfDaybook *daybook;
  HfLedger *ledger;
  HfScribe *scribe;
  HfAccounts *accounts;
  HfTrimming *trimming;
  HfFollow *follow;           /* a file; or NULL: */
  HfFollowJournald *journald;
  HfSegmentsPosition journal;
  HfSegmentsPosition carried; /* read before a journal that is read from its beginning */
  GError *carried_error;      /* of the ledger, while it was read */
  gint64 first_ms;            /* of the journal; where a log without a position begins */
  guint64 committed_seq;      /* lines known to the books */
  HfSegmentsPosition committed_journal;
  HfSegmentsPosition known_journal; /* the last place that the ledger has a message from */
  gboolean books_damaged;
  HfPresence presence;
  HfScrub *scrub;
  HfScrubPosition committed_scrub;
  gint64 next_scrub_ms;       /* monotonic: when its position is kept again */
  HfQueue *queue;             /* a snapshot that waits for the log to be read */
  gint64 queue_ms;
  gint64 next_queue_ms;       /* monotonic */
  gint64 told_gap_ms;         /* of the newest line when silence was told */
  HfAccountsCounts restored;  /* lines that were not read in this run */
  gboolean log_known;         /* its lines begin as those of a log do, or that they don't was told */
  gboolean log_failed, queue_failed, journal_failed;
  gboolean log_idle, journal_idle, carried_read;
};

/* ---- taking in ---- */

/* What is read once more, because books were damaged, is asked for first: the
 * accounts remember what is open, the ledger all. */
static gboolean
is_known (HfAuditor *self, guint64 seq, guint64 offset, const gchar *id)
{
  return (seq < self->known_journal.seq || (seq == self->known_journal.seq && offset <= self->known_journal.offset))
         && hf_ledger_knows (self->ledger, id, FALSE);
}

static void
on_message (guint64 seq, const gchar *instance, const HfItem *item, gpointer data)
{
  HfAuditor *self = data;

  self->first_ms = MIN (self->first_ms, item->facts.at_ms);
  if (is_known (self, seq, item->offset, item->facts.id.text))
    return;
  hf_accounts_envelope (self->accounts, seq, instance, item);
}

/* Books that are new, or lost some of theirs, may not know a message that stands
 * here only, or not that it stands here.  What is not whole proves nothing: the
 * reading again tells of it. */
static void
on_carried (guint64 seq, const gchar *instance, const HfItem *item, gpointer data)
{
  HfAuditor *self = data;
  const HfCarriedRecord record = { item->facts.id, item->offset, item->length };
  guint64 known_seq;

  if (!item->whole || self->carried_error != NULL
      || !hf_ledger_segment_of (self->ledger, item->facts.id.text, &known_seq, &self->carried_error))
    return;
  if (known_seq == 0)
    {
      /* the journal may have it too, and by then the account may be closed */
      self->known_journal.seq = HF_SEQ_MAX;
      on_message (seq, instance, item, data);
    }
  else if (known_seq < seq)
    hf_trimming_tell_carried (self->daybook, seq, &record);
}

static void
on_marked (const gchar *id, const gchar *reason, gpointer data)
{
  HfAuditor *self = data;

  if (self->journal.seq > self->known_journal.seq || !hf_ledger_knows (self->ledger, id, TRUE))
    hf_accounts_void (self->accounts, id, reason);
}

/* Tells a failure once, until it is over. */
static void
tell_failure (gboolean *failed, HfEventCode code, const GError *error)
{
  if (!*failed)
    hf_event (code, error, NULL);
  *failed = TRUE;
}

/* With the log at its end nothing is gained by waiting for its lines. */
static gboolean
is_ahead_of_log (const HfAuditor *self)
{
  const gint64 line_ms = hf_accounts_newest_line_ms (self->accounts);

  return !self->log_idle && line_ms >= 0 && hf_accounts_newest_envelope_ms (self->accounts) - line_ms > AHEAD_MS;
}

/* A segment that can't be read must not keep the journal from being read: that
 * would be behind the log then. */
static void
read_carried (HfAuditor *self, gboolean *out_more)
{
  const HfSegmentsSink sink = { on_carried, on_marked, self };
  g_autoptr (GError) error = NULL;

  *out_more = TRUE;
  if (hf_segments_read_carried (self->spool, &self->carried, PART_RECORDS, &sink, out_more, &error)
      && self->carried_error == NULL)
    return;
  if (self->carried_error != NULL)
    {
      g_clear_error (&self->carried_error);
      self->carried.offset = 0; /* the ledger's next commit tells, or the next round succeeds */
      return;
    }
  hf_event (HF_EVENT_JOURNAL_AWAY, error, "directory", HF_CARRIED_DIRECTORY, NULL);
  if (self->carried.seq <= HF_CARRIED_FIRST)
    *out_more = FALSE;
  else
    self->carried = (HfSegmentsPosition){ self->carried.seq - 1, 0 };
}

/* The next part, of SPOOL/carried first where the journal is read from its
 * beginning: what is there is the oldest. */
static gboolean
read_part (HfAuditor *self, gboolean *out_more, GError **error)
{
  const HfSegmentsSink sink = { on_message, on_marked, self };

  if (self->carried_read || self->journal.seq != 0)
    return hf_segments_read (self->spool, &self->journal, PART_RECORDS, &sink, out_more, error);
  read_carried (self, out_more);
  self->carried_read = !*out_more;
  *out_more = TRUE;
  return TRUE;
}

static void
read_journal (HfAuditor *self)
{
  g_autoptr (GError) error = NULL;
  gboolean more = TRUE;

  for (guint done = 0; more && done < ROUND_RECORDS && !is_ahead_of_log (self); done += PART_RECORDS)
    if (!read_part (self, &more, &error))
      {
        more = FALSE;
        if (!g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND)) /* no filter has run yet */
          tell_failure (&self->journal_failed, HF_EVENT_JOURNAL_AWAY, error);
      }
  if (error == NULL)
    self->journal_failed = FALSE;
  self->journal_idle = !more;
}

static void
start_log (HfAuditor *self, const HfFollowPosition *from, const gchar *cursor)
{
  const gchar *log = self->config->mta_log;

  if (g_str_has_prefix (log, "file:"))
    {
      const gint64 since_ms = self->first_ms == G_MAXINT64 ? G_MAXINT64 : self->first_ms - LOG_SINCE_MS;

      self->follow = hf_follow_new (log + strlen ("file:"), from, since_ms);
    }
  else
    {
      /* without mail yet: what comes between this moment and the first look has lines, too */
      const gint64 since_ms = MIN (self->first_ms, hf_sys_wall_ms ()) - LOG_SINCE_MS;

      self->journald = hf_follow_journald_new (log[strlen ("journald")] == ':' ? log + strlen ("journald:") : NULL, cursor,
                                               since_ms);
    }
}

static gboolean
next_line (HfAuditor *self, gint64 now_ms, gboolean last, HfFollowItem *item, GError **error)
{
  return self->follow != NULL ? hf_follow_next (self->follow, now_ms, last, item, error)
                              : hf_follow_journald_next (self->journald, item, error);
}

static void
tell_log_back (HfAuditor *self)
{
  if (self->log_failed)
    hf_event (HF_EVENT_LOG_BACK, NULL, "log", self->config->mta_log, NULL);
  self->log_failed = FALSE;
}

static void
read_log (HfAuditor *self, gint64 now_ms, gboolean last)
{
  g_autoptr (GError) error = NULL;
  HfFollowItem item;

  if (self->follow == NULL && self->journald == NULL)
    start_log (self, NULL, NULL);
  self->log_idle = FALSE;
  for (guint i = 0; i < ROUND_LINES; i++)
    {
      if (!next_line (self, now_ms, last, &item, &error))
        {
          tell_failure (&self->log_failed, HF_EVENT_LOG_UNREADABLE, error);
          self->log_idle = TRUE;
          return;
        }
      tell_log_back (self);
      if (item.kind == HF_FOLLOW_IDLE || item.kind == HF_FOLLOW_END)
        {
          self->log_idle = TRUE;
          return;
        }
      if (item.kind == HF_FOLLOW_GAP)
        hf_event (HF_EVENT_LOG_GAP, NULL, "log", self->config->mta_log, "why", item.why, NULL);
      hf_accounts_log (self->accounts, &item);
    }
}

static void
on_act (const HfStatement *statement, gpointer data)
{
  hf_event (HF_EVENT_ACT_TAKEN, NULL, "act", hf_statement_get (statement, "id"), "user",
            hf_statement_get (statement, "user"), "reason", hf_statement_get (statement, "reason"), NULL);
  hf_accounts_act (((HfAuditor *) data)->accounts, statement);
}

static void
on_act_fault (const gchar *name, const gchar *why, gpointer data)
{
  hf_event (HF_EVENT_ACT_FAULTY, NULL, "file", name, "why", why, NULL);
}

/* Silence while the journal takes mail: the MTA logs at least a line for each. */
static void
look_for_silence (HfAuditor *self)
{
  const gint64 line_ms = hf_accounts_silent_since_ms (self->accounts);
  const gint64 mail_ms = hf_accounts_newest_envelope_ms (self->accounts);
  HfFollowItem item = { .kind = HF_FOLLOW_GAP, .why = "the log is silent while mail flows" };

  if (!self->log_idle || line_ms < 0 || mail_ms - line_ms < self->config->audit_gap_after || self->told_gap_ms == line_ms)
    return;
  self->told_gap_ms = line_ms;
  hf_event (HF_EVENT_LOG_GAP, NULL, "log", self->config->mta_log, "why", item.why, NULL);
  hf_accounts_log (self->accounts, &item);
}

/* A log of which no line can be read is as good as none. */
static void
look_for_form (HfAuditor *self)
{
  g_autofree gchar *lines = NULL;
  HfAccountsCounts counts;

  if (self->log_known || !self->log_idle)
    return;
  hf_accounts_count (self->accounts, &counts);
  self->log_known = counts.known > self->restored.known;
  if (self->log_known || counts.lines - self->restored.lines < STRANGE_LINES)
    return;
  self->log_known = TRUE;
  lines = g_strdup_printf ("%" G_GUINT64_FORMAT, counts.lines - self->restored.lines);
  hf_event (HF_EVENT_LOG_STRANGE, NULL, "log", self->config->mta_log, "lines", lines, NULL);
}

/* ---- the queue ---- */

static void
ask_queue (HfAuditor *self, gint64 now_ms)
{
  const gboolean is_postfix = strcmp (self->config->mta_type, "postfix") == 0;
  const gchar *where = self->config->mta_queue;
  g_autoptr (GError) error = NULL;

  if (hf_sys_monotonic_ms () < self->next_queue_ms)
    return;
  self->next_queue_ms = hf_sys_monotonic_ms () + self->config->audit_snapshot_interval;
  g_clear_pointer (&self->queue, hf_queue_free);
  if (where[0] == '\0')
    where = is_postfix ? "/etc/postfix" : "/var/spool/mqueue";
  self->queue_ms = now_ms;
  self->queue = is_postfix ? hf_queue_read_postfix (where, QUEUE_SILENT_MS, &error) : hf_queue_read_sendmail (where, &error);
  if (self->queue == NULL)
    tell_failure (&self->queue_failed, HF_EVENT_QUEUE_UNKNOWN, error);
  else
    self->queue_failed = FALSE;
}

/* Only once the log has been read past the snapshot: what left the queue before
 * it was taken has its lines by then. */
static void
use_queue (HfAuditor *self)
{
  if (self->queue == NULL || !self->log_idle || !self->journal_idle || self->log_failed)
    return;
  hf_accounts_queue (self->accounts, self->queue, self->queue_ms);
  g_clear_pointer (&self->queue, hf_queue_free);
}

/* ---- giving out ---- */

static void
add_position (HfAuditor *self, const gchar *source, const gchar *value)
{
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "position");

  hf_statement_add (builder, "source", source, -1);
  hf_statement_add (builder, "value", value, -1);
  hf_statement_end (builder);
}

static void
add_positions (HfAuditor *self)
{
  g_autofree gchar *journal = g_strdup_printf ("segment=%" G_GUINT64_FORMAT " offset=%" G_GUINT64_FORMAT, self->journal.seq,
                                               self->journal.offset);
  g_autofree gchar *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, hf_accounts_seq (self->accounts));
  g_autofree gchar *scrub = hf_scrub_position_format (hf_scrub_position (self->scrub));
  g_autofree gchar *line = g_strdup_printf ("%" G_GINT64_FORMAT, hf_accounts_known_line_ms (self->accounts));
  g_autofree gchar *log = NULL, *read = NULL;
  HfFollowPosition position;

  if (self->follow != NULL)
    {
      hf_follow_position (self->follow, &position);
      log = hf_follow_position_format (&position);
    }
  else if (self->journald != NULL)
    {
      log = g_strdup (hf_follow_journald_cursor (self->journald));
      if (hf_follow_journald_read_ms (self->journald) >= 0)
        read = g_strdup_printf ("%" G_GINT64_FORMAT, hf_follow_journald_read_ms (self->journald));
    }
  add_position (self, HF_SCRUB_SOURCE, scrub);
  add_position (self, "journal", journal);
  add_position (self, "lines", seq);
  add_position (self, "line-time", line);
  if (log != NULL)
    add_position (self, self->follow != NULL ? "file" : "journald", log);
  if (read != NULL)
    add_position (self, "journald-read", read);
}

static gboolean
is_scrub_due (const HfAuditor *self)
{
  return memcmp (hf_scrub_position (self->scrub), &self->committed_scrub, sizeof self->committed_scrub) != 0
         && hf_sys_monotonic_ms () >= self->next_scrub_ms;
}

static gboolean
commit_books (HfAuditor *self, GError **error)
{
  const guint64 seq = hf_accounts_seq (self->accounts);
  GString *group = NULL;

  if (hf_daybook_pending (self->daybook) == 0 && seq == self->committed_seq && !is_scrub_due (self)
      && memcmp (&self->journal, &self->committed_journal, sizeof self->journal) == 0)
    return TRUE;
  add_positions (self);
  if (!hf_daybook_commit_taking (self->daybook, &group, error))
    return FALSE;
  self->committed_seq = seq;
  self->committed_journal = self->journal;
  self->committed_scrub = *hf_scrub_position (self->scrub);
  self->next_scrub_ms = hf_sys_monotonic_ms () + SCRUB_KEPT_EVERY_MS;
  return hf_scribe_give (self->scribe, group, hf_daybook_mark (self->daybook), error);
}

/* With nothing more to read the ledger has all that the books have. */
static gboolean
commit (HfAuditor *self, GError **error)
{
  return commit_books (self, error)
         && (!self->log_idle || !self->journal_idle || hf_scribe_finish (self->scribe, error));
}

/* A line that still waits may say that mail is open which the books think void.
 * A run that is over at once has not seen how time goes, and leaves trimming to
 * those that go on. */
static gboolean
trim (HfAuditor *self, gboolean last, GError **error)
{
  if (last || self->log_failed || self->journal_failed || !hf_trimming_is_due (self->trimming))
    return TRUE;
  return hf_trimming_pass (self->trimming, self->committed_journal.seq, error);
}

/* What goes by the ledger: once all is read, and entered there. */
static gboolean
look_after_journal (HfAuditor *self, gboolean last, GError **error)
{
  return hf_presence_watch (&self->presence, error)
         && hf_scrub_work (self->scrub, MIN (self->journal.seq, self->committed_journal.seq), error) && commit (self, error)
         && trim (self, last, error);
}

gboolean
hf_auditor_reads_log (const HfAuditor *self)
{
  return !self->log_failed;
}

gboolean
hf_auditor_round (HfAuditor *self, gboolean last, gboolean *out_idle, GError **error)
{
  const HfActsSink acts = { on_act, on_act_fault, self };
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) failed = NULL;
  const gint64 now_ms = hf_sys_wall_ms ();
  gboolean ok;

  read_journal (self);
  if (!hf_acts_take (self->spool, &acts, &names, &failed))
    hf_event (HF_EVENT_ACT_FAULTY, failed, NULL);
  ask_queue (self, now_ms);
  read_log (self, now_ms, last);
  use_queue (self);
  look_for_form (self);
  look_for_silence (self);
  hf_accounts_settle (self->accounts, now_ms);
  ok = commit (self, error);
  if (ok)
    hf_acts_remove (self->spool, names);
  *out_idle = self->log_idle && self->journal_idle;
  return ok && (!*out_idle || look_after_journal (self, last, error));
}

/* ---- opening ---- */

static gboolean
catch_up (HfAuditor *self, gboolean rebuild, GError **error)
{
  g_autofree gchar *damaged = NULL, *groups = NULL;
  HfDaybookReport report;
  gboolean anew;

  self->ledger = hf_ledger_open (self->spool, rebuild ? HF_LEDGER_REBUILD : HF_LEDGER_WRITE, error);
  if (self->ledger == NULL)
    return FALSE;
  anew = hf_ledger_mark (self->ledger)->group == 0;
  if (!hf_ledger_catch_up (self->ledger, &report, error))
    return FALSE;
  damaged = g_strdup_printf ("%" G_GUINT64_FORMAT, report.damaged);
  groups = g_strdup_printf ("%" G_GUINT64_FORMAT, report.groups);
  /* also where an earlier run saw it, and was stopped before it could make it good */
  self->books_damaged = hf_ledger_lacks_groups (self->ledger);
  if (report.damaged > 0)
    hf_event (HF_EVENT_BOOKS_DAMAGED, NULL, "groups", damaged, NULL);
  if (hf_ledger_mark (self->ledger)->group > hf_daybook_mark (self->daybook)->group)
    hf_event (HF_EVENT_BOOKS_DAMAGED, NULL, "why", "the ledger knows more than the books have", NULL);
  if (anew && report.groups > 0)
    hf_event (HF_EVENT_LEDGER_MADE, NULL, "groups", groups, NULL);
  return TRUE;
}

/* What damaged groups said of the journal is read there again.  What they said of
 * the log is missing: mail that is open may have come to its end in them. */
static void
make_good (HfAuditor *self)
{
  const HfFollowItem item = { .kind = HF_FOLLOW_GAP, .why = "books are damaged: what was read once is missing" };

  memset (&self->journal, 0, sizeof self->journal);
  hf_accounts_log (self->accounts, &item);
}

static gboolean
restore (HfAuditor *self, GError **error)
{
  g_autofree gchar *journal = NULL, *lines = NULL, *line = NULL, *file = NULL, *cursor = NULL;
  HfFollowPosition position;

  if (!hf_ledger_position (self->ledger, "journal", &journal, error)
      || !hf_ledger_position (self->ledger, "lines", &lines, error)
      || !hf_ledger_position (self->ledger, "line-time", &line, error)
      || !hf_ledger_position (self->ledger, "file", &file, error)
      || !hf_ledger_position (self->ledger, "journald", &cursor, error))
    return FALSE;
  if (journal != NULL)
    sscanf (journal, "segment=%" G_GUINT64_FORMAT " offset=%" G_GUINT64_FORMAT, &self->journal.seq, &self->journal.offset);
  self->committed_journal = self->journal;
  if (!hf_accounts_restore (self->accounts, self->ledger, hf_sys_wall_ms (), error))
    return FALSE;
  hf_accounts_count (self->accounts, &self->restored);
  if (lines != NULL)
    hf_accounts_set_seq (self->accounts, MAX (hf_accounts_seq (self->accounts), g_ascii_strtoull (lines, NULL, 10)));
  if (line != NULL)
    hf_accounts_set_known_line_ms (self->accounts, g_ascii_strtoll (line, NULL, 10));
  self->committed_seq = hf_accounts_seq (self->accounts);
  if (!hf_ledger_last_place (self->ledger, &self->known_journal.seq, &self->known_journal.offset, error))
    return FALSE;
  if (self->books_damaged)
    make_good (self);
  if (g_str_has_prefix (self->config->mta_log, "file:") && file != NULL && hf_follow_position_parse (file, &position))
    start_log (self, &position, NULL);
  else if (g_str_has_prefix (self->config->mta_log, "journald") && cursor != NULL)
    start_log (self, NULL, cursor);
  return TRUE;
}

HfAuditor *
hf_auditor_open (const HfConfig *config, gboolean rebuild, GError **error)
{
  const HfAccountsSettings settings = {
    .last = strcmp (config->mta_filter_after, "none") == 0,
    .instance = config->mta_instance,
    .settle_after_ms = config->audit_settle_after,
    .twice_ms = config->audit_snapshot_interval / 2,
    .unconfirmed_ms = config->audit_gap_after,
    .mta = strcmp (config->mta_type, "postfix") == 0 ? HF_MTA_POSTFIX : HF_MTA_SENDMAIL,
  };
  const HfTrimmingSettings trimming = {
    .spool = config->spool_directory,
    .instance = config->mta_instance,
    .retention_ms = config->retention_settled,
    .carry_after_ms = config->retention_carry_after,
    .segment_size = config->journal_segment_size,
    .write_ahead = config->journal_write_ahead,
    .space_warn = config->pressure_space_warn,
    .inodes_warn = config->pressure_inodes_warn,
  };
  g_autoptr (HfAuditor) self = g_new0 (HfAuditor, 1);

  self->config = config;
  self->spool = config->spool_directory;
  self->first_ms = G_MAXINT64;
  self->told_gap_ms = -1;
  self->daybook = hf_daybook_open (self->spool, error);
  if (self->daybook == NULL || !catch_up (self, rebuild, error))
    return NULL;
  hf_presence_init (&self->presence, self->spool, self->ledger);
  self->scrub = hf_scrub_new (self->spool, config->audit_scrub_rate, self->ledger, self->daybook, error);
  if (self->scrub == NULL || !hf_presence_check (&self->presence, error))
    return NULL;
  self->committed_scrub = *hf_scrub_position (self->scrub);
  self->accounts = hf_accounts_new (self->daybook, &settings);
  if (!restore (self, error))
    return NULL;
  self->trimming = hf_trimming_new (&trimming, self->daybook, self->ledger, error);
  if (self->trimming == NULL || (self->scribe = hf_scribe_new (self->ledger, error)) == NULL)
    return NULL;
  return g_steal_pointer (&self);
}

void
hf_auditor_free (HfAuditor *self)
{
  if (self == NULL)
    return;
  g_clear_error (&self->carried_error);
  hf_queue_free (self->queue);
  hf_follow_free (self->follow);
  hf_follow_journald_free (self->journald);
  hf_accounts_free (self->accounts);
  hf_trimming_free (self->trimming);
  hf_scribe_free (self->scribe);
  hf_scrub_free (self->scrub);
  hf_presence_clear (&self->presence);
  hf_ledger_free (self->ledger);
  hf_daybook_free (self->daybook);
  g_free (self);
}
