/* replay.c - feeds files to a fuzz target where there is no fuzzer: seeds, and
 * what a fuzzer found */
#include <config.h>

#include "tests/fuzz/fuzz.h"

#include <stdio.h>

int
main (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree gchar *data = NULL;
      gsize size;

      if (!g_file_get_contents (argv[i], &data, &size, &error))
        {
          fprintf (stderr, "%s\n", error->message);
          return 2;
        }
      LLVMFuzzerTestOneInput ((const guint8 *) data, size);
    }
  return 0;
}
