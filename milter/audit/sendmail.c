/* sendmail.c - what a line of Sendmail 8.17 says
 *
 * Read in deliver.c, envelope.c, milter.c, savemail.c, srvrsmtp.c, recipient.c
 * and queue.c of 8.17.1.  The two long lines are in sendmail-result.c.
 */
#include <config.h>

#include "milter/audit/sendmail.h"

#include "milter/audit/sendmail-result.h"

static gboolean
is_sendmail_name (HfSlice name)
{
  static const gchar *const names[] = { "sendmail", "sm-mta",    "sm-msp-queue", "sm-msp",   "sm-que",
                                        "sm-queue", "sm-client", "sm-notify",    "newaliases", NULL };

  for (const gchar *const *known = names; *known != NULL; known++)
    if (hf_slice_is (name, *known))
      return TRUE;
  return FALSE;
}

/* Takes "QUEUEID: " from the front. */
static gboolean
take_queue_id (HfSlice *text, HfSlice *out_id)
{
  HfSlice rest = *text, id;

  if (text->length < 16 || !hf_slice_cut (&rest, ": ", &id) || !hf_queue_id_is_sendmail (id))
    return FALSE;
  *out_id = id;
  *text = rest;
  return TRUE;
}

/* "clone: owner=X", or a notification: "DSN: …", "sender notify: …". */
static HfParsed
parse_child (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, label;

  if (hf_slice_starts (text, "clone: "))
    {
      out->link = HF_LINK_CLONED;
      return hf_log_event_of (out, HF_LOG_CHILD);
    }
  if (!hf_slice_cut (&rest, ": ", &label))
    return HF_PARSE_UNKNOWN;
  out->link = HF_LINK_NOTIFICATION;
  out->text = rest;
  out->expired = hf_slice_starts (rest, "Cannot send message for ")
                 || hf_slice_starts (rest, "Cannot send message within ")
                 || hf_slice_find (rest, "delivery time expired") >= 0;
  return hf_log_event_of (out, HF_LOG_CHILD);
}

/* "split: … ids=N1; N2" */
static HfParsed
parse_split (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, head;

  if (!hf_slice_cut (&rest, ", ids=", &head) && !hf_slice_cut (&rest, ", id=", &head))
    return HF_PARSE_UNKNOWN;
  out->other_id = rest;
  out->link = HF_LINK_CLONED;
  return hf_log_event_of (out, HF_LOG_CHILD);
}

/* "alias A => B, C" */
static HfParsed
parse_expansion (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text;

  if (!hf_log_cut_address (&rest, " => ", &out->address))
    return HF_PARSE_UNKNOWN;
  out->direct = hf_slice_starts (out->address, "<");
  out->address = hf_log_bare_address (out->address);
  out->other_address = rest;
  out->detailed = TRUE;
  return hf_log_event_of (out, HF_LOG_EXPANSION);
}

/* "Milter (N) delete: rcpt <A>, naddrs=1", "Milter (N) add: rcpt: <A>" */
static HfParsed
parse_milter_change (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, name;

  if (!hf_slice_cut (&rest, ") ", &name))
    return hf_log_event_of (out, HF_LOG_ALIVE);
  if (hf_slice_skip (&rest, "delete: rcpt "))
    {
      if (!hf_log_cut_address (&rest, ", naddrs=", &out->address) || hf_slice_is (rest, "0"))
        return hf_log_event_of (out, HF_LOG_ALIVE);
      out->address = hf_log_bare_address (out->address);
      return hf_log_event_of (out, HF_LOG_RECIPIENT_REMOVED);
    }
  if (hf_slice_skip (&rest, "add: rcpt: "))
    {
      out->address = hf_log_bare_address (rest);
      return hf_log_event_of (out, HF_LOG_RECIPIENT_ADDED);
    }
  return hf_log_event_of (out, HF_LOG_ALIVE);
}

/* The whole of what follows the subject; what a filter answers may end so, too. */
static gboolean
is_discard (HfSlice text)
{
  return hf_slice_ends (text, ", discard") && hf_slice_find (text, ", reject=") < 0;
}

/* "Milter: data, reject=…", "Milter: to=<A>, reject=…", "… discard" */
static HfParsed
parse_milter_verdict (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, head;

  hf_slice_skip (&rest, "cmd=");
  if (hf_slice_starts (rest, "data, reject="))
    return hf_log_event_of (out, HF_LOG_REFUSED);
  if (is_discard (rest))
    return hf_log_event_discarded (out, "filter: milter");
  if (hf_slice_skip (&rest, "to=") && hf_log_cut_address (&rest, ", reject=", &head))
    {
      out->address = hf_log_bare_address (head);
      return hf_log_event_of (out, HF_LOG_RECIPIENT_REFUSED);
    }
  return hf_log_event_of (out, HF_LOG_ALIVE);
}

/* "milter=N, …": one filter's answer, before the sum of all in "Milter: …". */
static HfParsed
parse_one_milter (HfSlice text, HfLogEvent *out)
{
  gboolean early = hf_slice_find (text, ", action=connect") >= 0 || hf_slice_find (text, ", action=helo") >= 0
                   || hf_slice_find (text, ", action=mail") >= 0 || hf_slice_find (text, ", action=rcpt") >= 0;

  if (hf_slice_find (text, ", reject=") >= 0)
    return hf_log_event_of (out, early ? HF_LOG_ALIVE : HF_LOG_REFUSED);
  if (hf_slice_find (text, ", quarantine=") >= 0)
    return hf_log_event_of (out, HF_LOG_HELD);
  if (is_discard (text))
    return hf_log_event_discarded (out, "filter: milter");
  return hf_log_event_of (out, HF_LOG_ALIVE);
}

/* "ruleset=check_rcpt, arg1=<A>, relay=…, reject=…" */
static HfParsed
parse_ruleset (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, head;

  if (is_discard (text))
    return hf_log_event_discarded (out, "policy: ruleset");
  if (hf_slice_find (text, ", reject=") < 0)
    return hf_log_event_of (out, hf_slice_find (text, ", quarantine=") >= 0 ? HF_LOG_HELD : HF_LOG_ALIVE);
  if (hf_slice_skip (&rest, "check_rcpt, arg1=") && hf_log_cut_address (&rest, ", ", &head))
    {
      out->address = hf_log_bare_address (head);
      return hf_log_event_of (out, HF_LOG_RECIPIENT_REFUSED);
    }
  if (hf_slice_starts (text, "check_data") || hf_slice_starts (text, "check_eom"))
    return hf_log_event_of (out, HF_LOG_REFUSED);
  return hf_log_event_of (out, HF_LOG_ALIVE);
}

/* The client went away, or went silent, before the message was whole. */
static gboolean
is_abortion (HfSlice text)
{
  return hf_slice_starts (text, "collect: premature EOM")
         || (hf_slice_starts (text, "lost input channel from ") && hf_slice_ends (text, " after data"))
         || (hf_slice_starts (text, "timeout waiting for input from ")
             && hf_slice_find (text, "during message collect") > 0);
}

/* "Losing ./qf6AMKei5o002163: why" */
static gboolean
is_lost_file (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, path;
  gssize at;

  if (!hf_slice_skip (&rest, "Losing ") || !hf_slice_cut (&rest, ": ", &path))
    return FALSE;
  out->text = rest;
  at = hf_slice_find_last (path, "qf");
  if (out->queue_id.length == 0 && at >= 0)
    out->queue_id = hf_slice_from (path, (gsize)at + 2);
  return hf_queue_id_is_sendmail (out->queue_id);
}

/* What follows "QUEUEID: ". */
static HfParsed
parse_message (HfSlice text, HfLogEvent *out)
{
  static const gchar *const harmless[] = {
    "collect: ",             "Milter ",        "SYSERR",         "Authentication-Warning: ", "locked",
    "queueup: ",             "AUTH",          "STARTTLS",       "SSL",                      "--- ",
    "<-- ",                  "makeconnection", "tempfail",      "unexpected ",              "timeout waiting",
    "lost input channel",    "can not ",      "Syntax error in mailbox", "Too many ",       "milter_",
    "mailer ",               "dropenvelope",  "putbody",        "openmailer",               "headers too large",
    "hash map",              "host map",      "size=",          "rcpt ",                    "sendall: ",
    "Truncated MIME",        "message too ",  "possible SMTP",  "improper ",                NULL
  };

  if (hf_slice_starts (text, "to="))
    return hf_sendmail_result_parse (text, out);
  if (hf_slice_starts (text, "from="))
    return hf_sendmail_collected_parse (text, out);
  if (hf_slice_is (text, "Milter accept: message"))
    return hf_log_event_of (out, HF_LOG_ACCEPTED);
  if (hf_slice_skip (&text, "Milter: "))
    return parse_milter_verdict (text, out);
  if (hf_slice_starts (text, "Milter ("))
    return parse_milter_change (text, out);
  if (hf_slice_starts (text, "milter="))
    return parse_one_milter (text, out);
  if (hf_slice_starts (text, "done; "))
    return hf_log_event_of (out, HF_LOG_DONE);
  if (hf_slice_skip (&text, "alias ") || hf_slice_skip (&text, "forward "))
    return parse_expansion (text, out);
  if (hf_slice_starts (text, "split: "))
    return parse_split (text, out);
  if (take_queue_id (&text, &out->other_id))
    return parse_child (text, out);
  if (hf_slice_skip (&text, "ruleset="))
    return parse_ruleset (text, out);
  if (hf_slice_is (text, "discarded"))
    return hf_log_event_discarded (out, "filter: milter");
  if (hf_slice_is (text, "unquarantine"))
    return hf_log_event_of (out, HF_LOG_RELEASED);
  if (is_abortion (text))
    return hf_log_event_of (out, HF_LOG_ABORTED);
  if (is_lost_file (text, out))
    return hf_log_event_of (out, HF_LOG_CORRUPT);
  if (hf_slice_skip (&text, "Saved message in "))
    {
      out->text = text;
      return hf_log_event_of (out, HF_LOG_DEAD_LETTER);
    }
  out->detailed = hf_slice_starts (text, "SMTP outgoing connect");
  if (out->detailed || hf_slice_starts_any (text, harmless) || hf_slice_find (text, "... ") > 0
      || hf_slice_find (text, " did not issue ") > 0)
    return hf_log_event_of (out, HF_LOG_ALIVE);
  return HF_PARSE_UNKNOWN;
}

static HfParsed
parse_general (HfSlice text, HfLogEvent *out)
{
  static const gchar *const openings[] = {
    "NOQUEUE: ", "AUTH", "STARTTLS", "gethostby", "daemon invoked", "error: safesasl", "starting daemon",
    "started as: ", "restarting ", "stopping daemon", "alias database ", "grew WorkList", "runqueue: ",
    "rejecting ", "accepting connections again", "ruleset=", "My unqualified host name", "unable to qualify",
    "SYSERR", "Milter ", "makeconnection", "did not issue", "lost input channel", "Authentication-Warning: ",
    "SMTP+", "Aliases: ", "/etc/", "hash map", "dbm map", "STARTTLS=", "SSL", "queue", "no more ",
    "sysexits", "timeout waiting", "tls_", "MaxQueue", "Skipping queue run", "filesys_update", "refused ",
    "new ", "sm_", "have been rejecting", "init", "closing connection", "mci_", "prescan", "Losing ",
    "config error", "log terminated", NULL
  };

  if (is_lost_file (text, out))
    return hf_log_event_of (out, HF_LOG_CORRUPT);
  return hf_slice_starts_any (text, openings) ? hf_log_event_of (out, HF_LOG_NOTHING) : HF_PARSE_UNKNOWN;
}

HfParsed
hf_sendmail_parse (const HfLogLine *line, HfLogEvent *out)
{
  HfSlice text = line->text;
  gboolean known_name = line->program.at == line->name.at && is_sendmail_name (line->name);
  HfParsed parsed;

  if (line->program.at != line->name.at)
    return HF_PARSE_OTHER;
  hf_log_event_init (out, line);
  out->mta = HF_MTA_SENDMAIL;
  out->instance = known_name ? hf_slice ("sendmail") : line->name;
  out->label = line->name;
  if (take_queue_id (&text, &out->queue_id))
    {
      parsed = parse_message (text, out);
      return parsed == HF_PARSE_EVENT || known_name ? parsed : HF_PARSE_OTHER;
    }
  return known_name ? parse_general (text, out) : HF_PARSE_OTHER;
}
