/* audit-json.c - `holdfast audit --json`: one object a message, then the sums */
#include <config.h>

#include "milter/audit/describe.h"
#include "milter/command/audit.h"
#include "milter/command/json.h"

static void
print_recipient (HfJson *json, const HfMessage *message, const HfLeg *leg, const gchar *address,
                 HfFinding finding)
{
  g_autofree gchar *detail = hf_describe_detail (message, leg, finding);

  hf_json_begin_object (json, NULL);
  hf_json_string (json, "address", address);
  hf_json_string (json, "orig_address", leg != NULL ? leg->orig : NULL);
  hf_json_string (json, "state", hf_state_name ((HfState)finding.state));
  hf_json_string (json, "outcome", hf_outcome_name ((HfOutcome)finding.outcome));
  hf_json_string (json, "detail", detail);
  hf_json_end_object (json);
}

static void
print_recipients (HfJson *json, const HfMessage *message)
{
  hf_json_begin_array (json, "recipients");
  for (const HfLeg *leg = message->legs; leg != NULL; leg = leg->next)
    print_recipient (json, message, leg, leg->address, leg->finding);
  for (guint32 i = 0; i < message->rest; i++)
    print_recipient (json, message, NULL, hf_message_rest_name (message, i), message->rest_finding);
  hf_json_end_array (json);
}

static void
print_evidence (HfJson *json, const HfAuditRun *run, const HfMessage *message)
{
  hf_json_begin_array (json, "evidence");
  for (guint i = 0; i < hf_message_n_evidence (message); i++)
    {
      const HfEvidence *evidence = hf_message_evidence (message, i);

      hf_json_begin_object (json, NULL);
      hf_json_string (json, "file", hf_audit_path (run, (guint16)evidence->file));
      hf_json_uint (json, "line", evidence->line);
      hf_json_uint (json, "offset", evidence->offset);
      hf_json_string (json, "says", hf_describe_evidence (evidence));
      hf_json_end_object (json);
    }
  hf_json_end_array (json);
}

gboolean
hf_audit_json_message (const HfAuditRun *run, const HfMessage *message, GError **error)
{
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_string (&json, "queue_id", message->queue_id);
  hf_json_string (&json, "instance", hf_books_name (run->books, message->label));
  hf_json_string (&json, "host", hf_books_name (run->books, message->host));
  hf_json_string (&json, "mta", hf_describe_mta ((HfMta)message->mta));
  hf_json_uint (&json, "generation", message->generation);
  hf_json_string (&json, "sender", message->sender);
  hf_json_time (&json, "arrived", message->opened ? message->arrived_ms : -1);
  hf_json_bool (&json, "began_before", !message->opened);
  hf_json_string (&json, "parent", message->parent);
  hf_json_string (&json, "parent_link", hf_describe_link ((HfLink)message->parent_link));
  print_recipients (&json, message);
  print_evidence (&json, run, message);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}

guint64
hf_audit_recipients (const HfTally *tally)
{
  return tally->by_state[HF_STATE_SETTLED] + tally->by_state[HF_STATE_OPEN]
         + tally->by_state[HF_STATE_UNACCOUNTED] + tally->by_state[HF_STATE_LOST];
}

static void
print_states (HfJson *json, const HfTally *tally)
{
  static const HfState summed[] = { HF_STATE_SETTLED, HF_STATE_OPEN, HF_STATE_UNACCOUNTED, HF_STATE_LOST };

  hf_json_begin_object (json, "settled");
  for (guint outcome = HF_OUTCOME_NONE + 1; outcome < HF_N_OUTCOMES; outcome++)
    hf_json_uint (json, hf_outcome_name ((HfOutcome)outcome), tally->by_outcome[outcome]);
  hf_json_end_object (json);
  hf_json_uint (json, "settled_without_notice", tally->silent);
  hf_json_uint (json, "open", tally->by_state[HF_STATE_OPEN]);
  hf_json_uint (json, "unaccounted", tally->by_state[HF_STATE_UNACCOUNTED]);
  hf_json_uint (json, "lost", tally->by_state[HF_STATE_LOST]);
  hf_json_uint (json, "void", tally->by_state[HF_STATE_VOID]);
  hf_json_begin_object (json, "by_state");
  for (guint state = 0; state < HF_N_STATES; state++)
    hf_json_uint (json, hf_state_name ((HfState)state), tally->by_state[state]);
  hf_json_end_object (json);
  hf_json_begin_array (json, "recipients_sum");
  for (gsize i = 0; i < G_N_ELEMENTS (summed); i++)
    hf_json_string (json, NULL, hf_state_name (summed[i]));
  hf_json_end_array (json);
}

static void
print_gaps (HfJson *json, const HfAuditRun *run)
{
  const HfGaps *gaps = hf_books_gaps (run->books);

  hf_json_uint (json, "gaps", hf_gaps_count (gaps));
  hf_json_begin_array (json, "gap_list");
  for (guint i = 0; i < hf_gaps_count (gaps); i++)
    {
      const HfGap *gap = hf_gaps_get (gaps, i);

      hf_json_begin_object (json, NULL);
      hf_json_string (json, "file", hf_audit_path (run, gap->at.file));
      hf_json_uint (json, "line", gap->at.line);
      hf_json_time (json, "at", gap->wall_ms);
      hf_json_string (json, "why", gap->why);
      if (gap->count > 0)
        hf_json_uint (json, "missing_lines", gap->count);
      else
        hf_json_null (json, "missing_lines");
      hf_json_end_object (json);
    }
  hf_json_end_array (json);
}

static void
print_bulk_acts (HfJson *json, const HfAuditRun *run)
{
  hf_json_begin_array (json, "bulk_acts");
  for (guint i = 0; i < hf_books_n_bulk_acts (run->books); i++)
    {
      const HfBulkAct *act = hf_books_bulk_act (run->books, i);

      hf_json_begin_object (json, NULL);
      hf_json_string (json, "file", hf_audit_path (run, act->at.file));
      hf_json_uint (json, "line", act->at.line);
      hf_json_time (json, "at", act->wall_ms);
      hf_json_string (json, "act", hf_audit_bulk_name (act->bulk));
      hf_json_uint (json, "messages", act->count);
      hf_json_uint (json, "known", act->candidates);
      hf_json_uint (json, "not_seen_since", act->gone);
      hf_json_end_object (json);
    }
  hf_json_end_array (json);
}

/* Sums over messages: what the log must be at one with itself about. */
static void
print_ends (HfJson *json, const HfSums *sums)
{
  hf_json_uint (json, "accepted", sums->accepted);
  hf_json_begin_object (json, "ends");
  for (guint end = 0; end < HF_N_ENDS; end++)
    hf_json_uint (json, hf_end_name ((HfEnd)end), sums->ends[end]);
  hf_json_end_object (json);
  hf_json_uint (json, "not_accepted", sums->not_accepted);
  hf_json_uint (json, "beyond_nrcpt", sums->beyond_nrcpt);
  hf_json_uint (json, "claimed_twice", sums->claimed_twice);
}

gboolean
hf_audit_json_summary (const HfAuditRun *run, GError **error)
{
  const HfTally *tally = hf_books_handed_tally (run->books);
  g_auto (HfJson) json = { NULL };

  hf_json_init (&json);
  hf_json_begin_object (&json, NULL);
  hf_json_begin_object (&json, "summary");
  hf_json_uint (&json, "messages", tally->messages);
  hf_json_uint (&json, "recipients", hf_audit_recipients (tally));
  print_states (&json, tally);
  hf_json_begin_object (&json, "began_before");
  hf_json_uint (&json, "messages", tally->before_messages);
  hf_json_uint (&json, "recipients", tally->before_recipients);
  hf_json_end_object (&json);
  hf_json_bool (&json, "balanced", hf_books_balance (run->books));
  hf_json_bool (&json, "complete", !run->incomplete);
  hf_json_uint (&json, "lines", run->intake.lines);
  hf_json_uint (&json, "mail_lines", run->intake.mail_lines);
  hf_json_uint (&json, "unparsed_lines", run->intake.unparsed_lines);
  hf_json_uint (&json, "doubtful_lines", run->intake.doubtful_lines);
  hf_json_time (&json, "first", run->intake.first_ms);
  hf_json_time (&json, "newest", run->intake.last_ms);
  print_ends (&json, hf_books_sums (run->books));
  print_bulk_acts (&json, run);
  print_gaps (&json, run);
  hf_json_end_object (&json);
  hf_json_end_object (&json);
  return hf_json_write_line (&json, stdout, error);
}
