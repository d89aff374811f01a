/* The threshold "auto": what may be dropped, and what must be kept whole. */
#ifndef MEDROI_REGION_AUTO_H
#define MEDROI_REGION_AUTO_H

#include "region/air.h"
#include "region/search.h"

/* --- auto.c --- */
/* Whether the samples are noisy air. `air_share` is set to the share of them that is not
 * background. */
medroi_reason medroi_judge_air(const medroi_search *search, const medroi_air *found,
                               double *air_share);

/* --- unwritten.c --- */
/* Whether the array looks as if parts of it were not written yet: a plane along any axis, or a
 * block with square corners, holds one value alone. `background` is what a native load of the
 * element finds in the array. */
int medroi_is_being_written(const medroi_layout *layout, const medroi_search *search,
                            const void *data, uint64_t background, double air_share);

#endif
