/* tap.h - CUnit's tests, told in the Test Anything Protocol
 *
 * CUnit's own output is for people; make check wants TAP.  A test program is
 * a table of named functions and a main that hands it over:
 *
 *     static const TapTest tests[] = {
 *       { "sizes", test_size_parse },
 *       { NULL, NULL },
 *     };
 *
 *     int
 *     main (int argc, char **argv)
 *     {
 *       return tap_run ("config", tests, argc, argv);
 *     }
 *
 * A function walks over its rows and checks each with the macros below, whose
 * first argument is the row's name: it begins the line that a failure prints.
 * A failed check does not end the function.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const gchar *name;
  void (*run) (void);
} TapTest;

/* Sanitizers make everything slower: of many cases like each other, a build
 * with one runs one in so many. */
#if defined __SANITIZE_THREAD__
#define TAP_STRIDE 32
#elif defined __SANITIZE_ADDRESS__
#define TAP_STRIDE 16
#else
#define TAP_STRIDE 1
#endif

/**
 * tap_run:
 * @suite: a name for the whole
 * @tests: ended by a row of NULL
 * @argc, @argv: with an argument, only the tests of these names run
 *
 * Returns: 0 when tests ran and every check of them held, 1 when not, 2 when
 * an argument names no test.
 */
int tap_run (const gchar *suite, const TapTest *tests, int argc, char **argv);

/* TRUE as well as told: so that a check can guard what follows it. */
#define tap_check(row, condition) \
  tap_check_true ((row), (condition), #condition, __FILE__, __LINE__)
#define tap_check_str(row, got, want) \
  tap_check_same_text ((row), #got, (got), (want), __FILE__, __LINE__)
#define tap_check_int(row, got, want) \
  tap_check_same_number ((row), #got, (gint64) (got), (gint64) (want), __FILE__, __LINE__)
#define tap_check_has(row, text, part) \
  tap_check_part ((row), #text, (text), (part), __FILE__, __LINE__)

/* What the macros call.  Texts may be NULL, and NULL equals only NULL. */
gboolean tap_check_true (const gchar *row, gboolean holds, const gchar *condition,
                         const gchar *file, guint line);
gboolean tap_check_same_text (const gchar *row, const gchar *what, const gchar *got,
                              const gchar *want, const gchar *file, guint line);
gboolean tap_check_same_number (const gchar *row, const gchar *what, gint64 got, gint64 want,
                                const gchar *file, guint line);
gboolean tap_check_part (const gchar *row, const gchar *what, const gchar *text,
                         const gchar *part, const gchar *file, guint line);

G_END_DECLS
