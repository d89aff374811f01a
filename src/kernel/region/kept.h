/* The voxels that a region keeps, while it is being searched for. */
#ifndef MEDROI_REGION_KEPT_H
#define MEDROI_REGION_KEPT_H

#include "mask/mask.h"
#include "region/search.h"

typedef struct medroi_kept {
    medroi_grid_box box;
    medroi_bits tiles; /* of the whole volume; words are NULL where all of the box is kept */
} medroi_kept;

static inline medroi_grid_box medroi_whole_volume(const medroi_grid *grid) {
    medroi_grid_box box = {{0, grid->n_z}, {0, grid->n_y}, {0, grid->n_x}};
    return box;
}

/* Tiles of the whole volume; `words` is left to the caller. */
static inline medroi_bits medroi_make_tiles(const medroi_grid *grid) {
    const int64_t e = MEDROI_TILE_EDGE;
    return medroi_make_bits((grid->n_z + e - 1) / e, (grid->n_y + e - 1) / e,
                            (grid->n_x + e - 1) / e);
}

/* Set the tile of a voxel; a visitor whose context are the tiles. */
static inline void medroi_join_tile(void *context, int64_t z, int64_t y, int64_t x) {
    const medroi_bits *tiles = context;
    const int64_t e = MEDROI_TILE_EDGE;
    medroi_set_bit(medroi_bit_row(tiles, z / e, y / e), x / e);
}

static inline int medroi_kept_has_row(const medroi_kept *kept, int64_t z, int64_t y) {
    const medroi_grid_box *box = &kept->box;
    return z >= box->z.start && z < box->z.stop && y >= box->y.start && y < box->y.stop;
}

static inline int medroi_is_kept(const medroi_kept *kept, int64_t z, int64_t y, int64_t x) {
    const int64_t e = MEDROI_TILE_EDGE;
    if (!medroi_kept_has_row(kept, z, y) || x < kept->box.x.start || x >= kept->box.x.stop) {
        return 0;
    }
    return !kept->tiles.words || medroi_get_bit(medroi_bit_row(&kept->tiles, z / e, y / e), x / e);
}

#endif
