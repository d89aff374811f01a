/* How a failure reaches the user. */
#ifndef MEDROI_REPORT_H
#define MEDROI_REPORT_H

#include "base/kernel.h"
#include "hdf5_api.h"

/* Put the message where the calling libhdf5 prints it, and keep it for medroi_h5_last_error().
 * `hdf5` may be NULL. */
void medroi_h5_report(const medroi_hdf5_api *hdf5, const char *function, const medroi_error *error);

/* The last failure in this thread; empty where there was none. */
const char *medroi_h5_last_error(void);

#endif
