/* speaker.h - how Postfix and Sendmail speak the milter protocol
 *
 * What was recorded of Postfix 3.7.11 and Sendmail 8.17.1: what they offer,
 * which macros they send before which command, when the queue id is among
 * them, and which commands need a reply or are not sent at all after what the
 * filter asked for.  Makes octets, sends none: mclient.c and drive.c do.
 */
#pragma once

#include "tests/client/packet.h"

G_BEGIN_DECLS

typedef struct McMta McMta;

extern const McMta mc_postfix;
extern const McMta mc_sendmail;

/* "postfix" or "sendmail"; NULL for another name. */
const McMta *mc_mta_find (const gchar *name);
const gchar *mc_mta_name (const McMta *mta);

/* The commands whose macros can be listed, in the order of SMFIM_*. */
#define MC_STAGES (SMFIM_LAST + 1)

typedef struct
{
  const McMta *mta;
  guint32 version; /* offered; once agreed, the lower one */
  guint32 flags;   /* offered SMFIP_*; once agreed, what the filter asked for */
  guint32 actions; /* offered SMFIF_*; once agreed, what the filter asked for */
  gchar *lists[MC_STAGES]; /* macros the filter asked for by smfi_setsymlist, or NULL */
  GHashTable *values;      /* name to value: "{client_addr}" to "192.0.2.1" */
  guint recipients;        /* RCPT commands since MAIL */
} McSpeaker;

/**
 * mc_speaker_init:
 * @mta: borrowed; must outlive @self
 * @version: 6, or an older one (2 to 4), with which less is offered
 *
 * Sets the macros' values that a connection from 192.0.2.1 would have.
 */
void mc_speaker_init (McSpeaker *self, const McMta *mta, guint32 version);
void mc_speaker_clear (McSpeaker *self);

/* Sets a macro, by the name the MTA sends ("i", "{auth_authen}"); NULL unsets. */
void mc_speaker_set_macro (McSpeaker *self, const gchar *name, const gchar *value);

/**
 * mc_speaker_agree:
 * @answer: the filter's SMFIC_OPTNEG
 * @error: set on FALSE: HF_ERROR_CORRUPT
 *
 * Takes over version, actions, flags and macro lists.  FALSE when it is no
 * such packet, is cut, or asks for more than was offered, which makes an MTA
 * end the connection.
 */
gboolean mc_speaker_agree (McSpeaker *self, const McPacket *answer, GError **error);

/* Whether the MTA sends @command at all, and whether it waits for a reply. */
gboolean mc_speaker_sends (const McSpeaker *self, gchar command);
gboolean mc_speaker_awaits (const McSpeaker *self, gchar command);

/**
 * mc_speaker_put_macros:
 *
 * Appends the macros that the MTA sends before @command, or nothing.  To be
 * called once for each command in its order, also for one that is then not
 * sent: MAIL and RCPT are counted, because Postfix has no queue id until the
 * first recipient was taken.
 */
void mc_speaker_put_macros (McSpeaker *self, GByteArray *out, gchar command);

/* Whether the MTA says ABORT after a message that got its answer (Postfix), or
 * only for one that was given up (Sendmail). */
gboolean mc_speaker_aborts_always (const McSpeaker *self);

G_END_DECLS
