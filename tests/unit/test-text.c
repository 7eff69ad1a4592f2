/* test-text.c - nothing from outside steers a terminal, and lines and numbers can be read */
#include <config.h>

#include "milter/command/text.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
test_safe (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    const gchar *want;
  } rows[] = {
    { "plain", "sender@example.org", "sender@example.org" },
    { "nothing", "", "" },
    { "other scripts", "absender@m\303\274nchen.example \316\264", "absender@m\303\274nchen.example \316\264" },
    { "escape", "a\033[2Jb", "a?[2Jb" },
    { "line ends", "a\r\nb\tc", "a??b?c" },
    { "C1 controls", "a\302\233b", "a?b" },
    { "direction turned", "a\342\200\256gro.elpmaxe@b", "a?gro.elpmaxe@b" },
    { "isolates", "\342\201\246x\342\201\251", "?x?" },
    { "lines and paragraphs of Unicode", "a\342\200\250b\342\200\251c", "a?b?c" },
    { "not UTF-8", "a\377b", "a\357\277\275b" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *safe = hf_text_safe (rows[i].text);

      tap_check_str (rows[i].name, safe, rows[i].want);
    }
}

static void
test_wrap (void)
{
  static const struct
  {
    const gchar *name;
    guint indent;
    const gchar *text;
    const gchar *want;
  } rows[] = {
    { "short", 2, "two words", "  two words\n" },
    { "nothing", 2, "", "\n" },
    { "full line", 0, "123456789 123456789 123456789 123456789 123456789 123456789 123456789 12345678",
      "123456789 123456789 123456789 123456789 123456789 123456789 123456789 12345678\n" },
    { "one more", 0, "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789",
      "123456789 123456789 123456789 123456789 123456789 123456789 123456789\n123456789\n" },
    { "indent counts", 2, "123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234567",
      "  123456789 123456789 123456789 123456789 123456789 123456789 123456789\n  1234567\n" },
    { "characters and not octets", 0,
      "\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274 123456789 123456789 123456789 123456789 "
      "123456789 123456789 12345678",
      "\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274 123456789 123456789 123456789 123456789 "
      "123456789 123456789 12345678\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      char *printed = NULL;
      size_t size = 0;
      FILE *stream = open_memstream (&printed, &size);

      hf_text_wrap (stream, rows[i].indent, rows[i].text);
      fclose (stream);
      tap_check_str (rows[i].name, printed, rows[i].want);
      free (printed);
    }
}

static void
test_numbers (void)
{
  static const struct
  {
    guint64 number;
    const gchar *want;
    const gchar *want_count;
  } rows[] = {
    { 0, "0", "0 recipients" },
    { 1, "1", "1 recipient" },
    { 999, "999", "999 recipients" },
    { 1000, "1,000", "1,000 recipients" },
    { 1234567, "1,234,567", "1,234,567 recipients" },
    { G_MAXUINT64, "18,446,744,073,709,551,615", "18,446,744,073,709,551,615 recipients" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *number = hf_text_number (rows[i].number);
      g_autofree gchar *count = hf_text_count (rows[i].number, "recipient", "recipients");

      tap_check_str (rows[i].want, number, rows[i].want);
      tap_check_str (rows[i].want, count, rows[i].want_count);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "safe", test_safe },
    { "wrap", test_wrap },
    { "numbers", test_numbers },
    { NULL, NULL },
  };

  return tap_run ("text", tests, argc, argv);
}
