#define _POSIX_C_SOURCE 199309L

#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sanitizer/common_interface_defs.h>

static uint64_t current_seed;
static uint64_t current_iteration;

/* The next of the bytes that were given; 0 of them are left in the end. */
static uint64_t take_given(fuzz_random *random, size_t nbytes) {
    uint64_t bits = 0;
    nbytes = nbytes < random->n_given ? nbytes : random->n_given;
    for (size_t i = 0; i < nbytes; i++) {
        bits |= (uint64_t)random->given[i] << 8 * i;
    }
    random->given += nbytes;
    random->n_given -= nbytes;
    return bits;
}

uint64_t fuzz_bits(fuzz_random *random) {
    if (random->n_given > 0) {
        return take_given(random, 8);
    }
    /* splitmix64 */
    uint64_t z = (random->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

fuzz_random fuzz_seeded(uint64_t seed, uint64_t iteration) {
    fuzz_random random = {.state = seed * 0xD1342543DE82EF95u + iteration};
    random.state = fuzz_bits(&random);
    return random;
}

fuzz_random fuzz_given(const uint8_t *bytes, size_t nbytes) {
    fuzz_random random = {.state = 0, .given = bytes, .n_given = nbytes};
    return random;
}

uint64_t fuzz_below(fuzz_random *random, uint64_t n) {
    if (random->n_given > 0) {
        return take_given(random, n <= 256 ? 1 : n <= 65536 ? 2 : 8) % n;
    }
    return fuzz_bits(random) % n;
}

/* Kinds and sizes that FORMAT.md allows, the common ones more often. */
static const struct {
    char kind;
    uint16_t itemsize;
} types[] = {{'i', 1}, {'i', 2},  {'i', 2}, {'i', 4}, {'i', 8}, {'u', 1},  {'u', 2},
             {'u', 4}, {'u', 8},  {'f', 2}, {'f', 4}, {'f', 4}, {'f', 8},  {'b', 1},
             {'c', 8}, {'c', 16}, {'S', 3}, {'U', 8}, {'V', 5}, {'V', 300}};

medroi_layout fuzz_layout(fuzz_random *random, uint64_t max_voxels) {
    medroi_layout layout;
    uint64_t n_voxels = 1;
    int32_t longer = 0;
    memset(&layout, 0, sizeof layout);
    size_t type = fuzz_below(random, sizeof types / sizeof types[0]);
    layout.kind = types[type].kind;
    layout.itemsize = types[type].itemsize;
    layout.ndim = fuzz_below(random, 4) ? 3 : (int32_t)(1 + fuzz_below(random, 8));
    for (int32_t i = 0; i < layout.ndim; i++) {
        uint64_t most = max_voxels / n_voxels;
        uint64_t size = 1 + fuzz_below(random, fuzz_below(random, 4) ? 40 : 5);
        size = size < most ? size : most;
        size = fuzz_below(random, 200) ? size : 0;
        layout.shape[i] = (int64_t)size;
        n_voxels *= size > 0 ? size : 1;
        longer += size > 1;
    }
    /* Byte order and memory order as a stream can say them. */
    int ordered = layout.itemsize > 1 && layout.kind != 'S' && layout.kind != 'V';
    layout.big_endian = (uint8_t)(ordered && fuzz_below(random, 3) == 0);
    layout.f_order = (uint8_t)(longer > 1 && fuzz_below(random, 2));
    int32_t n_axes = (int32_t)(1 + fuzz_below(random, 3));
    for (int32_t i = 0; i < n_axes; i++) {
        layout.axes |= (uint8_t)(1u << fuzz_below(random, (uint64_t)layout.ndim));
    }
    return layout;
}

size_t fuzz_layout_nbytes(const medroi_layout *layout) {
    size_t nbytes = layout->itemsize;
    for (int32_t i = 0; i < layout->ndim; i++) {
        nbytes *= (size_t)layout->shape[i];
    }
    return nbytes;
}

void *fuzz_allocate(size_t nbytes) {
    void *memory = malloc(nbytes);
    fuzz_expect(memory != NULL || nbytes == 0, "memory for what a checked header describes");
    return memory;
}

static void say_where(void) {
    fprintf(stderr, "fuzz: seed %llu, iteration %llu\n", (unsigned long long)current_seed,
            (unsigned long long)current_iteration);
}

void fuzz_expect(int holds, const char *promise) {
    if (!holds) {
        fprintf(stderr, "fuzz: a promise is broken: %s\n", promise);
        say_where();
        abort();
    }
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int fuzz_run(int argc, char **argv, const char *name, fuzz_iteration iteration) {
    double end = seconds_now() + (argc > 1 ? atof(argv[1]) : 60.0);
    uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    current_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    __sanitizer_set_death_callback(say_where);
    printf("%s: seed %llu\n", name, (unsigned long long)current_seed);
    for (current_iteration = first; seconds_now() < end; current_iteration++) {
        fuzz_random random = fuzz_seeded(current_seed, current_iteration);
        iteration(&random);
    }
    printf("%s: %llu iterations\n", name, (unsigned long long)(current_iteration - first));
    return 0;
}
