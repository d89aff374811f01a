/* The row kernels of every element type, and the choice between instruction sets. */
#include "base/bytes.h"
#include "grid/rows.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__)
#define MEDROI_UNALIGNED __attribute__((aligned(1), may_alias))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define MEDROI_UNALIGNED
#define ALWAYS_INLINE inline
#define PREFETCH(p) ((void)(p))
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

#if defined(__GNUC__) && defined(__x86_64__) && !defined(MEDROI_PORTABLE_ROWS)
#define HAS_VECTORS (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
#include "grid/vector_avx2.h"
#elif defined(__GNUC__) && defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN) &&                   \
    !defined(MEDROI_PORTABLE_ROWS)
#define HAS_VECTORS 1
#include "grid/vector_neon.h"
#endif
#ifdef HAS_VECTORS
#include "grid/rows_vector_sums.h"
#endif

#define NAME i8
#define ELEMENT int8_t
#define BITS uint8_t
#define ELEMENT_NBYTES 1
#define IS_FLOAT 0
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#define GROUP 32
#include "grid/rows_portable.h"

#define NAME i16
#define ELEMENT int16_t
#define BITS uint16_t
#define ELEMENT_NBYTES 2
#define IS_FLOAT 0
#define LOWEST INT16_MIN
#define HIGHEST INT16_MAX
#define GROUP 32
#include "grid/rows_portable.h"

#define NAME i32
#define ELEMENT int32_t
#define BITS uint32_t
#define ELEMENT_NBYTES 4
#define IS_FLOAT 0
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define GROUP 8
#include "grid/rows_portable.h"

#define NAME i64
#define ELEMENT int64_t
#define BITS uint64_t
#define ELEMENT_NBYTES 8
#define IS_FLOAT 0
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "grid/rows_portable.h"

/* The same once more, for the compiler to use vectors in: none of ours has 64-bit integers. */
#ifdef HAS_VECTORS
#define NAME i64_wide
#define CODE VECTOR_CODE
#define ELEMENT int64_t
#define BITS uint64_t
#define ELEMENT_NBYTES 8
#define IS_FLOAT 0
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "grid/rows_portable.h"
#endif

#define NAME f32
#define ELEMENT float
#define ELEMENT_NBYTES 4
#define IS_FLOAT 1
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#define GROUP 8
#include "grid/rows_portable.h"

#define NAME f64
#define ELEMENT double
#define ELEMENT_NBYTES 8
#define IS_FLOAT 1
#define LOWEST (-(double)INFINITY)
#define HIGHEST ((double)INFINITY)
#define GROUP 4
#include "grid/rows_portable.h"

/* The kernels of one width: of signed integers and floats first, then of unsigned integers, each
 * for bright tissue and for dark. */
#define OPS(is_unsigned, dark, name, simd)                                                         \
    {                                                                                              \
        is_unsigned, dark, name##_add_up##simd, name##_count##simd, name##_mark##simd,             \
            name##_mark_both##simd, name##_range##simd, name##_widen, name##_histogram##simd       \
    }
#define BOTH(is_unsigned, name, simd)                                                              \
    { OPS(is_unsigned, 0, name, simd), OPS(is_unsigned, 1, name, simd) }
#define ALL_TYPES(simd, i64)                                                                       \
    BOTH(0, i8, simd), BOTH(1, i8, simd), BOTH(0, i16, simd), BOTH(1, i16, simd),                  \
        BOTH(0, i32, simd), BOTH(1, i32, simd), BOTH(0, i64, ), BOTH(1, i64, ),                    \
        BOTH(0, f32, simd), BOTH(0, f64, simd)

static const medroi_row_ops portable_ops[MEDROI_N_ELEMENT_TYPES][2] = {ALL_TYPES(, i64)};
#ifdef HAS_VECTORS
static const medroi_row_ops vector_ops[MEDROI_N_ELEMENT_TYPES][2] = {ALL_TYPES(_vector, i64_wide)};
#endif

const medroi_row_ops *medroi_row_ops_for(medroi_element_type type, int dark) {
#ifdef HAS_VECTORS
    if (HAS_VECTORS) {
        return &vector_ops[type][dark ? 1 : 0];
    }
#endif
    return &portable_ops[type][dark ? 1 : 0];
}
