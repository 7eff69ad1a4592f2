/* holdfast-milter.c - the filter's life: start, signals, stop
 *
 * libmilter has a signal thread of its own, which would cut open transactions
 * at SIGTERM.  So the main thread alone keeps the signals unblocked and handles
 * them, libmilter runs in another thread, and its signal thread gets none (see
 * sigwait below).  smfi_stop() is not waited for: libmilter takes seconds to
 * return, and by then nothing of ours is left to end.
 *
 * Exit codes: 0 stopped in order; 1 stopped with work unfinished; 2 usage or
 * configuration; 3 anything else that kept it from starting.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/socket-spec.h"
#include "milter/base/sys.h"
#include "milter/filter/callbacks.h"
#include "milter/filter/listen.h"
#include "milter/filter/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_FINE 0
#define EXIT_UNFINISHED 1
#define EXIT_CONFIG 2
#define EXIT_OTHER 3

/* Headers reach 1 MiB (Postfix: header_size_limit), and the name comes with them. */
#define MAX_PACKET (2 * 1024 * 1024)

/* libmilter starts a thread for each connection.  Of stacks that are done with the
 * C library keeps 40 MB for the next thread, which is five of the usual 8 MB: the
 * sixth is unmapped, and the next one mapped and faulted in.  No frame here or
 * in libmilter holds more than a few KB. */
#define THREAD_STACK (256 * 1024)

/* How long the end waits for a log that takes no lines. */
#define TELLER_END_MS 1000

static const int handled_signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
static int signal_pipe[2] = { -1, -1 };

static void
on_signal (int number)
{
  const int saved = errno;
  const char octet = (char) number;
  ssize_t written = write (signal_pipe[1], &octet, 1);

  (void) written; /* a full pipe already holds what is to be done */
  errno = saved;
}

/* Stands in front of the C library's, for libmilter's signal thread, which is the
 * one caller.  Of several signals that are pending together the kernel gives
 * each to any thread that takes it: a SIGTERM right behind a SIGUSR1, or to a
 * process that was stopped, would go to that thread, and with it the sessions. */
int
sigwait (const sigset_t *set, int *number)
{
  for (;;)
    pause ();
}

static void
signal_set (sigset_t *set)
{
  sigemptyset (set);
  for (gsize i = 0; i < G_N_ELEMENTS (handled_signals); i++)
    sigaddset (set, handled_signals[i]);
}

/* Blocked in all threads that are made from here on. */
static gboolean
prepare_signals (GError **error)
{
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  sigset_t set;

  if (pipe2 (signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
    return hf_error_set_errno (error, errno, "start", "cannot make a pipe");
  signal_set (&set);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (handled_signals); i++)
    sigaction (handled_signals[i], &action, NULL);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN); /* a file size limit is EFBIG at the write, not the end of the filter */
  return TRUE;
}

/* The next signal; 0 when @ended_fd tells that libmilter has returned. */
static int
next_signal (int ended_fd)
{
  struct pollfd wait[] = { { .fd = signal_pipe[0], .events = POLLIN }, { .fd = ended_fd, .events = POLLIN } };
  char octet;

  for (;;)
    {
      if (read (signal_pipe[0], &octet, 1) == 1)
        return octet;
      if (wait[1].revents != 0)
        return 0;
      poll (wait, G_N_ELEMENTS (wait), -1);
    }
}

static gpointer
run_libmilter (gpointer data)
{
  const int *ended_fd = data;

  smfi_main ();
  close (*ended_fd); /* the reader sees the end of the pipe */
  return NULL;
}

static void
tell_changed (const gchar *name, gboolean reloadable, gpointer data)
{
  GString *reloaded = data;

  if (!reloadable)
    hf_event (HF_EVENT_RELOAD_NEEDS_RESTART, NULL, "key", name, NULL);
  else
    g_string_append_printf (reloaded, "%s%s", reloaded->len > 0 ? "," : "", name);
}

/* @config is replaced, but for keys that need a restart: those are compared with
 * what is in force again at the next reload. */
static void
reload (HfFilter *filter, HfConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) fresh = hf_config_load (config->path, &error);
  g_autoptr (GString) changed = g_string_new (NULL);

  if (fresh == NULL || !hf_filter_check_reload (filter, fresh, &error))
    {
      hf_event (HF_EVENT_RELOAD_REFUSED, error, NULL);
      return;
    }
  hf_config_compare (config, fresh, tell_changed, changed);
  config->milter_commit_limit = fresh->milter_commit_limit;
  config->milter_drain_limit = fresh->milter_drain_limit;
  config->pressure_space_warn = fresh->pressure_space_warn;
  config->pressure_space_stop = fresh->pressure_space_stop;
  config->pressure_inodes_warn = fresh->pressure_inodes_warn;
  config->pressure_inodes_stop = fresh->pressure_inodes_stop;
  hf_filter_apply (filter, config);
  hf_event (HF_EVENT_RELOADED, NULL, "keys", changed->len > 0 ? changed->str : "none", NULL);
}

static int
stop (HfFilter *filter, const HfConfig *config)
{
  gboolean finished;
  g_autofree gchar *open = NULL;

  hf_filter_turn_away (filter);
  hf_event (HF_EVENT_STOPPING, NULL, NULL);
  finished = hf_filter_drain (filter, config->milter_drain_limit);
  hf_filter_wait_answers (filter);
  open = g_strdup_printf ("%d", g_atomic_int_get (&filter->open));
  hf_listen_end (config);
  if (finished)
    hf_event (HF_EVENT_STOPPED, NULL, NULL);
  else
    hf_event (HF_EVENT_STOP_INCOMPLETE, NULL, "open", open, NULL);
  return finished ? EXIT_FINE : EXIT_UNFINISHED;
}

static gboolean
start_libmilter (const HfConfig *config, int ended_fd[2], GError **error)
{
  static int writing_end;
  pthread_t thread;
  int failed;

  smfi_settimeout ((int) (config->milter_timeout / 1000));
  if (pipe2 (ended_fd, O_CLOEXEC) < 0)
    return hf_error_set_errno (error, errno, "start", "cannot make a pipe");
  writing_end = ended_fd[1];
  failed = pthread_create (&thread, NULL, run_libmilter, &writing_end);
  if (failed != 0)
    return hf_error_set_errno (error, failed, "start", "cannot start a thread");
  pthread_detach (thread);
  return TRUE;
}

static int
live (HfFilter *filter, HfConfig *config, int ended_fd)
{
  sigset_t set;

  signal_set (&set);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  for (;;)
    switch (next_signal (ended_fd))
      {
      case SIGUSR1:
      case SIGHUP:
        reload (filter, config);
        break;
      case 0:
        hf_event (HF_EVENT_LISTENER_ENDED, NULL, "socket", config->milter_socket, NULL);
        stop (filter, config);
        return EXIT_UNFINISHED;
      default:
        return stop (filter, config);
      }
}

static gboolean
choose_targets (const HfConfig *config, GError **error)
{
  g_autoptr (GError) failed = NULL;

  return hf_event_init ("holdfast-milter", config->milter_log_to, &failed)
         || hf_config_error (config, "milter", "log_to", error, "%s", failed->message);
}

static gboolean
take_over (HfFilter *filter, const HfConfig *config, int ended_fd[2], GError **error)
{
  if (!hf_privilege_drop (config, error))
    return FALSE;
  hf_privilege_limit ();
  return hf_filter_open (filter, config, error) && start_libmilter (config, ended_fd, error);
}

/* Everything that a start can fail at, in an order in which only the socket has
 * to be undone: it is made while root may still do it, the journal as the user. */
static gboolean
set_up (HfFilter *filter, const HfConfig *config, int ended_fd[2], GError **error)
{
  if (!choose_targets (config, error) || !prepare_signals (error))
    return FALSE;
  hf_event_start_teller ();
  hf_sys_set_thread_stack (THREAD_STACK); /* without it everything works, only slower */
  smfi_setmaxdatasize (MAX_PACKET);
  if (smfi_register (hf_callbacks_describe (filter)) != MI_SUCCESS)
    return hf_error_set (error, HF_ERROR_IO, "start", "libmilter does not take the callbacks");
  if (!hf_listen (config, error))
    return FALSE;
  if (take_over (filter, config, ended_fd, error))
    return TRUE;
  hf_listen_end (config);
  return FALSE;
}

static int
run (HfConfig *config)
{
  static HfFilter filter;
  g_autoptr (GError) error = NULL;
  int ended_fd[2], status;

  if (!set_up (&filter, config, ended_fd, &error))
    {
      hf_event (HF_EVENT_START_FAILED, error, NULL);
      hf_event_end_teller (TELLER_END_MS);
      return g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG) ? EXIT_CONFIG : EXIT_OTHER;
    }
  hf_event (HF_EVENT_STARTED, NULL, "version", PACKAGE_VERSION, "socket", config->milter_socket, "spool",
            config->spool_directory, NULL);
  status = live (&filter, config, ended_fd[0]);
  hf_event_end_teller (TELLER_END_MS);
  return status;
}

/* -t: what can be said of the configuration without touching anything. */
static gboolean
check_only (const HfConfig *config, GError **error)
{
  return hf_listen_check (config, error) && hf_privilege_check (config, error) && choose_targets (config, error)
         && hf_filter_check (config, error);
}

int
main (int argc, char **argv)
{
  g_autofree gchar *path = NULL;
  gboolean check = FALSE, version = FALSE;
  const GOptionEntry options[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "Read FILE instead of the default milter.conf", "FILE" },
    { "test", 't', 0, G_OPTION_ARG_NONE, &check, "Check the configuration and exit", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- hold mail in a durable journal before the MTA answers 250");
  g_autoptr (HfConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_CTYPE, "");
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      fprintf (stderr, "holdfast-milter: %s\n", error != NULL ? error->message : "unexpected argument");
      return EXIT_CONFIG;
    }
  if (version)
    {
      printf ("holdfast-milter %s\n", PACKAGE_VERSION);
      return EXIT_FINE;
    }
  config = hf_config_load (path, &error);
  if (config == NULL || (check && !check_only (config, &error)))
    {
      fprintf (stderr, "holdfast-milter: %s\n", error->message);
      return EXIT_CONFIG;
    }
  if (!check)
    return run (config);
  printf ("%s: configuration is fine\n", config->path);
  return EXIT_FINE;
}
