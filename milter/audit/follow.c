/* follow.c - a log file, line by line, for as long as it is written; see follow.h
 *
 * What is to be read stands in a row: older parts that were rotated away since
 * the last reading, oldest first, then the log itself.  The head's digest and
 * the offset tell a part again under any name and after any copying.
 */
#include <config.h>

#include "milter/audit/follow.h"

#include "milter/audit/part.h"
#include "milter/audit/rotated.h"
#include "milter/base/error.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A logger writes to the renamed file until it is told, which may take it minutes.
 * That it was is seen by the first line in the new one; where several write, the old
 * one must have been quiet for so long before the new is begun. */
#define QUIET_MS 5000

/* For so long it is looked at once more whenever the new one has nothing: a line out
 * of its order is better than none. */
#define LATE_MS (5 * 60 * 1000)

/* How long the log may be absent, as it is for a moment in rotation, before that
 * is told. */
#define ABSENT_MS (10 * 1000)

struct HfFollow
{
  gchar *path;
  gboolean is_pipe;
  gboolean placed;    /* the first part was looked for */
  gboolean has_from;
  HfFollowPosition from;
  gint64 since_ms;
  GQueue row;         /* of gchar *: parts to read before the log itself */
  guint64 first_offset; /* where to begin in the next part */
  guint32 first_line;
  HfPart *part;
  HfPart *late;       /* the renamed log that was left for the new one; NULL: there is none */
  gint64 late_ms;     /* since when */
  gboolean is_log;    /* part was opened under the log's own name */
  gboolean new_file;
  gboolean was_idle;
  gboolean finishing; /* the log has another name and is quiet: its last line may lack an end */
  gint64 left_ms;     /* when the log was first seen under another name; 0 else */
  gint64 absent_ms;   /* since when there was no log to open; 0: there is one */
  const gchar *gap;   /* to be told next */
  guint16 n_files;
  gint64 read_ms;
};

gchar *
hf_follow_position_format (const HfFollowPosition *p)
{
  return g_strdup_printf ("device=%" G_GUINT64_FORMAT " inode=%" G_GUINT64_FORMAT " offset=%" G_GUINT64_FORMAT
                          " line=%u head=%u:%s read=%" G_GINT64_FORMAT,
                          p->device, p->inode, p->offset, p->line, p->head_size, p->head[0] != '\0' ? p->head : "-",
                          p->read_ms);
}

gboolean
hf_follow_position_parse (const gchar *text, HfFollowPosition *out)
{
  memset (out, 0, sizeof *out);
  return sscanf (text, "device=%" G_GUINT64_FORMAT " inode=%" G_GUINT64_FORMAT " offset=%" G_GUINT64_FORMAT
                       " line=%u head=%u:%64s read=%" G_GINT64_FORMAT,
                 &out->device, &out->inode, &out->offset, &out->line, &out->head_size, out->head, &out->read_ms) == 7;
}

HfFollow *
hf_follow_new (const gchar *path, const HfFollowPosition *from, gint64 since_ms)
{
  HfFollow *self = g_new0 (HfFollow, 1);

  self->path = g_strdup (path);
  self->is_pipe = strcmp (path, "-") == 0;
  self->since_ms = since_ms;
  g_queue_init (&self->row);
  if (from != NULL)
    {
      self->has_from = TRUE;
      self->from = *from;
      self->read_ms = from->read_ms;
    }
  return self;
}

void
hf_follow_free (HfFollow *self)
{
  if (self == NULL)
    return;
  hf_part_free (self->part);
  hf_part_free (self->late);
  g_queue_clear_full (&self->row, g_free);
  g_free (self->path);
  g_free (self);
}

void
hf_follow_position (const HfFollow *self, HfFollowPosition *out)
{
  if (self->part != NULL)
    hf_part_position (self->part, out);
  else
    *out = self->from;
  out->read_ms = self->read_ms;
}

/* ---- finding the place ---- */

static gboolean
begins_so (const gchar *path, const HfFollowPosition *from)
{
  gchar head[65] = "";

  return from->head_size > 0 && hf_rotated_head (path, from->head_size, head) && strcmp (head, from->head) == 0;
}

static gboolean
is_place (const gchar *path, const HfFollowPosition *from)
{
  struct stat st;

  if (stat (path, &st) < 0)
    return FALSE;
  if (from->head_size == 0)
    return st.st_dev == from->device && st.st_ino == from->inode;
  return begins_so (path, from);
}

/* TRUE when the log itself holds the place and what comes behind it. */
static gboolean
log_has_place (const HfFollow *self, const HfFollowPosition *from)
{
  struct stat st;

  return stat (self->path, &st) == 0 && (guint64) st.st_size >= from->offset && is_place (self->path, from);
}

/* Parts number 3 and 1, but not 2: one was taken away. */
static void
note_holes (HfFollow *self, const GArray *parts, guint from)
{
  gint wanted = g_array_index (parts, HfRotated, from).number;

  for (guint i = from; i < parts->len && wanted > 0; i++, wanted--)
    if (g_array_index (parts, HfRotated, i).number > 0 && g_array_index (parts, HfRotated, i).number != wanted)
      break;
  if (wanted > 0)
    self->gap = "a rotated part of the log is missing";
}

static void
queue_from (HfFollow *self, const GArray *parts, guint from)
{
  for (guint i = from; i < parts->len; i++)
    g_queue_push_tail (&self->row, g_strdup (g_array_index (parts, HfRotated, i).path));
}

/* What was rotated away behind the place, where the place is lost. */
static void
queue_newer (HfFollow *self, const GArray *parts, gint64 than_ms)
{
  guint from = parts->len;

  while (from > 0 && g_array_index (parts, HfRotated, from - 1).written_ms >= than_ms)
    from--;
  queue_from (self, parts, from);
}

/* FALSE: nothing that is there holds the place, and the row is what came later. */
static gboolean
find_place (HfFollow *self, const HfFollowPosition *from)
{
  g_autoptr (GArray) parts = NULL;

  self->first_offset = from->offset;
  self->first_line = from->line;
  if (log_has_place (self, from))
    return TRUE;
  parts = hf_rotated_list (self->path);
  for (guint i = parts->len; i > 0; i--)
    if (is_place (g_array_index (parts, HfRotated, i - 1).path, from))
      {
        note_holes (self, parts, i - 1);
        queue_from (self, parts, i - 1);
        return TRUE;
      }
  self->first_offset = 0;
  self->first_line = 0;
  queue_newer (self, parts, from->read_ms);
  return FALSE;
}

static void
place (HfFollow *self)
{
  g_autoptr (GArray) parts = NULL;

  self->placed = TRUE;
  if (self->is_pipe)
    return;
  if (self->has_from)
    {
      if (find_place (self, &self->from))
        return;
      /* told once: what is saved from here on has no place in the file that is gone */
      if (self->from.inode != 0)
        self->gap = "the log file that was being read is gone";
      memset (&self->from, 0, sizeof self->from);
      self->from.read_ms = self->read_ms;
      return;
    }
  parts = hf_rotated_list (self->path);
  queue_newer (self, parts, self->since_ms);
}

/* ---- from part to part ---- */

static gboolean
open_part (HfFollow *self, GError **error)
{
  const gchar *older = g_queue_peek_head (&self->row);
  const gchar *path = older != NULL ? older : self->path;

  self->part = hf_part_open (path, self->first_offset, self->first_line, error);
  if (self->part == NULL)
    return FALSE;
  self->is_log = older == NULL;
  g_free (g_queue_pop_head (&self->row));
  self->first_offset = 0;
  self->first_line = 0;
  self->new_file = TRUE;
  self->left_ms = 0;
  self->absent_ms = 0;
  self->finishing = FALSE;
  self->n_files++;
  return TRUE;
}

/* TRUE while the log is only on its way from one name to the other. */
static gboolean
may_be_rotated (HfFollow *self, gint64 now_ms, gboolean last_look)
{
  if (self->absent_ms == 0 || now_ms < self->absent_ms)
    self->absent_ms = now_ms;
  return !last_look && now_ms - self->absent_ms < ABSENT_MS;
}

/* A part that can't be opened any more is a gap, and the next is tried; the log
 * itself is waited for. */
static gboolean
open_next (HfFollow *self, gint64 now_ms, gboolean last_look, GError **error)
{
  g_autoptr (GError) failed = NULL;
  const gboolean older = !g_queue_is_empty (&self->row);

  if (open_part (self, &failed))
    return TRUE;
  if (g_error_matches (failed, HF_ERROR, HF_ERROR_CORRUPT) || (older && g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND)))
    {
      g_free (g_queue_pop_head (&self->row));
      self->first_offset = 0;
      self->first_line = 0;
      self->gap = "a part of the log can't be read";
      return TRUE;
    }
  if (g_error_matches (failed, HF_ERROR, HF_ERROR_NOT_FOUND) && may_be_rotated (self, now_ms, last_look))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

static void
leave_part (HfFollow *self)
{
  hf_part_position (self->part, &self->from);
  self->from.read_ms = self->read_ms;
  g_clear_pointer (&self->part, hf_part_free);
}

/* The same of the newest rotated part: a logger may write to it still. */
static void
leave_late (HfFollow *self, gint64 now_ms)
{
  hf_part_position (self->part, &self->from);
  self->from.read_ms = self->read_ms;
  hf_part_free (self->late);
  self->late = g_steal_pointer (&self->part);
  self->late_ms = now_ms;
}

/* The log was truncated: what was not read of it may stand in a copy. */
static void
follow_copy (HfFollow *self)
{
  HfFollowPosition from;

  hf_part_position (self->part, &from);
  from.read_ms = self->read_ms;
  leave_part (self);
  if (!find_place (self, &from))
    self->gap = "the log was truncated";
}

/* The log now has another name.  TRUE when there is more to do: its last words, or
 * what comes behind it. */
static gboolean
follow_rename (HfFollow *self, gint64 now_ms, gboolean last_look)
{
  HfFollowPosition from;
  struct stat st;

  if (stat (self->path, &st) < 0 || st.st_size == 0)
    return FALSE; /* no new one yet, or nothing in it: the old is still written to */
  if (self->left_ms == 0 || now_ms < self->left_ms)
    self->left_ms = now_ms;
  if (!last_look && now_ms - self->left_ms < QUIET_MS)
    return FALSE;
  if (!self->finishing)
    {
      self->finishing = TRUE;
      return TRUE;
    }
  hf_part_position (self->part, &from);
  from.read_ms = self->read_ms;
  /* it was read to its end, so it is no gap where it is not found any more */
  if (find_place (self, &from))
    g_free (g_queue_pop_head (&self->row));
  self->first_offset = 0;
  self->first_line = 0;
  leave_late (self, now_ms);
  return TRUE;
}

/* The newest rotated part, where reading begins or goes on there: TRUE when it may
 * still be written to, as the log itself is empty, or away for a moment. */
static gboolean
may_grow (HfFollow *self, gint64 now_ms, gboolean last_look)
{
  struct stat st;

  if (!g_queue_is_empty (&self->row) || hf_part_is_packed (self->part))
    return FALSE;
  if (stat (self->path, &st) < 0)
    return may_be_rotated (self, now_ms, last_look);
  self->absent_ms = 0;
  return st.st_size == 0;
}

/* Nothing more comes to this part; its last line may lack an end. */
static void
finish_part (HfFollow *self, gint64 now_ms)
{
  if (!self->finishing)
    self->finishing = TRUE;
  else if (g_queue_is_empty (&self->row) && !hf_part_is_packed (self->part))
    leave_late (self, now_ms);
  else
    leave_part (self);
}

/* At the end of what is there.  TRUE: go on; FALSE: nothing more at present. */
static gboolean
at_end (HfFollow *self, gint64 now_ms, gboolean last_look)
{
  if (!self->is_log && may_grow (self, now_ms, last_look))
    {
      self->was_idle = TRUE;
      return FALSE;
    }
  if (!self->is_log)
    {
      finish_part (self, now_ms);
      return TRUE;
    }
  if (hf_part_was_replaced (self->part))
    {
      follow_copy (self);
      return TRUE;
    }
  if (hf_part_is_at (self->part, self->path))
    self->left_ms = 0;
  else if (follow_rename (self, now_ms, last_look))
    return TRUE;
  self->was_idle = TRUE;
  return FALSE;
}

static void
tell_gap (HfFollow *self, HfFollowItem *out)
{
  out->kind = HF_FOLLOW_GAP;
  out->why = self->gap;
  self->gap = NULL;
}

/* Damaged compression ends the part; the lines before it were handed out. */
static gboolean
part_failed (HfFollow *self, GError *failed, GError **error)
{
  if (self->is_log || !g_error_matches (failed, HF_ERROR, HF_ERROR_CORRUPT))
    {
      g_propagate_error (error, failed);
      return FALSE;
    }
  g_error_free (failed);
  leave_part (self);
  self->gap = "a part of the log is damaged";
  return TRUE;
}

static void
fill_item (HfFollow *self, HfPart *part, gboolean is_live, gint64 now_ms, HfFollowItem *out)
{
  HfFollowPosition at = { 0 };

  out->kind = HF_FOLLOW_LINE;
  out->at.file = self->n_files;
  out->clock = hf_part_clock (part);
  out->path = hf_part_path (part);
  out->new_file = self->new_file;
  if (self->new_file)
    {
      hf_part_position (part, &at);
      out->device = at.device;
      out->inode = at.inode;
    }
  if (is_live)
    out->clock->newest_s = MAX (out->clock->newest_s, now_ms / 1000);
  out->clock->now_s = MAX (out->clock->newest_s, now_ms / 1000);
  self->read_ms = now_ms;
}

static void
fill_line (HfFollow *self, gint64 now_ms, HfFollowItem *out)
{
  fill_item (self, self->part, self->is_log, now_ms, out);
  self->new_file = FALSE;
  if (!self->finishing)
    self->left_ms = 0;
}

/* What is still written to the log that was left.  FALSE: nothing. */
static gboolean
next_late (HfFollow *self, gint64 now_ms, HfFollowItem *out)
{
  g_autoptr (GError) failed = NULL;
  gboolean found = FALSE;

  if (self->late == NULL)
    return FALSE;
  if (!hf_part_next (self->late, FALSE, &out->raw, &out->at, &found, &failed) || (!found && now_ms - self->late_ms > LATE_MS))
    g_clear_pointer (&self->late, hf_part_free);
  if (!found)
    return FALSE;
  self->new_file = TRUE; /* and the next line is of another than this */
  fill_item (self, self->late, TRUE, now_ms, out);
  return TRUE;
}

gboolean
hf_follow_next (HfFollow *self, gint64 now_ms, gboolean last_look, HfFollowItem *out, GError **error)
{
  memset (out, 0, sizeof *out);
  if (!self->placed)
    place (self);
  for (;;)
    {
      GError *failed = NULL;
      gboolean found = FALSE;

      if (self->gap != NULL)
        {
          tell_gap (self, out);
          return TRUE;
        }
      if (self->part == NULL && !open_next (self, now_ms, last_look, error))
        return FALSE;
      if (self->part == NULL && self->gap == NULL)
        {
          out->kind = HF_FOLLOW_IDLE;
          return TRUE;
        }
      if (self->part == NULL)
        continue;
      if (self->was_idle && hf_part_was_replaced (self->part))
        {
          follow_copy (self);
          continue;
        }
      self->was_idle = FALSE;
      if (!hf_part_next (self->part, self->finishing, &out->raw, &out->at, &found, &failed))
        {
          if (!part_failed (self, failed, error))
            return FALSE;
          continue;
        }
      if (found)
        {
          fill_line (self, now_ms, out);
          return TRUE;
        }
      if (self->is_pipe || !at_end (self, now_ms, last_look))
        {
          if (next_late (self, now_ms, out))
            return TRUE;
          out->kind = self->is_pipe ? HF_FOLLOW_END : HF_FOLLOW_IDLE;
          return TRUE;
        }
    }
}
