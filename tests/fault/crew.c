/* crew.c - a test's cases, dealt out to processes; see crew.h */
#include <config.h>

#include "tests/fault/crew.h"

#include "tests/fault/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

gpointer
ft_crew_share (gsize size)
{
  gpointer shared = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (shared == MAP_FAILED)
    g_error ("no memory to share");
  return shared;
}

void
ft_crew_forget (gpointer shared, gsize size)
{
  munmap (shared, size);
}

static pid_t
start_worker (const gchar *scratch, guint index, guint count, int (*work) (const FtWorker *, gpointer), gpointer data)
{
  g_autofree gchar *root = g_strdup_printf ("%s/%u", scratch, index);
  const FtWorker worker = { index, count, root };
  pid_t pid;
  int status;

  ft_make_directory (root);
  fflush (stdout);
  pid = fork ();
  if (pid != 0)
    return pid;
  /* without the one that started it, nobody would end a worker that hangs */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  status = work (&worker, data);
  g_free (g_steal_pointer (&root));
  exit (status);
}

guint
ft_crew_run (const gchar *scratch, guint count, int (*work) (const FtWorker *, gpointer), gpointer data)
{
  g_autofree pid_t *pids = g_new0 (pid_t, count);
  guint failed = 0;

  for (guint i = 0; i < count; i++)
    pids[i] = start_worker (scratch, i, count, work, data);
  for (guint i = 0; i < count; i++)
    {
      g_autofree gchar *root = g_strdup_printf ("%s/%u", scratch, i);
      int status = 0;

      if (pids[i] < 0 || waitpid (pids[i], &status, 0) != pids[i] || status != 0)
        {
          ft_crew_say ("worker %u ended with status %d, signal %d", i, WEXITSTATUS (status),
                       WIFSIGNALED (status) ? WTERMSIG (status) : 0);
          failed++;
        }
      ft_tree_remove (root);
    }
  return failed;
}

void
ft_crew_say (const gchar *format, ...)
{
  g_autoptr (GString) text = g_string_new ("# ");
  ssize_t written;
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (text, format, args);
  va_end (args);
  g_strchomp (text->str);
  text->len = strlen (text->str);
  g_string_replace (text, "\n", "\n#   ", 0);
  g_string_append_c (text, '\n');
  written = write (STDOUT_FILENO, text->str, text->len);
  (void) written; /* a reader that is gone misses a comment */
}
