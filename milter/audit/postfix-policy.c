/* postfix-policy.c - "ACTION: …": access maps, header and body checks, milters
 *
 * The action stands first and is Postfix's own word; what follows may quote a
 * header or a milter, and only tells which recipient was spoken of.
 */
#include <config.h>

#include "milter/audit/postfix-policy.h"

/* The last " to=<R>" of "…; from=<S> to=<R> proto=…": a label, never a fate. */
static void
take_policy_addresses (HfSlice text, HfLogEvent *out)
{
  gssize at = hf_slice_find_last (text, "; from=<");
  HfSlice rest;

  if (at < 0)
    return;
  rest = hf_slice_from (text, (gsize)at);
  if (!hf_slice_cut (&rest, "> to=<", &out->sender))
    return;
  out->sender = hf_slice_from (out->sender, strlen ("; from=<"));
  if (!hf_slice_cut (&rest, "> ", &out->address) && hf_slice_ends (rest, ">"))
    out->address = hf_slice_head (rest, rest.length - 1);
}

/* The new address of "redirect: …": at the end for cleanup, after the words
 * "triggers REDIRECT" for smtpd. */
static void
take_redirection (HfSlice text, HfLogEvent *out)
{
  static const gchar words[] = "triggers REDIRECT ";
  gssize at = hf_slice_find_last (text, words);

  if (at >= 0)
    {
      HfSlice rest = hf_slice_from (text, (gsize)at + strlen (words));

      if (!hf_slice_cut (&rest, ";", &out->other_address))
        out->other_address = rest;
      return;
    }
  at = hf_slice_find_last (text, ">: ");
  if (at >= 0)
    out->other_address = hf_slice_from (text, (gsize)at + 3);
}

/* Whose discard it was, as the books name it. */
static const gchar *
discard_class (gboolean cleanup, gboolean milter, gboolean milter_header, HfSlice rest)
{
  if (milter)
    return "filter: milter";
  if (milter_header)
    return "policy: milter_header_checks";
  if (!cleanup)
    return "policy: access map";
  return hf_slice_starts (rest, "body ") ? "policy: body_checks" : "policy: header_checks";
}

static gboolean
stands_once (HfSlice text, const gchar *literal)
{
  return hf_slice_find (text, literal) == hf_slice_find_last (text, literal);
}

/* Sender and recipient are the client's words, and may imitate what stands between
 * them; in HELO's Postfix leaves neither blanks nor brackets. */
static gboolean
names_one_recipient (HfSlice text)
{
  return stands_once (text, "; from=<") && stands_once (text, "> to=<") && stands_once (text, "> proto=");
}

/* A refusal at RCPT is one recipient's when smtpd says it, and nobody's when it
 * could be another's; cleanup, which speaks for mail from sendmail(1), refuses the
 * whole message. */
static HfParsed
refusal (gboolean cleanup, HfSlice rest, HfLogEvent *out)
{
  if (cleanup)
    return hf_log_event_of (out, HF_LOG_REFUSED);
  if (hf_slice_starts (rest, "RCPT from "))
    return hf_log_event_of (out, names_one_recipient (rest) ? HF_LOG_RECIPIENT_REFUSED : HF_LOG_ALIVE);
  if (hf_slice_starts (rest, "DATA from ") || hf_slice_starts (rest, "BDAT from ")
      || hf_slice_starts (rest, "END-OF-MESSAGE from ") || hf_slice_starts (rest, "DATA content from "))
    return hf_log_event_of (out, HF_LOG_REFUSED);
  return hf_log_event_of (out, HF_LOG_ALIVE);
}

HfParsed
hf_postfix_policy_parse (HfSlice text, gboolean cleanup, HfLogEvent *out)
{
  static const gchar *const harmless[] = { "warn: ",    "warning: ", "info: ",    "filter: ",  "bcc: ",    "prepend: ",
                                           "replace: ", "strip: ",   "ignore: ",  "delay: ",  "permit: ",
                                           "trace: ",   "reject_warning: ", "delete: ", "dunno: ", NULL };
  HfSlice rest = text;
  gboolean milter_header = hf_slice_skip (&rest, "milter-header-");
  gboolean milter = !milter_header && hf_slice_skip (&rest, "milter-");

  if (hf_slice_starts_any (rest, harmless))
    return hf_log_event_of (out, HF_LOG_ALIVE);
  take_policy_addresses (rest, out);
  if (hf_slice_skip (&rest, "reject: "))
    return refusal (cleanup, rest, out);
  if (hf_slice_skip (&rest, "hold: "))
    return hf_log_event_of (out, HF_LOG_HELD);
  if (hf_slice_skip (&rest, "discard: "))
    return hf_log_event_discarded (out, discard_class (cleanup, milter, milter_header, rest));
  if (hf_slice_skip (&rest, "redirect: "))
    {
      take_redirection (rest, out);
      return hf_log_event_of (out, HF_LOG_REDIRECTED);
    }
  return HF_PARSE_UNKNOWN;
}
