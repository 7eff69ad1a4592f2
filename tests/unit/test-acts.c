/* test-acts.c - an act is taken whole or not at all, and says exactly what was declared */
#include <config.h>

#include "milter/base/error.h"
#include "milter/journal/act.h"
#include "milter/journal/acts.h"
#include "milter/journal/directory.h"
#include "tests/unit/faults.h"
#include "tests/unit/kit.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define ID "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define OTHER "01ARZ3NDEKTSV4RRFFQ69G5FAW"

static const HfWho who = { 4711, (gchar *) "holdfast", TRUE, 1000, (gchar *) "alice", (gchar *) "bob" };

static HfActs *
load (const gchar *spool)
{
  g_autoptr (GError) error = NULL;
  HfActs *acts = hf_acts_load (spool, &error);

  if (acts == NULL)
    g_error ("no acts: %s", error->message);
  return acts;
}

static gchar *
act_path (const gchar *spool, const HfActDraft *draft)
{
  g_autofree gchar *name = g_strconcat (draft->id.text, HF_ACT_SUFFIX, NULL);

  return g_build_filename (spool, HF_ACTS_DIRECTORY, name, NULL);
}

/* Settles @address of the message ID, or all of it. */
static gboolean
write_act (const gchar *spool, const gchar *reason, const gchar *address, HfActDraft *draft, GError **error)
{
  g_autoptr (GPtrArray) addresses = g_ptr_array_new ();

  hf_act_begin (draft, "declared", &who, reason);
  if (address != NULL)
    g_ptr_array_add (addresses, (gpointer) address);
  hf_act_add_message (draft, ID, 42, address != NULL ? addresses : NULL);
  return hf_act_write (draft, spool, error);
}

static void
test_addresses (void)
{
  static const struct
  {
    const gchar *name;
    const gchar *settled; /* NULL: all */
    const gchar *asked;
    gboolean want;
  } rows[] = {
    { "all", NULL, "anybody@example.org", TRUE },
    { "one", "a@example.org", "a@example.org", TRUE },
    { "another", "a@example.org", "b@example.org", FALSE },
    { "case counts", "a@example.org", "A@example.org", FALSE },
    { "begins alike", "a@example.org", "a@example.or", FALSE },
    { "blanks", "\"a b\"@example.org", "\"a b\"@example.org", TRUE },
    { "signs of the grammar", "a+b=c@example.org", "a+b=c@example.org", TRUE },
    { "UTF-8", "δοκιμή@παράδειγμα.example", "δοκιμή@παράδειγμα.example", TRUE },
    { "no UTF-8", "\xff\xfe@example.org", "\xff\xfe@example.org", TRUE },
    { "line end", "a\r\nrecipients=all@example.org", "b@example.org", FALSE },
    { "null sender", "", "", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (KitSpool) spool = kit_spool_new ();
      g_autoptr (HfActs) acts = NULL;
      HfActDraft draft;

      tap_check (rows[i].name, write_act (spool, "told by telephone", rows[i].settled, &draft, NULL));
      acts = load (spool);
      tap_check (rows[i].name, (hf_acts_settled (acts, ID, rows[i].asked) != NULL) == rows[i].want);
      tap_check (rows[i].name, hf_acts_settled (acts, OTHER, rows[i].asked) == NULL);
      tap_check (rows[i].name, hf_acts_fault (acts, 0) == NULL);
      hf_act_clear (&draft);
    }
}

static void
test_many (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (HfActs) acts = NULL;
  HfActDraft draft;

  for (guint i = 0; i < 1500; i++)
    g_ptr_array_add (addresses, g_strdup_printf ("recipient%u@a-rather-long-name.example.org", i));
  hf_act_begin (&draft, "declared", &who, NULL);
  hf_act_add_message (&draft, ID, 42, addresses);
  hf_act_add_message (&draft, OTHER, 43, NULL);
  hf_act_add_place (&draft, 44, 4096, 100);
  tap_check ("write", hf_act_write (&draft, spool, NULL));
  for (gchar *line = draft.text->str; *line != '\0'; line = strstr (line, "\r\n") + 2)
    if (strcspn (line, "\r") > 509)
      tap_check ("lines keep RFC 5321", FALSE);
  acts = load (spool);
  for (guint i = 0; i < addresses->len; i++)
    if (hf_acts_settled (acts, ID, g_ptr_array_index (addresses, i)) == NULL)
      tap_check_str ("every recipient", g_ptr_array_index (addresses, i), NULL);
  tap_check ("none more", hf_acts_settled (acts, ID, "recipient1500@a-rather-long-name.example.org") == NULL);
  tap_check ("second message", hf_acts_settled (acts, OTHER, "anybody@example.org") != NULL);
  tap_check ("place", hf_acts_settled_place (acts, 44, 4096) != NULL);
  tap_check ("other offset", hf_acts_settled_place (acts, 44, 8192) == NULL);
  tap_check ("other segment", hf_acts_settled_place (acts, 43, 4096) == NULL);
  hf_act_clear (&draft);
}

static void
test_what_is_kept (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autoptr (HfActs) acts = NULL;
  g_autoptr (GString) text = NULL;
  g_autofree gchar *path = NULL;
  const HfAct *act;
  HfActDraft draft, later;

  write_act (spool, "delivered by hand\nand told", NULL, &draft, NULL);
  write_act (spool, "a second time", NULL, &later, NULL);
  acts = load (spool);
  act = hf_acts_settled (acts, ID, "a@example.org");
  tap_check_str ("outcome", act->outcome, "declared");
  tap_check_str ("the earlier act counts", act->reason, strcmp (draft.id.text, later.id.text) < 0 ? "delivered by hand\nand told" : "a second time");
  path = act_path (spool, &draft);
  text = kit_read_file (path);
  tap_check_has ("who runs it", text->str, "uid=4711 user=holdfast");
  tap_check_has ("who logged in", text->str, "login_uid=1000 login=alice");
  tap_check_has ("whom sudo names", text->str, "sudo=bob");
  tap_check_has ("why", text->str, "reason=delivered+20by+20hand+0Aand+20told");
  hf_act_clear (&draft);
  hf_act_clear (&later);
}

/* Whatever octet is changed, the act settles nothing, and that is told. */
static void
test_damaged (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autoptr (GString) text = NULL;
  g_autofree gchar *path = NULL;
  HfActDraft draft;
  guint taken = 0;

  write_act (spool, "why", NULL, &draft, NULL);
  path = act_path (spool, &draft);
  text = kit_read_file (path);
  for (gsize i = 0; i < text->len; i++)
    {
      g_autoptr (HfActs) acts = NULL;

      text->str[i] ^= 1;
      kit_write_file (path, text->str, text->len);
      text->str[i] ^= 1;
      acts = load (spool);
      taken += hf_acts_settled (acts, ID, "a@example.org") != NULL;
      taken += hf_acts_fault (acts, 0) == NULL;
    }
  tap_check_int ("one bit", taken, 0);
  for (gsize i = 0; i < text->len; i++)
    {
      g_autoptr (HfActs) acts = NULL;

      kit_write_file (path, text->str, i);
      acts = load (spool);
      taken += hf_acts_settled (acts, ID, "a@example.org") != NULL;
    }
  tap_check_int ("cut", taken, 0);
  hf_act_clear (&draft);
}

/* A failure at any call: no act, and none after the next load. */
static void
test_failed (void)
{
  static const struct
  {
    const gchar *name;
    FaultCall call;
    gint number;
  } rows[] = {
    { "mkdir", FAULT_MKDIRAT, ENOSPC }, { "open", FAULT_OPENAT, EMFILE }, { "write", FAULT_WRITE, ENOSPC },
    { "sync", FAULT_FSYNC, EIO },       { "rename", FAULT_RENAME, EIO },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint nth = 1;; nth++)
      {
        g_autofree gchar *row = g_strdup_printf ("%s %u", rows[i].name, nth);
        g_autoptr (KitSpool) spool = kit_spool_new ();
        g_autoptr (GError) error = NULL;
        g_autoptr (HfActs) acts = NULL;
        HfActDraft draft;
        gboolean ok;

        faults_fail (rows[i].call, NULL, nth, rows[i].number);
        ok = write_act (spool, "why", NULL, &draft, &error);
        hf_act_clear (&draft);
        if (faults_met (rows[i].call) == 0)
          {
            faults_reset ();
            tap_check (row, ok && nth > 1);
            break;
          }
        faults_reset ();
        tap_check (row, !ok && error != NULL);
        acts = load (spool);
        tap_check (row, hf_acts_settled (acts, ID, "a@example.org") == NULL);
      }
}

static void
test_none (void)
{
  g_autoptr (KitSpool) spool = kit_spool_new ();
  g_autoptr (HfActs) acts = load (spool);

  tap_check ("nothing settled", hf_acts_settled (acts, ID, "a@example.org") == NULL);
  tap_check ("no place", hf_acts_settled_place (acts, 1, 0) == NULL);
  tap_check ("no fault", hf_acts_fault (acts, 0) == NULL);
}

int
main (int argc, char **argv)
{
  static const TapTest tests[] = {
    { "addresses", test_addresses }, { "many", test_many },     { "what-is-kept", test_what_is_kept },
    { "damaged", test_damaged },     { "failed", test_failed }, { "none", test_none },
    { NULL, NULL },
  };

  faults_install ();
  return tap_run ("acts", tests, argc, argv);
}
