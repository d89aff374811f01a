/* predict3d: elements to small numbers and back. */
#include "predict3d_internal.h"

#include <stdlib.h>

static uint64_t load_element(const uint8_t *p, int itemsize, int big_endian) {
    uint64_t value = 0;
    for (int i = 0; i < itemsize; i++)
        value |= (uint64_t)p[i] << 8 * (big_endian ? itemsize - 1 - i : i);
    return value;
}

static void store_element(uint8_t *p, int itemsize, int big_endian, uint64_t value) {
    for (int i = 0; i < itemsize; i++)
        p[i] = (uint8_t)(value >> 8 * (big_endian ? itemsize - 1 - i : i));
}

/* Element bits to a code that sorts as the element does. */
static uint64_t to_code(const p3_map *map, uint64_t bits) {
    uint64_t sign = (uint64_t)1 << (8 * map->itemsize - 1), all = sign | (sign - 1);
    if (map->kind == 'i')
        return bits ^ sign;
    if (map->kind == 'f')
        return bits & sign ? bits ^ all : bits ^ sign;
    return bits;
}

static uint64_t from_code(const p3_map *map, uint64_t code) {
    uint64_t sign = (uint64_t)1 << (8 * map->itemsize - 1), all = sign | (sign - 1);
    if (map->kind == 'i')
        return code ^ sign;
    if (map->kind == 'f')
        return code & sign ? code ^ sign : code ^ all;
    return code;
}

static inline uint64_t code_at(const p3_map *map, const uint8_t *data, int64_t i) {
    const uint8_t *p = data + (size_t)i * map->itemsize;
    if (!map->big_endian && map->itemsize == 2) /* the common case, without a loop */
        return to_code(map, (uint64_t)p[0] | (uint64_t)p[1] << 8);
    if (!map->big_endian && map->itemsize == 4)
        return to_code(map, (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
                                (uint64_t)p[3] << 24);
    return to_code(map, load_element(p, map->itemsize, map->big_endian));
}

static int compare_codes(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Open addressing set of codes; stops when more than P3_MAX_TABLE are found. */
#define NEAR_RANGE (1u << 20) /* codes closer than this are found by flags */
#define SLOTS (4 * P3_MAX_TABLE)

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

/* All distinct codes, sorted, if there are at most `limit`; *n is 0 when there are more. */
static medroi_status distinct(const p3_map *map, const uint8_t *data, int64_t count, int64_t limit,
                              uint64_t **codes, int64_t *n) {
    medroi_status status = MEDROI_NO_MEMORY;
    code_set set = {malloc(SLOTS * sizeof(uint64_t)), calloc(SLOTS, 1), 0};
    *codes = NULL;
    *n = 0;
    if (!set.slot || !set.used)
        goto done;
    uint64_t last = ~code_at(map, data, 0);
    for (int64_t i = 0; i < count && set.n <= limit; i++) {
        uint64_t code = code_at(map, data, i);
        if (code != last)
            set_add(&set, code);
        last = code;
    }
    status = MEDROI_OK;
    if (set.n > limit)
        goto done;
    *codes = malloc((size_t)set.n * sizeof(uint64_t));
    if (!*codes) {
        status = MEDROI_NO_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < SLOTS; i++)
        if (set.used[i])
            (*codes)[(*n)++] = set.slot[i];
    qsort(*codes, (size_t)*n, sizeof(uint64_t), compare_codes);
done:
    free(set.slot);
    free(set.used);
    return status;
}

/* The same for codes in a short range, by a flag for each. */
static medroi_status distinct_near(const p3_map *map, const uint8_t *data, int64_t count,
                                   uint64_t low, uint64_t range, uint64_t **codes, int64_t *n) {
    uint8_t *used = calloc((size_t)range + 1, 1);
    int64_t found = 0;
    *codes = NULL;
    *n = 0;
    if (!used)
        return MEDROI_NO_MEMORY;
    for (int64_t i = 0; i < count; i++)
        used[code_at(map, data, i) - low] = 1;
    for (uint64_t i = 0; i <= range; i++)
        found += used[i];
    if (found <= P3_MAX_TABLE)
        *codes = malloc((size_t)found * sizeof(uint64_t));
    for (uint64_t i = 0; i <= range && *codes; i++)
        if (used[i])
            (*codes)[(*n)++] = low + i;
    free(used);
    return *codes || found > P3_MAX_TABLE ? MEDROI_OK : MEDROI_NO_MEMORY;
}

static int64_t place_of(const p3_map *map, uint64_t code) {
    int64_t low = 0, high = (int64_t)map->top;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (map->table[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A table pays when many elements stand beside unused values: the share of elements other than
 * the commonest value whose next code is unused must be a quarter or more. */
static int table_pays(const p3_map *map, const uint8_t *data, int64_t count, uint64_t range) {
    if (range / 4 >= map->top + 1)
        return 1;
    if (range + 1 < map->top + 1 + (map->top + 1) / 8)
        return 0;
    int64_t lonely = 0, seen = 0, step = 1 + count / 65536;
    uint64_t common = code_at(map, data, 0);
    for (int64_t i = 0; i < count; i += step) {
        uint64_t code = code_at(map, data, i);
        if (code == common)
            continue;
        int64_t place = place_of(map, code);
        seen++;
        lonely += place == (int64_t)map->top || map->table[place + 1] != code + 1;
    }
    return seen > 0 && lonely * 4 >= seen;
}

medroi_status p3_find_map(const medroi_block *block, const void *data, p3_map *map,
                          medroi_error *error) {
    int64_t count = (int64_t)(medroi_block_nbytes(block) / block->itemsize), n = 0;
    memset(map, 0, sizeof *map);
    map->kind = block->kind;
    map->itemsize = block->itemsize;
    map->big_endian = block->big_endian;
    uint64_t first = code_at(map, data, 0), low = first, high = first, differ = 0;
    for (int64_t i = 0; i < count; i++) {
        uint64_t code = code_at(map, data, i);
        low = code < low ? code : low;
        high = code > high ? code : high;
        differ |= code ^ first;
    }
    while (differ != 0 && !(differ >> map->dropped_bits & 1))
        map->dropped_bits++;
    uint64_t range = (high >> map->dropped_bits) - (low >> map->dropped_bits);
    int64_t limit = count / 8 < P3_MAX_TABLE ? count / 8 : P3_MAX_TABLE;
    if (range > 16 && limit > 0) {
        medroi_status status =
            high - low < NEAR_RANGE
                ? distinct_near(map, data, count, low, high - low, &map->table, &n)
                : distinct(map, data, count, limit, &map->table, &n);
        if (n > limit) {
            free(map->table);
            map->table = NULL;
            n = 0;
        }
        if (status != MEDROI_OK)
            return medroi_fail(error, status, "predict3d: no memory to count the values used");
        map->top = n > 0 ? (uint64_t)n - 1 : 0;
        if (n > 0 && table_pays(map, data, count, range)) {
            map->dropped_bits = 0;
            return MEDROI_OK;
        }
        free(map->table);
        map->table = NULL;
    }
    map->dropped = first & (((uint64_t)1 << map->dropped_bits) - 1);
    map->raw_bits = (uint8_t)(range >> 32 ? medroi_bit_length(range) - 32 : 0);
    int shift = map->dropped_bits + map->raw_bits;
    map->minimum = low >> shift;
    map->top = (high >> shift) - map->minimum;
    if (map->top >> 32) { /* the cut can add one to the range */
        map->raw_bits++;
        map->minimum = low >> (shift + 1);
        map->top = (high >> (shift + 1)) - map->minimum;
    }
    return MEDROI_OK;
}

/* Voxels are kept as number - half, so that every range of 32 bits fits. */
static int64_t half_of(const p3_map *map) { return (int64_t)(map->top / 2 + (map->top & 1)); }

static void put_raw(medroi_bit_writer *raw, uint64_t value, int n) {
    int low = n < 32 ? n : 32;
    medroi_bits_put(raw, value & (((uint64_t)1 << low) - 1), low);
    medroi_bits_put(raw, low < n ? value >> low : 0, n - low);
}

static uint64_t get_raw(medroi_bit_reader *raw, int n) {
    int low = n < 32 ? n : 32;
    uint64_t value = medroi_bits_get(raw, low);
    return value | medroi_bits_get(raw, n - low) << (low & 31) << (low & 32);
}

void p3_load(const p3_map *map, const p3_volume *v, const void *data, int32_t *voxels) {
    int64_t half = half_of(map), i = 0;
    uint64_t last = 0;
    int32_t last_number = 0;
    int shift = map->dropped_bits + map->raw_bits, known = 0;
    for (int64_t z = 0; z < v->depth; z++)
        for (int64_t y = 0; y < v->height; y++) {
            int32_t *row = voxels + p3_origin(v, z) + y * v->row;
            for (int64_t x = 0; x < v->width; x++, i++) {
                uint64_t code = code_at(map, data, i);
                if (!map->table) {
                    row[x] = (int32_t)((int64_t)((code >> shift) - map->minimum) - half);
                } else {
                    if (!known || code != last)
                        last_number = (int32_t)(place_of(map, code) - half);
                    last = code;
                    known = 1;
                    row[x] = last_number;
                }
            }
        }
}

void p3_write_raw(const p3_map *map, const void *data, int64_t count, medroi_bit_writer *raw) {
    uint64_t mask = ((uint64_t)1 << map->raw_bits) - 1;
    for (int64_t i = 0; map->raw_bits > 0 && i < count; i++)
        put_raw(raw, code_at(map, data, i) >> map->dropped_bits & mask, map->raw_bits);
}

void p3_store(const p3_map *map, const p3_volume *v, const int32_t *voxels, medroi_bit_reader *raw,
              void *data) {
    int64_t half = half_of(map);
    uint8_t *p = data;
    int simple = !map->table && !map->dropped_bits && !map->raw_bits && !map->big_endian &&
                 map->itemsize == 2;
    for (int64_t z = 0; z < v->depth; z++)
        for (int64_t y = 0; y < v->height; y++) {
            const int32_t *row = voxels + p3_origin(v, z) + y * v->row;
            for (int64_t x = 0; x < v->width; x++, p += map->itemsize) {
                uint64_t number = (uint64_t)(row[x] + half), code;
                if (simple) {
                    code = from_code(map, number + map->minimum);
                    p[0] = (uint8_t)code;
                    p[1] = (uint8_t)(code >> 8);
                    continue;
                }
                if (map->table) {
                    code = map->table[number];
                } else {
                    code = (number + map->minimum) << map->raw_bits;
                    code |= get_raw(raw, map->raw_bits);
                    code = code << map->dropped_bits | map->dropped;
                }
                store_element(p, map->itemsize, map->big_endian, from_code(map, code));
            }
        }
}

void p3_write_map(const p3_map *map, medroi_rc_encoder *rc, medroi_bit_writer *raw) {
    medroi_number_model model;
    medroi_number_init(&model);
    medroi_number_encode(rc, raw, &model, map->top);
    medroi_number_encode(rc, raw, &model, map->table != NULL);
    if (map->table) {
        uint64_t last = map->table[0];
        medroi_number_encode(rc, raw, &model, last);
        medroi_number_init(&model);
        for (uint64_t i = 1; i <= map->top; i++) {
            medroi_number_encode(rc, raw, &model, map->table[i] - last - 1);
            last = map->table[i];
        }
        return;
    }
    medroi_number_encode(rc, raw, &model, map->minimum);
    medroi_number_encode(rc, raw, &model, map->dropped_bits);
    medroi_number_encode(rc, raw, &model, map->raw_bits);
    medroi_number_encode(rc, raw, &model, map->dropped);
}

static medroi_status corrupt(medroi_error *error, const char *what) {
    return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                       "predict3d: %s; the payload is damaged, fetch it again", what);
}

static medroi_status read_table(p3_map *map, uint64_t greatest, medroi_rc_decoder *rc,
                                medroi_bit_reader *raw, medroi_number_model *model,
                                medroi_error *error) {
    if (map->top >= P3_MAX_TABLE)
        return corrupt(error, "the table of values is longer than 65536");
    map->table = malloc(((size_t)map->top + 1) * sizeof(uint64_t));
    if (!map->table)
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the table of values");
    uint64_t last = medroi_number_decode(rc, raw, model);
    medroi_number_init(model);
    map->table[0] = last;
    for (uint64_t i = 1; i <= map->top && last <= greatest; i++) {
        uint64_t step = medroi_number_decode(rc, raw, model);
        if (last == greatest || step > greatest - last - 1)
            return corrupt(error, "the table of values exceeds the element's range");
        last += step + 1;
        map->table[i] = last;
    }
    return last <= greatest ? MEDROI_OK
                            : corrupt(error, "the table of values exceeds the element's range");
}

medroi_status p3_read_map(p3_map *map, medroi_rc_decoder *rc, medroi_bit_reader *raw,
                          medroi_error *error) {
    uint64_t greatest = UINT64_MAX >> (64 - 8 * map->itemsize);
    medroi_number_model model;
    medroi_number_init(&model);
    map->top = medroi_number_decode(rc, raw, &model);
    uint64_t has_table = medroi_number_decode(rc, raw, &model);
    if (map->top > UINT32_MAX || has_table > 1)
        return corrupt(error, "the range of values is impossible");
    if (has_table)
        return read_table(map, greatest, rc, raw, &model, error);
    map->minimum = medroi_number_decode(rc, raw, &model);
    uint64_t dropped_bits = medroi_number_decode(rc, raw, &model);
    uint64_t raw_bits = medroi_number_decode(rc, raw, &model);
    map->dropped = medroi_number_decode(rc, raw, &model);
    if (dropped_bits > 63 || raw_bits > 63 || dropped_bits + raw_bits > 63 ||
        map->dropped >> dropped_bits != 0)
        return corrupt(error, "the shifts of the values are impossible");
    greatest >>= dropped_bits + raw_bits;
    if (map->top > greatest || map->minimum > greatest - map->top)
        return corrupt(error, "the values exceed the element's range");
    map->dropped_bits = (uint8_t)dropped_bits;
    map->raw_bits = (uint8_t)raw_bits;
    return MEDROI_OK;
}
