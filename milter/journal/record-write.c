/* record-write.c - the writing half of record.h */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/journal/record.h"

#include <string.h>

void
hf_nonce_new (HfNonce *out_nonce)
{
  guint8 octets[HF_NONCE_OCTETS];

  hf_sys_random (octets, sizeof octets);
  hf_hex_encode (octets, sizeof octets, out_nonce->text);
}

void
hf_facts_clear (HfFacts *self)
{
  g_free (self->daemon);
  g_free (self->queue);
  g_free (self->client);
  g_free (self->helo);
  g_free (self->auth);
  memset (self, 0, sizeof *self);
}

void
hf_record_write_facts (GString *out, const HfNonce *nonce, const HfFacts *facts, guint64 group)
{
  HfStatementBuilder builder;
  gchar at[25];

  hf_time_format (facts->at_ms, at);
  hf_statement_begin (&builder, out, "message");
  hf_statement_add (&builder, "nonce", nonce->text, -1);
  hf_statement_add (&builder, "id", facts->id.text, -1);
  hf_statement_add (&builder, "at", at, -1);
  hf_statement_add (&builder, "daemon", facts->daemon, -1);
  hf_statement_add (&builder, "queue", facts->queue, -1);
  hf_statement_add (&builder, "client", facts->client, -1);
  hf_statement_add (&builder, "helo", facts->helo, -1);
  hf_statement_add (&builder, "auth", facts->auth, -1);
  hf_statement_add_number (&builder, "bytes", facts->bytes);
  hf_statement_add_number (&builder, "wire", facts->wire);
  hf_statement_add_number (&builder, "rcpts", facts->rcpts);
  hf_statement_add_number (&builder, "group", group);
  if (facts->bare)
    hf_statement_add (&builder, "bare", "1", 1);
  hf_statement_end (&builder);
}

static gboolean
has_control (const gchar *text)
{
  for (; *text != '\0'; text++)
    if ((guchar) *text < ' ' || *text == 0x7f)
      return TRUE;
  return FALSE;
}

static gboolean
is_hidden (const gchar *param)
{
  return g_ascii_strncasecmp (param, "SIZE=", 5) == 0 || g_ascii_strncasecmp (param, "AUTH=", 5) == 0;
}

/* "a@b", "" and "\"\"" come from sendmail(1): RFC 5321 wants brackets. */
static void
append_address (GString *out, const gchar *address)
{
  const gsize size = strlen (address);

  if (strcmp (address, "\"\"") == 0)
    g_string_append (out, "<>");
  else if (size >= 2 && address[0] == '<' && address[size - 1] == '>')
    g_string_append_len (out, address, (gssize) size);
  else
    g_string_append_printf (out, "<%s>", address);
}

static void
write_path_line (GString *out, const gchar *verb, const gchar *const *argv, gboolean hide)
{
  g_autoptr (GString) argument = g_string_new (NULL);
  g_autoptr (GString) hidden = g_string_new (NULL);
  HfStatementBuilder builder;

  append_address (argument, argv[0] != NULL ? argv[0] : "");
  for (guint i = 1; argv[0] != NULL && argv[i] != NULL; i++)
    {
      GString *to = hide && is_hidden (argv[i]) ? hidden : argument;

      if (to->len > 0)
        g_string_append_c (to, ' ');
      g_string_append (to, argv[i]);
    }

  g_string_append (out, verb);
  if (has_control (argument->str))
    {
      /* Never sent by an MTA that keeps RFC 5321; kept exactly all the same. */
      for (gsize i = 0; i < argument->len; i++)
        {
          const guchar c = (guchar) argument->str[i];

          g_string_append_c (out, c < ' ' || c == 0x7f ? '?' : (gchar) c);
        }
      g_string_append (out, "\r\n");
      hf_statement_begin (&builder, out, "exact");
      hf_statement_add (&builder, "argument", argument->str, (gssize) argument->len);
      hf_statement_end (&builder);
    }
  else
    {
      g_string_append_len (out, argument->str, (gssize) argument->len);
      g_string_append (out, "\r\n");
    }
  if (hidden->len > 0)
    {
      hf_statement_begin (&builder, out, "hidden");
      hf_statement_add (&builder, "params", hidden->str, (gssize) hidden->len);
      hf_statement_end (&builder);
    }
}

void
hf_record_write_mail (GString *out, const gchar *const *argv)
{
  write_path_line (out, "MAIL FROM:", argv, TRUE);
}

void
hf_record_write_rcpt (GString *out, const gchar *const *argv)
{
  write_path_line (out, "RCPT TO:", argv, FALSE);
}

void
hf_record_write_settled (GString *out, const HfPath *path, const gchar *state, const gchar *outcome, gint64 since_ms)
{
  g_autofree gchar *argument
      = g_strdup_printf ("<%s>%s%s", path->address, path->params[0] != '\0' ? " " : "", path->params);
  HfStatementBuilder builder;
  gchar at[25];

  hf_statement_begin (&builder, out, "settled");
  hf_statement_add (&builder, "rcpt", argument, -1);
  hf_statement_add (&builder, "state", state, -1);
  hf_statement_add (&builder, "outcome", outcome, -1);
  if (since_ms != G_MININT64)
    {
      hf_time_format (since_ms, at);
      hf_statement_add (&builder, "at", at, -1);
    }
  hf_statement_end (&builder);
}

gboolean
hf_record_chain (HfHash *hash, const HfDigest *previous, const HfDigest *envelope, const HfDigest *message,
                 HfDigest *out_chain)
{
  return hf_hash_begin (hash) && hf_hash_add (hash, previous->octets, sizeof previous->octets)
         && hf_hash_add (hash, envelope->octets, sizeof envelope->octets)
         && hf_hash_add (hash, message->octets, sizeof message->octets) && hf_hash_end (hash, NULL, out_chain);
}

static void
append_hex (GString *out, const gchar *key, gconstpointer data, gsize size)
{
  gchar text[HF_DIGEST_HEX + 1];

  hf_hex_encode (data, size, text);
  g_string_append_printf (out, " %s=%s", key, text);
}

void
hf_record_write_seal (GString *out, const HfNonce *nonce, const HfId *id, const HfSalt *salt,
                      const HfDigest *message, const HfDigest *envelope, const HfDigest *chain)
{
  g_string_append_printf (out, HF_STATEMENT_PREFIX "seal nonce=%s id=%s", nonce->text, id->text);
  append_hex (out, "salt", salt->octets, sizeof salt->octets);
  append_hex (out, "message", message->octets, sizeof message->octets);
  append_hex (out, "envelope", envelope->octets, sizeof envelope->octets);
  append_hex (out, "chain", chain->octets, sizeof chain->octets);
  g_string_append (out, "\r\n");
}

gboolean
hf_record_end_alone (GString *out, gsize start, HfHash *hash)
{
  HfDigest digest;

  if (!hf_hash_begin (hash) || !hf_hash_add (hash, out->str + start, out->len - start)
      || !hf_hash_end (hash, NULL, &digest))
    return FALSE;
  g_string_append (out, "NOOP holdfast-more");
  append_hex (out, "digest", digest.octets, sizeof digest.octets);
  g_string_append (out, "\r\n");
  return TRUE;
}

void
hf_record_write_padding (GString *out, guint64 offset)
{
  const gsize shortest = strlen ("NOOP\r\n");
  gsize gap = (gsize) ((HF_BLOCK - offset % HF_BLOCK) % HF_BLOCK);

  if (gap > 0 && gap < shortest)
    gap += HF_BLOCK;
  while (gap > 0)
    {
      gsize line = MIN (gap, 72);

      /* what is left must be able to hold a line of its own */
      if (gap - line > 0 && gap - line < shortest)
        line -= shortest;
      g_string_append (out, line > shortest ? "NOOP " : "NOOP");
      if (line > shortest + 1)
        {
          const gsize dashes = out->len;

          g_string_set_size (out, dashes + line - shortest - 1);
          memset (out->str + dashes, '-', line - shortest - 1);
        }
      g_string_append (out, "\r\n");
      gap -= line;
    }
}
