/* fake-libmilter.h - what the filter's callbacks ask of libmilter, without libmilter
 *
 * Linked in its place, so that callbacks can be called in one thread, in any
 * order, thousands of times a second.  It keeps what they set and gives what
 * the test has set; a reply that libmilter would not take ends the process.
 */
#pragma once

#include <glib.h>
#include <libmilter/mfapi.h>

G_BEGIN_DECLS

/* A context is made and ended by the test, one for each connection. */
SMFICTX *fake_context_new (void);
void fake_context_free (SMFICTX *ctx);

/* A macro as the MTA gives it; @value NULL takes it away. */
void fake_context_set_macro (SMFICTX *ctx, const gchar *name, const gchar *value);

/* The reply code that the last callback set, "" when it set none; then forgotten. */
const gchar *fake_context_take_code (SMFICTX *ctx);

gpointer fake_context_private (SMFICTX *ctx);

G_END_DECLS
