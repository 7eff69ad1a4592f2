/* replay.c - runs a fuzz target over files, with any compiler
 *
 * In place of libFuzzer's main: each file given, or each in a directory given,
 * is one input and one test.  Without arguments the target's seeds are taken.
 * A defect ends the process: what it was is on standard error.
 */
#include <config.h>

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const guint8 *data, size_t size);

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

static void
add_path (GPtrArray *files, const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  if (dir == NULL)
    {
      g_ptr_array_add (files, g_strdup (path));
      return;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (files, g_build_filename (path, name, NULL));
}

/* make check runs SRCDIR's tests with srcdir set; the program is called fuzz-NAME or replay-NAME. */
static gchar *
seeds_of (const gchar *program)
{
  const gchar *srcdir = g_getenv ("srcdir");
  const gchar *name = strrchr (program, '-');

  return g_build_filename (srcdir != NULL ? srcdir : ".", "tests", "fuzz", "seeds", name != NULL ? name + 1 : "", NULL);
}

static gboolean
run_file (const gchar *path, guint number)
{
  g_autofree gchar *data = NULL;
  g_autofree gchar *name = g_path_get_basename (path);
  gsize size;

  if (!g_file_get_contents (path, &data, &size, NULL))
    {
      printf ("not ok %u - %s can't be read\n", number, name);
      return FALSE;
    }
  LLVMFuzzerTestOneInput ((const guint8 *) data, size);
  printf ("ok %u - %s\n", number, name);
  fflush (stdout);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autofree gchar *seeds = seeds_of (argv[0]);
  gboolean ok = TRUE;

  LLVMFuzzerInitialize (&argc, &argv);
  for (int i = 1; i < argc; i++)
    add_path (files, argv[i]);
  if (argc == 1)
    add_path (files, seeds);
  g_ptr_array_sort (files, compare_names);
  printf ("1..%u\n", files->len);
  for (guint i = 0; i < files->len; i++)
    ok &= run_file (g_ptr_array_index (files, i), i + 1);
  return ok ? 0 : 1;
}
