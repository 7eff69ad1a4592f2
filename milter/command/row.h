/* row.h - a message as a line of a table, for people */
#pragma once

#include "milter/journal/view.h"

G_BEGIN_DECLS

/* The table's head, on standard output. */
void hf_row_print_head (void);

/* One message or one piece of junk.  @state: the word for its state; of a copy
 * that is not whole, what is wrong with it stands there instead. */
void hf_row_print (const HfViewEntry *entry, const gchar *state);

G_END_DECLS
