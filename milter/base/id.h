/* id.h - ids of messages and events
 *
 * 26 characters of Crockford's base 32 (the alphabet 0-9 A-Z without I L O U):
 * 48 bits of milliseconds since 1970, then 80 random bits.  Ids sort by time;
 * the journal's order is by segment and offset, never by id.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define HF_ID_LENGTH 26

/* A NUL-terminated id, kept by value. */
typedef struct
{
  gchar text[HF_ID_LENGTH + 1];
} HfId;

/* Makes a new id for the present moment.  Threads: any. */
void hf_id_new (HfId *out_id);

/* The same from given parts; @wall_ms is cut to 48 bits.  For tests and tools. */
void hf_id_make (gint64 wall_ms, const guint8 random[10], HfId *out_id);

/* TRUE when @text is exactly one id in canonical (upper case) form. */
gboolean hf_id_is_valid (const gchar *text);

/* The milliseconds an id holds; -1 when @text is not an id. */
gint64 hf_id_wall_ms (const gchar *text);

G_END_DECLS
