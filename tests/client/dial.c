/* dial.c - a filter's socket, connected; see dial.h */
#include <config.h>

#include "tests/client/dial.h"

#include "milter/base/error.h"
#include "milter/base/socket-spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

typedef union
{
  struct sockaddr any;
  struct sockaddr_un local;
  struct sockaddr_in inet;
  struct sockaddr_in6 inet6;
} Address;

static gboolean
fill_address (const HfSocketSpec *spec, Address *out_address, socklen_t *out_size)
{
  memset (out_address, 0, sizeof *out_address);
  out_address->any.sa_family = (sa_family_t) spec->family;
  if (spec->family == AF_UNIX)
    {
      strcpy (out_address->local.sun_path, spec->path);
      *out_size = sizeof out_address->local;
      return TRUE;
    }
  if (spec->host == NULL)
    return FALSE;
  if (spec->family == AF_INET)
    {
      out_address->inet.sin_port = g_htons ((guint16) spec->port);
      *out_size = sizeof out_address->inet;
      return inet_pton (AF_INET, spec->host, &out_address->inet.sin_addr) == 1;
    }
  out_address->inet6.sin6_port = g_htons ((guint16) spec->port);
  *out_size = sizeof out_address->inet6;
  return inet_pton (AF_INET6, spec->host, &out_address->inet6.sin6_addr) == 1;
}

/* SO_SNDTIMEO bounds connect() on both kinds of socket: a unix socket whose
 * backlog is full blocks, and tells EAGAIN when the time is over. */
static int
connect_within (int fd, const Address *address, socklen_t size, gint limit_ms)
{
  struct timeval limit = { limit_ms / 1000, (limit_ms % 1000) * 1000 };
  int one = 1, flags;

  if (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0
      || connect (fd, &address->any, size) < 0 || (flags = fcntl (fd, F_GETFL)) < 0
      || fcntl (fd, F_SETFL, flags | O_NONBLOCK) < 0)
    return -1;
  if (address->any.sa_family != AF_UNIX)
    return setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return 0;
}

int
mc_dial (const gchar *text, gint limit_ms, GError **error)
{
  g_autoptr (HfSocketSpec) spec = hf_socket_spec_parse (text, error);
  Address address;
  socklen_t size;
  int fd;

  if (spec == NULL)
    return -1;
  if (!fill_address (spec, &address, &size))
    {
      hf_error_set (error, HF_ERROR_CONFIG, "dial", "bad socket '%s': the host must be a number", text);
      return -1;
    }
  fd = socket (address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect_within (fd, &address, size, limit_ms) == 0)
    return fd;
  if (errno == EAGAIN || errno == EINPROGRESS)
    hf_error_set (error, HF_ERROR_LATE, "dial", "cannot connect to '%s' within %d ms", text, limit_ms);
  else
    hf_error_set_errno (error, errno, "dial", "cannot connect to '%s'", text);
  if (fd >= 0)
    close (fd);
  return -1;
}
