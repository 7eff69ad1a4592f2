/* kit.c - spools, messages and segments for the unit tests; see kit.h */
#include <config.h>

#include "milter/base/sys.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIRTH_MS G_GINT64_CONSTANT (1700000000000)
#define WAIT_LIMIT_US (20 * G_USEC_PER_SEC)

/* ---- spools ---- */

gchar *
kit_path (const gchar *spool, const gchar *name)
{
  return g_build_filename (spool, HF_JOURNAL_DIRECTORY, name, NULL);
}

gchar *
kit_segment_path (const gchar *spool, guint64 seq)
{
  HfSegmentName name;

  hf_segment_name (seq, &name);
  return kit_path (spool, name.text);
}

gchar *
kit_spool_new (void)
{
  gchar *spool = g_dir_make_tmp ("holdfast-unit-XXXXXX", NULL);
  g_autofree gchar *journal = kit_path (spool, NULL);
  g_autofree gchar *stage = g_build_filename (spool, "stage", NULL);

  g_assert_nonnull (spool);
  g_assert_cmpint (mkdir (journal, 0700), ==, 0);
  g_assert_cmpint (mkdir (stage, 0700), ==, 0);
  return spool;
}

static void
remove_tree (const gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_tree (child);
      else
        unlink (child);
    }
  g_clear_pointer (&dir, g_dir_close);
  rmdir (path);
}

void
kit_spool_free (gchar *spool)
{
  remove_tree (spool);
  g_free (spool);
}

HfJournalParameters
kit_parameters (const gchar *spool)
{
  static gchar host[] = "mx.example.org";

  return (HfJournalParameters){ (gchar *) (guintptr) spool, host, NULL, 64 * 1024, TRUE };
}

gint64
kit_size (const gchar *path)
{
  struct stat st;

  return stat (path, &st) == 0 ? (gint64) st.st_size : -1;
}

GString *
kit_read_file (const gchar *path)
{
  g_autoptr (GError) error = NULL;
  gchar *data = NULL;
  gsize size = 0;
  GString *text;

  if (!g_file_get_contents (path, &data, &size, &error))
    g_error ("%s", error->message);
  text = g_string_new_len (data, (gssize) size);
  g_free (data);
  return text;
}

void
kit_write_file (const gchar *path, const gchar *data, gsize size)
{
  int fd = hf_sys_real.open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  if (fd < 0 || write (fd, data, size) != (gssize) size || close (fd) < 0)
    g_error ("cannot write '%s'", path);
}

/* ---- messages ---- */

void
kit_id (guint number, HfId *out_id)
{
  static const guint8 random[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

  hf_id_make (BIRTH_MS + number, random, out_id);
}

guint
kit_number (const HfId *id)
{
  const gint64 number = hf_id_wall_ms (id->text) - BIRTH_MS;
  HfId same;

  if (number <= 0 || number > G_MAXUINT)
    return 0;
  kit_id ((guint) number, &same);
  return strcmp (same.text, id->text) == 0 ? (guint) number : 0;
}

/* An HfOctetSink. */
static gboolean
append (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, data, (gssize) size);
  return TRUE;
}

/* The wire form of @message behind what @out holds, and what is known of it. */
static void
append_wire (GString *out, const gchar *message, gsize size, HfFacts *facts)
{
  const gsize start = out->len;
  HfWire wire;

  hf_wire_init (&wire);
  hf_wire_stuff (&wire, message, size, append, out, NULL);
  if (!hf_wire_ends_line (&wire))
    g_string_append (out, "\r\n");
  facts->bytes = size;
  facts->wire = out->len - start;
  facts->bare = wire.bare || wire.last == '\r';
}

static void
digest_of (const gchar *data, gsize size, const HfSalt *salt, HfDigest *out_digest)
{
  HfHash hash = { NULL };

  if (!hf_hash_begin (&hash) || !hf_hash_add (&hash, data, size) || !hf_hash_end (&hash, salt, out_digest))
    g_error ("no digest");
  hf_hash_clear (&hash);
}

HfCommit *
kit_commit_new_lines (guint number, const gchar *lines, guint64 rcpts, const gchar *message, gssize size)
{
  g_autoptr (GString) stage = g_string_new (lines);
  const gsize length = size < 0 ? strlen (message) : (gsize) size;
  HfCommit *commit = hf_commit_new ();

  append_wire (stage, message, length, &commit->facts);
  kit_id (number, &commit->facts.id);
  commit->facts.at_ms = BIRTH_MS + number;
  commit->facts.queue = g_strdup_printf ("Q%u", number);
  commit->facts.rcpts = rcpts;
  hf_sys_random (&commit->salt, sizeof commit->salt);
  commit->lines_size = strlen (lines);
  digest_of (lines, strlen (lines), NULL, &commit->lines);
  digest_of (message, length, &commit->salt, &commit->message);
  commit->fd = memfd_create ("kit-stage", MFD_CLOEXEC);
  if (commit->fd < 0 || write (commit->fd, stage->str, stage->len) != (gssize) stage->len)
    g_error ("cannot write a stage");
  return commit;
}

HfCommit *
kit_commit_new (guint number, const gchar *message, gssize size)
{
  return kit_commit_new_lines (number, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n", 1, message, size);
}

/* ---- segments made by hand ---- */

void
kit_nonce (guint64 seq, HfNonce *out_nonce)
{
  g_snprintf (out_nonce->text, sizeof out_nonce->text, "%032" G_GINT64_MODIFIER "x", seq + 0xabc000);
}

static void
must (gboolean ok)
{
  if (!ok)
    g_error ("no digest");
}

void
kit_segment_init (KitSegment *self, guint64 seq, const KitSegment *previous)
{
  HfStatementBuilder builder;
  gchar chain[HF_DIGEST_HEX + 1] = "none";

  memset (self, 0, sizeof *self);
  self->text = g_string_new (NULL);
  self->seq = seq;
  kit_nonce (seq, &self->nonce);
  if (previous != NULL && previous->has_chain)
    {
      self->chain = previous->chain;
      self->has_chain = TRUE;
      hf_hex_encode (self->chain.octets, sizeof self->chain.octets, chain);
    }
  hf_statement_begin (&builder, self->text, "segment");
  hf_statement_add_number (&builder, "v", HF_FORMAT_VERSION);
  hf_statement_add (&builder, "host", "mx.example.org", -1);
  hf_statement_add_number (&builder, "seq", seq);
  hf_statement_add (&builder, "nonce", self->nonce.text, -1);
  hf_statement_add (&builder, "created", "2026-11-22T20:18:05.123Z", -1);
  hf_statement_add (&builder, "previous", chain, -1);
  if (previous != NULL)
    {
      hf_statement_add_number (&builder, "previous_seq", previous->seq);
      hf_statement_add (&builder, "previous_nonce", previous->nonce.text, -1);
      hf_statement_add_number (&builder, "previous_synced", previous->text->len);
    }
  hf_statement_end (&builder);
  must (hf_record_end_alone (self->text, 0, &self->hash));
  kit_segment_pad (self);
}

void
kit_segment_clear (KitSegment *self)
{
  g_string_free (self->text, TRUE);
  hf_hash_clear (&self->hash);
}

void
kit_segment_record (KitSegment *self, const HfFacts *facts, const gchar *lines, guint64 rcpts, const gchar *message,
                    gssize size)
{
  const gsize length = size < 0 ? strlen (message) : (gsize) size;
  g_autoptr (GString) wire = g_string_new (NULL);
  const gsize start = self->text->len;
  HfFacts full = *facts;
  HfDigest envelope, digest;
  HfSalt salt;

  memset (&salt, 0x5a, sizeof salt);
  append_wire (wire, message, length, &full);
  full.rcpts = rcpts;
  hf_record_write_facts (self->text, &self->nonce, &full, self->group / HF_BLOCK);
  g_string_append (self->text, lines);
  g_string_append (self->text, "DATA\r\n");
  digest_of (self->text->str + start, self->text->len - start, &salt, &envelope);
  digest_of (message, length, &salt, &digest);
  g_string_append_len (self->text, wire->str, (gssize) wire->len);
  g_string_append (self->text, ".\r\n");
  must (hf_record_chain (&self->hash, &self->chain, &envelope, &digest, &self->chain));
  self->has_chain = TRUE;
  hf_record_write_seal (self->text, &self->nonce, &full.id, &salt, &digest, &envelope, &self->chain);
}

void
kit_segment_message (KitSegment *self, guint number, const gchar *message, gssize size)
{
  g_autofree gchar *queue = g_strdup_printf ("Q%u", number);
  HfFacts facts = { .at_ms = BIRTH_MS + number, .queue = queue };

  kit_id (number, &facts.id);
  kit_segment_record (self, &facts, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n", 1, message, size);
}

void
kit_segment_begin_alone (KitSegment *self, HfStatementBuilder *builder, const gchar *kind)
{
  self->alone = self->text->len;
  hf_statement_begin (builder, self->text, kind);
  hf_statement_add (builder, "nonce", self->nonce.text, -1);
}

void
kit_segment_end_alone (KitSegment *self, HfStatementBuilder *builder)
{
  hf_statement_end (builder);
  must (hf_record_end_alone (self->text, self->alone, &self->hash));
}

void
kit_segment_void (KitSegment *self, guint number, guint64 segment)
{
  HfStatementBuilder builder;
  HfId id;

  kit_id (number, &id);
  kit_segment_begin_alone (self, &builder, "void");
  hf_statement_add (&builder, "id", id.text, -1);
  hf_statement_add_number (&builder, "segment", segment);
  hf_statement_add (&builder, "at", "2026-11-22T20:18:06.456Z", -1);
  hf_statement_add (&builder, "reason", "commit failed", -1);
  kit_segment_end_alone (self, &builder);
}

void
kit_segment_torn (KitSegment *self, guint64 segment, guint64 offset, guint64 length)
{
  HfStatementBuilder builder;

  kit_segment_begin_alone (self, &builder, "torn");
  hf_statement_add_number (&builder, "segment", segment);
  hf_statement_add_number (&builder, "offset", offset);
  hf_statement_add_number (&builder, "length", length);
  kit_segment_end_alone (self, &builder);
}

void
kit_segment_end (KitSegment *self)
{
  HfStatementBuilder builder;

  kit_segment_begin_alone (self, &builder, "end");
  hf_statement_add_number (&builder, "seq", self->seq);
  kit_segment_end_alone (self, &builder);
  kit_segment_pad (self);
}

void
kit_segment_pad (KitSegment *self)
{
  hf_record_write_padding (self->text, self->text->len);
  self->group = self->text->len;
}

void
kit_segment_save (const KitSegment *self, const gchar *spool, guint64 size)
{
  g_autofree gchar *path = kit_segment_path (spool, self->seq);

  kit_write_file (path, self->text->str, self->text->len);
  if (size > self->text->len && truncate (path, (off_t) size) < 0)
    g_error ("cannot lengthen '%s'", path);
}

static void
publish (const gchar *spool, HfPublished published)
{
  g_autofree gchar *path = kit_path (spool, HF_JOURNAL_OPEN);
  gchar text[HF_PUBLISHED_SIZE];

  if (hf_published_seq (&published) != 0)
    kit_nonce (hf_published_seq (&published), &published.nonce);
  hf_published_format (&published, text);
  kit_write_file (path, text, sizeof text);
}

void
kit_publish (const gchar *spool, guint64 seq, guint64 synced)
{
  publish (spool, (HfPublished){ .seq = seq, .synced = synced });
}

void
kit_publish_closed (const gchar *spool, guint64 seq, guint64 length)
{
  publish (spool, (HfPublished){ .closed = seq, .synced = length });
}

/* ---- what is found ---- */

static void
append_entry (GString *text, const HfViewEntry *entry)
{
  g_string_append_printf (text, "%s%" G_GUINT64_FORMAT ":", text->len > 0 ? ", " : "", entry->seq);
  if (entry->item->has_facts && kit_number (&entry->item->facts.id) != 0)
    g_string_append_printf (text, "%u", kit_number (&entry->item->facts.id));
  else
    g_string_append_c (text, '?');
  g_string_append_printf (text, " %s%s%s%s", hf_copy_text (entry->copy), entry->mark != NULL ? " void" : "",
                          entry->chain_broken ? " broken" : "", entry->unreadable != NULL ? " unreadable" : "");
}

gchar *
kit_view_text (const gchar *spool, HfReadFlags flags)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (HfView) view = hf_view_open (spool, flags, &error);
  HfViewEntry entry;
  gboolean end = FALSE;

  if (view == NULL)
    return g_strdup (error->message);
  while (hf_view_next (view, &entry, &end, &error) && !end)
    append_entry (text, &entry);
  if (error != NULL)
    g_string_append (text, error->message);
  return g_strdup (text->str);
}

/* ---- events ---- */

typedef struct
{
  guint code;
  gchar *line;
} Kept;

static GArray *kept;
static pthread_mutex_t kept_mutex = PTHREAD_MUTEX_INITIALIZER;

static void
kept_clear (gpointer data)
{
  g_free (((Kept *) data)->line);
}

static void
keep (HfEventCode code, const gchar *line, gpointer data)
{
  const Kept one = { code, g_strdup (line) };

  pthread_mutex_lock (&kept_mutex);
  g_array_append_val (kept, one);
  pthread_mutex_unlock (&kept_mutex);
}

void
kit_events_keep (void)
{
  pthread_mutex_lock (&kept_mutex);
  if (kept == NULL)
    {
      kept = g_array_new (FALSE, FALSE, sizeof (Kept));
      g_array_set_clear_func (kept, kept_clear);
    }
  g_array_set_size (kept, 0);
  pthread_mutex_unlock (&kept_mutex);
  hf_event_set_hook (keep, NULL);
}

guint
kit_events_count (guint code)
{
  guint count = 0;

  pthread_mutex_lock (&kept_mutex);
  for (guint i = 0; i < kept->len; i++)
    count += code == 0 || g_array_index (kept, Kept, i).code == code;
  pthread_mutex_unlock (&kept_mutex);
  return count;
}

gchar *
kit_events_line (guint code)
{
  gchar *line = NULL;

  pthread_mutex_lock (&kept_mutex);
  for (guint i = 0; i < kept->len && line == NULL; i++)
    if (g_array_index (kept, Kept, i).code == code)
      line = g_strdup (g_array_index (kept, Kept, i).line);
  pthread_mutex_unlock (&kept_mutex);
  return line;
}

/* ---- conditions ---- */

gboolean
kit_wait_until (gboolean (*holds) (gpointer data), gpointer data)
{
  const gint64 until = g_get_monotonic_time () + WAIT_LIMIT_US;

  while (!holds (data))
    {
      if (g_get_monotonic_time () > until)
        return FALSE;
      g_usleep (1000);
    }
  return TRUE;
}

static gboolean
is_let_go (gpointer data)
{
  return faults_descriptors (data) == 0;
}

gboolean
kit_wait_let_go (const gchar *spool)
{
  return kit_wait_until (is_let_go, (gpointer) (guintptr) spool);
}
