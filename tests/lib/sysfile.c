/* sysfile.c - a library preloaded into the private Sendmail of the tests
 *
 * Sends what Sendmail gives to syslog to the file named by SYSFILE instead,
 * one line for each call in the form of a mail log, and gives the host a
 * qualified name, without which Sendmail waits for a minute at its start.
 * Built and used by sendmail.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static char log_path[512] = "/dev/stderr";
static char log_name[64] = "?";

/* Sendmail cleans its environment, so it is looked at before main(). */
__attribute__ ((constructor)) static void
read_environment (void)
{
  const char *path = getenv ("SYSFILE");

  if (path != NULL)
    snprintf (log_path, sizeof log_path, "%s", path);
}

static void
write_line (const char *line, size_t size)
{
  int fd = open (log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

  if (fd < 0)
    return;
  if (write (fd, line, size) < 0)
    perror ("sysfile");
  close (fd);
}

static void
log_line (const char *format, va_list args)
{
  int saved_errno = errno;
  char line[8192], stamp[32];
  time_t now = time (NULL);
  struct tm parts;
  size_t used;
  int added;

  strftime (stamp, sizeof stamp, "%b %e %H:%M:%S", localtime_r (&now, &parts));
  used = (size_t) snprintf (line, sizeof line, "%s mx %s[%d]: ", stamp, log_name, (int) getpid ());
  errno = saved_errno; /* for %m */
  added = vsnprintf (line + used, sizeof line - used - 1, format, args);
  if (added > 0)
    used += (size_t) added;
  if (used > sizeof line - 2)
    used = sizeof line - 2;
  if (line[used - 1] != '\n')
    line[used++] = '\n';
  write_line (line, used);
  errno = saved_errno;
}

int
gethostname (char *name, size_t size)
{
  snprintf (name, size, "%s", "localhost.localdomain");
  return 0;
}

void
openlog (const char *name, int option, int facility)
{
  (void) option;
  (void) facility;
  if (name != NULL)
    snprintf (log_name, sizeof log_name, "%s", name);
}

void
closelog (void)
{
}

void
syslog (int priority, const char *format, ...)
{
  va_list args;

  (void) priority;
  va_start (args, format);
  log_line (format, args);
  va_end (args);
}

/* What the fortified headers make of a call of syslog(). */
void __syslog_chk (int priority, int flag, const char *format, ...);

void
__syslog_chk (int priority, int flag, const char *format, ...)
{
  va_list args;

  (void) priority;
  (void) flag;
  va_start (args, format);
  log_line (format, args);
  va_end (args);
}
