/* event.c - what Holdfast tells the operator; see event.h
 *
 * A line to stderr is one write(2), so that lines of several threads do not
 * mix.  Nothing here goes through hf_sys: a fault that a test injects into
 * the path of the mail must still be told.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/teller.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

typedef struct
{
  HfEventCode code;
  gint priority;
  const gchar *text; /* "HF-201" */
  const gchar *summary;
} EventRow;

#define ERROR LOG_ERR
#define WARNING LOG_WARNING
#define NOTICE LOG_NOTICE
#define INFO LOG_INFO
static const EventRow event_rows[] = {
#define HF_EVENT(name, number, level, summary, advice) { number, level, "HF-" #number, summary },
#include "milter/base/events.h"
#undef HF_EVENT
};
#undef ERROR
#undef WARNING
#undef NOTICE
#undef INFO

static HfEventTargets targets = HF_EVENT_TO_STDERR;
static HfEventHook event_hook;
static gpointer event_hook_data;

static const EventRow *
find_row (HfEventCode code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (event_rows); i++)
    if (event_rows[i].code == code)
      return &event_rows[i];
  g_assert_not_reached ();
}

const gchar *
hf_event_code_text (HfEventCode code)
{
  return find_row (code)->text;
}

static const gchar *
level_word (gint priority)
{
  switch (priority)
    {
    case LOG_ERR:
      return "error";
    case LOG_WARNING:
      return "warning";
    case LOG_NOTICE:
      return "notice";
    default:
      return "info";
    }
}

/* stderr is the journal's own stream: systemd tells its device and inode. */
static gboolean
stderr_is_journal (void)
{
  const gchar *stream = g_getenv ("JOURNAL_STREAM");
  unsigned long device, inode;
  struct stat st;

  return stream != NULL && sscanf (stream, "%lu:%lu", &device, &inode) == 2
         && fstat (STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

gboolean
hf_event_init (const gchar *program, const gchar *to, GError **error)
{
  openlog (program, LOG_PID, LOG_MAIL);
  if (to == NULL || *to == '\0' || strcmp (to, "auto") == 0)
    {
      if (stderr_is_journal ())
        targets = HF_EVENT_TO_JOURNALD;
      else if (isatty (STDERR_FILENO))
        targets = HF_EVENT_TO_STDERR;
      else
        targets = HF_EVENT_TO_STDERR | HF_EVENT_TO_SYSLOG;
      return TRUE;
    }

  g_auto (GStrv) words = g_strsplit (to, ",", -1);
  HfEventTargets chosen = 0;

  for (gchar **word = words; *word != NULL; word++)
    {
      g_strstrip (*word);
      if (strcmp (*word, "stderr") == 0)
        chosen |= HF_EVENT_TO_STDERR;
      else if (strcmp (*word, "syslog") == 0)
        chosen |= HF_EVENT_TO_SYSLOG;
      else if (strcmp (*word, "journald") == 0)
        chosen |= HF_EVENT_TO_JOURNALD;
      else
        return hf_error_set (error, HF_ERROR_CONFIG, "config",
                             "unknown target of events '%s': must be auto, or a list of stderr, "
                             "syslog and journald", *word);
    }
  targets = chosen;
  return TRUE;
}

void
hf_event_set_hook (HfEventHook hook, gpointer data)
{
  event_hook = hook;
  event_hook_data = data;
}

/* Neither ends a line or a field, nor tells a terminal to do so: no blanks and
 * line ends of any script, no controls of C0 or C1, no marks that turn the
 * direction of what follows. */
static gboolean
is_harmless (gunichar c)
{
  return g_unichar_isprint (c) && !g_unichar_isspace (c);
}

static gboolean
is_plain (const gchar *value)
{
  if (!g_utf8_validate (value, -1, NULL))
    return FALSE;
  for (const gchar *p = value; *p != '\0'; p = g_utf8_find_next_char (p, NULL))
    if (strchr ("\"\\;=", *p) != NULL || !is_harmless (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

static void
append_value (GString *line, const gchar *value)
{
  g_autofree gchar *escaped = NULL;

  if (is_plain (value))
    {
      g_string_append (line, value);
      return;
    }
  escaped = g_strescape (value, NULL);
  g_string_append_printf (line, "\"%s\"", escaped);
}

static void
append_pair (GString *line, gboolean *first, const gchar *name, const gchar *value)
{
  if (value == NULL || *value == '\0')
    return;
  g_string_append (line, *first ? "; " : " ");
  *first = FALSE;
  g_string_append (line, name);
  g_string_append_c (line, '=');
  append_value (line, value);
}

/* A message holds file names and the MTA's words: no octet of it may end the
 * line, or begin the fields. */
static void
append_message (GString *line, const gchar *message)
{
  g_autofree gchar *valid = g_utf8_make_valid (message, -1);

  for (const gchar *p = valid; *p != '\0'; p = g_utf8_find_next_char (p, NULL))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == ';')
        c = ',';
      g_string_append_unichar (line, is_harmless (c) ? c : ' ');
    }
}

gchar *
hf_event_format (HfEventCode code, const GError *cause, const gchar *const *pairs)
{
  const EventRow *row = find_row (code);
  GString *line = g_string_new (NULL);
  gboolean first = TRUE;

  g_string_append_printf (line, "%s %s: %s", row->text, level_word (row->priority), row->summary);
  if (cause != NULL)
    {
      g_string_append (line, ": ");
      append_message (line, cause->message);
    }
  for (; pairs != NULL && pairs[0] != NULL; pairs += 2)
    append_pair (line, &first, pairs[0], pairs[1]);
  append_pair (line, &first, "step", hf_error_step (cause));
  if (hf_error_errno (cause) != 0)
    append_pair (line, &first, "errno", hf_errno_name (hf_error_errno (cause)));
  return g_string_free (line, FALSE);
}

static void
send_to_stderr (const gchar *line)
{
  g_autofree gchar *with_end = g_strconcat (line, "\n", NULL);
  ssize_t written = write (STDERR_FILENO, with_end, strlen (with_end));

  (void) written; /* there is nowhere left to tell it */
}

/* An event, ready to be sent. */
typedef struct
{
  gint priority;
  gchar *line;
  GPtrArray *fields; /* of "HOLDFAST_QUEUE=…", for the journal; NULL where it is no target */
} Note;

static void
note_free (gpointer data)
{
  Note *note = data;

  g_free (note->line);
  g_clear_pointer (&note->fields, g_ptr_array_unref);
  g_free (note);
}

static void
add_field (GPtrArray *fields, const gchar *name, const gchar *value)
{
  g_autofree gchar *upper = NULL;

  if (value == NULL || *value == '\0')
    return;
  upper = g_ascii_strup (name, -1);
  g_ptr_array_add (fields, g_strdup_printf ("HOLDFAST_%s=%s", upper, value));
}

static GPtrArray *
make_fields (const EventRow *row, const gchar *line, const GError *cause, const gchar *const *pairs)
{
  GPtrArray *fields = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (fields, g_strdup_printf ("MESSAGE=%s", line));
  g_ptr_array_add (fields, g_strdup_printf ("PRIORITY=%d", row->priority));
  add_field (fields, "code", row->text);
  for (; pairs != NULL && pairs[0] != NULL; pairs += 2)
    add_field (fields, pairs[0], pairs[1]);
  add_field (fields, "step", hf_error_step (cause));
  if (hf_error_errno (cause) != 0)
    add_field (fields, "errno", hf_errno_name (hf_error_errno (cause)));
  return fields;
}

static Note *
make_note (HfEventCode code, const GError *cause, const gchar *const *pairs)
{
  const EventRow *row = find_row (code);
  Note *note = g_new0 (Note, 1);

  note->priority = row->priority;
  note->line = hf_event_format (code, cause, pairs);
  if (targets & HF_EVENT_TO_JOURNALD)
    note->fields = make_fields (row, note->line, cause, pairs);
  return note;
}

static gboolean
send_to_journald (const GPtrArray *fields)
{
  g_autofree struct iovec *vector = g_new (struct iovec, fields->len);

  for (guint i = 0; i < fields->len; i++)
    vector[i] = (struct iovec){ fields->pdata[i], strlen (fields->pdata[i]) };
  return sd_journal_sendv (vector, (int) fields->len) >= 0;
}

static void
send_note (const Note *note)
{
  const gboolean failed = note->fields != NULL && !send_to_journald (note->fields);

  if (failed || (targets & HF_EVENT_TO_STDERR))
    send_to_stderr (note->line);
  if (targets & HF_EVENT_TO_SYSLOG)
    syslog (note->priority, "%s", note->line);
}

static void
tell (gpointer data, guint64 dropped)
{
  if (dropped > 0)
    {
      g_autofree gchar *count = g_strdup_printf ("%" G_GUINT64_FORMAT, dropped);
      const gchar *const pairs[] = { "count", count, NULL };
      Note *note = make_note (HF_EVENT_EVENTS_DROPPED, NULL, pairs);

      send_note (note);
      note_free (note);
    }
  send_note (data);
}

void
hf_event_start_teller (void)
{
  g_autoptr (GError) error = NULL;

  if (!hf_teller_start (tell, note_free, &error))
    hf_event (HF_EVENT_NO_TELLER, error, NULL);
}

void
hf_event_end_teller (gint64 wait_ms)
{
  hf_teller_end (wait_ms);
}

void
hf_event (HfEventCode code, const GError *cause, ...)
{
  g_autoptr (GPtrArray) pairs = g_ptr_array_new ();
  const gchar *argument;
  va_list args;
  Note *note;

  va_start (args, cause);
  while ((argument = va_arg (args, const gchar *)) != NULL)
    {
      g_ptr_array_add (pairs, (gpointer) (guintptr) argument);
      argument = va_arg (args, const gchar *);
      g_ptr_array_add (pairs, (gpointer) (guintptr) (argument != NULL ? argument : ""));
    }
  va_end (args);
  g_ptr_array_add (pairs, NULL);

  note = make_note (code, cause, (const gchar *const *) pairs->pdata);
  if (event_hook != NULL)
    event_hook (code, note->line, event_hook_data);
  else if (hf_teller_give (note))
    return;
  else
    send_note (note);
  note_free (note);
}
