/* AVX2 row kernels of one element type and one polarity; included by rows_kernels.c, which defines
 * ELEMENT, NAME, POLARITY (suffix of the functions, empty or _dark), VECTOR, LANES, LOAD, STORE,
 * ONE_TO_ALL, PEAK and PIT (and PEAK_HALF on 128 bits), VALUE (NaN out of the way), ALWAYS_CLEAN
 * (there are none in this type), HOLDS_ODD (whether a row of so many bytes may hold a NaN or an
 * infinity), IS_TISSUE (mask of lanes that reach a limit), GROUP and LANE_BITS (from so many lanes
 * of masks to as many bits), IS_BEYOND (of two peaks), NOTHING (beyond no peak) and HALF_OF. Rows
 * shorter than a vector go to the portable kernels. The last vector overlaps the one before: taking
 * an element in twice changes no peak. */

/* Of the five rows only the one of the next plane comes from memory, too scattered for the hardware
 * to foresee: without this a volume of 256^3 takes nearly twice as long. */
#define PREFETCH_NBYTES 4096
/* Vectors summed before the lanes of 16-bit sums may overflow, less those of one run. */
#define MAX_VECTORS 16384

#define MARK_AHEAD_NBYTES 2048

#define AVX2_NAME(what) JOIN(JOIN(NAME, what), JOIN(POLARITY, _avx2))
#define PORTABLE_NAME(what) JOIN(JOIN(NAME, what), POLARITY)

AVX2 static inline void AVX2_NAME(_keep)(ELEMENT *peak, int64_t bits) {
    ELEMENT value;
    memcpy(&value, &bits, sizeof value);
    *peak = IS_BEYOND(value, *peak) ? value : *peak;
}

/* Raise two peaks by the highest lanes of two vectors, which are folded side by side. */
AVX2 static inline void AVX2_NAME(_fold)(VECTOR v, VECTOR w, ELEMENT *peak_v, ELEMENT *peak_w) {
    __m128i a = PEAK_HALF(HALF_OF(v, 0), HALF_OF(v, 1));
    __m128i b = PEAK_HALF(HALF_OF(w, 0), HALF_OF(w, 1));
    __m128i both = PEAK_HALF(_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b));
    if (sizeof(ELEMENT) <= 4) {
        both = PEAK_HALF(both, _mm_srli_epi64(both, 32));
    }
    if (sizeof(ELEMENT) <= 2) {
        both = PEAK_HALF(both, _mm_srli_epi64(both, 16));
    }
    if (sizeof(ELEMENT) == 1) {
        both = PEAK_HALF(both, _mm_srli_epi64(both, 8));
    }
    AVX2_NAME(_keep)(peak_v, _mm_cvtsi128_si64(both));
    AVX2_NAME(_keep)(peak_w, _mm_cvtsi128_si64(_mm_unpackhi_epi64(both, both)));
}

AVX2 static inline VECTOR AVX2_NAME(_raise)(ELEMENT *columns, VECTOR value, VECTOR peak) {
    STORE(columns, PEAK(LOAD(columns), value));
    return PEAK(peak, value);
}

/* VALUE, unless it is known that there is no NaN. */
#define VALUE_OF(v, clean) ((clean) ? (v) : VALUE(v))

AVX2 static inline __attribute__((always_inline)) VECTOR
AVX2_NAME(_core)(const void *const rows[5], size_t i, size_t step, int clean) {
    const JOIN(NAME, _t) *v = rows[0], *up = rows[1], *down = rows[2], *in = rows[3],
                         *out = rows[4];
    VECTOR along = PIT(VALUE_OF(LOAD(v + i - step), clean), VALUE_OF(LOAD(v + i + step), clean));
    VECTOR across = PIT(VALUE_OF(LOAD(up + i), clean), VALUE_OF(LOAD(down + i), clean));
    VECTOR through = PIT(VALUE_OF(LOAD(in + i), clean), VALUE_OF(LOAD(out + i), clean));
    return PIT(PIT(along, VALUE_OF(LOAD(v + i), clean)), PIT(across, through));
}

/* What the vectors of a plane are raised into. */
typedef struct AVX2_NAME(_sweep_state) {
    JOIN(NAME, _sums) sums;
    VECTOR peak;
    VECTOR core;
    ELEMENT *columns;
    ELEMENT *cores;
    /* Columns of the vectors off the grid, kept apart: a load from two places just stored to
     * stalls. */
    VECTOR tail_columns;
    VECTOR first_cores;
    VECTOR last_cores;
} AVX2_NAME(_sweep_state);

AVX2 static inline __attribute__((always_inline)) void
AVX2_NAME(_sweep_plain)(AVX2_NAME(_sweep_state) * state, const JOIN(NAME, _t) * v, size_t start,
                        size_t stop, int add, int clean) {
    for (size_t i = start; i < stop; i += LANES) {
        VECTOR x = LOAD(v + i);
        if (add) {
            JOIN(NAME, _take)(&state->sums, x, clean);
        }
        state->peak = AVX2_NAME(_raise)(state->columns + i, VALUE_OF(x, clean), state->peak);
    }
}

AVX2 static inline __attribute__((always_inline)) void
AVX2_NAME(_sweep_core)(AVX2_NAME(_sweep_state) * state, const void *const rows[5], size_t i,
                       size_t step, int clean) {
    VECTOR core = AVX2_NAME(_core)(rows, i, step, clean);
    state->core = AVX2_NAME(_raise)(state->cores + i, core, state->core);
}

/* One row that is in the erosion. The vectors of the grid 0, LANES, ... whose neighbours along the
 * row all exist are looked at once for everything; `add` and `clean` are known when compiling. */
AVX2 static inline __attribute__((always_inline)) void
AVX2_NAME(_sweep_eroded)(AVX2_NAME(_sweep_state) * state, const void *const rows[5], size_t n,
                         size_t step, int add, int clean) {
    const JOIN(NAME, _t) *v = rows[0];
    const char *ahead = (const char *)rows[4] + PREFETCH_NBYTES;
    size_t full = n / LANES * LANES;
    size_t last = n - step - LANES;
    size_t from = (step + LANES - 1) / LANES * LANES;
    size_t to = from <= last ? last / LANES * LANES + LANES : from;
    if (from > step) {
        VECTOR core = AVX2_NAME(_core)(rows, step, step, clean);
        state->first_cores = PEAK(state->first_cores, core);
        state->core = PEAK(state->core, core);
    }
    if (to < n - step) {
        VECTOR core = AVX2_NAME(_core)(rows, last, step, clean);
        state->last_cores = PEAK(state->last_cores, core);
        state->core = PEAK(state->core, core);
    }
    AVX2_NAME(_sweep_plain)(state, v, 0, from < full ? from : full, add, clean);
    for (size_t i = from; i < to; i += LANES) {
        _mm_prefetch(ahead + i * sizeof(ELEMENT), _MM_HINT_T0);
        AVX2_NAME(_sweep_plain)(state, v, i, i + LANES, add, clean);
        AVX2_NAME(_sweep_core)(state, rows, i, step, clean);
    }
    AVX2_NAME(_sweep_plain)(state, v, to, full, add, clean);
}

/* The last elements of a row, some of them again: that changes no peak, and no sum either. */
AVX2 static inline __attribute__((always_inline)) void
AVX2_NAME(_sweep_tail)(AVX2_NAME(_sweep_state) * state, const JOIN(NAME, _t) * v, size_t n,
                       int add) {
    VECTOR x = VALUE(LOAD(v + n - LANES));
    state->tail_columns = PEAK(state->tail_columns, x);
    state->peak = PEAK(state->peak, x);
    if (add) {
        JOIN(NAME, _take_tail)(&state->sums, v + n, n % LANES);
    }
}

AVX2 static inline __attribute__((always_inline)) int
AVX2_NAME(_sweep_plane)(medroi_plane plane, medroi_peaks peaks, medroi_scalar background,
                        medroi_sum *sum, int add) {
    AVX2_NAME(_sweep_state) state;
    size_t n = plane.length;
    int wide = n >= LANES + 2 * plane.step;
    size_t n_vectors = (n + LANES - 1) / LANES;
    size_t n_taken = 0;
    size_t n_clean = 0;
    state.sums = JOIN(NAME, _begin_sums)(background);
    state.columns = peaks.column_peaks;
    state.cores = peaks.column_cores;
    state.tail_columns = state.first_cores = state.last_cores = ONE_TO_ALL(NOTHING);
    for (size_t y = 0; y < plane.n_rows; y++) {
        const void *rows[5];
        int eroded = medroi_plane_rows(&plane, y, rows);
        const JOIN(NAME, _t) *v = rows[0];
        state.peak = state.core = ONE_TO_ALL(NOTHING);
        int clean_after =
            plane.after && !HOLDS_ODD(plane.after + y * plane.row_nbytes, n * sizeof(ELEMENT));
        n_clean += (size_t)clean_after;
        if (eroded && wide && (ALWAYS_CLEAN || (plane.clean && clean_after))) {
            AVX2_NAME(_sweep_eroded)(&state, rows, n, plane.step, add, 1);
        } else if (eroded && wide) {
            AVX2_NAME(_sweep_eroded)(&state, rows, n, plane.step, add, 0);
        } else {
            AVX2_NAME(_sweep_plain)(&state, v, 0, n / LANES * LANES, add, 0);
            if (eroded) {
                PORTABLE_NAME(_erode)
                (rows, n, plane.step, (ELEMENT *)peaks.row_cores + y, peaks.column_cores);
            }
        }
        if (n % LANES) {
            AVX2_NAME(_sweep_tail)(&state, v, n, add);
        }
        AVX2_NAME(_fold)
        (state.peak, state.core, (ELEMENT *)peaks.row_peaks + y, (ELEMENT *)peaks.row_cores + y);
        if (add) {
            n_taken += n_vectors;
            JOIN(NAME, _end_run)(&state.sums, n_vectors, sum);
            if (n_taken >= MAX_VECTORS) {
                JOIN(NAME, _close_sums)(&state.sums, n_taken * LANES, background, sum);
                n_taken = 0;
            }
        }
    }
    if (add) {
        JOIN(NAME, _close_sums)(&state.sums, n_taken * LANES, background, sum);
    }
    AVX2_NAME(_raise)(state.columns + n - LANES, state.tail_columns, state.peak);
    if (wide) {
        AVX2_NAME(_raise)(state.cores + plane.step, state.first_cores, state.core);
        AVX2_NAME(_raise)(state.cores + n - plane.step - LANES, state.last_cores, state.core);
    }
    return n_clean == plane.n_rows;
}

AVX2 static int AVX2_NAME(_sweep)(const medroi_plane *plane, const medroi_peaks *peaks,
                                  medroi_scalar background, medroi_sum *sum) {
    if (plane->length < LANES) {
        return PORTABLE_NAME(_sweep)(plane, peaks, background, sum);
    }
    if (sum) {
        return AVX2_NAME(_sweep_plane)(*plane, *peaks, background, sum, 1);
    }
    return AVX2_NAME(_sweep_plane)(*plane, *peaks, background, sum, 0);
}

AVX2 static void AVX2_NAME(_add_up)(const void *row, size_t n, medroi_scalar background,
                                    medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    size_t n_vectors = n / LANES;
    if (n_vectors == 0) {
        PORTABLE_NAME(_add_up)(row, n, background, sum);
        return;
    }
    JOIN(NAME, _sums) sums = JOIN(NAME, _begin_sums)(background);
    for (size_t i = 0; i < n_vectors; i++) {
        JOIN(NAME, _take)(&sums, LOAD(v + i * LANES), 0);
    }
    if (n % LANES) {
        JOIN(NAME, _take_tail)(&sums, v + n, n % LANES);
        n_vectors++;
    }
    JOIN(NAME, _end_run)(&sums, n_vectors, sum);
    JOIN(NAME, _close_sums)(&sums, n_vectors * LANES, background, sum);
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

AVX2 static void AVX2_NAME(_mark)(const void *row, size_t n, medroi_scalar tau, uint64_t *bits) {
    const JOIN(NAME, _t) *v = row;
    const VECTOR limit = ONE_TO_ALL((ELEMENT)tau.FIELD);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        _mm_prefetch((const char *)(v + i) + MARK_AHEAD_NBYTES, _MM_HINT_T0);
        _mm_prefetch((const char *)(v + i) + MARK_AHEAD_NBYTES + 64, _MM_HINT_T0);
        for (size_t k = 0; k < 64; k += GROUP) {
            __m256i group[GROUP / LANES];
            for (size_t j = 0; j < GROUP / LANES; j++) {
                group[j] = IS_TISSUE(LOAD(v + i + k + j * LANES), limit);
            }
            word |= LANE_BITS(group) << k;
        }
        bits[i / 64] = word;
    }
    if (i < n) {
        PORTABLE_NAME(_mark)(v + i, n - i, tau, bits + i / 64);
    }
}

#undef VALUE_OF
#undef MARK_AHEAD_NBYTES
#undef PREFETCH_NBYTES
#undef MAX_VECTORS
#undef AVX2_NAME
#undef PORTABLE_NAME
#undef POLARITY
#undef PEAK
#undef PIT
#undef PEAK_HALF
#undef VALUE
#undef IS_TISSUE
#undef IS_BEYOND
#undef NOTHING
