/* envelope.c - messages of the journal, and which mail of the log is theirs
 *
 * The filter writes down the MTA's queue id.  Ids are used again, so the mail
 * has to begin when the envelope did, and have something in common with it where
 * it begins much later; of several the nearest is taken.
 */
#include <config.h>

#include "milter/audit/accounts-private.h"

#include "milter/journal/directory.h"

#include <string.h>

/* The log's first line of a mail comes with its first recipient, after MAIL. */
#define BEFORE_MS 2000
#define AFTER_MS (2 * 3600 * 1000)

/* By sendmail(1), nobody waits for a client. */
#define SUBMITTED_MS (60 * 1000)

/* An id is not used again so soon, whatever was rewritten. */
#define NEAR_MS (10 * 1000)

/* A mail whose beginning is not in the log is named only at a later attempt. */
#define LATE_MS (G_GINT64_CONSTANT (10) * 24 * 3600 * 1000)

void
hf_slot_set_detail (HfSlot *slot, const gchar *detail)
{
  g_clear_pointer (&slot->detail, g_ref_string_release);
  if (detail != NULL)
    slot->detail = g_ref_string_new_intern (detail);
}

void
hf_envelope_free (gpointer data)
{
  HfEnvelope *self = data;

  for (guint i = 0; i < self->n_slots; i++)
    {
      g_free (self->slots[i].address);
      hf_slot_set_detail (&self->slots[i], NULL);
    }
  g_free (self->queue);
  g_free (self->sender);
  g_free (self->void_reason);
  g_free (self);
}

void
hf_envelope_mark (HfAccounts *self, HfEnvelope *envelope)
{
  if (envelope->changed)
    return;
  envelope->changed = TRUE;
  g_ptr_array_add (self->changed_envelopes, envelope);
}

static void
set_loose (HfAccounts *self, HfEnvelope *envelope, gboolean loose)
{
  HfEnvelope *head;

  if (envelope->queue == NULL)
    return;
  head = g_hash_table_lookup (self->loose_envelopes, envelope->queue);
  if (head != NULL)
    g_hash_table_remove (self->loose_envelopes, envelope->queue);
  if (loose)
    {
      envelope->next_same_queue = head;
      head = envelope;
    }
  else if (head == envelope)
    head = envelope->next_same_queue;
  else
    for (HfEnvelope *it = head; it != NULL; it = it->next_same_queue)
      if (it->next_same_queue == envelope)
        it->next_same_queue = envelope->next_same_queue;
  if (head != NULL)
    g_hash_table_insert (self->loose_envelopes, head->queue, head);
}

void
hf_mail_set_loose (HfAccounts *self, HfMail *mail, gboolean loose)
{
  const gchar *queue = mail->message->queue_id;
  HfMail *head = g_hash_table_lookup (self->loose_mails, queue);

  if (head != NULL)
    g_hash_table_remove (self->loose_mails, queue);
  if (loose)
    {
      mail->next_same_queue = head;
      head = mail;
    }
  else if (head == mail)
    head = mail->next_same_queue;
  else
    for (HfMail *it = head; it != NULL; it = it->next_same_queue)
      if (it->next_same_queue == mail)
        it->next_same_queue = mail->next_same_queue;
  if (head != NULL)
    g_hash_table_insert (self->loose_mails, (gpointer) head->message->queue_id, head);
}

HfEnvelope *
hf_envelope_add (HfAccounts *self, const gchar *id, const gchar *queue, gint64 at_ms, guint n_slots)
{
  HfEnvelope *envelope = g_malloc0 (sizeof *envelope + n_slots * sizeof *envelope->slots);

  g_strlcpy (envelope->id.text, id, sizeof envelope->id.text);
  envelope->queue = g_strdup (queue);
  envelope->at_ms = at_ms;
  envelope->n_slots = n_slots;
  g_hash_table_add (self->envelopes, envelope);
  set_loose (self, envelope, TRUE);
  return envelope;
}

void
hf_envelope_forget (HfAccounts *self, HfEnvelope *envelope)
{
  if (envelope->mail == NULL)
    set_loose (self, envelope, FALSE);
  else
    envelope->mail->envelope = NULL;
  if (envelope->changed)
    g_ptr_array_remove_fast (self->changed_envelopes, envelope);
  g_hash_table_remove (self->envelopes, envelope->id.text);
}

static void
write_envelope (HfAccounts *self, guint64 seq, const gchar *instance, const HfItem *item)
{
  const HfFacts *facts = &item->facts;
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "envelope");

  hf_statement_add (builder, "id", facts->id.text, -1);
  hf_statement_add_number (builder, "segment", seq);
  hf_statement_add_number (builder, "offset", item->offset);
  hf_statement_add_number (builder, "length", item->length);
  hf_accounts_add_time (builder, "at", facts->at_ms);
  hf_statement_add (builder, "queue", facts->queue, -1);
  hf_statement_add (builder, "instance", instance, -1);
  hf_statement_add (builder, "daemon", facts->daemon, -1);
  hf_statement_add (builder, "client", facts->client, -1);
  hf_statement_add_number (builder, "bytes", facts->bytes);
  if (!item->whole)
    hf_statement_add (builder, "fault", item->fault, -1);
  hf_statement_add (builder, "sender", item->sender.address, -1);
  for (guint i = 0; i < item->recipients->len; i++)
    hf_statement_add (builder, "rcpt", g_array_index (item->recipients, HfPath, i).address, -1);
  hf_statement_end (builder);
}

/* What the books said when the record was carried forward.  They may be gone since,
 * and the log's lines with them. */
static void
take_settled (HfAccounts *self, HfEnvelope *envelope, guint index, const HfPath *path)
{
  const HfState state = hf_state_parse (path->state);
  const HfOutcome outcome = hf_outcome_parse (path->outcome);
  HfSlot *slot = &envelope->slots[index];

  if (state != HF_STATE_SETTLED && state != HF_STATE_VOID)
    return;
  slot->carried = TRUE;
  slot->finding = (HfFinding){ .state = (guint8) state,
                               .outcome = (guint8) outcome,
                               .silent = hf_outcome_is_silent (outcome) };
  hf_slot_set_detail (slot, HF_CARRIED_DETAIL);
  hf_judge_write_fate (self, envelope, index, path->since_ms);
}

void
hf_accounts_envelope (HfAccounts *self, guint64 seq, const gchar *instance, const HfItem *item)
{
  HfEnvelope *envelope;

  /* two copies of one id are one message */
  if (g_hash_table_contains (self->envelopes, item->facts.id.text))
    return;
  write_envelope (self, seq, instance, item);
  envelope = hf_envelope_add (self, item->facts.id.text, item->facts.queue, item->facts.at_ms, item->recipients->len);
  envelope->sender = g_strdup (item->sender.address);
  envelope->carried = hf_segment_is_carried (seq);
  for (guint i = 0; i < item->recipients->len; i++)
    {
      const HfPath *path = &g_array_index (item->recipients, HfPath, i);

      envelope->slots[i].address = g_strdup (path->address);
      take_settled (self, envelope, i, path);
    }
  self->newest_envelope_ms = MAX (self->newest_envelope_ms, item->facts.at_ms);
  hf_envelope_mark (self, envelope);
}

void
hf_accounts_void (HfAccounts *self, const gchar *id, const gchar *reason)
{
  HfEnvelope *envelope = g_hash_table_lookup (self->envelopes, id);
  HfStatementBuilder *builder;

  if (reason == NULL)
    reason = "tempfailed";
  builder = hf_daybook_begin (self->daybook, "void");
  hf_statement_add (builder, "id", id, -1);
  hf_statement_add (builder, "reason", reason, -1);
  hf_statement_end (builder);
  if (envelope == NULL)
    return;
  g_free (envelope->void_reason);
  envelope->void_reason = g_strdup (reason);
  hf_envelope_mark (self, envelope);
}

/* ---- matching ---- */

static gboolean
is_instance (const HfAccounts *self, const HfMessage *message)
{
  return self->settings.instance == NULL || self->settings.instance[0] == '\0'
         || strcmp (hf_books_name (self->books, message->instance), self->settings.instance) == 0
         || strcmp (hf_books_name (self->books, message->label), self->settings.instance) == 0;
}

/* The MTA may rewrite a sender, or a recipient; a stranger has neither. */
static gboolean
is_stranger (const HfEnvelope *envelope, const HfMessage *message)
{
  guint n_legs = 0;

  if (message->sender == NULL || envelope->sender == NULL || message->legs == NULL
      || g_ascii_strcasecmp (message->sender, envelope->sender) == 0)
    return FALSE;
  for (guint i = 0; n_legs == 0 && i < envelope->n_slots; i++)
    hf_slot_find (message, hf_slice (envelope->slots[i].address), NULL, &n_legs);
  return n_legs == 0;
}

/* How far apart they began; -1 when they can't be the same. */
static gint64
distance (const HfAccounts *self, const HfEnvelope *envelope, const HfMail *mail)
{
  const gint64 after_ms = mail->message->arrived_ms - envelope->at_ms;

  if (mail->n == 0 || mail->envelope != NULL || mail->message->parent_link == HF_LINK_NOTIFICATION || !is_instance (self, mail->message))
    return -1;
  if (mail->message->arrived_ms < 0)
    return LATE_MS;
  if (after_ms < -BEFORE_MS || after_ms > (mail->message->opened ? AFTER_MS : LATE_MS))
    return -1;
  if (after_ms > NEAR_MS && is_stranger (envelope, mail->message))
    return -1;
  if (after_ms > SUBMITTED_MS && mail->message->submitted)
    return -1;
  return ABS (after_ms);
}

void
hf_envelope_bind (HfAccounts *self, HfEnvelope *envelope, HfMail *mail)
{
  set_loose (self, envelope, FALSE);
  hf_mail_set_loose (self, mail, FALSE);
  envelope->mail = mail;
  mail->envelope = envelope;
  g_clear_pointer (&envelope->queue, g_free);
  g_clear_pointer (&envelope->sender, g_free);
  if (mail->draft != NULL)
    g_clear_pointer (&mail->draft->legs, g_ptr_array_unref);
}

static void
match (HfAccounts *self, HfEnvelope *envelope)
{
  HfMail *nearest = NULL;
  gint64 least = -1;
  HfStatementBuilder *builder;

  if (envelope->mail != NULL || envelope->queue == NULL)
    return;
  for (HfMail *it = g_hash_table_lookup (self->loose_mails, envelope->queue); it != NULL; it = it->next_same_queue)
    {
      const gint64 far = distance (self, envelope, it);

      if (far >= 0 && (nearest == NULL || far < least))
        {
          nearest = it;
          least = far;
        }
    }
  if (nearest == NULL)
    return;
  hf_envelope_bind (self, envelope, nearest);
  nearest->as_restored = FALSE;
  hf_mail_mark (self, nearest);
  nearest->described = FALSE;
  hf_judge_mail (self, nearest); /* so that the mail is known before it is linked */
  builder = hf_daybook_begin (self->daybook, "link");
  hf_statement_add_number (builder, "mail", nearest->n);
  hf_statement_add (builder, "id", envelope->id.text, -1);
  hf_statement_end (builder);
  hf_mail_mark (self, nearest);
}

void
hf_mail_match (HfAccounts *self, HfMail *mail)
{
  HfEnvelope *next;

  if (mail->envelope != NULL)
    return;
  for (HfEnvelope *it = g_hash_table_lookup (self->loose_envelopes, mail->message->queue_id); it != NULL; it = next)
    {
      next = it->next_same_queue;
      match (self, it);
    }
}

void
hf_envelopes_match (HfAccounts *self)
{
  for (guint i = 0; i < self->changed_mails->len; i++)
    hf_mail_match (self, g_ptr_array_index (self->changed_mails, i));
  for (guint i = 0; i < self->changed_envelopes->len; i++)
    match (self, g_ptr_array_index (self->changed_envelopes, i));
}
