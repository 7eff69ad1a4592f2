/* record.h - the grammar of a segment: what is written, and what counts as read
 *
 * The bytes and the rules are in doc/FORMAT; this is their one implementation
 * in C.  The writer uses hf_record_write_*, every reader hf_record_read, and
 * the writer reads back what it wrote with the same hf_record_read that
 * recovery, list and verify use.
 */
#pragma once

#include "milter/base/id.h"
#include "milter/journal/digest.h"
#include "milter/journal/statement.h"
#include "milter/journal/window.h"
#include "milter/journal/wire.h"

#include <glib.h>

G_BEGIN_DECLS

#define HF_FORMAT_VERSION 1
#define HF_BLOCK 4096u
#define HF_NONCE_OCTETS 16

/* Random, one for each segment, as text.  It stands in every statement, so that
 * a message whose text imitates a statement can't be taken for one. */
typedef struct
{
  gchar text[2 * HF_NONCE_OCTETS + 1];
} HfNonce;

void hf_nonce_new (HfNonce *out_nonce);

/* What is known of a message beside its envelope and its octets.  NULL: unknown.
 * Strings are owned. */
typedef struct
{
  HfId id;
  gint64 at_ms; /* wall clock at MAIL */
  gchar *daemon;
  gchar *queue;
  gchar *client;
  gchar *helo;
  gchar *auth;
  guint64 bytes;  /* of the message */
  guint64 wire;   /* of its form behind DATA, a final CRLF included that the message may lack */
  guint64 rcpts;
  gboolean bare;  /* has a CR without LF or an LF without CR */
} HfFacts;

void hf_facts_clear (HfFacts *self);

/* A MAIL or RCPT argument taken apart. */
typedef struct
{
  gchar *address; /* without angle brackets; "" for the null sender */
  gchar *params;  /* the ESMTP parameters, "" when there are none */
  /* of a recipient that was settled or void when its message was carried forward
   * (carried.h): "settled" or "void", and how it was settled; else NULL */
  gchar *state;
  gchar *outcome;
  gint64 since_ms; /* when it came to that; G_MININT64 where that is not told */
} HfPath;

/* Takes "<a@b> SIZE=1", "a@b", "" or "\"\"" apart; canonical as doc/FORMAT says. */
void hf_path_parse (const gchar *argument, gsize size, HfPath *out_path);
void hf_path_clear (HfPath *self);

typedef enum
{
  HF_ITEM_SEGMENT, /* the header */
  HF_ITEM_MESSAGE,
  HF_ITEM_VOID,
  HF_ITEM_TORN,    /* a note on an unfinished write in an earlier segment */
  HF_ITEM_END,     /* the segment was closed in order */
  HF_ITEM_OTHER,   /* stands alone, of another kind: a note of trimming, an act, or one that a later Holdfast knows */
  HF_ITEM_JUNK,    /* octets that are no item */
} HfItemKind;

/* One thing that stands in a segment. */
typedef struct
{
  HfItemKind kind;
  guint64 offset;
  guint64 length;
  gboolean whole;      /* all rules for its kind hold */
  const gchar *fault;  /* static; the first rule broken when not whole */
  gboolean has_facts;  /* facts could be read, be it from a record that is not whole */
  /* messages */
  HfFacts facts;
  HfPath sender;
  gchar *mail_hidden;  /* SIZE and AUTH parameters as sent, or NULL */
  GArray *recipients;  /* of HfPath, where asked for; also those that are settled and have no RCPT line any more */
  guint64 group;       /* all in front of that block was synced when the record was written */
  guint64 data_offset; /* of the first octet behind DATA */
  HfSalt salt;
  HfDigest message, envelope, chain;
  /* all others: their keys, and in message their digest */
  HfStatement statement;
} HfItem;

void hf_item_init (HfItem *self);
void hf_item_clear (HfItem *self);

typedef enum
{
  HF_READ_VERIFY = 0,           /* check lengths and digests */
  HF_READ_SKIM = 1 << 0,        /* hop over messages unread: whole means only that the lines are in place */
  HF_READ_RECIPIENTS = 1 << 1,  /* collect recipients */
  HF_READ_ALONE = 1 << 2,       /* of a view: the caller has locked readers out, itself included (readers.h) */
} HfReadFlags;

/* All that hf_record_starts() looks at. */
#define HF_RECORD_START_MAX 96

/**
 * hf_record_starts:
 * @line: a line without CRLF, or what there is from its start on
 *
 * TRUE when the line begins an item of the segment that has @nonce; then
 * *@out_kind is set.
 */
gboolean hf_record_starts (const gchar *line, gsize size, const HfNonce *nonce, HfItemKind *out_kind);

/**
 * hf_record_read:
 * @window: at the first octet of an item; moved behind it when the item is whole
 * @nonce: the segment's
 * @hash: scratch, to spare allocations
 * @item: init'ed; overwritten
 *
 * FALSE only when the file can't be read.  An item that breaks a rule is
 * TRUE with whole FALSE, and leaves the window where the breach was found.
 */
gboolean hf_record_read (HfWindow *window, const HfNonce *nonce, HfReadFlags flags, HfItemKind kind,
                         HfHash *hash, HfItem *item, GError **error);

/**
 * hf_record_copy_message:
 * @item: a message that was read, with its data_offset
 *
 * Gives @sink the message's octets as received; the window is moved.  Does
 * not check the digest: a caller who has to know reads the record first.
 * FALSE with @sink's error, HF_ERROR_IO or HF_ERROR_CORRUPT.
 */
gboolean hf_record_copy_message (HfWindow *window, HfItem *item, HfOctetSink sink, gpointer user_data,
                                 GError **error);

/* Writing.  All append to @out. */

/* The line(s) that open a record; @group: all in front of that block is synced. */
void hf_record_write_facts (GString *out, const HfNonce *nonce, const HfFacts *facts, guint64 group);

/* The canonical MAIL or RCPT line for the MTA's argument, params included:
 * hidden ones (SIZE, AUTH) and what a line can't hold go to a NOOP line. */
void hf_record_write_mail (GString *out, const gchar *const *argv);
void hf_record_write_rcpt (GString *out, const gchar *const *argv);

/* In the place of a recipient's RCPT line, once it is settled or void. */
void hf_record_write_settled (GString *out, const HfPath *path, const gchar *state, const gchar *outcome, gint64 since_ms);

/* Chain digest of a record from the one before it.  FALSE as hf_hash_*. */
gboolean hf_record_chain (HfHash *hash, const HfDigest *previous, const HfDigest *envelope,
                          const HfDigest *message, HfDigest *out_chain);

void hf_record_write_seal (GString *out, const HfNonce *nonce, const HfId *id, const HfSalt *salt,
                           const HfDigest *message, const HfDigest *envelope, const HfDigest *chain);

/* Ends a statement that stands alone: adds the line with its digest.
 * @start: where in @out the statement begins. */
gboolean hf_record_end_alone (GString *out, gsize start, HfHash *hash);

/* NOOP padding from @offset to the next block boundary at which a group may begin. */
void hf_record_write_padding (GString *out, guint64 offset);

G_END_DECLS
