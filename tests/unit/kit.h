/* kit.h - spools, messages and segments for the unit tests of journal and filter
 *
 * Messages are known by a number, which is in their id, so that a test can
 * say in one line of text what it expects to find in a journal.
 */
#pragma once

#include "milter/base/event.h"
#include "milter/journal/commit.h"
#include "milter/journal/journal.h"
#include "milter/journal/view.h"

#include <glib.h>

G_BEGIN_DECLS

/* ---- spools ---- */

/* A new spool under the directory for temporary files, with journal/ and
 * stage/ in it; removed, with all that is in it, by kit_spool_free(). */
gchar *kit_spool_new (void);
void kit_spool_free (gchar *spool);
typedef gchar KitSpool;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KitSpool, kit_spool_free)

/* "SPOOL/journal/NAME"; freed by the caller. */
gchar *kit_path (const gchar *spool, const gchar *name);
gchar *kit_segment_path (const gchar *spool, guint64 seq);

/* Segments of 64 KiB, written ahead.  @spool is borrowed. */
HfJournalParameters kit_parameters (const gchar *spool);

/* Octets of a file; -1: there is none. */
gint64 kit_size (const gchar *path);

/* Reads or replaces a whole file; ends the test program where that fails. */
GString *kit_read_file (const gchar *path);
void kit_write_file (const gchar *path, const gchar *data, gsize size);

/* ---- messages ---- */

/* The id of message @number, and back; 0 for an id that is none of these. */
void kit_id (guint number, HfId *out_id);
guint kit_number (const HfId *id);

/* A message ready to be submitted, as a transaction would make it: from
 * a@example.org to b@example.org.  @size -1: NUL-terminated. */
HfCommit *kit_commit_new (guint number, const gchar *message, gssize size);

/* The same with an envelope of its own: whole lines, CRLF included. */
HfCommit *kit_commit_new_lines (guint number, const gchar *lines, guint64 rcpts, const gchar *message, gssize size);

/* ---- segments made by hand ---- */

typedef struct
{
  GString *text;
  guint64 seq;
  HfNonce nonce;
  HfDigest chain; /* of the last record */
  gboolean has_chain;
  gsize group; /* where the group begins */
  gsize alone; /* where the statement begins that is being made */
  HfHash hash;
} KitSegment;

/* The nonce that segment @seq has here. */
void kit_nonce (guint64 seq, HfNonce *out_nonce);

/* Begins segment @seq with a header that names the segment before (nullable)
 * with its nonce, its chain, and its length as what was synced. */
void kit_segment_init (KitSegment *self, guint64 seq, const KitSegment *previous);
void kit_segment_clear (KitSegment *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (KitSegment, kit_segment_clear)

/* Each adds to the text and leaves it unpadded. */
void kit_segment_message (KitSegment *self, guint number, const gchar *message, gssize size);
/* The facts' rcpts, bytes, wire and bare are set here. */
void kit_segment_record (KitSegment *self, const HfFacts *facts, const gchar *lines, guint64 rcpts,
                         const gchar *message, gssize size);
void kit_segment_void (KitSegment *self, guint number, guint64 segment);
void kit_segment_torn (KitSegment *self, guint64 segment, guint64 offset, guint64 length);
void kit_segment_end (KitSegment *self);
/* Begins a statement that stands alone; ends it with its digest. */
void kit_segment_begin_alone (KitSegment *self, HfStatementBuilder *builder, const gchar *kind);
void kit_segment_end_alone (KitSegment *self, HfStatementBuilder *builder);
/* The group's end: pads to the next block. */
void kit_segment_pad (KitSegment *self);

/* Writes the segment's file, with NULs up to @size where the text is shorter. */
void kit_segment_save (const KitSegment *self, const gchar *spool, guint64 size);

/* Writes SPOOL/journal/open: @seq is open, or was closed last. */
void kit_publish (const gchar *spool, guint64 seq, guint64 synced);
void kit_publish_closed (const gchar *spool, guint64 seq, guint64 length);

/* ---- what is found ---- */

/* All entries of the view, joined by ", ":
 *
 *     SEGMENT:NUMBER COPY[ void][ broken][ unreadable]
 *
 * with NUMBER `?` where no id could be read.  Freed by the caller. */
gchar *kit_view_text (const gchar *spool, HfReadFlags flags);

/* ---- events ---- */

/* From now on events are kept, not told; what was kept is forgotten. */
void kit_events_keep (void);
/* How many of @code were kept; 0: of all codes. */
guint kit_events_count (guint code);
/* The first kept line of @code, or NULL; freed by the caller. */
gchar *kit_events_line (guint code);

/* ---- conditions ---- */

/* Looks again and again whether @holds (@data) does, 20 s at most. */
gboolean kit_wait_until (gboolean (*holds) (gpointer data), gpointer data);

/* Likewise, until this process has nothing open below @spool. */
gboolean kit_wait_let_go (const gchar *spool);

G_END_DECLS
