/* acts.h - what operators declared, one synced file each, below SPOOL/acts
 *
 * The command writes them; the auditor, where there is one, takes them into
 * the books and removes them.  Until then they are read here.  One run of a
 * verb is one act, taken whole or not at all, however many messages it names.
 * Bytes: doc/FORMAT, section 10.  Written by act.c.
 */
#pragma once

#include "milter/base/id.h"

G_BEGIN_DECLS

#define HF_ACTS_DIRECTORY "acts"
#define HF_ACT_SUFFIX ".act"
#define HF_ACT_VERSION 1

typedef struct
{
  HfId id;
  gint64 at_ms;
  gchar *outcome; /* "declared" */
  gchar *reason;
} HfAct;

typedef struct HfActs HfActs;

/**
 * hf_acts_load:
 * @spool: the spool's directory
 *
 * All acts that settle something.  No directory: none.  A file that does not
 * verify settles nothing and is told by hf_acts_fault().  NULL with
 * HF_ERROR_DENIED or HF_ERROR_IO.
 */
HfActs *hf_acts_load (const gchar *spool, GError **error);
void hf_acts_free (HfActs *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfActs, hf_acts_free)

/* What is wrong with the @index-th file that could not be taken; NULL behind the last. */
const gchar *hf_acts_fault (const HfActs *self, guint index);

/* The earliest act that settles @address of message @id, borrowed, or NULL. */
const HfAct *hf_acts_settled (const HfActs *self, const gchar *id, const gchar *address);

/* The same for what stands at @offset of segment @seq and is no whole record. */
const HfAct *hf_acts_settled_place (const HfActs *self, guint64 seq, guint64 offset);

G_END_DECLS
