/* inside.h - the filter inside the test's own process
 *
 * The real callbacks behind the real libmilter, on a socket of the test's;
 * only main() is missing.  libmilter is started once a process; the filter
 * behind it may be opened and stopped as often as wanted, between connections.
 */
#pragma once

#include "milter/filter/filter.h"
#include "tests/fault/mail.h"

G_BEGIN_DECLS

typedef struct
{
  HfFilter filter;
  HfConfig *config;
  gchar *socket;     /* "unix:…", as mc_dial() takes it */
  gboolean is_open;
} FtInside;

/* The configuration that all fault tests use: small segments, no marks on space. */
HfConfig *ft_config_new (const gchar *spool);

/* Listens on ROOT/socket and starts libmilter.  FALSE with @error; once a process. */
gboolean ft_inside_start (FtInside *self, const gchar *root, GError **error);

/* As a start of the daemon, on @spool.  FALSE lets go of what was opened. */
gboolean ft_inside_open (FtInside *self, const gchar *spool, GError **error);

/* As a stop of the daemon.  TRUE when all was finished within @limit_ms. */
gboolean ft_inside_stop (FtInside *self, gint limit_ms);

/**
 * ft_inside_send:
 * @mail: said on a connection of its own, which is over when this returns
 *
 * TRUE: there was an answer, which stands in @mail and @out_reply.  FALSE: the
 * filter fell silent.
 */
gboolean ft_inside_send (FtInside *self, FtMail *mail, McReply *out_reply, GError **error);

/* Sends mails of @size octets until one is taken; their answered_at is 1.
 * Returns: how many were turned away first; -1 when none was taken within
 * @limit_ms. */
gint ft_inside_send_until_taken (FtInside *self, FtAccount *account, gsize size, gint limit_ms);

/* Opens the journal of @spool as a start does, and lets go of it as a crash does. */
gboolean ft_restart (const gchar *spool, GError **error);

/* Events since ft_events_forget(), one a line.  Threads: any. */
void ft_events_watch (void);
void ft_events_forget (void);
/* TRUE when a line of them holds both texts; the second may be NULL. */
gboolean ft_events_have (const gchar *text, const gchar *also);

G_END_DECLS
