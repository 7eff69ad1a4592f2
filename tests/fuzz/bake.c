/* bake.c - the octets of a segment, made of a text with words in braces; see bake.h
 *
 * Digests are made with GLib's, so that a mistake in the journal's own would
 * show.
 */
#include <config.h>

#include "tests/fuzz/bake.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 4096
#define MOST (2 * 1024 * 1024)
#define SALT "00112233445566778899aabbccddeeff"
#define NUMBER "0000000000" /* a number that is set later */
#define DIGEST_SIZE 32

/* Numbers of a record that its seal sets. */
typedef enum
{
  BYTES,
  WIRE,
  RCPTS,
  N_NUMBERS,
} Number;

typedef struct
{
  GByteArray *out;
  gsize group;            /* offset at which the present group begins */
  gsize line;             /* … the present line */
  gsize statement;        /* … the last line that is no holdfast-more */
  gsize record;           /* … the last record */
  gboolean has_record;
  gssize numbers[N_NUMBERS]; /* where they are to be set; -1: nowhere */
  guint8 chain[DIGEST_SIZE];
} Oven;

static void
add (Oven *self, gconstpointer data, gsize size)
{
  g_byte_array_append (self->out, data, (guint) size);
}

static void
add_text (Oven *self, const gchar *text)
{
  add (self, text, strlen (text));
}

static gboolean
line_begins (const Oven *self, gsize line, const gchar *prefix)
{
  return self->out->len - line >= strlen (prefix) && memcmp (self->out->data + line, prefix, strlen (prefix)) == 0;
}

/* A line is complete: what begins with it? */
static void
end_line (Oven *self)
{
  if (!line_begins (self, self->line, "NOOP holdfast-more "))
    self->statement = self->line;
  if (line_begins (self, self->line, "NOOP holdfast-message "))
    {
      self->record = self->line;
      self->has_record = TRUE;
    }
  self->line = self->out->len;
}

static void
sum (gconstpointer data, gsize size, gconstpointer more, gsize more_size, guint8 out_digest[DIGEST_SIZE])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = DIGEST_SIZE;

  g_checksum_update (checksum, data, (gssize) size);
  g_checksum_update (checksum, more, (gssize) more_size);
  g_checksum_get_digest (checksum, out_digest, &length);
}

static void
add_hex (Oven *self, const guint8 *octets, gsize size)
{
  gchar text[3];

  for (gsize i = 0; i < size; i++)
    {
      g_snprintf (text, sizeof text, "%02x", octets[i]);
      add_text (self, text);
    }
}

static void
set_number (Oven *self, Number which, guint64 value)
{
  gchar text[32];

  if (self->numbers[which] < 0)
    return;
  g_snprintf (text, sizeof text, "%010" G_GUINT64_FORMAT, value);
  memcpy (self->out->data + self->numbers[which], text, strlen (NUMBER));
  self->numbers[which] = -1;
}

/* Undoes the dots, naively: see doc/FORMAT. */
static GByteArray *
undot (const guint8 *data, gsize size)
{
  GByteArray *out = g_byte_array_new ();
  gboolean begins = TRUE;

  for (gsize i = 0; i < size; i++)
    {
      if (!begins || data[i] != '.')
        g_byte_array_append (out, data + i, 1);
      begins = i > 0 && data[i] == '\n' && data[i - 1] == '\r';
    }
  return out;
}

static guint
count_rcpts (const guint8 *data, gsize size)
{
  static const gchar line[] = "\r\nRCPT TO:";
  const guint8 *hit = data;
  guint count = 0;

  while ((hit = memmem (hit, (gsize) (data + size - hit), line, strlen (line))) != NULL)
    {
      count++;
      hit++;
    }
  return count;
}

/* Record: facts and envelope up to DATA, the message, a dot, and now its seal. */
static void
add_seal (Oven *self)
{
  static const gchar data_line[] = "\r\nDATA\r\n", dot[] = ".\r\n";
  static const guint8 salt[] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
  guint8 links[3 * DIGEST_SIZE];
  g_autoptr (GByteArray) message = NULL;
  const guint8 *start, *found;
  gsize head, wire;

  if (!self->has_record)
    return;
  start = self->out->data + self->record;
  found = memmem (start, self->out->len - self->record, data_line, strlen (data_line));
  if (found == NULL)
    return;
  head = (gsize) (found - start) + strlen (data_line);
  wire = self->out->len - self->record - head;
  if (wire < strlen (dot) || memcmp (self->out->data + self->out->len - strlen (dot), dot, strlen (dot)) != 0)
    return;
  wire -= strlen (dot);
  message = undot (start + head, wire);
  set_number (self, BYTES, message->len);
  set_number (self, WIRE, wire);
  set_number (self, RCPTS, count_rcpts (start, head));
  memcpy (links, self->chain, DIGEST_SIZE);
  sum (self->out->data + self->record, head, salt, sizeof salt, links + DIGEST_SIZE);
  sum (message->data, message->len, salt, sizeof salt, links + 2 * DIGEST_SIZE);
  sum (links, sizeof links, "", 0, self->chain);
  add_text (self, "NOOP holdfast-seal nonce=" BAKE_NONCE " id=01ARZ3NDEKTSV4RRFFQ69G5FAV salt=" SALT " message=");
  add_hex (self, links + 2 * DIGEST_SIZE, DIGEST_SIZE);
  add_text (self, " envelope=");
  add_hex (self, links + DIGEST_SIZE, DIGEST_SIZE);
  add_text (self, " chain=");
  add_hex (self, self->chain, DIGEST_SIZE);
}

/* The line that holds the digest is not part of what it is of. */
static void
add_digest (Oven *self)
{
  guint8 digest[DIGEST_SIZE];

  sum (self->out->data + self->statement, self->line - self->statement, "", 0, digest);
  add_hex (self, digest, sizeof digest);
}

static void
add_padding (Oven *self)
{
  const gsize shortest = strlen ("NOOP\r\n");
  gsize gap = (BLOCK - self->out->len % BLOCK) % BLOCK;

  if (gap > 0)
    {
      gap += gap < shortest ? BLOCK : 0;
      add_text (self, gap > shortest ? "NOOP " : "NOOP");
      for (gsize i = shortest + 1; i < gap; i++)
        add_text (self, "-");
      add_text (self, "\r\n");
    }
  self->line = self->statement = self->group = self->out->len;
}

static void
add_number (Oven *self, Number which)
{
  self->numbers[which] = (gssize) self->out->len;
  add_text (self, NUMBER);
}

static void
add_group (Oven *self)
{
  gchar text[32];

  g_snprintf (text, sizeof text, "%" G_GSIZE_FORMAT, self->group / BLOCK);
  add_text (self, text);
}

static void
add_nuls (Oven *self)
{
  static const guint8 nuls[BLOCK];

  add (self, nuls, sizeof nuls);
}

/* TRUE when @word, without its braces, is one of ours. */
static gboolean
add_word (Oven *self, const gchar *word)
{
  static const gchar *const numbers[N_NUMBERS] = { "bytes", "wire", "rcpts" };
  static const struct
  {
    const gchar *word;
    void (*add) (Oven *self);
  } words[] = {
    { "group", add_group }, { "digest", add_digest }, { "seal", add_seal }, { "pad", add_padding }, { "nuls", add_nuls },
  };

  for (guint i = 0; i < N_NUMBERS; i++)
    if (strcmp (word, numbers[i]) == 0)
      {
        add_number (self, (Number) i);
        return TRUE;
      }
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (word, words[i].word) == 0)
      {
        words[i].add (self);
        return TRUE;
      }
  if (strcmp (word, "nonce") != 0)
    return FALSE;
  add_text (self, BAKE_NONCE);
  return TRUE;
}

/* What stands at @at in braces or behind a backslash.  Returns: octets of the
 * text that it took; 0 when it is neither. */
static gsize
take_word (Oven *self, const guint8 *text, gsize size)
{
  const guint8 *close = text[0] == '{' ? memchr (text, '}', MIN (size, 12)) : NULL;
  g_autofree gchar *word = close != NULL ? g_strndup ((const gchar *) text + 1, (gsize) (close - text - 1)) : NULL;

  return word != NULL && add_word (self, word) ? (gsize) (close - text) + 1 : 0;
}

static gsize
take_escape (Oven *self, const guint8 *text, gsize size)
{
  guint8 octet;

  if (size < 2 || text[0] != '\\')
    return 0;
  if (text[1] == 'x' && size >= 4 && g_ascii_isxdigit (text[2]) && g_ascii_isxdigit (text[3]))
    {
      octet = (guint8) (g_ascii_xdigit_value ((gchar) text[2]) << 4 | g_ascii_xdigit_value ((gchar) text[3]));
      add (self, &octet, 1);
      return 4;
    }
  if (strchr ("nr\\", text[1]) == NULL || text[1] == '\0')
    return 0;
  octet = text[1] == 'n' ? '\n' : text[1] == 'r' ? '\r' : '\\';
  add (self, &octet, 1);
  return 2;
}

GByteArray *
bake (const guint8 *text, gsize size)
{
  /* with room from the start: an empty array has no data, and an offset needs some */
  Oven oven = { .out = g_byte_array_sized_new (BLOCK), .numbers = { -1, -1, -1 } };

  for (gsize i = 0; i < size && oven.out->len < MOST;)
    {
      gsize took = take_word (&oven, text + i, size - i);

      if (took == 0)
        took = take_escape (&oven, text + i, size - i);
      if (took == 0 && text[i] == '\n')
        {
          add_text (&oven, "\r\n");
          end_line (&oven);
        }
      else if (took == 0)
        add (&oven, text + i, 1);
      i += MAX (took, 1);
    }
  return oven.out;
}
