/* segment.h - one append-only journal file, from creation to closing
 *
 * A segment is made ahead of its use as SPOOL/journal/spare, full of NULs and
 * synced, so that taking mail needs no new block and a sync changes no
 * metadata.  It gets its header and then its name; a file with a segment's
 * name therefore always begins with a synced header.
 *
 * Used by the writer's thread only, but for hf_spare_make(), which is its helper's,
 * and hf_segment_sync(), which another may call while it writes on.
 */
#pragma once

#include "milter/journal/directory.h"
#include "milter/journal/usage.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *path;      /* SPOOL/journal/0000000042.bsmtp */
  guint64 seq;
  HfNonce nonce;
  int write_fd;
  int read_fd;      /* a second descriptor, for reading back */
  guint64 size;     /* octets made ready ahead; G_MAXUINT64 when none were */
  guint64 written;  /* where the next group begins; a multiple of HF_BLOCK */
  _Atomic guint64 synced; /* octets known to be on stable storage, read back or not yet */
} HfSegment;

/* How a spare is made ready; the first two are FALSE and TRUE. */
typedef enum
{
  HF_AHEAD_NO,    /* left empty: the segment grows as it is written */
  HF_AHEAD_YES,   /* full of NULs */
  HF_AHEAD_NOCOW, /* likewise, and never copied when it is overwritten */
} HfAhead;

/**
 * hf_spare_make:
 * @dir_fd: SPOOL/journal
 * @name: HF_JOURNAL_SPARE, or HF_JOURNAL_LARGE for one record larger than a segment
 * @size: octets, a multiple of HF_BLOCK
 * @ahead: whether and how to write NULs
 * @usage: (nullable): was told that @size octets come when NULs are to be
 *   written, and is told what became of them
 *
 * Makes the spare: writes, syncs it and its directory.  An old spare is
 * replaced: it never held mail.  On FALSE nothing is left behind, but for a stop
 * (@stop becomes TRUE, HF_ERROR_BUSY): by then the name may be another's.
 * Errors: HF_ERROR_FULL, HF_ERROR_IO, HF_ERROR_DENIED.  Takes as long as the disk takes.
 */
gboolean hf_spare_make (int dir_fd, const gchar *name, guint64 size, HfAhead ahead, HfUsage *usage, const gboolean *stop,
                        GError **error);

/**
 * hf_segment_activate:
 * @dir_path: SPOOL/journal, for messages and the path check
 * @spare: the name that hf_spare_make was given
 * @head: the header and notes, whole blocks, for this @seq and @nonce
 * @size: what the spare was made with; 0 when not written ahead
 *
 * Turns the spare into segment @seq: writes @head, syncs, names it, syncs the
 * directory.  Never overwrites: an existing segment of that name is an error.
 * Returns: (transfer full): NULL with @error set; the spare may then be unusable.
 */
HfSegment *hf_segment_activate (int dir_fd, const gchar *dir_path, const gchar *spare, guint64 seq, const HfNonce *nonce,
                                const GString *head, guint64 size, GError **error);

/* Writes at @offset, which must not be below what is synced. */
gboolean hf_segment_write (HfSegment *self, gconstpointer data, gsize size, guint64 offset, GError **error);

/* Begins to write out what was written there, for a sync that comes later.  A system
 * that can't be asked is no error. */
gboolean hf_segment_write_out (HfSegment *self, guint64 offset, guint64 size, GError **error);

/* fdatasync, then the check that the path still leads to this file: writes into
 * an unlinked file succeed, and must not count (KB Q146950).  @end: up to where it
 * was written before the call, and counts as synced when it returns. */
gboolean hf_segment_sync (HfSegment *self, guint64 end, GError **error);

/**
 * hf_segment_give_back:
 * @path: of a segment that nobody writes to any more, because its writer was
 *   killed or gave up
 * @from: an offset below which nothing is cut
 *
 * Cuts the NULs at its end off, which were written ahead and hold room that
 * nothing else would give back.  What is not NUL stays, up to its block's end, and
 * so does a segment of a newer version.  An error loses nothing and is not
 * reported.
 */
void hf_segment_give_back (const gchar *path, guint64 from);

/* The check alone.  FALSE with HF_ERROR_IO or HF_ERROR_NOT_FOUND. */
gboolean hf_segment_check_path (const HfSegment *self, GError **error);

/* Cuts the NULs behind what is synced off and closes.  Only for a segment
 * without a failure; an error here loses nothing and is not reported. */
void hf_segment_close_clean (HfSegment *self);
/* Closes the descriptors and frees. */
void hf_segment_free (HfSegment *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfSegment, hf_segment_free)

G_END_DECLS
