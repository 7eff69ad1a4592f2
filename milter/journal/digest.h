/* digest.h - SHA-256 over octets and a salt
 *
 * Every digest of the journal is SHA-256 (octets || salt).  The salt comes
 * last so that a reader, who meets it only in the seal behind the message,
 * needs one pass.  It keeps a digest that outlives its message (in a chain
 * note, say) from telling whether some known text was sent.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define HF_DIGEST_SIZE 32
#define HF_DIGEST_HEX (2 * HF_DIGEST_SIZE)
#define HF_SALT_SIZE 16

typedef struct
{
  guint8 octets[HF_DIGEST_SIZE];
} HfDigest;

typedef struct
{
  guint8 octets[HF_SALT_SIZE];
} HfSalt;

/* A digest in the making.  All zero is a valid, unused one.  One thread at a time. */
typedef struct
{
  gpointer context; /* EVP_MD_CTX, kept for the next use */
} HfHash;

/* Starts anew; FALSE only where libcrypto has no memory left. */
gboolean hf_hash_begin (HfHash *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean hf_hash_add (HfHash *self, gconstpointer data, gsize size) G_GNUC_WARN_UNUSED_RESULT;
/* @salt: (nullable): none is added */
gboolean hf_hash_end (HfHash *self, const HfSalt *salt, HfDigest *out_digest) G_GNUC_WARN_UNUSED_RESULT;
void hf_hash_clear (HfHash *self);

gboolean hf_digest_equal (const HfDigest *a, const HfDigest *b);

/* Lower-case hexadecimal.  @out_text has room for 2 * @size + 1 octets. */
void hf_hex_encode (gconstpointer data, gsize size, gchar *out_text);
/* TRUE when @text is exactly 2 * @size lower-case digits. */
gboolean hf_hex_decode (const gchar *text, gsize size, gpointer out_data);

G_END_DECLS
