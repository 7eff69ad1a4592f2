/* config-rows.c - the rows of parameters.h as a table; see config-rows.h */
#include <config.h>

#include "milter/base/config-rows.h"

#include "milter/base/config.h"

#include <string.h>

const HfParameter hf_parameters[] = {
#define HF_PARAMETER(section, key, kind, dflt, min, max, reload, choices, sentence)           \
  { #section, #key, HF_KIND_##kind, dflt, min, max, reload, choices, sentence,                \
    G_STRUCT_OFFSET (HfConfig, section##_##key) },
#include "milter/base/parameters.h"
#undef HF_PARAMETER
};
const guint hf_n_parameters = G_N_ELEMENTS (hf_parameters);

gint
hf_parameter_find (const gchar *section, const gchar *key)
{
  for (guint i = 0; i < hf_n_parameters; i++)
    if (strcmp (hf_parameters[i].section, section) == 0 && strcmp (hf_parameters[i].key, key) == 0)
      return (gint) i;
  return -1;
}

gint
hf_parameter_find_key (const gchar *key)
{
  for (guint i = 0; i < hf_n_parameters; i++)
    if (strcmp (hf_parameters[i].key, key) == 0)
      return (gint) i;
  return -1;
}

gboolean
hf_parameter_has_section (const gchar *section)
{
  for (guint i = 0; i < hf_n_parameters; i++)
    if (strcmp (hf_parameters[i].section, section) == 0)
      return TRUE;
  return FALSE;
}

gchar *
hf_parameter_list (const gchar *section)
{
  GString *list = g_string_new (NULL);
  const gchar *last = NULL;

  for (guint i = 0; i < hf_n_parameters; i++)
    {
      const HfParameter *row = &hf_parameters[i];
      const gchar *name = section != NULL ? row->key : row->section;

      if (section != NULL && strcmp (row->section, section) != 0)
        continue;
      if (last != NULL && strcmp (last, name) == 0)
        continue;
      if (last != NULL)
        g_string_append (list, ", ");
      g_string_append (list, name);
      last = name;
    }
  return g_string_free (list, FALSE);
}

gchar *
hf_parameter_bounds (const HfParameter *row)
{
  if (*row->min != '\0' && *row->max != '\0')
    return g_strdup_printf ("%s to %s", row->min, row->max);
  if (*row->min != '\0')
    return g_strdup_printf ("%s or more", row->min);
  return *row->max != '\0' ? g_strdup_printf ("%s or less", row->max) : NULL;
}

/* Levenshtein's distance without regard to case and to '-' for '_', over
 * octets; good enough for names that are ASCII. */
static guint
distance (const gchar *a, const gchar *b)
{
  gsize width = strlen (b) + 1;
  g_autofree guint *row = g_new (guint, width);

  for (gsize j = 0; j < width; j++)
    row[j] = (guint) j;
  for (gsize i = 0; a[i] != '\0'; i++)
    {
      gchar from = a[i] == '-' ? '_' : g_ascii_tolower (a[i]);
      guint diagonal = row[0];

      row[0] = (guint) i + 1;
      for (gsize j = 1; j < width; j++)
        {
          guint changed = diagonal + (from != b[j - 1]);

          diagonal = row[j];
          row[j] = MIN (changed, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[width - 1];
}

/* A third of the name may differ: "segmentsize" is near, "size" is not. */
static gboolean
is_nearer (const gchar *text, const gchar *name, guint *best)
{
  guint d;

  if (strlen (text) > 2 * strlen (name))
    return FALSE;
  d = distance (text, name);
  if (d >= *best || d > MAX (2, strlen (name) / 3))
    return FALSE;
  *best = d;
  return TRUE;
}

gint
hf_parameter_nearest_key (const gchar *section, const gchar *text)
{
  guint best = G_MAXUINT;
  gint found = -1;

  for (guint i = 0; i < hf_n_parameters; i++)
    if ((section == NULL || strcmp (hf_parameters[i].section, section) == 0)
        && is_nearer (text, hf_parameters[i].key, &best))
      found = (gint) i;
  return found;
}

gint
hf_parameter_nearest_section (const gchar *text)
{
  guint best = G_MAXUINT;
  gint found = -1;

  for (guint i = 0; i < hf_n_parameters; i++)
    if (is_nearer (text, hf_parameters[i].section, &best))
      found = (gint) i;
  return found;
}
