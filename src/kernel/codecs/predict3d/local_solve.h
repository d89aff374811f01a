/* Least squares of the local methods: included once for each set of instructions. All sums are
 * integers that wrap around, so that every machine finds the same weights, also of equations that
 * no scan leads to. */

#if LOCAL_VECTORS
typedef __m256i LOCAL(four);

LOCAL_TARGET static inline __m256i LOCAL(load)(const int64_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
LOCAL_TARGET static inline void LOCAL(save)(int64_t *p, __m256i a) {
    _mm256_storeu_si256((__m256i *)(void *)p, a);
}
/* Of their low 32 bits. */
LOCAL_TARGET static inline __m256i LOCAL(product)(__m256i a, __m256i b) {
    return _mm256_mul_epi32(a, b);
}
LOCAL_TARGET static inline __m256i LOCAL(less)(__m256i a, __m256i b) {
    return _mm256_sub_epi64(a, b);
}
LOCAL_TARGET static inline __m256i LOCAL(down)(__m256i a, int n) {
    const __m256i sign = _mm256_set1_epi64x((long long)1 << (63 - n));
    return _mm256_sub_epi64(_mm256_xor_si256(_mm256_srli_epi64(a, n), sign), sign);
}
LOCAL_TARGET static inline __m256i LOCAL(up)(__m256i a, __m256i n) {
    return _mm256_sllv_epi64(a, n);
}
LOCAL_TARGET static inline __m256i LOCAL(limited)(__m256i a, int64_t most) {
    const __m256i high = _mm256_set1_epi64x(most), low = _mm256_set1_epi64x(-most);
    a = _mm256_blendv_epi8(a, high, _mm256_cmpgt_epi64(a, high));
    return _mm256_blendv_epi8(a, low, _mm256_cmpgt_epi64(low, a));
}
#else
typedef struct LOCAL(four) {
    int64_t v[LOCAL_LANES];
} LOCAL(four);

static inline LOCAL(four) LOCAL(load)(const int64_t *p) {
    LOCAL(four) a;
    memcpy(a.v, p, sizeof a.v);
    return a;
}
static inline void LOCAL(save)(int64_t *p, LOCAL(four) a) { memcpy(p, a.v, sizeof a.v); }
static inline LOCAL(four) LOCAL(product)(LOCAL(four) a, LOCAL(four) b) {
    for (int i = 0; i < LOCAL_LANES; i++) {
        a.v[i] = (int64_t)(int32_t)a.v[i] * (int32_t)b.v[i];
    }
    return a;
}
static inline LOCAL(four) LOCAL(less)(LOCAL(four) a, LOCAL(four) b) {
    for (int i = 0; i < LOCAL_LANES; i++) {
        a.v[i] = (int64_t)((uint64_t)a.v[i] - (uint64_t)b.v[i]);
    }
    return a;
}
static inline LOCAL(four) LOCAL(down)(LOCAL(four) a, int n) {
    for (int i = 0; i < LOCAL_LANES; i++) {
        a.v[i] >>= n;
    }
    return a;
}
static inline LOCAL(four) LOCAL(up)(LOCAL(four) a, LOCAL(four) n) {
    for (int i = 0; i < LOCAL_LANES; i++) {
        a.v[i] = (int64_t)((uint64_t)a.v[i] << n.v[i]);
    }
    return a;
}
static inline LOCAL(four) LOCAL(limited)(LOCAL(four) a, int64_t most) {
    for (int i = 0; i < LOCAL_LANES; i++) {
        a.v[i] = a.v[i] > most ? most : a.v[i] < -most ? -most : a.v[i];
    }
    return a;
}
#endif

/* Reciprocal roots of four numbers. */
#if LOCAL_VECTORS
/* A whole number below 2^32 to a real one, and a real one to the nearest whole number. */
LOCAL_TARGET static inline __m256d LOCAL(to_real)(__m256i a) {
    const __m256d base = _mm256_set1_pd(4503599627370496.0); /* 2^52 */
    return _mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(a), base), base);
}
LOCAL_TARGET static inline __m256i LOCAL(to_whole)(__m256d a) {
    const __m256d base = _mm256_set1_pd(4503599627370496.0);
    return _mm256_castpd_si256(_mm256_xor_pd(_mm256_add_pd(a, base), base));
}

LOCAL_TARGET static inline __m256i LOCAL(reciprocal_roots)(__m256i x) {
    const __m256i zero = _mm256_setzero_si256(), least = _mm256_set1_epi64x((long long)1 << 36);
    int64_t lanes[LOCAL_LANES], shifts[LOCAL_LANES];
    x = _mm256_blendv_epi8(x, least, _mm256_cmpgt_epi64(least, x));
    LOCAL(save)(lanes, x);
    for (int b = 0; b < LOCAL_LANES; b++) {
        shifts[b] = (63 - medroi_bit_length((uint64_t)lanes[b])) & ~1;
    }
    __m256i shift = LOCAL(load)(shifts);
    x = _mm256_sllv_epi64(x, shift);
    __m256d high = LOCAL(to_real)(_mm256_srli_epi64(x, 32));
    __m256d low = LOCAL(to_real)(_mm256_blend_epi32(x, zero, 0xAA));
    high = _mm256_mul_pd(high, _mm256_set1_pd(4294967296.0));
    /* The nearest whole number is the wanted one or one above: what is left of x tells. */
    __m256i root = LOCAL(to_whole)(_mm256_sqrt_pd(_mm256_add_pd(high, low)));
    __m256i left = _mm256_sub_epi64(x, _mm256_mul_epu32(root, root));
    root = _mm256_add_epi64(root, _mm256_cmpgt_epi64(zero, left));
    __m256i bits = _mm256_add_epi64(_mm256_set1_epi64x(48), _mm256_srli_epi64(shift, 1));
    __m256i power = _mm256_sllv_epi64(_mm256_set1_epi64x(1), bits);
    __m256i exponent = _mm256_add_epi64(bits, _mm256_set1_epi64x(1023));
    __m256d real = _mm256_castsi256_pd(_mm256_slli_epi64(exponent, 52));
    __m256i found = LOCAL(to_whole)(_mm256_div_pd(real, LOCAL(to_real)(root)));
    left = _mm256_sub_epi64(power, _mm256_mul_epu32(found, root));
    return _mm256_add_epi64(found, _mm256_cmpgt_epi64(zero, left));
}
#else
static inline LOCAL(four) LOCAL(reciprocal_roots)(LOCAL(four) a) {
    for (int i = 0; i < LOCAL_LANES; i++) {
        a.v[i] = reciprocal_root(a.v[i]);
    }
    return a;
}
#endif

/* The equations of four blocks from bx on, lane by lane: a block's own, 5/8 of those beside it, and
 * what the whole part says. `half` is half the length of a diagonal's entry; a block without
 * samples is marked. */
LOCAL_TARGET static void LOCAL(gather)(local_sums *s, int64_t bx, int64_t half[][LOCAL_LANES],
                                       int empty[LOCAL_LANES]) {
    const int32_t *own = local_matrix(s->known, s, bx + 1);
#if LOCAL_VECTORS
    for (int64_t i = 0; i < s->entries; i += 4) { /* entries come in eights */
        __m128i v[LOCAL_LANES];
        for (int b = 0; b < LOCAL_LANES; b++) {
            const int32_t *here = own + b * s->entries + i;
            const __m128i *before = (const __m128i *)(const void *)(here - s->entries);
            const __m128i *behind = (const __m128i *)(const void *)(here + s->entries);
            __m128i beside = _mm_add_epi32(_mm_loadu_si128(before), _mm_loadu_si128(behind));
            v[b] = _mm_add_epi32(_mm_srai_epi32(beside, 1), _mm_srai_epi32(beside, 3));
            v[b] = _mm_add_epi32(v[b], _mm_loadu_si128((const __m128i *)(const void *)here));
        }
        __m128i low = _mm_unpacklo_epi32(v[0], v[1]), high = _mm_unpackhi_epi32(v[0], v[1]);
        __m128i low2 = _mm_unpacklo_epi32(v[2], v[3]), high2 = _mm_unpackhi_epi32(v[2], v[3]);
        v[0] = _mm_unpacklo_epi64(low, low2);
        v[1] = _mm_unpackhi_epi64(low, low2);
        v[2] = _mm_unpacklo_epi64(high, high2);
        v[3] = _mm_unpackhi_epi64(high, high2);
        for (int k = 0; k < 4; k++) {
            __m256i sum =
                _mm256_add_epi64(_mm256_cvtepi32_epi64(v[k]), _mm256_set1_epi64x(s->prior[i + k]));
            LOCAL(save)(s->matrix + LOCAL_LANES * (i + k), sum);
        }
    }
#else
    for (int64_t i = 0; i < s->entries; i++) {
        int64_t *entry = s->matrix + LOCAL_LANES * i;
        for (int b = 0; b < LOCAL_LANES; b++) {
            const int32_t *here = own + b * s->entries + i;
            int32_t beside = here[-s->entries] + here[s->entries];
            entry[b] = (int64_t)*here + (beside >> 1) + (beside >> 3) + s->prior[i];
        }
    }
#endif
    for (int b = 0; b < LOCAL_LANES; b++) {
        int64_t trace = 0;
        for (int i = 0; i < s->n; i++) {
            trace += s->matrix[LOCAL_LANES * (s->row_start[i] + i) + b];
        }
        empty[b] = trace <= 0;
        for (int i = 0; i <= s->n; i++) {
            int64_t *entry = &s->matrix[LOCAL_LANES * (s->row_start[i] + i) + b];
            *entry += i < s->n ? (trace / s->n >> 13) + 16 : 1;
            *entry = *entry < 1 ? 1 : *entry;
            half[i][b] = (medroi_bit_length((uint64_t)*entry) + 1) >> 1;
        }
    }
}

/* Subtract from `rows` sums the products of their rows of the factor with row j, up to column j. */
LOCAL_TARGET static inline void LOCAL(reduce)(const int64_t *const *row, const int64_t *row_j,
                                              int j, LOCAL(four) * sum, int n_rows) {
    for (int k = 0; k < j; k++) {
        LOCAL(four) factor = LOCAL(load)(row_j + LOCAL_LANES * k);
        for (int r = 0; r < n_rows; r++) {
            sum[r] =
                LOCAL(less)(sum[r], LOCAL(product)(LOCAL(load)(row[r] + LOCAL_LANES * k), factor));
        }
    }
}

/* Rows i to i + n_rows of column j, the diagonal's apart. */
LOCAL_TARGET static inline void LOCAL(column)(local_sums *s, int64_t half[][LOCAL_LANES], int j,
                                              int i, int n_rows) {
    const int64_t *row_j = s->factor + LOCAL_LANES * (j * (j + 1) / 2), *rows[4];
    LOCAL(four) sum[4], reach = LOCAL(load)(half[LOCAL_TAPS]);
    reach = LOCAL(less)(reach, LOCAL(load)(half[j]));
    for (int r = 0; r < n_rows; r++) {
        rows[r] = s->factor + LOCAL_LANES * ((i + r) * (i + r + 1) / 2);
        sum[r] = LOCAL(up)(LOCAL(load)(s->matrix + LOCAL_LANES * (s->row_start[j] + i + r)),
                           LOCAL(less)(reach, LOCAL(load)(half[i + r])));
    }
    LOCAL(reduce)(rows, row_j, j, sum, n_rows);
    for (int r = 0; r < n_rows; r++) {
        LOCAL(four) found = LOCAL(down)(sum[r], 28);
        found = LOCAL(product)(found, LOCAL(load)(s->inverse + LOCAL_LANES * j));
        LOCAL(save)(s->factor + (rows[r] - s->factor) + LOCAL_LANES * j, LOCAL(down)(found, 20));
    }
}

/* Cholesky of matrices whose diagonal is brought to 2^54 .. 2^56: the factor has 28 fractional
 * bits, the inverse of its diagonal 20. Row i of the factor begins at i (i + 1) / 2. */
LOCAL_TARGET static void LOCAL(factorize)(local_sums *s, int64_t half[][LOCAL_LANES]) {
    for (int b = 0; b < LOCAL_LANES; b++) {
        half[LOCAL_TAPS][b] = 56;
    }
    for (int j = 0; j < s->n; j++) {
        const int64_t *row = s->factor + LOCAL_LANES * (j * (j + 1) / 2);
        LOCAL(four) shift = LOCAL(less)(LOCAL(load)(half[LOCAL_TAPS]), LOCAL(load)(half[j]));
        LOCAL(four)
        sum = LOCAL(up)(LOCAL(load)(s->matrix + LOCAL_LANES * (s->row_start[j] + j)),
                        LOCAL(less)(shift, LOCAL(load)(half[j])));
        LOCAL(reduce)(&row, row, j, &sum, 1);
        LOCAL(save)(s->inverse + LOCAL_LANES * j, LOCAL(reciprocal_roots)(sum));
        int i = j + 1;
        for (; i + 3 <= s->n; i += 4) {
            LOCAL(column)(s, half, j, i, 4);
        }
        for (; i <= s->n; i++) {
            LOCAL(column)(s, half, j, i, 1);
        }
    }
}

/* Back substitution: 18 fractional bits. */
LOCAL_TARGET static void LOCAL(substitute)(local_sums *s) {
    const int n = s->n;
    const int64_t *target = s->factor + LOCAL_LANES * (n * (n + 1) / 2);
    for (int i = n - 1; i >= 0; i--) {
        int64_t entry[LOCAL_LANES];
        for (int b = 0; b < LOCAL_LANES; b++) {
            entry[b] = (int64_t)((uint64_t)target[LOCAL_LANES * i + b] << 18);
        }
        LOCAL(four) sum = LOCAL(load)(entry);
        for (int k = i + 1; k < n; k++) {
            const int64_t *factor = s->factor + LOCAL_LANES * (k * (k + 1) / 2 + i);
            sum = LOCAL(less)(sum, LOCAL(product)(LOCAL(load)(factor),
                                                  LOCAL(load)(s->solution + LOCAL_LANES * k)));
        }
        sum = LOCAL(limited)(LOCAL(down)(sum, 18), INT32_MAX);
        sum = LOCAL(product)(sum, LOCAL(load)(s->inverse + LOCAL_LANES * i));
        sum = LOCAL(limited)(LOCAL(down)(sum, 30), (int64_t)1 << 28);
        LOCAL(save)(s->solution + LOCAL_LANES * i, sum);
    }
}

/* Weights of the four blocks that bx is one of. */
LOCAL_TARGET static void LOCAL(solve)(local_sums *s, int64_t bx) {
    int64_t half[LOCAL_TAPS + 1][LOCAL_LANES]; /* the last row is what they are taken from */
    int empty[LOCAL_LANES];
    bx -= bx % LOCAL_LANES;
    s->solved[bx / LOCAL_LANES] = 1;
    LOCAL(gather)(s, bx, half, empty);
    LOCAL(factorize)(s, half);
    LOCAL(substitute)(s);
    for (int b = 0; b < LOCAL_LANES; b++) {
        int32_t *weights = s->weights + (bx + b) * s->n;
        for (int i = 0; i < s->n; i++) {
            int up = (int)(half[s->n][b] - half[i][b]) - 4;
            int64_t w = s->solution[LOCAL_LANES * i + b];
            w = up >= 0 ? w * ((int64_t)1 << (up < 20 ? up : 20)) : w >> -up;
            w = w > 65535 ? 65535 : w < -65535 ? -65535 : w;
            weights[i] = empty[b] ? 0 : (int32_t)w;
        }
    }
}

/* Sums of products of the samples of a block. Columns behind the target are not used. */
LOCAL_TARGET static void LOCAL(multiply)(const local_sums *s, int32_t *matrix) {
    for (int i = 0; i <= s->n; i++) {
        const int16_t *a = s->samples + LOCAL_SAMPLES * i;
#if LOCAL_VECTORS
        const __m256i *row = (const __m256i *)(const void *)a;
        __m256i a0 = _mm256_loadu_si256(row), a1 = _mm256_loadu_si256(row + 1);
        for (int j = i & ~7; j <= s->n; j += 8) {
            __m256i m[8];
            for (int k = 0; k < 8; k++) {
                const __m256i *b =
                    (const __m256i *)(const void *)(s->samples + LOCAL_SAMPLES * (j + k));
                m[k] = _mm256_add_epi32(_mm256_madd_epi16(a0, _mm256_loadu_si256(b)),
                                        _mm256_madd_epi16(a1, _mm256_loadu_si256(b + 1)));
            }
            for (int k = 0; k < 4; k++) {
                m[k] = _mm256_hadd_epi32(m[2 * k], m[2 * k + 1]);
            }
            m[0] = _mm256_hadd_epi32(m[0], m[1]);
            m[2] = _mm256_hadd_epi32(m[2], m[3]);
            __m256i sums = _mm256_add_epi32(_mm256_permute2x128_si256(m[0], m[2], 0x20),
                                            _mm256_permute2x128_si256(m[0], m[2], 0x31));
            _mm256_storeu_si256((__m256i *)(void *)(matrix + s->row_start[i] + j), sums);
        }
#else
        for (int j = i & ~7; j < ((s->n + 8) & ~7); j++) {
            const int16_t *b = s->samples + LOCAL_SAMPLES * j;
            int32_t sum = 0;
            for (int k = 0; k < LOCAL_SAMPLES; k++) {
                sum += a[k] * b[k];
            }
            matrix[s->row_start[i] + j] = sum;
        }
#endif
    }
}

/* Take in a block of `count` samples, whose sums of products are there. */
LOCAL_TARGET static void LOCAL(learn_block)(local_sums *s, int64_t by, int64_t bx, int count) {
    int32_t *here = local_here(s, by, bx);
    int32_t *above = local_matrix(s->above, s, bx + 1);
    int decay = s->memory.row_decay;
    if (count == 0) {
        memset(here, 0, (size_t)s->entries * sizeof *here);
    }
    for (int64_t i = 0; i < s->entries; i++) {
        above[i] = here[i] + (above[i] >> 4) * decay;
    }
    /* A quarter of the blocks is enough. */
    if (count > 0 && ((by ^ bx) & 3) == 0) {
        for (int64_t i = 0; i < s->entries; i++) {
            s->total[i] += here[i];
        }
        s->n_total += count;
    }
}
