/* HDF5 element types as the kernel's kinds. */
#ifndef MEDROI_ELEMENT_H
#define MEDROI_ELEMENT_H

#include "hdf5_api.h"
#include "medroi.h"

/* Set kind, itemsize and big_endian of `layout`, or refuse types that a stream cannot hold. */
medroi_status medroi_h5_element(const medroi_hdf5_api *hdf5, medroi_hid type, medroi_layout *layout,
                                medroi_error *error);

#endif
