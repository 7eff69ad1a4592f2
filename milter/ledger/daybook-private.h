/* daybook-private.h - what the daybook's writer and its reader share */
#pragma once

#include "milter/ledger/daybook.h"

G_BEGIN_DECLS

#define HF_COMMIT_PREFIX HF_STATEMENT_PREFIX "commit "
#define HF_HEADER_PREFIX HF_STATEMENT_PREFIX "books "

typedef struct
{
  gchar text[32];
} HfDaybookName;

void hf_daybook_name (guint64 seq, HfDaybookName *out_name);

/* The numbers of all files, ascending; empty where there is no directory. */
GArray *hf_daybook_list (const gchar *dir_path, GError **error);

/* Gives the statements of a group's text to @sink. */
gboolean hf_daybook_give (const gchar *text, gsize size, HfStatement *scratch, const HfDaybookSink *sink,
                          GError **error);

/* SHA-256 (chain of the group before || digest of the group). */
gboolean hf_daybook_chain (HfHash *hash, const HfDigest *before, const HfDigest *group, HfDigest *out_chain);

/**
 * hf_daybook_read_file:
 * @mark: behind what to begin; moved along with each group that verifies
 * @out_clean: (out): TRUE when nothing stands behind the last group
 */
gboolean hf_daybook_read_file (const gchar *path, HfDaybookMark *mark, const HfDaybookSink *sink,
                               HfDaybookReport *report, gboolean *out_clean, GError **error);

G_END_DECLS
