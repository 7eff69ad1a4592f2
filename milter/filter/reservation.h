/* reservation.h - room promised to messages before they come
 *
 * A message needs its room twice: in the stage and in the journal, both there
 * at once.  So a transaction reserves twice its declared SIZE= at MAIL, and
 * more as its body grows beyond that.  What does not fit above the stop mark
 * is refused: at MAIL, or in the middle of a body that is larger than was
 * said; a thousand connections that declare little and send much fail one by
 * one, and the spool keeps the room that lies below its mark.
 *
 * Looking at the file system may hang, so reservations are made against the
 * last look, which pressure.c takes a few times a second:
 *
 *     reserved + grown + coming <= limit
 *     limit = free - stop mark + held + grown, all as of the look
 *
 * with reserved and held the sums over all transactions of what they may need
 * and of what they have already in their stages, and grown and coming what
 * the journal took and is about to take (journal/usage.h).  What is staged,
 * dropped or committed between two looks moves both sides alike, so a look is
 * as good when it is old; only what others do to the file system is missed.
 * Inodes and descriptors go the same way, one and two a transaction.
 *
 * Costs a few atomic additions a message, no lock and no call to the system.
 * Threads: any, but a reservation belongs to one transaction.
 */
#pragma once

#include "milter/journal/usage.h"

#include <glib.h>

G_BEGIN_DECLS

/* Octets that the smallest message may take: blocks of its stage, and of its
 * group in the journal. */
#define HF_RESERVATION_LEAST (16 * 1024)
#define HF_RESERVATION_DESCRIPTORS 2 /* the stage's two sides */

typedef enum
{
  HF_ROOM_SPACE,
  HF_ROOM_INODES,
  HF_ROOM_DESCRIPTORS,
} HfRoomKind;
#define HF_ROOM_KINDS 3

/* What all transactions share of one kind. */
typedef struct
{
  _Atomic gint64 limit;
  _Atomic gint64 reserved;
  _Atomic gint64 held;
  /* of the last look, for messages and for what can never fit */
  _Atomic gint64 free;
  _Atomic gint64 mark;
  _Atomic gint64 total;
} HfRoomPart;

typedef struct
{
  HfRoomPart part[HF_ROOM_KINDS];
  HfUsage *usage; /* owned; may be NULL */
  /* (nullable) gives up what takes room and is held for speed alone.  Called by the
   * thread that looks, without a lock: while room is short, and now and then. */
  void (*give_up) (gpointer data);
  gpointer give_up_data;
} HfRoom;

/* Without any limit, until the first look sets them. */
void hf_room_init (HfRoom *self, HfUsage *usage);
void hf_room_clear (HfRoom *self);

/* What has to be read before a look at @kind, and is handed back after it. */
typedef struct
{
  gint64 held;
  gint64 grown;
} HfRoomBefore;

HfRoomBefore hf_room_before_look (HfRoom *self, HfRoomKind kind);

/**
 * hf_room_looked:
 * @before: from hf_room_before_look(), called before the look was taken
 * @free, @mark, @total: what the look gave; @mark 0 sets no limit
 * @is_late: the file system counts what is written only later
 */
void hf_room_looked (HfRoom *self, HfRoomKind kind, HfRoomBefore before, guint64 free, guint64 mark, guint64 total,
                     gboolean is_late);

/* What one transaction has reserved and holds. */
typedef struct
{
  HfRoom *room; /* borrowed; NULL: everything fits */
  gint64 space;
  gint64 held;
  gboolean counted; /* its inode and descriptors are reserved */
  gboolean has_file; /* … and held */
} HfReservation;

void hf_reservation_init (HfReservation *self, HfRoom *room);

/**
 * hf_reservation_make:
 * @declared: octets of the message as SIZE= has it, 0 when it has none
 *
 * For the start of a transaction.  FALSE with HF_ERROR_FULL, nothing reserved.
 * The steps: "too-large" (not even an empty spool could hold it),
 * "reserve-space", "reserve-inodes", "reserve-descriptors".
 */
gboolean hf_reservation_make (HfReservation *self, guint64 declared, GError **error);

/* Takes more where @octets (of message and envelope so far) need more than was
 * reserved.  FALSE with HF_ERROR_FULL, "reserve-growth": what is held stays. */
gboolean hf_reservation_cover (HfReservation *self, guint64 octets, GError **error);

/* The stage got its file; wrote to it; let go of it. */
void hf_reservation_hold_file (HfReservation *self);
void hf_reservation_hold (HfReservation *self, guint64 octets);
void hf_reservation_let_go (HfReservation *self);

/* Gives everything back.  May be called twice. */
void hf_reservation_release (HfReservation *self);

G_END_DECLS
