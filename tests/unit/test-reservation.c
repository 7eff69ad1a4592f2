/* test-reservation.c - what is promised to all messages together is there, and comes back on every path */
#include <config.h>

#include "milter/base/error.h"
#include "milter/filter/reservation.h"
#include "tests/unit/tap.h"

#include <pthread.h>
#include <string.h>

#define KIB 1024
#define MIB (1024 * KIB)
#define LEAST HF_RESERVATION_LEAST

/* A room of 100 MiB with @free of it left and the mark at 10 MiB. */
static void
look (HfRoom *room, guint64 free, gboolean is_late)
{
  hf_room_looked (room, HF_ROOM_SPACE, hf_room_before_look (room, HF_ROOM_SPACE), free, 10 * MIB, 100 * MIB, is_late);
}

static void
start (HfRoom *room, HfUsage **out_usage, guint64 free)
{
  *out_usage = hf_usage_new ();
  hf_room_init (room, *out_usage);
  look (room, free, FALSE);
}

static void
finish (const gchar *row, HfRoom *room, HfUsage *usage)
{
  for (guint kind = 0; kind < HF_ROOM_KINDS; kind++)
    {
      tap_check_int (row, atomic_load (&room->part[kind].reserved), 0);
      tap_check_int (row, atomic_load (&room->part[kind].held), 0);
    }
  hf_room_clear (room);
  hf_usage_unref (usage);
}

static void
test_at_mail (void)
{
  static const struct
  {
    const gchar *name;
    guint64 free;
    guint64 declared;
    const gchar *want_step; /* NULL: taken */
  } rows[] = {
    { "nothing declared", 50 * MIB, 0, NULL },
    { "a little declared", 50 * MIB, 1, NULL },
    { "just fits twice", 50 * MIB, (40 * MIB - LEAST) / 2, NULL },
    { "one octet more", 50 * MIB, (40 * MIB - LEAST) / 2 + 1, "reserve-space" },
    { "fits once, and not twice", 50 * MIB, 30 * MIB, "reserve-space" },
    { "just what an empty spool can hold", 100 * MIB, (90 * MIB - LEAST) / 2, NULL },
    { "more than an empty spool can hold", 100 * MIB, (90 * MIB - LEAST) / 2 + 1, "too-large" },
    { "more than any spool can hold", 100 * MIB, G_MAXUINT64, "too-large" },
    { "the smallest, just above the mark", 10 * MIB + LEAST, 0, NULL },
    { "the smallest, at the mark", 10 * MIB + LEAST - 1, 0, "reserve-space" },
    { "below the mark", 9 * MIB, 0, "reserve-space" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      HfReservation reservation;
      HfUsage *usage;
      HfRoom room;
      gboolean taken;

      start (&room, &usage, rows[i].free);
      hf_reservation_init (&reservation, &room);
      taken = hf_reservation_make (&reservation, rows[i].declared, &error);
      tap_check_int (rows[i].name, taken, rows[i].want_step == NULL);
      if (!taken)
        {
          tap_check (rows[i].name, g_error_matches (error, HF_ERROR, HF_ERROR_FULL));
          tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
        }
      hf_reservation_release (&reservation);
      hf_reservation_release (&reservation);
      finish (rows[i].name, &room, usage);
    }
}

/* The sum counts: each fits alone. */
static void
test_sum (void)
{
  HfReservation first, second;
  HfUsage *usage;
  HfRoom room;

  start (&room, &usage, 50 * MIB);
  hf_reservation_init (&first, &room);
  hf_reservation_init (&second, &room);
  tap_check ("first", hf_reservation_make (&first, 12 * MIB, NULL));
  tap_check ("second", !hf_reservation_make (&second, 12 * MIB, NULL));
  hf_reservation_release (&first);
  tap_check ("second, after the first", hf_reservation_make (&second, 12 * MIB, NULL));
  tap_check ("anew, in place of its own", hf_reservation_make (&second, 18 * MIB, NULL));
  hf_reservation_release (&second);
  finish ("sum", &room, usage);
}

static void
test_growth (void)
{
  g_autoptr (GError) error = NULL;
  HfReservation reservation;
  HfUsage *usage;
  HfRoom room;
  gint64 before;

  start (&room, &usage, 20 * MIB);
  hf_reservation_init (&reservation, &room);
  tap_check ("declared", hf_reservation_make (&reservation, MIB, NULL));
  before = atomic_load (&room.part[HF_ROOM_SPACE].reserved);
  tap_check ("as declared", hf_reservation_cover (&reservation, MIB, NULL));
  tap_check_int ("as declared", atomic_load (&room.part[HF_ROOM_SPACE].reserved), before);
  for (guint64 octets = MIB; octets <= 4 * MIB; octets += 16 * KIB)
    tap_check ("growing", hf_reservation_cover (&reservation, octets, NULL));
  tap_check ("twice", atomic_load (&room.part[HF_ROOM_SPACE].reserved) >= 8 * MIB);
  tap_check ("to the last", hf_reservation_cover (&reservation, (10 * MIB - LEAST) / 2, NULL));
  tap_check ("past the mark", !hf_reservation_cover (&reservation, (10 * MIB - LEAST) / 2 + 1, &error));
  tap_check_str ("past the mark", hf_error_step (error), "reserve-growth");
  tap_check ("past the mark", g_error_matches (error, HF_ERROR, HF_ERROR_FULL));
  hf_reservation_release (&reservation);
  finish ("growth", &room, usage);
}

/* What is staged is gone from what is free, and must not count twice. */
static void
test_staged (void)
{
  static const struct
  {
    const gchar *name;
    gboolean is_late;
    guint64 want_more; /* that still fits */
  } rows[] = {
    { "seen at once", FALSE, 20 * MIB },
    { "not to be trusted", TRUE, 12 * MIB },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfReservation staging, other;
      HfUsage *usage;
      HfRoom room;

      start (&room, &usage, 50 * MIB);
      hf_reservation_init (&staging, &room);
      hf_reservation_init (&other, &room);
      hf_reservation_make (&staging, 10 * MIB - LEAST / 2, NULL);
      hf_reservation_hold_file (&staging);
      hf_reservation_hold (&staging, 8 * MIB);
      look (&room, 42 * MIB, rows[i].is_late);
      tap_check (rows[i].name, hf_reservation_make (&other, rows[i].want_more / 2 - LEAST / 2, NULL));
      tap_check (rows[i].name, !hf_reservation_make (&other, rows[i].want_more / 2 - LEAST / 2 + 1, NULL));
      hf_reservation_release (&staging);
      hf_reservation_release (&other);
      finish (rows[i].name, &room, usage);
    }
}

/* A stage dropped while the look was taken shows as free, and may not show as
 * held, too. */
static void
test_dropped_during_look (void)
{
  HfReservation staging, other;
  HfRoomBefore before;
  HfUsage *usage;
  HfRoom room;

  start (&room, &usage, 50 * MIB);
  hf_reservation_init (&staging, &room);
  hf_reservation_init (&other, &room);
  hf_reservation_make (&staging, 10 * MIB, NULL);
  hf_reservation_hold (&staging, 10 * MIB);
  before = hf_room_before_look (&room, HF_ROOM_SPACE);
  hf_reservation_release (&staging);
  hf_room_looked (&room, HF_ROOM_SPACE, before, 50 * MIB, 10 * MIB, 100 * MIB, FALSE);
  tap_check ("all but the mark", hf_reservation_make (&other, 20 * MIB - LEAST / 2, NULL));
  tap_check ("and no more", !hf_reservation_make (&other, 20 * MIB - LEAST / 2 + 1, NULL));
  finish ("dropped", &room, usage);
}

/* What the journal takes between two looks counts before the next. */
static void
test_journal (void)
{
  HfReservation reservation;
  HfUsage *usage;
  HfRoom room;

  start (&room, &usage, 50 * MIB);
  hf_reservation_init (&reservation, &room);
  hf_usage_grow (usage, 10 * MIB);
  tap_check ("grown", !hf_reservation_make (&reservation, 18 * MIB, NULL));
  tap_check ("grown", hf_reservation_make (&reservation, 14 * MIB, NULL));
  hf_usage_announce (usage, 5 * MIB);
  tap_check ("to come", !hf_reservation_make (&reservation, 14 * MIB, NULL));
  tap_check ("to come", hf_reservation_make (&reservation, 12 * MIB, NULL));
  hf_usage_settle (usage, 5 * MIB, TRUE);
  tap_check ("come", !hf_reservation_make (&reservation, 14 * MIB, NULL));
  look (&room, 35 * MIB, FALSE);
  tap_check ("seen", hf_reservation_make (&reservation, 12 * MIB, NULL));
  hf_usage_announce (usage, 20 * MIB);
  hf_usage_settle (usage, 20 * MIB, FALSE);
  tap_check ("did not come", hf_reservation_make (&reservation, 12 * MIB, NULL));
  hf_reservation_release (&reservation);
  finish ("journal", &room, usage);
}

static void
test_files (void)
{
  static const struct
  {
    const gchar *name;
    HfRoomKind kind;
    guint64 free;
    guint want; /* transactions that fit */
    const gchar *want_step;
  } rows[] = {
    { "inodes", HF_ROOM_INODES, 15, 5, "reserve-inodes" },
    { "no inodes", HF_ROOM_INODES, 10, 0, "reserve-inodes" },
    { "descriptors", HF_ROOM_DESCRIPTORS, 17, 3, "reserve-descriptors" },
    { "no descriptors", HF_ROOM_DESCRIPTORS, 0, 0, "reserve-descriptors" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      HfReservation reservations[8];
      g_autoptr (GError) error = NULL;
      guint taken = 0;
      HfUsage *usage;
      HfRoom room;

      start (&room, &usage, 50 * MIB);
      hf_room_looked (&room, rows[i].kind, hf_room_before_look (&room, rows[i].kind), rows[i].free, 10, 100, FALSE);
      for (guint r = 0; r < G_N_ELEMENTS (reservations); r++)
        hf_reservation_init (&reservations[r], &room);
      while (taken < G_N_ELEMENTS (reservations) && hf_reservation_make (&reservations[taken], 0, &error))
        taken++;
      tap_check_int (rows[i].name, taken, rows[i].want);
      tap_check_str (rows[i].name, hf_error_step (error), rows[i].want_step);
      for (guint r = 0; r < G_N_ELEMENTS (reservations); r++)
        hf_reservation_release (&reservations[r]);
      finish (rows[i].name, &room, usage);
    }
}

static void
test_without (void)
{
  HfReservation reservation;
  HfUsage *usage;
  HfRoom room;

  hf_reservation_init (&reservation, NULL);
  tap_check ("no room to count", hf_reservation_make (&reservation, G_MAXUINT64, NULL));
  tap_check ("no room to count", hf_reservation_cover (&reservation, G_MAXUINT64, NULL));
  hf_reservation_hold_file (&reservation);
  hf_reservation_hold (&reservation, MIB);
  hf_reservation_release (&reservation);
  usage = hf_usage_new ();
  hf_room_init (&room, usage);
  hf_reservation_init (&reservation, &room);
  tap_check ("no look yet", hf_reservation_make (&reservation, G_MAXUINT64, NULL));
  hf_room_looked (&room, HF_ROOM_SPACE, hf_room_before_look (&room, HF_ROOM_SPACE), 0, 0, 100 * MIB, FALSE);
  tap_check ("no mark", hf_reservation_make (&reservation, 40 * MIB, NULL));
  hf_reservation_release (&reservation);
  finish ("without", &room, usage);
}

/* ---- many at once ---- */

#define THREADS 8
#define ROUNDS 5000

static struct
{
  HfRoom room;
  _Atomic gint64 granted;
  _Atomic guint too_much;
} crowd;

/* Counted after it was granted and before it is given back: never too much. */
static void
count_granted (gint64 amount)
{
  if (atomic_fetch_add (&crowd.granted, amount) + amount > 20 * MIB)
    atomic_fetch_add (&crowd.too_much, 1);
}

static gpointer
come_and_go (gpointer data)
{
  HfReservation reservation;
  guint taken = 0;

  hf_reservation_init (&reservation, &crowd.room);
  while (taken < ROUNDS)
    {
      gint64 granted;

      if (!hf_reservation_make (&reservation, 2 * MIB, NULL))
        {
          g_thread_yield ();
          continue;
        }
      granted = reservation.space;
      count_granted (granted);
      hf_reservation_hold_file (&reservation);
      hf_reservation_hold (&reservation, MIB);
      if (hf_reservation_cover (&reservation, 4 * MIB, NULL))
        {
          count_granted (reservation.space - granted);
          granted = reservation.space;
        }
      count_granted (-granted);
      hf_reservation_release (&reservation);
      taken++;
    }
  return NULL;
}

static void
test_crowd (void)
{
  pthread_t threads[THREADS];
  HfUsage *usage;

  start (&crowd.room, &usage, 30 * MIB);
  for (guint i = 0; i < THREADS; i++)
    g_assert_true (pthread_create (&threads[i], NULL, come_and_go, NULL) == 0);
  for (guint i = 0; i < THREADS; i++)
    pthread_join (threads[i], NULL);
  tap_check_int ("never more than there is", atomic_load (&crowd.too_much), 0);
  finish ("crowd", &crowd.room, usage);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "at-mail", test_at_mail },
    { "sum", test_sum },
    { "growth", test_growth },
    { "staged", test_staged },
    { "dropped-during-look", test_dropped_during_look },
    { "journal", test_journal },
    { "files", test_files },
    { "without", test_without },
    { "crowd", test_crowd },
    { NULL, NULL },
  };

  return tap_run ("reservation", tests, argc, argv);
}
