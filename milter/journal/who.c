/* who.c - the operator who runs a command, for what is recorded of it; see who.h */
#include <config.h>

#include "milter/journal/who.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define NOBODY_LOGGED_IN G_MAXUINT32

static gchar *
name_of (guint64 uid)
{
  const struct passwd *entry = getpwuid ((uid_t) uid);

  return entry != NULL ? g_strdup (entry->pw_name) : NULL;
}

void
hf_who_init (HfWho *self)
{
  g_autofree gchar *text = NULL;
  const gchar *sudo = g_getenv ("SUDO_USER");

  memset (self, 0, sizeof *self);
  self->uid = getuid ();
  self->user = name_of (self->uid);
  self->sudo = sudo != NULL && *sudo != '\0' ? g_strdup (sudo) : NULL;
  if (!g_file_get_contents ("/proc/self/loginuid", &text, NULL, NULL))
    return;
  g_strstrip (text);
  self->has_login = g_ascii_string_to_unsigned (text, 10, 0, NOBODY_LOGGED_IN - 1, &self->login_uid, NULL);
  if (self->has_login)
    self->login = name_of (self->login_uid);
}

void
hf_who_clear (HfWho *self)
{
  g_free (self->user);
  g_free (self->login);
  g_free (self->sudo);
  memset (self, 0, sizeof *self);
}

void
hf_who_write (const HfWho *self, HfStatementBuilder *builder)
{
  hf_statement_add_number (builder, "uid", self->uid);
  hf_statement_add (builder, "user", self->user, -1);
  if (self->has_login)
    hf_statement_add_number (builder, "login_uid", self->login_uid);
  hf_statement_add (builder, "login", self->login, -1);
  hf_statement_add (builder, "sudo", self->sudo, -1);
}
