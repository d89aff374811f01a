/* From the projections and tau to the box. Erosion commutes with thresholding, so the box of the
 * opened tissue follows from the projections of the eroded array, without a second pass. */
#include "grid/spans.h"
#include "region/search.h"

#include <string.h>

static void include_flagged(medroi_span *span, int64_t i) {
    if (span->start == span->stop) {
        span->start = i;
    }
    span->stop = i + 1;
}

/* The bounds of what is set in the flags of rows and columns. */
static medroi_grid_box box_of_flags(const medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    medroi_grid_box box = {{0, 0}, {0, 0}, {0, 0}};
    for (int64_t z = 0; z < grid->n_z; z++) {
        const uint8_t *flags = search->row_flags + z * grid->n_y;
        const uint8_t *first = memchr(flags, 1, (size_t)grid->n_y);
        if (first) {
            include_flagged(&box.z, z);
            int64_t low = first - flags;
            int64_t high = grid->n_y;
            while (!flags[high - 1]) {
                high--;
            }
            int empty = box.y.start == box.y.stop;
            box.y.start = empty || low < box.y.start ? low : box.y.start;
            box.y.stop = high > box.y.stop ? high : box.y.stop;
        }
    }
    for (int64_t i = 0; i < grid->length; i++) {
        if (search->column_flags[i]) {
            include_flagged(&box.x, i / grid->inner);
        }
    }
    return box;
}

/* The opening gives back the one layer that the erosion took, and the padding is added. */
static medroi_grid_box pad_core(const medroi_search *search, medroi_grid_box core,
                                int64_t padding) {
    const medroi_grid *grid = &search->grid;
    const medroi_reach *opening = &search->opening;
    if (medroi_grid_box_is_empty(&core)) {
        return core;
    }
    core.z =
        medroi_span_widen(medroi_span_widen(core.z, grid->n_z, opening->z), grid->n_z, padding);
    core.y =
        medroi_span_widen(medroi_span_widen(core.y, grid->n_y, opening->y), grid->n_y, padding);
    core.x = medroi_span_widen(medroi_span_widen(core.x, grid->n_x, opening->x != 0), grid->n_x,
                               padding);
    return core;
}

medroi_grid_box medroi_find_box(medroi_search *search, medroi_counts *counts) {
    const medroi_grid *grid = &search->grid;
    const medroi_region_options *options = search->options;
    size_t n_rows = (size_t)(grid->n_z * grid->n_y);
    size_t length = (size_t)grid->length;
    medroi_scalar tau = search->tau.element;
    search->ops->flag(search->ops, search->row_cores, n_rows, tau, search->row_flags);
    search->ops->flag(search->ops, search->column_cores, length, tau, search->column_flags);
    medroi_grid_box box = pad_core(search, box_of_flags(search), options->padding);
    search->ops->flag(search->ops, search->row_peaks, n_rows, tau, search->row_flags);
    search->ops->flag(search->ops, search->column_peaks, length, tau, search->column_flags);
    *counts = medroi_count_tissue(search, &box);
    uint64_t allowed = medroi_allowed_misses(counts->n_tissue, options->max_miss_rate);
    if (counts->n_missed > allowed) {
        box = medroi_grow_box(search, &box, allowed);
        *counts = medroi_count_tissue(search, &box);
    }
    return box;
}
