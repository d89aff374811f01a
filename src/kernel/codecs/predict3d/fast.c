/* predict3d, fast method: what is known of a row before its voxels are.
 *
 * The same 20 neighbours predict a voxel, but with one set of weights a kind of slice, and what the
 * prediction misses by is coded with a prefix code instead of adaptive models. So everything that
 * comes from other rows (most of the weighted sum, most of the errors that choose the code) is
 * computed for a whole row at a time with vector instructions; only what the two voxels on the left
 * add is computed one voxel after the other. The 32 contexts are sizes of the errors around, as in
 * dense.c; their codes (fast_codes.c) are made for the part and travel in it. Runs of equal voxels
 * amid equal ones are a number each, as in JPEG-LS (Weinberger, Seroussi, Sapiro 2000).
 */
#include "codecs/predict3d/fast.h"

/* Whether every sum of weighted neighbours fits 32 bits, with room for rounding. */
static int is_narrow(const medroi_p3_part *p, const int32_t *w) {
    int64_t sum = 0, most = p->high > -(int64_t)p->low ? p->high : -(int64_t)p->low;
    for (int i = 0; i < P3_TAPS; i++)
        sum += w[i] < 0 ? -(int64_t)w[i] : w[i];
    return most < 1 << 18 && sum * most < INT32_MAX - P3_ONE;
}

medroi_p3_row medroi_p3_row_at(const medroi_p3_part *p, uint32_t *sizes, int64_t z, int64_t y) {
    const medroi_p3_volume v = p->v;
    const int64_t at = medroi_p3_origin(&v, 0) + y * v.row;
    const int32_t *zero = p->voxels + v.depth * v.slice + at;
    medroi_p3_row r = {.kind = medroi_p3_kind(&v, z)};
    r.c = p->voxels + z * v.slice + at;
    r.n = r.kind == 0 ? zero : r.c - v.slice;
    r.f = r.kind == 2 ? r.c - v.lag * v.slice : zero;
    r.e = sizes + (z & 1) * v.slice + at;
    r.en = sizes + (~z & 1) * v.slice + at;
    memcpy(r.w, p->weights.weight[r.kind][0], sizeof r.w);
    if (z == 0 && y == 0) { /* nothing is known above */
        memset(r.w, 0, sizeof r.w);
        r.w[0] = P3_ONE;
    } else if (z == 0 && y == 1) {
        r.w[1] += r.w[5];
        r.w[5] = 0;
    }
    r.narrow = is_narrow(p, r.w);
    return r;
}

/* A function of several clones is visible from outside whatever the flags say, unless static. */
P3_CLONES static void row_sums(const medroi_p3_row *r, int64_t row, int64_t width,
                               int32_t *restrict sums) {
    const int32_t *c = r->c, *n = r->n, *f = r->f, *w = r->w;
    for (int64_t x = 0; x < width; x++)
        sums[x] = w[1] * c[x - row] + w[2] * c[x - row - 1] + w[3] * c[x - row + 1] +
                  w[5] * c[x - 2 * row];
    if (r->kind == 0)
        return;
    for (int64_t x = 0; x < width; x++)
        sums[x] += w[6] * n[x] + w[7] * n[x - 1] + w[8] * n[x + 1] + w[9] * n[x - row] +
                   w[10] * n[x + row] + w[11] * n[x - row - 1] + w[12] * n[x - row + 1] +
                   w[13] * n[x + row - 1] + w[14] * n[x + row + 1];
    if (r->kind == 1)
        return;
    for (int64_t x = 0; x < width; x++)
        sums[x] += w[15] * f[x] + w[16] * f[x - 1] + w[17] * f[x + 1] + w[18] * f[x - row] +
                   w[19] * f[x + row];
}

void medroi_p3_row_sums(const medroi_p3_row *r, int64_t row, int64_t width,
                        int32_t *restrict sums) {
    row_sums(r, row, width, sums);
}

P3_CLONES static void row_around(const medroi_p3_row *r, int64_t row, int64_t width,
                                 uint32_t *restrict around, uint8_t *restrict flat) {
    const int32_t *c = r->c, *n = r->n;
    const uint32_t *e = r->e, *en = r->en;
    for (int64_t x = 0; x < width; x++)
        around[x] = 2 * e[x - row] + e[x - row - 1] + e[x - row + 1];
    if (r->kind == 0) {
        for (int64_t x = 0; x < width; x++)
            around[x] += e[x - 2 * row];
        for (int64_t x = 0; x < width; x++)
            flat[x] = c[x - row] == c[x - row + 1];
        return;
    }
    for (int64_t x = 0; x < width; x++)
        around[x] += 2 * en[x];
    for (int64_t x = 0; x < width; x++)
        flat[x] = (c[x - row] == c[x - row + 1]) & (c[x - row] == n[x]) & (c[x - row] == n[x + 1]);
}

void medroi_p3_row_around(const medroi_p3_row *r, int64_t row, int64_t width,
                          uint32_t *restrict around, uint8_t *restrict flat) {
    row_around(r, row, width, around, flat);
}

int64_t medroi_p3_wide_sum(const medroi_p3_row *r, int64_t row, int64_t x) {
    int32_t tap[P3_TAPS];
    int64_t sum = 0;
    medroi_p3_neighbours(r->c + x, r->n + x, r->f + x, row, tap);
    for (int i = 0; i < P3_TAPS; i++)
        sum += (int64_t)r->w[i] * tap[i];
    return sum;
}
