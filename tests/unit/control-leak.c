/* control-leak.c - a deliberate leak, which the address sanitizer must report
 *
 * A sanitizer run that finds nothing proves something only while it would
 * find this.  Built with the tree's own flags; run by tests/lib/runner.py.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

/* Several, because a register or an old stack slot may still point to one. */
enum { BLOCKS = 16, BLOCK_SIZE = 157684 };

static char *volatile leaked;

int
main (void)
{
  for (int i = 0; i < BLOCKS; i++)
    {
      leaked = malloc (BLOCK_SIZE);
      if (leaked == NULL)
        return 1;
      leaked[0] = 'x';
    }
  leaked = NULL;
  puts ("the octets are lost");
  return 0;
}
