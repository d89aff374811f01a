/* The box of every element that differs bitwise from the background. */
#include "grid/spans.h"
#include "region/search.h"

#include <string.h>

/* A multiple of every itemsize up to 8, so that one pattern serves all of them. */
#define PATTERN_NBYTES 840

/* The bytes of a background element in the array's byte order, repeated. */
static void fill_pattern(const medroi_layout *layout, uint64_t background,
                         uint8_t pattern[PATTERN_NBYTES]) {
    memset(pattern, 0, PATTERN_NBYTES);
    size_t itemsize = layout->itemsize;
    if (itemsize > 8) {
        return;
    }
    size_t word = itemsize; /* what a byte swap turns round */
    if (layout->kind == 'c') {
        word = itemsize / 2;
    } else if (layout->kind == 'U') {
        word = 4;
    }
    for (size_t i = 0; i < itemsize; i++) {
        size_t byte = layout->big_endian ? i / word * word + (word - 1 - i % word) : i;
        pattern[i] = (uint8_t)(background >> (8 * byte));
    }
    for (size_t i = itemsize; i < PATTERN_NBYTES; i++) {
        pattern[i] = pattern[i % itemsize];
    }
}

/* Offset of the first byte in [0, nbytes) that differs, or nbytes. */
static size_t first_difference(const uint8_t *bytes, size_t nbytes, const uint8_t *pattern) {
    size_t begin = 0;
    size_t size = nbytes < PATTERN_NBYTES ? nbytes : PATTERN_NBYTES;
    while (begin < nbytes) {
        size = nbytes - begin < PATTERN_NBYTES ? nbytes - begin : PATTERN_NBYTES;
        if (memcmp(bytes + begin, pattern, size) != 0) {
            break;
        }
        begin += size;
    }
    if (begin == nbytes) {
        return nbytes;
    }
    size_t k = 0;
    while (bytes[begin + k] == pattern[k]) {
        k++;
    }
    return begin + k;
}

/* One past the last byte in [start, nbytes) that differs, or start. start is a multiple of the
 * itemsize, so the pattern may begin anew at start + any multiple of its length. */
static size_t last_difference(const uint8_t *bytes, size_t start, size_t nbytes,
                              const uint8_t *pattern) {
    size_t n_blocks = (nbytes - start + PATTERN_NBYTES - 1) / PATTERN_NBYTES;
    for (size_t block = n_blocks; block-- > 0;) {
        size_t begin = start + block * PATTERN_NBYTES;
        size_t size = nbytes - begin < PATTERN_NBYTES ? nbytes - begin : PATTERN_NBYTES;
        if (memcmp(bytes + begin, pattern, size) != 0) {
            while (bytes[begin + size - 1] == pattern[size - 1]) {
                size--;
            }
            return begin + size;
        }
    }
    return start;
}

/* Widen `box` to what one row holds. Where the row's z and y are in it already, only the places
 * outside its x are looked at. */
static void include_row(medroi_grid_box *box, int64_t z, int64_t y, const uint8_t *row,
                        size_t place_nbytes, int64_t n_places, const uint8_t *pattern) {
    int known = z >= box->z.start && z < box->z.stop && y >= box->y.start && y < box->y.stop;
    int64_t n_head = known ? box->x.start : n_places;
    size_t head = first_difference(row, (size_t)n_head * place_nbytes, pattern);
    size_t begin = known ? (size_t)box->x.stop * place_nbytes : head / place_nbytes * place_nbytes;
    int found = head < (size_t)n_head * place_nbytes;
    if (!known && !found) {
        return;
    }
    if (found) {
        int64_t x = (int64_t)(head / place_nbytes);
        medroi_span_include(&box->z, z, z + 1);
        medroi_span_include(&box->y, y, y + 1);
        medroi_span_include(&box->x, x, x + 1);
    }
    size_t known_end = (size_t)box->x.stop * place_nbytes;
    begin = begin > known_end ? begin : known_end;
    size_t end = last_difference(row, begin, (size_t)n_places * place_nbytes, pattern);
    if (end > begin) {
        int64_t x = (int64_t)((end - 1) / place_nbytes);
        medroi_span_include(&box->x, x, x + 1);
    }
}

medroi_grid_box medroi_box_of_differing(const medroi_layout *layout, const medroi_grid *grid,
                                        const uint8_t *data, uint64_t background) {
    uint8_t pattern[PATTERN_NBYTES];
    fill_pattern(layout, background, pattern);
    medroi_grid_box box = {{0, 0}, {0, 0}, {0, 0}};
    size_t place_nbytes = (size_t)grid->inner * layout->itemsize;
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        int64_t base = medroi_repeat_offset(grid, repeat);
        for (int64_t z = 0; z < grid->n_z; z++) {
            for (int64_t y = 0; y < grid->n_y; y++) {
                int64_t offset = base + z * grid->z_stride + y * grid->y_stride;
                const uint8_t *row = data + (size_t)offset * layout->itemsize;
                include_row(&box, z, y, row, place_nbytes, grid->n_x, pattern);
            }
        }
    }
    return box;
}
