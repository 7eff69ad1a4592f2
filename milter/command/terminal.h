/* terminal.h - how far a verb has come, and what it has to ask
 *
 * What it tells is put in words by text.h.
 */
#pragma once

#include "milter/journal/view.h"

G_BEGIN_DECLS

/* How far a reading of the journal has come, on standard error where that is a
 * terminal; at most ten times a second. */
void hf_terminal_progress (const HfView *view);
/* Takes the line of progress away. */
void hf_terminal_progress_end (void);

typedef enum
{
  HF_ANSWER_YES,
  HF_ANSWER_NO,
  HF_ANSWER_NOBODY, /* standard input is no terminal */
} HfAnswer;

/* Asks @question on standard error; only the whole word yes is a yes. */
HfAnswer hf_terminal_ask (const gchar *question);

G_END_DECLS
