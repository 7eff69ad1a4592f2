/* group.h - records written together: one write, one read-back, one sync
 *
 * Used by the writer's thread only.  Between begin and commit nothing of the
 * group counts; commit makes all of it count, or none.
 */
#pragma once

#include "milter/journal/commit.h"
#include "milter/journal/journal.h"

G_BEGIN_DECLS

/* A record that was, at least in part, written and whose sender still owns the
 * message: P6 wants it marked. */
typedef struct
{
  HfId id;
  guint64 segment;
  const gchar *reason; /* static */
} HfVoid;

typedef struct
{
  GString *buffer;      /* what is not written yet */
  guint64 start;        /* offset of the group in its segment */
  guint64 flushed;      /* offset up to which the group is written */
  guint marks;          /* void marks, in front of the records */
  GPtrArray *commits;   /* of HfCommit, owned: the records in order */
  HfHash hash;
  HfHash lines_hash;
  HfDigest chain;       /* of the last record added */
  HfWindow window;      /* for reading back */
  HfItem item;
} HfGroup;

void hf_group_init (HfGroup *self);
void hf_group_clear (HfGroup *self);

void hf_group_begin (HfGroup *self, const HfJournal *journal);

/* Lets go of the commits, and so of their stages, once all are decided. */
void hf_group_forget (HfGroup *self);

typedef enum
{
  HF_GROUP_ADDED,
  HF_GROUP_LEFT_OUT, /* this message can't be had from its stage; the group is as before */
  HF_GROUP_BROKEN,   /* the segment failed: nothing of the group counts */
} HfGroupResult;

/* Adds @commit's record, reading the reopened stage.  A reference is taken when
 * the result is ADDED. */
HfGroupResult hf_group_add (HfGroup *self, HfJournal *journal, HfCommit *commit, GError **error);

/* Adds a void mark.  Marks come before any record. */
gboolean hf_group_add_void (HfGroup *self, HfJournal *journal, const HfVoid *mark, GError **error);

/**
 * hf_group_commit:
 *
 * Writes what is left, reads every mark and record back through the second
 * descriptor and compares it with what the callbacks counted, syncs, checks
 * the path, publishes.  TRUE: all of the group is on stable storage under a name that a
 * restart will find.  FALSE: nothing of it counts, and the segment is to be
 * abandoned.
 */
gboolean hf_group_commit (HfGroup *self, HfJournal *journal, GError **error);

G_END_DECLS
