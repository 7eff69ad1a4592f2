/* load.c - many milter connections at once, from one thread; see load.h
 *
 * An open connection is in one of three states: it waits for the answer to
 * its offer, it sends a run of the script, or it waits for the reply to it.
 */
#include <config.h>

#include "tests/bench/load.h"

#include "milter/base/error.h"
#include "tests/client/dial.h"
#include "tests/client/mclient.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define VECTORS 128
#define REFUSED_IN_A_ROW 100 /* connections, before the run is given up */

typedef enum
{
  NEGOTIATING,
  SENDING,
  WAITING,
} State;

/* While it is open it always has a message in its charge. */
typedef struct
{
  int fd;           /* -1: not open */
  guint generation; /* counts what fd was */
  State state;
  gboolean watches_output;
  guint8 *own; /* the script's octets with this message's id */
  GByteArray *in;
  const GByteArray *prefix;
  ScriptStep run;
  guint next_step;
  gsize sent;
  guint64 number; /* of the message */
  guint said;     /* messages begun over this connection */
  gint64 message_at, sent_at, since; /* microseconds; `since`: for the limit */
} Connection;

typedef struct
{
  const LoadPlan *plan;
  LoadResult *result;
  Script *script;
  GByteArray *offer;
  GByteArray *agreed; /* the filter's answer to the first offer */
  Connection *connections;
  int epoll_fd;
  guint64 begun; /* messages given to a connection */
  guint64 first_id;
  guint refused_in_a_row;
} Load;

static void
watch (Load *load, Connection *c, int operation, gboolean output)
{
  struct epoll_event event = { .events = EPOLLIN | (output ? (guint32) EPOLLOUT : 0), .data.ptr = c };

  if (epoll_ctl (load->epoll_fd, operation, c->fd, &event) < 0)
    g_error ("epoll_ctl: %s", g_strerror (errno));
  c->watches_output = output;
}

static void
hang_up (Connection *c)
{
  if (c->fd >= 0)
    close (c->fd);
  c->fd = -1;
  c->generation++;
}

static void
count_other (Load *load, const gchar *why)
{
  load->result->other++;
  if (load->result->first_other == NULL)
    load->result->first_other = g_strdup (why);
}

/* A filter that is gone must not be asked a million times. */
static void
count_refused (Load *load, const gchar *why)
{
  count_other (load, why);
  if (++load->refused_in_a_row < REFUSED_IN_A_ROW)
    return;
  load->result->other += load->plan->messages - load->begun;
  load->begun = load->plan->messages;
}

/* Opens the connection for the next message, if one is left. */
static void
connect_next (Load *load, Connection *c)
{
  while (c->fd < 0 && load->begun < load->plan->messages)
    {
      g_autoptr (GError) error = NULL;

      c->number = ++load->begun;
      c->fd = mc_dial (load->plan->socket_spec, load->plan->limit_ms, &error);
      if (c->fd < 0)
        count_refused (load, error->message);
    }
  if (c->fd < 0)
    return;
  load->result->connections++;
  load->refused_in_a_row = 0;
  c->state = NEGOTIATING;
  c->said = 0;
  c->since = g_get_monotonic_time ();
  g_byte_array_set_size (c->in, 0);
  watch (load, c, EPOLL_CTL_ADD, FALSE);
  /* 17 octets into an empty buffer are never short; a lost peer shows at reading. */
  (void) !send (c->fd, load->offer->data, load->offer->len, MSG_NOSIGNAL);
}

static void
lose (Load *load, Connection *c, const gchar *why)
{
  count_other (load, why);
  hang_up (c);
  connect_next (load, c);
}

static void
part (Load *load, Connection *c)
{
  const GByteArray *quit = load->script->quit;

  (void) !send (c->fd, quit->data, quit->len, MSG_NOSIGNAL);
  hang_up (c);
  connect_next (load, c);
}

static void
send_run (Load *load, Connection *c)
{
  for (;;)
    {
      struct iovec vectors[VECTORS];
      struct msghdr header = { .msg_iov = vectors };
      ssize_t n;

      header.msg_iovlen = script_fill (load->script, c->own, c->prefix, &c->run, c->sent, vectors, VECTORS);
      if (header.msg_iovlen == 0)
        break;
      n = sendmsg (c->fd, &header, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN)
        {
          if (!c->watches_output)
            watch (load, c, EPOLL_CTL_MOD, TRUE);
          return;
        }
      if (n < 0)
        {
          lose (load, c, g_strerror (errno));
          return;
        }
      c->sent += (gsize) n;
      c->since = g_get_monotonic_time ();
    }
  if (c->watches_output)
    watch (load, c, EPOLL_CTL_MOD, FALSE);
  c->state = WAITING;
  c->sent_at = c->since;
}

static void
start_run (Load *load, Connection *c, guint step, const GByteArray *prefix)
{
  c->prefix = prefix;
  c->run = script_run (load->script, step, &c->next_step);
  c->sent = 0;
  c->state = SENDING;
  c->since = g_get_monotonic_time ();
  if (step <= load->script->greeting_steps && c->next_step > load->script->greeting_steps)
    c->message_at = c->since;
  send_run (load, c);
}

static void
start_message (Load *load, Connection *c, guint step, const GByteArray *prefix)
{
  script_set_id (load->script, c->own, load->first_id + c->number);
  c->said++;
  start_run (load, c, step, prefix);
}

static void
after_message (Load *load, Connection *c, gboolean given_up)
{
  const Script *script = load->script;
  gboolean full = load->plan->per_connection > 0 && c->said >= load->plan->per_connection;

  if (full || load->begun >= load->plan->messages)
    {
      part (load, c);
      return;
    }
  c->number = ++load->begun;
  start_message (load, c, script->greeting_steps, given_up ? script->abort : script->next);
}

static void
count_refusal (Load *load, const McPacket *packet, McVerdict verdict)
{
  g_autofree gchar *text = mc_packet_text (packet);

  if (verdict != MC_TEMPFAIL)
    {
      count_other (load, text != NULL ? text : mc_verdict_name (verdict));
      return;
    }
  load->result->tempfailed++;
  if (load->result->first_refusal == NULL)
    load->result->first_refusal = g_strdup (text != NULL ? text : "tempfail");
}

static void
count_accepted (Load *load, const Connection *c)
{
  gint64 now = g_get_monotonic_time ();
  guint32 message_us = (guint32) (now - c->message_at);
  guint32 eom_us = (guint32) (now - c->sent_at);

  load->result->accepted++;
  g_array_append_val (load->result->message_us, message_us);
  g_array_append_val (load->result->eom_us, eom_us);
}

/* After these an MTA has no more to say to the filter on this connection. */
static gboolean
ends_connection (const Connection *c, const McPacket *packet, McVerdict verdict)
{
  return verdict == MC_SHUTDOWN || c->run.awaits == SMFIC_CONNECT || c->run.awaits == SMFIC_HELO
         || (verdict == MC_TEMPFAIL && packet->size >= 3 && memcmp (packet->data, "421", 3) == 0);
}

/* A final reply to the run that was sent. */
static void
take_reply (Load *load, Connection *c, const McPacket *packet)
{
  McVerdict verdict = mc_packet_verdict (packet);
  gboolean last = c->run.awaits == SMFIC_BODYEOB;

  if (!last && verdict == MC_CONTINUE)
    start_run (load, c, c->next_step, NULL);
  else if (verdict == MC_SKIP && c->run.awaits == SMFIC_BODY)
    start_run (load, c, load->script->steps->len - 1, NULL);
  else if (last && (verdict == MC_CONTINUE || verdict == MC_ACCEPT))
    {
      count_accepted (load, c);
      after_message (load, c, FALSE);
    }
  else
    {
      count_refusal (load, packet, verdict);
      if (ends_connection (c, packet, verdict))
        part (load, c);
      else
        after_message (load, c, !last);
    }
}

static gboolean
is_agreed (const Load *load, const guint8 *packet, gsize size)
{
  return size == load->agreed->len && memcmp (packet, load->agreed->data, size) == 0;
}

static void
take_packet (Load *load, Connection *c, const McPacket *packet, gsize size)
{
  c->since = g_get_monotonic_time ();
  if (c->state == NEGOTIATING && is_agreed (load, packet->data - 5, size))
    start_message (load, c, 0, NULL);
  else if (c->state == NEGOTIATING)
    lose (load, c, "the filter agreed to other options than before");
  else if (packet->code == SMFIR_PROGRESS)
    load->result->progress++;
  else if (c->state == SENDING)
    lose (load, c, "the filter answered before a reply was due");
  else if (mc_packet_is_final (packet))
    take_reply (load, c, packet);
}

static void
take_packets (Load *load, Connection *c)
{
  guint generation = c->generation;
  McPacket packet;
  gsize used;

  /* Taking a packet may end the connection and open the next in its place. */
  while (c->fd >= 0 && c->generation == generation)
    switch (mc_take (c->in->data, c->in->len, &packet, &used))
      {
      case MC_TAKE_PARTIAL:
        return;
      case MC_TAKE_BAD:
        lose (load, c, "the filter sent a packet of absurd length");
        return;
      case MC_TAKE_WHOLE:
        take_packet (load, c, &packet, used);
        if (c->generation == generation)
          g_byte_array_remove_range (c->in, 0, (guint) used);
      }
}

static void
on_readable (Load *load, Connection *c)
{
  guint8 chunk[4096];
  ssize_t n = recv (c->fd, chunk, sizeof chunk, 0);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n <= 0)
    {
      lose (load, c, n == 0 ? "the filter ended the connection" : g_strerror (errno));
      return;
    }
  g_byte_array_append (c->in, chunk, (guint) n);
  take_packets (load, c);
}

static guint
count_open (const Load *load)
{
  guint open = 0;

  for (guint i = 0; i < load->plan->connections; i++)
    open += load->connections[i].fd >= 0;
  return open;
}

static void
end_late (Load *load)
{
  gint64 oldest = g_get_monotonic_time () - (gint64) load->plan->limit_ms * 1000;

  for (guint i = 0; i < load->plan->connections; i++)
    if (load->connections[i].fd >= 0 && load->connections[i].since < oldest)
      lose (load, &load->connections[i], "the filter did not answer within the limit");
}

static void
handle (Load *load, const struct epoll_event *event)
{
  Connection *c = event->data.ptr;
  guint generation = c->generation;

  if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
    on_readable (load, c);
  if ((event->events & EPOLLOUT) != 0 && c->generation == generation && c->state == SENDING)
    send_run (load, c);
}

static void
run_connections (Load *load)
{
  struct epoll_event events[64];
  gint64 looked = g_get_monotonic_time ();

  for (guint i = 0; i < load->plan->connections; i++)
    connect_next (load, &load->connections[i]);
  while (count_open (load) > 0)
    {
      int n = epoll_wait (load->epoll_fd, events, G_N_ELEMENTS (events), 500);

      for (int i = 0; i < n; i++)
        handle (load, &events[i]);
      if (g_get_monotonic_time () - looked < 500000)
        continue;
      end_late (load);
      looked = g_get_monotonic_time ();
    }
}

/* Asks the filter once what it wants, and builds the script from the answer. */
static gboolean
prepare (Load *load, GError **error)
{
  const LoadPlan *plan = load->plan;
  g_autoptr (McClient) client = mc_client_connect (plan->socket_spec, plan->mta, plan->limit_ms, error);

  if (client == NULL)
    return FALSE;
  mc_client_offer_version (client, plan->version);
  if (!mc_client_negotiate_raw (client, load->offer, load->agreed, error))
    return FALSE;
  load->script = script_new (mc_client_speaker (client), &plan->message);
  return mc_client_quit (client, error);
}

static void
init_connections (Load *load)
{
  load->connections = g_new0 (Connection, load->plan->connections);
  for (guint i = 0; i < load->plan->connections; i++)
    {
      load->connections[i].fd = -1;
      load->connections[i].in = g_byte_array_new ();
      load->connections[i].own = g_memdup2 (load->script->own->data, load->script->own->len);
    }
}

static void
clear_connections (Load *load)
{
  for (guint i = 0; i < load->plan->connections; i++)
    {
      g_byte_array_unref (load->connections[i].in);
      g_free (load->connections[i].own);
    }
  g_free (load->connections);
}

gboolean
load_run (const LoadPlan *plan, LoadResult *out_result, GError **error)
{
  Load load = { .plan = plan, .result = out_result };
  g_autoptr (GByteArray) offer = g_byte_array_new ();
  g_autoptr (GByteArray) agreed = g_byte_array_new ();
  g_autoptr (Script) script = NULL;
  gint64 started;

  memset (out_result, 0, sizeof *out_result);
  load.offer = offer;
  load.agreed = agreed;
  /* Ids that two runs do not share: seconds above, messages below. */
  load.first_id = ((guint64) g_get_real_time () / G_USEC_PER_SEC & 0xfffff) << 20;
  if (!prepare (&load, error))
    return FALSE;
  script = load.script;
  load.epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (load.epoll_fd < 0)
    return hf_error_set_errno (error, errno, "epoll", "cannot wait for connections");
  out_result->message_us = g_array_new (FALSE, FALSE, sizeof (guint32));
  out_result->eom_us = g_array_new (FALSE, FALSE, sizeof (guint32));
  init_connections (&load);
  started = g_get_monotonic_time ();
  run_connections (&load);
  out_result->elapsed_us = g_get_monotonic_time () - started;
  clear_connections (&load);
  close (load.epoll_fd);
  return TRUE;
}

void
load_result_clear (LoadResult *self)
{
  g_clear_pointer (&self->message_us, g_array_unref);
  g_clear_pointer (&self->eom_us, g_array_unref);
  g_clear_pointer (&self->first_refusal, g_free);
  g_clear_pointer (&self->first_other, g_free);
}
