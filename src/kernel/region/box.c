/* From tissue to the box: the bounds of the eroded tissue are those of the opened, less one layer.
 */
#include "grid/spans.h"
#include "region/search.h"

#include <string.h>

static void include_plane(const medroi_search *search, int64_t z, medroi_grid_box *box) {
    const medroi_bits *bits = &search->tissue;
    const medroi_grid *grid = &search->grid;
    for (int64_t y = 0; y < grid->n_y; y++) {
        const uint64_t *row = search->eroded + y * bits->n_words;
        int64_t first = medroi_next_set(bits, row, 0);
        if (first < grid->length) {
            medroi_span_include(&box->z, z, z + 1);
            medroi_span_include(&box->y, y, y + 1);
            medroi_span_include(&box->x, first / grid->inner,
                                medroi_last_set(bits, row) / grid->inner + 1);
        }
    }
}

/* The bounds of the eroded tissue of all repeats; the border of the volume is not in it. */
static medroi_grid_box box_of_cores(const medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    medroi_grid_box box = {{0, 0}, {0, 0}, {0, 0}};
    medroi_bits repeat = search->tissue;
    repeat.n_z = grid->n_z;
    for (int64_t k = 0; k < search->tissue.n_z; k++) {
        repeat.words = medroi_bit_row(&search->tissue, k / grid->n_z * grid->n_z, 0);
        medroi_erode_plane(search->eroded, &repeat, k % grid->n_z, search->opening, 0);
        include_plane(search, k % grid->n_z, &box);
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
    const medroi_region_options *options = search->options;
    medroi_grid_box box = pad_core(search, box_of_cores(search), options->padding);
    *counts = medroi_count_tissue(search, &box);
    uint64_t allowed = medroi_allowed_misses(counts->n_tissue, options->max_miss_rate);
    if (counts->n_missed > allowed) {
        box = medroi_grow_box(search, &box, allowed);
        *counts = medroi_count_tissue(search, &box);
    }
    return box;
}
