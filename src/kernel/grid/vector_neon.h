/* Vectors of 32 bytes in NEON, as pairs of 16: the operations of vector_avx2.h, which says what
 * they do. */
#include <arm_neon.h>

#define VECTOR_CODE
#define VECTOR_OP static inline __attribute__((always_inline))

typedef uint8x16x2_t vec;

/* A vector whose halves are `call` of the halves of others, as lanes of `type`. */
#define vreinterpretq_u8_u8(v) (v) /* which arm_neon.h leaves out */
#define HALF(type, v, half) vreinterpretq_##type##_u8((v).val[half])
#define PAIR(of, first, second)                                                                    \
    ((vec){{vreinterpretq_u8_##of(first), vreinterpretq_u8_##of(second)}})
#define UNARY(name, type, of, call)                                                                \
    VECTOR_OP vec name(vec v) { return PAIR(of, call(HALF(type, v, 0)), call(HALF(type, v, 1))); }
#define BINARY(name, type, of, call)                                                               \
    VECTOR_OP vec name(vec a, vec b) {                                                             \
        return PAIR(of, call(HALF(type, a, 0), HALF(type, b, 0)),                                  \
                    call(HALF(type, a, 1), HALF(type, b, 1)));                                     \
    }
#define ALL(name, element, of, call)                                                               \
    VECTOR_OP vec name(element v) { return PAIR(of, call(v), call(v)); }

VECTOR_OP vec vec_load(const void *p) {
    return (vec){{vld1q_u8(p), vld1q_u8((const uint8_t *)p + 16)}};
}
VECTOR_OP void vec_store(void *p, vec v) {
    vst1q_u8(p, v.val[0]);
    vst1q_u8((uint8_t *)p + 16, v.val[1]);
}
VECTOR_OP vec vec_zero(void) { return (vec){{vdupq_n_u8(0), vdupq_n_u8(0)}}; }
VECTOR_OP vec vec_xor(vec a, vec b) {
    return (vec){{veorq_u8(a.val[0], b.val[0]), veorq_u8(a.val[1], b.val[1])}};
}
VECTOR_OP vec vec_and(vec a, vec b) {
    return (vec){{vandq_u8(a.val[0], b.val[0]), vandq_u8(a.val[1], b.val[1])}};
}

ALL(vec_all_i8, int8_t, s8, vdupq_n_s8)
ALL(vec_all_i16, int16_t, s16, vdupq_n_s16)
ALL(vec_all_i32, int32_t, s32, vdupq_n_s32)
ALL(vec_all_f32, float, f32, vdupq_n_f32)
ALL(vec_all_f64, double, f64, vdupq_n_f64)

BINARY(vec_reaches_i8, s8, u8, vcgeq_s8)
BINARY(vec_reaches_i16, s16, u16, vcgeq_s16)
BINARY(vec_reaches_i32, s32, u32, vcgeq_s32)
BINARY(vec_reaches_f32, f32, u32, vcgeq_f32)
BINARY(vec_reaches_f64, f64, u64, vcgeq_f64)

VECTOR_OP uint64_t vec_count_bytes(vec mask) {
    return (uint64_t)(vaddlvq_u8(vshrq_n_u8(mask.val[0], 7)) +
                      vaddlvq_u8(vshrq_n_u8(mask.val[1], 7)));
}

VECTOR_OP uint64_t vec_bits_i8(const vec masks[1]) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t weight = vld1q_u8(weights);
    uint8x16_t bits =
        vpaddq_u8(vandq_u8(masks[0].val[0], weight), vandq_u8(masks[0].val[1], weight));
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    return vgetq_lane_u32(vreinterpretq_u32_u8(bits), 0);
}
/* The low bytes of lanes twice as wide are a mask of half as many bytes. */
VECTOR_OP vec vec_narrow(vec a, vec b) {
    return (vec){{vuzp1q_u8(a.val[0], a.val[1]), vuzp1q_u8(b.val[0], b.val[1])}};
}
VECTOR_OP uint64_t vec_bits_i16(const vec masks[2]) {
    vec bytes = vec_narrow(masks[0], masks[1]);
    return vec_bits_i8(&bytes);
}
VECTOR_OP uint64_t vec_bits_i32(const vec masks[1]) {
    vec words = vec_narrow(masks[0], vec_zero());
    vec bytes = vec_narrow(words, vec_zero());
    return vec_bits_i8(&bytes);
}
VECTOR_OP uint64_t vec_bits_f32(const vec masks[1]) { return vec_bits_i32(masks); }
VECTOR_OP uint64_t vec_bits_f64(const vec masks[1]) {
    vec words = vec_narrow(masks[0], vec_zero());
    return vec_bits_i32(&words);
}

BINARY(vec_equal_i8, s8, u8, vceqq_s8)
BINARY(vec_equal_i16, s16, u16, vceqq_s16)
BINARY(vec_equal_i32, s32, u32, vceqq_s32)
#define DIFFERS_F32(a, b) vmvnq_u32(vceqq_f32(a, b))
#define DIFFERS_F64(a, b) veorq_u64(vceqq_f64(a, b), vdupq_n_u64(UINT64_MAX))
BINARY(vec_differs_f32, f32, u32, DIFFERS_F32)
BINARY(vec_differs_f64, f64, u64, DIFFERS_F64)
#define FINITE_F32(v) vcltq_f32(vabsq_f32(v), vdupq_n_f32(INFINITY))
#define FINITE_F64(v) vcltq_f64(vabsq_f64(v), vdupq_n_f64((double)INFINITY))
UNARY(vec_finite_f32, f32, u32, FINITE_F32)
UNARY(vec_finite_f64, f64, u64, FINITE_F64)

BINARY(vec_sub_i16, s16, s16, vsubq_s16)
BINARY(vec_sub_i32, s32, s32, vsubq_s32)
BINARY(vec_sub_i64, s64, s64, vsubq_s64)
BINARY(vec_add_f64, f64, f64, vaddq_f64)
VECTOR_OP vec vec_first_f64(vec v) {
    float32x4_t four = HALF(f32, v, 0);
    return PAIR(f64, vcvt_f64_f32(vget_low_f32(four)), vcvt_high_f64_f32(four));
}
VECTOR_OP vec vec_second_f64(vec v) {
    float32x4_t four = HALF(f32, v, 1);
    return PAIR(f64, vcvt_f64_f32(vget_low_f32(four)), vcvt_high_f64_f32(four));
}

#define ADD_UP_U8(totals, v) vpadalq_u32(totals, vpaddlq_u16(vpaddlq_u8(v)))
#define ADD_UP(name, wide, type, call)                                                             \
    VECTOR_OP vec name(vec totals, vec v) {                                                        \
        return PAIR(wide, call(HALF(wide, totals, 0), HALF(type, v, 0)),                           \
                    call(HALF(wide, totals, 1), HALF(type, v, 1)));                                \
    }
ADD_UP(vec_add_up_u8, u64, u8, ADD_UP_U8)
ADD_UP(vec_add_up_i16, s32, s16, vpadalq_s16)
ADD_UP(vec_add_up_u32, u64, u32, vpadalq_u32)
VECTOR_OP int64_t vec_total_i64(vec v) {
    return vaddvq_s64(vaddq_s64(HALF(s64, v, 0), HALF(s64, v, 1)));
}
VECTOR_OP int64_t vec_total_i32(vec v) {
    return vaddlvq_s32(HALF(s32, v, 0)) + vaddlvq_s32(HALF(s32, v, 1));
}

VECTOR_OP vec vec_load_first(const void *p, size_t n, vec rest) {
    uint8_t bytes[32];
    vec_store(bytes, rest);
    memcpy(bytes, p, n);
    return vec_load(bytes);
}
VECTOR_OP vec vec_load_last(const void *end, size_t n, vec rest) {
    uint8_t bytes[64];
    vec_store(bytes, rest);
    vec_store(bytes + 32, vec_load((const uint8_t *)end - 32));
    memcpy(bytes + 32, bytes, 32 - n);
    return vec_load(bytes + 32);
}

#undef HALF
#undef PAIR
#undef UNARY
#undef BINARY
#undef ALL
#undef ADD_UP
