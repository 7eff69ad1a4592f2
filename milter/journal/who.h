/* who.h - the operator who runs a command, for what is recorded of it
 *
 * Three answers, because each alone can mislead: whom the process runs as, who
 * logged in (the kernel's audit id, which su and sudo leave alone), and what
 * sudo says.  The last is from the environment, so it is a claim.
 */
#pragma once

#include "milter/journal/statement.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 uid;
  gchar *user;        /* NULL: the number has no name */
  gboolean has_login; /* FALSE where nobody logged in, as under cron */
  guint64 login_uid;
  gchar *login;
  gchar *sudo;        /* SUDO_USER, or NULL */
} HfWho;

/* Fills @self for the calling process. */
void hf_who_init (HfWho *self);
void hf_who_clear (HfWho *self);

/* The keys uid, user, login_uid, login and sudo, as far as known. */
void hf_who_write (const HfWho *self, HfStatementBuilder *builder);

G_END_DECLS
