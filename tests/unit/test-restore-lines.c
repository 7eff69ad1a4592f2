/* test-restore-lines.c - kept lines come in the order of the log, whatever chunks they are in */
#include <config.h>

#include "milter/audit/restore-lines.h"
#include "milter/base/error.h"
#include "tests/unit/tap.h"

#include <glib/gstdio.h>
#include <string.h>

#define CHUNKS "SELECT rowid, seq FROM evidence"

static gchar *spool;
static HfLedger *ledger;

static void
begin (void)
{
  spool = g_dir_make_tmp ("hf-lines-XXXXXX", NULL);
  ledger = hf_ledger_open (spool, HF_LEDGER_WRITE, NULL);
  tap_check ("ledger", ledger != NULL);
}

static void
end (void)
{
  g_autoptr (GDir) dir = g_dir_open (spool, 0, NULL);
  const gchar *name;

  hf_ledger_free (ledger);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (spool, name, NULL);

      g_unlink (path);
    }
  g_rmdir (spool);
  g_free (spool);
}

static void
add_chunk (guint64 mail, guint64 seq, const gchar *lines)
{
  g_autoptr (sqlite3_stmt) row
      = hf_ledger_prepare (ledger, "INSERT INTO evidence (mail, seq, lines) VALUES (?1, ?2, ?3)", NULL);

  sqlite3_bind_int64 (row, 1, (gint64) mail);
  sqlite3_bind_int64 (row, 2, (gint64) seq);
  sqlite3_bind_blob (row, 3, lines, (int) strlen (lines), SQLITE_TRANSIENT);
  tap_check_int ("insert", sqlite3_step (row), SQLITE_DONE);
}

/* "SEQ:MAIL:TEXT" of all, with blanks between. */
static gchar *
read_all (HfKeptLines *lines, GError **error)
{
  GString *all = g_string_new (NULL);
  HfKeptLine line;

  while (hf_kept_lines_next (lines, &line, error))
    {
      const HfSlice text = line.text.at != NULL ? line.text : hf_slice (line.why);

      g_string_append_printf (all, "%s%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%.*s", all->len > 0 ? " " : "", line.seq,
                              line.mail, (int) text.length, text.at);
    }
  return g_string_free (all, FALSE);
}

static void
test_order (void)
{
  const HfKeptLine gap = { .seq = 5, .text = HF_SLICE_NONE, .why = "gap" };
  const HfKeptLine bulk = { .seq = 30, .text = { "all", 3 } };
  g_autoptr (HfKeptLines) lines = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *all = NULL;

  begin ();
  add_chunk (3, 20, "20 1 0 0 \n");                              /* a line without text */
  add_chunk (1, 1, "1 1 0 1 a\n4 1 0 0 d\n21 1 0 0 g\n");        /* around the others */
  add_chunk (2, 2, "2 1 0 0 b\n4 1 0 0 d\n");                    /* shares a line */
  add_chunk (1, 22, "22 1 0 0 h\n");
  add_chunk (4, 3, "3 0 0 0 c 7 8 9\n");
  lines = hf_kept_lines_new (ledger, CHUNKS, &error);
  if (tap_check ("read", lines != NULL))
    {
      hf_kept_lines_add (lines, &bulk);
      hf_kept_lines_add (lines, &gap);
      tap_check ("text", hf_kept_lines_add_text (lines, "25 1 0 0 s\n6 1 0 0 r\n"));
      tap_check ("no text", hf_kept_lines_add_text (lines, NULL) && hf_kept_lines_add_text (lines, ""));
      tap_check ("half a text", !hf_kept_lines_add_text (lines, "26 1 0 0 s"));
      all = read_all (lines, &error);
      tap_check_str ("in order", all,
                     "1:1:a 2:2:b 3:4:c 7 8 9 4:1:d 4:2:d 5:0:gap 6:0:r 20:3: 21:1:g 22:1:h 25:0:s 30:0:all");
      tap_check ("no error", error == NULL);
    }
  g_clear_pointer (&lines, hf_kept_lines_free);
  end ();
}

/* Every line of many messages once, chunk boundaries wherever they fall. */
static void
test_many (void)
{
  enum { MAILS = 40, LINES = 4000 };
  g_autoptr (GRand) chance = g_rand_new_with_seed (7);
  g_autoptr (HfKeptLines) lines = NULL;
  g_autoptr (GError) error = NULL;
  GString *chunks[MAILS] = { NULL };
  guint64 begins[MAILS] = { 0 };
  HfKeptLine line;
  guint64 want = 1;

  begin ();
  for (guint seq = 1; seq <= LINES; seq++)
    {
      const guint mail = (guint) g_rand_int_range (chance, 0, MAILS);

      if (chunks[mail] == NULL)
        {
          chunks[mail] = g_string_new (NULL);
          begins[mail] = seq;
        }
      g_string_append_printf (chunks[mail], "%u 1 0 0 %u\n", seq, mail + 1);
      for (guint i = 0; i < MAILS; i++)
        if (chunks[i] != NULL && (seq == LINES || g_rand_int_range (chance, 0, 200) == 0))
          {
            add_chunk (i + 1, begins[i], chunks[i]->str);
            g_string_free (g_steal_pointer (&chunks[i]), TRUE);
          }
    }
  lines = hf_kept_lines_new (ledger, CHUNKS, &error);
  while (lines != NULL && hf_kept_lines_next (lines, &line, &error) && line.seq == want
         && g_ascii_strtoull (line.text.at, NULL, 10) == line.mail)
    want++;
  tap_check_int ("all of them", (gint64) want - 1, LINES);
  tap_check ("no error", error == NULL);
  g_clear_pointer (&lines, hf_kept_lines_free);
  end ();
}

static void
test_corrupt (void)
{
  static const gchar *const texts[] = { "7 1 0 0 cut", "7 1 0\n8 1 0 0 x\n", "7 1 0 0\n", "x\n", "7 1 x 0 y\n" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (HfKeptLines) lines = NULL;
      g_autoptr (GError) error = NULL;
      HfKeptLine line;

      begin ();
      add_chunk (1, 7, texts[i]);
      lines = hf_kept_lines_new (ledger, CHUNKS, NULL);
      tap_check (texts[i], lines != NULL && !hf_kept_lines_next (lines, &line, &error)
                               && g_error_matches (error, HF_ERROR, HF_ERROR_CORRUPT));
      g_clear_pointer (&lines, hf_kept_lines_free);
      end ();
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "order", test_order }, { "many chunks", test_many }, { "corrupt", test_corrupt }, { NULL, NULL },
  };

  return tap_run ("restore lines", tests, argc, argv);
}
