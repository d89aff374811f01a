/* Missing values: NaN and infinities outside a region. No threshold tells whether they are air, so
 * they are content, unless they are the background bit by bit. */
#include "region/missing.h"
#include "grid/spans.h"

#include <string.h>

/* The bits of an element that are all set in a NaN or an infinity, in the array's byte order. */
static uint64_t exponent_of(size_t nbytes) {
    return nbytes == 2   ? UINT64_C(0x7c00)
           : nbytes == 4 ? UINT64_C(0x7f800000)
                         : UINT64_C(0x7ff0000000000000);
}

static uint64_t load(const uint8_t *bytes, size_t nbytes, int big_endian) {
    uint64_t bits = 0;
    for (size_t i = 0; i < nbytes; i++) {
        bits |= (uint64_t)bytes[i] << 8 * (big_endian ? nbytes - 1 - i : i);
    }
    return bits;
}

/* Whether any of n elements may be missing. */
#define ANY_MISSING(name, word)                                                                    \
    static int name(const uint8_t *row, size_t n, word want) {                                     \
        word any = 0;                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            word bits;                                                                             \
            memcpy(&bits, row + i * sizeof bits, sizeof bits);                                     \
            any |= (word)((bits & want) == want);                                                  \
        }                                                                                          \
        return any != 0;                                                                           \
    }
ANY_MISSING(any_of_2, uint16_t)
ANY_MISSING(any_of_4, uint32_t)
ANY_MISSING(any_of_8, uint64_t)

static int any_missing(const uint8_t *row, size_t n, size_t nbytes, int big_endian) {
    uint8_t pattern[8] = {0};
    uint64_t exponent = exponent_of(nbytes);
    for (size_t i = 0; i < nbytes; i++) {
        pattern[big_endian ? nbytes - 1 - i : i] = (uint8_t)(exponent >> 8 * i);
    }
    if (nbytes == 2) {
        uint16_t want;
        memcpy(&want, pattern, 2);
        return any_of_2(row, n, want);
    }
    if (nbytes == 4) {
        uint32_t want;
        memcpy(&want, pattern, 4);
        return any_of_4(row, n, want);
    }
    uint64_t want;
    memcpy(&want, pattern, 8);
    return any_of_8(row, n, want);
}

/* One call of medroi_visit_missing. */
typedef struct looking {
    const medroi_layout *layout;
    const medroi_grid *grid;
    uint64_t background;
    medroi_missing_visitor *visit;
    void *context;
} looking;

static void visit_stretch(const looking *look, const uint8_t *row, int64_t z, int64_t y,
                          int64_t start, int64_t stop) {
    size_t nbytes = look->layout->itemsize;
    uint64_t exponent = exponent_of(nbytes);
    if (start >= stop || !any_missing(row + (size_t)start * nbytes, (size_t)(stop - start), nbytes,
                                      look->layout->big_endian)) {
        return;
    }
    for (int64_t i = start; i < stop; i++) {
        uint64_t bits = load(row + (size_t)i * nbytes, nbytes, look->layout->big_endian);
        if ((bits & exponent) == exponent && bits != look->background) {
            look->visit(look->context, z, y, i / look->grid->inner);
        }
    }
}

void medroi_visit_missing(const medroi_layout *layout, const medroi_grid *grid, const void *data,
                          uint64_t background, const medroi_grid_box *known,
                          medroi_missing_visitor *visit, void *context) {
    const looking look = {layout, grid, background, visit, context};
    if (layout->kind != 'f') {
        return;
    }
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        int64_t base = medroi_repeat_offset(grid, repeat);
        for (int64_t z = 0; z < grid->n_z; z++) {
            for (int64_t y = 0; y < grid->n_y; y++) {
                int64_t offset = base + z * grid->z_stride + y * grid->y_stride;
                const uint8_t *row = (const uint8_t *)data + (size_t)offset * layout->itemsize;
                int inside = known && z >= known->z.start && z < known->z.stop &&
                             y >= known->y.start && y < known->y.stop;
                int64_t start = inside ? known->x.start * grid->inner : grid->length;
                int64_t stop = inside ? known->x.stop * grid->inner : grid->length;
                visit_stretch(&look, row, z, y, 0, start);
                visit_stretch(&look, row, z, y, stop, grid->length);
            }
        }
    }
}

static void include_voxel(void *context, int64_t z, int64_t y, int64_t x) {
    medroi_grid_box *box = context;
    medroi_span_include(&box->z, z, z + 1);
    medroi_span_include(&box->y, y, y + 1);
    medroi_span_include(&box->x, x, x + 1);
}

int medroi_include_missing(const medroi_layout *layout, const medroi_grid *grid, const void *data,
                           uint64_t background, medroi_grid_box *box) {
    const medroi_grid_box known = *box;
    medroi_grid_box grown = *box;
    if (medroi_grid_box_is_empty(&known)) {
        memset(&grown, 0, sizeof grown);
    }
    medroi_visit_missing(layout, grid, data, background,
                         medroi_grid_box_is_empty(&known) ? NULL : &known, include_voxel, &grown);
    *box = grown;
    return memcmp(&known, &grown, sizeof grown) != 0;
}
