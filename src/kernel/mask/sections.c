/* The sections of a stream's side data (FORMAT.md, section 4), whose lengths the header's reader
 * has checked. */
#include "base/bytes.h"
#include "mask/mask.h"

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
