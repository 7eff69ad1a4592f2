/* test-wire.c - every message comes back octet for octet, cut wherever it may be
 *
 * The module is held against a dot-stuffing written the obvious way, one octet
 * at a time, for all short texts over the octets that matter and all ways to
 * cut them into pieces.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/journal/wire.h"
#include "tests/unit/tap.h"

#include <string.h>

static gboolean
append (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, data, (gssize) size);
  return TRUE;
}

typedef gboolean (*Direction) (HfWire *, gconstpointer, gsize, HfOctetSink, gpointer, GError **);

/* Passes @text through, cut behind octet i where bit i of @cuts is set. */
static void
pass (Direction direction, HfWire *wire, const GString *text, guint cuts, GString *out)
{
  gsize start = 0;

  g_string_truncate (out, 0);
  hf_wire_init (wire);
  for (gsize i = 0; i < text->len; i++)
    if (i + 1 == text->len || (i < 32 && (cuts >> i & 1) != 0))
      {
        /* a copy of exactly this size, so that a step outside is noticed */
        g_autofree gchar *piece = g_memdup2 (text->str + start, i + 1 - start);

        tap_check ("pass", direction (wire, piece, i + 1 - start, append, out, NULL));
        start = i + 1;
      }
}

/* The rule of RFC 5321 4.5.2, line ends being CRLF alone. */
static void
stuff_plainly (const GString *text, GString *out)
{
  g_string_truncate (out, 0);
  for (gsize i = 0; i < text->len; i++)
    {
      const gboolean begins = i == 0 || (i >= 2 && text->str[i - 1] == '\n' && text->str[i - 2] == '\r');

      if (begins && text->str[i] == '.')
        g_string_append_c (out, '.');
      g_string_append_c (out, text->str[i]);
    }
}

static gboolean
is_bare_plainly (const GString *text)
{
  for (gsize i = 0; i < text->len; i++)
    if ((text->str[i] == '\n' && (i == 0 || text->str[i - 1] != '\r'))
        || (text->str[i] == '\r' && (i + 1 == text->len || text->str[i + 1] != '\n')))
      return TRUE;
  return FALSE;
}

static void
check_text (const gchar *row, const GString *text, guint cuts, GString *want, GString *stuffed, GString *back)
{
  const gboolean ends = text->len == 0 || (text->len >= 2 && memcmp (text->str + text->len - 2, "\r\n", 2) == 0);
  HfWire wire;

  pass (hf_wire_stuff, &wire, text, cuts, stuffed);
  if (stuffed->len != want->len || memcmp (stuffed->str, want->str, want->len) != 0)
    tap_check_str (row, stuffed->str, want->str);
  if (wire.bytes != text->len || wire.wire != want->len || hf_wire_ends_line (&wire) != ends
      || (wire.bare || wire.last == '\r') != is_bare_plainly (text))
    tap_check_str (row, "counted wrong", text->str);
  pass (hf_wire_unstuff, &wire, stuffed, cuts, back);
  if (back->len != text->len || memcmp (back->str, text->str, text->len) != 0)
    tap_check_str (row, back->str, text->str);
  if (wire.bytes != text->len || wire.wire != want->len || hf_wire_ends_line (&wire) != ends)
    tap_check_str (row, "counted wrong on the way back", text->str);
}

static void
test_all_short_texts (void)
{
  static const gchar alphabet[] = { '.', '\r', '\n', 'a' };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) want = g_string_new (NULL);
  g_autoptr (GString) stuffed = g_string_new (NULL);
  g_autoptr (GString) back = g_string_new (NULL);
  guint checked = 0;

  for (guint length = 0; length <= 7; length++)
    for (guint number = 0; number < 1u << 2 * length; number++)
      {
        g_string_truncate (text, 0);
        for (guint i = 0; i < length; i++)
          g_string_append_c (text, alphabet[number >> 2 * i & 3]);
        stuff_plainly (text, want);
        /* all cuts of texts that are shorter, else none, all, and two in between */
        for (guint cuts = 0; cuts < (length < 6 ? 1u << length : 4u); cuts++, checked++)
          check_text ("short text", text, length < 6 ? cuts : cuts * 0x2b, want, stuffed, back);
      }
  tap_check ("many", checked > 80000);
}

static void
test_random_texts (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (20261122);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) want = g_string_new (NULL);
  g_autoptr (GString) stuffed = g_string_new (NULL);
  g_autoptr (GString) back = g_string_new (NULL);

  for (guint round = 0; round < 400; round++)
    {
      const gint length = g_rand_int_range (random, 0, 5000);

      g_string_truncate (text, 0);
      for (gint i = 0; i < length; i++)
        switch (g_rand_int_range (random, 0, 8))
          {
          case 0:
            g_string_append_c (text, '.');
            break;
          case 1:
            g_string_append (text, "\r\n");
            break;
          case 2:
            g_string_append_len (text, "\0\xff\r\n..", 6);
            break;
          case 3:
            g_string_append_c (text, '\r');
            break;
          default:
            g_string_append_c (text, (gchar) g_rand_int_range (random, 0, 256));
          }
      stuff_plainly (text, want);
      check_text ("random text", text, g_rand_int (random), want, stuffed, back);
    }
}

static void
test_rows (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    const gchar *want;
    gboolean want_ends;
    gboolean want_bare;
  } rows[] = {
    { "empty", "", "", TRUE, FALSE },
    { "one line", "a\r\n", "a\r\n", TRUE, FALSE },
    { "no line end", "a", "a", FALSE, FALSE },
    { "dot", ".", "..", FALSE, FALSE },
    { "dot and line end", ".\r\n", "..\r\n", TRUE, FALSE },
    { "two dots", "..", "...", FALSE, FALSE },
    { "end of data", "a\r\n.\r\nQUIT\r\n", "a\r\n..\r\nQUIT\r\n", TRUE, FALSE },
    { "dot behind bare LF", "a\n.\n", "a\n.\n", FALSE, TRUE },
    { "dot behind bare CR", "a\r.\r", "a\r.\r", FALSE, TRUE },
    { "dot behind CR CR LF", "\r\r\n.", "\r\r\n..", FALSE, TRUE },
    { "line end the wrong way round", "\n\r.", "\n\r.", FALSE, TRUE },
    { "LF alone", "\n", "\n", FALSE, TRUE },
    { "CR at the very end", "a\r", "a\r", FALSE, TRUE },
  };
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = g_string_new (rows[i].text);
      HfWire wire;

      pass (hf_wire_stuff, &wire, text, 0, out);
      tap_check_str (rows[i].name, out->str, rows[i].want);
      tap_check_int (rows[i].name, hf_wire_ends_line (&wire), rows[i].want_ends);
      tap_check_int (rows[i].name, wire.bare || wire.last == '\r', rows[i].want_bare);
    }
}

/* Fails at the call that @user_data counts down to. */
static gboolean
refuse (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  guint *left = user_data;

  if (--*left > 0)
    return TRUE;
  return hf_error_set (error, HF_ERROR_FULL, "sink", "enough");
}

/* P2: no octet is passed over when the sink can take no more. */
static void
test_P2_sink_error_is_passed_on (void)
{
  static const gchar text[] = ".a\r\n.b\r\n.c";
  const Direction directions[] = { hf_wire_stuff, hf_wire_unstuff };

  for (guint d = 0; d < G_N_ELEMENTS (directions); d++)
    for (guint at = 1; at <= 3; at++)
      {
        g_autoptr (GError) error = NULL;
        guint left = at;
        HfWire wire;

        hf_wire_init (&wire);
        tap_check ("refused", !directions[d](&wire, text, strlen (text), refuse, &left, &error));
        tap_check ("refused", g_error_matches (error, HF_ERROR, HF_ERROR_FULL));
        tap_check_int ("no call after the refusal", left, 0);
      }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "rows", test_rows },
    { "all-short-texts", test_all_short_texts },
    { "random-texts", test_random_texts },
    { "P2-sink-error-is-passed-on", test_P2_sink_error_is_passed_on },
    { NULL, NULL },
  };

  return tap_run ("wire", tests, argc, argv);
}
