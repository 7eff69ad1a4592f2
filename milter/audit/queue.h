/* queue.h - what is in the MTA's queue at this moment
 *
 * A snapshot.  One alone proves little: files move between the queue's
 * directories while they are read, so that one may be missed; what two
 * snapshots some time apart do not have is gone.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  HF_QUEUE_QUEUED,
  HF_QUEUE_HELD,     /* on hold; quarantined */
  HF_QUEUE_GIVEN_UP, /* corrupt/, Qf: the MTA never tries it again */
} HfQueuePlace;

typedef struct HfQueue HfQueue;

/**
 * hf_queue_read_postfix:
 * @config_directory: as for postqueue -c
 * @silent_ms: postqueue that says nothing for so long is ended
 *
 * Runs postqueue -j, and looks into corrupt/ where that may be read.  NULL
 * with HF_ERROR_BUSY when Postfix is stopped, or postqueue fails or hangs: that
 * is no empty queue; HF_ERROR_NOT_FOUND when there is no postqueue.
 */
HfQueue *hf_queue_read_postfix (const gchar *config_directory, gint silent_ms, GError **error);

/**
 * hf_queue_read_sendmail:
 * @directories: queue directories, colon-separated; each may end in * for all
 *   directories whose names begin so, as in QueueDirectory of sendmail.cf
 *
 * NULL with HF_ERROR_NOT_FOUND, HF_ERROR_DENIED or HF_ERROR_IO.
 */
HfQueue *hf_queue_read_sendmail (const gchar *directories, GError **error);

void hf_queue_free (HfQueue *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HfQueue, hf_queue_free)

/* For tests, and for both readers. */
HfQueue *hf_queue_new (void);
void hf_queue_add (HfQueue *self, const gchar *queue_id, HfQueuePlace place);

/* One line of postqueue -j; FALSE with HF_ERROR_CORRUPT when it is none. */
gboolean hf_queue_add_json (HfQueue *self, const gchar *line, GError **error);

/* TRUE when it is listed, and where. */
gboolean hf_queue_find (const HfQueue *self, const gchar *queue_id, HfQueuePlace *out_place);
guint hf_queue_size (const HfQueue *self);

G_END_DECLS
