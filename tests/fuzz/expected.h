/* expected.h - what the journal must hold of a message, by the callbacks it came in
 *
 * A second, simple reading of the rules in doc/FORMAT: all in memory, nothing
 * clever.  What it says is compared, octet for octet, with what the filter stored.
 */
#pragma once

#include "milter/journal/record.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean open;         /* between MAIL and its end */
  const gchar *poisoned; /* why the end of the message has to be refused, or NULL */
  gboolean in_message;   /* a header, the empty line or a body came */
  gboolean headers_ended;
  gboolean lead_space;
  gchar *sender;         /* the argument of MAIL, canonical, without what is hidden */
  gchar *hidden;         /* SIZE and AUTH parameters */
  GPtrArray *recipients; /* arguments of RCPT, canonical */
  GByteArray *message;
} Expected;

void expected_init (Expected *self);
void expected_clear (Expected *self);

void expected_mail (Expected *self, const gchar *const *argv);
void expected_rcpt (Expected *self, const gchar *const *argv);
void expected_header (Expected *self, const gchar *name, const gchar *value);
void expected_body (Expected *self, gconstpointer data, gsize size);
/* The empty line, where no body brought it, and what only the end shows. */
void expected_end (Expected *self);
void expected_forget (Expected *self);

/* Ends the process, telling the difference, where @item or @message is another
 * message than was expected. */
void expected_compare (const Expected *self, const HfItem *item, const GByteArray *message);

G_END_DECLS
