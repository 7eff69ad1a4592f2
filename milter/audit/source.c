/* source.c - lines of a log file, a compressed log file or standard input
 *
 * Three layers: read() into a raw buffer, decompression into a text buffer,
 * lines out of that.  Plain text goes without the middle one.
 */
#include <config.h>

#include "milter/audit/source.h"

#include "milter/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define RAW_SIZE (128 * 1024)
#define XZ_MEMORY_MAX (512 * 1024 * 1024)

typedef enum
{
  MODE_UNKNOWN,
  MODE_PLAIN,
  MODE_GZIP,
  MODE_XZ,
} Mode;

struct HfSource
{
  gchar *path;
  gint fd;
  struct stat stat;
  gboolean raw_ended;
  gboolean text_ended;
  guint64 raw_total;
  Mode mode;
  guint8 *raw; /* what was read and is not decompressed yet */
  gsize raw_at, raw_end;
  gchar *text; /* what is not handed out yet: text_at to text_end */
  gsize text_size, text_at, text_end;
  guint64 offset; /* of text_at */
  guint32 line;
  gboolean skipping; /* the rest of a line that was cut */
  gboolean in_member;
  z_stream gzip;
  lzma_stream xz;
  GError *failure; /* kept until the lines before it are out */
};

HfSource *
hf_source_open (const gchar *path, GError **error)
{
  g_autoptr (HfSource) self = g_new0 (HfSource, 1);

  self->path = g_strdup (path);
  self->fd = g_str_equal (path, "-") ? dup (STDIN_FILENO) : open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (self->fd < 0 || fstat (self->fd, &self->stat) < 0)
    {
      hf_error_set_errno (error, errno, "log-open", "cannot open log '%s'", path);
      return NULL;
    }
  if (S_ISDIR (self->stat.st_mode))
    {
      hf_error_set_errno (error, EISDIR, "log-open", "cannot open log '%s'", path);
      return NULL;
    }
  self->raw = g_malloc (RAW_SIZE);
  self->text_size = 2 * RAW_SIZE;
  self->text = g_malloc (self->text_size);
  return g_steal_pointer (&self);
}

void
hf_source_free (HfSource *self)
{
  if (self == NULL)
    return;
  if (self->fd >= 0)
    close (self->fd);
  if (self->mode == MODE_GZIP)
    inflateEnd (&self->gzip);
  if (self->mode == MODE_XZ)
    lzma_end (&self->xz);
  g_clear_error (&self->failure);
  g_free (self->raw);
  g_free (self->text);
  g_free (self->path);
  g_free (self);
}

const gchar *
hf_source_path (const HfSource *self)
{
  return self->path;
}

gint64
hf_source_changed_s (const HfSource *self)
{
  return S_ISREG (self->stat.st_mode) ? (gint64)self->stat.st_mtime : (gint64)time (NULL);
}

guint64
hf_source_read_bytes (const HfSource *self)
{
  return self->raw_total;
}

guint64
hf_source_size_bytes (const HfSource *self)
{
  return S_ISREG (self->stat.st_mode) ? (guint64)self->stat.st_size : 0;
}

gboolean
hf_source_same (const HfSource *self, const HfSource *other)
{
  return self->stat.st_dev == other->stat.st_dev && self->stat.st_ino == other->stat.st_ino;
}

/* FALSE on failure, which is kept in self->failure. */
static gboolean
read_some (HfSource *self, void *buffer, gsize size, gsize *out_got)
{
  gssize got;

  do
    got = read (self->fd, buffer, size);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return hf_error_set_errno (&self->failure, errno, "log-read", "cannot read log '%s'", self->path);
  if (got == 0)
    self->raw_ended = TRUE;
  self->raw_total += (guint64)got;
  *out_got = (gsize)got;
  return TRUE;
}

static gboolean
fill_raw (HfSource *self)
{
  gsize got;

  if (self->raw_at < self->raw_end || self->raw_ended)
    return TRUE;
  if (!read_some (self, self->raw, RAW_SIZE, &got))
    return FALSE;
  self->raw_at = 0;
  self->raw_end = got;
  return TRUE;
}

/* What would be read as one long line of nothing is named instead. */
static gboolean
is_foreign (HfSource *self)
{
  static const struct
  {
    const gchar *magic, *name;
  } packers[] = { { "BZh", "bzip2" }, { "\x28\xb5\x2f\xfd", "zstd" }, { "\x04\x22\x4d\x18", "lz4" } };

  for (gsize i = 0; i < G_N_ELEMENTS (packers); i++)
    if (self->raw_end >= strlen (packers[i].magic) && memcmp (self->raw, packers[i].magic, strlen (packers[i].magic)) == 0)
      {
        hf_error_set (&self->failure, HF_ERROR_CORRUPT, "log-unpack",
                      "log '%s' is packed with %s, which is not read here: unpack it first", self->path, packers[i].name);
        return TRUE;
      }
  return FALSE;
}

/* A pipe may give the first octets one by one. */
static gboolean
find_mode (HfSource *self)
{
  static const guint8 xz_magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

  while (self->raw_end < sizeof xz_magic && !self->raw_ended)
    {
      gsize got;

      if (!read_some (self, self->raw + self->raw_end, RAW_SIZE - self->raw_end, &got))
        return FALSE;
      self->raw_end += got;
    }
  self->mode = MODE_PLAIN;
  if (self->raw_end >= 2 && self->raw[0] == 0x1f && self->raw[1] == 0x8b
      && inflateInit2 (&self->gzip, 15 + 16) == Z_OK)
    self->mode = MODE_GZIP;
  if (self->raw_end >= sizeof xz_magic && memcmp (self->raw, xz_magic, sizeof xz_magic) == 0
      && lzma_stream_decoder (&self->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK)
    self->mode = MODE_XZ;
  self->in_member = TRUE;
  return self->mode != MODE_PLAIN || !is_foreign (self);
}

static gboolean
set_damaged (HfSource *self, gboolean early)
{
  return hf_error_set (&self->failure, HF_ERROR_CORRUPT, "log-unpack",
                       early ? "compressed log '%s' ends early" : "compressed log '%s' is damaged",
                       self->path);
}

static gboolean
unpack_gzip (HfSource *self, gsize *out_got)
{
  gsize room = self->text_size - self->text_end;
  gint status;

  if (self->raw_at == self->raw_end) /* and no more is to come */
    {
      self->text_ended = TRUE;
      return self->in_member ? set_damaged (self, TRUE) : TRUE;
    }
  if (!self->in_member)
    {
      /* NULs may follow the last member (tapes, copytruncate) */
      if (self->raw[self->raw_at] == 0)
        {
          self->raw_at++;
          return TRUE;
        }
      inflateReset (&self->gzip);
      self->in_member = TRUE;
    }
  self->gzip.next_in = self->raw + self->raw_at;
  self->gzip.avail_in = (uInt)(self->raw_end - self->raw_at);
  self->gzip.next_out = (Bytef *)self->text + self->text_end;
  self->gzip.avail_out = (uInt)room;
  status = inflate (&self->gzip, Z_NO_FLUSH);
  self->raw_at = self->raw_end - self->gzip.avail_in;
  *out_got = room - self->gzip.avail_out;
  if (status == Z_STREAM_END)
    self->in_member = FALSE;
  else if (status != Z_OK && status != Z_BUF_ERROR)
    return set_damaged (self, FALSE);
  return TRUE;
}

static gboolean
unpack_xz (HfSource *self, gsize *out_got)
{
  gsize room = self->text_size - self->text_end;
  lzma_ret status;

  self->xz.next_in = self->raw + self->raw_at;
  self->xz.avail_in = self->raw_end - self->raw_at;
  self->xz.next_out = (uint8_t *)self->text + self->text_end;
  self->xz.avail_out = room;
  status = lzma_code (&self->xz, self->raw_ended ? LZMA_FINISH : LZMA_RUN);
  self->raw_at = self->raw_end - self->xz.avail_in;
  *out_got = room - self->xz.avail_out;
  if (status == LZMA_STREAM_END)
    self->text_ended = TRUE;
  else if (status == LZMA_BUF_ERROR)
    return set_damaged (self, TRUE);
  else if (status != LZMA_OK)
    return set_damaged (self, FALSE);
  return TRUE;
}

/* Adds to the text at text_end.  FALSE when there is no more, or on failure. */
static gboolean
fill_text (HfSource *self)
{
  if (self->mode == MODE_UNKNOWN && !find_mode (self))
    return FALSE;
  while (!self->text_ended && self->failure == NULL)
    {
      gsize got = 0;
      gboolean ok;

      if (self->mode == MODE_PLAIN && self->raw_at == self->raw_end && !self->raw_ended)
        {
          if (!read_some (self, self->text + self->text_end, self->text_size - self->text_end, &got))
            return FALSE;
          self->text_end += got;
          if (got > 0)
            return TRUE;
        }
      if (!fill_raw (self))
        return FALSE;
      if (self->mode == MODE_GZIP)
        ok = unpack_gzip (self, &got);
      else if (self->mode == MODE_XZ)
        ok = unpack_xz (self, &got);
      else
        {
          got = MIN (self->raw_end - self->raw_at, self->text_size - self->text_end);
          memcpy (self->text + self->text_end, self->raw + self->raw_at, got);
          self->raw_at += got;
          self->text_ended = got == 0;
          ok = TRUE;
        }
      self->text_end += got;
      if (got > 0)
        return TRUE;
      if (!ok)
        return FALSE;
    }
  return FALSE;
}

static void
make_room (HfSource *self)
{
  if (self->text_at > 0)
    {
      memmove (self->text, self->text + self->text_at, self->text_end - self->text_at);
      self->text_end -= self->text_at;
      self->text_at = 0;
    }
  if (self->text_size - self->text_end < RAW_SIZE)
    {
      self->text_size *= 2;
      self->text = g_realloc (self->text, self->text_size);
    }
}

/* Hands out @length octets from text_at and steps over @consumed of them. */
static void
hand_out (HfSource *self, gsize length, gsize consumed, HfSourceLine *out)
{
  out->raw = (HfSlice){ self->text + self->text_at, length };
  if (length > 0 && out->raw.at[length - 1] == '\r')
    out->raw.length--;
  out->offset = self->offset;
  out->line = ++self->line;
  self->text_at += consumed;
  self->offset += consumed;
}

gboolean
hf_source_next (HfSource *self, HfSourceLine *out, GError **error)
{
  gsize searched = 0;

  for (;;)
    {
      gchar *start = self->text + self->text_at;
      gsize have = self->text_end - self->text_at;
      gchar *end = have > searched ? memchr (start + searched, '\n', have - searched) : NULL;

      if (end != NULL && self->skipping)
        {
          self->offset += (gsize)(end - start) + 1;
          self->text_at += (gsize)(end - start) + 1;
          self->skipping = FALSE;
          searched = 0;
          continue;
        }
      out->cut = (end != NULL ? (gsize)(end - start) : have) > HF_SOURCE_LINE_MAX;
      out->unterminated = FALSE;
      if (end != NULL)
        {
          hand_out (self, MIN ((gsize)(end - start), HF_SOURCE_LINE_MAX), (gsize)(end - start) + 1, out);
          return TRUE;
        }
      if (self->skipping)
        {
          self->offset += have;
          self->text_at = self->text_end;
          have = 0;
        }
      if (out->cut && !self->skipping)
        {
          hand_out (self, HF_SOURCE_LINE_MAX, have, out);
          self->skipping = TRUE;
          return TRUE;
        }
      searched = have;
      make_room (self);
      if (fill_text (self))
        continue;
      if (have > 0)
        {
          out->unterminated = TRUE;
          hand_out (self, have, have, out);
          return TRUE;
        }
      if (self->failure != NULL)
        g_propagate_error (error, g_steal_pointer (&self->failure));
      self->text_ended = TRUE;
      return FALSE;
    }
}
