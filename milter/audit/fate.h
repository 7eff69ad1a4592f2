/* fate.h - the states, outcomes and reasons that a recipient can have
 *
 * The words are those of doc/DESIGN and of every JSON output; they never
 * change their meaning.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  HF_STATE_PROVISIONAL, /* the MTA has not confirmed that it took the message */
  HF_STATE_VOID,        /* it did not: the sender still has it */
  HF_STATE_OPEN,        /* it has it: queued, deferred, held */
  HF_STATE_SETTLED,     /* fate known, see HfOutcome */
  HF_STATE_UNACCOUNTED, /* should be settled by now and is not, see HfReason */
  HF_STATE_LOST,        /* accepted, and gone */
  HF_N_STATES,
} HfState;

typedef enum
{
  HF_OUTCOME_NONE, /* for every state but settled */
  HF_OUTCOME_DELIVERED,
  HF_OUTCOME_RELAYED,
  HF_OUTCOME_BOUNCED,
  HF_OUTCOME_EXPIRED,
  HF_OUTCOME_REDIRECTED,
  HF_OUTCOME_PASSED,
  HF_OUTCOME_DISCARDED,
  HF_OUTCOME_DELETED,
  HF_OUTCOME_REMOVED_BY_FILTER,
  HF_OUTCOME_DECLARED,
  HF_N_OUTCOMES,
} HfOutcome;

/* HF_REASON_ROW (name, text, explanation, proof): text is the JSON detail,
 * explanation and proof are for people and only given where there is doubt. */
#define HF_REASONS(ROW)                                                                            \
  ROW (NONE, NULL, NULL, NULL)                                                                     \
  ROW (QUEUED, "queued", NULL, NULL)                                                               \
  ROW (DEFERRED, "deferred", NULL, NULL)                                                           \
  ROW (HELD, "held", NULL, NULL)                                                                   \
  ROW (STUCK, "stuck",                                                                             \
       "The queue manager dies each time it opens this queue file.",                               \
       "Look at the file with postcat; move it out of the queue, or delete it.")                   \
  ROW (REQUEUED, "requeued",                                                                       \
       "It was put back to be queued again, under a new id that the log has not named yet.", NULL) \
  ROW (REFUSED, "refused", NULL, NULL)                                                             \
  ROW (ABORTED, "not finished by the client", NULL, NULL)                                          \
  ROW (CANCELED, "canceled before it was accepted", NULL, NULL)                                    \
  ROW (PROBE, "address probe, no mail", NULL, NULL)                                                \
  ROW (UNCONFIRMED, "acceptance not seen",                                                         \
       "The log does not say whether the MTA answered 250.",                                       \
       "A later log with a line of the queue manager for this id.")                                \
  ROW (GAP, "gap in the log",                                                                      \
       "Log lines are missing while this message was in the queue; its end may be among them.",    \
       "The missing lines from another copy of the log (journald, a log host), or the queue.")     \
  ROW (UNREAD, "a line could not be read",                                                         \
       "A line tells what became of recipients of this message, and could be read in two ways, or " \
       "breaks off: what it quotes of a client or of another host looks like a part of the line.",  \
       "The line itself, among the evidence; or the log of the host it was handed to.")             \
  ROW (LATER_FILTER, "removed, perhaps by a later filter",                                         \
       "The queue file was removed, all work done, but no line tells what became of this "         \
       "recipient. A filter that stands after the acceptance (a milter that deletes "              \
       "recipients, as a quarantine does) leaves just this trace; so does loss.",                  \
       "The log or the quarantine of the filters on this host. If none can delete recipients, "    \
       "say so with --last: then this is lost mail.")                                              \
  ROW (BULK_DELETED, "bulk deletion",                                                              \
       "It was in the queue when an operator deleted messages in bulk; postsuper logs only how "   \
       "many, not which, and this one was not seen since.",                                        \
       "Who ran postsuper -d ALL, and why; or a later line about this id.")                        \
  ROW (RENAMED, "queue files renamed",                                                             \
       "postsuper gave the queue files new names (a restored or moved queue), so it may live on "  \
       "under an id that cannot be matched.",                                                      \
       "The queue listing, by sender and arrival time.")                                           \
  ROW (ID_REUSED, "queue id used again",                                                           \
       "A new message got the same queue id, so the old queue file is gone; no line tells how.",   \
       "Whether log lines are missing; otherwise, who removed the file.")                          \
  ROW (VANISHED, "queue file vanished",                                                            \
       "The queue manager found the file gone when it wanted to remove it, and no operator's act "  \
       "is logged.",                                                                               \
       "Whether someone removes files from the queue directory by hand or by script.")             \
  ROW (DEAD_LETTER, "saved as dead letter",                                                        \
       "Sendmail could neither deliver nor return it, and saved it outside the queue.",            \
       "The file named; it holds the message.")                                                    \
  ROW (CHILD_UNSEEN, "passed on, and not seen again",                                              \
       "It was handed on under a new queue id of this host, and no line of the log knows that id.", \
       "The queue listing; or the log of the instance that it was handed to.")                     \
  ROW (SILENT, "silent for too long",                                                              \
       "It was deferred, which means another attempt within hours, but nothing was logged of it "  \
       "for days.",                                                                                \
       "The queue listing: if the id is not there, the queue file was removed by other means.")    \
  ROW (LOG_LEVEL, "Sendmail's LogLevel too low",                                                   \
       "No line names this recipient, and Sendmail does not tell what aliases become: it may be "  \
       "one with another recipient of the message.",                                               \
       "A log at LogLevel 11 or more (12 shows by itself that it is).")                            \
  ROW (NO_RECORD, "removed without a record",                                                      \
       "The queue file was removed, all work done, and no line tells what became of this "         \
       "recipient; no filter that could have removed it follows, and no log line is missing.",     \
       "Nothing more is needed: the sender believes it was delivered.")                            \
  ROW (CORRUPT, "corrupt queue file",                                                              \
       "The queue file is damaged and was put aside; Postfix will never try it again, and tells "  \
       "nobody.",                                                                                  \
       "The file is in the directory corrupt/ of the queue: look at it with postcat.")             \
  ROW (LOST_FILE, "lost queue file (Qf)",                                                          \
       "Sendmail gave the queue file up and renamed it to Qf; it is never tried again.",           \
       "The file is in the queue directory: mailq -qL lists it.")

typedef enum
{
#define HF_REASON_ENUM(name, text, explanation, proof) HF_REASON_##name,
  HF_REASONS (HF_REASON_ENUM)
#undef HF_REASON_ENUM
  HF_N_REASONS,
} HfReason;

const gchar *hf_state_name (HfState state);
/* PROVISIONAL, the first, for NULL and for what is no state's name. */
HfState hf_state_parse (const gchar *name);

/* NULL for HF_OUTCOME_NONE. */
const gchar *hf_outcome_name (HfOutcome outcome);
HfOutcome hf_outcome_parse (const gchar *name);

const gchar *hf_reason_text (HfReason reason);
const gchar *hf_reason_explanation (HfReason reason);
const gchar *hf_reason_proof (HfReason reason);

/* TRUE when nobody told the sender: discarded, deleted, removed, declared. */
gboolean hf_outcome_is_silent (HfOutcome outcome);

G_END_DECLS
