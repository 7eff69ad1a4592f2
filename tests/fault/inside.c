/* inside.c - the filter inside the test's own process; see inside.h */
#include <config.h>

#include "tests/fault/inside.h"

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/filter/callbacks.h"
#include "milter/filter/listen.h"

#include <pthread.h>
#include <string.h>

#define CLIENT_LIMIT_MS 20000
#define COMMIT_LIMIT_MS 10000
#define STOP_LIMIT_MS 10000
#define SEGMENT_SIZE (64 * 1024)

/* ---- events ---- */

static struct
{
  pthread_mutex_t mutex;
  GString *lines;
} events = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void
on_event (HfEventCode code, const gchar *line, gpointer data)
{
  pthread_mutex_lock (&events.mutex);
  g_string_append_printf (events.lines, "%s\n", line);
  pthread_mutex_unlock (&events.mutex);
}

void
ft_events_watch (void)
{
  if (events.lines == NULL)
    events.lines = g_string_new (NULL);
  hf_event_set_hook (on_event, NULL);
}

void
ft_events_forget (void)
{
  pthread_mutex_lock (&events.mutex);
  g_string_truncate (events.lines, 0);
  pthread_mutex_unlock (&events.mutex);
}

gboolean
ft_events_have (const gchar *text, const gchar *also)
{
  g_auto (GStrv) lines = NULL;

  pthread_mutex_lock (&events.mutex);
  lines = g_strsplit (events.lines->str, "\n", -1);
  pthread_mutex_unlock (&events.mutex);
  for (gchar **line = lines; *line != NULL; line++)
    if (strstr (*line, text) != NULL && (also == NULL || strstr (*line, also) != NULL))
      return TRUE;
  return FALSE;
}

/* ---- the filter ---- */

static void
set_text (gchar **field, const gchar *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

HfConfig *
ft_config_new (const gchar *spool)
{
  HfConfig *config = hf_config_new_default ();

  set_text (&config->spool_directory, spool);
  config->journal_segment_size = SEGMENT_SIZE;
  config->milter_commit_limit = COMMIT_LIMIT_MS;
  memset (&config->pressure_space_stop, 0, sizeof config->pressure_space_stop);
  memset (&config->pressure_inodes_stop, 0, sizeof config->pressure_inodes_stop);
  return config;
}

static gpointer
run_libmilter (gpointer data)
{
  smfi_main ();
  return NULL;
}

gboolean
ft_inside_start (FtInside *self, const gchar *root, GError **error)
{
  pthread_t thread;

  memset (self, 0, sizeof *self);
  self->config = ft_config_new (root);
  self->socket = g_strdup_printf ("unix:%s/socket", root);
  set_text (&self->config->milter_socket, self->socket);
  smfi_setmaxdatasize (2 * 1024 * 1024);
  if (smfi_register (hf_callbacks_describe (&self->filter)) != MI_SUCCESS)
    return hf_error_set (error, HF_ERROR_IO, "start", "libmilter does not take the callbacks");
  if (!hf_listen (self->config, error))
    return FALSE;
  if (pthread_create (&thread, NULL, run_libmilter, NULL) != 0)
    return hf_error_set (error, HF_ERROR_IO, "start", "cannot start a thread");
  pthread_detach (thread);
  return TRUE;
}

gboolean
ft_inside_open (FtInside *self, const gchar *spool, GError **error)
{
  set_text (&self->config->spool_directory, spool);
  self->is_open = hf_filter_open (&self->filter, self->config, error);
  if (self->is_open)
    return TRUE;
  /* The daemon would exit here. */
  if (self->filter.writer != NULL)
    hf_writer_stop (self->filter.writer, STOP_LIMIT_MS);
  hf_stage_area_clear (&self->filter.area);
  return FALSE;
}

gboolean
ft_inside_stop (FtInside *self, gint limit_ms)
{
  const gboolean finished = hf_filter_drain (&self->filter, limit_ms);

  hf_stage_area_clear (&self->filter.area);
  self->is_open = FALSE;
  return finished;
}

gboolean
ft_inside_send (FtInside *self, FtMail *mail, McReply *out_reply, GError **error)
{
  const McMta *mta = mail->number % 2 == 0 ? &mc_postfix : &mc_sendmail;
  g_autoptr (McClient) client = mc_client_connect (self->socket, mta, CLIENT_LIMIT_MS, error);

  if (client == NULL || !mc_client_begin (client, error) || !ft_mail_send (mail, client, out_reply, error)
      || !mc_client_quit (client, error))
    return FALSE;
  /* libmilter ends the connection behind the close callback. */
  return mc_client_wait_closed (client) || hf_error_set (error, HF_ERROR_LATE, "quit", "the connection was not ended");
}

gint
ft_inside_send_until_taken (FtInside *self, FtAccount *account, gsize size, gint limit_ms)
{
  const gint64 until_ms = hf_sys_monotonic_ms () + limit_ms;
  gint refused = 0;

  do
    {
      g_auto (McReply) reply = MC_REPLY_INIT;
      FtMail *mail = ft_account_add (account, size);

      mail->answered_at = 1;
      if (!ft_inside_send (self, mail, &reply, NULL))
        return -1;
      if (mail->answer == FT_TAKEN)
        return refused;
      refused++;
      g_usleep (20000); /* a sender that was turned away comes again */
    }
  while (hf_sys_monotonic_ms () < until_ms);
  return -1;
}

gboolean
ft_restart (const gchar *spool, GError **error)
{
  g_autoptr (HfConfig) config = ft_config_new (spool);
  HfJournalParameters parameters = {
    .spool = config->spool_directory, .host = (gchar *) (guintptr) "localhost", .segment_size = SEGMENT_SIZE, .write_ahead = TRUE
  };
  HfJournal *journal = hf_journal_open (&parameters, 1, error);

  if (journal == NULL)
    return FALSE;
  hf_journal_abandon (journal);
  return TRUE;
}
