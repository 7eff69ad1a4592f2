/* config.h - milter.conf, parsed and checked
 *
 * Each parameter is declared once, as a row of parameters.h; the rows become
 * the fields of HfConfig, the parser's table, the sample file and the man
 * page milter.conf(5).
 */
#pragma once

#include "milter/base/values.h"

#include <glib.h>

G_BEGIN_DECLS

#define HF_CONFIG_DEFAULT_PATH HF_SYSCONFDIR "/holdfast/milter.conf"

/* C types of the kinds of row in parameters.h */
#define HF_CTYPE_STRING gchar *
#define HF_CTYPE_PATH gchar *
#define HF_CTYPE_CHOICE gchar *
#define HF_CTYPE_SIZE guint64
#define HF_CTYPE_TIME gint64 /* milliseconds */
#define HF_CTYPE_COUNT guint64
#define HF_CTYPE_MODE guint
#define HF_CTYPE_BOOL gboolean
#define HF_CTYPE_SHARE HfShare

typedef struct
{
#define HF_PARAMETER(section, key, kind, dflt, min, max, reload, choices, sentence) \
  HF_CTYPE_##kind section##_##key;
#include "milter/base/parameters.h"
#undef HF_PARAMETER
  gchar *path;         /* the file all this was read from; NULL for defaults alone */
  guint *lines;        /* by row: the line the key stands in, 0 when defaulted */
} HfConfig;

/**
 * hf_config_load:
 * @path: (nullable): the file; NULL for the default, $sysconfdir/holdfast/milter.conf
 * @error: set on NULL; the message begins "FILE:LINE: " or "FILE: "
 *
 * Reads, parses and checks the file against the rows; looks at nothing else
 * on the machine.  Unknown sections and keys, doubled keys, values of a wrong
 * form or out of bounds are errors, and so are keys that contradict each other
 * (config-check.h).  A string, path or choice left empty has its default.
 * Not NULL: every field is set.
 * Errors: HF_ERROR_CONFIG, HF_ERROR_NOT_FOUND, HF_ERROR_DENIED, HF_ERROR_IO.
 */
HfConfig *hf_config_load (const gchar *path, GError **error);

/* Every field at its default, as from an empty file. */
HfConfig *hf_config_new_default (void);
void hf_config_free (HfConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfConfig, hf_config_free)

/**
 * hf_config_error:
 *
 * Sets HF_ERROR_CONFIG for a key whose value proved unusable on this machine,
 * as "FILE:LINE: [section] key: message" (without ":LINE" when defaulted).
 * Returns: always FALSE.
 */
gboolean hf_config_error (const HfConfig *self, const gchar *section, const gchar *key,
                          GError **error, const gchar *format, ...) G_GNUC_PRINTF (5, 6);

/* Compares two configurations: calls @changed for each row that differs, with
 * "section.key" and whether a reload takes it (else it needs a restart).  Both
 * are borrowed, and so is the name. */
typedef void (*HfConfigChanged) (const gchar *name, gboolean reloadable, gpointer data);
void hf_config_compare (const HfConfig *before, const HfConfig *after, HfConfigChanged changed,
                        gpointer data);

G_END_DECLS
