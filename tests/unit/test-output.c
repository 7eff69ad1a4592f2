/* test-output.c - a file is whole under its name or is not there */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/command/output.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LARGE (300 * 1024)

/* Names in the directory, hidden ones too, joined by a blank. */
static gchar *
names_in (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr (GString) names = g_string_new (NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    g_string_append_printf (names, "%s%s", names->len > 0 ? " " : "", name);
  return g_strdup (names->str);
}

static gboolean
write_file (int dir_fd, const gchar *name, const gchar *octets, gsize size, GError **error)
{
  HfOutput output;

  if (!hf_output_open (&output, dir_fd, name, error))
    return FALSE;
  if (hf_output_write (octets, size, &output, error))
    return hf_output_finish (&output, error);
  hf_output_abandon (&output);
  return FALSE;
}

static void
test_finish (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *dir = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autofree gchar *path = kit_path (spool, "x.eml");
  g_autofree gchar *large = g_strnfill (LARGE, 'x');
  g_autofree gchar *names = NULL;
  g_autoptr (GString) text = NULL;
  g_autoptr (GError) error = NULL;
  int dir_fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY, 0);

  tap_check ("write", write_file (dir_fd, "x.eml", large, LARGE, &error));
  text = kit_read_file (path);
  tap_check_int ("all of it", text->len, LARGE);
  tap_check ("again", !write_file (dir_fd, "x.eml", "y", 1, &error));
  tap_check ("why", g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG));
  g_string_free (g_steal_pointer (&text), TRUE);
  text = kit_read_file (path);
  tap_check_int ("left alone", text->len, LARGE);
  names = names_in (dir);
  tap_check_str ("nothing beside it", names, "x.eml");
  hf_sys_close (&dir_fd);
}

/* Another file of that name appears while this one is written. */
static void
test_overtaken (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autofree gchar *dir = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autofree gchar *path = kit_path (spool, "x.eml");
  g_autofree gchar *names = NULL;
  g_autoptr (GString) text = NULL;
  g_autoptr (GError) error = NULL;
  int dir_fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY, 0);
  HfOutput output;

  tap_check ("open", hf_output_open (&output, dir_fd, "x.eml", &error));
  kit_write_file (path, "other", 5);
  tap_check ("write", hf_output_write ("mine", 4, &output, &error));
  tap_check ("finish", !hf_output_finish (&output, &error));
  text = kit_read_file (path);
  tap_check_str ("left alone", text->str, "other");
  names = names_in (dir);
  tap_check_str ("nothing beside it", names, "x.eml");
  hf_sys_close (&dir_fd);
}

static void
test_cut (void)
{
  static const struct
  {
    const gchar *name;
    gsize kept;
    gsize dropped;
  } rows[] = {
    { "in the buffer", 10, 20 },
    { "to nothing", 0, 20 },
    { "written already", 10, LARGE },
    { "much kept", LARGE, LARGE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_autofree gchar *dir = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
      g_autofree gchar *path = kit_path (spool, "x.mbox");
      g_autofree gchar *kept = g_strnfill (rows[i].kept, 'k');
      g_autofree gchar *dropped = g_strnfill (rows[i].dropped, 'd');
      g_autofree gchar *want = g_strconcat (kept, "end", NULL);
      g_autoptr (GString) text = NULL;
      int dir_fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY, 0);
      HfOutput output;

      tap_check (rows[i].name, hf_output_open (&output, dir_fd, "x.mbox", NULL));
      tap_check (rows[i].name, hf_output_write (kept, rows[i].kept, &output, NULL));
      tap_check_int (rows[i].name, hf_output_tell (&output), rows[i].kept);
      tap_check (rows[i].name, hf_output_write (dropped, rows[i].dropped, &output, NULL));
      tap_check (rows[i].name, hf_output_cut (&output, rows[i].kept, NULL));
      tap_check (rows[i].name, hf_output_write ("end", 3, &output, NULL));
      tap_check (rows[i].name, hf_output_finish (&output, NULL));
      text = kit_read_file (path);
      tap_check (rows[i].name, strcmp (text->str, want) == 0);
      hf_sys_close (&dir_fd);
    }
}

static void
test_failed (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
  } rows[] = {
    { "open", FAULT_OPENAT, ENOSPC },
    { "write", FAULT_WRITE, ENOSPC },
    { "sync", FAULT_FSYNC, EIO },
    { "rename", FAULT_RENAME, EIO },
  };
  g_autofree gchar *large = g_strnfill (LARGE, 'x');

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint nth = 1;; nth++)
      {
        g_autofree gchar *row = g_strdup_printf ("%s %u", rows[i].name, nth);
        g_autoptr (KitSpool) spool = kit_spool_new ();
        g_autofree gchar *dir = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
        g_autofree gchar *names = NULL;
        g_autoptr (GError) error = NULL;
        int dir_fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY, 0);
        gboolean ok, met;

        faults_fail (rows[i].call, NULL, nth, rows[i].number);
        ok = write_file (dir_fd, "x.eml", large, LARGE, &error);
        met = faults_met (rows[i].call) > 0;
        faults_reset ();
        hf_sys_close (&dir_fd);
        names = names_in (dir);
        tap_check_str (row, names, met ? "" : "x.eml");
        tap_check (row, ok != met && (met || nth > 1));
        if (!met)
          break;
      }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "finish", test_finish }, { "overtaken", test_overtaken }, { "cut", test_cut },
    { "failed", test_failed }, { NULL, NULL },
  };

  faults_install ();
  return tap_run ("output", tests, argc, argv);
}
