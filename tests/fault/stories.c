/* stories.c - P1, P2, P5, P7: what KB Q157684, Q157693 and Q146950 told of mail can't happen here
 *
 *   Q157684  the message's stream can't be opened: inbound mail was deleted and nothing logged;
 *            a stored copy can't be opened: outbound mail was deleted, and nobody told
 *   Q157693  accepted, as the log says, and deleted when the next step failed
 *   Q146950  the spool's directory disappears while the service runs
 *
 * A filter runs in this process, behind the real libmilter; the stored copies
 * are looked at with the command that is built beside it.
 */
#include <config.h>

#include "tests/fault/case.h"
#include "tests/fault/defects.h"
#include "tests/fault/scratch.h"
#include "tests/unit/tap.h"

#include "milter/journal/directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_LIMIT_MS 10000
#define NEXT_LIMIT_MS 15000
#define SIZE 3000

static gsize mail_size = SIZE; /* of what send_mail() sends */

static FtInside inside;
static gchar *scratch, *spool;
static FtAccount account;

/* ---- scenes ---- */

static void
begin (const gchar *row)
{
  g_autoptr (GError) error = NULL;

  ft_events_forget ();
  ft_make_directory (spool);
  ft_account_init (&account);
  tap_check (row, ft_inside_open (&inside, spool, &error));
}

static void
end (const gchar *row)
{
  if (inside.is_open)
    tap_check (row, ft_inside_stop (&inside, STOP_LIMIT_MS));
  ft_account_clear (&account);
  ft_tree_remove (spool);
}

static FtMail *
send_mail (const gchar *row, McReply *out_reply)
{
  FtMail *mail = ft_account_add (&account, mail_size);
  g_autoptr (GError) error = NULL;

  tap_check (row, ft_inside_send (&inside, mail, out_reply, &error));
  return mail;
}

static void
must_take (const gchar *row)
{
  g_auto (McReply) reply = MC_REPLY_INIT;

  tap_check_int (row, send_mail (row, &reply)->answer, FT_TAKEN);
}

/* P2: 4xx, with a cause, and an event that names the queue id, the step and the errno. */
static FtMail *
must_refuse (const gchar *row, const gchar *step, const gchar *number)
{
  g_auto (McReply) reply = MC_REPLY_INIT;
  FtMail *mail = send_mail (row, &reply);
  g_autofree gchar *queue = g_strdup_printf ("queue=%s ", mail->queue);
  g_autofree gchar *cause = g_strdup_printf ("step=%s errno=%s", step, number);

  tap_check_int (row, mail->answer, FT_TEMPFAILED);
  tap_check_int (row, reply.smtp / 100, 4);
  tap_check_has (row, reply.text, "message not stored: ");
  tap_check_has (row, reply.text, " HF-201 ");
  tap_check (row, ft_events_have (queue, cause));
  return mail;
}

/* All that were taken are there, whole; nothing is half, damaged or broken. */
static void
must_hold (const gchar *row, guint found, guint torn)
{
  g_autoptr (GString) why = g_string_new (NULL);
  FtFindings findings;

  tap_check (row, ft_account_compare (&account, spool, G_MAXUINT64, HF_READ_VERIFY, &findings, NULL, why));
  tap_check_str (row, why->str, "");
  tap_check_int (row, findings.found, found);
  tap_check_int (row, findings.torn, torn);
}

static gchar *
segment_path (guint64 seq)
{
  HfSegmentName name;

  hf_segment_name (seq, &name);
  return g_build_filename (spool, HF_JOURNAL_DIRECTORY, name.text, NULL);
}

/* What the command says of the spool; its exit code in @out_code. */
static gchar *
ask_holdfast (const gchar *verb, int *out_code)
{
  g_autofree gchar *config = g_build_filename (scratch, "milter.conf", NULL);
  g_autofree gchar *text = g_strdup_printf ("[spool]\ndirectory = %s\n", spool);
  const gchar *const argv[] = { "milter/holdfast", "-c", config, verb, NULL };
  gchar *said = NULL;
  int status;

  if (!g_file_set_contents (config, text, -1, NULL)
      || !g_spawn_sync (NULL, (gchar **) (guintptr) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &said, NULL, &status, NULL))
    g_error ("cannot run holdfast");
  *out_code = WIFEXITED (status) ? WEXITSTATUS (status) : -1;
  return said;
}

/* ---- Q157684 ---- */

/* Inbound: the stream can't be opened, or not be opened again. */
static void
test_Q157684_inbound (void)
{
  static const struct
  {
    const gchar *name;
    FtFault fault;
    gboolean named;
    const gchar *step;
    const gchar *number;
  } rows[] = {
    { "cannot be opened", { FT_OPEN, FT_ON_STAGE, 1, FT_FAIL, EMFILE, FALSE }, FALSE, "stage-open", "EMFILE" },
    { "cannot be opened, no room", { FT_OPEN, FT_ON_STAGE, 1, FT_FAIL, ENOSPC, FALSE }, FALSE, "stage-open", "ENOSPC" },
    { "cannot be opened again", { FT_OPEN, FT_ON_STAGE, 2, FT_FAIL, ENOENT, FALSE }, FALSE, "stage-reopen", "ENOENT" },
    { "cannot be opened again by name", { FT_OPEN, FT_ON_STAGE, 2, FT_FAIL, EACCES, FALSE }, TRUE, "stage-reopen", "EACCES" },
    { "cannot be read", { FT_PREAD, FT_ON_STAGE, 1, FT_FAIL, EIO, FALSE }, FALSE, "stage-read", "EIO" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      begin (rows[i].name);
      inside.filter.area.named = rows[i].named;
      ft_faults_arm (&rows[i].fault);
      must_refuse (rows[i].name, rows[i].step, rows[i].number);
      tap_check_int (rows[i].name, ft_faults_disarm (), 1);
      must_take (rows[i].name); /* the sender kept it, and comes again */
      tap_check (rows[i].name, ft_inside_stop (&inside, STOP_LIMIT_MS));
      must_hold (rows[i].name, 1, 0);
      end (rows[i].name);
    }
}

/* Outbound: a stored copy can't be opened.  It stays as it is, it is named, an
 * event tells, and what lies beside it is not touched by that. */
static void
test_Q157684_outbound (void)
{
  g_autofree gchar *path = NULL, *away = NULL, *said = NULL, *listed = NULL, *again = NULL;
  int code;

  begin ("stored");
  path = segment_path (1);
  away = g_strconcat (path, ".away", NULL);
  must_take ("stored");
  must_take ("stored");
  tap_check ("stored", ft_inside_stop (&inside, STOP_LIMIT_MS));

  /* a link that leads to itself can't be opened, by root either */
  tap_check_int ("away", rename (path, away) | symlink (path, path), 0);
  said = ask_holdfast ("verify", &code);
  tap_check ("verify", code != 0);
  tap_check_has ("verify", said, path);
  tap_check_has ("verify", said, g_strerror (ELOOP));
  listed = ask_holdfast ("list", &code);
  tap_check_has ("list", listed, path);
  tap_check ("start", ft_inside_open (&inside, spool, NULL));
  tap_check ("event", ft_events_have ("HF-305", path));
  must_take ("beside it");
  tap_check ("stop", ft_inside_stop (&inside, STOP_LIMIT_MS));

  tap_check_int ("back", unlink (path) | rename (away, path), 0);
  again = ask_holdfast ("verify", &code);
  tap_check_int ("back", code, 0);
  must_hold ("back", 3, 0);
  end ("back");
}

/* The same where it can be opened, and does not verify. */
static void
test_Q157684_outbound_damaged (void)
{
  g_autofree gchar *path = NULL, *before = NULL, *after = NULL, *said = NULL, *listed = NULL, *id = NULL;
  gsize size, size_after;
  gchar *hit;
  int code;

  begin ("stored");
  path = segment_path (1);
  must_take ("stored");
  must_take ("stored");
  tap_check ("stored", ft_inside_stop (&inside, STOP_LIMIT_MS));
  tap_check ("read", g_file_get_contents (path, &before, &size, NULL));
  hit = memmem (before, size, "mail 0, line at", strlen ("mail 0, line at"));
  tap_check ("the first mail's text", hit != NULL);
  *hit ^= 1;
  id = memmem (before, size, " id=", strlen (" id="));
  id = g_strndup (id + strlen (" id="), HF_ID_LENGTH);
  tap_check ("write", g_file_set_contents (path, before, (gssize) size, NULL));

  said = ask_holdfast ("verify", &code);
  tap_check_int ("verify", code, 1);
  tap_check_has ("verify", said, "damaged: ");
  tap_check_has ("verify", said, id);
  listed = ask_holdfast ("list", &code);
  tap_check_has ("list", listed, id);
  tap_check_has ("list", listed, "damaged");
  tap_check_has ("list", listed, "n0@example.org"); /* its envelope is known all the same */
  tap_check ("start", ft_inside_open (&inside, spool, NULL));
  tap_check ("event", ft_events_have ("HF-305", id));
  tap_check ("stop", ft_inside_stop (&inside, STOP_LIMIT_MS));
  tap_check ("read again", g_file_get_contents (path, &after, &size_after, NULL));
  tap_check ("the copy stays as it is", size == size_after && memcmp (before, after, size) == 0);
  end ("stored");
}

/* ---- Q157693 ---- */

/* Accepted by the protocol, staged, and then handing it on fails: whichever
 * step it is, the client is told, and its next try is the one that counts. */
static void
test_Q157693 (void)
{
  static const struct
  {
    const gchar *name;
    FtFault fault;
    const gchar *step;
    const gchar *number;
  } rows[] = {
    { "written", { FT_PWRITE, FT_ON_SEGMENT, 1, FT_FAIL, EIO, FALSE }, "segment-write", "EIO" },
    { "no room", { FT_PWRITE, FT_ON_SEGMENT, 1, FT_FAIL, ENOSPC, FALSE }, "segment-write", "ENOSPC" },
    { "read back", { FT_PREAD, FT_ON_SEGMENT, 1, FT_FAIL, EIO, FALSE }, "journal-read", "EIO" },
    { "synced", { FT_FDATASYNC, FT_ON_SEGMENT, 1, FT_FAIL, EIO, FALSE }, "segment-sync", "EIO" },
    { "found by name", { FT_STAT, FT_ON_SEGMENT, 1, FT_FAIL, ENOENT, FALSE }, "path-check", "ENOENT" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gint refused;

      begin (rows[i].name);
      must_take (rows[i].name);
      ft_faults_arm (&rows[i].fault);
      must_refuse (rows[i].name, rows[i].step, rows[i].number);
      tap_check_int (rows[i].name, ft_faults_disarm (), 1);
      refused = ft_inside_send_until_taken (&inside, &account, SIZE, NEXT_LIMIT_MS);
      tap_check (rows[i].name, refused >= 0);
      tap_check (rows[i].name, ft_inside_stop (&inside, STOP_LIMIT_MS));
      must_hold (rows[i].name, 2, 0);
      end (rows[i].name);
    }
}

/* The MTA itself fails after our yes, and its client comes again under another
 * queue id: nobody here knows, so both copies stay, and neither is void (P7). */
static void
test_Q157693_after_the_answer (void)
{
  g_auto (McReply) reply = MC_REPLY_INIT;
  g_autoptr (McClient) client = NULL;
  g_autoptr (GError) error = NULL;
  FtMail *mail;

  begin ("taken");
  mail = ft_account_add (&account, SIZE);
  client = mc_client_connect (inside.socket, &mc_postfix, NEXT_LIMIT_MS, &error);
  tap_check ("first", client != NULL && mc_client_begin (client, &error) && ft_mail_send (mail, client, &reply, &error));
  tap_check_int ("first", mail->answer, FT_TAKEN);
  mc_client_shutdown (client); /* the MTA is gone without a word */
  tap_check ("first", mc_client_wait_closed (client));
  must_take ("second");
  tap_check ("stop", ft_inside_stop (&inside, STOP_LIMIT_MS));
  must_hold ("both", 2, 0);
  end ("taken");
}

/* ---- Q146950 ---- */

/* The directory is taken away and put back.  Writes to the open segment still
 * succeed then, and no 250 may rest on them.  A small message needs no directory
 * when a stage was kept for it, so those that must fail are large. */
static void
test_Q146950 (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *directory;
    gsize size;
    const gchar *cause;
  } rows[] = {
    { "journal", HF_JOURNAL_DIRECTORY, SIZE, "step=path-check" },
    { "stage", HF_STAGE_DIRECTORY, 2 * HF_STAGE_KEPT_SIZE, "step=stage-open" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = g_build_filename (spool, rows[i].directory, NULL);
      g_autofree gchar *away = g_build_filename (scratch, "away", NULL);
      g_auto (McReply) reply = MC_REPLY_INIT;

      begin (rows[i].name);
      mail_size = rows[i].size;
      must_take (rows[i].name);
      tap_check_int (rows[i].name, rename (path, away), 0);
      for (guint k = 0; k < 4; k++)
        tap_check_int (rows[i].name, send_mail (rows[i].name, &reply)->answer, FT_TEMPFAILED);
      /* by a message, or by the writer, who looks after its journal when it is idle */
      tap_check (rows[i].name, ft_events_have (rows[i].cause, "errno=ENOENT"));
      tap_check_int (rows[i].name, rename (away, path), 0);
      tap_check (rows[i].name, ft_inside_send_until_taken (&inside, &account, mail_size, NEXT_LIMIT_MS) >= 0);
      mail_size = SIZE;
      tap_check (rows[i].name, ft_inside_stop (&inside, STOP_LIMIT_MS));
      must_hold (rows[i].name, 2, 0);
      end (rows[i].name);
    }
}

/* ---- controls: each story, told of a filter with a defect, must not hold ---- */

static const struct
{
  const gchar *name;
  void (*install) (void);
  const gchar *story;
} defects[] = {
  { "silent-events", ft_defect_silent_events, "Q157684_inbound" },
  { "silent-events", ft_defect_silent_events, "Q157684_outbound" },
  { "lost-writes", ft_defect_lost_writes, "Q157693" },
  { "blind-path-check", ft_defect_blind_path_check, "Q146950" },
};

static gboolean
install_defect (const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (defects); i++)
    if (strcmp (defects[i].name, name) == 0)
      {
        defects[i].install ();
        return TRUE;
      }
  return FALSE;
}

/* The table of system calls is one for a process: each is run in one of its own. */
static void
test_controls (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (defects); i++)
    {
      g_autofree gchar *option = g_strdup_printf ("--defect=%s", defects[i].name);
      g_autofree gchar *want = g_strdup_printf ("not ok 1 - stories %s", defects[i].story);
      const gchar *const argv[] = { "/proc/self/exe", option, defects[i].story, NULL };
      g_autofree gchar *said = NULL;

      tap_check (want, g_spawn_sync (NULL, (gchar **) (guintptr) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &said, NULL,
                                     NULL, NULL));
      tap_check_has (want, said, want);
    }
}

static const TapTest tests[] = {
  { "Q157684_inbound", test_Q157684_inbound },
  { "Q157684_outbound", test_Q157684_outbound },
  { "Q157684_outbound_damaged", test_Q157684_outbound_damaged },
  { "Q157693", test_Q157693 },
  { "Q157693_after_the_answer", test_Q157693_after_the_answer },
  { "Q146950", test_Q146950 },
  { "controls", test_controls },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int status = 99;

  scratch = ft_scratch_new ("stories");
  spool = g_build_filename (scratch, "spool", NULL);
  ft_faults_install (FALSE);
  ft_events_watch ();
  if (argc > 1 && g_str_has_prefix (argv[1], "--defect="))
    {
      if (!install_defect (argv[1] + strlen ("--defect=")))
        g_error ("no defect of that name");
      argv++;
      argc--;
    }
  if (ft_inside_start (&inside, scratch, &error))
    status = tap_run ("stories", tests, argc, argv);
  else
    printf ("Bail out! %s\n", error->message);
  g_free (spool);
  ft_scratch_end (scratch);
  return status;
}
