/* audit.h - what the parts of `holdfast audit` share
 *
 *   audit.c         options, files, the loop, the exit code
 *   audit-json.c    what a program reads
 *   audit-report.c  what a person reads
 */
#pragma once

#include "milter/audit/intake.h"

G_BEGIN_DECLS

typedef struct
{
  HfBooks *books;
  HfIntake intake;
  GPtrArray *paths;    /* of gchar *, by the file number of positions */
  gboolean last;       /* --last was given */
  gboolean incomplete; /* some of the logs could not be read */
} HfAuditRun;

/* The name of the file of a position. */
const gchar *hf_audit_path (const HfAuditRun *run, guint16 file);

/* Recipients that the MTA took: the left side of the sum. */
guint64 hf_audit_recipients (const HfTally *tally);

/* "deleted", "requeued" …: what was done. */
const gchar *hf_audit_bulk_name (HfBulk bulk);

/* ---- audit-json.c ---- */

/* One object and a newline.  FALSE when it could not be written. */
gboolean hf_audit_json_message (const HfAuditRun *run, const HfMessage *message, GError **error);
gboolean hf_audit_json_summary (const HfAuditRun *run, GError **error);

/* ---- audit-report.c ---- */

typedef struct HfAuditReport HfAuditReport;

HfAuditReport *hf_audit_report_new (void);
void hf_audit_report_free (HfAuditReport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfAuditReport, hf_audit_report_free)

/* Keeps what is doubtful about a message that leaves the books. */
void hf_audit_report_add (HfAuditReport *self, const HfAuditRun *run, const HfMessage *message);

/* Prints it all; reads the logs once more for the lines of the evidence. */
void hf_audit_report_print (HfAuditReport *self, const HfAuditRun *run);

G_END_DECLS
