/* message.c - a whole message said to a filter, as an MTA does; see mclient.h */
#include <config.h>

#include "tests/client/mclient.h"

gboolean
mc_client_begin (McClient *self, GError **error)
{
  g_auto (McReply) reply = MC_REPLY_INIT;

  return mc_client_negotiate (self, error)
         && mc_client_conn (self, "client.example.net", "192.0.2.1", &reply, error)
         && mc_client_helo (self, "client.example.net", &reply, error);
}

/* The steps of one message.  Each returns FALSE for a lost connection; @reply
 * other than MC_CONTINUE ends the message. */
static gboolean
say_recipients (McClient *self, const McMessage *message, McReply *reply, GError **error)
{
  gboolean taken = FALSE;

  for (const gchar *const *const *rcpt = message->rcpts; rcpt != NULL && *rcpt != NULL; rcpt++)
    {
      if (!mc_client_rcpt (self, *rcpt, reply, error))
        return FALSE;
      if (reply->verdict == MC_ACCEPT || reply->verdict == MC_DISCARD || reply->verdict == MC_SHUTDOWN)
        return TRUE;
      taken |= reply->verdict == MC_CONTINUE;
    }
  if (taken)
    mc_reply_clear (reply);
  return TRUE;
}

static gboolean
say_headers (McClient *self, const McMessage *message, McReply *reply, GError **error)
{
  for (const McHeader *header = message->headers; header != NULL && header->name != NULL; header++)
    {
      if (!mc_client_header (self, header->name, header->value, reply, error))
        return FALSE;
      if (reply->verdict == MC_SKIP)
        break;
      if (reply->verdict != MC_CONTINUE)
        return TRUE;
    }
  return mc_client_eoh (self, reply, error);
}

static gboolean
say_body (McClient *self, const McMessage *message, McReply *reply, GError **error)
{
  if (!mc_client_body (self, message->body, message->body_size, reply, error))
    return FALSE;
  if (reply->verdict == MC_SKIP)
    mc_reply_clear (reply);
  return TRUE;
}

static gboolean
say_mail (McClient *self, const McMessage *message, McReply *reply, GError **error)
{
  return mc_client_mail (self, message->mail, reply, error);
}

static gboolean
say_data (McClient *self, const McMessage *message, McReply *reply, GError **error)
{
  return mc_client_data (self, reply, error);
}

static gboolean
say_eom (McClient *self, const McMessage *message, McReply *reply, GError **error)
{
  return mc_client_eom (self, reply, error);
}

typedef struct
{
  gchar stage;
  gboolean (*say) (McClient *, const McMessage *, McReply *, GError **);
} Step;

static const Step steps[] = {
  { SMFIC_MAIL, say_mail },      { SMFIC_RCPT, say_recipients }, { SMFIC_DATA, say_data },
  { SMFIC_HEADER, say_headers }, { SMFIC_BODY, say_body },       { SMFIC_BODYEOB, say_eom },
};

/* TRUE: the message went through, or @out_stage got the answer that ended it. */
static gboolean
say_message (McClient *self, const McMessage *message, McReply *reply, gchar *out_stage, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (steps) && reply->verdict == MC_CONTINUE; i++)
    {
      *out_stage = steps[i].stage;
      if (!steps[i].say (self, message, reply, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
mc_client_message (McClient *self, const McMessage *message, McReply *out_reply, gchar *out_stage,
                   GError **error)
{
  gchar stage = SMFIC_MAIL;

  if (message->queue_id != NULL)
    mc_speaker_set_macro (mc_client_speaker (self), "i", message->queue_id);
  mc_reply_clear (out_reply);
  if (!say_message (self, message, out_reply, &stage, error))
    return FALSE;
  if (out_stage != NULL)
    *out_stage = stage;
  if (stage == SMFIC_BODYEOB && !mc_speaker_aborts_always (mc_client_speaker (self)))
    return TRUE;
  return out_reply->verdict == MC_SHUTDOWN || mc_client_abort (self, error);
}
