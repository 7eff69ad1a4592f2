/* holdfast-auditor.c - the auditor's life: start, rounds, stop
 *
 * Exit codes: 0 stopped in order, or --once is through; 2 usage or
 * configuration; 3 anything else, as a log that --once could not read.
 */
#include <config.h>

#include "milter/audit/auditor.h"
#include "milter/base/error.h"
#include "milter/base/event.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define EXIT_FINE 0
#define EXIT_CONFIG 2
#define EXIT_OTHER 3

/* Between two rounds when there is nothing to read. */
#define REST_MS 300

static int signal_pipe[2] = { -1, -1 };

static void
on_signal (int number)
{
  const int saved = errno;
  ssize_t written = write (signal_pipe[1], "", 1);

  (void) written; /* a full pipe says it already */
  errno = saved;
}

static gboolean
prepare_signals (GError **error)
{
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

  if (pipe2 (signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
    return hf_error_set_errno (error, errno, "start", "cannot make a pipe");
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN); /* a file size limit is EFBIG at the write, not the end of the auditor */
  return TRUE;
}

/* TRUE when a stop was asked for within the time. */
static gboolean
rest (gint wait_ms)
{
  struct pollfd wait = { .fd = signal_pipe[0], .events = POLLIN };

  return poll (&wait, 1, wait_ms) > 0;
}

static gboolean
choose_targets (const HfConfig *config, GError **error)
{
  g_autoptr (GError) failed = NULL;

  return hf_event_init ("holdfast-auditor", config->milter_log_to, &failed)
         || hf_config_error (config, "milter", "log_to", error, "%s", failed->message);
}

static gboolean
work (HfAuditor *auditor, gboolean once, GError **error)
{
  gboolean idle = FALSE;

  for (;;)
    {
      if (!hf_auditor_round (auditor, once, &idle, error))
        return FALSE;
      if ((once && idle) || rest (idle ? REST_MS : 0))
        return TRUE;
    }
}

static int
run (const HfConfig *config, gboolean once, gboolean rebuild)
{
  g_autoptr (HfAuditor) auditor = NULL;
  g_autoptr (GError) error = NULL;

  if (choose_targets (config, &error) && prepare_signals (&error))
    auditor = hf_auditor_open (config, rebuild, &error);
  if (auditor == NULL)
    {
      hf_event (HF_EVENT_START_FAILED, error, NULL);
      return g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG) ? EXIT_CONFIG : EXIT_OTHER;
    }
  hf_event (HF_EVENT_AUDITOR_STARTED, NULL, "version", PACKAGE_VERSION, "log", config->mta_log, "spool",
            config->spool_directory, NULL);
  if (!work (auditor, once, &error))
    {
      hf_event (HF_EVENT_AUDITOR_FAILED, error, NULL);
      return EXIT_OTHER;
    }
  hf_event (HF_EVENT_AUDITOR_STOPPED, NULL, NULL);
  return once && !hf_auditor_reads_log (auditor) ? EXIT_OTHER : EXIT_FINE;
}

int
main (int argc, char **argv)
{
  g_autofree gchar *path = NULL;
  gboolean once = FALSE, rebuild = FALSE, version = FALSE;
  const GOptionEntry options[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "Read FILE instead of the default milter.conf", "FILE" },
    { "once", 0, 0, G_OPTION_ARG_NONE, &once, "Read what there is, then exit", NULL },
    { "rebuild", 0, 0, G_OPTION_ARG_NONE, &rebuild, "Make the ledger anew from the books first", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- keep the books of what became of each message");
  g_autoptr (HfConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_CTYPE, "");
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      fprintf (stderr, "holdfast-auditor: %s\n", error != NULL ? error->message : "unexpected argument");
      return EXIT_CONFIG;
    }
  if (version)
    {
      printf ("holdfast-auditor %s\n", PACKAGE_VERSION);
      return EXIT_FINE;
    }
  config = hf_config_load (path, &error);
  if (config != NULL)
    return run (config, once, rebuild);
  fprintf (stderr, "holdfast-auditor: %s\n", error->message);
  return EXIT_CONFIG;
}
