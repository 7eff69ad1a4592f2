/* dial.h - a filter's socket, connected */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * mc_dial:
 * @text: as hf_socket_spec_parse() takes it, the host numeric: nothing is
 *   looked up
 * @limit_ms: how long to wait while the filter's backlog is full
 * @error: set on -1: HF_ERROR_CONFIG, HF_ERROR_IO, HF_ERROR_LATE …
 *
 * Returns: a connected, non-blocking descriptor, closed on exec; or -1.
 */
int mc_dial (const gchar *text, gint limit_ms, GError **error);

G_END_DECLS
