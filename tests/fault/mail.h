/* mail.h - messages that can be told apart, and what must come back of them
 *
 * A mail's number makes its sender, its recipients and every octet of it, so
 * that a copy found in a journal can be compared with what was sent, and one
 * that was never sent stands out.
 */
#pragma once

#include "milter/filter/transaction.h"
#include "tests/client/mclient.h"

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  FT_NO_ANSWER,  /* not sent, or the filter was gone before it spoke */
  FT_TAKEN,      /* the client may have been told 250 */
  FT_TEMPFAILED, /* 4xx */
  FT_WRONG,      /* anything else: 5xx, discarded, accepted unread */
} FtAnswer;

typedef struct
{
  guint number;
  gchar *sender;      /* "n12@example.org" */
  gchar *queue;
  GPtrArray *rcpts;   /* of gchar *, without brackets */
  GArray *headers;    /* of McHeader, ended by a NULL name */
  GByteArray *body;
  GByteArray *octets; /* header, empty line, body: what a copy must be */
  FtAnswer answer;
  guint64 answered_at; /* for a caller that counts time by calls */
} FtMail;

/* All that was sent to one spool. */
typedef struct
{
  GPtrArray *mails; /* of FtMail *, by number */
} FtAccount;

void ft_account_init (FtAccount *self);
void ft_account_clear (FtAccount *self);

/* Adds a mail with a body of about @size octets.  Owned by the account. */
FtMail *ft_account_add (FtAccount *self, gsize size);

/* Says all of the mail to a transaction that was begun. */
void ft_mail_say (const FtMail *self, HfTransaction *txn);

/* Says it through the milter protocol.  FALSE: the connection was lost.  The
 * answer is set in @self. */
gboolean ft_mail_send (FtMail *self, McClient *client, McReply *out_reply, GError **error);

/* What a spool holds, compared with an account. */
typedef struct
{
  guint64 answered;   /* mails taken */
  guint64 found;      /* of these, found whole, with the right octets and envelope */
  guint64 lost;       /* of these, not */
  guint64 half;       /* shown as whole, and not what was sent */
  guint64 unmarked;   /* tempfailed, whole, and without a void mark */
  guint64 torn;       /* told as torn */
  guint64 damaged;    /* told as damaged */
  guint64 breaks;     /* of the chain */
} FtFindings;

/**
 * ft_account_compare:
 * @spool: looked at as `holdfast list` would
 * @upto: only mails whose answered_at is not above this count as answered
 * @flags: HF_READ_VERIFY, or HF_READ_SKIM to see what a reader without digests sees
 * @whole: (nullable): gets the numbers of mails found whole, of guint
 * @why: (nullable): gets a line for each thing that is wrong
 *
 * TRUE when the journal could be read.  A mark on a mail that was taken counts
 * as lost: nobody would send it again.
 */
gboolean ft_account_compare (const FtAccount *self, const gchar *spool, guint64 upto, HfReadFlags flags,
                             FtFindings *out_findings, GArray *whole, GString *why);

/* Nothing lost, nothing half. */
gboolean ft_findings_good (const FtFindings *self);

G_END_DECLS
