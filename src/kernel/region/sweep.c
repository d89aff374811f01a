/* Passes over a whole array: the sum for the mean, and bits of tissue and of signal. Slabs of
 * planes are read by several threads; the result does not depend on how many. */
#include "base/lesser.h"
#include "base/parallel.h"
#include "region/padding.h"
#include "region/search.h"

#include <string.h>

/* Below this a thread costs more than it brings. */
#define MIN_NBYTES_PER_WORKER ((size_t)1 << 20)
#define SLABS_PER_WORKER 4

uint32_t medroi_count_workers(const medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    size_t nbytes = (size_t)medroi_grid_n_elements(grid) * search->source.nbytes;
    size_t n = search->options->n_threads;
    n = n < MEDROI_MAX_THREADS ? n : MEDROI_MAX_THREADS;
    n = n < nbytes / MIN_NBYTES_PER_WORKER ? n : nbytes / MIN_NBYTES_PER_WORKER;
    n = n < (size_t)grid->n_z / 4 ? n : (size_t)grid->n_z / 4;
    return n > 1 ? (uint32_t)n : 1;
}

static uint64_t count_slabs(const medroi_search *search) {
    uint64_t n = search->n_workers > 1 ? SLABS_PER_WORKER * (uint64_t)search->n_workers : 1;
    return n < (uint64_t)search->grid.n_z ? n : (uint64_t)search->grid.n_z;
}

static medroi_span slab_of(const medroi_search *search, uint64_t slab) {
    int64_t n_slabs = (int64_t)count_slabs(search);
    int64_t n_z = search->grid.n_z;
    medroi_span span = {(int64_t)slab * n_z / n_slabs, ((int64_t)slab + 1) * n_z / n_slabs};
    return span;
}

/* --- sums --- */

/* Rows that can be summed at once: of integers, whose sum is exact in any order, all that lie
 * behind one another and make a run together. */
static int64_t rows_at_once(const medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    int dense = grid->y_stride == grid->length && !medroi_source_converts(&search->source);
    int64_t n = MEDROI_RUN_LENGTH / grid->length;
    return dense && n > 1 && !medroi_element_is_float(search->type) ? n : 1;
}

static void add_up_plane(const medroi_search *search, medroi_worker *worker, int64_t z) {
    const medroi_grid *grid = &search->grid;
    int64_t step = rows_at_once(search);
    for (int64_t y = 0; y < grid->n_y; y += step) {
        const uint8_t *row = medroi_source_single_row(&worker->source, z, y);
        int64_t length = medroi_lesser(step, grid->n_y - y) * grid->length;
        for (int64_t start = 0; start < length; start += MEDROI_RUN_LENGTH) {
            search->ops->add_up(search->ops, row + (size_t)start * search->source.nbytes,
                                (size_t)medroi_lesser(MEDROI_RUN_LENGTH, length - start),
                                search->background, &worker->sum);
        }
    }
}

/* Floats are summed plane by plane; the sums of the planes are added here by a single thread, else
 * in medroi_sum_array. */
static medroi_status sum_slab(void *context, uint64_t task, uint32_t number, medroi_error *error) {
    medroi_search *search = context;
    const medroi_grid *grid = &search->grid;
    medroi_worker *worker = &search->workers[number];
    medroi_span slab = slab_of(search, task);
    (void)error;
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(&worker->source, repeat);
        for (int64_t z = slab.start; z < slab.stop; z++) {
            double before = worker->sum.real;
            worker->sum.real = 0;
            add_up_plane(search, worker, z);
            if (search->plane_sums) {
                search->plane_sums[repeat * grid->n_z + z] = worker->sum.real;
            }
            worker->sum.real += before;
        }
    }
    return MEDROI_OK;
}

medroi_sum medroi_sum_array(medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    for (uint32_t i = 0; i < search->n_workers; i++) {
        memset(&search->workers[i].sum, 0, sizeof search->workers[i].sum);
    }
    (void)medroi_run_tasks(sum_slab, search, count_slabs(search), search->n_workers, NULL);
    medroi_sum total = search->workers[0].sum;
    for (uint32_t i = 1; i < search->n_workers; i++) {
        const medroi_sum *sum = &search->workers[i].sum;
        medroi_sum_add_unsigned(&total, sum->low);
        total.high += sum->high;
        total.count += sum->count;
    }
    if (search->plane_sums) {
        total.real = 0;
        for (int64_t i = 0; i < grid->n_repeats * grid->n_z; i++) {
            total.real += search->plane_sums[i];
        }
    }
    return total;
}

/* --- marks --- */

/* Shared by the threads. */
typedef struct marking {
    medroi_search *search;
    int with_padding;
} marking;

/* The first row, of `row` and those behind it, that tells whether there are values beyond the
 * floor; -1 where none has to. */
static int64_t next_looked_at(const medroi_search *search, int64_t row) {
    int64_t step = search->floor_step;
    return step > 0 ? (row + step - 1) / step * step : -1;
}

static void mark_row(const marking *job, const void *row, int64_t layer, int64_t y) {
    const medroi_search *search = job->search;
    size_t length = (size_t)search->grid.length;
    uint64_t *bits = medroi_bit_row(&search->tissue, layer, y);
    uint64_t *beyond = medroi_bit_row(&search->beyond, layer, y);
    if (bits == beyond) {
        search->ops->mark(search->ops, row, length, search->tau.element, bits);
    } else {
        search->ops->mark_both(search->ops, row, length, search->tau.element,
                               search->signal.element, bits, beyond);
    }
    if (!job->with_padding) {
        medroi_unmark_padding(search, row, bits);
        for (int64_t i = 0; i < search->tissue.n_words; i++) {
            beyond[i] &= bits[i];
        }
    }
}

static medroi_status mark_slab(void *context, uint64_t task, uint32_t number, medroi_error *error) {
    const marking *job = context;
    const medroi_grid *grid = &job->search->grid;
    medroi_worker *worker = &job->search->workers[number];
    medroi_span slab = slab_of(job->search, task);
    (void)error;
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(&worker->source, repeat);
        for (int64_t z = slab.start; z < slab.stop; z++) {
            int64_t layer = repeat * grid->n_z + z;
            int64_t next = next_looked_at(job->search, layer * grid->n_y);
            for (int64_t y = 0; y < grid->n_y; y++) {
                const void *row = medroi_source_single_row(&worker->source, z, y);
                mark_row(job, row, layer, y);
                if (layer * grid->n_y + y == next && !worker->has_floor) {
                    worker->has_floor = medroi_is_beyond_floor(job->search, row) != 0;
                    next += job->search->floor_step;
                }
            }
        }
    }
    return MEDROI_OK;
}

void medroi_mark_tissue(medroi_search *search, int with_padding) {
    marking job = {search, with_padding || !medroi_padding_is_tissue(search)};
    int differ = search->signal.tissue == MEDROI_TISSUE_SOME &&
                 search->signal.element.u != search->tau.element.u;
    search->marks_padding = with_padding != 0;
    search->beyond.words = differ ? search->level_words : search->tissue.words;
    (void)medroi_run_tasks(mark_slab, &job, count_slabs(search), search->n_workers, NULL);
    for (uint32_t i = 0; i < search->n_workers; i++) {
        search->has_floor |= search->workers[i].has_floor;
    }
    search->floor_step = 0;
}
