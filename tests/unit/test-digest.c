/* test-digest.c - SHA-256 is SHA-256, however the octets come */
#include <config.h>

#include "milter/journal/digest.h"
#include "tests/unit/tap.h"

#include <string.h>

static void
hex_of (const gchar *text, gsize times, const gchar *salt, gchar out_hex[HF_DIGEST_HEX + 1])
{
  HfHash hash = { NULL };
  HfSalt octets;
  HfDigest digest = { { 0 } };

  if (salt != NULL)
    memcpy (octets.octets, salt, sizeof octets.octets);
  tap_check ("begin", hf_hash_begin (&hash));
  for (gsize i = 0; i < times; i++)
    tap_check ("add", hf_hash_add (&hash, text, strlen (text)));
  tap_check ("end", hf_hash_end (&hash, salt != NULL ? &octets : NULL, &digest));
  hf_hash_clear (&hash);
  hf_hex_encode (digest.octets, sizeof digest.octets, out_hex);
}

/* FIPS 180-4, and its examples. */
static void
test_vectors (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gsize times;
    const gchar *salt; /* 16 octets or NULL */
    const gchar *want;
  } rows[] = {
    { "nothing", "", 1, NULL, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "never added", "x", 0, NULL, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "abc", 1, NULL, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, NULL,
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { "a million", "aaaaaaaaaa", 100000, NULL, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
    { "salt comes last", "abcdbcdecdefdefgefghfghighijhijkijkljklm", 1, "klmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { "salt alone", "", 0, "0123456789abcdef", "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gchar hex[HF_DIGEST_HEX + 1];

      hex_of (rows[i].text, rows[i].times, rows[i].salt, hex);
      tap_check_str (rows[i].name, hex, rows[i].want);
    }
}

/* A digest left half done, or ended, leaves nothing in the next one. */
static void
test_used_again (void)
{
  HfHash hash = { NULL };
  HfDigest first, second;

  tap_check ("begin", hf_hash_begin (&hash));
  tap_check ("begin", hf_hash_add (&hash, "left half done", 14));
  for (guint i = 0; i < 2; i++)
    {
      tap_check ("again", hf_hash_begin (&hash));
      tap_check ("again", hf_hash_add (&hash, "abc", 3));
      tap_check ("again", hf_hash_end (&hash, NULL, i == 0 ? &first : &second));
    }
  tap_check ("same", hf_digest_equal (&first, &second));
  hf_hash_clear (&hash);
  hf_hash_clear (&hash);
  tap_check ("cleared", hash.context == NULL);
}

static void
test_equal (void)
{
  HfDigest one, other;

  memset (&one, 0x3c, sizeof one);
  other = one;
  tap_check ("same", hf_digest_equal (&one, &other));
  for (guint bit = 0; bit < 8 * HF_DIGEST_SIZE; bit++)
    {
      other = one;
      other.octets[bit / 8] ^= (guint8) (1 << bit % 8);
      tap_check ("one bit", !hf_digest_equal (&one, &other));
    }
}

static void
test_hex (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *text;
    gsize size;
    gboolean want;
    const gchar *want_octets;
  } rows[] = {
    { "digits", "00017f80ff", 5, TRUE, "\x00\x01\x7f\x80\xff" },
    { "nothing", "", 0, TRUE, "" },
    { "too short", "00017f80f", 5, FALSE, NULL },
    { "too long", "00017f80ff0", 5, FALSE, NULL },
    { "one octet short", "00017f80", 5, FALSE, NULL },
    { "upper case", "00017F80FF", 5, FALSE, NULL },
    { "no digit", "00017g80ff", 5, FALSE, NULL },
    { "blank", "0001 f80ff", 5, FALSE, NULL },
    { "sign", "-0017f80ff", 5, FALSE, NULL },
    { "empty for five", "", 5, FALSE, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gchar octets[8] = "", again[17];

      tap_check_int (rows[i].name, hf_hex_decode (rows[i].text, rows[i].size, octets), rows[i].want);
      if (!rows[i].want)
        continue;
      tap_check (rows[i].name, memcmp (octets, rows[i].want_octets, rows[i].size) == 0);
      hf_hex_encode (octets, rows[i].size, again);
      tap_check_str (rows[i].name, again, rows[i].text);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "vectors", test_vectors },
    { "used-again", test_used_again },
    { "equal", test_equal },
    { "hex", test_hex },
    { NULL, NULL },
  };

  return tap_run ("digest", tests, argc, argv);
}
