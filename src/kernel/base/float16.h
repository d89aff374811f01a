/* IEEE 754 binary16 to a number and back, in integers, so that no build rounds otherwise. */
#ifndef MEDROI_FLOAT16_H
#define MEDROI_FLOAT16_H

#include <stdint.h>
#include <string.h>

static inline float medroi_float16_value(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 127 - 15) << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest one, ties to even; infinity from 65520 on. A NaN becomes the quiet one without
 * payload, its sign kept. */
static inline uint16_t medroi_float16_bits(double value) {
    const uint64_t one = (uint64_t)1 << 52, infinity = (uint64_t)2047 << 52;
    uint64_t bits, significand, base = 0;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = (uint32_t)(bits >> 48) & 0x8000u;
    bits &= ~((uint64_t)1 << 63);
    int exponent = (int)(bits >> 52) - 1023, shift = 42;
    if (exponent > 15) {
        return (uint16_t)(sign | (bits > infinity ? 0x7e00u : 0x7c00u));
    }
    if (exponent >= -14) {
        significand = bits & (one - 1);
        base = (uint64_t)(exponent + 15) << 10;
    } else { /* subnormal: units of 2^-24 */
        significand = (bits & (one - 1)) | one;
        shift = 28 - exponent;
        if (shift > 54) { /* less than half a unit */
            return (uint16_t)sign;
        }
    }
    uint64_t odd = significand >> shift & 1, below_half = ((uint64_t)1 << (shift - 1)) - 1;
    /* The carry of a significand that rounds up runs into the exponent, as it must. */
    return (uint16_t)(sign | (uint32_t)(base + ((significand + odd + below_half) >> shift)));
}

#endif
