/* reply.c - what "250 Ok" from a content filter or a mail store means
 *
 * Wordings were read in amavis 2.13 (one_response_for_all, and the LMTP
 * response of In/SMTP.pm), Dovecot 2.3 (lmtp-local.c), Postfix 3.12 (smtpd.c),
 * Sendmail 8.17 (srvrsmtp.c) and MailScanner 5 (Postfix.pm, Message.pm).
 */
#include <config.h>

#include "milter/audit/reply.h"

static gsize
id_length (HfSlice text)
{
  gsize length = 0;

  while (length < text.length && g_ascii_isalnum (text.at[length]))
    length++;
  return length;
}

static gboolean
is_queue_id (HfSlice text)
{
  return hf_queue_id_is_postfix (text) || hf_queue_id_is_sendmail (text);
}

/* "… queued as ID": an id, and then nothing that could belong to it. */
static gboolean
find_queued_as (HfSlice reply, HfSlice *out_id)
{
  static const gchar words[] = "queued as ";
  gssize at = hf_slice_find_last (reply, words);
  HfSlice id;

  if (at < 0)
    return FALSE;
  id = hf_slice_from (reply, (gsize)at + strlen (words));
  id.length = id_length (id);
  if (!is_queue_id (id))
    return FALSE;
  *out_id = id;
  return TRUE;
}

/* "2.0.0 6AMKei5o002163 Message accepted for delivery" */
static gboolean
find_sendmail_id (HfSlice reply, HfSlice *out_id)
{
  HfSlice head, rest = reply;

  if (!hf_slice_cut (&rest, " Message accepted for delivery", &head) || rest.length > 0)
    return FALSE;
  *out_id = hf_slice_from (head, head.length);
  while (out_id->at > head.at && out_id->at[-1] != ' ')
    *out_id = (HfSlice){ out_id->at - 1, out_id->length + 1 };
  return is_queue_id (*out_id);
}

/* Skips "250 " or "250 2.6.0 ". */
static HfSlice
skip_codes (HfSlice reply)
{
  HfSlice rest = reply;
  guint64 number;

  if (!hf_slice_number (&rest, &number) || number < 200 || number > 299 || rest.length < 1
      || (rest.at[0] != ' ' && rest.at[0] != '-'))
    return reply;
  rest = hf_slice_from (rest, 1);
  if (rest.length > 6 && rest.at[0] == '2' && rest.at[1] == '.')
    {
      gssize blank = hf_slice_find (rest, " ");

      if (blank > 0)
        rest = hf_slice_from (rest, (gsize)blank + 1);
    }
  return rest;
}

/* amavis in front of an MTA: one reply for all recipients of the transaction. */
static HfReply
read_amavis (HfSlice words, const gchar **out_detail)
{
  if (hf_slice_starts (words, "Ok, discarded") || hf_slice_ends (words, ", DISCARD(bounce.suppressed)")
      || (hf_slice_starts (words, "Ok, id=") && hf_slice_ends (words, ", DISCARD")))
    {
      *out_detail = "amavis: discarded";
      return HF_REPLY_THROWN_AWAY;
    }
  if (hf_slice_starts (words, "Ok <") && hf_slice_find (words, ">, DSN suppressed") > 0)
    {
      *out_detail = "amavis: discarded, notification suppressed";
      return HF_REPLY_THROWN_AWAY;
    }
  if ((hf_slice_starts (words, "Ok <") && hf_slice_find (words, ">, DSN was sent") > 0)
      || (hf_slice_starts (words, "Ok, id=") && hf_slice_find (words, ", but ") < 0
          && (hf_slice_ends (words, ", BOUNCE") || hf_slice_ends (words, ", REJECT"))))
    {
      *out_detail = "amavis: bounced";
      return HF_REPLY_BOUNCED;
    }
  return HF_REPLY_PLAIN;
}

HfReply
hf_reply_read (HfSlice reply, HfSlice *out_id, const gchar **out_detail)
{
  HfSlice words = skip_codes (reply);
  HfSlice id = HF_SLICE_NONE;
  const gchar *detail = NULL;
  HfReply meaning = read_amavis (words, &detail);

  if (meaning == HF_REPLY_PLAIN && words.length > 0 && words.at[0] == '<'
      && hf_slice_ends (words, " Saved"))
    meaning = HF_REPLY_STORED;
  if (meaning == HF_REPLY_PLAIN && (find_queued_as (reply, &id) || find_sendmail_id (reply, &id)))
    meaning = HF_REPLY_QUEUED;
  if (out_id != NULL)
    *out_id = meaning == HF_REPLY_QUEUED ? id : HF_SLICE_NONE;
  if (out_detail != NULL)
    *out_detail = detail;
  return meaning;
}

void
hf_reply_enter (HfLogEvent *event)
{
  const gchar *detail;

  switch (hf_reply_read (event->text, &event->other_id, &detail))
    {
    case HF_REPLY_STORED:
      event->fate = HF_FATE_DELIVERED;
      return;
    case HF_REPLY_QUEUED:
      event->fate = HF_FATE_RELAYED;
      return;
    case HF_REPLY_THROWN_AWAY:
      event->fate = HF_FATE_DISCARDED;
      event->text = hf_slice (detail);
      return;
    case HF_REPLY_BOUNCED:
      event->fate = HF_FATE_BOUNCED;
      return;
    case HF_REPLY_PLAIN:
    default:
      return;
    }
}

/* MailScanner adds ".RANDOM" to Postfix's ids, because those repeat. */
static gboolean
mailscanner_id (HfSlice *id)
{
  id->length = id_length (*id);
  return is_queue_id (*id);
}

HfParsed
hf_mailscanner_parse (const HfLogLine *line, HfLogEvent *out)
{
  HfSlice rest = line->text;
  HfSlice head;

  hf_log_event_init (out, line);
  out->instance = HF_SLICE_NONE;
  if (hf_slice_skip (&rest, "Requeue: ") && hf_slice_cut (&rest, " to ", &head))
    {
      out->kind = HF_LOG_CHILD;
      out->link = HF_LINK_REQUEUED;
      out->queue_id = head;
      out->other_id = rest;
      return mailscanner_id (&out->queue_id) && mailscanner_id (&out->other_id) ? HF_PARSE_EVENT
                                                                                : HF_PARSE_OTHER;
    }
  if (!hf_slice_cut (&rest, " Actions: message ", &head) || !hf_slice_cut (&rest, " actions are ", &out->queue_id)
      || !mailscanner_id (&out->queue_id))
    return HF_PARSE_OTHER;
  if (hf_slice_find (rest, "deliver") >= 0 || hf_slice_find (rest, "forward") >= 0
      || hf_slice_find (rest, "bounce") >= 0)
    return HF_PARSE_OTHER;
  out->kind = HF_LOG_DISCARDED;
  out->text = hf_slice (hf_slice_find (rest, "store") >= 0 ? "MailScanner: stored, not delivered"
                                                           : "MailScanner: deleted");
  return HF_PARSE_EVENT;
}
