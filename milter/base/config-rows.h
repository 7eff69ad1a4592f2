/* config-rows.h - the rows of parameters.h as a table
 *
 * What walks over all parameters reads this table: the loader (config.c),
 * the scan for line numbers (config-scan.c) and the generator of the sample
 * file and the manual (parameters-doc.c).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  HF_KIND_STRING,
  HF_KIND_PATH,
  HF_KIND_CHOICE,
  HF_KIND_SIZE,
  HF_KIND_TIME,
  HF_KIND_COUNT,
  HF_KIND_MODE,
  HF_KIND_BOOL,
  HF_KIND_SHARE,
} HfKind;

typedef struct
{
  const gchar *section;
  const gchar *key;
  HfKind kind;
  const gchar *dflt;     /* as written in the file; "" for empty */
  const gchar *min;      /* likewise; "" for none */
  const gchar *max;
  gboolean reload;       /* SIGUSR1 takes a change */
  const gchar *choices;  /* "a|b|c" for HF_KIND_CHOICE, else "" */
  const gchar *sentence;
  gsize offset;          /* of the field in HfConfig */
} HfParameter;

/* All rows in the order of parameters.h; a section's rows stand together. */
extern const HfParameter hf_parameters[];
extern const guint hf_n_parameters;

/* The index of a row, or -1. */
gint hf_parameter_find (const gchar *section, const gchar *key);

/* The index of the first row with that key in any section, or -1. */
gint hf_parameter_find_key (const gchar *key);

gboolean hf_parameter_has_section (const gchar *section);

/* The names of all sections, or of the keys of @section, as "a, b, c". */
gchar *hf_parameter_list (const gchar *section);

/* "1s to 240s", "64K or more", "1d or less"; NULL for a row without bounds. */
gchar *hf_parameter_bounds (const HfParameter *row);

/* The index of the row whose key (or, with @section NULL, whose section) is a
 * slip of the pen away from @text; -1 when none is near. */
gint hf_parameter_nearest_key (const gchar *section, const gchar *text);
gint hf_parameter_nearest_section (const gchar *text);

G_END_DECLS
