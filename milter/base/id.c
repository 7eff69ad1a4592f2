/* id.c - ids of messages and events; see id.h */
#include <config.h>

#include "milter/base/id.h"
#include "milter/base/sys.h"

#include <string.h>

static const gchar alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void
hf_id_make (gint64 wall_ms, const guint8 random[10], HfId *out_id)
{
  guint64 ms = (guint64) wall_ms & G_GUINT64_CONSTANT (0xffffffffffff);
  guint accumulator = 0, bits = 0, in = 0;

  /* 48 bits in 10 characters: the first one holds only 3 bits. */
  for (gint i = 9; i >= 0; i--, ms >>= 5)
    out_id->text[i] = alphabet[ms & 31];
  /* 80 bits in 16 characters, without remainder. */
  for (guint i = 10; i < HF_ID_LENGTH; i++)
    {
      if (bits < 5)
        {
          accumulator = (accumulator << 8) | random[in++];
          bits += 8;
        }
      bits -= 5;
      out_id->text[i] = alphabet[(accumulator >> bits) & 31];
    }
  out_id->text[HF_ID_LENGTH] = '\0';
}

void
hf_id_new (HfId *out_id)
{
  guint8 random[10];

  hf_sys_random (random, sizeof random);
  hf_id_make (hf_sys_wall_ms (), random, out_id);
}

gboolean
hf_id_is_valid (const gchar *text)
{
  return strlen (text) == HF_ID_LENGTH && strspn (text, alphabet) == HF_ID_LENGTH && text[0] <= '7';
}

gint64
hf_id_wall_ms (const gchar *text)
{
  gint64 ms = 0;

  if (!hf_id_is_valid (text))
    return -1;
  for (gint i = 0; i < 10; i++)
    ms = (ms << 5) | (strchr (alphabet, text[i]) - alphabet);
  return ms;
}
