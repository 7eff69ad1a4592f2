/* reply.h - what "250 Ok" from a content filter or a mail store means
 *
 * A filter that takes a message and throws it away says so only in the text of
 * its reply.  Known here: amavis, Dovecot, Postfix and Sendmail themselves, and
 * the lines MailScanner logs.  rspamd is a milter, so the MTA says in its own
 * words what rspamd wanted: milter-discard, milter-hold, milter=rspamd, discard.
 */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

typedef enum
{
  HF_REPLY_PLAIN,       /* accepted, and that is all it says */
  HF_REPLY_STORED,      /* in a mailbox */
  HF_REPLY_QUEUED,      /* in another queue, under the id it told */
  HF_REPLY_THROWN_AWAY, /* accepted and discarded */
  HF_REPLY_BOUNCED,     /* accepted, not delivered, and the sender was told */
} HfReply;

/**
 * hf_reply_read:
 * @reply: as logged in parentheses, "250 2.0.0 Ok: queued as 4F…"
 * @out_id: (optional): set for HF_REPLY_QUEUED
 * @out_detail: (optional): a static text for the books, or NULL
 *
 * What a 2xx reply means.  Only the words that each program fixes in its source
 * are looked at, where it puts them.
 */
HfReply hf_reply_read (HfSlice reply, HfSlice *out_id, const gchar **out_detail);

/**
 * hf_reply_enter:
 * @event: with a fate, and the reply of a remote host in @text
 *
 * Lets the reply correct the fate, and say where to or by what.
 */
void hf_reply_enter (HfLogEvent *event);

/**
 * hf_mailscanner_parse:
 * @line: of a program called MailScanner
 * @out: set on HF_PARSE_EVENT; without an instance, because the line names none
 *
 * Reads "Requeue: OLD to NEW" and "… Actions: message ID actions are …".
 * Other lines give HF_PARSE_OTHER.
 */
HfParsed hf_mailscanner_parse (const HfLogLine *line, HfLogEvent *out);

G_END_DECLS
