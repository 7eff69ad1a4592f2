/* case.h - one fault, met by a running filter, and what is left of it
 *
 * A case opens a filter on a fresh spool, lets a scenario act while one fault
 * is armed, and then asks all that the promises say: the answers (P2, P3), the
 * journal as a restart finds it, at the moment of the fault and after a stop
 * (P1, P6), the next message, and what leaked.
 */
#pragma once

#include "tests/fault/faults.h"
#include "tests/fault/inside.h"

G_BEGIN_DECLS

/* Sums over cases, in memory that processes share.  All atomic. */
typedef struct
{
  gint cases;
  gint faults;         /* calls that failed */
  gint starts_refused;
  gint sent;
  gint taken;          /* 250 */
  gint tempfailed;     /* 4xx */
  gint answered;       /* taken, over all looks into journals */
  gint found;
  gint lost;
  gint half;
  gint torn;
  gint leaks;          /* descriptors and files */
  gint wrong;          /* cases in which anything was */
} FtFigures;

typedef struct FtCase FtCase;

typedef struct
{
  const gchar *name;
  void (*before) (FtCase *self); /* unarmed, the filter open; may be NULL */
  void (*act) (FtCase *self);    /* armed; may be NULL */
  gboolean at_start;             /* the start is armed too, on a spool that saw a crash */
  gboolean at_stop;              /* the stop is what is armed */
  gboolean named;                /* stages have names */
  gboolean brief;                /* but in a long run, a third of the errnos for each call */
} FtScenario;

struct FtCase
{
  FtInside inside;
  gchar *root;
  gchar *spool;
  gchar *crashed;    /* the spool as it was when the fault was over */
  gchar *seen_crash; /* a spool that saw a crash, for starts */
  guint seen_mails;  /* mails that were taken into it */
  guint descriptors; /* open between cases */
  gint next_limit_ms;   /* how long a next mail may take to be taken, */
  gint settle_limit_ms; /* and descriptors to be let go of */
  FtAccount account; /* of this case */
  FtFigures *figures;
  GString *why;      /* of this case: what is wrong */
};

/* Starts libmilter below @root; the process ends where that fails.  One a process. */
void ft_case_init (FtCase *self, const gchar *root, FtFigures *figures);

/**
 * ft_case_run:
 * @fault: (nullable): none, to count calls
 * @out_met: (nullable): how often the fault was met
 *
 * TRUE when all is right; else self->why tells what is not.
 */
gboolean ft_case_run (FtCase *self, const FtScenario *scenario, const FtFault *fault, guint *out_met);

/* For scenarios: sends a mail of @size octets, and several at the same time. */
void ft_case_send (FtCase *self, gsize size);
void ft_case_send_crowd (FtCase *self, guint count, gsize size);
/* Waits until the journal is open, or for a second and a half. */
void ft_case_wait_journal (FtCase *self);

G_END_DECLS
