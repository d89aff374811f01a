/* The voxels that a region keeps, as flags. */
#include "engine/engine.h"

#include <string.h>

void medroi_clear_dropped(const medroi_layout *flags, const medroi_region *region, uint8_t *kept) {
    medroi_header header;
    memset(&header, 0, sizeof header);
    header.layout = *flags;
    header.box = region->box;
    header.side = region->side;
    header.side_nbytes = region->side_nbytes;
    medroi_fill_outside(flags, kept, &region->box, 0);
    if (region->mask_map != NULL) {
        medroi_apply_mask_to_array(&header, region->mask_map, kept);
    }
}

medroi_layout medroi_flags_layout(const medroi_layout *layout) {
    medroi_layout flags = *layout;
    flags.kind = 'u';
    flags.itemsize = 1;
    flags.big_endian = 0;
    return flags;
}

void medroi_mark_kept(const medroi_layout *layout, const medroi_region *region, uint8_t *kept) {
    medroi_layout flags = medroi_flags_layout(layout);
    medroi_region of_volume = *region;
    size_t n = 1;
    for (int32_t i = 0; i < flags.ndim; i++) {
        if (!(flags.axes >> i & 1)) {
            int is_empty = of_volume.box.stop[i] == of_volume.box.start[i];
            flags.shape[i] = flags.shape[i] > 0;
            of_volume.box.start[i] = 0;
            of_volume.box.stop[i] = is_empty ? 0 : flags.shape[i];
        }
        n *= (size_t)flags.shape[i];
    }
    memset(kept, 1, n);
    medroi_clear_dropped(&flags, &of_volume, kept);
}
