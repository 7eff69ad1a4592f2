/* stage.c - the temp stream of one message, from MAIL to the end of the message; see stage.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/filter/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const gchar suffix[] = ".stage";

/* ---- files kept for later messages ---- */

typedef struct
{
  int fd; /* its writing side */
  guint64 length;
} KeptFile;

struct HfStagePool
{
  pthread_mutex_t mutex;
  guint generation; /* of what is kept: another one since all was let go of */
  guint count;
  KeptFile files[HF_STAGE_KEPT];
};

static HfStagePool *
pool_new (void)
{
  HfStagePool *self = g_new0 (HfStagePool, 1);

  pthread_mutex_init (&self->mutex, NULL);
  return self;
}

/* The last one that was put back, whose pages are the warmest.  FALSE: none. */
static gboolean
pool_take (HfStagePool *self, KeptFile *out_file, guint *out_generation)
{
  gboolean found;

  pthread_mutex_lock (&self->mutex);
  *out_generation = self->generation;
  found = self->count > 0;
  if (found)
    *out_file = self->files[--self->count];
  pthread_mutex_unlock (&self->mutex);
  return found;
}

/* FALSE: there are enough, or all was let go of since it was opened: then it may
 * be on a file system that somebody wants to unmount. */
static gboolean
pool_give (HfStagePool *self, KeptFile file, guint generation)
{
  gboolean taken;

  pthread_mutex_lock (&self->mutex);
  taken = self->count < HF_STAGE_KEPT && generation == self->generation;
  if (taken)
    self->files[self->count++] = file;
  pthread_mutex_unlock (&self->mutex);
  return taken;
}

static void
pool_empty (HfStagePool *self)
{
  KeptFile file;
  guint generation;

  pthread_mutex_lock (&self->mutex);
  self->generation++;
  pthread_mutex_unlock (&self->mutex);
  /* closed outside of the mutex: that may take as long as the disk takes */
  while (pool_take (self, &file, &generation))
    hf_sys_close (&file.fd);
}

static void
pool_free (HfStagePool *self)
{
  pool_empty (self);
  pthread_mutex_destroy (&self->mutex);
  g_free (self);
}

/* ---- the file ---- */

static int
open_unnamed (const HfStageArea *area)
{
  return hf_sys.open (area->path, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
}

static int
reopen_unnamed (int fd)
{
  gchar path[64];

  g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return hf_sys.open (path, O_RDONLY | O_CLOEXEC, 0);
}

/* A kept file, to be written from its start.  FALSE: there is none. */
static gboolean
take_kept (HfStage *self)
{
  KeptFile file;

  if (self->area->pool == NULL || !pool_take (self->area->pool, &file, &self->generation))
    return FALSE;
  if (lseek (file.fd, 0, SEEK_SET) != 0)
    {
      hf_sys_close (&file.fd);
      return FALSE;
    }
  self->fd = file.fd;
  self->length = file.length;
  hf_reservation_hold_file (&self->reservation);
  return TRUE;
}

static gboolean
open_stream (HfStage *self, GError **error)
{
  HfId id;

  self->length = 0;
  if (take_kept (self))
    return TRUE;
  if (!self->area->named)
    self->fd = open_unnamed (self->area);
  else
    {
      hf_id_new (&id);
      self->name = g_strdup_printf ("%s/%s%s", self->area->path, id.text, suffix);
      self->fd = hf_sys.open (self->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
      if (self->fd < 0)
        {
          const gint failed = errno;

          g_clear_pointer (&self->name, g_free);
          errno = failed;
        }
    }
  if (self->fd < 0)
    return hf_error_set_errno (error, errno, "stage-open", "cannot open a stage in '%s'", self->area->path);
  hf_reservation_hold_file (&self->reservation);
  return TRUE;
}

static int
reopen_stream (HfStage *self)
{
  int fd = self->name == NULL ? reopen_unnamed (self->fd)
                              : hf_sys.open (self->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);

  return fd;
}

static void
remove_name (HfStage *self)
{
  if (self->name == NULL)
    return;
  hf_sys.unlinkat (AT_FDCWD, self->name, 0);
  g_clear_pointer (&self->name, g_free);
}

/* ---- the area ---- */

/* Errors that say "not here", in contrast to "not now". */
static gboolean
unnamed_is_unknown (gint number)
{
  return number == EOPNOTSUPP || number == EISDIR || number == EINVAL;
}

static gboolean
probe (HfStageArea *self, GError **error)
{
  static const gchar text[] = "holdfast";
  gchar back[sizeof text] = "";
  int fd = open_unnamed (self);
  int again;
  gint failed = 0;

  if (fd < 0 && unnamed_is_unknown (errno))
    {
      self->named = TRUE;
      return TRUE;
    }
  if (fd < 0)
    return hf_error_set_errno (error, errno, "stage-probe", "cannot open a stage in '%s'", self->path);
  again = reopen_unnamed (fd);
  if (again < 0)
    self->named = TRUE;
  else if (hf_sys_write_all (fd, text, sizeof text) < 0 || hf_sys_pread_all (again, back, sizeof back, 0) < 0)
    failed = errno;
  else
    self->named = memcmp (text, back, sizeof text) != 0;
  hf_sys_close (&again);
  hf_sys_close (&fd);
  if (failed != 0)
    return hf_error_set_errno (error, failed, "stage-probe", "cannot use a stage in '%s'", self->path);
  return TRUE;
}

void
hf_stage_area_tidy (const HfStageArea *self)
{
  DIR *dir = opendir (self->path);
  struct dirent *entry;

  if (dir == NULL)
    return; /* what stays takes room, and is in nobody's way */
  while ((entry = readdir (dir)) != NULL)
    if (g_str_has_suffix (entry->d_name, suffix))
      hf_sys.unlinkat (dirfd (dir), entry->d_name, 0);
  closedir (dir);
}

gboolean
hf_stage_area_open (HfStageArea *self, const gchar *spool, GError **error)
{
  self->path = g_build_filename (spool, HF_STAGE_DIRECTORY, NULL);
  self->named = FALSE;
  self->room = NULL;
  self->pool = pool_new ();
  if (!probe (self, error))
    {
      hf_stage_area_clear (self);
      return FALSE;
    }
  if (self->named)
    hf_event (HF_EVENT_STAGE_NAMED, NULL, "directory", self->path, NULL);
  return TRUE;
}

void
hf_stage_area_let_go (const HfStageArea *self)
{
  if (self->pool != NULL)
    pool_empty (self->pool);
}

void
hf_stage_area_clear (HfStageArea *self)
{
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->pool, pool_free);
}

/* ---- one message ---- */

void
hf_stage_init (HfStage *self, const HfStageArea *area)
{
  memset (self, 0, sizeof *self);
  self->area = area;
  self->fd = -1;
  self->finished_fd = -1;
  hf_reservation_init (&self->reservation, area->room);
}

void
hf_stage_clear (HfStage *self)
{
  hf_stage_drop (self);
  hf_hash_clear (&self->lines);
  hf_hash_clear (&self->message);
  g_clear_pointer (&self->buffer, g_free);
}

static void
let_go (HfStage *self)
{
  hf_sys_close (&self->fd);
  hf_sys_close (&self->finished_fd);
  remove_name (self);
  self->fill = 0;
}

void
hf_stage_keep (HfStage *self)
{
  const KeptFile file = { self->finished_fd, self->length };

  if (self->finished_fd >= 0 && self->area->pool != NULL && pool_give (self->area->pool, file, self->generation))
    self->finished_fd = -1;
}

void
hf_stage_drop (HfStage *self)
{
  let_go (self);
  hf_reservation_release (&self->reservation);
}

gboolean
hf_stage_begin (HfStage *self, GError **error)
{
  let_go (self);
  hf_reservation_let_go (&self->reservation);
  if (self->buffer == NULL)
    self->buffer = g_malloc (HF_STAGE_BUFFER);
  self->written = 0;
  self->lines_size = 0;
  hf_wire_init (&self->wire);
  if (!hf_hash_begin (&self->lines) || !hf_hash_begin (&self->message))
    return hf_error_set (error, HF_ERROR_IO, "stage-digest", "no memory for a digest");
  return TRUE;
}

gboolean
hf_stage_reserve (HfStage *self, guint64 declared, GError **error)
{
  return hf_reservation_make (&self->reservation, declared, error);
}

static gboolean
write_out (HfStage *self, gconstpointer data, gsize size, GError **error)
{
  if (self->fd < 0 && !open_stream (self, error))
    return FALSE;
  if (hf_sys_write_all (self->fd, data, size) < 0)
    return hf_error_set_errno (error, errno, "stage-write", "cannot write a stage in '%s'", self->area->path);
  self->written += size;
  self->length = MAX (self->length, self->written);
  hf_reservation_hold (&self->reservation, size);
  return TRUE;
}

static gboolean
flush (HfStage *self, GError **error)
{
  const gsize size = self->fill;

  self->fill = 0;
  return write_out (self, self->buffer, size, error);
}

/* An HfOctetSink: through the buffer, or past it where a piece is as large. */
static gboolean
put (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  HfStage *self = user_data;

  if (!hf_reservation_cover (&self->reservation, self->written + self->fill + size, error))
    return FALSE;
  if (size > HF_STAGE_BUFFER - self->fill && self->fill > 0 && !flush (self, error))
    return FALSE;
  if (size >= HF_STAGE_BUFFER)
    return write_out (self, data, size, error);
  memcpy (self->buffer + self->fill, data, size);
  self->fill += size;
  return TRUE;
}

gboolean
hf_stage_add_lines (HfStage *self, const gchar *text, gsize size, GError **error)
{
  if (!hf_hash_add (&self->lines, text, size))
    return hf_error_set (error, HF_ERROR_IO, "stage-digest", "no memory for a digest");
  self->lines_size += size;
  return put (text, size, self, error);
}

gboolean
hf_stage_add_message (HfStage *self, gconstpointer data, gsize size, GError **error)
{
  if (!hf_hash_add (&self->message, data, size))
    return hf_error_set (error, HF_ERROR_IO, "stage-digest", "no memory for a digest");
  return hf_wire_stuff (&self->wire, data, size, put, self, error);
}

/* What an earlier message left behind this one's end goes. */
static gboolean
cut_off (HfStage *self, GError **error)
{
  if (self->length == self->written)
    return TRUE;
  if (hf_sys.ftruncate (self->fd, (off_t) self->written) < 0)
    return hf_error_set_errno (error, errno, "stage-truncate", "cannot shorten a stage in '%s'", self->area->path);
  self->length = self->written;
  return TRUE;
}

static gboolean
reopen (HfStage *self, HfCommit *commit, GError **error)
{
  struct stat st;

  commit->fd = reopen_stream (self);
  if (commit->fd < 0)
    return hf_error_set_errno (error, errno, "stage-reopen", "cannot reopen a stage in '%s'", self->area->path);
  if (hf_sys.look (commit->fd, NULL, &st) < 0)
    return hf_error_set_errno (error, errno, "stage-reopen", "cannot look at a reopened stage in '%s'",
                               self->area->path);
  if ((guint64) st.st_size != self->written)
    return hf_error_set (error, HF_ERROR_CORRUPT, "stage-reopen",
                         "reopened stage has %" G_GINT64_FORMAT " octets, written were %" G_GUINT64_FORMAT,
                         (gint64) st.st_size, self->written);
  return TRUE;
}

gboolean
hf_stage_finish (HfStage *self, HfCommit *commit, GError **error)
{
  HfFacts *facts = &commit->facts;
  int finished = -1;
  gboolean ok;

  facts->bytes = self->wire.bytes;
  facts->wire = self->wire.wire;
  facts->bare = self->wire.bare || self->wire.last == '\r';
  if (!hf_wire_ends_line (&self->wire))
    {
      /* The format needs an end of line before its dot; bytes= tells that it is
       * not the message's. */
      if (!put ("\r\n", 2, self, error))
        return FALSE;
      facts->wire += 2;
    }
  commit->lines_size = self->lines_size;
  if (!hf_hash_end (&self->lines, NULL, &commit->lines)
      || !hf_hash_end (&self->message, &commit->salt, &commit->message))
    return hf_error_set (error, HF_ERROR_IO, "stage-digest", "cannot make a digest");
  ok = flush (self, error) && cut_off (self, error) && reopen (self, commit, error);
  if (ok && self->name == NULL && self->length <= HF_STAGE_KEPT_SIZE)
    {
      finished = self->fd;
      self->fd = -1;
    }
  let_go (self);
  self->finished_fd = finished;
  return ok;
}
