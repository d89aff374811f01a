/* Sums of vectors of elements: begin, take one vector after another (`clean`: known to be finite)
 * and the elements left over at the end of a run, end each run, close (which begins anew). Included
 * by rows_kernels.c. Close before 32767 vectors, or a lane overflows. */

/* Integers are summed as keys, and those that are background counted. */
typedef struct integer_sums {
    vec totals;
    vec matches;
    vec air; /* as stored */
} integer_sums;

/* Masks of bytes are added up as bytes of 255; those of wider lanes are -1, and counted lane by
 * lane. */
VECTOR_OP vec i8_match(vec matches, vec same) { return vec_add_up_u8(matches, same); }
VECTOR_OP vec i16_match(vec matches, vec same) { return vec_sub_i16(matches, same); }
VECTOR_OP vec i32_match(vec matches, vec same) { return vec_sub_i32(matches, same); }
VECTOR_OP int64_t i8_n_matches(vec matches) { return vec_total_i64(matches) / 255; }
VECTOR_OP int64_t i16_n_matches(vec matches) {
    return vec_total_i32(vec_add_up_i16(vec_zero(), matches));
}
VECTOR_OP int64_t i32_n_matches(vec matches) { return vec_total_i32(matches); }

/* `bias` turns keys into the lanes that are added up, which makes each `bias_of_one` more. */
#define INTEGER_SUMS(width, type, lane, total, bias, bias_of_one)                                  \
    typedef integer_sums width##_sums;                                                             \
    VECTOR_OP width##_sums width##_begin_sums(medroi_scalar background) {                          \
        integer_sums sums = {vec_zero(), vec_zero(), vec_all_##width((type)background.i)};         \
        return sums;                                                                               \
    }                                                                                              \
    VECTOR_OP void width##_take(width##_sums *sums, vec v, vec key, int clean) {                   \
        vec same = vec_equal_##width(v, sums->air);                                                \
        vec biased = (bias) ? vec_xor(key, vec_all_##width(bias)) : key;                           \
        (void)clean;                                                                               \
        sums->totals = vec_add_up_##lane(sums->totals, biased);                                    \
        sums->matches = width##_match(sums->matches, same);                                        \
    }                                                                                              \
    VECTOR_OP void width##_take_tail(width##_sums *sums, const void *end, size_t n, vec order) {   \
        vec v = vec_load_last(end, n * sizeof(type), sums->air);                                   \
        width##_take(sums, v, vec_xor(v, order), 1);                                               \
    }                                                                                              \
    VECTOR_OP void width##_end_run(width##_sums *sums, size_t n_vectors, medroi_sum *sum) {        \
        (void)sums;                                                                                \
        (void)n_vectors;                                                                           \
        (void)sum;                                                                                 \
    }                                                                                              \
    VECTOR_OP void width##_close_sums(const medroi_row_ops *ops, width##_sums *sums,               \
                                      size_t n_taken, medroi_scalar background, medroi_sum *sum) { \
        int64_t n = (int64_t)n_taken;                                                              \
        int64_t n_air = width##_n_matches(sums->matches);                                          \
        int64_t keys = vec_total_##total(sums->totals) - n * (bias_of_one);                        \
        int64_t values = ops->dark ? -n - keys : keys;                                             \
        values += ops->is_unsigned ? n << (8 * sizeof(type) - 1) : 0;                              \
        medroi_sum_add(sum, values - n_air * background.i);                                        \
        sum->count += (uint64_t)(n - n_air);                                                       \
        sums->totals = sums->matches = vec_zero();                                                 \
    }

INTEGER_SUMS(i8, int8_t, u8, i64, INT8_MIN, 128)
INTEGER_SUMS(i16, int16_t, i16, i32, 0, 0)
INTEGER_SUMS(i32, int32_t, u32, i64, INT32_MIN, INT64_C(0x80000000))

/* The lanes of the definition of the float sum, four to a vector. Those of float64 take turns:
 * lanes[0] is the one whose turn it is. */
typedef struct float_sums {
    vec lanes[2];
    vec counts;
    vec air;
} float_sums;

#define FLOAT_SUMS(name, type, bits)                                                               \
    typedef float_sums name##_sums;                                                                \
    VECTOR_OP float_sums name##_begin_sums(medroi_scalar background) {                             \
        float_sums sums = {                                                                        \
            {vec_zero(), vec_zero()}, vec_zero(), vec_all_##name((type)background.f)};             \
        return sums;                                                                               \
    }                                                                                              \
    VECTOR_OP void name##_take(float_sums *sums, vec v, vec key, int clean) {                      \
        vec keep = vec_differs_##name(v, sums->air);                                               \
        (void)key;                                                                                 \
        if (!clean) {                                                                              \
            keep = vec_and(keep, vec_finite_##name(v));                                            \
        }                                                                                          \
        name##_add(sums->lanes, vec_and(v, keep));                                                 \
        sums->counts = vec_sub_i##bits(sums->counts, keep);                                        \
    }                                                                                              \
    VECTOR_OP void name##_take_tail(float_sums *sums, const void *end, size_t n, vec order) {      \
        const type *from = (const type *)end - n;                                                  \
        (void)order;                                                                               \
        vec v = vec_load_first(from, n * sizeof *from, vec_all_##name((type)INFINITY));            \
        name##_take(sums, v, v, 0);                                                                \
    }                                                                                              \
    VECTOR_OP void name##_end_run(float_sums *sums, size_t n_vectors, medroi_sum *sum) {           \
        double lanes[MEDROI_SUM_LANES];                                                            \
        size_t first = (bits) == 64 ? n_vectors % 2 : 0;                                           \
        vec_store(lanes, sums->lanes[first]);                                                      \
        vec_store(lanes + 4, sums->lanes[1 - first]);                                              \
        sum->real += medroi_sum_of_lanes(lanes);                                                   \
        sums->lanes[0] = sums->lanes[1] = vec_zero();                                              \
    }                                                                                              \
    VECTOR_OP void name##_close_sums(const medroi_row_ops *ops, float_sums *sums, size_t n_taken,  \
                                     medroi_scalar background, medroi_sum *sum) {                  \
        (void)ops;                                                                                 \
        (void)n_taken;                                                                             \
        (void)background;                                                                          \
        sum->count += (uint64_t)vec_total_i##bits(sums->counts);                                   \
        sums->counts = vec_zero();                                                                 \
    }

VECTOR_OP void f32_add(vec lanes[2], vec v) {
    lanes[0] = vec_add_f64(lanes[0], vec_first_f64(v));
    lanes[1] = vec_add_f64(lanes[1], vec_second_f64(v));
}

VECTOR_OP void f64_add(vec lanes[2], vec v) {
    vec next = lanes[1];
    lanes[1] = vec_add_f64(lanes[0], v);
    lanes[0] = next;
}

FLOAT_SUMS(f32, float, 32)
FLOAT_SUMS(f64, double, 64)
