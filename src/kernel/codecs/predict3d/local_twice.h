/* Includes LOCAL_CODE once for each set of instructions: plain, and AVX2 with the shifts of BMI2,
 * which processors that have the one have, where there may be that.
 *
 * A name in it is LOCAL(name); LOCAL_BEST(name) is the function for this processor. */
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define LOCAL_INLINE LOCAL_TARGET static inline __attribute__((always_inline))
#else
#define LOCAL_INLINE LOCAL_TARGET static inline
#endif

#define LOCAL(name) name##_plain
#define LOCAL_TARGET
#define LOCAL_VECTORS 0
#include LOCAL_CODE
#undef LOCAL
#undef LOCAL_TARGET
#undef LOCAL_VECTORS

#if defined(__x86_64__) && defined(__GNUC__) && !defined(MEDROI_PORTABLE_ROWS)
#include <immintrin.h>
#define LOCAL(name) name##_avx2
#define LOCAL_TARGET __attribute__((target("avx2,bmi,bmi2")))
#define LOCAL_VECTORS 1
#include LOCAL_CODE
#undef LOCAL
#undef LOCAL_TARGET
#undef LOCAL_VECTORS
#define LOCAL_BEST(name)                                                                           \
    (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? name##_avx2 : name##_plain)
#else
#define LOCAL_BEST(name) name##_plain
#endif
