/* test-mclient.c - the client says to a filter what Postfix and Sendmail say
 *
 * The other end is a socket pair whose replies wait in it already; what the
 * client said is read there and compared, packet by packet, with what was
 * recorded of the MTAs.  Then a real filter on libmilter takes the place.
 */
#include <config.h>

#include "milter/base/error.h"
#include "tests/client/dial.h"
#include "tests/client/mclient.h"
#include "tests/unit/tap.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_MOST                                                                               \
  (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH \
   | SMFIP_NR_BODY)

typedef struct
{
  McClient *client;
  int far;
} Pair;

/* A client whose filter agreed to @flags and will say @replies. */
static Pair
pair_new (const McMta *mta, guint32 flags, gconstpointer replies, gsize replies_size)
{
  g_autoptr (GByteArray) answer = g_byte_array_new ();
  guint8 offer[17];
  Pair pair;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
  pair.far = fds[1];
  pair.client = mc_client_new (fds[0], mta, 2000);
  mc_put_offer (answer, 6, 0, flags);
  g_assert_cmpint (write (pair.far, answer->data, answer->len), ==, answer->len);
  g_assert_true (mc_client_negotiate (pair.client, NULL));
  g_assert_cmpint (read (pair.far, offer, sizeof offer), ==, sizeof offer);
  if (replies_size > 0)
    g_assert_cmpint (write (pair.far, replies, replies_size), ==, replies_size);
  return pair;
}

static void
pair_clear (Pair *pair)
{
  mc_client_free (pair->client);
  close (pair->far);
}

/* All that was said, a packet a line, NUL as `|`. */
static gchar *
pair_said (Pair *pair)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  GString *text = g_string_new (NULL);
  guint8 chunk[4096];
  gsize at = 0, used;
  McPacket packet;
  ssize_t n;

  mc_client_flush (pair->client, NULL);
  while ((n = recv (pair->far, chunk, sizeof chunk, MSG_DONTWAIT)) > 0)
    g_byte_array_append (all, chunk, (guint) n);
  for (; mc_take (all->data + at, all->len - at, &packet, &used) == MC_TAKE_WHOLE; at += used)
    {
      g_string_append_c (text, packet.code);
      for (gsize i = 0; i < packet.size; i++)
        g_string_append_c (text, packet.data[i] == '\0' ? '|' : (gchar) packet.data[i]);
      g_string_append_c (text, '\n');
    }
  return g_string_free (text, FALSE);
}

static const gchar *const mail[] = { "<a@example.org>", NULL };
static const gchar *const rcpt_b[] = { "<b@example.org>", NULL };
static const gchar *const rcpt_c[] = { "<c@example.org>", NULL };
static const gchar *const *const rcpts[] = { rcpt_b, rcpt_c, NULL };
static const McHeader headers[] = { { "To", " b@example.org" }, { "X-Long", " a\n folded" }, { NULL, NULL } };

static McMessage
a_message (const gchar *queue_id)
{
  return (McMessage){ .queue_id = queue_id, .mail = mail, .rcpts = rcpts, .headers = headers,
                      .body = "hello\r\n", .body_size = 7 };
}

/* Only the macros that the recordings show. */
static void
set_macros (McClient *client)
{
  static const gchar *const pairs[][2] = {
    { "{mail_addr}", "a@example.org" }, { "{mail_host}", "h" }, { "{mail_mailer}", "m" },
    { "{rcpt_addr}", "x@example.org" }, { "{rcpt_host}", "h" }, { "{rcpt_mailer}", "m" },
    { "{msg_id}", "<id>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    mc_speaker_set_macro (mc_client_speaker (client), pairs[i][0], pairs[i][1]);
}

static void
test_message (void)
{
  static const struct
  {
    const gchar *name;
    const McMta *mta;
    const gchar *want;
  } rows[] = {
    { "postfix", &mc_postfix,
      "DM{mail_addr}|a@example.org|{mail_host}|h|{mail_mailer}|m|\nM<a@example.org>|\n"
      "DR{rcpt_addr}|x@example.org|{rcpt_host}|h|{rcpt_mailer}|m|\nR<b@example.org>|\n"
      "DRi|QID|{rcpt_addr}|x@example.org|{rcpt_host}|h|{rcpt_mailer}|m|\nR<c@example.org>|\n"
      "DTi|QID|\nT\n"
      "DLi|QID|\nLTo| b@example.org|\nDLi|QID|\nLX-Long| a\n folded|\nDNi|QID|\nN\n"
      "DBi|QID|\nBhello\r\n\nDEi|QID|\nE\nA\n" },
    { "sendmail", &mc_sendmail,
      "DMi|QID|{mail_mailer}|m|{mail_host}|h|{mail_addr}|a@example.org|\nM<a@example.org>|\n"
      "DR{rcpt_mailer}|m|{rcpt_host}|h|{rcpt_addr}|x@example.org|\nR<b@example.org>|\n"
      "DR{rcpt_mailer}|m|{rcpt_host}|h|{rcpt_addr}|x@example.org|\nR<c@example.org>|\n"
      "T\nLTo| b@example.org|\nLX-Long| a\n folded|\nN\nBhello\r\n\nDE{msg_id}|<id>|\nE\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      McMessage message = a_message ("QID");
      g_auto (McReply) reply = MC_REPLY_INIT;
      g_autofree gchar *said = NULL;
      gchar stage = 0;
      /* MAIL, progress and end-of-message */
      Pair pair = pair_new (rows[i].mta, NR_MOST | SMFIP_HDR_LEADSPC, "\0\0\0\1c\0\0\0\1p\0\0\0\1c", 15);

      set_macros (pair.client);
      tap_check (rows[i].name, mc_client_message (pair.client, &message, &reply, &stage, NULL));
      tap_check_int (rows[i].name, stage, SMFIC_BODYEOB);
      tap_check_str (rows[i].name, mc_verdict_name (reply.verdict), "continue");
      tap_check_int (rows[i].name, reply.progress, 1);
      said = pair_said (&pair);
      tap_check_str (rows[i].name, said, rows[i].want);
      pair_clear (&pair);
    }
}

/* What ends a message early, and what does not. */
static void
test_refusal (void)
{
  static const struct
  {
    const gchar *name;
    guint32 flags;
    const gchar *replies; /* one packet a letter; 'y' carries 451 */
    gchar want_stage;
    McVerdict want;
  } rows[] = {
    { "at MAIL", NR_MOST, "y", SMFIC_MAIL, MC_TEMPFAIL },
    { "at end-of-message", NR_MOST, "cy", SMFIC_BODYEOB, MC_TEMPFAIL },
    { "one recipient", NR_MOST & ~SMFIP_NR_RCPT, "crcc", SMFIC_BODYEOB, MC_CONTINUE },
    { "the last recipient", NR_MOST & ~SMFIP_NR_RCPT, "ccrc", SMFIC_BODYEOB, MC_CONTINUE },
    { "all recipients", NR_MOST & ~SMFIP_NR_RCPT, "crt", SMFIC_RCPT, MC_TEMPFAIL },
    { "at DATA", NR_MOST & ~SMFIP_NR_DATA, "cr", SMFIC_DATA, MC_REJECT },
    { "in the header", NR_MOST & ~SMFIP_NR_HDR, "cct", SMFIC_HEADER, MC_TEMPFAIL },
    { "no more headers wanted", NR_MOST & ~SMFIP_NR_HDR, "csc", SMFIC_BODYEOB, MC_CONTINUE },
    { "in the body", NR_MOST & ~SMFIP_NR_BODY, "cy", SMFIC_BODY, MC_TEMPFAIL },
    { "no more body wanted", NR_MOST & ~SMFIP_NR_BODY, "csc", SMFIC_BODYEOB, MC_CONTINUE },
    { "discarded", NR_MOST, "cd", SMFIC_BODYEOB, MC_DISCARD },
    { "accepted unseen", NR_MOST & ~SMFIP_NR_DATA, "ca", SMFIC_DATA, MC_ACCEPT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GByteArray) replies = g_byte_array_new ();
      McMessage message = a_message (NULL);
      g_auto (McReply) reply = MC_REPLY_INIT;
      gchar stage = 0;
      Pair pair;

      for (const gchar *p = rows[i].replies; *p != '\0'; p++)
        mc_put (replies, *p, "451 4.3.0 no", *p == 'y' ? 13 : 0);
      pair = pair_new (&mc_postfix, rows[i].flags, replies->data, replies->len);
      tap_check (rows[i].name, mc_client_message (pair.client, &message, &reply, &stage, NULL));
      tap_check_int (rows[i].name, stage, rows[i].want_stage);
      tap_check_str (rows[i].name, mc_verdict_name (reply.verdict), mc_verdict_name (rows[i].want));
      tap_check_int (rows[i].name, reply.smtp, reply.code == SMFIR_REPLYCODE ? 451 : 0);
      pair_clear (&pair);
    }
}

static void
test_broken_filter (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *octets;
    gsize size;
    gboolean closes;
    HfErrorCode want;
  } rows[] = {
    { "says nothing", "", 0, FALSE, HF_ERROR_LATE },
    { "says half a reply", "\0\0\0", 3, FALSE, HF_ERROR_LATE },
    { "goes away", "", 0, TRUE, HF_ERROR_IO },
    { "goes away in a reply", "\0\0\0\1", 4, TRUE, HF_ERROR_IO },
    { "only ever makes progress", "\0\0\0\1p", 5, FALSE, HF_ERROR_LATE },
    { "no length", "\0\0\0\0", 4, FALSE, HF_ERROR_CORRUPT },
    { "absurd length", "\x7f\xff\xff\xff", 4, FALSE, HF_ERROR_CORRUPT },
    { "no reply", "\0\0\0\1Z", 5, FALSE, HF_ERROR_CORRUPT },
    { "2xx", "\0\0\0\7y250 k", 11, FALSE, HF_ERROR_CORRUPT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      Pair pair = pair_new (&mc_postfix, NR_MOST, rows[i].octets, rows[i].size);
      McClient *client = pair.client;

      if (rows[i].closes)
        shutdown (pair.far, SHUT_WR);
      else
        mc_client_set_limit (client, 50);
      tap_check (rows[i].name, !mc_client_mail (client, mail, NULL, &error));
      tap_check (rows[i].name, g_error_matches (error, HF_ERROR, (gint) rows[i].want));
      pair_clear (&pair);
    }
}

static void
test_agree (void)
{
  static const struct
  {
    const gchar *name;
    guint32 offered;
    const gchar *answer;
    gsize size;
    gboolean want;
  } rows[] = {
    { "nothing wanted", 6, "O\0\0\0\6\0\0\0\0\0\0\0\0", 13, TRUE },
    { "an older version", 6, "O\0\0\0\2\0\0\0\0\0\0\0\0", 13, TRUE },
    { "a newer version", 4, "O\0\0\0\6\0\0\0\0\0\0\0\0", 13, FALSE },
    { "flags of version 6 under 2", 2, "O\0\0\0\2\0\0\0\0\0\0\x10\0", 13, FALSE },
    { "an unknown action", 6, "O\0\0\0\6\0\0\2\0\0\0\0\0", 13, FALSE },
    { "another packet", 6, "c\0\0\0\6\0\0\0\0\0\0\0\0", 13, FALSE },
    { "cut", 6, "O\0\0\0\6\0\0\0\0\0\0\0", 12, FALSE },
    { "a list of macros", 6, "O\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\4i {x}", 23, TRUE },
    { "a list that is cut", 6, "O\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\4i {x}", 22, FALSE },
    { "a list for no stage", 6, "O\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\x7i {x}", 23, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      McPacket packet = { rows[i].answer[0], (const guint8 *) rows[i].answer + 1, rows[i].size - 1 };
      McSpeaker speaker;

      mc_speaker_init (&speaker, &mc_postfix, rows[i].offered);
      tap_check_int (rows[i].name, mc_speaker_agree (&speaker, &packet, NULL), rows[i].want);
      mc_speaker_clear (&speaker);
    }
}

/* The filter's own list takes the place of the MTA's. */
static void
test_macro_list (void)
{
  static const gchar answer[] = "O\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\4i {client_addr} {unset}";
  McPacket packet = { 'O', (const guint8 *) answer + 1, sizeof answer - 1 };
  g_autoptr (GByteArray) out = g_byte_array_new ();
  McSpeaker speaker;

  mc_speaker_init (&speaker, &mc_sendmail, 6);
  tap_check ("list", mc_speaker_agree (&speaker, &packet, NULL));
  mc_speaker_set_macro (&speaker, "i", "QID");
  mc_speaker_put_macros (&speaker, out, SMFIC_DATA);
  tap_check_int ("list", out->len, 36);
  tap_check ("list", memcmp (out->data, "\0\0\0\40DTi\0QID\0{client_addr}\000192.0.2.1", 36) == 0);
  mc_speaker_clear (&speaker);
}

typedef struct
{
  gchar *dir;
  gchar *spec;
  GPid pid;
} Nothing;

/* The socket's file is there before the filter listens on it. */
static gboolean
answers (const gchar *spec)
{
  int fd = mc_dial (spec, 1000, NULL);

  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

static gboolean
nothing_start (Nothing *self, const gchar *option)
{
  g_autofree gchar *path = NULL;
  gint64 until = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  self->dir = g_dir_make_tmp ("holdfast-mclient-XXXXXX", NULL);
  path = g_build_filename (self->dir, "socket", NULL);
  self->spec = g_strconcat ("unix:", path, NULL);

  const gchar *argv[] = { "tests/bench/filter-nothing", "-s", self->spec, option, NULL };

  if (!g_spawn_async (NULL, (gchar **) (gpointer) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &self->pid,
                      NULL))
    return FALSE;
  while (!answers (self->spec))
    {
      if (g_get_monotonic_time () > until)
        return FALSE;
      g_usleep (2000);
    }
  return TRUE;
}

static void
nothing_end (Nothing *self)
{
  g_autofree gchar *path = g_build_filename (self->dir, "socket", NULL);

  kill (self->pid, SIGKILL);
  waitpid (self->pid, NULL, 0);
  g_unlink (path);
  g_rmdir (self->dir);
  g_free (self->dir);
  g_free (self->spec);
}

static void
send_message (const gchar *row, McClient *client, const gchar *body, gsize size)
{
  McMessage message = a_message ("QID");
  g_auto (McReply) reply = MC_REPLY_INIT;
  gchar stage = 0;

  message.body = body;
  message.body_size = size;
  tap_check (row, mc_client_message (client, &message, &reply, &stage, NULL));
  tap_check_int (row, stage, SMFIC_BODYEOB);
  tap_check_int (row, reply.code, SMFIR_CONTINUE);
}

/* Messages, an abort and a second SMTP client over one connection.  libmilter
 * takes QUIT_NC and QUIT only right after end-of-message: Postfix, which says
 * ABORT in between, has to close. */
static void
talk (const gchar *row, const gchar *spec, const McMta *mta, guint32 version)
{
  g_autoptr (McClient) client = mc_client_connect (spec, mta, 5000, NULL);
  g_auto (McReply) reply = MC_REPLY_INIT;
  g_autofree gchar *body = g_strnfill (200000, 'x');

  if (!tap_check (row, client != NULL))
    return;
  mc_client_offer_version (client, version);
  tap_check (row, mc_client_begin (client, NULL));
  send_message (row, client, body, 200000);
  send_message (row, client, body, 0);
  tap_check (row, mc_client_mail (client, mail, &reply, NULL));
  tap_check (row, mc_client_abort (client, NULL));
  send_message (row, client, body, 1);
  if (mta == &mc_sendmail)
    {
      tap_check (row, mc_client_quit_nc (client, NULL));
      tap_check (row, mc_client_conn (client, "other.example.net", "192.0.2.2", &reply, NULL));
      tap_check (row, mc_client_helo (client, "other.example.net", &reply, NULL));
      send_message (row, client, body, 65535);
    }
  tap_check (row, mc_client_quit (client, NULL));
  if (mta == &mc_postfix)
    mc_client_shutdown (client);
  tap_check (row, mc_client_wait_closed (client));
}

static void
test_libmilter (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *option;
    const McMta *mta;
    guint32 version;
  } rows[] = {
    { "postfix, replies", NULL, &mc_postfix, 6 },     { "postfix, no replies", "-n", &mc_postfix, 6 },
    { "sendmail, replies", NULL, &mc_sendmail, 6 },   { "sendmail, no replies", "-n", &mc_sendmail, 6 },
    { "version 2, no replies", "-n", &mc_postfix, 2 }, { "version 4, replies", NULL, &mc_sendmail, 4 },
    { "a reply to MAIL only", "-nm", &mc_postfix, 6 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Nothing nothing = { 0 };

      if (tap_check (rows[i].name, nothing_start (&nothing, rows[i].option)))
        talk (rows[i].name, nothing.spec, rows[i].mta, rows[i].version);
      nothing_end (&nothing);
    }
}

/* Postfix takes header lines of 102,400 octets, libmilter by itself only 65,535. */
static void
test_long_header (void)
{
  static const gsize rows[] = { 65000, 65534, 65535, 65536, 102400, 900000 };
  Nothing nothing = { 0 };

  if (tap_check ("start", nothing_start (&nothing, NULL)))
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
      {
        g_autoptr (McClient) client = mc_client_connect (nothing.spec, &mc_postfix, 5000, NULL);
        g_autofree gchar *row = g_strdup_printf ("%" G_GSIZE_FORMAT " octets", rows[i]);
        g_autofree gchar *value = g_strnfill (rows[i], 'x');
        g_auto (McReply) reply = MC_REPLY_INIT;

        tap_check (row, mc_client_begin (client, NULL));
        tap_check (row, mc_client_mail (client, mail, &reply, NULL));
        tap_check (row, mc_client_rcpt (client, rcpt_b, &reply, NULL));
        tap_check (row, mc_client_data (client, &reply, NULL));
        tap_check (row, mc_client_header (client, "X-Long", value, &reply, NULL));
        tap_check_int (row, reply.code, SMFIR_CONTINUE);
        tap_check (row, mc_client_eoh (client, &reply, NULL));
        tap_check (row, mc_client_eom (client, &reply, NULL));
        tap_check_int (row, reply.code, SMFIR_CONTINUE);
      }
  nothing_end (&nothing);
}

/* Octets that are no packet make libmilter end the connection, and no other. */
static void
test_garbage (void)
{
  Nothing nothing = { 0 };

  if (tap_check ("start", nothing_start (&nothing, NULL)))
    {
      g_autoptr (McClient) client = mc_client_connect (nothing.spec, &mc_postfix, 5000, NULL);
      g_autoptr (McClient) other = mc_client_connect (nothing.spec, &mc_postfix, 5000, NULL);
      g_auto (McReply) reply = MC_REPLY_INIT;

      tap_check ("garbage", mc_client_begin (client, NULL) && mc_client_begin (other, NULL));
      tap_check ("garbage", mc_client_send (client, "\xff\xff\xff\xffgarbage", 11, NULL));
      tap_check ("garbage", mc_client_wait_closed (client));
      tap_check ("other", mc_client_mail (other, mail, &reply, NULL));
      tap_check_int ("other", reply.code, SMFIR_CONTINUE);
    }
  nothing_end (&nothing);
}

static const TapTest tests[] = {
  { "message", test_message },     { "refusal", test_refusal }, { "broken filter", test_broken_filter },
  { "agree", test_agree },         { "macro list", test_macro_list }, { "libmilter", test_libmilter },
  { "garbage", test_garbage },     { "long header", test_long_header }, { NULL, NULL },
};

int
main (int argc, char **argv)
{
  return tap_run ("mclient", tests, argc, argv);
}
