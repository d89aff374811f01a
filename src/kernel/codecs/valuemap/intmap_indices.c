/* Elements to their indices in a value map. */
#include "base/elements.h"
#include "base/short_integers.h"
#include "codecs/valuemap/intmap.h"

#include <math.h>
#include <string.h>

static uint64_t index_of(const medroi_intmap *map, const medroi_block *block, uint64_t key) {
    if (map->kind == MEDROI_INTMAP_TABLE) {
        return medroi_distinct_rank(&map->distinct, key);
    }
    if (map->kind == MEDROI_INTMAP_INTEGER) {
        return (key - medroi_integer_key(block, map->offset)) / map->integer_step;
    }
    double multiple = nearbyint(medroi_key_value(block, key) / map->step);
    if (!(fabs(multiple) <= 0x1p53)) {
        return UINT64_MAX;
    }
    return (uint64_t)((int64_t)multiple - map->offset);
}

/* Whether the loops over short integers know the map; fills `direct` then. */
static int is_direct(const medroi_intmap *map, const medroi_block *block,
                     medroi_short_map *direct) {
    if (!medroi_is_short(block)) {
        return 0;
    }
    if (map->kind == MEDROI_INTMAP_TABLE) {
        *direct =
            (medroi_short_map){map->distinct.min_key, map->distinct.slots, map->distinct.n_slots};
        return map->distinct.direct;
    }
    *direct = (medroi_short_map){.first_key = medroi_integer_key(block, map->offset)};
    return map->kind == MEDROI_INTMAP_INTEGER && map->integer_step == 1;
}

static medroi_status check_largest(const medroi_intmap *map, uint64_t largest,
                                   medroi_error *error) {
    if (largest > map->max_index) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "a value lies outside the map of its region");
    }
    return MEDROI_OK;
}

medroi_status medroi_intmap_apply(const medroi_intmap *map, const medroi_block *block,
                                  const void *data, size_t first, size_t count, int32_t *indices,
                                  medroi_error *error) {
    uint64_t keys[MEDROI_KEY_RUN], largest = 0;
    uint64_t first_key = medroi_integer_key(block, map->offset);
    int is_plain = map->kind == MEDROI_INTMAP_INTEGER && map->integer_step == 1;
    medroi_short_map direct;
    if (is_direct(map, block, &direct)) {
        const uint8_t *src = (const uint8_t *)data + first * block->itemsize;
        return check_largest(
            map, medroi_short_indices(block, src, count, &direct, sizeof *indices, indices), error);
    }
    for (size_t done = 0; done < count; done += MEDROI_KEY_RUN) {
        size_t run = count - done < MEDROI_KEY_RUN ? count - done : MEDROI_KEY_RUN;
        medroi_load_keys(block, data, first + done, run, keys);
        for (size_t i = 0; i < run; i++) {
            uint64_t index = is_plain ? keys[i] - first_key : index_of(map, block, keys[i]);
            largest = index > largest ? index : largest;
            indices[done + i] = (int32_t)index;
        }
    }
    return check_largest(map, largest, error);
}

medroi_status medroi_intmap_apply_short(const medroi_intmap *map, const medroi_block *block,
                                        const void *data, size_t count, size_t index_nbytes,
                                        void *indices, medroi_error *error) {
    int32_t wide[MEDROI_KEY_RUN];
    uint8_t *dst = indices;
    medroi_short_map direct;
    medroi_status status = MEDROI_OK;
    if (is_direct(map, block, &direct)) {
        return check_largest(
            map, medroi_short_indices(block, data, count, &direct, index_nbytes, indices), error);
    }
    for (size_t done = 0; status == MEDROI_OK && done < count; done += MEDROI_KEY_RUN) {
        size_t run = count - done < MEDROI_KEY_RUN ? count - done : MEDROI_KEY_RUN;
        status = medroi_intmap_apply(map, block, data, done, run, wide, error);
        for (size_t i = 0; i < run; i++) {
            uint16_t index = (uint16_t)wide[i];
            if (index_nbytes == 1) {
                dst[done + i] = (uint8_t)index;
            } else {
                memcpy(dst + 2 * (done + i), &index, sizeof index);
            }
        }
    }
    return status;
}
