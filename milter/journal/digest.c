/* digest.c - SHA-256 over octets and a salt; see digest.h
 *
 * The algorithm is fetched once: a fetch at each digest takes locks in
 * libcrypto and cost as much as hashing a small message.
 */
#include <config.h>

#include "milter/journal/digest.h"

#include <openssl/evp.h>
#include <string.h>

static const EVP_MD *
sha256 (void)
{
  static gsize fetched;

  if (g_once_init_enter (&fetched))
    {
      EVP_MD *md = EVP_MD_fetch (NULL, "SHA256", NULL);

      if (md == NULL)
        g_error ("libcrypto has no SHA-256");
      g_once_init_leave (&fetched, (gsize) md);
    }
  return (const EVP_MD *) fetched;
}

gboolean
hf_hash_begin (HfHash *self)
{
  if (self->context == NULL)
    self->context = EVP_MD_CTX_new ();
  return self->context != NULL && EVP_DigestInit_ex2 (self->context, sha256 (), NULL) == 1;
}

gboolean
hf_hash_add (HfHash *self, gconstpointer data, gsize size)
{
  return EVP_DigestUpdate (self->context, data, size) == 1;
}

gboolean
hf_hash_end (HfHash *self, const HfSalt *salt, HfDigest *out_digest)
{
  if (salt != NULL && !hf_hash_add (self, salt->octets, sizeof salt->octets))
    return FALSE;
  return EVP_DigestFinal_ex (self->context, out_digest->octets, NULL) == 1;
}

void
hf_hash_clear (HfHash *self)
{
  EVP_MD_CTX_free (self->context);
  self->context = NULL;
}

gboolean
hf_digest_equal (const HfDigest *a, const HfDigest *b)
{
  return memcmp (a->octets, b->octets, sizeof a->octets) == 0;
}

static const gchar hex_digits[] = "0123456789abcdef";

void
hf_hex_encode (gconstpointer data, gsize size, gchar *out_text)
{
  const guint8 *octets = data;

  for (gsize i = 0; i < size; i++)
    {
      *out_text++ = hex_digits[octets[i] >> 4];
      *out_text++ = hex_digits[octets[i] & 15];
    }
  *out_text = '\0';
}

gboolean
hf_hex_decode (const gchar *text, gsize size, gpointer out_data)
{
  guint8 *octets = out_data;

  if (strlen (text) != 2 * size || strspn (text, hex_digits) != 2 * size)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    octets[i] = (guint8) (g_ascii_xdigit_value (text[2 * i]) << 4 | g_ascii_xdigit_value (text[2 * i + 1]));
  return TRUE;
}
