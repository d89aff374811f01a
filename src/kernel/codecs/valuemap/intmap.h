/* Intensities as integers of at most 16 bits, for codecs that know nothing else (FORMAT.md,
 * "Value map"). Every mapping gives back the very bits that went in. */
#ifndef MEDROI_INTMAP_H
#define MEDROI_INTMAP_H

#include "codecs/valuemap/distinct.h"

#define MEDROI_INTMAP_MAX_INDEX 65535u
/* Bytes of a map without a table. */
#define MEDROI_INTMAP_AFFINE_NBYTES 19

typedef enum medroi_intmap_kind {
    MEDROI_INTMAP_INTEGER = 0, /* value = offset + step * index */
    MEDROI_INTMAP_SCALED = 1,  /* value = (offset + index) * step, in binary64, then rounded */
    MEDROI_INTMAP_TABLE = 2    /* value = table[index] */
} medroi_intmap_kind;

typedef struct medroi_intmap {
    medroi_intmap_kind kind;
    uint32_t max_index;
    int64_t offset; /* two's complement bits for unsigned 64-bit elements */
    uint64_t integer_step;
    double step;
    uint64_t *table;          /* keys of the values (elements.h); owned */
    medroi_distinct distinct; /* of a table that was found; owned */
} medroi_intmap;

/* The map of a block. `affine` asks for a map in which equal differences of indices are equal
 * differences of values (no table): what a lossy codec needs. `max_index` is 1 to 65535. */
medroi_status medroi_intmap_find(const medroi_block *block, const void *data, int affine,
                                 uint32_t max_index, medroi_intmap *map, medroi_error *error);
void medroi_intmap_free(medroi_intmap *map);

size_t medroi_intmap_nbytes(const medroi_intmap *map, const medroi_block *block);
void medroi_intmap_write(const medroi_intmap *map, const medroi_block *block, uint8_t *dst);
/* Reads and checks a map; sets *used to its length. Only elements that the dtype can hold. */
medroi_status medroi_intmap_read(const medroi_block *block, const uint8_t *src, size_t nbytes,
                                 medroi_intmap *map, size_t *used, medroi_error *error);

/* Indices of `count` elements from element `first`. The block must be one that the map was found
 * in, or a part of it. */
medroi_status medroi_intmap_apply(const medroi_intmap *map, const medroi_block *block,
                                  const void *data, size_t first, size_t count, int32_t *indices,
                                  medroi_error *error);
/* The same for the first `count` elements, as unsigned integers of 1 or 2 bytes; 1 where max_index
 * is below 256. */
medroi_status medroi_intmap_apply_short(const medroi_intmap *map, const medroi_block *block,
                                        const void *data, size_t count, size_t index_nbytes,
                                        void *indices, medroi_error *error);
/* The inverse. Indices below 0 or above max_index are taken as the nearest of these. */
void medroi_intmap_invert(const medroi_intmap *map, const medroi_block *block,
                          const int32_t *indices, size_t first, size_t count, void *data);

/* Whether all these values are multiples of one step, bit for bit; fills a SCALED map then. */
int medroi_intmap_find_scaled(const medroi_block *block, const uint64_t *keys, size_t n,
                              uint32_t max_index, medroi_intmap *map);

#endif
