/* books.h - double entry for mail: what the MTA took, and what became of it
 *
 * The books are fed event by event, in the order of the log, and keep for each
 * message what is not settled yet.  Evidence may come late or in the wrong
 * order: children before the line that names their parent, results after the
 * removal, a session's end after its message was delivered.  A message that is
 * closed and settled waits a while for such lines, and for the messages that it
 * was passed on to, is then handed out and forgotten, so memory is the open
 * messages.
 *
 * The same lines always give the same books.  Threads: one at a time.
 */
#pragma once

#include "milter/audit/gaps.h"
#include "milter/audit/message.h"

G_BEGIN_DECLS

typedef struct HfBooks HfBooks;

/* A recipient changed state, outcome or reason. */
typedef struct
{
  const HfMessage *message;
  const HfLeg *leg;        /* NULL: all that were never named */
  guint32 count;           /* 1, or how many were never named */
  HfFinding before, after; /* before is provisional and empty at the first mention */
  HfPosition at;           /* of the line that made the difference */
} HfChange;

typedef struct
{
  /* No filter stands after the acceptance, so a recipient that is removed
   * without a record is lost. */
  gboolean last;

  /* How many lines a settled message waits for late ones; 0 for the default. */
  guint64 grace_lines;

  /* nullable: called for each change, while the books are consistent but for
   * it; must not call back into the books. */
  void (*changed) (const HfChange *change, gpointer data);

  /* nullable: called for each event, before it is entered; must not call back. */
  void (*entering) (const HfLogEvent *event, gpointer data);

  /* nullable: called for each line that told something of @message, which then
   * keeps none of them itself. */
  void (*evidence) (const HfMessage *message, const HfLogEvent *event, gpointer data);

  /* nullable: called when it is found out which message @child comes from, and
   * which are its parents; must not call back. */
  void (*linked) (const HfMessage *child, gpointer data);

  /* nullable: called once for each message, before it is forgotten. */
  void (*closed) (const HfMessage *message, gpointer data);

  gpointer data;
} HfBooksSettings;

/* Sums over recipients.  Kept twice, independently: as changes come, and by
 * counting each message when it is handed out. */
typedef struct
{
  guint64 messages;
  guint64 by_state[HF_N_STATES];
  guint64 by_outcome[HF_N_OUTCOMES]; /* of the settled */
  guint64 silent;                    /* settled, and nobody told the sender */
  guint64 before_messages;           /* began before the log and may have … */
  guint64 before_recipients;         /* … so many recipients settled there */
} HfTally;

/* How the messages that the MTA took ended; each is counted once. */
typedef enum
{
  HF_END_IN_QUEUE,
  HF_END_REMOVED,   /* by the MTA, all work done */
  HF_END_DISCARDED,
  HF_END_DELETED,   /* by an operator, by its id */
  HF_END_BULK,      /* perhaps, by an operator, with others: not seen since */
  HF_END_REQUEUED,
  HF_END_CORRUPT,
  HF_END_UNKNOWN,   /* its file vanished, or its id was used again */
  HF_N_ENDS,
} HfEnd;

/* What the log must be at one with itself about, counted as messages are handed
 * out. */
typedef struct
{
  guint64 accepted, not_accepted;
  guint64 ends[HF_N_ENDS];  /* of the accepted; add up to them */
  guint64 beyond_nrcpt;     /* messages with more recipients than their queue file had */
  guint64 claimed_twice;    /* children that two parents claim */
} HfSums;

/* A bulk act of postsuper. */
typedef struct
{
  HfPosition at;
  guint64 seq;
  guint64 count;      /* of messages, without those named one by one */
  guint64 candidates; /* messages of the books that may be among them */
  guint64 gone;       /* of these, not seen since; known after hf_books_finish */
  HfBulk bulk;
  gint64 wall_ms;
} HfBulkAct;

HfBooks *hf_books_new (const HfBooksSettings *settings);
void hf_books_free (HfBooks *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfBooks, hf_books_free)

/**
 * hf_books_apply:
 * @event: borrowed for the call
 *
 * Enters one event.  Events that touch no fate only move the clock.
 */
void hf_books_apply (HfBooks *self, const HfLogEvent *event);

/**
 * hf_books_finish:
 *
 * No more events are to come: judges what is left and hands it out, in the order
 * of first mention.  Nothing but reading is allowed afterwards.
 */
void hf_books_finish (HfBooks *self);

/* The tally as changes made it, and as handing out counted it.  After
 * hf_books_finish they are equal, or the books do not balance. */
const HfTally *hf_books_running_tally (const HfBooks *self);
const HfTally *hf_books_handed_tally (const HfBooks *self);
gboolean hf_books_balance (const HfBooks *self);

const HfSums *hf_books_sums (const HfBooks *self);
const gchar *hf_end_name (HfEnd end);

/* The name behind the number of a host, instance or label. */
const gchar *hf_books_name (const HfBooks *self, guint16 number);

/* TRUE when the log of the event's host was seen to tell all that the books need. */
gboolean hf_books_is_detailed (HfBooks *self, const HfLogEvent *event);

const HfGaps *hf_books_gaps (const HfBooks *self);
guint hf_books_n_bulk_acts (const HfBooks *self);
const HfBulkAct *hf_books_bulk_act (const HfBooks *self, guint index);

/* Messages in memory at present. */
guint64 hf_books_n_live (const HfBooks *self);

G_END_DECLS
