/* usage.c - what the journal takes of the file system, told to whoever plans; see usage.h */
#include <config.h>

#include "milter/journal/usage.h"

HfUsage *
hf_usage_new (void)
{
  return g_atomic_rc_box_new0 (HfUsage);
}

HfUsage *
hf_usage_ref (HfUsage *self)
{
  return self != NULL ? g_atomic_rc_box_acquire (self) : NULL;
}

void
hf_usage_unref (HfUsage *self)
{
  if (self != NULL)
    g_atomic_rc_box_release (self);
}

void
hf_usage_grow (HfUsage *self, guint64 octets)
{
  if (self != NULL)
    atomic_fetch_add (&self->grown, octets);
}

void
hf_usage_announce (HfUsage *self, guint64 octets)
{
  if (self != NULL)
    atomic_fetch_add (&self->coming, octets);
}

void
hf_usage_settle (HfUsage *self, guint64 octets, gboolean taken)
{
  if (self == NULL)
    return;
  /* In this order: for a moment it counts twice, and never not at all. */
  if (taken)
    atomic_fetch_add (&self->grown, octets);
  atomic_fetch_sub (&self->coming, octets);
}
