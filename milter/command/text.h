/* text.h - text for people: safe on a terminal, wrapped, numbers in groups */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

/* What came from outside must not steer the terminal: controls, line ends of any
 * script and marks that turn the direction of what follows become "?", octets
 * that are not UTF-8 become U+FFFD.  Returns: (transfer full). */
gchar *hf_text_safe (const gchar *text);

/* Prints words with lines of at most 78 columns, each indented by @indent blanks. */
void hf_text_wrap (FILE *stream, guint indent, const gchar *text);

/* "1,234,567" (transfer full) */
gchar *hf_text_number (guint64 number);

/* "1 recipient", "2,000 recipients" (transfer full) */
gchar *hf_text_count (guint64 number, const gchar *singular, const gchar *plural);

G_END_DECLS
