/* predict3d: elements to voxels and back. */
#include "base/elements.h"
#include "codecs/predict3d/predict3d.h"

#include <stdlib.h>

/* Voxels are kept as number - half, so that every range of 32 bits fits. */
static int64_t half_of(const medroi_p3_map *map) {
    return (int64_t)(map->top / 2 + (map->top & 1));
}

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

/* Elements of 2 bytes that are only shifted and moved, in a form that compilers vectorise. */
static int is_plain16(const medroi_p3_map *map) {
    return map->elements.itemsize == 2 && !map->table && !map->elements.big_endian &&
           map->elements.kind != 'f' && !map->raw_bits && map->dropped_bits < 16;
}

P3_CLONES static void load_row16(const uint8_t *restrict data, int64_t width, int shift,
                                 uint32_t flip, int32_t least, int32_t *restrict row) {
    for (int64_t x = 0; x < width; x++) {
        uint32_t key = medroi_load16(data + 2 * x) ^ flip;
        row[x] = (int32_t)(key >> shift) - least;
    }
}

P3_CLONES static void store_row16(const int32_t *restrict row, int64_t width, int shift,
                                  uint32_t fixed, int32_t least, uint8_t *restrict data) {
    for (int64_t x = 0; x < width; x++)
        medroi_store16(data + 2 * x, (uint16_t)((uint32_t)(row[x] + least) << shift ^ fixed));
}

/* Numbers of all elements of 2 bytes, for a table; NULL where it does not help. */
static int32_t *numbers16(const medroi_p3_map *map, const medroi_p3_volume *v, int64_t half) {
    if (map->elements.itemsize != 2 || !map->table || v->depth * v->height * v->width < 65536)
        return NULL;
    int32_t *number = calloc(65536, sizeof *number);
    for (uint64_t i = 0; number && i <= map->top; i++) {
        uint8_t element[2];
        medroi_store_keys(&map->elements, &map->table[i], 0, 1, element);
        number[medroi_load16(element)] = (int32_t)((int64_t)i - half);
    }
    return number;
}

static int64_t place_of(const medroi_p3_map *map, uint64_t key) {
    int64_t low = 0, high = (int64_t)map->top;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (map->table[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Numbers by search in the table; equal neighbours are looked up once. */
static void look_up(const medroi_p3_map *map, const uint64_t *keys, int64_t n, int64_t half,
                    int32_t *numbers) {
    for (int64_t i = 0; i < n; i++)
        numbers[i] = i > 0 && keys[i] == keys[i - 1] ? numbers[i - 1]
                                                     : (int32_t)(place_of(map, keys[i]) - half);
}

static void load_row(const medroi_p3_map *map, const uint8_t *data, int64_t width, int64_t half,
                     int32_t *row) {
    uint64_t keys[MEDROI_KEY_RUN];
    int shift = map->dropped_bits + map->raw_bits;
    for (int64_t done = 0; done < width; done += MEDROI_KEY_RUN) {
        int64_t n = width - done < MEDROI_KEY_RUN ? width - done : MEDROI_KEY_RUN;
        medroi_load_keys(&map->elements, data, (size_t)done, (size_t)n, keys);
        if (map->table)
            look_up(map, keys, n, half, row + done);
        for (int64_t i = 0; !map->table && i < n; i++)
            row[done + i] = (int32_t)((int64_t)((keys[i] >> shift) - map->minimum) - half);
    }
}

void medroi_p3_load(const medroi_p3_map *map, const medroi_p3_volume *v, const void *data,
                    int32_t *voxels) {
    int64_t half = half_of(map);
    int32_t *number = numbers16(map, v, half);
    const uint8_t *p = data;
    const size_t row_nbytes = (size_t)v->width * map->elements.itemsize;
    for (int64_t z = 0; z < v->depth; z++)
        for (int64_t y = 0; y < v->height; y++, p += row_nbytes) {
            int32_t *row = voxels + medroi_p3_origin(v, z) + y * v->row;
            if (number)
                for (int64_t x = 0; x < v->width; x++)
                    row[x] = number[medroi_load16(p + 2 * x)];
            else if (is_plain16(map))
                load_row16(p, v->width, map->dropped_bits, map->elements.kind == 'i' ? 0x8000 : 0,
                           (int32_t)((int64_t)map->minimum + half), row);
            else
                load_row(map, p, v->width, half, row);
        }
    free(number);
}

void medroi_p3_write_raw(const medroi_p3_map *map, const void *data, int64_t count,
                         medroi_bit_writer *raw) {
    uint64_t keys[MEDROI_KEY_RUN], mask = ((uint64_t)1 << map->raw_bits) - 1;
    for (int64_t done = 0; map->raw_bits > 0 && done < count; done += MEDROI_KEY_RUN) {
        int64_t n = count - done < MEDROI_KEY_RUN ? count - done : MEDROI_KEY_RUN;
        medroi_load_keys(&map->elements, data, (size_t)done, (size_t)n, keys);
        for (int64_t i = 0; i < n; i++)
            put_raw(raw, keys[i] >> map->dropped_bits & mask, map->raw_bits);
    }
}

static inline uint64_t key_of_number(const medroi_p3_map *map, uint64_t number,
                                     medroi_bit_reader *raw) {
    if (map->table)
        return map->table[number];
    uint64_t key = (number + map->minimum) << map->raw_bits | get_raw(raw, map->raw_bits);
    return key << map->dropped_bits | map->dropped;
}

static void store_row(const medroi_p3_map *map, const int32_t *row, int64_t width, int64_t half,
                      medroi_bit_reader *raw, uint8_t *p) {
    uint64_t keys[MEDROI_KEY_RUN];
    for (int64_t done = 0; done < width; done += MEDROI_KEY_RUN) {
        int64_t n = width - done < MEDROI_KEY_RUN ? width - done : MEDROI_KEY_RUN;
        for (int64_t i = 0; i < n; i++)
            keys[i] = key_of_number(map, (uint64_t)(row[done + i] + half), raw);
        medroi_store_keys(&map->elements, keys, (size_t)done, (size_t)n, p);
    }
}

void medroi_p3_store(const medroi_p3_map *map, const medroi_p3_volume *v, const int32_t *voxels,
                     medroi_bit_reader *raw, void *data) {
    int64_t half = half_of(map);
    uint8_t *p = data;
    const size_t row_nbytes = (size_t)v->width * map->elements.itemsize;
    const uint32_t fixed = (uint32_t)map->dropped ^ (map->elements.kind == 'i' ? 0x8000 : 0);
    for (int64_t z = 0; z < v->depth; z++)
        for (int64_t y = 0; y < v->height; y++, p += row_nbytes) {
            const int32_t *row = voxels + medroi_p3_origin(v, z) + y * v->row;
            if (is_plain16(map))
                store_row16(row, v->width, map->dropped_bits, fixed,
                            (int32_t)((int64_t)map->minimum + half), p);
            else
                store_row(map, row, v->width, half, raw, p);
        }
}
