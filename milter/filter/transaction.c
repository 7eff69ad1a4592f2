/* transaction.c - one mail transaction, from MAIL to its answer; see transaction.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/filter/transaction.h"

#include <string.h>

void
hf_transaction_init (HfTransaction *self, const HfStageArea *area)
{
  memset (self, 0, sizeof *self);
  hf_stage_init (&self->stage, area);
}

void
hf_transaction_clear (HfTransaction *self)
{
  hf_transaction_end (self);
  hf_stage_clear (&self->stage);
}

void
hf_transaction_end (HfTransaction *self)
{
  hf_stage_drop (&self->stage);
  hf_facts_clear (&self->facts);
  g_clear_error (&self->latched);
  self->open = FALSE;
}

void
hf_transaction_begin (HfTransaction *self)
{
  hf_transaction_end (self);
  self->open = TRUE;
  self->in_message = FALSE;
  self->headers_ended = FALSE;
  hf_id_new (&self->facts.id);
  self->facts.at_ms = hf_sys_wall_ms ();
}

/* The SIZE parameter (RFC 1870), 0 where there is none or it is no number. */
static guint64
declared_size (const gchar *const *argv)
{
  static const gchar key[] = "SIZE=";

  for (guint i = 1; argv[0] != NULL && argv[i] != NULL; i++)
    if (g_ascii_strncasecmp (argv[i], key, strlen (key)) == 0 && g_ascii_isdigit (argv[i][strlen (key)]))
      return g_ascii_strtoull (argv[i] + strlen (key), NULL, 10);
  return 0;
}

gboolean
hf_transaction_reserve (HfTransaction *self, const gchar *const *argv, GError **error)
{
  return hf_stage_reserve (&self->stage, declared_size (argv), error);
}

static gboolean
works (HfTransaction *self)
{
  return self->open && self->latched == NULL;
}

/* A message that can't be stored any more needs no room any more. */
static void
give_way (HfTransaction *self)
{
  if (self->latched != NULL)
    hf_stage_drop (&self->stage);
}

static void
out_of_order (HfTransaction *self, const gchar *what)
{
  hf_error_set (&self->latched, HF_ERROR_CORRUPT, "out-of-order", "the MTA sent %s out of order", what);
}

static void
add_path (HfTransaction *self, const gchar *const *argv, void (*write) (GString *, const gchar *const *))
{
  g_autoptr (GString) text = g_string_new (NULL);

  write (text, argv);
  hf_stage_add_lines (&self->stage, text->str, text->len, &self->latched);
  give_way (self);
}

void
hf_transaction_mail (HfTransaction *self, const gchar *const *argv)
{
  if (works (self) && hf_stage_begin (&self->stage, &self->latched))
    add_path (self, argv, hf_record_write_mail);
}

void
hf_transaction_rcpt (HfTransaction *self, const gchar *const *argv)
{
  if (!works (self))
    return;
  if (self->in_message)
    {
      out_of_order (self, "a recipient");
      return;
    }
  self->facts.rcpts++;
  add_path (self, argv, hf_record_write_rcpt);
}

static void
add_message (HfTransaction *self, gconstpointer data, gsize size)
{
  self->in_message = TRUE;
  hf_stage_add_message (&self->stage, data, size, &self->latched);
  give_way (self);
}

/* libmilter joins the parts of a folded header by LF alone; the message has CRLF. */
static void
add_value (HfTransaction *self, const gchar *value)
{
  const gchar *start = value;

  for (const gchar *p = strchr (value, '\n'); p != NULL && self->latched == NULL; p = strchr (p + 1, '\n'))
    {
      if (p > value && p[-1] == '\r')
        continue;
      add_message (self, start, (gsize) (p - start));
      if (self->latched == NULL)
        add_message (self, "\r", 1);
      start = p;
    }
  if (self->latched == NULL)
    add_message (self, start, strlen (start));
}

void
hf_transaction_header (HfTransaction *self, const gchar *name, const gchar *value)
{
  if (!works (self))
    return;
  if (self->headers_ended)
    {
      out_of_order (self, "a header");
      return;
    }
  add_message (self, name, strlen (name));
  if (self->latched == NULL)
    add_message (self, self->lead_space ? ":" : ": ", self->lead_space ? 1 : 2);
  if (self->latched == NULL)
    add_value (self, value);
  if (self->latched == NULL)
    add_message (self, "\r\n", 2);
}

void
hf_transaction_end_of_headers (HfTransaction *self)
{
  if (!works (self) || self->headers_ended)
    return;
  self->headers_ended = TRUE;
  add_message (self, "\r\n", 2);
}

void
hf_transaction_body (HfTransaction *self, gconstpointer data, gsize size)
{
  hf_transaction_end_of_headers (self);
  if (works (self))
    add_message (self, data, size);
}

void
hf_transaction_set_queue (HfTransaction *self, const gchar *queue)
{
  if (self->open && self->facts.queue == NULL && queue != NULL && *queue != '\0')
    self->facts.queue = g_strdup (queue);
}

HfCommit *
hf_transaction_finish (HfTransaction *self, GError **error)
{
  g_autoptr (HfCommit) commit = NULL;

  hf_transaction_end_of_headers (self);
  if (self->latched != NULL)
    {
      g_propagate_error (error, g_error_copy (self->latched));
      return NULL;
    }
  if (self->facts.rcpts == 0)
    {
      hf_error_set (error, HF_ERROR_CORRUPT, "out-of-order", "the MTA ended a message without a recipient");
      return NULL;
    }
  commit = hf_commit_new ();
  commit->facts = self->facts;
  commit->facts.daemon = g_strdup (self->facts.daemon);
  commit->facts.queue = g_strdup (self->facts.queue);
  commit->facts.client = g_strdup (self->facts.client);
  commit->facts.helo = g_strdup (self->facts.helo);
  commit->facts.auth = g_strdup (self->facts.auth);
  hf_sys_random (&commit->salt, sizeof commit->salt);
  if (!hf_stage_finish (&self->stage, commit, error))
    return NULL;
  return g_steal_pointer (&commit);
}

void
hf_transaction_stored (HfTransaction *self)
{
  hf_stage_keep (&self->stage);
}
