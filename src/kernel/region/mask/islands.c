/* Islands: tiles outside a mask that hold tissue which the opening took away (mask.h, step 6). */
#include "base/lesser.h"
#include "region/mask/mask.h"

#include <string.h>

#define MAX_COUNT 8

/* Count the tissue of one row of voxels in the tiles that are not set, at most MAX_COUNT each. */
static void count_row(const medroi_grid *grid, const medroi_bits *tissue, const uint64_t *row,
                      const medroi_bits *tiles, const uint64_t *set, uint8_t *counts) {
    const int64_t n_places = MEDROI_TILE_EDGE * grid->inner;
    int64_t place = medroi_next_set(tissue, row, 0);
    while (place < tissue->n_x) {
        int64_t tile = place / n_places;
        if (medroi_get_bit(set, tile)) {
            place = medroi_next_clear(tiles, set, tile) * n_places;
        } else {
            counts[tile] = (uint8_t)(counts[tile] + (counts[tile] < MAX_COUNT));
            place++;
        }
        place = place < tissue->n_x ? medroi_next_set(tissue, row, place) : place;
    }
}

/* The counts of the tiles `first` to `first + n` of one row of tiles. */
static void count_tiles(const medroi_grid *grid, const medroi_bits *tissue,
                        const medroi_bits *tiles, int64_t z, int64_t y, uint8_t *counts) {
    const int64_t e = MEDROI_TILE_EDGE;
    const uint64_t *set = medroi_bit_row(tiles, z, y);
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        for (int64_t k = z * e; k < medroi_lesser(z * e + e, grid->n_z); k++) {
            for (int64_t j = y * e; j < medroi_lesser(y * e + e, grid->n_y); j++) {
                count_row(grid, tissue, medroi_bit_row(tissue, repeat * grid->n_z + k, j), tiles,
                          set, counts);
            }
        }
    }
}

typedef void visitor(void *context, uint64_t *row, int64_t tile, uint8_t count);

static void visit_tiles(const medroi_grid *grid, const medroi_bits *tissue,
                        const medroi_bits *tiles, uint8_t *counts, visitor *visit, void *context) {
    for (int64_t z = 0; z < tiles->n_z; z++) {
        for (int64_t y = 0; y < tiles->n_y; y++) {
            memset(counts, 0, (size_t)tiles->n_x);
            count_tiles(grid, tissue, tiles, z, y, counts);
            for (int64_t tile = 0; tile < tiles->n_x; tile++) {
                if (counts[tile] > 0) {
                    visit(context, medroi_bit_row(tiles, z, y), tile, counts[tile]);
                }
            }
        }
    }
}

static void tally(void *context, uint64_t *row, int64_t tile, uint8_t count) {
    uint64_t *n_tiles = context;
    (void)row;
    (void)tile;
    n_tiles[count]++;
}

static void join(void *context, uint64_t *row, int64_t tile, uint8_t count) {
    const uint8_t *fewest = context;
    if (count >= *fewest) {
        medroi_set_bit(row, tile);
    }
}

void medroi_add_islands(const medroi_grid *grid, const medroi_bits *tissue, double max_miss_rate,
                        uint64_t n_tissue, const medroi_bits *tiles, uint8_t *counts) {
    uint64_t n_tiles[MAX_COUNT + 1] = {0};
    uint64_t allowed = medroi_allowed_misses(n_tissue, max_miss_rate);
    uint8_t fewest = MEDROI_ISLAND_TISSUE;
    visit_tiles(grid, tissue, tiles, counts, tally, n_tiles);
    while (fewest > 1) {
        uint64_t n_missed = 0;
        for (uint8_t count = 1; count < fewest; count++) {
            n_missed += n_tiles[count] * count;
        }
        if (n_missed <= allowed) {
            break;
        }
        fewest--;
    }
    visit_tiles(grid, tissue, tiles, counts, join, &fewest);
}
