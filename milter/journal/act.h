/* act.h - an operator's act in the making, and on its way to stable storage
 *
 * See acts.h for what an act is and for how it is read.
 */
#pragma once

#include "milter/base/id.h"
#include "milter/journal/who.h"

G_BEGIN_DECLS

typedef struct
{
  HfId id;
  GString *text;
  HfStatementBuilder builder;
} HfActDraft;

/* An act of settling with @outcome, for @reason, at this moment. */
void hf_act_begin (HfActDraft *self, const gchar *outcome, const HfWho *who, const gchar *reason);
void hf_act_clear (HfActDraft *self);

/* Settles message @id, of which a copy is in segment @seq: all recipients, or
 * those in @addresses (nullable, of gchar *). */
void hf_act_add_message (HfActDraft *self, const gchar *id, guint64 seq, const GPtrArray *addresses);

/* Settles what stands at a place and is no whole record. */
void hf_act_add_place (HfActDraft *self, guint64 seq, guint64 offset, guint64 length);

/**
 * hf_act_write:
 *
 * TRUE: the act is on stable storage under its name, and belongs to the
 * spool's owner.  FALSE: it does not count.
 */
gboolean hf_act_write (HfActDraft *self, const gchar *spool, GError **error);

G_END_DECLS
