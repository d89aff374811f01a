/* Side data of a mask (FORMAT.md, sections 4.1 and 4.2), from bytes nobody vouches for.
 */
#include "base/bytes.h"
#include "base/layout.h"
#include "mask/mask.h"
#include "mask/numbers.h"

#include <string.h>

#define MAX_EDGE 16
#define MAX_TILES (UINT64_C(1) << 40)

static medroi_status corrupt(medroi_error *error, const char *what) {
    return medroi_fail(error, MEDROI_CORRUPT_STREAM, "corrupt stream: %s", what);
}

int medroi_has_no_region(const medroi_header *header) {
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        if (header->box.stop[i] <= header->box.start[i]) {
            return 1;
        }
    }
    return 0;
}

/* Tiles are counted where the box was checked already; there are fewer of them than voxels. */
static int has_too_many_tiles(const medroi_header *header, uint8_t edge) {
    uint64_t n = 1;
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        if (header->layout.axes >> i & 1) {
            uint64_t size = (uint64_t)(header->box.stop[i] - header->box.start[i]) / edge + 1;
            if (size > MAX_TILES / n) {
                return 1;
            }
            n *= size;
        }
    }
    return 0;
}

medroi_status medroi_check_mask_section(const medroi_header *header, const uint8_t *section,
                                        uint32_t nbytes, medroi_error *error) {
    int empty = medroi_has_no_region(header);
    if (nbytes < MEDROI_MASK_HEAD_NBYTES) {
        return corrupt(error, "its mask is cut off");
    }
    if (section[0] != 1 && section[0] != MEDROI_MASK_OF_VOXELS) {
        return medroi_fail(error, MEDROI_UNSUPPORTED_VERSION,
                           "stream with a mask of version %d, which this build does not know: "
                           "upgrade medroi",
                           section[0]);
    }
    double rate = medroi_load_f64(section + 2);
    int is_sound_edge =
        section[0] == 1 ? section[1] >= 2 && section[1] <= MAX_EDGE : section[1] == 1;
    if (!medroi_kind_is_number(header->layout.kind)) {
        return corrupt(error, "it has a mask, but its elements are not numbers");
    }
    if (!is_sound_edge || !(rate >= 0 && rate <= 1)) {
        return corrupt(error, "its mask has tiles of a size or a miss rate out of range");
    }
    if (has_too_many_tiles(header, section[1])) {
        return corrupt(error, "its mask has more tiles than fit in memory");
    }
    if ((nbytes == MEDROI_MASK_HEAD_NBYTES) != empty) {
        return corrupt(error, "its mask and its bounding box disagree on whether it is empty");
    }
    return MEDROI_OK;
}

static medroi_status read_left_out(const medroi_header *header, const uint8_t *at,
                                   const uint8_t *end, medroi_mask_info *info,
                                   medroi_error *error) {
    info->n_left_out = medroi_read_number(&at, end);
    info->n_left_out_voxels = at <= end ? medroi_read_number(&at, end) : 0;
    uint64_t n_listed = at <= end ? medroi_read_number(&at, end) : 0;
    if (at > end || n_listed > MEDROI_MAX_LEFT_OUT || n_listed > info->n_left_out) {
        return corrupt(error, "its list of what was left out is cut off or too long");
    }
    for (uint32_t k = 0; k < n_listed; k++) {
        info->left_out_voxels[k] = at <= end ? medroi_read_number(&at, end) : 0;
        if (!medroi_read_bounds(&header->layout, &at, end, &info->left_out[k])) {
            return corrupt(error, "its list of what was left out does not fit the array");
        }
    }
    info->n_listed = (uint32_t)n_listed;
    return MEDROI_OK;
}

medroi_status medroi_read_mask_info(const medroi_header *header, medroi_mask_info *info,
                                    medroi_error *error) {
    uint32_t nbytes = 0;
    medroi_status status = MEDROI_OK;
    memset(info, 0, sizeof *info);
    const uint8_t *section = medroi_find_section(header, MEDROI_SIDE_MASK, &nbytes);
    if (section) {
        status = medroi_check_mask_section(header, section, nbytes, error);
        info->is_mask = 1;
        info->mask_nbytes = nbytes;
        info->unopened_miss_rate = nbytes >= 10 ? medroi_load_f64(section + 2) : 0;
    }
    section = medroi_find_section(header, MEDROI_SIDE_LEFT_OUT, &nbytes);
    if (status == MEDROI_OK && section && nbytes > 0 && section[0] == 1) {
        status = read_left_out(header, section + 1, section + nbytes, info, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_read_dropped(header, &info->dropped, error);
    }
    return status;
}

size_t medroi_write_left_out(const medroi_layout *layout, const medroi_mask_info *info,
                             uint8_t *dst) {
    uint8_t *at = dst + 5;
    *at++ = 1;
    at = medroi_write_number(at, info->n_left_out);
    at = medroi_write_number(at, info->n_left_out_voxels);
    at = medroi_write_number(at, info->n_listed);
    for (uint32_t k = 0; k < info->n_listed; k++) {
        at = medroi_write_number(at, info->left_out_voxels[k]);
        at = medroi_write_bounds(layout, &info->left_out[k], at);
    }
    dst[0] = MEDROI_SIDE_LEFT_OUT;
    medroi_store32(dst + 1, (uint32_t)(at - dst - 5));
    return (size_t)(at - dst);
}

void medroi_write_mask_head(uint32_t nbytes, uint8_t edge, double unopened_miss_rate,
                            uint8_t *dst) {
    dst[0] = MEDROI_SIDE_MASK;
    medroi_store32(dst + 1, nbytes);
    dst[5] = edge == 1 ? MEDROI_MASK_OF_VOXELS : 1;
    dst[6] = edge;
    medroi_store_f64(dst + 7, unopened_miss_rate);
}
