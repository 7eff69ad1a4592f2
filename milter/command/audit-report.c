/* audit-report.c - `holdfast audit` for people: the sums, then what is in doubt
 *
 * Messages leave the books as they settle, so what is doubtful about one is
 * copied here; the lines of its evidence are read again at the end, because
 * keeping the text of every line would cost more than it is worth.
 */
#include <config.h>

#include "milter/audit/describe.h"
#include "milter/audit/source.h"
#include "milter/command/audit.h"
#include "milter/command/text.h"

#include <stdio.h>
#include <string.h>

/* So many recipients of one message are named. */
#define NAMED_MAX 5

/* One message's recipients that share a state and a reason. */
typedef struct
{
  HfState state;
  HfReason reason;
  guint64 count;
  gchar *queue_id, *label, *sender;
  GString *recipients;
  gint64 arrived_ms;
  GArray *evidence; /* of HfEvidence */
} Doubt;

/* A line to be read again. */
typedef struct
{
  guint16 file;
  guint32 line;
  gchar *text;
} Wanted;

struct HfAuditReport
{
  GPtrArray *doubts; /* of Doubt */
  GArray *wanted;    /* of Wanted, by file and line */
};

static void
doubt_free (gpointer pointer)
{
  Doubt *self = pointer;

  g_free (self->queue_id);
  g_free (self->label);
  g_free (self->sender);
  g_string_free (self->recipients, TRUE);
  g_array_unref (self->evidence);
  g_free (self);
}

static void
wanted_clear (gpointer pointer)
{
  g_free (((Wanted *)pointer)->text);
}

HfAuditReport *
hf_audit_report_new (void)
{
  HfAuditReport *self = g_new0 (HfAuditReport, 1);

  self->doubts = g_ptr_array_new_with_free_func (doubt_free);
  self->wanted = g_array_new (FALSE, TRUE, sizeof (Wanted));
  g_array_set_clear_func (self->wanted, wanted_clear);
  return self;
}

void
hf_audit_report_free (HfAuditReport *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->doubts);
  g_array_unref (self->wanted);
  g_free (self);
}

static Doubt *
doubt_for (HfAuditReport *self, guint from, const HfAuditRun *run, const HfMessage *message, HfFinding finding)
{
  Doubt *doubt;

  for (guint i = from; i < self->doubts->len; i++)
    {
      doubt = g_ptr_array_index (self->doubts, i);
      if (doubt->state == finding.state && doubt->reason == finding.reason)
        return doubt;
    }
  doubt = g_new0 (Doubt, 1);
  doubt->state = (HfState)finding.state;
  doubt->reason = (HfReason)finding.reason;
  doubt->queue_id = g_strdup (message->queue_id);
  doubt->label = g_strdup (hf_books_name (run->books, message->label));
  doubt->sender = message->sender != NULL ? hf_text_safe (message->sender) : NULL;
  doubt->recipients = g_string_new (NULL);
  doubt->arrived_ms = message->opened ? message->arrived_ms : -1;
  doubt->evidence = g_array_new (FALSE, FALSE, sizeof (HfEvidence));
  for (guint i = 0; i < hf_message_n_evidence (message); i++)
    g_array_append_vals (doubt->evidence, hf_message_evidence (message, i), 1);
  g_ptr_array_add (self->doubts, doubt);
  return doubt;
}

static void
add_recipient (Doubt *doubt, const gchar *address, const gchar *orig)
{
  g_autofree gchar *safe = address != NULL ? hf_text_safe (address) : NULL;
  g_autofree gchar *safe_orig = orig != NULL ? hf_text_safe (orig) : NULL;

  doubt->count++;
  if (doubt->count > NAMED_MAX)
    return;
  if (doubt->count > 1)
    g_string_append (doubt->recipients, ", ");
  if (safe == NULL)
    g_string_append (doubt->recipients, "a recipient that no line names");
  else
    g_string_append_printf (doubt->recipients, "<%s>", safe);
  if (safe_orig != NULL)
    g_string_append_printf (doubt->recipients, " (was <%s>)", safe_orig);
}

/* Doubtful is what has something to be explained. */
static gboolean
is_doubtful (HfFinding finding)
{
  return hf_reason_explanation ((HfReason)finding.reason) != NULL;
}

void
hf_audit_report_add (HfAuditReport *self, const HfAuditRun *run, const HfMessage *message)
{
  guint from = self->doubts->len;

  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    if (is_doubtful (leg->finding))
      add_recipient (doubt_for (self, from, run, message, leg->finding), leg->address, leg->orig);
  if (message->rest == 0 || !is_doubtful (message->rest_finding))
    return;
  for (guint32 i = 0; i < message->rest; i++)
    add_recipient (doubt_for (self, from, run, message, message->rest_finding),
                   hf_message_rest_name (message, i), NULL);
}

/* ---- the lines of the evidence ---- */

static gint
compare_wanted (gconstpointer a, gconstpointer b)
{
  const Wanted *left = a, *right = b;

  if (left->file != right->file)
    return left->file < right->file ? -1 : 1;
  return left->line < right->line ? -1 : left->line > right->line;
}

static void
collect_wanted (HfAuditReport *self)
{
  GArray *unique = g_array_new (FALSE, TRUE, sizeof (Wanted));

  g_array_set_clear_func (unique, wanted_clear);
  for (guint i = 0; i < self->doubts->len; i++)
    {
      const Doubt *doubt = g_ptr_array_index (self->doubts, i);

      for (guint j = 0; j < doubt->evidence->len; j++)
        {
          const HfEvidence *evidence = &g_array_index (doubt->evidence, HfEvidence, j);
          Wanted wanted = { .file = (guint16)evidence->file, .line = evidence->line };

          g_array_append_val (self->wanted, wanted);
        }
    }
  g_array_sort (self->wanted, compare_wanted);
  for (guint i = 0; i < self->wanted->len; i++)
    if (i == 0
        || compare_wanted (&g_array_index (self->wanted, Wanted, i), &g_array_index (self->wanted, Wanted, i - 1)) != 0)
      g_array_append_val (unique, g_array_index (self->wanted, Wanted, i));
  g_array_unref (self->wanted);
  self->wanted = unique;
}

/* A log that went away since, or a pipe, leaves the texts unset. */
static void
read_wanted (HfAuditReport *self, const HfAuditRun *run)
{
  guint i = 0;

  while (i < self->wanted->len)
    {
      guint16 file = g_array_index (self->wanted, Wanted, i).file;
      const gchar *path = hf_audit_path (run, file);
      g_autoptr (HfSource) source = g_str_equal (path, "-") ? NULL : hf_source_open (path, NULL);
      HfSourceLine line;

      while (source != NULL && i < self->wanted->len && g_array_index (self->wanted, Wanted, i).file == file
             && hf_source_next (source, &line, NULL))
        if (line.line == g_array_index (self->wanted, Wanted, i).line)
          {
            g_array_index (self->wanted, Wanted, i).text = hf_slice_dup (line.raw);
            i++;
          }
      while (i < self->wanted->len && g_array_index (self->wanted, Wanted, i).file == file)
        i++;
    }
}

static const gchar *
text_of (const HfAuditReport *self, const HfEvidence *evidence)
{
  Wanted key = { .file = (guint16)evidence->file, .line = evidence->line };
  guint at;

  if (!g_array_binary_search (self->wanted, &key, compare_wanted, &at))
    return NULL;
  return g_array_index (self->wanted, Wanted, at).text;
}

/* ---- printing ---- */

static void
print_evidence (const HfAuditReport *self, const HfAuditRun *run, const Doubt *doubt)
{
  for (guint i = 0; i < doubt->evidence->len; i++)
    {
      const HfEvidence *evidence = &g_array_index (doubt->evidence, HfEvidence, i);
      const gchar *text = text_of (self, evidence);
      g_autofree gchar *safe = hf_text_safe (text != NULL ? text : hf_describe_evidence (evidence));
      g_autofree gchar *path = hf_text_safe (hf_audit_path (run, (guint16)evidence->file));

      printf ("      %s:%u: %s\n", path, evidence->line, safe);
    }
}

static void
print_doubt (const HfAuditReport *self, const HfAuditRun *run, const Doubt *doubt)
{
  printf ("    %s", doubt->queue_id);
  if (doubt->arrived_ms >= 0)
    {
      g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (doubt->arrived_ms / 1000);
      g_autofree gchar *text = g_date_time_format (time, "%F %T");

      printf ("  %s", text);
    }
  if (doubt->sender != NULL)
    printf ("  from <%s>", doubt->sender);
  printf ("\n      to %s", doubt->recipients->str);
  if (doubt->count > NAMED_MAX)
    printf (" and %" G_GUINT64_FORMAT " more", doubt->count - NAMED_MAX);
  printf ("\n");
  print_evidence (self, run, doubt);
}

static guint64
count_doubts (const HfAuditReport *self, HfState state, HfReason reason)
{
  guint64 number = 0;

  for (guint i = 0; i < self->doubts->len; i++)
    {
      const Doubt *doubt = g_ptr_array_index (self->doubts, i);

      if (doubt->state == state && (reason == HF_REASON_NONE || doubt->reason == reason))
        number += doubt->count;
    }
  return number;
}

static void
print_reason (const HfAuditReport *self, const HfAuditRun *run, HfState state, HfReason reason)
{
  guint64 number = count_doubts (self, state, reason);
  g_autofree gchar *counted = hf_text_count (number, "recipient", "recipients");
  const gchar *proof = hf_reason_proof (reason);

  if (number == 0)
    return;
  printf ("\n  %s (%s)\n", hf_reason_text (reason), counted);
  hf_text_wrap (stdout, 4, hf_reason_explanation (reason));
  if (proof != NULL)
    {
      g_autofree gchar *sentence = g_strdup_printf ("What would prove it: %s", proof);

      hf_text_wrap (stdout, 4, sentence);
    }
  for (guint i = 0; i < self->doubts->len; i++)
    {
      const Doubt *doubt = g_ptr_array_index (self->doubts, i);

      if (doubt->state != state || doubt->reason != reason)
        continue;
      printf ("\n");
      print_doubt (self, run, doubt);
    }
}

static void
print_doubts (const HfAuditReport *self, const HfAuditRun *run)
{
  static const struct
  {
    HfState state;
    const gchar *heading;
  } order[] = { { HF_STATE_LOST, "LOST" },
                { HF_STATE_UNACCOUNTED, "UNACCOUNTED" },
                { HF_STATE_PROVISIONAL, "NOT CONFIRMED" },
                { HF_STATE_OPEN, "OPEN, AND NOT WELL" } };

  for (gsize i = 0; i < G_N_ELEMENTS (order); i++)
    {
      guint64 number = count_doubts (self, order[i].state, HF_REASON_NONE);
      g_autofree gchar *counted = hf_text_count (number, "recipient", "recipients");

      if (number == 0)
        continue;
      printf ("\n%s: %s\n", order[i].heading, counted);
      for (guint reason = HF_REASON_NONE + 1; reason < HF_N_REASONS; reason++)
        print_reason (self, run, order[i].state, (HfReason)reason);
    }
}

static void
print_sum (const gchar *name, guint indent, guint64 number)
{
  g_autofree gchar *text = hf_text_number (number);

  printf ("  %*s%-*s %12s\n", (int)indent, "", 26 - (int)indent, name, text);
}

static void
print_range (const HfAuditRun *run)
{
  g_autofree gchar *logs = hf_text_count (run->paths->len, "log", "logs");
  g_autofree gchar *lines = hf_text_count (run->intake.lines, "line", "lines");
  g_autofree gchar *mail = hf_text_number (run->intake.mail_lines);

  printf ("%s, %s, %s of them from the mail system", logs, lines, mail);
  if (run->intake.first_ms >= 0)
    {
      g_autoptr (GDateTime) first = g_date_time_new_from_unix_local (run->intake.first_ms / 1000);
      g_autoptr (GDateTime) last = g_date_time_new_from_unix_local (run->intake.last_ms / 1000);
      g_autofree gchar *from = g_date_time_format (first, "%F %T");
      g_autofree gchar *to = g_date_time_format (last, "%F %T");

      printf ("\nfrom %s to %s", from, to);
    }
  printf ("\n\n");
}

static void
print_sums (const HfAuditRun *run)
{
  const HfTally *tally = hf_books_handed_tally (run->books);
  g_autofree gchar *messages = hf_text_count (tally->messages, "message", "messages");

  print_range (run);
  printf ("%s\n\n", messages);
  print_sum ("settled", 0, tally->by_state[HF_STATE_SETTLED]);
  for (guint outcome = HF_OUTCOME_NONE + 1; outcome < HF_N_OUTCOMES; outcome++)
    if (tally->by_outcome[outcome] > 0)
      print_sum (hf_outcome_name ((HfOutcome)outcome), 2, tally->by_outcome[outcome]);
  print_sum ("open", 0, tally->by_state[HF_STATE_OPEN]);
  print_sum ("unaccounted", 0, tally->by_state[HF_STATE_UNACCOUNTED]);
  print_sum ("lost", 0, tally->by_state[HF_STATE_LOST]);
  printf ("  %26s %12s\n", "", "------------");
  print_sum ("recipients accepted", 0, hf_audit_recipients (tally));
  printf ("\n");
  print_sum ("settled without notice", 0, tally->silent);
  print_sum ("not taken by the MTA", 0, tally->by_state[HF_STATE_VOID]);
  if (tally->by_state[HF_STATE_PROVISIONAL] > 0)
    print_sum ("acceptance not confirmed", 0, tally->by_state[HF_STATE_PROVISIONAL]);
}

/* As many as the act says should not have been seen since. */
static void
print_bulk_acts (const HfAuditRun *run)
{
  for (guint i = 0; i < hf_books_n_bulk_acts (run->books); i++)
    {
      const HfBulkAct *act = hf_books_bulk_act (run->books, i);
      g_autofree gchar *count = hf_text_count (act->count, "message", "messages");

      printf ("%s  %s:%u: an operator %s %s in bulk; %" G_GUINT64_FORMAT " known here may be among them",
              i == 0 ? "\n" : "", hf_audit_path (run, act->at.file), act->at.line, hf_audit_bulk_name (act->bulk), count,
              act->candidates);
      if (act->bulk == HF_BULK_DELETED)
        printf (", %" G_GUINT64_FORMAT " not seen since%s", act->gone,
                act->gone == act->count  ? ""
                : act->gone > act->count ? ": more than were deleted"
                                         : ": others were deleted that are not known here");
      printf ("\n");
    }
}

static void
print_contradictions (const HfSums *sums)
{
  if (sums->beyond_nrcpt > 0)
    {
      g_autofree gchar *messages = hf_text_count (sums->beyond_nrcpt, "message has", "messages have");
      g_autofree gchar *note = g_strdup_printf ("%s results for more recipients than the queue file had: lines of two "
                                                "messages may have been taken for one's.", messages);

      printf ("\n");
      hf_text_wrap (stdout, 0, note);
    }
  if (sums->claimed_twice > 0)
    {
      g_autofree gchar *messages = hf_text_count (sums->claimed_twice, "message is", "messages are");
      g_autofree gchar *note
          = g_strdup_printf ("%s claimed by two messages as what they were passed on as; one of them is wrong.", messages);

      printf ("\n");
      hf_text_wrap (stdout, 0, note);
    }
}

static void
print_notes (const HfAuditRun *run)
{
  const HfTally *tally = hf_books_handed_tally (run->books);
  const HfGaps *gaps = hf_books_gaps (run->books);

  if (tally->before_messages > 0)
    {
      g_autofree gchar *messages = hf_text_count (tally->before_messages, "message began", "messages began");
      g_autofree gchar *recipients = hf_text_count (tally->before_recipients, "recipient", "recipients");
      g_autofree gchar *note = g_strdup_printf ("%s before these logs; the fate of %s of them may stand in an older "
                                                "log, and is not judged here.", messages, recipients);

      printf ("\n");
      hf_text_wrap (stdout, 0, note);
    }
  if (hf_gaps_count (gaps) > 0)
    {
      g_autofree gchar *heading = hf_text_count (hf_gaps_count (gaps), "gap", "gaps");

      printf ("\n%s in the log:\n", heading);
    }
  for (guint i = 0; i < hf_gaps_count (gaps); i++)
    {
      const HfGap *gap = hf_gaps_get (gaps, i);

      printf ("  %s:%u: %s", hf_audit_path (run, gap->at.file), gap->at.line, gap->why);
      if (gap->count > 0)
        printf (" (%" G_GUINT64_FORMAT " lines)", gap->count);
      printf ("\n");
    }
  print_bulk_acts (run);
  print_contradictions (hf_books_sums (run->books));
}

static void
print_unparsed (const HfAuditRun *run)
{
  g_autofree gchar *lines = hf_text_count (run->intake.unparsed_lines, "line", "lines");

  if (run->intake.unparsed_lines == 0)
    return;
  printf ("\n%s of the mail system matched nothing known, or could be read in two ways; the first:\n", lines);
  for (guint i = 0; i < run->intake.samples->len; i++)
    {
      const HfSample *sample = &g_array_index (run->intake.samples, HfSample, i);
      g_autofree gchar *safe = hf_text_safe (sample->text);

      printf ("  %s:%u: %s\n", hf_audit_path (run, sample->at.file), sample->at.line, safe);
    }
}

void
hf_audit_report_print (HfAuditReport *self, const HfAuditRun *run)
{
  collect_wanted (self);
  read_wanted (self, run);
  print_sums (run);
  print_notes (run);
  print_doubts (self, run);
  print_unparsed (run);
  if (!hf_books_balance (run->books))
    printf ("\nThe sums do not balance: this is an error of holdfast, and nothing above can be relied on.\n");
  if (run->incomplete)
    printf ("\nNot all of the logs could be read; see the errors.\n");
}
