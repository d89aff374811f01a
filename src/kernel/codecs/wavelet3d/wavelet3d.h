/* Shared by the files of wavelet3d. FORMAT.md section 8 is normative. */
#ifndef MEDROI_WAVELET3D_INTERNAL_H
#define MEDROI_WAVELET3D_INTERNAL_H

#include "base/kernel.h"

#define W3_AXES 4
/* Purposes of a step: the first of the numbers of the codec. */
enum {
    W3_MODE_PSNR = 1,
    W3_MODE_RATE = 2,
    W3_MODE_MAX_ERROR = 3,
    W3_MODE_STEP = 4,
    W3_MODE_NOISE = 5,
    W3_MODE_EXACT = 6 /* of a plan alone: nothing may be lost */
};
/* The place, among the numbers of the codec, of its version: 0 the first, 1 the second. */
#define W3_SPEED 6
#define W3_MAX_LEVELS 10
#define W3_POINTS 3 /* reconstruction points: of magnitudes 1, 2, and 3 or more */

/* Header of a slab, coded before its coefficients. */
typedef struct medroi_w3_header {
    uint8_t n_levels;
    uint8_t mask[W3_MAX_LEVELS]; /* bit a: axis a is split at this level */
    double step, offset;
    double low, high;        /* smallest and greatest element */
    double max_error;        /* 0: not bounded */
    uint8_t bounded;         /* 1: corrections follow the coefficients */
    int8_t point[W3_POINTS]; /* subtracted from the magnitude, in 1/256 */
    /* Of the second version alone: */
    uint8_t is_mixed;                  /* 1: this is one */
    uint8_t is_trellis;                /* 1: two quantisers take turns */
    int8_t mixed_point[2 * W3_POINTS]; /* as `point`, of either quantiser */
} medroi_w3_header;

/* A part as a dense array of at most 4 axes, outermost first: shape without axes of length 1. */
typedef struct medroi_w3_shape {
    int64_t size[W3_AXES];
} medroi_w3_shape;

/* Steps along each axis of the array. */
static inline void medroi_w3_strides(const medroi_w3_shape *s, int64_t stride[W3_AXES]) {
    stride[W3_AXES - 1] = 1;
    for (int a = W3_AXES - 2; a >= 0; a--)
        stride[a] = stride[a + 1] * s->size[a + 1];
}

static inline int64_t medroi_w3_count(const medroi_w3_shape *s) {
    return s->size[0] * s->size[1] * s->size[2] * s->size[3];
}

/* The level from which on each axis is split; W3_NEVER where splitting it does not pay. */
#define W3_LEVELS 5 /* that an encoder makes */
#define W3_NEVER W3_LEVELS
typedef struct medroi_w3_axes {
    uint8_t first[W3_AXES];
} medroi_w3_axes;

medroi_w3_shape medroi_w3_shape_of(const medroi_block *block);
/* Axes that are split at each level. */
void medroi_w3_schedule(const medroi_w3_shape *shape, const medroi_w3_axes *axes,
                        medroi_w3_header *header);

/* --- axes.c --- */
/* A guess: axes with much longer voxels late. `spacing` has three numbers. */
medroi_w3_axes medroi_w3_axes_of_spacing(const medroi_block *block, const double *spacing);
/* The axes that are cheapest on a sample of the region, at about this step. *axes holds a guess, by
 * which the search may begin. */
medroi_status medroi_w3_choose_axes(const medroi_block *region, const void *data, double step,
                                    int is_mixed, medroi_w3_axes *axes, medroi_error *error);
/* Kept in the codec's numbers after a plan, in place of the spacing. */
void medroi_w3_keep_axes(const medroi_w3_axes *axes, double *params);
medroi_w3_axes medroi_w3_axes_of(const medroi_block *part, const double *params);

/* The first byte of a part of the second version. */
#define W3_MIXED 253
/* The header of a part. Both return its length; reading gives 0 for an impossible one. */
#define W3_MAX_HEADER_NBYTES (3 + W3_MAX_LEVELS + 4 * 8 + 2 * W3_POINTS)
size_t medroi_w3_write_header(const medroi_w3_header *h, uint8_t *dst);
size_t medroi_w3_read_header(const medroi_block *block, const medroi_w3_shape *shape,
                             const uint8_t *src, size_t nbytes, medroi_w3_header *h);

/* --- fill.c --- */
/* Let elements that decoding sets back (0 in `kept`; NULL: none) continue the others smoothly.
 * Returns 0 without memory. */
int medroi_w3_fill(const medroi_w3_shape *shape, const uint8_t *kept, float *data);

/* Transform in place, subbands in the corners (low parts first). Return 0 without memory. */
int medroi_w3_forward(const medroi_w3_shape *shape, const medroi_w3_header *header, float *data);
int medroi_w3_inverse(const medroi_w3_shape *shape, const medroi_w3_header *header, float *data);

/* Code all subbands: coefficients in units of the step. *nbytes is 0 where `capacity` is too
 * small. */
medroi_status medroi_w3_encode_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const float *data, uint8_t *dst, size_t capacity,
                                     size_t *nbytes, medroi_error *error);
medroi_status medroi_w3_decode_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const uint8_t *src, size_t nbytes, float *data,
                                     medroi_error *error);

/* Dead-zone quantiser: magnitudes are rounded down from + W3_ROUND. */
#define W3_ROUND 0.40f
static inline uint32_t medroi_w3_magnitude(float x) {
    float m = x < 0.0f ? -x : x;
    return (uint32_t)(m + W3_ROUND);
}
static inline float medroi_w3_value(const medroi_w3_header *h, uint32_t magnitude) {
    if (magnitude == 0)
        return 0.0f;
    int i = magnitude < W3_POINTS ? (int)magnitude - 1 : W3_POINTS - 1;
    return (float)magnitude - (float)h->point[i] * (1.0f / 256.0f);
}

/* Corrections that bring the elements that `decoded` stands for within max_error of the true ones.
 * *nbytes is 0 where `capacity` is too small or no correction could do it. */
medroi_status medroi_w3_encode_corrections(const medroi_block *block, const medroi_w3_header *h,
                                           const void *data, const float *decoded, uint8_t *dst,
                                           size_t capacity, size_t *nbytes, medroi_error *error);
medroi_status medroi_w3_decode_corrections(const medroi_block *block, const medroi_w3_header *h,
                                           const uint8_t *src, size_t nbytes, const float *decoded,
                                           void *out, medroi_error *error);

/* --- noise.c --- */
typedef struct medroi_w3_noise {
    double sigma;     /* standard deviation in stored units; 0 where most squares have no detail */
    double share;     /* of the squares that are not of one value; 0 where there is no square */
    size_t n_squares; /* that lie inside */
} medroi_w3_noise;
/* The noise of the elements that are kept, of `n` in all. */
medroi_status medroi_w3_find_noise(const medroi_blocks *blocks, int64_t n, medroi_w3_noise *noise,
                                   medroi_error *error);
medroi_status medroi_w3_noise_of(const medroi_block *region, const void *data, const uint8_t *kept,
                                 medroi_w3_noise *noise, medroi_error *error);

/* --- rounded.c --- */
/* Elements rounded within h->max_error, for a lossless code: to a lattice, or to as few of the
 * values that occur as possible; the second is for sparse values alone, and says whether they are.
 */
void medroi_w3_round_to_lattice(const medroi_block *block, const void *data,
                                const medroi_w3_header *h, uint8_t *out);
medroi_status medroi_w3_round_to_values(const medroi_block *block, const void *data,
                                        const medroi_w3_header *h, uint8_t *out, int *is_sparse,
                                        medroi_error *error);

/* Learn the reconstruction points of coefficients in units of the step. */
void medroi_w3_learn_points(const float *data, int64_t n, medroi_w3_header *header);
/* The coefficients as the decoder will have them. */
void medroi_w3_quantise(float *data, int64_t n, const medroi_w3_header *header);

/* Elements as doubles and back; load returns 0 if one is not finite. */
int medroi_w3_load(const medroi_block *block, const void *data, const medroi_w3_header *header,
                   float *out);
void medroi_w3_store(const medroi_block *block, const medroi_w3_header *header, const float *data,
                     void *out);
/* Sum of the squared differences of two blocks, where `kept` is not 0, or everywhere (NULL). */
double medroi_w3_squared_error(const medroi_block *block, const void *a, const void *b,
                               const uint8_t *kept);
/* The next element, from one on, that differs by more than `distance`; their number if none. */
int64_t medroi_w3_next_far(const medroi_block *block, const void *a, const void *b, int64_t from,
                           double distance);
double medroi_w3_element(const medroi_block *block, const void *data, int64_t i);
/* `count` elements from `first` on, at most W3_RUN where a buffer is on the stack. */
#define W3_RUN 512
void medroi_w3_elements(const medroi_block *block, const void *data, int64_t first, size_t count,
                        double *values);
int medroi_w3_range(const medroi_block *block, const void *data, double *low, double *high);
/* Of the elements where `kept` is not 0; returns how many. All of them are finite. */
int64_t medroi_w3_range_kept(const medroi_block *block, const void *data, const uint8_t *kept,
                             double *low, double *high);
double medroi_w3_rebuild(const medroi_w3_header *h, float y);
double medroi_w3_to_kind(const medroi_block *block, const medroi_w3_header *h, double v);
void medroi_w3_put_element(const medroi_block *block, void *out, int64_t i, double v);

medroi_status medroi_w3_plan(const medroi_block *region, const void *data, const uint8_t *kept,
                             double *params, medroi_error *error);
medroi_status medroi_w3_plan_scan(const medroi_blocks *chunks, double *params, medroi_error *error);

/* --- one_block.c --- */
/* A region, and a byte for each element: 0 where decoding sets it back (NULL: nowhere). */
typedef struct medroi_w3_one {
    const medroi_block *region;
    const uint8_t *data;
    const uint8_t *kept;
} medroi_w3_one;
medroi_blocks medroi_w3_one_block(medroi_w3_one *one);

/* --- parts.c --- */
int64_t medroi_w3_part_extent(const medroi_block *region, const double *params);
size_t medroi_w3_bound(const medroi_block *part, const double *params);

#endif
