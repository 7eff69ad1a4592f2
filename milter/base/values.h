/* values.h - sizes, times and the other kinds of value, from text
 *
 * Values are written the same way in milter.conf and on the command line.
 * Messages name the text, what is wrong with it and what is allowed; where it
 * stood (file and line, or option) is added by the caller, who knows.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A size in octets; or, when @percent is not 0, a share of the file system that
 * is at most @bytes when those are not 0. */
typedef struct
{
  guint64 bytes;
  guint percent;
} HfShare;

/**
 * hf_parse_size, hf_parse_time_ms, hf_parse_count, hf_parse_mode,
 * hf_parse_bool, hf_parse_share:
 * @text: borrowed; no blanks around it
 *
 * size   digits, or digits and K, M or G (1,024, its square and its cube)
 * time   digits and ms, s, min, h or d; or a bare 0
 * count  digits
 * mode   octal digits up to 0777
 * bool   yes, no, true or false, in any case
 * share  a size; or 0 to 100 and %, which " max " and a size may follow
 *
 * FALSE, with HF_ERROR_CONFIG and the result untouched: anything else, and
 * what does not fit into the type.
 */
gboolean hf_parse_size (const gchar *text, guint64 *out_bytes, GError **error);
gboolean hf_parse_time_ms (const gchar *text, gint64 *out_ms, GError **error);
gboolean hf_parse_count (const gchar *text, guint64 *out_count, GError **error);
gboolean hf_parse_mode (const gchar *text, guint *out_mode, GError **error);
gboolean hf_parse_bool (const gchar *text, gboolean *out_value, GError **error);
gboolean hf_parse_share (const gchar *text, HfShare *out_share, GError **error);

/* What @share is of @total, never more than that. */
guint64 hf_share_of (HfShare share, guint64 total);

/* 1 when @a is more than @b on every file system that both are meant for, -1
 * when it can't be, 0 when only the file system can tell. */
gint hf_share_exceeds (HfShare a, HfShare b);

/* A copy of @text that is fit to be quoted in a message: valid UTF-8, controls
 * as '?', and cut where it is longer than a line has room for. */
gchar *hf_value_quotable (const gchar *text);

G_END_DECLS
