/* listen.c - the socket on which the MTA reaches the filter; see listen.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/socket-spec.h"
#include "milter/filter/listen.h"
#include "milter/filter/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libmilter/mfapi.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 512
#define POSTFIX_GROUP "postfix"

static gboolean
fail (const HfConfig *config, GError **error, const gchar *what, const gchar *subject)
{
  return hf_config_error (config, "milter", "socket", error, "%s '%s': %s", what, subject, g_strerror (errno));
}

/* Somebody answers on a unix socket.  A queue that is full is an answer too. */
static gboolean
is_live (const HfSocketSpec *spec)
{
  struct sockaddr_storage address;
  socklen_t size;
  gboolean live;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0)
    return TRUE; /* not known: better not to take it away */
  hf_socket_spec_address (spec, FALSE, &address, &size, NULL);
  live = connect (fd, (const struct sockaddr *) &address, size) == 0 || errno != ECONNREFUSED;
  close (fd);
  return live;
}

static gboolean
clear_path (const HfConfig *config, const HfSocketSpec *spec, GError **error)
{
  const gchar *path = spec->path;
  struct stat st;

  if (lstat (path, &st) < 0)
    return errno == ENOENT ? TRUE : fail (config, error, "cannot look at", path);
  if (!S_ISSOCK (st.st_mode))
    return hf_config_error (config, "milter", "socket", error, "'%s' exists and is no socket", path);
  if (is_live (spec))
    return hf_config_error (config, "milter", "socket", error, "socket '%s' is in use by a running program", path);
  if (unlink (path) < 0)
    return fail (config, error, "cannot replace stale socket", path);
  hf_event (HF_EVENT_SOCKET_REPLACED, NULL, "socket", path, NULL);
  return TRUE;
}

static gboolean
find_group (const HfConfig *config, gid_t *out_gid, GError **error)
{
  const gchar *name = config->milter_socket_group;
  const gboolean given = name != NULL && *name != '\0';
  const struct group *group;

  *out_gid = (gid_t) -1;
  if (!given && geteuid () != 0)
    return TRUE;
  group = getgrnam (given ? name : POSTFIX_GROUP);
  if (group != NULL)
    *out_gid = group->gr_gid;
  else if (given)
    return hf_config_error (config, "milter", "socket_group", error, "there is no group '%s'", name);
  return TRUE;
}

/* The socket itself, and not what somebody may have put there instead: root is about
 * to give it away. */
static int
hold_socket (const gchar *path)
{
  struct stat st;
  int fd = open (path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISSOCK (st.st_mode))
    return fd;
  if (fd >= 0)
    {
      close (fd);
      errno = ENOTSOCK;
    }
  return -1;
}

/* It becomes the user's that the filter will be, who connects to it as well (nudge.h),
 * but needs not: where that can't be done, it stays root's. */
static gboolean
set_owner_and_mode (const HfConfig *config, const gchar *path, int fd, uid_t uid, gid_t gid, GError **error)
{
  g_autofree gchar *held = g_strdup_printf ("/proc/self/fd/%d", fd);

  if (uid != (uid_t) -1)
    (void) !fchownat (fd, "", uid, (gid_t) -1, AT_EMPTY_PATH);
  if (gid != (gid_t) -1 && fchownat (fd, "", (uid_t) -1, gid, AT_EMPTY_PATH) < 0)
    return hf_config_error (config, "milter", "socket_group", error, "cannot set the group of '%s': %s", path,
                            g_strerror (errno));
  if (chmod (held, config->milter_socket_mode) < 0)
    return hf_config_error (config, "milter", "socket_mode", error, "cannot set the mode of '%s': %s", path,
                            g_strerror (errno));
  return TRUE;
}

static gboolean
set_permissions (const HfConfig *config, const gchar *path, gid_t gid, GError **error)
{
  gboolean ok;
  uid_t uid;
  int fd;

  if (!hf_privilege_find (config, &uid, error))
    return FALSE;
  fd = hold_socket (path);
  if (fd < 0)
    return fail (config, error, "cannot look at", path);
  ok = set_owner_and_mode (config, path, fd, uid, gid, error);
  close (fd);
  return ok;
}

/* libmilter tells syslog alone why it can't listen; a bind of our own tells us. */
static gboolean
try_bind (const HfConfig *config, const HfSocketSpec *spec, GError **error)
{
  g_autoptr (GError) failed = NULL;
  struct sockaddr_storage address;
  socklen_t size;
  const int yes = 1;
  gboolean ok = TRUE;
  int fd;

  if (!hf_socket_spec_address (spec, TRUE, &address, &size, &failed))
    return hf_config_error (config, "milter", "socket", error, "%s", failed->message);
  fd = socket (spec->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0
      || bind (fd, (const struct sockaddr *) &address, size) < 0)
    ok = fail (config, error, "cannot listen on", config->milter_socket);
  if (fd >= 0)
    close (fd);
  return ok;
}

gboolean
hf_listen_check (const HfConfig *config, GError **error)
{
  g_autoptr (HfSocketSpec) spec = hf_socket_spec_check (config, error);
  gid_t gid;

  return spec != NULL && (spec->family != AF_UNIX || find_group (config, &gid, error));
}

gboolean
hf_listen (const HfConfig *config, GError **error)
{
  g_autoptr (HfSocketSpec) spec = hf_socket_spec_check (config, error);
  const gboolean is_unix = spec != NULL && spec->family == AF_UNIX;
  gid_t gid = (gid_t) -1;
  mode_t mask;
  int opened;

  if (spec == NULL)
    return FALSE;
  if (is_unix ? !find_group (config, &gid, error) || !clear_path (config, spec, error)
              : !try_bind (config, spec, error))
    return FALSE;
  smfi_setbacklog (BACKLOG);
  if (smfi_setconn (config->milter_socket) != MI_SUCCESS)
    return hf_config_error (config, "milter", "socket", error, "libmilter does not take '%s'", config->milter_socket);
  /* Nobody may connect between its making and chmod. */
  mask = umask (0177);
  errno = 0;
  opened = smfi_opensocket (FALSE);
  umask (mask);
  if (opened != MI_SUCCESS)
    return fail (config, error, "cannot listen on", config->milter_socket);
  if (!is_unix || set_permissions (config, spec->path, gid, error))
    return TRUE;
  unlink (spec->path);
  return FALSE;
}

void
hf_listen_end (const HfConfig *config)
{
  g_autoptr (HfSocketSpec) spec = hf_socket_spec_parse (config->milter_socket, NULL);

  if (spec != NULL && spec->family == AF_UNIX)
    unlink (spec->path);
}
