/* The values of a row: range, float64, histogram; included by rows_portable.h. */

/* With lanes, so that every instruction set can do several at a time. */
static ALWAYS_INLINE uint64_t JOIN(NAME, _range_of)(const void *row, size_t n, double *low,
                                                    double *high) {
    const JOIN(NAME, _t) *v = row;
    ELEMENT lows[RANGE_LANES];
    ELEMENT highs[RANGE_LANES];
    uint64_t n_finite = 0;
    for (size_t k = 0; k < RANGE_LANES; k++) {
        lows[k] = HIGHEST;
        highs[k] = LOWEST;
    }
    for (size_t start = 0; start < n; start += RANGE_LANES) {
        size_t end = n - start < RANGE_LANES ? n - start : RANGE_LANES;
        uint32_t n_kept = 0;
        for (size_t k = 0; k < end; k++) {
            ELEMENT value = v[start + k];
#if IS_FLOAT
            int finite = value > LOWEST && value < HIGHEST;
            ELEMENT down = finite ? value : HIGHEST;
            ELEMENT up = finite ? value : LOWEST;
            n_kept += (uint32_t)finite;
#else
            ELEMENT down = value;
            ELEMENT up = value;
            n_kept++;
#endif
            lows[k] = LESSER(lows[k], down);
            highs[k] = GREATER(highs[k], up);
        }
        n_finite += n_kept;
    }
    for (size_t k = 0; n_finite && k < RANGE_LANES; k++) {
        *low = LESSER(*low, (double)lows[k]);
        *high = GREATER(*high, (double)highs[k]);
    }
    return n_finite;
}

static void JOIN(NAME, _widen)(const void *row, size_t n, double *values) {
    const JOIN(NAME, _t) *v = row;
    for (size_t i = 0; i < n; i++) {
        values[i] = (double)v[i];
    }
}

static ALWAYS_INLINE void JOIN(NAME, _histogram_of)(const void *row, size_t n,
                                                    const medroi_bins *bins, uint64_t *counts) {
    const JOIN(NAME, _t) *v = row;
    const size_t n_bins = bins->n_bins;
    const size_t stride = n_bins + 1;
    uint32_t places[HISTOGRAM_BLOCK];
    for (size_t start = 0; start < n; start += HISTOGRAM_BLOCK) {
        size_t end = n - start < HISTOGRAM_BLOCK ? n - start : HISTOGRAM_BLOCK;
        for (size_t i = 0; i < end; i++) {
#if ELEMENT_NBYTES <= 2
            places[i] = (uint32_t)((int32_t)v[start + i] - (int32_t)bins->low);
#else
            double value = (double)v[start + i];
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

static uint64_t JOIN(NAME, _range)(const void *row, size_t n, double *low, double *high) {
    return JOIN(NAME, _range_of)(row, n, low, high);
}

static void JOIN(NAME, _histogram)(const void *row, size_t n, const medroi_bins *bins,
                                   uint64_t *counts) {
    JOIN(NAME, _histogram_of)(row, n, bins, counts);
}
