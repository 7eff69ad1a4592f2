/* terminal.h - what the verbs say to people, and ask them */
#pragma once

#include "milter/journal/view.h"

#include <stdio.h>

G_BEGIN_DECLS

/* Prints text from outside: controls, which could steer a terminal, and what is
 * not UTF-8 are replaced. */
void hf_terminal_print (FILE *stream, const gchar *text);

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
