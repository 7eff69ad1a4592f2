/* scrub-position.c - how far the journal has been read again; see scrub-position.h */
#include <config.h>

#include "milter/ledger/scrub-position.h"

#include "milter/journal/statement.h"

#include <string.h>

void
hf_scrub_position_init (HfScrubPosition *self)
{
  *self = (HfScrubPosition){ .began_ms = -1, .ended_ms = -1 };
}

static void
append_time (GString *text, const gchar *key, gint64 at_ms)
{
  gchar at[25];

  if (at_ms < 0)
    return;
  hf_time_format (at_ms, at);
  g_string_append_printf (text, " %s=%s", key, at);
}

gchar *
hf_scrub_position_format (const HfScrubPosition *self)
{
  GString *text = g_string_new (NULL);

  g_string_printf (text, "segment=%" G_GUINT64_FORMAT " offset=%" G_GUINT64_FORMAT " octets=%" G_GUINT64_FORMAT, self->seq,
                   self->offset, self->octets);
  append_time (text, "began", self->began_ms);
  append_time (text, "ended", self->ended_ms);
  if (self->ended_ms >= 0)
    g_string_append_printf (text, " ended_octets=%" G_GUINT64_FORMAT, self->ended_octets);
  return g_string_free (text, FALSE);
}

void
hf_scrub_position_parse (const gchar *text, HfScrubPosition *out_position)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  hf_scrub_position_init (out_position);
  for (gchar **word = words; *word != NULL; word++)
    {
      const gchar *value = strchr (*word, '=');
      const gsize size = value != NULL ? (gsize) (value - *word) : 0;
      const struct
      {
        const gchar *key;
        guint64 *number;
        gint64 *time;
      } keys[] = {
        { "segment", &out_position->seq, NULL },      { "offset", &out_position->offset, NULL },
        { "octets", &out_position->octets, NULL },    { "began", NULL, &out_position->began_ms },
        { "ended", NULL, &out_position->ended_ms },   { "ended_octets", &out_position->ended_octets, NULL },
      };

      for (guint i = 0; value != NULL && i < G_N_ELEMENTS (keys); i++)
        if (strlen (keys[i].key) == size && strncmp (keys[i].key, *word, size) == 0)
          {
            if (keys[i].number != NULL)
              g_ascii_string_to_unsigned (value + 1, 10, 0, G_MAXUINT64, keys[i].number, NULL);
            else
              hf_time_parse (value + 1, keys[i].time);
          }
    }
}
