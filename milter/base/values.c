/* values.c - sizes, times and the other kinds of value, from text; see values.h */
#include <config.h>

#include "milter/base/values.h"

#include "milter/base/error.h"

#include <string.h>

#define QUOTABLE_CHARACTERS 80

typedef struct
{
  const gchar *name;
  guint64 factor;
} Unit;

static const Unit size_units[] = {
  { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 },
};

static const Unit time_units[] = {
  { "ms", 1 },      { "s", 1000 },     { "min", 60000 },
  { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

gchar *
hf_value_quotable (const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);
  guint characters = 0;

  for (gchar *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (++characters > QUOTABLE_CHARACTERS)
        {
          g_string_append (out, "...");
          break;
        }
      g_string_append_unichar (out, g_unichar_iscntrl (c) ? '?' : c);
    }
  return g_string_free (out, FALSE);
}

/* Every refusal of a form: the text, what it is not, what would do. */
static gboolean
refuse (GError **error, const gchar *text, const gchar *wanted)
{
  g_autofree gchar *quoted = hf_value_quotable (text);
  const gchar *comment = strstr (text, " #");

  return hf_error_set (error, HF_ERROR_CONFIG, "config", "'%s' is not %s%s", quoted, wanted,
                       comment != NULL ? " (a comment needs a line of its own)" : "");
}

static gboolean
refuse_too_large (GError **error, const gchar *text)
{
  g_autofree gchar *quoted = hf_value_quotable (text);

  return hf_error_set (error, HF_ERROR_CONFIG, "config", "'%s' is too large a number", quoted);
}

typedef enum
{
  DIGITS_NONE,
  DIGITS_FIT,
  DIGITS_OVERFLOW,
} Digits;

/* Reads decimal digits; @out_rest points behind them. */
static Digits
read_digits (const gchar *text, guint64 *out_value, const gchar **out_rest)
{
  Digits result = g_ascii_isdigit (*text) ? DIGITS_FIT : DIGITS_NONE;
  guint64 value = 0;

  for (; g_ascii_isdigit (*text); text++)
    if (!g_uint64_checked_mul (&value, value, 10)
        || !g_uint64_checked_add (&value, value, (guint64) (*text - '0')))
      result = DIGITS_OVERFLOW;
  *out_value = value;
  *out_rest = text;
  return result;
}

/* A number and one of @units, which are compared without regard to case:
 * no kind of value has two units that differ in case only. */
static gboolean
parse_with_unit (const gchar *text, const Unit *units, const gchar *wanted, guint64 *out_value,
                 GError **error)
{
  const gchar *rest;
  guint64 value;
  Digits digits = read_digits (text, &value, &rest);

  if (digits == DIGITS_NONE)
    return refuse (error, text, wanted);
  while (units->name != NULL && g_ascii_strcasecmp (units->name, rest) != 0)
    units++;
  if (units->name == NULL)
    return refuse (error, text, wanted);
  if (digits == DIGITS_OVERFLOW || !g_uint64_checked_mul (&value, value, units->factor))
    return refuse_too_large (error, text);
  *out_value = value;
  return TRUE;
}

gboolean
hf_parse_size (const gchar *text, guint64 *out_bytes, GError **error)
{
  return parse_with_unit (text, size_units,
                          "a size: write octets, or a whole number with K, M or G, such as 64M",
                          out_bytes, error);
}

gboolean
hf_parse_time_ms (const gchar *text, gint64 *out_ms, GError **error)
{
  guint64 value = 0;

  if (strcmp (text, "0") != 0
      && !parse_with_unit (text, time_units,
                           "a time: write a whole number with ms, s, min, h or d, such as 30s",
                           &value, error))
    return FALSE;
  if (value > G_MAXINT64)
    return refuse_too_large (error, text);
  *out_ms = (gint64) value;
  return TRUE;
}

gboolean
hf_parse_count (const gchar *text, guint64 *out_count, GError **error)
{
  const gchar *rest;
  guint64 value;
  Digits digits = read_digits (text, &value, &rest);

  if (digits == DIGITS_NONE || *rest != '\0')
    return refuse (error, text, "a count: write a whole number");
  if (digits == DIGITS_OVERFLOW)
    return refuse_too_large (error, text);
  *out_count = value;
  return TRUE;
}

gboolean
hf_parse_mode (const gchar *text, guint *out_mode, GError **error)
{
  gsize digits = strspn (text, "01234567");
  guint mode = 0;

  if (digits == 0 || digits > 4 || text[digits] != '\0' || (digits == 4 && text[0] != '0'))
    return refuse (error, text, "a mode: write octal digits from 0000 to 0777, such as 0660");
  for (const gchar *p = text; *p != '\0'; p++)
    mode = mode << 3 | (guint) (*p - '0');
  *out_mode = mode;
  return TRUE;
}

gboolean
hf_parse_bool (const gchar *text, gboolean *out_value, GError **error)
{
  gboolean yes = g_ascii_strcasecmp (text, "yes") == 0 || g_ascii_strcasecmp (text, "true") == 0;
  gboolean no = g_ascii_strcasecmp (text, "no") == 0 || g_ascii_strcasecmp (text, "false") == 0;

  if (!yes && !no)
    return refuse (error, text, "yes or no (true and false will do as well)");
  *out_value = yes;
  return TRUE;
}

/* What follows the digits of a share: "%", or "% max " and a size. */
static gboolean
parse_percent (const gchar *text, const gchar *rest, guint64 value, HfShare *out_share, GError **error)
{
  static const gchar max[] = "% max ";
  HfShare share = { 0, (guint) value };

  if (value > 100)
    return refuse (error, text, "a share: write 0% to 100%");
  if (g_str_has_prefix (rest, max))
    {
      if (value == 0)
        return refuse (error, text, "a share: 0% needs no max");
      if (!hf_parse_size (rest + strlen (max), &share.bytes, error))
        return FALSE;
      if (share.bytes == 0)
        return refuse (error, text, "a share: with max 0 it would always be nothing");
    }
  *out_share = share;
  return TRUE;
}

gboolean
hf_parse_share (const gchar *text, HfShare *out_share, GError **error)
{
  const gchar *rest;
  HfShare share = { 0, 0 };
  guint64 value;
  Digits digits = read_digits (text, &value, &rest);

  if (digits != DIGITS_NONE && (strcmp (rest, "%") == 0 || g_str_has_prefix (rest, "% max ")))
    return parse_percent (text, rest, digits == DIGITS_OVERFLOW ? G_MAXUINT64 : value, out_share, error);
  if (!parse_with_unit (text, size_units,
                        "a size or a share: write octets, or a whole number with K, M, G or %, "
                        "such as 512M, 5% or 5% max 4G",
                        &share.bytes, error))
    return FALSE;
  *out_share = share;
  return TRUE;
}

guint64
hf_share_of (HfShare share, guint64 total)
{
  guint64 part = share.bytes;

  if (share.percent > 0)
    {
      part = total / 100 * share.percent + total % 100 * share.percent / 100;
      if (share.bytes > 0)
        part = MIN (part, share.bytes);
    }
  return MIN (part, total);
}

gint
hf_share_exceeds (HfShare a, HfShare b)
{
  if (a.percent == 0 && a.bytes == 0)
    return -1;
  if (b.percent == 0 && b.bytes == 0)
    return 1;
  if (a.percent == 0 && b.percent == 0)
    return a.bytes > b.bytes ? 1 : -1;
  if (a.percent == 0 || b.percent == 0)
    return 0;
  if (a.percent <= b.percent)
    return -1;
  if (a.bytes == 0)
    return 1;
  if (b.bytes == 0)
    return 0;
  return a.bytes > b.bytes ? 1 : -1;
}
