/* callbacks.h - libmilter's callbacks: the MTA's words become a transaction */
#pragma once

#include "milter/filter/filter.h"

#include <libmilter/mfapi.h>

G_BEGIN_DECLS

/* The description to give to smfi_register(); @filter is borrowed for the life
 * of the process.  One filter a process, as libmilter itself has it. */
struct smfiDesc hf_callbacks_describe (HfFilter *filter);

G_END_DECLS
