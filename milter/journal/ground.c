/* ground.c - what the journal stands on: does writing ahead reserve room there?; see ground.h */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/journal/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

/* The numbers are the kernel's, <linux/magic.h>, and of file systems outside
 * of it: ZFS (zfs_ctldir.h), bcachefs (bcachefs_format.h). */
static const struct
{
  guint64 type;
  const gchar *name;
  gboolean in_place;
  gboolean is_memory;
} known[] = {
  { 0x0000ef53, "ext4", TRUE },      { 0x58465342, "xfs", TRUE },   { 0x01021994, "tmpfs", TRUE, TRUE },
  { 0x858458f6, "ramfs", TRUE, TRUE }, { 0xf2f52010, "f2fs", TRUE },  { 0x3153464a, "jfs", TRUE },
  { 0x52654973, "reiserfs", TRUE },  { 0x9123683e, "btrfs", FALSE }, { 0x2fc12fc1, "zfs", FALSE },
  { 0xca451a4e, "bcachefs", FALSE }, { 0x00003434, "nilfs", FALSE }, { 0x794c7630, "overlay", FALSE },
  { 0x00006969, "nfs", FALSE },      { 0x65735546, "fuse", FALSE },
};

/* How far devices are followed down to what they lie on. */
#define DEEPEST 8

/* dm-thin's pool as LVM and Stratis name it; the VDO pool of LVM, and VDO alone. */
static gboolean
is_pool (const gchar *uuid)
{
  return g_str_has_suffix (uuid, "-tpool") || g_str_has_suffix (uuid, "-vpool") || g_str_has_prefix (uuid, "VDO-")
         || strstr (uuid, "thinpool") != NULL || strstr (uuid, "thin-pool") != NULL;
}

static gboolean
lies_on_pool (const gchar *device, guint depth)
{
  g_autofree gchar *path = g_build_filename (device, "slaves", NULL);
  g_autoptr (GDir) dir = depth < DEEPEST ? g_dir_open (path, 0, NULL) : NULL;
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *below = g_build_filename (path, name, NULL);
      g_autofree gchar *file = g_build_filename (below, "dm", "uuid", NULL);
      g_autofree gchar *uuid = NULL;

      if (g_file_get_contents (file, &uuid, NULL, NULL) && is_pool (g_strchomp (uuid)))
        return TRUE;
      if (lies_on_pool (below, depth + 1))
        return TRUE;
    }
  return FALSE;
}

gboolean
hf_ground_is_thin (const gchar *sysfs, dev_t device)
{
  g_autofree gchar *path = g_strdup_printf ("%s/dev/block/%u:%u", sysfs, major (device), minor (device));

  return lies_on_pool (path, 0);
}

/* The flag has to be set while a file is empty, and may be taken without effect,
 * so it is tried out on a file that nobody misses. */
static gboolean
takes_flag (int dir_fd)
{
  int fd = hf_sys.openat (dir_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
  const gboolean takes = fd >= 0 && hf_sys.no_copy_on_write (fd) == 0;

  hf_sys_close (&fd);
  return takes;
}

static gboolean
is_in_place (guint64 type, HfGround *ground)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].type == type)
      {
        g_strlcpy (ground->name, known[i].name, sizeof ground->name);
        ground->is_memory = known[i].is_memory;
        return known[i].in_place;
      }
  g_snprintf (ground->name, sizeof ground->name, "type 0x%" G_GINT64_MODIFIER "x", type);
  return FALSE;
}

void
hf_ground_look (int dir_fd, gboolean write_ahead, HfGround *out_ground)
{
  struct stat st;
  guint64 type;

  out_ground->kind = HF_GROUND_COPIES;
  out_ground->is_memory = FALSE;
  if (hf_sys.fs_type (dir_fd, &type) < 0)
    g_strlcpy (out_ground->name, "unknown", sizeof out_ground->name);
  else if (!is_in_place (type, out_ground))
    out_ground->kind = write_ahead && takes_flag (dir_fd) ? HF_GROUND_NOCOW : HF_GROUND_COPIES;
  else if (hf_sys.fstat (dir_fd, &st) == 0 && hf_ground_is_thin ("/sys", st.st_dev))
    g_strlcpy (out_ground->name, "thin volume", sizeof out_ground->name);
  else
    out_ground->kind = HF_GROUND_IN_PLACE;
}
