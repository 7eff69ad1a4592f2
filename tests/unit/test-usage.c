/* test-usage.c - what the journal takes is never counted as less than it is */
#include <config.h>

#include "milter/journal/usage.h"
#include "tests/unit/tap.h"

#include <pthread.h>

#define ROUNDS (4000000 / TAP_STRIDE) /* so that the reader is often between two reads when many pass */
#define PASSES 4
#define STEP 4096

static void
test_counts (void)
{
  HfUsage *usage = hf_usage_new ();

  hf_usage_announce (usage, 100);
  hf_usage_grow (usage, 7);
  tap_check_int ("coming", atomic_load (&usage->coming), 100);
  tap_check_int ("grown", atomic_load (&usage->grown), 7);
  hf_usage_settle (usage, 60, TRUE);
  tap_check_int ("still coming", atomic_load (&usage->coming), 40);
  tap_check_int ("taken", atomic_load (&usage->grown), 67);
  hf_usage_settle (usage, 40, FALSE);
  tap_check_int ("given up", atomic_load (&usage->coming), 0);
  tap_check_int ("not taken", atomic_load (&usage->grown), 67);
  hf_usage_unref (hf_usage_ref (usage));
  tap_check_int ("another's reference", atomic_load (&usage->grown), 67);
  hf_usage_unref (usage);
}

/* Where nobody plans. */
static void
test_nobody (void)
{
  hf_usage_grow (NULL, 1);
  hf_usage_announce (NULL, 1);
  hf_usage_settle (NULL, 1, TRUE);
  hf_usage_unref (hf_usage_ref (NULL));
  tap_check ("came back", hf_usage_ref (NULL) == NULL);
  tap_check_int ("nothing", hf_usage_sum (NULL), 0);
}

static gpointer
take_all (gpointer data)
{
  for (guint i = 0; i < ROUNDS; i++)
    hf_usage_settle (data, STEP, TRUE);
  return NULL;
}

static void
test_never_less (void)
{
  for (guint pass = 0; pass < PASSES; pass++)
    {
      HfUsage *usage = hf_usage_new ();
      guint64 least = G_MAXUINT64;
      pthread_t thread;

      hf_usage_announce (usage, (guint64) ROUNDS * STEP);
      g_assert_true (pthread_create (&thread, NULL, take_all, usage) == 0);
      while (atomic_load (&usage->coming) > 0)
        least = MIN (least, hf_usage_sum (usage));
      pthread_join (thread, NULL);
      tap_check ("never less", least >= (guint64) ROUNDS * STEP);
      tap_check_int ("in the end", hf_usage_sum (usage), (guint64) ROUNDS * STEP);
      hf_usage_unref (usage);
    }
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "counts", test_counts },
    { "nobody", test_nobody },
    { "never-less", test_never_less },
    { NULL, NULL },
  };

  return tap_run ("usage", tests, argc, argv);
}
