/* Portable row kernels of one width of element; included once for each by rows_kernels.c, which
 * defines ELEMENT (the type of its keys), NAME (prefix), IS_FLOAT, LOWEST and HIGHEST, for integers
 * BITS (the unsigned type), and CODE where functions need an attribute. A key is defined in
 * rows.h. */

#ifndef CODE
#define CODE
#endif
#define LESSER(a, b) ((a) < (b) ? (a) : (b))
#define GREATER(a, b) ((a) > (b) ? (a) : (b))

#if IS_FLOAT
typedef ELEMENT MEDROI_UNALIGNED JOIN(NAME, _t);
typedef ELEMENT JOIN(NAME, _order);
#define ORDER_OF(ops) ((ops)->dark ? (ELEMENT)-1 : (ELEMENT)1)
#define TURNED(v, order) ((v) * (order)) /* as the key, but a NaN stays one */
#define KEY(v, order) (TURNED(v, order) > LOWEST ? TURNED(v, order) : LOWEST)
#define KEY_OF_SCALAR(scalar, order) TURNED((ELEMENT)(scalar).f, order)
#define IS_FINITE(v) ((v) > LOWEST && (v) < HIGHEST)
#define DOUBLE_OF(v, ops) ((double)(v))
#else
typedef BITS MEDROI_UNALIGNED JOIN(NAME, _t);
typedef BITS JOIN(NAME, _order);
#define TOP_BIT ((BITS)HIGHEST + 1u)
#define ORDER_OF(ops) ((BITS)(((ops)->is_unsigned ? TOP_BIT : 0u) ^ ((ops)->dark ? (BITS)-1 : 0u)))
#define TURNED(v, order) ((ELEMENT)((BITS)(v) ^ (order)))
#define KEY TURNED
#define KEY_OF_SCALAR(scalar, order) TURNED((BITS)(scalar).u, order)
#define SIGN_ORDER_OF(ops) ((BITS)((ops)->is_unsigned ? TOP_BIT : 0u))
#define IS_FINITE(v) 1
#if ELEMENT_NBYTES == 8
#define DOUBLE_OF(v, ops) ((ops)->is_unsigned ? (double)(v) : (double)(ELEMENT)(v))
#else /* exact in both steps */
#define DOUBLE_OF(v, ops)                                                                          \
    ((double)TURNED(v, SIGN_ORDER_OF(ops)) + ((ops)->is_unsigned ? (double)TOP_BIT : 0.0))
#endif
#endif

#if IS_FLOAT
CODE static void JOIN(NAME, _add_up)(const medroi_row_ops *ops, const void *row, size_t n,
                                     medroi_scalar background, medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    const ELEMENT air = (ELEMENT)background.f;
    double lanes[MEDROI_SUM_LANES] = {0};
    uint64_t count = 0;
    (void)ops;
    for (size_t i = 0; i < n; i++) {
        if (v[i] != air && IS_FINITE(v[i])) {
            lanes[i % MEDROI_SUM_LANES] += (double)v[i];
            count++;
        }
    }
    sum->real += medroi_sum_of_lanes(lanes);
    sum->count += count;
}
#else
CODE static void JOIN(NAME, _add_up)(const medroi_row_ops *ops, const void *row, size_t n,
                                     medroi_scalar background, medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    const BITS air = (BITS)background.u;
    const BITS order = SIGN_ORDER_OF(ops);
    uint32_t n_air = 0;
    int64_t upper = 0; /* halves, so that no sum of a run overflows */
    uint64_t lower = 0;
    for (size_t i = 0; i < n; i++) {
        ELEMENT key = v[i] == air ? 0 : TURNED(v[i], order);
#if ELEMENT_NBYTES == 8
        upper += key >> 32;
        lower += (uint64_t)key & 0xffffffffu;
#else
        upper += key;
#endif
        n_air += v[i] == air;
    }
    uint64_t n_summed = n - n_air;
#if ELEMENT_NBYTES == 8
    medroi_sum_add_unsigned(sum, lower);
    medroi_sum_add_unsigned(sum, (uint64_t)upper << 32);
    sum->high += upper >> 32;
    if (ops->is_unsigned) {
        medroi_sum_add_unsigned(sum, n_summed << 63);
        sum->high += (int64_t)(n_summed >> 1);
    }
#else
    (void)lower;
    medroi_sum_add(sum, upper + (ops->is_unsigned ? (int64_t)(n_summed * TOP_BIT) : 0));
#endif
    sum->count += n_summed;
}
#endif

CODE static uint64_t JOIN(NAME, _count)(const medroi_row_ops *ops, const void *row, size_t n,
                                        medroi_scalar tau) {
    const JOIN(NAME, _t) *v = row;
    const JOIN(NAME, _order) order = ORDER_OF(ops);
    const ELEMENT limit = KEY_OF_SCALAR(tau, order);
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += TURNED(v[i], order) >= limit;
    }
    return count;
}

CODE static void JOIN(NAME, _mark)(const medroi_row_ops *ops, const void *row, size_t n,
                                   medroi_scalar tau, uint64_t *bits) {
    const JOIN(NAME, _t) *v = row;
    const JOIN(NAME, _order) order = ORDER_OF(ops);
    const ELEMENT limit = KEY_OF_SCALAR(tau, order);
    uint8_t flags[64];
    for (size_t start = 0; start < n; start += 64) {
        size_t left = n - start < 64 ? n - start : 64;
        for (size_t i = 0; i < left; i++) {
            flags[i] = TURNED(v[start + i], order) >= limit;
        }
        bits[start / 64] = word_of_flags(flags, left);
    }
}

CODE static void JOIN(NAME, _mark_both)(const medroi_row_ops *ops, const void *row, size_t n,
                                        medroi_scalar tau, medroi_scalar level, uint64_t *bits,
                                        uint64_t *beyond) {
    JOIN(NAME, _mark)(ops, row, n, tau, bits);
    JOIN(NAME, _mark)(ops, row, n, level, beyond);
}

/* With lanes, so that every instruction set can do several at a time. */
CODE static ALWAYS_INLINE uint64_t JOIN(NAME, _range_of)(const medroi_row_ops *ops, const void *row,
                                                         size_t n, double *low, double *high) {
    const JOIN(NAME, _t) *v = row;
    ELEMENT lows[RANGE_LANES];
    ELEMENT highs[RANGE_LANES];
    uint64_t n_finite = 0;
    (void)ops;
#if IS_FLOAT
    const ELEMENT order = 1;
#else
    const BITS order = SIGN_ORDER_OF(ops);
#endif
    for (size_t k = 0; k < RANGE_LANES; k++) {
        lows[k] = HIGHEST;
        highs[k] = LOWEST;
    }
    for (size_t start = 0; start < n; start += RANGE_LANES) {
        size_t end = n - start < RANGE_LANES ? n - start : RANGE_LANES;
        uint32_t n_kept = 0;
        for (size_t k = 0; k < end; k++) {
            ELEMENT key = TURNED(v[start + k], order);
            uint32_t finite = IS_FINITE(key);
            ELEMENT down = finite ? key : HIGHEST;
            ELEMENT up = finite ? key : LOWEST;
            lows[k] = LESSER(lows[k], down);
            highs[k] = GREATER(highs[k], up);
            n_kept += finite;
        }
        n_finite += n_kept;
    }
    for (size_t k = 0; n_finite && k < RANGE_LANES; k++) {
        JOIN(NAME, _t) lowest = (JOIN(NAME, _t))TURNED(lows[k], order);
        JOIN(NAME, _t) highest = (JOIN(NAME, _t))TURNED(highs[k], order);
        *low = LESSER(*low, DOUBLE_OF(lowest, ops));
        *high = GREATER(*high, DOUBLE_OF(highest, ops));
    }
    return n_finite;
}

CODE static void JOIN(NAME, _widen)(const medroi_row_ops *ops, const void *row, size_t n,
                                    double *values) {
    const JOIN(NAME, _t) *v = row;
    (void)ops;
    for (size_t i = 0; i < n; i++) {
        values[i] = DOUBLE_OF(v[i], ops);
    }
}

CODE static ALWAYS_INLINE void JOIN(NAME, _histogram_of)(const medroi_row_ops *ops, const void *row,
                                                         size_t n, const medroi_bins *bins,
                                                         uint64_t *counts) {
    const JOIN(NAME, _t) *v = row;
    const size_t n_bins = bins->n_bins;
    const size_t stride = n_bins + 1;
    uint32_t places[HISTOGRAM_BLOCK];
    (void)ops;
    for (size_t start = 0; start < n; start += HISTOGRAM_BLOCK) {
        size_t end = n - start < HISTOGRAM_BLOCK ? n - start : HISTOGRAM_BLOCK;
        for (size_t i = 0; i < end; i++) {
#if ELEMENT_NBYTES <= 2
            const BITS order = SIGN_ORDER_OF(ops);
            int32_t low = (int32_t)bins->low - order;
            places[i] = (uint32_t)(TURNED(v[start + i], order) - low);
#else
            double value = DOUBLE_OF(v[start + i], ops);
            double place = (value * bins->scale - bins->low) / bins->range * (double)n_bins;
            place = LESSER(place, (double)(n_bins - 1));
            place = fabs(value) < (double)INFINITY ? place : (double)n_bins;
            places[i] = (uint32_t)(int32_t)place;
#endif
        }
        size_t i = 0;
        for (; i + MEDROI_HISTOGRAM_TABLES <= end; i += MEDROI_HISTOGRAM_TABLES) {
            for (size_t k = 0; k < MEDROI_HISTOGRAM_TABLES; k++) {
                counts[k * stride + places[i + k]]++;
            }
        }
        for (; i < end; i++) {
            counts[places[i]]++;
        }
    }
}

CODE static uint64_t JOIN(NAME, _range)(const medroi_row_ops *ops, const void *row, size_t n,
                                        double *low, double *high) {
    return JOIN(NAME, _range_of)(ops, row, n, low, high);
}

CODE static void JOIN(NAME, _histogram)(const medroi_row_ops *ops, const void *row, size_t n,
                                        const medroi_bins *bins, uint64_t *counts) {
    JOIN(NAME, _histogram_of)(ops, row, n, bins, counts);
}

#undef LESSER
#undef GREATER
#undef TOP_BIT
#undef ORDER_OF
#undef SIGN_ORDER_OF
#undef TURNED
#undef KEY
#undef KEY_OF_SCALAR
#undef IS_FINITE
#undef DOUBLE_OF

#if defined(HAS_VECTORS) && defined(GROUP)
#include "grid/rows_vector.h"
#endif

#undef CODE
#undef NAME
#undef ELEMENT
#undef ELEMENT_NBYTES
#undef BITS
#undef IS_FLOAT
#undef LOWEST
#undef HIGHEST
#undef GROUP
