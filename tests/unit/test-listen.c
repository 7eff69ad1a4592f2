/* test-listen.c - a stale socket is replaced, a live one never, and the mode is right from the start
 *
 * libmilter opens a socket once a process, so each row is a process of its own.
 */
#include <config.h>

#include "milter/base/config.h"
#include "milter/base/error.h"
#include "milter/filter/filter.h"
#include "milter/filter/listen.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <libmilter/mfapi.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  gchar *spool;
  gchar *path;
  HfConfig *config;
} Bench;

static void
set_socket (Bench *self, const gchar *text)
{
  g_free (self->config->milter_socket);
  self->config->milter_socket = g_strdup (text);
}

static void
bench_init (Bench *self)
{
  static char name[] = "holdfast";
  const struct smfiDesc description = { .xxfi_name = name, .xxfi_version = SMFI_VERSION };
  g_autofree gchar *text = NULL;

  kit_events_keep ();
  self->spool = kit_spool_new ();
  self->path = g_build_filename (self->spool, "milter.sock", NULL);
  self->config = hf_config_new_default ();
  text = g_strconcat ("unix:", self->path, NULL);
  set_socket (self, text);
  self->config->milter_socket_mode = 0660;
  g_assert_true (smfi_register (description) == MI_SUCCESS);
}

static int
bound_socket (const gchar *path, gboolean listening)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_true (fd >= 0 && bind (fd, (const struct sockaddr *) &address, sizeof address) == 0);
  g_assert_true (!listening || listen (fd, 1) == 0);
  return fd;
}

static gboolean
can_connect (const gchar *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean ok;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  ok = connect (fd, (const struct sockaddr *) &address, sizeof address) == 0;
  close (fd);
  return ok;
}

/* ---- what stands in the way ---- */

static void
nothing (Bench *bench)
{
}

static void
stale (Bench *bench)
{
  close (bound_socket (bench->path, TRUE));
}

static void
live (Bench *bench)
{
  bound_socket (bench->path, TRUE); /* stays open */
}

static void
a_file (Bench *bench)
{
  kit_write_file (bench->path, "x", 1);
}

static void
a_directory (Bench *bench)
{
  g_assert_true (mkdir (bench->path, 0700) == 0);
}

static void
no_directory (Bench *bench)
{
  set_socket (bench, "unix:/nonexistent/holdfast/milter.sock");
}

static void
no_group (Bench *bench)
{
  g_free (bench->config->milter_socket_group);
  bench->config->milter_socket_group = g_strdup ("no-such-group-here");
}

static void
closed_mode (Bench *bench)
{
  bench->config->milter_socket_mode = 0600;
}

/* A port that somebody has: bound by us, on loopback. */
static void
port_taken (Bench *bench)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
  socklen_t size = sizeof address;
  g_autofree gchar *text = NULL;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_true (bind (fd, (const struct sockaddr *) &address, size) == 0 && listen (fd, 1) == 0
                 && getsockname (fd, (struct sockaddr *) &address, &size) == 0);
  text = g_strdup_printf ("inet:%u@127.0.0.1", ntohs (address.sin_port));
  set_socket (bench, text);
}

static const struct
{
  const gchar *name;
  void (*deed) (Bench *bench);
  const gchar *want; /* part of the message; NULL: listens */
  mode_t want_mode;
  guint want_replaced; /* events */
} rows[] = {
  { "nothing in the way", nothing, NULL, 0660, 0 },
  { "another mode", closed_mode, NULL, 0600, 0 },
  { "stale socket", stale, NULL, 0660, 1 },
  { "live socket", live, "is in use by a running program", 0, 0 },
  { "a file", a_file, "exists and is no socket", 0, 0 },
  { "a directory", a_directory, "exists and is no socket", 0, 0 },
  { "no directory", no_directory, "No such file or directory", 0, 0 },
  { "no such group", no_group, "there is no group 'no-such-group-here'", 0, 0 },
  { "port taken", port_taken, "Address already in use", 0, 0 },
};

/* Exit code 0, or the number of what was wrong. */
static gint
listen_as (guint i)
{
  g_autoptr (GError) error = NULL;
  struct stat before = { 0 }, after = { 0 };
  Bench bench;
  gint code = 0;

  bench_init (&bench);
  rows[i].deed (&bench);
  lstat (bench.path, &before);
  if (hf_listen (bench.config, &error) != (rows[i].want == NULL))
    code = 1;
  else if (rows[i].want != NULL)
    {
      lstat (bench.path, &after);
      if (strstr (error->message, rows[i].want) == NULL || !g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG))
        code = 2;
      else if (before.st_ino != after.st_ino)
        code = 3; /* what was in the way is not as it was */
    }
  else if (lstat (bench.path, &after) < 0 || !S_ISSOCK (after.st_mode) || (after.st_mode & 07777) != rows[i].want_mode)
    code = 4;
  else if (!can_connect (bench.path))
    code = 5;
  else
    {
      hf_listen_end (bench.config);
      if (g_file_test (bench.path, G_FILE_TEST_EXISTS))
        code = 6;
    }
  if (kit_events_count (HF_EVENT_SOCKET_REPLACED) != rows[i].want_replaced)
    code = 7;
  hf_config_free (bench.config);
  g_free (bench.path);
  kit_spool_free (bench.spool);
  return code;
}

static void
test_listen (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const pid_t pid = fork ();
      int status;

      g_assert_true (pid >= 0);
      if (pid == 0)
        _exit (listen_as (i));
      g_assert_true (waitpid (pid, &status, 0) == pid);
      tap_check_int (rows[i].name, WIFEXITED (status) ? WEXITSTATUS (status) : -1, 0);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = { { "listen", test_listen }, { NULL, NULL } };

  return tap_run ("listen", tests, argc, argv);
}
