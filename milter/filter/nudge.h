/* nudge.h - keeps libmilter from leaving connections without a thread
 *
 * libmilter's pool hands a connection that has something to say to a thread that
 * is idle, by a signal, and counts the thread as idle until it has woken up.
 * Whatever comes in between is handed to it as well, and then waits for any
 * thread to be done; but a thread stays with its connection as long as the MTA says
 * its next word within a millisecond, and no other is started, because
 * nothing happens on the connections that wait.  (libmilter/worker.c:
 * mi_pool_controller(), mi_worker(); engine.c: mi_rd_socket_ready().)  So after a
 * burst of connections a few may be served and the others wait for
 * seconds; and a filter whose threads wait for the disk gets its messages one by
 * one, where it could have synced ten at once.
 *
 * A new connection is an event that makes libmilter start or wake a thread,
 * which then takes what waits.  So once in a while the filter connects to itself,
 * and hangs up at once, before a word of the protocol: libmilter tells no
 * callback but xxfi_close, and logs nothing.  (Over TCP each leaves a port in
 * TIME_WAIT for a minute, a tenth of what the MTA's own connections leave.)
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <sys/socket.h>

G_BEGIN_DECLS

/* One nudge for so many messages, and no more than one in so long. */
#define HF_NUDGE_MESSAGES 10
#define HF_NUDGE_MS 10

typedef struct
{
  struct sockaddr_storage address;
  socklen_t size; /* 0: there is none to be had */
  _Atomic guint messages; /* since the last nudge */
  _Atomic gint64 at_ms;   /* monotonic: of the last nudge */
} HfNudge;

/* @socket: milter.socket, which need not be there yet.  One that can't be understood or
 * resolved is never nudged. */
void hf_nudge_init (HfNudge *self, const gchar *socket);

/* A message is waiting for the journal.  Threads: any.  Takes some ten µs where it is time
 * for a nudge, and never waits.  TRUE: it was, whatever came of it. */
gboolean hf_nudge (HfNudge *self);

G_END_DECLS
