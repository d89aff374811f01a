/* AVX2 sums: begin, take one vector after another (`clean`: known to be finite), end each run,
 * close (which begins anew). Included by rows_kernels.c. The elements left over at the end of a run
 * are taken as one vector more, the rest of whose lanes is background. Close before 32767 vectors,
 * or a lane overflows. */

/* 32 bytes from `k` on: first 32 - k ones, then zeros. */
static const uint8_t ones_then_zeros[64] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                            255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                            255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

AVX2 static inline __m256i leading_bytes(size_t n) { /* a mask of the first n of 32 */
    return LOAD_256(ones_then_zeros + 32 - n);
}

AVX2 static inline uint64_t sum_of_u64(__m256i v) {
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return (uint64_t)_mm_cvtsi128_si64(half) +
           (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(half, half));
}

AVX2 static inline int64_t sum_of_i32(__m256i v) {
    __m256i low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v));
    __m256i high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1));
    return (int64_t)sum_of_u64(_mm256_add_epi64(low, high));
}

/* Unsigned and signed integers are summed alike, the sign bit turned over where that helps;
 * `matches` counts the elements that are background. */
typedef struct integer_sums {
    __m256i totals;
    __m256i matches;
    __m256i air;
} integer_sums;

AVX2 static inline void take_bytes(integer_sums *sums, __m256i v, __m256i bias) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i same = _mm256_cmpeq_epi8(v, sums->air); /* 255 for each */
    v = _mm256_xor_si256(v, bias);
    sums->totals = _mm256_add_epi64(sums->totals, _mm256_sad_epu8(v, zero));
    sums->matches = _mm256_add_epi64(sums->matches, _mm256_sad_epu8(same, zero));
}

AVX2 static inline void take_words(integer_sums *sums, __m256i v, __m256i bias) {
    const __m256i ones = _mm256_set1_epi16(1);
    sums->matches = _mm256_sub_epi16(sums->matches, _mm256_cmpeq_epi16(v, sums->air));
    v = _mm256_xor_si256(v, bias);
    sums->totals = _mm256_add_epi32(sums->totals, _mm256_madd_epi16(v, ones));
}

AVX2 static inline void take_double_words(integer_sums *sums, __m256i v, __m256i bias) {
    const __m256i low_half = _mm256_set1_epi64x(0xffffffff);
    sums->matches = _mm256_sub_epi32(sums->matches, _mm256_cmpeq_epi32(v, sums->air));
    v = _mm256_xor_si256(v, bias);
    __m256i pairs = _mm256_add_epi64(_mm256_and_si256(v, low_half), _mm256_srli_epi64(v, 32));
    sums->totals = _mm256_add_epi64(sums->totals, pairs);
}

#define INTEGER_SUMS(name, unit, bits, cast, bias_bits, total_of, matches_of, bias_of_one)         \
    typedef integer_sums name##_sums;                                                              \
    AVX2 static inline name##_sums name##_begin_sums(medroi_scalar background) {                   \
        integer_sums sums;                                                                         \
        sums.totals = sums.matches = _mm256_setzero_si256();                                       \
        sums.air = _mm256_set1_epi##bits((cast)background.i);                                      \
        return sums;                                                                               \
    }                                                                                              \
    AVX2 static inline void name##_take(name##_sums *sums, __m256i v, int clean) {                 \
        (void)clean;                                                                               \
        take_##unit(sums, v, _mm256_set1_epi##bits((cast)(bias_bits)));                            \
    }                                                                                              \
    AVX2 static inline void name##_take_tail(name##_sums *sums, const void *end, size_t n) {       \
        size_t n_bytes = n * (bits) / 8;                                                           \
        __m256i v = LOAD_256((const uint8_t *)end - 32);                                           \
        name##_take(sums, _mm256_blendv_epi8(v, sums->air, leading_bytes(32 - n_bytes)), 1);       \
    }                                                                                              \
    AVX2 static inline void name##_end_run(name##_sums *sums, size_t n_vectors, medroi_sum *sum) { \
        (void)sums;                                                                                \
        (void)n_vectors;                                                                           \
        (void)sum;                                                                                 \
    }                                                                                              \
    AVX2 static inline void name##_close_sums(name##_sums *sums, size_t n_taken,                   \
                                              medroi_scalar background, medroi_sum *sum) {         \
        uint64_t n_air = (uint64_t)(matches_of);                                                   \
        int64_t total = (int64_t)(total_of) - (bias_of_one) * (int64_t)n_taken;                    \
        medroi_sum_add(sum, total - (int64_t)n_air * background.i);                                \
        sum->count += n_taken - n_air;                                                             \
        sums->totals = sums->matches = _mm256_setzero_si256();                                     \
    }

INTEGER_SUMS(u8, bytes, 8, char, 0, sum_of_u64(sums->totals), sum_of_u64(sums->matches) / 255, 0)
INTEGER_SUMS(i8, bytes, 8, char, 0x80, sum_of_u64(sums->totals), sum_of_u64(sums->matches) / 255,
             128)
INTEGER_SUMS(i16, words, 16, short, 0, sum_of_i32(sums->totals),
             sum_of_i32(_mm256_madd_epi16(sums->matches, _mm256_set1_epi16(1))), 0)
INTEGER_SUMS(u16, words, 16, short, 0x8000, sum_of_i32(sums->totals),
             sum_of_i32(_mm256_madd_epi16(sums->matches, _mm256_set1_epi16(1))), -0x8000)
INTEGER_SUMS(i32, double_words, 32, int, 0x80000000, sum_of_u64(sums->totals),
             sum_of_i32(sums->matches), INT64_C(0x80000000))
INTEGER_SUMS(u32, double_words, 32, int, 0, sum_of_u64(sums->totals), sum_of_i32(sums->matches), 0)

/* Lanes 0-3 and 4-7 of the definition of the float sum. */
typedef struct f32_sums {
    __m256d lanes[2];
    __m256i counts;
    __m256 air;
} f32_sums;

AVX2 static inline f32_sums f32_begin_sums(medroi_scalar background) {
    f32_sums sums;
    sums.lanes[0] = sums.lanes[1] = _mm256_setzero_pd();
    sums.counts = _mm256_setzero_si256();
    sums.air = _mm256_set1_ps((float)background.f);
    return sums;
}

AVX2 static inline void f32_take(f32_sums *sums, __m256 v, int clean) {
    __m256 keep = _mm256_cmp_ps(v, sums->air, _CMP_NEQ_UQ);
    if (!clean) {
        __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
        keep = _mm256_and_ps(keep, _mm256_cmp_ps(size, _mm256_set1_ps(INFINITY), _CMP_LT_OQ));
    }
    __m256 kept = _mm256_and_ps(v, keep);
    sums->lanes[0] = _mm256_add_pd(sums->lanes[0], _mm256_cvtps_pd(_mm256_castps256_ps128(kept)));
    sums->lanes[1] = _mm256_add_pd(sums->lanes[1], _mm256_cvtps_pd(_mm256_extractf128_ps(kept, 1)));
    sums->counts = _mm256_sub_epi32(sums->counts, _mm256_castps_si256(keep));
}

AVX2 static inline void f32_take_tail(f32_sums *sums, const void *end, size_t n) {
    __m256i mask = leading_bytes(n * sizeof(float));
    __m256 v = _mm256_maskload_ps((const float *)end - n, mask);
    f32_take(sums, _mm256_blendv_ps(_mm256_set1_ps(INFINITY), v, _mm256_castsi256_ps(mask)), 0);
}

AVX2 static inline void f32_end_run(f32_sums *sums, size_t n_vectors, medroi_sum *sum) {
    double lanes[MEDROI_SUM_LANES];
    (void)n_vectors;
    _mm256_storeu_pd(lanes, sums->lanes[0]);
    _mm256_storeu_pd(lanes + 4, sums->lanes[1]);
    sum->real += medroi_sum_of_lanes(lanes);
    sums->lanes[0] = sums->lanes[1] = _mm256_setzero_pd();
}

AVX2 static inline void f32_close_sums(f32_sums *sums, size_t n_taken, medroi_scalar background,
                                       medroi_sum *sum) {
    (void)n_taken;
    (void)background;
    sum->count += (uint64_t)sum_of_i32(sums->counts);
    sums->counts = _mm256_setzero_si256();
}

/* The two vectors of lanes take turns: lanes[0] is the one whose turn it is. */
typedef struct f64_sums {
    __m256d lanes[2];
    __m256i counts;
    __m256d air;
} f64_sums;

AVX2 static inline f64_sums f64_begin_sums(medroi_scalar background) {
    f64_sums sums;
    sums.lanes[0] = sums.lanes[1] = _mm256_setzero_pd();
    sums.counts = _mm256_setzero_si256();
    sums.air = _mm256_set1_pd(background.f);
    return sums;
}

AVX2 static inline void f64_take(f64_sums *sums, __m256d v, int clean) {
    __m256d keep = _mm256_cmp_pd(v, sums->air, _CMP_NEQ_UQ);
    if (!clean) {
        __m256d size = _mm256_andnot_pd(_mm256_set1_pd(-0.0), v);
        __m256d far = _mm256_set1_pd((double)INFINITY);
        keep = _mm256_and_pd(keep, _mm256_cmp_pd(size, far, _CMP_LT_OQ));
    }
    __m256d next = sums->lanes[1];
    sums->lanes[1] = _mm256_add_pd(sums->lanes[0], _mm256_and_pd(v, keep));
    sums->lanes[0] = next;
    sums->counts = _mm256_sub_epi64(sums->counts, _mm256_castpd_si256(keep));
}

AVX2 static inline void f64_take_tail(f64_sums *sums, const void *end, size_t n) {
    __m256i mask = leading_bytes(n * sizeof(double));
    __m256d v = _mm256_maskload_pd((const double *)end - n, mask);
    f64_take(sums, _mm256_blendv_pd(_mm256_set1_pd((double)INFINITY), v, _mm256_castsi256_pd(mask)),
             0);
}

AVX2 static inline void f64_end_run(f64_sums *sums, size_t n_vectors, medroi_sum *sum) {
    double lanes[MEDROI_SUM_LANES];
    _mm256_storeu_pd(lanes, sums->lanes[n_vectors % 2]);
    _mm256_storeu_pd(lanes + 4, sums->lanes[1 - n_vectors % 2]);
    sum->real += medroi_sum_of_lanes(lanes);
    sums->lanes[0] = sums->lanes[1] = _mm256_setzero_pd();
}

AVX2 static inline void f64_close_sums(f64_sums *sums, size_t n_taken, medroi_scalar background,
                                       medroi_sum *sum) {
    (void)n_taken;
    (void)background;
    sum->count += sum_of_u64(sums->counts);
    sums->counts = _mm256_setzero_si256();
}
