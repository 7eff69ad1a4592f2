/* disk.c - what a disk may hold after the power went; see disk.h */
#include <config.h>

#include "tests/fault/disk.h"

#include "tests/fault/scratch.h"

#include <string.h>

const FtLoss ft_losses[] = {
  { "all kept", FT_PAGES_KEPT, FT_KEPT, FT_KEPT },
  { "all lost", FT_PAGES_LOST, FT_LOST, FT_LOST },
  { "names kept", FT_PAGES_LOST, FT_LOST, FT_KEPT },
  { "data kept", FT_PAGES_KEPT, FT_KEPT, FT_LOST },
  { "sizes kept", FT_PAGES_LOST, FT_KEPT, FT_KEPT },
  { "data kept, sizes lost", FT_PAGES_KEPT, FT_LOST, FT_KEPT },
  { "torn heads", FT_PAGES_HEAD, FT_KEPT, FT_KEPT },
  { "torn tails", FT_PAGES_TAIL, FT_KEPT, FT_KEPT },
  { "NULs", FT_PAGES_NULS, FT_KEPT, FT_KEPT },
  { "noise", FT_PAGES_NOISE, FT_KEPT, FT_KEPT },
  { "random", FT_PAGES_RANDOM, FT_RANDOM, FT_RANDOM },
  { "random, names in order", FT_PAGES_RANDOM, FT_RANDOM, FT_ORDERED },
  { "random, names kept", FT_PAGES_RANDOM, FT_KEPT, FT_KEPT },
  { NULL, FT_PAGES_KEPT, FT_KEPT, FT_KEPT },
};

/* A file or directory when the power went. */
typedef struct
{
  GByteArray *synced;  /* octets as of the last sync */
  GHashTable *entries; /* names as of the last sync, to node + 1 */
  GPtrArray *pending;  /* of FtOp *, since then */
  guint doomed;        /* of these, the first that many can't be synced any more */
} Node;

struct FtDisk
{
  const FtRecording *recording;
  gsize page_size;
  GPtrArray *nodes;
};

static void
node_free (gpointer data)
{
  Node *self = data;

  g_byte_array_unref (self->synced);
  g_hash_table_unref (self->entries);
  g_ptr_array_unref (self->pending);
  g_free (self);
}

/* Longer by NULs. */
static void
grow (GByteArray *octets, gsize size)
{
  const gsize before = octets->len;

  if (size <= before)
    return;
  g_byte_array_set_size (octets, (guint) size);
  memset (octets->data + before, 0, size - before);
}

/* The part of @op between @from and @until. */
static void
apply_write (GByteArray *octets, const FtOp *op, gsize from, gsize until)
{
  const gsize begin = MAX (op->offset, from), end = MIN (op->offset + op->size, until);

  if (begin >= end)
    return;
  grow (octets, end);
  memcpy (octets->data + begin, op->data + (begin - op->offset), end - begin);
}

/* What a cut leaves of pages: NULs. */
static void
apply_size (GByteArray *octets, const FtOp *op, gsize from, gsize until)
{
  const gsize begin = MAX (op->offset, from), end = MIN (octets->len, until);

  if (begin < end)
    memset (octets->data + begin, 0, end - begin);
}

static void
apply (GByteArray *octets, const FtOp *op, gsize from, gsize until)
{
  if (op->kind == FT_OP_WRITE)
    apply_write (octets, op, from, until);
  else
    apply_size (octets, op, from, until);
}

static void
set_entry (GHashTable *entries, const FtOp *op)
{
  if (op->target == FT_NO_NODE)
    g_hash_table_remove (entries, op->name);
  else
    g_hash_table_replace (entries, g_strdup (op->name), GUINT_TO_POINTER (op->target + 1));
}

static gsize
size_after (gsize before, const FtOp *op)
{
  return op->kind == FT_OP_SIZE ? op->offset : MAX (before, op->offset + op->size);
}

static void
sync_file (Node *node)
{
  gsize size = node->synced->len;

  for (guint i = node->doomed; i < node->pending->len; i++)
    {
      const FtOp *op = g_ptr_array_index (node->pending, i);

      apply (node->synced, op, 0, G_MAXSIZE);
      size = size_after (size, op);
    }
  grow (node->synced, size);
  g_byte_array_set_size (node->synced, (guint) size);
  g_ptr_array_set_size (node->pending, (gint) node->doomed);
}

static void
sync_entries (Node *node)
{
  for (guint i = 0; i < node->pending->len; i++)
    set_entry (node->entries, g_ptr_array_index (node->pending, i));
  g_ptr_array_set_size (node->pending, 0);
}

static void
play (FtDisk *self, const FtOp *op)
{
  Node *node = g_ptr_array_index (self->nodes, op->node);

  switch (op->kind)
    {
    case FT_OP_WRITE:
    case FT_OP_SIZE:
    case FT_OP_ENTRY:
      g_ptr_array_add (node->pending, (gpointer) (guintptr) op);
      break;
    case FT_OP_SYNC:
      sync_file (node);
      break;
    case FT_OP_SYNC_FAILED:
      node->doomed = node->pending->len;
      break;
    case FT_OP_SYNC_ENTRIES:
      sync_entries (node);
      break;
    }
}

static GHashTable *
copy_entries (GHashTable *from)
{
  GHashTable *to = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer name, node;

  g_hash_table_iter_init (&iter, from);
  while (g_hash_table_iter_next (&iter, &name, &node))
    g_hash_table_insert (to, g_strdup (name), node);
  return to;
}

FtDisk *
ft_disk_new (const FtRecording *recording, guint upto, gsize page_size)
{
  FtDisk *self = g_new0 (FtDisk, 1);

  self->recording = recording;
  self->page_size = page_size;
  self->nodes = g_ptr_array_new_with_free_func (node_free);
  for (guint i = 0; i < recording->nodes->len; i++)
    {
      const FtNode *from = g_ptr_array_index (recording->nodes, i);
      Node *node = g_new0 (Node, 1);

      node->synced = g_byte_array_new ();
      g_byte_array_append (node->synced, from->base->data, from->base->len);
      node->entries = copy_entries (from->entries);
      node->pending = g_ptr_array_new ();
      g_ptr_array_add (self->nodes, node);
    }
  for (guint i = 0; i < upto; i++)
    play (self, &g_array_index (recording->ops, FtOp, i));
  return self;
}

void
ft_disk_free (FtDisk *self)
{
  g_ptr_array_unref (self->nodes);
  g_free (self);
}

gboolean
ft_disk_is_settled (const FtDisk *self)
{
  for (guint i = 0; i < self->nodes->len; i++)
    if (((const Node *) g_ptr_array_index (self->nodes, i))->pending->len > 0)
      return FALSE;
  return TRUE;
}

/* ---- one state ---- */

static guint
choose (GRand *random, guint count)
{
  return (guint) g_rand_int_range (random, 0, (gint32) count);
}

static void
make_noise (GRand *random, guint8 *octets, gsize size)
{
  for (gsize i = 0; i < size; i++)
    octets[i] = (guint8) g_rand_int (random);
}

/* The octets of one page, as of the first @upto pending operations. */
static void
version (const Node *node, guint upto, gsize from, gsize until, GByteArray *out)
{
  g_byte_array_set_size (out, 0);
  g_byte_array_append (out, node->synced->data, node->synced->len);
  for (guint i = 0; i < upto; i++)
    apply (out, g_ptr_array_index (node->pending, i), from, until);
  grow (out, until);
}

/* A cut writes no page: it is there, or it is not. */
static gboolean
is_touched (const Node *node, gsize from, gsize until)
{
  for (guint i = 0; i < node->pending->len; i++)
    {
      const FtOp *op = g_ptr_array_index (node->pending, i);

      if (op->kind == FT_OP_WRITE && op->offset < until && op->offset + op->size > from)
        return TRUE;
    }
  return FALSE;
}

/* What one page became.  @synced and @latest are whole files. */
static void
lose_page (const FtDisk *self, const Node *node, FtPages how, GRand *random, gsize from, const GByteArray *synced,
           const GByteArray *latest, GByteArray *scratch, guint8 *page)
{
  const gsize size = self->page_size;
  const gsize at = choose (random, 2) == 0 ? 512 * choose (random, (guint) (size / 512) + 1) : choose (random, (guint) size + 1);

  if (how == FT_PAGES_RANDOM && choose (random, 4) == 0)
    {
      version (node, choose (random, node->pending->len + 1), from, from + size, scratch);
      memcpy (page, scratch->data + from, size);
      return;
    }
  if (how == FT_PAGES_RANDOM)
    how = (FtPages) choose (random, FT_PAGES_RANDOM);
  memcpy (page, (how == FT_PAGES_LOST || how == FT_PAGES_TAIL ? synced : latest)->data + from, size);
  if (how == FT_PAGES_HEAD)
    memcpy (page + at, synced->data + from + at, size - at);
  else if (how == FT_PAGES_TAIL)
    memcpy (page + at, latest->data + from + at, size - at);
  else if (how == FT_PAGES_NULS)
    memset (page, 0, size);
  else if (how == FT_PAGES_NOISE)
    make_noise (random, page, size);
}

static gsize
lose_size (const Node *node, FtRest how, GRand *random)
{
  const guint upto = how == FT_KEPT ? node->pending->len : how == FT_LOST ? 0 : choose (random, node->pending->len + 1);
  gsize size = node->synced->len;

  for (guint i = 0; i < upto; i++)
    size = size_after (size, g_ptr_array_index (node->pending, i));
  return size;
}

/* Whole pages, at least as many as any state of the file has. */
static gsize
whole_pages (const FtDisk *self, const Node *node)
{
  gsize size = node->synced->len;

  for (guint i = 0; i < node->pending->len; i++)
    size = MAX (size, size_after (size, g_ptr_array_index (node->pending, i)));
  return (size + self->page_size - 1) / self->page_size * self->page_size;
}

static GByteArray *
lose_file (const FtDisk *self, const Node *node, const FtLoss *loss, GRand *random)
{
  const gsize size = lose_size (node, loss->sizes, random), room = whole_pages (self, node);
  g_autoptr (GByteArray) synced = g_byte_array_new ();
  g_autoptr (GByteArray) latest = g_byte_array_new ();
  g_autoptr (GByteArray) scratch = g_byte_array_new ();
  GByteArray *octets = g_byte_array_new ();

  if (node->pending->len == 0)
    return g_byte_array_append (octets, node->synced->data, node->synced->len);
  version (node, 0, 0, room, synced);
  version (node, node->pending->len, 0, room, latest);
  g_byte_array_append (octets, synced->data, synced->len);
  for (gsize from = 0; from < room; from += self->page_size)
    if (is_touched (node, from, from + self->page_size))
      lose_page (self, node, loss->pages, random, from, synced, latest, scratch, octets->data + from);
  grow (octets, size);
  g_byte_array_set_size (octets, (guint) size);
  return octets;
}

/* How many names, over all directories and in their order, are there: the
 * operations before this one. */
static const FtOp *
choose_order (const FtDisk *self, GRand *random)
{
  return &g_array_index (self->recording->ops, FtOp, choose (random, self->recording->ops->len));
}

static GHashTable *
lose_entries (const Node *node, const FtLoss *loss, GRand *random, const FtOp *order)
{
  GHashTable *entries = copy_entries (node->entries);

  for (guint i = 0; i < node->pending->len; i++)
    {
      const FtOp *op = g_ptr_array_index (node->pending, i);

      if (loss->entries == FT_KEPT || (loss->entries == FT_ORDERED && op < order)
          || (loss->entries == FT_RANDOM && choose (random, 2) == 0))
        set_entry (entries, op);
    }
  return entries;
}

typedef struct
{
  const FtDisk *disk;
  const FtLoss *loss;
  GRand *random;
  const FtOp *order;
  GChecksum *checksum;
} State;

static void
write_file (const State *state, const Node *node, const gchar *path)
{
  g_autoptr (GByteArray) octets = lose_file (state->disk, node, state->loss, state->random);
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents_full (path, (const gchar *) octets->data, octets->len, G_FILE_SET_CONTENTS_NONE, 0600, &error))
    g_error ("%s", error->message);
  if (state->checksum != NULL)
    g_checksum_update (state->checksum, octets->data, octets->len);
}

static void
write_directory (const State *state, guint index, const gchar *path)
{
  const Node *node = g_ptr_array_index (state->disk->nodes, index);
  g_autoptr (GHashTable) entries = lose_entries (node, state->loss, state->random, state->order);
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (entries), (GCompareFunc) strcmp);

  ft_make_directory (path);
  for (GList *link = names; link != NULL; link = link->next)
    {
      const guint target = GPOINTER_TO_UINT (g_hash_table_lookup (entries, link->data)) - 1;
      const FtNode *to = g_ptr_array_index (state->disk->recording->nodes, target);
      g_autofree gchar *below = g_build_filename (path, link->data, NULL);

      if (state->checksum != NULL)
        g_checksum_update (state->checksum, (const guchar *) below + strlen (path), -1);
      if (to->is_directory)
        write_directory (state, target, below);
      else
        write_file (state, g_ptr_array_index (state->disk->nodes, target), below);
    }
}

void
ft_disk_write (const FtDisk *self, const FtLoss *loss, GRand *random, const gchar *directory, GChecksum *checksum)
{
  const State state = { self, loss, random, choose_order (self, random), checksum };

  write_directory (&state, 0, directory);
}
