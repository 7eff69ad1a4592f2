/* scratch.c - directories that a fault test makes and leaves no trace of; see scratch.h */
#include <config.h>

#include "tests/fault/scratch.h"
#include "tests/unit/tap.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gchar *at_signal; /* the directory to remove */
static pid_t its_maker;

/* Only what a signal handler may do: a child removes the tree. */
static void
on_signal (int number)
{
  if (at_signal != NULL && getpid () == its_maker && fork () == 0)
    execl ("/bin/rm", "rm", "-rf", "--", at_signal, (char *) NULL);
  signal (number, SIG_DFL);
  raise (number);
}

static void
give_up (const gchar *what, const gchar *path)
{
  g_printerr ("Bail out! %s '%s': %s\n", what, path, g_strerror (errno));
  exit (99);
}

gchar *
ft_scratch_new (const gchar *name)
{
  const gchar *top = access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir ();
  gchar *path = g_strdup_printf ("%s/holdfast-%s-XXXXXX", top, name);

  if (mkdtemp (path) == NULL)
    give_up ("cannot make a directory like", path);
  at_signal = path;
  its_maker = getpid ();
  signal (SIGINT, on_signal);
  signal (SIGTERM, on_signal);
  return path;
}

void
ft_scratch_end (gchar *path)
{
  at_signal = NULL;
  ft_tree_remove (path);
  g_free (path);
}

void
ft_make_directory (const gchar *path)
{
  if (mkdir (path, 0700) < 0)
    give_up ("cannot make", path);
}

static int
remove_one (const char *path, const struct stat *st, int kind, struct FTW *where)
{
  return remove (path);
}

void
ft_tree_remove (const gchar *path)
{
  if (nftw (path, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
    give_up ("cannot remove", path);
}

static void
copy_file (const gchar *from, const gchar *to)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *octets = NULL;
  gsize size;

  /* A file that the filter removes meanwhile is no part of the copy. */
  if (!g_file_get_contents (from, &octets, &size, &error))
    {
      if (!g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        give_up ("cannot read", from);
      return;
    }
  if (!g_file_set_contents_full (to, octets, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0600, &error))
    give_up ("cannot write", to);
}

void
ft_tree_copy (const gchar *from, const gchar *to)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  /* What says how far a segment is synced is never ahead of it, and must not
   * be in a copy that is made while the filter writes. */
  g_autofree gchar *open_source = g_build_filename (from, "open", NULL);
  g_autofree gchar *open_target = g_build_filename (to, "open", NULL);
  const gchar *name;

  if (dir == NULL)
    give_up ("cannot read", from);
  ft_make_directory (to);
  copy_file (open_source, open_target);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *source = g_build_filename (from, name, NULL);
      g_autofree gchar *target = g_build_filename (to, name, NULL);

      if (strcmp (name, "open") == 0)
        continue;
      if (g_file_test (source, G_FILE_TEST_IS_DIR))
        ft_tree_copy (source, target);
      else
        copy_file (source, target);
    }
}

guint
ft_count_entries (const gchar *path)
{
  DIR *dir = opendir (path);
  const struct dirent *entry;
  guint count = 0;

  if (dir == NULL)
    return 0;
  while ((entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      count++;
  closedir (dir);
  return count;
}

guint
ft_count_descriptors (void)
{
  return ft_count_entries ("/proc/self/fd") - 1; /* the one that is looking */
}

gboolean
ft_wait_descriptors (guint most, gint limit_ms)
{
  const gint64 until_us = g_get_monotonic_time () + (gint64) limit_ms * 1000;

  while (ft_count_descriptors () > most)
    {
      if (g_get_monotonic_time () > until_us)
        return FALSE;
      g_usleep (200);
    }
  return TRUE;
}

guint
ft_scaled (guint number)
{
  return MAX (1, number / TAP_STRIDE);
}

guint
ft_stride (void)
{
  return ft_is_long () ? 1 : TAP_STRIDE;
}

gboolean
ft_is_long (void)
{
  return g_strcmp0 (g_getenv ("HOLDFAST_LONG"), "1") == 0;
}
