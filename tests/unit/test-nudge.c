/* test-nudge.c - the filter connects to itself now and then, and hangs up */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/filter/nudge.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

static gint64 now_ms;

static int
test_clock (clockid_t clock, struct timespec *out_time)
{
  *out_time = (struct timespec){ now_ms / 1000, now_ms % 1000 * 1000000 };
  return 0;
}

/* ---- somebody who listens ---- */

typedef struct
{
  gchar *spool;
  gchar *text; /* milter.socket */
  int fd;
} Listener;

static void
listener_init (Listener *self, gint family, gint backlog)
{
  struct sockaddr_un path = { .sun_family = AF_UNIX };
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;

  self->spool = kit_spool_new ();
  self->fd = socket (family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (family == AF_UNIX)
    {
      g_snprintf (path.sun_path, sizeof path.sun_path, "%s/milter.sock", self->spool);
      self->text = g_strdup_printf ("unix:%s", path.sun_path);
      g_assert_true (bind (self->fd, (const struct sockaddr *) &path, sizeof path) == 0);
    }
  else
    {
      g_assert_true (bind (self->fd, (const struct sockaddr *) &address, sizeof address) == 0);
      g_assert_true (getsockname (self->fd, (struct sockaddr *) &address, &size) == 0);
      self->text = g_strdup_printf ("inet:%u@127.0.0.1", ntohs (address.sin_port));
    }
  g_assert_true (listen (self->fd, backlog) == 0);
}

static void
listener_clear (Listener *self)
{
  hf_sys_close (&self->fd);
  g_free (self->text);
  kit_spool_free (self->spool);
}

/* Connections that are there, each of which says nothing and ends. */
static guint
count_connections (const Listener *self)
{
  struct pollfd wait = { .fd = self->fd, .events = POLLIN };
  guint count = 0;
  gchar octet;

  while (poll (&wait, 1, 200) == 1)
    {
      int fd = accept (self->fd, NULL, NULL);

      g_assert_true (fd >= 0);
      tap_check_int ("ends without a word", recv (fd, &octet, 1, 0), 0);
      close (fd);
      count++;
    }
  return count;
}

static guint
nudge (HfNudge *self, guint times)
{
  guint done = 0;

  for (guint i = 0; i < times; i++)
    done += hf_nudge (self);
  return done;
}

static void
test_how_often (void)
{
  static const gint families[] = { AF_UNIX, AF_INET };

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      Listener listener;
      HfNudge self;

      now_ms = 1000000;
      listener_init (&listener, families[i], 10);
      hf_nudge_init (&self, listener.text);
      tap_check_int ("few messages", nudge (&self, HF_NUDGE_MESSAGES - 1), 0);
      tap_check_int ("none yet", count_connections (&listener), 0);
      tap_check_int ("enough messages", nudge (&self, 1), 1);
      tap_check_int ("one", count_connections (&listener), 1);
      tap_check_int ("too soon", nudge (&self, 10 * HF_NUDGE_MESSAGES), 0);
      now_ms += HF_NUDGE_MS;
      tap_check_int ("later", nudge (&self, 1), 1);
      now_ms += HF_NUDGE_MS;
      tap_check_int ("later, few messages", nudge (&self, HF_NUDGE_MESSAGES / 2), 0);
      tap_check_int ("one more", count_connections (&listener), 1);
      listener_clear (&listener);
    }
}

/* A queue of connections that is full, or a socket that is gone, holds nobody up. */
static void
test_never_waits (void)
{
  Listener listener;
  HfNudge self;

  now_ms = 1000000;
  listener_init (&listener, AF_UNIX, 1);
  hf_nudge_init (&self, listener.text);
  for (guint i = 0; i < 10; i++, now_ms += HF_NUDGE_MS)
    tap_check_int ("full", nudge (&self, HF_NUDGE_MESSAGES), 1);
  hf_sys_close (&listener.fd);
  tap_check_int ("nobody listens", nudge (&self, HF_NUDGE_MESSAGES), 1);
  now_ms += HF_NUDGE_MS;
  g_assert_true (unlink (strchr (listener.text, '/')) == 0);
  tap_check_int ("gone", nudge (&self, HF_NUDGE_MESSAGES), 1);
  listener_clear (&listener);
}

static void
test_not_understood (void)
{
  HfNudge self;

  now_ms = 1000000;
  hf_nudge_init (&self, "milter.sock");
  tap_check_int ("never", nudge (&self, 10 * HF_NUDGE_MESSAGES), 0);
}

static gpointer
nudge_often (gpointer data)
{
  return GUINT_TO_POINTER (nudge (data, 1000));
}

/* Of many threads one does it. */
static void
test_one_of_many (void)
{
  GThread *threads[8];
  Listener listener;
  HfNudge self;
  guint done = 0;

  now_ms = 1000000;
  listener_init (&listener, AF_UNIX, 10);
  hf_nudge_init (&self, listener.text);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("nudge", nudge_often, &self);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    done += GPOINTER_TO_UINT (g_thread_join (threads[i]));
  tap_check_int ("one", done, 1);
  tap_check_int ("one connection", count_connections (&listener), 1);
  listener_clear (&listener);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "how-often", test_how_often },
    { "never-waits", test_never_waits },
    { "not-understood", test_not_understood },
    { "one-of-many", test_one_of_many },
    { NULL, NULL },
  };

  hf_sys.clock_gettime = test_clock;
  return tap_run ("nudge", tests, argc, argv);
}
