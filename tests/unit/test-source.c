/* test-source.c - lines come out of files whole, once, and with their places,
 * whatever the file is packed in and however it ends */
#include <config.h>

#include "milter/audit/source.h"
#include "milter/base/error.h"
#include "tests/unit/tap.h"

#include <glib/gstdio.h>
#include <lzma.h>
#include <unistd.h>
#include <zlib.h>

static gchar *scratch;

static gchar *
write_file (const gchar *name, const void *data, gsize length)
{
  gchar *path = g_build_filename (scratch, name, NULL);

  tap_check (name, g_file_set_contents (path, data, (gssize) length, NULL));
  return path;
}

/* Each line as "NUMBER@OFFSET:TEXT", then how it ended. */
static gchar *
tell (const gchar *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfSource) source = hf_source_open (path, &error);
  g_autoptr (GString) told = g_string_new (NULL);
  HfSourceLine line;

  if (source == NULL)
    return g_strdup_printf ("not opened: %d", error->code);
  while (hf_source_next (source, &line, &error))
    g_string_append_printf (told, "%u@%" G_GUINT64_FORMAT ":%.*s%s%s\n", line.line, line.offset,
                            (gint) MIN (line.raw.length, 20), line.raw.at, line.cut ? " cut" : "",
                            line.unterminated ? " unterminated" : "");
  if (error != NULL)
    g_string_append_printf (told, "error %d\n", error->code);
  return g_string_free (g_steal_pointer (&told), FALSE);
}

typedef struct
{
  const gchar *name;
  const gchar *text;
  const gchar *want;
} Row;

static const Row rows[] = {
  { "empty", "", "" },
  { "one line", "a\n", "1@0:a\n" },
  { "two lines", "a\nbc\n", "1@0:a\n2@2:bc\n" },
  { "CRLF", "a\r\nb\r\n", "1@0:a\n2@3:b\n" },
  { "CR within", "a\rb\n", "1@0:a\rb\n" },
  { "no last newline", "a\nb", "1@0:a\n2@2:b unterminated\n" },
  { "only a newline", "\n", "1@0:\n" },
  { "empty lines", "a\n\n\nb\n", "1@0:a\n2@2:\n3@3:\n4@4:b\n" },
};

static GByteArray *
pack_gzip (const void *data, gsize length)
{
  GByteArray *packed = g_byte_array_new ();
  z_stream stream = { 0 };
  union
  {
    const void *given;
    Bytef *wanted;
  } in = { data };

  deflateInit2 (&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  g_byte_array_set_size (packed, (guint) deflateBound (&stream, length) + 64);
  stream.next_in = in.wanted;
  stream.avail_in = (uInt) length;
  stream.next_out = packed->data;
  stream.avail_out = packed->len;
  deflate (&stream, Z_FINISH);
  g_byte_array_set_size (packed, (guint) stream.total_out);
  deflateEnd (&stream);
  return packed;
}

static GByteArray *
pack_xz (const void *data, gsize length)
{
  GByteArray *packed = g_byte_array_new ();
  gsize used = 0;

  g_byte_array_set_size (packed, (guint) lzma_stream_buffer_bound (length));
  lzma_easy_buffer_encode (6, LZMA_CHECK_CRC64, NULL, data, length, packed->data, &used, packed->len);
  g_byte_array_set_size (packed, (guint) used);
  return packed;
}

static void
test_source_forms (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gsize length = strlen (rows[i].text);
      g_autoptr (GByteArray) gzip = pack_gzip (rows[i].text, length);
      g_autoptr (GByteArray) xz = pack_xz (rows[i].text, length);
      g_autofree gchar *plain_path = write_file ("plain", rows[i].text, length);
      g_autofree gchar *gzip_path = write_file ("gzip", gzip->data, gzip->len);
      g_autofree gchar *xz_path = write_file ("xz", xz->data, xz->len);
      g_autofree gchar *from_plain = tell (plain_path);
      g_autofree gchar *from_gzip = tell (gzip_path);
      g_autofree gchar *from_xz = tell (xz_path);

      tap_check_str (rows[i].name, from_plain, rows[i].want);
      tap_check_str (rows[i].name, from_gzip, rows[i].want);
      tap_check_str (rows[i].name, from_xz, rows[i].want);
    }
}

/* Many lines, so that each buffer is refilled in the middle of one. */
static GString *
many_lines (guint number)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < number; i++)
    g_string_append_printf (text, "%u:%*s\n", i, (gint) (i * 37 % 200), "x");
  return text;
}

static void
check_many (const gchar *name, const gchar *path, const GString *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfSource) source = hf_source_open (path, &error);
  HfSourceLine line;
  guint64 expected = 0;
  gboolean same = TRUE;

  while (hf_source_next (source, &line, &error))
    {
      same = same && line.offset == expected
             && memcmp (text->str + expected, line.raw.at, line.raw.length) == 0
             && text->str[expected + line.raw.length] == '\n';
      expected += line.raw.length + 1;
    }
  tap_check (name, same);
  tap_check (name, error == NULL);
  tap_check_int (name, expected, text->len);
}

static void
test_source_many (void)
{
  g_autoptr (GString) text = many_lines (20000);
  g_autoptr (GByteArray) gzip = pack_gzip (text->str, text->len);
  g_autoptr (GByteArray) second = pack_gzip ("z\n", 2);
  g_autoptr (GByteArray) xz = pack_xz (text->str, text->len);
  g_autofree gchar *plain_path = write_file ("plain", text->str, text->len);
  g_autofree gchar *gzip_path = write_file ("gzip", gzip->data, gzip->len);
  g_autofree gchar *xz_path = write_file ("xz", xz->data, xz->len);
  g_autofree gchar *members_path = NULL;

  check_many ("plain", plain_path, text);
  check_many ("gzip", gzip_path, text);
  check_many ("xz", xz_path, text);
  g_byte_array_append (gzip, second->data, second->len);
  g_string_append (text, "z\n");
  members_path = write_file ("members", gzip->data, gzip->len);
  check_many ("two members", members_path, text);
}

static void
test_source_damage (void)
{
  g_autoptr (GString) text = many_lines (2000);
  g_autoptr (GByteArray) gzip = pack_gzip (text->str, text->len);
  g_autoptr (GByteArray) xz = pack_xz (text->str, text->len);
  g_autofree gchar *early_gzip = write_file ("early.gz", gzip->data, gzip->len - 20);
  g_autofree gchar *early_xz = write_file ("early.xz", xz->data, xz->len - 20);
  g_autofree gchar *bad_gzip = NULL;
  const gchar *paths[] = { early_gzip, early_xz, NULL, NULL };

  gzip->data[gzip->len / 2] ^= 0x55;
  gzip->data[gzip->len / 2 + 1] ^= 0x55;
  bad_gzip = write_file ("bad.gz", gzip->data, gzip->len);
  paths[2] = bad_gzip;
  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autofree gchar *told = tell (paths[i]);
      g_autofree gchar *want = g_strdup_printf ("error %d\n", HF_ERROR_CORRUPT);

      tap_check (paths[i], g_str_has_suffix (told, want));
      tap_check (paths[i], g_str_has_prefix (told, "1@0:0:"));
    }
}

/* A line too long is cut, and what was cut off is not taken for another line. */
static void
test_source_long (void)
{
  g_autoptr (GString) text = g_string_new ("before\n");
  g_autofree gchar *path = NULL;
  g_autofree gchar *told = NULL;
  g_autofree gchar *want = NULL;

  for (guint i = 0; i < 3 * HF_SOURCE_LINE_MAX; i++)
    g_string_append_c (text, 'x');
  g_string_append (text, "\nafter\n");
  path = write_file ("long", text->str, text->len);
  told = tell (path);
  want = g_strdup_printf ("1@0:before\n2@7:xxxxxxxxxxxxxxxxxxxx cut\n3@%u:after\n", 7 + 3 * HF_SOURCE_LINE_MAX + 1);
  tap_check_str ("long", told, want);
}

static void
test_source_open (void)
{
  g_autofree gchar *missing = g_build_filename (scratch, "missing", NULL);
  g_autofree gchar *told_missing = tell (missing);
  g_autofree gchar *told_directory = tell (scratch);
  g_autofree gchar *want_missing = g_strdup_printf ("not opened: %d", HF_ERROR_NOT_FOUND);
  g_autofree gchar *want_directory = g_strdup_printf ("not opened: %d", HF_ERROR_IO);

  tap_check_str ("missing", told_missing, want_missing);
  tap_check_str ("directory", told_directory, want_directory);
}

static const TapTest tests[] = {
  { "forms", test_source_forms },
  { "many lines", test_source_many },
  { "damage", test_source_damage },
  { "long lines", test_source_long },
  { "open", test_source_open },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  static const gchar *const files[] = { "plain", "gzip", "xz", "members", "early.gz", "early.xz", "bad.gz", "long" };
  int code;

  scratch = g_dir_make_tmp ("holdfast-source-XXXXXX", NULL);
  code = tap_run ("source", tests, argc, argv);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree gchar *path = g_build_filename (scratch, files[i], NULL);

      g_unlink (path);
    }
  g_rmdir (scratch);
  g_free (scratch);
  return code;
}
