/* select.h - which messages a verb is asked about, and how it says that it can't
 *
 * One set of options for every verb that reads copies: list, verify, export …
 */
#pragma once

#include "milter/base/config.h"
#include "milter/journal/view.h"

G_BEGIN_DECLS

/* Zeroed is valid and selects all.  Filled by GOption through the entries. */
typedef struct
{
  gchar *sender;
  gchar *recipient;
  gchar *queue_id;
  gchar *message_id;
  gchar *since;
  gchar *until;
  /* ready for use after hf_select_prepare */
  gint64 since_ms;
  gint64 until_ms;
  gchar **ids; /* borrowed: what remains of argv; NULL-terminated */
} HfSelect;

/* Adds the options to @context. */
void hf_select_add_options (HfSelect *self, GOptionContext *context);

/* Checks what was given.  @ids: (nullable): borrowed, NULL-terminated.  FALSE
 * with HF_ERROR_CONFIG and the option's name. */
gboolean hf_select_prepare (HfSelect *self, gchar **ids, GError **error);
void hf_select_clear (HfSelect *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (HfSelect, hf_select_clear)

/* "2026-11-22", "2026-11-22T20:18" or "…:05Z", with or without a fraction or a zone,
 * in ms since 1970; FALSE for what is no time. */
gboolean hf_select_parse_time (const gchar *text, gint64 *out_ms);

/**
 * hf_select_matches:
 * @view: (nullable): what @entry is from; NULL where it is from the books alone, which
 *   know no header
 *
 * Addresses are compared without regard to case, with or without brackets;
 * "@example.org" means everybody there.  In queue ids case counts: of two long
 * ones of Postfix it may be all that differs.  Both may hold * and ?.  A
 * Message-ID is looked up in the copy's header.  Junk matches only when nothing
 * is asked for.
 */
gboolean hf_select_matches (const HfSelect *self, HfView *view, const HfViewEntry *entry);

/* TRUE when nothing is asked for: all match. */
gboolean hf_select_is_empty (const HfSelect *self);

/* The recipient @address is one of those that are asked for. */
gboolean hf_select_wants_recipient (const HfSelect *self, const gchar *address);

/* The configuration, and the journal that it names.  NULL: the reason stands on
 * stderr and *@out_exit is the exit code. */
HfConfig *hf_select_config (const gchar *config_path, const gchar *verb, int *out_exit);
HfView *hf_select_view (const HfConfig *config, const gchar *verb, HfReadFlags flags, int *out_exit);

/* Both at once. */
HfView *hf_select_open (const gchar *config_path, const gchar *verb, HfReadFlags flags, int *out_exit);

G_END_DECLS
