/* postfix-policy.h - "ACTION: …": access maps, header and body checks, milters */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

/**
 * hf_postfix_policy_parse:
 * @text: what follows "QUEUEID: ", beginning with the action
 * @cleanup: said by cleanup(8), which judges the whole message; else by smtpd(8)
 * @out: begun by the caller
 */
HfParsed hf_postfix_policy_parse (HfSlice text, gboolean cleanup, HfLogEvent *out);

G_END_DECLS
