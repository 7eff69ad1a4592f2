/* queue.c - what is in the MTA's queue at this moment; see queue.h */
#include <config.h>

#include "milter/audit/queue.h"

#include "milter/audit/logevent.h"
#include "milter/base/error.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>

/* A queue may hold a million messages: only their ids are kept. */
struct HfQueue
{
  GHashTable *places; /* queue id to HfQueuePlace */
  GStringChunk *ids;
};

HfQueue *
hf_queue_new (void)
{
  HfQueue *self = g_new0 (HfQueue, 1);

  self->places = g_hash_table_new (g_str_hash, g_str_equal);
  self->ids = g_string_chunk_new (4096);
  return self;
}

void
hf_queue_free (HfQueue *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->places);
  g_string_chunk_free (self->ids);
  g_free (self);
}

/* A file that moved while the queue was read is met twice. */
void
hf_queue_add (HfQueue *self, const gchar *queue_id, HfQueuePlace place)
{
  gpointer known;

  if (!g_hash_table_lookup_extended (self->places, queue_id, &known, NULL))
    known = g_string_chunk_insert (self->ids, queue_id);
  g_hash_table_insert (self->places, known, GINT_TO_POINTER (place));
}

gboolean
hf_queue_find (const HfQueue *self, const gchar *queue_id, HfQueuePlace *out_place)
{
  gpointer place;

  if (!g_hash_table_lookup_extended (self->places, queue_id, NULL, &place))
    return FALSE;
  *out_place = (HfQueuePlace) GPOINTER_TO_INT (place);
  return TRUE;
}

guint
hf_queue_size (const HfQueue *self)
{
  return g_hash_table_size (self->places);
}

/* ---- Postfix ---- */

gboolean
hf_queue_add_json (HfQueue *self, const gchar *line, GError **error)
{
  g_autofree gchar *valid = g_utf8_make_valid (line, -1);
  g_autoptr (JsonNode) node = json_from_string (valid, NULL);
  JsonObject *object = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const gchar *queue_id, *name;

  if (object == NULL)
    return hf_error_set (error, HF_ERROR_CORRUPT, "queue", "postqueue printed what is no JSON object");
  queue_id = json_object_get_string_member_with_default (object, "queue_id", "");
  name = json_object_get_string_member_with_default (object, "queue_name", "");
  if (queue_id[0] == '\0')
    return hf_error_set (error, HF_ERROR_CORRUPT, "queue", "postqueue printed an entry without an id");
  hf_queue_add (self, queue_id, strcmp (name, "hold") == 0 ? HF_QUEUE_HELD : HF_QUEUE_QUEUED);
  return TRUE;
}

/* FALSE with HF_ERROR_NOT_FOUND for no such program, else HF_ERROR_IO. */
static gboolean
is_not_run (const gchar *const *argv, const GError *failed, GError **error)
{
  return hf_error_set (error, g_error_matches (failed, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? HF_ERROR_NOT_FOUND : HF_ERROR_IO,
                       "queue", "cannot run %s: %s", argv[0], failed->message);
}

/* All lines that it prints, also behind one that can't be read: a writer that is not heard out never ends. */
static gboolean
add_lines (HfQueue *self, GInputStream *from, GError **error)
{
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (from);
  g_autoptr (GError) failed = NULL;
  gboolean ok = TRUE;
  gchar *line;

  while ((line = g_data_input_stream_read_line (lines, NULL, NULL, &failed)) != NULL)
    {
      if (ok && line[0] != '\0')
        ok = hf_queue_add_json (self, line, error);
      g_free (line);
    }
  if (ok && failed != NULL)
    ok = hf_error_set (error, HF_ERROR_IO, "queue", "what postqueue prints can't be read: %s", failed->message);
  return ok;
}

/* What a program says of its failure, as far as it fits; it is not to wait until the rest is read. */
static void
read_complaint (GInputStream *from, gchar *out, gsize size)
{
  gsize length = 0;

  g_input_stream_read_all (from, out, size - 1, &length, NULL, NULL);
  g_input_stream_close (from, NULL, NULL);
  out[length] = '\0';
  g_strstrip (out);
}

/* One entry a line, as it is printed: the whole of a long queue would take hundreds of megabytes. */
static gboolean
add_postqueue (HfQueue *self, const gchar *const *argv, GError **error)
{
  g_autoptr (GError) failed = NULL, unread = NULL;
  g_autoptr (GSubprocess) process
      = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &failed);
  gchar complaint[1024];

  if (process == NULL)
    return is_not_run (argv, failed, error);
  add_lines (self, g_subprocess_get_stdout_pipe (process), &unread);
  read_complaint (g_subprocess_get_stderr_pipe (process), complaint, sizeof complaint);
  if (!g_subprocess_wait (process, NULL, &failed))
    return hf_error_set (error, HF_ERROR_IO, "queue", "%s: %s", argv[0], failed->message);
  if (!g_subprocess_get_successful (process))
    return hf_error_set (error, HF_ERROR_BUSY, "queue", "%s failed, so the queue is not known: %s", argv[0], complaint);
  if (unread == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&unread));
  return FALSE;
}

/* One level or two of hashed directories. */
static void
scan_corrupt (HfQueue *self, const gchar *path, guint depth)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *below = g_build_filename (path, name, NULL);

      if (hf_queue_id_is_postfix (hf_slice (name)) && g_file_test (below, G_FILE_TEST_IS_REGULAR))
        hf_queue_add (self, name, HF_QUEUE_GIVEN_UP);
      else if (depth > 0 && g_file_test (below, G_FILE_TEST_IS_DIR))
        scan_corrupt (self, below, depth - 1);
    }
}

/* `postqueue` never lists corrupt/.  Where it may not be read, the log's line
 * about the file is all there is. */
static void
look_for_corrupt (HfQueue *self, const gchar *config_directory)
{
  const gchar *const argv[] = { "postconf", "-c", config_directory, "-h", "queue_directory", NULL };
  g_autofree gchar *out = NULL;
  g_autofree gchar *path = NULL;
  gint status = 0;

  if (!g_spawn_sync (NULL, (gchar **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL,
                     &status, NULL)
      || !g_spawn_check_wait_status (status, NULL))
    return;
  path = g_build_filename (g_strstrip (out), "corrupt", NULL);
  scan_corrupt (self, path, 2);
}

HfQueue *
hf_queue_read_postfix (const gchar *config_directory, GError **error)
{
  const gchar *const argv[] = { "postqueue", "-c", config_directory, "-j", NULL };
  g_autoptr (HfQueue) self = hf_queue_new ();

  if (!add_postqueue (self, argv, error))
    return NULL;
  look_for_corrupt (self, config_directory);
  return g_steal_pointer (&self);
}

/* ---- Sendmail ---- */

static void
consider (HfQueue *self, const gchar *name)
{
  const HfQueuePlace place = name[0] == 'Q' ? HF_QUEUE_GIVEN_UP : name[0] == 'h' ? HF_QUEUE_HELD : HF_QUEUE_QUEUED;

  if (strchr ("qhQ", name[0]) == NULL || name[0] == '\0' || name[1] != 'f' || !hf_queue_id_is_sendmail (hf_slice (name + 2)))
    return;
  hf_queue_add (self, name + 2, place);
}

static gboolean
scan_sendmail (HfQueue *self, const gchar *directory, guint depth, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (GDir) dir = g_dir_open (directory, 0, &failed);
  const gchar *name;

  if (dir == NULL)
    return hf_error_set (error,
                         g_error_matches (failed, G_FILE_ERROR, G_FILE_ERROR_NOENT)   ? HF_ERROR_NOT_FOUND
                         : g_error_matches (failed, G_FILE_ERROR, G_FILE_ERROR_ACCES) ? HF_ERROR_DENIED
                                                                                      : HF_ERROR_IO,
                         "queue", "%s", failed->message);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *below = g_build_filename (directory, name, NULL);

      consider (self, name);
      /* a queue directory may be split into qf, df and xf */
      if (depth > 0 && g_file_test (below, G_FILE_TEST_IS_DIR) && !scan_sendmail (self, below, depth - 1, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
scan_pattern (HfQueue *self, const gchar *pattern, GError **error)
{
  g_autofree gchar *parent = g_path_get_dirname (pattern);
  g_autofree gchar *start = g_path_get_basename (pattern);
  g_autoptr (GDir) dir = NULL;
  const gchar *name;
  const gsize size = strlen (start) - 1;

  if (!g_str_has_suffix (pattern, "*"))
    return scan_sendmail (self, pattern, 1, error);
  dir = g_dir_open (parent, 0, NULL);
  if (dir == NULL)
    return hf_error_set (error, HF_ERROR_NOT_FOUND, "queue", "cannot read queue directory '%s'", parent);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (parent, name, NULL);

      if (strncmp (name, start, size) == 0 && g_file_test (path, G_FILE_TEST_IS_DIR) && !scan_sendmail (self, path, 1, error))
        return FALSE;
    }
  return TRUE;
}

HfQueue *
hf_queue_read_sendmail (const gchar *directories, GError **error)
{
  g_autoptr (HfQueue) self = hf_queue_new ();
  g_auto (GStrv) all = g_strsplit (directories, ":", -1);

  for (gchar **one = all; *one != NULL; one++)
    if (**one != '\0' && !scan_pattern (self, *one, error))
      return NULL;
  return g_steal_pointer (&self);
}
