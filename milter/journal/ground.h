/* ground.h - what the journal stands on: does writing ahead reserve room there?
 *
 * A segment written ahead has its blocks, and taking mail into it needs no new
 * ones: where the file system overwrites in place.  Where it copies on write,
 * the new octets go elsewhere, and the room that was written ahead is worth
 * nothing: it only looks as if it were.
 *
 * | found                                       | kind     | the journal                     |
 * | ext2-4, xfs, f2fs, jfs, tmpfs               | IN_PLACE | writes ahead                    |
 * | btrfs, or what else takes the flag          | NOCOW    | sets no-copy-on-write, likewise |
 * | zfs, bcachefs, nilfs, unknown, overlay, nfs | COPIES   | appends; the marks are doubled  |
 * | any on a thin or deduplicating volume       | COPIES   | likewise                        |
 * | a spare that shares octets with other files | COPIES   | likewise, from then on          |
 *
 * What can't be known: snapshots and clones made later (btrfs, LVM), devices
 * that compress or deduplicate by themselves, a loop device on such.  A group
 * that finds no room after all is tempfailed like any other.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

typedef enum
{
  HF_GROUND_IN_PLACE,
  HF_GROUND_NOCOW,
  HF_GROUND_COPIES,
} HfGroundKind;

typedef struct
{
  HfGroundKind kind;
  gchar name[32];     /* "ext4", "overlay", "thin volume", "type 0x1234" */
  gboolean is_memory; /* what is synced here is gone with the power all the same */
} HfGround;

/**
 * hf_ground_look:
 * @dir_fd: the journal's directory
 * @write_ahead: it is wanted; when not, btrfs is not asked to stop copying
 *
 * Where the file system is one that may copy, tries out on an unnamed file
 * whether it takes the flag.  What can't be found out counts as copying.
 */
void hf_ground_look (int dir_fd, gboolean write_ahead, HfGround *out_ground);

/* @device is a volume of a thin pool, or of a device that stores like octets
 * once (LVM thin, VDO), or lies on one.  @sysfs: "/sys", but for tests. */
gboolean hf_ground_is_thin (const gchar *sysfs, dev_t device);

G_END_DECLS
