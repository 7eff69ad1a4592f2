/* logevent.h - what one log line says, in the books' own words
 *
 * Each parser turns the wording of one MTA into these; books.c knows nothing
 * of wording.  Queue snapshots and journal records speak the same language.
 */
#pragma once

#include "milter/audit/line.h"

G_BEGIN_DECLS

typedef enum
{
  HF_MTA_UNKNOWN,
  HF_MTA_POSTFIX,
  HF_MTA_SENDMAIL,
} HfMta;

/* The kinds.  "M" is the message @queue_id names, "R" one recipient of it. */
typedef enum
{
  HF_LOG_NOTHING,           /* understood; no message's fate is touched */
  HF_LOG_ALIVE,             /* M is mentioned, so it is in the queue */
  HF_LOG_OPENED,            /* M begins: a client; @other_id is the message it came from */
  HF_LOG_SUBMITTED,         /* M begins: sendmail(1); @other_id is the id before a requeue */
  HF_LOG_CONTENT,           /* M's headers were seen; @text is the Message-ID */
  HF_LOG_COLLECTED,         /* M came in whole (Sendmail): @sender, @count recipients */
  HF_LOG_ACCEPTED,          /* M is in the queue; @sender, @count recipients when known */
  HF_LOG_UNREAD,            /* R: a line tells what became of it, and could not be read */
  HF_LOG_RESULT,            /* R: @fate; @address is a list, see hf_log_next_address */
  HF_LOG_RECIPIENT_REFUSED, /* R was refused */
  HF_LOG_RECIPIENT_REMOVED, /* R was removed by a filter */
  HF_LOG_RECIPIENT_ADDED,   /* R was added by a filter */
  HF_LOG_REFUSED,           /* M was refused */
  HF_LOG_ABORTED,           /* M was never finished; without @queue_id the newest of @pid's session */
  HF_LOG_CANCELED,          /* M was given up before it was accepted */
  HF_LOG_DISCARDED,         /* M was discarded, and the client told it was accepted */
  HF_LOG_HELD,              /* M waits for an operator */
  HF_LOG_RELEASED,          /* and does not any more */
  HF_LOG_REDIRECTED,        /* M goes to @other_address instead */
  HF_LOG_EXPIRED,           /* M was in the queue too long */
  HF_LOG_REMOVED,           /* M's file was removed, all work done */
  HF_LOG_DELETED,           /* M was deleted by an operator */
  HF_LOG_REQUEUED,          /* M goes through the queue again, under a new id */
  HF_LOG_FORCE_EXPIRED,     /* M will expire at the next attempt */
  HF_LOG_CHILD,             /* M begot @other_id (a list "A; B" in a split); @link says how */
  HF_LOG_EXPANSION,         /* M: @address became the list @other_address (alias, forward) */
  HF_LOG_DONE,              /* M's queue file is gone, all work done (Sendmail) */
  HF_LOG_BULK,              /* @count messages of the instance underwent @bulk, without ids */
  HF_LOG_RENAMED,           /* queue files of the instance have new names */
  HF_LOG_CORRUPT,           /* M's file was put aside as corrupt, or lost (Qf) */
  HF_LOG_STUCK,             /* the MTA fails at M's file again and again */
  HF_LOG_VANISHED,          /* M's file was gone before the MTA could remove it */
  HF_LOG_DEAD_LETTER,       /* M was saved outside the queue */
  HF_LOG_CONNECTED,         /* @pid began a session */
  HF_LOG_SESSION_END,       /* @pid's session ended; @session counts */
  HF_LOG_PROXIED,           /* M was accepted on behalf of a client by a filter in front */
  HF_LOG_GAP,               /* lines of @host, or of all, are missing here; @count of them when
                             * known; @text, a static string, says why */
  HF_LOG_GAP_BEGINS,        /* lines are missing from here on */
  HF_N_LOG_KINDS,
} HfLogKind;

typedef enum
{
  HF_FATE_NONE,
  HF_FATE_QUEUED,
  HF_FATE_DEFERRED,
  HF_FATE_HELD,
  HF_FATE_DELIVERED,
  HF_FATE_RELAYED,   /* handed to another MTA; @other_id is its queue id when it told */
  HF_FATE_PASSED,    /* handed to the child @other_id */
  HF_FATE_BOUNCED,
  HF_FATE_DISCARDED, /* @text says by what */
  HF_FATE_PROBED,    /* an address was tested; there was no mail */
  HF_FATE_REFUSED,
} HfFate;

typedef enum
{
  HF_LINK_NONE,
  HF_LINK_FORWARDED,    /* by local(8) */
  HF_LINK_FILTERED,     /* through a content filter, or by an own instance */
  HF_LINK_REQUEUED,     /* by postsuper -r, or MailScanner */
  HF_LINK_NOTIFICATION, /* tells someone about the parent; settles nothing */
  HF_LINK_CLONED,       /* Sendmail: an envelope for one owner, or a part of the recipients */
} HfLink;

typedef enum
{
  HF_BULK_DELETED,
  HF_BULK_REQUEUED,
  HF_BULK_HELD,
  HF_BULK_RELEASED,
  HF_BULK_EXPIRED,
  HF_N_BULKS,
} HfBulk;

/* Commands of one SMTP session: accepted, and in all. */
typedef struct
{
  guint mail, mail_all;
  guint rcpt, rcpt_all;
  guint data, data_all;
  guint bdat, bdat_all;
  guint rset;
  gboolean known; /* the line had counters */
} HfSessionCounts;

/**
 * HfLogEvent:
 *
 * Zeroed by hf_log_event_init; what a kind does not speak of is absent.  All
 * slices point into the line or are literals.
 */
typedef struct
{
  HfLogKind kind;
  HfMta mta;
  HfSlice host;
  HfSlice instance; /* whose queue ids these are: "postfix", "postfix-out", "sendmail"; none: any */
  HfSlice label;    /* what to call the instance: "postfix", "sm-mta" */
  HfSlice program;
  guint32 pid;
  gint64 wall_ms;
  HfPosition at;

  HfSlice queue_id;
  HfSlice other_id;
  HfSlice sender;        /* without angle brackets; "" is the null sender */
  HfSlice address;
  HfSlice orig_address;
  HfSlice other_address; /* with HF_LOG_RESULT of Sendmail: whose delivery it is (ctladdr) */
  HfSlice relay;
  HfSlice text;          /* the reason, the reply, the policy's name */
  guint64 count;
  gboolean has_count;
  gint64 delay_ms;       /* since the message's arrival; -1 when not told */
  HfFate fate;
  HfLink link;
  HfBulk bulk;
  gboolean local;        /* the agent expands aliases itself: local(8) */
  gboolean expired;      /* with HF_LOG_CHILD: it tells that M was in the queue too long */
  gboolean operator_action;
  gboolean direct;       /* with HF_LOG_EXPANSION: @address stood in angle brackets */
  gboolean detailed;     /* Sendmail logs such a line at LogLevel 11 or more only */
  HfSessionCounts session;
} HfLogEvent;

void hf_log_event_init (HfLogEvent *self, const HfLogLine *line);

/* What a parser made of a line. */
typedef enum
{
  HF_PARSE_OTHER,   /* of another program */
  HF_PARSE_EVENT,
  HF_PARSE_UNKNOWN, /* of the mail program, and matched nothing */
  HF_PARSE_DOUBTFUL /* of the mail program, and could be read in two ways: not believed */
} HfParsed;

/* How a parser returns an event of @kind, and one of a discard by @by, a static string. */
HfParsed hf_log_event_of (HfLogEvent *self, HfLogKind kind);
HfParsed hf_log_event_discarded (HfLogEvent *self, const gchar *by);

/**
 * hf_log_next_address:
 * @list: "<a@b>,<c@d>"; what is left of it afterwards
 * @out: the next address, without angle brackets
 *
 * Takes addresses from Sendmail's lists, in which quoted strings may hold commas
 * and brackets; the \\ before a local user that is not to be forwarded is left
 * out.  FALSE at the end.
 */
gboolean hf_log_next_address (HfSlice *list, HfSlice *out);

/* TRUE when every quoted string in a list of Sendmail's ends. */
gboolean hf_log_list_is_whole (HfSlice list);

/**
 * hf_log_cut_address:
 * @rest: "<a@b>, size=…"; on TRUE, what follows @literal
 * @out: what stood before @literal
 *
 * Cuts where @literal first stands outside quoted strings, as Sendmail logs them.
 * FALSE, and nothing done, when it does not.
 */
gboolean hf_log_cut_address (HfSlice *rest, const gchar *literal, HfSlice *out);

/* Without the angle brackets around it, if there are any. */
HfSlice hf_log_bare_address (HfSlice address);

/* Longest queue id; what is longer is none. */
#define HF_QUEUE_ID_MAX 31

/* TRUE for a Postfix queue id, short or long form. */
gboolean hf_queue_id_is_postfix (HfSlice text);

/* TRUE for a Sendmail queue id: 8 characters and the digits of a pid. */
gboolean hf_queue_id_is_sendmail (HfSlice text);

G_END_DECLS
