/* acts-intake.c - operators' acts, from SPOOL/acts into the books; see acts-intake.h */
#include <config.h>

#include "milter/audit/acts-intake.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DIRECTORY "acts"
#define SUFFIX ".act"

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

/* The last line is `NOOP holdfast-more digest=…`, over all octets before it. */
static const gchar *
verify (const gchar *text, gsize size, gsize *out_size)
{
  static const gchar prefix[] = HF_STATEMENT_MORE "digest=";
  const gsize line_size = strlen (prefix) + HF_DIGEST_HEX + 2;
  gchar hex[HF_DIGEST_HEX + 1];
  HfDigest wanted, found;
  HfHash hash = { NULL };
  gboolean ok;

  if (size <= line_size || memcmp (text + size - line_size, prefix, strlen (prefix)) != 0)
    return "it has no digest";
  *out_size = size - line_size;
  memcpy (hex, text + *out_size + strlen (prefix), HF_DIGEST_HEX);
  hex[HF_DIGEST_HEX] = '\0';
  ok = hf_hex_decode (hex, sizeof wanted.octets, &wanted) && hf_hash_begin (&hash) && hf_hash_add (&hash, text, *out_size)
       && hf_hash_end (&hash, NULL, &found) && hf_digest_equal (&wanted, &found);
  hf_hash_clear (&hash);
  return ok ? NULL : "its digest is wrong";
}

static const gchar *
parse (const gchar *text, gsize size, HfStatement *statement)
{
  static const gchar beginning[] = HF_STATEMENT_PREFIX "act ";
  gsize whole = 0;
  const gchar *fault = verify (text, size, &whole);
  gboolean more = FALSE;

  if (fault != NULL)
    return fault;
  if (!g_str_has_prefix (text, beginning))
    return "it is no act";
  for (const gchar *line = text; line < text + whole; more = TRUE)
    {
      const gchar *end = memmem (line, (gsize) (text + whole - line), "\r\n", 2);

      if (end == NULL || (more && !g_str_has_prefix (line, HF_STATEMENT_MORE))
          || !hf_statement_read_line (statement, line, (gsize) (end - line), more))
        return "it breaks the grammar";
      line = end + 2;
    }
  return hf_statement_get (statement, "id") != NULL ? NULL : "it has no id";
}

static void
take_file (const gchar *dir_path, const gchar *name, const HfActsSink *sink, GPtrArray *taken)
{
  g_autofree gchar *path = g_build_filename (dir_path, name, NULL);
  g_autofree gchar *text = NULL;
  const gchar *fault = "it can't be read";
  HfStatement statement;
  gsize size = 0;

  hf_statement_init (&statement);
  if (g_file_get_contents (path, &text, &size, NULL))
    fault = parse (text, size, &statement);
  if (fault == NULL)
    {
      sink->act (&statement, sink->data);
      g_ptr_array_add (taken, g_strdup (name));
    }
  else
    sink->fault (name, fault, sink->data);
  hf_statement_clear (&statement);
}

gboolean
hf_acts_take (const gchar *spool, const HfActsSink *sink, GPtrArray **out_names, GError **error)
{
  g_autofree gchar *dir_path = g_build_filename (spool, DIRECTORY, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) failed = NULL;
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, &failed);
  const gchar *name;

  *out_names = g_ptr_array_new_with_free_func (g_free);
  if (dir == NULL)
    return g_error_matches (failed, G_FILE_ERROR, G_FILE_ERROR_NOENT)
           || hf_error_set (error, g_error_matches (failed, G_FILE_ERROR, G_FILE_ERROR_ACCES) ? HF_ERROR_DENIED : HF_ERROR_IO,
                            "acts-list", "%s", failed->message);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, SUFFIX))
      g_ptr_array_add (names, g_strdup (name));
  /* ids sort by time */
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    take_file (dir_path, g_ptr_array_index (names, i), sink, *out_names);
  return TRUE;
}

void
hf_acts_remove (const gchar *spool, const GPtrArray *names)
{
  g_autofree gchar *dir_path = g_build_filename (spool, DIRECTORY, NULL);
  int dir_fd = names->len > 0 ? hf_sys.open (dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : -1;

  if (dir_fd < 0)
    return;
  for (guint i = 0; i < names->len; i++)
    hf_sys.unlinkat (dir_fd, g_ptr_array_index (names, i), 0);
  hf_sys.fsync (dir_fd);
  hf_sys_close (&dir_fd);
}
