/* wavelet3d: the subbands of a part. */
#ifndef MEDROI_WAVELET3D_SUBBANDS_H
#define MEDROI_WAVELET3D_SUBBANDS_H

#include "codecs/wavelet3d/wavelet3d.h"

#define W3_MAX_BANDS (1 + 15 * W3_MAX_LEVELS)

/* One subband: where it lies in the array, and its magnitudes (saturated at 65535) inside a
 * margin of zeros, one voxel left and right, one row above and below, one slice in front. */
typedef struct medroi_w3_band {
    int64_t start[W3_AXES], size[W3_AXES];
    int highs;           /* number of axes that are high-pass */
    int halved[W3_AXES]; /* the parent has half the samples on this axis */
    uint16_t *magnitude;
    const struct medroi_w3_band *parent;
} medroi_w3_band;

/* Strides of the magnitudes. */
static inline int64_t medroi_w3_row_of(const medroi_w3_band *b) { return b->size[3] + 2; }
static inline int64_t medroi_w3_slice_of(const medroi_w3_band *b) {
    return medroi_w3_row_of(b) * (b->size[2] + 2);
}

/* List them from the coarsest to the finest, with zeros for magnitudes; returns how many, or 0
 * without memory. */
int medroi_w3_list_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                         medroi_w3_band bands[W3_MAX_BANDS]);
void medroi_w3_free_bands(medroi_w3_band *bands, int n);

#endif
