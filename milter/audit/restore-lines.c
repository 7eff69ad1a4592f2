/* restore-lines.c - lines merged from many chunks; see restore-lines.h */
#include <config.h>

#include "milter/audit/restore-lines.h"

#include "milter/base/error.h"

#include <string.h>

/* A row of evidence that was not read yet. */
typedef struct
{
  guint64 seq; /* of its first line */
  gint64 row;
} Chunk;

/* One that is being read. */
typedef struct
{
  HfKeptLine line; /* the one that it has come to */
  gchar *text;     /* all of them */
  const gchar *at; /* behind the line */
} Reader;

struct HfKeptLines
{
  HfLedger *ledger;
  sqlite3_stmt *fetch;
  GArray *chunks;      /* of Chunk, by seq */
  guint next_chunk;
  GTree *readers;      /* of Reader, by their lines */
  Reader *told;        /* nullable: whose line was given out last */
  GArray *loose;       /* of HfKeptLine, by seq from the first reading on */
  guint next_loose;
  GStringChunk *texts; /* of the loose ones */
  gboolean is_sorted;
};

static gint
compare_numbers (guint64 a, guint64 b)
{
  return a < b ? -1 : a > b;
}

static gint
compare_lines (gconstpointer a, gconstpointer b)
{
  const HfKeptLine *x = a, *y = b;
  const gint order = compare_numbers (x->seq, y->seq);

  return order != 0 ? order : compare_numbers (x->mail, y->mail);
}

/* Two of one message that begin alike are two all the same. */
static gint
compare_readers (gconstpointer a, gconstpointer b, gpointer data)
{
  const Reader *x = a, *y = b;
  const gint order = compare_lines (&x->line, &y->line);

  return order != 0 ? order : compare_numbers ((gsize) x, (gsize) y);
}

static gint
compare_chunks (gconstpointer a, gconstpointer b)
{
  const Chunk *x = a, *y = b;
  const gint order = compare_numbers (x->seq, y->seq);

  return order != 0 ? order : compare_numbers ((guint64) x->row, (guint64) y->row);
}

static void
reader_free (gpointer data)
{
  Reader *self = data;

  g_free (self->text);
  g_free (self);
}

/* The line at @at, "SEQ SOURCE OFFSET NUMBER TEXT" and LF; what is behind it, or NULL where there is none. */
static const gchar *
parse (const gchar *at, HfKeptLine *line)
{
  guint64 *const numbers[] = { &line->seq, &line->source, &line->offset, &line->number };
  const gchar *end = strchr (at, '\n');

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      gchar *behind;

      *numbers[i] = g_ascii_strtoull (at, &behind, 10);
      if (behind == at || *behind != ' ')
        return NULL;
      at = behind + 1;
    }
  if (end == NULL || end < at)
    return NULL;
  line->text = (HfSlice){ at, (gsize) (end - at) };
  return end + 1;
}

static gboolean
is_corrupt (GError **error)
{
  return hf_error_set (error, HF_ERROR_CORRUPT, "restore", "the ledger holds what the books never said");
}

/* On to the reader's next line; a reader that has none is gone.  FALSE for what is no evidence. */
static gboolean
advance (HfKeptLines *self, Reader *reader, GError **error)
{
  if (*reader->at == '\0')
    {
      reader_free (reader);
      return TRUE;
    }
  reader->at = parse (reader->at, &reader->line);
  if (reader->at == NULL)
    {
      reader_free (reader);
      return is_corrupt (error);
    }
  g_tree_insert (self->readers, reader, reader);
  return TRUE;
}

static gboolean
open_chunk (HfKeptLines *self, gint64 row, GError **error)
{
  Reader *reader;
  int step;

  sqlite3_reset (self->fetch);
  sqlite3_bind_int64 (self->fetch, 1, row);
  step = sqlite3_step (self->fetch);
  if (step == SQLITE_DONE)
    return is_corrupt (error);
  if (step != SQLITE_ROW)
    return hf_ledger_error (self->ledger, error);
  reader = g_new0 (Reader, 1);
  reader->line.mail = (guint64) sqlite3_column_int64 (self->fetch, 0);
  reader->text = g_strndup (sqlite3_column_blob (self->fetch, 1), (gsize) sqlite3_column_bytes (self->fetch, 1));
  reader->at = reader->text;
  return advance (self, reader, error);
}

static gboolean
collect (HfKeptLines *self, const gchar *sql, GError **error)
{
  g_autoptr (sqlite3_stmt) rows = hf_ledger_prepare (self->ledger, sql, error);
  int step;

  if (rows == NULL)
    return FALSE;
  while ((step = sqlite3_step (rows)) == SQLITE_ROW)
    {
      const Chunk chunk = { .row = sqlite3_column_int64 (rows, 0), .seq = (guint64) sqlite3_column_int64 (rows, 1) };

      g_array_append_val (self->chunks, chunk);
    }
  g_array_sort (self->chunks, compare_chunks);
  return step == SQLITE_DONE || hf_ledger_error (self->ledger, error);
}

HfKeptLines *
hf_kept_lines_new (HfLedger *ledger, const gchar *chunks, GError **error)
{
  g_autoptr (HfKeptLines) self = g_new0 (HfKeptLines, 1);

  self->ledger = ledger;
  self->chunks = g_array_new (FALSE, FALSE, sizeof (Chunk));
  self->readers = g_tree_new_full (compare_readers, NULL, NULL, reader_free);
  self->loose = g_array_new (FALSE, FALSE, sizeof (HfKeptLine));
  self->texts = g_string_chunk_new (4096);
  self->fetch = hf_ledger_prepare (ledger, "SELECT mail, lines FROM evidence WHERE rowid = ?1", error);
  if (self->fetch == NULL || !collect (self, chunks, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
hf_kept_lines_free (HfKeptLines *self)
{
  if (self == NULL)
    return;
  sqlite3_finalize (self->fetch);
  g_array_unref (self->chunks);
  g_tree_unref (self->readers);
  g_clear_pointer (&self->told, reader_free);
  g_array_unref (self->loose);
  g_string_chunk_free (self->texts);
  g_free (self);
}

void
hf_kept_lines_add (HfKeptLines *self, const HfKeptLine *line)
{
  HfKeptLine copy = *line;

  if (line->text.at != NULL)
    copy.text.at = g_string_chunk_insert_len (self->texts, line->text.at, (gssize) line->text.length);
  g_array_append_val (self->loose, copy);
  self->is_sorted = FALSE;
}

gboolean
hf_kept_lines_add_text (HfKeptLines *self, const gchar *text)
{
  while (text != NULL && *text != '\0')
    {
      HfKeptLine line = { 0 };

      text = parse (text, &line);
      if (text == NULL)
        return FALSE;
      hf_kept_lines_add (self, &line);
    }
  return TRUE;
}

static Reader *
first_reader (const HfKeptLines *self)
{
  GTreeNode *node = g_tree_node_first (self->readers);

  return node != NULL ? g_tree_node_value (node) : NULL;
}

/* Opens what may hold the next line. */
static gboolean
open_chunks (HfKeptLines *self, GError **error)
{
  for (; self->next_chunk < self->chunks->len; self->next_chunk++)
    {
      const Chunk *chunk = &g_array_index (self->chunks, Chunk, self->next_chunk);
      const Reader *first = first_reader (self);

      if (first != NULL && first->line.seq < chunk->seq)
        return TRUE;
      if (!open_chunk (self, chunk->row, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
hf_kept_lines_next (HfKeptLines *self, HfKeptLine *out_line, GError **error)
{
  Reader *told = g_steal_pointer (&self->told), *first;
  const HfKeptLine *loose;

  if (!self->is_sorted)
    g_array_sort (self->loose, compare_lines);
  self->is_sorted = TRUE;
  if ((told != NULL && !advance (self, told, error)) || !open_chunks (self, error))
    return FALSE;
  first = first_reader (self);
  loose = self->next_loose < self->loose->len ? &g_array_index (self->loose, HfKeptLine, self->next_loose) : NULL;
  if (loose != NULL && (first == NULL || compare_lines (loose, &first->line) < 0))
    {
      *out_line = *loose;
      self->next_loose++;
      return TRUE;
    }
  if (first == NULL)
    return FALSE;
  g_tree_steal (self->readers, first);
  self->told = first;
  *out_line = first->line;
  return TRUE;
}
