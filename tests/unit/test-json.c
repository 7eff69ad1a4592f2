/* test-json.c - what --json prints is JSON, whatever octets go in */
#include <config.h>

#include "milter/command/json.h"
#include "tests/unit/tap.h"

typedef struct
{
  const gchar *name;
  const gchar *octets;
  gsize length;
  const gchar *want;
} Row;

#define OCTETS(text) text, sizeof text - 1

static const Row rows[] = {
  { "plain", OCTETS ("abc"), "{\"k\":\"abc\"}" },
  { "empty", OCTETS (""), "{\"k\":\"\"}" },
  { "absent", NULL, 0, "{\"k\":null}" },
  { "quotes", OCTETS ("a\"b\\c"), "{\"k\":\"a\\\"b\\\\c\"}" },
  { "controls", OCTETS ("a\n\r\t\x01\x7f"), "{\"k\":\"a\\n\\r\\t\\u0001\\u007f\"}" },
  { "a terminal's C1", OCTETS ("\xc2\x9b[2J"), "{\"k\":\"\\u009b[2J\"}" },
  { "NUL", OCTETS ("a\0b"), "{\"k\":\"a\\u0000b\"}" },
  { "UTF-8", OCTETS ("m\xc3\xbcller\xf0\x9f\x93\xac"), "{\"k\":\"m\xc3\xbcller\xf0\x9f\x93\xac\"}" },
  { "Latin-1", OCTETS ("m\xfcller"), "{\"k\":\"m\xef\xbf\xbdller\",\"k_raw\":\"bfxsbGVy\"}" },
  { "cut off", OCTETS ("a\xe2\x82"), "{\"k\":\"a\xef\xbf\xbd\xef\xbf\xbd\",\"k_raw\":\"YeKC\"}" },
  { "surrogate", OCTETS ("\xed\xa0\x80"), "{\"k\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"k_raw\":\"7aCA\"}" },
  { "overlong", OCTETS ("\xc0\xaf"), "{\"k\":\"\xef\xbf\xbd\xef\xbf\xbd\",\"k_raw\":\"wK8=\"}" },
};

static void
test_json_octets (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (HfJson) json;

      hf_json_init (&json);
      hf_json_begin_object (&json, NULL);
      hf_json_octets (&json, "k", rows[i].octets, rows[i].length);
      hf_json_end_object (&json);
      tap_check_str (rows[i].name, json.text->str, rows[i].want);
    }
}

static void
test_json_shape (void)
{
  g_auto (HfJson) json;

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_begin_array (&json, "a");
  hf_json_int (&json, NULL, -1);
  hf_json_begin_object (&json, NULL);
  hf_json_end_object (&json);
  hf_json_string (&json, NULL, "\xff");
  hf_json_null (&json, NULL);
  hf_json_end_array (&json);
  hf_json_bool (&json, "b", TRUE);
  hf_json_uint (&json, "c", G_MAXUINT64);
  hf_json_time (&json, "t", 1795378685123);
  hf_json_time (&json, "never", -1);
  hf_json_end_object (&json);
  tap_check_str ("shape", json.text->str,
                 "{\"a\":[-1,{},\"\xef\xbf\xbd\",null],\"b\":true,\"c\":18446744073709551615,"
                 "\"t\":\"2026-11-22T20:18:05.123Z\",\"never\":null}");
}

/* Each line is a value of its own. */
static void
test_json_lines (void)
{
  g_auto (HfJson) json;
  g_autofree gchar *written = NULL;
  gsize size = 0;
  FILE *stream = open_memstream (&written, &size);

  hf_json_init (&json);
  for (guint i = 0; i < 2; i++)
    {
      hf_json_begin_object (&json, NULL);
      hf_json_uint (&json, "i", i);
      hf_json_end_object (&json);
      tap_check ("written", hf_json_write_line (&json, stream, NULL));
    }
  fclose (stream);
  tap_check_str ("lines", written, "{\"i\":0}\n{\"i\":1}\n");
}

static void
test_json_full (void)
{
  g_auto (HfJson) json;
  g_autoptr (GError) error = NULL;
  FILE *stream = fopen ("/dev/full", "w");

  hf_json_init (&json);
  setvbuf (stream, NULL, _IONBF, 0);
  hf_json_begin_object (&json, NULL);
  hf_json_end_object (&json);
  tap_check ("refused", !hf_json_write_line (&json, stream, &error));
  tap_check ("told", error != NULL);
  fclose (stream);
}

static const TapTest tests[] = {
  { "octets", test_json_octets },
  { "shape", test_json_shape },
  { "lines", test_json_lines },
  { "no room", test_json_full },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("json", tests, argc, argv);
}
