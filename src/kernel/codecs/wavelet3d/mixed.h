/* wavelet3d, second version: quantising and coding coefficients. */
#ifndef MEDROI_WAVELET3D_MIXED_H
#define MEDROI_WAVELET3D_MIXED_H

#include "codecs/wavelet3d/wavelet3d.h"

/* State of the quantiser after an index that is even, and odd. */
extern const uint8_t medroi_w3_next_state[8][2];

/* The size of a coefficient: whole steps, or half a step less where the quantiser is the odd one.
 */
static inline float medroi_w3_mixed_value(const medroi_w3_header *h, int odd, uint32_t magnitude) {
    if (magnitude == 0)
        return 0.0f;
    int i = odd * W3_POINTS + (magnitude < W3_POINTS ? (int)magnitude - 1 : W3_POINTS - 1);
    return (float)magnitude - (float)(128 * odd + h->mixed_point[i]) * (1.0f / 256.0f);
}

/* --- mixed.c --- */
/* Code all subbands. *nbytes is 0 where `capacity` is too small. */
medroi_status medroi_w3_encode_mixed(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const int32_t *indices, uint8_t *dst, size_t capacity,
                                     size_t *nbytes, medroi_error *error);
medroi_status medroi_w3_decode_mixed(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const uint8_t *src, size_t nbytes, float *data,
                                     medroi_error *error);

/* --- trellis.c --- */
/* 1: the coefficients of such a part are quantised by the trellis, not one by one. */
static inline int medroi_w3_has_trellis(const medroi_w3_shape *shape) {
    return shape->size[0] == 1 || shape->size[1] == 1;
}
/* Steps of a trellis over those of the first version, at equal error. */
#define W3_COARSER 1.27
/* Choose the index of each coefficient (in units of the step), and learn the points. */
medroi_status medroi_w3_choose_indices(const medroi_w3_shape *shape, medroi_w3_header *header,
                                       const float *data, int32_t *indices, medroi_error *error);
/* The coefficients as the decoder will have them. */
void medroi_w3_mixed_values(const medroi_w3_shape *shape, const medroi_w3_header *header,
                            const int32_t *indices, float *data);

#endif
