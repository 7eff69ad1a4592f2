/* sweep.c - P1, P2, P3, P6: whichever call fails, no message is lost or half kept
 *
 * Each scenario is run once to count the calls it makes, by kind, and then
 * again and again, with every fault that makes sense at the first, second,
 * third … call of each kind, until a run meets none.  What is asked after
 * each is in case.c.
 */
#include <config.h>

#include "tests/fault/case.h"
#include "tests/fault/crew.h"
#include "tests/fault/defects.h"
#include "tests/fault/scratch.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

/* They wait for disks and for time limits more than they compute. */
#define WORKERS (TAP_STRIDE > 1 ? 4 : 12)
#define MOST_TOLD 20

/* Of a sanitizer's build; a smaller share would leave scenarios without a fault. */
#define SHARE_LEAST 8

static gchar *scratch;

/* ---- scenarios ---- */

static void
act_message (FtCase *self)
{
  ft_case_send (self, 40000); /* more than the stage's buffer holds */
}

static void
act_change (FtCase *self)
{
  for (guint i = 0; i < 5; i++)
    ft_case_send (self, 12000); /* three fill a segment */
}

static void
act_large (FtCase *self)
{
  ft_case_send (self, 150000); /* more than a segment holds */
  ft_case_send (self, 2000);
}

static void
act_crowd (FtCase *self)
{
  ft_case_send_crowd (self, 6, 3000);
}

static void
before_small (FtCase *self)
{
  ft_case_send (self, 2000);
}

/* A failed sync leaves a record that has to be marked void, in a new segment. */
static void
act_void (FtCase *self)
{
  ft_faults_spoil (1);
  ft_case_send (self, 2000);
  ft_case_wait_journal (self);
  ft_case_send (self, 2000);
}

static void
before_void (FtCase *self)
{
  before_small (self);
  act_void (self);
}

static const FtScenario message = { .name = "message", .before = before_small, .act = act_message };
static const FtScenario named = { .name = "named stage", .before = before_small, .act = act_message, .named = TRUE };
static const FtScenario change = { .name = "segment change", .before = before_small, .act = act_change, .brief = TRUE };
static const FtScenario large = { .name = "large record", .before = before_small, .act = act_large, .brief = TRUE };
static const FtScenario crowd = { .name = "crowd", .before = before_small, .act = act_crowd, .brief = TRUE };
static const FtScenario void_ = { .name = "void mark", .before = before_small, .act = act_void, .brief = TRUE };
static const FtScenario start = { .name = "start", .at_start = TRUE };
static const FtScenario stop = { .name = "stop", .before = before_void, .at_stop = TRUE };

/* ---- the sweep ---- */

typedef struct
{
  const FtScenario *scenario;
  FtFigures *figures;
  gint *told;
} Job;

static void
run_one (FtCase *at, const Job *job, const FtFault *fault, guint *out_met)
{
  g_autofree gchar *text = NULL;

  if (ft_case_run (at, job->scenario, fault, out_met) || g_atomic_int_add (job->told, 1) >= MOST_TOLD)
    return;
  text = ft_fault_describe (fault);
  ft_crew_say ("%s: %s:\n%s", job->scenario->name, text, at->why->str);
}

/* A start waits for its disk: there is nobody to be answered yet.  Where a
 * scenario makes many calls, each gets a third of the errnos, in turn; in a
 * sanitizer's build, a share of all faults. */
static gboolean
is_wanted (const Job *job, const FtFault *fault, guint row)
{
  if (job->scenario->at_start && fault->mode == FT_HANG)
    return FALSE;
  if ((row + fault->nth + (guint) fault->call) % MIN (ft_stride (), SHARE_LEAST) != 0)
    return FALSE;
  return !job->scenario->brief || ft_is_long () || fault->mode != FT_FAIL || fault->stays || (row + fault->nth) % 3 == 0;
}

/* The calls of one kind.  Rows that the count promised are dealt out; behind
 * them one worker looks on until its run meets no fault.  A sanitizer's build
 * leaves that to the others. */
static void
sweep_kind (FtCase *at, const Job *job, const FtWorker *worker, FtCall call, FtOn on, guint count, guint *index)
{
  const gboolean is_long = ft_is_long ();

  for (guint nth = 1;; nth++)
    {
      g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (FtFault));
      guint met = 0;

      ft_faults_list (call, on, nth, is_long, rows);
      if (nth > count)
        {
          if (((guint) call + (guint) on) % worker->count != worker->index || ft_stride () > 1)
            return;
          run_one (at, job, &g_array_index (rows, FtFault, 0), &met);
          if (met == 0)
            return;
          continue;
        }
      for (guint i = 0; i < rows->len; i++)
        if (is_wanted (job, &g_array_index (rows, FtFault, i), i) && (*index)++ % worker->count == worker->index)
          run_one (at, job, &g_array_index (rows, FtFault, i), &met);
    }
}

static int
work (const FtWorker *worker, gpointer data)
{
  const Job *job = data;
  guint counts[FT_N_CALLS][FT_N_ON];
  guint index = 0;
  static FtCase at; /* libmilter's threads look at it until the process ends */

  ft_faults_install (TRUE);
  ft_case_init (&at, worker->root, job->figures);
  if (!ft_case_run (&at, job->scenario, NULL, NULL))
    {
      ft_crew_say ("%s: without a fault:\n%s", job->scenario->name, at.why->str);
      return 1;
    }
  for (guint call = 0; call < FT_N_CALLS; call++)
    for (guint on = 0; on < FT_N_ON; on++)
      counts[call][on] = ft_faults_count ((FtCall) call, (FtOn) on);
  for (guint call = 0; call < FT_N_CALLS; call++)
    for (guint on = 0; on < FT_N_ON; on++)
      if (counts[call][on] > 0)
        sweep_kind (&at, job, worker, (FtCall) call, (FtOn) on, counts[call][on], &index);
  return 0;
}

static void
say_figures (const gchar *name, const FtFigures *figures)
{
  ft_crew_say ("%s: %d cases, %d faults met, %d starts refused, %d messages sent, %d got 250, %d got 4xx; "
               "%d looked for in the journal, %d found, %d lost, %d half, %d torn told, %d leaks",
               name, figures->cases, figures->faults, figures->starts_refused, figures->sent, figures->taken,
               figures->tempfailed, figures->answered, figures->found, figures->lost, figures->half, figures->torn,
               figures->leaks);
}

static void
sweep (const FtScenario *scenario)
{
  FtFigures *figures = ft_crew_share (sizeof *figures);
  gint *told = ft_crew_share (sizeof *told);
  Job job = { scenario, figures, told };
  const guint failed = ft_crew_run (scratch, WORKERS, work, &job);

  say_figures (scenario->name, figures);
  tap_check_int (scenario->name, failed, 0);
  tap_check_int (scenario->name, figures->wrong, 0);
  tap_check_int (scenario->name, figures->lost, 0);
  tap_check_int (scenario->name, figures->half, 0);
  tap_check_int (scenario->name, figures->leaks, 0);
  tap_check_int (scenario->name, figures->found, figures->answered);
  tap_check (scenario->name, figures->faults > 0);
  tap_check (scenario->name, figures->taken > 0);
  tap_check (scenario->name, figures->tempfailed + figures->starts_refused > 0 || scenario->at_stop);
  ft_crew_forget (figures, sizeof *figures);
  ft_crew_forget (told, sizeof *told);
}

static void
test_P1_P2_message (void)
{
  sweep (&message);
}

static void
test_P1_P2_named_stage (void)
{
  sweep (&named);
}

static void
test_P1_P2_segment_change (void)
{
  sweep (&change);
}

static void
test_P1_P2_large_record (void)
{
  sweep (&large);
}

static void
test_P1_P2_crowd (void)
{
  sweep (&crowd);
}

static void
test_P6_void_mark (void)
{
  sweep (&void_);
}

static void
test_P1_start (void)
{
  sweep (&start);
}

static void
test_P1_stop (void)
{
  sweep (&stop);
}

/* ---- controls: what the sweep must report ---- */

typedef struct
{
  const gchar *name;
  void (*install) (void);
  const FtScenario *scenario;
  const gchar *want; /* in what is reported */
} Control;

static int
work_control (const FtWorker *worker, gpointer data)
{
  const Control *control = data;
  FtFigures figures = { 0 };
  static FtCase at;

  ft_faults_install (FALSE);
  ft_case_init (&at, worker->root, &figures);
  at.next_limit_ms = 3000;
  at.settle_limit_ms = 500;
  control->install ();
  if (ft_case_run (&at, control->scenario, NULL, NULL) || strstr (at.why->str, control->want) == NULL)
    {
      ft_crew_say ("%s: not reported: %s", control->name, at.why->str);
      return 1;
    }
  return 0;
}

static void
test_controls (void)
{
  static const Control controls[] = {
    { "a write error that nobody hears of", ft_defect_lost_writes, &message, "lost: mail" },
    { "a digest that does not look", ft_defect_unread_octets, &message, "half: mail" },
    { "an unanswered end of message", ft_defect_silent_events, &message, "silent: no event" },
    { "a descriptor that stays open", ft_defect_open_descriptors, &message, "leak: " },
    { "a stage that stays", ft_defect_left_files, &named, "files in stage" },
    { "a journal that does not come back", ft_defect_stuck_journal, &message, "stuck: " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (controls); i++)
    tap_check_int (controls[i].name, ft_crew_run (scratch, 1, work_control, (gpointer) (guintptr) &controls[i]), 0);
}

static const TapTest tests[] = {
  { "P1_P2_message", test_P1_P2_message },
  { "P1_P2_named_stage", test_P1_P2_named_stage },
  { "P1_P2_segment_change", test_P1_P2_segment_change },
  { "P1_P2_large_record", test_P1_P2_large_record },
  { "P1_P2_crowd", test_P1_P2_crowd },
  { "P6_void_mark", test_P6_void_mark },
  { "P1_start", test_P1_start },
  { "P1_stop", test_P1_stop },
  { "controls", test_controls },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  int status;

  scratch = ft_scratch_new ("sweep");
  status = tap_run ("sweep", tests, argc, argv);
  ft_scratch_end (scratch);
  return status;
}
