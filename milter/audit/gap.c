/* gap.c - lines that say that other lines are missing
 *
 * Wordings: rsyslog's imuxsock.c, imjournal.c and ratelimit.c, systemd's
 * journald-server.c and journald-syslog.c, syslog-ng's logqueue.
 */
#include <config.h>

#include "milter/audit/gap.h"

static HfParsed
gap (HfLogEvent *out, HfLogKind kind, const gchar *why)
{
  out->kind = kind;
  out->text = hf_slice (why);
  return HF_PARSE_EVENT;
}

/* The first number in the text is how many lines are missing. */
static void
take_count (HfSlice text, HfLogEvent *out)
{
  while (text.length > 0 && !g_ascii_isdigit (text.at[0]))
    text = hf_slice_from (text, 1);
  out->has_count = hf_slice_number (&text, &out->count);
}

/* "imuxsock lost 500 messages from pid 29009 due to rate-limiting" */
static HfParsed
parse_rsyslog (HfSlice text, HfLogEvent *out)
{
  if (hf_slice_find (text, "begin to drop messages") >= 0 || hf_slice_find (text, "begins to drop messages") >= 0)
    return gap (out, HF_LOG_GAP_BEGINS, "rsyslog limits the rate");
  if (hf_slice_find (text, "messages lost") >= 0 || hf_slice_find (text, "messages from") >= 0)
    {
      gssize lost = hf_slice_find (text, "lost ");

      take_count (lost >= 0 && hf_slice_find (text, "messages lost") < 0 ? hf_slice_from (text, (gsize)lost) : text,
                  out);
      return gap (out, HF_LOG_GAP, "rsyslog limited the rate");
    }
  if (hf_slice_find (text, "exiting on signal") >= 0)
    return gap (out, HF_LOG_GAP_BEGINS, "rsyslog was stopped");
  if (hf_slice_ends (text, "] start"))
    return gap (out, HF_LOG_GAP, "rsyslog was started");
  return HF_PARSE_OTHER;
}

/* "Suppressed 1234 messages from postfix.service" (or from a slice) */
static HfParsed
parse_journald (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, head;

  if (hf_slice_starts (text, "Journal stopped"))
    return gap (out, HF_LOG_GAP_BEGINS, "journald was stopped");
  if (hf_slice_starts (text, "Journal started"))
    return gap (out, HF_LOG_GAP, "journald was started");
  if (hf_slice_starts (text, "Forwarding to syslog missed "))
    {
      take_count (text, out);
      return gap (out, HF_LOG_GAP, "journald could not hand lines on to syslog");
    }
  if (!hf_slice_starts (text, "Suppressed ") || !hf_slice_cut (&rest, " messages from ", &head))
    return HF_PARSE_OTHER;
  if (hf_slice_ends (rest, ".service") && hf_slice_find (rest, "postfix") < 0
      && hf_slice_find (rest, "sendmail") < 0 && hf_slice_find (rest, "syslog") < 0
      && hf_slice_find (rest, "mail") < 0)
    return HF_PARSE_OTHER;
  take_count (text, out);
  return gap (out, HF_LOG_GAP, "journald limited the rate");
}

static HfParsed
parse_syslog_ng (HfSlice text, HfLogEvent *out)
{
  if (hf_slice_find (text, "dropped") < 0 && hf_slice_find (text, "dropping") < 0
      && hf_slice_find (text, "lost") < 0)
    return HF_PARSE_OTHER;
  if (hf_slice_starts (text, "Log statistics"))
    return HF_PARSE_OTHER;
  take_count (text, out);
  return gap (out, HF_LOG_GAP, "syslog-ng dropped lines");
}

HfParsed
hf_gap_parse (const HfLogLine *line, HfLogEvent *out)
{
  gchar first = line->program.length > 0 ? line->program.at[0] : '\0';

  if (first != 'r' && first != 's')
    return HF_PARSE_OTHER;
  if (hf_slice_starts (line->program, "rsyslogd"))
    {
      hf_log_event_init (out, line);
      return parse_rsyslog (line->text, out);
    }
  if (hf_slice_is (line->program, "systemd-journald") || hf_slice_is (line->program, "systemd-journal"))
    {
      hf_log_event_init (out, line);
      return parse_journald (line->text, out);
    }
  if (hf_slice_is (line->program, "syslog-ng"))
    {
      hf_log_event_init (out, line);
      return parse_syslog_ng (line->text, out);
    }
  return HF_PARSE_OTHER;
}

gboolean
hf_gap_unfold (HfLogLine *line)
{
  HfSlice rest = line->text;
  guint64 times;

  if (!hf_slice_skip (&rest, "message repeated ") || !hf_slice_number (&rest, &times)
      || !hf_slice_skip (&rest, " times: [ ") || !hf_slice_ends (rest, "]"))
    return FALSE;
  rest.length--;
  line->text = rest;
  return TRUE;
}
