/* Random numbers and a clock for the fuzzers. */
#ifndef MEDROI_FUZZ_RANDOM_H
#define MEDROI_FUZZ_RANDOM_H

#include "include/medroi.h"

/* The state of one iteration is a function of seed and iteration alone, so that any can be run
 * again by itself. */
typedef struct fuzz_random {
    uint64_t state;
    const uint8_t *given; /* bytes of a coverage-guided fuzzer, which answer first */
    size_t n_given;
} fuzz_random;

fuzz_random fuzz_seeded(uint64_t seed, uint64_t iteration);
fuzz_random fuzz_given(const uint8_t *bytes, size_t nbytes);
uint64_t fuzz_bits(fuzz_random *random);
/* 0 to n - 1; n is not 0. */
uint64_t fuzz_below(fuzz_random *random, uint64_t n);

/* A dense array of at most max_voxels elements; its axes are a valid choice. */
medroi_layout fuzz_layout(fuzz_random *random, uint64_t max_voxels);
size_t fuzz_layout_nbytes(const medroi_layout *layout);
/* Air with specks of noise around a brighter block, in whatever the elements are. */
void fuzz_fill(fuzz_random *random, const medroi_layout *layout, uint8_t *data);

/* Runs iterations until `argv[1]` seconds are over and says how many there were. Prints seed
 * and iteration when a sanitizer or fuzz_expect ends the program. */
typedef void (*fuzz_iteration)(fuzz_random *random);
int fuzz_run(int argc, char **argv, const char *name, fuzz_iteration iteration);

/* The entry of a fuzzer whose every iteration is a function of random numbers: a program of its
 * own, or a target of libFuzzer, whose bytes then are the random numbers. */
#ifdef MEDROI_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes);
#define FUZZ_MAIN(NAME, ITERATION)                                                                 \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes) {                              \
        fuzz_random random = fuzz_given(bytes, nbytes);                                            \
        ITERATION(&random);                                                                        \
        return 0;                                                                                  \
    }
#else
#define FUZZ_MAIN(NAME, ITERATION)                                                                 \
    int main(int argc, char **argv) { return fuzz_run(argc, argv, NAME, ITERATION); }
#endif

/* Ends the program when a promise is broken. */
void fuzz_expect(int holds, const char *promise);
/* malloc that ends the program when there is no memory. An exact size, so that the sanitizer
 * sees every access behind the end. */
void *fuzz_allocate(size_t nbytes);

#endif
