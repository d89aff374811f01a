/* Set bits of a word, counted by an instruction where the processor has one. */
#ifndef MEDROI_POPCOUNT_H
#define MEDROI_POPCOUNT_H

#include <stdint.h>

#if defined(__GNUC__) && defined(__x86_64__)
#define POPCNT __attribute__((target("popcnt")))
#define HAS_POPCNT __builtin_cpu_supports("popcnt")
POPCNT static inline uint64_t medroi_popcount_instruction(uint64_t v) {
    return (uint64_t)__builtin_popcountll(v);
}
#else
#define POPCNT
#define HAS_POPCNT 0
#define medroi_popcount_instruction medroi_popcount_sums
#endif

static inline uint64_t medroi_popcount_sums(uint64_t v) {
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return v * UINT64_C(0x0101010101010101) >> 56;
}

#endif
