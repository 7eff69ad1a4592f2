/* test-queue.c - what a look at the queue finds, and that a failed look is none */
#include <config.h>

#include "milter/audit/queue.h"
#include "milter/base/error.h"
#include "tests/unit/tap.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void
test_json (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *line;
    gboolean want_ok;
    const gchar *want_id;
    HfQueuePlace want_place;
  } rows[] = {
    { "deferred",
      "{\"queue_name\": \"deferred\", \"queue_id\": \"4Yq1z\", \"recipients\": [{\"address\": \"a@example.org\","
      " \"delay_reason\": \"later\"}, {\"address\": \"b@example.org\"}]}",
      TRUE, "4Yq1z", HF_QUEUE_QUEUED },
    { "on hold", "{\"queue_name\": \"hold\", \"queue_id\": \"ABCDEF\", \"recipients\": []}", TRUE, "ABCDEF", HF_QUEUE_HELD },
    { "no id", "{\"queue_name\": \"hold\"}", FALSE, NULL, HF_QUEUE_QUEUED },
    { "no object", "postqueue: warning: something", FALSE, NULL, HF_QUEUE_QUEUED },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (HfQueue) queue = hf_queue_new ();
      g_autoptr (GError) error = NULL;
      HfQueuePlace place;

      tap_check_int (rows[i].name, hf_queue_add_json (queue, rows[i].line, &error), rows[i].want_ok);
      if (rows[i].want_ok && tap_check (rows[i].name, hf_queue_find (queue, rows[i].want_id, &place)))
        tap_check_int (rows[i].name, place, rows[i].want_place);
    }
}

#define LONG_MS (60 * 1000)

static void
put (const gchar *dir, const gchar *name, const gchar *text)
{
  g_autofree gchar *path = g_build_filename (dir, name, NULL);

  tap_check (name, g_file_set_contents (path, text, -1, NULL));
}

static void
remove_all (const gchar *dir)
{
  g_autoptr (GDir) open = g_dir_open (dir, 0, NULL);
  const gchar *name;

  while (open != NULL && (name = g_dir_read_name (open)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (dir, name, NULL);

      if (unlink (path) < 0)
        remove_all (path);
    }
  rmdir (dir);
}

static void
test_sendmail (void)
{
  g_autofree gchar *dir = g_dir_make_tmp ("hf-queue-XXXXXX", NULL);
  g_autofree gchar *sub = g_build_filename (dir, "qf", NULL);
  g_autofree gchar *pattern = g_strconcat (dir, "*", NULL);
  g_autoptr (HfQueue) queue = NULL;
  g_autoptr (HfQueue) again = NULL;
  g_autoptr (GError) error = NULL;
  HfQueuePlace place;

  tap_check_int ("mkdir", g_mkdir (sub, 0700), 0);
  put (dir, "qf5AMKI5dE029009", "V8\nT1\nS<a@example.org>\nRPFD:<b@example.net>\nRPFD:<c@example.net>\n.\nRPFD:<no@example.net>\n");
  put (dir, "hf5AMKI5dE029010", "V8\nqspam\nRPFD:<b@example.net>\n.\n");
  put (dir, "Qf5AMKI5dE029011", "V8\n");
  put (dir, "tf5AMKI5dE029012", "V8\n");
  put (dir, "df5AMKI5dE029009", "body\n");
  put (sub, "qf5AMKI5dE029013", "V8\nRPFD:<d@example.net>\n.\n");
  queue = hf_queue_read_sendmail (dir, &error);
  if (tap_check ("read", queue != NULL))
    {
      tap_check_int ("entries", hf_queue_size (queue), 4);
      tap_check ("qf", hf_queue_find (queue, "5AMKI5dE029009", &place) && place == HF_QUEUE_QUEUED);
      tap_check ("hf is quarantined", hf_queue_find (queue, "5AMKI5dE029010", &place) && place == HF_QUEUE_HELD);
      tap_check ("Qf is given up", hf_queue_find (queue, "5AMKI5dE029011", &place) && place == HF_QUEUE_GIVEN_UP);
      tap_check ("tf is no entry", !hf_queue_find (queue, "5AMKI5dE029012", &place));
      tap_check ("below qf/", hf_queue_find (queue, "5AMKI5dE029013", &place));
    }
  again = hf_queue_read_sendmail (pattern, NULL);
  tap_check ("by pattern", again != NULL && hf_queue_size (again) == 4);
  remove_all (dir);
}

static void
test_failures (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) other = NULL;

  tap_check ("no such directory", hf_queue_read_sendmail ("/nowhere/at/all", &error) == NULL);
  tap_check ("is told", g_error_matches (error, HF_ERROR, HF_ERROR_NOT_FOUND));
  tap_check ("no such Postfix is no empty queue", hf_queue_read_postfix ("/nowhere/at/all", LONG_MS, &other) == NULL);
  tap_check ("is told", other != NULL);
}

/* What a postqueue of our own prints, and how it ends. */
static void
test_postqueue (void)
{
#define ENTRY(id) "{\"queue_name\": \"deferred\", \"queue_id\": \"" id "\", \"recipients\": []}"
  static const struct
  {
    const gchar *name, *script;
    gint want;              /* entries, or -1 */
    HfErrorCode want_error;
    const gchar *want_words;
    gint silent_ms; /* 0: long enough */
  } rows[] = {
    { "nothing", "exit 0", 0, HF_ERROR_IO, NULL },
    { "two, the last without an end of line", "printf '%s\n%s' '" ENTRY ("ABCD01") "' '" ENTRY ("ABCD02") "'", 2, HF_ERROR_IO, NULL },
    { "more than a pipe holds", "i=0; while [ $i -lt 5000 ]; do echo '" ENTRY ("ABCD01") "'; i=$((i+1)); done", 1, HF_ERROR_IO, NULL },
    { "half a list is none", "echo '" ENTRY ("ABCD01") "'; echo 'postqueue: fatal: no queue' >&2; exit 69", -1, HF_ERROR_BUSY,
      "no queue" },
    { "a bad line, and more behind it", "i=0; echo x; while [ $i -lt 5000 ]; do echo '" ENTRY ("ABCD01") "'; i=$((i+1)); done", -1,
      HF_ERROR_CORRUPT, "no JSON" },
    { "a long complaint", "i=0; exec >&-; while [ $i -lt 20000 ]; do echo complaint >&2; i=$((i+1)); done; exit 1", -1, HF_ERROR_BUSY,
      "complaint" },
    { "it hangs", "exec sleep 1000", -1, HF_ERROR_BUSY, "said nothing", 50 },
    { "it hangs behind a line", "echo '" ENTRY ("ABCD01") "'; exec sleep 1000", -1, HF_ERROR_BUSY, "said nothing", 50 },
    { "it hangs with its list closed", "exec sleep 1000 >&-", -1, HF_ERROR_BUSY, "said nothing", 50 },
  };
  g_autofree gchar *dir = g_dir_make_tmp ("hf-postqueue-XXXXXX", NULL);
  g_autofree gchar *path = g_strdup_printf ("%s:%s", dir, g_getenv ("PATH"));
  g_autofree gchar *postqueue = g_build_filename (dir, "postqueue", NULL);
  g_autofree gchar *old_path = g_strdup (g_getenv ("PATH"));

  g_setenv ("PATH", path, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *script = g_strdup_printf ("#!/bin/sh\n%s\n", rows[i].script);
      g_autoptr (GError) error = NULL;
      g_autoptr (HfQueue) queue = NULL;

      put (dir, "postqueue", script);
      tap_check_int ("chmod", g_chmod (postqueue, 0755), 0);
      queue = hf_queue_read_postfix ("/nowhere/at/all", rows[i].silent_ms > 0 ? rows[i].silent_ms : LONG_MS, &error);
      tap_check_int (rows[i].name, queue != NULL ? (gint) hf_queue_size (queue) : -1, rows[i].want);
      if (rows[i].want < 0)
        tap_check (rows[i].name, g_error_matches (error, HF_ERROR, rows[i].want_error)
                                     && strstr (error->message, rows[i].want_words) != NULL);
    }
  g_setenv ("PATH", old_path, TRUE);
  remove_all (dir);
#undef ENTRY
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "json", test_json }, { "sendmail", test_sendmail }, { "failures", test_failures },
    { "postqueue", test_postqueue }, { NULL, NULL },
  };

  return tap_run ("queue", tests, argc, argv);
}
