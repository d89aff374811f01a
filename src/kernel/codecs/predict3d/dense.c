/* predict3d, dense method: prediction, and adaptive models of what it misses by.
 *
 * Each voxel is predicted by a weighted sum of 20 known neighbours; which of 8 sets of weights, the
 * roughness of the neighbourhood says. To the sum is added a bias: what predictions in the same
 * situation (the same set, and the same neighbours above the prediction) have missed by on average.
 * This is the context-based error feedback of CALIC (Wu, Memon 1997) in three dimensions. The
 * difference is folded to 0, 1, 2 ..., the more likely side first, and coded as a token under the
 * sum of two adaptive models: one chosen by the recent errors around the voxel and by how far the
 * prediction lies from a whole number, the other by errors and roughness. Where all neighbours are
 * equal, one bit says that the voxel is, too.
 */
#include "codecs/predict3d/predict3d.h"

#include <stdlib.h>

#define LEVELS 124
#define NEAR_CONTEXTS (LEVELS * 4)
#define ROUGH_CONTEXTS ((LEVELS / 4) * 32)
#define BIAS_CONTEXTS (P3_MAX_CLASSES * 32)
#define ONE (1 << P3_WEIGHT_BITS)

typedef struct medroi_p3_dense {
    medroi_p3_part *p;
    uint32_t *errors; /* in 1/8, of this and the last slice, margins zero */
    int bad;
    medroi_bit_model flat[4];
    medroi_number_model escape;
    int32_t bias[BIAS_CONTEXTS]; /* in 1/16 of a prediction's unit */
    medroi_token_model near[NEAR_CONTEXTS], rough[ROUGH_CONTEXTS];
} medroi_p3_dense;

/* Where the coder stands in a slice. */
typedef struct medroi_p3_site {
    int32_t *c;
    const int32_t *n, *f;
    uint32_t *e;
    const uint32_t *en;
    int kind;
} medroi_p3_site;

/* Sum of 16 shares of recent errors, in units of 1/8. */
P3_INLINE uint32_t activity(const medroi_p3_site *s, int64_t row) {
    const uint32_t *e = s->e, *n = s->en;
    uint32_t here = 2 * (e[-1] + e[-row]) + e[-row - 1] + e[-row + 1] + e[-2] + e[-2 * row];
    if (s->kind == 0)
        return 2 * here;
    return here + 2 * n[0] + n[-1] + n[1] + n[-row] + n[row] + n[row - 1] + n[row + 1];
}

P3_INLINE int64_t weighted(const int32_t *w, const int32_t *t) {
    int64_t a = (int64_t)w[1] * t[1] + (int64_t)w[2] * t[2] + (int64_t)w[3] * t[3];
    int64_t b = (int64_t)w[5] * t[5] + (int64_t)w[6] * t[6] + (int64_t)w[7] * t[7];
    int64_t c = (int64_t)w[8] * t[8] + (int64_t)w[9] * t[9] + (int64_t)w[10] * t[10];
    int64_t d = (int64_t)w[11] * t[11] + (int64_t)w[12] * t[12] + (int64_t)w[13] * t[13];
    a += (int64_t)w[14] * t[14] + (int64_t)w[15] * t[15] + (int64_t)w[16] * t[16];
    b += (int64_t)w[17] * t[17] + (int64_t)w[18] * t[18] + (int64_t)w[19] * t[19];
    return (a + b) + (c + d) + ((int64_t)w[4] * t[4] + (int64_t)w[0] * t[0]);
}

/* Prediction of a voxel. */
typedef struct medroi_p3_forecast {
    int64_t sum;   /* of the weighted neighbours, P3_WEIGHT_BITS fractional bits */
    int64_t exact; /* sum and bias, inside the range of values */
    int64_t near;  /* exact, rounded */
    int64_t over;  /* exact - near */
    int64_t fold;  /* distance from near to the closer end of the range */
    int32_t *bias;
} medroi_p3_forecast;

P3_INLINE medroi_p3_forecast forecast(medroi_p3_dense *d, const medroi_p3_site *s,
                                      const int32_t *tap, uint32_t rough) {
    const medroi_p3_part *p = d->p;
    const uint32_t *limit = p->weights.limit[s->kind];
    int cls = 0;
    for (int i = 0; i < P3_MAX_CLASSES - 1; i++)
        cls += rough >= limit[i];
    medroi_p3_forecast f;
    f.sum = weighted(p->weights.weight[s->kind][cls], tap);
    int64_t guess = f.sum >> P3_WEIGHT_BITS;
    int signs = (tap[0] > guess) | (tap[1] > guess) << 1 | (tap[6] > guess) << 2 |
                (tap[3] > guess) << 3 | (tap[10] > guess) << 4;
    f.bias = &d->bias[cls * 32 + signs];
    int64_t low = (int64_t)p->low * ONE, high = (int64_t)p->high * ONE;
    f.exact = f.sum + (*f.bias >> 4);
    f.exact = f.exact < low ? low : f.exact > high ? high : f.exact;
    f.near = (f.exact + ONE / 2) >> P3_WEIGHT_BITS;
    f.over = f.exact - f.near * ONE;
    int64_t below = f.near - p->low, above = p->high - f.near;
    f.fold = below < above ? below : above;
    return f;
}

/* Misses to 0, 1, 2 ...: first the value itself, then the two beside it, the one on the side of
 * the exact forecast first, and so on; beyond the closer end of the range only one side is left. */
P3_INLINE uint64_t fold_miss(const medroi_p3_forecast *f, int64_t miss) {
    int64_t size = miss < 0 ? -miss : miss;
    if (size > f->fold)
        return (uint64_t)(size + f->fold);
    return (uint64_t)(2 * size - (miss != 0 && (miss > 0) == (f->over >= 0)));
}

P3_INLINE int64_t unfold_miss(const medroi_p3_forecast *f, uint64_t folded, int low_is_closer) {
    int64_t u = (int64_t)folded;
    if (u > 2 * f->fold)
        return low_is_closer ? u - f->fold : f->fold - u;
    int64_t size = (u + 1) >> 1;
    return (u & 1) == (f->over >= 0) ? size : -size;
}

P3_INLINE void learn(const medroi_p3_site *s, const medroi_p3_forecast *f) {
    const int64_t cap = (int64_t)1 << 26;
    int64_t miss = (int64_t)*s->c * ONE - f->exact;
    uint64_t size = (uint64_t)(miss < 0 ? -miss : miss) >> (P3_WEIGHT_BITS - 3);
    *s->e = size < (uint64_t)cap ? (uint32_t)size : (uint32_t)cap;
    int64_t pull = (int64_t)*s->c * ONE - f->sum;
    pull = pull > cap ? cap : pull < -cap ? -cap : pull;
    *f->bias += (int32_t)((pull * 16 - *f->bias) >> 7);
}

/* A voxel amid equal ones: 1 when it is equal too. */
P3_INLINE unsigned code_flat(medroi_p3_dense *d, const medroi_p3_site *s, const int32_t *tap,
                             int encode) {
    medroi_bit_model *flat =
        &d->flat[(tap[8] == tap[6]) + (tap[10] == tap[6]) + (tap[14] == tap[6])];
    unsigned same = *s->c == tap[0];
    if (encode)
        medroi_bit_encode(&d->p->enc, flat, same);
    else
        same = medroi_bit_decode(&d->p->dec, flat);
    if (same) {
        *s->c = tap[0];
        *s->e = 0;
    }
    return same;
}

/* One voxel: encoding reads *s->c, decoding writes it. */
P3_INLINE void code_voxel(medroi_p3_dense *d, const medroi_p3_site *s, int encode) {
    medroi_p3_part *p = d->p;
    int32_t tap[P3_TAPS];
    medroi_p3_neighbours(s->c, s->n, s->f, p->v.row, tap);
    uint32_t rough = medroi_p3_roughness(tap, s->kind);
    if (rough == 0 && code_flat(d, s, tap, encode))
        return;
    medroi_p3_forecast f = forecast(d, s, tap, rough);
    uint32_t act = activity(s, p->v.row), level = medroi_level(act);
    int k = act < 256 ? 0 : medroi_log2(act) - 7;
    uint32_t over = (uint32_t)(f.over < 0 ? -f.over : f.over) >> (P3_WEIGHT_BITS - 3);
    medroi_token_model *a = &d->near[level * 4 + (over & 3)];
    medroi_token_model *b = &d->rough[(level >> 2) * 32 + (medroi_level(rough) >> 1 & 31)];
    if (encode) {
        medroi_magnitude_encode(&p->enc, &p->put, &d->escape, a, b, fold_miss(&f, *s->c - f.near),
                                k);
    } else {
        uint64_t folded = medroi_magnitude_decode(&p->dec, &p->get, &d->escape, a, b, k);
        int64_t value = f.near + unfold_miss(&f, folded, f.near - p->low == f.fold);
        int outside = value < p->low || value > p->high;
        d->bad |= outside;
        *s->c = outside ? p->low : (int32_t)value;
    }
    learn(s, &f);
}

P3_INLINE void code_slice(medroi_p3_dense *d, int64_t z, int encode) {
    const medroi_p3_volume v = d->p->v;
    const int32_t *zero = d->p->voxels + medroi_p3_origin(&v, v.depth);
    const int kind = medroi_p3_kind(&v, z);
    for (int64_t y = 0; y < v.height; y++) {
        int64_t at = medroi_p3_origin(&v, 0) + y * v.row;
        int32_t *c = d->p->voxels + z * v.slice + at;
        uint32_t *e = d->errors + (z & 1) * v.slice + at;
        medroi_p3_site s = {c, zero + y * v.row, zero + y * v.row, e, e, kind};
        if (kind >= 1) {
            s.n = c - v.slice;
            s.en = d->errors + (~z & 1) * v.slice + at;
        }
        if (kind == 2)
            s.f = c - v.lag * v.slice;
        if (!encode)
            medroi_p3_margin_left(&v, c);
        for (int64_t x = 0; x < v.width; x++) {
            code_voxel(d, &s, encode);
            s.c++, s.n++, s.f++, s.e++, s.en++;
        }
        if (!encode)
            medroi_p3_margin_right(&v, c, y);
    }
}

/* Decoding waits for one voxel after the other and gains nothing from newer instructions. */
P3_CLONES static void encode_slice(medroi_p3_dense *d, int64_t z) { code_slice(d, z, 1); }
static void decode_slice(medroi_p3_dense *d, int64_t z) { code_slice(d, z, 0); }

static medroi_p3_dense *dense_new(medroi_p3_part *p, medroi_error *error) {
    medroi_p3_dense *d = calloc(1, sizeof *d);
    uint32_t *errors = calloc((size_t)(p->v.slice * 2), sizeof(uint32_t));
    if (!d || !errors) {
        free(d);
        free(errors);
        medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the models of a part");
        return NULL;
    }
    d->p = p;
    d->errors = errors;
    for (int i = 0; i < 4; i++)
        medroi_bit_init(&d->flat[i]);
    for (int i = 0; i < NEAR_CONTEXTS; i++)
        medroi_token_init(&d->near[i]);
    for (int i = 0; i < ROUGH_CONTEXTS; i++)
        medroi_token_init(&d->rough[i]);
    medroi_number_init(&d->escape);
    return d;
}

static void dense_free(medroi_p3_dense *d) {
    free(d->errors);
    free(d);
}

medroi_status medroi_p3_encode_dense(medroi_p3_part *p, medroi_error *error) {
    medroi_p3_dense *d = dense_new(p, error);
    if (!d)
        return MEDROI_NO_MEMORY;
    medroi_status status = MEDROI_OK;
    for (int kind = 0; kind < P3_KINDS && status == MEDROI_OK; kind++)
        if (!medroi_p3_fit_kind(&p->v, p->voxels, kind, P3_MAX_CLASSES, &p->weights))
            status = medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the weights");
    if (status == MEDROI_OK) {
        medroi_p3_write_weights(p);
        for (int64_t z = 0; z < p->v.depth && !medroi_p3_is_full(p); z++)
            encode_slice(d, z);
    }
    dense_free(d);
    return status;
}

medroi_status medroi_p3_decode_dense(medroi_p3_part *p, medroi_error *error) {
    medroi_status status = medroi_p3_read_weights(p, error);
    if (status != MEDROI_OK)
        return status;
    medroi_p3_dense *d = dense_new(p, error);
    if (!d)
        return MEDROI_NO_MEMORY;
    for (int64_t z = 0; z < p->v.depth; z++) {
        medroi_p3_margin_top(&p->v, p->voxels, z);
        decode_slice(d, z);
    }
    if (d->bad)
        status = medroi_p3_corrupt(error, "a voxel lies outside the range of values");
    dense_free(d);
    return status;
}
