/* test-stage-pool.c - a stage's file goes on to the next message, and no octet of the last with it */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/filter/stage.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static int
some_fd (void)
{
  return hf_sys.open ("/dev/null", O_RDONLY | O_CLOEXEC, 0);
}

static gboolean
is_open (int fd)
{
  return fcntl (fd, F_GETFD) >= 0;
}

static void
close_unused (HfStagePool *pool)
{
  int fds[HF_STAGE_POOL_MOST];
  const guint n = hf_stage_pool_take_unused (pool, fds);

  for (guint i = 0; i < n; i++)
    hf_sys_close (&fds[i]);
}

static void
test_give_and_take (void)
{
  HfStagePool pool;
  int fds[2] = { some_fd (), some_fd () };
  int given[2] = { fds[0], fds[1] };

  hf_stage_pool_init (&pool);
  tap_check_int ("empty", hf_stage_pool_take (&pool), -1);
  hf_stage_pool_give (&pool, &given[0]);
  hf_stage_pool_give (&pool, &given[1]);
  tap_check ("given away", given[0] == -1 && given[1] == -1);
  tap_check_int ("the last first", hf_stage_pool_take (&pool), fds[1]);
  tap_check_int ("then the other", hf_stage_pool_take (&pool), fds[0]);
  tap_check_int ("empty again", hf_stage_pool_take (&pool), -1);
  hf_sys_close (&fds[0]);
  hf_sys_close (&fds[1]);
}

static void
test_full (void)
{
  HfStagePool pool;
  int fds[HF_STAGE_POOL_MOST + 1];
  gboolean all = TRUE;

  hf_stage_pool_init (&pool);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      int given = fds[i] = some_fd ();

      hf_stage_pool_give (&pool, &given);
    }
  for (guint i = 0; i < HF_STAGE_POOL_MOST; i++)
    all = all && is_open (fds[i]);
  tap_check ("as many as it holds", all);
  tap_check ("one more is closed", !is_open (fds[HF_STAGE_POOL_MOST]));
  close_unused (&pool);
  close_unused (&pool);
  for (guint i = 0; i < HF_STAGE_POOL_MOST; i++)
    all = all && !is_open (fds[i]);
  tap_check ("all closed", all);
}

/* What lay unused from one look to the next goes; what was in use stays. */
static void
test_unused (void)
{
  HfStagePool pool;
  int fds[3] = { some_fd (), some_fd (), some_fd () };

  hf_stage_pool_init (&pool);
  for (guint i = 0; i < 3; i++)
    {
      int given = fds[i];

      hf_stage_pool_give (&pool, &given);
    }
  close_unused (&pool);
  tap_check ("given since the last look", is_open (fds[0]) && is_open (fds[1]) && is_open (fds[2]));

  int busy = hf_stage_pool_take (&pool);

  hf_stage_pool_give (&pool, &busy);
  close_unused (&pool);
  tap_check ("in use", is_open (fds[2]));
  tap_check ("not in use", !is_open (fds[0]) && !is_open (fds[1]));
  close_unused (&pool);
  tap_check ("idle", !is_open (fds[2]));
  tap_check_int ("nothing left", hf_stage_pool_take (&pool), -1);
}

/* Stages a message of @size octets @fill; returns what the reopened stream holds. */
static gchar *
stage_message (HfStage *stage, gchar fill, gsize size, gint64 *out_inode)
{
  g_autoptr (HfCommit) commit = hf_commit_new ();
  g_autofree gchar *text = g_strnfill (size, fill);
  gchar *back = g_malloc0 (size + 100);
  struct stat st = { 0 };

  if (!tap_check ("begin", hf_stage_begin (stage, NULL)) || !tap_check ("add", hf_stage_add_message (stage, text, size, NULL))
      || !tap_check ("finish", hf_stage_finish (stage, commit, NULL)))
    return back;
  tap_check ("length", hf_sys.fstat (commit->fd, &st) == 0 && st.st_size == (off_t) size + 2);
  tap_check ("read", hf_sys_pread_all (commit->fd, back, size + 99, 0) == (ssize_t) size + 2);
  *out_inode = (gint64) st.st_ino;
  hf_stage_area_keep (stage->area, commit);
  return back;
}

static void
test_reuse (void)
{
  g_autofree gchar *spool = g_dir_make_tmp ("holdfast-pool-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (spool, HF_STAGE_DIRECTORY, NULL);
  HfStageArea area = { 0 };
  gint64 first = 0, second = 0, large = 0, after_large = 0;
  HfStage stage;

  g_mkdir (path, 0700);
  if (tap_check ("area", hf_stage_area_open (&area, spool, NULL)) && !area.named)
    {
      hf_stage_init (&stage, &area);

      g_autofree gchar *long_one = stage_message (&stage, 'a', 30000, &first);
      g_autofree gchar *short_one = stage_message (&stage, 'b', 10, &second);

      tap_check ("the same file", first != 0 && second == first);
      tap_check_str ("nothing of the last message", short_one, "bbbbbbbbbb\r\n");
      g_free (stage_message (&stage, 'c', HF_STAGE_POOL_LARGEST + 1, &large));
      tap_check_int ("a large file is not kept", hf_stage_pool_take (&area.pool), -1);
      g_free (stage_message (&stage, 'd', 10, &after_large));
      close_unused (&area.pool);
      close_unused (&area.pool);
      hf_stage_clear (&stage);
    }
  hf_stage_area_clear (&area);
  g_rmdir (path);
  g_rmdir (spool);
}

static const TapTest tests[] = {
  { "give and take", test_give_and_take },
  { "full", test_full },
  { "unused", test_unused },
  { "reuse", test_reuse },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("stage-pool", tests, argc, argv);
}
