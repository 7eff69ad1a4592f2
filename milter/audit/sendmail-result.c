/* sendmail-result.c - "to=…, stat=…" and "from=…": Sendmail's two long lines
 *
 * The form of the first is that of logdelivery() in deliver.c:
 *
 *     to=A,B( [more])(, ctladdr=C), delay=D, xdelay=X(, mailer=M), pri=P
 *         (, relay=R)(, dsn=N)(, reply=TEXT), stat=TEXT
 *
 * reply= and stat= quote the remote host, so the class of the fate is dsn='s,
 * and stat= must agree with it.
 */
#include <config.h>

#include "milter/audit/sendmail-result.h"

#include "milter/audit/reply.h"

typedef struct
{
  HfSlice mailer;
  HfSlice dsn;
  HfSlice stat;
} Pairs;

/* TRUE when it stands there once, and *out_at is where. */
static gboolean
stands_once (HfSlice text, const gchar *literal, gssize *out_at)
{
  *out_at = hf_slice_find (text, literal);
  return *out_at >= 0 && hf_slice_find_last (text, literal) == *out_at;
}

/* The list ends at ", delay=", or at the ", ctladdr=" before it.  A client writes
 * into the list what it likes, and the next host behind stat=, so either may imitate
 * the other's part of the line: where the place is not the only one, nothing is
 * believed. */
static HfParsed
take_list (HfSlice *rest, HfSlice *out)
{
  const gssize stat = hf_slice_find_last (*rest, ", stat=");
  gssize end, controller;

  if (stat < 0 || hf_slice_find (hf_slice_head (*rest, (gsize) stat), ", delay=") < 0)
    return HF_PARSE_UNKNOWN;
  if (!stands_once (hf_slice_head (*rest, (gsize) stat), ", delay=", &end))
    return HF_PARSE_DOUBTFUL;
  if (stands_once (hf_slice_head (*rest, (gsize) end), ", ctladdr=", &controller))
    end = controller;
  else if (controller >= 0)
    return HF_PARSE_DOUBTFUL;
  *out = hf_slice_head (*rest, (gsize) end);
  *rest = hf_slice_from (*rest, (gsize) end + strlen (", "));
  if (hf_slice_ends (*out, " [more]"))
    out->length -= strlen (" [more]");
  return hf_log_list_is_whole (*out) ? HF_PARSE_EVENT : HF_PARSE_DOUBTFUL;
}

/* "00:00:02" or "1+02:03:04" in ms. */
static gint64
read_delay (HfSlice value)
{
  guint64 number, seconds = 0, days = 0;
  HfSlice rest = value;

  if (hf_slice_find (value, "+") > 0)
    {
      if (!hf_slice_number (&rest, &days) || !hf_slice_skip (&rest, "+"))
        return -1;
    }
  do
    {
      if (!hf_slice_number (&rest, &number) || number > 1000)
        return -1;
      seconds = seconds * 60 + number;
    }
  while (hf_slice_skip (&rest, ":"));
  if (days > 10000)
    return -1;
  return (gint64)(days * 86400 + seconds) * 1000;
}

/* "<list@example.org> (8/0)", "joe (1000/1000)" */
static HfSlice
read_controller (HfSlice value)
{
  gssize end = hf_slice_find_last (value, " (");

  return hf_log_bare_address (end >= 0 ? hf_slice_head (value, (gsize)end) : value);
}

/* After reply=, which is the remote host's, the last stat= is Sendmail's own. */
static gboolean
take_stat_after_reply (HfSlice rest, Pairs *pairs)
{
  gssize at = hf_slice_find_last (rest, ", stat=");

  if (at < 0)
    return FALSE;
  pairs->stat = hf_slice_from (rest, (gsize)at + strlen (", stat="));
  return TRUE;
}

/* "ctladdr=<list@example.org> (8/0), delay=…": what a client may have named. */
static void
take_controller (HfSlice *rest, HfLogEvent *out)
{
  HfSlice value;

  if (!hf_slice_skip (rest, "ctladdr=") || !hf_slice_cut (rest, ", delay=", &value))
    return;
  out->other_address = read_controller (value);
  *rest = (HfSlice){ rest->at - strlen ("delay="), rest->length + strlen ("delay=") };
}

static gboolean
read_pairs (HfSlice rest, HfLogEvent *out, Pairs *pairs)
{
  HfSlice pair;

  take_controller (&rest, out);
  while (!hf_slice_starts (rest, "stat="))
    {
      if (hf_slice_starts (rest, "reply="))
        return take_stat_after_reply (rest, pairs);
      if (!hf_slice_cut (&rest, ", ", &pair))
        return FALSE;
      if (hf_slice_skip (&pair, "mailer="))
        pairs->mailer = pair;
      else if (hf_slice_skip (&pair, "relay="))
        out->relay = pair;
      else if (hf_slice_skip (&pair, "dsn="))
        {
          if (pairs->dsn.at != NULL)
            return FALSE;
          pairs->dsn = pair;
        }
      else if (hf_slice_skip (&pair, "delay="))
        out->delay_ms = read_delay (pair);
    }
  hf_slice_skip (&rest, "stat=");
  pairs->stat = rest;
  return TRUE;
}

static gboolean
is_local_mailer (HfSlice mailer)
{
  static const gchar *const names[] = { "local", "prog", "*file*", "procmail", "cyrus", "cyrusv2", NULL };

  for (const gchar *const *name = names; *name != NULL; name++)
    if (hf_slice_is (mailer, *name))
      return TRUE;
  return FALSE;
}

static void
set_discarded (HfLogEvent *out, const gchar *by)
{
  out->fate = HF_FATE_DISCARDED;
  out->text = hf_slice (by);
}

/* "Sent (TEXT)" or "Sent". */
static void
read_sent (const Pairs *pairs, HfLogEvent *out)
{
  HfSlice reply = pairs->stat;

  out->fate = is_local_mailer (pairs->mailer) || out->relay.length == 0 ? HF_FATE_DELIVERED
                                                                        : HF_FATE_RELAYED;
  if (hf_slice_is (pairs->mailer, "*file*") && hf_slice_is (out->address, "/dev/null"))
    {
      set_discarded (out, "black hole: /dev/null");
      return;
    }
  if (hf_slice_is (pairs->mailer, "*discard*"))
    {
      set_discarded (out, "discard mailer");
      return;
    }
  if (!hf_slice_skip (&reply, "Sent (") || !hf_slice_ends (reply, ")"))
    return;
  reply.length--;
  out->text = reply;
  hf_reply_enter (out);
}

static HfParsed
read_fate (const Pairs *pairs, HfLogEvent *out)
{
  gchar class = pairs->dsn.length > 0 ? pairs->dsn.at[0] : '\0';
  gboolean sent = hf_slice_is (pairs->stat, "Sent") || hf_slice_starts (pairs->stat, "Sent ");

  out->text = pairs->stat;
  if (sent && class == '2')
    read_sent (pairs, out);
  else if (sent || class == '2')
    return HF_PARSE_DOUBTFUL;
  else if (class == '4' || hf_slice_starts (pairs->stat, "Deferred"))
    {
      out->fate = class == '5' ? HF_FATE_BOUNCED : HF_FATE_DEFERRED;
      hf_slice_skip (&out->text, "Deferred: ");
    }
  else if (class == '5')
    out->fate = HF_FATE_BOUNCED;
  else if (hf_slice_is (pairs->stat, "queued"))
    out->fate = HF_FATE_QUEUED;
  else if (hf_slice_starts (pairs->stat, "quarantined"))
    out->fate = HF_FATE_HELD;
  else if (hf_slice_is (pairs->stat, "discarded"))
    set_discarded (out, "filter: milter");
  else if (pairs->mailer.length == 0 && out->relay.length == 0)
    out->fate = HF_FATE_REFUSED;
  else
    return HF_PARSE_UNKNOWN;
  out->kind = HF_LOG_RESULT;
  return HF_PARSE_EVENT;
}

HfParsed
hf_sendmail_result_parse (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text;
  Pairs pairs = { 0 };
  HfParsed taken;

  if (!hf_slice_skip (&rest, "to="))
    return HF_PARSE_UNKNOWN;
  taken = take_list (&rest, &out->address);
  if (taken != HF_PARSE_EVENT)
    return taken;
  return read_pairs (rest, out, &pairs) ? read_fate (&pairs, out) : HF_PARSE_DOUBTFUL;
}

HfParsed
hf_sendmail_collected_parse (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text;
  guint64 number;

  if (!hf_slice_skip (&rest, "from=") || !hf_log_cut_address (&rest, ", ", &out->sender))
    return HF_PARSE_UNKNOWN;
  out->sender = hf_log_bare_address (out->sender);
  if (!hf_slice_skip (&rest, "size=") || (hf_slice_skip (&rest, "-"), !hf_slice_number (&rest, &number))
      || !hf_slice_skip (&rest, ", class=") || (hf_slice_skip (&rest, "-"), !hf_slice_number (&rest, &number))
      || !hf_slice_skip (&rest, ", nrcpts=") || !hf_slice_number (&rest, &out->count))
    return HF_PARSE_UNKNOWN;
  out->has_count = TRUE;
  out->kind = HF_LOG_ABORTED;
  if (hf_slice_skip (&rest, ", msgid="))
    {
      out->kind = HF_LOG_COLLECTED;
      if (!hf_slice_cut (&rest, ", ", &out->text))
        out->text = rest;
    }
  return HF_PARSE_EVENT;
}
