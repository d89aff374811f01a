/* Vectors of 32 bytes in AVX2: the operations that rows_vector.h and rows_vector_sums.h are written
 * in. vector_neon.h has the same ones. The suffix of a function is the type of its lanes; masks
 * have lanes of all ones or all zeros. */
#include <immintrin.h>

#define VECTOR_CODE __attribute__((target("avx2,popcnt")))
#define VECTOR_OP VECTOR_CODE static inline __attribute__((always_inline))

typedef __m256i vec;

/* First 32 ones, then 32 zeros. */
static const uint8_t ones_then_zeros[64] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                            255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                            255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

VECTOR_OP vec vec_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
VECTOR_OP void vec_store(void *p, vec v) { _mm256_storeu_si256((__m256i *)p, v); }
VECTOR_OP vec vec_zero(void) { return _mm256_setzero_si256(); }
VECTOR_OP vec vec_xor(vec a, vec b) { return _mm256_xor_si256(a, b); }
VECTOR_OP vec vec_and(vec a, vec b) { return _mm256_and_si256(a, b); }
VECTOR_OP vec vec_choose(vec mask, vec a, vec b) { return _mm256_blendv_epi8(b, a, mask); }

VECTOR_OP vec vec_all_i8(int8_t v) { return _mm256_set1_epi8(v); }
VECTOR_OP vec vec_all_i16(int16_t v) { return _mm256_set1_epi16(v); }
VECTOR_OP vec vec_all_i32(int32_t v) { return _mm256_set1_epi32(v); }
VECTOR_OP vec vec_all_f32(float v) { return _mm256_castps_si256(_mm256_set1_ps(v)); }
VECTOR_OP vec vec_all_f64(double v) { return _mm256_castpd_si256(_mm256_set1_pd(v)); }

#define F32(v) _mm256_castsi256_ps(v)
#define F64(v) _mm256_castsi256_pd(v)
#define OF_F32(v) _mm256_castps_si256(v)
#define OF_F64(v) _mm256_castpd_si256(v)

/* Mask of a >= b; false where one is NaN. */
VECTOR_OP vec vec_reaches_i8(vec a, vec b) { return _mm256_cmpeq_epi8(_mm256_max_epi8(a, b), a); }
VECTOR_OP vec vec_reaches_i16(vec a, vec b) {
    return _mm256_cmpeq_epi16(_mm256_max_epi16(a, b), a);
}
VECTOR_OP vec vec_reaches_i32(vec a, vec b) {
    return _mm256_cmpeq_epi32(_mm256_max_epi32(a, b), a);
}
VECTOR_OP vec vec_reaches_f32(vec a, vec b) {
    return OF_F32(_mm256_cmp_ps(F32(a), F32(b), _CMP_GE_OQ));
}
VECTOR_OP vec vec_reaches_f64(vec a, vec b) {
    return OF_F64(_mm256_cmp_pd(F64(a), F64(b), _CMP_GE_OQ));
}

VECTOR_OP uint64_t vec_count_bytes(vec mask) {
    return (uint64_t)_mm_popcnt_u32((unsigned)_mm256_movemask_epi8(mask));
}

/* The lanes of masks as bits: of 32, 32, 8, 8 and 4 lanes. */
VECTOR_OP uint64_t vec_bits_i8(const vec masks[1]) {
    return (uint32_t)_mm256_movemask_epi8(masks[0]);
}
VECTOR_OP uint64_t vec_bits_i16(const vec masks[2]) {
    vec bytes = _mm256_packs_epi16(masks[0], masks[1]); /* in turn by halves */
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(bytes, 0xd8));
}
VECTOR_OP uint64_t vec_bits_i32(const vec masks[1]) {
    return (uint32_t)_mm256_movemask_ps(F32(masks[0]));
}
VECTOR_OP uint64_t vec_bits_f32(const vec masks[1]) { return vec_bits_i32(masks); }
VECTOR_OP uint64_t vec_bits_f64(const vec masks[1]) {
    return (uint32_t)_mm256_movemask_pd(F64(masks[0]));
}

VECTOR_OP vec vec_equal_i8(vec a, vec b) { return _mm256_cmpeq_epi8(a, b); }
VECTOR_OP vec vec_equal_i16(vec a, vec b) { return _mm256_cmpeq_epi16(a, b); }
VECTOR_OP vec vec_equal_i32(vec a, vec b) { return _mm256_cmpeq_epi32(a, b); }
/* All that is no number differs too. */
VECTOR_OP vec vec_differs_f32(vec a, vec b) {
    return OF_F32(_mm256_cmp_ps(F32(a), F32(b), _CMP_NEQ_UQ));
}
VECTOR_OP vec vec_differs_f64(vec a, vec b) {
    return OF_F64(_mm256_cmp_pd(F64(a), F64(b), _CMP_NEQ_UQ));
}
VECTOR_OP vec vec_finite_f32(vec v) {
    __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), F32(v));
    return OF_F32(_mm256_cmp_ps(size, _mm256_set1_ps(INFINITY), _CMP_LT_OQ));
}
VECTOR_OP vec vec_finite_f64(vec v) {
    __m256d size = _mm256_andnot_pd(_mm256_set1_pd(-0.0), F64(v));
    return OF_F64(_mm256_cmp_pd(size, _mm256_set1_pd((double)INFINITY), _CMP_LT_OQ));
}

VECTOR_OP vec vec_sub_i16(vec a, vec b) { return _mm256_sub_epi16(a, b); }
VECTOR_OP vec vec_sub_i32(vec a, vec b) { return _mm256_sub_epi32(a, b); }
VECTOR_OP vec vec_sub_i64(vec a, vec b) { return _mm256_sub_epi64(a, b); }
VECTOR_OP vec vec_add_f64(vec a, vec b) { return OF_F64(_mm256_add_pd(F64(a), F64(b))); }
/* float64 of the first and of the second four float32. */
VECTOR_OP vec vec_first_f64(vec v) {
    return OF_F64(_mm256_cvtps_pd(_mm256_castps256_ps128(F32(v))));
}
VECTOR_OP vec vec_second_f64(vec v) {
    return OF_F64(_mm256_cvtps_pd(_mm256_extractf128_ps(F32(v), 1)));
}

/* Add unsigned bytes or words of 32 bits to lanes of 64 bits, or signed words of 16 to lanes of
 * 32. */
VECTOR_OP vec vec_add_up_u8(vec totals, vec v) {
    return _mm256_add_epi64(totals, _mm256_sad_epu8(v, _mm256_setzero_si256()));
}
VECTOR_OP vec vec_add_up_i16(vec totals, vec v) {
    return _mm256_add_epi32(totals, _mm256_madd_epi16(v, _mm256_set1_epi16(1)));
}
VECTOR_OP vec vec_add_up_u32(vec totals, vec v) {
    vec low = _mm256_and_si256(v, _mm256_set1_epi64x(0xffffffff));
    return _mm256_add_epi64(totals, _mm256_add_epi64(low, _mm256_srli_epi64(v, 32)));
}
VECTOR_OP int64_t vec_total_i64(vec v) {
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return _mm_cvtsi128_si64(half) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(half, half));
}
VECTOR_OP int64_t vec_total_i32(vec v) {
    vec low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v));
    return vec_total_i64(
        _mm256_add_epi64(low, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1))));
}

/* `rest` whose first n bytes, a multiple of 4, are those at p: nothing behind them is read. */
VECTOR_OP vec vec_load_first(const void *p, size_t n, vec rest) {
    vec mask = vec_load(ones_then_zeros + 32 - n);
    return vec_choose(mask, _mm256_maskload_epi32((const int *)p, mask), rest);
}

/* The 32 bytes before `end`, all but the last n of them replaced by `rest`. */
VECTOR_OP vec vec_load_last(const void *end, size_t n, vec rest) {
    return vec_choose(vec_load(ones_then_zeros + n), rest, vec_load((const uint8_t *)end - 32));
}
