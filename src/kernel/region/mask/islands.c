/* Islands: tiles outside a mask that hold tissue which the opening took away (mask.h, step 6).
 *
 * The tissue of a row of tiles is counted in fields of four bits, sixteen to a word, so that most
 * of the work is done on 64 voxels at a time: bits are added in pairs, pairs to fields, and a field
 * stays at 8 once it is there. Field j of word 2 i + k is that of tile 32 i + 2 j + k. */
#include "region/mask/mask.h"

#include <string.h>

#define MAX_COUNT 8
#define ONES UINT64_C(0x1111111111111111)
#define PAIRS UINT64_C(0x5555555555555555)
#define LOW_OF_FIELDS UINT64_C(0x3333333333333333)
#define LOW_OF_BYTES UINT64_C(0x0f0f0f0f0f0f0f0f)

static int64_t n_field_words(const medroi_bits *tiles) { return (tiles->n_x + 31) / 32 * 2; }

size_t medroi_islands_scratch_nbytes(const medroi_bits *tiles) {
    return (size_t)n_field_words(tiles) * sizeof(uint64_t);
}

/* Of fields that are at most 8; what is above MEDROI_ISLAND_TISSUE need not be exact. */
static uint64_t add_fields(uint64_t fields, uint64_t more) {
    uint64_t sum = fields + more - (more >> 3 & ONES);
    uint64_t full = sum & MAX_COUNT * ONES;
    return sum & ~(full - (full >> 3));
}

/* Add the tissue of a tile's rows, at most four, in the tiles that are not set. */
static void count_rows(const medroi_bits *tissue, const uint64_t *const *rows, int n_rows,
                       const uint64_t *set, uint64_t *fields) {
    for (int64_t i = 0; i < tissue->n_words; i++) {
        uint64_t any = medroi_any_of_rows(rows, n_rows, i);
        if (any == 0 || (any & ~medroi_tile_voxels(set, i)) == 0) {
            continue;
        }
        uint64_t open = ~medroi_tile_voxels(set, i), even = 0, odd = 0;
        for (int k = 0; k < n_rows; k++) {
            uint64_t outside = rows[k][i] & open;
            uint64_t pairs = (outside & PAIRS) + (outside >> 1 & PAIRS);
            even += pairs & LOW_OF_FIELDS;
            odd += pairs >> 2 & LOW_OF_FIELDS;
        }
        fields[2 * i] = add_fields(fields[2 * i], even);
        fields[2 * i + 1] = add_fields(fields[2 * i + 1], odd);
    }
}

/* The same of one row where several elements share a place along x. */
static void count_places(const medroi_bits *tissue, const uint64_t *row, int64_t inner,
                         const uint64_t *set, uint64_t *fields) {
    int64_t place = medroi_next_set(tissue, row, 0);
    while (place < tissue->n_x) {
        int64_t tile = place / (MEDROI_TILE_EDGE * inner);
        if (!medroi_get_bit(set, tile)) {
            uint64_t *word = &fields[tile / 32 * 2 + tile % 2];
            *word = add_fields(*word, UINT64_C(1) << tile % 32 / 2 * 4);
        }
        place = medroi_next_set(tissue, row, place + 1);
    }
}

/* The counts of one row of tiles. */
static void count_tiles(const medroi_grid *grid, const medroi_bits *tissue,
                        const medroi_bits *tiles, int64_t z, int64_t y, uint64_t *fields) {
    const int64_t e = MEDROI_TILE_EDGE;
    const uint64_t *set = medroi_bit_row(tiles, z, y);
    const uint64_t *rows[MEDROI_TILE_EDGE * MEDROI_TILE_EDGE];
    memset(fields, 0, medroi_islands_scratch_nbytes(tiles));
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_bits volume = *tissue;
        volume.words += repeat * grid->n_z * tissue->n_y * tissue->n_words;
        volume.n_z = grid->n_z;
        int n_rows = medroi_cube_rows(&volume, z * e, y * e, e, rows);
        if (grid->inner == 1) {
            count_rows(tissue, rows, n_rows, set, fields);
        }
        for (int k = 0; k < n_rows && grid->inner > 1; k++) {
            count_places(tissue, rows[k], grid->inner, set, fields);
        }
    }
}

/* Voxels that are left outside, and those of them that are alone in their tile. */
typedef struct left_over {
    uint64_t n_voxels;
    uint64_t n_alone;
} left_over;

static uint64_t sum_of_fields(uint64_t fields) {
    fields = (fields & LOW_OF_BYTES) + (fields >> 4 & LOW_OF_BYTES);
    return fields * UINT64_C(0x0101010101010101) >> 56;
}

/* Set the tiles of one word of fields that hold `fewest` voxels or more; `first` is the tile of the
 * lowest field. Adds up what the others hold. */
static void join_word(uint64_t fields, uint64_t fewest, int64_t first, uint64_t *set,
                      left_over *left) {
    uint64_t joining = (fields + (MAX_COUNT - fewest) * ONES) & MAX_COUNT * ONES;
    uint64_t others = fields & ~((joining >> 3) * 15);
    for (int64_t j = 0; joining != 0; j++, joining >>= 4) {
        if (joining & 15) {
            medroi_set_bit(set, first + 2 * j);
        }
    }
    left->n_voxels += sum_of_fields(others);
    left->n_alone += sum_of_fields(others & ~(others >> 1) & ONES); /* they are at most 2 */
}

/* Set all tiles that hold `fewest` voxels or more. */
static left_over join_tiles(const medroi_grid *grid, const medroi_bits *tissue,
                            const medroi_bits *tiles, uint64_t fewest, uint64_t *fields) {
    left_over left = {0, 0};
    for (int64_t z = 0; z < tiles->n_z; z++) {
        for (int64_t y = 0; y < tiles->n_y; y++) {
            count_tiles(grid, tissue, tiles, z, y, fields);
            for (int64_t i = 0; i < n_field_words(tiles); i++) {
                if (fields[i] != 0) {
                    join_word(fields[i], fewest, i / 2 * 32 + i % 2, medroi_bit_row(tiles, z, y),
                              &left);
                }
            }
        }
    }
    return left;
}

void medroi_add_islands(const medroi_grid *grid, const medroi_bits *tissue, double max_miss_rate,
                        uint64_t n_tissue, const medroi_bits *tiles, uint8_t *scratch) {
    uint64_t allowed = medroi_allowed_misses(n_tissue, max_miss_rate);
    _Static_assert(MEDROI_ISLAND_TISSUE == 3, "what is left are pairs and lone voxels");
    uint64_t *fields = (uint64_t *)(void *)scratch;
    left_over left = join_tiles(grid, tissue, tiles, MEDROI_ISLAND_TISSUE, fields);
    if (left.n_voxels > allowed) {
        (void)join_tiles(grid, tissue, tiles, left.n_alone > allowed ? 1 : 2, fields);
    }
}
