/* mclient.h - a filter's other side: an MTA's end of one milter connection
 *
 * For tests, fault sweeps and fuzzers: a blocking client that says to a
 * filter what Postfix or Sendmail would (speaker.h), one function a command,
 * and one for a whole message.  Raw octets go out by mc_client_send(), for
 * what no MTA would say.
 *
 * Every call ends within the client's limit.  FALSE always means that the
 * connection is of no more use: HF_ERROR_LATE (no reply in time),
 * HF_ERROR_IO (refused, reset, closed), HF_ERROR_CORRUPT (not the protocol).
 * A filter that says no is no error: see McReply.
 *
 * Calls the system itself, never through hf_sys: faults injected there are
 * the filter's.  Threads: one client, one thread at a time.
 */
#pragma once

#include "tests/client/speaker.h"

G_BEGIN_DECLS

typedef struct McClient McClient;

/* What the filter answered to a command.  Where no reply is due, or the filter
 * does not want the command, verdict is MC_CONTINUE and code is 0. */
typedef struct
{
  McVerdict verdict;
  gchar code;     /* SMFIR_… of the final packet */
  guint smtp;     /* 451; 0 where the filter gave no text */
  gchar *text;    /* "451 4.3.0 message not stored: …", or NULL */
  guint progress; /* packets of SMFIR_PROGRESS before it */
  guint edits;    /* requests to change the message before it */
} McReply;

#define MC_REPLY_INIT { .verdict = MC_CONTINUE }
void mc_reply_clear (McReply *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (McReply, mc_reply_clear)

/**
 * mc_client_connect:
 * @spec: as mc_dial() takes it
 * @mta: whose habits to take on
 * @limit_ms: for each wait, this one included
 *
 * Connects, and waits while the backlog of the filter is full.  Does not
 * negotiate.
 */
McClient *mc_client_connect (const gchar *spec, const McMta *mta, gint limit_ms, GError **error);

/* The same over a connected socket, which is taken over and made non-blocking. */
McClient *mc_client_new (int fd, const McMta *mta, gint limit_ms);
void mc_client_free (McClient *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (McClient, mc_client_free)

/* Another limit from now on. */
void mc_client_set_limit (McClient *self, gint limit_ms);

/* The socket, borrowed. */
int mc_client_fd (const McClient *self);

/* What was offered and agreed, and the macros' values; to be changed freely. */
McSpeaker *mc_client_speaker (McClient *self);

/* Offers version 6, or what mc_client_offer_version() set before, and agrees. */
gboolean mc_client_negotiate (McClient *self, GError **error);
void mc_client_offer_version (McClient *self, guint32 version);
/* The same, and appends both packets as they were on the wire. */
gboolean mc_client_negotiate_raw (McClient *self, GByteArray *offer, GByteArray *answer, GError **error);

/* One command each, with its macros.  @out_reply is cleared and set; it may be
 * NULL where the answer is of no interest. */
gboolean mc_client_conn (McClient *self, const gchar *host, const gchar *address, McReply *out_reply,
                         GError **error);
gboolean mc_client_helo (McClient *self, const gchar *name, McReply *out_reply, GError **error);
gboolean mc_client_mail (McClient *self, const gchar *const *words, McReply *out_reply, GError **error);
gboolean mc_client_rcpt (McClient *self, const gchar *const *words, McReply *out_reply, GError **error);
gboolean mc_client_data (McClient *self, McReply *out_reply, GError **error);
gboolean mc_client_unknown (McClient *self, const gchar *line, McReply *out_reply, GError **error);

/* @value as it stands after the colon, blanks included: one is cut off when
 * the filter did not ask for exact headers.  Folded lines are joined by LF. */
gboolean mc_client_header (McClient *self, const gchar *name, const gchar *value, McReply *out_reply,
                           GError **error);
gboolean mc_client_eoh (McClient *self, McReply *out_reply, GError **error);

/* In chunks of 65,535 octets; ends early at a reply that is not MC_CONTINUE.
 * After MC_SKIP it is complete.  Sends nothing for an empty body. */
gboolean mc_client_body (McClient *self, gconstpointer body, gsize size, McReply *out_reply,
                         GError **error);
/* Waits for the final reply; each progress packet starts the limit again. */
gboolean mc_client_eom (McClient *self, McReply *out_reply, GError **error);

gboolean mc_client_abort (McClient *self, GError **error);
gboolean mc_client_quit (McClient *self, GError **error);
/* QUIT_NC: the same connection then takes a new mc_client_conn(). */
gboolean mc_client_quit_nc (McClient *self, GError **error);

typedef struct
{
  const gchar *name;
  const gchar *value;
} McHeader;

/* One message; all borrowed.  Fields that are NULL are left out. */
typedef struct
{
  const gchar *queue_id;
  const gchar *const *mail;         /* "<a@example.net>", "SIZE=100", NULL */
  const gchar *const *const *rcpts; /* the same for each, ended by NULL */
  const McHeader *headers;          /* ended by a NULL name */
  gconstpointer body;
  gsize body_size;
} McMessage;

/**
 * mc_client_message:
 * @out_reply: the reply that decided: end-of-message's, or an earlier one
 * @out_stage: (nullable): the command it answered
 *
 * MAIL to end-of-message, as an MTA goes through it: refused recipients are
 * left out, the first refusal or acceptance of the message ends it, and ABORT
 * follows where the MTA sends one.  When all recipients are refused, the last
 * refusal is the reply.
 */
gboolean mc_client_message (McClient *self, const McMessage *message, McReply *out_reply,
                            gchar *out_stage, GError **error);

/* Negotiation, CONNECT and HELO with 192.0.2.1 for a client. */
gboolean mc_client_begin (McClient *self, GError **error);

/* For what no MTA would say.  Whatever was held back goes out first. */
gboolean mc_client_send (McClient *self, gconstpointer data, gsize size, GError **error);
gboolean mc_client_send_packet (McClient *self, gchar command, gconstpointer data, gsize size,
                                GError **error);
/* Sends what was held back because no reply was due. */
gboolean mc_client_flush (McClient *self, GError **error);
/* Reads a final packet, whatever it answers. */
gboolean mc_client_read_reply (McClient *self, McReply *out_reply, GError **error);
/* Ends the sending direction only. */
void mc_client_shutdown (McClient *self);
/* TRUE when the filter ends the connection within the limit; octets that
 * come before that are thrown away. */
gboolean mc_client_wait_closed (McClient *self);

G_END_DECLS
