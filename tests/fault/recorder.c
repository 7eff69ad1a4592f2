/* recorder.c - every call of a run that changes what a disk holds; see recorder.h
 *
 * One mutex is held over each call and its note, so that notes stand in the
 * order in which things happened.
 */
#include <config.h>

#include "tests/fault/recorder.h"

#include "milter/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#define MOST_DESCRIPTORS 4096

static struct
{
  pthread_mutex_t mutex;
  FtRecording *recording; /* NULL: nothing is recorded */
  gchar *directory;
  guint nodes[MOST_DESCRIPTORS]; /* node + 1; 0: not recorded */
  guint fail_sync; /* the so manieth from now on; 0: none */
  guint overlaps;
  gint slow_ms, writes; /* atomic */
  void (*hook) (gpointer data);
  gpointer hook_data;
} state = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* ---- nodes ---- */

static void
node_free (gpointer data)
{
  FtNode *self = data;

  g_clear_pointer (&self->base, g_byte_array_unref);
  g_clear_pointer (&self->entries, g_hash_table_unref);
  g_clear_pointer (&self->live, g_hash_table_unref);
  g_free (self);
}

static guint
add_node (FtRecording *self, gboolean is_directory)
{
  FtNode *node = g_new0 (FtNode, 1);

  node->is_directory = is_directory;
  node->base = g_byte_array_new ();
  node->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  node->live = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_ptr_array_add (self->nodes, node);
  return self->nodes->len - 1;
}

static FtNode *
node_at (guint index)
{
  return g_ptr_array_index (state.recording->nodes, index);
}

/* Takes over a tree as it is. */
static void
load (FtRecording *self, guint at, const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *below = g_build_filename (path, name, NULL);
      const gboolean is_directory = g_file_test (below, G_FILE_TEST_IS_DIR);
      const guint index = add_node (self, is_directory);
      FtNode *node = g_ptr_array_index (self->nodes, index), *parent = g_ptr_array_index (self->nodes, at);
      gchar *octets = NULL;
      gsize size = 0;

      g_hash_table_insert (parent->entries, g_strdup (name), GUINT_TO_POINTER (index + 1));
      g_hash_table_insert (parent->live, g_strdup (name), GUINT_TO_POINTER (index + 1));
      if (is_directory)
        load (self, index, below);
      else if (g_file_get_contents (below, &octets, &size, NULL))
        g_byte_array_append (node->base, (const guint8 *) octets, (guint) size);
      g_free (octets);
    }
}

static guint
child_of (guint directory, const gchar *name)
{
  const gpointer found = g_hash_table_lookup (node_at (directory)->live, name);

  return found == NULL ? FT_NO_NODE : GPOINTER_TO_UINT (found) - 1;
}

/* The directory a path leads into, and the last part of it.  FALSE: not in the
 * recorded tree.  The tree itself gives node 0 and an empty name. */
static gboolean
resolve (int dir_fd, const char *path, guint *out_directory, const gchar **out_name)
{
  const gsize size = strlen (state.directory);
  const gchar *slash;

  if (dir_fd != AT_FDCWD)
    {
      if (dir_fd < 0 || dir_fd >= MOST_DESCRIPTORS || state.nodes[dir_fd] == 0)
        return FALSE;
      *out_directory = state.nodes[dir_fd] - 1;
      *out_name = strcmp (path, ".") == 0 ? "" : path;
      return TRUE;
    }
  if (strncmp (path, state.directory, size) != 0 || (path[size] != '/' && path[size] != '\0'))
    return FALSE;
  path += path[size] == '/' ? size + 1 : size;
  *out_directory = 0;
  while ((slash = strchr (path, '/')) != NULL)
    {
      g_autofree gchar *part = g_strndup (path, (gsize) (slash - path));

      *out_directory = child_of (*out_directory, part);
      if (*out_directory == FT_NO_NODE)
        return FALSE;
      path = slash + 1;
    }
  *out_name = path;
  return TRUE;
}

/* ---- notes ---- */

static void
note (FtOp op)
{
  g_array_append_val (state.recording->ops, op);
}

static void
note_entry (guint directory, const gchar *name, guint target)
{
  GHashTable *live = node_at (directory)->live;

  if (target == FT_NO_NODE)
    g_hash_table_remove (live, name);
  else
    g_hash_table_replace (live, g_strdup (name), GUINT_TO_POINTER (target + 1));
  note ((FtOp){ .kind = FT_OP_ENTRY, .node = directory, .name = g_strdup (name), .target = target });
}

static void
note_made (int dir_fd, const char *path, gboolean is_directory)
{
  const gchar *name;
  guint directory;

  if (resolve (dir_fd, path, &directory, &name))
    note_entry (directory, name, add_node (state.recording, is_directory));
}

/* Which node @fd has been opened on; makes one for a file that is new. */
static guint
node_of_open (int dir_fd, const char *path, int flags)
{
  const gchar *name;
  guint directory, node;

  if ((flags & O_TMPFILE) == O_TMPFILE || !resolve (dir_fd, path, &directory, &name))
    return FT_NO_NODE;
  if (*name == '\0')
    return directory;
  node = child_of (directory, name);
  if (node == FT_NO_NODE && (flags & O_CREAT) != 0)
    {
      note_made (dir_fd, path, FALSE);
      node = child_of (directory, name);
    }
  return node;
}

/* The node behind a descriptor; FT_NO_NODE where nothing is to be noted. */
static guint
node_of (int fd)
{
  return state.recording != NULL && fd >= 0 && fd < MOST_DESCRIPTORS && state.nodes[fd] != 0 ? state.nodes[fd] - 1
                                                                                             : FT_NO_NODE;
}

static void
lock (void)
{
  pthread_mutex_lock (&state.mutex);
}

/* Keeps errno. */
static void
unlock (void)
{
  const gint saved = errno;

  pthread_mutex_unlock (&state.mutex);
  errno = saved;
}

/* ---- the table ---- */

static int
record_openat (int dir_fd, const char *path, int flags, mode_t mode)
{
  int fd;

  lock ();
  fd = hf_sys_real.openat (dir_fd, path, flags, mode);
  if (fd >= 0 && fd < MOST_DESCRIPTORS)
    {
      const guint node = state.recording != NULL ? node_of_open (dir_fd, path, flags) : FT_NO_NODE;

      state.nodes[fd] = node == FT_NO_NODE ? 0 : node + 1;
    }
  unlock ();
  return fd;
}

static int
record_open (const char *path, int flags, mode_t mode)
{
  return record_openat (AT_FDCWD, path, flags, mode);
}

static int
record_close (int fd)
{
  int result;

  lock ();
  if (fd >= 0 && fd < MOST_DESCRIPTORS)
    state.nodes[fd] = 0;
  result = hf_sys_real.close (fd);
  unlock ();
  return result;
}

static ssize_t
record_pwrite (int fd, const void *data, size_t size, off_t offset)
{
  ssize_t n;

  lock ();
  n = hf_sys_real.pwrite (fd, data, size, offset);
  if (n > 0 && node_of (fd) != FT_NO_NODE)
    {
      note ((FtOp){ .kind = FT_OP_WRITE,
                    .node = node_of (fd),
                    .offset = (guint64) offset,
                    .size = (gsize) n,
                    .data = g_memdup2 (data, (gsize) n) });
      g_atomic_int_inc (&state.writes);
    }
  unlock ();
  return n;
}

static int
record_ftruncate (int fd, off_t length)
{
  int result;

  lock ();
  result = hf_sys_real.ftruncate (fd, length);
  if (result == 0 && node_of (fd) != FT_NO_NODE)
    note ((FtOp){ .kind = FT_OP_SIZE, .node = node_of (fd), .offset = (guint64) length });
  unlock ();
  return result;
}

static void
run_hook (void)
{
  void (*hook) (gpointer data);
  gpointer data;

  lock ();
  hook = state.hook;
  data = state.hook_data;
  state.hook = NULL;
  unlock ();
  if (hook != NULL)
    hook (data);
}

/* With the lock held. */
static int
sync_and_note (int fd, int (*sync) (int fd))
{
  const guint node = node_of (fd);
  const int result = sync (fd);

  if (result == 0 && node != FT_NO_NODE)
    note ((FtOp){ .kind = node_at (node)->is_directory ? FT_OP_SYNC_ENTRIES : FT_OP_SYNC, .node = node });
  return result;
}

static int
record_fsync (int fd)
{
  int result;

  lock ();
  result = sync_and_note (fd, hf_sys_real.fsync);
  unlock ();
  return result;
}

static void
wait_for_write (void)
{
  const gint before = g_atomic_int_get (&state.writes);

  for (guint ms = 0; ms < (guint) g_atomic_int_get (&state.slow_ms) && g_atomic_int_get (&state.writes) == before; ms++)
    g_usleep (1000);
}

static int
record_fdatasync (int fd)
{
  int result = -1;

  run_hook ();
  wait_for_write ();
  lock ();
  if (state.fail_sync > 0 && node_of (fd) != FT_NO_NODE && --state.fail_sync == 0)
    {
      note ((FtOp){ .kind = FT_OP_SYNC_FAILED, .node = node_of (fd) });
      errno = EIO;
    }
  else
    result = sync_and_note (fd, hf_sys_real.fdatasync);
  unlock ();
  return result;
}

/* Asked for when a sync has to wait for another. */
static int
record_write_out (int fd, off_t offset, off_t length)
{
  lock ();
  state.overlaps++;
  unlock ();
  return hf_sys_real.write_out (fd, offset, length);
}

static int
record_mkdirat (int dir_fd, const char *path, mode_t mode)
{
  int result;

  lock ();
  result = hf_sys_real.mkdirat (dir_fd, path, mode);
  if (result == 0 && state.recording != NULL)
    note_made (dir_fd, path, TRUE);
  unlock ();
  return result;
}

static int
record_rename_new (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path)
{
  const gchar *old_name, *new_name;
  guint old_directory, new_directory;
  int result;

  lock ();
  result = hf_sys_real.rename_new (old_dir_fd, old_path, new_dir_fd, new_path);
  if (result == 0 && state.recording != NULL && resolve (old_dir_fd, old_path, &old_directory, &old_name)
      && resolve (new_dir_fd, new_path, &new_directory, &new_name))
    {
      note_entry (new_directory, new_name, child_of (old_directory, old_name));
      note_entry (old_directory, old_name, FT_NO_NODE);
    }
  unlock ();
  return result;
}

static int
record_unlinkat (int dir_fd, const char *path, int flags)
{
  const gchar *name;
  guint directory;
  int result;

  lock ();
  result = hf_sys_real.unlinkat (dir_fd, path, flags);
  if (result == 0 && state.recording != NULL && resolve (dir_fd, path, &directory, &name))
    note_entry (directory, name, FT_NO_NODE);
  unlock ();
  return result;
}

/* What would escape the recording must not be used on what is recorded. */
static ssize_t
record_write (int fd, const void *data, size_t size)
{
  gboolean recorded;

  lock ();
  recorded = node_of (fd) != FT_NO_NODE;
  unlock ();
  if (recorded)
    g_error ("a write that is not recorded");
  return hf_sys_real.write (fd, data, size);
}

static int
record_linkat (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path, int flags)
{
  g_error ("a link that is not recorded");
  return -1;
}

/* ---- the interface ---- */

void
ft_recorder_install (void)
{
  hf_sys.write = record_write;
  hf_sys.linkat = record_linkat;
  hf_sys.open = record_open;
  hf_sys.openat = record_openat;
  hf_sys.close = record_close;
  hf_sys.pwrite = record_pwrite;
  hf_sys.ftruncate = record_ftruncate;
  hf_sys.fsync = record_fsync;
  hf_sys.fdatasync = record_fdatasync;
  hf_sys.write_out = record_write_out;
  hf_sys.mkdirat = record_mkdirat;
  hf_sys.rename_new = record_rename_new;
  hf_sys.unlinkat = record_unlinkat;
}

static void
clear_op (gpointer data)
{
  FtOp *op = data;

  g_free (op->data);
  g_free (op->name);
}

void
ft_recorder_begin (FtRecording *recording, const gchar *directory)
{
  recording->nodes = g_ptr_array_new_with_free_func (node_free);
  recording->ops = g_array_new (FALSE, FALSE, sizeof (FtOp));
  g_array_set_clear_func (recording->ops, clear_op);
  load (recording, add_node (recording, TRUE), directory);
  lock ();
  state.recording = recording;
  state.directory = g_strdup (directory);
  state.fail_sync = 0;
  g_atomic_int_set (&state.slow_ms, 0);
  state.overlaps = 0;
  state.hook = NULL;
  memset (state.nodes, 0, sizeof state.nodes);
  unlock ();
}

void
ft_recorder_end (void)
{
  lock ();
  state.recording = NULL;
  g_clear_pointer (&state.directory, g_free);
  unlock ();
}

void
ft_recording_clear (FtRecording *self)
{
  g_clear_pointer (&self->nodes, g_ptr_array_unref);
  g_clear_pointer (&self->ops, g_array_unref);
}

guint
ft_recorder_now (void)
{
  guint now;

  lock ();
  now = state.recording != NULL ? state.recording->ops->len : 0;
  unlock ();
  return now;
}

void
ft_recorder_fail_sync (guint nth)
{
  lock ();
  state.fail_sync = nth;
  unlock ();
}

void
ft_recorder_slow_sync (guint ms)
{
  g_atomic_int_set (&state.slow_ms, (gint) ms);
}

guint
ft_recorder_overlaps (void)
{
  guint overlaps;

  lock ();
  overlaps = state.overlaps;
  unlock ();
  return overlaps;
}

void
ft_recorder_at_sync (void (*hook) (gpointer data), gpointer data)
{
  lock ();
  state.hook = hook;
  state.hook_data = data;
  unlock ();
}
