/* nudge.c - keeps libmilter from leaving connections without a thread; see nudge.h */
#include <config.h>

#include "milter/base/socket-spec.h"
#include "milter/base/sys.h"
#include "milter/filter/nudge.h"

#include <string.h>
#include <unistd.h>

void
hf_nudge_init (HfNudge *self, const gchar *socket)
{
  g_autoptr (HfSocketSpec) spec = hf_socket_spec_parse (socket, NULL);

  memset (self, 0, sizeof *self);
  if (spec == NULL || !hf_socket_spec_address (spec, FALSE, &self->address, &self->size, NULL))
    self->size = 0;
}

/* Exactly one thread gets TRUE. */
static gboolean
is_time (HfNudge *self)
{
  const guint messages = atomic_fetch_add (&self->messages, 1) + 1;
  gint64 last_ms = atomic_load (&self->at_ms);
  gint64 now_ms;

  if (messages < HF_NUDGE_MESSAGES)
    return FALSE;
  now_ms = hf_sys_monotonic_ms ();
  return now_ms - last_ms >= HF_NUDGE_MS && atomic_compare_exchange_strong (&self->at_ms, &last_ms, now_ms);
}

gboolean
hf_nudge (HfNudge *self)
{
  int fd;

  if (self->size == 0 || !is_time (self))
    return FALSE;
  atomic_store (&self->messages, 0);
  fd = socket (self->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return TRUE; /* descriptors are short: no time for it */
  /* A full queue of connections, or a socket that is gone, is as well. */
  (void) !connect (fd, (const struct sockaddr *) &self->address, self->size);
  close (fd);
  return TRUE;
}
