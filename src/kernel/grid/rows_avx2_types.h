/* The AVX2 row kernels of every element type that has them; included by rows_kernels.c. */
#include <immintrin.h>

#define LOAD_256(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE_256(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define AS_IS(v) (v)
/* v >= limit, for signed and unsigned alike */
#define REACHES(bits, peak, v, limit) _mm256_cmpeq_epi##bits(peak(v, limit), v)
#define PS(op, a, b) _mm_castps_si128(op(_mm_castsi128_ps(a), _mm_castsi128_ps(b)))
#define PD(op, a, b) _mm_castpd_si128(op(_mm_castsi128_pd(a), _mm_castsi128_pd(b)))

#include "grid/rows_avx2_sums.h"

/* From lanes that are all ones or all zeros to one bit each. */
AVX2 static inline uint64_t bits_of_bytes(const __m256i masks[1]) {
    return (uint32_t)_mm256_movemask_epi8(masks[0]);
}

AVX2 static inline uint64_t bits_of_words(const __m256i masks[2]) {
    __m256i bytes = _mm256_packs_epi16(masks[0], masks[1]); /* in turn by halves */
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(bytes, 0xd8));
}

AVX2 static inline uint64_t bits_of_double_words(const __m256i masks[1]) {
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(masks[0]));
}

AVX2 static inline uint64_t bits_of_quad_words(const __m256i masks[1]) {
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(masks[0]));
}

/* Whether a row of at least 32 bytes holds a NaN or an infinity, or values so far apart that their
 * difference is one: times 0, they stay NaN. Its last 32 are looked at whatever came before. */
#define HOLDS_ODD_OF(name, element, vector, suffix)                                                \
    AVX2 static inline int name(const void *row, size_t nbytes) {                                  \
        const uint8_t *bytes = row;                                                                \
        const vector zero = _mm256_setzero_##suffix();                                             \
        vector last = _mm256_loadu_##suffix((const element *)(const void *)(bytes + nbytes - 32)); \
        vector found = _mm256_mul_##suffix(last, zero);                                            \
        for (size_t i = 0; i + 64 <= nbytes; i += 64) {                                            \
            vector v = _mm256_loadu_##suffix((const element *)(const void *)(bytes + i));          \
            vector w = _mm256_loadu_##suffix((const element *)(const void *)(bytes + i + 32));     \
            v = _mm256_mul_##suffix(_mm256_sub_##suffix(v, w), zero);                              \
            found = _mm256_add_##suffix(found, v);                                                 \
        }                                                                                          \
        if (nbytes % 64 > 32) {                                                                    \
            const uint8_t *rest = bytes + nbytes / 64 * 64;                                        \
            vector v = _mm256_loadu_##suffix((const element *)(const void *)rest);                 \
            found = _mm256_add_##suffix(found, _mm256_mul_##suffix(v, zero));                      \
        }                                                                                          \
        return _mm256_movemask_##suffix(_mm256_cmp_##suffix(found, found, _CMP_UNORD_Q)) != 0;     \
    }
HOLDS_ODD_OF(f32_holds_odd, float, __m256, ps)
HOLDS_ODD_OF(f64_holds_odd, double, __m256d, pd)

#define ELEMENT int8_t
#define NAME i8
#define FIELD i
#define LANES 32
#define ALWAYS_CLEAN 1
#define HOLDS_ODD(row, nbytes) 0
#define GROUP 32
#define LANE_BITS bits_of_bytes
#define VECTOR __m256i
#define LOAD LOAD_256
#define STORE STORE_256
#define ONE_TO_ALL(v) _mm256_set1_epi8((char)(v))
#define HALF_OF(v, k) _mm256_extracti128_si256(v, k)
#define POLARITY
#define PEAK _mm256_max_epi8
#define PIT _mm256_min_epi8
#define PEAK_HALF _mm_max_epi8
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(8, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING INT8_MIN
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_epi8
#define PIT _mm256_max_epi8
#define PEAK_HALF _mm_min_epi8
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(8, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING INT8_MAX
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF

#define ELEMENT uint8_t
#define NAME u8
#define FIELD u
#define LANES 32
#define ALWAYS_CLEAN 1
#define HOLDS_ODD(row, nbytes) 0
#define GROUP 32
#define LANE_BITS bits_of_bytes
#define VECTOR __m256i
#define LOAD LOAD_256
#define STORE STORE_256
#define ONE_TO_ALL(v) _mm256_set1_epi8((char)(v))
#define HALF_OF(v, k) _mm256_extracti128_si256(v, k)
#define POLARITY
#define PEAK _mm256_max_epu8
#define PIT _mm256_min_epu8
#define PEAK_HALF _mm_max_epu8
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(8, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING 0
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_epu8
#define PIT _mm256_max_epu8
#define PEAK_HALF _mm_min_epu8
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(8, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING UINT8_MAX
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF

#define ELEMENT int16_t
#define NAME i16
#define FIELD i
#define LANES 16
#define ALWAYS_CLEAN 1
#define HOLDS_ODD(row, nbytes) 0
#define GROUP 32
#define LANE_BITS bits_of_words
#define VECTOR __m256i
#define LOAD LOAD_256
#define STORE STORE_256
#define ONE_TO_ALL(v) _mm256_set1_epi16((short)(v))
#define HALF_OF(v, k) _mm256_extracti128_si256(v, k)
#define POLARITY
#define PEAK _mm256_max_epi16
#define PIT _mm256_min_epi16
#define PEAK_HALF _mm_max_epi16
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(16, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING INT16_MIN
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_epi16
#define PIT _mm256_max_epi16
#define PEAK_HALF _mm_min_epi16
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(16, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING INT16_MAX
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF

#define ELEMENT uint16_t
#define NAME u16
#define FIELD u
#define LANES 16
#define ALWAYS_CLEAN 1
#define HOLDS_ODD(row, nbytes) 0
#define GROUP 32
#define LANE_BITS bits_of_words
#define VECTOR __m256i
#define LOAD LOAD_256
#define STORE STORE_256
#define ONE_TO_ALL(v) _mm256_set1_epi16((short)(v))
#define HALF_OF(v, k) _mm256_extracti128_si256(v, k)
#define POLARITY
#define PEAK _mm256_max_epu16
#define PIT _mm256_min_epu16
#define PEAK_HALF _mm_max_epu16
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(16, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING 0
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_epu16
#define PIT _mm256_max_epu16
#define PEAK_HALF _mm_min_epu16
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(16, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING UINT16_MAX
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF

#define ELEMENT int32_t
#define NAME i32
#define FIELD i
#define LANES 8
#define ALWAYS_CLEAN 1
#define HOLDS_ODD(row, nbytes) 0
#define GROUP 8
#define LANE_BITS bits_of_double_words
#define VECTOR __m256i
#define LOAD LOAD_256
#define STORE STORE_256
#define ONE_TO_ALL(v) _mm256_set1_epi32((int)(v))
#define HALF_OF(v, k) _mm256_extracti128_si256(v, k)
#define POLARITY
#define PEAK _mm256_max_epi32
#define PIT _mm256_min_epi32
#define PEAK_HALF _mm_max_epi32
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(32, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING INT32_MIN
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_epi32
#define PIT _mm256_max_epi32
#define PEAK_HALF _mm_min_epi32
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(32, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING INT32_MAX
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF

#define ELEMENT uint32_t
#define NAME u32
#define FIELD u
#define LANES 8
#define ALWAYS_CLEAN 1
#define HOLDS_ODD(row, nbytes) 0
#define GROUP 8
#define LANE_BITS bits_of_double_words
#define VECTOR __m256i
#define LOAD LOAD_256
#define STORE STORE_256
#define ONE_TO_ALL(v) _mm256_set1_epi32((int)(v))
#define HALF_OF(v, k) _mm256_extracti128_si256(v, k)
#define POLARITY
#define PEAK _mm256_max_epu32
#define PIT _mm256_min_epu32
#define PEAK_HALF _mm_max_epu32
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(32, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING 0
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_epu32
#define PIT _mm256_max_epu32
#define PEAK_HALF _mm_min_epu32
#define VALUE AS_IS
#define IS_TISSUE(v, limit) REACHES(32, PEAK, v, limit)
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING UINT32_MAX
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF

#define ELEMENT float
#define NAME f32
#define FIELD f
#define LANES 8
#define ALWAYS_CLEAN 0
#define HOLDS_ODD f32_holds_odd
#define GROUP 8
#define LANE_BITS bits_of_double_words
#define VECTOR __m256
#define LOAD(p) _mm256_loadu_ps((const float *)(const void *)(p))
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define ONE_TO_ALL(v) _mm256_set1_ps(v)
#define HALF_OF(v, k) _mm_castps_si128(_mm256_extractf128_ps(v, k))
#define POLARITY
#define PEAK _mm256_max_ps
#define PIT _mm256_min_ps
#define PEAK_HALF(a, b) PS(_mm_max_ps, a, b)
#define VALUE(v) _mm256_max_ps(v, _mm256_set1_ps(-INFINITY)) /* of a NaN: the second */
#define IS_TISSUE(v, limit) _mm256_castps_si256(_mm256_cmp_ps(v, limit, _CMP_GE_OQ))
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING (-INFINITY)
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_ps
#define PIT _mm256_max_ps
#define PEAK_HALF(a, b) PS(_mm_min_ps, a, b)
#define VALUE(v) _mm256_min_ps(v, _mm256_set1_ps(INFINITY)) /* of a NaN: the second */
#define IS_TISSUE(v, limit) _mm256_castps_si256(_mm256_cmp_ps(v, limit, _CMP_LE_OQ))
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING INFINITY
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF

#define ELEMENT double
#define NAME f64
#define FIELD f
#define LANES 4
#define ALWAYS_CLEAN 0
#define HOLDS_ODD f64_holds_odd
#define GROUP 4
#define LANE_BITS bits_of_quad_words
#define VECTOR __m256d
#define LOAD(p) _mm256_loadu_pd((const double *)(const void *)(p))
#define STORE(p, v) _mm256_storeu_pd(p, v)
#define ONE_TO_ALL(v) _mm256_set1_pd(v)
#define HALF_OF(v, k) _mm_castpd_si128(_mm256_extractf128_pd(v, k))
#define POLARITY
#define PEAK _mm256_max_pd
#define PIT _mm256_min_pd
#define PEAK_HALF(a, b) PD(_mm_max_pd, a, b)
#define VALUE(v) _mm256_max_pd(v, _mm256_set1_pd(-(double)INFINITY)) /* of a NaN: the second */
#define IS_TISSUE(v, limit) _mm256_castpd_si256(_mm256_cmp_pd(v, limit, _CMP_GE_OQ))
#define IS_BEYOND(a, b) ((a) > (b))
#define NOTHING (-(double)INFINITY)
#include "grid/rows_avx2.h"
#define POLARITY _dark
#define PEAK _mm256_min_pd
#define PIT _mm256_max_pd
#define PEAK_HALF(a, b) PD(_mm_min_pd, a, b)
#define VALUE(v) _mm256_min_pd(v, _mm256_set1_pd((double)INFINITY)) /* of a NaN: the second */
#define IS_TISSUE(v, limit) _mm256_castpd_si256(_mm256_cmp_pd(v, limit, _CMP_LE_OQ))
#define IS_BEYOND(a, b) ((a) < (b))
#define NOTHING ((double)INFINITY)
#include "grid/rows_avx2.h"
#undef ELEMENT
#undef NAME
#undef FIELD
#undef LANES
#undef ALWAYS_CLEAN
#undef HOLDS_ODD
#undef GROUP
#undef LANE_BITS
#undef VECTOR
#undef LOAD
#undef STORE
#undef ONE_TO_ALL
#undef HALF_OF
