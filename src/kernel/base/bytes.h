/* Byte order: explicit little-endian loads and stores, swaps, and the machine's own order. */
#ifndef MEDROI_BYTES_H
#define MEDROI_BYTES_H

#include <stdint.h>
#include <string.h>

static inline int medroi_machine_is_big_endian(void) {
    const uint16_t probe = 1;
    uint8_t first;
    memcpy(&first, &probe, 1);
    return first == 0;
}

static inline uint16_t medroi_swap16(uint16_t v) { return (uint16_t)(v << 8 | v >> 8); }

static inline uint32_t medroi_swap32(uint32_t v) {
    return v << 24 | (v & 0xff00u) << 8 | (v >> 8 & 0xff00u) | v >> 24;
}

static inline uint64_t medroi_swap64(uint64_t v) {
    return (uint64_t)medroi_swap32((uint32_t)v) << 32 | medroi_swap32((uint32_t)(v >> 32));
}

static inline uint16_t medroi_load16(const uint8_t *p) {
    return (uint16_t)(p[0] | (uint16_t)(p[1] << 8));
}

static inline uint32_t medroi_load32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t medroi_load64(const uint8_t *p) {
    return (uint64_t)medroi_load32(p) | (uint64_t)medroi_load32(p + 4) << 32;
}

static inline void medroi_store16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void medroi_store32(uint8_t *p, uint32_t v) {
    medroi_store16(p, (uint16_t)v);
    medroi_store16(p + 2, (uint16_t)(v >> 16));
}

static inline void medroi_store64(uint8_t *p, uint64_t v) {
    medroi_store32(p, (uint32_t)v);
    medroi_store32(p + 4, (uint32_t)(v >> 32));
}

static inline double medroi_load_f64(const uint8_t *p) {
    uint64_t bits = medroi_load64(p);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void medroi_store_f64(uint8_t *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    medroi_store64(p, bits);
}

static inline float medroi_load_f32(const uint8_t *p) {
    uint32_t bits = medroi_load32(p);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void medroi_store_f32(uint8_t *p, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    medroi_store32(p, bits);
}

#endif
