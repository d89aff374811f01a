/* Unsigned LEB128 numbers of at most 64 bits. */
#ifndef MEDROI_NUMBERS_H
#define MEDROI_NUMBERS_H

#include <stdint.h>

/* Read one; *at runs past `end` where there is none. */
static inline uint64_t medroi_read_number(const uint8_t **at, const uint8_t *end) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (*at >= end) {
            break;
        }
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return value;
        }
    }
    *at = end + 1;
    return 0;
}

static inline uint8_t *medroi_write_number(uint8_t *dst, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        *dst++ = (uint8_t)(value | 0x80);
    }
    *dst++ = (uint8_t)value;
    return dst;
}

#endif
