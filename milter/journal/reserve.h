/* reserve.h - more segments written ahead while little mail comes
 *
 *     SPOOL/journal/spare-2, spare-3 ...   full of NULs like the spare; never mail
 *
 * While mail comes fast, the NULs of the next segment take as much of the disk as
 * the mail does.  So some segments are made before, when for a time none was
 * taken, and a burst finds them ready.  They are made only where they are no
 * more than a sixteenth of what is free, and given back when they are more than an
 * eighth, or when what is free comes near the mark: they are for speed, and nobody's
 * mail is to be turned away for them.  A quota can't be seen: who has one sets
 * `spares` to 1.
 *
 * Used by the spare's thread only (spare.h), once it is made; calls take as long as
 * the disk takes.
 */
#pragma once

#include "milter/journal/segment.h"
#include "milter/journal/usage.h"

G_BEGIN_DECLS

/* The most that can be in reserve. */
#define HF_RESERVE_MOST 63

/* For so long no segment is taken before one is added to the reserve. */
#define HF_RESERVE_QUIET_MS 5000

typedef struct
{
  int dir_fd;         /* SPOOL/journal, borrowed */
  const gchar *spool; /* borrowed: any path on its file system */
  guint64 size;       /* octets of each */
  HfUsage *usage;     /* (nullable), borrowed: told what they take */
  gint64 quiet_ms;
  gint64 add_ms;      /* monotonic: none is added before */
  guint most;         /* to have */
  guint count;        /* that there are */
} HfReserve;

/* Removes what an earlier life left; @most: no more than HF_RESERVE_MOST. */
void hf_reserve_init (HfReserve *self, int dir_fd, const gchar *spool, guint64 size, HfUsage *usage, guint most,
                      gint64 quiet_ms);

/* Makes one of the reserve the spare, which must not be there, and syncs the directory.
 * FALSE: none could be had.  The quiet time begins anew in either case. */
gboolean hf_reserve_take (HfReserve *self);

/**
 * hf_reserve_tend:
 * @ahead: how spares are made at present; with HF_AHEAD_NO there is no reserve
 * @stop: as for hf_spare_make()
 *
 * Does what is due: adds one, or gives all back.  One that could not be made is told
 * by an event, once: the reserve then stays as it is until the journal is opened
 * anew.  TRUE: something was done, and more may be due.
 */
gboolean hf_reserve_tend (HfReserve *self, HfAhead ahead, const gboolean *stop);

/* After hf_reserve_tend() had nothing to do: how long until there may be; -1: there
 * won't be, as things are. */
gint64 hf_reserve_wait_ms (const HfReserve *self, HfAhead ahead);

G_END_DECLS
