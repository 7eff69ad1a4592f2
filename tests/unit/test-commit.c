/* test-commit.c - a commit is decided or abandoned, never both */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/group.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static GError *
an_error (void)
{
  GError *error = NULL;

  hf_error_set_errno (&error, EIO, "segment-sync", "cannot sync");
  return error;
}

static void
test_states (void)
{
  g_autoptr (HfCommit) done = hf_commit_new ();
  g_autoptr (HfCommit) failed = hf_commit_new ();
  g_autoptr (HfCommit) abandoned = hf_commit_new ();

  tap_check_int ("new", hf_commit_state (done), HF_COMMIT_WAITING);
  tap_check_int ("waits in vain", hf_commit_wait (done, 5), HF_COMMIT_WAITING);
  tap_check_int ("no time to wait", hf_commit_wait (done, 0), HF_COMMIT_WAITING);
  tap_check_int ("negative time", hf_commit_wait (done, -5), HF_COMMIT_WAITING);

  tap_check ("done", hf_commit_decide (done, NULL));
  tap_check_int ("done", hf_commit_wait (done, 60000), HF_COMMIT_DONE);
  tap_check_int ("abandoned too late", hf_commit_abandon (done), HF_COMMIT_DONE);
  tap_check ("decided again", !hf_commit_decide (done, an_error ()));
  tap_check_int ("stays done", hf_commit_state (done), HF_COMMIT_DONE);
  tap_check ("no error", done->error == NULL);

  tap_check ("failed", hf_commit_decide (failed, an_error ()));
  tap_check_int ("failed", hf_commit_wait (failed, 60000), HF_COMMIT_FAILED);
  tap_check_int ("errno", hf_error_errno (failed->error), EIO);
  tap_check_int ("abandoned too late", hf_commit_abandon (failed), HF_COMMIT_FAILED);

  tap_check_int ("abandoned", hf_commit_abandon (abandoned), HF_COMMIT_ABANDONED);
  tap_check ("P1: no yes behind the back of who gave up", !hf_commit_decide (abandoned, NULL));
  tap_check ("nor a no", !hf_commit_decide (abandoned, an_error ()));
  tap_check_int ("stays abandoned", hf_commit_wait (abandoned, 60000), HF_COMMIT_ABANDONED);
  tap_check ("no error", abandoned->error == NULL);
}

static void
test_descriptor_goes_with_the_last (void)
{
  HfCommit *commit = kit_commit_new (1, "x\r\n", -1);

  tap_check_int ("open", faults_descriptors ("kit-stage"), 1);
  hf_commit_unref (hf_commit_ref (commit));
  tap_check_int ("still open", faults_descriptors ("kit-stage"), 1);
  hf_commit_unref (commit);
  tap_check_int ("closed", faults_descriptors ("kit-stage"), 0);
  hf_commit_unref (NULL);
}

/* ---- the race between the writer and a callback's deadline ---- */

typedef struct
{
  HfCommit *commit;
  gint go;
  gboolean mine; /* the decider's: the decision was taken */
  GError *error; /* for it */
} Race;

static gpointer
decider (gpointer data)
{
  Race *self = data;

  while (!g_atomic_int_get (&self->go))
    ;
  self->mine = hf_commit_decide (self->commit, self->error);
  return NULL;
}

#define ROUNDS 400

static void
test_P1_P6_exactly_one_claims (void)
{
  guint decided = 0, abandoned = 0;

  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (HfCommit) commit = hf_commit_new ();
      Race race = { commit, FALSE, FALSE, i % 2 == 0 ? an_error () : NULL };
      HfCommitState state;
      pthread_t thread;

      g_assert_true (pthread_create (&thread, NULL, decider, &race) == 0);
      g_atomic_int_set (&race.go, TRUE);
      for (guint spin = 0; spin < i * 37 % 2000; spin++)
        hf_commit_state (commit);
      state = hf_commit_abandon (commit);
      pthread_join (thread, NULL);
      if (state == HF_COMMIT_ABANDONED ? race.mine : !race.mine)
        tap_check_int ("both or none claimed it in round", i, -1);
      if (state != HF_COMMIT_ABANDONED && state != (i % 2 == 0 ? HF_COMMIT_FAILED : HF_COMMIT_DONE))
        tap_check_int ("decided otherwise in round", i, -1);
      decided += race.mine;
      abandoned += state == HF_COMMIT_ABANDONED;
    }
  tap_check_int ("each once", decided + abandoned, ROUNDS);
}

static gpointer
late_decider (gpointer data)
{
  g_usleep (20000);
  hf_commit_decide (data, NULL);
  return NULL;
}

/* A decision wakes who waits, long before the limit. */
static void
test_decision_wakes (void)
{
  g_autoptr (HfCommit) commit = hf_commit_new ();
  const gint64 start_ms = hf_sys_monotonic_ms ();
  pthread_t thread;

  g_assert_true (pthread_create (&thread, NULL, late_decider, commit) == 0);
  tap_check_int ("woken", hf_commit_wait (commit, 60000), HF_COMMIT_DONE);
  tap_check ("at once", hf_sys_monotonic_ms () - start_ms < 30000);
  pthread_join (thread, NULL);
}

/* ---- the size that room is made for ---- */

/* Never less than the record takes, whatever its facts are made of. */
static void
test_record_size_is_enough (void)
{
  static const gsize lengths[] = { 0, 1, 40, 41, 500, 511, 512, 5000, 100000 };
  static const gchar fillers[] = { 'x', ' ', '\xff', '+' };

  for (guint l = 0; l < G_N_ELEMENTS (lengths); l++)
    for (guint f = 0; f < G_N_ELEMENTS (fillers); f++)
      {
        g_autoptr (HfCommit) commit = hf_commit_new ();
        g_autofree gchar *value = g_strnfill (lengths[l], fillers[f]);
        g_autoptr (GString) text = g_string_new (NULL);
        HfNonce nonce;

        kit_nonce (1, &nonce);
        kit_id (1, &commit->facts.id);
        commit->facts.daemon = g_strdup (value);
        commit->facts.queue = g_strdup (value);
        commit->facts.client = g_strdup (value);
        commit->facts.helo = g_strdup (value);
        commit->facts.auth = g_strdup (value);
        commit->facts.at_ms = G_MAXINT64;
        commit->facts.bytes = commit->facts.rcpts = G_MAXUINT64 / 2;
        commit->facts.bare = TRUE;
        hf_record_write_facts (text, &nonce, &commit->facts, G_MAXUINT64 / 2);
        g_string_append (text, "DATA\r\n.\r\n");
        hf_record_write_seal (text, &nonce, &commit->facts.id, &commit->salt, &commit->message, &commit->message,
                              &commit->message);
        if (text->len > hf_commit_record_size (commit))
          tap_check_int ("too small for values of", (gint64) lengths[l], -1);
        commit->lines_size = 1000;
        commit->facts.wire = 70000;
        tap_check ("lines and message", hf_commit_record_size (commit) >= text->len + 71000);
      }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "states", test_states },
    { "descriptor-goes-with-the-last", test_descriptor_goes_with_the_last },
    { "P1-P6-exactly-one-claims", test_P1_P6_exactly_one_claims },
    { "decision-wakes", test_decision_wakes },
    { "record-size-is-enough", test_record_size_is_enough },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("commit", tests, argc, argv);
}
