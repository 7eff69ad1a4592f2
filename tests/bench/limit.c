/* limit.c - how fast a disk takes batches: the most a journal could reach
 *
 *   limit -f FILE (-l LIST | -b OCTETS -n BATCHES [-k MESSAGES]) [-z] [-j]
 *
 * Writes batches by pwrite() and fdatasync() onto a file that was written
 * ahead with NULs and synced, each on a boundary of 4,096 octets, and does
 * nothing else.  LIST holds a batch a line: its octets, and how many messages
 * were in it.  FILE is made, filled before the clock starts, and removed.  With
 * -z as many NULs are written beside it into FILE.next, as a journal makes the
 * next segment ready while it writes this one.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096u
#define LARGEST_FILE (G_GUINT64_CONSTANT (1) << 30) /* then over again from its start */

typedef struct
{
  guint64 octets;
  guint64 messages;
} Batch;

static guint64
padded (guint64 octets)
{
  return (octets + BLOCK - 1) / BLOCK * BLOCK;
}

static gboolean
parse_batch (const gchar *line, Batch *out_batch)
{
  gchar *end;

  out_batch->octets = g_ascii_strtoull (line, &end, 10);
  if (end == line || out_batch->octets == 0 || out_batch->octets > LARGEST_FILE)
    return FALSE;
  out_batch->messages = *end != '\0' ? g_ascii_strtoull (end, &end, 10) : 1;
  return *end == '\0';
}

static gboolean
read_list (const gchar *path, GArray *batches, GError **error)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      Batch batch;

      if (!parse_batch (lines[i], &batch))
        return hf_error_set (error, HF_ERROR_CONFIG, "list", "%s:%u: not OCTETS [MESSAGES]: '%s'", path, i + 1,
                             lines[i]);
      g_array_append_val (batches, batch);
    }
  return TRUE;
}

/* As a segment is made ready: NULs, not fallocate(), and all of it synced. */
static int
make_file (const gchar *path, guint64 size, GError **error)
{
  g_autofree guint8 *nuls = g_malloc0 (1024 * 1024);
  int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  if (fd < 0)
    {
      hf_error_set_errno (error, errno, "create", "cannot create '%s'", path);
      return -1;
    }
  for (guint64 done = 0; done < size;)
    {
      gsize part = (gsize) MIN (size - done, 1024 * 1024);

      if (hf_sys_write_all (fd, nuls, part) < 0)
        break;
      done += part;
    }
  if (lseek (fd, 0, SEEK_CUR) == (off_t) size && fsync (fd) == 0)
    return fd;
  hf_error_set_errno (error, errno, "fill", "cannot write '%s' ahead", path);
  close (fd);
  unlink (path);
  return -1;
}

/* ---- the next segment ---- */

#define SEGMENT (G_GUINT64_CONSTANT (64) << 20)

typedef struct
{
  gchar *path; /* NULL: none is made */
  pthread_t thread;
  gint wanted; /* segments; atomic */
  gint stop;
} Next;

static gpointer
make_segments (gpointer data)
{
  Next *self = data;

  for (gint made = 0; !g_atomic_int_get (&self->stop);)
    {
      int fd;

      if (made == g_atomic_int_get (&self->wanted))
        {
          g_usleep (1000);
          continue;
        }
      fd = make_file (self->path, SEGMENT, NULL);
      hf_sys_close (&fd);
      unlink (self->path);
      made++;
    }
  return NULL;
}

static gboolean
next_start (Next *self, const gchar *path, gboolean wanted, GError **error)
{
  gint failed;

  *self = (Next){ .path = wanted ? g_strconcat (path, ".next", NULL) : NULL };
  failed = wanted ? pthread_create (&self->thread, NULL, make_segments, self) : 0;
  if (failed == 0)
    return TRUE;
  g_clear_pointer (&self->path, g_free);
  return hf_error_set_errno (error, failed, "thread", "cannot start a thread");
}

static void
next_stop (Next *self)
{
  g_atomic_int_set (&self->stop, TRUE);
  if (self->path != NULL)
    pthread_join (self->thread, NULL);
  g_free (self->path);
}

/* ---- the batches ---- */

static gboolean
write_batches (int fd, guint64 size, const GArray *batches, guint64 largest, Next *next, GError **error)
{
  g_autofree guint8 *data = g_malloc (largest);
  guint64 offset = 0, written = 0;

  memset (data, 'x', largest);
  for (guint i = 0; i < batches->len; i++)
    {
      guint64 octets = padded (g_array_index (batches, Batch, i).octets);

      if (offset + octets > size)
        offset = 0;
      if (hf_sys_pwrite_all (fd, data, octets, (off_t) offset) < 0 || fdatasync (fd) < 0)
        return hf_error_set_errno (error, errno, "write", "cannot write a batch");
      offset += octets;
      written += octets;
      g_atomic_int_set (&next->wanted, (gint) (written / SEGMENT) + 1);
    }
  return TRUE;
}

static void
print_result (gboolean json, guint batches, guint64 octets, guint64 messages, gdouble seconds)
{
  if (json)
    printf ("{\"batches\": %u, \"octets\": %" G_GUINT64_FORMAT ", \"messages\": %" G_GUINT64_FORMAT
            ", \"elapsed_s\": %.6f, \"batches_per_second\": %.3f, \"octets_per_second\": %.1f, "
            "\"messages_per_second\": %.3f}\n",
            batches, octets, messages, seconds, batches / seconds, (gdouble) octets / seconds,
            (gdouble) messages / seconds);
  else
    printf ("%.0f batches/s, %.1f MB/s, %.0f messages/s in %.2f s\n", batches / seconds,
            (gdouble) octets / seconds / 1e6, (gdouble) messages / seconds, seconds);
}

static gboolean
run (const gchar *path, const GArray *batches, gboolean with_next, gboolean json, GError **error)
{
  Next next;
  guint64 octets = 0, messages = 0, largest = 0, size;
  gint64 started;
  gboolean written;
  int fd;

  for (guint i = 0; i < batches->len; i++)
    {
      const Batch *batch = &g_array_index (batches, Batch, i);

      octets += padded (batch->octets);
      messages += batch->messages;
      largest = MAX (largest, padded (batch->octets));
    }
  size = MAX (MIN (octets, LARGEST_FILE), largest);
  fd = make_file (path, size, error);
  if (fd < 0)
    return FALSE;
  written = next_start (&next, path, with_next, error);
  started = g_get_monotonic_time ();
  written = written && write_batches (fd, size, batches, largest, &next, error);
  if (written)
    print_result (json, batches->len, octets, messages,
                  (gdouble) MAX (g_get_monotonic_time () - started, 1) / 1e6);
  next_stop (&next);
  close (fd);
  unlink (path);
  return written;
}

static int
usage (void)
{
  fputs ("usage: limit -f FILE (-l LIST | -b OCTETS -n BATCHES [-k MESSAGES]) [-z] [-j]\n", stderr);
  return 2;
}

int
main (int argc, char **argv)
{
  const gchar *path = NULL, *list = NULL;
  Batch batch = { 0, 1 };
  guint64 count = 0;
  gboolean json = FALSE, with_next = FALSE;
  g_autoptr (GArray) batches = g_array_new (FALSE, FALSE, sizeof (Batch));
  g_autoptr (GError) error = NULL;
  int option;

  while ((option = getopt (argc, argv, "f:l:b:n:k:zj")) != -1)
    switch (option)
      {
      case 'f':
        path = optarg;
        break;
      case 'l':
        list = optarg;
        break;
      case 'b':
        if (!parse_batch (optarg, &batch))
          return usage ();
        break;
      case 'n':
        count = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'k':
        batch.messages = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'z':
        with_next = TRUE;
        break;
      case 'j':
        json = TRUE;
        break;
      default:
        return usage ();
      }
  if (path == NULL || optind != argc || (list == NULL) != (batch.octets > 0 && count > 0))
    return usage ();
  for (guint64 i = 0; list == NULL && i < count; i++)
    g_array_append_val (batches, batch);
  if ((list != NULL && !read_list (list, batches, &error)) || !run (path, batches, with_next, json, &error))
    {
      fprintf (stderr, "limit: %s\n", error->message);
      return 1;
    }
  return 0;
}
