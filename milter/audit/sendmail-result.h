/* sendmail-result.h - "to=…, stat=…" and "from=…": Sendmail's two long lines */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

/**
 * hf_sendmail_result_parse:
 * @text: what follows "QUEUEID: ", beginning with "to="
 * @out: begun by the caller; becomes an HF_LOG_RESULT on HF_PARSE_EVENT, with
 *   all addresses of the line in @address
 *
 * HF_PARSE_DOUBTFUL when dsn= and stat= contradict each other.
 */
HfParsed hf_sendmail_result_parse (HfSlice text, HfLogEvent *out);

/**
 * hf_sendmail_collected_parse:
 * @text: what follows "QUEUEID: ", beginning with "from="
 * @out: becomes HF_LOG_COLLECTED, or HF_LOG_ABORTED without a msgid=
 */
HfParsed hf_sendmail_collected_parse (HfSlice text, HfLogEvent *out);

G_END_DECLS
