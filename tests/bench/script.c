/* script.c - one message as packets, built once and sent many times; see script.h */
#include <config.h>

#include "tests/bench/script.h"

#include <stdio.h>
#include <string.h>

#define LINE 78 /* octets of a line of the body, CRLF included */

static const gchar placeholder[SCRIPT_ID_LENGTH + 1] = "DRIVEQUEUID";

typedef struct
{
  Script *script;
  McSpeaker *speaker;
  gsize own_from;    /* where the piece in the making begins */
  guint first_piece; /* where the step in the making begins */
} Builder;

static void
end_piece (Builder *b)
{
  ScriptPiece piece = { b->own_from, b->script->own->len - b->own_from, FALSE };

  b->own_from = b->script->own->len;
  if (piece.size > 0)
    g_array_append_val (b->script->pieces, piece);
}

static void
add_shared (Builder *b, gsize start, gsize size)
{
  ScriptPiece piece = { start, size, TRUE };

  end_piece (b);
  g_array_append_val (b->script->pieces, piece);
}

static void
end_step (Builder *b, gchar awaits)
{
  ScriptStep step = { b->first_piece, 0, awaits };

  end_piece (b);
  step.pieces = b->script->pieces->len - b->first_piece;
  b->first_piece = b->script->pieces->len;
  if (step.pieces > 0)
    g_array_append_val (b->script->steps, step);
}

/* A command is complete: where its reply is due, so is the step. */
static void
end_command (Builder *b, gchar command)
{
  if (mc_speaker_awaits (b->speaker, command))
    end_step (b, command);
}

static void
add_words (Builder *b, gchar command, const gchar *const *words)
{
  mc_speaker_put_macros (b->speaker, b->script->own, command);
  if (mc_speaker_sends (b->speaker, command))
    mc_put_words (b->script->own, command, words);
  end_command (b, command);
}

static void
add_bare (Builder *b, gchar command)
{
  const gchar *const none[] = { NULL };

  add_words (b, command, none);
}

static void
add_greeting (Builder *b)
{
  const gchar *const helo[] = { "client.example.net", NULL };

  mc_speaker_put_macros (b->speaker, b->script->own, SMFIC_CONNECT);
  if (mc_speaker_sends (b->speaker, SMFIC_CONNECT))
    mc_put_connect (b->script->own, helo[0], SMFIA_INET, 40000, "192.0.2.1");
  end_command (b, SMFIC_CONNECT);
  add_words (b, SMFIC_HELO, helo);
  end_step (b, 0);
}

static void
add_envelope (Builder *b, const ScriptMessage *message)
{
  g_autofree gchar *size = g_strdup_printf ("SIZE=%" G_GSIZE_FORMAT, message->declared_size);
  const gchar *const mail[] = { "<sender@example.net>", "BODY=8BITMIME",
                                message->declared_size > 0 ? size : NULL, NULL };

  add_words (b, SMFIC_MAIL, mail);
  for (guint i = 0; i < message->recipients; i++)
    {
      g_autofree gchar *address = g_strdup_printf ("<recipient%u@example.org>", i);
      const gchar *const rcpt[] = { address, NULL };

      add_words (b, SMFIC_RCPT, rcpt);
    }
  add_bare (b, SMFIC_DATA);
}

/* As mail of a person looks when it has passed one host.  Returns its octets
 * in the message, the empty line included. */
static gsize
add_headers (Builder *b)
{
  g_autofree gchar *id = g_strdup_printf (" <%s@example.net>", placeholder);
  const gchar *const headers[][2] = {
    { "Received", " from desk.example.net (desk.example.net [192.0.2.7])\n\tby client.example.net with "
                  "ESMTPSA id 00A1B2C3D4E5\n\tfor <recipient0@example.org>; Mon, 02 Mar 2026 10:00:00 +0000" },
    { "From", " \"A. Sender\" <sender@example.net>" },
    { "To", " <recipient0@example.org>" },
    { "Subject", " The minutes of the meeting in February" },
    { "Date", " Mon, 02 Mar 2026 10:00:00 +0000" },
    { "Message-ID", id },
    { "MIME-Version", " 1.0" },
    { "Content-Type", " text/plain; charset=\"utf-8\"" },
    { "Content-Transfer-Encoding", " 8bit" },
    { "X-Mailer", " drive" },
  };
  gboolean exact = (b->speaker->flags & SMFIP_HDR_LEADSPC) != 0;
  gsize bytes = 2;

  for (gsize i = 0; i < G_N_ELEMENTS (headers); i++)
    {
      const gchar *const words[] = { headers[i][0], headers[i][1] + (exact ? 0 : 1), NULL };

      add_words (b, SMFIC_HEADER, words);
      bytes += strlen (headers[i][0]) + 1 + strlen (headers[i][1]) + 2;
      for (const gchar *p = headers[i][1]; (p = strchr (p, '\n')) != NULL; p++)
        bytes++; /* LF on the wire, CRLF in the message */
    }
  add_bare (b, SMFIC_EOH);
  return bytes;
}

/* Appends a body packet of lines; the last one is as long as is left. */
static void
put_chunk (GByteArray *out, gsize size)
{
  g_autofree gchar *chunk = g_malloc (MAX (size, 1));

  for (gsize i = 0; i < size; i++)
    chunk[i] = (gchar) ('a' + (i * 7 + i / LINE) % 26);
  for (gsize end = LINE; end <= size; end += LINE)
    memcpy (chunk + end - 2, "\r\n", 2);
  if (size >= 2)
    memcpy (chunk + size - 2, "\r\n", 2);
  mc_put (out, SMFIC_BODY, chunk, size);
}

static void
add_chunk (Builder *b, gsize start, gsize size)
{
  mc_speaker_put_macros (b->speaker, b->script->own, SMFIC_BODY);
  if (mc_speaker_sends (b->speaker, SMFIC_BODY))
    add_shared (b, start, size);
  end_command (b, SMFIC_BODY);
}

static void
add_body (Builder *b, gsize bytes)
{
  GByteArray *shared = b->script->shared;
  gsize full;

  if (bytes >= MILTER_CHUNK_SIZE)
    put_chunk (shared, MILTER_CHUNK_SIZE);
  full = shared->len;
  for (; bytes >= MILTER_CHUNK_SIZE; bytes -= MILTER_CHUNK_SIZE)
    add_chunk (b, 0, full);
  if (bytes == 0)
    return;
  put_chunk (shared, bytes);
  add_chunk (b, full, shared->len - full);
}

static void
find_ids (Script *self)
{
  const guint8 *from = self->own->data, *end = from + self->own->len, *hit;

  while ((hit = memmem (from, (gsize) (end - from), placeholder, SCRIPT_ID_LENGTH)) != NULL)
    {
      gsize place = (gsize) (hit - self->own->data);

      g_array_append_val (self->id_places, place);
      from = hit + SCRIPT_ID_LENGTH;
    }
}

static void
add_partings (Script *self, const McSpeaker *speaker)
{
  mc_put_bare (self->abort, SMFIC_ABORT);
  if (mc_speaker_aborts_always (speaker))
    {
      mc_put_bare (self->next, SMFIC_ABORT);
      mc_put_bare (self->quit, SMFIC_ABORT);
      mc_put_bare (self->quit, SMFIC_ABORT);
    }
  mc_put_bare (self->quit, SMFIC_QUIT);
}

Script *
script_new (McSpeaker *speaker, const ScriptMessage *message)
{
  Script *self = g_new0 (Script, 1);
  Builder b = { self, speaker, 0, 0 };
  gsize header_bytes;

  self->own = g_byte_array_new ();
  self->shared = g_byte_array_new ();
  self->pieces = g_array_new (FALSE, FALSE, sizeof (ScriptPiece));
  self->steps = g_array_new (FALSE, FALSE, sizeof (ScriptStep));
  self->id_places = g_array_new (FALSE, FALSE, sizeof (gsize));
  self->next = g_byte_array_new ();
  self->abort = g_byte_array_new ();
  self->quit = g_byte_array_new ();

  mc_speaker_set_macro (speaker, "i", placeholder);
  add_greeting (&b);
  self->greeting_steps = self->steps->len;
  add_envelope (&b, message);
  header_bytes = add_headers (&b);
  add_body (&b, message->message_bytes > header_bytes ? message->message_bytes - header_bytes : 0);
  add_bare (&b, SMFIC_BODYEOB);
  find_ids (self);
  add_partings (self, speaker);
  return self;
}

void
script_free (Script *self)
{
  if (self == NULL)
    return;
  g_byte_array_unref (self->own);
  g_byte_array_unref (self->shared);
  g_array_unref (self->pieces);
  g_array_unref (self->steps);
  g_array_unref (self->id_places);
  g_byte_array_unref (self->next);
  g_byte_array_unref (self->abort);
  g_byte_array_unref (self->quit);
  g_free (self);
}

void
script_set_id (const Script *self, guint8 *own, guint64 number)
{
  gchar id[SCRIPT_ID_LENGTH + 1];

  snprintf (id, sizeof id, "D%010" G_GINT64_MODIFIER "X", number & G_GUINT64_CONSTANT (0xffffffffff));
  for (guint i = 0; i < self->id_places->len; i++)
    memcpy (own + g_array_index (self->id_places, gsize, i), id, SCRIPT_ID_LENGTH);
}

ScriptStep
script_run (const Script *self, guint from, guint *out_next)
{
  ScriptStep run = g_array_index (self->steps, ScriptStep, from);

  for (from++; run.awaits == 0 && from < self->steps->len; from++)
    {
      const ScriptStep *step = &g_array_index (self->steps, ScriptStep, from);

      run.pieces += step->pieces;
      run.awaits = step->awaits;
    }
  *out_next = from;
  return run;
}

/* Appends what is left of one run of octets after @skip. */
static void
fill_one (guint8 *base, gsize size, gsize *skip, struct iovec *out_vectors, guint *filled)
{
  if (*skip >= size)
    {
      *skip -= size;
      return;
    }
  out_vectors[*filled].iov_base = base + *skip;
  out_vectors[*filled].iov_len = size - *skip;
  (*filled)++;
  *skip = 0;
}

guint
script_fill (const Script *self, guint8 *own, const GByteArray *prefix, const ScriptStep *step,
             gsize skip, struct iovec *out_vectors, guint room)
{
  guint filled = 0;

  if (prefix != NULL)
    fill_one (prefix->data, prefix->len, &skip, out_vectors, &filled);
  for (guint i = 0; i < step->pieces && filled < room; i++)
    {
      const ScriptPiece *piece = &g_array_index (self->pieces, ScriptPiece, step->first_piece + i);
      guint8 *base = piece->shared ? self->shared->data : own;

      fill_one (base + piece->start, piece->size, &skip, out_vectors, &filled);
    }
  return filled;
}
