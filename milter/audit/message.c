/* message.c - one message in the books: an id's generation and its recipients
 *
 * What it becomes is for verdict.c; what happens to it, for books.c.
 */
#include <config.h>

#include "milter/audit/message.h"

/* Room that comes with the message itself; enough for one recipient, so that a
 * message which is tried again takes no more. */
#define FIRST_BLOCK 120
#define FIRST_EVIDENCE (HF_EVIDENCE_MAX / HF_EVIDENCE_CHUNK * sizeof (HfEvidenceChunk))
#define NEXT_BLOCK 248

/* From here on recipients are looked up in a table. */
#define MANY_LEGS 16

/* Alias loops end here. */
#define EXPANSION_DEPTH 10

struct HfArenaBlock
{
  HfArenaBlock *next;
  guint32 used;
  guint32 size;
};

HfMessage *
hf_message_new (gboolean keeps_evidence)
{
  const gsize room = FIRST_BLOCK + (keeps_evidence ? FIRST_EVIDENCE : 0);
  HfMessage *self = g_malloc0 (sizeof *self + sizeof (HfArenaBlock) + room);

  self->arena = (HfArenaBlock *)(self + 1);
  self->arena->size = (guint32) room;
  return self;
}

void
hf_message_free (HfMessage *self)
{
  HfArenaBlock *block;

  if (self == NULL)
    return;
  for (HfLeg *leg = self->legs; leg != NULL; leg = leg->next)
    g_clear_pointer (&leg->detail, g_ref_string_release);
  g_clear_pointer (&self->leg_index, g_hash_table_unref);
  block = self->arena;
  while (block != (HfArenaBlock *)(self + 1))
    {
      HfArenaBlock *next = block->next;

      g_free (block);
      block = next;
    }
  g_free (self);
}

static gpointer
take_room (HfMessage *self, gsize bytes, gsize alignment)
{
  HfArenaBlock *block = self->arena;
  gsize start = (block->used + alignment - 1) & ~(alignment - 1);

  if (start + bytes > block->size)
    {
      gsize size = MAX (bytes, (gsize)NEXT_BLOCK);

      block = g_malloc0 (sizeof *block + size);
      block->size = (guint32)size;
      block->next = self->arena;
      self->arena = block;
      start = 0;
    }
  block->used = (guint32)(start + bytes);
  return (gchar *)(block + 1) + start;
}

const gchar *
hf_message_keep (HfMessage *self, HfSlice text)
{
  gchar *copy;

  if (text.at == NULL)
    return NULL;
  copy = take_room (self, text.length + 1, 1);
  if (text.length > 0)
    memcpy (copy, text.at, text.length);
  copy[text.length] = '\0';
  return copy;
}

static gboolean
is_text (const gchar *kept, HfSlice slice)
{
  if (kept == NULL || slice.at == NULL)
    return kept == NULL && slice.at == NULL;
  return strlen (kept) == slice.length && memcmp (kept, slice.at, slice.length) == 0;
}

static guint
leg_hash (gconstpointer key)
{
  const HfLeg *leg = key;

  return g_str_hash (leg->address) ^ (leg->orig != NULL ? g_str_hash (leg->orig) * 31 : 0);
}

static gboolean
leg_equal (gconstpointer a, gconstpointer b)
{
  const HfLeg *left = a, *right = b;

  return g_str_equal (left->address, right->address) && g_strcmp0 (left->orig, right->orig) == 0;
}

HfLeg *
hf_message_find_leg (const HfMessage *self, HfSlice address, HfSlice orig)
{
  if (self->leg_index != NULL)
    {
      g_autofree gchar *address_text = hf_slice_dup (address);
      g_autofree gchar *orig_text = hf_slice_dup (orig);
      HfLeg key = { .address = address_text, .orig = orig_text };

      return g_hash_table_lookup (self->leg_index, &key);
    }
  for (HfLeg *leg = self->legs; leg != NULL; leg = leg->next)
    if (is_text (leg->address, address) && is_text (leg->orig, orig))
      return leg;
  return NULL;
}

static void
append_leg (HfMessage *self, HfLeg *leg)
{
  if (self->last_leg != NULL)
    self->last_leg->next = leg;
  else
    self->legs = leg;
  self->last_leg = leg;
  self->n_legs++;
}

HfLeg *
hf_message_add_leg (HfMessage *self, HfSlice address, HfSlice orig)
{
  HfLeg *leg = take_room (self, sizeof *leg, sizeof (gpointer));

  leg->address = hf_message_keep (self, address);
  leg->orig = hf_message_keep (self, orig);
  append_leg (self, leg);
  if (self->n_legs == MANY_LEGS)
    {
      self->leg_index = g_hash_table_new (leg_hash, leg_equal);
      for (HfLeg *old = self->legs; old != NULL; old = old->next)
        if (!g_hash_table_contains (self->leg_index, old))
          g_hash_table_add (self->leg_index, old);
    }
  else if (self->leg_index != NULL)
    g_hash_table_add (self->leg_index, leg);
  return leg;
}

HfLeg *
hf_message_add_twin (HfMessage *self, HfLeg *leg)
{
  HfLeg *twin = take_room (self, sizeof *twin, sizeof (gpointer));

  twin->address = leg->address;
  twin->orig = leg->orig;
  twin->local = leg->local;
  twin->is_twin = TRUE;
  twin->twin = leg->twin;
  leg->twin = twin;
  append_leg (self, twin);
  return twin;
}

void
hf_leg_set_detail (HfLeg *leg, HfSlice text)
{
  g_autofree gchar *copy = NULL;

  if (leg->detail != NULL && is_text (leg->detail, text))
    return;
  g_clear_pointer (&leg->detail, g_ref_string_release);
  if (text.at == NULL)
    return;
  copy = hf_slice_dup (text);
  leg->detail = g_ref_string_new_intern (copy);
}

HfChild *
hf_message_add_child (HfMessage *self, HfSlice queue_id, HfLink link)
{
  HfChild *child, **end;

  for (end = &self->children; *end != NULL; end = &(*end)->next)
    if (is_text ((*end)->queue_id, queue_id))
      return *end;
  child = take_room (self, sizeof *child, sizeof (gpointer));
  child->queue_id = hf_message_keep (self, queue_id);
  child->link = link;
  *end = child;
  return child;
}

const HfChild *
hf_message_find_child (const HfMessage *self, const gchar *queue_id)
{
  for (const HfChild *child = self->children; child != NULL; child = child->next)
    if (g_strcmp0 (child->queue_id, queue_id) == 0)
      return child;
  return NULL;
}

void
hf_message_add_parent (HfMessage *self, HfMessage *parent, HfChild *child)
{
  HfParent *one = take_room (self, sizeof *one, sizeof (gpointer));

  one->message = parent;
  one->child = child;
  one->next = self->parents;
  self->parents = one;
}

/* ":include:/etc/mail/staff", or a list that Sendmail shortened to "a@b, c@d...y@z". */
static gboolean
has_open_end (HfSlice to)
{
  return hf_slice_find (to, ":include:") >= 0 || hf_slice_find (to, "...") >= 0;
}

void
hf_message_add_expansion (HfMessage *self, HfSlice from, HfSlice to, gboolean direct)
{
  HfExpansion *expansion, **end;

  for (end = &self->expansions; *end != NULL; end = &(*end)->next)
    if (is_text ((*end)->from, from))
      return;
  expansion = take_room (self, sizeof *expansion, sizeof (gpointer));
  expansion->from = hf_message_keep (self, from);
  expansion->to = hf_message_keep (self, to);
  expansion->direct = direct;
  expansion->open_end = has_open_end (to);
  *end = expansion;
}

static gboolean
expands_to (const HfExpansion *expansion, const gchar *address)
{
  HfSlice list = hf_slice (expansion->to);
  HfSlice item;

  while (hf_log_next_address (&list, &item))
    if (hf_slice_is (item, address))
      return TRUE;
  return FALSE;
}

void
hf_message_add_named (HfMessage *self, const gchar *address)
{
  HfNamed *named;

  for (named = self->named; named != NULL; named = named->next)
    if (g_str_equal (named->address, address))
      return;
  named = take_room (self, sizeof *named, sizeof (gpointer));
  named->address = hf_message_keep (self, hf_slice (address));
  named->next = self->named;
  self->named = named;
}

/* "\\joe" is joe without his aliases. */
static HfSlice
without_backslash (HfSlice name)
{
  while (name.length > 0 && name.at[0] == '\\')
    name = (HfSlice){ name.at + 1, name.length - 1 };
  return name;
}

/* The same, or one is the other without its domain. */
static gboolean
goes_by (const gchar *address, HfSlice name)
{
  const HfSlice a = without_backslash (hf_slice (address)), b = without_backslash (name);
  const HfSlice longer = a.length > b.length ? a : b, shorter = a.length > b.length ? b : a;

  return g_ascii_strncasecmp (longer.at, shorter.at, shorter.length) == 0
         && (longer.length == shorter.length || (longer.at[shorter.length] == '@' && hf_slice_find (shorter, "@") < 0));
}

static gboolean
is_named_by_any (const HfMessage *self, HfSlice name)
{
  for (const HfLeg *leg = self->legs; leg != NULL; leg = leg->next)
    if (goes_by (leg->address, name))
      return TRUE;
  for (const HfNamed *named = self->named; named != NULL; named = named->next)
    if (goes_by (named->address, name))
      return TRUE;
  /* who sends to a list that he is on may be left out (MeToo) */
  return self->sender != NULL && goes_by (self->sender, name);
}

static const HfExpansion *
find_expansion (const HfMessage *self, HfSlice from)
{
  for (const HfExpansion *it = self->expansions; it != NULL; it = it->next)
    if (goes_by (it->from, from) && from.at[0] != '\\')
      return it;
  return NULL;
}

static gboolean
lacks_name (const HfMessage *self, const HfExpansion *expansion, guint depth)
{
  HfSlice list = hf_slice (expansion->to), item;

  while (!expansion->open_end && depth < EXPANSION_DEPTH && hf_log_next_address (&list, &item))
    {
      const HfExpansion *next = find_expansion (self, item);

      if (next != NULL && next != expansion)
        {
          if (lacks_name (self, next, depth + 1))
            return TRUE;
        }
      /* "error:…" names nobody */
      else if (hf_slice_find (item, ":") < 0 && !is_named_by_any (self, item))
        return TRUE;
    }
  return FALSE;
}

gboolean
hf_message_lacks_name (const HfMessage *self, const gchar *address)
{
  for (const HfExpansion *it = self->expansions; it != NULL; it = it->next)
    if (goes_by (address, hf_slice (it->from)) && lacks_name (self, it, 0))
      return TRUE;
  return FALSE;
}

const gchar *
hf_message_root_of (const HfMessage *self, const gchar *address)
{
  const gchar *root = NULL;

  for (guint depth = 0; depth < EXPANSION_DEPTH; depth++)
    {
      const HfExpansion *expansion = self->expansions;

      while (expansion != NULL
             && (g_str_equal (expansion->from, address) || !expands_to (expansion, address)))
        expansion = expansion->next;
      if (expansion == NULL)
        return root;
      root = expansion->from;
      address = root;
    }
  return root;
}

const gchar *
hf_message_open_root_of (const HfMessage *self, const gchar *root, HfSlice controller)
{
  const gchar *only = NULL;
  guint number = 0;

  for (const HfExpansion *it = self->expansions; it != NULL; it = it->next)
    {
      if (root != NULL && it->direct && g_str_equal (it->from, root))
        return root;
      if (!it->direct || !it->open_end)
        continue;
      if (is_text (it->from, controller))
        return it->from;
      only = it->from;
      number++;
    }
  return number == 1 ? only : root;
}

static HfEvidence *
evidence_at (const HfMessage *self, guint index)
{
  HfEvidenceChunk *chunk = self->evidence;

  for (; index >= HF_EVIDENCE_CHUNK; index -= HF_EVIDENCE_CHUNK)
    chunk = chunk->next;
  return &chunk->item[index];
}

/* Where the @n-th line told is kept: the first ones stay, the last go round. */
static guint
evidence_slot (guint32 n)
{
  if (n < HF_EVIDENCE_FIRST)
    return n;
  return HF_EVIDENCE_FIRST + (n - HF_EVIDENCE_FIRST) % (HF_EVIDENCE_MAX - HF_EVIDENCE_FIRST);
}

void
hf_message_add_evidence (HfMessage *self, const HfLogEvent *event)
{
  guint32 n = self->n_evidence++;
  HfEvidence *item;

  if (n < HF_EVIDENCE_MAX && n % HF_EVIDENCE_CHUNK == 0)
    {
      HfEvidenceChunk **end = &self->evidence;

      while (*end != NULL)
        end = &(*end)->next;
      *end = take_room (self, sizeof **end, sizeof (gpointer));
    }
  item = evidence_at (self, evidence_slot (n));
  item->offset = event->at.offset & ((G_GUINT64_CONSTANT (1) << 48) - 1);
  item->file = event->at.file;
  item->line = event->at.line;
  item->kind = (guint8)event->kind;
  item->fate = (guint8)event->fate;
}

guint
hf_message_n_evidence (const HfMessage *self)
{
  return MIN (self->n_evidence, HF_EVIDENCE_MAX);
}

const HfEvidence *
hf_message_evidence (const HfMessage *self, guint index)
{
  guint kept = hf_message_n_evidence (self);

  if (index < HF_EVIDENCE_FIRST)
    return evidence_at (self, index);
  return evidence_at (self, evidence_slot (self->n_evidence - kept + index));
}

/* Recipients that the queue file is known to have had. */
static guint32
count_expected (const HfMessage *self)
{
  if (self->has_expected)
    return self->expected;
  if (self->session_rcpts > 0)
    return self->session_rcpts;
  return self->covered > 0 ? self->covered : 1;
}

guint32
hf_message_count_rest (const HfMessage *self)
{
  guint32 expected, covered = self->covered;

  if (!self->opened)
    return 0;
  /* Sendmail merges a recipient with the same address out of an alias */
  if (self->mta == HF_MTA_SENDMAIL && self->closed != HF_CLOSED_NOT)
    covered += self->expanded;
  expected = count_expected (self);
  return expected > covered ? expected - covered : 0;
}

guint32
hf_message_count_before (const HfMessage *self)
{
  if (self->opened || !self->has_expected || self->expected <= self->covered)
    return 0;
  return self->expected - self->covered;
}

static gboolean
is_named (const HfMessage *self, const gchar *address)
{
  for (const HfLeg *leg = self->legs; leg != NULL; leg = leg->next)
    if (!leg->refused
        && (g_str_equal (leg->address, address) || g_strcmp0 (leg->orig, address) == 0))
      return TRUE;
  return FALSE;
}

const gchar *
hf_message_rest_name (const HfMessage *self, guint32 index)
{
  for (const HfExpansion *expansion = self->expansions; expansion != NULL; expansion = expansion->next)
    if (hf_message_root_of (self, expansion->from) == NULL && !is_named (self, expansion->from)
        && index-- == 0)
      return expansion->from;
  if (index == 0 && self->hint != NULL && !is_named (self, self->hint))
    return self->hint;
  return NULL;
}
