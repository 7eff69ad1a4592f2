/* spare.h - the helper that keeps segments written ahead
 *
 * A thread of its own, because writing a segment's worth of NULs takes long
 * and the writer has mail waiting.  It holds its own descriptor on the
 * directory; when the journal lets go of the file system, the helper is told
 * to stop and lets go too as soon as its call returns.  While nothing is wanted of
 * it, it looks after the reserve (reserve.h), from which it has the next spare
 * without writing it.
 */
#pragma once

#include "milter/journal/segment.h"
#include "milter/journal/usage.h"

G_BEGIN_DECLS

typedef struct HfSpare HfSpare;

typedef struct
{
  int dir_fd;         /* SPOOL/journal; duplicated */
  const gchar *spool; /* copied: where room is looked at */
  guint64 size;       /* octets of a spare */
  HfAhead ahead;
  HfUsage *usage;     /* (nullable): told what spares take */
  guint most;         /* spares to have, those in reserve included; 0 is 1 */
  gint64 quiet_ms;    /* for the reserve */
} HfSpareParameters;

/* Starts the helper; it makes the first spare at once.  NULL with @error when a
 * descriptor or a thread can't be had. */
HfSpare *hf_spare_start (const HfSpareParameters *parameters, GError **error);

/* The spares to come are left empty: writing ahead proved to reserve nothing. */
void hf_spare_leave_empty (HfSpare *self);

/* Waits until a spare is ready and hands it to the caller, who renames it and
 * then asks for the next.  *@out_size: octets made ready ahead, 0 where it was left
 * empty: by its kind, or because what is free is to stay free (usage.h).  FALSE
 * with the helper's error when it could not be made; the next call tries again. */
gboolean hf_spare_take (HfSpare *self, guint64 *out_size, GError **error);

/* Asks for another spare in the background. */
void hf_spare_want (HfSpare *self);

/* Tells the helper to end; does not wait for a call that hangs. */
void hf_spare_stop (HfSpare *self);

G_END_DECLS
