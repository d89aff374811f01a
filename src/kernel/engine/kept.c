/* The voxels that a region keeps, as flags. */
#include "base/layout.h"
#include "engine/engine.h"

#include <string.h>

/* A header for the functions that apply a mask, of an array of flags. */
static medroi_header header_of(const medroi_layout *flags, const medroi_region *region) {
    medroi_header header;
    memset(&header, 0, sizeof header);
    header.layout = *flags;
    header.slice_axis = medroi_default_slice_axis(flags);
    header.box = region->box;
    header.side = region->side;
    header.side_nbytes = region->side_nbytes;
    return header;
}

uint64_t medroi_count_flags(const uint8_t *flags, size_t n) {
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += flags[i];
    }
    return total;
}

static int32_t outermost_axis(const medroi_layout *layout) {
    int32_t order[MEDROI_MAX_AXES];
    medroi_memory_order(layout, order);
    return order[0];
}

size_t medroi_plane_of_flags_nbytes(const medroi_layout *flags) {
    int64_t n_planes = flags->shape[outermost_axis(flags)];
    return n_planes > 0 ? medroi_array_nbytes(flags) / (size_t)n_planes : 1;
}

uint64_t medroi_count_kept(const medroi_layout *flags, const medroi_region *region,
                           const uint8_t *marked, uint8_t *plane) {
    medroi_header header = header_of(flags, region);
    medroi_box box = region->box;
    int32_t axis = outermost_axis(flags);
    size_t n = 1;
    uint64_t total = 0;
    for (int32_t i = 0; i < flags->ndim; i++) {
        n *= i == axis ? 1 : (size_t)(box.stop[i] - box.start[i]);
    }
    for (int64_t i = region->box.start[axis]; n > 0 && i < region->box.stop[axis]; i++) {
        box.start[axis] = i;
        box.stop[axis] = i + 1;
        medroi_gather(flags, marked, &box, header.slice_axis, plane);
        if (region->mask_map != NULL) {
            medroi_apply_mask(&header, region->mask_map, &box, plane);
        }
        total += medroi_count_flags(plane, n);
    }
    return total;
}
