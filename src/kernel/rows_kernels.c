/* The row kernels of every element type, and the choice between instruction sets. */
#include "rows.h"

#include <math.h>

#if defined(__GNUC__)
#define UNALIGNED __attribute__((aligned(1), may_alias))
#else
#define UNALIGNED
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)


#define ELEMENT int8_t
#define ELEMENT_NBYTES 1
#define NAME i8
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#include "rows_portable.h"

#define ELEMENT uint8_t
#define ELEMENT_NBYTES 1
#define NAME u8
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT8_MAX
#include "rows_portable.h"

#define ELEMENT int16_t
#define ELEMENT_NBYTES 2
#define NAME i16
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT16_MIN
#define HIGHEST INT16_MAX
#include "rows_portable.h"

#define ELEMENT uint16_t
#define ELEMENT_NBYTES 2
#define NAME u16
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT16_MAX
#include "rows_portable.h"

#define ELEMENT int32_t
#define ELEMENT_NBYTES 4
#define NAME i32
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#include "rows_portable.h"

#define ELEMENT uint32_t
#define ELEMENT_NBYTES 4
#define NAME u32
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT32_MAX
#include "rows_portable.h"

#define ELEMENT int64_t
#define ELEMENT_NBYTES 8
#define NAME i64
#define FIELD i
#define IS_FLOAT 0
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "rows_portable.h"

#define ELEMENT uint64_t
#define ELEMENT_NBYTES 8
#define NAME u64
#define FIELD u
#define IS_FLOAT 0
#define LOWEST 0
#define HIGHEST UINT64_MAX
#include "rows_portable.h"

#define ELEMENT float
#define ELEMENT_NBYTES 4
#define NAME f32
#define FIELD f
#define IS_FLOAT 1
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#include "rows_portable.h"

#define ELEMENT double
#define ELEMENT_NBYTES 8
#define NAME f64
#define FIELD f
#define IS_FLOAT 1
#define LOWEST (-(double)INFINITY)
#define HIGHEST ((double)INFINITY)
#include "rows_portable.h"

#define OPS(name)                                                                                  \
    {{name##_add_up, name##_project, name##_erode, name##_count, name##_tally, name##_flag,        \
      name##_clear, name##_range, name##_widen, name##_histogram},                                               \
     {name##_add_up, name##_project_dark, name##_erode_dark, name##_count_dark, name##_tally_dark, \
      name##_flag_dark, name##_clear_dark, name##_range, name##_widen, name##_histogram}}

static const medroi_row_ops portable_ops[MEDROI_N_ELEMENT_TYPES][2] = {
    OPS(i8), OPS(u8), OPS(i16), OPS(u16), OPS(i32), OPS(u32), OPS(i64), OPS(u64), OPS(f32), OPS(f64),
};

const medroi_row_ops *medroi_row_ops_for(medroi_element_type type, int dark) {
    return &portable_ops[type][dark ? 1 : 0];
}
