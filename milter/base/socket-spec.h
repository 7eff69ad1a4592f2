/* socket-spec.h - where the filter listens
 *
 * The text is what libmilter's smfi_setconn() takes, less what it would
 * guess: unix:PATH, local:PATH, inet:PORT@HOST, inet6:PORT@HOST.
 */
#pragma once

#include "milter/base/config.h"

#include <glib.h>
#include <sys/socket.h>

G_BEGIN_DECLS

/* sun_path holds 108 octets, the last of them a NUL. */
#define HF_SOCKET_PATH_MAX 107

typedef struct
{
  gint family; /* AF_UNIX, AF_INET or AF_INET6 */
  gchar *path; /* AF_UNIX, else NULL */
  gchar *host; /* AF_INET, AF_INET6: without brackets, NULL for every address */
  guint port;  /* AF_INET, AF_INET6: 1 to 65535 */
} HfSocketSpec;

/**
 * hf_socket_spec_parse:
 * @text: borrowed
 * @error: set on NULL
 *
 * Looks at the text alone: no name is resolved, no file is touched.
 * Returns: a new spec; NULL with HF_ERROR_CONFIG when @text has another form,
 * a port out of range, a path that is not absolute or is longer than
 * HF_SOCKET_PATH_MAX octets.
 */
HfSocketSpec *hf_socket_spec_parse (const gchar *text, GError **error);
void hf_socket_spec_free (HfSocketSpec *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfSocketSpec, hf_socket_spec_free)

/* TRUE when only this machine can connect: a unix socket, an address of
 * 127.0.0.0/8, ::1, or the name localhost (RFC 6761, section 6.3).  Any other
 * name counts as remote, since what it means is not ours to say. */
gboolean hf_socket_spec_is_local (const HfSocketSpec *self);

/**
 * hf_socket_spec_address:
 * @to_listen: without a host, every address; else loopback
 *
 * The address that bind(2) or connect(2) takes.  A name is resolved, which may take
 * as long as the resolver likes; the first address that it has counts.
 * FALSE with HF_ERROR_NOT_FOUND when it has none.
 */
gboolean hf_socket_spec_address (const HfSocketSpec *self, gboolean to_listen, struct sockaddr_storage *out_address,
                                 socklen_t *out_size, GError **error);

/**
 * hf_socket_spec_check:
 * @config: borrowed; milter.socket and milter.allow_remote are looked at
 *
 * Returns: the spec of milter.socket; NULL with HF_ERROR_CONFIG,
 * "FILE:LINE: [milter] socket: reason", when it can't be parsed, or is not
 * local and milter.allow_remote is no.  The milter protocol knows no
 * authentication, so who can connect can write to the journal.
 */
HfSocketSpec *hf_socket_spec_check (const HfConfig *config, GError **error);

G_END_DECLS
