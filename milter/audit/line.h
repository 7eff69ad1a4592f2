/* line.h - one line of a syslog file: when, where, who, what
 *
 * Knows the forms that rsyslog, syslog-ng, journalctl and Postfix's own postlogd
 * write; the last is that of RFC 5424:
 *
 *     Nov 22 20:18:05 mx postfix/smtpd[29009]: TEXT
 *     2026-11-22T20:18:05.123456+01:00 mx postfix/smtpd[29009]: TEXT
 *     <22>1 2026-11-22T20:18:05.123Z mx postfix/smtpd 29009 - - TEXT
 *
 * Times are for people and for telling long silence; the order of lines is
 * their order in the file.
 */
#pragma once

#include "milter/audit/slice.h"

G_BEGIN_DECLS

/* Where a line stands. */
typedef struct
{
  guint64 offset; /* octets from the start of the (uncompressed) text */
  guint32 line;   /* from 1 */
  guint16 file;   /* whatever the caller counts files by */
} HfPosition;

typedef struct
{
  gint64 wall_ms;  /* since 1970; -1 when the line has no time that can be read */
  HfSlice host;    /* "" when the line names none */
  HfSlice name;    /* "postfix/reinject" of postfix/reinject/smtpd, "sm-mta" of sm-mta */
  HfSlice program; /* the last component: "smtpd", "sm-mta" */
  guint32 pid;     /* 0 when there is none */
  HfSlice text;
} HfLogLine;

/**
 * HfClock:
 *
 * What turns BSD timestamps, which have neither year nor zone, into time: the
 * zone is the machine's, the year is carried from line to line and goes on at
 * New Year.  An hour that the clock shows twice is told by the lines before, and by
 * the file's time.  Kept by value; one for each file.
 */
typedef struct
{
  gint year;        /* of the line before; 0 before the first */
  gint month;       /* of the line before, from 0 */
  gint year_first;  /* of the first line */
  gint year_wanted; /* year of the first line, 0 to infer it */
  gint64 newest_s;  /* no line is newer than this plus a day; 0: nobody knows */
  gint64 now_s;     /* nor was one written an hour after this, whatever it says; 0: nobody knows */
  gint64 last_s;    /* the line before; 0 before the first */
  gint cached_key;
  gint64 cached_s;
  gint64 cached_again_s; /* the hour's second coming; cached_s where it has none */
} HfClock;

/**
 * hf_clock_init:
 * @year: the year of the file's first line, or 0 to take it from @newest_s
 * @newest_s: when the file was last written, in seconds since 1970; 0: nobody knows
 */
void hf_clock_init (HfClock *self, gint year, gint64 newest_s);

/**
 * hf_line_parse:
 * @self: the file's clock
 * @raw: the line without its end
 * @out: set on TRUE; its slices point into @raw
 *
 * FALSE when this is no syslog line.  Leading NULs, which truncation of an open
 * log leaves behind, a "<PRI>" and Solaris's "[ID …]" are skipped.
 */
gboolean hf_line_parse (HfClock *self, HfSlice raw, HfLogLine *out);

G_END_DECLS
