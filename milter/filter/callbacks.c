/* callbacks.c - libmilter's callbacks: the MTA's words become a transaction
 *
 * Only MAIL and the end of the message are answered; a failure elsewhere is
 * latched in the transaction.  libmilter runs the callbacks of one connection
 * one after the other, but on any of its threads.
 *
 * No path here accepts a message early or discards it (P3): the end of the
 * message is either SMFIS_CONTINUE after a commit, or a 4xx.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/filter/answer.h"
#include "milter/filter/callbacks.h"
#include "milter/filter/transaction.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How often a waiting MTA is told that we are still there; Sendmail's limit for
 * a reply is 10 s by default. */
#define PROGRESS_MS 2000

typedef struct
{
  gchar *client; /* "name[address]" */
  gchar *helo;
  gboolean counted; /* in filter->open */
  HfTransaction txn;
} HfConnection;

static HfFilter *the_filter;

/* What was negotiated last holds for a connection that follows another without a
 * negotiation of its own (SMFIC_QUIT_NC).  Atomic. */
static gint lead_space;

/* ---- connections ---- */

static HfConnection *
get_connection (SMFICTX *ctx)
{
  return smfi_getpriv (ctx);
}

/* The connection's context; made where the MTA left the first stages out. */
static HfConnection *
need_connection (SMFICTX *ctx)
{
  HfConnection *self = smfi_getpriv (ctx);

  if (self != NULL)
    return self;
  self = g_new0 (HfConnection, 1);
  hf_transaction_init (&self->txn, &the_filter->area);
  self->txn.lead_space = g_atomic_int_get (&lead_space);
  if (smfi_setpriv (ctx, self) == MI_SUCCESS)
    return self;
  hf_transaction_clear (&self->txn);
  g_free (self);
  return NULL;
}

static void
end_transaction (HfConnection *self)
{
  hf_transaction_end (&self->txn);
  if (self->counted)
    g_atomic_int_add (&the_filter->open, -1);
  self->counted = FALSE;
}

static gchar *
describe_client (const gchar *host, const _SOCK_ADDR *address)
{
  gchar text[INET6_ADDRSTRLEN] = "";

  if (address != NULL && address->sa_family == AF_INET)
    inet_ntop (AF_INET, &((const struct sockaddr_in *) (gconstpointer) address)->sin_addr, text, sizeof text);
  else if (address != NULL && address->sa_family == AF_INET6)
    inet_ntop (AF_INET6, &((const struct sockaddr_in6 *) (gconstpointer) address)->sin6_addr, text, sizeof text);
  if (text[0] == '\0')
    return g_strdup (host);
  return g_strdup_printf ("%s[%s]", host != NULL ? host : "unknown", text);
}

/* ---- answers ---- */

/* Logs the event and tells the client: the one place where a reply is made. */
static sfsistat
refuse (SMFICTX *ctx, HfEventCode event, const gchar *what, const HfFacts *facts, const GError *error)
{
  HfAnswer answer;
  g_autofree gchar *reply = NULL;

  hf_answer_make (what, error, event, &facts->id, &answer);
  reply = g_strdup_printf ("%s %s", answer.code, answer.enhanced);
  hf_event (event, error, "queue", facts->queue, "id", facts->id.text, "client", facts->client, "reply", reply, NULL);
  /* Without the text the MTA says its own 451: still a 4xx. */
  smfi_setreply (ctx, (char *) (guintptr) answer.code, (char *) (guintptr) answer.enhanced, answer.text);
  return SMFIS_TEMPFAIL;
}

static sfsistat
refuse_message (SMFICTX *ctx, HfConnection *self, const GError *error)
{
  const HfEventCode event = g_error_matches (error, HF_ERROR, HF_ERROR_LATE) ? HF_EVENT_COMMIT_LATE
                            : strcmp (hf_error_step (error), "out-of-order") == 0 ? HF_EVENT_TRANSACTION_BROKEN
                                                                                   : HF_EVENT_MESSAGE_NOT_STORED;
  const sfsistat answer = refuse (ctx, event, "message not stored", &self->txn.facts, error);

  if (g_error_matches (error, HF_ERROR, HF_ERROR_IO) || g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND))
    hf_writer_doubt (the_filter->writer);
  hf_filter_note_answer (the_filter);
  end_transaction (self);
  return answer;
}

/* ---- the callbacks ----
 *
 * Where no reply was asked for, any other value than SMFIS_NOREPLY makes
 * libmilter complain to syslog, once a callback.  An MTA that knows no such
 * flags still gets its reply: libmilter then sends it by itself. */

/* Asks for exact header values, and for replies to MAIL and the end only.  DATA
 * and the end of the headers tell nothing that the next command does not, and
 * each command costs libmilter four system calls. */
static sfsistat
cb_negotiate (SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2, unsigned long f3,
              unsigned long *out_actions, unsigned long *out_steps, unsigned long *out_f2, unsigned long *out_f3)
{
  const unsigned long wanted = SMFIP_HDR_LEADSPC | SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_RCPT | SMFIP_NR_HDR
                               | SMFIP_NR_BODY | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOUNKNOWN;
  static const struct
  {
    int stage;
    const gchar *macros;
  } lists[] = {
    { SMFIM_CONNECT, "j {daemon_name} {client_addr}" },
    { SMFIM_ENVFROM, "i {auth_authen}" },
    { SMFIM_EOM, "i" },
  };
  HfConnection *self = need_connection (ctx);

  *out_actions = actions & SMFIF_SETSYMLIST;
  *out_steps = steps & wanted;
  *out_f2 = *out_f3 = 0;
  g_atomic_int_set (&lead_space, (steps & SMFIP_HDR_LEADSPC) != 0);
  if (self != NULL)
    self->txn.lead_space = (steps & SMFIP_HDR_LEADSPC) != 0;
  for (gsize i = 0; (actions & SMFIF_SETSYMLIST) != 0 && i < G_N_ELEMENTS (lists); i++)
    smfi_setsymlist (ctx, lists[i].stage, (char *) (guintptr) lists[i].macros);
  return SMFIS_CONTINUE;
}

static sfsistat
cb_connect (SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
  HfConnection *self = need_connection (ctx);

  if (self == NULL)
    return SMFIS_NOREPLY;
  g_free (self->client);
  self->client = describe_client (host, address);
  return SMFIS_NOREPLY;
}

static sfsistat
cb_helo (SMFICTX *ctx, char *helo)
{
  HfConnection *self = get_connection (ctx);

  if (self != NULL)
    {
      g_free (self->helo);
      self->helo = g_strdup (helo);
    }
  return SMFIS_NOREPLY;
}

static gchar *
dup_macro (SMFICTX *ctx, const gchar *name)
{
  const gchar *value = smfi_getsymval (ctx, (char *) (guintptr) name);

  return value != NULL && *value != '\0' ? g_strdup (value) : NULL;
}

static sfsistat
cb_mail (SMFICTX *ctx, char **argv)
{
  HfConnection *self = need_connection (ctx);
  g_autoptr (GError) error = NULL;
  HfFacts *facts;

  if (self == NULL)
    return SMFIS_TEMPFAIL;
  end_transaction (self);
  hf_transaction_begin (&self->txn);
  /* Counted before the look at draining, so that a stop that has seen no open
   * transaction is not followed by one. */
  g_atomic_int_inc (&the_filter->open);
  self->counted = TRUE;
  facts = &self->txn.facts;
  facts->client = g_strdup (self->client);
  facts->helo = g_strdup (self->helo);
  facts->daemon = dup_macro (ctx, "{daemon_name}");
  facts->auth = dup_macro (ctx, "{auth_authen}");
  if (!hf_filter_admit (the_filter, &error)
      || !hf_transaction_reserve (&self->txn, (const gchar *const *) argv, &error))
    {
      const sfsistat answer = refuse (ctx, HF_EVENT_MAIL_REFUSED, "try again later", facts, error);

      end_transaction (self);
      return answer;
    }
  hf_transaction_mail (&self->txn, (const gchar *const *) argv);
  return SMFIS_CONTINUE;
}

static sfsistat
cb_rcpt (SMFICTX *ctx, char **argv)
{
  HfConnection *self = get_connection (ctx);

  if (self != NULL)
    hf_transaction_rcpt (&self->txn, (const gchar *const *) argv);
  return SMFIS_NOREPLY;
}

static sfsistat
cb_header (SMFICTX *ctx, char *name, char *value)
{
  HfConnection *self = get_connection (ctx);

  if (self != NULL)
    hf_transaction_header (&self->txn, name, value);
  return SMFIS_NOREPLY;
}

static sfsistat
cb_body (SMFICTX *ctx, unsigned char *data, size_t size)
{
  HfConnection *self = get_connection (ctx);

  if (self != NULL)
    hf_transaction_body (&self->txn, data, size);
  return SMFIS_NOREPLY;
}

/* Waits for the writer's decision, telling the MTA that we are still there, or
 * gives up at the limit: then the writer can no longer say yes. */
static gboolean
wait_for_commit (SMFICTX *ctx, HfCommit *commit, GError **error)
{
  const gint64 limit_ms = g_atomic_int_get (&the_filter->commit_limit_ms);
  const gint64 until_ms = hf_sys_monotonic_ms () + limit_ms;
  HfCommitState state = HF_COMMIT_WAITING;

  for (gint64 left_ms = limit_ms; state == HF_COMMIT_WAITING && left_ms > 0;
       left_ms = until_ms - hf_sys_monotonic_ms ())
    {
      state = hf_commit_wait (commit, MIN (left_ms, PROGRESS_MS));
      if (state == HF_COMMIT_WAITING)
        smfi_progress (ctx);
    }
  if (state == HF_COMMIT_WAITING)
    state = hf_commit_abandon (commit);
  if (state == HF_COMMIT_DONE)
    return TRUE;
  if (state == HF_COMMIT_FAILED)
    g_propagate_error (error, g_error_copy (commit->error));
  else
    hf_error_set (error, HF_ERROR_LATE, "commit", "the journal did not take the message within %" G_GINT64_FORMAT " s",
                  limit_ms / 1000);
  return FALSE;
}

static gboolean
store (SMFICTX *ctx, HfTransaction *txn, GError **error)
{
  g_autoptr (HfCommit) commit = hf_transaction_finish (txn, error);

  if (commit == NULL)
    return FALSE;
  hf_writer_submit (the_filter->writer, commit);
  hf_nudge (&the_filter->nudge);
  if (!wait_for_commit (ctx, commit, error))
    return FALSE;
  hf_transaction_stored (txn);
  return TRUE;
}

/* Both MTAs give the queue id at the end of the message; Postfix not before the
 * second recipient. */
static void
learn_queue (SMFICTX *ctx, HfConnection *self)
{
  if (self->txn.facts.queue == NULL)
    hf_transaction_set_queue (&self->txn, smfi_getsymval (ctx, (char *) (guintptr) "i"));
}

static sfsistat
cb_eom (SMFICTX *ctx)
{
  HfConnection *self = need_connection (ctx);
  g_autoptr (GError) error = NULL;

  if (self == NULL)
    return SMFIS_TEMPFAIL;
  learn_queue (ctx, self);
  if (!self->txn.open)
    {
      hf_id_new (&self->txn.facts.id);
      hf_error_set (&error, HF_ERROR_CORRUPT, "out-of-order", "the MTA ended a message that it had not begun");
      return refuse_message (ctx, self, error);
    }
  if (!store (ctx, &self->txn, &error))
    return refuse_message (ctx, self, error);
  hf_filter_note_answer (the_filter);
  end_transaction (self);
  return SMFIS_CONTINUE;
}

static sfsistat
cb_abort (SMFICTX *ctx)
{
  HfConnection *self = get_connection (ctx);

  if (self != NULL)
    end_transaction (self);
  return SMFIS_CONTINUE;
}

static sfsistat
cb_close (SMFICTX *ctx)
{
  HfConnection *self = get_connection (ctx);

  if (self == NULL)
    return SMFIS_CONTINUE;
  smfi_setpriv (ctx, NULL);
  end_transaction (self);
  hf_transaction_clear (&self->txn);
  g_free (self->client);
  g_free (self->helo);
  g_free (self);
  return SMFIS_CONTINUE;
}

struct smfiDesc
hf_callbacks_describe (HfFilter *filter)
{
  static char name[] = "holdfast";

  the_filter = filter;
  return (struct smfiDesc){
    .xxfi_name = name,
    .xxfi_version = SMFI_VERSION,
    .xxfi_flags = SMFIF_SETSYMLIST,
    .xxfi_connect = cb_connect,
    .xxfi_helo = cb_helo,
    .xxfi_envfrom = cb_mail,
    .xxfi_envrcpt = cb_rcpt,
    .xxfi_header = cb_header,
    .xxfi_body = cb_body,
    .xxfi_eom = cb_eom,
    .xxfi_abort = cb_abort,
    .xxfi_close = cb_close,
    .xxfi_negotiate = cb_negotiate,
  };
}
