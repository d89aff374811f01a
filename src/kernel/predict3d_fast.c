/* predict3d, fast method: fewer neighbours, Rice codes, runs. No models, no range coder. */
#include "predict3d_fast.h"

#include <stdlib.h>

p3_fast *p3_fast_new(p3_part *p, medroi_error *error) {
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

void p3_fast_free(p3_fast *f) {
    if (f)
        free(f->sizes);
    free(f);
}

static inline uint64_t get_rice(medroi_bit_reader *get, int k) {
    int q = medroi_bits_zeros(get, P3_LONGEST_UNARY);
    if (q < P3_LONGEST_UNARY)
        return (uint64_t)q << k | medroi_bits_get(get, k);
    uint64_t low = medroi_bits_get(get, 32);
    return low | medroi_bits_get(get, 16) << 32;
}

static inline int is_flat(const int32_t *c, const int32_t *n, int64_t row, int kind) {
    int32_t w = c[-1];
    return w == c[-row] && w == c[-row + 1] && (kind == 0 || (w == n[0] && w == n[1]));
}

static inline void decode_miss(p3_fast *f, medroi_bit_reader *get, const p3_fast_row *r,
                               int64_t x) {
    const p3_part *p = f->p;
    const int64_t row = p->v.row;
    const uint32_t *e = r->e + x;
    int64_t exact = p3_fast_sum(r->w, r->c + x, r->n + x, row);
    int64_t near = (exact + P3_ONE / 2) >> P3_WEIGHT_BITS;
    near = near < p->low ? p->low : near > p->high ? p->high : near;
    int up = exact >= near * P3_ONE;
    uint64_t folded = get_rice(get, p3_rice_parameter(e[-1] + e[-row] + e[-row + 1] + r->en[x]));
    int64_t size = (int64_t)(folded + 1) >> 1, miss = folded & 1 ? size : -size;
    int64_t value = up ? near + miss : near - miss;
    int outside = value < p->low || value > p->high;
    f->bad |= outside;
    r->c[x] = outside ? p->low : (int32_t)value;
    r->e[x] = p3_size_of(folded);
}

static void decode_row(p3_fast *f, const p3_fast_row *r) {
    const int64_t width = f->p->v.width, row = f->p->v.row;
    medroi_bit_reader get = f->p->get; /* a copy that can stay in registers */
    for (int64_t x = 0; x < width; x++) {
        if (f->run == 0 && is_flat(r->c + x, r->n + x, row, r->kind)) {
            f->run = get_rice(&get, p3_run_parameter(f));
            p3_learn_run(f, f->run);
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

medroi_status p3_decode_fast(p3_part *p, medroi_error *error) {
    medroi_status status = p3_read_weights(p, error);
    if (status != MEDROI_OK)
        return status;
    p3_fast *f = p3_fast_new(p, error);
    if (!f)
        return MEDROI_NO_MEMORY;
    for (int64_t z = 0; z < p->v.depth; z++) {
        p3_margin_top(&p->v, p->voxels, z);
        for (int64_t y = 0; y < p->v.height; y++) {
            p3_fast_row r = p3_fast_row_at(f, z, y);
            p3_margin_left(&p->v, r.c);
            decode_row(f, &r);
            p3_margin_right(&p->v, r.c, y);
        }
    }
    if (f->bad || f->run > 1)
        status = p3_corrupt(error, "a voxel or a run lies outside its range");
    p3_fast_free(f);
    return status;
}
