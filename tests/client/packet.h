/* packet.h - packets of the milter protocol, put together and taken apart
 *
 * A packet is a length of four octets in network order, a command octet and
 * its data.  Command and reply letters are those of libmilter/mfdef.h; what
 * each carries is written in Postfix's src/milter/milter8.c.  No input or
 * output happens here: mclient.c and tests/bench/drive.c do that.
 */
#pragma once

#include <glib.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

G_BEGIN_DECLS

/* Appends one packet.  @data may hold anything: nothing is checked, because
 * hostile input is made with it too. */
void mc_put (GByteArray *out, gchar command, gconstpointer data, gsize size);

/* Appends a packet without data (DATA, EOH, end-of-message, ABORT, QUIT …). */
void mc_put_bare (GByteArray *out, gchar command);

/* Appends the MTA's offer: SMFIC_OPTNEG. */
void mc_put_offer (GByteArray *out, guint32 version, guint32 actions, guint32 flags);

/* Appends a packet of NUL-terminated strings: one for HELO, two for a header,
 * the address and its parameters for MAIL and RCPT.  @words ends with NULL. */
void mc_put_words (GByteArray *out, gchar command, const gchar *const *words);

/* Appends SMFIC_CONNECT.  @family is one of SMFIA_*; @port and @address are
 * left out for SMFIA_UNKNOWN. */
void mc_put_connect (GByteArray *out, const gchar *host, gchar family, guint16 port,
                     const gchar *address);

/* Appends SMFIC_MACRO for the stage @command: pairs of name and value, ended
 * by NULL. */
void mc_put_macros (GByteArray *out, gchar command, const gchar *const *pairs);

/* Appends the body in chunks as MTAs cut it, 65,535 octets each. */
void mc_put_body (GByteArray *out, gconstpointer body, gsize size);

/* A packet found in a buffer; @data points into that buffer. */
typedef struct
{
  gchar code;
  const guint8 *data;
  gsize size;
} McPacket;

typedef enum
{
  MC_TAKE_WHOLE,   /* one packet, its length in out_used */
  MC_TAKE_PARTIAL, /* more octets are needed */
  MC_TAKE_BAD,     /* a length no filter sends: 0, or above 16 MiB */
} McTake;

/**
 * mc_take:
 * @data: octets received; borrowed, and pointed into by @out_packet
 * @out_packet: set for MC_TAKE_WHOLE
 * @out_used: set for MC_TAKE_WHOLE: octets of @data the packet took
 */
McTake mc_take (gconstpointer data, gsize size, McPacket *out_packet, gsize *out_used);

/* Reads a number of four octets in network order. */
guint32 mc_get_u32 (const guint8 *data);

typedef enum
{
  MC_CONTINUE, /* also: no reply is due */
  MC_ACCEPT,
  MC_TEMPFAIL, /* SMFIR_TEMPFAIL, or a reply code 4xx */
  MC_REJECT,   /* SMFIR_REJECT, or a reply code 5xx */
  MC_DISCARD,
  MC_SKIP,
  MC_SHUTDOWN, /* SMFIR_SHUTDOWN or SMFIR_CONN_FAIL */
  MC_INVALID,  /* not a reply, or one that no MTA takes */
} McVerdict;

/* FALSE for progress and for edits, which other packets follow. */
gboolean mc_packet_is_final (const McPacket *packet);

/* What a final reply means.  A reply code is checked as Postfix does: a digit
 * 4 or 5, two digits, a blank or hyphen, and the same code in every line. */
McVerdict mc_packet_verdict (const McPacket *packet);

/* The text of a reply code: `%%` made `%`, lines divided by LF, without the
 * trailing NUL.  NULL for other packets.  Freed by the caller. */
gchar *mc_packet_text (const McPacket *packet);

const gchar *mc_verdict_name (McVerdict verdict);

G_END_DECLS
