/* clockwatch.h - may the wall clock be believed?
 *
 * Whoever removes something because it is old has to know what time it is.
 * Two looks of one process, at the wall clock and at the one that never steps,
 * tell whether the wall clock jumped between them.  So nothing is stored that
 * a restart, or a boot with another time, could make wrong: the first look of
 * a process believes nothing, and is what the second is compared with.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* More than this, forwards or back, is a jump; less is what clocks are set by. */
#define HF_CLOCKWATCH_JUMP_MS (3600 * 1000)

/* Zeroed: nothing was seen yet. */
typedef struct
{
  gboolean has_seen;
  gint64 wall_ms;      /* as last seen */
  gint64 monotonic_ms;
  gint64 ahead_ms;     /* by how much jumps have put the wall clock forward, less what went back */
} HfClockwatch;

typedef enum
{
  HF_CLOCKWATCH_FIRST, /* nothing to compare with */
  HF_CLOCKWATCH_TRUE,  /* time went on as it does */
  HF_CLOCKWATCH_JUMPED,
} HfClockwatchResult;

/* @out_moved_ms: by how much it jumped. */
HfClockwatchResult hf_clockwatch_look (HfClockwatch *self, gint64 wall_ms, gint64 monotonic_ms, gint64 *out_moved_ms);

/* The wall clock as it would be had it never jumped forward: what is old by this
 * one is old, whatever the other was set to. */
gint64 hf_clockwatch_now_ms (const HfClockwatch *self);

G_END_DECLS
