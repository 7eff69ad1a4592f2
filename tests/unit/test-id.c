/* test-id.c - ids are well formed, hold their time and sort by it */
#include <config.h>

#include "milter/base/id.h"
#include "milter/base/sys.h"
#include "tests/unit/tap.h"

#include <string.h>

static void
test_make (void)
{
  static const struct
  {
    const gchar *name;
    gint64 wall_ms;
    guint8 random[10];
    const gchar *want;
  } rows[] = {
    { "all zero", 0, { 0 }, "00000000000000000000000000" },
    { "one millisecond", 1, { 0 }, "00000000010000000000000000" },
    { "32 milliseconds", 32, { 0 }, "00000000100000000000000000" },
    { "an example of the ULID specification", 1469918176385, { 0 }, "01ARYZ6S410000000000000000" },
    { "the last millisecond", 0xffffffffffff, { 0 }, "7ZZZZZZZZZ0000000000000000" },
    { "cut to 48 bits", 0x1000000000001, { 0 }, "00000000010000000000000000" },
    { "all random bits", 0, { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 },
      "0000000000ZZZZZZZZZZZZZZZZ" },
    { "first random bit", 0, { 0x80 }, "0000000000G000000000000000" },
    { "last random bit", 0, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, "00000000000000000000000001" },
    { "across the octets", 0, { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23 },
      "000000000004HMASW9NF6YY093" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfId id;

      hf_id_make (rows[i].wall_ms, rows[i].random, &id);
      tap_check_str (rows[i].name, id.text, rows[i].want);
      tap_check (rows[i].name, hf_id_is_valid (id.text));
      tap_check_int (rows[i].name, hf_id_wall_ms (id.text), rows[i].wall_ms & 0xffffffffffff);
    }
}

static void
test_valid (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gboolean want;
  } rows[] = {
    { "an id", "01ARYZ6S41TSV4RRFFQ69G5FAV", TRUE },
    { "the greatest", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", TRUE },
    { "empty", "", FALSE },
    { "too short", "01ARYZ6S41TSV4RRFFQ69G5FA", FALSE },
    { "too long", "01ARYZ6S41TSV4RRFFQ69G5FAV0", FALSE },
    { "lower case", "01aryz6s41tsv4rrffq69g5fav", FALSE },
    { "the letter I", "01ARYZ6S41TSV4RRFFQ69G5FAI", FALSE },
    { "the letter L", "01ARYZ6S41TSV4RRFFQ69G5FAL", FALSE },
    { "the letter O", "O1ARYZ6S41TSV4RRFFQ69G5FAV", FALSE },
    { "the letter U", "01ARYZ6S41TSV4RRFFQ69G5FAU", FALSE },
    { "more than 48 bits", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", FALSE },
    { "a blank", "01ARYZ6S41 SV4RRFFQ69G5FAV", FALSE },
    { "a path", "../../../../../etc/passwd.", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      tap_check_int (rows[i].name, hf_id_is_valid (rows[i].text), rows[i].want);
      tap_check_int (rows[i].name, hf_id_wall_ms (rows[i].text) >= 0, rows[i].want);
    }
}

static void
test_order (void)
{
  static const gint64 times_ms[] = { 0, 1, 31, 32, 1023, 1024, 1469918176385, 1469918176386,
                                     0xfffffffffffe, 0xffffffffffff };
  static const guint8 low[10] = { 0 };
  static const guint8 high[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };

  for (guint i = 1; i < G_N_ELEMENTS (times_ms); i++)
    {
      HfId earlier, later;

      hf_id_make (times_ms[i - 1], high, &earlier);
      hf_id_make (times_ms[i], low, &later);
      tap_check (later.text, strcmp (earlier.text, later.text) < 0);
    }
}

static void
test_new (void)
{
  gint64 before_ms = hf_sys_wall_ms ();
  HfId one, other;

  hf_id_new (&one);
  hf_id_new (&other);
  tap_check ("new", hf_id_is_valid (one.text));
  tap_check ("holds the present", hf_id_wall_ms (one.text) >= before_ms);
  tap_check ("holds the present", hf_id_wall_ms (other.text) <= hf_sys_wall_ms ());
  tap_check ("random part differs", strcmp (one.text + 10, other.text + 10) != 0);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "make", test_make }, { "valid", test_valid }, { "order", test_order },
    { "new", test_new },   { NULL, NULL },
  };

  return tap_run ("id", tests, argc, argv);
}
