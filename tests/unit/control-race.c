/* control-race.c - a deliberate data race, which the thread sanitizer must report
 *
 * A sanitizer run that finds nothing proves something only while it would
 * find this.  Built with the tree's own flags; run by tests/lib/runner.py.
 */
#include <config.h>

#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 1000 };

static int counter;

static void *
count (void *unused)
{
  (void) unused;
  for (int i = 0; i < ROUNDS; i++)
    counter++;
  return NULL;
}

int
main (void)
{
  pthread_t one, other;

  if (pthread_create (&one, NULL, count, NULL) != 0)
    return 1;
  if (pthread_create (&other, NULL, count, NULL) != 0)
    return 1;
  pthread_join (one, NULL);
  pthread_join (other, NULL);
  printf ("counted %d of %d\n", counter, 2 * ROUNDS);
  return 0;
}
