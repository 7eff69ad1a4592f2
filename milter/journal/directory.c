/* directory.c - the journal's directory: names, lock, and the synced offset; see directory.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const gchar suffix[] = ".bsmtp";

void
hf_segment_name (guint64 seq, HfSegmentName *out_name)
{
  g_snprintf (out_name->text, sizeof out_name->text, "%010" G_GUINT64_FORMAT "%s", seq, suffix);
}

static gboolean
seq_within (const gchar *name, guint64 least, guint64 most, guint64 *out_seq)
{
  const gsize digits = strspn (name, "0123456789");
  g_autofree gchar *number = g_strndup (name, digits);
  HfSegmentName canonical;

  if (!g_ascii_string_to_unsigned (number, 10, least, most, out_seq, NULL))
    return FALSE;
  /* another spelling of a number would stand for a segment that it is not */
  hf_segment_name (*out_seq, &canonical);
  return strcmp (name, canonical.text) == 0;
}

gboolean
hf_segment_seq (const gchar *name, guint64 *out_seq)
{
  return seq_within (name, 1, HF_SEQ_MAX, out_seq);
}

gboolean
hf_carried_seq (const gchar *name, guint64 *out_seq)
{
  return seq_within (name, HF_CARRIED_FIRST, HF_CARRIED_MAX, out_seq);
}

gboolean
hf_segment_is_carried (guint64 seq)
{
  return seq >= HF_CARRIED_FIRST;
}

gchar *
hf_segment_path (const gchar *spool, guint64 seq)
{
  HfSegmentName name;

  hf_segment_name (seq, &name);
  return g_build_filename (spool, hf_segment_is_carried (seq) ? HF_CARRIED_DIRECTORY : HF_JOURNAL_DIRECTORY, name.text, NULL);
}

int
hf_segment_open_file (const gchar *path, const gchar *step, guint64 *out_size, GError **error)
{
  /* a FIFO would be waited for without O_NONBLOCK; files know no difference */
  int fd = hf_sys.open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0);
  struct stat st;

  if (fd < 0)
    hf_error_set_errno (error, errno, step, "cannot open segment '%s'", path);
  else if (hf_sys.fstat (fd, &st) < 0)
    {
      hf_error_set_errno (error, errno, step, "cannot look at segment '%s'", path);
      hf_sys_close (&fd);
    }
  else if (!S_ISREG (st.st_mode))
    {
      hf_error_set (error, HF_ERROR_CORRUPT, step, "segment '%s' is no regular file", path);
      hf_sys_close (&fd);
    }
  else
    *out_size = (guint64) st.st_size;
  return fd;
}

static gint
compare_seq (gconstpointer a, gconstpointer b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x < y ? -1 : x > y;
}

static GArray *
list_segments (const gchar *path, gboolean (*seq_of) (const gchar *name, guint64 *out_seq), GError **error)
{
  g_autoptr (GArray) seqs = g_array_new (FALSE, FALSE, sizeof (guint64));
  DIR *dir = opendir (path);
  struct dirent *entry;
  gint failed;

  if (dir == NULL)
    {
      hf_error_set_errno (error, errno, "journal-list", "cannot read journal directory '%s'", path);
      return NULL;
    }
  while (errno = 0, (entry = readdir (dir)) != NULL)
    {
      guint64 seq;

      if (seq_of (entry->d_name, &seq))
        g_array_append_val (seqs, seq);
    }
  failed = errno;
  closedir (dir);
  if (failed != 0)
    {
      hf_error_set_errno (error, failed, "journal-list", "cannot read journal directory '%s'", path);
      return NULL;
    }
  g_array_sort (seqs, compare_seq);
  return g_steal_pointer (&seqs);
}

GArray *
hf_directory_list (const gchar *path, GError **error)
{
  return list_segments (path, hf_segment_seq, error);
}

GArray *
hf_carried_list (const gchar *spool, GError **error)
{
  g_autofree gchar *path = g_build_filename (spool, HF_CARRIED_DIRECTORY, NULL);
  g_autoptr (GError) failed = NULL;
  GArray *seqs = list_segments (path, hf_carried_seq, &failed);

  if (seqs == NULL && g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND))
    return g_array_new (FALSE, FALSE, sizeof (guint64));
  if (seqs == NULL)
    g_propagate_error (error, g_steal_pointer (&failed));
  return seqs;
}

gboolean
hf_directory_adopt (int dir_fd, int fd, GError **error)
{
  struct stat dir, st;

  if (hf_sys.fstat (dir_fd, &dir) < 0 || hf_sys.fstat (fd, &st) < 0)
    return hf_error_set_errno (error, errno, "spool-owner", "cannot look at the spool's owner");
  if (geteuid () != 0 || (dir.st_uid == st.st_uid && dir.st_gid == st.st_gid))
    return TRUE;
  if (fchown (fd, dir.st_uid, dir.st_gid) < 0)
    return hf_error_set_errno (error, errno, "spool-owner", "cannot give a new file to the spool's owner");
  return TRUE;
}

/* A checksum against half-written lines, not against people. */
static guint32
checksum (const gchar *text, gsize size)
{
  guint32 sum = 2166136261u;

  for (gsize i = 0; i < size; i++)
    sum = (sum ^ (guchar) text[i]) * 16777619u;
  return sum;
}

#define PUBLISHED_OPEN "holdfast-open v=1 seq=%020" G_GUINT64_FORMAT " nonce=%32s synced=%020" G_GUINT64_FORMAT
#define PUBLISHED_CLOSED "holdfast-open v=1 seq=0 nonce=%32s synced=%020" G_GUINT64_FORMAT " closed=%010" G_GUINT64_FORMAT

void
hf_published_format (const HfPublished *published, gchar out_text[HF_PUBLISHED_SIZE])
{
  gchar text[HF_PUBLISHED_SIZE + 1];
  const gchar *nonce = published->nonce.text[0] != '\0' ? published->nonce.text : "-";
  const gint size = published->seq == 0 && published->closed != 0
                      ? g_snprintf (text, sizeof text, PUBLISHED_CLOSED, nonce, published->synced, published->closed)
                      : g_snprintf (text, sizeof text, PUBLISHED_OPEN, published->seq, nonce, published->synced);

  g_snprintf (text + size, sizeof text - (gsize) size, " sum=%08x", checksum (text, (gsize) size));
  memset (out_text, ' ', HF_PUBLISHED_SIZE);
  memcpy (out_text, text, strlen (text));
  out_text[HF_PUBLISHED_SIZE - 1] = '\n';
}

guint64
hf_published_seq (const HfPublished *published)
{
  return published->seq != 0 ? published->seq : published->closed;
}

static gboolean
parse_published (const gchar *octets, gssize size, HfPublished *out)
{
  gchar text[HF_PUBLISHED_SIZE + 1];
  guint32 sum;
  gchar *tail;

  if (size != HF_PUBLISHED_SIZE)
    return FALSE;
  memcpy (text, octets, HF_PUBLISHED_SIZE);
  text[HF_PUBLISHED_SIZE] = '\0';
  tail = strstr (text, " sum=");
  if (tail == NULL || sscanf (tail, " sum=%8x", &sum) != 1 || checksum (text, (gsize) (tail - text)) != sum)
    return FALSE;
  memset (out, 0, sizeof *out);
  return sscanf (text, "holdfast-open v=1 seq=%" G_GUINT64_FORMAT " nonce=%32s synced=%" G_GUINT64_FORMAT
                 " closed=%" G_GUINT64_FORMAT, &out->seq, out->nonce.text, &out->synced, &out->closed) >= 3;
}

static gboolean
lock_is_held (const gchar *path)
{
  g_autofree gchar *name = g_build_filename (path, HF_JOURNAL_LOCK, NULL);
  int fd = hf_sys.open (name, O_RDONLY | O_CLOEXEC, 0);
  gboolean held = fd >= 0 && hf_sys.lock_is_held (fd) == 1;

  hf_sys_close (&fd);
  return held;
}

void
hf_directory_published (const gchar *path, HfPublished *out_published, gboolean *out_live)
{
  g_autofree gchar *name = g_build_filename (path, HF_JOURNAL_OPEN, NULL);
  gchar octets[HF_PUBLISHED_SIZE + 1];
  const gboolean live = out_live != NULL && lock_is_held (path);
  int fd;

  if (out_live != NULL)
    *out_live = live;
  memset (out_published, 0, sizeof *out_published);
  fd = hf_sys.open (name, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0)
    return;
  /* Where nobody writes, a file that is half written stays so. */
  for (gint tries = live ? 200 : 1; tries > 0; tries--)
    {
      gssize size = hf_sys_pread_all (fd, octets, sizeof octets, 0);

      /* an empty one was never written, and is not being written */
      if (size <= 0 || parse_published (octets, size, out_published))
        break;
      g_usleep (100);
    }
  hf_sys_close (&fd);
}
