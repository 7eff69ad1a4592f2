/* test-window.c - the readers' window: what it gives is in the file, and within the limit */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/window.h"
#include "tests/unit/faults.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* No octet at or behind this may ever be asked for. */
static guint64 asked_limit;
static gboolean asked_too_much;
static ssize_t (*next_pread) (int fd, void *data, size_t size, off_t offset);

static ssize_t
watched_pread (int fd, void *data, size_t size, off_t offset)
{
  if ((guint64) offset + size > asked_limit)
    asked_too_much = TRUE;
  return next_pread (fd, data, size, offset);
}

static int
file_of (const gchar *data, gsize size)
{
  int fd = memfd_create ("window", MFD_CLOEXEC);

  g_assert_true (fd >= 0 && write (fd, data, size) == (gssize) size);
  return fd;
}

static void
start (HfWindow *window, int fd, guint64 limit)
{
  asked_limit = limit;
  asked_too_much = FALSE;
  hf_window_init (window, fd, limit);
}

static void
finish (HfWindow *window, int fd)
{
  tap_check ("limit kept", !asked_too_much);
  hf_window_clear (window);
  hf_sys_close (&fd);
}

static void
test_lines (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    guint64 position;
    guint64 limit;
    const gchar *want; /* NULL: no line */
  } rows[] = {
    { "a line", "abc\r\ndef\r\n", 0, 99, "abc" },
    { "the next", "abc\r\ndef\r\n", 5, 99, "def" },
    { "in its middle", "abc\r\ndef\r\n", 1, 99, "bc" },
    { "empty", "\r\nabc\r\n", 0, 99, "" },
    { "bare LF inside", "a\nb\r\n", 0, 99, "a\nb" },
    { "bare CR inside", "a\rb\r\n", 0, 99, "a\rb" },
    { "CR CR LF", "a\r\r\n", 0, 99, "a\r" },
    { "begins with LF", "\r\n", 1, 99, NULL },
    { "LF, then a line", "\nab\r\n", 0, 99, "\nab" },
    { "no line end", "abc", 0, 99, NULL },
    { "CR alone at the end", "abc\r", 0, 99, NULL },
    { "limit in front of CRLF", "abc\r\n", 0, 3, NULL },
    { "limit between CR and LF", "abc\r\n", 0, 4, NULL },
    { "limit right behind", "abc\r\n", 0, 5, "abc" },
    { "at the limit", "abc\r\n", 5, 5, NULL },
    { "behind the limit", "abc\r\ndef\r\n", 7, 5, NULL },
    { "behind the file", "abc\r\n", 50, 99, NULL },
    { "empty file", "", 0, 99, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      int fd = file_of (rows[i].text, strlen (rows[i].text));
      const gchar *line;
      g_autofree gchar *text = NULL;
      HfWindow window;
      gsize size;

      start (&window, fd, rows[i].limit);
      window.position = rows[i].position;
      tap_check (rows[i].name, hf_window_line (&window, &line, &size, NULL));
      text = line != NULL ? g_strndup (line, size) : NULL;
      tap_check_str (rows[i].name, text, rows[i].want);
      tap_check_int (rows[i].name, window.position, rows[i].position);
      finish (&window, fd);
    }
}

/* Lines that end around each size at which the search looks further. */
static void
test_long_lines (void)
{
  static const gsize edges[] = { 1024, 4096, 16384, 65536, 262144, HF_WINDOW_SIZE, 1048576, HF_LINE_LIMIT };

  for (guint i = 0; i < G_N_ELEMENTS (edges); i++)
    for (gint off = -3; off <= 1; off++)
      {
        const gsize length = edges[i] + (gsize) off;
        g_autofree gchar *row = g_strdup_printf ("%" G_GSIZE_FORMAT " octets", length);
        g_autoptr (GString) text = g_string_sized_new (length + 8);
        const gboolean fits = length + 2 <= HF_LINE_LIMIT;
        const gchar *line;
        HfWindow window;
        gsize size = 0;
        int fd;

        g_string_set_size (text, length);
        memset (text->str, 'x', length);
        g_string_append (text, "\r\nnext\r\n");
        fd = file_of (text->str, text->len);
        start (&window, fd, text->len);
        tap_check (row, hf_window_line (&window, &line, &size, NULL));
        tap_check_int (row, line != NULL, fits);
        if (fits)
          {
            tap_check_int (row, size, length);
            window.position = length + 2;
            tap_check (row, hf_window_line (&window, &line, &size, NULL));
            tap_check (row, line != NULL && size == 4 && memcmp (line, "next", 4) == 0);
          }
        finish (&window, fd);
      }
}

/* What need gives is what the file holds, wherever the position jumps to. */
static void
test_jumps (void)
{
  const gsize size = 3 * HF_WINDOW_SIZE + 1234;
  g_autofree guint8 *octets = g_malloc (size);
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  HfWindow window;
  int fd;

  for (gsize i = 0; i < size; i++)
    octets[i] = (guint8) (i * 2654435761u >> 24);
  fd = file_of ((const gchar *) octets, size);
  start (&window, fd, size - 100);
  for (guint i = 0; i < 500; i++)
    {
      const gsize wanted = (gsize) g_rand_int_range (random, 0, i % 10 == 0 ? HF_WINDOW_SIZE * 2 : 5000);
      const guint8 *data;
      gsize got, there;

      window.position = (guint64) g_rand_int_range (random, 0, (gint32) size + 2000);
      there = window.position < size - 100 ? (gsize) (size - 100 - window.position) : 0;
      tap_check ("need", hf_window_need (&window, wanted, &data, &got, NULL));
      if (got != MIN (wanted, there) || memcmp (data, octets + MIN (window.position, size), got) != 0)
        tap_check_int ("other octets", (gint64) window.position, -1);
    }
  finish (&window, fd);
}

static void
test_need (void)
{
  int fd = file_of ("0123456789", 10);
  g_autoptr (GError) error = NULL;
  const guint8 *data;
  HfWindow window;
  gsize size;

  start (&window, fd, 99);
  tap_check ("file shorter than limit", hf_window_need (&window, 50, &data, &size, NULL));
  tap_check_int ("file shorter than limit", size, 10);
  tap_check ("nothing", hf_window_need (&window, 0, &data, &size, NULL));
  tap_check_int ("nothing", size, 0);
  tap_check ("too much", !hf_window_need (&window, HF_LINE_LIMIT + 1, &data, &size, &error));
  tap_check ("too much", g_error_matches (error, HF_ERROR, HF_ERROR_FULL));
  asked_limit = 6;
  hf_window_reset (&window, fd, 4, 6);
  tap_check ("another range", hf_window_need (&window, 50, &data, &size, NULL));
  tap_check ("another range", size == 2 && memcmp (data, "45", 2) == 0);
  finish (&window, fd);
}

/* The writer reads back through a window that it uses again and again: nothing
 * of an earlier range may be taken for what the disk says now. */
static void
test_reset_forgets (void)
{
  int fd = file_of ("old octets", 10);
  const guint8 *data;
  HfWindow window;
  gsize size;

  start (&window, fd, 10);
  tap_check ("old", hf_window_need (&window, 10, &data, &size, NULL));
  tap_check_int ("overwritten", pwrite (fd, "new octets", 10, 0), 10);
  hf_window_reset (&window, fd, 0, 10);
  tap_check ("new", hf_window_need (&window, 10, &data, &size, NULL));
  tap_check ("new", size == 10 && memcmp (data, "new octets", 10) == 0);
  finish (&window, fd);
}

static void
test_errors (void)
{
  int fd = file_of ("abc\r\n", 5);
  g_autoptr (GError) error = NULL;
  const gchar *line;
  HfWindow window;
  gsize size;

  start (&window, fd, 5);
  faults_fail (FAULT_PREAD, NULL, 1, EIO);
  tap_check ("EIO", !hf_window_line (&window, &line, &size, &error));
  tap_check ("EIO", g_error_matches (error, HF_ERROR, HF_ERROR_IO));
  tap_check_int ("EIO", hf_error_errno (error), EIO);
  tap_check_str ("EIO", hf_error_step (error), "journal-read");
  tap_check ("and again", hf_window_line (&window, &line, &size, NULL));
  tap_check ("and again", line != NULL && size == 3);
  faults_reset ();
  finish (&window, fd);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "lines", test_lines },
    { "long-lines", test_long_lines },
    { "jumps", test_jumps },
    { "need", test_need },
    { "reset-forgets", test_reset_forgets },
    { "errors", test_errors },
    { NULL, NULL },
  };

  faults_install ();
  next_pread = hf_sys.pread;
  hf_sys.pread = watched_pread;
  return tap_run ("window", tests, argc, argv);
}
