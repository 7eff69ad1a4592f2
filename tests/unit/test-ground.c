/* test-ground.c - writing ahead is trusted only where overwriting takes no new room */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/journal/ground.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What the replaced calls answer. */
static struct
{
  guint64 type;
  int type_errno;
  int flag_errno;
  guint asked;
} plan;

static int
planned_type (int fd, guint64 *out_type)
{
  errno = plan.type_errno;
  *out_type = plan.type;
  return plan.type_errno != 0 ? -1 : 0;
}

static int
planned_flag (int fd)
{
  plan.asked++;
  errno = plan.flag_errno;
  return plan.flag_errno != 0 ? -1 : 0;
}

static void
test_kinds (void)
{
  static const struct
  {
    const gchar *name;
    guint64 type;
    int type_errno;
    int flag_errno;
    gboolean write_ahead;
    HfGroundKind want;
    const gchar *want_name;
    guint want_asked;
  } rows[] = {
    { "ext4", 0xef53, 0, 0, TRUE, HF_GROUND_IN_PLACE, "ext4", 0 },
    { "xfs", 0x58465342, 0, 0, TRUE, HF_GROUND_IN_PLACE, "xfs", 0 },
    { "f2fs, which takes the flag for something else", 0xf2f52010, 0, 0, TRUE, HF_GROUND_IN_PLACE, "f2fs", 0 },
    { "tmpfs", 0x01021994, 0, EOPNOTSUPP, TRUE, HF_GROUND_IN_PLACE, "tmpfs", 0 },
    { "btrfs", 0x9123683e, 0, 0, TRUE, HF_GROUND_NOCOW, "btrfs", 1 },
    { "btrfs that does not listen", 0x9123683e, 0, EOPNOTSUPP, TRUE, HF_GROUND_COPIES, "btrfs", 1 },
    { "btrfs, writing ahead not wanted", 0x9123683e, 0, 0, FALSE, HF_GROUND_COPIES, "btrfs", 0 },
    { "zfs", 0x2fc12fc1, 0, ENOTTY, TRUE, HF_GROUND_COPIES, "zfs", 1 },
    { "bcachefs", 0xca451a4e, 0, EOPNOTSUPP, TRUE, HF_GROUND_COPIES, "bcachefs", 1 },
    { "overlay on btrfs", 0x794c7630, 0, 0, TRUE, HF_GROUND_NOCOW, "overlay", 1 },
    { "overlay on who knows", 0x794c7630, 0, EOPNOTSUPP, TRUE, HF_GROUND_COPIES, "overlay", 1 },
    { "a stranger", 0x4711, 0, ENOTTY, TRUE, HF_GROUND_COPIES, "type 0x4711", 1 },
    { "can't be asked", 0xef53, EIO, 0, TRUE, HF_GROUND_COPIES, "unknown", 0 },
  };
  int fd = open (g_get_tmp_dir (), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  hf_sys.fs_type = planned_type;
  hf_sys.no_copy_on_write = planned_flag;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfGround ground;

      plan.type = rows[i].type;
      plan.type_errno = rows[i].type_errno;
      plan.flag_errno = rows[i].flag_errno;
      plan.asked = 0;
      hf_ground_look (fd, rows[i].write_ahead, &ground);
      tap_check_int (rows[i].name, ground.kind, rows[i].want);
      tap_check_str (rows[i].name, ground.name, rows[i].want_name);
      tap_check_int (rows[i].name, plan.asked, rows[i].want_asked);
    }
  hf_sys = hf_sys_real;
  hf_sys_close (&fd);
}

/* ---- a sysfs of our own ---- */

/* "253:4 lies on dm-3", whose uuid is written beside it. */
static void
lay (const gchar *sysfs, const gchar *device, const gchar *below, const gchar *uuid)
{
  g_autofree gchar *dir = g_build_filename (sysfs, device, "slaves", below, "dm", NULL);
  g_autofree gchar *file = g_build_filename (dir, "uuid", NULL);

  g_assert_cmpint (g_mkdir_with_parents (dir, 0700), ==, 0);
  if (uuid != NULL)
    g_assert_true (g_file_set_contents (file, uuid, -1, NULL));
}

static void
test_thin (void)
{
  static const struct
  {
    const gchar *name;
    guint minor;
    const gchar *slaves; /* from the device down */
    const gchar *uuid;   /* of the lowest */
    gboolean want;
  } rows[] = {
    { "a disk", 0, NULL, NULL, FALSE },
    { "linear LVM on a disk", 1, "sda2", NULL, FALSE },
    { "LVM thin", 2, "dm-3", "LVM-kXkXkX-tpool\n", TRUE },
    { "encrypted, on LVM thin", 3, "dm-2/slaves/dm-3", "LVM-kXkXkX-tpool\n", TRUE },
    { "LVM with a cache", 4, "dm-5", "LVM-kXkXkX-corig\n", FALSE },
    { "LVM VDO", 5, "dm-6", "LVM-kXkXkX-vpool\n", TRUE },
    { "Stratis", 6, "dm-7", "stratis-1-private-00-flex-thinpool-pool\n", TRUE },
  };
  g_autoptr (KitSpool) sysfs = kit_spool_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *device = g_strdup_printf ("dev/block/253:%u", rows[i].minor);

      if (rows[i].slaves != NULL)
        lay (sysfs, device, rows[i].slaves, rows[i].uuid);
      tap_check_int (rows[i].name, hf_ground_is_thin (sysfs, makedev (253, rows[i].minor)), rows[i].want);
    }
  tap_check ("no such device", !hf_ground_is_thin (sysfs, makedev (4711, 1)));
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "kinds", test_kinds },
    { "thin", test_thin },
    { NULL, NULL },
  };

  return tap_run ("ground", tests, argc, argv);
}
