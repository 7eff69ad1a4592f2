/* packet.c - packets of the milter protocol; see packet.h */
#include <config.h>

#include "tests/client/packet.h"

#include <string.h>

/* Above any reply: smfi_setmlreply ends at 32 lines of 980 octets, and a body
 * is replaced in chunks of 64 KiB. */
#define LARGEST_REPLY (16u * 1024 * 1024)

static void
put_u32 (GByteArray *out, guint32 number)
{
  guint32 network = g_htonl (number);

  g_byte_array_append (out, (const guint8 *) &network, sizeof network);
}

static void
put_string (GByteArray *out, const gchar *text)
{
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text) + 1);
}

/* Begins a packet whose length end_packet() fills in. */
static guint
begin_packet (GByteArray *out, gchar command)
{
  guint start = out->len;

  put_u32 (out, 0);
  g_byte_array_append (out, (const guint8 *) &command, 1);
  return start;
}

static void
end_packet (GByteArray *out, guint start)
{
  guint32 network = g_htonl (out->len - start - 4);

  memcpy (out->data + start, &network, sizeof network);
}

void
mc_put (GByteArray *out, gchar command, gconstpointer data, gsize size)
{
  guint start = begin_packet (out, command);

  if (size > 0)
    g_byte_array_append (out, data, (guint) size);
  end_packet (out, start);
}

void
mc_put_bare (GByteArray *out, gchar command)
{
  mc_put (out, command, NULL, 0);
}

void
mc_put_offer (GByteArray *out, guint32 version, guint32 actions, guint32 flags)
{
  guint start = begin_packet (out, SMFIC_OPTNEG);

  put_u32 (out, version);
  put_u32 (out, actions);
  put_u32 (out, flags);
  end_packet (out, start);
}

void
mc_put_words (GByteArray *out, gchar command, const gchar *const *words)
{
  guint start = begin_packet (out, command);

  for (; *words != NULL; words++)
    put_string (out, *words);
  end_packet (out, start);
}

void
mc_put_connect (GByteArray *out, const gchar *host, gchar family, guint16 port,
                const gchar *address)
{
  guint start = begin_packet (out, SMFIC_CONNECT);
  guint16 network = g_htons (port);

  put_string (out, host);
  g_byte_array_append (out, (const guint8 *) &family, 1);
  if (family != SMFIA_UNKNOWN)
    {
      g_byte_array_append (out, (const guint8 *) &network, sizeof network);
      put_string (out, address);
    }
  end_packet (out, start);
}

void
mc_put_macros (GByteArray *out, gchar command, const gchar *const *pairs)
{
  guint start = begin_packet (out, SMFIC_MACRO);

  g_byte_array_append (out, (const guint8 *) &command, 1);
  for (; *pairs != NULL; pairs++)
    put_string (out, *pairs);
  end_packet (out, start);
}

void
mc_put_body (GByteArray *out, gconstpointer body, gsize size)
{
  const guint8 *p = body;

  for (gsize left = size; left > 0;)
    {
      gsize chunk = MIN (left, MILTER_CHUNK_SIZE);

      mc_put (out, SMFIC_BODY, p, chunk);
      p += chunk;
      left -= chunk;
    }
}

guint32
mc_get_u32 (const guint8 *data)
{
  guint32 network;

  memcpy (&network, data, sizeof network);
  return g_ntohl (network);
}

McTake
mc_take (gconstpointer data, gsize size, McPacket *out_packet, gsize *out_used)
{
  const guint8 *p = data;
  guint32 length;

  if (size < 4)
    return MC_TAKE_PARTIAL;
  length = mc_get_u32 (p);
  if (length == 0 || length > LARGEST_REPLY)
    return MC_TAKE_BAD;
  if (size - 4 < length)
    return MC_TAKE_PARTIAL;
  out_packet->code = (gchar) p[4];
  out_packet->data = p + 5;
  out_packet->size = length - 1;
  *out_used = 4 + (gsize) length;
  return MC_TAKE_WHOLE;
}

gboolean
mc_packet_is_final (const McPacket *packet)
{
  switch (packet->code)
    {
    case SMFIR_PROGRESS:
    case SMFIR_ADDRCPT:
    case SMFIR_DELRCPT:
    case SMFIR_ADDRCPT_PAR:
    case SMFIR_REPLBODY:
    case SMFIR_CHGFROM:
    case SMFIR_ADDHEADER:
    case SMFIR_INSHEADER:
    case SMFIR_CHGHEADER:
    case SMFIR_QUARANTINE:
      return FALSE;
    default:
      return TRUE;
    }
}

/* "451 4.3.0 text", or lines "451-…" of one code, the last "451 …". */
static McVerdict
verdict_of_code (const McPacket *packet)
{
  g_autofree gchar *text = mc_packet_text (packet);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint count = g_strv_length (lines);

  for (guint i = 0; i < count; i++)
    {
      const gchar *line = lines[i];
      gchar separator = i + 1 < count ? '-' : ' ';

      if (strlen (line) < 3 || strncmp (line, lines[0], 3) != 0 || !g_ascii_isdigit (line[1])
          || !g_ascii_isdigit (line[2])
          || (line[3] != separator && !(line[3] == '\0' && i + 1 == count)))
        return MC_INVALID;
    }
  if (count == 0)
    return MC_INVALID;
  return lines[0][0] == '4' ? MC_TEMPFAIL : lines[0][0] == '5' ? MC_REJECT : MC_INVALID;
}

McVerdict
mc_packet_verdict (const McPacket *packet)
{
  if (packet->code == SMFIR_REPLYCODE)
    return verdict_of_code (packet);
  if (packet->size != 0)
    return MC_INVALID;
  switch (packet->code)
    {
    case SMFIR_CONTINUE:
      return MC_CONTINUE;
    case SMFIR_ACCEPT:
      return MC_ACCEPT;
    case SMFIR_TEMPFAIL:
      return MC_TEMPFAIL;
    case SMFIR_REJECT:
      return MC_REJECT;
    case SMFIR_DISCARD:
      return MC_DISCARD;
    case SMFIR_SKIP:
      return MC_SKIP;
    case SMFIR_SHUTDOWN:
    case SMFIR_CONN_FAIL:
      return MC_SHUTDOWN;
    default:
      return MC_INVALID;
    }
}

gchar *
mc_packet_text (const McPacket *packet)
{
  GString *text;

  if (packet->code != SMFIR_REPLYCODE)
    return NULL;
  text = g_string_sized_new (packet->size);
  for (gsize i = 0; i < packet->size && packet->data[i] != '\0'; i++)
    {
      gchar c = (gchar) packet->data[i];

      if (c == '\r' && i + 1 < packet->size && packet->data[i + 1] == '\n')
        continue;
      if (c == '%' && i + 1 < packet->size && packet->data[i + 1] == '%')
        i++;
      g_string_append_c (text, c);
    }
  return g_string_free (text, FALSE);
}

const gchar *
mc_verdict_name (McVerdict verdict)
{
  static const gchar *const names[] = { "continue", "accept", "tempfail", "reject",
                                        "discard",  "skip",   "shutdown", "invalid" };

  return names[verdict];
}
