/* Whole integers of 8 and 16 bits in the machine's byte order: most scans, without the detour over
 * 64-bit keys. */
#ifndef MEDROI_SHORT_INTEGERS_H
#define MEDROI_SHORT_INTEGERS_H

#include "base/kernel.h"

/* Whether the elements of a block are such integers; booleans count. */
int medroi_is_short(const medroi_block *block);
/* Keys (elements.h) of the smallest and the largest of n elements, n > 0, and the bits in which any
 * element differs from the first. */
void medroi_short_extremes(const medroi_block *block, const void *data, size_t n, uint64_t *min_key,
                           uint64_t *max_key, uint64_t *differ);
/* counts[key - min_key] += 1 for n elements, fewer than 2^32, whose keys all are in the range. */
void medroi_short_count(const medroi_block *block, const void *data, size_t n, uint64_t min_key,
                        size_t n_counts, uint32_t *counts);

/* Map from keys to indices: key - first_key, and its rank where there are ranks. */
typedef struct medroi_short_map {
    uint64_t first_key;
    const uint32_t *ranks_plus_1; /* NULL: none */
    size_t n_ranks;
} medroi_short_map;

/* Indices of `count` elements as unsigned integers of 1, 2 or 4 bytes; returns the largest, at
 * least 2^16 where an element has no rank. */
uint32_t medroi_short_indices(const medroi_block *block, const void *data, size_t count,
                              const medroi_short_map *map, size_t index_nbytes, void *indices);

#endif
