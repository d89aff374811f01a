/* The distinct elements of a block, up to 65536 of them. */
#ifndef MEDROI_DISTINCT_H
#define MEDROI_DISTINCT_H

#include "base/kernel.h"

#define MEDROI_MAX_DISTINCT 65536u

typedef struct medroi_distinct {
    uint64_t min_key, max_key;
    int overflow;     /* 1: there are more than MEDROI_MAX_DISTINCT; nothing below is set */
    size_t n;         /* number of distinct keys */
    uint64_t *keys;   /* ascending */
    uint32_t *counts; /* how often each occurs */
    int direct;       /* slot = key - min_key; else a hash of the key */
    size_t n_slots;
    uint64_t *slot_keys; /* of the hash */
    uint32_t *slots;     /* rank + 1 of the key in each slot, 0 where there is none */
} medroi_distinct;

/* Elements of kinds b, i, u and f. */
medroi_status medroi_distinct_find(const medroi_block *block, const void *data,
                                   medroi_distinct *distinct, medroi_error *error);
void medroi_distinct_free(medroi_distinct *distinct);
/* Rank of a key, or UINT32_MAX where it does not occur. */
uint32_t medroi_distinct_rank(const medroi_distinct *distinct, uint64_t key);

#endif
