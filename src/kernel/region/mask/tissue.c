/* Tissue as bits, before and after the opening (mask.h, step 1). */
#include "base/arena.h"
#include "region/mask/mask.h"

typedef struct work {
    medroi_tissue_bits found;
    medroi_bits eroded; /* one repeat */
    medroi_bits again;  /* its opening, where that is not found.opened itself */
} work;

static int is_simple(const medroi_grid *grid) { return grid->n_repeats == 1 && grid->inner == 1; }

static size_t place(const medroi_grid *grid, work *w, uint8_t *scratch) {
    w->found.opened = medroi_make_bits(grid->n_z, grid->n_y, grid->n_x);
    w->eroded = medroi_make_bits(grid->n_z, grid->n_y, grid->length);
    w->again = w->eroded;
    const medroi_stretch arrays[] = {
        {(void **)&w->found.opened.words, medroi_bits_nbytes(&w->found.opened)},
        {(void **)&w->eroded.words, medroi_bits_nbytes(&w->eroded)},
        {(void **)&w->again.words, is_simple(grid) ? 0 : medroi_bits_nbytes(&w->again)},
    };
    return medroi_place(arrays, sizeof arrays / sizeof arrays[0], scratch);
}

size_t medroi_tissue_bits_nbytes(const medroi_grid *grid) {
    work w;
    return place(grid, &w, NULL);
}

/* Add one repeat's opening to that of all, `inner` places of a row to one. */
static void add_opened(const medroi_grid *grid, const work *w) {
    for (int64_t k = 0; k < grid->n_z * grid->n_y; k++) {
        const uint64_t *row = w->again.words + k * w->again.n_words;
        uint64_t *opened = w->found.opened.words + k * w->found.opened.n_words;
        if (grid->inner == 1) {
            for (int64_t i = 0; i < w->again.n_words; i++) {
                opened[i] |= row[i];
            }
            continue;
        }
        int64_t place = medroi_next_set(&w->again, row, 0);
        while (place < grid->length) {
            int64_t x = place / grid->inner;
            medroi_set_bit(opened, x);
            place = medroi_next_set(&w->again, row, (x + 1) * grid->inner);
        }
    }
}

medroi_tissue_bits medroi_find_tissue_bits(medroi_search *search, uint8_t *scratch) {
    const medroi_grid *grid = &search->grid;
    work w;
    place(grid, &w, scratch);
    w.found.tissue = search->tissue;
    w.found.spare = w.eroded;
    medroi_mark_tissue(search, 0);
    medroi_reach reach = search->opening;
    if (is_simple(grid)) {
        w.again = w.found.opened;
    } else {
        medroi_clear_bits(&w.found.opened);
    }
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_bits tissue = w.eroded;
        tissue.words = medroi_bit_row(&w.found.tissue, repeat * grid->n_z, 0);
        medroi_erode_cross(&w.eroded, &tissue, reach, 1);
        medroi_dilate_cross(&w.again, &w.eroded, reach);
        if (!is_simple(grid)) {
            add_opened(grid, &w);
        }
    }
    return w.found;
}
