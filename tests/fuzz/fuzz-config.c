/* fuzz-config.c - any octets as milter.conf: refused with a reason, or every field in its bounds
 *
 * A refusal is one line of text that begins with the file's name.  A file that
 * is taken is taken the same way with a comment behind it, and not with a
 * section twice; each key stands in the line that is told for it.
 */
#include <config.h>

#include "milter/base/config-rows.h"
#include "milter/base/config.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "m.conf"

int LLVMFuzzerInitialize (int *argc, char ***argv);

static GString *file; /* what is read */
static gsize position;
static gboolean is_control; /* the second reading gives another value: that must be reported */

static int
open_file (const char *path, int flags, mode_t mode)
{
  position = 0;
  return 1000;
}

static ssize_t
read_file (int fd, void *data, size_t size)
{
  size = MIN (size, file->len - position);
  memcpy (data, file->str + position, size);
  position += size;
  return (ssize_t) size;
}

static int
close_file (int fd)
{
  return 0;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  is_control = g_strcmp0 (g_getenv ("HOLDFAST_FUZZ_CONTROL"), "1") == 0;
  file = g_string_new (NULL);
  hf_sys.open = open_file;
  hf_sys.read = read_file;
  hf_sys.close = close_file;
  return 0;
}

static void G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN
report (const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  vfprintf (stderr, format, args);
  va_end (args);
  fputc ('\n', stderr);
  abort ();
}

/* ---- a refusal ---- */

static void
check_refusal (const GError *error)
{
  if (error == NULL || error->domain != HF_ERROR)
    report ("refused without a reason");
  if (!g_str_has_prefix (error->message, NAME ":"))
    report ("the reason does not name the file: %s", error->message);
  if (!g_utf8_validate (error->message, -1, NULL))
    report ("the reason is not UTF-8");
  for (const gchar *p = error->message; *p != '\0'; p++)
    if ((guchar) *p < ' ')
      report ("the reason has controls: %s", error->message);
}

/* ---- what is taken ---- */

static void
check_number (const HfParameter *row, gint64 value, gboolean (*parse) (const gchar *, gint64 *, GError **))
{
  gint64 bound;

  if (row->min[0] != '\0' && parse (row->min, &bound, NULL) && value < bound)
    report ("%s.%s is below %s", row->section, row->key, row->min);
  if (row->max[0] != '\0' && parse (row->max, &bound, NULL) && value > bound)
    report ("%s.%s is above %s", row->section, row->key, row->max);
}

static gboolean
parse_size (const gchar *text, gint64 *out, GError **error)
{
  guint64 value;
  const gboolean ok = hf_parse_size (text, &value, error);

  *out = ok ? (gint64) MIN (value, G_MAXINT64) : 0;
  return ok;
}

static gboolean
parse_count (const gchar *text, gint64 *out, GError **error)
{
  guint64 value;
  const gboolean ok = hf_parse_count (text, &value, error);

  *out = ok ? (gint64) MIN (value, G_MAXINT64) : 0;
  return ok;
}

static void
check_choice (const HfParameter *row, const gchar *value)
{
  g_auto (GStrv) choices = g_strsplit (row->choices, "|", -1);

  if (!g_strv_contains ((const gchar *const *) choices, value))
    report ("%s.%s is %s", row->section, row->key, value);
}

static void
check_field (const HfConfig *config, const HfParameter *row)
{
  const void *field = (const guint8 *) config + row->offset;

  switch (row->kind)
    {
    case HF_KIND_STRING:
    case HF_KIND_PATH:
      if (*(gchar *const *) field == NULL || !g_utf8_validate (*(gchar *const *) field, -1, NULL))
        report ("%s.%s is no text", row->section, row->key);
      break;
    case HF_KIND_CHOICE:
      check_choice (row, *(gchar *const *) field);
      break;
    case HF_KIND_SIZE:
      check_number (row, (gint64) MIN (*(const guint64 *) field, G_MAXINT64), parse_size);
      break;
    case HF_KIND_TIME:
      check_number (row, *(const gint64 *) field, hf_parse_time_ms);
      break;
    case HF_KIND_COUNT:
      check_number (row, (gint64) MIN (*(const guint64 *) field, G_MAXINT64), parse_count);
      break;
    case HF_KIND_MODE:
      if (*(const guint *) field > 0777)
        report ("%s.%s is no mode", row->section, row->key);
      break;
    case HF_KIND_BOOL:
      if (*(const gboolean *) field != TRUE && *(const gboolean *) field != FALSE)
        report ("%s.%s is neither yes nor no", row->section, row->key);
      break;
    case HF_KIND_SHARE:
      if (((const HfShare *) field)->percent > 100)
        report ("%s.%s is more than all", row->section, row->key);
      break;
    }
}

/* The line that is told for a key holds it. */
static void
check_line (const HfParameter *row, guint number)
{
  g_auto (GStrv) lines = g_strsplit (file->str, "\n", -1);

  if (number > g_strv_length (lines) || !g_str_has_prefix (g_strchug (lines[number - 1]), row->key))
    report ("%s.%s does not stand in line %u", row->section, row->key, number);
}

static void
tell_changed (const gchar *name, gboolean reloadable, gpointer data)
{
  report ("%s has another value when the file is read again", name);
}

/* A comment behind it changes nothing. */
static void
check_again (const HfConfig *config)
{
  const gsize size = file->len;
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) again = NULL;

  g_string_append (file, "\n# end\n");
  again = hf_config_load (NAME, &error);
  if (again == NULL)
    report ("taken, and not with a comment behind it: %s", error->message);
  if (is_control)
    again->milter_commit_limit++;
  hf_config_compare (config, again, tell_changed, NULL);
  g_string_truncate (file, size);
}

static void
check_doubled (const HfParameter *row)
{
  const gsize size = file->len;
  g_autoptr (HfConfig) doubled = NULL;

  g_string_append_printf (file, "\n[%s]\n", row->section);
  doubled = hf_config_load (NAME, NULL);
  if (doubled != NULL)
    report ("taken with section %s twice", row->section);
  g_string_truncate (file, size);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = NULL;

  g_string_truncate (file, 0);
  g_string_append_len (file, (const gchar *) data, (gssize) size);
  config = hf_config_load (NAME, &error);
  if (config == NULL)
    {
      check_refusal (error);
      return 0;
    }
  for (guint i = 0; i < hf_n_parameters; i++)
    {
      check_field (config, &hf_parameters[i]);
      if (config->lines[i] == 0)
        continue;
      check_line (&hf_parameters[i], config->lines[i]);
      check_doubled (&hf_parameters[i]);
    }
  check_again (config);
  return 0;
}
