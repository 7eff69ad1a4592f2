/* error.h - the one error domain of Holdfast
 *
 * Codes say what the caller can do about it, messages say what failed,
 * and the error carries the step and the errno, because every event about
 * lost room or a failed call has to name both (P2).
 *
 * Messages state the error first, in lower case, with the subject quoted:
 * "cannot sync segment '/var/spool/holdfast/journal/0000000042.bsmtp': No space left on device".
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * HfErrorCode:
 * @HF_ERROR_IO: a call to the system failed; trying later may help
 * @HF_ERROR_FULL: no room (ENOSPC, EDQUOT, EFBIG, or a mark was reached)
 * @HF_ERROR_CORRUPT: what was read is not what was written
 * @HF_ERROR_CONFIG: the operator has to change the configuration or the machine
 * @HF_ERROR_BUSY: held by someone else, or not ready yet
 * @HF_ERROR_LATE: a time limit passed first
 * @HF_ERROR_NOT_FOUND: what was asked for is not there
 * @HF_ERROR_DENIED: the caller may not look (EACCES, EPERM)
 */
typedef enum
{
  HF_ERROR_IO,
  HF_ERROR_FULL,
  HF_ERROR_CORRUPT,
  HF_ERROR_CONFIG,
  HF_ERROR_BUSY,
  HF_ERROR_LATE,
  HF_ERROR_NOT_FOUND,
  HF_ERROR_DENIED,
} HfErrorCode;

#define HF_ERROR (hf_error_quark ())
GQuark hf_error_quark (void);

/**
 * hf_error_set:
 * @error: (nullable): as everywhere in GLib
 * @code: what the caller can do
 * @step: a static string, the step for the event ("stage-open", "segment-sync")
 * @format: the message, error first
 *
 * Returns: always FALSE, so that a function can end in `return hf_error_set (…)`.
 */
gboolean hf_error_set (GError **error, HfErrorCode code, const gchar *step,
                       const gchar *format, ...) G_GNUC_PRINTF (4, 5);

/**
 * hf_error_set_errno:
 * @saved_errno: the errno of the failed call; decides the code and ends the message
 *
 * ENOSPC, EDQUOT, EFBIG give FULL; EACCES, EPERM give DENIED; ENOENT gives
 * NOT_FOUND; all others IO.  Returns: always FALSE.
 */
gboolean hf_error_set_errno (GError **error, gint saved_errno, const gchar *step,
                             const gchar *format, ...) G_GNUC_PRINTF (4, 5);

/**
 * hf_error_set_again:
 * @cause: borrowed; an earlier error, whose message and errno are told again
 * @code, @step: what it means to this caller, and where
 *
 * Returns: always FALSE.
 */
gboolean hf_error_set_again (GError **error, HfErrorCode code, const gchar *step, const GError *cause);

/* The step and the errno an error carries; "" and 0 for an error of another
 * domain or one that came from no system call.  @error is borrowed. */
const gchar *hf_error_step (const GError *error);
gint hf_error_errno (const GError *error);

/* "ENOSPC" for ENOSPC; "errno 4711" in a static per-call buffer is avoided:
 * unknown numbers give "E?". Threads: any. */
const gchar *hf_errno_name (gint number);

G_END_DECLS
