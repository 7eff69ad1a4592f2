/* keeper.c - keeps the journal open: lets it go when it fails, and opens it again; see keeper.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/keeper.h"

/* The longest wait between two tries, in times of HF_KEEPER_RETRY_MS. */
#define MOST_RETRIES 16

gboolean
hf_keeper_start (HfKeeper *self, const HfJournalParameters *parameters, GError **error)
{
  *self = (HfKeeper){ .parameters = parameters };
  pthread_mutex_init (&self->mutex, NULL);
  self->journal = hf_journal_open (parameters, 1, error);
  return self->journal != NULL;
}

void
hf_keeper_clear (HfKeeper *self)
{
  g_clear_error (&self->away);
  pthread_mutex_destroy (&self->mutex);
}

static void
set_away (HfKeeper *self, const GError *error)
{
  pthread_mutex_lock (&self->mutex);
  g_clear_error (&self->away);
  if (error != NULL)
    self->away = g_error_copy (error);
  pthread_mutex_unlock (&self->mutex);
}

static void
let_go_too (const HfKeeper *self)
{
  if (self->parameters->let_go != NULL)
    self->parameters->let_go (self->parameters->let_go_data);
}

void
hf_keeper_lose (HfKeeper *self, const GError *error)
{
  self->hopeful = self->proved;
  self->vain = self->proved ? 0 : self->vain + 1;
  self->proved = FALSE;
  self->min_seq = self->journal->next_seq;
  hf_event (HF_EVENT_SEGMENT_FAILED, error, "segment",
            self->journal->segment != NULL ? self->journal->segment->path : NULL, NULL);
  hf_journal_abandon (self->journal);
  self->journal = NULL;
  let_go_too (self);
  set_away (self, error);
}

static gboolean
open_journal (HfKeeper *self, GError **error)
{
  g_autoptr (GError) failed = NULL;

  self->hopeful = FALSE;
  self->tried_ms = hf_sys_monotonic_ms ();
  self->journal = hf_journal_open (self->parameters, self->min_seq, &failed);
  set_away (self, failed);
  if (self->journal != NULL)
    {
      if (self->away_told)
        hf_event (HF_EVENT_JOURNAL_BACK, NULL, NULL);
      self->away_told = FALSE;
      return TRUE;
    }
  let_go_too (self);
  if (!self->away_told)
    hf_event (HF_EVENT_JOURNAL_AWAY, failed, NULL);
  self->away_told = TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

/* An attempt at each batch would turn a full disk into a busy one. */
static gboolean
is_too_early (const HfKeeper *self)
{
  const gint64 wait_ms = self->vain > 0 ? HF_KEEPER_RETRY_MS * MIN (1 << MIN (self->vain - 1, 8), MOST_RETRIES)
                                        : self->away_told ? HF_KEEPER_RETRY_MS : 0;

  return hf_sys_monotonic_ms () - self->tried_ms < wait_ms;
}

gboolean
hf_keeper_need (HfKeeper *self, GError **error)
{
  if (self->journal != NULL)
    return TRUE;
  if (!is_too_early (self))
    return open_journal (self, error);
  pthread_mutex_lock (&self->mutex);
  g_propagate_error (error, g_error_copy (self->away));
  pthread_mutex_unlock (&self->mutex);
  return FALSE;
}

void
hf_keeper_look (HfKeeper *self, gboolean doubted)
{
  g_autoptr (GError) error = NULL;

  if (self->journal == NULL)
    {
      if (self->hopeful || !is_too_early (self))
        open_journal (self, NULL);
    }
  else if (!hf_journal_probe (self->journal, doubted, &error))
    hf_keeper_lose (self, error);
}

void
hf_keeper_prove (HfKeeper *self)
{
  self->proved = TRUE;
}

void
hf_keeper_close (HfKeeper *self)
{
  if (self->journal != NULL)
    hf_journal_close (self->journal);
  self->journal = NULL;
}

gboolean
hf_keeper_check (HfKeeper *self, GError **error)
{
  gboolean ok = TRUE;

  pthread_mutex_lock (&self->mutex);
  if (self->away != NULL)
    ok = hf_error_set_again (error, HF_ERROR_BUSY, "journal-away", self->away);
  pthread_mutex_unlock (&self->mutex);
  return ok;
}
