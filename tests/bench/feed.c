/* feed.c - gives the journal's writer messages, without a milter; see feed.h */
#include <config.h>

#include "tests/bench/feed.h"

#include "milter/base/error.h"
#include "milter/journal/reserve.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_SIZE (64 * 1024 * 1024)
#define LIMIT_MS 60000

static gboolean
make_directory (const gchar *spool, const gchar *name, GError **error)
{
  g_autofree gchar *path = g_build_filename (spool, name, NULL);

  return g_mkdir_with_parents (path, 0700) == 0
         || hf_error_set_errno (error, errno, "spool", "cannot make '%s'", path);
}

/* A journal at rest has all of its spares. */
static gboolean
await_spares (const gchar *spool, guint spares, GError **error)
{
  g_autofree gchar *path = g_strdup_printf ("%s/" HF_JOURNAL_DIRECTORY "/" HF_JOURNAL_SPARE "-%u", spool, spares);
  const gint64 size = SEGMENT_SIZE, until = g_get_monotonic_time () + LIMIT_MS * 1000;
  struct stat st;

  while (stat (path, &st) < 0 || st.st_size < size)
    {
      if (g_get_monotonic_time () > until)
        return hf_error_set (error, HF_ERROR_LATE, "spares", "'%s' was not made in time", path);
      g_usleep (20000);
    }
  sync ();
  return TRUE;
}

gboolean
feed_open (Feed *self, const gchar *spool, guint64 most, guint spares, GError **error)
{
  const HfJournalParameters parameters = {
    .spool = (gchar *) (guintptr) spool,
    .host = (gchar *) (guintptr) "mx.example.org",
    .segment_size = SEGMENT_SIZE,
    .write_ahead = TRUE,
    .spares = spares,
    .quiet_ms = HF_RESERVE_QUIET_MS,
  };

  *self = (Feed){ .most = most };
  g_queue_init (&self->waiting);
  if (!make_directory (spool, HF_STAGE_DIRECTORY, error) || !make_directory (spool, "journal", error)
      || !hf_stage_area_open (&self->area, spool, error))
    return FALSE;
  self->writer = hf_writer_start (&parameters, LIMIT_MS, error);
  return self->writer != NULL && (spares < 2 || await_spares (spool, spares, error));
}

static gboolean
await_oldest (Feed *self, GError **error)
{
  g_autoptr (HfCommit) commit = g_queue_pop_head (&self->waiting);

  switch (hf_commit_wait (commit, LIMIT_MS))
    {
    case HF_COMMIT_DONE:
      return TRUE;
    case HF_COMMIT_FAILED:
      g_propagate_error (error, g_error_copy (commit->error));
      return FALSE;
    default:
      return hf_error_set (error, HF_ERROR_LATE, "commit", "the writer did not take a message in time");
    }
}

gboolean
feed_put (Feed *self, HfCommit *commit, GError **error)
{
  gboolean ok = self->waiting.length < self->most || await_oldest (self, error);

  g_queue_push_tail (&self->waiting, commit);
  hf_writer_submit (self->writer, commit);
  return ok;
}

gboolean
feed_drain (Feed *self, GError **error)
{
  while (self->waiting.length > 0)
    if (!await_oldest (self, error))
      return FALSE;
  return TRUE;
}

void
feed_close (Feed *self)
{
  g_queue_clear_full (&self->waiting, (GDestroyNotify) hf_commit_unref);
  if (self->writer != NULL)
    hf_writer_stop (self->writer, LIMIT_MS);
  self->writer = NULL;
  hf_stage_area_clear (&self->area);
}
