/* From opened tissue to the tiles of its mask (mask.h, steps 3 to 5). */
#include "base/arena.h"
#include "region/mask/mask.h"
#include "region/spacing.h"

#include <string.h>

#define PAD MEDROI_MAX_CLOSING

typedef struct work {
    medroi_bits spare;  /* of voxels */
    medroi_bits padded; /* tiles with room for the closing around them */
    medroi_bits along_z;
    medroi_bits along_y;
    medroi_bits tiles;
} work;

static int64_t tiles_along(int64_t n) { return (n + MEDROI_TILE_EDGE - 1) / MEDROI_TILE_EDGE; }

static size_t place(int64_t n_z, int64_t n_y, int64_t n_x, work *w, uint8_t *scratch) {
    int64_t z = tiles_along(n_z);
    int64_t y = tiles_along(n_y);
    int64_t x = tiles_along(n_x);
    w->spare = medroi_make_bits(n_z, n_y, n_x);
    w->padded = medroi_make_bits(z + 2 * PAD, y + 2 * PAD, x + 2 * PAD);
    w->along_z = w->along_y = w->padded;
    w->tiles = medroi_make_bits(z, y, x);
    const medroi_stretch arrays[] = {
        {(void **)&w->spare.words, medroi_bits_nbytes(&w->spare)},
        {(void **)&w->padded.words, medroi_bits_nbytes(&w->padded)},
        {(void **)&w->along_z.words, medroi_bits_nbytes(&w->padded)},
        {(void **)&w->along_y.words, medroi_bits_nbytes(&w->padded)},
        {(void **)&w->tiles.words, medroi_bits_nbytes(&w->tiles)},
    };
    return medroi_place(arrays, sizeof arrays / sizeof arrays[0], scratch);
}

size_t medroi_mask_tiles_nbytes(const medroi_grid *grid) {
    work w;
    return place(grid->n_z, grid->n_y, grid->n_x, &w, NULL);
}

/* Pairs of bits to one each: 32 bits. */
static uint64_t halve(uint64_t v) {
    v = (v | v >> 1) & UINT64_C(0x5555555555555555);
    v = (v | v >> 1) & UINT64_C(0x3333333333333333);
    v = (v | v >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    v = (v | v >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (v | v >> 16) & UINT64_C(0xffffffff);
}

/* Or 32 bits into a row from bit `start` on. */
static void put_half_word(uint64_t *row, int64_t start, uint64_t bits) {
    int64_t shift = start & 63;
    row[start >> 6] |= bits << shift;
    if (shift > 32 && bits >> (64 - shift)) {
        row[(start >> 6) + 1] |= bits >> (64 - shift);
    }
}

static void make_tiles(const medroi_bits *voxels, const work *w) {
    _Static_assert(MEDROI_TILE_EDGE == 2, "halve() makes tiles of two voxels");
    medroi_clear_bits(&w->padded);
    for (int64_t z = 0; z < w->tiles.n_z; z++) {
        for (int64_t y = 0; y < w->tiles.n_y; y++) {
            const uint64_t *rows[4];
            int n = medroi_cube_rows(voxels, z * 2, y * 2, 2, rows);
            uint64_t *tiles = medroi_bit_row(&w->padded, z + PAD, y + PAD);
            for (int64_t i = 0; i < voxels->n_words; i++) {
                uint64_t any = medroi_any_of_rows(rows, n, i);
                if (any) {
                    put_half_word(tiles, i * 32 + PAD, halve(any));
                }
            }
        }
    }
}

static void take_off_padding(const work *w) {
    for (int64_t z = 0; z < w->tiles.n_z; z++) {
        for (int64_t y = 0; y < w->tiles.n_y; y++) {
            const uint64_t *from = medroi_bit_row(&w->padded, z + PAD, y + PAD);
            uint64_t *row = medroi_bit_row(&w->tiles, z, y);
            for (int64_t i = 0; i < w->tiles.n_words; i++) {
                uint64_t behind = i + 1 < w->padded.n_words ? from[i + 1] : 0;
                row[i] = from[i] >> PAD | behind << (64 - PAD);
            }
            int64_t beyond = w->tiles.n_words * 64;
            medroi_clear_run(row, w->tiles.n_x, beyond);
        }
    }
}

medroi_bits medroi_find_mask_tiles(const medroi_bits *opened, const int closing[3],
                                   uint8_t *scratch) {
    work w;
    place(opened->n_z, opened->n_y, opened->n_x, &w, scratch);
    medroi_reach reach = {1, 1, 1};
    medroi_dilate_cross(&w.spare, opened, reach);
    make_tiles(&w.spare, &w);
    medroi_close_cross(&w.padded, &w.along_z, closing);
    medroi_fill_majority(&w.padded, &w.along_z, &w.along_y);
    take_off_padding(&w);
    medroi_bits seen = w.tiles;
    seen.words = w.along_z.words;
    medroi_fill_holes(&w.tiles, &seen);
    return w.tiles;
}
