/* transaction.h - one mail transaction, from MAIL to its answer
 *
 * Collects what the MTA shows into the stage.  Most of the milter's stages
 * get no reply, so a failure there is latched here and comes out at the end
 * of the message.
 */
#pragma once

#include "milter/filter/stage.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean open;    /* between MAIL and answer, abort or close */
  HfFacts facts;    /* id, time, client and so on; the queue id once it is known */
  HfStage stage;
  gboolean in_message;    /* a header, the empty line or the body came */
  gboolean headers_ended; /* the empty line is in the stage */
  gboolean lead_space;    /* header values come with their leading space */
  GError *latched;
} HfTransaction;

void hf_transaction_init (HfTransaction *self, const HfStageArea *area);
void hf_transaction_clear (HfTransaction *self);

/* Opens a transaction, dropping one that was not ended, and gives it a new id.
 * The caller then fills in what facts it knows.  The stage is begun by MAIL, so
 * that mail which is turned away costs next to nothing. */
void hf_transaction_begin (HfTransaction *self);

/* Reserves the room that MAIL's SIZE= parameter asks for.  FALSE with HF_ERROR_FULL:
 * the caller refuses MAIL. */
gboolean hf_transaction_reserve (HfTransaction *self, const gchar *const *argv, GError **error);

/* Ends it: drops the stage and forgets everything. */
void hf_transaction_end (HfTransaction *self);

/* The MTA's words, in their order.  They return nothing: what fails is latched,
 * and what follows a failure is passed over; what was staged gives way to others. */
void hf_transaction_mail (HfTransaction *self, const gchar *const *argv);
void hf_transaction_rcpt (HfTransaction *self, const gchar *const *argv);
void hf_transaction_header (HfTransaction *self, const gchar *name, const gchar *value);
void hf_transaction_end_of_headers (HfTransaction *self);
void hf_transaction_body (HfTransaction *self, gconstpointer data, gsize size);

/* The first queue id seen stays: MTAs give it late, not differently.
 * @queue: (nullable) */
void hf_transaction_set_queue (HfTransaction *self, const gchar *queue);

/**
 * hf_transaction_finish:
 *
 * Returns: (transfer full): what the writer needs, the stage reopened; NULL
 * with the latched error, or with that of flushing and reopening.
 */
HfCommit *hf_transaction_finish (HfTransaction *self, GError **error);

/* What hf_transaction_finish() gave is DONE: see hf_stage_keep(). */
void hf_transaction_stored (HfTransaction *self);

G_END_DECLS
