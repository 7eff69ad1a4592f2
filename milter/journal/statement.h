/* statement.h - Holdfast's own lines in the journal
 *
 * A statement is a NOOP line, and continuation lines where it is long:
 *
 *     NOOP holdfast-message nonce=… id=… at=…
 *     NOOP holdfast-more client=… helo=very+20lo
 *     NOOP holdfast-more helo+=ng
 *
 * Lines stay below 512 octets, CRLF included (RFC 5321 4.5.3.1.4).  Values
 * are xtext (RFC 3461 section 4).  `key+=` goes on with the value before it.
 * Keys that a reader does not know are passed over.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define HF_STATEMENT_LINE_MAX 511 /* octets, CRLF included */
#define HF_STATEMENT_PREFIX "NOOP holdfast-"
#define HF_STATEMENT_MORE "NOOP holdfast-more "

/* Writing.  @out is borrowed; its text from begin to end is the statement. */
typedef struct
{
  GString *out;
  gsize line_start;
} HfStatementBuilder;

void hf_statement_begin (HfStatementBuilder *self, GString *out, const gchar *kind);
/* @value: (nullable): octets; the pair is left out when it is NULL.  @size -1: NUL-terminated. */
void hf_statement_add (HfStatementBuilder *self, const gchar *key, const gchar *value, gssize size);
void hf_statement_add_number (HfStatementBuilder *self, const gchar *key, guint64 number);
/* What is added next stands on a line of its own, for the person who reads it. */
void hf_statement_new_line (HfStatementBuilder *self);
void hf_statement_end (HfStatementBuilder *self);

/* Reading.  Keys and values lie, decoded and NUL-terminated, in one buffer. */
typedef struct
{
  GString *text;
  GArray *pairs; /* of HfPair */
} HfStatement;

typedef struct
{
  gsize key;   /* offset in text */
  gsize value; /* likewise */
  gsize size;  /* octets of the value, which may hold NULs */
} HfPair;

void hf_statement_init (HfStatement *self);
void hf_statement_clear (HfStatement *self);

/**
 * hf_statement_read_line:
 * @line: one line without its CRLF, borrowed
 *
 * Takes the first line of a statement, or with @more a continuation line.
 * FALSE when it breaks the grammar.  The kind is left to the caller.
 */
gboolean hf_statement_read_line (HfStatement *self, const gchar *line, gsize size, gboolean more);

/* The value of @key, borrowed until the next read; NULL when absent. */
const gchar *hf_statement_get (const HfStatement *self, const gchar *key);
const gchar *hf_statement_get_sized (const HfStatement *self, const gchar *key, gsize *out_size);
/* FALSE when absent or not a plain decimal number of 64 bits. */
gboolean hf_statement_get_number (const HfStatement *self, const gchar *key, guint64 *out_number);

/* xtext by itself, for values outside statements. */
void hf_xtext_append (GString *out, const gchar *value, gsize size);
/* FALSE when it breaks the grammar; @out has some of it then. */
gboolean hf_xtext_decode (GString *out, const gchar *value, gsize size);

/* RFC 3339 UTC with milliseconds, as everywhere in Holdfast. @out_text has room for 25.
 * A clock before 1970 or behind 9999 is told as the nearest of these. */
void hf_time_format (gint64 wall_ms, gchar out_text[25]);
/* Parses exactly that form; FALSE for any other, and for what is no date. */
gboolean hf_time_parse (const gchar *text, gint64 *out_wall_ms);

G_END_DECLS
