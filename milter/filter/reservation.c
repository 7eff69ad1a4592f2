/* reservation.c - room promised to messages before they come; see reservation.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/filter/reservation.h"

#include <string.h>

/* Growth beyond what was declared: so much more at once, and an eighth. */
#define GROWTH_STEP (16 * 1024)

/* 256 TiB: sums of numbers that clients choose stay far from where they would wrap. */
#define MOST_OCTETS (G_GINT64_CONSTANT (1) << 48)

static const gchar *const steps[HF_ROOM_KINDS] = {
  [HF_ROOM_SPACE] = "reserve-space",
  [HF_ROOM_INODES] = "reserve-inodes",
  [HF_ROOM_DESCRIPTORS] = "reserve-descriptors",
};

/* ---- the room ---- */

void
hf_room_init (HfRoom *self, HfUsage *usage)
{
  memset (self, 0, sizeof *self);
  self->usage = hf_usage_ref (usage);
  for (guint i = 0; i < HF_ROOM_KINDS; i++)
    {
      atomic_store (&self->part[i].limit, G_MAXINT64);
      atomic_store (&self->part[i].total, G_MAXINT64);
    }
}

void
hf_room_clear (HfRoom *self)
{
  g_clear_pointer (&self->usage, hf_usage_unref);
}

static gint64
grown (const HfRoom *self)
{
  return self->usage != NULL ? (gint64) atomic_load (&self->usage->grown) : 0;
}

HfRoomBefore
hf_room_before_look (HfRoom *self, HfRoomKind kind)
{
  return (HfRoomBefore){
    .held = atomic_load (&self->part[kind].held),
    .grown = kind == HF_ROOM_SPACE ? grown (self) : 0,
  };
}

static gint64
bounded (guint64 value)
{
  return (gint64) MIN (value, (guint64) MOST_OCTETS);
}

void
hf_room_looked (HfRoom *self, HfRoomKind kind, HfRoomBefore before, guint64 free, guint64 mark, guint64 total,
                gboolean is_late)
{
  HfRoomPart *part = &self->part[kind];
  /* A stage dropped during the look shows as free: it must not count as held, too. */
  const gint64 held = is_late ? 0 : MIN (before.held, atomic_load (&part->held));

  atomic_store (&part->limit, mark > 0 ? bounded (free) - bounded (mark) + held + before.grown : G_MAXINT64);
  atomic_store (&part->free, bounded (free));
  atomic_store (&part->mark, bounded (mark));
  atomic_store (&part->total, bounded (total));
}

/* Adds first and then looks: of two that come at once and fit only one by one,
 * both may fail, and never both succeed. */
static gboolean
take (HfRoom *self, HfRoomKind kind, gint64 amount)
{
  HfRoomPart *part = &self->part[kind];
  gint64 needed = atomic_fetch_add (&part->reserved, amount) + amount;

  if (kind == HF_ROOM_SPACE)
    needed += (gint64) hf_usage_sum (self->usage);
  if (needed <= atomic_load (&part->limit))
    return TRUE;
  atomic_fetch_sub (&part->reserved, amount);
  return FALSE;
}

static void
give_back (HfRoom *self, HfRoomKind kind, gint64 amount)
{
  atomic_fetch_sub (&self->part[kind].reserved, amount);
}

static gboolean
refuse (HfRoom *self, HfRoomKind kind, const gchar *step, gint64 amount, GError **error)
{
  HfRoomPart *part = &self->part[kind];
  const gint64 free = atomic_load (&part->free), mark = atomic_load (&part->mark);
  const gint64 reserved = atomic_load (&part->reserved);

  if (kind == HF_ROOM_SPACE)
    return hf_error_set (error, HF_ERROR_FULL, step,
                         "message needs %" G_GINT64_FORMAT " KiB; %" G_GINT64_FORMAT
                         " KiB were free on spool, %" G_GINT64_FORMAT " KiB are reserved, space_stop is at %" G_GINT64_FORMAT
                         " KiB",
                         amount / 1024, free / 1024, reserved / 1024, mark / 1024);
  return hf_error_set (error, HF_ERROR_FULL, step,
                       "%" G_GINT64_FORMAT " %s were free, %" G_GINT64_FORMAT " are reserved, %" G_GINT64_FORMAT
                       " are kept",
                       free, kind == HF_ROOM_INODES ? "inodes of spool" : "descriptors", reserved, mark);
}

/* ---- one transaction ---- */

void
hf_reservation_init (HfReservation *self, HfRoom *room)
{
  *self = (HfReservation){ .room = room };
}

static gint64
need_of (guint64 octets)
{
  return 2 * bounded (octets) + HF_RESERVATION_LEAST;
}

static gboolean
take_file (HfReservation *self, GError **error)
{
  HfRoom *room = self->room;

  if (!take (room, HF_ROOM_INODES, 1))
    return refuse (room, HF_ROOM_INODES, steps[HF_ROOM_INODES], 1, error);
  self->counted = take (room, HF_ROOM_DESCRIPTORS, HF_RESERVATION_DESCRIPTORS);
  if (self->counted)
    return TRUE;
  give_back (room, HF_ROOM_INODES, 1);
  return refuse (room, HF_ROOM_DESCRIPTORS, steps[HF_ROOM_DESCRIPTORS], HF_RESERVATION_DESCRIPTORS, error);
}

gboolean
hf_reservation_make (HfReservation *self, guint64 declared, GError **error)
{
  const gint64 need = need_of (declared);
  HfRoom *room = self->room;

  if (room == NULL)
    return TRUE;
  hf_reservation_release (self);
  if (need > atomic_load (&room->part[HF_ROOM_SPACE].total) - atomic_load (&room->part[HF_ROOM_SPACE].mark))
    return refuse (room, HF_ROOM_SPACE, "too-large", need, error);
  if (!take_file (self, error))
    return FALSE;
  if (take (room, HF_ROOM_SPACE, need))
    {
      self->space = need;
      return TRUE;
    }
  refuse (room, HF_ROOM_SPACE, steps[HF_ROOM_SPACE], need, error);
  hf_reservation_release (self);
  return FALSE;
}

gboolean
hf_reservation_cover (HfReservation *self, guint64 octets, GError **error)
{
  const gint64 need = need_of (octets);
  gint64 more;

  if (need <= self->space || self->room == NULL)
    return TRUE;
  /* Some in advance, so that this is not done for every piece; else what it takes. */
  more = need_of (octets + octets / 8 + GROWTH_STEP) - self->space;
  if (!take (self->room, HF_ROOM_SPACE, more))
    {
      more = need - self->space;
      if (!take (self->room, HF_ROOM_SPACE, more))
        return refuse (self->room, HF_ROOM_SPACE, "reserve-growth", need, error);
    }
  self->space += more;
  return TRUE;
}

void
hf_reservation_hold_file (HfReservation *self)
{
  if (self->room == NULL || self->has_file)
    return;
  self->has_file = TRUE;
  atomic_fetch_add (&self->room->part[HF_ROOM_INODES].held, 1);
  atomic_fetch_add (&self->room->part[HF_ROOM_DESCRIPTORS].held, 1);
}

void
hf_reservation_hold (HfReservation *self, guint64 octets)
{
  if (self->room == NULL)
    return;
  self->held += (gint64) octets;
  atomic_fetch_add (&self->room->part[HF_ROOM_SPACE].held, (gint64) octets);
}

void
hf_reservation_let_go (HfReservation *self)
{
  if (self->room == NULL)
    return;
  atomic_fetch_sub (&self->room->part[HF_ROOM_SPACE].held, self->held);
  self->held = 0;
  if (!self->has_file)
    return;
  atomic_fetch_sub (&self->room->part[HF_ROOM_INODES].held, 1);
  atomic_fetch_sub (&self->room->part[HF_ROOM_DESCRIPTORS].held, 1);
  self->has_file = FALSE;
}

void
hf_reservation_release (HfReservation *self)
{
  if (self->room == NULL)
    return;
  hf_reservation_let_go (self);
  give_back (self->room, HF_ROOM_SPACE, self->space);
  self->space = 0;
  if (!self->counted)
    return;
  give_back (self->room, HF_ROOM_INODES, 1);
  give_back (self->room, HF_ROOM_DESCRIPTORS, HF_RESERVATION_DESCRIPTORS);
  self->counted = FALSE;
}
