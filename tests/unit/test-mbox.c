/* test-mbox.c - an mbox entry gives the message back, whatever pieces it came in */
#include <config.h>

#include "milter/command/mbox.h"
#include "tests/unit/tap.h"

#include <string.h>

#define FROM_LINE "From a@example.org Sun Nov 22 20:18:05 2026\n"
#define AT_MS G_GINT64_CONSTANT (1795378685123)

static gboolean
sink (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, data, (gssize) size);
  return TRUE;
}

/* The entry of @message, written in two pieces that meet at @cut. */
static gchar *
entry_of (const gchar *sender, const gchar *message, gsize cut)
{
  GString *out = g_string_new (NULL);
  HfMbox mbox;

  hf_mbox_begin (&mbox, sender, AT_MS, sink, out, NULL);
  hf_mbox_write (message, cut, &mbox, NULL);
  hf_mbox_write (message + cut, strlen (message) - cut, &mbox, NULL);
  hf_mbox_end (&mbox, NULL);
  return g_string_free (out, FALSE);
}

static void
test_quoting (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *message;
    const gchar *want;
  } rows[] = {
    { "plain", "Subject: x\r\n\r\nText.\r\n", "Subject: x\n\nText.\n\n" },
    { "empty", "", "\n" },
    { "last line without its end", "Text.", "Text.\n\n" },
    { "From at the start", "From me\r\n", ">From me\n\n" },
    { "From in a line", "not From me\r\n", "not From me\n\n" },
    { "From behind an empty line", "a\r\n\r\nFrom me\r\n", "a\n\n>From me\n\n" },
    { "quoted From", ">From me\r\n>>>From me\r\n", ">>From me\n>>>>From me\n\n" },
    { "> without From", "> a\r\n>\r\n", "> a\n>\n\n" },
    { "From without a blank", "From\r\nFrom:\r\nFromage\r\n", "From\nFrom:\nFromage\n\n" },
    { "blank in front", " From me\r\n", " From me\n\n" },
    { "not quite", "FFrom a\r\nFroFrom a\r\n>F\r\n", "FFrom a\nFroFrom a\n>F\n\n" },
    { "ends as From begins", "a\r\nFro", "a\nFro\n\n" },
    { "ends behind From and its blank", "a\r\nFrom ", "a\n>From \n\n" },
    { "bare LF ends a line", "a\nFrom b\n", "a\n>From b\n\n" },
    { "bare CR stays", "a\rFrom b\r\n\r\r\n", "a\rFrom b\n\r\n\n" },
    { "CR at the end", "a\r", "a\r\n\n" },
    { "dots are left alone", ".\r\n..\r\n", ".\n..\n\n" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (gsize cut = 0; cut <= strlen (rows[i].message); cut++)
      {
        g_autofree gchar *got = entry_of ("a@example.org", rows[i].message, cut);
        g_autofree gchar *want = g_strconcat (FROM_LINE, rows[i].want, NULL);

        tap_check_str (rows[i].name, got, want);
      }
}

static void
test_sender (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *sender;
    const gchar *want;
  } rows[] = {
    { "null sender", "", "From MAILER-DAEMON Sun Nov 22 20:18:05 2026\n\n" },
    { "blank", "\"a b\"@example.org", "From \"a_b\"@example.org Sun Nov 22 20:18:05 2026\n\n" },
    { "line end", "a\nFrom b@example.org", "From a_From_b@example.org Sun Nov 22 20:18:05 2026\n\n" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *got = entry_of (rows[i].sender, "", 0);

      tap_check_str (rows[i].name, got, rows[i].want);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "quoting", test_quoting },
    { "sender", test_sender },
    { NULL, NULL },
  };

  return tap_run ("mbox", tests, argc, argv);
}
