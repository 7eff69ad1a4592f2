/* test-terminal.c - progress is for a terminal only, and only the whole word yes is a yes */
#include <config.h>

#include "milter/command/terminal.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A terminal in place of standard input and standard error. */
typedef struct
{
  int controller;
  int old_in;
  int old_err;
} Terminal;

static void
terminal_open (Terminal *self)
{
  int end;

  if (openpty (&self->controller, &end, NULL, NULL, NULL) < 0)
    g_error ("no terminal can be had");
  self->old_in = dup (STDIN_FILENO);
  self->old_err = dup (STDERR_FILENO);
  dup2 (end, STDIN_FILENO);
  dup2 (end, STDERR_FILENO);
  close (end);
  fcntl (self->controller, F_SETFL, O_NONBLOCK);
}

/* What was printed on it; freed by the caller. */
static gchar *
terminal_take (Terminal *self)
{
  GString *text = g_string_new (NULL);
  gchar piece[512];
  gssize n;

  fflush (stderr);
  while ((n = read (self->controller, piece, sizeof piece)) > 0)
    g_string_append_len (text, piece, n);
  return g_string_free (text, FALSE);
}

static void
terminal_close (Terminal *self)
{
  fflush (stderr);
  dup2 (self->old_in, STDIN_FILENO);
  dup2 (self->old_err, STDERR_FILENO);
  close (self->old_in);
  close (self->old_err);
  close (self->controller);
}

static void
test_ask (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *answer;
    HfAnswer want;
  } rows[] = {
    { "yes", "yes\n", HF_ANSWER_YES },
    { "with a blank behind it", "yes \n", HF_ANSWER_YES },
    { "y", "y\n", HF_ANSWER_NO },
    { "Yes", "Yes\n", HF_ANSWER_NO },
    { "a sentence", "yes please\n", HF_ANSWER_NO },
    { "no", "no\n", HF_ANSWER_NO },
    { "an empty line", "\n", HF_ANSWER_NO },
    { "the end", "\004", HF_ANSWER_NO },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *printed = NULL;
      Terminal terminal;
      HfAnswer answer;

      terminal_open (&terminal);
      clearerr (stdin);
      if (write (terminal.controller, rows[i].answer, strlen (rows[i].answer)) < 0)
        g_error ("cannot answer");
      answer = hf_terminal_ask ("Remove them?");
      printed = terminal_take (&terminal);
      terminal_close (&terminal);
      tap_check_int (rows[i].name, answer, rows[i].want);
      tap_check_has (rows[i].name, printed, "Remove them? [yes/no] ");
    }
}

static void
test_nobody (void)
{
  const int old = dup (STDIN_FILENO), null = open ("/dev/null", O_RDONLY);

  dup2 (null, STDIN_FILENO);
  tap_check_int ("no terminal", hf_terminal_ask ("Remove them?"), HF_ANSWER_NOBODY);
  dup2 (old, STDIN_FILENO);
  close (old);
  close (null);
}

static void
test_progress (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autoptr (HfView) view = hf_view_open (spool, HF_READ_SKIM, NULL);
  g_autofree gchar *shown = NULL, *at_once = NULL, *over = NULL, *elsewhere = NULL;
  gchar file[] = "/tmp/holdfast-progress-XXXXXX";
  int old, fd = mkstemp (file);
  gsize size = 0;
  Terminal terminal;

  g_usleep (150 * 1000); /* the first may come as soon as a tenth of a second is over */
  terminal_open (&terminal);
  hf_terminal_progress (view);
  shown = terminal_take (&terminal);
  hf_terminal_progress (view);
  at_once = terminal_take (&terminal);
  hf_terminal_progress_end ();
  over = terminal_take (&terminal);
  terminal_close (&terminal);
  tap_check_has ("on a terminal", shown, "segment 1 of 0");
  tap_check_str ("not more often than can be read", at_once, "");
  tap_check_str ("taken away", over, "\r\033[K");

  old = dup (STDERR_FILENO);
  dup2 (fd, STDERR_FILENO);
  g_usleep (150 * 1000);
  hf_terminal_progress (view);
  hf_terminal_progress_end ();
  fflush (stderr);
  dup2 (old, STDERR_FILENO);
  close (old);
  close (fd);
  tap_check ("read", g_file_get_contents (file, &elsewhere, &size, NULL));
  tap_check_int ("nothing in a file", size, 0);
  unlink (file);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "ask", test_ask },
    { "nobody", test_nobody },
    { "progress", test_progress },
    { NULL, NULL },
  };

  return tap_run ("terminal", tests, argc, argv);
}
