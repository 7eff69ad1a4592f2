/* text.c - text for people: safe on a terminal, wrapped, numbers in groups */
#include <config.h>

#include "milter/command/text.h"

#include <string.h>

#define COLUMNS 78

static gboolean
is_safe (gunichar character)
{
  const GUnicodeType type = g_unichar_type (character);

  return g_unichar_isprint (character) && type != G_UNICODE_LINE_SEPARATOR && type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

gchar *
hf_text_safe (const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  GString *safe = g_string_sized_new (strlen (valid));

  for (const gchar *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar character = g_utf8_get_char (at);

      g_string_append_unichar (safe, is_safe (character) ? character : '?');
    }
  return g_string_free (safe, FALSE);
}

void
hf_text_wrap (FILE *stream, guint indent, const gchar *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  glong column = 0;

  for (gchar **word = words; *word != NULL; word++)
    {
      glong width = g_utf8_strlen (*word, -1);

      if (column > 0 && column + 1 + width > COLUMNS)
        {
          fputc ('\n', stream);
          column = 0;
        }
      if (column == 0)
        fprintf (stream, "%*s%s", (int)indent, "", *word);
      else
        fprintf (stream, " %s", *word);
      column += width + (column == 0 ? (glong)indent : 1);
    }
  fputc ('\n', stream);
}

gchar *
hf_text_number (guint64 number)
{
  g_autofree gchar *digits = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
  gsize length = strlen (digits);
  GString *grouped = g_string_new (NULL);

  for (gsize i = 0; i < length; i++)
    {
      if (i > 0 && (length - i) % 3 == 0)
        g_string_append_c (grouped, ',');
      g_string_append_c (grouped, digits[i]);
    }
  return g_string_free (grouped, FALSE);
}

gchar *
hf_text_count (guint64 number, const gchar *singular, const gchar *plural)
{
  g_autofree gchar *text = hf_text_number (number);

  return g_strdup_printf ("%s %s", text, number == 1 ? singular : plural);
}
