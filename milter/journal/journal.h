/* journal.h - the journal as its one writer has it open
 *
 * Holds the lock, the open segment, the spare, and what goes from segment to
 * segment: the number, the chain, the notes.  Used by the writer's thread
 * only; while groups are with the syncer, counting and publishing them is the
 * syncer's.  After any failure the journal is closed, every descriptor on the
 * file system is let go of, and opening it again is the way back.
 */
#pragma once

#include "milter/journal/ground.h"
#include "milter/journal/segment.h"
#include "milter/journal/spare.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *spool;         /* the spool's directory */
  gchar *host;          /* for the header */
  gchar *instance;      /* likewise; may be NULL */
  guint64 segment_size; /* wanted; a small file system makes it less */
  gboolean write_ahead; /* wanted; where it would reserve nothing it is not done */
  guint spares;         /* segments to have written ahead; 0 is 1 */
  gint64 quiet_ms;      /* for all but the first: how long no segment is opened before they are made */
  HfUsage *usage;       /* (nullable), borrowed: told what the journal takes */
  guint64 keep_free;    /* octets: usage's mark till somebody sets another */
  /* (nullable) called by the writer when it lost the journal, and as long as it is
   * away: to let go of what else is held open on its file system, which somebody
   * may have to unmount */
  void (*let_go) (gpointer data);
  gpointer let_go_data;
} HfJournalParameters;

typedef struct
{
  const HfJournalParameters *parameters; /* borrowed */
  gchar *dir_path;
  int dir_fd;
  int lock_fd;
  int open_fd;
  guint64 size;          /* of a segment on this file system */
  HfGround ground;
  HfAhead ahead;         /* how spares are made */
  guint64 debt;          /* octets written into room made ahead, which the next spare will take */
  HfSegment *segment;
  HfSpare *spare;
  guint64 next_seq;
  HfDigest chain;        /* of the last record written, synced or not yet */
  gboolean has_chain;
  /* of the segment before, for the header of the next */
  guint64 previous_seq;
  HfNonce previous_nonce;
  guint64 previous_synced;
  guint64 previous_whole; /* what is whole may reach behind what is known to be synced */
  gboolean previous_unread;
  gboolean publish_failed;
  HfHash hash;
} HfJournal;

/**
 * hf_journal_open:
 * @parameters: borrowed for the life of the journal
 * @min_seq: numbers below are not used, even in a directory that has none:
 *   a number must not come twice while the process lives
 *
 * Takes the lock, recovers, makes a segment ready.  Returns: (transfer full),
 * or NULL with HF_ERROR_BUSY (another filter has the lock), HF_ERROR_FULL,
 * HF_ERROR_NOT_FOUND, HF_ERROR_DENIED or HF_ERROR_IO; nothing is held then.
 */
HfJournal *hf_journal_open (const HfJournalParameters *parameters, guint64 min_seq, GError **error);

/* Has the open segment room for @octets, padding included? */
gboolean hf_journal_has_room (const HfJournal *self, guint64 octets);

/**
 * hf_journal_make_room:
 * @octets: what the next group may need, padding included
 *
 * Goes on to the next segment when the open one has not that much left; a
 * need larger than a segment gets a segment of its own.
 */
gboolean hf_journal_make_room (HfJournal *self, guint64 octets, GError **error);

/* A group of @octets was synced: counts what it took, or will have taken once
 * there is another spare. */
void hf_journal_count (HfJournal *self, guint64 octets);

/* Tells readers how far the open segment is synced.  Costs one small write;
 * a failure is an event and no error. */
void hf_journal_publish (HfJournal *self);

/**
 * hf_journal_probe:
 * @write: write and sync too, without touching any segment
 *
 * Is the journal still where it was, on a file system that takes writes?
 * While no mail reaches the journal, because its stages fail, nothing else
 * would notice.  FALSE: the journal is to be abandoned.
 */
gboolean hf_journal_probe (HfJournal *self, gboolean write, GError **error);

/* Closes in order: end line, sync, cut.  Then frees. */
void hf_journal_close (HfJournal *self);

/* Lets go of everything after a failure, and frees.  Writes nothing. */
void hf_journal_abandon (HfJournal *self);

G_END_DECLS
