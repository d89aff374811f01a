/* AVX2 row kernels of one element type and one polarity; included by rows_kernels.c, which defines
 * ELEMENT, NAME, POLARITY (suffix of the functions, empty or _dark), VECTOR, LANES, LOAD, STORE,
 * ONE_TO_ALL, PEAK and PIT (and PEAK_HALF on 128 bits), VALUE (NaN out of the way), IS_TISSUE
 * (mask of lanes that reach a limit) and HALF_OF. Rows shorter than a vector go to the portable
 * kernels. The last vector overlaps the one before: taking an element in twice changes no peak. */

/* Of the five rows only the one of the next plane comes from memory, too scattered for the hardware
 * to foresee: without this a volume of 256^3 takes nearly twice as long. */
#define PREFETCH_NBYTES 4096

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

AVX2 static inline VECTOR AVX2_NAME(_core)(const void *const rows[5], size_t i, size_t step) {
    const JOIN(NAME, _t) *v = rows[0], *up = rows[1], *down = rows[2], *in = rows[3],
                         *out = rows[4];
    VECTOR along = PIT(VALUE(LOAD(v + i - step)), VALUE(LOAD(v + i + step)));
    VECTOR across = PIT(VALUE(LOAD(up + i)), VALUE(LOAD(down + i)));
    VECTOR through = PIT(VALUE(LOAD(in + i)), VALUE(LOAD(out + i)));
    return PIT(PIT(along, VALUE(LOAD(v + i))), PIT(across, through));
}

/* What the vectors of a row are raised into. */
typedef struct AVX2_NAME(_sweep_state) {
    JOIN(NAME, _sums) sums;
    VECTOR peak;
    VECTOR core;
} AVX2_NAME(_sweep_state);

AVX2 static inline void AVX2_NAME(_sweep_plain)(AVX2_NAME(_sweep_state) * state, const void *row,
                                                size_t start, size_t stop, int add,
                                                ELEMENT *columns) {
    const JOIN(NAME, _t) *v = row;
    for (size_t i = start; i < stop; i += LANES) {
        VECTOR x = LOAD(v + i);
        if (add) {
            JOIN(NAME, _take)(&state->sums, x);
        }
        state->peak = AVX2_NAME(_raise)(columns + i, VALUE(x), state->peak);
    }
}

/* Sums, peaks and eroded peaks of one row. The vectors of the grid 0, LANES, ... whose neighbours
 * along the row all exist are looked at once for everything; `add` is known when compiling. */
AVX2 static inline __attribute__((always_inline)) void
AVX2_NAME(_sweep_row)(const void *const rows[5], size_t n, size_t step, const medroi_peaks *peaks,
                      medroi_scalar background, medroi_sum *sum, int add) {
    const JOIN(NAME, _t) *v = rows[0];
    ELEMENT *columns = peaks->column_peaks;
    ELEMENT *cores = peaks->column_cores;
    AVX2_NAME(_sweep_state)
    state = {JOIN(NAME, _begin_sums)(background), ONE_TO_ALL(*(ELEMENT *)peaks->row_peak),
             ONE_TO_ALL(*(ELEMENT *)peaks->row_core)};
    size_t full = n / LANES * LANES;
    size_t from = full;
    size_t to = full;
    if (rows[1] && n >= LANES + 2 * step) {
        size_t last = n - step - LANES;
        from = (step + LANES - 1) / LANES * LANES;
        to = from <= last ? last / LANES * LANES + LANES : from;
        if (from > step) {
            state.core =
                AVX2_NAME(_raise)(cores + step, AVX2_NAME(_core)(rows, step, step), state.core);
        }
        if (to < n - step) {
            state.core =
                AVX2_NAME(_raise)(cores + last, AVX2_NAME(_core)(rows, last, step), state.core);
        }
    } else if (rows[1]) {
        PORTABLE_NAME(_erode)(rows, n, step, peaks->row_core, peaks->column_cores);
        state.core = ONE_TO_ALL(*(ELEMENT *)peaks->row_core);
    }
    AVX2_NAME(_sweep_plain)(&state, v, 0, from < full ? from : full, add, columns);
    const char *ahead = (const char *)rows[4] + PREFETCH_NBYTES;
    for (size_t i = from; i < to; i += LANES) {
        _mm_prefetch(ahead + i * sizeof(ELEMENT), _MM_HINT_T0);
        VECTOR x = LOAD(v + i);
        if (add) {
            JOIN(NAME, _take)(&state.sums, x);
        }
        state.peak = AVX2_NAME(_raise)(columns + i, VALUE(x), state.peak);
        state.core = AVX2_NAME(_raise)(cores + i, AVX2_NAME(_core)(rows, i, step), state.core);
    }
    AVX2_NAME(_sweep_plain)(&state, v, to, full, add, columns);
    if (full < n) { /* the last elements, some of them again */
        VECTOR x = LOAD(v + n - LANES);
        state.peak = AVX2_NAME(_raise)(columns + n - LANES, VALUE(x), state.peak);
    }
    if (add) {
        JOIN(NAME, _close_sums)(&state.sums, v, full, n, background, sum);
    }
    *(ELEMENT *)peaks->row_peak = AVX2_NAME(_fold)(state.peak);
    if (rows[1]) {
        *(ELEMENT *)peaks->row_core = AVX2_NAME(_fold)(state.core);
    }
}

AVX2 static void AVX2_NAME(_sweep)(const void *const rows[5], size_t n, size_t step,
                                   const medroi_peaks *peaks, medroi_scalar background,
                                   medroi_sum *sum) {
    if (n < LANES) {
        PORTABLE_NAME(_sweep)(rows, n, step, peaks, background, sum);
    } else if (sum) {
        AVX2_NAME(_sweep_row)(rows, n, step, peaks, background, sum, 1);
    } else {
        AVX2_NAME(_sweep_row)(rows, n, step, peaks, background, sum, 0);
    }
}

AVX2 static void AVX2_NAME(_add_up)(const void *row, size_t n, medroi_scalar background,
                                    medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    JOIN(NAME, _sums) sums = JOIN(NAME, _begin_sums)(background);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        JOIN(NAME, _take)(&sums, LOAD(v + i));
    }
    JOIN(NAME, _close_sums)(&sums, v, i, n, background, sum);
}

AVX2 static uint64_t AVX2_NAME(_count)(const void *row, size_t n, medroi_scalar tau) {
    const JOIN(NAME, _t) *v = row;
    const VECTOR limit = ONE_TO_ALL((ELEMENT)tau.FIELD);
    uint64_t n_bytes = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        n_bytes +=
            (uint64_t)_mm_popcnt_u32((unsigned)_mm256_movemask_epi8(IS_TISSUE(LOAD(v + i), limit)));
    }
    return n_bytes / sizeof(ELEMENT) + PORTABLE_NAME(_count)(v + i, n - i, tau);
}

#undef PREFETCH_NBYTES
#undef AVX2_NAME
#undef PORTABLE_NAME
#undef POLARITY
#undef PEAK
#undef PIT
#undef PEAK_HALF
#undef VALUE
#undef IS_TISSUE
