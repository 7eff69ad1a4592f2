/* place.c - what stands at one place of a segment, looked at now; see place.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "milter/journal/place.h"
#include "milter/journal/reader.h"

#include <string.h>

static gboolean
is_record (HfReader *reader, int fd, guint64 size, guint64 offset, const gchar *id)
{
  gboolean end = FALSE, ok;
  HfItem item;

  hf_item_init (&item);
  hf_window_reset (&reader->window, fd, offset, size);
  ok = hf_reader_next (reader, &item, &end, NULL) && !end && item.whole && item.offset == offset && item.has_facts
       && strcmp (item.facts.id.text, id) == 0;
  hf_item_clear (&item);
  return ok;
}

HfPlace
hf_place_look (const gchar *spool, guint64 seq, guint64 offset, const gchar *id)
{
  g_autofree gchar *path = hf_segment_path (spool, seq);
  g_autoptr (GError) error = NULL;
  HfPlace found = HF_PLACE_OTHER;
  HfReader reader;
  guint64 size;
  int fd = hf_segment_open_file (path, "place-open", &size, &error);

  if (fd < 0)
    return g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND) ? HF_PLACE_GONE : HF_PLACE_OTHER;
  if (hf_reader_init (&reader, fd, size, HF_READ_VERIFY, NULL, NULL))
    {
      if (is_record (&reader, fd, size, offset, id))
        found = HF_PLACE_WHOLE;
      hf_reader_clear (&reader);
    }
  hf_sys_close (&fd);
  return found;
}
