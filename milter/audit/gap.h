/* gap.h - lines that say that other lines are missing
 *
 * A fate is only as certain as the log is whole.  rsyslog, syslog-ng and
 * systemd-journald say so when they drop lines; their own stop and start is a
 * gap as well.  Gaps that nobody reports are found by books.c.
 */
#pragma once

#include "milter/audit/logevent.h"

G_BEGIN_DECLS

/**
 * hf_gap_parse:
 * @line: any syslog line
 * @out: set on HF_PARSE_EVENT: HF_LOG_GAP or HF_LOG_GAP_BEGINS
 *
 * HF_PARSE_OTHER for all other lines, also for limits that hit another service.
 */
HfParsed hf_gap_parse (const HfLogLine *line, HfLogEvent *out);

/**
 * hf_gap_unfold:
 * @line: on TRUE its text is what was repeated
 *
 * rsyslog writes "message repeated 3 times: [ TEXT]".  TRUE when @line was such.
 */
gboolean hf_gap_unfold (HfLogLine *line);

G_END_DECLS
