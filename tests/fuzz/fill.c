/* What the voxels of the fuzzers' arrays are. */
#include "random.h"

#include <math.h>
#include <string.h>

/* How the numbers of one array are made. */
typedef struct style {
    uint64_t n_levels, noise, air_noise;
    double offset, step;
    size_t width, height; /* of rows and slices, near enough */
    size_t start, stop;   /* what is tissue, in memory */
    size_t patch;         /* sides of the patches of a map of labels; 0: none */
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
    made.patch = fuzz_below(random, 4) ? 0 : 2 + fuzz_below(random, 9);
    return made;
}

/* The bits of a float of 16 bits. */
static uint64_t half_of(double value) {
    uint64_t sign = signbit(value) ? 0x8000 : 0;
    int exponent = 0;
    double size = fabs(value), fraction = frexp(size, &exponent);
    if (isnan(value)) {
        return sign | 0x7e00;
    }
    if (size >= 65520.0) {
        return sign | 0x7c00;
    }
    if (size < 0x1p-14) {
        return sign | (uint64_t)nearbyint(size * 0x1p24);
    }
    return sign |
           (((uint64_t)(exponent + 14) << 10) + (uint64_t)nearbyint((2 * fraction - 1) * 1024));
}

/* The bits of a number within the element type. */
static uint64_t bits_of(const medroi_layout *layout, double value) {
    double top = ldexp(1.0, 8 * layout->itemsize - (layout->kind == 'i'));
    uint64_t bits = 0;
    if (layout->kind == 'f' && layout->itemsize == 8) {
        memcpy(&bits, &value, sizeof value);
    } else if (layout->kind == 'f' && layout->itemsize == 4) {
        float narrow = (float)value;
        uint32_t narrow_bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow);
        bits = narrow_bits;
    } else if (layout->kind == 'f') {
        bits = half_of(value);
    } else {
        top = layout->kind == 'b' ? 1.0 : fmin(top - 1.0, 0x1p52);
        value = fmin(fmax(nearbyint(value), layout->kind == 'i' ? -top : 0.0), top);
        bits = (uint64_t)(int64_t)value;
    }
    return bits;
}

static void store(const medroi_layout *layout, double value, size_t index, uint8_t *data) {
    uint64_t bits = bits_of(layout, value);
    size_t itemsize = layout->itemsize;
    for (size_t i = 0; i < itemsize; i++) {
        size_t at = layout->big_endian ? itemsize - 1 - i : i;
        data[index * itemsize + at] = (uint8_t)(bits >> 8 * i);
    }
}

/* The label of the patch that a voxel lies in. */
static uint64_t label_of(const style *made, size_t x, size_t y, size_t z) {
    uint64_t patch = x / made->patch + 31 * (y / made->patch) + 1021 * (z / made->patch);
    return (patch * 0x9E3779B97F4A7C15u >> 32) % made->n_levels;
}

/* A scan: waves with noise in a field of air, in steps, now and then with a value that is none; or
 * a map of labels. */
static void fill_numbers(fuzz_random *random, const medroi_layout *layout, size_t n_voxels,
                         uint8_t *data) {
    style made = choose_style(random, layout, n_voxels);
    for (size_t i = 0; i < n_voxels; i++) {
        size_t x = i % made.width, y = i / made.width % made.height;
        size_t z = i / made.width / made.height;
        uint64_t wave = (x * x / 2 + 3 * y + z * z) % made.n_levels;
        int tissue = i >= made.start && i < made.stop;
        uint64_t noise = tissue ? made.noise : made.air_noise;
        double level = (double)((tissue ? wave + made.noise : 0) + fuzz_below(random, noise + 1));
        if (made.patch > 0)
            level = (double)(tissue ? label_of(&made, x, y, z) : 0);
        store(layout, (level + made.offset) * made.step, i, data);
    }
    if (layout->kind == 'f' && fuzz_below(random, 8) == 0) {
        double value = fuzz_below(random, 2) ? (double)NAN : -INFINITY;
        store(layout, value, fuzz_below(random, n_voxels), data);
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
