/* drive.c - speaks to a filter as a busy MTA does, and tells how fast it is
 *
 *   drive -s SOCKET [-c CONNECTIONS] [-n MESSAGES] [-b BYTES] [-r RCPTS] …
 *
 * Messages of BYTES octets, headers included, over CONNECTIONS at once, until
 * MESSAGES are said.  Connections stay open unless -m bounds what is said over
 * one; Postfix opens one for each SMTP session, and most bring one message,
 * so -m 1 shows what libmilter itself needs for that.
 *
 * Ends with 0 when the filter accepted every message, 1 when not, 2 for bad
 * usage, 3 when the filter cannot be reached or does not agree.
 */
#include <config.h>

#include "milter/base/values.h"
#include "tests/bench/load.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

typedef struct
{
  gchar *socket_spec, *mta, *bytes, *declare;
  gint connections, messages, rcpts, per_connection, version, limit_s;
  gboolean json;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->socket_spec);
  g_free (self->mta);
  g_free (self->bytes);
  g_free (self->declare);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
parse_options (int *argc, char ***argv, Options *o, GError **error)
{
  const GOptionEntry entries[] = {
    { "socket", 's', 0, G_OPTION_ARG_STRING, &o->socket_spec, "The filter's: unix:PATH or inet:PORT@HOST", "SOCKET" },
    { "connections", 'c', 0, G_OPTION_ARG_INT, &o->connections, "At once [20]", "N" },
    { "messages", 'n', 0, G_OPTION_ARG_INT, &o->messages, "In all [1000]", "N" },
    { "bytes", 'b', 0, G_OPTION_ARG_STRING, &o->bytes, "Of a message, K M G allowed [10K]", "SIZE" },
    { "declare", 'd', 0, G_OPTION_ARG_STRING, &o->declare, "SIZE= of MAIL [as -b], 0 for none", "SIZE" },
    { "rcpts", 'r', 0, G_OPTION_ARG_INT, &o->rcpts, "Recipients of a message [1]", "N" },
    { "per-connection", 'm', 0, G_OPTION_ARG_INT, &o->per_connection, "Messages over a connection, 0 for no bound [0]", "N" },
    { "mta", 0, 0, G_OPTION_ARG_STRING, &o->mta, "postfix or sendmail [postfix]", "MTA" },
    { "protocol", 0, 0, G_OPTION_ARG_INT, &o->version, "Version offered, 2 to 6 [6]", "N" },
    { "limit", 't', 0, G_OPTION_ARG_INT, &o->limit_s, "For each reply [60]", "SECONDS" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &o->json, "For machines", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, "Speaks to a mail filter as a busy MTA does, and tells how fast it is.");
  return g_option_context_parse (context, argc, argv, error);
}

static gboolean
make_plan (const Options *o, LoadPlan *out_plan, GError **error)
{
  const gchar *size = o->bytes != NULL ? o->bytes : "10K";
  guint64 bytes, declared;

  if (!hf_parse_size (size, &bytes, error)
      || !hf_parse_size (o->declare != NULL ? o->declare : size, &declared, error))
    return FALSE;
  *out_plan = (LoadPlan){
    .socket_spec = o->socket_spec,
    .mta = mc_mta_find (o->mta != NULL ? o->mta : "postfix"),
    .version = (guint32) o->version,
    .connections = (guint) o->connections,
    .messages = (guint64) o->messages,
    .per_connection = (guint) o->per_connection,
    .limit_ms = o->limit_s * 1000,
    .message = { .message_bytes = bytes, .declared_size = declared, .recipients = (guint) o->rcpts },
  };
  if (o->socket_spec == NULL || out_plan->mta == NULL || o->connections < 1 || o->messages < 1
      || o->per_connection < 0 || o->rcpts < 1 || o->limit_s < 1 || o->version < 2 || o->version > 6)
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           "a socket is needed, and numbers that make sense; see --help");
      return FALSE;
    }
  return TRUE;
}

static gint
compare_u32 (gconstpointer a, gconstpointer b)
{
  guint32 left = *(const guint32 *) a, right = *(const guint32 *) b;

  return (left > right) - (left < right);
}

/* Of a sorted array; 0 for an empty one. */
static gdouble
quantile_ms (GArray *sorted, gdouble share)
{
  guint at = sorted->len > 0 ? MIN ((guint) (share * sorted->len), sorted->len - 1) : 0;

  return sorted->len > 0 ? g_array_index (sorted, guint32, at) / 1000.0 : 0;
}

static gdouble
cpu_seconds (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (gdouble) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
         + (gdouble) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static gdouble
per_second (const LoadResult *result)
{
  guint64 all = result->accepted + result->tempfailed + result->other;

  return (gdouble) all / ((gdouble) MAX (result->elapsed_us, 1) / 1e6);
}

static void
add_number (JsonBuilder *b, const gchar *name, gdouble value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_double_value (b, value);
}

static void
add_count (JsonBuilder *b, const gchar *name, guint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, (gint64) value);
}

static void
add_text (JsonBuilder *b, const gchar *name, const gchar *text)
{
  g_autofree gchar *valid = text != NULL ? g_utf8_make_valid (text, -1) : NULL;

  json_builder_set_member_name (b, name);
  if (valid != NULL)
    json_builder_add_string_value (b, valid);
  else
    json_builder_add_null_value (b);
}

static void
add_times (JsonBuilder *b, const gchar *name, GArray *sorted)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
  add_number (b, "p50", quantile_ms (sorted, 0.5));
  add_number (b, "p99", quantile_ms (sorted, 0.99));
  add_number (b, "max", quantile_ms (sorted, 1));
  json_builder_end_object (b);
}

static void
print_json (const LoadResult *result)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree gchar *text = NULL;

  json_builder_begin_object (b);
  add_number (b, "messages_per_second", per_second (result));
  add_number (b, "elapsed_s", (gdouble) result->elapsed_us / 1e6);
  add_count (b, "accepted", result->accepted);
  add_count (b, "tempfailed", result->tempfailed);
  add_count (b, "other", result->other);
  add_count (b, "connections", result->connections);
  add_count (b, "progress", result->progress);
  add_times (b, "message_ms", result->message_us);
  add_times (b, "eom_ms", result->eom_us);
  add_number (b, "driver_cpu_s", cpu_seconds ());
  add_text (b, "first_tempfail", result->first_refusal);
  add_text (b, "first_other", result->first_other);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  text = json_to_string (root, FALSE);
  puts (text);
}

static void
print_times (const gchar *what, GArray *sorted)
{
  printf ("%s p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", what, quantile_ms (sorted, 0.5),
          quantile_ms (sorted, 0.99), quantile_ms (sorted, 1));
}

static void
print_text (const LoadResult *result)
{
  printf ("%.0f messages/s in %.2f s, over %" G_GUINT64_FORMAT " connections\n", per_second (result),
          (gdouble) result->elapsed_us / 1e6, result->connections);
  printf ("accepted %" G_GUINT64_FORMAT ", tempfailed %" G_GUINT64_FORMAT ", other %" G_GUINT64_FORMAT "\n",
          result->accepted, result->tempfailed, result->other);
  print_times ("MAIL to the answer:          ", result->message_us);
  print_times ("end-of-message to the answer:", result->eom_us);
  printf ("driver: %.2f s of processor, progress packets %" G_GUINT64_FORMAT "\n", cpu_seconds (),
          result->progress);
  if (result->first_refusal != NULL)
    printf ("first tempfail: %s\n", result->first_refusal);
  if (result->first_other != NULL)
    printf ("first other: %s\n", result->first_other);
}

/* A connection a descriptor, and Debian's soft limit is 1,024. */
static void
raise_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  (void) !setrlimit (RLIMIT_NOFILE, &limit);
}

int
main (int argc, char **argv)
{
  g_auto (Options) options = { .connections = 20, .messages = 1000, .rcpts = 1, .version = 6, .limit_s = 60 };
  g_auto (LoadResult) result = { 0 };
  g_autoptr (GError) error = NULL;
  LoadPlan plan;

  if (!parse_options (&argc, &argv, &options, &error) || !make_plan (&options, &plan, &error))
    {
      fprintf (stderr, "drive: %s\n", error->message);
      return 2;
    }
  raise_descriptors ();
  if (!load_run (&plan, &result, &error))
    {
      fprintf (stderr, "drive: %s\n", error->message);
      return 3;
    }
  g_array_sort (result.message_us, compare_u32);
  g_array_sort (result.eom_us, compare_u32);
  if (options.json)
    print_json (&result);
  else
    print_text (&result);
  return result.accepted == (guint64) options.messages ? 0 : 1;
}
