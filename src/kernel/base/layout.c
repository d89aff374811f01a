/* Arrays in memory: strides, coding order, and the copies between an array and a dense block. */
#include "base/layout.h"

#include <string.h>

void medroi_memory_order(const medroi_layout *layout, int32_t order[MEDROI_MAX_AXES]) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        order[i] = layout->f_order ? layout->ndim - 1 - i : i;
    }
}

void medroi_strides(const medroi_layout *layout, int64_t strides[MEDROI_MAX_AXES]) {
    int32_t order[MEDROI_MAX_AXES];
    int64_t stride = layout->itemsize;
    medroi_memory_order(layout, order);
    for (int32_t i = layout->ndim - 1; i >= 0; i--) {
        strides[order[i]] = stride;
        stride *= layout->shape[order[i]];
    }
}

uint8_t medroi_default_slice_axis(const medroi_layout *layout) {
    return layout->f_order ? (uint8_t)(layout->ndim - 1) : 0;
}

void medroi_coding_order(const medroi_layout *layout, uint8_t slice_axis,
                         int32_t order[MEDROI_MAX_AXES]) {
    int32_t memory[MEDROI_MAX_AXES], n = 0;
    medroi_memory_order(layout, memory);
    order[n++] = slice_axis;
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (memory[i] != slice_axis) {
            order[n++] = memory[i];
        }
    }
}

/* A box as nested loops over the array's memory, outermost first, runs that touch merged. */
typedef struct loops {
    int32_t n;
    int64_t extent[MEDROI_MAX_AXES];
    int64_t stride[MEDROI_MAX_AXES];
    int64_t offset; /* of the box's first element */
} loops;

static loops plan_loops(const medroi_layout *layout, const medroi_box *box, uint8_t slice_axis) {
    int32_t order[MEDROI_MAX_AXES];
    int64_t strides[MEDROI_MAX_AXES];
    loops result = {0};
    medroi_coding_order(layout, slice_axis, order);
    medroi_strides(layout, strides);
    for (int32_t i = 0; i < layout->ndim; i++) {
        int32_t axis = order[i];
        int64_t extent = box->stop[axis] - box->start[axis];
        result.offset += box->start[axis] * strides[axis];
        if (extent == 1) {
            continue;
        }
        if (result.n > 0 && result.stride[result.n - 1] == extent * strides[axis]) {
            result.extent[result.n - 1] *= extent;
            result.stride[result.n - 1] = strides[axis];
            continue;
        }
        result.extent[result.n] = extent;
        result.stride[result.n++] = strides[axis];
    }
    if (result.n == 0) {
        result.n = 1;
        result.extent[0] = 1;
        result.stride[0] = layout->itemsize;
    }
    return result;
}

const uint8_t *medroi_dense_block(const medroi_layout *layout, const void *data,
                                  const medroi_box *box, uint8_t slice_axis) {
    loops run = plan_loops(layout, box, slice_axis);
    if (run.n == 1 && run.stride[0] == layout->itemsize) {
        return (const uint8_t *)data + run.offset;
    }
    return NULL;
}

#define COPY_ELEMENTS(size)                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                              \
        memcpy(dst + i * dst_step, src + i * src_step, (size));                                    \
    }

/* n elements with these distances; a run that is dense on both sides is one memcpy. */
static void copy_run(uint8_t *dst, int64_t dst_step, const uint8_t *src, int64_t src_step,
                     int64_t n, size_t itemsize) {
    if (dst_step == (int64_t)itemsize && src_step == (int64_t)itemsize) {
        memcpy(dst, src, (size_t)n * itemsize);
        return;
    }
    switch (itemsize) {
    case 1:
        COPY_ELEMENTS(1)
        return;
    case 2:
        COPY_ELEMENTS(2)
        return;
    case 4:
        COPY_ELEMENTS(4)
        return;
    case 8:
        COPY_ELEMENTS(8)
        return;
    default:
        COPY_ELEMENTS(itemsize)
    }
}

/* Walk the outer loops; the innermost is one copy_run. */
static void copy_box(const medroi_layout *layout, uint8_t *array, const medroi_box *box,
                     uint8_t slice_axis, uint8_t *block, int into_array) {
    loops walk = plan_loops(layout, box, slice_axis);
    int64_t index[MEDROI_MAX_AXES] = {0};
    int32_t inner = walk.n - 1;
    int64_t n = walk.extent[inner], step = walk.stride[inner];
    size_t itemsize = layout->itemsize;
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (box->stop[i] <= box->start[i]) {
            return;
        }
    }
    array += walk.offset;
    for (;;) {
        if (into_array) {
            copy_run(array, step, block, (int64_t)itemsize, n, itemsize);
        } else {
            copy_run(block, (int64_t)itemsize, array, step, n, itemsize);
        }
        block += (size_t)n * itemsize;
        int32_t axis = inner - 1;
        while (axis >= 0 && ++index[axis] == walk.extent[axis]) {
            array -= (walk.extent[axis] - 1) * walk.stride[axis];
            index[axis--] = 0;
        }
        if (axis < 0) {
            return;
        }
        array += walk.stride[axis];
    }
}

void medroi_gather(const medroi_layout *layout, const void *data, const medroi_box *box,
                   uint8_t slice_axis, void *dst) {
    copy_box(layout, (uint8_t *)(uintptr_t)data, box, slice_axis, dst, 0);
}

void medroi_scatter(const medroi_layout *layout, void *data, const medroi_box *box,
                    uint8_t slice_axis, const void *src) {
    copy_box(layout, data, box, slice_axis, (uint8_t *)(uintptr_t)src, 1);
}
