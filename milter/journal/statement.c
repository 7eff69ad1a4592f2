/* statement.c - Holdfast's own lines in the journal; see statement.h */
#include <config.h>

#include "milter/journal/statement.h"

#include <string.h>
#include <time.h>

static const gchar upper_hex[] = "0123456789ABCDEF";

static gboolean
is_xchar (guchar c)
{
  return c >= 33 && c <= 126 && c != '+' && c != '=';
}

/* How many octets at the beginning of @value stand for themselves. */
static gsize
plain_size (const gchar *value, gsize size)
{
  gsize i = 0;

  while (i < size && is_xchar ((guchar) value[i]))
    i++;
  return i;
}

static void
append_escaped (GString *out, guchar c)
{
  const gchar text[] = { '+', upper_hex[c >> 4], upper_hex[c & 15] };

  g_string_append_len (out, text, sizeof text);
}

/* Appends octets of @value until one of them might not fit into @room any more.
 * Returns how many. */
static gsize
append_some (GString *out, const gchar *value, gsize size, gsize room)
{
  const gsize end = out->len + room;
  gsize i = 0;

  while (i < size && end - out->len >= 3)
    {
      const gsize plain = plain_size (value + i, MIN (size - i, end - out->len - 2));

      g_string_append_len (out, value + i, (gssize) plain);
      i += plain;
      if (i < size && end - out->len >= 3)
        append_escaped (out, (guchar) value[i++]);
    }
  return i;
}

void
hf_xtext_append (GString *out, const gchar *value, gsize size)
{
  append_some (out, value, size, 3 * size);
}

void
hf_statement_begin (HfStatementBuilder *self, GString *out, const gchar *kind)
{
  self->out = out;
  self->line_start = out->len;
  g_string_append (out, HF_STATEMENT_PREFIX);
  g_string_append (out, kind);
}

/* Octets that the line still takes before its CRLF. */
static gsize
room (const HfStatementBuilder *self)
{
  return HF_STATEMENT_LINE_MAX - 2 - (self->out->len - self->line_start);
}

void
hf_statement_new_line (HfStatementBuilder *self)
{
  g_string_append (self->out, "\r\n");
  self->line_start = self->out->len;
  /* without the blank: each pair brings its own */
  g_string_append_len (self->out, HF_STATEMENT_MORE, sizeof HF_STATEMENT_MORE - 2);
}

void
hf_statement_add (HfStatementBuilder *self, const gchar *key, const gchar *value, gssize size)
{
  const gsize key_size = strlen (key);
  gsize total, i = 0;

  if (value == NULL)
    return;
  total = size < 0 ? strlen (value) : (gsize) size;
  /* A short value stays whole, for the person who reads it. */
  if (room (self) < 1 + key_size + 1 + 3 * MIN (total, 40))
    hf_statement_new_line (self);
  g_string_append_c (self->out, ' ');
  g_string_append (self->out, key);
  g_string_append_c (self->out, '=');
  while ((i += append_some (self->out, value + i, total - i, room (self))) < total)
    {
      hf_statement_new_line (self);
      g_string_append_c (self->out, ' ');
      g_string_append (self->out, key);
      g_string_append (self->out, "+=");
    }
}

void
hf_statement_add_number (HfStatementBuilder *self, const gchar *key, guint64 number)
{
  gchar text[24];

  g_snprintf (text, sizeof text, "%" G_GUINT64_FORMAT, number);
  hf_statement_add (self, key, text, -1);
}

void
hf_statement_end (HfStatementBuilder *self)
{
  g_string_append (self->out, "\r\n");
}

void
hf_statement_init (HfStatement *self)
{
  self->text = g_string_new (NULL);
  self->pairs = g_array_new (FALSE, FALSE, sizeof (HfPair));
}

void
hf_statement_clear (HfStatement *self)
{
  if (self->text != NULL)
    g_string_free (self->text, TRUE);
  if (self->pairs != NULL)
    g_array_unref (self->pairs);
  self->text = NULL;
  self->pairs = NULL;
}

static gint
hex_value (gchar c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

gboolean
hf_xtext_decode (GString *out, const gchar *value, gsize size)
{
  for (gsize i = plain_size (value, size), done = 0;; i += plain_size (value + i, size - i))
    {
      gint high, low;

      g_string_append_len (out, value + done, (gssize) (i - done));
      if (i == size)
        return TRUE;
      if (value[i] != '+' || size - i < 3 || (high = hex_value (value[i + 1])) < 0 || (low = hex_value (value[i + 2])) < 0)
        return FALSE;
      g_string_append_c (out, (gchar) (high << 4 | low));
      i += 3;
      done = i;
    }
}

/* `key+=value`: the pair must be the last one, whose value still ends the text. */
static gboolean
extend_last (HfStatement *self, const gchar *key, gsize key_size, const gchar *value, gsize size)
{
  HfPair *last;

  if (self->pairs->len == 0)
    return FALSE;
  last = &g_array_index (self->pairs, HfPair, self->pairs->len - 1);
  if (strncmp (self->text->str + last->key, key, key_size) != 0 || self->text->str[last->key + key_size] != '\0')
    return FALSE;
  g_string_truncate (self->text, self->text->len - 1);
  if (!hf_xtext_decode (self->text, value, size))
    return FALSE;
  last->size = self->text->len - last->value;
  g_string_append_c (self->text, '\0');
  return TRUE;
}

static gboolean
add_pair (HfStatement *self, const gchar *word, gsize size)
{
  const gchar *equals = memchr (word, '=', size);
  HfPair pair;
  gsize key_size;

  if (equals == NULL || equals == word)
    return FALSE;
  key_size = (gsize) (equals - word);
  if (word[key_size - 1] == '+')
    return extend_last (self, word, key_size - 1, equals + 1, size - key_size - 1);
  pair.key = self->text->len;
  g_string_append_len (self->text, word, (gssize) key_size);
  g_string_append_c (self->text, '\0');
  pair.value = self->text->len;
  if (!hf_xtext_decode (self->text, equals + 1, size - key_size - 1))
    return FALSE;
  pair.size = self->text->len - pair.value;
  g_string_append_c (self->text, '\0');
  g_array_append_val (self->pairs, pair);
  return TRUE;
}

gboolean
hf_statement_read_line (HfStatement *self, const gchar *line, gsize size, gboolean more)
{
  const gchar *end = line + size;
  const gchar *word;

  /* keys are kept NUL-terminated: one that holds a NUL would be compared past its end */
  if (size + 2 > HF_STATEMENT_LINE_MAX || size < strlen (HF_STATEMENT_PREFIX)
      || memcmp (line, HF_STATEMENT_PREFIX, strlen (HF_STATEMENT_PREFIX)) != 0 || memchr (line, '\0', size) != NULL)
    return FALSE;
  if (!more)
    {
      g_string_truncate (self->text, 0);
      g_array_set_size (self->pairs, 0);
    }
  word = memchr (line + strlen (HF_STATEMENT_PREFIX), ' ', size - strlen (HF_STATEMENT_PREFIX));
  while (word != NULL)
    {
      const gchar *next;

      word++;
      next = memchr (word, ' ', (gsize) (end - word));
      if (!add_pair (self, word, (gsize) ((next != NULL ? next : end) - word)))
        return FALSE;
      word = next;
    }
  return TRUE;
}

const gchar *
hf_statement_get_sized (const HfStatement *self, const gchar *key, gsize *out_size)
{
  for (guint i = 0; i < self->pairs->len; i++)
    {
      const HfPair *pair = &g_array_index (self->pairs, HfPair, i);

      if (strcmp (self->text->str + pair->key, key) == 0)
        {
          *out_size = pair->size;
          return self->text->str + pair->value;
        }
    }
  return NULL;
}

const gchar *
hf_statement_get (const HfStatement *self, const gchar *key)
{
  gsize size;

  return hf_statement_get_sized (self, key, &size);
}

gboolean
hf_statement_get_number (const HfStatement *self, const gchar *key, guint64 *out_number)
{
  gsize size;
  const gchar *text = hf_statement_get_sized (self, key, &size);

  return text != NULL && strlen (text) == size && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, out_number, NULL);
}

#define LAST_MS G_GINT64_CONSTANT (253402300799999) /* of the year 9999 */

void
hf_time_format (gint64 wall_ms, gchar out_text[25])
{
  const gint64 bounded_ms = CLAMP (wall_ms, 0, LAST_MS);
  const time_t seconds = (time_t) (bounded_ms / 1000);
  struct tm tm;

  gmtime_r (&seconds, &tm);
  g_snprintf (out_text, 25, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
              tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) (bounded_ms % 1000));
}

gboolean
hf_time_parse (const gchar *text, gint64 *out_wall_ms)
{
  static const gchar form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
  gint n[7] = { 0 };
  gint field = 0;
  struct tm tm = { 0 };
  gchar again[25];

  if (strlen (text) != strlen (form))
    return FALSE;
  for (gsize i = 0; form[i] != '\0'; i++)
    {
      if (form[i] != 'd')
        {
          if (text[i] != form[i])
            return FALSE;
          field++;
        }
      else if (!g_ascii_isdigit (text[i]))
        return FALSE;
      else
        n[field] = n[field] * 10 + (text[i] - '0');
    }
  tm.tm_year = n[0] - 1900;
  tm.tm_mon = n[1] - 1;
  tm.tm_mday = n[2];
  tm.tm_hour = n[3];
  tm.tm_min = n[4];
  tm.tm_sec = n[5];
  *out_wall_ms = (gint64) timegm (&tm) * 1000 + n[6];
  /* what timegm had to put right was no date */
  hf_time_format (*out_wall_ms, again);
  return strcmp (again, text) == 0;
}
