/* pressure.h - is there room for new mail?
 *
 * A thread looks a few times a second at what mail needs: free space and
 * inodes of the spool, descriptors, and how long the journal takes.  MAIL has
 * to be answered without touching a disk that may hang, so it goes by the
 * last look.  Each figure is a gauge with two marks (gauge.h); what it passes
 * is told once, as an event with the figures.
 *
 * | gauge       | warn                  | stop                  | MAIL at stop |
 * | space       | space_warn            | space_stop            | 452 4.3.1    |
 * | inodes      | inodes_warn           | inodes_stop           | 452 4.3.1    |
 * | descriptors | twice the stop        | a twentieth, 16 to 512 | 452 4.3.1   |
 * | latency     | a quarter of the stop | see filter.c          | 451 4.3.0    |
 *
 * The looks also set what reservation.h goes by.
 */
#pragma once

#include "milter/base/config.h"
#include "milter/filter/reservation.h"
#include "milter/journal/writer.h"

G_BEGIN_DECLS

typedef struct HfPressure HfPressure;

typedef struct
{
  HfShare space_warn;
  HfShare space_stop;
  HfShare inodes_warn;
  HfShare inodes_stop;
  gint64 latency_stop_ms;
} HfMarks;

/**
 * hf_pressure_start:
 * @spool: copied
 * @room: borrowed until hf_pressure_stop(): gets every look
 * @writer: (nullable): likewise; is asked for the journal's latency
 *
 * Looks once before it returns.  NULL when no thread can be had.
 */
HfPressure *hf_pressure_start (const gchar *spool, const HfMarks *marks, HfRoom *room, HfWriter *writer, GError **error);
void hf_pressure_set_marks (HfPressure *self, const HfMarks *marks);

/* FALSE with the figures while a gauge is at its stop: HF_ERROR_FULL, or for
 * latency HF_ERROR_LATE.  Touches no disk, and takes no lock while all is well.
 * Threads: any. */
gboolean hf_pressure_check (HfPressure *self, GError **error);

/* For who may still check after the stop. */
HfPressure *hf_pressure_ref (HfPressure *self);

/* Ends the thread without waiting for a call of its that hangs.  After this,
 * it touches nothing that was borrowed. */
void hf_pressure_stop (HfPressure *self);

G_END_DECLS
