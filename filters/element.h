/* HDF5's element types and chunks as the kernel's layout. */
#ifndef MEDROI_ELEMENT_H
#define MEDROI_ELEMENT_H

#include "base/kernel.h"
#include "hdf5_api.h"

/* Set kind, itemsize and big_endian of `layout`, or refuse types that a stream cannot hold. */
medroi_status medroi_h5_element(const medroi_hdf5_api *hdf5, medroi_hid type, medroi_layout *layout,
                                medroi_error *error);

/* Set ndim and shape of `layout` to the chunks of a creation list. */
medroi_status medroi_h5_read_chunk(const medroi_hdf5_api *hdf5, medroi_hid dcpl,
                                   medroi_layout *layout, medroi_error *error);

#endif
