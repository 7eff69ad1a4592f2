/* rotated.c - what became of a log file: its older parts, beside it; see rotated.h */
#include <config.h>

#include "milter/audit/rotated.h"

#include "milter/audit/source.h"
#include "milter/journal/digest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void
clear_rotated (gpointer data)
{
  g_free (((HfRotated *) data)->path);
}

/* "1", "2.gz", "20261122", "20261122-3.xz": what a name goes on with. */
static gboolean
is_suffix (const gchar *text, gint *out_number)
{
  const gsize digits = strspn (text, "0123456789");
  const gchar *rest = text + strspn (text, "0123456789-_T");

  *out_number = digits > 0 && digits <= 4 && (text[digits] == '\0' || text[digits] == '.') ? atoi (text) : 0;
  if (strcmp (text, "old") == 0)
    return TRUE;
  return digits > 0 && (*rest == '\0' || strcmp (rest, ".gz") == 0 || strcmp (rest, ".xz") == 0);
}

/* By time; where that is the same, a greater number is older. */
static gint
compare (gconstpointer a, gconstpointer b)
{
  const HfRotated *x = a, *y = b;

  if (x->number > 0 && y->number > 0)
    return x->number > y->number ? -1 : x->number < y->number;
  if (x->written_ms != y->written_ms)
    return x->written_ms < y->written_ms ? -1 : 1;
  return strcmp (x->path, y->path);
}

static void
consider (GArray *found, const gchar *dir_path, const gchar *base, const gchar *name)
{
  const gsize size = strlen (base);
  HfRotated one = { NULL };
  struct stat st;

  if (strncmp (name, base, size) != 0 || strchr (".-_", name[size]) == NULL || name[size] == '\0'
      || !is_suffix (name + size + 1, &one.number))
    return;
  one.path = g_build_filename (dir_path, name, NULL);
  if (stat (one.path, &st) < 0 || !S_ISREG (st.st_mode))
    {
      g_free (one.path);
      return;
    }
  one.written_ms = (gint64) st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
  one.device = st.st_dev;
  one.inode = st.st_ino;
  g_array_append_val (found, one);
}

/* Packers write the new file first and then remove the old one: while both are
 * there, what is packed may be half of it. */
static void
drop_unfinished (GArray *found)
{
  g_autoptr (GHashTable) paths = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < found->len; i++)
    g_hash_table_add (paths, g_array_index (found, HfRotated, i).path);
  for (guint i = found->len; i-- > 0;)
    {
      const gchar *path = g_array_index (found, HfRotated, i).path;
      g_autofree gchar *plain = NULL;

      if (!g_str_has_suffix (path, ".gz") && !g_str_has_suffix (path, ".xz"))
        continue;
      plain = g_strndup (path, strlen (path) - 3);
      if (g_hash_table_contains (paths, plain))
        {
          g_hash_table_remove (paths, path);
          g_array_remove_index (found, i);
        }
    }
}

GArray *
hf_rotated_list (const gchar *path)
{
  g_autofree gchar *dir_path = g_path_get_dirname (path);
  g_autofree gchar *base = g_path_get_basename (path);
  GArray *found = g_array_new (FALSE, FALSE, sizeof (HfRotated));
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  const gchar *name;

  g_array_set_clear_func (found, clear_rotated);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    consider (found, dir_path, base, name);
  drop_unfinished (found);
  g_array_sort (found, compare);
  return found;
}

gboolean
hf_rotated_head (const gchar *path, guint32 size, gchar out_head[65])
{
  g_autoptr (HfSource) source = hf_source_open (path, NULL);
  g_autoptr (GString) text = g_string_sized_new (size + 256);
  HfHash hash = { NULL };
  HfSourceLine line;
  HfDigest digest;
  gboolean ok;

  if (source == NULL)
    return FALSE;
  while (text->len < size && hf_source_next (source, &line, NULL))
    {
      /* as it stands in the file, so with the CR that the line leaves out */
      g_string_append_len (text, line.raw.at, (gssize) line.raw.length);
      if (line.unterminated)
        break;
      if (line.raw.at[line.raw.length] == '\r')
        g_string_append_c (text, '\r');
      g_string_append_c (text, '\n');
    }
  if (text->len < size)
    return FALSE;
  ok = hf_hash_begin (&hash) && hf_hash_add (&hash, text->str, size) && hf_hash_end (&hash, NULL, &digest);
  hf_hash_clear (&hash);
  if (ok)
    hf_hex_encode (digest.octets, sizeof digest.octets, out_head);
  return ok;
}
