/* accounts-private.h - the inside of the accounts
 *
 *   accounts.c   lines in, lines kept as evidence
 *   visits.c     SMTP sessions, whose lines are evidence for their messages
 *   envelope.c   messages of the journal, and which mail of the log is theirs
 *   judge-….c    what one recipient came to: see judge-private.h
 *   judge.c      what is written of it, and what the queue has
 *   restore.c    the open accounts of an earlier run (their lines: restore-lines.h)
 */
#pragma once

#include "milter/audit/accounts.h"
#include "milter/audit/intake.h"
#include "milter/audit/slot.h"

G_BEGIN_DECLS

/* Longest line that is kept. */
#define HF_EVIDENCE_LINE_MAX 4000

typedef struct HfMail HfMail;
typedef struct HfEnvelope HfEnvelope;

/* The detail of what is only known from a record that was carried forward. */
#define HF_CARRIED_DETAIL "so when it was carried forward"

/* What looks at the queue told of a message that no line names: it stands here, because
 * it has no lines that a sighting could stand among. */
#define HF_ABSENT_DETAIL "acceptance not seen; not in the queue at "
#define HF_UNCONFIRMED_DETAIL "acceptance not seen; the log is past it, and it is in no queue"

/* One recipient of an envelope. */
typedef struct
{
  gchar *address;
  GRefString *detail; /* nullable; many are told the same */
  HfFinding finding; /* as last written */
  gboolean declared; /* settled by an operator's act */
  gboolean carried;  /* finding is the carried record's: it holds until a line of the log names the recipient */
} HfSlot;

struct HfEnvelope
{
  HfId id; /* first, so that an envelope is its own key in HfAccounts.envelopes */
  guint n_slots;
  HfEnvelope *next_same_queue; /* unmatched ones */
  gchar *queue;       /* NULL where the journal has none, and as soon as @mail tells it */
  gchar *sender;      /* the same */
  gchar *void_reason; /* NULL: the filter claims no failure */
  gint64 at_ms;
  gint64 absent_ms;   /* as in HfMail, while @mail is NULL */
  HfMail *mail;       /* NULL: the log has not named it */
  guint absent : 2;
  guint changed : 1;  /* in HfAccounts.changed_envelopes */
  guint carried : 1;  /* it was carried forward, so void it was not, whatever an older mark claims */
  HfSlot slots[];
};

/* What is known of a mail and not written yet. */
typedef struct
{
  GString *lines;     /* nullable: evidence */
  guint64 first_seq;  /* of lines */
  gchar *message_id;  /* nullable */
  GPtrArray *legs;    /* nullable; of HfLeg: changed; NULL stands for the unnamed */
} HfDraft;

/* A message of the log that the books still have. */
struct HfMail
{
  HfMail *next_same_queue; /* unmatched ones */
  guint64 n;          /* 0: known from lines that were kept for others; nothing is written of it */
  const HfMessage *message;
  HfEnvelope *envelope;
  HfDraft *draft;     /* NULL when there is nothing to write */
  guint64 last_seq;   /* of the newest evidence */
  gint64 absent_ms;   /* of the first snapshot that did not list it; 0 */
  gint64 unseen_ms;   /* the same for messages that it was forwarded as */
  guint absent : 2;   /* snapshots in a row that did not list it, up to 2 */
  guint unseen : 2;   /* the same for messages that it was forwarded as, and no line has named */
  guint corrupt : 1;  /* the queue's corrupt/ or a Qf file has it */
  guint listed : 1;   /* the newest snapshot listed it */
  guint changed : 1;  /* in HfAccounts.changed_mails */
  guint described : 1; /* what the ledger has of it is what is known */
  guint accepted : 1; /* as described */
  guint has_sender : 1, has_parent : 1;
  guint told_rest : 1; /* recipients that no line names were written */
  guint as_restored : 1; /* no new evidence since the restart: what was written stands */
};

/* A time of which lines are missing. */
typedef struct
{
  gint64 begin_ms, end_ms; /* end_ms is G_MAXINT64 until a line tells */
} HfHole;

struct HfAccounts
{
  HfAccountsSettings settings;
  HfDaybook *daybook;
  HfBooks *books;
  HfIntake intake;
  gboolean restoring;
  gint64 now_ms;

  GHashTable *mails;          /* serial to HfMail */
  GHashTable *envelopes;      /* HfEnvelope by id */
  GHashTable *loose_mails;    /* queue id to HfMail without an envelope */
  GHashTable *loose_envelopes; /* queue id to HfEnvelope without a mail */
  GPtrArray *changed_mails, *changed_envelopes;
  guint64 last_mail, last_incident, last_snapshot;

  /* the line being entered */
  HfSlice raw;
  guint64 seq;
  guint64 source, offset, number;
  GHashTable *numbers;        /* while restoring: "QUEUE HOST" to the mails' numbers, a GQueue */
  GHashTable *originals;      /* what is known of an MTA's way with rewritten recipients, see judge-slot.c */
  GHashTable *sources;        /* "device:inode" to number */
  guint64 last_source;
  GHashTable *sessions;       /* "host pid" to who is connected, see visits.c */
  gchar *told_sessions;       /* as last written */
  guint known_gaps;
  GArray *holes;              /* of HfHole, in the order of the log */
  gint64 first_line_ms;       /* of the log, as far as its messages tell; -1 */
  gint64 known_line_ms;       /* the newest of an earlier run; -1 */
  gint64 newest_line_ms, newest_envelope_ms;
};

/* accounts.c */
void hf_mail_mark (HfAccounts *self, HfMail *mail);
void hf_mail_free (gpointer mail);
HfDraft *hf_mail_draft (HfMail *mail);
void hf_mail_drop_draft (HfMail *mail);
HfMail *hf_mail_of (HfAccounts *self, const HfMessage *message);
void hf_mail_add_line (HfAccounts *self, HfMail *mail, guint64 seq, guint64 source, guint64 offset, guint64 number,
                       HfSlice text);
/* "SEQ SOURCE OFFSET NUMBER TEXT" and LF, as evidence is kept. */
void hf_evidence_append (GString *out, guint64 seq, guint64 source, guint64 offset, guint64 number, HfSlice text);
void hf_accounts_add_hole (HfAccounts *self, gint64 begin_ms, gint64 end_ms);
void hf_accounts_enter (HfAccounts *self, HfClock *clock, HfSlice raw, HfPosition at);
void hf_accounts_add_time (HfStatementBuilder *builder, const gchar *key, gint64 at_ms);

/* visits.c */
GHashTable *hf_accounts_sessions_new (void);
void hf_accounts_session_begin (HfAccounts *self, const HfLogEvent *event);
void hf_accounts_session_policy (HfAccounts *self, const HfLogEvent *event);
void hf_accounts_session_join (HfAccounts *self, HfMail *mail, const HfLogEvent *event);
void hf_accounts_session_end (HfAccounts *self, const HfLogEvent *event);
void hf_accounts_sessions_tell (HfAccounts *self);

/* envelope.c */
void hf_slot_set_detail (HfSlot *slot, const gchar *detail);
void hf_envelope_mark (HfAccounts *self, HfEnvelope *envelope);
void hf_envelope_free (gpointer envelope);
HfEnvelope *hf_envelope_add (HfAccounts *self, const gchar *id, const gchar *queue, gint64 at_ms, guint n_slots);
void hf_envelope_forget (HfAccounts *self, HfEnvelope *envelope);
void hf_envelope_bind (HfAccounts *self, HfEnvelope *envelope, HfMail *mail);
void hf_mail_set_loose (HfAccounts *self, HfMail *mail, gboolean loose);
void hf_mail_match (HfAccounts *self, HfMail *mail);
void hf_envelopes_match (HfAccounts *self);

/* What a recipient came to, and the words for it. */
typedef struct
{
  HfFinding finding;
  gchar *detail;
  gint64 since_ms; /* of the newest line that had a say; -1: none */
} HfVerdict;

/* What all recipients of an envelope are together; found once, for all ask. */
typedef struct
{
  guint n_named;         /* a line names them */
  gboolean were_merged;  /* the MTA counted fewer than the envelope has: it made one of two */
  gboolean has_surplus;  /* the MTA counted more that no line names than the envelope has of them */
  gboolean any_expanded; /* then: one of them became others, by a line */
} HfNaming;

/* judge-slot.c, and judge-rewritten.c, which learns */
void hf_judge_slot (const HfAccounts *self, const HfEnvelope *envelope, const HfSlot *slot, const HfNaming *naming,
                    HfVerdict *out);
void hf_judge_naming (const HfEnvelope *envelope, HfNaming *out_naming);

/* What the mail of an envelope shows of the MTA's way with rewritten recipients. */
void hf_judge_learn (const HfAccounts *self, const HfEnvelope *envelope);

/* TRUE when the log should have told by @at_ms that it was accepted or that it was not. */
gboolean hf_judge_is_overdue (const HfAccounts *self, const HfEnvelope *envelope, gint64 at_ms);

/* Nothing is known of it since the restart, nor of what it was passed on to. */
gboolean hf_judge_is_as_restored (const HfAccounts *self, const HfMail *mail);

/* judge.c */
void hf_judge_mail (HfAccounts *self, HfMail *mail);
void hf_judge_envelope (HfAccounts *self, HfEnvelope *envelope);

/* What recipient number @index came to, as its slot has it. */
void hf_judge_write_fate (HfAccounts *self, const HfEnvelope *envelope, guint index, gint64 at_ms);

/* Takes up what a look at the queue told of it in an earlier run. */
void hf_mail_restore_sighting (HfMail *mail, HfSlice line);
void hf_envelope_restore_sighting (HfEnvelope *envelope, const HfSlot *slot);

G_END_DECLS
