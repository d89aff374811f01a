/* Elements of any numeric type as 64-bit keys that sort as the values do. */
#ifndef MEDROI_ELEMENTS_H
#define MEDROI_ELEMENTS_H

#include "base/kernel.h"

#define MEDROI_KEY_RUN 1024

/* Keys of `count` elements. Signed integers have the sign bit flipped; floats that of positive
 * values flipped and all bits of negative ones, so -0.0 lies next to 0.0 and NaNs at the ends. */
void medroi_load_keys(const medroi_block *block, const void *data, size_t first, size_t count,
                      uint64_t *keys);
/* The inverse. */
void medroi_store_keys(const medroi_block *block, const uint64_t *keys, size_t first, size_t count,
                       void *data);
/* The value of a float element's key (float16 too). */
double medroi_key_value(const medroi_block *block, uint64_t key);
/* The key of the float element nearest to `value`, ties to even. */
uint64_t medroi_value_key(const medroi_block *block, double value);
/* Key of an integer element from its two's complement bits, and back. */
uint64_t medroi_integer_key(const medroi_block *block, int64_t bits);
int64_t medroi_key_integer(const medroi_block *block, uint64_t key);
/* Smallest and largest key that the element type can hold. */
uint64_t medroi_max_key(const medroi_block *block);
uint64_t medroi_min_key(const medroi_block *block);

#endif
