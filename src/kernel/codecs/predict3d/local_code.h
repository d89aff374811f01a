/* Slices by the local method: included by local.c, once for each set of instructions. */

/* A slice, and the neighbours that it has. */
typedef struct LOCAL(site) {
    local_coder *c;
    int64_t z;
    int kind;
    int n_away, n_near;
    int away[LOCAL_TAPS], near[8]; /* unknowns that are in other rows, and in this one */
    int near_dx[8];
    const int32_t *from[LOCAL_TAPS]; /* of each unknown, the voxel for (0, 0); NULL where its slice
                                        is not there */
} LOCAL(site);

/* A voxel, and its places in all that is kept. */
typedef struct LOCAL(voxel) {
    int32_t *t;
    const int32_t *n;
    uint32_t *e;
    const uint32_t *en, *ef;
    uint8_t *sign;
    const uint8_t *sign_n;
} LOCAL(voxel);

/* A block of one row before its voxels are known: the shares of other rows. */
typedef struct LOCAL(block) {
    uint32_t rough[LOCAL_BLOCK_WIDTH];
    uint32_t activity[LOCAL_BLOCK_WIDTH];
    uint8_t signs[LOCAL_BLOCK_WIDTH];
    int64_t away[LOCAL_BLOCK_WIDTH]; /* of the prediction */
    int32_t near[8];                 /* weights in this row */
    int64_t rest;                    /* weight of the voxel before, which takes what is left of 1 */
} LOCAL(block);

LOCAL_TARGET static void LOCAL(place_taps)(LOCAL(site) * s) {
    const local_coder *c = s->c;
    const medroi_p3_volume *v = &c->v;
    s->n_away = s->n_near = 0;
    for (int i = 1; i < c->n_taps; i++) {
        local_tap tap = c->taps[i];
        int64_t shift = tap.dy * v->row + tap.dx;
        s->from[i - 1] = NULL;
        if (s->z + tap.dz < 0) {
            continue;
        }
        if (tap.of_mean) {
            s->from[i - 1] = c->mean + LOCAL_ABOVE * v->row + LOCAL_MARGIN + shift;
        } else {
            s->from[i - 1] = c->voxels + local_at(v, s->z + tap.dz, 0, 0) + shift;
        }
        if (tap.dz == 0 && tap.dy == 0) {
            s->near_dx[s->n_near] = tap.dx;
            s->near[s->n_near++] = i - 1;
        } else {
            s->away[s->n_away++] = i - 1;
        }
    }
}

LOCAL_TARGET static void LOCAL(begin_block)(const LOCAL(site) * s, int64_t y, int64_t bx,
                                            LOCAL(block) * b) {
    local_coder *c = s->c;
    const medroi_p3_volume *v = &c->v;
    if (!c->sums.solved[bx / LOCAL_LANES]) {
        LOCAL(solve)(&c->sums, bx);
    }
    const int32_t *weights = c->sums.weights + bx * c->sums.n;
    const int64_t at = y * v->row + bx * LOCAL_BLOCK_WIDTH;
    const int32_t *above = c->voxels + local_at(v, s->z, y - 1, bx * LOCAL_BLOCK_WIDTH);
    int64_t sum = 0, size = 0;
    for (int i = 0; i < c->sums.n; i++) {
        sum += weights[i];
        size += weights[i] < 0 ? -weights[i] : weights[i];
    }
    b->rest = (1 << 14) - sum;
    for (int i = 0; i < s->n_near; i++) {
        b->near[i] = weights[s->near[i]];
    }
    if ((uint64_t)size * c->p->map.top < (uint64_t)1 << 31) {
        int32_t away[LOCAL_BLOCK_WIDTH] = {0};
        for (int i = 0; i < s->n_away; i++) {
            const int32_t w = weights[s->away[i]], *t = s->from[s->away[i]] + at;
            for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
                away[k] += w * (t[k] - above[k]);
            }
        }
        for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
            b->away[k] = away[k];
        }
        return;
    }
    memset(b->away, 0, sizeof b->away);
    for (int i = 0; i < s->n_away; i++) {
        const int64_t w = weights[s->away[i]];
        const int32_t *t = s->from[s->away[i]] + at;
        for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
            b->away[k] += w * ((int64_t)t[k] - above[k]);
        }
    }
}

/* A voxel amid equal ones: 1 where it is equal too. */
LOCAL_INLINE int LOCAL(code_flat)(local_coder *c, int32_t *voxel, const int32_t *n, int kind,
                                  int encode) {
    const int64_t row = c->v.row;
    int agree = kind ? (n[1] == n[0]) + (n[row] == n[0]) + (n[row + 1] == n[0]) : 0;
    unsigned same = voxel[0] == voxel[-1];
    if (encode) {
        medroi_bit_encode(&c->p->enc, &c->flat[agree], same);
    } else {
        same = medroi_bit_decode(&c->p->dec, &c->flat[agree]);
    }
    if (same) {
        voxel[0] = voxel[-1];
    }
    return (int)same;
}

#define APART(a, b) ((a) > (b) ? (uint32_t)((a) - (b)) : (uint32_t)((b) - (a)))

/* Difference of the neighbours from theirs, recent errors and their signs. */
LOCAL_INLINE void LOCAL(look_around)(const local_coder *c, const LOCAL(voxel) * at, int kind,
                                     LOCAL(block) * b) {
    const int64_t row = c->v.row;
    const int32_t *t = at->t, *n = at->n;
    const uint32_t *e = at->e, *en = at->en, *ef = at->ef;
    const uint8_t *s = at->sign, *sn = at->sign_n;
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        b->rough[k] = APART(t[k - row], t[k - row - 1]) + APART(t[k - row], t[k - row + 1]);
        b->activity[k] = 2 * e[k - row] + e[k - row - 1] + e[k - row + 1] + e[k - 2 * row];
        b->signs[k] = (uint8_t)(s[k - row] << 1 | s[k - row + 1] << 3 | s[k - row - 1] << 4);
    }
    if (kind == 0) {
        return;
    }
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        b->rough[k] +=
            APART(n[k], n[k - 1]) + APART(n[k], n[k - row]) + APART(t[k - row], n[k - row]);
        b->activity[k] += 2 * en[k] + en[k - 1] + en[k + 1] + en[k - row] + en[k + row] +
                          en[k + row - 1] + en[k + row + 1];
        b->signs[k] = (uint8_t)(b->signs[k] | sn[k] << 2 | sn[k + 1] << 5);
    }
    if (c->mean && kind == 2) {
        for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
            b->activity[k] += 4 * ef[k] + 2 * (ef[k - 1] + ef[k + 1] + ef[k - row] + ef[k + row]) +
                              ef[k + row - 1] + ef[k + row + 1] + ef[k - row - 1] + ef[k - row + 1];
        }
    }
}

/* With the voxel before: 0 where all neighbours are the same. */
LOCAL_INLINE uint32_t LOCAL(roughness)(const LOCAL(voxel) * at, int64_t row, int kind,
                                       uint32_t known) {
    uint32_t found = known + APART(at->t[-1], at->t[-row - 1]);
    return kind > 0 ? found + APART(at->t[-1], at->n[-1]) : found;
}

#undef APART

/* 1/128 voxel to a level, eight an octave. */
LOCAL_INLINE int LOCAL(level_of)(uint32_t scale) {
    int n = medroi_log2(scale);
    return 8 * (n - 3) + (int)(scale >> (n - 3) & 7);
}

/* Weight of a sample, as a factor and a shift: the more certain, the more it counts. */
LOCAL_INLINE void LOCAL(weigh)(uint32_t activity, uint32_t rough, uint32_t error, uint16_t *weight,
                               uint8_t *shift) {
    uint64_t a = activity < 1u << 20 ? activity : 1u << 20;
    uint64_t r = 6 * (uint64_t)(rough < 1u << 17 ? rough : 1u << 17), e = 7 * (uint64_t)error;
    uint64_t variance = a * a + r * r + e * e + 4915;
    int n = medroi_bit_length(variance) - 1;
    *weight = local_weight[16 * (n & 1) + (int)(variance >> (n - 4) & 15)];
    *shift = (uint8_t)(3 + (n >> 1));
}

LOCAL_INLINE uint32_t LOCAL(capped)(uint32_t value) { return value < 63 ? value : 63; }

LOCAL_INLINE void LOCAL(code_voxel)(const LOCAL(site) * s, const LOCAL(block) * b,
                                    const LOCAL(voxel) * at, int column, int kind, uint32_t rough,
                                    uint16_t *weight, uint8_t *shift, int encode) {
    local_coder *c = s->c;
    const int64_t row = c->v.row;
    int32_t *t = at->t;
    int64_t above = t[-row], sum = b->away[column];
    for (int i = 0; i < s->n_near; i++) {
        sum += b->near[i] * (t[s->near_dx[i]] - above);
    }
    sum += b->rest * (t[-1] - above);
    int64_t guess = above * 256 + (sum >> 6);
    /* Sum of 16 shares of recent errors, in 1/8 voxel. */
    uint32_t activity = b->activity[column] + 2 * at->e[-1] + at->e[-2];
    activity = kind == 0 ? 2 * activity : c->mean && kind == 2 ? activity >> 1 : activity;
    uint32_t a = medroi_level(activity), r = LOCAL(capped)(medroi_level(rough));
    const int64_t high = (int64_t)c->p->map.top * 256;
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
    local_outlook outlook =
        LOCAL(look)(c, mean, level, &c->by_value[context + value], &c->by_roughness[context + r]);
    if (encode) {
        LOCAL(put_value)(c, &outlook, *t);
    } else {
        *t = LOCAL(get_value)(c, &outlook);
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
    uint8_t *shift = c->shifts + y % LOCAL_BLOCK_HEIGHT * stride;
    LOCAL(block) b;
    int ready = 0;
    for (int64_t x = 0; x < v->width; x++) {
        int column = (int)(x % LOCAL_BLOCK_WIDTH);
        if (column == 0) {
            LOCAL(look_around)(c, &at, kind, &b);
            ready = 0;
        }
        uint32_t rough = LOCAL(roughness)(&at, v->row, kind, b.rough[column]);
        weight[x] = 0;
        if (rough == 0 && LOCAL(code_flat)(c, at.t, at.n, kind, encode)) {
            *at.e = 0;
            *at.sign = 0;
        } else {
            if (!ready) {
                LOCAL(begin_block)(s, y, x / LOCAL_BLOCK_WIDTH, &b);
                ready = 1;
            }
            LOCAL(code_voxel)(s, &b, &at, column, kind, rough, &weight[x], &shift[x], encode);
        }
        at.t++, at.n++, at.e++, at.en++, at.ef++, at.sign++, at.sign_n++;
    }
}

/* Samples of eight voxels of one tap: their distance from the voxel before, by its weight. */
LOCAL_TARGET static inline void LOCAL(sample)(const int32_t *t, const int32_t *before,
                                              const int32_t *weight, const int32_t *shift,
                                              int16_t *samples) {
#if LOCAL_VECTORS
    const __m256i most = _mm256_set1_epi32(32767), clip = _mm256_set1_epi32(LOCAL_CLIP);
    const __m256i zero = _mm256_setzero_si256();
    __m256i d = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(const void *)t),
                                 _mm256_loadu_si256((const __m256i *)(const void *)before));
    d = _mm256_max_epi32(_mm256_min_epi32(d, most), _mm256_sub_epi32(zero, most));
    d = _mm256_mullo_epi32(d, _mm256_loadu_si256((const __m256i *)(const void *)weight));
    d = _mm256_srav_epi32(d, _mm256_loadu_si256((const __m256i *)(const void *)shift));
    d = _mm256_max_epi32(_mm256_min_epi32(d, clip), _mm256_sub_epi32(zero, clip));
    d = _mm256_permute4x64_epi64(_mm256_packs_epi32(d, d), 0x08);
    _mm_storeu_si128((__m128i *)(void *)samples, _mm256_castsi256_si128(d));
#else
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        int32_t d = t[k] - before[k];
        d = d > 32767 ? 32767 : d < -32767 ? -32767 : d;
        d = (d * weight[k]) >> shift[k];
        samples[k] = (int16_t)(d > LOCAL_CLIP ? LOCAL_CLIP : d < -LOCAL_CLIP ? -LOCAL_CLIP : d);
    }
#endif
}

/* Samples of one row of a block; of a voxel without a weight they are 0. */
LOCAL_TARGET static int LOCAL(sample_row)(const LOCAL(site) * s, int64_t y, int64_t bx) {
    local_coder *c = s->c;
    const medroi_p3_volume *v = &c->v;
    const int n = c->sums.n;
    const int64_t x = bx * LOCAL_BLOCK_WIDTH, row = y % LOCAL_BLOCK_HEIGHT;
    int16_t *samples = c->sums.samples + row * LOCAL_BLOCK_WIDTH;
    int32_t weight[LOCAL_BLOCK_WIDTH], shift[LOCAL_BLOCK_WIDTH], before[LOCAL_BLOCK_WIDTH];
    const int32_t *t = c->voxels + local_at(v, s->z, y, x);
    int count = 0;
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        int64_t at = row * (v->width + LOCAL_BLOCK_WIDTH) + x + k;
        weight[k] = x + k < v->width ? c->weights[at] : 0;
        shift[k] = weight[k] ? c->shifts[at] : 0;
        before[k] = t[k - 1];
        count += weight[k] != 0;
    }
    for (int i = 0; i <= n; i++) {
        const int32_t *from = t;
        if (i < n) {
            from = s->from[i] ? s->from[i] + y * v->row + x : before;
        }
        LOCAL(sample)(from, before, weight, shift, samples + i * LOCAL_SAMPLES);
    }
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
            for (int i = 0; i <= c->sums.n; i++) {
                memset(c->sums.samples + i * LOCAL_SAMPLES + k * LOCAL_BLOCK_WIDTH, 0,
                       LOCAL_BLOCK_WIDTH * sizeof *c->sums.samples);
            }
        }
        LOCAL(learn_block)(&c->sums, by, bx, count);
    }
}

LOCAL_TARGET static inline void LOCAL(code_slice)(local_coder *c, int64_t z, int encode) {
    const medroi_p3_volume *v = &c->v;
    LOCAL(site) s = {.c = c, .z = z, .kind = z == 0 ? 0 : z < v->lag ? 1 : 2};
    begin_slice(c, z);
    LOCAL(place_taps)(&s);
    for (int64_t by = 0; by < c->sums.n_by; by++) {
        medroi_p3_local_begin_row(&c->sums, z, by);
        for (int64_t k = 0; k < LOCAL_BLOCK_HEIGHT; k++) {
            int64_t y = by * LOCAL_BLOCK_HEIGHT + k;
            if (y < v->height) {
                begin_row(c, z, y);
                if (s.kind == 0) {
                    LOCAL(code_row)(&s, y, 0, encode);
                } else if (s.kind == 1) {
                    LOCAL(code_row)(&s, y, 1, encode);
                } else {
                    LOCAL(code_row)(&s, y, 2, encode);
                }
                end_row(c, z, y);
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
