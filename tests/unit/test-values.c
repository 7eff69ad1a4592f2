/* test-values.c - sizes, times and the other kinds are read exactly, or refused */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/values.h"
#include "tests/unit/tap.h"

typedef struct
{
  const gchar *name;
  const gchar *text;
  gint64 want; /* -1: refused */
} Row;

/* Reads @text as one kind; -1 when it was refused as it should be, with a
 * message, the code and the result untouched. */
typedef gint64 (*ReadValue) (const gchar *text, GError **error);

static gint64
read_size (const gchar *text, GError **error)
{
  guint64 value = 4711;

  return hf_parse_size (text, &value, error) || value != 4711 ? (gint64) value : -1;
}

static gint64
read_time (const gchar *text, GError **error)
{
  gint64 value = 4711;

  return hf_parse_time_ms (text, &value, error) || value != 4711 ? value : -1;
}

static gint64
read_count (const gchar *text, GError **error)
{
  guint64 value = 4711;

  return hf_parse_count (text, &value, error) || value != 4711 ? (gint64) value : -1;
}

static gint64
read_mode (const gchar *text, GError **error)
{
  guint value = 4711;

  return hf_parse_mode (text, &value, error) || value != 4711 ? (gint64) value : -1;
}

static gint64
read_bool (const gchar *text, GError **error)
{
  gboolean value = 4711;

  return hf_parse_bool (text, &value, error) || value != 4711 ? (gint64) value : -1;
}

/* A share as octets, or as -100 less its percentage. */
static gint64
read_share (const gchar *text, GError **error)
{
  HfShare share = { 4711, 4712 };

  if (!hf_parse_share (text, &share, error))
    return share.bytes == 4711 && share.percent == 4712 ? -1 : -2;
  return share.percent != 0 ? -100 - (gint64) share.percent : (gint64) share.bytes;
}

static void
check_rows (ReadValue read_value, const Row *rows, guint n_rows)
{
  for (guint i = 0; i < n_rows; i++)
    {
      g_autoptr (GError) error = NULL;

      tap_check_int (rows[i].name, read_value (rows[i].text, &error), rows[i].want);
      tap_check_int (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG),
                     rows[i].want == -1);
    }
}

static void
test_size (void)
{
  static const Row rows[] = {
    { "octets", "100", 100 },
    { "zero", "0", 0 },
    { "K", "2K", 2048 },
    { "M", "64M", 64 << 20 },
    { "G", "4G", G_GINT64_CONSTANT (4) << 30 },
    { "lower case", "1m", 1 << 20 },
    { "leading zeros", "0010", 10 },
    { "the greatest", "9223372036854775807", G_MAXINT64 },
    { "too many digits", "18446744073709551616", -1 },
    { "overflow by the unit", "17179869184G", -1 },
    { "empty", "", -1 },
    { "unit alone", "M", -1 },
    { "unknown unit", "1T", -1 },
    { "two letters", "1KB", -1 },
    { "blank", "1 M", -1 },
    { "blank before", " 1", -1 },
    { "negative", "-1", -1 },
    { "plus", "+1", -1 },
    { "fraction", "1.5M", -1 },
    { "hexadecimal", "0x10", -1 },
    { "digits of another script", "\xd9\xa1", -1 },
    { "share", "5%", -1 },
  };

  check_rows (read_size, rows, G_N_ELEMENTS (rows));
}

static void
test_time (void)
{
  static const Row rows[] = {
    { "milliseconds", "250ms", 250 },
    { "seconds", "60s", 60000 },
    { "minutes", "5min", 300000 },
    { "hours", "2h", 7200000 },
    { "days", "1d", 86400000 },
    { "bare zero", "0", 0 },
    { "zero with a unit", "0s", 0 },
    { "the greatest", "9223372036854775807ms", G_MAXINT64 },
    { "too large", "9223372036854775808ms", -1 },
    { "overflow by the unit", "18446744073709551615d", -1 },
    { "no unit", "60", -1 },
    { "m may be anything", "5m", -1 },
    { "two parts", "1h30min", -1 },
    { "empty", "", -1 },
    { "negative", "-1s", -1 },
    { "blank", "1 s", -1 },
    { "never", "never", -1 },
  };

  check_rows (read_time, rows, G_N_ELEMENTS (rows));
}

static void
test_count (void)
{
  static const Row rows[] = {
    { "some", "12", 12 },        { "none", "0", 0 },          { "unit", "12K", -1 },
    { "negative", "-1", -1 },    { "empty", "", -1 },         { "blank", "1 2", -1 },
    { "too many digits", "99999999999999999999", -1 },
  };

  check_rows (read_count, rows, G_N_ELEMENTS (rows));
}

static void
test_mode (void)
{
  static const Row rows[] = {
    { "four digits", "0660", 0660 }, { "three digits", "600", 0600 }, { "all", "0777", 0777 },
    { "none", "0", 0 },              { "sticky", "1777", -1 },        { "setuid", "4755", -1 },
    { "five digits", "00660", -1 },  { "decimal", "0680", -1 },       { "empty", "", -1 },
    { "letters", "rw-rw----", -1 },  { "negative", "-660", -1 },
  };

  check_rows (read_mode, rows, G_N_ELEMENTS (rows));
}

static void
test_bool (void)
{
  static const Row rows[] = {
    { "yes", "yes", TRUE },   { "no", "no", FALSE },       { "true", "true", TRUE },
    { "false", "false", FALSE }, { "upper case", "YES", TRUE }, { "one", "1", -1 },
    { "on", "on", -1 },       { "empty", "", -1 },         { "more", "yes!", -1 },
  };

  check_rows (read_bool, rows, G_N_ELEMENTS (rows));
}

static void
test_share (void)
{
  static const Row rows[] = {
    { "percentage", "5%", -105 },  { "all", "100%", -200 },    { "nothing in per cent", "0%", 0 },
    { "size", "2K", 2048 },        { "octets", "7", 7 },       { "too much", "101%", -1 },
    { "far too much", "99999999999999999999%", -1 },           { "blank", "5 %", -1 },
    { "fraction", "0.5%", -1 },    { "sign alone", "%", -1 },  { "two signs", "5%%", -1 },
    { "empty", "", -1 },           { "with a most", "5% max 4G", -105 },
    { "no most", "5% max ", -1 },  { "most in per cent", "5% max 5%", -1 },
    { "nothing at most", "5% max 0", -1 }, { "most of nothing", "0% max 4G", -1 },
    { "most without blanks", "5%max 4G", -1 }, { "most of a size", "1M max 4G", -1 },
    { "far too much with a most", "99999999999999999999% max 4G", -1 },
  };

  check_rows (read_share, rows, G_N_ELEMENTS (rows));
}

static HfShare
share (const gchar *text)
{
  HfShare parsed = { 0, 0 };

  tap_check (text, hf_parse_share (text, &parsed, NULL));
  return parsed;
}

#define GIB (G_GUINT64_CONSTANT (1) << 30)

static void
test_share_of (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    guint64 total;
    guint64 want;
  } rows[] = {
    { "5% of 16 MiB", "5% max 4G", 16 << 20, 838860 },
    { "5% of 4 TiB is bounded", "5% max 4G", 4096 * GIB, 4 * GIB },
    { "5% of 4 TiB is not", "5%", 4096 * GIB, 4096 * GIB / 20 },
    { "all of the largest", "100%", G_MAXUINT64, G_MAXUINT64 },
    { "a size", "512M", 4096 * GIB, 512 << 20 },
    { "a size beyond the whole", "512M", 1 << 20, 1 << 20 },
    { "nothing", "0", 1 << 20, 0 },
    { "of nothing", "5%", 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    tap_check_int (rows[i].name, hf_share_of (share (rows[i].text), rows[i].total), rows[i].want);
}

static void
test_share_exceeds (void)
{
  static const struct
  {
    const gchar *a;
    const gchar *b;
    gint want;
  } rows[] = {
    { "2M", "1M", 1 },   { "1M", "1M", -1 }, { "1M", "2M", -1 },
    { "10%", "5%", 1 },  { "5%", "5%", -1 }, { "4%", "5%", -1 },
    { "10%", "5% max 4G", 1 },               { "10% max 8G", "5% max 4G", 1 },
    { "10% max 4G", "5% max 4G", -1 },       { "4% max 8G", "5% max 4G", -1 },
    { "10% max 4G", "5%", 0 },               { "10%", "1M", 0 },
    { "1M", "10%", 0 },  { "1M", "0", 1 },   { "1%", "0%", 1 },
    { "0", "0", -1 },    { "0", "1M", -1 },  { "0", "5%", -1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *name = g_strconcat (rows[i].a, " and ", rows[i].b, NULL);

      tap_check_int (name, hf_share_exceeds (share (rows[i].a), share (rows[i].b)), rows[i].want);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "size", test_size }, { "time", test_time },   { "count", test_count }, { "mode", test_mode },
    { "bool", test_bool }, { "share", test_share },
    { "share-of", test_share_of },                  { "share-exceeds", test_share_exceeds },
    { NULL, NULL },
  };

  return tap_run ("values", tests, argc, argv);
}
