/* mclient.c - an MTA's end of one milter connection; see mclient.h
 *
 * Commands gather in `out` until a reply is due or a vstream of Postfix would
 * be full; Sendmail writes each at once.  What was received and not yet taken
 * apart waits in `in`.
 */
#include <config.h>

#include "tests/client/mclient.h"

#include "milter/base/error.h"
#include "tests/client/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_BACK 4096 /* VSTREAM_BUFSIZE of Postfix */

struct McClient
{
  int fd;
  gint limit_ms;
  McSpeaker speaker;
  GByteArray *out;
  GByteArray *in;
};

void
mc_reply_clear (McReply *self)
{
  g_free (self->text);
  memset (self, 0, sizeof *self);
}

McClient *
mc_client_new (int fd, const McMta *mta, gint limit_ms)
{
  McClient *self = g_new0 (McClient, 1);
  int flags = fcntl (fd, F_GETFL);

  fcntl (fd, F_SETFL, flags | O_NONBLOCK);
  self->fd = fd;
  self->limit_ms = limit_ms;
  self->out = g_byte_array_new ();
  self->in = g_byte_array_new ();
  mc_speaker_init (&self->speaker, mta, SMFI_PROT_VERSION);
  return self;
}

McClient *
mc_client_connect (const gchar *spec, const McMta *mta, gint limit_ms, GError **error)
{
  int fd = mc_dial (spec, limit_ms, error);

  return fd < 0 ? NULL : mc_client_new (fd, mta, limit_ms);
}

void
mc_client_free (McClient *self)
{
  if (self == NULL)
    return;
  close (self->fd);
  mc_speaker_clear (&self->speaker);
  g_byte_array_unref (self->out);
  g_byte_array_unref (self->in);
  g_free (self);
}

void
mc_client_set_limit (McClient *self, gint limit_ms)
{
  self->limit_ms = limit_ms;
}

int
mc_client_fd (const McClient *self)
{
  return self->fd;
}

McSpeaker *
mc_client_speaker (McClient *self)
{
  return &self->speaker;
}

void
mc_client_offer_version (McClient *self, guint32 version)
{
  const McMta *mta = self->speaker.mta;

  mc_speaker_clear (&self->speaker);
  mc_speaker_init (&self->speaker, mta, version);
}

/* Waits until the socket can be read or written, or the other end is gone. */
static gboolean
wait_for (McClient *self, short events, gint64 until_us, GError **error)
{
  for (;;)
    {
      gint64 left_us = until_us - g_get_monotonic_time ();
      struct pollfd waiting = { .fd = self->fd, .events = events };
      int n = left_us < 0 ? 0 : poll (&waiting, 1, (int) (left_us / 1000) + 1);

      if (n > 0)
        return TRUE;
      if (n == 0)
        return hf_error_set (error, HF_ERROR_LATE, "wait", "the filter did not %s within %d ms",
                             (events & POLLIN) != 0 ? "answer" : "read", self->limit_ms);
      if (errno != EINTR)
        return hf_error_set_errno (error, errno, "wait", "cannot wait for the filter");
    }
}

static gint64
limit_from_now (const McClient *self)
{
  return g_get_monotonic_time () + (gint64) self->limit_ms * 1000;
}

static gboolean
send_all (McClient *self, const guint8 *data, gsize size, GError **error)
{
  gint64 until_us = limit_from_now (self);

  while (size > 0)
    {
      ssize_t n = send (self->fd, data, size, MSG_NOSIGNAL);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno != EAGAIN)
        return hf_error_set_errno (error, errno, "send", "cannot send to the filter");
      if (n < 0 && !wait_for (self, POLLOUT, until_us, error))
        return FALSE;
      if (n > 0)
        {
          data += n;
          size -= (gsize) n;
          until_us = limit_from_now (self);
        }
    }
  return TRUE;
}

gboolean
mc_client_flush (McClient *self, GError **error)
{
  if (!send_all (self, self->out->data, self->out->len, error))
    return FALSE;
  g_byte_array_set_size (self->out, 0);
  return TRUE;
}

/* Receives at least one octet more. */
static gboolean
receive (McClient *self, gint64 until_us, GError **error)
{
  guint8 chunk[16384];
  ssize_t n;

  while ((n = recv (self->fd, chunk, sizeof chunk, 0)) < 0)
    {
      if (errno != EAGAIN && errno != EINTR)
        return hf_error_set_errno (error, errno, "receive", "cannot receive from the filter");
      if (errno == EAGAIN && !wait_for (self, POLLIN, until_us, error))
        return FALSE;
    }
  if (n == 0)
    return hf_error_set (error, HF_ERROR_IO, "receive", "the filter ended the connection");
  g_byte_array_append (self->in, chunk, (guint) n);
  return TRUE;
}

/* Takes one packet off `in`; it stays there until drop_packet(). */
static gboolean
read_packet (McClient *self, McPacket *out_packet, gsize *out_used, GError **error)
{
  gint64 until_us = limit_from_now (self);

  for (;;)
    {
      McTake take = mc_take (self->in->data, self->in->len, out_packet, out_used);

      if (take == MC_TAKE_WHOLE)
        return TRUE;
      if (take == MC_TAKE_BAD)
        return hf_error_set (error, HF_ERROR_CORRUPT, "receive", "the filter sent a packet of absurd length");
      if (!receive (self, until_us, error))
        return FALSE;
    }
}

static void
drop_packet (McClient *self, gsize used)
{
  g_byte_array_remove_range (self->in, 0, (guint) used);
}

static void
set_reply (McReply *self, const McPacket *packet)
{
  self->code = packet->code;
  self->verdict = mc_packet_verdict (packet);
  self->text = mc_packet_text (packet);
  self->smtp = self->text != NULL ? (guint) strtoul (self->text, NULL, 10) : 0;
}

/* Moves a reply to the caller, who may not want it. */
static void
hand_over (McReply *reply, McReply *out_reply)
{
  if (out_reply == NULL)
    return;
  mc_reply_clear (out_reply);
  *out_reply = *reply;
  reply->text = NULL;
}

gboolean
mc_client_read_reply (McClient *self, McReply *out_reply, GError **error)
{
  g_auto (McReply) reply = MC_REPLY_INIT;
  gboolean final = FALSE;

  while (!final)
    {
      McPacket packet;
      gsize used;

      if (!read_packet (self, &packet, &used, error))
        return FALSE;
      final = mc_packet_is_final (&packet);
      if (final)
        set_reply (&reply, &packet);
      else if (packet.code == SMFIR_PROGRESS)
        reply.progress++;
      else
        reply.edits++;
      drop_packet (self, used);
    }
  if (reply.verdict == MC_INVALID)
    return hf_error_set (error, HF_ERROR_CORRUPT, "receive", "the filter's reply is no reply: '%c' %s",
                         reply.code, reply.text != NULL ? reply.text : "");
  hand_over (&reply, out_reply);
  return TRUE;
}

/* After a command went to `out`: its reply, if one is due. */
static gboolean
finish_command (McClient *self, gchar command, McReply *out_reply, GError **error)
{
  if (out_reply != NULL)
    mc_reply_clear (out_reply);
  if (!mc_speaker_awaits (&self->speaker, command))
    return (self->speaker.mta == &mc_postfix && self->out->len < HELD_BACK) || mc_client_flush (self, error);
  return mc_client_flush (self, error) && mc_client_read_reply (self, out_reply, error);
}

static gboolean
say_words (McClient *self, gchar command, const gchar *const *words, McReply *out_reply, GError **error)
{
  mc_speaker_put_macros (&self->speaker, self->out, command);
  if (mc_speaker_sends (&self->speaker, command))
    mc_put_words (self->out, command, words);
  return finish_command (self, command, out_reply, error);
}

static gboolean
say_bare (McClient *self, gchar command, McReply *out_reply, GError **error)
{
  const gchar *const none[] = { NULL };

  return say_words (self, command, none, out_reply, error);
}

gboolean
mc_client_negotiate_raw (McClient *self, GByteArray *offer, GByteArray *answer, GError **error)
{
  McPacket packet;
  gsize used;
  gboolean agreed;

  mc_put_offer (offer, self->speaker.version, self->speaker.actions, self->speaker.flags);
  if (!mc_client_send (self, offer->data, offer->len, error) || !read_packet (self, &packet, &used, error))
    return FALSE;
  agreed = mc_speaker_agree (&self->speaker, &packet, error);
  g_byte_array_append (answer, self->in->data, (guint) used);
  drop_packet (self, used);
  return agreed;
}

gboolean
mc_client_negotiate (McClient *self, GError **error)
{
  g_autoptr (GByteArray) offer = g_byte_array_new ();
  g_autoptr (GByteArray) answer = g_byte_array_new ();

  return mc_client_negotiate_raw (self, offer, answer, error);
}

gboolean
mc_client_conn (McClient *self, const gchar *host, const gchar *address, McReply *out_reply, GError **error)
{
  gchar family = strchr (address, ':') != NULL ? SMFIA_INET6 : SMFIA_INET;

  mc_speaker_put_macros (&self->speaker, self->out, SMFIC_CONNECT);
  if (mc_speaker_sends (&self->speaker, SMFIC_CONNECT))
    mc_put_connect (self->out, host, family, 40000, address);
  return finish_command (self, SMFIC_CONNECT, out_reply, error);
}

gboolean
mc_client_helo (McClient *self, const gchar *name, McReply *out_reply, GError **error)
{
  const gchar *const words[] = { name, NULL };

  return say_words (self, SMFIC_HELO, words, out_reply, error);
}

gboolean
mc_client_mail (McClient *self, const gchar *const *words, McReply *out_reply, GError **error)
{
  return say_words (self, SMFIC_MAIL, words, out_reply, error);
}

gboolean
mc_client_rcpt (McClient *self, const gchar *const *words, McReply *out_reply, GError **error)
{
  g_auto (McReply) reply = MC_REPLY_INIT;

  if (!say_words (self, SMFIC_RCPT, words, &reply, error))
    return FALSE;
  if (reply.verdict != MC_CONTINUE)
    self->speaker.recipients--;
  hand_over (&reply, out_reply);
  return TRUE;
}

gboolean
mc_client_data (McClient *self, McReply *out_reply, GError **error)
{
  return say_bare (self, SMFIC_DATA, out_reply, error);
}

gboolean
mc_client_unknown (McClient *self, const gchar *line, McReply *out_reply, GError **error)
{
  const gchar *const words[] = { line, NULL };

  return say_words (self, SMFIC_UNKNOWN, words, out_reply, error);
}

gboolean
mc_client_header (McClient *self, const gchar *name, const gchar *value, McReply *out_reply, GError **error)
{
  gboolean exact = (self->speaker.flags & SMFIP_HDR_LEADSPC) != 0;
  const gchar *const words[] = { name, !exact && *value == ' ' ? value + 1 : value, NULL };

  return say_words (self, SMFIC_HEADER, words, out_reply, error);
}

gboolean
mc_client_eoh (McClient *self, McReply *out_reply, GError **error)
{
  return say_bare (self, SMFIC_EOH, out_reply, error);
}

gboolean
mc_client_body (McClient *self, gconstpointer body, gsize size, McReply *out_reply, GError **error)
{
  const guint8 *p = body;
  g_auto (McReply) reply = MC_REPLY_INIT;

  for (gsize left = size; left > 0 && reply.verdict == MC_CONTINUE;)
    {
      gsize chunk = MIN (left, MILTER_CHUNK_SIZE);

      mc_speaker_put_macros (&self->speaker, self->out, SMFIC_BODY);
      if (mc_speaker_sends (&self->speaker, SMFIC_BODY))
        mc_put (self->out, SMFIC_BODY, p, chunk);
      if (!finish_command (self, SMFIC_BODY, &reply, error))
        return FALSE;
      p += chunk;
      left -= chunk;
    }
  hand_over (&reply, out_reply);
  return TRUE;
}

gboolean
mc_client_eom (McClient *self, McReply *out_reply, GError **error)
{
  return say_bare (self, SMFIC_BODYEOB, out_reply, error);
}

gboolean
mc_client_abort (McClient *self, GError **error)
{
  return mc_client_send_packet (self, SMFIC_ABORT, NULL, 0, error);
}

gboolean
mc_client_quit (McClient *self, GError **error)
{
  return mc_client_send_packet (self, SMFIC_QUIT, NULL, 0, error);
}

gboolean
mc_client_quit_nc (McClient *self, GError **error)
{
  return mc_client_send_packet (self, SMFIC_QUIT_NC, NULL, 0, error);
}

gboolean
mc_client_send_packet (McClient *self, gchar command, gconstpointer data, gsize size, GError **error)
{
  mc_put (self->out, command, data, size);
  return mc_client_flush (self, error);
}

gboolean
mc_client_send (McClient *self, gconstpointer data, gsize size, GError **error)
{
  return mc_client_flush (self, error) && send_all (self, data, size, error);
}

void
mc_client_shutdown (McClient *self)
{
  shutdown (self->fd, SHUT_WR);
}

gboolean
mc_client_wait_closed (McClient *self)
{
  gint64 until_us = limit_from_now (self);
  g_autoptr (GError) error = NULL;

  while (receive (self, until_us, &error))
    g_byte_array_set_size (self->in, 0);
  return g_error_matches (error, HF_ERROR, HF_ERROR_IO);
}
