/* books.c - double entry for mail: tables, names, review, handing out
 *
 * What each kind of event does stands in entry.c; see books-private.h for the
 * other parts.
 */
#include <config.h>

#include "milter/audit/books-private.h"

HfBooks *
hf_books_new (const HfBooksSettings *settings)
{
  HfBooks *self = g_new0 (HfBooks, 1);

  self->settings = *settings;
  if (self->settings.grace_lines == 0)
    self->settings.grace_lines = HF_GRACE_LINES;
  self->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  self->names = g_ptr_array_new_with_free_func (g_free);
  self->name_numbers = g_hash_table_new (g_str_hash, g_str_equal);
  self->gaps = hf_gaps_new ();
  self->gap_begins = g_array_new (FALSE, TRUE, sizeof (HfGap));
  self->instances = g_array_new (FALSE, TRUE, sizeof (HfInstance));
  self->renamed = g_array_new (FALSE, TRUE, sizeof (guint64));
  self->sessions = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, hf_session_free);
  self->pending = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, hf_links_pending_free);
  self->bulk_acts = g_array_new (FALSE, FALSE, sizeof (HfBulkAct));
  g_queue_init (&self->line);
  g_queue_init (&self->long_line);
  self->tombstone_ring = g_new0 (guint64, HF_TOMBSTONES);
  self->tombstones = g_hash_table_new (g_int64_hash, g_int64_equal);
  hf_books_number (self, hf_slice (""), 0);
  return self;
}

void
hf_books_free (HfBooks *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->sessions); /* first: they look at their messages once more */
  while (self->oldest != NULL)
    {
      HfMessage *message = self->oldest;

      self->oldest = message->newer;
      hf_message_free (message);
    }
  g_queue_clear (&self->line);
  g_queue_clear (&self->long_line);
  g_hash_table_unref (self->pending);
  g_hash_table_unref (self->by_id);
  g_hash_table_unref (self->name_numbers);
  g_hash_table_unref (self->tombstones);
  g_free (self->tombstone_ring);
  g_ptr_array_unref (self->names);
  g_array_unref (self->gap_begins);
  g_array_unref (self->instances);
  g_array_unref (self->renamed);
  g_array_unref (self->bulk_acts);
  hf_gaps_free (self->gaps);
  g_free (self);
}

/* Hosts and instances are few and repeat from line to line. */
guint16
hf_books_number (HfBooks *self, HfSlice name, guint cache)
{
  guint16 number = self->cached_name[cache];
  g_autofree gchar *text = NULL;
  gpointer found;

  if (number < self->names->len && hf_slice_is (name, g_ptr_array_index (self->names, number)))
    return number;
  text = g_strndup (name.at, name.length);
  if (g_hash_table_lookup_extended (self->name_numbers, text, NULL, &found))
    number = (guint16)GPOINTER_TO_UINT (found);
  else if (self->names->len == G_MAXUINT16)
    number = 0; /* a log with so many hosts is forged; they share a name */
  else
    {
      number = (guint16)self->names->len;
      g_hash_table_insert (self->name_numbers, text, GUINT_TO_POINTER ((guint)number));
      g_ptr_array_add (self->names, g_steal_pointer (&text));
    }
  self->cached_name[cache] = number;
  return number;
}

const gchar *
hf_books_name (const HfBooks *self, guint16 number)
{
  return g_ptr_array_index (self->names, number);
}

/* The newest message of any host and instance, then its older namesakes. */
HfMessage *
hf_books_find_id (HfBooks *self, HfSlice queue_id)
{
  gchar text[HF_QUEUE_ID_MAX + 1];

  if (queue_id.length == 0 || queue_id.length > HF_QUEUE_ID_MAX)
    return NULL;
  memcpy (text, queue_id.at, queue_id.length);
  text[queue_id.length] = '\0';
  return g_hash_table_lookup (self->by_id, text);
}

HfMessage *
hf_books_find (HfBooks *self, const HfLogEvent *event, HfSlice queue_id)
{
  HfMessage *message = hf_books_find_id (self, queue_id);
  guint16 host, instance = 0;

  if (message == NULL)
    return NULL;
  host = hf_books_number (self, event->host, 0);
  if (event->instance.at != NULL)
    instance = hf_instance_of (self, event);
  for (; message != NULL; message = message->next_same_id)
    if (message->host == host && (event->instance.at == NULL || message->instance == instance))
      return message;
  return NULL;
}

/* FNV-1a over host, instance and id. */
static guint64
tombstone_of (guint16 host, guint16 instance, HfSlice queue_id)
{
  guint64 hash = G_GUINT64_CONSTANT (14695981039346656037);

  hash = (hash ^ host) * G_GUINT64_CONSTANT (1099511628211);
  hash = (hash ^ instance) * G_GUINT64_CONSTANT (1099511628211);
  for (gsize i = 0; i < queue_id.length; i++)
    hash = (hash ^ (guchar)queue_id.at[i]) * G_GUINT64_CONSTANT (1099511628211);
  return hash;
}

static void
bury (HfBooks *self, const HfMessage *message)
{
  guint64 *slot = &self->tombstone_ring[self->next_tombstone];

  if (*slot != 0)
    g_hash_table_remove (self->tombstones, slot);
  *slot = tombstone_of (message->host, message->instance, hf_slice (message->queue_id));
  g_hash_table_add (self->tombstones, slot);
  self->next_tombstone = (self->next_tombstone + 1) % HF_TOMBSTONES;
}

/* A line about a message that was handed out already tells nothing new. */
gboolean
hf_books_is_forgotten (HfBooks *self, const HfLogEvent *event, HfSlice queue_id)
{
  guint64 hash;

  if (event->instance.at == NULL)
    return FALSE;
  hash = tombstone_of (hf_books_number (self, event->host, 0), hf_instance_of (self, event), queue_id);
  return g_hash_table_contains (self->tombstones, &hash);
}

HfMessage *
hf_books_begin (HfBooks *self, const HfLogEvent *event, HfSlice queue_id, gboolean opened)
{
  HfMessage *older = hf_books_find (self, event, queue_id);
  HfMessage *head = hf_books_find_id (self, queue_id);
  HfMessage *message;

  if (queue_id.length == 0 || queue_id.length > HF_QUEUE_ID_MAX)
    return NULL;
  message = hf_message_new (self->settings.evidence == NULL);
  memcpy (message->queue_id, queue_id.at, queue_id.length);
  message->serial = ++self->last_serial;
  message->generation = older != NULL ? older->generation + 1 : 1;
  message->host = hf_books_number (self, event->host, 0);
  message->instance = event->instance.at != NULL ? hf_instance_of (self, event) : hf_books_number (self, hf_slice (""), 1);
  message->label = event->mta == HF_MTA_POSTFIX ? message->instance
                                                : hf_books_number (self, event->label.at != NULL ? event->label : hf_slice (""), 2);
  message->mta = (guint8)event->mta;
  message->arrived_ms = event->wall_ms;
  message->opened_seq = self->seq;
  message->alive_seq = self->seq;
  message->seen_seq = self->seq;
  message->seen_ms = event->wall_ms;
  message->opened = opened;
  message->next_same_id = head;
  if (head != NULL)
    g_hash_table_remove (self->by_id, head->queue_id);
  g_hash_table_add (self->by_id, message);
  message->older = self->newest;
  if (self->newest != NULL)
    self->newest->newer = message;
  else
    self->oldest = message;
  self->newest = message;
  self->n_live++;
  self->running.messages++;
  return message;
}

static void
unlink_message (HfBooks *self, HfMessage *message)
{
  HfMessage *head = g_hash_table_lookup (self->by_id, message->queue_id);

  if (head == message)
    {
      g_hash_table_remove (self->by_id, message->queue_id);
      if (message->next_same_id != NULL)
        g_hash_table_add (self->by_id, message->next_same_id);
    }
  else
    {
      while (head->next_same_id != message)
        head = head->next_same_id;
      head->next_same_id = message->next_same_id;
    }
  if (message->older != NULL)
    message->older->newer = message->newer;
  else
    self->oldest = message->newer;
  if (message->newer != NULL)
    message->newer->older = message->older;
  else
    self->newest = message->older;
  self->n_live--;
}

static HfVerdictContext
context_of (const HfBooks *self)
{
  return (HfVerdictContext){ .gaps = self->gaps,
                             .seq = self->seq,
                             .last = self->settings.last,
                             .finished = self->finished };
}

static void
count (HfTally *tally, HfFinding finding, guint32 before, guint32 after)
{
  guint64 change = (guint64)after - before; /* may wrap, and wraps back */

  tally->by_state[finding.state] += change;
  if (finding.state == HF_STATE_SETTLED)
    tally->by_outcome[finding.outcome] += change;
  if (finding.silent)
    tally->silent += change;
}

static void
report (HfBooks *self, const HfMessage *message, const HfLeg *leg, guint32 number, HfFinding before,
        HfFinding after)
{
  HfChange change = { .message = message,
                      .leg = leg,
                      .count = number,
                      .before = before,
                      .after = after,
                      .at = self->at };

  if (self->settings.changed != NULL && number > 0)
    self->settings.changed (&change, self->settings.data);
}

static void
review_one (HfBooks *self, const HfVerdictContext *context, HfMessage *message, HfLeg *leg)
{
  HfFinding before = leg->finding;
  HfFinding after = hf_verdict_leg (context, message, leg);

  if (leg->counted && hf_finding_equal (before, after))
    return;
  if (leg->counted)
    {
      count (&self->running, before, 1, 0);
      if (!hf_finding_is_final (before))
        message->n_unsettled--;
    }
  count (&self->running, after, 0, 1);
  if (!hf_finding_is_final (after))
    message->n_unsettled++;
  leg->counted = TRUE;
  leg->finding = after;
  report (self, message, leg, 1, before, after);
}

static void
review_rest (HfBooks *self, const HfVerdictContext *context, HfMessage *message)
{
  guint32 rest = hf_message_count_rest (message);
  HfFinding before = message->rest_finding;
  HfFinding after = hf_verdict_rest (context, message);

  if (rest == message->rest && (rest == 0 || hf_finding_equal (before, after)))
    return;
  count (&self->running, before, message->rest, 0);
  count (&self->running, after, 0, rest);
  message->rest = rest;
  message->rest_finding = after;
  report (self, message, NULL, rest, before, after);
}

/* What became of mail that was passed on is known when its child's end is. */
static gboolean
waits_for_child (const HfMessage *message)
{
  for (const HfChild *child = message->children; child != NULL; child = child->next)
    if (child->message != NULL)
      return TRUE;
  return FALSE;
}

static gboolean
is_complete (const HfMessage *message)
{
  if (message->n_unsettled > 0 || message->unresolved || message->n_unseen > 0 || waits_for_child (message)
      || (message->rest > 0 && !hf_finding_is_final (message->rest_finding)))
    return FALSE;
  /* Sendmail says "done" only at higher log levels */
  return message->closed != HF_CLOSED_NOT
         || (message->mta == HF_MTA_SENDMAIL && message->n_legs + message->rest > 0);
}

/* What is closed by an operator while it was being delivered may still be sent. */
static gboolean
waits_long (const HfMessage *message)
{
  return message->closed == HF_CLOSED_NOT || (message->closed == HF_CLOSED_DELETED && message->active);
}

static void
stand_in_line (HfBooks *self, HfMessage *message)
{
  if (message->in_line || !is_complete (message))
    return;
  message->in_line = TRUE;
  if (message->closed == HF_CLOSED_NOT)
    message->closed_seq = self->seq;
  g_queue_push_tail (waits_long (message) ? &self->long_line : &self->line, message);
}

/* What a clone does not name may be the parent's. */
static void
review_parents (HfBooks *self, const HfVerdictContext *context, const HfMessage *message)
{
  for (HfParent *parent = message->parents; parent != NULL; parent = parent->next)
    if (parent->child->link == HF_LINK_CLONED)
      {
        review_rest (self, context, parent->message);
        stand_in_line (self, parent->message);
      }
}

void
hf_books_review_leg (HfBooks *self, HfMessage *message, HfLeg *leg)
{
  HfVerdictContext context = context_of (self);

  review_one (self, &context, message, leg);
  review_rest (self, &context, message);
  review_parents (self, &context, message);
  stand_in_line (self, message);
}

void
hf_books_review (HfBooks *self, HfMessage *message)
{
  HfVerdictContext context = context_of (self);

  for (HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    review_one (self, &context, message, leg);
  review_rest (self, &context, message);
  review_parents (self, &context, message);
  stand_in_line (self, message);
}

void
hf_books_close (HfBooks *self, HfMessage *message, HfClosed closed)
{
  message->closed = (guint8)closed;
  message->closed_seq = self->seq;
  hf_session_resolve (message, closed == HF_CLOSED_DISCARDED);
}

/* The MTA's own word that it has the message overrides what seemed to refuse it. */
void
hf_books_accept (HfBooks *self, HfMessage *message)
{
  message->accepted = TRUE;
  if (message->closed == HF_CLOSED_REFUSED || message->closed == HF_CLOSED_ABORTED
      || message->closed == HF_CLOSED_CANCELED)
    message->closed = HF_CLOSED_NOT;
  hf_session_resolve (message, TRUE);
}

static void
hand_out (HfBooks *self, HfMessage *message)
{
  guint32 before = hf_message_count_before (message);

  hf_books_review (self, message);
  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    count (&self->handed, leg->finding, 0, 1);
  count (&self->handed, message->rest_finding, 0, message->rest);
  self->handed.messages++;
  hf_sums_add (self, message);
  if (!message->opened)
    {
      self->handed.before_messages++;
      self->handed.before_recipients += before;
      self->running.before_messages++;
      self->running.before_recipients += before;
    }
  if (self->settings.closed != NULL)
    self->settings.closed (message, self->settings.data);
  bury (self, message);
  hf_session_forget (message);
  hf_links_forget (self, message);
  unlink_message (self, message);
  hf_message_free (message);
}

/* Hands out what waited long enough; what is no longer complete leaves the line. */
static void
move_line (HfBooks *self, GQueue *line, guint64 grace)
{
  HfMessage *message;

  while ((message = g_queue_peek_head (line)) != NULL && self->seq - message->closed_seq > grace)
    {
      g_queue_pop_head (line);
      if (is_complete (message))
        hand_out (self, message);
      else
        message->in_line = FALSE;
    }
}

void
hf_books_add_evidence (HfBooks *self, HfMessage *message, const HfLogEvent *event)
{
  if (self->settings.evidence == NULL)
    hf_message_add_evidence (message, event);
  else
    self->settings.evidence (message, event, self->settings.data);
}

void
hf_books_apply (HfBooks *self, const HfLogEvent *event)
{
  g_assert (!self->finished);
  if (self->settings.entering != NULL)
    self->settings.entering (event, self->settings.data);
  self->seq++;
  self->at = event->at;
  hf_gaps_tick (self->gaps, self->seq, event->wall_ms);
  if (event->host.at != NULL)
    hf_gaps_hear (self->gaps, hf_books_number (self, event->host, 0), event->wall_ms);
  if (event->detailed)
    hf_gaps_set_detailed (self->gaps, hf_books_number (self, event->host, 0));
  hf_instance_learn (self, event);
  hf_books_enter (self, event);
  move_line (self, &self->line, self->settings.grace_lines);
  move_line (self, &self->long_line, self->settings.grace_lines * HF_GRACE_FACTOR);
}

void
hf_books_finish (HfBooks *self)
{
  if (self->finished)
    return;
  hf_books_end_gaps (self);
  self->finished = TRUE;
  g_queue_clear (&self->line);
  g_queue_clear (&self->long_line);
  for (HfMessage *message = self->oldest; message != NULL; message = message->newer)
    message->in_line = TRUE; /* which now is this list */
  while (self->oldest != NULL)
    hand_out (self, self->oldest);
}

const HfTally *
hf_books_running_tally (const HfBooks *self)
{
  return &self->running;
}

const HfTally *
hf_books_handed_tally (const HfBooks *self)
{
  return &self->handed;
}

gboolean
hf_books_balance (const HfBooks *self)
{
  return memcmp (&self->running, &self->handed, sizeof self->running) == 0;
}

gboolean
hf_books_is_detailed (HfBooks *self, const HfLogEvent *event)
{
  return hf_gaps_is_detailed (self->gaps, hf_books_number (self, event->host, 0));
}

const HfGaps *
hf_books_gaps (const HfBooks *self)
{
  return self->gaps;
}

guint
hf_books_n_bulk_acts (const HfBooks *self)
{
  return self->bulk_acts->len;
}

const HfBulkAct *
hf_books_bulk_act (const HfBooks *self, guint index)
{
  return &g_array_index (self->bulk_acts, HfBulkAct, index);
}

guint64
hf_books_n_live (const HfBooks *self)
{
  return self->n_live;
}
