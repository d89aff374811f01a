/* Maps of tiles through the range coder (FORMAT.md, section 4.1). */
#include "hull.h"
#include "range_coder.h"

#include <string.h>

#define BLOCK 4 /* tiles along each axis */
#define N_BLOCK_CONTEXTS 27
#define N_TILE_CONTEXTS 1024
#define SETTLED 62

enum { BLOCK_OUT = 0, BLOCK_IN = 1, BLOCK_MIXED = 2 };

/* P(bit = 1) in units of 2^-16, and how many bits it has seen. */
typedef struct model {
    uint16_t p;
    uint16_t n_seen;
} model;

typedef struct coder {
    medroi_rc_encoder encoder;
    medroi_rc_decoder decoder;
    int decodes;
    model mixed[N_BLOCK_CONTEXTS];
    model inside[N_BLOCK_CONTEXTS];
    model tile[N_TILE_CONTEXTS];
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

static void init_models(model *models, size_t n) {
    for (size_t i = 0; i < n; i++) {
        models[i].p = 32768;
        models[i].n_seen = 0;
    }
}

static unsigned code_bit(coder *c, model *m, unsigned bit) {
    uint32_t p = m->p;
    if (c->decodes) {
        uint64_t r = c->decoder.range >> 16;
        uint64_t split = r * p;
        bit = c->decoder.code < split;
        if (bit) {
            c->decoder.range = split;
        } else {
            c->decoder.code -= split;
            c->decoder.range = r * (65536 - p);
        }
        medroi_rc_refill(&c->decoder);
    } else {
        medroi_rc_encode(&c->encoder, bit ? 0 : p, bit ? p : 65536 - p, 16);
    }
    uint32_t rate = m->n_seen + 2u;
    m->p = (uint16_t)(bit ? p + (65535 - p) / rate : p - p / rate);
    m->n_seen = (uint16_t)(m->n_seen < SETTLED ? m->n_seen + 1 : SETTLED);
    return bit;
}

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

typedef struct block_bounds {
    int64_t z, y, x, z_stop, y_stop, x_stop;
} block_bounds;

static block_bounds bounds_of(const coder *c, int64_t bz, int64_t by, int64_t bx) {
    const medroi_bits *known = c->known;
    block_bounds b = {bz * BLOCK,
                      by * BLOCK,
                      bx * BLOCK,
                      lesser(bz * BLOCK + BLOCK, known->n_z),
                      lesser(by * BLOCK + BLOCK, known->n_y),
                      lesser(bx * BLOCK + BLOCK, known->n_x)};
    return b;
}

static uint8_t state_of(const coder *c, const block_bounds *b) {
    int any = 0;
    int all = 1;
    for (int64_t z = b->z; z < b->z_stop; z++) {
        for (int64_t y = b->y; y < b->y_stop; y++) {
            const uint64_t *row = medroi_bit_row(c->source, z, y);
            uint64_t bits = row[b->x >> 6] >> (b->x & 63);
            uint64_t full = (UINT64_C(1) << (b->x_stop - b->x)) - 1;
            any |= (bits & full) != 0;
            all &= (bits & full) == full;
        }
    }
    return all ? BLOCK_IN : any ? BLOCK_MIXED : BLOCK_OUT;
}

/* First the states of all blocks, the tiles of those that are wholly inside becoming known. */
static void code_states(coder *c) {
    const int64_t *n = c->n_blocks;
    uint8_t *state = c->states;
    for (int64_t z = 0; z < n[0]; z++) {
        for (int64_t y = 0; y < n[1]; y++) {
            for (int64_t x = 0; x < n[2]; x++, state++) {
                int context = (x > 0 ? state[-1] : 0) + 3 * (y > 0 ? state[-n[2]] : 0) +
                              9 * (z > 0 ? state[-n[2] * n[1]] : 0);
                block_bounds b = bounds_of(c, z, y, x);
                uint8_t found = c->decodes ? 0 : state_of(c, &b);
                if (code_bit(c, &c->mixed[context], found == BLOCK_MIXED)) {
                    *state = BLOCK_MIXED;
                    continue;
                }
                *state = (uint8_t)code_bit(c, &c->inside[context], found == BLOCK_IN);
                for (int64_t i = b.z; *state == BLOCK_IN && i < b.z_stop; i++) {
                    for (int64_t j = b.y; j < b.y_stop; j++) {
                        medroi_set_run(medroi_bit_row(c->known, i, j), b.x, b.x_stop);
                    }
                }
            }
        }
    }
}

/* The known tiles x - 1, x and x + 1 of a row as three bits, 0 outside the map. */
static unsigned three(const medroi_bits *known, int64_t z, int64_t y, int64_t x) {
    if (z < 0 || y < 0 || z >= known->n_z || y >= known->n_y) {
        return 0;
    }
    const uint64_t *row = medroi_bit_row(known, z, y);
    unsigned bits = (unsigned)medroi_get_bit(row, x) << 1;
    bits |= x > 0 ? (unsigned)medroi_get_bit(row, x - 1) : 0;
    bits |= x + 1 < known->n_x ? (unsigned)medroi_get_bit(row, x + 1) << 2 : 0;
    return bits;
}

static unsigned context_of(const medroi_bits *known, int64_t z, int64_t y, int64_t x) {
    unsigned own = three(known, z, y, x);
    return (own & 1) | (own >> 1 & 2) | three(known, z, y - 1, x) << 2 |
           three(known, z - 1, y, x) << 5 | (three(known, z, y + 1, x) & 2) << 7 |
           (three(known, z + 1, y, x) & 2) << 8;
}

static void code_tiles(coder *c) {
    const int64_t *n = c->n_blocks;
    const uint8_t *state = c->states;
    for (int64_t k = 0; k < n[0] * n[1] * n[2]; k++) {
        if (state[k] != BLOCK_MIXED) {
            continue;
        }
        block_bounds b = bounds_of(c, k / n[2] / n[1], k / n[2] % n[1], k % n[2]);
        for (int64_t z = b.z; z < b.z_stop; z++) {
            for (int64_t y = b.y; y < b.y_stop; y++) {
                for (int64_t x = b.x; x < b.x_stop; x++) {
                    model *m = &c->tile[context_of(c->known, z, y, x)];
                    unsigned bit =
                        c->decodes ? 0
                                   : (unsigned)medroi_get_bit(medroi_bit_row(c->source, z, y), x);
                    if (code_bit(c, m, bit)) {
                        medroi_set_bit(medroi_bit_row(c->known, z, y), x);
                    }
                }
            }
        }
    }
}

static coder *make_coder(const medroi_bits *tiles, void *scratch) {
    uintptr_t beyond = (uintptr_t)scratch % 8;
    coder *c = (coder *)(void *)((uint8_t *)scratch + (beyond ? 8 - beyond : 0));
    c->n_blocks[0] = blocks_along(tiles->n_z);
    c->n_blocks[1] = blocks_along(tiles->n_y);
    c->n_blocks[2] = blocks_along(tiles->n_x);
    c->states = (uint8_t *)(c + 1);
    init_models(c->mixed, N_BLOCK_CONTEXTS);
    init_models(c->inside, N_BLOCK_CONTEXTS);
    init_models(c->tile, N_TILE_CONTEXTS);
    return c;
}

size_t medroi_code_tiles(const medroi_bits *tiles, void *scratch, uint8_t *dst, size_t capacity) {
    coder *c = make_coder(tiles, scratch);
    const int64_t n[3] = {tiles->n_z, tiles->n_y, tiles->n_x};
    medroi_bits known = *tiles;
    known.words = (uint64_t *)(void *)(c->states + states_nbytes(n));
    medroi_clear_bits(&known);
    c->decodes = 0;
    c->source = tiles;
    c->known = &known;
    medroi_rc_encoder_init(&c->encoder, dst, capacity);
    code_states(c);
    code_tiles(c);
    size_t nbytes = medroi_rc_finish(&c->encoder);
    return c->encoder.full ? 0 : nbytes;
}

int medroi_decode_tiles(const medroi_bits *tiles, void *scratch, const uint8_t *src,
                        size_t nbytes) {
    coder *c = make_coder(tiles, scratch);
    medroi_clear_bits(tiles);
    c->decodes = 1;
    c->known = tiles;
    medroi_rc_decoder_init(&c->decoder, src, nbytes);
    code_states(c);
    code_tiles(c);
    return medroi_rc_finished(&c->decoder);
}
