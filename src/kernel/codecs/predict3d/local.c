/* predict3d, local method: each block is predicted by weights of its own, and the decoder finds
 * them as the encoder does.
 *
 * The weights of the neighbours are those that would have predicted the voxels around the block
 * best, of those that are known already: blocks to the left and above in the slice, and all around
 * in earlier slices (least squares; Li and Orchard 2001, in three dimensions and for blocks). No
 * weight is sent. Samples count the less the rougher their neighbourhood. Signs of recent errors
 * and the value correct the prediction; recent errors give the scale of the one to come. The voxel
 * is then coded in one step of the range coder, by the place that it has in a distribution of
 * errors by that scale: sixteen cells with learned shares, and the curve of a logistic inside
 * (local_model.h). All of it is integer arithmetic.
 *
 * Bounds: a sample is below 1448, so a block's sums are below 2^26, those of blocks above and
 * earlier below 2^27 (2^29 in images), and what a row knows of a block below 2^30.
 */
#include "codecs/predict3d/local.h"
#include "codecs/predict3d/local_tables.h"

#include <math.h>
#include <stdlib.h>

/* Larger values and slices, and smaller ones, are left to the other methods. */
#define GREATEST_TOP (((uint64_t)1 << 24) - 1)
#define LEAST_EDGE 16
#define GREATEST_SLICE ((int64_t)1 << 18) /* of the larger sets, in voxels */

/* --- margins --- */

/* Rows above the first: its own slice's are the first row of the slice before. */
static void begin_slice(local_coder *c, int64_t z) {
    const medroi_p3_volume *v = &c->v;
    int32_t *first = c->voxels + local_at(v, z, 0, 0);
    for (int64_t x = -LOCAL_MARGIN; x < v->width + LOCAL_MARGIN; x++) {
        int64_t inside = x < 0 ? 0 : x >= v->width ? v->width - 1 : x;
        int32_t value = z > 0 ? first[inside - v->slice] : 0;
        for (int64_t y = 1; y <= LOCAL_ABOVE; y++) {
            first[x - y * v->row] = value;
        }
    }
    memset(c->errors + z % c->n_errors * v->slice, 0, (size_t)v->slice * sizeof *c->errors);
    memset(c->signs + z % c->n_errors * v->slice, 0, (size_t)v->slice);
    medroi_p3_local_begin_slice(&c->sums);
    if (c->mean) {
        const int32_t *mean = c->means + z % v->lag * v->slice;
        for (int64_t i = 0; i < v->slice; i++) {
            c->mean[i] = (mean[i] + 128) >> 8;
        }
    }
}

static void begin_row(local_coder *c, int64_t z, int64_t y) {
    const medroi_p3_volume *v = &c->v;
    int32_t *first = c->voxels + local_at(v, z, y, 0);
    int32_t value = first[-(y > 0 ? v->row : z > 0 ? v->slice : v->row)];
    for (int k = 1; k <= LOCAL_MARGIN; k++) {
        first[-k] = value;
    }
}

static void end_row(local_coder *c, int64_t z, int64_t y) {
    const medroi_p3_volume *v = &c->v;
    int32_t *last = c->voxels + local_at(v, z, y, v->width - 1);
    for (int k = 1; k <= LOCAL_MARGIN; k++) {
        last[k] = last[0];
    }
}

static void end_slice(local_coder *c, int64_t z) {
    const medroi_p3_volume *v = &c->v;
    int32_t *row = c->voxels + local_at(v, z, v->height - 1, -LOCAL_MARGIN);
    for (int k = 1; k <= LOCAL_BELOW; k++) {
        memcpy(row + k * v->row, row, (size_t)v->row * sizeof *row);
    }
    medroi_p3_local_end_slice(&c->sums, z);
    if (c->mean) {
        int32_t *mean = c->means + z % v->lag * v->slice,
                part = (int32_t)(65536 / (z / v->lag + 1));
        const int32_t *voxels = c->voxels + (z + 1) * v->slice;
        for (int64_t i = 0; i < v->slice; i++) {
            int64_t apart = (int64_t)voxels[i] * 256 - mean[i];
            mean[i] += (int32_t)((apart * part) >> 16);
        }
    }
}

/* --- numbers, the same for any instructions --- */

static void put_bits(medroi_rc_encoder *rc, uint32_t value, int n) {
    for (; n > 16; n -= 16) {
        medroi_rc_encode(rc, value >> (n - 16) & 0xFFFF, 1, 16);
    }
    if (n > 0) {
        medroi_rc_encode(rc, value & ((1u << n) - 1), 1, n);
    }
}

/* The share that the code lies in, in units of 2^-bits. */
static inline uint32_t take_share(const medroi_rc_decoder *rc, int bits) {
    uint64_t at = rc->code / (rc->range >> bits);
    return at >> bits ? (1u << bits) - 1 : (uint32_t)at;
}

static uint32_t get_bits(medroi_rc_decoder *rc, int n) {
    uint32_t value = 0;
    while (n > 0) {
        int part = n > 16 ? 16 : n;
        uint32_t found = take_share(rc, part);
        medroi_rc_narrow(rc, rc->range >> part, found, 1);
        value = value << part | found;
        n -= part;
    }
    return value;
}

/* A number from 0 up: its length in bits, in ones, then the bits below the leading one. */
static void put_number(medroi_rc_encoder *rc, uint32_t value) {
    int n = medroi_bit_length(value);
    for (int i = 0; i < n; i++) {
        put_bits(rc, 1, 1);
    }
    put_bits(rc, 0, 1);
    put_bits(rc, value & ((1u << (n > 0 ? n - 1 : 0)) - 1), n - 1);
}

static uint32_t get_number(medroi_rc_decoder *rc) {
    int n = 0;
    while (n < 32 && get_bits(rc, 1)) {
        n++;
    }
    return n == 0 ? 0 : 1u << (n - 1) | get_bits(rc, n - 1);
}

/* 2^48 / sqrt(x), rounded down twice; of x below 2^36 that of 2^36. */
static int64_t reciprocal_root(int64_t x) {
    uint64_t d = x < (int64_t)1 << 36 ? (uint64_t)1 << 36 : (uint64_t)x;
    int shift = (63 - medroi_bit_length(d)) & ~1;
    uint64_t wide = d << shift;
    uint64_t root = (uint64_t)sqrt((double)wide);
    /* Exact, whatever the machine makes of the square root. */
    while (root * root > wide) {
        root--;
    }
    while ((root + 1) * (root + 1) <= wide) {
        root++;
    }
    return (int64_t)(((uint64_t)1 << (48 + shift / 2)) / root);
}

/* --- both sets of instructions --- */

#if defined(__GNUC__)
#define LOCAL_INLINE LOCAL_TARGET static inline __attribute__((always_inline))
#else
#define LOCAL_INLINE LOCAL_TARGET static inline
#endif

#define LOCAL(name) name##_plain
#define LOCAL_TARGET
#define LOCAL_VECTORS 0
/* In this order. */
#include "codecs/predict3d/local_model.h"

#include "codecs/predict3d/local_solve.h"

#include "codecs/predict3d/local_code.h"
#undef LOCAL
#undef LOCAL_TARGET
#undef LOCAL_VECTORS

#if defined(__x86_64__) && defined(__GNUC__) && !defined(MEDROI_PORTABLE_ROWS)
#include <immintrin.h>
#define LOCAL(name) name##_avx2
#define LOCAL_TARGET __attribute__((target("avx2")))
#define LOCAL_VECTORS 1
/* In this order. */
#include "codecs/predict3d/local_model.h"

#include "codecs/predict3d/local_solve.h"

#include "codecs/predict3d/local_code.h"
#undef LOCAL
#undef LOCAL_TARGET
#undef LOCAL_VECTORS
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define encode_slice_avx2 encode_slice_plain
#define decode_slice_avx2 decode_slice_plain
#define HAS_AVX2 0
#endif

/* --- memory --- */

static void init_models(local_coder *c) {
    for (int i = 0; i < LOCAL_CONTEXTS; i++) {
        memcpy(c->by_value[i].share, local_first_share, sizeof local_first_share);
        memcpy(c->by_roughness[i].share, local_first_share, sizeof local_first_share);
        c->ratio_by_roughness[i] = c->ratio_by_value[i] = 1 << 16;
    }
    for (int i = 0; i < 4; i++) {
        medroi_bit_init(&c->flat[i]);
    }
    for (int level = 0; level < LOCAL_SCALES; level++) {
        int64_t factor = local_reciprocal[level & 7];
        int shift = local_shift[level & 7] + (level >> 3);
        shift = shift < 44 ? shift : 44; /* levels that no scale has */
        c->far_above[level] = (((int64_t)Z_TOP + 1) * ((int64_t)1 << shift) + factor - 1) / factor;
        c->far_below[level] = -(((int64_t)Z_TOP * ((int64_t)1 << shift) + factor) / factor);
    }
    int32_t at = 0;
    for (int32_t i = 0; i < LOCAL_INVERSE; i++) {
        int32_t place = i << LOCAL_INVERSE_BITS;
        while (at < LOCAL_PLACES - 3 && local_place[at + 1] <= place) {
            at++;
        }
        int32_t step = local_place[at + 1] - local_place[at];
        c->inverse[i] = at * 256 + (place - local_place[at]) * 256 / step - Z_TOP;
    }
}

static void local_free(local_coder *c) {
    if (c) {
        medroi_p3_local_sums_free(&c->sums);
        free(c->voxels);
        free(c->mean);
        free(c->means);
        free(c->errors);
        free(c->signs);
        free(c->weights);
        free(c->shifts);
        free(c->by_value);
        free(c->by_roughness);
    }
    free(c);
}

static local_coder *local_new(medroi_p3_part *p, int set) {
    local_coder *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    const medroi_p3_volume *v = &p->v;
    int64_t row = v->width + 2 * LOCAL_MARGIN;
    int64_t slice = row * (v->height + LOCAL_ABOVE + LOCAL_BELOW);
    size_t n_row = (size_t)(LOCAL_BLOCK_HEIGHT * (v->width + LOCAL_BLOCK_WIDTH));
    int has_mean = v->lag > 2 && v->depth > v->lag;
    c->p = p;
    c->v = (medroi_p3_volume){v->depth, v->height, v->width, row, slice, v->lag};
    c->n_taps = medroi_p3_local_taps(v, set, c->taps);
    c->n_errors = has_mean ? v->lag + 1 : 2;
    /* Vectors reach behind the last voxel. */
    c->voxels = calloc((size_t)(slice * (v->depth + 1) + LOCAL_BLOCK_WIDTH), sizeof *c->voxels);
    c->errors = calloc((size_t)(slice * c->n_errors), sizeof *c->errors);
    c->signs = calloc((size_t)(slice * c->n_errors), 1);
    c->weights = calloc(n_row, sizeof *c->weights);
    c->shifts = calloc(n_row, 1);
    c->by_value = calloc(LOCAL_CONTEXTS, sizeof *c->by_value);
    c->by_roughness = calloc(LOCAL_CONTEXTS, sizeof *c->by_roughness);
    if (has_mean) {
        c->mean = calloc((size_t)(slice + LOCAL_BLOCK_WIDTH), sizeof *c->mean);
        c->means = calloc((size_t)(slice * v->lag), sizeof *c->means);
    }
    if (c->voxels && c->errors && c->signs && c->weights && c->shifts && c->by_value &&
        c->by_roughness && (!has_mean || (c->mean && c->means)) &&
        medroi_p3_local_sums_new(&c->sums, v, c->n_taps - 1)) {
        init_models(c);
        return c;
    }
    local_free(c);
    return NULL;
}

/* --- a part --- */

int medroi_p3_local_serves(const medroi_p3_volume *v, uint64_t top, int set) {
    local_tap taps[LOCAL_TAPS];
    int fits = top <= GREATEST_TOP && v->width >= LEAST_EDGE && v->height >= LEAST_EDGE;
    int large = set > 0 && (v->lag > 2 || v->width * v->height > GREATEST_SLICE);
    return fits && !large && medroi_p3_local_taps(v, set, taps) > 0;
}

/* Copy to or from the part's voxels, which lie around 0 and in other margins. */
static void copy_voxels(local_coder *c, int to_part) {
    const medroi_p3_part *p = c->p;
    for (int64_t z = 0; z < c->v.depth; z++) {
        for (int64_t y = 0; y < c->v.height; y++) {
            int32_t *part = p->voxels + medroi_p3_origin(&p->v, z) + y * p->v.row;
            int32_t *own = c->voxels + local_at(&c->v, z, y, 0);
            for (int64_t x = 0; x < c->v.width; x++) {
                if (to_part) {
                    part[x] = own[x] + p->low;
                } else {
                    own[x] = part[x] - p->low;
                }
            }
        }
    }
}

static medroi_status no_memory(medroi_error *error) {
    return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the equations of a part");
}

medroi_status medroi_p3_encode_local(medroi_p3_part *p, int set, medroi_error *error) {
    local_coder *c = local_new(p, set);
    if (!c) {
        return no_memory(error);
    }
    medroi_bits_put(&p->put, (uint64_t)set, 8);
    copy_voxels(c, 0);
    for (int64_t z = 0; z < c->v.depth && !p->enc.full; z++) {
        (HAS_AVX2 ? encode_slice_avx2 : encode_slice_plain)(c, z);
    }
    local_free(c);
    return MEDROI_OK;
}

medroi_status medroi_p3_decode_local(medroi_p3_part *p, medroi_error *error) {
    int set = (int)medroi_bits_get(&p->get, 8);
    if (!medroi_p3_local_serves(&p->v, p->map.top, set)) {
        return medroi_p3_corrupt(error, "the local method has no such neighbours for such a part");
    }
    local_coder *c = local_new(p, set);
    if (!c) {
        return no_memory(error);
    }
    for (int64_t z = 0; z < c->v.depth && !c->bad; z++) {
        (HAS_AVX2 ? decode_slice_avx2 : decode_slice_plain)(c, z);
    }
    copy_voxels(c, 1);
    medroi_status status = MEDROI_OK;
    if (c->bad) {
        status = medroi_p3_corrupt(error, "a voxel lies outside the range of values");
    }
    local_free(c);
    return status;
}
