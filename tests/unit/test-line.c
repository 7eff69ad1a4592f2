/* test-line.c - syslog lines are taken apart, and their times are right */
#include <config.h>

#include "milter/audit/line.h"
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <time.h>

typedef struct
{
  const gchar *name;
  const gchar *raw;
  const gchar *want; /* TIME|HOST|NAME|PROGRAM|PID|TEXT, NULL when it is no line */
} Row;

static const Row rows[] = {
  { "BSD", "Nov 22 20:18:05 mx postfix/smtpd[29009]: connect from x",
    "2026-11-22T20:18:05.000Z|mx|postfix|smtpd|29009|connect from x" },
  { "BSD, day with a blank", "Nov  2 00:00:00 mx postfix/qmgr[1]: AAAA01: removed",
    "2026-11-02T00:00:00.000Z|mx|postfix|qmgr|1|AAAA01: removed" },
  { "BSD with a fraction", "Nov 22 20:18:05.123456 mx a[1]: b", "2026-11-22T20:18:05.123Z|mx|a|a|1|b" },
  { "several components", "Nov 22 20:18:05 mx postfix/reinject/smtpd[2]: x",
    "2026-11-22T20:18:05.000Z|mx|postfix/reinject|smtpd|2|x" },
  { "no pid", "Nov 22 20:18:05 mx rsyslogd: start", "2026-11-22T20:18:05.000Z|mx|rsyslogd|rsyslogd|0|start" },
  { "no host", "Nov 22 20:18:05 postfix/smtpd[7]: x", "2026-11-22T20:18:05.000Z||postfix|smtpd|7|x" },
  { "no host, no pid", "Nov 22 20:18:05 rsyslogd: start", "2026-11-22T20:18:05.000Z||rsyslogd|rsyslogd|0|start" },
  { "priority", "<22>Nov 22 20:18:05 mx a[1]: b", "2026-11-22T20:18:05.000Z|mx|a|a|1|b" },
  { "Solaris", "Nov 22 20:18:05 mx postfix/smtpd[7]: [ID 197553 mail.info] connect from x",
    "2026-11-22T20:18:05.000Z|mx|postfix|smtpd|7|connect from x" },
  { "Busybox", "Nov 22 20:18:05 mx mail.info postfix/smtpd[7]: connect from x",
    "2026-11-22T20:18:05.000Z|mx|postfix|smtpd|7|connect from x" },
  { "a program called mail", "Nov 22 20:18:05 mx mail.sh[7]: x", "2026-11-22T20:18:05.000Z|mx|mail.sh|mail.sh|7|x" },
  { "ISO with microseconds and a zone", "2026-11-22T21:18:05.123456+01:00 mx a[1]: b",
    "2026-11-22T20:18:05.123Z|mx|a|a|1|b" },
  { "ISO, UTC", "2026-11-22T20:18:05Z mx a[1]: b", "2026-11-22T20:18:05.000Z|mx|a|a|1|b" },
  { "ISO, short zone west", "2026-11-22T15:18:05-0500 mx a[1]: b", "2026-11-22T20:18:05.000Z|mx|a|a|1|b" },
  { "ISO with a blank, no zone", "2026-11-22 20:18:05 mx a[1]: b", "2026-11-22T20:18:05.000Z|mx|a|a|1|b" },
  { "29 February", "2028-02-29T00:00:00Z mx a[1]: b", "2028-02-29T00:00:00.000Z|mx|a|a|1|b" },
  { "empty text", "Nov 22 20:18:05 mx a[1]: ", "2026-11-22T20:18:05.000Z|mx|a|a|1|" },
  { "no blank after the colon", "Nov 22 20:18:05 mx a[1]:b", "2026-11-22T20:18:05.000Z|mx|a|a|1|b" },
  { "colons in the text", "Nov 22 20:18:05 mx a: b: c[1]: d", "2026-11-22T20:18:05.000Z|mx|a|a|0|b: c[1]: d" },
  { "RFC 5424", "<22>1 2026-11-22T20:18:05.123Z mx postfix/smtpd 29009 - - connect from x",
    "2026-11-22T20:18:05.123Z|mx|postfix|smtpd|29009|connect from x" },
  { "RFC 5424, with the older form's blank", "<22>1 2026-11-22T21:18:05+01:00 mx postfix/qmgr 7 - -  AAAA01: removed",
    "2026-11-22T20:18:05.000Z|mx|postfix|qmgr|7|AAAA01: removed" },
  { "RFC 5424 with data, a mark of UTF-8, and next to nothing",
    "<22>1 2026-11-22T20:18:05Z - a - ID47 [x@1 a=\"] \\\"b\"][y c=\"d e\"] \xef\xbb\xbfText.",
    "2026-11-22T20:18:05.000Z||a|a|0|Text." },
  { "RFC 5424 without a text", "<22>1 2026-11-22T20:18:05Z mx a 1 - -", "2026-11-22T20:18:05.000Z|mx|a|a|1|" },
  { "RFC 5424 without a program's id", "<22>1 2026-11-22T20:18:05Z mx postfix/smtpd", NULL },
  { "RFC 5424, data that do not end", "<22>1 2026-11-22T20:18:05Z mx a 1 - [x a=\"b] c", NULL },
  { "empty", "", NULL },
  { "a word", "hello", NULL },
  { "hour 24", "Nov 22 24:18:05 mx a[1]: b", NULL },
  { "month 13", "2026-13-22T20:18:05Z mx a[1]: b", NULL },
  { "not a month", "Nox 22 20:18:05 mx a[1]: b", NULL },
  { "cut in the time", "Nov 22 20:1", NULL },
  { "cut after the time", "Nov 22 20:18:05 ", NULL },
  { "cut in the tag", "Nov 22 20:18:05 mx postfix/smt", NULL },
  { "pid that is none", "Nov 22 20:18:05 mx a[x]: b", NULL },
  { "pid that does not end", "Nov 22 20:18:05 mx a[1: b", NULL },
};

static gchar *
tell_time (gint64 wall_ms)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (wall_ms / 1000);
  g_autofree gchar *seconds = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");

  return g_strdup_printf ("%s.%03dZ", seconds, (gint) (wall_ms % 1000));
}

static gchar *
tell (HfClock *clock, HfSlice raw)
{
  HfLogLine line;
  g_autofree gchar *time = NULL;

  if (!hf_line_parse (clock, raw, &line))
    return NULL;
  time = tell_time (line.wall_ms);
  return g_strdup_printf ("%s|%.*s|%.*s|%.*s|%u|%.*s", time, (gint) line.host.length, line.host.at,
                          (gint) line.name.length, line.name.at, (gint) line.program.length, line.program.at,
                          line.pid, (gint) line.text.length, line.text.at);
}

static void
test_line_parse (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfClock clock;
      g_autofree gchar *told = NULL;

      hf_clock_init (&clock, 2026, 0);
      told = tell (&clock, hf_slice (rows[i].raw));
      tap_check_str (rows[i].name, told, rows[i].want);
    }
}

/* Every prefix of a line is parsed or refused, and read no further than its end. */
static void
test_line_prefixes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (gsize length = 0; length <= strlen (rows[i].raw); length++)
      {
        g_autofree gchar *exact = g_memdup2 (rows[i].raw, length);
        HfClock clock;
        HfLogLine line;

        hf_clock_init (&clock, 2026, 0);
        if (hf_line_parse (&clock, (HfSlice){ exact, length }, &line))
          tap_check (rows[i].name, line.text.at + line.text.length <= exact + length);
      }
}

static void
test_line_nuls (void)
{
  static const gchar raw[] = "\0\0\0Nov 22 20:18:05 mx a[1]: b\0c";
  HfClock clock;
  HfLogLine line;

  hf_clock_init (&clock, 2026, 0);
  tap_check ("NULs before", hf_line_parse (&clock, (HfSlice){ raw, sizeof raw - 1 }, &line));
  tap_check_int ("NUL within", line.text.length, 3);
}

typedef struct
{
  const gchar *name;
  gint year;           /* as with --year; 0: from the file's time */
  const gchar *newest; /* the file's time, as a date; NULL: nobody knows */
  const gchar *lines;  /* times, one a line */
  const gchar *want;   /* years */
} YearRow;

static const YearRow year_rows[] = {
  { "from the file's time", 0, "2026-11-23", "Nov 22", "2026" },
  { "written in January, begun in December", 0, "2027-01-05", "Dec 30\nDec 31\nJan  1\nJan  5", "2026 2026 2027 2027" },
  { "written on the last line's day", 0, "2026-11-22", "Nov 22", "2026" },
  { "a day ahead of the file's time is still this year", 0, "2026-11-22", "Nov 23", "2026" },
  { "later in the year than the file: last year's", 0, "2026-03-01", "Nov 22\nFeb 28", "2025 2026" },
  { "given, and on past New Year", 2024, "2026-11-23", "Dec 31\nJan  1\nFeb 29", "2024 2025 2025" },
  { "a clock set back over New Year", 2026, "2027-01-02", "Dec 31\nJan  1\nDec 31\nJan  1", "2026 2027 2026 2027" },
  { "a clock that began in January, in November", 0, "2026-11-22", "Nov 22\nJan  1\nNov 22\nNov 22", "2026 2026 2026 2026" },
  { "the same, first of all", 0, "2026-11-22", "Jan  1\nNov 22\nNov 22", "2026 2026 2026" },
  { "the same, and nobody knows when the file was written", 2026, NULL, "Nov 22\nJan  1\nNov 22\nDec 31\nJan  1", "2026 2027 2026 2026 2027" },
  { "a late line of another host, and New Year after that", 0, "2027-01-03", "Nov 22\nAug 31\nNov 23\nDec 31\nJan  2", "2026 2026 2026 2026 2027" },
  { "clock reset to January when the year has just begun", 0, "2027-01-03", "Dec 31\nJan  3\nJan  1\nJan  3", "2026 2027 2027 2027" },
  { "copied on a day that the log has", 0, "2026-11-22", "Nov 20\nNov 22\nNov 30\nDec 20", "2026 2026 2026 2026" },
  { "a clock set back over the end of a month", 2026, "2026-12-02", "Dec  1\nNov 30\nDec  1", "2026 2026 2026" },
};

static void
test_line_year (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (year_rows); i++)
    {
      const YearRow *row = &year_rows[i];
      g_autofree gchar *noon = g_strdup_printf ("%sT12:00:00Z", row->newest);
      g_autoptr (GDateTime) newest = row->newest != NULL ? g_date_time_new_from_iso8601 (noon, NULL) : NULL;
      g_auto (GStrv) days = g_strsplit (row->lines, "\n", -1);
      g_autoptr (GString) told = g_string_new (NULL);
      HfClock clock;

      hf_clock_init (&clock, row->year, newest != NULL ? g_date_time_to_unix (newest) : 0);
      for (guint day = 0; days[day] != NULL; day++)
        {
          g_autofree gchar *raw = g_strdup_printf ("%s 12:00:00 mx a[1]: b", days[day]);
          g_autoptr (GDateTime) time = NULL;
          HfLogLine line;

          if (!tap_check (row->name, hf_line_parse (&clock, hf_slice (raw), &line)))
            continue;
          time = g_date_time_new_from_unix_utc (line.wall_ms / 1000);
          g_string_append_printf (told, "%s%d", day > 0 ? " " : "", g_date_time_get_year (time));
        }
      tap_check_str (row->name, told->str, row->want);
    }
}

typedef struct
{
  const gchar *name;
  const gchar *newest; /* the file's time; NULL: it is written to, and each line is as new as it is wanted */
  const gchar *lines;  /* local times of 25 October 2026, one a line */
  const gchar *want;   /* hours and minutes, UTC */
} SummerRow;

static const SummerRow summer_rows[] = {
  { "a silence in the first hour", "2026-10-25T09:00:00Z", "01:50\n02:00\n02:10\n02:59\n02:00\n02:01\n02:59\n03:00",
    "23:50 00:00 00:10 01:59 01:00 01:01 01:59 02:00" },
  { "one line after the other", "2026-10-25T09:00:00Z", "01:50\n02:00\n02:10\n02:20\n02:30\n02:40\n02:50\n02:00\n02:10\n03:00",
    "23:50 00:00 00:10 00:20 00:30 00:40 00:50 01:00 01:10 02:00" },
  { "the second hour alone", "2026-10-25T09:00:00Z", "02:30\n02:31\n03:00", "01:30 01:31 02:00" },
  { "the second hour behind a long silence", "2026-10-25T09:00:00Z", "00:30\n02:30\n03:00", "22:30 01:30 02:00" },
  { "the file ends in the first hour", "2026-10-25T00:40:00Z", "02:30\n02:40", "00:30 00:40" },
  { "live, and an hour of silence between", NULL, "02:10\n02:20\n02:25", "00:10 01:20 01:25" },
  { "live, and minutes go back", NULL, "02:50\n02:10\n02:50", "00:50 01:10 01:50" },
};

static void
test_line_summer (void)
{
  setenv ("TZ", "Europe/Berlin", 1);
  tzset ();
  for (gsize i = 0; i < G_N_ELEMENTS (summer_rows); i++)
    {
      const SummerRow *row = &summer_rows[i];
      g_autoptr (GDateTime) newest = row->newest != NULL ? g_date_time_new_from_iso8601 (row->newest, NULL) : NULL;
      g_auto (GStrv) times = g_strsplit (row->lines, "\n", -1), wanted = g_strsplit (row->want, " ", -1);
      g_autoptr (GString) told = g_string_new (NULL);
      HfClock clock;

      hf_clock_init (&clock, 2026, newest != NULL ? g_date_time_to_unix (newest) : 0);
      for (guint at = 0; times[at] != NULL; at++)
        {
          g_autofree gchar *raw = g_strdup_printf ("Oct 25 %s:00 mx a[1]: b", times[at]);
          g_autofree gchar *now = g_strdup_printf ("2026-10-25T%s:00Z", wanted[at]);
          g_autoptr (GDateTime) live = g_date_time_new_from_iso8601 (now, NULL), time = NULL;
          g_autofree gchar *text = NULL;
          HfLogLine line;

          if (newest == NULL)
            clock.newest_s = g_date_time_to_unix (live);
          if (!tap_check (row->name, hf_line_parse (&clock, hf_slice (raw), &line)))
            continue;
          time = g_date_time_new_from_unix_utc (line.wall_ms / 1000);
          text = g_date_time_format (time, "%H:%M");
          g_string_append_printf (told, "%s%s", at > 0 ? " " : "", text);
        }
      tap_check_str (row->name, told->str, row->want);
    }
  setenv ("TZ", "UTC", 1);
  tzset ();
}

static const TapTest tests[] = {
  { "parse", test_line_parse },
  { "prefixes", test_line_prefixes },
  { "nuls", test_line_nuls },
  { "year", test_line_year },
  { "summer time's end", test_line_summer },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  setenv ("TZ", "UTC", 1);
  tzset ();
  return tap_run ("line", tests, argc, argv);
}
