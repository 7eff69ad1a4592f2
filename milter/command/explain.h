/* explain.h - all that the books know of one message, gathered for telling it */
#pragma once

#include "milter/ledger/ledger.h"

G_BEGIN_DECLS

/* Which: a message of the journal, or one that only the log has. */
typedef struct
{
  gint64 envelope; /* 0: none */
  gint64 mail;     /* 0: none */
} HfCaseKey;

/* A line of evidence. */
typedef struct
{
  guint64 seq;
  gchar *path;   /* of the log, as it was called when it was read; NULL: no line of a log */
  guint64 line, offset;
  gchar *queue;  /* of the message or of a child */
  gchar *text;
  guint depth;   /* 0 for the message's own, 1 for its children's … */
} HfStep;

typedef struct
{
  gchar *address;
  gchar *state;
  gchar *outcome;
  gchar *detail;
  gint64 since_ms; /* -1: not known */
} HfCaseVerdict;

typedef struct
{
  gchar *id;           /* NULL: not in the journal */
  gint64 at_ms;
  gchar *queue, *client, *sender;
  guint64 segment, offset, bytes;
  gchar *segment_name;
  guint64 journaled;   /* the segment it was journaled in; another than segment where it was carried forward */
  gint64 carried_ms;   /* when that was, the last time; -1: it was not */
  gchar *copy;         /* whole, damaged, gone, trimmed; looked at now */
  gchar *copy_fault;   /* what re-reading found wrong with it, or NULL */
  gint64 trimmed_ms;   /* when; -1: it was not */
  GArray *verdicts;    /* of HfCaseVerdict */
  GArray *steps;       /* of HfStep, by seq */
} HfCase;

/**
 * hf_case_search:
 * @what: a message's id, a queue id, a Message-ID, an address, or a time
 *
 * Returns: (transfer full): of HfCaseKey, oldest first; empty when there is
 * none.  A time finds what was received in the minute from then on.
 */
GArray *hf_case_search (HfLedger *ledger, const gchar *what, GError **error);

HfCase *hf_case_load (HfLedger *ledger, const gchar *spool, const HfCaseKey *key, GError **error);
void hf_case_free (HfCase *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfCase, hf_case_free)

G_END_DECLS
