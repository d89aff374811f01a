/* Which datasets use the filter, with which parameters and for which chunks. */
#ifndef MEDROI_DATASET_USES_H
#define MEDROI_DATASET_USES_H

#include "engine/cd_values.h"
#include "hdf5_api.h"

typedef struct medroi_h5_use {
    medroi_hid dataset;
    unsigned words[MEDROI_MAX_WORDS];
    size_t n_words;
    int is_sound; /* 1: the filter is the first one, and `layout` is that of the chunks */
    medroi_layout layout;
} medroi_h5_use;

typedef struct medroi_h5_uses {
    medroi_h5_use *items;
    size_t n, room;
} medroi_h5_uses;

/* Put the uses of an open dataset behind the others, and those of a virtual dataset's sources, all
 * under its id; sets *has_virtual where it is one. 0: no memory. */
int medroi_h5_add_uses(const medroi_hdf5_api *hdf5, medroi_hid dataset, medroi_h5_uses *uses,
                       int *has_virtual);

#endif
