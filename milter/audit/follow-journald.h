/* follow-journald.h - the MTA's lines in the systemd journal, by its cursor
 *
 * Any local user may write to the journal under any name, so only entries
 * count whose trusted fields, which the journal sets itself, say that they
 * came from the MTA's own programs, run by root or the MTA's user.
 */
#pragma once

#include "milter/audit/follow.h"

G_BEGIN_DECLS

typedef struct HfFollowJournald HfFollowJournald;

/**
 * hf_follow_journald_new:
 * @directory: (nullable): NULL for the machine's own journal
 * @cursor: (nullable): go on behind that entry
 * @since_ms: without @cursor: begin with entries of that time
 */
HfFollowJournald *hf_follow_journald_new (const gchar *directory, const gchar *cursor, gint64 since_ms);
void hf_follow_journald_free (HfFollowJournald *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfFollowJournald, hf_follow_journald_free)

/* As hf_follow_next(); lines look as in a file.  Where the cursor's entry is
 * gone, a gap comes first; and one stands for each entry of the MTA's whose
 * program the journal does not know, but for those that never tell of a message. */
gboolean hf_follow_journald_next (HfFollowJournald *self, HfFollowItem *out, GError **error);

/* Of the last entry read; NULL before the first. */
const gchar *hf_follow_journald_cursor (const HfFollowJournald *self);

/* When the newest line was read; -1: none was yet. */
gint64 hf_follow_journald_read_ms (const HfFollowJournald *self);

/**
 * hf_journald_is_trusted:
 * @exe: (nullable): _EXE, the program's file
 * @uid: (nullable): _UID
 *
 * TRUE for programs of Postfix and Sendmail in directories that only root
 * writes to, run by root or a system user; for journald's own words, too.
 */
gboolean hf_journald_is_trusted (const gchar *exe, const gchar *uid);

G_END_DECLS
