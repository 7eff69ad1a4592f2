/* usage.c - what the journal takes of the file system, told to whoever plans; see usage.h */
#include <config.h>

#include "milter/journal/usage.h"

/* Counted here and not by GLib, whose counting the thread sanitizer can't see. */
HfUsage *
hf_usage_new (void)
{
  HfUsage *self = g_new0 (HfUsage, 1);

  self->refs = 1;
  return self;
}

HfUsage *
hf_usage_ref (HfUsage *self)
{
  if (self != NULL)
    g_atomic_int_inc (&self->refs);
  return self;
}

void
hf_usage_unref (HfUsage *self)
{
  if (self != NULL && g_atomic_int_dec_and_test (&self->refs))
    g_free (self);
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

guint64
hf_usage_sum (HfUsage *self)
{
  /* The other way round than they are changed. */
  const guint64 coming = self != NULL ? atomic_load (&self->coming) : 0;

  return self != NULL ? coming + atomic_load (&self->grown) : 0;
}

guint64
hf_usage_mark (HfUsage *self)
{
  return self != NULL ? atomic_load (&self->mark) : 0;
}

HfGroundKind
hf_usage_ground (HfUsage *self)
{
  return self != NULL ? (HfGroundKind) atomic_load (&self->ground) : HF_GROUND_IN_PLACE;
}
