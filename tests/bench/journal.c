/* journal.c - how fast the journal's writer alone takes messages
 *
 *   journal -d SPOOL [-n MESSAGES] [-b BYTES] [-q WAITING] [-r SPARES] [-l LIST] [-j]
 *
 * No milter and no stage: one stage is made before the clock starts, and each
 * commit gets a descriptor of it.  WAITING commits are always with the writer,
 * as many as connections would have.  With SPARES segments written ahead (1) the
 * clock starts once they are there, as after a time without mail.  LIST gets the octets and messages of
 * each batch that was synced, for limit to write the same.  SPOOL must be an
 * empty directory; what was written stays there.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/base/values.h"
#include "milter/filter/transaction.h"
#include "tests/bench/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  const gchar *spool, *list, *bytes;
  guint64 messages, waiting, spares;
  gboolean json;
} Options;

/* ---- what the writer syncs, seen through the table of system calls ---- */

/* Only the writer's threads call fdatasync(), and only for a segment.  A group may be
 * synced while the next is written, so what tells where it ends is its padding. */
static _Atomic int synced_fd = -1;
static guint64 unsynced; /* the writer's thread alone writes segments */
static GArray *batches;  /* of guint64 */

static ssize_t
count_pwrite (int fd, const void *data, size_t size, off_t offset)
{
  const ssize_t n = hf_sys_real.pwrite (fd, data, size, offset);

  if (fd == synced_fd && n > 0)
    {
      unsynced += (guint64) n;
      if ((offset + n) % HF_BLOCK == 0)
        {
          g_array_append_val (batches, unsynced);
          unsynced = 0;
        }
    }
  return n;
}

static int
count_fdatasync (int fd)
{
  const int failed = hf_sys_real.fdatasync (fd);

  synced_fd = fd;
  return failed;
}

static gboolean
write_list (const gchar *path, guint64 messages, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint64 octets = 0, seen = 0, told = 0;

  for (guint i = 0; i < batches->len; i++)
    octets += g_array_index (batches, guint64, i);
  for (guint i = 0; i < batches->len; i++)
    {
      guint64 due;

      seen += g_array_index (batches, guint64, i);
      due = (guint64) ((gdouble) seen / (gdouble) octets * (gdouble) messages + 0.5);
      g_string_append_printf (text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
                              g_array_index (batches, guint64, i), due - told);
      told = due;
    }
  return g_file_set_contents (path, text->str, (gssize) text->len, error);
}

/* ---- messages ---- */

static HfCommit *
make_model (const HfStageArea *area, guint64 bytes, GError **error)
{
  const gchar *const mail[] = { "<sender@example.net>", "BODY=8BITMIME", NULL };
  const gchar *const rcpt[] = { "<recipient@example.org>", NULL };
  static const gchar line[] = "A line of the body as long as lines of plain text are, which is not long.\r\n";
  HfTransaction txn;
  HfCommit *model;

  hf_transaction_init (&txn, area);
  hf_transaction_begin (&txn);
  txn.lead_space = TRUE;
  hf_transaction_mail (&txn, mail);
  hf_transaction_rcpt (&txn, rcpt);
  hf_transaction_header (&txn, "Subject", " The journal alone");
  for (guint64 done = 0; done + sizeof line - 1 <= bytes; done += sizeof line - 1)
    hf_transaction_body (&txn, line, sizeof line - 1);
  model = hf_transaction_finish (&txn, error);
  hf_transaction_clear (&txn);
  return model;
}

static HfCommit *
copy_model (const HfCommit *model, guint64 number)
{
  HfCommit *commit = hf_commit_new ();

  commit->facts = model->facts;
  hf_id_new (&commit->facts.id);
  commit->facts.queue = g_strdup_printf ("Q%010" G_GINT64_MODIFIER "X", number);
  commit->facts.client = g_strdup ("client.example.net[192.0.2.1]");
  commit->facts.helo = g_strdup ("client.example.net");
  commit->salt = model->salt;
  commit->lines_size = model->lines_size;
  commit->lines = model->lines;
  commit->message = model->message;
  commit->fd = fcntl (model->fd, F_DUPFD_CLOEXEC, 0);
  return commit;
}

/* ---- the run ---- */

static void
print_result (const Options *o, guint64 octets, gdouble seconds)
{
  const gdouble messages = (gdouble) o->messages;

  if (o->json)
    printf ("{\"batches\": %u, \"octets\": %" G_GUINT64_FORMAT ", \"messages\": %" G_GUINT64_FORMAT
            ", \"elapsed_s\": %.6f, \"batches_per_second\": %.3f, \"octets_per_second\": %.1f, "
            "\"messages_per_second\": %.3f}\n",
            batches->len, octets, o->messages, seconds, batches->len / seconds, (gdouble) octets / seconds,
            messages / seconds);
  else
    printf ("%.0f messages/s, %.1f MB/s, %.0f batches/s of %.1f messages in %.2f s\n", messages / seconds,
            (gdouble) octets / seconds / 1e6, batches->len / seconds, messages / MAX (batches->len, 1), seconds);
}

static gboolean
write_messages (Feed *feed, const HfCommit *model, const Options *o, GError **error)
{
  gboolean ok = TRUE;

  for (guint64 i = 0; ok && i < o->messages; i++)
    ok = feed_put (feed, copy_model (model, i), error);
  return ok && feed_drain (feed, error);
}

static gboolean
run (const Options *o, guint64 bytes, GError **error)
{
  g_autoptr (HfCommit) model = NULL;
  Feed feed;
  guint64 octets = 0;
  gdouble seconds;
  gint64 started;
  gboolean ok;

  ok = feed_open (&feed, o->spool, o->waiting, (guint) o->spares, error) && (model = make_model (&feed.area, bytes, error)) != NULL;
  started = g_get_monotonic_time ();
  ok = ok && write_messages (&feed, model, o, error);
  seconds = (gdouble) MAX (g_get_monotonic_time () - started, 1) / 1e6;
  feed_close (&feed);
  if (!ok)
    return FALSE;
  for (guint i = 0; i < batches->len; i++)
    octets += g_array_index (batches, guint64, i);
  print_result (o, octets, seconds);
  return o->list == NULL || write_list (o->list, o->messages, error);
}

static int
usage (void)
{
  fputs ("usage: journal -d SPOOL [-n MESSAGES] [-b BYTES] [-q WAITING] [-r SPARES] [-l LIST] [-j]\n", stderr);
  return 2;
}

static gboolean
parse_options (int argc, char **argv, Options *o)
{
  int option;

  while ((option = getopt (argc, argv, "d:n:b:q:r:l:j")) != -1)
    switch (option)
      {
      case 'd':
        o->spool = optarg;
        break;
      case 'n':
        o->messages = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'b':
        o->bytes = optarg;
        break;
      case 'q':
        o->waiting = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'r':
        o->spares = g_ascii_strtoull (optarg, NULL, 10);
        break;
      case 'l':
        o->list = optarg;
        break;
      case 'j':
        o->json = TRUE;
        break;
      default:
        return FALSE;
      }
  return o->spool != NULL && o->messages > 0 && o->waiting > 0 && optind == argc;
}

int
main (int argc, char **argv)
{
  Options options = { .bytes = "10K", .messages = 10000, .waiting = 20, .spares = 1 };
  g_autoptr (GError) error = NULL;
  guint64 bytes;

  if (!parse_options (argc, argv, &options))
    return usage ();
  batches = g_array_new (FALSE, FALSE, sizeof (guint64));
  hf_sys.pwrite = count_pwrite;
  hf_sys.fdatasync = count_fdatasync;
  if (!hf_parse_size (options.bytes, &bytes, &error) || !run (&options, bytes, &error))
    {
      fprintf (stderr, "journal: %s\n", error->message);
      return 1;
    }
  g_array_unref (batches);
  return 0;
}
