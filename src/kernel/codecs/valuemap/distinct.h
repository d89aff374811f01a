/* The distinct elements of a block, up to 65536 of them. */
#ifndef MEDROI_DISTINCT_H
#define MEDROI_DISTINCT_H

#include "base/kernel.h"

#define MEDROI_MAX_DISTINCT 65536u

typedef struct medroi_distinct {
    uint64_t first_key, min_key, max_key;
    uint64_t differ;  /* bits in which a key differs from the first one */
    int overflow;     /* 1: there are more than was asked for; nothing below is set */
    size_t n;         /* number of distinct keys */
    uint64_t *keys;   /* ascending */
    uint32_t *counts; /* how often each occurs */
    int direct;       /* slot = key - min_key; else a hash of the key */
    size_t n_slots;
    uint64_t *slot_keys; /* of the hash */
    uint32_t *slots;     /* rank + 1 of the key in each slot, 0 where there is none */
} medroi_distinct;

/* The keys (base/elements.h) of elements of kinds b, i, u and f: first what one look at each gives
 * (to the line `overflow`), then the rest, unless more than `limit`, at most MEDROI_MAX_DISTINCT,
 * occur. Free after the second, if it did not fail. */
void medroi_distinct_survey(const medroi_block *block, const void *data, medroi_distinct *distinct);
medroi_status medroi_distinct_list(const medroi_block *block, const void *data, size_t limit,
                                   medroi_distinct *distinct, medroi_error *error);
void medroi_distinct_free(medroi_distinct *distinct);
/* Rank of a key, or UINT32_MAX where it does not occur. */
uint32_t medroi_distinct_rank(const medroi_distinct *distinct, uint64_t key);

#endif
