/* status-need.h - what of a status needs a hand, and the next command to type */
#pragma once

#include "milter/command/status-look.h"

G_BEGIN_DECLS

/* For HfStatus.needs. */
GArray *hf_status_needs_new (void);

/* Adds what needs a hand, the most urgent first. */
void hf_status_find_needs (HfStatus *status);

G_END_DECLS
