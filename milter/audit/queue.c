/* queue.c - what is in the MTA's queue at this moment; see queue.h */
#include <config.h>

#include "milter/audit/queue.h"

#include "milter/audit/logevent.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

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

/* What a program says while it runs. */
typedef struct
{
  GPid pid;
  int out, err;
  gint silent_ms;
  gboolean hung;
} Speaker;

/* FALSE with HF_ERROR_NOT_FOUND for no such program, else HF_ERROR_IO. */
static gboolean
start_speaker (Speaker *self, const gchar *const *argv, GError **error)
{
  g_autoptr (GError) failed = NULL;

  return g_spawn_async_with_pipes (NULL, (gchar **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                   &self->pid, NULL, &self->out, &self->err, &failed)
         || hf_error_set (error,
                          g_error_matches (failed, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? HF_ERROR_NOT_FOUND : HF_ERROR_IO,
                          "queue", "cannot run %s: %s", argv[0], failed->message);
}

/* As read(2), but one that is silent too long is ended: it waits for a service that hangs, and
 * meanwhile nobody would read the log. */
static gssize
hear (Speaker *self, int fd, gchar *out, gsize size)
{
  GPollFD wait = { .fd = fd, .events = G_IO_IN };
  gint ready;

  do
    ready = self->hung ? 0 : g_poll (&wait, 1, self->silent_ms);
  while (ready < 0 && errno == EINTR);
  if (ready > 0)
    return hf_sys.read (fd, out, size);
  if (ready == 0 && !self->hung)
    kill (self->pid, SIGKILL);
  self->hung |= ready == 0;
  return -1;
}

static gboolean
add_lines (HfQueue *self, GString *text, gboolean last, GError **error)
{
  const gchar *end;
  gsize done = 0;
  gboolean ok = TRUE;

  if (last && text->len > 0)
    g_string_append_c (text, '\n');
  while (ok && (end = memchr (text->str + done, '\n', text->len - done)) != NULL)
    {
      g_autofree gchar *line = g_strndup (text->str + done, (gsize) (end - text->str) - done);

      ok = line[0] == '\0' || hf_queue_add_json (self, line, error);
      done = (gsize) (end - text->str) + 1;
    }
  g_string_erase (text, 0, ok ? (gssize) done : -1);
  return ok;
}

/* All that it prints, also behind a line that can't be read: a writer that is not heard out never ends. */
static gboolean
add_all_lines (HfQueue *self, Speaker *speaker, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gchar part[8192];
  gboolean ok = TRUE;
  gssize got;

  while ((got = hear (speaker, speaker->out, part, sizeof part)) > 0)
    if (ok)
      {
        g_string_append_len (text, part, got);
        ok = add_lines (self, text, FALSE, error);
      }
  if (ok && got < 0 && !speaker->hung)
    return hf_error_set_errno (error, errno, "queue", "what postqueue prints can't be read");
  return ok && add_lines (self, text, TRUE, error);
}

/* What it says of its failure, as far as it fits. */
static void
hear_complaint (Speaker *self, gchar *out, gsize size)
{
  gsize length = 0;
  gssize got = 1;

  while (got > 0 && length < size - 1)
    {
      got = hear (self, self->err, out + length, size - 1 - length);
      length += got > 0 ? (gsize) got : 0;
    }
  out[length] = '\0';
  g_strstrip (out);
}

/* Closes what it speaks into first, so that it does not wait until the rest is read. */
static int
end_speaker (Speaker *self)
{
  int status = 0;

  hf_sys_close (&self->out);
  hf_sys_close (&self->err);
  while (waitpid (self->pid, &status, 0) < 0 && errno == EINTR)
    ;
  g_spawn_close_pid (self->pid);
  return status;
}

/* One entry a line, as it is printed: the whole of a long queue would take hundreds of megabytes. */
static gboolean
add_postqueue (HfQueue *self, const gchar *const *argv, gint silent_ms, GError **error)
{
  Speaker speaker = { .silent_ms = silent_ms };
  g_autoptr (GError) unread = NULL;
  gchar complaint[1024];
  int status;

  if (!start_speaker (&speaker, argv, error))
    return FALSE;
  add_all_lines (self, &speaker, &unread);
  hear_complaint (&speaker, complaint, sizeof complaint);
  status = end_speaker (&speaker);
  if (speaker.hung)
    return hf_error_set (error, HF_ERROR_BUSY, "queue", "%s said nothing for %d s, so the queue is not known", argv[0],
                         silent_ms / 1000);
  if (!g_spawn_check_wait_status (status, NULL))
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
hf_queue_read_postfix (const gchar *config_directory, gint silent_ms, GError **error)
{
  const gchar *const argv[] = { "postqueue", "-c", config_directory, "-j", NULL };
  g_autoptr (HfQueue) self = hf_queue_new ();

  if (!add_postqueue (self, argv, silent_ms, error))
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
