/* Row kernels of one width of element in vectors of 32 bytes, whatever the instruction set;
 * included by rows_kernels.c, which defines ELEMENT (the type of its keys), NAME (prefix of the
 * portable kernels, suffix of the operations on vectors), IS_FLOAT, GROUP (lanes whose masks become
 * bits at once) and LOWEST (a key above no other). Rows shorter than a vector go to the portable
 * kernels. The last vector overlaps the one before: taking an element in twice changes no peak. */

#define LANES (32 / sizeof(ELEMENT))
#define OP(what) JOIN(vec_##what##_, NAME)
#define PEAK OP(max)
#define PIT OP(min)
#define VECTOR_NAME(what) JOIN(JOIN(NAME, what), _vector)
/* A key from an element turned over where need be; without a NaN that is known not to be there. */
#if IS_FLOAT
#define KEY(v, order, clean) ((clean) ? vec_xor(v, order) : OP(number)(vec_xor(v, order)))
#define ORDER_OF(ops) OP(all)((ops)->dark ? (ELEMENT)-0.0 : (ELEMENT)0.0)
#else
#define KEY(v, order, clean) ((void)(clean), vec_xor(v, order))
#define ORDER_OF(ops) OP(all)((ELEMENT)(((ops)->is_unsigned ? LOWEST : 0) ^ ((ops)->dark ? -1 : 0)))
#endif

/* Of the five rows only the one of the next plane comes from memory, too scattered for the hardware
 * to foresee: without this a volume of 256^3 takes nearly twice as long. */
#define PREFETCH_NBYTES 4096
/* Vectors summed before the lanes of 16-bit sums may overflow, less those of one run. */
#define MAX_VECTORS 16384

#define MARK_AHEAD_NBYTES 2048

#if IS_FLOAT
/* Whether a row of at least 32 bytes holds a NaN or an infinity, or values so far apart that their
 * difference is one: times 0, they stay NaN. Its last 32 are looked at whatever came before. */
VECTOR_OP int VECTOR_NAME(_holds_odd)(const void *row, size_t n) {
    const uint8_t *bytes = row;
    const size_t n_bytes = n * sizeof(ELEMENT);
    vec found = OP(mul)(vec_load(bytes + n_bytes - 32), vec_zero());
    for (size_t i = 0; i + 64 <= n_bytes; i += 64) {
        vec apart = OP(sub)(vec_load(bytes + i), vec_load(bytes + i + 32));
        found = OP(add)(found, OP(mul)(apart, vec_zero()));
    }
    if (n_bytes % 64 > 32) {
        found = OP(add)(found, OP(mul)(vec_load(bytes + n_bytes / 64 * 64), vec_zero()));
    }
    return OP(has_nan)(found);
}
#else
VECTOR_OP int VECTOR_NAME(_holds_odd)(const void *row, size_t n) {
    (void)row;
    (void)n;
    return 0;
}
#endif

VECTOR_OP void VECTOR_NAME(_keep)(ELEMENT *peak, uint64_t bits) {
    ELEMENT value;
    memcpy(&value, &bits, sizeof value);
    *peak = value > *peak ? value : *peak;
}

/* Raise two peaks by the highest lanes of two vectors, which are folded side by side. */
VECTOR_OP void VECTOR_NAME(_fold)(vec v, vec w, ELEMENT *peak_v, ELEMENT *peak_w) {
    vec both = PEAK(vec_first_halves(v, w), vec_second_halves(v, w));
    both = PEAK(both, vec_upper_down(both));
    for (int n_bits = 32; n_bits >= 8 * (int)sizeof(ELEMENT); n_bits /= 2) {
        both = PEAK(both, vec_shift_down(both, n_bits));
    }
    VECTOR_NAME(_keep)(peak_v, vec_first_of_half(both, 0));
    VECTOR_NAME(_keep)(peak_w, vec_first_of_half(both, 1));
}

VECTOR_OP vec VECTOR_NAME(_raise)(ELEMENT *columns, vec value, vec peak) {
    vec_store(columns, PEAK(vec_load(columns), value));
    return PEAK(peak, value);
}

VECTOR_OP vec VECTOR_NAME(_core)(const void *const rows[5], size_t i, size_t step, vec order,
                                 int clean) {
    const JOIN(NAME, _t) *v = rows[0], *up = rows[1], *down = rows[2], *in = rows[3],
                         *out = rows[4];
    vec along =
        PIT(KEY(vec_load(v + i - step), order, clean), KEY(vec_load(v + i + step), order, clean));
    vec across = PIT(KEY(vec_load(up + i), order, clean), KEY(vec_load(down + i), order, clean));
    vec through = PIT(KEY(vec_load(in + i), order, clean), KEY(vec_load(out + i), order, clean));
    return PIT(PIT(along, KEY(vec_load(v + i), order, clean)), PIT(across, through));
}

/* Peaks and sums of the vectors of a plane. */
typedef struct VECTOR_NAME(_sweep_state) {
    JOIN(NAME, _sums) sums;
    vec order;
    vec peak;
    vec core;
    ELEMENT *columns;
    ELEMENT *cores;
    /* Columns of the vectors off the grid, kept apart: a load from two places just stored to
     * stalls. */
    vec tail_columns;
    vec first_cores;
    vec last_cores;
} VECTOR_NAME(_sweep_state);

VECTOR_OP void VECTOR_NAME(_sweep_plain)(VECTOR_NAME(_sweep_state) * state,
                                         const JOIN(NAME, _t) * v, size_t start, size_t stop,
                                         int add, int clean) {
    for (size_t i = start; i < stop; i += LANES) {
        vec x = vec_load(v + i);
        vec key = KEY(x, state->order, clean);
        if (add) {
            JOIN(NAME, _take)(&state->sums, x, key, clean);
        }
        state->peak = VECTOR_NAME(_raise)(state->columns + i, key, state->peak);
    }
}

VECTOR_OP void VECTOR_NAME(_sweep_core)(VECTOR_NAME(_sweep_state) * state,
                                        const void *const rows[5], size_t i, size_t step,
                                        int clean) {
    vec core = VECTOR_NAME(_core)(rows, i, step, state->order, clean);
    state->core = VECTOR_NAME(_raise)(state->cores + i, core, state->core);
}

/* One row that is in the erosion. The vectors of the grid 0, LANES, ... whose neighbours along the
 * row all exist are looked at once for everything; `add` and `clean` are known when compiling. */
VECTOR_OP void VECTOR_NAME(_sweep_eroded)(VECTOR_NAME(_sweep_state) * state,
                                          const void *const rows[5], size_t n, size_t step, int add,
                                          int clean) {
    const JOIN(NAME, _t) *v = rows[0];
    const char *ahead = (const char *)rows[4] + PREFETCH_NBYTES;
    size_t full = n / LANES * LANES;
    size_t last = n - step - LANES;
    size_t from = (step + LANES - 1) / LANES * LANES;
    size_t to = from <= last ? last / LANES * LANES + LANES : from;
    if (from > step) {
        vec core = VECTOR_NAME(_core)(rows, step, step, state->order, clean);
        state->first_cores = PEAK(state->first_cores, core);
        state->core = PEAK(state->core, core);
    }
    if (to < n - step) {
        vec core = VECTOR_NAME(_core)(rows, last, step, state->order, clean);
        state->last_cores = PEAK(state->last_cores, core);
        state->core = PEAK(state->core, core);
    }
    VECTOR_NAME(_sweep_plain)(state, v, 0, from < full ? from : full, add, clean);
    for (size_t i = from; i < to; i += LANES) {
        PREFETCH(ahead + i * sizeof(ELEMENT));
        VECTOR_NAME(_sweep_plain)(state, v, i, i + LANES, add, clean);
        VECTOR_NAME(_sweep_core)(state, rows, i, step, clean);
    }
    VECTOR_NAME(_sweep_plain)(state, v, to, full, add, clean);
}

/* The last elements of a row, some of them again: that changes no peak, and no sum either. */
VECTOR_OP void VECTOR_NAME(_sweep_tail)(VECTOR_NAME(_sweep_state) * state, const JOIN(NAME, _t) * v,
                                        size_t n, int add) {
    vec key = KEY(vec_load(v + n - LANES), state->order, 0);
    state->tail_columns = PEAK(state->tail_columns, key);
    state->peak = PEAK(state->peak, key);
    if (add) {
        JOIN(NAME, _take_tail)(&state->sums, v + n, n % LANES, state->order);
    }
}

VECTOR_OP int VECTOR_NAME(_sweep_plane)(const medroi_row_ops *ops, medroi_plane plane,
                                        medroi_peaks peaks, medroi_scalar background,
                                        medroi_sum *sum, int add) {
    VECTOR_NAME(_sweep_state) state;
    size_t n = plane.length;
    int wide = n >= LANES + 2 * plane.step;
    size_t n_vectors = (n + LANES - 1) / LANES;
    size_t n_taken = 0;
    size_t n_clean = 0;
    state.sums = JOIN(NAME, _begin_sums)(background);
    state.order = ORDER_OF(ops);
    state.columns = peaks.column_peaks;
    state.cores = peaks.column_cores;
    state.peak = state.core = state.tail_columns = state.first_cores = state.last_cores =
        OP(all)(LOWEST);
    for (size_t y = 0; y < plane.n_rows; y++) {
        const void *rows[5];
        int eroded = medroi_plane_rows(&plane, y, rows);
        const JOIN(NAME, _t) *v = rows[0];
        state.peak = state.core = OP(all)(LOWEST);
        int clean_after =
            plane.after && !VECTOR_NAME(_holds_odd)(plane.after + y * plane.row_nbytes, n);
        n_clean += (size_t)clean_after;
        if (eroded && wide && (!IS_FLOAT || (plane.clean && clean_after))) {
            VECTOR_NAME(_sweep_eroded)(&state, rows, n, plane.step, add, 1);
        } else if (eroded && wide) {
            VECTOR_NAME(_sweep_eroded)(&state, rows, n, plane.step, add, 0);
        } else {
            VECTOR_NAME(_sweep_plain)(&state, v, 0, n / LANES * LANES, add, 0);
            if (eroded) {
                JOIN(NAME, _erode)
                (ops, rows, n, plane.step, (ELEMENT *)peaks.row_cores + y, peaks.column_cores);
            }
        }
        if (n % LANES) {
            VECTOR_NAME(_sweep_tail)(&state, v, n, add);
        }
        VECTOR_NAME(_fold)
        (state.peak, state.core, (ELEMENT *)peaks.row_peaks + y, (ELEMENT *)peaks.row_cores + y);
        if (add) {
            n_taken += n_vectors;
            JOIN(NAME, _end_run)(&state.sums, n_vectors, sum);
            if (n_taken >= MAX_VECTORS) {
                JOIN(NAME, _close_sums)(ops, &state.sums, n_taken * LANES, background, sum);
                n_taken = 0;
            }
        }
    }
    if (add) {
        JOIN(NAME, _close_sums)(ops, &state.sums, n_taken * LANES, background, sum);
    }
    VECTOR_NAME(_raise)(state.columns + n - LANES, state.tail_columns, state.peak);
    if (wide) {
        VECTOR_NAME(_raise)(state.cores + plane.step, state.first_cores, state.core);
        VECTOR_NAME(_raise)(state.cores + n - plane.step - LANES, state.last_cores, state.core);
    }
    return n_clean == plane.n_rows;
}

VECTOR_CODE static int VECTOR_NAME(_sweep)(const medroi_row_ops *ops, const medroi_plane *plane,
                                           const medroi_peaks *peaks, medroi_scalar background,
                                           medroi_sum *sum) {
    if (plane->length < LANES) {
        return JOIN(NAME, _sweep)(ops, plane, peaks, background, sum);
    }
    if (sum) {
        return VECTOR_NAME(_sweep_plane)(ops, *plane, *peaks, background, sum, 1);
    }
    return VECTOR_NAME(_sweep_plane)(ops, *plane, *peaks, background, sum, 0);
}

VECTOR_CODE static void VECTOR_NAME(_add_up)(const medroi_row_ops *ops, const void *row, size_t n,
                                             medroi_scalar background, medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    const vec order = ORDER_OF(ops);
    size_t n_vectors = n / LANES;
    if (n_vectors == 0) {
        JOIN(NAME, _add_up)(ops, row, n, background, sum);
        return;
    }
    JOIN(NAME, _sums) sums = JOIN(NAME, _begin_sums)(background);
    for (size_t i = 0; i < n_vectors; i++) {
        vec x = vec_load(v + i * LANES);
        JOIN(NAME, _take)(&sums, x, vec_xor(x, order), 0);
    }
    if (n % LANES) {
        JOIN(NAME, _take_tail)(&sums, v + n, n % LANES, order);
        n_vectors++;
    }
    JOIN(NAME, _end_run)(&sums, n_vectors, sum);
    JOIN(NAME, _close_sums)(ops, &sums, n_vectors * LANES, background, sum);
}

VECTOR_OP vec VECTOR_NAME(_limit)(const medroi_row_ops *ops, medroi_scalar tau) {
#if IS_FLOAT
    return vec_xor(OP(all)((ELEMENT)tau.f), ORDER_OF(ops));
#else
    return vec_xor(OP(all)((ELEMENT)tau.i), ORDER_OF(ops));
#endif
}

VECTOR_CODE static uint64_t VECTOR_NAME(_count)(const medroi_row_ops *ops, const void *row,
                                                size_t n, medroi_scalar tau) {
    const JOIN(NAME, _t) *v = row;
    const vec order = ORDER_OF(ops);
    const vec limit = VECTOR_NAME(_limit)(ops, tau);
    uint64_t n_bytes = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        n_bytes += vec_count_bytes(OP(reaches)(vec_xor(vec_load(v + i), order), limit));
    }
    return n_bytes / sizeof(ELEMENT) + JOIN(NAME, _count)(ops, v + i, n - i, tau);
}

VECTOR_CODE static void VECTOR_NAME(_mark)(const medroi_row_ops *ops, const void *row, size_t n,
                                           medroi_scalar tau, uint64_t *bits) {
    const JOIN(NAME, _t) *v = row;
    const vec order = ORDER_OF(ops);
    const vec limit = VECTOR_NAME(_limit)(ops, tau);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        PREFETCH((const char *)(v + i) + MARK_AHEAD_NBYTES);
        PREFETCH((const char *)(v + i) + MARK_AHEAD_NBYTES + 64);
        for (size_t k = 0; k < 64; k += GROUP) {
            vec masks[GROUP / LANES];
            for (size_t j = 0; j < GROUP / LANES; j++) {
                masks[j] = OP(reaches)(vec_xor(vec_load(v + i + k + j * LANES), order), limit);
            }
            word |= OP(bits)(masks) << k;
        }
        bits[i / 64] = word;
    }
    if (i < n) {
        JOIN(NAME, _mark)(ops, v + i, n - i, tau, bits + i / 64);
    }
}

/* The portable code once more, for the compiler to use wider vectors in. */
VECTOR_CODE static uint64_t VECTOR_NAME(_range)(const medroi_row_ops *ops, const void *row,
                                                size_t n, double *low, double *high) {
    return JOIN(NAME, _range_of)(ops, row, n, low, high);
}

VECTOR_CODE static void VECTOR_NAME(_histogram)(const medroi_row_ops *ops, const void *row,
                                                size_t n, const medroi_bins *bins,
                                                uint64_t *counts) {
    JOIN(NAME, _histogram_of)(ops, row, n, bins, counts);
}

#undef LANES
#undef OP
#undef PEAK
#undef PIT
#undef VECTOR_NAME
#undef KEY
#undef ORDER_OF
#undef PREFETCH_NBYTES
#undef MAX_VECTORS
#undef MARK_AHEAD_NBYTES
