/* postfix-result.c - "to=<…>, relay=…, status=…": the fate of one recipient
 *
 * The form is that of Postfix's log_adhoc.c:
 *
 *     to=<A>(, orig_to=<O>), relay=R(, conn_use=N), delay=D, delays=W/X/Y/Z
 *         (, tls=…), dsn=S, status=WORD (TEXT)
 *
 * Key and value are read one by one up to status=; the text in parentheses
 * comes from outside and is only ever compared with known sentences.
 */
#include <config.h>

#include "milter/audit/postfix-result.h"

#include "milter/audit/reply.h"

/* Steps over a quoted local part, with its escapes; FALSE when it does not end. */
static gboolean
skip_quoted (HfSlice text, gsize *at)
{
  for ((*at)++; *at < text.length && text.at[*at] != '"'; (*at)++)
    if (text.at[*at] == '\\')
      (*at)++;
  if (*at >= text.length)
    return FALSE;
  (*at)++;
  return TRUE;
}

/* An address in angle brackets, or, in very old logs, without. */
static gboolean
take_address (HfSlice *rest, HfSlice *out)
{
  gsize at = 0;

  if (!hf_slice_skip (rest, "<"))
    return hf_slice_cut (rest, ", ", out);
  if (rest->length > 0 && rest->at[0] == '"' && !skip_quoted (*rest, &at))
    return FALSE;
  for (; at + 2 < rest->length; at++)
    if (rest->at[at] == '>' && rest->at[at + 1] == ',' && rest->at[at + 2] == ' ')
      {
        *out = hf_slice_head (*rest, at);
        *rest = hf_slice_from (*rest, at + 3);
        return TRUE;
      }
  return FALSE;
}

/* "delay=0.13" in ms. */
static gint64
read_delay (HfSlice value)
{
  guint64 seconds;
  gint64 ms = 0;
  gint scale = 100;

  if (!hf_slice_number (&value, &seconds))
    return -1;
  if (hf_slice_skip (&value, "."))
    for (; value.length > 0 && g_ascii_isdigit (value.at[0]); value = hf_slice_from (value, 1))
      {
        ms += (value.at[0] - '0') * scale;
        scale /= 10;
      }
  return (gint64)seconds * 1000 + ms;
}

/* Reads pairs up to status=; FALSE when the line does not have the form. */
static gboolean
read_pairs (HfSlice rest, HfLogEvent *out, HfSlice *out_status)
{
  HfSlice pair;

  while (!hf_slice_starts (rest, "status="))
    {
      if (!hf_slice_cut (&rest, ", ", &pair))
        return FALSE;
      if (hf_slice_skip (&pair, "relay="))
        out->relay = pair;
      else if (hf_slice_skip (&pair, "delay="))
        out->delay_ms = read_delay (pair);
      else if (hf_slice_find (pair, "=") <= 0)
        return FALSE;
    }
  hf_slice_skip (&rest, "status=");
  if (!hf_slice_cut (&rest, " (", out_status) || rest.length == 0)
    return FALSE;
  out->text = rest;
  if (rest.at[rest.length - 1] == ')')
    out->text.length--;
  return TRUE;
}

static gboolean
is_status (HfSlice status)
{
  static const gchar *const words[] = { "sent", "deferred", "SOFTBOUNCE", "bounced", "deliverable", "undeliverable", NULL };

  for (const gchar *const *word = words; *word != NULL; word++)
    if (hf_slice_is (status, *word))
      return TRUE;
  return FALSE;
}

/* "relay=…, delay=…, status=sent (…", with all that a line has behind the address. */
static gboolean
is_rest_of_line (HfSlice rest)
{
  HfLogEvent event = { .delay_ms = -1 };
  HfSlice status;

  if (hf_slice_skip (&rest, "orig_to=") && !take_address (&rest, &event.orig_address))
    return FALSE;
  return hf_slice_starts (rest, "relay=") && hf_slice_find (rest, ", dsn=") > 0 && read_pairs (rest, &event, &status)
         && event.delay_ms >= 0 && is_status (status);
}

/* Does the text in parentheses end as a whole line of this form would?  Then the
 * address may reach as far, where its version of Postfix puts no quotes around it. */
static gboolean
imitates_a_line (HfSlice text)
{
  HfSlice rest = text, head;

  while (hf_slice_cut (&rest, ">, ", &head))
    if (is_rest_of_line (rest))
      return TRUE;
  return FALSE;
}

static void
set_discarded (HfLogEvent *out, const gchar *by)
{
  out->fate = HF_FATE_DISCARDED;
  out->text = hf_slice (by);
}

/* local(8) speaks of what it did itself; nothing here comes from outside. */
static void
read_local (HfLogEvent *out)
{
  HfSlice rest = out->text;

  out->local = TRUE;
  out->fate = HF_FATE_DELIVERED;
  if (hf_slice_is (rest, "delivered to file: /dev/null"))
    set_discarded (out, "black hole: /dev/null");
  else if (hf_slice_skip (&rest, "forwarded as ") && hf_queue_id_is_postfix (rest))
    {
      out->fate = HF_FATE_PASSED;
      out->link = HF_LINK_FORWARDED;
      out->other_id = rest;
    }
}

/* smtp(8) and lmtp(8) repeat what the remote host said. */
static void
read_remote (HfLogEvent *out)
{
  out->fate = hf_slice_is (out->program, "lmtp") ? HF_FATE_DELIVERED : HF_FATE_RELAYED;
  hf_reply_enter (out);
}

static void
read_sent (HfLogEvent *out)
{
  if (hf_slice_is (out->program, "discard"))
    set_discarded (out, "discard transport");
  else if (hf_slice_is (out->program, "local"))
    read_local (out);
  else if (hf_slice_is (out->program, "smtp") || hf_slice_is (out->program, "lmtp"))
    read_remote (out);
  else if (hf_slice_is (out->text, "undeliverable postmaster notification discarded"))
    set_discarded (out, "double bounce");
  else if (hf_slice_is (out->text, "delivered to file: /dev/null"))
    set_discarded (out, "black hole: /dev/null");
  else
    out->fate = HF_FATE_DELIVERED;
}

static gboolean
read_status (HfSlice status, HfLogEvent *out)
{
  if (hf_slice_is (status, "sent"))
    read_sent (out);
  else if (hf_slice_is (status, "deferred") || hf_slice_is (status, "SOFTBOUNCE"))
    out->fate = HF_FATE_DEFERRED;
  else if (hf_slice_is (status, "bounced"))
    out->fate = HF_FATE_BOUNCED;
  else if (hf_slice_is (status, "deliverable") || hf_slice_is (status, "undeliverable"))
    out->fate = HF_FATE_PROBED;
  else
    return FALSE;
  return TRUE;
}

HfParsed
hf_postfix_result_parse (HfSlice text, HfLogEvent *out)
{
  HfSlice rest = text;
  HfSlice status;
  gboolean quoted;

  if (!hf_slice_skip (&rest, "to="))
    return HF_PARSE_UNKNOWN;
  quoted = hf_slice_starts (rest, "<\"");
  if (!take_address (&rest, &out->address))
    return HF_PARSE_UNKNOWN;
  if (hf_slice_skip (&rest, "orig_to="))
    {
      quoted = quoted && hf_slice_starts (rest, "<\"");
      if (!take_address (&rest, &out->orig_address))
        return HF_PARSE_UNKNOWN;
    }
  if (!read_pairs (rest, out, &status))
    return HF_PARSE_UNKNOWN;
  if (!quoted && imitates_a_line (out->text))
    return HF_PARSE_DOUBTFUL;
  out->local = hf_slice_is (out->program, "local");
  out->kind = HF_LOG_RESULT;
  return read_status (status, out) ? HF_PARSE_EVENT : HF_PARSE_UNKNOWN;
}
