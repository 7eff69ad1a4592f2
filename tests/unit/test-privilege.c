/* test-privilege.c - root is given up for good, and nothing of the mail is left in a core
 *
 * Each row is a process of its own.
 */
#include <config.h>

#include "milter/base/config.h"
#include "milter/base/error.h"
#include "milter/filter/privilege.h"
#include "tests/unit/tap.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT_TELL 100

/* Runs @part in a process of its own.  Returns: its exit code. */
static gint
run_apart (gint (*part) (void))
{
  const pid_t pid = fork ();
  int status;

  g_assert_true (pid >= 0);
  if (pid == 0)
    _exit (part ());
  g_assert_true (waitpid (pid, &status, 0) == pid);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

static gboolean
drop (const gchar *user, GError **error)
{
  g_autoptr (HfConfig) config = hf_config_new_default ();

  g_free (config->milter_user);
  config->milter_user = g_strdup (user);
  return hf_privilege_drop (config, error);
}

static gint
stay (void)
{
  return drop ("", NULL) && geteuid () == getuid () ? 0 : 1;
}

static gint
unknown_user (void)
{
  g_autoptr (GError) error = NULL;

  if (drop ("no-such-user-here", &error) || !g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG))
    return 1;
  return strstr (error->message, "there is no user 'no-such-user-here'") != NULL ? 0 : 2;
}

static gint
become_nobody (void)
{
  const struct passwd *nobody = getpwnam ("nobody");
  gid_t groups[64];
  gint n;

  if (geteuid () != 0 || nobody == NULL)
    return CANNOT_TELL;
  if (!drop ("nobody", NULL))
    return 1;
  if (getuid () != nobody->pw_uid || geteuid () != nobody->pw_uid || getgid () != nobody->pw_gid
      || getegid () != nobody->pw_gid)
    return 2;
  if (setuid (0) == 0 || seteuid (0) == 0)
    return 3;
  n = getgroups (G_N_ELEMENTS (groups), groups);
  for (gint i = 0; i < n; i++)
    if (groups[i] == 0)
      return 4;
  return 0;
}

/* Who is that user already may name him; nobody else's name will do. */
static gint
not_root (void)
{
  const struct passwd *nobody = getpwnam ("nobody");
  g_autoptr (GError) error = NULL;

  if (geteuid () != 0 || nobody == NULL || setgid (nobody->pw_gid) < 0 || setuid (nobody->pw_uid) < 0)
    return CANNOT_TELL;
  if (!drop ("nobody", NULL))
    return 1;
  if (drop ("root", &error) || strstr (error->message, "only root can become 'root'") == NULL)
    return 2;
  return 0;
}

static gint
limits (void)
{
  struct rlimit core, files;
  mode_t mask;

  hf_privilege_limit ();
  if (prctl (PR_GET_DUMPABLE) != 0)
    return 1;
  if (getrlimit (RLIMIT_CORE, &core) < 0 || core.rlim_cur != 0 || core.rlim_max != 0)
    return 2;
  if (getrlimit (RLIMIT_NOFILE, &files) < 0 || files.rlim_cur != files.rlim_max)
    return 3;
  mask = umask (0);
  return mask == 0077 ? 0 : 4;
}

static void
test_processes (void)
{
  static const struct
  {
    const gchar *name;
    gint (*part) (void);
    gboolean as_root;
  } rows[] = {
    { "nobody named: stay", stay, FALSE },       { "unknown user", unknown_user, FALSE },
    { "become another for good", become_nobody, TRUE }, { "not root", not_root, TRUE },
    { "limits", limits, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (!rows[i].as_root || geteuid () == 0)
      tap_check_int (rows[i].name, run_apart (rows[i].part), 0);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = { { "processes", test_processes }, { NULL, NULL } };

  return tap_run ("privilege", tests, argc, argv);
}
