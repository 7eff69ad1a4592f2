/* trimmed.h - the notes that removed segments leave behind
 *
 * SPOOL/journal/trimmed, append-only: one statement for each segment that was
 * removed, each with the digest of the note before it, so that none can be
 * taken out or changed unseen.  A note is on stable storage before its segment
 * goes.  A segment that is still there counts, whatever the notes say.
 * Bytes: doc/FORMAT, section 11.  Written under the lock of readers.h.
 */
#pragma once

#include "milter/journal/record.h"
#include "milter/journal/who.h"

G_BEGIN_DECLS

/* What is kept of a removed segment. */
typedef struct
{
  guint64 seq;
  HfNonce nonce;       /* "" when its header did not verify */
  gint64 at_ms;        /* when it was removed */
  guint64 octets;      /* of the file */
  guint64 records;     /* whole ones */
  guint64 elsewhere;   /* of these: messages of which another copy stayed, and counts */
  guint64 breaches;    /* items that were torn or damaged, each settled by hand */
  guint64 recipients;  /* of all messages that count here; void and settled add up to it */
  guint64 voids;
  guint64 settled;
  gint64 first_ms;     /* earliest and latest time of its records; -1 when it has none */
  gint64 last_ms;
  gboolean has_chain;  /* chain is set */
  HfDigest chain;      /* as it stood at the segment's end */
  gboolean broken_end; /* the segment ended in a breach: what comes next need not follow from chain */
} HfTrimNote;

/* All notes. */
typedef struct
{
  GArray *notes;      /* of HfTrimNote, one for each segment: the last one that was written */
  GHashTable *by_seq; /* HfTrimNote.seq to its index in notes, and 1 */
  HfDigest last;      /* digest of the last one; zero when there is none */
  guint64 breaks;     /* notes that do not follow from the one before them */
} HfTrimmed;

void hf_trimmed_clear (HfTrimmed *self);

/**
 * hf_trimmed_load:
 * @dir_path: SPOOL/journal
 * @out_trimmed: (out): to be cleared also on FALSE
 *
 * No file: no notes.  What no longer verifies is passed over: a write that a
 * crash left unfinished, whose segment is still there, or damage, which leaves
 * a segment unexplained.  FALSE with HF_ERROR_IO or HF_ERROR_DENIED.
 */
gboolean hf_trimmed_load (const gchar *dir_path, HfTrimmed *out_trimmed, GError **error);

/* The note of segment @seq, borrowed, or NULL. */
const HfTrimNote *hf_trimmed_find (const HfTrimmed *self, guint64 seq);

/**
 * hf_trimmed_append:
 * @dir_fd: SPOOL/journal
 * @notes: of HfTrimNote
 *
 * Adds the notes to the file and to @self.  TRUE: they are on stable storage.
 * FALSE: some may be there all the same, which is no harm.
 */
gboolean hf_trimmed_append (HfTrimmed *self, int dir_fd, const GArray *notes, const HfWho *who, const gchar *reason,
                            GError **error);

G_END_DECLS
