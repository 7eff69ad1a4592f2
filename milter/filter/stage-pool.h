/* stage-pool.h - unnamed files whose message is committed, to be written again
 *
 * To make an unnamed file takes an inode and to close it gives one back; on
 * ext4 without a journal each search for a free inode passes over all that
 * were freed in the last minute.  So a file goes on to the next message, for
 * as long as mail keeps coming: what nobody took between two looks is closed,
 * and an idle filter holds no descriptor here.
 *
 * Threads: any.
 */
#pragma once

#include <glib.h>
#include <pthread.h>

G_BEGIN_DECLS

#define HF_STAGE_POOL_MOST 64               /* files */
#define HF_STAGE_POOL_LARGEST (64 * 1024) /* octets of a file that is kept */

typedef struct
{
  pthread_mutex_t mutex;
  int fds[HF_STAGE_POOL_MOST]; /* a stack: the last given is the first taken */
  guint count;
  guint unused; /* the fewest that lay here since the last look */
} HfStagePool;

void hf_stage_pool_init (HfStagePool *self);

/* Returns: a descriptor to reopen the file by, the caller's to close; -1 when there is none. */
int hf_stage_pool_take (HfStagePool *self);

/* Takes *@fd over, to keep or to close, and sets it to -1.  Nothing but the pool
 * may hold the file open. */
void hf_stage_pool_give (HfStagePool *self, int *fd);

/* Takes out what nobody took since the last call.  Returns: how many descriptors,
 * the caller's to close, without a lock held: that may take as long as the disk does. */
guint hf_stage_pool_take_unused (HfStagePool *self, int out_fds[HF_STAGE_POOL_MOST]);

G_END_DECLS
