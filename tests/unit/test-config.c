/* test-config.c - milter.conf is taken as meant, or refused with file, line and reason */
#include <config.h>

#include "milter/base/config-rows.h"
#include "milter/base/config.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static gchar *directory;

/* A text and its length, so that it may hold NUL octets. */
#define TEXT(literal) literal, sizeof (literal) - 1

static gchar *
conf_path (void)
{
  return g_build_filename (directory, "m.conf", NULL);
}

/* Writes @text to m.conf and loads it. */
static HfConfig *
load_text (const gchar *text, gsize length, GError **error)
{
  g_autofree gchar *path = conf_path ();

  if (!g_file_set_contents (path, text, (gssize) length, error))
    return NULL;
  return hf_config_load (path, error);
}

/* The message without the directory, or NULL. */
static const gchar *
message_of (const GError *error)
{
  if (error == NULL)
    return NULL;
  return g_str_has_prefix (error->message, directory) ? error->message + strlen (directory) + 1
                                                      : error->message;
}

/* Equal, or equal up to the "..." that @want ends with: lists of names grow. */
static void
check_message (const gchar *row, const gchar *message, const gchar *want)
{
  g_autofree gchar *cut = NULL;

  if (message != NULL && g_str_has_suffix (want, "..."))
    cut = g_strdup_printf ("%.*s...", (gint) strlen (want) - 3, message);
  tap_check_str (row, cut != NULL ? cut : message, want);
}

static void
test_refused (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gsize length;
    const gchar *want;
  } rows[] = {
    /* what the file is made of */
    { "NUL octet", TEXT ("[milter]\nuser = a\0b\n"),
      "m.conf:2: a NUL octet: this is not a text file" },
    { "not UTF-8", TEXT ("[milter]\n\nuser = \xff\n"), "m.conf:3: octet 0xff is not UTF-8" },
    { "not UTF-8 in a comment", TEXT ("# j\xf6rg\n"), "m.conf:1: octet 0xf6 is not UTF-8" },
    { "cut UTF-8 at the end", TEXT ("[milter]\nuser = \xc3"), "m.conf:2: octet 0xc3 is not UTF-8" },
    { "byte order mark", TEXT ("\xef\xbb\xbf[milter]\n"),
      "m.conf:1: the file starts with a byte order mark: save it without one" },
    { "form feed", TEXT ("[milter]\f\nuser = a\n"), "m.conf:1: octet 0x0c is a control: a line may hold blanks and tabs" },
    { "CR within a line", TEXT ("[milter]\r\nuser = a\rb\n"),
      "m.conf:2: octet 0x0d is a control: a line may hold blanks and tabs" },
    { "CR at the very end", TEXT ("[milter]\nuser = a\r"),
      "m.conf:2: octet 0x0d is a control: a line may hold blanks and tabs" },

    /* lines */
    { "no equals sign", TEXT ("[milter]\nuser\n"),
      "m.conf:2: 'user' has no '=': write key = value, [section] or # comment" },
    { "semicolon comment", TEXT ("; holdfast\n"),
      "m.conf:1: '; holdfast' has no '=': write key = value, [section] or # comment" },
    { "terminal controls in a line", TEXT ("\x1b[2Jfoo\n"),
      "m.conf:1: octet 0x1b is a control: a line may hold blanks and tabs" },
    { "no key", TEXT ("[milter]\n = a\n"), "m.conf:2: no key before the '='" },
    { "known key before any section", TEXT ("# a\nsegment_size = 1M\n"),
      "m.conf:2: key 'segment_size' stands before any section; it belongs to [journal]" },
    { "unknown key before any section", TEXT ("foo = 1\n"),
      "m.conf:1: key 'foo' stands before any section, and is unknown" },

    /* sections */
    { "section left open", TEXT ("[milter\n"),
      "m.conf:1: '[milter' is not a section: write [name] and nothing behind it" },
    { "section with a comment", TEXT ("[milter] # a\n"),
      "m.conf:1: '[milter] # a' is not a section: write [name] and nothing behind it" },
    { "misspelt section", TEXT ("[Milter]\n"),
      "m.conf:1: unknown section [Milter]; did you mean [milter]?" },
    { "unknown section", TEXT ("[network]\n"),
      "m.conf:1: unknown section [network]; there are: milter, spool, ..." },
    { "empty section name", TEXT ("[]\n"),
      "m.conf:1: unknown section []; there are: milter, spool, ..." },
    { "doubled section", TEXT ("[milter]\n[spool]\n\n[milter]\n"),
      "m.conf:4: section [milter] comes twice; the first is in line 1" },

    /* keys */
    { "doubled key", TEXT ("[milter]\nuser = a\n\nuser = a\n"),
      "m.conf:4: key 'user' of [milter] comes twice; the first is in line 2" },
    { "doubled key with other blanks", TEXT ("[milter]\nuser = a\n \tuser=b\n"),
      "m.conf:3: key 'user' of [milter] comes twice; the first is in line 2" },
    { "misspelt key", TEXT ("[journal]\nsegmentsize = 1M\n"),
      "m.conf:2: unknown key 'segmentsize' in [journal]; did you mean 'segment_size'?" },
    { "key with a hyphen", TEXT ("[journal]\nsegment-size = 1M\n"),
      "m.conf:2: unknown key 'segment-size' in [journal]; did you mean 'segment_size'?" },
    { "key in upper case", TEXT ("[milter]\nSocket = unix:/a\n"),
      "m.conf:2: unknown key 'Socket' in [milter]; did you mean 'socket'?" },
    { "key of another section", TEXT ("[milter]\nsegment_size = 1M\n"),
      "m.conf:2: unknown key 'segment_size' in [milter]; it belongs to [journal]" },
    { "misspelt key of another section", TEXT ("[spool]\nsegmentsize = 1M\n"),
      "m.conf:2: unknown key 'segmentsize' in [spool]; did you mean 'segment_size' of [journal]?" },
    { "unknown key", TEXT ("[journal]\ncolour = red\n"),
      "m.conf:2: unknown key 'colour' in [journal]; there are: segment_size, spares, write_ahead..." },
    { "key with a language", TEXT ("[spool]\ndirectory[de] = /a\n"),
      "m.conf:2: unknown key 'directory[de]' in [spool]; there are: directory..." },

    /* values */
    { "size without digits", TEXT ("[journal]\nsegment_size = M\n"),
      "m.conf:2: [journal] segment_size: 'M' is not a size: write octets, or a whole number with "
      "K, M or G, such as 64M" },
    { "empty size", TEXT ("[journal]\nsegment_size =\n"),
      "m.conf:2: [journal] segment_size: '' is not a size: write octets, or a whole number with "
      "K, M or G, such as 64M" },
    { "size with a comment", TEXT ("[journal]\nsegment_size = 1M # big\n"),
      "m.conf:2: [journal] segment_size: '1M # big' is not a size: write octets, or a whole number "
      "with K, M or G, such as 64M (a comment needs a line of its own)" },
    { "size below its bound", TEXT ("[journal]\nsegment_size = 65535\n"),
      "m.conf:2: [journal] segment_size: '65535' is too small: allowed is 64K to 4G" },
    { "size above its bound", TEXT ("[journal]\nsegment_size = 4294967297\n"),
      "m.conf:2: [journal] segment_size: '4294967297' is too large: allowed is 64K to 4G" },
    { "size beyond all bounds", TEXT ("[journal]\nsegment_size = 18446744073709551616\n"),
      "m.conf:2: [journal] segment_size: '18446744073709551616' is too large a number" },
    { "time without a unit", TEXT ("[milter]\ncommit_limit = 60\n"),
      "m.conf:2: [milter] commit_limit: '60' is not a time: write a whole number with ms, s, min, "
      "h or d, such as 30s" },
    { "time below its bound", TEXT ("[milter]\ncommit_limit = 999ms\n"),
      "m.conf:2: [milter] commit_limit: '999ms' is too small: allowed is 1s to 240s" },
    { "time above its bound", TEXT ("[milter]\ncommit_limit = 5min\n"),
      "m.conf:2: [milter] commit_limit: '5min' is too large: allowed is 1s to 240s" },
    { "mode in decimal", TEXT ("[milter]\nsocket_mode = 0680\n"),
      "m.conf:2: [milter] socket_mode: '0680' is not a mode: write octal digits from 0000 to 0777, "
      "such as 0660" },
    { "neither yes nor no", TEXT ("[journal]\nwrite_ahead = 1\n"),
      "m.conf:2: [journal] write_ahead: '1' is not yes or no (true and false will do as well)" },
    { "relative path", TEXT ("[spool]\n\n\ndirectory = spool\n"),
      "m.conf:4: [spool] directory: 'spool' is not an absolute path: it must begin with '/'" },
    { "control in a path", TEXT ("[spool]\ndirectory = /a\tb\n"),
      "m.conf:2: [spool] directory: '/a?b' holds a control character" },
    { "more than the whole", TEXT ("[pressure]\nspace_stop = 101%\n"),
      "m.conf:2: [pressure] space_stop: '101%' is not a share: write 0% to 100%" },
    { "neither size nor share", TEXT ("[pressure]\nspace_stop = half\n"),
      "m.conf:2: [pressure] space_stop: 'half' is not a size or a share: write octets, or a whole "
      "number with K, M, G or %, such as 512M, 5% or 5% max 4G" },
    { "two forms of a most", TEXT ("[pressure]\nspace_stop = 5% max 5%\n"),
      "m.conf:2: [pressure] space_stop: '5%' is not a size: write octets, or a whole number with "
      "K, M or G, such as 64M" },

    /* keys that contradict each other */
    { "warn at the stop", TEXT ("[pressure]\nspace_stop = 5%\nspace_warn = 5%\n"),
      "m.conf:3: [pressure] space_warn: must be more than space_stop, so that the warning comes "
      "before mail is turned away" },
    { "warn below the stop", TEXT ("[pressure]\nspace_warn = 1M\nspace_stop = 2M\n"),
      "m.conf:2: [pressure] space_warn: must be more than space_stop, so that the warning comes "
      "before mail is turned away" },
    { "warn below the default stop", TEXT ("[pressure]\ninodes_warn = 1%\n"),
      "m.conf:2: [pressure] inodes_warn: must be more than inodes_stop, so that the warning comes "
      "before mail is turned away" },
    { "warn bounded at the stop's bound", TEXT ("[pressure]\nspace_warn = 9% max 4G\n"),
      "m.conf:2: [pressure] space_warn: must be more than space_stop, so that the warning comes "
      "before mail is turned away" },
    { "warn off and stop on", TEXT ("[pressure]\nspace_warn = 0\n"),
      "m.conf:2: [pressure] space_warn: must be more than space_stop, so that the warning comes "
      "before mail is turned away" },
    { "the first error counts", TEXT ("[milter]\nusr = a\n[milter]\n"),
      "m.conf:2: unknown key 'usr' in [milter]; did you mean 'user'?" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (HfConfig) config = load_text (rows[i].text, rows[i].length, &error);

      tap_check (rows[i].name, config == NULL);
      tap_check (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG));
      check_message (rows[i].name, message_of (error), rows[i].want);
    }
}

/* A long line is cut in the message, not in the middle of a character. */
static void
test_long_line (void)
{
  g_autoptr (GString) text = g_string_new ("[milter]\n");
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = NULL;

  for (guint i = 0; i < 5000; i++)
    g_string_append (text, "\xc3\xb6");
  config = load_text (text->str, text->len, &error);
  tap_check ("refused", config == NULL);
  tap_check ("short", error != NULL && strlen (message_of (error)) < 300);
  tap_check ("UTF-8", error != NULL && g_utf8_validate (error->message, -1, NULL));
}

static void
test_taken (void)
{
  static const gchar text[] = "# comment\r\n"
                              "[milter]\r\n"
                              "  socket=inet:8891@127.0.0.1  \r\n"
                              "socket_mode\t=\t600\r\n"
                              "   # indented comment\r\n"
                              "user = ab = c\r\n"
                              "allow_remote = TRUE\r\n"
                              "timeout = 1d\r\n"
                              "commit_limit = 1000ms\r\n"
                              "drain_limit = 0\r\n"
                              "[pressure]\r\n"
                              "space_stop = 2G\r\n"
                              "inodes_stop = 100%\r\n"
                              "[journal]\r\n"
                              "write_ahead = no\r\n"
                              "segment_size = 64k\r\n"
                              "[spool]\r\n"
                              "directory = /var/my mail\\n # a";
  g_autofree gchar *path = conf_path ();
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = load_text (text, sizeof text - 1, &error);

  if (!tap_check_str ("taken", message_of (error), NULL))
    return;
  tap_check_str ("blanks are trimmed", config->milter_socket, "inet:8891@127.0.0.1");
  tap_check_int ("octal", config->milter_socket_mode, 0600);
  tap_check_str ("equals sign in a value", config->milter_user, "ab = c");
  tap_check_int ("bool", config->milter_allow_remote, TRUE);
  tap_check_int ("time at the upper bound", config->milter_timeout, 86400000);
  tap_check_int ("time at the lower bound", config->milter_commit_limit, 1000);
  tap_check_int ("time without unit is 0", config->milter_drain_limit, 0);
  tap_check_int ("share as size", config->pressure_space_stop.bytes, G_GINT64_CONSTANT (2) << 30);
  tap_check_int ("share as size", config->pressure_space_stop.percent, 0);
  tap_check_int ("share as percentage", config->pressure_inodes_stop.percent, 100);
  tap_check_int ("share as percentage", config->pressure_inodes_stop.bytes, 0);
  tap_check_int ("bool", config->journal_write_ahead, FALSE);
  tap_check_int ("size at the lower bound", config->journal_segment_size, 65536);
  tap_check_str ("no escapes, no comment", config->spool_directory, "/var/my mail\\n # a");
  tap_check_str ("default", config->milter_log_to, "auto");
  tap_check_str ("path", config->path, path);
  tap_check_int ("line", config->lines[hf_parameter_find ("spool", "directory")], 18);
  tap_check_int ("no line", config->lines[hf_parameter_find ("milter", "log_to")], 0);
}

static void
count_change (const gchar *name, gboolean reloadable, gpointer data)
{
  g_string_append_printf (data, "%s %s;", name, reloadable ? "reload" : "restart");
}

/* Same as the defaults: told as the list of rows that differ. */
static void
check_is_default (const gchar *row, const HfConfig *config)
{
  g_autoptr (HfConfig) defaults = hf_config_new_default ();
  g_autoptr (GString) changed = g_string_new (NULL);

  hf_config_compare (defaults, config, count_change, changed);
  tap_check_str (row, changed->str, "");
}

static void
test_defaults (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
  } rows[] = {
    { "empty file", "" },
    { "comment alone", "# a" },
    { "empty section", "[milter]\n" },
    { "empty values", "[milter]\nsocket =\nuser=\nlog_to = \t\n[spool]\ndirectory =\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (HfConfig) config = load_text (rows[i].text, strlen (rows[i].text), &error);

      if (tap_check_str (rows[i].name, message_of (error), NULL))
        check_is_default (rows[i].name, config);
    }
}

/* Each row's default and bounds can be written in the file. */
static void
test_rows (void)
{
  for (guint i = 0; i < hf_n_parameters; i++)
    {
      const HfParameter *row = &hf_parameters[i];
      const gchar *const values[] = { row->dflt, row->min, row->max };

      tap_check_int (row->key, hf_parameter_find (row->section, row->key), i);
      for (guint v = 0; v < G_N_ELEMENTS (values); v++)
        {
          g_autofree gchar *text
            = g_strdup_printf ("[%s]\n%s = %s\n", row->section, row->key, values[v]);
          g_autoptr (GError) error = NULL;
          g_autoptr (HfConfig) config = NULL;

          if (v > 0 && *values[v] == '\0')
            continue;
          config = load_text (text, strlen (text), &error);
          if (!tap_check_str (row->key, message_of (error), NULL))
            continue;
          tap_check_int (row->key, config->lines[i], 2);
          if (v == 0)
            check_is_default (row->key, config);
        }
    }
}

static void
test_compare (void)
{
  static const gchar text[] = "[milter]\nuser = a\ncommit_limit = 61s\nsocket_mode = 0666\n"
                              "allow_remote = yes\n"
                              "[journal]\nsegment_size = 1M\n"
                              "[pressure]\nspace_stop = 6%\ninodes_stop = 2\n";
  g_autoptr (HfConfig) defaults = hf_config_new_default ();
  g_autoptr (GString) changed = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = load_text (text, sizeof text - 1, &error);

  if (!tap_check_str ("taken", message_of (error), NULL))
    return;
  hf_config_compare (defaults, config, count_change, changed);
  tap_check_str ("changes", changed->str,
                 "milter.socket_mode restart;milter.allow_remote restart;milter.user restart;"
                 "milter.commit_limit reload;journal.segment_size restart;"
                 "pressure.space_warn reload;pressure.space_stop reload;"
                 "pressure.inodes_warn reload;pressure.inodes_stop reload;");
}

static void
test_config_error (void)
{
  g_autoptr (HfConfig) defaults = hf_config_new_default ();
  g_autoptr (GError) first = NULL;
  g_autoptr (GError) second = NULL;
  g_autoptr (GError) third = NULL;
  g_autoptr (HfConfig) config = load_text (TEXT ("[milter]\n\nuser = a\n"), NULL);

  if (!tap_check ("taken", config != NULL))
    return;
  tap_check ("FALSE", !hf_config_error (config, "milter", "user", &first, "no user '%s'", "a"));
  tap_check_str ("with line", message_of (first), "m.conf:3: [milter] user: no user 'a'");
  tap_check ("code", g_error_matches (first, HF_ERROR, HF_ERROR_CONFIG));
  hf_config_error (config, "spool", "directory", &second, "not there");
  tap_check_str ("defaulted", message_of (second), "m.conf: [spool] directory: not there");
  hf_config_error (defaults, "spool", "directory", &third, "not there");
  tap_check_str ("without a file", message_of (third),
                 "built-in default: [spool] directory: not there");
}

static int injected_errno;

static int
failing_open (const char *path, int flags, mode_t mode)
{
  errno = injected_errno;
  return -1;
}

static ssize_t
failing_read (int fd, void *data, size_t size)
{
  errno = injected_errno;
  return -1;
}

static void
test_files (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *file; /* below the directory; "" for itself */
    int open_errno;
    int read_errno;
    HfErrorCode want_code;
    const gchar *want_message; /* behind the directory */
  } rows[] = {
    { "missing", "none.conf", 0, 0, HF_ERROR_NOT_FOUND,
      "none.conf: cannot open the configuration: No such file or directory" },
    { "folder missing", "none/none.conf", 0, 0, HF_ERROR_NOT_FOUND,
      "none/none.conf: cannot open the configuration: No such file or directory" },
    { "directory", "", 0, 0, HF_ERROR_CONFIG,
      "this is a directory; a configuration file is needed" },
    { "not for us", "m.conf", EACCES, 0, HF_ERROR_DENIED,
      "m.conf: cannot open the configuration: Permission denied" },
    { "no descriptors", "m.conf", EMFILE, 0, HF_ERROR_IO,
      "m.conf: cannot open the configuration: Too many open files" },
    { "unreadable", "m.conf", 0, EIO, HF_ERROR_IO,
      "m.conf: cannot read the configuration: Input/output error" },
  };
  g_autofree gchar *existing = conf_path ();

  tap_check ("prepare", g_file_set_contents (existing, "", 0, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = *rows[i].file != '\0'
                                 ? g_build_filename (directory, rows[i].file, NULL)
                                 : g_strdup (directory);
      g_autoptr (GError) error = NULL;
      g_autoptr (HfConfig) config = NULL;

      injected_errno = rows[i].open_errno != 0 ? rows[i].open_errno : rows[i].read_errno;
      if (rows[i].open_errno != 0)
        hf_sys.open = failing_open;
      if (rows[i].read_errno != 0)
        hf_sys.read = failing_read;
      config = hf_config_load (path, &error);
      hf_sys = hf_sys_real;
      tap_check (rows[i].name, config == NULL);
      tap_check (rows[i].name, g_error_matches (error, HF_ERROR, (gint) rows[i].want_code));
      tap_check_has (rows[i].name, message_of (error), rows[i].want_message);
    }
}

static void
test_endless_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = hf_config_load ("/dev/zero", &error);

  tap_check ("refused", config == NULL);
  tap_check_str ("refused", message_of (error),
                 "/dev/zero: larger than 1048576 octets: this is no configuration");
}

/* The sample with every key uncommented is the default configuration. */
static void
test_sample (void)
{
  const gchar *srcdir = g_getenv ("srcdir");
  g_autofree gchar *path
    = g_build_filename (srcdir != NULL ? srcdir : ".", "doc", "milter.conf.sample", NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = NULL;
  g_autofree gchar *sample = NULL;
  g_auto (GStrv) lines = NULL;

  if (!tap_check (path, g_file_get_contents (path, &sample, NULL, NULL)))
    return;
  lines = g_strsplit (sample, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      gboolean commented = lines[i][0] == '#' && g_ascii_isalpha (lines[i][1]);

      g_string_append_printf (text, "%s\n", commented ? lines[i] + 1 : lines[i]);
    }
  config = load_text (text->str, text->len, &error);
  if (!tap_check_str ("uncommented", message_of (error), NULL))
    return;
  check_is_default ("uncommented", config);
  for (guint i = 0; i < hf_n_parameters; i++)
    tap_check (hf_parameters[i].key, config->lines[i] != 0);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "refused", test_refused },
    { "long-line", test_long_line },
    { "taken", test_taken },
    { "defaults", test_defaults },
    { "rows", test_rows },
    { "compare", test_compare },
    { "config-error", test_config_error },
    { "files", test_files },
    { "endless-file", test_endless_file },
    { "sample", test_sample },
    { NULL, NULL },
  };
  g_autofree gchar *path = NULL;
  int status;

  directory = g_dir_make_tmp ("holdfast-test-config-XXXXXX", NULL);
  g_assert_nonnull (directory);
  status = tap_run ("config", tests, argc, argv);
  path = conf_path ();
  unlink (path);
  if (rmdir (directory) < 0)
    status = 1;
  g_free (directory);
  return status;
}
