/* export.c - holdfast export: messages as files, as mbox, or as Batch SMTP
 *
 * A message is checked before it is written, and its digest once more over
 * what was written.  Void messages are left out, their senders have them; copies
 * that are not whole are left out and named, and the exit code is 1.  It is that
 * too where an id was asked for and left out.
 */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/command/mbox.h"
#include "milter/command/output.h"
#include "milter/command/select.h"
#include "milter/command/state.h"
#include "milter/command/terminal.h"
#include "milter/command/text.h"
#include "milter/command/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

typedef struct Export Export;

typedef struct
{
  const gchar *name;
  gboolean (*write) (Export *self, HfView *view, const HfViewEntry *entry, GError **error);
  gboolean one_file;
} Format;

struct Export
{
  HfSelect select;
  const Format *format;
  gchar *format_name;
  gchar *where;
  gboolean include_void;
  gboolean include_damaged;
  HfStates *states;     /* NULL where void ones are wanted, too */
  int dir_fd;
  HfOutput output;
  GHashTable *seen;     /* ids of which a whole copy was met: two copies of one id are one message */
  GHashTable *met;      /* ids that match */
  GHashTable *left_out; /* ids of copies that were left out as void */
  GHashTable *lacks;    /* ids of copies that are not whole, to what is said of them */
  HfHash hash;
  guint64 exported;
  guint64 voids;
  guint64 failed;    /* messages that were asked for and are not there, or are there in part */
};

/* ---- one message's octets, checked on their way ---- */

typedef struct
{
  HfHash *hash;
  HfOctetSink sink;
  gpointer user_data;
} Checked;

static gboolean
sink_checked (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  Checked *checked = user_data;

  if (!hf_hash_add (checked->hash, data, size))
    return hf_error_set (error, HF_ERROR_IO, "export", "no memory for a digest");
  return checked->sink (data, size, checked->user_data, error);
}

/* Of a copy that is not whole, what can be read of it. */
static gboolean
copy_octets (Export *self, HfView *view, const HfViewEntry *entry, HfOctetSink sink, gpointer user_data, GError **error)
{
  Checked checked = { &self->hash, sink, user_data };
  const HfItem *item = entry->item;
  g_autoptr (GError) failed = NULL;
  HfDigest digest;

  if (!hf_hash_begin (&self->hash))
    return hf_error_set (error, HF_ERROR_IO, "export", "no memory for a digest");
  if (!hf_view_copy_message (view, entry, sink_checked, &checked, &failed))
    {
      if (entry->copy != HF_COPY_WHOLE && g_error_matches (failed, HF_ERROR, HF_ERROR_CORRUPT))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if (entry->copy != HF_COPY_WHOLE)
    return TRUE;
  if (hf_hash_end (&self->hash, &item->salt, &digest) && hf_digest_equal (&digest, &item->message))
    return TRUE;
  return hf_error_set (error, HF_ERROR_CORRUPT, "export", "message reads differently now than a moment ago");
}

/* ---- the formats ---- */

static gboolean
write_eml (Export *self, HfView *view, const HfViewEntry *entry, GError **error)
{
  const gboolean whole = entry->copy == HF_COPY_WHOLE;
  g_autofree gchar *name = g_strdup_printf ("%s%s%s.eml", entry->item->facts.id.text, whole ? "" : ".",
                                            whole ? "" : hf_copy_text (entry->copy));
  HfOutput output;

  if (!hf_output_open (&output, self->dir_fd, name, error))
    return FALSE;
  if (copy_octets (self, view, entry, hf_output_write, &output, error))
    return hf_output_finish (&output, error);
  hf_output_abandon (&output);
  return FALSE;
}

static gboolean
write_mbox (Export *self, HfView *view, const HfViewEntry *entry, GError **error)
{
  const gchar *sender = entry->item->sender.address;
  HfMbox mbox;

  return hf_mbox_begin (&mbox, sender != NULL ? sender : "", entry->item->facts.at_ms, hf_output_write, &self->output, error)
         && copy_octets (self, view, entry, hf_mbox_write, &mbox, error) && hf_mbox_end (&mbox, error);
}

static gboolean
fits_line (const HfPath *path)
{
  for (const gchar *p = path->address; *p != '\0'; p++)
    if ((guchar) *p < ' ' || *p == 0x7f)
      return FALSE;
  for (const gchar *p = path->params; *p != '\0'; p++)
    if ((guchar) *p < ' ' || *p == 0x7f)
      return FALSE;
  return TRUE;
}

static gboolean
append_path (GString *out, const gchar *verb, const HfPath *path, GError **error)
{
  if (path->address == NULL || !fits_line (path))
    return hf_error_set (error, HF_ERROR_CORRUPT, "export", "envelope can't be written as Batch SMTP: it %s",
                         path->address == NULL ? "can't be read" : "has controls in it");
  g_string_append_printf (out, "%s:<%s>%s%s\r\n", verb, path->address, *path->params != '\0' ? " " : "", path->params);
  return TRUE;
}

typedef struct
{
  HfWire wire;
  HfOutput *output;
} Stuffing;

static gboolean
sink_stuffed (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  Stuffing *stuffing = user_data;

  return hf_wire_stuff (&stuffing->wire, data, size, hf_output_write, stuffing->output, error);
}

static gboolean
write_bsmtp (Export *self, HfView *view, const HfViewEntry *entry, GError **error)
{
  const GArray *recipients = entry->item->recipients;
  g_autoptr (GString) lines = g_string_new (NULL);
  Stuffing stuffing = { .output = &self->output };
  const gchar *end;

  if (!append_path (lines, "MAIL FROM", &entry->item->sender, error))
    return FALSE;
  for (guint i = 0; i < recipients->len; i++)
    /* who has it, or was refused, gets no second one */
    if (g_array_index (recipients, HfPath, i).state == NULL
        && !append_path (lines, "RCPT TO", &g_array_index (recipients, HfPath, i), error))
      return FALSE;
  g_string_append (lines, "DATA\r\n");
  hf_wire_init (&stuffing.wire);
  if (!hf_output_write (lines->str, lines->len, &self->output, error)
      || !copy_octets (self, view, entry, sink_stuffed, &stuffing, error))
    return FALSE;
  end = hf_wire_ends_line (&stuffing.wire) ? ".\r\n" : "\r\n.\r\n";
  return hf_output_write (end, strlen (end), &self->output, error);
}

static const Format formats[] = {
  { "eml", write_eml, FALSE },
  { "mbox", write_mbox, TRUE },
  { "bsmtp", write_bsmtp, TRUE },
};

/* ---- which messages ---- */

static void
tell (const HfViewEntry *entry, const gchar *what)
{
  hf_terminal_progress_end ();
  fprintf (stderr, "holdfast export: %s in '%s' at offset %" G_GUINT64_FORMAT ": %s\n",
           entry->item->has_facts ? entry->item->facts.id.text : "something without an id", entry->path,
           entry->item->offset, what);
}

/* FALSE only for what ends the export: nothing can be written any more. */
static gboolean
write_one (Export *self, HfView *view, const HfViewEntry *entry, GError **error)
{
  const guint64 begin = self->format->one_file ? hf_output_tell (&self->output) : 0;
  g_autoptr (GError) failed = NULL;

  if (self->format->write (self, view, entry, &failed))
    {
      self->exported++;
      return TRUE;
    }
  self->failed++;
  tell (entry, failed->message);
  if (g_error_matches (failed, HF_ERROR, HF_ERROR_CORRUPT) || g_str_equal (hf_error_step (failed), "journal-read"))
    return !self->format->one_file || hf_output_cut (&self->output, begin, error);
  if (g_error_matches (failed, HF_ERROR, HF_ERROR_CONFIG))
    return TRUE; /* a file of that name is there already */
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

/* A copy that is not whole: a whole one of the same id may yet come. */
static gboolean
take_breach (Export *self, HfView *view, const HfViewEntry *entry, GError **error)
{
  const HfItem *item = entry->item;
  const gchar *fault = entry->unreadable != NULL ? entry->unreadable->message : item->fault;
  g_autofree gchar *what = g_strdup_printf ("%s, %s: %s", hf_copy_text (entry->copy),
                                            self->include_damaged && item->has_facts ? "exported as far as it can be read" : "left out", fault);

  if (!item->has_facts)
    {
      self->failed++;
      tell (entry, what);
      return TRUE;
    }
  if (self->include_damaged)
    {
      const guint64 failed = self->failed + 1;
      gboolean ok;

      tell (entry, what);
      ok = write_one (self, view, entry, error);
      self->failed = failed;
      return ok;
    }
  g_hash_table_replace (self->lacks, g_strdup (item->facts.id.text),
                        g_strdup_printf ("in '%s' at offset %" G_GUINT64_FORMAT ": %s", entry->path, item->offset, what));
  return TRUE;
}

/* The books know more than the filter's mark, which the MTA may not have heeded.  Where it
 * took the message for one recipient, its sender has it no more. */
static gboolean
is_void (const Export *self, const HfViewEntry *entry)
{
  return self->states != NULL && strcmp (hf_state_word (self->states, entry), "void") == 0;
}

static gboolean
take_entry (Export *self, HfView *view, const HfViewEntry *entry, GError **error)
{
  if (entry->unreadable == NULL && !hf_select_matches (&self->select, view, entry))
    return TRUE;
  if (entry->item->has_facts)
    g_hash_table_add (self->met, g_strdup (entry->item->facts.id.text));
  if (is_void (self, entry))
    {
      self->voids++;
      if (entry->item->has_facts)
        g_hash_table_add (self->left_out, g_strdup (entry->item->facts.id.text));
      return TRUE;
    }
  if (entry->copy != HF_COPY_WHOLE)
    return take_breach (self, view, entry, error);
  if (!g_hash_table_add (self->seen, g_strdup (entry->item->facts.id.text)))
    return TRUE;
  return write_one (self, view, entry, error);
}

static gboolean
take_all (Export *self, HfView *view, GError **error)
{
  HfViewEntry entry;
  gboolean end = FALSE;

  while (hf_view_next (view, &entry, &end, error) && !end)
    {
      hf_terminal_progress (view);
      if (!take_entry (self, view, &entry, error))
        return FALSE;
    }
  hf_terminal_progress_end ();
  return end;
}

static void
tell_lacks (Export *self)
{
  GHashTableIter iter;
  gpointer id, what;

  g_hash_table_iter_init (&iter, self->lacks);
  while (g_hash_table_iter_next (&iter, &id, &what))
    {
      if (g_hash_table_contains (self->seen, id))
        continue;
      self->failed++;
      fprintf (stderr, "holdfast export: %s %s\n", (const gchar *) id, (const gchar *) what);
    }
  for (gchar **wanted = self->select.ids; *wanted != NULL; wanted++)
    {
      const gboolean met = g_hash_table_contains (self->met, *wanted);

      if (met && (g_hash_table_contains (self->seen, *wanted) || !g_hash_table_contains (self->left_out, *wanted)))
        continue;
      self->failed++;
      fprintf (stderr, met ? "holdfast export: %s is void and was left out: its sender has it; --include-void takes it\n"
                           : "holdfast export: no such message: %s\n",
               *wanted);
    }
}

/* ---- where to ---- */

static gboolean
open_directory (Export *self, const gchar *path, gboolean make, GError **error)
{
  if (make && hf_sys.mkdirat (AT_FDCWD, path, 0700) < 0 && errno != EEXIST)
    return hf_error_set_errno (error, errno, "output-open", "cannot make directory '%s'", path);
  self->dir_fd = hf_sys.open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  return self->dir_fd >= 0 || hf_error_set_errno (error, errno, "output-open", "cannot open directory '%s'", path);
}

static gboolean
begin (Export *self, GError **error)
{
  static const gchar hello[] = "EHLO ";
  g_autofree gchar *directory = NULL;
  g_autofree gchar *name = NULL;

  if (!self->format->one_file)
    return open_directory (self, self->where, TRUE, error);
  if (self->where == NULL)
    hf_output_open_stdout (&self->output);
  else
    {
      directory = g_path_get_dirname (self->where);
      name = g_path_get_basename (self->where);
      if (!open_directory (self, directory, FALSE, error) || !hf_output_open (&self->output, self->dir_fd, name, error))
        return FALSE;
    }
  if (self->format->write != write_bsmtp)
    return TRUE;
  return hf_output_write (hello, strlen (hello), &self->output, error)
         && hf_output_write (g_get_host_name (), strlen (g_get_host_name ()), &self->output, error)
         && hf_output_write ("\r\n", 2, &self->output, error);
}

/* QUIT tells a complete Batch SMTP from one that was cut short. */
static gboolean
finish (Export *self, GError **error)
{
  static const gchar quit[] = "QUIT\r\n";

  if (self->format->write == write_bsmtp && !hf_output_write (quit, strlen (quit), &self->output, error))
    return FALSE;
  if (self->format->one_file && !hf_output_finish (&self->output, error))
    return FALSE;
  if (self->dir_fd >= 0 && hf_sys.fsync (self->dir_fd) < 0)
    return hf_error_set_errno (error, errno, "output-sync", "cannot sync the directory");
  return TRUE;
}

static int
run (Export *self, const gchar *config_path)
{
  int code = HF_EXIT_FINE;
  g_autoptr (GError) error = NULL;
  g_autoptr (HfConfig) config = hf_select_config (config_path, "export", &code);
  g_autoptr (HfView) view = config != NULL ? hf_select_view (config, "export", HF_READ_RECIPIENTS, &code) : NULL;
  g_autoptr (HfStates) states = view != NULL && !self->include_void ? hf_state_load (config, "export", &code) : NULL;
  g_autofree gchar *exported = NULL;

  if (view == NULL || (states == NULL && !self->include_void))
    return code;
  self->states = states;
  if (!begin (self, &error) || !take_all (self, view, &error) || !finish (self, &error))
    {
      hf_terminal_progress_end ();
      fprintf (stderr, "holdfast export: not finished: %s\n", error->message);
      return g_error_matches (error, HF_ERROR, HF_ERROR_CONFIG) ? HF_EXIT_USAGE : HF_EXIT_BLIND;
    }
  tell_lacks (self);
  exported = hf_text_count (self->exported, "message", "messages");
  fprintf (stderr, "exported %s", exported);
  if (self->voids > 0)
    fprintf (stderr, ", left %" G_GUINT64_FORMAT " void ones out", self->voids);
  if (self->failed > 0)
    fprintf (stderr, "; %" G_GUINT64_FORMAT " could not be exported whole", self->failed);
  fputc ('\n', stderr);
  return self->failed > 0 ? HF_EXIT_WRONG : HF_EXIT_FINE;
}

/* ---- the verb ---- */

static gboolean
choose_format (Export *self, GError **error)
{
  for (gsize i = 0; self->format_name != NULL && i < G_N_ELEMENTS (formats); i++)
    if (strcmp (formats[i].name, self->format_name) == 0)
      self->format = &formats[i];
  if (self->format == NULL)
    return hf_error_set (error, HF_ERROR_CONFIG, "usage", "--format must be eml, mbox or bsmtp");
  if (self->format->one_file && self->where != NULL
      && (g_str_has_suffix (self->where, "/") || g_file_test (self->where, G_FILE_TEST_IS_DIR)))
    return hf_error_set (error, HF_ERROR_CONFIG, "usage", "--output: '%s' is a directory; --format %s needs a file",
                         self->where, self->format->name);
  if (!self->format->one_file && self->where == NULL)
    return hf_error_set (error, HF_ERROR_CONFIG, "usage", "--format eml needs a directory: --output DIRECTORY");
  return TRUE;
}

static void
clear (Export *self)
{
  hf_output_abandon (&self->output);
  hf_sys_close (&self->dir_fd);
  hf_hash_clear (&self->hash);
  g_hash_table_unref (self->seen);
  g_hash_table_unref (self->met);
  g_hash_table_unref (self->left_out);
  g_hash_table_unref (self->lacks);
  hf_select_clear (&self->select);
  g_free (self->format_name);
  g_free (self->where);
}

int
hf_verb_export (int argc, char **argv, const gchar *config_path)
{
  Export self = { .dir_fd = -1, .output = { .fd = -1 } };
  const GOptionEntry entries[] = {
    { "format", 'f', 0, G_OPTION_ARG_STRING, &self.format_name, "eml, mbox or bsmtp", "FORMAT" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &self.where, "For eml the directory, else the file; must not exist", "PATH" },
    { "include-void", 0, 0, G_OPTION_ARG_NONE, &self.include_void, "Also messages that were not accepted", NULL },
    { "include-damaged", 0, 0, G_OPTION_ARG_NONE, &self.include_damaged, "Also what can be read of torn and damaged copies", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[ID…] - write messages to files");
  g_autoptr (GError) error = NULL;
  int code = HF_EXIT_USAGE;

  self.seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.met = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.left_out = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.lacks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_option_context_add_main_entries (context, entries, NULL);
  hf_select_add_options (&self.select, context);
  if (g_option_context_parse (context, &argc, &argv, &error) && hf_select_prepare (&self.select, argv + 1, &error)
      && choose_format (&self, &error))
    code = run (&self, config_path);
  else
    fprintf (stderr, "holdfast export: %s\n", error->message);
  clear (&self);
  return code;
}
