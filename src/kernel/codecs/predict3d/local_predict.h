/* Predictions and samples of the local methods: included once for each set of instructions. */

/* The neighbours that a slice has. */
typedef struct LOCAL(reach) {
    int n_away, n_near;
    int away[LOCAL_TAPS], near[LOCAL_NEAR]; /* unknowns that are in other rows, and in this one */
    int near_dx[LOCAL_NEAR];
    const int32_t *from[LOCAL_TAPS]; /* of each unknown, the voxel for (0, 0); NULL where its slice
                                        is not there */
} LOCAL(reach);

/* Predictions of eight voxels of a row before they are known. */
typedef struct LOCAL(eight) {
    int64_t away[LOCAL_BLOCK_WIDTH]; /* shares of other rows */
    int32_t near[LOCAL_NEAR];        /* weights in this row */
    int64_t rest;                    /* weight of the voxel before, which takes what is left of 1 */
} LOCAL(eight);

/* Weights of the samples of eight voxels, as factors and shifts. */
typedef struct LOCAL(weighting) {
    int32_t weight[LOCAL_BLOCK_WIDTH], shift[LOCAL_BLOCK_WIDTH];
} LOCAL(weighting);

LOCAL_TARGET static void LOCAL(place_taps)(const medroi_p3_volume *v, const local_tap *taps,
                                           int n_taps, const int32_t *voxels, const int32_t *mean,
                                           int64_t z, LOCAL(reach) * r) {
    r->n_away = r->n_near = 0;
    for (int i = 1; i < n_taps; i++) {
        local_tap tap = taps[i];
        int64_t shift = tap.dy * v->row + tap.dx;
        r->from[i - 1] = NULL;
        if (z + tap.dz < 0) {
            continue;
        }
        if (tap.of_mean) {
            r->from[i - 1] = mean + LOCAL_ABOVE * v->row + LOCAL_MARGIN + shift;
        } else {
            r->from[i - 1] = voxels + local_at(v, z + tap.dz, 0, 0) + shift;
        }
        if (tap.dz == 0 && tap.dy == 0) {
            r->near_dx[r->n_near] = tap.dx;
            r->near[r->n_near++] = i - 1;
        } else {
            r->away[r->n_away++] = i - 1;
        }
    }
}

/* Eight voxels of block bx, the first at `at` in a slice; `above` are those of the row above. */
LOCAL_TARGET static void LOCAL(begin_eight)(local_sums *s, const LOCAL(reach) * r, int64_t bx,
                                            int64_t at, const int32_t *above, uint64_t top,
                                            LOCAL(eight) * e) {
    if (!s->solved[bx / LOCAL_LANES]) {
        LOCAL(solve)(s, bx);
    }
    const int32_t *weights = s->weights + bx * s->n;
    int64_t sum = 0, size = 0;
    for (int i = 0; i < s->n; i++) {
        sum += weights[i];
        size += weights[i] < 0 ? -weights[i] : weights[i];
    }
    e->rest = (1 << 14) - sum;
    for (int i = 0; i < r->n_near; i++) {
        e->near[i] = weights[r->near[i]];
    }
    if ((uint64_t)size * top < (uint64_t)1 << 31) {
        int32_t away[LOCAL_BLOCK_WIDTH] = {0};
        for (int i = 0; i < r->n_away; i++) {
            const int32_t w = weights[r->away[i]], *t = r->from[r->away[i]] + at;
            for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
                away[k] += w * (t[k] - above[k]);
            }
        }
        for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
            e->away[k] = away[k];
        }
        return;
    }
    memset(e->away, 0, sizeof e->away);
    for (int i = 0; i < r->n_away; i++) {
        const int64_t w = weights[r->away[i]];
        const int32_t *t = r->from[r->away[i]] + at;
        for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
            e->away[k] += w * ((int64_t)t[k] - above[k]);
        }
    }
}

/* The prediction of a voxel, with those before it in its row: 8 fractional bits. */
LOCAL_INLINE int64_t LOCAL(predict)(const LOCAL(reach) * r, const LOCAL(eight) * e,
                                    const int32_t *t, int64_t row, int column) {
    int64_t above = t[-row], sum = e->away[column];
    for (int i = 0; i < r->n_near; i++) {
        sum += e->near[i] * (t[r->near_dx[i]] - above);
    }
    sum += e->rest * (t[-1] - above);
    return above * 256 + (sum >> 6);
}

/* Weights of eight voxels, of which `n_inside` are any; how many have one. */
LOCAL_INLINE int LOCAL(weights_of)(const uint16_t *weights, const uint16_t *shifts,
                                   int64_t n_inside, LOCAL(weighting) * w) {
    int count = 0;
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        w->weight[k] = k < n_inside ? weights[k] : 0;
        w->shift[k] = w->weight[k] ? shifts[k] : 0;
        count += w->weight[k] != 0;
    }
    return count;
}

/* Samples of eight voxels of one tap: their distance from the voxel before, by its weight. */
LOCAL_TARGET static inline void LOCAL(sample)(const int32_t *t, const int32_t *before,
                                              const LOCAL(weighting) * w, int most,
                                              int16_t *samples) {
#if LOCAL_VECTORS
    const __m256i reach = _mm256_set1_epi32(32767), clip = _mm256_set1_epi32(most);
    const __m256i zero = _mm256_setzero_si256();
    __m256i d = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(const void *)t),
                                 _mm256_loadu_si256((const __m256i *)(const void *)before));
    d = _mm256_max_epi32(_mm256_min_epi32(d, reach), _mm256_sub_epi32(zero, reach));
    d = _mm256_mullo_epi32(d, _mm256_loadu_si256((const __m256i *)(const void *)w->weight));
    d = _mm256_srav_epi32(d, _mm256_loadu_si256((const __m256i *)(const void *)w->shift));
    d = _mm256_max_epi32(_mm256_min_epi32(d, clip), _mm256_sub_epi32(zero, clip));
    d = _mm256_permute4x64_epi64(_mm256_packs_epi32(d, d), 0x08);
    _mm_storeu_si128((__m128i *)(void *)samples, _mm256_castsi256_si128(d));
#else
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        int32_t d = t[k] - before[k];
        d = d > 32767 ? 32767 : d < -32767 ? -32767 : d;
        d = (d * w->weight[k]) >> w->shift[k];
        samples[k] = (int16_t)(d > most ? most : d < -most ? -most : d);
    }
#endif
}

/* Samples of all taps of eight voxels and, behind them, of the voxels; t is the first, which lies
 * at `at` in its slice. */
LOCAL_TARGET static void LOCAL(sample_taps)(const LOCAL(reach) * r, int n, const int32_t *t,
                                            int64_t at, const LOCAL(weighting) * w, int most,
                                            int16_t *samples) {
    int32_t before[LOCAL_BLOCK_WIDTH];
    memcpy(before, t - 1, sizeof before);
    for (int i = 0; i <= n; i++) {
        const int32_t *from = t;
        if (i < n) {
            from = r->from[i] ? r->from[i] + at : before;
        }
        LOCAL(sample)(from, before, w, most, samples + i * LOCAL_SAMPLES);
    }
}

/* A voxel amid equal ones: 1 where it is equal too. */
LOCAL_INLINE int LOCAL(code_flat)(medroi_p3_part *p, medroi_bit_model *flat, int32_t *voxel,
                                  const int32_t *n, int64_t row, int kind, int encode) {
    int agree = kind ? (n[1] == n[0]) + (n[row] == n[0]) + (n[row + 1] == n[0]) : 0;
    unsigned same = voxel[0] == voxel[-1];
    if (encode) {
        medroi_bit_encode(&p->enc, &flat[agree], same);
    } else {
        same = medroi_bit_decode(&p->dec, &flat[agree]);
    }
    if (same) {
        voxel[0] = voxel[-1];
    }
    return (int)same;
}

#define APART(a, b) ((uint32_t)abs((a) - (b))) /* of values below 2^24 */

/* Roughness of eight voxels, without what the voxels before them add. */
LOCAL_INLINE void LOCAL(rough_around)(const int32_t *t, const int32_t *n, int64_t row, int kind,
                                      uint32_t rough[LOCAL_BLOCK_WIDTH]) {
    for (int k = 0; k < LOCAL_BLOCK_WIDTH; k++) {
        rough[k] = APART(t[k - row], t[k - row - 1]) + APART(t[k - row], t[k - row + 1]);
    }
    for (int k = 0; k < LOCAL_BLOCK_WIDTH && kind > 0; k++) {
        rough[k] += APART(n[k], n[k - 1]) + APART(n[k], n[k - row]) + APART(t[k - row], n[k - row]);
    }
}

/* With the voxel before: 0 where all neighbours are the same. */
LOCAL_INLINE uint32_t LOCAL(roughness)(const int32_t *t, const int32_t *n, int64_t row, int kind,
                                       uint32_t known) {
    uint32_t found = known + APART(t[-1], t[-row - 1]);
    return kind > 0 ? found + APART(t[-1], n[-1]) : found;
}

#undef APART

/* 1/128 voxel to a level, eight an octave. */
LOCAL_INLINE int LOCAL(level_of)(uint32_t scale) {
    int n = medroi_log2(scale);
    return 8 * (n - 3) + (int)(scale >> (n - 3) & 7);
}

/* Weight of a sample, as a factor and a shift: the more certain, the more it counts. */
LOCAL_INLINE void LOCAL(weigh)(uint32_t activity, uint32_t rough, uint32_t error, uint16_t *weight,
                               uint16_t *shift) {
    uint64_t a = activity < 1u << 20 ? activity : 1u << 20;
    uint64_t r = 6 * (uint64_t)(rough < 1u << 17 ? rough : 1u << 17), e = 7 * (uint64_t)error;
    uint64_t variance = a * a + r * r + e * e + 4915;
    int n = medroi_bit_length(variance) - 1;
    *weight = local_weight[16 * (n & 1) + (int)(variance >> (n - 4) & 15)];
    *shift = (uint16_t)(3 + (n >> 1));
}

LOCAL_INLINE uint32_t LOCAL(capped)(uint32_t value) { return value < 63 ? value : 63; }
