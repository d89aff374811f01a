/* AVX2 row kernels of one element type and one polarity; included by rows_kernels.c, which defines
 * ELEMENT, NAME, POLARITY (suffix of the functions, empty or _dark), VECTOR, LANES, LOAD, STORE,
 * ONE_TO_ALL, PEAK and PIT (and PEAK_HALF on 128 bits), VALUE (NaN out of the way), IS_TISSUE
 * (mask of lanes that reach a limit) and HALF_OF. Rows shorter than a vector go to the portable
 * kernels. The last vector overlaps the one before: taking an element in twice changes no peak. */

#define AVX2_NAME(what) JOIN(JOIN(NAME, what), JOIN(POLARITY, _avx2))
#define PORTABLE_NAME(what) JOIN(JOIN(NAME, what), POLARITY)

AVX2 static inline ELEMENT AVX2_NAME(_fold)(VECTOR v) {
    __m128i half = PEAK_HALF(HALF_OF(v, 0), HALF_OF(v, 1));
    half = PEAK_HALF(half, _mm_srli_si128(half, 8));
    if (sizeof(ELEMENT) <= 4) {
        half = PEAK_HALF(half, _mm_srli_si128(half, 4));
    }
    if (sizeof(ELEMENT) <= 2) {
        half = PEAK_HALF(half, _mm_srli_si128(half, 2));
    }
    if (sizeof(ELEMENT) == 1) {
        half = PEAK_HALF(half, _mm_srli_si128(half, 1));
    }
    int64_t bits = _mm_cvtsi128_si64(half);
    ELEMENT value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

AVX2 static inline VECTOR AVX2_NAME(_raise)(ELEMENT *columns, VECTOR value, VECTOR peak) {
    STORE(columns, PEAK(LOAD(columns), value));
    return PEAK(peak, value);
}

AVX2 static void AVX2_NAME(_project)(const void *row, size_t n, void *row_peak,
                                     void *column_peaks) {
    const JOIN(NAME, _t) *v = row;
    ELEMENT *columns = column_peaks;
    if (n < LANES) {
        PORTABLE_NAME(_project)(row, n, row_peak, column_peaks);
        return;
    }
    VECTOR peak = ONE_TO_ALL(*(ELEMENT *)row_peak);
    for (size_t i = 0; i + LANES <= n; i += LANES) {
        peak = AVX2_NAME(_raise)(columns + i, VALUE(LOAD(v + i)), peak);
    }
    peak = AVX2_NAME(_raise)(columns + n - LANES, VALUE(LOAD(v + n - LANES)), peak);
    *(ELEMENT *)row_peak = AVX2_NAME(_fold)(peak);
}

AVX2 static inline VECTOR AVX2_NAME(_core)(const void *const rows[5], size_t i, size_t step) {
    const JOIN(NAME, _t) *v = rows[0], *up = rows[1], *down = rows[2], *in = rows[3],
                         *out = rows[4];
    VECTOR along = PIT(VALUE(LOAD(v + i - step)), VALUE(LOAD(v + i + step)));
    VECTOR across = PIT(VALUE(LOAD(up + i)), VALUE(LOAD(down + i)));
    VECTOR through = PIT(VALUE(LOAD(in + i)), VALUE(LOAD(out + i)));
    return PIT(PIT(along, VALUE(LOAD(v + i))), PIT(across, through));
}

AVX2 static void AVX2_NAME(_erode)(const void *const rows[5], size_t n, size_t step, void *row_peak,
                                   void *column_peaks) {
    ELEMENT *columns = column_peaks;
    if (n < LANES + 2 * step) {
        PORTABLE_NAME(_erode)(rows, n, step, row_peak, column_peaks);
        return;
    }
    size_t stop = n - step;
    VECTOR peak = ONE_TO_ALL(*(ELEMENT *)row_peak);
    for (size_t i = step; i + LANES <= stop; i += LANES) {
        peak = AVX2_NAME(_raise)(columns + i, AVX2_NAME(_core)(rows, i, step), peak);
    }
    size_t last = stop - LANES;
    peak = AVX2_NAME(_raise)(columns + last, AVX2_NAME(_core)(rows, last, step), peak);
    *(ELEMENT *)row_peak = AVX2_NAME(_fold)(peak);
}

AVX2 static uint64_t AVX2_NAME(_count)(const void *row, size_t n, medroi_scalar tau) {
    const JOIN(NAME, _t) *v = row;
    const VECTOR limit = ONE_TO_ALL((ELEMENT)tau.FIELD);
    uint64_t n_bytes = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        n_bytes += (uint64_t)_mm_popcnt_u32((unsigned)_mm256_movemask_epi8(
            IS_TISSUE(LOAD(v + i), limit)));
    }
    return n_bytes / sizeof(ELEMENT) + PORTABLE_NAME(_count)(v + i, n - i, tau);
}

#undef AVX2_NAME
#undef PORTABLE_NAME
#undef POLARITY
#undef PEAK
#undef PIT
#undef PEAK_HALF
#undef VALUE
#undef IS_TISSUE
