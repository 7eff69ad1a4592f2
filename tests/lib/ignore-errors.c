/* ignore-errors.c - a seeded defect for a filter that runs: whatever failed, the MTA is told to go on
 *
 * Preloaded, it takes the callbacks on their way to libmilter and lets the one
 * for the end of a message answer SMFIS_CONTINUE always.  That is the ignored
 * error from which every test of real faults has to find mail lost, or it
 * proves nothing.  Built and used by preload.py.
 */
#include <dlfcn.h>
#include <libmilter/mfapi.h>
#include <stddef.h>

static sfsistat (*real_eom) (SMFICTX *ctx);

static sfsistat
answer_yes (SMFICTX *ctx)
{
  (void) real_eom (ctx);
  return SMFIS_CONTINUE;
}

int
smfi_register (struct smfiDesc callbacks)
{
  /* ISO C knows no way from the one kind of pointer to the other but this */
  int (*registers) (struct smfiDesc callbacks);

  *(void **) &registers = dlsym (RTLD_NEXT, "smfi_register");
  if (registers == NULL)
    return MI_FAILURE;
  real_eom = callbacks.xxfi_eom;
  callbacks.xxfi_eom = answer_yes;
  return registers (callbacks);
}
