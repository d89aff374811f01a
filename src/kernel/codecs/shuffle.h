/* Byte shuffle: all first bytes of the elements, then all second bytes, and so on. */
#ifndef MEDROI_SHUFFLE_H
#define MEDROI_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

/* First byte of a deflate or zstd part: what was done before compression. */
#define MEDROI_FILTER_NONE 0
#define MEDROI_FILTER_SHUFFLE 1

void medroi_shuffle(const uint8_t *src, size_t n_elements, size_t itemsize, uint8_t *dst);
void medroi_unshuffle(const uint8_t *src, size_t n_elements, size_t itemsize, uint8_t *dst);

#endif
