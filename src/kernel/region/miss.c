/* The guarantee: how many tissue voxels a box misses, and the box that misses few enough. */
#include "base/parallel.h"
#include "region/search.h"

#include <string.h>

static uint64_t count_row(const medroi_search *search, const void *row, size_t start, size_t stop) {
    const uint8_t *bytes = row;
    uint64_t count = 0;
    while (start < stop) {
        size_t n = stop - start < MEDROI_RUN_LENGTH ? stop - start : MEDROI_RUN_LENGTH;
        count += search->ops->count(search->ops, bytes + start * search->source.nbytes, n,
                                    search->tau.element);
        start += n;
    }
    return count;
}

static int any_set(const uint8_t *flags, int64_t start, int64_t stop) {
    return start < stop && memchr(flags + start, 1, (size_t)(stop - start)) != NULL;
}

static int contains(const medroi_span *span, int64_t i) {
    return i >= span->start && i < span->stop;
}

static int row_in_box(const medroi_grid_box *box, int64_t z, int64_t y) {
    return contains(&box->z, z) && contains(&box->y, y) && box->x.start < box->x.stop;
}

/* Whether the projections leave any place outside the box where tissue may be. */
static int may_miss(const medroi_search *search, const medroi_grid_box *box) {
    const medroi_grid *grid = &search->grid;
    if (any_set(search->column_flags, 0, box->x.start * grid->inner) ||
        any_set(search->column_flags, box->x.stop * grid->inner, grid->length)) {
        return 1;
    }
    for (int64_t z = 0; z < grid->n_z; z++) {
        const uint8_t *flags = search->row_flags + z * grid->n_y;
        if (!contains(&box->z, z)
                ? any_set(flags, 0, grid->n_y)
                : any_set(flags, 0, box->y.start) || any_set(flags, box->y.stop, grid->n_y)) {
            return 1;
        }
    }
    return 0;
}

/* Shared by the threads of one count. */
typedef struct counting {
    medroi_search *search;
    const medroi_grid_box *box;
} counting;

static void count_outside(const counting *job, medroi_worker *worker, int64_t z, int64_t y) {
    const medroi_search *search = job->search;
    const medroi_grid_box *box = job->box;
    const void *row = medroi_source_single_row(&worker->source, z, y);
    size_t length = (size_t)search->grid.length;
    uint64_t inside = 0;
    uint64_t outside = 0;
    if (row_in_box(box, z, y)) {
        size_t start = (size_t)(box->x.start * search->grid.inner);
        size_t stop = (size_t)(box->x.stop * search->grid.inner);
        inside = count_row(search, row, start, stop);
        outside = count_row(search, row, 0, start) + count_row(search, row, stop, length);
    } else {
        outside = count_row(search, row, 0, length);
    }
    worker->counts.n_tissue += inside + outside;
    worker->counts.n_missed += outside;
}

static medroi_status count_slab(void *context, uint64_t task, uint32_t number,
                                medroi_error *error) {
    const counting *job = context;
    const medroi_grid *grid = &job->search->grid;
    medroi_worker *worker = &job->search->workers[number];
    medroi_span slab = medroi_slab(job->search, task);
    (void)error;
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(&worker->source, repeat);
        for (int64_t z = slab.start; z < slab.stop; z++) {
            for (int64_t y = 0; y < grid->n_y; y++) {
                if (job->search->row_flags[z * grid->n_y + y]) {
                    count_outside(job, worker, z, y);
                }
            }
        }
    }
    return MEDROI_OK;
}

medroi_counts medroi_count_tissue(medroi_search *search, const medroi_grid_box *box) {
    counting job = {search, box};
    medroi_counts counts = {0, 0};
    if (!may_miss(search, box)) {
        return counts;
    }
    for (uint32_t i = 0; i < search->n_workers; i++) {
        search->workers[i].counts = counts;
    }
    (void)medroi_run_tasks(count_slab, &job, medroi_count_slabs(search), search->n_workers, NULL);
    for (uint32_t i = 0; i < search->n_workers; i++) {
        counts.n_tissue += search->workers[i].counts.n_tissue;
        counts.n_missed += search->workers[i].counts.n_missed;
    }
    return counts;
}

uint64_t medroi_allowed_misses(uint64_t n_tissue, double max_miss_rate) {
    uint64_t allowed = (uint64_t)((double)n_tissue * max_miss_rate);
    allowed = allowed < n_tissue ? allowed : n_tissue;
    while (allowed > 0 && (double)allowed / (double)n_tissue > max_miss_rate) {
        allowed--;
    }
    return allowed;
}

static void count_layers(medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    memset(search->z_counts, 0, (size_t)grid->n_z * sizeof *search->z_counts);
    memset(search->y_counts, 0, (size_t)grid->n_y * sizeof *search->y_counts);
    memset(search->x_counts, 0, (size_t)grid->length * sizeof *search->x_counts);
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(&search->source, repeat);
        for (int64_t z = 0; z < grid->n_z; z++) {
            for (int64_t y = 0; y < grid->n_y; y++) {
                if (search->row_flags[z * grid->n_y + y]) {
                    const void *row = medroi_source_single_row(&search->source, z, y);
                    uint64_t n = search->ops->tally(search->ops, row, (size_t)grid->length,
                                                    search->tau.element, search->x_counts);
                    search->z_counts[z] += n;
                    search->y_counts[y] += n;
                }
            }
        }
    }
    for (int64_t x = 0; x < grid->n_x; x++) { /* in place: x <= x * inner */
        uint64_t n = 0;
        for (int64_t i = 0; i < grid->inner; i++) {
            n += search->x_counts[x * grid->inner + i];
        }
        search->x_counts[x] = n;
    }
}

/* The layers of `counts` that hold anything, widened to `span` unless that is empty. */
static medroi_span span_of_counts(const uint64_t *counts, int64_t n, int keep, medroi_span span) {
    medroi_span found = {0, n};
    while (found.start < found.stop && counts[found.start] == 0) {
        found.start++;
    }
    while (found.stop > found.start && counts[found.stop - 1] == 0) {
        found.stop--;
    }
    if (keep) {
        found.start = found.start < span.start ? found.start : span.start;
        found.stop = found.stop > span.stop ? found.stop : span.stop;
    }
    return found;
}

/* One end of one axis from which layers can be trimmed. */
typedef struct end_of_axis {
    int32_t axis; /* of the array */
    medroi_span *span;
    const uint64_t *counts;
    int64_t limit; /* keep the layers from (upper end: up to) here */
    int upper;
} end_of_axis;

static int can_trim(const end_of_axis *end, int keep) {
    if (end->span->start >= end->span->stop) {
        return 0;
    }
    return !keep || (end->upper ? end->span->stop > end->limit : end->span->start < end->limit);
}

/* Layers are taken off, the emptiest first; of two alike the one of the earlier axis of the array,
 * so that the order in memory plays no part. A voxel in two of them is counted twice, so what is
 * missed is at most what was counted. */
medroi_grid_box medroi_trim_box(const medroi_search *search, const medroi_grid_box *box,
                                uint64_t n_allowed) {
    const medroi_grid *grid = &search->grid;
    int keep = !medroi_grid_box_is_empty(box);
    medroi_grid_box grown = {
        span_of_counts(search->z_counts, grid->n_z, keep, box->z),
        span_of_counts(search->y_counts, grid->n_y, keep, box->y),
        span_of_counts(search->x_counts, grid->n_x, keep, box->x),
    };
    const end_of_axis ends[6] = {
        {grid->axis[0], &grown.z, search->z_counts, box->z.start, 0},
        {grid->axis[0], &grown.z, search->z_counts, box->z.stop, 1},
        {grid->axis[1], &grown.y, search->y_counts, box->y.start, 0},
        {grid->axis[1], &grown.y, search->y_counts, box->y.stop, 1},
        {grid->axis[2], &grown.x, search->x_counts, box->x.start, 0},
        {grid->axis[2], &grown.x, search->x_counts, box->x.stop, 1},
    };
    for (;;) {
        const end_of_axis *best = NULL;
        uint64_t fewest = 0;
        for (int i = 0; i < 6; i++) {
            if (can_trim(&ends[i], keep)) {
                medroi_span *span = ends[i].span;
                uint64_t n = ends[i].counts[ends[i].upper ? span->stop - 1 : span->start];
                if (!best || n < fewest || (n == fewest && ends[i].axis < best->axis)) {
                    best = &ends[i];
                    fewest = n;
                }
            }
        }
        if (!best || fewest > n_allowed) {
            return grown;
        }
        n_allowed -= fewest;
        if (best->upper) {
            best->span->stop--;
        } else {
            best->span->start++;
        }
    }
}

medroi_grid_box medroi_grow_box(medroi_search *search, const medroi_grid_box *box,
                                uint64_t n_allowed) {
    count_layers(search);
    return medroi_trim_box(search, box, n_allowed);
}
