/* pressure.h - is there room for new mail?
 *
 * A thread looks at the spool's file system a few times a second, because
 * MAIL has to be answered without touching a disk that may hang.
 */
#pragma once

#include "milter/base/config.h"

G_BEGIN_DECLS

typedef struct HfPressure HfPressure;

/* @spool is copied.  Looks once before it returns.  NULL when no thread can be had. */
HfPressure *hf_pressure_start (const gchar *spool, HfShare space_stop, HfShare inodes_stop, GError **error);
void hf_pressure_set_marks (HfPressure *self, HfShare space_stop, HfShare inodes_stop);

/* FALSE with HF_ERROR_FULL and the figures while room is below a stop mark.
 * Touches no disk.  Threads: any. */
gboolean hf_pressure_check (HfPressure *self, GError **error);

/* Ends the thread without waiting for a call of its that hangs. */
void hf_pressure_stop (HfPressure *self);

G_END_DECLS
