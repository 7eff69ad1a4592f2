/* privilege.h - who the filter is, and what it must not leave behind */
#pragma once

#include "milter/base/config.h"

#include <sys/types.h>

G_BEGIN_DECLS

/* FALSE with HF_ERROR_CONFIG where milter.user is named and is nobody. */
gboolean hf_privilege_check (const HfConfig *config, GError **error);

/* *@out_uid: whom root will become: milter.user, or (uid_t) -1 where nobody is named or
 * the process is not root.  Errors: as above. */
gboolean hf_privilege_find (const HfConfig *config, uid_t *out_uid, GError **error);

/* Becomes milter.user, with its groups, where the process is root and a user is
 * named.  FALSE with HF_ERROR_CONFIG and the configuration's line. */
gboolean hf_privilege_drop (const HfConfig *config, GError **error);

/* No core dumps: they would hold mail.  New files are for their owner alone.
 * As many descriptors as the hard limit allows. */
void hf_privilege_limit (void);

G_END_DECLS
