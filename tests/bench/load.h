/* load.h - many milter connections at once, from one thread
 *
 * Each connection takes the next message as soon as it is done with one, so
 * that as many are under way as there are connections.  A message counts once,
 * whatever becomes of it: a connection lost under it, or a reply that does not
 * come within the limit, makes it `other`.
 */
#pragma once

#include "tests/bench/script.h"

G_BEGIN_DECLS

typedef struct
{
  const gchar *socket_spec;
  const McMta *mta;
  guint32 version;
  guint connections;
  guint64 messages;
  guint per_connection; /* messages said over one connection; 0: all */
  gint limit_ms;        /* for each reply */
  ScriptMessage message;
} LoadPlan;

typedef struct
{
  guint64 accepted;
  guint64 tempfailed;
  guint64 other;
  guint64 connections;  /* opened */
  guint64 progress;     /* progress packets */
  gint64 elapsed_us;    /* first octet to last reply */
  GArray *message_us;   /* of guint32: MAIL sent to end-of-message answered, accepted ones only */
  GArray *eom_us;       /* of guint32: end-of-message sent to answered */
  gchar *first_refusal; /* text of the first tempfail */
  gchar *first_other;   /* why the first of the others was none of these */
} LoadResult;

/**
 * load_run:
 * @out_result: set on TRUE; cleared by load_result_clear()
 * @error: set on FALSE
 *
 * Runs the plan to its end.  FALSE when no connection at all can be made, or
 * the filter does not agree with what is offered.
 */
gboolean load_run (const LoadPlan *plan, LoadResult *out_result, GError **error);
void load_result_clear (LoadResult *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LoadResult, load_result_clear)

G_END_DECLS
