/* test-answer.c - whatever went wrong, the client gets a 4xx that says so, and nothing of this host */
#include <config.h>

#include "milter/base/error.h"
#include "milter/filter/answer.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <locale.h>
#include <string.h>

#define PATH "/var/spool/holdfast/journal/0000000042.bsmtp"

static GError *
make_error (HfErrorCode code, const gchar *step, gint number)
{
  g_autoptr (GError) cause = NULL;
  GError *error = NULL;

  if (number != 0)
    hf_error_set_errno (&cause, number, step, "cannot do this to '%s'", PATH);
  if (number != 0 && code == HF_ERROR_BUSY) /* told again by somebody who can't go on for it */
    hf_error_set_again (&error, code, step, cause);
  else if (number != 0)
    error = g_steal_pointer (&cause);
  else
    hf_error_set (&error, code, step, "'%s' is not as it should be", PATH);
  return error;
}

static void
test_rows (void)
{
  static const struct
  {
    const gchar *name;
    HfErrorCode code;
    const gchar *step;
    gint number;
    const gchar *want; /* "CODE ENHANCED TEXT", up to the event's code */
  } rows[] = {
    { "no room", HF_ERROR_FULL, "stage-write", ENOSPC, "452 4.3.1 message not stored: no space left on spool" },
    { "quota", HF_ERROR_FULL, "stage-write", EDQUOT, "452 4.3.1 message not stored: stage-write: Disk quota exceeded" },
    { "mark", HF_ERROR_FULL, "space-mark", 0, "452 4.3.1 message not stored: no room on spool" },
    { "disk", HF_ERROR_IO, "segment-sync", EIO, "451 4.3.0 message not stored: segment-sync: Input/output error" },
    { "descriptors", HF_ERROR_IO, "stage-open", EMFILE, "451 4.3.0 message not stored: stage-open: Too many open files" },
    { "reopen", HF_ERROR_NOT_FOUND, "stage-reopen", ENOENT,
      "451 4.3.0 message not stored: stage-reopen: No such file or directory" },
    { "denied", HF_ERROR_DENIED, "path-check", EACCES, "451 4.3.0 message not stored: path-check: Permission denied" },
    { "gone", HF_ERROR_IO, "path-check", 0, "451 4.3.0 message not stored: path-check" },
    { "digest", HF_ERROR_CORRUPT, "read-back", 0, "451 4.3.0 message not stored: read-back: copy did not verify" },
    { "late", HF_ERROR_LATE, "commit", 0, "451 4.3.0 message not stored: journal did not answer in time" },
    { "draining", HF_ERROR_BUSY, "draining", 0, "421 4.3.2 message not stored: service is stopping" },
    { "not ready", HF_ERROR_BUSY, "journal-away", 0, "421 4.3.2 message not stored: service is not ready" },
    { "not ready, and why", HF_ERROR_BUSY, "journal-away", EROFS,
      "421 4.3.2 message not stored: service is not ready: Read-only file system" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = make_error (rows[i].code, rows[i].step, rows[i].number);
      g_autofree gchar *want = NULL, *got = NULL;
      HfAnswer answer;
      HfId id;

      kit_id (1, &id);
      hf_answer_make ("message not stored", error, HF_EVENT_MESSAGE_NOT_STORED, &id, &answer);
      want = g_strdup_printf ("%s HF-201 %s", rows[i].want, id.text);
      got = g_strdup_printf ("%s %s %s", answer.code, answer.enhanced, answer.text);
      tap_check_str (rows[i].name, got, want);
    }
}

/* P2: never a 250, never a 5xx, and never a path; a text that libmilter takes,
 * which ends with the id by which the log tells the rest. */
static void
test_P2_every_error (void)
{
  static const gchar *const steps[] = { "stage-open", "journal-publish", "a-step-with-a-name-that-is-longer-than-any", "" };

  for (gint code = HF_ERROR_IO; code <= HF_ERROR_DENIED; code++)
    for (gint number = 0; number < 140; number++)
      for (guint s = 0; s < G_N_ELEMENTS (steps); s++)
        {
          g_autoptr (GError) error = make_error (code, steps[s], number);
          g_autofree gchar *row = g_strdup_printf ("code %d errno %d %s", code, number, steps[s]);
          HfAnswer answer;
          HfId id;

          kit_id (1, &id);
          hf_answer_make ("message not stored", error, HF_EVENT_MESSAGE_NOT_STORED, &id, &answer);
          if (answer.code[0] != '4' || strlen (answer.code) != 3 || answer.enhanced[0] != '4')
            tap_check_str (row, answer.code, "4xx");
          if (strstr (answer.text, "spool/") != NULL || strchr (answer.text, '%') != NULL)
            tap_check_str (row, answer.text, "no path");
          if (!g_str_has_suffix (answer.text, id.text))
            tap_check_str (row, answer.text, "ends with the id");
          for (const gchar *p = answer.text; *p != '\0'; p++)
            if (*p < ' ' || *p > '~')
              tap_check_str (row, answer.text, "printable");
        }
}

/* An error of another domain says nothing we know: still a 4xx. */
static void
test_P2_strange_error (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "a\r\n250 fine\xff");
  HfAnswer answer;
  HfId id;

  kit_id (1, &id);
  hf_answer_make ("try again later", error, HF_EVENT_MAIL_REFUSED, &id, &answer);
  tap_check_str ("code", answer.code, "451");
  tap_check_has ("what", answer.text, "try again later: ");
  tap_check ("one line", strpbrk (answer.text, "\r\n\xff") == NULL);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "rows", test_rows },
    { "P2-every-error", test_P2_every_error },
    { "P2-strange-error", test_P2_strange_error },
    { NULL, NULL },
  };

  return tap_run ("answer", tests, argc, argv);
}
