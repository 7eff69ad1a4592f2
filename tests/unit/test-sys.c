/* test-sys.c - the loops over system calls lose no octet and no error
 *
 * The table is replaced by calls that do a little less than asked, as the
 * kernel may.
 */
#include <config.h>

#include "milter/base/sys.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT "0123456789abcdef"
#define TEXT_BYTES (sizeof TEXT - 1)

static gchar *directory;

/* How the replaced calls behave: at most @part octets a call, EINTR before
 * every one of them, and from call @fail_at on the errno, or 0 octets for 0. */
static struct
{
  size_t part;
  gboolean interrupted;
  guint calls;
  guint fail_at;
  int fail_errno;
} plan;

/* TRUE when the call goes through. */
static gboolean
go_on (ssize_t *out_result)
{
  plan.calls++;
  if (plan.fail_at != 0 && plan.calls >= plan.fail_at)
    {
      errno = plan.fail_errno;
      *out_result = plan.fail_errno != 0 ? -1 : 0;
      return FALSE;
    }
  if (plan.interrupted && plan.calls % 2 == 1)
    {
      errno = EINTR;
      *out_result = -1;
      return FALSE;
    }
  return TRUE;
}

static ssize_t
part_write (int fd, const void *data, size_t size)
{
  ssize_t result;

  return go_on (&result) ? write (fd, data, MIN (size, plan.part)) : result;
}

static ssize_t
part_pwrite (int fd, const void *data, size_t size, off_t offset)
{
  ssize_t result;

  return go_on (&result) ? pwrite (fd, data, MIN (size, plan.part), offset) : result;
}

static ssize_t
part_pread (int fd, void *data, size_t size, off_t offset)
{
  ssize_t result;

  return go_on (&result) ? pread (fd, data, MIN (size, plan.part), offset) : result;
}

static void
replace_calls (size_t part, gboolean interrupted, guint fail_at, int fail_errno)
{
  plan.part = part;
  plan.interrupted = interrupted;
  plan.calls = 0;
  plan.fail_at = fail_at;
  plan.fail_errno = fail_errno;
  hf_sys.write = part_write;
  hf_sys.pwrite = part_pwrite;
  hf_sys.pread = part_pread;
}

static gchar *
path_of (const gchar *name)
{
  return g_build_filename (directory, name, NULL);
}

static int
new_file (const gchar *name, gchar **out_path)
{
  *out_path = path_of (name);
  return hf_sys.open (*out_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void
test_write (void)
{
  static const struct
  {
    const gchar *name;
    size_t part;
    gboolean interrupted;
    guint fail_at;
    int fail_errno;
    int want;
    int want_errno;
    const gchar *want_text;
  } rows[] = {
    { "at once", 64, FALSE, 0, 0, 0, 0, TEXT },
    { "octet by octet", 1, FALSE, 0, 0, 0, 0, TEXT },
    { "in uneven parts", 5, FALSE, 0, 0, 0, 0, TEXT },
    { "interrupted", 5, TRUE, 0, 0, 0, 0, TEXT },
    { "no room at once", 5, FALSE, 1, ENOSPC, -1, ENOSPC, "" },
    { "no room in the middle", 5, FALSE, 3, ENOSPC, -1, ENOSPC, "0123456789" },
    { "broken in the middle", 5, FALSE, 2, EIO, -1, EIO, "01234" },
    { "nothing written and no error", 5, FALSE, 2, 0, -1, ENOSPC, "01234" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows) * 2; i++)
    {
      guint r = i / 2;
      gboolean at_offset = i % 2 == 1;
      g_autofree gchar *path = NULL;
      g_autofree gchar *text = NULL;
      int fd = new_file ("write", &path);
      int result, number;

      replace_calls (rows[r].part, rows[r].interrupted, rows[r].fail_at, rows[r].fail_errno);
      errno = 0;
      result = at_offset ? hf_sys_pwrite_all (fd, TEXT, TEXT_BYTES, 0)
                         : hf_sys_write_all (fd, TEXT, TEXT_BYTES);
      number = errno;
      hf_sys = hf_sys_real;
      hf_sys_close (&fd);
      tap_check_int (rows[r].name, result, rows[r].want);
      if (result < 0)
        tap_check_int (rows[r].name, number, rows[r].want_errno);
      tap_check (rows[r].name, g_file_get_contents (path, &text, NULL, NULL));
      tap_check_str (rows[r].name, text, rows[r].want_text);
    }
}

static void
test_pwrite_keeps_the_rest (void)
{
  g_autofree gchar *path = NULL;
  g_autofree gchar *text = NULL;
  int fd = new_file ("pwrite", &path);

  tap_check_int ("pwrite", hf_sys_write_all (fd, TEXT, TEXT_BYTES), 0);
  replace_calls (1, FALSE, 0, 0);
  tap_check_int ("pwrite", hf_sys_pwrite_all (fd, "XYZ", 3, 10), 0);
  hf_sys = hf_sys_real;
  hf_sys_close (&fd);
  tap_check ("pwrite", g_file_get_contents (path, &text, NULL, NULL));
  tap_check_str ("pwrite", text, "0123456789XYZdef");
}

static void
test_pread (void)
{
  static const struct
  {
    const gchar *name;
    size_t part;
    gboolean interrupted;
    guint fail_at;
    int fail_errno;
    size_t size;
    off_t offset;
    ssize_t want;
    const gchar *want_text;
  } rows[] = {
    { "at once", 64, FALSE, 0, 0, TEXT_BYTES, 0, TEXT_BYTES, TEXT },
    { "octet by octet", 1, FALSE, 0, 0, TEXT_BYTES, 0, TEXT_BYTES, TEXT },
    { "interrupted", 5, TRUE, 0, 0, TEXT_BYTES, 0, TEXT_BYTES, TEXT },
    { "from the middle", 5, FALSE, 0, 0, 4, 8, 4, "89ab" },
    { "up to the end of the file", 5, FALSE, 0, 0, 30, 12, 4, "cdef" },
    { "behind the end of the file", 5, FALSE, 0, 0, 30, 99, 0, "" },
    { "broken in the middle", 5, FALSE, 2, EIO, TEXT_BYTES, 0, -1, NULL },
  };
  g_autofree gchar *path = NULL;
  int fd = new_file ("pread", &path);

  tap_check_int ("prepare", hf_sys_write_all (fd, TEXT, TEXT_BYTES), 0);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gchar got[32] = "";
      ssize_t n;

      replace_calls (rows[i].part, rows[i].interrupted, rows[i].fail_at, rows[i].fail_errno);
      n = hf_sys_pread_all (fd, got, rows[i].size, rows[i].offset);
      hf_sys = hf_sys_real;
      tap_check_int (rows[i].name, n, rows[i].want);
      if (rows[i].want_text != NULL)
        tap_check_str (rows[i].name, got, rows[i].want_text);
    }
  hf_sys_close (&fd);
}

/* @result is that of the call just made: nothing has touched errno since. */
static void
check_fails (const gchar *row, int result, int want_errno)
{
  int number = errno;

  tap_check_int (row, result, -1);
  tap_check_int (row, number, want_errno);
}

static void
test_close (void)
{
  g_autofree gchar *path = NULL;
  int fd = new_file ("close", &path);
  int number = fd;

  hf_sys_close (&fd);
  tap_check_int ("forgotten", fd, -1);
  check_fails ("closed", fcntl (number, F_GETFD), EBADF);
  hf_sys_close (&fd);
  tap_check_int ("twice", fd, -1);
}

static void
test_rename_new (void)
{
  g_autofree gchar *old_path = NULL;
  g_autofree gchar *taken_path = NULL;
  g_autofree gchar *free_path = path_of ("free");
  int fd = new_file ("old", &old_path);
  int taken = new_file ("taken", &taken_path);

  check_fails ("name taken", hf_sys.rename_new (AT_FDCWD, old_path, AT_FDCWD, taken_path), EEXIST);
  tap_check_int ("both stay", hf_sys_same_file (fd, old_path), 1);
  tap_check_int ("both stay", hf_sys_same_file (taken, taken_path), 1);
  tap_check_int ("name free", hf_sys.rename_new (AT_FDCWD, old_path, AT_FDCWD, free_path), 0);
  tap_check_int ("moved", hf_sys_same_file (fd, free_path), 1);
  hf_sys_close (&fd);
  hf_sys_close (&taken);
}

static void
test_same_file (void)
{
  g_autofree gchar *path = NULL;
  g_autofree gchar *other_path = NULL;
  g_autofree gchar *absent_path = path_of ("absent");
  int fd = new_file ("same", &path);
  int other = new_file ("other", &other_path);

  tap_check_int ("its own path", hf_sys_same_file (fd, path), 1);
  tap_check_int ("another file", hf_sys_same_file (fd, other_path), 0);
  check_fails ("no file", hf_sys_same_file (fd, absent_path), ENOENT);
  tap_check_int ("removed and made anew", unlink (path), 0);
  hf_sys_close (&other);
  other = hf_sys.open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  tap_check_int ("removed and made anew", hf_sys_same_file (fd, path), 0);
  hf_sys_close (&fd);
  hf_sys_close (&other);
}

/* What is said of a file, by descriptor and by path, but for its times. */
static void
test_look (void)
{
  g_autofree gchar *path = NULL;
  g_autofree gchar *absent_path = path_of ("absent");
  int fd = new_file ("looked-at", &path);
  struct stat usual, st;

  g_assert_true (hf_sys_write_all (fd, "12345", 5) == 0 && fstat (fd, &usual) == 0);
  for (guint i = 0; i < 2; i++)
    {
      tap_check_int ("looked", hf_sys.look (i == 0 ? fd : -1, i == 0 ? NULL : path, &st), 0);
      tap_check ("device", st.st_dev == usual.st_dev);
      tap_check_int ("inode", st.st_ino, usual.st_ino);
      tap_check_int ("mode", st.st_mode, usual.st_mode);
      tap_check_int ("owner", st.st_uid, usual.st_uid);
      tap_check_int ("size", st.st_size, 5);
      tap_check_int ("no time", st.st_mtim.tv_sec, 0);
    }
  check_fails ("no file", hf_sys.look (-1, absent_path, &st), ENOENT);
  check_fails ("no descriptor", hf_sys.look (-1, NULL, &st), EBADF);
  hf_sys_close (&fd);
}

/* Locks belong to the open file description, so two opens of one process
 * exclude each other, and closing a third descriptor releases nothing. */
static void
test_lock (void)
{
  g_autofree gchar *path = NULL;
  int holder = new_file ("lock", &path);
  int other = hf_sys.open (path, O_RDWR | O_CLOEXEC, 0);
  int passer_by = hf_sys.open (path, O_RDWR | O_CLOEXEC, 0);

  tap_check_int ("free", hf_sys.lock_is_held (other), 0);
  tap_check_int ("taken", hf_sys.lock (holder, TRUE), 0);
  tap_check_int ("seen", hf_sys.lock_is_held (other), 1);
  tap_check_int ("not one's own", hf_sys.lock_is_held (holder), 0);
  check_fails ("refused", hf_sys.lock (other, TRUE), EAGAIN);
  hf_sys_close (&passer_by);
  tap_check_int ("held after another close", hf_sys.lock_is_held (other), 1);
  hf_sys_close (&holder);
  tap_check_int ("free again", hf_sys.lock_is_held (other), 0);
  tap_check_int ("shared", hf_sys.lock (other, FALSE), 0);
  holder = hf_sys.open (path, O_RDWR | O_CLOEXEC, 0);
  tap_check_int ("shared by two", hf_sys.lock (holder, FALSE), 0);
  check_fails ("not exclusively", hf_sys.lock (holder, TRUE), EAGAIN);
  hf_sys_close (&holder);
  hf_sys_close (&other);
}

static void
test_kernel_knows (void)
{
  int proc = open ("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  guint64 type = 0;

  tap_check_int ("kind of /proc", hf_sys.fs_type (proc, &type), 0);
  tap_check_int ("kind of /proc", type, 0x9fa0);
  check_fails ("no descriptor", hf_sys.fs_type (-1, &type), EBADF);
  tap_check_int ("flag on a device", hf_sys.no_copy_on_write (null), -1);
  tap_check_int ("extents of a device", hf_sys.is_shared (null), -1);
  check_fails ("written out, of nothing", hf_sys.write_out (-1, 0, 4096), EBADF);
  tap_check_int ("counted later, of /proc", hf_sys.unseen ("/proc", &type), -1);
  check_fails ("counted later, of nothing", hf_sys.unseen ("/nonexistent", &type), ENOENT);
  hf_sys_close (&proc);
  hf_sys_close (&null);
}

static void
test_descriptors (void)
{
  guint64 before = 0, after = 0, limit = 0;
  struct rlimit own, less;
  int fds[5];

  tap_check_int ("before", hf_sys.descriptors (&before, &limit), 0);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    fds[i] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  tap_check_int ("after", hf_sys.descriptors (&after, &limit), 0);
  tap_check_int ("as many as were opened", after - before, G_N_ELEMENTS (fds));
  getrlimit (RLIMIT_NOFILE, &own);
  tap_check_int ("limit", limit, own.rlim_cur);
  less = own;
  less.rlim_cur = after;
  setrlimit (RLIMIT_NOFILE, &less);
  tap_check_int ("none left", hf_sys.descriptors (&after, &limit), 0);
  tap_check ("none left", after >= limit);
  setrlimit (RLIMIT_NOFILE, &own);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    hf_sys_close (&fds[i]);
}

static void
test_random (void)
{
  guint8 one[64] = { 0 }, other[64] = { 0 };

  hf_sys_random (one, sizeof one);
  hf_sys_random (other, sizeof other);
  tap_check ("differ", memcmp (one, other, sizeof one) != 0);
  tap_check ("filled to the end", memcmp (one + 32, other + 32, 32) != 0);
}

static void
test_clocks (void)
{
  gint64 monotonic_ms = hf_sys_monotonic_ms ();
  gint64 wall_ms = hf_sys_wall_ms ();

  tap_check ("monotonic", hf_sys_monotonic_ms () >= monotonic_ms);
  tap_check ("wall is of this century", wall_ms > G_GINT64_CONSTANT (1600000000000));
  tap_check ("wall is in milliseconds", ABS (wall_ms - g_get_real_time () / 1000) < 60000);
}

static int
fixed_clock (clockid_t clock, struct timespec *out_time)
{
  *out_time = (struct timespec){ .tv_sec = clock == CLOCK_REALTIME ? 1795378685 : 77, .tv_nsec = 123999999 };
  return 0;
}

static void
test_other_clocks (void)
{
  hf_sys.clock_gettime = fixed_clock;
  tap_check_int ("wall", hf_sys_wall_ms (), G_GINT64_CONSTANT (1795378685123));
  tap_check_int ("monotonic", hf_sys_monotonic_ms (), 77123);
  hf_sys = hf_sys_real;
}

/* Whether it was dropped is the kernel's; that nothing is lost is ours. */
static void
test_forget (void)
{
  g_autofree gchar *path = path_of ("forget");
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  gchar text[4] = "";

  tap_check_int ("write", hf_sys_write_all (fd, "text", 4), 0);
  tap_check_int ("not synced", hf_sys.forget (fd, 0, 0), 0);
  tap_check_int ("read", hf_sys_pread_all (fd, text, 4, 0), 4);
  tap_check ("kept", memcmp (text, "text", 4) == 0);
  close (fd);
  errno = 0;
  tap_check_int ("no file", hf_sys.forget (-1, 0, 0), -1);
  tap_check_int ("why", errno, EBADF);
}

/* Asked of the C library, and not of a thread: the sanitizers give theirs as
 * much as they themselves want. */
static gsize
stack_to_come (void)
{
  pthread_attr_t attr;
  gsize size;

  g_assert_cmpint (pthread_getattr_default_np (&attr), ==, 0);
  g_assert_cmpint (pthread_attr_getstacksize (&attr, &size), ==, 0);
  pthread_attr_destroy (&attr);
  return size;
}

static void
test_thread_stack (void)
{
  const gsize usual = stack_to_come ();

  g_assert_cmpint (hf_sys_set_thread_stack (1), ==, EINVAL);
  g_assert_cmpuint (stack_to_come (), ==, usual);
  g_assert_cmpint (hf_sys_set_thread_stack ((gsize) 1 << 50), !=, 0); /* more than there are addresses: no thread */
  g_assert_cmpuint (stack_to_come (), ==, usual);
  g_assert_cmpint (hf_sys_set_thread_stack (usual / 2), ==, 0);
  g_assert_cmpuint (stack_to_come (), ==, usual / 2);
  g_assert_cmpint (hf_sys_set_thread_stack (usual), ==, 0);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "write", test_write },
    { "pwrite-keeps-the-rest", test_pwrite_keeps_the_rest },
    { "pread", test_pread },
    { "close", test_close },
    { "rename-new", test_rename_new },
    { "same-file", test_same_file },
    { "look", test_look },
    { "lock", test_lock },
    { "kernel-knows", test_kernel_knows },
    { "descriptors", test_descriptors },
    { "random", test_random },
    { "thread-stack", test_thread_stack },
    { "clocks", test_clocks },
    { "other-clocks", test_other_clocks },
    { "forget", test_forget },
    { NULL, NULL },
  };
  static const gchar *const files[] = { "write", "pwrite", "pread", "close", "old",  "taken",
                                        "free",  "same",   "other", "lock",   "forget", "looked-at" };
  int status;

  directory = g_dir_make_tmp ("holdfast-test-sys-XXXXXX", NULL);
  g_assert_nonnull (directory);
  status = tap_run ("sys", tests, argc, argv);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree gchar *path = path_of (files[i]);

      unlink (path);
    }
  if (rmdir (directory) < 0)
    status = 1;
  g_free (directory);
  return status;
}
