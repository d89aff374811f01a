/* The sections of a stream's side data (FORMAT.md, section 4), whose lengths the header's reader
 * has checked. */
#include "base/bytes.h"
#include "mask/mask.h"
#include "mask/numbers.h"

const uint8_t *medroi_find_section(const medroi_header *header, uint8_t tag, uint32_t *nbytes) {
    const uint8_t *p = header->side;
    const uint8_t *end = p != NULL ? p + header->side_nbytes : p;
    while (end - p >= 5) {
        uint32_t length = medroi_load32(p + 1);
        if (length > (size_t)(end - p) - 5) {
            break;
        }
        if (p[0] == tag) {
            *nbytes = length;
            return p + 5;
        }
        p += 5 + length;
    }
    return NULL;
}

int medroi_read_bounds(const medroi_layout *layout, const uint8_t **at, const uint8_t *end,
                       medroi_box *box) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        uint64_t size = (uint64_t)layout->shape[i], start = 0, stop = size;
        if (layout->axes >> i & 1) {
            start = *at <= end ? medroi_read_number(at, end) : 0;
            stop = *at <= end ? medroi_read_number(at, end) : 0;
        }
        if (*at > end || start > stop || stop > size) {
            return 0;
        }
        box->start[i] = (int64_t)start;
        box->stop[i] = (int64_t)stop;
    }
    return 1;
}

uint8_t *medroi_write_bounds(const medroi_layout *layout, const medroi_box *box, uint8_t *at) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->axes >> i & 1) {
            at = medroi_write_number(at, (uint64_t)box->start[i]);
            at = medroi_write_number(at, (uint64_t)box->stop[i]);
        }
    }
    return at;
}
