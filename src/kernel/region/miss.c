/* The guarantee: how many tissue voxels a box misses, and the box that misses few enough. */
#include "region/search.h"

#include <string.h>

/* Tissue in the rows [start, stop) of one layer, whose words lie behind one another. */
static uint64_t count_rows(const medroi_bits *tissue, int64_t layer, int64_t start, int64_t stop) {
    return medroi_count_run(medroi_bit_row(tissue, layer, start), 0,
                            (stop - start) * tissue->n_words * 64);
}

static int contains(const medroi_span *span, int64_t i) {
    return i >= span->start && i < span->stop;
}

/* Where a box ends among the elements of a row. */
static medroi_span row_span(const medroi_grid *grid, const medroi_grid_box *box) {
    medroi_span span = {box->x.start * grid->inner, box->x.stop * grid->inner};
    return span;
}

static uint64_t count_outside(const medroi_search *search, const medroi_grid_box *box) {
    const medroi_grid *grid = &search->grid;
    const medroi_bits *tissue = &search->tissue;
    medroi_span x = row_span(grid, box);
    int whole = x.start == 0 && x.stop == grid->length;
    uint64_t n = 0;
    for (int64_t k = 0; k < tissue->n_z; k++) {
        if (medroi_grid_box_is_empty(box) || !contains(&box->z, k % grid->n_z)) {
            n += count_rows(tissue, k, 0, grid->n_y);
            continue;
        }
        n += count_rows(tissue, k, 0, box->y.start) + count_rows(tissue, k, box->y.stop, grid->n_y);
        if (!whole) {
            n += medroi_count_beside(tissue, medroi_bit_row(tissue, k, box->y.start),
                                     box->y.stop - box->y.start, x.start, x.stop);
        }
    }
    return n;
}

medroi_counts medroi_count_tissue(const medroi_search *search, const medroi_grid_box *box) {
    medroi_counts counts = {0, count_outside(search, box)};
    if (counts.n_missed > 0) {
        counts.n_tissue = medroi_count_bits(&search->tissue);
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

/* Count the set bits [start, stop) of a row at their places along x. */
static void count_places(const medroi_search *search, const uint64_t *row, int64_t start,
                         int64_t stop) {
    for (int64_t i = start >> 6; i * 64 < stop; i++) {
        uint64_t left = row[i] & medroi_run_mask(i, start, stop);
        for (; left != 0; left &= left - 1) {
            search->x_counts[(i * 64 + medroi_lowest_bit(left)) / search->grid.inner]++;
        }
    }
}

/* Of layers inside the box, which stay, only that they are there. */
static void begin_counts(uint64_t *counts, int64_t n, const medroi_span *span) {
    for (int64_t i = 0; i < n; i++) {
        counts[i] = (uint64_t)contains(span, i);
    }
}

static void count_layers(medroi_search *search, const medroi_grid_box *box) {
    const medroi_grid *grid = &search->grid;
    medroi_span x = row_span(grid, box);
    begin_counts(search->z_counts, grid->n_z, &box->z);
    begin_counts(search->y_counts, grid->n_y, &box->y);
    begin_counts(search->x_counts, grid->n_x, &box->x);
    for (int64_t k = 0; k < search->tissue.n_z; k++) {
        int64_t z = k % grid->n_z;
        if (!contains(&box->z, z)) {
            search->z_counts[z] += count_rows(&search->tissue, k, 0, grid->n_y);
        }
        for (int64_t y = 0; y < grid->n_y; y++) {
            const uint64_t *row = medroi_bit_row(&search->tissue, k, y);
            if (!contains(&box->y, y)) {
                search->y_counts[y] += medroi_count_run(row, 0, grid->length);
            }
            count_places(search, row, 0, x.start);
            count_places(search, row, x.stop, grid->length);
        }
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
    count_layers(search, box);
    return medroi_trim_box(search, box, n_allowed);
}
