/* verbs.h - the verbs of the command, a file and a function each
 *
 * A verb gets its own arguments, argv[0] being its name, and the path given
 * with the global -c (NULL: the default).  It returns the exit code:
 * 0 fine, 1 found something wrong, 2 usage or configuration, 3 could not look.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define HF_EXIT_FINE 0
#define HF_EXIT_WRONG 1
#define HF_EXIT_USAGE 2
#define HF_EXIT_BLIND 3

int hf_verb_audit (int argc, char **argv, const gchar *config_path);
int hf_verb_export (int argc, char **argv, const gchar *config_path);
int hf_verb_balance (int argc, char **argv, const gchar *config_path);
int hf_verb_explain (int argc, char **argv, const gchar *config_path);
int hf_verb_list (int argc, char **argv, const gchar *config_path);
int hf_verb_settle (int argc, char **argv, const gchar *config_path);
int hf_verb_show (int argc, char **argv, const gchar *config_path);
int hf_verb_status (int argc, char **argv, const gchar *config_path);
int hf_verb_trim (int argc, char **argv, const gchar *config_path);
int hf_verb_verify (int argc, char **argv, const gchar *config_path);

G_END_DECLS
