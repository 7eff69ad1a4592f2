/* select.c - which messages a verb is asked about; see select.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/command/select.h"
#include "milter/command/verbs.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
hf_select_add_options (HfSelect *self, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "sender", 's', 0, G_OPTION_ARG_FILENAME, &self->sender, "From ADDRESS; * and ? match, @DOMAIN means all there", "ADDRESS" },
    { "recipient", 'r', 0, G_OPTION_ARG_FILENAME, &self->recipient, "To ADDRESS, likewise", "ADDRESS" },
    { "queue-id", 'q', 0, G_OPTION_ARG_FILENAME, &self->queue_id, "With the MTA's queue id ID", "ID" },
    { "message-id", 'm', 0, G_OPTION_ARG_FILENAME, &self->message_id, "With ID in the header Message-ID", "ID" },
    { "since", 0, 0, G_OPTION_ARG_FILENAME, &self->since, "Received at TIME or later: RFC 3339, or a date", "TIME" },
    { "until", 0, 0, G_OPTION_ARG_FILENAME, &self->until, "Received before TIME", "TIME" },
    G_OPTION_ENTRY_NULL,
  };

  g_option_context_add_main_entries (context, entries, NULL);
}

gboolean
hf_select_parse_time (const gchar *text, gint64 *out_ms)
{
  g_autoptr (GTimeZone) local = g_time_zone_new_local ();
  g_autoptr (GString) whole = g_string_new (text);
  const gchar *of_day = strchr (text, 'T');
  g_autoptr (GDateTime) time = NULL;

  if (of_day == NULL)
    g_string_append (whole, "T00:00:00");
  /* without seconds, which GLib does not take */
  else if (strlen (of_day) >= 6 && of_day[3] == ':' && of_day[6] != ':')
    g_string_insert (whole, of_day - text + 6, ":00");
  time = g_date_time_new_from_iso8601 (whole->str, local);
  if (time == NULL)
    return FALSE;
  *out_ms = g_date_time_to_unix (time) * 1000 + g_date_time_get_microsecond (time) / 1000;
  return TRUE;
}

static gboolean
parse_time (const gchar *option, const gchar *text, gint64 *out_ms, GError **error)
{
  return hf_select_parse_time (text, out_ms)
         || hf_error_set (error, HF_ERROR_CONFIG, "usage",
                          "--%s: '%s' is no time; write 2026-11-22 or 2026-11-22T20:18:05Z", option, text);
}

/* Makes a pattern of an address, which may be in brackets, as the table has it. */
static void
prepare_address (gchar **text)
{
  g_autofree gchar *given = *text;
  g_autofree gchar *bare = NULL;
  g_autofree gchar *pattern = NULL;

  if (given == NULL)
    return;
  bare = given[0] == '<' && g_str_has_suffix (given, ">") ? g_strndup (given + 1, strlen (given) - 2) : g_strdup (given);
  pattern = g_strconcat (bare[0] == '@' ? "*" : "", bare, NULL);
  *text = g_ascii_strdown (pattern, -1);
}

gboolean
hf_select_prepare (HfSelect *self, gchar **ids, GError **error)
{
  self->since_ms = G_MININT64;
  self->until_ms = G_MAXINT64;
  self->ids = ids;
  for (gchar **id = ids; id != NULL && *id != NULL; id++)
    if (!hf_id_is_valid (*id))
      return hf_error_set (error, HF_ERROR_CONFIG, "usage",
                           "'%s' is no id of a message; ids have %d characters, and holdfast list prints them", *id,
                           HF_ID_LENGTH);
  if (self->since != NULL && !parse_time ("since", self->since, &self->since_ms, error))
    return FALSE;
  if (self->until != NULL && !parse_time ("until", self->until, &self->until_ms, error))
    return FALSE;
  prepare_address (&self->sender);
  prepare_address (&self->recipient);
  return TRUE;
}

void
hf_select_clear (HfSelect *self)
{
  g_free (self->sender);
  g_free (self->recipient);
  g_free (self->queue_id);
  g_free (self->message_id);
  g_free (self->since);
  g_free (self->until);
  memset (self, 0, sizeof *self);
}

static gboolean
matches_text (const gchar *pattern, const gchar *text)
{
  if (pattern == NULL)
    return TRUE;
  if (text == NULL)
    return FALSE;
  /* GLib's patterns want UTF-8 */
  return strpbrk (pattern, "*?") == NULL || !g_utf8_validate (text, -1, NULL) ? strcmp (pattern, text) == 0
                                                                              : g_pattern_match_simple (pattern, text);
}

static gboolean
matches_address (const gchar *pattern, const gchar *address)
{
  g_autofree gchar *small = address != NULL ? g_ascii_strdown (address, -1) : NULL;

  return matches_text (pattern, small);
}

static gboolean
matches_recipient (const gchar *pattern, const GArray *recipients)
{
  if (pattern == NULL)
    return TRUE;
  for (guint i = 0; i < recipients->len; i++)
    if (matches_address (pattern, g_array_index (recipients, HfPath, i).address))
      return TRUE;
  return FALSE;
}

/* ---- Message-ID ---- */

#define HEADER_LIMIT (4 * 1024 * 1024)

/* Collects the header; ends the reading at the empty line. */
static gboolean
collect_header (gconstpointer data, gsize size, gpointer user_data, GError **error)
{
  GString *header = user_data;
  const gsize from = header->len > 4 ? header->len - 4 : 0;

  g_string_append_len (header, data, (gssize) size);
  if (header->len > HEADER_LIMIT || memmem (header->str + from, header->len - from, "\r\n\r\n", 4) != NULL)
    return hf_error_set (error, HF_ERROR_BUSY, "header", "enough");
  return TRUE;
}

static void
cut_body (GString *header)
{
  const gchar *empty = memmem (header->str, header->len, "\r\n\r\n", 4);

  if (g_str_has_prefix (header->str, "\r\n"))
    g_string_truncate (header, 0);
  else if (empty != NULL)
    g_string_truncate (header, (gsize) (empty - header->str) + 2);
}

static gboolean
has_message_id (const gchar *header, gsize size, const gchar *wanted)
{
  static const gchar name[] = "message-id:";
  const gchar *end = header + size;

  for (const gchar *line = header; line != NULL && line < end;)
    {
      const gchar *next = memmem (line, (gsize) (end - line), "\r\n", 2);

      if ((gsize) (end - line) > strlen (name) && g_ascii_strncasecmp (line, name, strlen (name)) == 0)
        {
          /* up to the next line that is no continuation */
          const gchar *stop = next;

          while (stop != NULL && stop + 2 < end && (stop[2] == ' ' || stop[2] == '\t'))
            stop = memmem (stop + 2, (gsize) (end - stop - 2), "\r\n", 2);
          if (memmem (line, (gsize) ((stop != NULL ? stop : end) - line), wanted, strlen (wanted)) != NULL)
            return TRUE;
        }
      line = next != NULL ? next + 2 : NULL;
    }
  return FALSE;
}

static gboolean
matches_message_id (const gchar *wanted, HfView *view, const HfViewEntry *entry)
{
  g_autoptr (GString) header = NULL;
  g_autofree gchar *bracketed = NULL;

  if (wanted == NULL)
    return TRUE;
  if (view == NULL)
    return FALSE;
  header = g_string_new (NULL);
  bracketed = wanted[0] == '<' ? g_strdup (wanted) : g_strdup_printf ("<%s>", wanted);
  hf_view_copy_message (view, entry, collect_header, header, NULL);
  cut_body (header);
  return has_message_id (header->str, header->len, bracketed);
}

static gboolean
matches_id (gchar **ids, const gchar *id)
{
  return ids == NULL || ids[0] == NULL || g_strv_contains ((const gchar *const *) ids, id);
}

gboolean
hf_select_is_empty (const HfSelect *self)
{
  return self->sender == NULL && self->recipient == NULL && self->queue_id == NULL && self->message_id == NULL
         && self->since == NULL && self->until == NULL && (self->ids == NULL || self->ids[0] == NULL);
}

gboolean
hf_select_wants_recipient (const HfSelect *self, const gchar *address)
{
  return matches_address (self->recipient, address);
}

gboolean
hf_select_matches (const HfSelect *self, HfView *view, const HfViewEntry *entry)
{
  const HfItem *item = entry->item;
  const HfFacts *facts = &item->facts;

  if (hf_select_is_empty (self))
    return TRUE;
  return item->has_facts && matches_id (self->ids, facts->id.text) && facts->at_ms >= self->since_ms
         && facts->at_ms < self->until_ms && matches_text (self->queue_id, facts->queue)
         && matches_address (self->sender, item->sender.address) && matches_recipient (self->recipient, item->recipients)
         && matches_message_id (self->message_id, view, entry);
}

/* ---- opening ---- */

static void
explain_denied (const gchar *spool)
{
  struct stat st;
  const struct passwd *owner = stat (spool, &st) == 0 ? getpwuid (st.st_uid) : NULL;
  const struct passwd *self = getpwuid (geteuid ());

  fprintf (stderr, "The spool holds mail and is closed to %s; run this as %s or root.\n",
           self != NULL ? self->pw_name : "you", owner != NULL ? owner->pw_name : "its owner");
}

HfConfig *
hf_select_config (const gchar *config_path, const gchar *verb, int *out_exit)
{
  g_autoptr (GError) error = NULL;
  HfConfig *config = hf_config_load (config_path, &error);

  if (config != NULL)
    return config;
  fprintf (stderr, "holdfast %s: %s\n", verb, error->message);
  *out_exit = HF_EXIT_USAGE;
  return NULL;
}

HfView *
hf_select_view (const HfConfig *config, const gchar *verb, HfReadFlags flags, int *out_exit)
{
  g_autoptr (GError) error = NULL;
  HfView *view = hf_view_open (config->spool_directory, flags, &error);

  if (view != NULL)
    return view;
  fprintf (stderr, "holdfast %s: %s\n", verb, error->message);
  if (g_error_matches (error, HF_ERROR, HF_ERROR_DENIED))
    explain_denied (config->spool_directory);
  *out_exit = HF_EXIT_BLIND;
  return NULL;
}

HfView *
hf_select_open (const gchar *config_path, const gchar *verb, HfReadFlags flags, int *out_exit)
{
  g_autoptr (HfConfig) config = hf_select_config (config_path, verb, out_exit);

  return config != NULL ? hf_select_view (config, verb, flags, out_exit) : NULL;
}
