/* rules.c - the rules of doc/FORMAT once more, read from the text and not from the code; see rules.h */
#include <config.h>

#include "tests/fuzz/rules.h"

#include <stdlib.h>
#include <string.h>

/* Lines of a record's head, taken off one by one. */
typedef struct
{
  const guint8 *at;
  const guint8 *end;
} Rest;

typedef struct
{
  const gchar *text;
  gsize size;
} Line;

static gboolean
take_line (Rest *rest, Line *out_line)
{
  const guint8 *crlf = memmem (rest->at, (gsize) (rest->end - rest->at), "\r\n", 2);

  if (crlf == NULL)
    return FALSE;
  *out_line = (Line){ (const gchar *) rest->at, (gsize) (crlf - rest->at) };
  rest->at = crlf + 2;
  return TRUE;
}

static gboolean
begins (Line line, const gchar *prefix)
{
  return line.size >= strlen (prefix) && memcmp (line.text, prefix, strlen (prefix)) == 0;
}

/* VALUE as xtext. */
static gchar *
decode (const gchar *text)
{
  GString *out = g_string_new (NULL);

  for (; *text != '\0'; text++)
    if (*text == '+' && g_ascii_isxdigit (text[1]) && g_ascii_isxdigit (text[2]))
      {
        g_string_append_c (out, (gchar) (g_ascii_xdigit_value (text[1]) << 4 | g_ascii_xdigit_value (text[2])));
        text += 2;
      }
    else
      g_string_append_c (out, *text);
  return g_string_free (out, FALSE);
}

/* Adds a line's pairs; the first of a key counts, KEY+= goes on with the last. */
static void
add_pairs (GHashTable *pairs, gchar **last_key, Line line)
{
  g_autofree gchar *text = g_strndup (line.text, line.size);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 2; words[0] != NULL && words[1] != NULL && words[i] != NULL; i++)
    {
      gchar *equals = strchr (words[i], '=');
      g_autofree gchar *value = NULL;
      gboolean goes_on;

      if (equals == NULL || equals == words[i])
        continue;
      *equals = '\0';
      value = decode (equals + 1);
      goes_on = equals[-1] == '+';
      if (goes_on)
        {
          GString *before = *last_key != NULL ? g_hash_table_lookup (pairs, *last_key) : NULL;

          if (before != NULL)
            g_string_append (before, value);
          continue;
        }
      g_free (*last_key);
      *last_key = g_hash_table_contains (pairs, words[i]) ? NULL : g_strdup (words[i]);
      if (*last_key != NULL)
        g_hash_table_insert (pairs, g_strdup (words[i]), g_string_new (value));
    }
}

static void
free_string (gpointer data)
{
  g_string_free (data, TRUE);
}

static GHashTable *
new_pairs (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_string);
}

static const gchar *
value_of (GHashTable *pairs, const gchar *key)
{
  const GString *value = g_hash_table_lookup (pairs, key);

  return value != NULL ? value->str : NULL;
}

/* FALSE: absent or no number. */
static gboolean
number_of (GHashTable *pairs, const gchar *key, guint64 *out)
{
  const gchar *text = value_of (pairs, key);

  return text != NULL && *text != '\0' && strspn (text, "0123456789") == strlen (text)
         && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, out, NULL);
}

static gboolean
is_sum (const guint8 *data, gsize size, const gchar *salt, const gchar *wanted)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  if (wanted == NULL)
    return FALSE;
  g_checksum_update (checksum, data, (gssize) size);
  for (; salt != NULL && salt[0] != '\0' && salt[1] != '\0'; salt += 2)
    {
      const guint8 octet = (guint8) (g_ascii_xdigit_value (salt[0]) << 4 | g_ascii_xdigit_value (salt[1]));

      g_checksum_update (checksum, &octet, 1);
    }
  return strcmp (g_checksum_get_string (checksum), wanted) == 0;
}

static GByteArray *
undot (const guint8 *data, gsize size)
{
  GByteArray *out = g_byte_array_new ();
  gboolean at_start = TRUE;

  for (gsize i = 0; i < size; i++)
    {
      if (!(at_start && data[i] == '.'))
        g_byte_array_append (out, data + i, 1);
      at_start = i > 0 && data[i] == '\n' && data[i - 1] == '\r';
    }
  return out;
}

static GByteArray *
broken (const gchar **out_broken, const gchar *rule)
{
  *out_broken = rule;
  return NULL;
}

/* R3: MAIL, then RCPT lines and statements, then DATA.  Facts come before. */
static gboolean
take_head (Rest *rest, GHashTable *facts, guint64 *out_rcpts)
{
  g_autofree gchar *last_key = NULL;
  Line line;

  *out_rcpts = 0;
  if (!take_line (rest, &line))
    return FALSE;
  add_pairs (facts, &last_key, line);
  while (take_line (rest, &line) && begins (line, "NOOP holdfast-more "))
    add_pairs (facts, &last_key, line);
  if (!begins (line, "MAIL FROM:"))
    return FALSE;
  while (take_line (rest, &line))
    {
      if (line.size == 4 && begins (line, "DATA"))
        return TRUE;
      if (begins (line, "RCPT TO:"))
        (*out_rcpts)++;
      else if (!begins (line, "NOOP holdfast-"))
        return FALSE;
    }
  return FALSE;
}

/* R5: the seal is the last line. */
static GHashTable *
take_seal (Rest *rest, const gchar *nonce, const gchar *id)
{
  g_autoptr (GHashTable) pairs = new_pairs ();
  g_autofree gchar *last_key = NULL;
  Line line;

  if (!take_line (rest, &line) || rest->at != rest->end || !begins (line, "NOOP holdfast-seal "))
    return NULL;
  add_pairs (pairs, &last_key, line);
  return g_strcmp0 (value_of (pairs, "nonce"), nonce) == 0 && g_strcmp0 (value_of (pairs, "id"), id) == 0
           ? g_steal_pointer (&pairs)
           : NULL;
}

GByteArray *
rules_message (const guint8 *octets, gsize size, const gchar *nonce, const gchar **out_broken)
{
  g_autofree gchar *start = g_strdup_printf ("NOOP holdfast-message nonce=%s", nonce);
  g_autoptr (GHashTable) facts = new_pairs ();
  g_autoptr (GHashTable) seal = NULL;
  g_autoptr (GByteArray) message = NULL;
  Rest rest = { octets, octets + size };
  guint64 bytes, wire, rcpts, group, found_rcpts;
  const guint8 *data;

  if (!begins ((Line){ (const gchar *) octets, size }, start))
    return broken (out_broken, "R1");
  if (!take_head (&rest, facts, &found_rcpts))
    return broken (out_broken, "R3");
  if (!number_of (facts, "bytes", &bytes) || !number_of (facts, "wire", &wire) || !number_of (facts, "rcpts", &rcpts)
      || !number_of (facts, "group", &group))
    return broken (out_broken, "R2");
  data = rest.at;
  if (rcpts != found_rcpts)
    return broken (out_broken, "R3");
  if (wire > (guint64) (rest.end - rest.at))
    return broken (out_broken, "R4");
  rest.at += wire;
  if (wire != 0 && (wire < 2 || memcmp (rest.at - 2, "\r\n", 2) != 0))
    return broken (out_broken, "R4");
  message = undot (data, wire);
  if (message->len != bytes && message->len != bytes + 2)
    return broken (out_broken, "R4");
  g_byte_array_set_size (message, (guint) bytes);
  if (rest.end - rest.at < 3 || memcmp (rest.at, ".\r\n", 3) != 0)
    return broken (out_broken, "R5");
  rest.at += 3;
  seal = take_seal (&rest, nonce, value_of (facts, "id"));
  if (seal == NULL)
    return broken (out_broken, "R5");
  if (!is_sum (octets, (gsize) (data - octets), value_of (seal, "salt"), value_of (seal, "envelope")))
    return broken (out_broken, "R6");
  if (!is_sum (message->data, message->len, value_of (seal, "salt"), value_of (seal, "message")))
    return broken (out_broken, "R7");
  return g_steal_pointer (&message);
}

gboolean
rules_alone (const guint8 *octets, gsize size)
{
  static const gchar prefix[] = "NOOP holdfast-more digest=";
  Rest rest = { octets, octets + size };
  Line line = { NULL, 0 };

  while (rest.at != rest.end)
    if (!take_line (&rest, &line))
      return FALSE;
  if (line.text == NULL || !begins (line, prefix))
    return FALSE;
  g_autofree gchar *digest = g_strndup (line.text + strlen (prefix), line.size - strlen (prefix));

  return is_sum (octets, (gsize) ((const guint8 *) line.text - octets), NULL, digest);
}
