/* config.c - milter.conf, parsed and checked; see config.h
 *
 * One loop over the rows of parameters.h parses and checks; the value of a
 * row is set through its offset in HfConfig.  Defaults go the same way, so
 * that a row with a default out of its own bounds can't be built in unseen.
 * Lines and names: config-scan.c.  Forms of values: values.c.
 */
#include <config.h>

#include "milter/base/config.h"

#include "milter/base/config-check.h"
#include "milter/base/config-rows.h"
#include "milter/base/config-scan.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Far above any file made by hand, far below what would hurt. */
#define MAX_FILE_BYTES (1 << 20)

#define FIELD(config, row, type) (*(type *) G_STRUCT_MEMBER_P (config, (row)->offset))
#define CONST_FIELD(config, row, type) (*(type const *) const_field (config, row))

static gconstpointer
const_field (const HfConfig *self, const HfParameter *row)
{
  return (const guint8 *) self + row->offset;
}

static gboolean
is_text_kind (HfKind kind)
{
  return kind == HF_KIND_STRING || kind == HF_KIND_PATH || kind == HF_KIND_CHOICE;
}

static gboolean
refuse_value (GError **error, const gchar *value, const gchar *reason)
{
  g_autofree gchar *quoted = hf_value_quotable (value);

  return hf_error_set (error, HF_ERROR_CONFIG, "config", "'%s' %s", quoted, reason);
}

static gboolean
check_choice (const HfParameter *row, const gchar *value, GError **error)
{
  g_auto (GStrv) choices = g_strsplit (row->choices, "|", -1);
  g_autofree gchar *list = g_strjoinv (", ", choices);
  g_autofree gchar *reason = g_strconcat ("is not one of: ", list, NULL);

  return g_strv_contains ((const gchar *const *) choices, value)
         || refuse_value (error, value, reason);
}

static gboolean
check_text (const HfParameter *row, const gchar *value, GError **error)
{
  for (const gchar *p = value; *p != '\0'; p = g_utf8_find_next_char (p, NULL))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return refuse_value (error, value, "holds a control character");
  if (row->kind == HF_KIND_PATH && *value != '\0' && *value != '/')
    return refuse_value (error, value, "is not an absolute path: it must begin with '/'");
  return row->kind != HF_KIND_CHOICE || check_choice (row, value, error);
}

/* -1, 0 or 1 as @value lies below @bound, at it or above it; 0 when the two
 * can't be compared: a size with a share. */
static gint
compare_with_bound (const HfParameter *row, gconstpointer value, const gchar *bound)
{
  guint64 limit = 0;
  gint64 limit_ms = 0;
  HfShare share = { 0, 0 };

  switch (row->kind)
    {
    case HF_KIND_SIZE:
    case HF_KIND_COUNT:
      if (!hf_parse_size (bound, &limit, NULL))
        g_error ("bad bound '%s' of %s.%s", bound, row->section, row->key);
      return *(const guint64 *) value < limit ? -1 : *(const guint64 *) value > limit;
    case HF_KIND_TIME:
      if (!hf_parse_time_ms (bound, &limit_ms, NULL))
        g_error ("bad bound '%s' of %s.%s", bound, row->section, row->key);
      return *(const gint64 *) value < limit_ms ? -1 : *(const gint64 *) value > limit_ms;
    case HF_KIND_SHARE:
      if (!hf_parse_share (bound, &share, NULL))
        g_error ("bad bound '%s' of %s.%s", bound, row->section, row->key);
      const HfShare *own = value;
      if ((own->percent != 0) != (share.percent != 0))
        return 0;
      if (own->percent != 0)
        return own->percent < share.percent ? -1 : own->percent > share.percent;
      return own->bytes < share.bytes ? -1 : own->bytes > share.bytes;
    default:
      return 0;
    }
}

static gboolean
check_bounds (const HfParameter *row, const gchar *value, gconstpointer parsed, GError **error)
{
  gboolean low = *row->min != '\0' && compare_with_bound (row, parsed, row->min) < 0;
  gboolean high = *row->max != '\0' && compare_with_bound (row, parsed, row->max) > 0;
  g_autofree gchar *bounds = hf_parameter_bounds (row);
  g_autofree gchar *reason = NULL;

  if (!low && !high)
    return TRUE;
  reason = g_strdup_printf ("is too %s: allowed is %s", low ? "small" : "large", bounds);
  return refuse_value (error, value, reason);
}

/* Parses @value into the field of @row; the field is untouched on FALSE. */
static gboolean
set_field (HfConfig *self, const HfParameter *row, const gchar *value, GError **error)
{
  guint64 number;
  gint64 time_ms;
  HfShare share;

  switch (row->kind)
    {
    case HF_KIND_STRING:
    case HF_KIND_PATH:
    case HF_KIND_CHOICE:
      if (!check_text (row, value, error))
        return FALSE;
      g_free (FIELD (self, row, gchar *));
      FIELD (self, row, gchar *) = g_strdup (value);
      return TRUE;
    case HF_KIND_SIZE:
    case HF_KIND_COUNT:
      if (!(row->kind == HF_KIND_SIZE ? hf_parse_size : hf_parse_count) (value, &number, error)
          || !check_bounds (row, value, &number, error))
        return FALSE;
      FIELD (self, row, guint64) = number;
      return TRUE;
    case HF_KIND_TIME:
      if (!hf_parse_time_ms (value, &time_ms, error) || !check_bounds (row, value, &time_ms, error))
        return FALSE;
      FIELD (self, row, gint64) = time_ms;
      return TRUE;
    case HF_KIND_MODE:
      return hf_parse_mode (value, &FIELD (self, row, guint), error);
    case HF_KIND_BOOL:
      return hf_parse_bool (value, &FIELD (self, row, gboolean), error);
    case HF_KIND_SHARE:
      if (!hf_parse_share (value, &share, error) || !check_bounds (row, value, &share, error))
        return FALSE;
      FIELD (self, row, HfShare) = share;
      return TRUE;
    }
  g_assert_not_reached ();
}

HfConfig *
hf_config_new_default (void)
{
  HfConfig *self = g_new0 (HfConfig, 1);

  self->lines = g_new0 (guint, hf_n_parameters);
  for (guint i = 0; i < hf_n_parameters; i++)
    {
      g_autoptr (GError) error = NULL;

      if (!set_field (self, &hf_parameters[i], hf_parameters[i].dflt, &error))
        g_error ("default of %s.%s: %s", hf_parameters[i].section, hf_parameters[i].key,
                 error->message);
    }
  return self;
}

void
hf_config_free (HfConfig *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < hf_n_parameters; i++)
    if (is_text_kind (hf_parameters[i].kind))
      g_free (FIELD (self, &hf_parameters[i], gchar *));
  g_free (self->path);
  g_free (self->lines);
  g_free (self);
}

static GString *
read_file (const gchar *path, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  int fd = hf_sys.open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
  gchar part[4096];
  ssize_t n = 0;

  if (fd < 0)
    {
      hf_error_set_errno (error, errno, "config", "%s: cannot open the configuration", path);
      return NULL;
    }
  while (text->len <= MAX_FILE_BYTES)
    {
      n = hf_sys.read (fd, part, sizeof part);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      g_string_append_len (text, part, n);
    }
  if (n < 0 && errno == EISDIR)
    hf_config_line_error (path, 0, error, "this is a directory; a configuration file is needed");
  else if (n < 0)
    hf_error_set_errno (error, errno, "config", "%s: cannot read the configuration", path);
  else if (n > 0)
    hf_config_line_error (path, 0, error, "larger than %d octets: this is no configuration",
                          MAX_FILE_BYTES);
  hf_sys_close (&fd);
  return n == 0 ? g_steal_pointer (&text) : NULL;
}

/* Takes the value of one row from the file, which has it.  The raw value is
 * asked for: a backslash stands for itself. */
static gboolean
take_value (HfConfig *self, const HfParameter *row, GKeyFile *file, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree gchar *value = g_key_file_get_value (file, row->section, row->key, &reason);

  if (value != NULL && *g_strstrip (value) == '\0' && is_text_kind (row->kind))
    return TRUE;
  if (value == NULL || !set_field (self, row, value, &reason))
    return hf_config_error (self, row->section, row->key, error, "%s", reason->message);
  return TRUE;
}

HfConfig *
hf_config_load (const gchar *path, GError **error)
{
  const gchar *name = path != NULL ? path : HF_CONFIG_DEFAULT_PATH;
  g_autoptr (HfConfig) self = hf_config_new_default ();
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GString) text = read_file (name, error);
  g_autoptr (GError) reason = NULL;

  if (text == NULL || !hf_config_scan (name, text->str, text->len, self->lines, error))
    return NULL;
  self->path = g_strdup (name);
  if (!g_key_file_load_from_data (file, text->str, text->len, G_KEY_FILE_NONE, &reason))
    {
      hf_config_line_error (name, 0, error, "%s", reason->message);
      return NULL;
    }
  for (guint i = 0; i < hf_n_parameters; i++)
    if (self->lines[i] != 0 && !take_value (self, &hf_parameters[i], file, error))
      return NULL;
  hf_config_derive (self);
  return hf_config_check (self, error) ? g_steal_pointer (&self) : NULL;
}

gboolean
hf_config_error (const HfConfig *self, const gchar *section, const gchar *key, GError **error,
                 const gchar *format, ...)
{
  const gchar *path = self->path != NULL ? self->path : "built-in default";
  gint row = hf_parameter_find (section, key);
  g_autofree gchar *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  return hf_config_line_error (path, row >= 0 ? self->lines[row] : 0, error, "[%s] %s: %s",
                               section, key, message);
}

static gboolean
is_same (const HfParameter *row, const HfConfig *a, const HfConfig *b)
{
  switch (row->kind)
    {
    case HF_KIND_STRING:
    case HF_KIND_PATH:
    case HF_KIND_CHOICE:
      return strcmp (CONST_FIELD (a, row, gchar *), CONST_FIELD (b, row, gchar *)) == 0;
    case HF_KIND_SIZE:
    case HF_KIND_COUNT:
      return CONST_FIELD (a, row, guint64) == CONST_FIELD (b, row, guint64);
    case HF_KIND_TIME:
      return CONST_FIELD (a, row, gint64) == CONST_FIELD (b, row, gint64);
    case HF_KIND_MODE:
      return CONST_FIELD (a, row, guint) == CONST_FIELD (b, row, guint);
    case HF_KIND_BOOL:
      return CONST_FIELD (a, row, gboolean) == CONST_FIELD (b, row, gboolean);
    case HF_KIND_SHARE:
      return CONST_FIELD (a, row, HfShare).bytes == CONST_FIELD (b, row, HfShare).bytes
             && CONST_FIELD (a, row, HfShare).percent == CONST_FIELD (b, row, HfShare).percent;
    }
  g_assert_not_reached ();
}

void
hf_config_compare (const HfConfig *before, const HfConfig *after, HfConfigChanged changed,
                   gpointer data)
{
  for (guint i = 0; i < hf_n_parameters; i++)
    {
      const HfParameter *row = &hf_parameters[i];
      g_autofree gchar *name = NULL;

      if (is_same (row, before, after))
        continue;
      name = g_strconcat (row->section, ".", row->key, NULL);
      changed (name, row->reload, data);
    }
}
