/* A libhdf5 of a few datasets, whose parameters and chunks need not belong together. */
#ifndef MEDROI_FUZZ_FAKE_HDF5_H
#define MEDROI_FUZZ_FAKE_HDF5_H

#include "engine/cd_values.h"
#include "hdf5_api.h"
#include "random.h"

enum { FAKE_DATASETS = 3 };

typedef struct fake_dataset {
    medroi_layout layout; /* what the library itself knows */
    unsigned words[MEDROI_MAX_WORDS];
    size_t n_words;
    int position; /* of the filter; another one is in front of it where this is 1 */
    int is_open;
    int fill; /* H5_FILL_UNDEFINED and so on */
    uint8_t fill_byte;
} fake_dataset;

typedef struct fake_hdf5 {
    fake_dataset datasets[FAKE_DATASETS];
    /* Only then HDF5 can be asked for the fill value. */
    int is_creating;
} fake_hdf5;

extern fake_hdf5 fake;

const medroi_hdf5_api *fake_api(void);

/* Ids of a dataset, its creation list and its type. */
medroi_hid fake_dataset_id(int number);
medroi_hid fake_creation_id(int number);
medroi_hid fake_type_id(int number);
/* Ids are never given out twice: every dataset gets new ones. */
void fake_open_again(void);

#endif
