/* visits.c - SMTP sessions, whose lines are evidence for their messages
 *
 * A session's first line proves nothing before its last does, and what a
 * policy says before there is a queue id concerns the session's next message.
 * So these lines wait here for a message.  What waits is in the books, too:
 * an auditor that is ended between a client's first line and its message's
 * would not know later what the session's last line counts.
 */
#include <config.h>

#include "milter/audit/accounts-private.h"

/* Sessions without a message are kept for so long, and so many of them: Postfix
 * ends those that say nothing after 300 s. */
#define SESSION_MS (10 * 60 * 1000)
#define SESSIONS_MAX 500

/* As the books keep of them (session.c). */
#define POLICIES_MAX 4

typedef struct
{
  gchar *text;
  guint64 seq, source, offset, number;
} Line;

typedef struct
{
  gint64 at_ms;
  GArray *waiting;    /* of Line: the session's first, and policies for its next message */
  GPtrArray *serials; /* of the messages opened in it, as pointers to guint64 */
} Session;

static void
line_clear (gpointer data)
{
  g_free (((Line *) data)->text);
}

static void
session_free (gpointer data)
{
  Session *self = data;

  g_array_unref (self->waiting);
  g_ptr_array_unref (self->serials);
  g_free (self);
}

GHashTable *
hf_accounts_sessions_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, session_free);
}

static gchar *
session_key (const HfLogEvent *event)
{
  return g_strdup_printf ("%.*s %u", (int) MIN (event->host.length, 255), event->host.at != NULL ? event->host.at : "",
                          event->pid);
}

static Session *
find (HfAccounts *self, const HfLogEvent *event)
{
  g_autofree gchar *key = session_key (event);

  return g_hash_table_lookup (self->sessions, key);
}

static void
wait_with_line (const HfAccounts *self, Session *session)
{
  const Line line = { hf_slice_dup (self->raw), self->seq, self->source, self->offset, self->number };

  g_array_append_val (session->waiting, line);
}

void
hf_accounts_session_begin (HfAccounts *self, const HfLogEvent *event)
{
  Session *session = g_new0 (Session, 1);

  session->at_ms = event->wall_ms;
  session->waiting = g_array_new (FALSE, FALSE, sizeof (Line));
  g_array_set_clear_func (session->waiting, line_clear);
  wait_with_line (self, session);
  session->serials = g_ptr_array_new_with_free_func (g_free);
  g_hash_table_replace (self->sessions, session_key (event), session);
}

/* Of a message that has a queue id it is evidence like any other line. */
void
hf_accounts_session_policy (HfAccounts *self, const HfLogEvent *event)
{
  Session *session = event->queue_id.length == 0 ? find (self, event) : NULL;

  if (session != NULL && session->waiting->len <= POLICIES_MAX)
    wait_with_line (self, session);
}

void
hf_accounts_session_join (HfAccounts *self, HfMail *mail, const HfLogEvent *event)
{
  Session *session = find (self, event);

  if (session == NULL)
    return;
  g_ptr_array_add (session->serials, g_memdup2 (&mail->message->serial, sizeof mail->message->serial));
  for (guint i = 0; i < session->waiting->len; i++)
    {
      const Line *line = &g_array_index (session->waiting, Line, i);

      hf_mail_add_line (self, mail, line->seq, line->source, line->offset, line->number, hf_slice (line->text));
    }
  /* the first line is every message's, a policy only the next one's */
  g_array_set_size (session->waiting, 1);
}

void
hf_accounts_session_end (HfAccounts *self, const HfLogEvent *event)
{
  g_autofree gchar *key = session_key (event);
  const Session *session = g_hash_table_lookup (self->sessions, key);

  for (guint i = 0; session != NULL && i < session->serials->len; i++)
    {
      HfMail *mail = g_hash_table_lookup (self->mails, g_ptr_array_index (session->serials, i));

      if (mail != NULL)
        hf_mail_add_line (self, mail, self->seq, self->source, self->offset, self->number, self->raw);
    }
  g_hash_table_remove (self->sessions, key);
}

static gint
compare_seq (gconstpointer a, gconstpointer b)
{
  const guint64 x = g_array_index ((*(Session *const *) a)->waiting, Line, 0).seq;
  const guint64 y = g_array_index ((*(Session *const *) b)->waiting, Line, 0).seq;

  return x < y ? -1 : x > y;
}

static void
append_waiting (GString *out, const Session *session)
{
  for (guint i = 0; i < session->waiting->len; i++)
    {
      const Line *line = &g_array_index (session->waiting, Line, i);

      hf_evidence_append (out, line->seq, line->source, line->offset, line->number, hf_slice (line->text));
    }
}

/* Writes down which sessions have no message yet, where that changed.  Those of
 * the others are evidence of theirs. */
void
hf_accounts_sessions_tell (HfAccounts *self)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  HfStatementBuilder *builder;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Session *session = value;

      if (session->serials->len == 0 && session->at_ms + SESSION_MS > self->newest_line_ms)
        g_ptr_array_add (found, value);
    }
  g_ptr_array_sort (found, compare_seq);
  for (guint i = found->len > SESSIONS_MAX ? found->len - SESSIONS_MAX : 0; i < found->len; i++)
    append_waiting (text, g_ptr_array_index (found, i));
  if (strcmp (text->str, self->told_sessions != NULL ? self->told_sessions : "") == 0)
    return;
  g_free (self->told_sessions);
  self->told_sessions = g_strdup (text->str);
  builder = hf_daybook_begin (self->daybook, "position");
  hf_statement_add (builder, "source", "sessions", -1);
  hf_statement_add (builder, "value", text->str, (gssize) text->len);
  hf_statement_end (builder);
}
