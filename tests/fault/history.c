/* history.c - a spool with journal and books, and a model of what is owed of it; see history.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/trimmed.h"
#include "tests/fault/history.h"
#include "tests/unit/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BIRTH_MS G_GINT64_CONSTANT (1795000000000)
#define DIED 112

HistoryDefect history_defect;
guint history_disorder;

static History *now; /* whose calls are made */
static gboolean note_dirty, carried_dirty, carried_named;

/* ---- the table ---- */

static gboolean
is_about (int fd, const gchar *part)
{
  gchar link[64], path[512];
  ssize_t size;

  g_snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  size = readlink (link, path, sizeof path - 1);
  path[MAX (size, 0)] = '\0';
  return strstr (path, part) != NULL;
}

/* Counts a call that changes something.  TRUE: it is to fail. */
static gboolean
fails (int number)
{
  if (now == NULL || (now->die_at == 0 && now->fail_at == 0))
    return FALSE;
  now->calls++;
  if (now->calls == now->die_at)
    _exit (DIED);
  errno = number;
  return now->calls == now->fail_at;
}

static ssize_t
do_write (int fd, const void *data, size_t size)
{
  if (fails (ENOSPC))
    return -1;
  note_dirty |= is_about (fd, "/trimmed");
  return hf_sys_real.write (fd, data, size);
}

static ssize_t
do_pwrite (int fd, const void *data, size_t size, off_t offset)
{
  if (!is_about (fd, "/books/"))
    {
      if (fails (ENOSPC))
        return -1;
      carried_dirty |= is_about (fd, "/carried/");
    }
  return hf_sys_real.pwrite (fd, data, size, offset);
}

static int
do_fsync (int fd)
{
  if (fails (EIO))
    {
      /* the segment that got its name has failed, and nobody goes by it */
      carried_named = carried_named && !is_about (fd, "/carried");
      return -1;
    }
  if (is_about (fd, "/trimmed") && history_defect != DEFECT_NOTE)
    note_dirty = FALSE;
  if (is_about (fd, "/carried/"))
    carried_dirty = FALSE;
  else if (is_about (fd, "/carried"))
    carried_named = FALSE;
  return hf_sys_real.fsync (fd);
}

static int
do_rename (int old_dir, const char *old_path, int new_dir, const char *new_path)
{
  if (fails (EIO))
    return -1;
  carried_named = TRUE;
  if (history_defect == DEFECT_CARRIED)
    return 0;
  return hf_sys_real.rename_new (old_dir, old_path, new_dir, new_path);
}

static int
do_unlinkat (int dir_fd, const char *path, int flags)
{
  if (fails (EIO))
    return -1;
  if (strcmp (path, "new") == 0)
    carried_dirty = FALSE; /* given up: nobody counts on it */
  if (g_str_has_suffix (path, ".bsmtp") && (note_dirty || carried_dirty || carried_named))
    {
      history_disorder++;
      if (g_getenv ("HISTORY") != NULL)
        g_printerr ("# %s goes: note %d carried %d named %d\n", path, note_dirty, carried_dirty, carried_named);
    }
  return hf_sys_real.unlinkat (dir_fd, path, flags);
}

static int
do_statvfs (const char *path, struct statvfs *out_st)
{
  const int result = hf_sys_real.statvfs (path, out_st);

  out_st->f_frsize = out_st->f_bsize = 4096;
  out_st->f_blocks = 1 << 20;
  out_st->f_bfree = out_st->f_bavail = now != NULL && now->is_full ? 16 : 1 << 19;
  out_st->f_files = out_st->f_favail = 1 << 20;
  return result;
}

static int
do_clock (clockid_t clock, struct timespec *out_time)
{
  const gint64 ms = now == NULL ? BIRTH_MS : clock == CLOCK_REALTIME ? now->wall_ms : now->monotonic_ms;

  out_time->tv_sec = ms / 1000;
  out_time->tv_nsec = ms % 1000 * 1000000;
  return 0;
}

void
history_install (void)
{
  hf_sys.write = do_write;
  hf_sys.pwrite = do_pwrite;
  hf_sys.fsync = do_fsync;
  hf_sys.rename_new = do_rename;
  hf_sys.unlinkat = do_unlinkat;
  hf_sys.statvfs = do_statvfs;
  hf_sys.clock_gettime = do_clock;
  kit_events_keep ();
}

/* ---- life ---- */

static void
must (gboolean ok, const gchar *what, const GError *error)
{
  if (!ok)
    g_error ("%s: %s", what, error != NULL ? error->message : "failed");
}

void
history_close (History *self)
{
  g_clear_pointer (&self->trimming, hf_trimming_free);
  g_clear_pointer (&self->ledger, hf_ledger_free);
  g_clear_pointer (&self->daybook, hf_daybook_free);
}

void
history_open (History *self, gboolean rebuild)
{
  const HfTrimmingSettings settings = { .spool = self->spool,
                                        .instance = "",
                                        .retention_ms = history_defect == DEFECT_RETENTION ? 0 : self->retention_ms,
                                        .carry_after_ms = self->retention_ms / 2,
                                        .space_warn = { .percent = 5 },
                                        .inodes_warn = { .percent = 1 } };
  g_autoptr (GError) error = NULL;
  HfDaybookReport report;

  self->fail_at = self->die_at = 0;
  note_dirty = carried_dirty = carried_named = FALSE;
  self->daybook = hf_daybook_open (self->spool, &error);
  must (self->daybook != NULL, "books", error);
  self->ledger = hf_ledger_open (self->spool, rebuild ? HF_LEDGER_REBUILD : HF_LEDGER_WRITE, &error);
  must (self->ledger != NULL && hf_ledger_catch_up (self->ledger, &report, &error), "ledger", error);
  sqlite3_exec (hf_ledger_db (self->ledger), "PRAGMA synchronous = OFF", NULL, NULL, NULL);
  self->trimming = hf_trimming_new (&settings, self->daybook, self->ledger, &error);
  must (self->trimming != NULL, "trimming", error);
  self->opened_ms = self->calm_ms = self->monotonic_ms;
}

History *
history_new (guint32 seed)
{
  History *self = g_new0 (History, 1);

  self->rand = g_rand_new_with_seed (seed);
  self->spool = kit_spool_new ();
  self->wall_ms = BIRTH_MS;
  self->monotonic_ms = 1000000;
  self->retention_ms = 60000 * g_rand_int_range (self->rand, 2, 60);
  self->messages = g_array_new (FALSE, TRUE, sizeof (HistoryMessage));
  now = self;
  history_open (self, FALSE);
  return self;
}

static void
forget_last (History *self)
{
  if (self->last == NULL)
    return;
  kit_segment_clear (self->last);
  g_clear_pointer (&self->last, g_free);
}

void
history_free (History *self)
{
  history_close (self);
  forget_last (self);
  kit_spool_free (self->spool);
  g_rand_free (self->rand);
  g_array_unref (self->messages);
  now = NULL;
  g_free (self);
}

/* ---- what happens ---- */

static void
commit (History *self)
{
  g_autoptr (GError) error = NULL;

  must (hf_daybook_commit (self->daybook, hf_ledger_sink (self->ledger), &error) && hf_ledger_commit (self->ledger, &error),
        "commit", error);
}

static void
add_time (HfStatementBuilder *builder, const gchar *key, gint64 at_ms)
{
  gchar text[25];

  hf_time_format (at_ms, text);
  hf_statement_add (builder, key, text, -1);
}

static void
tell_envelope (History *self, const HistoryMessage *message, const HfId *id, guint64 offset, guint64 length)
{
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "envelope");

  hf_statement_add (builder, "id", id->text, -1);
  hf_statement_add_number (builder, "segment", message->seq);
  hf_statement_add_number (builder, "offset", offset);
  hf_statement_add_number (builder, "length", length);
  add_time (builder, "at", self->wall_ms);
  hf_statement_add (builder, "sender", "a@example.org", -1);
  for (guint i = 0; i < message->recipients; i++)
    hf_statement_add (builder, "rcpt", "b@example.org", -1);
  hf_statement_end (builder);
}

static void
add_message (History *self, KitSegment *segment)
{
  HistoryMessage message = { .number = self->messages->len + 1, .seq = segment->seq };
  g_autoptr (GString) lines = g_string_new ("MAIL FROM:<a@example.org>\r\n");
  g_autoptr (GString) text = g_string_new ("Subject: x\r\n\r\n");
  const guint64 offset = segment->text->len;
  HfFacts facts = { .at_ms = self->wall_ms };

  message.recipients = (guint) g_rand_int_range (self->rand, 1, HISTORY_RECIPIENTS + 1);
  for (guint i = 0; i < message.recipients; i++)
    g_string_append (lines, "RCPT TO:<b@example.org>\r\n");
  /* few are small: they are those that are worth carrying */
  for (gint i = g_rand_boolean (self->rand) ? 1 : g_rand_int_range (self->rand, 100, 200); i > 0; i--)
    g_string_append (text, ".The quick brown fox jumps over the lazy dog.\r\n");
  kit_id (message.number, &facts.id);
  kit_segment_record (segment, &facts, lines->str, message.recipients, text->str, -1);
  tell_envelope (self, &message, &facts.id, offset, segment->text->len - offset);
  g_array_append_val (self->messages, message);
}

void
history_set (History *self, HistoryMessage *message, guint recipient, HistoryState state)
{
  static const gchar *const names[] = { "open", "settled", "void" };
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "fate");
  HfId id;

  kit_id (message->number, &id);
  hf_statement_add (builder, "id", id.text, -1);
  hf_statement_add_number (builder, "rcpt", recipient);
  hf_statement_add (builder, "state", names[history_defect == DEFECT_OPEN && state == HISTORY_OPEN ? HISTORY_SETTLED : state], -1);
  if (state == HISTORY_SETTLED)
    hf_statement_add (builder, "outcome", "relayed", -1);
  add_time (builder, "at", self->wall_ms);
  hf_statement_end (builder);
  message->states[recipient] = state;
  message->since_ms[recipient] = self->monotonic_ms;
  commit (self);
}

static void
mark_void (History *self, KitSegment *segment, HistoryMessage *message)
{
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "void");
  HfId id;

  kit_id (message->number, &id);
  hf_statement_add (builder, "id", id.text, -1);
  hf_statement_add (builder, "reason", "a test", -1);
  hf_statement_end (builder);
  kit_segment_void (segment, message->number, message->seq);
  for (guint i = 0; i < message->recipients; i++)
    if (message->states[i] == HISTORY_OPEN)
      history_set (self, message, i, HISTORY_VOID);
}

void
history_arrive (History *self)
{
  const guint before = self->messages->len;
  KitSegment *segment = g_new0 (KitSegment, 1);

  kit_segment_init (segment, ++self->newest, self->last);
  if (before > 0 && g_rand_int_range (self->rand, 0, 4) == 0)
    mark_void (self, segment, &g_array_index (self->messages, HistoryMessage, (guint) g_rand_int_range (self->rand, 0, (gint) before)));
  for (gint i = g_rand_int_range (self->rand, 1, 4); i > 0; i--)
    add_message (self, segment);
  kit_segment_pad (segment);
  kit_segment_end (segment);
  kit_segment_save (segment, self->spool, 0);
  forget_last (self);
  self->last = segment;
  commit (self);
  for (guint i = before; i < self->messages->len; i++)
    for (guint r = 0; r < g_array_index (self->messages, HistoryMessage, i).recipients; r++)
      history_set (self, &g_array_index (self->messages, HistoryMessage, i), r, HISTORY_OPEN);
}

static GArray *
list_all (History *self)
{
  g_autofree gchar *dir = g_build_filename (self->spool, HF_JOURNAL_DIRECTORY, NULL);
  GArray *seqs = hf_directory_list (dir, NULL);
  g_autoptr (GArray) carried = hf_carried_list (self->spool, NULL);

  g_array_append_vals (seqs, carried->data, carried->len);
  return seqs;
}

/* Which messages have no whole copy any more is found out by reading. */
static void
note_damaged (History *self)
{
  g_autoptr (GHashTable) whole = g_hash_table_new (NULL, NULL);
  g_autoptr (HfView) view = hf_view_open (self->spool, HF_READ_VERIFY, NULL);
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, NULL) && !end)
    if (entry.copy == HF_COPY_WHOLE)
      g_hash_table_add (whole, GUINT_TO_POINTER (kit_number (&entry.item->facts.id)));
  for (guint i = 0; i < self->messages->len; i++)
    {
      HistoryMessage *message = &g_array_index (self->messages, HistoryMessage, i);

      if (!g_hash_table_contains (whole, GUINT_TO_POINTER (message->number)))
        message->was_damaged = TRUE;
    }
}

void
history_damage (History *self)
{
  g_autoptr (GArray) seqs = list_all (self);
  g_autofree gchar *path = NULL;
  g_autoptr (GString) octets = NULL;

  if (seqs->len == 0)
    return;
  path = hf_segment_path (self->spool, g_array_index (seqs, guint64, (guint) g_rand_int_range (self->rand, 0, (gint) seqs->len)));
  octets = kit_read_file (path);
  if (octets->len <= HF_BLOCK)
    return;
  octets->str[g_rand_int_range (self->rand, HF_BLOCK, (gint) octets->len)] ^= 1;
  kit_write_file (path, octets->str, octets->len);
  self->has_damage = TRUE;
  note_damaged (self);
}

static void
settle_place (History *self, const HfViewEntry *entry)
{
  g_autofree gchar *id = g_strdup_printf ("%u-%" G_GUINT64_FORMAT, (guint) entry->seq, self->monotonic_ms + (gint64) entry->item->offset);
  const guint number = entry->item->has_facts ? kit_number (&entry->item->facts.id) : 0;
  HfStatementBuilder *builder = hf_daybook_begin (self->daybook, "act");

  hf_statement_add (builder, "id", id, -1);
  add_time (builder, "at", self->wall_ms);
  hf_statement_add (builder, "outcome", "declared", -1);
  if (number > 0)
    {
      hf_statement_add (builder, "message", entry->item->facts.id.text, -1);
      hf_statement_add (builder, "recipients", "all", -1);
    }
  hf_statement_add_number (builder, "segment", entry->seq);
  hf_statement_add_number (builder, "place", entry->item->offset);
  hf_statement_end (builder);
}

/* What the act came to is in the ledger; the model takes it from there, for
 * these messages alone, whose copies are not whole. */
static void
take_over (History *self)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (
      self->ledger, "SELECT e.id, r.position FROM envelope e JOIN recipient r ON r.envelope = e.n WHERE r.outcome = 'declared'", NULL);

  while (sqlite3_step (row) == SQLITE_ROW)
    {
      HfId id;
      HistoryMessage *message;
      const gint recipient = sqlite3_column_int (row, 1);

      g_strlcpy (id.text, (const gchar *) sqlite3_column_text (row, 0), sizeof id.text);
      message = &g_array_index (self->messages, HistoryMessage, kit_number (&id) - 1);
      if (message->states[recipient] == HISTORY_SETTLED)
        continue;
      message->states[recipient] = HISTORY_SETTLED;
      message->since_ms[recipient] = self->monotonic_ms;
    }
}

void
history_settle_places (History *self)
{
  g_autoptr (HfView) view = hf_view_open (self->spool, HF_READ_RECIPIENTS, NULL);
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, NULL) && !end)
    if (entry.copy != HF_COPY_WHOLE && g_rand_boolean (self->rand))
      settle_place (self, &entry);
  if (hf_daybook_pending (self->daybook) == 0)
    return;
  commit (self);
  take_over (self);
}
