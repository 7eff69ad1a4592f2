/* fuzz-callbacks.c - what MTAs say, in any words and any order, must be kept or refused
 *
 * An input is a text, a callback a line (README has the letters).  After each
 * end of a message: a yes means that the journal holds this message, octet for
 * octet; a no is a 4xx, and has a reason.  There is no third answer (P1-P3).
 * After each input nothing is left open.
 */
#include <config.h>

#include "milter/base/event.h"
#include "milter/base/sys.h"
#include "milter/filter/callbacks.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/fake-libmilter.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/newest.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 3
#define BODY_MOST (128 * 1024) /* octets that one input may bring */
#define SEGMENT_SIZE (1024 * 1024)
#define STEPS_ALL (SMFIP_HDR_LEADSPC | 0xff080UL | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOUNKNOWN)

int LLVMFuzzerInitialize (int *argc, char ***argv);

typedef struct
{
  SMFICTX *ctx;
  Expected expected;
  gboolean fault_met; /* since MAIL */
} Talk;

static HfFilter filter;
static struct smfiDesc callbacks;
static Newest newest;
static pthread_t our_thread;
static gboolean is_control; /* an octet of each body is spoilt: the target must see it */
static Talk *speaking; /* whose callback is being called */
static gsize body_octets;

/* ---- faults in the callbacks' own calls ---- */

typedef enum
{
  NO_CALL,
  OPEN,
  WRITE,
  FSTAT,
} Call;

static struct
{
  Call call;
  guint left;      /* calls until it fails */
  gint number;     /* errno */
} fault;

static gboolean
fails (Call call)
{
  if (!pthread_equal (pthread_self (), our_thread) || fault.call != call || --fault.left > 0)
    return FALSE;
  fault.call = NO_CALL;
  speaking->fault_met = TRUE;
  errno = fault.number;
  return TRUE;
}

static int
faulty_open (const char *path, int flags, mode_t mode)
{
  return fails (OPEN) ? -1 : hf_sys_real.open (path, flags, mode);
}

static ssize_t
faulty_write (int fd, const void *data, size_t size)
{
  return fails (WRITE) ? -1 : hf_sys_real.write (fd, data, size);
}

static int
faulty_fstat (int fd, struct stat *out_st)
{
  return fails (FSTAT) ? -1 : hf_sys_real.fstat (fd, out_st);
}

static int
faulty_look (int fd, const char *path, struct stat *out_st)
{
  return fails (FSTAT) ? -1 : hf_sys_real.look (fd, path, out_st);
}

/* Nothing here outlives the process. */
static int
no_sync (int fd)
{
  return 0;
}

/* ---- the filter ---- */

static void
swallow (HfEventCode code, const gchar *line, gpointer data)
{
}

/* An error traps, of which libFuzzer knows nothing: it would not keep the input. */
static void
on_message (const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer data)
{
  fprintf (stderr, "%s\n", text);
  if ((level & G_LOG_LEVEL_ERROR) != 0)
    abort ();
}

static gchar *spool;

static void
remove_spool (void)
{
  g_autofree gchar *command = g_strdup_printf ("rm -rf '%s'", spool);

  (void) !system (command);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  const gchar *wanted = g_getenv ("HOLDFAST_FUZZ_DIR");
  const gchar *parent = wanted != NULL ? wanted : access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir ();
  g_autoptr (HfConfig) config = hf_config_new_default ();
  g_autoptr (GError) error = NULL;

  spool = g_build_filename (parent, "holdfast-fuzz-XXXXXX", NULL);
  is_control = g_getenv ("HOLDFAST_FUZZ_CONTROL") != NULL;
  if (g_mkdtemp (spool) == NULL)
    g_error ("cannot make '%s': %s", spool, g_strerror (errno));
  atexit (remove_spool);
  g_log_set_default_handler (on_message, NULL);
  hf_event_set_hook (swallow, NULL);
  our_thread = pthread_self ();
  hf_sys.open = faulty_open;
  hf_sys.write = faulty_write;
  hf_sys.fstat = faulty_fstat;
  hf_sys.look = faulty_look;
  hf_sys.fsync = no_sync;
  hf_sys.fdatasync = no_sync;
  g_free (config->spool_directory);
  config->spool_directory = g_strdup (spool);
  config->journal_segment_size = SEGMENT_SIZE;
  memset (&config->pressure_space_stop, 0, sizeof config->pressure_space_stop);
  memset (&config->pressure_inodes_stop, 0, sizeof config->pressure_inodes_stop);
  if (!hf_filter_open (&filter, config, &error))
    g_error ("cannot open the filter: %s", error->message);
  callbacks = hf_callbacks_describe (&filter);
  newest_init (&newest, spool);
  return 0;
}

/* ---- the input's text ---- */

static gchar
unescaped (const gchar **p)
{
  switch (**p)
    {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'x':
      if (g_ascii_isxdigit ((*p)[1]) && g_ascii_isxdigit ((*p)[2]))
        {
          *p += 2;
          return (gchar) (g_ascii_xdigit_value ((*p)[-1]) * 16 + g_ascii_xdigit_value ((*p)[0]));
        }
      return 'x';
    default:
      return **p;
    }
}

/* Resolves \n \r \t \xHH and \\ in place; returns the octets left. */
static gsize
unescape (gchar *text)
{
  gchar *to = text;

  for (const gchar *p = text; *p != '\0'; p++)
    {
      if (*p == '\\' && p[1] != '\0')
        {
          p++;
          *to++ = unescaped (&p);
        }
      else
        *to++ = *p;
    }
  *to = '\0';
  return (gsize) (to - text);
}

/* ---- callbacks ---- */

static void
must (gboolean holds, const gchar *what)
{
  if (!holds)
    g_error ("%s", what);
}

static void
expect_silence (Talk *talk, sfsistat answer, const gchar *what)
{
  must (answer == SMFIS_NOREPLY, what);
  must (*fake_context_take_code (talk->ctx) == '\0', "a reply code where no reply is due");
}

static void
negotiate (Talk *talk, const gchar *text)
{
  const unsigned long steps = strchr (text, 'o') != NULL ? STEPS_ALL & ~SMFIP_HDR_LEADSPC : STEPS_ALL;
  unsigned long actions, wanted, f2, f3;

  must (callbacks.xxfi_negotiate (talk->ctx, 0x1ff, steps, 0, 0, &actions, &wanted, &f2, &f3) == SMFIS_CONTINUE,
        "negotiation refused");
  must ((actions & ~(unsigned long) SMFIF_SETSYMLIST) == 0, "the filter asks to change mail");
  must ((wanted & ~steps) == 0, "the filter asks for what was not offered");
  talk->expected.lead_space = (wanted & SMFIP_HDR_LEADSPC) != 0;
}

static void
say_connect (Talk *talk, gchar *text)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { g_htonl (0xc0000201) } };
  const gboolean unknown = g_str_has_suffix (text, "?");

  expect_silence (talk, callbacks.xxfi_connect (talk->ctx, text, unknown ? NULL : (gpointer) &address), "CONNECT");
}

static void
say_macro (Talk *talk, gchar *text)
{
  gchar *value = strchr (text, '=');

  if (value != NULL)
    *value++ = '\0';
  fake_context_set_macro (talk->ctx, text, value);
}

static gboolean
declares_size (gchar **argv)
{
  for (; *argv != NULL; argv++)
    if (g_ascii_strncasecmp (*argv, "SIZE=", 5) == 0)
      return TRUE;
  return FALSE;
}

/* A no needs a 4xx with a text; libmilter's bare tempfail would do, but is not used. */
static void
expect_refusal (Talk *talk, sfsistat answer)
{
  must (answer == SMFIS_TEMPFAIL, "an answer that is neither yes nor 4xx");
  must (*fake_context_take_code (talk->ctx) == '4', "a tempfail without a code");
}

static void
say_mail (Talk *talk, gchar **argv)
{
  sfsistat answer;

  talk->fault_met = FALSE;
  answer = callbacks.xxfi_envfrom (talk->ctx, argv);
  expected_forget (&talk->expected);
  if (answer == SMFIS_CONTINUE)
    {
      must (*fake_context_take_code (talk->ctx) == '\0', "a reply code with a yes");
      expected_mail (&talk->expected, (const gchar *const *) argv);
      return;
    }
  expect_refusal (talk, answer);
  must (declares_size (argv), "MAIL refused without a reason");
}

static void
say_rcpt (Talk *talk, gchar **argv)
{
  expect_silence (talk, callbacks.xxfi_envrcpt (talk->ctx, argv), "RCPT");
  expected_rcpt (&talk->expected, (const gchar *const *) argv);
}

static void
say_header (Talk *talk, gchar *text)
{
  gchar *value = strchr (text, ':');

  if (value == NULL)
    return;
  *value++ = '\0';
  expect_silence (talk, callbacks.xxfi_header (talk->ctx, text, value), "a header");
  expected_header (&talk->expected, text, value);
}

/* libmilter gives no empty body, and copies of its own. */
static void
say_body (Talk *talk, const gchar *data, gsize size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);

  body_octets += size;
  if (size == 0 || body_octets > BODY_MOST)
    return;
  if (is_control)
    copy[size / 2] ^= 1;
  expect_silence (talk, callbacks.xxfi_body (talk->ctx, copy, size), "a body");
  expected_body (&talk->expected, data, size);
}

/* "b 5000 text": the text that often, in one piece. */
static void
say_long_body (Talk *talk, gchar *text)
{
  gchar *rest;
  const guint64 times = MIN (g_ascii_strtoull (text, &rest, 10), BODY_MOST);
  const gsize size = unescape (rest);
  g_autoptr (GString) body = g_string_new (NULL);

  for (guint64 i = 0; i < times && size > 0 && body->len + size <= BODY_MOST; i++)
    g_string_append_len (body, rest, (gssize) size);
  say_body (talk, body->str, body->len);
}

/* A fault that is yet to come is the filter's to meet. */
static void
read_back (void)
{
  const Call armed = fault.call;

  fault.call = NO_CALL;
  newest_read (&newest);
  fault.call = armed;
}

static void
say_end (Talk *talk)
{
  const sfsistat answer = callbacks.xxfi_eom (talk->ctx);

  expected_end (&talk->expected);
  if (answer == SMFIS_CONTINUE)
    {
      must (*fake_context_take_code (talk->ctx) == '\0', "a reply code with a yes");
      if (talk->expected.poisoned != NULL)
        g_error ("a message was taken in spite of %s", talk->expected.poisoned);
      read_back ();
      expected_compare (&talk->expected, &newest.item, newest.message);
    }
  else
    {
      expect_refusal (talk, answer);
      must (talk->expected.poisoned != NULL || talk->fault_met, "the end of a message refused without a reason");
    }
  expected_forget (&talk->expected);
}

static void
say_abort (Talk *talk)
{
  callbacks.xxfi_abort (talk->ctx);
  expected_forget (&talk->expected);
}

static void
close_talk (Talk *talk)
{
  if (talk->ctx == NULL)
    return;
  callbacks.xxfi_close (talk->ctx);
  must (fake_context_private (talk->ctx) == NULL, "a connection is not let go of at its end");
  fake_context_free (talk->ctx);
  talk->ctx = NULL;
  expected_clear (&talk->expected);
}

static void
open_talk (Talk *talk)
{
  if (talk->ctx != NULL)
    return;
  talk->ctx = fake_context_new ();
  expected_init (&talk->expected);
  negotiate (talk, "");
}

static void
set_fault (const gchar *text)
{
  static const gint numbers[] = { ENOSPC, EIO, EMFILE, ENFILE, EDQUOT, EROFS, EACCES, ENOMEM, ENOENT };
  gchar name[8] = "";
  guint nth = 1, number = 0;

  if (sscanf (text, "%7s %u %u", name, &nth, &number) < 1)
    return;
  fault.call = name[0] == 'o' ? OPEN : name[0] == 'w' ? WRITE : FSTAT;
  fault.left = CLAMP (nth, 1, 100);
  fault.number = numbers[number % G_N_ELEMENTS (numbers)];
}

/* ---- one input ---- */

static void
say_words (Talk *talk, gchar letter, gchar *text)
{
  g_auto (GStrv) argv = g_strsplit (text, " ", 20);

  if (argv[0] == NULL)
    return;
  for (gchar **word = argv; *word != NULL; word++)
    unescape (*word);
  if (letter == 'M')
    say_mail (talk, argv);
  else
    say_rcpt (talk, argv);
}

static void
say_line (Talk *talk, gchar letter, gchar *text)
{
  gsize size;

  speaking = talk;
  open_talk (talk);
  switch (letter)
    {
    case 'M':
    case 'R':
      say_words (talk, letter, text);
      return;
    case 'b':
      say_long_body (talk, text);
      return;
    case 'N':
      negotiate (talk, text);
      return;
    }
  size = unescape (text);
  switch (letter)
    {
    case 'C':
      say_connect (talk, text);
      break;
    case 'H':
      expect_silence (talk, callbacks.xxfi_helo (talk->ctx, text), "HELO");
      break;
    case 'D':
      say_macro (talk, text);
      break;
    case 'L':
      say_header (talk, text);
      break;
    case 'B':
      say_body (talk, text, size);
      break;
    case 'E':
      say_end (talk);
      break;
    case 'A':
      say_abort (talk);
      break;
    case 'Q':
      close_talk (talk);
      break;
    case 'F':
      set_fault (text);
      break;
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree gchar *text = g_strndup ((const gchar *) data, size);
  g_auto (GStrv) lines = g_strsplit (text, "\n", 2000);
  Talk talks[CONNECTIONS] = { { NULL } };
  guint current = 0;

  body_octets = 0;
  fault.call = NO_CALL;
  for (gchar **line = lines; *line != NULL; line++)
    if (**line >= '1' && **line < '1' + CONNECTIONS)
      current = (guint) (**line - '1');
    else if (**line != '\0')
      say_line (&talks[current], **line, *line + 1 + ((*line)[1] == ' '));
  for (guint i = 0; i < CONNECTIONS; i++)
    close_talk (&talks[i]);
  must (g_atomic_int_get (&filter.open) == 0, "a transaction is still counted");
  return 0;
}
