/* parameters-doc.c - prints the documents that are made from declared-once tables
 *
 *     parameters-doc --sample   doc/milter.conf.sample, from parameters.h
 *     parameters-doc --man      doc/milter.conf.5, from parameters.h
 *     parameters-doc --events   doc/EVENTS, from events.h
 *
 * Built and run by make, never installed.  `make refresh-docs` writes the
 * committed files, and a test compares them with what is printed here, so
 * that a row and its documentation can't drift apart.
 */
#include <config.h>

#include "milter/base/config-rows.h"

#include <stdio.h>
#include <string.h>

/* mandoc(1) calls lines of more than 80 octets bad style. */
#define WIDTH 78

typedef struct
{
  guint number;
  const gchar *level;
  const gchar *summary;
  const gchar *advice;
} EventRow;

static const EventRow event_rows[] = {
#define HF_EVENT(name, number, level, summary, advice) { number, #level, summary, advice },
#include "milter/base/events.h"
#undef HF_EVENT
};

/* Prints @text filled into lines that begin with @prefix.  With @is_mdoc each
 * sentence begins a line, as mdoc(7) wants it, and no word begins a macro. */
static void
print_filled (const gchar *prefix, const gchar *text, gboolean is_mdoc)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  gsize column = 0;
  gboolean sentence_ended = FALSE;

  for (gchar **word = words; *word != NULL; word++)
    {
      gsize length = strlen (*word);
      gboolean fits = column + 1 + length <= WIDTH && !(is_mdoc && sentence_ended);

      if (column > 0 && fits)
        {
          printf (" %s", *word);
          column += 1 + length;
        }
      else
        {
          gboolean is_macro = is_mdoc && (**word == '.' || **word == '\'');

          printf ("%s%s%s%s", column > 0 ? "\n" : "", prefix, is_macro ? "\\&" : "", *word);
          column = strlen (prefix) + length;
        }
      sentence_ended = length > 0 && strchr (".:", (*word)[length - 1]) != NULL
                       && word[1] != NULL && g_ascii_isupper (word[1][0]);
    }
  putchar ('\n');
}

static const gchar *
kind_text (HfKind kind)
{
  switch (kind)
    {
    case HF_KIND_STRING:
      return "Text";
    case HF_KIND_PATH:
      return "Absolute path";
    case HF_KIND_CHOICE:
      return "One of";
    case HF_KIND_SIZE:
      return "Size in octets, K, M or G";
    case HF_KIND_TIME:
      return "Time in ms, s, min, h or d";
    case HF_KIND_COUNT:
      return "Count";
    case HF_KIND_MODE:
      return "Octal mode";
    case HF_KIND_BOOL:
      return "Yes or no";
    case HF_KIND_SHARE:
      return "Size in octets, K, M or G, or share in %, or both as in 5% max 4G";
    }
  g_assert_not_reached ();
}

/* Kind, unit and bounds, and when a change is taken, as two sentences. */
static gchar *
form_text (const HfParameter *row)
{
  g_autofree gchar *bounds = hf_parameter_bounds (row);
  GString *text = g_string_new (kind_text (row->kind));

  if (row->kind == HF_KIND_CHOICE)
    {
      g_auto (GStrv) choices = g_strsplit (row->choices, "|", -1);
      g_autofree gchar *list = g_strjoinv (", ", choices);

      g_string_append_printf (text, ": %s", list);
    }
  if (bounds != NULL)
    g_string_append_printf (text, ", %s", bounds);
  g_string_append (text, row->reload ? ". Taken by a reload." : ". Taken at the start only.");
  return g_string_free (text, FALSE);
}

/* TRUE when @i is the first row of its section. */
static gboolean
opens_section (guint i)
{
  return i == 0 || strcmp (hf_parameters[i - 1].section, hf_parameters[i].section) != 0;
}

static void
print_sample (void)
{
  printf ("# milter.conf - what Holdfast is told; milter.conf(5) has the rules\n"
          "#\n"
          "# Every key is here with its default. Take the '#' away from those you change;\n"
          "# a file with only milter.socket and spool.directory in it is enough.\n"
          "# Check the file with `holdfast-milter -t`, and let the filter read it again\n"
          "# with SIGUSR1.\n"
          "#\n"
          "# Made from milter/base/parameters.h by `make refresh-docs`.\n");
  for (guint i = 0; i < hf_n_parameters; i++)
    {
      const HfParameter *row = &hf_parameters[i];
      g_autofree gchar *form = form_text (row);

      if (opens_section (i))
        printf ("\n[%s]\n", row->section);
      putchar ('\n');
      print_filled ("# ", row->sentence, FALSE);
      print_filled ("# ", form, FALSE);
      printf ("#%s =%s%s\n", row->key, *row->dflt != '\0' ? " " : "", row->dflt);
    }
}

/* Text for mdoc(7), where a backslash would begin an escape. */
static void
print_mdoc (const gchar *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "\\", -1);
  g_autofree gchar *escaped = g_strjoinv ("\\e", parts);

  print_filled ("", escaped, TRUE);
}

static const gchar man_head[] =
  ".\\\" Made from milter/base/parameters.h by `make refresh-docs`.\n"
  ".Dd November 22, 2026\n"
  ".Dt MILTER.CONF 5\n"
  ".Os\n"
  ".Sh NAME\n"
  ".Nm milter.conf\n"
  ".Nd configuration of Holdfast\n"
  ".Sh DESCRIPTION\n"
  "One file configures all programs of Holdfast.\n"
  "It is looked for at\n"
  ".Pa holdfast/milter.conf\n"
  "below the system configuration directory that Holdfast was built for,\n"
  ".Pa /etc\n"
  "as packaged, unless a program is told another one with\n"
  ".Fl c .\n"
  "A file that sets only the socket and the spool directory is enough.\n"
  ".Pp\n"
  "The file is UTF-8 text.\n"
  "A line is empty, or a comment that begins with\n"
  ".Ql # ,\n"
  "or a section in brackets, or a key,\n"
  ".Ql = ,\n"
  "and its value.\n"
  "Blanks around keys and values do not count.\n"
  "A comment needs a line of its own, and a backslash stands for itself.\n"
  "Sections and keys may come in any order, each of them once.\n"
  "A text, a path or a choice that is left empty has its default.\n"
  ".Pp\n"
  "Sizes are whole numbers of octets, or of\n"
  ".Cm K , M\n"
  "or\n"
  ".Cm G :\n"
  "1,024 octets, its square and its cube.\n"
  "Times are whole numbers of\n"
  ".Cm ms , s , min , h\n"
  "or\n"
  ".Cm d .\n"
  "Instead of\n"
  ".Cm yes\n"
  "and\n"
  ".Cm no ,\n"
  ".Cm true\n"
  "and\n"
  ".Cm false\n"
  "will do as well.\n"
  ".Pp\n"
  "An unknown or doubled section or key, and a value of another form or out of\n"
  "its bounds, stop a program at its start, with file, line and reason.\n"
  ".Dl milter.conf:4: unknown key 'segmentsize' in [journal]; did you mean 'segment_size'?\n"
  "A reload with\n"
  ".Dv SIGUSR1\n"
  "refuses such a file in the same way, and the settings in force stay.\n";

static const gchar man_tail[] =
  ".Sh FILES\n"
  ".Bl -tag -width Ds\n"
  ".It Pa /etc/holdfast/milter.conf\n"
  "The configuration.\n"
  ".It Pa /etc/holdfast/milter.conf.sample\n"
  "Every key with its default.\n"
  ".El\n"
  ".Sh EXAMPLES\n"
  "A filter for a Postfix that runs in its usual jail:\n"
  ".Bd -literal -offset indent\n"
  "[milter]\n"
  "socket = unix:/var/spool/postfix/holdfast/milter.sock\n"
  "socket_group = postfix\n"
  "\n"
  "[spool]\n"
  "directory = /var/spool/holdfast\n"
  ".Ed\n"
  ".Sh SEE ALSO\n"
  ".Xr holdfast 1 ,\n"
  ".Xr holdfast-milter 8\n";

static void
print_man (void)
{
  fputs (man_head, stdout);
  printf (".Sh PARAMETERS\n");
  for (guint i = 0; i < hf_n_parameters; i++)
    {
      const HfParameter *row = &hf_parameters[i];
      g_autofree gchar *form = form_text (row);

      if (opens_section (i))
        printf (".Ss Section %s\n.Bl -tag -width Ds\n", row->section);
      printf (".It Cm %s No = Ar %s\n", row->key, *row->dflt != '\0' ? row->dflt : "(empty)");
      print_mdoc (row->sentence);
      print_mdoc (form);
      if (i + 1 == hf_n_parameters || opens_section (i + 1)) /* the section's last row */
        printf (".El\n");
    }
  fputs (man_tail, stdout);
}

static const gchar *
event_group (guint number)
{
  static const gchar *const groups[] = {
    NULL, "Start, stop and life", "A message", "The journal", "Pressure", "The books", "Alarms",
  };
  guint group = number / 100;

  return group < G_N_ELEMENTS (groups) && groups[group] != NULL ? groups[group] : "Others";
}

static void
print_events (void)
{
  guint last_group = 0;

  printf ("Events of Holdfast\n"
          "\n"
          "Made from milter/base/events.h by `make refresh-docs`.\n"
          "\n");
  print_filled ("", "An event is one line: its code, its level, what happened and why, and after a "
                    "semicolon its fields, as NAME=VALUE with a blank between two of them. A value "
                    "with blanks, quotes, semicolons, equals signs, backslashes, controls or octets "
                    "that are not UTF-8 stands in double quotes, with the escapes of C. Under systemd "
                    "the fields are in the journal's entry too, as HOLDFAST_NAME. Codes are stable: a "
                    "number is never used again for another kind.", FALSE);
  printf ("\n"
          "    HF-201 error: message not stored: cannot write stage: No space left on\n"
          "    device; queue=4Yq1Zr0Bz1z9 step=stage-write errno=ENOSPC\n");
  for (guint i = 0; i < G_N_ELEMENTS (event_rows); i++)
    {
      const EventRow *row = &event_rows[i];
      g_autofree gchar *level = g_ascii_strdown (row->level, -1);

      if (row->number / 100 != last_group)
        printf ("\n\n%uxx %s\n", row->number / 100, event_group (row->number));
      last_group = row->number / 100;
      printf ("\nHF-%u %s: %s\n", row->number, level, row->summary);
      print_filled ("    ", row->advice, FALSE);
    }
}

int
main (int argc, char **argv)
{
  const gchar *what = argc == 2 ? argv[1] : "";

  if (strcmp (what, "--sample") == 0)
    print_sample ();
  else if (strcmp (what, "--man") == 0)
    print_man ();
  else if (strcmp (what, "--events") == 0)
    print_events ();
  else
    {
      fprintf (stderr, "usage: parameters-doc --sample | --man | --events\n");
      return 2;
    }
  return fflush (stdout) == 0 ? 0 : 1;
}
