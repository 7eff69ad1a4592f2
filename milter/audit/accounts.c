/* accounts.c - journal and log brought together: lines in, lines kept; see accounts.h */
#include <config.h>

#include "milter/audit/accounts-private.h"

#include "milter/audit/describe.h"
#include "milter/base/id.h"

#include <stdio.h>
#include <string.h>

/* Begun when there is none. */
HfDraft *
hf_mail_draft (HfMail *mail)
{
  if (mail->draft == NULL)
    mail->draft = g_new0 (HfDraft, 1);
  return mail->draft;
}

void
hf_mail_drop_draft (HfMail *mail)
{
  HfDraft *draft = g_steal_pointer (&mail->draft);

  if (draft == NULL)
    return;
  if (draft->lines != NULL)
    g_string_free (draft->lines, TRUE);
  g_clear_pointer (&draft->legs, g_ptr_array_unref);
  g_free (draft->message_id);
  g_free (draft);
}

void
hf_mail_free (gpointer data)
{
  HfMail *mail = data;

  hf_mail_drop_draft (mail);
  g_free (mail);
}

void
hf_accounts_add_time (HfStatementBuilder *builder, const gchar *key, gint64 at_ms)
{
  gchar text[25];

  if (at_ms < 0)
    return;
  hf_time_format (at_ms, text);
  hf_statement_add (builder, key, text, -1);
}

static void
add_changed (HfAccounts *self, HfMail *mail)
{
  if (mail == NULL || mail->changed)
    return;
  mail->changed = TRUE;
  g_ptr_array_add (self->changed_mails, mail);
}

/* What was passed on is no better than what it was passed on to: with a message go
 * those that it came from, however long that chain is. */
void
hf_mail_mark (HfAccounts *self, HfMail *mail)
{
  guint at = self->changed_mails->len;

  add_changed (self, mail);
  for (; at < self->changed_mails->len; at++)
    {
      const HfMail *one = g_ptr_array_index (self->changed_mails, at);

      for (const HfParent *parent = one->message->parents; parent != NULL; parent = parent->next)
        add_changed (self, g_hash_table_lookup (self->mails, &parent->message->serial));
    }
}

/* The number that a message had before the restart. */
static guint64
restored_number (HfAccounts *self, const HfMessage *message)
{
  g_autofree gchar *key = g_strdup_printf ("%s %s", message->queue_id, hf_books_name (self->books, message->host));
  GQueue *numbers = g_hash_table_lookup (self->numbers, key);
  guint64 number;

  if (numbers == NULL)
    return 0;
  number = GPOINTER_TO_SIZE (g_queue_pop_head (numbers));
  if (g_queue_is_empty (numbers))
    g_hash_table_remove (self->numbers, key);
  return number;
}

/* The account of a message, opened at its first mention. */
HfMail *
hf_mail_of (HfAccounts *self, const HfMessage *message)
{
  HfMail *mail = g_hash_table_lookup (self->mails, &message->serial);

  if (mail != NULL)
    return mail;
  mail = g_new0 (HfMail, 1);
  mail->message = message;
  mail->n = self->restoring ? restored_number (self, message) : ++self->last_mail;
  mail->described = self->restoring;
  mail->as_restored = self->restoring;
  mail->told_rest = self->restoring; /* as it may be; to take back what is not there does no harm */
  g_hash_table_insert (self->mails, (gpointer) &message->serial, mail);
  hf_mail_set_loose (self, mail, TRUE);
  if (!self->restoring)
    hf_mail_mark (self, mail);
  return mail;
}

/* Decimal, and a blank; a line of the log has four of them. */
static gchar *
put_number (gchar *at, guint64 number)
{
  gchar digits[20];
  guint n = 0;

  do
    digits[n++] = (gchar) ('0' + number % 10);
  while ((number /= 10) > 0);
  while (n > 0)
    *at++ = digits[--n];
  *at++ = ' ';
  return at;
}

/* What a line has of octets that would end it early is a blank. */
void
hf_evidence_append (GString *out, guint64 seq, guint64 source, guint64 offset, guint64 number, HfSlice text)
{
  const gsize length = MIN (text.length, HF_EVIDENCE_LINE_MAX);
  gchar numbers[4 * 21], *at = numbers;
  gsize begin;

  at = put_number (put_number (put_number (put_number (at, seq), source), offset), number);
  g_string_append_len (out, numbers, at - numbers);
  begin = out->len;
  g_string_append_len (out, text.at, (gssize) length);
  for (gsize i = begin; i < out->len; i++)
    if (out->str[i] == '\n' || out->str[i] == '\0')
      out->str[i] = ' ';
  g_string_append_c (out, '\n');
}

void
hf_mail_add_line (HfAccounts *self, HfMail *mail, guint64 seq, guint64 source, guint64 offset, guint64 number,
                  HfSlice text)
{
  HfDraft *draft;

  if (mail->last_seq == seq)
    return;
  mail->last_seq = seq;
  if (self->restoring)
    return;
  draft = hf_mail_draft (mail);
  if (draft->lines == NULL)
    {
      draft->lines = g_string_sized_new (1024);
      draft->first_seq = seq;
    }
  hf_evidence_append (draft->lines, seq, source, offset, number, text);
  mail->as_restored = FALSE;
  hf_mail_mark (self, mail);
}

/* How long before its report a gap without a known beginning may reach back. */
#define HOLE_REACH_MS 60000

void
hf_accounts_add_hole (HfAccounts *self, gint64 begin_ms, gint64 end_ms)
{
  const HfHole hole = { begin_ms - HOLE_REACH_MS, end_ms };

  g_array_append_val (self->holes, hole);
}

/* The first line behind it tells how far it reaches. */
static void
end_hole (HfAccounts *self, gint64 wall_ms)
{
  HfHole *last = self->holes->len > 0 ? &g_array_index (self->holes, HfHole, self->holes->len - 1) : NULL;

  if (last != NULL && last->end_ms == G_MAXINT64 && wall_ms >= last->begin_ms)
    last->end_ms = wall_ms;
}

/* ---- what the books tell ---- */

/* Lines that change what the books think of many messages are kept apart. */
static void
keep_context (HfAccounts *self, const gchar *kind, const HfLogEvent *event)
{
  HfStatementBuilder *builder;

  if (self->restoring || self->raw.at == NULL)
    return;
  builder = hf_daybook_begin (self->daybook, "incident");
  hf_statement_add_number (builder, "n", ++self->last_incident);
  hf_statement_add (builder, "kind", kind, -1);
  hf_accounts_add_time (builder, "at", event->wall_ms);
  hf_statement_add_number (builder, "seq", self->seq);
  if (event->text.at != NULL)
    hf_statement_add (builder, "text", event->text.at, (gssize) event->text.length);
  hf_statement_add (builder, "line", self->raw.at, (gssize) MIN (self->raw.length, HF_EVIDENCE_LINE_MAX));
  hf_statement_end (builder);
}

static void
on_entering (const HfLogEvent *event, gpointer data)
{
  HfAccounts *self = data;

  self->newest_line_ms = MAX (self->newest_line_ms, event->wall_ms);
  if (event->wall_ms > 0 && event->kind != HF_LOG_GAP)
    end_hole (self, event->wall_ms);
  if (self->first_line_ms < 0)
    self->first_line_ms = event->wall_ms;
  if (event->detailed && !hf_books_is_detailed (self->books, event))
    keep_context (self, "detail", event);
  switch (event->kind)
    {
    case HF_LOG_CONNECTED:
      hf_accounts_session_begin (self, event);
      return;
    case HF_LOG_SESSION_END:
      hf_accounts_session_end (self, event);
      return;
    case HF_LOG_DISCARDED:
    case HF_LOG_HELD:
    case HF_LOG_REDIRECTED:
      hf_accounts_session_policy (self, event);
      return;
    case HF_LOG_BULK:
      keep_context (self, "bulk", event);
      return;
    case HF_LOG_RENAMED:
      keep_context (self, "renamed", event);
      return;
    case HF_LOG_GAP:
    case HF_LOG_GAP_BEGINS:
      keep_context (self, "gap", event);
      if (event->wall_ms > 0)
        hf_accounts_add_hole (self, event->wall_ms, event->wall_ms);
      return;
    default:
      return;
    }
}

static void
on_evidence (const HfMessage *message, const HfLogEvent *event, gpointer data)
{
  HfAccounts *self = data;
  HfMail *mail = hf_mail_of (self, message);

  if (event->kind == HF_LOG_OPENED)
    hf_accounts_session_join (self, mail, event);
  if ((event->kind == HF_LOG_CONTENT || event->kind == HF_LOG_COLLECTED) && event->text.length > 0 && !self->restoring)
    {
      HfDraft *draft = hf_mail_draft (mail);

      g_free (draft->message_id);
      draft->message_id = hf_slice_dup (event->text);
      mail->described = FALSE;
    }
  hf_mail_add_line (self, mail, self->seq, self->source, self->offset, self->number, self->raw);
}

static void
on_changed (const HfChange *change, gpointer data)
{
  HfAccounts *self = data;
  HfMail *mail = hf_mail_of (self, change->message);

  if (self->restoring)
    return;
  mail->as_restored = FALSE;
  if (mail->envelope == NULL)
    {
      HfDraft *draft = hf_mail_draft (mail);

      if (draft->legs == NULL)
        draft->legs = g_ptr_array_new ();
      if (!g_ptr_array_find (draft->legs, change->leg, NULL))
        g_ptr_array_add (draft->legs, (gpointer) change->leg);
    }
  hf_mail_mark (self, mail);
}

/* The parent's line may come after the child's last. */
static void
on_linked (const HfMessage *child, gpointer data)
{
  HfAccounts *self = data;
  HfMail *mail = hf_mail_of (self, child);

  if (!self->restoring)
    hf_mail_mark (self, mail);
}

static void
on_closed (const HfMessage *message, gpointer data)
{
  HfAccounts *self = data;
  HfMail *mail = hf_mail_of (self, message);
  HfStatementBuilder *builder;

  hf_mail_match (self, mail);
  hf_judge_mail (self, mail);
  if (mail->n != 0)
    {
      builder = hf_daybook_begin (self->daybook, "closed");
      hf_statement_add_number (builder, "mail", mail->n);
      hf_statement_end (builder);
    }
  hf_mail_set_loose (self, mail, FALSE);
  if (mail->envelope != NULL)
    hf_envelope_forget (self, mail->envelope);
  if (mail->changed)
    g_ptr_array_remove_fast (self->changed_mails, mail);
  g_hash_table_remove (self->mails, &message->serial);
}

/* ---- in and out ---- */

HfAccounts *
hf_accounts_new (HfDaybook *daybook, const HfAccountsSettings *settings)
{
  HfAccounts *self = g_new0 (HfAccounts, 1);
  const HfBooksSettings books = { .last = settings->last,
                                  .changed = on_changed,
                                  .entering = on_entering,
                                  .evidence = on_evidence,
                                  .linked = on_linked,
                                  .closed = on_closed,
                                  .data = self };

  self->settings = *settings;
  self->daybook = daybook;
  self->books = hf_books_new (&books);
  hf_intake_init (&self->intake, self->books, settings->mta);
  self->mails = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, hf_mail_free);
  self->envelopes = g_hash_table_new_full (g_str_hash, g_str_equal, hf_envelope_free, NULL);
  self->loose_mails = g_hash_table_new (g_str_hash, g_str_equal);
  self->loose_envelopes = g_hash_table_new (g_str_hash, g_str_equal);
  self->changed_mails = g_ptr_array_new ();
  self->changed_envelopes = g_ptr_array_new ();
  self->originals = g_hash_table_new (NULL, NULL);
  self->holes = g_array_new (FALSE, FALSE, sizeof (HfHole));
  self->sources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->sessions = hf_accounts_sessions_new ();
  self->first_line_ms = -1;
  self->known_line_ms = -1;
  self->newest_line_ms = -1;
  self->newest_envelope_ms = -1;
  return self;
}

void
hf_accounts_free (HfAccounts *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->loose_mails);
  g_hash_table_unref (self->loose_envelopes);
  g_hash_table_unref (self->mails);
  g_hash_table_unref (self->envelopes);
  g_ptr_array_unref (self->changed_mails);
  g_ptr_array_unref (self->changed_envelopes);
  g_hash_table_unref (self->originals);
  g_array_unref (self->holes);
  g_hash_table_unref (self->sources);
  g_hash_table_unref (self->sessions);
  g_free (self->told_sessions);
  hf_intake_clear (&self->intake);
  hf_books_free (self->books);
  g_free (self);
}

/* Files are told apart by device and inode, over restarts too. */
static void
use_source (HfAccounts *self, const HfFollowItem *item)
{
  gchar *key = g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, item->device, item->inode);
  const guint64 known = GPOINTER_TO_SIZE (g_hash_table_lookup (self->sources, key));
  HfStatementBuilder *builder;

  self->source = known;
  if (known != 0)
    {
      g_free (key);
      return;
    }
  self->source = ++self->last_source;
  g_hash_table_insert (self->sources, key, GSIZE_TO_POINTER (self->source));
  builder = hf_daybook_begin (self->daybook, "source");
  hf_statement_add_number (builder, "n", self->source);
  hf_statement_add (builder, "path", item->path, -1);
  hf_statement_add_number (builder, "device", item->device);
  hf_statement_add_number (builder, "inode", item->inode);
  hf_statement_end (builder);
}

void
hf_accounts_enter (HfAccounts *self, HfClock *clock, HfSlice raw, HfPosition at)
{
  self->raw = raw;
  self->offset = at.offset;
  self->number = at.line;
  hf_intake_line (&self->intake, clock, raw, at);
  self->raw = HF_SLICE_NONE;
}

void
hf_accounts_log (HfAccounts *self, const HfFollowItem *item)
{
  self->seq++;
  if (item->kind == HF_FOLLOW_GAP)
    {
      hf_accounts_incident (self, "gap", item->why, self->newest_line_ms);
      hf_accounts_add_hole (self, self->newest_line_ms, G_MAXINT64);
      hf_intake_gap (&self->intake, g_intern_string (item->why), item->at);
      return;
    }
  if (item->new_file)
    use_source (self, item);
  hf_accounts_enter (self, item->clock, item->raw, item->at);
}

void
hf_accounts_incident (HfAccounts *self, const gchar *kind, const gchar *text, gint64 at_ms)
{
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "incident");

  hf_statement_add_number (builder, "n", ++self->last_incident);
  hf_statement_add (builder, "kind", kind, -1);
  hf_accounts_add_time (builder, "at", at_ms);
  hf_statement_add_number (builder, "seq", self->seq);
  hf_statement_add (builder, "text", text, -1);
  hf_statement_end (builder);
}

/* Gaps that the books found by themselves. */
static void
tell_silent_gaps (HfAccounts *self)
{
  const HfGaps *gaps = hf_books_gaps (self->books);

  for (; self->known_gaps < hf_gaps_count (gaps); self->known_gaps++)
    {
      const HfGap *gap = hf_gaps_get (gaps, self->known_gaps);

      if (!gap->silent)
        continue;
      hf_accounts_incident (self, "gap", gap->why, gap->wall_ms);
      hf_accounts_add_hole (self, 0, gap->wall_ms);
    }
}

void
hf_accounts_settle (HfAccounts *self, gint64 now_ms)
{
  self->now_ms = now_ms;
  tell_silent_gaps (self);
  hf_accounts_sessions_tell (self);
  hf_envelopes_match (self);
  for (guint i = 0; i < self->changed_mails->len; i++)
    {
      HfMail *mail = g_ptr_array_index (self->changed_mails, i);

      hf_judge_mail (self, mail);
      mail->changed = FALSE;
    }
  g_ptr_array_set_size (self->changed_mails, 0);
  for (guint i = 0; i < self->changed_envelopes->len; i++)
    {
      HfEnvelope *envelope = g_ptr_array_index (self->changed_envelopes, i);

      hf_judge_envelope (self, envelope);
      envelope->changed = FALSE;
    }
  g_ptr_array_set_size (self->changed_envelopes, 0);
}

gint64
hf_accounts_newest_line_ms (const HfAccounts *self)
{
  return self->newest_line_ms;
}

gint64
hf_accounts_silent_since_ms (const HfAccounts *self)
{
  gint64 oldest_ms = G_MAXINT64;
  GHashTableIter iter;
  gpointer value;

  if (self->newest_line_ms >= 0)
    return self->newest_line_ms;
  g_hash_table_iter_init (&iter, self->loose_envelopes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    for (const HfEnvelope *it = value; it != NULL; it = it->next_same_queue)
      oldest_ms = MIN (oldest_ms, it->at_ms);
  return oldest_ms < G_MAXINT64 ? oldest_ms : -1;
}

gint64
hf_accounts_newest_envelope_ms (const HfAccounts *self)
{
  return self->newest_envelope_ms;
}

gint64
hf_accounts_known_line_ms (const HfAccounts *self)
{
  return MAX (self->newest_line_ms, self->known_line_ms);
}

void
hf_accounts_set_known_line_ms (HfAccounts *self, gint64 line_ms)
{
  self->known_line_ms = line_ms;
}

guint64
hf_accounts_seq (const HfAccounts *self)
{
  return self->seq;
}

void
hf_accounts_set_seq (HfAccounts *self, guint64 seq)
{
  self->seq = seq;
}

void
hf_accounts_count (const HfAccounts *self, HfAccountsCounts *out_counts)
{
  out_counts->envelopes = g_hash_table_size (self->envelopes);
  out_counts->mails = g_hash_table_size (self->mails);
  out_counts->lines = self->intake.lines;
  out_counts->known = self->intake.known_lines;
  out_counts->unparsed = self->intake.unparsed_lines;
}
