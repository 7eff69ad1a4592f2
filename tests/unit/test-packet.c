/* test-packet.c - packets of the milter protocol are made and taken apart as recorded */
#include <config.h>

#include "tests/client/packet.h"
#include "tests/unit/tap.h"

#include <string.h>

static void
check_octets (const gchar *row, GByteArray *got, const gchar *want, gsize want_size)
{
  if (tap_check_int (row, got->len, want_size))
    tap_check (row, memcmp (got->data, want, want_size) == 0);
  g_byte_array_set_size (got, 0);
}

#define WANT(text) (text), sizeof (text) - 1

/* The octets are those of a Postfix 3.7.11, as recorded. */
static void
test_put (void)
{
  const gchar *const rcpt[] = { "<b@example.org>", "NOTIFY=FAILURE", NULL };
  const gchar *const header[] = { "To", " b@example.org", NULL };
  const gchar *const macros[] = { "i", "98809A720EB", NULL };
  const gchar *const none[] = { NULL };
  g_autoptr (GByteArray) out = g_byte_array_new ();

  mc_put_offer (out, 6, 0x1ff, 0x1fffff);
  check_octets ("offer", out, WANT ("\0\0\0\15O\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"));
  mc_put_connect (out, "localhost", SMFIA_INET, 0x932a, "127.0.0.1");
  check_octets ("connect", out, WANT ("\0\0\0\30Clocalhost\0004\x93*127.0.0.1\0"));
  mc_put_connect (out, "localhost", SMFIA_UNKNOWN, 0, NULL);
  check_octets ("connect from nowhere", out, WANT ("\0\0\0\14Clocalhost\0U"));
  mc_put_macros (out, SMFIC_DATA, macros);
  check_octets ("macros", out, WANT ("\0\0\0\20DTi\00098809A720EB\0"));
  mc_put_macros (out, SMFIC_HELO, none);
  check_octets ("no macros", out, WANT ("\0\0\0\2DH"));
  mc_put_words (out, SMFIC_RCPT, rcpt);
  check_octets ("recipient", out, WANT ("\0\0\0\40R<b@example.org>\0NOTIFY=FAILURE\0"));
  mc_put_words (out, SMFIC_HEADER, header);
  check_octets ("header", out, WANT ("\0\0\0\23LTo\0 b@example.org\0"));
  mc_put_bare (out, SMFIC_BODYEOB);
  check_octets ("end of message", out, WANT ("\0\0\0\1E"));
}

static void
test_body (void)
{
  static const struct
  {
    const gchar *name;
    gsize size;
    guint want_packets;
    gsize want_last;
  } rows[] = {
    { "empty", 0, 0, 0 },
    { "one octet", 1, 1, 1 },
    { "a full chunk", 65535, 1, 65535 },
    { "one more", 65536, 2, 1 },
    { "three chunks", 3 * 65535, 3, 65535 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GByteArray) out = g_byte_array_new ();
      g_autofree gchar *body = g_malloc0 (rows[i].size + 1);
      gsize at = 0, used, last = 0, all = 0;
      guint packets = 0;
      McPacket packet;

      mc_put_body (out, body, rows[i].size);
      for (; mc_take (out->data + at, out->len - at, &packet, &used) == MC_TAKE_WHOLE; at += used)
        {
          packets++;
          last = packet.size;
          all += packet.size;
        }
      tap_check_int (rows[i].name, at, out->len);
      tap_check_int (rows[i].name, packets, rows[i].want_packets);
      tap_check_int (rows[i].name, last, rows[i].want_last);
      tap_check_int (rows[i].name, all, rows[i].size);
    }
}

static void
test_take (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *data;
    gsize size;
    McTake want;
    gsize want_used;
  } rows[] = {
    { "nothing", "", 0, MC_TAKE_PARTIAL, 0 },
    { "half a length", "\0\0", 2, MC_TAKE_PARTIAL, 0 },
    { "a length", "\0\0\0\1", 4, MC_TAKE_PARTIAL, 0 },
    { "a bare packet", "\0\0\0\1c", 5, MC_TAKE_WHOLE, 5 },
    { "two of them", "\0\0\0\1c\0\0\0\1c", 10, MC_TAKE_WHOLE, 5 },
    { "data to come", "\0\0\0\3yab", 6, MC_TAKE_PARTIAL, 0 },
    { "length of nothing", "\0\0\0\0c", 5, MC_TAKE_BAD, 0 },
    { "absurd length", "\xff\xff\xff\xff" "c", 5, MC_TAKE_BAD, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      McPacket packet;
      gsize used = 0;

      tap_check_int (rows[i].name, mc_take (rows[i].data, rows[i].size, &packet, &used), rows[i].want);
      tap_check_int (rows[i].name, used, rows[i].want_used);
    }
}

static void
test_verdict (void)
{
  static const struct
  {
    const gchar *name;
    gchar code;
    const gchar *data;
    McVerdict want;
    const gchar *want_text;
  } rows[] = {
    { "continue", 'c', "", MC_CONTINUE, NULL },
    { "accept", 'a', "", MC_ACCEPT, NULL },
    { "tempfail", 't', "", MC_TEMPFAIL, NULL },
    { "reject", 'r', "", MC_REJECT, NULL },
    { "discard", 'd', "", MC_DISCARD, NULL },
    { "skip", 's', "", MC_SKIP, NULL },
    { "shutdown", '4', "", MC_SHUTDOWN, NULL },
    { "no reply at all", 'C', "", MC_INVALID, NULL },
    { "continue with data", 'c', "x", MC_INVALID, NULL },
    { "4xx", 'y', "451 4.3.0 message not stored", MC_TEMPFAIL, "451 4.3.0 message not stored" },
    { "5xx", 'y', "554 5.7.1 no", MC_REJECT, "554 5.7.1 no" },
    { "a percent sign", 'y', "451 4.3.0 100%% full", MC_TEMPFAIL, "451 4.3.0 100% full" },
    { "two lines", 'y', "451-one\r\n451 two", MC_TEMPFAIL, "451-one\n451 two" },
    { "a code alone", 'y', "451", MC_TEMPFAIL, "451" },
    { "2xx", 'y', "250 ok", MC_INVALID, "250 ok" },
    { "two codes", 'y', "451-one\r\n452 two", MC_INVALID, "451-one\n452 two" },
    { "a hyphen at the end", 'y', "451-one", MC_INVALID, "451-one" },
    { "no hyphen", 'y', "451 one\r\n451 two", MC_INVALID, "451 one\n451 two" },
    { "no digits", 'y', "4x1 one", MC_INVALID, "4x1 one" },
    { "empty", 'y', "", MC_INVALID, "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      McPacket packet = { rows[i].code, (const guint8 *) rows[i].data, strlen (rows[i].data) };
      g_autofree gchar *text = mc_packet_text (&packet);

      tap_check_str (rows[i].name, mc_verdict_name (mc_packet_verdict (&packet)), mc_verdict_name (rows[i].want));
      tap_check_str (rows[i].name, text, rows[i].want_text);
    }
}

static const TapTest tests[] = {
  { "put", test_put },
  { "body", test_body },
  { "take", test_take },
  { "verdict", test_verdict },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("packet", tests, argc, argv);
}
