/* JPEG 2000 codestreams of single slices, through OpenJPEG. */
#ifndef MEDROI_JPEG2000_H
#define MEDROI_JPEG2000_H

#include "codecs/valuemap/intmap.h"

typedef struct medroi_j2k_slice {
    uint32_t width, height;
    uint32_t precision; /* bits of a sample, 1 to 16; samples are unsigned */
} medroi_j2k_slice;

typedef enum medroi_j2k_mode {
    MEDROI_J2K_LOSSLESS = 0,
    MEDROI_J2K_RATE = 1, /* target: bits of the samples / bits of the codestream */
    MEDROI_J2K_PSNR = 2  /* target: OpenJPEG's dB against 2^precision - 1; approximate */
} medroi_j2k_mode;

typedef struct medroi_j2k_quality {
    medroi_j2k_mode mode;
    double target;
} medroi_j2k_quality;

medroi_status medroi_j2k_encode(const medroi_j2k_slice *slice, const int32_t *samples,
                                const medroi_j2k_quality *quality, uint8_t *dst, size_t capacity,
                                size_t *nbytes, medroi_error *error);
/* Decode a codestream of this width and height; precision may be any from 1 to 16. */
medroi_status medroi_j2k_decode(const medroi_j2k_slice *slice, const uint8_t *src, size_t nbytes,
                                int32_t *samples, medroi_error *error);
/* The slices of a block: its last two axes; one axis is a slice of one row. */
typedef struct medroi_j2k_slices {
    medroi_j2k_slice slice;
    size_t n, n_elements; /* of one slice */
} medroi_j2k_slices;

medroi_j2k_slices medroi_j2k_slices_of(const medroi_block *block);
/* Upper bound of the bytes of one codestream. */
size_t medroi_j2k_slice_bound(const medroi_block *block, const medroi_j2k_slices *found);
/* Bits of a number, at least 1. */
uint32_t medroi_bits_for(uint32_t max_index);

/* The target of MEDROI_J2K_PSNR that gives the kept elements (those where `kept` is not 0; all
 * where it is NULL) of the region `wanted` dB against `peak` index units:
 * within 0.2 dB, above that only where no coarser setting reaches it, or refused. */
medroi_status medroi_j2k_find_quality(const medroi_block *region, const void *data,
                                      const uint8_t *kept, const medroi_intmap *map, double wanted,
                                      double peak, double *quality, medroi_error *error);

/* Before a library sees the bytes: one component, one tile, one tile-part, one layer, no
 * precincts, and the slice's own size, so that nothing larger than the slice is allocated. */
medroi_status medroi_j2k_check(const medroi_j2k_slice *slice, const uint8_t *src, size_t nbytes,
                               medroi_error *error);

#endif
