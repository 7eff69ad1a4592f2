/* journal.c - the journal as its one writer has it open; see journal.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/journal/journal.h"
#include "milter/journal/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A segment and its spare must leave a small file system room for mail. */
#define SHARE_OF_FILE_SYSTEM 16
#define SMALLEST_SEGMENT (64 * 1024)
/* Notes of torn writes beyond this many are one note over them all. */
#define MOST_NOTES 64

static guint64
fitting_size (const HfJournalParameters *parameters)
{
  guint64 size = parameters->segment_size;
  struct statvfs st;

  if (hf_sys.statvfs (parameters->spool, &st) == 0 && st.f_blocks > 0)
    size = MIN (size, (guint64) st.f_blocks * st.f_frsize / SHARE_OF_FILE_SYSTEM);
  size = MAX (size, SMALLEST_SEGMENT);
  return size - size % HF_BLOCK;
}

/* Takes over what is known of the ground; tells it where it is news. */
static void
set_ground (HfJournal *self, HfGroundKind kind)
{
  HfUsage *usage = self->parameters->usage;
  static const HfAhead ways[] = {
    [HF_GROUND_IN_PLACE] = HF_AHEAD_YES, [HF_GROUND_NOCOW] = HF_AHEAD_NOCOW, [HF_GROUND_COPIES] = HF_AHEAD_NO
  };
  HfGroundKind before = HF_GROUND_IN_PLACE;

  self->ground.kind = kind;
  self->ahead = self->parameters->write_ahead ? ways[kind] : HF_AHEAD_NO;
  if (usage != NULL)
    before = (HfGroundKind) atomic_exchange (&usage->ground, (int) kind);
  if (kind == HF_GROUND_NOCOW && before != kind)
    hf_event (HF_EVENT_GROUND_NOCOW, NULL, "filesystem", self->ground.name, "directory", self->dir_path, NULL);
  if (kind == HF_GROUND_COPIES && before != kind)
    hf_event (HF_EVENT_GROUND_COPIES, NULL, "filesystem", self->ground.name, "directory", self->dir_path, NULL);
}

static gboolean
take_lock (HfJournal *self, GError **error)
{
  gchar text[64];
  gint size;

  self->lock_fd = hf_sys.openat (self->dir_fd, HF_JOURNAL_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->lock_fd < 0)
    return hf_error_set_errno (error, errno, "journal-lock", "cannot open lock of journal '%s'", self->dir_path);
  if (hf_sys.lock (self->lock_fd, 1) < 0)
    {
      const gint failed = errno;
      gssize n = hf_sys_pread_all (self->lock_fd, text, sizeof text - 1, 0);

      if (failed != EAGAIN && failed != EACCES)
        return hf_error_set_errno (error, failed, "journal-lock", "cannot lock journal '%s'", self->dir_path);
      text[MAX (n, 0)] = '\0';
      g_strdelimit (text, "\n", '\0');
      return hf_error_set (error, HF_ERROR_BUSY, "journal-lock",
                           "journal '%s' is in use by another holdfast-milter (%s)", self->dir_path,
                           text[0] != '\0' ? text : "pid not known");
    }
  /* For people only; nobody decides by it, so a failure does not matter. */
  size = g_snprintf (text, sizeof text, "pid %-12ld\n", (long) getpid ());
  hf_sys_pwrite_all (self->lock_fd, text, (gsize) size, 0);
  return TRUE;
}

static gboolean
open_published (HfJournal *self, GError **error)
{
  self->open_fd = hf_sys.openat (self->dir_fd, HF_JOURNAL_OPEN, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->open_fd < 0)
    return hf_error_set_errno (error, errno, "journal-publish", "cannot open '%s/%s'", self->dir_path, HF_JOURNAL_OPEN);
  return TRUE;
}

/* FALSE: no memory for a digest.  Without the note a reader would take what is
 * torn for damage. */
static gboolean
write_note (GString *head, const HfNonce *nonce, guint64 seq, const HfTorn *torn, HfHash *hash)
{
  HfStatementBuilder builder;
  const gsize start = head->len;

  hf_statement_begin (&builder, head, "torn");
  hf_statement_add (&builder, "nonce", nonce->text, -1);
  hf_statement_add_number (&builder, "segment", seq);
  hf_statement_add_number (&builder, "offset", torn->offset);
  hf_statement_add_number (&builder, "length", torn->length);
  if (torn->id.text[0] != '\0')
    hf_statement_add (&builder, "id", torn->id.text, -1);
  hf_statement_add (&builder, "queue", torn->queue, -1);
  hf_statement_end (&builder);
  return hf_record_end_alone (head, start, hash);
}

/* What may never have been synced may be gone after the next power loss, whole
 * as it looks now; and what is not whole is told with its id. */
static gboolean
write_notes (HfJournal *self, GString *head, const HfNonce *nonce, const HfRecovery *recovery)
{
  const HfTorn doubtful = { recovery->synced, recovery->doubtful, { "" }, NULL };
  const GArray *torn = recovery->torn;

  if (doubtful.length > 0 && !write_note (head, nonce, recovery->seq, &doubtful, &self->hash))
    return FALSE;
  for (guint i = 0; i < torn->len; i++)
    {
      HfTorn note = g_array_index (torn, HfTorn, i);

      if (i == MOST_NOTES)
        {
          const HfTorn *last = &g_array_index (torn, HfTorn, torn->len - 1);

          note.length = last->offset + last->length - note.offset;
          note.id.text[0] = '\0';
          note.queue = NULL;
          i = torn->len;
        }
      if (!write_note (head, nonce, recovery->seq, &note, &self->hash))
        return FALSE;
    }
  return TRUE;
}

static GString *
make_head (HfJournal *self, guint64 seq, const HfNonce *nonce, const HfRecovery *recovery)
{
  GString *head = g_string_new (NULL);
  HfStatementBuilder builder;
  gchar created[25], chain[HF_DIGEST_HEX + 1] = "none";

  hf_time_format (hf_sys_wall_ms (), created);
  if (self->has_chain)
    hf_hex_encode (self->chain.octets, sizeof self->chain.octets, chain);
  hf_statement_begin (&builder, head, "segment");
  hf_statement_add_number (&builder, "v", HF_FORMAT_VERSION);
  hf_statement_add (&builder, "host", self->parameters->host, -1);
  hf_statement_add (&builder, "instance", self->parameters->instance, -1);
  hf_statement_add_number (&builder, "seq", seq);
  hf_statement_add (&builder, "nonce", nonce->text, -1);
  hf_statement_add (&builder, "created", created, -1);
  hf_statement_add (&builder, "previous", chain, -1);
  if (self->previous_seq != 0)
    {
      hf_statement_add_number (&builder, "previous_seq", self->previous_seq);
      if (self->previous_nonce.text[0] != '\0')
        hf_statement_add (&builder, "previous_nonce", self->previous_nonce.text, -1);
      hf_statement_add_number (&builder, "previous_synced", self->previous_synced);
      if (self->previous_whole > self->previous_synced)
        hf_statement_add_number (&builder, "previous_whole", self->previous_whole);
      if (self->previous_unread)
        hf_statement_add (&builder, "previous_unread", "1", 1);
    }
  hf_statement_end (&builder);
  if (!hf_record_end_alone (head, 0, &self->hash)
      || (recovery != NULL && !write_notes (self, head, nonce, recovery)))
    {
      g_string_free (head, TRUE);
      return NULL;
    }
  hf_record_write_padding (head, head->len);
  return head;
}

/* Makes the spare called @name the open segment. */
static gboolean
activate (HfJournal *self, const gchar *name, guint64 size, const HfRecovery *recovery, GError **error)
{
  const guint64 seq = self->next_seq;
  g_autofree gchar *number = g_strdup_printf ("%" G_GUINT64_FORMAT, seq);
  GString *head;
  HfNonce nonce;

  if (seq > HF_SEQ_MAX) /* no reader would take the file for a segment */
    return hf_error_set (error, HF_ERROR_CONFIG, "segment-open", "journal '%s' has used up all numbers of segments",
                         self->dir_path);
  hf_nonce_new (&nonce);
  head = make_head (self, seq, &nonce, recovery);
  if (head == NULL)
    return hf_error_set (error, HF_ERROR_IO, "segment-open", "no memory for a digest");
  self->segment = hf_segment_activate (self->dir_fd, self->dir_path, name, seq, &nonce, head, size, error);
  g_string_free (head, TRUE);
  if (self->segment == NULL)
    return FALSE;
  self->next_seq = seq + 1;
  hf_journal_publish (self);
  hf_event (HF_EVENT_SEGMENT_OPENED, NULL, "segment", self->segment->path, "seq", number, NULL);
  return TRUE;
}

static void
forget_debt (HfJournal *self)
{
  hf_usage_settle (self->parameters->usage, self->debt, FALSE);
  self->debt = 0;
}

/* A reflink made of the spare (cp does it unasked, and so do deduplicators)
 * takes the room away that writing ahead reserved. */
static void
check_shared (HfJournal *self)
{
  if (self->segment->size == G_MAXUINT64 || hf_sys.is_shared (self->segment->read_fd) != 1)
    return;
  g_strlcpy (self->ground.name, "reflinked spare", sizeof self->ground.name);
  set_ground (self, HF_GROUND_COPIES);
  hf_spare_leave_empty (self->spare);
}

/* The spare must have been taken; @size: what it said then. */
static gboolean
activate_spare (HfJournal *self, guint64 size, const HfRecovery *recovery, GError **error)
{
  if (!activate (self, HF_JOURNAL_SPARE, size, recovery, error))
    return FALSE;
  check_shared (self);
  hf_spare_want (self->spare);
  forget_debt (self);
  return TRUE;
}

/* A segment that is gone is named as the one before all the same: by that, whoever
 * reads the journal finds that it is missing. */
static void
set_previous (HfJournal *self, const HfRecovery *recovery, const HfPublished *published)
{
  self->previous_seq = recovery->gone ? hf_published_seq (published) : recovery->seq;
  self->previous_synced = recovery->gone ? published->synced : recovery->synced;
  self->previous_whole = recovery->gone ? 0 : recovery->whole;
  self->previous_unread = !recovery->gone && recovery->unread;
  if (recovery->gone)
    self->previous_nonce = published->nonce;
  else if (recovery->has_nonce)
    self->previous_nonce = recovery->nonce;
}

/* The room that was written ahead for a segment whose writer was killed, or gave it
 * up: a filter that is started again and again would fill the disk with it. */
static void
give_back (const HfJournal *self, const HfPublished *published)
{
  g_autoptr (GArray) seqs = hf_directory_list (self->dir_path, NULL);
  const guint64 newest = seqs != NULL && seqs->len > 0 ? g_array_index (seqs, guint64, seqs->len - 1) : 0;
  g_autofree gchar *path = hf_segment_path (self->parameters->spool, newest);

  if (newest != 0)
    hf_segment_give_back (path, MAX (newest == hf_published_seq (published) ? published->synced : 0, HF_BLOCK));
}

static gboolean
start_anew (HfJournal *self, guint64 min_seq, GError **error)
{
  HfPublished published;
  HfRecovery recovery;
  guint64 size;
  gboolean ok;
  g_autofree gchar *records = NULL, *torn = NULL, *damaged = NULL;

  /* What a crash or a failed call left of a segment that was never named. */
  hf_sys.unlinkat (self->dir_fd, HF_JOURNAL_LARGE, 0);
  hf_directory_published (self->dir_path, &published, NULL);
  give_back (self, &published);
  /* The spare first: on a full disk it fails, and nothing more need be read. */
  self->size = fitting_size (self->parameters);
  hf_ground_look (self->dir_fd, self->parameters->write_ahead, &self->ground);
  set_ground (self, self->ground.kind);
  self->spare = hf_spare_start (&(HfSpareParameters){ .dir_fd = self->dir_fd, .spool = self->dir_path, .size = self->size,
                                                      .ahead = self->ahead, .usage = self->parameters->usage,
                                                      .most = self->parameters->spares,
                                                      .quiet_ms = self->parameters->quiet_ms },
                                error);
  if (self->spare == NULL || !hf_spare_take (self->spare, &size, error))
    return FALSE;
  if (!hf_recover (self->dir_path, &published, &recovery, error))
    return FALSE;
  /* A number that is used up stays so, though its file may be gone. */
  self->next_seq = MAX (MAX (recovery.seq, MIN (hf_published_seq (&published), HF_SEQ_MAX)) + 1, min_seq);
  self->has_chain = recovery.has_chain;
  self->chain = recovery.chain;
  set_previous (self, &recovery, &published);
  ok = open_published (self, error) && activate_spare (self, size, &recovery, error);
  if (ok && recovery.seq != 0)
    {
      records = g_strdup_printf ("%" G_GUINT64_FORMAT, recovery.records);
      damaged = g_strdup_printf ("%" G_GUINT64_FORMAT, recovery.damaged);
      torn = g_strdup_printf ("%u", recovery.torn->len);
      hf_event (HF_EVENT_JOURNAL_RECOVERED, NULL, "records", records, "torn", torn, "damaged", damaged, NULL);
    }
  if (ok && self->ground.is_memory)
    hf_event (HF_EVENT_GROUND_MEMORY, NULL, "filesystem", self->ground.name, "directory", self->dir_path, NULL);
  hf_recovery_clear (&recovery);
  return ok;
}

/* A journal directory that was put back while we run must itself be found after
 * a crash, or what is in it is lost with it. */
static gboolean
sync_spool (const HfJournalParameters *parameters, GError **error)
{
  int fd = hf_sys.open (parameters->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  const gboolean ok = fd >= 0 && hf_sys.fsync (fd) == 0;
  const gint failed = errno;

  hf_sys_close (&fd);
  return ok || hf_error_set_errno (error, failed, "journal-open", "cannot sync spool '%s'", parameters->spool);
}

HfJournal *
hf_journal_open (const HfJournalParameters *parameters, guint64 min_seq, GError **error)
{
  HfJournal *self = g_new0 (HfJournal, 1);

  self->parameters = parameters;
  self->dir_path = g_build_filename (parameters->spool, HF_JOURNAL_DIRECTORY, NULL);
  self->lock_fd = self->open_fd = -1;
  self->dir_fd = hf_sys.open (self->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
  if (self->dir_fd < 0)
    hf_error_set_errno (error, errno, "journal-open", "cannot open journal directory '%s'", self->dir_path);
  else if (take_lock (self, error) && sync_spool (parameters, error) && start_anew (self, min_seq, error))
    return self;
  hf_journal_abandon (self);
  return NULL;
}

/* The end line tells readers that nothing behind it was ever begun. */
static gboolean
write_end (HfJournal *self, GError **error)
{
  HfSegment *segment = self->segment;
  g_autoptr (GString) text = g_string_new (NULL);
  HfStatementBuilder builder;

  hf_statement_begin (&builder, text, "end");
  hf_statement_add (&builder, "nonce", segment->nonce.text, -1);
  hf_statement_add_number (&builder, "seq", segment->seq);
  hf_statement_end (&builder);
  if (!hf_record_end_alone (text, 0, &self->hash))
    return hf_error_set (error, HF_ERROR_IO, "segment-close", "no memory for a digest");
  hf_record_write_padding (text, text->len);
  if (!hf_segment_write (segment, text->str, text->len, segment->written, error))
    return FALSE;
  segment->written += text->len;
  return hf_segment_sync (segment, segment->written, error);
}

/* TRUE when the segment is closed in order.  All its records are synced, so
 * nothing is lost where the end line can't be written. */
static gboolean
close_segment (HfJournal *self, GError **error)
{
  HfSegment *segment = self->segment;

  if (!write_end (self, error))
    return FALSE;
  self->segment = NULL;
  self->previous_seq = segment->seq;
  self->previous_nonce = segment->nonce;
  self->previous_synced = segment->synced;
  self->previous_whole = 0;
  self->previous_unread = FALSE;
  hf_event (HF_EVENT_SEGMENT_CLOSED, NULL, "segment", segment->path, NULL);
  hf_segment_close_clean (segment);
  return TRUE;
}

/* The end line's block is always kept free. */
#define KEPT_FREE (2 * HF_BLOCK)

gboolean
hf_journal_has_room (const HfJournal *self, guint64 octets)
{
  return self->segment->written + octets + KEPT_FREE <= MIN (self->segment->size, self->size);
}

gboolean
hf_journal_make_room (HfJournal *self, guint64 octets, GError **error)
{
  gboolean never = FALSE;
  guint64 size;

  if (hf_journal_has_room (self, octets))
    return TRUE;
  if (!close_segment (self, error))
    return FALSE;
  if (octets + 2 * KEPT_FREE <= self->size)
    return hf_spare_take (self->spare, &size, error) && activate_spare (self, size, NULL, error);
  return hf_spare_make (self->dir_fd, HF_JOURNAL_LARGE, 0, HF_AHEAD_NO, NULL, &never, error)
         && activate (self, HF_JOURNAL_LARGE, 0, NULL, error);
}

void
hf_journal_count (HfJournal *self, guint64 octets)
{
  const gboolean was_reserved = self->segment->size != G_MAXUINT64 && self->ground.kind != HF_GROUND_COPIES;

  if (!was_reserved)
    {
      hf_usage_grow (self->parameters->usage, octets);
      return;
    }
  hf_usage_announce (self->parameters->usage, octets);
  self->debt += octets;
}

static int
write_published (HfJournal *self)
{
  HfPublished published = { 0 };
  gchar text[HF_PUBLISHED_SIZE];

  if (self->segment != NULL)
    {
      published.seq = self->segment->seq;
      published.nonce = self->segment->nonce;
      published.synced = self->segment->synced;
    }
  else
    {
      published.closed = self->previous_seq;
      published.nonce = self->previous_nonce;
      published.synced = self->previous_synced;
    }
  hf_published_format (&published, text);
  return hf_sys_pwrite_all (self->open_fd, text, sizeof text, 0);
}

gboolean
hf_journal_probe (HfJournal *self, gboolean write, GError **error)
{
  struct statvfs st;

  if (!hf_segment_check_path (self->segment, error))
    return FALSE;
  if (hf_sys.statvfs (self->dir_path, &st) < 0)
    return hf_error_set_errno (error, errno, "journal-probe", "cannot look at the file system of '%s'", self->dir_path);
  if ((st.f_flag & ST_RDONLY) != 0)
    return hf_error_set_errno (error, EROFS, "journal-probe", "cannot use journal '%s'", self->dir_path);
  if (write && (write_published (self) < 0 || hf_sys.fdatasync (self->open_fd) < 0))
    return hf_error_set_errno (error, errno, "journal-probe", "cannot write '%s/%s'", self->dir_path,
                               HF_JOURNAL_OPEN);
  return TRUE;
}

void
hf_journal_publish (HfJournal *self)
{
  const gboolean failed = write_published (self) < 0;

  if (failed && !self->publish_failed)
    {
      g_autoptr (GError) error = NULL;

      hf_error_set_errno (&error, errno, "journal-publish", "cannot write '%s/%s'", self->dir_path, HF_JOURNAL_OPEN);
      hf_event (HF_EVENT_PUBLISH_FAILED, error, NULL);
    }
  self->publish_failed = failed;
}

void
hf_journal_close (HfJournal *self)
{
  g_autoptr (GError) error = NULL;

  if (self->segment != NULL && !close_segment (self, &error))
    hf_event (HF_EVENT_SEGMENT_FAILED, error, "segment", self->segment->path, NULL);
  if (self->segment == NULL)
    {
      /* How long the segment was is told by nothing else until the next start. */
      hf_journal_publish (self);
      hf_sys.fdatasync (self->open_fd);
    }
  hf_journal_abandon (self);
}

void
hf_journal_abandon (HfJournal *self)
{
  hf_spare_stop (self->spare);
  forget_debt (self);
  hf_segment_free (self->segment);
  hf_sys_close (&self->open_fd);
  hf_sys_close (&self->lock_fd);
  hf_sys_close (&self->dir_fd);
  hf_hash_clear (&self->hash);
  g_free (self->dir_path);
  g_free (self);
}
