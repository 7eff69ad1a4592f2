/* feed.h - gives the journal's writer messages, without a milter
 *
 * For the programs of the bench that want a journal, not a filter.
 */
#pragma once

#include "milter/filter/stage.h"
#include "milter/journal/writer.h"

G_BEGIN_DECLS

/* Its spool's stage/ and journal/ are made; so many commits are with the
 * writer at most, as many as connections would have there. */
typedef struct
{
  HfStageArea area;
  HfWriter *writer;
  GQueue waiting; /* of HfCommit, the oldest first */
  guint64 most;
} Feed;

/* @spares: segments to have written ahead; with more than one, waits until they are. */
gboolean feed_open (Feed *self, const gchar *spool, guint64 most, guint spares, GError **error);

/* @commit: taken.  Waits for the oldest first where @most are with the writer. */
gboolean feed_put (Feed *self, HfCommit *commit, GError **error);

/* Waits for all. */
gboolean feed_drain (Feed *self, GError **error);

/* Closes the journal in order. */
void feed_close (Feed *self);

G_END_DECLS
