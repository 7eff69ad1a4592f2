/* config-scan.h - where things stand in milter.conf
 *
 * GKeyFile tells no line numbers and lets doubled and unknown names pass, so
 * the text is gone over once more: this scan knows lines and names, GKeyFile
 * knows values.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * hf_config_scan:
 * @path: for messages
 * @text: @length octets, then a NUL
 * @out_lines: one number for each row of hf_parameters; set to the line the
 *   key stands in, 0 where it is absent
 *
 * TRUE: the text is UTF-8 without NUL octets; each line is empty, a comment, a
 * section or a key with '='; all sections and keys are known, and none comes
 * twice.  Values are not looked at.
 * FALSE: HF_ERROR_CONFIG, "FILE:LINE: reason", for the first line at fault.
 */
gboolean hf_config_scan (const gchar *path, const gchar *text, gsize length, guint *out_lines,
                         GError **error);

/* Sets HF_ERROR_CONFIG as "FILE:LINE: message", or "FILE: message" for line 0.
 * Returns: always FALSE. */
gboolean hf_config_line_error (const gchar *path, guint line, GError **error, const gchar *format,
                               ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
