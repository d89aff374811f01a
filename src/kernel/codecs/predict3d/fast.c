/* predict3d, fast method: what the quick method replaced. It is read, and no longer written. */
#include "codecs/predict3d/quick.h"

#include <stdlib.h>

typedef struct fast {
    medroi_p3_part *p;
    uint32_t *sizes; /* folded misses of this and the last slice, margins zero */
    uint64_t run;    /* voxels of a run still to come */
    medroi_p3_runs runs;
    int bad;
} fast;

/* Where a row lies: its voxels, those of the near reference, and sizes of misses. */
typedef struct fast_row {
    int32_t *c;
    const int32_t *n;
    uint32_t *e;
    const uint32_t *en;
    const int32_t *w;
    int kind;
} fast_row;

static fast_row row_at(const fast *f, int64_t z, int64_t y) {
    const medroi_p3_volume v = f->p->v;
    const int64_t at = medroi_p3_origin(&v, 0) + y * v.row;
    fast_row r = {.kind = medroi_p3_kind(&v, z)};
    r.c = f->p->voxels + z * v.slice + at;
    r.e = f->sizes + (z & 1) * v.slice + at;
    r.n = r.kind == 0 ? f->p->voxels + v.depth * v.slice + at : r.c - v.slice;
    r.en = r.kind == 0 ? r.e - v.row - 1 : f->sizes + (~z & 1) * v.slice + at;
    r.w = f->p->weights.weight[r.kind][0];
    return r;
}

/* The weighted sum of the nearest neighbours. */
static inline int64_t sum_of(const int32_t *w, const int32_t *c, const int32_t *n, int64_t row) {
    int64_t a = (int64_t)w[1] * c[-row] + (int64_t)w[2] * c[-row - 1] +
                (int64_t)w[3] * c[-row + 1] + (int64_t)w[5] * c[-2 * row];
    int64_t b = (int64_t)w[6] * n[0] + (int64_t)w[7] * n[-1] + (int64_t)w[8] * n[1];
    int64_t d = (int64_t)w[9] * n[-row] + (int64_t)w[10] * n[row];
    return a + b + d + ((int64_t)w[4] * c[-2] + (int64_t)w[0] * c[-1]);
}

/* The Rice parameter; 16 stands for all sums below 6. */
static inline int rice_parameter(uint32_t sum) { return medroi_log2((sum * 5) | 16) - 4; }

static inline int is_flat(const int32_t *c, const int32_t *n, int64_t row, int kind) {
    int32_t w = c[-1];
    return w == c[-row] && w == c[-row + 1] && (kind == 0 || (w == n[0] && w == n[1]));
}

static inline void decode_miss(fast *f, medroi_bit_reader *get, const fast_row *r, int64_t x) {
    const medroi_p3_part *p = f->p;
    const int64_t row = p->v.row;
    const uint32_t *e = r->e + x;
    int64_t exact = sum_of(r->w, r->c + x, r->n + x, row);
    int64_t near = (exact + P3_ONE / 2) >> P3_WEIGHT_BITS;
    near = near < p->low ? p->low : near > p->high ? p->high : near;
    int up = exact >= near * P3_ONE;
    uint64_t folded =
        medroi_p3_get_rice(get, rice_parameter(e[-1] + e[-row] + e[-row + 1] + r->en[x]));
    int64_t size = (int64_t)(folded + 1) >> 1, miss = folded & 1 ? size : -size;
    int64_t value = up ? near + miss : near - miss;
    int outside = value < p->low || value > p->high;
    f->bad |= outside;
    r->c[x] = outside ? p->low : (int32_t)value;
    r->e[x] = folded < P3_GREATEST_SIZE ? (uint32_t)folded : P3_GREATEST_SIZE;
}

static void decode_row(fast *f, const fast_row *r) {
    const int64_t width = f->p->v.width, row = f->p->v.row;
    medroi_bit_reader get = f->p->get; /* a copy that can stay in registers */
    for (int64_t x = 0; x < width; x++) {
        if (f->run == 0 && is_flat(r->c + x, r->n + x, row, r->kind)) {
            f->run = medroi_p3_get_rice(&get, medroi_p3_run_bits(&f->runs));
            medroi_p3_learn_run(&f->runs, f->run);
            f->run++; /* and the voxel that ends it */
        }
        if (f->run > 1) {
            f->run--;
            r->c[x] = r->c[x - 1];
            r->e[x] = 0;
            continue;
        }
        f->run = 0;
        decode_miss(f, &get, r, x);
    }
    f->p->get = get;
}

medroi_status medroi_p3_decode_fast(medroi_p3_part *p, medroi_error *error) {
    medroi_status status = medroi_p3_read_weights(p, error);
    if (status != MEDROI_OK)
        return status;
    fast f = {.p = p, .runs = {P3_FIRST_TYPICAL_RUN}};
    f.sizes = calloc((size_t)(p->v.slice * 2), sizeof *f.sizes);
    if (!f.sizes)
        return medroi_fail(error, MEDROI_NO_MEMORY,
                           "predict3d: no memory for the misses of a part");
    for (int64_t z = 0; z < p->v.depth; z++) {
        medroi_p3_margin_top(&p->v, p->voxels, z);
        for (int64_t y = 0; y < p->v.height; y++) {
            fast_row r = row_at(&f, z, y);
            medroi_p3_margin_left(&p->v, r.c);
            decode_row(&f, &r);
            medroi_p3_margin_right(&p->v, r.c, y);
        }
    }
    if (f.bad || f.run > 1)
        status = medroi_p3_corrupt(error, "a voxel or a run lies outside its range");
    free(f.sizes);
    return status;
}
