/* An array seen as dense rows, and what is computed on one row.
 *
 * The innermost volume axis and everything inside it is a row: `length` = n_x * inner elements in a
 * run, where neighbours along x lie `inner` elements apart. The other volume axes, z outside y,
 * number the rows. All further axes repeat that volume. Axes of length 1 play no part.
 */
#ifndef MEDROI_ROWS_H
#define MEDROI_ROWS_H

#include "base/kernel.h"

typedef struct medroi_grid {
    int64_t n_z;
    int64_t n_y;
    int64_t n_x;
    int64_t inner;
    int64_t length;   /* elements of one row */
    int64_t z_stride; /* elements from one row to the next along z */
    int64_t y_stride;
    int64_t n_repeats; /* product of repeat_size */
    int32_t n_repeat_axes;
    int64_t repeat_size[MEDROI_MAX_AXES]; /* outermost first */
    int64_t repeat_stride[MEDROI_MAX_AXES];
    int32_t axis[3]; /* array axis of z, y, x; -1 where there is none */
} medroi_grid;

/* Voxels found along each array axis are reported through this: empty when start == stop. */
typedef struct medroi_span {
    int64_t start;
    int64_t stop;
} medroi_span;

/* Bounds along the z, y and x of a grid. Empty when any of the three is. */
typedef struct medroi_grid_box {
    medroi_span z;
    medroi_span y;
    medroi_span x;
} medroi_grid_box;

int medroi_grid_box_is_empty(const medroi_grid_box *box);

medroi_grid medroi_make_grid(const medroi_layout *layout);
/* Elements of the array. */
static inline int64_t medroi_grid_n_elements(const medroi_grid *grid) {
    return grid->n_repeats * grid->n_z * grid->n_y * grid->length;
}
/* Elements before the first one of repeat `repeat`. */
int64_t medroi_repeat_offset(const medroi_grid *grid, int64_t repeat);

/* Types that the kernels compute in; float16 is widened to float32, bool is uint8. */
typedef enum medroi_element_type {
    MEDROI_I8,
    MEDROI_U8,
    MEDROI_I16,
    MEDROI_U16,
    MEDROI_I32,
    MEDROI_U32,
    MEDROI_I64,
    MEDROI_U64,
    MEDROI_F32,
    MEDROI_F64,
    MEDROI_N_ELEMENT_TYPES
} medroi_element_type;

/* One value of any element type: i for signed, u for unsigned, f for floats. */
typedef union medroi_scalar {
    int64_t i;
    uint64_t u;
    double f;
} medroi_scalar;

medroi_element_type medroi_element_type_of(const medroi_layout *layout);
size_t medroi_element_nbytes(medroi_element_type type);
int medroi_element_is_float(medroi_element_type type);
int medroi_element_is_signed(medroi_element_type type);
/* The value of one element given as bits in native byte order. */
medroi_scalar medroi_scalar_from_bits(const medroi_layout *layout, uint64_t bits);
double medroi_scalar_to_double(medroi_element_type type, medroi_scalar value);

/* Where rows come from: the caller's array as it is, or one converted row. */
typedef struct medroi_source {
    const uint8_t *data;
    const medroi_grid *grid;
    size_t stored_nbytes; /* of one element in the array */
    size_t nbytes;        /* of one element in a row */
    uint8_t swap;
    uint8_t half;
    uint8_t clamp; /* replace infinities by the largest finite values */
    uint8_t *row;
    int64_t repeat_offset; /* elements; set by medroi_source_seek */
} medroi_source;

/* `row` and `clamp` are left to the caller. */
medroi_source medroi_make_source(const medroi_layout *layout, const medroi_grid *grid,
                                 const void *data);
int medroi_source_converts(const medroi_source *source);
/* Bytes of `row`; 0 where rows need no conversion. */
size_t medroi_source_scratch_nbytes(const medroi_source *source);
void medroi_source_seek(medroi_source *source, int64_t repeat);
/* Ask for the first kilobytes of a row that is read soon: rows far apart are not foreseen. */
void medroi_source_prefetch(const medroi_source *source, int64_t z, int64_t y);
/* One row; valid until the next call. */
const void *medroi_source_single_row(medroi_source *source, int64_t z, int64_t y);

/* Sums are taken over runs of at most this many elements of a row; part of the definition of the
 * float sum in FORMAT.md, and what keeps the lanes of the integer sums from overflowing. */
#define MEDROI_RUN_LENGTH 16384
/* Partial sums of a run of floats: element i of the run goes to lane i % 8. */
#define MEDROI_SUM_LANES 8

typedef struct medroi_sum {
    uint64_t low; /* two's complement 128-bit sum of integers */
    int64_t high;
    double real; /* sum of floats */
    uint64_t count;
} medroi_sum;

/* In order, so that every build adds the same way. */
static inline double medroi_sum_of_lanes(const double lanes[MEDROI_SUM_LANES]) {
    double total = lanes[0];
    for (int i = 1; i < MEDROI_SUM_LANES; i++) {
        total += lanes[i];
    }
    return total;
}

void medroi_sum_add(medroi_sum *sum, int64_t value);
void medroi_sum_add_unsigned(medroi_sum *sum, uint64_t value);

/* Bins of values times `scale`; of elements of one or two bytes, one bin for each value from `low`
 * (and the scale plays no part). */
typedef struct medroi_bins {
    double low;   /* in scaled units */
    double range; /* in scaled units */
    double scale; /* 1, or 1/2 where max - min would overflow; negative for values turned over */
    uint32_t n_bins;
} medroi_bins;

/* Elements in turn are counted in one of these tables, which the processor does faster. Each has
 * one count behind its bins for what is not finite. */
#define MEDROI_HISTOGRAM_TABLES 4
#define MEDROI_HISTOGRAM_NBINS 65536
#define MEDROI_HISTOGRAM_NBYTES                                                                    \
    (MEDROI_HISTOGRAM_TABLES * (MEDROI_HISTOGRAM_NBINS + 1) * sizeof(uint64_t))
void medroi_clear_tables(uint64_t *counts, uint32_t n_bins);
/* Add the other tables to the first. */
void medroi_merge_tables(uint64_t *counts, uint32_t n_bins);

/* Functions of one row, for one type of element, and bright or dark tissue. Each width of
 * element has one kernel, which compares keys: signed integers as wide as the elements (floats:
 * floats) of which the highest is the most like tissue. The key of an integer is its bits with the
 * sign bit turned over where it is unsigned, and every bit where the tissue is dark; that of a
 * float is the float, its sign turned over where the tissue is dark, and that of a NaN the lowest.
 * Results do not depend on the instruction set. */
typedef struct medroi_row_ops medroi_row_ops;
struct medroi_row_ops {
    uint8_t is_unsigned;
    uint8_t dark;
    /* Add the finite elements that are not background. At most MEDROI_RUN_LENGTH elements. */
    void (*add_up)(const medroi_row_ops *ops, const void *row, size_t n, medroi_scalar background,
                   medroi_sum *sum);
    /* Tissue elements among at most MEDROI_RUN_LENGTH. */
    uint64_t (*count)(const medroi_row_ops *ops, const void *row, size_t n, medroi_scalar tau);
    /* Set the bits of elements that are: element i in bit i % 64 of word i / 64; those beyond the
     * row are 0. */
    void (*mark)(const medroi_row_ops *ops, const void *row, size_t n, medroi_scalar tau,
                 uint64_t *bits);
    /* The same at two levels at once. */
    void (*mark_both)(const medroi_row_ops *ops, const void *row, size_t n, medroi_scalar tau,
                      medroi_scalar level, uint64_t *bits, uint64_t *beyond);
    /* Widen [*low, *high] to the finite elements; returns their number. */
    uint64_t (*range)(const medroi_row_ops *ops, const void *row, size_t n, double *low,
                      double *high);
    /* As float64. */
    void (*widen)(const medroi_row_ops *ops, const void *row, size_t n, double *values);
    /* Count in the MEDROI_HISTOGRAM_TABLES tables of n_bins + 1 counts each. */
    void (*histogram)(const medroi_row_ops *ops, const void *row, size_t n, const medroi_bins *bins,
                      uint64_t *counts);
};

const medroi_row_ops *medroi_row_ops_for(medroi_element_type type, int dark);

#endif
