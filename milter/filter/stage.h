/* stage.h - the temp stream of one message, from MAIL to the end of the message
 *
 * Holds the envelope lines and then the message in its wire form, so that the
 * writer can copy both into a record as they are, and counts and digests on
 * the way in what must come out again.
 *
 * The stream is an unnamed file in SPOOL/stage: a crash leaves nothing, and
 * nothing had been promised.  Where the file system or /proc can't do that,
 * it has a name until it is reopened.
 *
 * Making and freeing an unnamed file for each message took a seventh of the
 * filter's time, so a small one is kept for the next message once nobody reads
 * it any more: when its record is on stable storage, and only then.
 */
#pragma once

#include "milter/filter/reservation.h"
#include "milter/journal/commit.h"

G_BEGIN_DECLS

#define HF_STAGE_DIRECTORY "stage"
#define HF_STAGE_BUFFER (16 * 1024) /* octets: all the memory a message takes, whatever its size */

/* Files kept for later messages: so many at most, of so many octets each.  Both
 * bound what an idle filter holds: 32 descriptors and inodes, 2 MiB. */
#define HF_STAGE_KEPT 32
#define HF_STAGE_KEPT_SIZE (64 * 1024)

/* Unnamed files that no message uses.  Threads: any, by its own mutex. */
typedef struct HfStagePool HfStagePool;

/* Where stages are made; shared by all, set at the start, then only read. */
typedef struct
{
  gchar *path;    /* SPOOL/stage */
  gboolean named; /* unnamed files can't be had */
  HfRoom *room;   /* borrowed: where stages reserve; NULL: nobody counts */
  HfStagePool *pool;
} HfStageArea;

/**
 * hf_stage_area_open:
 * @spool: the spool's directory
 *
 * Finds out by trying whether unnamed files can be made and reopened.
 */
gboolean hf_stage_area_open (HfStageArea *self, const gchar *spool, GError **error);

/* Removes named stages that a crash left: they were never answered.  Only for
 * who holds the journal's lock. */
void hf_stage_area_tidy (const HfStageArea *self);
/* Closes the kept files: their file system may have to be unmounted, or room is
 * short.  Files that are open already will not be kept.  Threads: any. */
void hf_stage_area_let_go (const HfStageArea *self);

/* Closes the kept files, too.  No stage may be in use. */
void hf_stage_area_clear (HfStageArea *self);

typedef struct
{
  const HfStageArea *area;
  guint8 *buffer;  /* HF_STAGE_BUFFER octets, allocated at the first message */
  gsize fill;
  int fd;          /* the writing side; -1 until the buffer overflows */
  int finished_fd; /* the writing side of a finished message that may be kept, else -1 */
  guint generation; /* of the pool when the file was opened */
  guint64 length;  /* octets the file has; more than written in one that served before */
  gchar *name;     /* of a named stage, else NULL */
  guint64 written; /* octets in the file */
  guint64 lines_size;
  HfHash lines;
  HfHash message;
  HfWire wire;
  HfReservation reservation;
} HfStage;

void hf_stage_init (HfStage *self, const HfStageArea *area);
void hf_stage_clear (HfStage *self);

/* Reserves room for a message of @declared octets (0: not known), to be called
 * before it is started.  FALSE with HF_ERROR_FULL.  Without it, room is reserved
 * as octets come. */
gboolean hf_stage_reserve (HfStage *self, guint64 declared, GError **error);

/* Starts a new message; an old one is dropped, but what hf_stage_reserve() got
 * for the new one stays. */
gboolean hf_stage_begin (HfStage *self, GError **error);

/* Envelope lines, CRLF included, before any message octet. */
gboolean hf_stage_add_lines (HfStage *self, const gchar *text, gsize size, GError **error);

/* Message octets as received. */
gboolean hf_stage_add_message (HfStage *self, gconstpointer data, gsize size, GError **error);

/**
 * hf_stage_finish:
 * @commit: gets the reopened stream, the sizes and the digests
 *
 * Flushes, reopens the stream for reading, lets nobody write to it any more,
 * and checks that the reopened stream is as long as what was written.  The reservation
 * stays until the stage is dropped: the record is yet to be written.  This is the step
 * that KB Q157684 is about: what can't be reopened is an error here, and never
 * a message without a copy.
 */
gboolean hf_stage_finish (HfStage *self, HfCommit *commit, GError **error);

/* The record of the finished message is on stable storage and nobody will read the
 * stream again: its file may serve another message.  Not to be called for a commit
 * that was abandoned: the writer may still be reading. */
void hf_stage_keep (HfStage *self);

/* Lets go of the stream and of the reservation.  Nothing was promised. */
void hf_stage_drop (HfStage *self);

G_END_DECLS
