/* predict3d, fast method: fewer neighbours, Rice codes, runs. No models, no range coder. */
#include "predict3d_internal.h"

#include <stdlib.h>

#define FAST_TAPS 11
#define ONE (1 << P3_WEIGHT_BITS)
#define LONGEST_UNARY 20
#define GREATEST_SIZE (1u << 26)

typedef struct p3_fast {
    p3_part *p;
    uint32_t *sizes;      /* folded misses of this and the last slice, margins zero */
    uint64_t run;         /* voxels of a run still to come (decoder), or so far (encoder) */
    uint32_t typical_run; /* running mean, in 1/16 */
    int bad;
} p3_fast;

static inline void put_rice(medroi_bit_writer *put, uint64_t value, int k) {
    uint64_t q = value >> k;
    if (q < LONGEST_UNARY) {
        medroi_bits_put(put, (uint64_t)1 << q, (int)q + 1);
        medroi_bits_put(put, value & (((uint64_t)1 << k) - 1), k);
    } else {
        medroi_bits_put(put, 0, LONGEST_UNARY);
        medroi_bits_put(put, value & UINT32_MAX, 32);
        medroi_bits_put(put, value >> 32, 16);
    }
}

static inline uint64_t get_rice(medroi_bit_reader *get, int k) {
    int q = medroi_bits_zeros(get, LONGEST_UNARY);
    if (q < LONGEST_UNARY)
        return (uint64_t)q << k | medroi_bits_get(get, k);
    uint64_t low = medroi_bits_get(get, 32);
    return low | medroi_bits_get(get, 16) << 32;
}

static inline int run_parameter(const p3_fast *f) { return medroi_log2(f->typical_run) - 4; }

static inline void learn_run(p3_fast *f, uint64_t run) {
    uint32_t seen = run < (1u << 20) ? (uint32_t)run : 1u << 20;
    f->typical_run += seen - (f->typical_run >> 4);
    if (f->typical_run < 16)
        f->typical_run = 16;
}

/* The weighted sum of the nearest neighbours. */
static inline int64_t fast_sum(const int32_t *w, const int32_t *c, const int32_t *n, int64_t row) {
    int64_t a = (int64_t)w[1] * c[-row] + (int64_t)w[2] * c[-row - 1] +
                (int64_t)w[3] * c[-row + 1] + (int64_t)w[5] * c[-2 * row];
    int64_t b = (int64_t)w[6] * n[0] + (int64_t)w[7] * n[-1] + (int64_t)w[8] * n[1];
    int64_t d = (int64_t)w[9] * n[-row] + (int64_t)w[10] * n[row];
    return a + b + d + ((int64_t)w[4] * c[-2] + (int64_t)w[0] * c[-1]);
}

static inline int is_flat(const int32_t *c, const int32_t *n, int64_t row, int kind) {
    int32_t w = c[-1];
    return w == c[-row] && w == c[-row + 1] && (kind == 0 || (w == n[0] && w == n[1]));
}

static inline int rice_parameter(const uint32_t *e, const uint32_t *en, int64_t row) {
    uint32_t sum = e[-1] + e[-row] + e[-row + 1] + en[0];
    return sum < 6 ? 0 : medroi_log2(sum * 5) - 4;
}

/* Copies of the part's bit streams, which a compiler can keep in registers for a row. */
typedef struct fast_bits {
    medroi_bit_writer put;
    medroi_bit_reader get;
} fast_bits;

static inline void code_miss(p3_fast *f, fast_bits *bits, int32_t *c, const int32_t *n, uint32_t *e,
                             const uint32_t *en, const int32_t *w, int encode) {
    const p3_part *p = f->p;
    const int64_t row = p->v.row;
    int64_t exact = fast_sum(w, c, n, row);
    int64_t near = (exact + ONE / 2) >> P3_WEIGHT_BITS;
    near = near < p->low ? p->low : near > p->high ? p->high : near;
    int up = exact >= near * ONE, k = rice_parameter(e, en, row);
    uint64_t folded;
    if (encode) {
        int64_t miss = up ? *c - near : near - *c;
        folded = miss > 0 ? (uint64_t)(2 * miss - 1) : (uint64_t)(-2 * miss);
        put_rice(&bits->put, folded, k);
    } else {
        folded = get_rice(&bits->get, k);
        int64_t size = (int64_t)(folded + 1) >> 1, miss = folded & 1 ? size : -size;
        int64_t value = up ? near + miss : near - miss;
        int outside = value < p->low || value > p->high;
        f->bad |= outside;
        *c = outside ? p->low : (int32_t)value;
    }
    *e = folded < GREATEST_SIZE ? (uint32_t)folded : GREATEST_SIZE;
}

/* Encoder: length of the run that starts at (z, y, x), in voxels equal to the one on their left,
 * across rows and slices. */
static uint64_t run_length(const p3_part *p, int64_t z, int64_t y, int64_t x) {
    uint64_t run = 0;
    for (; z < p->v.depth; z++, y = 0)
        for (; y < p->v.height; y++, x = 0) {
            const int32_t *c = p->voxels + p3_origin(&p->v, z) + y * p->v.row;
            for (; x < p->v.width; x++, run++)
                if (c[x] != c[x - 1])
                    return run;
        }
    return run;
}

static inline void code_row(p3_fast *f, int64_t z, int64_t y, int encode) {
    p3_part *p = f->p;
    const p3_volume v = p->v;
    const int kind = p3_kind(&v, z);
    const int64_t at = p3_origin(&v, 0) + y * v.row;
    int32_t *c = p->voxels + z * v.slice + at;
    uint32_t *e = f->sizes + (z & 1) * v.slice + at;
    fast_bits bits = {p->put, p->get};
    const int32_t *n = kind == 0 ? p->voxels + p3_origin(&v, v.depth) + y * v.row : c - v.slice;
    const uint32_t *en = kind == 0 ? e - v.row - 1 : f->sizes + (~z & 1) * v.slice + at;
    const int32_t *w = p->weights.weight[kind][0];
    for (int64_t x = 0; x < v.width; x++) {
        if (f->run == 0 && is_flat(c + x, n + x, v.row, kind)) {
            int k = run_parameter(f);
            if (encode) {
                f->run = run_length(p, z, y, x);
                put_rice(&bits.put, f->run, k);
            } else {
                f->run = get_rice(&bits.get, k);
            }
            learn_run(f, f->run);
            f->run++; /* and the voxel that ends it */
        }
        if (f->run > 1) {
            f->run--;
            c[x] = c[x - 1];
            e[x] = 0;
            continue;
        }
        f->run = 0;
        code_miss(f, &bits, c + x, n + x, e + x, en + x, w, encode);
    }
    p->put = bits.put;
    p->get = bits.get;
}

static p3_fast *fast_new(p3_part *p, medroi_error *error) {
    p3_fast *f = calloc(1, sizeof *f);
    uint32_t *sizes = calloc((size_t)(p->v.slice * 2), sizeof(uint32_t));
    if (!f || !sizes) {
        free(f);
        free(sizes);
        medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the misses of a part");
        return NULL;
    }
    f->p = p;
    f->sizes = sizes;
    f->typical_run = 16 * 16;
    return f;
}

static void fast_free(p3_fast *f) {
    free(f->sizes);
    free(f);
}

medroi_status p3_encode_fast(p3_part *p, medroi_error *error) {
    p3_fast *f = fast_new(p, error);
    if (!f)
        return MEDROI_NO_MEMORY;
    medroi_status status = MEDROI_OK;
    for (int kind = 0; kind < P3_KINDS && status == MEDROI_OK; kind++)
        if (!p3_fit_kind(&p->v, p->voxels, kind, FAST_TAPS, &p->weights))
            status = medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the weights");
    if (status == MEDROI_OK) {
        p3_write_weights(p);
        for (int64_t z = 0; z < p->v.depth; z++)
            for (int64_t y = 0; y < p->v.height; y++)
                code_row(f, z, y, 1);
    }
    fast_free(f);
    return status;
}

medroi_status p3_decode_fast(p3_part *p, medroi_error *error) {
    medroi_status status = p3_read_weights(p, error);
    if (status != MEDROI_OK)
        return status;
    p3_fast *f = fast_new(p, error);
    if (!f)
        return MEDROI_NO_MEMORY;
    for (int64_t z = 0; z < p->v.depth; z++) {
        p3_margin_top(&p->v, p->voxels, z);
        for (int64_t y = 0; y < p->v.height; y++) {
            int32_t *row = p->voxels + p3_origin(&p->v, z) + y * p->v.row;
            p3_margin_left(&p->v, row);
            code_row(f, z, y, 0);
            p3_margin_right(&p->v, row, y);
        }
    }
    if (f->bad || f->run > 1)
        status = p3_corrupt(error, "a voxel or a run lies outside its range");
    fast_free(f);
    return status;
}
