/* test-who.c - who acted is told with all that is known of it, and nothing that is not */
#include <config.h>

#include "milter/journal/who.h"
#include "tests/unit/tap.h"

#include <unistd.h>

static void
test_write (void)
{
  static const struct
  {
    const gchar *name;
    HfWho who;
    const gchar *want;
  } rows[] = {
    { "all", { 0, (gchar *) "root", TRUE, 1000, (gchar *) "alice", (gchar *) "alice" },
      "NOOP holdfast-act uid=0 user=root login_uid=1000 login=alice sudo=alice\r\n" },
    { "nobody logged in", { 0, (gchar *) "root", FALSE, 0, NULL, NULL }, "NOOP holdfast-act uid=0 user=root\r\n" },
    { "root logged in", { 4711, NULL, TRUE, 0, (gchar *) "root", NULL }, "NOOP holdfast-act uid=4711 login_uid=0 login=root\r\n" },
    { "a claim with blanks", { 0, NULL, FALSE, 0, NULL, (gchar *) "bob uid=0" },
      "NOOP holdfast-act uid=0 sudo=bob+20uid+3D0\r\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      HfStatementBuilder builder;

      hf_statement_begin (&builder, text, "act");
      hf_who_write (&rows[i].who, &builder);
      hf_statement_end (&builder);
      tap_check_str (rows[i].name, text->str, rows[i].want);
    }
}

static void
test_this_process (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *sudo;
    const gchar *want;
  } rows[] = {
    { "without sudo", NULL, NULL },
    { "an empty word", "", NULL },
    { "with sudo", "alice", "alice" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfWho who;

      if (rows[i].sudo != NULL)
        g_setenv ("SUDO_USER", rows[i].sudo, TRUE);
      else
        g_unsetenv ("SUDO_USER");
      hf_who_init (&who);
      tap_check_int (rows[i].name, who.uid, getuid ());
      tap_check_str (rows[i].name, who.sudo, rows[i].want);
      tap_check (rows[i].name, who.has_login || who.login == NULL);
      if (getuid () == 0)
        tap_check_str (rows[i].name, who.user, "root");
      hf_who_clear (&who);
      tap_check (rows[i].name, who.user == NULL && who.login == NULL && who.sudo == NULL);
    }
  g_unsetenv ("SUDO_USER");
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "write", test_write },
    { "this-process", test_this_process },
    { NULL, NULL },
  };

  return tap_run ("who", tests, argc, argv);
}
