/* test-socket-spec.c - a socket that others can reach is refused unless allowed */
#include <config.h>

#include "milter/base/config.h"
#include "milter/base/error.h"
#include "milter/base/socket-spec.h"
#include "tests/unit/tap.h"

#include <netdb.h>
#include <string.h>
#include <sys/un.h>

static void
test_parse (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gint want_family; /* 0: refused */
    const gchar *want_path;
    const gchar *want_host;
    guint want_port;
    gboolean want_local;
    const gchar *want_message; /* a part of it */
  } rows[] = {
    { "unix", "unix:/run/h.sock", AF_UNIX, "/run/h.sock", NULL, 0, TRUE, NULL },
    { "local", "local:/run/h.sock", AF_UNIX, "/run/h.sock", NULL, 0, TRUE, NULL },
    { "colon in path", "unix:/run/a:b", AF_UNIX, "/run/a:b", NULL, 0, TRUE, NULL },
    { "IPv4 loopback", "inet:8891@127.0.0.1", AF_INET, NULL, "127.0.0.1", 8891, TRUE, NULL },
    { "all of 127", "inet:8891@127.9.8.7", AF_INET, NULL, "127.9.8.7", 8891, TRUE, NULL },
    { "bracketed", "inet:8891@[127.0.0.1]", AF_INET, NULL, "127.0.0.1", 8891, TRUE, NULL },
    { "localhost", "inet:8891@localhost", AF_INET, NULL, "localhost", 8891, TRUE, NULL },
    { "LOCALHOST", "inet:8891@LocalHost", AF_INET, NULL, "LocalHost", 8891, TRUE, NULL },
    { "IPv6 loopback", "inet6:8891@::1", AF_INET6, NULL, "::1", 8891, TRUE, NULL },
    { "IPv6 loopback in brackets", "inet6:8891@[::1]", AF_INET6, NULL, "::1", 8891, TRUE, NULL },
    { "IPv6 loopback in full", "inet6:1@0:0:0:0:0:0:0:1", AF_INET6, NULL, "0:0:0:0:0:0:0:1", 1,
      TRUE, NULL },
    { "lowest port", "inet:1@localhost", AF_INET, NULL, "localhost", 1, TRUE, NULL },
    { "highest port", "inet:65535@localhost", AF_INET, NULL, "localhost", 65535, TRUE, NULL },

    { "remote address", "inet:8891@192.0.2.1", AF_INET, NULL, "192.0.2.1", 8891, FALSE, NULL },
    { "every address", "inet:8891", AF_INET, NULL, NULL, 8891, FALSE, NULL },
    { "every address by number", "inet:8891@0.0.0.0", AF_INET, NULL, "0.0.0.0", 8891, FALSE, NULL },
    { "every IPv6 address", "inet6:8891@::", AF_INET6, NULL, "::", 8891, FALSE, NULL },
    { "remote IPv6 address", "inet6:8891@2001:db8::1", AF_INET6, NULL, "2001:db8::1", 8891, FALSE,
      NULL },
    { "another name", "inet:8891@mx.example.org", AF_INET, NULL, "mx.example.org", 8891, FALSE,
      NULL },
    { "name that looks local", "inet:8891@127.0.0.1.example.org", AF_INET, NULL,
      "127.0.0.1.example.org", 8891, FALSE, NULL },
    { "name that begins local", "inet:8891@localhost.example.org", AF_INET, NULL,
      "localhost.example.org", 8891, FALSE, NULL },
    { "short form of an address", "inet:8891@127.1", AF_INET, NULL, "127.1", 8891, FALSE, NULL },

    { "empty", "", 0, NULL, NULL, 0, FALSE, "is not a socket: write unix:PATH" },
    { "bare path", "/run/h.sock", 0, NULL, NULL, 0, FALSE, "is not a socket: write unix:PATH" },
    { "unknown form", "tcp:8891@localhost", 0, NULL, NULL, 0, FALSE, "is not a socket" },
    { "upper case form", "UNIX:/run/h.sock", 0, NULL, NULL, 0, FALSE, "is not a socket" },
    { "relative path", "unix:h.sock", 0, NULL, NULL, 0, FALSE, "not an absolute path" },
    { "no path", "unix:", 0, NULL, NULL, 0, FALSE, "not an absolute path" },
    { "abstract socket", "unix:@h", 0, NULL, NULL, 0, FALSE, "not an absolute path" },
    { "as the MTA writes it", "inet:127.0.0.1:8891", 0, NULL, NULL, 0, FALSE, "has no port" },
    { "as the MTA writes it, by name", "inet:localhost:8891", 0, NULL, NULL, 0, FALSE,
      "has no port" },
    { "no port", "inet:@localhost", 0, NULL, NULL, 0, FALSE, "has no port" },
    { "nothing", "inet:", 0, NULL, NULL, 0, FALSE, "has no port" },
    { "port zero", "inet:0@localhost", 0, NULL, NULL, 0, FALSE, "not between 1 and 65535" },
    { "port too high", "inet:65536@localhost", 0, NULL, NULL, 0, FALSE, "not between 1 and 65535" },
    { "port far too high", "inet:99999999999999999999@localhost", 0, NULL, NULL, 0, FALSE,
      "not between 1 and 65535" },
    { "port wraps", "inet:4294976187@localhost", 0, NULL, NULL, 0, FALSE,
      "not between 1 and 65535" },
    { "negative port", "inet:-1@localhost", 0, NULL, NULL, 0, FALSE, "has no port" },
    { "no host after the at", "inet:8891@", 0, NULL, NULL, 0, FALSE, "no host" },
    { "empty brackets", "inet:8891@[]", 0, NULL, NULL, 0, FALSE, "no host" },
    { "two hosts", "inet:8891@localhost@192.0.2.1", 0, NULL, NULL, 0, FALSE, "no host" },
    { "blank in host", "inet:8891@local host", 0, NULL, NULL, 0, FALSE, "no host" },
    { "IPv6 address as inet", "inet:8891@::1", 0, NULL, NULL, 0, FALSE, "inet6:PORT@HOST" },
    { "IPv4 address as inet6", "inet6:8891@127.0.0.1", 0, NULL, NULL, 0, FALSE, "IPv4 address" },
    { "broken IPv6 address", "inet6:8891@::1::2", 0, NULL, NULL, 0, FALSE, "not well formed" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (HfSocketSpec) spec = hf_socket_spec_parse (rows[i].text, &error);

      if (rows[i].want_family == 0)
        {
          tap_check (rows[i].name, spec == NULL);
          tap_check (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG));
          tap_check_has (rows[i].name, error != NULL ? error->message : NULL,
                         rows[i].want_message);
          continue;
        }
      tap_check_str (rows[i].name, error != NULL ? error->message : NULL, NULL);
      if (!tap_check (rows[i].name, spec != NULL))
        continue;
      tap_check_int (rows[i].name, spec->family, rows[i].want_family);
      tap_check_str (rows[i].name, spec->path, rows[i].want_path);
      tap_check_str (rows[i].name, spec->host, rows[i].want_host);
      tap_check_int (rows[i].name, spec->port, rows[i].want_port);
      tap_check_int (rows[i].name, hf_socket_spec_is_local (spec), rows[i].want_local);
    }
}

static void
test_path_length (void)
{
  static const struct
  {
    const gchar *name;
    gsize length;
    gboolean want;
  } rows[] = {
    { "one below the limit", HF_SOCKET_PATH_MAX - 1, TRUE },
    { "at the limit", HF_SOCKET_PATH_MAX, TRUE },
    { "one above the limit", HF_SOCKET_PATH_MAX + 1, FALSE },
    { "far above the limit", 5000, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *name = g_strnfill (rows[i].length - 1, 'x');
      g_autofree gchar *text = g_strconcat ("unix:/", name, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (HfSocketSpec) spec = hf_socket_spec_parse (text, &error);

      tap_check_int (rows[i].name, spec != NULL, rows[i].want);
      if (!rows[i].want)
        tap_check_has (rows[i].name, error != NULL ? error->message : NULL,
                       "the system allows 107");
    }
}

static void
test_check (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *socket;
    gboolean allow_remote;
    const gchar *want_message; /* NULL: taken */
  } rows[] = {
    { "unix", "unix:/run/h.sock", FALSE, NULL },
    { "loopback", "inet:8891@127.0.0.1", FALSE, NULL },
    { "remote", "inet:8891@192.0.2.1", FALSE,
      "m.conf:7: [milter] socket: 'inet:8891@192.0.2.1' can be reached from other machines" },
    { "every address", "inet:8891", FALSE,
      "m.conf:7: [milter] socket: 'inet:8891' can be reached from other machines" },
    { "remote and allowed", "inet:8891@192.0.2.1", TRUE, NULL },
    { "every address and allowed", "inet:8891", TRUE, NULL },
    { "malformed, although allowed", "inet:x", TRUE, "m.conf:7: [milter] socket: 'inet:x' has no" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfConfig) config = hf_config_new_default ();
      g_autoptr (GError) error = NULL;
      g_autoptr (HfSocketSpec) spec = NULL;

      g_free (config->milter_socket);
      config->milter_socket = g_strdup (rows[i].socket);
      config->milter_allow_remote = rows[i].allow_remote;
      config->path = g_strdup ("m.conf");
      config->lines[0] = 7; /* milter.socket is the first row */
      spec = hf_socket_spec_check (config, &error);
      tap_check_int (rows[i].name, spec != NULL, rows[i].want_message == NULL);
      if (rows[i].want_message != NULL)
        tap_check_has (rows[i].name, error != NULL ? error->message : NULL, rows[i].want_message);
    }
}

/* As inet_ntop(3) writes it, or the path; and the port. */
static void
check_address (const gchar *name, const struct sockaddr_storage *address, socklen_t size, const gchar *want)
{
  gchar host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
  g_autofree gchar *got = NULL;

  if (address->ss_family == AF_UNIX)
    got = g_strdup (((const struct sockaddr_un *) address)->sun_path);
  else if (tap_check_int (name, getnameinfo ((const struct sockaddr *) address, size, host, sizeof host, port, sizeof port,
                                             NI_NUMERICHOST | NI_NUMERICSERV),
                          0))
    got = g_strdup_printf ("%s %s", host, port);
  tap_check_str (name, got, want);
}

/* One more than RFC 1035, section 2.3.4, allows. */
#define LONG_LABEL "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void
test_address (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gboolean to_listen;
    const gchar *want; /* NULL: none */
  } rows[] = {
    { "unix", "unix:/run/h.sock", TRUE, "/run/h.sock" },
    { "unix, to connect", "unix:/run/h.sock", FALSE, "/run/h.sock" },
    { "IPv4", "inet:8891@127.9.8.7", TRUE, "127.9.8.7 8891" },
    { "IPv6", "inet6:8891@::1", FALSE, "::1 8891" },
    { "every address", "inet:8891", TRUE, "0.0.0.0 8891" },
    { "every address, to connect", "inet:8891", FALSE, "127.0.0.1 8891" },
    { "every IPv6 address", "inet6:8891", TRUE, ":: 8891" },
    { "a name that is none, for which nobody is asked", "inet:8891@" LONG_LABEL, FALSE, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (HfSocketSpec) spec = hf_socket_spec_parse (rows[i].text, &error);
      struct sockaddr_storage address;
      socklen_t size;
      gboolean found;

      if (!tap_check (rows[i].name, spec != NULL))
        continue;
      found = hf_socket_spec_address (spec, rows[i].to_listen, &address, &size, &error);
      tap_check_int (rows[i].name, found, rows[i].want != NULL);
      if (found)
        check_address (rows[i].name, &address, size, rows[i].want);
      else
        tap_check_has (rows[i].name, error != NULL ? error->message : NULL, "cannot find host '" LONG_LABEL);
    }
}

static void
test_default (void)
{
  g_autoptr (HfConfig) config = hf_config_new_default ();
  g_autoptr (GError) error = NULL;
  g_autoptr (HfSocketSpec) spec = hf_socket_spec_check (config, &error);

  tap_check ("the default is taken", spec != NULL && spec->family == AF_UNIX);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "parse", test_parse },     { "path-length", test_path_length }, { "check", test_check },
    { "address", test_address }, { "default", test_default },         { NULL, NULL },
  };

  return tap_run ("socket-spec", tests, argc, argv);
}
