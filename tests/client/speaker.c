/* speaker.c - how Postfix and Sendmail speak the milter protocol; see speaker.h */
#include <config.h>

#include "tests/client/speaker.h"

#include "milter/base/error.h"

#include <string.h>

struct McMta
{
  const gchar *name;
  const gchar *lists[MC_STAGES]; /* the default milter macros of each stage */
  const gchar *const *values;    /* pairs, ended by NULL */
  gboolean queue_id_late;        /* no "i" before the first recipient was taken */
  gboolean repeats_macros;       /* sends them before each header and body chunk */
  gboolean aborts_always;
};

/* main.cf's milter_*_macros in their defaults. */
static const gchar *const postfix_values[] = {
  "j", "mx.example.org",
  "{daemon_name}", "mx.example.org",
  "{daemon_addr}", "192.0.2.25",
  "v", "Postfix 3.7.11",
  "_", "client.example.net [192.0.2.1]",
  "{client_addr}", "192.0.2.1",
  "{client_name}", "client.example.net",
  "{client_ptr}", "client.example.net",
  "{client_port}", "40000",
  "{mail_addr}", "sender@example.net",
  "{mail_host}", "example.net",
  "{mail_mailer}", "smtp",
  "{rcpt_addr}", "rcpt@example.org",
  "{rcpt_host}", "example.org",
  "{rcpt_mailer}", "smtp",
  "i", "4F1B2C0FFEE",
  NULL,
};

const McMta mc_postfix = {
  .name = "postfix",
  .lists = {
    [SMFIM_CONNECT] = "j {daemon_name} {daemon_addr} v _",
    [SMFIM_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    [SMFIM_ENVFROM] = "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    [SMFIM_ENVRCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    [SMFIM_DATA] = "i",
    [SMFIM_EOM] = "i",
    [SMFIM_EOH] = "i",
  },
  .values = postfix_values,
  .queue_id_late = TRUE,
  .repeats_macros = TRUE,
  .aborts_always = TRUE,
};

/* sendmail.mc's confMILTER_MACROS_* in their defaults. */
static const gchar *const sendmail_values[] = {
  "j", "mx.example.org",
  "_", "client.example.net [192.0.2.1]",
  "{daemon_name}", "MTA",
  "{if_name}", "mx.example.org",
  "{if_addr}", "192.0.2.25",
  "v", "8.17.1.9",
  "{client_addr}", "192.0.2.1",
  "{client_name}", "client.example.net",
  "{client_ptr}", "client.example.net",
  "{client_port}", "40000",
  "{mail_mailer}", "esmtp",
  "{mail_host}", "example.net.",
  "{mail_addr}", "sender@example.net",
  "{rcpt_mailer}", "relay",
  "{rcpt_host}", "[192.0.2.26]",
  "{rcpt_addr}", "rcpt@example.org",
  "{nrcpts}", "1",
  "{msg_id}", "<message@example.net>",
  "i", "6AMMfJVn006968",
  NULL,
};

const McMta mc_sendmail = {
  .name = "sendmail",
  .lists = {
    [SMFIM_CONNECT] = "j _ {daemon_name} {if_name} {if_addr}",
    [SMFIM_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    [SMFIM_ENVFROM] = "i {auth_type} {auth_authen} {auth_ssf} {auth_author} {mail_mailer} {mail_host} {mail_addr}",
    [SMFIM_ENVRCPT] = "{rcpt_mailer} {rcpt_host} {rcpt_addr}",
    [SMFIM_EOM] = "{msg_id}",
  },
  .values = sendmail_values,
};

/* What each command means to the negotiation. */
typedef struct
{
  gchar command;
  guint since;      /* the protocol's version that brought it */
  guint32 not_sent; /* SMFIP_NO…; 0: always sent */
  guint32 no_reply; /* SMFIP_NR_…; 0: always answered */
  gint stage;       /* SMFIM_…, or SMFIM_NOMACROS */
} CommandRow;

static const CommandRow command_rows[] = {
  { SMFIC_CONNECT, 2, SMFIP_NOCONNECT, SMFIP_NR_CONN, SMFIM_CONNECT },
  { SMFIC_HELO, 2, SMFIP_NOHELO, SMFIP_NR_HELO, SMFIM_HELO },
  { SMFIC_MAIL, 2, SMFIP_NOMAIL, SMFIP_NR_MAIL, SMFIM_ENVFROM },
  { SMFIC_RCPT, 2, SMFIP_NORCPT, SMFIP_NR_RCPT, SMFIM_ENVRCPT },
  { SMFIC_DATA, 4, SMFIP_NODATA, SMFIP_NR_DATA, SMFIM_DATA },
  { SMFIC_UNKNOWN, 3, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN, SMFIM_NOMACROS },
  { SMFIC_HEADER, 2, SMFIP_NOHDRS, SMFIP_NR_HDR, SMFIM_EOH },
  { SMFIC_EOH, 2, SMFIP_NOEOH, SMFIP_NR_EOH, SMFIM_EOH },
  { SMFIC_BODY, 2, SMFIP_NOBODY, SMFIP_NR_BODY, SMFIM_EOM },
  { SMFIC_BODYEOB, 2, 0, 0, SMFIM_EOM },
};

static const CommandRow *
find_row (gchar command)
{
  for (gsize i = 0; i < G_N_ELEMENTS (command_rows); i++)
    if (command_rows[i].command == command)
      return &command_rows[i];
  return NULL;
}

static guint32
flags_of_version (guint32 version)
{
  guint32 flags = SMFI_V2_PROT;

  if (version >= 3)
    flags |= SMFIP_NOUNKNOWN;
  if (version >= 4)
    flags |= SMFIP_NODATA;
  return version >= 6 ? SMFI_CURR_PROT : flags;
}

const McMta *
mc_mta_find (const gchar *name)
{
  if (strcmp (name, mc_postfix.name) == 0)
    return &mc_postfix;
  return strcmp (name, mc_sendmail.name) == 0 ? &mc_sendmail : NULL;
}

const gchar *
mc_mta_name (const McMta *mta)
{
  return mta->name;
}

void
mc_speaker_init (McSpeaker *self, const McMta *mta, guint32 version)
{
  memset (self, 0, sizeof *self);
  self->mta = mta;
  self->version = version;
  self->flags = flags_of_version (version);
  self->actions = version >= 6 ? SMFI_CURR_ACTS : SMFI_V2_ACTS;
  self->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (const gchar *const *pair = mta->values; *pair != NULL; pair += 2)
    mc_speaker_set_macro (self, pair[0], pair[1]);
}

void
mc_speaker_clear (McSpeaker *self)
{
  for (guint i = 0; i < MC_STAGES; i++)
    g_clear_pointer (&self->lists[i], g_free);
  g_clear_pointer (&self->values, g_hash_table_unref);
}

void
mc_speaker_set_macro (McSpeaker *self, const gchar *name, const gchar *value)
{
  if (value == NULL)
    g_hash_table_remove (self->values, name);
  else
    g_hash_table_replace (self->values, g_strdup (name), g_strdup (value));
}

/* After the three numbers: a stage and its macros' names, any number of times. */
static gboolean
take_lists (McSpeaker *self, const guint8 *data, gsize size, GError **error)
{
  while (size > 0)
    {
      const guint8 *end = size > 4 ? memchr (data + 4, '\0', size - 4) : NULL;
      guint32 stage = end != NULL ? mc_get_u32 (data) : MC_STAGES;

      if (stage >= MC_STAGES)
        return hf_error_set (error, HF_ERROR_CORRUPT, "negotiate", "the list of macros is cut or unknown");
      g_free (self->lists[stage]);
      self->lists[stage] = g_strdup ((const gchar *) data + 4);
      size -= (gsize) (end + 1 - data);
      data = end + 1;
    }
  return TRUE;
}

gboolean
mc_speaker_agree (McSpeaker *self, const McPacket *answer, GError **error)
{
  guint32 version, actions, flags;

  if (answer->code != SMFIC_OPTNEG || answer->size < MILTER_OPTLEN)
    return hf_error_set (error, HF_ERROR_CORRUPT, "negotiate",
                         "the answer to the offer is no offer: '%c' of %" G_GSIZE_FORMAT " octets",
                         answer->code, answer->size);
  version = mc_get_u32 (answer->data);
  actions = mc_get_u32 (answer->data + 4);
  flags = mc_get_u32 (answer->data + 8);
  if (version < 2 || version > self->version || (actions & ~self->actions) != 0
      || (flags & ~self->flags) != 0)
    return hf_error_set (error, HF_ERROR_CORRUPT, "negotiate",
                         "the filter asks for more than was offered: version %u, actions %#x, flags %#x",
                         version, actions, flags);
  self->version = version;
  self->actions = actions;
  self->flags = flags;
  return take_lists (self, answer->data + MILTER_OPTLEN, answer->size - MILTER_OPTLEN, error);
}

gboolean
mc_speaker_sends (const McSpeaker *self, gchar command)
{
  const CommandRow *row = find_row (command);

  return row == NULL || (row->since <= self->version && (row->not_sent & self->flags) == 0);
}

gboolean
mc_speaker_awaits (const McSpeaker *self, gchar command)
{
  const CommandRow *row = find_row (command);

  return row != NULL && mc_speaker_sends (self, command) && (row->no_reply & self->flags) == 0;
}

static gboolean
knows_queue_id (const McSpeaker *self, gint stage)
{
  if (stage == SMFIM_CONNECT || stage == SMFIM_HELO)
    return FALSE;
  if (!self->mta->queue_id_late)
    return TRUE;
  return stage != SMFIM_ENVFROM && !(stage == SMFIM_ENVRCPT && self->recipients <= 1);
}

static void
put_list (const McSpeaker *self, GByteArray *out, gchar command, gint stage, const gchar *list)
{
  g_auto (GStrv) names = g_strsplit_set (list, " ,", -1);
  g_autoptr (GPtrArray) pairs = g_ptr_array_new ();

  for (gchar **name = names; *name != NULL; name++)
    {
      gchar *value = g_hash_table_lookup (self->values, *name);

      if (value == NULL || (strcmp (*name, "i") == 0 && !knows_queue_id (self, stage)))
        continue;
      g_ptr_array_add (pairs, *name);
      g_ptr_array_add (pairs, value);
    }
  g_ptr_array_add (pairs, NULL);
  mc_put_macros (out, command, (const gchar *const *) pairs->pdata);
}

void
mc_speaker_put_macros (McSpeaker *self, GByteArray *out, gchar command)
{
  const CommandRow *row = find_row (command);
  const gchar *list;

  if (command == SMFIC_MAIL)
    self->recipients = 0;
  if (command == SMFIC_RCPT)
    self->recipients++;
  if (row == NULL || row->stage == SMFIM_NOMACROS || row->since > self->version)
    return;
  if ((command == SMFIC_HEADER || command == SMFIC_BODY) && !self->mta->repeats_macros)
    return;
  list = self->lists[row->stage] != NULL ? self->lists[row->stage] : self->mta->lists[row->stage];
  if (list != NULL && *list != '\0')
    put_list (self, out, command, row->stage, list);
}

gboolean
mc_speaker_aborts_always (const McSpeaker *self)
{
  return self->mta->aborts_always;
}
