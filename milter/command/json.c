/* json.c - what --json prints: always valid JSON, whatever octets went in
 *
 * A stack of two bits a level says whether a comma and a key are due.
 * Nothing here knows what is being told; see the verbs.
 */
#include <config.h>

#include "milter/command/json.h"

#include "milter/base/error.h"

#include <errno.h>
#include <string.h>

void
hf_json_init (HfJson *self)
{
  memset (self, 0, sizeof *self);
  self->text = g_string_sized_new (256);
}

void
hf_json_clear (HfJson *self)
{
  if (self->text != NULL)
    g_string_free (self->text, TRUE);
  self->text = NULL;
}

/* The comma and the key that go before a value at the current level. */
static void
begin_value (HfJson *self, const gchar *key)
{
  g_assert ((key != NULL) == self->in_object[self->depth]);
  g_assert (self->depth > 0 || !self->has_members[0]);
  if (self->has_members[self->depth])
    g_string_append_c (self->text, ',');
  self->has_members[self->depth] = TRUE;
  if (key != NULL)
    g_string_append_printf (self->text, "\"%s\":", key);
}

static void
push (HfJson *self, const gchar *key, gboolean object)
{
  begin_value (self, key);
  g_assert (self->depth < HF_JSON_DEPTH);
  self->depth++;
  self->in_object[self->depth] = object;
  self->has_members[self->depth] = FALSE;
  g_string_append_c (self->text, object ? '{' : '[');
}

static void
pop (HfJson *self, gboolean object)
{
  g_assert (self->depth > 0 && self->in_object[self->depth] == object);
  self->depth--;
  g_string_append_c (self->text, object ? '}' : ']');
}

void
hf_json_begin_object (HfJson *self, const gchar *key)
{
  push (self, key, TRUE);
}

void
hf_json_end_object (HfJson *self)
{
  pop (self, TRUE);
}

void
hf_json_begin_array (HfJson *self, const gchar *key)
{
  push (self, key, FALSE);
}

void
hf_json_end_array (HfJson *self)
{
  pop (self, FALSE);
}

static void
append_character (GString *text, gunichar character)
{
  switch (character)
    {
    case '"':
      g_string_append (text, "\\\"");
      return;
    case '\\':
      g_string_append (text, "\\\\");
      return;
    case '\n':
      g_string_append (text, "\\n");
      return;
    case '\r':
      g_string_append (text, "\\r");
      return;
    case '\t':
      g_string_append (text, "\\t");
      return;
    default:
      break;
    }
  if (character < 0x20 || (character >= 0x7f && character <= 0x9f))
    g_string_append_printf (text, "\\u%04x", (guint)character);
  else
    g_string_append_unichar (text, character);
}

/* FALSE when an octet had to be replaced. */
static gboolean
append_octets (GString *text, const gchar *octets, gsize length)
{
  const gchar *at = octets;
  const gchar *end = octets + length;
  gboolean valid = TRUE;

  g_string_append_c (text, '"');
  while (at < end)
    {
      gunichar character = (guchar)*at;

      if (character >= 0x80)
        character = g_utf8_get_char_validated (at, end - at);
      if (character == (gunichar)-1 || character == (gunichar)-2)
        {
          g_string_append_unichar (text, 0xfffd);
          valid = FALSE;
          at++;
          continue;
        }
      append_character (text, character);
      at += character < 0x80 ? 1 : g_unichar_to_utf8 (character, NULL);
    }
  g_string_append_c (text, '"');
  return valid;
}

void
hf_json_octets (HfJson *self, const gchar *key, const gchar *octets, gsize length)
{
  g_autofree gchar *raw = NULL;

  if (octets == NULL)
    {
      hf_json_null (self, key);
      return;
    }
  begin_value (self, key);
  if (append_octets (self->text, octets, length) || key == NULL)
    return;
  raw = g_base64_encode ((const guchar *)octets, length);
  g_string_append_printf (self->text, ",\"%s_raw\":\"%s\"", key, raw);
}

void
hf_json_string (HfJson *self, const gchar *key, const gchar *value)
{
  hf_json_octets (self, key, value, value != NULL ? strlen (value) : 0);
}

void
hf_json_int (HfJson *self, const gchar *key, gint64 value)
{
  begin_value (self, key);
  g_string_append_printf (self->text, "%" G_GINT64_FORMAT, value);
}

void
hf_json_uint (HfJson *self, const gchar *key, guint64 value)
{
  begin_value (self, key);
  g_string_append_printf (self->text, "%" G_GUINT64_FORMAT, value);
}

void
hf_json_bool (HfJson *self, const gchar *key, gboolean value)
{
  begin_value (self, key);
  g_string_append (self->text, value ? "true" : "false");
}

void
hf_json_null (HfJson *self, const gchar *key)
{
  begin_value (self, key);
  g_string_append (self->text, "null");
}

void
hf_json_time (HfJson *self, const gchar *key, gint64 wall_ms)
{
  g_autoptr (GDateTime) time = NULL;
  g_autofree gchar *seconds = NULL;

  if (wall_ms >= 0)
    time = g_date_time_new_from_unix_utc (wall_ms / 1000);
  if (time == NULL)
    {
      hf_json_null (self, key);
      return;
    }
  seconds = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
  begin_value (self, key);
  g_string_append_printf (self->text, "\"%s.%03dZ\"", seconds, (gint)(wall_ms % 1000));
}

gboolean
hf_json_write_line (HfJson *self, FILE *stream, GError **error)
{
  g_assert (self->depth == 0 && self->has_members[0]);
  g_string_append_c (self->text, '\n');
  if (fwrite (self->text->str, 1, self->text->len, stream) != self->text->len)
    return hf_error_set_errno (error, errno, "output-write", "cannot write output");
  g_string_truncate (self->text, 0);
  self->has_members[0] = FALSE;
  return TRUE;
}
