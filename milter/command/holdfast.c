/* holdfast.c - the command: finds the verb and runs it
 *
 * What every verb shares stands before the verb: -c FILE.  All else belongs
 * to the verb, see its own --help.
 */
#include <config.h>

#include "milter/command/verbs.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

typedef struct
{
  const gchar *name;
  int (*run) (int argc, char **argv, const gchar *config_path);
  const gchar *help;
} Verb;

static const Verb verbs[] = {
  { "status", hf_verb_status, "tell whether all is well, and what needs a hand" },
  { "audit", hf_verb_audit, "make books from the MTA's logs alone" },
  { "list", hf_verb_list, "list the messages of the journal" },
  { "explain", hf_verb_explain, "tell what became of a message, and how that is known" },
  { "balance", hf_verb_balance, "compare the journal with the books" },
  { "show", hf_verb_show, "print a message as it was received" },
  { "verify", hf_verb_verify, "check every record of the journal" },
  { "export", hf_verb_export, "write messages to files, as they are or in a common form" },
  { "settle", hf_verb_settle, "declare the fate of messages known" },
  { "trim", hf_verb_trim, "remove the segments in which all is void or settled" },
};

static void
print_help (FILE *stream)
{
  fprintf (stream, "usage: holdfast [-c FILE] VERB [OPTION…] [ARGUMENT…]\n\n");
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    fprintf (stream, "  %-10s %s\n", verbs[i].name, verbs[i].help);
  fprintf (stream, "\n  -c FILE    read FILE instead of the default milter.conf\n"
                   "  --version  print the version\n"
                   "\n`holdfast VERB --help` tells a verb's options.\n");
}

static const Verb *
find_verb (const gchar *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (verbs[i].name, name) == 0)
      return &verbs[i];
  return NULL;
}

int
main (int argc, char **argv)
{
  const gchar *config_path = NULL;
  const Verb *verb;
  int i = 1;

  setlocale (LC_ALL, "");
  for (; i < argc && argv[i][0] == '-'; i++)
    {
      if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0)
        {
          print_help (stdout);
          return HF_EXIT_FINE;
        }
      if (strcmp (argv[i], "--version") == 0)
        {
          printf ("holdfast %s\n", PACKAGE_VERSION);
          return HF_EXIT_FINE;
        }
      if ((strcmp (argv[i], "-c") == 0 || strcmp (argv[i], "--config") == 0) && i + 1 < argc)
        config_path = argv[++i];
      else if (g_str_has_prefix (argv[i], "--config="))
        config_path = argv[i] + strlen ("--config=");
      else
        {
          fprintf (stderr, "holdfast: unknown option, or one without its value: '%s'\n", argv[i]);
          return HF_EXIT_USAGE;
        }
    }
  if (i == argc)
    {
      print_help (stderr);
      return HF_EXIT_USAGE;
    }
  verb = find_verb (argv[i]);
  if (verb != NULL)
    return verb->run (argc - i, argv + i, config_path);
  fprintf (stderr, "holdfast: unknown verb '%s'; see holdfast --help\n", argv[i]);
  return HF_EXIT_USAGE;
}
