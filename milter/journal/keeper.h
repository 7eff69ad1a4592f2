/* keeper.h - keeps the journal open: lets it go when it fails, and opens it again
 *
 * A journal that had worked is opened again at once.  One that opens and then
 * takes nothing costs a segment each time, so with each time the next is further
 * off.  Meanwhile everybody may ask why it is away.
 *
 * Used by the writer's thread, but for what says otherwise.
 */
#pragma once

#include "milter/journal/journal.h"

#include <pthread.h>

G_BEGIN_DECLS

#define HF_KEEPER_RETRY_MS 1000 /* between two tries, and two looks at a journal that is idle */

typedef struct
{
  HfJournal *journal;  /* NULL: it is away */
  gboolean hopeful;    /* it was lost after it had worked: to be tried again at once */

  /* private */
  const HfJournalParameters *parameters;
  guint64 min_seq;
  gint64 tried_ms;
  gboolean away_told;
  gboolean proved;     /* it took a group since it was opened */
  guint vain;          /* how often in a row it was lost without */
  pthread_mutex_t mutex;
  GError *away;        /* under mutex: why it is not open; NULL when it is */
} HfKeeper;

/* @parameters: borrowed for the keeper's life.  Opens the journal: FALSE with the error of
 * hf_journal_open(), and then there is nothing to close but all to clear. */
gboolean hf_keeper_start (HfKeeper *self, const HfJournalParameters *parameters, GError **error);
void hf_keeper_clear (HfKeeper *self);

/* There is a journal, or it can be opened now.  FALSE: why not. */
gboolean hf_keeper_need (HfKeeper *self, GError **error);

/* Lets go of the file system after @error. */
void hf_keeper_lose (HfKeeper *self, const GError *error);

/* With nothing to write: is the journal still there, or again?  @doubted: asks the
 * disk, too. */
void hf_keeper_look (HfKeeper *self, gboolean doubted);

/* The journal took a group.  Threads: who made it durable, while the writer's does
 * nothing here. */
void hf_keeper_prove (HfKeeper *self);

/* Closes in order what is open. */
void hf_keeper_close (HfKeeper *self);

/* FALSE with HF_ERROR_BUSY while the journal is away.  Threads: any. */
gboolean hf_keeper_check (HfKeeper *self, GError **error);

G_END_DECLS
