/* output.h - a file that is either whole under its name or not there
 *
 * Octets go to a draft beside it, .NAME.XXXXXXXX.part; finishing syncs that and
 * gives it its name, never in the place of another file.  Standard output can
 * have none of this, and gets at least every error told.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  int fd;        /* -1: not open */
  int dir_fd;    /* borrowed; -1 for standard output */
  gchar *name;
  gchar *draft;
  GString *buffer;
  guint64 flushed; /* octets behind which the buffer goes */
} HfOutput;

/**
 * hf_output_open:
 * @dir_fd: borrowed until the end
 * @name: of the file in that directory
 *
 * FALSE with HF_ERROR_CONFIG when the name is taken, and as hf_error_set_errno() says.
 */
gboolean hf_output_open (HfOutput *self, int dir_fd, const gchar *name, GError **error);
void hf_output_open_stdout (HfOutput *self);

/* Takes octets; an HfOctetSink, with the HfOutput as its data. */
gboolean hf_output_write (gconstpointer data, gsize size, gpointer output, GError **error);

/* Octets taken so far. */
guint64 hf_output_tell (const HfOutput *self);

/* Takes back what was written from @position on.  FALSE where that has left by
 * standard output already. */
gboolean hf_output_cut (HfOutput *self, guint64 position, GError **error);

/* TRUE: all of it is on stable storage under its name (on standard output: has
 * been written).  The directory is left to the caller to sync, once for many
 * files.  Closes it in any case. */
gboolean hf_output_finish (HfOutput *self, GError **error);

/* Closes it and leaves nothing behind.  Harmless on one that is not open. */
void hf_output_abandon (HfOutput *self);

G_END_DECLS
