/* life.h - a filter's life on a recorded disk, in scenes
 *
 * No MTA: the scenes hand transactions to the writer as the callbacks do, so
 * that a life takes milliseconds.  The time of an answer is the number of
 * operations that were recorded when it was there.
 */
#pragma once

#include "tests/fault/inside.h"
#include "tests/fault/recorder.h"

G_BEGIN_DECLS

typedef struct
{
  HfFilter filter;
  HfConfig *config;
  FtAccount *account; /* borrowed */
  guint descriptors;  /* that were open before */
} FtLife;

/* On @spool; nothing is opened yet. */
void ft_life_init (FtLife *self, const gchar *spool, gboolean write_ahead, FtAccount *account);
void ft_life_clear (FtLife *self);

gboolean ft_life_start (FtLife *self, GError **error);
/* In order, and not before every thread has let go. */
void ft_life_stop (FtLife *self);

/* Gives @mail to the journal and waits for the answer. */
FtAnswer ft_life_give (FtLife *self, FtMail *mail);

/* Scenes: a mail; several at once, which makes groups, and with many of them two
 * that are under way at a time; one whose client goes away during the sync, so that
 * its copy is void; one whose sync fails, after which the journal is opened anew;
 * several of which the @nth sync fails. */
void ft_life_mail (FtLife *self, gsize size);
void ft_life_crowd (FtLife *self, guint count, gsize size);
void ft_life_abandoned (FtLife *self, gsize size);
void ft_life_failed_sync (FtLife *self, gsize size);
void ft_life_failed_crowd (FtLife *self, guint count, gsize size, guint nth);

G_END_DECLS
