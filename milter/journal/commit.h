/* commit.h - one message on its way into the journal
 *
 * A callback fills it, submits it to the writer and waits; the writer's
 * thread does the file work.  Either the writer decides it or the callback
 * abandons it: the two claim it atomically, so exactly one happens, and a
 * callback that has given up can never be overtaken by a commit that its
 * client was told did not happen (P1, P6).
 */
#pragma once

#include "milter/journal/record.h"

#include <pthread.h>

G_BEGIN_DECLS

typedef enum
{
  HF_COMMIT_WAITING,
  HF_COMMIT_DONE,      /* on stable storage */
  HF_COMMIT_FAILED,    /* error is set */
  HF_COMMIT_ABANDONED, /* the callback stopped waiting first */
} HfCommitState;

typedef struct
{
  /* Filled by the callback before it is submitted; then only read. */
  HfFacts facts;
  HfSalt salt;
  int fd;               /* the reopened stage, owned: envelope lines, then the wire form */
  guint64 lines_size;   /* octets of the envelope lines */
  HfDigest lines;       /* of the envelope lines, without salt, as the callbacks counted them */
  HfDigest message;     /* of the message, salted, likewise */

  /* Set by whoever decides. */
  GError *error;

  /* private */
  gint refs;
  gint state;           /* HfCommitState, atomic */
  pthread_mutex_t mutex;
  pthread_cond_t decided;
} HfCommit;

/* NULL when memory or a mutex can't be had is not possible: GLib ends the process. */
HfCommit *hf_commit_new (void);
HfCommit *hf_commit_ref (HfCommit *self);
/* Closes the descriptor with the last reference. */
void hf_commit_unref (HfCommit *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfCommit, hf_commit_unref)

HfCommitState hf_commit_state (HfCommit *self);

/* The writer: TRUE when the decision was the writer's to take.  @error (nullable,
 * taken) makes it FAILED.  FALSE: abandoned before; @error is freed. */
gboolean hf_commit_decide (HfCommit *self, GError *error);

/* The callback: waits at most @wait_ms for a decision.  Returns the state. */
HfCommitState hf_commit_wait (HfCommit *self, gint64 wait_ms);

/* The callback gives up.  Returns the state that holds: ABANDONED, or what the
 * writer had decided just before, which then is the truth to answer with. */
HfCommitState hf_commit_abandon (HfCommit *self);

/* Octets the record will take at most, padding not included. */
guint64 hf_commit_record_size (const HfCommit *self);

G_END_DECLS
