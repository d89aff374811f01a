/* Streams through the public interface: how they are made, and what is promised of them. */
#ifndef MEDROI_FUZZ_STREAMS_H
#define MEDROI_FUZZ_STREAMS_H

#include "mutate.h"
#include "random.h"

/* A configuration as text, whose options an array of the layout allows, mostly. */
typedef struct fuzz_options {
    char text[1024];
    double max_miss_rate;
    int drops_groups; /* of any size, where that is asked for */
    int keeps_all;    /* no threshold: every voxel that differs from the background is kept */
} fuzz_options;

/* `inner` is JSON. */
fuzz_options fuzz_choose_options(fuzz_random *random, const medroi_layout *layout,
                                 const char *inner);

/* The stream of an array, which may be refused: then it has no bytes. What is promised of it is
 * checked. */
fuzz_stream fuzz_encode(fuzz_random *random, const fuzz_options *options,
                        const medroi_layout *layout, const uint8_t *data, int is_lossy);

/* Whatever the bytes, they are decoded or refused, whole and in part alike. */
void fuzz_read(fuzz_random *random, const fuzz_stream *stream);

#endif
