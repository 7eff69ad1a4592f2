/* mbox.c - a message as an entry of a file in mboxrd; see mbox.h */
#include <config.h>

#include "milter/command/mbox.h"

#include <string.h>
#include <time.h>

static const gchar from[] = "From ";

static gboolean
give (HfMbox *self, const gchar *octets, gsize size, GError **error)
{
  return size == 0 || self->sink (octets, size, self->user_data, error);
}

/* As ctime() has it in every locale; UTC. */
static void
append_date (GString *out, gint64 at_ms)
{
  static const gchar days[] = "SunMonTueWedThuFriSat";
  static const gchar months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const time_t seconds = (time_t) (at_ms / 1000);
  struct tm tm;

  gmtime_r (&seconds, &tm);
  g_string_append_printf (out, "%.3s %.3s %2d %02d:%02d:%02d %d", days + 3 * tm.tm_wday, months + 3 * tm.tm_mon, tm.tm_mday,
                          tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

/* Blanks would end the address for a reader of the file, controls the line. */
static void
append_sender (GString *out, const gchar *sender)
{
  if (*sender == '\0')
    g_string_append (out, "MAILER-DAEMON");
  for (; *sender != '\0'; sender++)
    g_string_append_c (out, (guchar) *sender <= ' ' || *sender == 0x7f ? '_' : *sender);
}

gboolean
hf_mbox_begin (HfMbox *self, const gchar *sender, gint64 at_ms, HfOctetSink sink, gpointer user_data, GError **error)
{
  g_autoptr (GString) line = g_string_new (from);

  *self = (HfMbox) { .sink = sink, .user_data = user_data, .ends_line = TRUE };
  append_sender (line, sender);
  g_string_append_c (line, ' ');
  append_date (line, at_ms);
  g_string_append_c (line, '\n');
  return give (self, line->str, line->len, error);
}

/* One octet; what may yet become "From " is held back in matched. */
static void
take_octet (HfMbox *self, GString *out, gchar c)
{
  if (!self->in_line && c == from[self->matched])
    {
      self->matched++;
      if (self->matched < strlen (from))
        return;
      g_string_append_c (out, '>');
      g_string_append (out, from);
      self->matched = 0;
      self->in_line = TRUE;
      return;
    }
  if (self->matched > 0 || c != '>')
    self->in_line = TRUE;
  g_string_append_len (out, from, self->matched);
  self->matched = 0;
  g_string_append_c (out, c);
  if (c == '\n')
    self->in_line = FALSE;
}

static void
convert (HfMbox *self, GString *out, const gchar *data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    {
      const gchar c = data[i];

      if (self->held_cr && c != '\n')
        take_octet (self, out, '\r');
      self->held_cr = c == '\r';
      if (!self->held_cr)
        take_octet (self, out, c);
    }
}

gboolean
hf_mbox_write (gconstpointer data, gsize size, gpointer mbox, GError **error)
{
  HfMbox *self = mbox;
  g_autoptr (GString) out = g_string_sized_new (size + size / 32 + 16);

  convert (self, out, data, size);
  if (out->len > 0)
    self->ends_line = out->str[out->len - 1] == '\n';
  return give (self, out->str, out->len, error);
}

gboolean
hf_mbox_end (HfMbox *self, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);

  if (self->held_cr)
    take_octet (self, out, '\r');
  g_string_append_len (out, from, self->matched);
  if (out->len > 0 || !self->ends_line)
    g_string_append_c (out, '\n');
  g_string_append_c (out, '\n');
  return give (self, out->str, out->len, error);
}
