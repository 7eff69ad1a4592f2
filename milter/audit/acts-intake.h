/* acts-intake.h - operators' acts, from SPOOL/acts into the books
 *
 * The command writes an act as one synced file (doc/FORMAT).  It is taken in
 * two steps, so that a crash between them repeats an act and never loses one:
 * first into the books, synced; then its file is removed.
 */
#pragma once

#include "milter/journal/statement.h"

G_BEGIN_DECLS

typedef struct
{
  /* TRUE: the act is to be taken; it is in the group in the making */
  void (*act) (const HfStatement *statement, gpointer data);
  /* a file that is no act, or no longer verifies */
  void (*fault) (const gchar *name, const gchar *why, gpointer data);
  gpointer data;
} HfActsSink;

/**
 * hf_acts_take:
 * @out_names: (out): the files of the acts given to @sink, for hf_acts_remove()
 *
 * No directory: no acts.  FALSE with HF_ERROR_DENIED or HF_ERROR_IO.
 */
gboolean hf_acts_take (const gchar *spool, const HfActsSink *sink, GPtrArray **out_names, GError **error);

/* Once the books have them.  A file that stays is taken again, which changes nothing. */
void hf_acts_remove (const gchar *spool, const GPtrArray *names);

G_END_DECLS
