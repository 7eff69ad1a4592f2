/* filter-nothing.c - a libmilter filter that does nothing, as fast as libmilter can
 *
 * The yardstick of the bench: what Holdfast costs is told against this, once
 * with a reply to every stage and once with the no-reply flags (-n).  It has
 * a callback for each stage, so that the MTA sends everything.
 *
 *   filter-nothing -s SOCKET [-n] [-m]
 *     -n  ask for no reply to every stage but end-of-message
 *     -m  with -n: reply to MAIL as well, as a filter must that turns mail away there
 */
#include <config.h>

#include <glib.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NR_ALL                                                                                \
  (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_UNKN \
   | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)

/* Set before the first thread, then only read. */
static unsigned long no_reply_flags;

/* No-reply flags may be asked for where the MTA offers none: libmilter then
 * sends the replies by itself. */
static sfsistat
cb_negotiate (SMFICTX *ctx, unsigned long actions, unsigned long offered, unsigned long unused2,
              unsigned long unused3, unsigned long *out_actions, unsigned long *out_flags,
              unsigned long *out_unused2, unsigned long *out_unused3)
{
  *out_actions = 0;
  *out_flags = no_reply_flags | (offered & SMFIP_HDR_LEADSPC);
  *out_unused2 = 0;
  *out_unused3 = 0;
  return SMFIS_CONTINUE;
}

static sfsistat
answer (unsigned long flag)
{
  return (no_reply_flags & flag) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
cb_connect (SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
  return answer (SMFIP_NR_CONN);
}

static sfsistat
cb_helo (SMFICTX *ctx, char *name)
{
  return answer (SMFIP_NR_HELO);
}

static sfsistat
cb_mail (SMFICTX *ctx, char **words)
{
  return answer (SMFIP_NR_MAIL);
}

static sfsistat
cb_rcpt (SMFICTX *ctx, char **words)
{
  return answer (SMFIP_NR_RCPT);
}

static sfsistat
cb_data (SMFICTX *ctx)
{
  return answer (SMFIP_NR_DATA);
}

static sfsistat
cb_unknown (SMFICTX *ctx, const char *line)
{
  return answer (SMFIP_NR_UNKN);
}

static sfsistat
cb_header (SMFICTX *ctx, char *name, char *value)
{
  return answer (SMFIP_NR_HDR);
}

static sfsistat
cb_eoh (SMFICTX *ctx)
{
  return answer (SMFIP_NR_EOH);
}

static sfsistat
cb_body (SMFICTX *ctx, unsigned char *chunk, size_t size)
{
  return answer (SMFIP_NR_BODY);
}

static sfsistat
cb_end (SMFICTX *ctx)
{
  return SMFIS_CONTINUE;
}

static struct smfiDesc description = {
  .xxfi_name = (char *) (gpointer) "nothing",
  .xxfi_version = SMFI_VERSION,
  .xxfi_flags = 0,
  .xxfi_connect = cb_connect,
  .xxfi_helo = cb_helo,
  .xxfi_envfrom = cb_mail,
  .xxfi_envrcpt = cb_rcpt,
  .xxfi_header = cb_header,
  .xxfi_eoh = cb_eoh,
  .xxfi_body = cb_body,
  .xxfi_eom = cb_end,
  .xxfi_abort = cb_end,
  .xxfi_close = cb_end,
  .xxfi_unknown = cb_unknown,
  .xxfi_data = cb_data,
  .xxfi_negotiate = cb_negotiate,
};

static int
usage (void)
{
  fputs ("usage: filter-nothing -s SOCKET [-n] [-m]\n", stderr);
  return 2;
}

int
main (int argc, char **argv)
{
  char *socket_spec = NULL;
  gboolean no_reply = FALSE, reply_to_mail = FALSE;
  int option;

  while ((option = getopt (argc, argv, "s:nm")) != -1)
    switch (option)
      {
      case 's':
        socket_spec = optarg;
        break;
      case 'n':
        no_reply = TRUE;
        break;
      case 'm':
        reply_to_mail = TRUE;
        break;
      default:
        return usage ();
      }
  if (socket_spec == NULL || optind != argc)
    return usage ();
  if (no_reply)
    no_reply_flags = NR_ALL;
  if (reply_to_mail)
    no_reply_flags &= ~(unsigned long) SMFIP_NR_MAIL;

  if (smfi_setconn (socket_spec) != MI_SUCCESS || smfi_register (description) != MI_SUCCESS
      || smfi_setmaxdatasize (1024 * 1024) == 0 || smfi_opensocket (TRUE) != MI_SUCCESS)
    {
      fprintf (stderr, "filter-nothing: cannot listen on '%s'\n", socket_spec);
      return 1;
    }
  return smfi_main () == MI_SUCCESS ? 0 : 1;
}
