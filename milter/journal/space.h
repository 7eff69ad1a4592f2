/* space.h - how much room the spool has, and where its marks lie
 *
 * The filter turns mail away by these figures (filter/pressure.h), and the
 * auditor releases copies by the same ones (audit/trimming.h).
 */
#pragma once

#include "milter/base/values.h"
#include "milter/journal/ground.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 total;      /* octets of the file system */
  guint64 free;       /* of these, for whom is not root, and not given away yet */
  guint64 files;      /* inodes; 0 where the file system counts none */
  guint64 free_files;
  gboolean is_late;   /* what is written shows in free only later */
} HfSpace;

/* FALSE and errno: the spool can't be asked. */
gboolean hf_space_look (const gchar *spool, HfGroundKind ground, HfSpace *out_space);

/* Where the mark @share lies on a file system of @total: 0 for a mark that is
 * off, and never 0 by rounding.  Where the file system copies on write, what is
 * changed takes room, too: there marks are doubled. */
guint64 hf_space_mark (HfShare share, guint64 total, HfGroundKind ground);

G_END_DECLS
