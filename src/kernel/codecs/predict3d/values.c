/* predict3d: which codes the elements of a part use. */
#include "codecs/predict3d/values.h"
#include "codecs/predict3d/code.h"

#include <stdlib.h>

#define NEAR_RANGE (1u << 20) /* codes closer than this are found by flags */
#define SLOTS (4 * P3_MAX_TABLE)
#define ELEMENTS16 65536
#define WORTH_FLAGS (ELEMENTS16 / 4) /* shorter parts are read twice instead */

static int compare_codes(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Open addressing set of codes; stops when more than P3_MAX_TABLE are found. */
typedef struct code_set {
    uint64_t *slot;
    uint8_t *used;
    int64_t n;
} code_set;

static inline size_t hash_code(uint64_t code) {
    return (size_t)((code * 0x9E3779B97F4A7C15u) >> 46); /* 18 bits */
}

static void set_add(code_set *set, uint64_t code) {
    size_t i = hash_code(code);
    while (set->used[i] && set->slot[i] != code)
        i = (i + 1) & (SLOTS - 1);
    if (!set->used[i]) {
        set->used[i] = 1;
        set->slot[i] = code;
        set->n++;
    }
}

/* All distinct codes, sorted, if there are at most `limit`. */
static medroi_status list_far(const medroi_p3_map *map, const uint8_t *data, int64_t limit,
                              medroi_p3_values *values) {
    medroi_status status = MEDROI_NO_MEMORY;
    code_set set = {malloc(SLOTS * sizeof(uint64_t)), calloc(SLOTS, 1), 0};
    if (!set.slot || !set.used)
        goto done;
    uint64_t last = ~medroi_p3_code_at(map, data, 0);
    for (int64_t i = 0; i < values->count && set.n <= limit; i++) {
        uint64_t code = medroi_p3_code_at(map, data, i);
        if (code != last)
            set_add(&set, code);
        last = code;
    }
    status = MEDROI_OK;
    if (set.n > limit)
        goto done;
    values->codes = malloc((size_t)set.n * sizeof(uint64_t));
    if (!values->codes) {
        status = MEDROI_NO_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < SLOTS; i++)
        if (set.used[i])
            values->codes[values->n_codes++] = set.slot[i];
    qsort(values->codes, (size_t)values->n_codes, sizeof(uint64_t), compare_codes);
done:
    free(set.slot);
    free(set.used);
    return status;
}

/* The same for codes in a short range, by a flag for each. */
static medroi_status list_near(const medroi_p3_map *map, const uint8_t *data, int64_t limit,
                               medroi_p3_values *values) {
    uint64_t range = values->high - values->low;
    int64_t found = 0;
    if (!values->used) {
        values->used = calloc((size_t)range + 2, 1);
        if (!values->used)
            return MEDROI_NO_MEMORY;
        for (int64_t i = 0; i < values->count; i++)
            values->used[medroi_p3_code_at(map, data, i) - values->low] = 1;
    }
    for (uint64_t i = 0; i <= range; i++)
        found += values->used[i];
    if (found > limit)
        return MEDROI_OK;
    values->codes = malloc((size_t)found * sizeof(uint64_t));
    if (!values->codes)
        return MEDROI_NO_MEMORY;
    for (uint64_t i = 0; i <= range; i++)
        if (values->used[i])
            values->codes[values->n_codes++] = values->low + i;
    return MEDROI_OK;
}

/* Range and flags of elements of 2 bytes in one pass. */
static medroi_status survey16(const medroi_p3_map *map, const uint8_t *data,
                              medroi_p3_values *values) {
    uint8_t *used = calloc(2 * ELEMENTS16, 1);
    values->used = calloc(ELEMENTS16 + 1, 1);
    if (!used || !values->used) {
        free(used);
        return MEDROI_NO_MEMORY;
    }
    uint8_t *by_code = used + ELEMENTS16;
    for (int64_t i = 0; i < values->count; i++)
        used[data[2 * i] | data[2 * i + 1] << 8] = 1;
    for (uint32_t bits = 0; bits < ELEMENTS16; bits++)
        if (used[bits]) {
            uint8_t element[2] = {(uint8_t)bits, (uint8_t)(bits >> 8)};
            uint64_t code = medroi_p3_code_at(map, element, 0);
            by_code[code] = 1;
            values->low = code < values->low ? code : values->low;
            values->high = code > values->high ? code : values->high;
            values->differ |= code ^ values->first;
        }
    memcpy(values->used, by_code + values->low, (size_t)(values->high - values->low) + 1);
    free(used);
    return MEDROI_OK;
}

medroi_status medroi_p3_survey(const medroi_p3_map *map, const uint8_t *data, int64_t count,
                               medroi_p3_values *values) {
    memset(values, 0, sizeof *values);
    values->count = count;
    values->first = values->low = values->high = medroi_p3_code_at(map, data, 0);
    if (map->itemsize == 2 && count >= WORTH_FLAGS)
        return survey16(map, data, values);
    for (int64_t i = 0; i < count; i++) {
        uint64_t code = medroi_p3_code_at(map, data, i);
        values->low = code < values->low ? code : values->low;
        values->high = code > values->high ? code : values->high;
        values->differ |= code ^ values->first;
    }
    return MEDROI_OK;
}

medroi_status medroi_p3_list_codes(const medroi_p3_map *map, const uint8_t *data, int64_t limit,
                                   medroi_p3_values *values) {
    return values->high - values->low < NEAR_RANGE ? list_near(map, data, limit, values)
                                                   : list_far(map, data, limit, values);
}

int medroi_p3_is_used(const medroi_p3_values *values, uint64_t code) {
    if (code < values->low || code > values->high)
        return 0;
    if (values->used)
        return values->used[code - values->low];
    return bsearch(&code, values->codes, (size_t)values->n_codes, sizeof code, compare_codes) !=
           NULL;
}

void medroi_p3_values_free(medroi_p3_values *values) {
    free(values->used);
    free(values->codes);
}
