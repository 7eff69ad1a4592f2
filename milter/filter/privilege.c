/* privilege.c - who the filter is, and what it must not leave behind; see privilege.h */
#include <config.h>

#include "milter/filter/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* *@out_user: NULL where nobody is named. */
static gboolean
find_user (const HfConfig *config, const struct passwd **out_user, GError **error)
{
  const gchar *name = config->milter_user;

  *out_user = NULL;
  if (name == NULL || *name == '\0')
    return TRUE;
  *out_user = getpwnam (name);
  return *out_user != NULL || hf_config_error (config, "milter", "user", error, "there is no user '%s'", name);
}

gboolean
hf_privilege_check (const HfConfig *config, GError **error)
{
  const struct passwd *user;

  return find_user (config, &user, error);
}

gboolean
hf_privilege_find (const HfConfig *config, uid_t *out_uid, GError **error)
{
  const struct passwd *user;

  *out_uid = (uid_t) -1;
  if (!find_user (config, &user, error))
    return FALSE;
  if (user != NULL && geteuid () == 0)
    *out_uid = user->pw_uid;
  return TRUE;
}

gboolean
hf_privilege_drop (const HfConfig *config, GError **error)
{
  const gchar *name = config->milter_user;
  const struct passwd *user;

  if (!find_user (config, &user, error))
    return FALSE;
  if (user == NULL)
    return TRUE;
  if (geteuid () != 0)
    {
      if (geteuid () == user->pw_uid)
        return TRUE;
      return hf_config_error (config, "milter", "user", error, "only root can become '%s'", name);
    }
  if (initgroups (name, user->pw_gid) < 0 || setgid (user->pw_gid) < 0 || setuid (user->pw_uid) < 0)
    return hf_config_error (config, "milter", "user", error, "cannot become '%s': %s", name, g_strerror (errno));
  if (user->pw_uid != 0 && setuid (0) == 0)
    return hf_config_error (config, "milter", "user", error, "root can still be had after becoming '%s'", name);
  return TRUE;
}

void
hf_privilege_limit (void)
{
  const struct rlimit none = { 0, 0 };
  struct rlimit files;

  /* Where cores go to a program, only "not dumpable" keeps them from it. */
  prctl (PR_SET_DUMPABLE, 0);
  setrlimit (RLIMIT_CORE, &none);
  umask (0077);
  if (getrlimit (RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max)
    {
      files.rlim_cur = files.rlim_max;
      setrlimit (RLIMIT_NOFILE, &files);
    }
}
