/* line.c - one line of a syslog file: when, where, who, what
 *
 * By hand and without regular expressions: every line of every log goes
 * through here.  What the text means is for postfix.c and sendmail.c.
 */
#include <config.h>

#include "milter/audit/line.h"

#include <time.h>

#define DAY_S 86400

/* In the hour that summer time's end repeats: a line is no more than so much ahead
 * of the file's time; it was written just now where it is no more behind; and lines
 * that follow each other so close tell which hour it is. */
#define AHEAD_S 60
#define FRESH_S (10 * 60)
#define DENSE_S (15 * 60)

void
hf_clock_init (HfClock *self, gint year, gint64 newest_s)
{
  memset (self, 0, sizeof *self);
  self->year_wanted = year;
  self->newest_s = newest_s;
  self->cached_key = -1;
}

static gboolean
two_digits (const gchar *at, gint *out)
{
  /* BSD days have a blank for a leading zero */
  if ((!g_ascii_isdigit (at[0]) && at[0] != ' ') || !g_ascii_isdigit (at[1]))
    return FALSE;
  *out = (at[0] == ' ' ? 0 : (at[0] - '0') * 10) + (at[1] - '0');
  return TRUE;
}

static gint
month_of (const gchar *at)
{
  static const gchar names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

  for (gint month = 0; month < 12; month++)
    if (memcmp (at, names + 3 * month, 3) == 0)
      return month;
  return -1;
}

static gint64
make_hour (gint year, gint month, gint day, gint hour, gint is_summer)
{
  struct tm tm = { .tm_year = year - 1900,
                   .tm_mon = month,
                   .tm_mday = day,
                   .tm_hour = hour,
                   .tm_isdst = is_summer };
  const gint64 at_s = (gint64)mktime (&tm);

  return is_summer < 0 || (tm.tm_isdst == is_summer && tm.tm_hour == hour) ? at_s : -1;
}

static gint64
local_hour (gint year, gint month, gint day, gint hour)
{
  return make_hour (year, month, day, hour, -1);
}

/* The year of the first line: the latest that is not after the file's time. */
static gint
first_year (const HfClock *self, gint month, gint day)
{
  struct tm tm;
  time_t newest = (time_t)self->newest_s;

  if (self->year_wanted != 0)
    return self->year_wanted;
  localtime_r (&newest, &tm);
  if (local_hour (tm.tm_year + 1900, month, day, 0) > self->newest_s + DAY_S)
    return tm.tm_year + 1899;
  return tm.tm_year + 1900;
}

static gboolean
may_be (const HfClock *self, gint year, gint month, gint day)
{
  return self->newest_s == 0 || local_hour (year, month, day, 0) <= self->newest_s + DAY_S;
}

/* Logs go on at New Year.  What is half a year back is of the next one, unless that
 * is to come yet: then a clock was reset (a machine begins in January), or the line
 * is another host's and late, and says nothing of those behind it.  What is more
 * than half a year ahead goes back from there. */
static gint
carry_year (HfClock *self, gint month, gint day)
{
  const gint ahead = month - self->month;

  if (self->year == 0)
    self->year = self->year_first = first_year (self, month, day);
  else if (ahead <= -6)
    {
      if (!may_be (self, self->year + 1, month, day))
        return self->year;
      self->year++;
    }
  else if (ahead > 6 && (self->year > self->year_first || !may_be (self, self->year, month, day)))
    self->year--;
  self->month = month;
  return self->year;
}

/* An hour that summer time's end repeats. */
static void
cache_hour (HfClock *self, gint year, gint month, gint day, gint hour)
{
  const gint64 summer_s = make_hour (year, month, day, hour, 1);
  const gint64 winter_s = make_hour (year, month, day, hour, 0);

  self->cached_s = summer_s >= 0 && winter_s >= 0 ? MIN (summer_s, winter_s) : local_hour (year, month, day, hour);
  self->cached_again_s = summer_s >= 0 && winter_s >= 0 ? MAX (summer_s, winter_s) : self->cached_s;
}

/* Of the two the one that follows the line before, where that was a moment ago.
 * Else the later, if it can be: mail is taken for a message's when it seems late by
 * an hour, but not when it seems to come before it. */
static gint64
choose_hour (const HfClock *self, gint second)
{
  const gint64 first_s = self->cached_s + second, again_s = self->cached_again_s + second;

  if (again_s == first_s || (self->newest_s != 0 && again_s > self->newest_s + AHEAD_S))
    return self->cached_s;
  if (self->newest_s != 0 && self->newest_s - again_s < FRESH_S)
    return self->cached_again_s;
  return self->last_s != 0 && first_s >= self->last_s && first_s - self->last_s < DENSE_S ? self->cached_s
                                                                                             : self->cached_again_s;
}

/* Local time in seconds since 1970. */
static gint64
local_time (HfClock *self, gint year, gint month, gint day, gint hour, gint second)
{
  const gint key = ((year * 12 + month) * 32 + day) * 24 + hour;

  if (key != self->cached_key)
    cache_hour (self, year, month, day, hour);
  self->cached_key = key;
  self->last_s = choose_hour (self, second) + second;
  return self->last_s;
}

/* HH:MM:SS, with what fraction of a second follows. */
static gboolean
parse_clock (HfSlice *rest, gint *hour, gint *second, gint *ms)
{
  gint minute, scale = 100;
  const gchar *at = rest->at;

  if (rest->length < 8 || at[2] != ':' || at[5] != ':' || !two_digits (at, hour)
      || !two_digits (at + 3, &minute) || !two_digits (at + 6, second))
    return FALSE;
  if (*hour > 23 || minute > 59 || *second > 60)
    return FALSE;
  *second += minute * 60;
  *ms = 0;
  *rest = hf_slice_from (*rest, 8);
  if (rest->length == 0 || (rest->at[0] != '.' && rest->at[0] != ','))
    return TRUE;
  *rest = hf_slice_from (*rest, 1);
  for (; rest->length > 0 && g_ascii_isdigit (rest->at[0]); *rest = hf_slice_from (*rest, 1))
    {
      *ms += (rest->at[0] - '0') * scale;
      scale /= 10;
    }
  return TRUE;
}

/* "Nov 22 20:18:05 " */
static gboolean
parse_bsd (HfClock *self, HfSlice *rest, gint64 *out_ms)
{
  gint year, month, day, hour, second, ms;

  if (rest->length < 16 || rest->at[3] != ' ' || rest->at[6] != ' ')
    return FALSE;
  month = month_of (rest->at);
  if (month < 0 || !two_digits (rest->at + 4, &day) || day < 1 || day > 31)
    return FALSE;
  *rest = hf_slice_from (*rest, 7);
  if (!parse_clock (rest, &hour, &second, &ms) || !hf_slice_skip (rest, " "))
    return FALSE;
  year = carry_year (self, month, day);
  *out_ms = local_time (self, year, month, day, hour, second) * 1000 + ms;
  return TRUE;
}

/* "Z", "+01:00", "+0100"; without a zone the machine's is meant. */
static gboolean
parse_zone (HfSlice *rest, gboolean *has_zone, gint *offset_s)
{
  gint hours, minutes;
  gint sign;

  *offset_s = 0;
  *has_zone = TRUE;
  if (hf_slice_skip (rest, "Z"))
    return TRUE;
  if (rest->length == 0 || (rest->at[0] != '+' && rest->at[0] != '-'))
    {
      *has_zone = FALSE;
      return TRUE;
    }
  sign = rest->at[0] == '-' ? -1 : 1;
  *rest = hf_slice_from (*rest, 1);
  if (rest->length < 2 || !two_digits (rest->at, &hours))
    return FALSE;
  *rest = hf_slice_from (*rest, 2);
  hf_slice_skip (rest, ":");
  minutes = 0;
  if (rest->length >= 2 && two_digits (rest->at, &minutes))
    *rest = hf_slice_from (*rest, 2);
  *offset_s = sign * (hours * 3600 + minutes * 60);
  return TRUE;
}

/* Days since 1970 in the Gregorian calendar (H. Hinnant's days_from_civil). */
static gint64
days_since_1970 (gint year, gint month, gint day)
{
  gint64 y = month <= 2 ? year - 1 : year;
  gint64 era = y / 400;
  gint64 year_of_era = y - era * 400;
  gint64 day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  gint64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

  return era * 146097 + day_of_era - 719468;
}

/* "2026-11-22T20:18:05.123+01:00 " */
static gboolean
parse_iso (HfClock *self, HfSlice *rest, gint64 *out_ms)
{
  const gchar *at = rest->at;
  gint century, year, month, day, hour, second, ms, offset_s;
  gboolean has_zone;

  if (rest->length < 20 || at[4] != '-' || at[7] != '-' || (at[10] != 'T' && at[10] != ' ')
      || !two_digits (at, &century) || !two_digits (at + 2, &year)
      || !two_digits (at + 5, &month) || !two_digits (at + 8, &day))
    return FALSE;
  if (month < 1 || month > 12 || day < 1 || day > 31)
    return FALSE;
  year += century * 100;
  *rest = hf_slice_from (*rest, 11);
  if (!parse_clock (rest, &hour, &second, &ms) || !parse_zone (rest, &has_zone, &offset_s)
      || !hf_slice_skip (rest, " "))
    return FALSE;
  if (has_zone)
    *out_ms = (days_since_1970 (year, month, day) * DAY_S + hour * 3600 + second - offset_s) * 1000 + ms;
  else
    *out_ms = local_time (self, year, month - 1, day, hour, second) * 1000 + ms;
  return TRUE;
}

/* "postfix/smtpd" is a name and a program. */
static void
set_program (HfSlice tag, guint64 pid, HfLogLine *out)
{
  out->pid = (guint32)pid;
  out->name = tag;
  out->program = tag;
  for (gsize at = tag.length; at-- > 0;)
    if (tag.at[at] == '/')
      {
        out->name = hf_slice_head (tag, at);
        out->program = hf_slice_from (tag, at + 1);
        break;
      }
}

/* "postfix/smtpd[29009]: " or "rsyslogd: " */
static gboolean
parse_tag (HfSlice *rest, HfLogLine *out)
{
  gsize end = 0;
  guint64 pid = 0;
  HfSlice tag;

  while (end < rest->length && rest->at[end] != '[' && rest->at[end] != ':'
         && rest->at[end] != ' ')
    end++;
  if (end == 0 || end == rest->length)
    return FALSE;
  tag = hf_slice_head (*rest, end);
  *rest = hf_slice_from (*rest, end);
  if (hf_slice_skip (rest, "["))
    {
      if (!hf_slice_number (rest, &pid) || !hf_slice_skip (rest, "]"))
        return FALSE;
    }
  if (!hf_slice_skip (rest, ":"))
    return FALSE;
  hf_slice_skip (rest, " ");
  set_program (tag, pid, out);
  return TRUE;
}

/* Busybox writes "mail.info " before the program. */
static void
skip_priority (HfSlice *rest)
{
  gsize end = strlen ("mail.");

  if (!hf_slice_starts (*rest, "mail."))
    return;
  while (end < rest->length && g_ascii_islower (rest->at[end]))
    end++;
  if (end < rest->length && rest->at[end] == ' ')
    *rest = hf_slice_from (*rest, end + 1);
}

/* Solaris writes "[ID 197553 mail.info] " before the text. */
static void
skip_message_id (HfSlice *text)
{
  gssize end;

  if (!hf_slice_starts (*text, "[ID "))
    return;
  end = hf_slice_find (*text, "] ");
  if (end > 0)
    *text = hf_slice_from (*text, (gsize)end + 2);
}

static void
skip_front (HfSlice *raw)
{
  gssize end;

  while (raw->length > 0 && raw->at[0] == '\0')
    *raw = hf_slice_from (*raw, 1);
  if (raw->length == 0 || raw->at[0] != '<')
    return;
  end = hf_slice_find (*raw, ">");
  if (end > 1 && end < 5)
    *raw = hf_slice_from (*raw, (gsize)end + 1);
}

/* "-", or "[id name="value"]…", in whose values quotes and brackets are escaped. */
static gboolean
skip_structured_data (HfSlice *rest)
{
  gboolean quoted = FALSE;
  gsize at = 1;

  if (hf_slice_skip (rest, "-"))
    return TRUE;
  if (!hf_slice_starts (*rest, "["))
    return FALSE;
  while (at < rest->length && (quoted || rest->at[at] != ' ' || rest->at[at - 1] != ']'))
    {
      if (rest->at[at] == '"')
        quoted = !quoted;
      at += quoted && rest->at[at] == '\\' ? 2 : 1;
    }
  *rest = hf_slice_from (*rest, MIN (at, rest->length));
  return !quoted;
}

/* "2026-11-22T20:18:05.123Z HOST APP PID MSGID SD TEXT", as RFC 5424 has it behind
 * the version; what is absent is "-". */
static gboolean
parse_protocol (HfClock *self, HfSlice rest, HfLogLine *out)
{
  HfSlice app, pid, id;
  guint64 number;

  out->wall_ms = -1;
  if ((!hf_slice_skip (&rest, "- ") && !parse_iso (self, &rest, &out->wall_ms)) || !hf_slice_cut (&rest, " ", &out->host)
      || !hf_slice_cut (&rest, " ", &app) || !hf_slice_cut (&rest, " ", &pid) || !hf_slice_cut (&rest, " ", &id)
      || app.length == 0 || !skip_structured_data (&rest))
    return FALSE;
  if (hf_slice_is (out->host, "-"))
    out->host = hf_slice ("");
  set_program (app, hf_slice_number (&pid, &number) ? number : 0, out);
  /* some keep the blank behind the tag of the older form */
  if (hf_slice_skip (&rest, " "))
    hf_slice_skip (&rest, " ");
  hf_slice_skip (&rest, "\xef\xbb\xbf");
  out->text = rest;
  return TRUE;
}

gboolean
hf_line_parse (HfClock *self, HfSlice raw, HfLogLine *out)
{
  HfSlice rest = raw;
  gsize end = 0;

  skip_front (&rest);
  if (rest.length == 0)
    return FALSE;
  if (hf_slice_skip (&rest, "1 "))
    return parse_protocol (self, rest, out);
  if (g_ascii_isdigit (rest.at[0]))
    {
      if (!parse_iso (self, &rest, &out->wall_ms))
        return FALSE;
    }
  else if (!parse_bsd (self, &rest, &out->wall_ms))
    return FALSE;

  /* a second word that ends in a colon is the program already */
  while (end < rest.length && rest.at[end] != ' ')
    end++;
  out->host = hf_slice ("");
  if (end < rest.length && end > 0 && rest.at[end - 1] != ':')
    {
      out->host = hf_slice_head (rest, end);
      rest = hf_slice_from (rest, end + 1);
    }
  skip_priority (&rest);
  if (!parse_tag (&rest, out))
    return FALSE;
  skip_message_id (&rest);
  out->text = rest;
  return TRUE;
}
