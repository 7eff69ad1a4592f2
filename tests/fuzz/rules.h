/* rules.h - the rules of doc/FORMAT once more, read from the text and not from the code
 *
 * Slow and plain: what the journal's reader calls whole is held against this.
 */
#pragma once

#include "milter/journal/record.h"

G_BEGIN_DECLS

/* The message of the record that @octets are, from its first line to the CRLF
 * of its seal; NULL with a rule's name in @out_broken when it breaks one.
 * Freed by the caller. */
GByteArray *rules_message (const guint8 *octets, gsize size, const gchar *nonce, const gchar **out_broken);

/* TRUE when @octets are a statement that stands alone, with its right digest. */
gboolean rules_alone (const guint8 *octets, gsize size);

G_END_DECLS
