/* predict3d, fast method: what encoding and decoding share. */
#ifndef MEDROI_PREDICT3D_FAST_H
#define MEDROI_PREDICT3D_FAST_H

#include "predict3d_internal.h"

#define P3_FAST_TAPS 11
#define P3_ONE (1 << P3_WEIGHT_BITS)
#define P3_LONGEST_UNARY 20
#define P3_GREATEST_SIZE (1u << 26)

typedef struct p3_fast {
    p3_part *p;
    uint32_t *sizes;      /* folded misses of this and the last slice, margins zero */
    uint64_t run;         /* voxels of a run still to come */
    uint32_t typical_run; /* running mean, in 1/16 */
    int bad;
} p3_fast;

/* Where a row lies: its voxels, those of the near reference, and sizes of misses. */
typedef struct p3_fast_row {
    int32_t *c;
    const int32_t *n;
    uint32_t *e;
    const uint32_t *en;
    const int32_t *w;
    int64_t z, y;
    int kind;
} p3_fast_row;

static inline p3_fast_row p3_fast_row_at(const p3_fast *f, int64_t z, int64_t y) {
    const p3_volume v = f->p->v;
    const int64_t at = p3_origin(&v, 0) + y * v.row;
    p3_fast_row r = {.z = z, .y = y, .kind = p3_kind(&v, z)};
    r.c = f->p->voxels + z * v.slice + at;
    r.e = f->sizes + (z & 1) * v.slice + at;
    r.n = r.kind == 0 ? f->p->voxels + v.depth * v.slice + at : r.c - v.slice;
    r.en = r.kind == 0 ? r.e - v.row - 1 : f->sizes + (~z & 1) * v.slice + at;
    r.w = f->p->weights.weight[r.kind][0];
    return r;
}

static inline int p3_run_parameter(const p3_fast *f) { return medroi_log2(f->typical_run) - 4; }

static inline void p3_learn_run(p3_fast *f, uint64_t run) {
    uint32_t seen = run < (1u << 20) ? (uint32_t)run : 1u << 20;
    f->typical_run += seen - (f->typical_run >> 4);
    if (f->typical_run < 16)
        f->typical_run = 16;
}

/* The weighted sum of the nearest neighbours. */
static inline int64_t p3_fast_sum(const int32_t *w, const int32_t *c, const int32_t *n,
                                  int64_t row) {
    int64_t a = (int64_t)w[1] * c[-row] + (int64_t)w[2] * c[-row - 1] +
                (int64_t)w[3] * c[-row + 1] + (int64_t)w[5] * c[-2 * row];
    int64_t b = (int64_t)w[6] * n[0] + (int64_t)w[7] * n[-1] + (int64_t)w[8] * n[1];
    int64_t d = (int64_t)w[9] * n[-row] + (int64_t)w[10] * n[row];
    return a + b + d + ((int64_t)w[4] * c[-2] + (int64_t)w[0] * c[-1]);
}

/* The Rice parameter; 16 stands for all sums below 6. */
static inline int p3_rice_parameter(uint32_t sum) { return medroi_log2((sum * 5) | 16) - 4; }

static inline uint32_t p3_size_of(uint64_t folded) {
    return folded < P3_GREATEST_SIZE ? (uint32_t)folded : P3_GREATEST_SIZE;
}

p3_fast *p3_fast_new(p3_part *p, medroi_error *error);
void p3_fast_free(p3_fast *f);

#endif
