/* test-error.c - an error says what failed, at which step, and what can be done */
#include <config.h>

#include "milter/base/error.h"
#include "tests/unit/tap.h"

#include <errno.h>

static void
test_errno (void)
{
  static const struct
  {
    const gchar *name;
    gint number;
    HfErrorCode want_code;
    const gchar *want_message;
  } rows[] = {
    { "ENOSPC", ENOSPC, HF_ERROR_FULL, "cannot write 'x': No space left on device" },
    { "EDQUOT", EDQUOT, HF_ERROR_FULL, "cannot write 'x': Disk quota exceeded" },
    { "EFBIG", EFBIG, HF_ERROR_FULL, "cannot write 'x': File too large" },
    { "EACCES", EACCES, HF_ERROR_DENIED, "cannot write 'x': Permission denied" },
    { "EPERM", EPERM, HF_ERROR_DENIED, "cannot write 'x': Operation not permitted" },
    { "ENOENT", ENOENT, HF_ERROR_NOT_FOUND, "cannot write 'x': No such file or directory" },
    { "EIO", EIO, HF_ERROR_IO, "cannot write 'x': Input/output error" },
    { "EMFILE", EMFILE, HF_ERROR_IO, "cannot write 'x': Too many open files" },
    { "EROFS", EROFS, HF_ERROR_IO, "cannot write 'x': Read-only file system" },
    { "ENOMEM", ENOMEM, HF_ERROR_IO, "cannot write 'x': Cannot allocate memory" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      tap_check (rows[i].name, !hf_error_set_errno (&error, rows[i].number, "segment-write",
                                                    "cannot write '%s'", "x"));
      tap_check (rows[i].name, g_error_matches (error, HF_ERROR, (gint) rows[i].want_code));
      tap_check_str (rows[i].name, error->message, rows[i].want_message);
      tap_check_str (rows[i].name, hf_error_step (error), "segment-write");
      tap_check_int (rows[i].name, hf_error_errno (error), rows[i].number);
      tap_check_str (rows[i].name, hf_errno_name (hf_error_errno (error)), rows[i].name);
    }
  tap_check_str ("unknown number", hf_errno_name (4711), "E?");
}

static void
test_plain (void)
{
  g_autoptr (GError) error = NULL;

  tap_check ("set", !hf_error_set (&error, HF_ERROR_CORRUPT, "stage-verify", "%d octets", 3));
  tap_check ("code", g_error_matches (error, HF_ERROR, HF_ERROR_CORRUPT));
  tap_check_str ("message", error->message, "3 octets");
  tap_check_str ("step", hf_error_step (error), "stage-verify");
  tap_check_int ("no errno", hf_error_errno (error), 0);
  tap_check ("nobody wants it", !hf_error_set (NULL, HF_ERROR_IO, "step", "x"));
}

/* The step and the errno go wherever the error goes. */
static void
test_travels (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) copy = NULL;
  g_autoptr (GError) again = NULL;
  GError *moved = NULL;

  hf_error_set_errno (&error, ENOSPC, "stage-write", "cannot write");
  copy = g_error_copy (error);
  g_propagate_prefixed_error (&moved, g_steal_pointer (&error), "message %d: ", 7);
  tap_check_str ("prefixed", moved->message, "message 7: cannot write: No space left on device");
  tap_check_str ("prefixed", hf_error_step (moved), "stage-write");
  tap_check_int ("prefixed", hf_error_errno (moved), ENOSPC);
  g_error_free (moved);
  tap_check_str ("copied", hf_error_step (copy), "stage-write");
  tap_check_int ("copied", hf_error_errno (copy), ENOSPC);
  tap_check ("again", !hf_error_set_again (&again, HF_ERROR_BUSY, "journal-away", copy));
  tap_check ("again", g_error_matches (again, HF_ERROR, HF_ERROR_BUSY));
  tap_check_str ("again", again->message, copy->message);
  tap_check_str ("again", hf_error_step (again), "journal-away");
  tap_check_int ("again", hf_error_errno (again), ENOSPC);
}

static void
test_foreign (void)
{
  g_autoptr (GError) foreign = g_error_new (G_KEY_FILE_ERROR, 1, "x");

  tap_check_str ("another domain", hf_error_step (foreign), "");
  tap_check_int ("another domain", hf_error_errno (foreign), 0);
  tap_check_str ("none", hf_error_step (NULL), "");
  tap_check_int ("none", hf_error_errno (NULL), 0);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "errno", test_errno },     { "plain", test_plain }, { "travels", test_travels },
    { "foreign", test_foreign }, { NULL, NULL },
  };

  return tap_run ("error", tests, argc, argv);
}
