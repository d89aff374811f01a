/* What the voxels of the fuzzers' arrays are. */
#include "base/elements.h"
#include "random.h"

#include <math.h>
#include <string.h>

/* How the numbers of one array are made. */
typedef struct style {
    uint64_t n_levels, noise, air_noise;
    double offset, step;
    size_t width, height; /* of rows and slices, near enough */
    size_t start, stop;   /* what is tissue, in memory */
} style;

static style choose_style(fuzz_random *random, const medroi_layout *layout, size_t n_voxels) {
    static const double steps[] = {1.0, 1.0, 0.25, 0.1, 1e-3, 3.0, 1e6};
    uint64_t bits = fuzz_below(random, 4) ? 1 + fuzz_below(random, 12) : fuzz_below(random, 31);
    style made = {.n_levels = (uint64_t)1 << bits,
                  .noise = fuzz_below(random, 3) ? fuzz_below(random, 16) : 0,
                  .air_noise = fuzz_below(random, 2) ? fuzz_below(random, 8) : 0,
                  .step = steps[fuzz_below(random, sizeof steps / sizeof steps[0])],
                  .width = 1,
                  .height = 1};
    if (fuzz_below(random, 3) == 0) {
        made.offset = (double)fuzz_below(random, 5000) - 1024.0;
    }
    for (int32_t i = layout->ndim; i-- > 0;) {
        if (layout->shape[i] > 1 && made.width == 1) {
            made.width = (size_t)layout->shape[i];
        } else if (layout->shape[i] > 1 && made.height == 1) {
            made.height = (size_t)layout->shape[i];
        }
    }
    made.start = fuzz_below(random, n_voxels);
    made.stop = made.start + 1 + fuzz_below(random, n_voxels - made.start);
    return made;
}

/* A number within the element type, as its key. */
static uint64_t key_of(const medroi_block *block, double value) {
    double top = ldexp(1.0, 8 * block->itemsize - (block->kind == 'i'));
    if (block->kind == 'f') {
        return medroi_value_key(block, value);
    }
    top = block->kind == 'b' ? 1.0 : fmin(top - 1.0, 0x1p52);
    value = fmin(fmax(nearbyint(value), block->kind == 'i' ? -top : 0.0), top);
    return medroi_integer_key(block, (int64_t)value);
}

/* A scan: waves with noise in a field of air, in steps, now and then with a value that is none. */
static void fill_numbers(fuzz_random *random, const medroi_layout *layout, size_t n_voxels,
                         uint8_t *data) {
    medroi_block block = {.ndim = 1,
                          .shape = {(int64_t)n_voxels},
                          .kind = layout->kind,
                          .big_endian = layout->big_endian,
                          .itemsize = layout->itemsize};
    style made = choose_style(random, layout, n_voxels);
    for (size_t i = 0; i < n_voxels; i++) {
        size_t x = i % made.width, y = i / made.width % made.height;
        size_t z = i / made.width / made.height;
        uint64_t wave = (x * x / 2 + 3 * y + z * z) % made.n_levels;
        int tissue = i >= made.start && i < made.stop;
        uint64_t noise = tissue ? made.noise : made.air_noise;
        double level = (double)((tissue ? wave + made.noise : 0) + fuzz_below(random, noise + 1));
        uint64_t key = key_of(&block, (level + made.offset) * made.step);
        medroi_store_keys(&block, &key, i, 1, data);
    }
    if (layout->kind == 'f' && fuzz_below(random, 8) == 0) {
        uint64_t key = medroi_value_key(&block, fuzz_below(random, 2) ? (double)NAN : -INFINITY);
        medroi_store_keys(&block, &key, fuzz_below(random, n_voxels), 1, data);
    }
}

void fuzz_fill(fuzz_random *random, const medroi_layout *layout, uint8_t *data) {
    size_t nbytes = fuzz_layout_nbytes(layout);
    size_t itemsize = layout->itemsize;
    memset(data, 0, nbytes);
    if (nbytes == 0 || fuzz_below(random, 20) == 0) {
        return;
    }
    size_t n_voxels = nbytes / itemsize;
    if (strchr("biuf", layout->kind) != NULL && fuzz_below(random, 2)) {
        fill_numbers(random, layout, n_voxels, data);
    } else if (fuzz_below(random, 5) == 0) {
        for (size_t i = 0; i < nbytes; i++) {
            data[i] = (uint8_t)fuzz_bits(random);
        }
    } else {
        /* One run of the memory is tissue; whole lines of it, in most layouts. */
        size_t start = fuzz_below(random, n_voxels);
        size_t stop = start + 1 + fuzz_below(random, n_voxels - start);
        for (size_t i = start * itemsize; i < stop * itemsize; i++) {
            data[i] = (uint8_t)(0x30 + (fuzz_bits(random) & 0x0F));
        }
        for (uint64_t specks = fuzz_below(random, 8); specks > 0; specks--) {
            data[fuzz_below(random, nbytes)] = (uint8_t)fuzz_bits(random);
        }
    }
    if (layout->kind == 'b') {
        for (size_t i = 0; i < nbytes; i++) {
            data[i] = data[i] != 0;
        }
    }
}
