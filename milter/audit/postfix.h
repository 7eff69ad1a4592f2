/* postfix.h - what a line of Postfix, 3.4 to 3.12, says
 *
 * Every fate is read from what Postfix writes itself, anchored on the daemon
 * and on "QUEUEID: " at the very beginning; never from what it quotes: headers,
 * addresses and the replies of remote hosts stand behind those anchors.
 */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

/**
 * hf_postfix_parse:
 * @line: any syslog line
 * @out: set on HF_PARSE_EVENT; HF_LOG_NOTHING when the line touches no fate
 *
 * HF_PARSE_OTHER when the line is not Postfix's: its name has no "/DAEMON".
 */
HfParsed hf_postfix_parse (const HfLogLine *line, HfLogEvent *out);

G_END_DECLS
