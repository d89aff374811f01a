/* Maps of tiles through the range coder (FORMAT.md, section 4.1).
 *
 * A mask is a blob: most of the volume is wholly inside or wholly outside of it. So the map is
 * coded in two layers. First the state of each block of 4 x 4 x 4 tiles, outside, inside or mixed,
 * as one or two adaptive bits under the states of the blocks before it along each axis. Then only
 * the tiles of mixed blocks, a bit each, under ten tiles around it: those already coded in its own
 * block, and those of whole blocks behind it, which the first layer gave. This is context
 * coding as in JBIG (ITU-T T.82), in three dimensions.
 */
#include "base/lesser.h"
#include "mask/bit_coder.h"
#include "mask/mask.h"

#include <string.h>

#define BLOCK 4      /* tiles along each axis */
#define IN_BLOCK 30u /* of the tiles around a block in one row, those that are its own */
#define N_BLOCK_CONTEXTS 27
#define N_TILE_CONTEXTS 1024
enum { BLOCK_OUT = 0, BLOCK_IN = 1, BLOCK_MIXED = 2 };

typedef struct coder {
    medroi_bit_coder bits;
    medroi_bit_model mixed[N_BLOCK_CONTEXTS];
    medroi_bit_model inside[N_BLOCK_CONTEXTS];
    medroi_bit_model tile[N_TILE_CONTEXTS];
    const medroi_bits *source; /* what is encoded */
    const medroi_bits *known;  /* what the decoder knows so far */
    uint8_t *states;           /* of blocks */
    int64_t n_blocks[3];
} coder;

static int64_t blocks_along(int64_t n) { return (n + BLOCK - 1) / BLOCK; }

static size_t states_nbytes(const int64_t n[3]) {
    size_t nbytes = (size_t)(blocks_along(n[0]) * blocks_along(n[1]) * blocks_along(n[2]));
    return (nbytes + 7) / 8 * 8;
}

size_t medroi_tile_decoder_nbytes(const int64_t n[3]) {
    return sizeof(coder) + 8 + states_nbytes(n);
}

size_t medroi_tile_encoder_nbytes(const int64_t n[3]) {
    medroi_bits bits = medroi_make_bits(n[0], n[1], n[2]);
    return medroi_tile_decoder_nbytes(n) + medroi_bits_nbytes(&bits);
}

typedef struct block_bounds {
    int64_t z, y, x, z_stop, y_stop, x_stop;
} block_bounds;

static block_bounds bounds_of(const coder *c, int64_t bz, int64_t by, int64_t bx) {
    const medroi_bits *known = c->known;
    block_bounds b = {bz * BLOCK,
                      by * BLOCK,
                      bx * BLOCK,
                      medroi_lesser(bz * BLOCK + BLOCK, known->n_z),
                      medroi_lesser(by * BLOCK + BLOCK, known->n_y),
                      medroi_lesser(bx * BLOCK + BLOCK, known->n_x)};
    return b;
}

/* The bits of the tiles of a block in its word of each row. */
static uint64_t mask_of(const block_bounds *b) {
    return ((UINT64_C(1) << (b->x_stop - b->x)) - 1) << (b->x & 63);
}

/* One word of the rows of a row of blocks: what any of them holds, and what all do. */
typedef struct folded {
    uint64_t any;
    uint64_t all;
} folded;

static folded fold_rows(const coder *c, const block_bounds *b) {
    folded f = {0, UINT64_MAX};
    for (int64_t z = b->z; z < b->z_stop; z++) {
        for (int64_t y = b->y; y < b->y_stop; y++) {
            uint64_t word = medroi_bit_row(c->source, z, y)[b->x >> 6];
            f.any |= word;
            f.all &= word;
        }
    }
    return f;
}

static uint8_t state_of(const folded *f, uint64_t mask) {
    return (f->all & mask) == mask ? BLOCK_IN : f->any & mask ? BLOCK_MIXED : BLOCK_OUT;
}

static void set_block(const coder *c, const block_bounds *b) {
    uint64_t mask = mask_of(b);
    for (int64_t z = b->z; z < b->z_stop; z++) {
        for (int64_t y = b->y; y < b->y_stop; y++) {
            medroi_bit_row(c->known, z, y)[b->x >> 6] |= mask;
        }
    }
}

/* First the states of all blocks, the tiles of those that are wholly inside becoming known. */
static ALWAYS_INLINE void code_states(coder *c, int decodes) {
    medroi_bit_coder bits = c->bits; /* in registers */
    const int64_t *n = c->n_blocks;
    uint8_t *state = c->states;
    for (int64_t z = 0; z < n[0]; z++) {
        for (int64_t y = 0; y < n[1]; y++) {
            folded f = {0, 0};
            for (int64_t x = 0; x < n[2]; x++, state++) {
                int context = (x > 0 ? state[-1] : 0) + 3 * (y > 0 ? state[-n[2]] : 0) +
                              9 * (z > 0 ? state[-n[2] * n[1]] : 0);
                block_bounds b = bounds_of(c, z, y, x);
                if (!decodes && b.x % 64 == 0) {
                    f = fold_rows(c, &b);
                }
                uint8_t found = decodes ? 0 : state_of(&f, mask_of(&b));
                if (medroi_code_bit(&bits, decodes, &c->mixed[context], found == BLOCK_MIXED)) {
                    *state = BLOCK_MIXED;
                    continue;
                }
                *state = (uint8_t)medroi_code_bit(&bits, decodes, &c->inside[context],
                                                  found == BLOCK_IN);
                if (*state == BLOCK_IN) {
                    set_block(c, &b);
                }
            }
        }
    }
    c->bits = bits;
}

/* The known tiles x - 1 to x + BLOCK of a row as bits, 0 outside the map; x is where a block
 * starts. */
static inline unsigned around_block(const medroi_bits *known, int64_t z, int64_t y, int64_t x) {
    if (z < 0 || y < 0 || z >= known->n_z || y >= known->n_y) {
        return 0;
    }
    const uint64_t *words = medroi_bit_row(known, z, y) + (x >> 6);
    int64_t place = x & 63;
    uint64_t bits = place > 0 ? words[0] >> (place - 1) : words[0] << 1;
    if (place == 0 && x > 0) {
        bits |= words[-1] >> 63;
    }
    if (place == 64 - BLOCK && (x >> 6) + 1 < known->n_words) {
        bits |= words[1] << (BLOCK + 1);
    }
    return (unsigned)bits & ((1u << (BLOCK + 2)) - 1);
}

/* Tiles that are out, with nothing but such around them: islands are small, so these are many. */
static ALWAYS_INLINE void code_clear_row(coder *c, medroi_bit_coder *bits, int64_t n) {
    medroi_bit_model model = c->tile[0]; /* in registers */
    for (int64_t k = 0; k < n; k++) {
        (void)medroi_code_bit(bits, 0, &model, 0);
    }
    c->tile[0] = model;
}

/* The known tiles of the rows of a block and those beside it: around[z + 1][y + 1] is row z, y
 * of the block, with a tile of its neighbours at both ends. */
typedef unsigned around_rows[BLOCK + 2][BLOCK + 2];

static inline void load_around(const coder *c, const block_bounds *b, around_rows around) {
    int64_t n_z = b->z_stop - b->z, n_y = b->y_stop - b->y;
    for (int64_t z = 0; z < n_z + 2; z++) {
        int beside = z == 0 || z == n_z + 1; /* rows beside two sides at once are not looked at */
        for (int64_t y = beside; y < n_y + 2 - beside; y++) {
            around[z][y] = around_block(c->known, b->z + z - 1, b->y + y - 1, b->x);
        }
    }
}

/* The tiles of a block that lie in the row of around[z][y]. */
static ALWAYS_INLINE void code_tile_row(coder *c, medroi_bit_coder *bits, int decodes,
                                        around_rows around, int64_t z, int64_t y, unsigned source,
                                        int64_t n) {
    unsigned own = around[z][y], before_y = around[z][y - 1], before_z = around[z - 1][y];
    unsigned behind_y = around[z][y + 1], behind_z = around[z + 1][y];
    unsigned any = own | before_y | before_z | behind_y | behind_z | (source & IN_BLOCK);
    if (!decodes && any == 0) {
        code_clear_row(c, bits, n);
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        unsigned context = (own >> k & 1) | (own >> (k + 1) & 2) | (before_y >> k & 7) << 2 |
                           (before_z >> k & 7) << 5 | (behind_y >> k & 2) << 7 |
                           (behind_z >> k & 2) << 8;
        unsigned bit = source >> (k + 1) & 1;
        own |= medroi_code_bit(bits, decodes, &c->tile[context], bit) << (k + 1);
    }
    around[z][y] = own;
}

static ALWAYS_INLINE void code_tiles(coder *c, int decodes) {
    medroi_bit_coder bits = c->bits;
    const int64_t *n = c->n_blocks;
    const uint8_t *state = c->states;
    around_rows around;
    for (int64_t k = 0; k < n[0] * n[1] * n[2]; k++) {
        if (state[k] != BLOCK_MIXED) {
            continue;
        }
        block_bounds b = bounds_of(c, k / n[2] / n[1], k / n[2] % n[1], k % n[2]);
        load_around(c, &b, around);
        for (int64_t z = b.z; z < b.z_stop; z++) {
            for (int64_t y = b.y; y < b.y_stop; y++) {
                unsigned source = decodes ? 0 : around_block(c->source, z, y, b.x);
                code_tile_row(c, &bits, decodes, around, z - b.z + 1, y - b.y + 1, source,
                              b.x_stop - b.x);
                uint64_t tiles = around[z - b.z + 1][y - b.y + 1] >> 1;
                medroi_bit_row(c->known, z, y)[b.x >> 6] |= tiles << (b.x & 63) & mask_of(&b);
            }
        }
    }
    c->bits = bits;
}

static coder *make_coder(const medroi_bits *tiles, void *scratch) {
    uintptr_t beyond = (uintptr_t)scratch % 8;
    coder *c = (coder *)(void *)((uint8_t *)scratch + (beyond ? 8 - beyond : 0));
    c->n_blocks[0] = blocks_along(tiles->n_z);
    c->n_blocks[1] = blocks_along(tiles->n_y);
    c->n_blocks[2] = blocks_along(tiles->n_x);
    c->states = (uint8_t *)(c + 1);
    medroi_init_bit_models(c->mixed, N_BLOCK_CONTEXTS);
    medroi_init_bit_models(c->inside, N_BLOCK_CONTEXTS);
    medroi_init_bit_models(c->tile, N_TILE_CONTEXTS);
    return c;
}

size_t medroi_code_tiles(const medroi_bits *tiles, void *scratch, uint8_t *dst, size_t capacity) {
    coder *c = make_coder(tiles, scratch);
    const int64_t n[3] = {tiles->n_z, tiles->n_y, tiles->n_x};
    medroi_bits known = *tiles;
    known.words = (uint64_t *)(void *)(c->states + states_nbytes(n));
    medroi_clear_bits(&known);
    c->source = tiles;
    c->known = &known;
    medroi_rc_encoder_init(&c->bits.encoder, dst, capacity);
    code_states(c, 0);
    code_tiles(c, 0);
    size_t nbytes = medroi_rc_finish(&c->bits.encoder);
    return c->bits.encoder.full ? 0 : nbytes;
}

int medroi_decode_tiles(const medroi_bits *tiles, void *scratch, const uint8_t *src,
                        size_t nbytes) {
    coder *c = make_coder(tiles, scratch);
    medroi_clear_bits(tiles);
    c->known = tiles;
    medroi_rc_decoder_init(&c->bits.decoder, src, nbytes);
    code_states(c, 1);
    code_tiles(c, 1);
    return medroi_rc_finished(&c->bits.decoder);
}
