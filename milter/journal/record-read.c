/* record-read.c - the reading half of record.h: the rules of validity
 *
 * One pass from the first line to the seal, no seeking back.  The first rule
 * that is broken names the fault; what was read of the facts and the envelope
 * until then stays in the item, for the person who has to repair it.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/journal/record.h"

#include <string.h>

#define TAIL_SIZE 3 /* ".\r\n" */
#define CHUNK (64 * 1024)

static const struct
{
  const gchar *word;
  HfItemKind kind;
} kinds[] = {
  { "message", HF_ITEM_MESSAGE },
  { "void", HF_ITEM_VOID },
  { "torn", HF_ITEM_TORN },
  { "end", HF_ITEM_END },
  { "seal", HF_ITEM_JUNK }, /* part of a record, and begins none */
};

static void
path_clear (gpointer data)
{
  hf_path_clear (data);
}

void
hf_item_init (HfItem *self)
{
  memset (self, 0, sizeof *self);
  hf_statement_init (&self->statement);
  self->recipients = g_array_new (FALSE, TRUE, sizeof (HfPath));
  g_array_set_clear_func (self->recipients, path_clear);
}

static void
item_forget (HfItem *self)
{
  hf_facts_clear (&self->facts);
  hf_path_clear (&self->sender);
  g_clear_pointer (&self->mail_hidden, g_free);
  g_array_set_size (self->recipients, 0);
  self->has_facts = FALSE;
  self->whole = FALSE;
  self->fault = NULL;
  self->length = 0;
  self->data_offset = 0;
}

void
hf_item_clear (HfItem *self)
{
  if (self->recipients == NULL)
    return;
  item_forget (self);
  g_clear_pointer (&self->recipients, g_array_unref);
  hf_statement_clear (&self->statement);
}

void
hf_path_clear (HfPath *self)
{
  g_clear_pointer (&self->address, g_free);
  g_clear_pointer (&self->params, g_free);
  g_clear_pointer (&self->state, g_free);
  g_clear_pointer (&self->outcome, g_free);
}

/* The octet behind the ">" that ends the address, which a blank or the end
 * follows; 0 when there is none.  Quoted strings may hold it, too. */
static gsize
closing_end (const gchar *text, gsize size, gboolean heed_quotes)
{
  gboolean quoted = FALSE;

  for (gsize i = 1; i < size; i++)
    {
      if (quoted && text[i] == '\\' && i + 1 < size)
        i++;
      else if (heed_quotes && text[i] == '"')
        quoted = !quoted;
      else if (text[i] == '>' && !quoted && (i + 1 == size || text[i + 1] == ' '))
        return i + 1;
    }
  return 0;
}

/* The octet behind the address that begins at "<". */
static gsize
bracketed_end (const gchar *text, gsize size)
{
  gsize end = closing_end (text, size, TRUE);

  /* a quote that never ends is an octet like others */
  if (end == 0)
    end = closing_end (text, size, FALSE);
  return end != 0 ? end : size;
}

void
hf_path_parse (const gchar *argument, gsize size, HfPath *out_path)
{
  gsize end;

  *out_path = (HfPath){ .since_ms = G_MININT64 };
  if (size > 0 && argument[0] == '<')
    {
      end = bracketed_end (argument, size);
      out_path->address = g_strndup (argument + 1, end >= 2 && argument[end - 1] == '>' ? end - 2 : end - 1);
    }
  else
    {
      const gchar *blank = memchr (argument, ' ', size);

      end = blank != NULL ? (gsize) (blank - argument) : size;
      if (end == 2 && memcmp (argument, "\"\"", 2) == 0)
        out_path->address = g_strdup ("");
      else
        out_path->address = g_strndup (argument, end);
    }
  while (end < size && argument[end] == ' ')
    end++;
  out_path->params = g_strndup (argument + end, size - end);
}

/* Of a statement's kind; there may be more of them than this program knows. */
#define WORD_MAX 24

static HfItemKind
kind_of_word (const gchar *word, gsize size)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strlen (kinds[i].word) == size && memcmp (kinds[i].word, word, size) == 0)
      return kinds[i].kind;
  return HF_ITEM_OTHER;
}

gboolean
hf_record_starts (const gchar *line, gsize size, const HfNonce *nonce, HfItemKind *out_kind)
{
  static const gchar key[] = " nonce=";
  const gsize prefix = strlen (HF_STATEMENT_PREFIX), nonce_size = strlen (nonce->text);
  const gchar *word = line + prefix;
  gsize length = 0;

  if (size < prefix || memcmp (line, HF_STATEMENT_PREFIX, prefix) != 0)
    return FALSE;
  while (length < MIN (size - prefix, WORD_MAX) && (g_ascii_islower (word[length]) || word[length] == '-'))
    length++;
  if (length == 0 || size < prefix + length + strlen (key) + nonce_size
      || memcmp (word + length, key, strlen (key)) != 0
      || memcmp (word + length + strlen (key), nonce->text, nonce_size) != 0)
    return FALSE;
  *out_kind = kind_of_word (word, length);
  return *out_kind != HF_ITEM_JUNK;
}

typedef enum
{
  STEP_OK,
  STEP_FAULT, /* item->fault is set */
  STEP_ERROR, /* the file can't be read */
} Step;

static Step
fault (HfItem *item, const gchar *reason)
{
  item->fault = reason;
  return STEP_FAULT;
}

/* A digest that can't be made says nothing of the record. */
static Step
no_digest (GError **error)
{
  hf_error_set (error, HF_ERROR_IO, "journal-read", "no memory for a digest");
  return STEP_ERROR;
}

static gboolean
starts_with (const gchar *line, gsize size, const gchar *prefix)
{
  return size >= strlen (prefix) && memcmp (line, prefix, strlen (prefix)) == 0;
}

/* Moves behind the line at the position; adds it, CRLF included, to @hash. */
static Step
take_line (HfWindow *window, HfHash *hash, const gchar *line, gsize size, GError **error)
{
  if (hash != NULL && !hf_hash_add (hash, line, size + 2))
    return no_digest (error);
  window->position += size + 2;
  return STEP_OK;
}

static Step
need_line (HfWindow *window, HfItem *item, const gchar **line, gsize *size, GError **error)
{
  if (!hf_window_line (window, line, size, error))
    return STEP_ERROR;
  return *line == NULL ? fault (item, "ends in the middle of a line") : STEP_OK;
}

/* The first line of a statement and its continuations. */
static Step
read_statement (HfWindow *window, HfItem *item, HfHash *hash, GError **error)
{
  const gchar *line;
  gsize size;
  gboolean more = FALSE;

  for (;;)
    {
      Step step;

      if (!hf_window_line (window, &line, &size, error))
        return STEP_ERROR;
      if (line == NULL)
        return more ? STEP_OK : fault (item, "ends in the middle of a line");
      if (more && !starts_with (line, size, HF_STATEMENT_MORE))
        return STEP_OK;
      /* the line with the digest of a statement that stands alone ends it */
      if (more && starts_with (line, size, HF_STATEMENT_MORE "digest="))
        return STEP_OK;
      if (!hf_statement_read_line (&item->statement, line, size, more))
        return fault (item, "statement breaks the grammar");
      step = take_line (window, hash, line, size, error);
      if (step != STEP_OK)
        return step;
      more = TRUE;
    }
}

static gchar *
dup_value (const HfStatement *statement, const gchar *key)
{
  return g_strdup (hf_statement_get (statement, key));
}

static Step
read_facts (HfItem *item)
{
  const HfStatement *statement = &item->statement;
  const gchar *id = hf_statement_get (statement, "id");
  const gchar *at = hf_statement_get (statement, "at");
  HfFacts *facts = &item->facts;

  if (id == NULL || !hf_id_is_valid (id))
    return fault (item, "no valid id");
  g_strlcpy (facts->id.text, id, sizeof facts->id.text);
  facts->daemon = dup_value (statement, "daemon");
  facts->queue = dup_value (statement, "queue");
  facts->client = dup_value (statement, "client");
  facts->helo = dup_value (statement, "helo");
  facts->auth = dup_value (statement, "auth");
  item->has_facts = TRUE;
  if (at == NULL || !hf_time_parse (at, &facts->at_ms))
    return fault (item, "no valid time");
  if (!hf_statement_get_number (statement, "bytes", &facts->bytes)
      || !hf_statement_get_number (statement, "wire", &facts->wire)
      || !hf_statement_get_number (statement, "rcpts", &facts->rcpts)
      || !hf_statement_get_number (statement, "group", &item->group))
    return fault (item, "no valid lengths");
  facts->bare = g_strcmp0 (hf_statement_get (statement, "bare"), "1") == 0;
  return STEP_OK;
}

/* A recipient that has no RCPT line any more: what it came to stands in its place. */
static void
apply_settled (HfPath *path, const HfStatement *statement)
{
  gsize size;
  const gchar *rcpt = hf_statement_get_sized (statement, "rcpt", &size);
  const gchar *at = hf_statement_get (statement, "at");

  if (rcpt == NULL || path == NULL)
    return;
  hf_path_clear (path);
  hf_path_parse (rcpt, size, path);
  path->state = g_strdup (hf_statement_get (statement, "state"));
  path->outcome = g_strdup (hf_statement_get (statement, "outcome"));
  if (at != NULL && !hf_time_parse (at, &path->since_ms))
    path->since_ms = G_MININT64;
}

/* A NOOP line inside the envelope adds to the MAIL or RCPT line before it. */
static Step
apply_envelope_statement (HfItem *item, HfPath *last, const gchar *line, gsize size, HfStatement *extra)
{
  const gchar *value;
  gsize value_size;

  if (starts_with (line, size, HF_STATEMENT_MORE))
    {
      if (!hf_statement_read_line (extra, line, size, TRUE))
        return fault (item, "statement breaks the grammar");
    }
  else if (!hf_statement_read_line (extra, line, size, FALSE))
    return fault (item, "statement breaks the grammar");
  apply_settled (last, extra);
  value = hf_statement_get_sized (extra, "argument", &value_size);
  if (value != NULL && last != NULL)
    {
      hf_path_clear (last);
      hf_path_parse (value, value_size, last);
    }
  value = hf_statement_get_sized (extra, "params", &value_size);
  if (value != NULL)
    {
      g_free (item->mail_hidden);
      item->mail_hidden = g_strndup (value, value_size);
    }
  return STEP_OK;
}

/* Where the next recipient goes: to the list, or where nobody asks for it. */
static HfPath *
add_recipient (HfItem *item, HfReadFlags flags, HfPath *skipped)
{
  hf_path_clear (skipped);
  if (!(flags & HF_READ_RECIPIENTS))
    return skipped;
  g_array_set_size (item->recipients, item->recipients->len + 1);
  return &g_array_index (item->recipients, HfPath, item->recipients->len - 1);
}

static Step
read_envelope (HfWindow *window, HfItem *item, HfReadFlags flags, HfHash *hash, GError **error)
{
  static const gchar mail[] = "MAIL FROM:", rcpt[] = "RCPT TO:", settled[] = HF_STATEMENT_PREFIX "settled ";
  HfPath skipped = { NULL };
  HfPath *last = NULL;
  HfStatement extra = { NULL, NULL };
  guint64 rcpts = 0;
  Step step = STEP_OK;

  for (gboolean first = TRUE; step == STEP_OK; first = FALSE)
    {
      const gchar *line;
      gboolean named;
      gsize size;

      step = need_line (window, item, &line, &size, error);
      if (step != STEP_OK)
        break;
      if (first)
        {
          if (!starts_with (line, size, mail))
            step = fault (item, "no MAIL FROM line");
          else
            hf_path_parse (line + strlen (mail), size - strlen (mail), &item->sender);
          last = &item->sender;
        }
      else if (size == 4 && memcmp (line, "DATA", 4) == 0)
        {
          step = take_line (window, hash, line, size, error);
          if (step == STEP_OK && rcpts != item->facts.rcpts)
            step = fault (item, "recipients are missing or doubled");
          break;
        }
      else if (starts_with (line, size, rcpt))
        {
          rcpts++;
          last = add_recipient (item, flags, &skipped);
          if (last != &skipped)
            hf_path_parse (line + strlen (rcpt), size - strlen (rcpt), last);
        }
      else if (starts_with (line, size, HF_STATEMENT_PREFIX))
        {
          if (extra.text == NULL)
            hf_statement_init (&extra);
          named = !starts_with (line, size, settled);
          if (!named)
            last = add_recipient (item, flags, &skipped);
          step = apply_envelope_statement (item, last, line, size, &extra);
          if (step == STEP_OK && !named && last->address == NULL)
            step = fault (item, "a recipient is not named");
        }
      else
        step = fault (item, "unknown line in the envelope");
      if (step == STEP_OK)
        step = take_line (window, hash, line, size, error);
    }
  hf_path_clear (&skipped);
  hf_statement_clear (&extra);
  return step;
}

static gboolean
sink_to_hash (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  if (hf_hash_add (user_data, data, size))
    return TRUE;
  return hf_error_set (error, HF_ERROR_IO, "journal-read", "no memory for a digest");
}

/* Passes on the message and holds back the CRLF that the format had to add. */
typedef struct
{
  HfOctetSink sink;
  gpointer user_data;
  guint64 left;
} Limited;

static gboolean
sink_limited (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  Limited *limited = user_data;

  size = (gsize) MIN (size, limited->left);
  limited->left -= size;
  return size == 0 || limited->sink (data, size, limited->user_data, error);
}

/* The octets behind DATA; the window ends behind the last of them. */
static Step
stream_message (HfWindow *window, HfItem *item, HfOctetSink sink, gpointer user_data, GError **error)
{
  Limited limited = { sink, user_data, item->facts.bytes };
  guint64 left = item->facts.wire;
  const guint8 *data;
  gsize size;
  HfWire wire;

  hf_wire_init (&wire);
  for (; left > 0; left -= size, window->position += size)
    {
      if (!hf_window_need (window, (gsize) MIN (left, CHUNK), &data, &size, error))
        return STEP_ERROR;
      if (size == 0)
        return fault (item, "ends in the middle of the message");
      if (!hf_wire_unstuff (&wire, data, size, sink_limited, &limited, error))
        return STEP_ERROR;
    }
  if (wire.bytes != item->facts.bytes && wire.bytes != item->facts.bytes + 2)
    return fault (item, "message has another length");
  return hf_wire_ends_line (&wire) ? STEP_OK : fault (item, "message does not end its line");
}

static Step
read_message (HfWindow *window, HfItem *item, HfReadFlags flags, HfHash *hash, GError **error)
{
  const guint64 wire = item->facts.wire;
  const guint8 *data;
  gsize size;

  if (wire > window->limit || window->position + wire + TAIL_SIZE > window->limit)
    return fault (item, "ends in the middle of the message");
  if (flags & HF_READ_SKIM)
    window->position += wire;
  else
    {
      Step step = stream_message (window, item, sink_to_hash, hash, error);

      if (step != STEP_OK)
        return step;
    }
  if (!hf_window_need (window, TAIL_SIZE, &data, &size, error))
    return STEP_ERROR;
  if (size < TAIL_SIZE || memcmp (data, ".\r\n", TAIL_SIZE) != 0)
    return fault (item, "no dot behind the message");
  window->position += TAIL_SIZE;
  return STEP_OK;
}

gboolean
hf_record_copy_message (HfWindow *window, HfItem *item, HfOctetSink sink, gpointer user_data, GError **error)
{
  window->position = item->data_offset;
  switch (stream_message (window, item, sink, user_data, error))
    {
    case STEP_OK:
      return TRUE;
    case STEP_FAULT:
      return hf_error_set (error, HF_ERROR_CORRUPT, "journal-read", "%s", item->fault);
    default:
      return FALSE;
    }
}

static gboolean
seal_value (const HfStatement *seal, const gchar *key, gsize size, gpointer out)
{
  const gchar *text = hf_statement_get (seal, key);

  return text != NULL && hf_hex_decode (text, size, out);
}

static Step
read_seal (HfWindow *window, HfItem *item, const HfNonce *nonce, GError **error)
{
  static const gchar prefix[] = HF_STATEMENT_PREFIX "seal ";
  HfStatement *seal = &item->statement;
  const gchar *line;
  gsize size;
  Step step = need_line (window, item, &line, &size, error);

  if (step != STEP_OK)
    return step;
  if (!starts_with (line, size, prefix) || !hf_statement_read_line (seal, line, size, FALSE))
    return fault (item, "no seal");
  if (g_strcmp0 (hf_statement_get (seal, "nonce"), nonce->text) != 0
      || g_strcmp0 (hf_statement_get (seal, "id"), item->facts.id.text) != 0)
    return fault (item, "seal of another record");
  if (!seal_value (seal, "salt", HF_SALT_SIZE, &item->salt)
      || !seal_value (seal, "message", HF_DIGEST_SIZE, &item->message)
      || !seal_value (seal, "envelope", HF_DIGEST_SIZE, &item->envelope)
      || !seal_value (seal, "chain", HF_DIGEST_SIZE, &item->chain))
    return fault (item, "seal is not readable");
  return take_line (window, NULL, line, size, error);
}

/* Two hashes run one after the other over one context: the envelope's digest
 * needs the salt, which is known only at the end, so both are kept open. */
typedef struct
{
  HfHash envelope;
  HfHash *message;
} Hashes;

/* A statement with a breach may still name its message: what stood before it. */
static Step
salvage_facts (HfItem *item)
{
  const gchar *reason = item->fault;

  read_facts (item);
  return fault (item, reason);
}

static Step
read_record (HfWindow *window, const HfNonce *nonce, HfReadFlags flags, Hashes *hashes, HfItem *item,
             GError **error)
{
  const gboolean verify = !(flags & HF_READ_SKIM);
  HfHash *envelope = verify ? &hashes->envelope : NULL;
  HfDigest digest;
  Step step;

  if (verify && (!hf_hash_begin (envelope) || !hf_hash_begin (hashes->message)))
    return no_digest (error);
  step = read_statement (window, item, envelope, error);
  if (step == STEP_FAULT)
    return salvage_facts (item);
  if (step != STEP_OK || (step = read_facts (item)) != STEP_OK
      || (step = read_envelope (window, item, flags, envelope, error)) != STEP_OK)
    return step;
  item->data_offset = window->position;
  if ((step = read_message (window, item, flags, hashes->message, error)) != STEP_OK
      || (step = read_seal (window, item, nonce, error)) != STEP_OK || !verify)
    return step;
  if (!hf_hash_end (envelope, &item->salt, &digest))
    return no_digest (error);
  if (!hf_digest_equal (&digest, &item->envelope))
    return fault (item, "envelope digest is wrong");
  if (!hf_hash_end (hashes->message, &item->salt, &digest))
    return no_digest (error);
  return hf_digest_equal (&digest, &item->message) ? STEP_OK : fault (item, "message digest is wrong");
}

static Step
read_alone (HfWindow *window, HfHash *hash, HfItem *item, GError **error)
{
  static const gchar prefix[] = HF_STATEMENT_MORE "digest=";
  HfDigest wanted, found;
  const gchar *line;
  gchar text[HF_DIGEST_HEX + 1];
  gsize size;
  Step step;

  if (!hf_hash_begin (hash))
    return no_digest (error);
  if ((step = read_statement (window, item, hash, error)) != STEP_OK
      || (step = need_line (window, item, &line, &size, error)) != STEP_OK)
    return step;
  if (!starts_with (line, size, prefix) || size != strlen (prefix) + HF_DIGEST_HEX)
    return fault (item, "no digest");
  memcpy (text, line + strlen (prefix), HF_DIGEST_HEX);
  text[HF_DIGEST_HEX] = '\0';
  if (!hf_hash_end (hash, NULL, &found))
    return no_digest (error);
  if (!hf_hex_decode (text, sizeof wanted, &wanted) || !hf_digest_equal (&wanted, &found))
    return fault (item, "digest is wrong");
  item->message = found;
  return take_line (window, NULL, line, size, error);
}

gboolean
hf_record_read (HfWindow *window, const HfNonce *nonce, HfReadFlags flags, HfItemKind kind, HfHash *hash,
                HfItem *item, GError **error)
{
  Step step;

  item_forget (item);
  item->kind = kind;
  item->offset = window->position;
  if (kind == HF_ITEM_MESSAGE)
    {
      Hashes hashes = { { NULL }, hash };

      step = read_record (window, nonce, flags, &hashes, item, error);
      hf_hash_clear (&hashes.envelope);
    }
  else
    step = read_alone (window, hash, item, error);
  if (step == STEP_ERROR)
    return FALSE;
  item->whole = step == STEP_OK;
  item->length = window->position - item->offset;
  return TRUE;
}
