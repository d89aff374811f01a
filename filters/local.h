/* What happens when a dataset is created: refuse what cannot work, note the chunk in cd_values. */
#ifndef MEDROI_LOCAL_H
#define MEDROI_LOCAL_H

#include "hdf5_api.h"
#include "medroi.h"

/* Every check of a dataset's creation list and element type; nothing is changed. */
medroi_status medroi_h5_check_dataset(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                                      medroi_error *error);

/* The same checks; then the local part of cd_values is written and the OPTIONAL flag cleared,
 * with which HDF5 would store chunks raw, silently, where encoding fails. */
medroi_status medroi_h5_set_local(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                                  medroi_error *error);

#endif
