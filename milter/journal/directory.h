/* directory.h - the journal's directory: names, lock, and the synced offset
 *
 *     SPOOL/journal/lock              held by the filter that writes; its pid inside
 *     SPOOL/journal/open              how far the open segment is synced
 *     SPOOL/journal/spare             the next segment, written ahead; never mail
 *     SPOOL/journal/spare-2 ...       more of them, made while little mail comes (reserve.h)
 *     SPOOL/journal/readers           held shared by readers, alone by what trims (readers.h)
 *     SPOOL/journal/trimmed           notes of removed segments (trimmed.h)
 *     SPOOL/journal/0000000042.bsmtp  segment 42
 *     SPOOL/carried/1000000000000001.bsmtp  the first segment of records carried forward
 */
#pragma once

#include "milter/journal/record.h"

G_BEGIN_DECLS

#define HF_JOURNAL_DIRECTORY "journal"
#define HF_CARRIED_DIRECTORY "carried"
#define HF_JOURNAL_LOCK "lock"
#define HF_JOURNAL_OPEN "open"
#define HF_JOURNAL_SPARE "spare"
#define HF_JOURNAL_LARGE "large"
#define HF_JOURNAL_READERS "readers"
#define HF_JOURNAL_TRIMMED "trimmed"

/* "0000000042.bsmtp" */
typedef struct
{
  gchar text[32];
} HfSegmentName;

/* Numbers end here, far beyond what any disk can use up: a file that claims a
 * greater one must not lead the count to its end. */
#define HF_SEQ_MAX G_GUINT64_CONSTANT (999999999999999)

/* Segments of SPOOL/carried are numbered from here on, so that a number alone
 * tells where its segment stands: in acts, notes, marks and the ledger. */
#define HF_CARRIED_FIRST G_GUINT64_CONSTANT (1000000000000001)
#define HF_CARRIED_MAX G_GUINT64_CONSTANT (1999999999999999)

gboolean hf_segment_is_carried (guint64 seq);

void hf_segment_name (guint64 seq, HfSegmentName *out_name);
/* FALSE when @name is not exactly the name of a segment from 1 to HF_SEQ_MAX. */
gboolean hf_segment_seq (const gchar *name, guint64 *out_seq);
/* The same from HF_CARRIED_FIRST to HF_CARRIED_MAX. */
gboolean hf_carried_seq (const gchar *name, guint64 *out_seq);

/* "SPOOL/journal/0000000042.bsmtp", or below SPOOL/carried; freed by the caller. */
gchar *hf_segment_path (const gchar *spool, guint64 seq);

/**
 * hf_segment_open_file:
 * @path: a segment's
 * @step: for the error
 * @out_size: (out): octets of the file
 *
 * Opens a segment for reading.  What is no regular file is refused, and never
 * waited for.  Returns: a descriptor, or -1 with @error set.
 */
int hf_segment_open_file (const gchar *path, const gchar *step, guint64 *out_size, GError **error);

/**
 * hf_directory_list:
 * @path: SPOOL/journal
 *
 * Returns: (transfer full): the numbers of all segments, ascending, of guint64;
 * NULL with HF_ERROR_NOT_FOUND, HF_ERROR_DENIED or HF_ERROR_IO.
 */
GArray *hf_directory_list (const gchar *path, GError **error);

/* The same of SPOOL/carried; empty where there is none. */
GArray *hf_carried_list (const gchar *spool, GError **error);

/* Gives @fd, new in the directory @dir_fd, to the directory's owner where root
 * made it: the spool's own programs have to get at it later.  FALSE with
 * HF_ERROR_DENIED or HF_ERROR_IO. */
gboolean hf_directory_adopt (int dir_fd, int fd, GError **error);

/* What `open` says.  It is a lower bound of what is synced, at all times and
 * after any crash: the offset only grows, and is written after the sync. */
typedef struct
{
  guint64 seq;    /* 0: no segment is open */
  HfNonce nonce;  /* of that segment, or of the closed one */
  guint64 synced; /* likewise; of a closed one it is all that was ever written */
  guint64 closed; /* the segment that was closed last, where none is open; 0: not known */
} HfPublished;

/* The segment that nonce and synced tell of, open or closed; 0: none. */
guint64 hf_published_seq (const HfPublished *published);

/* One line of a fixed width with its own checksum, so that a reader can tell a
 * half-written one.  @out_text has room for HF_PUBLISHED_SIZE octets; not
 * NUL-terminated. */
#define HF_PUBLISHED_SIZE 128
void hf_published_format (const HfPublished *published, gchar out_text[HF_PUBLISHED_SIZE]);

/**
 * hf_directory_published:
 * @out_live: (out) (nullable): TRUE when a filter holds the lock; NULL from the
 *   one that holds it
 *
 * Never fails: what can't be read is "nothing is open" (seq 0), and a file
 * caught half written is read again while somebody else may be writing it.
 */
void hf_directory_published (const gchar *path, HfPublished *out_published, gboolean *out_live);

G_END_DECLS
