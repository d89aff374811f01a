/* Portable row kernels of one element type; included once per type by rows_kernels.c, which
 * defines ELEMENT (type), ELEMENT_NBYTES, NAME (prefix), FIELD (of medroi_scalar), IS_FLOAT,
 * LOWEST, HIGHEST. This file holds sums and peaks. */

/* A float NaN becomes the value below (dark: above) everything. */
#if IS_FLOAT
#define BRIGHT_VALUE(v) ((v) > LOWEST ? (v) : LOWEST)
#define DARK_VALUE(v) ((v) < HIGHEST ? (v) : HIGHEST)
#else
#define BRIGHT_VALUE(v) (v)
#define DARK_VALUE(v) (v)
#endif
#define LESSER(a, b) ((a) < (b) ? (a) : (b))
#define GREATER(a, b) ((a) > (b) ? (a) : (b))

typedef ELEMENT UNALIGNED JOIN(NAME, _t);

#if IS_FLOAT
static inline void JOIN(NAME, _add_one)(ELEMENT value, ELEMENT air, double *lane, uint64_t *count) {
    if (value != air && value > LOWEST && value < HIGHEST) {
        *lane += (double)value;
        *count += 1;
    }
}

static void JOIN(NAME, _add_up)(const void *row, size_t n, medroi_scalar background,
                                medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    const ELEMENT air = (ELEMENT)background.FIELD;
    double lanes[MEDROI_SUM_LANES] = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        JOIN(NAME, _add_one)(v[i], air, &lanes[i % MEDROI_SUM_LANES], &count);
    }
    sum->real += medroi_sum_of_lanes(lanes);
    sum->count += count;
}
#else
static void JOIN(NAME, _add_up)(const void *row, size_t n, medroi_scalar background,
                                medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    const ELEMENT air = (ELEMENT)background.FIELD;
    uint32_t n_air = 0;
#if ELEMENT_NBYTES == 8
    ELEMENT upper = 0; /* halves, so that no sum of a run overflows */
    uint64_t lower = 0;
    for (size_t i = 0; i < n; i++) {
        ELEMENT value = v[i] == air ? 0 : v[i];
        upper += value >> 32;
        lower += (uint64_t)value & 0xffffffffu;
        n_air += v[i] == air;
    }
    medroi_sum_add_unsigned(sum, lower);
    medroi_sum_add_unsigned(sum, (uint64_t)upper << 32);
    sum->high += (int64_t)(upper >> 32);
#else
    int64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += v[i];
        n_air += v[i] == air;
    }
    medroi_sum_add(sum, total - (int64_t)n_air * (int64_t)air);
#endif
    sum->count += n - n_air;
}
#endif

static void JOIN(NAME, _add_up_dark)(const void *row, size_t n, medroi_scalar background,
                                     medroi_sum *sum) {
    JOIN(NAME, _add_up)(row, n, background, sum);
}

static void JOIN(NAME, _project)(const void *row, size_t n, void *row_peak, void *column_peaks) {
    const JOIN(NAME, _t) *v = row;
    ELEMENT *restrict columns = column_peaks;
    ELEMENT peak = *(ELEMENT *)row_peak;
    for (size_t i = 0; i < n; i++) {
        ELEMENT value = BRIGHT_VALUE(v[i]);
        columns[i] = GREATER(columns[i], value);
        peak = GREATER(peak, value);
    }
    *(ELEMENT *)row_peak = peak;
}

static void JOIN(NAME, _project_dark)(const void *row, size_t n, void *row_peak,
                                      void *column_peaks) {
    const JOIN(NAME, _t) *v = row;
    ELEMENT *restrict columns = column_peaks;
    ELEMENT peak = *(ELEMENT *)row_peak;
    for (size_t i = 0; i < n; i++) {
        ELEMENT value = DARK_VALUE(v[i]);
        columns[i] = LESSER(columns[i], value);
        peak = LESSER(peak, value);
    }
    *(ELEMENT *)row_peak = peak;
}

static void JOIN(NAME, _erode)(const void *const rows[5], size_t n, size_t step, void *row_peak,
                               void *column_peaks) {
    const JOIN(NAME, _t) *v = rows[0], *up = rows[1], *down = rows[2], *in = rows[3],
                         *out = rows[4];
    ELEMENT *restrict columns = column_peaks;
    ELEMENT peak = *(ELEMENT *)row_peak;
    for (size_t i = step; i < n - step; i++) {
        ELEMENT a = LESSER(BRIGHT_VALUE(v[i - step]), BRIGHT_VALUE(v[i + step]));
        ELEMENT b = LESSER(BRIGHT_VALUE(up[i]), BRIGHT_VALUE(down[i]));
        ELEMENT c = LESSER(BRIGHT_VALUE(in[i]), BRIGHT_VALUE(out[i]));
        ELEMENT d = LESSER(a, b);
        ELEMENT e = LESSER(c, BRIGHT_VALUE(v[i]));
        ELEMENT core = LESSER(d, e);
        columns[i] = GREATER(columns[i], core);
        peak = GREATER(peak, core);
    }
    *(ELEMENT *)row_peak = peak;
}

static void JOIN(NAME, _erode_dark)(const void *const rows[5], size_t n, size_t step,
                                    void *row_peak, void *column_peaks) {
    const JOIN(NAME, _t) *v = rows[0], *up = rows[1], *down = rows[2], *in = rows[3],
                         *out = rows[4];
    ELEMENT *restrict columns = column_peaks;
    ELEMENT peak = *(ELEMENT *)row_peak;
    for (size_t i = step; i < n - step; i++) {
        ELEMENT a = GREATER(DARK_VALUE(v[i - step]), DARK_VALUE(v[i + step]));
        ELEMENT b = GREATER(DARK_VALUE(up[i]), DARK_VALUE(down[i]));
        ELEMENT c = GREATER(DARK_VALUE(in[i]), DARK_VALUE(out[i]));
        ELEMENT d = GREATER(a, b);
        ELEMENT e = GREATER(c, DARK_VALUE(v[i]));
        ELEMENT core = GREATER(d, e);
        columns[i] = LESSER(columns[i], core);
        peak = LESSER(peak, core);
    }
    *(ELEMENT *)row_peak = peak;
}

static int JOIN(NAME, _sweep)(const medroi_plane *plane, const medroi_peaks *peaks,
                              medroi_scalar background, medroi_sum *sum) {
    for (size_t y = 0; y < plane->n_rows; y++) {
        const void *rows[5];
        int eroded = medroi_plane_rows(plane, y, rows);
        if (sum) {
            JOIN(NAME, _add_up)(rows[0], plane->length, background, sum);
        }
        JOIN(NAME, _project)
        (rows[0], plane->length, (ELEMENT *)peaks->row_peaks + y, peaks->column_peaks);
        if (eroded) {
            JOIN(NAME, _erode)
            (rows, plane->length, plane->step, (ELEMENT *)peaks->row_cores + y,
             peaks->column_cores);
        }
    }
    return 0;
}

static int JOIN(NAME, _sweep_dark)(const medroi_plane *plane, const medroi_peaks *peaks,
                                   medroi_scalar background, medroi_sum *sum) {
    for (size_t y = 0; y < plane->n_rows; y++) {
        const void *rows[5];
        int eroded = medroi_plane_rows(plane, y, rows);
        if (sum) {
            JOIN(NAME, _add_up)(rows[0], plane->length, background, sum);
        }
        JOIN(NAME, _project_dark)
        (rows[0], plane->length, (ELEMENT *)peaks->row_peaks + y, peaks->column_peaks);
        if (eroded) {
            JOIN(NAME, _erode_dark)
            (rows, plane->length, plane->step, (ELEMENT *)peaks->row_cores + y,
             peaks->column_cores);
        }
    }
    return 0;
}

#include "grid/rows_portable_tissue.h"
#include "grid/rows_portable_values.h"

#undef BRIGHT_VALUE
#undef DARK_VALUE
#undef LESSER
#undef GREATER
#undef ELEMENT
#undef ELEMENT_NBYTES
#undef NAME
#undef FIELD
#undef IS_FLOAT
#undef LOWEST
#undef HIGHEST
