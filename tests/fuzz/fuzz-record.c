/* fuzz-record.c - any octets as a segment: the reader ends, and what it calls whole keeps the rules
 *
 * An input is a text that bake.h makes a segment of.  It is read as recovery
 * and `verify` do, and as `list` does its first pass, with and without the
 * nonce from elsewhere.  Items come in order, none overlaps another, none
 * reaches behind the file; each that is whole is held against rules.h.
 */
#include <config.h>

#include "milter/base/sys.h"
#include "milter/journal/reader.h"
#include "tests/fuzz/bake.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);

/* The file: the segment that was baked. */
static const GByteArray *file;
static gboolean is_control; /* an octet of each message is taken for another: that must be reported */

static ssize_t
pread_file (int fd, void *data, size_t size, off_t offset)
{
  if ((guint64) offset >= file->len)
    return 0;
  size = MIN (size, file->len - (gsize) offset);
  memcpy (data, file->data + offset, size);
  return (ssize_t) size;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  is_control = g_strcmp0 (g_getenv ("HOLDFAST_FUZZ_CONTROL"), "1") == 0;
  hf_sys.pread = pread_file;
  return 0;
}

static void G_GNUC_PRINTF (2, 3) G_GNUC_NORETURN
report (const HfItem *item, const gchar *format, ...)
{
  va_list args;

  fprintf (stderr, "item at %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " octets: ", item->offset, item->length);
  va_start (args, format);
  vfprintf (stderr, format, args);
  va_end (args);
  fputc ('\n', stderr);
  abort ();
}

static gboolean
collect (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_byte_array_append (user_data, data, (guint) size);
  return TRUE;
}

/* The message as `show` gives it. */
static GByteArray *
copy_of (HfReader *reader, HfItem *item)
{
  const guint64 behind = reader->window.position;
  GByteArray *copy = g_byte_array_new ();

  if (!hf_record_copy_message (&reader->window, item, collect, copy, NULL))
    report (item, "a whole message can't be copied");
  reader->window.position = behind;
  if (is_control && copy->len > 0)
    copy->data[copy->len / 2] ^= 1;
  return copy;
}

static void
check_message (HfReader *reader, HfItem *item)
{
  const gchar *rule = NULL;
  guint64 open = 0; /* recipients with a RCPT line; the others were settled when it was carried forward */
  g_autoptr (GByteArray) message
    = rules_message (file->data + item->offset, (gsize) item->length, reader->nonce.text, &rule);
  g_autoptr (GByteArray) copy = copy_of (reader, item);

  if (message == NULL)
    report (item, "whole, though it breaks %s", rule);
  if (copy->len != message->len || (copy->len > 0 && memcmp (copy->data, message->data, copy->len) != 0))
    report (item, "the message has %u octets and the copy %u, or they differ", message->len, copy->len);
  for (guint i = 0; i < item->recipients->len; i++)
    open += g_array_index (item->recipients, HfPath, i).state == NULL;
  if (open != item->facts.rcpts)
    report (item, "%" G_GUINT64_FORMAT " recipients, not %" G_GUINT64_FORMAT, open, item->facts.rcpts);
}

static void
check_whole (HfReader *reader, HfItem *item)
{
  if (item->kind == HF_ITEM_MESSAGE)
    check_message (reader, item);
  else if (!rules_alone (file->data + item->offset, (gsize) item->length))
    report (item, "whole, though its digest is wrong");
}

/* @gone: octets behind the end that are said to have been written. */
static void
read_all (HfReadFlags flags, const HfNonce *fallback, guint64 gone)
{
  HfReader reader;
  HfItem item;
  guint64 behind = 0;
  gboolean end = FALSE;

  hf_item_init (&item);
  if (!hf_reader_init (&reader, 0, file->len, flags | HF_READ_RECIPIENTS, fallback, NULL))
    abort ();
  reader.written = file->len + gone;
  while (hf_reader_next (&reader, &item, &end, NULL) && !end)
    {
      if (item.offset < behind || item.length == 0)
        report (&item, "begins in front of %" G_GUINT64_FORMAT, behind);
      behind = item.offset + item.length;
      if (behind > file->len + gone)
        report (&item, "reaches behind the file's %u octets", file->len);
      if (item.whole && behind > file->len)
        report (&item, "whole, and not all there");
      if (item.whole && (flags & HF_READ_SKIM) == 0)
        check_whole (&reader, &item);
      if (!item.whole && item.fault == NULL)
        report (&item, "not whole, and no fault is named");
    }
  if (!end)
    abort ();
  hf_reader_clear (&reader);
  hf_item_clear (&item);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const HfNonce nonce = { BAKE_NONCE };
  g_autoptr (GByteArray) baked = bake (data, size);

  file = baked;
  read_all (HF_READ_VERIFY, NULL, 0);
  read_all (HF_READ_VERIFY, &nonce, 0);
  read_all (HF_READ_SKIM, &nonce, 5000);
  return 0;
}
