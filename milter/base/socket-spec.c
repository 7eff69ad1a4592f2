/* socket-spec.c - where the filter listens; see socket-spec.h */
#include <config.h>

#include "milter/base/socket-spec.h"

#include "milter/base/error.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/un.h>

#define FORMS "unix:PATH, local:PATH, inet:PORT@HOST or inet6:PORT@HOST"

void
hf_socket_spec_free (HfSocketSpec *self)
{
  if (self == NULL)
    return;
  g_free (self->path);
  g_free (self->host);
  g_free (self);
}

static gboolean
refuse (GError **error, const gchar *text, const gchar *reason)
{
  g_autofree gchar *quoted = hf_value_quotable (text);

  return hf_error_set (error, HF_ERROR_CONFIG, "config", "'%s' %s", quoted, reason);
}

static gboolean
parse_path (HfSocketSpec *self, const gchar *text, const gchar *path, GError **error)
{
  if (*path != '/')
    return refuse (error, text, "is not an absolute path: write unix:/PATH");
  if (strlen (path) > HF_SOCKET_PATH_MAX)
    return hf_error_set (error, HF_ERROR_CONFIG, "config",
                         "the socket's path has %" G_GSIZE_FORMAT
                         " octets: the system allows %d",
                         strlen (path), HF_SOCKET_PATH_MAX);
  self->family = AF_UNIX;
  self->path = g_strdup (path);
  return TRUE;
}

/* A literal address has to be one of the family; whether a name has one is
 * found when the socket is opened. */
static gboolean
check_host (const HfSocketSpec *self, const gchar *text, GError **error)
{
  guint8 address[sizeof (struct in6_addr)];

  if (self->family == AF_INET && strchr (self->host, ':') != NULL)
    return refuse (error, text, "has an IPv6 address or a second port: write inet:PORT@HOST, "
                                "or inet6:PORT@HOST");
  if (self->family == AF_INET6 && inet_pton (AF_INET, self->host, address) == 1)
    return refuse (error, text, "has an IPv4 address: write inet:PORT@HOST");
  if (self->family == AF_INET6 && strchr (self->host, ':') != NULL
      && inet_pton (AF_INET6, self->host, address) != 1)
    return refuse (error, text, "has an IPv6 address that is not well formed");
  if (*self->host == '\0' || strpbrk (self->host, " \t[]@/") != NULL)
    return refuse (error, text, "has no host name or address after the '@'");
  return TRUE;
}

static gboolean
parse_port_and_host (HfSocketSpec *self, gint family, const gchar *text, const gchar *rest,
                     GError **error)
{
  const gchar *at = strchr (rest, '@');
  gsize digits = strspn (rest, "0123456789");
  guint64 port;

  self->family = family;
  if (digits == 0 || (rest[digits] != '\0' && rest[digits] != '@'))
    return refuse (error, text, "has no port where one is due: write inet:PORT@HOST "
                                "(the MTA's own setting has the host first, this one the port)");
  port = g_ascii_strtoull (rest, NULL, 10);
  if (port < 1 || port > 65535)
    return refuse (error, text, "has a port that is not between 1 and 65535");
  self->port = (guint) port;
  if (at == NULL)
    return TRUE;
  self->host = g_strdup (at + 1);
  if (g_str_has_prefix (self->host, "[") && g_str_has_suffix (self->host, "]"))
    {
      gchar *bare = g_strndup (self->host + 1, strlen (self->host) - 2);

      g_free (self->host);
      self->host = bare;
    }
  return check_host (self, text, error);
}

HfSocketSpec *
hf_socket_spec_parse (const gchar *text, GError **error)
{
  g_autoptr (HfSocketSpec) self = g_new0 (HfSocketSpec, 1);
  const gchar *colon = strchr (text, ':');
  g_autofree gchar *form = g_strndup (text, colon != NULL ? (gsize) (colon - text) : 0);
  gboolean ok;

  if (strcmp (form, "unix") == 0 || strcmp (form, "local") == 0)
    ok = parse_path (self, text, colon + 1, error);
  else if (strcmp (form, "inet") == 0)
    ok = parse_port_and_host (self, AF_INET, text, colon + 1, error);
  else if (strcmp (form, "inet6") == 0)
    ok = parse_port_and_host (self, AF_INET6, text, colon + 1, error);
  else
    ok = refuse (error, text, "is not a socket: write " FORMS);
  return ok ? g_steal_pointer (&self) : NULL;
}

gboolean
hf_socket_spec_is_local (const HfSocketSpec *self)
{
  struct in_addr v4;
  struct in6_addr v6;

  if (self->family == AF_UNIX)
    return TRUE;
  if (self->host == NULL)
    return FALSE;
  if (g_ascii_strcasecmp (self->host, "localhost") == 0)
    return TRUE;
  if (self->family == AF_INET)
    return inet_pton (AF_INET, self->host, &v4) == 1 && ntohl (v4.s_addr) >> 24 == 127;
  return inet_pton (AF_INET6, self->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK (&v6);
}

static gboolean
resolve (const HfSocketSpec *self, int flags, struct sockaddr_storage *out_address, socklen_t *out_size, GError **error)
{
  const struct addrinfo hints = { .ai_family = self->family, .ai_socktype = SOCK_STREAM, .ai_flags = flags };
  g_autofree gchar *port = g_strdup_printf ("%u", self->port);
  struct addrinfo *found;
  const int failed = getaddrinfo (self->host, port, &hints, &found);

  if (failed != 0)
    return hf_error_set (error, HF_ERROR_NOT_FOUND, "socket", "cannot find host '%s': %s",
                         self->host != NULL ? self->host : "*", gai_strerror (failed));
  memcpy (out_address, found->ai_addr, found->ai_addrlen);
  *out_size = found->ai_addrlen;
  freeaddrinfo (found);
  return TRUE;
}

gboolean
hf_socket_spec_address (const HfSocketSpec *self, gboolean to_listen, struct sockaddr_storage *out_address, socklen_t *out_size,
                        GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  if (self->family != AF_UNIX)
    return resolve (self, to_listen ? AI_PASSIVE : 0, out_address, out_size, error);
  g_strlcpy (address.sun_path, self->path, sizeof address.sun_path);
  memcpy (out_address, &address, sizeof address);
  *out_size = sizeof address;
  return TRUE;
}

HfSocketSpec *
hf_socket_spec_check (const HfConfig *config, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (HfSocketSpec) self = hf_socket_spec_parse (config->milter_socket, &reason);

  if (self == NULL)
    {
      hf_config_error (config, "milter", "socket", error, "%s", reason->message);
      return NULL;
    }
  if (hf_socket_spec_is_local (self) || config->milter_allow_remote)
    return g_steal_pointer (&self);
  hf_config_error (config, "milter", "socket", error,
                   "'%s' can be reached from other machines, and the milter protocol has no "
                   "authentication: use a unix socket or loopback, or set allow_remote = yes",
                   config->milter_socket);
  return NULL;
}
