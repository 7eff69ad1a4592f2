/* event.h - what Holdfast tells the operator
 *
 * Every kind of event has a stable code, HF-NNN, a row in events.h and an
 * entry in doc/EVENTS.  An event is one line
 *
 *     HF-201 error: message not stored: cannot write stage: No space left on device; queue=4Yq1 id=01J… step=stage-write errno=ENOSPC
 *
 * to stderr and syslog, or, under systemd, one journal entry in which the
 * fields stand apart as HOLDFAST_QUEUE=… too.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
#define HF_EVENT(name, number, level, summary, advice) HF_EVENT_##name = number,
#include "milter/base/events.h"
#undef HF_EVENT
} HfEventCode;

typedef enum
{
  HF_EVENT_TO_STDERR = 1 << 0,
  HF_EVENT_TO_SYSLOG = 1 << 1,
  HF_EVENT_TO_JOURNALD = 1 << 2,
} HfEventTargets;

/* Chooses where events go.  @program is a static string and appears in syslog.
 * With @to NULL or "auto": the journal when stderr is connected to it, else
 * stderr, and syslog too when stderr is no terminal.  Otherwise a comma list of
 * stderr, syslog, journald.  FALSE for an unknown word, with HF_ERROR_CONFIG.
 * Threads: before any is started. */
gboolean hf_event_init (const gchar *program, const gchar *to, GError **error);

/**
 * hf_event:
 * @code: the kind
 * @cause: (nullable): adds its message to the text, and step= and errno= to the fields
 * @...: pairs of field name and value, both strings, ended by NULL; pairs with
 *   a NULL or empty value are left out
 *
 * Reports an event.  Never fails; returns once it is sent, or after a second where
 * a teller was started.  Values with blanks, quotes, controls or octets
 * that are not UTF-8 are quoted with C escapes, and in the cause's message
 * controls become blanks and semicolons commas, so that neither can forge a
 * field or a line.  Threads: any.
 */
void hf_event (HfEventCode code, const GError *cause, ...) G_GNUC_NULL_TERMINATED;

/* From now on a thread of its own sends events, and nobody waits longer than a
 * second for a log that takes no lines (teller.h); an event where there is no such
 * thread to be had.  The end waits @wait_ms at most for what is not sent yet.
 * Threads: start with the signals blocked that others are to take. */
void hf_event_start_teller (void);
void hf_event_end_teller (gint64 wait_ms);

/* "HF-201", static. */
const gchar *hf_event_code_text (HfEventCode code);

/* The line without its end, as it would be logged.  For tests and for hf_event. */
gchar *hf_event_format (HfEventCode code, const GError *cause, const gchar *const *pairs);

/* When set, receives each line instead of the targets.  For tests. */
typedef void (*HfEventHook) (HfEventCode code, const gchar *line, gpointer data);
void hf_event_set_hook (HfEventHook hook, gpointer data);

G_END_DECLS
