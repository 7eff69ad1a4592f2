/* mail.c - messages that can be told apart, and what must come back of them; see mail.h */
#include <config.h>

#include "tests/fault/mail.h"

#include "milter/base/error.h"
#include "milter/journal/view.h"

#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

static void
mail_free (gpointer data)
{
  FtMail *self = data;

  g_free (self->sender);
  g_free (self->queue);
  g_ptr_array_unref (self->rcpts);
  for (guint i = 0; i < self->headers->len; i++)
    {
      g_free ((gchar *) (guintptr) g_array_index (self->headers, McHeader, i).name);
      g_free ((gchar *) (guintptr) g_array_index (self->headers, McHeader, i).value);
    }
  g_array_unref (self->headers);
  g_byte_array_unref (self->body);
  g_byte_array_unref (self->octets);
  g_free (self);
}

void
ft_account_init (FtAccount *self)
{
  self->mails = g_ptr_array_new_with_free_func (mail_free);
}

void
ft_account_clear (FtAccount *self)
{
  g_clear_pointer (&self->mails, g_ptr_array_unref);
}

static void
add_text (GByteArray *to, const gchar *text)
{
  g_byte_array_append (to, (const guint8 *) text, (guint) strlen (text));
}

/* @value as the MTA gives it: folded lines joined by LF alone. */
static void
add_header (FtMail *self, const gchar *name, const gchar *value)
{
  const McHeader header = { g_strdup (name), g_strdup (value) };

  g_array_append_val (self->headers, header);
  add_text (self->octets, name);
  add_text (self->octets, ":");
  for (const gchar *p = value; *p != '\0'; p++)
    {
      if (*p == '\n')
        add_text (self->octets, "\r");
      g_byte_array_append (self->octets, (const guint8 *) p, 1);
    }
  add_text (self->octets, "\r\n");
}

/* Lines that a careless reader would take for the journal's own, and octets
 * that no reader may stumble over. */
static void
fill_body (FtMail *self, gsize size)
{
  static const gchar *const lines[] = {
    ".\r\n",
    "..and a line that begins with dots\r\n",
    "NOOP holdfast-message nonce=00000000000000000000000000000000 id=01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n",
    "MAIL FROM:<forged@example.net>\r\n",
    "DATA\r\n",
    "gr\xfc\xdf""e, 8-bit and a bare\rCR\r\n",
    "\r\n",
  };
  guint32 random = self->number * 2654435761u + 12345u;

  while (self->body->len < size)
    {
      gchar line[80];

      random = random * 1103515245u + 12345u;
      if (random >> 28 < G_N_ELEMENTS (lines))
        {
          add_text (self->body, lines[random >> 28]);
          continue;
        }
      g_snprintf (line, sizeof line, "mail %u, line at %u: %08x %08x\r\n", self->number, self->body->len, random,
                  random * 69069u);
      add_text (self->body, line);
    }
  g_byte_array_append (self->body, (const guint8 *) "\0\0", 2);
  /* two of three end their last line */
  if (self->number % 3 != 0)
    add_text (self->body, "\r\n");
}

FtMail *
ft_account_add (FtAccount *self, gsize size)
{
  FtMail *mail = g_new0 (FtMail, 1);
  const McHeader last = { NULL, NULL };
  g_autofree gchar *id = NULL;

  mail->number = self->mails->len;
  mail->sender = g_strdup_printf ("n%u@example.org", mail->number);
  mail->queue = g_strdup_printf ("4Q%06u", mail->number);
  mail->rcpts = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i <= mail->number % 3; i++)
    g_ptr_array_add (mail->rcpts, g_strdup_printf ("r%u.%u@example.net", mail->number, i));
  mail->headers = g_array_new (FALSE, FALSE, sizeof (McHeader));
  mail->body = g_byte_array_new ();
  mail->octets = g_byte_array_new ();
  id = g_strdup_printf (" <%u@example.org>", mail->number);
  add_header (mail, "Message-Id", id);
  add_header (mail, "X-Folded", " one\n\ttwo\n three");
  add_header (mail, "Subject", "  exact  blanks ");
  g_array_append_val (mail->headers, last);
  fill_body (mail, size);
  add_text (mail->octets, "\r\n");
  g_byte_array_append (mail->octets, mail->body->data, mail->body->len);
  g_ptr_array_add (self->mails, mail);
  return mail;
}

/* ---- saying ---- */

void
ft_mail_say (const FtMail *self, HfTransaction *txn)
{
  g_autofree gchar *sender = g_strdup_printf ("<%s>", self->sender);
  const gchar *const mail[] = { sender, "SIZE=1000", NULL };

  hf_transaction_mail (txn, mail);
  for (guint i = 0; i < self->rcpts->len; i++)
    {
      g_autofree gchar *rcpt = g_strdup_printf ("<%s>", (const gchar *) g_ptr_array_index (self->rcpts, i));
      const gchar *const words[] = { rcpt, NULL };

      hf_transaction_rcpt (txn, words);
    }
  hf_transaction_set_queue (txn, self->queue);
  for (guint i = 0; i + 1 < self->headers->len; i++)
    {
      const McHeader *header = &g_array_index (self->headers, McHeader, i);

      hf_transaction_header (txn, header->name, header->value);
    }
  hf_transaction_end_of_headers (txn);
  hf_transaction_body (txn, self->body->data, self->body->len);
}

static FtAnswer
answer_of (const McReply *reply)
{
  switch (reply->verdict)
    {
    case MC_CONTINUE:
      return FT_TAKEN;
    case MC_TEMPFAIL:
      return FT_TEMPFAILED;
    default:
      return FT_WRONG;
    }
}

gboolean
ft_mail_send (FtMail *self, McClient *client, McReply *out_reply, GError **error)
{
  g_autofree gchar *sender = g_strdup_printf ("<%s>", self->sender);
  const gchar *const mail[] = { sender, "SIZE=1000", NULL };
  g_autoptr (GPtrArray) rcpts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  McMessage message = { .queue_id = self->queue, .mail = mail, .body = self->body->data, .body_size = self->body->len };

  for (guint i = 0; i < self->rcpts->len; i++)
    {
      gchar **words = g_new0 (gchar *, 2);

      words[0] = g_strdup_printf ("<%s>", (const gchar *) g_ptr_array_index (self->rcpts, i));
      g_ptr_array_add (rcpts, words);
    }
  g_ptr_array_add (rcpts, NULL);
  message.rcpts = (const gchar *const *const *) rcpts->pdata;
  message.headers = (const McHeader *) (gpointer) self->headers->data;
  if (!mc_client_message (client, &message, out_reply, NULL, error))
    return FALSE;
  self->answer = answer_of (out_reply);
  return TRUE;
}

/* ---- comparing ---- */

static void G_GNUC_PRINTF (2, 3)
tell (GString *why, const gchar *format, ...)
{
  va_list args;

  if (why == NULL)
    return;
  va_start (args, format);
  g_string_append_vprintf (why, format, args);
  va_end (args);
  g_string_append_c (why, '\n');
}

static gboolean
collect (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_byte_array_append (user_data, data, (guint) size);
  return TRUE;
}

static FtMail *
find_mail (const FtAccount *self, const HfItem *item)
{
  const gchar *sender = item->sender.address;
  guint64 number;

  if (sender == NULL || sender[0] != 'n')
    return NULL;
  number = g_ascii_strtoull (sender + 1, NULL, 10);
  if (number >= self->mails->len)
    return NULL;
  return g_ptr_array_index (self->mails, number);
}

static gboolean
same_envelope (const FtMail *mail, const HfItem *item)
{
  if (g_strcmp0 (item->sender.address, mail->sender) != 0 || g_strcmp0 (item->facts.queue, mail->queue) != 0
      || item->recipients->len != mail->rcpts->len)
    return FALSE;
  for (guint i = 0; i < mail->rcpts->len; i++)
    if (g_strcmp0 (g_array_index (item->recipients, HfPath, i).address, g_ptr_array_index (mail->rcpts, i)) != 0)
      return FALSE;
  return TRUE;
}

/* Where @entry is a whole copy of a mail: that mail.  NULL with a line in @why: half. */
static FtMail *
same_mail (const FtAccount *self, HfView *view, const HfViewEntry *entry, GString *why)
{
  g_autoptr (GByteArray) octets = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  FtMail *mail = find_mail (self, entry->item);

  if (mail == NULL)
    tell (why, "half: %s at %" G_GUINT64_FORMAT " is of nobody's mail", entry->name, entry->item->offset);
  else if (!hf_view_copy_message (view, entry, collect, octets, &error))
    tell (why, "half: mail %u: %s", mail->number, error->message);
  else if (!same_envelope (mail, entry->item))
    tell (why, "half: mail %u has another envelope", mail->number);
  else if (octets->len != mail->octets->len || memcmp (octets->data, mail->octets->data, octets->len) != 0)
    tell (why, "half: mail %u has other octets", mail->number);
  else
    return mail;
  return NULL;
}

typedef struct
{
  guint valid; /* whole copies without a mark */
  guint void_;  /* whole copies with one */
} Copies;

static void
take_entry (const FtAccount *self, HfView *view, const HfViewEntry *entry, Copies *copies, FtFindings *findings,
            GString *why)
{
  const FtMail *mail;

  findings->breaks += entry->chain_broken ? 1 : 0;
  if (entry->chain_broken)
    tell (why, "chain broken: %s at %" G_GUINT64_FORMAT, entry->name, entry->item->offset);
  if (entry->copy != HF_COPY_WHOLE || entry->item->kind != HF_ITEM_MESSAGE)
    {
      findings->torn += entry->copy == HF_COPY_TORN ? 1 : 0;
      findings->damaged += entry->copy == HF_COPY_DAMAGED ? 1 : 0;
      if (entry->copy == HF_COPY_DAMAGED)
        tell (why, "damaged: %s at %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " octets: %s", entry->name,
              entry->item->offset, entry->item->length,
              entry->unreadable != NULL ? entry->unreadable->message : entry->item->fault);
      return;
    }
  mail = same_mail (self, view, entry, why);
  if (mail == NULL)
    findings->half++;
  else if (entry->mark != NULL)
    copies[mail->number].void_++;
  else
    copies[mail->number].valid++;
}

static void
conclude (const FtAccount *self, guint64 upto, const Copies *copies, FtFindings *findings, GArray *whole, GString *why)
{
  for (guint i = 0; i < self->mails->len; i++)
    {
      const FtMail *mail = g_ptr_array_index (self->mails, i);
      const Copies *of = &copies[i];

      if (whole != NULL && of->valid + of->void_ > 0)
        g_array_append_val (whole, i);
      if (mail->answer == FT_TEMPFAILED && of->valid > 0)
        {
          findings->unmarked++;
          tell (why, "unmarked: mail %u was tempfailed, and its copy has no mark", i);
        }
      if (mail->answer != FT_TAKEN || mail->answered_at > upto)
        continue;
      findings->answered++;
      if (of->valid > 0)
        findings->found++;
      else
        {
          findings->lost++;
          tell (why, "lost: mail %u was taken%s", i, of->void_ > 0 ? ", and its copy is marked void" : "");
        }
    }
}

gboolean
ft_account_compare (const FtAccount *self, const gchar *spool, guint64 upto, HfReadFlags flags,
                    FtFindings *out_findings, GArray *whole, GString *why)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfView) view = NULL;
  g_autofree Copies *copies = g_new0 (Copies, self->mails->len + 1);
  HfViewEntry entry;
  gboolean end = FALSE;

  memset (out_findings, 0, sizeof *out_findings);
  view = hf_view_open (spool, flags | HF_READ_RECIPIENTS, &error);
  while (view != NULL && hf_view_next (view, &entry, &end, &error) && !end)
    take_entry (self, view, &entry, copies, out_findings, why);
  /* No directory, no records: what was answered is lost then. */
  if (view == NULL && !g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND))
    {
      tell (why, "unreadable: %s", error->message);
      return FALSE;
    }
  conclude (self, upto, copies, out_findings, whole, why);
  return view == NULL || end;
}

gboolean
ft_findings_good (const FtFindings *self)
{
  return self->lost == 0 && self->half == 0;
}
