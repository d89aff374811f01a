/* From tissue to the box: the bounds of the eroded tissue are those of the opened, less one layer.
 */
#include "grid/spans.h"
#include "region/search.h"

#include <string.h>

static int is_clear(const uint64_t *row, int64_t n_words) {
    uint64_t any = 0;
    for (int64_t i = 0; i < n_words; i++) {
        any |= row[i];
    }
    return any == 0;
}

/* Include the eroded plane; its rows are gathered in the first of those that are not clear. */
static void include_plane(const medroi_search *search, int64_t z, medroi_grid_box *box) {
    const medroi_bits *bits = &search->tissue;
    const medroi_grid *grid = &search->grid;
    int64_t n_words = bits->n_words, start = 0, stop = grid->n_y;
    while (start < stop && is_clear(search->eroded + start * n_words, n_words)) {
        start++;
    }
    while (start < stop && is_clear(search->eroded + (stop - 1) * n_words, n_words)) {
        stop--;
    }
    if (start == stop) {
        return;
    }
    uint64_t *all = search->eroded + start * n_words;
    for (int64_t y = start + 1; y < stop; y++) {
        for (int64_t i = 0; i < n_words; i++) {
            all[i] |= search->eroded[y * n_words + i];
        }
    }
    medroi_span_include(&box->z, z, z + 1);
    medroi_span_include(&box->y, start, stop);
    medroi_span_include(&box->x, medroi_next_set(bits, all, 0) / grid->inner,
                        medroi_last_set(bits, all) / grid->inner + 1);
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
