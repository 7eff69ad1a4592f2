/* teller.h - the thread that tells what others have to say
 *
 * A log may stop taking lines: a pipe that nobody reads, a syslogd or journald
 * that hangs.  Whoever writes to it then waits for as long as that lasts; a
 * filter must not, for it has mail to answer.  So one thread writes, and the
 * others wait for it, but not for long: where it is held up they leave their
 * notes in a queue of a bounded length, and what does not fit is counted.
 *
 * One for a process.  Threads: any, after the start.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Tells @note, in the teller's thread.  @dropped: how many notes before it did not fit. */
typedef void (*HfTell) (gpointer note, guint64 dropped);

/* FALSE with HF_ERROR_IO where there is no thread to be had. */
gboolean hf_teller_start (HfTell tell, GDestroyNotify free_note, GError **error);

/* Takes @note over and returns when it is told, or after a second at most.
 * FALSE: there is no teller, and the note is still the caller's. */
gboolean hf_teller_give (gpointer note);

/* Waits @wait_ms at most until all is told. */
void hf_teller_end (gint64 wait_ms);

G_END_DECLS
