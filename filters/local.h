/* What HDF5 asks before it encodes. When a dataset is created: refuse what cannot work, and keep in
 * cd_values what was decided. At the first write after every open it asks once more. */
#ifndef MEDROI_LOCAL_H
#define MEDROI_LOCAL_H

#include "base/kernel.h"
#include "hdf5_api.h"

/* can_apply: element type, chunk, inner codec and place in the pipeline, at creation as well as
 * later. It cannot tell which of both it is, and so never asks for the fill value. */
medroi_status medroi_h5_check_dataset(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                                      medroi_error *error);

/* set_local, at creation alone: the same checks, and that of the fill value; then the local part of
 * cd_values is written and the OPTIONAL flag cleared, with which HDF5 would store chunks raw,
 * silently, where encoding fails. */
medroi_status medroi_h5_set_local(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                                  medroi_error *error);

#endif
