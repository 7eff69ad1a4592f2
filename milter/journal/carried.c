/* carried.c - records carried forward, so that the segments they kept can go; see carried.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/carried.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NEW_NAME "new"
#define BUFFER_SIZE (256 * 1024)

/* What the record has to be when it is read back. */
typedef struct
{
  HfDigest message;
  guint64 bytes;
  guint recipients;
} Expected;

struct HfCarried
{
  int dir_fd;
  int fd;
  gboolean is_there; /* NEW_NAME is ours */
  guint64 seq;
  HfNonce nonce;
  GString *buffer;
  guint64 flushed;   /* octets in the file */
  HfDigest chain;
  HfHash hash;
  HfWire wire;
  GArray *records;   /* of HfCarriedRecord */
  GArray *expected;  /* of Expected, likewise */
};

/* ---- beginning ---- */

static gboolean
open_directory (HfCarried *self, const gchar *spool, GError **error)
{
  int spool_fd = hf_sys.open (spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  gboolean ok = FALSE;

  if (spool_fd < 0)
    return hf_error_set_errno (error, errno, "carry-open", "cannot open spool '%s'", spool);
  if (hf_sys.mkdirat (spool_fd, HF_CARRIED_DIRECTORY, 0700) < 0 && errno != EEXIST)
    hf_error_set_errno (error, errno, "carry-open", "cannot make directory '%s'", HF_CARRIED_DIRECTORY);
  else if (hf_sys.fsync (spool_fd) < 0) /* each time: a crash may have come between the two */
    hf_error_set_errno (error, errno, "carry-sync", "cannot sync the spool's directory");
  else if ((self->dir_fd = hf_sys.openat (spool_fd, HF_CARRIED_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)) < 0)
    hf_error_set_errno (error, errno, "carry-open", "cannot open directory '%s'", HF_CARRIED_DIRECTORY);
  else
    ok = hf_directory_adopt (spool_fd, self->dir_fd, error);
  hf_sys_close (&spool_fd);
  return ok;
}

static gboolean
open_file (HfCarried *self, GError **error)
{
  if (hf_sys.unlinkat (self->dir_fd, NEW_NAME, 0) < 0 && errno != ENOENT)
    return hf_error_set_errno (error, errno, "carry-open", "cannot remove what an earlier run left unfinished");
  self->fd = hf_sys.openat (self->dir_fd, NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->fd < 0)
    return hf_error_set_errno (error, errno, "carry-open", "cannot create a segment to carry mail to");
  self->is_there = TRUE;
  return hf_directory_adopt (self->dir_fd, self->fd, error);
}

static gboolean
choose_seq (HfCarried *self, const gchar *spool, guint64 least, GError **error)
{
  g_autoptr (GArray) seqs = hf_carried_list (spool, error);

  if (seqs == NULL)
    return FALSE;
  self->seq = MAX (least, HF_CARRIED_FIRST);
  if (seqs->len > 0)
    self->seq = MAX (self->seq, g_array_index (seqs, guint64, seqs->len - 1) + 1);
  return TRUE;
}

static gboolean
no_digest (GError **error)
{
  return hf_error_set (error, HF_ERROR_IO, "carry-digest", "no memory for a digest");
}

static gboolean
write_header (HfCarried *self, const gchar *instance, GError **error)
{
  HfStatementBuilder builder;
  gchar created[25];

  hf_nonce_new (&self->nonce);
  hf_time_format (hf_sys_wall_ms (), created);
  hf_statement_begin (&builder, self->buffer, "segment");
  hf_statement_add_number (&builder, "v", HF_FORMAT_VERSION);
  hf_statement_add (&builder, "host", g_get_host_name (), -1);
  hf_statement_add (&builder, "instance", instance != NULL && instance[0] != '\0' ? instance : NULL, -1);
  hf_statement_add_number (&builder, "seq", self->seq);
  hf_statement_add (&builder, "nonce", self->nonce.text, -1);
  hf_statement_add (&builder, "created", created, -1);
  hf_statement_add (&builder, "previous", "none", -1);
  hf_statement_add_number (&builder, "carried", 1);
  hf_statement_end (&builder);
  if (!hf_record_end_alone (self->buffer, 0, &self->hash))
    return no_digest (error);
  hf_record_write_padding (self->buffer, self->buffer->len);
  return TRUE;
}

HfCarried *
hf_carried_new (const gchar *spool, const gchar *instance, guint64 least, GError **error)
{
  g_autoptr (HfCarried) self = g_new0 (HfCarried, 1);

  self->dir_fd = self->fd = -1;
  self->buffer = g_string_sized_new (BUFFER_SIZE);
  self->records = g_array_new (FALSE, FALSE, sizeof (HfCarriedRecord));
  self->expected = g_array_new (FALSE, FALSE, sizeof (Expected));
  if (!open_directory (self, spool, error) || !choose_seq (self, spool, least, error) || !open_file (self, error)
      || !write_header (self, instance, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
hf_carried_free (HfCarried *self)
{
  if (self == NULL)
    return;
  if (self->is_there)
    hf_sys.unlinkat (self->dir_fd, NEW_NAME, 0);
  hf_sys_close (&self->fd);
  hf_sys_close (&self->dir_fd);
  hf_hash_clear (&self->hash);
  g_string_free (self->buffer, TRUE);
  g_array_unref (self->records);
  g_array_unref (self->expected);
  g_free (self);
}

const GArray *
hf_carried_records (const HfCarried *self)
{
  return self->records;
}

/* ---- writing ---- */

static gboolean
flush (HfCarried *self, GError **error)
{
  if (hf_sys_pwrite_all (self->fd, self->buffer->str, self->buffer->len, (off_t) self->flushed) < 0)
    return hf_error_set_errno (error, errno, "carry-write", "cannot write the segment that mail is carried to");
  self->flushed += self->buffer->len;
  g_string_truncate (self->buffer, 0);
  return TRUE;
}

static gboolean
take_octets (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  HfCarried *self = user_data;

  g_string_append_len (self->buffer, data, (gssize) size);
  return self->buffer->len < BUFFER_SIZE || flush (self, error);
}

static gboolean
take_message (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  HfCarried *self = user_data;

  return hf_wire_stuff (&self->wire, data, size, take_octets, self, error);
}

static guint64
count_open (const GArray *fates)
{
  guint64 open = 0;

  for (guint i = 0; i < fates->len; i++)
    open += g_array_index (fates, HfCarriedFate, i).state == NULL;
  return open;
}

static void
write_mail (HfCarried *self, const HfItem *item)
{
  g_autofree gchar *address = g_strdup_printf ("<%s>", item->sender.address);
  const gchar *argv[] = { address, NULL, NULL, NULL };
  guint n = 1;

  if (item->sender.params[0] != '\0')
    argv[n++] = item->sender.params;
  if (item->mail_hidden != NULL)
    argv[n++] = item->mail_hidden;
  hf_record_write_mail (self->buffer, argv);
}

static void
write_rcpt (HfCarried *self, const HfPath *path, const HfCarriedFate *fate)
{
  g_autofree gchar *address = g_strdup_printf ("<%s>", path->address);
  const gchar *argv[] = { address, path->params[0] != '\0' ? path->params : NULL, NULL };

  if (fate->state == NULL)
    hf_record_write_rcpt (self->buffer, argv);
  else
    hf_record_write_settled (self->buffer, path, fate->state, fate->outcome, fate->since_ms);
}

/* Everything up to and with DATA's line, and its digest. */
static gboolean
write_envelope (HfCarried *self, const HfItem *item, const GArray *fates, HfDigest *out_digest, GError **error)
{
  const gsize begin = self->buffer->len;
  HfFacts facts = item->facts; /* borrows its strings */

  facts.rcpts = count_open (fates);
  hf_record_write_facts (self->buffer, &self->nonce, &facts, 1);
  write_mail (self, item);
  for (guint i = 0; i < fates->len; i++)
    write_rcpt (self, &g_array_index (item->recipients, HfPath, i), &g_array_index (fates, HfCarriedFate, i));
  g_string_append (self->buffer, "DATA\r\n");
  return (hf_hash_begin (&self->hash) && hf_hash_add (&self->hash, self->buffer->str + begin, self->buffer->len - begin)
          && hf_hash_end (&self->hash, &item->salt, out_digest))
         || no_digest (error);
}

gboolean
hf_carried_add (HfCarried *self, HfView *view, const HfViewEntry *entry, const GArray *fates, GError **error)
{
  const HfItem *item = entry->item;
  HfCarriedRecord record = { .id = item->facts.id, .offset = self->flushed + self->buffer->len };
  const Expected expected = { item->message, item->facts.bytes, item->recipients->len };
  HfDigest envelope;

  g_assert (entry->copy == HF_COPY_WHOLE && fates->len == item->recipients->len);
  hf_wire_init (&self->wire);
  if (!write_envelope (self, item, fates, &envelope, error) || !hf_view_copy_message (view, entry, take_message, self, error))
    return FALSE;
  if (!hf_wire_ends_line (&self->wire))
    g_string_append (self->buffer, "\r\n");
  g_string_append (self->buffer, ".\r\n");
  if (!hf_record_chain (&self->hash, &self->chain, &envelope, &item->message, &self->chain))
    return no_digest (error);
  hf_record_write_seal (self->buffer, &self->nonce, &item->facts.id, &item->salt, &item->message, &envelope, &self->chain);
  record.length = self->flushed + self->buffer->len - record.offset;
  g_array_append_val (self->records, record);
  g_array_append_val (self->expected, expected);
  return TRUE;
}

/* ---- finishing ---- */

static gboolean
is_expected (const HfCarried *self, const HfItem *item, guint index)
{
  const HfCarriedRecord *record = &g_array_index (self->records, HfCarriedRecord, index);
  const Expected *expected = &g_array_index (self->expected, Expected, index);

  return item->kind == HF_ITEM_MESSAGE && item->whole && item->offset == record->offset && item->length == record->length
         && strcmp (item->facts.id.text, record->id.text) == 0 && item->facts.bytes == expected->bytes
         && item->recipients->len == expected->recipients && hf_digest_equal (&item->message, &expected->message);
}

static gboolean
read_records (HfCarried *self, HfReader *reader, HfItem *item, GError **error)
{
  gboolean end = FALSE;

  for (guint i = 0; i < self->records->len; i++)
    if (!hf_reader_next (reader, item, &end, error))
      return FALSE;
    else if (end || !is_expected (self, item, i))
      return hf_error_set (error, HF_ERROR_CORRUPT, "carry-verify", "the segment that mail is carried to gives something else back");
  return TRUE;
}

/* Through a second descriptor, with the reader that all others use. */
static gboolean
read_back (HfCarried *self, GError **error)
{
  int fd = hf_sys.openat (self->dir_fd, NEW_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
  HfReader reader;
  gboolean ok = FALSE;

  if (fd < 0)
    return hf_error_set_errno (error, errno, "carry-verify", "cannot open the segment that mail is carried to");
  if (hf_reader_init (&reader, fd, self->flushed, HF_READ_RECIPIENTS, NULL, error))
    {
      HfItem item;

      hf_item_init (&item);
      ok = read_records (self, &reader, &item, error);
      hf_item_clear (&item);
      hf_reader_clear (&reader);
    }
  hf_sys_close (&fd);
  return ok;
}

gboolean
hf_carried_finish (HfCarried *self, guint64 *out_seq, GError **error)
{
  HfSegmentName name;

  hf_record_write_padding (self->buffer, self->flushed + self->buffer->len);
  if (!flush (self, error) || !read_back (self, error))
    return FALSE;
  if (hf_sys.fsync (self->fd) < 0)
    return hf_error_set_errno (error, errno, "carry-sync", "cannot sync the segment that mail is carried to");
  hf_segment_name (self->seq, &name);
  if (hf_sys.rename_new (self->dir_fd, NEW_NAME, self->dir_fd, name.text) < 0)
    return hf_error_set_errno (error, errno, "carry-name", "cannot name segment '%s'", name.text);
  self->is_there = FALSE;
  if (hf_sys.fsync (self->dir_fd) < 0)
    return hf_error_set_errno (error, errno, "carry-sync", "cannot sync directory '%s'", HF_CARRIED_DIRECTORY);
  *out_seq = self->seq;
  return TRUE;
}
