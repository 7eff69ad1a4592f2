/* judge.c - what is written of what recipients came to, and told
 *
 * The finding itself is judge-slot.c's.  Here it is compared with what was
 * written last; and what a look at the queue has of a message is kept for it.
 */
#include <config.h>

#include "milter/audit/accounts-private.h"

#include "milter/audit/describe.h"
#include "milter/audit/verdict.h"
#include "milter/base/event.h"

#include <string.h>

/* The reason is told by the words. */
static gboolean
is_told (const HfSlot *slot, const HfVerdict *verdict)
{
  return slot->finding.state == verdict->finding.state && slot->finding.outcome == verdict->finding.outcome
         && slot->finding.silent == verdict->finding.silent && g_strcmp0 (slot->detail, verdict->detail) == 0;
}

static const gchar *
bare (const gchar *address)
{
  return address != NULL ? address : "";
}

/* A line of the log tells more than what was known when the record was carried. */
static gboolean
is_named (const HfEnvelope *envelope, const HfSlot *slot)
{
  guint n_legs = 0;

  if (envelope->mail != NULL)
    hf_slot_find (envelope->mail->message, hf_slice (slot->address), NULL, &n_legs);
  return n_legs > 0;
}

/* ---- writing ---- */

static void
add_finding (HfStatementBuilder *builder, HfFinding finding, const gchar *detail)
{
  hf_statement_add (builder, "state", hf_state_name ((HfState) finding.state), -1);
  hf_statement_add (builder, "outcome", hf_outcome_name ((HfOutcome) finding.outcome), -1);
  if (finding.silent)
    hf_statement_add_number (builder, "silent", 1);
  hf_statement_add (builder, "detail", detail, -1);
}

static gint64
since_ms (const HfAccounts *self, const HfMail *mail)
{
  return mail != NULL && mail->message->seen_ms >= 0 ? mail->message->seen_ms : self->now_ms;
}

void
hf_judge_write_fate (HfAccounts *self, const HfEnvelope *envelope, guint index, gint64 at_ms)
{
  const HfSlot *slot = &envelope->slots[index];
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "fate");

  hf_statement_add (builder, "id", envelope->id.text, -1);
  hf_statement_add_number (builder, "rcpt", index);
  add_finding (builder, slot->finding, slot->detail);
  hf_accounts_add_time (builder, "at", at_ms);
  hf_statement_end (builder);
}

/* Lost mail raises its hand. */
static void
tell (const HfEnvelope *envelope, HfState state, guint count, const HfSlot *slot)
{
  g_autofree gchar *number = g_strdup_printf ("%u", count);
  const gchar *queue = envelope->mail != NULL ? envelope->mail->message->queue_id : envelope->queue;

  if (count == 0)
    return;
  if (state == HF_STATE_LOST)
    hf_event (HF_EVENT_MAIL_LOST, NULL, "queue", queue, "id", envelope->id.text, "recipients", number,
              "recipient", slot->address, "detail", slot->detail, NULL);
  else
    hf_event (HF_EVENT_MAIL_UNACCOUNTED, NULL, "queue", queue, "id", envelope->id.text, "recipients", number,
              "recipient", slot->address, "detail", slot->detail, NULL);
}

void
hf_judge_envelope (HfAccounts *self, HfEnvelope *envelope)
{
  guint counts[HF_N_STATES] = { 0 };
  const HfSlot *examples[HF_N_STATES] = { NULL };
  HfNaming naming;

  if (self->restoring || (envelope->mail != NULL && hf_judge_is_as_restored (self, envelope->mail)))
    return;
  if (envelope->mail != NULL)
    hf_judge_learn (self, envelope);
  hf_judge_naming (envelope, &naming);
  for (guint i = 0; i < envelope->n_slots; i++)
    {
      HfSlot *slot = &envelope->slots[i];
      HfVerdict verdict = { .detail = NULL };

      slot->carried = slot->carried && !is_named (envelope, slot);
      if (slot->declared || slot->carried)
        continue;
      hf_judge_slot (self, envelope, slot, &naming, &verdict);
      if (is_told (slot, &verdict))
        {
          g_free (verdict.detail);
          continue;
        }
      if (verdict.finding.state != slot->finding.state)
        {
          counts[verdict.finding.state]++;
          examples[verdict.finding.state] = slot;
        }
      hf_slot_set_detail (slot, verdict.detail);
      g_free (verdict.detail);
      slot->finding = verdict.finding;
      hf_judge_write_fate (self, envelope, i, verdict.since_ms >= 0 ? verdict.since_ms : self->now_ms);
    }
  tell (envelope, HF_STATE_LOST, counts[HF_STATE_LOST], examples[HF_STATE_LOST]);
  tell (envelope, HF_STATE_UNACCOUNTED, counts[HF_STATE_UNACCOUNTED], examples[HF_STATE_UNACCOUNTED]);
}

static void
describe (HfAccounts *self, HfMail *mail)
{
  const HfMessage *message = mail->message;
  HfStatementBuilder *builder;

  if (mail->accepted != message->accepted || mail->has_sender != (message->sender != NULL)
      || mail->has_parent != (message->parent != NULL))
    mail->described = FALSE;
  if (mail->described)
    return;
  mail->described = TRUE;
  mail->accepted = message->accepted;
  mail->has_sender = message->sender != NULL;
  mail->has_parent = message->parent != NULL;
  builder = hf_daybook_begin (self->daybook, "mail");
  hf_statement_add_number (builder, "n", mail->n);
  hf_statement_add (builder, "queue", message->queue_id, -1);
  hf_statement_add (builder, "host", hf_books_name (self->books, message->host), -1);
  hf_statement_add (builder, "instance", hf_books_name (self->books, message->label), -1);
  hf_accounts_add_time (builder, "at", message->arrived_ms);
  hf_statement_add (builder, "sender", message->sender, -1);
  hf_statement_add (builder, "message_id", mail->draft != NULL ? mail->draft->message_id : NULL, -1);
  hf_statement_add (builder, "parent", message->parent, -1);
  hf_statement_add (builder, "link", hf_describe_link ((HfLink) message->parent_link), -1);
  if (message->accepted)
    hf_statement_add_number (builder, "accepted", 1);
  hf_statement_end (builder);
  if (mail->draft != NULL)
    g_clear_pointer (&mail->draft->message_id, g_free);
}

static void
write_leg (HfAccounts *self, HfMail *mail, const HfLeg *leg)
{
  const HfMessage *message = mail->message;
  const HfFinding finding = leg != NULL ? leg->finding : message->rest_finding;
  g_autofree gchar *detail = NULL;
  HfStatementBuilder *builder;

  /* they were named before anything was written */
  if (leg == NULL && message->rest == 0 && !mail->told_rest)
    return;
  if (leg == NULL)
    mail->told_rest = message->rest > 0;
  detail = hf_describe_detail (message, leg, finding);
  builder = hf_daybook_begin (self->daybook, "leg");
  hf_statement_add_number (builder, "mail", mail->n);
  hf_statement_add (builder, "address", leg != NULL ? leg->address : "", -1);
  hf_statement_add (builder, "orig", leg != NULL ? bare (leg->orig) : "", -1);
  hf_statement_add_number (builder, "number", leg != NULL ? 1 : message->rest);
  add_finding (builder, finding, detail);
  hf_accounts_add_time (builder, "at", since_ms (self, mail));
  hf_statement_end (builder);
}

void
hf_judge_mail (HfAccounts *self, HfMail *mail)
{
  const HfDraft *draft;

  if (self->restoring || mail->n == 0)
    return;
  describe (self, mail);
  draft = mail->draft;
  if (draft != NULL && draft->lines != NULL && draft->lines->len > 0)
    {
      HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "evidence");

      hf_statement_add_number (builder, "mail", mail->n);
      hf_statement_add_number (builder, "seq", draft->first_seq);
      hf_statement_add (builder, "lines", draft->lines->str, (gssize) draft->lines->len);
      hf_statement_end (builder);
    }
  if (mail->envelope != NULL)
    hf_judge_envelope (self, mail->envelope);
  else
    {
      for (guint i = 0; draft != NULL && draft->legs != NULL && i < draft->legs->len; i++)
        write_leg (self, mail, g_ptr_array_index (draft->legs, i));
      if (mail->message->rest == 0 && mail->told_rest)
        write_leg (self, mail, NULL); /* all have got a name since */
    }
  hf_mail_drop_draft (mail);
}

/* ---- the queue ---- */

/* What a look at the queue tells of a message; the last three are of those that
 * it was forwarded as. */
static const gchar seen_listed[] = "listed", seen_corrupt[] = "put aside as corrupt", seen_absent[] = "not listed",
                   seen_absent_again[] = "not listed, for the second time",
                   heir_listed[] = "what it was forwarded as is listed",
                   heir_absent[] = "what it was forwarded as is not listed",
                   heir_absent_again[] = "what it was forwarded as is not listed, for the second time";

static void
add_sighting (HfAccounts *self, HfMail *mail, gint64 at_ms, const gchar *what)
{
  g_autofree gchar *text = NULL;
  gchar at[25];

  hf_time_format (at_ms, at);
  text = g_strdup_printf ("%s holdfast-auditor: %s: queue snapshot: %s", at, mail->message->queue_id, what);
  hf_mail_add_line (self, mail, ++self->seq, 0, 0, 0, hf_slice (text));
}

static gboolean
restore_heir (HfMail *mail, HfSlice what, const gchar *at)
{
  const gboolean absent = hf_slice_is (what, heir_absent);

  if (absent)
    hf_time_parse (at, &mail->unseen_ms);
  else if (!hf_slice_is (what, heir_listed) && !hf_slice_is (what, heir_absent_again))
    return FALSE;
  mail->unseen = absent ? 1 : hf_slice_is (what, heir_listed) ? 0 : 2;
  return TRUE;
}

void
hf_mail_restore_sighting (HfMail *mail, HfSlice line)
{
  HfSlice rest = line, time;
  g_autofree gchar *at = NULL;

  if (!hf_slice_cut (&rest, " holdfast-auditor: ", &time) || !hf_slice_cut (&rest, "queue snapshot: ", &line))
    return;
  at = hf_slice_dup (time);
  if (restore_heir (mail, rest, at))
    return;
  if (hf_slice_is (rest, seen_absent))
    {
      mail->absent = 1;
      hf_time_parse (at, &mail->absent_ms);
    }
  else if (hf_slice_is (rest, seen_absent_again))
    mail->absent = 2;
  else
    mail->absent = 0;
  mail->corrupt = hf_slice_is (rest, seen_corrupt);
}

/* Put back to be queued again, it keeps its id until it has the new one. */
static gboolean
is_in_queue (const HfMessage *message)
{
  return message->closed == HF_CLOSED_NOT || (message->closed == HF_CLOSED_REQUEUED && !message->passed);
}

static gboolean
is_open (const HfMail *mail)
{
  return mail->message->accepted && is_in_queue (mail->message)
         && (mail->message->n_unsettled > 0 || mail->message->rest > 0 || mail->message->legs == NULL);
}

/* The journal has it, and nothing tells whether the MTA took it. */
static gboolean
is_unconfirmed (const HfAccounts *self, const HfMail *mail)
{
  return !mail->message->accepted && mail->message->closed == HF_CLOSED_NOT && mail->envelope != NULL
         && hf_judge_is_overdue (self, mail->envelope, self->now_ms);
}

void
hf_envelope_restore_sighting (HfEnvelope *envelope, const HfSlot *slot)
{
  if (envelope->mail != NULL || slot->detail == NULL)
    return;
  if (strcmp (slot->detail, HF_UNCONFIRMED_DETAIL) == 0)
    envelope->absent = 2;
  else if (g_str_has_prefix (slot->detail, HF_ABSENT_DETAIL)
           && hf_time_parse (slot->detail + strlen (HF_ABSENT_DETAIL), &envelope->absent_ms))
    envelope->absent = 1;
}

/* Of a message of the journal that the log has not named. */
static void
look_up_envelope (HfAccounts *self, HfEnvelope *envelope, const HfQueue *queue, gint64 at_ms)
{
  HfQueuePlace place;
  const guint before = envelope->absent;

  if (!hf_judge_is_overdue (self, envelope, at_ms))
    return;
  if (envelope->queue != NULL && hf_queue_find (queue, envelope->queue, &place))
    envelope->absent = 0;
  else if (before == 0)
    {
      envelope->absent = 1;
      envelope->absent_ms = at_ms;
    }
  else if (at_ms - envelope->absent_ms >= self->settings.twice_ms)
    envelope->absent = 2;
  if (envelope->absent != before)
    hf_envelope_mark (self, envelope);
}

static void
look_up_envelopes (HfAccounts *self, const HfQueue *queue, gint64 at_ms)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->envelopes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((HfEnvelope *) value)->mail == NULL && ((HfEnvelope *) value)->void_reason == NULL)
      look_up_envelope (self, value, queue, at_ms);
}

/* TRUE when it is missing. */
static gboolean
look_up (HfAccounts *self, HfMail *mail, const HfQueue *queue, gint64 at_ms)
{
  HfQueuePlace place = HF_QUEUE_QUEUED;
  const gboolean found = hf_queue_find (queue, mail->message->queue_id, &place);
  const gboolean was_absent = mail->absent > 0, was_corrupt = mail->corrupt;

  mail->listed = found && place != HF_QUEUE_GIVEN_UP;
  mail->corrupt = found && place == HF_QUEUE_GIVEN_UP;
  if (found)
    {
      mail->absent = 0;
      if (was_absent || mail->corrupt != was_corrupt)
        add_sighting (self, mail, at_ms, mail->corrupt ? seen_corrupt : seen_listed);
      return FALSE;
    }
  /* what came in while the snapshot was taken can't be in it */
  if (mail->message->seen_ms >= at_ms)
    return FALSE;
  if (!was_absent)
    {
      mail->absent = 1;
      mail->absent_ms = at_ms;
      add_sighting (self, mail, at_ms, seen_absent);
    }
  else if (mail->absent == 1 && at_ms - mail->absent_ms >= self->settings.twice_ms)
    {
      mail->absent = 2;
      add_sighting (self, mail, at_ms, seen_absent_again);
    }
  return TRUE;
}

static gboolean
has_unseen (const HfMail *mail, const HfQueue *queue)
{
  HfQueuePlace place;

  for (const HfLeg *leg = mail->message->legs; leg != NULL; leg = leg->next)
    if (leg->waiting && leg->outcome == HF_OUTCOME_PASSED && !hf_queue_find (queue, leg->child, &place))
      return TRUE;
  return FALSE;
}

/* Messages that it was forwarded as, and that no line has named. */
static void
look_up_heirs (HfAccounts *self, HfMail *mail, const HfQueue *queue, gint64 at_ms)
{
  const guint before = mail->unseen;

  if (mail->message->n_unseen == 0 || mail->message->seen_ms >= at_ms)
    return;
  if (!has_unseen (mail, queue))
    mail->unseen = 0;
  else if (before == 0)
    {
      mail->unseen = 1;
      mail->unseen_ms = at_ms;
    }
  else if (before == 1 && at_ms - mail->unseen_ms >= self->settings.twice_ms)
    mail->unseen = 2;
  if (mail->unseen == before)
    return;
  add_sighting (self, mail, at_ms, mail->unseen == 0 ? heir_listed : mail->unseen == 1 ? heir_absent : heir_absent_again);
}

void
hf_accounts_queue (HfAccounts *self, const HfQueue *queue, gint64 at_ms)
{
  HfStatementBuilder *builder;
  GHashTableIter iter;
  guint64 missing = 0;
  gpointer value;

  self->now_ms = at_ms;
  g_hash_table_iter_init (&iter, self->mails);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      HfMail *mail = value;
      const gboolean as_restored = mail->as_restored;

      look_up_heirs (self, mail, queue, at_ms);
      if (!is_open (mail) && !is_unconfirmed (self, mail))
        continue;
      if (look_up (self, mail, queue, at_ms) && is_open (mail))
        missing++;
      /* one look after a restart changes nothing of what two looks before it told */
      mail->as_restored = as_restored && !mail->listed && !mail->corrupt && mail->absent < 2;
      hf_mail_mark (self, mail);
    }
  look_up_envelopes (self, queue, at_ms);
  builder = hf_daybook_begin (self->daybook, "snapshot");
  hf_statement_add_number (builder, "n", ++self->last_snapshot);
  hf_accounts_add_time (builder, "at", at_ms);
  hf_statement_add_number (builder, "messages", hf_queue_size (queue));
  hf_statement_add_number (builder, "missing", missing);
  hf_statement_end (builder);
}

/* ---- operators ---- */

static void
declare (HfAccounts *self, const gchar *id, const gchar *address)
{
  HfEnvelope *envelope = g_hash_table_lookup (self->envelopes, id);

  for (guint i = 0; envelope != NULL && i < envelope->n_slots; i++)
    {
      HfSlot *slot = &envelope->slots[i];

      if (hf_finding_is_final (slot->finding) || (address != NULL && strcmp (address, slot->address) != 0))
        continue;
      slot->declared = TRUE;
      slot->finding = (HfFinding){ .state = HF_STATE_SETTLED, .outcome = HF_OUTCOME_DECLARED, .silent = TRUE };
    }
}

/* The ledger settles the recipients from the same statement (fold.c). */
void
hf_accounts_act (HfAccounts *self, const HfStatement *statement)
{
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "act");
  const gchar *message = NULL;

  for (guint i = 0; i < statement->pairs->len; i++)
    {
      const HfPair *pair = &g_array_index (statement->pairs, HfPair, i);
      const gchar *key = statement->text->str + pair->key;
      const gchar *value = statement->text->str + pair->value;

      hf_statement_add (builder, key, value, (gssize) pair->size);
      if (strcmp (key, "message") == 0)
        message = value;
      else if (message != NULL && strcmp (key, "recipients") == 0)
        declare (self, message, NULL);
      else if (message != NULL && strcmp (key, "recipient") == 0)
        declare (self, message, value);
    }
  hf_statement_end (builder);
}
