/* queue.c - what is in the MTA's queue at this moment; see queue.h */
#include <config.h>

#include "milter/audit/queue.h"

#include "milter/audit/logevent.h"
#include "milter/base/error.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <string.h>

struct HfQueue
{
  GHashTable *by_id; /* to HfQueued */
};

static void
queued_free (gpointer data)
{
  HfQueued *queued = data;

  g_free (queued->queue_id);
  g_clear_pointer (&queued->recipients, g_ptr_array_unref);
  g_free (queued);
}

HfQueue *
hf_queue_new (void)
{
  HfQueue *self = g_new0 (HfQueue, 1);

  self->by_id = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, queued_free);
  return self;
}

void
hf_queue_free (HfQueue *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_id);
  g_free (self);
}

/* A file that moved while the queue was read is met twice; @recipients is taken. */
void
hf_queue_add (HfQueue *self, const gchar *queue_id, HfQueuePlace place, GPtrArray *recipients)
{
  HfQueued *queued = g_new0 (HfQueued, 1);

  queued->queue_id = g_strdup (queue_id);
  queued->place = place;
  queued->recipients = recipients;
  g_hash_table_replace (self->by_id, queued->queue_id, queued);
}

const HfQueued *
hf_queue_find (const HfQueue *self, const gchar *queue_id)
{
  return g_hash_table_lookup (self->by_id, queue_id);
}

guint
hf_queue_size (const HfQueue *self)
{
  return g_hash_table_size (self->by_id);
}

/* ---- Postfix ---- */

static GPtrArray *
recipients_of (JsonObject *object)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);
  JsonNode *node = json_object_get_member (object, "recipients");
  JsonArray *array = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_OBJECT (element))
        g_ptr_array_add (found, g_strdup (json_object_get_string_member_with_default (json_node_get_object (element),
                                                                                      "address", "")));
    }
  return found;
}

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
  hf_queue_add (self, queue_id, strcmp (name, "hold") == 0 ? HF_QUEUE_HELD : HF_QUEUE_QUEUED, recipients_of (object));
  return TRUE;
}

static gchar *
run (const gchar *const *argv, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autofree gchar *out = NULL, *err = NULL;
  gint status = 0;

  if (!g_spawn_sync (NULL, (gchar **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &failed))
    {
      hf_error_set (error, g_error_matches (failed, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? HF_ERROR_NOT_FOUND : HF_ERROR_IO,
                    "queue", "cannot run %s: %s", argv[0], failed->message);
      return NULL;
    }
  if (!g_spawn_check_wait_status (status, NULL))
    {
      hf_error_set (error, HF_ERROR_BUSY, "queue", "%s failed, so the queue is not known: %s", argv[0], g_strstrip (err));
      return NULL;
    }
  return g_steal_pointer (&out);
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
        hf_queue_add (self, name, HF_QUEUE_GIVEN_UP, NULL);
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
  g_autofree gchar *out = run (argv, NULL);
  g_autofree gchar *path = NULL;

  if (out == NULL)
    return;
  path = g_build_filename (g_strstrip (out), "corrupt", NULL);
  scan_corrupt (self, path, 2);
}

HfQueue *
hf_queue_read_postfix (const gchar *config_directory, GError **error)
{
  const gchar *const argv[] = { "postqueue", "-c", config_directory, "-j", NULL };
  g_autoptr (HfQueue) self = hf_queue_new ();
  g_autofree gchar *out = run (argv, error);
  g_auto (GStrv) lines = NULL;

  if (out == NULL)
    return NULL;
  lines = g_strsplit (out, "\n", -1);
  for (gchar **line = lines; *line != NULL; line++)
    if (**line != '\0' && !hf_queue_add_json (self, *line, error))
      return NULL;
  look_for_corrupt (self, config_directory);
  return g_steal_pointer (&self);
}

/* ---- Sendmail ---- */

/* The R lines of a queue file: flags, a colon, the address. */
static GPtrArray *
read_recipients (const gchar *path)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  GPtrArray *found;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  found = g_ptr_array_new_with_free_func (g_free);
  lines = g_strsplit (text, "\n", -1);
  for (gchar **line = lines; *line != NULL && strcmp (*line, ".") != 0; line++)
    if (**line == 'R')
      {
        const gchar *colon = strchr (*line, ':');
        const HfSlice address = hf_log_bare_address (hf_slice (colon != NULL ? colon + 1 : *line + 1));

        g_ptr_array_add (found, hf_slice_dup (address));
      }
  return found;
}

static void
consider (HfQueue *self, const gchar *directory, const gchar *name)
{
  const HfQueuePlace place = name[0] == 'Q' ? HF_QUEUE_GIVEN_UP : name[0] == 'h' ? HF_QUEUE_HELD : HF_QUEUE_QUEUED;
  g_autofree gchar *path = NULL;

  if (strchr ("qhQ", name[0]) == NULL || name[0] == '\0' || name[1] != 'f' || !hf_queue_id_is_sendmail (hf_slice (name + 2)))
    return;
  path = g_build_filename (directory, name, NULL);
  hf_queue_add (self, name + 2, place, read_recipients (path));
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

      consider (self, directory, name);
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
