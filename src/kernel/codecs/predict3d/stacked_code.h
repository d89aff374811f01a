/* Slices by the stacked method: included by stacked.c, once for each set of instructions. */

/* In this order. */
#include "codecs/predict3d/local_solve.h"

#include "codecs/predict3d/local_predict.h"

#include "codecs/predict3d/stacked_mix.h"

/* A slice, and the neighbours that each fit has in it. */
typedef struct LOCAL(stacked_site) {
    stacked_coder *c;
    int64_t z;
    int kind;
    LOCAL(reach) reach[STACKED_FITS];
    int64_t beside[STACKED_MISSES]; /* the places of the misses that the stack sees */
} LOCAL(stacked_site);

/* A voxel, and its places in all that is kept; behind `n` in the slice before, `f` lag slices. */
typedef struct LOCAL(stacked_voxel) {
    int32_t *t;
    const int32_t *n;
    uint32_t (*e)[STACKED_ERRORS];
    const uint32_t (*en)[STACKED_ERRORS], (*ef)[STACKED_ERRORS];
    int32_t *miss;
    const int32_t *miss_n;
    uint8_t *sign;
    const uint8_t *sign_n;
} LOCAL(stacked_voxel);

/* All that leads to the outlook on a voxel, and learns from it. */
typedef struct LOCAL(view) {
    int64_t guess[STACKED_GUESSES], blend;
    uint32_t activity[STACKED_ERRORS];
    int32_t apart[STACKED_APART];
    uint32_t rough, scale;
    int32_t *bias_by_sides, *bias_by_signs;
    uint32_t *ratios[4], *guess_ratios[STACKED_GUESSES];
} LOCAL(view);

LOCAL_INLINE int64_t LOCAL(inside)(int64_t value, int64_t high) {
    return value < 0 ? 0 : value > high ? high : value;
}

LOCAL_INLINE int32_t LOCAL(small)(int64_t value) {
    return value > 1 << 20 ? 1 << 20 : value < -(1 << 20) ? -(1 << 20) : (int32_t)value;
}

/* The level of a scale of at least 1/16 voxel. */
LOCAL_INLINE int LOCAL(scale_level)(uint64_t scale) {
    return LOCAL(level_of)(scale < 8 ? 8 : scale > 1u << 30 ? 1u << 30 : (uint32_t)scale);
}

/* Sums of 16 shares of the errors around, of all guesses and of the mean. */
LOCAL_INLINE void LOCAL(sum_errors)(const stacked_coder *c, const LOCAL(stacked_voxel) * at,
                                    int kind, uint32_t sum[STACKED_ERRORS]) {
    const int64_t row = c->v.row;
    const uint32_t(*e)[STACKED_ERRORS] = (const uint32_t(*)[STACKED_ERRORS])at->e;
    const uint32_t(*n)[STACKED_ERRORS] = at->en;
    for (int i = 0; i < STACKED_ERRORS; i++) {
        uint32_t here = 2 * (e[-1][i] + e[-row][i]) + e[-row - 1][i] + e[-row + 1][i] + e[-2][i] +
                        e[-2 * row][i];
        uint32_t before = 2 * n[0][i] + n[-1][i] + n[1][i] + n[-row][i] + n[row][i] +
                          n[row - 1][i] + n[row + 1][i];
        sum[i] = here + (kind == 0 ? here : before);
    }
    if (kind == 2 && c->mean.rounded) {
        const uint32_t(*f)[STACKED_ERRORS] = at->ef;
        const int i = STACKED_FINAL;
        sum[i] += 4 * f[0][i] + 2 * (f[-1][i] + f[1][i] + f[-row][i] + f[row][i]) + f[row - 1][i] +
                  f[row + 1][i] + f[-row - 1][i] + f[-row + 1][i];
        sum[i] >>= 1;
    }
}

/* The first guess stands on the others and on misses beside the voxel. */
LOCAL_INLINE void LOCAL(stack_guesses)(const LOCAL(stacked_site) * s,
                                       const LOCAL(stacked_voxel) * at, int64_t x,
                                       LOCAL(view) * view) {
    stacked_coder *c = s->c;
    int64_t bx = x / LOCAL_BLOCK_WIDTH, sum = 0;
    if (!c->stack.solved[bx / LOCAL_LANES]) {
        LOCAL(solve)(&c->stack, bx);
    }
    const int32_t *weights = c->stack.weights + bx * c->stack.n;
    for (int i = 0; i < STACKED_APART; i++) {
        view->apart[i] = LOCAL(small)((view->guess[i + 2] - view->guess[1]) >> 4);
        sum += (int64_t)weights[i] * view->apart[i];
    }
    for (int i = 0; i < STACKED_MISSES; i++) {
        const int32_t *misses = i < STACKED_MISSES_HERE ? at->miss : at->miss_n;
        sum += (int64_t)weights[STACKED_APART + i] * misses[s->beside[i]];
    }
    int64_t high = (int64_t)c->p->map.top * 256;
    view->guess[0] = LOCAL(inside)(view->guess[1] + (sum >> 10), high);
}

/* Guesses by their recent errors: the mean of all. */
LOCAL_INLINE void LOCAL(blend_guesses)(LOCAL(view) * view) {
    int levels[STACKED_GUESSES], least = INT32_MAX;
    uint64_t sum = 0, total = 0;
    for (int i = 0; i < STACKED_GUESSES; i++) {
        levels[i] = LOCAL(level_of)(view->activity[i] + 18);
        least = levels[i] < least ? levels[i] : least;
    }
    for (int i = 0; i < STACKED_GUESSES; i++) {
        int worse = levels[i] - least;
        uint64_t weight = (uint64_t)stacked_blend[worse < 40 ? worse : 40] << (i == 0);
        total += weight;
        sum += weight * (uint64_t)view->guess[i];
    }
    view->blend = (int64_t)(sum / total);
}

LOCAL_INLINE uint32_t LOCAL(distance)(int64_t a, int64_t b) {
    return (uint32_t)(a > b ? a - b : b - a);
}

/* The outlook on a voxel of which all guesses are known. */
LOCAL_INLINE void LOCAL(look_out)(const LOCAL(stacked_site) * s, const LOCAL(stacked_voxel) * at,
                                  LOCAL(view) * view, stacked_outlook *o) {
    stacked_coder *c = s->c;
    const int64_t row = c->v.row, high = (int64_t)c->p->map.top * 256;
    const int32_t *t = at->t, *n = at->n;
    int64_t least = view->guess[0], most = view->guess[0];
    for (int i = 1; i < STACKED_GUESSES; i++) {
        least = view->guess[i] < least ? view->guess[i] : least;
        most = view->guess[i] > most ? view->guess[i] : most;
    }
    const int32_t near = (int32_t)(view->blend >> 8);
    uint32_t sides = (uint32_t)(t[-1] > near) | (uint32_t)(t[-row] > near) << 1 |
                     (uint32_t)(t[-row + 1] > near) << 3;
    uint32_t signs = (uint32_t)(at->sign[-1] | at->sign[-row] << 1 | at->sign[-row + 1] << 3 |
                                at->sign[-row - 1] << 4);
    if (s->kind > 0) {
        sides |= (uint32_t)(n[0] > near) << 2 | (uint32_t)(n[row] > near) << 4;
        signs |= (uint32_t)(at->sign_n[0] << 2 | at->sign_n[1] << 5);
    }
    const uint32_t activity = view->activity[STACKED_FINAL];
    const uint32_t a = medroi_level(activity), r = LOCAL(capped)(medroi_level(view->rough));
    const uint32_t spread = LOCAL(capped)(medroi_level((uint32_t)((most - least) >> 5)));
    view->bias_by_sides = &c->bias_by_sides[r / 6 * 32 + sides];
    view->bias_by_signs = &c->bias_by_signs[a / 8 * 64 + signs];
    int64_t bias = ((int64_t)*view->bias_by_sides + *view->bias_by_signs) >> 9;
    o->mean = LOCAL(inside)(view->blend + bias, high);
    const uint32_t value = LOCAL(capped)(medroi_level((uint32_t)(o->mean >> 6)));

    view->ratios[0] = &c->ratio[a];
    view->ratios[1] = &c->ratio_by_roughness[a / 2 * 64 + r];
    view->ratios[2] = &c->ratio_by_spread[a / 2 * 64 + spread];
    view->ratios[3] = &c->ratio_by_value[a / 2 * 64 + value];
    int levels[4], sum = 2;
    for (int i = 0; i < 4; i++) {
        levels[i] = LOCAL(scale_level)((uint64_t)(activity + 6) * *view->ratios[i] >> 16);
        sum += levels[i];
    }
    o->level = sum >> 2;
    view->scale = ((uint32_t)(17 + 2 * (o->level & 7)) << (o->level >> 3)) >> 1;
    const int mean_levels[6] = {levels[1],
                                levels[2],
                                o->level > 3 ? o->level - 3 : 0,
                                levels[0] > 8 ? levels[0] - 8 : 0,
                                levels[0] + 11,
                                levels[3]};
    for (int i = 0; i < 6; i++) {
        o->experts[i] = (stacked_expert){o->mean, mean_levels[i]};
    }
    for (int i = 0; i < STACKED_GUESSES; i++) {
        uint32_t errors = view->activity[i];
        view->guess_ratios[i] = &c->ratio_of_guess[i][medroi_level(errors)];
        uint64_t scale = (uint64_t)(errors + 6) * *view->guess_ratios[i] >> 16;
        o->experts[6 + i] = (stacked_expert){view->guess[i], LOCAL(scale_level)(scale)};
    }

    const uint32_t m = medroi_level(view->scale), place = (uint32_t)(o->mean >> 5) & 7;
    const uint32_t coarse = view->scale > 512   ? 0
                            : view->scale > 256 ? place / 4
                            : view->scale > 128 ? place / 2
                                                : place;
    int64_t step = (t[-1] * (int64_t)256 - o->mean) >> 6;
    step = step > 31 ? 31 : step < -32 ? -32 : step;
    const uint32_t slope = LOCAL(capped)(medroi_level(LOCAL(distance)(t[-1], t[-row])));
    o->contexts[0] = m * 8 + coarse;
    o->contexts[1] = m / 2 * 64 + r;
    o->contexts[2] = signs * 16 + m / 8;
    o->contexts[3] = value * 64 + m / 2;
    o->contexts[4] = spread * 64 + m / 2;
    o->contexts[5] = (uint32_t)((o->mean + 128) >> 8) & 4095;
    o->contexts[6] = slope * 64 + (uint32_t)(step + 32);
    o->sets[0] = m / 6 < 15 ? (int)(m / 6) : 15;
    o->sets[1] = (int)(value / 4);
    o->sets[2] = (int)(spread / 4);
}

/* Error in 1/8 voxel; the ratio of it to what the errors around let expect. */
LOCAL_INLINE uint32_t LOCAL(error_of)(int64_t miss) {
    int64_t size = (miss < 0 ? -miss : miss) >> 5;
    return size < 1 << 20 ? (uint32_t)size : 1u << 20;
}

LOCAL_INLINE int32_t LOCAL(ratio_of)(uint32_t error, uint32_t expected) {
    uint64_t sixteenth = (uint64_t)error << 4;
    return sixteenth >= (uint64_t)expected * 8 ? 8 << 16 : (int32_t)((sixteenth << 16) / expected);
}

LOCAL_INLINE void LOCAL(learn_voxel)(const LOCAL(stacked_voxel) * at, const LOCAL(view) * view,
                                     const stacked_outlook *o) {
    const int64_t value = (int64_t)*at->t * 256, miss = value - o->mean;
    uint32_t *errors = at->e[0];
    for (int i = 0; i < STACKED_GUESSES; i++) {
        errors[i] = LOCAL(error_of)(value - view->guess[i]);
        int32_t ratio = LOCAL(ratio_of)(errors[i], view->activity[i] + 6);
        *view->guess_ratios[i] += (uint32_t)((ratio - (int32_t)*view->guess_ratios[i]) >> 8);
    }
    errors[STACKED_FINAL] = LOCAL(error_of)(miss);
    *at->sign = miss > 0;
    *at->miss = LOCAL(small)((value - view->guess[1]) >> 4);
    int32_t ratio = LOCAL(ratio_of)(errors[STACKED_FINAL], view->activity[STACKED_FINAL] + 6);
    for (int i = 0; i < 4; i++) {
        *view->ratios[i] += (uint32_t)((ratio - (int32_t)*view->ratios[i]) >> (i == 0 ? 8 : 7));
    }
    int64_t pull = value - view->blend;
    int64_t limit = view->scale < 1 << 19 ? (int64_t)view->scale * 8 + 256 : 1 << 22;
    pull = (pull > limit ? limit : pull < -limit ? -limit : pull) * 256;
    *view->bias_by_sides += (int32_t)((pull - *view->bias_by_sides) >> 7);
    *view->bias_by_signs += (int32_t)((pull - *view->bias_by_signs) >> 7);
}

/* Where a voxel's sample is kept. */
static inline int64_t LOCAL(sample_at)(const stacked_coder *c, int64_t y, int64_t x) {
    return y % STACKED_ROWS * (c->v.width + LOCAL_BLOCK_WIDTH) + x;
}

LOCAL_INLINE void LOCAL(stack_voxel)(const LOCAL(stacked_site) * s, const LOCAL(stacked_voxel) * at,
                                     const LOCAL(eight) shares[STACKED_FITS], uint32_t rough,
                                     int64_t y, int64_t x, int encode) {
    stacked_coder *c = s->c;
    const int64_t high = (int64_t)c->p->map.top * 256;
    const int column = (int)(x % LOCAL_BLOCK_WIDTH);
    LOCAL(view) view = {.rough = rough};
    stacked_outlook outlook;
    LOCAL(sum_errors)(c, at, s->kind, view.activity);
    for (int i = 0; i < STACKED_FITS; i++) {
        int64_t guess = LOCAL(predict)(&s->reach[i], &shares[i], at->t, c->v.row, column);
        view.guess[i + 1] = LOCAL(inside)(guess, high);
    }
    LOCAL(stack_guesses)(s, at, x, &view);
    LOCAL(blend_guesses)(&view);
    LOCAL(look_out)(s, at, &view, &outlook);
    *at->t = LOCAL(code_value)(c, &outlook, *at->t, encode);
    LOCAL(learn_voxel)(at, &view, &outlook);
    int64_t sample = LOCAL(sample_at)(c, y, x);
    LOCAL(weigh)
    (view.activity[STACKED_FINAL], rough, at->e[0][STACKED_FINAL], &c->weights[sample],
     &c->shifts[sample]);
    for (int i = 0; i < STACKED_APART; i++) {
        c->apart[i][sample] = view.apart[i];
    }
}

LOCAL_TARGET static void LOCAL(stack_row)(const LOCAL(stacked_site) * s, int64_t y, int encode) {
    stacked_coder *c = s->c;
    const medroi_p3_volume *v = &c->v;
    const int64_t within = (y + LOCAL_ABOVE) * v->row + LOCAL_MARGIN, n = c->n_slices;
    int64_t here = s->z % n * v->slice + within, before = (s->z + n - 1) % n * v->slice + within;
    int64_t far = (s->z + n - v->lag % n) % n * v->slice + within;
    LOCAL(stacked_voxel)
    at = {c->voxels + local_at(v, s->z, y, 0),
          c->voxels + local_at(v, s->z - 1, y, 0),
          c->errors + here,
          (const uint32_t(*)[STACKED_ERRORS])(c->errors + before),
          (const uint32_t(*)[STACKED_ERRORS])(c->errors + far),
          c->misses + here,
          c->misses + before,
          c->signs + here,
          c->signs + before};
    LOCAL(eight) shares[STACKED_FITS];
    uint32_t rough[LOCAL_BLOCK_WIDTH];
    int ready = 0;
    for (int64_t x = 0; x < v->width; x++) {
        int column = (int)(x % LOCAL_BLOCK_WIDTH);
        if (column == 0) {
            LOCAL(rough_around)(at.t, at.n, v->row, s->kind, rough);
            ready = 0;
        }
        uint32_t found = LOCAL(roughness)(at.t, at.n, v->row, s->kind, rough[column]);
        c->weights[LOCAL(sample_at)(c, y, x)] = 0;
        if (found > 0 || !LOCAL(code_flat)(c->p, c->flat, at.t, at.n, v->row, s->kind, encode)) {
            for (int i = 0; i < STACKED_FITS && !ready; i++) {
                LOCAL(begin_eight)
                (&c->fits[i], &s->reach[i], x / c->fits[i].memory.block_width,
                 y * v->row + x - column, at.t - column - v->row, c->p->map.top, &shares[i]);
            }
            ready = 1;
            LOCAL(stack_voxel)(s, &at, shares, found, y, x, encode);
        }
        at.t++, at.n++, at.e++, at.en++, at.ef++;
        at.miss++, at.miss_n++, at.sign++, at.sign_n++;
    }
}

/* Samples of a row of eight voxels for the stack: differences of guesses, misses beside the voxel,
 * and its own. */
LOCAL_TARGET static void LOCAL(sample_stack)(const LOCAL(stacked_site) * s, int64_t y, int64_t x,
                                             LOCAL(weighting) * w, int16_t *samples) {
    static const int32_t zeros[LOCAL_BLOCK_WIDTH] = {0};
    const stacked_coder *c = s->c;
    const int64_t within = (y + LOCAL_ABOVE) * c->v.row + LOCAL_MARGIN + x, n = c->n_slices;
    const int32_t *here = c->misses + s->z % n * c->v.slice + within;
    const int32_t *before = c->misses + (s->z + n - 1) % n * c->v.slice + within;
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        w->shift[k] += w->weight[k] ? 4 : 0;
    }
    for (int i = 0; i <= c->stack.n; i++) {
        const int32_t *from = here;
        if (i < STACKED_APART) {
            from = c->apart[i] + LOCAL(sample_at)(c, y, x);
        } else if (i < c->stack.n) {
            int k = i - STACKED_APART;
            from = (k < STACKED_MISSES_HERE ? here : before) + s->beside[k];
        }
        LOCAL(sample)(from, zeros, w, STACKED_CLIP, samples + i * LOCAL_SAMPLES);
    }
}

/* Samples of a tile of 8 x 4 voxels, of which rows from y_end on are none of the block's. */
LOCAL_TARGET static int LOCAL(sample_tile)(const LOCAL(stacked_site) * s, local_sums *sums, int fit,
                                           int64_t y, int64_t y_end, int64_t x) {
    stacked_coder *c = s->c;
    int count = 0;
    for (int64_t k = 0; k < LOCAL_BLOCK_HEIGHT; k++) {
        int16_t *samples = sums->samples + k * LOCAL_BLOCK_WIDTH;
        LOCAL(weighting) w;
        if (y + k >= y_end) {
            medroi_p3_local_no_samples(sums, k);
            continue;
        }
        int64_t at = LOCAL(sample_at)(c, y + k, x);
        count += LOCAL(weights_of)(c->weights + at, c->shifts + at, c->v.width - x, &w);
        for (int i = 0; i < LOCAL_BLOCK_WIDTH; i++) {
            w.shift[i] += w.weight[i] ? 1 : 0; /* half of the local method's: sums are longer */
        }
        if (fit < STACKED_FITS) {
            const int32_t *t = c->voxels + local_at(&c->v, s->z, y + k, x);
            LOCAL(sample_taps)
            (&s->reach[fit], sums->n, t, (y + k) * c->v.row + x, &w, STACKED_CLIP, samples);
        } else {
            LOCAL(sample_stack)(s, y + k, x, &w, samples);
        }
    }
    return count;
}

/* After row y, the last of a row of blocks of these equations. */
LOCAL_TARGET static void LOCAL(stack_learn)(const LOCAL(stacked_site) * s, local_sums *sums,
                                            int fit, int64_t y) {
    const local_memory *memory = &sums->memory;
    const int64_t by = y / memory->block_height, first = by * memory->block_height;
    for (int64_t bx = 0; bx < sums->n_bx; bx++) {
        int32_t *here = local_here(sums, by, bx);
        int count = LOCAL(sample_tile)(s, sums, fit, first, y + 1, bx * LOCAL_BLOCK_WIDTH);
        if (count > 0) {
            LOCAL(multiply)(sums, here);
        }
        LOCAL(learn_block)(sums, by, bx, count);
    }
}

LOCAL_TARGET static void LOCAL(stack_slice)(stacked_coder *c, int64_t z, int encode) {
    const medroi_p3_volume *v = &c->v;
    LOCAL(stacked_site) s = {.c = c, .z = z, .kind = medroi_p3_kind(v, z)};
    begin_slice(c, z);
    for (int i = 0; i < STACKED_FITS; i++) {
        LOCAL(place_taps)
        (v, c->taps[i], c->n_taps[i], c->voxels, c->mean.rounded, z, &s.reach[i]);
    }
    for (int i = 0; i < STACKED_MISSES; i++) {
        s.beside[i] = stacked_beside[i][0] * v->row + stacked_beside[i][1];
    }
    for (int64_t y = 0; y < v->height; y++) {
        medroi_p3_local_margin_left(v, c->voxels, z, y);
        for (int i = 0; i <= STACKED_FITS; i++) {
            local_sums *sums = i < STACKED_FITS ? &c->fits[i] : &c->stack;
            if (y % sums->memory.block_height == 0) {
                medroi_p3_local_begin_row(sums, z, y / sums->memory.block_height);
            }
        }
        LOCAL(stack_row)(&s, y, encode);
        medroi_p3_local_margin_right(v, c->voxels, z, y);
        for (int i = 0; i <= STACKED_FITS; i++) {
            local_sums *sums = i < STACKED_FITS ? &c->fits[i] : &c->stack;
            if ((y + 1) % sums->memory.block_height == 0 || y + 1 == v->height) {
                LOCAL(stack_learn)(&s, sums, i, y);
            }
        }
    }
    end_slice(c, z);
}

LOCAL_TARGET static void LOCAL(encode_stacked)(stacked_coder *c, int64_t z) {
    LOCAL(stack_slice)(c, z, 1);
}

LOCAL_TARGET static void LOCAL(decode_stacked)(stacked_coder *c, int64_t z) {
    LOCAL(stack_slice)(c, z, 0);
}
