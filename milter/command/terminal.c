/* terminal.c - how far a verb has come, and what it has to ask; see terminal.h */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/command/terminal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_MS 100

static gboolean progress_shown;

void
hf_terminal_progress (const HfView *view)
{
  static gint64 shown_ms;
  const gint64 now_ms = hf_sys_monotonic_ms ();

  if (now_ms - shown_ms < PROGRESS_MS || !isatty (STDERR_FILENO))
    return;
  shown_ms = now_ms;
  progress_shown = TRUE;
  fprintf (stderr, "\rsegment %u of %u\033[K", hf_view_done (view) + 1, hf_view_segments (view));
}

void
hf_terminal_progress_end (void)
{
  if (progress_shown)
    fputs ("\r\033[K", stderr);
  progress_shown = FALSE;
}

HfAnswer
hf_terminal_ask (const gchar *question)
{
  gchar answer[16];

  if (!isatty (STDIN_FILENO))
    return HF_ANSWER_NOBODY;
  fflush (stdout);
  fprintf (stderr, "%s [yes/no] ", question);
  if (fgets (answer, sizeof answer, stdin) == NULL)
    return HF_ANSWER_NO;
  return strcmp (g_strchomp (answer), "yes") == 0 ? HF_ANSWER_YES : HF_ANSWER_NO;
}
