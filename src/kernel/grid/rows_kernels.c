/* The row kernels of every element type, and the choice between instruction sets. */
#include "base/bytes.h"
#include "grid/rows.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__)
#define UNALIGNED __attribute__((aligned(1), may_alias))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define UNALIGNED
#define ALWAYS_INLINE inline
#endif
#define RANGE_LANES 32
#define HISTOGRAM_BLOCK 256
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* Up to 64 bytes that are 0 or 1 as bits. */
static uint64_t word_of_flags(const uint8_t *flags, size_t n) {
    uint64_t word = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) { /* byte k of eight lands in bit 56 + k */
        word |= medroi_load64(flags + i) * UINT64_C(0x0102040810204080) >> 56 << i;
    }
    for (; i < n; i++) {
        word |= (uint64_t)flags[i] << i;
    }
    return word;
}

#define ELEMENT int8_t
#define ELEMENT_NBYTES 1
#define NAME i8
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#include "grid/rows_portable.h"

#define ELEMENT uint8_t
#define ELEMENT_NBYTES 1
#define NAME u8
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT8_MAX
#include "grid/rows_portable.h"

#define ELEMENT int16_t
#define ELEMENT_NBYTES 2
#define NAME i16
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT16_MIN
#define HIGHEST INT16_MAX
#include "grid/rows_portable.h"

#define ELEMENT uint16_t
#define ELEMENT_NBYTES 2
#define NAME u16
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT16_MAX
#include "grid/rows_portable.h"

#define ELEMENT int32_t
#define ELEMENT_NBYTES 4
#define NAME i32
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#include "grid/rows_portable.h"

#define ELEMENT uint32_t
#define ELEMENT_NBYTES 4
#define NAME u32
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT32_MAX
#include "grid/rows_portable.h"

#define ELEMENT int64_t
#define ELEMENT_NBYTES 8
#define NAME i64
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "grid/rows_portable.h"

#define ELEMENT uint64_t
#define ELEMENT_NBYTES 8
#define NAME u64
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT64_MAX
#include "grid/rows_portable.h"

#define ELEMENT float
#define ELEMENT_NBYTES 4
#define NAME f32
#define FIELD f
#define IS_FLOAT 1
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#include "grid/rows_portable.h"

#define ELEMENT double
#define ELEMENT_NBYTES 8
#define NAME f64
#define FIELD f
#define IS_FLOAT 1
#define LOWEST (-(double)INFINITY)
#define HIGHEST ((double)INFINITY)
#include "grid/rows_portable.h"

#if defined(__GNUC__) && defined(__x86_64__) && !defined(MEDROI_PORTABLE_ROWS)
#define MEDROI_HAVE_AVX2 1
#define AVX2 __attribute__((target("avx2,popcnt")))

#include "grid/rows_avx2_types.h"

/* The portable code once more, for the compiler to use wider vectors in. */
#define WIDER(name)                                                                                \
    AVX2 static uint64_t name##_range_avx2(const void *row, size_t n, double *low, double *high) { \
        return name##_range_of(row, n, low, high);                                                 \
    }                                                                                              \
    AVX2 static void name##_histogram_avx2(const void *row, size_t n, const medroi_bins *bins,     \
                                           uint64_t *counts) {                                     \
        name##_histogram_of(row, n, bins, counts);                                                 \
    }
WIDER(i8)
WIDER(u8)
WIDER(i16)
WIDER(u16)
WIDER(i32)
WIDER(u32)
WIDER(f32)
WIDER(f64)
#endif

#define OPS_OF(name, polarity, simd)                                                               \
    {                                                                                              \
        name##_add_up##polarity##simd, name##_sweep##polarity##simd, name##_count##polarity##simd, \
            name##_tally##polarity, name##_flag##polarity, name##_mark##polarity##simd,            \
            name##_clear##polarity, name##_range##simd, name##_widen, name##_histogram##simd       \
    }
#define OPS(name)                                                                                  \
    { OPS_OF(name, , ), OPS_OF(name, _dark, ) }

static const medroi_row_ops portable_ops[MEDROI_N_ELEMENT_TYPES][2] = {
    OPS(i8),  OPS(u8),  OPS(i16), OPS(u16), OPS(i32),
    OPS(u32), OPS(i64), OPS(u64), OPS(f32), OPS(f64),
};

#ifdef MEDROI_HAVE_AVX2
#define OPS_AVX2(name)                                                                             \
    { OPS_OF(name, , _avx2), OPS_OF(name, _dark, _avx2) }

static const medroi_row_ops avx2_ops[MEDROI_N_ELEMENT_TYPES][2] = {
    OPS_AVX2(i8),  OPS_AVX2(u8), OPS_AVX2(i16), OPS_AVX2(u16), OPS_AVX2(i32),
    OPS_AVX2(u32), OPS(i64),     OPS(u64),      OPS_AVX2(f32), OPS_AVX2(f64),
};
#endif

const medroi_row_ops *medroi_row_ops_for(medroi_element_type type, int dark) {
#ifdef MEDROI_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt")) {
        return &avx2_ops[type][dark ? 1 : 0];
    }
#endif
    return &portable_ops[type][dark ? 1 : 0];
}
