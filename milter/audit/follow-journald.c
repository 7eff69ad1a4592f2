/* follow-journald.c - the MTA's lines in the systemd journal, by its cursor; see follow-journald.h */
#include <config.h>

#include "milter/audit/follow-journald.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

/* Users that may log in begin here (SYS_UID_MAX of login.defs, by default). */
#define FIRST_PERSON 1000

/* Postfix logs through postlogd(8) or from each daemon; either is below these. */
static const gchar *const programs[] = { "/usr/lib/postfix/",     "/usr/libexec/postfix/",     "/usr/sbin/post",
                                         "/usr/sbin/sendmail",    "/usr/lib/sm.bin/",          "/usr/libexec/sendmail/",
                                         "/usr/lib/systemd/",     "/lib/systemd/",             "/usr/sbin/rsyslogd" };

struct HfFollowJournald
{
  gchar *directory;
  gchar *cursor;
  gint64 since_ms;
  gint64 read_ms; /* when the newest line was read; -1: none was */
  sd_journal *journal;
  gboolean placed;
  const gchar *gap; /* to be told next */
  gboolean told_source;
  GString *line;
  HfClock clock;
  guint32 number;
};

HfFollowJournald *
hf_follow_journald_new (const gchar *directory, const gchar *cursor, gint64 since_ms)
{
  HfFollowJournald *self = g_new0 (HfFollowJournald, 1);

  self->directory = g_strdup (directory);
  self->cursor = g_strdup (cursor);
  self->since_ms = since_ms;
  self->read_ms = -1;
  self->line = g_string_new (NULL);
  hf_clock_init (&self->clock, 0, g_get_real_time () / G_USEC_PER_SEC);
  return self;
}

void
hf_follow_journald_free (HfFollowJournald *self)
{
  if (self == NULL)
    return;
  if (self->journal != NULL)
    sd_journal_close (self->journal);
  g_string_free (self->line, TRUE);
  g_free (self->directory);
  g_free (self->cursor);
  g_free (self);
}

const gchar *
hf_follow_journald_cursor (const HfFollowJournald *self)
{
  return self->cursor;
}

gint64
hf_follow_journald_read_ms (const HfFollowJournald *self)
{
  return self->read_ms;
}

static gboolean
is_person (const gchar *uid)
{
  return uid == NULL || strtoul (uid, NULL, 10) >= FIRST_PERSON;
}

gboolean
hf_journald_is_trusted (const gchar *exe, const gchar *uid)
{
  if (exe == NULL || is_person (uid) || strstr (exe, "/../") != NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (programs); i++)
    if (g_str_has_prefix (exe, programs[i]))
      return TRUE;
  return FALSE;
}

static gboolean
failed (gint code, const gchar *what, GError **error)
{
  return code >= 0 || hf_error_set_errno (error, -code, "log-read", "cannot %s the systemd journal", what);
}

/* Without the descriptor, which is never waited on, libsystemd does not watch
 * the directory, and what journald writes after a rotation would not be seen. */
static gboolean
open_journal (HfFollowJournald *self, GError **error)
{
  if (self->journal != NULL)
    return TRUE;
  if (failed (self->directory != NULL
                  ? sd_journal_open_directory (&self->journal, self->directory, 0)
                  : sd_journal_open (&self->journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM),
              "open", error)
      && failed (sd_journal_get_fd (self->journal), "watch", error))
    return TRUE;
  sd_journal_close (self->journal);
  self->journal = NULL;
  return FALSE;
}

static gboolean
place (HfFollowJournald *self, GError **error)
{
  gint code;

  if (self->cursor != NULL)
    {
      if (!failed (sd_journal_seek_cursor (self->journal, self->cursor), "seek in", error))
        return FALSE;
      /* the seek leads to the entry, or where it is gone to the nearest */
      code = sd_journal_next (self->journal);
      if (!failed (code, "read", error))
        return FALSE;
      if (code == 0 || sd_journal_test_cursor (self->journal, self->cursor) <= 0)
        self->gap = "the entry of the systemd journal that was read last is gone";
      /* the nearest entry is still to be read; before the first there is none to step back to */
      if (self->gap != NULL && code > 0 && sd_journal_previous (self->journal) == 0)
        sd_journal_seek_head (self->journal);
    }
  else if (!failed (sd_journal_seek_realtime_usec (self->journal, (uint64_t) MAX (0, self->since_ms) * 1000), "seek in", error))
    return FALSE;
  self->placed = TRUE;
  return TRUE;
}

/* The value of @name, borrowed until the next call; a copy, because the journal's has no NUL. */
static gchar *
field (HfFollowJournald *self, const gchar *name)
{
  const void *data;
  size_t size;
  const gsize skip = strlen (name) + 1;

  if (sd_journal_get_data (self->journal, name, &data, &size) < 0 || size < skip)
    return NULL;
  return g_strndup ((const gchar *) data + skip, size - skip);
}

/* What starts Postfix, stops it and looks at it: gone at once, and no line of theirs
 * tells of a message.  Without this each start would leave a gap. */
static gboolean
is_caretaker (const gchar *name)
{
  static const gchar *const caretakers[]
      = { "postfix-script", "post-install", "postmulti-script", "postmulti", "postlog", "postqueue", "postconf", NULL };
  const gchar *slash = strrchr (name, '/');

  return g_strv_contains (caretakers, slash != NULL ? slash + 1 : name);
}

/* A process that ends at once may be gone when the journal wants to know what it
 * ran.  No person can write such an entry; what it says can't be believed, but
 * that a line is missing can. */
static gboolean
is_lost_line (const gchar *name, const gchar *exe, const gchar *uid)
{
  return exe == NULL && !is_person (uid) && name != NULL && !is_caretaker (name)
         && (g_str_has_prefix (name, "postfix") || g_str_has_prefix (name, "sm-") || g_str_has_prefix (name, "sendmail"));
}

/* As rsyslog would have written it.  FALSE for entries that don't count. */
static gboolean
make_line (HfFollowJournald *self)
{
  g_autofree gchar *exe = field (self, "_EXE");
  g_autofree gchar *uid = field (self, "_UID");
  g_autofree gchar *name = field (self, "SYSLOG_IDENTIFIER");
  g_autofree gchar *pid = field (self, "_PID");
  g_autofree gchar *syslog_pid = field (self, "SYSLOG_PID");
  g_autofree gchar *host = field (self, "_HOSTNAME");
  g_autofree gchar *message = field (self, "MESSAGE");
  g_autoptr (GDateTime) time = NULL;
  g_autofree gchar *stamp = NULL;
  uint64_t usec = 0;

  if (is_lost_line (name, exe, uid))
    self->gap = "the systemd journal does not know which program wrote a line";
  if (name == NULL || message == NULL || !hf_journald_is_trusted (exe, uid)
      || sd_journal_get_realtime_usec (self->journal, &usec) < 0)
    return FALSE;
  time = g_date_time_new_from_unix_utc ((gint64) (usec / G_USEC_PER_SEC));
  stamp = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
  g_string_printf (self->line, "%s.%06uZ %s %s[%s]: %s", stamp, (guint) (usec % G_USEC_PER_SEC), host != NULL ? host : "-",
                   name, syslog_pid != NULL ? syslog_pid : pid != NULL ? pid : "0", message);
  /* an entry may hold several lines; none but the first may look like one */
  for (gsize i = 0; i < self->line->len; i++)
    if (self->line->str[i] == '\n' || self->line->str[i] == '\r')
      self->line->str[i] = ' ';
  return TRUE;
}

static void
take_cursor (HfFollowJournald *self)
{
  gchar *cursor = NULL;

  if (sd_journal_get_cursor (self->journal, &cursor) < 0)
    return;
  g_free (self->cursor);
  self->cursor = g_strdup (cursor);
  free (cursor);
}

static void
give (HfFollowJournald *self, HfFollowItem *out)
{
  self->read_ms = hf_sys_wall_ms ();
  self->clock.now_s = self->read_ms / 1000;
  out->kind = HF_FOLLOW_LINE;
  out->raw = (HfSlice){ self->line->str, self->line->len };
  out->at.line = ++self->number;
  out->at.offset = self->number;
  out->clock = &self->clock;
  out->path = self->directory != NULL ? self->directory : "journald";
  out->new_file = !self->told_source;
  self->told_source = TRUE;
}

gboolean
hf_follow_journald_next (HfFollowJournald *self, HfFollowItem *out, GError **error)
{
  gboolean looked = FALSE;

  memset (out, 0, sizeof *out);
  if (!open_journal (self, error) || (!self->placed && !place (self, error)))
    return FALSE;
  for (;;)
    {
      gint code;

      if (self->gap != NULL)
        {
          out->kind = HF_FOLLOW_GAP;
          out->why = self->gap;
          self->gap = NULL;
          return TRUE;
        }
      code = sd_journal_next (self->journal);

      if (!failed (code, "read", error))
        return FALSE;
      if (code == 0)
        {
          /* takes notice of new and rotated files */
          if (sd_journal_process (self->journal) > 0 && !looked)
            {
              looked = TRUE;
              continue;
            }
          out->kind = HF_FOLLOW_IDLE;
          return TRUE;
        }
      take_cursor (self);
      if (!make_line (self))
        continue;
      give (self, out);
      return TRUE;
    }
}
