/* predict3d: elements as codes that sort as they do. */
#ifndef MEDROI_PREDICT3D_CODE_H
#define MEDROI_PREDICT3D_CODE_H

#include "codecs/predict3d/predict3d.h"

static inline uint64_t medroi_p3_load_element(const uint8_t *p, int itemsize, int big_endian) {
    uint64_t value = 0;
    for (int i = 0; i < itemsize; i++)
        value |= (uint64_t)p[i] << 8 * (big_endian ? itemsize - 1 - i : i);
    return value;
}

static inline void medroi_p3_store_element(uint8_t *p, int itemsize, int big_endian,
                                           uint64_t value) {
    for (int i = 0; i < itemsize; i++)
        p[i] = (uint8_t)(value >> 8 * (big_endian ? itemsize - 1 - i : i));
}

/* Element bits to a code that sorts as the element does. */
static inline uint64_t medroi_p3_to_code(const medroi_p3_map *map, uint64_t bits) {
    uint64_t sign = (uint64_t)1 << (8 * map->itemsize - 1), all = sign | (sign - 1);
    if (map->kind == 'i')
        return bits ^ sign;
    if (map->kind == 'f')
        return bits & sign ? bits ^ all : bits ^ sign;
    return bits;
}

static inline uint64_t medroi_p3_from_code(const medroi_p3_map *map, uint64_t code) {
    uint64_t sign = (uint64_t)1 << (8 * map->itemsize - 1), all = sign | (sign - 1);
    if (map->kind == 'i')
        return code ^ sign;
    if (map->kind == 'f')
        return code & sign ? code ^ sign : code ^ all;
    return code;
}

static inline uint64_t medroi_p3_code_at(const medroi_p3_map *map, const uint8_t *data, int64_t i) {
    const uint8_t *p = data + (size_t)i * map->itemsize;
    if (!map->big_endian && map->itemsize == 2) /* the common case, without a loop */
        return medroi_p3_to_code(map, (uint64_t)p[0] | (uint64_t)p[1] << 8);
    if (!map->big_endian && map->itemsize == 4)
        return medroi_p3_to_code(map, (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
                                          (uint64_t)p[3] << 24);
    return medroi_p3_to_code(map, medroi_p3_load_element(p, map->itemsize, map->big_endian));
}

#endif
