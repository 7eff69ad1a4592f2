/* test-trim.c - nothing goes but what may, and no crash leaves a gap unexplained (P3)
 *
 * A journal is a list of words for each segment: a number is a message, v3@1 a
 * void mark of message 3 in segment 1, t1 a note that segment 1 has a torn
 * write, d5 message 5 damaged after it was written, x octets that are no
 * record, h a header that does not verify.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/readers.h"
#include "milter/journal/trim.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW_MS G_GINT64_CONSTANT (1800000000000)
#define SETTLED_MS (NOW_MS - 1000)
#define MOST_SEGMENTS 6
#define READERS_WAIT_MS (30 * 1000)

static const HfWho who = { .uid = 4711, .user = (gchar *) "postmaster" };

/* ---- journals ---- */

static void
add_word (KitSegment *segment, const gchar *word)
{
  guint number = 0, in = 0;

  if (sscanf (word, "v%u@%u", &number, &in) == 2)
    kit_segment_void (segment, number, in);
  else if (sscanf (word, "t%u", &in) == 1)
    kit_segment_torn (segment, in, HF_BLOCK, HF_BLOCK);
  else if (sscanf (word, "d%u", &number) == 1)
    {
      kit_segment_message (segment, number, "Subject: x\r\n\r\nText.\r\n", -1);
      *g_strrstr (segment->text->str, "Text.") = 't';
    }
  else if (strcmp (word, "x") == 0)
    g_string_append (segment->text, "these octets are no record\r\n");
  else if (strcmp (word, "h") == 0)
    segment->text->str[strlen ("NOOP holdfast-segment v=1 ho")] ^= 1;
  else
    kit_segment_message (segment, (guint) g_ascii_strtoull (word, NULL, 10), "Subject: x\r\n\r\nText.\r\n", -1);
}

/* A spool with the segments in @described, ended by NULL, from number 1 on. */
static gchar *
make_journal (const gchar *const *described)
{
  gchar *spool = kit_spool_new ();
  KitSegment segments[MOST_SEGMENTS];
  guint count = 0;

  for (; described[count] != NULL; count++)
    {
      g_auto (GStrv) words = g_strsplit (described[count], " ", -1);

      kit_segment_init (&segments[count], count + 1, count > 0 ? &segments[count - 1] : NULL);
      for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++)
        {
          add_word (&segments[count], words[i]);
          kit_segment_pad (&segments[count]);
        }
      kit_segment_end (&segments[count]);
      kit_segment_save (&segments[count], spool, 0);
    }
  for (guint i = 0; i < count; i++)
    kit_segment_clear (&segments[i]);
  return spool;
}

/* What the tests declare settled. */
typedef struct
{
  const gchar *messages; /* numbers */
  const gchar *places;   /* numbers of segments, whose breaches are settled */
} Declared;

static gboolean
has_number (const gchar *list, guint64 number)
{
  g_auto (GStrv) words = g_strsplit (list, " ", -1);
  g_autofree gchar *word = g_strdup_printf ("%" G_GUINT64_FORMAT, number);

  return g_strv_contains ((const gchar *const *) words, word);
}

static void
state_of (const HfViewEntry *entry, HfTrimState *out_state, gpointer user_data)
{
  const Declared *declared = user_data;

  if (entry->copy != HF_COPY_WHOLE)
    {
      out_state->is_settled = has_number (declared->places, entry->seq);
      out_state->settled_ms = out_state->is_settled ? SETTLED_MS : G_MININT64;
    }
  else if (entry->mark != NULL)
    out_state->voids = 1;
  else if (has_number (declared->messages, kit_number (&entry->item->facts.id)))
    {
      out_state->settled = 1;
      out_state->settled_ms = SETTLED_MS;
    }
  else
    out_state->provisional = 1;
}

static GArray *
plan_for (const gchar *spool, const Declared *declared, gint64 retention_ms)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfView) view = hf_view_open (spool, HF_READ_RECIPIENTS, &error);
  HfTrimRules rules;
  GArray *plan;

  if (view == NULL)
    g_error ("no view: %s", error->message);
  rules = (HfTrimRules) { .now_ms = NOW_MS, .retention_ms = retention_ms, .state_of = state_of, .user_data = (gpointer) declared };
  plan = hf_trim_plan (view, &rules, &error);
  if (plan == NULL)
    g_error ("no plan: %s", error->message);
  return plan;
}

/* ---- what goes ---- */

static gchar *
verdicts (const GArray *plan)
{
  static const gchar *const words[] = { "goes", "open", "newest", "unreadable", "damaged", "unsettled", "retention", "needed", "unasked" };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < plan->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", words[g_array_index (plan, HfTrimSegment, i).verdict]);
  return g_strdup (text->str);
}

static void
test_plan (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *segments[MOST_SEGMENTS + 1];
    Declared declared;
    gint64 retention_ms;
    const gchar *want;
  } rows[] = {
    { "nothing settled", { "1", "2", "3" }, { "", "" }, 0, "unsettled unsettled newest" },
    { "all settled", { "1", "2", "3" }, { "1 2 3", "" }, 0, "goes goes newest" },
    { "one recipient is enough to stay", { "1 2", "3 4", "5" }, { "1 3 4 5", "" }, 0, "unsettled goes newest" },
    { "one segment", { "1" }, { "1", "" }, 0, "newest" },
    { "without records", { "", "", "" }, { "", "" }, 0, "goes goes newest" },
    { "retention not over", { "1", "2", "3" }, { "1 2 3", "" }, 1001, "retention retention newest" },
    { "retention just over", { "1", "2", "3" }, { "1 2 3", "" }, 1000, "goes goes newest" },
    { "void has no retention", { "1 v1@1", "2", "3" }, { "2 3", "" }, 1001, "goes retention newest" },
    { "mark of a record that goes too", { "1", "v1@1", "2" }, { "", "" }, 0, "goes goes newest" },
    { "mark of a record that stays", { "1 9", "v1@1", "2" }, { "", "" }, 0, "unsettled needed newest" },
    { "mark of a record that is gone", { "9", "v1@1", "2" }, { "", "" }, 0, "unsettled goes newest" },
    { "mark of a record that may be what can't be read", { "x", "v1@1", "2" }, { "", "" }, 0, "damaged needed newest" },
    { "marks in a row", { "1 9", "2 v1@1", "v2@2", "3" }, { "", "" }, 0, "unsettled needed needed newest" },
    { "mark that stands in the segment itself", { "1 v1@1", "2", "3" }, { "", "" }, 0, "goes unsettled newest" },
    { "damaged", { "x 1", "2", "3", "4" }, { "1 2 3", "" }, 0, "damaged needed goes newest" },
    { "damaged, only its id settled", { "d1", "2", "3", "4" }, { "1 2 3", "" }, 0, "damaged needed goes newest" },
    { "damaged, its place settled", { "x 1", "2", "3" }, { "1 2", "1" }, 0, "goes goes newest" },
    { "damaged, its place settled, retention", { "x 1", "2", "3" }, { "1 2", "1" }, 1001, "retention retention newest" },
    { "torn", { "x", "t1", "2" }, { "", "" }, 0, "damaged needed newest" },
    { "torn, its place settled", { "x", "t1", "2" }, { "", "1" }, 0, "goes goes newest" },
    { "the next header explains what is damaged", { "h 9", "", "2" }, { "", "1" }, 0, "unsettled needed newest" },
    { "header damaged, all settled", { "h 9", "", "2" }, { "9", "1" }, 0, "goes goes newest" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = make_journal (rows[i].segments);
      g_autoptr (GArray) plan = plan_for (spool, &rows[i].declared, rows[i].retention_ms);
      g_autofree gchar *got = verdicts (plan);

      tap_check_str (rows[i].name, got, rows[i].want);
    }
}

/* A filter writes to the last segment, or is just about to open it. */
static void
test_plan_live (void)
{
  static const gchar *const described[] = { "1", "2", "3", "4", NULL };
  static const Declared all = { "1 2 3 4", "" };
  static const struct
  {
    const gchar *name;
    guint64 published;
    const gchar *want;
  } rows[] = {
    { "open", 4, "goes goes newest open" },
    { "opened and not yet published", 3, "goes newest open open" },
    { "between two segments", 0, "goes goes goes newest" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = make_journal (described);
      g_autofree gchar *lock = kit_path (spool, HF_JOURNAL_LOCK);
      g_autoptr (GArray) plan = NULL;
      g_autofree gchar *got = NULL;
      int fd = hf_sys.open (lock, O_RDWR | O_CREAT, 0600);

      kit_publish (spool, rows[i].published, 0);
      tap_check_int (rows[i].name, hf_sys.lock (fd, 1), 0);
      plan = plan_for (spool, &all, 0);
      got = verdicts (plan);
      tap_check_str (rows[i].name, got, rows[i].want);
      hf_sys_close (&fd);
    }
}

/* ---- removal ---- */

static const gchar *const usual[] = { "1 2", "3 9", "4 v1@1", "x 5", "v9@2", "6", NULL };

/* TRUE when the views explain what is there: nothing missing, nothing broken. */
static gboolean
is_explained (const gchar *row, const gchar *spool)
{
  g_autofree gchar *text = kit_view_text (spool, HF_READ_VERIFY);
  g_autoptr (HfView) view = hf_view_open (spool, HF_READ_SKIM, NULL);

  return tap_check (row, view != NULL) && tap_check (row, strstr (text, "broken") == NULL)
         && tap_check (row, strstr (text, "unreadable") == NULL) && tap_check_int (row, hf_view_missing (view)->len, 0)
         && tap_check_int (row, hf_view_trimmed (view)->breaks, 0);
}

/* Message 9 is void here, but segment 2 has 3: it stays until 3 is settled. */
static const Declared all_but_three = { "2 4 5", "4" };

static gboolean
run_all_but_three (const gchar *spool, guint *out_removed, GError **error)
{
  g_autoptr (GArray) plan = plan_for (spool, &all_but_three, 0);

  return hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, out_removed, error);
}

static void
test_run (void)
{
  g_autoptr (KitSpool) spool = make_journal (usual);
  g_autofree gchar *path = kit_path (spool, HF_JOURNAL_TRIMMED);
  g_autoptr (GArray) plan = plan_for (spool, &all_but_three, 0);
  g_autofree gchar *got = verdicts (plan);
  g_autoptr (GString) notes = NULL;
  g_autoptr (GError) error = NULL;
  HfTrimmed trimmed;
  guint removed;

  tap_check_str ("plan", got, "goes unsettled goes goes needed newest");
  tap_check ("run", hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, &removed, &error));
  tap_check_int ("removed", removed, 3);
  is_explained ("views", spool);
  notes = kit_read_file (path);
  tap_check_has ("who", notes->str, "uid=4711 user=postmaster");
  tap_check_has ("why", notes->str, "reason=a+20test");
  g_free (path);
  path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  tap_check ("load", hf_trimmed_load (path, &trimmed, &error));
  tap_check_int ("notes", trimmed.notes->len, 3);
  tap_check_int ("breaks", trimmed.breaks, 0);
  tap_check_int ("first seq", hf_trimmed_find (&trimmed, 1)->seq, 1);
  tap_check_int ("records", hf_trimmed_find (&trimmed, 1)->records, 2);
  tap_check_int ("void", hf_trimmed_find (&trimmed, 1)->voids, 1);
  tap_check_int ("settled", hf_trimmed_find (&trimmed, 1)->settled, 1);
  tap_check_int ("breaches", hf_trimmed_find (&trimmed, 4)->breaches, 1);
  tap_check ("not trimmed", hf_trimmed_find (&trimmed, 2) == NULL);
  hf_trimmed_clear (&trimmed);
}

/* A segment that ends in a breach: what follows it need not follow from its chain. */
static void
test_run_broken_end (void)
{
  static const gchar *const described[] = { "1", "2 d5", "3 9", "4", NULL };
  static const Declared declared = { "1 2", "2" };
  g_autoptr (KitSpool) spool = make_journal (described);
  g_autoptr (GArray) plan = plan_for (spool, &declared, 0);
  g_autoptr (GError) error = NULL;
  guint removed;

  tap_check ("run", hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, &removed, &error));
  tap_check_int ("removed", removed, 2);
  is_explained ("views", spool);
}

/* A segment that ends in a record of which nobody knew that it was synced: the
 * next one follows from the record before it, while both are there and after
 * the first is gone. */
static void
test_run_unsynced_end (void)
{
  static const Declared declared = { "1 2", "" };
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_auto (KitSegment) first;
  g_auto (KitSegment) second;
  g_autoptr (GArray) plan = NULL;
  guint removed;

  kit_segment_init (&first, 1, NULL);
  add_word (&first, "1");
  kit_segment_pad (&first);
  kit_segment_init (&second, 2, &first);
  add_word (&first, "2");
  kit_segment_pad (&first);
  kit_segment_save (&first, spool, 0);
  add_word (&second, "3");
  kit_segment_pad (&second);
  kit_segment_save (&second, spool, 0);
  is_explained ("both", spool);
  plan = plan_for (spool, &declared, 0);
  tap_check ("run", hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, &removed, NULL));
  tap_check_int ("removed", removed, 1);
  is_explained ("trimmed", spool);
}

/* Taken away without a note, a segment is missing; with one that was changed, too. */
static void
test_missing (void)
{
  static const gchar *const described[] = { "1", "2", "3", NULL };
  static const Declared declared = { "1", "" };
  g_autoptr (KitSpool) spool = make_journal (described);
  g_autofree gchar *first = kit_segment_path (spool, 1);
  g_autofree gchar *second = kit_segment_path (spool, 2);
  g_autofree gchar *path = kit_path (spool, HF_JOURNAL_TRIMMED);
  g_autoptr (GArray) plan = plan_for (spool, &declared, 0);
  g_autoptr (GString) notes = NULL;
  g_autoptr (HfView) view = NULL;
  guint removed;

  tap_check ("run", hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, &removed, NULL));
  is_explained ("trimmed", spool);
  notes = kit_read_file (path);
  *strstr (notes->str, "records=1") = 'R';
  kit_write_file (path, notes->str, notes->len);
  view = hf_view_open (spool, HF_READ_SKIM, NULL);
  tap_check_int ("note changed", hf_view_missing (view)->len, 1);
  tap_check_int ("which", g_array_index (hf_view_missing (view), guint64, 0), 1);
  hf_view_free (g_steal_pointer (&view));
  tap_check_int ("unlink", unlink (second), 0);
  view = hf_view_open (spool, HF_READ_SKIM, NULL);
  tap_check_int ("no note", hf_view_missing (view)->len, 1);
  tap_check_int ("which", g_array_index (hf_view_missing (view), guint64, 0), 2);
}

/* A note taken out of the middle is seen by the one behind it. */
static void
test_note_taken_out (void)
{
  static const gchar *const described[] = { "1", "2", "3", "4", NULL };
  static const Declared declared = { "1 2 3", "" };
  g_autoptr (KitSpool) spool = make_journal (described);
  g_autofree gchar *path = kit_path (spool, HF_JOURNAL_TRIMMED);
  g_autoptr (GArray) plan = plan_for (spool, &declared, 0);
  g_autoptr (GString) notes = NULL;
  g_autoptr (HfView) view = NULL;
  const gchar *second, *third;
  guint removed;

  tap_check ("run", hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, &removed, NULL));
  notes = kit_read_file (path);
  second = strstr (notes->str, "NOOP holdfast-trimmed v=1 seq=2");
  third = strstr (notes->str, "NOOP holdfast-trimmed v=1 seq=3");
  g_string_erase (notes, second - notes->str, third - second);
  kit_write_file (path, notes->str, notes->len);
  view = hf_view_open (spool, HF_READ_SKIM, NULL);
  tap_check_int ("breaks", hf_view_trimmed (view)->breaks, 1);
}

/* ---- a crash at every call ---- */

enum
{
  DIED = 112,
  DISORDER = 113, /* a segment would have gone before its note, or the removal before it, was on stable storage */
};

static struct
{
  guint calls;
  guint die_at;
  gboolean half; /* the last write does half of what it was told */
  gboolean note_synced;
  gboolean removal_synced;
} crash = { .removal_synced = TRUE };

static gboolean
is_about (int fd, const gchar *part)
{
  g_autofree gchar *link = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autofree gchar *path = g_file_read_link (link, NULL);

  return path != NULL && strstr (path, part) != NULL;
}

static void
maybe_die (void)
{
  if (++crash.calls == crash.die_at)
    _exit (DIED);
}

static ssize_t
crash_write (int fd, const void *data, size_t size)
{
  if (crash.half && crash.calls + 1 == crash.die_at && write (fd, data, size / 2) < 0)
    _exit (DISORDER);
  maybe_die ();
  crash.note_synced = FALSE;
  return write (fd, data, size);
}

static int
crash_fsync (int fd)
{
  maybe_die ();
  if (is_about (fd, "/" HF_JOURNAL_TRIMMED))
    crash.note_synced = TRUE;
  else
    crash.removal_synced = TRUE;
  return fsync (fd);
}

static int
crash_unlinkat (int dir_fd, const char *path, int flags)
{
  maybe_die ();
  if (!crash.note_synced || !crash.removal_synced)
    _exit (DISORDER);
  crash.removal_synced = FALSE;
  return unlinkat (dir_fd, path, flags);
}

static int
crash_openat (int dir_fd, const char *path, int flags, mode_t mode)
{
  maybe_die ();
  return openat (dir_fd, path, flags, mode);
}

/* Trims in a process of its own that dies at call @die_at; 0: at none.  Returns its exit code. */
static int
trim_and_die (const gchar *spool, guint die_at, gboolean half)
{
  g_autoptr (GArray) plan = plan_for (spool, &all_but_three, 0);
  pid_t pid = fork ();
  int status = 0;
  guint removed;

  if (pid == 0)
    {
      crash.die_at = die_at;
      crash.half = half;
      hf_sys.write = crash_write;
      hf_sys.fsync = crash_fsync;
      hf_sys.unlinkat = crash_unlinkat;
      hf_sys.openat = crash_openat;
      _exit (hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, &removed, NULL) ? 0 : 1);
    }
  if (pid < 0 || waitpid (pid, &status, 0) != pid)
    g_error ("cannot run a process");
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

static void
test_killed (void)
{
  for (gint half = 0; half < 2; half++)
    {
      int code = DIED;
      guint at = 0;

      while (code == DIED)
        {
          g_autofree gchar *row = g_strdup_printf ("killed at call %u%s", ++at, half ? ", write half done" : "");
          g_autoptr (KitSpool) spool = make_journal (usual);
          g_autofree gchar *text = NULL;
          g_autoptr (GError) error = NULL;
          guint removed;

          code = trim_and_die (spool, at, half != 0);
          tap_check (row, code == DIED || code == 0);
          is_explained (row, spool);
          tap_check (row, run_all_but_three (spool, &removed, &error));
          text = kit_view_text (spool, HF_READ_VERIFY);
          tap_check_str (row, text, "2:3 whole, 2:9 whole void, 6:6 whole");
          is_explained (row, spool);
        }
      tap_check ("it died at every step", at > 8);
    }
}

static void
test_order (void)
{
  g_autoptr (KitSpool) spool = make_journal (usual);

  tap_check_int ("notes are synced before segments go", trim_and_die (spool, 0, FALSE), 0);
}

/* Each call fails once: what was to go stays or is explained. */
static void
test_failed (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
  } rows[] = {
    { "open", FAULT_OPENAT, EACCES },
    { "write", FAULT_WRITE, ENOSPC },
    { "sync", FAULT_FSYNC, EIO },
    { "unlink", FAULT_UNLINKAT, EIO },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint nth = 1;; nth++)
      {
        g_autofree gchar *row = g_strdup_printf ("%s %u", rows[i].name, nth);
        g_autoptr (KitSpool) spool = make_journal (usual);
        g_autoptr (GArray) plan = plan_for (spool, &all_but_three, 0);
        g_autoptr (GError) error = NULL;
        guint removed;
        gboolean ok;

        faults_fail (rows[i].call, NULL, nth, rows[i].number);
        ok = hf_trim_run (spool, plan, NULL, NULL, &who, "a test", READERS_WAIT_MS, &removed, &error);
        if (faults_met (rows[i].call) == 0)
          {
            faults_reset ();
            tap_check (row, ok && nth > 1);
            break;
          }
        faults_reset ();
        tap_check (row, !ok && error != NULL);
        is_explained (row, spool);
        g_clear_error (&error);
        tap_check (row, run_all_but_three (spool, &removed, &error));
        is_explained (row, spool);
      }
}

/* ---- readers ---- */

static void
test_readers (void)
{
  static const gchar *const described[] = { "1", "2", NULL };
  g_autoptr (KitSpool) spool = make_journal (described);
  g_autofree gchar *dir = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  g_autoptr (HfView) one = hf_view_open (spool, HF_READ_SKIM, NULL);
  g_autoptr (HfView) two = hf_view_open (spool, HF_READ_SKIM, NULL);
  g_autoptr (GError) error = NULL;
  int dir_fd = hf_sys.open (dir, O_RDONLY | O_DIRECTORY, 0);
  int fd = -1;

  tap_check ("two readers", one != NULL && two != NULL);
  tap_check ("kept out", !hf_readers_exclude (dir_fd, 0, &fd, &error));
  tap_check ("why", g_error_matches (error, HF_ERROR, HF_ERROR_BUSY));
  hf_view_free (g_steal_pointer (&one));
  g_clear_error (&error);
  tap_check ("one still reads", !hf_readers_exclude (dir_fd, 0, &fd, &error));
  hf_view_free (g_steal_pointer (&two));
  tap_check ("nobody reads", hf_readers_exclude (dir_fd, 0, &fd, NULL));
  hf_sys_close (&fd);
  hf_sys_close (&dir_fd);
}

/* A reader that could not lock meets a segment that is gone. */
static void
test_reader_without_lock (void)
{
  g_autoptr (KitSpool) spool = make_journal (usual);
  g_autofree gchar *readers = kit_path (spool, HF_JOURNAL_READERS);
  g_autoptr (HfView) view = NULL;
  g_autoptr (GError) error = NULL;
  HfViewEntry entry;
  gboolean end = FALSE;
  guint removed, seen = 0;

  faults_fail_from (FAULT_OPENAT, HF_JOURNAL_READERS, 1, EROFS);
  view = hf_view_open (spool, HF_READ_VERIFY, &error);
  tap_check ("open", view != NULL && faults_met (FAULT_OPENAT) > 0);
  faults_reset ();
  tap_check ("trim", run_all_but_three (spool, &removed, &error));
  tap_check_int ("removed", removed, 3);
  for (; hf_view_next (view, &entry, &end, &error) && !end; seen++)
    {
      tap_check ("readable", entry.unreadable == NULL);
      tap_check ("chain", !entry.chain_broken);
    }
  tap_check_int ("messages", seen, 3);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "plan", test_plan },
    { "plan-live", test_plan_live },
    { "run", test_run },
    { "run-broken-end", test_run_broken_end },
    { "run-unsynced-end", test_run_unsynced_end },
    { "missing", test_missing },
    { "note-taken-out", test_note_taken_out },
    { "killed", test_killed },
    { "order", test_order },
    { "failed", test_failed },
    { "readers", test_readers },
    { "reader-without-lock", test_reader_without_lock },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("trim", tests, argc, argv);
}
