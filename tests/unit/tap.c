/* tap.c - CUnit's tests, told in the Test Anything Protocol; see tap.h */
#include <config.h>

#include "tests/unit/tap.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <string.h>

static guint tests_told;

/* Every check comes through here, so that a failure names its row. */
static gboolean
tell (gboolean holds, const gchar *row, const gchar *message, const gchar *file, guint line)
{
  g_autofree gchar *named = g_strdup_printf ("%s: %s", row, message);

  CU_assertImplementation (holds ? CU_TRUE : CU_FALSE, line, named, file, "", CU_FALSE);
  return holds;
}

gboolean
tap_check_true (const gchar *row, gboolean holds, const gchar *condition, const gchar *file,
                guint line)
{
  return tell (holds, row, condition, file, line);
}

/* @text quoted for a line of its own, or NULL as a bare word. */
static gchar *
quoted (const gchar *text)
{
  g_autofree gchar *escaped = text != NULL ? g_strescape (text, NULL) : NULL;

  return escaped != NULL ? g_strdup_printf ("\"%s\"", escaped) : g_strdup ("NULL");
}

gboolean
tap_check_same_text (const gchar *row, const gchar *what, const gchar *got, const gchar *want,
                     const gchar *file, guint line)
{
  g_autofree gchar *got_quoted = quoted (got);
  g_autofree gchar *want_quoted = quoted (want);
  g_autofree gchar *message = g_strdup_printf ("%s is %s, not %s", what, got_quoted, want_quoted);

  return tell (g_strcmp0 (got, want) == 0, row, message, file, line);
}

gboolean
tap_check_same_number (const gchar *row, const gchar *what, gint64 got, gint64 want,
                       const gchar *file, guint line)
{
  g_autofree gchar *message
    = g_strdup_printf ("%s is %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, what, got, want);

  return tell (got == want, row, message, file, line);
}

gboolean
tap_check_part (const gchar *row, const gchar *what, const gchar *text, const gchar *part,
                const gchar *file, guint line)
{
  g_autofree gchar *text_quoted = quoted (text);
  g_autofree gchar *part_quoted = quoted (part);
  g_autofree gchar *message
    = g_strdup_printf ("%s is %s, without %s", what, text_quoted, part_quoted);

  return tell (text != NULL && strstr (text, part) != NULL, row, message, file, line);
}

/* CUnit calls this after each test, with the first of its failures. */
static void
test_complete (const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failure)
{
  tests_told++;
  printf ("%s %u - %s %s\n", failure == NULL ? "ok" : "not ok", tests_told, suite->pName,
          test->pName);
  for (const CU_FailureRecord *f = failure; f != NULL; f = f->pNext)
    if (f->pTest == test)
      printf ("# %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
  fflush (stdout);
}

static gboolean
is_wanted (const gchar *name, int argc, char **argv)
{
  if (argc < 2)
    return TRUE;
  for (int i = 1; i < argc; i++)
    if (strcmp (argv[i], name) == 0)
      return TRUE;
  return FALSE;
}

/* Adds the tests wanted.  Returns: how many; -1 when CUnit can't. */
static gint
add_tests (CU_pSuite suite, const TapTest *tests, int argc, char **argv)
{
  gint added = 0;

  for (; tests->name != NULL; tests++)
    {
      if (!is_wanted (tests->name, argc, argv))
        continue;
      if (CU_add_test (suite, tests->name, tests->run) == NULL)
        return -1;
      added++;
    }
  return added;
}

int
tap_run (const gchar *suite_name, const TapTest *tests, int argc, char **argv)
{
  CU_pSuite suite;
  gint planned;
  gboolean all_held;

  if (CU_initialize_registry () != CUE_SUCCESS
      || (suite = CU_add_suite (suite_name, NULL, NULL)) == NULL
      || (planned = add_tests (suite, tests, argc, argv)) < 0)
    {
      printf ("Bail out! %s\n", CU_get_error_msg ());
      return 1;
    }
  if (planned == 0 || (argc > 1 && planned < argc - 1))
    {
      printf ("Bail out! no test of that name\n");
      return 2;
    }
  printf ("1..%d\n", planned);
  fflush (stdout); /* before a test forks */
  CU_set_test_complete_handler (test_complete);
  CU_set_error_action (CUEA_IGNORE);
  CU_run_all_tests ();
  all_held = CU_get_number_of_failures () == 0 && tests_told == (guint) planned
             && CU_get_number_of_asserts () > 0;
  CU_cleanup_registry ();
  return all_held ? 0 : 1;
}
