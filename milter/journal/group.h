/* group.h - records that become durable together, by one sync
 *
 * Used by the writer's thread; the syncer's does for it what says so.  Between
 * begin and commit nothing of the group counts; commit makes all of it count, or
 * none.
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
  gint64 begun_ms;      /* when, by the monotonic clock */
  guint64 segment;      /* number of the segment it stands in */
  guint64 start;        /* offset of the group in its segment */
  guint64 flushed;      /* offset up to which the group is written */
  guint marks;          /* void marks, in front of the records */
  GPtrArray *commits;   /* of HfCommit, owned: the records in order */
  HfHash hash;
  HfHash lines_hash;
  HfDigest before;      /* the chain in front of the group */
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
 * All of the steps below.  TRUE: all of the group is on stable storage under a
 * name that a restart will find.  FALSE: nothing of it counts, and the segment is
 * to be abandoned; so it is where a step fails that is made by itself.
 */
gboolean hf_group_commit (HfGroup *self, HfJournal *journal, GError **error);

/* Writes what is left, and the padding: the next group may begin. */
gboolean hf_group_write (HfGroup *self, HfJournal *journal, GError **error);

/* Reads every mark and record back through the second descriptor and compares it
 * with what the callbacks counted. */
gboolean hf_group_read_back (HfGroup *self, const HfJournal *journal, GError **error);

/* Syncs, and checks the path.  Threads: the syncer's too, while the writer's reads
 * the group back and writes the next. */
gboolean hf_group_sync (HfGroup *self, HfJournal *journal, GError **error);

/* Tells of a group that is read back and synced.  Threads: as for the sync. */
void hf_group_publish (HfGroup *self, HfJournal *journal);

/* Begins to write out what a sync will wait for.  FALSE: the file system could not,
 * and the sync may not tell it again. */
gboolean hf_group_write_out (const HfGroup *self, const HfJournal *journal, GError **error);

G_END_DECLS
