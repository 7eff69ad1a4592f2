/* test-damage.c - whatever happens to a segment: what was not touched is found, what was is never whole
 *
 * Segments of random records get random damage, with fixed seeds.  Held are:
 *
 *   - a record of which no octet was touched is found, whole
 *   - what is found whole is octet for octet a record that was written, but
 *     for its chain, which is evidence and no part of what makes it valid
 *   - items neither overlap nor go back, and the reader comes to an end
 *   - nothing outside of the file and its limit is looked at
 *
 * A reader that sees no digests, and one that stops at the first fault, are
 * tried the same way, and have to be found out.
 */
#include <config.h>

#include "milter/base/sys.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_RECORDS 24

/* ---- segments ---- */

typedef struct
{
  gsize start;
  gsize size;
} Range;

typedef struct
{
  KitSegment segment;
  Range records[MOST_RECORDS];
  guint n;
} Made;

/* Texts that look like what they are not. */
static const gchar *const snippets[]
  = { "\r\n.\r\n", "NOOP holdfast-message nonce=", "NOOP holdfast-end nonce=00000000000000000000000000abc001 seq=1\r\n",
      "\r\nNOOP\r\n", "MAIL FROM:<>\r\n", "DATA\r\n", "\0\0\0\0", "\xff\xfe", "\n.\n", "\r\r\n", "text ", "." };

static void
append_noise (GString *text, GRand *random, gsize size)
{
  while (text->len < size)
    {
      const guint which = g_rand_int_range (random, 0, G_N_ELEMENTS (snippets) + 2);

      if (which == 6)
        g_string_append_len (text, snippets[6], 4);
      else if (which < G_N_ELEMENTS (snippets))
        g_string_append (text, snippets[which]);
      else
        g_string_append_c (text, (gchar) g_rand_int_range (random, 0, 256));
    }
  g_string_truncate (text, size);
}

static void
make (Made *self, GRand *random)
{
  memset (self, 0, sizeof *self);
  kit_segment_init (&self->segment, 1, NULL);
  self->n = (guint) g_rand_int_range (random, 3, MOST_RECORDS + 1);
  for (guint i = 0; i < self->n; i++)
    {
      g_autoptr (GString) message = g_string_new (NULL);
      const gsize large = g_rand_int_range (random, 0, 6) == 0 ? 40000 : 900;

      append_noise (message, random, (gsize) g_rand_int_range (random, 0, (gint32) large));
      self->records[i].start = self->segment.text->len;
      kit_segment_message (&self->segment, i + 1, message->str, (gssize) message->len);
      self->records[i].size = self->segment.text->len - self->records[i].start;
      if (g_rand_int_range (random, 0, 3) == 0)
        kit_segment_pad (&self->segment);
      if (g_rand_int_range (random, 0, 4) == 0)
        kit_segment_void (&self->segment, i + 1, 1);
    }
  kit_segment_pad (&self->segment);
  if (g_rand_boolean (random))
    kit_segment_end (&self->segment);
  g_string_set_size (self->segment.text, self->segment.text->len + 10000);
  memset (self->segment.text->str + self->segment.text->len - 10000, 0, 10000);
}

/* ---- damage ---- */

typedef enum
{
  FLIP,  /* a bit */
  OCTET, /* one octet becomes another */
  ZERO,  /* a range becomes NULs */
  NOISE, /* a range becomes anything */
  CUT,   /* the file ends */
  DROP,  /* a range is taken out */
  DOUBLE, /* a range comes twice */
  SWAP,  /* two blocks change places */
  N_DEEDS,
} Deed;

/* Does one deed to @text.  Record @i is touched when its octets are no longer
 * there in one piece, which is found out by looking for them. */
static void
damage (GString *text, GRand *random, Deed deed)
{
  const gsize at = (gsize) g_rand_int_range (random, 0, (gint32) text->len);
  const gsize most = MIN (text->len - at, 6000);
  const gsize size = most > 1 ? (gsize) g_rand_int_range (random, 1, (gint32) most) : 1;
  g_autofree gchar *piece = g_memdup2 (text->str + at, size);

  switch (deed)
    {
    case FLIP:
      text->str[at] ^= (gchar) (1 << g_rand_int_range (random, 0, 8));
      break;
    case OCTET:
      text->str[at] = "\r\nN.0 =+"[g_rand_int_range (random, 0, 8)];
      break;
    case ZERO:
      memset (text->str + at, 0, size);
      break;
    case NOISE:
      for (gsize i = 0; i < size; i++)
        text->str[at + i] = (gchar) g_rand_int_range (random, 0, 256);
      break;
    case CUT:
      g_string_truncate (text, at);
      break;
    case DROP:
      g_string_erase (text, (gssize) at, (gssize) size);
      break;
    case DOUBLE:
      g_string_insert_len (text, (gssize) at, piece, (gssize) size);
      break;
    default:
      if (text->len >= HF_BLOCK)
      {
        const gsize blocks = text->len / HF_BLOCK;
        const gsize one = (gsize) g_rand_int_range (random, 0, (gint32) blocks) * HF_BLOCK;
        const gsize other = (gsize) g_rand_int_range (random, 0, (gint32) blocks) * HF_BLOCK;
        g_autofree gchar *block = g_memdup2 (text->str + one, HF_BLOCK);

        memmove (text->str + one, text->str + other, HF_BLOCK);
        memcpy (text->str + other, block, HF_BLOCK);
      }
    }
}

/* ---- what a reader finds ---- */

/* What is done for the controls. */
typedef enum
{
  RIGHT,
  NO_DIGESTS,
  FIRST_FAULT,
} Reader;

static struct
{
  guint cases;
  guint touched; /* records */
  guint found;
  guint wrong;   /* cases */
} figures;

static guint64 asked_limit = G_MAXUINT64;
static gboolean asked_too_much;

static ssize_t
watched_pread (int fd, void *data, size_t size, off_t offset)
{
  if ((guint64) offset + size > asked_limit)
    asked_too_much = TRUE;
  return hf_sys_real.pread (fd, data, size, offset);
}

/* The record at @at is @record of what was made, but perhaps for its chain. */
static gboolean
is_same (const Made *made, const Range *record, const GString *text, gsize at, gsize size)
{
  const gsize chain = record->size - 2 - HF_DIGEST_HEX;
  const gchar *was = made->segment.text->str + record->start;

  return size == record->size && memcmp (was, text->str + at, chain) == 0
         && memcmp (was + record->size - 2, text->str + at + record->size - 2, 2) == 0;
}

static gboolean
check_item (const Made *made, const GString *text, const HfItem *item, gboolean *found)
{
  const guint number = item->has_facts ? kit_number (&item->facts.id) : 0;

  if (!item->whole || item->kind != HF_ITEM_MESSAGE)
    return TRUE;
  if (number == 0 || number > made->n
      || !is_same (made, &made->records[number - 1], text, (gsize) item->offset, (gsize) item->length))
    return FALSE;
  found[number] = TRUE;
  return TRUE;
}

/* Returns: what is wrong, or NULL. */
static const gchar *
check (const Made *made, const GString *text, Reader how, gboolean *found)
{
  const HfReadFlags flags = HF_READ_RECIPIENTS | (how == NO_DIGESTS ? HF_READ_SKIM : 0);
  const gchar *wrong = NULL;
  int fd = memfd_create ("damaged", MFD_CLOEXEC);
  gboolean end = FALSE;
  guint64 behind = 0;
  guint items = 0;
  HfReader reader;
  HfItem item;

  g_assert_true (fd >= 0 && pwrite (fd, text->str, text->len, 0) == (gssize) text->len);
  asked_limit = text->len;
  asked_too_much = FALSE;
  hf_item_init (&item);
  /* `open` or the next header knows the nonce */
  g_assert_true (hf_reader_init (&reader, fd, text->len, flags, &made->segment.nonce, NULL));
  while (wrong == NULL && hf_reader_next (&reader, &item, &end, NULL) && !end)
    {
      if (item.offset < behind || item.length == 0 || item.offset + item.length > text->len)
        wrong = "items overlap, or lie outside";
      else if (++items > text->len)
        wrong = "no end";
      else if (!check_item (made, text, &item, found))
        wrong = "whole, but not as it was written";
      behind = item.offset + item.length;
      if (how == FIRST_FAULT && !item.whole)
        {
          end = TRUE;
          break;
        }
    }
  if (wrong == NULL && !end)
    wrong = "an error";
  if (asked_too_much)
    wrong = "looked behind the limit";
  asked_limit = G_MAXUINT64;
  hf_reader_clear (&reader);
  hf_item_clear (&item);
  hf_sys_close (&fd);
  return wrong;
}

/* All octets of a record still stand in one piece. */
static gboolean
is_untouched (const Made *made, const Range *record, const GString *text)
{
  return memmem (text->str, text->len, made->segment.text->str + record->start, record->size) != NULL;
}

/* Returns: what is wrong, or NULL; @out_missing: records that were not touched and are not found. */
static const gchar *
try (guint32 seed, guint deeds, Reader how, guint *out_missing)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  g_autoptr (GString) text = NULL;
  gboolean found[MOST_RECORDS + 1] = { FALSE };
  const gchar *wrong;
  Made made;

  make (&made, random);
  text = g_string_new_len (made.segment.text->str, (gssize) made.segment.text->len);
  for (guint i = 0; i < deeds && text->len > 0; i++)
    damage (text, random, (Deed) g_rand_int_range (random, 0, N_DEEDS));
  wrong = check (&made, text, how, found);
  *out_missing = 0;
  for (guint i = 0; i < made.n; i++)
    {
      const gboolean untouched = is_untouched (&made, &made.records[i], text);

      *out_missing += untouched && !found[i + 1];
      figures.touched += !untouched;
      figures.found += found[i + 1];
    }
  figures.cases++;
  kit_segment_clear (&made.segment);
  return wrong;
}

static void
run (guint32 seed, guint deeds)
{
  g_autofree gchar *row = g_strdup_printf ("seed %u, %u deeds", seed, deeds);
  guint missing;
  const gchar *wrong = try (seed, deeds, RIGHT, &missing);

  figures.wrong += wrong != NULL || missing > 0;
  if (wrong != NULL)
    tap_check_str (row, wrong, NULL);
  if (missing > 0)
    tap_check_int (row, missing, 0);
}

/* Readers with a defect: some damage has to show it. */
static void
test_controls (void)
{
  guint wrong = 0, missing = 0;

  for (guint32 seed = 1000; seed < 1300; seed++)
    {
      guint not_found;

      wrong += try (seed, 1, NO_DIGESTS, &not_found) != NULL;
      try (seed, 1, FIRST_FAULT, &not_found);
      missing += not_found > 0;
    }
  tap_check ("a reader that sees no digests", wrong > 0);
  tap_check ("a reader that stops at the first fault", missing > 0);
}

static void
say_figures (void)
{
  printf ("# %u segments, %u records touched, %u found whole, %u wrong\n", figures.cases, figures.touched, figures.found,
          figures.wrong);
}

static void
test_none (void)
{
  for (guint32 seed = 1; seed <= 30; seed += TAP_STRIDE)
    run (seed, 0);
}

static void
test_one_deed (void)
{
  for (guint32 seed = 1000; seed < 1000 + 1500; seed += TAP_STRIDE)
    run (seed, 1);
}

static void
test_many_deeds (void)
{
  for (guint32 seed = 5000; seed < 5000 + 700; seed += TAP_STRIDE)
    run (seed, 2 + seed % 12);
  say_figures ();
}

/* Files that were never segments. */
static void
test_noise (void)
{
  for (guint32 seed = 9000; seed < 9100; seed += TAP_STRIDE)
    {
      g_autoptr (GRand) random = g_rand_new_with_seed (seed);
      g_autoptr (GString) text = g_string_new (NULL);
      g_autofree gchar *row = g_strdup_printf ("seed %u", seed);
      gboolean found[MOST_RECORDS + 1] = { FALSE };
      Made made;

      make (&made, random);
      made.n = 0; /* nothing in it may be found whole */
      append_noise (text, random, (gsize) g_rand_int_range (random, 0, 30000));
      tap_check_str (row, check (&made, text, RIGHT, found), NULL);
      kit_segment_clear (&made.segment);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "none", test_none },
    { "one-deed", test_one_deed },
    { "many-deeds", test_many_deeds },
    { "noise", test_noise },
    { "controls", test_controls },
    { NULL, NULL },
  };

  hf_sys.pread = watched_pread;
  return tap_run ("damage", tests, argc, argv);
}
