/* postfix.c - what a line of Postfix, 3.4 to 3.12, says
 *
 * One function for each group of daemons.  Recipients' results are in
 * postfix-result.c, policies and milters in postfix-policy.c.
 */
#include <config.h>

#include "milter/audit/postfix.h"

#include "milter/audit/postfix-policy.h"
#include "milter/audit/postfix-result.h"
#include "milter/audit/reply.h"

typedef enum
{
  DAEMON_FOREIGN, /* not one of Postfix's own; may be a site's delivery agent */
  DAEMON_QUIET,   /* never decides a fate */
  DAEMON_SMTPD,
  DAEMON_PICKUP,
  DAEMON_CLEANUP,
  DAEMON_QMGR,
  DAEMON_BOUNCE,
  DAEMON_AGENT,
  DAEMON_POSTSUPER,
} Daemon;

typedef struct
{
  const gchar *name;
  Daemon daemon;
} DaemonName;

static const DaemonName daemon_names[] = {
  { "smtpd", DAEMON_SMTPD },        { "smtp", DAEMON_AGENT },
  { "cleanup", DAEMON_CLEANUP },    { "qmgr", DAEMON_QMGR },
  { "lmtp", DAEMON_AGENT },         { "local", DAEMON_AGENT },
  { "virtual", DAEMON_AGENT },      { "pipe", DAEMON_AGENT },
  { "pickup", DAEMON_PICKUP },      { "bounce", DAEMON_BOUNCE },
  { "error", DAEMON_AGENT },        { "discard", DAEMON_AGENT },
  { "postsuper", DAEMON_POSTSUPER }, { "oqmgr", DAEMON_QMGR },
  { "nqmgr", DAEMON_QMGR },         { "qmqpd", DAEMON_SMTPD },
  { "defer", DAEMON_BOUNCE },       { "trace", DAEMON_BOUNCE },
  { "retry", DAEMON_AGENT },        { "postscreen", DAEMON_QUIET },
  { "anvil", DAEMON_QUIET },        { "dnsblog", DAEMON_QUIET },
  { "flush", DAEMON_QUIET },        { "master", DAEMON_QUIET },
  { "postalias", DAEMON_QUIET },    { "postcat", DAEMON_QUIET },
  { "postconf", DAEMON_QUIET },     { "postdrop", DAEMON_QUIET },
  { "postfix", DAEMON_QUIET },      { "postfix-script", DAEMON_QUIET },
  { "postfix-tls-script", DAEMON_QUIET }, { "postfix-wrapper", DAEMON_QUIET },
  { "postkick", DAEMON_QUIET },     { "postlock", DAEMON_QUIET },
  { "postlog", DAEMON_QUIET },      { "postlogd", DAEMON_QUIET },
  { "postmap", DAEMON_QUIET },      { "postmulti", DAEMON_QUIET },
  { "postmulti-script", DAEMON_QUIET }, { "post-install", DAEMON_QUIET },
  { "postqueue", DAEMON_QUIET },    { "proxymap", DAEMON_QUIET },
  { "proxywrite", DAEMON_QUIET },   { "relocated", DAEMON_QUIET },
  { "scache", DAEMON_QUIET },       { "sendmail", DAEMON_QUIET },
  { "showq", DAEMON_QUIET },        { "spawn", DAEMON_QUIET },
  { "tlsmgr", DAEMON_QUIET },       { "tlsproxy", DAEMON_QUIET },
  { "trivial-rewrite", DAEMON_QUIET }, { "verify", DAEMON_QUIET },
};

static Daemon
find_daemon (HfSlice program)
{
  for (gsize i = 0; i < G_N_ELEMENTS (daemon_names); i++)
    if (hf_slice_is (program, daemon_names[i].name))
      return daemon_names[i].daemon;
  return DAEMON_FOREIGN;
}

/* Takes "QUEUEID: " from the front. */
static gboolean
take_queue_id (HfSlice *text, HfSlice *out_id)
{
  gsize length = 0;
  HfSlice id;

  while (length < text->length && length <= HF_QUEUE_ID_MAX && g_ascii_isalnum (text->at[length]))
    length++;
  if (length + 2 > text->length || text->at[length] != ':' || text->at[length + 1] != ' ')
    return FALSE;
  id = hf_slice_head (*text, length);
  if (!hf_queue_id_is_postfix (id))
    return FALSE;
  *out_id = id;
  *text = hf_slice_from (*text, length + 2);
  return TRUE;
}

/* "1" or "0/1" */
static void
read_counter (HfSlice value, guint *accepted, guint *all)
{
  guint64 number;

  if (!hf_slice_number (&value, &number))
    return;
  *accepted = (guint)MIN (number, G_MAXUINT);
  *all = *accepted;
  if (hf_slice_skip (&value, "/") && hf_slice_number (&value, &number))
    *all = (guint)MIN (number, G_MAXUINT);
}

/* "disconnect from HOST[IP] ehlo=1 mail=1 rcpt=0/1 …" */
static HfParsed
parse_disconnect (HfSlice text, HfLogEvent *out)
{
  HfSessionCounts *counts = &out->session;
  gssize at = hf_slice_find (text, "] ");
  guint ignored;
  HfSlice rest, word;

  out->kind = HF_LOG_SESSION_END;
  if (at < 0)
    return HF_PARSE_EVENT;
  counts->known = TRUE;
  rest = hf_slice_from (text, (gsize)at + 2);
  while (rest.length > 0)
    {
      if (!hf_slice_cut (&rest, " ", &word))
        {
          word = rest;
          rest.length = 0;
        }
      if (hf_slice_skip (&word, "mail="))
        read_counter (word, &counts->mail, &counts->mail_all);
      else if (hf_slice_skip (&word, "rcpt="))
        read_counter (word, &counts->rcpt, &counts->rcpt_all);
      else if (hf_slice_skip (&word, "data="))
        read_counter (word, &counts->data, &counts->data_all);
      else if (hf_slice_skip (&word, "bdat="))
        read_counter (word, &counts->bdat, &counts->bdat_all);
      else if (hf_slice_skip (&word, "rset="))
        read_counter (word, &counts->rset, &ignored);
    }
  return HF_PARSE_EVENT;
}

/* "lost connection after DATA (14 bytes) from …": the body was not finished.  With
 * no count of octets it was the command that was refused or had no answer, maybe
 * because no recipient was taken: then there is no message to speak of.  After
 * END-OF-MESSAGE nothing is known: the file may be committed. */
static HfParsed
parse_broken_session (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, reason;

  if (!hf_slice_cut (&rest, " after ", &reason))
    return HF_PARSE_UNKNOWN;
  if (!hf_slice_is (reason, "lost connection") && !hf_slice_is (reason, "timeout")
      && !hf_slice_is (reason, "too many errors"))
    return HF_PARSE_UNKNOWN;
  if (hf_slice_starts (rest, "DATA (") || hf_slice_starts (rest, "BDAT ("))
    return hf_log_event_of (out, HF_LOG_ABORTED);
  return hf_log_event_of (out, HF_LOG_NOTHING);
}

/* "proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as NEW; from=…" */
static HfParsed
parse_proxy (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, reply, id;

  if (!hf_slice_skip (&rest, "proxy-accept: END-OF-MESSAGE: "))
    return hf_log_event_of (out, HF_LOG_NOTHING);
  if (!hf_slice_cut (&rest, "; from=<", &reply))
    reply = rest;
  if (hf_reply_read (reply, &id, NULL) != HF_REPLY_QUEUED)
    return hf_log_event_of (out, HF_LOG_NOTHING);
  out->queue_id = id;
  return hf_log_event_of (out, HF_LOG_PROXIED);
}

static HfParsed
parse_client (HfSlice text, HfLogEvent *out)
{
  gssize at = hf_slice_find (text, ", orig_queue_id=");

  if (at >= 0)
    {
      HfSlice rest = hf_slice_from (text, (gsize)at + strlen (", orig_queue_id="));

      if (!hf_slice_cut (&rest, ",", &out->other_id))
        out->other_id = rest;
      if (!hf_queue_id_is_postfix (out->other_id))
        out->other_id = HF_SLICE_NONE;
    }
  return hf_log_event_of (out, HF_LOG_OPENED);
}

/* Before the first recipient is accepted there is no queue file yet.  A refusal
 * then is no message's; what is to be done with the message that is about to be
 * opened by this process, is. */
static HfParsed
parse_before_queue (HfSlice text, HfLogEvent *out)
{
  if (hf_postfix_policy_parse (text, FALSE, out) == HF_PARSE_EVENT
      && (out->kind == HF_LOG_DISCARDED || out->kind == HF_LOG_HELD || out->kind == HF_LOG_REDIRECTED))
    return HF_PARSE_EVENT;
  return hf_log_event_of (out, HF_LOG_NOTHING);
}

static HfParsed
parse_smtpd (HfSlice text, HfLogEvent *out)
{
  static const gchar *const openings[] = {
    "improper command pipelining after ", "discarding EHLO keywords",
    "Anonymous TLS connection ", "Untrusted TLS connection ", "Trusted TLS connection ",
    "Verified TLS connection ",  "setting up TLS connection ", "initializing the server-side TLS",
    "SSL_accept",   "SSL_read",  "SSL_write",  "SSL_shutdown", "TLS ",  "using backwards-compatible",
    "table ",       "client certificate ", "certificate ", "statistics: ", "unexpected ",
    "sasl_exceptions", NULL
  };

  if (hf_slice_starts (text, "connect from "))
    return hf_log_event_of (out, HF_LOG_CONNECTED);
  if (hf_slice_starts (text, "disconnect from "))
    return parse_disconnect (text, out);
  if (out->queue_id.length > 0 && hf_slice_starts (text, "client="))
    return parse_client (text, out);
  if (hf_slice_skip (&text, "NOQUEUE: ") && !hf_slice_starts (text, "proxy-"))
    return parse_before_queue (text, out);
  if (hf_slice_starts (text, "proxy-"))
    return parse_proxy (text, out);
  if (parse_broken_session (text, out) == HF_PARSE_EVENT)
    return HF_PARSE_EVENT;
  if (out->queue_id.length > 0)
    return hf_slice_starts (text, "replacing ") || hf_slice_starts (text, "TLS ")
               ? hf_log_event_of (out, HF_LOG_ALIVE)
               : hf_postfix_policy_parse (text, FALSE, out);
  if (hf_slice_starts_any (text, openings) || hf_slice_find (text, ": replacing command ") > 0)
    return hf_log_event_of (out, HF_LOG_NOTHING);
  return HF_PARSE_UNKNOWN;
}

static HfParsed
parse_cleanup (HfSlice text, HfLogEvent *out)
{
  if (out->queue_id.length == 0)
    return hf_slice_starts (text, "table ") || hf_slice_starts (text, "statistics: ")
               ? hf_log_event_of (out, HF_LOG_NOTHING)
               : HF_PARSE_UNKNOWN;
  if (hf_slice_skip (&text, "message-id="))
    {
      out->text = text;
      return hf_log_event_of (out, HF_LOG_CONTENT);
    }
  if (hf_slice_starts (text, "resent-message-id=") || hf_slice_starts (text, "ignoring redundant"))
    return hf_log_event_of (out, HF_LOG_ALIVE);
  if (hf_slice_is (text, "removed (canceled)"))
    return hf_log_event_of (out, HF_LOG_CANCELED);
  if (hf_slice_is (text, "removed (discarded)"))
    return hf_log_event_discarded (out, "policy: discarded");
  if (hf_slice_starts (text, "to="))
    return hf_postfix_result_parse (text, out);
  return hf_postfix_policy_parse (text, TRUE, out);
}

/* "uid=N from=<S>( orig_id=OLD)" */
static HfParsed
parse_pickup (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text;
  gssize at;

  if (out->queue_id.length == 0 || !hf_slice_skip (&rest, "uid="))
    return hf_slice_starts (text, "statistics: ") ? hf_log_event_of (out, HF_LOG_NOTHING) : HF_PARSE_UNKNOWN;
  at = hf_slice_find (rest, " from=<");
  if (at < 0)
    return HF_PARSE_UNKNOWN;
  rest = hf_slice_from (rest, (gsize)at + strlen (" from=<"));
  at = hf_slice_find_last (rest, "> orig_id=");
  if (at >= 0 && hf_queue_id_is_postfix (hf_slice_from (rest, (gsize)at + strlen ("> orig_id="))))
    {
      out->other_id = hf_slice_from (rest, (gsize)at + strlen ("> orig_id="));
      out->sender = hf_slice_head (rest, (gsize)at);
    }
  else if (hf_slice_ends (rest, ">"))
    out->sender = hf_slice_head (rest, rest.length - 1);
  return hf_log_event_of (out, HF_LOG_SUBMITTED);
}

/* "from=<S>, size=N, nrcpt=N (queue active)": read from its fixed end. */
static HfParsed
parse_active (HfSlice text, HfLogEvent *out)
{
  static const gchar end[] = " (queue active)";
  gssize size = hf_slice_find_last (text, ">, size=");
  HfSlice rest;
  gssize at;

  if (size < 0 || !hf_slice_ends (text, end))
    return HF_PARSE_UNKNOWN;
  out->sender = hf_slice_head (text, (gsize)size);
  if (!hf_slice_skip (&out->sender, "from=<"))
    return HF_PARSE_UNKNOWN;
  rest = hf_slice_from (text, (gsize)size);
  at = hf_slice_find (rest, ", nrcpt=");
  if (at < 0)
    return HF_PARSE_UNKNOWN;
  rest = hf_slice_from (rest, (gsize)at + strlen (", nrcpt="));
  if (!hf_slice_number (&rest, &out->count) || !hf_slice_is (rest, end))
    return HF_PARSE_UNKNOWN;
  out->has_count = TRUE;
  return hf_log_event_of (out, HF_LOG_ACCEPTED);
}

static HfParsed
parse_qmgr (HfSlice text, HfLogEvent *out)
{
  if (out->queue_id.length == 0)
    return hf_slice_starts (text, "table ") || hf_slice_starts (text, "statistics: ")
               ? hf_log_event_of (out, HF_LOG_NOTHING)
               : HF_PARSE_UNKNOWN;
  if (hf_slice_is (text, "removed"))
    return hf_log_event_of (out, HF_LOG_REMOVED);
  if (hf_slice_starts (text, "to="))
    return hf_postfix_result_parse (text, out);
  if (hf_slice_starts (text, "from=<"))
    {
      if (hf_slice_ends (text, ">, status=expired, returned to sender")
          || hf_slice_ends (text, ">, status=force-expired, returned to sender"))
        return hf_log_event_of (out, HF_LOG_EXPIRED);
      return parse_active (text, out);
    }
  if (hf_slice_is (text, "skipped, still being delivered") || hf_slice_starts (text, "enabling VERP"))
    return hf_log_event_of (out, HF_LOG_ALIVE);
  return HF_PARSE_UNKNOWN;
}

/* "(sender|postmaster) … notification: NEW" */
static HfParsed
parse_bounce (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, head;

  if (out->queue_id.length == 0)
    return HF_PARSE_UNKNOWN;
  if (hf_slice_starts (text, "to="))
    return hf_postfix_result_parse (text, out);
  if ((hf_slice_starts (text, "sender ") || hf_slice_starts (text, "postmaster "))
      && hf_slice_cut (&rest, " notification: ", &head) && hf_queue_id_is_postfix (rest))
    {
      out->other_id = rest;
      out->link = HF_LINK_NOTIFICATION;
      return hf_log_event_of (out, HF_LOG_CHILD);
    }
  if (hf_slice_starts (text, "not sending ") || hf_slice_starts (text, "no trace file"))
    return hf_log_event_of (out, HF_LOG_ALIVE);
  return HF_PARSE_UNKNOWN;
}

typedef struct
{
  const gchar *text;
  HfLogKind kind;
} OneAct;

typedef struct
{
  const gchar *opening;
  HfBulk bulk;
} BulkAct;

static HfParsed
parse_postsuper (HfSlice text, HfLogEvent *out)
{
  static const OneAct one[] = { { "removed", HF_LOG_DELETED },
                                { "placed on hold", HF_LOG_HELD },
                                { "released from hold", HF_LOG_RELEASED },
                                { "requeued", HF_LOG_REQUEUED },
                                { "expired", HF_LOG_FORCE_EXPIRED } };
  static const BulkAct bulk[] = { { "Deleted: ", HF_BULK_DELETED },
                                  { "Requeued: ", HF_BULK_REQUEUED },
                                  { "Placed on hold: ", HF_BULK_HELD },
                                  { "Released from hold: ", HF_BULK_RELEASED },
                                  { "Force-expired: ", HF_BULK_EXPIRED } };

  out->operator_action = TRUE;
  if (out->queue_id.length > 0)
    {
      for (gsize i = 0; i < G_N_ELEMENTS (one); i++)
        if (hf_slice_is (text, one[i].text))
          return hf_log_event_of (out, one[i].kind);
      return HF_PARSE_UNKNOWN;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (bulk); i++)
    if (hf_slice_skip (&text, bulk[i].opening))
      {
        if (!hf_slice_number (&text, &out->count))
          return HF_PARSE_UNKNOWN;
        out->has_count = TRUE;
        out->bulk = bulk[i].bulk;
        return hf_log_event_of (out, HF_LOG_BULK);
      }
  if (hf_slice_starts (text, "Renamed to match inode number: "))
    return hf_log_event_of (out, HF_LOG_RENAMED);
  return HF_PARSE_UNKNOWN;
}

static HfParsed
parse_agent (HfSlice text, HfLogEvent *out)
{
  static const gchar *const openings[] = {
    "connect to ", "Anonymous TLS connection ", "Untrusted TLS connection ", "Trusted TLS connection ",
    "Verified TLS connection ", "setting up TLS connection ", "initializing the client-side TLS",
    "SSL_connect", "SSL_read", "SSL_write", "SSL_shutdown", "TLS ", "SMTPS wrappermode", "table ",
    "certificate ", "server certificate ", "discarding EHLO keywords", "host ", "statistics: ",
    "Host offered STARTTLS", "using backwards-compatible", "warning: ", NULL
  };

  if (out->queue_id.length > 0)
    {
      if (hf_slice_starts (text, "to="))
        return hf_postfix_result_parse (text, out);
      return hf_log_event_of (out, HF_LOG_ALIVE);
    }
  return hf_slice_starts_any (text, openings) || hf_slice_find (text, ": subject_CN=") > 0
                 || hf_slice_find (text, ": certificate verification failed") > 0
             ? hf_log_event_of (out, HF_LOG_NOTHING)
             : HF_PARSE_UNKNOWN;
}

/* The id that ends a path: "active/QID". */
static gboolean
id_of_path (HfSlice path, HfSlice *out_id)
{
  gssize at = hf_slice_find_last (path, "/");

  if (at < 0)
    return FALSE;
  *out_id = hf_slice_from (path, (gsize)at + 1);
  return hf_queue_id_is_postfix (*out_id);
}

/* After "warning: ", "error: ", "fatal: " or "panic: ".  Few of these touch a fate. */
static HfParsed
parse_trouble (Daemon daemon, HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text, id;

  if (hf_slice_skip (&rest, "saving corrupt file \"") && hf_slice_cut (&rest, "\" from queue \"", &id)
      && hf_queue_id_is_postfix (id))
    {
      out->queue_id = id;
      return hf_log_event_of (out, HF_LOG_CORRUPT);
    }
  if (hf_slice_is (text, "QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS"))
    return hf_log_event_of (out, HF_LOG_RENAMED);
  rest = text;
  if (daemon == DAEMON_QMGR && hf_slice_skip (&rest, "qmgr_active_done_3_generic: remove ")
      && hf_slice_cut (&rest, " from active: No such file", &id) && hf_queue_id_is_postfix (id))
    {
      out->queue_id = id;
      return hf_log_event_of (out, HF_LOG_VANISHED);
    }
  rest = text;
  if (take_queue_id (&rest, &out->queue_id))
    {
      if (hf_slice_starts (rest, "queue file size limit exceeded")
          || hf_slice_starts (rest, "write queue file: ")
          || (daemon == DAEMON_CLEANUP && hf_slice_starts (rest, "message rejected: ")))
        return hf_log_event_of (out, HF_LOG_REFUSED);
      return hf_log_event_of (out, HF_LOG_ALIVE);
    }
  return hf_log_event_of (out, HF_LOG_NOTHING);
}

static HfParsed
parse_fatal (Daemon daemon, HfSlice text, HfLogEvent *out)
{
  HfSlice id;

  if (daemon == DAEMON_QMGR && hf_slice_starts (text, "bad extra offset") && id_of_path (text, &id))
    {
      out->queue_id = id;
      return hf_log_event_of (out, HF_LOG_STUCK);
    }
  return parse_trouble (daemon, text, out);
}

/* Services of master.cf may be called postfix/reinject/smtpd; they share the
 * queue of "postfix", which is therefore what an instance is called here. */
static HfSlice
instance_of (HfSlice name)
{
  HfSlice rest = name, head;

  return hf_slice_cut (&rest, "/", &head) ? head : name;
}

HfParsed
hf_postfix_parse (const HfLogLine *line, HfLogEvent *out)
{
  HfSlice text = line->text;
  Daemon daemon;

  if (line->program.at == line->name.at || line->name.length == 0)
    return HF_PARSE_OTHER;
  daemon = find_daemon (line->program);
  hf_log_event_init (out, line);
  out->mta = HF_MTA_POSTFIX;
  out->instance = instance_of (line->name);
  out->label = out->instance;
  if (hf_slice_skip (&text, "warning: ") || hf_slice_skip (&text, "error: "))
    return daemon == DAEMON_FOREIGN ? HF_PARSE_OTHER : parse_trouble (daemon, text, out);
  if (hf_slice_skip (&text, "fatal: ") || hf_slice_skip (&text, "panic: "))
    return daemon == DAEMON_FOREIGN ? HF_PARSE_OTHER : parse_fatal (daemon, text, out);
  take_queue_id (&text, &out->queue_id);
  switch (daemon)
    {
    case DAEMON_QUIET:
      return hf_log_event_of (out, HF_LOG_NOTHING);
    case DAEMON_SMTPD:
      return parse_smtpd (text, out);
    case DAEMON_PICKUP:
      return parse_pickup (text, out);
    case DAEMON_CLEANUP:
      return parse_cleanup (text, out);
    case DAEMON_QMGR:
      return parse_qmgr (text, out);
    case DAEMON_BOUNCE:
      return parse_bounce (text, out);
    case DAEMON_AGENT:
      return parse_agent (text, out);
    case DAEMON_POSTSUPER:
      return parse_postsuper (text, out);
    case DAEMON_FOREIGN:
    default:
      return out->queue_id.length > 0 && hf_slice_starts (text, "to=") ? hf_postfix_result_parse (text, out)
                                                                       : HF_PARSE_OTHER;
    }
}
