/* intake.c - raw lines to the books, through whichever parser knows them */
#include <config.h>

#include "milter/audit/intake.h"

#include "milter/audit/gap.h"
#include "milter/audit/postfix.h"
#include "milter/audit/reply.h"
#include "milter/audit/sendmail.h"

/* Longest part of an unknown line that is kept. */
#define SAMPLE_MAX 400

/* How far the clock that stamped a line may be ahead. */
#define AHEAD_S 3600

static void
clear_sample (gpointer sample)
{
  g_free (((HfSample *)sample)->text);
}

void
hf_intake_init (HfIntake *self, HfBooks *books, HfMta only)
{
  memset (self, 0, sizeof *self);
  self->books = books;
  self->only = only;
  self->first_ms = -1;
  self->last_ms = -1;
  self->samples = g_array_new (FALSE, FALSE, sizeof (HfSample));
  g_array_set_clear_func (self->samples, clear_sample);
}

void
hf_intake_clear (HfIntake *self)
{
  g_clear_pointer (&self->samples, g_array_unref);
}

static void
keep_sample (HfIntake *self, HfSlice raw, HfPosition at)
{
  HfSample sample = { g_strndup (raw.at, MIN (raw.length, SAMPLE_MAX)), at };

  g_array_append_val (self->samples, sample);
}

static HfParsed
parse (const HfIntake *self, const HfLogLine *line, HfLogEvent *event)
{
  HfParsed parsed = hf_gap_parse (line, event);

  if (parsed == HF_PARSE_OTHER && self->only != HF_MTA_SENDMAIL)
    parsed = hf_postfix_parse (line, event);
  if (parsed == HF_PARSE_OTHER && self->only != HF_MTA_POSTFIX)
    parsed = hf_sendmail_parse (line, event);
  if (parsed == HF_PARSE_OTHER && hf_slice_is (line->program, "MailScanner"))
    parsed = hf_mailscanner_parse (line, event);
  return parsed;
}

/* What silence is told by goes by the newest line, so one from the future, of a clock
 * that was wrong for a moment, must not be it: it was written when the line before
 * it was. */
static void
bring_back (const HfIntake *self, const HfClock *clock, HfLogLine *line)
{
  if (clock->now_s != 0 && line->wall_ms > (clock->now_s + AHEAD_S) * 1000)
    line->wall_ms = self->last_ms;
}

/* "QUEUEID: to=…" that could not be read may have settled a recipient. */
static void
enter_unread (HfIntake *self, const HfLogLine *line, HfLogEvent *event)
{
  const HfSlice id = event->queue_id;

  if (id.length == 0 || id.at != line->text.at || !hf_slice_starts (hf_slice_from (line->text, id.length), ": to="))
    return;
  event->kind = HF_LOG_UNREAD;
  hf_books_apply (self->books, event);
}

static void
enter_line (HfIntake *self, HfClock *clock, HfSlice raw, HfPosition at)
{
  HfLogLine line;
  HfLogEvent event;
  HfParsed parsed;

  if (!hf_line_parse (clock, raw, &line))
    return;
  self->known_lines++;
  bring_back (self, clock, &line);
  if (line.wall_ms >= 0 && self->first_ms < 0)
    self->first_ms = line.wall_ms;
  self->last_ms = MAX (self->last_ms, line.wall_ms);
  hf_gap_unfold (&line);
  parsed = parse (self, &line, &event);
  if (parsed == HF_PARSE_OTHER)
    return;
  if (parsed != HF_PARSE_EVENT || event.mta != HF_MTA_UNKNOWN)
    self->mail_lines++;
  event.at = at;
  if (parsed == HF_PARSE_EVENT)
    {
      hf_books_apply (self->books, &event);
      return;
    }
  self->unparsed_lines++;
  if (parsed == HF_PARSE_DOUBTFUL)
    self->doubtful_lines++;
  if (self->samples->len < HF_INTAKE_SAMPLES)
    keep_sample (self, raw, at);
  enter_unread (self, &line, &event);
}

/* The books keep strings, which end at a NUL: one that was part of an address
 * would make two of them the same. */
static void
enter_without_nuls (HfIntake *self, HfClock *clock, HfSlice raw, HfPosition at)
{
  g_autofree gchar *copy = g_memdup2 (raw.at, raw.length);

  for (gsize i = 0; i < raw.length; i++)
    if (copy[i] == '\0')
      copy[i] = '?';
  enter_line (self, clock, (HfSlice){ copy, raw.length }, at);
}

void
hf_intake_line (HfIntake *self, HfClock *clock, HfSlice raw, HfPosition at)
{
  self->lines++;
  while (raw.length > 0 && raw.at[0] == '\0')
    raw = hf_slice_from (raw, 1);
  if (raw.length > 0 && memchr (raw.at, '\0', raw.length) != NULL)
    enter_without_nuls (self, clock, raw, at);
  else
    enter_line (self, clock, raw, at);
}

void
hf_intake_gap (HfIntake *self, const gchar *why, HfPosition at)
{
  HfLogLine line = { .wall_ms = self->last_ms };
  HfLogEvent event;

  hf_log_event_init (&event, &line);
  event.kind = HF_LOG_GAP;
  event.text = hf_slice (why);
  event.at = at;
  hf_books_apply (self->books, &event);
}
