/* The distinct elements of a block, up to 65536 of them. */
#include "codecs/valuemap/distinct.h"

#include "base/elements.h"
#include "base/short_integers.h"

#include <stdlib.h>
#include <string.h>

#define HASH_BITS 17

static size_t n_elements(const medroi_block *block) {
    return medroi_block_nbytes(block) / block->itemsize;
}

static size_t run_length(size_t left) { return left < MEDROI_KEY_RUN ? left : MEDROI_KEY_RUN; }

void medroi_distinct_survey(const medroi_block *block, const void *data,
                            medroi_distinct *distinct) {
    uint64_t keys[MEDROI_KEY_RUN], low = UINT64_MAX, high = 0, differ = 0;
    size_t n = n_elements(block);
    memset(distinct, 0, sizeof *distinct);
    distinct->first_key = medroi_key_at(block, data, 0);
    if (medroi_is_short(block)) {
        medroi_short_extremes(block, data, n, &distinct->min_key, &distinct->max_key,
                              &distinct->differ);
        return;
    }
    for (size_t done = 0; done < n; done += MEDROI_KEY_RUN) {
        size_t run = run_length(n - done);
        medroi_load_keys(block, data, done, run, keys);
        for (size_t i = 0; i < run; i++) {
            low = keys[i] < low ? keys[i] : low;
            high = keys[i] > high ? keys[i] : high;
            differ |= keys[i] ^ distinct->first_key;
        }
    }
    distinct->min_key = low;
    distinct->max_key = high;
    distinct->differ = differ;
}

/* Slot that holds `key`, or the empty one where it belongs. */
static size_t hash_slot(const medroi_distinct *distinct, uint64_t key) {
    size_t slot = (size_t)((key * 0x9E3779B97F4A7C15u) >> (64 - HASH_BITS));
    while (distinct->slots[slot] != 0 && distinct->slot_keys[slot] != key) {
        slot = (slot + 1) & (distinct->n_slots - 1);
    }
    return slot;
}

static void count_direct(const medroi_block *block, const void *data, medroi_distinct *distinct) {
    uint64_t keys[MEDROI_KEY_RUN];
    size_t n = n_elements(block);
    if (medroi_is_short(block) && n < UINT32_MAX) {
        medroi_short_count(block, data, n, distinct->min_key, distinct->n_slots, distinct->slots);
        return;
    }
    for (size_t done = 0; done < n; done += MEDROI_KEY_RUN) {
        size_t run = run_length(n - done);
        medroi_load_keys(block, data, done, run, keys);
        for (size_t i = 0; i < run; i++) {
            uint32_t *slot = &distinct->slots[keys[i] - distinct->min_key];
            *slot += *slot != UINT32_MAX;
        }
    }
}

static void count_hashed(const medroi_block *block, const void *data, size_t limit,
                         medroi_distinct *distinct) {
    uint64_t keys[MEDROI_KEY_RUN], last_key = 0;
    size_t n = n_elements(block), n_found = 0, slot = 0;
    for (size_t done = 0; done < n; done += MEDROI_KEY_RUN) {
        size_t run = run_length(n - done);
        medroi_load_keys(block, data, done, run, keys);
        for (size_t i = 0; i < run; i++) {
            if (keys[i] != last_key || (done == 0 && i == 0)) {
                last_key = keys[i];
                slot = hash_slot(distinct, last_key);
            }
            if (distinct->slots[slot] == 0) {
                if (n_found++ == limit) {
                    distinct->overflow = 1;
                    return;
                }
                distinct->slot_keys[slot] = last_key;
            }
            distinct->slots[slot] += distinct->slots[slot] != UINT32_MAX;
        }
    }
}

static int compare_keys(const void *a, const void *b) {
    uint64_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

/* The counts of the slots become sorted keys, their counts, and ranks in the slots. */
static medroi_status rank_slots(medroi_distinct *distinct, size_t limit) {
    size_t n = 0;
    for (size_t slot = 0; slot < distinct->n_slots; slot++) {
        n += distinct->slots[slot] != 0;
    }
    if (n > limit) {
        distinct->overflow = 1;
        return MEDROI_OK;
    }
    distinct->keys = malloc(n * sizeof *distinct->keys);
    distinct->counts = malloc(n * sizeof *distinct->counts);
    if (distinct->keys == NULL || distinct->counts == NULL) {
        return MEDROI_NO_MEMORY;
    }
    distinct->n = n;
    n = 0;
    for (size_t slot = 0; slot < distinct->n_slots; slot++) {
        if (distinct->slots[slot] != 0) {
            distinct->keys[n++] =
                distinct->direct ? distinct->min_key + slot : distinct->slot_keys[slot];
        }
    }
    if (!distinct->direct) {
        qsort(distinct->keys, n, sizeof *distinct->keys, compare_keys);
    }
    for (size_t rank = 0; rank < n; rank++) {
        size_t slot = distinct->direct ? (size_t)(distinct->keys[rank] - distinct->min_key)
                                       : hash_slot(distinct, distinct->keys[rank]);
        distinct->counts[rank] = distinct->slots[slot];
        distinct->slots[slot] = (uint32_t)rank + 1;
    }
    return MEDROI_OK;
}

medroi_status medroi_distinct_list(const medroi_block *block, const void *data, size_t limit,
                                   medroi_distinct *distinct, medroi_error *error) {
    medroi_status status = MEDROI_OK;
    distinct->direct = distinct->max_key - distinct->min_key < MEDROI_MAX_DISTINCT;
    distinct->n_slots = distinct->direct ? (size_t)(distinct->max_key - distinct->min_key) + 1
                                         : (size_t)1 << HASH_BITS;
    distinct->slots = calloc(distinct->n_slots, sizeof *distinct->slots);
    if (!distinct->direct) {
        distinct->slot_keys = malloc(distinct->n_slots * sizeof *distinct->slot_keys);
    }
    if (distinct->slots == NULL || (!distinct->direct && distinct->slot_keys == NULL)) {
        status = MEDROI_NO_MEMORY;
        goto done;
    }
    if (distinct->direct) {
        count_direct(block, data, distinct);
    } else {
        count_hashed(block, data, limit, distinct);
    }
    if (!distinct->overflow) {
        status = rank_slots(distinct, limit);
    }
done:
    if (status != MEDROI_OK) {
        medroi_distinct_free(distinct);
        return medroi_fail(error, status, "no memory to count the values of a region");
    }
    return MEDROI_OK;
}

void medroi_distinct_free(medroi_distinct *distinct) {
    free(distinct->keys);
    free(distinct->counts);
    free(distinct->slot_keys);
    free(distinct->slots);
    memset(distinct, 0, sizeof *distinct);
}

uint32_t medroi_distinct_rank(const medroi_distinct *distinct, uint64_t key) {
    if (key < distinct->min_key || key > distinct->max_key) {
        return UINT32_MAX;
    }
    size_t slot = distinct->direct ? (size_t)(key - distinct->min_key) : hash_slot(distinct, key);
    return distinct->slots[slot] - 1;
}
