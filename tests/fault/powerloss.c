/* powerloss.c - P1: what was answered 250 is there after the power went, whatever the disk lost
 *
 * Lives of a filter are recorded, call by call (recorder.h).  For each call,
 * the states that a disk may hold had the power gone behind it are written
 * out (disk.h), and a filter is started on each.  Then, on every one:
 *
 *   - each mail that had been answered is found, whole, unmarked, before and after the start;
 *   - nothing is shown as whole that is not what was sent, and nothing that is not is called
 *     damaged: no octet that was synced was harmed;
 *   - the start has changed no octet of a segment that was there;
 *   - the next mail goes through.
 *
 * Some of the states are lived on in, recorded again, and cut again: what one
 * start showed as whole must be there after the next.
 */
#include <config.h>

#include "tests/fault/crew.h"
#include "tests/fault/defects.h"
#include "tests/fault/disk.h"
#include "tests/fault/life.h"
#include "tests/fault/scratch.h"
#include "tests/unit/tap.h"

#include "milter/base/sys.h"
#include "milter/journal/directory.h"

#include <string.h>

#define WORKERS 2
#define MOST_TOLD 20
#define PAGE 4096
#define SPOOL_AT_RISK "risk"
#define SLOW_MS 20

static gchar *scratch;

/* ---- lives ---- */

static void
must_start (FtLife *life)
{
  g_autoptr (GError) error = NULL;

  if (!ft_life_start (life, &error))
    g_error ("%s", error->message);
}

static void
live_first_day (FtLife *life)
{
  must_start (life);
  ft_life_mail (life, 700);
  ft_life_mail (life, 9000);
  ft_life_crowd (life, 5, 1500);
  ft_life_mail (life, 14000);
  ft_life_mail (life, 14000); /* the second segment */
  ft_life_abandoned (life, 2000);
  ft_life_mail (life, 100);
  ft_life_stop (life);
  must_start (life);
  ft_life_mail (life, 3000);
  ft_life_stop (life);
}

static void
live_troubles (FtLife *life)
{
  must_start (life);
  ft_life_mail (life, 2000);
  ft_life_failed_sync (life, 5000);
  ft_life_mail (life, 300);
  ft_life_mail (life, 90000); /* a segment of its own */
  ft_life_crowd (life, 3, 6000);
  ft_life_failed_sync (life, 200);
  ft_life_abandoned (life, 700);
  ft_life_mail (life, 1000);
  ft_life_stop (life);
}

/* So many at once that one group is written while another is synced. */
static void
live_rush (FtLife *life)
{
  must_start (life);
  ft_recorder_slow_sync (SLOW_MS);
  ft_life_mail (life, 400);
  ft_life_crowd (life, 60, 300);
  ft_life_failed_crowd (life, 40, 300, 2);
  ft_life_crowd (life, 30, 900);
  ft_life_failed_crowd (life, 40, 300, 3);
  ft_life_mail (life, 400);
  ft_recorder_slow_sync (0);
  ft_life_stop (life);
}

/* On a state that an earlier life left. */
static void
live_on (FtLife *life)
{
  must_start (life);
  ft_life_mail (life, 900);
  ft_life_crowd (life, 2, 1200);
  ft_life_stop (life);
}

/* ---- the figures ---- */

typedef struct
{
  gint lives;
  gint calls;     /* recorded */
  gint overlaps;  /* groups written while another was synced */
  gint states;
  gint starts;
  gint sent;      /* mails, those behind a start included */
  gint answered;  /* 250s looked for, over all looks */
  gint found;
  gint lost;
  gint half;
  gint torn;      /* told as torn */
  gint damaged;   /* told as damaged, wrongly */
  gint changed;   /* segments that a start changed */
  gint wrong;     /* states in which anything was */
} Figures;

typedef struct
{
  const gchar *name;
  void (*live) (FtLife *life);
  gboolean write_ahead;
  guint randoms;      /* random states for each call, of each kind */
  guint second_every; /* every so many states are lived on in; 0: none */
  guint stride;       /* the power goes behind every so manieth call */
  gsize page_size;
  void (*defect_in_life) (void); /* laid upon the recorder; may be NULL */
  void (*defect_at_start) (void);
  HfReadFlags flags;
  gboolean is_control; /* what is wrong is not told, but counted */
  Figures *figures;
  gint *told;
} Job;

typedef struct
{
  const Job *job;
  gchar *root;
  FtAccount account;
  FtMail *next;      /* the mail behind each start */
  GRand *random;
  GHashTable *seen;  /* checksums of states */
  GString *why;
  guint states;
  guint depth;
} Explorer;

/* ---- one state ---- */

static void G_GNUC_PRINTF (2, 3)
wrong (Explorer *self, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (self->why, format, args);
  va_end (args);
  g_string_append_c (self->why, '\n');
}

static void
look (Explorer *self, const gchar *when, const gchar *spool, guint upto, GArray *whole)
{
  Figures *figures = self->job->figures;
  g_autoptr (GString) why = g_string_new (NULL);
  FtFindings found;

  if (!ft_account_compare (&self->account, spool, upto, self->job->flags, &found, whole, why))
    wrong (self, "%s: the journal can't be read", when);
  g_atomic_int_add (&figures->answered, (gint) found.answered);
  g_atomic_int_add (&figures->found, (gint) found.found);
  g_atomic_int_add (&figures->lost, (gint) found.lost);
  g_atomic_int_add (&figures->half, (gint) found.half);
  g_atomic_int_add (&figures->torn, (gint) found.torn);
  g_atomic_int_add (&figures->damaged, (gint) (found.damaged + found.breaks));
  if (!ft_findings_good (&found) || found.damaged > 0 || found.breaks > 0)
    wrong (self, "%s: %s", when, why->str);
}

/* Octets of all segments, by name. */
static GHashTable *
read_segments (const gchar *spool)
{
  g_autofree gchar *path = g_build_filename (spool, HF_JOURNAL_DIRECTORY, NULL);
  GHashTable *segments = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *file = g_build_filename (path, name, NULL);
      gchar *octets;
      gsize size;
      guint64 seq;

      if (hf_segment_seq (name, &seq) && g_file_get_contents (file, &octets, &size, NULL))
        g_hash_table_insert (segments, g_strdup (name), g_bytes_new_take (octets, size));
    }
  return segments;
}

/* The same octets, but for NULs at the end that may be gone, whole blocks of them. */
static gboolean
is_kept (GBytes *before, GBytes *after)
{
  gsize size, left;
  const guint8 *was = g_bytes_get_data (before, &size);
  const guint8 *is = g_bytes_get_data (after, &left);

  if (left > size || (left < size && left % HF_BLOCK != 0) || memcmp (was, is, left) != 0)
    return FALSE;
  while (size > left && was[size - 1] == 0)
    size--;
  return size == left;
}

/* Recovery never overwrites, and shortens nothing but NULs. */
static void
check_unchanged (Explorer *self, GHashTable *before, const gchar *spool)
{
  g_autoptr (GHashTable) after = read_segments (spool);
  GHashTableIter iter;
  gpointer name, octets;

  g_hash_table_iter_init (&iter, before);
  while (g_hash_table_iter_next (&iter, &name, &octets))
    {
      GBytes *now = g_hash_table_lookup (after, name);

      if (now != NULL && is_kept (octets, now))
        continue;
      wrong (self, "the start changed %s", (const gchar *) name);
      g_atomic_int_inc (&self->job->figures->changed);
    }
}

/* The numbers of the first must be among those of the second. */
static void
check_kept (Explorer *self, const GArray *before, const GArray *after)
{
  for (guint i = 0; i < before->len; i++)
    {
      gboolean there = FALSE;

      for (guint k = 0; k < after->len && !there; k++)
        there = g_array_index (after, guint, k) == g_array_index (before, guint, i);
      if (!there)
        wrong (self, "mail %u was whole before the start, and is not after it", g_array_index (before, guint, i));
    }
}

static void
start_and_go_on (Explorer *self, const gchar *spool, guint upto)
{
  g_autoptr (GArray) before = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GArray) after = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GHashTable) segments = read_segments (spool);
  g_autoptr (GError) error = NULL;
  FtLife life;

  look (self, "before the start", spool, upto, before);
  ft_life_init (&life, spool, self->job->write_ahead, &self->account);
  if (!ft_life_start (&life, &error))
    {
      wrong (self, "no start: %s", error->message);
      ft_life_clear (&life);
      return;
    }
  g_atomic_int_inc (&self->job->figures->starts);
  check_unchanged (self, segments, spool);
  look (self, "after the start", spool, upto, after);
  check_kept (self, before, after);
  if (ft_life_give (&life, self->next) != FT_TAKEN)
    wrong (self, "stuck: the next mail is not taken");
  g_atomic_int_inc (&self->job->figures->sent);
  ft_life_stop (&life);
  ft_life_clear (&life);
  look (self, "after the stop", spool, upto, NULL);
  self->next->answer = FT_NO_ANSWER;
}

static void
report (const Explorer *self, guint upto, const gchar *loss)
{
  const Job *job = self->job;

  g_atomic_int_inc (&job->figures->wrong);
  if (!job->is_control && g_atomic_int_add (job->told, 1) < MOST_TOLD)
    ft_crew_say ("%s, %s, cut at call %u, %s:\n%s", job->name, self->depth == 0 ? "first cut" : "second cut", upto, loss,
                 self->why->str);
}

static void explore (Explorer *self, const FtRecording *recording);

/* ---- a second life ---- */

/* What was answered up to @upto stays so; what a start shows from here on is as
 * good as answered.  Returns how things stood, to be put back. */
static GArray *
freeze_answers (Explorer *self, const gchar *spool, guint upto)
{
  GArray *saved = g_array_new (FALSE, FALSE, sizeof (FtMail));
  g_autoptr (GArray) whole = g_array_new (FALSE, FALSE, sizeof (guint));
  FtFindings found;

  ft_account_compare (&self->account, spool, upto, self->job->flags, &found, whole, NULL);
  for (guint i = 0; i < self->account.mails->len; i++)
    {
      FtMail *mail = g_ptr_array_index (self->account.mails, i);

      g_array_append_vals (saved, mail, 1);
      if (mail->answer == FT_TAKEN && mail->answered_at > upto)
        mail->answer = FT_NO_ANSWER;
      mail->answered_at = 0;
    }
  for (guint i = 0; i < whole->len; i++)
    {
      FtMail *mail = g_ptr_array_index (self->account.mails, g_array_index (whole, guint, i));

      if (mail->answer == FT_NO_ANSWER)
        {
          mail->answer = FT_TAKEN;
          mail->answered_at = G_MAXUINT64; /* until the start is over */
        }
    }
  return saved;
}

static void
thaw_answers (Explorer *self, GArray *saved)
{
  for (guint i = 0; i < saved->len; i++)
    {
      FtMail *mail = g_ptr_array_index (self->account.mails, i);

      mail->answer = g_array_index (saved, FtMail, i).answer;
      mail->answered_at = g_array_index (saved, FtMail, i).answered_at;
    }
  g_ptr_array_set_size (self->account.mails, (gint) saved->len);
  g_array_unref (saved);
}

/* When the second life's first mail was taken, its start was long over. */
static void
date_shown (Explorer *self, guint first_new)
{
  const FtMail *first = g_ptr_array_index (self->account.mails, first_new);

  for (guint i = 0; i < first_new; i++)
    {
      FtMail *mail = g_ptr_array_index (self->account.mails, i);

      if (mail->answered_at == G_MAXUINT64)
        mail->answered_at = first->answered_at;
    }
}

static void
live_second (Explorer *self, const gchar *spool, guint upto)
{
  GArray *saved = freeze_answers (self, spool, upto);
  const guint first_new = self->account.mails->len;
  FtRecording recording;
  FtLife life;

  ft_recorder_begin (&recording, spool);
  ft_life_init (&life, spool, self->job->write_ahead, &self->account);
  live_on (&life);
  ft_recorder_end ();
  ft_life_clear (&life);
  ft_tree_remove (spool);
  date_shown (self, first_new);
  g_atomic_int_inc (&self->job->figures->lives);
  g_atomic_int_add (&self->job->figures->calls, (gint) recording.ops->len);
  self->depth++;
  explore (self, &recording);
  self->depth--;
  ft_recording_clear (&recording);
  thaw_answers (self, saved);
}

/* ---- all states ---- */

/* TRUE for a state that was not met before, with as many answers given. */
static gboolean
is_new (Explorer *self, GChecksum *checksum, guint upto)
{
  guint answered = 0;

  for (guint i = 0; i < self->account.mails->len; i++)
    {
      const FtMail *mail = g_ptr_array_index (self->account.mails, i);

      answered += mail->answer == FT_TAKEN && mail->answered_at <= upto;
    }
  g_checksum_update (checksum, (const guchar *) &answered, sizeof answered);
  return g_hash_table_add (self->seen, g_strdup (g_checksum_get_string (checksum)));
}

static void
try_state (Explorer *self, const FtDisk *disk, const FtLoss *loss, guint upto)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_MD5);
  g_autofree gchar *spool = g_strdup_printf ("%s/" SPOOL_AT_RISK "%u", self->root, self->depth);
  const guint seed = g_rand_int (self->random);
  GRand *choices = g_rand_new_with_seed (seed);
  const guint every = self->job->second_every;

  ft_disk_write (disk, loss, choices, spool, checksum);
  if (is_new (self, checksum, upto))
    {
      g_string_truncate (self->why, 0);
      g_atomic_int_inc (&self->job->figures->states);
      start_and_go_on (self, spool, upto);
      if (self->why->len > 0)
        report (self, upto, loss->name);
      else if (every > 0 && self->depth == 0 && ++self->states % every == 0)
        {
          ft_tree_remove (spool);
          g_rand_set_seed (choices, seed);
          ft_disk_write (disk, loss, choices, spool, NULL);
          live_second (self, spool, upto);
        }
    }
  ft_tree_remove (spool);
  g_rand_free (choices);
}

static void
try_cut (Explorer *self, const FtRecording *recording, guint upto)
{
  g_autoptr (FtDisk) disk = ft_disk_new (recording, upto, self->job->page_size);

  for (const FtLoss *loss = ft_losses; loss->name != NULL; loss++)
    {
      const gboolean is_random = loss->pages == FT_PAGES_RANDOM;
      const guint tries = is_random ? (self->depth == 0 ? self->job->randoms : 1) : 1;

      if (loss != ft_losses && ft_disk_is_settled (disk))
        continue;
      for (guint i = 0; i < tries; i++)
        try_state (self, disk, loss, upto);
    }
}

static void
explore (Explorer *self, const FtRecording *recording)
{
  for (guint upto = 0; upto <= recording->ops->len; upto += self->job->stride)
    try_cut (self, recording, upto);
}

/* ---- a worker ---- */

static void
record_life (Explorer *self, FtRecording *recording)
{
  g_autofree gchar *spool = g_build_filename (self->root, "life", NULL);
  FtLife life;

  ft_make_directory (spool);
  ft_recorder_install ();
  if (self->job->defect_in_life != NULL)
    self->job->defect_in_life ();
  ft_recorder_begin (recording, spool);
  ft_life_init (&life, spool, self->job->write_ahead, &self->account);
  self->job->live (&life);
  g_atomic_int_add (&self->job->figures->overlaps, (gint) ft_recorder_overlaps ());
  ft_recorder_end ();
  ft_life_clear (&life);
  g_atomic_int_inc (&self->job->figures->lives);
  g_atomic_int_add (&self->job->figures->calls, (gint) recording->ops->len);
  g_atomic_int_add (&self->job->figures->sent, (gint) self->account.mails->len);
  if (self->job->defect_at_start != NULL)
    self->job->defect_at_start ();
}

static int
work (const FtWorker *worker, gpointer data)
{
  Explorer self = { .job = data, .root = worker->root, .random = g_rand_new_with_seed (1997 + worker->index) };
  FtRecording recording;

  ft_events_watch ();
  ft_account_init (&self.account);
  self.seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.why = g_string_new (NULL);
  record_life (&self, &recording);
  self.next = ft_account_add (&self.account, 1234);
  for (guint upto = worker->index; upto <= recording.ops->len; upto += worker->count * self.job->stride)
    {
      try_cut (&self, &recording, upto);
      ft_events_forget ();
    }
  ft_recording_clear (&recording);
  g_hash_table_unref (self.seen);
  g_string_free (self.why, TRUE);
  ft_account_clear (&self.account);
  g_rand_free (self.random);
  return 0;
}

static void
run_job (Job *job, guint workers, Figures *out_figures)
{
  Figures *figures = ft_crew_share (sizeof *figures);
  gint *told = ft_crew_share (sizeof *told);

  job->figures = figures;
  job->told = told;
  tap_check_int (job->name, ft_crew_run (scratch, workers, work, job), 0);
  *out_figures = *figures;
  ft_crew_say ("%s: %d lives, %d calls recorded, %d states tried, %d starts, %d messages sent; %d 250s looked for, "
               "%d found, %d lost, %d half, %d torn told, %d wrongly called damaged, %d segments changed",
               job->name, figures->lives, figures->calls, figures->states, figures->starts, figures->sent,
               figures->answered, figures->found, figures->lost, figures->half, figures->torn, figures->damaged,
               figures->changed);
  ft_crew_forget (figures, sizeof *figures);
  ft_crew_forget (told, sizeof *told);
}

/* ---- tests ---- */

static Figures
lose_power (const gchar *name, void (*live) (FtLife *), gboolean write_ahead)
{
  const guint more = ft_is_long () ? 20 : 1;
  Job job = { .name = name, .live = live, .write_ahead = write_ahead, .page_size = PAGE,
              .randoms = ft_scaled (4) * more, .second_every = ft_scaled (150), .stride = ft_stride () };
  Figures figures;

  run_job (&job, WORKERS, &figures);
  tap_check_int (name, figures.wrong, 0);
  tap_check_int (name, figures.lost, 0);
  tap_check_int (name, figures.half, 0);
  tap_check_int (name, figures.damaged, 0);
  tap_check_int (name, figures.changed, 0);
  tap_check_int (name, figures.found, figures.answered);
  tap_check (name, figures.states > (gint) (500 / job.stride) && figures.lives > WORKERS);
  tap_check (name, figures.torn > 0 || job.stride > 1); /* of a share of the cuts none may fall into a write */
  return figures;
}

static void
test_P1_first_day (void)
{
  lose_power ("first day", live_first_day, TRUE);
}

static void
test_P1_troubles (void)
{
  lose_power ("troubles", live_troubles, TRUE);
}

static void
test_P1_rush (void)
{
  const Figures figures = lose_power ("rush", live_rush, TRUE);

  tap_check ("groups were under way together", figures.overlaps > 0);
}

static void
test_P1_first_day_appending (void)
{
  lose_power ("first day, not written ahead", live_first_day, FALSE);
}

static void
test_P1_troubles_appending (void)
{
  lose_power ("troubles, not written ahead", live_troubles, FALSE);
}

static void
test_P1_rush_appending (void)
{
  lose_power ("rush, not written ahead", live_rush, FALSE);
}

/* ---- controls: what the runs above must report ---- */

/* Mails over several pages: what is torn in their middle, a digest has to find. */
static void
live_large (FtLife *life)
{
  must_start (life);
  ft_life_mail (life, 14000);
  ft_life_mail (life, 14000);
  ft_life_stop (life);
}

static gboolean
has_lost (const Figures *figures)
{
  return figures->lost > 0;
}

static gboolean
has_half (const Figures *figures)
{
  return figures->half > 0;
}

static gboolean
has_changed (const Figures *figures)
{
  return figures->changed > 0;
}

static void
test_controls (void)
{
  static const struct
  {
    Job job;
    gboolean (*is_reported) (const Figures *figures);
  } controls[] = {
    { { .name = "no sync of data", .page_size = PAGE, .defect_in_life = ft_defect_no_data_sync }, has_lost },
    { { .name = "no sync of directories", .page_size = PAGE, .defect_in_life = ft_defect_no_directory_sync }, has_lost },
    { { .name = "a disk that writes 64 KiB in one piece", .page_size = 65536 }, has_lost },
    { { .name = "digests that do not look", .page_size = PAGE, .live = live_large, .randoms = 20, .defect_in_life = ft_defect_blind_digests }, has_half },
    { { .name = "a reader without digests", .page_size = PAGE, .live = live_large, .randoms = 20, .flags = HF_READ_SKIM }, has_half },
    { { .name = "a start that cuts", .page_size = PAGE, .defect_at_start = ft_defect_shortening }, has_changed },
  };

  for (guint i = 0; i < G_N_ELEMENTS (controls); i++)
    {
      Job job = controls[i].job;
      Figures figures;

      if (i > 0 && ft_stride () > 1)
        break; /* the first shows that a sanitizer's build reports, too; the plain one runs them all */
      job.is_control = TRUE;
      job.live = job.live != NULL ? job.live : live_on;
      job.write_ahead = TRUE;
      job.stride = 1;
      job.randoms = MAX (job.randoms, 1);
      run_job (&job, 1, &figures);
      tap_check (job.name, controls[i].is_reported (&figures));
    }
}

static const TapTest tests[] = {
  { "P1_first_day", test_P1_first_day },
  { "P1_troubles", test_P1_troubles },
  { "P1_rush", test_P1_rush },
  { "P1_first_day_appending", test_P1_first_day_appending },
  { "P1_troubles_appending", test_P1_troubles_appending },
  { "P1_rush_appending", test_P1_rush_appending },
  { "controls", test_controls },
  { NULL, NULL },
};

int
main (int argc, char **argv)
{
  int status;

  scratch = ft_scratch_new ("powerloss");
  status = tap_run ("powerloss", tests, argc, argv);
  ft_scratch_end (scratch);
  return status;
}
