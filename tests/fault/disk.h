/* disk.h - what a disk may hold after the power went
 *
 * A recording is cut at any operation.  What was synced before is there; of
 * the rest each page of a file may be there, be missing, be an older version,
 * be torn at any octet, or be NULs or noise, synced octets of the same page
 * included; a file's size may be any it had since its last sync; and names in
 * directories go by themselves, each at any state since the directory's last
 * sync, or all in the order of a file system's own journal.
 */
#pragma once

#include "tests/fault/recorder.h"

G_BEGIN_DECLS

typedef enum
{
  FT_PAGES_KEPT,
  FT_PAGES_LOST,
  FT_PAGES_HEAD,   /* torn: new octets, then old ones */
  FT_PAGES_TAIL,   /* torn: old octets, then new ones */
  FT_PAGES_NULS,
  FT_PAGES_NOISE,
  FT_PAGES_RANDOM, /* each page one of these, or an older version */
} FtPages;

typedef enum
{
  FT_KEPT,
  FT_LOST,
  FT_RANDOM,
  FT_ORDERED, /* names only: all up to one of them, in their order */
} FtRest;

/* One way of losing. */
typedef struct
{
  const gchar *name;
  FtPages pages;
  FtRest sizes;
  FtRest entries;
} FtLoss;

/* The corners, and the random ways behind them; ended by a NULL name. */
extern const FtLoss ft_losses[];

typedef struct FtDisk FtDisk;

/**
 * ft_disk_new:
 * @recording: borrowed
 * @upto: how many of its operations were done when the power went
 * @page_size: what a disk writes in one piece; 4096
 */
FtDisk *ft_disk_new (const FtRecording *recording, guint upto, gsize page_size);
void ft_disk_free (FtDisk *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FtDisk, ft_disk_free)

/* TRUE when nothing is unsynced: all ways of losing come to the same. */
gboolean ft_disk_is_settled (const FtDisk *self);

/**
 * ft_disk_write:
 * @random: makes the choices
 * @directory: the state goes there; must not exist
 * @checksum: (nullable): is fed with all of the state
 */
void ft_disk_write (const FtDisk *self, const FtLoss *loss, GRand *random, const gchar *directory, GChecksum *checksum);

G_END_DECLS
