/* wavelet3d: the subbands of a part. */
#ifndef MEDROI_WAVELET3D_SUBBANDS_H
#define MEDROI_WAVELET3D_SUBBANDS_H

#include "codecs/wavelet3d/wavelet3d.h"

#define W3_MAX_BANDS (1 + 15 * W3_MAX_LEVELS)

/* One subband: where it lies in the array, and its magnitudes (saturated at 65535) inside a
 * margin of zeros, one voxel left and right, one row above and below, one slice in front. */
typedef struct medroi_w3_band {
    int64_t start[W3_AXES], size[W3_AXES];
    int high;            /* axes that are high-pass, one bit each */
    int highs;           /* their number */
    int level;           /* 0: the finest */
    int halved[W3_AXES]; /* the parent has half the samples on this axis */
    uint16_t *magnitude;
    const struct medroi_w3_band *parent;
} medroi_w3_band;

/* Strides of the magnitudes. */
static inline int64_t medroi_w3_row_of(const medroi_w3_band *b) { return b->size[3] + 2; }
static inline int64_t medroi_w3_slice_of(const medroi_w3_band *b) {
    return medroi_w3_row_of(b) * (b->size[2] + 2);
}

/* Start of a row of a subband in the array. */
static inline int64_t medroi_w3_row_in(const int64_t stride[W3_AXES], const medroi_w3_band *b,
                                       int64_t t, int64_t z, int64_t y) {
    return (b->start[0] + t) * stride[0] + (b->start[1] + z) * stride[1] +
           (b->start[2] + y) * stride[2] + b->start[3];
}

/* List them from the coarsest to the finest, without magnitudes; returns how many. */
int medroi_w3_place_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                          medroi_w3_band bands[W3_MAX_BANDS]);
/* List them from the coarsest to the finest, with zeros for magnitudes; returns how many, or 0
 * without memory. */
int medroi_w3_list_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                         medroi_w3_band bands[W3_MAX_BANDS]);
void medroi_w3_free_bands(medroi_w3_band *bands, int n);

#endif
