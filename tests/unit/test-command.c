/* test-command.c - list, show and verify tell what is in the journal, and what they could not see
 *
 * The program itself is run, on journals made by hand; HOLDFAST names another
 * than milter/holdfast.
 */
#include <config.h>

#include "milter/base/sys.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ARGUMENTS 8

typedef struct
{
  gchar *spool;
  gchar *config;
  KitSegment segment;
} Bench;

typedef struct
{
  gint code;
  GString *out;
  gchar *err;
} Result;

static void
result_clear (Result *self)
{
  g_string_free (self->out, TRUE);
  g_free (self->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static void
bench_init (Bench *self)
{
  g_autofree gchar *text = NULL;

  self->spool = kit_spool_new ();
  self->config = g_build_filename (self->spool, "milter.conf", NULL);
  text = g_strdup_printf ("[spool]\ndirectory = %s\n", self->spool);
  kit_write_file (self->config, text, strlen (text));
  kit_segment_init (&self->segment, 1, NULL);
}

static void
bench_clear (Bench *self)
{
  kit_segment_clear (&self->segment);
  g_free (self->config);
  kit_spool_free (self->spool);
}

static gchar *
read_all (FILE *file, gsize *out_size)
{
  GString *text = g_string_new (NULL);
  gchar piece[4096];
  gsize n;

  rewind (file);
  while ((n = fread (piece, 1, sizeof piece, file)) > 0)
    g_string_append_len (text, piece, (gssize) n);
  fclose (file);
  *out_size = text->len;
  return g_string_free (text, FALSE);
}

/* Runs the command; "ID1" and so on in @args stand for the ids of messages. */
static Result
run (const Bench *bench, const gchar *const *args)
{
  const gchar *program = g_getenv ("HOLDFAST") != NULL ? g_getenv ("HOLDFAST") : "milter/holdfast";
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  FILE *out = tmpfile (), *err = tmpfile ();
  Result result;
  gsize size;
  gchar *octets;
  int status;
  pid_t pid;

  g_ptr_array_add (argv, g_strdup (program));
  g_ptr_array_add (argv, g_strdup ("-c"));
  g_ptr_array_add (argv, g_strdup (bench->config));
  for (guint i = 0; i < MOST_ARGUMENTS && args[i] != NULL; i++)
    {
      HfId id;

      if (g_str_has_prefix (args[i], "ID"))
        kit_id ((guint) atoi (args[i] + 2), &id);
      g_ptr_array_add (argv, g_strdup (g_str_has_prefix (args[i], "ID") ? id.text : args[i]));
    }
  g_ptr_array_add (argv, NULL);
  pid = fork ();
  g_assert_true (pid >= 0 && out != NULL && err != NULL);
  if (pid == 0)
    {
      dup2 (fileno (out), STDOUT_FILENO);
      dup2 (fileno (err), STDERR_FILENO);
      execv (program, (gchar *const *) argv->pdata);
      _exit (127);
    }
  g_assert_true (waitpid (pid, &status, 0) == pid);
  result.code = WIFEXITED (status) ? WEXITSTATUS (status) : -1;
  octets = read_all (out, &size);
  result.out = g_string_new_len (octets, (gssize) size);
  g_free (octets);
  result.err = read_all (err, &size);
  return result;
}

/* A record from @sender to @rcpts (blanks between them), with a Message-ID. */
static void
add (Bench *bench, guint number, const gchar *sender, const gchar *rcpts, const gchar *queue, const gchar *message)
{
  g_auto (GStrv) each = g_strsplit (rcpts, " ", -1);
  g_autoptr (GString) lines = g_string_new (NULL);
  HfFacts facts = { .at_ms = G_GINT64_CONSTANT (1795378685123) + number * 60000, .queue = (gchar *) (guintptr) queue };

  hf_record_write_mail (lines, (const gchar *const[]){ sender, NULL });
  for (guint i = 0; each[i] != NULL; i++)
    hf_record_write_rcpt (lines, (const gchar *const[]){ each[i], NULL });
  kit_id (number, &facts.id);
  kit_segment_record (&bench->segment, &facts, lines->str, g_strv_length (each), message, -1);
}

#define MESSAGE_ID(id) "Subject: x\r\nMessage-ID: <" id ">\r\n\r\ntext\r\n"

static void
fill (Bench *bench)
{
  add (bench, 1, "<Ann@Example.ORG>", "<bob@example.net>", "4Yq1", MESSAGE_ID ("one@example.org"));
  add (bench, 2, "<>", "<carl@example.com> <bob@example.net>", "4Yq2", MESSAGE_ID ("two@example.org"));
  add (bench, 3, "<dora@example.org>", "<eve@sub.example.net>", NULL,
       "Subject: x\r\n\r\nMessage-ID: <inbody@example.org>\r\n");
  add (bench, 4, "<dora@example.org>", "<bob@example.net>", "4Yq4",
       "Subject: x\r\nmessage-id:\r\n\t<folded@example.org>\r\n\r\n");
  kit_segment_pad (&bench->segment);
  kit_segment_void (&bench->segment, 2, 1);
  kit_segment_pad (&bench->segment);
}

/* The numbers of the messages in the objects that list --json printed. */
static gchar *
listed (const gchar *row, const gchar *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *numbers = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
    {
      g_autoptr (JsonParser) parser = json_parser_new ();
      JsonObject *object;
      const gchar *id;
      HfId full;

      if (!tap_check (row, json_parser_load_from_data (parser, lines[i], -1, NULL)))
        continue;
      object = json_node_get_object (json_parser_get_root (parser));
      id = json_object_get_string_member_with_default (object, "id", NULL);
      g_strlcpy (full.text, id != NULL ? id : "", sizeof full.text);
      g_string_append_printf (numbers, "%s%u", numbers->len > 0 ? " " : "", id != NULL ? kit_number (&full) : 0);
    }
  return g_string_free (numbers, FALSE);
}

static void
test_select (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *args[MOST_ARGUMENTS];
    const gchar *want;
  } rows[] = {
    { "all", { "list", "--json" }, "1 2 3 4" },
    { "sender, another case", { "list", "--json", "--sender", "ann@example.org" }, "1" },
    { "senders of a domain", { "list", "--json", "--sender", "@example.org" }, "1 3 4" },
    { "null sender", { "list", "--json", "--sender", "" }, "2" },
    { "null sender in brackets", { "list", "--json", "--sender", "<>" }, "2" },
    { "sender in brackets", { "list", "--json", "--sender", "<ann@example.org>" }, "1" },
    { "recipient in brackets", { "list", "--json", "--recipient", "<carl@example.com>" }, "2" },
    { "pattern", { "list", "--json", "--sender", "do?a@*" }, "3 4" },
    { "a part is not enough", { "list", "--json", "--sender", "dora" }, "" },
    { "recipient", { "list", "--json", "--recipient", "bob@example.net" }, "1 2 4" },
    { "one of several", { "list", "--json", "--recipient", "carl@example.com" }, "2" },
    { "recipients of a domain, not below it", { "list", "--json", "--recipient", "@example.net" }, "1 2 4" },
    { "queue id", { "list", "--json", "--queue-id", "4Yq4" }, "4" },
    { "queue id, another case", { "list", "--json", "--queue-id", "4yq4" }, "" },
    { "queue ids that begin alike", { "list", "--json", "--queue-id", "4Y*" }, "1 2 4" },
    { "queue id not known", { "list", "--json", "--queue-id", "*" }, "1 2 4" },
    { "Message-ID", { "list", "--json", "--message-id", "one@example.org" }, "1" },
    { "in brackets", { "list", "--json", "--message-id", "<two@example.org>" }, "2" },
    { "folded", { "list", "--json", "--message-id", "folded@example.org" }, "4" },
    { "not in the body", { "list", "--json", "--message-id", "inbody@example.org" }, "" },
    { "since", { "list", "--json", "--since", "2026-11-22T20:20:05.123Z" }, "2 3 4" },
    { "until", { "list", "--json", "--until", "2026-11-22T20:20:05.123Z" }, "1" },
    { "both", { "list", "--json", "--since", "2026-11-22T20:19:00Z", "--until", "2026-11-22T20:21:00Z" }, "1 2" },
    { "ids", { "list", "--json", "ID3", "ID1" }, "1 3" },
    { "several conditions", { "list", "--json", "--sender", "@example.org", "--recipient", "bob@*" }, "1 4" },
    { "whole", { "list", "--json", "--copy", "whole" }, "1 2 3 4" },
    { "damaged", { "list", "--json", "--copy", "damaged" }, "" },
  };
  Bench bench;

  bench_init (&bench);
  fill (&bench);
  kit_segment_save (&bench.segment, bench.spool, 65536);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (Result) result = run (&bench, rows[i].args);
      g_autofree gchar *got = listed (rows[i].name, result.out->str);

      tap_check_int (rows[i].name, result.code, 0);
      tap_check_str (rows[i].name, got, rows[i].want);
      tap_check_str (rows[i].name, result.err, "");
    }
  bench_clear (&bench);
}

/* An id that is not there is told, what is there is listed, and a filter hides no id. */
static void
test_absent (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *args[MOST_ARGUMENTS];
    const gchar *want;
    gint want_code;
  } rows[] = {
    { "one that is not there", { "list", "--json", "ID9" }, "", 1 },
    { "and one that is", { "list", "--json", "ID9", "ID1" }, "1", 1 },
    { "one that a filter leaves out", { "list", "--json", "ID1", "--sender", "" }, "", 0 },
  };
  HfId absent;
  Bench bench;

  kit_id (9, &absent);
  bench_init (&bench);
  fill (&bench);
  kit_segment_save (&bench.segment, bench.spool, 65536);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (Result) result = run (&bench, rows[i].args);
      g_autofree gchar *got = listed (rows[i].name, result.out->str);
      g_autofree gchar *want_err
          = rows[i].want_code == 0 ? g_strdup ("") : g_strdup_printf ("holdfast list: no message with id '%s' is in the journal\n", absent.text);

      tap_check_int (rows[i].name, result.code, rows[i].want_code);
      tap_check_str (rows[i].name, got, rows[i].want);
      tap_check_str (rows[i].name, result.err, want_err);
    }
  bench_clear (&bench);
}

static void
test_usage (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *args[MOST_ARGUMENTS];
    const gchar *want; /* part of stderr */
  } rows[] = {
    { "no id", { "list", "short" }, "'short' is no id of a message" },
    { "no time", { "list", "--since", "yesterday" }, "--since: 'yesterday' is no time" },
    { "no copy", { "list", "--copy", "good" }, "'good' must be whole, torn or damaged" },
    { "unknown option", { "list", "--nothing" }, "--nothing" },
    { "show nothing", { "show" }, "give one id" },
    { "show two", { "show", "ID1", "ID2" }, "give one id" },
    { "show no id", { "show", "x" }, "'x' is no id of a message" },
    { "verify with more", { "verify", "x" }, "unexpected argument" },
    { "unknown verb", { "lost" }, "unknown verb 'lost'" },
  };
  Bench bench;

  bench_init (&bench);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (Result) result = run (&bench, rows[i].args);

      tap_check_int (rows[i].name, result.code, 2);
      tap_check_has (rows[i].name, result.err, rows[i].want);
      tap_check_str (rows[i].name, result.out->str, "");
    }
  bench_clear (&bench);
}

static void
test_original_address (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *params;
    const gchar *want;
  } rows[] = {
    { "none", "", "null" },
    { "plain", " ORCPT=rfc822;alias@example.org", "\"alias@example.org\"" },
    { "xtext, among others", " NOTIFY=NEVER orcpt=RFC822;a+2Bb+40example.org HOLDFOR=60", "\"a+b@example.org\"" },
    { "UTF-8", " ORCPT=utf-8;\xc3\xa4@example.org", "\"\xc3\xa4@example.org\"" },
    { "no address of mail", " ORCPT=x400;alias", "null" },
    { "no xtext", " ORCPT=rfc822;a+4", "null" },
    { "a NUL in it", " ORCPT=rfc822;a+00b", "null" },
  };
  static const gchar *const args[] = { "list", "--json", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *lines = g_strdup_printf ("MAIL FROM:<>\r\nRCPT TO:<b@example.org>%s\r\n", rows[i].params);
      g_autofree gchar *want = g_strdup_printf ("\"orig_address\":%s,", rows[i].want);
      g_auto (Result) result = { 0 };
      HfFacts facts = { .at_ms = 1 };
      Bench bench;

      bench_init (&bench);
      kit_id (1, &facts.id);
      kit_segment_record (&bench.segment, &facts, lines, 1, "Subject: x\r\n\r\n", -1);
      kit_segment_pad (&bench.segment);
      kit_segment_save (&bench.segment, bench.spool, 65536);
      result = run (&bench, args);
      tap_check_int (rows[i].name, result.code, 0);
      tap_check_has (rows[i].name, result.out->str, want);
      bench_clear (&bench);
    }
}

/* ---- show ---- */

static void
test_show (void)
{
  static const gchar octets[] = "Subject: x\r\n\r\n.dot\r\n\0\xff\xfe no end";
  static const gchar *const args[] = { "show", "ID5", NULL }, *const absent[] = { "show", "ID9", NULL };
  g_auto (Result) result = { 0 };
  g_auto (Result) none = { 0 };
  HfFacts facts = { .at_ms = 1 };
  Bench bench;

  bench_init (&bench);
  fill (&bench);
  kit_id (5, &facts.id);
  kit_segment_record (&bench.segment, &facts, "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n", 1, octets, sizeof octets - 1);
  kit_segment_pad (&bench.segment);
  kit_segment_save (&bench.segment, bench.spool, 65536);
  result = run (&bench, args);
  tap_check_int ("shown", result.code, 0);
  tap_check ("octet by octet, and nothing else",
             result.out->len == sizeof octets - 1 && memcmp (result.out->str, octets, sizeof octets - 1) == 0);
  none = run (&bench, absent);
  tap_check_int ("absent", none.code, 1);
  tap_check_has ("absent", none.err, "no message with id");
  bench_clear (&bench);
}

static void
flip (Bench *bench, const gchar *text)
{
  *strstr (bench->segment.text->str, text) ^= 1;
}

/* A copy that does not verify is never shown as if it were whole. */
static void
test_show_damaged (void)
{
  static const gchar *const args[] = { "show", "ID1", NULL }, *const forced[] = { "show", "--force", "ID1", NULL };
  g_auto (Result) result = { 0 };
  g_auto (Result) by_force = { 0 };
  Bench bench;

  bench_init (&bench);
  fill (&bench);
  flip (&bench, "Subject: x");
  kit_segment_save (&bench.segment, bench.spool, 65536);
  kit_publish (bench.spool, 1, bench.segment.text->len);
  result = run (&bench, args);
  tap_check_int ("not shown", result.code, 1);
  tap_check_str ("not shown", result.out->str, "");
  tap_check_has ("why", result.err, "is damaged: message digest is wrong");
  by_force = run (&bench, forced);
  tap_check_int ("still wrong", by_force.code, 1);
  tap_check_has ("as it is", by_force.out->str, "Rubject: x\r\n");
  bench_clear (&bench);
}

/* ---- verify, and what each verb says of a journal that is not whole ---- */

static void
do_nothing (Bench *bench)
{
}

static void
do_damage (Bench *bench)
{
  flip (bench, "Subject: x");
  kit_publish (bench->spool, 1, bench->segment.text->len);
}

static void
do_torn (Bench *bench)
{
  g_string_truncate (bench->segment.text, (gsize) (strstr (bench->segment.text->str, "folded@") - bench->segment.text->str));
}

static void
do_gone (Bench *bench)
{
  kit_publish (bench->spool, 1, bench->segment.text->len);
  g_string_truncate (bench->segment.text, HF_BLOCK);
}

static void
do_break (Bench *bench)
{
  gchar *first = strstr (bench->segment.text->str, " chain=") + 7;

  *first = *first == '0' ? '1' : '0';
}

/* A newer Holdfast went on in segment 2. */
static void
do_newer (Bench *bench)
{
  g_autofree gchar *path = kit_segment_path (bench->spool, 2);
  g_autoptr (GString) text = g_string_new (NULL);
  HfStatementBuilder builder;
  HfHash hash = { NULL };

  hf_statement_begin (&builder, text, "segment");
  hf_statement_add (&builder, "v", "2", -1);
  hf_statement_end (&builder);
  g_assert_true (hf_record_end_alone (text, 0, &hash));
  hf_hash_clear (&hash);
  kit_write_file (path, text->str, text->len);
}

static void
do_unreadable (Bench *bench)
{
  g_autofree gchar *path = kit_segment_path (bench->spool, 2);

  g_assert_true (mkfifo (path, 0600) == 0);
}

static void
do_no_journal (Bench *bench)
{
  g_autofree gchar *dir = kit_path (bench->spool, NULL);

  g_assert_true (rmdir (dir) == 0);
}

static void
test_verify (void)
{
  static const struct
  {
    const gchar *name;
    void (*deed) (Bench *bench);
    gint want_verify;
    const gchar *want_out; /* part of it */
    gint want_list;
  } rows[] = {
    { "whole", do_nothing, 0, "1 segments, 4 records whole", 0 },
    { "damaged", do_damage, 1, "damaged: ", 0 },
    { "torn", do_torn, 0, "torn: ", 0 },
    { "gone", do_gone, 1, "what was written here is gone", 0 },
    { "chain broken", do_break, 1, "chain broken: ", 0 },
    { "newer version", do_newer, 3, "has format version 2, this program reads up to 1", 3 },
    { "not readable", do_unreadable, 3, "is no regular file", 3 },
    { "no journal", do_no_journal, 3, "", 3 },
  };
  static const gchar *const verify[] = { "verify", NULL }, *const json[] = { "verify", "--json", NULL };
  static const gchar *const list[] = { "list", "--json", NULL }, *const plain[] = { "list", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (Result) verified = { 0 };
      g_auto (Result) as_json = { 0 };
      g_auto (Result) list_json = { 0 };
      g_auto (Result) list_plain = { 0 };
      g_autofree gchar *numbers = NULL, *findings = NULL;
      Bench bench;

      bench_init (&bench);
      fill (&bench);
      rows[i].deed (&bench);
      if (rows[i].deed != do_no_journal)
        kit_segment_save (&bench.segment, bench.spool, rows[i].deed == do_gone ? 0 : 65536);
      verified = run (&bench, verify);
      tap_check_int (rows[i].name, verified.code, rows[i].want_verify);
      tap_check_has (rows[i].name, verified.out->str, rows[i].want_out);
      as_json = run (&bench, json);
      tap_check_int (rows[i].name, as_json.code, rows[i].want_verify);
      findings = listed (rows[i].name, as_json.out->str); /* each line is an object */
      list_json = run (&bench, list);
      tap_check_int (rows[i].name, list_json.code, rows[i].want_list);
      numbers = listed (rows[i].name, list_json.out->str);
      list_plain = run (&bench, plain);
      tap_check_int (rows[i].name, list_plain.code, rows[i].want_list);
      bench_clear (&bench);
    }
}

/* ---- what comes from outside ---- */

/* JSON stays valid, and a terminal gets no control, whatever the envelope holds. */
static void
test_hostile_envelope (void)
{
  static const gchar *const json[] = { "list", "--json", NULL }, *const plain[] = { "list", NULL };
  g_auto (Result) as_json = { 0 };
  g_auto (Result) for_people = { 0 };
  g_autofree gchar *numbers = NULL;
  Bench bench;

  bench_init (&bench);
  add (&bench, 1, "<\x1b[2J\"\\\xff@example.org>", "<\x07\xc3\xa4\r\n@example.net>", "Q\x1b[1m", MESSAGE_ID ("x"));
  kit_segment_pad (&bench.segment);
  kit_segment_save (&bench.segment, bench.spool, 0);
  as_json = run (&bench, json);
  tap_check_int ("JSON", as_json.code, 0);
  numbers = listed ("JSON", as_json.out->str);
  tap_check_str ("JSON", numbers, "1");
  tap_check ("JSON is UTF-8", g_utf8_validate (as_json.out->str, (gssize) as_json.out->len, NULL));
  tap_check_has ("the original", as_json.out->str, "\"sender_raw\":");
  for_people = run (&bench, plain);
  tap_check_int ("people", for_people.code, 0);
  for (gsize i = 0; i < for_people.out->len; i++)
    if ((guchar) for_people.out->str[i] < ' ' && for_people.out->str[i] != '\n')
      tap_check_int ("control in the output", for_people.out->str[i], -1);
  bench_clear (&bench);
}

/* Who may not read the spool is told so, and by whom it can be read. */
static void
test_denied (void)
{
  static const gchar *const list[] = { "list", NULL };
  pid_t pid;
  int status;
  Bench bench;

  if (geteuid () != 0)
    return;
  bench_init (&bench);
  fill (&bench);
  kit_segment_save (&bench.segment, bench.spool, 0);
  g_assert_true (chmod (bench.config, 0644) == 0 && chmod (bench.spool, 0711) == 0);
  pid = fork ();
  if (pid == 0)
    {
      Result result;

      if (setgid (65534) < 0 || setuid (65534) < 0)
        _exit (10);
      result = run (&bench, list);
      _exit (result.code != 3 ? 1 : strstr (result.err, "is closed to") == NULL ? 2 : result.out->len != 0 ? 4 : 0);
    }
  g_assert_true (waitpid (pid, &status, 0) == pid);
  tap_check_int ("denied", WIFEXITED (status) ? WEXITSTATUS (status) : -1, 0);
  bench_clear (&bench);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "select", test_select },
    { "absent", test_absent },
    { "original-address", test_original_address },
    { "usage", test_usage },
    { "show", test_show },
    { "show-damaged", test_show_damaged },
    { "verify", test_verify },
    { "hostile-envelope", test_hostile_envelope },
    { "denied", test_denied },
    { NULL, NULL },
  };

  return tap_run ("command", tests, argc, argv);
}
