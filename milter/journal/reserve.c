/* reserve.c - more segments written ahead while little mail comes; see reserve.h */
#include <config.h>

#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/reserve.h"
#include "milter/journal/space.h"

#include <fcntl.h>
#include <sys/stat.h>

/* How often is looked whether room has become short. */
#define LOOK_MS 1000
/* The reserve is given back when it is more than this part of what is free. */
#define SHARE 8
/* For so long after room was short none is added. */
#define AGAIN_MS (60 * 1000)

typedef struct
{
  gchar text[32];
} ReserveName;

/* The spare itself is the first. */
static ReserveName
name_of (guint number)
{
  ReserveName name;

  g_snprintf (name.text, sizeof name.text, HF_JOURNAL_SPARE "-%u", number + 1);
  return name;
}

/* One that can't be removed takes room and does no harm; the next start tries again. */
static void
remove_all (const HfReserve *self, guint count)
{
  for (guint i = 1; i <= count; i++)
    hf_sys.unlinkat (self->dir_fd, name_of (i).text, 0);
}

void
hf_reserve_init (HfReserve *self, int dir_fd, const gchar *spool, guint64 size, HfUsage *usage, guint most,
                 gint64 quiet_ms)
{
  *self = (HfReserve){ .dir_fd = dir_fd, .spool = spool, .size = size, .usage = usage, .quiet_ms = quiet_ms,
                       .add_ms = hf_sys_monotonic_ms () + quiet_ms, .most = MIN (most, HF_RESERVE_MOST) };
  remove_all (self, HF_RESERVE_MOST);
}

static void
give_back (HfReserve *self)
{
  remove_all (self, self->count);
  self->count = 0;
  self->add_ms = hf_sys_monotonic_ms () + AGAIN_MS;
}

/* A whole reserve is no more than a share of what is free, and twice what is to stay free
 * is left, where a warning begins, and @beside; and a segment, which the next may be
 * about to take. */
static gboolean
is_spacious (const HfReserve *self, guint64 share, guint64 beside)
{
  const guint64 whole = self->most * self->size;
  const guint64 mark = hf_usage_mark (self->usage);
  HfSpace space;

  return hf_space_look (self->spool, hf_usage_ground (self->usage), &space) && space.free >= share * whole
         && space.free >= 2 * mark + self->size + beside;
}

/* Somebody may have cut it, or put another in its place. */
static gboolean
is_full (const HfReserve *self, guint number)
{
  struct stat st;

  return hf_sys.fstatat (self->dir_fd, name_of (number).text, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode)
         && (guint64) st.st_size == self->size;
}

gboolean
hf_reserve_take (HfReserve *self)
{
  self->add_ms = hf_sys_monotonic_ms () + self->quiet_ms;
  if (self->count == 0)
    return FALSE;
  if (is_full (self, self->count)
      && hf_sys.rename_new (self->dir_fd, name_of (self->count).text, self->dir_fd, HF_JOURNAL_SPARE) == 0
      && hf_sys.fsync (self->dir_fd) == 0)
    {
      self->count--;
      return TRUE;
    }
  give_back (self);
  return FALSE;
}

static gboolean
add (HfReserve *self, HfAhead ahead, const gboolean *stop)
{
  g_autoptr (GError) error = NULL;

  /* with more room than to keep it, so that what is made is not given back at once */
  if (!is_spacious (self, 2 * SHARE, self->most * self->size))
    {
      self->add_ms = hf_sys_monotonic_ms () + AGAIN_MS;
      return FALSE;
    }
  hf_usage_announce (self->usage, self->size);
  if (hf_spare_make (self->dir_fd, name_of (self->count + 1).text, self->size, ahead, self->usage, stop, &error))
    {
      self->count++;
      return TRUE;
    }
  self->most = self->count;
  if (!g_atomic_int_get (stop))
    hf_event (HF_EVENT_RESERVE_FAILED, error, NULL);
  return FALSE;
}

gboolean
hf_reserve_tend (HfReserve *self, HfAhead ahead, const gboolean *stop)
{
  if (g_atomic_int_get (stop))
    return FALSE;
  if (self->count > 0 && (ahead == HF_AHEAD_NO || !is_spacious (self, SHARE, 0)))
    {
      give_back (self);
      return TRUE;
    }
  return ahead != HF_AHEAD_NO && self->count < self->most && hf_sys_monotonic_ms () >= self->add_ms
         && add (self, ahead, stop);
}

gint64
hf_reserve_wait_ms (const HfReserve *self, HfAhead ahead)
{
  const gint64 add_ms = self->count < self->most ? MAX (self->add_ms - hf_sys_monotonic_ms (), 1) : G_MAXINT64;
  const gint64 wait_ms = self->count > 0 ? MIN (add_ms, LOOK_MS) : add_ms;

  return ahead != HF_AHEAD_NO && wait_ms != G_MAXINT64 ? wait_ms : -1;
}
