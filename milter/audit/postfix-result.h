/* postfix-result.h - "to=<…>, relay=…, status=…": the fate of one recipient
 *
 * Split from postfix.c because this one form decides nearly everything.
 */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

/**
 * hf_postfix_result_parse:
 * @text: what follows "QUEUEID: ", beginning with "to="
 * @out: begun by the caller; becomes an HF_LOG_RESULT on HF_PARSE_EVENT
 *
 * HF_PARSE_DOUBTFUL when an address without quotes, or a reply, imitates the
 * rest of such a line, so that it could be read in two ways.
 */
HfParsed hf_postfix_result_parse (HfSlice text, HfLogEvent *out);

G_END_DECLS
