/* test-journald.c - the MTA's lines in the systemd journal: all of them, once each,
 * and nobody else's
 *
 * The journals are real ones: systemd-journal-remote makes them from the export
 * format, with the trusted fields that journald itself would have set.
 */
#include <config.h>

#include "milter/audit/follow-journald.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAKER "/lib/systemd/systemd-journal-remote"
#define BOOT "5f5d0a1b7c3e4f60812233445566778f"

/* 2026-11-22T20:00:00Z */
#define START_US G_GUINT64_CONSTANT (1795377600000000)

typedef struct
{
  const gchar *name, *exe, *uid, *message;
} Entry;

#define SMTPD(message) { "postfix/smtpd", "/usr/lib/postfix/sbin/smtpd", "104", message }

typedef struct
{
  gchar *dir;
  guint64 n_entries; /* made so far */
  gchar *cursor;
} Site;

static void
site_init (Site *self)
{
  memset (self, 0, sizeof *self);
  self->dir = g_dir_make_tmp ("hf-journald-XXXXXX", NULL);
}

static void
remove_journals (const Site *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->dir, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (self->dir, name, NULL);

      unlink (path);
    }
}

static void
site_clear (Site *self)
{
  remove_journals (self);
  rmdir (self->dir);
  g_free (self->dir);
  g_free (self->cursor);
}

static void
add_field (GString *out, const gchar *name, const gchar *value)
{
  const guint64 size = value != NULL ? strlen (value) : 0;

  if (value == NULL)
    return;
  if (strchr (value, '\n') == NULL)
    {
      g_string_append_printf (out, "%s=%s\n", name, value);
      return;
    }
  /* the export format's form for octets: the length in 64 bits, little-endian */
  g_string_append_printf (out, "%s\n", name);
  for (guint i = 0; i < 8; i++)
    g_string_append_c (out, (gchar) (size >> (8 * i)));
  g_string_append_printf (out, "%s\n", value);
}

/* Adds a journal file with @entries, a second apart. */
static void
write_journal (Site *self, const gchar *name, const Entry *entries, gsize n)
{
  g_autofree gchar *journal = g_strdup_printf ("%s/%s.journal", self->dir, name);
  g_autofree gchar *export = g_strdup_printf ("%s/%s.export", self->dir, name);
  g_autofree gchar *output = g_strdup_printf ("--output=%s", journal);
  const gchar *const argv[] = { MAKER, output, export, NULL };
  g_autoptr (GString) text = g_string_new (NULL);
  gint status = -1;

  for (gsize i = 0; i < n; i++)
    {
      const guint64 at = self->n_entries++;

      g_string_append_printf (text, "__REALTIME_TIMESTAMP=%" G_GUINT64_FORMAT "\n__MONOTONIC_TIMESTAMP=%" G_GUINT64_FORMAT "\n",
                              START_US + at * G_USEC_PER_SEC + 123456, (at + 1) * G_USEC_PER_SEC);
      g_string_append (text, "_BOOT_ID=" BOOT "\n");
      add_field (text, "_HOSTNAME", "mx");
      add_field (text, "_PID", "29009");
      add_field (text, "SYSLOG_IDENTIFIER", entries[i].name);
      add_field (text, "_EXE", entries[i].exe);
      add_field (text, "_UID", entries[i].uid);
      add_field (text, "MESSAGE", entries[i].message);
      g_string_append_c (text, '\n');
    }
  tap_check ("export", g_file_set_contents (export, text->str, (gssize) text->len, NULL));
  tap_check ("journal", g_spawn_sync (NULL, (gchar **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                                      NULL, NULL, NULL, NULL, &status, NULL)
                            && g_spawn_check_wait_status (status, NULL));
  unlink (export);
}

/* All that is told until it is idle, a line each, "GAP WHY" for a gap. */
static gchar *
read_all (HfFollowJournald *follow)
{
  GString *told = g_string_new (NULL);

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (GError) error = NULL;
      HfFollowItem item;

      if (!tap_check ("next", hf_follow_journald_next (follow, &item, &error)) || item.kind == HF_FOLLOW_IDLE)
        break;
      if (item.kind == HF_FOLLOW_GAP)
        g_string_append_printf (told, "GAP %s\n", item.why);
      else
        g_string_append_printf (told, "%.*s\n", (int) item.raw.length, item.raw.at);
    }
  return g_string_free (told, FALSE);
}

/* Goes on where the last reading stood, as the auditor does after a restart. */
static gchar *
read_on (Site *self, gint64 since_ms)
{
  g_autoptr (HfFollowJournald) follow = hf_follow_journald_new (self->dir, self->cursor, since_ms);
  gchar *told = read_all (follow);

  g_free (self->cursor);
  self->cursor = g_strdup (hf_follow_journald_cursor (follow));
  return told;
}

static void
check_read (Site *self, const gchar *what, const gchar *want)
{
  g_autofree gchar *told = read_on (self, 0);

  tap_check_str (what, told, want);
}

#define LINE(second, name, message) "2026-11-22T20:00:0" second ".123456Z mx " name "[29009]: " message "\n"

static void
test_trusted (void)
{
  static const Entry entries[] = {
    SMTPD ("connect from c[192.0.2.1]"),
    { "postfix/qmgr", "/usr/bin/logger", "0", "AAAA01: removed" },
    { "postfix/qmgr", "/srv/eve/qmgr", "1001", "AAAA01: removed" },
    { "postfix/qmgr", "/usr/lib/postfix/sbin/qmgr", "1001", "AAAA01: removed" },
    { "sm-mta", "/usr/lib/sm.bin/sendmail", "0", "starting daemon" },
    { "systemd-journald", "/usr/lib/systemd/systemd-journald", "0", "Suppressed 9 messages from postfix@-.service" },
    { "cron", "/usr/sbin/cron", "0", "nothing of mail" },
    SMTPD ("first line\nNov 22 20:00:00 mx postfix/qmgr[1]: AAAA01: removed"),
  };
  Site site;

  site_init (&site);
  write_journal (&site, "one", entries, G_N_ELEMENTS (entries));
  check_read (&site, "only the MTA's, and an entry is one line",
              LINE ("0", "postfix/smtpd", "connect from c[192.0.2.1]") LINE ("4", "sm-mta", "starting daemon")
              LINE ("5", "systemd-journald", "Suppressed 9 messages from postfix@-.service")
              LINE ("7", "postfix/smtpd", "first line Nov 22 20:00:00 mx postfix/qmgr[1]: AAAA01: removed"));
  site_clear (&site);
}

static void
test_unknown_program (void)
{
  static const Entry entries[] = {
    SMTPD ("connect from c[192.0.2.1]"),
    { "sm-mta", NULL, "0", "6AMKei5o002163: done; delay=00:00:01, ntries=1" },
    { "sm-mta", NULL, "1001", "6AMKei5o002163: done; delay=00:00:01, ntries=1" },
    { "cron", NULL, "0", "nothing of mail" },
    SMTPD ("disconnect from c[192.0.2.1]"),
    { "postfix/postfix-script", NULL, "0", "starting the Postfix mail system" },
    { "postfix/postqueue", NULL, "0", "fatal: Queue report unavailable" },
    SMTPD ("connect from c[192.0.2.1]"),
    { "postfix/postsuper", NULL, "0", "Deleted: 3 messages" },
  };
  Site site;

  site_init (&site);
  write_journal (&site, "one", entries, G_N_ELEMENTS (entries));
  check_read (&site, "not believed, and not passed over",
              LINE ("0", "postfix/smtpd", "connect from c[192.0.2.1]")
              "GAP the systemd journal does not know which program wrote a line\n"
              LINE ("4", "postfix/smtpd", "disconnect from c[192.0.2.1]")
              LINE ("7", "postfix/smtpd", "connect from c[192.0.2.1]")
              "GAP the systemd journal does not know which program wrote a line\n");
  site_clear (&site);
}

static void
test_cursor (void)
{
  static const Entry first[] = { SMTPD ("1"), SMTPD ("2") }, second[] = { SMTPD ("3"), SMTPD ("4") };
  Site site;

  site_init (&site);
  write_journal (&site, "one", first, 2);
  check_read (&site, "all", LINE ("0", "postfix/smtpd", "1") LINE ("1", "postfix/smtpd", "2"));
  check_read (&site, "nothing twice", "");
  write_journal (&site, "two", second, 2);
  check_read (&site, "on into another file", LINE ("2", "postfix/smtpd", "3") LINE ("3", "postfix/smtpd", "4"));
  check_read (&site, "nothing twice", "");
  site_clear (&site);
}

/* journald begins a file anew when the old one is full, under the reader's hands. */
static void
test_rotated (void)
{
  static const Entry first[] = { SMTPD ("1"), SMTPD ("2") }, second[] = { SMTPD ("3") };
  g_autoptr (HfFollowJournald) follow = NULL;
  g_autofree gchar *nothing = NULL, *old = NULL, *new = NULL;
  Site site;

  site_init (&site);
  follow = hf_follow_journald_new (site.dir, NULL, 0);
  nothing = read_all (follow);
  tap_check_str ("no file yet", nothing, "");
  write_journal (&site, "one", first, 2);
  old = read_all (follow);
  tap_check_str ("the first file", old, LINE ("0", "postfix/smtpd", "1") LINE ("1", "postfix/smtpd", "2"));
  write_journal (&site, "two", second, 1);
  new = read_all (follow);
  tap_check_str ("the second file", new, LINE ("2", "postfix/smtpd", "3"));
  site_clear (&site);
}

static void
test_gone (void)
{
  static const Entry first[] = { SMTPD ("1") }, second[] = { SMTPD ("2"), SMTPD ("3") };
  Site site;

  site_init (&site);
  write_journal (&site, "one", first, 1);
  check_read (&site, "before", LINE ("0", "postfix/smtpd", "1"));
  remove_journals (&site);
  write_journal (&site, "two", second, 2);
  check_read (&site, "vacuumed away: a gap, then all that is there",
              "GAP the entry of the systemd journal that was read last is gone\n" LINE ("1", "postfix/smtpd", "2")
              LINE ("2", "postfix/smtpd", "3"));
  check_read (&site, "told once", "");
  site_clear (&site);
}

static void
test_since (void)
{
  static const Entry entries[] = { SMTPD ("1"), SMTPD ("2"), SMTPD ("3") };
  g_autofree gchar *told = NULL;
  Site site;

  site_init (&site);
  write_journal (&site, "one", entries, 3);
  told = read_on (&site, (gint64) (START_US / 1000) + 1500);
  tap_check_str ("from a time on", told, LINE ("2", "postfix/smtpd", "3"));
  site_clear (&site);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "trusted", test_trusted }, { "unknown program", test_unknown_program },
    { "cursor", test_cursor },   { "rotated", test_rotated },
    { "gone", test_gone },       { "since", test_since },
    { NULL, NULL },
  };

  if (access (MAKER, X_OK) < 0)
    {
      printf ("1..0 # SKIP no " MAKER "\n");
      return 77;
    }
  return tap_run ("journald", tests, argc, argv);
}
