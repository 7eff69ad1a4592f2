/* listen.h - the socket on which the MTA reaches the filter
 *
 * A stale socket is replaced, a live one refused; permissions are set while
 * the process may still do so.
 */
#pragma once

#include "milter/base/config.h"

G_BEGIN_DECLS

/**
 * hf_listen:
 * @config: milter.socket, milter.socket_mode, milter.socket_group, milter.user
 *
 * Opens the socket through libmilter, after smfi_register().  FALSE with
 * HF_ERROR_CONFIG and the configuration's line.
 */
gboolean hf_listen (const HfConfig *config, GError **error);

/* What can be said of the same keys without touching anything.  A socket's
 * directory may be missing: a service manager makes it at the start. */
gboolean hf_listen_check (const HfConfig *config, GError **error);

/* Removes a unix socket at the end.  What can't be removed is replaced by the
 * next start. */
void hf_listen_end (const HfConfig *config);

G_END_DECLS
