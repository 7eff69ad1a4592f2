/* acts.c - what operators declared, one synced file each; see acts.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/base/sys.h"
#include "milter/journal/acts.h"
#include "milter/journal/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* What one act says of one message. */
typedef struct
{
  const HfAct *act;
  gboolean all;
  GPtrArray *addresses; /* of gchar *, NULL with all */
} Coverage;

struct HfActs
{
  GPtrArray *acts;      /* of HfAct, oldest first */
  GHashTable *messages; /* id to GPtrArray of Coverage */
  GHashTable *places;   /* "SEQ:OFFSET" to HfAct */
  GPtrArray *faults;    /* of gchar * */
};

static void
act_free (gpointer data)
{
  HfAct *act = data;

  g_free (act->outcome);
  g_free (act->reason);
  g_free (act);
}

static void
coverage_free (gpointer data)
{
  Coverage *coverage = data;

  g_clear_pointer (&coverage->addresses, g_ptr_array_unref);
  g_free (coverage);
}

void
hf_acts_free (HfActs *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->messages);
  g_hash_table_unref (self->places);
  g_ptr_array_unref (self->faults);
  g_ptr_array_unref (self->acts);
  g_free (self);
}

const gchar *
hf_acts_fault (const HfActs *self, guint index)
{
  return index < self->faults->len ? g_ptr_array_index (self->faults, index) : NULL;
}

static gchar *
place_key (guint64 seq, guint64 offset)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, seq, offset);
}

static Coverage *
cover (HfActs *self, const HfAct *act, const gchar *id)
{
  GPtrArray *list = g_hash_table_lookup (self->messages, id);
  Coverage *coverage = g_new0 (Coverage, 1);

  if (list == NULL)
    {
      list = g_ptr_array_new_with_free_func (coverage_free);
      g_hash_table_insert (self->messages, g_strdup (id), list);
    }
  coverage->act = act;
  g_ptr_array_add (list, coverage);
  return coverage;
}

static void
cover_place (HfActs *self, const HfAct *act, guint64 seq, const gchar *offset_text)
{
  guint64 offset;
  gchar *key;

  if (!g_ascii_string_to_unsigned (offset_text, 10, 0, G_MAXUINT64, &offset, NULL))
    return;
  key = place_key (seq, offset);
  if (g_hash_table_contains (self->places, key))
    g_free (key);
  else
    g_hash_table_insert (self->places, key, (gpointer) act);
}

/* The pairs behind the act's own say what it is about: `message` or `place`
 * begins, and what follows belongs to it. */
static void
take_subjects (HfActs *self, const HfAct *act, const HfStatement *statement)
{
  Coverage *coverage = NULL;
  guint64 seq = 0;

  for (guint i = 0; i < statement->pairs->len; i++)
    {
      const HfPair *pair = &g_array_index (statement->pairs, HfPair, i);
      const gchar *key = statement->text->str + pair->key;
      const gchar *value = statement->text->str + pair->value;

      if (strcmp (key, "segment") == 0)
        seq = g_ascii_strtoull (value, NULL, 10);
      else if (strcmp (key, "place") == 0)
        cover_place (self, act, seq, value);
      else if (strcmp (key, "message") == 0)
        coverage = cover (self, act, value);
      else if (coverage != NULL && strcmp (key, "recipients") == 0)
        coverage->all = strcmp (value, "all") == 0;
      else if (coverage != NULL && strcmp (key, "recipient") == 0)
        {
          if (coverage->addresses == NULL)
            coverage->addresses = g_ptr_array_new_with_free_func (g_free);
          g_ptr_array_add (coverage->addresses, g_strdup (value));
        }
    }
}

/* NULL: @out_fault says why, or is NULL too for an act of another kind. */
static HfAct *
parse_act (const HfStatement *statement, const gchar **out_fault)
{
  const gchar *id = hf_statement_get (statement, "id");
  const gchar *at = hf_statement_get (statement, "at");
  guint64 version = 0;
  HfAct *act;
  gint64 at_ms;

  *out_fault = NULL;
  if (!hf_statement_get_number (statement, "v", &version) || version > HF_ACT_VERSION)
    *out_fault = "made by a newer Holdfast";
  else if (id == NULL || !hf_id_is_valid (id) || at == NULL || !hf_time_parse (at, &at_ms))
    *out_fault = "has no id or no time";
  if (*out_fault != NULL || g_strcmp0 (hf_statement_get (statement, "verb"), "settle") != 0)
    return NULL;
  act = g_new0 (HfAct, 1);
  g_strlcpy (act->id.text, id, sizeof act->id.text);
  act->at_ms = at_ms;
  act->outcome = g_strdup (hf_statement_get (statement, "outcome"));
  act->reason = g_strdup (hf_statement_get (statement, "reason"));
  return act;
}

static gboolean
read_statement (int fd, HfItem *item, GError **error)
{
  static const gchar beginning[] = HF_STATEMENT_PREFIX "act ";
  HfHash hash = { NULL };
  HfWindow window;
  const gchar *line;
  gsize size;
  gboolean ok;

  hf_window_init (&window, fd, G_MAXINT64);
  ok = hf_window_line (&window, &line, &size, error);
  if (ok && (line == NULL || size < strlen (beginning) || memcmp (line, beginning, strlen (beginning)) != 0))
    item->fault = "is no act";
  else
    ok = ok && hf_record_read (&window, NULL, HF_READ_VERIFY, HF_ITEM_OTHER, &hash, item, error);
  hf_window_clear (&window);
  hf_hash_clear (&hash);
  return ok;
}

static void
add_fault (HfActs *self, const gchar *name, const gchar *fault)
{
  g_ptr_array_add (self->faults, g_strdup_printf ("'%s' settles nothing: %s", name, fault));
}

static void
load_file (HfActs *self, int dir_fd, const gchar *name)
{
  g_autoptr (GError) error = NULL;
  const gchar *fault = NULL;
  HfItem item;
  int fd = hf_sys.openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);

  if (fd < 0 && errno == ENOENT)
    return; /* taken into the books since the directory was read */
  if (fd < 0)
    {
      add_fault (self, name, g_strerror (errno));
      return;
    }
  hf_item_init (&item);
  if (!read_statement (fd, &item, &error))
    fault = error->message;
  else if (!item.whole)
    fault = item.fault;
  else
    {
      HfAct *act = parse_act (&item.statement, &fault);

      if (act != NULL)
        {
          g_ptr_array_add (self->acts, act);
          take_subjects (self, act, &item.statement);
        }
    }
  if (fault != NULL)
    add_fault (self, name, fault);
  hf_item_clear (&item);
  hf_sys_close (&fd);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

static GPtrArray *
list_names (const gchar *path, GError **error)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  struct dirent *entry;
  DIR *dir = opendir (path);
  gint failed;

  if (dir == NULL && errno == ENOENT)
    return names;
  if (dir == NULL)
    {
      hf_error_set_errno (error, errno, "acts-list", "cannot read '%s'", path);
      g_ptr_array_unref (names);
      return NULL;
    }
  while (errno = 0, (entry = readdir (dir)) != NULL)
    if (g_str_has_suffix (entry->d_name, HF_ACT_SUFFIX))
      g_ptr_array_add (names, g_strdup (entry->d_name));
  failed = errno;
  closedir (dir);
  if (failed != 0)
    {
      hf_error_set_errno (error, failed, "acts-list", "cannot read '%s'", path);
      g_ptr_array_unref (names);
      return NULL;
    }
  /* Ids sort by time: of two acts on one recipient the earlier is found first. */
  g_ptr_array_sort (names, compare_names);
  return names;
}

HfActs *
hf_acts_load (const gchar *spool, GError **error)
{
  g_autofree gchar *path = g_build_filename (spool, HF_ACTS_DIRECTORY, NULL);
  g_autoptr (GPtrArray) names = list_names (path, error);
  HfActs *self;
  int dir_fd;

  if (names == NULL)
    return NULL;
  dir_fd = names->len > 0 ? hf_sys.open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : -1;
  if (names->len > 0 && dir_fd < 0)
    {
      hf_error_set_errno (error, errno, "acts-list", "cannot read '%s'", path);
      return NULL;
    }
  self = g_new0 (HfActs, 1);
  self->acts = g_ptr_array_new_with_free_func (act_free);
  self->messages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  self->places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->faults = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < names->len; i++)
    load_file (self, dir_fd, g_ptr_array_index (names, i));
  hf_sys_close (&dir_fd);
  return self;
}

static gboolean
covers (const Coverage *coverage, const gchar *address)
{
  return coverage->all
         || (coverage->addresses != NULL
             && g_ptr_array_find_with_equal_func (coverage->addresses, address, g_str_equal, NULL));
}

const HfAct *
hf_acts_settled (const HfActs *self, const gchar *id, const gchar *address)
{
  const GPtrArray *list = g_hash_table_lookup (self->messages, id);

  for (guint i = 0; list != NULL && i < list->len; i++)
    {
      const Coverage *coverage = g_ptr_array_index (list, i);

      if (covers (coverage, address))
        return coverage->act;
    }
  return NULL;
}

const HfAct *
hf_acts_settled_place (const HfActs *self, guint64 seq, guint64 offset)
{
  g_autofree gchar *key = place_key (seq, offset);

  return g_hash_table_lookup (self->places, key);
}
