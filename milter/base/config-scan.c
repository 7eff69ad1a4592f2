/* config-scan.c - where things stand in milter.conf; see config-scan.h */
#include <config.h>

#include "milter/base/config-scan.h"

#include "milter/base/config-rows.h"
#include "milter/base/error.h"
#include "milter/base/values.h"

#include <string.h>

typedef struct
{
  const gchar *path;
  guint line;
  gchar *section;       /* NULL before the first one */
  GHashTable *sections; /* name → line of its header */
  guint *lines;         /* by row */
} Scan;

gboolean
hf_config_line_error (const gchar *path, guint line, GError **error, const gchar *format, ...)
{
  g_autofree gchar *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  if (line == 0)
    return hf_error_set (error, HF_ERROR_CONFIG, "config", "%s: %s", path, message);
  return hf_error_set (error, HF_ERROR_CONFIG, "config", "%s:%u: %s", path, line, message);
}

static guint
line_of (const gchar *text, const gchar *at)
{
  guint line = 1;

  for (const gchar *p = text; p < at; p++)
    line += *p == '\n';
  return line;
}

/* A control that is not the end of a line: GKeyFile does not take all of them
 * for blanks, and would tell of one without a line. */
static const gchar *
find_control (const gchar *text)
{
  for (const gchar *p = text; *p != '\0'; p++)
    if ((guchar) *p < ' ' && *p != '\t' && *p != '\n' && !(*p == '\r' && p[1] == '\n'))
      return p;
  return NULL;
}

/* The octets, before anything is made of them. */
static gboolean
check_octets (const gchar *path, const gchar *text, gsize length, GError **error)
{
  const gchar *bad = memchr (text, '\0', length);

  if (bad != NULL)
    return hf_config_line_error (path, line_of (text, bad), error,
                                 "a NUL octet: this is not a text file");
  if (!g_utf8_validate (text, (gssize) length, &bad))
    return hf_config_line_error (path, line_of (text, bad), error,
                                 "octet 0x%02x is not UTF-8", (guint) (guchar) *bad);
  if (g_str_has_prefix (text, "\xef\xbb\xbf"))
    return hf_config_line_error (path, 1, error,
                                 "the file starts with a byte order mark: save it without one");
  bad = find_control (text);
  if (bad != NULL)
    return hf_config_line_error (path, line_of (text, bad), error,
                                 "octet 0x%02x is a control: a line may hold blanks and tabs", (guint) *bad);
  return TRUE;
}

static gboolean
unknown_section (const Scan *scan, const gchar *name, GError **error)
{
  g_autofree gchar *quoted = hf_value_quotable (name);
  g_autofree gchar *all = hf_parameter_list (NULL);
  gint near = hf_parameter_nearest_section (name);

  if (near >= 0)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "unknown section [%s]; did you mean [%s]?", quoted,
                                 hf_parameters[near].section);
  return hf_config_line_error (scan->path, scan->line, error,
                               "unknown section [%s]; there are: %s", quoted, all);
}

static gboolean
unknown_key (const Scan *scan, const gchar *key, GError **error)
{
  g_autofree gchar *quoted = hf_value_quotable (key);
  g_autofree gchar *all = hf_parameter_list (scan->section);
  gint row = hf_parameter_find_key (key);
  gint near = hf_parameter_nearest_key (scan->section, key);
  gint far = hf_parameter_nearest_key (NULL, key);

  if (row >= 0)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "unknown key '%s' in [%s]; it belongs to [%s]", quoted,
                                 scan->section, hf_parameters[row].section);
  if (near >= 0)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "unknown key '%s' in [%s]; did you mean '%s'?", quoted,
                                 scan->section, hf_parameters[near].key);
  if (far >= 0)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "unknown key '%s' in [%s]; did you mean '%s' of [%s]?", quoted,
                                 scan->section, hf_parameters[far].key,
                                 hf_parameters[far].section);
  return hf_config_line_error (scan->path, scan->line, error,
                               "unknown key '%s' in [%s]; there are: %s", quoted, scan->section,
                               all);
}

static gboolean
key_before_section (const Scan *scan, const gchar *key, GError **error)
{
  g_autofree gchar *quoted = hf_value_quotable (key);
  gint row = hf_parameter_find_key (key);

  if (row >= 0)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "key '%s' stands before any section; it belongs to [%s]", quoted,
                                 hf_parameters[row].section);
  return hf_config_line_error (scan->path, scan->line, error,
                               "key '%s' stands before any section, and is unknown", quoted);
}

/* @line begins with '['. */
static gboolean
scan_section (Scan *scan, const gchar *line, GError **error)
{
  const gchar *end = strchr (line, ']');
  g_autofree gchar *quoted = hf_value_quotable (line);
  g_autofree gchar *name = NULL;
  guint before;

  if (end == NULL || end[1] != '\0')
    return hf_config_line_error (scan->path, scan->line, error,
                                 "'%s' is not a section: write [name] and nothing behind it",
                                 quoted);
  name = g_strndup (line + 1, (gsize) (end - line - 1));
  if (!hf_parameter_has_section (name))
    return unknown_section (scan, name, error);
  before = GPOINTER_TO_UINT (g_hash_table_lookup (scan->sections, name));
  if (before != 0)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "section [%s] comes twice; the first is in line %u", name,
                                 before);
  g_hash_table_insert (scan->sections, g_strdup (name), GUINT_TO_POINTER (scan->line));
  g_free (scan->section);
  scan->section = g_steal_pointer (&name);
  return TRUE;
}

static gboolean
scan_key (Scan *scan, const gchar *line, GError **error)
{
  const gchar *equals = strchr (line, '=');
  g_autofree gchar *quoted = hf_value_quotable (line);
  g_autofree gchar *key = NULL;
  gint row;

  if (equals == NULL)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "'%s' has no '=': write key = value, [section] or # comment",
                                 quoted);
  key = g_strchomp (g_strndup (line, (gsize) (equals - line)));
  if (*key == '\0')
    return hf_config_line_error (scan->path, scan->line, error, "no key before the '='");
  if (scan->section == NULL)
    return key_before_section (scan, key, error);
  row = hf_parameter_find (scan->section, key);
  if (row < 0)
    return unknown_key (scan, key, error);
  if (scan->lines[row] != 0)
    return hf_config_line_error (scan->path, scan->line, error,
                                 "key '%s' of [%s] comes twice; the first is in line %u", key,
                                 scan->section, scan->lines[row]);
  scan->lines[row] = scan->line;
  return TRUE;
}

static gboolean
scan_line (Scan *scan, gchar *line, GError **error)
{
  g_strstrip (line);
  if (*line == '\0' || *line == '#')
    return TRUE;
  if (*line == '[')
    return scan_section (scan, line, error);
  return scan_key (scan, line, error);
}

gboolean
hf_config_scan (const gchar *path, const gchar *text, gsize length, guint *out_lines,
                GError **error)
{
  g_autoptr (GHashTable) sections = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Scan scan = { .path = path, .sections = sections, .lines = out_lines };
  g_auto (GStrv) lines = NULL;
  gboolean ok = TRUE;

  if (!check_octets (path, text, length, error))
    return FALSE;
  memset (out_lines, 0, hf_n_parameters * sizeof *out_lines);
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; ok && lines[i] != NULL; i++)
    {
      scan.line = i + 1;
      ok = scan_line (&scan, lines[i], error);
    }
  g_free (scan.section);
  return ok;
}
