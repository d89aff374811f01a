/* The smaller of two numbers, and what they have in common. */
#ifndef MEDROI_LESSER_H
#define MEDROI_LESSER_H

#include <stdint.h>

static inline int64_t medroi_lesser(int64_t a, int64_t b) { return a < b ? a : b; }

static inline uint64_t medroi_common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The least number from `step` on that has no divisor in common with either size: in steps of it,
 * rows wander through the volume. All are positive. */
static inline int64_t medroi_coprime_step(int64_t step, int64_t size, int64_t other_size) {
    while (medroi_common_divisor((uint64_t)step, (uint64_t)size) > 1 ||
           medroi_common_divisor((uint64_t)step, (uint64_t)other_size) > 1) {
        step++;
    }
    return step;
}

#endif
