/* links.c - parents and children
 *
 * A message begets others: local(8) forwards it, a content filter hands it
 * back, postsuper -r and MailScanner give it a new id, a bounce tells of it,
 * Sendmail splits it.  The child settles its own recipients; here it is seen to
 * that both ends of the link are known, whichever line comes first, and that the
 * parent stays in the books until the child has come to its end.
 */
#include <config.h>

#include "milter/audit/books-private.h"

/* A leg that was handed to an id which no line has named yet. */
typedef struct
{
  HfMessage *message;
  HfLeg *leg;
} HfPending;

void
hf_links_pending_free (gpointer array)
{
  g_array_unref (array);
}

/* Handed to this very host: over loopback, or through a socket file. */
static gboolean
is_loopback (HfSlice relay)
{
  HfSlice rest = relay, head;

  if (relay.length > 0 && relay.at[0] == '/')
    return TRUE;
  if (hf_slice_starts (relay, "private/") || hf_slice_starts (relay, "public/"))
    return TRUE;
  /* "name[127.0.0.1]:10024"; Sendmail has a blank before the bracket */
  while (hf_slice_cut (&rest, "[", &head))
    if (hf_slice_starts (rest, "127.") || hf_slice_starts (rest, "::1]")
        || hf_slice_starts (rest, "IPv6:::1]"))
      return TRUE;
  return FALSE;
}

/* "mx2.example.org[192.0.2.7]:25" is the log's host "mx2" or "mx2.example.org". */
static gboolean
is_host (HfSlice relay, const gchar *host)
{
  gsize length = strlen (host);
  gsize name = 0;

  while (name < relay.length && relay.at[name] != '[' && relay.at[name] != ' ' && relay.at[name] != '.')
    name++;
  if (length == 0 || name == 0)
    return FALSE;
  return g_ascii_strncasecmp (relay.at, host, name) == 0 && (host[name] == '\0' || host[name] == '.');
}

static gboolean
is_own (const HfBooks *self, const HfMessage *parent, const HfMessage *child, HfSlice relay)
{
  if (child == parent || child->serial == parent->serial)
    return FALSE;
  if (child->parent != NULL && g_str_equal (child->parent, parent->queue_id))
    return TRUE;
  if (child->has_content && parent->has_content && child->content_hash != parent->content_hash)
    return FALSE;
  if (is_loopback (relay))
    return child->host == parent->host;
  return child->host != parent->host && is_host (relay, hf_books_name (self, child->host));
}

/* Every child has one parent: a second one that claims it is wrong, or the log is. */
static void
note_claim (HfBooks *self, const HfMessage *child, const HfMessage *parent)
{
  if (g_str_equal (child->parent, parent->queue_id))
    return;
  for (const HfChild *known = parent->children; known != NULL; known = known->next)
    if (g_str_equal (known->queue_id, child->queue_id))
      return;
  self->sums.claimed_twice++;
}

static void
untie (HfChild *end)
{
  HfParent **it = end->message != NULL ? (HfParent **) &end->message->parents : NULL;

  while (it != NULL && *it != NULL)
    if ((*it)->child == end)
      *it = (*it)->next;
    else
      it = &(*it)->next;
  end->message = NULL;
}

/* What tells of a message is none of its own mail: nothing of it waits for that. */
static void
tie (HfBooks *self, HfMessage *parent, HfMessage *child, HfLink link)
{
  HfChild *end = hf_message_add_child (parent, hf_slice (child->queue_id), link);

  if (link == HF_LINK_NOTIFICATION || end->message == child)
    return;
  untie (end);
  end->message = child;
  end->ended = FALSE;
  hf_message_add_parent (child, parent, end);
  if (self->settings.linked != NULL)
    self->settings.linked (child, self->settings.data);
}

/* A child passed the rest on when it took the parent's place in the queue. */
void
hf_links_set_parent (HfBooks *self, HfMessage *child, HfMessage *parent, HfLink link)
{
  if (child == parent)
    return;
  if (child->parent == NULL)
    {
      child->parent = hf_message_keep (child, hf_slice (parent->queue_id));
      child->parent_link = (guint8)link;
      if (self->settings.linked != NULL)
        self->settings.linked (child, self->settings.data);
    }
  else
    note_claim (self, child, parent);
  tie (self, parent, child, link);
  if (link == HF_LINK_CLONED)
    parent->cloned = TRUE;
  if (link == HF_LINK_REQUEUED)
    parent->passed = TRUE;
  if (link == HF_LINK_REQUEUED && parent->closed == HF_CLOSED_NOT)
    hf_books_close (self, parent, HF_CLOSED_REQUEUED);
  if (parent->passed || parent->cloned)
    hf_books_review (self, parent);
}

/* leg->child is the id to wait for. */
static void
wait_for (HfBooks *self, HfMessage *message, HfLeg *leg)
{
  HfPending entry = { message, leg };
  GArray *array = g_hash_table_lookup (self->pending, leg->child);

  if (leg->waiting)
    return;
  if (array == NULL)
    {
      array = g_array_new (FALSE, FALSE, sizeof (HfPending));
      g_hash_table_insert (self->pending, g_strdup (leg->child), array);
    }
  g_array_append_val (array, entry);
  leg->waiting = TRUE;
}

static void
stop_waiting (HfBooks *self, HfLeg *leg)
{
  GArray *array;

  if (!leg->waiting)
    return;
  leg->waiting = FALSE;
  array = g_hash_table_lookup (self->pending, leg->child);
  for (guint i = array->len; i-- > 0;)
    if (g_array_index (array, HfPending, i).leg == leg)
      g_array_remove_index_fast (array, i);
  if (array->len == 0)
    g_hash_table_remove (self->pending, leg->child);
}

static void
see_child (HfLeg *leg, HfMessage *message)
{
  if (leg->outcome == HF_OUTCOME_PASSED && !leg->child_seen && message->n_unseen > 0)
    message->n_unseen--;
  leg->child_seen = TRUE;
}

/* The leg was handed to @child after all. */
static void
pass_to (HfBooks *self, HfMessage *message, HfLeg *leg, HfMessage *child, HfLink link)
{
  stop_waiting (self, leg);
  see_child (leg, message);
  leg->outcome = HF_OUTCOME_PASSED;
  leg->child = hf_message_keep (message, hf_slice (child->queue_id));
  hf_links_set_parent (self, child, message, link);
}

/* The id that others were handed to has come into the books. */
static void
satisfy_pending (HfBooks *self, HfMessage *child)
{
  g_autoptr (GArray) array = NULL;

  if (g_hash_table_size (self->pending) == 0)
    return;
  array = g_hash_table_lookup (self->pending, child->queue_id);
  if (array != NULL)
    g_array_ref (array);
  for (guint i = array != NULL ? array->len : 0; i-- > 0;)
    {
      HfPending entry = g_array_index (array, HfPending, i);

      if (entry.message->host != child->host || entry.message == child)
        continue;
      pass_to (self, entry.message, entry.leg, child,
               entry.leg->local ? HF_LINK_FORWARDED : HF_LINK_FILTERED);
      hf_books_accept (self, child); /* its id is what the taker answered */
      hf_books_review_leg (self, entry.message, entry.leg);
    }
}

static void
remember (HfMessage **ring, guint *next, HfMessage *message)
{
  for (guint i = 0; i < HF_RECENT; i++)
    if (ring[i] == message)
      return;
  ring[*next] = message;
  *next = (*next + 1) % HF_RECENT;
}

static void
forget (HfMessage **ring, const HfMessage *message)
{
  for (guint i = 0; i < HF_RECENT; i++)
    if (ring[i] == message)
      ring[i] = NULL;
}

/* A command that got a message through pipe(8) may hand it back through
 * sendmail(1): the same Message-ID, submitted while or after it was piped. */
static HfMessage *
find_resubmission (const HfBooks *self, const HfMessage *parent)
{
  for (guint i = 0; i < HF_RECENT; i++)
    {
      HfMessage *child = self->submissions[i];

      if (child != NULL && child->parent == NULL && child->content_hash == parent->content_hash
          && child->host == parent->host && child->serial > parent->serial)
        return child;
    }
  return NULL;
}

static void
result_of_pipe (HfBooks *self, HfMessage *message, HfLeg *leg)
{
  HfMessage *child;

  if (!message->has_content)
    return;
  child = find_resubmission (self, message);
  if (child != NULL)
    pass_to (self, message, leg, child, HF_LINK_FILTERED);
  message->piped = TRUE;
  remember (self->pipes, &self->next_pipe, message);
}

static void
result_forwarded (HfBooks *self, HfMessage *message, HfLeg *leg, const HfLogEvent *event)
{
  HfMessage *child = hf_books_find (self, event, event->other_id);

  if (leg->child != NULL && hf_slice_is (event->other_id, leg->child))
    return;
  stop_waiting (self, leg);
  leg->child = hf_message_keep (message, event->other_id);
  leg->child_seen = child != NULL || hf_books_is_forgotten (self, event, event->other_id);
  if (child != NULL)
    {
      hf_links_set_parent (self, child, message, HF_LINK_FORWARDED);
      hf_books_accept (self, child);
      hf_books_review (self, child);
    }
  hf_message_add_child (message, event->other_id, HF_LINK_FORWARDED);
  if (leg->child_seen)
    return;
  message->n_unseen++;
  wait_for (self, message, leg);
}

/* "250 … queued as NEW": passed on only when NEW is seen here and the relay is
 * ours; a remote host may say what it likes. */
static void
result_relayed (HfBooks *self, HfMessage *message, HfLeg *leg, const HfLogEvent *event)
{
  HfMessage *child = hf_books_find_id (self, event->other_id);

  leg->own_relay = is_loopback (event->relay);
  for (; child != NULL; child = child->next_same_id)
    if (is_own (self, message, child, event->relay))
      {
        pass_to (self, message, leg, child, HF_LINK_FILTERED);
        hf_books_accept (self, child);
        hf_books_review (self, child);
        return;
      }
  if (!leg->own_relay)
    return;
  stop_waiting (self, leg);
  if (event->other_id.length > 0)
    {
      leg->child = hf_message_keep (message, event->other_id);
      wait_for (self, message, leg);
      return;
    }
  for (const HfChild *known = message->children; known != NULL; known = known->next)
    if (known->link == HF_LINK_FILTERED)
      {
        leg->outcome = HF_OUTCOME_PASSED;
        leg->child = known->queue_id;
        leg->child_seen = TRUE;
      }
}

void
hf_links_result (HfBooks *self, HfMessage *message, HfLeg *leg, const HfLogEvent *event)
{
  if (event->fate == HF_FATE_PASSED)
    result_forwarded (self, message, leg, event);
  else if (event->fate == HF_FATE_RELAYED)
    result_relayed (self, message, leg, event);
  else if (hf_slice_is (event->program, "pipe"))
    result_of_pipe (self, message, leg);
}

/* What the parent had handed to this host without hearing an id. */
static void
convert_relayed (HfBooks *self, HfMessage *parent, HfMessage *child)
{
  for (HfLeg *leg = parent->legs; leg != NULL; leg = leg->next)
    if (leg->outcome == HF_OUTCOME_RELAYED && leg->own_relay)
      pass_to (self, parent, leg, child, HF_LINK_FILTERED);
  hf_books_review (self, parent);
}

void
hf_links_opened (HfBooks *self, HfMessage *child, const HfLogEvent *event)
{
  HfMessage *parent;

  satisfy_pending (self, child);
  if (event->other_id.length == 0)
    return;
  if (child->parent == NULL)
    {
      child->parent = hf_message_keep (child, event->other_id);
      child->parent_link = HF_LINK_FILTERED;
    }
  for (parent = hf_books_find_id (self, event->other_id); parent != NULL; parent = parent->next_same_id)
    if (parent->host == child->host && parent != child)
      {
        hf_links_set_parent (self, child, parent, HF_LINK_FILTERED);
        convert_relayed (self, parent, child);
        return;
      }
}

void
hf_links_content (HfBooks *self, HfMessage *message)
{
  satisfy_pending (self, message);
  if (!message->submitted || message->parent != NULL)
    return;
  remember (self->submissions, &self->next_submission, message);
  for (guint i = 0; i < HF_RECENT; i++)
    {
      HfMessage *parent = self->pipes[i];

      if (parent == NULL || parent->content_hash != message->content_hash
          || parent->host != message->host || parent->serial >= message->serial)
        continue;
      for (HfLeg *leg = parent->legs; leg != NULL; leg = leg->next)
        if (leg->outcome == HF_OUTCOME_DELIVERED && message->parent == NULL)
          pass_to (self, parent, leg, message, HF_LINK_FILTERED);
      hf_books_review (self, parent);
      return;
    }
}

static HfMessage *
find_or_anticipate (HfBooks *self, const HfLogEvent *event, HfSlice id)
{
  HfMessage *child = hf_books_find (self, event, id);

  if (child != NULL || hf_books_is_forgotten (self, event, id))
    return child;
  child = hf_books_begin (self, event, id, TRUE);
  if (child != NULL)
    child->anticipated = TRUE;
  return child;
}

/* "sender non-delivery notification: NEW", "NEW: clone: owner=…", "ids=A; B" */
void
hf_links_child (HfBooks *self, const HfLogEvent *event)
{
  HfMessage *parent = hf_books_find_or_begin (self, event);
  HfSlice rest = event->other_id, id;
  gboolean more = TRUE;

  if (parent == NULL)
    return;
  hf_books_touch (self, parent, event);
  hf_books_accept (self, parent);
  while (more)
    {
      HfMessage *child;

      more = hf_slice_cut (&rest, "; ", &id);
      child = find_or_anticipate (self, event, more ? id : rest);
      if (child == NULL)
        continue;
      if (child->instance == 0)
        {
          child->instance = parent->instance;
          child->label = parent->label;
          child->mta = parent->mta;
        }
      hf_books_add_evidence (self, child, event);
      hf_books_accept (self, child);
      hf_links_set_parent (self, child, parent, event->link);
      hf_books_review (self, child);
    }
  if (event->expired)
    parent->expired = TRUE;
  hf_books_review (self, parent);
}

/* They need not stay for it any more. */
static void
let_parents_go (HfBooks *self, HfMessage *child)
{
  while (child->parents != NULL)
    {
      HfParent *parent = child->parents;

      child->parents = parent->next;
      parent->child->message = NULL;
      parent->child->ended = TRUE;
      parent->child->refused = !child->accepted;
      hf_books_review (self, parent->message);
    }
}

/* The message leaves the books; nothing may point to it. */
void
hf_links_forget (HfBooks *self, HfMessage *message)
{
  for (HfChild *child = message->children; child != NULL; child = child->next)
    untie (child);
  let_parents_go (self, message);
  forget (self->submissions, message);
  forget (self->pipes, message);
  for (HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    stop_waiting (self, leg);
}
