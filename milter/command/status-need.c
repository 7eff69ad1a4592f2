/* status-need.c - what of a status needs a hand; see status-need.h */
#include <config.h>

#include "milter/command/status-need.h"

#include "milter/command/text.h"

/* The log is read within seconds; so long, and somebody has to look. */
#define BEHIND_MS (5 * 60 * 1000)

/* The first line of a log comes before the message that it speaks of. */
#define FIRST_LINE_MS (60 * 1000)

/* A disk has to be got within this. */
#define FULL_SOON_DAYS 7

static void
need_clear (gpointer data)
{
  HfStatusNeed *need = data;

  g_free (need->what);
  g_free (need->next);
}

GArray *
hf_status_needs_new (void)
{
  GArray *needs = g_array_new (FALSE, FALSE, sizeof (HfStatusNeed));

  g_array_set_clear_func (needs, need_clear);
  return needs;
}

/* Takes the texts. */
static void
add (HfStatus *status, gchar *what, gchar *next, gint64 since_ms)
{
  const HfStatusNeed need = { what, next, since_ms };

  g_array_append_val (status->needs, need);
}

static gchar *
count (guint64 number, const gchar *one, const gchar *more, const gchar *rest)
{
  g_autofree gchar *text = hf_text_count (number, one, more);

  return g_strconcat (text, rest, NULL);
}

/* Mail came, and of the log nothing. */
static gboolean
has_no_log (const HfStatus *status)
{
  return status->log_read_ms < 0 && status->oldest_mail_ms >= 0 && status->now_ms - status->oldest_mail_ms > FIRST_LINE_MS;
}

/* Without new mail a log that is not there under its name has nothing to say. */
static gboolean
has_lost_log (const HfStatus *status)
{
  return status->log_behind < 0 && status->log_read_ms >= 0 && status->newest_mail_ms > status->log_read_ms
         && status->now_ms - status->log_read_ms > BEHIND_MS;
}

static gboolean
is_behind (const HfStatus *status)
{
  return status->log_behind > 0 && status->log_read_ms >= 0 && status->now_ms - status->log_read_ms > BEHIND_MS;
}

/* Looks at the queue wait for the log. */
static gboolean
is_blind_for_queue (const HfStatus *status)
{
  return status->oldest_mail_ms >= 0 && status->log_behind <= 0 && status->journal_behind == 0
         && status->now_ms - MAX (status->queue_asked_ms, status->auditor_since_ms) > status->queue_late_ms;
}

static void
need_log_and_queue (HfStatus *status)
{
  if (has_no_log (status))
    add (status, g_strdup ("Mail came, and the auditor has read no line of the MTA's log: is [mta] log right?"),
         g_strdup ("journalctl -t holdfast-auditor"), status->oldest_mail_ms);
  else if (has_lost_log (status))
    add (status, g_strdup ("Mail came, and the auditor can't read the MTA's log any more."),
         g_strdup ("journalctl -t holdfast-auditor"), status->log_read_ms);
  else if (is_behind (status))
    add (status, g_strdup ("The auditor has stopped reading the MTA's log."), g_strdup ("journalctl -t holdfast-auditor"),
         status->log_read_ms);
  else if (is_blind_for_queue (status))
    add (status, g_strdup ("The auditor can't see the MTA's queue: mail that vanishes from it is not found out."),
         g_strdup ("journalctl -t holdfast-auditor"), status->queue_asked_ms);
}

static void
need_programs (HfStatus *status)
{

  if (!status->has_journal)
    add (status, g_strdup ("There is no journal: the filter has never run here."), g_strdup ("holdfast-milter -t"), -1);
  else if (!status->filter_runs)
    add (status, g_strdup ("The filter does not run: the MTA turns mail away."), g_strdup ("systemctl status holdfast-milter"), -1);
  if (status->has_ledger && !status->auditor_runs)
    add (status, g_strdup ("The auditor does not run: what becomes of mail is not seen, and nothing is trimmed."),
         g_strdup ("systemctl status holdfast-auditor"), -1);
  else if (status->auditor_runs)
    need_log_and_queue (status);
}

static void
need_room (HfStatus *status)
{
  const gint days = status->forecast.is_known ? status->forecast.days_to_full : -1;

  if (status->stop > 0 && status->space.free < status->stop)
    add (status, g_strdup ("There is no room on the spool: mail is turned away."), g_strdup ("holdfast trim --dry-run"), -1);
  else if (status->warn > 0 && status->space.free < status->warn)
    add (status, g_strdup ("Room on the spool runs low."), g_strdup ("holdfast trim --dry-run"), -1);
  else if (days >= 0 && days < FULL_SOON_DAYS)
    add (status, count ((guint64) days, "day", "days", " from now the spool is full, if all goes on as it did."),
         g_strdup ("holdfast trim --dry-run"), -1);
  if (status->space.free_files < status->inodes_stop)
    add (status, g_strdup ("There are too few inodes on the spool: mail is turned away."), g_strdup ("df -i"), -1);
  else if (status->space.free_files < status->inodes_warn)
    add (status, g_strdup ("Inodes on the spool run low."), g_strdup ("df -i"), -1);
}

static void
need_mail (HfStatus *status)
{
  if (status->lost.id != NULL)
    add (status, count (status->by_state[HF_STATUS_LOST], "recipient's mail is", "recipients' mail is", " lost; the oldest:"),
         g_strconcat ("holdfast explain ", status->lost.id, NULL), status->lost.since_ms);
  if (status->unaccounted.id != NULL)
    add (status, count (status->by_state[HF_STATUS_UNACCOUNTED], "recipient is", "recipients are", " unaccounted for; the oldest:"),
         g_strconcat ("holdfast explain ", status->unaccounted.id, NULL), status->unaccounted.since_ms);
}

static void
need_copies (HfStatus *status)
{
  if (status->damaged_open > 0)
    add (status, count (status->damaged_open, "copy is", "copies are", " damaged. Check the disk."),
         g_strdup ("holdfast list --copy damaged"), status->damaged_since_ms);
  if (status->gone_open > 0)
    add (status, count (status->gone_open, "message", "messages", " without a known end lost the copy with its segment."),
         g_strdup ("holdfast list --copy damaged"), -1);
  if (status->breaches > 0)
    add (status, count (status->breaches, "place", "places", " of the journal changed where no message stands. Check the disk."),
         g_strdup ("holdfast verify"), -1);
}

void
hf_status_find_needs (HfStatus *status)
{
  need_mail (status);
  need_programs (status);
  need_room (status);
  need_copies (status);
}
