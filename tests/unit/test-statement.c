/* test-statement.c - statements come back as they were put in, and nothing else is taken for one */
#include <config.h>

#include "milter/journal/statement.h"
#include "tests/unit/tap.h"

#include <string.h>

/* A line of its exact size on the heap, so that a step outside is noticed. */
static gboolean
read_exactly (HfStatement *statement, const gchar *line, gsize size, gboolean more)
{
  g_autofree gchar *copy = g_memdup2 (line, size);

  return hf_statement_read_line (statement, copy, size, more);
}

/* Reads all lines of @text; checks the format's rules on the way. */
static gboolean
read_all (const gchar *row, HfStatement *statement, const GString *text)
{
  gboolean more = FALSE;

  for (const gchar *line = text->str; line < text->str + text->len; more = TRUE)
    {
      const gchar *end = strstr (line, "\r\n");

      if (!tap_check (row, end != NULL) || !tap_check (row, end + 2 - line <= HF_STATEMENT_LINE_MAX)
          || !tap_check (row, g_str_has_prefix (line, more ? HF_STATEMENT_MORE : HF_STATEMENT_PREFIX))
          || !read_exactly (statement, line, (gsize) (end - line), more))
        return FALSE;
      line = end + 2;
    }
  return TRUE;
}

static void
test_write (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *value;
    gssize size;
    const gchar *want;
  } rows[] = {
    { "plain", "mx.example.org", -1, "NOOP holdfast-test key=mx.example.org\r\n" },
    { "absent", NULL, -1, "NOOP holdfast-test\r\n" },
    { "empty", "", -1, "NOOP holdfast-test key=\r\n" },
    { "blank", "a b", -1, "NOOP holdfast-test key=a+20b\r\n" },
    { "plus and equals", "a+b=c", -1, "NOOP holdfast-test key=a+2Bb+3Dc\r\n" },
    { "line end", "a\r\nNOOP holdfast-void", -1, "NOOP holdfast-test key=a+0D+0ANOOP+20holdfast-void\r\n" },
    { "8-bit", "\xc3\xa4", -1, "NOOP holdfast-test key=+C3+A4\r\n" },
    { "NUL", "a\0b", 3, "NOOP holdfast-test key=a+00b\r\n" },
    { "edges of what stands for itself", " !~\x7f", -1, "NOOP holdfast-test key=+20!~+7F\r\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) out = g_string_new (NULL);
      HfStatementBuilder builder;

      hf_statement_begin (&builder, out, "test");
      hf_statement_add (&builder, "key", rows[i].value, rows[i].size);
      hf_statement_end (&builder);
      tap_check_str (rows[i].name, out->str, rows[i].want);
    }
}

/* Values of every length, of octets that stand for themselves and of others,
 * behind a pair of every length: so each column sees an end and a break. */
static void
test_every_length (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (511);
  gchar value[1200];
  HfStatement statement;

  hf_statement_init (&statement);
  for (guint length = 0; length < sizeof value; length++)
    {
      g_autofree gchar *row = g_strdup_printf ("%u octets", length);
      g_autoptr (GString) out = g_string_new (NULL);
      HfStatementBuilder builder;
      const gchar *got;
      gsize size = 0;
      guint64 number;

      for (guint i = 0; i < length; i++)
        value[i] = length % 3 == 0 ? 'x' : length % 3 == 1 ? '\xff' : (gchar) g_rand_int_range (random, 0, 256);
      hf_statement_begin (&builder, out, "test");
      hf_statement_add (&builder, "first", value, (gssize) (length * 7 % 500));
      hf_statement_add (&builder, "second", value, (gssize) length);
      hf_statement_add_number (&builder, "third", length);
      hf_statement_end (&builder);
      if (!tap_check (row, read_all (row, &statement, out)))
        continue;
      got = hf_statement_get_sized (&statement, "first", &size);
      tap_check (row, got != NULL && size == length * 7 % 500 && memcmp (got, value, size) == 0);
      got = hf_statement_get_sized (&statement, "second", &size);
      tap_check (row, got != NULL && size == length && memcmp (got, value, size) == 0);
      tap_check (row, hf_statement_get_number (&statement, "third", &number) && number == length);
    }
  hf_statement_clear (&statement);
}

#define FIRST "NOOP holdfast-test a=1 bc=2"

/* Each row is a second line behind FIRST, or a first one. */
static void
test_read (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *line;
    gsize size; /* 0: NUL-terminated */
    gboolean more;
    gboolean want;
    const gchar *want_bc; /* NULL: absent */
  } rows[] = {
    { "no pair", "NOOP holdfast-test", 0, FALSE, TRUE, NULL },
    { "no kind", "NOOP holdfast-", 0, FALSE, TRUE, NULL },
    { "value", "NOOP holdfast-test bc=x", 0, FALSE, TRUE, "x" },
    { "the first of two counts", "NOOP holdfast-test bc=x bc=y", 0, FALSE, TRUE, "x" },
    { "xtext", "NOOP holdfast-test bc=a+2B+3D+00b", 0, FALSE, TRUE, "a+=" },
    { "value goes on in its line", "NOOP holdfast-test bc=x bc+=y", 0, FALSE, TRUE, "xy" },
    { "value goes on", "NOOP holdfast-more bc+=34", 0, TRUE, TRUE, "234" },
    { "value goes on empty", "NOOP holdfast-more bc+=", 0, TRUE, TRUE, "2" },
    { "unknown key", "NOOP holdfast-more new=1", 0, TRUE, TRUE, "2" },
    { "key with a prefix of it", "NOOP holdfast-test b=1 bcd=2", 0, FALSE, TRUE, NULL },

    { "other text", "NOOP holdfest-test bc=x", 0, FALSE, FALSE, NULL },
    { "lower case", "noop holdfast-test bc=x", 0, FALSE, FALSE, NULL },
    { "cut prefix", "NOOP holdfast", 0, FALSE, FALSE, NULL },
    { "empty line", "", 0, FALSE, FALSE, NULL },
    { "word without value", "NOOP holdfast-test bc", 0, FALSE, FALSE, NULL },
    { "value without key", "NOOP holdfast-test =x", 0, FALSE, FALSE, NULL },
    { "two blanks", "NOOP holdfast-test  bc=x", 0, FALSE, FALSE, NULL },
    { "blank at the end", "NOOP holdfast-test bc=x ", 0, FALSE, FALSE, NULL },
    { "plain equals in a value", "NOOP holdfast-test bc=x=y", 0, FALSE, FALSE, NULL },
    { "lower-case digits", "NOOP holdfast-test bc=+2b", 0, FALSE, FALSE, NULL },
    { "one digit", "NOOP holdfast-test bc=+2", 0, FALSE, FALSE, NULL },
    { "plus alone", "NOOP holdfast-test bc=+", 0, FALSE, FALSE, NULL },
    { "no digit", "NOOP holdfast-test bc=+2G", 0, FALSE, FALSE, NULL },
    { "NUL for a digit", "NOOP holdfast-test bc=+2\0z", 26, FALSE, FALSE, NULL },
    { "NUL in a value", "NOOP holdfast-test bc=x\0y", 25, FALSE, FALSE, NULL },
    { "NUL in a key", "NOOP holdfast-test bc\0=x", 24, FALSE, FALSE, NULL },
    { "tab", "NOOP holdfast-test bc=x\ty", 0, FALSE, FALSE, NULL },
    { "8-bit", "NOOP holdfast-test bc=\xe4", 0, FALSE, FALSE, NULL },
    { "nothing to go on with", "NOOP holdfast-test bc+=x", 0, FALSE, FALSE, NULL },
    { "goes on with another", "NOOP holdfast-more a+=x", 0, TRUE, FALSE, NULL },
    { "goes on with a prefix", "NOOP holdfast-more b+=x", 0, TRUE, FALSE, NULL },
    { "goes on with a longer key", "NOOP holdfast-more bcd+=x", 0, TRUE, FALSE, NULL },
    { "goes on with no key", "NOOP holdfast-more +=x", 0, TRUE, FALSE, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfStatement statement;
      const gboolean more = rows[i].more;

      hf_statement_init (&statement);
      tap_check (rows[i].name, !more || read_exactly (&statement, FIRST, strlen (FIRST), FALSE));
      tap_check_int (rows[i].name,
                     read_exactly (&statement, rows[i].line,
                                   rows[i].size != 0 ? rows[i].size : strlen (rows[i].line), more),
                     rows[i].want);
      if (rows[i].want)
        tap_check_str (rows[i].name, hf_statement_get (&statement, "bc"), rows[i].want_bc);
      hf_statement_clear (&statement);
    }
}

/* A key behind a NUL once led the comparison with the key before it past the
 * end of what is kept: the line is damaged, and no octet outside may be read. */
static void
test_read_stays_inside (void)
{
  gchar line[400];
  HfStatement statement;

  memset (line, 'x', sizeof line);
  memcpy (line, HF_STATEMENT_MORE "bc", strlen (HF_STATEMENT_MORE "bc") + 1);
  memcpy (line + sizeof line - 3, "+=1", 3);
  hf_statement_init (&statement);
  tap_check ("first", read_exactly (&statement, FIRST, strlen (FIRST), FALSE));
  tap_check ("refused", !read_exactly (&statement, line, sizeof line, TRUE));
  hf_statement_clear (&statement);
}

static void
test_line_limit (void)
{
  gchar line[600];
  HfStatement statement;

  hf_statement_init (&statement);
  memset (line, 'x', sizeof line);
  memcpy (line, "NOOP holdfast-test a=", 21);
  tap_check ("511 with CRLF", read_exactly (&statement, line, 509, FALSE));
  tap_check ("512 with CRLF", !read_exactly (&statement, line, 510, FALSE));
  hf_statement_clear (&statement);
}

static void
test_numbers (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gboolean want;
    guint64 want_number;
  } rows[] = {
    { "zero", "0", TRUE, 0 },
    { "number", "4096", TRUE, 4096 },
    { "leading zeros", "00042", TRUE, 42 },
    { "greatest", "18446744073709551615", TRUE, G_MAXUINT64 },
    { "one more", "18446744073709551616", FALSE, 0 },
    { "much more", "99999999999999999999999", FALSE, 0 },
    { "negative", "-1", FALSE, 0 },
    { "signed", "+2B1", FALSE, 0 },
    { "empty", "", FALSE, 0 },
    { "blank before", "+201", FALSE, 0 },
    { "blank behind", "1+20", FALSE, 0 },
    { "hexadecimal", "0x10", FALSE, 0 },
    { "fraction", "1.5", FALSE, 0 },
    { "NUL and more", "1+002", FALSE, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *line = g_strconcat ("NOOP holdfast-test n=", rows[i].text, NULL);
      HfStatement statement;
      guint64 number = 0;

      hf_statement_init (&statement);
      tap_check (rows[i].name, read_exactly (&statement, line, strlen (line), FALSE));
      tap_check_int (rows[i].name, hf_statement_get_number (&statement, "n", &number), rows[i].want);
      if (rows[i].want)
        tap_check (rows[i].name, number == rows[i].want_number);
      tap_check (rows[i].name, !hf_statement_get_number (&statement, "absent", &number));
      hf_statement_clear (&statement);
    }
}

static void
test_times (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gint64 want_ms; /* -1: refused */
  } rows[] = {
    { "epoch", "1970-01-01T00:00:00.000Z", 0 },
    { "today", "2026-11-22T20:18:05.123Z", G_GINT64_CONSTANT (1795378685123) },
    { "leap day", "2024-02-29T23:59:59.999Z", G_GINT64_CONSTANT (1709251199999) },
    { "behind 2038", "2038-01-19T03:14:08.000Z", G_GINT64_CONSTANT (2147483648000) },
    { "last", "9999-12-31T23:59:59.999Z", G_GINT64_CONSTANT (253402300799999) },
    { "no fraction", "2026-11-22T20:18:05Z", -1 },
    { "more fraction", "2026-11-22T20:18:05.1234Z", -1 },
    { "another zone", "2026-11-22T20:18:05.123+00:00", -1 },
    { "blank for T", "2026-11-22 20:18:05.123Z", -1 },
    { "month 13", "2026-13-22T20:18:05.123Z", -1 },
    { "month 0", "2026-00-22T20:18:05.123Z", -1 },
    { "day 32", "2026-11-32T20:18:05.123Z", -1 },
    { "day that the month has not", "2026-02-30T20:18:05.123Z", -1 },
    { "leap day of another year", "2026-02-29T20:18:05.123Z", -1 },
    { "hour 24", "2026-11-22T24:18:05.123Z", -1 },
    { "before the epoch", "1969-12-31T23:59:59.999Z", -1 },
    { "year 0", "0000-01-01T00:00:00.000Z", -1 },
    { "letters", "2026-11-22T20:18:xx.123Z", -1 },
    { "empty", "", -1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const gboolean want = rows[i].want_ms >= 0;
      gint64 wall_ms = -1;
      gchar text[25];

      tap_check_int (rows[i].name, hf_time_parse (rows[i].text, &wall_ms), want);
      if (!want)
        continue;
      tap_check_int (rows[i].name, wall_ms, rows[i].want_ms);
      hf_time_format (wall_ms, text);
      tap_check_str (rows[i].name, text, rows[i].text);
    }
}

/* Whatever a clock says, its text is one that can be read again. */
static void
test_time_of_any_clock (void)
{
  static const gint64 clocks[] = { -1, G_MININT64, G_MAXINT64, G_GINT64_CONSTANT (253402300800000) };

  for (guint i = 0; i < G_N_ELEMENTS (clocks); i++)
    {
      gint64 wall_ms;
      gchar text[25];

      hf_time_format (clocks[i], text);
      tap_check_int ("length", strlen (text), 24);
      tap_check (text, hf_time_parse (text, &wall_ms));
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "write", test_write },
    { "every-length", test_every_length },
    { "read", test_read },
    { "read-stays-inside", test_read_stays_inside },
    { "line-limit", test_line_limit },
    { "numbers", test_numbers },
    { "times", test_times },
    { "time-of-any-clock", test_time_of_any_clock },
    { NULL, NULL },
  };

  return tap_run ("statement", tests, argc, argv);
}
