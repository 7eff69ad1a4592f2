/* control-leak.c - a deliberate leak, which the address sanitizer must report
 *
 * A sanitizer run that finds nothing proves something only while it would
 * find this.  Built with the tree's own flags; run by tests/lib/runner.py.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

static char *volatile leaked;

int
main (void)
{
  leaked = malloc (157684);
  if (leaked == NULL)
    return 1;
  leaked[0] = 'x';
  leaked = NULL;
  puts ("the octets are lost");
  return 0;
}
