/* nudge.c - keeps libmilter from leaving connections without a thread; see nudge.h */
#include <config.h>

#include "milter/base/socket-spec.h"
#include "milter/base/sys.h"
#include "milter/filter/nudge.h"

#include <netdb.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static void
set_path (HfNudge *self, const gchar *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  memcpy (&self->address, &address, sizeof address);
  self->size = sizeof address;
}

static void
set_host (HfNudge *self, const HfSocketSpec *spec)
{
  const struct addrinfo hints = { .ai_family = spec->family, .ai_socktype = SOCK_STREAM };
  g_autofree gchar *port = g_strdup_printf ("%u", spec->port);
  struct addrinfo *found;

  /* no host is every address for who listens, and loopback for who connects */
  if (getaddrinfo (spec->host, port, &hints, &found) != 0)
    return;
  memcpy (&self->address, found->ai_addr, found->ai_addrlen);
  self->size = found->ai_addrlen;
  freeaddrinfo (found);
}

void
hf_nudge_init (HfNudge *self, const gchar *socket)
{
  g_autoptr (HfSocketSpec) spec = hf_socket_spec_parse (socket, NULL);

  memset (self, 0, sizeof *self);
  if (spec != NULL && spec->family == AF_UNIX)
    set_path (self, spec->path);
  else if (spec != NULL)
    set_host (self, spec);
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
