/* script.h - one message as packets, built once and sent many times
 *
 * The driver must take little of the processor it shares with the filter:
 * every octet of a message is put together before the clock starts, cut into
 * steps at the replies that have to be awaited.  Only the queue id is written
 * anew for each message, in the connection's own copy; the body's chunks are
 * one copy for all.
 */
#pragma once

#include "tests/client/speaker.h"

#include <sys/uio.h>

G_BEGIN_DECLS

#define SCRIPT_ID_LENGTH 11

/* A run of octets: in the connection's copy of `own`, or in the shared body. */
typedef struct
{
  gsize start;
  gsize size;
  gboolean shared;
} ScriptPiece;

/* What is sent before a reply to `awaits` is due; 0: none is, and the next
 * step follows at once. */
typedef struct
{
  guint first_piece;
  guint pieces;
  gchar awaits;
} ScriptStep;

typedef struct
{
  gsize message_bytes; /* of the message: headers, empty line and body */
  gsize declared_size; /* SIZE= of MAIL; 0 for none */
  guint recipients;
} ScriptMessage;

typedef struct
{
  GByteArray *own;    /* template; each connection copies it */
  GByteArray *shared; /* one full chunk's packet, then the last chunk's */
  GArray *pieces;     /* of ScriptPiece */
  GArray *steps;      /* of ScriptStep: the greeting's, then the message's */
  guint greeting_steps; /* CONNECT and HELO, once a connection */
  GArray *id_places;  /* of gsize: where in `own` the queue id stands */
  GByteArray *next;   /* what the MTA says between two messages */
  GByteArray *abort;  /* … after a message was refused early */
  GByteArray *quit;   /* … before it ends the connection */
} Script;

/**
 * script_new:
 * @speaker: agreed with the filter; its queue id is set
 * @message: what to say; sizes too small for the headers are taken up to them
 */
Script *script_new (McSpeaker *speaker, const ScriptMessage *message);
void script_free (Script *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Script, script_free)

/* Writes the id of message @number, SCRIPT_ID_LENGTH octets, into a copy of `own`. */
void script_set_id (const Script *self, guint8 *own, guint64 number);

/* All that is sent from step @from until a reply is due, as one step; @out_next
 * is the step after it. */
ScriptStep script_run (const Script *self, guint from, guint *out_next);

/**
 * script_fill:
 * @own: the connection's copy
 * @prefix: (nullable): goes out before the step
 * @step: whose octets
 * @skip: octets of prefix and step that were sent already
 * @out_vectors: room for @room of them
 *
 * Returns: vectors filled; 0 when nothing is left of the step.
 */
guint script_fill (const Script *self, guint8 *own, const GByteArray *prefix, const ScriptStep *step,
                   gsize skip, struct iovec *out_vectors, guint room);

G_END_DECLS
