/* expected.c - what the journal must hold of a message; see expected.h */
#include <config.h>

#include "tests/fuzz/expected.h"

#include <string.h>

void
expected_init (Expected *self)
{
  memset (self, 0, sizeof *self);
  self->recipients = g_ptr_array_new_with_free_func (g_free);
  self->message = g_byte_array_new ();
}

void
expected_clear (Expected *self)
{
  g_clear_pointer (&self->sender, g_free);
  g_clear_pointer (&self->hidden, g_free);
  g_clear_pointer (&self->recipients, g_ptr_array_unref);
  g_clear_pointer (&self->message, g_byte_array_unref);
}

void
expected_forget (Expected *self)
{
  self->open = FALSE;
  self->poisoned = NULL;
  self->in_message = FALSE;
  self->headers_ended = FALSE;
  g_clear_pointer (&self->sender, g_free);
  g_clear_pointer (&self->hidden, g_free);
  g_ptr_array_set_size (self->recipients, 0);
  g_byte_array_set_size (self->message, 0);
}

static void
poison (Expected *self, const gchar *reason)
{
  if (self->poisoned == NULL)
    self->poisoned = reason;
}

static gboolean
is_hidden (const gchar *param)
{
  return g_ascii_strncasecmp (param, "SIZE=", 5) == 0 || g_ascii_strncasecmp (param, "AUTH=", 5) == 0;
}

/* Words with one blank between them: all of which is_hidden() says @hidden. */
static gchar *
join (const gchar *const *words, const gchar *first, gboolean hides, gboolean hidden)
{
  g_autoptr (GPtrArray) chosen = g_ptr_array_new ();

  if (first != NULL)
    g_ptr_array_add (chosen, (gpointer) first);
  for (; *words != NULL; words++)
    if ((hides && is_hidden (*words)) == hidden)
      g_ptr_array_add (chosen, (gpointer) *words);
  g_ptr_array_add (chosen, NULL);
  return g_strjoinv (" ", (gchar **) chosen->pdata);
}

/* MTAs give `<a@b>`; sendmail(1) gives `a@b`, `` and `""`. */
static gchar *
canonical (const gchar *const *argv, gboolean hides)
{
  const gsize size = strlen (argv[0]);
  g_autofree gchar *address = NULL;

  if (strcmp (argv[0], "\"\"") == 0)
    address = g_strdup ("<>");
  else if (size >= 2 && argv[0][0] == '<' && argv[0][size - 1] == '>')
    address = g_strdup (argv[0]);
  else
    address = g_strdup_printf ("<%s>", argv[0]);
  return join (argv + 1, address, hides, FALSE);
}

void
expected_mail (Expected *self, const gchar *const *argv)
{
  expected_forget (self);
  self->open = TRUE;
  self->sender = canonical (argv, TRUE);
  self->hidden = join (argv + 1, NULL, TRUE, TRUE);
}

void
expected_rcpt (Expected *self, const gchar *const *argv)
{
  if (!self->open)
    return;
  if (self->in_message)
    poison (self, "a recipient behind the message's start");
  else
    g_ptr_array_add (self->recipients, canonical (argv, FALSE));
}

static void
add (Expected *self, gconstpointer data, gsize size)
{
  self->in_message = TRUE;
  g_byte_array_append (self->message, data, (guint) size);
}

void
expected_header (Expected *self, const gchar *name, const gchar *value)
{
  if (!self->open)
    return;
  if (self->headers_ended)
    {
      poison (self, "a header behind the headers' end");
      return;
    }
  add (self, name, strlen (name));
  add (self, ": ", self->lead_space ? 1 : 2);
  for (const gchar *p = value; *p != '\0'; p++)
    {
      if (*p == '\n' && (p == value || p[-1] != '\r'))
        add (self, "\r", 1);
      add (self, p, 1);
    }
  add (self, "\r\n", 2);
}

static void
end_headers (Expected *self)
{
  if (!self->headers_ended)
    add (self, "\r\n", 2);
  self->headers_ended = TRUE;
}

void
expected_body (Expected *self, gconstpointer data, gsize size)
{
  if (!self->open)
    return;
  end_headers (self);
  add (self, data, size);
}

void
expected_end (Expected *self)
{
  if (!self->open)
    {
      poison (self, "no message was begun");
      return;
    }
  end_headers (self);
  if (self->recipients->len == 0)
    poison (self, "no recipient");
}

static void
compare_text (const gchar *what, const gchar *got, const gchar *want)
{
  if (g_strcmp0 (got, want) != 0)
    g_error ("%s is '%s', not '%s'", what, got, want);
}

static void
compare_path (const gchar *what, const HfPath *got, const gchar *argument)
{
  HfPath want;

  hf_path_parse (argument, strlen (argument), &want);
  compare_text (what, got->address, want.address);
  compare_text ("its parameters", got->params, want.params);
  hf_path_clear (&want);
}

void
expected_compare (const Expected *self, const HfItem *item, const GByteArray *message)
{
  const guint size = self->message->len;
  guint same = 0;

  while (same < size && same < message->len && self->message->data[same] == message->data[same])
    same++;
  if (size != message->len || same < size)
    g_error ("the message has %u octets, not %u, and differs at %u", message->len, size, same);
  if (item->facts.bytes != size || item->facts.rcpts != self->recipients->len
      || item->recipients->len != self->recipients->len)
    g_error ("bytes=%" G_GUINT64_FORMAT " rcpts=%" G_GUINT64_FORMAT " and %u recipients, not %u and %u",
             item->facts.bytes, item->facts.rcpts, item->recipients->len, size, self->recipients->len);
  compare_path ("the sender", &item->sender, self->sender);
  compare_text ("what MAIL hides", item->mail_hidden != NULL ? item->mail_hidden : "", self->hidden);
  for (guint i = 0; i < self->recipients->len; i++)
    compare_path ("a recipient", &g_array_index (item->recipients, HfPath, i),
                  g_ptr_array_index (self->recipients, i));
}
