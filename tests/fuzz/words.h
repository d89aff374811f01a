/* cd_values of the HDF5 filter, FORMAT.md section 11. */
#ifndef MEDROI_FUZZ_WORDS_H
#define MEDROI_FUZZ_WORDS_H

#include "random.h"

enum { FUZZ_MAX_WORDS = 20, FUZZ_MAX_CHUNK_AXES = 6 };

/* User words that a person or a program could give, now and then nonsense. */
size_t fuzz_user_words(fuzz_random *random, unsigned words[FUZZ_MAX_WORDS]);

/* Put the local part for a chunk behind `n` user words; returns how many there are then. */
size_t fuzz_add_chunk(unsigned words[FUZZ_MAX_WORDS], size_t n, const medroi_layout *layout);

/* A chunk that the filter codes: at most `max_voxels`, in C order, not empty. */
medroi_layout fuzz_chunk(fuzz_random *random, uint64_t max_voxels);

#endif
