#include "grid/rows.h"
#include "base/elements.h"

#include <string.h>

medroi_grid medroi_make_grid(const medroi_layout *layout) {
    medroi_grid grid = {
        .n_z = 1, .n_y = 1, .n_x = 1, .inner = 1, .n_repeats = 1, .axis = {-1, -1, -1}};
    int32_t place = 2; /* x is found first, then z; y only where there are three */
    int32_t n_volume = 0;
    for (int32_t i = 0; i < layout->ndim; i++) {
        n_volume += layout->shape[i] != 1 && ((layout->axes >> i) & 1);
    }
    int64_t size[3] = {1, 1, 1};
    int64_t stride[3] = {0, 0, 0};
    int64_t step = 1;
    for (int32_t i = 0; i < layout->ndim; i++) { /* innermost first */
        int32_t axis = layout->f_order ? i : layout->ndim - 1 - i;
        int64_t n = layout->shape[axis];
        if (n == 1) {
            continue;
        }
        if ((layout->axes >> axis) & 1) {
            grid.axis[place] = axis;
            size[place] = n;
            stride[place] = step;
            place = (place == 2 && n_volume == 2) ? 0 : place - 1;
        } else if (place == 2) {
            grid.inner *= n;
        } else {
            int32_t k = grid.n_repeat_axes++;
            grid.repeat_size[k] = n;
            grid.repeat_stride[k] = step;
            grid.n_repeats *= n;
        }
        step *= n;
    }
    for (int32_t i = 0; i < grid.n_repeat_axes / 2; i++) { /* outermost first */
        int32_t k = grid.n_repeat_axes - 1 - i;
        int64_t n = grid.repeat_size[i];
        int64_t s = grid.repeat_stride[i];
        grid.repeat_size[i] = grid.repeat_size[k];
        grid.repeat_stride[i] = grid.repeat_stride[k];
        grid.repeat_size[k] = n;
        grid.repeat_stride[k] = s;
    }
    grid.n_z = size[0];
    grid.n_y = size[1];
    grid.n_x = size[2];
    grid.z_stride = stride[0];
    grid.y_stride = stride[1];
    grid.length = grid.n_x * grid.inner;
    return grid;
}

int64_t medroi_repeat_offset(const medroi_grid *grid, int64_t repeat) {
    int64_t offset = 0;
    for (int32_t i = grid->n_repeat_axes - 1; i >= 0; i--) {
        offset += repeat % grid->repeat_size[i] * grid->repeat_stride[i];
        repeat /= grid->repeat_size[i];
    }
    return offset;
}

medroi_element_type medroi_element_type_of(const medroi_layout *layout) {
    switch (layout->kind) {
    case 'f':
        return layout->itemsize == 8 ? MEDROI_F64 : MEDROI_F32;
    case 'i':
        switch (layout->itemsize) {
        case 1:
            return MEDROI_I8;
        case 2:
            return MEDROI_I16;
        case 4:
            return MEDROI_I32;
        default:
            return MEDROI_I64;
        }
    default:
        switch (layout->itemsize) {
        case 1:
            return MEDROI_U8;
        case 2:
            return MEDROI_U16;
        case 4:
            return MEDROI_U32;
        default:
            return MEDROI_U64;
        }
    }
}

size_t medroi_element_nbytes(medroi_element_type type) {
    static const uint8_t nbytes[MEDROI_N_ELEMENT_TYPES] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    return nbytes[type];
}

int medroi_element_is_float(medroi_element_type type) {
    return type == MEDROI_F32 || type == MEDROI_F64;
}

int medroi_element_is_signed(medroi_element_type type) {
    return type == MEDROI_I8 || type == MEDROI_I16 || type == MEDROI_I32 || type == MEDROI_I64;
}

medroi_scalar medroi_scalar_from_bits(const medroi_layout *layout, uint64_t bits) {
    medroi_scalar value;
    unsigned n_bits = layout->itemsize * 8u;
    value.u = n_bits < 64 ? bits & ((UINT64_C(1) << n_bits) - 1) : bits;
    if (layout->kind == 'f') {
        value.f = medroi_float_of_bits(layout->itemsize, bits);
    } else if (layout->kind == 'i') {
        value.i = medroi_signed_of_bits(layout->itemsize, value.u);
    }
    return value;
}

double medroi_scalar_to_double(medroi_element_type type, medroi_scalar value) {
    if (medroi_element_is_float(type)) {
        return value.f;
    }
    return medroi_element_is_signed(type) ? (double)value.i : (double)value.u;
}

void medroi_clear_tables(uint64_t *counts, uint32_t n_bins) {
    memset(counts, 0, MEDROI_HISTOGRAM_TABLES * ((size_t)n_bins + 1) * sizeof *counts);
}

void medroi_merge_tables(uint64_t *counts, uint32_t n_bins) {
    for (size_t k = 1; k < MEDROI_HISTOGRAM_TABLES; k++) {
        const uint64_t *table = counts + k * ((size_t)n_bins + 1);
        for (size_t i = 0; i <= n_bins; i++) {
            counts[i] += table[i];
        }
    }
}

void medroi_sum_add_unsigned(medroi_sum *sum, uint64_t value) {
    sum->low += value;
    sum->high += sum->low < value;
}

void medroi_sum_add(medroi_sum *sum, int64_t value) {
    medroi_sum_add_unsigned(sum, (uint64_t)value);
    sum->high -= value < 0;
}

int medroi_grid_box_is_empty(const medroi_grid_box *box) {
    return box->z.start >= box->z.stop || box->y.start >= box->y.stop ||
           box->x.start >= box->x.stop;
}
