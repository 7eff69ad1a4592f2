/* config-check.c - what holds between keys of milter.conf; see config-check.h */
#include <config.h>

#include "milter/base/config-check.h"

#include "milter/base/config-rows.h"

#include <string.h>

/* Of each pair, the warning has to come before the stop. */
typedef struct
{
  const gchar *warn;
  const gchar *stop;
  gsize warn_offset;
  gsize stop_offset;
} Pair;

static const Pair space = { "space_warn", "space_stop", G_STRUCT_OFFSET (HfConfig, pressure_space_warn),
                            G_STRUCT_OFFSET (HfConfig, pressure_space_stop) };
static const Pair inodes = { "inodes_warn", "inodes_stop", G_STRUCT_OFFSET (HfConfig, pressure_inodes_warn),
                             G_STRUCT_OFFSET (HfConfig, pressure_inodes_stop) };

static HfShare
share_at (const HfConfig *self, gsize offset)
{
  return *(const HfShare *) (gconstpointer) ((const guint8 *) self + offset);
}

static gboolean
is_set (const HfConfig *self, const Pair *pair)
{
  return self->lines[hf_parameter_find ("pressure", pair->warn)] != 0;
}

static void
derive (HfConfig *self, const Pair *pair)
{
  const HfShare stop = share_at (self, pair->stop_offset);
  HfShare *warn = G_STRUCT_MEMBER_P (self, pair->warn_offset);

  if (is_set (self, pair))
    return;
  warn->percent = MIN (2 * stop.percent, 100);
  warn->bytes = stop.bytes <= G_MAXUINT64 / 2 ? 2 * stop.bytes : G_MAXUINT64;
}

void
hf_config_derive (HfConfig *self)
{
  derive (self, &space);
  derive (self, &inodes);
}

static gboolean
refuse (const HfConfig *self, const Pair *pair, const gchar *where, GError **error)
{
  return hf_config_error (self, "pressure", pair->warn, error,
                          "must be more than %s%s, so that the warning comes before mail is turned away", pair->stop,
                          where);
}

static gboolean
check (const HfConfig *self, const Pair *pair, GError **error)
{
  const HfShare warn = share_at (self, pair->warn_offset), stop = share_at (self, pair->stop_offset);

  if (!is_set (self, pair) || (warn.bytes == 0 && warn.percent == 0 && stop.bytes == 0 && stop.percent == 0))
    return TRUE; /* derived, or both off */
  return hf_share_exceeds (warn, stop) >= 0 || refuse (self, pair, "", error);
}

static gboolean
check_log (const HfConfig *self, GError **error)
{
  const gchar *log = self->mta_log;

  if (g_str_has_prefix (log, "file:/") || strcmp (log, "file:-") == 0 || strcmp (log, "journald") == 0
      || g_str_has_prefix (log, "journald:/"))
    return TRUE;
  return hf_config_error (self, "mta", "log", error, "'%s' must be file:/PATH, journald or journald:/DIRECTORY", log);
}

gboolean
hf_config_check (const HfConfig *self, GError **error)
{
  return check (self, &space, error) && check (self, &inodes, error) && check_log (self, error);
}

static gboolean
check_on (const HfConfig *self, const Pair *pair, guint64 total, GError **error)
{
  const HfShare warn = share_at (self, pair->warn_offset), stop = share_at (self, pair->stop_offset);

  if (!is_set (self, pair) || hf_share_exceeds (warn, stop) != 0 || hf_share_of (warn, total) > hf_share_of (stop, total))
    return TRUE;
  return refuse (self, pair, " on the spool's file system", error);
}

gboolean
hf_config_check_marks (const HfConfig *self, guint64 space_total, guint64 inodes_total, GError **error)
{
  return check_on (self, &space, space_total, error) && (inodes_total == 0 || check_on (self, &inodes, inodes_total, error));
}
