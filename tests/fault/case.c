/* case.c - one fault, met by a running filter, and what is left of it; see case.h */
#include <config.h>

#include "tests/fault/case.h"

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/directory.h"
#include "tests/fault/scratch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NEXT_LIMIT_MS 15000
#define SETTLE_LIMIT_MS 5000
#define JOURNAL_LIMIT_MS 1500
#define HANG_COMMIT_LIMIT_MS 150
#define HANG_STOP_LIMIT_MS 300
#define STOP_LIMIT_MS 10000
#define MAIL_SIZE 2000

static void G_GNUC_PRINTF (2, 3)
wrong (FtCase *self, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (self->why, format, args);
  va_end (args);
  g_string_append_c (self->why, '\n');
}

static void
must (gboolean holds, const gchar *what, const GError *error)
{
  if (holds)
    return;
  g_printerr ("Bail out! %s: %s\n", what, error != NULL ? error->message : "failed");
  exit (99);
}

/* ---- answers ---- */

/* P2: a 4xx with an enhanced code, a cause and an id, by which an event can be found. */
static void
check_refusal (FtCase *self, const FtMail *mail, const McReply *reply)
{
  const gchar *text = reply->text != NULL ? reply->text : "";
  const gchar *id = strrchr (text, ' ');

  if (reply->smtp / 100 != 4 || strstr (text, " 4.3.") == NULL || strstr (text, ": ") == NULL
      || strstr (text, " HF-2") == NULL || id == NULL || !hf_id_is_valid (id + 1))
    wrong (self, "silent: mail %u was refused with '%s'", mail->number, text);
  else if (!ft_events_have ("HF-2", id + 1))
    wrong (self, "silent: no event tells of '%s'", text);
}

static void
check_answer (FtCase *self, const FtMail *mail, const McReply *reply, gboolean spoke, const GError *error)
{
  g_atomic_int_inc (&self->figures->sent);
  if (!spoke)
    wrong (self, "silent: mail %u: %s", mail->number, error != NULL ? error->message : "no answer");
  else if (mail->answer == FT_TAKEN)
    g_atomic_int_inc (&self->figures->taken);
  else if (mail->answer == FT_TEMPFAILED)
    {
      g_atomic_int_inc (&self->figures->tempfailed);
      check_refusal (self, mail, reply);
    }
  else
    wrong (self, "mail %u was answered %s", mail->number, mc_verdict_name (reply->verdict));
}

void
ft_case_send (FtCase *self, gsize size)
{
  g_auto (McReply) reply = MC_REPLY_INIT;
  g_autoptr (GError) error = NULL;
  FtMail *mail = ft_account_add (&self->account, size);
  const gboolean spoke = ft_inside_send (&self->inside, mail, &reply, &error);

  check_answer (self, mail, &reply, spoke, error);
}

typedef struct
{
  FtCase *owner;
  FtMail *mail;
  McReply reply;
  GError *error;
  gboolean spoke;
  pthread_t thread;
} Sender;

static gpointer
run_sender (gpointer data)
{
  Sender *self = data;

  self->spoke = ft_inside_send (&self->owner->inside, self->mail, &self->reply, &self->error);
  return NULL;
}

void
ft_case_send_crowd (FtCase *self, guint count, gsize size)
{
  g_autofree Sender *senders = g_new0 (Sender, count);

  for (guint i = 0; i < count; i++)
    {
      senders[i].owner = self;
      senders[i].mail = ft_account_add (&self->account, size);
    }
  for (guint i = 0; i < count; i++)
    must (pthread_create (&senders[i].thread, NULL, run_sender, &senders[i]) == 0, "cannot start a thread", NULL);
  for (guint i = 0; i < count; i++)
    {
      pthread_join (senders[i].thread, NULL);
      check_answer (self, senders[i].mail, &senders[i].reply, senders[i].spoke, senders[i].error);
      mc_reply_clear (&senders[i].reply);
      g_clear_error (&senders[i].error);
    }
}

void
ft_case_wait_journal (FtCase *self)
{
  const gint64 until_ms = hf_sys_monotonic_ms () + JOURNAL_LIMIT_MS;

  while (!hf_writer_check (self->inside.filter.writer, NULL) && hf_sys_monotonic_ms () < until_ms)
    g_usleep (500);
}

/* ---- a spool that saw a crash ---- */

/* The first part of the segment's first record once more, behind its written
 * end: a group that a crash cut short. */
static void
tear (const gchar *spool)
{
  g_autofree gchar *path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, "0000000001.bsmtp", NULL);
  g_autofree gchar *octets = NULL;
  g_autoptr (GError) error = NULL;
  const gsize part = 1500;
  const gchar *record;
  gsize size, end;

  must (g_file_get_contents (path, &octets, &size, &error), "segment", error);
  for (end = size; end > 0 && octets[end - 1] == '\0'; end--)
    ;
  end = (end + HF_BLOCK - 1) / HF_BLOCK * HF_BLOCK;
  record = memmem (octets, size, "NOOP holdfast-message", strlen ("NOOP holdfast-message"));
  must (record != NULL && end + part <= size, "segment has no record or no room", NULL);
  memmove (octets + end, record, part);
  must (g_file_set_contents_full (path, octets, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0600, &error), "segment", error);
}

static void
make_seen_crash (FtCase *self)
{
  g_autoptr (GError) error = NULL;

  self->seen_mails = 3;
  ft_make_directory (self->spool);
  must (ft_inside_open (&self->inside, self->spool, &error), "first start", error);
  ft_account_init (&self->account);
  for (guint i = 0; i < self->seen_mails; i++)
    ft_case_send (self, MAIL_SIZE);
  must (self->why->len == 0 && self->figures->taken > 0, "first mails", NULL);
  ft_tree_copy (self->spool, self->seen_crash);
  tear (self->seen_crash);
  ft_inside_stop (&self->inside, STOP_LIMIT_MS);
  ft_account_clear (&self->account);
  ft_tree_remove (self->spool);
}

/* ---- one case ---- */

static gboolean
settle (const FtCase *self)
{
  return ft_wait_descriptors (self->descriptors, self->settle_limit_ms);
}

void
ft_case_init (FtCase *self, const gchar *root, FtFigures *figures)
{
  static const FtScenario quiet = { .name = "quiet", .act = NULL };
  g_autoptr (GError) error = NULL;

  memset (self, 0, sizeof *self);
  self->root = g_strdup (root);
  self->spool = g_build_filename (root, "spool", NULL);
  self->crashed = g_build_filename (root, "crashed", NULL);
  self->seen_crash = g_build_filename (root, "seen-crash", NULL);
  self->figures = figures;
  self->why = g_string_new (NULL);
  self->descriptors = G_MAXUINT;
  self->next_limit_ms = NEXT_LIMIT_MS;
  self->settle_limit_ms = SETTLE_LIMIT_MS;
  ft_events_watch ();
  must (ft_inside_start (&self->inside, root, &error), "libmilter", error);
  make_seen_crash (self);
  /* What libraries open once is open now. */
  if (!ft_case_run (self, &quiet, NULL, NULL))
    must (FALSE, self->why->str, NULL);
  for (gint quiet_ms = 0; quiet_ms < 50; quiet_ms++)
    {
      const guint descriptors = ft_count_descriptors ();

      if (descriptors != self->descriptors)
        quiet_ms = 0;
      self->descriptors = descriptors;
      g_usleep (1000);
    }
}

static void
prepare_spool (FtCase *self, const FtScenario *scenario)
{
  if (!scenario->at_start)
    {
      ft_make_directory (self->spool);
      return;
    }
  ft_tree_copy (self->seen_crash, self->spool);
  for (guint i = 0; i < self->seen_mails; i++)
    ft_account_add (&self->account, MAIL_SIZE)->answer = FT_TAKEN;
}

/* A start that is refused says why, and leaves the next one its chance. */
static void
start (FtCase *self, const FtScenario *scenario, const FtFault *fault, guint *met)
{
  g_autoptr (GError) error = NULL;
  gboolean ok;

  if (scenario->at_start)
    ft_faults_arm (fault);
  ok = ft_inside_open (&self->inside, self->spool, &error);
  if (scenario->at_start)
    *met = ft_faults_disarm ();
  if (!ok)
    {
      g_atomic_int_inc (&self->figures->starts_refused);
      if (error == NULL || *error->message == '\0')
        wrong (self, "silent: the start was refused without a reason");
      g_clear_error (&error);
      if (!settle (self))
        wrong (self, "leak: a refused start keeps descriptors");
      must (ft_inside_open (&self->inside, self->spool, &error), "second start", error);
    }
  if (scenario->named)
    self->inside.filter.area.named = TRUE;
  if (fault != NULL && fault->mode == FT_HANG)
    self->inside.filter.commit_limit_ms = HANG_COMMIT_LIMIT_MS;
}

/* A stop that can't finish says so, and in time. */
static void
stop (FtCase *self, const FtScenario *scenario, const FtFault *fault, guint *met)
{
  const gboolean hangs = scenario->at_stop && fault != NULL && fault->mode == FT_HANG;
  gboolean finished;

  if (scenario->at_stop)
    ft_faults_arm (fault);
  finished = ft_inside_stop (&self->inside, hangs ? HANG_STOP_LIMIT_MS : STOP_LIMIT_MS);
  if (scenario->at_stop)
    *met = ft_faults_disarm ();
  if (finished == (hangs && *met > 0))
    wrong (self, "the stop %s", finished ? "finished behind a call that hangs" : "did not finish");
}

/* The name of a stage that could not be removed stays until the next start. */
static guint
may_stay (const FtFault *fault, guint met)
{
  return fault != NULL && fault->on == FT_ON_STAGE && (fault->call == FT_UNLINKAT || fault->mode == FT_DONE) ? met : 0;
}

static void
check_stages (FtCase *self, guint stay)
{
  g_autofree gchar *stage = g_build_filename (self->spool, HF_STAGE_DIRECTORY, NULL);
  HfStageArea area = { NULL };
  guint left = ft_count_entries (stage);

  if (left > stay)
    {
      wrong (self, "leak: %u files in stage", left);
      g_atomic_int_inc (&self->figures->leaks);
    }
  if (left == 0)
    return;
  if (!hf_stage_area_open (&area, self->spool, NULL))
    wrong (self, "no start on what is left in stage");
  else
    hf_stage_area_tidy (&area);
  if (ft_count_entries (stage) > 0)
    wrong (self, "leak: a start leaves files in stage");
  hf_stage_area_clear (&area);
}

static void
check_leaks (FtCase *self, const FtFault *fault, guint met)
{
  g_autofree gchar *large = g_build_filename (self->spool, HF_JOURNAL_DIRECTORY, HF_JOURNAL_LARGE, NULL);

  if (!settle (self))
    {
      wrong (self, "leak: %u descriptors, %u before", ft_count_descriptors (), self->descriptors);
      g_atomic_int_inc (&self->figures->leaks);
    }
  check_stages (self, may_stay (fault, met));
  if (g_file_test (large, G_FILE_TEST_EXISTS))
    {
      wrong (self, "leak: '%s' is left", HF_JOURNAL_LARGE);
      g_atomic_int_inc (&self->figures->leaks);
    }
}

/* What wrote wrong octets on purpose may be told as damage. */
static gboolean
is_corrupting (const FtFault *fault)
{
  return fault != NULL && fault->mode == FT_FLIP;
}

/* @spool as a restart finds it. */
static void
check_journal (FtCase *self, const gchar *spool, const FtFault *fault, gboolean stopped)
{
  FtFigures *figures = self->figures;
  g_autoptr (GString) why = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  FtFindings found;

  if (!ft_restart (spool, &error))
    wrong (self, "no restart: %s", error->message);
  if (!ft_account_compare (&self->account, spool, stopped ? 1 : 0, HF_READ_VERIFY, &found, NULL, why))
    wrong (self, "the journal can't be read");
  g_atomic_int_add (&figures->answered, (gint) found.answered);
  g_atomic_int_add (&figures->found, (gint) found.found);
  g_atomic_int_add (&figures->lost, (gint) found.lost);
  g_atomic_int_add (&figures->half, (gint) found.half);
  g_atomic_int_add (&figures->torn, (gint) found.torn);
  if (!ft_findings_good (&found) || ((found.damaged > 0 || found.breaks > 0) && !is_corrupting (fault))
      || (stopped && found.unmarked > 0 && !ft_events_have ("HF-204", NULL)))
    wrong (self, "%s: %s", stopped ? "after the stop" : "after the fault", why->str);
}

static void
go_through (FtCase *self, const FtScenario *scenario, const FtFault *fault, guint *met)
{
  gint refused;

  prepare_spool (self, scenario);
  start (self, scenario, fault, met);
  if (scenario->before != NULL)
    scenario->before (self);
  if (scenario->act != NULL)
    {
      ft_faults_arm (fault);
      scenario->act (self);
      ft_tree_copy (self->spool, self->crashed);
      *met = ft_faults_disarm ();
    }
  refused = ft_inside_send_until_taken (&self->inside, &self->account, MAIL_SIZE, self->next_limit_ms);
  if (refused < 0)
    wrong (self, "stuck: no mail is taken any more");
  g_atomic_int_add (&self->figures->sent, MAX (refused, 0) + 1);
  g_atomic_int_add (&self->figures->tempfailed, MAX (refused, 0));
  g_atomic_int_add (&self->figures->taken, refused >= 0);
  stop (self, scenario, fault, met);
}

gboolean
ft_case_run (FtCase *self, const FtScenario *scenario, const FtFault *fault, guint *out_met)
{
  guint met = 0;

  g_string_truncate (self->why, 0);
  ft_events_forget ();
  ft_account_init (&self->account);
  go_through (self, scenario, fault, &met);
  check_leaks (self, fault, met);
  if (scenario->act != NULL)
    check_journal (self, self->crashed, fault, FALSE);
  check_journal (self, self->spool, fault, TRUE);
  settle (self);
  ft_tree_remove (self->crashed);
  ft_tree_remove (self->spool);
  ft_account_clear (&self->account);
  g_atomic_int_inc (&self->figures->cases);
  g_atomic_int_add (&self->figures->faults, (gint) met);
  g_atomic_int_add (&self->figures->wrong, self->why->len > 0);
  if (out_met != NULL)
    *out_met = met;
  return self->why->len == 0;
}
