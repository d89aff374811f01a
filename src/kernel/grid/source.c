/* Rows of an array, converted where the kernels cannot read them as they are stored. */
#include "base/bytes.h"
#include "base/float16.h"
#include "grid/rows.h"

#include <math.h>
#include <string.h>

#define PREFETCHED_NBYTES 2048
#define CACHE_LINE_NBYTES 64

medroi_source medroi_make_source(const medroi_layout *layout, const medroi_grid *grid,
                                 const void *data) {
    medroi_source source = {.data = data, .grid = grid};
    source.stored_nbytes = layout->itemsize;
    source.nbytes = medroi_element_nbytes(medroi_element_type_of(layout));
    source.swap =
        layout->itemsize > 1 && (layout->big_endian != 0) != medroi_machine_is_big_endian();
    source.half = layout->kind == 'f' && layout->itemsize == 2;
    return source;
}

int medroi_source_converts(const medroi_source *source) {
    return source->swap || source->half || source->clamp;
}

size_t medroi_source_scratch_nbytes(const medroi_source *source) {
    return medroi_source_converts(source) ? (size_t)source->grid->length * source->nbytes : 0;
}

void medroi_source_seek(medroi_source *source, int64_t repeat) {
    source->repeat_offset = medroi_repeat_offset(source->grid, repeat);
}

static const uint8_t *stored_row(const medroi_source *source, int64_t z, int64_t y) {
    const medroi_grid *grid = source->grid;
    int64_t offset = source->repeat_offset + z * grid->z_stride + y * grid->y_stride;
    return source->data + (size_t)offset * source->stored_nbytes;
}

static void swap_elements(uint8_t *dst, const uint8_t *src, size_t n, size_t nbytes) {
    if (nbytes == 2) {
        for (size_t i = 0; i < n; i++) {
            uint16_t v;
            memcpy(&v, src + 2 * i, 2);
            v = medroi_swap16(v);
            memcpy(dst + 2 * i, &v, 2);
        }
    } else if (nbytes == 4) {
        for (size_t i = 0; i < n; i++) {
            uint32_t v;
            memcpy(&v, src + 4 * i, 4);
            v = medroi_swap32(v);
            memcpy(dst + 4 * i, &v, 4);
        }
    } else {
        for (size_t i = 0; i < n * 8; i++) {
            dst[i] = src[i ^ 7];
        }
    }
}

/* Infinities become the largest finite values, so that a threshold of infinity can tell them from
 * the NaN, which the kernels take for the infinity that is never tissue. */
static void clamp_floats(uint8_t *row, size_t n, size_t nbytes) {
    for (size_t i = 0; i < n; i++) {
        if (nbytes == 4) {
            float v;
            memcpy(&v, row + 4 * i, 4);
            v = isinf(v) ? copysignf(0x1.fffffep127f, v) : v;
            memcpy(row + 4 * i, &v, 4);
        } else {
            double v;
            memcpy(&v, row + 8 * i, 8);
            v = isinf(v) ? copysign(0x1.fffffffffffffp1023, v) : v;
            memcpy(row + 8 * i, &v, 8);
        }
    }
}

static void convert_row(const medroi_source *source, const uint8_t *src, uint8_t *dst) {
    size_t n = (size_t)source->grid->length;
    if (source->half) {
        for (size_t i = 0; i < n; i++) {
            uint16_t bits;
            memcpy(&bits, src + 2 * i, 2);
            if (source->swap) {
                bits = medroi_swap16(bits);
            }
            float v = medroi_float16_value(bits);
            memcpy(dst + 4 * i, &v, 4);
        }
    } else if (source->swap) {
        swap_elements(dst, src, n, source->nbytes);
    } else {
        memcpy(dst, src, n * source->nbytes);
    }
    if (source->clamp) {
        clamp_floats(dst, n, source->nbytes);
    }
}

void medroi_source_prefetch(const medroi_source *source, int64_t z, int64_t y) {
#if defined(__GNUC__)
    const uint8_t *row = stored_row(source, z, y);
    size_t nbytes = (size_t)source->grid->length * source->stored_nbytes;
    nbytes = nbytes < PREFETCHED_NBYTES ? nbytes : PREFETCHED_NBYTES;
    for (size_t i = 0; i < nbytes; i += CACHE_LINE_NBYTES) {
        __builtin_prefetch(row + i);
    }
#else
    (void)source;
    (void)z;
    (void)y;
#endif
}

const void *medroi_source_single_row(medroi_source *source, int64_t z, int64_t y) {
    if (!medroi_source_converts(source)) {
        return stored_row(source, z, y);
    }
    convert_row(source, stored_row(source, z, y), source->row);
    return source->row;
}
