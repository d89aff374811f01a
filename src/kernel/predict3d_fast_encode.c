/* predict3d, fast method, encoder: a row is predicted at once, then written voxel by voxel. */
#include "predict3d_fast.h"

#include <stdlib.h>

/* What can be told of a row before any of it is written. */
typedef struct row_plan {
    uint32_t *folded; /* misses, where all sums fit 32 bits */
    uint32_t *around; /* sizes above and in the slice before */
    int32_t *flat;    /* 1 where a run begins unless one goes on */
    int narrow;       /* all sums fit 32 bits */
} row_plan;

static inline uint64_t fold(int64_t miss) {
    return miss > 0 ? (uint64_t)(2 * miss - 1) : (uint64_t)(-2 * miss);
}

P3_CLONES static void fold_row(const p3_fast_row *r, int64_t row, int64_t width, int32_t low,
                               int32_t high, uint32_t *restrict folded) {
    const int32_t *c = r->c, *n = r->n, *w = r->w;
    for (int64_t x = 0; x < width; x++) {
        int32_t exact = w[0] * c[x - 1] + w[1] * c[x - row] + w[2] * c[x - row - 1] +
                        w[3] * c[x - row + 1] + w[4] * c[x - 2] + w[5] * c[x - 2 * row] +
                        w[6] * n[x] + w[7] * n[x - 1] + w[8] * n[x + 1] + w[9] * n[x - row] +
                        w[10] * n[x + row];
        int32_t near = (exact + P3_ONE / 2) >> P3_WEIGHT_BITS;
        near = near < low ? low : near;
        near = near > high ? high : near;
        int32_t miss = c[x] - near;
        miss = exact >= near * P3_ONE ? miss : -miss;
        folded[x] = (uint32_t)(miss > 0 ? 2 * miss - 1 : -2 * miss);
    }
}

P3_CLONES static void look_around(const p3_fast_row *r, int64_t row, int64_t width,
                                  uint32_t *restrict around, int32_t *restrict flat) {
    const int32_t *c = r->c, *n = r->kind == 0 ? r->c - 1 : r->n; /* kind 0: never unequal */
    const int64_t next = r->kind == 0 ? 0 : 1;
    const uint32_t *e = r->e, *en = r->en;
    for (int64_t x = 0; x < width; x++) {
        around[x] = e[x - row] + e[x - row + 1] + en[x];
        flat[x] = (c[x - 1] == c[x - row]) & (c[x - 1] == c[x - row + 1]) & (c[x - 1] == n[x]) &
                  (c[x - 1] == n[x + next]);
    }
}

/* Whether every sum of weighted neighbours fits 32 bits, with room for rounding. */
static int is_narrow(const p3_part *p, const int32_t *w) {
    int64_t sum = 0, most = p->high > -(int64_t)p->low ? p->high : -(int64_t)p->low;
    for (int i = 0; i < P3_FAST_TAPS; i++)
        sum += w[i] < 0 ? -(int64_t)w[i] : w[i];
    return most < 1 << 18 && sum * most < INT32_MAX - P3_ONE;
}

static uint64_t fold_wide(const p3_part *p, const p3_fast_row *r, int64_t x) {
    int64_t exact = p3_fast_sum(r->w, r->c + x, r->n + x, p->v.row);
    int64_t near = (exact + P3_ONE / 2) >> P3_WEIGHT_BITS;
    near = near < p->low ? p->low : near > p->high ? p->high : near;
    int64_t miss = r->c[x] - near;
    return fold(exact >= near * P3_ONE ? miss : -miss);
}

static inline void put_rice(medroi_bit_writer *put, uint64_t value, int k) {
    uint64_t q = value >> k;
    if (q < P3_LONGEST_UNARY) { /* at most 20 + 28 bits */
        uint64_t low = value & (((uint64_t)1 << k) - 1);
        medroi_bits_put(put, (low << 1 | 1) << q, (int)q + 1 + k);
    } else {
        medroi_bits_put(put, 0, P3_LONGEST_UNARY);
        medroi_bits_put(put, value, 48);
    }
}

/* Length of the run that starts at x of a row, in voxels equal to the one on their left, across
 * rows and slices. */
static uint64_t run_length(const p3_part *p, const p3_fast_row *r, int64_t x) {
    uint64_t run = 0;
    int64_t y = r->y;
    for (int64_t z = r->z; z < p->v.depth; z++, y = 0)
        for (; y < p->v.height; y++, x = 0) {
            const int32_t *c = p->voxels + p3_origin(&p->v, z) + y * p->v.row;
            for (; x < p->v.width; x++, run++)
                if (c[x] != c[x - 1])
                    return run;
        }
    return run;
}

static void encode_row(p3_fast *f, const p3_fast_row *r, const row_plan *plan) {
    const p3_part *p = f->p;
    const int64_t width = p->v.width;
    medroi_bit_writer put = p->put; /* a copy that can stay in registers */
    uint32_t *e = r->e;
    for (int64_t x = 0; x < width;) {
        if (f->run == 0 && plan->flat[x]) {
            f->run = run_length(p, r, x);
            put_rice(&put, f->run, p3_run_parameter(f));
            p3_learn_run(f, f->run);
            f->run++; /* and the voxel that ends it */
        }
        if (f->run > 1) {
            int64_t left = width - x, n = f->run - 1 < (uint64_t)left ? (int64_t)f->run - 1 : left;
            memset(e + x, 0, (size_t)n * sizeof *e);
            f->run -= (uint64_t)n;
            x += n;
            continue;
        }
        f->run = 0;
        uint64_t folded = plan->narrow ? plan->folded[x] : fold_wide(p, r, x);
        put_rice(&put, folded, p3_rice_parameter(e[x - 1] + plan->around[x]));
        e[x] = p3_size_of(folded);
        x++;
    }
    f->p->put = put;
}

static void encode_rows(p3_fast *f, row_plan *plan) {
    p3_part *p = f->p;
    const p3_volume v = p->v;
    for (int64_t z = 0; z < v.depth; z++) {
        plan->narrow = is_narrow(p, p->weights.weight[p3_kind(&v, z)][0]);
        for (int64_t y = 0; y < v.height; y++) {
            p3_fast_row r = p3_fast_row_at(f, z, y);
            look_around(&r, v.row, v.width, plan->around, plan->flat);
            if (plan->narrow)
                fold_row(&r, v.row, v.width, p->low, p->high, plan->folded);
            encode_row(f, &r, plan);
        }
    }
}

medroi_status p3_encode_fast(p3_part *p, medroi_error *error) {
    medroi_status status = MEDROI_OK;
    size_t width = (size_t)p->v.width;
    uint32_t *rows = malloc(3 * width * sizeof *rows);
    p3_fast *f = p3_fast_new(p, error);
    if (!rows || !f) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for a row");
        goto done;
    }
    for (int kind = 0; kind < P3_KINDS; kind++)
        if (!p3_fit_kind(&p->v, p->voxels, kind, P3_FAST_TAPS, &p->weights)) {
            status = medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the weights");
            goto done;
        }
    p3_write_weights(p);
    row_plan plan = {rows, rows + width, (int32_t *)(rows + 2 * width), 0};
    encode_rows(f, &plan);
done:
    p3_fast_free(f);
    free(rows);
    return status;
}
