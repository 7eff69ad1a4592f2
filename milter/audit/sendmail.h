/* sendmail.h - what a line of Sendmail 8.17 says
 *
 * The books need LogLevel 11 or more: below, aliases and forwards are not
 * logged, and recipients cannot be matched to what they became.
 */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

/**
 * hf_sendmail_parse:
 * @line: any syslog line
 * @out: set on HF_PARSE_EVENT; HF_LOG_NOTHING when the line touches no fate
 *
 * HF_PARSE_OTHER when the line is not Sendmail's.  The daemon (sm-mta), its
 * queue runners and sendmail(1) write to the same log under several names, and
 * their ids never collide: they are one instance, "sendmail".
 */
HfParsed hf_sendmail_parse (const HfLogLine *line, HfLogEvent *out);

G_END_DECLS
