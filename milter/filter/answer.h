/* answer.h - what the SMTP client is told, and only here
 *
 * | cause                                            | reply     |
 * | staging, reopening, verifying, committing failed | 451 4.3.0 |
 * | no room                                          | 452 4.3.1 |
 * | draining for a stop, or not ready                | 421 4.3.2 |
 *
 * The text says what happened, without paths of this host, and ends with the
 * event's code and the message's id, by which the log tells the rest.
 */
#pragma once

#include "milter/base/event.h"
#include "milter/base/id.h"

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const gchar *code;     /* "451" */
  const gchar *enhanced; /* "4.3.0" */
  gchar text[200];       /* printable ASCII */
} HfAnswer;

/* @what: static, "message not stored" or "try again later" */
void hf_answer_make (const gchar *what, const GError *error, HfEventCode event, const HfId *id, HfAnswer *out_answer);

G_END_DECLS
