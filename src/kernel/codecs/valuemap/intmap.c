/* Intensities as integers of at most 16 bits (FORMAT.md, "Value map"). */
#include "codecs/valuemap/intmap.h"

#include "base/bytes.h"
#include "base/elements.h"
#include "base/lesser.h"

#include <math.h>
#include <stdlib.h>

#define TABLE_OFFSET 3
#define MAX_MULTIPLE ((int64_t)1 << 52)

static int find_integer(const medroi_block *block, const medroi_distinct *distinct,
                        uint32_t max_index, medroi_intmap *map) {
    uint64_t step = 0, range;
    for (size_t i = 1; i < distinct->n && step != 1; i++) {
        step = medroi_common_divisor(distinct->keys[i] - distinct->keys[0], step);
    }
    step = step == 0 ? 1 : step;
    range = (distinct->max_key - distinct->min_key) / step;
    if (range > max_index) {
        return 0;
    }
    map->kind = MEDROI_INTMAP_INTEGER;
    map->max_index = (uint32_t)range;
    map->offset = medroi_key_integer(block, distinct->min_key);
    map->integer_step = step;
    return 1;
}

/* Place of a value among the indices of an affine map. */
static uint64_t place_of(const medroi_intmap *map, const medroi_block *block, uint64_t first_key,
                         uint64_t key) {
    if (map->kind == MEDROI_INTMAP_INTEGER) {
        return (key - first_key) / map->integer_step;
    }
    return (uint64_t)((int64_t)nearbyint(medroi_key_value(block, key) / map->step) - map->offset);
}

/* Whether unused indices cost more than a table without them: an index that follows a gap of 2^k
 * has k bits too many, about. */
static int table_pays(const medroi_intmap *map, const medroi_block *block,
                      const medroi_distinct *distinct) {
    uint64_t saved_bits = 0, last = 0;
    for (size_t i = 0; i < distinct->n; i++) {
        uint64_t place = place_of(map, block, distinct->keys[0], distinct->keys[i]);
        uint64_t gap = i > 0 ? place - last : 1;
        for (; gap > 1; gap >>= 1) {
            saved_bits += distinct->counts[i];
        }
        last = place;
    }
    return saved_bits > (uint64_t)2 * 8 * block->itemsize * distinct->n;
}

static medroi_status refuse(const medroi_block *block, const medroi_distinct *distinct, int affine,
                            uint32_t max_index, medroi_error *error) {
    const char *instead =
        affine ? "use a lossless setting, or wavelet3d or zstd" : "use predict3d or zstd";
    if (block->kind == 'f') {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "this codec takes integers of up to 16 bits; the floats of this region "
                           "are no multiples 0 to %u of one step%s: %s",
                           max_index, affine ? "" : ", nor few enough for a table", instead);
    }
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                       "this codec takes at most %u different levels; the integers of this region "
                       "span %llu: %s",
                       max_index + 1, (unsigned long long)(distinct->max_key - distinct->min_key),
                       instead);
}

medroi_status medroi_intmap_find(const medroi_block *block, const void *data, int affine,
                                 uint32_t max_index, medroi_intmap *map, medroi_error *error) {
    int found = 0, keeps_distinct = 0;
    medroi_distinct distinct;
    memset(map, 0, sizeof *map);
    medroi_distinct_survey(block, data, &distinct);
    medroi_status status = medroi_distinct_list(block, data, MEDROI_MAX_DISTINCT, &distinct, error);
    if (status != MEDROI_OK) {
        return status;
    }
    if (!distinct.overflow && distinct.max_key <= medroi_max_key(block)) {
        found = block->kind == 'f'
                    ? medroi_intmap_find_scaled(block, distinct.keys, distinct.n, max_index, map)
                    : find_integer(block, &distinct, max_index, map);
        if (!affine && distinct.n - 1 <= max_index &&
            (!found || table_pays(map, block, &distinct))) {
            map->kind = MEDROI_INTMAP_TABLE;
            map->max_index = (uint32_t)distinct.n - 1;
            found = keeps_distinct = 1;
        }
    }
    if (!found) {
        status = refuse(block, &distinct, affine, max_index, error);
    }
    if (keeps_distinct) {
        map->distinct = distinct;
        map->table = distinct.keys;
    } else {
        medroi_distinct_free(&distinct);
    }
    return status;
}

void medroi_intmap_free(medroi_intmap *map) {
    if (map->table != map->distinct.keys) {
        free(map->table);
    }
    medroi_distinct_free(&map->distinct);
    map->table = NULL;
}

size_t medroi_intmap_nbytes(const medroi_intmap *map, const medroi_block *block) {
    if (map->kind != MEDROI_INTMAP_TABLE) {
        return MEDROI_INTMAP_AFFINE_NBYTES;
    }
    return TABLE_OFFSET + ((size_t)map->max_index + 1) * block->itemsize;
}

void medroi_intmap_write(const medroi_intmap *map, const medroi_block *block, uint8_t *dst) {
    dst[0] = (uint8_t)map->kind;
    medroi_store16(dst + 1, (uint16_t)map->max_index);
    if (map->kind == MEDROI_INTMAP_TABLE) {
        medroi_block little = *block;
        little.big_endian = 0;
        medroi_store_keys(&little, map->table, 0, (size_t)map->max_index + 1, dst + TABLE_OFFSET);
        return;
    }
    medroi_store64(dst + 3, (uint64_t)map->offset);
    if (map->kind == MEDROI_INTMAP_INTEGER) {
        medroi_store64(dst + 11, map->integer_step);
    } else {
        medroi_store_f64(dst + 11, map->step);
    }
}

static medroi_status corrupt(medroi_error *error, const char *what) {
    return medroi_fail(error, MEDROI_CORRUPT_STREAM, "corrupt stream: %s of a part's value map",
                       what);
}

static medroi_status read_table(const medroi_block *block, const uint8_t *src, size_t nbytes,
                                medroi_intmap *map, medroi_error *error) {
    size_t n = (size_t)map->max_index + 1;
    medroi_block little = *block;
    little.big_endian = 0;
    if (block->kind == 'b' || (nbytes - TABLE_OFFSET) / block->itemsize < n) {
        return corrupt(error, "the table is missing or cut off");
    }
    map->table = malloc(n * sizeof *map->table);
    if (map->table == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a table of %zu values", n);
    }
    medroi_load_keys(&little, src + TABLE_OFFSET, 0, n, map->table);
    return MEDROI_OK;
}

static medroi_status read_integer(const medroi_block *block, medroi_intmap *map,
                                  medroi_error *error) {
    uint64_t first = medroi_integer_key(block, map->offset), last = medroi_max_key(block);
    if (first > last || map->integer_step == 0 ||
        (map->max_index > 0 && map->integer_step > (last - first) / map->max_index)) {
        return corrupt(error, "the values run out of the element type");
    }
    return MEDROI_OK;
}

medroi_status medroi_intmap_read(const medroi_block *block, const uint8_t *src, size_t nbytes,
                                 medroi_intmap *map, size_t *used, medroi_error *error) {
    medroi_status status = MEDROI_OK;
    memset(map, 0, sizeof *map);
    if (memchr("biuf", block->kind, 4) == NULL || block->itemsize > 8) {
        return corrupt(error, "the elements are no numbers that it could have");
    }
    if (nbytes < TABLE_OFFSET || src[0] > MEDROI_INTMAP_TABLE) {
        return corrupt(error, "the kind is missing or unknown");
    }
    map->kind = (medroi_intmap_kind)src[0];
    map->max_index = medroi_load16(src + 1);
    if (map->kind == MEDROI_INTMAP_TABLE) {
        status = read_table(block, src, nbytes, map, error);
    } else if (nbytes < MEDROI_INTMAP_AFFINE_NBYTES ||
               (map->kind == MEDROI_INTMAP_SCALED) != (block->kind == 'f')) {
        status = corrupt(error, "the kind or length is wrong");
    } else {
        map->offset = (int64_t)medroi_load64(src + 3);
        map->integer_step = medroi_load64(src + 11);
        map->step = medroi_load_f64(src + 11);
        if (map->kind == MEDROI_INTMAP_INTEGER) {
            status = read_integer(block, map, error);
        } else if (!(map->step > 0) || !isfinite(map->step) || map->offset > MAX_MULTIPLE ||
                   map->offset < -MAX_MULTIPLE) {
            status = corrupt(error, "the step or offset is out of range");
        }
    }
    *used = medroi_intmap_nbytes(map, block);
    return status;
}

void medroi_intmap_invert(const medroi_intmap *map, const medroi_block *block,
                          const int32_t *indices, size_t first, size_t count, void *data) {
    uint64_t keys[MEDROI_KEY_RUN];
    uint64_t first_key = medroi_integer_key(block, map->offset);
    for (size_t done = 0; done < count; done += MEDROI_KEY_RUN) {
        size_t run = count - done < MEDROI_KEY_RUN ? count - done : MEDROI_KEY_RUN;
        for (size_t i = 0; i < run; i++) {
            int32_t index = indices[done + i] < 0 ? 0 : indices[done + i];
            index = index > (int32_t)map->max_index ? (int32_t)map->max_index : index;
            if (map->kind == MEDROI_INTMAP_INTEGER) {
                keys[i] = first_key + map->integer_step * (uint64_t)index;
            } else if (map->kind == MEDROI_INTMAP_TABLE) {
                keys[i] = map->table[index];
            } else {
                keys[i] = medroi_value_key(block, (double)(map->offset + index) * map->step);
            }
        }
        medroi_store_keys(block, keys, first + done, run, data);
    }
}
