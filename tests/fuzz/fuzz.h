/* fuzz.h - what every fuzz target is called by its driver */
#pragma once

#include <glib.h>

/* Runs one input; aborts where a promise is broken.  Returns 0. */
int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);
