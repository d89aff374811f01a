/* One chunk to a stream and back, whoever owns the memory. */
#ifndef MEDROI_CHUNK_H
#define MEDROI_CHUNK_H

#include "engine/cd_values.h"

#include <stdbool.h>

/* Where a decoded chunk goes. Memory is allocated once its size is known; without `allocate`,
 * `data` is the caller's own memory of `capacity` bytes, which has to be a chunk's. HDF5 reads a
 * whole chunk from what it is given, however large that is: `admit` refuses a decoded array that is
 * none of its chunks, before anything is allocated. */
typedef struct medroi_h5_memory {
    void *(*allocate)(size_t nbytes, bool clear);
    int (*release)(void *);
    medroi_status (*admit)(const void *owner, const unsigned *words, size_t n_words,
                           const medroi_layout *found, medroi_error *error);
    const void *owner;
    void *data;
    size_t capacity;
    size_t nbytes;
} medroi_h5_memory;

/* 1: no voxel that differs from the background is ever discarded. */
int medroi_h5_keeps_all(const medroi_region_options *region, const medroi_layout *layout);

/* Refuse a background that is not the dataset's fill value. */
medroi_status medroi_h5_compare_fill(const medroi_layout *layout, uint64_t background,
                                     uint64_t fill, medroi_error *error);

/* Refuse an inner codec that is not there, or that cannot code chunks like this. */
medroi_status medroi_h5_check_inner(const medroi_cd_values *config, const medroi_layout *layout,
                                    medroi_error *error);

/* `words` are complete cd_values. On failure what `stream` reserved is left to its owner. */
medroi_status medroi_h5_encode(const unsigned *words, size_t n_words, const void *data,
                               size_t nbytes, medroi_output *stream, medroi_error *error);

/* Without a local part in the words, the chunk is what the stream says, where `out` admits it. On
 * failure nothing is left allocated in `out`. */
medroi_status medroi_h5_decode(const unsigned *words, size_t n_words, const void *stream,
                               size_t nbytes, medroi_h5_memory *out, medroi_error *error);

#endif
