/* HDF5 does not tell a filter which dataset it decodes for, and until 2.2 it does not look at how
 * much it gets back: it reads a whole chunk of the dataset from that memory. What the filter's
 * parameters say of the chunk was read from the file, and a file can say anything. So a decoded
 * array is handed out only where every open dataset with these parameters has chunks like it. */
#ifndef MEDROI_OPEN_DATASETS_H
#define MEDROI_OPEN_DATASETS_H

#include "base/kernel.h"
#include "hdf5_api.h"

/* Refuse an array that is not a chunk of each dataset that it can be meant for. `hdf5` is the
 * calling library (medroi_hdf5_api), a void pointer for medroi_h5_memory. */
medroi_status medroi_h5_admit(const void *hdf5, const unsigned *words, size_t n_words,
                              const medroi_layout *found, medroi_error *error);

/* Forget what is known of open datasets: a library that starts anew gives out the same ids. */
void medroi_h5_forget_datasets(void);

#endif
