/* test-follow.c - a log is read without losing or repeating a line, whatever rotation does to it
 *
 * Each test makes a log of its own, rotates it as logrotate would, and compares
 * all that was handed out with all that was written.
 */
#include <config.h>

#include "milter/audit/follow-journald.h"
#include "milter/audit/follow.h"
#include "milter/base/error.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utime.h>

typedef struct
{
  gchar *dir;
  gchar *log;
  HfFollow *follow;
  HfFollowPosition saved;
  GString *got; /* lines, each with a blank behind; "GAP " for a gap */
  gint64 now_ms;
} Site;

static void
site_init (Site *self)
{
  memset (self, 0, sizeof *self);
  self->dir = g_dir_make_tmp ("hf-follow-XXXXXX", NULL);
  self->log = g_build_filename (self->dir, "mail.log", NULL);
  self->got = g_string_new (NULL);
  self->now_ms = 1000000;
}

static void
site_clear (Site *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->dir, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (self->dir, name, NULL);

      unlink (path);
    }
  rmdir (self->dir);
  hf_follow_free (self->follow);
  g_string_free (self->got, TRUE);
  g_free (self->log);
  g_free (self->dir);
}

static gchar *
path_of (const Site *self, const gchar *name)
{
  return g_build_filename (self->dir, name, NULL);
}

/* Appends to @name. */
static void
write_to (const Site *self, const gchar *name, const gchar *text)
{
  g_autofree gchar *path = path_of (self, name);
  FILE *file = fopen (path, "a");

  tap_check ("write", file != NULL && fputs (text, file) >= 0 && fclose (file) == 0);
}

static void
move (const Site *self, const gchar *from, const gchar *to)
{
  g_autofree gchar *old = path_of (self, from), *new = path_of (self, to);

  tap_check_int ("rename", rename (old, new), 0);
}

static void
copy_and_truncate (const Site *self, const gchar *from, const gchar *to)
{
  g_autofree gchar *old = path_of (self, from), *new = path_of (self, to);
  g_autofree gchar *text = NULL;
  gsize size = 0;

  tap_check ("copy", g_file_get_contents (old, &text, &size, NULL) && g_file_set_contents (new, text, (gssize) size, NULL));
  tap_check_int ("truncate", truncate (old, 0), 0);
}

static void
run_packer (const Site *self, const gchar *packer, const gchar *name)
{
  g_autofree gchar *path = path_of (self, name);
  const gchar *const argv[] = { packer, path, NULL };

  tap_check (packer, g_spawn_sync (NULL, (gchar **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
}

/* Reads what there is. */
static void
look (Site *self, gboolean last)
{
  HfFollowItem item;

  if (self->follow == NULL)
    self->follow = hf_follow_new (self->log, self->saved.inode != 0 ? &self->saved : NULL, G_MAXINT64);
  for (;;)
    {
      g_autoptr (GError) error = NULL;

      if (!tap_check ("next", hf_follow_next (self->follow, self->now_ms, last, &item, &error)))
        return;
      if (item.kind == HF_FOLLOW_IDLE)
        return;
      if (item.kind == HF_FOLLOW_GAP)
        g_string_append (self->got, "GAP ");
      else
        g_string_append_printf (self->got, "%.*s ", (int) item.raw.length, item.raw.at);
    }
}

/* As a stop and a start of the auditor. */
static void
restart (Site *self)
{
  g_autofree gchar *text = NULL;

  hf_follow_position (self->follow, &self->saved);
  text = hf_follow_position_format (&self->saved);
  memset (&self->saved, 0, sizeof self->saved);
  tap_check ("position", hf_follow_position_parse (text, &self->saved));
  g_clear_pointer (&self->follow, hf_follow_free);
}

static void
test_plain (void)
{
  Site site;

  site_init (&site);
  look (&site, FALSE);
  tap_check_str ("no log yet", site.got->str, "");
  write_to (&site, "mail.log", "1\n2\nha");
  look (&site, FALSE);
  tap_check_str ("a line without its end waits", site.got->str, "1 2 ");
  restart (&site);
  write_to (&site, "mail.log", "lf\r\n4\n");
  look (&site, FALSE);
  tap_check_str ("and comes whole", site.got->str, "1 2 half 4 ");
  restart (&site);
  look (&site, FALSE);
  restart (&site);
  look (&site, FALSE);
  tap_check_str ("nothing twice", site.got->str, "1 2 half 4 ");
  site_clear (&site);
}

/* What a look says, where it is one that fails: the error's code; -1 when it does not. */
static gint
failure_of_look (Site *self, gboolean last)
{
  g_autoptr (GError) error = NULL;
  HfFollowItem item;

  if (self->follow == NULL)
    self->follow = hf_follow_new (self->log, NULL, G_MAXINT64);
  return hf_follow_next (self->follow, self->now_ms, last, &item, &error) ? -1 : error->code;
}

static void
test_absent (void)
{
  Site site;

  site_init (&site);
  tap_check_int ("at first", failure_of_look (&site, FALSE), -1);
  site.now_ms += 9000;
  tap_check_int ("perhaps it is being rotated", failure_of_look (&site, FALSE), -1);
  site.now_ms += 1000;
  tap_check_int ("it is not there", failure_of_look (&site, FALSE), HF_ERROR_NOT_FOUND);
  tap_check_int ("nor later", failure_of_look (&site, FALSE), HF_ERROR_NOT_FOUND);
  write_to (&site, "mail.log", "1\n");
  look (&site, FALSE);
  tap_check_str ("and is read when it is", site.got->str, "1 ");
  move (&site, "mail.log", "mail.log.1");
  site.now_ms += 60000;
  look (&site, FALSE);
  write_to (&site, "mail.log.1", "2\n");
  look (&site, FALSE);
  tap_check_str ("renamed, and no new one: the old is the log", site.got->str, "1 2 ");
  site_clear (&site);
  site_init (&site);
  tap_check_int ("a last look does not wait", failure_of_look (&site, TRUE), HF_ERROR_NOT_FOUND);
  site_clear (&site);
}

static void
test_rename (void)
{
  Site site;

  site_init (&site);
  write_to (&site, "mail.log", "1\n2\n");
  look (&site, FALSE);
  move (&site, "mail.log", "mail.log.1");
  write_to (&site, "mail.log.1", "late\n");
  look (&site, FALSE);
  write_to (&site, "mail.log", "new\n");
  look (&site, FALSE);
  write_to (&site, "mail.log.1", "later\nlast");
  look (&site, FALSE);
  tap_check_str ("the old file first", site.got->str, "1 2 late later ");
  site.now_ms += 5500;
  look (&site, FALSE);
  tap_check_str ("then the new one", site.got->str, "1 2 late later last new ");
  site.now_ms += 100000;
  write_to (&site, "mail.log.1", "straggler\nstr");
  write_to (&site, "mail.log", "newer\n");
  look (&site, FALSE);
  write_to (&site, "mail.log", "newest\n");
  look (&site, FALSE);
  write_to (&site, "mail.log.1", "angler\n");
  look (&site, FALSE);
  tap_check_str ("and what comes late all the same", site.got->str, "1 2 late later last new newer straggler newest strangler ");
  restart (&site);
  write_to (&site, "mail.log", "end\n");
  look (&site, FALSE);
  tap_check_str ("nothing twice", site.got->str, "1 2 late later last new newer straggler newest strangler end ");
  site_clear (&site);
}

/* The new log is there at once, and the logger is told minutes later. */
static void
test_slow_logger (void)
{
  static const struct
  {
    const gchar *name;
    gboolean restarts, last;
  } rows[] = {
    { "slow logger", FALSE, FALSE }, { "slow logger, and restarts", TRUE, FALSE }, { "slow logger, one look at a time", TRUE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Site site;

      site_init (&site);
      write_to (&site, "mail.log", "1\n");
      look (&site, rows[i].last);
      move (&site, "mail.log", "mail.log.1");
      write_to (&site, "mail.log", "");
      for (guint late = 2; late < 5; late++)
        {
          g_autofree gchar *line = g_strdup_printf ("%u\n", late);

          if (rows[i].restarts)
            restart (&site);
          look (&site, rows[i].last);
          site.now_ms += 100000;
          look (&site, rows[i].last);
          write_to (&site, "mail.log.1", line);
          look (&site, rows[i].last);
        }
      write_to (&site, "mail.log.1", "ha");
      look (&site, rows[i].last);
      write_to (&site, "mail.log.1", "lf\n");
      write_to (&site, "mail.log", "new\n");
      look (&site, rows[i].last);
      if (rows[i].restarts)
        restart (&site);
      site.now_ms += 5500;
      look (&site, rows[i].last);
      tap_check_str (rows[i].name, site.got->str, "1 2 3 4 half new ");
      site_clear (&site);
    }
}

static void
test_while_away (void)
{
  static const struct
  {
    const gchar *name;
    gboolean copied;
    const gchar *packer;
  } rows[] = {
    { "rename", FALSE, NULL },       { "copytruncate", TRUE, NULL },       { "rename and gzip", FALSE, "gzip" },
    { "copytruncate and gzip", TRUE, "gzip" }, { "rename and xz", FALSE, "xz" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Site site;

      site_init (&site);
      write_to (&site, "mail.log", "1\n2\n");
      look (&site, FALSE);
      restart (&site);
      write_to (&site, "mail.log", "3\n4\n");
      if (rows[i].copied)
        copy_and_truncate (&site, "mail.log", "mail.log.1");
      else
        move (&site, "mail.log", "mail.log.1");
      write_to (&site, "mail.log", "5\n");
      move (&site, "mail.log.1", "mail.log.2");
      if (rows[i].packer != NULL)
        run_packer (&site, rows[i].packer, "mail.log.2");
      move (&site, "mail.log", "mail.log.1");
      write_to (&site, "mail.log", "6\n");
      look (&site, TRUE);
      tap_check_str (rows[i].name, site.got->str, "1 2 3 4 5 6 ");
      restart (&site);
      write_to (&site, "mail.log", "7\n");
      look (&site, TRUE);
      tap_check_str (rows[i].name, site.got->str, "1 2 3 4 5 6 7 ");
      site_clear (&site);
    }
}

/* gzip is at work: its file is there, and half of it, beside the old one. */
static void
test_being_packed (void)
{
  g_autofree gchar *text = NULL, *packed = NULL, *path = NULL;
  gsize size = 0;
  Site site;

  site_init (&site);
  write_to (&site, "mail.log", "1\n2\n");
  look (&site, FALSE);
  restart (&site);
  write_to (&site, "mail.log", "3\n4\n");
  move (&site, "mail.log", "mail.log.2");
  write_to (&site, "mail.log.1", "5\n");
  write_to (&site, "mail.log", "6\n");
  write_to (&site, "copy", "1\n2\n3\n4\n");
  run_packer (&site, "gzip", "copy");
  packed = path_of (&site, "copy.gz");
  path = path_of (&site, "mail.log.2.gz");
  tap_check ("packed", g_file_get_contents (packed, &text, &size, NULL) && size > 12);
  tap_check ("half", g_file_set_contents (path, text, (gssize) size - 10, NULL));
  look (&site, TRUE);
  tap_check_str ("from the old file, once", site.got->str, "1 2 3 4 5 6 ");
  site_clear (&site);
}

static void
test_copytruncate_live (void)
{
  Site site;

  site_init (&site);
  write_to (&site, "mail.log", "1\n2\n");
  look (&site, FALSE);
  write_to (&site, "mail.log", "3\n");
  copy_and_truncate (&site, "mail.log", "mail.log.1");
  look (&site, FALSE);
  tap_check_str ("what was not read stands in the copy", site.got->str, "1 2 3 ");
  write_to (&site, "mail.log", "4\n5\n6\n7\n");
  look (&site, FALSE);
  tap_check_str ("then the log again", site.got->str, "1 2 3 4 5 6 7 ");
  site_clear (&site);
}

static void
test_refilled (void)
{
  Site site;

  site_init (&site);
  write_to (&site, "mail.log", "one\n");
  look (&site, FALSE);
  copy_and_truncate (&site, "mail.log", "mail.log.1");
  write_to (&site, "mail.log", "another, and longer than what was there\n");
  look (&site, FALSE);
  tap_check_str ("a file that grew past the place is another", site.got->str, "one another, and longer than what was there ");
  site_clear (&site);
}

static void
test_gaps (void)
{
  Site site;

  site_init (&site);
  write_to (&site, "mail.log", "1\n2\n");
  look (&site, FALSE);
  tap_check_int ("truncate", truncate (site.log, 0), 0);
  write_to (&site, "mail.log", "3\n");
  look (&site, FALSE);
  tap_check_str ("truncated without a copy", site.got->str, "1 2 GAP 3 ");
  restart (&site);
  tap_check_int ("unlink", unlink (site.log), 0);
  look (&site, FALSE);
  write_to (&site, "mail.log", "4\n");
  look (&site, FALSE);
  tap_check_str ("gone while away", site.got->str, "1 2 GAP 3 GAP 4 ");
  restart (&site);
  look (&site, FALSE);
  tap_check_str ("told once", site.got->str, "1 2 GAP 3 GAP 4 ");
  site_clear (&site);
}

static void
test_hole (void)
{
  Site site;

  site_init (&site);
  write_to (&site, "mail.log", "1\n");
  look (&site, FALSE);
  restart (&site);
  move (&site, "mail.log", "mail.log.3");
  write_to (&site, "mail.log.1", "3\n");
  write_to (&site, "mail.log", "4\n");
  look (&site, TRUE);
  tap_check_str ("a number is missing", site.got->str, "1 GAP 3 4 ");
  site_clear (&site);
}

static void
test_trusted (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *exe;
    const gchar *uid;
    gboolean want;
  } rows[] = {
    { "smtpd as postfix", "/usr/lib/postfix/sbin/smtpd", "104", TRUE },
    { "master as root", "/usr/lib/postfix/sbin/master", "0", TRUE },
    { "postsuper", "/usr/sbin/postsuper", "0", TRUE },
    { "sendmail", "/usr/lib/sm.bin/sendmail", "0", TRUE },
    { "logger(1)", "/usr/bin/logger", "0", FALSE },
    { "a person runs it", "/usr/sbin/sendmail", "1000", FALSE },
    { "a person's own program", "/srv/eve/smtpd", "1001", FALSE },
    { "a way around", "/usr/lib/postfix/../../../tmp/smtpd", "0", FALSE },
    { "no program known", NULL, "0", FALSE },
    { "no user known", "/usr/lib/postfix/sbin/smtpd", NULL, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    tap_check_int (rows[i].name, hf_journald_is_trusted (rows[i].exe, rows[i].uid), rows[i].want);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "plain", test_plain },     { "rename", test_rename },
    { "away", test_while_away }, { "copytruncate", test_copytruncate_live },
    { "refilled", test_refilled }, { "gaps", test_gaps },
    { "being packed", test_being_packed },
    { "hole", test_hole },       { "trusted", test_trusted },
    { "absent", test_absent },   { "slow logger", test_slow_logger },
    { NULL, NULL },
  };

  return tap_run ("follow", tests, argc, argv);
}
