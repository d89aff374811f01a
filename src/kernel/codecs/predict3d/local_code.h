/* Slices by the local method: included by local.c, once for each set of instructions. */

/* In this order. */
#include "codecs/predict3d/local_model.h"

#include "codecs/predict3d/local_solve.h"

#include "codecs/predict3d/local_predict.h"

/* A slice, and the neighbours that it has. */
typedef struct LOCAL(site) {
    local_coder *c;
    int64_t z;
    int kind, of_mean; /* whether volumes before have a mean */
    int32_t top;
    LOCAL(reach) reach;
} LOCAL(site);

/* A voxel, and its places in all that is kept. */
typedef struct LOCAL(voxel) {
    int32_t *t;
    const int32_t *n;
    uint32_t *e;
    const uint32_t *en, *ef;
    uint16_t *sign;
    const uint16_t *sign_n;
} LOCAL(voxel);

/* A block of one row before its voxels are known: the shares of other rows. */
typedef struct LOCAL(block) {
    uint32_t rough[LOCAL_BLOCK_WIDTH];
    uint32_t activity[LOCAL_BLOCK_WIDTH];
    uint16_t signs[LOCAL_BLOCK_WIDTH];
    LOCAL(eight) shares; /* of the prediction */
} LOCAL(block);

/* Difference of the neighbours from theirs, recent errors and their signs. */
LOCAL_INLINE void LOCAL(look_around)(const LOCAL(site) * site, const LOCAL(voxel) * at, int kind,
                                     LOCAL(block) * b) {
    const int64_t row = site->c->v.row;
    const int32_t *t = at->t, *n = at->n;
    const uint32_t *e = at->e, *en = at->en, *ef = at->ef;
    const uint16_t *s = at->sign, *sn = at->sign_n;
    LOCAL(rough_around)(t, n, row, kind, b->rough);
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        b->activity[k] = 2 * e[k - row] + e[k - row - 1] + e[k - row + 1] + e[k - 2 * row];
        b->signs[k] = (uint16_t)(s[k - row] << 1 | s[k - row + 1] << 3 | s[k - row - 1] << 4);
    }
    if (kind == 0) {
        return;
    }
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        b->activity[k] += 2 * en[k] + en[k - 1] + en[k + 1] + en[k - row] + en[k + row] +
                          en[k + row - 1] + en[k + row + 1];
        b->signs[k] = (uint16_t)(b->signs[k] | sn[k] << 2 | sn[k + 1] << 5);
    }
    if (kind == 2 && site->of_mean) {
        for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
            b->activity[k] += 4 * ef[k] + 2 * (ef[k - 1] + ef[k + 1] + ef[k - row] + ef[k + row]) +
                              ef[k + row - 1] + ef[k + row + 1] + ef[k - row - 1] + ef[k - row + 1];
        }
    }
}

LOCAL_INLINE void LOCAL(code_voxel)(const LOCAL(site) * s, const LOCAL(block) * b,
                                    const LOCAL(voxel) * at, int column, int kind, uint32_t rough,
                                    uint16_t *weight, uint16_t *shift, int encode) {
    local_coder *c = s->c;
    const int64_t row = c->v.row;
    int32_t *t = at->t;
    int64_t guess = LOCAL(predict)(&s->reach, &b->shares, t, row, column);
    /* Sum of 16 shares of recent errors, in 1/8 voxel. */
    uint32_t activity = b->activity[column] + 2 * at->e[-1] + at->e[-2];
    activity = kind == 0 ? 2 * activity : activity >> (kind == 2 && s->of_mean);
    uint32_t a = medroi_level(activity), r = LOCAL(capped)(medroi_level(rough));
    const int64_t high = (int64_t)s->top * 256;
    int64_t inside = guess < 0 ? 0 : guess > high ? high : guess;
    uint32_t value = LOCAL(capped)(medroi_level((uint32_t)(inside >> 6)));
    uint32_t signs = b->signs[column] | at->sign[-1];
    uint32_t group = a / 8 < 15 ? a / 8 : 15;
    int32_t *by_signs = &c->bias_by_signs[group * 64 + signs];
    int32_t *by_value = &c->bias_by_value[group * 64 + value];
    int64_t bias = (*by_signs + *by_value) >> 8, mean = guess + bias;
    mean = mean < 0 ? 0 : mean > high ? high : mean;
    mean = (mean + 4) & ~(int64_t)7;

    uint32_t spread = activity + 6;
    uint32_t *ratio_r = &c->ratio_by_roughness[LOCAL(capped)(a / 2) * 64 + r];
    uint32_t *ratio_v = &c->ratio_by_value[LOCAL(capped)(a / 2) * 64 + value];
    uint64_t scale = (uint64_t)spread * (*ratio_r + *ratio_v) >> 17;
    scale = scale < 16 ? 16 : scale > 1u << 30 ? 1u << 30 : scale;
    int level = LOCAL(level_of)((uint32_t)scale);
    uint32_t context = LOCAL(capped)((uint32_t)level >> 2) * 64;
    local_outlook outlook = LOCAL(look)(s->top, mean, level, &c->by_value[context + value],
                                        &c->by_roughness[context + r]);
    if (encode) {
        LOCAL(put_value)(c, &outlook, *t);
    } else {
        *t = LOCAL(get_value)(c, &outlook, s->top);
    }

    int64_t miss = (int64_t)*t * 256 - mean, size = (miss < 0 ? -miss : miss) >> 5;
    uint32_t error = size < 1 << 20 ? (uint32_t)size : 1u << 20;
    *at->e = error;
    *at->sign = miss > 0;
    uint64_t sixteenth = (uint64_t)error << 4;
    uint32_t ratio =
        sixteenth >= (uint64_t)spread * 8 ? 8u << 16 : (uint32_t)((sixteenth << 16) / spread);
    *ratio_r += (uint32_t)(((int32_t)ratio - (int32_t)*ratio_r) >> 7);
    *ratio_v += (uint32_t)(((int32_t)ratio - (int32_t)*ratio_v) >> 7);
    int64_t pull = (int64_t)*t * 256 - guess;
    int64_t limit = scale < 1 << 19 ? (int64_t)scale * 4 + 128 : 1 << 21;
    pull = (pull > limit ? limit : pull < -limit ? -limit : pull) - bias;
    *by_signs += (int32_t)(pull * 2);
    *by_value += (int32_t)pull;
    LOCAL(weigh)(activity, rough, error, weight, shift);
}

LOCAL_INLINE void LOCAL(code_row)(const LOCAL(site) * s, int64_t y, int kind, int encode) {
    local_coder *c = s->c;
    const medroi_p3_volume *v = &c->v;
    const int64_t within = (y + LOCAL_ABOVE) * v->row + LOCAL_MARGIN;
    const int64_t n = c->n_errors, stride = v->width + LOCAL_BLOCK_WIDTH;
    int64_t here = s->z % n * v->slice + within, before = (s->z + n - 1) % n * v->slice + within;
    int64_t far = (s->z + n - v->lag % n) % n * v->slice + within;
    LOCAL(voxel)
    at = {c->voxels + local_at(v, s->z, y, 0),
          c->voxels + local_at(v, s->z - 1, y, 0),
          c->errors + here,
          c->errors + before,
          c->errors + far,
          c->signs + here,
          c->signs + before};
    uint16_t *weight = c->weights + y % LOCAL_BLOCK_HEIGHT * stride;
    uint16_t *shift = c->shifts + y % LOCAL_BLOCK_HEIGHT * stride;
    LOCAL(block) b;
    int ready = 0;
    for (int64_t x = 0; x < v->width; x++) {
        int column = (int)(x % LOCAL_BLOCK_WIDTH);
        if (column == 0) {
            LOCAL(look_around)(s, &at, kind, &b);
            ready = 0;
        }
        uint32_t rough = LOCAL(roughness)(at.t, at.n, v->row, kind, b.rough[column]);
        weight[x] = 0;
        if (rough == 0 && LOCAL(code_flat)(c->p, c->flat, at.t, at.n, v->row, kind, encode)) {
            *at.e = 0;
            *at.sign = 0;
        } else {
            if (!ready) {
                LOCAL(begin_eight)
                (&c->sums, &s->reach, x / LOCAL_BLOCK_WIDTH, y * v->row + x - column,
                 at.t - column - v->row, (uint64_t)s->top, &b.shares);
                ready = 1;
            }
            LOCAL(code_voxel)(s, &b, &at, column, kind, rough, &weight[x], &shift[x], encode);
        }
        at.t++, at.n++, at.e++, at.en++, at.ef++, at.sign++, at.sign_n++;
    }
}

/* Samples of one row of a block; of a voxel without a weight they are 0. */
LOCAL_TARGET static int LOCAL(sample_row)(const LOCAL(site) * s, int64_t y, int64_t bx) {
    local_coder *c = s->c;
    const medroi_p3_volume *v = &c->v;
    const int64_t x = bx * LOCAL_BLOCK_WIDTH, row = y % LOCAL_BLOCK_HEIGHT;
    const int64_t at = row * (v->width + LOCAL_BLOCK_WIDTH) + x;
    LOCAL(weighting) w;
    int count = LOCAL(weights_of)(c->weights + at, c->shifts + at, v->width - x, &w);
    LOCAL(sample_taps)
    (&s->reach, c->sums.n, c->voxels + local_at(v, s->z, y, x), y * v->row + x, &w, LOCAL_CLIP,
     c->sums.samples + row * LOCAL_BLOCK_WIDTH);
    return count;
}

LOCAL_TARGET static void LOCAL(learn_row)(const LOCAL(site) * s, int64_t by) {
    local_coder *c = s->c;
    for (int64_t bx = 0; bx < c->sums.n_bx; bx++) {
        int count = 0;
        for (int64_t k = 0; k < LOCAL_BLOCK_HEIGHT; k++) {
            int64_t y = by * LOCAL_BLOCK_HEIGHT + k;
            if (y < c->v.height) {
                count += LOCAL(sample_row)(s, y, bx);
                continue;
            }
            medroi_p3_local_no_samples(&c->sums, k);
        }
        if (count > 0) {
            LOCAL(multiply)(&c->sums, local_here(&c->sums, by, bx));
        }
        LOCAL(learn_block)(&c->sums, by, bx, count);
    }
}

LOCAL_TARGET static inline void LOCAL(code_slice)(local_coder *c, int64_t z, int encode) {
    const medroi_p3_volume *v = &c->v;
    LOCAL(site)
    s = {.c = c,
         .z = z,
         .kind = medroi_p3_kind(v, z),
         .of_mean = c->mean.rounded != NULL,
         .top = (int32_t)c->p->map.top};
    begin_slice(c, z);
    LOCAL(place_taps)(v, c->taps, c->n_taps, c->voxels, c->mean.rounded, z, &s.reach);
    for (int64_t by = 0; by < c->sums.n_by; by++) {
        medroi_p3_local_begin_row(&c->sums, z, by);
        for (int64_t k = 0; k < LOCAL_BLOCK_HEIGHT; k++) {
            int64_t y = by * LOCAL_BLOCK_HEIGHT + k;
            if (y < v->height) {
                medroi_p3_local_margin_left(v, c->voxels, z, y);
                if (s.kind == 0) {
                    LOCAL(code_row)(&s, y, 0, encode);
                } else if (s.kind == 1) {
                    LOCAL(code_row)(&s, y, 1, encode);
                } else {
                    LOCAL(code_row)(&s, y, 2, encode);
                }
                medroi_p3_local_margin_right(v, c->voxels, z, y);
            }
        }
        LOCAL(learn_row)(&s, by);
    }
    end_slice(c, z);
}

LOCAL_TARGET static void LOCAL(encode_slice)(local_coder *c, int64_t z) {
    LOCAL(code_slice)(c, z, 1);
}

LOCAL_TARGET static void LOCAL(decode_slice)(local_coder *c, int64_t z) {
    LOCAL(code_slice)(c, z, 0);
}
