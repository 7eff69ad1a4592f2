/* space.c - how much room the spool has, and where its marks lie; see space.h */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/journal/space.h"

guint64
hf_space_mark (HfShare share, guint64 total, HfGroundKind ground)
{
  const guint64 mark = hf_share_of (share, total);

  if (share.percent == 0 && share.bytes == 0)
    return 0;
  return CLAMP (ground == HF_GROUND_COPIES ? 2 * mark : mark, 1, MAX (total, 1));
}

/* In this order: what becomes visible meanwhile counts twice, and never not at all. */
gboolean
hf_space_look (const gchar *spool, HfGroundKind ground, HfSpace *out_space)
{
  guint64 unseen = 0;
  const gboolean is_late = ground != HF_GROUND_IN_PLACE && hf_sys.unseen (spool, &unseen) < 0;
  struct statvfs st;
  guint64 said;

  if (hf_sys.statvfs (spool, &st) < 0)
    return FALSE;
  said = (guint64) st.f_bavail * st.f_frsize;
  *out_space = (HfSpace){ .total = (guint64) st.f_blocks * st.f_frsize,
                          .free = said - MIN (said, unseen),
                          .files = (guint64) st.f_files,
                          .free_files = (guint64) st.f_favail,
                          .is_late = is_late };
  return TRUE;
}
