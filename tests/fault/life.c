/* life.c - a filter's life on a recorded disk, in scenes; see life.h */
#include <config.h>

#include "tests/fault/life.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "tests/fault/scratch.h"

#include <string.h>

#define ANSWER_LIMIT_MS 20000
#define STOP_LIMIT_MS 20000

void
ft_life_init (FtLife *self, const gchar *spool, gboolean write_ahead, FtAccount *account)
{
  memset (self, 0, sizeof *self);
  self->config = ft_config_new (spool);
  self->config->journal_write_ahead = write_ahead;
  self->account = account;
  self->descriptors = ft_count_descriptors ();
}

void
ft_life_clear (FtLife *self)
{
  hf_config_free (self->config);
}

gboolean
ft_life_start (FtLife *self, GError **error)
{
  if (hf_filter_open (&self->filter, self->config, error))
    return TRUE;
  if (self->filter.writer != NULL)
    hf_writer_stop (self->filter.writer, STOP_LIMIT_MS);
  hf_stage_area_clear (&self->filter.area);
  ft_wait_descriptors (self->descriptors, STOP_LIMIT_MS);
  return FALSE;
}

void
ft_life_stop (FtLife *self)
{
  if (!hf_filter_drain (&self->filter, STOP_LIMIT_MS))
    g_error ("the filter does not stop");
  hf_stage_area_clear (&self->filter.area);
  if (!ft_wait_descriptors (self->descriptors, STOP_LIMIT_MS))
    g_error ("the filter keeps descriptors");
}

/* The mail, said to its end. */
static HfCommit *
say (FtLife *self, const FtMail *mail)
{
  g_autoptr (GError) error = NULL;
  HfTransaction txn;
  HfCommit *commit;

  hf_transaction_init (&txn, &self->filter.area);
  txn.lead_space = TRUE;
  hf_transaction_begin (&txn);
  ft_mail_say (mail, &txn);
  commit = hf_transaction_finish (&txn, &error);
  if (commit == NULL)
    g_error ("%s", error->message);
  hf_transaction_clear (&txn);
  return commit;
}

static HfCommit *
submit (FtLife *self, const FtMail *mail)
{
  HfCommit *commit = say (self, mail);

  hf_writer_submit (self->filter.writer, commit);
  return commit;
}

static FtAnswer
wait_for (FtMail *mail, HfCommit *commit)
{
  HfCommitState state = hf_commit_wait (commit, ANSWER_LIMIT_MS);

  if (state == HF_COMMIT_WAITING)
    state = hf_commit_abandon (commit);
  mail->answered_at = ft_recorder_now ();
  mail->answer = state == HF_COMMIT_DONE ? FT_TAKEN : FT_TEMPFAILED;
  hf_commit_unref (commit);
  return mail->answer;
}

FtAnswer
ft_life_give (FtLife *self, FtMail *mail)
{
  return wait_for (mail, submit (self, mail));
}

void
ft_life_mail (FtLife *self, gsize size)
{
  if (ft_life_give (self, ft_account_add (self->account, size)) != FT_TAKEN)
    g_error ("a mail was not taken");
}

/* Returns: how many were not taken. */
static guint
give_crowd (FtLife *self, guint count, gsize size)
{
  g_autofree HfCommit **commits = g_new0 (HfCommit *, count);
  const guint first = self->account->mails->len;
  guint refused = 0;

  for (guint i = 0; i < count; i++)
    commits[i] = say (self, ft_account_add (self->account, size));
  for (guint i = 0; i < count; i++)
    hf_writer_submit (self->filter.writer, commits[i]);
  for (guint i = 0; i < count; i++)
    refused += wait_for (g_ptr_array_index (self->account->mails, first + i), commits[i]) != FT_TAKEN;
  return refused;
}

void
ft_life_crowd (FtLife *self, guint count, gsize size)
{
  if (give_crowd (self, count, size) > 0)
    g_error ("a mail was not taken");
}

static void
abandon (gpointer data)
{
  hf_commit_abandon (data);
}

void
ft_life_abandoned (FtLife *self, gsize size)
{
  FtMail *mail = ft_account_add (self->account, size);
  HfCommit *commit = say (self, mail);

  ft_recorder_at_sync (abandon, commit);
  hf_writer_submit (self->filter.writer, commit);
  while (hf_commit_state (commit) == HF_COMMIT_WAITING)
    g_usleep (50);
  wait_for (mail, commit);
}

static void
wait_for_journal (FtLife *self)
{
  while (!hf_writer_check (self->filter.writer, NULL))
    g_usleep (500);
}

void
ft_life_failed_sync (FtLife *self, gsize size)
{
  FtMail *mail = ft_account_add (self->account, size);

  ft_recorder_fail_sync (1);
  if (ft_life_give (self, mail) != FT_TEMPFAILED)
    g_error ("a failed sync was answered 250");
  wait_for_journal (self);
}

void
ft_life_failed_crowd (FtLife *self, guint count, gsize size, guint nth)
{
  ft_recorder_fail_sync (nth);
  if (give_crowd (self, count, size) == 0)
    g_error ("a failed sync was answered 250");
  wait_for_journal (self);
}
