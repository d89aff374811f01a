/* Missing values are content: NaN and infinities that are not the background. */
#ifndef MEDROI_REGION_MISSING_H
#define MEDROI_REGION_MISSING_H

#include "region/search.h"

typedef void medroi_missing_visitor(void *context, int64_t z, int64_t y, int64_t x);

/* Visit every element that is NaN or infinite and differs bitwise from the background, outside the
 * box `known` (NULL: everywhere). Arrays of other kinds than 'f' have none. */
void medroi_visit_missing(const medroi_layout *layout, const medroi_grid *grid, const void *data,
                          uint64_t background, const medroi_grid_box *known,
                          medroi_missing_visitor *visit, void *context);

/* Widen `box` to all of them. Returns whether it grew. */
int medroi_include_missing(const medroi_layout *layout, const medroi_grid *grid, const void *data,
                           uint64_t background, medroi_grid_box *box);

#endif
