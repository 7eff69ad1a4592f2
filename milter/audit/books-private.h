/* books-private.h - the inside of the books, for the files that make them up
 *
 *   books.c     tables, names, review, handing out
 *   begin.c     how a message comes in: opened, its headers, accepted
 *   entry.c     one function for each kind of event
 *   result.c    the one kind that decides nearly everything: recipients' fates
 *   links.c     parents and children
 *   session.c   SMTP sessions: which of their messages were accepted
 *   operator.c  postsuper's acts
 *   sums.c      what the log must be at one with itself about
 *   instance.c  which queue a syslog name speaks of
 */
#pragma once

#include "milter/audit/books.h"
#include "milter/audit/verdict.h"

G_BEGIN_DECLS

#define HF_GRACE_LINES 50000

/* What may be followed by a result that is still under way, or is not closed
 * by a line of its own, waits this much longer. */
#define HF_GRACE_FACTOR 20

/* Forgotten ids that are still recognised. */
#define HF_TOMBSTONES 65536

/* No MTA takes more recipients at once; who writes such a line wants to see the
 * books choke on it. */
#define HF_EXPECTED_MAX 1000000

#define HF_RECENT 64
#define HF_SUPERS 16

/* One postsuper process, whose acts are logged one by one, then summed. */
typedef struct
{
  guint64 key;
  guint64 singles[HF_N_BULKS];
} HfSuper;

/* A syslog name of Postfix. */
typedef struct
{
  guint16 queue_of; /* the name whose queue it works on; 0: its own, as far as is known */
  guint known : 1;
  guint has_queue : 1;
} HfInstance;

struct HfBooks
{
  HfBooksSettings settings;
  GHashTable *by_id; /* the newest HfMessage of each queue id, which is its key: a set takes half the room */
  HfMessage *oldest, *newest;
  guint64 n_live;
  guint64 seq, last_serial;
  gboolean finished;

  GPtrArray *names;
  GHashTable *name_numbers;
  guint16 cached_name[3];

  HfGaps *gaps;
  GArray *gap_begins; /* HfGap by host: one that is not over; begin_seq is 0 when there is none */
  GArray *instances;  /* HfInstance by number */
  guint n_services;   /* how many of them have no queue of their own, as far as is known */
  GArray *renamed;    /* guint64 by instance: when its files got new names, or 0 */

  GHashTable *sessions; /* guint64 -> HfSession */
  GHashTable *pending;  /* queue id -> GArray of HfPending */
  GArray *bulk_acts;
  HfSuper supers[HF_SUPERS];
  guint next_super;
  HfMessage *submissions[HF_RECENT], *pipes[HF_RECENT];
  guint next_submission, next_pipe;

  GQueue line, long_line; /* settled messages, waiting to be handed out */
  GHashTable *tombstones;
  guint64 *tombstone_ring;
  guint next_tombstone;

  HfTally running, handed;
  HfSums sums;
  HfPosition at; /* of the event being entered */
};

/* books.c */
guint16 hf_books_number (HfBooks *self, HfSlice name, guint cache);
HfMessage *hf_books_find (HfBooks *self, const HfLogEvent *event, HfSlice queue_id);
HfMessage *hf_books_find_id (HfBooks *self, HfSlice queue_id);
HfMessage *hf_books_begin (HfBooks *self, const HfLogEvent *event, HfSlice queue_id, gboolean opened);
gboolean hf_books_is_forgotten (HfBooks *self, const HfLogEvent *event, HfSlice queue_id);
void hf_books_review (HfBooks *self, HfMessage *message);
void hf_books_review_leg (HfBooks *self, HfMessage *message, HfLeg *leg);
void hf_books_close (HfBooks *self, HfMessage *message, HfClosed closed);
void hf_books_accept (HfBooks *self, HfMessage *message);
void hf_books_add_evidence (HfBooks *self, HfMessage *message, const HfLogEvent *event);

/* instance.c */
guint16 hf_instance_of (HfBooks *self, const HfLogEvent *event);
void hf_instance_learn (HfBooks *self, const HfLogEvent *event);

/* sums.c */
void hf_sums_add (HfBooks *self, const HfMessage *message);

/* entry.c */
void hf_books_enter (HfBooks *self, const HfLogEvent *event);

void hf_books_end_gaps (HfBooks *self);
void hf_books_touch (HfBooks *self, HfMessage *message, const HfLogEvent *event);
HfMessage *hf_books_find_or_begin (HfBooks *self, const HfLogEvent *event);

void hf_books_prove_alive (HfBooks *self, HfMessage *message);
gboolean hf_books_is_gone (const HfMessage *message);

/* begin.c */
void hf_begin_take_sender (HfMessage *message, const HfLogEvent *event);
void hf_begin_opened (HfBooks *self, const HfLogEvent *event);
void hf_begin_submitted (HfBooks *self, const HfLogEvent *event);
void hf_begin_content (HfBooks *self, const HfLogEvent *event);
void hf_begin_accepted (HfBooks *self, const HfLogEvent *event);
void hf_begin_collected (HfBooks *self, const HfLogEvent *event);

/* result.c */
void hf_result_enter (HfBooks *self, const HfLogEvent *event);

/* links.c */
void hf_links_set_parent (HfBooks *self, HfMessage *child, HfMessage *parent, HfLink link);
void hf_links_child (HfBooks *self, const HfLogEvent *event);
void hf_links_opened (HfBooks *self, HfMessage *child, const HfLogEvent *event);
void hf_links_content (HfBooks *self, HfMessage *message);
void hf_links_result (HfBooks *self, HfMessage *message, HfLeg *leg, const HfLogEvent *event);
void hf_links_forget (HfBooks *self, HfMessage *message);
void hf_links_pending_free (gpointer array);

/* session.c */
void hf_session_connected (HfBooks *self, const HfLogEvent *event);
void hf_session_join (HfBooks *self, HfMessage *message, const HfLogEvent *event);
void hf_session_resolve (HfMessage *message, gboolean taken);
void hf_session_forget (HfMessage *message);
void hf_session_policy (HfBooks *self, const HfLogEvent *event);
void hf_session_apply_policies (HfBooks *self, HfMessage *message);
void hf_session_aborted (HfBooks *self, const HfLogEvent *event);
void hf_session_end (HfBooks *self, const HfLogEvent *event);
void hf_session_free (gpointer session);

/* operator.c */
void hf_operator_single (HfBooks *self, const HfLogEvent *event, HfBulk bulk);
void hf_operator_bulk (HfBooks *self, const HfLogEvent *event);
void hf_operator_renamed (HfBooks *self, const HfLogEvent *event);

G_END_DECLS
