/* Independent tasks on several threads, which live no longer than the call. */
#include "base/parallel.h"

static medroi_status run_in_order(medroi_task run, void *context, uint64_t n_tasks,
                                  medroi_error *error) {
    medroi_status status = MEDROI_OK;
    for (uint64_t task = 0; status == MEDROI_OK && task < n_tasks; task++) {
        status = run(context, task, 0, error);
    }
    return status;
}

#if defined(_WIN32) || defined(__STDC_NO_ATOMICS__)
medroi_status medroi_run_tasks(medroi_task run, void *context, uint64_t n_tasks, uint32_t n_threads,
                               medroi_error *error) {
    (void)n_threads;
    return run_in_order(run, context, n_tasks, error);
}
#else
#include <pthread.h>
#include <stdatomic.h>

typedef struct shared {
    medroi_task run;
    void *context;
    uint64_t n_tasks;
    atomic_uint_fast64_t next;
} shared;

typedef struct worker {
    shared *work;
    uint32_t number;
    uint64_t failed_task; /* n_tasks: none */
    medroi_status status;
    medroi_error error;
} worker;

/* Tasks are handed out in order, so every task before a failed one was started by somebody. */
static void *work(void *argument) {
    worker *self = argument;
    for (;;) {
        uint64_t task = atomic_fetch_add(&self->work->next, 1);
        if (task >= self->work->n_tasks) {
            return NULL;
        }
        self->status = self->work->run(self->work->context, task, self->number, &self->error);
        if (self->status != MEDROI_OK) {
            self->failed_task = task;
            atomic_store(&self->work->next, self->work->n_tasks);
            return NULL;
        }
    }
}

medroi_status medroi_run_tasks(medroi_task run, void *context, uint64_t n_tasks, uint32_t n_threads,
                               medroi_error *error) {
    worker workers[MEDROI_MAX_THREADS];
    pthread_t threads[MEDROI_MAX_THREADS];
    shared all = {.run = run, .context = context, .n_tasks = n_tasks};
    const worker *first = NULL;
    uint32_t n_started = 1;
    n_threads = n_threads > MEDROI_MAX_THREADS ? MEDROI_MAX_THREADS : n_threads;
    n_threads = n_threads > n_tasks ? (uint32_t)n_tasks : n_threads;
    if (n_threads < 2) {
        return run_in_order(run, context, n_tasks, error);
    }
    atomic_init(&all.next, 0);
    for (uint32_t i = 0; i < n_threads; i++) {
        workers[i] = (worker){.work = &all, .number = i, .failed_task = n_tasks};
    }
    while (n_started < n_threads &&
           pthread_create(&threads[n_started], NULL, work, &workers[n_started]) == 0) {
        n_started++;
    }
    (void)work(&workers[0]);
    for (uint32_t i = 1; i < n_started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    for (uint32_t i = 0; i < n_started; i++) {
        if (workers[i].status != MEDROI_OK &&
            (first == NULL || workers[i].failed_task < first->failed_task)) {
            first = &workers[i];
        }
    }
    if (first == NULL) {
        return MEDROI_OK;
    }
    return medroi_fail(error, first->status, "%s", first->error.text);
}
#endif
