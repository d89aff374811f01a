/* Limits of a layout, the same for a writer's request as for a stream's claim. */
#include "base/layout.h"

static int popcount8(unsigned bits) {
    int n = 0;
    for (; bits != 0; bits &= bits - 1) {
        n++;
    }
    return n;
}

int medroi_is_known_element(char kind, uint16_t size) {
    switch (kind) {
    case 'b':
        return size == 1;
    case 'i':
    case 'u':
        return size == 1 || size == 2 || size == 4 || size == 8;
    case 'f':
        return size == 2 || size == 4 || size == 8;
    case 'c':
        return size == 8 || size == 16;
    case 'M':
    case 'm':
        return size == 8;
    case 'S':
    case 'V':
        return size >= 1;
    case 'U':
        return size >= 4 && size % 4 == 0;
    default:
        return 0;
    }
}

static medroi_status check_size(const medroi_layout *layout, medroi_status blame,
                                medroi_error *error) {
    uint64_t nbytes = layout->itemsize;
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->shape[i] < 0) {
            return medroi_fail(error, blame, "axis %d has the negative size %lld", (int)i,
                               (long long)layout->shape[i]);
        }
    }
    for (int32_t i = 0; i < layout->ndim; i++) {
        uint64_t size = layout->shape[i] > 0 ? (uint64_t)layout->shape[i] : 1;
        if (size > (uint64_t)PTRDIFF_MAX / nbytes) {
            return medroi_fail(error, blame,
                               "the product of the array's sizes does not fit in memory");
        }
        nbytes *= size;
    }
    return MEDROI_OK;
}

medroi_status medroi_check_layout(const medroi_layout *layout, medroi_status blame,
                                  medroi_error *error) {
    int long_axes = 0,
        one_byte = layout->itemsize == 1 || layout->kind == 'S' || layout->kind == 'V';
    if (layout->ndim < 1 || layout->ndim > MEDROI_MAX_AXES) {
        return medroi_fail(error, blame, "found %d axes, expected 1 to %d", (int)layout->ndim,
                           MEDROI_MAX_AXES);
    }
    if (!medroi_is_known_element(layout->kind, layout->itemsize)) {
        return medroi_fail(error, blame, "no element of kind 0x%02x with %u bytes is known",
                           (unsigned)(uint8_t)layout->kind, (unsigned)layout->itemsize);
    }
    if (layout->big_endian && one_byte) {
        return medroi_fail(error, blame, "elements without a byte order are marked big-endian");
    }
    if (layout->axes >> layout->ndim != 0 || popcount8(layout->axes) < 1 ||
        popcount8(layout->axes) > 3) {
        return medroi_fail(error, blame,
                           "volume axes 0x%02x: expected 1 to 3 of the array's %d axes",
                           (unsigned)layout->axes, (int)layout->ndim);
    }
    for (int32_t i = 0; i < layout->ndim; i++) {
        long_axes += layout->shape[i] > 1;
    }
    if (layout->f_order && long_axes < 2) {
        return medroi_fail(error, blame,
                           "an array with fewer than two long axes is marked F order");
    }
    return check_size(layout, blame, error);
}

int medroi_kind_is_number(char kind) {
    return kind == 'b' || kind == 'i' || kind == 'u' || kind == 'f';
}

int medroi_kind_is_intensity(char kind) { return kind == 'i' || kind == 'u' || kind == 'f'; }

int medroi_layout_is_empty(const medroi_layout *layout) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->shape[i] == 0) {
            return 1;
        }
    }
    return 0;
}
