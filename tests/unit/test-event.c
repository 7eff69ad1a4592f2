/* test-event.c - an event is one line, and nothing in it can forge another
 *
 * The lines are read back by a reader that knows no more than doc/EVENTS
 * tells: what follows the first "; " are fields.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static GError *
new_error (const gchar *message)
{
  GError *error = NULL;

  hf_error_set (&error, HF_ERROR_IO, "test-step", "%s", message);
  return error;
}

static void
test_format (void)
{
  static const struct
  {
    const gchar *name;
    gint cause_errno; /* 0: no cause */
    const gchar *pairs[5];
    const gchar *want;
  } rows[] = {
    { "bare", 0, { NULL }, "HF-103 notice: stopped" },
    { "one field", 0, { "queue", "4Yq1", NULL }, "HF-103 notice: stopped; queue=4Yq1" },
    { "two fields", 0, { "queue", "4Yq1", "id", "01J", NULL },
      "HF-103 notice: stopped; queue=4Yq1 id=01J" },
    { "empty value is left out", 0, { "queue", "", "id", "01J", NULL },
      "HF-103 notice: stopped; id=01J" },
    { "cause", ENOSPC, { "queue", "4Yq1", NULL },
      "HF-103 notice: stopped: cannot write stage: No space left on device; "
      "queue=4Yq1 step=stage-write errno=ENOSPC" },
    { "cause without fields", EIO, { NULL },
      "HF-103 notice: stopped: cannot write stage: Input/output error; "
      "step=stage-write errno=EIO" },
    { "quoted value", 0, { "text", "no room", NULL }, "HF-103 notice: stopped; text=\"no room\"" },
    { "UTF-8 stays readable", 0, { "sender", "j\xc3\xb6rg@example.org", NULL },
      "HF-103 notice: stopped; sender=j\xc3\xb6rg@example.org" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) cause = NULL;
      g_autofree gchar *line = NULL;

      if (rows[i].cause_errno != 0)
        hf_error_set_errno (&cause, rows[i].cause_errno, "stage-write", "cannot write stage");
      line = hf_event_format (HF_EVENT_STOPPED, cause, rows[i].pairs);
      tap_check_str (rows[i].name, line, rows[i].want);
    }
}

/* Reads NAME=VALUE at *@p and moves it behind.  Returns: FALSE where there is none. */
static gboolean
read_field (const gchar **p, gchar **out_name, gchar **out_value)
{
  const gchar *equals = strchr (*p, '=');
  const gchar *end;

  if (equals == NULL)
    return FALSE;
  *out_name = g_strndup (*p, (gsize) (equals - *p));
  if (equals[1] != '"')
    {
      end = equals + 1 + strcspn (equals + 1, " ");
      *out_value = g_strndup (equals + 1, (gsize) (end - equals - 1));
    }
  else
    {
      g_autofree gchar *escaped = NULL;

      for (end = equals + 2; *end != '\0' && *end != '"'; end++)
        if (*end == '\\' && end[1] != '\0')
          end++;
      escaped = g_strndup (equals + 2, (gsize) (end - equals - 2));
      *out_value = g_strcompress (escaped);
      end += *end == '"';
    }
  *p = end + (*end == ' ');
  return TRUE;
}

/* @line has exactly the fields evil=@value, last=true and step=test-step. */
static void
check_fields (const gchar *row, const gchar *line, const gchar *value)
{
  const gchar *const want[][2] = { { "evil", value }, { "last", "true" }, { "step", "test-step" } };
  const gchar *p = strstr (line, "; ");

  if (!tap_check (row, p != NULL))
    return;
  p += 2;
  for (guint i = 0; i < G_N_ELEMENTS (want); i++)
    {
      g_autofree gchar *name = NULL;
      g_autofree gchar *got = NULL;

      if (!tap_check (row, read_field (&p, &name, &got)))
        return;
      tap_check_str (row, name, want[i][0]);
      tap_check_str (row, got, want[i][1]);
    }
  tap_check_str (row, p, "");
}

/* What would end the line, move the cursor or turn the text, in any line. */
static void
check_line (const gchar *row, const gchar *line)
{
  tap_check (row, g_utf8_validate (line, -1, NULL));
  for (const gchar *p = line; *p != '\0'; p = g_utf8_find_next_char (p, NULL))
    {
      gunichar c = g_utf8_get_char (p);

      tap_check (row, c >= ' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0));
      tap_check (row, c != 0x2028 && c != 0x2029 && !(c >= 0x202a && c <= 0x202e));
    }
}

static void
test_forgery (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *evil;
  } rows[] = {
    { "newline", "a\nHF-101 notice: started" },
    { "carriage return", "a\rHF-101 notice: started" },
    { "CRLF", "a\r\nHF-101 notice: started; last=false" },
    { "blank and field", "a last=false" },
    { "semicolon and field", "a; last=false" },
    { "double quote", "a\" last=\"false" },
    { "double quote alone", "\"" },
    { "backslash and quote", "a\\\" last=\"false" },
    { "backslash at the end", "a\\" },
    { "equals sign", "last=false" },
    { "tab", "a\tlast=false" },
    { "ESC", "a\x1b[2K\x1b[1Glast=false" },
    { "backspace", "a\b\b\b\b" },
    { "DEL", "a\x7f" },
    { "not UTF-8", "a\xff\xfe last=false" },
    { "cut UTF-8", "a\xc3" },
    { "overlong newline", "a\xc0\x8alast=false" },
    { "C1 control in UTF-8", "a\xc2\x9b""2Klast=false" },
    { "C1 next line", "a\xc2\x85last=false" },
    { "line separator", "a\xe2\x80\xa8last=false" },
    { "paragraph separator", "a\xe2\x80\xa9last=false" },
    { "right-to-left override", "a\xe2\x80\xae""eslaf=tsal" },
    { "no-break space", "a\xc2\xa0last=false" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const gchar *const pairs[] = { "evil", rows[i].evil, "last", "true", NULL };
      const gchar *const harmless[] = { "evil", "no", "last", "true", NULL };
      g_autoptr (GError) plain = new_error ("plain");
      g_autoptr (GError) evil = new_error (rows[i].evil);
      g_autofree gchar *by_value
        = hf_event_format (HF_EVENT_MESSAGE_NOT_STORED, plain, pairs);
      g_autofree gchar *by_message
        = hf_event_format (HF_EVENT_MESSAGE_NOT_STORED, evil, harmless);

      check_line (rows[i].name, by_value);
      check_fields (rows[i].name, by_value, rows[i].evil);
      check_line (rows[i].name, by_message);
      check_fields (rows[i].name, by_message, "no");
    }
}

static void
keep_line (HfEventCode code, const gchar *line, gpointer data)
{
  g_autofree gchar *told = g_strdup_printf ("%d %s", (int) code, line);

  g_string_append (data, told);
}

static void
test_hook (void)
{
  g_autoptr (GString) told = g_string_new (NULL);

  hf_event_set_hook (keep_line, told);
  hf_event (HF_EVENT_STARTED, NULL, "absent", NULL, "pid", "17", NULL);
  hf_event_set_hook (NULL, NULL);
  tap_check_str ("NULL value is left out", told->str, "101 HF-101 notice: started; pid=17");
}

static void
test_codes (void)
{
  static const HfEventCode codes[] = {
#define HF_EVENT(name, number, level, summary, advice) HF_EVENT_##name,
#include "milter/base/events.h"
#undef HF_EVENT
  };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autofree gchar *want = g_strdup_printf ("HF-%03d", (int) codes[i]);

      tap_check_str (want, hf_event_code_text (codes[i]), want);
      for (guint j = 0; j < i; j++)
        tap_check (want, codes[i] != codes[j]);
    }
}

static void
test_targets (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *to;
    gboolean want;
  } rows[] = {
    { "nothing said", NULL, TRUE },
    { "empty", "", TRUE },
    { "auto", "auto", TRUE },
    { "two with blanks", "stderr , syslog", TRUE },
    { "unknown word", "stderr,printer", FALSE },
    { "auto in a list", "auto,stderr", FALSE },
    { "one", "stderr", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      tap_check_int (rows[i].name, hf_event_init ("test-event", rows[i].to, &error), rows[i].want);
      tap_check_int (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG),
                     !rows[i].want);
    }
}

/* ---- a log that takes no lines ---- */

/* Standard error becomes a pipe that is full.  Returns its reading end. */
static int
clog_stderr (void)
{
  gchar block[4096];
  int ends[2];

  memset (block, '.', sizeof block);
  g_assert_true (pipe2 (ends, O_NONBLOCK) == 0);
  while (write (ends[1], block, sizeof block) > 0)
    ;
  g_assert_true (fcntl (ends[1], F_SETFL, 0) == 0);
  g_assert_true (dup2 (ends[1], STDERR_FILENO) == STDERR_FILENO);
  close (ends[1]);
  return ends[0];
}

static gpointer
read_all (gpointer data)
{
  const int fd = GPOINTER_TO_INT (data);
  GString *text = g_string_new (NULL);
  gchar block[4096];
  ssize_t n;

  fcntl (fd, F_SETFL, 0);
  while ((n = read (fd, block, sizeof block)) > 0)
    g_string_append_len (text, block, n);
  return text;
}

/* Nobody waits longer than a second for it, and only one does; what was said
 * stands there once it takes lines again, or is counted. */
static void
test_P2_clogged_log (void)
{
  const int saved = dup (STDERR_FILENO);
  const int end = clog_stderr ();
  GThread *reader;
  gint64 started_us = g_get_monotonic_time ();
  guint told = 0;

  hf_event_init ("test-event", "stderr", NULL);
  hf_event_start_teller ();
  for (guint i = 0; i < 1500; i++)
    hf_event (HF_EVENT_STOPPED, NULL, NULL);
  tap_check ("took a second, and not two", g_get_monotonic_time () - started_us < 2 * G_USEC_PER_SEC);
  reader = g_thread_new ("reader", read_all, GINT_TO_POINTER (end));
  hf_event_end_teller (20000);
  hf_event (HF_EVENT_STARTED, NULL, NULL); /* without a teller again */
  g_assert_true (dup2 (saved, STDERR_FILENO) == STDERR_FILENO);
  close (saved);

  g_autoptr (GString) text = NULL;

  text = g_thread_join (reader);
  close (end);
  for (const gchar *hit = text->str; (hit = strstr (hit, "HF-103 notice: stopped\n")) != NULL; hit++)
    told++;
  tap_check_int ("told", told, 1001); /* the one that held it up, and as many as are kept */
  tap_check_has ("counted", text->str, "HF-113 warning: events were not told; count=499\n");
  tap_check_has ("the last", text->str, "HF-101 notice: started\n");
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "format", test_format },   { "forgery", test_forgery }, { "hook", test_hook },
    { "codes", test_codes },     { "targets", test_targets },
    { "P2-clogged-log", test_P2_clogged_log }, { NULL, NULL },
  };

  return tap_run ("event", tests, argc, argv);
}
