/* The one pass over an array: the sums for the mean, and the projections of the array and of its
 * erosion. Slabs of planes are swept by several threads; the result does not depend on how many. */
#include "base/parallel.h"
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

medroi_span medroi_slab(const medroi_search *search, uint64_t slab) {
    int64_t n_slabs = (int64_t)medroi_count_slabs(search);
    int64_t n_z = search->grid.n_z;
    medroi_span span = {(int64_t)slab * n_z / n_slabs, ((int64_t)slab + 1) * n_z / n_slabs};
    return span;
}

uint64_t medroi_count_slabs(const medroi_search *search) {
    uint64_t n = search->n_workers > 1 ? SLABS_PER_WORKER * (uint64_t)search->n_workers : 1;
    return n < (uint64_t)search->grid.n_z ? n : (uint64_t)search->grid.n_z;
}

static void add_up_row(const medroi_search *search, const void *row, medroi_sum *sum) {
    const uint8_t *bytes = row;
    size_t length = (size_t)search->grid.length;
    for (size_t start = 0; start < length; start += MEDROI_RUN_LENGTH) {
        size_t n = length - start < MEDROI_RUN_LENGTH ? length - start : MEDROI_RUN_LENGTH;
        search->ops->add_up(search->ops, bytes + start * search->source.nbytes, n,
                            search->background, sum);
    }
}

/* Sums and projections of plane z. The array's border is not in the erosion along the axes of the
 * opening. `clean` and what is returned are those of medroi_plane and its sweep. */
static int sweep_plane(const medroi_search *search, medroi_worker *worker, int64_t z, int clean,
                       medroi_sum *sum) {
    const medroi_grid *grid = &search->grid;
    const medroi_source *source = &worker->source;
    int64_t dz = search->opening.z;
    size_t place = (size_t)(z * grid->n_y) * source->nbytes;
    const medroi_peaks peaks = {search->row_peaks + place, search->row_cores + place,
                                worker->column_peaks, worker->column_cores};
    medroi_plane plane = {.rows = medroi_source_row(source, z, 0),
                          .row_nbytes = medroi_source_row_nbytes(source),
                          .n_rows = (size_t)grid->n_y,
                          .length = (size_t)grid->length,
                          .dy = search->opening.y != 0,
                          .step = (size_t)search->opening.x,
                          .clean = clean};
    if (z >= dz && z < grid->n_z - dz) {
        plane.before = medroi_source_row(source, z - dz, 0);
        plane.after = medroi_source_row(source, z + dz, 0);
    }
    if (sum && grid->length > MEDROI_RUN_LENGTH) {
        for (int64_t y = 0; y < grid->n_y; y++) {
            add_up_row(search, medroi_source_row(source, z, y), sum);
        }
        sum = NULL;
    }
    int clean_after = search->ops->sweep(search->ops, &plane, &peaks, search->background, sum);
    return dz && clean_after; /* else it was the plane itself */
}

/* All repeats of one slab. Floats are summed plane by plane; the sums of the planes are added here
 * by a single thread, else in medroi_sweep_array. */
static medroi_status sweep_slab(void *context, uint64_t task, uint32_t number,
                                medroi_error *error) {
    medroi_search *search = context;
    const medroi_grid *grid = &search->grid;
    medroi_worker *worker = &search->workers[number];
    medroi_span slab = medroi_slab(search, task);
    int mean = search->rule == MEDROI_THRESHOLD_MEAN;
    (void)error;
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        int clean = 0;
        int clean_after = 0;
        medroi_source_seek(&worker->source, repeat);
        for (int64_t z = slab.start - (slab.start > 0); z <= slab.start; z++) {
            medroi_source_load_plane(&worker->source, z);
        }
        for (int64_t z = slab.start; z < slab.stop; z++) {
            if (z + 1 < grid->n_z) {
                medroi_source_load_plane(&worker->source, z + 1);
            }
            double before = worker->sum.real;
            worker->sum.real = 0;
            int both_clean = clean && clean_after;
            clean = clean_after;
            clean_after = sweep_plane(search, worker, z, both_clean, mean ? &worker->sum : NULL);
            if (search->plane_sums) {
                search->plane_sums[repeat * grid->n_z + z] = worker->sum.real;
            }
            worker->sum.real += before;
        }
    }
    return MEDROI_OK;
}

static void merge_worker(const medroi_search *search, const medroi_worker *worker,
                         medroi_sum *total) {
    size_t length = (size_t)search->grid.length;
    search->ops->raise(search->column_peaks, worker->column_peaks, length);
    search->ops->raise(search->column_cores, worker->column_cores, length);
    medroi_sum_add_unsigned(total, worker->sum.low);
    total->high += worker->sum.high;
    total->count += worker->sum.count;
}

medroi_sum medroi_sweep_array(medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    size_t n_rows = (size_t)(grid->n_z * grid->n_y);
    size_t length = (size_t)grid->length;
    search->ops->clear(search->row_peaks, n_rows);
    search->ops->clear(search->row_cores, n_rows);
    for (uint32_t i = 0; i < search->n_workers; i++) {
        medroi_worker *worker = &search->workers[i];
        search->ops->clear(worker->column_peaks, length);
        search->ops->clear(worker->column_cores, length);
        memset(&worker->sum, 0, sizeof worker->sum);
    }
    (void)medroi_run_tasks(sweep_slab, search, medroi_count_slabs(search), search->n_workers, NULL);
    medroi_sum total = search->workers[0].sum;
    for (uint32_t i = 1; i < search->n_workers; i++) {
        merge_worker(search, &search->workers[i], &total);
    }
    if (search->plane_sums) {
        total.real = 0;
        for (int64_t i = 0; i < grid->n_repeats * grid->n_z; i++) {
            total.real += search->plane_sums[i];
        }
    }
    return total;
}
