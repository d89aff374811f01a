/* The tiles of a map as bytes, for readers of whole scans. */
#include "mask/mask.h"

void medroi_marks_shape(const medroi_layout *layout, const medroi_box *box,
                        int64_t shape[MEDROI_MAX_AXES]) {
    medroi_grid grid = medroi_make_grid(layout);
    medroi_tile_grid tiles = medroi_make_tile_grid(&grid, box, MEDROI_TILE_EDGE);
    for (int32_t i = 0; i < layout->ndim; i++) {
        shape[i] = 1;
    }
    for (int i = 0; i < 3; i++) {
        if (grid.axis[i] >= 0) {
            shape[grid.axis[i]] = tiles.n[i];
        }
    }
}

void medroi_mark_tiles(const medroi_layout *layout, const medroi_box *box, const void *map,
                       uint8_t *marks) {
    medroi_grid grid = medroi_make_grid(layout);
    medroi_tile_grid tiles = medroi_make_tile_grid(&grid, box, MEDROI_TILE_EDGE);
    medroi_bits shape = medroi_make_bits(tiles.n[0], tiles.n[1], tiles.n[2]);
    const uint64_t *row = map;
    for (int64_t k = 0; k < shape.n_z * shape.n_y; k++, row += shape.n_words) {
        for (int64_t x = 0; x < shape.n_x; x++) {
            *marks++ = (uint8_t)medroi_get_bit(row, x);
        }
    }
}
