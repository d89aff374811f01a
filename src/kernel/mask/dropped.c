/* The section of dropped signal (FORMAT.md, section 4.3), from bytes nobody vouches for. */
#include "base/bytes.h"
#include "mask/mask.h"
#include "mask/numbers.h"

#include <math.h>
#include <string.h>

#define HEAD_NBYTES 9 /* version and level */

static medroi_status corrupt(medroi_error *error) {
    return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                       "corrupt stream: its count of dropped signal is cut off or does not fit the "
                       "array");
}

static medroi_status read_group(const medroi_header *header, const uint8_t *at, const uint8_t *end,
                                medroi_dropped *dropped, medroi_error *error) {
    dropped->n_largest = medroi_read_number(&at, end);
    if (at > end || end - at < 8 || dropped->n_largest == 0 ||
        dropped->n_largest > dropped->n_dropped) {
        return corrupt(error);
    }
    dropped->peak = medroi_load_f64(at);
    at += 8;
    if (!medroi_read_bounds(&header->layout, &at, end, &dropped->largest)) {
        return corrupt(error);
    }
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        if (dropped->largest.start[i] == dropped->largest.stop[i]) {
            return corrupt(error);
        }
    }
    return at == end && !isnan(dropped->peak) ? MEDROI_OK : corrupt(error);
}

medroi_status medroi_read_dropped(const medroi_header *header, medroi_dropped *dropped,
                                  medroi_error *error) {
    uint32_t nbytes = 0;
    const uint8_t *section = medroi_find_section(header, MEDROI_SIDE_DROPPED, &nbytes);
    memset(dropped, 0, sizeof *dropped);
    dropped->level = (double)NAN; /* not stated */
    if (!section || nbytes == 0 || section[0] != 1) {
        return MEDROI_OK;
    }
    const uint8_t *at = section + HEAD_NBYTES, *end = section + nbytes;
    if (nbytes < HEAD_NBYTES) {
        return corrupt(error);
    }
    dropped->level = medroi_load_f64(section + 1);
    dropped->n_signal = medroi_read_number(&at, end);
    dropped->n_dropped = at <= end ? medroi_read_number(&at, end) : 0;
    if (at > end || dropped->n_dropped > dropped->n_signal || isnan(dropped->level)) {
        return corrupt(error);
    }
    return read_group(header, at, end, dropped, error);
}

size_t medroi_write_dropped(const medroi_layout *layout, const medroi_dropped *dropped,
                            uint8_t *dst) {
    uint8_t *at = dst + 5;
    at[0] = 1;
    medroi_store_f64(at + 1, dropped->level);
    at = medroi_write_number(at + HEAD_NBYTES, dropped->n_signal);
    at = medroi_write_number(at, dropped->n_dropped);
    at = medroi_write_number(at, dropped->n_largest);
    medroi_store_f64(at, dropped->peak);
    at += 8;
    at = medroi_write_bounds(layout, &dropped->largest, at);
    dst[0] = MEDROI_SIDE_DROPPED;
    medroi_store32(dst + 1, (uint32_t)(at - dst - 5));
    return (size_t)(at - dst);
}
