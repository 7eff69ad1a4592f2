/* part.c - one file of a log: the live one, or one that was rotated away; see part.h */
#include <config.h>

#include "milter/audit/part.h"

#include "milter/audit/rotated.h"
#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (256 * 1024)

struct HfPart
{
  gchar *path;
  int fd;           /* plain text; -1 else */
  HfSource *source; /* compressed, or a pipe */
  struct stat st;
  HfClock clock;
  guint64 offset;   /* behind the last line handed out */
  guint32 line;
  /* plain text: what was read and not handed out, from @offset on */
  gchar *buffer;
  gsize size, begin, end;
  gboolean skipping; /* the rest of a line that was cut */
  guint32 head_size;
  gchar head[65];
};

static gboolean
is_packed (int fd)
{
  guint8 magic[6] = { 0 };

  return hf_sys_pread_all (fd, magic, sizeof magic, 0) >= 2
         && ((magic[0] == 0x1f && magic[1] == 0x8b) || memcmp (magic, "\xfd" "7zXZ", 6) == 0);
}

static guint64
behind (const HfSourceLine *line)
{
  if (line->unterminated)
    return line->offset + line->raw.length;
  return line->offset + line->raw.length + (line->raw.at[line->raw.length] == '\r') + 1;
}

/* Compressed text has to be read up to the place. */
static gboolean
skip_to (HfPart *self, guint64 offset, GError **error)
{
  HfSourceLine line;

  while (self->offset < offset)
    {
      if (!hf_source_next (self->source, &line, NULL))
        return hf_error_set (error, HF_ERROR_CORRUPT, "log-open", "log '%s' ends before the place where reading stopped",
                             self->path);
      self->offset = behind (&line);
    }
  return TRUE;
}

static gboolean
head_of (HfPart *self, guint32 size, gchar out_head[65])
{
  gchar octets[HF_FOLLOW_HEAD];
  HfHash hash = { NULL };
  HfDigest digest;
  gboolean ok;

  if (self->fd < 0)
    return self->st.st_ino != 0 && hf_rotated_head (self->path, size, out_head);
  ok = hf_sys_pread_all (self->fd, octets, size, 0) == (gssize) size && hf_hash_begin (&hash)
       && hf_hash_add (&hash, octets, size) && hf_hash_end (&hash, NULL, &digest);
  hf_hash_clear (&hash);
  if (ok)
    hf_hex_encode (digest.octets, sizeof digest.octets, out_head);
  return ok;
}

/* Taken while the lines are read, before the file can become another. */
static void
take_head (HfPart *self)
{
  const guint32 size = (guint32) MIN (self->offset, HF_FOLLOW_HEAD);

  if (self->head_size != size && head_of (self, size, self->head))
    self->head_size = size;
}

HfPart *
hf_part_open (const gchar *path, guint64 offset, guint32 line, GError **error)
{
  g_autoptr (HfPart) self = g_new0 (HfPart, 1);
  const gboolean is_pipe = strcmp (path, "-") == 0;

  self->path = g_strdup (path);
  self->line = line;
  self->fd = is_pipe ? -1 : hf_sys.open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
  if (!is_pipe && (self->fd < 0 || hf_sys.fstat (self->fd, &self->st) < 0))
    {
      hf_error_set_errno (error, errno, "log-open", "cannot open log '%s'", path);
      return NULL;
    }
  hf_clock_init (&self->clock, 0, is_pipe ? hf_sys_wall_ms () / 1000 : (gint64) self->st.st_mtime);
  if (is_pipe || is_packed (self->fd))
    {
      hf_sys_close (&self->fd);
      self->source = hf_source_open (path, error);
      return self->source != NULL && skip_to (self, offset, error) ? g_steal_pointer (&self) : NULL;
    }
  if ((guint64) self->st.st_size < offset)
    {
      hf_error_set (error, HF_ERROR_CORRUPT, "log-open", "log '%s' is shorter than what was read of it", path);
      return NULL;
    }
  self->offset = offset;
  take_head (self);
  self->size = 2 * CHUNK;
  self->buffer = g_malloc (self->size);
  return g_steal_pointer (&self);
}

void
hf_part_free (HfPart *self)
{
  if (self == NULL)
    return;
  hf_sys_close (&self->fd);
  hf_source_free (self->source);
  g_free (self->buffer);
  g_free (self->path);
  g_free (self);
}

static gboolean
next_of_source (HfPart *self, HfSlice *out_raw, HfPosition *out_at, gboolean *out_found, GError **error)
{
  g_autoptr (GError) failed = NULL;
  HfSourceLine line;

  *out_found = hf_source_next (self->source, &line, &failed);
  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if (!*out_found)
    return TRUE;
  *out_raw = line.raw;
  out_at->offset = line.offset;
  out_at->line = ++self->line;
  self->offset = behind (&line);
  return TRUE;
}

static gboolean
fill (HfPart *self, gboolean *out_got, GError **error)
{
  gssize got;

  if (self->begin > 0)
    memmove (self->buffer, self->buffer + self->begin, self->end - self->begin);
  self->end -= self->begin;
  self->begin = 0;
  if (self->size - self->end < CHUNK)
    {
      self->size *= 2;
      self->buffer = g_realloc (self->buffer, self->size);
    }
  do
    got = hf_sys.pread (self->fd, self->buffer + self->end, CHUNK, (off_t) (self->offset + self->end));
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return hf_error_set_errno (error, errno, "log-read", "cannot read log '%s'", self->path);
  self->end += (gsize) got;
  *out_got = got > 0;
  return TRUE;
}

/* Steps over @consumed octets, of which the first @length are the line. */
static void
hand_out (HfPart *self, gsize length, gsize consumed, HfSlice *out_raw, HfPosition *out_at)
{
  *out_raw = (HfSlice){ self->buffer + self->begin, length };
  if (length > 0 && out_raw->at[length - 1] == '\r')
    out_raw->length--;
  out_at->offset = self->offset;
  out_at->line = ++self->line;
  self->begin += consumed;
  self->offset += consumed;
  if (self->head_size < HF_FOLLOW_HEAD)
    take_head (self);
}

gboolean
hf_part_next (HfPart *self, gboolean finish, HfSlice *out_raw, HfPosition *out_at, gboolean *out_found, GError **error)
{
  gsize searched = 0;

  *out_found = FALSE;
  if (self->source != NULL)
    return next_of_source (self, out_raw, out_at, out_found, error);
  for (;;)
    {
      const gsize have = self->end - self->begin;
      const gchar *start = self->buffer + self->begin;
      const gchar *newline = have > searched ? memchr (start + searched, '\n', have - searched) : NULL;
      const gsize length = newline != NULL ? (gsize) (newline - start) : have;
      gboolean got = FALSE;

      if (self->skipping && (newline != NULL || have > HF_SOURCE_LINE_MAX))
        {
          hand_out (self, 0, length + (newline != NULL), out_raw, out_at);
          self->line--;
          self->skipping = newline == NULL;
          searched = 0;
          continue;
        }
      *out_found = newline != NULL || length > HF_SOURCE_LINE_MAX;
      if (*out_found)
        {
          self->skipping = newline == NULL;
          hand_out (self, MIN (length, HF_SOURCE_LINE_MAX), length + (newline != NULL), out_raw, out_at);
          return TRUE;
        }
      searched = have;
      if (!fill (self, &got, error))
        return FALSE;
      if (got)
        continue;
      *out_found = finish && have > 0 && !self->skipping;
      if (*out_found)
        hand_out (self, have, have, out_raw, out_at);
      return TRUE;
    }
}

void
hf_part_position (HfPart *self, HfFollowPosition *out_position)
{
  if (self->fd < 0)
    take_head (self);
  out_position->device = self->st.st_dev;
  out_position->inode = self->st.st_ino;
  out_position->offset = self->offset;
  out_position->line = self->line;
  out_position->head_size = self->head_size;
  memcpy (out_position->head, self->head, sizeof out_position->head);
}

gboolean
hf_part_was_replaced (HfPart *self)
{
  struct stat st;
  gchar head[65] = "";

  if (self->fd < 0 || hf_sys.fstat (self->fd, &st) < 0)
    return FALSE;
  if ((guint64) st.st_size < self->offset + (self->end - self->begin))
    return TRUE;
  return self->head_size > 0 && (!head_of (self, self->head_size, head) || strcmp (head, self->head) != 0);
}

gboolean
hf_part_is_at (const HfPart *self, const gchar *path)
{
  struct stat st;

  return hf_sys.stat (path, &st) == 0 && st.st_dev == self->st.st_dev && st.st_ino == self->st.st_ino;
}

gboolean
hf_part_is_packed (const HfPart *self)
{
  return self->source != NULL;
}

const gchar *
hf_part_path (const HfPart *self)
{
  return self->path;
}

HfClock *
hf_part_clock (HfPart *self)
{
  return &self->clock;
}
