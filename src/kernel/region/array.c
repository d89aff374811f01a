/* Checks that every search makes of its array, and its box. */
#include "base/layout.h"
#include "region/search.h"

medroi_status medroi_check_array(const medroi_layout *layout, const void *data,
                                 medroi_error *error) {
    medroi_status status = medroi_check_layout(layout, MEDROI_INVALID_ARGUMENT, error);
    if (status == MEDROI_OK && !data && !medroi_layout_is_empty(layout)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "the array has elements but no data");
    }
    return status;
}

void medroi_set_box(const medroi_layout *layout, const medroi_grid *grid,
                    const medroi_grid_box *box, medroi_region *region) {
    if (medroi_grid_box_is_empty(box)) {
        return;
    }
    const medroi_span spans[3] = {box->z, box->y, box->x};
    for (int32_t i = 0; i < layout->ndim; i++) {
        region->box.stop[i] = layout->shape[i];
    }
    for (int i = 0; i < 3; i++) {
        if (grid->axis[i] >= 0) {
            region->box.start[grid->axis[i]] = spans[i].start;
            region->box.stop[grid->axis[i]] = spans[i].stop;
        }
    }
}
