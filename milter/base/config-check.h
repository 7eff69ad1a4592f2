/* config-check.h - what holds between keys of milter.conf
 *
 * Each value by its type is checked by config.c; here stands what one key means
 * for another, and what no type covers.
 */
#pragma once

#include "milter/base/config.h"

G_BEGIN_DECLS

/* Gives keys that are not set the value that follows from others. */
void hf_config_derive (HfConfig *self);

/* FALSE with HF_ERROR_CONFIG, the file and the line, where two keys can't both
 * be meant on any file system, or a log is no place where one can be. */
gboolean hf_config_check (const HfConfig *self, GError **error);

/**
 * hf_config_check_marks:
 * @space: octets of the spool's file system
 * @inodes: likewise, 0 where it counts none
 *
 * The same for a size beside a share, which only the file system can compare.
 */
gboolean hf_config_check_marks (const HfConfig *self, guint64 space, guint64 inodes, GError **error);

G_END_DECLS
