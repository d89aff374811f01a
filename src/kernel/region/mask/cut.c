/* The tiles of a mask: the box they fill, and the tissue outside them. */
#include "base/lesser.h"
#include "grid/spans.h"
#include "mask/popcount.h"
#include "region/mask/mask.h"

medroi_grid_box medroi_box_of_tiles(const medroi_bits *tiles) {
    medroi_grid_box box = {{0, 0}, {0, 0}, {0, 0}};
    for (int64_t z = 0; z < tiles->n_z; z++) {
        for (int64_t y = 0; y < tiles->n_y; y++) {
            const uint64_t *row = medroi_bit_row(tiles, z, y);
            int64_t first = medroi_next_set(tiles, row, 0);
            if (first < tiles->n_x) {
                medroi_span_include(&box.z, z, z + 1);
                medroi_span_include(&box.y, y, y + 1);
                medroi_span_include(&box.x, first, medroi_last_set(tiles, row) + 1);
            }
        }
    }
    return box;
}

/* No tile outside the box is set, so that nothing beyond the rows has to be cleared. */
void medroi_cut_tiles(const medroi_bits *tiles, const medroi_grid_box *box, medroi_bits *cut) {
    uint64_t *words = cut->words;
    *cut = medroi_make_bits(box->z.stop - box->z.start, box->y.stop - box->y.start,
                            box->x.stop - box->x.start);
    cut->words = words;
    int64_t first = box->x.start >> 6;
    int64_t shift = box->x.start & 63;
    for (int64_t z = 0; z < cut->n_z; z++) {
        for (int64_t y = 0; y < cut->n_y; y++) {
            const uint64_t *row = medroi_bit_row(tiles, z + box->z.start, y + box->y.start) + first;
            uint64_t *to = medroi_bit_row(cut, z, y);
            for (int64_t i = 0; i < cut->n_words; i++) {
                uint64_t behind = first + i + 1 < tiles->n_words ? row[i + 1] : 0;
                to[i] = shift ? row[i] >> shift | behind << (64 - shift) : row[i];
            }
        }
    }
}

/* The rows of voxels in a row of tiles. */
#define COUNT_CUBE_ROWS(popcount_of)                                                               \
    {                                                                                              \
        for (int64_t i = 0; i < n_words; i++) {                                                    \
            uint64_t any = medroi_any_of_rows(rows, n_rows, i);                                    \
            uint64_t outside = any == 0 ? 0 : any & ~medroi_tile_voxels(tiles, i);                 \
            for (int k = 0; k < n_rows && any != 0; k++) {                                         \
                counts->n_tissue += popcount_of(rows[k][i]);                                       \
            }                                                                                      \
            for (int k = 0; k < n_rows && outside != 0; k++) {                                     \
                counts->n_missed += popcount_of(rows[k][i] & outside);                             \
            }                                                                                      \
        }                                                                                          \
    }

POPCNT static void count_by_instruction(const uint64_t *const *rows, int n_rows, int64_t n_words,
                                        const uint64_t *tiles, medroi_counts *counts)
    COUNT_CUBE_ROWS(medroi_popcount_instruction)

        static void count_by_sums(const uint64_t *const *rows, int n_rows, int64_t n_words,
                                  const uint64_t *tiles, medroi_counts *counts)
            COUNT_CUBE_ROWS(medroi_popcount_sums)

    /* Rows in which several elements make a voxel. */
    static void count_wide_row(const medroi_grid *grid, const medroi_bits *tiles,
                               const uint64_t *tile_row, const uint64_t *row,
                               medroi_counts *counts) {
    const int64_t e = MEDROI_TILE_EDGE;
    uint64_t n_all = medroi_count_run(row, 0, grid->length);
    int64_t start = medroi_next_set(tiles, tile_row, 0);
    counts->n_tissue += n_all;
    counts->n_missed += n_all;
    while (start < tiles->n_x) {
        int64_t stop = medroi_next_clear(tiles, tile_row, start);
        counts->n_missed -= medroi_count_run(row, start * e * grid->inner,
                                             medroi_lesser(stop * e, grid->n_x) * grid->inner);
        start = medroi_next_set(tiles, tile_row, stop);
    }
}

medroi_counts medroi_count_outside(const medroi_grid *grid, const medroi_bits *tissue,
                                   const medroi_bits *tiles) {
    const int64_t e = MEDROI_TILE_EDGE;
    medroi_counts counts = {0, 0};
    medroi_bits repeat = *tissue;
    repeat.n_z = grid->n_z;
    for (int64_t k = 0; k < grid->n_repeats * tiles->n_z * tiles->n_y; k++) {
        int64_t z = k / tiles->n_y % tiles->n_z;
        int64_t y = k % tiles->n_y;
        const uint64_t *tile_row = medroi_bit_row(tiles, z, y);
        const uint64_t *rows[MEDROI_TILE_EDGE * MEDROI_TILE_EDGE];
        repeat.words = medroi_bit_row(tissue, k / tiles->n_y / tiles->n_z * grid->n_z, 0);
        int n_rows = medroi_cube_rows(&repeat, z * e, y * e, e, rows);
        if (grid->inner == 1 && HAS_POPCNT) {
            count_by_instruction(rows, n_rows, tissue->n_words, tile_row, &counts);
        } else if (grid->inner == 1) {
            count_by_sums(rows, n_rows, tissue->n_words, tile_row, &counts);
        } else {
            for (int i = 0; i < n_rows; i++) {
                count_wide_row(grid, tiles, tile_row, rows[i], &counts);
            }
        }
    }
    return counts;
}
