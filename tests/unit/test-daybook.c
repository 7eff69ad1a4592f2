/* test-daybook.c - a group of the books counts whole or not at all, and the ledger follows */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/ledger/ledger.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static gchar *spool;

static void
remove_all (const gchar *dir)
{
  g_autoptr (GDir) open = g_dir_open (dir, 0, NULL);
  const gchar *name;

  while (open != NULL && (name = g_dir_read_name (open)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (dir, name, NULL);

      if (unlink (path) < 0)
        remove_all (path);
    }
  rmdir (dir);
}

static void
begin_spool (void)
{
  spool = g_dir_make_tmp ("hf-books-XXXXXX", NULL);
}

static void
end_spool (void)
{
  remove_all (spool);
  g_clear_pointer (&spool, g_free);
}

static gchar *
file_path (guint seq)
{
  g_autofree gchar *name = g_strdup_printf ("%010u.books", seq);

  return g_build_filename (spool, HF_BOOKS_DIRECTORY, name, NULL);
}

static gboolean
collect (const gchar *kind, const HfStatement *statement, gpointer data, GError **error)
{
  const gchar *text = hf_statement_get (statement, "text");

  if (strcmp (kind, "note") == 0)
    g_string_append_printf (data, "%s ", text != NULL ? text : "?");
  return TRUE;
}

/* What a reader finds, and in @out_report how. */
static gchar *
read_all (HfDaybookReport *out_report)
{
  GString *found = g_string_new (NULL);
  const HfDaybookSink sink = { collect, NULL, found };
  g_autoptr (GError) error = NULL;

  tap_check ("read", hf_daybook_read (spool, NULL, &sink, out_report, &error));
  return g_string_free (found, FALSE);
}

static void
add_note (HfDaybook *daybook, const gchar *text)
{
  HfStatementBuilder *builder = hf_daybook_begin (daybook, "note");

  hf_statement_add (builder, "text", text, -1);
  hf_statement_end (builder);
}

static void
write_group (const gchar *one, const gchar *other)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HfDaybook) daybook = hf_daybook_open (spool, &error);

  if (!tap_check ("open", daybook != NULL))
    return;
  add_note (daybook, one);
  if (other != NULL)
    add_note (daybook, other);
  tap_check ("commit", hf_daybook_commit (daybook, NULL, &error));
}

static void
test_groups (void)
{
  g_autofree gchar *found = NULL;
  HfDaybookReport report;

  begin_spool ();
  found = read_all (&report);
  tap_check_str ("no directory", found, "");
  write_group ("one", "two");
  write_group ("three\r\nNOOP holdfast-commit group=9", NULL);
  g_free (found);
  found = read_all (&report);
  tap_check_str ("in order", found, "one two three\r\nNOOP holdfast-commit group=9 ");
  tap_check_int ("groups, the header's among them", report.groups, 3);
  tap_check_int ("torn, damaged, breaks", report.torn + report.damaged + report.breaks, 0);
  end_spool ();
}

static void
test_lock (void)
{
  g_autoptr (HfDaybook) daybook = NULL;
  g_autoptr (HfDaybook) second = NULL;
  g_autoptr (GError) error = NULL;

  begin_spool ();
  daybook = hf_daybook_open (spool, NULL);
  second = hf_daybook_open (spool, &error);
  tap_check ("one auditor", second == NULL && g_error_matches (error, HF_ERROR, HF_ERROR_BUSY));
  end_spool ();
}

/* For each length that a crash may leave of the file: what was committed is
 * there, what was not is not, and the next writer goes on. */
static void
test_torn (void)
{
  g_autofree gchar *text = NULL, *path = NULL;
  gsize size = 0, before;
  struct stat st;

  begin_spool ();
  write_group ("one", NULL);
  path = file_path (1);
  tap_check_int ("stat", stat (path, &st), 0);
  before = (gsize) st.st_size;
  write_group ("two", "three");
  tap_check ("contents", g_file_get_contents (path, &text, &size, NULL));
  for (gsize cut = before; cut <= size; cut += cut < size && size - cut < 7 ? 1 : 7)
    {
      g_autofree gchar *row = g_strdup_printf ("cut at %zu of %zu", cut, size);
      g_autofree gchar *second = file_path (2);
      g_autofree gchar *found = NULL, *after = NULL;
      HfDaybookReport report;

      unlink (second);
      tap_check (row, g_file_set_contents (path, text, (gssize) cut, NULL));
      found = read_all (&report);
      tap_check_str (row, found, cut < size ? "one " : "one two three ");
      tap_check_int (row, report.torn, cut > before && cut < size);
      write_group ("four", NULL);
      after = read_all (&report);
      tap_check_str (row, after, cut < size ? "one four " : "one two three four ");
      tap_check_int (row, report.breaks, 0);
    }
  end_spool ();
}

/* One octet changed: its group does not count, the others do, and it is told. */
static void
test_damaged (void)
{
  g_autofree gchar *text = NULL, *path = NULL, *found = NULL;
  HfDaybookReport report;
  gsize size = 0;
  gchar *hit;

  begin_spool ();
  write_group ("one", NULL);
  write_group ("two", NULL);
  write_group ("three", NULL);
  path = file_path (1);
  tap_check ("contents", g_file_get_contents (path, &text, &size, NULL));
  hit = strstr (text, "text=two");
  hit[5] = 'x';
  tap_check ("change", g_file_set_contents (path, text, (gssize) size, NULL));
  found = read_all (&report);
  tap_check_str ("the others", found, "one three ");
  tap_check_int ("damaged", report.damaged, 1);
  end_spool ();
}

/* A damaged group at the end is not written over: it may be repaired by hand. */
static void
test_damaged_end (void)
{
  g_autofree gchar *text = NULL, *after = NULL, *path = NULL, *found = NULL;
  HfDaybookReport report;
  gsize size = 0, size_after = 0;

  begin_spool ();
  write_group ("one", NULL);
  write_group ("two", NULL);
  path = file_path (1);
  tap_check ("contents", g_file_get_contents (path, &text, &size, NULL));
  strstr (text, "text=two")[5] = 'x';
  tap_check ("change", g_file_set_contents (path, text, (gssize) size, NULL));
  write_group ("three", NULL);
  tap_check ("contents", g_file_get_contents (path, &after, &size_after, NULL));
  tap_check ("the file is as it was", size_after == size && memcmp (text, after, size) == 0);
  found = read_all (&report);
  tap_check_str ("the others", found, "one three ");
  tap_check_int ("damaged", report.damaged, 1);
  strstr (after, "text=xwo")[5] = 't';
  tap_check ("repair", g_file_set_contents (path, after, (gssize) size_after, NULL));
  g_free (found);
  found = read_all (&report);
  tap_check_str ("repaired", found, "one two three ");
  end_spool ();
}

static int
fail_sync (int fd)
{
  errno = EIO;
  return -1;
}

static void
test_failed_sync (void)
{
  g_autoptr (GError) error = NULL;
  HfDaybook *daybook;

  begin_spool ();
  write_group ("one", NULL);
  daybook = hf_daybook_open (spool, NULL);
  add_note (daybook, "two");
  hf_sys.fdatasync = fail_sync;
  tap_check ("a failed sync is told", !hf_daybook_commit (daybook, NULL, &error));
  hf_sys = hf_sys_real;
  add_note (daybook, "three");
  tap_check ("and nothing is written after it", !hf_daybook_commit (daybook, NULL, NULL));
  hf_daybook_free (daybook);
  end_spool ();
}

static gint64
count (HfLedger *ledger, const gchar *sql)
{
  g_autoptr (sqlite3_stmt) row = hf_ledger_prepare (ledger, sql, NULL);

  return row != NULL && sqlite3_step (row) == SQLITE_ROW ? sqlite3_column_int64 (row, 0) : -1;
}

static void
add_envelope (HfDaybook *daybook, const gchar *id)
{
  HfStatementBuilder *builder = hf_daybook_begin (daybook, "envelope");

  hf_statement_add (builder, "id", id, -1);
  hf_statement_add_number (builder, "segment", 1);
  hf_statement_add_number (builder, "offset", 4096);
  hf_statement_add_number (builder, "length", 100);
  hf_statement_add (builder, "at", "2026-11-22T20:18:05.000Z", -1);
  hf_statement_add (builder, "sender", "a@example.org", -1);
  hf_statement_add (builder, "rcpt", "b@example.net", -1);
  hf_statement_add (builder, "rcpt", "b@example.net", -1);
  hf_statement_end (builder);
}

/* A crash between the books and the ledger: the next start catches up, once. */
static void
test_catch_up (void)
{
  static const gchar recipients[] = "SELECT count (*) FROM recipient";
  g_autoptr (HfDaybook) daybook = NULL;
  HfDaybookReport report;
  HfLedger *ledger;

  begin_spool ();
  daybook = hf_daybook_open (spool, NULL);
  add_envelope (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAV");
  tap_check ("commit", hf_daybook_commit (daybook, NULL, NULL));
  for (guint i = 0; i < 3; i++)
    {
      ledger = hf_ledger_open (spool, i == 2 ? HF_LEDGER_REBUILD : HF_LEDGER_WRITE, NULL);
      if (tap_check ("ledger", ledger != NULL))
        {
          tap_check ("catch up", hf_ledger_catch_up (ledger, &report, NULL));
          tap_check_int ("recipients, each once", count (ledger, recipients), 2);
          tap_check_int ("groups", hf_ledger_mark (ledger)->group, hf_daybook_mark (daybook)->group);
        }
      hf_ledger_free (ledger);
    }
  add_envelope (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAW");
  ledger = hf_ledger_open (spool, HF_LEDGER_WRITE, NULL);
  tap_check ("into both", hf_daybook_commit (daybook, hf_ledger_sink (ledger), NULL));
  hf_ledger_free (ledger); /* killed before its commit */
  ledger = hf_ledger_open (spool, HF_LEDGER_WRITE, NULL);
  tap_check_int ("not committed, not there", count (ledger, recipients), 2);
  tap_check ("catch up", hf_ledger_catch_up (ledger, &report, NULL));
  tap_check_int ("caught up", count (ledger, recipients), 4);
  hf_ledger_free (ledger);
  end_spool ();
}

static void
add_copy (HfDaybook *daybook, const gchar *id, guint64 offset, const gchar *state, const gchar *fault)
{
  HfStatementBuilder *builder = hf_daybook_begin (daybook, "copy");

  hf_statement_add (builder, "id", id, -1);
  hf_statement_add_number (builder, "segment", 1);
  hf_statement_add_number (builder, "offset", offset);
  hf_statement_add_number (builder, "length", 100);
  hf_statement_add (builder, "state", state, -1);
  hf_statement_add (builder, "fault", fault, -1);
  hf_statement_add (builder, "at", "2026-11-23T20:18:05.000Z", -1);
  hf_statement_end (builder);
}

/* What re-reading found stays through a check of the segments and a rebuilding; a
 * segment that goes and comes back goes over it. */
static void
test_copies (void)
{
  static const gchar damaged[] = "SELECT count (*) FROM envelope WHERE copy = 'damaged' AND copy_fault = 'digest'",
                     whole[] = "SELECT count (*) FROM envelope WHERE copy = 'whole' AND copy_fault IS NULL",
                     trimmed[] = "SELECT count (*) FROM envelope WHERE copy = 'trimmed'",
                     gone[] = "SELECT count (*) FROM envelope WHERE copy = 'damaged' AND copy_fault = '" HF_LEDGER_GONE "'",
                     breaches[] = "SELECT count (*) FROM breach";
  static const struct
  {
    const gchar *name;
    gboolean present, trimmed;
    gint missing, damaged, whole, gone, trimmed_copies, breaches;
  } rows[] = {
    { "there", TRUE, FALSE, 0, 1, 1, 0, 0, 1 },
    { "gone: both are missing, also the damaged one", FALSE, FALSE, 2, 0, 0, 2, 0, 0 },
    { "still gone: told once", FALSE, FALSE, 0, 0, 0, 2, 0, 0 },
    { "back", TRUE, FALSE, 0, 0, 2, 0, 0, 0 },
    { "trimmed", FALSE, TRUE, 0, 0, 0, 0, 2, 0 },
    { "a segment that is there counts, whatever the notes say", TRUE, TRUE, 0, 0, 2, 0, 0, 0 },
  };
  g_autoptr (GArray) some = g_array_new (FALSE, FALSE, sizeof (guint64)), none = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autoptr (HfDaybook) daybook = NULL;
  const guint64 one = 1;
  HfDaybookReport report;
  HfLedger *ledger;

  begin_spool ();
  g_array_append_val (some, one);
  daybook = hf_daybook_open (spool, NULL);
  add_envelope (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAV");
  add_envelope (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAW");
  add_copy (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAV", 4096, "damaged", "digest");
  add_copy (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAW", 4096, "damaged", "digest");
  add_copy (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAW", 4096, "whole", NULL);
  add_copy (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAW", 8192, "damaged", "another copy than the one that counts");
  add_copy (daybook, NULL, 8192, "damaged", "junk");
  add_copy (daybook, NULL, 12288, "damaged", "junk");
  add_copy (daybook, NULL, 12288, "whole", NULL);
  tap_check ("commit", hf_daybook_commit (daybook, NULL, NULL));
  for (guint rebuild = 0; rebuild < 2; rebuild++)
    {
      ledger = hf_ledger_open (spool, rebuild ? HF_LEDGER_REBUILD : HF_LEDGER_WRITE, NULL);
      tap_check ("catch up", hf_ledger_catch_up (ledger, &report, NULL));
      for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        {
          guint64 missing = 0;

          tap_check (rows[i].name, hf_ledger_check_segments (ledger, rows[i].present ? some : none,
                                                             rows[i].trimmed ? some : none, &missing, NULL));
          tap_check_int (rows[i].name, missing, rows[i].missing);
          tap_check_int (rows[i].name, count (ledger, damaged), rows[i].damaged);
          tap_check_int (rows[i].name, count (ledger, whole), rows[i].whole);
          tap_check_int (rows[i].name, count (ledger, gone), rows[i].gone);
          tap_check_int (rows[i].name, count (ledger, trimmed), rows[i].trimmed_copies);
          tap_check_int (rows[i].name, count (ledger, breaches), rows[i].breaches);
        }
      hf_ledger_free (ledger);
    }
  end_spool ();
}

static void
run_sql (const gchar *sql)
{
  g_autofree gchar *path = g_build_filename (spool, HF_LEDGER_FILE, NULL);
  sqlite3 *db = NULL;

  tap_check ("open", sqlite3_open (path, &db) == SQLITE_OK);
  tap_check (sql, sqlite3_exec (db, sql, NULL, NULL, NULL) == SQLITE_OK);
  sqlite3_close (db);
}

/* The ledger of another version, older or newer, and one that is none: readers
 * say so, the auditor makes it anew from the books, and nothing is missing. */
static void
test_versions (void)
{
  static const struct
  {
    const gchar *name, *sql;
    HfErrorCode want; /* for readers */
  } rows[] = {
    { "older", "DROP TABLE recipient; DROP TABLE snapshot; ALTER TABLE envelope DROP COLUMN bytes; PRAGMA user_version = 1",
      HF_ERROR_BUSY },
    { "newer", "ALTER TABLE recipient ADD COLUMN colour TEXT; PRAGMA user_version = 1000", HF_ERROR_BUSY },
  };
  HfDaybook *daybook;
  HfDaybookReport report;

  begin_spool ();
  daybook = hf_daybook_open (spool, NULL);
  add_envelope (daybook, "01ARYZ6S41TSV4RRFFQ69G5FAV");
  tap_check ("commit", hf_daybook_commit (daybook, NULL, NULL));
  for (guint i = 0; i < 2 * G_N_ELEMENTS (rows); i++)
    {
      const gchar *name = rows[i / 2].name;
      g_autoptr (HfLedger) made = hf_ledger_open (spool, HF_LEDGER_WRITE, NULL);
      g_autoptr (HfLedger) reader = NULL, again = NULL;
      g_autoptr (GError) error = NULL;

      tap_check (name, made != NULL && hf_ledger_catch_up (made, &report, NULL));
      g_clear_pointer (&made, hf_ledger_free);
      run_sql (rows[i / 2].sql);
      reader = hf_ledger_open (spool, HF_LEDGER_READ, &error);
      tap_check (name, reader == NULL && g_error_matches (error, HF_ERROR, (gint) rows[i / 2].want));
      again = hf_ledger_open (spool, i % 2 == 0 ? HF_LEDGER_WRITE : HF_LEDGER_REBUILD, NULL);
      if (!tap_check (name, again != NULL && hf_ledger_catch_up (again, &report, NULL)))
        continue;
      tap_check_int (name, report.groups, 2);
      tap_check_int (name, count (again, "SELECT count (*) FROM recipient WHERE state = 'provisional'"), 2);
      tap_check_int (name, count (again, "PRAGMA user_version"), HF_LEDGER_VERSION);
      tap_check_int (name, count (again, "SELECT count (*) FROM envelope WHERE copy = 'whole'"), 1);
    }
  hf_daybook_free (daybook);
  end_spool ();
}

/* What is no database is made anew, too. */
static void
test_no_database (void)
{
  g_autofree gchar *path = NULL;
  g_autoptr (HfLedger) ledger = NULL;
  HfDaybookReport report;

  begin_spool ();
  write_group ("one", NULL);
  path = g_build_filename (spool, HF_LEDGER_FILE, NULL);
  tap_check ("write", g_file_set_contents (path, "this is no database, and longer than its header of 100 octets: "
                                                 "........................................................", -1, NULL));
  ledger = hf_ledger_open (spool, HF_LEDGER_WRITE, NULL);
  tap_check ("made anew", ledger != NULL && hf_ledger_catch_up (ledger, &report, NULL));
  tap_check_int ("groups", report.groups, 2);
  end_spool ();
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "groups", test_groups },   { "lock", test_lock },
    { "torn", test_torn },       { "damaged", test_damaged },
    { "failed-sync", test_failed_sync }, { "catch-up", test_catch_up },
    { "copies", test_copies },
    { "damaged end", test_damaged_end }, { "versions", test_versions },
    { "no database", test_no_database },
    { NULL, NULL },
  };

  return tap_run ("daybook", tests, argc, argv);
}
