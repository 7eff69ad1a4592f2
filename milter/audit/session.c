/* session.c - SMTP sessions: which of their messages were accepted
 *
 * Postfix does not log its 250 to DATA.  The queue manager's first line proves
 * acceptance; until then, and for mail that goes on hold, there is only the
 * count at the session's end: data=a/b, a being the 250s.
 */
#include <config.h>

#include "milter/audit/books-private.h"

/* What is to be done with the message that the session opens next: policies
 * that strike at its first recipient are logged before it has a queue id. */
typedef struct
{
  HfLogEvent event;
  gchar *address, *other_address;
} Policy;

#define POLICIES_MAX 4

struct HfSession
{
  Policy policies[POLICIES_MAX];
  guint n_policies;
  guint64 key;
  GPtrArray *unresolved; /* of HfMessage, in the order of their opening */
  HfMessage *only;       /* the session's one message, while it is the only one */
  HfMessage *newest;     /* the one it opened last, while that is unresolved */
  guint opened;
  guint taken;           /* 250s that are known from other lines */
};

static void
clear_policies (HfSession *self)
{
  for (guint i = 0; i < self->n_policies; i++)
    {
      g_free (self->policies[i].address);
      g_free (self->policies[i].other_address);
    }
  self->n_policies = 0;
}

void
hf_session_free (gpointer session)
{
  HfSession *self = session;

  clear_policies (self);
  for (guint i = 0; i < self->unresolved->len; i++)
    {
      HfMessage *message = g_ptr_array_index (self->unresolved, i);

      message->session = NULL;
      message->unresolved = FALSE;
    }
  if (self->only != NULL)
    self->only->session = NULL;
  g_ptr_array_unref (self->unresolved);
  g_free (self);
}

static guint64
key_of (HfBooks *books, const HfLogEvent *event)
{
  return ((guint64)hf_books_number (books, event->host, 0) << 32) | event->pid;
}

static HfSession *
find (HfBooks *books, const HfLogEvent *event)
{
  guint64 key = key_of (books, event);

  return g_hash_table_lookup (books->sessions, &key);
}

void
hf_session_connected (HfBooks *books, const HfLogEvent *event)
{
  HfSession *self = g_new0 (HfSession, 1);

  self->key = key_of (books, event);
  self->unresolved = g_ptr_array_new ();
  g_hash_table_replace (books->sessions, &self->key, self);
}

/* A session whose beginning was not seen can't be counted. */
void
hf_session_join (HfBooks *books, HfMessage *message, const HfLogEvent *event)
{
  HfSession *self = find (books, event);

  if (self == NULL)
    return;
  if (self->only != NULL && !self->only->unresolved)
    self->only->session = NULL;
  self->opened++;
  self->only = self->opened == 1 ? message : NULL;
  self->newest = message;
  g_ptr_array_add (self->unresolved, message);
  message->session = self;
  message->unresolved = TRUE;
}

void
hf_session_resolve (HfMessage *message, gboolean taken)
{
  HfSession *self = message->session;

  if (self == NULL || !message->unresolved)
    return;
  message->unresolved = FALSE;
  g_ptr_array_remove (self->unresolved, message);
  if (self->newest == message)
    self->newest = NULL;
  if (taken)
    self->taken++;
  if (self->only != message)
    message->session = NULL;
}

void
hf_session_forget (HfMessage *message)
{
  HfSession *self = message->session;

  if (self == NULL)
    return;
  if (message->unresolved)
    g_ptr_array_remove (self->unresolved, message);
  if (self->only == message)
    self->only = NULL;
  if (self->newest == message)
    self->newest = NULL;
  message->session = NULL;
}

void
hf_session_policy (HfBooks *books, const HfLogEvent *event)
{
  HfSession *self = find (books, event);
  Policy *policy;

  if (self == NULL || self->n_policies == POLICIES_MAX)
    return;
  policy = &self->policies[self->n_policies++];
  policy->event = *event;
  policy->address = hf_slice_dup (event->address);
  policy->other_address = hf_slice_dup (event->other_address);
}

/* The queue manager's line for the message would prove that they were not meant
 * for it: a transaction may be given up before it has a queue file.  Of a
 * redirection the results tell. */
void
hf_session_apply_policies (HfBooks *books, HfMessage *message)
{
  HfSession *self = message->session;

  for (guint i = 0; self != NULL && i < self->n_policies; i++)
    {
      HfLogEvent event = self->policies[i].event;

      event.host = hf_slice (hf_books_name (books, message->host));
      event.instance = hf_slice (hf_books_name (books, message->instance));
      event.queue_id = hf_slice (message->queue_id);
      event.label = event.program = event.sender = HF_SLICE_NONE;
      event.address = self->policies[i].address != NULL ? hf_slice (self->policies[i].address) : HF_SLICE_NONE;
      event.other_address
          = self->policies[i].other_address != NULL ? hf_slice (self->policies[i].other_address) : HF_SLICE_NONE;
      hf_books_enter (books, &event);
      if (event.kind == HF_LOG_REDIRECTED)
        message->redirect_guessed = TRUE;
    }
  if (self != NULL)
    clear_policies (self);
}

/* "lost connection after DATA (14 bytes)": the message that the session opened
 * last was never finished.  An older one was, and one that is held may have been,
 * if the line of the last is missing: the session's end counts them.  When a queue
 * id stands before it, entry.c does this. */
void
hf_session_aborted (HfBooks *books, const HfLogEvent *event)
{
  HfSession *self = find (books, event);
  HfMessage *message = self != NULL ? self->newest : NULL;

  if (message == NULL || message->held)
    return;
  hf_books_add_evidence (books, message, event);
  hf_books_close (books, message, HF_CLOSED_ABORTED);
  hf_books_review (books, message);
}

static guint
count_with_content (const HfSession *self)
{
  guint number = 0;

  for (guint i = 0; i < self->unresolved->len; i++)
    if (((const HfMessage *)g_ptr_array_index (self->unresolved, i))->has_content)
      number++;
  return number;
}

static void
resolve_as (HfBooks *books, HfMessage *message, const HfLogEvent *event, gboolean taken)
{
  hf_books_add_evidence (books, message, event);
  if (taken)
    hf_books_accept (books, message);
  else
    {
      message->held = FALSE;
      hf_books_close (books, message, HF_CLOSED_ABORTED);
    }
  hf_books_review (books, message);
}

/* Chunks (BDAT) are not counted as messages; but where no command failed and the
 * client gave nothing up, each message whose content was seen got its 250. */
static gboolean
all_chunks_were_taken (const HfSessionCounts *counts)
{
  return counts->bdat == counts->bdat_all && counts->data == counts->data_all && counts->rset == 0;
}

/* Which of the unresolved got their 250: all, those whose content was seen, none
 * of them, or nobody knows.  What is held has no line of the queue manager that
 * would put a mistake right: it was not taken only where no message was. */
static void
judge (HfBooks *books, HfSession *self, const HfLogEvent *event)
{
  const HfSessionCounts *counts = &event->session;
  guint accepted = counts->data > self->taken ? counts->data - self->taken : 0;
  gboolean chunks = counts->bdat > 0;
  gboolean all = !chunks && accepted >= self->unresolved->len;
  gboolean by_content = chunks ? all_chunks_were_taken (counts) : !all && accepted == count_with_content (self);
  gboolean none = !chunks && accepted == 0;

  for (guint i = self->unresolved->len; i-- > 0;)
    {
      HfMessage *message = g_ptr_array_index (self->unresolved, i);

      if (all)
        resolve_as (books, message, event, TRUE);
      else if (none)
        resolve_as (books, message, event, FALSE);
      else if (by_content && message->has_content)
        resolve_as (books, message, event, TRUE);
      else if (!message->has_content && !message->held)
        resolve_as (books, message, event, FALSE);
    }
}

void
hf_session_end (HfBooks *books, const HfLogEvent *event)
{
  const HfSessionCounts *counts = &event->session;
  HfSession *self = find (books, event);
  HfMessage *only;

  if (self == NULL)
    return;
  only = self->only;
  if (only != NULL && counts->known && counts->mail_all == 1 && !only->has_expected)
    {
      only->session_rcpts = MIN (counts->rcpt, HF_EXPECTED_MAX);
      hf_books_review (books, only);
    }
  if (counts->known)
    judge (books, self, event);
  g_hash_table_remove (books->sessions, &self->key);
}
