/* wording.h - the lines that an MTA logs for one message
 *
 * As Postfix 3.7 words them, and Sendmail 8.17 at its usual log level, for
 * mail such as a relay sees: most is passed on at once, some is deferred
 * first, some is for several recipients, some bounces, and strangers are
 * refused now and then.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define WORDING_RECIPIENTS 3

typedef struct
{
  gint64 at_ms;
  gboolean open;    /* stays in the queue */
  guint n_recipients;
  gchar queue[20];
  gchar client[64]; /* as facts have it: NAME[ADDRESS] */
  gchar sender[64];
  gchar recipients[WORDING_RECIPIENTS][64];
} Mail;

/* One MTA: how it names the @number-th message of its log, and what it says of
 * it.  Lines are without time and host, in their order; the caller frees them. */
typedef struct
{
  const gchar *name;
  void (*queue_id) (guint64 number, gint64 at_ms, gchar out_id[20]);
  void (*tell) (const Mail *mail, guint64 number, GRand *random, GPtrArray *lines);
} Wording;

/* NULL when there is none of that name. */
const Wording *wording_find (const gchar *name);

G_END_DECLS
