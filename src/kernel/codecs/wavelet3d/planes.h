/* wavelet3d, second version: the indices of the subbands while they are coded, and what a row of
 * them can know of its surroundings. */
#ifndef MEDROI_WAVELET3D_PLANES_H
#define MEDROI_WAVELET3D_PLANES_H

#include "codecs/wavelet3d/subbands.h"
#include "entropy/magnitudes.h"

/* Loops worth newer instructions get a second copy, chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define W3_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define W3_CLONES
#endif
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define W3_INLINE static inline __attribute__((always_inline))
#else
#define W3_INLINE static inline
#endif

#define W3_LARGEST 1023 /* magnitude as those around it see it */
#define W3_MAX_SIBLINGS 14
#define W3_FINENESS 3 /* classes of levels: the finest, the next, and all others */
#define W3_TYPES 8    /* of bands: high-pass along x, y, z or t */

/* One subband inside a margin of zeros: two voxels left and right, two rows above and one below,
 * `lag` slices in front and one behind. */
typedef struct medroi_w3_plane {
    const medroi_w3_band *band;
    int64_t row, slice, lag; /* strides; slices back to the second slice */
    uint16_t *magnitude;     /* of the first coefficient; at most W3_LARGEST */
    uint8_t *sign;           /* 0 of zeros; 1: positive; 2: negative */
    void *memory;
    const struct medroi_w3_plane *parent;
    const struct medroi_w3_plane *sibling[W3_MAX_SIBLINGS]; /* coded before, of the same level */
    int n_siblings, type, fineness;
} medroi_w3_plane;

/* Magnitudes around each coefficient of a row, except those before it in the row. */
enum {
    W3_ABOVE,          /* row y - 1 */
    W3_ABOVE_BESIDE,   /* its two neighbours */
    W3_ABOVE_TWO,      /* row y - 2 */
    W3_FRONT,          /* slice before */
    W3_FRONT_X,        /* its neighbours in the row */
    W3_FRONT_Y,        /* and across */
    W3_FRONT_DIAGONAL, /* and on the diagonals */
    W3_SECOND,         /* second slice */
    W3_SECOND_BESIDE,  /* its four neighbours */
    W3_PARENT,
    W3_PARENT_BESIDE, /* its six neighbours */
    W3_SIBLINGS,
    W3_SIBLINGS_BESIDE, /* their four neighbours each */
    W3_VIEWS
};

typedef struct medroi_w3_view {
    uint16_t *of[W3_VIEWS];
    int32_t *expected;   /* share of these in the expected magnitude, in 1/256 */
    const int16_t *left; /* weights of the two coefficients before, in the row */
    uint16_t *ring;      /* room for a row */
    const uint8_t *parent_sign, *sibling_sign[3];
    void *memory;
} medroi_w3_view;

typedef struct medroi_w3_planes {
    int n;
    int64_t stride[W3_AXES]; /* of the array */
    medroi_w3_band band[W3_MAX_BANDS];
    medroi_w3_plane plane[W3_MAX_BANDS];
    medroi_w3_view view;
} medroi_w3_planes;

medroi_status medroi_w3_planes_open(medroi_w3_planes *planes, const medroi_w3_shape *shape,
                                    const medroi_w3_header *header, medroi_error *error);
void medroi_w3_planes_close(medroi_w3_planes *planes);

/* Fill the view for row y of slice (t, z) of a plane. */
void medroi_w3_look(medroi_w3_view *view, const medroi_w3_plane *plane, int64_t t, int64_t z,
                    int64_t y);

/* Start of a row in the array, and in the plane's magnitudes and signs. */
static inline int64_t medroi_w3_row_at(const medroi_w3_planes *planes, const medroi_w3_band *b,
                                       int64_t t, int64_t z, int64_t y) {
    return medroi_w3_row_in(planes->stride, b, t, z, y);
}
static inline int64_t medroi_w3_plane_row(const medroi_w3_plane *p, int64_t t, int64_t z,
                                          int64_t y) {
    return (t * p->band->size[1] + z) * p->slice + y * p->row;
}

/* The expected magnitude, as a level of 40; *shift is of bits that are too fine to model.
 */
#define W3_EXPECTED_LEVELS 40
W3_INLINE uint32_t medroi_w3_expected(const medroi_w3_view *view, const uint16_t *magnitude,
                                      int64_t x, int *shift) {
    uint32_t expected = (uint32_t)(view->expected[x] + view->left[0] * magnitude[-1] +
                                   view->left[1] * magnitude[-2]);
    *shift = 0;
    if (expected >= 6 * 256) {
        *shift = medroi_log2(expected / (3 * 256));
        expected >>= *shift;
    }
    uint32_t level = medroi_level(expected);
    return level < W3_EXPECTED_LEVELS ? level : W3_EXPECTED_LEVELS - 1;
}

#endif
