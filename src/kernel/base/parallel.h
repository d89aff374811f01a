/* Independent tasks on several threads. */
#ifndef MEDROI_PARALLEL_H
#define MEDROI_PARALLEL_H

#include "base/kernel.h"

#define MEDROI_MAX_THREADS 64

/* One task. `worker` is below the number of threads: each has its own working memory. */
typedef medroi_status (*medroi_task)(void *context, uint64_t task, uint32_t worker,
                                     medroi_error *error);

/* Run tasks 0 to n_tasks - 1, in any order, on up to n_threads threads (this one included).
 * The status and error are those of the failed task with the lowest number, so that they do not
 * depend on timing. Where threads cannot be started, fewer do the work. */
medroi_status medroi_run_tasks(medroi_task run, void *context, uint64_t n_tasks, uint32_t n_threads,
                               medroi_error *error);

#endif
