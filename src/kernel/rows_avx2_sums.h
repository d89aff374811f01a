/* AVX2 sums of a run, one function per element type; included by rows_kernels.c. A run is short
 * enough (MEDROI_RUN_LENGTH) that no lane overflows. What is left at the end is added portably. */

AVX2 static inline uint64_t sum_of_u64(__m256i v) {
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)(void *)lanes, v);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

AVX2 static inline int64_t sum_of_i32(__m256i v) {
    int32_t lanes[8];
    int64_t total = 0;
    _mm256_storeu_si256((__m256i *)(void *)lanes, v);
    for (int i = 0; i < 8; i++) {
        total += lanes[i];
    }
    return total;
}

AVX2 static inline __m256i load_256(const void *p) { return _mm256_loadu_si256(p); }

/* `total` is of n elements, n_air of which are background; both without what was biased. */
static void close_integers(medroi_sum *sum, int64_t total, size_t n, uint64_t n_air, int64_t air) {
    medroi_sum_add(sum, total - (int64_t)n_air * air);
    sum->count += n - n_air;
}

AVX2 static size_t add_bytes(const uint8_t *v, size_t n, uint8_t bias, uint8_t air,
                             uint64_t *total, uint64_t *n_air) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i biases = _mm256_set1_epi8((char)bias);
    const __m256i airs = _mm256_set1_epi8((char)air);
    __m256i sums = zero;
    __m256i matches = zero; /* 255 for each */
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i x = load_256(v + i);
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_xor_si256(x, biases), zero));
        matches = _mm256_add_epi64(matches, _mm256_sad_epu8(_mm256_cmpeq_epi8(x, airs), zero));
    }
    *total = sum_of_u64(sums);
    *n_air = sum_of_u64(matches) / 255;
    return i;
}

AVX2 static void u8_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                medroi_sum *sum) {
    uint64_t total = 0;
    uint64_t n_air = 0;
    size_t done = add_bytes(row, n, 0, (uint8_t)background.u, &total, &n_air);
    close_integers(sum, (int64_t)total, done, n_air, (int64_t)background.u);
    u8_add_up((const uint8_t *)row + done, n - done, background, sum);
}

AVX2 static void i8_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                medroi_sum *sum) {
    uint64_t total = 0;
    uint64_t n_air = 0;
    size_t done = add_bytes(row, n, 0x80, (uint8_t)background.u, &total, &n_air);
    close_integers(sum, (int64_t)total - 128 * (int64_t)done, done, n_air, background.i);
    i8_add_up((const int8_t *)row + done, n - done, background, sum);
}

AVX2 static size_t add_words(const i16_t *v, size_t n, uint16_t bias, uint16_t air, int64_t *total,
                             uint64_t *n_air) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i biases = _mm256_set1_epi16((short)bias);
    const __m256i airs = _mm256_set1_epi16((short)air);
    __m256i sums = _mm256_setzero_si256();
    __m256i matches = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i x = load_256(v + i);
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_xor_si256(x, biases), ones));
        matches = _mm256_sub_epi16(matches, _mm256_cmpeq_epi16(x, airs));
    }
    *total = sum_of_i32(sums);
    *n_air = (uint64_t)sum_of_i32(_mm256_madd_epi16(matches, ones));
    return i;
}

AVX2 static void i16_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                 medroi_sum *sum) {
    int64_t total = 0;
    uint64_t n_air = 0;
    size_t done = add_words(row, n, 0, (uint16_t)background.u, &total, &n_air);
    close_integers(sum, total, done, n_air, background.i);
    i16_add_up((const i16_t *)row + done, n - done, background, sum);
}

AVX2 static void u16_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                 medroi_sum *sum) {
    int64_t total = 0;
    uint64_t n_air = 0;
    size_t done = add_words(row, n, 0x8000, (uint16_t)background.u, &total, &n_air);
    close_integers(sum, total + 0x8000 * (int64_t)done, done, n_air, (int64_t)background.u);
    u16_add_up((const u16_t *)row + done, n - done, background, sum);
}

AVX2 static size_t add_double_words(const i32_t *v, size_t n, uint32_t bias, uint32_t air,
                                    uint64_t *total, uint64_t *n_air) {
    const __m256i low_half = _mm256_set1_epi64x(0xffffffff);
    const __m256i biases = _mm256_set1_epi32((int)bias);
    const __m256i airs = _mm256_set1_epi32((int)air);
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    __m256i matches = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i x = load_256(v + i);
        __m256i biased = _mm256_xor_si256(x, biases);
        even = _mm256_add_epi64(even, _mm256_and_si256(biased, low_half));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(biased, 32));
        matches = _mm256_sub_epi32(matches, _mm256_cmpeq_epi32(x, airs));
    }
    *total = sum_of_u64(even) + sum_of_u64(odd);
    *n_air = (uint64_t)sum_of_i32(matches);
    return i;
}

AVX2 static void i32_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                 medroi_sum *sum) {
    uint64_t total = 0;
    uint64_t n_air = 0;
    size_t done = add_double_words(row, n, 0x80000000u, (uint32_t)background.u, &total, &n_air);
    int64_t bias = INT64_C(0x80000000) * (int64_t)done;
    close_integers(sum, (int64_t)total - bias, done, n_air, background.i);
    i32_add_up((const i32_t *)row + done, n - done, background, sum);
}

AVX2 static void u32_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                 medroi_sum *sum) {
    uint64_t total = 0;
    uint64_t n_air = 0;
    size_t done = add_double_words(row, n, 0, (uint32_t)background.u, &total, &n_air);
    close_integers(sum, (int64_t)total, done, n_air, (int64_t)background.u);
    u32_add_up((const u32_t *)row + done, n - done, background, sum);
}

AVX2 static void f32_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                 medroi_sum *sum) {
    const f32_t *v = row;
    const float air = (float)background.f;
    const __m256 infinity = _mm256_set1_ps(INFINITY);
    const __m256 minus_infinity = _mm256_set1_ps(-INFINITY);
    const __m256 airs = _mm256_set1_ps(air);
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256d sums[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    __m256 lows = infinity;
    __m256 highs = minus_infinity;
    __m256i counts = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 x = _mm256_loadu_ps((const float *)(const void *)(v + i));
        __m256 finite = _mm256_cmp_ps(_mm256_andnot_ps(sign, x), infinity, _CMP_LT_OQ);
        __m256 keep = _mm256_and_ps(finite, _mm256_cmp_ps(x, airs, _CMP_NEQ_UQ));
        __m256 kept = _mm256_and_ps(x, keep);
        sums[0] = _mm256_add_pd(sums[0], _mm256_cvtps_pd(_mm256_castps256_ps128(kept)));
        sums[1] = _mm256_add_pd(sums[1], _mm256_cvtps_pd(_mm256_extractf128_ps(kept, 1)));
        lows = _mm256_min_ps(lows, _mm256_blendv_ps(infinity, x, keep));
        highs = _mm256_max_ps(highs, _mm256_blendv_ps(minus_infinity, x, keep));
        counts = _mm256_sub_epi32(counts, _mm256_castps_si256(keep));
    }
    double lanes[MEDROI_SUM_LANES];
    _mm256_storeu_pd(lanes, sums[0]);
    _mm256_storeu_pd(lanes + 4, sums[1]);
    float lowest = f32_fold_dark_avx2(lows);
    float highest = f32_fold_avx2(highs);
    uint64_t count = (uint64_t)sum_of_i32(counts);
    for (; i < n; i++) {
        f32_add_one(v[i], air, &lanes[i % MEDROI_SUM_LANES], &lowest, &highest, &count);
    }
    medroi_close_run(sum, lanes, (double)lowest, (double)highest, count);
}

AVX2 static void f64_add_up_avx2(const void *row, size_t n, medroi_scalar background,
                                 medroi_sum *sum) {
    const f64_t *v = row;
    const double air = background.f;
    const __m256d infinity = _mm256_set1_pd((double)INFINITY);
    const __m256d minus_infinity = _mm256_set1_pd(-(double)INFINITY);
    const __m256d airs = _mm256_set1_pd(air);
    const __m256d sign = _mm256_set1_pd(-0.0);
    __m256d sums[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    __m256d lows = infinity;
    __m256d highs = minus_infinity;
    __m256i counts = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t half = 0; half < 2; half++) {
            __m256d x = _mm256_loadu_pd((const double *)(const void *)(v + i + 4 * half));
            __m256d finite = _mm256_cmp_pd(_mm256_andnot_pd(sign, x), infinity, _CMP_LT_OQ);
            __m256d keep = _mm256_and_pd(finite, _mm256_cmp_pd(x, airs, _CMP_NEQ_UQ));
            sums[half] = _mm256_add_pd(sums[half], _mm256_and_pd(x, keep));
            lows = _mm256_min_pd(lows, _mm256_blendv_pd(infinity, x, keep));
            highs = _mm256_max_pd(highs, _mm256_blendv_pd(minus_infinity, x, keep));
            counts = _mm256_sub_epi64(counts, _mm256_castpd_si256(keep));
        }
    }
    double lanes[MEDROI_SUM_LANES];
    _mm256_storeu_pd(lanes, sums[0]);
    _mm256_storeu_pd(lanes + 4, sums[1]);
    double lowest = f64_fold_dark_avx2(lows);
    double highest = f64_fold_avx2(highs);
    uint64_t count = sum_of_u64(counts);
    for (; i < n; i++) {
        f64_add_one(v[i], air, &lanes[i % MEDROI_SUM_LANES], &lowest, &highest, &count);
    }
    medroi_close_run(sum, lanes, lowest, highest, count);
}
