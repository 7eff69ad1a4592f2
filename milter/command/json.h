/* json.h - what --json prints: always valid JSON, whatever octets went in
 *
 * Addresses, queue ids and reasons come from logs and from SMTP clients and
 * need not be UTF-8.  json-glib prints such octets as they are, which is no
 * JSON; hence this small emitter.  It streams: nothing is kept but the text of
 * the current line.  Used by every verb that has --json.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

/* Deepest nesting; one more is a programming error and aborts. */
#define HF_JSON_DEPTH 16

/* One line of output in the making.  Kept by value; see hf_json_init. */
typedef struct
{
  GString *text;
  guint depth;
  gboolean in_object[HF_JSON_DEPTH + 1];
  gboolean has_members[HF_JSON_DEPTH + 1];
} HfJson;

/**
 * hf_json_init:
 *
 * Makes an empty line.  Pairs with hf_json_clear.
 *
 *     g_auto (HfJson) json = { NULL };
 *
 *     hf_json_init (&json);
 *     hf_json_begin_object (&json, NULL);
 *     hf_json_string (&json, "queue_id", id);
 *     hf_json_begin_array (&json, "recipients");
 *     …
 *     hf_json_end_array (&json);
 *     hf_json_end_object (&json);
 *     if (!hf_json_write_line (&json, stdout, &error))
 *       …
 *
 * Everywhere below @key is the member's name, an ASCII literal, and NULL for
 * an element of an array or for the outermost value.  A key in an array, or a
 * missing one in an object, is a programming error and aborts.
 */
void hf_json_init (HfJson *self);
void hf_json_clear (HfJson *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (HfJson, hf_json_clear)

void hf_json_begin_object (HfJson *self, const gchar *key);
void hf_json_end_object (HfJson *self);
void hf_json_begin_array (HfJson *self, const gchar *key);
void hf_json_end_array (HfJson *self);

/**
 * hf_json_octets:
 * @octets: (nullable): NULL gives null
 * @length: octets in it; NUL is an octet like any other
 *
 * A string.  Each octet that is part of no valid UTF-8 becomes U+FFFD; then,
 * in an object, a second member KEY_raw follows with all octets in base64
 * (an array has no place for it, so put foreign text in objects).  Controls,
 * DEL and C1 included, are escaped, so the output is safe on a terminal.
 */
void hf_json_octets (HfJson *self, const gchar *key, const gchar *octets, gsize length);

/* The same for a string that ends in NUL; NULL gives null. */
void hf_json_string (HfJson *self, const gchar *key, const gchar *value);

void hf_json_int (HfJson *self, const gchar *key, gint64 value);
void hf_json_uint (HfJson *self, const gchar *key, guint64 value);
void hf_json_bool (HfJson *self, const gchar *key, gboolean value);
void hf_json_null (HfJson *self, const gchar *key);

/* Milliseconds since 1970 as "2026-11-22T20:18:05.000Z" (RFC 3339, UTC);
 * a negative @wall_ms means "not known" and gives null. */
void hf_json_time (HfJson *self, const gchar *key, gint64 wall_ms);

/**
 * hf_json_write_line:
 * @error: set on FALSE
 *
 * Writes the value, which must be complete, and a newline, and starts the next
 * line.  TRUE: stdio has it; whether it reached the reader is known only after
 * fflush.  Errors: HF_ERROR_IO, HF_ERROR_FULL.
 */
gboolean hf_json_write_line (HfJson *self, FILE *stream, GError **error);

G_END_DECLS
