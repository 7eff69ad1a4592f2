/* message.h - one message in the books: an id's generation and its recipients
 *
 * Memory is the open messages, so a message is one struct and one arena; what
 * repeats among messages (reasons, replies) is shared.  Only books.c and its
 * parts write here; callbacks and verdict.c read.
 */
#pragma once

#include "milter/audit/fate.h"
#include "milter/audit/logevent.h"

G_BEGIN_DECLS

typedef struct HfMessage HfMessage;
typedef struct HfLeg HfLeg;

/* What one recipient, or all that were never named, came to. */
typedef struct
{
  guint8 state;   /* HfState */
  guint8 outcome; /* HfOutcome */
  guint8 reason;  /* HfReason */
  guint8 silent;  /* settled, and nobody told the sender */
} HfFinding;

/* One delivery: what the log calls a recipient.  Several may come from one
 * RCPT command (orig_address). */
struct HfLeg
{
  HfLeg *next;
  HfLeg *twin;         /* another fate of the same address: local(8) fans out */
  const gchar *address;
  const gchar *orig;   /* nullable: what it was before rewriting or expansion */
  const gchar *child;  /* nullable: the queue id it was handed on to */
  GRefString *detail;  /* nullable: the reason or the reply */
  HfFinding finding;   /* as last reported */
  guint8 fate;         /* HfFate, the newest */
  guint8 outcome;      /* HfOutcome, the newest final one; kept across attempts */
  guint pending : 1;   /* an attempt after the final one was deferred */
  guint covers : 1;    /* stands for one recipient of the queue file */
  guint is_twin : 1;
  guint refused : 1;   /* at RCPT: not among the message's own count */
  guint local : 1;     /* delivered by local(8) */
  guint own_relay : 1; /* handed to this host */
  guint child_seen : 1;
  guint waiting : 1;   /* for @child to be seen, in the table of pending ids */
  guint added : 1;     /* by a filter: not among the message's own count */
  guint counted : 1;   /* in the tally */
};

typedef enum
{
  HF_CLOSED_NOT,
  HF_CLOSED_REMOVED,   /* by the MTA, all work done */
  HF_CLOSED_DELETED,   /* by an operator */
  HF_CLOSED_REFUSED,
  HF_CLOSED_ABORTED,
  HF_CLOSED_CANCELED,
  HF_CLOSED_DISCARDED,
  HF_CLOSED_REQUEUED,  /* lives on under another id */
  HF_CLOSED_CORRUPT,
  HF_CLOSED_REUSED,    /* its id was used again */
  HF_CLOSED_VANISHED,
} HfClosed;

/* A line that told something of the message. */
typedef struct
{
  guint64 offset : 48;
  guint64 file : 16;
  guint32 line;
  guint8 kind; /* HfLogKind */
  guint8 fate; /* HfFate */
} HfEvidence;

/* How much is kept for a message: the first lines and the last ones. */
#define HF_EVIDENCE_CHUNK 4
#define HF_EVIDENCE_FIRST 4
#define HF_EVIDENCE_MAX 8

typedef struct HfEvidenceChunk HfEvidenceChunk;
struct HfEvidenceChunk
{
  HfEvidenceChunk *next;
  HfEvidence item[HF_EVIDENCE_CHUNK];
};

typedef struct HfChild HfChild;
struct HfChild
{
  HfChild *next;
  HfLink link;
  const gchar *queue_id;
  const HfMessage *message; /* nullable: a notification, not named by a line yet, or no more in the books */
  guint ended : 1;          /* it came to its end, and left the books */
  guint refused : 1;        /* … which was that nobody took it */
  guint named : 1;          /* a clone: it is known whom of the parent's recipients it took */
};

/* The other end: what a message came from, as long as that is in the books. */
typedef struct HfParent HfParent;
struct HfParent
{
  HfParent *next;
  HfMessage *message;
  HfChild *child; /* of message: this one */
};

typedef struct HfExpansion HfExpansion;
struct HfExpansion
{
  HfExpansion *next;
  const gchar *from;
  const gchar *to;   /* the list as logged */
  gboolean direct;   /* from was a recipient of the envelope: it stood in angle brackets */
  gboolean open_end; /* the list does not name all: it is in a file, or was shortened */
};

/* Who was named by a clone. */
typedef struct HfNamed HfNamed;
struct HfNamed
{
  HfNamed *next;
  const gchar *address;
};

typedef struct HfArenaBlock HfArenaBlock;
typedef struct HfSession HfSession;

struct HfMessage
{
  gchar queue_id[HF_QUEUE_ID_MAX + 1]; /* first, so that a message is its own key in HfBooks.by_id */
  HfMessage *next_same_id; /* older generations, other hosts and instances */
  HfMessage *newer, *older; /* all that are in the books */
  guint64 serial;      /* from 1, in the order of first mention */
  guint32 generation;  /* of this id, from 1 */
  guint16 host, instance, label; /* see hf_books_name */
  guint8 mta;          /* HfMta */
  guint8 closed;       /* HfClosed */
  guint32 n_evidence;

  /* line counts: the books' measure of before and after */
  guint64 opened_seq, alive_seq, seen_seq, closed_seq;
  guint64 act_seq; /* of the operator's act that the next three speak of */
  gint64 arrived_ms, seen_ms;

  guint bulk_deleted : 1;  /* may be among the messages of a bulk act */
  guint bulk_requeued : 1;
  guint renamed : 1;
  guint opened : 1;        /* its beginning was seen */
  guint anticipated : 1;   /* named by its parent before its own first line */
  guint accepted : 1;
  guint active : 1;        /* the queue manager works on it */
  guint has_expected : 1;
  guint has_content : 1;
  guint held : 1;
  guint maybe_held : 1;
  guint stuck : 1;
  guint expired : 1;
  guint redirected : 1;
  guint redirect_guessed : 1; /* by a line of its session that had no queue id yet */
  guint unread : 1;        /* a line that names recipients could not be read */
  guint probe : 1;
  guint dead_letter : 1;
  guint passed : 1;        /* what is not settled lives on in a child */
  guint cloned : 1;        /* what was never named lives on in children */
  guint submitted : 1;     /* by sendmail(1) */
  guint piped : 1;         /* handed to a command that may hand it back */
  guint in_line : 1;       /* waits to be handed out */
  guint unresolved : 1;    /* its session has not told yet whether it was accepted */

  guint32 expected;        /* recipients of the queue file */
  guint32 session_rcpts;   /* recipients the client was told of, when that is known */
  guint32 covered;         /* legs that stand for one of them */
  guint32 expanded;        /* legs that came from an alias (Sendmail) */
  guint32 rest;            /* never named, as last reported */
  HfFinding rest_finding;
  guint32 n_legs;
  guint32 n_unsettled;     /* legs neither settled nor void */
  guint32 n_unseen;        /* legs passed to a child that no line knows yet */

  const gchar *sender;       /* nullable: not known */
  const gchar *hint;         /* nullable: a recipient named beside a policy */
  const gchar *redirect_to;  /* nullable */
  const gchar *discarded_by; /* nullable */
  const gchar *parent;       /* nullable: the queue id it came from */
  guint8 parent_link;        /* HfLink */
  guint32 content_hash;      /* of the Message-ID */
  HfLeg *legs, *last_leg;
  GHashTable *leg_index;     /* made when there are many */
  HfChild *children;
  HfParent *parents;         /* that wait for its end */
  HfExpansion *expansions;
  HfNamed *named;
  HfEvidenceChunk *evidence;
  HfSession *session;        /* nullable: the SMTP session it comes in by */
  HfArenaBlock *arena;
};

/* With room for what is kept of one recipient; and, where it @keeps_evidence, of that. */
HfMessage *hf_message_new (gboolean keeps_evidence);
void hf_message_free (HfMessage *self);

/* A copy that lives as long as the message; NULL for no slice. */
const gchar *hf_message_keep (HfMessage *self, HfSlice text);

/* The leg of this pair, or NULL.  @orig may be absent. */
HfLeg *hf_message_find_leg (const HfMessage *self, HfSlice address, HfSlice orig);
HfLeg *hf_message_add_leg (HfMessage *self, HfSlice address, HfSlice orig);

/* Another fate of @leg's address; counts as no recipient of its own. */
HfLeg *hf_message_add_twin (HfMessage *self, HfLeg *leg);

void hf_leg_set_detail (HfLeg *leg, HfSlice text);
/* The one of this id, added when there was none. */
HfChild *hf_message_add_child (HfMessage *self, HfSlice queue_id, HfLink link);

/* NULL: it has none of this id. */
const HfChild *hf_message_find_child (const HfMessage *self, const gchar *queue_id);

/* @child, one of @parent's, is @self. */
void hf_message_add_parent (HfMessage *self, HfMessage *parent, HfChild *child);
void hf_message_add_expansion (HfMessage *self, HfSlice from, HfSlice to, gboolean direct);

/* A clone of it named @address. */
void hf_message_add_named (HfMessage *self, const gchar *address);

/* TRUE when @address, of the envelope, became others by the expansions logged, and
 * no line names one of them. */
gboolean hf_message_lacks_name (const HfMessage *self, const gchar *address);

/* What @address was before all expansions logged for the message; NULL when none. */
const gchar *hf_message_root_of (const HfMessage *self, const gchar *address);

/**
 * hf_message_open_root_of:
 * @root: (nullable): what hf_message_root_of() says of an address
 * @controller: the address that Sendmail tells as ctladdr=; may be absent
 *
 * For an address that was no recipient of the envelope: the only expansion that does
 * not name all it stands for, or of several @controller's; else @root.
 */
const gchar *hf_message_open_root_of (const HfMessage *self, const gchar *root, HfSlice controller);

void hf_message_add_evidence (HfMessage *self, const HfLogEvent *event);

/* The evidence in the order of the log, as far as kept; @index from 0. */
const HfEvidence *hf_message_evidence (const HfMessage *self, guint index);
guint hf_message_n_evidence (const HfMessage *self);

/* How many recipients the queue file had that no line names. */
guint32 hf_message_count_rest (const HfMessage *self);

/* The name of the @index-th of them, NULL when nothing tells it. */
const gchar *hf_message_rest_name (const HfMessage *self, guint32 index);

/* Recipients whose fate may stand before the log's beginning: neither counted
 * nor judged. */
guint32 hf_message_count_before (const HfMessage *self);

G_END_DECLS
